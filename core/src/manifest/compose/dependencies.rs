//! What waits for what: `depends_on` between containers of a service, `jobs` before its updates, `needs` between services.
//!
//! | | names | a circle | an unknown name |
//! |---|---|---|---|
//! | `depends_on` of a container | containers of the service | A0172 | A0111 |
//! | `depends_on` of a job | containers and jobs of the service | A0172 | A0111 |
//! | `needs` | other manifests | A0172 | A0111, unless a file is broken that may hold it |

use std::collections::{BTreeMap, BTreeSet};

use super::container::ContainerRead;
use super::{container, unsupported};
use crate::manifest::limits::{CONTAINERS_MAX, NAME_CHARS_MAX};
use crate::manifest::policy::cross_manifest;
use crate::manifest::reader::{Reader, nearest, nothing_else};
use crate::manifest::resolve;
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::manifest::yaml::tree::{Entry, Node, NodeData};
use crate::model::service::{Condition, Container, ContainerNetwork, Dependency, Job, Needed, may_end};
use crate::model::{Code, Millis, Text};
use crate::text;

/// A job that says nothing else has failed when it still runs after this: dumps of large databases take long.
const TIMEOUT: Millis = Millis::minutes(60);
/// A job that runs longer is one that hangs.
const TIMEOUT_MAX: Millis = Millis::minutes(24 * 60);
/// More is not read by anybody, and would be one order for everything.
const NEEDS_MAX: usize = 50;

/// `depends_on:` of a container or job, and the names in it with their places.
pub(crate) fn depends_on(reader: &mut Reader<'_>) -> (BTreeMap<String, Dependency>, Vec<PlacedText>) {
    let mut wanted = BTreeMap::new();
    let mut siblings = Vec::new();
    let Some(node) = reader.node("depends_on") else { return (wanted, siblings) };
    let scope = reader.scope;
    match &node.data {
        NodeData::List(_) => {
            siblings = scope.texts(node, "`depends_on`").unwrap_or_default();
            wanted.extend(siblings.iter().map(|sibling| (sibling.text.clone(), Dependency::STARTED)));
        }
        NodeData::Map(entries) => {
            for entry in entries {
                siblings.push(PlacedText { text: entry.key.clone(), spot: entry.key_spot });
                wanted.extend(dependency(scope, &entry.value).map(|dependency| (entry.key.clone(), dependency)));
            }
        }
        NodeData::Scalar(_) => scope.wrong_type(node, "`depends_on`", text!("a list or a map")),
    }
    (wanted, siblings)
}

fn dependency(scope: &Scope<'_>, node: &Node) -> Option<Dependency> {
    let conditions = text!("`service_started`, `service_healthy` or `service_completed_successfully`");
    let mut reader = Reader::open(scope, node, text!("an entry of {list}", list = "`depends_on`"), "depends_on.")?;
    let text = reader.required("condition", conditions.clone());
    let is_optional = reader.flag("required") == Some(false);
    let follows = reader.flag("restart") == Some(true);
    reader.finish(&nothing_else);
    let text = text?;
    let condition = match text.text.as_str() {
        "service_started" => Condition::Started,
        "service_healthy" => Condition::Healthy,
        "service_completed_successfully" => Condition::Completed,
        _ => {
            scope.not_allowed(&text, "`depends_on.condition`", conditions);
            return None;
        }
    };
    Some(Dependency { condition, is_optional, follows })
}

/// `needs: [postgres]`.
pub(crate) fn needs(reader: &mut Reader<'_>) -> Vec<Needed> {
    let mut needs: Vec<Needed> = Vec::new();
    let scope = reader.scope;
    let spot = reader.key_spot("needs");
    for text in reader.texts("needs") {
        if let Some(why) = resolve::why_not_a_label(&text.text, NAME_CHARS_MAX) {
            scope.not_allowed(&text, text!("an item of {list}", list = "`needs`"), why);
        } else if text.text == scope.name {
            scope.error(Code::A0172, text.spot, text!("{name} needs itself", name = text.text));
        } else if needs.iter().any(|known| known.service == text.text) {
            scope.error(Code::A0106, text.spot, text!("`{name}` stands in `needs` twice", name = text.text));
        } else {
            needs.push(Needed { service: text.text.clone(), origin: scope.origin(text.spot) });
            scope.claims.borrow_mut().needs.push((text.text, text.spot));
        }
    }
    if needs.len() > NEEDS_MAX {
        let message = text!("{n} names in `needs`, at most {most}", n = needs.len(), most = NEEDS_MAX);
        scope.error(Code::A0108, spot, message);
    }
    needs
}

