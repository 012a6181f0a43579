//! The command line: parses the arguments, finds the peer (the daemon, or an engine in this process), prints the
//! answer.

pub mod app;
pub mod args;
pub mod output;
mod policy;
pub mod link;
pub mod commands;
pub mod daemon;
pub mod demo;
pub mod doctor;
pub mod help;
pub mod init;
mod init_cloud;
mod init_instance;
mod instance;
mod key;
pub mod reload;
mod server_tls;
pub mod simulated;
pub mod simulated_machines;
pub mod times;
mod template;
mod secret_files;
mod token;
mod user;
pub mod history;
mod table;
pub mod verbs;
pub mod adopt;
pub mod notifications;
pub mod systemd;
pub mod build_engine;
pub mod status;
mod policy_proposal;

use std::process::ExitCode;
use std::sync::Once;
use std::time::Duration;

use clap::Parser;

use self::args::{Args, Command, NpmCommand, PolicyCommand};
use self::output::Output;
use crate::config::{Config, ConfigError};
use crate::source::git::fetch_process;
use amarre_core::model::Code;

/// The configuration of a command. Reports simulated providers on stderr.
fn configuration(args: &Args) -> Result<Config, ConfigError> {
    static SAID: Once = Once::new();
    let config = Config::load(args.config.as_deref())?;
    if let Some(what) = config.site.test_mode() {
        SAID.call_once(|| Output::new(args.ascii, args.lang).note(&format!("test mode: {what}")));
    }
    Ok(config)
}

/// Pending work that the command no longer needs, such as a DNS query, must not delay its end.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs a command line; the exit code is the verdict.
///
/// No future leaves the library: a crate that polls one compiles all that it awaits a second time.
pub fn main() -> ExitCode {
    // Without it the HTTP client has no TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let code = runtime.block_on(Box::pin(run()));
            runtime.shutdown_timeout(END_TIMEOUT);
            code
        }
        Err(_) => ExitCode::FAILURE,
    }
}

async fn run() -> ExitCode {
    if let Some(code) = fetch_apart().await {
        return code;
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return ExitCode::from(help::misused(&error, &Output::new(false, None))),
    };
    let output = Output::new(args.ascii, args.lang);
    let code = match dispatch(&args, &output).await {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    };
    ExitCode::from(code)
}

/// A fetch for another process of this program, selected by the first argument; not a command for people.
async fn fetch_apart() -> Option<ExitCode> {
    std::env::args_os().nth(1).filter(|word| word == fetch_process::WORD)?;
    let output = Output::new(false, None);
    let Ok(order) = output.input(fetch_process::ORDER_BYTES_MAX) else { return Some(ExitCode::FAILURE) };
    let told = tokio::task::spawn_blocking(move || fetch_process::serve(&order)).await;
    output.data(&told.unwrap_or_default());
    Some(ExitCode::SUCCESS)
}

async fn dispatch(args: &Args, output: &Output) -> Result<u8, CommandFailure> {
    match &args.command {
        Command::Init(init) => Box::pin(init::run(args, init, output)).await,
        Command::Validate(validate) => commands::validate(args, validate, output).await,
        Command::Policy(PolicyCommand::Explain(asked)) => policy::explain(args, asked, output).await,
        Command::Plan(plan) => commands::plan(args, plan, output).await,
        Command::Apply(apply) => commands::apply(args, apply, output).await,
        Command::Run(run) => Box::pin(daemon::run(args, run, output)).await,
        Command::Status(status) => status::status(args, status, output).await,
        Command::Logs(logs) => commands::logs(args, logs, output).await,
        Command::Events(events) => commands::events(args, events, output).await,
        Command::History(history) => history::history(args, history, output).await,
        Command::Instance(command) => instance::instance(args, command, output).await,
        Command::App(command) => app::app(args, command, output).await,
        Command::Pool(command) => command.run(args, output).await,
        Command::Table(command) => command.run(args, output).await,
        Command::Adopt(adopt) => adopt::adopt(args, adopt, output).await,
        Command::New(new) => template::new(args, new, output).await,
        Command::User(user) => user::user(args, user, output).await,
        Command::Token(token) => token::token(args, token, output).await,
        Command::Key(command) => key::key(args, command, output),
        Command::Notifications(command) => notifications::notifications(args, command, output).await,
        Command::Npm(NpmCommand::Rescue(rescue)) => adopt::rescue(args, rescue, output).await,
        Command::Destroy(destroy) => commands::destroy(args, destroy, output).await,
        Command::Doctor(doctor) => Box::pin(doctor::run(args, doctor, output)).await,
        Command::Demo(demo) => Box::pin(demo::run(demo, output)).await,
        Command::Schema => {
            output.document(&amarre_core::manifest::schema());
            Ok(0)
        }
        Command::Completions(completions) => Ok(commands::completions(completions, output)),
        Command::Help(help) => help::run(help, output),
    }
}

/// Why a command stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFailure {
    /// Its code, where there is one.
    pub code: Option<Code>,
    /// Lowercase, no full stop.
    pub message: String,
    /// The hints.
    pub hints: Vec<String>,
}

impl CommandFailure {
    /// A failure with one hint.
    pub fn new(code: impl Into<Option<Code>>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), hints: vec![hint.into()] }
    }

    /// What the daemon answered. A code that this version does not know is shown in the message.
    pub fn answered(code: &str, message: String, hints: Vec<String>) -> Self {
        match Code::parse(code) {
            None if !code.is_empty() => Self { code: None, message: format!("{message} ({code})"), hints },
            known => Self { code: known, message, hints },
        }
    }
}

impl CommandFailure {
    /// The exit code: 2 where the command was not used as it should be.
    fn exit(&self) -> u8 {
        if self.code == Some(Code::A1013) { 2 } else { 1 }
    }
}

impl From<ConfigError> for CommandFailure {
    fn from(error: ConfigError) -> Self {
        let hints = error.hints.iter().map(|hint| hint.text.to_string()).collect();
        Self { code: Some(error.code), message: error.message, hints }
    }
}
