//! Why a change is in the plan: what the ledger and the manifests can prove, never a guess.

use super::provenance;
use super::provenance::FieldSource;
use crate::model::address::generations;
use crate::model::plan::{Reason, ReasonCode};
use crate::model::power::Cause;
use crate::model::world::Failure;
use crate::model::{Address, FieldDiff, Kind, Origin, Plan, Readiness, Seen, Text, Value, Want, Wants, failures};
use crate::plan::desired::container::{FOLLOWS, JOINED};
use crate::plan::desired::instance;
use crate::plan::input::Input;
use crate::plan::rollout::job;
use crate::plan::{compare, exclusive};
use crate::text;

/// In the ledger's row of what was taken over and is not yet as its manifest says.
pub const ADOPTED: &str = "adopted";

/// Why something is made.
pub fn of_create(input: &Input<'_>, address: &Address, want: &Want) -> Reason {
    let was_applied = input.facts.applied.contains_key(address);
    if address.kind == Kind::Account && !was_applied {
        let reservation = want.fields.text("reservation").unwrap_or_default();
        return reserved(want, text!("{reservation} begins", reservation));
    }
    let is_known = input.facts.converged.contains(&want.service);
    let old = input.world.generations(address).find(|(seen, _)| *seen != address);
    let origin = provenance::origin_of(input, address, want);
    let file = &want.origin.file;
    let (code, text) = if let Some(followed) = old.and_then(|(_, seen)| followed(input, want, seen)) {
        (ReasonCode::DependencyReplaced, text!("follows {followed}, which is new", followed))
    } else if let Some(shared) = old.and_then(|(_, seen)| shared_with_new(input, want, seen)) {
        (ReasonCode::DependencyReplaced, shared)
    } else if was_applied {
        (ReasonCode::Missing, by_hand(input, address, || text!("was here and is gone")))
    } else if is_put_back(input, address) {
        (ReasonCode::Rollback, text!("the last good one is put back"))
    } else if let Some((_, seen)) = old {
        let digest =
            |address: &Address| address.generation.as_deref().map(|g| g.split('-').next().unwrap_or(g).to_owned());
        let same = input.world.generations(address).any(|(seen, _)| digest(seen) == digest(address));
        let moved = same && seen.fields.text("image") == want.fields.text("image");
        let started = seen.fields.get("started_at_ms").and_then(Value::as_int);
        let never_ran = seen.fields.flag("running") == Some(false) && started.is_none();
        if same && never_ran {
            (ReasonCode::Missing, text!("the one that was made could not start"))
        } else if same && is_taken_off(want, seen) {
            (ReasonCode::Drift, by_hand(input, address, || text!("it was taken off a network outside Amarre")))
        } else if moved {
            (ReasonCode::ImageMoved, text!("the image's tag or a secret means something else now"))
        } else {
            return changed(input, address, want, &differences(input, address, want, seen));
        }
    } else if is_known {
        let text = app_commit(input, address, want).unwrap_or_else(|| place_changed(input, origin));
        (ReasonCode::ManifestChanged, text)
    } else {
        (ReasonCode::ManifestNew, text!("new in {file}", file))
    };
    Reason { code, text, origin: Some(origin.clone()) }
}

/// Whether it is no longer on a network on which it was made.
fn is_taken_off(want: &Want, seen: &Seen) -> bool {
    let on = want.fields.strings("also_on");
    let left = seen.fields.strings("also_on");
    on.into_iter().any(|network| !left.contains(&network))
}

/// The container that another one follows and that is another than it was made for, when that is all.
fn followed(input: &Input<'_>, want: &Want, seen: &Seen) -> Option<String> {
    let wanted = compare::resolve(&want.fields, input.world);
    let (wanted, made_for) = (wanted.get(FOLLOWS)?.entries()?.clone(), seen.fields.get(FOLLOWS)?.entries()?.clone());
    let is_same = want.fields.text("image") == seen.fields.text("image");
    let new = wanted.into_iter().find(|(key, id)| made_for.get(key) != Some(id));
    new.map(|(key, _)| key).filter(|_| is_same)
}

/// What it shares with a container that is another than it was made for, when that is all.
fn shared_with_new(input: &Input<'_>, want: &Want, seen: &Seen) -> Option<Text> {
    let wanted = compare::resolve(&want.fields, input.world);
    let is_other = |field: &str| wanted.get(field).zip(seen.fields.get(field)).is_some_and(|(new, old)| new != old);
    let is_same = wanted.text("image") == seen.fields.text("image");
    let shared = if is_other("network_of") {
        text!("shares the network of a container that is new")
    } else if is_other("pid_of") {
        text!("shares the processes of a container that is new")
    } else if is_other("ipc_of") {
        text!("shares the memory of a container that is new")
    } else {
        return None;
    };
    is_same.then_some(shared)
}