/// `jobs: {backup: {image: …}}`, each with the names that it depends on.
pub(crate) fn jobs(
    reader: &mut Reader<'_>,
    containers: &BTreeMap<String, Option<ContainerRead>>,
) -> BTreeMap<String, Job> {
    let mut jobs = BTreeMap::new();
    let Some(node) = reader.node("jobs") else { return jobs };
    let scope = reader.scope;
    let NodeData::Map(entries) = &node.data else {
        scope.wrong_type(node, "`jobs`", text!("a map"));
        return jobs;
    };
    if entries.is_empty() {
        scope.error(Code::A0105, reader.key_spot("jobs"), text!("`jobs` names no job"));
    }
    if entries.len() > CONTAINERS_MAX {
        let message = text!("{n} jobs in one service, at most {most}", n = entries.len(), most = CONTAINERS_MAX);
        scope.error(Code::A0108, reader.key_spot("jobs"), message);
        return jobs;
    }
    let mut named = Vec::new();
    for entry in entries {
        why_not_a_job(scope, entry, containers);
        if entry.value.is_null() {
            let message = text!("job `{name}` has no value", name = shown(&entry.key));
            scope.error_hint(Code::A0104, entry.key_spot, message, text!("it needs at least `image:`"));
            continue;
        }
        let what = text!("job `{name}`", name = shown(&entry.key));
        let Some(mut inner) = Reader::open(scope, &entry.value, what, "") else { continue };
        let read = job(&mut inner);
        inner.finish(&unsupported::container_key);
        let Some((job, siblings)) = read else { continue };
        named.extend(siblings);
        jobs.insert(
            entry.key.clone(),
            Job { container: Container { origin: scope.origin(entry.key_spot), ..job.container }, ..job },
        );
    }
    let keys: Vec<&str> = containers.keys().chain(jobs.keys()).map(String::as_str).collect();
    for sibling in named.iter().filter(|sibling| !keys.contains(&sibling.text.as_str())) {
        let what = text!("`depends_on` of a job names containers and jobs of the same service");
        unknown_sibling(scope, sibling, &keys, what);
    }
    job_circle(scope, &jobs, &named);
    jobs
}

/// A job is called otherwise than everything else of the service: Docker knows it under its name, too.
fn why_not_a_job(scope: &Scope<'_>, entry: &Entry, containers: &BTreeMap<String, Option<ContainerRead>>) {
    if let Some(why) = resolve::why_not_a_label(&entry.key, NAME_CHARS_MAX) {
        let message = text!("a job cannot be called `{name}`", name = shown(&entry.key));
        scope.error_hint(Code::A0106, entry.key_spot, message, why);
    } else if containers.contains_key(&entry.key) {
        let message = text!("a container and a job are both called `{name}`", name = &entry.key);
        scope.error_hint(Code::A0120, entry.key_spot, message, text!("give the job another name"));
    } else if entry.key == scope.name {
        let message = text!("a job cannot be called `{name}`, as its service is", name = &entry.key);
        scope.error_hint(Code::A0120, entry.key_spot, message, text!("give the job another name, as in `backup`"));
    }
}

/// One job: the keys of a container, less what means nothing for what runs once.
fn job(reader: &mut Reader<'_>) -> Option<(Job, Vec<PlacedText>)> {
    let never = [
        ("ports", text!("nobody asks a job for anything; leave it out")),
        ("networks", text!("a job is on the service's network; leave it out")),
        ("container_name", text!("a job is called SERVICE-JOB; leave it out")),
        ("healthcheck", text!("a job is done when it ends with code 0; leave it out")),
        ("mac_address", text!("leave it out")),
    ];
    let scope = reader.scope;
    for (key, hint) in never.into_iter().filter(|(key, _)| reader.has(key)) {
        let message = text!("`{key}` does not belong in a job", key);
        scope.error_hint(Code::A0174, reader.key_spot(key), message, hint);
    }
    let said = timeout(reader);
    let restart = reader.key_spot("restart");
    let ContainerRead { container, siblings, is_restart_said, .. } = container::container(reader, false)?;
    if is_restart_said && container.restart != "no" {
        let message = text!("`restart: {policy}` does not belong in a job", policy = shown(&container.restart));
        scope.error_hint(Code::A0174, restart, message, text!("a job runs once; leave it out"));
    }
    if container.joins().next().is_some() {
        let hint = text!("a job runs while containers are replaced; leave it on the service's network");
        scope.error_hint(Code::A0174, reader.spot, text!("a job cannot share a namespace of a container"), hint);
    }
    if let Some(followed) = container.follows().next() {
        let spot = siblings.iter().find(|sibling| sibling.text == *followed).map_or(reader.spot, |text| text.spot);
        let message = text!("`{key}` does not belong in a job", key = "depends_on.restart: true");
        scope.error_hint(Code::A0174, spot, message, text!("a job runs once; leave it out"));
    }
    let container = Container { restart: "no".to_owned(), ..container };
    Some((Job { container, timeout: said.unwrap_or(TIMEOUT) }, siblings))
}

