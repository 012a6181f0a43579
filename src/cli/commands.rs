//! The commands that ask, answer and end.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory;
use serde_json::Value as Json;

use super::CommandFailure;
use super::args::{
    ApplyArgs, Args, CompletionsArgs, DestroyArgs, EventsArgs, LogsArgs, OutputFormat, PlanArgs, PlanFormat,
    ValidateArgs,
};
use super::build_engine;
use super::link::{self, Link};
use super::output::Output;
use crate::config::Config;
use crate::engine::commands::edit_manifest::validation;
use crate::engine::commands::follow_logs;
use crate::engine::commands::follow_logs::Printing;
use crate::engine::commands::logs::LogsQuery;
use crate::engine::commands::reads::{EVENTS, LOGS, PREVIEW, STATUS};
use crate::engine::commands::verbs::{APPLY, DESTROY, DESTROY_QUESTION};
use crate::engine::commands::{Act, CommandAnswer};
use crate::engine::reconcile::effective_manifests::noted;
use crate::engine::report::revision_document;
use crate::source::SourceReading;
use amarre_core::manifest::{self, Diagnostic, Openable, Severity, SourceFile};
use amarre_core::model::suggestion::nearest;
use amarre_core::model::{Code, Hint, Kind};
use amarre_core::plan::render::{Sign, Style};

/// The exit code for a refusal by a guard, or without confirmation.
pub(super) const REFUSED: u8 = 4;
/// The exit code of what is protected, as the answer of `destroy` has it.
const PROTECTED: u8 = 3;

/// `amarre validate`
pub async fn validate(args: &Args, validate: &ValidateArgs, output: &Output) -> Result<u8, CommandFailure> {
    let config = build_engine::with_known_or_none(super::configuration(args)?).await;
    let read = ManifestsRead::read(&config, None).await?;
    match validate.output {
        OutputFormat::Text => {
            output.data(&read.render());
            read.opened.as_ref().and_then(opened_text).into_iter().for_each(|text| output.note(&text));
        }
        OutputFormat::Json => output.document(&read.document()),
    }
    let has = |severity: Severity| read.diagnostics.iter().any(|diagnostic| diagnostic.severity == severity);
    Ok(u8::from(has(Severity::Error) || (validate.strict && has(Severity::Warning))))
}

/// Which words of the policy would let more files pass; `None`: no word would.
fn opened_text(opened: &Openable) -> Option<String> {
    const WORDS_MAX: usize = 5;
    if opened.by_authors == 0 {
        return None;
    }
    let mut words: Vec<(&str, usize)> = opened.by_word.iter().map(|(word, count)| (*word, *count)).collect();
    words.sort_by_key(|(word, count)| (std::cmp::Reverse(*count), *word));
    let words: Vec<String> =
        words.into_iter().take(WORDS_MAX).map(|(word, count)| format!("`policy.{word}` {count}")).collect();
    let alone =
        if words.is_empty() { String::new() } else { format!("\nA single word would open: {}.", words.join(", ")) };
    Some(format!(
        "\n{} of the {} files with errors would pass with `policy.authors: operators` in amarre.yaml,\n\
         which is for hosts on which everybody who commits manifests has root.{alone}",
        opened.by_authors, opened.broken
    ))
}

/// The manifests as they are read here, with their diagnostics and the secrets that are set nowhere.
struct ManifestsRead {
    files: Vec<SourceFile>,
    diagnostics: Vec<Diagnostic>,
    good: usize,
    /// Services with a diagnostic.
    broken: BTreeSet<String>,
    total: usize,
    revision: Json,
    /// What words of the policy would open, where the configuration does not say who commits manifests.
    opened: Option<Openable>,
}

