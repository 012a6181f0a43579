//! The schemas of apps and deployments.

use serde_json::{Map, Value as Json, json};

use super::schemas::{base_keys, count, described, flag_type, list, object, or_null, text, time};
use crate::engine::report::deployments::states;

/// The schemas, by name.
pub(super) fn schemas() -> Map<String, Json> {
    let none = || json!({});
    let with_schema = |schema: &str, mut keys: Json| {
        keys["schema"] = json!({"const": schema});
        object(keys, none())
    };
    let all = json!({
        "Apps": with_schema("amarre.apps/v1", json!({"apps": list(object(app_keys(), none()))})),
        "App": with_schema("amarre.app/v1", app_keys()),
        "BuildLog": with_schema("amarre.build-log/v1", json!({
            "name": text(), "deployment": or_null(count()), "image": text(),
            "lines": described("All of it as text", list(text())), "builds": list(object(build_keys(), none())),
        })),
        "Deployments": with_schema("amarre.deployments/v1", json!({
            "deployments": list(object(deployment_keys(), none())), "stats": object(stats_keys(), none()),
        })),
        "Deployment": with_schema("amarre.deployment/v1", deployment_keys()),
        "DeploymentStats": with_schema("amarre.deployment-stats/v1", with_app(stats_keys())),
    });
    all.as_object().cloned().unwrap_or_default()
}

fn with_app(mut keys: Json) -> Json {
    keys["app"] = described("Null: of all", or_null(text()));
    keys
}

fn commit() -> Json {
    object(json!({"id": text(), "subject": text(), "author": text(), "at": time()}), json!({}))
}

fn app_keys() -> Json {
    json!({
        "name": text(), "repository": text(), "ref": text(), "path": text(),
        "pinned": described("The commit that its manifest names", or_null(text())), "state": {"enum": states()},
        "why": or_null(text()), "code": or_null(text()), "framework": or_null(text()), "image": or_null(text()),
        "deployment": described("The newest one", or_null(count())), "commit": or_null(commit()),
        "found": list(object(json!({"what": text(), "value": text(), "because": text()}), json!({}))),
        "notes": list(text()), "asked_at": or_null(time()),
        "next_ask_at": described("Its repository was asked for as often as may be", or_null(time())),
        "bases": described("The images that it is built from", list(object(base_keys(), json!({})))),
        "error": or_null(object(json!({"code": text(), "message": text()}), json!({}))),
    })
}

fn build_keys() -> Json {
    let step = json!({
        "name": text(), "state": {"enum": ["running", "done", "cached", "failed"]}, "began_at": or_null(time()),
        "ended_at": or_null(time()), "took_ms": or_null(count()), "lines": list(text()),
        "lost_lines": described("Lines before those, which are not kept", count()),
    });
    json!({
        "image": text(), "began_at": time(), "ended_at": described("Null: it runs", or_null(time())),
        "error": or_null(text()), "steps": list(object(step, json!({}))),
        "bases": described("The digest of each image that it began from", json!({"type": "object", "additionalProperties": text()})),
    })
}

fn deployment_keys() -> Json {
    json!({
        "id": count(), "app": text(), "state": {"enum": states()}, "why": or_null(text()), "code": or_null(text()),
        "commit": commit(), "skipped_commits": described("Those since the one before that came too fast", count()),
        "rollback": described("A person went back to it", flag_type()), "framework": or_null(text()),
        "image": or_null(text()), "has_image": described("One can go back to it", flag_type()),
        "began_at": time(), "build_began_at": or_null(time()), "build_ended_at": or_null(time()),
        "ran_at": or_null(time()), "ended_at": or_null(time()), "url": or_null(text()),
    })
}

fn stats_keys() -> Json {
    json!({
        "total": count(), "running": count(), "failed": count(), "ran": described("Those that ran at any time", count()),
        "success_rate": described("Percent of those that ran or failed; null: none did", or_null(count())),
        "build_s": described("The median of those that ran; null: none was built", or_null(count())),
    })
}
