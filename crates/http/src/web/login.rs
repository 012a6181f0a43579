//! Signing in and out, the first account, and the language.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::layout::{KEYS_COOKIE, LANGUAGE_COOKIE, THEME_COOKIE};
use super::{FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, redirect, view_model};
use crate::accounts::{AccountError, AuditRow, OpenedSession, Role, Visit, typed_email};
use crate::secret::Secret;
use crate::server::auth::cookie;

/// How long a choice is kept: a year.
const YEAR_S: u32 = 365 * 24 * 60 * 60;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: PageFrame,
    email: String,
    back: String,
    error: Option<String>,
    /// Said where pages are open otherwise.
    is_also_here: bool,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct Setup {
    frame: PageFrame,
    token: String,
    name: String,
    email: String,
    error: Option<String>,
    is_good: bool,
}

fn field(fields: &FormFields, name: &str) -> String {
    fields.get(name).cloned().unwrap_or_default()
}

/// A path of this site; anything else leads to the first page.
fn back(fields: &FormFields) -> String {
    let back = field(fields, "back");
    let is_ours =
        back.starts_with('/') && !back.starts_with("//") && !back.contains(|c: char| c == '\\' || c.is_control());
    if is_ours { back } else { "/".to_owned() }
}

async fn login(web: &Web, visitor: &RequestContext, fields: &FormFields, error: Option<String>) -> Response {
    let frame = PageFrame::new(web, visitor, "", visitor.words.get("login-title"), "/login".to_owned()).await;
    let is_also_here = web.access.listening.is_local() && !web.access.admits_anonymous();
    super::page(&LoginPage { frame, email: field(fields, "email"), back: back(fields), error, is_also_here })
}

/// `GET /login`
pub async fn page(State(web): State<Web>, headers: HeaderMap, Query(fields): Query<FormFields>) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    login(&web, &visitor, &fields, None).await
}

/// `POST /login`
pub async fn sign_in(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<FormFields>,
) -> Response {
    let (email, now) = (field(&fields, "email"), web.handle.now());
    let password = Secret::new(field(&fields, "password"));
    let address = from.ip().to_string();
    let device = cookie(&headers, web.access.listening.device_cookie());
    let visit = Visit { address: &address, device: device.as_deref() };
    let opened = web.accounts.sign_in(&email, &password, visit, now).await;
    let result = opened.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned());
    let (who, action) = (typed_email(&email), "sign_in".to_owned());
    let row = AuditRow { at: now, who, address, action, target: String::new(), result };
    match opened {
        Ok(_) => web.accounts.audit(row).await,
        Err(_) => web.accounts.refused(row).await,
    }
    let visitor = RequestContext::new(&headers, &web).await;
    let words = visitor.words;
    let (status, error) = match opened {
        Ok(opened) => return signed_in(&web, redirect(&back(&fields)), &opened),
        Err(AccountError::Wrong(left)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, words.count("login-wrong", &usize::try_from(left).unwrap_or_default()))
        }
        Err(AccountError::Locked(until)) => {
            (StatusCode::TOO_MANY_REQUESTS, words.with("login-locked", "time", &view_model::span(until - now)))
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    (status, login(&web, &visitor, &fields, Some(error)).await).into_response()
}

/// `POST /logout`
pub async fn sign_out(State(web): State<Web>, headers: HeaderMap, Form(fields): Form<FormFields>) -> PageOutcome {
    let doer = authorize_form(&web, &headers, &fields, Role::Member, "/").await?;
    let _ = web.accounts.sign_out(&doer.session).await;
    Ok(with_session(&web, redirect("/"), ""))
}

async fn setup_page(web: &Web, visitor: &RequestContext, fields: &FormFields, error: Option<String>) -> Response {
    let token = field(fields, "token");
    let here = format!("/setup?token={}", view_model::encoded(&token));
    let frame = PageFrame::new(web, visitor, "", visitor.words.get("setup-title"), here).await;
    let is_good = web.accounts.is_first(&token);
    let (name, email) = (field(fields, "name"), field(fields, "email"));
    super::page(&Setup { frame, token, name, email, error, is_good })
}

/// `GET /setup?token=…`
pub async fn setup(State(web): State<Web>, headers: HeaderMap, Query(fields): Query<FormFields>) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let status = if web.accounts.is_first(&field(&fields, "token")) { StatusCode::OK } else { StatusCode::GONE };
    (status, setup_page(&web, &visitor, &fields, None).await).into_response()
}

