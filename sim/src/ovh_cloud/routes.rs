//! HTTP in, the right call, HTTP out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::Response;
use serde_json::{Value, json};

use super::power::CloudVerb;
use super::state::{Project, RegionCondition, State, no_such_instance};
use super::{Inner, catalogue, shapes};
use crate::ovh_api::{Call, Incoming, Reply, bad_request, credential, no_such_object, no_such_service, no_such_url};

pub(super) async fn handle(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response<Body> {
    let request = Incoming::read(request).await;
    let mut state = inner.lock();
    let query = state.access.next_query();
    let names: Vec<&str> = request.names.iter().map(String::as_str).collect();
    if (request.method.as_str(), names.as_slice()) == ("GET", &["order", "catalog", "public", "cloud"]) {
        let asked = request.query();
        let subsidiary = asked.iter().find(|(name, _)| name == "ovhSubsidiary").map(|(_, value)| value.as_str());
        return catalogue::prices(subsidiary).response(&query);
    }
    let reply = match request.admit(&mut state.access, signed_as) {
        Ok(call) => dispatch(&mut state, &names, &call),
        Err(reply) => reply,
    };
    reply.response(&query)
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
        ("POST", ["instance", instance, verb]) => power(state, id, (instance, verb), call),
        ("GET", ["region", region, "instance", rest @ ..]) => regional(state, project, region, rest),
        ("GET", rest) => shared(state, project, rest, call),
        // Creating, changing and deleting are not simulated.
        _ => no_such_url(),
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
        ["flavor"] => Reply::ok(chosen().flat_map(|region| shapes::flavors(state, region)).collect()),
        ["flavor", id] => by_id(regions.iter().flat_map(|region| shapes::flavors(state, region)), id),
        ["image"] => {
            let images = chosen().flat_map(|region| shapes::images(state, region));
            let os = call.parameter("osType");
            Reply::ok(images.filter(|image| os.is_none_or(|os| image["type"] == os)).collect())
        }
        ["image", id] => by_id(regions.iter().flat_map(|region| shapes::images(state, region)), id),
        ["sshkey"] => Reply::ok(project.keys.iter().map(|key| shapes::key(project, key)).collect()),
        ["sshkey", id] => by_id(project.keys.iter().map(|key| shapes::key_detail(project, key)), id),
        ["operation"] => Reply::ok(project.operations.iter().map(shapes::operation).collect()),
        ["operation", id] => by_id(project.operations.iter().map(shapes::operation), id),
        ["quota"] => Reply::ok(regions.iter().map(|region| shapes::quota(project, region)).collect()),
        // That an unknown region is answered so is guessed.
        ["region", name] => no_such_object(name),
        _ => no_such_url(),
    }
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
    let shown = project.instances.values().filter(|instance| is_shown(&instance.region));
    Reply::ok(shown.map(|instance| shapes::listed(project, instance)).collect())
}

fn instance_detail(state: &State, project: &Project, id: &str) -> Reply {
    let Some(instance) = project.instances.get(id) else {
        return no_such_instance(id);
    };
    let refusal = state.condition(&instance.region).refusal(&instance.region);
    refusal.unwrap_or_else(|| Reply::ok(shapes::detailed(state, project, instance)))
}

fn regional(state: &State, project: &Project, region: &str, rest: &[&str]) -> Reply {
    if !project.regions.iter().any(|name| name == region) {
        return no_such_object(region);
    }
    if let Some(refusal) = state.condition(region).refusal(region) {
        return refusal;
    }
    let mut here = project.instances.values().filter(|instance| instance.region == region);
    match rest {
        [] => Reply::ok(here.map(shapes::summary).collect()),
        [id] => here
            .find(|instance| instance.id == *id)
            .map_or_else(|| no_such_instance(id), |instance| Reply::ok(shapes::summary(instance))),
        _ => no_such_url(),
    }
}

/// Answered `null` before anything is seen of it.
fn power(state: &mut State, project: &str, (id, verb): (&str, &str), call: &Call) -> Reply {
    let verb = match verb {
        "start" => CloudVerb::Start,
        "stop" => CloudVerb::Stop,
        "shelve" => CloudVerb::Shelve,
        "unshelve" => CloudVerb::Unshelve,
        "reboot" => match call.body["type"].as_str() {
            Some("soft") => CloudVerb::RebootSoft,
            Some("hard") => CloudVerb::RebootHard,
            // Guessed texts.
            Some(other) => {
                return bad_request(&format!(
                    "[type] Given data ({other}) does not belong to the RebootTypeEnum enumeration"
                ));
            }
            None => return bad_request("Missing parameter(s): type"),
        },
        _ => return no_such_url(),
    };
    let Some(found) = state.projects.get(project) else {
        return no_such_service();
    };
    // Known: writes fail. How, is guessed.
    if found.status != "ok" {
        let text = format!("Project {project} is {}", found.status);
        return Reply::error(403, "Client::Forbidden", &text);
    }
    let region = found.instances.get(id).map(|instance| instance.region.as_str());
    if let Some(refusal) = region.and_then(|region| state.condition(region).refusal_of_verb(region)) {
        return refusal;
    }
    match state.begin(project, id, verb) {
        Ok(()) => Reply::void(),
        Err(refusal) => refusal,
    }
}
