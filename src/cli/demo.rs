//! `amarre demo`: simulated Docker, NPM and OVH on loopback, the examples converged against them, and a proxy that
//! really proxies. Needs no account, no Docker and no network. The product talks to them over HTTP as to real ones; the machines of
//! its pool are simulated without sshd, behind the door that `ssh` has otherwise.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amarre_sim::docker::{Behaviour as ImageBehaviour, Docker, DockerOptions, ImageSpec};
use amarre_sim::git::Git;
use amarre_sim::machines::{MachineSort, Machines};
use amarre_sim::npm::{DirectUpstreams, Issuance, Npm, NpmOptions, Upstreams};
use amarre_sim::ovh::{Ovh, OvhOptions};
use amarre_sim::ovh_cloud::{CloudClock, OvhCloud, OvhCloudOptions};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::CommandFailure;
use super::args::DemoArgs;
use super::build_engine;
use super::build_engine::Built;
use super::daemon::StopSignals;
use super::output::Output;
use super::simulated_machines::SimulatedMachines;
use super::template::FileTemplates;
use crate::config::Config;
use crate::engine::commands;
use crate::engine::commands::verbs::{APPLY, DESTROY};
use crate::engine::commands::{Act, CommandAnswer};
use crate::engine::reconcile::daemon;
use crate::engine::reconcile::daemon::{Behaviour, Handle};
use crate::engine::report::service_list::ListQuery;
use crate::engine::report::status;
use crate::engine::{Clock, Engine, Stage, SystemClock, report};
use crate::notifications::Notifications;
use crate::providers::http::Http;
use crate::providers::ssh::SshProvider;
use crate::secret::Secret;
use crate::server::auth::{AccessControl, Encryption, Listening};
use crate::web::demo_band::DemoDeeds;
use amarre_core::model::{Code, ProviderId, pool};

/// The examples of the repository.
const EXAMPLES: &[(&str, &str)] = &[
    ("whoami.yaml", include_str!("../../examples/services/whoami.yaml")),
    ("gitea.yaml", include_str!("../../examples/services/gitea.yaml")),
    ("cloud.yaml", include_str!("../../examples/services/cloud.yaml")),
    ("vault.yaml", include_str!("../../examples/services/vault.yaml")),
    ("site.yaml", include_str!("../../examples/services/site.yaml")),
    ("old-blog.yaml", include_str!("../../examples/services/old-blog.yaml")),
];
/// Browsers resolve every name below `localhost` to their own machine, so that links open at the simulated proxy.
const DOMAIN: &str = "demo.localhost";
/// The domain that the examples have in its place.
const EXAMPLE_DOMAIN: &str = "example.org";
/// An image whose containers end at once: an update that fails.
const BROKEN: &str = "traefik/whoami:broken";
/// An app, and its repository: each step of its build takes a while, so that there is something to see.
const APP: &str = "shop";
const APP_FILES: [(&str, &str); 3] = [
    (
        "app.py",
        "from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get(\"/\")\ndef shop():\n    return \"<h1>Shop</h1>\"\n",
    ),
    ("requirements.txt", "flask==3.1.2\ngunicorn==23.0.0\n"),
    (".python-version", "3.13\n"),
];
const BUILD_STEP: Duration = Duration::from_millis(700);
/// The container that `--check` kills.
const VICTIM: &str = "whoami";
/// The longest wait of `--check`; simulated parts take seconds.
const CHECK_TIMEOUT: Duration = Duration::from_secs(120);
/// Pulling real images takes longer.
const APPLY_TIMEOUT_MS: i64 = 15 * 60 * 1000;
/// A pull that has begun is finished first.
const REMOVE_TIMEOUT_MS: i64 = 5 * 60 * 1000;
const PASSWORD: &str = "demo";

/// The simulated world. Dropping it stops it.
struct DemoWorld {
    docker: Option<Arc<Docker>>,
    npm: Npm,
    ovh: Ovh,
    cloud: OvhCloud,
    machines: Machines,
    /// The machines of its pool: address and host key.
    pool: Vec<(String, String)>,
    /// The repository of its app.
    git: Git,
}

