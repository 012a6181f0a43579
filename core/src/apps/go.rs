//! Go.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use super::recipe::{self, AppFindings, End, Recipe};
use super::repository::RepositoryFolder;
use super::versions::settle;
use super::{DetectedPart, Wish};
use crate::text;

const KNOWN: [&str; 3] = ["1.25", "1.26", "1.27"];
pub(super) const USUAL: &str = "1.27";

#[derive(Template)]
#[template(path = "go.txt")]
struct GoFile<'a> {
    end: &'a End,
    version: String,
    package: String,
    has_sums: bool,
    has_vendor: bool,
}

/// Nothing has to be known of them. `None`: no Go here.
pub(super) fn dependencies(app: &RepositoryFolder<'_>) -> Option<BTreeMap<String, String>> {
    app.has("go.mod").then(BTreeMap::new)
}

/// Folders with a program in them, as Go names packages: `.`, `./cmd/shop`.
fn programs(app: &RepositoryFolder<'_>) -> BTreeSet<String> {
    let is_program = |text: &str| text.lines().any(|line| line.trim_end() == "package main");
    let files = app.texts().filter(|(path, text)| path.ends_with(".go") && is_program(text));
    let is_built = |text: &str| !text.lines().any(|line| line.starts_with("//go:build ignore"));
    let folders = files
        .filter(|(_, text)| is_built(text))
        .map(|(path, _)| path.rsplit_once('/').map_or("", |(folder, _)| folder));
    let is_aside = |folder: &str| {
        folder.split('/').any(|part| matches!(part, "vendor" | "testdata" | "examples" | "tools" | "internal"))
    };
    folders
        .filter(|folder| !is_aside(folder))
        .map(|folder| if folder.is_empty() { ".".to_owned() } else { format!("./{folder}") })
        .collect()
}

/// What Go makes of an app.
pub(super) fn recipe<'a>(app: &RepositoryFolder<'a>, wish: &Wish<'_>, findings: &mut AppFindings) -> Recipe<'a> {
    let text = app.text("go.mod").unwrap_or_default();
    let line =
        |word: &str| text.lines().find_map(|line| line.trim().strip_prefix(word)).map(|rest| rest.trim().to_owned());
    let said = [("go.mod", line("toolchain go")), ("go.mod", line("go "))];
    // A version that is said is the least that will do, and newer ones build what older ones did.
    let said = said.map(|(file, said)| (file, said.map(|said| format!(">={said}"))));
    let version = settle("Go", said, &KNOWN, USUAL, findings);
    findings.found(DetectedPart::Manager, "go", text!("there is {file}", file = "go.mod"));
    let programs = programs(app);
    let named = app.path.rsplit('/').next().unwrap_or_default();
    let module = text.lines().find_map(|line| line.strip_prefix("module ")).map(str::trim).unwrap_or_default();
    let name = module.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(named);
    let package = match programs.len() {
        _ if wish.arg("PACKAGE").is_some() => wish.arg("PACKAGE").unwrap_or_default().to_owned(),
        0 => {
            findings.ask(text!("no file of this module is of `package main`"), vec!["path: FOLDER".to_owned()]);
            String::new()
        }
        1 => programs.iter().next().cloned().unwrap_or_default(),
        // The one at the top, or the one that is called as the module is.
        _ if programs.contains(".") => ".".to_owned(),
        _ if programs.contains(&format!("./cmd/{name}")) => format!("./cmd/{name}"),
        _ => {
            let several = programs.iter().cloned().collect::<Vec<_>>().join(", ");
            let choices = vec!["build: {args: {PACKAGE: ./cmd/NAME}}".to_owned()];
            findings.ask(text!("several programs could be the app: {several}", several), choices);
            String::new()
        }
    };
    findings.found(DetectedPart::Build, &package, text!("the program is there"));
    let (has_sums, has_vendor) = (app.has("go.sum"), app.has("vendor/modules.txt"));
    let render = Box::new(move |end: &End| recipe::written(&GoFile { end, version, package, has_sums, has_vendor }));
    let (values, environment) = (BTreeMap::new(), BTreeMap::new());
    Recipe { context: app.path.to_owned(), values, start: None, port: None, environment, render }
}
