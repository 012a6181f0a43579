//! `amarre init --cloud ovh` or `kamatera`, and `amarre init --simulate cloud`: a configuration with nothing but a cloud. No Docker
//! host, no NPM and no domain is asked for.

use std::path::{Path, PathBuf};

use super::CommandFailure;
use super::args::{CloudMake, InitArgs, Simulated};
use super::init::{Dialogue, create, empty_query, gap_failure, read_line};
use crate::config::Config;
use crate::config::clouds::CloudAccess;
use crate::config::kamatera::{CONSOLE, ENDPOINT};
use crate::providers::Provider;
use crate::providers::kamatera::{KamateraConfig, KamateraProvider};
use crate::providers::ovh::{OvhLogin, Pace};
use crate::providers::ovh_cloud::{OvhCloudConfig, OvhCloudProvider};
use crate::secret::Secret;
use amarre_core::model::{Code, ProviderId};
use amarre_core::plan::render::Sign;

/// What the cloud is called: part of the names of its servers.
const NAME: &str = "ovh";
/// What Amarre calls an account at Kamatera.
const KAMATERA_NAME: &str = "kamatera";
/// The answer that gives manifests no server.
const NO_SERVERS: &str = "none";
/// That of a simulated one, as documents and examples call theirs.
const SIMULATED_NAME: &str = "paris";

/// Whether a cloud is all that is asked for.
pub(super) fn is_asked(init: &InitArgs) -> bool {
    init.cloud.is_some() || init.simulate.contains(&Simulated::Cloud)
}

/// Asks for the login, tries it, and writes the configuration.
pub(super) async fn run(init: &InitArgs, path: &Path, dialogue: &Dialogue<'_>) -> Result<u8, CommandFailure> {
    if init.domain.is_some() || init.npm_url.is_some() || init.simulate.iter().any(|what| *what != Simulated::Cloud) {
        let hint = "leave out either; to have both, write `clouds:` into the amarre.yaml that init makes";
        let message = "a cloud comes without a domain and NPM, and both are given";
        return Err(CommandFailure::new(Code::A1005, message, hint));
    }
    let CloudAnswers { name, section, secrets } = match init.cloud {
        Some(_) if init.simulate.contains(&Simulated::Cloud) => {
            let hint = "leave out --cloud or --simulate cloud";
            return Err(CommandFailure::new(Code::A1005, "the cloud has an account, and is to be simulated", hint));
        }
        Some(CloudMake::Ovh) => ovh(init, dialogue).await?,
        Some(CloudMake::Kamatera) => kamatera(init, dialogue).await?,
        None => {
            let text = "a dozen servers are simulated: nothing real is written";
            read_line(dialogue.output, Sign::Step, "", text);
            let section = format!("  {SIMULATED_NAME}: {{simulated: true}}   # until there are keys\n");
            CloudAnswers { name: SIMULATED_NAME, section, secrets: Vec::new() }
        }
    };
    let policy = policy(init, dialogue, name)?;
    let text = format!("# Every key: docs/configuration.md\nclouds:\n{section}{policy}");
    // A file that cannot be read back is not written.
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut wrote: Vec<PathBuf> = Vec::new();
    let mut put = |path: PathBuf, text: &str| -> Result<(), CommandFailure> {
        create(&path, text, 0o600).map_err(|why| {
            let failed = format!("could not write {}: {why}", path.display());
            CommandFailure::new(Code::A1006, failed, "move it away, or start in another folder; nothing is overwritten")
        })?;
        wrote.push(path);
        Ok(())
    };
    let mut written = secrets.iter().try_for_each(|(file, secret)| put(base.join(file), secret.expose()));
    written = written.and_then(|()| Config::parse(&text, path).map(drop).map_err(CommandFailure::from));
    written = written.and_then(|()| put(path.to_owned(), &text));
    let folder = base.join("services");
    written = written.and_then(|()| {
        std::fs::create_dir_all(&folder).map_err(|why| {
            CommandFailure::new(Code::A1006, format!("could not make {}: {why}", folder.display()), "is it writable?")
        })
    });
    if let Err(failure) = written {
        for path in wrote {
            let _ = std::fs::remove_file(path);
        }
        return Err(failure);
    }
    let names: Vec<String> = wrote.iter().map(|path| path.display().to_string()).collect();
    dialogue.output.note(&format!("\nWrote {}", names.join(", ")));
    dialogue.output.note("Next: amarre instance list   your servers\n      amarre run             the same on a page");
    Ok(0)
}

