//! `GET /api/v1/services`: filtered, sorted, a page at a time.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::service_list;
use crate::engine::report::service_list::Only;
use crate::engine::report::status::{Health, ServiceStatus, Sync};
use crate::engine::{PassResult, report};

/// The largest page.
const LIMIT: usize = 1_000;
/// Sort keys.
pub const SORTS: [&str; 8] = ["name", "-name", "since", "-since", "sync", "-sync", "health", "-health"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServicesQuery {
    q: Option<String>,
    sync: Option<String>,
    health: Option<String>,
    host: Option<String>,
    only: Option<Only>,
    sort: Option<Sort>,
    limit: Option<u32>,
    cursor: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum Sort {
    #[default]
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameBack,
    #[serde(rename = "since")]
    Since,
    #[serde(rename = "-since")]
    SinceBack,
    #[serde(rename = "sync")]
    Sync,
    #[serde(rename = "-sync")]
    SyncBack,
    #[serde(rename = "health")]
    Health,
    #[serde(rename = "-health")]
    HealthBack,
}

impl ServicesQuery {
    fn matches(&self, pass: &PassResult, row: &ServiceStatus) -> bool {
        let is = |asked: &Option<String>, is: &str| asked.as_ref().is_none_or(|asked| asked == is);
        is(&self.sync, row.sync.word())
            && is(&self.health, row.health.word())
            && is(&self.host, &row.host)
            && self.only.is_none_or(|only| only.matches(pass, row))
            && self.q.as_ref().is_none_or(|text| service_list::is_about(pass, row, text))
    }
}

/// `GET /api/v1/services`
pub async fn services(State(handle): State<Handle>, Query(of): Query<ServicesQuery>) -> Response {
    let (syncs, healths) = (Sync::ALL.map(Sync::word), Health::ALL.map(Health::word));
    for (name, asked, known) in [("sync", &of.sync, &syncs[..]), ("health", &of.health, &healths[..])] {
        if asked.as_ref().is_some_and(|asked| !known.contains(&asked.as_str())) {
            return (StatusCode::BAD_REQUEST, format!("{name}: it is {}", known.join(", "))).into_response();
        }
    }
    let length = match super::page_length(of.limit, LIMIT) {
        Ok(length) => length,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    let (pass, _) = handle.last_pass();
    // By name, which also orders equal rows.
    let statuses = pass.statuses();
    let mut rows: Vec<&ServiceStatus> = statuses.values().filter(|row| of.matches(&pass, row)).collect();
    let since = |row: &ServiceStatus| pass.since.get(&row.name).map(|(_, at)| *at);
    let sort = of.sort.unwrap_or_default();
    match sort {
        Sort::Name | Sort::NameBack => (),
        Sort::Since | Sort::SinceBack => rows.sort_by_key(|row| since(row)),
        Sort::Sync | Sort::SyncBack => rows.sort_by_key(|row| row.sync),
        Sort::Health | Sort::HealthBack => rows.sort_by_key(|row| row.health),
    }
    if matches!(sort, Sort::NameBack | Sort::SinceBack | Sort::SyncBack | Sort::HealthBack) {
        rows.reverse();
    }
    let from = of.cursor.and_then(|at| usize::try_from(at).ok()).unwrap_or_default().min(rows.len());
    let to = (from + length).min(rows.len());
    let page: Vec<_> = rows[from..to].iter().map(|row| report::service_json(&pass, row)).collect();
    let next = (to < rows.len()).then_some(to);
    Json(json!({"schema": "amarre.status/v1", "services": page, "total": rows.len(), "next": next})).into_response()
}
