//! Buttons: each is a command that goes on after the page was answered.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::{
    Flash, FormFields, From, PageFrame, PageOutcome, Web, authorize_form, page, problem, redirect, rollback, signed_in,
    text_page, view_model,
};
use crate::accounts::Role;
use crate::engine::commands;
use crate::engine::commands::act::{ActArgs, ArgShape, ServiceVerb, VerbRow};
use crate::engine::commands::verbs::{ADOPT, APPLY, RECONCILE, RELEASE, RESCUE, ROLLBACK, VERBS};
use crate::engine::commands::{Act, CommandAnswer, Refused};
use amarre_core::model::Language;
use amarre_core::plan::render::Style;

/// Steps are dropped: the page shows them.
const STEPS_MAX: usize = 256;
/// A button does not wait for the end: a pass hands out the changes, and the loop goes on by itself.
pub const NO_WAIT_MS: i64 = 0;

/// Runs a command without waiting until all is done. A timeout is therefore no failure.
pub async fn act(web: &Web, act: Act) -> Option<CommandAnswer> {
    act_in(web, act, Language::En).await
}

/// The same, for a reader of another language.
pub async fn act_in(web: &Web, act: Act, language: Language) -> Option<CommandAnswer> {
    let (steps, mut inbox) = mpsc::channel(STEPS_MAX);
    let doing = commands::act(&web.handle, act, Style { language, ..Style::PLAIN }, &steps);
    let mut doing = std::pin::pin!(doing);
    loop {
        tokio::select! {
            biased;
            answer = &mut doing => return answer,
            Some(_) = inbox.recv() => (),
        }
    }
}

/// Why a command was refused, in one line.
fn in_line(refused: &Refused) -> String {
    let Refused { code, message, .. } = refused;
    format!("{message} ({code})")
}

/// The verb of one service that a path names.
fn row_of(word: &str) -> Option<(&'static VerbRow, ServiceVerb)> {
    VERBS.into_iter().filter(|row| row.word == word).find_map(|row| Some((row, row.of_service()?)))
}

/// The request that a form makes: its arguments are fields, and no button waits for the end. What it is about is no field.
fn request(row: &'static VerbRow, service: &str, by: &str, fields: &FormFields) -> Act {
    let mut fields = fields.clone();
    fields.remove("service");
    request_with(row, by, &fields).with("service", service)
}

fn request_with(row: &'static VerbRow, by: &str, fields: &FormFields) -> Act {
    let act = Act::new(row).with("timeout_ms", NO_WAIT_MS).asked_by(by);
    let given = row.args.iter().filter_map(|arg| Some((arg, fields.get(arg.name)?)));
    given.filter(|(_, text)| !text.is_empty()).fold(act, |act, (arg, text)| match arg.shape {
        ArgShape::Text | ArgShape::TextOrNull => act.with(arg.name, text.as_str()),
        ArgShape::Flag if arg.name != "dry_run" => act.with(arg.name, text == "yes"),
        ArgShape::Flag
        | ArgShape::Texts
        | ArgShape::Single
        | ArgShape::Count
        | ArgShape::Timeout
        | ArgShape::Span
        | ArgShape::Until
        | ArgShape::By => act,
    })
}

/// `POST /services/{name}/{verb}`
pub async fn verb(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path((name, verb)): Path<(String, String)>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = format!("/services/{}", view_model::encoded(&name));
    let Some((row, _)) = row_of(&verb) else {
        authorize_form(&web, &headers, &fields, Role::Operator, &back).await?;
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    };
    let role = (row.role)(&request(row, &name, "", &fields).args, true);
    let doer = authorize_form(&web, &headers, &fields, role, &back).await?;
    let command = request(row, &name, &doer.author(), &fields);
    Ok(finish(&web, &doer, (from, &verb, &name), command, &back).await)
}

/// Carries out a form, records it in the audit log, and leads back.
pub async fn finish(
    web: &Web,
    doer: &super::Actor,
    (from, verb, name): (std::net::SocketAddr, &str, &str),
    command: Act,
    back: &str,
) -> Response {
    let Some(answer) = act(web, command).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Amarre is stopping\n").into_response();
    };
    let refused = answer.refused();
    let result = refused.as_ref().map_or_else(|| "ok".to_owned(), in_line);
    doer.audit(web, from, verb, name, &result).await;
    match refused {
        Some(refused) => Flash::refused(refused, doer.visitor.words).store(web, &doer.session).await,
        // The page that follows shows the new state.
        None => _ = web.handle.pass().await,
    }
    redirect(back)
}

/// `POST /apply`: everything is observed and corrected; with `consent`, for the first time.
pub async fn apply(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let is_first = fields.contains_key("consent");
    let deletes = fields.get("confirm_deletes").and_then(|number| number.parse::<u64>().ok());
    let row = if is_first || deletes.is_some() { &APPLY } else { &RECONCILE };
    let command = Act::new(row).with("timeout_ms", NO_WAIT_MS).with("confirm_deletes", deletes);
    let role = (row.role)(&command.args, !is_first);
    let doer = authorize_form(&web, &headers, &fields, role, "/").await?;
    Ok(finish(&web, &doer, (from, row.word, ""), command, "/").await)
}

/// A button of a service's page.
pub struct Button {
    /// The verb: the last part of its path.
    pub word: &'static str,
    /// The key of its label.
    pub label: &'static str,
}

