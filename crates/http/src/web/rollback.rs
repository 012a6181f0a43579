//! What a rollback would do, and its button.

use askama::Template;
use axum::http::StatusCode;

use super::view_model::{self, PlanRow};
use super::{FormFields, PageFrame, PageOutcome, RequestContext, Web, page, text_page};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::service_actions::{container_text, rollback_target, with_forecast};
use crate::engine::reconcile::rollback::{ContainerTurn, RollbackTarget};
use crate::engine::report::service_plan;
use amarre_core::model::Code;

#[derive(Template)]
#[template(path = "rollback.html")]
struct RollbackPage {
    frame: PageFrame,
    name: String,
    /// What a person named: a deployment, a commit or a revision.
    to: String,
    /// To what it goes back, or why it does not.
    head: String,
    code: Option<Code>,
    plan: Vec<PlanRow>,
    /// What holds afterwards, or what helps.
    after: String,
    is_possible: bool,
    may_act: bool,
}

/// `GET /services/{name}/rollback`
pub async fn page_of(web: &Web, visitor: &RequestContext, name: &str, fields: &FormFields) -> PageOutcome {
    let words = visitor.words;
    let to = fields.get("to").cloned().unwrap_or_default();
    let named = (!to.is_empty()).then_some(to.as_str());
    let Some((pass, target)) = rollback_target(&web.handle, name, named).await else {
        return Ok(text_page(web, visitor, StatusCode::SERVICE_UNAVAILABLE, words.get("problem-page")).await);
    };
    let query = if to.is_empty() { String::new() } else { format!("?to={}", view_model::encoded(&to)) };
    let here = format!("/services/{}/rollback{query}", view_model::encoded(name));
    let frame = PageFrame::new(web, visitor, "services", words.with("rollback-title", "name", name), here).await;
    let is_possible = target.is_ok();
    let (code, (head, plan, after)) = match target {
        Ok(target) => (None, shown(web, visitor, &pass, &target)),
        Err(answer) => match answer.refused() {
            Some(refused) => {
                let hints = refused.hints.iter().map(|hint| words.say(&hint.text)).collect::<Vec<_>>();
                (Some(refused.code), (words.say(&refused.said), Vec::new(), hints.join(" ")))
            }
            None => Default::default(),
        },
    };
    let may_act = visitor.may(Role::Operator);
    Ok(page(&RollbackPage { frame, name: name.to_owned(), to, head, code, plan, after, is_possible, may_act }))
}

fn shown(
    web: &Web,
    visitor: &RequestContext,
    pass: &PassView,
    target: &RollbackTarget,
) -> (String, Vec<PlanRow>, String) {
    let (words, name) = (visitor.words, &target.service.name);
    let at = view_model::moment(target.good.at, web.handle.now());
    let head = words.with_all("rollback-head", &[("to", &target.version()), ("at", &at)]);
    let plan = with_forecast(pass, target, |input, forecast| service_plan::in_forecast(input, forecast, name));
    let plan: Vec<_> = plan.flatten().map(|plan| (name.clone(), plan)).into_iter().collect();
    let container = |turn: &ContainerTurn| {
        let (kind, detail) = (words.kind(turn.container.kind.word()), words.say(&container_text(turn)));
        let (sign, tone) = if turn.stays { ("", "") } else { ("~", "warn") };
        PlanRow { sign, tone, kind, name: turn.container.name.clone(), detail, ..PlanRow::default() }
    };
    let mut rows = view_model::plan(&plan, words);
    // Below the line of the service, where there is one. The plan has no row for what is only started again, and none of its rows
    // says an image where the container of then still runs.
    let below = rows.len().min(1);
    for row in target.containers.iter().map(container).rev() {
        match rows.iter_mut().find(|known| known.kind == row.kind && known.name == row.name) {
            Some(known) => known.detail = row.detail,
            None => rows.insert(below, row),
        }
    }
    let ends = if target.service.app.is_some() { "rollback-until-commit" } else { "rollback-until" };
    let until = words.with_all(ends, &[("name", name), ("file", &target.service.origin.file)]);
    (head, rows, format!("{} {until}", words.get("rollback-data")))
}
