//! A call as it came in: the flat object of flags that the proxy takes, and the servers that it is about.

use axum::body::to_bytes;
use axum::extract::{Query, Request};
use axum::http::{HeaderMap, Uri};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::util::syntax;
use serde_json::Value;

use super::answers::Decline;
use super::state::{Machine, State};

/// Far above a creation with a key, a script and user data.
const BODY_BYTES_MAX: usize = 4 << 20;

/// One call.
#[derive(Debug)]
pub(super) struct Ask {
    pub method: String,
    /// Parts of the path.
    pub names: Vec<String>,
    pub headers: HeaderMap,
    uri: Uri,
    /// [`Value::Null`]: there is none, or it is no JSON. The proxy reads that as no flags.
    body: Value,
}

impl Ask {
    pub async fn read(request: Request) -> Self {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
        let names = head.uri.path().trim_matches('/').split('/').map(str::to_owned);
        Self {
            method: head.method.to_string(),
            names: names.collect(),
            headers: head.headers,
            uri: head.uri,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// A parameter of the query, decoded; `""` when it is not there.
    pub fn parameter(&self, name: &str) -> String {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&self.uri);
        let all = query.map(|Query(query)| query).unwrap_or_default();
        all.into_iter().find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default()
    }

    /// A flag as text, whether it came as a string, a number or a boolean; `""` when it is not there.
    pub fn text(&self, flag: &str) -> String {
        match self.body.get(flag) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(true)) => "1".to_owned(),
            Some(Value::Bool(false) | Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
        }
    }

    /// Whether a flag is given at all, by PHP's notion of empty.
    pub fn is_set(&self, flag: &str) -> bool {
        !matches!(self.text(flag).as_str(), "" | "0")
    }
}

/// The servers that a call is about, by `id`, or by `name`, which is a regular expression. Whether there is a server with this
/// id only the console knows.
pub(super) fn servers(state: &State, ask: &Ask, method: &str) -> Result<Vec<String>, Decline> {
    named(state, &ask.text("id"), &ask.text("name"), method)
}

/// The one server that a call is about.
pub(super) fn server(state: &State, ask: &Ask, method: &str) -> Result<Machine, Decline> {
    one(state, &ask.text("id"), &ask.text("name"), method)
}

/// The one server of this id or name.
pub(super) fn one(state: &State, id: &str, name: &str, method: &str) -> Result<Machine, Decline> {
    let found = named(state, id, name, method)?;
    match found.as_slice() {
        [id] => state.machine(id).cloned(),
        _ => Err(Decline::rule(&format!("Too many matching servers (name='{name}')"))),
    }
}

fn named(state: &State, id: &str, name: &str, method: &str) -> Result<Vec<String>, Decline> {
    match (id, name) {
        // A guess.
        ("", "") => Err(Decline::flag("Please specify 'name' or 'id'")),
        (id, "") => Ok(vec![id.to_owned()]),
        ("", name) => {
            let found = matching(state, name).ok_or_else(|| Decline::exception(method))?;
            if found.is_empty() { Err(Decline::rule(&format!("No servers found (name='{name}')"))) } else { Ok(found) }
        }
        // The text goes on with words that nobody reports.
        (id, name) => {
            Err(Decline::flag(&format!("Please specify 'name' or 'id' but not both (name='{name}', id='{id}')")))
        }
    }
}

/// Ids of the listed servers whose name matches. The proxy sets `^` and `$` around the raw text: an alternative escapes both,
/// and `(1)` is a group. `None`: the expression is none, which is an exception there (a guess).
fn matching(state: &State, name: &str) -> Option<Vec<String>> {
    let bytes = syntax::Config::new().unicode(false).utf8(false);
    let regex = PikeVM::builder().syntax(bytes).build(&format!("^{name}$")).ok()?;
    let mut cache = regex.create_cache();
    let found = state.shown.values().filter(|machine| regex.is_match(&mut cache, machine.name.as_bytes()));
    Some(found.map(|machine| machine.id.clone()).collect())
}