impl ManifestsRead {
    /// Asks no server: of a repository, the last fetched commit.
    async fn read(config: &Config, reference: Option<&str>) -> Result<Self, CommandFailure> {
        let source = build_engine::source(config).with_apps(build_engine::app_folder(config));
        let apps = source.apps().clone();
        let reading = match reference {
            None => source.read().await,
            Some(name) => match source.read_ref(name).await {
                Ok(snapshot) => SourceReading { snapshot: Some(snapshot), error: None },
                Err(error) => SourceReading { snapshot: None, error: Some(error) },
            },
        };
        let mut source = match (reading.snapshot, reading.error) {
            (Some(snapshot), _) => snapshot,
            (None, Some(error)) => {
                let words = |hint: Hint| match hint.command {
                    Some(command) => format!("{}: {command}", hint.text),
                    None => hint.text.to_string(),
                };
                let hints = error.hints.into_iter().map(words).collect();
                return Err(CommandFailure { code: Some(error.code), message: error.message, hints });
            }
            (None, None) => {
                return Err(CommandFailure::new(Code::A0301, "there is no source", "see docs/configuration.md"));
            }
        };
        let revision = revision_document(&source.revision, &source.label, source.commit.as_ref(), source.is_branch);
        let files: Vec<SourceFile> =
            std::mem::take(&mut source.files).into_iter().map(|(path, text)| SourceFile { path, text }).collect();
        let mut loaded = manifest::load(&files, &source.assets, &config.site);
        if !loaded.apps.is_empty() {
            // What was fetched of their repositories belongs to manifests of apps.
            apps.recall(&loaded.apps);
            apps.add_to(&mut source);
            loaded = manifest::load(&files, &source.assets, &config.site);
        }
        let mut diagnostics = loaded.diagnostics;
        diagnostics.extend(source.notes.iter().map(noted));
        let mut missing = BTreeSet::new();
        for service in &loaded.services {
            for (secret, origin) in service.secrets() {
                if let Err(error) = config.secret(secret) {
                    let hint = error.hints.first().map(|hint| hint.text.to_string()).unwrap_or_default();
                    let found = Diagnostic::missing_secret(&service.name, origin, error.message, hint);
                    let is_placed = diagnostics.len() < Diagnostic::PLACED_MAX;
                    let file = files.iter().find(|file| is_placed && file.path == origin.file);
                    diagnostics.push(found.where_named(&secret.0, file.map(|file| file.text.as_str())));
                    missing.insert(service.name.clone());
                }
            }
        }
        let says_who = config.site.policy.authors.is_some();
        let opened =
            (!loaded.broken.is_empty() && !says_who).then(|| manifest::openable(&files, &source.assets, &config.site));
        let good = loaded.services.len() - missing.len();
        let files = manifest::with_compose_files(&files, &source.assets);
        let total = loaded.services.len() + loaded.broken.len();
        let unread = loaded.broken.into_iter().filter_map(|broken| broken.service);
        let broken = missing.into_iter().chain(unread).collect();
        Ok(Self { files, diagnostics, good, broken, total, revision, opened })
    }

    fn document(&self) -> Json {
        validation(&self.revision, self.good, self.broken.iter(), &self.diagnostics)
    }

    fn render(&self) -> String {
        manifest::render(&self.diagnostics, &self.files, self.good, self.total)
    }
}

