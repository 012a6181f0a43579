//! DNS zones of a dnsmasq on this machine: a file in its `conf-dir`, and a signal after which it reads the file.
//!
//! dnsmasq reads `conf-dir` at its start only: a hang-up signal makes it read hosts files again and no option (measured with
//! 2.90). So it is ended, and its supervisor starts it again: `Restart=always` of systemd, or a container's restart policy.

mod folder;
mod lines;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};

use self::folder::{OWN_FILE, PlacedLine, read_all, write_own};
use self::lines::ConfLine;
use super::dns::backend::{RowContent, ZoneBackend, ZoneError};
use super::dns::propagation::{Propagation, Watcher};
use super::dns::provider::{DnsProvider, DnsSettings};
use super::dns::record_sets::ZoneRow;
use super::http::Counts;
use super::{Class, Exam, Finding, ProviderError};
use crate::secret::MarkKey;
use amarre_core::model::site::is_below;
use amarre_core::model::{Code, Fields, Millis, ProviderId, Text};
use amarre_core::resources::{Objection, dns};
use amarre_core::text;

/// The family's word.
pub const FAMILY: &str = "dnsmasq";
/// What it is called in findings.
const TITLE: &str = "dnsmasq";
/// What a line of its configuration can hold.
const TYPES: [&str; 4] = ["A", "AAAA", "CNAME", "TXT"];

/// How a dnsmasq is reached and what is ours in it.
#[derive(Debug, Clone)]
pub struct DnsmasqConfig {
    /// The folder of its `conf-dir`.
    pub conf_dir: PathBuf,
    /// The file with the number of its process.
    pub pid_file: PathBuf,
    /// The zones that it answers for.
    pub zones: BTreeSet<String>,
    pub servers: Vec<SocketAddr>,
    /// How long a record may take to be answered.
    pub timeout: Millis,
    /// Our name in marks.
    pub instance: String,
    /// Whether records are marked by TXT records.
    pub registry: bool,
    /// Signs the marks.
    pub key: MarkKey,
}

/// The zones of one dnsmasq.
pub type DnsmasqProvider = DnsProvider<Dnsmasq>;

#[derive(Debug)]
pub struct Dnsmasq {
    conf_dir: PathBuf,
    pid_file: PathBuf,
    zones: BTreeSet<String>,
}

/// Why its folder gave nothing of use.
#[derive(Debug)]
pub enum DnsmasqError {
    /// It cannot be read or written.
    Folder(PathBuf, io::Error),
    /// The record stands in a file that Amarre does not write.
    Elsewhere(String),
    /// The row is gone.
    Gone,
}

impl DnsmasqProvider {
    /// A provider; reads nothing yet.
    pub fn new(config: DnsmasqConfig) -> Self {
        let DnsmasqConfig { conf_dir, pid_file, zones, servers, timeout, instance, registry, key } = config;
        let propagation = Propagation { servers, resolvers: Vec::new(), timeout };
        let id = ProviderId::from(FAMILY.to_owned());
        Self::over(Dnsmasq { conf_dir, pid_file, zones }, DnsSettings { id, instance, registry, key, propagation })
    }
}

impl ZoneError for DnsmasqError {
    fn into_error(self, doing: &Text, _wrote: bool) -> ProviderError {
        match self {
            Self::Folder(path, why) => {
                let message =
                    text!("{doing}: {why}", doing = doing.clone(), why = format!("{}: {why}", path.display()));
                ProviderError::new(Class::RetryLater, Code::A0704, message).hint(text!(
                    "is `dnsmasq.conf_dir` the folder of dnsmasq's `conf-dir`, and may Amarre write there?"
                ))
            }
            Self::Elsewhere(file) => {
                let message =
                    text!("{doing}: it stands in {file}, which Amarre does not write", doing = doing.clone(), file);
                let hint = text!("move its line into {file}, or put `dns: none` into the manifest", file = OWN_FILE);
                ProviderError::new(Class::Rejected, Code::A0706, message).hint(hint)
            }
            Self::Gone => {
                let message = text!("{doing}: its line is gone", doing = doing.clone());
                ProviderError::new(Class::Conflict, Code::A0707, message).hint(text!("it is planned again by itself"))
            }
        }
    }
}

impl Dnsmasq {
    fn read(&self) -> Result<Vec<PlacedLine>, DnsmasqError> {
        read_all(&self.conf_dir).map_err(|why| DnsmasqError::Folder(self.conf_dir.clone(), why))
    }

    /// Changes what stands in Amarre's own file.
    fn rewrite(
        &self,
        change: impl FnOnce(&mut Vec<PlacedLine>) -> Result<(), DnsmasqError>,
    ) -> Result<(), DnsmasqError> {
        let mut placed = self.read()?;
        change(&mut placed)?;
        let own = placed.into_iter().filter(|placed| placed.file == OWN_FILE).map(|placed| placed.entry);
        write_own(&self.conf_dir, &own.collect::<Vec<_>>())
            .map_err(|why| DnsmasqError::Folder(self.conf_dir.clone(), why))
    }

    /// Ends it; its supervisor starts it again.
    fn end(&self) -> Result<(), String> {
        let text = std::fs::read_to_string(&self.pid_file);
        let text = text.map_err(|why| format!("{}: {why}", self.pid_file.display()))?;
        let number: i32 = text.trim().parse().map_err(|_| format!("{} holds no number", self.pid_file.display()))?;
        let name = std::fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
        // A number is given to another process when its own has ended.
        if name.trim() != "dnsmasq" {
            return Err(format!("{} names process {number}, which is no dnsmasq", self.pid_file.display()));
        }
        let pid = Pid::from_raw(number).ok_or_else(|| format!("{} holds no number", self.pid_file.display()))?;
        kill_process(pid, Signal::TERM).map_err(|why| format!("process {number} takes no signal: {why}"))
    }
}

