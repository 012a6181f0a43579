//! A pool in the form of a server of machines that was there before Amarre, on a listener of its own: whoever calls it changes address
//! and token, and nothing else. Each call is a verb of the table, or a reading of the last pass; nothing is decided here.
//!
//! | call | is |
//! |---|---|
//! | `GET /available`, `/machines`, `/reservations` | the pool as the last pass found it |
//! | `POST /machines`, `DELETE /machines/NAME` | `pool_register`, `pool_unregister` |
//! | `POST /reserve` | `pool_reserve`, and `pool_leave` where it would wait |
//! | `POST /release_all` | `pool_release` of everything |

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Extension, Form, FromRequest, Path, Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::auth::{self, AccessControl, AuditDetail, Identity, Permission, RouteGuard};
use super::problem::{self, PROBLEM, problem};
use super::{BODY_BYTES_MAX, run_to_end, stopping};
use crate::engine::commands::act::VerbRow;
use crate::engine::commands::reservation_drafts::crypt;
use crate::engine::commands::verbs::{POOL_LEAVE, POOL_REGISTER, POOL_RELEASE, POOL_RESERVE, POOL_UNREGISTER};
use crate::engine::commands::{self, Act, CommandAnswer, ProgressStep, Refused};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::pools::{self, MachineRow, MachineState, PoolRow};
use crate::secret::Secret;
use amarre_core::model::pool::is_user_name;
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Code, Millis, Timestamp};
use amarre_core::plan::render::Style;

/// How long a caller waits for accounts; they come also when they take longer.
const WAIT_MS: i64 = Millis::seconds(60).0;
/// Minutes of a reservation that names none.
const DURATION: u32 = 60;
/// Steps are shown on the command line only.
const STEPS_MAX: usize = 16;
/// A pool has a thousand machines at most.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
const INDEX: &str = "\
GET  /healthz        whether it runs
GET  /available      machines with their states
GET  /machines       machines, and as whom they are signed in to
POST /machines       name, host, port, user, password, host_key
DELETE /machines/NAME   ?drain=1 waits until nobody has it
POST /reserve        username, password, count, duration in minutes
POST /release_all
GET  /reservations   who has machines, and for how long
";

/// Why a call is not carried out.
type NotDone = Box<Response>;

/// What the calls are about.
#[derive(Clone)]
struct Compat {
    handle: Handle,
    pool: String,
}

/// The router of a pool's listener; `access` is that of this listener. `is_pretty`: every answer is indented.
pub fn pool(handle: Handle, access: &AccessControl, pool: String, is_pretty: bool) -> Router {
    let guarded = |needs: Permission, action: &'static str, path: &'static str, call: MethodRouter<Compat>| {
        let guard = RouteGuard { access: access.clone(), needs, action, path: path.into(), works: false };
        call.route_layer(middleware::from_fn_with_state(guard, auth::guard_route))
    };
    let look = |path, call| guarded(Permission::LookAsMember, "compat_pool", path, call);
    // Who may do something is said once, by the row of its verb.
    let verb = |act: Act, path, call| {
        let role = (act.row.role)(&act.args, true);
        guarded(Permission::Role(role), act.row.word, path, call)
    };
    let one = "/machines/{name}";
    let machines = look("/machines", get(machines)).merge(verb(Act::new(&POOL_REGISTER), "/machines", post(register)));
    let (unregister, reserve) = (
        verb(Act::new(&POOL_UNREGISTER), one, delete(unregister)),
        verb(Act::new(&POOL_RESERVE), "/reserve", post(reserve)),
    );
    let release_all = verb(everything(Act::new(&POOL_RELEASE)), "/release_all", post(release_all));
    let router = Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/available", look("/available", get(available)))
        .route("/machines", machines)
        .route(one, unregister.merge(get(by_delete)))
        .route("/reserve", reserve.merge(get(by_post)))
        .route("/release_all", release_all.merge(get(by_post)))
        .route("/reservations", look("/reservations", get(reservations)))
        .fallback(|| async {
            problem(StatusCode::NOT_FOUND, Code::A1003, "nothing is served here", "GET / says what is")
        });
    router
        .with_state(Compat { handle, pool })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(no_password_in_a_url))
        .layer(middleware::from_fn(problem::shape))
        .layer(middleware::from_fn_with_state(access.clone(), auth::guard_network))
        .layer(middleware::from_fn_with_state(is_pretty, shape))
}

/// A URL stands in logs and histories, so it carries no password.
async fn no_password_in_a_url(request: Request, next: Next) -> Response {
    let pairs = Query::<BTreeMap<String, String>>::try_from_uri(request.uri()).map(|Query(pairs)| pairs);
    if pairs.is_ok_and(|pairs| pairs.contains_key("password")) {
        by_post(request.uri().clone()).await
    } else {
        next.run(request).await
    }
}

