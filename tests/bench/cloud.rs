//! What a cloud of 2,000 servers in 10 projects and 12 regions costs beside one of 100, all with a manifest: the list, the page,
//! the plan; and how often the vendor is asked in an idle minute.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use amarre_sim::ovh_cloud::{OvhCloud, OvhCloudOptions};
use serde_json::json;

use crate::rows;
use crate::support::rig::Rig;

/// Servers, projects, regions.
const SMALL: (usize, usize, usize) = (100, 2, 3);
const LARGE: (usize, usize, usize) = (2_000, 10, 12);
const LARGE_SMOKE: (usize, usize, usize) = (200, 4, 6);
/// The fastest try counts.
const TRIES: usize = 5;
/// How much longer twenty times as many servers may take.
const RATIO_MAX: f64 = 25.0;
const IDLE: Duration = Duration::from_secs(125);

pub async fn compare(is_smoke: bool) {
    let large = if is_smoke { LARGE_SMOKE } else { LARGE };
    let (few, many) = (measure(SMALL, None).await, measure(large, (!is_smoke).then_some(IDLE)).await);
    let title = format!("servers at a cloud: {} beside {}", large.0, SMALL.0);
    println!("{title:<44} {:>10} {:>10} {:>7}  aim", large.0, SMALL.0, "ratio");
    for ((what, many), few) in WHAT.into_iter().zip(many.took).zip(few.took) {
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        let (many, few) = (many.as_secs_f64() * 1000.0, few.as_secs_f64() * 1000.0);
        println!("{:<44} {many:>8.1} ms {few:>8.1} ms {ratio:>6.2}×  {RATIO_MAX}", format!("  {what}"));
        rows::note(&format!("{} servers beside {}: {what}", large.0, SMALL.0), ratio, RATIO_MAX, "×", 1);
    }
    if let Some(calls) = many.idle_calls {
        println!("{:<44} {calls:>10}", format!("  calls in {} s, {} projects", IDLE.as_secs(), large.1));
    }
}

const WHAT: [&str; 4] = ["list by the API, a page of 50", "list by the API, all", "page /instances", "plan"];

struct CloudCosts {
    took: [Duration; 4],
    idle_calls: Option<usize>,
}

async fn measure((servers, projects, regions): (usize, usize, usize), idle: Option<Duration>) -> CloudCosts {
    let mut rig = Rig::start().await;
    let cloud = OvhCloud::start(OvhCloudOptions::many(servers, projects, regions)).await.unwrap();
    let keys = OvhCloudOptions::dozen();
    let account = json!({"endpoint": cloud.endpoint(), "application_key": keys.application_key,
        "application_secret": keys.application_secret, "consumer_key": keys.consumer_key});
    rig.settings.insert("clouds".to_owned(), json!({"paris": {"ovh": account}}));
    rig.settings.insert("policy".to_owned(), json!({"instances": ["paris:*"]}));
    // As it is where nothing says otherwise.
    rig.settings.insert("reconcile".to_owned(), json!({"interval": "1m"}));
    rig.configure();
    // By regions: one file does not hold them all.
    let options = OvhCloudOptions::many(servers, projects, regions);
    let regions: BTreeSet<String> = options.projects.iter().flat_map(|project| &project.regions).cloned().collect();
    for region in regions {
        let manifests = rig.run(&["instance", "manifests", "--region", &region]).await;
        assert_eq!(manifests.code, 0, "{manifests}");
        rig.write(&format!("{region}.yaml"), &manifests.out);
    }
    let daemon = rig.daemon().await;
    daemon.wait_until_settled().await;
    let list = fastest(async || assert_eq!(daemon.json("/api/v1/instances?limit=50").await["total"], servers)).await;
    let all = fastest(async || assert_eq!(daemon.json("/api/v1/instances?limit=1000").await["total"], servers)).await;
    let page = fastest(async || assert_eq!(daemon.get("/instances").await.map(|(status, _)| status), Some(200))).await;
    let plan = fastest(async || {
        let planned = rig.run(&["plan"]).await;
        assert_eq!(planned.code, 0, "{planned}");
    })
    .await;
    let mut idle_calls = None;
    if let Some(span) = idle {
        let before = cloud.server.journal.calls().len();
        tokio::time::sleep(span).await;
        idle_calls = Some(cloud.server.journal.calls().len() - before);
    }
    daemon.stop().await;
    CloudCosts { took: [list, all, page, plan], idle_calls }
}

async fn fastest(what: impl AsyncFn()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let began = Instant::now();
        what().await;
        best = best.min(began.elapsed());
    }
    best
}
