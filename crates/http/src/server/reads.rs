//! The routes of the table of reads. `Accept` chooses the form of an answer: a document, a text for people, or both for the
//! command line.

use axum::Json;
use axum::extract::{Extension, RawPathParams, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::auth::Identity;
use super::openapi::Operation;
use super::problem::refusal;
use super::{ApiRoute, spawn_detached, sse, stopping};
use crate::engine::commands::reads::{self, ReadArgs, ReadCall, ReadForm, ReadRow};
use crate::engine::commands::{CommandAnswer, CommandEnd};
use crate::engine::reconcile::daemon::Handle;
use crate::terminal::shown;
use amarre_core::model::Language;
use amarre_core::plan::render::Style;

/// The media type of a document with its text and the exit code of its command.
pub const ANSWER: &str = "application/vnd.amarre.answer+json";
/// The media type of a text.
pub const TEXT: &str = "text/plain";

/// The reads that a listener serves; `is_owner`: the owner of the socket asks there.
pub(super) fn routes(is_owner: bool) -> Vec<ApiRoute> {
    reads::all().filter(|row| is_owner || !row.is_private).map(route).collect()
}

fn route(row: &'static ReadRow) -> ApiRoute {
    let handler = get(
        async move |State(handle): State<Handle>,
                    Extension(who): Extension<Identity>,
                    path: RawPathParams,
                    RawQuery(query): RawQuery,
                    headers: HeaderMap| {
            if row.is_live && sse::is_requested(&headers) {
                return sse::stream(handle, &headers, &who.account, true);
            }
            let in_path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            let query = query.unwrap_or_default();
            let in_query = form_urlencoded::parse(query.as_bytes()).into_owned();
            match ReadArgs::parse(row, in_path.chain(in_query)) {
                Ok(args) => {
                    let sees_all = who.services.is_none();
                    answer(row, &handle, args, Accepted::from_headers(&headers), sees_all).await
                }
                Err(why) => (StatusCode::BAD_REQUEST, why).into_response(),
            }
        },
    );
    ApiRoute::new(row.path, handler, Operation::reads(row))
}

async fn answer(row: &ReadRow, handle: &Handle, args: ReadArgs, accepted: Accepted, sees_all: bool) -> Response {
    let Accepted { media, style } = accepted;
    let form = if media == Media::Document { ReadForm::Document } else { ReadForm::Text };
    if let Some(beside) = row.beside {
        spawn_detached(beside(handle.clone()));
    }
    let call = ReadCall { handle, args, style, form, sees_all };
    let mut response = match row.answer(&call).await {
        Ok(report) => match media {
            Media::Document => Json(report.document()).into_response(),
            Media::Text => shown(&report.text(style), style.colour).into_response(),
            Media::Both => {
                let answer =
                    CommandAnswer { document: report.document(), text: report.text(style), exit: report.exit() };
                ([(header::CONTENT_TYPE, ANSWER)], Json(answer)).into_response()
            }
        },
        Err(CommandEnd::Stopping) => stopping(),
        Err(CommandEnd::Refused(answer)) => match answer.refused() {
            Some(refused) => refusal(&refused),
            None => stopping(),
        },
    };
    response.headers_mut().insert(header::VARY, header::HeaderValue::from_static("accept"));
    response
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Document,
    Text,
    Both,
}

/// What a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Accepted {
    media: Media,
    style: Style,
}

impl Accepted {
    /// The first media type that is served here; a document where none is. `text/plain; lang=fr; ascii=true; colour=true`.
    fn from_headers(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        let served = lines.flat_map(|line| line.split(',')).find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let media = match parts.next()?.to_ascii_lowercase().as_str() {
                "application/json" | "application/*" | "*/*" => Media::Document,
                TEXT | "text/*" => Media::Text,
                ANSWER => Media::Both,
                _ => return None,
            };
            let mut style = Style::PLAIN;
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match (name.trim(), value.trim()) {
                    ("ascii", "true") => style.ascii = true,
                    ("colour", "true") => style.colour = true,
                    ("lang", "fr") => style.language = Language::Fr,
                    _ => (),
                }
            }
            Some(Self { media, style })
        });
        served.unwrap_or(Self { media: Media::Document, style: Style::PLAIN })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_media_type_that_is_served_is_taken() {
        let plain = Style::PLAIN;
        let french = Style { language: Language::Fr, ..plain };
        for (accept, media, style) in [
            ("", Media::Document, plain),
            ("*/*", Media::Document, plain),
            ("text/html, application/json", Media::Document, plain),
            ("image/png", Media::Document, plain),
            ("Text/Plain", Media::Text, plain),
            ("text/plain; lang=fr", Media::Text, french),
            ("text/plain;ascii=true;colour=true", Media::Text, Style { ascii: true, colour: true, ..plain }),
            ("application/vnd.amarre.answer+json;lang=fr, */*", Media::Both, french),
        ] {
            let headers = [(header::ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
            assert_eq!(Accepted::from_headers(&headers), Accepted { media, style }, "{accept}");
        }
    }
}
