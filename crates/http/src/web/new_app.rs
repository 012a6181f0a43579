//! A new app from its URL: what was found out of the repository and why, the questions, its manifest and plan.

use askama::Template;
use axum::extract::{ConnectInfo, Form as Body, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::edit::{self, CheckedManifest};
use super::plain_secrets;
use super::service::builds::FoundView;
use super::view_model::{self, PlanRow};
use super::{
    Flash, FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, redirect,
    signed_in_and_counted,
};
use crate::accounts::Role;
use crate::engine::commands::apps::{NewApp, frameworks};
use crate::engine::commands::edit_manifest::{self, ManifestRemark};
use amarre_core::model::{Code, Hint};

const HERE: &str = "/new/app";

#[derive(Template)]
#[template(path = "new_app.html")]
struct NewAppPage {
    frame: PageFrame,
    new: NewApp,
    /// Each framework, and whether it is chosen.
    frameworks: Vec<(String, bool)>,
    domain: String,
    /// What was found out.
    found: FoundView,
    /// Whether secrets stand in what was typed.
    has_secrets: bool,
    is_asked: bool,
    may_edit: bool,
    unwritable: Option<Flash>,
    settle: Vec<ManifestRemark>,
    settle_places: bool,
    settle_title: String,
    plan: Vec<PlanRow>,
    summary: String,
    file: String,
    place: String,
    text: String,
}

/// What is typed; the name follows from the URL where none is.
fn typed(fields: &FormFields) -> NewApp {
    let text = |key: &str| fields.get(key).map(|text| text.trim().to_owned()).unwrap_or_default();
    let url = text("url");
    let name = match text("name") {
        name if name.is_empty() => name_of(&url),
        name => name.to_lowercase(),
    };
    let (reference, path, framework) = (text("ref"), text("path"), text("framework"));
    // Browsers send line ends of their own, and how far a line is indented counts.
    let more = fields.get("more").map(|more| more.replace("\r\n", "\n").trim_end().to_owned()).unwrap_or_default();
    let (domain, port, token) = (text("domain"), text("port"), text("token"));
    NewApp { name, url, reference, path, framework, domain, port, token, more }
}

/// `https://github.com/acme/My_Shop.git` → `my-shop`.
fn name_of(url: &str) -> String {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let last = last.strip_suffix(".git").unwrap_or(last).to_lowercase();
    let fits = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    last.chars().map(fits).collect::<String>().trim_matches('-').to_owned()
}

/// The manifest, and what comes of it.
async fn check(web: &Web, visitor: &RequestContext, new: &NewApp) -> (String, CheckedManifest) {
    let problem = |text: String, code: Code, hint: Option<String>| {
        let hints: Vec<Hint> = hint.map(Hint::text).into_iter().collect();
        CheckedManifest { settle: vec![ManifestRemark::new(text, code, &hints)], ..CheckedManifest::default() }
    };
    let text = match new.manifest() {
        Ok(text) => text,
        Err((what, hint)) => return (String::new(), problem(what, Code::A0771, Some(hint))),
    };
    if !new.port.is_empty() && new.port.parse::<u16>().is_err() {
        return (text, problem(visitor.words.with("app-no-port", "port", &new.port), Code::A0106, None));
    }
    if edit_manifest::is_taken(&web.handle, &new.name) {
        return (text, problem(visitor.words.get("new-taken"), Code::A1009, None));
    }
    let path = web.handle.path_of(&new.name);
    let checked = edit::check(web, visitor, (&path, &text), &new.name, Vec::new()).await;
    let complete = checked.as_ref().and_then(|checked| new.with_port(checked.after.as_ref()?));
    match (checked, complete.map(|complete| complete.manifest())) {
        (Some(_), Some(Ok(text))) => {
            let checked = edit::check(web, visitor, (&path, &text), &new.name, Vec::new()).await;
            (text, checked.unwrap_or_default())
        }
        (Some(checked), _) => (text, checked),
        (None, _) => (text, problem("Amarre is stopping".to_owned(), Code::A0904, None)),
    }
}

/// Keeps the secrets that were typed into the manifest, and shows it with their names.
async fn keep_secrets(web: &Web, visitor: &RequestContext, mut new: NewApp) -> Response {
    let (_, mut checked) = check(web, visitor, &new).await;
    let secrets = std::mem::take(&mut checked.secrets);
    let kept = plain_secrets::keep(web, &secrets);
    if kept.is_ok() {
        new.more = plain_secrets::replaced(&new.more, &secrets).trim_end().to_owned();
    }
    let (text, mut checked) = check(web, visitor, &new).await;
    checked.refuse_secrets(&text, visitor);
    show_page(web, visitor, new, Some((text, checked)), kept.err()).await
}

async fn show_page(
    web: &Web,
    visitor: &RequestContext,
    new: NewApp,
    checked: Option<(String, CheckedManifest)>,
    more: Option<ManifestRemark>,
) -> Response {
    let words = visitor.words;
    let frame = PageFrame::new(web, visitor, "services", words.get("app-new-title"), HERE.to_owned()).await;
    let is_asked = checked.is_some();
    let (text, mut checked) = checked.unwrap_or_default();
    checked.settle.extend(more);
    let service = checked.after.as_ref().and_then(|after| after.services.get(&new.name));
    let build = service.and_then(|service| service.build());
    let found = FoundView::new(build, words);
    let (pass, _) = web.handle.last_pass();
    let domains = pass.context.as_ref().map(|context| context.site.domains.clone()).unwrap_or_default();
    let file = web.handle.path_of(&new.name);
    page(&NewAppPage {
        frameworks: frameworks().into_iter().map(|name| (name.clone(), name == new.framework)).collect(),
        domain: domains.first().cloned().unwrap_or_default(),
        found,
        has_secrets: !checked.secrets.is_empty(),
        is_asked,
        may_edit: visitor.may(Role::Editor),
        unwritable: edit::unwritable_notice(web, visitor, &file).await,
        settle_title: edit::title(&checked.settle, visitor),
        settle: checked.settle,
        settle_places: false,
        plan: checked.plan,
        summary: checked.summary,
        place: edit::place(web, visitor),
        file,
        text,
        frame,
        new,
    })
}

/// `GET /new/app`
pub async fn show(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    show_page(&web, &visitor, NewApp::default(), None, None).await
}

/// `POST /new/app`: looks at the repository, or writes the manifest.
pub async fn make(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Body(fields): Body<FormFields>,
) -> PageOutcome {
    let new = typed(&fields);
    let deed = fields.get("do").map(String::as_str).unwrap_or_default();
    if !["commit", "commit_plain", "keep"].contains(&deed) {
        let visitor = signed_in_and_counted(&web, &headers, HERE).await?;
        let mut checked = check(&web, &visitor, &new).await;
        checked.1.refuse_secrets(&checked.0, &visitor);
        return Ok(show_page(&web, &visitor, new, Some(checked), None).await);
    }
    let doer = authorize_form(&web, &headers, &fields, Role::Editor, HERE).await?;
    if deed == "keep" {
        return Ok(keep_secrets(&web, &doer.visitor, new).await);
    }
    let (text, mut checked) = check(&web, &doer.visitor, &new).await;
    if deed != "commit_plain" {
        checked.refuse_secrets(&text, &doer.visitor);
    }
    let mut problem = None;
    if checked.settle.is_empty() {
        let (path, message) = (web.handle.path_of(&new.name), format!("add {}", new.name));
        let change = (path, None, Some(text.clone()));
        match edit::write_change(&web, &doer, change, message, (from, "add", &new.name)).await {
            Ok(()) => {
                return Ok(redirect(&format!("/services/{}/deployments", view_model::encoded(&new.name))));
            }
            Err(why) => problem = Some(why),
        }
    }
    let page = show_page(&web, &doer.visitor, new, Some((text, checked)), problem).await;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_from_the_url() {
        for (url, name) in [
            ("https://github.com/acme/My_Shop.git", "my-shop"),
            ("git@git.example.org:ops/shop", "shop"),
            ("https://github.com/acme/shop/", "shop"),
            ("", ""),
        ] {
            assert_eq!(name_of(url), name);
        }
    }
}
