//! `amarre app …`: services whose images are built from a repository.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::CommandFailure;
use super::args::{Args, DestroyArgs, LogsArgs, OutputFormat};
use super::commands::{destroy, logs, print};
use super::link::{AppPart, Link};
use super::output::Output;
use super::verbs;
use crate::engine::report::apps::found_text;
use crate::source::look_at;
use amarre_core::apps::{self, AppQuestion, DetectedApp, Detection, Wish};
use amarre_core::model::app::AppSource;
use amarre_core::model::{Code, GitUrl, Language};

/// `app`
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Show all apps
    List(AppListArgs),
    /// Show one app: its commit, its progress, and what was detected in its repository
    Show(OneAppArgs),
    /// Show the steps and the output of its newest build, or of a deployment's build
    BuildLog(BuildLogArgs),
    /// List the deployments, the newest first
    Deployments(DeploymentsArgs),
    /// Show one deployment: its commit, its stages, and their times
    Deployment(OneDeploymentArgs),
    /// Show the number of running and failed deployments, and the build time
    Stats(StatsArgs),
    /// Show the logs of its container, as `amarre logs` does
    Logs(LogsArgs),
    /// Delete an app: its container, proxy host, record; as `amarre destroy` does
    Delete(DestroyArgs),
    /// Print the deploy key that lets Amarre read a private repository over ssh
    Key(KeyArgs),
    /// Detect the framework of a repository, and show the Dockerfile that Amarre would use
    Detect(DetectArgs),
    /// Those of the table
    #[command(flatten)]
    Verb(verbs::AppVerbCommand),
}

