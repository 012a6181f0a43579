//! Test mode: what has no account yet is simulated on loopback, and asked over HTTP as the real one is. What is written
//! there is kept beside the ledger, so that it is there again at the next start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use amarre_sim::npm::{Issuance, Npm, NpmOptions, NpmUser};
use amarre_sim::ovh::{Ovh, OvhOptions};
use async_trait::async_trait;

use super::Failure;
use crate::config::Config;
use crate::engine::reconcile::port80::{HttpVisitor, Visitor};
use crate::secret::{OvhLogin, Secret};
use amarre_core::model::ProviderId;
use amarre_core::model::world::{Leads, Port80};

/// No real vendor is near these numbers: what was simulated is never taken for something real.
const NPM_IDS_AFTER: u64 = 900_000_000;
const OVH_IDS_AFTER: u64 = 900_000_000_000_000;

/// Nobody comes by a simulated name.
struct Nobody;

#[async_trait]
impl Visitor for Nobody {
    async fn visit(&self, _name: &str, _at: SocketAddr) -> Port80 {
        Port80::Other("nobody finds the name, for OVH is simulated,".to_owned())
    }

    async fn find(&self, _name: &str) -> Leads {
        Leads::Unknown
    }
}

/// Whom a simulated NPM knows, where Let's Encrypt would write to.
fn identity(config: &Config) -> String {
    format!("amarre@{}", config.site.domains.first().map_or("localhost", String::as_str))
}

/// What is simulated. Dropping it stops it; what was written is kept.
#[derive(Default)]
pub struct World {
    /// Whom the simulated NPMs know.
    identity: String,
    npms: BTreeMap<String, (Npm, Secret)>,
    ovh: Option<Ovh>,
}

impl World {
    /// Starts what the configuration wants simulated: mostly nothing.
    pub async fn start(config: &Config) -> Result<Self, Failure> {
        let folder = config.beside_state("simulated");
        let failed = |id: &ProviderId, why: std::io::Error| {
            let hint = format!("is {} readable? without it, it begins anew", folder.display());
            Failure::new("A0224", format!("{} could not be simulated: {why}", id.title()), hint)
        };
        let identity = identity(config);
        let mut world = Self { identity: identity.clone(), ..Self::default() };
        for id in &config.site.simulated {
            let kept_at = Some(folder.join(format!("{id}.json")));
            if *id == ProviderId::ovh() {
                let zones: Vec<&str> = config.site.domains.iter().map(String::as_str).collect();
                let options = OvhOptions { kept_at, ids_after: OVH_IDS_AFTER, ..OvhOptions::with_zones(&zones) };
                world.ovh = Some(Ovh::start(options).await.map_err(|why| failed(id, why))?);
            } else {
                // Whoever else is on this machine may not write there either.
                let secret = format!("{:032x}", rand::random::<u128>());
                let options = NpmOptions {
                    users: vec![NpmUser::admin(1, &identity, &secret)],
                    issuance: Issuance::Granted,
                    ids_after: NPM_IDS_AFTER,
                    kept_at,
                    ..NpmOptions::default()
                };
                let npm = Npm::start(options).await.map_err(|why| failed(id, why))?;
                world.npms.insert(id.npm_name().to_owned(), (npm, Secret::new(secret)));
            }
        }
        Ok(world)
    }

    /// The configuration with where the simulated ones are, and how they are signed in to.
    pub fn fill(&self, mut config: Config) -> Config {
        for (name, (npm, secret)) in &self.npms {
            if let Some(access) = config.npms.get_mut(name) {
                access.url = npm.server.url();
                access.identity.clone_from(&self.identity);
                access.secret = secret.clone();
            }
        }
        if let (Some(ovh), Some(access)) = (&self.ovh, &mut config.ovh) {
            let keys = OvhOptions::with_zones(&[]);
            access.endpoint = ovh.endpoint();
            access.login = OvhLogin::Keys {
                application_key: keys.application_key,
                application_secret: Secret::new(keys.application_secret),
                consumer_key: Secret::new(keys.consumer_key),
            };
            // Nobody else knows these names.
            access.servers.clone_from(&ovh.dns);
            access.resolvers.clone_from(&ovh.dns);
        }
        // What a simulated authority issues costs nothing, and no visitor from outside would reach a simulated name.
        if !self.npms.is_empty() && self.npms.len() == config.npms.len() {
            config.site.certificates.asks_port80 = false;
        }
        config
    }

    /// Who goes to port 80 before a certificate is asked for. Nobody finds a simulated name, so that a real NPM would ask
    /// for certificates in vain, and each failure counts.
    pub fn visitor(&self, config: &Config) -> Arc<dyn Visitor> {
        if self.ovh.is_some() {
            return Arc::new(Nobody);
        }
        Arc::new(HttpVisitor::asking(config.ovh.as_ref().map(|access| access.resolvers.clone())))
    }

    /// Whether the names of zones were fixed at the start.
    pub fn has_zones(&self) -> bool {
        self.ovh.is_some()
    }

    /// Where visitors find each simulated proxy.
    pub fn proxies(&self) -> impl Iterator<Item = (ProviderId, SocketAddr)> {
        self.npms.iter().map(|(name, (npm, _))| (ProviderId::npm(name), npm.proxy_address))
    }
}