/// Which servers manifests may name, as the lines of `policy`: who names one starts and stops it.
fn policy(init: &InitArgs, dialogue: &Dialogue<'_>, cloud: &str) -> Result<String, CommandFailure> {
    let given = Some(init.instances.join(",")).filter(|given| !given.is_empty());
    let question = format!("Servers that manifests may start and stop: patterns such as {cloud}:PROJECT/ID, or none");
    let answer = dialogue.text(&question, &given, Some(format!("{cloud}:*")))?.unwrap_or_default();
    let patterns: Vec<String> =
        answer.split(',').map(str::trim).filter(|pattern| !["", NO_SERVERS].contains(pattern)).map(quoted).collect();
    if patterns.is_empty() {
        return Ok(String::new());
    }
    let list = patterns.join(", ");
    Ok(format!("policy:\n  instances: [{list}]   # servers that manifests may name by id\n"))
}

struct CloudAnswers {
    /// What the cloud is called.
    name: &'static str,
    /// The lines below `clouds:`.
    section: String,
    /// Files with their content.
    secrets: Vec<(&'static str, Secret)>,
}

async fn ovh(init: &InitArgs, dialogue: &Dialogue<'_>) -> Result<CloudAnswers, CommandFailure> {
    let missing = |what: &str| {
        let hint = "export OVH_ENDPOINT=ovh-eu OVH_APPLICATION_KEY=… OVH_APPLICATION_SECRET=… OVH_CONSUMER_KEY=…; \
                    docs/providers/ovh-cloud.md says where they come from; --simulate cloud tries without an account";
        CommandFailure::new(Code::A1005, format!("OVH's {what} is missing, and nobody can be asked here"), hint)
    };
    let (endpoint, login) = match from_environment(init) {
        Some(found) => found,
        None => {
            let key = dialogue.text("OVH application key", &init.ovh_application_key, None)?;
            let application_key = key.ok_or_else(|| missing("application key"))?;
            let given = |text: &Option<String>| text.clone().map(Secret::new);
            let secret = dialogue.secret("OVH application secret (not shown)", given(&init.ovh_application_secret))?;
            let application_secret = secret.ok_or_else(|| missing("application secret"))?;
            let consumer = dialogue.secret("OVH consumer key (not shown)", given(&init.ovh_consumer_key))?;
            let consumer_key = consumer.ok_or_else(|| missing("consumer key"))?;
            let endpoint = init.ovh_endpoint.clone().unwrap_or_else(|| "ovh-eu".to_owned());
            (endpoint, OvhLogin::Keys { application_key, application_secret, consumer_key })
        }
    };
    let provider = OvhCloudProvider::new(OvhCloudConfig {
        id: ProviderId::from("ovh-cloud.init".to_owned()),
        endpoint: endpoint.clone(),
        login: login.clone(),
        projects: std::collections::BTreeSet::new(),
        pace: Pace::usual(),
    });
    let provider = provider.map_err(|why| CommandFailure::new(Code::A1005, why, "ovh-eu, ovh-ca, ovh-us or a URL"))?;
    let seen = provider.observe(&empty_query()).await;
    if let Some(gap) = seen.gaps.iter().find(|gap| gap.is_whole()) {
        return Err(gap_failure(gap));
    }
    // A project that is hidden hides no other.
    for gap in &seen.gaps {
        let text = format!("{}; list the others in `projects: [..]` below `ovh` to leave it out", gap.message);
        read_line(dialogue.output, Sign::Step, "", &text);
    }
    let projects = seen.inventory.values().filter_map(|seen| seen.fields.text("project"));
    let projects = projects.collect::<std::collections::BTreeSet<_>>().len();
    let text = format!("OVH ({endpoint}) shows {} servers in {projects} projects", seen.inventory.len());
    read_line(dialogue.output, Sign::Done, "", &text);
    let (keys, secrets) = match login {
        OvhLogin::Service { client_id, client_secret, token_url } => {
            let url = token_url.map(|url| format!("      token_url: {}\n", quoted(&url))).unwrap_or_default();
            let client_id = quoted(&client_id);
            let keys = format!("      client_id: {client_id}\n      client_secret: {{file: secrets/ovh}}\n{url}");
            (keys, vec![("secrets/ovh", client_secret)])
        }
        OvhLogin::Keys { application_key, application_secret, consumer_key } => {
            let keys = format!(
                "      application_key: {}\n      application_secret: {{file: secrets/ovh}}\n      \
                 consumer_key: {{file: secrets/ovh-consumer}}\n",
                quoted(&application_key)
            );
            (keys, vec![("secrets/ovh", application_secret), ("secrets/ovh-consumer", consumer_key)])
        }
        OvhLogin::Missing => return Err(missing("login")),
    };
    let section = format!("  {NAME}:\n    ovh:\n      endpoint: {}\n{keys}", quoted(&endpoint));
    Ok(CloudAnswers { name: NAME, section, secrets })
}

/// The login that the environment has, by any of the names that a configuration takes; `None`: none, or a key was given that is another
/// one.
fn from_environment(init: &InitArgs) -> Option<(String, OvhLogin)> {
    let config = Config::parse(&format!("clouds: {{{NAME}: {{ovh: {{}}}}}}\n"), Path::new("amarre.yaml")).ok()?;
    let CloudAccess::Ovh(access) = config.clouds.into_values().next()? else { return None };
    let is_another = |own: &str| init.ovh_application_key.as_deref().is_some_and(|given| given != own);
    let is_usable = match &access.login {
        OvhLogin::Missing => false,
        OvhLogin::Service { .. } => init.ovh_application_key.is_none(),
        OvhLogin::Keys { application_key, .. } => !is_another(application_key),
    };
    is_usable.then(|| (init.ovh_endpoint.clone().unwrap_or(access.endpoint), access.login))
}

async fn kamatera(init: &InitArgs, dialogue: &Dialogue<'_>) -> Result<CloudAnswers, CommandFailure> {
    let missing = |what: &str| {
        let hint = "export KAMATERA_API_KEY=id:secret; docs/providers/kamatera.md says where a key comes from";
        CommandFailure::new(Code::A1005, format!("Kamatera's {what} is missing, and nobody can be asked here"), hint)
    };
    let both =
        init.kamatera_key.as_deref().map(|key| key.split_once(':').ok_or_else(|| missing("key of the form id:secret")));
    let (id, secret) = both.transpose()?.unzip();
    let id = init.kamatera_client_id.clone().or(id.map(str::to_owned));
    let client_id = dialogue.text("Kamatera client id", &id, None)?.ok_or_else(|| missing("client id"))?;
    let given = init.kamatera_secret.clone().or(secret.map(str::to_owned)).map(Secret::new);
    let secret = dialogue.secret("Kamatera secret (not shown)", given)?.ok_or_else(|| missing("secret"))?;
    let url = init.kamatera_url.clone().unwrap_or_else(|| ENDPOINT.to_owned());
    let provider = KamateraProvider::new(KamateraConfig {
        id: ProviderId::from("kamatera.init".to_owned()),
        url: url.clone(),
        console: CONSOLE.to_owned(),
        instance: String::new(),
        client_id: client_id.clone(),
        secret: secret.clone(),
        pause: std::time::Duration::ZERO,
    });
    let provider = provider.map_err(|why| CommandFailure::new(Code::A1005, why, "leave out --kamatera-url"))?;
    let seen = provider.observe(&empty_query()).await;
    if let Some(gap) = seen.gaps.first() {
        return Err(gap_failure(gap));
    }
    read_line(dialogue.output, Sign::Done, "", &format!("Kamatera shows {} servers", seen.inventory.len()));
    let url = if url == ENDPOINT { String::new() } else { format!("      url: {}\n", quoted(&url)) };
    let section = format!(
        "  {KAMATERA_NAME}:\n    kamatera:\n{url}      client_id: {}\n      secret: {{file: secrets/kamatera}}\n",
        quoted(&client_id)
    );
    Ok(CloudAnswers { name: KAMATERA_NAME, section, secrets: vec![("secrets/kamatera", secret)] })
}

/// A text as YAML and JSON write it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
