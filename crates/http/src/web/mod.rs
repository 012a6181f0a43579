//! Pages for people, beside the read routes of HTTP. Rendered here, usable without scripts; with scripts they update
//! themselves. Nothing is loaded from elsewhere.
//!
//! On loopback every client may read, as with the rest of HTTP there; elsewhere everything needs a session. Routes that
//! ask vendors need a session everywhere, and writes a session with the needed role. Every form carries a token that
//! only a page of the session knows.

mod api;
mod assets;
mod attention;
mod checks;
mod plain_secrets;
pub mod demo_band;
mod deploy_steps;
mod edit;
mod errors;
mod from_template;
mod guard_deletes;
mod hint_actions;
mod asked_instance;
mod instance_clone;
mod instance_console;
mod instance_delete;
mod instance_rebuild;
mod instance_resize;
mod instance_new;
mod instances;
mod instance;
mod timetable;
mod instance_view;
mod login;
mod manifest;
mod markdown;
mod marks;
mod overview;
mod pool_week;
mod pools;
mod page_text;
mod purge;
mod rollback;
mod service;
mod service_rows;
mod settings;
mod timeline;
mod actions;
mod new_app;
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

pub use layout::{Flash, PageFrame, RequestContext};

use crate::accounts::{Accounts, AuditRow, Role, Session};
use crate::engine::commands::image_lookup::ImageAnswers;
use crate::engine::reconcile::daemon::Handle;
use crate::notifications::Notifications;
use crate::server::auth::AccessControl;
use crate::server::{self, run_to_end};
use crate::templates::TemplateStore;
use amarre_core::model::{Code, Millis};

/// The result of a handler; `Err`: the answer of a refusal.
type PageOutcome = Result<Response, Response>;

/// A form's values by field.
type FormFields = BTreeMap<String, String>;

/// The state of the pages.
#[derive(Clone)]
pub struct Web {
    pub handle: Handle,
    /// Users and sessions.
    pub accounts: Accounts,
    /// Access control.
    pub access: AccessControl,
    /// Notification channels.
    pub notifications: Notifications,
    pub shelf: Arc<dyn TemplateStore>,
    /// Cached results of image look-ups.
    pub images: Arc<ImageAnswers>,
    /// What the buttons of the demo act on; `None`: this is none.
    pub demo: Option<Arc<dyn demo_band::DemoDeeds>>,
}

/// The router of the network: the pages, and the routes of [`server::public`].
pub fn public(
    handle: Handle,
    access: AccessControl,
    notifications: Notifications,
    shelf: Arc<dyn TemplateStore>,
    demo: Option<Arc<dyn demo_band::DemoDeeds>>,
) -> Router {
    let api = server::public(handle.clone(), &access, notifications.clone(), shelf.clone());
    let web = Web {
        handle,
        accounts: access.accounts.clone(),
        access: access.clone(),
        notifications,
        shelf,
        images: Arc::default(),
        demo,
    };
    Router::new()
        .route("/", get(overview::show))
        .route("/new", get(edit::new).post(edit::make))
        .route("/new/app", get(new_app::show).post(new_app::make))
        .route("/new/templates", get(from_template::list))
        .route("/new/templates/{template}", get(from_template::show).post(from_template::make))
        .merge(of_services())
        .route("/instances", get(instances::list).post(instances::bulk))
        .route("/instances/new", get(instance_new::new).post(instance_new::make))
        .route("/instances/{name}", get(instance::show))
        .route("/instances/{name}/clone", get(instance_clone::page_of).post(instance_clone::clone_now))
        .route("/instances/{name}/console", axum::routing::post(instance_console::open))
        .route("/instances/{name}/resize", get(instance_resize::page_of).post(instance_resize::resize_now))
        .route("/instances/{name}/rebuild", get(instance_rebuild::page_of).post(instance_rebuild::rebuild_now))
        .route("/instances/{name}/delete", get(instance_delete::page_of).post(instance_delete::delete_now))
        .route("/instances/{name}/schedule", axum::routing::post(timetable::save))
        .route("/instances/{name}/{verb}", axum::routing::post(instance::verb))
        .route("/pools", get(pools::list))
        .route("/pools/{name}", get(pools::show))
        .route("/pools/{name}/reserve", get(pools::reserved).post(pools::reserve))
        .route("/pools/{name}/{verb}", axum::routing::post(pools::verb))
        .route("/apps/{name}/{verb}", axum::routing::post(service::deployments::verb))
        .route("/deployments/{id}", get(service::deployments::show))
        .route("/deployments/{id}/log", get(service::deployments::log))
        .route("/verbs/{verb}", get(actions::confirm_resource).post(actions::act_on_resource))
        .route("/apply", axum::routing::post(actions::apply))
        .route(hint_actions::DELETES_PAGE, get(guard_deletes::show))
        .route("/demo/{deed}", axum::routing::post(demo_band::act))
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
        .layer(middleware::from_fn_with_state(web, site_guard))
        .layer(middleware::from_fn_with_state(access, server::auth::guard_network))
}

