//! `amarre init`: detects what it can, asks the rest, writes a configuration and a first manifest. Never overwrites.
//!
//! Each question has a flag and the environment name of its configuration key; on a terminal it is asked with the
//! detected value as the default. Off a terminal, and with `--yes`, detected or given values are used, and missing ones
//! are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bollard::models::ContainerSummary;

use super::CommandFailure;
use super::args::{Args, AuthorsAnswer, InitArgs, Simulated};
use super::init_cloud;
use super::init_instance::{instance, instances, refuse_marked};
use super::output::Output;
use super::policy_proposal::Proposals;
use crate::config::Config;
use crate::engine::{Clock, SystemClock};
use crate::providers::docker::DockerConfig;
use crate::providers::docker::api::EngineApi as Docker;
use crate::providers::http::Counts;
use crate::providers::npm::{LOOK_EVERY, NpmConfig, NpmProvider};
use crate::providers::ovh::{OvhConfig, OvhLogin, OvhProvider, Pace, Propagation};
use crate::providers::{Observation, ObserveQuery, Provider};
use crate::secret::{MarkKey, Secret};
use amarre_core::model::site::ascii_name;
use amarre_core::model::{Address, Code, Fields, Gap, Kind, ProviderId};
use amarre_core::plan::render::Sign;

const CONFIG: &str = "amarre.yaml";
/// The name with which nothing is marked: for looking only.
const NOBODY: &str = "amarre";
/// The answer that asks for test mode; no key and no address is as short.
const SIMULATED: &str = "s";
/// How often a question is asked before init gives up.
const TRIES_MAX: u32 = 3;

/// The values of the configuration.
#[derive(Debug, Default)]
struct Answers {
    instance: String,
    domain: String,
    address: String,
    source: String,
    authors: Option<AuthorsAnswer>,
    docker: Option<String>,
    npm: Option<NpmAnswers>,
    ovh: Option<OvhAnswers>,
    simulated: Vec<Simulated>,
    missing: Vec<String>,
    containers: usize,
    hosts: usize,
    proposals: Proposals,
}

#[derive(Debug)]
struct NpmAnswers {
    url: String,
    container: Option<String>,
    identity: String,
    secret: Secret,
}

#[derive(Debug)]
struct OvhAnswers {
    endpoint: String,
    application_key: String,
    application_secret: Secret,
    consumer_key: Secret,
}

impl Answers {
    fn simulate(&mut self, what: Simulated, output: &Output) {
        let name = match what {
            Simulated::Npm => "NPM",
            Simulated::Ovh => "OVH",
            Simulated::Cloud => "the cloud",
        };
        read_line(output, Sign::Step, "", &format!("{name} is simulated: nothing real is written there"));
        self.simulated.push(what);
    }

    /// Whether routes can use this provider.
    fn provides(&self, what: Simulated) -> bool {
        let is_real = match what {
            Simulated::Npm => self.npm.is_some(),
            Simulated::Ovh => self.ovh.is_some(),
            Simulated::Cloud => false,
        };
        is_real || self.simulated.contains(&what)
    }
}

/// What can be detected without asking.
#[derive(Debug, Default)]
struct HostFindings {
    containers: usize,
    npm: Option<(String, String)>,
    proposals: Proposals,
    /// Whose marks are on the engine.
    instances: BTreeSet<String>,
}

/// `amarre init`
pub async fn run(args: &Args, init: &InitArgs, output: &Output) -> Result<u8, CommandFailure> {
    let path = args.config.clone().unwrap_or_else(|| PathBuf::from(CONFIG));
    refuse_if_there(&path)?;
    let dialogue = Dialogue { output, asks: output.is_terminal() && !init.yes };
    if init_cloud::is_asked(init) {
        return init_cloud::run(init, &path, &dialogue).await;
    }
    output.note("What I can see from here");
    let mut answers = Answers::default();
    let found = survey(init, output, &mut answers).await;
    output.note("");
    ask_all(init, &dialogue, found, &mut answers).await?;
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let wrote = write(&path, &base, &answers)?;
    output.note(&format!("\nWrote {}", wrote.join(", ")));
    for missing in &answers.missing {
        output.note(&format!("missing: {missing}"));
    }
    let mut here = vec![format!("{} containers", answers.containers)];
    here.extend(answers.npm.as_ref().map(|_| format!("{} proxy hosts", answers.hosts)));
    if answers.containers + answers.hosts > 0 {
        output.note(&format!("\n{} are here already. Amarre leaves them alone.", here.join(" and ")));
    }
    if answers.proposals != Proposals::default() && answers.authors != Some(AuthorsAnswer::Operators) {
        output.note(&format!("{} proposes `policy` for the folders and devices that they use.", path.display()));
    }
    output.note("Next: amarre plan            what would happen\n      amarre run             keep it so");
    Ok(0)
}

