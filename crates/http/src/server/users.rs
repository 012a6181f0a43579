//! `/api/v1/users`: users and their roles.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use serde::Deserialize;
use serde_json::json;

use super::openapi::{Operation, line, roles};
use super::problem::problem;
use super::tokens::LEDGER;
use super::{ApiRoute, JsonBody};
use crate::accounts::{self, AccountError, Accounts, Role};
use crate::engine::reconcile::daemon::Handle;
use crate::secret::Secret;

const ALL: &str = "/api/v1/users";
const ONE: &str = "/api/v1/users/{email}";

pub(super) fn routes() -> Vec<ApiRoute> {
    let password = || json!({"type": "string", "minLength": 12});
    let new = json!({"email": line(), "name": line(), "role": roles(), "password": password()});
    let change = json!({"role": roles(), "password": password()});
    let made = json!({"$ref": "#/components/schemas/User"});
    vec![
        ApiRoute::new(
            ALL,
            get(list),
            Operation::document("users", "Who may sign in", "Users").refuses(503, LEDGER).only(Role::Admin),
        ),
        ApiRoute::new(
            ALL,
            post(add),
            Operation::writes(
                "post",
                "add_user",
                "Makes an account",
                Some((new, &["email", "name", "role", "password"])),
            )
            .returns(201, "It is made", "application/json", &made)
            .refuses(409, "A1007: there is such a user")
            .refuses(503, LEDGER)
            .only(Role::Admin),
        ),
        ApiRoute::new(
            ONE,
            patch(change_user),
            on_user(Operation::writes(
                "patch",
                "change_user",
                "Gives a user another role or password",
                Some((change, &[])),
            ))
            .returns_nothing("It is changed, and the user's sessions are ended"),
        ),
        ApiRoute::new(
            ONE,
            delete(remove),
            on_user(Operation::writes("delete", "remove_user", "Takes a user away", None))
                .returns_nothing("It is gone, with its sessions and tokens"),
        ),
    ]
}

/// An operation on the user that the path names.
fn on_user(operation: Operation) -> Operation {
    operation
        .parameter(json!({"name": "email", "in": "path", "required": true, "schema": line(),
            "description": "By which the user signs in"}))
        .refuses(404, "A1008: there is no such user")
        .refuses(409, "A1007: it is the last admin")
        .refuses(422, "A1007: something does not fit")
        .refuses(503, LEDGER)
        .only(Role::Admin)
}

pub(super) fn accounts(handle: &Handle) -> Accounts {
    Accounts::new(handle.ledger().clone())
}

pub(super) fn error_answer(error: &AccountError) -> Response {
    let status = match error {
        AccountError::Unknown(_) | AccountError::UnknownToken(_) => StatusCode::NOT_FOUND,
        AccountError::Known(_) | AccountError::KnownToken(_) | AccountError::LastAdmin(_) => StatusCode::CONFLICT,
        AccountError::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
        AccountError::Wrong(_) | AccountError::Locked(_) | AccountError::Busy => StatusCode::FORBIDDEN,
        AccountError::Ledger(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem(status, error.code(), &error.to_string(), error.hint())
}

async fn list(State(handle): State<Handle>) -> Response {
    match accounts(&handle).users().await {
        Ok(users) => Json(accounts::document(&users)).into_response(),
        Err(error) => error_answer(&error),
    }
}

/// A new user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    email: String,
    name: String,
    role: String,
    password: String,
}

async fn add(State(handle): State<Handle>, JsonBody(new): JsonBody<NewUser>) -> Response {
    let password = Secret::new(new.password);
    let now = handle.now();
    let made = match new.role.parse() {
        Ok(role) => accounts(&handle).add((&new.email, &new.name), role, &password, now).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(()) => {
            let user = json!({"email": new.email.trim().to_lowercase(), "name": new.name.trim(), "role": new.role,
                "created_at": now.rfc3339()});
            (StatusCode::CREATED, Json(user)).into_response()
        }
        Err(error) => error_answer(&error),
    }
}

/// The fields of a user that change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountChange {
    role: Option<String>,
    password: Option<String>,
}

async fn change_user(
    State(handle): State<Handle>,
    Path(email): Path<String>,
    JsonBody(change): JsonBody<AccountChange>,
) -> Response {
    let password = change.password.map(Secret::new);
    let done = match change.role.map(|role| role.parse()).transpose() {
        Ok(role) => accounts(&handle).change(&email, password.as_ref(), role).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error_answer(&error),
    }
}

async fn remove(State(handle): State<Handle>, Path(email): Path<String>) -> Response {
    match accounts(&handle).remove(&email).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error_answer(&error),
    }
}
