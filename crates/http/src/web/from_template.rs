//! A new service from a template: its parameters as a form, its manifest and plan beside it, and its generated secrets.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{ConnectInfo, Form as Body, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::checks::{FieldRemark, FieldRemarks, TypedForm};
use super::edit::{self, CheckedManifest};
use super::view_model;
use super::view_model::PlanRow;
use super::{
    Flash, FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, redirect,
    signed_in_and_counted, text_page,
};
use crate::accounts::Role;
use crate::engine::commands::edit_manifest;
use crate::engine::commands::edit_manifest::ManifestRemark;
use crate::engine::report::certificates;
use crate::templates::{self, Rendered};
use crate::words::Words;
use amarre_core::model::Code;

#[derive(Template)]
#[template(path = "templates.html")]
struct List {
    frame: PageFrame,
    templates: Vec<[String; 3]>,
    error: Option<String>,
}

/// `GET /new/templates`
pub async fn list(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let (all, error) = match web.shelf.templates() {
        Ok(all) => (all, None),
        Err(why) => (BTreeMap::new(), Some(why)),
    };
    let templates = all
        .into_iter()
        .map(|(name, template)| (name, template.translated(visitor.words.0.code())))
        .map(|(name, template)| [name, template.title, template.about])
        .collect();
    let title = visitor.words.get("templates-title");
    let frame = PageFrame::new(&web, &visitor, "services", title, "/new/templates".to_owned()).await;
    page(&List { frame, templates, error })
}

#[derive(Template)]
#[template(path = "template.html")]
struct Fill {
    frame: PageFrame,
    template: String,
    about: String,
    fields: Vec<ParameterField>,
    name: String,
    name_mark: FieldRemark,
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
    secrets: Option<String>,
    notes: String,
}

/// A parameter as a field.
struct ParameterField {
    key: String,
    label: String,
    /// The value: typed, else the default.
    value: String,
    /// The choices, as value and label; empty: free text.
    choices: Vec<(String, String)>,
    mark: FieldRemark,
}

/// How many names are tried for a second service from a template: `gitea-2`.
const NAMES_TRIED_MAX: usize = 9;

/// The first free name after the template's own.
fn free_name(web: &Web, key: &str) -> String {
    let others = (2..=NAMES_TRIED_MAX).map(|n| format!("{key}-{n}"));
    let mut names = std::iter::once(key.to_owned()).chain(others);
    names.find(|name| !edit_manifest::is_taken(&web.handle, name)).unwrap_or_else(|| key.to_owned())
}

/// The typed name and parameters.
struct TemplateForm {
    name: String,
    set: BTreeMap<String, String>,
}

impl TemplateForm {
    fn new(fields: &FormFields, template: &templates::Template) -> Self {
        let text = |key: &str| fields.get(key).map(|text| text.trim().to_owned()).unwrap_or_default();
        let keys = ["address", "tls"].into_iter().chain(template.parameters.keys().map(String::as_str));
        // A parameter may have the name of another field.
        let set = keys
            .map(|key| (key.to_owned(), text(&format!("set-{key}"))))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self { name: text("name").to_lowercase(), set }
    }
}

fn problem(text: String) -> ManifestRemark {
    ManifestRemark::new(text, Code::A1009, &[])
}

/// The template of a name; else the answer.
async fn find_template(web: &Web, visitor: &RequestContext, name: &str) -> Result<templates::Template, Response> {
    match web.shelf.templates().map(|mut all| all.remove(name)) {
        Ok(Some(template)) => Ok(template.translated(visitor.words.0.code())),
        Err(why) => Err(text_page(web, visitor, StatusCode::UNPROCESSABLE_ENTITY, why).await),
        Ok(None) => {
            Err(text_page(web, visitor, StatusCode::NOT_FOUND, visitor.words.with("templates-unknown", "name", name))
                .await)
        }
    }
}

