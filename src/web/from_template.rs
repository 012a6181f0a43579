//! A new service from a template: its parameters as a form, its manifest and plan beside it, and its secrets made with
//! it.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{ConnectInfo, Form as Body, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::checks::{Mark, Marks, Typed};
use super::edit::{self, Checked};
use super::view_model;
use super::view_model::PlanRow;
use super::words::Words;
use super::{Fields, Flash, Frame, From, Outcome, Visitor, Web, asks, doer, page, said, to};
use crate::accounts::Role;
use crate::engine::commands::edit_manifest;
use crate::engine::commands::edit_manifest::Settle;
use crate::engine::report::certificates;
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
    fields: Vec<Field>,
    name: String,
    name_mark: Mark,
    is_asked: bool,
    may_edit: bool,
    unwritable: Option<Flash>,
    settle: Vec<Settle>,
    settle_places: bool,
    settle_title: String,
    plan: Vec<PlanRow>,
    summary: String,
    file: String,
    place: String,
    text: String,
    secrets: Option<String>,
    notes: String,
}

/// A parameter as a field.
struct Field {
    key: String,
    label: String,
    /// What stands in it: what was typed, else what it is if nothing is said.
    value: String,
    /// What can be chosen, as value and words; empty: it is typed.
    choices: Vec<(String, String)>,
    mark: Mark,
}

/// Names that are tried for a service from a template that is there already: `gitea-2`.
const NAMES_TRIED_MAX: usize = 9;

