//! Removes services from everywhere, and leaves them suspended.

use std::collections::BTreeSet;

use serde_json::json;

use super::act::VerbCall;
use super::{CommandAnswer, follow, ledger_refused, unknown_service};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report;
use crate::engine::report::RunTally;
use crate::engine::report::pass_view::PassView;
use amarre_core::model::pool::MACHINE_PART;
use amarre_core::model::world::Suspension;
use amarre_core::model::{Address, Change, Gap, Kind, Refusal, Text, Verb};
use amarre_core::plan::input::Input;
use amarre_core::plan::protection;
use amarre_core::plan::render::text::refusal_body;
use amarre_core::plan::render::{Sign, Style, lines};

/// Suspends the services for their removal, and waits until they are gone.
pub async fn destroy(handle: &Handle, asked: VerbCall<'_>) -> Option<CommandAnswer> {
    let (args, style, purge) = (asked.args, asked.style, asked.args.flag("purge"));
    let reply = handle.request(LoopCommand::Pass).await?;
    let names: BTreeSet<String> = if args.flag("all") {
        // A manifest that was broken from the beginning has created nothing.
        let pass = &reply.pass;
        let has_made = |name: &&String| !pass.broken.contains_key(*name) || pass.knows(name);
        pass.statuses().keys().filter(has_made).cloned().collect()
    } else {
        args.texts("services").into_iter().collect()
    };
    if let Some(unknown) = unknown_service(handle, Some(&names)).await? {
        return Some(unknown);
    }
    if names.is_empty() {
        return Some(CommandAnswer {
            document: json!({"ok": true}),
            text: "Nothing to destroy: no service is known.\n".to_owned(),
            exit: 0,
        });
    }
    // Of what is protected, nothing goes: not even its names. With `--all` the plan holds it, and everything else goes.
    let kept = names.iter().filter(|_| !args.flag("all")).find_map(|name| kept(&reply.pass, name, purge));
    if let Some(refusal) = kept {
        return Some(refused_by(&refusal, style));
    }
    let used = used(&reply.pass, &names);
    for service in &names {
        let why = Text::foreign(format!("amarre destroy {service}"));
        let suspension =
            Suspension { by: args.text("by").to_owned(), why, destroy: true, purge, at: handle.now(), until: None };
        let reply = handle.request(LoopCommand::Suspend { service: service.clone(), suspension }).await?;
        if let Some(error) = reply.error {
            return Some(ledger_refused(handle.ledger(), &error, "nothing was destroyed"));
        }
    }
    let started = handle.now();
    let (reply, tally) =
        follow(handle, None, Some(names.clone()), args.timeout_ms(), (asked.steps, asked.style.language)).await?;
    let left = leftovers(&reply.pass, &names, purge, &tally);
    // An account on a machine that does not answer may still be there.
    let is_its = |gap: &Gap| names.iter().any(|name| gap.place().starts_with(&format!(" {MACHINE_PART} {name}/")));
    let hidden = reply.pass.plan.gaps.iter().any(|gap| !gap.is_of_machine() || is_its(gap));
    let took = (handle.now() - started).in_words();
    let (text, exit) = if left.is_empty() && !hidden {
        let kept = if purge { String::new() } else { kept_text(&reply.pass, &names) };
        let still = files_left(&reply.pass, &names);
        let all = names.into_iter().collect::<Vec<_>>().join(", ");
        (format!("Destroyed {all} in {took}: {tally}{kept}.\n{used}{still}"), 0)
    } else {
        let mut text = String::new();
        for refusal in left.iter().filter_map(|change| change.refusal()) {
            text.push_str(&format!("{} {}, {}\n", style.sign(Sign::Refuse), refusal.message, refusal.code));
            refusal_body(refusal, style, &mut text);
        }
        report::problems_text(&reply.pass, handle.now(), style, &mut text);
        text.push_str(&format!("Partly destroyed in {took}: {tally}."));
        text.push_str(if reply.settled { "" } else { " Time is up; the next run goes on from there." });
        text.push_str(&left_text(&left));
        (text, 3)
    };
    Some(CommandAnswer { document: report::status_json(&reply.pass, None), text, exit })
}

