//! What needs a person, with the buttons that settle it.

use super::hint_actions::{self, HintView};
use super::instance_view::{self, LastWords, PowerChip};
use super::service_rows::names_up_to;
use super::view_model::{Counted, encoded};
use super::{RequestContext, guard_deletes, marks, pools};
use crate::engine::PassView;
use crate::engine::pass_result::ActionState;
use crate::engine::report::attention::{Concern, concerns};
use crate::engine::report::instances::{InstanceRow, InstanceState};
use crate::engine::report::pools::{MachineState, PoolRow};
use crate::engine::report::status::{Health, ServiceStatus};
use crate::engine::report::{self, SiteProblem};
use crate::words::Words;
use amarre_core::model::plan::guards;
use amarre_core::model::{Code, Timestamp};
use amarre_core::text;

/// Something that needs a person.
pub struct AttentionRow {
    tone: &'static str,
    /// The service, server or pool; empty: none.
    pub name: String,
    pub path: String,
    /// What is the matter.
    pub what: Counted,
    /// What is proposed, with its buttons.
    pub hints: Vec<HintView>,
    pub code: Option<Code>,
}

impl AttentionRow {
    /// The mark before it.
    pub fn mark(&self) -> &'static str {
        marks::tone(self.tone)
    }

    fn of_site(problem: SiteProblem, pass: &PassView, visitor: &RequestContext) -> Self {
        let mut hints = hint_actions::views(&problem.hints, pass, visitor);
        if guards::is_one(problem.code) {
            let names = guard_deletes::names(pass, visitor.words);
            hints.extend(names.map(|text| HintView { text, command: String::new(), action: None }));
        }
        let what = Counted::plain(visitor.words.say(&problem.text));
        Self { tone: "dim", name: String::new(), path: String::new(), what, hints, code: Some(problem.code) }
    }

    fn of_service(row: &ServiceStatus, pass: &PassView, now: Timestamp, visitor: &RequestContext) -> Self {
        Self {
            tone: if row.health == Health::Missing { "missing" } else { "bad" },
            name: row.name.clone(),
            path: format!("/services/{}", encoded(&row.name)),
            what: Counted::new(&row.what_now, row.what_now_clock, now, visitor.words),
            hints: hint_actions::of_service(row, pass, visitor),
            code: row.code,
        }
    }

    fn of_instance(row: &InstanceRow, now: Timestamp, words: Words) -> Self {
        let twins = row.twins_text().map(|twins| (words.say(&twins), Some(Code::A0753)));
        let known = || match (&row.action, row.state, row.missed_text()) {
            (Some(ActionState::Failed(error)), ..) => (words.say(&error.message), Some(error.code)),
            (Some(ActionState::Unknown), ..) => (words.get("inst-answer-lost"), Some(Code::A0463)),
            (_, InstanceState::Error, _) => (words.with("inst-error-about", "status", &row.status), Some(Code::A0736)),
            (_, InstanceState::Missing, _) => (words.get("inst-missing-about"), Some(Code::A0733)),
            (.., Some(missed)) => {
                let missed = words.say_in(&missed, instance_view::zone(row));
                (words.with("inst-missed-about", "what", &missed), Some(Code::A0737))
            }
            (.., None) => (PowerChip::new(row, &LastWords::default(), now, words).next, None),
        };
        let (what, code) = twins.unwrap_or_else(known);
        let (name, path) = (row.shown_name().to_owned(), instance_view::path(&row.name));
        Self { tone: "bad", name, path, what: Counted::plain(what), hints: Vec::new(), code }
    }

    /// Of a pool with machines that a person has to look at.
    fn of_pool(row: &PoolRow, words: Words) -> Self {
        let broken = row.machines.iter().filter(|one| one.state == MachineState::Broken);
        let broken: Vec<String> = broken.map(|one| one.name.clone()).collect();
        let n = broken.len();
        let names = names_up_to(MACHINES_SHOWN, &broken);
        let what = text!(n; "1 machine is broken: {names}", "{n} machines are broken: {names}", names);
        let (name, path) = (row.name.clone(), pools::path(&row.name));
        let what = Counted::plain(words.say(&what));
        Self { tone: "bad", name, path, what, hints: Vec::new(), code: None }
    }
}

/// Machines of a pool that are named.
const MACHINES_SHOWN: usize = 3;

/// Everything that needs a person, as the report has it.
pub fn rows(pass: &PassView, now: Timestamp, visitor: &RequestContext) -> Vec<AttentionRow> {
    let row = |concern: Concern<'_>| match concern {
        Concern::Site(problem) => AttentionRow::of_site(problem, pass, visitor),
        Concern::Service(row) => AttentionRow::of_service(row, pass, now, visitor),
        Concern::Instance(row) => AttentionRow::of_instance(row, now, visitor.words),
        Concern::Pool(row) => AttentionRow::of_pool(&row, visitor.words),
    };
    concerns(pass, now).into_iter().map(row).collect()
}

/// Of what has one code, this much is shown.
const CASES_SHOWN: usize = 20;

/// What has this code now, whether it needs a person or not.
pub fn with_code(pass: &PassView, code: Code, now: Timestamp, visitor: &RequestContext) -> Vec<AttentionRow> {
    let services = pass.statuses().values().filter(|row| row.code == Some(code));
    let problems = report::problems(pass, now).into_iter().filter(|problem| problem.code == code);
    let problems = problems.map(|problem| AttentionRow::of_site(problem, pass, visitor));
    let services = services.map(|row| AttentionRow::of_service(row, pass, now, visitor));
    problems.chain(services).take(CASES_SHOWN).collect()
}
