//! What a language finds out, and what all have in common of it: port, commands, variables.

use std::collections::BTreeMap;

use askama::Template;

use super::framework::Framework;
use super::procfile::Procfile;
use super::repository::RepositoryFolder;
use super::{AppQuestion, AppReason, DetectedApp, DetectedPart, Dockerfile, Wish};
use crate::model::{Code, Text};
use crate::text;

/// What is written down while an app is looked at.
#[derive(Debug, Default)]
pub(super) struct AppFindings {
    pub reasons: Vec<AppReason>,
    pub notes: Vec<Text>,
    pub questions: Vec<AppQuestion>,
}

impl AppFindings {
    /// Something that was found out.
    pub fn found(&mut self, part: DetectedPart, value: impl Into<String>, because: Text) {
        self.reasons.push(AppReason { part, value: value.into(), because });
    }

    /// Something that a person has to say.
    pub fn ask(&mut self, text: Text, choices: Vec<String>) {
        self.questions.push(AppQuestion { code: Code::A0772, text, choices });
    }
}

/// The end of a Dockerfile, alike in all languages.
#[derive(Debug)]
pub(super) struct End {
    pub port: u16,
    /// As JSON, which is Docker's exec form.
    pub start: String,
    /// `NAME=value` each, quoted where it must be.
    pub environment: Vec<String>,
    /// Folders that it writes to.
    pub writes: Vec<String>,
}

/// Writes the Dockerfile; else the beginning of the line that cannot be written.
pub(super) type Render<'a> = Box<dyn FnOnce(&End) -> Result<String, String> + 'a>;

/// A Dockerfile whose values each stay within their line.
pub(super) fn written(dockerfile: &impl Template) -> Result<String, String> {
    let mut text = String::new();
    match dockerfile.render_into(&mut text) {
        Ok(()) => Ok(text),
        Err(_) => Err(text.lines().last().unwrap_or_default().trim().to_owned()),
    }
}

/// What a language makes of an app.
pub(super) struct Recipe<'a> {
    /// The folder that the engine gets; empty = the whole repository.
    pub context: String,
    /// What `${…}` in the framework's words is, beside `port`.
    pub values: BTreeMap<&'static str, String>,
    /// Its command, where the language knows it better than the framework, and from where that is.
    pub start: Option<(Vec<String>, Text)>,
    /// Where it listens, if something says so.
    pub port: Option<(u16, Text)>,
    /// Further variables that it is run with.
    pub environment: BTreeMap<String, String>,
    pub render: Render<'a>,
}

/// Fills in a framework's words.
pub(super) fn filled(words: &[String], values: &BTreeMap<&'static str, String>) -> Vec<String> {
    words.iter().map(|word| filled_in(word, values)).collect()
}

fn filled_in(word: &str, values: &BTreeMap<&'static str, String>) -> String {
    values.iter().fold(word.to_owned(), |word, (name, value)| word.replace(&format!("${{{name}}}"), value))
}

/// Puts a recipe and its framework together.
pub(super) fn finish(
    app: &RepositoryFolder<'_>,
    framework: &Framework,
    wish: &Wish<'_>,
    mut recipe: Recipe<'_>,
    mut findings: AppFindings,
) -> Result<DetectedApp, Vec<AppQuestion>> {
    let procfile = Procfile::of(app);
    let port = port(framework, wish, recipe.port.take(), &mut findings);
    recipe.values.insert("port", port.to_string());
    let start = start(framework, &procfile, &mut recipe, &mut findings);
    if start.is_none() && !wish.has_command {
        let choices = vec!["command: [NAME, ARGUMENT]".to_owned()];
        findings.ask(text!("nothing says what starts the app"), choices);
    }
    let release = release(app, framework, &procfile, &recipe.values);
    if let Some((command, because)) = &release
        && !wish.has_release
    {
        findings.found(DetectedPart::Release, command.join(" "), because.clone());
    }
    if !findings.questions.is_empty() {
        return Err(findings.questions);
    }
    let mut environment: BTreeMap<String, String> =
        framework.environment.iter().map(|(name, value)| (name.clone(), filled_in(value, &recipe.values))).collect();
    environment.extend(recipe.environment.iter().map(|(name, value)| (name.clone(), filled_in(value, &recipe.values))));
    environment.insert("PORT".to_owned(), port.to_string());
    let end = End {
        port,
        start: json(start.as_deref().unwrap_or_default()),
        environment: environment.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect(),
        writes: framework.writes.clone(),
    };
    let dockerfile = (recipe.render)(&end).map_err(|before| vec![not_in_a_line(&before)])?;
    let dockerfile = format!("{}\n", dockerfile.trim());
    Ok(DetectedApp {
        framework: framework.name.clone(),
        title: framework.title.clone(),
        reasons: findings.reasons,
        context: recipe.context,
        dockerfile: Dockerfile::Made(dockerfile),
        port,
        release: release.map(|(command, _)| command),
        environment,
        secrets: framework.secrets.iter().map(|(name, word)| (name.clone(), (*word).into())).collect(),
        volumes: framework.volumes.clone(),
        notes: findings.notes,
        database: super::detect::database(app),
    })
}

