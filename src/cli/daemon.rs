//! `amarre run`: the loop, the socket and HTTP, until a signal ends it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::CommandFailure;
use super::args::{Args, LogFormat, RunArgs};
use super::build_engine;
use super::build_engine::Built;
use super::output::Output;
use super::reload;
use super::secret_files::SecretFiles;
use super::server_tls;
use super::systemd::Notifier;
use super::template::FileTemplates;
use crate::accounts::Accounts;
use crate::config::{CompatPool, Config, ServerAccess};
use crate::engine::Engine;
use crate::engine::reconcile::daemon;
use crate::engine::reconcile::daemon::Behaviour;
use crate::notifications::Notifications;
use crate::server;
use crate::server::auth::{AccessControl, Listening};
use crate::server::listener::{self, ConnectionLimits};
use crate::server::tls::ServerTls;
use crate::templates::TemplateStore;
use crate::web;
use crate::web::demo_band::DemoDeeds;
use amarre_core::model::Code;

/// Said where no apply has been agreed to.
const ONLY_PLANS: &str =
    "This ledger is new: nothing is changed before amarre apply, or amarre run --yes. See amarre plan.";

/// Runs until SIGTERM or SIGINT; then the running steps are finished and it exits 0.
pub async fn run(args: &Args, run: &RunArgs, output: &Output) -> Result<u8, CommandFailure> {
    let config = super::configuration(args)?;
    crate::telemetry::start(run.log_format == LogFormat::Json);
    let Built { engine, lock, world } = build_engine::engine(&config).await?;
    let consented = engine.ledger().meta("consent").await.ok().flatten().is_some();
    if run.yes && !consented {
        // A ledger that cannot be written is reported by the loop itself.
        let _ = engine.ledger().set_meta("consent", "given").await;
    }
    let acts = run.yes || consented;
    let socket = config.beside_state("sock");
    let private = server::socket::bind(&socket).map_err(|error| {
        CommandFailure::new(
            Code::A0905,
            format!("could not listen at {}: {error}", socket.display()),
            "is the folder of `state` writable?",
        )
    })?;
    let tls = server_tls::start(&config)?;
    let public = bind(config.server.listen, "server.listen").await?;
    let compat = CompatListener::bind_all(&config.server).await?;
    let listening = listening(&config.server);
    let accounts = Accounts::new(engine.ledger().clone());
    // A ledger that cannot be read is reported by the loop itself; over the network no client is admitted then.
    let has_account = accounts.has_users().await.unwrap_or(listening.is_local());
    if !listening.is_local() && !has_account {
        let message =
            format!("there is no account, and HTTP would be served beyond this machine ({})", listening.link());
        let hint = "amarre user add you@example.org --role admin, then start again";
        return Err(CommandFailure::new(Code::A0204, message, hint));
    }
    let source = build_engine::source(&config).to_string();
    let (handle, task, stop) = started(engine, acts, &config);
    output.note(&format!("amarre {} keeps {}, pages at {}/", env!("CARGO_PKG_VERSION"), source, listening.link()));
    if let Some(tls) = &tls {
        output.note(&server_tls::notice(tls, listening.encryption));
    }
    if !acts {
        output.note(ONLY_PLANS);
    }
    for (id, address) in world.proxies() {
        let name = id.title();
        output.note(&format!("Visitors reach the simulated {name} at http://{address}/: curl -H 'Host: NAME' …"));
    }
    if !has_account {
        let token = accounts.first_token();
        let link = format!("{}/setup?token={}", listening.link(), token.expose());
        output.note(&format!("No account yet: make the first one at {link}"));
    }
    // A link to loopback would lead its reader to another machine.
    let site = Some(listening.link()).filter(|_| !listening.is_local());
    let compat = CompatListener::serve_all(compat, (&handle, &accounts), tls.as_ref(), &listening.link(), output);
    let access = AccessControl::new(handle.clone(), accounts, listening);
    let notifications = Notifications::new(handle.clone(), config.notifications.clone(), site);
    let notifications = notifications.with_heartbeat(config.heartbeat.clone());
    let mut servers =
        serve((private, public, tls), &handle, (access, notifications), FileTemplates(config.clone()), None);
    let notifier = Notifier::from_environment();
    servers.spawn(reload::reload_on_hangup(handle.clone(), config, world, notifier.clone()));
    servers.spawn(notifier.clone().watchdog(handle.clone()));
    compat.into_iter().for_each(|compat| drop(servers.spawn(compat)));
    notifier.send("READY=1");
    let stopper = async {
        stopped().await;
        notifier.send("STOPPING=1");
        stop.notify_one();
    };
    tokio::join!(task, stopper_or_end(stopper, handle));
    drop(servers);
    let _ = std::fs::remove_file(PathBuf::from(&socket));
    drop(lock);
    Ok(0)
}

/// The loop, whose handle keeps secrets beside the configuration.
fn started(
    engine: Engine,
    acts: bool,
    config: &Config,
) -> (daemon::Handle, impl Future<Output = ()> + use<>, Arc<Notify>) {
    let (handle, task, stop) = daemon::start(engine, Behaviour { acts, watches: true });
    (handle.keeping(Arc::new(SecretFiles(config.clone()))), task, stop)
}

