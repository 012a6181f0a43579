//! Settings: to whom we speak, who may do what, what machines ask with, who is told what, and what people did.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::{
    Doer, Fields, Flash, Frame, From, Outcome, Visitor, Web, denied, doer, known, page, problem, to, view_model,
};
use crate::accounts::{AccountError, AuditRow, Audited, NewToken, Role, Session, Token, User};
use crate::engine::report;
use crate::engine::report::service_list;
use crate::notifications;
use crate::secret::Secret;
use amarre_core::model::site::PublicAddress;
use amarre_core::model::{Millis, Timestamp};

/// What people did last.
const AUDITED_SHOWN: u32 = 200;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long a token may live, by what is chosen.
const LIVES: [(&str, Option<Millis>); 4] = [
    ("7d", Some(Millis::minutes(7 * 24 * 60))),
    ("90d", Some(Millis::minutes(90 * 24 * 60))),
    ("365d", Some(Millis::minutes(365 * 24 * 60))),
    ("never", None),
];

/// The pages.
pub fn routes() -> axum::Router<Web> {
    axum::Router::new()
        .route("/settings", get(async || to("/settings/providers")))
        .route("/accounts", get(async || to("/settings/users")))
        .route("/unmanaged", get(unmanaged))
        .route("/settings/providers", get(providers).post(look))
        .route("/settings/users", get(users).post(add_user))
        .route("/settings/users/{email}/{what}", post(change_user))
        .route("/settings/tokens", get(tokens).post(add_token))
        .route("/settings/tokens/{name}/remove", post(remove_token))
        .route("/settings/notifications", get(notified))
        .route("/settings/notifications/{name}/test", post(test))
        .route("/settings/audit", get(audit))
}

async fn frame(web: &Web, visitor: &Visitor, key: &str, path: &str) -> Frame {
    Frame::new(web, visitor, "settings", visitor.words.of(key), path.to_owned()).await
}

/// Whoever is signed in, and has this role.
async fn somebody(web: &Web, headers: &HeaderMap, path: &str, role: Role) -> Result<(Visitor, Session), Response> {
    let visitor = known(web, headers, path).await?;
    let Some(session) = visitor.session.clone() else { return Err(to("/login")) };
    if session.user.role < role {
        return Err(denied(web, &visitor, &session, role).await);
    }
    Ok((visitor, session))
}

/// Writes down what was done, and says it on the page that follows.
async fn done(
    web: &Web,
    doer: &Doer,
    (from, action, target): (std::net::SocketAddr, &str, &str),
    said: &str,
    back: &str,
) -> Response {
    doer.did(web, from, action, target, "ok").await;
    Flash::text(said).keep(web, &doer.session).await;
    to(back)
}

fn field(fields: &Fields, name: &str) -> String {
    fields.get(name).map(|text| text.trim().to_owned()).unwrap_or_default()
}

// Providers and hosts.

#[derive(Template)]
#[template(path = "settings_providers.html")]
struct Providers {
    frame: Frame,
    tab: &'static str,
    providers: Vec<Provider>,
    hosts: Vec<[String; 4]>,
    source: String,
}

struct Provider {
    name: String,
    version: String,
    tone: &'static str,
    state: String,
    error: Option<String>,
    hint: Option<String>,
}

impl Provider {
    fn mark(&self) -> &'static str {
        view_model::mark(self.tone)
    }
}

/// `GET /settings/providers`
async fn providers(State(web): State<Web>, headers: HeaderMap) -> Outcome {
    let (visitor, _) = somebody(&web, &headers, "/settings/providers", Role::Viewer).await?;
    let (picture, _) = web.handle.picture();
    let words = visitor.words;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let rows = report::status_json(&picture, None)["providers"].as_array().cloned().unwrap_or_default();
    let providers = rows.iter().map(|row| {
        let (tone, key) = match row["state"].as_str() {
            Some("up") => ("ok", "provider-up"),
            Some("auth") => ("bad", "provider-auth"),
            Some(_) | None => ("bad", "provider-down"),
        };
        let zone = text(&row["zone"]).map(|zone| format!(" {zone}")).unwrap_or_default();
        Provider {
            name: format!("{}{zone}", text(&row["name"]).unwrap_or_default()),
            version: text(&row["version"]).unwrap_or_default(),
            tone,
            state: words.of(key),
            error: text(&row["error"]["message"]),
            hint: text(&row["error"]["hints"][0]["text"]),
        }
    });
    let site = picture.context.as_ref().map(|context| context.site.clone());
    let hosts = site.iter().flat_map(|site| &site.hosts).map(|(name, host)| {
        let address = |address: &PublicAddress| match address {
            PublicAddress::Ip(address) => address.to_string(),
            PublicAddress::Name(name) => name.clone(),
        };
        let addresses: Vec<String> = host.address.iter().map(address).collect();
        let npm = host.npm.as_ref().map(|npm| npm.provider.npm_name().to_owned()).unwrap_or_default();
        [name.clone(), addresses.join(", "), npm, host.data.clone()]
    });
    Ok(page(&Providers {
        frame: frame(&web, &visitor, "settings-providers", "/settings/providers").await,
        tab: "providers",
        providers: providers.collect(),
        hosts: hosts.collect(),
        source: web.handle.source_name(),
    }))
}