/// `app detect`
#[derive(Debug, ClapArgs)]
pub struct DetectArgs {
    /// The repository, as `git clone` takes it
    #[arg(value_name = "URL")]
    pub url: String,
    /// A branch or a tag
    #[arg(long = "ref", default_value = "main", value_name = "REF")]
    pub reference: String,
    /// The folder of the app
    #[arg(long, default_value = "", value_name = "FOLDER")]
    pub path: String,
    /// Framework, instead of detection
    #[arg(long, value_name = "NAME")]
    pub framework: Option<String>,
    /// Write the Dockerfile to this new file
    #[arg(long, value_name = "FILE")]
    pub eject: Option<PathBuf>,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `app key`
#[derive(Debug, ClapArgs)]
pub struct KeyArgs {
    /// Name of the app
    #[arg(value_name = "APP")]
    pub name: String,
    /// Its repository, as `git clone` takes it: `git@github.com:acme/shop`; by default the one of its manifest
    #[arg(value_name = "URL", default_value = "", hide_default_value = true)]
    pub url: String,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `app list`
#[derive(Debug, ClapArgs)]
pub struct AppListArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `app build-log`
#[derive(Debug, ClapArgs)]
pub struct BuildLogArgs {
    /// Name of the app
    #[arg(value_name = "APP", required_unless_present = "deployment")]
    pub name: Option<String>,
    /// Number of the deployment
    #[arg(long, value_name = "ID", conflicts_with = "name")]
    pub deployment: Option<String>,
    /// Show the whole output of each step, not only of the running or failed one
    #[arg(long)]
    pub all: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `app deployments`
#[derive(Debug, ClapArgs)]
pub struct DeploymentsArgs {
    /// Only of this app
    #[arg(value_name = "APP")]
    pub name: Option<String>,
    /// Maximum number of deployments, the newest
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `app deployment`
#[derive(Debug, ClapArgs)]
pub struct OneDeploymentArgs {
    /// Number of the deployment, from `amarre app deployments`
    #[arg(value_name = "ID")]
    pub id: String,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `app stats`
#[derive(Debug, ClapArgs)]
pub struct StatsArgs {
    /// Only of this app
    #[arg(value_name = "APP")]
    pub name: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `app show`
#[derive(Debug, ClapArgs)]
pub struct OneAppArgs {
    /// Name of the app
    #[arg(value_name = "APP")]
    pub name: String,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `amarre app …`
pub async fn app(args: &Args, command: &AppCommand, output: &Output) -> Result<u8, CommandFailure> {
    let (part, form) = match command {
        AppCommand::List(list) => (AppPart::List, list.output),
        AppCommand::Show(one) => (AppPart::One(&one.name), one.output),
        AppCommand::BuildLog(BuildLogArgs { name, deployment, all, output }) => match (name, deployment) {
            (_, Some(id)) => (AppPart::DeploymentLog(id, *all), *output),
            (name, None) => (AppPart::BuildLog(name.as_deref().unwrap_or_default(), *all), *output),
        },
        AppCommand::Deployments(all) => (AppPart::Deployments(all.name.as_deref(), all.limit), all.output),
        AppCommand::Deployment(one) => (AppPart::Deployment(&one.id), one.output),
        AppCommand::Stats(of) => (AppPart::Stats(of.name.as_deref()), of.output),
        AppCommand::Key(of) => (AppPart::Key(&of.name, &of.url), of.output),
        AppCommand::Logs(of) => return logs(args, of, output).await,
        AppCommand::Delete(which) => return destroy(args, which, output).await,
        AppCommand::Verb(verb) => return verbs::run(args, &verb.0, output).await,
        AppCommand::Detect(look) => return detect(look, output).await,
    };
    let link = Link::open(args).await?;
    let answer = link.apps(part, output.style).await;
    link.close().await;
    let answer = answer?;
    print(&answer, form, output);
    Ok(answer.exit)
}

/// `amarre app detect`: asks the repository's server, and nothing of Amarre.
async fn detect(look: &DetectArgs, output: &Output) -> Result<u8, CommandFailure> {
    let url = GitUrl::parse_strictly(&look.url).map_err(|(what, hint)| CommandFailure::new(Code::A0771, what, hint))?;
    let (reference, path) = (look.reference.clone(), look.path.trim_matches('/').to_owned());
    let source = AppSource { reference, path, ..AppSource::new("", url) };
    let checkout = look_at(&source).await.map_err(|error| {
        let hints = error.hints.iter().map(|hint| hint.text.to_string()).collect();
        CommandFailure { code: Some(error.code), message: error.message, hints }
    })?;
    let wish = Wish { path: &look.path, framework: look.framework.as_deref(), ..Wish::default() };
    let commit =
        json!({"id": checkout.commit.id, "subject": checkout.commit.subject, "author": checkout.commit.author});
    match apps::detect(&checkout.repository(), &wish) {
        Detection::Found(app) => {
            let found: Vec<_> =
                app.reasons.iter().map(|one| (one.part.word(), one.value.clone(), one.because.clone())).collect();
            let text = format!("{}{}", found_text(&found, output.style.language), rest_of(&app, output.style.language));
            let rows: Vec<_> = found
                .iter()
                .map(|(what, value, because)| json!({"what": what, "value": value, "because": because.to_string()}))
                .collect();
            let document = json!({
                "schema": "amarre.detection/v1", "commit": commit, "framework": app.framework, "port": app.port,
                "found": rows, "notes": app.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "context": app.context, "dockerfile": app.dockerfile.text(), "questions": [],
            });
            if let Some(path) = &look.eject {
                eject(path, app.dockerfile.text())?;
            }
            match look.output {
                OutputFormat::Text => output.data(&text),
                OutputFormat::Json => output.document(&document),
            }
            Ok(0)
        }
        Detection::Asked(questions) => {
            if look.output == OutputFormat::Json {
                let rows: Vec<_> = questions.iter().map(question_json).collect();
                output.document(&json!({"schema": "amarre.detection/v1", "commit": commit, "questions": rows}));
            }
            for question in &questions {
                let hints = question.choices.iter().map(|choice| format!("write in the manifest: {choice}")).collect();
                let message = crate::words::say(&question.text, output.style.language);
                output.failure(&CommandFailure { code: Some(question.code), message, hints });
            }
            Ok(1)
        }
    }
}

fn question_json(question: &AppQuestion) -> serde_json::Value {
    json!({"code": question.code, "text": question.text.to_string(), "choices": question.choices})
}

/// What is not a reason: notes, a database, the Dockerfile.
fn rest_of(app: &DetectedApp, language: Language) -> String {
    let mut out: String =
        app.notes.iter().map(|note| format!("note: {}\n", crate::words::say(note, language))).collect();
    out.extend(
        app.database.iter().map(|(name, file)| format!("note: {file} reads {name}: the manifest has to set it\n")),
    );
    out.push('\n');
    out.push_str(app.dockerfile.text());
    out
}

/// Writes a file that is not there yet.
fn eject(path: &Path, text: &str) -> Result<(), CommandFailure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let message = format!("could not write {}: {error}", path.display());
        CommandFailure::new(
            Code::A0421,
            message,
            "name a file that is not there yet, in a folder that you may write to",
        )
    })
}