/// NPM's view of the simulated engine: only what shares a network with its container.
struct FromNpm(Arc<Docker>);

impl Upstreams for FromNpm {
    fn locate(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.0.locate_from("npm", host, port)
    }
}

/// Serves the demo until Ctrl-C, or checks it and ends.
pub async fn run(demo: &DemoArgs, output: &Output) -> Result<u8, CommandFailure> {
    let failed = |why: String| {
        CommandFailure::new(None, format!("the demo could not start: {why}"), "is /tmp writable, and loopback there?")
    };
    // What begins is taken away again, however early it is interrupted.
    let stops = StopSignals::from_now_on();
    let folder = DemoFolder::make().map_err(|error| failed(error.to_string()))?;
    let world = Arc::new(DemoWorld::start(demo, &folder.path).await.map_err(|error| failed(error.to_string()))?);
    folder.write(&world, demo).map_err(|error| failed(error.to_string()))?;
    let path = folder.path.join("amarre.yaml");
    let config = Config::load(Some(&path))?;
    let Built { mut engine, lock, world: _ } = build_engine::engine(&config).await?;
    world.lend_machines(&mut engine, &config)?;
    let engine = engine.staged(world.stage(program(&folder.path)));
    let socket =
        crate::server::socket::bind(&config.beside_state("sock")).map_err(|error| failed(error.to_string()))?;
    let public = super::daemon::bind(config.server.listen, "--port").await?;
    let address = public.local_addr().map_err(|error| failed(error.to_string()))?;
    let (handle, task, stop) = daemon::start(engine, Behaviour { acts: true, watches: true });
    let accounts = crate::accounts::Accounts::new(handle.ledger().clone());
    let encryption = Encryption::Plain;
    let listening = Listening { address, encryption, ..super::daemon::listening(&config.server) };
    let access = AccessControl::new(handle.clone(), accounts.clone(), listening);
    let notifications = Notifications::new(handle.clone(), config.notifications.clone(), None);
    let buttons = Arc::new(DemoButtons { world: world.clone(), folder: folder.path.clone() });
    let templates = FileTemplates(config.clone());
    let servers =
        super::daemon::serve((socket, public, None), &handle, (access, notifications), templates, Some(buttons));
    output.note(&format!(
        "Simulated {} on loopback, and {MACHINES} simulated machines; the examples are in {}",
        if demo.docker { "NPM and OVH" } else { "Docker, NPM and OVH" },
        folder.path.join("services").display()
    ));
    let guide = async {
        let first = accounts.first_token();
        let code = guide(demo, &handle, &world, &folder.path, address, &first, output, stops).await;
        stop.notify_one();
        code
    };
    let ((), code) = tokio::join!(task, guide);
    drop((servers, lock));
    code
}

async fn guide(
    demo: &DemoArgs,
    handle: &Handle,
    world: &DemoWorld,
    folder: &Path,
    address: SocketAddr,
    first: &Secret,
    output: &Output,
    mut stops: StopSignals,
) -> Result<u8, CommandFailure> {
    let apply = Act::new(&APPLY).with("timeout_ms", APPLY_TIMEOUT_MS);
    let applied = tokio::select! {
        biased;
        () = stops.next() => None,
        answer = act(handle, apply, output) => Some(answer?),
    };
    let code = match applied {
        Some(answer) => {
            output.data(&answer.text);
            if demo.check {
                check(handle, world, output).await
            } else {
                let link = format!("http://{address}/setup?token={}", first.expose());
                output.note(&welcome_text(world, folder, &link));
                stops.next().await;
                Ok(0)
            }
        }
        None => Ok(0),
    };
    if demo.docker {
        remove_from_engine(handle, output, &mut stops).await?;
    }
    if !demo.check {
        output.note("The demo ends; nothing of it stays.");
    }
    code
}

