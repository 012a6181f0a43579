//! Pages for people, beside the reading part of HTTP. Rendered here, usable without scripts; with them they follow what
//! happens. Nothing is loaded from elsewhere.
//!
//! On loopback anybody may look, as with the rest of HTTP there; elsewhere everything needs a session. What asks vendors
//! needs one everywhere, and what changes something one whose role says so. Every form carries what only a page of the
//! session knows.

mod api;
mod assets;
mod checks;
mod edit;
mod errors;
mod from_template;
mod login;
mod manifest;
mod markdown;
mod overview;
mod purge;
mod service;
mod settings;
mod timeline;
pub mod words;
mod actions;
mod tables;
mod topology;
mod layout;
pub mod view_model;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;

pub use layout::{Flash, Frame, Visitor};

use crate::accounts::{Accounts, AuditRow, Role, Session};
use crate::engine::commands::image_lookup::Images;
use crate::engine::reconcile::daemon::Handle;
use crate::notifications::Notifications;
use crate::server::auth::Access;
use crate::server::{self, whole};
use crate::templates::Shelf;
use amarre_core::model::Millis;

/// What a handler answers; `Err`: with what it was not done.
type Outcome = Result<Response, Response>;

/// A form: what was filled in, by name.
type Fields = BTreeMap<String, String>;

/// What pages are made with.
#[derive(Clone)]
pub struct Web {
    /// The loop.
    pub handle: Handle,
    /// Who may do what.
    pub accounts: Accounts,
    /// How it is served, and how much is asked.
    pub access: Access,
    /// Who is told what.
    pub notifications: Notifications,
    /// What templates there are.
    pub shelf: Arc<dyn Shelf>,
    /// What is known of images that were typed.
    pub images: Arc<Images>,
}

/// Everything that is served over the network: the pages, and what [`server::public`] has.
pub fn public(handle: Handle, access: Access, notifications: Notifications, shelf: Arc<dyn Shelf>) -> Router {
    let api = server::public(handle.clone(), &access, notifications.clone(), shelf.clone());
    let web = Web {
        handle,
        accounts: access.accounts.clone(),
        access: access.clone(),
        notifications,
        shelf,
        images: Arc::default(),
    };
    Router::new()
        .route("/", get(overview::show))
        .route("/new", get(edit::new).post(edit::make))
        .route("/new/templates", get(from_template::list))
        .route("/new/templates/{template}", get(from_template::show).post(from_template::make))
        .route("/services/{name}", get(service::now))
        .route("/services/{name}/history", get(service::history))
        .route("/services/{name}/logs", get(service::logs))
        .route("/services/{name}/explain", get(service::explain))
        .route("/services/{name}/manifest", get(service::manifest))
        .route("/services/{name}/edit", get(edit::edit).post(edit::change))
        .route("/services/{name}/delete", get(edit::delete).post(edit::delete_now))
        .route("/services/{name}/purge", get(purge::page_of).post(purge::purge_now))
        .route("/services/{name}/rollback", get(actions::rollback).post(actions::rollback_now))
        .route("/services/{name}/{verb}", axum::routing::post(actions::verb))
        .route("/apply", axum::routing::post(actions::apply))
        .route("/runs", get(tables::runs))
        .route("/runs/{id}", get(tables::run))
        .route("/network", get(tables::network))
        .route("/certificates", get(tables::certificates))
        .route("/api", get(api::show))
        .route("/errors", get(errors::list))
        .route("/errors/{code}", get(errors::show))
        .route("/live", get(live))
        .route("/login", get(login::page).post(login::sign_in))
        .route("/logout", axum::routing::post(login::sign_out))
        .route("/setup", get(login::setup).post(login::set_up))
        .route("/language/{code}", get(login::language))
        .route("/theme/{choice}", get(login::theme))
        .route("/keys", get(login::keys))
        .route("/keys/{choice}", get(login::switch_keys))
        .route("/assets/{name}", get(assets::asset))
        .merge(settings::routes())
        .with_state(web.clone())
        .layer(middleware::from_fn_with_state(access.asked.clone(), server::auth::measure))
        .fallback_service(api)
        .layer(middleware::from_fn_with_state(web, around))
        .layer(middleware::from_fn_with_state(access, server::auth::enter))
}

