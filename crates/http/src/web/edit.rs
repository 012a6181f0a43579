//! The form of a new service, of a changed manifest, and of a deletion: each is checked and planned before it is
//! written to the source.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{ConnectInfo, Form as Body, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::checks::{self, FieldRemark, FieldRemarks, TypedForm};
use super::manifest::ServiceForm;
use super::plain_secrets::{self, PlainSecret};
use super::view_model;
use super::view_model::PlanRow;
use super::{
    Actor, Flash, FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, redirect,
    signed_in_and_counted, text_page,
};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::edit_manifest;
use crate::engine::commands::edit_manifest::{Holds, ManifestDraft, ManifestRemark, tag};
use crate::engine::report::service_plan;
use amarre_core::model::{Code, Kind};

/// The forecast of a manifest.
#[derive(Default)]
pub struct CheckedManifest {
    /// Problems to solve first.
    pub settle: Vec<ManifestRemark>,
    /// The planned changes.
    pub plan: Vec<PlanRow>,
    /// The summary line.
    pub summary: String,
    /// The result as it would be; `None`: no pass has run yet.
    pub after: Option<Arc<PassView>>,
    /// Secrets that were typed in plain text.
    pub secrets: Vec<PlainSecret>,
}

impl CheckedManifest {
    /// Refuses a text with secrets in it.
    pub fn refuse_secrets(&mut self, text: &str, visitor: &RequestContext) {
        self.settle.extend(plain_secrets::remarks(text, &self.secrets, visitor.words));
    }
}

#[derive(Template)]
#[template(path = "new.html")]
struct NewPage {
    frame: PageFrame,
    form: ServiceForm,
    typed_name: String,
    /// Whether values were typed that look like secrets.
    has_secrets: bool,
    domain: String,
    is_asked: bool,
    may_edit: bool,
    settle: Vec<ManifestRemark>,
    /// Whether places in the text are named: only if the text was typed.
    settle_places: bool,
    settle_title: String,
    /// Why the source cannot be written.
    unwritable: Option<Flash>,
    /// What a deleted service of this name has left, in one line.
    left: String,
    marks: FieldRemarks,
    /// Name, and whether it is chosen.
    access_lists: Vec<(String, bool)>,
    plan: Vec<PlanRow>,
    summary: String,
    file: String,
    place: String,
    text: String,
    message: String,
    typed_message: String,
    author: String,
}

#[derive(Template)]
#[template(path = "edit.html")]
struct ManifestEdit {
    frame: PageFrame,
    name: String,
    may_edit: bool,
    settle: Vec<ManifestRemark>,
    settle_places: bool,
    unwritable: Option<Flash>,
    settle_title: String,
    plan: Vec<PlanRow>,
    summary: String,
    file: String,
    place: String,
    text: String,
    before: String,
    message: String,
    author: String,
    /// Whether secrets stand in the text that can be kept apart.
    has_secrets: bool,
}

#[derive(Template)]
#[template(path = "delete.html")]
struct Delete {
    frame: PageFrame,
    name: String,
    removes: String,
    plan: Vec<PlanRow>,
    error: Option<String>,
    unwritable: Option<Flash>,
    is_possible: bool,
    may_edit: bool,
    before: String,
}

/// Forecasts a manifest that is not written yet. `new_secrets`: secrets that are created with it.
pub async fn check(
    web: &Web,
    visitor: &RequestContext,
    file: (&str, &str),
    named: &str,
    new_secrets: Vec<String>,
) -> Option<CheckedManifest> {
    let is_own = visitor.may(Role::Editor);
    let drafted = edit_manifest::draft(&web.handle, file, named, new_secrets, is_own).await?;
    let ManifestDraft { mut settle, plans, after, names } = drafted;
    let (before, _) = web.handle.last_pass();
    let services = names.iter().filter_map(|name| after.services.get(name));
    let secrets = services.flat_map(|service| plain_secrets::typed(service, before.services.get(&service.name)));
    // What another file of the source says stands there already.
    let secrets = secrets.filter(|one| plain_secrets::line_of(file.1, &one.variable).is_some()).collect();
    settle.iter_mut().for_each(|remark| remark.text = visitor.words.say(&remark.said));
    let plan = view_model::plan(&plans, visitor.words);
    // What cannot be read has no plan.
    let summary = if plans.is_empty() && !settle.is_empty() {
        visitor.words.get("plan-unknown")
    } else {
        view_model::summary(&plans, visitor.words)
    };
    Some(CheckedManifest { settle, plan, summary, after: Some(after), secrets })
}

