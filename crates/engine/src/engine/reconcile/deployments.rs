//! Deployments: each commit of an app that leads to another image, from when it is known until another takes its place.
//!
//! | what a pass finds | the deployment |
//! |---|---|
//! | an app is to run a commit, and its newest deployment is not of it | a new one begins; one that was on its way has stopped |
//! | how far the app is | so far is its newest deployment, until it ran once |
//! | it runs | those that ran before have stopped |
//! | the newest commit cannot be read, and an earlier one is still on its way | that one goes on beside it |
//! | nothing of the app is left | what ran, and the newest, is deleted |

use std::collections::BTreeSet;
use std::sync::Arc;

use super::engine::Engine;
use crate::engine::report::apps::{self, AppStage, DeployTarget};
use crate::engine::report::deployments::{DEPLOYMENT, event_text};
use crate::engine::report::failures::BUILT_IN_VAIN;
use crate::engine::report::pass_view::PassView;
use crate::ledger::runs::Event;
use crate::ledger::{DEPLOYMENTS_KEPT, Deployment, DeploymentState, StoreError};
use crate::providers::{Class, ProviderError};
use amarre_core::model::{Plan, Timestamp};
use amarre_core::plan::safety::builds;

/// Why one has stopped.
const REPLACED: &str = "another one has taken its place";
const OVERTAKEN: &str = "a newer one came before it ran";

/// What a pass finds of an app.
struct AppFinding {
    target: DeployTarget,
    stage: AppStage,
    is_rollback: bool,
    /// The ids of the commits before the newest one.
    before: Vec<String>,
    /// The image that is effective in its place, and how far that is; `None`: it is effective itself.
    instead: Option<(String, AppStage)>,
}

impl Engine {
    /// Reads what the ledger has of deployments, once.
    pub(crate) async fn load_deployments(&mut self) {
        if self.deployments.is_none() {
            match self.ledger.deployments().await {
                Ok(known) => self.deployments = Some(Arc::new(known)),
                Err(error) => self.ledger_failed(&error),
            }
        }
    }

    /// Records how far deployments are, where the pass acts.
    pub(crate) async fn follow_deployments(&mut self, pass: &mut PassView) {
        if pass.acts
            && self.deployments.is_some()
            && pass.ledger_error.is_none()
            && let Err(error) = self.record_deployments(pass).await
        {
            // Some may have been written: they are read again.
            self.deployments = None;
            self.ledger_failed(&error);
        }
    }

    async fn record_deployments(&mut self, pass: &mut PassView) -> Result<(), StoreError> {
        let known = pass.deployments.clone();
        let is_asked = |app: &&String| pass.only.as_ref().is_none_or(|only| only.contains(*app));
        let apps: BTreeSet<&String> = pass.apps.keys().chain(known.keys()).filter(is_asked).collect();
        let mut changed = Vec::new();
        for app in apps {
            let own = known.get(app).map(Vec::as_slice).unwrap_or_default();
            let rows = match finding(pass, app) {
                Some(found) => moved(app, own, &found, pass.at),
                None if is_gone(pass, app) => deleted(own, pass.at),
                None => Vec::new(),
            };
            if !rows.is_empty() {
                changed.push((app.clone(), rows));
            }
        }
        let (run, at) = (pass.run, pass.at);
        let mut overtaken = Vec::new();
        for (app, rows) in changed {
            let stored = self.ledger.store_deployments(&app, rows).await?;
            let all = Arc::make_mut(&mut pass.deployments).entry(app).or_default();
            for one in stored {
                let before = all.iter().find(|known| known.id == one.id);
                let was_built = before.is_some_and(|before| before.state == DeploymentState::Provisioning);
                if was_built && one.state == DeploymentState::Stopped {
                    // It is not built to its end.
                    overtaken.push(one.image.clone());
                }
                if before.is_none_or(|before| before.state != one.state) {
                    self.meters.deployed(before, &one);
                    self.ledger.record(&step(&one, run, at)).await?;
                }
                match all.iter_mut().find(|known| known.id == one.id) {
                    Some(known) => *known = one,
                    None => all.push(one),
                }
            }
            all.drain(..all.len().saturating_sub(DEPLOYMENTS_KEPT));
        }
        self.deployments = Some(pass.deployments.clone());
        for image in overtaken {
            pass.builders().for_each(|builds| _ = builds.cancel_build(&image));
        }
        Ok(())
    }

