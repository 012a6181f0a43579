//! `/api/v1/services/NAME/manifest`, `/api/v1/templates`, `/api/v1/validate` and `/api/v1/doctor`: reads and writes
//! manifests in the source, and reports what is wrong with them and with the set-up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::auth::{AuditDetail, Identity};
use super::openapi::{self, Operation, flag_type, line, or_null, text, texts};
use super::problem::problem;
use super::{ApiRoute, JsonBody, no_such, stopping};
use crate::accounts::Role;
use crate::engine::commands::doctor;
use crate::engine::commands::edit_manifest;
use crate::engine::commands::edit_manifest::{FileChange, Holds, ManifestDraft, ManifestRemark};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::read_scope;
use crate::engine::{PassView, report};
use crate::templates::{Template, TemplateStore};
use amarre_core::model::uses::Use;
use amarre_core::model::{Code, Hint};

const ONE: &str = "/api/v1/services/{name}/manifest";
const NO_MANIFEST: &str = "A1002: there is no such service, or no manifest of it";
const NOT_THEIRS: &str = "A1011: this token may not ask this; A1030: it would use what belongs to other services";
const MOVED: &str = "A0312: the file is another one, or there is one; A0313: the source takes no change";

pub(super) fn routes() -> Vec<ApiRoute> {
    let change = json!({"text": text(), "tag": or_null(text()), "message": line(), "dry_run": flag_type()});
    let change = (change, &["text"][..]);
    let filled = json!({"template": text(), "set": texts(), "message": line(), "dry_run": flag_type()});
    let filled = (filled, &["template"][..]);
    let name = || openapi::in_path("name", "Its name");
    vec![
        ApiRoute::new(
            ONE,
            get(read),
            Operation::document("manifest", "What stands where manifests come from", "Manifest")
                .parameter(name())
                .refuses(404, NO_MANIFEST)
                .only(Role::Viewer),
        ),
        ApiRoute::new(
            ONE,
            put(write),
            Operation::writes("put", "write_manifest", "Writes a manifest where manifests come from", Some(change))
                .parameter(name())
                .returns(200, "It is written, or would be", "application/json", &openapi::named("Written"))
                .refuses(403, NOT_THEIRS)
                .refuses(409, MOVED)
                .refuses(422, "It would not do: the code and `errors` say why; A1013: the body has other fields")
                .refuses(503, openapi::STOPPING)
                .only(Role::Editor),
        ),
        ApiRoute::new(
            ONE,
            delete(remove),
            Operation::writes("delete", "remove_manifest", "Takes a manifest away, and with it all but its data", None)
                .parameter(name())
                .parameter(openapi::in_query("tag", "Of the text that was read; another one is not removed", &text()))
                .returns_nothing("It is gone; what it made goes with the next run")
                .refuses(404, NO_MANIFEST)
                .refuses(409, MOVED)
                .checks_query()
                .only(Role::Editor),
        ),
        ApiRoute::new(
            "/api/v1/templates",
            get(list_templates),
            Operation::document("templates", "What services can be made of", "Templates")
                .refuses(422, "A1009: a template of your own cannot be read"),
        ),
        ApiRoute::new(
            "/api/v1/services/{name}/template",
            post(fill),
            Operation::writes("post", "new_service", "Makes a service of a template, with its secrets", Some(filled))
                .parameter(name())
                .returns(200, "It is written, or would be", "application/json", &openapi::named("Written"))
                .refuses(403, NOT_THEIRS)
                .refuses(404, "A1009: there is no such template")
                .refuses(409, MOVED)
                .refuses(422, "A1009: it cannot be filled in so; or it would not do; A1013: the body has other fields")
                .refuses(503, openapi::STOPPING)
                .only(Role::Editor),
        ),
        ApiRoute::new(
            "/api/v1/validate",
            get(validate),
            Operation::document("validate", "What is wrong with the manifests in force", "Validated"),
        ),
        ApiRoute::new(
            "/api/v1/doctor",
            get(examine),
            Operation::document("doctor", "Examines the whole set-up; vendors are asked", "Doctor")
                .costs()
                .only(Role::Operator),
        ),
    ]
}

/// The file of a service, also of a broken one.
fn find_file(handle: &Handle, pass: &PassView, name: &str) -> (String, Option<String>) {
    if let Some((file, text)) = edit_manifest::file_of(pass, name) {
        return (file, Some(text));
    }
    let file = handle.path_of(name);
    let text = pass.source.files.iter().find(|(path, _)| *path == file).map(|(_, text)| text.clone());
    (file, text)
}