/// Why a file cannot be written to the source, before the form is filled.
pub async fn unwritable_notice(web: &Web, visitor: &RequestContext, file: &str) -> Option<Flash> {
    let error = web.handle.unwritable(file).await?;
    let text = visitor.words.with("source-unwritable", "why", &error.message);
    Some(Flash { is_bad: true, code: Some(error.code), hints: error.hints, ..Flash::text(text) })
}

/// The number of problems.
pub fn title(settle: &[ManifestRemark], visitor: &RequestContext) -> String {
    match settle.len() {
        0 => visitor.words.get("new-settled"),
        n => visitor.words.count("new-to-settle", &n),
    }
}

/// `will be committed to main`, `will be written to services`.
pub fn place(web: &Web, visitor: &RequestContext) -> String {
    let (pass, _) = web.handle.last_pass();
    let key = if pass.source.commit.is_some() { "new-manifest" } else { "new-written" };
    visitor.words.with(key, "where", &pass.source.label)
}

fn author(visitor: &RequestContext) -> String {
    let session = visitor.session.as_ref();
    session.map(|session| visitor.words.with("new-author", "name", &session.user.name)).unwrap_or_default()
}

async fn new_page(
    web: &Web,
    visitor: &RequestContext,
    form: ServiceForm,
    message: String,
    problem: Option<ManifestRemark>,
) -> Response {
    let (pass, _) = web.handle.last_pass();
    let is_asked = !form.image.is_empty() || !form.name.is_empty();
    let typed_name = form.name.clone();
    let form = form.with_name();
    let (file, text) = (web.handle.path_of(&form.name), form.manifest());
    let (is_name_taken, secrets) = (edit_manifest::is_taken(&web.handle, &form.name), form.secrets());
    let mut marks = FieldRemarks::default();
    let mut checked = CheckedManifest::default();
    if is_asked && !is_name_taken {
        checked = match check(web, visitor, (&file, &text), &form.name, names_of(&secrets)).await {
            Some(checked) => checked,
            None => return stopping(),
        };
        if let Some(after) = &checked.after {
            let (port, has_tls) = (Some(form.port.as_str()), form.tls && !form.port.is_empty());
            let typed = TypedForm { name: &form.name, image: &form.image, port, has_tls };
            marks = FieldRemarks::check(web, visitor, typed, after).await;
            marks.mark_warnings(&form, &file, &after.diagnostics, visitor.words);
        }
        checks::say_bare_variables(&form, &mut checked.settle, visitor.words);
        marks.mark_kept_secrets(&secrets, visitor.words);
        marks.mark_problems(&form, &checked.settle, visitor.words);
    }
    if is_name_taken {
        let taken = visitor.words.get("new-taken");
        marks.name = FieldRemark::failed(taken.clone());
        checked.settle.push(ManifestRemark::new(taken, Code::A0120, &[]));
    }
    checked.settle.extend(problem);
    let unwritable = unwritable_notice(web, visitor, &file).await;
    let domain = pass.context.as_ref().and_then(|context| context.site.domains.first().cloned()).unwrap_or_default();
    let frame = PageFrame::new(web, visitor, "services", visitor.words.get("new-title"), "/new".to_owned()).await;
    let typed_message = message.clone();
    let message = if message.is_empty() { format!("add {}", form.name) } else { message };
    page(&NewPage {
        typed_message,
        typed_name,
        has_secrets: form.plain || !secrets.is_empty(),
        domain,
        is_asked,
        may_edit: visitor.may(Role::Editor),
        settle_title: if checked.settle.is_empty() && form.port.is_empty() {
            visitor.words.get("new-settled-closed")
        } else {
            title(&checked.settle, visitor)
        },
        settle: checked.settle,
        settle_places: false,
        unwritable,
        left: checked.after.as_ref().map(|after| leftovers(after, &form.name)).unwrap_or_default(),
        marks,
        access_lists: access_lists(checked.after.as_ref().unwrap_or(&pass), &form.access_list),
        plan: checked.plan,
        summary: checked.summary,
        // No name is typed yet.
        file: if form.name.is_empty() { web.handle.path_of("…") } else { file },
        place: place(web, visitor),
        text,
        message,
        author: author(visitor),
        form,
        frame,
    })
}

