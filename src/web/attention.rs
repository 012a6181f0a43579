//! What needs a person, with the buttons that settle it.

use super::guard_deletes;
use super::hint_actions::{self, HintView};
use super::view_model::Counted;
use super::{RequestContext, marks};
use crate::engine::PassResult;
use crate::engine::report;
use crate::engine::report::status::{Health, ServiceStatus};
use amarre_core::model::plan::guards;
use amarre_core::model::{Code, Timestamp};

/// Something that needs a person.
pub struct AttentionRow {
    tone: &'static str,
    /// The service; empty: none.
    pub name: String,
    /// What is the matter.
    pub what: Counted,
    /// What is proposed, with its buttons.
    pub hints: Vec<HintView>,
    /// Its code.
    pub code: Option<Code>,
}

impl AttentionRow {
    /// The mark before it.
    pub fn mark(&self) -> &'static str {
        marks::tone(self.tone)
    }

    fn of_service(row: &ServiceStatus, picture: &PassResult, now: Timestamp, visitor: &RequestContext) -> Self {
        Self {
            tone: if row.health == Health::Missing { "missing" } else { "bad" },
            name: row.name.clone(),
            what: Counted::new(&row.what_now, row.what_now_clock, now, visitor.words),
            hints: hint_actions::of_service(row, picture, visitor),
            code: row.code,
        }
    }
}

/// Problems beside the services, then the services that need a person.
pub fn rows<'a>(
    picture: &PassResult,
    services: impl Iterator<Item = &'a ServiceStatus>,
    now: Timestamp,
    visitor: &RequestContext,
) -> impl Iterator<Item = AttentionRow> {
    let services = services.filter(|row| row.attention);
    problems(picture, now, visitor).chain(services.map(move |row| AttentionRow::of_service(row, picture, now, visitor)))
}

/// Of what has one code, this much is shown.
const CASES_SHOWN: usize = 20;

/// What has this code now, whether it needs a person or not.
pub fn with_code(picture: &PassResult, code: Code, now: Timestamp, visitor: &RequestContext) -> Vec<AttentionRow> {
    let services = picture.statuses().values().filter(|row| row.code == Some(code));
    let problems = problems(picture, now, visitor).filter(|row| row.code == Some(code));
    let services = services.map(|row| AttentionRow::of_service(row, picture, now, visitor));
    problems.chain(services).take(CASES_SHOWN).collect()
}

fn problems(picture: &PassResult, now: Timestamp, visitor: &RequestContext) -> impl Iterator<Item = AttentionRow> {
    report::problems(picture, now).into_iter().map(move |trouble| {
        let mut hints = hint_actions::views(&trouble.hints, picture, visitor);
        if guards::is_one(trouble.code) {
            let names = guard_deletes::names(picture, visitor.words);
            hints.extend(names.map(|text| HintView { text, command: String::new(), action: None }));
        }
        let what = Counted::plain(visitor.words.say(&trouble.text));
        AttentionRow { tone: "dim", name: String::new(), what, hints, code: Some(trouble.code) }
    })
}
