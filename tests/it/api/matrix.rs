//! Every route without an account, and with every role: the table lists what each may do, and a route that is not in it
//! fails.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::{WEB, served_as, token};
use crate::cli::rig::{Rig, end};
use crate::web::browser::Browser;
use crate::web::typed;

/// The least client that may ask: `all` = every client, `look` = every client on this machine.
const ROUTES: &[(&str, &str)] = &[
    ("all", "GET /healthz"),
    ("all", "GET /readyz"),
    ("all", "GET /health"),
    ("all", "GET /errors/{code}"),
    ("all", "GET /api/v1/openapi.json"),
    ("all", "GET /api/v1/schema"),
    // Who has its secret may; without one nothing is there.
    ("all", "POST /webhooks/git"),
    ("look", "GET /metrics"),
    ("look", "GET /api/v1/status"),
    ("look", "GET /api/v1/services"),
    ("look", "GET /api/v1/services/{name}"),
    ("look", "GET /api/v1/drift"),
    ("look", "GET /api/v1/plan"),
    ("look", "GET /api/v1/subnets"),
    ("look", "GET /api/v1/apps"),
    ("look", "GET /api/v1/apps/{name}"),
    ("viewer", "GET /api/v1/apps/{name}/build-log"),
    ("look", "GET /api/v1/apps/{name}/deployments"),
    ("editor", "POST /api/v1/apps/{name}/new"),
    ("operator", "POST /api/v1/apps/{name}/deploy"),
    ("editor", "POST /api/v1/apps/{name}/stop"),
    ("editor", "POST /api/v1/apps/{name}/start"),
    ("look", "GET /api/v1/deployments"),
    ("look", "GET /api/v1/deployments/stats"),
    ("look", "GET /api/v1/deployments/{id}"),
    ("viewer", "GET /api/v1/deployments/{id}/log"),
    ("look", "GET /api/v1/frameworks"),
    ("look", "GET /api/v1/instance-manifests"),
    ("look", "GET /api/v1/instances"),
    ("look", "GET /api/v1/instances/{name}"),
    ("look", "GET /api/v1/instances/{name}/logs"),
    ("look", "GET /api/v1/instances/{name}/schedule"),
    ("editor", "POST /api/v1/instances/{name}/clone"),
    ("operator", "POST /api/v1/instances/{name}/console"),
    ("admin", "POST /api/v1/instances/{name}/delete"),
    ("admin", "POST /api/v1/instances/{name}/rebuild"),
    ("editor", "POST /api/v1/instances/{name}/resize"),
    ("operator", "POST /api/v1/instances/{name}/snapshot"),
    ("operator", "POST /api/v1/instances/{name}/follow-schedule"),
    ("operator", "POST /api/v1/instances/{name}/reboot"),
    ("operator", "POST /api/v1/instances/{name}/shelve"),
    ("operator", "POST /api/v1/instances/{name}/start"),
    ("operator", "POST /api/v1/instances/{name}/stop"),
    ("operator", "POST /api/v1/instances/{name}/unshelve"),
    ("member", "GET /api/v1/pools"),
    ("member", "GET /api/v1/pools/{name}"),
    ("viewer", "GET /api/v1/pools/{name}/history"),
    ("operator", "POST /api/v1/pools/{name}/disable"),
    ("operator", "POST /api/v1/pools/{name}/enable"),
    ("member", "POST /api/v1/pools/{name}/extend"),
    ("member", "POST /api/v1/pools/{name}/release"),
    ("member", "POST /api/v1/pools/{name}/reserve"),
    ("admin", "POST /api/v1/pools/{name}/forget"),
    ("member", "POST /api/v1/pools/{name}/leave"),
    ("admin", "POST /api/v1/pools/{name}/machines"),
    ("admin", "DELETE /api/v1/pools/{name}/machines/{machine}"),
    ("admin", "POST /api/v1/pools/{name}/register"),
    ("operator", "POST /api/v1/pools/{name}/reprovision"),
    ("admin", "POST /api/v1/pools/{name}/trust"),
    ("admin", "POST /api/v1/pools/{name}/unregister"),
    ("viewer", "GET /api/v1/preview"),
    ("look", "GET /api/v1/unmanaged"),
    ("viewer", "GET /api/v1/services/{name}/events"),
    ("viewer", "GET /api/v1/services/{name}/history"),
    ("viewer", "GET /api/v1/services/{name}/logs"),
    ("viewer", "GET /api/v1/logs"),
    ("viewer", "GET /api/v1/logs/follow"),
    ("viewer", "GET /api/v1/events"),
    ("viewer", "GET /api/v1/history"),
    ("viewer", "GET /api/v1/explain"),
    ("viewer", "GET /api/v1/trace"),
    ("viewer", "GET /api/v1/notifications"),
    ("admin", "POST /api/v1/notifications/{channel}/test"),
    // What is in the body decides; below.
    ("member", "POST /api/v1/act"),
    ("operator", "POST /api/v1/services/{name}/cancel"),
    ("operator", "POST /api/v1/services/{name}/reconcile"),
    ("operator", "POST /api/v1/services/{name}/resume"),
    ("operator", "POST /api/v1/services/{name}/restart"),
    ("operator", "POST /api/v1/services/{name}/retry"),
    ("operator", "POST /api/v1/services/{name}/rollback"),
    ("operator", "POST /api/v1/services/{name}/suspend"),
    ("viewer", "GET /api/v1/services/{name}/manifest"),
    ("editor", "PUT /api/v1/services/{name}/manifest"),
    ("editor", "DELETE /api/v1/services/{name}/manifest"),
    ("look", "GET /api/v1/templates"),
    ("editor", "POST /api/v1/services/{name}/template"),
    ("look", "GET /api/v1/validate"),
    ("operator", "GET /api/v1/doctor"),
    ("admin", "GET /api/v1/users"),
    ("admin", "POST /api/v1/users"),
    ("admin", "PATCH /api/v1/users/{email}"),
    ("admin", "DELETE /api/v1/users/{email}"),
    ("admin", "GET /api/v1/tokens"),
    ("admin", "POST /api/v1/tokens"),
    ("admin", "DELETE /api/v1/tokens/{token}"),
    ("admin", "GET /api/v1/audit"),
];