fn refuse_if_there(path: &Path) -> Result<(), CommandFailure> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(CommandFailure::new(
            Code::A1006,
            format!("{} is there already", path.display()),
            "change it by hand, or write another with --config FILE; see docs/configuration.md",
        )),
        Err(_) => Ok(()),
    }
}

/// Docker and NPM, as far as they can be detected.
async fn survey(init: &InitArgs, output: &Output, answers: &mut Answers) -> HostFindings {
    let endpoint = init.docker.clone().unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    answers.docker = init.docker.clone();
    let config = DockerConfig::new(ProviderId::docker("default"), &endpoint, NOBODY, MarkKey::new([0; 32]));
    let seen = match Docker::connect(&config, Counts::default()).await {
        Ok(docker) => docker.containers().await.map(|containers| (docker, containers.all())),
        Err(error) => Err(error),
    };
    let (docker, containers) = match seen {
        Ok(seen) => seen,
        Err(error) => {
            read_line(output, Sign::Failed, "Docker", &format!("{}, {}", error.message, error.code));
            answers.missing.push("a Docker engine that answers: --docker".to_owned());
            return HostFindings::default();
        }
    };
    read_line(output, Sign::Done, "Docker", &format!("{endpoint}, {}, {} containers", docker.engine, containers.len()));
    let name = |names: &Option<Vec<String>>| {
        names.iter().flatten().next().map(|name| name.trim_start_matches('/').to_owned()).unwrap_or_default()
    };
    let is_npm = |container: &&ContainerSummary| {
        let image = container.image.as_deref().unwrap_or_default();
        image.contains("nginx-proxy-manager")
            || matches!(name(&container.names).as_str(), "npm" | "nginx-proxy-manager")
    };
    let others = containers.iter().filter(|container| !is_npm(container));
    let proposals = propose(&docker, others).await;
    let npm = containers.iter().find(is_npm).map(|container| {
        let ports = container.ports.iter().flatten();
        let admin = ports.filter(|port| port.private_port == 81).find_map(|port| port.public_port).unwrap_or(81);
        (name(&container.names), format!("http://127.0.0.1:{admin}"))
    });
    match &npm {
        Some((name, url)) => read_line(output, Sign::Done, "NPM", &format!("container {name}, admin at {url}")),
        None => read_line(output, Sign::Step, "NPM", "no container of it here"),
    }
    let instances = instances(&docker, &containers).await;
    HostFindings { containers: containers.len(), npm, proposals, instances }
}

/// What the existing containers mount and use, as far as the engine reports it.
async fn propose(docker: &Docker, containers: impl Iterator<Item = &ContainerSummary>) -> Proposals {
    let mut proposals = Proposals::default();
    for id in containers.filter_map(|container| container.id.as_deref()) {
        if let Ok(Some(container)) = docker.container(id).await {
            proposals.add(&container);
        }
    }
    proposals
}

async fn ask_all(
    init: &InitArgs,
    dialogue: &Dialogue<'_>,
    found: HostFindings,
    answers: &mut Answers,
) -> Result<(), CommandFailure> {
    answers.containers = found.containers;
    answers.proposals = found.proposals;
    answers.domain =
        dialogue.checked("Domain", &init.domain, None, why_not_a_domain)?.trim_end_matches('.').to_lowercase();
    if answers.domain.is_empty() {
        let hint = "give it: amarre init --domain example.org";
        return Err(CommandFailure::new(Code::A1005, "the domain is missing, and nobody can be asked here", hint));
    }
    answers.instance = instance(init, dialogue, &found.instances)?;
    let question = "Public address of this host";
    answers.address = dialogue.checked(question, &init.address, public_address(), why_not_an_address)?;
    if answers.address.is_empty() {
        answers
            .missing
            .push("the public address: routes get no records before hosts.default.address is set".to_owned());
    }
    let usual = Some("./services".to_owned());
    answers.source = dialogue.text("Manifests, a folder or git URL", &init.source, usual)?.unwrap_or_default();
    answers.authors = authors(init, dialogue)?;
    let (container, url) = found.npm.map_or((None, None), |(name, url)| (Some(name), Some(url)));
    let container = init.npm_container.clone().or(container);
    let url = match init.simulate.contains(&Simulated::Npm) {
        true if init.npm_url.is_some() => {
            let hint = "leave out one of --npm-url and --simulate npm";
            return Err(CommandFailure::new(Code::A1005, "NPM is there, and is to be simulated", hint));
        }
        true => Some(SIMULATED.to_owned()),
        false => {
            let empty = if url.is_none() { ", empty: no proxy hosts" } else { "" };
            dialogue.text(&format!("NPM's admin address (s: simulated for now{empty})"), &init.npm_url, url)?
        }
    };
    match url {
        Some(url) if url == SIMULATED => answers.simulate(Simulated::Npm, dialogue.output),
        Some(url) => npm(init, dialogue, container, url, answers).await?,
        None => {
            answers.missing.push("NPM: --npm-url, --npm-identity and --npm-secret-file, or --simulate npm".to_owned());
        }
    }
    ovh(init, dialogue, answers).await
}

