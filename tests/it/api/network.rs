//! Beyond this machine: what is needed before it is served there, and how much one may ask.

use serde_json::json;

use super::{WEB, code, served_as, token};
use crate::cli::rig::{Rig, end};
use crate::web::browser::Browser;
use crate::web::typed;

const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn unauthenticated_requests_from_the_network_are_refused() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let port = rig.port;
    for more in [json!({"listen": format!("0.0.0.0:{port}")}), json!({"url": "https://amarre.example.org"})] {
        served_as(&rig, &more);
        let refused = rig.run(&["run", "--yes"]).await;
        assert!(refused.code == 1 && refused.err.contains("A0204"), "{more}: {refused:?}");
        assert!(!refused.err.contains("/setup"), "no link for whoever comes first: {refused:?}");
    }
    assert_eq!(typed(&rig, PASSWORD, &["user", "add", "alice@example.org", "--role", "admin"], &[]).await.code, 0);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let as_host = |name: &str| {
        let mut browser = Browser::with_address(port);
        browser.headers.push(("Host".to_owned(), name.to_owned()));
        browser
    };
    assert_eq!(as_host("evil.example.net").get("/login").await.status, 421);
    let mut browser = as_host("amarre.example.org");
    for path in ["/healthz", "/readyz", "/health", "/login", "/api/v1/openapi.json", "/errors/A0401"] {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
    }
    // Pages lead to where one signs in; what they are made of tells nothing.
    for path in ["/", "/services/web", "/runs", "/network", "/certificates", "/new", "/live"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 303, "{path}");
        assert_eq!(page.location(), format!("/login?back={path}"));
    }
    let login = browser.get("/login").await.body;
    assert!(!login.contains("services @") && !login.contains("/network"), "{login}");
    for path in ["/api/v1/status", "/api/v1/services", "/api/v1/plan", "/metrics", "/api/v1/events"] {
        let mut program = as_host("amarre.example.org");
        program.headers.retain(|(name, _)| name == "Host");
        let refused = program.get(path).await;
        assert_eq!((refused.status, code(&refused).as_str()), (401, "A1010"), "{path}");
    }
    let signed = browser.signs_in("alice@example.org", PASSWORD).await;
    assert_eq!(signed.status, 303);
    let cookie = &signed.headers["set-cookie"];
    for part in ["Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(browser.get("/").await.status, 200);
    let mut reader = token(&rig, "prometheus", &[]).await;
    reader.headers.push(("Host".to_owned(), "amarre.example.org".to_owned()));
    assert!(reader.get("/metrics").await.body.contains("amarre_build_info"));
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_client_over_its_rate_waits_and_health_still_answers() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    served_as(&rig, &json!({"requests_per_minute": 40, "trusted_proxies": ["127.0.0.1"]}));
    let mut admin = token(&rig, "admin", &["--role", "admin"]).await;
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut statuses = Vec::new();
    let refused = loop {
        let page = admin.get("/api/v1/status").await;
        statuses.push(page.status);
        if page.status != 200 {
            break page;
        }
        assert!(statuses.len() < 100, "{statuses:?}");
    };
    assert_eq!((refused.status, code(&refused).as_str()), (429, "A1012"), "{statuses:?}");
    assert!(statuses.len() > 15, "{statuses:?}");
    let wait: u32 = refused.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    for path in ["/healthz", "/readyz", "/health"] {
        assert_eq!(admin.get(path).await.status, 200, "{path}");
    }
    // The proxy reports the client: other clients do not have to wait.
    let mut elsewhere = Browser::with_address(rig.port);
    elsewhere.headers.push(("X-Forwarded-For".to_owned(), "192.0.2.7".to_owned()));
    assert_eq!(elsewhere.get("/api/v1/status").await.status, 200);
    // What makes work is counted by who asks, from wherever.
    let mut statuses = Vec::new();
    for number in 0..6 {
        let mut from = admin.clone();
        from.headers.push(("X-Forwarded-For".to_owned(), format!("198.51.100.{number}")));
        statuses.push(from.json("POST", "/api/v1/services/web/resume", Some("{}")).await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn invalid_server_settings_are_refused() {
    let rig = Rig::start().await;
    for (more, says) in [
        (json!({"url": "amarre.example.org"}), "server.url"),
        (json!({"url": "https://amarre.example.org/below"}), "server.url"),
        (json!({"url": "ftp://amarre.example.org"}), "server.url"),
        (json!({"trusted_proxies": ["npm"]}), "server.trusted_proxies"),
        (json!({"requests_per_minute": 0}), "server.requests_per_minute"),
    ] {
        served_as(&rig, &more);
        let refused = rig.run(&["user", "list"]).await;
        assert!(
            refused.code == 1 && refused.err.contains("A0201") && refused.err.contains(says),
            "{more}: {refused:?}"
        );
    }
    served_as(&rig, &json!({}));
    let environment = [("AMARRE_SERVER_REQUESTS_PER_MINUTE", "900"), ("AMARRE_SERVER_TRUSTED_PROXIES", "10.0.0.1")];
    assert_eq!(rig.run_with(&["user", "list"], &environment).await.code, 0);
}

/// What is measured only where there is some of it.
const SOMETIMES: [&str; 15] = [
    "amarre_acme_budget_limit",
    "amarre_acme_budget_remaining",
    "amarre_app_state",
    "amarre_certificate_expiry_timestamp_seconds",
    "amarre_deployments_total",
    "amarre_drift_resources",
    "amarre_guard_stops_total",
    "amarre_instance_action_duration_seconds",
    "amarre_instance_actions_total",
    "amarre_instance_attention",
    "amarre_instance_cost_per_hour",
    "amarre_instance_info",
    "amarre_instance_power",
    "amarre_instance_saved_total",
    "amarre_source_fetch_total",
];

/// Every name in the dashboard, in the alert rules and on the page is one that is served.
#[tokio::test]
async fn metrics_cover_dashboards_and_alerts() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    crate::support::eventually(60, "web runs", async || rig.json("/api/v1/services/web").await["sync"] == "Synced")
        .await;
    let hosts = rig.npm.rows(amarre_sim::npm::Kind::ProxyHost);
    let host = hosts.iter().find(|host| host["domain_names"][0] == "web.example.org").unwrap();
    rig.npm.edit_proxy_host(host["id"].as_u64().unwrap(), &json!({"forward_port": 9999}));
    assert_eq!(rig.run(&["reconcile"]).await.code, 0);
    let metrics = async || rig.get("/metrics").await.unwrap().1;
    crate::support::eventually(60, "it is counted", async || metrics().await.contains("amarre_drift_detected_total{"))
        .await;
    let served = metrics().await;
    for line in [
        "amarre_changes_total{kind=\"container\",action=\"create\",result=\"done\"} 1",
        "amarre_drift_detected_total{kind=\"proxy-host\"} 1",
        "amarre_reconcile_total{result=\"applied\"}",
        "amarre_reconcile_duration_seconds_count{phase=\"total\"}",
        "amarre_provider_request_duration_seconds_count{provider=\"npm\"}",
        "amarre_provider_limiter_wait_seconds_count{provider=\"npm\"}",
        "amarre_http_requests_total{route=\"/api/v1/services/{name}\",code=\"200\"}",
        "amarre_subnets{pool=\"10.77.0.0/16\",state=\"leased\"} 1",
        "amarre_dns_propagation_seconds_count 1",
    ] {
        assert!(served.contains(line), "no {line} in\n{served}");
    }
    let families: Vec<&str> =
        served.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(families.len(), families.iter().collect::<std::collections::BTreeSet<_>>().len(), "each is there once");
    let is_served = |name: &str| {
        let ends = ["_total", "_bucket", "_count", "_sum"];
        families.contains(&name)
            || ends.iter().any(|end| name.strip_suffix(end).is_some_and(|name| families.contains(&name)))
    };
    let mut wrong = Vec::new();
    for text in [
        include_str!("../../../deploy/grafana/amarre.json"),
        include_str!("../../../deploy/prometheus/alerts.yaml"),
        include_str!("../../../docs/http.md"),
    ] {
        let is_word = |char: char| char.is_ascii_lowercase() || char == '_';
        for (at, _) in text.match_indices("amarre_") {
            let is_begin = !text[..at].ends_with(|char: char| is_word(char) || char == '.' || char == '/');
            let name = text[at..].split(|char| !is_word(char)).next().unwrap();
            if is_begin && !is_served(name) {
                wrong.push(name);
            }
        }
    }
    wrong.retain(|name| !SOMETIMES.contains(name));
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(end(daemon).await, 0);
}
