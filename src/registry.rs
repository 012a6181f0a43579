//! One row a family of providers: how the configuration becomes providers, and where it is documented. The word, title and
//! role of a family stand in `amarre_core::model::families`, for the planner asks for them.
#![warn(missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::config::clouds::CloudAccess;
use crate::providers::Provider;
use crate::providers::dnsmasq::{DnsmasqConfig, DnsmasqProvider};
use crate::providers::docker::registry::{Registries, RegistryLogin, registry_key};
use crate::providers::docker::transport::TlsFiles;
use crate::providers::docker::{DockerConfig, DockerProvider};
use crate::providers::kamatera::{KamateraConfig, KamateraProvider};
use crate::providers::npm::{LOOK_EVERY, LOOK_EVERY_SIMULATED, NpmConfig, NpmProvider};
use crate::providers::ovh::{OvhConfig, OvhProvider, Pace, Propagation};
use crate::providers::ovh_cloud::{OvhCloudConfig, OvhCloudProvider};
use crate::providers::ssh::{Connections, SshProvider};
use crate::secret::MarkKey;
use amarre_core::model::ProviderId;
use amarre_core::model::site::PortKeeper;

/// Providers of any families.
pub type Providers = Vec<Arc<dyn Provider>>;

/// How the providers of one family come about.
pub struct FamilyRow {
    /// As in `amarre_core::model::families`.
    pub family: &'static str,
    /// The page for who sets it up, below `docs`.
    pub docs: &'static str,
    /// The family's providers, as the configuration names them; makes no call.
    ///
    /// # Errors
    /// A sentence: an address that is none, no TLS on this machine.
    pub build: fn(&Config, &MarkKey) -> Result<Providers, String>,
}

/// Every family, in the order in which their providers are observed and shown.
pub const ROWS: &[FamilyRow] = &[
    FamilyRow { family: "docker", docs: "providers/docker.md", build: docker },
    FamilyRow { family: "npm", docs: "providers/npm.md", build: npm },
    FamilyRow { family: "ovh", docs: "providers/ovh.md", build: ovh },
    FamilyRow { family: "dnsmasq", docs: "providers/dnsmasq.md", build: dnsmasq },
    FamilyRow { family: "ovh-cloud", docs: "providers/ovh-cloud.md", build: ovh_cloud },
    FamilyRow { family: "kamatera", docs: "providers/kamatera.md", build: kamatera },
    FamilyRow { family: "ssh", docs: "pools.md", build: machines },
];

/// All providers of a configuration; makes no call.
///
/// # Errors
/// As [`FamilyRow::build`].
pub fn providers(config: &Config, key: &MarkKey) -> Result<Providers, String> {
    let mut providers = Vec::new();
    for row in ROWS {
        providers.extend((row.build)(config, key)?);
    }
    Ok(providers)
}

fn docker(config: &Config, key: &MarkKey) -> Result<Providers, String> {
    let logins = config.registries.iter().map(|(name, login)| {
        let login = RegistryLogin { username: login.username.clone(), password: login.password.clone() };
        (registry_key(name).to_owned(), login)
    });
    let registries = Registries(logins.collect());
    let mut providers = Providers::new();
    for (name, access) in &config.dockers {
        let npm = config.site.hosts.get(name).and_then(|host| host.npm.as_ref());
        let kept = config.site.hosts.get(name).into_iter().flat_map(|host| &host.kept_ports);
        let npms = kept.filter(|(_, keeper)| matches!(keeper, PortKeeper::Npm(_))).map(|(port, _)| *port);
        let (id, instance) = (ProviderId::docker(name), &config.site.instance);
        providers.push(Arc::new(DockerProvider::new(DockerConfig {
            tls: access.tls.as_ref().map(|tls| TlsFiles { ca: tls.ca.clone(), client: tls.client.clone() }),
            registries: registries.clone(),
            npm_container: npm.and_then(|npm| npm.container.clone()),
            npm_ports: npms.collect(),
            ..DockerConfig::new(id, &access.endpoint, instance, key.clone())
        })?));
    }
    Ok(providers)
}