/// The pages of one service.
fn of_services() -> Router<Web> {
    Router::new()
        .route("/services/{name}", get(service::now))
        .route("/services/{name}/history", get(service::history))
        .route("/services/{name}/deployments", get(service::deployments::list))
        .route("/services/{name}/builds", get(service::builds::list))
        .route("/services/{name}/logs", get(service::logs))
        .route("/services/{name}/explain", get(service::explain))
        .route("/services/{name}/trace", get(service::trace))
        .route("/services/{name}/manifest", get(service::manifest))
        .route("/services/{name}/edit", get(edit::edit).post(edit::change))
        .route("/services/{name}/delete", get(edit::delete).post(edit::delete_now))
        .route("/services/{name}/purge", get(purge::page_of).post(purge::purge_now))
        .route("/services/{name}/{verb}", get(actions::confirm).post(actions::verb))
}

/// `GET /live`: tells an open page to reload.
async fn live(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let account = visitor.session.as_ref().map(|session| session.user.email.clone()).unwrap_or_default();
    let names = visitor.session.as_ref().is_none_or(|session| session.user.role >= Role::Viewer);
    server::sse::stream(web.handle, &headers, &account, names)
}

/// Whether who may only reserve machines may come here: all that is not about services.
fn is_for_members(path: &str) -> bool {
    const OPEN: [&str; 9] =
        ["/pools", "/login", "/logout", "/setup", "/language", "/theme", "/keys", "/errors", "/assets"];
    let is_below = |open: &str| path.strip_prefix(open).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    OPEN.into_iter().any(is_below) || path == "/live" || !is_page(path)
}

/// What applies to every answer to a browser: no other site may send a form, and nothing is loaded from elsewhere.
async fn site_guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let wants_page = request.method() == Method::GET && accepts_html(request.headers());
    if request.method() == Method::POST && !is_of_this_site(request.headers()) {
        return problem(&web, request.headers(), StatusCode::FORBIDDEN, "problem-csrf").await;
    }
    let headers = request.headers().clone();
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let from = request.extensions().get::<From>().map(|ConnectInfo(from)| from.ip().to_string());
    let needs_session = !web.access.admits_anonymous() && is_page(&path);
    if needs_session || !is_for_members(&path) {
        let visitor = RequestContext::new(&headers, &web).await;
        match &visitor.session {
            None if needs_session && wants_page => {
                return to_login(request.uri().path_and_query().map_or("/", |here| here.as_str()));
            }
            None if needs_session => return StatusCode::UNAUTHORIZED.into_response(),
            Some(session) if session.user.role == Role::Member && !is_for_members(&path) => {
                let is_home = path == "/" && wants_page;
                return if is_home { redirect("/pools") } else { denied(&web, &visitor, session, Role::Viewer).await };
            }
            Some(_) | None => (),
        }
    }
    // A write runs to its end, and is recorded, also when the client hangs up.
    let mut response = if matches!(*request.method(), Method::GET | Method::HEAD) {
        next.run(request).await
    } else {
        let done = run_to_end(next.run(request)).await;
        done.unwrap_or_else(|| {
            let (why, hint) = ("this was not done to its end", "see the daemon's log");
            server::problem(StatusCode::INTERNAL_SERVER_ERROR, Code::A1014, why, hint)
        })
    };
    if let Some(Denied(who)) = response.extensions().get::<Denied>().cloned() {
        let (at, address) = (web.handle.now(), from.unwrap_or_default());
        let (action, target, result) = ("page".to_owned(), format!("{method} {path}"), response.status().to_string());
        web.accounts.refused(AuditRow { at, who, address, action, target, result }).await;
    }
    if accepts_html(&headers)
        && !is_html(&response)
        && let Some(key) = problem_key(response.status(), &method, &path)
    {
        response = problem_answer(&web, &headers, response, key).await;
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

/// The key of the text that a browser gets in place of an API answer; `None`: that answer. The API keeps its own
/// answers.
fn problem_key(status: StatusCode, method: &Method, path: &str) -> Option<&'static str> {
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

/// A page with the status of an answer and its retry header.
async fn problem_answer(web: &Web, headers: &HeaderMap, answer: Response, key: &str) -> Response {
    let mut response = problem(web, headers, answer.status(), key).await;
    for name in [header::RETRY_AFTER, header::ALLOW] {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// Pages that need a session beyond this machine; the others check the role themselves.
fn is_page(path: &str) -> bool {
    let is_below = |top: &str| path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
    let open = ["/login", "/setup", "/assets", "/language", "/api/v1", "/errors", "/webhooks"];
    !open.into_iter().any(is_below) && !HEALTH.contains(&path)
}

/// Paths about the daemon itself.
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

/// Browsers state from where a form is sent; other clients send neither header.
fn is_of_this_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), _, _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (None, Some(_), None) => false,
        (None, None, _) => true,
    }
}