/// `POST /settings/providers`: looks anew.
async fn look(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Outcome {
    let back = "/settings/providers";
    let doer = doer(&web, &headers, &fields, Role::Operator, back).await?;
    web.handle.fetch().await;
    let _ = web.handle.look().await;
    let said = doer.visitor.words.of("provider-looked");
    Ok(done(&web, &doer, (from, "look", ""), &said, back).await)
}

#[derive(Template)]
#[template(path = "unmanaged.html")]
struct Unmanaged {
    frame: Frame,
    things: Vec<[String; 3]>,
}

/// `GET /unmanaged`: what is here that no manifest names.
async fn unmanaged(State(web): State<Web>, headers: HeaderMap) -> Outcome {
    let visitor = known(&web, &headers, "/unmanaged").await?;
    let document = service_list::unmanaged_json(&web.handle.picture().0);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let things = document["items"].as_array().into_iter().flatten();
    let things = things.map(|item| [text(&item["kind"]), text(&item["name"]), text(&item["instance"])]).collect();
    let title = visitor.words.of("unmanaged-title");
    let frame = Frame::new(&web, &visitor, "services", title, "/unmanaged".to_owned()).await;
    Ok(page(&Unmanaged { frame, things }))
}

// Users.

#[derive(Template)]
#[template(path = "settings_users.html")]
struct Users {
    frame: Frame,
    tab: &'static str,
    users: Vec<User>,
    roles: [&'static str; 4],
    error: Option<String>,
    email: String,
    name: String,
}

/// `GET /settings/users`
async fn users(State(web): State<Web>, headers: HeaderMap) -> Outcome {
    let (visitor, _) = somebody(&web, &headers, "/settings/users", Role::Admin).await?;
    Ok(users_page(&web, &visitor, &Fields::new(), None).await)
}

async fn users_page(web: &Web, visitor: &Visitor, fields: &Fields, error: Option<String>) -> Response {
    page(&Users {
        frame: frame(web, visitor, "settings-users", "/settings/users").await,
        tab: "users",
        users: web.accounts.users().await.unwrap_or_default(),
        roles: Role::ALL.map(Role::word),
        error,
        email: field(fields, "email"),
        name: field(fields, "name"),
    })
}

/// The page again, with what is wrong.
async fn users_again(
    web: &Web,
    doer: &Doer,
    from: std::net::SocketAddr,
    (action, fields): (&str, &Fields),
    error: &AccountError,
) -> Response {
    doer.did(web, from, action, &field(fields, "email"), &error.to_string()).await;
    let page = users_page(web, &doer.visitor, fields, Some(error.to_string())).await;
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

/// `POST /settings/users`
async fn add_user(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Outcome {
    let doer = doer(&web, &headers, &fields, Role::Admin, "/settings/users").await?;
    let (email, name) = (field(&fields, "email"), field(&fields, "name"));
    let password = Secret::new(fields.get("password").cloned().unwrap_or_default());
    let added = match field(&fields, "role").parse() {
        Ok(role) => web.accounts.add((&email, &name), role, &password, web.handle.now()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = added {
        return Ok(users_again(&web, &doer, from, ("add_user", &fields), &error).await);
    }
    let said = doer.visitor.words.with("users-added", "email", &email);
    Ok(done(&web, &doer, (from, "add_user", &email), &said, "/settings/users").await)
}

/// `POST /settings/users/{email}/{what}`: another role or password, or away with it.
async fn change_user(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path((email, what)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Outcome {
    let doer = doer(&web, &headers, &fields, Role::Admin, "/settings/users").await?;
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
        let named = Fields::from([("email".to_owned(), email)]);
        return Ok(users_again(&web, &doer, from, (action, &named), &error).await);
    }
    let said = doer.visitor.words.with("users-changed", "email", &email);
    Ok(done(&web, &doer, (from, action, &email), &said, "/settings/users").await)
}

// Tokens.

#[derive(Template)]
#[template(path = "settings_tokens.html")]
struct Tokens {
    frame: Frame,
    tab: &'static str,
    tokens: Vec<TokenRow>,
    /// Those that whoever looks may give.
    roles: Vec<&'static str>,
    lives: [(&'static str, String); 4],
    error: Option<String>,
    made: Option<(String, String)>,
    name: String,
    services: String,
}

struct TokenRow {
    token: Token,
    services: String,
    ends: String,
    used: String,
}

/// `GET /settings/tokens`: one's own; for admins all.
async fn tokens(State(web): State<Web>, headers: HeaderMap) -> Outcome {
    let (visitor, session) = somebody(&web, &headers, "/settings/tokens", Role::Viewer).await?;
    Ok(tokens_page(&web, &visitor, &session, &Fields::new(), None, None).await)
}

async fn tokens_page(
    web: &Web,
    visitor: &Visitor,
    session: &Session,
    fields: &Fields,
    error: Option<String>,
    made: Option<(String, String)>,
) -> Response {
    let words = visitor.words;
    let day = |at: Option<Timestamp>| at.map_or_else(|| words.of("tokens-never"), view_model::day);
    let all = web.accounts.tokens().await.unwrap_or_default();
    let shown = all.into_iter().filter(|token| is_theirs(session, token));
    let rows = shown.map(|token| TokenRow {
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
            None => (word, words.of("tokens-never")),
        }),
        error,
        made,
        name: field(fields, "name"),
        services: field(fields, "services"),
    })
}

fn is_theirs(session: &Session, token: &Token) -> bool {
    session.user.role == Role::Admin || token.of.as_ref() == Some(&session.user.email)
}

/// `POST /settings/tokens`: a token of whoever asks, shown this once.
async fn add_token(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Outcome {
    let doer = doer(&web, &headers, &fields, Role::Viewer, "/settings/tokens").await?;
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
    doer.did(&web, from, "add_token", &name, &result).await;
    Ok(match made {
        Ok(token) => {
            let made = Some((name, token.expose().to_owned()));
            tokens_page(&web, &doer.visitor, &doer.session, &Fields::new(), None, made).await
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
    Form(fields): Form<Fields>,
) -> Outcome {
    let back = "/settings/tokens";
    let doer = doer(&web, &headers, &fields, Role::Viewer, back).await?;
    let all = web.accounts.tokens().await.unwrap_or_default();
    if !all.iter().any(|token| token.name == name && is_theirs(&doer.session, token)) {
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    }
    if let Err(error) = web.accounts.remove_token(&name).await {
        Flash { is_bad: true, ..Flash::text(error.to_string()) }.keep(&web, &doer.session).await;
        return Ok(to(back));
    }
    let said = doer.visitor.words.with("tokens-removed", "name", &name);
    Ok(done(&web, &doer, (from, "remove_token", &name), &said, back).await)
}

// Who is told what.

#[derive(Template)]
#[template(path = "settings_notifications.html")]
struct Notified {
    frame: Frame,
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
    fn of((channel, health): &(notifications::channel::Channel, notifications::Health)) -> Self {
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
async fn notified(State(web): State<Web>, headers: HeaderMap) -> Outcome {
    let (visitor, _) = somebody(&web, &headers, "/settings/notifications", Role::Viewer).await?;
    let channels = web.notifications.channels().iter().map(ChannelRow::of).collect();
    let frame = frame(&web, &visitor, "settings-notifications", "/settings/notifications").await;
    Ok(page(&Notified { frame, tab: "notifications", channels }))
}

/// `POST /settings/notifications/{name}/test`
async fn test(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<Fields>,
) -> Outcome {
    let back = "/settings/notifications";
    let doer = doer(&web, &headers, &fields, Role::Admin, back).await?;
    let words = doer.visitor.words;
    match web.notifications.test(&name, &doer.by()).await {
        None => Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await),
        Some(Ok(())) => {
            let said = words.with("notifications-taken", "name", &name);
            Ok(done(&web, &doer, (from, "test_notification", &name), &said, back).await)
        }
        Some(Err(why)) => {
            doer.did(&web, from, "test_notification", &name, &why).await;
            let said = words.with_all("notifications-not-taken", &[("name", &name), ("why", &why)]);
            Flash { is_bad: true, ..Flash::text(said) }.keep(&web, &doer.session).await;
            Ok(to(back))
        }
    }
}

// What people did.

#[derive(Template)]
#[template(path = "settings_audit.html")]
struct AuditPage {
    frame: Frame,
    tab: &'static str,
    audit: Vec<Audit>,
}

struct Audit {
    at: String,
    row: AuditRow,
    /// How often it was refused, and until when; empty: once.
    often: String,
}

/// `GET /settings/audit`
async fn audit(State(web): State<Web>, headers: HeaderMap) -> Outcome {
    let (visitor, _) = somebody(&web, &headers, "/settings/audit", Role::Admin).await?;
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