/// The rendered manifest, its forecast, and the wrong parameter, if any.
async fn check_filled(
    web: &Web,
    visitor: &RequestContext,
    filled: &TemplateForm,
    template: &templates::Template,
) -> (Option<Rendered>, CheckedManifest, Option<String>) {
    let none = |text: String| CheckedManifest { settle: vec![problem(text)], ..CheckedManifest::default() };
    let rendered = match template.render(&filled.name, &filled.set) {
        Ok(rendered) => rendered,
        Err(unfit) => return (None, none(unfit.why), unfit.parameter),
    };
    if edit_manifest::is_taken(&web.handle, &filled.name) {
        return (Some(rendered), none(visitor.words.get("new-taken")), Some("name".to_owned()));
    }
    let path = web.handle.path_of(&filled.name);
    let new_secrets = rendered.secrets.clone();
    match edit::check(web, visitor, (&path, &rendered.manifest), &filled.name, new_secrets).await {
        Some(checked) => {
            let wrong = checked.settle.iter().find_map(|one| template.parameter_at(one.at?.0)).map(str::to_owned);
            (Some(rendered), checked, wrong)
        }
        None => (None, none("Amarre is stopping".to_owned()), None),
    }
}

/// The remarks of all fields: from the check, overridden by problems.
async fn marks(
    web: &Web,
    visitor: &RequestContext,
    filled: &TemplateForm,
    template: &templates::Template,
    checked: &CheckedManifest,
    wrong: Option<&str>,
) -> BTreeMap<String, FieldRemark> {
    let mut marks = BTreeMap::new();
    let given = |key: &str| filled.set.get(key).map(String::as_str);
    if let Some(after) = &checked.after {
        let image = template.parameters.get("image").map(|image| given("image").unwrap_or(&image.default));
        let has_tls = given("tls").is_none_or(|tls| tls == LETS_ENCRYPT);
        let typed = TypedForm { name: &filled.name, image: image.unwrap_or_default(), port: None, has_tls };
        let FieldRemarks { name, image, address, tls, .. } = FieldRemarks::check(web, visitor, typed, after).await;
        marks = [("name", name), ("image", image), ("address", address), ("tls", tls)]
            .into_iter()
            .map(|(key, mark)| (key.to_owned(), mark))
            .collect();
    }
    if let (Some(wrong), Some(first)) = (wrong, checked.settle.first()) {
        marks.insert(wrong.to_owned(), FieldRemark::failed(first.text.clone()));
    }
    if marks.get("address").is_none_or(|mark| mark.text.is_empty()) {
        let hint = visitor.words.with("template-address", "name", &filled.name);
        marks.insert("address".to_owned(), FieldRemark::hint(hint));
    }
    marks
}

/// The default of `tls`.
const LETS_ENCRYPT: &str = "letsencrypt";

/// The choices for `tls`: a certificate that is ordered, none, or one that NPM has already.
fn tls_choices(web: &Web, words: Words) -> Vec<(String, String)> {
    let (pass, _) = web.handle.last_pass();
    let there = certificates::reports(&pass).into_iter().filter(|one| !one.is_ours).map(|one| one.name);
    let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let mut named: Vec<String> = there.filter(is_name).collect();
    named.sort();
    named.dedup();
    let usual = [(LETS_ENCRYPT, "new-tls-letsencrypt"), ("none", "new-tls-none")];
    let usual = usual.map(|(value, key)| (value.to_owned(), words.get(key)));
    usual.into_iter().chain(named.into_iter().map(|name| (name.clone(), name))).collect()
}

