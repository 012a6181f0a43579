//! Images: which are asked for, when there is no room for one, and which go because nothing uses them.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use super::container::untagged;
use crate::model::app::{AppSource, Build};
use crate::model::plan::{Impact, Wait};
use crate::model::service::{Container, PullPolicy};
use crate::model::world::Pulled;
use crate::model::{
    Address, Arg, Change, Code, Expect, Fields, Gate, Hint, Kind, Need, Plan, ProviderId, Reason, ReasonCode, Refusal,
    Value, Verb, Want, Wants, platform,
};
use crate::plan::expansion::Expansion;
use crate::plan::input::Input;
use crate::plan::left_alone::is_left_alone;
use crate::text;

/// Wants the image of a container; answers what the container needs of it.
pub fn want(expansion: &mut Expansion<'_>, container: &Container, reference: &str) -> Need {
    let input = expansion.input;
    let docker = expansion.host.docker.clone();
    let address = Address::new(docker, Kind::Image, reference);
    if let Some(build) = expansion.service.builds().find(|build| build.image == reference) {
        let source = expansion.service.app.as_ref().map(|app| &app.source);
        let fields = Fields::default().with("build", build_value(source, build));
        let refusal = if input.world.seen.contains_key(&address) { None } else { no_room(input, &address) };
        expansion.want(address.clone(), fields, Vec::new(), &container.origin).refuse(refusal);
        return Need::present(address);
    }
    let seen = input.world.seen.get(&address);
    let mut fields = Fields::default();
    // A digest names one image for ever.
    let every = match container.pull_policy {
        PullPolicy::Every(span) if !reference.contains('@') => Some(span),
        PullPolicy::Every(_) | PullPolicy::Missing | PullPolicy::Never => None,
    };
    if every.is_some()
        && let Some(remote) = seen.and_then(|seen| seen.fields.get("remote"))
    {
        fields.set("digest", remote.clone());
    }
    let is_current =
        seen.is_some_and(|seen| fields.get("digest").is_none_or(|digest| seen.fields.get("digest") == Some(digest)));
    let asked_for = container.settings.get("platform").and_then(Value::as_text);
    let there = seen.and_then(|seen| seen.fields.text("platform"));
    let is_other = asked_for.zip(there).is_some_and(|(asked, there)| !platform::is_for(there, asked));
    let is_current = is_current && !is_other;
    let refusal = match container.pull_policy {
        PullPolicy::Never if seen.is_none() => Some(pull_is_off(reference, container)),
        _ if is_current => None,
        PullPolicy::Never | PullPolicy::Missing | PullPolicy::Every(_) => no_room(input, &address),
    };
    if let Some(why) = seen.and_then(|seen| seen.fields.text("unasked")).filter(|_| every.is_some()) {
        let why = Arg::Foreign(why.to_owned());
        let text = text!("whether there is a newer {reference} is not known: {why}", reference, why);
        expansion.note(Some(address.clone()), text);
    }
    let want = expansion.want(address.clone(), Fields::default(), Vec::new(), &container.origin);
    want.refuse(refusal);
    if let Some(asked) = asked_for {
        // A variant is nothing that an image has to say of itself; some engines say nothing at all.
        let wanted = if is_other || seen.is_none() { Some(asked) } else { there };
        let other = want.fields.text("platform").filter(|other| Some(*other) != wanted).map(str::to_owned);
        want.refuse(other.map(|other| two_platforms(reference, [asked, &other], container)));
        want.fields.extend(wanted.map(|wanted| ("platform".into(), Value::text(wanted))));
    }
    if let Some(digest) = fields.get("digest") {
        want.fields.set("digest", digest.clone());
    }
    if let Some(span) = every {
        // Several containers may share it: the shortest span counts.
        let known = want.fields.get("ask_every_ms").and_then(Value::as_int).unwrap_or(i64::MAX);
        want.fields.set("ask_every_ms", Value::Int(known.min(span.0)));
    }
    // One that is about to be pulled anew is not what a container is to be made from.
    if every.is_some() || is_other { Need::ready(address) } else { Need::present(address) }
}

/// What an image is built from, for whoever builds it: files by digest, or a commit of an app's repository.
fn build_value(source: Option<&AppSource>, build: &Build) -> Value {
    let text = |name: &str, value: &str| (name.to_owned(), Value::text(value));
    let mut entries = BTreeMap::from([
        text("context", &build.context),
        text("dockerfile", &build.dockerfile.digest),
        ("timeout_ms".to_owned(), Value::Int(build.timeout.0)),
        ("bases".to_owned(), Value::texts(build.bases.iter().cloned())),
        text("framework", &build.framework),
        ("args".to_owned(), Value::Map(build.args.iter().map(|(name, value)| text(name, value)).collect())),
    ]);
    match (&build.files, source) {
        (Some(files), _) => entries.extend([text("files", &files.digest)]),
        (None, Some(source)) => {
            entries.extend([text("source", &source.asset()), text("commit", &build.commit.id)]);
        }
        (None, None) => (),
    }
    if !build.moved.is_empty() {
        let moved = build.moved.iter().map(|(image, digest)| text(image, digest)).collect();
        entries.insert("moved".to_owned(), Value::Map(moved));
    }
    entries.extend(build.dockerfile_path.as_ref().map(|path| text("path", path)));
    entries.extend(build.target.as_ref().map(|target| text("target", target)));
    Value::Map(entries)
}

