//! Settings: providers, users, tokens, notifications, and the audit log.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::{
    Actor, Flash, FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, denied, marks, page,
    problem, redirect, signed_in, view_model,
};
use crate::accounts::{AccountError, AuditRow, Audited, NewToken, Role, Session, Token, User};
use crate::engine::report;
use crate::engine::report::service_list;
use crate::notifications;
use crate::secret::Secret;
use amarre_core::model::site::PublicAddress;
use amarre_core::model::{Millis, Timestamp};

/// The number of rows of the audit log.
const AUDITED_SHOWN: u32 = 200;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// The choices for the lifetime of a token.
const LIVES: [(&str, Option<Millis>); 4] = [
    ("7d", Some(Millis::minutes(7 * 24 * 60))),
    ("90d", Some(Millis::minutes(90 * 24 * 60))),
    ("365d", Some(Millis::minutes(365 * 24 * 60))),
    ("never", None),
];

pub fn routes() -> axum::Router<Web> {
    axum::Router::new()
        .route("/settings", get(async || redirect("/settings/providers")))
        .route("/accounts", get(async || redirect("/settings/users")))
        .route("/unmanaged", get(unmanaged))
        .route("/settings/providers", get(providers).post(refresh_providers))
        .route("/settings/users", get(users).post(add_user))
        .route("/settings/users/{email}/{what}", post(change_user))
        .route("/settings/tokens", get(tokens).post(add_token))
        .route("/settings/tokens/{name}/remove", post(remove_token))
        .route("/settings/notifications", get(notifications))
        .route("/settings/notifications/{name}/test", post(test))
        .route("/settings/audit", get(audit))
}

async fn frame(web: &Web, visitor: &RequestContext, key: &str, path: &str) -> PageFrame {
    PageFrame::new(web, visitor, "settings", visitor.words.get(key), path.to_owned()).await
}

/// The signed-in user, if it has this role.
async fn authorize(
    web: &Web,
    headers: &HeaderMap,
    path: &str,
    role: Role,
) -> Result<(RequestContext, Session), Response> {
    let visitor = signed_in(web, headers, path).await?;
    let Some(session) = visitor.session.clone() else { return Err(redirect("/login")) };
    if session.user.role < role {
        return Err(denied(web, &visitor, &session, role).await);
    }
    Ok((visitor, session))
}

/// Records an action, and shows a message on the page that follows.
async fn audit_and_redirect(
    web: &Web,
    doer: &Actor,
    from: std::net::SocketAddr,
    action: &str,
    target: &str,
    said: &str,
    back: &str,
) -> Response {
    doer.audit(web, from, action, target, "ok").await;
    Flash::text(said).store(web, &doer.session).await;
    redirect(back)
}

fn field(fields: &FormFields, name: &str) -> String {
    fields.get(name).map(|text| text.trim().to_owned()).unwrap_or_default()
}

// Providers and hosts.

#[derive(Template)]
#[template(path = "settings_providers.html")]
struct ProvidersPage {
    frame: PageFrame,
    tab: &'static str,
    providers: Vec<ProviderRow>,
    hosts: Vec<[String; 4]>,
    source: String,
}

struct ProviderRow {
    name: String,
    version: String,
    tone: &'static str,
    state: String,
    error: Option<String>,
    hint: Option<String>,
}

impl ProviderRow {
    fn mark(&self) -> &'static str {
        marks::tone(self.tone)
    }
}

/// `GET /settings/providers`
async fn providers(State(web): State<Web>, headers: HeaderMap) -> PageOutcome {
    let (visitor, _) = authorize(&web, &headers, "/settings/providers", Role::Viewer).await?;
    let (pass, _) = web.handle.last_pass();
    let words = visitor.words;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let rows = report::status_json(&pass, None)["providers"].as_array().cloned().unwrap_or_default();
    let providers = rows.iter().map(|row| {
        let (tone, key) = match row["state"].as_str() {
            Some("up") => ("ok", "provider-up"),
            Some("auth") => ("bad", "provider-auth"),
            Some(_) | None => ("bad", "provider-down"),
        };
        let zone = text(&row["zone"]).or(text(&row["part"]["path"])).map(|zone| format!(" {zone}")).unwrap_or_default();
        ProviderRow {
            name: format!("{}{zone}", text(&row["name"]).unwrap_or_default()),
            version: text(&row["version"]).unwrap_or_default(),
            tone,
            state: words.get(key),
            error: text(&row["error"]["message"]),
            hint: text(&row["error"]["hints"][0]["text"]),
        }
    });
    let site = pass.context.as_ref().map(|context| context.site.clone());
    let hosts = site.iter().flat_map(|site| &site.hosts).map(|(name, host)| {
        let address = |address: &PublicAddress| match address {
            PublicAddress::Ip(address) => address.to_string(),
            PublicAddress::Name(name) => name.clone(),
        };
        let addresses: Vec<String> = host.address.iter().map(address).collect();
        let npm = host.npm.as_ref().map(|npm| npm.provider.short_name().to_owned()).unwrap_or_default();
        [name.clone(), addresses.join(", "), npm, host.data.clone()]
    });
    Ok(page(&ProvidersPage {
        frame: frame(&web, &visitor, "settings-providers", "/settings/providers").await,
        tab: "providers",
        providers: providers.collect(),
        hosts: hosts.collect(),
        source: web.handle.source_name(),
    }))
}