/// The parameters as fields with their values.
fn fields_of(
    web: &Web,
    words: Words,
    filled: &TemplateForm,
    template: &templates::Template,
    mut marks: BTreeMap<String, FieldRemark>,
) -> Vec<ParameterField> {
    let built_in = [("address", words.get("new-address"), ""), ("tls", words.get("new-tls"), LETS_ENCRYPT)];
    let built_in = built_in.map(|(key, label, usual)| (key.to_owned(), label, usual.to_owned()));
    let own = template.parameters.iter().map(|(key, one)| (key.clone(), one.about.clone(), one.default.clone()));
    let field = |(key, label, usual): (String, String, String)| ParameterField {
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
    visitor: &RequestContext,
    key: &str,
    template: &templates::Template,
    filled: &TemplateForm,
    more: Option<ManifestRemark>,
) -> Response {
    // A visitor without a session sees the manifest without a check.
    let is_asked = visitor.session.is_some();
    let (rendered, mut checked, wrong) = if is_asked {
        check_filled(web, visitor, filled, template).await
    } else {
        (template.render(&filled.name, &filled.set).ok(), CheckedManifest::default(), None)
    };
    let mut marks = marks(web, visitor, filled, template, &checked, wrong.as_deref()).await;
    checked.settle.extend(more);
    let rendered = rendered.unwrap_or(Rendered { manifest: String::new(), secrets: Vec::new(), notes: String::new() });
    let (words, file) = (visitor.words, web.handle.path_of(&filled.name));
    let here = format!("/new/templates/{}", view_model::encoded(key));
    let frame = PageFrame::new(web, visitor, "services", template.title.clone(), here).await;
    page(&Fill {
        frame,
        template: key.to_owned(),
        about: template.about.clone(),
        name_mark: marks.remove("name").unwrap_or_default(),
        fields: fields_of(web, words, filled, template, marks),
        name: filled.name.clone(),
        is_asked,
        may_edit: visitor.may(Role::Editor),
        unwritable: edit::unwritable_notice(web, visitor, &file).await,
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
pub async fn show(State(web): State<Web>, headers: HeaderMap, Path(key): Path<String>) -> PageOutcome {
    let visitor = RequestContext::new(&headers, &web).await;
    let template = find_template(&web, &visitor, &key).await?;
    // A signed-in user sees checks and plan before typing, as after each change.
    let visitor = match visitor.session {
        Some(_) => {
            signed_in_and_counted(&web, &headers, &format!("/new/templates/{}", view_model::encoded(&key))).await?
        }
        None => visitor,
    };
    let filled = TemplateForm { name: free_name(&web, &key), set: BTreeMap::new() };
    Ok(fill_page(&web, &visitor, &key, &template, &filled, None).await)
}

/// `POST /new/templates/{template}`: checks, or makes the secrets and writes.
pub async fn make(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(key): Path<String>,
    Body(fields): Body<FormFields>,
) -> PageOutcome {
    let here = format!("/new/templates/{}", view_model::encoded(&key));
    if fields.get("do").map(String::as_str) != Some("commit") {
        let visitor = signed_in_and_counted(&web, &headers, &here).await?;
        let template = find_template(&web, &visitor, &key).await?;
        let filled = TemplateForm::new(&fields, &template);
        return Ok(fill_page(&web, &visitor, &key, &template, &filled, None).await);
    }
    let doer = authorize_form(&web, &headers, &fields, Role::Editor, &here).await?;
    let template = find_template(&web, &doer.visitor, &key).await?;
    let filled = TemplateForm::new(&fields, &template);
    let (rendered, checked, _) = check_filled(&web, &doer.visitor, &filled, &template).await;
    let problem = match rendered.filter(|_| checked.settle.is_empty()) {
        None => None,
        Some(rendered) => {
            // First: a pass may read the manifest at once.
            let made = rendered.secrets.iter().try_for_each(|secret| web.shelf.make_secret(secret));
            let (path, message) = (web.handle.path_of(&filled.name), format!("add {} ({key})", filled.name));
            let written = match made {
                Ok(()) => {
                    let change = (path, None, Some(rendered.manifest));
                    edit::write_change(&web, &doer, change, message, (from, "add", &filled.name)).await
                }
                Err(why) => Err(ManifestRemark::new(why, Code::A0207, &[])),
            };
            match written {
                Ok(()) => {
                    let notes = rendered.notes.trim();
                    if !notes.is_empty() {
                        Flash::text(notes).store(&web, &doer.session).await;
                    }
                    return Ok(redirect(&format!("/services/{}", view_model::encoded(&filled.name))));
                }
                Err(problem) => Some(problem),
            }
        }
    };
    let page = fill_page(&web, &doer.visitor, &key, &template, &filled, problem).await;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