/// `GET /live`: an open page is told to read itself again.
async fn live(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = Visitor::of(&headers, &web).await;
    let account = visitor.session.as_ref().map(|session| session.user.email.clone()).unwrap_or_default();
    server::sse::stream(web.handle, &headers, &account)
}

/// What holds for every answer to a browser: no other page may send a form, and nothing is loaded from elsewhere.
async fn around(State(web): State<Web>, request: Request, next: Next) -> Response {
    let wants_page = request.method() == Method::GET && accepts_html(request.headers());
    if request.method() == Method::POST && !is_of_this_site(request.headers()) {
        return problem(&web, request.headers(), StatusCode::FORBIDDEN, "problem-csrf").await;
    }
    let headers = request.headers().clone();
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let from = request.extensions().get::<From>().map(|ConnectInfo(from)| from.ip().to_string());
    if !web.access.listening.is_local() && is_page(request.uri().path()) {
        let here = request.uri().path_and_query().map_or("/", |here| here.as_str()).to_owned();
        if let Err(login) = known(&web, &headers, &here).await {
            return if wants_page { login } else { StatusCode::UNAUTHORIZED.into_response() };
        }
    }
    // What changes something is done to its end, and written down, also when nobody waits for it any more.
    let mut response = match matches!(*request.method(), Method::GET | Method::HEAD) {
        true => next.run(request).await,
        false => {
            let done = whole(next.run(request)).await;
            done.unwrap_or_else(|| {
                let (why, hint) = ("this was not done to its end", "see the daemon's log");
                server::problem(StatusCode::INTERNAL_SERVER_ERROR, "A1014", why, hint)
            })
        }
    };
    if let Some(Denied(who)) = response.extensions().get::<Denied>().cloned() {
        let (at, address) = (web.handle.now(), from.unwrap_or_default());
        let (action, target, result) = ("page".to_owned(), format!("{method} {path}"), response.status().to_string());
        web.accounts.refused(AuditRow { at, who, address, action, target, result }).await;
    }
    if accepts_html(&headers)
        && !is_html(&response)
        && let Some(key) = unsaid(response.status(), &method, &path)
    {
        response = instead(&web, &headers, response, key).await;
    }
    let page = is_html(&response);
    let set = response.headers_mut();
    set.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    set.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if page {
        set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// What a browser is told in place of an answer for machines; `None`: that answer. The API keeps its own answers.
fn unsaid(status: StatusCode, method: &Method, path: &str) -> Option<&'static str> {
    let is_api = path.starts_with("/api/") || path.starts_with("/webhooks/") || HEALTH.contains(&path);
    match status {
        StatusCode::NOT_FOUND if *method == Method::GET => Some("problem-not-here"),
        _ if is_api => None,
        StatusCode::NOT_FOUND => Some("problem-not-here"),
        StatusCode::METHOD_NOT_ALLOWED => Some("problem-method"),
        StatusCode::SERVICE_UNAVAILABLE => Some("problem-stopping"),
        status if status.is_server_error() => Some("problem-page"),
        StatusCode::FORBIDDEN => Some("problem-csrf"),
        status if status.is_client_error() => Some("problem-form"),
        _ => None,
    }
}

/// A page with the status of an answer, and what it says of when to ask again.
async fn instead(web: &Web, headers: &HeaderMap, answer: Response, key: &str) -> Response {
    let mut response = problem(web, headers, answer.status(), key).await;
    for name in [header::RETRY_AFTER, header::ALLOW] {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// What somebody must be signed in for beyond this machine; the rest says itself who may ask.
fn is_page(path: &str) -> bool {
    let is_below = |top: &str| path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
    let open = ["/login", "/setup", "/assets", "/language", "/api/v1", "/errors", "/webhooks"];
    !open.into_iter().any(is_below) && !HEALTH.contains(&path)
}

/// What tells of the daemon itself.
const HEALTH: [&str; 4] = ["/healthz", "/readyz", "/health", "/metrics"];

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

/// Browsers say from where a form is sent; what is no browser says neither.
fn is_of_this_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), _, _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (None, Some(_), None) => false,
        (None, None, _) => true,
    }
}