/// Performs a request, and prints its progress.
async fn act(handle: &Handle, request: Act, output: &Output) -> Result<CommandAnswer, CommandFailure> {
    let (steps, mut inbox) = tokio::sync::mpsc::channel(256);
    let answer = commands::act(handle, request, output.style, &steps);
    tokio::pin!(answer);
    loop {
        tokio::select! {
            biased;
            Some(step) = inbox.recv() => output.step(&step),
            answer = &mut answer => {
                return answer.ok_or_else(|| CommandFailure::new(Code::A0904, "the demo stopped", ""));
            }
        }
    }
}

/// Removes what the demo has made on a real engine. The images that it pulled stay, as Docker keeps any image.
async fn remove_from_engine(handle: &Handle, output: &Output, stops: &mut StopSignals) -> Result<(), CommandFailure> {
    output.note("The demo ends; it removes its containers, networks and volumes. Ctrl-C again leaves them.");
    let left = "docker ps -a --filter label=io.amarre.instance=demo lists what is left";
    let destroy = Act::new(&DESTROY).with("all", true).with("purge", true).with("timeout_ms", REMOVE_TIMEOUT_MS);
    let removed = tokio::select! {
        biased;
        () = stops.next() => return Err(CommandFailure::new(None, "the demo was interrupted", left)),
        answer = act(handle, destroy, output) => answer?,
    };
    output.data(&removed.text);
    if removed.exit == 0 { Ok(()) } else { Err(CommandFailure::new(None, "the demo has left something", left)) }
}

/// The welcome text: what there is to see, and what to try.
fn welcome_text(world: &DemoWorld, folder: &Path, link: &str) -> String {
    let proxy = world.npm.proxy_address;
    let services = folder.join("services");
    let program = program(folder);
    let work = world.git.work(APP).display().to_string();
    let try_out = match &world.docker {
        Some(_) => format!(
            "
Try:
  a new service in the pages, with its certificate: any image works
  an update that fails: in whoami.yaml write `image: {BROKEN}`; the old one goes on serving
  a new deployment of the app {APP}: change app.py in {work}, `git commit -am next` there, and deploy it on its page
  one that never gets healthy: add `healthcheck: {{test: \"exit 1\"}}` to whoami.yaml
  a removed record, host or container is back within seconds
  reserve machines of the pool at /pools/lab; they are simulated, so no one can sign in there. Or in a terminal:
  {program} pool reserve lab --user alice"
        ),
        None => String::new(),
    };
    format!(
        "
  Pages     {link}
  Services  http://whoami.{DOMAIN}:{}/  (each name below {DOMAIN} opens there; TLS is simulated, so without it)
  Folder    {}
  Status    {program} status
  NPM       {}, user {IDENTITY}, password {PASSWORD}  (its API; there are no pages)
{try_out}
Ctrl-C ends the demo; nothing stays.",
        proxy.port(),
        services.display(),
        world.npm.server.url(),
    )
}

/// How a terminal reaches the demo: this program may not be in PATH, and the configuration is where nothing looks for it.
fn program(folder: &Path) -> String {
    let program = std::env::current_exe().map_or_else(|_| "amarre".to_owned(), |path| path.display().to_string());
    format!("{program} --config {}", folder.join("amarre.yaml").display())
}

const IDENTITY: &str = "amarre@amarre.demo";

