//! A new service from a template: its parameters as a form, its manifest and plan beside it, and its secrets made with
//! it.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{ConnectInfo, Form as Body, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::edit::{self, Checked};
use super::view::{self, PlanRow};
use super::{Fields, Flash, Frame, From, Outcome, Visitor, Web, asks, doer, page, said, to};
use crate::accounts::Role;
use crate::engine::manifests::{self, Settle};
use crate::templates::{self, Rendered};

#[derive(Template)]
#[template(path = "templates.html")]
struct List {
    frame: Frame,
    templates: Vec<[String; 3]>,
    error: Option<String>,
}

/// `GET /new/templates`
pub async fn list(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = Visitor::of(&headers, &web).await;
    let (all, error) = match web.shelf.templates() {
        Ok(all) => (all, None),
        Err(why) => (BTreeMap::new(), Some(why)),
    };
    let templates = all.into_iter().map(|(name, template)| [name, template.title, template.about]).collect();
    let title = visitor.words.of("templates-title");
    let frame = Frame::new(&web, &visitor, "services", title, "/new/templates".to_owned()).await;
    page(&List { frame, templates, error })
}

#[derive(Template)]
#[template(path = "template.html")]
struct Fill {
    frame: Frame,
    template: String,
    about: String,
    /// Key, what it is, what it is if nothing is said, and what was typed.
    fields: Vec<[String; 4]>,
    name: String,
    is_asked: bool,
    may_edit: bool,
    settle: Vec<Settle>,
    settle_title: String,
    plan: Vec<PlanRow>,
    summary: String,
    file: String,
    place: String,
    text: String,
    secrets: Option<String>,
    notes: String,
}

/// What was filled in: the name, and what is to be otherwise.
struct Filled {
    name: String,
    set: BTreeMap<String, String>,
}

impl Filled {
    fn of(fields: &Fields, template: &templates::Template) -> Self {
        let text = |key: &str| fields.get(key).map(|text| text.trim().to_owned()).unwrap_or_default();
        let keys = ["address", "tls"].into_iter().chain(template.parameters.keys().map(String::as_str));
        // A parameter may be called as something else of the form.
        let set = keys
            .map(|key| (key.to_owned(), text(&format!("set-{key}"))))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self { name: text("name").to_lowercase(), set }
    }
}

fn problem(text: String) -> Settle {
    Settle::of(text, "A1009", &[])
}

/// The template of a name; else what is answered.
async fn wanted(web: &Web, visitor: &Visitor, name: &str) -> Result<templates::Template, Response> {
    match web.shelf.templates().map(|mut all| all.remove(name)) {
        Ok(Some(template)) => Ok(template),
        Err(why) => Err(said(web, visitor, StatusCode::UNPROCESSABLE_ENTITY, why).await),
        Ok(None) => {
            Err(said(web, visitor, StatusCode::NOT_FOUND, visitor.words.with("templates-unknown", "name", name)).await)
        }
    }
}

/// What it becomes, and what would be done with it.
async fn checked(
    web: &Web,
    visitor: &Visitor,
    filled: &Filled,
    template: &templates::Template,
) -> (Option<Rendered>, Checked) {
    let none = |text: String| Checked { settle: vec![problem(text)], ..Checked::default() };
    let rendered = match template.render(&filled.name, &filled.set) {
        Ok(rendered) => rendered,
        Err(why) => return (None, none(why.to_string())),
    };
    if manifests::is_taken(&web.handle, &filled.name) {
        return (Some(rendered), none(visitor.words.of("new-taken")));
    }
    let path = web.handle.path_of(&filled.name);
    let promised = rendered.secrets.clone();
    match edit::check(web, visitor, (&path, &rendered.manifest), &filled.name, promised).await {
        Some(checked) => (Some(rendered), checked),
        None => (None, none("Amarre is stopping".to_owned())),
    }
}

