//! What the pages share that ask before something is done with a server: which one it is, and how what was confirmed begins.

use std::net::SocketAddr;

use axum::response::Response;

use super::actions::{NO_WAIT_MS, act_in, finish};
use super::{Actor, RequestContext, Web, none_page};
use crate::engine::PassView;
use crate::engine::commands::{Act, Refused};
use crate::engine::report::instances::{self, InstanceRow};
use crate::words::Words;

/// The server of a name; else the page that says that there is none.
pub async fn found(web: &Web, visitor: &RequestContext, pass: &PassView, name: &str) -> Result<InstanceRow, Response> {
    match instances::find(pass, name) {
        Ok(row) => Ok(row),
        Err(_) => {
            let text = visitor.words.with("inst-none", "name", name);
            Err(none_page(web, visitor, ("/instances", "nav-instances"), text).await)
        }
    }
}

/// Why a forecast was refused, with what helps, and the code of that.
fn why(refused: &Refused, words: Words) -> (String, String) {
    let hints = refused.hints.iter().map(|hint| words.say(&hint.text)).filter(|hint| !hint.is_empty());
    let said = [words.say(&refused.said)].into_iter().chain(hints).collect::<Vec<_>>().join(" · ");
    (said, refused.code.to_string())
}

/// What comes of trying a command that is not carried out yet.
#[derive(Default)]
pub struct DryRun {
    /// What it would do.
    pub forecast: Option<String>,
    /// Why it would do nothing, and the code of that.
    pub refused: Option<(String, String)>,
}

/// Tries a command.
pub async fn dry_run(web: &Web, command: Act, words: Words) -> Result<DryRun, Response> {
    let answer = act_in(web, command.with("dry_run", true), words.0).await.ok_or_else(super::edit::stopping)?;
    let refused = answer.refused().map(|refused| why(&refused, words));
    Ok(DryRun { forecast: Some(answer.text).filter(|_| refused.is_none()), refused })
}

/// Begins what was confirmed, waits for nothing, and leads to a page that says so.
pub async fn begin(
    web: &Web,
    doer: &Actor,
    (from, verb, name): (SocketAddr, &str, &str),
    command: Act,
    (said, to): (&str, &str),
) -> Response {
    web.accounts.set_flash(&doer.session, said).await;
    let command = command.with("timeout_ms", NO_WAIT_MS).asked_by(&doer.author());
    finish(web, doer, (from, verb, name), command, to).await
}