async fn read(State(handle): State<Handle>, Extension(who): Extension<Identity>, Path(name): Path<String>) -> Response {
    let (pass, _) = handle.last_pass();
    let (file, Some(text)) = find_file(&handle, &pass, &name) else { return no_such(&name) };
    let holds = edit_manifest::file_holds(&pass, (&file, &text), &name);
    if let Some(refused) = refuse_foreign(&who, holds) {
        return refused;
    }
    let is_alone = holds == Holds::Alone;
    Json(json!({"service": name, "file": file, "tag": edit_manifest::tag(&text), "alone": is_alone, "text": text}))
        .into_response()
}

/// A token for some services reads and changes files that hold only these.
fn refuse_foreign(who: &Identity, holds: Holds) -> Option<Response> {
    let is_theirs = who.services.is_none() || holds == Holds::Alone;
    let hint = "a token that is for all services may";
    (!is_theirs).then(|| {
        let title = "the file holds other manifests too, or its name cannot be read";
        problem(StatusCode::FORBIDDEN, Code::A1011, title, hint)
    })
}

/// Refuses to change manifests that the request does not name.
fn refuse_shared_file(file: &str, holds: Holds) -> Option<Response> {
    let title = format!("{file} holds other manifests too");
    let hint = "change it where manifests are kept, or make files of their own of them first";
    (holds == Holds::Others).then(|| problem(StatusCode::CONFLICT, Code::A0313, &title, hint))
}

/// A manifest to write.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewManifest {
    text: String,
    tag: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    dry_run: bool,
}

async fn write(
    State(handle): State<Handle>,
    Extension(who): Extension<Identity>,
    Path(name): Path<String>,
    JsonBody(new): JsonBody<NewManifest>,
) -> Response {
    let is_dry = new.dry_run;
    let answer = write_manifest(&handle, &who, name, new).await;
    if is_dry { AuditDetail::dry_run("check_manifest").attach(answer) } else { answer }
}

async fn write_manifest(handle: &Handle, who: &Identity, name: String, new: NewManifest) -> Response {
    let (pass, _) = handle.last_pass();
    let (file, before) = find_file(handle, &pass, &name);
    if let Some(text) = &before {
        let holds = edit_manifest::file_holds(&pass, (&file, text), &name);
        if let Some(refused) = refuse_foreign(who, holds).or_else(|| refuse_shared_file(&file, holds)) {
            return refused;
        }
    }
    if before.as_deref().map(edit_manifest::tag) != new.tag {
        return changed_meanwhile(&file, before.is_some());
    }
    let proposal = Proposal { name, file, before, new, new_secrets: Vec::new() };
    match propose(handle, who, proposal, || Ok(())).await {
        Ok(written) => Json(written).into_response(),
        Err(refused) => refused,
    }
}

/// A manifest with its secrets, not written yet.
struct Proposal {
    name: String,
    file: String,
    before: Option<String>,
    new: NewManifest,
    new_secrets: Vec<String>,
}

/// Checks a manifest, and writes it. `first`: files to write before it.
async fn propose(
    handle: &Handle,
    who: &Identity,
    proposal: Proposal,
    first: impl FnOnce() -> Result<(), String>,
) -> Result<Value, Response> {
    let Proposal { name, file, before, new, new_secrets } = proposal;
    // First: an answer about foreign resources would reveal them.
    if let Some(services) = &who.services {
        let others = foreign_uses(handle, &file, &new.text, services).await?;
        if let Some(refused) = refuse_foreign_uses(&others, services) {
            return Err(refused);
        }
    }
    let draft = edit_manifest::draft(handle, (&file, &new.text), &name, new_secrets, true).await;
    let Some(ManifestDraft { mut settle, after, names, .. }) = draft else { return Err(stopping()) };
    // An account for this service may not write another one with it.
    if settle.is_empty() && !names.iter().eq([&name]) {
        let text = format!("the text is not one manifest, of {name}");
        let hint = Hint::text("one file may hold several; change those where they are, or as files of their own");
        settle.push(ManifestRemark::new(text, Code::A0101, &[hint]));
    }
    if let Some(wrong) = settle.first() {
        return Err(unsettled(wrong, &settle));
    }
    if !new.dry_run {
        let hint = "may Amarre write beside its configuration?";
        first().map_err(|why| problem(StatusCode::CONFLICT, Code::A0207, &why, hint))?;
        let verb = if before.is_some() { "change" } else { "add" };
        let message = if new.message.is_empty() { format!("{verb} {name}") } else { new.message };
        let change =
            FileChange { file: file.clone(), before, after: Some(new.text.clone()), author: author(who), message };
        edit_manifest::write(handle, change).await.map_err(|problem| not_written(&problem))?;
    }
    let plan = report::plan_of(&after, &name);
    let tag = edit_manifest::tag(&new.text);
    Ok(json!({"service": name, "file": file, "tag": tag, "written": !new.dry_run, "plan": plan}))
}

