//! What a person asks of servers at clouds. Of one that a manifest manages, what is asked holds in place of its rule: until the
//! next tick of its timetable, until a time, or until its rule is followed again.

use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use super::act::{ActArgs, VENDOR_NAME, VerbCall};
use super::{CommandAnswer, delete_instance, ledger_refused, rebuild_instance, refused_as, snapshot_instance};
use crate::engine::pass_result::ActionState;
use crate::engine::reconcile::actions::{ActionRequest, action_word};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::instances::{self, InstanceRow, InstanceState};
use crate::engine::report::pass_view::PassView;
use crate::ledger::runs::Event;
use amarre_core::model::power::{Override, OverrideEnd, OverrideSource, Power, PowerRule};
use amarre_core::model::site::CloudActions;
use amarre_core::model::{Address, Code, Hint, Kind, Millis, Text, Timestamp};
use amarre_core::text;

/// The kind of an event: a person asked for what holds in place of a rule.
pub const ASKED: &str = "asked";

/// What a person asks of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceDeed {
    /// It is to run.
    Start,
    /// It is to be shut down.
    Stop,
    /// It is to boot once more.
    Reboot,
    /// It is to become a snapshot.
    Shelve,
    /// It is to come back from there.
    Unshelve,
    /// Its rule holds again.
    Follow,
    /// It is to be deleted.
    Delete,
    /// It is to get another size.
    Resize,
    /// There is to be another one with what is on its disk.
    Clone,
    /// It is to be installed again, without what is on its disk.
    Rebuild,
    /// What is on its disk is to be kept as an image.
    Snapshot,
    /// Its screen is to be shown.
    Console,
}

impl InstanceDeed {
    /// The provider's word; `None`: no provider is asked.
    fn word(self, args: &ActArgs) -> Option<&'static str> {
        match self {
            InstanceDeed::Start => Some("start"),
            InstanceDeed::Stop => Some("stop"),
            InstanceDeed::Reboot if args.flag("hard") => Some("reboot-hard"),
            InstanceDeed::Reboot => Some("reboot"),
            InstanceDeed::Shelve => Some("shelve"),
            InstanceDeed::Unshelve => Some("unshelve"),
            InstanceDeed::Delete => Some("delete"),
            InstanceDeed::Resize => Some("resize"),
            InstanceDeed::Clone => Some("clone"),
            InstanceDeed::Rebuild => Some("rebuild"),
            InstanceDeed::Snapshot => Some("snapshot"),
            InstanceDeed::Console => Some("console"),
            InstanceDeed::Follow => None,
        }
    }

    /// For people.
    pub fn text(self) -> Text {
        match self {
            InstanceDeed::Start => text!("start"),
            InstanceDeed::Stop => text!("stop"),
            InstanceDeed::Reboot => text!("reboot"),
            InstanceDeed::Shelve => text!("shelve"),
            InstanceDeed::Unshelve => text!("unshelve"),
            InstanceDeed::Follow => text!("follow-schedule"),
            InstanceDeed::Delete => text!("delete"),
            InstanceDeed::Resize => text!("resize"),
            InstanceDeed::Clone => text!("clone"),
            InstanceDeed::Rebuild => text!("rebuild"),
            InstanceDeed::Snapshot => text!("snapshot"),
            InstanceDeed::Console => text!("console"),
        }
    }

    /// The power that it leads to.
    const fn power(self) -> Option<Power> {
        match self {
            InstanceDeed::Start | InstanceDeed::Unshelve => Some(Power::On),
            InstanceDeed::Stop => Some(Power::Off),
            InstanceDeed::Shelve => Some(Power::Shelved),
            InstanceDeed::Reboot | InstanceDeed::Follow | InstanceDeed::Delete => None,
            InstanceDeed::Resize | InstanceDeed::Clone | InstanceDeed::Rebuild => None,
            InstanceDeed::Snapshot | InstanceDeed::Console => None,
        }
    }

    /// What the provider is handed with the word.
    fn given(self, row: &InstanceRow, args: &ActArgs, now: Timestamp) -> Option<String> {
        match self {
            InstanceDeed::Delete => args.given(VENDOR_NAME).map(str::to_owned),
            InstanceDeed::Rebuild => rebuild_instance::image(row, args).ok(),
            InstanceDeed::Snapshot => Some(snapshot_instance::name(row, args, now)),
            InstanceDeed::Start
            | InstanceDeed::Stop
            | InstanceDeed::Reboot
            | InstanceDeed::Resize
            | InstanceDeed::Clone => None,
            InstanceDeed::Shelve | InstanceDeed::Unshelve | InstanceDeed::Follow | InstanceDeed::Console => None,
        }
    }

    /// Whether it is about more than the power: of one of which a manifest manages only that, no manifest allows it.
    const fn reshapes(self) -> bool {
        matches!(self, InstanceDeed::Resize | InstanceDeed::Clone | InstanceDeed::Rebuild)
    }

    /// Whether `actions: power` allows it.
    const fn is_plain(self) -> bool {
        matches!(self, InstanceDeed::Start | InstanceDeed::Stop | InstanceDeed::Reboot)
    }
}

