//! Test mode: providers without an account are simulated on loopback, and asked over HTTP like real ones. Their data is
//! kept beside the ledger for the next start.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use amarre_sim::kamatera::{Kamatera, KamateraClock, KamateraOptions};
use amarre_sim::npm::{Issuance, Npm, NpmOptions, NpmUser};
use amarre_sim::ovh::{Ovh, OvhOptions};
use amarre_sim::ovh_cloud::{CloudClock, OvhCloud, OvhCloudOptions};
use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::CommandFailure;
use crate::config::Config;
use crate::config::clouds::CloudAccess;
use crate::engine::reconcile::port80::{HttpVisitor, Port80Client};
use crate::secret::{OvhLogin, Secret};
use amarre_core::model::world::{Port80, Resolution};
use amarre_core::model::{Code, ProviderId};

/// No real vendor uses such high numbers: simulated resources are never mistaken for real ones.
const NPM_IDS_AFTER: u64 = 900_000_000;
const OVH_IDS_AFTER: u64 = 900_000_000_000_000;

/// A running simulator. Dropping it stops it; its data is kept.
trait Simulator: Send + Sync {
    /// Writes its address and account into the configuration, in place of the provider's.
    fn fill(&self, id: &ProviderId, config: &mut Config);

    /// Where visitors reach it, if it is a proxy.
    fn proxy(&self) -> Option<SocketAddr> {
        None
    }
}

/// Starts the simulator of one provider, whose data is in the file.
type Start = for<'a> fn(&'a Config, PathBuf) -> BoxFuture<'a, io::Result<Box<dyn Simulator>>>;

/// How the providers of one family are simulated.
struct SimulatorRow {
    /// As in `amarre_core::model::families`.
    family: &'static str,
    start: Start,
}

/// Every family that test mode simulates.
const ROWS: &[SimulatorRow] = &[
    SimulatorRow { family: "npm", start: |config, kept_at| Box::pin(SimulatedNpm::start(config, kept_at)) },
    SimulatorRow { family: "ovh", start: |config, kept_at| Box::pin(SimulatedOvh::start(config, kept_at)) },
    SimulatorRow { family: "ovh-cloud", start: |_, kept_at| Box::pin(SimulatedOvhCloud::start(kept_at)) },
    SimulatorRow { family: "kamatera", start: |_, kept_at| Box::pin(SimulatedKamatera::start(kept_at)) },
];

/// The simulated providers. Dropping it stops them; their data is kept.
#[derive(Default)]
pub struct SimulatedWorld(BTreeMap<ProviderId, Box<dyn Simulator>>);

impl SimulatedWorld {
    /// Starts the providers that the configuration wants simulated: mostly none.
    pub async fn start(config: &Config) -> Result<Self, CommandFailure> {
        let folder = config.beside_state("simulated");
        let mut world = Self::default();
        for id in &config.site.simulated {
            let Some(row) = ROWS.iter().find(|row| row.family == id.family()) else {
                let message = format!("{} could not be simulated: this version has no simulator of it", id.title());
                return Err(CommandFailure::new(Code::A0224, message, "leave out its `simulated`"));
            };
            let simulator = (row.start)(config, folder.join(format!("{id}.json"))).await.map_err(|why| {
                let hint = format!("is {} readable? without it, it begins anew", folder.display());
                CommandFailure::new(Code::A0224, format!("{} could not be simulated: {why}", id.title()), hint)
            })?;
            world.0.insert(id.clone(), simulator);
        }
        Ok(world)
    }

    /// The configuration with the addresses and accounts of the simulated providers.
    pub fn fill(&self, mut config: Config) -> Config {
        for (id, simulator) in &self.0 {
            simulator.fill(id, &mut config);
        }
        // Certificates of a simulated authority cost nothing, and no visitor from outside reaches a simulated name.
        let proxies = self.0.keys().filter(|id| id.is_proxy()).count();
        if proxies > 0 && proxies == config.npms.len() {
            config.site.certificates.asks_port80 = false;
        }
        config
    }

    /// The client for port 80 before a certificate is ordered. No server resolves a simulated name, so a real NPM would
    /// order certificates in vain, and each failure counts.
    pub fn visitor(&self, config: &Config) -> Arc<dyn Port80Client> {
        match self.zones() {
            Some(id) => Arc::new(UnresolvedNames(id.title())),
            None => Arc::new(HttpVisitor::with_resolvers(config.ovh.as_ref().map(|access| access.resolvers.clone()))),
        }
    }

    /// Whether the zones were fixed at the start.
    pub fn has_zones(&self) -> bool {
        self.zones().is_some()
    }

    /// The address of each simulated proxy.
    pub fn proxies(&self) -> impl Iterator<Item = (ProviderId, SocketAddr)> {
        self.0.iter().filter_map(|(id, simulator)| Some((id.clone(), simulator.proxy()?)))
    }

    fn zones(&self) -> Option<&ProviderId> {
        self.0.keys().find(|id| id.is_zones())
    }
}

/// No visitor resolves a name of the simulated provider of this title.
struct UnresolvedNames(String);

