//! `/apply/deletes`: what the guard holds back from deletion, by service, and the button that deletes it after all.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::hint_actions::DELETES_PAGE;
use super::service_rows::names_up_to;
use super::{PageFrame, PageOutcome, Web, page, signed_in, text_page};
use crate::engine::PassView;
use crate::engine::commands::Act;
use crate::engine::commands::verbs::APPLY;
use crate::words::Words;
use amarre_core::model::Change;
use amarre_core::model::plan::guards;
use amarre_core::plan::render::lines;

/// Names in one line; the page that asks has all.
const NAMES_SHOWN: usize = 12;

#[derive(Template)]
#[template(path = "guard_deletes.html")]
struct GuardDeletes {
    frame: PageFrame,
    why: String,
    /// By service: kind and name of each resource.
    services: Vec<(String, Vec<[String; 2]>)>,
    number: String,
    may_delete: bool,
}

/// `GET /apply/deletes`
pub async fn show(State(web): State<Web>, headers: HeaderMap) -> PageOutcome {
    let visitor = signed_in(&web, &headers, DELETES_PAGE).await?;
    let words = visitor.words;
    let (pass, _) = web.handle.last_pass();
    let Some((guard, number)) = pass.plan.guard.as_ref().zip(number(&pass)) else {
        return Err(text_page(&web, &visitor, StatusCode::NOT_FOUND, words.get("deletes-none")).await);
    };
    let mut services: BTreeMap<String, Vec<[String; 2]>> = BTreeMap::new();
    for change in held(&pass) {
        let thing = [words.kind(&change.address.kind.label()), lines::name_and_type(&change.address)];
        services.entry(change.service.clone()).or_default().push(thing);
    }
    let act = Act::new(&APPLY).with("confirm_deletes", number.parse::<u64>().ok());
    let title = words.with("deletes-title", "count", number);
    Ok(page(&GuardDeletes {
        frame: PageFrame::new(&web, &visitor, "services", title, DELETES_PAGE.to_owned()).await,
        why: words.say(&guard.message),
        services: services.into_iter().collect(),
        number: number.to_owned(),
        may_delete: visitor.may((APPLY.role)(&act.args, true)),
    }))
}

/// What would go, in one line: services where whole services go, else their resources. `None`: the guard holds nothing.
pub fn names(pass: &PassView, words: Words) -> Option<String> {
    let guard = pass.plan.guard.as_ref()?;
    let name = |change: &Change| {
        if guard.code == guards::SERVICES {
            change.service.clone()
        } else {
            format!("{} {}", words.kind(&change.address.kind.label()), lines::name_and_type(&change.address))
        }
    };
    let names: BTreeSet<String> = held(pass).map(name).collect();
    let names: Vec<String> = names.into_iter().collect();
    Some(words.with("deletes-names", "names", &names_up_to(NAMES_SHOWN, &names)))
}

/// The deletes that the guard holds.
fn held(pass: &PassView) -> impl Iterator<Item = &Change> {
    let changes = pass.plan.changes.iter();
    changes.filter(|change| change.refusal().is_some_and(|refusal| refusal.is_guard()))
}

/// The number that confirms them.
fn number(pass: &PassView) -> Option<&str> {
    let hints = &pass.plan.guard.as_ref()?.hints;
    hints.iter().find_map(|hint| hint.command.as_ref()?.split_once("--confirm-deletes=")).map(|(_, number)| number)
}