/// Why an answer is no domain, and how one is written.
fn why_not_a_domain(answer: &str) -> Option<(String, &'static str)> {
    let name = answer.trim_end_matches('.').to_lowercase();
    let is_one = name.contains('.') && crate::config::is_domain(&ascii_name(&name));
    (!is_one).then(|| {
        if name.is_empty() {
            ("it needs a domain".to_owned(), "write it as in example.org")
        } else {
            (format!("`{name}` is not a domain"), "write it as in example.org")
        }
    })
}

/// Why an answer is no public address; without one there are no records.
fn why_not_an_address(answer: &str) -> Option<(String, &'static str)> {
    let is_one = answer.is_empty() || crate::config::public_address(answer).is_some();
    (!is_one).then(|| (format!("`{answer}` is not an address"), crate::config::NO_PUBLIC_ADDRESS))
}

/// Who commits manifests; `None`: not said, and the configuration leaves it open.
fn authors(init: &InitArgs, dialogue: &Dialogue<'_>) -> Result<Option<AuthorsAnswer>, CommandFailure> {
    if init.authors.is_some() || !dialogue.asks {
        return Ok(init.authors);
    }
    dialogue.output.note("Manifests can reach all of a host, or only what `policy` in amarre.yaml gives them.");
    for _ in 0..TRIES_MAX {
        let question = "Who commits them? `operators` have root on this host already, `others` have not";
        let typed = dialogue.text(question, &None, Some("others".to_owned()))?.unwrap_or_default();
        match typed.as_str() {
            "operators" => return Ok(Some(AuthorsAnswer::Operators)),
            "others" => return Ok(Some(AuthorsAnswer::Others)),
            _ => read_line(dialogue.output, Sign::Failed, "", "operators or others"),
        }
    }
    Err(CommandFailure::new(
        Code::A1005,
        "it is not known who commits manifests",
        "give it: amarre init --authors others",
    ))
}

async fn npm(
    init: &InitArgs,
    dialogue: &Dialogue<'_>,
    container: Option<String>,
    url: String,
    answers: &mut Answers,
) -> Result<(), CommandFailure> {
    for _ in 0..TRIES_MAX {
        let identity = dialogue.text("NPM e-mail", &init.npm_identity, None)?;
        let given = given_secret(init.npm_secret.as_deref(), init.npm_secret_file.as_deref())?;
        let secret = dialogue.secret("NPM password (not shown, kept in ./secrets/npm)", given)?;
        let (Some(identity), Some(secret)) = (identity, secret) else {
            answers.missing.push("NPM's account: --npm-identity and --npm-secret-file".to_owned());
            return Ok(());
        };
        let provider = NpmProvider::new(NpmConfig {
            id: ProviderId::npm("main"),
            url: url.clone(),
            identity: identity.clone(),
            secret: secret.clone(),
            dns_credentials: None,
            instance: answers.instance.clone(),
            key: MarkKey::new([0; 32]),
            look_every: LOOK_EVERY,
        });
        let provider = provider
            .map_err(|why| CommandFailure::new(Code::A1005, why, "give it: amarre init --npm-url http://…:81"))?;
        let seen = provider.observe(&empty_query()).await;
        match seen.gaps.first() {
            None => {
                refuse_marked(&seen, &answers.instance, "this NPM")?;
                let version = seen.version.clone().unwrap_or_default();
                read_line(dialogue.output, Sign::Done, "", &format!("signed in to NPM {version}"));
                answers.hosts = seen.seen.keys().filter(|address| address.kind == Kind::ProxyHost).count();
                answers.npm = Some(NpmAnswers { url, container, identity, secret });
                return Ok(());
            }
            Some(gap) if !dialogue.asks => return Err(gap_failure(gap)),
            Some(gap) => read_line(dialogue.output, Sign::Failed, "", &format!("{}, {}", gap.message, gap.code)),
        }
    }
    Err(CommandFailure::new(
        Code::A1005,
        "NPM does not let us in",
        "see docs/providers/npm.md for the account that it needs",
    ))
}