/// Why one server is not acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotAsked {
    pub(super) code: Code,
    pub(super) message: Text,
    pub(super) hint: Text,
}

impl NotAsked {
    /// As the answer of its command.
    pub(super) fn answer(&self) -> CommandAnswer {
        refused_as(self.code, &self.message, &self.hint)
    }
}

pub(super) fn refusal(code: Code, message: impl Into<Text>, hint: impl Into<Text>) -> NotAsked {
    NotAsked { code, message: message.into(), hint: hint.into() }
}

/// Carries a deed out on each named server, and waits until it shows.
pub async fn act(handle: &Handle, asked: VerbCall<'_>, deed: InstanceDeed) -> Option<CommandAnswer> {
    let args = asked.args;
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let names = args.texts("instances");
    let found = names.iter().map(|name| (name.clone(), prepared(&pass, name, deed, args)));
    let found: Vec<(String, Result<InstanceRow, NotAsked>)> = found.collect();
    if let [(_, Err(why))] = found.as_slice() {
        return Some(why.answer());
    }
    let rows = || found.iter().filter_map(|(_, row)| row.as_ref().ok());
    let holds: Vec<(Address, Option<Override>)> =
        rows().filter_map(|row| hold(row, deed, args, handle.now())).collect();
    if !holds.is_empty() {
        let reply = handle.request(LoopCommand::HoldPower { holds }).await?;
        if let Some(error) = reply.error {
            return Some(ledger_refused(handle.ledger(), &error, "nothing was changed"));
        }
        for row in rows() {
            note(handle, row, deed, args).await?;
        }
    }
    let done = found.iter().map(|(name, row)| async move {
        let outcome = match row {
            Ok(row) => perform(handle, row, deed, args, deed.given(row, args, handle.now())).await,
            Err(why) => Some(Err(why.clone())),
        };
        outcome.map(|outcome| (name.clone(), outcome))
    });
    let outcomes: Option<Vec<_>> = join_all(done).await.into_iter().collect();
    Some(answer(outcomes?))
}

/// The server that is meant, if the deed may be asked of it.
pub(super) fn prepared(
    pass: &PassView,
    name: &str,
    deed: InstanceDeed,
    args: &ActArgs,
) -> Result<InstanceRow, NotAsked> {
    let row = instances::find(pass, name)
        .map_err(|hint| refusal(Code::A1002, text!("there is no instance {name}", name), hint))?;
    may_be_done(pass, &row, name, deed, args).map(|()| row)
}

/// Why a deed may not be asked of a server: for the buttons of its page.
pub fn why_not(pass: &PassView, row: &InstanceRow, deed: InstanceDeed) -> Option<(Code, Text)> {
    let name = if row.is_made() || !deed.reshapes() { row.name.clone() } else { row.by_id() };
    may_be_done(pass, row, &name, deed, &ActArgs::default()).err().map(|refusal| (refusal.code, refusal.message))
}

