//! Actions: what a person asks of a resource beside changes of its fields. Each is performed once, in the lane of what it
//! acts on: that of the service, or of the address where no service manages it.
//!
//! | an action | what the engine does |
//! |---|---|
//! | waits | begins it when its lane is idle, and what comes before it is ready again |
//! | has begun | stores the intent, calls the provider once, stores the outcome |
//! | has no answer, or this process ended before it came | keeps the lane for it and asks the provider after each observation whether it has happened |
//! | has no answer within its limit | stores that the outcome is unknown |
//!
//! No action is ever repeated: a person who wants it again asks again. One that a vendor does in steps is an action for each: the
//! next one follows from the ledger, also in another process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::counters::Meters;
use super::engine::Engine;
use super::lane::{LaneDone, LaneFailure, Tools};
use super::{lane, schedule};
use crate::engine::pass_result::ActionState;
use crate::engine::progress::{LaneStep, ProgressState};
use crate::engine::report::waits;
use crate::ledger::OpenAction;
use crate::ledger::runs::Event;
use crate::providers::{ActionStep, Class, PerformAction, ProviderError};
use amarre_core::model::{Action, Address, Code, Millis, Need, Readiness, Seen, State, Text, Timestamp, World};
use amarre_core::text;

/// An action that could not begin for this long is not performed any more: whoever asked for it no longer expects it.
const WAITS_MAX: Millis = Millis::minutes(15);
/// A step that could not begin for this long after the one before it is not performed any more.
const FOLLOWS_WITHIN: Millis = Millis::minutes(120);
/// How soon the world is observed again while an action waits, or its outcome is not known.
const LOOK_AGAIN: Millis = Millis::seconds(1);

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRequest {
    pub address: Address,
    /// The provider's word: `restart`.
    pub word: &'static str,
    /// The account that asks.
    pub by: String,
    /// Resources of the same request whose action comes first, and whether they must be ready again by then.
    pub after: Vec<Need>,
    /// What the person gave with it, where the action needs that, in place of [`PerformAction::before`]: what it is called at its
    /// vendor, a size, an image, the name of a snapshot. At most 200 bytes, and no secret.
    pub given: Option<String>,
}

impl ActionRequest {
    fn step(&self) -> ActionStep {
        ActionStep { word: self.word, given: self.given.clone().unwrap_or_default() }
    }
}

/// How an open action has ended.
struct ActionEnd {
    state: ActionState,
    /// As the ledger keeps it.
    outcome: String,
    /// The kind of its event, and the sentence of it.
    kind: &'static str,
    text: Text,
}

impl ActionEnd {
    fn new(state: ActionState, outcome: &str, kind: &'static str, text: Text) -> Self {
        Self { state, outcome: outcome.to_owned(), kind, text }
    }
}

/// The end of an action's lane.
#[derive(Debug)]
pub struct ActionDone {
    /// The number of the intent; `None`: none was stored, so no call left.
    id: Option<i64>,
    run: i64,
    action: Action,
    state: ActionState,
}

impl ActionDone {
    /// Counts it, unless its outcome is still to show.
    pub fn count(&self, meters: &Meters, now: Timestamp) {
        match &self.state {
            ActionState::Done => meters.acted(&self.action, "done", now),
            ActionState::Failed(_) => meters.acted(&self.action, "failed", now),
            ActionState::Unknown => meters.acted(&self.action, "unknown", now),
            ActionState::Waiting | ActionState::Begun | ActionState::Accepted => (),
            ActionState::Unconfirmed | ActionState::Dropped(_) => (),
        }
    }
}

#[derive(Debug)]
struct QueuedAction {
    request: ActionRequest,
    service: String,
    /// When it is given up.
    until: Timestamp,
}

/// The actions of this process, and those that an earlier one left without an outcome.
#[derive(Debug, Default)]
pub struct Actions {
    queue: VecDeque<QueuedAction>,
    open: BTreeMap<Address, OpenAction>,
    is_loaded: bool,
    /// Those that have happened, until it is known whether something follows.
    happened: Vec<Action>,
    /// The latest action of each address.
    states: BTreeMap<Address, ActionState>,
}

