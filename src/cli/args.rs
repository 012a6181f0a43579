//! What can be typed.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::table::{General, Pools, TableCommand};
use crate::accounts::Role;
use crate::engine::report::service_list::Only;
use amarre_core::model::Language;

/// Keep Docker containers, NPM hosts and OVH DNS in sync with your manifests.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, propagate_version = true, disable_help_subcommand = true)]
pub struct Args {
    /// Configuration file [default: amarre.yaml here, then the XDG and /etc places]
    #[arg(long, global = true, env = "AMARRE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Use ASCII symbols only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Language: en or fr [default: that of LANGUAGE, LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = language)]
    pub lang: Option<Language>,
    /// Command to run
    #[command(subcommand)]
    pub command: Command,
}

fn language(text: &str) -> Result<Language, String> {
    Language::parse(text).ok_or_else(|| "it is en or fr".to_owned())
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a configuration and a first manifest
    Init(Box<InitArgs>),
    /// Show or write the manifest of a well-known service
    New(NewArgs),
    /// Check the manifests offline
    Validate(ValidateArgs),
    /// Show which policy entry allows or refuses what a manifest uses
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Show the changes that would be made
    Plan(PlanArgs),
    /// Apply the plan and wait for it to finish
    Apply(ApplyArgs),
    /// Run the daemon: watch for changes and keep reconciling
    Run(RunArgs),
    /// Show the services and their health
    Status(StatusArgs),
    /// Show the last log lines of containers
    Logs(LogsArgs),
    /// Show what was done and observed
    Events(EventsArgs),
    /// Show the runs, the changes of one run, or the versions of a service
    History(HistoryArgs),
    /// Those of the tables
    #[command(flatten)]
    Table(TableCommand<General>),
    /// List, start and stop the servers of all clouds
    #[command(subcommand)]
    Instance(super::instance::InstanceCommand),
    /// Manage apps that are built from repositories
    #[command(subcommand)]
    App(super::app::AppCommand),
    /// Reserve and manage machines of pools
    #[command(subcommand)]
    Pool(TableCommand<Pools>),
    /// Start managing an existing resource that a manifest wants
    Adopt(AdoptArgs),
    /// Delete services everywhere and leave them suspended
    Destroy(DestroyArgs),
    /// Manage users and roles
    #[command(subcommand)]
    User(UserCommand),
    /// Manage API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Manage the key that signs ownership markers
    #[command(subcommand)]
    Key(KeyCommand),
    /// List and test notification channels
    #[command(subcommand)]
    Notifications(NotificationsCommand),
    /// Repair an NPM instance
    #[command(subcommand)]
    Npm(NpmCommand),
    /// Check the set-up: problems and how to fix them
    Doctor(DoctorArgs),
    /// Run the examples against simulated Docker, NPM and OVH
    Demo(DemoArgs),
    /// Print the JSON Schema of manifests, for editors
    Schema,
    /// Generate shell completions
    Completions(CompletionsArgs),
    /// Explain an error code, or a command
    Help(HelpArgs),
}

