//! Commands that adopt and release resources.

use super::CommandFailure;
use super::args::{AdoptArgs, Args, RescueArgs};
use super::commands::{REFUSED, act_and_print, agrees, millis, whoami};
use super::link::Link;
use super::output::Output;
use crate::engine::commands::Act;
use amarre_core::model::Code;

/// `release`
#[derive(Debug, clap::Args)]
pub struct Release {
    /// What: `proxy-host/git.example.org`, `record/git.example.org/A`
    pub thing: String,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Answer the question
    #[arg(short, long)]
    pub yes: bool,
    /// Stop waiting after this long
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
}

/// `amarre release`: asks at a terminal, since nothing is changed or deleted that could not be adopted again.
pub async fn release(args: &Args, release: &Release, output: &Output) -> Result<u8, CommandFailure> {
    let link = Link::open(args).await?;
    let code = release_resource(&link, release, output).await;
    link.close().await;
    code
}

async fn release_resource(link: &Link, release: &Release, output: &Output) -> Result<u8, CommandFailure> {
    let thing = &release.thing;
    let act = |dry_run: bool| Act::Release {
        thing: thing.clone(),
        dry_run,
        by: whoami(),
        timeout_ms: millis(release.timeout),
    };
    if release.dry_run {
        return act_and_print(link, act(true), output).await;
    }
    if !release.yes && output.is_terminal() {
        let code = act_and_print(link, act(true), output).await?;
        if code != 0 {
            return Ok(code);
        }
        let refusal = CommandFailure::new(Code::A0402, format!("{thing} was not released"), "");
        if !agrees(output, &format!("Release {thing}?"), "yes", &refusal) {
            return Ok(REFUSED);
        }
    }
    act_and_print(link, act(false), output).await
}

/// `amarre adopt`
pub async fn adopt(args: &Args, adopt: &AdoptArgs, output: &Output) -> Result<u8, CommandFailure> {
    let link = Link::open(args).await?;
    let code = take_over(&link, adopt, output).await;
    link.close().await;
    code
}

async fn take_over(link: &Link, adopt: &AdoptArgs, output: &Output) -> Result<u8, CommandFailure> {
    let Some(thing) = &adopt.thing else { return take_over_unsigned(link, adopt, output).await };
    let act =
        |dry_run: bool| Act::Adopt { thing: thing.clone(), dry_run, by: whoami(), timeout_ms: millis(adopt.timeout) };
    if adopt.dry_run || !adopt.yes {
        let code = act_and_print(link, act(true), output).await?;
        if adopt.dry_run || code != 0 {
            return Ok(code);
        }
        let message = format!("{thing} would be taken over, and nobody can be asked here");
        let refusal = CommandFailure::new(Code::A0402, message, format!("if you mean it: amarre adopt {thing} --yes"));
        if !agrees(output, &format!("Take {thing} over?"), "yes", &refusal) {
            return Ok(REFUSED);
        }
    }
    act_and_print(link, act(false), output).await
}

/// `amarre adopt --all --unsigned`: the number is typed, or given by `--confirm`.
async fn take_over_unsigned(link: &Link, adopt: &AdoptArgs, output: &Output) -> Result<u8, CommandFailure> {
    let act = |dry_run: bool, confirm: Option<usize>| Act::AdoptUnsigned {
        confirm,
        dry_run,
        by: whoami(),
        timeout_ms: millis(adopt.timeout),
    };
    if adopt.confirm.is_some() && !adopt.dry_run {
        return act_and_print(link, act(false, adopt.confirm), output).await;
    }
    let answer = link.act(act(true, None), output).await?;
    output.data(&answer.text);
    let count = answer.document["count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
    if adopt.dry_run || count == 0 || answer.exit != 0 {
        return Ok(answer.exit);
    }
    let message = format!("{count} records would be taken over, and nobody can be asked here");
    let refusal = CommandFailure::new(
        Code::A0432,
        message,
        format!("if you mean it: amarre adopt --all --unsigned --confirm {count}"),
    );
    if !agrees(output, "Take them all over?", &count.to_string(), &refusal) {
        return Ok(REFUSED);
    }
    act_and_print(link, act(false, Some(count)), output).await
}

/// The exit code of `amarre npm rescue --dry-run` when there is a host to disable.
const WOULD_CHANGE: u8 = 2;

/// `amarre npm rescue`
pub async fn rescue(args: &Args, rescue: &RescueArgs, output: &Output) -> Result<u8, CommandFailure> {
    let link = Link::open(args).await?;
    let code = rescued(&link, rescue, output).await;
    link.close().await;
    code
}

async fn rescued(link: &Link, rescue: &RescueArgs, output: &Output) -> Result<u8, CommandFailure> {
    let act = |dry_run: bool| Act::Rescue { npm: rescue.npm.clone(), dry_run, by: whoami() };
    if rescue.dry_run || !rescue.yes {
        let code = act_and_print(link, act(true), output).await?;
        if rescue.dry_run || code != WOULD_CHANGE {
            return Ok(code);
        }
        let message = "a host would be switched off, and nobody can be asked here";
        if !agrees(
            output,
            "Switch it off?",
            "yes",
            &CommandFailure::new(Code::A0402, message, "if you mean it: amarre npm rescue --yes"),
        ) {
            return Ok(REFUSED);
        }
    }
    act_and_print(link, act(false), output).await
}