async fn ovh(init: &InitArgs, dialogue: &Dialogue<'_>, answers: &mut Answers) -> Result<(), CommandFailure> {
    let question = "OVH application key (s: simulated for now, empty: no DNS records)";
    let key = match init.simulate.contains(&Simulated::Ovh) {
        true if init.ovh_application_key.is_some() => {
            let hint = "leave out the key (--ovh-application-key, OVH_APPLICATION_KEY) or --simulate ovh";
            return Err(CommandFailure::new(Code::A1005, "OVH has a key, and is to be simulated", hint));
        }
        true => Some(SIMULATED.to_owned()),
        false => dialogue.text(question, &init.ovh_application_key, None)?,
    };
    let Some(application_key) = key else {
        let missing = "OVH's keys, or --simulate ovh: no DNS records are written, and routes need `dns: none`";
        answers.missing.push(missing.to_owned());
        return Ok(());
    };
    if application_key == SIMULATED {
        answers.simulate(Simulated::Ovh, dialogue.output);
        return Ok(());
    }
    let given = |text: &Option<String>| text.clone().map(Secret::new);
    let secret = dialogue.secret("OVH application secret (not shown)", given(&init.ovh_application_secret))?;
    let consumer = dialogue.secret("OVH consumer key (not shown)", given(&init.ovh_consumer_key))?;
    let (Some(application_secret), Some(consumer_key)) = (secret, consumer) else {
        let hint = "export OVH_APPLICATION_SECRET=… OVH_CONSUMER_KEY=…";
        return Err(CommandFailure::new(
            Code::A1005,
            "of OVH's keys one is missing: all three come with a token",
            hint,
        ));
    };
    let endpoint = init.ovh_endpoint.clone().unwrap_or_else(|| "ovh-eu".to_owned());
    let ovh = OvhAnswers { endpoint, application_key, application_secret, consumer_key };
    let seen = zone_of(&ovh, answers).await?;
    if let Some(gap) = seen.gaps.first() {
        return Err(gap_failure(gap));
    }
    refuse_marked(&seen, &answers.instance, &format!("the zone of {}", answers.domain))?;
    read_line(
        dialogue.output,
        Sign::Done,
        "",
        &format!("OVH ({}) lets us read the zone of {}", ovh.endpoint, answers.domain),
    );
    answers.ovh = Some(ovh);
    Ok(())
}

/// Whether the keys may read the zone of the domain.
async fn zone_of(ovh: &OvhAnswers, answers: &Answers) -> Result<Observation, CommandFailure> {
    let provider = OvhProvider::new(OvhConfig {
        id: ProviderId::ovh(),
        endpoint: ovh.endpoint.clone(),
        login: OvhLogin::Keys {
            application_key: ovh.application_key.clone(),
            application_secret: ovh.application_secret.clone(),
            consumer_key: ovh.consumer_key.clone(),
        },
        instance: answers.instance.clone(),
        registry: true,
        key: MarkKey::new([0; 32]),
        pace: Pace::usual(),
        propagation: Propagation {
            servers: Vec::new(),
            resolvers: Vec::new(),
            timeout: amarre_core::model::Millis::minutes(10),
        },
    });
    let provider = provider.map_err(|why| CommandFailure::new(Code::A1005, why, "ovh-eu, ovh-ca, ovh-us or a URL"))?;
    let address = Address::new(ProviderId::ovh(), Kind::Record, &format!("{}/A", answers.domain));
    let wanted = BTreeMap::from([(address, Fields::default())]);
    Ok(provider.observe(&ObserveQuery { wanted, ..empty_query() }).await)
}

pub(super) fn empty_query() -> ObserveQuery {
    ObserveQuery { now: SystemClock.now(), ..ObserveQuery::default() }
}

pub(super) fn gap_failure(gap: &Gap) -> CommandFailure {
    let again = "nothing is written; amarre init asks again".to_owned();
    CommandFailure { code: Some(gap.code), message: gap.message.to_string(), hints: vec![gap.hint.to_string(), again] }
}

