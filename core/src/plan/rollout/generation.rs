//! Which generation of a container is in force: the one that is there and matches, the next one, or, after a failure,
//! the last good one.

use std::collections::BTreeMap;

use super::{completion, is_due, stopped};
use crate::model::service::{Container, Rollback, Update};
use crate::model::world::{Failure, Good};
use crate::model::{
    Address, Code, Fields, Hint, KindSchema, Millis, Readiness, Refusal, Rule, Seen, Value, World, failures,
};
use crate::plan::desired::{image_volumes, npm_reach};
use crate::plan::expansion::Expansion;
use crate::plan::{compare, exclusive, protection};
use crate::text;

/// A generation may be tried again under another number when its own cannot be used; more than a few is a loop.
const ATTEMPTS_MAX: usize = 16;
/// A container that Docker has restarted so often does not come up.
const RESTARTS: i64 = 3;
/// Without writable data, a container that is not healthy by then will not be.
const HEALTH_TIMEOUT: Millis = Millis::minutes(2);
/// With writable data it may be migrating.
const HEALTH_TIMEOUT_DATA: Millis = Millis::minutes(10);

/// One generation of a container.
#[derive(Debug, Clone)]
pub struct Generation {
    /// Where it is, or will be.
    pub address: Address,
    /// What it is made with.
    pub fields: Fields,
}

/// The generation that stands for `wanted`: one that is there and matches, else the first unused number.
pub fn pick(
    expansion: &Expansion<'_>,
    base: &Address,
    wanted: &Fields,
    instances: &BTreeMap<Address, &Seen>,
) -> Address {
    let Some(schema) = expansion.input.schema(base) else { return base.clone() };
    // What is left to others makes no other generation.
    let wanted = protection::without_ignored(expansion.service, wanted);
    choose(base, &digest(schema, &wanted), instances, |address, seen| {
        !npm_reach::is_refused(expansion.input, address, seen)
            && matches(schema, &wanted, expansion.input.world, &seen.fields)
    })
}

/// Digest of what only another generation could change.
pub fn digest(schema: &KindSchema, fields: &Fields) -> String {
    fields.digest_where(|name| schema.field(name).is_some_and(|field| field.rule == Rule::Generation))
}

/// The first attempt at a digest that is there and is it, else the first that is not there.
pub fn choose(
    base: &Address,
    digest: &str,
    there: &BTreeMap<Address, &Seen>,
    is_it: impl Fn(&Address, &Seen) -> bool,
) -> Address {
    let mut unused = None;
    let is_attempt = |address: &&Address| address.generation.as_ref().is_some_and(|known| known.starts_with(digest));
    let mut left = there.keys().filter(is_attempt).count();
    for attempt in 0..ATTEMPTS_MAX {
        let generation = if attempt == 0 { digest.to_owned() } else { format!("{digest}-{attempt}") };
        let address = base.clone().at(&generation);
        match there.get(&address) {
            Some(seen) if is_it(&address, seen) => return address,
            Some(_) => left -= 1,
            None => unused = unused.or(Some(address)),
        }
        // There are no more that could be it.
        if left == 0 && unused.is_some() {
            break;
        }
    }
    unused.unwrap_or_else(|| base.clone().at(digest))
}

/// Whether what is there is what is wanted, as far as only a new one could change that.
pub fn matches(schema: &KindSchema, wanted: &Fields, world: &World, observed: &Fields) -> bool {
    let diffs = compare::compare_in(world, schema, wanted, observed, None);
    // What is on no network for a moment shows no place on it.
    let is_off = observed.get("aliases").is_none();
    let place = ["ipv4_address", "mac_address", "also_on"];
    let mut diffs = diffs.iter().filter(|(_, diff)| !(is_off && place.contains(&diff.field.as_str())));
    !diffs.any(|(rule, _)| matches!(rule, Rule::Generation | Rule::Volatile | Rule::AtMost))
}