/// `init`: the answers to its questions.
#[derive(Debug, ClapArgs)]
pub struct InitArgs {
    /// Use the values found or given, without prompts
    #[arg(short, long)]
    pub yes: bool,
    /// Name of this Amarre on every resource; by default that of the machine
    #[arg(long, env = "AMARRE_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Domain of the services
    #[arg(long, env = "AMARRE_DOMAIN")]
    pub domain: Option<String>,
    /// Public address of this host, or a name that ends in a dot
    #[arg(long, env = "AMARRE_HOSTS_DEFAULT_ADDRESS")]
    pub address: Option<String>,
    /// Manifests: a folder or a git URL
    #[arg(long, env = "AMARRE_SOURCE_FOLDER", value_name = "FOLDER|URL")]
    pub source: Option<String>,
    /// Who commits manifests: people who have root on the hosts already, or others
    #[arg(long, env = "AMARRE_POLICY_AUTHORS", value_name = "WHO")]
    pub authors: Option<AuthorsAnswer>,
    /// Docker endpoint
    #[arg(long, env = "DOCKER_HOST", value_name = "URL")]
    pub docker: Option<String>,
    /// NPM's admin address
    #[arg(long, env = "AMARRE_NPM_MAIN_URL", value_name = "URL")]
    pub npm_url: Option<String>,
    /// NPM's container
    #[arg(long, env = "AMARRE_NPM_MAIN_CONTAINER", value_name = "NAME")]
    pub npm_container: Option<String>,
    /// NPM account
    #[arg(long, env = "AMARRE_NPM_MAIN_IDENTITY", value_name = "E-MAIL")]
    pub npm_identity: Option<String>,
    /// File with the password of the NPM account
    #[arg(long, env = "AMARRE_NPM_MAIN_SECRET_FILE", value_name = "FILE")]
    pub npm_secret_file: Option<PathBuf>,
    /// Password (prefer the environment variable)
    #[arg(long, env = "AMARRE_NPM_MAIN_SECRET", hide = true, hide_env_values = true)]
    pub npm_secret: Option<String>,
    /// OVH endpoint
    #[arg(long, env = "OVH_ENDPOINT")]
    pub ovh_endpoint: Option<String>,
    /// Simulate a provider without an account: nothing real is written there
    #[arg(long, value_name = "PROVIDER", value_delimiter = ',')]
    pub simulate: Vec<Simulated>,
    /// Only the servers of this cloud: no Docker host, NPM or domain
    #[arg(long, value_name = "CLOUD")]
    pub cloud: Option<CloudMake>,
    /// With --cloud: the servers that manifests may name, as in `ovh:PROJECT/ID` or `ovh:*`; `none` for none
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub instances: Vec<String>,
    /// OVH application key
    #[arg(long, env = "OVH_APPLICATION_KEY", hide_env_values = true)]
    pub ovh_application_key: Option<String>,
    /// OVH application secret
    #[arg(long, env = "OVH_APPLICATION_SECRET", hide = true, hide_env_values = true)]
    pub ovh_application_secret: Option<String>,
    /// OVH consumer key
    #[arg(long, env = "OVH_CONSUMER_KEY", hide = true, hide_env_values = true)]
    pub ovh_consumer_key: Option<String>,
    /// URL of Kamatera's API, for another brand of the vendor
    #[arg(long, value_name = "URL")]
    pub kamatera_url: Option<String>,
    /// Id of the API key at Kamatera
    #[arg(long, env = "KAMATERA_API_CLIENT_ID", hide_env_values = true)]
    pub kamatera_client_id: Option<String>,
    /// Secret of the API key at Kamatera
    #[arg(long, env = "KAMATERA_API_SECRET", hide = true, hide_env_values = true)]
    pub kamatera_secret: Option<String>,
    /// Both, as `id:secret`
    #[arg(long, env = "KAMATERA_API_KEY", hide = true, hide_env_values = true)]
    pub kamatera_key: Option<String>,
}

/// Who commits manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthorsAnswer {
    /// People who have root on the hosts already.
    Operators,
    /// People with no more access to the host than `policy` gives them.
    Others,
}

/// What can be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Simulated {
    /// Nginx Proxy Manager.
    Npm,
    /// OVH's zones.
    Ovh,
    /// A dozen servers of a cloud, and nothing else.
    Cloud,
}

/// A vendor of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CloudMake {
    /// OVH Public Cloud.
    Ovh,
    /// Kamatera.
    Kamatera,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// For the comment of a merge request.
    Markdown,
}

/// `validate`
#[derive(Debug, ClapArgs)]
pub struct ValidateArgs {
    /// Exit 1 for warnings as well
    #[arg(long)]
    pub strict: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `policy`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Check a manifest line by line
    Explain(super::policy::PolicyExplanation),
}

