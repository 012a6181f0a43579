//! Deployments of apps for people and machines, and what follows from several.

use super::apps::tone;
use super::{exact_time, wait_text};
use crate::engine::report::pass_view::PassView;
use crate::ledger::{Deployment, DeploymentState};
use amarre_core::model::{Address, Kind, Millis, Text, Timestamp};
use amarre_core::plan::render::Style;
use amarre_core::text;

/// The kind of events about deployments; their reason is the state.
pub const DEPLOYMENT: &str = "deployment";

/// What an event tells of a deployment.
pub fn event_text(one: &Deployment) -> Text {
    let (commit, subject, author) = (one.commit.short(), one.commit.subject.as_str(), one.commit.author.as_str());
    let line = text!(
        "number {id}, {commit} ({subject}) by {author}: {state}",
        id = one.id.to_string(),
        commit,
        subject,
        author,
        state = state_text(one.state)
    );
    match (one.why.as_str(), one.code) {
        ("", _) => line,
        (why, None) => text!("{what}: {why}", what = line, why = Text::foreign(why)),
        (why, Some(code)) => {
            text!("{what}: {why}, {code}", what = line, why = Text::foreign(why), code = code.to_string())
        }
    }
}

/// The word for people.
pub fn state_text(state: DeploymentState) -> Text {
    match state {
        DeploymentState::Pending => text!("waits"),
        DeploymentState::Provisioning => text!("is being built"),
        DeploymentState::Deploying => text!("is put on line"),
        DeploymentState::Running => text!("is on line"),
        DeploymentState::Failed => text!("failed"),
        DeploymentState::Stopped => text!("stopped"),
        DeploymentState::Deleted => text!("deleted"),
    }
}

/// The words of all states.
pub fn states() -> Vec<&'static str> {
    DeploymentState::ALL.into_iter().map(DeploymentState::word).collect()
}

/// Deployments, the newest first: of one app, or of all.
pub fn rows<'p>(pass: &'p PassView, app: Option<&str>) -> Vec<&'p Deployment> {
    let of = |name: &str| app.is_none_or(|app| app == name);
    let all = pass.deployments.iter().filter(|(name, _)| of(name)).flat_map(|(_, all)| all);
    let mut rows: Vec<&Deployment> = all.collect();
    rows.sort_by_key(|one| std::cmp::Reverse(one.id));
    rows
}

/// One, by its number as it is typed.
pub fn find<'p>(pass: &'p PassView, id: &str) -> Option<&'p Deployment> {
    let id: u64 = id.trim_start_matches('#').parse().ok()?;
    pass.deployments.values().flatten().find(|one| one.id == id)
}

/// Whether its image is still on an engine: one can go back to it.
pub fn has_image(pass: &PassView, one: &Deployment) -> bool {
    let is_it = |address: &Address| address.kind == Kind::Image && address.name == one.image;
    !one.image.is_empty() && pass.world.seen.keys().any(is_it)
}

/// Whether it had an image that is gone.
pub fn lost_image(pass: &PassView, one: &Deployment) -> bool {
    one.ran.is_some() && !has_image(pass, one)
}

/// What several deployments come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeploymentStats {
    /// How many there are.
    pub total: usize,
    /// How many run.
    pub running: usize,
    /// How many never ran and failed.
    pub failed: usize,
    /// How many ran, now or before.
    pub ran: usize,
    /// The median time that a build took.
    pub build_time: Option<Millis>,
}

impl DeploymentStats {
    /// Of these.
    pub fn new<'d>(all: impl IntoIterator<Item = &'d Deployment>) -> Self {
        let (mut stats, mut times) = (Self::default(), Vec::new());
        for one in all {
            stats.total += 1;
            stats.running += usize::from(one.state == DeploymentState::Running);
            stats.ran += usize::from(one.ran.is_some());
            stats.failed += usize::from(one.state == DeploymentState::Failed && one.ran.is_none());
            // One that failed tells nothing of how long a build takes.
            let built = one.ran.and(one.build_ended).zip(one.build_began).map(|(ended, began)| ended - began);
            times.extend(built);
        }
        times.sort_unstable();
        stats.build_time = times.get(times.len() / 2).copied();
        stats
    }

    /// Of those that came to an end, how many ran, in percent.
    pub fn success_rate(&self) -> Option<usize> {
        (self.ran * 100).checked_div(self.ran + self.failed)
    }
}

