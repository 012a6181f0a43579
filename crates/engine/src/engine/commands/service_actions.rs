//! Commands for one service: suspend, roll back, cancel, retry.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;

use super::act::VerbCall;
use super::{
    CommandAnswer, ProgressStep, apply, builds, find_address, ledger_refused, refused, refused_as, reply_answer,
};
use crate::engine::pass_result::PassInput;
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::reconcile::rollback;
use crate::engine::reconcile::rollback::{ContainerTurn, RollbackTarget};
use crate::engine::report::pass_view::PassView;
use crate::engine::report::status::ServiceStatus;
use crate::engine::report::wait_text;
use crate::engine::{commands, report};
use amarre_core::model::world::Suspension;
use amarre_core::model::{Change, Code, Text, Timestamp};
use amarre_core::plan::forecast::{self, Forecast};
use amarre_core::plan::input::Input;
use amarre_core::plan::render::text::NextStep;
use amarre_core::plan::render::{self, Style};
use amarre_core::text;

/// Suspends a service, for ever or for a time.
pub async fn suspend(
    handle: &Handle,
    service: &str,
    (by, why): (String, String),
    until: Option<Timestamp>,
) -> Option<CommandAnswer> {
    let suspension = Suspension { by, why: Text::foreign(why), destroy: false, purge: false, at: handle.now(), until };
    let reply = handle.request(LoopCommand::Suspend { service: service.to_owned(), suspension }).await?;
    let text = match until {
        None => format!("{service} is suspended: shown, not touched, until amarre resume {service}\n"),
        Some(until) => format!(
            "{service} is suspended: shown, not touched, until {} or amarre resume {service}\n",
            wait_text::time(until, handle.now())
        ),
    };
    Some(reply_answer(handle, &reply, service, text))
}

/// Ends the suspension of a service.
pub async fn resume(handle: &Handle, service: &str) -> Option<CommandAnswer> {
    let reply = handle.request(LoopCommand::Resume { service: service.to_owned() }).await?;
    Some(reply_answer(handle, &reply, service, format!("{service} is taken up again\n")))
}

/// To what a service would go back, or why it would not; does nothing.
pub async fn rollback_target(
    handle: &Handle,
    service: &str,
    to: Option<&str>,
) -> Option<(Arc<PassView>, Result<RollbackTarget, CommandAnswer>)> {
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let target = find_service(handle, &pass, service, to).await;
    Some((pass, target))
}

/// Forecasts a rollback; does nothing.
pub async fn would_roll_back(handle: &Handle, service: &str, to: Option<&str>, style: Style) -> Option<CommandAnswer> {
    let (pass, target) = rollback_target(handle, service, to).await?;
    let target = match target {
        Ok(target) => target,
        Err(refusal) => return Some(refusal),
    };
    let mut text = head(&pass, service, &target);
    text.push('\n');
    text.push_str(&plan(&pass, &target, style));
    text.push('\n');
    text.push_str(&after_roll_back(service, &target));
    let containers: Vec<_> = target
        .containers
        .iter()
        .map(|turn| json!({"container": turn.container.to_string(), "from": turn.now, "to": turn.then}))
        .collect();
    let document = json!({
        "service": service, "revision": target.good.revision, "good_at": target.good.at.rfc3339(), "containers": containers,
    });
    Some(CommandAnswer { document, text, exit: 0 })
}

