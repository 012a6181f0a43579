//! Rust.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use super::recipe::{self, AppFindings, End, Recipe};
use super::repository::RepositoryFolder;
use super::{DetectedPart, Wish};
use crate::text;

#[derive(Template)]
#[template(path = "rust.txt")]
struct RustFile<'a> {
    end: &'a End,
    version: String,
    binary: String,
    has_lock: bool,
}

fn document(app: &RepositoryFolder<'_>) -> toml::Table {
    app.text("Cargo.toml").and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The version where no file says one: the newest.
pub(super) const USUAL: &str = "1";

/// Names of crates, each with the file that names it. `None`: no Rust here.
pub(super) fn dependencies(app: &RepositoryFolder<'_>) -> Option<BTreeMap<String, String>> {
    app.text("Cargo.toml")?;
    let document = document(app);
    let names =
        document.get("dependencies").and_then(toml::Value::as_table).into_iter().flatten().map(|(name, _)| name);
    Some(names.map(|name| (name.clone(), "Cargo.toml".to_owned())).collect())
}

/// Programs of the package.
fn binaries(app: &RepositoryFolder<'_>, document: &toml::Table) -> BTreeSet<String> {
    let name = |value: &toml::Value| value.get("name").and_then(toml::Value::as_str).map(str::to_owned);
    let mut found: BTreeSet<String> =
        document.get("bin").and_then(toml::Value::as_array).into_iter().flatten().filter_map(name).collect();
    let package = document.get("package").and_then(name);
    if app.has("src/main.rs") && found.is_empty() {
        found.extend(package);
    }
    let others = app.paths().filter_map(|path| path.strip_prefix("src/bin/"));
    found.extend(
        others.filter_map(|path| path.strip_suffix(".rs").or_else(|| path.strip_suffix("/main.rs"))).map(str::to_owned),
    );
    found
}

/// What Rust makes of an app.
pub(super) fn recipe<'a>(app: &RepositoryFolder<'a>, wish: &Wish<'_>, findings: &mut AppFindings) -> Recipe<'a> {
    let document = document(app);
    let toolchain: toml::Table = app.text("rust-toolchain.toml").and_then(|text| text.parse().ok()).unwrap_or_default();
    let channel = toolchain.get("toolchain").and_then(|of| of.get("channel")).and_then(toml::Value::as_str);
    let is_number = |text: &str| text.starts_with(|char: char| char.is_ascii_digit());
    let version = match channel.filter(|text| is_number(text)) {
        Some(channel) => {
            findings.found(
                DetectedPart::Version,
                format!("Rust {channel}"),
                text!("{file} says {said}", file = "rust-toolchain.toml", said = channel),
            );
            channel.to_owned()
        }
        None => {
            findings.found(DetectedPart::Version, format!("Rust {USUAL}"), text!("no file says which: the usual one"));
            USUAL.to_owned()
        }
    };
    findings.found(DetectedPart::Manager, "cargo", text!("there is {file}", file = "Cargo.toml"));
    let package = document.get("package");
    let default = package.and_then(|package| package.get("default-run")).and_then(toml::Value::as_str);
    let binaries = binaries(app, &document);
    let binary = match (default, binaries.len()) {
        _ if wish.arg("BINARY").is_some() => wish.arg("BINARY").unwrap_or_default().to_owned(),
        (Some(default), _) => default.to_owned(),
        (None, 1) => binaries.into_iter().next().unwrap_or_default(),
        (None, 0) => {
            let text = if document.contains_key("workspace") && package.is_none() {
                text!("{file} is a workspace: one of its members is the app", file = "Cargo.toml")
            } else {
                text!("this package has no program")
            };
            findings.ask(text, vec!["path: MEMBER".to_owned()]);
            String::new()
        }
        (None, _) => {
            let several = binaries.into_iter().collect::<Vec<_>>().join(", ");
            findings.ask(
                text!("several programs could be the app: {several}", several),
                vec!["build: {args: {BINARY: NAME}}".to_owned()],
            );
            String::new()
        }
    };
    findings.found(DetectedPart::Build, &binary, text!("the program is there"));
    let port = dependencies(app)
        .unwrap_or_default()
        .contains_key("rocket")
        .then(|| (8000, text!("the usual one of {framework}; Amarre sets PORT", framework = "Rocket")));
    let environment = match port {
        Some(_) => {
            let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            BTreeMap::from([variable("ROCKET_ADDRESS", "0.0.0.0"), variable("ROCKET_PORT", "${port}")])
        }
        None => BTreeMap::new(),
    };
    let has_lock = app.has("Cargo.lock");
    let render = Box::new(move |end: &End| recipe::written(&RustFile { end, version, binary, has_lock }));
    Recipe { context: app.path.to_owned(), values: BTreeMap::new(), start: None, port, environment, render }
}