/// The last good generation comes again, after another one did not become ready.
fn is_put_back(input: &Input<'_>, address: &Address) -> bool {
    let good = input.facts.last_good.get(&address.base()).map(|(generation, _)| generation);
    if good.is_none() || good != address.generation.as_ref() {
        return false;
    }
    let is_sick = |(other, seen): (&Address, &Seen)| other != address && matches!(seen.ready, Readiness::Failed { .. });
    input.world.generations(address).any(is_sick)
        || generations(&input.facts.failed, address).any(|(other, _)| other != address)
}

/// It follows from a reservation, which no manifest says.
fn reserved(want: &Want, text: Text) -> Reason {
    Reason { code: ReasonCode::Reserved, text, origin: Some(want.origin.clone()) }
}

/// Why something is changed in place: drift when the manifest still says what was last applied.
pub fn of_update(input: &Input<'_>, wants: &Wants, address: &Address, want: &Want, diffs: &[FieldDiff]) -> Reason {
    let applied = input.facts.applied.get(address);
    if address.kind == Kind::Account {
        let reservation = want.fields.text("reservation").unwrap_or_default();
        return reserved(want, text!("{reservation} was changed", reservation));
    }
    let follows = diffs.iter().any(|diff| diff.field == "forward_host" && matches!(diff.to, Some(Value::Text(_))));
    let moved = follows && applied.is_some_and(|applied| applied.fields.get("forward_host") != target(diffs).as_ref());
    let drifted = |diff: &FieldDiff| {
        let name = diff.field.split('.').next().unwrap_or(&diff.field);
        applied.is_some_and(|applied| applied.fields.get(name) == want.fields.get(name))
            || applied.is_some_and(|applied| {
                applied.fields.get(name).is_some() && applied.fields.get(name) == diff.to.as_ref()
            })
    };
    let named = || input.world.seen.get(address)?.service.as_ref();
    let from = applied.map(|applied| &applied.service).filter(|service| **service != want.service);
    let from = from.or_else(|| named().filter(|service| **service != want.service));
    let (code, text) = if let Some(owner) = left_by(want, diffs) {
        let text = text!("{owner}, whose namespaces it shares, started after it", owner);
        (ReasonCode::Drift, text)
    } else if is_job(input, address) {
        (ReasonCode::DependencyReplaced, text!("a job that failed is kept apart"))
    } else if let Some(from) = from.filter(|_| address.kind != Kind::Container) {
        (ReasonCode::ManifestChanged, text!("moves here from {from}, {place}", from, place = place(&want.origin)))
    } else if let Some(signature) = unsigned(input, address, diffs) {
        (ReasonCode::DependencyReplaced, text!("the instance's key signs marks, this one is {signature}", signature))
    } else if is_adopted(input, address) && diffs.iter().any(|diff| diff.field != "mark") {
        (ReasonCode::ManifestChanged, text!("{place} wants it so, it was taken over", place = place(&want.origin)))
    } else if input.requests.adopting.as_ref() == Some(address) {
        (ReasonCode::ManifestChanged, text!("taken over for {file}", file = &want.origin.file))
    } else if diffs.iter().all(|diff| diff.field == "mark") {
        (ReasonCode::Drift, by_hand(input, address, || text!("its mark was removed outside Amarre")))
    } else if address.kind == Kind::Image && diffs.iter().all(|diff| diff.field == "platform") {
        let origin = match provenance::of_diffs(input, address, want, diffs) {
            FieldSource::Key(origin) => origin,
            FieldSource::Config(_) | FieldSource::Default => &want.origin,
        };
        let text = text!("{place} asks for another platform", place = place(origin));
        return Reason { code: ReasonCode::ManifestChanged, text, origin: Some(origin.clone()) };
    } else if address.kind == Kind::Image {
        (ReasonCode::ImageMoved, text!("the registry has another one under this name"))
    } else if diffs.iter().all(|diff| diff.to.as_ref().is_some_and(Value::is_sensitive)) {
        (ReasonCode::ManifestChanged, text!("a secret has another value now"))
    } else if diffs.iter().all(drifted) {
        (ReasonCode::Drift, by_hand(input, address, || text!("changed outside Amarre")))
    } else if let Some(what) = hands_over(input, wants, address, want, diffs) {
        (ReasonCode::DependencyReplaced, what)
    } else if diffs.iter().any(|diff| is_of_instance(want, &diff.field)) {
        (ReasonCode::DependencyReplaced, text!("follows the address of its instance"))
    } else if moved {
        (ReasonCode::DependencyReplaced, text!("follows its container"))
    } else if let Some(cause) = switched(input, address, want, diffs) {
        (ReasonCode::ManifestChanged, cause)
    } else {
        return changed(input, address, want, diffs);
    };
    Reason { code, text, origin: Some(want.origin.clone()) }
}

