//! Restarts the containers of a service, one after another, in the order in which they depend on one another.
//!
//! | what is named | what restarts |
//! |---|---|
//! | a service | its containers that run; those that end by themselves are left out |
//! | one container | that one, those that share a namespace with it, and those with `depends_on.restart: true` on one that restarts |

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::act::VerbCall;
use super::{CommandAnswer, find_address, follow_command, refused};
use crate::engine::pass_result::ActionState;
use crate::engine::reconcile::actions::ActionRequest;
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report;
use crate::engine::report::pass_view::PassView;
use crate::words::{Words, say};
use amarre_core::model::service::{Condition, Container};
use amarre_core::model::{Address, Code, Kind, Language, Millis, Need, Seen, Service, State, Value};
use amarre_core::plan::render::lines;
use amarre_core::text;

/// What Docker gives a container to stop where its manifest says nothing.
const STOP_GRACE_S: i64 = 10;

/// A container that restarts.
struct RestartTarget<'a> {
    address: Address,
    seen: &'a Seen,
    /// What restarts before it.
    after: Vec<Need>,
}

/// Restarts, and waits until all are ready again; with `dry_run` only says what would restart.
pub async fn restart(handle: &Handle, asked: VerbCall<'_>) -> Option<CommandAnswer> {
    let (args, service) = (asked.args, asked.args.text("service"));
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let found = match containers(&pass, service, args.given("container")) {
        Ok(found) => found,
        Err(refusal) => return Some(refusal),
    };
    if args.flag("dry_run") {
        return Some(forecast(service, &found, asked.style.language));
    }
    let requests: Vec<ActionRequest> = found
        .into_iter()
        .map(|one| ActionRequest {
            address: one.address,
            word: "restart",
            by: args.text("by").to_owned(),
            after: one.after,
            given: None,
        })
        .collect();
    let addresses: Vec<Address> = requests.iter().map(|request| request.address.clone()).collect();
    let started = handle.now();
    let only = BTreeSet::from([service.to_owned()]);
    let command = LoopCommand::Perform { requests, timeout: Millis(args.timeout_ms()) };
    let (reply, _) = follow_command(handle, command, Some(&only), asked.steps, asked.style.language).await?;
    if let Some(error) = reply.error {
        return Some(refused(Code::A0460, &error, &format!("amarre status {service} says what it waits for")));
    }
    Some(answer(&reply.pass, service, &addresses, handle.now() - started))
}

/// The containers to restart, in order; or why none of them is.
fn containers<'a>(
    pass: &'a PassView,
    service: &str,
    named: Option<&str>,
) -> Result<Vec<RestartTarget<'a>>, CommandAnswer> {
    find_address::active_service(pass, service)?;
    let status = format!("amarre status {service} shows what is there");
    let Some(manifest) = pass.services.get(service) else {
        return Err(refused(Code::A0461, &format!("{service} has no manifest, so nothing of it runs"), &status));
    };
    if manifest.stopped {
        let message = format!("{service} is stopped by its manifest");
        return Err(refused(Code::A0461, &message, "remove `state: stopped` from the manifest to start it"));
    }
    let running = running(pass, manifest)?;
    let keys = match named {
        Some(name) => named_keys(pass, manifest, &running, name)?,
        None => running.keys().filter(|key| !pass.wants.tasks.contains(running[*key].0)).copied().collect(),
    };
    if keys.is_empty() {
        return Err(refused(Code::A0461, &format!("no container of {service} runs"), &status));
    }
    for key in &keys {
        spare(pass, service, running[key].0, named.is_some())?;
    }
    Ok(in_order(manifest, &running, keys))
}

type Running<'a> = BTreeMap<&'a str, (&'a Address, &'a Seen)>;

/// The containers of a service that run, by key. While an update has two of one, there is nothing to choose.
fn running<'a>(pass: &'a PassView, manifest: &'a Service) -> Result<Running<'a>, CommandAnswer> {
    let mut running = BTreeMap::new();
    for key in manifest.containers.keys() {
        let name = manifest.address_name(key);
        let is_it = |(address, seen): &(&Address, &Seen)| {
            let is_its = seen.owner.is_ours() && seen.service.as_ref() == Some(&manifest.name);
            address.kind == Kind::Container
                && address.name == name
                && is_its
                && seen.fields.flag("running") == Some(true)
        };
        let mut found = pass.world.seen.iter().filter(is_it);
        let first = found.next();
        if found.next().is_some() {
            let message = format!("an update of {name} is under way: two of its containers run");
            let hint = format!("amarre status {} says what it waits for", manifest.name);
            return Err(refused(Code::A0460, &message, &hint));
        }
        running.extend(first.map(|first| (key.as_str(), first)));
    }
    Ok(running)
}