    /// A build that failed for good is not tried again by a process that has not tried it: until something of it changes, or a
    /// person asks.
    pub(crate) fn remember_failed_builds(&mut self, plan: &Plan, now: Timestamp) {
        let is_first = self.pass.context.is_none() && self.retries.is_unasked();
        let Some(known) = self.deployments.clone().filter(|_| is_first) else { return };
        for change in plan.changes.iter().filter(|change| builds::is_build(change)) {
            let newest = known.get(&change.service).and_then(|all| all.last());
            let failed = newest.filter(|one| {
                one.state == DeploymentState::Failed && one.image == change.address.name && one.build_ended.is_some()
            });
            let Some((failed, code)) = failed.and_then(|one| Some((one, one.code?))) else { continue };
            if !BUILT_IN_VAIN.contains(&code) {
                continue;
            }
            let error = ProviderError::new(Class::Rejected, code, failed.why.clone());
            self.retries.failed(change.clone(), error, "", now);
        }
    }
}

fn step(one: &Deployment, run: i64, at: Timestamp) -> Event {
    let (kind, reason) = (DEPLOYMENT.to_owned(), Some(one.state.word().to_owned()));
    Event { at, run, service: one.app.clone(), address: None, kind, text: event_text(one), reason }
}

/// What is found of an app; `None`: it is none any more, or nothing is known of it yet.
fn finding(pass: &PassView, app: &str) -> Option<AppFinding> {
    let (_, state) = pass.apps.get(app)?;
    let target = apps::target(pass, app)?;
    let effective = pass.services.get(app).and_then(|service| service.build());
    let effective = effective.filter(|build| target.image != build.image);
    // A commit of which no image is known yet is a newer one.
    let is_rollback = !target.image.is_empty() && pass.rollbacks.contains_key(app);
    Some(AppFinding {
        target,
        stage: apps::stage(pass, app),
        is_rollback,
        before: state.before.clone(),
        instead: effective.map(|build| (build.image.clone(), apps::effective_stage(pass, app))),
    })
}

/// Whether nothing is left of an app that had deployments, or only a service that is not built.
fn is_gone(pass: &PassView, app: &str) -> bool {
    if !pass.is_whole() || pass.facts.prune_blocked {
        return false;
    }
    match pass.services.get(app) {
        Some(service) => service.app.is_none(),
        None => pass.statuses().get(app).is_none_or(|row| row.deleted),
    }
}

/// What changes of the deployments of an app, the oldest first.
fn moved(app: &str, known: &[Deployment], found: &AppFinding, now: Timestamp) -> Vec<Deployment> {
    let AppFinding { target, stage, instead, .. } = found;
    if stage.state == DeploymentState::Deleted {
        return deleted(known, now);
    }
    // A commit that leads back to what runs deploys nothing.
    let is_back = |one: &&Deployment| one.state == DeploymentState::Running && target.is_of(one);
    let newest = known.last().filter(|newest| target.is_of(newest)).or_else(|| known.iter().find(is_back));
    let mut row = newest.cloned().unwrap_or_else(|| begun(app, known, found, now));
    if row.image.is_empty() {
        row.image.clone_from(&target.image);
        row.framework.clone_from(&target.framework);
    }
    advance(&mut row, stage, now);
    let others = known.iter().filter(|other| other.id != row.id);
    let mut changed: Vec<Deployment> =
        others.filter_map(|other| beside(other, stage.state, instead.as_ref(), now)).collect();
    if newest != Some(&row) {
        changed.push(row);
    }
    changed
}

/// What becomes of a deployment beside that of the newest commit; `None`: nothing changes.
fn beside(
    other: &Deployment,
    newest: DeploymentState,
    instead: Option<&(String, AppStage)>,
    now: Timestamp,
) -> Option<Deployment> {
    if let Some((_, stage)) = instead.filter(|(image, _)| *image == other.image) {
        let mut goes_on = other.clone();
        let is_live = other.state.is_moving() || other.state == DeploymentState::Running;
        if is_live {
            advance(&mut goes_on, stage, now);
        }
        return (goes_on != *other).then_some(goes_on);
    }
    let is_running = other.state == DeploymentState::Running;
    let runs_instead = instead.is_some_and(|(_, stage)| stage.state == DeploymentState::Running);
    let is_stopped = is_running && newest == DeploymentState::Stopped;
    let is_replaced = is_running && (newest == DeploymentState::Running || runs_instead);
    let why = if is_stopped {
        ""
    } else if is_replaced {
        REPLACED
    } else {
        OVERTAKEN
    };
    let is_over = is_stopped || is_replaced || other.state.is_moving();
    is_over.then(|| ended(other, DeploymentState::Stopped, why, now))
}