/// A page with one problem.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: PageFrame,
    text: String,
    /// Where its button leads: a path, and the word of the navigation.
    back: (&'static str, &'static str),
}

async fn problem(web: &Web, headers: &HeaderMap, status: StatusCode, key: &str) -> Response {
    let visitor = RequestContext::new(headers, web).await;
    text_page(web, &visitor, status, visitor.words.get(key)).await
}

async fn text_page(web: &Web, visitor: &RequestContext, status: StatusCode, text: String) -> Response {
    problem_page(web, visitor, status, ("/", "nav-services"), text).await
}

/// There is nothing of that name; the list at `back` says what there is.
async fn none_page(web: &Web, visitor: &RequestContext, back: (&'static str, &'static str), text: String) -> Response {
    problem_page(web, visitor, StatusCode::NOT_FOUND, back, text).await
}

async fn problem_page(
    web: &Web,
    visitor: &RequestContext,
    status: StatusCode,
    back: (&'static str, &'static str),
    text: String,
) -> Response {
    let frame = PageFrame::new(web, visitor, "", text.clone(), back.0.to_owned()).await;
    (status, page(&ProblemPage { frame, text, back })).into_response()
}

/// Renders a page.
fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(marks::with_sprite(&html)).into_response(),
        Err(error) => {
            tracing::error!("a page could not be written: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "This page could not be shown. Your services are not affected.\n")
                .into_response()
        }
    }
}

fn redirect(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// A signed-in user with the needed role, by a form of a page of the session.
#[derive(Clone)]
struct Actor {
    visitor: RequestContext,
    session: Session,
}

/// The sender of this form if it is authorized; else the answer.
async fn authorize_form(
    web: &Web,
    headers: &HeaderMap,
    fields: &FormFields,
    role: Role,
    back: &str,
) -> Result<Actor, Response> {
    let visitor = RequestContext::new(headers, web).await;
    let Some(session) = visitor.session.clone() else {
        return Err(to_login(back));
    };
    if !fields.get("csrf").is_some_and(|given| session.is_csrf(given)) {
        return Err(text_page(web, &visitor, StatusCode::FORBIDDEN, visitor.words.get("problem-csrf")).await);
    }
    if session.user.role < role {
        return Err(denied(web, &visitor, &session, role).await);
    }
    if let Err(wait) = web.access.count(&session.user.email, true) {
        return Err(too_much(web, &visitor, wait).await);
    }
    Ok(Actor { visitor, session })
}

/// To the sign-in, and back.
fn to_login(back: &str) -> Response {
    redirect(&format!("/login?back={}", view_model::encoded(back)))
}

/// The signed-in user, for pages that ask Docker, NPM and OVH again; else a redirect to the sign-in.
async fn signed_in(web: &Web, headers: &HeaderMap, back: &str) -> Result<RequestContext, Response> {
    let visitor = RequestContext::new(headers, web).await;
    if visitor.session.is_some() { Ok(visitor) } else { Err(to_login(back)) }
}

/// The same for requests that cause work each time: a form that is checked while it is filled in.
async fn signed_in_and_counted(web: &Web, headers: &HeaderMap, back: &str) -> Result<RequestContext, Response> {
    let visitor = signed_in(web, headers, back).await?;
    if let Some(session) = &visitor.session
        && let Err(wait) = web.access.count(&session.user.email, true)
    {
        return Err(too_much(web, &visitor, wait).await);
    }
    Ok(visitor)
}

async fn too_much(web: &Web, visitor: &RequestContext, wait: Millis) -> Response {
    let text = visitor.words.with("problem-too-much", "time", &view_model::span(Millis(wait.0 + 999)));
    let mut response = text_page(web, visitor, StatusCode::TOO_MANY_REQUESTS, text).await;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from((wait.0.max(0) + 999) / 1000));
    response
}

async fn denied(web: &Web, visitor: &RequestContext, session: &Session, role: Role) -> Response {
    let [is, needed] = [session.user.role, role].map(|role| visitor.words.role(role.word()));
    let text = visitor.words.with_all("problem-denied", &[("role", &is), ("needed", &needed)]);
    let mut response = text_page(web, visitor, StatusCode::FORBIDDEN, text).await;
    response.extensions_mut().insert(Denied(session.user.email.clone()));
    response
}

/// A refusal for want of a role.
#[derive(Debug, Clone)]
struct Denied(String);

impl Actor {
    /// Records an action in the audit log.
    async fn audit(&self, web: &Web, from: SocketAddr, action: &str, target: &str, result: &str) {
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

    /// The name in events.
    fn author(&self) -> String {
        format!("{} <{}>", self.session.user.name, self.session.user.email)
    }
}

/// The client's address.
type From = ConnectInfo<SocketAddr>;
