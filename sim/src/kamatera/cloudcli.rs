//! The first door: the proxy that the vendor's command line, terraform and libcloud call, which turns flat flags into calls
//! of the console.

use serde_json::{Value, json};

use super::answers::{Decline, Reply};
use super::ask::{Ask, servers};
use super::queue::KamateraVerb;
use super::state::State;
use super::{catalogue, change, create, shapes};

/// What the call comes to. Without a login nothing does.
pub(super) fn answer(state: &mut State, names: &[&str], ask: &Ask) -> Reply {
    let reply = if state.login.has_headers(&ask.headers) {
        dispatch(state, names, ask).unwrap_or_else(|decline| decline.at_the_proxy())
    } else {
        Decline::not_logged_in().at_the_proxy()
    };
    let wants_status = ask.headers.get("X-CLOUDCLI-STATUSINJSON").is_some_and(|value| value == "true");
    if wants_status { reply.with_status_inside() } else { reply }
}

fn dispatch(state: &mut State, names: &[&str], ask: &Ask) -> Result<Reply, Decline> {
    let body = match (ask.method.as_str(), names) {
        ("GET", ["service", "servers"]) => list(state),
        ("GET", ["service", "server"]) => options(state, ask),
        ("GET", ["service", "queue"]) => queue(state, &ask.parameter("id")),
        ("POST", ["service", "server"]) => create::create(state, ask)?,
        ("POST", ["service", "cloneServer"]) => create::clone(state, ask)?,
        ("POST", ["service", "server", "info"]) => info(state, ask)?,
        ("POST", ["service", "server", "poweron"]) => {
            change::power(state, ask, KamateraVerb::PowerOn, "poweronServer")?
        }
        ("POST", ["service", "server", "poweroff"]) => {
            change::power(state, ask, KamateraVerb::PowerOff, "poweroffServer")?
        }
        ("POST", ["service", "server", "reboot"]) => change::power(state, ask, KamateraVerb::Reboot, "rebootServer")?,
        ("POST", ["service", "server", "rename"]) => change::rename(state, ask)?,
        ("POST", ["service", "server", "terminate"]) => change::terminate(state, ask)?,
        ("POST", ["server", "configure"]) => change::configure(state, ask)?,
        ("POST", ["server", "tags"]) => change::tags(state, ask)?,
        ("POST", ["server", "description"]) => change::description(state, ask)?,
        ("POST", ["server", "disk"]) => change::disk(state, ask)?,
        ("POST", ["server", "snapshot"]) => change::snapshot(state, ask)?,
        ("POST", ["server", "history"]) => change::history(state, ask)?,
        // A guess.
        _ => return Ok(Reply::new(404, json!({ "message": "Not Found" }))),
    };
    Ok(Reply::ok(body))
}

/// Passed on as it comes from the console, and with 200 whatever it is: a failure is an object in the place of an array.
fn list(state: &State) -> Value {
    if state.switches.list_fails {
        Decline::upstream("error occurred").errors()
    } else {
        state.listed().map(shapes::listed).collect()
    }
}

/// The catalogue, in the same way. Without a parameter the vendor answers one large tree of options, which is not simulated.
fn options(state: &State, ask: &Ask) -> Value {
    let [datacenter, images, sizes, capabilities] =
        ["datacenter", "images", "sizes", "capabilities"].map(|name| ask.parameter(name));
    if !datacenter.is_empty() && [&images, &sizes, &capabilities].iter().all(|asked| asked.is_empty()) {
        return catalogue::datacenters();
    }
    if !catalogue::has_datacenter(&datacenter) {
        // Known: an error. Its text is guessed.
        return Decline::upstream("datacenter is missing or invalid").errors();
    }
    match (images.as_str(), sizes.as_str()) {
        ("", "") => catalogue::capabilities(),
        ("", _) => catalogue::sizes(),
        _ => catalogue::images(&datacenter, &state.switches.withdrawn_images),
    }
}

/// Several ids are separated by spaces, unknown ones are left out, and without any the answer is always empty.
fn queue(state: &State, ids: &str) -> Value {
    let now = state.now();
    let found = ids.split_whitespace().filter_map(|id| {
        let of_this_id = |command: &&super::queue::Command| command.id.to_string() == id;
        state.queue.iter().find(of_this_id)
    });
    found.map(|command| command.shape(now, state.working_word())).collect()
}

/// One server by id, or all whose name matches. A name that matches none is refused, unless none is allowed.
fn info(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    const METHOD: &str = "serversInfo";
    if state.switches.info_failures > 0 {
        state.switches.info_failures -= 1;
        return Err(Decline::exception(METHOD));
    }
    let ids = match servers(state, ask, METHOD) {
        Err(Decline::Rule(text)) if text.starts_with("No servers found") && ask.is_set("allow-no-servers") => {
            Vec::new()
        }
        found => found?,
    };
    let found = ids.iter().map(|id| state.shown.get(id).map(|machine| shapes::priced(state, machine)));
    found.collect::<Option<Vec<_>>>().map(Value::from).ok_or_else(Decline::no_such_server)
}