/// The sources of answers.
pub(super) struct Dialogue<'a> {
    pub(super) output: &'a Output,
    /// Whether a person is at the terminal.
    asks: bool,
}

impl Dialogue<'_> {
    /// The given value, else the typed one, else the detected one.
    pub(super) fn text(
        &self,
        question: &str,
        given: &Option<String>,
        found: Option<String>,
    ) -> Result<Option<String>, CommandFailure> {
        if let Some(given) = given {
            return Ok(Some(given.clone()).filter(|given| !given.is_empty()));
        }
        if !self.asks {
            return Ok(found);
        }
        let usual = found.as_ref().map(|found| format!(" [{found}]")).unwrap_or_default();
        let typed = self.output.prompt(&format!("{question}{usual}:")).map_err(|_| missing_answer())?;
        Ok(if typed.is_empty() { found } else { Some(typed) })
    }

    /// The same; a wrong answer ends init, or is asked for again on a terminal. Empty: there is none.
    pub(super) fn checked(
        &self,
        question: &str,
        given: &Option<String>,
        found: Option<String>,
        why_not: impl Fn(&str) -> Option<(String, &'static str)>,
    ) -> Result<String, CommandFailure> {
        let is_asked = self.asks && given.is_none();
        for tries in 1.. {
            let answer = self.text(question, given, found.clone())?.unwrap_or_default();
            // Without a terminal, what is missing is listed.
            let wrong = if answer.is_empty() && !is_asked { None } else { why_not(&answer) };
            match wrong {
                None => return Ok(answer),
                Some((why, hint)) if !is_asked || tries == TRIES_MAX => {
                    return Err(CommandFailure::new(Code::A1005, why, hint));
                }
                Some((why, hint)) => read_line(self.output, Sign::Failed, "", &format!("{why}: {hint}")),
            }
        }
        Err(missing_answer())
    }

    pub(super) fn secret(&self, question: &str, given: Option<Secret>) -> Result<Option<Secret>, CommandFailure> {
        if given.is_some() || !self.asks {
            return Ok(given);
        }
        let typed = self.output.prompt_hidden(&format!("{question}:")).map_err(|_| missing_answer())?;
        Ok(Some(typed).filter(|typed| !typed.is_empty()).map(Secret::new))
    }
}

fn missing_answer() -> CommandFailure {
    CommandFailure::new(
        Code::A1005,
        "the answers ended before the questions",
        "every question has a flag: amarre help init",
    )
}

fn given_secret(text: Option<&str>, file: Option<&Path>) -> Result<Option<Secret>, CommandFailure> {
    let Some(file) = file else { return Ok(text.map(Secret::new)) };
    let text = fs::read_to_string(file).map_err(|why| {
        CommandFailure::new(
            Code::A0207,
            format!("could not read the secret in {}: {why}", file.display()),
            "is it there?",
        )
    })?;
    Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n']))))
}

/// The address of this machine towards the Internet, if it is a public one. Nothing is sent.
fn public_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let IpAddr::V4(address) = socket.local_addr().ok()?.ip() else { return None };
    let is_own = address.is_private() || address.is_loopback() || address.is_link_local();
    // 100.64.0.0/10 is the provider's, behind its translation.
    let is_shared = address.octets()[0] == 100 && (64..128).contains(&address.octets()[1]);
    (!is_own && !is_shared && !address.is_documentation()).then(|| address.to_string())
}

/// Writes all files, or none: after an error the written ones are removed again.
fn write(path: &Path, base: &Path, answers: &Answers) -> Result<Vec<String>, CommandFailure> {
    let mut wrote: Vec<PathBuf> = Vec::new();
    let done = write_each(path, base, answers, &mut wrote);
    match done {
        Ok(()) => Ok(wrote.iter().map(|path| path.display().to_string()).collect()),
        Err(failure) => {
            for path in wrote {
                let _ = fs::remove_file(path);
            }
            Err(failure)
        }
    }
}