/// `POST /setup`: the first account, which is signed in at once.
pub async fn set_up(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<FormFields>,
) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let (email, name, now) = (field(&fields, "email"), field(&fields, "name"), web.handle.now());
    let password = Secret::new(field(&fields, "password"));
    let address = from.ip().to_string();
    let made = web.accounts.add_first(&field(&fields, "token"), &email, &name, &password, now).await;
    let opened = match made {
        Ok(()) => web.accounts.sign_in(&email, &password, Visit { address: &address, device: None }, now).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(opened) => {
            let row = AuditRow {
                at: now,
                who: opened.user.email.clone(),
                address,
                action: "create_account".to_owned(),
                target: String::new(),
                result: "ok".to_owned(),
            };
            web.accounts.audit(row).await;
            signed_in(&web, redirect("/"), &opened)
        }
        Err(error) => {
            let page = setup_page(&web, &visitor, &fields, Some(error.to_string())).await;
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
    }
}

/// `GET /language/{code}?back=…`
pub async fn language(Path(code): Path<String>, Query(fields): Query<FormFields>) -> Response {
    chosen(LANGUAGE_COOKIE, &["en", "fr"], &code, &fields)
}

/// `GET /theme/{choice}?back=…`: light, dark, or the system's choice.
pub async fn theme(Path(choice): Path<String>, Query(fields): Query<FormFields>) -> Response {
    chosen(THEME_COOKIE, &["light", "dark", "auto"], &choice, &fields)
}

/// `GET /keys/{choice}?back=…`: enables or disables keys.
pub async fn switch_keys(Path(choice): Path<String>, Query(fields): Query<FormFields>) -> Response {
    chosen(KEYS_COOKIE, &["on", "off"], &choice, &fields)
}

/// Keeps a choice for a year; an invalid one changes nothing.
fn chosen(cookie: &str, choices: &[&str], choice: &str, fields: &FormFields) -> Response {
    let mut answer = redirect(&back(fields));
    if choices.contains(&choice) {
        set_cookie(&mut answer, &format!("{cookie}={choice}; Path=/; Max-Age={YEAR_S}; SameSite=Lax"));
    }
    answer
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: PageFrame,
    rows: Vec<(Vec<&'static str>, String)>,
}

/// `GET /keys`: the list of keys.
pub async fn keys(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let words = visitor.words;
    let rows = [
        (vec!["/"], "keys-search"),
        (vec!["g", "s"], "keys-services"),
        (vec!["g", "i"], "keys-instances"),
        (vec!["g", "p"], "keys-pools"),
        (vec!["g", "a"], "keys-activity"),
        (vec!["g", "n"], "keys-network"),
        (vec!["g", "c"], "keys-certificates"),
        (vec!["n"], "keys-new"),
        (vec!["j", "k"], "keys-rows"),
        (vec!["1", "2", "3", "4", "5"], "keys-tabs"),
        (vec!["r"], "keys-reconcile"),
        (vec!["e"], "keys-edit"),
        (vec!["?"], "keys-list"),
        (vec!["Esc"], "keys-leave"),
    ];
    let rows = rows.into_iter().map(|(keys, what)| (keys, words.get(what))).collect();
    let frame = PageFrame::new(&web, &visitor, "", words.get("keys-title"), "/keys".to_owned()).await;
    super::page(&KeysPage { frame, rows })
}

/// Half a year after the last sign-in, as the ledger has it.
const DEVICE_S: u32 = 180 * 24 * 60 * 60;

fn signed_in(web: &Web, mut answer: Response, opened: &OpenedSession) -> Response {
    web.access.note_known(opened.device.expose());
    let (name, secure, device) = (web.access.listening.device_cookie(), secure(web), opened.device.expose());
    // Only our own forms need it: `Strict`.
    let cookie = format!("{name}={device}; Path=/; HttpOnly; SameSite=Strict{secure}; Max-Age={DEVICE_S}");
    set_cookie(&mut answer, &cookie);
    with_session(web, answer, opened.token.expose())
}

fn with_session(web: &Web, mut answer: Response, token: &str) -> Response {
    let end = if token.is_empty() { "; Max-Age=0" } else { "" };
    let (name, secure) = (web.access.listening.session_cookie(), secure(web));
    set_cookie(&mut answer, &format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax{secure}{end}"));
    answer
}

/// `Secure` if clients use HTTPS; on this machine they do not.
fn secure(web: &Web) -> &'static str {
    if web.access.listening.is_https() { "; Secure" } else { "" }
}

fn set_cookie(answer: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
}