/// The container of a name, and those that restart with it.
fn named_keys<'a>(
    pass: &PassView,
    manifest: &'a Service,
    running: &Running<'a>,
    name: &str,
) -> Result<BTreeSet<&'a str>, CommandAnswer> {
    let service = &manifest.name;
    let is_named = |key: &&String| *key == name || manifest.address_name(key) == name;
    if manifest.jobs.keys().any(|key| is_named(&key)) {
        let message = format!("{name} is a job: it runs once before an update");
        return Err(refused(Code::A0461, &message, &format!("amarre logs {service} shows what it printed")));
    }
    let Some(key) = manifest.containers.keys().find(is_named) else {
        let known: Vec<&str> = manifest.containers.keys().map(String::as_str).collect();
        let hint = format!("its containers: {}", known.join(", "));
        return Err(refused(Code::A1002, &format!("{service} has no container {name}"), &hint));
    };
    if !running.contains_key(key.as_str()) {
        let base = |address: &&Address| address.name == manifest.address_name(key);
        let gap = pass.wants.map.keys().find(base).and_then(|address| pass.world.gap(address));
        return Err(match gap {
            Some(gap) => refused(gap.code, &gap.message.to_string(), &gap.hint.to_string()),
            None => {
                let hint = format!("amarre status {service} says why; amarre retry {service} starts it");
                refused(Code::A0461, &format!("container {name} does not run"), &hint)
            }
        });
    }
    let mut keys = BTreeSet::from([key.as_str()]);
    loop {
        let follows = |other: &str, container: &Container| {
            let by_word = container.depends_on.iter().any(|(on, how)| how.follows && keys.contains(on.as_str()));
            let by_namespace = container.joins().any(|on| keys.contains(on.as_str()));
            running.contains_key(other) && (by_word || by_namespace)
        };
        let more = manifest.containers.iter().filter(|(other, container)| follows(other, container));
        let more: Vec<&str> = more.map(|(other, _)| other.as_str()).collect();
        let before = keys.len();
        keys.extend(more);
        if keys.len() == before {
            return Ok(keys);
        }
    }
}

/// Refuses the container that Amarre runs in, and NPM's unless a person names it.
fn spare(pass: &PassView, service: &str, address: &Address, is_named: bool) -> Result<(), CommandAnswer> {
    let name = &address.name;
    if let Some(gap) = pass.world.gap(address) {
        return Err(refused(gap.code, &gap.message.to_string(), &gap.hint.to_string()));
    }
    if pass.world.own.contains(address) {
        let message = format!("container {name} is the one that Amarre runs in");
        return Err(refused(Code::A0508, &message, &format!("from outside Amarre: docker restart {name}")));
    }
    let mut reserved = pass.world.reserved.get(&address.provider).into_iter().flatten();
    if !is_named && reserved.any(|one| one.by.is_same(address) && !one.is_own && !one.is_beside) {
        let message = format!("container {name} is NPM: no site behind it answers while it restarts");
        return Err(refused(Code::A0462, &message, &format!("if you mean it: amarre restart {service} {name}")));
    }
    Ok(())
}

/// Each container after those that it depends on.
fn in_order<'a>(manifest: &Service, running: &Running<'a>, keys: BTreeSet<&str>) -> Vec<RestartTarget<'a>> {
    let mut left = keys.clone();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let waits = |key: &&&str| needs(manifest, key).any(|(on, _)| left.contains(on));
        // A manifest has no circle; if one came to be, its containers would go in the order of their names.
        let next = left.iter().find(|key| !waits(key)).or(left.first()).copied().unwrap_or_default();
        left.remove(next);
        let Some((address, seen)) = running.get(next).copied() else { continue };
        let after = needs(manifest, next).filter(|(on, _)| keys.contains(on));
        let after = after.filter_map(|(on, is)| Some(Need { on: running.get(on)?.0.clone(), is })).collect();
        ordered.push(RestartTarget { address: address.clone(), seen, after });
    }
    ordered
}

/// What a container needs of its siblings before it starts.
fn needs<'a>(manifest: &'a Service, key: &str) -> impl Iterator<Item = (&'a str, State)> {
    manifest.containers.get(key).into_iter().flat_map(|container| {
        let depends = container.depends_on.iter().map(|(on, how)| match how.condition {
            Condition::Healthy => (on.as_str(), State::Ready),
            Condition::Started | Condition::Completed => (on.as_str(), State::Present),
        });
        depends.chain(container.joins().map(|on| (on.as_str(), State::Present)))
    })
}