/// Rolls the containers of a service back, and waits until they are there.
pub async fn roll_back(
    handle: &Handle,
    (service, to): (&str, Option<&str>),
    by: &str,
    timeout_ms: i64,
    style: Style,
    steps: &mpsc::Sender<ProgressStep>,
) -> Option<CommandAnswer> {
    let started = handle.now();
    let target = match rollback_target(handle, service, to).await?.1 {
        Ok(target) => target,
        Err(refusal) => return Some(refusal),
    };
    let why = text!("rolled back to {version}", version = target.version());
    let suspension = Suspension { by: by.to_owned(), why, destroy: false, purge: false, at: handle.now(), until: None };
    let generations = target.good.generations.clone();
    let asked = LoopCommand::RollBack { service: service.to_owned(), generations, suspension };
    if let Some(error) = handle.request(asked).await?.error {
        return Some(ledger_refused(handle.ledger(), &error, "nothing was changed"));
    }
    let only = Some(BTreeSet::from([service.to_owned()]));
    let (reply, tally) = commands::follow(handle, None, only, timeout_ms, (steps, style.language)).await?;
    let took = handle.now() - started;
    let is_back = reply.pass.rollbacks.get(service).is_some_and(|rollback| rollback.done);
    let document = report::status_json(&reply.pass, None);
    let version = target.version();
    if is_back {
        let text = format!(
            "{service} is back at {version} in {}: {tally}.\n{}",
            took.in_words(),
            after_roll_back(service, &target)
        );
        return Some(CommandAnswer { document, text, exit: 0 });
    }
    let mut text = format!("{service} is not back at {version} yet, after {}: {tally}.\n", took.in_words());
    let rows = reply.pass.statuses();
    if let Some(row) = rows.get(service) {
        text.push_str(&status_lines(row, handle.now(), style));
    }
    text.push_str(&format!("  hint: amarre status {service}; amarre resume {service} goes on with the manifest\n"));
    Some(CommandAnswer { document, text, exit: 3 })
}

/// Stops the changes and waits of a service.
pub async fn cancel(handle: &Handle, service: &str, by: &str, style: Style) -> Option<CommandAnswer> {
    let (mut pass, _) = handle.last_pass();
    if pass.context.is_none() {
        pass = handle.request(LoopCommand::Pass).await?.pass;
    }
    let rows = pass.statuses();
    let Some(row) = rows.get(service) else { return Some(find_address::no_service(&pass, service)) };
    if let Some(suspension) = pass.facts.suspended.get(service).filter(|suspension| !suspension.destroy) {
        let why = format!("{service} is left alone already: suspended by {}, {}", suspension.by, suspension.why);
        return Some(refused(Code::A0415, &why, &format!("amarre resume {service} takes it up again")));
    }
    let is_at_work = pass.busy.contains(service);
    let is_planned = |change: &&Change| change.service == service && change.refusal().is_none();
    if !is_at_work && row.waiting.is_none() && !pass.plan.changes.iter().any(|change| is_planned(&change)) {
        let hint = format!("to have it left alone from now on: amarre suspend {service}");
        return Some(refused(Code::A0415, &format!("nothing is being done or waited for with {service}"), &hint));
    }
    let suspension = Suspension {
        by: by.to_owned(),
        why: text!("cancelled"),
        destroy: false,
        purge: false,
        at: handle.now(),
        until: None,
    };
    let reply = handle.request(LoopCommand::Cancel { service: service.to_owned(), suspension }).await?;
    if let Some(error) = reply.error {
        return Some(ledger_refused(handle.ledger(), &error, "nothing was changed"));
    }
    builds::cancel(&pass, service);
    let mut text = format!("{service} is cancelled. It stays as it stands, until amarre resume {service}:\n");
    let rows = reply.pass.statuses();
    if let Some(row) = rows.get(service) {
        text.push_str(&status_lines(row, handle.now(), style));
    }
    if reply.pass.busy.contains(service) {
        text.push_str("The call that is on its way is waited for; nothing follows it.\n");
    }
    Some(CommandAnswer { document: report::status_json(&reply.pass, None), text, exit: 0 })
}

/// Forgets failures and backoffs, and converges the service; where a person says so, it also creates again what may have
/// been created.
pub async fn retry(handle: &Handle, asked: VerbCall<'_>) -> Option<CommandAnswer> {
    let (service, creates_again) = (asked.args.text("service"), asked.args.flag("create_again"));
    handle.fetch().await;
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    if let Err(refusal) = find_address::active_service(&pass, service) {
        return Some(refusal);
    }
    if let Some(refusal) = apply::only_reported(&pass, service) {
        return Some(refusal);
    }
    let command = LoopCommand::Retry { service: service.to_owned(), creates_again };
    if let Some(error) = handle.request(command).await?.error {
        return Some(ledger_refused(handle.ledger(), &error, "nothing was forgotten"));
    }
    let only = Some(BTreeSet::from([service.to_owned()]));
    let answer = commands::converge(handle, None, only, asked.args.timeout_ms(), asked.style, asked.steps).await?;
    // No hint at the command that was typed just now.
    let typed = format!("amarre retry {service}");
    let text = answer.text.lines().filter(|line| !line.ends_with(&typed)).map(|line| format!("{line}\n")).collect();
    Some(CommandAnswer { text, ..answer })
}