/// What changes something is a POST.
async fn by_post(uri: Uri) -> Response {
    not_by_get("POST", if uri.path() == "/available" { "/machines" } else { uri.path() })
}

async fn by_delete(uri: Uri) -> Response {
    not_by_get("DELETE", uri.path())
}

fn not_by_get(method: &'static str, path: &str) -> Response {
    let title = "a GET changes nothing here, and no URL carries a password";
    let hint = format!("send {method} {path}, with a body: a URL stands in logs; change a password that was in one");
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, Code::A1003, title, &hint);
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(method));
    answer
}

/// Gives problems an `error`, as callers look for one, and indents what is to be read by people.
async fn shape(State(is_pretty): State<bool>, request: Request, next: Next) -> Response {
    let query = Query::<BTreeMap<String, String>>::try_from_uri(request.uri()).map(|Query(pairs)| pairs);
    let asked = query.unwrap_or_default().remove("pretty");
    let is_pretty = asked.map_or(is_pretty, |value| !["0", "false", "no"].contains(&value.as_str()));
    let (mut parts, body) = next.run(request).await.into_parts();
    let kind =
        parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    if !kind.ends_with("json") {
        return Response::from_parts(parts, body);
    }
    let Ok(bytes) = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(mut document) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    if kind == PROBLEM {
        document["error"] = document["title"].clone();
    }
    let text = if is_pretty { format!("{document:#}\n") } else { format!("{document}\n") };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}

impl Compat {
    fn row(&self) -> Result<PoolRow, NotDone> {
        pools::find(&self.handle.last_pass().0, &self.pool).ok_or_else(|| {
            let title = format!("there is no pool {}", self.pool);
            let hint = "its manifest is missing, or has a mistake: amarre validate";
            problem(StatusCode::NOT_FOUND, Code::A1002, &title, hint).into()
        })
    }

    fn act(&self, row: &'static VerbRow) -> Act {
        Act::new(row).with("pool", self.pool.as_str())
    }

    /// Carries a verb out, to its end, for whoever asks.
    async fn run(&self, act: Act, who: &Identity) -> Result<CommandAnswer, NotDone> {
        let act = match &who.name {
            Some(name) => act.asked_by(name),
            None => act,
        };
        let handle = self.handle.clone();
        let doing = async move {
            let (steps, mut inbox) = mpsc::channel::<ProgressStep>(STEPS_MAX);
            let acting = async {
                let answer = commands::act(&handle, act, Style::PLAIN, &steps).await;
                drop(steps);
                answer
            };
            let (answer, ()) = tokio::join!(acting, async { while inbox.recv().await.is_some() {} });
            answer
        };
        run_to_end(doing).await.flatten().ok_or_else(|| stopping().into())
    }

    /// What the audit log shows.
    fn audited(&self, row: &VerbRow, target: &str, answer: Response) -> Response {
        let target = if target.is_empty() { self.pool.clone() } else { format!("{} {target}", self.pool) };
        AuditDetail { action: row.word.to_owned(), target: Some(target) }.attach(answer)
    }
}

fn either(answer: Result<Response, NotDone>) -> Response {
    answer.unwrap_or_else(|refused| *refused)
}

fn json_answer(status: StatusCode, document: Value) -> Response {
    (status, Json(document)).into_response()
}

fn time(at: Option<Timestamp>) -> Value {
    json!(at.map(Timestamp::rfc3339))
}

async fn available(State(compat): State<Compat>) -> Response {
    let one = |row: &MachineRow| {
        let holder = row.holder.as_ref();
        json!({
            "name": row.name, "host": row.machine.address, "port": row.machine.port, "status": row.state.word(),
            "reserved_by": holder.map(|holder| &holder.user), "reserved_until": time(holder.and_then(Reservation::until)),
        })
    };
    either(compat.row().map(|row| {
        let machines: Vec<Value> = row.machines.iter().map(one).collect();
        let (free, taken) = (row.count(MachineState::Available), row.count(MachineState::Reserved));
        json_answer(StatusCode::OK, json!({"available": free, "reserved": taken, "machines": machines}))
    }))
}

async fn machines(State(compat): State<Compat>) -> Response {
    let one = |row: &MachineRow| {
        json!({
            "name": row.name, "host": row.machine.address, "port": row.machine.port, "user": row.machine.user,
            "status": row.state.word(),
        })
    };
    either(compat.row().map(|row| json_answer(StatusCode::OK, row.machines.iter().map(one).collect())))
}

/// The machines of a reservation, as they are reached.
fn places(row: &PoolRow, reservation: &Reservation) -> Vec<Value> {
    let machines = reservation.machines().filter_map(|name| Some((name, row.pool.machines.get(name)?)));
    machines.map(|(name, at)| json!({"name": name, "host": at.address, "port": at.port})).collect()
}