impl Button {
    /// The button of a verb of one service, with a label of its own where it has another one here.
    pub fn new(row: &'static VerbRow, label: Option<&'static str>) -> Option<Self> {
        Some(Self { word: row.word, label: label.unwrap_or(row.of_service()?.label) })
    }

    /// The links to the pages that ask first.
    pub fn links() -> Vec<Self> {
        let asks = |row: &&VerbRow| row.of_service().is_some_and(|verb| verb.page.is_some());
        VERBS.into_iter().filter(asks).filter_map(|row| Self::new(row, None)).collect()
    }
}

/// A verb, the field that names what it is about, and the words of its title and of its button.
type ResourceVerb = (&'static VerbRow, &'static str, &'static str, &'static str);

/// Verbs of resources, which have no page of their own: the words of their title and of their button.
static OF_RESOURCES: [ResourceVerb; 3] = [
    (&ADOPT, "thing", "adopt-title", "act-adopt-now"),
    (&RELEASE, "thing", "release-title", "act-release-now"),
    (&RESCUE, "npm", "rescue-title", "act-rescue-now"),
];

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: PageFrame,
    /// What it is about, and where that is shown.
    name: String,
    back: String,
    /// Where the form is sent.
    path: String,
    now: &'static str,
    /// The fields that the form carries on.
    fields: FormFields,
    text: String,
    is_possible: bool,
    may_act: bool,
}

/// `GET /services/{name}/{verb}`: what the verb would do, and its button.
pub async fn confirm(
    State(web): State<Web>,
    headers: HeaderMap,
    Path((name, verb)): Path<(String, String)>,
    Query(fields): Query<FormFields>,
) -> PageOutcome {
    let asks = row_of(&verb).and_then(|(row, verb)| Some((row, verb.page?)));
    let Some((row, [title, now])) = asks else {
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    };
    let here = format!("/services/{}/{verb}", view_model::encoded(&name));
    let visitor = signed_in(&web, &headers, &here).await?;
    if row.word == ROLLBACK.word {
        return rollback::page_of(&web, &visitor, &name, &fields).await;
    }
    let words = visitor.words;
    let command = request(row, &name, "", &fields).with("dry_run", true);
    let fields = fields.into_iter().filter(|(field, _)| command.args.given(field).is_some()).collect();
    let Some(answer) = act_in(&web, command, words.0).await else {
        return Ok(text_page(&web, &visitor, StatusCode::SERVICE_UNAVAILABLE, words.get("problem-page")).await);
    };
    let frame = PageFrame::new(&web, &visitor, "services", words.with(title, "name", &name), here).await;
    let refused = answer.refused().as_ref().map(in_line);
    Ok(page(&ConfirmPage {
        frame,
        path: format!("/services/{}/{}", view_model::encoded(&name), row.word),
        back: format!("/services/{}", view_model::encoded(&name)),
        name,
        now,
        fields,
        is_possible: refused.is_none(),
        text: refused.unwrap_or(answer.text),
        may_act: visitor.may((row.role)(&ActArgs::default(), true)),
    }))
}

fn verb_of_resources(word: &str) -> Option<&'static ResourceVerb> {
    OF_RESOURCES.iter().find(|(row, ..)| row.word == word)
}

/// `GET /verbs/{verb}?thing=…`: what a verb would do with a resource, and its button.
pub async fn confirm_resource(
    State(web): State<Web>,
    headers: HeaderMap,
    Path(verb): Path<String>,
    Query(fields): Query<FormFields>,
) -> PageOutcome {
    let Some((row, field, title, now)) = verb_of_resources(&verb) else {
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    };
    let name = fields.get(*field).cloned().unwrap_or_default();
    let here = format!("/verbs/{verb}?{field}={}", view_model::encoded(&name));
    let visitor = signed_in(&web, &headers, &here).await?;
    let command = request_with(row, "", &fields).with("dry_run", true);
    let kept = fields.into_iter().filter(|(field, _)| command.args.given(field).is_some()).collect();
    let Some(answer) = act_in(&web, command, visitor.words.0).await else {
        let text = visitor.words.get("problem-page");
        return Ok(text_page(&web, &visitor, StatusCode::SERVICE_UNAVAILABLE, text).await);
    };
    let frame = PageFrame::new(&web, &visitor, "services", visitor.words.with(title, "name", &name), here).await;
    let refused = answer.refused().as_ref().map(in_line);
    Ok(page(&ConfirmPage {
        frame,
        path: format!("/verbs/{verb}"),
        back: "/".to_owned(),
        name: visitor.words.get("nav-services"),
        now,
        fields: kept,
        is_possible: refused.is_none(),
        text: refused.unwrap_or(answer.text),
        may_act: visitor.may((row.role)(&ActArgs::default(), true)),
    }))
}

/// `POST /verbs/{verb}`
pub async fn act_on_resource(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(verb): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let Some((row, field, ..)) = verb_of_resources(&verb) else {
        authorize_form(&web, &headers, &fields, Role::Operator, "/").await?;
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    };
    let doer = authorize_form(&web, &headers, &fields, (row.role)(&ActArgs::default(), true), "/").await?;
    let command = request_with(row, &doer.author(), &fields);
    let name = fields.get(*field).cloned().unwrap_or_default();
    Ok(finish(&web, &doer, (from, &verb, &name), command, "/").await)
}