/// The version to which a service can be rolled back, or why there is none.
async fn find_service(
    handle: &Handle,
    pass: &PassView,
    service: &str,
    to: Option<&str>,
) -> Result<RollbackTarget, CommandAnswer> {
    if !pass.statuses().contains_key(service) {
        return Err(find_address::no_service(pass, service));
    }
    // A version that is named is no guess.
    if let (Some(rollback), None) = (pass.rollbacks.get(service), to) {
        let why = if rollback.done {
            text!("{service} is rolled back", service)
        } else {
            text!("{service} is just being rolled back", service)
        };
        let hint = text!(
            "to go on with its manifest: amarre resume {service}; to go to another version: amarre rollback {service} --to REVISION",
            service
        );
        return Err(refused_as(Code::A0416, &why, &hint));
    }
    match rollback::target(handle, pass, service, to).await {
        Ok(Some(target)) => Ok(target),
        Ok(None) => {
            let why = match to {
                Some(to) => text!("there is nothing of {to} that {service} could go back to", to, service),
                None => text!("there is nothing that {service} could go back to", service),
            };
            let hint = text!("only what was healthy in every container, with this ledger, is gone back to");
            Err(refused_as(Code::A0414, &why, &hint))
        }
        Err(error) => Err(ledger_refused(handle.ledger(), &handle.ledger().failure_text(&error), "")),
    }
}

/// `photos   back to 3f2a9c1, when all was well last on 21 Oct 12:04:11`, and each container.
fn head(pass: &PassView, service: &str, target: &RollbackTarget) -> String {
    let at = wait_text::time(target.good.at, pass.at);
    let version = target.version();
    let mut out = format!("{service}   back to {version}, with which all was well last at {at}\n");
    for turn in &target.containers {
        out.push_str(&format!("  {:14}{:<19} {}\n", "container", turn.container.name, container_text(turn)));
    }
    out
}

/// What becomes of a container, by its image now and then.
pub fn container_text(turn: &ContainerTurn) -> Text {
    let then = &turn.then;
    match turn.now.as_str() {
        _ if turn.stays => text!("{image} runs, and stays", image = then),
        "" => text!("{image}, which is not there any more", image = then),
        now if now == then => text!("{image}, set up as it was then", image = now),
        now => Text::foreign(format!("{now} → {then}")),
    }
}

/// Reads the forecast of a rollback alone; `None` before the first pass.
pub fn with_forecast<T>(
    pass: &PassView,
    target: &RollbackTarget,
    read: impl FnOnce(&Input<'_>, &Forecast) -> T,
) -> Option<T> {
    let (context, service) = (pass.context.as_ref()?, &target.service.name);
    let mut services = Arc::clone(&pass.services);
    Arc::make_mut(&mut services).insert(service.clone(), target.service.clone());
    let mut facts = pass.facts.clone();
    facts.suspended.remove(service);
    let given = PassInput { services: &services, facts: &facts, ..pass.input() };
    Some(context.with_input(given, |input| {
        let mut forecast = forecast::forecast(input);
        forecast.plan.changes.retain(|change| change.service == *service);
        read(input, &forecast)
    }))
}

/// The plan of the rollback alone.
fn plan(pass: &PassView, target: &RollbackTarget, style: Style) -> String {
    let title = format!("{} @ {}", target.service.name, target.version());
    with_forecast(pass, target, |input, forecast| {
        render::text::plan_before(input, forecast, &title, NextStep::Elsewhere, style)
    })
    .unwrap_or_default()
}

/// What holds after the rollback.
fn after_roll_back(service: &str, target: &RollbackTarget) -> String {
    let commit = if target.service.app.is_some() { ", or the next commit of its repository" } else { "" };
    format!(
        "Containers go back, data never does: volumes keep what was written since.\n\
         {service} is left alone then, until amarre resume {service}, or a change in {}{commit}\n",
        target.service.origin.file
    )
}

/// The resources of a service, a line each.
fn status_lines(row: &ServiceStatus, now: Timestamp, style: Style) -> String {
    let mut out = String::new();
    for resource in &row.resources {
        report::resource_text(resource, now, style, &mut out);
    }
    out
}
