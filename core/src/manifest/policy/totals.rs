//! What all manifests together may make a vendor keep and list again at each look, and how many names a plan may hold.
//! One look is one answer for everybody: what fills it takes it from all.
//!
//! What was good before keeps its room, of the rest the smallest comes first, and who comes last is refused: a newcomer
//! takes nothing from others, and where all have little, all have room. Pure.
//!
//! | what | of one | together | word |
//! |---|---|---|---|
//! | bytes of labels, environment, commands and arguments of builds | container: a 128th (A0162) | an engine (A0162) | `limits.labels` |
//! | bytes of nginx's lines | manifest: a 16th (A0163) | an NPM (A0163) | `limits.advanced` |
//! | host names and records | (200 routes of 100 names) | everything (A0164) | `limits.names` |

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::service::{Container, Dns, EnvValue, Service};
use crate::model::site::{ManifestLimits, Share};
use crate::model::uses::{self, Use};
use crate::model::{Arg, Code, Site, Text};
use crate::text;

use super::cross_manifest::DraftService;
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};

/// 64 KiB by default: more than a process is started with on most systems.
const CONTAINERS_OF_A_HOST: usize = 128;
/// 256 KiB by default: a thousand pages of it.
const MANIFESTS_OF_AN_NPM: usize = 16;

/// What a service takes of [`ManifestLimits`].
pub fn share(service: &Service, site: &Site) -> Share {
    Share { claims: claims(&uses::of(service, site)), ..sizes(service) }
}

/// As [`share`], without the claims.
fn sizes(service: &Service) -> Share {
    let containers: usize = service.all_containers().map(texts).sum();
    let volumes = service.volumes.values().flat_map(|volume| volume.labels.iter().chain(&volume.options));
    let volumes: usize = volumes.map(|(name, text)| name.len() + text.len()).sum();
    let args = service.builds().flat_map(|build| &build.args);
    let args: usize = args.map(|(name, text)| name.len() + text.len()).sum();
    let records = if let Dns::Records(records) = &service.dns { records.len() } else { 0 };
    let domains = service.routes.iter().map(|route| &route.domains);
    let domains = domains.chain(service.answered.iter().map(|host| &host.domains));
    let domains = domains.chain(service.instance.iter().map(|instance| &instance.domains));
    let places = service.routes.iter().flat_map(|route| &route.locations).map(|location| &location.advanced);
    let hosts = service.routes.iter().map(|route| &route.advanced);
    let lines = hosts.chain(places).chain(service.answered.iter().map(|host| &host.advanced));
    Share {
        file: service.origin.file.to_string(),
        host: service.host.clone(),
        labels: containers + volumes + args,
        advanced: lines.map(String::len).sum(),
        names: domains.map(Vec::len).sum::<usize>() + records,
        claims: BTreeSet::new(),
    }
}

/// What no other manifest may have beside it. A digest is of this process only.
pub(crate) fn claims(uses: &BTreeSet<Use>) -> BTreeSet<u64> {
    let claim = |used: &Use| {
        let mut hasher = DefaultHasher::new();
        // A name that gets another type of record is the same name, and a port at another address the same port.
        let (kind, key) = used.claim_key()?;
        (kind.row().word, key).hash(&mut hasher);
        Some(hasher.finish())
    };
    uses.iter().filter_map(claim).collect()
}

/// The bytes of a container that an engine lists or tells of it each time.
fn texts(container: &Container) -> usize {
    let labels = container.labels.iter().map(|(name, text)| name.len() + text.len());
    let variables = container.environment.iter().map(|(name, value)| match value {
        EnvValue::Plain(text) => name.len() + text.len(),
        EnvValue::Secret(secret) => name.len() + secret.0.len(),
    });
    let command = container.command.iter().chain(&container.entrypoint).flatten().map(String::len);
    labels.chain(variables).chain(command).sum()
}

/// One of the limits.
struct Row {
    code: Code,
    /// What there is no room for: of a host, how much, how much is taken and of how much.
    refusal: fn(&str, [Arg; 3]) -> Text,
    word: &'static str,
    is_bytes: bool,
    count: fn(&Share) -> usize,
    most: fn(&ManifestLimits) -> usize,
    /// Who answers with all of it.
    vendor: fn(&Site, &str) -> String,
}

