//! What goes wrong: projects and regions that are out of order, and answers that are lost.

use amarre_sim::Fault;
use amarre_sim::ovh_cloud::{CI_PROJECT, CloudVerb, RegionCondition};
use axum::http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::support::{Answer, ci, column, get, refused, server, start, verb};

#[tokio::test]
async fn a_suspended_project_is_read_and_not_written() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "build-1");
    cloud.set_project_status(CI_PROJECT, "suspended");
    assert_eq!(get(&cloud, &ci("")).await.body["status"], "suspended");
    assert_eq!(get(&cloud, &ci("/instance")).await.status, 200);
    refused(&verb(&cloud, &path, "stop").await, 403, "is suspended");
    assert_eq!(cloud.effects(), []);
    let (_, other) = server(&cloud, "SBG5", "web-1");
    assert_eq!(verb(&cloud, &other, "stop").await.status, 200);
}

#[tokio::test]
async fn a_project_begins_and_ends() {
    let cloud = start().await;
    cloud.set_project_status(CI_PROJECT, "creating");
    assert_eq!(get(&cloud, &ci("")).await.body["status"], "creating");
    refused(&get(&cloud, &ci("/instance")).await, 404, "This service does not exist");
    cloud.set_project_status(CI_PROJECT, "deleted");
    refused(&get(&cloud, &ci("")).await, 404, "This service does not exist");
    assert_eq!(get(&cloud, "/cloud/project").await.body.as_array().unwrap().len(), 1);
}

/// The answers to the list, the list of the region, a detail, the regional list, and a verb.
async fn answers(condition: RegionCondition) -> Vec<Answer> {
    let cloud = start().await;
    let (_, path) = server(&cloud, "BHS5", "cache-1");
    cloud.set_region("BHS5", condition);
    let region = get(&cloud, &ci("/region/BHS5")).await.body["status"].clone();
    assert_eq!(region == "UP", condition == RegionCondition::Up, "{region}");
    let mut answers = Vec::new();
    for path in [ci("/instance"), ci("/instance?region=BHS5"), path.clone(), ci("/region/BHS5/instance")] {
        answers.push(get(&cloud, &path).await);
    }
    answers.push(verb(&cloud, &path, "stop").await);
    assert_eq!(get(&cloud, &ci("/instance?region=GRA11")).await.status, 200);
    answers
}

#[tokio::test]
async fn a_region_is_down_in_more_than_one_way() {
    for (condition, statuses, servers) in [
        (RegionCondition::Up, [200; 5], 7),
        (RegionCondition::Maintenance, [200, 200, 200, 200, 503], 7),
        (RegionCondition::DownListFails, [500; 5], 0),
        (RegionCondition::DownListWhole, [200, 503, 503, 503, 503], 7),
        (RegionCondition::DownListOmits, [200, 503, 503, 503, 503], 5),
    ] {
        let answers = answers(condition).await;
        let seen: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(seen, statuses, "{condition:?}");
        let list = answers[0].body.as_array().map_or(0, Vec::len);
        assert_eq!(list, servers, "{condition:?}");
    }
}

#[tokio::test]
async fn an_answer_is_lost_before_or_after_the_effect() {
    let cloud = start().await;
    let (id, path) = server(&cloud, "GRA11", "build-1");
    let stop = format!("/1.0{path}/stop");
    cloud.server.faults.add("POST", &stop, 1, Fault::Before(500));
    assert_eq!(verb(&cloud, &path, "stop").await.status, 500);
    assert_eq!(cloud.effects(), []);
    cloud.server.faults.add("POST", &stop, 1, Fault::After(504));
    assert_eq!(verb(&cloud, &path, "stop").await.status, 504);
    assert_eq!(cloud.effects(), [(id.clone(), CloudVerb::Stop)]);
    refused(&verb(&cloud, &path, "stop").await, 409, "task_state");
    cloud.finish();
    assert_eq!(cloud.instance(&id).unwrap().status, "SHUTOFF");
    assert_eq!(cloud.writes().len(), 3);
}

#[tokio::test]
async fn too_many_calls_and_cut_connections() {
    let cloud = start().await;
    cloud.server.faults.add("GET", "/1.0/cloud/project", 1, Fault::TooMany(7));
    let answer = get(&cloud, &ci("/instance")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    cloud.server.faults.add("GET", "/1.0/order", 1, Fault::CutAfter);
    let url = format!("{}/order/catalog/public/cloud?ovhSubsidiary=FR", cloud.endpoint());
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(Request::get(url).body(Full::<axum::body::Bytes>::default()).unwrap()).await;
    let body = match answer {
        Ok(answer) => {
            http_body_util::BodyExt::collect(answer.into_body()).await.map(drop).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    assert!(body.is_err());
    assert_eq!(column(&get(&cloud, &ci("/instance")).await.body, "name").len(), 7);
}
