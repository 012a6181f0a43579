//! Secrets that people type in plain text: known by the name of their variable, or as the password in a URL. They are kept
//! beside the configuration, and the manifest names them.
//!
//! | typed | is |
//! |---|---|
//! | `DB_PASSWORD=hunter2`, `PGPASSWORD=…`, `API_KEY=…`, `JWT_SECRET=…` | a secret |
//! | `DATABASE_URL=postgres://app:hunter2@db/app` | a secret: a password stands in it |
//! | `DB_PASSWORD={secret: web/db}`, `DB_PASSWORD=${DB}` | the name of one |
//! | `DB_PASSWORD_FILE=/run/secrets/db`, `TOKEN_TTL=3600`, `API_KEY_HEADER=…`, `PASSWORD_LOGIN=true` | what is said about one |

use std::collections::BTreeMap;

use super::Web;
use crate::engine::commands::edit_manifest::ManifestRemark;
use crate::secret::Secret;
use crate::words::Words;
use amarre_core::model::service::{EnvValue, Service};
use amarre_core::model::{Code, Hint, SecretName};
use amarre_core::text;

/// Words of a variable that holds a secret.
const SECRET: [&str; 10] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL", "CREDENTIALS"];
/// Of these the last word may only end with one: `PGPASSWORD`.
const SUFFIX: [&str; 4] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN"];
/// Last words of variables that say something about a secret.
const ABOUT: [&str; 31] = [
    "FILE",
    "PATH",
    "DIR",
    "USER",
    "USERNAME",
    "NAME",
    "ID",
    "LENGTH",
    "MIN",
    "MAX",
    "TTL",
    "EXPIRY",
    "EXPIRES",
    "EXPIRATION",
    "TIMEOUT",
    "LIFETIME",
    "AGE",
    "HOURS",
    "DAYS",
    "SECONDS",
    "ENABLED",
    "DISABLED",
    "REQUIRED",
    "ALGORITHM",
    "TYPE",
    "POLICY",
    "HEADER",
    "PREFIX",
    "ISSUER",
    "COUNT",
    "LOGIN",
];
/// Values that switch something.
const SWITCHES: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "null", "none"];

/// Whether a value that is typed for a variable is a secret.
pub fn is_secret(variable: &str, value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let is_said = reference(value).is_none() && !(value.starts_with("${") && value.ends_with('}'));
    let is_value = !value.is_empty() && !SWITCHES.contains(&value.to_lowercase().as_str());
    let is_place = value.starts_with("/run/secrets/");
    is_said && is_value && !is_place && (names_secret(variable) || has_password(value))
}

fn names_secret(variable: &str) -> bool {
    let upper = variable.to_uppercase();
    let words: Vec<&str> = upper.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    let Some((last, before)) = words.split_last() else { return false };
    if ABOUT.contains(last) {
        return false;
    }
    let is_key = *last == "KEY" && before.last().is_some_and(|word| *word != "PUBLIC");
    // The shell's own `PWD` is a folder.
    let is_word = words.len() > 1 || upper != "PWD";
    is_key || SUFFIX.iter().any(|end| last.ends_with(end)) || is_word && words.iter().any(|word| SECRET.contains(word))
}

/// Whether a URL has a password in it: `postgres://app:hunter2@db/app`.
fn has_password(value: &str) -> bool {
    let place = value.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let user = place.and_then(|place| place.rsplit_once('@')).map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
    password.is_some_and(|password| !password.is_empty() && !password.starts_with("${"))
}

/// The secret that a value names: `{secret: web/db}`.
pub fn reference(value: &str) -> Option<&str> {
    let name = value.trim().strip_prefix('{')?.strip_suffix('}')?.trim().strip_prefix("secret:")?.trim();
    let is_in_name = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    (!name.is_empty() && name.chars().all(is_in_name)).then_some(name)
}

/// A secret in plain text, and the name under which it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainSecret {
    pub variable: String,
    /// What was typed.
    pub value: String,
    /// `web/db_password`.
    pub name: String,
}