impl Actions {
    /// What became of the latest action of each address.
    pub fn states(&self) -> BTreeMap<Address, ActionState> {
        self.states.clone()
    }

    /// Whether one waits, or its outcome may still show.
    pub fn are_pending(&self, now: Timestamp) -> bool {
        !self.queue.is_empty() || !self.happened.is_empty() || self.open_lanes(now).next().is_some()
    }

    /// The lanes that are kept for actions without an answer.
    pub fn open_lanes(&self, now: Timestamp) -> impl Iterator<Item = String> {
        self.open.values().filter(move |open| !open.action.is_over(now)).map(|open| open.action.lane())
    }

    /// Whether an action waits.
    pub fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Drops what waits in a lane.
    pub fn cancel(&mut self, lane: &str) {
        for queued in std::mem::take(&mut self.queue) {
            if queued.lane() == lane {
                let state = ActionState::Dropped(text!("it was cancelled"));
                self.states.insert(queued.request.address, state);
            } else {
                self.queue.push_back(queued)
            }
        }
    }

    /// Notes the end of an action's lane.
    pub fn finish(&mut self, done: ActionDone) {
        let ActionDone { id, run, action, state } = done;
        self.states.insert(action.address.clone(), state.clone());
        if state == ActionState::Done {
            self.happened.push(action.clone());
        }
        let is_accepted = state == ActionState::Accepted;
        if let (ActionState::Unconfirmed | ActionState::Accepted, Some(id)) = (state, id) {
            self.open.insert(action.address.clone(), OpenAction { id, run, action, is_accepted });
        }
    }
}

impl QueuedAction {
    fn lane(&self) -> String {
        Action::lane_of(&self.service, &self.request.address)
    }
}

impl Engine {
    /// Reads the actions that an earlier process left without an outcome.
    pub(crate) async fn load_actions(&mut self, now: Timestamp) {
        if self.actions.is_loaded {
            return;
        }
        let since = Timestamp(now.0 - FOLLOWS_WITHIN.0);
        let read = async { Ok((self.ledger.open_actions().await?, self.ledger.latest_done(since).await?)) }.await;
        match read {
            Ok((open, done)) => {
                self.actions.is_loaded = true;
                self.actions.happened.extend(done);
                for mut open in open {
                    // The clock was ahead when it was written.
                    open.action.at = open.action.at.min(now);
                    let state = if open.is_accepted { ActionState::Accepted } else { ActionState::Unconfirmed };
                    self.actions.states.insert(open.action.address.clone(), state);
                    self.actions.open.insert(open.action.address.clone(), open);
                }
            }
            Err(error) => self.ledger_failed(&error),
        }
    }

    /// Takes actions on; they begin with the next pass.
    ///
    /// # Errors
    /// Why none of them is taken on, lowercase.
    pub fn ask_actions(&mut self, requests: Vec<ActionRequest>) -> Result<(), String> {
        let now = self.clock.now();
        let busy = self.services_at_work();
        let mut queued = Vec::new();
        for mut request in requests {
            let address = &request.address;
            let can = self.performer(address).filter(|can| can.words(address.kind).contains(&request.word));
            let Some(can) = can else {
                return Err(format!("{} of {address} is no action that its provider knows", request.word));
            };
            request.word = can.first(request.word);
            let service = self.service_of(address);
            let entry = QueuedAction { request, service, until: now + WAITS_MAX };
            let lane = entry.lane();
            if let Some(OpenAction { action, .. }) = self.actions.open.get(&entry.request.address) {
                let (word, by, since) = (&action.word, &action.by, action.at.rfc3339());
                return Err(format!(
                    "{word} by {by} is open since {since}: what became of it shows until {}",
                    action.shows_until().rfc3339()
                ));
            }
            if busy.contains(&lane) || self.actions.queue.iter().any(|other| other.lane() == lane) {
                return Err(format!("a change or an action of {lane} is under way"));
            }
            queued.push(entry);
        }
        for entry in queued {
            self.actions.states.insert(entry.request.address.clone(), ActionState::Waiting);
            self.actions.queue.push_back(entry);
        }
        Ok(())
    }