const ROWS: [Row; 3] = [
    Row {
        code: Code::A0162,
        refusal: |host, [count, all, most]| {
            text!(
                "no room for {count} of labels, environment and commands on host {host}: {all} of {most} are taken",
                count,
                host,
                all,
                most
            )
        },
        word: "labels",
        is_bytes: true,
        count: |share| share.labels,
        most: |limits| limits.labels,
        vendor: |site, host| site.hosts.get(host).map(|host| host.docker.to_string()).unwrap_or_default(),
    },
    Row {
        code: Code::A0163,
        refusal: |host, [count, all, most]| {
            text!(
                "no room for {count} of lines of `advanced` in the NPM of host {host}: {all} of {most} are taken",
                count,
                host,
                all,
                most
            )
        },
        word: "advanced",
        is_bytes: true,
        count: |share| share.advanced,
        most: |limits| limits.advanced,
        vendor: |site, host| {
            let npm = site.hosts.get(host).and_then(|host| host.npm.as_ref());
            npm.map(|npm| npm.provider.to_string()).unwrap_or_default()
        },
    },
    Row {
        code: Code::A0164,
        refusal: |_, [count, all, most]| {
            text!("no room for {count} host names and records: {all} of {most} are taken", count, all, most)
        },
        word: "names",
        is_bytes: false,
        count: |share| share.names,
        most: |limits| limits.names,
        vendor: |_, _| String::new(),
    },
];

/// Refuses what exceeds a limit, by itself or with what comes before it.
pub(super) fn check(drafts: &mut [DraftService<'_>], site: &Site) {
    for draft in drafts.iter_mut() {
        let problems = draft.good().map(|service| alone(service, site, draft.spot())).unwrap_or_default();
        draft.problems.extend(problems);
    }
    for row in &ROWS {
        together(drafts, site, row);
    }
}

/// What one container, or one manifest, has too much of.
fn alone(service: &Service, site: &Site, spot: Spot) -> Vec<Problem> {
    let mut problems = Vec::new();
    let most = site.limits.labels / CONTAINERS_OF_A_HOST;
    let containers = service.containers.iter().map(|(key, container)| (key, container.as_ref()));
    let all = containers.chain(service.jobs.iter().map(|(key, job)| (key, &job.container)));
    for (key, container) in all.filter(|(_, container)| texts(container) > most) {
        let message = text!(
            "labels, environment and commands of `{key}` come to {size}, at most {most}",
            key = shown(key),
            size = size(texts(container), true),
            most = size(most, true)
        );
        let second = text!(
            "ask the operator to raise `limits.{word}`, of which a container may have a 128th",
            word = ROWS[0].word
        );
        let hint = text!("{first}, or {second}", first = text!("deliver long texts as files"), second);
        problems.push(Problem::error(Code::A0162, spot, message).hint(hint));
    }
    let (said, most) = (sizes(service).advanced, site.limits.advanced / MANIFESTS_OF_AN_NPM);
    if said > most {
        let (size, most) = (size(said, true), size(most, true));
        let message = text!("lines of `advanced` come to {size}, at most {most}", size, most);
        let second = text!(
            "ask the operator to raise `limits.{word}`, of which a manifest may have a 16th",
            word = ROWS[1].word
        );
        let hint = text!("{first}, or {second}", first = text!("shorten them"), second);
        problems.push(Problem::error(Code::A0163, spot, message).hint(hint));
    }
    problems
}

fn together(drafts: &mut [DraftService<'_>], site: &Site, row: &Row) {
    let before = &site.shares;
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut order = Vec::new();
    let mut there: BTreeSet<&str> = BTreeSet::new();
    for (index, draft) in drafts.iter().enumerate() {
        let Some(service) = draft.good() else { continue };
        let share = sizes(service);
        there.extend(draft.name.as_deref());
        let known = before.get(&service.name).map(|known| (row.count)(known));
        let is_larger = known.is_some_and(|known| (row.count)(&share) > known);
        order.push((known.is_none(), is_larger, (row.count)(&share), index, share));
    }
    // What is broken or about to go is still there.
    for (_, share) in before.iter().filter(|(name, _)| !there.contains(name.as_str())) {
        *taken.entry((row.vendor)(site, &share.host)).or_default() += (row.count)(share);
    }
    order.sort();
    let most = (row.most)(&site.limits);
    for (_, _, count, index, share) in order.into_iter().filter(|(_, _, count, ..)| *count > 0) {
        let all = taken.entry((row.vendor)(site, &share.host)).or_default();
        if all.saturating_add(count) <= most {
            *all += count;
            continue;
        }
        let draft = &mut drafts[index];
        // Its last good text stays.
        *all += draft.name.as_ref().and_then(|name| before.get(name)).map_or(0, |known| (row.count)(known));
        draft.problems.push(too_much(row, count, *all, most, &share.host, draft.spot()));
    }
}

fn too_much(row: &Row, count: usize, all: usize, most: usize, host: &str, spot: Spot) -> Problem {
    let message = (row.refusal)(host, [count, all, most].map(|count| size(count, row.is_bytes)));
    let first = text!("what was there before and what is smaller goes first");
    let more = text!("have less of it, or ask the operator to raise `limits.{word}` in amarre.yaml", word = row.word);
    let hint = text!("{first}; {more}", first, more);
    Problem::error(row.code, spot, message).hint(hint)
}

fn size(count: usize, is_bytes: bool) -> Arg {
    match count {
        count if !is_bytes => count.into(),
        0..10_240 => text!("{n} bytes", n = count).into(),
        count => text!("{kib} KiB", kib = count.div_ceil(1024)).into(),
    }
}