/// What would restart, and for how long it is away at most until it starts again.
fn forecast(service: &str, found: &[RestartTarget<'_>], language: Language) -> CommandAnswer {
    let head = text!("{service}   restart; each container is away until it is ready again", service);
    let mut text = format!("{}\n", say(&head, language));
    let words = Words(language);
    let (label, width) = (words.kind(&Kind::Container.label()), words.kind_width());
    let mut containers = Vec::new();
    for RestartTarget { address, seen, after } in found {
        let grace = seen.fields.get("stop_grace_period").and_then(Value::as_int).unwrap_or(STOP_GRACE_S);
        let image = seen.fields.text("image").unwrap_or_default();
        let after: Vec<&str> = after.iter().map(|need| need.on.name.as_str()).collect();
        let stops = if after.is_empty() {
            text!("{image}, stops within {grace} s", image, grace)
        } else {
            text!("{image}, stops within {grace} s, after {after}", image, grace, after = after.join(", "))
        };
        text.push_str(&format!("  {label:width$}{:<19} {}\n", address.name, say(&stops, language)));
        containers.push(json!({"container": address.to_string(), "stop_grace_s": grace, "after": after}));
    }
    let document = json!({"service": service, "containers": containers});
    CommandAnswer { document, text, exit: 0 }
}

/// What became of each restart.
fn answer(pass: &PassView, service: &str, addresses: &[Address], took: Millis) -> CommandAnswer {
    let state = |address: &Address| pass.actions.get(address);
    let is_done = |address: &&Address| state(address) == Some(&ActionState::Done);
    if let (Some(ActionState::Failed(error)), [_]) = (addresses.first().and_then(state), addresses) {
        return refused(error.code, &error.message.to_string(), &error.hint.to_string());
    }
    let names = |picked: &dyn Fn(&&Address) -> bool| -> String {
        addresses.iter().filter(picked).map(|address| lines::name(address, None)).collect::<Vec<_>>().join(", ")
    };
    let is_ready = |address: &&Address| {
        is_done(address) && pass.world.seen.get(*address).is_some_and(|seen| seen.ready.is_ready())
    };
    let mut document = report::status_json(pass, None);
    document["actions"] = addresses.iter().map(|address| outcome(address, state(address))).collect();
    if addresses.iter().all(|address| is_ready(&address)) {
        let text = format!("{service} is restarted and ready again after {}: {}.\n", took.in_words(), names(&|_| true));
        return CommandAnswer { document, text, exit: 0 };
    }
    let mut text = String::new();
    for address in addresses.iter().filter(|address| !is_ready(address)) {
        text.push_str(&format!("{}\n", unfinished(pass, address)));
    }
    let done = names(&is_done);
    if !done.is_empty() {
        text.push_str(&format!("Restarted after {}: {done}.\n", took.in_words()));
    }
    text.push_str(&format!("  hint: amarre status {service}; amarre events {service}; amarre logs {service}\n"));
    CommandAnswer { document, text, exit: 3 }
}

/// Why a container is not restarted, or not ready yet.
fn unfinished(pass: &PassView, address: &Address) -> String {
    let name = &address.name;
    match pass.actions.get(address) {
        Some(ActionState::Done) => format!("container {name} is restarted and not ready yet"),
        Some(ActionState::Failed(error)) => format!("error[{}]: {}", error.code, error.message),
        Some(ActionState::Unknown) => {
            let code = Code::A0463;
            format!("error[{code}]: no answer came, and it is not seen whether container {name} was restarted")
        }
        Some(ActionState::Dropped(why)) => format!("container {name} was not restarted: {why}"),
        Some(ActionState::Begun | ActionState::Accepted | ActionState::Unconfirmed) => {
            format!("container {name} is being restarted")
        }
        None | Some(ActionState::Waiting) => format!("container {name} waits for its restart"),
    }
}

fn outcome(address: &Address, state: Option<&ActionState>) -> Json {
    let word = match state {
        None | Some(ActionState::Waiting) => "waiting",
        Some(ActionState::Begun | ActionState::Accepted | ActionState::Unconfirmed) => "begun",
        Some(ActionState::Done) => "performed",
        Some(ActionState::Failed(_)) => "failed",
        Some(ActionState::Unknown) => "unknown",
        Some(ActionState::Dropped(_)) => "not performed",
    };
    json!({"address": address.to_string(), "action": "restart", "state": word})
}