/// What a destroy without `--purge` leaves: `; volumes and certificates are kept`.
fn kept_text(pass: &PassView, names: &BTreeSet<String>) -> String {
    let applied = pass
        .facts
        .applied
        .iter()
        .filter(|(address, row)| names.contains(&row.service) && pass.world.seen.contains_key(*address));
    let kinds: BTreeSet<Kind> = applied.map(|(address, _)| address.kind).filter(|kind| kind.is_kept()).collect();
    let words: Vec<String> = kinds.iter().map(|kind| format!("{}s", kind.label())).collect();
    let all = words.join(" and ");
    match kinds.iter().any(|kind| kind.is_instance()) {
        _ if words.is_empty() => String::new(),
        true => format!("; {all} are kept, and servers cost what they cost: --purge deletes them"),
        false => format!("; {all} are kept"),
    }
}

/// What is not Amarre's stays, whatever is asked for.
fn used(pass: &PassView, names: &BTreeSet<String>) -> String {
    let is_used = |address: &&Address| pass.world.seen.get(*address).is_some_and(|seen| !seen.owner.is_ours());
    let data = names.iter().flat_map(|name| pass.wanted_by(name)).filter(|address| address.kind == Kind::Volume);
    let named: BTreeSet<String> = data.filter(is_used).map(|address| format!("volume {}", address.name)).collect();
    if named.is_empty() {
        String::new()
    } else {
        let all = named.into_iter().collect::<Vec<_>>().join(", ");
        format!("Kept, because it is used and not owned: {all}\n")
    }
}

/// What ends it: the files of what was destroyed still ask for it.
fn files_left(pass: &PassView, names: &BTreeSet<String>) -> String {
    let files = names.iter().filter_map(|name| Some((name, &pass.services.get(name)?.origin.file)));
    match files.collect::<Vec<_>>().as_slice() {
        [] => String::new(),
        [(name, file)] => format!("{file} still asks for it: delete it, or amarre resume {name} makes it again\n"),
        _ => "Their files still ask for them: delete those, or amarre resume SERVICE makes one again\n".to_owned(),
    }
}

/// Why a service is not destroyed.
fn kept(pass: &PassView, service: &str, purge: bool) -> Option<Refusal> {
    let of_purge = |input: &Input<'_>| purge.then(|| protection::unpurgeable(input, service)).flatten();
    pass.with_input(|input| protection::indestructible(input, service).or_else(|| of_purge(input))).flatten()
}

fn refused_by(refusal: &Refusal, style: Style) -> CommandAnswer {
    let Refusal { code, message, hints, .. } = refusal;
    let mut text = format!("{} {message}, {code}\n", style.sign(Sign::Refuse));
    refusal_body(refusal, style, &mut text);
    text.push_str("Nothing was changed.\n");
    let document = json!({"error": {"code": code, "message": message.to_string(), "hints": hints}});
    CommandAnswer { document, text, exit: 3 }
}

/// What a destroy has left: what is still to be done, and what failed and is still there.
fn leftovers<'a>(pass: &'a PassView, names: &BTreeSet<String>, purge: bool, tally: &'a RunTally) -> Vec<&'a Change> {
    let planned = pass.plan.changes.iter();
    let is_planned = |address: &Address| pass.plan.changes.iter().any(|change| change.address == *address);
    // Without `--purge` a certificate stays whatever became of its writes.
    let is_left = |change: &&Change| {
        let was_to_go = purge || change.verb == Verb::Delete;
        was_to_go && pass.world.seen.contains_key(&change.address) && !is_planned(&change.address)
    };
    let failed = tally.failed.values().filter(is_left);
    planned.chain(failed).filter(|change| names.contains(&change.service)).collect()
}

/// ` Left: certificate shop.example.org` and the end of the line.
fn left_text(left: &[&Change]) -> String {
    let name = |change: &&Change| format!("{} {}", change.address.kind.label(), lines::name(&change.address, None));
    let names: Vec<String> = left.iter().map(name).collect();
    if names.is_empty() { "\n".to_owned() } else { format!(" Left: {}\n", names.join(", ")) }
}