/// An engine keeps one image under one name.
fn two_platforms(reference: &str, [asked, other]: [&str; 2], container: &Container) -> Refusal {
    let origin = &container.origin;
    Refusal {
        code: Code::A0527,
        message: text!("image {reference} is asked for twice: for {asked} and for {other}", reference, asked, other),
        found: vec![origin.said_in()],
        hints: vec![Hint::text(text!("name one of them by its digest: `image: NAME@sha256:…`"))],
    }
}

fn pull_is_off(reference: &str, container: &Container) -> Refusal {
    let origin = &container.origin;
    Refusal {
        code: Code::A0526,
        message: text!("image {reference} is not there, and `pull_policy: never` forbids to pull it", reference),
        found: Vec::new(),
        hints: vec![Hint::text(text!(
            "bring it to the engine (docker load, docker build), or change `pull_policy` in {place}",
            place = format!("{}:{}", origin.file, origin.line)
        ))],
    }
}

/// A disk that is full takes everything down; a pull would be what fills it.
fn no_room(input: &Input<'_>, address: &Address) -> Option<Refusal> {
    let free = *input.world.free.get(&address.provider)?;
    let least = input.site.images.min_free;
    (free < least).then(|| Refusal {
        code: Code::A0525,
        message: text!(
            "image {name} is not pulled: the disk of {engine} is nearly full",
            name = &address.name,
            engine = &address.provider
        ),
        found: vec![(text!("free"), size(free).into()), ("images.min_free".into(), size(least).into())],
        hints: vec![
            Hint::command(text!("to see what takes the room"), "docker system df -v"),
            Hint::command(text!("images that no container uses, yours as well"), "docker image prune --all"),
        ],
    })
}

/// `1.4 GiB`, to one place after the point.
pub fn size(bytes: u64) -> String {
    let unit = |divisor: u64, name: &str| {
        let tenths = bytes / (divisor / 10);
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    };
    match bytes {
        _ if bytes >= 1 << 30 => unit(1 << 30, "GiB"),
        _ if bytes >= 1 << 20 => unit(1 << 20, "MiB"),
        _ => format!("{bytes} bytes"),
    }
}

/// Images that we pulled, that nothing uses, and of which there are enough newer ones for the same service. One with which
/// every container failed is no version to go back to.
pub fn clean_up(input: &Input<'_>, wants: &Wants, plan: &mut Plan) {
    let mut groups: BTreeMap<(&ProviderId, &str, &str), Vec<&Pulled>> = BTreeMap::new();
    for pulled in &input.facts.pulled {
        let key = (
            &pulled.provider,
            pulled.service.as_str(),
            untagged(pulled.reference.split('@').next().unwrap_or_default()),
        );
        groups.entry(key).or_default().push(pulled);
    }
    // Mostly nothing is beyond what stays.
    let in_use = LazyCell::new(|| ImagesInUse::by(input, wants));
    let mut going: BTreeSet<Address> = BTreeSet::new();
    for ((provider, service, _), mut pulled) in groups {
        if input.world.is_dark(provider) || is_left_alone(input, service) {
            continue;
        }
        let keep = kept(input, service);
        if pulled.len() <= keep {
            continue;
        }
        pulled.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.cmp(b)));
        let mut places = keep;
        for (index, pulled) in pulled.into_iter().enumerate() {
            if places > 0 && in_use.may_be_gone_back_to(pulled) {
                places -= 1;
                continue;
            }
            // What never worked stays while it is new: it may be tried again.
            if index < keep || in_use.is_asked_for(pulled) {
                continue;
            }
            let Some((address, gate)) = unused(input, wants, pulled) else { continue };
            if going.insert(address.clone()) {
                plan.changes.push(removal(input, address, pulled, gate));
            }
        }
    }
}

/// What manifests ask for, and what worked, by engine and reference.
struct ImagesInUse<'a> {
    /// Be it one that is not tried again.
    asked_for: BTreeSet<(&'a ProviderId, &'a str)>,
    ready: BTreeSet<(&'a ProviderId, &'a str)>,
    /// In this very look; what failed before stands in the ledger.
    failed: BTreeSet<(&'a ProviderId, &'a str)>,
}