/// A value with which a line of the Dockerfile, or several, would say something else than Amarre means.
fn not_in_a_line(before: &str) -> AppQuestion {
    let before = Text::foreign(before);
    let text = text!(
        "what comes after `{before}` in its Dockerfile is no part of a line: it has a line break, a word that begins with `--`, `<<` or a backslash at its end",
        before
    );
    AppQuestion { code: Code::A0781, text, choices: Vec::new() }
}

fn port(framework: &Framework, wish: &Wish<'_>, said: Option<(u16, Text)>, findings: &mut AppFindings) -> u16 {
    if let Some(port) = wish.port {
        findings.found(DetectedPart::Port, port.to_string(), text!("the manifest says so"));
        return port;
    }
    let usual =
        || (framework.port, text!("the usual one of {framework}; Amarre sets PORT", framework = &framework.title));
    let (port, because) = said.unwrap_or_else(usual);
    findings.found(DetectedPart::Port, port.to_string(), because);
    port
}

fn start(
    framework: &Framework,
    procfile: &Procfile,
    recipe: &mut Recipe<'_>,
    findings: &mut AppFindings,
) -> Option<Vec<String>> {
    let of_procfile = procfile.command("web").map(|command| (in_shell(command), text!("Procfile says so, at web:")));
    let usual = || {
        let words = filled(&framework.start, &recipe.values);
        (!words.is_empty()).then(|| (words, text!("what {framework} is started by", framework = &framework.title)))
    };
    let (words, because) = of_procfile.or_else(|| recipe.start.take()).or_else(usual)?;
    findings.found(DetectedPart::Start, words.join(" "), because);
    Some(words)
}

fn release(
    app: &RepositoryFolder<'_>,
    framework: &Framework,
    procfile: &Procfile,
    values: &BTreeMap<&'static str, String>,
) -> Option<(Vec<String>, Text)> {
    if let Some(command) = procfile.command("release") {
        return Some((in_shell(command), text!("Procfile says so, at release:")));
    }
    if framework.release.is_empty() {
        return None;
    }
    let because = match &framework.release_file {
        Some(file) if app.has(file) => text!("there is {file}", file),
        Some(_) => return None,
        None => text!("usual of {framework}", framework = &framework.title),
    };
    Some((filled(&framework.release, values), because))
}

/// A command that a shell reads; the program takes the shell's place, so that signals reach it.
pub(super) fn in_shell(command: &str) -> Vec<String> {
    let has_several = command.contains(['&', ';', '|']);
    let command = if has_several { command.to_owned() } else { format!("exec {command}") };
    vec!["sh".to_owned(), "-c".to_owned(), command]
}

/// Docker's exec form.
pub(super) fn json(words: &[String]) -> String {
    serde_json::to_string(words).unwrap_or_default().replace("\",\"", "\", \"")
}

/// A value of `ENV`.
fn quoted(value: &str) -> String {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:+".contains(&byte));
    if is_plain && !value.is_empty() {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
}
