//! An engine from a configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::Failure;
use super::simulated::World;
use crate::config::{Config, SourceAccess};
use crate::engine::reconcile::earlier_use;
use crate::engine::{Engine, Parts, Settings, Stage, SystemClock};
use crate::ledger::lock::LockError;
use crate::ledger::{Ledger, Lock, StoreError};
use crate::providers::Provider;
use crate::providers::docker::host::is_in_a_container;
use crate::providers::docker::registry::{Registries, RegistryLogin, registry_key};
use crate::providers::docker::transport::TlsFiles;
use crate::providers::docker::{DockerConfig, DockerProvider};
use crate::providers::npm::{NpmConfig, NpmProvider};
use crate::providers::ovh::{OvhConfig, OvhProvider, Pace, Propagation};
use crate::secret::MarkKey;
use crate::source::git::{Access, GitSettings, Verify};
use crate::source::{Folder, Git, Source};
use amarre_core::model::site::{Existing, OLD_PLACE};
use amarre_core::model::{ProviderId, Site};

/// This very program, also when another one has taken its place on the disk meanwhile.
const SELF: &str = "/proc/self/exe";

/// An engine and the lock that makes it the only one.
pub struct Built {
    /// The engine.
    pub engine: Engine,
    /// Held as long as the engine works.
    pub lock: Lock,
    /// What is simulated; lives as long as the engine works.
    pub world: World,
}

/// Takes the lock and builds the engine.
pub async fn engine(config: &Config) -> Result<Built, Failure> {
    let lock = lock(config)?;
    let ledger = Ledger::open(&config.state).await.map_err(|error| {
        let hint = format!("is {} writable, and is there room on the disk?", config.state.display());
        Failure::new("A0903", error.to_string(), hint)
    })?;
    take_note(&ledger, config).await?;
    let world = World::start(config).await?;
    let config = &with_existing(config.clone(), &ledger).await;
    let Settings { site, providers, secrets, interval } = settings(&world.fill(config.clone()))?;
    let engine = Engine::new(Parts {
        site,
        providers,
        source: source(config),
        ledger,
        secrets,
        key: config.key()?,
        clock: Arc::new(SystemClock),
        visitor: world.visitor(config),
        interval,
    });
    let engine = engine.staged(Stage { proxies: world.proxies().collect(), ..Stage::default() });
    Ok(Built { engine, lock, world })
}

/// The lock of the one that writes the ledger.
pub fn lock(config: &Config) -> Result<Lock, Failure> {
    Lock::take(&config.beside_state("lock")).map_err(|error| match error {
        LockError::Held(_) => Failure::new("A0902", error.to_string(), "wait until it is done, or stop it"),
        LockError::Unusable(_) => {
            Failure::new("A0903", error.to_string(), "is the folder of `state` there and writable?")
        }
    })
}

/// Nothing real is given up for something simulated. A ledger that cannot be written is reported by the loop itself.
async fn take_note(ledger: &Ledger, config: &Config) -> Result<(), Failure> {
    match ledger.simulate(&config.site.simulated).await {
        Ok(None) => Ok(()),
        Ok(Some((id, count))) => {
            let message = format!("{} cannot be simulated: {count} real things there are ours", id.title());
            let hint = "leave the account in, or try in a folder of its own, with another `state` and `instance`";
            Err(Failure::new("A0224", message, hint))
        }
        Err(error) if config.site.simulated.is_empty() => {
            tracing::warn!("{error}");
            Ok(())
        }
        Err(error) => Err(Failure::new("A0903", error.to_string(), "is the disk full?")),
    }
}

/// The configuration with what manifests used before policy closed it, as a ledger's writer finds it out.
async fn with_existing(config: Config, ledger: &Ledger) -> Config {
    match earlier_use::settle(ledger, &config.site).await {
        Ok(found) => kept(config, found),
        Err(error) => {
            tracing::warn!("what was used before policy closed it is not known: {error}");
            config
        }
    }
}

/// As [`with_existing`], beside the ledger's writer or without one.
///
/// # Errors
/// There is a ledger, and it cannot be read.
pub async fn with_known(config: Config) -> Result<Config, StoreError> {
    let Some(ledger) = Ledger::open_to_look(&config.state).await? else { return Ok(config) };
    let found = match earlier_use::known(&ledger).await {
        Ok(None) => earlier_use::found(&ledger, &config.site).await,
        known => known.map(Option::unwrap_or_default),
    };
    ledger.close().await;
    Ok(kept(config, found?))
}

/// As [`with_known`], for whom a ledger that cannot be read is nothing new.
pub async fn with_known_or_none(config: Config) -> Config {
    let plain = config.clone();
    with_known(config).await.unwrap_or(plain)
}

/// A secret that was moved since is nothing to warn of.
fn kept(mut config: Config, mut found: Existing) -> Config {
    found.rights.retain(|right| right.word != OLD_PLACE || config.is_at_an_old_place(&right.item));
    config.site.existing = found;
    config
}