/// `plan`
#[derive(Debug, ClapArgs)]
pub struct PlanArgs {
    /// Plan against this branch, tag or commit without switching to it
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: PlanFormat,
    /// Also save the plan, for `amarre apply FILE`
    #[arg(long, value_name = "FILE", conflicts_with = "reference")]
    pub out: Option<PathBuf>,
    /// Exit 0 for no changes, 2 for changes, 1 for errors
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `apply`
#[derive(Debug, ClapArgs)]
pub struct ApplyArgs {
    /// A plan saved by `amarre plan --out FILE`: applied exactly, or refused if the plan has changed
    #[arg(value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Skip the confirmation prompt for deletes and downtime
    #[arg(short, long)]
    pub yes: bool,
    /// Allow the deletes that the guard holds: exactly this many services, records and hosts
    #[arg(long, value_name = "N")]
    pub confirm_deletes: Option<usize>,
    /// Accept exactly this commit of a rewritten branch that `source.git.verify` holds
    #[arg(long, value_name = "COMMIT")]
    pub accept_rewrite: Option<String>,
    /// Stop waiting after this long (30s, 5m, 1h)
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
}

/// `run`
#[derive(Debug, ClapArgs)]
pub struct RunArgs {
    /// Apply changes from the first pass on, even with a new ledger
    #[arg(short, long)]
    pub yes: bool,
    /// Log format
    #[arg(long, value_enum, env = "AMARRE_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// The form of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// `status`
#[derive(Debug, ClapArgs)]
pub struct StatusArgs {
    /// Show only this service, with its resources
    pub service: Option<String>,
    /// Output format; wide adds host, domain and revision
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: StatusFormat,
    /// List quiet services as well
    #[arg(long)]
    pub all: bool,
    /// Filter the list
    #[arg(long, value_name = "SORT", value_parser = only_parser(), conflicts_with = "service")]
    pub only: Option<Only>,
    /// Refresh the output until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// Exit 2 when a service needs a person
    #[arg(long)]
    pub exit_code: bool,
}

/// The form of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// For people.
    Text,
    /// For people with a wide terminal.
    Wide,
    /// For machines.
    Json,
}

fn only_parser() -> impl TypedValueParser<Value = Only> {
    let words = Only::WORDS.map(|(word, _)| word);
    PossibleValuesParser::new(words).map(|typed| {
        // The parser lets only these words through.
        Only::WORDS.iter().find(|(word, _)| *word == typed).map_or(Only::Attention, |(_, only)| *only)
    })
}

/// `logs`
#[derive(Debug, ClapArgs)]
pub struct LogsArgs {
    /// Only this service or container
    #[arg(value_name = "SERVICE|CONTAINER")]
    pub of: Option<String>,
    /// Follow log output until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Show logs of the last failed containers
    #[arg(long, conflicts_with = "follow")]
    pub last_failed: bool,
    /// Number of lines per container
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub lines: u32,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `events`
#[derive(Debug, ClapArgs)]
pub struct EventsArgs {
    /// Only this service or resource: `proxy-host/git.example.org`
    #[arg(value_name = "SERVICE|RESOURCE")]
    pub of: Option<String>,
    /// Only this kind (`created`, `updated`, `deleted`, `failed`, `degraded`) or reason (`drift`, …)
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only events newer than this: `24h`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub since: Option<std::time::Duration>,
    /// Maximum number of events, the newest
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub lines: u32,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `history`
#[derive(Debug, ClapArgs)]
pub struct HistoryArgs {
    /// Show the healthy versions of this service
    pub service: Option<String>,
    /// Show the changes at this time: 03:12, 03:12:08, "2026-11-20 03:12", 2026-11-20, or a time as printed here
    #[arg(long, value_name = "TIME", conflicts_with = "service")]
    pub at: Option<String>,
    /// Maximum number of runs, the newest
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub lines: u32,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `adopt`
#[derive(Debug, ClapArgs)]
pub struct AdoptArgs {
    /// Resource: `proxy-host/git.example.org`, `record/git.example.org/A`
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "RESOURCE")]
    pub thing: Option<String>,
    /// All records that `--unsigned` selects
    #[arg(long, requires = "unsigned")]
    pub all: bool,
    /// Records whose marker names this instance but has no valid signature
    #[arg(long, requires = "all")]
    pub unsigned: bool,
    /// Adopt exactly this many
    #[arg(long, value_name = "N", requires = "all")]
    pub confirm: Option<usize>,
    /// Show what would be done, without doing it
    #[arg(long)]
    pub dry_run: bool,
    /// Skip the confirmation prompt
    #[arg(short, long, conflicts_with = "all")]
    pub yes: bool,
    /// Stop waiting after this long
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
}

/// `key`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a new signing key; the previous ones still verify
    Rotate,
    /// Delete the previous keys: their signatures become invalid
    Retire,
    /// Print the keys, for a backup elsewhere
    Export,
}

/// `new`
#[derive(Debug, ClapArgs)]
pub struct NewArgs {
    /// Name of the template; without it, all are listed
    pub template: Option<String>,
    /// Name of the service; without it, the parameters are shown
    pub name: Option<String>,
    /// Override a template parameter
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::template::pair)]
    pub set: Vec<(String, String)>,
    /// Write the manifest into the folder of manifests, and generate its secrets
    #[arg(long)]
    pub write: bool,
    /// Generate its missing secrets beside the configuration
    #[arg(long)]
    pub secrets: bool,
}

