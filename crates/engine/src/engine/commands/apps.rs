//! What people ask of apps.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::act::{ActArgs, VerbCall};
use super::builds;
use super::edit_manifest::{self, FileChange, ManifestDraft, ManifestRemark};
use super::manifest_text::with_keys;
use super::pools::after_a_look;
use super::resize_instance::author;
use super::{CommandAnswer, CommandEnd, converge, find_address, ledger_refused, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::app_documents::{
    AppDocument, AppsDocument, DeploymentDocument, DeploymentsDocument, StatsDocument,
};
use crate::engine::report::as_json;
use crate::engine::report::deployments::DeploymentStats;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::{apps, deployments};
use amarre_core::model::app::{AppSource, Build};
use amarre_core::model::{Code, GitUrl, SecretName, Service};
use amarre_core::plan::render::{Sign, Style};

/// All apps.
pub fn list(pass: &PassView, style: Style) -> CommandAnswer {
    let rows = apps::rows(pass);
    CommandAnswer { document: as_json(&AppsDocument::new(&rows)), text: apps::table(&rows, style), exit: 0 }
}

pub fn show(pass: &PassView, name: &str, style: Style) -> CommandAnswer {
    match apps::find(pass, name) {
        Some(row) => {
            CommandAnswer { document: as_json(&AppDocument::new(&row)), text: apps::app_text(&row, style), exit: 0 }
        }
        None => no_app(pass, name),
    }
}

/// Deployments, the newest first: of one app, or of all.
pub fn deployments(pass: &PassView, app: Option<&str>, limit: usize, style: Style) -> CommandAnswer {
    if let Some(app) = app.filter(|app| is_unknown(pass, app)) {
        return no_app(pass, app);
    }
    let rows = deployments::rows(pass, app);
    let shown = &rows[..rows.len().min(limit)];
    let document = as_json(&DeploymentsDocument::new(pass, shown, &DeploymentStats::new(rows.iter().copied())));
    CommandAnswer { document, text: deployments::table(shown, pass.at, style), exit: 0 }
}

/// What deployments come to: those of one app, or of all.
pub fn stats(pass: &PassView, app: Option<&str>) -> CommandAnswer {
    if let Some(app) = app.filter(|app| is_unknown(pass, app)) {
        return no_app(pass, app);
    }
    let stats = DeploymentStats::new(deployments::rows(pass, app));
    let document = as_json(&StatsDocument::new(app, &stats));
    CommandAnswer { document, text: deployments::stats_text(&stats), exit: 0 }
}

pub fn deployment(pass: &PassView, id: &str, style: Style) -> CommandAnswer {
    match deployments::find(pass, id) {
        Some(one) => {
            let document = as_json(&DeploymentDocument::new(pass, one));
            CommandAnswer { document, text: deployments::one_text(pass, one, style), exit: 0 }
        }
        None => no_deployment(id),
    }
}

/// The line that a forge takes as the deploy key of an app's repository over ssh; without `url` of the one that its manifest names.
pub async fn deploy_key(handle: &Handle, app: &str, url: &str) -> CommandAnswer {
    let pass = handle.last_pass().0;
    let known = pass.apps.get(app).map(|(source, _)| source.clone()).filter(|_| url.is_empty());
    let source = match known {
        Some(source) => Ok(source),
        None if url.is_empty() => return no_app(&pass, app),
        None => GitUrl::parse_strictly(url).map(|url| AppSource::new(app, url)),
    };
    let made = match &source {
        Ok(source) => handle
            .deploy_key(source)
            .await
            .map_err(|why| (why, "is it an address as git@github.com:acme/shop?".to_owned())),
        Err(wrong) => Err(wrong.clone()),
    };
    match made {
        Ok(line) => {
            let url = source.map(|source| source.url.to_string()).unwrap_or_default();
            let document = json!({"schema": "amarre.app-key/v1", "app": app, "url": url, "key": line});
            CommandAnswer { document, text: format!("{line}\n"), exit: 0 }
        }
        Err((why, hint)) => refused(Code::A0771, &why, &hint),
    }
}

fn is_unknown(pass: &PassView, app: &str) -> bool {
    !pass.apps.contains_key(app) && !pass.deployments.contains_key(app)
}

pub(super) fn no_app(pass: &PassView, name: &str) -> CommandAnswer {
    let names: Vec<&str> = pass.apps.keys().map(String::as_str).collect();
    let hint = match names.as_slice() {
        [] => "docs/apps.md says how to write one".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    refused(Code::A1002, &format!("there is no app {name}"), &hint)
}

pub(super) fn no_deployment(id: &str) -> CommandAnswer {
    refused(Code::A1002, &format!("there is no deployment {id}"), "amarre app deployments lists them")
}

/// Deploys the newest commit of an app now, or of another branch, tag or commit: that is written into its manifest. `pull`: on what
/// registries have under the names of the images that it is built from; that is for every service that is built.
pub async fn deploy(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (args, name) = (asked.args, asked.args.text("app"));
    handle.fetch().await;
    let is_built = |pass: &PassView| {
        let builds = |service: &Service| service.builds().next().is_some();
        let pulls = args.flag("pull") && pass.services.get(name).is_some_and(builds);
        if pulls || pass.apps.contains_key(name) { Ok(()) } else { Err(no_app(pass, name)) }
    };
    let (pass, ()) = after_a_look(handle, is_built).await?;
    let said = if args.flag("pull") { builds::move_on(handle, &pass, name).await? } else { Vec::new() };
    if let Some(reference) = args.given("ref") {
        let Some((source, _)) = pass.apps.get(name) else { return Err(no_app(&pass, name).into()) };
        // The id of a commit is one of the branch or tag that is followed.
        let is_commit = reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        let wanted = if is_commit {
            AppSource { commit: Some(reference.to_owned()), ..source.clone() }
        } else {
            AppSource { reference: reference.to_owned(), commit: None, ..source.clone() }
        };
        let written = git_line(&wanted);
        let message = format!("deploy {reference} of {name}");
        write_keys(handle, &pass, name, "git", &written, message, args).await?;
    }
    if pass.rollbacks.contains_key(name) {
        // Whoever deploys goes on with the manifest.
        handle.request(LoopCommand::Resume { service: name.to_owned() }).await.ok_or(CommandEnd::Stopping)?;
    }
    let pass = handle.look_only().await.ok_or(CommandEnd::Stopping)?.pass;
    find_address::active_service(&pass, name).map_err(CommandEnd::from)?;
    let retry = LoopCommand::Retry { service: name.to_owned(), creates_again: false };
    if let Some(error) = handle.request(retry).await.ok_or(CommandEnd::Stopping)?.error {
        return Err(ledger_refused(handle.ledger(), &error, "nothing was deployed").into());
    }
    let style = asked.style;
    let mut answer = converged(handle, name, asked).await?;
    if let Some(next) = pass.apps.get(name).and_then(|(_, state)| state.limited) {
        // What was committed since it was asked last is not deployed yet.
        let note = crate::words::say(&apps::limited_text(next), style.language);
        answer.text = format!("{note}\n{}", answer.text);
        answer.document["next_ask_at"] = json!(next.rfc3339());
    }
    Ok(if said.is_empty() { answer } else { builds::with_moved(&said, answer, style) })
}

/// Stops the containers of an app, or starts them: `state` of its manifest says so.
pub async fn set_stopped(handle: &Handle, asked: VerbCall<'_>, stopped: bool) -> Result<CommandAnswer, CommandEnd> {
    let name = asked.args.text("app");
    handle.fetch().await;
    let is_app = |pass: &PassView| if pass.apps.contains_key(name) { Ok(()) } else { Err(no_app(pass, name)) };
    let (pass, ()) = after_a_look(handle, is_app).await?;
    let (written, verb) = if stopped { ("state: stopped\n", "stop") } else { ("", "start") };
    write_keys(handle, &pass, name, "state", written, format!("{verb} {name}"), asked.args).await?;
    converged(handle, name, asked).await
}

async fn converged(handle: &Handle, name: &str, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let only = Some(BTreeSet::from([name.to_owned()]));
    converge(handle, None, only, asked.args.timeout_ms(), asked.style, asked.steps).await.ok_or(CommandEnd::Stopping)
}

/// Writes a key of the manifest of an app, where that changes it.
async fn write_keys(
    handle: &Handle,
    pass: &PassView,
    name: &str,
    key: &str,
    written: &str,
    message: String,
    args: &ActArgs,
) -> Result<(), CommandEnd> {
    let Some((file, before)) = edit_manifest::file_of(pass, name) else {
        let message = format!("the manifest of {name} cannot be read now");
        return Err(refused(Code::A0461, &message, "amarre validate says why").into());
    };
    let Some(after) = with_keys(&before, name, &[key], written) else {
        let message = format!("{file} is not written line by line, so Amarre does not change it");
        let hint = if written.is_empty() {
            format!("take `{key}` out by hand")
        } else {
            format!("write there by hand: {}", written.trim())
        };
        return Err(refused(Code::A0461, &message, &hint).into());
    };
    if after.trim_end() == before.trim_end() {
        return Ok(());
    }
    let ManifestDraft { settle, .. } =
        edit_manifest::draft(handle, (&file, &after), name, Vec::new(), true).await.ok_or(CommandEnd::Stopping)?;
    if !settle.is_empty() {
        return Err(remarked(&settle).into());
    }
    let author = author(args.text("by"));
    let change = FileChange { file, before: Some(before), after: Some(after), author, message };
    edit_manifest::write(handle, change).await.map_err(|why| remarked(&[why]).into())
}

/// What has to be settled first.
fn remarked(settle: &[ManifestRemark]) -> CommandAnswer {
    let Some(first) = settle.first() else { return refused(Code::A0461, "nothing was changed", "") };
    let hint = first.hints.first().map(|hint| hint.text.to_string()).unwrap_or_default();
    let mut answer = refused(first.code, &first.text, &hint);
    for one in &settle[1..] {
        answer.text.push_str(&format!("error[{}]: {}\n", one.code, one.text));
        answer.text.extend(one.hints.iter().map(|hint| format!("  hint: {}\n", hint.text)));
    }
    answer
}

/// `git: {url: …, ref: …}`, quoted as YAML needs it.
fn git_line(source: &AppSource) -> String {
    // A dollar sign is what it is: it names no variable.
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''").replace('$', "$$"));
    let mut parts = vec![format!("url: {}", quoted(&source.url.to_string()))];
    if source.reference != "main" {
        parts.push(format!("ref: {}", quoted(&source.reference)));
    }
    parts.extend(source.commit.iter().map(|commit| format!("commit: {}", quoted(commit))));
    if !source.path.is_empty() {
        parts.push(format!("path: {}", quoted(&source.path)));
    }
    parts.extend(source.token.iter().map(|SecretName(name)| format!("token: {{secret: {}}}", quoted(name))));
    parts.extend(source.host_key.iter().map(|key| format!("host_key: {}", quoted(key))));
    format!("git: {{{}}}\n", parts.join(", "))
}

/// The frameworks that are known, by name.
pub fn frameworks() -> Vec<String> {
    amarre_core::apps::framework_names().iter().map(|name| (*name).to_owned()).collect()
}

/// A text as YAML, without quotes where it is a name.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 7] = ["true", "false", "null", "yes", "no", "on", "off"];
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    let is_name = begins && text.bytes().all(fits) && !WORDS.contains(&text);
    if is_name { text.to_owned() } else { json!(text).to_string() }
}

/// What a person says of a new app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewApp {
    pub name: String,
    /// The repository, as `git clone` takes it.
    pub url: String,
    /// A branch or a tag; empty: `main`.
    pub reference: String,
    /// The folder of the app; empty: the whole repository.
    pub path: String,
    /// Empty: it is found out.
    pub framework: String,
    /// A name below the domain, or a whole one; empty: as the app is called.
    pub domain: String,
    /// Empty: it is found out.
    pub port: String,
    /// The secret with a token of a private repository; empty: it is open to everybody.
    pub token: String,
    /// Lines of YAML that answer what a look asks: `command: …`, `environment: …`; empty: none.
    pub more: String,
}