    fn performer(&self, address: &Address) -> Option<&dyn PerformAction> {
        self.context.providers.get(&address.provider)?.capabilities().actions
    }

    /// The service whose lane changes a resource; empty where no service does.
    fn service_of(&self, address: &Address) -> String {
        let pass = &self.pass;
        let wanted = pass.wants.map.get(address).map(|want| &want.service);
        let applied = || pass.facts.applied.get(address).map(|row| &row.service);
        let seen = || pass.world.seen.get(address).filter(|seen| seen.owner.is_ours())?.service.as_ref();
        wanted.or_else(applied).or_else(seen).cloned().unwrap_or_default()
    }

    /// Whether each of these actions has an outcome, and what it acted on is ready again or will not be.
    pub fn has_acted(&self, addresses: &BTreeSet<Address>) -> bool {
        let goes_on = |address: &Address| {
            let mut ended = self.actions.happened.iter().filter(|action| action.address == *address);
            ended.any(|action| self.performer(address).is_some_and(|can| can.then(action).is_some()))
        };
        let is_over = |address: &Address| match self.actions.states.get(address) {
            Some(ActionState::Done) if goes_on(address) => false,
            Some(ActionState::Waiting | ActionState::Begun | ActionState::Accepted | ActionState::Unconfirmed) => false,
            None | Some(ActionState::Failed(_) | ActionState::Unknown | ActionState::Dropped(_)) => true,
            Some(ActionState::Done) => match self.pass.world.thing(address).map(|seen| &seen.ready) {
                Some(Readiness::NotYet { .. }) => waits::is_late(&self.pass, address),
                None | Some(Readiness::Ready | Readiness::Failed { .. }) => true,
            },
        };
        addresses.iter().all(is_over)
    }

    /// Whether an action waits, or its outcome may still show.
    pub fn has_pending_actions(&self) -> bool {
        self.actions.are_pending(self.clock.now())
    }

    /// When the world is to be observed again for an action.
    pub(crate) fn next_action_look(&self, world: &World, now: Timestamp) -> Option<Timestamp> {
        let done = self.actions.states.iter().filter(|(_, state)| **state == ActionState::Done);
        // What an action set in motion is watched until it is ready, whether a manifest manages it or not.
        let moving = done.filter_map(|(address, _)| match &world.thing(address)?.ready {
            Readiness::NotYet { since, .. } => Some(schedule::watch(*since, now)),
            Readiness::Ready | Readiness::Failed { .. } => None,
        });
        let pending = self.actions.are_pending(now).then(|| now + LOOK_AGAIN);
        moving.chain(pending).min()
    }

    /// Closes the actions whose outcome shows by now, and those whose limit has passed.
    pub(crate) async fn settle_actions(&mut self, world: &World, now: Timestamp) {
        for open in self.actions.open.values().cloned().collect::<Vec<_>>() {
            let Some(end) = self.end_of(&open, world, now) else { continue };
            let OpenAction { id, run, action, .. } = &open;
            let ActionEnd { state, outcome, kind, text } = end;
            let is_failed = matches!(state, ActionState::Failed(_));
            match self.ledger.end_action(*id, &outcome, &event(action, *run, kind, text, now)).await {
                Ok(()) => {
                    let unless_done = if is_failed { "failed" } else { "unknown" };
                    let result = if state == ActionState::Done { "done" } else { unless_done };
                    self.meters.acted(action, result, now);
                    if state == ActionState::Done {
                        self.actions.happened.push(action.clone());
                    }
                    self.actions.states.insert(action.address.clone(), state);
                    self.actions.open.remove(&action.address);
                }
                Err(error) => self.ledger_failed(&error),
            }
        }
    }

