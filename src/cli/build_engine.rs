//! An engine from a configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::CommandFailure;
use super::simulated::SimulatedWorld;
use crate::config::{Config, SourceAccess};
use crate::engine::reconcile::shares;
use crate::engine::{Engine, EngineParts, EngineSettings, Stage, SystemClock};
use crate::ledger::lock::LockError;
use crate::ledger::{DiskRoom, Ledger, Lock, StoreError};
use crate::providers::docker::host::is_in_a_container;
use crate::registry;
use crate::secret::MarkKey;
use crate::source::apps::SELF;
use crate::source::git::{GitSettings, RemoteAccess, Verify};
use crate::source::{AppFolder, Folder, Git, Source};
use amarre_core::model::{Code, ProviderId, Site};

/// An engine and the lock that makes it the only writer of its ledger.
pub struct Built {
    /// The engine.
    pub engine: Engine,
    /// Held as long as the engine works.
    pub lock: Lock,
    /// The simulated vendors; they live as long as the engine works.
    pub world: SimulatedWorld,
}

/// Takes the lock and builds the engine.
pub async fn engine(config: &Config) -> Result<Built, CommandFailure> {
    let lock = lock(config)?;
    let ledger = Ledger::open(&config.state).await.map_err(|error| unusable(config, error.to_string()))?;
    check_instance(&ledger, config).await?;
    // A ledger that cannot be written is reported by the loop itself.
    let _ = ledger.end_cut_runs().await;
    record_simulated(&ledger, config).await?;
    let world = SimulatedWorld::start(config).await?;
    let mut config = config.clone();
    // A ledger that cannot be read is reported by the loop itself.
    let _ = shares::fill(&ledger, &mut config.site).await;
    let EngineSettings { site, providers, secrets, interval } = settings(&world.fill(config.clone()))?;
    let engine = Engine::new(EngineParts {
        site,
        providers,
        source: source(&config).with_apps(app_folder(&config)),
        ledger,
        secrets,
        key: config.key()?,
        clock: Arc::new(SystemClock),
        visitor: world.visitor(&config),
        interval,
    });
    let engine = engine.staged(Stage { proxies: world.proxies().collect(), ..Stage::default() });
    Ok(Built { engine, lock, world })
}

/// What a ledger knows carries the name of its instance: under another one, everything would look like that of another
/// instance, and the same would be made once more beside it.
async fn check_instance(ledger: &Ledger, config: &Config) -> Result<(), CommandFailure> {
    // A ledger that cannot be read is reported by the loop itself.
    let Ok(Some(known)) = ledger.take_instance(&config.site.instance).await else { return Ok(()) };
    let (state, wanted) = (config.state.display(), &config.site.instance);
    let message = format!("the ledger {state} is that of instance {known}, and amarre.yaml says {wanted}");
    let hint = format!("write `instance: {known}`, or name another ledger by `state`");
    Err(CommandFailure::new(Code::A1034, message, hint))
}

/// The lock of the ledger's writer.
pub fn lock(config: &Config) -> Result<Lock, CommandFailure> {
    Lock::take(&config.beside_state("lock")).map_err(|error| match error {
        LockError::Held(_) => CommandFailure::new(Code::A0902, error.to_string(), "wait until it is done, or stop it"),
        LockError::Unusable(_) => match full_disk(config) {
            Some(_) => unusable(config, error.to_string()),
            None => CommandFailure::new(Code::A0903, error.to_string(), "is the folder of `state` there and writable?"),
        },
    })
}

/// The disk of the ledger, if that is full.
fn full_disk(config: &Config) -> Option<DiskRoom> {
    DiskRoom::beside(&config.state).filter(DiskRoom::is_full)
}