/// Every example answers; one container is killed, and answers again.
async fn check(handle: &Handle, world: &DemoWorld, output: &Output) -> Result<u8, CommandFailure> {
    let (pass, _) = handle.last_pass();
    let mut names: Vec<String> = Vec::new();
    for service in pass.services.values() {
        names.extend(service.routes.iter().flat_map(|route| route.domains.clone()));
        names.extend(service.answered.iter().flat_map(|host| host.domains.clone()));
    }
    for name in &names {
        let status = world.status_code(name).await?;
        let ok = matches!(status, 200 | 301);
        output.data(&format!("{} http://{name} answers {status}\n", output.style.sign(sign(ok))));
        if !ok {
            return Err(CommandFailure::new(
                None,
                format!("{name} answers {status}, not 200 or 301"),
                "amarre status tells more",
            ));
        }
    }
    world.kill(VICTIM).await?;
    output.data(&format!("container {VICTIM} is removed\n"));
    let victim = format!("{VICTIM}.{DOMAIN}");
    let waited = tokio::time::timeout(CHECK_TIMEOUT, async {
        loop {
            if world.status_code(&victim).await.is_ok_and(|status| status == 200) && is_quiet(handle) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    waited.await.map_err(|_| {
        let text = report::status_text(
            &handle.last_pass().0,
            ListQuery { all: true, ..ListQuery::default() },
            handle.now(),
            None,
            output.style,
        );
        CommandFailure::new(None, format!("{victim} does not answer again"), text)
    })?;
    output.data(&format!("{} http://{victim} answers 200 again\n", output.style.sign(sign(true))));
    Ok(0)
}

fn is_quiet(handle: &Handle) -> bool {
    let (pass, _) = handle.last_pass();
    pass.statuses().values().all(|row| row.sync == status::Sync::Synced)
}

fn sign(ok: bool) -> amarre_core::plan::render::Sign {
    if ok { amarre_core::plan::render::Sign::Done } else { amarre_core::plan::render::Sign::Failed }
}

impl DemoWorld {
    async fn start(demo: &DemoArgs, folder: &Path) -> std::io::Result<Self> {
        let options = DockerOptions { build_step: BUILD_STEP, ..DockerOptions::default() };
        let docker = if demo.docker { None } else { Some(Arc::new(Docker::start(options).await?)) };
        let git = Git::start(folder.join("repositories")).await?;
        git.commit(APP, "Alice Martin", "Begin the shop", &APP_FILES)?;
        if let Some(docker) = &docker {
            let seeded = docker.seed_network("npm_default", "172.30.0.0/24");
            seeded.map_err(|refusal| std::io::Error::other(refusal.to_string()))?;
            let seeded = docker.seed_container("npm", "jc21/nginx-proxy-manager:2", &["npm_default"]);
            seeded.map_err(|refusal| std::io::Error::other(refusal.to_string()))?;
            docker.image(ImageSpec { behaviour: ImageBehaviour::Exit(1), ..ImageSpec::new(BROKEN) });
        }
        let upstreams: Arc<dyn Upstreams> = match &docker {
            Some(docker) => Arc::new(FromNpm(docker.clone())),
            None => Arc::new(DirectUpstreams),
        };
        let mut options = NpmOptions::with_upstreams(upstreams);
        options.issuance = Issuance::Granted;
        options.tls_ends_before = true;
        options.users = vec![amarre_sim::npm::NpmUser::admin(1, IDENTITY, PASSWORD)];
        let npm = Npm::start(options).await?;
        let ovh = Ovh::start(OvhOptions::with_zones(&[DOMAIN])).await?;
        let cloud = OvhCloudOptions { clock: CloudClock::Running, ..OvhCloudOptions::dozen() };
        let cloud = OvhCloud::start(cloud).await?;
        let machines = Machines::new(Arc::new(|| SystemClock.now().0));
        let pool = (1..=MACHINES).map(|number| {
            let address = format!("203.0.113.{}", 20 + number);
            let sort = if number % 2 == 0 { MachineSort::Alpine } else { MachineSort::Debian };
            let host_key = machines.add(&format!("{address}:22"), sort);
            (address, host_key)
        });
        let pool = pool.collect();
        Ok(Self { docker, npm, ovh, cloud, machines, pool, git })
    }

    /// The machines of its pool are simulated, too: no `ssh` is started.
    fn lend_machines(&self, engine: &mut Engine, config: &Config) -> Result<(), CommandFailure> {
        let mut settings = build_engine::settings(config)?;
        settings.providers.retain(|provider| *provider.id() != pool::provider());
        let remote = Arc::new(SimulatedMachines(self.machines.clone()));
        settings.providers.push(Arc::new(SshProvider::new(config.site.instance.clone(), config.key()?, remote)));
        engine.reconfigure(settings);
        Ok(())
    }

    /// The manifest of its pool.
    fn pool(&self) -> String {
        let machine = |(number, (address, key)): (usize, &(String, String))| {
            format!("  - {{name: m{number}, address: {address}, host_key: \"{key}\"}}\n")
        };
        let machines: String = (1..).zip(&self.pool).map(machine).collect();
        format!("kind: Pool\nname: lab\nmachines:\n{machines}")
    }

    /// The simulated part of the world, its proxy's address, and how a terminal reaches it.
    fn stage(&self, program: String) -> Stage {
        let npm = ProviderId::npm("main");
        let docker = self.docker.iter().map(|_| ProviderId::docker("default"));
        Stage {
            demo: docker
                .chain([npm.clone(), ProviderId::ovh(), ProviderId::from("ovh-cloud.paris".to_owned())])
                .chain([pool::provider()])
                .collect(),
            proxies: [(npm, self.npm.proxy_address)].into(),
            program,
        }
    }

    /// The proxy's status code for a name.
    async fn status_code(&self, name: &str) -> Result<u16, CommandFailure> {
        let failed = |why: String| CommandFailure::new(None, format!("{name} does not answer: {why}"), "");
        let http = Http::new(None).map_err(failed)?;
        let request = http.request(reqwest::Method::GET, &format!("http://{}/", self.npm.proxy_address));
        let answer = http.send(request.header("Host", name)).await;
        answer.map(|answer| answer.status).map_err(|failure| failed(failure.message().to_owned()))
    }

    /// Removes a container as a person would.
    async fn kill(&self, name: &str) -> Result<(), CommandFailure> {
        let failed = |why: String| CommandFailure::new(None, format!("could not remove {name}: {why}"), "");
        match &self.docker {
            Some(docker) => docker.remove(name).map_err(|refusal| failed(refusal.to_string())),
            None => {
                let done = tokio::process::Command::new("docker").args(["rm", "-f", name]).output().await;
                let done = done.map_err(|error| failed(error.to_string()))?;
                if done.status.success() {
                    Ok(())
                } else {
                    Err(failed(String::from_utf8_lossy(&done.stderr).into_owned()))
                }
            }
        }
    }
}

/// What the buttons of the band act on.
struct DemoButtons {
    world: Arc<DemoWorld>,
    folder: PathBuf,
}

impl DemoDeeds for DemoButtons {
    fn remove_container<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { self.world.kill(name).await.map_err(|failure| failure.message) })
    }

    fn edit_proxy_host(&self, domain: &str) -> Result<(), String> {
        let rows = self.world.npm.rows(amarre_sim::npm::Kind::ProxyHost);
        let is_it =
            |row: &&Value| row["domain_names"].as_array().is_some_and(|names| names.iter().any(|name| name == domain));
        let row = rows.iter().find(is_it).ok_or_else(|| format!("NPM has no proxy host {domain}"))?;
        let patch = match row["access_list_id"].as_u64() {
            Some(list) if list > 0 => json!({"access_list_id": 0}),
            Some(_) | None => json!({"forward_port": row["forward_port"].as_u64().unwrap_or(80) + 1}),
        };
        self.world.npm.edit_proxy_host(row["id"].as_u64().unwrap_or_default(), &patch);
        Ok(())
    }

    fn break_deploy(&self, file: &str, image: &str) -> Result<(), String> {
        let name = image.rsplit_once(':').map_or(image, |(name, _)| name);
        let broken = format!("{name}:broken");
        if image == broken {
            return Err(format!("{file} has {broken} already: edit it, or roll back"));
        }
        let path = self.folder.join(file);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        if let Some(docker) = &self.world.docker {
            docker.image(ImageSpec { behaviour: ImageBehaviour::Exit(1), ..ImageSpec::new(&broken) });
        }
        std::fs::write(&path, text.replacen(image, &broken, 1)).map_err(failed)
    }
}

/// In its pool.
const MACHINES: usize = 8;

/// A server that runs in office hours.
const SERVER: &str = "kind: Instance\nname: build-1\ncloud: paris\nid: ID\n\
    schedule: {timezone: Europe/Paris, on: \"0 8 * * mon-fri\", off: \"0 20 * * mon-fri\"}\n";

/// A temporary folder, removed at the end.
struct DemoFolder {
    path: std::path::PathBuf,
}

impl DemoFolder {
    fn make() -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("amarre-demo-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    fn write(&self, world: &DemoWorld, demo: &DemoArgs) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        for folder in ["services", "secrets/services/cloud", "secrets/services/family"] {
            std::fs::create_dir_all(self.path.join(folder))?;
        }
        // The site that a redirection leads to is served here, too.
        let site = format!("http://www.{DOMAIN}:{}", world.npm.proxy_address.port());
        for (name, text) in EXAMPLES {
            let text = text.replace(&format!("https://www.{EXAMPLE_DOMAIN}"), &site).replace(EXAMPLE_DOMAIN, DOMAIN);
            std::fs::write(self.path.join("services").join(name), text)?;
        }
        let id = world.cloud.id_of("GRA11", "build-1");
        std::fs::write(self.path.join("services/build-1.yaml"), SERVER.replace("ID", &id))?;
        std::fs::write(self.path.join("services/lab.yaml"), world.pool())?;
        if world.docker.is_some() {
            let app = format!("kind: App\nname: {APP}\ngit: {{url: {}}}\n", world.git.url(APP));
            std::fs::write(self.path.join(format!("services/{APP}.yaml")), app)?;
        }
        for name in ["secrets/services/cloud/db", "secrets/services/family/anna"] {
            std::fs::write(self.path.join(name), format!("{:032x}", rand::random::<u128>()))?;
        }
        let (docker, container) = match &world.docker {
            Some(docker) => (docker.server.url().replace("http://", "tcp://"), ", container: npm"),
            None => ("unix:///var/run/docker.sock".to_owned(), ""),
        };
        let servers: Vec<String> = world.ovh.dns.iter().map(ToString::to_string).collect();
        let names = servers.join("\", \"");
        let (options, keys) = (OvhOptions::with_zones(&[]), OvhCloudOptions::dozen());
        let text = format!(
            "instance: demo\n\
             domains: [{DOMAIN}]\n\
             source: {{folder: ./services}}\n\
             hosts: {{default: {{docker: \"{docker}\", address: [203.0.113.10], npm: main}}}}\n\
             npm: {{main: {{url: \"{}\", identity: {IDENTITY}, secret: {PASSWORD}{container}}}}}\n\
             ovh: {{endpoint: \"{}\", application_key: {}, application_secret: {}, consumer_key: {}}}\n\
             clouds: {{paris: {{ovh: {{endpoint: \"{}\", application_key: {}, application_secret: {}, consumer_key: {}}}}}}}\n\
             dns: {{propagation: {{servers: [\"{names}\"], resolvers: [\"{names}\"]}}}}\n\
             pools: {{}}\n\
             policy: {{repositories: [\"{}\"], instances: [\"paris:*\"]}}\n\
             certificates: {{port80: assume}}\n\
             server: {{listen: \"127.0.0.1:{}\"}}\n",
            world.npm.server.url(),
            world.ovh.endpoint(),
            options.application_key,
            options.application_secret,
            options.consumer_key,
            world.cloud.endpoint(),
            keys.application_key,
            keys.application_secret,
            keys.consumer_key,
            world.git.url("*"),
            demo.port,
        );
        let path = self.path.join("amarre.yaml");
        std::fs::write(&path, text)?;
        // It holds passwords, as a real one does.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
    }
}

impl Drop for DemoFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