async fn list_templates(Extension(shelf): Extension<Arc<dyn TemplateStore>>) -> Response {
    let all = match shelf.templates() {
        Ok(all) => all,
        Err(why) => return invalid_template(&why),
    };
    let one = |(name, template): (String, Template)| {
        let parameters = template.parameters.iter();
        let parameters = parameters.map(|(key, one)| json!({"key": key, "about": one.about, "default": one.default}));
        let parameters: Vec<Value> = parameters.collect();
        json!({"name": name, "title": template.title, "about": template.about, "parameters": parameters})
    };
    Json(json!({"templates": all.into_iter().map(one).collect::<Vec<_>>()})).into_response()
}

/// Finds the foreign resources that a text uses; on another thread, few at a time.
async fn foreign_uses(
    handle: &Handle,
    file: &str,
    text: &str,
    services: &BTreeSet<String>,
) -> Result<Vec<Use>, Response> {
    static TURNS: Semaphore = Semaphore::const_new(2);
    let _turn = TURNS.acquire().await;
    let (pass, _) = handle.last_pass();
    let Some(context) = &pass.context else {
        // Before the first pass the owners are not known.
        let hint = "GET /readyz answers 200 as soon as it is";
        return Err(problem(StatusCode::SERVICE_UNAVAILABLE, Code::A1030, "the first look is in progress", hint));
    };
    if context.site.policy.are_authors_operators() {
        // A manifest may reach the whole host then, also by a link in a folder of its own.
        let title =
            "who writes manifests has the host, by `policy.authors: operators`: this token is for some services";
        let hint = "a token that is for all services may write it, or the operator sets `policy.authors: others`";
        return Err(problem(StatusCode::FORBIDDEN, Code::A1030, title, hint));
    }
    let (file, text, services) = (file.to_owned(), text.to_owned(), services.clone());
    let reading = tokio::task::spawn_blocking(move || read_scope::foreign_uses(&pass, (&file, &text), &services));
    reading.await.map_err(|_| stopping())
}

/// Refuses a manifest that uses foreign resources, for an account limited to some services.
fn refuse_foreign_uses(others: &[Use], services: &BTreeSet<String>) -> Option<Response> {
    const SHOWN_MAX: usize = 10;
    if others.is_empty() {
        return None;
    }
    let shown: Vec<String> = others.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
    let names: Vec<&str> = services.iter().map(String::as_str).collect();
    let title = format!("this token may use only what belongs to {}, and not {}", names.join(", "), shown.join(", "));
    let hint = "what is called after the service is its own; a token that is for all services may write the rest";
    Some(problem(StatusCode::FORBIDDEN, Code::A1030, &title, hint))
}

/// A template, and the parameters that differ from its defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateRequest {
    template: String,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    dry_run: bool,
}

async fn fill(
    State(handle): State<Handle>,
    Extension(shelf): Extension<Arc<dyn TemplateStore>>,
    Extension(who): Extension<Identity>,
    Path(name): Path<String>,
    JsonBody(filled): JsonBody<TemplateRequest>,
) -> Response {
    let is_dry = filled.dry_run;
    let answer = fill_template(&handle, &*shelf, &who, name, filled).await;
    if is_dry { AuditDetail::dry_run("check_service").attach(answer) } else { answer }
}