/// Names for the secrets of a service: one value, one name.
pub fn named<'a>(service: &str, all: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<PlainSecret> {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for (variable, value) in all.filter(|(variable, value)| is_secret(variable, value)) {
        let fits = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
        let plain = format!("{service}/{}", variable.chars().map(fits).collect::<String>());
        let mut names = std::iter::once(plain.clone()).chain((2..).map(|n| format!("{plain}_{n}")));
        let is_free = |name: &String| taken.get(name).is_none_or(|known| known == value);
        let Some(name) = names.find(is_free) else { continue };
        taken.insert(name.clone(), value.to_owned());
        found.push(PlainSecret { variable: variable.to_owned(), value: value.to_owned(), name });
    }
    found
}

/// The secrets that stand in the variables of a manifest, and did not stand there `before`: those are known to everybody who
/// reads the source already.
pub fn typed(service: &Service, before: Option<&Service>) -> Vec<PlainSecret> {
    let known: Vec<(&str, &str)> = before.into_iter().flat_map(variables).collect();
    named(&service.name, variables(service).filter(|variable| !known.contains(variable)))
}

/// Variables with values that stand in a manifest.
fn variables(service: &Service) -> impl Iterator<Item = (&str, &str)> {
    let all = service.all_containers().flat_map(|container| &container.environment);
    all.filter_map(|(name, value)| match value {
        EnvValue::Plain(value) => Some((name.as_str(), value.as_str())),
        EnvValue::Secret(_) => None,
    })
}

/// The line of a text that sets a variable, counted from 1.
pub fn line_of(text: &str, variable: &str) -> Option<usize> {
    let sets = |line: &str| {
        let line = line.trim_start().trim_start_matches("- ").trim_start_matches(['"', '\'']);
        let rest = line.strip_prefix(variable).map(|rest| rest.trim_start_matches(['"', '\'']).trim_start());
        rest.is_some_and(|rest| rest.starts_with([':', '=']))
    };
    text.lines().position(sets).map(|at| at + 1)
}