    /// How an open action has ended, by what is observed; `None`: that does not show yet.
    fn end_of(&self, open: &OpenAction, world: &World, now: Timestamp) -> Option<ActionEnd> {
        let action = &open.action;
        let seen = world.thing(&action.address);
        // No address says in which part of its provider it is: with any gap, what is not seen may be there.
        let is_gone = seen.is_none() && world.gaps.iter().all(|gap| gap.provider != action.address.provider);
        let performer = self.performer(&action.address).filter(|_| seen.is_some() || is_gone);
        let is_accepted = open.is_accepted;
        let (word, by) = (action_word(&action.word), &action.by);
        let shown = performer.and_then(|can| {
            if is_accepted {
                can.outcome(action, seen)
            } else {
                can.happened(action, seen).filter(|happened| *happened).map(|_| Ok(()))
            }
        });
        match shown {
            Some(Ok(())) if is_accepted => {
                return Some(ActionEnd::new(ActionState::Done, "ok", "performed", text!("{word} by {by}", word, by)));
            }
            Some(Ok(())) => {
                let text = text!("{word} by {by}; its answer was lost", word, by);
                return Some(ActionEnd::new(ActionState::Done, "ok", "performed", text));
            }
            Some(Err(error)) => {
                let text = text!("{word} by {by}: {why}", word, by, why = error.message.clone());
                let outcome = error.message.to_string();
                return Some(ActionEnd::new(ActionState::Failed(error), &outcome, "not performed", text));
            }
            None => (),
        }
        // A provider that does not answer says nothing about what it did before.
        let is_hidden = world.gap(&action.address).is_some();
        if is_hidden || !action.is_over(now) {
            return None;
        }
        let span = action.shows_until() - action.at;
        let text = if is_accepted {
            text!(
                "{word} by {by}: the vendor has accepted it, and it is not seen to be done after {span}",
                word,
                by,
                span
            )
        } else {
            text!("{word} by {by}: no answer came, and it is not seen after {span} whether it happened", word, by, span)
        };
        Some(ActionEnd::new(ActionState::Unknown, "unknown", "unknown", text))
    }

    /// Queues what follows from actions that have happened. Its turn comes after another look: it depends on what they led to.
    fn follow_up(&mut self, now: Timestamp) {
        for action in std::mem::take(&mut self.actions.happened) {
            let Some(step) = self.performer(&action.address).and_then(|can| can.then(&action)) else { continue };
            let ActionStep { word, given } = step;
            let Action { address, service, by, .. } = action;
            let after = vec![Need { on: address.clone(), is: State::Ready }];
            let request = ActionRequest { address: address.clone(), word, by, after, given: Some(given) };
            self.actions.states.insert(address, ActionState::Waiting);
            self.actions.queue.push_back(QueuedAction { request, service, until: now + FOLLOWS_WITHIN });
        }
    }

    /// Begins the actions whose turn it is.
    pub(crate) async fn hand_out_actions(&mut self, world: &World, run: i64, now: Timestamp) {
        for queued in std::mem::take(&mut self.actions.queue) {
            let address = queued.request.address.clone();
            match self.turn_of(&queued, world, now) {
                Turn::Later => self.actions.queue.push_back(queued),
                Turn::Never(why) => {
                    let (word, by) = (action_word(queued.request.word), &queued.request.by);
                    let text = text!("{word} by {by} was not begun: {why}", word, by, why = why.clone());
                    let event = Event {
                        at: now,
                        run,
                        service: queued.service,
                        address: Some(address.clone()),
                        kind: "not performed".to_owned(),
                        text,
                        reason: Some(queued.request.word.to_owned()),
                    };
                    self.actions.states.insert(address, ActionState::Dropped(why));
                    // Events are for people: one that cannot be written stops nothing.
                    let _ = self.ledger.record(&event).await;
                }
                Turn::Now(action) => {
                    let lane = action.lane();
                    let tools = self.tools();
                    self.cancels.insert(lane.clone(), tools.cancelled.clone());
                    self.actions.states.insert(address, ActionState::Begun);
                    let task = self.lanes.spawn(run_action(*action, run, tools));
                    self.busy.insert(task.id(), lane);
                }
            }
        }
        self.follow_up(now);
    }