impl NewApp {
    /// With the port that a look at its repository has found, where an address of its own needs it; `None`: it needs none.
    pub fn with_port(&self, after: &PassView) -> Option<Self> {
        let build = after.services.get(&self.name).and_then(|service| service.build())?;
        let found = build.reasons.iter().find(|(what, ..)| *what == "port")?;
        let needs = !self.domain.is_empty() && self.port.is_empty();
        needs.then(|| Self { port: found.1.clone(), ..self.clone() })
    }

    /// Its manifest; an address of its own stands in it once its port is known.
    ///
    /// # Errors
    /// The URL is none; what is wrong, and how to write it.
    pub fn manifest(&self) -> Result<String, (String, String)> {
        let url = GitUrl::parse_strictly(&self.url)?;
        let filled = |text: &str, usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
        let source = AppSource {
            reference: filled(&self.reference, "main"),
            path: self.path.clone(),
            token: (!self.token.is_empty()).then(|| SecretName(self.token.clone())),
            ..AppSource::new(&self.name, url)
        };
        let mut text = format!("kind: App\nname: {}\n{}", scalar(&self.name), git_line(&source));
        if !self.framework.is_empty() {
            text.push_str(&format!("framework: {}\n", scalar(&self.framework)));
        }
        let port = json!(self.port.parse::<u16>().ok());
        match (self.port.is_empty(), self.domain.is_empty()) {
            (true, _) => (),
            (false, true) => text.push_str(&format!("port: {port}\n")),
            (false, false) => {
                let (domain, to) = (scalar(&self.domain), json!(format!("{}:{}", self.name, self.port)));
                text.push_str(&format!("routes:\n  - domain: {domain}\n    to: {to}\n"));
            }
        }
        if !self.more.is_empty() {
            text.push_str(&format!("{}\n", self.more));
        }
        Ok(text)
    }
}