const ROLES: [&str; 5] = ["member", "viewer", "operator", "editor", "admin"];

/// Whether a client may; `who` is empty without credentials.
fn may(least: &str, who: &str, is_local: bool) -> bool {
    let rank = |role: &str| ROLES.iter().position(|known| *known == role);
    match least {
        "all" => true,
        "look" => who != "member" && (is_local || !who.is_empty()),
        least => rank(who).is_some_and(|rank_of_who| rank_of_who >= rank(least).unwrap()),
    }
}

async fn assert_all_are_known(rig: &Rig) {
    let document: Json = serde_json::from_str(&rig.get("/api/v1/openapi.json").await.unwrap().1).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Json)| {
        item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    let served: BTreeSet<String> = paths.iter().flat_map(methods).collect();
    let known: BTreeSet<String> = ROUTES.iter().map(|(_, route)| (*route).to_owned()).collect();
    assert_eq!(served, known, "each route stands in the matrix");
}

async fn ask_every_route(tokens: &mut BTreeMap<&str, Browser>, is_local: bool) {
    for (least, route) in ROUTES {
        let (method, path) = route.split_once(' ').unwrap();
        // No account and no resource has this name: what is let in changes nothing.
        let real = path.replace("{name}", "nothing").replace("{code}", "A0401");
        let real = real
            .replace("{email}", "nobody@example.org")
            .replace("{token}", "nothing")
            .replace("{id}", "4711")
            .replace("{machine}", "nothing")
            .replace("{channel}", "nothing");
        let real = if path.ends_with("/follow") { format!("{real}?name=nobody") } else { real };
        let body = (method != "GET" && method != "DELETE").then_some("[]");
        for (who, browser) in tokens.iter_mut() {
            let page = browser.json(method, &real, body).await;
            let let_in = !matches!(page.status, 401 | 403);
            assert_eq!(let_in, may(least, who, is_local), "{route} as `{who}`, local {is_local}: {page:?}");
            assert_eq!(page.status == 401, !let_in && who.is_empty(), "{route} as `{who}`: {page:?}");
            assert!(page.status < 500, "{route} as `{who}`: {page:?}");
        }
    }
}