fn begun(app: &str, known: &[Deployment], found: &AppFinding, now: Timestamp) -> Deployment {
    let AppFinding { target, is_rollback, before, .. } = found;
    // A rollback deploys an older commit.
    let last = known.iter().rev().find(|one| !one.is_rollback);
    let skipped = last.and_then(|last| before.iter().position(|id| *id == last.commit.id));
    Deployment {
        id: 0,
        app: app.to_owned(),
        state: DeploymentState::Pending,
        commit: target.commit.clone(),
        framework: target.framework.clone(),
        image: target.image.clone(),
        why: String::new(),
        code: None,
        is_rollback: *is_rollback,
        skipped: skipped.filter(|_| !is_rollback).unwrap_or_default(),
        began: now,
        build_began: None,
        build_ended: None,
        ran: None,
        ended: None,
    }
}

/// Takes over how far the app is. What ran once is not on its way any more: what is done about drift is no deployment.
fn advance(row: &mut Deployment, stage: &AppStage, now: Timestamp) {
    let is_stopped = stage.state == DeploymentState::Stopped;
    if is_stopped && row.state == DeploymentState::Failed {
        // That it failed is still what is to be known of it.
        return;
    }
    let state = if row.ran.is_some() && !is_stopped { DeploymentState::Running } else { stage.state };
    let was_building = row.state == DeploymentState::Provisioning;
    let builds = state == DeploymentState::Provisioning;
    if builds && !was_building {
        (row.build_began, row.build_ended) = (Some(now), None);
    }
    if was_building && !builds {
        row.build_ended = Some(now);
    }
    let is_over = matches!(state, DeploymentState::Failed | DeploymentState::Stopped | DeploymentState::Deleted);
    row.ended = is_over.then(|| row.ended.unwrap_or(now));
    if state == DeploymentState::Running {
        row.ran = row.ran.or(Some(now));
    }
    row.state = state;
    let tells = state != DeploymentState::Running;
    row.why = if tells { stage.why.to_string() } else { String::new() };
    row.code = stage.code.filter(|_| tells);
}

fn ended(one: &Deployment, state: DeploymentState, why: &str, now: Timestamp) -> Deployment {
    let build_ended = one.build_ended.or(one.build_began.map(|_| now));
    Deployment { state, why: why.to_owned(), code: None, build_ended, ended: Some(now), ..one.clone() }
}