/// Puts an app on line from its URL: writes its manifest, after a look at the repository.
pub async fn create(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let args = asked.args;
    let text = |name: &str| args.text(name).trim().to_owned();
    let port = args.count("port").map(|port| port.to_string()).unwrap_or_default();
    let mut new = NewApp {
        name: text("app"),
        url: text("url"),
        reference: text("ref"),
        path: text("path"),
        framework: text("framework"),
        domain: text("domain"),
        port,
        token: text("token"),
        more: String::new(),
    };
    handle.fetch().await;
    handle.pass().await.ok_or(CommandEnd::Stopping)?;
    if edit_manifest::is_taken(handle, &new.name) {
        let message = format!("{} is there already", new.name);
        return Err(refused(Code::A0461, &message, "take another name, or change its manifest").into());
    }
    let unwritten = |(what, hint): (String, String)| refused(Code::A0771, &what, &hint);
    let mut manifest = new.manifest().map_err(unwritten)?;
    let file = handle.path_of(&new.name);
    let mut draft = edit_manifest::draft(handle, (&file, &manifest), &new.name, Vec::new(), true)
        .await
        .ok_or(CommandEnd::Stopping)?;
    if let Some(complete) = new.with_port(&draft.after) {
        new = complete;
        manifest = new.manifest().map_err(unwritten)?;
        draft = edit_manifest::draft(handle, (&file, &manifest), &new.name, Vec::new(), true)
            .await
            .ok_or(CommandEnd::Stopping)?;
    }
    if !draft.settle.is_empty() {
        return Err(remarked(&draft.settle).into());
    }
    let build = draft.after.services.get(&new.name).and_then(|service| service.build());
    let found = build.map(|build| apps::found_text(&build.reasons, asked.style.language)).unwrap_or_default();
    let signs: usize =
        draft.plans.iter().flat_map(|(_, plan)| &plan.rows).filter(|row| row.sign != Sign::Refuse).count();
    let document = json!({
        "schema": "amarre.new-app/v1", "name": new.name, "file": file, "manifest": manifest, "changes": signs,
        "framework": build.map(|build| &build.framework), "found": found_document(build),
    });
    if args.flag("dry_run") {
        return Ok(CommandAnswer { document, text: format!("{found}\n{file}:\n\n{manifest}"), exit: 0 });
    }
    let message = format!("add {}", new.name);
    let change = FileChange {
        file: file.clone(),
        before: None,
        after: Some(manifest),
        author: author(args.text("by")),
        message,
    };
    edit_manifest::write(handle, change).await.map_err(|why| remarked(&[why]))?;
    let text = format!("{found}\nWrote {file}.\nNext: amarre app deploy {0}, amarre app show {0}\n", new.name);
    Ok(CommandAnswer { document, text, exit: 0 })
}