/// What a command needs is decided by what it is.
async fn ask_every_act(tokens: &mut BTreeMap<&str, Browser>, is_local: bool) {
    for (least, act) in [
        ("viewer", json!({"rollback": {"service": "nothing", "dry_run": true}})),
        ("operator", json!({"rollback": {"service": "nothing"}})),
        ("viewer", json!({"restart": {"service": "nothing", "dry_run": true}})),
        ("operator", json!({"restart": {"service": "nothing"}})),
        ("operator", json!({"apply": {"timeout_ms": 0}})),
        ("operator", json!({"reconcile": {"service": "nothing", "timeout_ms": 0}})),
        ("operator", json!({"suspend": {"service": "nothing"}})),
        ("operator", json!({"resume": {"service": "nothing"}})),
        ("operator", json!({"cancel": {"service": "nothing"}})),
        ("operator", json!({"retry": {"service": "nothing", "timeout_ms": 0}})),
        ("operator", json!({"instance_start": {"instances": ["nothing"], "timeout_ms": 0}})),
        ("operator", json!({"instance_stop": {"instances": ["a:nothing"], "timeout_ms": 0}})),
        ("operator", json!({"instance_reboot": {"instances": ["nothing"], "timeout_ms": 0}})),
        ("operator", json!({"instance_shelve": {"instances": ["nothing"], "timeout_ms": 0}})),
        ("admin", json!({"instance_shelve": {"instances": ["a:nothing"], "timeout_ms": 0}})),
        ("admin", json!({"instance_unshelve": {"instances": ["nothing", "a:nothing"], "timeout_ms": 0}})),
        ("operator", json!({"instance_follow": {"instances": ["nothing"]}})),
        ("admin", json!({"instance_rebuild": {"instances": ["nothing"], "image": "Debian 13", "timeout_ms": 0}})),
        ("editor", json!({"instance_clone": {"instances": ["nothing"], "new_name": "other", "timeout_ms": 0}})),
        ("admin", json!({"instance_clone": {"instances": ["a:nothing"], "new_name": "other", "timeout_ms": 0}})),
        ("editor", json!({"instance_resize": {"instances": ["nothing"], "type": "b3-16", "timeout_ms": 0}})),
        ("admin", json!({"instance_resize": {"instances": ["a:nothing"], "type": "b3-16", "timeout_ms": 0}})),
        ("operator", json!({"instance_snapshot": {"instances": ["nothing"], "timeout_ms": 0}})),
        ("admin", json!({"instance_snapshot": {"instances": ["a:nothing"], "timeout_ms": 0}})),
        ("operator", json!({"instance_console": {"instances": ["nothing"]}})),
        ("admin", json!({"instance_console": {"instances": ["a:nothing"]}})),
        ("member", json!({"pool_reserve": {"pool": "nothing", "timeout_ms": 0}})),
        ("operator", json!({"pool_reserve": {"pool": "nothing", "users": ["a", "b"], "timeout_ms": 0}})),
        ("member", json!({"pool_extend": {"pool": "nothing", "reservations": ["r1"]}})),
        ("operator", json!({"pool_extend": {"pool": "nothing", "reservations": ["r1"], "others": true}})),
        ("member", json!({"pool_release": {"pool": "nothing", "all": true, "timeout_ms": 0}})),
        ("operator", json!({"pool_release": {"pool": "nothing", "all": true, "others": true, "timeout_ms": 0}})),
        ("operator", json!({"pool_enable": {"pool": "nothing", "machines": ["m1"]}})),
        ("operator", json!({"pool_disable": {"pool": "nothing", "machines": ["m1"]}})),
        ("admin", json!({"pool_forget": {"pool": "nothing", "person": "a@example.org"}})),
        ("member", json!({"pool_leave": {"pool": "nothing", "reservations": ["r1"]}})),
        ("operator", json!({"pool_leave": {"pool": "nothing", "reservations": ["r1"], "others": true}})),
        ("operator", json!({"pool_reprovision": {"pool": "nothing", "machines": ["m1"], "timeout_ms": 0}})),
        ("admin", json!({"pool_trust": {"pool": "nothing", "machines": ["m1"]}})),
        ("admin", json!({"pool_register": {"pool": "nothing", "name": "m1", "address": "192.0.2.1"}})),
        ("admin", json!({"pool_unregister": {"pool": "nothing", "machines": ["m1"], "timeout_ms": 0}})),
        ("operator", json!({"app_deploy": {"app": "nothing", "timeout_ms": 0}})),
        ("editor", json!({"app_deploy": {"app": "nothing", "ref": "v2", "timeout_ms": 0}})),
        ("editor", json!({"app_stop": {"app": "nothing", "timeout_ms": 0}})),
        ("editor", json!({"app_start": {"app": "nothing", "timeout_ms": 0}})),
        ("editor", json!({"app_new": {"app": "nothing", "url": "none", "dry_run": true}})),
        ("admin", json!({"instance_delete": {"instances": ["a:nothing"], "vendor_name": "nothing", "timeout_ms": 0}})),
        ("editor", json!({"apply": {"confirm_deletes": 1, "timeout_ms": 0}})),
        ("editor", json!({"destroy": {"services": ["nothing"], "timeout_ms": 0}})),
        ("admin", json!({"destroy": {"services": ["nothing"], "purge": true, "timeout_ms": 0}})),
        ("admin", json!({"adopt": {"thing": "nothing", "timeout_ms": 0}})),
        ("admin", json!({"adopt_unsigned": {"dry_run": true, "timeout_ms": 0}})),
        ("admin", json!({"release": {"thing": "nothing", "timeout_ms": 0}})),
        ("admin", json!({"rescue": {"dry_run": true, "npm": "nothing"}})),
    ] {
        for (who, browser) in tokens.iter_mut() {
            let page = browser.json("POST", "/api/v1/act", Some(&act.to_string())).await;
            let let_in = !matches!(page.status, 401 | 403);
            assert_eq!(let_in, may(least, who, is_local), "{act} as `{who}`: {page:?}");
            assert!(page.status < 500, "{act} as `{who}`: {page:?}");
        }
    }
}