impl<'a> ImagesInUse<'a> {
    fn by(input: &Input<'a>, wants: &'a Wants) -> Self {
        let image = |(address, want): (&'a Address, &'a Want)| {
            let is_container = address.kind == Kind::Container && !want.keep_only;
            let used = is_container.then(|| want.fields.text("image")).flatten();
            let own = (address.kind == Kind::Image).then_some(address.name.as_str());
            Some((&address.provider, own.or(used)?))
        };
        let ready = wants.good.iter().filter_map(|good| Some((&good.base.provider, good.fields.text("image")?)));
        let applied = &input.facts.applied;
        let failed = wants.failed.iter().filter_map(|failure| {
            Some((&failure.address.provider, applied.get(&failure.address)?.fields.text("image")?))
        });
        let asked_for = wants.map.iter().filter_map(image).collect();
        Self { asked_for, ready: ready.collect(), failed: failed.collect() }
    }

    fn is_asked_for(&self, pulled: &Pulled) -> bool {
        self.asked_for.contains(&(&pulled.provider, pulled.reference.as_str()))
    }

    /// Whether it counts among those that stay: not while it has still to prove itself, nor after it failed.
    fn may_be_gone_back_to(&self, pulled: &Pulled) -> bool {
        let key = (&pulled.provider, pulled.reference.as_str());
        let is_new = self.failed.contains(&key) || self.is_asked_for(pulled);
        self.ready.contains(&key) || pulled.ready.unwrap_or(!is_new)
    }
}

/// How many stay.
fn kept(input: &Input<'_>, service: &str) -> usize {
    let is_gone = !input.services.contains_key(service)
        && !input.facts.suspended.contains_key(service)
        && input.site.prune
        && !input.facts.prune_blocked;
    if is_gone { 0 } else { input.site.images.keep }
}

/// Where and when it can be removed, if nothing uses it and nobody else gave it a name.
fn unused(input: &Input<'_>, wants: &Wants, pulled: &Pulled) -> Option<(Address, Gate)> {
    let (world, facts) = (input.world, input.facts);
    let at = |name: &str| Address::new(pulled.provider.clone(), Kind::Image, name);
    let is_it = |address: &Address| {
        world.seen.get(address).is_some_and(|seen| seen.fields.text("id") == Some(pulled.id.as_str()))
    };
    let names: Vec<&Address> = world
        .of_kind(&pulled.provider, Kind::Image)
        .filter(|(_, seen)| seen.fields.text("id") == Some(pulled.id.as_str()))
        .map(|(address, _)| address)
        .collect();
    let ours = |name: &str| facts.pulled.iter().any(|known| known.id == pulled.id && known.reference == name);
    let is_somebodys = |address: &&&Address| {
        !address.name.contains('@') && !address.name.starts_with("sha256:") && !ours(&address.name)
    };
    let is_used = world
        .of_kind(&pulled.provider, Kind::Container)
        .any(|(_, container)| container.fields.text("image_id") == Some(pulled.id.as_str()));
    let is_wanted = names.iter().any(|address| wants.map.contains_key(*address));
    let good = |fields: &Fields| fields.text("image").is_some_and(|image| is_it(&at(image)));
    // Of a service that is gone for good there is nothing to go back to.
    let may_go_back = kept(input, &pulled.service) > 0;
    let is_good = may_go_back && facts.last_good.values().any(|(_, fields)| good(fields));
    if is_used || is_wanted || is_good || names.iter().any(|address| is_somebodys(&address)) {
        return None;
    }
    // A call whose outcome is not known may be on its way still.
    let left = names.iter().filter_map(|address| facts.open_intents.get(*address)).max();
    let settles =
        left.map(|left| Kind::Image.traits().settling.until(*left)).filter(|until| input.now.is_before(*until));
    let gate = settles.map_or(Gate::Now, |at| Gate::Until { at, what: Wait::Settle });
    [at(&pulled.reference), at(&pulled.id)].into_iter().find(is_it).map(|address| (address, gate))
}

fn removal(input: &Input<'_>, address: Address, pulled: &Pulled, gate: Gate) -> Change {
    let keep = kept(input, &pulled.service);
    let text = match keep {
        _ if keep > 0 && pulled.ready == Some(false) => {
            text!("nothing uses it, and no container was ever ready with it")
        }
        0 => text!("nothing uses it any more"),
        keep => {
            text!(keep; "nothing uses it any more; the newest one stays", "nothing uses it any more; the newest {keep} stay")
        }
    };
    let digest = input.world.seen.get(&address).map(|seen| seen.fields.digest()).unwrap_or_default();
    Change {
        service: pulled.service.clone(),
        verb: Verb::Delete,
        diff: Vec::new(),
        because: Reason { code: ReasonCode::DependencyReplaced, text, origin: None },
        impact: Impact::default(),
        expects: Expect::Unchanged { vendor_id: pulled.id.clone(), fields: digest },
        gate,
        address,
    }
}
