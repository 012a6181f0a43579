//! `amarre app …`: services whose images are built from a repository.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::CommandFailure;
use super::args::{Args, DestroyArgs, LogsArgs, OutputFormat};
use super::commands::{destroy, logs, print};
use super::link;
use super::output::Output;
use super::table::{Apps, TableCommand};
use crate::engine::commands::reads::{BUILD_LOG, DEPLOYMENT_LOG};
use crate::engine::report::apps::found_text;
use crate::source::look_at;
use amarre_core::apps::{self, AppQuestion, DetectedApp, Detection, Wish};
use amarre_core::model::app::AppSource;
use amarre_core::model::{Code, GitUrl, Language};

/// `app`
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Those of the tables
    #[command(flatten)]
    Table(TableCommand<Apps>),
    /// Show the steps and the output of its newest build, or of a deployment's build
    BuildLog(BuildLogArgs),
    /// Show the logs of its container, as `amarre logs` does
    Logs(LogsArgs),
    /// Delete an app: its container, proxy host, record; as `amarre destroy` does
    Delete(DestroyArgs),
    /// Detect the framework of a repository, and show the Dockerfile that Amarre would use
    Detect(DetectArgs),
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

/// `amarre app …`
pub async fn app(args: &Args, command: &AppCommand, output: &Output) -> Result<u8, CommandFailure> {
    match command {
        AppCommand::Table(command) => command.run(args, output).await,
        AppCommand::BuildLog(log) => build_log(args, log, output).await,
        AppCommand::Logs(of) => logs(args, of, output).await,
        AppCommand::Delete(which) => destroy(args, which, output).await,
        AppCommand::Detect(look) => detect(look, output).await,
    }
}

async fn build_log(args: &Args, log: &BuildLogArgs, output: &Output) -> Result<u8, CommandFailure> {
    let all = ("all", log.all.to_string());
    let answer = match &log.deployment {
        Some(id) => link::read(args, &DEPLOYMENT_LOG, &[("id", id.clone()), all], output).await?,
        None => {
            let name = log.name.clone().unwrap_or_default();
            link::read(args, &BUILD_LOG, &[("name", name), all], output).await?
        }
    };
    print(&answer, log.output, output);
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