/// The container whose namespaces another one shared until that started again.
fn left_by<'a>(want: &'a Want, diffs: &[FieldDiff]) -> Option<&'a str> {
    diffs.iter().find(|diff| diff.field == JOINED)?;
    ["network_of", "pid_of", "ipc_of"].iter().find_map(|field| match want.fields.get(field)? {
        Value::Output { of, .. } => Some(of.name.as_str()),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Secret { .. } => None,
        Value::List(_) | Value::Map(_) => None,
    })
}

/// Whether a field is what an instance has.
fn is_of_instance(want: &Want, field: &str) -> bool {
    let is_it = |value: &Value| matches!(value, Value::Output { of, .. } if of.kind.is_instance());
    want.fields.get(field).is_some_and(|value| is_it(value) || value.items().iter().any(is_it))
}

/// The tick, the override or the rule by which a server is to have another power, though its manifest may be as it was.
fn switched(input: &Input<'_>, address: &Address, want: &Want, diffs: &[FieldDiff]) -> Option<Text> {
    // Nobody who switched it gave it another size.
    if diffs.iter().any(|diff| diff.field != "power") {
        return None;
    }
    let server = input.services.get(&want.service)?.server_at(address)?;
    let why = instance::wanted(input, server).why;
    match &why {
        Cause::Tick(_) | Cause::Override(..) => Some(why.text()),
        // It may be new, or followed again after an override.
        Cause::Level(power) => {
            Some(text!("{place} says power: {power}", place = place(&server.origin), power = power.as_str()))
        }
        Cause::Unmanaged | Cause::NoTickYet(_) => None,
    }
}

/// The line of a manifest that changed, or the key of amarre.yaml.
fn changed(input: &Input<'_>, address: &Address, want: &Want, diffs: &[FieldDiff]) -> Reason {
    let is_built = address.kind == Kind::Container && diffs.iter().any(|diff| diff.field == "image");
    if let Some(text) = app_commit(input, address, want).filter(|_| is_built) {
        return Reason { code: ReasonCode::ManifestChanged, text, origin: Some(want.origin.clone()) };
    }
    let origin = match provenance::of_diffs(input, address, want, diffs) {
        FieldSource::Key(origin) => origin,
        // What was never written by us cannot have followed another address before.
        FieldSource::Config(_) if !input.facts.applied.contains_key(address) => &want.origin,
        FieldSource::Config(_) if is_moved(input, want) => said_host(input, want),
        FieldSource::Config(key) => {
            let text = text!("amarre.yaml: {key} changed", key);
            return Reason { code: ReasonCode::ConfigurationChanged, text, origin: None };
        }
        FieldSource::Default => &want.origin,
    };
    let text = place_changed(input, origin);
    Reason { code: ReasonCode::ManifestChanged, text, origin: Some(origin.clone()) }
}

/// Whether its service was on another host: what leads to it leads elsewhere for that.
fn is_moved(input: &Input<'_>, want: &Want) -> bool {
    let service = input.services.get(&want.service);
    let Some(host) = service.and_then(|service| input.site.host_of(service)) else { return false };
    let is_elsewhere = |address: &Address| address.kind == Kind::Container && address.provider != host.docker;
    input.facts.applied.iter().any(|(address, row)| row.service == want.service && is_elsewhere(address))
}

/// The line that names the host.
fn said_host<'a>(input: &Input<'a>, want: &'a Want) -> &'a Origin {
    let service = input.services.get(&want.service);
    let root = service.and_then(|service| service.places.get(&service.origin));
    root.and_then(|root| root.get("host")).unwrap_or(&want.origin)
}

