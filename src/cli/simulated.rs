//! Test mode: providers without an account are simulated on loopback, and asked over HTTP like real ones. Their data is
//! kept beside the ledger for the next start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use amarre_sim::npm::{Issuance, Npm, NpmOptions, NpmUser};
use amarre_sim::ovh::{Ovh, OvhOptions};
use async_trait::async_trait;

use super::CommandFailure;
use crate::config::Config;
use crate::engine::reconcile::port80::{HttpVisitor, Port80Client};
use crate::secret::{OvhLogin, Secret};
use amarre_core::model::world::{Leads, Port80};
use amarre_core::model::{Code, ProviderId};

/// No real vendor uses such high numbers: simulated resources are never mistaken for real ones.
const NPM_IDS_AFTER: u64 = 900_000_000;
const OVH_IDS_AFTER: u64 = 900_000_000_000_000;

/// No visitor resolves a simulated name.
struct UnresolvedNames;

#[async_trait]
impl Port80Client for UnresolvedNames {
    async fn visit(&self, _name: &str, _at: SocketAddr) -> Port80 {
        Port80::Other("nobody finds the name, for OVH is simulated,".to_owned())
    }

    async fn find(&self, _name: &str) -> Leads {
        Leads::Unknown
    }
}

/// The account of a simulated NPM, which also receives Let's Encrypt's mail.
fn identity(config: &Config) -> String {
    format!("amarre@{}", config.site.domains.first().map_or("localhost", String::as_str))
}

/// The simulated providers. Dropping it stops them; their data is kept.
#[derive(Default)]
pub struct SimulatedWorld {
    /// The accounts of the simulated NPMs.
    identity: String,
    npms: BTreeMap<String, (Npm, Secret)>,
    ovh: Option<Ovh>,
}

impl SimulatedWorld {
    /// Starts the providers that the configuration wants simulated: mostly none.
    pub async fn start(config: &Config) -> Result<Self, CommandFailure> {
        let folder = config.beside_state("simulated");
        let failed = |id: &ProviderId, why: std::io::Error| {
            let hint = format!("is {} readable? without it, it begins anew", folder.display());
            CommandFailure::new(Code::A0224, format!("{} could not be simulated: {why}", id.title()), hint)
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
                // Other users of this machine may not write there either.
                let secret = format!("{:032x}", rand::random::<u128>());
                let options = NpmOptions {
                    users: vec![NpmUser::admin(1, &identity, &secret)],
                    issuance: Issuance::Granted,
                    ids_after: NPM_IDS_AFTER,
                    kept_at,
                    ..NpmOptions::default()
                };
                let npm = Npm::start(options).await.map_err(|why| failed(id, why))?;
                world.npms.insert(id.short_name().to_owned(), (npm, Secret::new(secret)));
            }
        }
        Ok(world)
    }

    /// The configuration with the addresses and accounts of the simulated providers.
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
            // No other program knows these names.
            access.servers.clone_from(&ovh.dns);
            access.resolvers.clone_from(&ovh.dns);
        }
        // Certificates of a simulated authority cost nothing, and no visitor from outside reaches a simulated name.
        if !self.npms.is_empty() && self.npms.len() == config.npms.len() {
            config.site.certificates.asks_port80 = false;
        }
        config
    }

    /// The client for port 80 before a certificate is ordered. No server resolves a simulated name, so a real NPM would
    /// order certificates in vain, and each failure counts.
    pub fn visitor(&self, config: &Config) -> Arc<dyn Port80Client> {
        if self.ovh.is_some() {
            return Arc::new(UnresolvedNames);
        }
        Arc::new(HttpVisitor::with_resolvers(config.ovh.as_ref().map(|access| access.resolvers.clone())))
    }

    /// Whether the zones were fixed at the start.
    pub fn has_zones(&self) -> bool {
        self.ovh.is_some()
    }

    /// The address of each simulated proxy.
    pub fn proxies(&self) -> impl Iterator<Item = (ProviderId, SocketAddr)> {
        self.npms.iter().map(|(name, (npm, _))| (ProviderId::npm(name), npm.proxy_address))
    }
}
