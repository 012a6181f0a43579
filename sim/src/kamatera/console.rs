//! The second door: what of the console a careful client calls. It has the whole queue, which the proxy does not show.

use serde_json::{Value, json};

use super::answers::{Decline, Reply};
use super::ask::Ask;
use super::queue::KamateraVerb;
use super::state::State;
use super::{change, shapes};

/// What the call comes to. Without a login nothing but a token does.
pub(super) fn answer(state: &mut State, names: &[&str], ask: &Ask) -> Reply {
    if (ask.method.as_str(), names) == ("POST", &["service", "authenticate"]) {
        return authenticate(state, ask);
    }
    let is_known = state.login.has_headers(&ask.headers) || state.login.has_token(&ask.headers, state.now());
    if is_known {
        dispatch(state, names, ask).map_or_else(|decline| decline.at_the_console(), Reply::ok)
    } else {
        Decline::not_logged_in().at_the_console()
    }
}

/// A token that lives for an hour. No client needs it: every call takes the two headers.
fn authenticate(state: &mut State, ask: &Ask) -> Reply {
    if !state.login.admits(&ask.text("clientId"), &ask.text("secret")) {
        return Decline::not_logged_in().at_the_console();
    }
    let (token, expires) = state.login.give_token(state.now());
    Reply::ok(json!({ "authentication": token, "expires": expires }))
}

fn dispatch(state: &mut State, names: &[&str], ask: &Ask) -> Result<Value, Decline> {
    let now = state.now();
    match (ask.method.as_str(), names) {
        ("GET", ["service", "servers"]) if state.switches.list_fails => Err(Decline::upstream("error occurred")),
        ("GET", ["service", "servers"]) => Ok(state.listed().map(shapes::listed).collect()),
        ("GET", ["service", "queue"]) => {
            Ok(state.recent().map(|command| command.shape(now, state.working_word())).collect())
        }
        ("GET", ["service", "queue", id]) => {
            let found = state.queue.iter().find(|command| command.id.to_string() == *id);
            // Known: a body of errors. Status and text are guessed.
            let found = found.ok_or_else(Decline::no_such_server)?;
            Ok(found.shape(now, state.working_word()))
        }
        ("GET", ["service", "server", id]) => {
            let found = state.shown.get(*id).ok_or_else(Decline::no_such_server)?;
            Ok(shapes::detailed(found, now))
        }
        ("PUT", ["service", "server", id, "power"]) => power(state, id, &ask.text("power")),
        ("DELETE", ["service", "server", id, "terminate"]) => terminate(state, id, ask),
        // A guess.
        _ => Err(Decline::Upstream(404, 20, "not found".to_owned(), Some("General Error"))),
    }
}

/// The answer is one of several forms that clients report.
fn power(state: &mut State, id: &str, wanted: &str) -> Result<Value, Decline> {
    let verb = match wanted {
        "on" => KamateraVerb::PowerOn,
        "off" => KamateraVerb::PowerOff,
        "restart" => KamateraVerb::Reboot,
        _ => return Err(Decline::upstream("power must be on, off or restart")),
    };
    let machine = state.machine(id)?.clone();
    change::power_of_one(state, &machine, verb).map(Value::from)
}

fn terminate(state: &mut State, id: &str, ask: &Ask) -> Result<Value, Decline> {
    if !ask.is_set("confirm") {
        return Err(Decline::upstream("confirm is missing"));
    }
    let machine = state.machine(id)?.clone();
    change::terminate_one(state, &machine, ask.is_set("force")).map(Value::from)
}