fn timeout(reader: &mut Reader<'_>) -> Option<Millis> {
    const LEAST: Millis = Millis::seconds(1);
    let text = reader.text("timeout")?;
    match resolve::duration_ms(&text.text).map(Millis) {
        Ok(span) if (LEAST..=TIMEOUT_MAX).contains(&span) => return Some(span),
        Ok(_) => reader.scope.not_allowed(&text, "`timeout`", text!("1s to 24h")),
        Err(hint) => reader.scope.not_allowed(&text, "`timeout`", hint),
    }
    None
}

/// Jobs must not wait for one another in a circle.
fn job_circle(scope: &Scope<'_>, jobs: &BTreeMap<String, Job>, named: &[PlacedText]) {
    let good: BTreeMap<&str, &Container> = jobs.iter().map(|(key, job)| (key.as_str(), &job.container)).collect();
    let Some(circle) = cross_manifest::circle(&good) else { return };
    let spot = named.iter().find(|text| circle.contains(&text.text.as_str())).map_or(Spot::at(1, 1), |text| text.spot);
    scope.error(Code::A0172, spot, text!("`depends_on` of jobs goes in a circle: {circle}", circle));
}

/// `depends_on` of containers must name containers of the service, and not go in a circle.
pub(crate) fn siblings(scope: &Scope<'_>, containers: &BTreeMap<String, Option<ContainerRead>>) {
    let names: Vec<&str> = containers.keys().map(String::as_str).collect();
    for read in containers.values().flatten() {
        for sibling in read.siblings.iter().filter(|sibling| !containers.contains_key(&sibling.text)) {
            let what = text!("`depends_on` and `service:` name containers of the same service");
            unknown_sibling(scope, sibling, &names, what);
        }
    }
    let good: BTreeMap<&str, &Container> =
        containers.iter().filter_map(|(key, read)| Some((key.as_str(), &read.as_ref()?.container))).collect();
    if let Some(circle) = cross_manifest::circle(&good) {
        let spot = circle_spot(containers, &circle);
        scope.error(Code::A0172, spot, text!("`depends_on` goes in a circle: {circle}", circle));
    }
}

fn unknown_sibling(scope: &Scope<'_>, sibling: &PlacedText, names: &[&str], what: Text) {
    let hint = match nearest(&sibling.text, names) {
        Some(near) => text!("did you mean `{near}`?", near),
        None => what,
    };
    let message = text!("unknown container `{name}`", name = shown(&sibling.text));
    scope.error_hint(Code::A0111, sibling.spot, message, hint);
}

fn circle_spot(containers: &BTreeMap<String, Option<ContainerRead>>, circle: &[&str]) -> Spot {
    let on_circle: BTreeSet<&str> = circle.iter().copied().collect();
    let first = circle.first().and_then(|key| containers.get(*key)).and_then(Option::as_ref);
    let sibling = first.and_then(|read| read.siblings.iter().find(|sibling| on_circle.contains(sibling.text.as_str())));
    sibling.map_or(Spot::at(1, 1), |sibling| sibling.spot)
}

/// A container whose end is waited for must be one that ends: it is not restarted, unless that is said; what is said
/// must let it end.
pub(crate) fn tasks(
    scope: &Scope<'_>,
    containers: &mut BTreeMap<String, Option<ContainerRead>>,
    jobs: &BTreeMap<String, Job>,
) {
    let mut waited: BTreeMap<String, Spot> = BTreeMap::new();
    for read in containers.values().flatten() {
        let ends = read.siblings.iter().filter(|sibling| read.container.waits_for_end_of(&sibling.text));
        waited.extend(ends.map(|sibling| (sibling.text.clone(), sibling.spot)));
    }
    for (job, key) in jobs.values().flat_map(|job| job.container.depends_on.keys().map(move |key| (job, key))) {
        if job.container.waits_for_end_of(key) {
            let origin = &job.container.origin;
            waited.entry(key.clone()).or_insert(Spot::at(origin.line, origin.column));
        }
    }
    for (key, spot) in waited {
        let Some(Some(read)) = containers.get_mut(&key) else { continue };
        if !read.is_restart_said {
            "no".clone_into(&mut read.container.restart);
        } else if !may_end(&read.container.restart) {
            let policy = &read.container.restart;
            let message = text!("`{key}` is waited for to end, and has `restart: {policy}`", key = &key, policy);
            let hint = text!(
                "write {example} in `{key}`, or wait for it with `condition: service_healthy`",
                example = "`restart: \"no\"`",
                key = &key,
            );
            scope.error_hint(Code::A0173, spot, message, hint);
        }
        if read.container.network_mode == ContainerNetwork::Own && !read.container.ports.is_empty() {
            let message = text!("`{key}` is waited for to end, and publishes a port", key);
            let hint = text!("what others ask over a port does not end; leave one of the two out");
            scope.error_hint(Code::A0173, spot, message, hint);
        }
    }
}
