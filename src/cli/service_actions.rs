//! Commands for one service: cancel, retry, roll back.

use super::CommandFailure;
use super::args::{Args, CancelArgs, RetryArgs, RollbackArgs};
use super::commands::{REFUSED, act_and_print, act_once, agrees, millis, whoami};
use super::link::Link;
use super::output::Output;
use crate::engine::commands::Act;
use amarre_core::model::Code;

/// `amarre cancel`
pub async fn cancel(args: &Args, cancel: &CancelArgs, output: &Output) -> Result<u8, CommandFailure> {
    act_once(args, Act::Cancel { service: cancel.service.clone(), by: whoami() }, output).await
}

/// `amarre retry`
pub async fn retry(args: &Args, retry: &RetryArgs, output: &Output) -> Result<u8, CommandFailure> {
    act_once(args, Act::Retry { service: retry.service.clone(), timeout_ms: millis(retry.timeout) }, output).await
}

/// `amarre rollback`
pub async fn rollback(args: &Args, rollback: &RollbackArgs, output: &Output) -> Result<u8, CommandFailure> {
    let link = Link::open(args).await?;
    let code = roll_back(&link, rollback, output).await;
    link.close().await;
    code
}

async fn roll_back(link: &Link, rollback: &RollbackArgs, output: &Output) -> Result<u8, CommandFailure> {
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
        let refusal =
            CommandFailure::new(Code::A0402, message, format!("if you mean it: amarre rollback {service} --yes"));
        if !agrees(output, &format!("Roll {service} back?"), service, &refusal) {
            return Ok(REFUSED);
        }
    }
    act_and_print(link, act(false), output).await
}