/// `amarre plan`
pub async fn plan(args: &Args, plan: &PlanArgs, output: &Output) -> Result<u8, CommandFailure> {
    let reference = plan.reference.as_deref();
    let mut given: Vec<(&'static str, String)> = reference.iter().map(|name| ("ref", (*name).to_owned())).collect();
    match plan.output {
        PlanFormat::Markdown => given.push(("markdown", "true".to_owned())),
        // A saved plan is carried out by its own command.
        PlanFormat::Text if plan.out.is_some() => given.push(("asks", "true".to_owned())),
        PlanFormat::Text | PlanFormat::Json => (),
    }
    let answer = link::read(args, &PREVIEW, &given, output).await?;
    match plan.output {
        PlanFormat::Text | PlanFormat::Markdown => output.data(&answer.text),
        PlanFormat::Json => output.document(&answer.document),
    }
    let errors = print_broken(args, reference, output, &answer).await?;
    let unseen = gap_failure(&answer.document);
    unseen.iter().chain(&guard_failure(&answer.document)).for_each(|failure| output.failure(failure));
    if let Some(path) = plan.out.as_deref().filter(|_| !errors && unseen.is_none()) {
        std::fs::write(path, format!("{:#}\n", answer.document)).map_err(|error| {
            let hint = "the plan itself was made; name a file in a folder that you may write to";
            CommandFailure::new(Code::A0421, format!("could not write {}: {error}", path.display()), hint)
        })?;
        output.note(&format!("Saved: amarre apply {} does this, and nothing else.", path.display()));
    }
    Ok(match (plan.detailed_exitcode, errors) {
        (_, true) => 1,
        (true, false) => answer.exit,
        (false, false) => {
            if answer.exit == 2 {
                0
            } else {
                answer.exit
            }
        }
    })
}

/// Why a plan is incomplete: a provider that manifests need could not be asked. Its own code and hint stand in the
/// plan.
fn gap_failure(plan: &Json) -> Option<CommandFailure> {
    let gaps = plan["gaps"].as_array()?.iter().filter(|gap| gap["needed"] == true);
    let name = |gap: &Json| {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let zone = gap["zone"].as_str().map(|zone| format!(" zone {zone}"));
        let resource = gap["resource"].as_str().map(|resource| format!(" {resource}"));
        let part = gap["part"]["path"].as_str().map(|path| format!(" {} {path}", text(&gap["part"]["word"])));
        let place = zone.or(resource).or(part).unwrap_or_default();
        format!("{}{place} ({})", text(&gap["provider"]), text(&gap["error"]["code"]))
    };
    let names: Vec<String> = gaps.map(name).collect();
    let message = format!("could not ask {}, which manifests need: the plan is not whole", names.join(", "));
    (!names.is_empty()).then(|| CommandFailure { code: Some(Code::A0422), message, hints: Vec::new() })
}

/// What the guard holds of a plan; the hints stand in the plan.
fn guard_failure(plan: &Json) -> Option<CommandFailure> {
    let guard = plan.get("guard").filter(|guard| !guard.is_null())?;
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let message = format!("held by the guard: {}", text(&guard["message"]));
    Some(CommandFailure::answered(&text(&guard["code"]), message, Vec::new()))
}

/// `amarre logs`
pub async fn logs(args: &Args, logs: &LogsArgs, output: &Output) -> Result<u8, CommandFailure> {
    if logs.follow {
        let link = Link::open(args).await?;
        let of = LogsQuery { name: logs.of.clone(), lines: logs.lines, ..LogsQuery::default() };
        let code = follow(&link, &of, logs.output, output).await;
        link.close().await;
        return code;
    }
    let name = logs.of.iter().map(|name| ("name", name.clone()));
    let counted = [("last_failed", logs.last_failed.to_string()), ("lines", logs.lines.to_string())];
    let answer = link::read(args, &LOGS, &name.chain(counted).collect::<Vec<_>>(), output).await?;
    print(&answer, logs.output, output);
    Ok(answer.exit)
}

/// Prints lines as they come, until Ctrl-C.
async fn follow(link: &Link, of: &LogsQuery, format: OutputFormat, output: &Output) -> Result<u8, CommandFailure> {
    let (lines, mut inbox) = follow_logs::lines();
    let mut work = std::pin::pin!(link.follow(of, lines));
    let show = |printing: &Printing| {
        let Printing { container, line, .. } = printing;
        match format {
            OutputFormat::Json => output.data(&format!("{}\n", serde_json::json!(printing))),
            // The lines of a single container need no name.
            OutputFormat::Text if of.name.as_ref() == Some(container) => output.data(&format!("{line}\n")),
            OutputFormat::Text => output.data(&format!("{container} | {line}\n")),
        }
    };
    // One channel for all lines: a new one would lose lines in between.
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let answer = loop {
        tokio::select! {
            biased;
            _ = &mut interrupt => return Ok(0),
            Some(printing) = inbox.recv() => show(&printing),
            answer = &mut work => break answer?,
        }
    };
    while let Ok(printing) = inbox.try_recv() {
        show(&printing);
    }
    let Some(answer) = answer else { return Ok(0) };
    print(&answer, format, output);
    Ok(answer.exit)
}

/// `amarre events`
pub async fn events(args: &Args, events: &EventsArgs, output: &Output) -> Result<u8, CommandFailure> {
    let since = events.since.map(|since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX).to_string());
    let given = [
        ("name", events.of.clone()),
        ("kind", events.kind.clone()),
        ("since_s", since),
        ("limit", Some(events.lines.to_string())),
    ];
    let given: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let answer = link::read(args, &EVENTS, &given, output).await?;
    print(&answer, events.output, output);
    Ok(answer.exit)
}

/// `amarre completions`
pub fn completions(completions: &CompletionsArgs, output: &Output) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Args::command(), "amarre", &mut script);
    output.data(&String::from_utf8_lossy(&script));
    0
}

/// Prints diagnostics of the manifests; answers whether there are any.
async fn print_broken(
    args: &Args,
    reference: Option<&str>,
    output: &Output,
    answer: &CommandAnswer,
) -> Result<bool, CommandFailure> {
    let all = answer.document["diagnostics"].as_array();
    let errors = all.is_some_and(|all| all.iter().any(|known| known["severity"] == "error"));
    if errors {
        // `validate` shows warnings alone.
        let config = build_engine::with_known_or_none(super::configuration(args)?).await;
        output.note(ManifestsRead::read(&config, reference).await?.render().trim_end());
    }
    Ok(errors)
}