fn may_be_done(
    pass: &PassView,
    row: &InstanceRow,
    name: &str,
    deed: InstanceDeed,
    args: &ActArgs,
) -> Result<(), NotAsked> {
    if let Some(gap) = &row.gap {
        let message = text!("{name} is not seen now: {why}", name = row.shown_name(), why = gap.message.clone());
        return Err(refusal(gap.code, message, gap.hint.clone()));
    }
    if row.state == InstanceState::NotMade {
        return Err(not_made(row));
    }
    if row.state == InstanceState::Missing {
        let message = text!("{name} is not there any more", name = row.name.as_str());
        return Err(refusal(Code::A0733, message, "amarre instance list shows what there is"));
    }
    let Some(word) = deed.word(args) else {
        return match &row.manifest {
            Some(_) => Ok(()),
            None => Err(refusal(
                Code::A0464,
                text!("no manifest manages {name}, so it has no rule to follow", name),
                format!("amarre instance manifests {name} prints one"),
            )),
        };
    };
    let holds = args.time("until_ms").is_some() || args.flag("skip_next");
    if holds && row.manifest.as_ref().is_none_or(|managed| managed.instance.rule == PowerRule::Unmanaged) {
        let message =
            text!("no manifest manages the power of {name}, so nothing holds until a time", name = row.shown_name());
        return Err(refusal(Code::A0464, message, "leave out --until and --skip-next"));
    }
    super::pool_server::allows(pass, row, deed)?;
    if deed == InstanceDeed::Delete {
        delete_instance::is_not_a_manifests(row)?;
    }
    let provider = pass.context.as_ref().and_then(|context| context.providers.get(&row.address.provider));
    let is_offered = provider.map(|provider| provider.capabilities()).is_some_and(|can| {
        let is_action = can.actions.is_some_and(|can| can.words(row.address.kind).contains(&word));
        // Of one that a manifest made, it is the manifest that changes.
        is_action
            || deed == InstanceDeed::Console && can.consoles.is_some()
            || deed == InstanceDeed::Resize && can.resizes.is_some()
            || deed == InstanceDeed::Clone && can.actions.is_some_and(|can| can.words(Kind::Instance).contains(&word))
    });
    if !is_offered {
        let message = text!("{cloud} does not offer `{word}`", cloud = row.address.provider.title(), word);
        return Err(refusal(Code::A0461, message, "docs/instances.md says what each cloud offers"));
    }
    may_ask(pass, row, name, deed)?;
    fits(row, deed)?;
    match args.given(snapshot_instance::SNAPSHOT_NAME).filter(|_| deed == InstanceDeed::Snapshot) {
        Some(snapshot) => snapshot_instance::is_name(snapshot),
        None => Ok(()),
    }
}

/// Why nothing can be asked of a server that its manifest has not made yet.
fn not_made(row: &InstanceRow) -> NotAsked {
    let name = row.shown_name();
    let more = format!("amarre plan {name} says more");
    match &row.pending {
        Some(pending) => {
            let message = text!("{name} is not made yet: {why}", name, why = pending.why.clone());
            let hint = pending.hints.first().map_or(more, Hint::in_line);
            refusal(pending.code.unwrap_or(Code::A0733), message, hint)
        }
        None => refusal(Code::A0733, text!("{name} is not made yet", name), more),
    }
}

/// Whether people may ask this of a server that no manifest made.
fn may_ask(pass: &PassView, row: &InstanceRow, name: &str, deed: InstanceDeed) -> Result<(), NotAsked> {
    let is_managed = row.manifest.is_some();
    if row.is_made() || is_managed && !deed.reshapes() {
        return Ok(());
    }
    let site = pass.context.as_ref().map(|context| &context.site);
    let cloud = site.and_then(|site| site.clouds.get(&row.cloud));
    let actions = cloud.map_or(CloudActions::None, |cloud| cloud.actions);
    let is_open = match actions {
        CloudActions::None => false,
        CloudActions::Power => deed.is_plain(),
        CloudActions::All => true,
    };
    let key = format!("clouds.{}.actions", row.cloud);
    if !is_open {
        let name = row.shown_name();
        let message = if is_managed {
            text!("only the power of {name} is a manifest's, and `{key}` does not allow this", name, key)
        } else {
            text!("no manifest manages {name}, and `{key}` does not allow this", name, key)
        };
        let hint = if deed.is_plain() {
            format!(
                "an admin of amarre.yaml sets it to `power` (start, stop, reboot) or `all`; or write a manifest for {name}"
            )
        } else {
            "an admin of amarre.yaml sets it to `all`".to_owned()
        };
        return Err(refusal(Code::A0464, message, hint));
    }
    if !deed.is_plain() && name != row.by_id() {
        let message = if is_managed {
            text!("only the power of {name} is a manifest's: it has to be named by its id for this", name)
        } else {
            text!("{name} is not managed: it has to be named by its id for this", name)
        };
        return Err(refusal(Code::A0464, message, format!("write {}", row.by_id())));
    }
    Ok(())
}