/// `user`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create an account; the password is prompted for, or read from standard input
    Add(AddUserArgs),
    /// List the users
    List(UsersArgs),
    /// Change a user's password; sessions end
    Password(NameUserArgs),
    /// Change a user's role; sessions end
    Role(RoleOfUserArgs),
    /// Delete an account; sessions end
    Remove(NameUserArgs),
}

/// `user add`
#[derive(Debug, ClapArgs)]
pub struct AddUserArgs {
    /// E-mail address to sign in with
    pub email: String,
    /// Name for commits [default: the address]
    #[arg(long)]
    pub name: Option<String>,
    /// viewer, operator, editor or admin
    #[arg(long, default_value = "viewer", value_parser = super::user::role)]
    pub role: Role,
}

/// `user list`
#[derive(Debug, ClapArgs)]
pub struct UsersArgs {
    /// Output format
    #[arg(short, long, default_value = "text")]
    pub output: OutputFormat,
}

/// `user password`, `user remove`
#[derive(Debug, ClapArgs)]
pub struct NameUserArgs {
    /// E-mail address of the user
    pub email: String,
}

/// `user role`
#[derive(Debug, ClapArgs)]
pub struct RoleOfUserArgs {
    /// E-mail address of the user
    pub email: String,
    /// viewer, operator, editor or admin
    #[arg(value_parser = super::user::role)]
    pub role: Role,
}

/// `token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token; it is printed only once
    Add(AddTokenArgs),
    /// List the tokens
    List(UsersArgs),
    /// Revoke a token
    Remove(NameTokenArgs),
}

/// `token add`
#[derive(Debug, ClapArgs)]
pub struct AddTokenArgs {
    /// Name of the token: `prometheus`, `ci`
    pub name: String,
    /// viewer, operator, editor or admin
    #[arg(long, default_value = "viewer", value_parser = super::user::role)]
    pub role: Role,
    /// Limit the token to this service; may be repeated
    #[arg(long, value_name = "SERVICE")]
    pub service: Vec<String>,
    /// Lifetime, or `never`
    #[arg(long, default_value = "90d", value_name = "TIME", value_parser = super::token::parse_lifetime)]
    pub expires: super::token::TokenLifetime,
    /// Owner: the token has at most the rights of that user, and is deleted with the account
    #[arg(long, value_name = "EMAIL")]
    pub user: Option<String>,
}

/// `token remove`
#[derive(Debug, ClapArgs)]
pub struct NameTokenArgs {
    /// Name of the token
    pub name: String,
}

/// `notifications`
#[derive(Debug, Subcommand)]
pub enum NotificationsCommand {
    /// List the channels and their deliveries
    List(UsersArgs),
    /// Send a test message
    Test(NameChannelArgs),
}

/// `notifications test`
#[derive(Debug, ClapArgs)]
pub struct NameChannelArgs {
    /// Name of the channel in amarre.yaml
    pub name: String,
}

/// `npm`
#[derive(Debug, Subcommand)]
pub enum NpmCommand {
    /// Disable the hosts that nginx refuses
    Rescue(RescueArgs),
}

/// `npm rescue`
#[derive(Debug, ClapArgs)]
pub struct RescueArgs {
    /// Name of the NPM in amarre.yaml [default: the only one]
    pub npm: Option<String>,
    /// Show what nginx refuses, without changing it
    #[arg(long)]
    pub dry_run: bool,
    /// Skip the confirmation prompt
    #[arg(short, long)]
    pub yes: bool,
}

/// `doctor`
#[derive(Debug, ClapArgs)]
pub struct DoctorArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `demo`
#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
    /// Use the real Docker engine, and pull the images
    #[arg(long)]
    pub docker: bool,
    /// Check that every example answers, kill one, check again, and exit
    #[arg(long)]
    pub check: bool,
    /// Port of the web UI and the API; 0 = any free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
}

/// `completions`
#[derive(Debug, ClapArgs)]
pub struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `help`
#[derive(Debug, ClapArgs)]
pub struct HelpArgs {
    /// An error code (A0103) or a command
    #[arg(value_name = "CODE|COMMAND")]
    pub of: Option<String>,
}

/// `destroy`
#[derive(Debug, ClapArgs)]
pub struct DestroyArgs {
    /// Services to delete
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Every service
    #[arg(long)]
    pub all: bool,
    /// Also delete their volumes and servers: the data is lost
    #[arg(long)]
    pub purge: bool,
    /// Show what would be deleted, without deleting it
    #[arg(long)]
    pub dry_run: bool,
    /// Skip the confirmation prompt
    #[arg(short, long)]
    pub yes: bool,
    /// Stop waiting after this long
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
}
