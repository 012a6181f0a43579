//! `/api/v1/tokens` and `/api/v1/audit`: tokens of machines, and the audit log.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::Deserialize;
use serde_json::json;

use super::openapi::{self, Operation, line, list as array, or_null, roles, written};
use super::users::{accounts, error_answer};
use super::{ApiRoute, JsonBody};
use crate::accounts::{self, NewToken, Role};
use crate::engine::reconcile::daemon::Handle;
use amarre_core::model::{Millis, Timestamp};

const ALL: &str = "/api/v1/tokens";
const ONE: &str = "/api/v1/tokens/{token}";
/// The longest lifetime in days; a token without one does not end.
const EXPIRES_S_MAX: i64 = 10 * 365 * 24 * 60 * 60;
/// The default and the largest number of rows of the audit log.
const AUDIT: u32 = 100;
const AUDIT_MAX: u32 = 1_000;

pub(super) fn routes() -> Vec<ApiRoute> {
    let new = json!({
        "name": written("^[A-Za-z0-9._@-]{1,100}$"), "role": roles(), "services": array(written("^[^,]+$")),
        "user": or_null(line()),
        "expires_s": or_null(json!({"type": "integer", "minimum": 1, "maximum": EXPIRES_S_MAX})),
    });
    let made = json!({"$ref": "#/components/schemas/NewToken"});
    let audit =
        Operation::document("audit", "What people and machines did, and what was refused, the latest first", "Audit");
    let audit = audit.parameter(openapi::in_query("limit", "At most so many, 100 if not said", &openapi::small()));
    vec![
        ApiRoute::new(
            ALL,
            get(list),
            Operation::document("tokens", "What machines ask with", "Tokens").refuses(503, LEDGER).only(Role::Admin),
        ),
        ApiRoute::new(
            ALL,
            post(add),
            Operation::writes("post", "add_token", "Makes a token", Some((new, &["name", "role"])))
                .returns(201, "It is made; the token is shown this once", "application/json", &made)
                .refuses(404, "A1008: there is no such user")
                .refuses(409, "A1007: there is a token of this name")
                .refuses(503, LEDGER)
                .only(Role::Admin),
        ),
        ApiRoute::new(
            ONE,
            delete(remove),
            Operation::writes("delete", "remove_token", "Takes a token away", None)
                .parameter(openapi::in_path("token", "Its name"))
                .returns_nothing("It opens nothing any more")
                .refuses(404, "A1008: there is no such token")
                .refuses(503, LEDGER)
                .only(Role::Admin),
        ),
        ApiRoute::new(
            "/api/v1/audit",
            get(audited),
            audit
                .parameter(openapi::in_query(
                    "cursor",
                    "What was before: the `next` of another answer",
                    &openapi::small(),
                ))
                .checks_query()
                .refuses(503, LEDGER)
                .only(Role::Admin),
        ),
    ]
}

pub(super) const LEDGER: &str = "A0903: the ledger cannot be used";

async fn list(State(handle): State<Handle>) -> Response {
    match accounts(&handle).tokens().await {
        Ok(tokens) => Json(accounts::tokens_document(&tokens)).into_response(),
        Err(error) => error_answer(&error),
    }
}

/// A new token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    name: String,
    role: String,
    #[serde(default)]
    services: BTreeSet<String>,
    user: Option<String>,
    expires_s: Option<i64>,
}

async fn add(State(handle): State<Handle>, JsonBody(new): JsonBody<TokenRequest>) -> Response {
    let now = handle.now();
    let role = match new.role.parse() {
        Ok(role) => role,
        Err(error) => return error_answer(&error),
    };
    let expires = new.expires_s.map(|seconds| now + Millis::seconds(seconds.clamp(0, EXPIRES_S_MAX)));
    let token = NewToken { name: new.name, role, services: new.services, of: new.user, expires };
    let secret = match accounts(&handle).add_token(&token, now).await {
        Ok(secret) => secret,
        Err(error) => return error_answer(&error),
    };
    let body = json!({
        "name": token.name, "role": token.role.word(),
        "services": Some(&token.services).filter(|services| !services.is_empty()),
        "user": token.of, "created_at": now.rfc3339(), "expires_at": expires.map(Timestamp::rfc3339), "used_at": null,
        "token": secret.expose(),
    });
    let mut answer = (StatusCode::CREATED, Json(body)).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

async fn remove(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    match accounts(&handle).remove_token(&name).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error_answer(&error),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AuditOf {
    limit: Option<u32>,
    cursor: Option<u32>,
}

async fn audited(State(handle): State<Handle>, Query(asked): Query<AuditOf>) -> Response {
    let limit = asked.limit.unwrap_or(AUDIT).clamp(1, AUDIT_MAX);
    match accounts(&handle).audited(asked.cursor.map(i64::from), limit).await {
        Ok(rows) => {
            let next = rows.last().filter(|_| rows.len() == limit as usize).map(|one| one.id);
            let row = |one: &accounts::Audited| {
                let row = &one.row;
                json!({"id": one.id, "at": row.at.rfc3339(), "who": row.who, "address": row.address,
                    "action": row.action, "target": row.target, "result": row.result, "count": one.count,
                    "until_at": one.until.rfc3339()})
            };
            let rows: Vec<_> = rows.iter().map(row).collect();
            Json(json!({"schema": "amarre.audit/v1", "audit": rows, "next": next})).into_response()
        }
        Err(error) => error_answer(&error),
    }
}