/// `POST /settings/providers`: runs a pass with new readings.
async fn refresh_providers(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = "/settings/providers";
    let doer = authorize_form(&web, &headers, &fields, Role::Operator, back).await?;
    web.handle.fetch().await;
    let _ = web.handle.pass().await;
    let said = doer.visitor.words.get("provider-looked");
    Ok(audit_and_redirect(&web, &doer, from, "reconcile", "", &said, back).await)
}

/// Name, kind, what it says, and whose it is.
struct UnmanagedRow {
    name: String,
    kind: String,
    value: String,
    instance: String,
}

#[derive(Template)]
#[template(path = "unmanaged.html")]
struct Unmanaged {
    frame: PageFrame,
    things: Vec<UnmanagedRow>,
}

/// `GET /unmanaged`: resources that no manifest names.
async fn unmanaged(State(web): State<Web>, headers: HeaderMap) -> PageOutcome {
    let visitor = signed_in(&web, &headers, "/unmanaged").await?;
    let document = service_list::unmanaged_json(&web.handle.last_pass().0);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let things = document["items"].as_array().into_iter().flatten();
    let row = |item: &serde_json::Value| UnmanagedRow {
        name: text(&item["name"]),
        kind: visitor.words.kind(&text(&item["kind"]).replace('-', " ")),
        value: text(&item["value"]),
        instance: text(&item["instance"]),
    };
    let things = things.map(row).collect();
    let title = visitor.words.get("unmanaged-title");
    let frame = PageFrame::new(&web, &visitor, "services", title, "/unmanaged".to_owned()).await;
    Ok(page(&Unmanaged { frame, things }))
}

// Users.

