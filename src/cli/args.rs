//! What can be typed.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::verbs::VerbCommand;
use crate::accounts::Role;
use crate::engine::report::service_list::Only;
use amarre_core::model::Language;

/// Keeps services on Docker, Nginx Proxy Manager and OVH DNS as one manifest says they should be.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, propagate_version = true, disable_help_subcommand = true)]
pub struct Args {
    /// Configuration file [default: amarre.yaml here, then the XDG and /etc places]
    #[arg(long, global = true, env = "AMARRE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Signs of ASCII only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Language: en or fr [default: that of LANGUAGE, LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = language)]
    pub lang: Option<Language>,
    /// What to do
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
    /// Show the manifest of a well-known service, or write it
    New(NewArgs),
    /// Check the manifests without asking anybody
    Validate(ValidateArgs),
    /// Show which word of the policy allows or refuses what a manifest uses
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Show what would happen, to the end
    Plan(PlanArgs),
    /// Make it so, and wait until it is
    Apply(ApplyArgs),
    /// Run the daemon: watch, and keep it so
    Run(RunArgs),
    /// Show how the services are
    Status(StatusArgs),
    /// Show what containers printed last
    Logs(LogsArgs),
    /// Show what was done and seen
    Events(EventsArgs),
    /// Show the runs, what one of them did, or the versions of a service
    History(HistoryArgs),
    /// Say why a thing is there, whose it is, and where its fields come from
    Explain(ExplainArgs),
    /// Follow a name to its container, step by step
    Trace(TraceArgs),
    /// Those of the table
    #[command(flatten)]
    Verb(VerbCommand),
    /// Show the servers of all clouds, start and stop them
    #[command(subcommand)]
    Instance(super::instance::InstanceCommand),
    /// Show the apps that are built from repositories
    #[command(subcommand)]
    App(super::app::AppCommand),
    /// Reserve machines of pools, and look after these
    #[command(subcommand)]
    Pool(super::pool::PoolCommand),
    /// Take over what is there already, where a manifest wants it
    Adopt(AdoptArgs),
    /// Remove services from everywhere, and leave them suspended
    Destroy(DestroyArgs),
    /// Say who may sign in on the pages, and what for
    #[command(subcommand)]
    User(UserCommand),
    /// Keep the tokens that machines ask by HTTP with
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look after the instance's key, which proves what is ours
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show who is told what, and try it
    #[command(subcommand)]
    Notifications(NotificationsCommand),
    /// Look after a Nginx Proxy Manager itself
    #[command(subcommand)]
    Npm(NpmCommand),
    /// Examine the set-up: what is wrong, and how to mend it
    Doctor(DoctorArgs),
    /// Show who has which subnet and address, and where room is
    Subnets(SubnetsArgs),
    /// Try it: the examples against simulated Docker, NPM and OVH
    Demo(DemoArgs),
    /// Print the JSON Schema of manifests, for editors
    Schema,
    /// Print what makes your shell complete amarre's commands
    Completions(CompletionsArgs),
    /// Explain an error code, or a command
    Help(HelpArgs),
}

/// `init`: the answers to its questions.
#[derive(Debug, ClapArgs)]
pub struct InitArgs {
    /// Take what is found or given, and ask nothing
    #[arg(short, long)]
    pub yes: bool,
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
    /// File with its password
    #[arg(long, env = "AMARRE_NPM_MAIN_SECRET_FILE", value_name = "FILE")]
    pub npm_secret_file: Option<PathBuf>,
    /// Its password; from the environment only in earnest
    #[arg(long, env = "AMARRE_NPM_MAIN_SECRET", hide = true, hide_env_values = true)]
    pub npm_secret: Option<String>,
    /// OVH endpoint
    #[arg(long, env = "OVH_ENDPOINT")]
    pub ovh_endpoint: Option<String>,
    /// Simulate what has no account yet: nothing real is written there
    #[arg(long, value_name = "PROVIDER", value_delimiter = ',')]
    pub simulate: Vec<Simulated>,
    /// Only the servers of this cloud: no Docker host, NPM or domain
    #[arg(long, value_name = "CLOUD")]
    pub cloud: Option<CloudMake>,
    /// OVH application key
    #[arg(long, env = "OVH_APPLICATION_KEY", hide_env_values = true)]
    pub ovh_application_key: Option<String>,
    /// OVH application secret
    #[arg(long, env = "OVH_APPLICATION_SECRET", hide = true, hide_env_values = true)]
    pub ovh_application_secret: Option<String>,
    /// OVH consumer key
    #[arg(long, env = "OVH_CONSUMER_KEY", hide = true, hide_env_values = true)]
    pub ovh_consumer_key: Option<String>,
    /// Kamatera's proxy, where it is another brand's
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
    /// People who are to have no more of the host than `policy` gives them.
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
    /// Exit 1 for warnings, too
    #[arg(long)]
    pub strict: bool,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `policy`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Go through a manifest line by line
    Explain(super::policy::PolicyExplanation),
}