fn npm(config: &Config, key: &MarkKey) -> Result<Providers, String> {
    let mut providers = Providers::new();
    for (name, npm) in &config.npms {
        let id = ProviderId::npm(name);
        let is_simulated = config.site.simulated.contains(&id);
        providers.push(Arc::new(NpmProvider::new(NpmConfig {
            id,
            url: npm.url.clone(),
            identity: npm.identity.clone(),
            secret: npm.secret.clone(),
            dns_credentials: npm.dns_credentials.clone(),
            instance: config.site.instance.clone(),
            key: key.clone(),
            look_every: if is_simulated { LOOK_EVERY_SIMULATED } else { LOOK_EVERY },
        })?));
    }
    Ok(providers)
}

fn ovh(config: &Config, key: &MarkKey) -> Result<Providers, String> {
    let Some(ovh) = &config.ovh else { return Ok(Vec::new()) };
    let propagation =
        Propagation { servers: ovh.servers.clone(), resolvers: ovh.resolvers.clone(), timeout: ovh.timeout };
    let provider = OvhProvider::new(OvhConfig {
        id: ProviderId::ovh(),
        endpoint: ovh.endpoint.clone(),
        login: ovh.login.clone(),
        instance: config.site.instance.clone(),
        registry: config.site.dns_registry,
        key: key.clone(),
        pace: pace(&ovh.endpoint),
        propagation,
    })?;
    Ok(vec![Arc::new(provider)])
}

fn ovh_cloud(config: &Config, _: &MarkKey) -> Result<Providers, String> {
    let mut providers = Providers::new();
    for (id, cloud) in &config.clouds {
        let CloudAccess::Ovh(ovh) = cloud else { continue };
        providers.push(Arc::new(OvhCloudProvider::new(OvhCloudConfig {
            id: id.clone(),
            endpoint: ovh.endpoint.clone(),
            login: ovh.login.clone(),
            projects: ovh.projects.clone(),
            pace: pace(&ovh.endpoint),
        })?));
    }
    Ok(providers)
}

fn kamatera(config: &Config, _: &MarkKey) -> Result<Providers, String> {
    let mut providers = Providers::new();
    for (id, cloud) in &config.clouds {
        let CloudAccess::Kamatera(account) = cloud else { continue };
        providers.push(Arc::new(KamateraProvider::new(KamateraConfig {
            id: id.clone(),
            url: account.url.clone(),
            console: account.console.clone(),
            instance: config.site.instance.clone(),
            client_id: account.client_id.clone(),
            secret: account.secret.clone(),
            pause: if is_loopback(&account.url) { Duration::ZERO } else { DETAILS_PAUSE },
        })?));
    }
    Ok(providers)
}

fn machines(config: &Config, key: &MarkKey) -> Result<Providers, String> {
    let Some(pools) = &config.pools else { return Ok(Vec::new()) };
    let ssh = Connections::new(pools.folder.clone(), pools.ssh_key.clone());
    Ok(vec![Arc::new(SshProvider::new(config.site.instance.clone(), key.clone(), Arc::new(ssh)))])
}

/// Details of servers are read at most one a second.
const DETAILS_PAUSE: Duration = Duration::from_secs(1);

fn pace(endpoint: &str) -> Pace {
    if is_loopback(endpoint) { Pace::unbounded() } else { Pace::usual() }
}

/// What answers on loopback is a simulator: it has no quota of the vendor's to keep.
fn is_loopback(endpoint: &str) -> bool {
    ["://127.", "://localhost", "://[::1]"].iter().any(|host| endpoint.contains(host))
}

fn dnsmasq(config: &Config, key: &MarkKey) -> Result<Providers, String> {
    let Some(dnsmasq) = config.dnsmasq.clone() else { return Ok(Vec::new()) };
    let provider = DnsmasqProvider::new(DnsmasqConfig {
        conf_dir: dnsmasq.conf_dir,
        pid_file: dnsmasq.pid_file,
        zones: dnsmasq.zones,
        servers: dnsmasq.servers,
        timeout: config.site.dns_timeout,
        instance: config.site.instance.clone(),
        registry: config.site.dns_registry,
        key: key.clone(),
    });
    Ok(vec![Arc::new(provider)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::families::FAMILIES;

    #[test]
    fn each_family_has_a_row_and_a_page() {
        let families = FAMILIES.iter().map(|family| family.name);
        assert_eq!(ROWS.iter().map(|row| row.family).collect::<Vec<_>>(), families.collect::<Vec<_>>());
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        for row in ROWS {
            assert!(docs.join(row.docs).is_file(), "{}", row.docs);
        }
    }
}