async fn fill_template(
    handle: &Handle,
    shelf: &dyn TemplateStore,
    who: &Identity,
    name: String,
    filled: TemplateRequest,
) -> Response {
    let template = match shelf.templates().map(|mut all| all.remove(&filled.template)) {
        Ok(Some(template)) => template,
        Ok(None) => {
            let title = format!("there is no template {}", filled.template);
            return problem(StatusCode::NOT_FOUND, Code::A1009, &title, "GET /api/v1/templates lists them");
        }
        Err(why) => return invalid_template(&why),
    };
    let rendered = match template.render(&name, &filled.set) {
        Ok(rendered) => rendered,
        Err(why) => return invalid_template(&why.to_string()),
    };
    let file = handle.path_of(&name);
    if edit_manifest::is_taken(handle, &name) {
        return changed_meanwhile(&file, true);
    }
    let TemplateRequest { template, message, dry_run, .. } = filled;
    let message = if message.is_empty() { format!("add {name} ({template})") } else { message };
    let new = NewManifest { text: rendered.manifest.clone(), tag: None, message, dry_run };
    let proposal = Proposal { name, file, before: None, new, new_secrets: rendered.secrets.clone() };
    // First: a pass may read the manifest at once.
    let secrets = || rendered.secrets.iter().try_for_each(|secret| shelf.make_secret(secret));
    match propose(handle, who, proposal, secrets).await {
        Ok(mut written) => {
            written["text"] = json!(rendered.manifest);
            written["secrets"] = json!(rendered.secrets);
            written["notes"] = json!(rendered.notes.trim());
            Json(written).into_response()
        }
        Err(refused) => refused,
    }
}

fn invalid_template(why: &str) -> Response {
    problem(StatusCode::UNPROCESSABLE_ENTITY, Code::A1009, why, "see docs/templates.md")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tagged {
    tag: Option<String>,
}

async fn remove(
    State(handle): State<Handle>,
    Extension(who): Extension<Identity>,
    Path(name): Path<String>,
    Query(asked): Query<Tagged>,
) -> Response {
    let (pass, _) = handle.last_pass();
    let (file, Some(text)) = find_file(&handle, &pass, &name) else { return no_such(&name) };
    // A file that the client has not read is not deleted.
    if asked.tag.is_none_or(|tag| tag != edit_manifest::tag(&text)) {
        return changed_meanwhile(&file, true);
    }
    let holds = edit_manifest::file_holds(&pass, (&file, &text), &name);
    if let Some(refused) = refuse_foreign(&who, holds).or_else(|| refuse_shared_file(&file, holds)) {
        return refused;
    }
    let message = format!("remove {name}");
    let change = FileChange { file, before: Some(text), after: None, author: author(&who), message };
    match edit_manifest::write(&handle, change).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => not_written(&problem),
    }
}

async fn validate(State(handle): State<Handle>) -> Response {
    Json(edit_manifest::validated(&handle.last_pass().0)).into_response()
}

async fn examine(State(handle): State<Handle>) -> Response {
    let (pass, _) = handle.last_pass();
    Json(doctor::document(&doctor::running(&pass, handle.now()).await)).into_response()
}

/// Name and e-mail of the author of a commit.
fn author(who: &Identity) -> (String, String) {
    let name = who.name.clone().unwrap_or_else(|| who.account.clone());
    match name.split_once(" <") {
        Some((name, email)) => (name.to_owned(), email.trim_end_matches('>').to_owned()),
        None => (name, who.account.clone()),
    }
}

fn changed_meanwhile(file: &str, is_there: bool) -> Response {
    let title = if is_there {
        format!("{file} is there, and `tag` is not that of its text")
    } else {
        format!("{file} is not there any more")
    };
    let hint = "read it, and make the change once more with the `tag` that comes with it";
    problem(StatusCode::CONFLICT, Code::A0312, &title, hint)
}

fn not_written(settle: &ManifestRemark) -> Response {
    let hint = settle.hints.first().map(|hint| hint.text.to_string()).unwrap_or_default();
    problem(StatusCode::CONFLICT, settle.code, &settle.text, &hint)
}

/// All problems to solve first.
fn unsettled(first: &ManifestRemark, all: &[ManifestRemark]) -> Response {
    let one = |settle: &ManifestRemark| -> Value {
        json!({"code": settle.code, "detail": settle.with_place(), "hints": settle.hints})
    };
    let body = json!({
        "type": format!("/errors/{}", first.code), "title": first.with_place(), "status": 422, "code": first.code,
        "hints": first.hints, "errors": all.iter().map(one).collect::<Vec<_>>(),
    });
    let kind = [(axum::http::header::CONTENT_TYPE, super::problem::PROBLEM)];
    (StatusCode::UNPROCESSABLE_ENTITY, kind, body.to_string()).into_response()
}
