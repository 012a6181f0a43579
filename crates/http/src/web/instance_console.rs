//! Opens the screen of a server: asks its vendor for the address, and shows a link to it, which no one keeps.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::HeaderMap;

use super::actions::act;
use super::instance_view;
use super::{Flash, FormFields, From, PageFrame, PageOutcome, Web, authorize_form, page, redirect};
use crate::engine::commands::Act;
use crate::engine::commands::verbs::INSTANCE_CONSOLE;

#[derive(Template)]
#[template(path = "instance_console.html")]
struct ConsolePage {
    frame: PageFrame,
    path: String,
    url: String,
}

/// `POST /instances/{name}/console`
pub async fn open(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let (path, verb) = (instance_view::path(&name), &INSTANCE_CONSOLE);
    let role = instance_view::role(verb, &name, &web.handle.last_pass().0);
    let doer = authorize_form(&web, &headers, &fields, role, &path).await?;
    let command = Act::new(verb).with("instances", vec![name.clone()]).asked_by(&doer.author());
    let Some(answer) = act(&web, command).await else { return Err(super::edit::stopping()) };
    if let Some(refused) = answer.refused() {
        doer.audit(&web, from, verb.word, &name, &format!("{} ({})", refused.message, refused.code)).await;
        Flash::refused(refused, doer.visitor.words).store(&web, &doer.session).await;
        return Ok(redirect(&path));
    }
    doer.audit(&web, from, verb.word, &name, "ok").await;
    let title = doer.visitor.words.with("inst-console-title", "name", &name);
    let frame = PageFrame::new(&web, &doer.visitor, "instances", title, path.clone()).await;
    let url = answer.document["url"].as_str().unwrap_or_default().to_owned();
    Ok(page(&ConsolePage { frame, path, url }))
}
