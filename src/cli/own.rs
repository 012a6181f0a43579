//! The verbs by which something comes under Amarre, and leaves it.

use super::Failure;
use super::args::{Adopt, Args, Release};
use super::commands::{REFUSED, act_and_print, millis, once, whoami};
use super::link::Link;
use super::output::Output;
use crate::engine::verbs::Act;

/// `amarre release`
pub async fn release(args: &Args, release: &Release, output: &Output) -> Result<u8, Failure> {
    let act = Act::Release { thing: release.thing.clone(), by: whoami(), timeout_ms: millis(release.timeout) };
    once(args, act, output).await
}

/// `amarre adopt`
pub async fn adopt(args: &Args, adopt: &Adopt, output: &Output) -> Result<u8, Failure> {
    let link = Link::open(args).await?;
    let code = take_over(&link, adopt, output).await;
    link.close().await;
    code
}

async fn take_over(link: &Link, adopt: &Adopt, output: &Output) -> Result<u8, Failure> {
    let thing = &adopt.thing;
    let act =
        |dry_run: bool| Act::Adopt { thing: thing.clone(), dry_run, by: whoami(), timeout_ms: millis(adopt.timeout) };
    if adopt.dry_run || !adopt.yes {
        let code = act_and_print(link, act(true), output).await?;
        if adopt.dry_run || code != 0 {
            return Ok(code);
        }
        if !output.is_terminal() {
            let message = format!("{thing} would be taken over, and nobody can be asked here");
            output.failure(&Failure::new("A0402", message, format!("if you mean it: amarre adopt {thing} --yes")));
            return Ok(REFUSED);
        }
        if !output.ask(&format!("Take {thing} over? Type yes, or press Enter to stop:"), "yes") {
            output.say("Nothing was changed.");
            return Ok(REFUSED);
        }
    }
    act_and_print(link, act(false), output).await
}
