//! What can be typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Keeps services on Docker, Nginx Proxy Manager and OVH DNS as one manifest says they should be.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, propagate_version = true)]
pub struct Args {
    /// Configuration file [default: amarre.yaml here, then the XDG and /etc places]
    #[arg(long, global = true, env = "AMARRE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Signs of ASCII only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the manifests without asking anybody
    Validate(Validate),
    /// Show what would happen, to the end
    Plan(Plan),
    /// Make it so, and wait until it is
    Apply(Apply),
    /// Run the daemon: watch, and keep it so
    Run(Run),
    /// Show how the services are
    Status(Status),
    /// Look now and put right one service, or all
    Reconcile(Reconcile),
    /// Leave a service alone until it is resumed
    Suspend(Suspend),
    /// Take a suspended service up again
    Resume(Resume),
    /// Remove services from everywhere, and leave them suspended
    Destroy(Destroy),
    /// Examine the set-up: what is wrong, and how to mend it
    Doctor(Doctor),
    /// Try it: the examples against simulated Docker, NPM and OVH
    Demo(Demo),
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `validate`
#[derive(Debug, ClapArgs)]
pub struct Validate {
    /// Exit 1 for warnings, too
    #[arg(long)]
    pub strict: bool,
}

/// `plan`
#[derive(Debug, ClapArgs)]
pub struct Plan {
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
    /// Exit 0 for nothing to do, 2 for changes, 1 for errors
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `apply`
#[derive(Debug, ClapArgs)]
pub struct Apply {
    /// Answer the question about deletes and downtime
    #[arg(short, long)]
    pub yes: bool,
    /// Allow exactly this many services to be deleted
    #[arg(long, value_name = "N")]
    pub confirm_deletes: Option<usize>,
    /// Stop waiting after this long (30s, 5m, 1h)
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
}

/// `run`
#[derive(Debug, ClapArgs)]
pub struct Run {
    /// Act from the first look on, also with a new ledger
    #[arg(short, long)]
    pub yes: bool,
    /// Logs as JSON lines
    #[arg(long)]
    pub log_json: bool,
}

/// `status`
#[derive(Debug, ClapArgs)]
pub struct Status {
    /// Only this service, with its resources
    pub service: Option<String>,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
    /// List quiet services, too
    #[arg(long)]
    pub all: bool,
    /// Exit 2 when a service needs somebody
    #[arg(long)]
    pub exit_code: bool,
}

/// `reconcile`
#[derive(Debug, ClapArgs)]
pub struct Reconcile {
    /// Only this service
    pub service: Option<String>,
    /// Stop waiting after this long
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
}

/// `suspend`
#[derive(Debug, ClapArgs)]
pub struct Suspend {
    /// Which service
    pub service: String,
    /// Why, for whoever reads the status
    #[arg(long, default_value = "no reason given", value_name = "TEXT")]
    pub why: String,
}

/// `resume`
#[derive(Debug, ClapArgs)]
pub struct Resume {
    /// Which service
    pub service: String,
}

/// `doctor`
#[derive(Debug, ClapArgs)]
pub struct Doctor {
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// `demo`
#[derive(Debug, ClapArgs)]
pub struct Demo {
    /// Use the real Docker engine; the images are really pulled
    #[arg(long)]
    pub docker: bool,
    /// Check that every example answers, kill one, check again, and end
    #[arg(long)]
    pub check: bool,
    /// Port of the status endpoint; 0 = any free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
}

/// `destroy`
#[derive(Debug, ClapArgs)]
pub struct Destroy {
    /// Which services
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Every service
    #[arg(long)]
    pub all: bool,
    /// Delete their volumes as well: the data is gone
    #[arg(long)]
    pub purge: bool,
    /// Show what would go, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Answer the question
    #[arg(short, long)]
    pub yes: bool,
    /// Stop waiting after this long
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
}