/// The first name after the template's own that is not taken.
fn free_name(web: &Web, key: &str) -> String {
    let others = (2..=NAMES_TRIED_MAX).map(|n| format!("{key}-{n}"));
    let mut names = std::iter::once(key.to_owned()).chain(others);
    names.find(|name| !edit_manifest::is_taken(&web.handle, name)).unwrap_or_else(|| key.to_owned())
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

/// What it becomes, what would be done with it, and the parameter that is wrong, where one is.
async fn checked(
    web: &Web,
    visitor: &Visitor,
    filled: &Filled,
    template: &templates::Template,
) -> (Option<Rendered>, Checked, Option<String>) {
    let none = |text: String| Checked { settle: vec![problem(text)], ..Checked::default() };
    let rendered = match template.render(&filled.name, &filled.set) {
        Ok(rendered) => rendered,
        Err(unfit) => return (None, none(unfit.why), unfit.parameter),
    };
    if edit_manifest::is_taken(&web.handle, &filled.name) {
        return (Some(rendered), none(visitor.words.of("new-taken")), Some("name".to_owned()));
    }
    let path = web.handle.path_of(&filled.name);
    let promised = rendered.secrets.clone();
    match edit::check(web, visitor, (&path, &rendered.manifest), &filled.name, promised).await {
        Some(checked) => {
            let wrong = checked.settle.iter().find_map(|one| template.parameter_at(one.at?.0)).map(str::to_owned);
            (Some(rendered), checked, wrong)
        }
        None => (None, none("Amarre is stopping".to_owned()), None),
    }
}

/// What is said at each field: what the check found, over it what has to be settled.
async fn marks(
    web: &Web,
    visitor: &Visitor,
    (filled, template): (&Filled, &templates::Template),
    (checked, wrong): (&Checked, Option<&str>),
) -> BTreeMap<String, Mark> {
    let mut marks = BTreeMap::new();
    let given = |key: &str| filled.set.get(key).map(String::as_str);
    if let Some(after) = &checked.after {
        let image = template.parameters.get("image").map(|image| given("image").unwrap_or(&image.default));
        let has_tls = given("tls").is_none_or(|tls| tls == LETS_ENCRYPT);
        let typed = Typed { name: &filled.name, image: image.unwrap_or_default(), port: None, has_tls };
        let Marks { name, image, address, tls, .. } = Marks::of(web, visitor, typed, after).await;
        marks = [("name", name), ("image", image), ("address", address), ("tls", tls)]
            .into_iter()
            .map(|(key, mark)| (key.to_owned(), mark))
            .collect();
    }
    if let (Some(wrong), Some(first)) = (wrong, checked.settle.first()) {
        marks.insert(wrong.to_owned(), Mark::wrong(first.text.clone()));
    }
    if marks.get("address").is_none_or(|mark| mark.text.is_empty()) {
        let hint = visitor.words.with("template-address", "name", &filled.name);
        marks.insert("address".to_owned(), Mark::hint(hint));
    }
    marks
}

/// What `tls` is if nothing is said.
const LETS_ENCRYPT: &str = "letsencrypt";

/// What can be chosen for `tls`: a certificate that is ordered, none, or one that NPM has already.
fn tls_choices(web: &Web, words: Words) -> Vec<(String, String)> {
    let (picture, _) = web.handle.picture();
    let there = certificates::all(&picture).into_iter().filter(|one| !one.is_ours).map(|one| one.name);
    let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let mut named: Vec<String> = there.filter(is_name).collect();
    named.sort();
    named.dedup();
    let usual = [(LETS_ENCRYPT, "new-tls-letsencrypt"), ("none", "new-tls-none")];
    let usual = usual.map(|(value, key)| (value.to_owned(), words.of(key)));
    usual.into_iter().chain(named.into_iter().map(|name| (name.clone(), name))).collect()
}

/// The parameters as fields, each with what stands in it.
fn fields_of(
    web: &Web,
    words: Words,
    (filled, template): (&Filled, &templates::Template),
    mut marks: BTreeMap<String, Mark>,
) -> Vec<Field> {
    let built_in = [("address", words.of("new-address"), ""), ("tls", words.of("new-tls"), LETS_ENCRYPT)];
    let built_in = built_in.map(|(key, label, usual)| (key.to_owned(), label, usual.to_owned()));
    let own = template.parameters.iter().map(|(key, one)| (key.clone(), one.about.clone(), one.default.clone()));
    let field = |(key, label, usual): (String, String, String)| Field {
        value: filled.set.get(&key).cloned().unwrap_or(usual),
        choices: if key == "tls" { tls_choices(web, words) } else { Vec::new() },
        mark: marks.remove(&key).unwrap_or_default(),
        key,
        label,
    };
    built_in.into_iter().chain(own).map(field).collect()
}

async fn fill_page(
    web: &Web,
    visitor: &Visitor,
    (key, template): (&str, &templates::Template),
    filled: &Filled,
    more: Option<Settle>,
) -> Response {
    // A visitor without a session sees what would be written, and asks for no check.
    let is_asked = visitor.session.is_some();
    let (rendered, mut checked, wrong) = match is_asked {
        true => checked(web, visitor, filled, template).await,
        false => (template.render(&filled.name, &filled.set).ok(), Checked::default(), None),
    };
    let mut marks = marks(web, visitor, (filled, template), (&checked, wrong.as_deref())).await;
    checked.settle.extend(more);
    let rendered = rendered.unwrap_or(Rendered { manifest: String::new(), secrets: Vec::new(), notes: String::new() });
    let (words, file) = (visitor.words, web.handle.path_of(&filled.name));
    let here = format!("/new/templates/{}", view_model::encoded(key));
    let frame = Frame::new(web, visitor, "services", template.title.clone(), here).await;
    page(&Fill {
        frame,
        template: key.to_owned(),
        about: template.about.clone(),
        name_mark: marks.remove("name").unwrap_or_default(),
        fields: fields_of(web, words, (filled, template), marks),
        name: filled.name.clone(),
        is_asked,
        may_edit: visitor.may(Role::Editor),
        unwritable: edit::unwritable(web, visitor, &file).await,
        settle_title: edit::title(&checked.settle, visitor),
        settle: checked.settle,
        settle_places: false,
        plan: checked.plan,
        summary: checked.summary,
        file,
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
    // Who is signed in sees checks and the plan before anything is typed, as after each change.
    let visitor = match visitor.session {
        Some(_) => asks(&web, &headers, &format!("/new/templates/{}", view_model::encoded(&key))).await?,
        None => visitor,
    };
    let filled = Filled { name: free_name(&web, &key), set: BTreeMap::new() };
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
    let here = format!("/new/templates/{}", view_model::encoded(&key));
    if fields.get("do").map(String::as_str) != Some("commit") {
        let visitor = asks(&web, &headers, &here).await?;
        let template = wanted(&web, &visitor, &key).await?;
        let filled = Filled::of(&fields, &template);
        return Ok(fill_page(&web, &visitor, (&key, &template), &filled, None).await);
    }
    let doer = doer(&web, &headers, &fields, Role::Editor, &here).await?;
    let template = wanted(&web, &doer.visitor, &key).await?;
    let filled = Filled::of(&fields, &template);
    let (rendered, checked, _) = checked(&web, &doer.visitor, &filled, &template).await;
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
                    return Ok(to(&format!("/services/{}", view_model::encoded(&filled.name))));
                }
                Err(problem) => Some(problem),
            }
        }
    };
    let page = fill_page(&web, &doer.visitor, (&key, &template), &filled, problem).await;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