/// What a running engine takes over from a configuration.
pub fn settings(config: &Config) -> Result<Settings, Failure> {
    let providers =
        providers(config, &config.key()?).map_err(|error| Failure::new("A0201", error, "see docs/configuration.md"))?;
    let finder = config.clone();
    let secrets = Arc::new(move |name: &amarre_core::model::SecretName| {
        finder.secret(name).map_err(|error| {
            let hint = error.hints.first().map(|hint| hint.text.clone()).unwrap_or_default();
            (error.message, hint)
        })
    });
    let site = Site { forbidden: forbidden(config), ..config.site.clone() };
    Ok(Settings { site, providers, secrets, interval: config.interval })
}

/// Amarre's own files, for engines of this machine. In a container they have other paths than on the host: there it is
/// told by what that container mounts.
fn forbidden(config: &Config) -> BTreeMap<ProviderId, BTreeSet<String>> {
    if is_in_a_container() {
        return BTreeMap::new();
    }
    let paths: BTreeSet<String> = config.own_paths().iter().map(|path| path.display().to_string()).collect();
    let is_here = |endpoint: &str| {
        let is_loopback = ["://127.", "://localhost", "://[::1]"].iter().any(|host| endpoint.contains(host));
        endpoint.starts_with("unix://") || is_loopback
    };
    let here = config.dockers.iter().filter(|(_, access)| is_here(&access.endpoint));
    here.map(|(name, _)| (ProviderId::docker(name), paths.clone())).collect()
}

/// The instance's key for looking only: what is not there is not made.
pub fn key_to_look(config: &Config) -> Result<MarkKey, crate::config::ConfigError> {
    if config.beside_state("key").exists() { config.key() } else { Ok(MarkKey::new([0; 32])) }
}

/// Where manifests come from, as the configuration says. Makes nothing and asks nobody.
pub fn source(config: &Config) -> Source {
    let git = match &config.source {
        SourceAccess::Folder(path) => return Source::Folder(Folder::new(path).without(config.own_paths())),
        SourceAccess::Git(git) => git,
    };
    let by_ssh = git.ssh_allowed_signers.clone().map(|allowed_signers| Verify::Ssh { allowed_signers });
    let by_gpg = git.openpgp.clone().map(|keyring| Verify::OpenPgp { keyring });
    Source::Git(Git::new(GitSettings {
        access: Access {
            url: git.url.clone(),
            username: git.username.clone(),
            token: git.token.clone(),
            ssh_key: git.ssh_key.clone(),
            ssh_config: git.ssh_config.clone(),
            known_hosts: git.known_hosts.clone(),
            host_key: git.host_key.clone(),
        },
        reference: git.reference.clone(),
        path: git.path.clone(),
        interval: git.interval,
        verify: by_ssh.or(by_gpg),
        verify_all: git.verify_all,
        memory_bytes: git.memory_bytes,
        clone: config.beside_state("git"),
        program: PathBuf::from(SELF),
    }))
}

/// The providers; nothing is asked yet.
pub fn providers(config: &Config, key: &MarkKey) -> Result<Vec<Arc<dyn Provider>>, String> {
    let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
    let instance = config.site.instance.clone();
    let logins = config.registries.iter().map(|(name, login)| {
        let login = RegistryLogin { username: login.username.clone(), password: login.password.clone() };
        (registry_key(name).to_owned(), login)
    });
    let registries = Registries(logins.collect());
    for (name, access) in &config.dockers {
        let npm = config.site.hosts.get(name).and_then(|host| host.npm.as_ref());
        providers.push(Arc::new(DockerProvider::new(DockerConfig {
            tls: access.tls.as_ref().map(|tls| TlsFiles { ca: tls.ca.clone(), client: tls.client.clone() }),
            registries: registries.clone(),
            npm_container: npm.and_then(|npm| npm.container.clone()),
            ..DockerConfig::new(ProviderId::docker(name), &access.endpoint, &instance, key.clone())
        })?));
    }
    for (name, npm) in &config.npms {
        providers.push(Arc::new(NpmProvider::new(NpmConfig {
            id: ProviderId::npm(name),
            url: npm.url.clone(),
            identity: npm.identity.clone(),
            secret: npm.secret.clone(),
            dns_credentials: npm.dns_credentials.clone(),
            instance: instance.clone(),
            key: key.clone(),
        })?));
    }
    if let Some(ovh) = &config.ovh {
        let propagation =
            Propagation { servers: ovh.servers.clone(), resolvers: ovh.resolvers.clone(), timeout: ovh.timeout };
        // What answers on loopback is a simulator: it has no quota of OVH's to keep.
        let is_loopback = ["://127.", "://localhost", "://[::1]"].iter().any(|host| ovh.endpoint.contains(host));
        let pace = if is_loopback { Pace::unbounded() } else { Pace::usual() };
        providers.push(Arc::new(OvhProvider::new(OvhConfig {
            id: ProviderId::ovh(),
            endpoint: ovh.endpoint.clone(),
            login: ovh.login.clone(),
            instance,
            registry: config.site.dns_registry,
            key: key.clone(),
            pace,
            propagation,
        })?));
    }
    Ok(providers)
}
