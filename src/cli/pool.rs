//! `amarre pool …`: machines that people reserve.

use clap::{Args as ClapArgs, Subcommand};

use super::CommandFailure;
use super::args::{Args, OutputFormat};
use super::commands::print;
use super::link::{Link, PoolPart};
use super::output::Output;
use super::verbs;

/// `pool`
#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// List the pools
    List(PoolListArgs),
    /// Show one pool with its machines and reservations
    Show(OnePoolArgs),
    /// Show past reservations: who had which machines, and when
    History(OnePoolArgs),
    /// Print Amarre's public key, for authorized_keys on the machines
    Key(PoolListArgs),
    /// Those of the table
    #[command(flatten)]
    Verb(verbs::PoolVerbCommand),
}

/// `pool list`, `pool key`
#[derive(Debug, ClapArgs)]
pub struct PoolListArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `pool show`, `pool history`
#[derive(Debug, ClapArgs)]
pub struct OnePoolArgs {
    /// Name of the pool
    #[arg(value_name = "POOL")]
    pub name: String,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `amarre pool …`
pub async fn pool(args: &Args, command: &PoolCommand, output: &Output) -> Result<u8, CommandFailure> {
    let (part, form) = match command {
        PoolCommand::Verb(verb) => return verbs::run(args, &verb.0, output).await,
        PoolCommand::List(list) => (PoolPart::List, list.output),
        PoolCommand::Key(list) => (PoolPart::Key, list.output),
        PoolCommand::Show(one) => (PoolPart::One(&one.name), one.output),
        PoolCommand::History(one) => (PoolPart::History(&one.name), one.output),
    };
    let link = Link::open(args).await?;
    let answer = link.pools(part, output.style).await;
    link.close().await;
    let answer = answer?;
    print(&answer, form, output);
    Ok(answer.exit)
}
