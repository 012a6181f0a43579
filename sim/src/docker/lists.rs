//! The list endpoints with their filters.

use serde_json::{Value, json};

use super::events::has_label;
use super::images::listed;
use super::merge::object;
use super::query::Query;
use super::show::status_word;
use super::state::{Answer, Container, State, refuse};

const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

/// `GET /containers/json`, newest first.
pub(super) fn containers(state: &State, query: &Query) -> Answer<Value> {
    let known = [
        "ancestor",
        "before",
        "expose",
        "exited",
        "health",
        "id",
        "isolation",
        "is-task",
        "label",
        "name",
        "network",
        "publish",
        "since",
        "status",
        "volume",
    ];
    let filters = query.filters(&known)?;
    if let Some(status) = filters.get("status").iter().find(|status| !STATES.contains(&status.as_str())) {
        return refuse(400, format!("Invalid filter 'status={status}'"));
    }
    // Asking for a state or for the newest ones looks at all of them.
    let limit = query.number("limit").filter(|limit| *limit > 0.0);
    let all = query.flag("all") || !filters.get("status").is_empty() || limit.is_some();
    let health = |container: &Container| container.health.as_ref().map_or("none", |health| health.status);
    let is_wanted = |container: &&Container| {
        let on = |wanted: &str| {
            container
                .networks
                .iter()
                .any(|(name, endpoint)| name == wanted || (endpoint.network_id == wanted && !wanted.is_empty()))
        };
        let mounted = |wanted: &str| {
            let mounts = &container.mounts;
            mounts.iter().any(|m| m.volume.as_deref() == Some(wanted) || m.shown["Destination"] == wanted)
        };
        let labels = container.config.get("Labels").unwrap_or(&Value::Null);
        (all || container.is_running())
            && filters.none_or("status", |wanted| wanted == status_word(container))
            && filters.none_or("id", |wanted| container.id.starts_with(wanted))
            && filters.name("name", &container.name)
            && filters.all("label", |wanted| has_label(labels, wanted))
            && filters.none_or("network", on)
            && filters.none_or("volume", mounted)
            && filters.none_or("health", |wanted| wanted == health(container))
            && filters.none_or("exited", |wanted| {
                container.finished.is_some() && !container.is_running() && wanted == container.exit_code.to_string()
            })
            && filters.none_or("ancestor", |wanted| {
                state.find_image(wanted).is_some_and(|at| state.images[at].id == container.image_id)
            })
    };
    let newest_first = state.containers.iter().enumerate().rev();
    let wanted = newest_first.filter(|(_, container)| is_wanted(container));
    let limit = limit.map_or(usize::MAX, |limit| limit as usize);
    let listed: Vec<Value> = wanted.take(limit).map(|(index, _)| state.listed(index)).collect();
    Ok(Value::Array(listed))
}

/// `GET /networks`; says nothing of containers.
pub(super) fn networks(state: &State, query: &Query) -> Answer<Value> {
    let known = ["dangling", "driver", "id", "label", "name", "scope", "type"];
    let filters = query.filters(&known)?;
    let mut listed = Vec::new();
    for (index, network) in state.networks.iter().enumerate() {
        let labels = object(&network.shown, "Labels");
        let own = matches!(network.name.as_str(), "bridge" | "host" | "none");
        let used = state.endpoints_on(&network.id).next().is_some();
        let fits = filters.name("name", &network.name)
            && filters.none_or("driver", |wanted| wanted == network.driver)
            && filters.none_or("id", |wanted| network.id.starts_with(wanted))
            && filters.none_or("scope", |wanted| wanted == "local")
            && filters.none_or("type", |wanted| (wanted == "builtin") == own)
            && filters.none_or("dangling", |wanted| matches!(wanted, "true" | "1") == (!used && !own))
            && filters.all("label", |wanted| has_label(&Value::Object(labels.clone()), wanted));
        if fits {
            listed.push(state.show_network(index, false));
        }
    }
    Ok(Value::Array(listed))
}

/// `GET /volumes`.
pub(super) fn volumes(state: &State, query: &Query) -> Answer<Value> {
    let filters = query.filters(&["dangling", "driver", "label", "name"])?;
    let mut listed = Vec::new();
    for (name, volume) in &state.volumes {
        let dangling = state.volume_users(name).is_empty();
        let fits = filters.name("name", name)
            && filters.none_or("driver", |wanted| wanted == volume.driver)
            && filters.none_or("dangling", |wanted| matches!(wanted, "true" | "1") == dangling)
            && filters.all("label", |wanted| has_label(&volume.labels, wanted));
        if fits {
            listed.push(state.show_volume(name)?);
        }
    }
    Ok(json!({"Volumes": listed, "Warnings": null}))
}

/// `GET /images/json`, newest first.
pub(super) fn images(state: &State, query: &Query) -> Answer<Value> {
    let filters = query.filters(&["before", "dangling", "label", "reference", "since"])?;
    let wanted = state.images.iter().rev().filter(|image| {
        let labels = listed(image)["Labels"].clone();
        filters.all("label", |wanted| has_label(&labels, wanted))
            && filters.none_or("dangling", |wanted| matches!(wanted, "true" | "1") == image.tags.is_empty())
            && filters.none_or("reference", |wanted| image.tags.iter().any(|tag| refers(wanted, tag)))
    });
    Ok(Value::Array(wanted.map(listed).collect()))
}

/// `name`, `name:tag` or `name:*`.
fn refers(pattern: &str, tag: &str) -> bool {
    let name = tag.rsplit_once(':').map_or(tag, |(name, _)| name);
    pattern == tag || pattern == name || pattern.strip_suffix(":*") == Some(name)
}
