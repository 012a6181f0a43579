//! The verbs by which a person mends one service.

use super::Failure;
use super::args::{Args, Cancel, Retry, Rollback};
use super::commands::{REFUSED, act_and_print, agrees, millis, once, whoami};
use super::link::Link;
use super::output::Output;
use crate::engine::commands::Act;

/// `amarre cancel`
pub async fn cancel(args: &Args, cancel: &Cancel, output: &Output) -> Result<u8, Failure> {
    once(args, Act::Cancel { service: cancel.service.clone(), by: whoami() }, output).await
}

/// `amarre retry`
pub async fn retry(args: &Args, retry: &Retry, output: &Output) -> Result<u8, Failure> {
    once(args, Act::Retry { service: retry.service.clone(), timeout_ms: millis(retry.timeout) }, output).await
}

/// `amarre rollback`
pub async fn rollback(args: &Args, rollback: &Rollback, output: &Output) -> Result<u8, Failure> {
    let link = Link::open(args).await?;
    let code = roll_back(&link, rollback, output).await;
    link.close().await;
    code
}

async fn roll_back(link: &Link, rollback: &Rollback, output: &Output) -> Result<u8, Failure> {
    let service = &rollback.service;
    let act = |dry_run: bool| Act::Rollback {
        service: service.clone(),
        to: rollback.to.clone(),
        dry_run,
        by: whoami(),
        timeout_ms: millis(rollback.timeout),
    };
    if rollback.dry_run {
        let code = act_and_print(link, act(true), output).await?;
        if code == 0 {
            let to = rollback.to.as_ref().map(|to| format!(" --to {to}")).unwrap_or_default();
            output.data(&format!("Next: amarre rollback {service}{to}\n"));
        }
        return Ok(code);
    }
    if !rollback.yes {
        let code = act_and_print(link, act(true), output).await?;
        if code != 0 {
            return Ok(code);
        }
        let message = format!("{service} would be rolled back, and nobody can be asked here");
        let refusal = Failure::new("A0402", message, format!("if you mean it: amarre rollback {service} --yes"));
        if !agrees(output, &format!("Roll {service} back?"), service, &refusal) {
            return Ok(REFUSED);
        }
    }
    act_and_print(link, act(false), output).await
}