async fn fill_page(
    web: &Web,
    visitor: &Visitor,
    (key, template): (&str, &templates::Template),
    filled: &Filled,
    more: Option<Settle>,
) -> Response {
    let is_asked = !filled.name.is_empty();
    let nothing = Checked::default();
    // Before anything is typed, it is shown as it is called itself.
    let shown = if is_asked { filled.name.as_str() } else { key };
    let (rendered, mut checked) = match is_asked {
        true => checked(web, visitor, filled, template).await,
        false => (template.render(shown, &filled.set).ok(), nothing),
    };
    checked.settle.extend(more);
    let rendered = rendered.unwrap_or(Rendered { manifest: String::new(), secrets: Vec::new(), notes: String::new() });
    let typed = |key: &str| filled.set.get(key).cloned().unwrap_or_default();
    let words = visitor.words;
    let built_in = [
        ("address", words.of("new-address"), shown.to_owned()),
        ("tls", words.of("new-tls"), "letsencrypt".to_owned()),
    ];
    let built_in = built_in.map(|(key, about, usual)| [key.to_owned(), about, usual, typed(key)]);
    let own =
        template.parameters.iter().map(|(key, one)| [key.clone(), one.about.clone(), one.default.clone(), typed(key)]);
    let frame =
        Frame::new(web, visitor, "services", template.title.clone(), format!("/new/templates/{}", view::encoded(key)))
            .await;
    page(&Fill {
        frame,
        template: key.to_owned(),
        about: template.about.clone(),
        fields: built_in.into_iter().chain(own).collect(),
        name: filled.name.clone(),
        is_asked,
        may_edit: visitor.may(Role::Editor),
        settle_title: edit::title(&checked.settle, visitor),
        settle: checked.settle,
        plan: checked.plan,
        summary: checked.summary,
        file: web.handle.path_of(shown),
        place: edit::place(web, visitor),
        text: rendered.manifest,
        secrets: Some(rendered.secrets.join(", "))
            .filter(|names| !names.is_empty())
            .map(|names| words.with("templates-secrets", "names", &names)),
        notes: rendered.notes.trim().to_owned(),
    })
}

/// `GET /new/templates/{template}`
pub async fn show(State(web): State<Web>, headers: HeaderMap, Path(key): Path<String>) -> Outcome {
    let visitor = Visitor::of(&headers, &web).await;
    let template = wanted(&web, &visitor, &key).await?;
    let filled = Filled { name: String::new(), set: BTreeMap::new() };
    Ok(fill_page(&web, &visitor, (&key, &template), &filled, None).await)
}

/// `POST /new/templates/{template}`: checks, or makes the secrets and writes.
pub async fn make(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(key): Path<String>,
    Body(fields): Body<Fields>,
) -> Outcome {
    let here = format!("/new/templates/{}", view::encoded(&key));
    if fields.get("do").map(String::as_str) != Some("commit") {
        let visitor = asks(&web, &headers, &here).await?;
        let template = wanted(&web, &visitor, &key).await?;
        let filled = Filled::of(&fields, &template);
        return Ok(fill_page(&web, &visitor, (&key, &template), &filled, None).await);
    }
    let doer = doer(&web, &headers, &fields, Role::Editor, &here).await?;
    let template = wanted(&web, &doer.visitor, &key).await?;
    let filled = Filled::of(&fields, &template);
    let (rendered, checked) = checked(&web, &doer.visitor, &filled, &template).await;
    let problem = match rendered.filter(|_| checked.settle.is_empty()) {
        None => None,
        Some(rendered) => {
            // First: the manifest may be taken up at once.
            let made = rendered.secrets.iter().try_for_each(|secret| web.shelf.make_secret(secret));
            let (path, message) = (web.handle.path_of(&filled.name), format!("add {} ({key})", filled.name));
            let written = match made {
                Ok(()) => {
                    let change = (path, None, Some(rendered.manifest));
                    edit::written(&web, &doer, change, message, (from, "add", &filled.name)).await
                }
                Err(why) => Err(Settle::of(why, "A0207", &[])),
            };
            match written {
                Ok(()) => {
                    let notes = rendered.notes.trim();
                    if !notes.is_empty() {
                        Flash::text(notes).keep(&web, &doer.session).await;
                    }
                    return Ok(to(&format!("/services/{}", view::encoded(&filled.name))));
                }
                Err(problem) => Some(problem),
            }
        }
    };
    let page = fill_page(&web, &doer.visitor, (&key, &template), &filled, problem).await;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
