//! Commands with arguments of their own: `adopt`, `npm rescue`.

use super::CommandFailure;
use super::args::{AdoptArgs, Args, RescueArgs};
use super::commands::{REFUSED, act_and_print, agrees, millis, whoami};
use super::link::Link;
use super::output::Output;
use super::verbs::ask_and_act;
use crate::engine::commands::Act;
use crate::engine::commands::verbs::{ADOPT, ADOPT_UNSIGNED, RESCUE};
use amarre_core::model::Code;

/// `amarre adopt`
pub async fn adopt(args: &Args, adopt: &AdoptArgs, output: &Output) -> Result<u8, CommandFailure> {
    let link = Link::open(args).await?;
    let code = take_over(&link, adopt, output).await;
    link.close().await;
    code
}

async fn take_over(link: &Link, adopt: &AdoptArgs, output: &Output) -> Result<u8, CommandFailure> {
    let Some(thing) = &adopt.thing else { return take_over_unsigned(link, adopt, output).await };
    let act = Act::new(&ADOPT).with("thing", thing.as_str()).with("dry_run", adopt.dry_run);
    let act = act.with("timeout_ms", millis(adopt.timeout)).asked_by(&whoami());
    ask_and_act(link, act, adopt.yes, output).await
}

/// `amarre adopt --all --unsigned`: the number is typed, or given by `--confirm`.
async fn take_over_unsigned(link: &Link, adopt: &AdoptArgs, output: &Output) -> Result<u8, CommandFailure> {
    let act = |dry_run: bool, confirm: Option<usize>| {
        let act = Act::new(&ADOPT_UNSIGNED).with("confirm", confirm).with("dry_run", dry_run);
        act.with("timeout_ms", millis(adopt.timeout)).asked_by(&whoami())
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

/// `amarre npm rescue`
pub async fn rescue(args: &Args, rescue: &RescueArgs, output: &Output) -> Result<u8, CommandFailure> {
    let link = Link::open(args).await?;
    let act = Act::new(&RESCUE).with("npm", rescue.npm.clone()).with("dry_run", rescue.dry_run).asked_by(&whoami());
    let code = ask_and_act(&link, act, rescue.yes, output).await;
    link.close().await;
    code
}