/// What a generation that is to be made has otherwise than the one that is there.
fn differences(input: &Input<'_>, address: &Address, want: &Want, seen: &Seen) -> Vec<FieldDiff> {
    let Some(schema) = input.schema(address) else { return Vec::new() };
    let mut wanted = compare::resolve(&want.fields, input.world);
    // A candidate gets its names later, and what the engine says of the image follows from the image.
    for later in ["name", "aliases", "running", "image_id", FOLLOWS] {
        wanted.remove(later);
    }
    compare::compare(schema, &wanted, &seen.fields, None).into_iter().map(|(_, diff)| diff).collect()
}

/// Whether it is as it was when a person took it over.
fn is_adopted(input: &Input<'_>, address: &Address) -> bool {
    input.facts.applied.get(address).is_some_and(|row| row.fields.flag(ADOPTED) == Some(true))
}

/// What is said of a mark that is there and only gets a signature.
fn unsigned<'a>(input: &'a Input<'_>, address: &Address, diffs: &[FieldDiff]) -> Option<&'a str> {
    let is_only_mark = diffs.iter().all(|diff| diff.field == "mark");
    input.world.seen.get(address).filter(|_| is_only_mark).and_then(self::signature)
}

/// What changes of a container because another generation comes or goes beside it.
fn hands_over(input: &Input<'_>, wants: &Wants, address: &Address, want: &Want, diffs: &[FieldDiff]) -> Option<Text> {
    let is_about_names = diffs.iter().all(|diff| ["name", "aliases"].contains(&diff.field.as_str()));
    if address.kind != Kind::Container || !is_about_names {
        return None;
    }
    let has_rival = wants.instances(input.world, address).keys().any(|other| other != address);
    match diffs.iter().any(|diff| diff.field == "name") {
        _ if want.keep_only => Some(text!("the other generation takes over")),
        true => Some(text!("takes the name")),
        false => has_rival.then(|| text!("takes over by name")),
    }
}

/// Why something goes.
pub fn of_delete(input: &Input<'_>, wants: &Wants, address: &Address, service: &str) -> Reason {
    let heir = wants.heir(address);
    let successor = generations(&wants.map, &heir).next();
    let manifest = input.services.get(service);
    let destroyed = input.facts.suspended.get(service).is_some_and(|suspension| suspension.destroy);
    let failure = failure(input, wants, address).filter(|_| successor.is_some());
    let (code, text, origin) = if address.kind == Kind::Certificate && !destroyed {
        (ReasonCode::DependencyReplaced, text!("nothing has used it for 30 days"), None)
    } else if destroyed {
        (ReasonCode::DestroyAsked, text!("amarre destroy {service}", service), None)
    } else if address.kind == Kind::Account {
        let seen = input.world.seen.get(address);
        let reservation = seen.and_then(|seen| seen.fields.text("reservation"));
        let text = reservation.map_or_else(
            || text!("its reservation is over"),
            |reservation| text!("{reservation} is over", reservation),
        );
        (ReasonCode::Reserved, text, None)
    } else if let Some(manifest) = manifest.filter(|_| is_job(input, address)) {
        (ReasonCode::DependencyReplaced, text!("its update is done with"), Some(manifest.origin.clone()))
    } else if let Some(failure) = failure {
        (ReasonCode::Rollback, text!("did not become ready: {why}", why = failures::in_parts(&failure.why)), None)
    } else if let (Some(what), Some(manifest)) = (moves_with(input, wants, address), manifest) {
        (ReasonCode::DependencyReplaced, what, Some(manifest.origin.clone()))
    } else if let Some((_, want)) = successor.filter(|_| address.generation.is_some()) {
        (ReasonCode::DependencyReplaced, text!("another container replaces it"), Some(want.origin.clone()))
    } else if let Some(manifest) = manifest {
        let origin = manifest.origin.clone();
        let file = &origin.file;
        let text = match input.facts.history.changed.get(file) {
            None => text!("{file} wants it no more", file),
            Some(commit) => text!(
                "{file} wants it no more, changed in {commit} ({author})",
                file,
                commit = commit.short(),
                author = &commit.author
            ),
        };
        (ReasonCode::ManifestChanged, text, Some(origin))
    } else if let Some((text, file)) = removed(input, service) {
        (ReasonCode::ManifestRemoved, text, Some(Origin { file, line: 0, column: 0 }))
    } else if input.is_never_had(service, address) {
        (
            ReasonCode::ManifestRemoved,
            text!("no manifest is called {service}, and this ledger never had one", service),
            None,
        )
    } else {
        (ReasonCode::ManifestRemoved, text!("the manifest of {service} was removed", service), None)
    };
    Reason { code, text, origin }
}