/// Listens at an address that a key of the configuration, or an option, names.
pub(super) async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, CommandFailure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = format!("another program may be there; change `{key}`");
        CommandFailure::new(Code::A0905, format!("could not listen at {address}: {error}"), hint)
    })
}

/// A listener for programs that were there before Amarre.
struct CompatListener {
    listener: TcpListener,
    listening: Listening,
    of: CompatOf,
}

/// What such a listener serves.
enum CompatOf {
    /// The list of a cloud, as its vendor gives it.
    Cloud(String),
    /// A pool.
    Pool(CompatPool),
}

impl CompatListener {
    /// Listens, where the configuration says so.
    async fn bind_all(server: &ServerAccess) -> Result<Vec<Self>, CommandFailure> {
        let cloud = server.compat_cloud.clone().map(|(address, cloud)| (address, CompatOf::Cloud(cloud)));
        let pool = server.compat_pool.clone().map(|pool| (pool.listen, CompatOf::Pool(pool)));
        let mut all = Vec::new();
        for (address, of) in cloud.into_iter().chain(pool) {
            let key = match of {
                CompatOf::Cloud(_) => "server.compat.cloud.listen",
                CompatOf::Pool(_) => "server.compat.pool.listen",
            };
            let listener = bind(address, key).await?;
            all.push(Self { listener, listening: Listening { address, ..listening(server) }, of });
        }
        Ok(all)
    }

    /// Serves all of them. `pages`: where people look.
    fn serve_all(
        all: Vec<Self>,
        who: (&daemon::Handle, &Accounts),
        tls: Option<&ServerTls>,
        pages: &str,
        output: &Output,
    ) -> Vec<impl Future<Output = ()> + Send + use<>> {
        all.into_iter().map(|one| one.serve(who, tls.cloned(), pages, output)).collect()
    }

    /// Serves what it is for.
    fn serve(
        self,
        (handle, accounts): (&daemon::Handle, &Accounts),
        tls: Option<ServerTls>,
        pages: &str,
        output: &Output,
    ) -> impl Future<Output = ()> + Send + use<> {
        let Self { listener, listening, of } = self;
        let at = format!("{}://{}", listening.scheme(), listening.address);
        let access = AccessControl::new(handle.clone(), accounts.clone(), listening);
        let room = ConnectionLimits::network(listener::raise_descriptors(), access.listening.proxies.clone());
        let router = match of {
            CompatOf::Cloud(cloud) => {
                output.note(&format!("The list of {cloud} as its vendor gives it is at {at}/api/servers"));
                server::compat::cloud(handle.clone(), &access, &cloud, pages)
            }
            CompatOf::Pool(pool) => {
                output.note(&format!("The pool {} in the form of other servers of machines is at {at}", pool.pool));
                server::compat_pool::pool(handle.clone(), &access, pool.pool, pool.is_pretty)
            }
        };
        listener::network(listener, tls, router, room)
    }
}

/// How HTTP is served.
pub fn listening(server: &ServerAccess) -> Listening {
    let ServerAccess { listen, url, proxies, per_minute, webhook_secret, .. } = server.clone();
    let encryption = server_tls::encryption(server);
    Listening { address: listen, url, proxies, per_minute, webhook_secret, encryption }
}

/// The loop ends by itself only at shutdown.
async fn stopper_or_end(stopper: impl Future<Output = ()>, _handle: daemon::Handle) {
    stopper.await;
}

/// Serves both until the set is dropped.
pub fn serve(
    (private, public, tls): (UnixListener, TcpListener, Option<ServerTls>),
    handle: &daemon::Handle,
    (access, notifications): (AccessControl, Notifications),
    pantry: FileTemplates,
    demo: Option<Arc<dyn DemoDeeds>>,
) -> JoinSet<()> {
    let mut servers = JoinSet::new();
    let shelf: Arc<dyn TemplateStore> = Arc::new(pantry);
    let acting = server::private(handle.clone(), notifications.clone(), shelf.clone());
    let descriptors = listener::raise_descriptors();
    let room = ConnectionLimits::network(descriptors, access.listening.proxies.clone());
    let reading = web::public(handle.clone(), access, notifications.clone(), shelf, demo);
    servers.spawn(notifications.run());
    servers.spawn(listener::socket(private, acting, ConnectionLimits::socket(descriptors)));
    tls.iter().for_each(|tls| drop(servers.spawn(tls.clone().watch(handle.clone()))));
    servers.spawn(listener::network(public, tls, reading, room));
    servers
}

/// Waits for SIGTERM or SIGINT.
pub async fn stopped() {
    StopSignals::from_now_on().next().await;
}

/// SIGTERM and SIGINT, those before it is waited for as well.
pub struct StopSignals {
    term: Option<Signal>,
    int: Option<Signal>,
}

impl StopSignals {
    /// Neither ends the process from now on.
    pub fn from_now_on() -> Self {
        let listen = |kind| signal(kind).ok();
        Self { term: listen(SignalKind::terminate()), int: listen(SignalKind::interrupt()) }
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        async fn next_of(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => _ = signal.recv().await,
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = next_of(&mut self.term) => (),
            () = next_of(&mut self.int) => (),
        }
    }
}