/// Several, a line each.
pub fn table(rows: &[&Deployment], now: Timestamp, style: Style) -> String {
    if rows.is_empty() {
        return "There is no deployment yet.\n".to_owned();
    }
    let apps = rows.iter().map(|one| one.app.len()).max().unwrap_or_default().max(3) + 2;
    let mut out =
        format!("{:<6}{:apps$}{:14}{:10}{:17}{:10}SUBJECT\n", "ID", "APP", "STATE", "COMMIT", "BEGAN", "TOOK");
    for one in rows {
        let state = style.paint(tone(one.state), &format!("{:14}", one.state.word()));
        let took = one.took().map(|took| took.to_string()).unwrap_or_default();
        let began = wait_text::time(one.began, now);
        let (id, commit, subject) = (one.id, one.commit.short(), &one.commit.subject);
        let back = if one.is_rollback { "back to: " } else { "" };
        out.push_str(
            format!("{id:<6}{:apps$}{state}{commit:10}{began:17}{took:10}{back}{subject}", one.app).trim_end(),
        );
        out.push('\n');
    }
    out
}

/// One with its times.
pub fn one_text(pass: &PassView, one: &Deployment, style: Style) -> String {
    let (language, now) = (style.language, pass.at);
    let why = if one.why.is_empty() { String::new() } else { format!(": {}", one.why) };
    let code = one.code.map(|code| format!(" ({code})")).unwrap_or_default();
    let state = style.paint(tone(one.state), one.state.word());
    let mut out = format!("deployment {} of {}  {state}{why}{code}\n", one.id, one.app);
    let at = exact_time(one.commit.at, language);
    let commit = &one.commit;
    out.push_str(&format!("commit {} \"{}\", {}, {at}\n", commit.short(), commit.subject, commit.author));
    if one.is_rollback {
        out.push_str("a person went back to it\n");
    }
    if one.skipped > 0 {
        out.push_str(&format!("{} commits before it came too fast to be deployed by themselves\n", one.skipped));
    }
    if !one.image.is_empty() {
        let gone = if lost_image(pass, one) { ", which is not there any more" } else { "" };
        out.push_str(&format!("image {}{gone}\n", one.image));
    }
    let mut line = |what: &str, at: Option<Timestamp>| {
        out.push_str(&at.map(|at| format!("{what} {}\n", exact_time(at, language))).unwrap_or_default());
    };
    line("began", Some(one.began));
    line("build began", one.build_began);
    line("build ended", one.build_ended);
    line("ran", one.ran);
    line("ended", one.ended);
    if let Some(took) = one.build_time(now) {
        out.push_str(&format!("building took {}\n", took.in_words()));
    }
    out
}

/// What several come to, for people.
pub fn stats_text(stats: &DeploymentStats) -> String {
    let rate = stats.success_rate().map_or_else(|| "not known yet".to_owned(), |rate| format!("{rate} %"));
    let time = stats.build_time.map_or_else(|| "not known yet".to_owned(), Millis::in_words);
    format!(
        "deployments   {}\nrunning       {}\nfailed        {}\nsuccess rate  {rate}\nmedian build  {time}\n",
        stats.total, stats.running, stats.failed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::Commit;

    fn deployment(state: DeploymentState, seconds: i64, ran: bool) -> Deployment {
        let commit = Commit { id: "a".repeat(40), subject: String::new(), author: String::new(), at: Timestamp(0) };
        Deployment {
            id: 1,
            app: "shop".to_owned(),
            state,
            commit,
            framework: String::new(),
            image: String::new(),
            why: String::new(),
            code: None,
            is_rollback: false,
            skipped: 0,
            began: Timestamp(0),
            build_began: Some(Timestamp(0)),
            build_ended: Some(Timestamp(seconds * 1_000)),
            ran: ran.then_some(Timestamp(seconds * 1_000)),
            ended: None,
        }
    }

    #[test]
    fn several_come_to_a_rate_and_a_median() {
        let all = [
            deployment(DeploymentState::Running, 40, true),
            deployment(DeploymentState::Stopped, 10, true),
            deployment(DeploymentState::Stopped, 20, true),
            deployment(DeploymentState::Failed, 900, false),
            // Replaced before it ran: neither one nor the other.
            deployment(DeploymentState::Stopped, 900, false),
        ];
        let stats = DeploymentStats::new(&all);
        assert_eq!((stats.total, stats.running, stats.failed, stats.ran), (5, 1, 1, 3));
        assert_eq!((stats.success_rate(), stats.build_time), (Some(75), Some(Millis(20_000))));
        let none = DeploymentStats::new(&[]);
        assert_eq!((none.success_rate(), none.build_time), (None, None));
    }
}