#[async_trait]
impl Port80Client for UnresolvedNames {
    async fn visit(&self, _name: &str, _at: SocketAddr, _to: Option<&str>) -> Port80 {
        Port80::Other(format!("nobody finds the name, for {} is simulated,", self.0))
    }

    async fn find(&self, _name: &str) -> Resolution {
        Resolution::Unknown
    }
}

struct SimulatedNpm {
    npm: Npm,
    /// Its account, which also receives Let's Encrypt's mail.
    identity: String,
    secret: Secret,
}

impl SimulatedNpm {
    async fn start(config: &Config, kept_at: PathBuf) -> io::Result<Box<dyn Simulator>> {
        let identity = format!("amarre@{}", config.site.domains.first().map_or("localhost", String::as_str));
        // Other users of this machine may not write there either.
        let secret = format!("{:032x}", rand::random::<u128>());
        let options = NpmOptions {
            users: vec![NpmUser::admin(1, &identity, &secret)],
            issuance: Issuance::Granted,
            ids_after: NPM_IDS_AFTER,
            kept_at: Some(kept_at),
            ..NpmOptions::default()
        };
        Ok(Box::new(Self { npm: Npm::start(options).await?, identity, secret: Secret::new(secret) }))
    }
}

impl Simulator for SimulatedNpm {
    fn fill(&self, id: &ProviderId, config: &mut Config) {
        if let Some(access) = config.npms.get_mut(id.short_name()) {
            access.url = self.npm.server.url();
            access.identity.clone_from(&self.identity);
            access.secret = self.secret.clone();
        }
    }

    fn proxy(&self) -> Option<SocketAddr> {
        Some(self.npm.proxy_address)
    }
}

struct SimulatedOvh(Ovh);

impl SimulatedOvh {
    async fn start(config: &Config, kept_at: PathBuf) -> io::Result<Box<dyn Simulator>> {
        let zones: Vec<&str> = config.site.domains.iter().map(String::as_str).collect();
        let options = OvhOptions { kept_at: Some(kept_at), ids_after: OVH_IDS_AFTER, ..OvhOptions::with_zones(&zones) };
        Ok(Box::new(Self(Ovh::start(options).await?)))
    }
}

impl Simulator for SimulatedOvh {
    fn fill(&self, _id: &ProviderId, config: &mut Config) {
        let Some(access) = &mut config.ovh else { return };
        let keys = OvhOptions::with_zones(&[]);
        access.endpoint = self.0.endpoint();
        access.login = OvhLogin::Keys {
            application_key: keys.application_key,
            application_secret: Secret::new(keys.application_secret),
            consumer_key: Secret::new(keys.consumer_key),
        };
        // No other program knows these names.
        access.servers.clone_from(&self.0.dns);
        access.resolvers.clone_from(&self.0.dns);
    }
}

struct SimulatedOvhCloud(OvhCloud);

impl SimulatedOvhCloud {
    /// A dozen servers of two projects, which start and stop as fast as the vendor's.
    async fn start(kept_at: PathBuf) -> io::Result<Box<dyn Simulator>> {
        let options =
            OvhCloudOptions { kept_at: Some(kept_at), clock: CloudClock::Running, ..OvhCloudOptions::dozen() };
        let cloud = OvhCloud::start(options).await?;
        // Its key may do all that manifests can ask for.
        cloud.grant_managing();
        Ok(Box::new(Self(cloud)))
    }
}

impl Simulator for SimulatedOvhCloud {
    fn fill(&self, id: &ProviderId, config: &mut Config) {
        let Some(CloudAccess::Ovh(access)) = config.clouds.get_mut(id) else { return };
        let keys = OvhCloudOptions::dozen();
        access.endpoint = self.0.endpoint();
        access.login = OvhLogin::Keys {
            application_key: keys.application_key,
            application_secret: Secret::new(keys.application_secret),
            consumer_key: Secret::new(keys.consumer_key),
        };
    }
}

struct SimulatedKamatera(Kamatera);

impl SimulatedKamatera {
    /// Eight servers in three datacenters, whose commands take as long as the vendor's.
    async fn start(kept_at: PathBuf) -> io::Result<Box<dyn Simulator>> {
        let options =
            KamateraOptions { kept_at: Some(kept_at), clock: KamateraClock::Running, ..KamateraOptions::eight() };
        Ok(Box::new(Self(Kamatera::start(options).await?)))
    }
}

impl Simulator for SimulatedKamatera {
    fn fill(&self, id: &ProviderId, config: &mut Config) {
        let Some(CloudAccess::Kamatera(access)) = config.clouds.get_mut(id) else { return };
        let account = KamateraOptions::eight();
        access.url = self.0.endpoint();
        access.console = self.0.console_url();
        access.client_id = account.client_id;
        access.secret = Secret::new(account.secret);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::families::FAMILIES;

    #[test]
    fn each_simulator_is_of_a_family() {
        let of_none = ROWS.iter().filter(|row| !FAMILIES.iter().any(|family| family.name == row.family));
        assert_eq!(of_none.map(|row| row.family).collect::<Vec<_>>(), [""; 0]);
    }
}
