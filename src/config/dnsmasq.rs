//! The section `dnsmasq`: which zones a dnsmasq on this machine answers for, and where its files are.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use amarre_core::model::Code;
use amarre_core::model::site::ascii_name;
use serde::Deserialize;

use super::ConfigError;
use super::build::{clean, servers};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DnsmasqFile {
    conf_dir: PathBuf,
    pid_file: PathBuf,
    zones: Vec<String>,
    servers: Option<Vec<String>>,
}

/// A dnsmasq whose records Amarre writes.
#[derive(Debug, Clone)]
pub struct DnsmasqAccess {
    /// The folder of its `conf-dir`.
    pub conf_dir: PathBuf,
    /// The file with the number of its process.
    pub pid_file: PathBuf,
    /// The zones that it answers for; at least one.
    pub zones: BTreeSet<String>,
    /// Where it answers.
    pub servers: Vec<SocketAddr>,
}

impl DnsmasqFile {
    /// # Errors
    /// No zone, one that is no domain, or a server that is no address.
    pub(super) fn build(&self, base: &Path) -> Result<DnsmasqAccess, ConfigError> {
        let zones: BTreeSet<String> = self.zones.iter().map(|zone| ascii_name(zone.trim_end_matches('.'))).collect();
        if let Some(wrong) = zones.iter().find(|zone| !super::is_domain(zone)) {
            let message = format!("dnsmasq.zones: `{wrong}` is not a domain");
            return Err(ConfigError::new(Code::A0201, message, "write it as in `home.example`"));
        }
        if zones.is_empty() {
            let message = "dnsmasq.zones names no zone";
            return Err(ConfigError::new(Code::A0201, message, "name the zones that it answers for: [home.example]"));
        }
        let usual = || vec!["127.0.0.1".to_owned()];
        Ok(DnsmasqAccess {
            conf_dir: clean(base, &self.conf_dir),
            pid_file: clean(base, &self.pid_file),
            zones,
            servers: servers("dnsmasq.servers", &self.servers.clone().unwrap_or_else(usual))?,
        })
    }
}