/// `amarre apply`
pub async fn apply(args: &Args, apply: &ApplyArgs, output: &Output) -> Result<u8, CommandFailure> {
    let plan = apply.plan.as_deref().map(saved_digest).transpose()?;
    let link = Link::open(args).await?;
    // A saved plan has been reviewed.
    if !apply.yes && plan.is_none() {
        let planned = link.read(&PREVIEW, &[("asks", "true".to_owned())], output.style).await?;
        if let Some(question) = question(&planned.document) {
            output.data(&planned.text);
            let message = format!("{question}, and nobody can be asked here");
            let refusal = CommandFailure::new(Code::A0402, message, "if you mean it: amarre apply --yes");
            if !agrees(output, &format!("{question}. Go on?"), "yes", &refusal) {
                link.close().await;
                return Ok(REFUSED);
            }
        }
    }
    let act = Act::new(&APPLY).with("confirm_deletes", apply.confirm_deletes).with("plan", plan);
    let act = act.with("accept_rewrite", apply.accept_rewrite.clone()).with("timeout_ms", millis(apply.timeout));
    let code = act_and_print(&link, act, output).await;
    link.close().await;
    code
}

/// The digest of a plan that was saved.
fn saved_digest(path: &Path) -> Result<String, CommandFailure> {
    let no_plan = |why: String| {
        let hint = format!("amarre plan --out {} saves one", path.display());
        CommandFailure::new(Code::A0421, format!("{} is not a saved plan: {why}", path.display()), hint)
    };
    let text = std::fs::read_to_string(path).map_err(|error| no_plan(error.to_string()))?;
    let document: Json = serde_json::from_str(&text).map_err(|error| no_plan(error.to_string()))?;
    match (document["schema"].as_str(), document["digest"].as_str()) {
        (Some("amarre.plan/v1"), Some(digest)) => Ok(digest.to_owned()),
        _ => Err(no_plan("it has no `digest`".to_owned())),
    }
}

