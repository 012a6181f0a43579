//! HTTP in, the right call, HTTP out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::Response;
use serde_json::{Value, json};

use super::change::Target;
use super::keys::Key;
use super::state::{CloudListLack, Instance, Project, RegionCondition, State, no_such_instance};
use super::{Inner, catalogue, change, create, keys, shapes, snapshots};
use crate::ovh_api::{Call, Incoming, Reply, credential, no_such_object, no_such_service, no_such_url};

pub(super) async fn handle(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response<Body> {
    let request = Incoming::read(request).await;
    let mut state = inner.lock();
    let query = state.access.next_query();
    let names: Vec<&str> = request.names.iter().map(String::as_str).collect();
    if let Some(prices) = prices(&state, &request, &names) {
        return prices.response(&query);
    }
    let reply = match request.admit(&mut state.access, signed_as) {
        Ok(call) => dispatch(&mut state, &names, &call),
        Err(reply) => reply,
    };
    reply.response(&query)
}

/// Prices are public: they need no signature. That this is so of the older list, too, and that it has all flavours of all regions
/// for whoever names none, is guessed.
fn prices(state: &State, request: &Incoming, names: &[&str]) -> Option<Reply> {
    let asked = request.query();
    let parameter = |wanted: &str| asked.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    match (request.method.as_str(), names) {
        ("GET", ["order", "catalog", "public", "cloud"]) => Some(catalogue::prices(parameter("ovhSubsidiary"))),
        ("GET", ["cloud", "subsidiaryPrice"]) => {
            let regions = state.projects.values().flat_map(|project| &project.regions);
            let all = regions.flat_map(|region| catalogue::FLAVORS.iter().map(move |flavor| (flavor, region.clone())));
            let id = parameter("flavorId");
            let chosen: Vec<_> = all.filter(|(flavor, region)| id.is_none_or(|id| flavor.id(region) == id)).collect();
            Some(catalogue::older_prices(parameter("ovhSubsidiary"), &chosen))
        }
        _ => None,
    }
}

/// As the client wrote it, or as libcloud signs it: with https and without the port, whatever it connects to.
fn signed_as(host: &str, target: &str) -> Vec<String> {
    let name = host.split(':').next().unwrap_or_default();
    vec![format!("http://{host}{target}"), format!("https://{name}{target}")]
}

fn dispatch(state: &mut State, names: &[&str], call: &Call) -> Reply {
    match (call.method.as_str(), names) {
        ("GET", ["auth", "currentCredential"]) => Reply::ok(credential(&state.access)),
        ("GET", ["cloud", "project"]) => {
            let gone = |project: &&Project| project.status == "deleted";
            Reply::ok(
                state.projects.values().filter(|project| !gone(project)).map(|project| json!(project.id)).collect(),
            )
        }
        (_, ["cloud", "project", parts @ ..]) if parts.iter().any(|part| part.is_empty()) => no_such_url(),
        (_, ["cloud", "project", project, rest @ ..]) => in_project(state, project, rest, call),
        _ => no_such_url(),
    }
}

fn in_project(state: &mut State, id: &str, rest: &[&str], call: &Call) -> Reply {
    let Some(project) = state.projects.get(id).filter(|project| project.status != "deleted") else {
        return no_such_service();
    };
    let is_ready = project.status != "creating";
    match (call.method.as_str(), rest) {
        ("GET", []) => Reply::ok(shapes::project(project)),
        // What is in it cannot be read yet (terraform-provider-ovh issue 1288).
        _ if !is_ready => no_such_service(),
        ("GET", ["instance"]) => instances(state, project, call.parameter("region")),
        ("GET", ["instance", instance]) => instance_detail(state, project, instance),
        ("GET", ["region", region, "instance", rest @ ..]) => regional(state, project, region, rest),
        ("GET", rest) => shared(state, project, rest, call),
        (_, rest) => write(state, id, rest, call).unwrap_or_else(|refusal| refusal),
    }
}

/// What changes something. Projects, regions, networks, volumes, groups and backups are not changed here.
fn write(state: &mut State, project: &str, rest: &[&str], call: &Call) -> Result<Reply, Reply> {
    let target = |id| Target { project, id };
    let refusal = state.projects.get(project).and_then(Project::refusal_of_write).map_or(Ok(()), Err);
    match (call.method.as_str(), rest) {
        ("POST", ["instance"]) => refusal.and_then(|()| create::flat(state, project, call)),
        ("POST", ["region", region, "instance"]) => {
            refusal.and_then(|()| create::regional(state, project, region, call))
        }
        ("POST", ["instance", id, verb]) => change::post(state, target(id), verb, call),
        ("PUT", ["instance", id]) => change::rename(state, target(id), call),
        ("DELETE", ["instance", id]) => change::delete(state, target(id)),
        ("DELETE", ["snapshot", id]) => refusal.and_then(|()| snapshots::delete(state, project, id)),
        ("POST", ["sshkey"]) => refusal.and_then(|()| keys::post(state, project, call)),
        ("DELETE", ["sshkey", id]) => refusal.and_then(|()| keys::delete(state, project, id)),
        _ => Err(no_such_url()),
    }
}

/// What a server is made of, and what the project has beside servers.
fn shared(state: &State, project: &Project, rest: &[&str], call: &Call) -> Reply {
    let (regions, wanted) = (&project.regions, call.parameter("region"));
    let chosen = || regions.iter().filter(move |name| wanted.is_none_or(|wanted| wanted == name.as_str()));
    match rest {
        ["region"] => Reply::ok(json!(regions)),
        ["region", name] if regions.iter().any(|region| region == name) => {
            Reply::ok(catalogue::region(name, state.condition(name).status()))
        }
        ["flavor"] => Reply::ok(chosen().flat_map(|region| shapes::flavors(state, project, region)).collect()),
        ["flavor", id] => by_id(regions.iter().flat_map(|region| shapes::flavors(state, project, region)), id),
        ["image"] => {
            let images = chosen().flat_map(|region| shapes::images(state, region));
            let os = call.parameter("osType");
            Reply::ok(images.filter(|image| os.is_none_or(|os| image["type"] == os)).collect())
        }
        ["image", id] => by_id(regions.iter().flat_map(|region| shapes::images(state, region)), id),
        ["sshkey"] => Reply::ok(keys::list(project, wanted)),
        ["sshkey", id] => by_id(project.keys.iter().map(Key::detail), id),
        ["snapshot"] => Reply::ok(snapshots::list(state, project, wanted).into()),
        ["snapshot", id] => by_id(snapshots::list(state, project, None).into_iter(), id),
        ["operation"] => Reply::ok(operations(state, project).collect()),
        ["operation", id] => by_id(operations(state, project), id),
        ["quota"] => Reply::ok(regions.iter().map(|region| shapes::quota(project, region)).collect()),
        // That an unknown region is answered so is guessed.
        ["region", name] => no_such_object(name),
        _ => no_such_url(),
    }
}

fn operations(state: &State, project: &Project) -> impl Iterator<Item = Value> {
    project.operations.iter().map(|operation| operation.json(state.switches.operation_form))
}

fn by_id(mut all: impl Iterator<Item = Value>, id: &str) -> Reply {
    all.find(|item| item["id"] == id).map_or_else(|| no_such_object(id), Reply::ok)
}

/// All regions in one answer, without pages. A region that the project is not in has no servers, and a filter in the body,
/// where libcloud writes it, is none: both are guessed.
fn instances(state: &State, project: &Project, region: Option<&str>) -> Reply {
    let conditions = project.regions.iter().filter(|name| region.is_none_or(|region| region == name.as_str()));
    for name in conditions {
        let condition = state.condition(name);
        let fails = region.is_some() || condition == RegionCondition::DownListFails;
        if let Some(refusal) = condition.refusal(name).filter(|_| fails) {
            return refusal;
        }
    }
    let is_shown = |name: &str| {
        region.is_none_or(|region| region == name) && state.condition(name) != RegionCondition::DownListOmits
    };
    let is_listed = |it: &&Instance| is_shown(&it.region) && it.listed_from <= state.now();
    let shown = project.instances.values().filter(is_listed);
    let shown = shown.rev().enumerate().filter(|(place, it)| match &state.switches.list_lacks {
        None => true,
        Some(CloudListLack::Half) => place % 2 == 1,
        Some(CloudListLack::All) => false,
        Some(CloudListLack::Region(region)) => it.region != *region,
    });
    let shown: Vec<&Instance> = shown.map(|(_, instance)| instance).collect();
    let shown = shown.into_iter().rev();
    Reply::ok(shown.map(|instance| shapes::listed(state, project, instance)).collect())
}

fn instance_detail(state: &State, project: &Project, id: &str) -> Reply {
    let Some(instance) = project.instance(id, state.now()) else {
        return no_such_instance(id);
    };
    let refusal = state.condition(&instance.region).refusal(&instance.region);
    refusal.unwrap_or_else(|| Reply::ok(shapes::detailed(state, project, instance)))
}

fn regional(state: &State, project: &Project, region: &str, rest: &[&str]) -> Reply {
    if !project.has_region(region) {
        return no_such_object(region);
    }
    if let Some(refusal) = state.condition(region).refusal(region) {
        return refusal;
    }
    match rest {
        [] => {
            let is_listed = |it: &&Instance| it.region == region && it.listed_from <= state.now();
            Reply::ok(project.instances.values().filter(is_listed).map(shapes::summary).collect())
        }
        [id] => project
            .instance(id, state.now())
            .filter(|instance| instance.region == region)
            .map_or_else(|| no_such_instance(id), |instance| Reply::ok(shapes::summary(instance))),
        _ => no_such_url(),
    }
}