/// Whether the server is in a state for it.
fn fits(row: &InstanceRow, deed: InstanceDeed) -> Result<(), NotAsked> {
    let (name, id) = (row.shown_name(), row.name.as_str());
    let status = format!("amarre instance show {id} says more");
    match (row.state, deed) {
        (InstanceState::Changing, _) => {
            let message = match row.status.as_str() {
                // Of one that is being made there is none yet.
                "" => text!("{name} is busy", name),
                said => text!("{name} is busy: its status is {status}", name, status = said),
            };
            Err(refusal(Code::A0460, message, status))
        }
        (InstanceState::Error, InstanceDeed::Start | InstanceDeed::Shelve | InstanceDeed::Unshelve) => {
            Err(refusal(Code::A0461, text!("{name} is in ERROR at its vendor", name), status))
        }
        (InstanceState::Off | InstanceState::Shelved, InstanceDeed::Reboot) => {
            let hint = format!("amarre instance start {id}");
            Err(refusal(Code::A0461, text!("{name} does not run, so it cannot reboot", name), hint))
        }
        (InstanceState::Shelved, InstanceDeed::Start) => {
            let hint = format!("amarre instance unshelve {id}; that takes some minutes, and needs room at the vendor");
            Err(refusal(Code::A0461, text!("{name} is shelved, so it cannot be started", name), hint))
        }
        (InstanceState::On | InstanceState::Off, InstanceDeed::Unshelve) => {
            Err(refusal(Code::A0461, text!("{name} is not shelved", name), status))
        }
        (InstanceState::Off | InstanceState::Shelved | InstanceState::Error, InstanceDeed::Console) => {
            let hint = format!("amarre instance start {id}");
            Err(refusal(Code::A0461, text!("{name} does not run, so it has no console", name), hint))
        }
        // Its manifest is cloned, not its disk.
        (_, InstanceDeed::Clone) if row.is_made() => Ok(()),
        (
            InstanceState::Shelved,
            InstanceDeed::Resize | InstanceDeed::Clone | InstanceDeed::Rebuild | InstanceDeed::Snapshot,
        ) => {
            let hint = format!("amarre instance unshelve {id}; that takes some minutes, and needs room at the vendor");
            let deed = deed.text();
            Err(refusal(Code::A0461, text!("{name} is shelved, so {deed} is not possible", name, deed), hint))
        }
        (InstanceState::Error, InstanceDeed::Snapshot | InstanceDeed::Resize | InstanceDeed::Clone) => {
            Err(refusal(Code::A0461, text!("{name} is in ERROR at its vendor", name), status))
        }
        (InstanceState::On, InstanceDeed::Resize)
            if !row.is_made() && row.address.provider.cloud_traits().resizes_when_off =>
        {
            let hint = format!("amarre instance stop {id}; it cuts the power");
            let message = text!("{name} has to be off to get another size", name);
            Err(refusal(Code::A0738, message, hint))
        }
        (_, InstanceDeed::Shelve) if row.is_monthly => {
            let message = text!("{name} is paid by the month, and such a one cannot be shelved", name);
            Err(refusal(Code::A0735, message, format!("amarre instance stop {id} stops it; it costs the same")))
        }
        (_, InstanceDeed::Shelve) => match &row.not_shelved {
            Some(why) => {
                let hint = format!("amarre instance stop {id} stops it; it costs the same");
                Err(refusal(why.code, why.message.clone(), hint))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// What holds in place of the rule of a managed server from now on.
fn hold(row: &InstanceRow, deed: InstanceDeed, args: &ActArgs, now: Timestamp) -> Option<(Address, Option<Override>)> {
    let managed = row.manifest.as_ref().filter(|managed| managed.instance.rule != PowerRule::Unmanaged)?;
    if deed == InstanceDeed::Follow {
        return Some((row.address.clone(), None));
    }
    let until = match (args.time("until_ms"), args.flag("skip_next"), &managed.instance.rule) {
        (Some(at), _, _) => OverrideEnd::At(Timestamp(at)),
        (None, true, PowerRule::Schedule(_)) => OverrideEnd::TickAfterNext,
        (None, false, PowerRule::Schedule(_)) => OverrideEnd::NextTick,
        (None, _, PowerRule::Level(_) | PowerRule::Unmanaged) => OverrideEnd::Followed,
    };
    let (to, by) = (deed.power()?, args.text("by").to_owned());
    Some((row.address.clone(), Some(Override { to, source: OverrideSource::Person, by, at: now, until })))
}

/// Records who asked for what holds in place of a rule: the loop then switches it by itself.
async fn note(handle: &Handle, row: &InstanceRow, deed: InstanceDeed, args: &ActArgs) -> Option<()> {
    let Some(service) = held_service(row) else { return Some(()) };
    let word = deed.word(args).unwrap_or("follow-schedule");
    let event = Event {
        at: handle.now(),
        run: 0,
        service: service.to_owned(),
        address: Some(row.address.clone()),
        kind: ASKED.to_owned(),
        text: text!("{word} by {by}", word = action_word(word), by = args.text("by")),
        reason: Some(word.to_owned()),
    };
    // Events are for people: one that cannot be written stops nothing.
    handle.request(LoopCommand::Record(Box::new(event))).await.map(|_| ())
}

/// The manifest whose rule is held, where there is a rule.
fn held_service(row: &InstanceRow) -> Option<&str> {
    let managed = row.manifest.as_ref().filter(|managed| managed.instance.rule != PowerRule::Unmanaged)?;
    Some(&managed.service)
}

/// Whether a server has a power already.
fn is_at(row: &InstanceRow, power: Option<Power>) -> bool {
    matches!(
        (row.state, power),
        (InstanceState::On, Some(Power::On))
            | (InstanceState::Off | InstanceState::Shelved, Some(Power::Off))
            | (InstanceState::Shelved, Some(Power::Shelved))
    )
}

/// Waits until the loop has switched what holds; `false`: not within the timeout.
async fn is_switched(handle: &Handle, name: &str, power: Option<Power>, timeout: Millis) -> bool {
    let mut handle = handle.clone();
    let switched = async {
        loop {
            let pass = handle.last_pass().0;
            if instances::find(&pass, name).is_ok_and(|row| is_at(&row, power)) {
                return true;
            }
            if !handle.changed().await {
                return false;
            }
        }
    };
    tokio::time::timeout(timeout.to_duration(), switched).await.unwrap_or(false)
}

/// What came of a deed, in a sentence.
pub(super) type DeedOutcome = Result<(Text, Option<ActionState>), NotAsked>;

/// Carries a deed out on one, and waits until it shows. `given`: what the provider is handed with it.
pub(super) async fn perform(
    handle: &Handle,
    row: &InstanceRow,
    deed: InstanceDeed,
    args: &ActArgs,
    given: Option<String>,
) -> Option<DeedOutcome> {
    let name = row.shown_name();
    let Some(word) = deed.word(args) else { return Some(Ok((text!("{name} follows its rule again", name), None))) };
    if is_at(row, deed.power()) {
        let state = row.state.text();
        let said = match held_service(row) {
            Some(_) => text!("{name} stays {state}", name, state),
            None => text!("{name} is {state} already", name, state),
        };
        return Some(Ok((said, None)));
    }
    let by = args.text("by").to_owned();
    let request = ActionRequest { address: row.address.clone(), word, by, after: Vec::new(), given: given.clone() };
    let (started, timeout) = (handle.now(), Millis(args.timeout_ms()));
    let reply = handle.request(LoopCommand::Perform { requests: vec![request], timeout }).await?;
    if let Some(error) = reply.error {
        let is_held = held_service(row).is_some() && deed.power().is_some();
        if !is_held {
            let hint = format!("amarre instance show {} says what is under way", row.name);
            return Some(Err(refusal(Code::A0460, error, hint)));
        }
        // The loop is at it already, because what holds differs from what is observed.
        let (state, deed) = if is_switched(handle, &row.name, deed.power(), timeout).await {
            (ActionState::Done, text!("{name}: {deed} done", name, deed = deed.text()))
        } else {
            (ActionState::Begun, text!("{name}: {deed} is under way", name, deed = deed.text()))
        };
        return Some(Ok((deed, Some(state))));
    }
    let snapshot = given.filter(|_| deed == InstanceDeed::Snapshot);
    Some(outcome(row, deed, snapshot, &reply.pass, (handle.now() - started).in_words()))
}

/// What came of a deed that was handed to the loop, by the look after it. `snapshot`: the name of the one that was to be taken.
fn outcome(
    row: &InstanceRow,
    deed: InstanceDeed,
    snapshot: Option<String>,
    pass: &PassView,
    took: String,
) -> DeedOutcome {
    let name = row.shown_name();
    let state = pass.actions.get(&row.address).cloned();
    let seen = instances::find(pass, &row.name).ok().map(|row| row.state);
    let now = seen.unwrap_or(InstanceState::Unknown).text();
    let is_gone = seen.is_none() && deed == InstanceDeed::Delete;
    let deed = deed.text();
    match &state {
        Some(ActionState::Done) if is_gone => Ok((text!("{name} is deleted, after {took}", name, took), state)),
        Some(ActionState::Done) if let Some(snapshot) = snapshot => {
            let said = text!(
                "{name}: the snapshot {snapshot} is taken, after {took}; its vendor bills its storage until it is deleted there",
                name,
                snapshot,
                took
            );
            Ok((said, state))
        }
        // It was taken on, and what it set in motion does not rest yet.
        Some(ActionState::Done) if seen == Some(InstanceState::Changing) => {
            Ok((text!("{name}: {deed} is under way", name, deed), Some(ActionState::Begun)))
        }
        Some(ActionState::Done) => {
            Ok((text!("{name}: {deed} done after {took}; it is {now}", name, deed, took, now), state))
        }
        Some(ActionState::Failed(error)) => Err(refusal(error.code, error.message.clone(), error.hint.clone())),
        Some(ActionState::Unknown) => {
            let message = text!("{name}: no answer to {deed} came, and it is not seen whether it happened", name, deed);
            Err(refusal(Code::A0463, message, format!("amarre instance show {} shows what it does now", row.name)))
        }
        Some(ActionState::Dropped(why)) => {
            let why = why.clone();
            Err(refusal(Code::A0460, text!("{name}: {deed} was not begun: {why}", name, deed, why), ""))
        }
        None | Some(ActionState::Waiting | ActionState::Begun | ActionState::Accepted | ActionState::Unconfirmed) => {
            Ok((text!("{name}: {deed} is under way", name, deed), state))
        }
    }
}

/// One result each.
pub(super) fn answer(outcomes: Vec<(String, DeedOutcome)>) -> CommandAnswer {
    let mut text = String::new();
    let mut results: Vec<Json> = Vec::new();
    let mut is_whole = true;
    for (name, outcome) in outcomes {
        match outcome {
            Ok((said, state)) => {
                let is_over = matches!(state, None | Some(ActionState::Done));
                is_whole &= is_over;
                text.push_str(&format!("{said}\n"));
                results.push(result(
                    json!({"instance": name, "result": if is_over { "done" } else { "under way" }}),
                    &said,
                ));
            }
            Err(NotAsked { code, message, hint }) => {
                is_whole = false;
                text.push_str(&format!("error[{code}]: {message}\n  hint: {hint}\n"));
                let refused = json!({"instance": name, "result": "refused", "code": code, "hint": hint.to_string()});
                results.push(result(refused, &message));
            }
        }
    }
    let document = json!({"schema": "amarre.instance_actions/v1", "results": results});
    CommandAnswer { document, text, exit: if is_whole { 0 } else { 3 } }
}

/// A result with its sentence.
fn result(mut document: Json, said: &Text) -> Json {
    if let Some(document) = document.as_object_mut() {
        said.insert_into(document, "message");
    }
    document
}
