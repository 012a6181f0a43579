//! Variables in the texts of a manifest: `${NAME}`, `${NAME:-default}` and `$$`.

use std::collections::BTreeMap;

use super::yaml::diagnostic::{Problem, Spot, shown};
use crate::model::{Code, Text};
use crate::text;

/// Known only to the planner; they stay in the text as they are.
pub(super) const LATER: [&str; 3] = ["npm.address", "network.subnet", "network.gateway"];

/// Why a text could not be resolved; it gets its place by [`Unresolved::at`].
#[derive(Debug)]
pub(super) struct Unresolved {
    message: Text,
    hint: Text,
}

impl Unresolved {
    pub fn at(self, spot: Spot) -> Problem {
        Problem::error(Code::A0110, spot, self.message).hint(self.hint)
    }
}

/// Replaces `${…}` and `$$`.
pub(super) fn substitute(
    text: &str,
    own: &BTreeMap<String, String>,
    vars: &BTreeMap<String, String>,
) -> Result<String, Unresolved> {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        done.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            done.push('$');
            rest = after;
            continue;
        }
        let Some(open) = rest.strip_prefix('{') else {
            return Err(Unresolved {
                message: text!("a `$` that begins neither {form} nor `$$`", form = "`${…}`"),
                hint: text!("write {form} for a variable, `$$` for a dollar sign", form = "`${NAME}`"),
            });
        };
        let Some((inside, after)) = open.split_once('}') else {
            return Err(Unresolved { message: unclosed(), hint: text!("write `$$` for a dollar sign") });
        };
        done.push_str(&variable(inside, own, vars)?);
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}

/// The value of `NAME` or `NAME:-default`.
fn variable(
    inside: &str,
    own: &BTreeMap<String, String>,
    vars: &BTreeMap<String, String>,
) -> Result<String, Unresolved> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if LATER.contains(&name) {
        return Ok(format!("${{{name}}}"));
    }
    match (own.get(name).or_else(|| vars.get(name)), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value.clone()),
        (None, Some(default)) if is_variable_name(name) => Ok(default.to_owned()),
        (None, _) if !is_variable_name(name) => Err(Unresolved {
            message: nameless(),
            hint: text!(
                "{form} or {other}; write `$$` for a dollar sign",
                form = "`${NAME}`",
                other = "`${NAME:-default}`"
            ),
        }),
        (None, _) => {
            let mut known: Vec<&str> = own.keys().map(String::as_str).chain(LATER).collect();
            known.extend(vars.keys().map(String::as_str));
            Err(Unresolved {
                message: text!("unknown variable {variable}", variable = format!("`${{{}}}`", shown(name))),
                hint: text!("there are {names}; others come from `vars:` in amarre.yaml", names = known),
            })
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// Why `${NAME` has no meaning.
pub(crate) fn unclosed() -> Text {
    text!("a {open} without its {end}", open = "`${`", end = "`}`")
}

/// Why `${}` has no meaning.
pub(crate) fn nameless() -> Text {
    text!("{form} holds no name of a variable", form = "`${…}`")
}
