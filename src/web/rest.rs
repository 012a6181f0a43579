//! Runs, the network, accounts.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{Frame, Visitor, Web, denied, page, to, view};
use crate::accounts::{Role, User};
use crate::engine::history::{self, HistoryOf};
use crate::engine::subnets;
use crate::plan::render::Look;
use crate::store::accounts::AuditRow;

/// What people did last.
const AUDITED_SHOWN: u32 = 100;
/// Runs on the page.
const RUNS_SHOWN: u32 = 50;

#[derive(Template)]
#[template(path = "text.html")]
struct Text {
    frame: Frame,
    text: String,
}

/// `GET /runs`
pub async fn runs(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = Visitor::of(&headers, &web).await;
    let answer = history::history(&web.handle, &HistoryOf { limit: RUNS_SHOWN, ..HistoryOf::default() }).await;
    let frame = Frame::new(&web, &visitor, "runs", visitor.words.of("runs-title"), "/runs".to_owned()).await;
    page(&Text { frame, text: answer.text })
}

/// `GET /network`
pub async fn network(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = Visitor::of(&headers, &web).await;
    let text = subnets::text(&web.handle.picture().0, Look::PLAIN);
    let frame = Frame::new(&web, &visitor, "network", visitor.words.of("network-title"), "/network".to_owned()).await;
    page(&Text { frame, text })
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    users: Vec<User>,
    audit: Vec<Audit>,
}

struct Audit {
    at: String,
    row: AuditRow,
}

/// `GET /accounts`: for admins.
pub async fn accounts(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = Visitor::of(&headers, &web).await;
    let Some(session) = &visitor.session else { return to("/login?back=/accounts") };
    if session.user.role < Role::Admin {
        return denied(&web, &visitor, session, Role::Admin).await;
    }
    let users = web.accounts.users().await.unwrap_or_default();
    let audit = web.accounts.audited(AUDITED_SHOWN).await.unwrap_or_default();
    let audit = audit.into_iter().map(|row| Audit { at: view::day(row.at), row }).collect();
    let title = visitor.words.of("accounts-title");
    let frame = Frame::new(&web, &visitor, "accounts", title, "/accounts".to_owned()).await;
    page(&AccountsPage { frame, users, audit })
}
