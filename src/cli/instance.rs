//! `amarre instance …`: the servers of all clouds.

use clap::{Args as ClapArgs, Subcommand};

use super::CommandFailure;
use super::args::{Args, OutputFormat};
use super::commands::print;
use super::link;
use super::output::Output;
use super::table::{Instances, TableCommand};
use crate::engine::commands::reads::INSTANCE;

/// `instance`
#[derive(Debug, Subcommand)]
pub enum InstanceCommand {
    /// Those of the tables
    #[command(flatten)]
    Table(TableCommand<Instances>),
    /// Show its history: what was done, by whom and when
    History(OneInstanceArgs),
}

/// `instance history`
#[derive(Debug, ClapArgs)]
pub struct OneInstanceArgs {
    /// Name of its manifest, `CLOUD:ID`, or a unique vendor's name
    #[arg(value_name = "INSTANCE")]
    pub name: String,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `amarre instance …`
pub async fn instance(args: &Args, command: &InstanceCommand, output: &Output) -> Result<u8, CommandFailure> {
    match command {
        InstanceCommand::Table(command) => command.run(args, output).await,
        InstanceCommand::History(one) => {
            let answer = link::read(args, &INSTANCE, &[("name", one.name.clone())], output).await?;
            print(&answer, one.output, output);
            Ok(answer.exit)
        }
    }
}