/// The deployments of an app of which nothing is left.
fn deleted(known: &[Deployment], now: Timestamp) -> Vec<Deployment> {
    let is_live = |one: &Deployment| one.state.is_moving() || one.state == DeploymentState::Running;
    let newest = known.last().map(|newest| newest.id);
    let live =
        known.iter().filter(|one| is_live(one) || Some(one.id) == newest && one.state != DeploymentState::Deleted);
    let end = |one: &Deployment| {
        let gone = ended(one, DeploymentState::Deleted, "", now);
        // Why it failed is asked for afterwards, too.
        let has_failed = one.state == DeploymentState::Failed;
        if has_failed { Deployment { why: one.why.clone(), code: one.code, ..gone } } else { gone }
    };
    live.map(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::{Code, Commit, Text};

    fn target(commit: &str, image: &str) -> DeployTarget {
        let commit = Commit { id: commit.to_owned(), subject: "s".into(), author: "a".into(), at: Timestamp(0) };
        DeployTarget { commit, image: image.to_owned(), framework: "static".to_owned() }
    }

    /// What a row of passes leads to: `COMMIT IMAGE STATE` each, and `back` for a rollback.
    fn story(passes: &[&str]) -> Vec<String> {
        let mut known: Vec<Deployment> = Vec::new();
        let before = ["y", "x", "a"].map(str::to_owned).to_vec();
        for (at, pass) in passes.iter().enumerate() {
            let words: Vec<&str> = pass.split(' ').collect();
            let state = DeploymentState::ALL.into_iter().find(|state| state.word() == words[2]).unwrap();
            let is_failed = state == DeploymentState::Failed;
            let stage = AppStage {
                state,
                why: if is_failed { Text::foreign("exit 7") } else { Text::default() },
                code: is_failed.then_some(Code::A0773),
            };
            let image = words[1].trim_matches('-');
            let instead = words.iter().find_map(|word| word.strip_prefix("instead=")?.split_once(':'));
            let instead = instead.map(|(image, state)| {
                let state = DeploymentState::ALL.into_iter().find(|known| known.word() == state).unwrap();
                (image.to_owned(), AppStage { state, ..AppStage::default() })
            });
            let found = AppFinding {
                target: target(words[0], image),
                stage,
                is_rollback: words.get(3) == Some(&"back"),
                before: before.clone(),
                instead,
            };
            for mut row in moved("shop", &known, &found, Timestamp(i64::try_from(at).unwrap() * 1_000)) {
                if row.id == 0 {
                    row.id = known.len() as u64 + 1;
                    known.push(row);
                } else {
                    let id = row.id;
                    known[usize::try_from(id).unwrap() - 1] = row;
                }
            }
        }
        let shown = |one: &Deployment| {
            let image = if one.image.is_empty() { "-" } else { &one.image };
            let took = one.build_time(Timestamp(0)).map(|took| format!(" built in {}", took.0 / 1_000));
            let back = if one.is_rollback { " back" } else { "" };
            let skipped = if one.skipped > 0 { format!(" after {} more", one.skipped) } else { String::new() };
            format!("{} {image} {}{}{back}{skipped}", one.commit.id, one.state.word(), took.unwrap_or_default())
        };
        known.iter().map(shown).collect()
    }

    #[test]
    fn each_image_is_a_deployment_until_another_takes_its_place() {
        // Built, put on line; drift is no deployment, and a commit that changes nothing neither.
        let first = ["a 1 pending", "a 1 provisioning", "a 1 provisioning", "a 1 deploying", "a 1 running"];
        let on_line = [&first[..], &["a 1 deploying", "b 1 running", "b 1 provisioning", "b 1 running"]].concat();
        assert_eq!(story(&on_line), ["a 1 running built in 2"]);
        // What ran goes on while the next one is built, also when that fails.
        let failed = [&first[..], &["b 2 provisioning", "b 2 failed"]].concat();
        assert_eq!(story(&failed), ["a 1 running built in 2", "b 2 failed built in 1 after 2 more"]);
        let replaced = [&first[..], &["b 2 provisioning", "b 2 running"]].concat();
        assert_eq!(story(&replaced), ["a 1 stopped built in 2", "b 2 running built in 1 after 2 more"]);
        // The last of many commits wins.
        let many = ["a 1 provisioning", "b 2 pending", "c 3 pending", "c 3 provisioning", "c 3 running"];
        assert_eq!(story(&many), ["a 1 stopped built in 1", "b 2 stopped after 2 more", "c 3 running built in 1"]);
        // A person has to say something; then the same commit is built.
        let asked = [&first[..], &["b - pending", "b 2 provisioning", "b 2 running"]].concat();
        assert_eq!(story(&asked), ["a 1 stopped built in 2", "b 2 running built in 1 after 2 more"]);
        // Back, and on again.
        let back = [&first[..], &["b 2 running", "a 1 running back", "b 2 running"]].concat();
        assert_eq!(story(&back)[1..], ["b 2 stopped after 2 more", "a 1 stopped back", "b 2 running"]);
        assert_eq!(story(&[&first[..], &["a 1 stopped", "a 1 running"]].concat()), ["a 1 running built in 2"]);
        // What is stopped is what runs, and what failed has failed.
        let halted = [&first[..], &["b 2 provisioning", "b 2 failed", "b 2 stopped"]].concat();
        assert_eq!(story(&halted), ["a 1 stopped built in 2", "b 2 failed built in 1 after 2 more"]);
        // A commit that cannot be read ends no build of the one before it.
        let read =
            [&first[..], &["b 2 provisioning", "c - pending instead=2:provisioning", "c - pending instead=2:running"]];
        assert_eq!(
            story(&read.concat()),
            ["a 1 stopped built in 2", "b 2 running built in 2 after 2 more", "c - pending"]
        );
        // What leads back to what runs deploys nothing.
        let again = [&first[..], &["b - pending instead=1:running", "c 1 running"]].concat();
        assert_eq!(story(&again), ["a 1 running built in 2", "b - stopped after 2 more"]);
    }

    #[test]
    fn what_is_gone_is_deleted() {
        let found = AppFinding {
            target: target("a", "1"),
            stage: AppStage { state: DeploymentState::Running, ..AppStage::default() },
            is_rollback: false,
            before: Vec::new(),
            instead: None,
        };
        let known = moved("shop", &[], &found, Timestamp(5));
        assert_eq!(known[0].took(), Some(amarre_core::model::Millis(0)));
        let gone = deleted(&known, Timestamp(9));
        assert_eq!((gone[0].state, gone[0].ended), (DeploymentState::Deleted, Some(Timestamp(9))));
        assert_eq!(deleted(&gone, Timestamp(10)), []);
        let failed = Deployment { state: DeploymentState::Failed, why: "exit 7".into(), ..known[0].clone() };
        let gone_as_failed = &deleted(&[failed], Timestamp(9))[0];
        assert_eq!((gone_as_failed.state, gone_as_failed.why.as_str()), (DeploymentState::Deleted, "exit 7"));
        // One of the same name later is another.
        assert_eq!(moved("shop", &gone, &found, Timestamp(20)).len(), 1);
        assert_eq!(moved("shop", &gone, &found, Timestamp(20))[0].id, 0);
    }
}