/// The ledger cannot be used; that its disk is full comes before what SQLite says of it.
fn unusable(config: &Config, error: String) -> CommandFailure {
    match full_disk(config) {
        Some(room) => CommandFailure::new(Code::A0903, format!("{}; {error}", room.text()), room.hint()),
        None => {
            let hint = format!("is {} writable, and is there room on the disk?", config.state.display());
            CommandFailure::new(Code::A0903, error, hint)
        }
    }
}

/// Nothing real is replaced by something simulated. A ledger that cannot be written is reported by the loop itself.
async fn record_simulated(ledger: &Ledger, config: &Config) -> Result<(), CommandFailure> {
    match ledger.simulate(&config.site.simulated).await {
        Ok(None) => Ok(()),
        Ok(Some((id, count))) => {
            let message = format!("{} cannot be simulated: {count} real things there are ours", id.title());
            let hint = "leave the account in, or try in a folder of its own, with another `state` and `instance`";
            Err(CommandFailure::new(Code::A0224, message, hint))
        }
        Err(error) if config.site.simulated.is_empty() => {
            tracing::warn!("{error}");
            Ok(())
        }
        Err(error) => Err(unusable(config, error.to_string())),
    }
}

/// Adds what the good manifests of the ledger take of the limits of all, beside the ledger's writer or without a ledger.
///
/// # Errors
/// There is a ledger, and it cannot be read.
pub async fn with_known(mut config: Config) -> Result<Config, StoreError> {
    let Some(ledger) = Ledger::open_to_look(&config.state).await? else { return Ok(config) };
    let known = Box::pin(shares::fill(&ledger, &mut config.site)).await;
    ledger.close().await;
    known?;
    Ok(config)
}

/// As [`with_known`], for callers that have already reported an unreadable ledger.
pub async fn with_known_or_none(config: Config) -> Config {
    let plain = config.clone();
    with_known(config).await.unwrap_or(plain)
}

/// The settings that a running engine takes over from a configuration.
pub fn settings(config: &Config) -> Result<EngineSettings, CommandFailure> {
    let providers = registry::providers(config, &config.key()?)
        .map_err(|error| CommandFailure::new(Code::A0201, error, "see docs/configuration.md"))?;
    let finder = config.clone();
    let secrets = Arc::new(move |name: &amarre_core::model::SecretName| {
        finder.secret(name).map_err(|error| {
            let hint = error.hints.first().map(|hint| hint.text.to_string()).unwrap_or_default();
            (error.message, hint)
        })
    });
    let site = Site { forbidden: forbidden(config), ..config.site.clone() };
    Ok(EngineSettings { site, providers, secrets, interval: config.interval })
}

/// Amarre's own files, for engines of this machine. In a container they have other paths than on the host: there the
/// mounts of that container tell.
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

/// The instance's key for reading only: it is not created.
pub fn read_only_key(config: &Config) -> Result<MarkKey, crate::config::ConfigError> {
    if config.beside_state("key").exists() { config.key() } else { Ok(MarkKey::new([0; 32])) }
}

/// Where the repositories of apps are.
pub fn app_folder(config: &Config) -> AppFolder {
    AppFolder { folder: config.beside_state("apps"), program: PathBuf::from(SELF) }
}

/// The source of the configuration. Creates nothing and asks no server.
pub fn source(config: &Config) -> Source {
    let git = match &config.source {
        SourceAccess::Folder(path) => return Source::from(Folder::new(path).excluding(config.own_paths())),
        SourceAccess::Git(git) => git,
    };
    let by_ssh = git.ssh_allowed_signers.clone().map(|allowed_signers| Verify::Ssh { allowed_signers });
    let by_gpg = git.openpgp.clone().map(|keyring| Verify::OpenPgp { keyring });
    Source::from(Git::new(GitSettings {
        access: RemoteAccess {
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
        commit: None,
        interval: git.interval,
        verify: by_ssh.or(by_gpg),
        verify_all: git.verify_all,
        memory_bytes: git.memory_bytes,
        clone: config.beside_state("git"),
        program: PathBuf::from(SELF),
    }))
}