/// What is another than it was because a person rolls the service back is so for that, not for a manifest.
pub fn name_rollbacks(input: &Input<'_>, plan: &mut Plan) {
    for change in &mut plan.changes {
        let Some(by) = input.facts.rolling.get(&change.service) else { continue };
        let is_changed = match change.because.code {
            ReasonCode::ManifestNew
            | ReasonCode::ManifestChanged
            | ReasonCode::ConfigurationChanged
            | ReasonCode::ImageMoved => true,
            ReasonCode::ManifestRemoved
            | ReasonCode::Missing
            | ReasonCode::Drift
            | ReasonCode::DependencyReplaced
            | ReasonCode::DestroyAsked
            | ReasonCode::Rollback
            | ReasonCode::RollbackAsked
            | ReasonCode::Released
            | ReasonCode::Reserved => false,
        };
        if is_changed {
            change.because.code = ReasonCode::RollbackAsked;
            change.because.text = text!("rollback by {by}", by);
        }
    }
}

/// Why a generation has failed, if it has.
pub fn failure<'a>(input: &'a Input<'_>, wants: &'a Wants, address: &Address) -> Option<&'a Failure> {
    let found = wants.failed.iter().find(|failure| failure.address == *address);
    found.or_else(|| input.facts.failed.get(address))
}

fn is_job(input: &Input<'_>, address: &Address) -> bool {
    input.world.seen.get(address).is_some_and(|seen| seen.fields.get(job::FIELD).is_some())
}

/// What goes because a network is made anew, and why.
fn moves_with(input: &Input<'_>, wants: &Wants, address: &Address) -> Option<Text> {
    let fields = input.world.seen.get(address).map(|seen| &seen.fields);
    let attached_to = address.name.rsplit_once('/').filter(|_| address.kind == Kind::Attachment).map(|(on, _)| on);
    let is_on = |network: &Address| {
        attached_to == Some(network.name.as_str()) || fields.is_some_and(|fields| exclusive::is_on(fields, network))
    };
    let mut moving = wants.moving.iter().filter(|network| network.provider == address.provider);
    if wants.moving.contains(address) {
        return Some(text!("a subnet cannot change in place"));
    }
    moving.any(is_on).then(|| text!("its network is made anew"))
}

/// What is known of who did it, else that somebody did.
fn by_hand(input: &Input<'_>, address: &Address, somehow: impl Fn() -> Text) -> Text {
    input.facts.changed_by.get(address).map_or_else(somehow, Clone::clone)
}

/// `notes.yaml:3`.
fn place(origin: &Origin) -> String {
    format!("{}:{}", origin.file, origin.line)
}

/// The commit of an app's repository that its image is built from: its manifest is as it was.
fn app_commit(input: &Input<'_>, address: &Address, want: &Want) -> Option<Text> {
    let service = input.services.get(&want.service).filter(|service| service.app.is_some())?;
    let build = service.build()?;
    let is_its = address.name == build.image || want.fields.text("image") == Some(&build.image);
    let (commit, author) = (build.commit.short(), &build.commit.author);
    is_its.then(|| text!("commit {commit} ({author}) of its repository", commit, author))
}

/// That a line is another one, and by which commit where that is known.
fn place_changed(input: &Input<'_>, origin: &Origin) -> Text {
    let place = place(origin);
    match input.facts.history.changed.get(&origin.file) {
        None => text!("{place} changed", place),
        Some(commit) => {
            let (commit, author) = (commit.short(), &commit.author);
            text!("{place} changed in {commit} ({author})", place, commit, author)
        }
    }
}

/// Which commit took a service's manifest away, and out of which file.
fn removed(input: &Input<'_>, service: &str) -> Option<(Text, String)> {
    let history = &input.facts.history;
    let file = history.gone.get(service)?;
    let text = match (history.removed.get(file), history.changed.get(file)) {
        (Some(commit), _) => {
            let (commit, author) = (commit.short(), &commit.author);
            text!("{file} was removed in {commit} ({author})", file, commit, author)
        }
        (None, Some(commit)) => {
            let (commit, author) = (commit.short(), &commit.author);
            text!("{service} is no longer in {file}, changed in {commit} ({author})", service, file, commit, author)
        }
        (None, None) => return None,
    };
    Some((text, file.clone()))
}

fn target(diffs: &[FieldDiff]) -> Option<Value> {
    diffs.iter().find(|diff| diff.field == "forward_host").and_then(|diff| diff.to.clone())
}

/// What is to be said of a record's mark that is not signed as it would be now.
pub fn signature(seen: &Seen) -> Option<&str> {
    seen.fields.text("signature")
}