/// What a person has to confirm: deletes, and updates with downtime.
fn question(plan: &Json) -> Option<String> {
    let deletes = plan["summary"]["delete"].as_u64().unwrap_or_default();
    let services = plan["services"].as_array().cloned().unwrap_or_default();
    let names = |test: &dyn Fn(&Json) -> bool| -> Vec<String> {
        services
            .iter()
            .filter(|service| test(service))
            .map(|service| service["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let down = names(&|service| service["strategy"] == "stop-first");
    let deleted = names(&|service| {
        service["changes"].as_array().is_some_and(|changes| changes.iter().any(|change| change["action"] == "delete"))
    });
    let things = if deletes == 1 { "1 thing is".to_owned() } else { format!("{deletes} things are") };
    match (deletes > 0, down.is_empty()) {
        (false, true) => None,
        (true, true) => Some(format!("{things} deleted, of {}", deleted.join(", "))),
        (false, false) => Some(format!("{} is down meanwhile", down.join(", "))),
        (true, false) => {
            Some(format!("{things} deleted, of {}, and {} is down meanwhile", deleted.join(", "), down.join(", ")))
        }
    }
}

/// `amarre destroy`
pub async fn destroy(args: &Args, destroy: &DestroyArgs, output: &Output) -> Result<u8, CommandFailure> {
    let link = Link::open(args).await?;
    let names = if destroy.all { "every service".to_owned() } else { destroy.services.join(", ") };
    if destroy.dry_run || !destroy.yes {
        let status = link.read(&STATUS, &[("all", "true".to_owned())], output.style).await?;
        if let Some(unknown) = destroy.services.iter().find(|name| !is_listed(&status.document, name)) {
            link.close().await;
            let services = status.document["services"].as_array().into_iter().flatten();
            let names: Vec<&str> = services.filter_map(|service| service["name"].as_str()).collect();
            let meant = nearest(unknown, &names).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
            let hint = format!("{meant}amarre status --all lists them");
            return Err(CommandFailure::new(Code::A1002, format!("there is no service {unknown}"), hint));
        }
        // Of services that are named, nothing goes where one is protected; there is nothing to ask.
        if let Some(said) = refused_destroy(&status.document, destroy, output.style) {
            link.close().await;
            output.data(&said);
            return Ok(PROTECTED);
        }
        output.data(&destroy_list(&status.document, destroy));
    }
    if destroy.dry_run {
        link.close().await;
        return Ok(0);
    }
    if !destroy.yes {
        let expected = if destroy.all { "all".to_owned() } else { destroy.services.join(" ") };
        let typed = if destroy.all { "--all" } else { &expected };
        let message = DESTROY_QUESTION.unasked.replace("{}", &names);
        let purge = if destroy.purge { " --purge" } else { "" };
        let refusal =
            CommandFailure::new(Code::A0402, message, format!("if you mean it: amarre destroy {typed}{purge} --yes"));
        if !agrees(output, &DESTROY_QUESTION.ask.replace("{}", &names), &expected, &refusal) {
            link.close().await;
            return Ok(REFUSED);
        }
    }
    let act = Act::new(&DESTROY).with("services", destroy.services.clone()).with("all", destroy.all);
    let act = act.with("purge", destroy.purge).with("timeout_ms", millis(destroy.timeout)).asked_by(&whoami());
    let code = act_and_print(&link, act, output).await;
    link.close().await;
    code
}

fn is_listed(status: &Json, name: &str) -> bool {
    status["services"].as_array().into_iter().flatten().any(|service| service["name"] == name)
}

/// Why a service is not destroyed as it is asked for.
fn protection<'a>(service: &'a Json, destroy: &DestroyArgs) -> Option<&'a Json> {
    let protected = &service["protected"];
    (protected.is_object() && (destroy.purge || protected["purge"] == false)).then_some(protected)
}

/// What the answer would be without `--dry-run`: the first of the services that is protected keeps all of them.
fn refused_destroy(status: &Json, destroy: &DestroyArgs, style: Style) -> Option<String> {
    let services = status["services"].as_array()?;
    let of = |name: &str| services.iter().find(|service| service["name"] == name);
    let mut names: Vec<&String> = destroy.services.iter().filter(|_| !destroy.all).collect();
    names.sort();
    let protected = names.into_iter().find_map(|name| protection(of(name)?, destroy))?;
    let sign = style.sign(Sign::Refuse);
    Some(format!("{sign} {}Nothing would be changed.\n", protection_text(protected)))
}

/// `server worker is protected …, A0418` and its hint.
fn protection_text(protected: &Json) -> String {
    let said = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let (message, code, hint) =
        (said(&protected["message"]), said(&protected["code"]), said(&protected["hints"][0]["text"]));
    format!("{message}, {code}\n  hint: {hint}\n")
}

/// What would be deleted, a line each.
fn destroy_list(status: &Json, destroy: &DestroyArgs) -> String {
    let mut out = String::new();
    for service in status["services"].as_array().into_iter().flatten() {
        let name = service["name"].as_str().unwrap_or_default();
        if !destroy.all && !destroy.services.iter().any(|asked| asked == name) {
            continue;
        }
        let protected = protection(service, destroy);
        match protected {
            Some(protected) => out.push_str(&format!("! {name}\n  ! {}", protection_text(protected))),
            None => out.push_str(&format!("- {name}\n")),
        }
        let mut resources: Vec<&Json> = service["resources"].as_array().into_iter().flatten().collect();
        let rank = |resource: &Json| {
            resource["kind"].as_str().and_then(|kind| kind.parse::<Kind>().ok()).map(|kind| kind.traits().down_rank)
        };
        resources.sort_by_key(|resource| (rank(resource), resource["name"].as_str().unwrap_or_default().to_owned()));
        for resource in resources {
            let kind = resource["kind"].as_str().unwrap_or_default();
            let is_used = resource["owned"] == false;
            let is_data = matches!(kind, "certificate" | "volume" | "server");
            let is_kept = is_used || is_data && !destroy.purge || protected.is_some();
            let is_there = resource["health"] != "Missing" && kind != "attachment";
            if is_there {
                let sign = if is_kept { "kept:" } else { "-" };
                let name = resource["name"].as_str().unwrap_or_default();
                let whose = if is_used { "   used, not owned" } else { "" };
                out.push_str(&format!("  {sign} {:<13} {name}{whose}\n", kind.replace('-', " ")));
            }
        }
    }
    out
}

pub(super) async fn act_and_print(link: &Link, act: Act, output: &Output) -> Result<u8, CommandFailure> {
    let answer = link.act(act, output).await?;
    output.data(&answer.text);
    Ok(answer.exit)
}

/// Whether the person types the expected text; `refusal` where there is no terminal.
pub(super) fn agrees(output: &Output, question: &str, expected: &str, refusal: &CommandFailure) -> bool {
    if !output.is_terminal() {
        output.failure(refusal);
        return false;
    }
    let agrees = output.confirm(&format!("{question} Type {expected}, or press Enter to stop:"), expected);
    if !agrees {
        output.note("Nothing was changed.");
    }
    agrees
}

pub(super) fn print(answer: &CommandAnswer, format: OutputFormat, output: &Output) {
    match format {
        OutputFormat::Text => output.data(&answer.text),
        OutputFormat::Json => output.document(&answer.document),
    }
}

pub(super) fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "who asks is the user of this terminal")]
pub(super) fn whoami() -> String {
    let named = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    named.unwrap_or_else(|_| match rustix::process::getuid().as_raw() {
        0 => "root".to_owned(),
        user => format!("user {user}"),
    })
}