/// The arguments of a request decide also where the path names what it is about.
async fn ask_verbs_by_path(tokens: &mut BTreeMap<&str, Browser>) {
    for (least, path, body) in [
        ("operator", "/api/v1/services/nothing/retry", json!({})),
        ("editor", "/api/v1/services/nothing/retry", json!({"create_again": true})),
        ("admin", "/api/v1/instances/a:nothing/shelve", json!({"timeout_ms": 0})),
        ("operator", "/api/v1/pools/nothing/release", json!({"all": true, "others": true, "timeout_ms": 0})),
    ] {
        for (who, browser) in tokens.iter_mut() {
            let page = browser.json("POST", path, Some(&body.to_string())).await;
            let let_in = !matches!(page.status, 401 | 403);
            assert_eq!(let_in, may(least, who, true), "{path} {body} as `{who}`: {page:?}");
        }
    }
}

#[tokio::test]
async fn every_route_serves_only_the_roles_that_may_use_it() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    assert_eq!(
        typed(&rig, "correct horse battery", &["user", "add", "a@example.org", "--role", "admin"], &[]).await.code,
        0
    );
    let mut tokens = BTreeMap::from([("", Browser::with_address(rig.port))]);
    for role in ROLES {
        tokens.insert(role, token(&rig, role, &["--role", role]).await);
    }
    for browser in tokens.values_mut() {
        browser.headers.retain(|(name, _)| name == "Authorization");
    }
    for is_local in [true, false] {
        let url = if is_local { json!({}) } else { json!({"url": "https://amarre.example.org"}) };
        let mut more = json!({"requests_per_minute": 100_000});
        more.as_object_mut().unwrap().extend(url.as_object().unwrap().clone());
        served_as(&rig, &more);
        let daemon = rig.daemon(&["--yes"], &[]).await;
        assert_all_are_known(&rig).await;
        ask_every_route(&mut tokens, is_local).await;
        ask_every_act(&mut tokens, is_local).await;
        ask_verbs_by_path(&mut tokens).await;
        assert_eq!(end(daemon).await, 0);
    }
}