    fn turn_of(&self, queued: &QueuedAction, world: &World, now: Timestamp) -> Turn {
        let QueuedAction { request, service, until } = queued;
        if let Some(before) = request.after.iter().find(|need| self.is_out_of_reach(need, world)) {
            return Turn::Never(text!("{name} is not up again", name = &before.on.name));
        }
        let is_busy = self.services_at_work().contains(&queued.lane());
        let is_hidden = world.gap(&request.address).is_some();
        let is_up_again = |need: &Need| self.is_up_again(need, world, need.on == request.address);
        match world.thing(&request.address) {
            _ if is_busy || is_hidden || !request.after.iter().all(is_up_again) => {
                if now < *until {
                    Turn::Later
                } else {
                    Turn::Never(text!("its turn did not come within {span}", span = WAITS_MAX))
                }
            }
            Some(seen) => match self.performer(&request.address) {
                Some(can) => match can.waits(&seen.vendor_id, &request.step()) {
                    Some(_) if now < *until => Turn::Later,
                    Some(why) => Turn::Never(why),
                    None => Turn::Now(Box::new(begin(request, service, can, seen, now))),
                },
                None => Turn::Never(text!("its provider is not configured any more")),
            },
            None => Turn::Never(text!("{name} is gone", name = request.address.to_string())),
        }
    }
}

impl Engine {
    /// Whether what comes before an action has been acted on, and is ready again where it must be. `is_itself`: it is the resource of
    /// that action, which waits.
    fn is_up_again(&self, need: &Need, world: &World, is_itself: bool) -> bool {
        let is_done = is_itself || matches!(self.actions.states.get(&need.on), None | Some(ActionState::Done));
        let is_ready = || world.thing(&need.on).is_some_and(|seen| seen.ready.is_ready());
        is_done && (need.is != State::Ready || is_ready())
    }

    fn is_out_of_reach(&self, need: &Need, world: &World) -> bool {
        match self.actions.states.get(&need.on) {
            Some(ActionState::Failed(_) | ActionState::Unknown | ActionState::Dropped(_)) => true,
            Some(ActionState::Waiting | ActionState::Begun | ActionState::Accepted | ActionState::Unconfirmed) => false,
            None | Some(ActionState::Done) => {
                let ready = world.thing(&need.on).map(|seen| &seen.ready);
                need.is == State::Ready && matches!(ready, Some(Readiness::Failed { .. }))
            }
        }
    }
}

enum Turn {
    Now(Box<Action>),
    Later,
    Never(Text),
}

fn begin(request: &ActionRequest, service: &str, can: &dyn PerformAction, seen: &Seen, now: Timestamp) -> Action {
    Action {
        address: request.address.clone(),
        service: service.to_owned(),
        word: request.word.to_owned(),
        vendor_id: seen.vendor_id.clone(),
        before: request.given.clone().unwrap_or_else(|| can.before(request.word, seen)),
        by: request.by.clone(),
        at: now,
        limit: can.limit(request.word, seen),
    }
}

/// Performs an action: intent → call → outcome.
async fn run_action(mut action: Action, run: i64, tools: Tools) -> LaneDone {
    let _slot = tools.breakers.slot(&action.address.provider).await;
    let mut done = LaneDone::new(action.lane(), tools.clock.now());
    let (id, state) = if tools.is_over() {
        (None, ActionState::Dropped(text!("it was cancelled")))
    } else {
        action.at = tools.clock.now();
        match tools.ledger.begin_action(&action, run).await {
            Ok(id) => (Some(id), perform(&action, (id, run), &tools, &mut done).await),
            Err(error) => {
                let why = Text::foreign(error.to_string());
                done.failures.push(LaneFailure::Ledger(error));
                (None, ActionState::Dropped(why))
            }
        }
    };
    done.ended = tools.clock.now();
    done.action = Some(Box::new(ActionDone { id, run, action, state }));
    done
}

