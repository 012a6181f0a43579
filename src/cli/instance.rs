//! `amarre instance …`: the servers of all clouds.

use clap::{Args as ClapArgs, Subcommand};

use super::CommandFailure;
use super::args::{Args, OutputFormat};
use super::commands::print;
use super::link::{InstancePart, Link};
use super::output::Output;
use super::verbs;
use crate::engine::commands::instance_answers::LOG_LINES;
use crate::engine::report::instances::InstancesQuery;
use amarre_core::model::Code;

/// `instance`
#[derive(Debug, Subcommand)]
pub enum InstanceCommand {
    /// List the servers of all clouds
    List(InstanceListArgs),
    /// Show all details of one server
    Show(OneInstanceArgs),
    /// Print the next ten ticks of its timetable
    Schedule(OneInstanceArgs),
    /// Show its history: what was done, by whom and when
    History(OneInstanceArgs),
    /// Show the requests to its vendor, with the vendor's id of each, and the changes of its status
    Logs(InstanceLogsArgs),
    /// Print manifests for servers without one; applying them changes nothing
    Manifests(InstanceListArgs),
    /// Those of the table
    #[command(flatten)]
    Verb(verbs::InstanceVerbCommand),
}

/// `instance list`, `instance manifests`
#[derive(Debug, ClapArgs)]
pub struct InstanceListArgs {
    /// Which ones
    #[command(flatten)]
    pub filter: InstanceFilterArgs,
    /// Show addresses and ids
    #[arg(short, long)]
    pub wide: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// Which servers.
#[derive(Debug, ClapArgs)]
pub struct InstanceFilterArgs {
    /// Part of a name, an address or a size
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
    /// Only of this cloud
    #[arg(long, value_name = "CLOUD")]
    pub cloud: Option<String>,
    /// Only of this project
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
    /// Only in this region
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Only in this state: on, off, shelved, changing, error, unknown, missing
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Only those with a manifest (yes), or without (no)
    #[arg(long, value_name = "yes|no")]
    pub managed: Option<String>,
    /// Sort by name, cloud, project, region, state, type or created; `-` reverses the order
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub sort: Option<String>,
}

/// `instance show`, `instance schedule`, `instance history`
#[derive(Debug, ClapArgs)]
pub struct OneInstanceArgs {
    /// Name of its manifest, `CLOUD:ID`, or a unique vendor's name
    #[arg(value_name = "INSTANCE")]
    pub name: String,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `instance logs`
#[derive(Debug, ClapArgs)]
pub struct InstanceLogsArgs {
    /// Which one
    #[command(flatten)]
    pub one: OneInstanceArgs,
    /// Number of lines
    #[arg(short = 'n', long, default_value_t = LOG_LINES, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..))]
    pub lines: u32,
}

/// `amarre instance …`
pub async fn instance(args: &Args, command: &InstanceCommand, output: &Output) -> Result<u8, CommandFailure> {
    if let InstanceCommand::Verb(verb) = command {
        return verbs::run(args, &verb.0, output).await;
    }
    let link = Link::open(args).await?;
    let answer = match command {
        InstanceCommand::List(list) => {
            let of = query(&list.filter)?;
            link.instances(&of, list.wide, output.style).await.map(|answer| (answer, list.output))
        }
        InstanceCommand::Show(OneInstanceArgs { name, output: form })
        | InstanceCommand::History(OneInstanceArgs { name, output: form }) => {
            link.instance(name, InstancePart::All, output.style).await.map(|answer| (answer, *form))
        }
        InstanceCommand::Schedule(OneInstanceArgs { name, output: form }) => {
            link.instance(name, InstancePart::Schedule, output.style).await.map(|answer| (answer, *form))
        }
        InstanceCommand::Logs(InstanceLogsArgs { one: OneInstanceArgs { name, output: form }, lines }) => {
            let part = InstancePart::Logs(*lines);
            link.instance(name, part, output.style).await.map(|answer| (answer, *form))
        }
        InstanceCommand::Manifests(list) => {
            let of = query(&list.filter)?;
            link.instance_manifests(&of).await.map(|answer| (answer, list.output))
        }
        InstanceCommand::Verb(_) => return Ok(0),
    };
    link.close().await;
    let (answer, form) = answer?;
    print(&answer, form, output);
    Ok(answer.exit)
}

fn query(filter: &InstanceFilterArgs) -> Result<InstancesQuery, CommandFailure> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let of = InstancesQuery {
        q: text(&filter.text),
        cloud: text(&filter.cloud),
        project: text(&filter.project),
        region: text(&filter.region),
        state: text(&filter.state),
        managed: text(&filter.managed),
        sort: text(&filter.sort),
    };
    match of.mistake() {
        Some(why) => Err(CommandFailure::new(Code::A1013, why.to_string(), "amarre instance list --help")),
        None => Ok(of),
    }
}
