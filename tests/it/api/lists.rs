//! Lists: filters, orders and pages.

use serde_json::Value as Json;

use super::token;
use crate::cli::rig::{Rig, end};
use crate::support::eventually;

#[tokio::test]
async fn lists_are_filtered_sorted_and_read_page_by_page() {
    let rig = Rig::start().await;
    for (name, image) in [("alpha", "web:1"), ("beta", "web:1"), ("gamma", "web:2"), ("delta", "web:1")] {
        rig.file(&format!("services/{name}.yaml"), &format!("name: {name}\nimage: {image}\nport: 80\n"));
    }
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(120, "all is in sync", async || rig.json("/api/v1/status").await["summary"]["synced"] == 4).await;
    let mut viewer = token(&rig, "viewer", &[]).await;
    let mut list = async |path: &str| -> Json {
        let page = viewer.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        serde_json::from_str(&page.body).unwrap()
    };
    let names = |of: &Json| -> Vec<String> {
        of["services"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = "/api/v1/services";
    assert_eq!(names(&list(all).await), ["alpha", "beta", "delta", "gamma"]);
    assert_eq!(names(&list(&format!("{all}?sort=-name")).await), ["gamma", "delta", "beta", "alpha"]);
    assert_eq!(names(&list(&format!("{all}?q=WEB:2")).await), ["gamma"]);
    assert_eq!(names(&list(&format!("{all}?q=beta.example")).await), ["beta"]);
    assert_eq!(names(&list(&format!("{all}?sync=OutOfSync")).await), [""; 0]);
    assert_eq!(
        names(&list(&format!("{all}?sync=Synced&health=Healthy&host=default&limit=2")).await),
        ["alpha", "beta"]
    );
    assert_eq!(names(&list(&format!("{all}?only=no-tls&host=elsewhere")).await), [""; 0]);
    let (mut cursor, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = list(&format!("{all}?limit=3&sort=-name{cursor}")).await;
        assert_eq!(page["total"], 4);
        seen.extend(names(&page));
        pages += 1;
        let Some(next) = page["next"].as_u64() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((seen.join(" ").as_str(), pages), ("gamma delta beta alpha", 2));
    assert!(names(&list(&format!("{all}?cursor=99")).await).is_empty());
    for query in ["sort=size", "only=unmanaged-things", "limit=-1", "cursor=x", "sync=Broken"] {
        assert_eq!(viewer.get(&format!("{all}?{query}")).await.status, 400, "{query}");
    }
    // Events, the newest page first, each page the oldest first.
    let (mut cursor, mut ids, mut last) = (String::new(), Vec::new(), u64::MAX);
    loop {
        let page = viewer.get(&format!("/api/v1/events?limit=7{cursor}")).await;
        let page: Json = serde_json::from_str(&page.body).unwrap();
        let numbers: Vec<u64> =
            page["events"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted() && numbers.iter().all(|id| *id < last), "{numbers:?} before {last}");
        last = numbers.first().copied().unwrap_or(0);
        ids.extend(numbers);
        let Some(next) = page["next"].as_u64() else { break };
        cursor = format!("&cursor={next}");
    }
    let whole = viewer.get("/api/v1/events?limit=1000").await;
    let whole: Json = serde_json::from_str(&whole.body).unwrap();
    assert_eq!(ids.len(), whole["events"].as_array().unwrap().len());
    assert!(whole["next"].is_null());
    let runs = viewer.get("/api/v1/history?limit=1").await;
    let runs: Json = serde_json::from_str(&runs.body).unwrap();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
    assert_eq!(end(daemon).await, 0);
}