/// The wanted generation, unless it failed and the last good one may be put back.
pub fn after_failure(
    expansion: &mut Expansion<'_>,
    container: &Container,
    base: &Address,
    next: Generation,
    instances: &BTreeMap<Address, &Seen>,
    start_first: bool,
) -> Generation {
    let input = expansion.input;
    let Generation { address: picked, fields: wanted } = &next;
    // One that had another key in its manifest was the last to serve.
    let former = instances.keys().find(|address| !address.is_same(base)).map(Address::base);
    let of = former.as_ref().unwrap_or(base);
    let last_good = input.facts.last_good.get(of);
    let last_good =
        last_good.filter(|(generation, _)| former.is_some() || picked.generation.as_ref() != Some(generation));
    // Put back is what stands there yet, or may be made again on the same network: another one goes with its last user.
    let last_good = last_good.filter(|(generation, fields)| {
        instances.contains_key(&of.clone().at(generation)) || fields.text("network") == wanted.text("network")
    });
    let Some((generation, good_fields)) = last_good else { return next };
    let good = of.clone().at(generation);
    let is_there = instances.contains_key(&good);
    let inputs = compare::resolve(wanted, input.world).marked_digest();
    let known = input.facts.failed.get(picked).is_some_and(|failure| failure.inputs == inputs);
    let seen = instances.get(picked);
    let writes = container.writes_data() || !wanted.strings(image_volumes::FIELD).is_empty();
    let applied = input.facts.applied.get(picked).map(|row| &row.fields);
    // One that we stopped has not failed.
    let judged = seen.filter(|seen| !stopped::is_ours(applied, &seen.fields, &container.restart));
    // Nor has one that its engine took down.
    let judged = judged.filter(|seen| !is_due(expansion, picked, container, seen));
    let verdict = judged.and_then(|seen| verdict(expansion, base, container, writes, seen));
    if let Some(why) = verdict.clone().filter(|_| !known) {
        expansion.wants.failed.push(Failure { address: picked.clone(), inputs, why });
    }
    let exited = seen.is_none_or(|seen| has_exited(seen));
    // It has touched no data.
    let failure = verdict.as_deref().or_else(|| input.facts.failed.get(picked).map(|failure| failure.why.as_str()));
    let never_ran = failure.is_some_and(failures::never_ran);
    let rollback = expansion.service.update.rollback;
    let may_go = match rollback {
        // The old one that serves is there all along, or there is none to go back to.
        Rollback::Never => start_first && instances.len() > usize::from(seen.is_some()),
        // What is gone may have lost its data to a newer one that failed on it.
        Rollback::Auto => {
            let is_sound = is_there || never_ran || exclusive::written(good_fields).next().is_none();
            (start_first || exited && (never_ran || !writes)) && is_sound
        }
        Rollback::Always => start_first || exited,
    };
    // One that works again is not given up for one that is gone, or to which no host can be led: else both would stay.
    let is_back = seen.is_some_and(|seen| seen.ready.is_ready());
    let is_back = is_back && (!is_there || input.world.closed.contains_key(&good));
    if (known || verdict.is_some()) && may_go && !is_back {
        if seen.is_none() {
            refuse_another_try(expansion, container, next, good_fields);
        }
        return Generation { address: good, fields: good_fields.clone() };
    }
    next
}

/// Whether it will not come up by itself: it ended for good, or Docker has restarted it often enough.
fn has_exited(seen: &Seen) -> bool {
    let restarts = seen.fields.get("restarts").and_then(Value::as_int);
    let is_for_good = seen.fields.flag("running") == Some(false) || restarts.is_none_or(|times| times >= RESTARTS);
    matches!(seen.ready, Readiness::Failed { .. }) && is_for_good
}

/// What was tried and went is still wanted: the plan says that it is not tried again, and until when.
fn refuse_another_try(expansion: &mut Expansion<'_>, container: &Container, tried: Generation, good: &Fields) {
    let Generation { address: picked, fields: wanted } = tried;
    let why = expansion.input.facts.failed.get(&picked).map(|failure| failure.why.clone()).unwrap_or_default();
    let refusal = Refusal {
        code: Code::A0512,
        message: text!("did not become ready: {why}", why = failures::in_parts(&why)),
        found: vec![
            (text!("tried"), wanted.text("image").unwrap_or_default().into()),
            (text!("in force"), text!("{image}, the last good one", image = good.text("image").unwrap_or_default())),
        ],
        hints: vec![Hint::text(text!(
            "it is not tried again before its manifest, its image or a secret of it changes"
        ))],
    };
    expansion.want(picked, wanted, Vec::new(), &container.origin).refusal = Some(Box::new(refusal));
}

/// Why an instance counts as failed, if it does.
fn verdict(
    expansion: &Expansion<'_>,
    base: &Address,
    container: &Container,
    writes: bool,
    seen: &Seen,
) -> Option<String> {
    // An engine that has just started ended everything, and brings it back.
    let waking = expansion.input.world.waking.get(&expansion.host.docker);
    if waking.is_some_and(|until| expansion.input.now.is_before(*until)) {
        return None;
    }
    match &seen.ready {
        Readiness::Ready => None,
        Readiness::Failed { why } => Some(why.to_string()),
        // What migrates or restores takes its time.
        Readiness::NotYet { .. } if completion::is_task(expansion.service, base) => None,
        Readiness::NotYet { since, why } => {
            let timeout = health_timeout(&expansion.service.update, container, writes);
            expansion.input.now.is_after(*since + timeout).then(|| format!("not healthy after {timeout}: {why}"))
        }
    }
}

/// How long a container may take to become healthy; one that writes data may be migrating it.
pub fn health_timeout(update: &Update, container: &Container, writes: bool) -> Millis {
    let least = if writes { HEALTH_TIMEOUT_DATA } else { HEALTH_TIMEOUT };
    let least = update.health_timeout.unwrap_or(least);
    let Some(check) = &container.healthcheck else { return least };
    let interval = check.interval_ms.unwrap_or(30_000);
    let asked = check.start_period_ms.unwrap_or(0) + check.retries.unwrap_or(3) * interval;
    Millis(least.0.max(asked))
}

pub fn good(expansion: &mut Expansion<'_>, base: &Address, effective: &Address, fields: &Fields) {
    let Some(generation) = effective.generation.clone() else { return };
    if expansion.input.facts.last_good.get(base).is_some_and(|(known, _)| *known == generation) {
        return;
    }
    expansion.wants.good.push(Good { base: base.clone(), generation, fields: fields.clone() });
}
