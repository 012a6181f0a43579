//! `/errors/{code}`: what an error code means, as a page for people; the same text as Markdown for everything else.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::attention::{self, AttentionRow};
use super::{FormFields, PageFrame, RequestContext, Web, accepts_html, markdown, page, text_page};
use crate::accounts::Role;
use crate::{error_pages, server};
use amarre_core::model::Code;

#[derive(Template)]
#[template(path = "error.html")]
struct Explained {
    frame: PageFrame,
    code: Code,
    /// Without its code.
    about: String,
    /// What has this code now.
    cases: Vec<AttentionRow>,
    html: String,
}

/// `GET /errors/{code}`, and with `.md` behind it always as it was written.
pub async fn show(State(web): State<Web>, headers: HeaderMap, Path(code): Path<String>) -> Response {
    let (code, is_raw) = match code.strip_suffix(".md") {
        Some(code) => (code.to_owned(), true),
        None => (code, false),
    };
    if is_raw || !accepts_html(&headers) {
        return server::error_page(&code);
    }
    let visitor = RequestContext::new(&headers, &web).await;
    let Some(code) = Code::parse(&code) else {
        let mut text = visitor.words.with("error-unknown", "code", &code);
        if let Some(near) = error_pages::near(&code) {
            text = format!("{text} {}", visitor.words.with("svc-near", "name", near));
        }
        return text_page(&web, &visitor, StatusCode::NOT_FOUND, text).await;
    };
    let (html, title) = markdown::titled(error_pages::page(code, visitor.words.0));
    let frame = PageFrame::new(&web, &visitor, "", title.to_owned(), format!("/errors/{code}")).await;
    let about = title.split_once(": ").map_or(title, |(_, about)| about).to_owned();
    let varies = [(header::VARY, "Accept, Accept-Language, Cookie")];
    let (pass, _) = web.handle.last_pass();
    // What a code means is public; what has it is for those who see services.
    let sees_services = match &visitor.session {
        Some(_) => visitor.may(Role::Viewer),
        None => web.access.admits_anonymous(),
    };
    let cases = if sees_services { attention::with_code(&pass, code, web.handle.now(), &visitor) } else { Vec::new() };
    (varies, page(&Explained { frame, code, about, cases, html })).into_response()
}

#[derive(Template)]
#[template(path = "errors.html")]
struct All {
    frame: PageFrame,
    query: String,
    codes: Vec<(Code, &'static str)>,
}

/// `GET /errors?q=`: the codes with their titles, or those that a text is part of.
pub async fn list(State(web): State<Web>, headers: HeaderMap, Query(fields): Query<FormFields>) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let query = fields.get("q").map(|text| text.trim().to_owned()).unwrap_or_default();
    let sought = query.to_lowercase();
    let is_sought = |(code, title): &(Code, &str)| format!("{code} {title}").to_lowercase().contains(&sought);
    let title = visitor.words.get("errors-title");
    let frame = PageFrame::new(&web, &visitor, "", title, "/errors".to_owned()).await;
    page(&All { frame, codes: error_pages::titles(visitor.words.0).filter(is_sought).collect(), query })
}