fn write_each(path: &Path, base: &Path, answers: &Answers, wrote: &mut Vec<PathBuf>) -> Result<(), CommandFailure> {
    let mut put = |path: PathBuf, text: &str, mode: u32| -> Result<(), CommandFailure> {
        create(&path, text, mode).map_err(|why| {
            let failed = format!("could not write {}: {why}", path.display());
            CommandFailure::new(Code::A1006, failed, "move it away, or start in another folder; nothing is overwritten")
        })?;
        wrote.push(path);
        Ok(())
    };
    let text = configuration(answers);
    if let Some(npm) = &answers.npm {
        put(base.join("secrets/npm"), npm.secret.expose(), 0o600)?;
    }
    if let Some(ovh) = &answers.ovh {
        put(base.join("secrets/ovh"), ovh.application_secret.expose(), 0o600)?;
        put(base.join("secrets/ovh-consumer"), ovh.consumer_key.expose(), 0o600)?;
    }
    // A file that cannot be read back is removed.
    Config::parse(&text, path)?;
    put(path.to_owned(), &text, 0o600)?;
    let folder = base.join(&answers.source);
    let is_empty = fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
    if !is_git(&answers.source) && is_empty {
        put(folder.join("whoami.yaml"), &first_manifest(answers), 0o644)?;
    }
    Ok(())
}

pub(super) fn create(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let private = if mode == 0o600 && folder.ends_with("secrets") { 0o700 } else { 0o755 };
        fs::DirBuilder::new().recursive(true).mode(private).create(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}

fn is_git(source: &str) -> bool {
    source.contains("://") || source.starts_with("git@") || source.ends_with(".git")
}

/// amarre.yaml. A text in JSON's quotes is a text in YAML.
fn configuration(answers: &Answers) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut out = format!(
        "# Every key: docs/configuration.md\n\
         # The owner on every resource: keep it when the machine is rebuilt. Another Amarre that shares the Docker host, NPM\n\
         # or the zone needs another name.\n\
         instance: {}\ndomain: {}\n",
        answers.instance,
        quoted(&answers.domain)
    );
    let kind = if is_git(&answers.source) { "git: {url: " } else { "folder: " };
    let end = if is_git(&answers.source) { "}}" } else { "}" };
    out.push_str(&format!("source: {{{kind}{}{end}\n", quoted(&answers.source)));
    let mut host = Vec::new();
    if let Some(docker) = &answers.docker {
        host.push(format!("docker: {}", quoted(docker)));
    }
    if !answers.address.is_empty() {
        host.push(format!("address: {}", quoted(&answers.address)));
    }
    out.push_str(&format!("hosts:\n  default: {{{}}}\n", host.join(", ")));
    if let Some(npm) = &answers.npm {
        let container = npm.container.as_ref().map(|name| format!("    container: {}\n", quoted(name)));
        out.push_str(&format!(
            "npm:\n  main:\n    url: {}\n    identity: {}\n    secret: {{file: secrets/npm}}\n{}",
            quoted(&npm.url),
            quoted(&npm.identity),
            container.unwrap_or_default()
        ));
    }
    if let Some(ovh) = &answers.ovh {
        out.push_str(&format!(
            "ovh:\n  endpoint: {}\n  application_key: {}\n  application_secret: {{file: secrets/ovh}}\n  \
             consumer_key: {{file: secrets/ovh-consumer}}\n",
            quoted(&ovh.endpoint),
            quoted(&ovh.application_key)
        ));
    }
    for what in &answers.simulated {
        out.push_str(match what {
            Simulated::Npm => "npm:\n  main: {simulated: true}   # until there is an account\n",
            Simulated::Ovh => "ovh: {simulated: true}   # until there are keys\n",
            Simulated::Cloud => "",
        });
    }
    out.push_str(match answers.authors {
        Some(AuthorsAnswer::Operators) => {
            "policy:\n  authors: operators   # who commits manifests has root here already\n"
        }
        Some(AuthorsAnswer::Others) => {
            "policy:\n  authors: others   # who commits manifests gets what is written here\n"
        }
        None => "",
    });
    if answers.authors != Some(AuthorsAnswer::Operators) {
        out.push_str(&answers.proposals.lines(answers.authors.is_none()));
    }
    out
}

/// The smallest service; without a route or record if it cannot have one yet.
fn first_manifest(answers: &Answers) -> String {
    let (has_npm, has_ovh) = (answers.provides(Simulated::Npm), answers.provides(Simulated::Ovh));
    let route = if has_npm { "port: 80\n" } else { "" };
    let dns = if has_ovh || !has_npm { "" } else { "dns: none\n" };
    format!(
        "# The smallest service. Change it, or remove the file: the service goes with it.\nname: whoami\nimage: traefik/whoami:v1.10\n{route}{dns}"
    )
}

pub(super) fn read_line(output: &Output, sign: Sign, what: &str, text: &str) {
    let line = format!(
        "  {} {}{text}",
        output.style.sign(sign),
        if what.is_empty() { String::new() } else { format!("{what:14}") }
    );
    output.note(&line);
}