/// The call of an action whose intent is stored.
async fn perform(action: &Action, (id, run): (i64, i64), tools: &Tools, done: &mut LaneDone) -> ActionState {
    let started = action.at;
    let report = |state: ProgressState, text: String| {
        let now = tools.clock.now();
        lane::send_progress(tools, LaneStep::Action(action.clone()), state, text, started, now);
    };
    done.called.insert(action.address.provider.clone());
    report(ProgressState::Begun, String::new());
    let outcome = call(action, tools).await;
    tools.store_exchanges(&action.address.provider).await;
    let (word, by) = (action_word(&action.word), &action.by);
    let (state, outcome, event) = match outcome {
        // What the vendor carries out later is done once that is observed.
        Ok(()) if is_carried_out_later(action, tools) => {
            return match tools.ledger.accept_action(id).await {
                Ok(()) => ActionState::Accepted,
                Err(error) => {
                    done.failures.push(LaneFailure::Ledger(error));
                    ActionState::Unconfirmed
                }
            };
        }
        Ok(()) => {
            report(ProgressState::Done, String::new());
            (ActionState::Done, "ok".to_owned(), ("performed", text!("{word} by {by}", word, by)))
        }
        Err(error) if error.class == Class::OutcomeUnknown => {
            report(ProgressState::Begun, format!("{}: {}", action.word, error.message));
            return ActionState::Unconfirmed;
        }
        Err(error) => {
            report(ProgressState::Failed, error.message.to_string());
            let why = error.message.clone();
            let text = text!("{word} by {by}: {why}", word, by, why);
            (ActionState::Failed(error.clone()), error.message.to_string(), ("not performed", text))
        }
    };
    let (kind, text) = event;
    let (service, address) = (&action.service, &action.address);
    tracing::info!(service, run, %address, "{kind} {address}: {text}");
    match tools.ledger.end_action(id, &outcome, &self::event(action, run, kind, text, tools.clock.now())).await {
        Ok(()) => state,
        // What is observed afterwards closes it.
        Err(error) => {
            done.failures.push(LaneFailure::Ledger(error));
            ActionState::Unconfirmed
        }
    }
}

fn is_carried_out_later(action: &Action, tools: &Tools) -> bool {
    let provider = tools.context.providers.get(&action.address.provider);
    provider.and_then(|provider| provider.capabilities().actions).is_some_and(PerformAction::is_asynchronous)
}

async fn call(action: &Action, tools: &Tools) -> Result<(), ProviderError> {
    let provider = tools.context.providers.get(&action.address.provider);
    let Some(can) = provider.and_then(|provider| provider.capabilities().actions) else {
        let message = format!("{} of {} is no action that its provider knows", action.word, action.address);
        return Err(ProviderError::new(Class::Rejected, Code::A0460, message));
    };
    match tokio::time::timeout(action.limit.to_duration(), can.perform(action)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let message = format!("{} of {} had no answer within {}", action.word, action.address, action.limit);
            Err(ProviderError::new(Class::OutcomeUnknown, Code::A0513, message))
        }
    }
}

/// A provider's word for an action, as people read it.
pub fn action_word(word: &str) -> Text {
    match word {
        "restart" => text!("restart"),
        "start" => text!("start"),
        "stop" => text!("stop"),
        "reboot" => text!("reboot"),
        "reboot-hard" => text!("reboot by cutting the power"),
        "shelve" => text!("shelve"),
        "unshelve" => text!("unshelve"),
        "delete" => text!("delete"),
        "resize" => text!("resize"),
        "clone" => text!("clone"),
        "clone-snapshot" => text!("snapshot for a clone"),
        "rebuild" => text!("rebuild"),
        "snapshot" => text!("snapshot"),
        "console" => text!("console"),
        "follow-schedule" => text!("follow the rule again"),
        other => Text::foreign(other),
    }
}

fn event(action: &Action, run: i64, kind: &str, text: Text, at: Timestamp) -> Event {
    Event {
        at,
        run,
        service: action.service.clone(),
        address: Some(action.address.clone()),
        kind: kind.to_owned(),
        text,
        reason: Some(action.word.clone()),
    }
}