/// The text of a manifest with the names of secrets in place of them. What does not stand on a line of its own, as
/// `NAME: value`, stays.
pub fn replaced(text: &str, secrets: &[PlainSecret]) -> String {
    let line = |line: &str| {
        let is_set = |one: &&PlainSecret| is_pair(line, &one.variable, &one.value);
        match secrets.iter().find(is_set) {
            Some(one) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                format!("{indent}{}: {{secret: {}}}\n", one.variable, one.name)
            }
            None => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

/// Whether a line is `NAME: value` alone, with quotes or without.
fn is_pair(line: &str, variable: &str, value: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim();
        let inner = |quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
        inner('"').or_else(|| inner('\'')).unwrap_or(text).to_owned()
    };
    line.split_once(':').is_some_and(|(key, rest)| bare(key) == variable && bare(rest) == value)
}

/// Why a text with secrets is not written: one problem for each.
pub fn remarks(text: &str, secrets: &[PlainSecret], words: Words) -> Vec<ManifestRemark> {
    let remark = |one: &PlainSecret| {
        let (variable, name) = (&one.variable, &one.name);
        let said = text!("`{variable}` is a secret, and everybody who reads the source would read it", variable);
        let written = format!("`{variable}: {{secret: {name}}}`");
        let hint = text!("keep it as a secret, and write {written}", written);
        let at = line_of(text, variable).map(|line| (line, 1));
        let remark = ManifestRemark::new(said, Code::A0116, &[Hint::text(hint)]);
        ManifestRemark { at, text: words.say(&remark.said), ..remark }
    };
    secrets.iter().map(remark).collect()
}

/// Keeps secrets where manifests find them; where one cannot be kept, none is. Answers those that were not there before.
pub fn keep(web: &Web, secrets: &[PlainSecret]) -> Result<Vec<SecretName>, ManifestRemark> {
    let mut kept = Vec::new();
    for one in secrets {
        let name = SecretName(one.name.clone());
        let done = match web.handle.keeper() {
            Some(keeper) => keeper.keep(&name, &Secret::new(&one.value)),
            None => Err("there is no place for secrets here".to_owned()),
        };
        match done {
            Ok(true) => kept.push(name),
            Ok(false) => (),
            Err(why) => {
                forget(web, &kept);
                let hint = text!("name that one, or another: {written}", written = "`{secret: NAME}`");
                return Err(ManifestRemark::new(why, Code::A0207, &[Hint::text(hint)]));
            }
        }
    }
    Ok(kept)
}

/// Takes away what was kept for a manifest that was not written.
pub fn forget(web: &Web, kept: &[SecretName]) {
    let Some(keeper) = web.handle.keeper() else { return };
    for name in kept {
        if let Err(why) = keeper.forget(name) {
            tracing::warn!("{why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_secret_is_known_by_its_name_or_a_password_in_a_url() {
        for (variable, value) in [
            ("DB_PASSWORD", "hunter2"),
            ("PGPASSWORD", "hunter2"),
            ("MYSQL_ROOT_PASSWORD", "x"),
            ("API_KEY", "abc"),
            ("APP_SECRET", "abc"),
            ("GITHUB_TOKEN", "ghp_x"),
            ("db-pass", "x"),
            ("SMTP_PWD", "x"),
            ("GF__SECURITY__ADMIN_PASSWORD", "x"),
            ("SECRET_KEY_BASE", "x"),
            ("DATABASE_URL", "postgres://app:hunter2@db/app"),
            ("TOKEN", "123456"),
        ] {
            assert!(is_secret(variable, value), "{variable}={value}");
        }
        for (variable, value) in [
            ("DB_PASSWORD", ""),
            ("DB_PASSWORD", "{secret: web/db}"),
            ("DB_PASSWORD", "${DB_PASSWORD}"),
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("DB_PASSWORD", "/run/secrets/db"),
            ("TOKEN_TTL", "3600"),
            ("PASSWORD_LOGIN", "x"),
            ("ALLOW_PASSWORD", "true"),
            ("SSH_PUBLIC_KEY", "ssh-ed25519 AAAA"),
            ("KEYBOARD", "fr"),
            ("MONKEY", "x"),
            ("KEY", "C"),
            ("PWD", "/srv"),
            ("COMPASS", "north"),
            ("DATABASE_URL", "postgres://app@db/app"),
            ("DATABASE_URL", "postgres://app:${DB}@db/app"),
            ("TZ", "Europe/Paris"),
        ] {
            assert!(!is_secret(variable, value), "{variable}={value}");
        }
    }

    #[test]
    fn the_name_of_a_secret_takes_its_place_in_the_text() {
        let text = "name: web\nimage: web:1\nenvironment:\n  DB_PASSWORD: hunter2\n  \"API_KEY\": 'a b'\n  TZ: x\n";
        let secrets = named("web", [("DB_PASSWORD", "hunter2"), ("API_KEY", "a b"), ("TZ", "x")].into_iter());
        let names: Vec<&str> = secrets.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["web/db_password", "web/api_key"]);
        assert_eq!(line_of(text, "DB_PASSWORD"), Some(4));
        assert_eq!(line_of(text, "API_KEY"), Some(5));
        let expected = "name: web\nimage: web:1\nenvironment:\n  DB_PASSWORD: {secret: web/db_password}\n  \
                        API_KEY: {secret: web/api_key}\n  TZ: x\n";
        assert_eq!(replaced(text, &secrets), expected);
    }

    #[test]
    fn two_values_of_one_variable_have_two_names() {
        let secrets = named("web", [("TOKEN", "a"), ("TOKEN", "a"), ("TOKEN", "b")].into_iter());
        let names: Vec<&str> = secrets.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["web/token", "web/token", "web/token_2"]);
    }
}