#[derive(Template)]
#[template(path = "settings_users.html")]
struct UsersPage {
    frame: PageFrame,
    tab: &'static str,
    users: Vec<User>,
    roles: [&'static str; 5],
    error: Option<String>,
    email: String,
    name: String,
}

/// `GET /settings/users`
async fn users(State(web): State<Web>, headers: HeaderMap) -> PageOutcome {
    let (visitor, _) = authorize(&web, &headers, "/settings/users", Role::Admin).await?;
    Ok(users_page(&web, &visitor, &FormFields::new(), None).await)
}

async fn users_page(web: &Web, visitor: &RequestContext, fields: &FormFields, error: Option<String>) -> Response {
    page(&UsersPage {
        frame: frame(web, visitor, "settings-users", "/settings/users").await,
        tab: "users",
        users: web.accounts.users().await.unwrap_or_default(),
        roles: Role::ALL.map(Role::word),
        error,
        email: field(fields, "email"),
        name: field(fields, "name"),
    })
}

/// The page again, with an error.
async fn users_page_with(
    web: &Web,
    doer: &Actor,
    from: std::net::SocketAddr,
    action: &str,
    fields: &FormFields,
    error: &AccountError,
) -> Response {
    doer.audit(web, from, action, &field(fields, "email"), &error.to_string()).await;
    let page = users_page(web, &doer.visitor, fields, Some(error.to_string())).await;
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

/// `POST /settings/users`
async fn add_user(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let doer = authorize_form(&web, &headers, &fields, Role::Admin, "/settings/users").await?;
    let (email, name) = (field(&fields, "email"), field(&fields, "name"));
    let password = Secret::new(fields.get("password").cloned().unwrap_or_default());
    let added = match field(&fields, "role").parse() {
        Ok(role) => web.accounts.add((&email, &name), role, &password, web.handle.now()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = added {
        return Ok(users_page_with(&web, &doer, from, "add_user", &fields, &error).await);
    }
    let said = doer.visitor.words.with("users-added", "email", &email);
    Ok(audit_and_redirect(&web, &doer, from, "add_user", &email, &said, "/settings/users").await)
}

/// `POST /settings/users/{email}/{what}`: changes role or password, or removes the user.
async fn change_user(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path((email, what)): Path<(String, String)>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let doer = authorize_form(&web, &headers, &fields, Role::Admin, "/settings/users").await?;
    let password = Secret::new(fields.get("password").cloned().unwrap_or_default());
    let (changed, action) = match what.as_str() {
        "role" => {
            let changed = match field(&fields, "role").parse() {
                Ok(role) => web.accounts.change(&email, None, Some(role)).await,
                Err(error) => Err(error),
            };
            (changed, "change_role")
        }
        "password" => (web.accounts.change(&email, Some(&password), None).await, "change_password"),
        "remove" => (web.accounts.remove(&email).await, "remove_user"),
        _ => return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await),
    };
    if let Err(error) = changed {
        let named = FormFields::from([("email".to_owned(), email)]);
        return Ok(users_page_with(&web, &doer, from, action, &named, &error).await);
    }
    let said = doer.visitor.words.with("users-changed", "email", &email);
    Ok(audit_and_redirect(&web, &doer, from, action, &email, &said, "/settings/users").await)
}

// Tokens.

#[derive(Template)]
#[template(path = "settings_tokens.html")]
struct Tokens {
    frame: PageFrame,
    tab: &'static str,
    tokens: Vec<TokenLine>,
    /// The roles that the user may give.
    roles: Vec<&'static str>,
    lives: [(&'static str, String); 4],
    error: Option<String>,
    made: Option<(String, String)>,
    name: String,
    services: String,
}

struct TokenLine {
    token: Token,
    services: String,
    ends: String,
    used: String,
}

/// `GET /settings/tokens`: the user's own; for admins all.
async fn tokens(State(web): State<Web>, headers: HeaderMap) -> PageOutcome {
    let (visitor, session) = authorize(&web, &headers, "/settings/tokens", Role::Viewer).await?;
    Ok(tokens_page(&web, &visitor, &session, &FormFields::new(), None, None).await)
}

async fn tokens_page(
    web: &Web,
    visitor: &RequestContext,
    session: &Session,
    fields: &FormFields,
    error: Option<String>,
    made: Option<(String, String)>,
) -> Response {
    let words = visitor.words;
    let day = |at: Option<Timestamp>| at.map_or_else(|| words.get("tokens-never"), view_model::day);
    let all = web.accounts.tokens().await.unwrap_or_default();
    let shown = all.into_iter().filter(|token| may_remove(session, token));
    let rows = shown.map(|token| TokenLine {
        services: token.services.iter().flatten().cloned().collect::<Vec<_>>().join(", "),
        ends: day(token.expires),
        used: day(token.used),
        token,
    });
    page(&Tokens {
        frame: frame(web, visitor, "settings-tokens", "/settings/tokens").await,
        tab: "tokens",
        tokens: rows.collect(),
        roles: Role::ALL.into_iter().filter(|role| *role <= session.user.role).map(Role::word).collect(),
        lives: LIVES.map(|(word, life)| match life {
            Some(life) => (word, words.count("tokens-days", &usize::try_from(life.0 / DAY_MS).unwrap_or_default())),
            None => (word, words.get("tokens-never")),
        }),
        error,
        made,
        name: field(fields, "name"),
        services: field(fields, "services"),
    })
}

fn may_remove(session: &Session, token: &Token) -> bool {
    session.user.role == Role::Admin || token.of.as_ref() == Some(&session.user.email)
}

/// `POST /settings/tokens`: a new token of the user, shown this once.
async fn add_token(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let doer = authorize_form(&web, &headers, &fields, Role::Viewer, "/settings/tokens").await?;
    let now = web.handle.now();
    let life = LIVES.iter().find(|(word, _)| *word == field(&fields, "expires")).map_or(LIVES[1].1, |(_, life)| *life);
    let services = field(&fields, "services");
    let services: BTreeSet<String> =
        services.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let name = field(&fields, "name");
    let made = match field(&fields, "role").parse::<Role>() {
        Ok(role) => {
            let of = Some(doer.session.user.email.clone());
            let role = role.min(doer.session.user.role);
            let new = NewToken { name: name.clone(), role, services, of, expires: life.map(|life| now + life) };
            web.accounts.add_token(&new, now).await
        }
        Err(error) => Err(error),
    };
    let result = made.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned());
    doer.audit(&web, from, "add_token", &name, &result).await;
    Ok(match made {
        Ok(token) => {
            let made = Some((name, token.expose().to_owned()));
            tokens_page(&web, &doer.visitor, &doer.session, &FormFields::new(), None, made).await
        }
        Err(error) => {
            let error = Some(error.to_string());
            let page = tokens_page(&web, &doer.visitor, &doer.session, &fields, error, None).await;
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
    })
}

/// `POST /settings/tokens/{name}/remove`
async fn remove_token(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = "/settings/tokens";
    let doer = authorize_form(&web, &headers, &fields, Role::Viewer, back).await?;
    let all = web.accounts.tokens().await.unwrap_or_default();
    if !all.iter().any(|token| token.name == name && may_remove(&doer.session, token)) {
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    }
    if let Err(error) = web.accounts.remove_token(&name).await {
        Flash { is_bad: true, ..Flash::text(error.to_string()) }.store(&web, &doer.session).await;
        return Ok(redirect(back));
    }
    let said = doer.visitor.words.with("tokens-removed", "name", &name);
    Ok(audit_and_redirect(&web, &doer, from, "remove_token", &name, &said, back).await)
}

// Notifications.

#[derive(Template)]
#[template(path = "settings_notifications.html")]
struct NotificationsPage {
    frame: PageFrame,
    tab: &'static str,
    channels: Vec<ChannelRow>,
}

struct ChannelRow {
    name: String,
    by: &'static str,
    on: String,
    services: String,
    sent: String,
    error: Option<String>,
}

impl ChannelRow {
    fn new((channel, health): &(notifications::channel::Channel, notifications::ChannelHealth)) -> Self {
        Self {
            name: channel.name.clone(),
            by: channel.carrier.word(),
            on: channel.on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            services: channel.services.join(", "),
            sent: health.sent.map(view_model::day).unwrap_or_default(),
            error: health.failed.as_ref().map(|(why, at)| format!("{}: {why}", view_model::day(*at))),
        }
    }
}

/// `GET /settings/notifications`
async fn notifications(State(web): State<Web>, headers: HeaderMap) -> PageOutcome {
    let (visitor, _) = authorize(&web, &headers, "/settings/notifications", Role::Viewer).await?;
    let channels = web.notifications.channels().iter().map(ChannelRow::new).collect();
    let frame = frame(&web, &visitor, "settings-notifications", "/settings/notifications").await;
    Ok(page(&NotificationsPage { frame, tab: "notifications", channels }))
}

/// `POST /settings/notifications/{name}/test`
async fn test(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = "/settings/notifications";
    let doer = authorize_form(&web, &headers, &fields, Role::Admin, back).await?;
    let words = doer.visitor.words;
    match web.notifications.test(&name, &doer.author()).await {
        None => Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await),
        Some(Ok(())) => {
            let said = words.with("notifications-taken", "name", &name);
            Ok(audit_and_redirect(&web, &doer, from, "test_notification", &name, &said, back).await)
        }
        Some(Err(why)) => {
            doer.audit(&web, from, "test_notification", &name, &why).await;
            let said = words.with_all("notifications-not-taken", &[("name", &name), ("why", &why)]);
            Flash { is_bad: true, ..Flash::text(said) }.store(&web, &doer.session).await;
            Ok(redirect(back))
        }
    }
}

// The audit log.

#[derive(Template)]
#[template(path = "settings_audit.html")]
struct AuditPage {
    frame: PageFrame,
    tab: &'static str,
    audit: Vec<Audit>,
}

struct Audit {
    at: String,
    row: AuditRow,
    /// The number of repeated refusals, and the last time; empty: once.
    often: String,
}

/// `GET /settings/audit`
async fn audit(State(web): State<Web>, headers: HeaderMap) -> PageOutcome {
    let (visitor, _) = authorize(&web, &headers, "/settings/audit", Role::Admin).await?;
    let audit = web.accounts.audited(None, AUDITED_SHOWN).await.unwrap_or_default();
    let often = |one: &Audited| match one.count {
        0 | 1 => String::new(),
        count => format!("× {count} – {}", view_model::moment(one.until, web.handle.now())),
    };
    let audit = audit
        .into_iter()
        .map(|one| Audit { at: view_model::day(one.row.at), often: often(&one), row: one.row })
        .collect();
    let frame = frame(&web, &visitor, "settings-audit", "/settings/audit").await;
    Ok(page(&AuditPage { frame, tab: "audit", audit }))
}