fn found_document(build: Option<&Build>) -> Vec<Json> {
    let found = build.iter().flat_map(|build| &build.reasons);
    found.map(|(what, value, because)| json!({"what": what, "value": value, "because": because.to_string()})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_app_is_written_as_a_person_would() {
        let new = NewApp { name: "shop".to_owned(), url: "https://github.com/acme/it".to_owned(), ..NewApp::default() };
        let expected = "kind: App\nname: shop\ngit: {url: 'https://github.com/acme/it'}\n";
        assert_eq!(new.manifest().as_deref(), Ok(expected));
        let full = NewApp {
            reference: "v2".to_owned(),
            path: "apps/web".to_owned(),
            framework: "flask".to_owned(),
            domain: "boutique".to_owned(),
            port: "8000".to_owned(),
            token: "shop/git".to_owned(),
            ..new.clone()
        };
        let text = full.manifest().unwrap();
        assert!(text.contains(", ref: 'v2', path: 'apps/web', token: {secret: 'shop/git'}}\n"), "{text}");
        assert!(text.ends_with("framework: flask\nroutes:\n  - domain: boutique\n    to: \"shop:8000\"\n"), "{text}");
        assert!(NewApp { url: "ftp://x".to_owned(), ..new }.manifest().is_err());
        for (text, written) in
            [("1e5", "\"1e5\""), ("on", "\"on\""), ("a.b", "\"a.b\""), ("shop-2", "shop-2"), ("12", "\"12\"")]
        {
            assert_eq!(scalar(text), written);
        }
    }
}