async fn reservations(State(compat): State<Compat>) -> Response {
    let now = compat.handle.now();
    either(compat.row().map(|row| {
        let held = row.reservations.iter().map(|one| &one.reservation);
        let held = held.filter(|one| matches!(one.state, ReservationState::Held { .. }));
        let one = |one: &Reservation| {
            json!({
                "reservation": one.label(), "username": one.user, "machines": places(&row, one), "until": time(one.until()),
                "remaining_seconds": one.until().map(|until| (until - now).0.max(0) / 1000),
            })
        };
        json_answer(StatusCode::OK, held.map(one).collect())
    }))
}

async fn register(State(compat): State<Compat>, Extension(who): Extension<Identity>, request: Request) -> Response {
    let fields = CallFields::read(request, &["name", "host", "port", "user", "password", "host_key"]).await;
    let fields = match fields {
        Ok(fields) => fields,
        Err(refused) => return *refused,
    };
    let answer = compat.registered(&fields, &who).await;
    compat.audited(&POOL_REGISTER, fields.0.get("name").map(String::as_str).unwrap_or_default(), either(answer))
}

impl Compat {
    async fn registered(&self, fields: &CallFields, who: &Identity) -> Result<Response, NotDone> {
        let (name, host) = (fields.text("name")?, fields.text("host")?);
        let port: u16 = fields.number("port", 22)?;
        let user = fields.given("user").unwrap_or("root");
        let act =
            self.act(&POOL_REGISTER).with("name", name).with("address", host).with("port", port).with("user", user);
        let act = act.with("password", fields.given("password")).with("host_key", fields.given("host_key"));
        let is_there = self.row()?.pool.machines.contains_key(name);
        match self.run(act, who).await?.refused() {
            None => {
                Ok(json_answer(StatusCode::CREATED, json!({"name": name, "host": host, "port": port, "user": user})))
            }
            Some(refused) => {
                let is_mistake = refused.code.as_str().starts_with("A01") || refused.code == Code::A0765;
                let status = if is_mistake && !is_there { StatusCode::BAD_REQUEST } else { StatusCode::CONFLICT };
                Err(problem(status, refused.code, &refused.message, &refused.hint).into())
            }
        }
    }
}

async fn unregister(
    State(compat): State<Compat>,
    Extension(who): Extension<Identity>,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let drain = query.get("drain").is_some_and(|value| !["0", "false", "no"].contains(&value.as_str()));
    let act = compat.act(&POOL_UNREGISTER).with("machines", vec![name.clone()]).with("drain", drain);
    let answer = compat.run(act, &who).await.and_then(|answer| done(&answer, json!({"deleted": name})));
    compat.audited(&POOL_UNREGISTER, &name, either(answer))
}

async fn release_all(State(compat): State<Compat>, Extension(who): Extension<Identity>) -> Response {
    let act = everything(compat.act(&POOL_RELEASE)).with("timeout_ms", WAIT_MS);
    let answer = compat.run(act, &who).await;
    let answer = answer.and_then(|answer| done(&answer, json!({"released": answer.document["released"]})));
    compat.audited(&POOL_RELEASE, "", either(answer))
}

/// A release of what everyone has.
fn everything(act: Act) -> Act {
    act.with("all", true).with("others", true)
}

fn done(answer: &CommandAnswer, document: Value) -> Result<Response, NotDone> {
    match answer.refused() {
        None => Ok(json_answer(StatusCode::OK, document)),
        Some(refused) => Err(problem::refusal(&refused).into()),
    }
}

async fn reserve(State(compat): State<Compat>, Extension(who): Extension<Identity>, request: Request) -> Response {
    let answer = match CallFields::read(request, &["username", "password", "count", "duration"]).await {
        Ok(fields) => compat.reserved(&fields, &who).await,
        Err(refused) => Err(refused),
    };
    compat.audited(&POOL_RESERVE, "", either(answer))
}