/// A page that says what is wrong, and nothing else.
#[derive(Template)]
#[template(path = "problem.html")]
struct Problem {
    frame: Frame,
    text: String,
}

async fn problem(web: &Web, headers: &HeaderMap, status: StatusCode, key: &str) -> Response {
    let visitor = Visitor::of(headers, web).await;
    said(web, &visitor, status, visitor.words.of(key)).await
}

async fn said(web: &Web, visitor: &Visitor, status: StatusCode, text: String) -> Response {
    let frame = Frame::new(web, visitor, "", text.clone(), "/".to_owned()).await;
    (status, page(&Problem { frame, text })).into_response()
}

/// A page, written.
fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!("a page could not be written: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "This page could not be shown. Your services are not affected.\n")
                .into_response()
        }
    }
}

fn to(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// Somebody who is signed in and may do what is asked, by a form of a page of the session.
#[derive(Clone)]
struct Doer {
    visitor: Visitor,
    session: Session,
}

/// Who sends this form, when that one may; else what is answered.
async fn doer(web: &Web, headers: &HeaderMap, fields: &Fields, role: Role, back: &str) -> Result<Doer, Response> {
    let visitor = Visitor::of(headers, web).await;
    let Some(session) = visitor.session.clone() else {
        return Err(to(&format!("/login?back={}", view_model::encoded(back))));
    };
    if !fields.get("csrf").is_some_and(|given| session.is_csrf(given)) {
        return Err(said(web, &visitor, StatusCode::FORBIDDEN, visitor.words.of("problem-csrf")).await);
    }
    if session.user.role < role {
        return Err(denied(web, &visitor, &session, role).await);
    }
    if let Err(wait) = web.access.count(&session.user.email, true) {
        return Err(too_much(web, &visitor, wait).await);
    }
    Ok(Doer { visitor, session })
}

/// Whoever is signed in, for what asks Docker, NPM and OVH anew; else the way to sign in.
async fn known(web: &Web, headers: &HeaderMap, back: &str) -> Result<Visitor, Response> {
    let visitor = Visitor::of(headers, web).await;
    if visitor.session.is_some() { Ok(visitor) } else { Err(to(&format!("/login?back={}", view_model::encoded(back)))) }
}

/// The same for what makes work each time: a form that is checked while it is filled in.
async fn asks(web: &Web, headers: &HeaderMap, back: &str) -> Result<Visitor, Response> {
    let visitor = known(web, headers, back).await?;
    if let Some(session) = &visitor.session
        && let Err(wait) = web.access.count(&session.user.email, true)
    {
        return Err(too_much(web, &visitor, wait).await);
    }
    Ok(visitor)
}

async fn too_much(web: &Web, visitor: &Visitor, wait: Millis) -> Response {
    let text = visitor.words.with("problem-too-much", "time", &view_model::span(Millis(wait.0 + 999)));
    let mut response = said(web, visitor, StatusCode::TOO_MANY_REQUESTS, text).await;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from((wait.0.max(0) + 999) / 1000));
    response
}

async fn denied(web: &Web, visitor: &Visitor, session: &Session, role: Role) -> Response {
    let (is, needed) = (session.user.role.word(), role.word());
    let text = visitor.words.with_all("problem-denied", &[("role", is), ("needed", needed)]);
    let mut response = said(web, visitor, StatusCode::FORBIDDEN, text).await;
    response.extensions_mut().insert(Denied(session.user.email.clone()));
    response
}

/// Who was refused for want of a role.
#[derive(Debug, Clone)]
struct Denied(String);

impl Doer {
    /// Writes down what was done.
    async fn did(&self, web: &Web, from: SocketAddr, action: &str, target: &str, result: &str) {
        let row = AuditRow {
            at: web.handle.now(),
            who: self.session.user.email.clone(),
            address: from.ip().to_string(),
            action: action.to_owned(),
            target: target.to_owned(),
            result: result.to_owned(),
        };
        web.accounts.audit(row).await;
    }

    /// Who is named for what is done.
    fn by(&self) -> String {
        format!("{} <{}>", self.session.user.name, self.session.user.email)
    }
}

/// From where a request comes.
type From = ConnectInfo<SocketAddr>;