fn entry(row: RowContent<'_>) -> ConfLine {
    let record_type = TYPES.into_iter().find(|known| *known == row.native_type).unwrap_or("TXT");
    // The line of a TXT record has no place for it.
    let ttl = if record_type == "TXT" { 0 } else { row.ttl };
    ConfLine { name: row.name.to_owned(), record_type, value: row.value.to_owned(), ttl }
}

#[async_trait]
impl ZoneBackend for Dnsmasq {
    type Error = DnsmasqError;

    /// One file holds all records.
    const IN_FLIGHT_MAX: usize = 1;

    async fn zones(&self) -> Result<BTreeSet<String>, DnsmasqError> {
        self.read()?;
        Ok(self.zones.clone())
    }

    async fn rows(&self, zone: &str) -> Result<Vec<ZoneRow>, DnsmasqError> {
        let row = |PlacedLine { id, entry, .. }: PlacedLine| {
            let ConfLine { name, record_type, value, ttl } = entry;
            let native_type = record_type.to_owned();
            ZoneRow { id, name, record_type: native_type.clone(), native_type, value, ttl }
        };
        Ok(self.read()?.into_iter().filter(|placed| is_below(&placed.entry.name, zone)).map(row).collect())
    }

    async fn rows_of(&self, zone: &str, _names: &[&str]) -> Result<Vec<ZoneRow>, DnsmasqError> {
        self.rows(zone).await
    }

    /// dnsmasq's own, as long as its `local-ttl` is not set.
    async fn default_ttl(&self, _zone: &str) -> Result<u32, DnsmasqError> {
        Ok(0)
    }

    async fn add(&self, _zone: &str, row: RowContent<'_>) -> Result<u64, DnsmasqError> {
        let entry = entry(row);
        self.rewrite(|placed| {
            placed.push(PlacedLine { id: 0, file: OWN_FILE.to_owned(), entry: entry.clone() });
            Ok(())
        })?;
        let mut placed = self.read()?;
        placed.retain(|placed| placed.file == OWN_FILE && placed.entry == entry);
        Ok(placed.last().map_or(0, |placed| placed.id))
    }

    async fn replace(&self, _zone: &str, id: u64, row: RowContent<'_>) -> Result<(), DnsmasqError> {
        self.rewrite(|placed| {
            let place = placed.iter_mut().find(|placed| placed.id == id).ok_or(DnsmasqError::Gone)?;
            if place.file != OWN_FILE {
                return Err(DnsmasqError::Elsewhere(place.file.clone()));
            }
            place.entry = entry(row);
            Ok(())
        })
    }

    async fn remove(&self, _zone: &str, id: u64) -> Result<(), DnsmasqError> {
        self.rewrite(|placed| match placed.iter().find(|placed| placed.id == id) {
            Some(place) if place.file != OWN_FILE => Err(DnsmasqError::Elsewhere(place.file.clone())),
            Some(_) | None => {
                placed.retain(|placed| placed.id != id);
                Ok(())
            }
        })
    }

    async fn publish(&self, zone: &str) -> Result<(), ProviderError> {
        self.end().map_err(|why| {
            let message = format!("{OWN_FILE} is written, and dnsmasq was not made to read it for {zone}: {why}");
            ProviderError::new(Class::RetryLater, Code::A0703, message)
                .hint(text!("is `dnsmasq.pid_file` right, and does Amarre run as a user that may signal it?"))
        })
    }

    async fn examine(&self, exam: &Exam, watcher: &Watcher) -> Vec<Finding> {
        let mut findings = Vec::new();
        match self.read() {
            Ok(placed) => {
                let own = placed.iter().filter(|placed| placed.file == OWN_FILE).count();
                let text = format!("{}: {own} of {} records are in {OWN_FILE}", self.conf_dir.display(), placed.len());
                findings.push(Finding::good(TITLE, text));
            }
            Err(why) => {
                findings.push(Finding::failed(TITLE, why.into_error(&text!("could not read its folder"), false)))
            }
        }
        for zone in &self.zones {
            let heard = watcher.hear_servers(zone, &[], exam.now).await;
            let silent = heard.iter().filter(|heard| heard.took.is_none()).map(|heard| heard.who.as_str());
            let silent: Vec<&str> = silent.collect();
            findings.push(if silent.is_empty() {
                Finding::good(TITLE, format!("answers for {zone}"))
            } else {
                Finding::wrong(TITLE, Code::A0255, format!("{} does not answer for {zone}", silent.join(", ")))
                    .hint("does it run, and does its supervisor start it again? see docs/providers/dnsmasq.md")
            });
        }
        findings
    }

    fn requests(&self) -> Option<&Counts> {
        None
    }

    fn missing_zones_hint(&self) -> String {
        "name them in `dnsmasq.zones`".to_owned()
    }

    fn normalize(&self, name: &str, record_type: Option<&str>, fields: &mut Fields) -> Result<(), Objection> {
        let objection = |message: String| Err(Objection { field: "values".to_owned(), message });
        if let Some(other) = record_type.filter(|record_type| !TYPES.contains(record_type)) {
            return objection(format!("dnsmasq holds A, AAAA, CNAME and TXT records, and no {other}"));
        }
        if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.*".contains(letter)) {
            return objection(format!("`{name}` is no name that a line of dnsmasq can hold"));
        }
        if name.starts_with("*.") {
            return objection("dnsmasq has no records for names with `*`: write each name".to_owned());
        }
        dns::normalize(amarre_core::model::Kind::Record, record_type, fields)?;
        if record_type == Some("TXT") {
            fields.remove("ttl");
        }
        Ok(())
    }
}