impl Compat {
    async fn reserved(&self, fields: &CallFields, who: &Identity) -> Result<Response, NotDone> {
        let (user, password) = (fields.text("username")?, Secret::new(fields.text("password")?));
        let count: u32 = fields.number("count", 1)?;
        let minutes: u32 = fields.number("duration", DURATION)?;
        if !is_user_name(user) {
            let hint = "lower-case letters, digits and `-`, a letter first, at most 31, and no name that systems use";
            return Err(
                problem(StatusCode::BAD_REQUEST, Code::A0765, "no account can have this `username`", hint).into()
            );
        }
        if let Err(why) = crypt(&password) {
            return Err(problem(StatusCode::BAD_REQUEST, Code::A0765, &why, "choose another password").into());
        }
        let row = self.row()?;
        let free = row.count(MachineState::Available);
        if usize::try_from(count).unwrap_or(usize::MAX) > free {
            return Err(none_left(&row, &format!("{count} asked for, and {free} available")).into());
        }
        let act = self.act(&POOL_RESERVE).with("user", user).with("password", password.expose()).with("count", count);
        let act = act.with("for_ms", Millis::minutes(i64::from(minutes)).0).with("timeout_ms", WAIT_MS);
        let answer = self.run(act, who).await?;
        if let Some(refused) = answer.refused() {
            return Err(self.not_reserved(&refused).into());
        }
        let label = answer.document["reservation"].as_str().unwrap_or_default().to_owned();
        if let Some(held) = self.held(&label)? {
            return Ok(held);
        }
        // There is no queue for these callers: they ask again.
        let leaving = self.act(&POOL_LEAVE).with("reservations", vec![label.clone()]);
        self.run(leaving, who).await?;
        match self.held(&label)? {
            // It was served in the meantime.
            Some(held) => Ok(held),
            None => Err(none_left(&self.row()?, "others were faster, or wait already").into()),
        }
    }

    /// The answer to whoever reserved, if the reservation has its machines.
    fn held(&self, label: &str) -> Result<Option<Response>, NotDone> {
        let row = self.row()?;
        let found = row.reservations.iter().map(|one| &one.reservation).find(|one| one.label() == label);
        let held = found.filter(|one| matches!(one.state, ReservationState::Held { .. }));
        Ok(held.map(|one| {
            let document = json!({
                "reservation": label, "username": one.user, "until": time(one.until()), "machines": places(&row, one),
            });
            json_answer(StatusCode::OK, document)
        }))
    }

    fn not_reserved(&self, refused: &Refused) -> Response {
        match (refused.code, self.row()) {
            (Code::A0765, Ok(row)) => none_left(&row, &refused.message),
            (Code::A0766, _) => problem(StatusCode::FORBIDDEN, refused.code, &refused.message, &refused.hint),
            (_, _) => problem::refusal(refused),
        }
    }
}

fn none_left(row: &PoolRow, why: &str) -> Response {
    let available = row.count(MachineState::Available);
    json_answer(
        StatusCode::CONFLICT,
        json!({"error": why, "available": available, "next_free_at": time(row.next_free())}),
    )
}

/// The fields of a call: JSON or a form. What the body is counts, not what its header says: `curl -d` calls everything a form.
struct CallFields(BTreeMap<String, String>);

impl CallFields {
    async fn read(request: Request, known: &[&str]) -> Result<Self, NotDone> {
        let bytes = Bytes::from_request(request, &()).await.map_err(|refused| Box::new(refused.into_response()))?;
        let fields = match bytes.trim_ascii_start().first() {
            Some(b'{') => from_json(&bytes)?,
            Some(_) | None => from_form(bytes).await?,
        };
        match fields.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(Self(fields)),
            Some(other) => {
                let other = amarre_core::model::words::line(other);
                Err(wrong_field(&format!("there is no field `{}`", amarre_core::model::words::cut(&other, 40)), known))
            }
        }
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn text(&self, name: &str) -> Result<&str, NotDone> {
        self.given(name).ok_or_else(|| wrong_field(&format!("the field `{name}` is missing"), &[]))
    }

    fn number<T: std::str::FromStr>(&self, name: &str, usual: T) -> Result<T, NotDone> {
        match self.given(name) {
            None => Ok(usual),
            Some(text) => text.parse().map_err(|_| wrong_field(&format!("`{name}` is no number that fits"), &[])),
        }
    }
}

fn wrong_field(why: &str, known: &[&str]) -> NotDone {
    let hint = match known {
        [] => "GET / says what each call takes".to_owned(),
        known => format!("there are {}", known.join(", ")),
    };
    problem(StatusCode::BAD_REQUEST, Code::A1013, why, &hint).into()
}

fn from_json(bytes: &[u8]) -> Result<BTreeMap<String, String>, NotDone> {
    let given: BTreeMap<String, Value> =
        serde_json::from_slice(bytes).map_err(|_| wrong_field("the body is neither JSON nor a form", &[]))?;
    let mut fields = BTreeMap::new();
    for (name, value) in given {
        match value {
            Value::Null => (),
            Value::String(text) => drop(fields.insert(name, text)),
            Value::Number(number) => drop(fields.insert(name, number.to_string())),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(wrong_field(&format!("`{name}` is neither a text nor a number"), &[]));
            }
        }
    }
    Ok(fields)
}

async fn from_form(bytes: Bytes) -> Result<BTreeMap<String, String>, NotDone> {
    let form = "application/x-www-form-urlencoded";
    let mut request = Request::new(Body::from(bytes));
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form));
    let read = Form::<BTreeMap<String, String>>::from_request(request, &()).await;
    read.map(|Form(fields)| fields).map_err(|_| wrong_field("the body is neither JSON nor a form", &[]))
}