/// `plan`
#[derive(Debug, ClapArgs)]
pub struct PlanArgs {
    /// Of this branch, tag or commit of the repository, without putting it in force
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: PlanFormat,
    /// Save it as well, for `amarre apply FILE`
    #[arg(long, value_name = "FILE", conflicts_with = "reference")]
    pub out: Option<PathBuf>,
    /// Exit 0 for nothing to do, 2 for changes, 1 for errors
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `apply`
#[derive(Debug, ClapArgs)]
pub struct ApplyArgs {
    /// A plan that `amarre plan --out FILE` saved: done if it is still what would be done, and nothing else
    #[arg(value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Answer the question about deletes and downtime
    #[arg(short, long)]
    pub yes: bool,
    /// Allow exactly this many services, records and hosts to be deleted that the guard holds
    #[arg(long, value_name = "N")]
    pub confirm_deletes: Option<usize>,
    /// Follow exactly this commit, though the branch was rewritten and `source.git.verify` holds it
    #[arg(long, value_name = "COMMIT")]
    pub accept_rewrite: Option<String>,
    /// Stop waiting after this long (30s, 5m, 1h)
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
}

/// `run`
#[derive(Debug, ClapArgs)]
pub struct RunArgs {
    /// Act from the first look on, also with a new ledger
    #[arg(short, long)]
    pub yes: bool,
    /// Form of the log
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
    /// Only this service, with its resources
    pub service: Option<String>,
    /// Form of the answer; wide adds host, domain and revision
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: StatusFormat,
    /// List quiet services, too
    #[arg(long)]
    pub all: bool,
    /// List only one sort
    #[arg(long, value_name = "SORT", value_parser = only_parser(), conflicts_with = "service")]
    pub only: Option<Only>,
    /// Show it again and again, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// Exit 2 when a service needs somebody
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
    /// Only of this service, or this container
    #[arg(value_name = "SERVICE|CONTAINER")]
    pub of: Option<String>,
    /// Go on with each line as it is printed, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// What is kept of those that failed last, be they gone or not
    #[arg(long, conflicts_with = "follow")]
    pub last_failed: bool,
    /// At most so many lines of each
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub lines: u32,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `events`
#[derive(Debug, ClapArgs)]
pub struct EventsArgs {
    /// Only of this service, or of this thing: `proxy-host/git.example.org`
    #[arg(value_name = "SERVICE|THING")]
    pub of: Option<String>,
    /// Only of this kind (`created`, `updated`, `deleted`, `failed`, `degraded`), or for this reason (`drift`, …)
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Not older than this: `24h`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub since: Option<std::time::Duration>,
    /// At most so many, the newest
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub lines: u32,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `history`
#[derive(Debug, ClapArgs)]
pub struct HistoryArgs {
    /// The versions of this service with which all was well
    pub service: Option<String>,
    /// What was done then: 03:12, 03:12:08, "2026-11-20 03:12", 2026-11-20, or a time as it is printed here
    #[arg(long, value_name = "TIME", conflicts_with = "service")]
    pub at: Option<String>,
    /// At most so many runs, the newest
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub lines: u32,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `explain`
#[derive(Debug, ClapArgs)]
pub struct ExplainArgs {
    /// What: `proxy-host/git.example.org`, `container/git`
    pub thing: String,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `trace`
#[derive(Debug, ClapArgs)]
pub struct TraceArgs {
    /// Which name
    pub domain: String,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `adopt`
#[derive(Debug, ClapArgs)]
pub struct AdoptArgs {
    /// What: `proxy-host/git.example.org`, `record/git.example.org/A`
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub thing: Option<String>,
    /// Everything that `--unsigned` says
    #[arg(long, requires = "unsigned")]
    pub all: bool,
    /// Records whose marks name this instance, and that no key of ours signed
    #[arg(long, requires = "all")]
    pub unsigned: bool,
    /// Take over exactly this many
    #[arg(long, value_name = "N", requires = "all")]
    pub confirm: Option<usize>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Answer the question
    #[arg(short, long, conflicts_with = "all")]
    pub yes: bool,
    /// Stop waiting after this long
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
}

/// `key`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key that signs from now on; the ones before still verify
    Rotate,
    /// Forget the keys before the one that signs: what they signed proves nothing any more
    Retire,
    /// Print the keys, for a copy that is kept elsewhere
    Export,
}

/// `new`
#[derive(Debug, ClapArgs)]
pub struct NewArgs {
    /// Which template; without one, all are listed
    pub template: Option<String>,
    /// The service's name; without one, it is shown what can be set
    pub name: Option<String>,
    /// Something that is to be otherwise
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::template::pair)]
    pub set: Vec<(String, String)>,
    /// Write the manifest into the folder of manifests, and make its secrets
    #[arg(long)]
    pub write: bool,
    /// Make the secrets that it needs and that are set nowhere, beside the configuration
    #[arg(long)]
    pub secrets: bool,
}

/// `user`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; its password is asked for, or read from standard input
    Add(AddUserArgs),
    /// Show who may sign in
    List(UsersArgs),
    /// Give somebody another password; sessions end
    Password(NameUserArgs),
    /// Give somebody another role; sessions end
    Role(RoleOfUserArgs),
    /// Take an account away; sessions end
    Remove(NameUserArgs),
}

/// `user add`
#[derive(Debug, ClapArgs)]
pub struct AddUserArgs {
    /// By which the user signs in
    pub email: String,
    /// As it stands in commits; the address, if not said
    #[arg(long)]
    pub name: Option<String>,
    /// viewer, operator, editor or admin
    #[arg(long, default_value = "viewer", value_parser = super::user::role)]
    pub role: Role,
}

/// `user list`
#[derive(Debug, ClapArgs)]
pub struct UsersArgs {
    /// As text or JSON
    #[arg(short, long, default_value = "text")]
    pub output: OutputFormat,
}

/// `user password`, `user remove`
#[derive(Debug, ClapArgs)]
pub struct NameUserArgs {
    /// Whose
    pub email: String,
}

/// `user role`
#[derive(Debug, ClapArgs)]
pub struct RoleOfUserArgs {
    /// Whose
    pub email: String,
    /// viewer, operator, editor or admin
    #[arg(value_parser = super::user::role)]
    pub role: Role,
}

/// `token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is printed this once
    Add(AddTokenArgs),
    /// Show what machines ask with
    List(UsersArgs),
    /// Take a token away
    Remove(NameTokenArgs),
}

/// `token add`
#[derive(Debug, ClapArgs)]
pub struct AddTokenArgs {
    /// What it is called: `prometheus`, `ci`
    pub name: String,
    /// viewer, operator, editor or admin
    #[arg(long, default_value = "viewer", value_parser = super::user::role)]
    pub role: Role,
    /// Only for this service; may be said several times
    #[arg(long, value_name = "SERVICE")]
    pub service: Vec<String>,
    /// After how long it ends, or `never`
    #[arg(long, default_value = "90d", value_name = "TIME", value_parser = super::token::parse_lifetime)]
    pub expires: super::token::TokenLifetime,
    /// Whose it is: it may no more than that user, and goes with the account
    #[arg(long, value_name = "EMAIL")]
    pub user: Option<String>,
}

/// `token remove`
#[derive(Debug, ClapArgs)]
pub struct NameTokenArgs {
    /// Which
    pub name: String,
}

/// `notifications`
#[derive(Debug, Subcommand)]
pub enum NotificationsCommand {
    /// Show each channel, and how it goes
    List(UsersArgs),
    /// Send a message that says that it is a test
    Test(NameChannelArgs),
}

/// `notifications test`
#[derive(Debug, ClapArgs)]
pub struct NameChannelArgs {
    /// Which, by its name in amarre.yaml
    pub name: String,
}

/// `npm`
#[derive(Debug, Subcommand)]
pub enum NpmCommand {
    /// Find what nginx refuses, and switch it off
    Rescue(RescueArgs),
}

/// `npm rescue`
#[derive(Debug, ClapArgs)]
pub struct RescueArgs {
    /// Which NPM, by its name in amarre.yaml [default: the only one]
    pub npm: Option<String>,
    /// Show what nginx refuses, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Answer the question
    #[arg(short, long)]
    pub yes: bool,
}

/// `doctor`
#[derive(Debug, ClapArgs)]
pub struct DoctorArgs {
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `demo`
#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
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

/// `subnets`
#[derive(Debug, ClapArgs)]
pub struct SubnetsArgs {
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `completions`
#[derive(Debug, ClapArgs)]
pub struct CompletionsArgs {
    /// For which shell
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
    /// Which services
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Every service
    #[arg(long)]
    pub all: bool,
    /// Delete their volumes and servers as well: the data is gone
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