/// What a deleted service of this name has left, if the guard asks about it.
fn leftovers(after: &PassView, name: &str) -> String {
    let mut refusals = after.changes_of(name).filter_map(|change| change.refusal());
    let found = refusals.find(|refusal| refusal.code == Code::A0443).map(|refusal| refusal.found.clone());
    let names: Vec<String> = found.unwrap_or_default().into_iter().map(|(_, what)| what.to_string()).collect();
    names.join(", ")
}

/// Access lists that a service may use: of manifests, and others in NPM.
fn access_lists(pass: &PassView, chosen: &str) -> Vec<(String, bool)> {
    let ours = pass.services.values().flat_map(|service| &service.access_lists).map(|list| list.name.clone());
    let seen = pass.world.seen.iter().filter(|(address, _)| address.kind == Kind::AccessList);
    let others = seen.filter(|(_, seen)| !seen.owner.is_ours()).map(|(address, _)| address.name.clone());
    let names: BTreeSet<String> = ours.chain(others).collect();
    names.into_iter().map(|name| (name.clone(), name == chosen)).collect()
}

/// `GET /new`
pub async fn new(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let form = ServiceForm { tls: true, ..ServiceForm::default() };
    new_page(&web, &visitor, form, String::new(), None).await
}

/// `POST /new`: checks, or writes.
pub async fn make(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Body(fields): Body<FormFields>,
) -> PageOutcome {
    let form = ServiceForm::new(&fields);
    let message = fields.get("message").cloned().unwrap_or_default();
    if fields.get("do").map(String::as_str) != Some("commit") {
        let visitor = signed_in_and_counted(&web, &headers, "/new").await?;
        return Ok(new_page(&web, &visitor, form, message, None).await);
    }
    let doer = authorize_form(&web, &headers, &fields, Role::Editor, "/new").await?;
    let form = form.with_name();
    let (path, text, secrets) = (web.handle.path_of(&form.name), form.manifest(), form.secrets());
    let Some(checked) = check(&web, &doer.visitor, (&path, &text), &form.name, names_of(&secrets)).await else {
        return Ok(stopping());
    };
    let problem = if !checked.settle.is_empty() || edit_manifest::is_taken(&web.handle, &form.name) {
        None
    } else {
        let message = if message.is_empty() { format!("add {}", form.name) } else { message.clone() };
        let change = (path, None, Some(text));
        match write_with_secrets(&web, &doer, change, &secrets, message, (from, "add", &form.name)).await {
            Ok(()) => return Ok(redirect(&format!("/services/{}", view_model::encoded(&form.name)))),
            Err(problem) => Some(problem),
        }
    };
    let page = new_page(&web, &doer.visitor, form, message, problem).await;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

fn names_of(secrets: &[PlainSecret]) -> Vec<String> {
    secrets.iter().map(|one| one.name.clone()).collect()
}

/// Keeps the secrets first: a pass may read the manifest at once. Those of a manifest that is not written go again.
async fn write_with_secrets(
    web: &Web,
    doer: &Actor,
    change: (String, Option<String>, Option<String>),
    secrets: &[PlainSecret],
    message: String,
    about: (std::net::SocketAddr, &str, &str),
) -> Result<(), ManifestRemark> {
    let kept = plain_secrets::keep(web, secrets)?;
    let written = write_change(web, doer, change, message, about).await;
    if written.is_err() {
        plain_secrets::forget(web, &kept);
    }
    written
}

/// Writes a change to the source, and waits for the pass that reads it.
pub async fn write_change(
    web: &Web,
    doer: &Actor,
    (path, before, after): (String, Option<String>, Option<String>),
    message: String,
    (from, action, name): (std::net::SocketAddr, &str, &str),
) -> Result<(), ManifestRemark> {
    let user = &doer.session.user;
    let author = (user.name.clone(), user.email.clone());
    let change = edit_manifest::FileChange { file: path.clone(), before, after, author, message };
    let done = edit_manifest::write(&web.handle, change).await;
    let result = match &done {
        Ok(()) => "ok",
        Err(problem) => &problem.text,
    };
    doer.audit(web, from, action, name, result).await;
    if done.is_ok() {
        let text = doer.visitor.words.with("new-committed", "file", &path);
        Flash::text(text).store(web, &doer.session).await;
    }
    done
}

async fn edit_page(
    web: &Web,
    visitor: &RequestContext,
    name: &str,
    given: EditedService,
    checked: CheckedManifest,
    problem: Option<ManifestRemark>,
) -> Response {
    let mut settle = checked.settle;
    settle.extend(problem);
    let words = visitor.words;
    let here = format!("/services/{}/edit", view_model::encoded(name));
    let frame = PageFrame::new(web, visitor, "services", words.with("edit-title", "name", name), here).await;
    let message = if given.message.is_empty() { format!("change {name}") } else { given.message };
    page(&ManifestEdit {
        name: name.to_owned(),
        may_edit: visitor.may(Role::Editor),
        settle_title: title(&settle, visitor),
        settle,
        settle_places: true,
        unwritable: unwritable_notice(web, visitor, &given.file).await,
        has_secrets: !checked.secrets.is_empty(),
        plan: checked.plan,
        summary: checked.summary,
        file: given.file,
        place: place(web, visitor),
        text: given.text,
        before: given.before,
        message,
        author: author(visitor),
        frame,
    })
}

/// The edited text.
struct EditedService {
    file: String,
    before: String,
    text: String,
    message: String,
}

async fn no_manifest(web: &Web, visitor: &RequestContext) -> Response {
    text_page(web, visitor, StatusCode::NOT_FOUND, visitor.words.get("svc-no-manifest")).await
}

/// `GET /services/{name}/edit`
pub async fn edit(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor =
        signed_in_and_counted(&web, &headers, &format!("/services/{}/edit", view_model::encoded(&name))).await?;
    let Some((file, text)) = edit_manifest::file_of(&web.handle.last_pass().0, &name) else {
        return Ok(no_manifest(&web, &visitor).await);
    };
    let given = EditedService { file, before: tag(&text), text, message: String::new() };
    let Some(checked) = check(&web, &visitor, (&given.file, &given.text), &name, Vec::new()).await else {
        return Ok(stopping());
    };
    Ok(edit_page(&web, &visitor, &name, given, checked, None).await)
}

/// `POST /services/{name}/edit`: checks, or writes.
pub async fn change(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Body(fields): Body<FormFields>,
) -> PageOutcome {
    let visitor =
        signed_in_and_counted(&web, &headers, &format!("/services/{}/edit", view_model::encoded(&name))).await?;
    let Some((file, there)) = edit_manifest::file_of(&web.handle.last_pass().0, &name) else {
        return Ok(no_manifest(&web, &visitor).await);
    };
    // Browsers send line ends of their own.
    let field = |name: &str| fields.get(name).map(|text| text.replace("\r\n", "\n")).unwrap_or_default();
    let mut text = field("text");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut given =
        EditedService { file: file.clone(), before: field("before"), text: text.clone(), message: field("message") };
    let path = format!("/services/{}", view_model::encoded(&name));
    let deed = field("do");
    let doer = match deed.as_str() {
        "commit" | "commit_plain" | "keep" => {
            Some(authorize_form(&web, &headers, &fields, Role::Editor, &format!("{path}/edit")).await?)
        }
        _ => None,
    };
    let Some(mut checked) = check(&web, &visitor, (&file, &text), &name, Vec::new()).await else {
        return Ok(stopping());
    };
    if deed == "keep" {
        let secrets = std::mem::take(&mut checked.secrets);
        let kept = plain_secrets::keep(&web, &secrets);
        if kept.is_ok() {
            given.text = plain_secrets::replaced(&text, &secrets);
        }
        let Some(mut checked) = check(&web, &visitor, (&file, &given.text), &name, Vec::new()).await else {
            return Ok(stopping());
        };
        checked.refuse_secrets(&given.text, &visitor);
        return Ok(edit_page(&web, &visitor, &name, given, checked, kept.err()).await);
    }
    if deed != "commit_plain" {
        checked.refuse_secrets(&text, &visitor);
    }
    let Some(doer) = doer else { return Ok(edit_page(&web, &visitor, &name, given, checked, None).await) };
    let mut problem = (given.before != tag(&there)).then(|| ManifestRemark::file_changed(&file));
    if problem.is_none() && checked.settle.is_empty() {
        let message = if given.message.is_empty() { format!("change {name}") } else { given.message.clone() };
        let change = (file, Some(there), Some(text));
        match write_change(&web, &doer, change, message, (from, "change", &name)).await {
            Ok(()) => return Ok(redirect(&path)),
            Err(error) => problem = Some(error),
        }
    }
    let page = edit_page(&web, &visitor, &name, given, checked, problem).await;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// A file is deleted only if it holds no other manifest.
fn holds_alone(pass: &PassView, file: (&str, &str), name: &str) -> bool {
    edit_manifest::file_holds(pass, file, name) == Holds::Alone
}

async fn delete_page(web: &Web, visitor: &RequestContext, name: &str, error: Option<String>) -> Response {
    let (pass, _) = web.handle.last_pass();
    let Some((file, there)) = edit_manifest::file_of(&pass, name) else { return no_manifest(web, visitor).await };
    let words = visitor.words;
    let is_only_one = holds_alone(&pass, (&file, &there), name);
    let Some(after) = edit_manifest::draft_without(&web.handle, &file).await else { return stopping() };
    let plan = service_plan::of_service(&after, name).map(|plan| (name.to_owned(), plan));
    let who = visitor.session.as_ref().map(|session| session.user.name.clone()).unwrap_or_default();
    let removes = words.with_all("delete-removes", &[("file", &file), ("where", &pass.source.label), ("who", &who)]);
    let here = format!("/services/{}/delete", view_model::encoded(name));
    let frame = PageFrame::new(web, visitor, "services", words.with("delete-title", "name", name), here).await;
    let error = if is_only_one { error } else { Some(words.with("delete-several", "file", &file)) };
    page(&Delete {
        name: name.to_owned(),
        removes,
        plan: view_model::plan(plan.as_slice(), words),
        error,
        unwritable: unwritable_notice(web, visitor, &file).await,
        is_possible: is_only_one,
        may_edit: visitor.may(Role::Editor),
        before: tag(&there),
        frame,
    })
}

/// `GET /services/{name}/delete`
pub async fn delete(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor =
        signed_in_and_counted(&web, &headers, &format!("/services/{}/delete", view_model::encoded(&name))).await?;
    Ok(delete_page(&web, &visitor, &name, None).await)
}

/// `POST /services/{name}/delete`: deletes its file, and with the next pass everything that it created but its data.
pub async fn delete_now(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Body(fields): Body<FormFields>,
) -> PageOutcome {
    let here = format!("/services/{}/delete", view_model::encoded(&name));
    let doer = authorize_form(&web, &headers, &fields, Role::Editor, &here).await?;
    let (pass, _) = web.handle.last_pass();
    let Some((file, there)) = edit_manifest::file_of(&pass, &name) else {
        return Ok(no_manifest(&web, &doer.visitor).await);
    };
    let is_meant = fields.get("name").is_some_and(|typed| typed.trim() == name);
    let mut error = None;
    if !is_meant {
        error = Some(doer.visitor.words.get("delete-wrong-name"));
    } else if fields.get("before") != Some(&tag(&there)) {
        error = Some(ManifestRemark::file_changed(&file).text);
    } else if holds_alone(&pass, (&file, &there), &name) {
        let change = (file, Some(there), None);
        match write_change(&web, &doer, change, format!("remove {name}"), (from, "delete", &name)).await {
            Ok(()) => {
                let mut servers = pass.services.get(&name).into_iter().flat_map(|service| service.servers());
                let keeps_server = servers.any(|server| server.shape.is_some());
                let has = |kind: Kind| pass.owned_by(&name).iter().any(|address| address.kind == kind);
                let said = match (keeps_server, has(Kind::Volume), has(Kind::Certificate)) {
                    (true, _, _) => "deleted-server",
                    (false, true, _) => "deleted",
                    (false, false, true) => "deleted-but-certificate",
                    (false, false, false) => "deleted-whole",
                };
                Flash::text(doer.visitor.words.with(said, "name", &name)).store(&web, &doer.session).await;
                return Ok(redirect("/"));
            }
            Err(problem) => {
                let hints = problem.hints.iter().map(amarre_core::model::Hint::in_line);
                error = Some(std::iter::once(problem.text.clone()).chain(hints).collect::<Vec<_>>().join(" "));
            }
        }
    }
    let page = delete_page(&web, &doer.visitor, &name, error).await;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The answer while the loop ends.
pub fn stopping() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "Amarre is stopping\n").into_response()
}
