//! PHP: Laravel and Symfony, served by FrankenPHP.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use serde_json::Value as Json;

use super::DetectedPart;
use super::framework::Framework;
use super::node::AssetStage;
use super::recipe::{self, AppFindings, End, Recipe};
use super::repository::RepositoryFolder;
use super::versions::settle;
use crate::text;

const KNOWN: [&str; 4] = ["8.2", "8.3", "8.4", "8.5"];
pub(super) const USUAL: &str = "8.4";
/// Extensions that the image has anyway.
const BUILT_IN: [&str; 20] = [
    "ctype",
    "curl",
    "date",
    "dom",
    "fileinfo",
    "filter",
    "hash",
    "iconv",
    "json",
    "libxml",
    "mbstring",
    "openssl",
    "pcre",
    "pdo",
    "phar",
    "session",
    "simplexml",
    "tokenizer",
    "xml",
    "xmlwriter",
];

#[derive(Template)]
#[template(path = "php.txt")]
struct PhpFile<'a> {
    end: &'a End,
    version: String,
    extensions: Vec<String>,
    lists: Vec<&'static str>,
    steps: Vec<String>,
    assets: Option<AssetStage>,
    is_laravel: bool,
}

fn document(app: &RepositoryFolder<'_>) -> Option<Json> {
    serde_json::from_str(app.text("composer.json")?).ok()
}

/// Names of packages, each with the file that names it. `None`: no PHP here.
pub(super) fn dependencies(app: &RepositoryFolder<'_>) -> Option<BTreeMap<String, String>> {
    app.text("composer.json")?;
    let document = document(app)?;
    let names = document.get("require").and_then(Json::as_object).into_iter().flat_map(serde_json::Map::keys);
    Some(names.map(|name| (name.clone(), "composer.json".to_owned())).collect())
}

/// What PHP makes of an app.
pub(super) fn recipe<'a>(
    app: &RepositoryFolder<'a>,
    framework: &'a Framework,
    findings: &mut AppFindings,
) -> Recipe<'a> {
    let document = document(app).unwrap_or_default();
    let of = |path: &str| document.pointer(path).and_then(Json::as_str).map(composer_range);
    let said = [("composer.json", of("/config/platform/php")), ("composer.json", of("/require/php"))];
    let version = settle("PHP", said, &KNOWN, USUAL, findings);
    let because = if app.has("composer.lock") {
        text!("there is {file}", file = "composer.lock")
    } else {
        text!("{file}, and no lock file", file = "composer.json")
    };
    findings.found(DetectedPart::Manager, "composer", because);
    let mut extensions: BTreeSet<String> =
        ["intl", "opcache", "pcntl", "pdo_mysql", "pdo_pgsql", "zip"].map(str::to_owned).into();
    let asked = document.get("require").and_then(Json::as_object).into_iter().flat_map(serde_json::Map::keys);
    let asked = asked.filter_map(|name| name.strip_prefix("ext-")).filter(|name| !BUILT_IN.contains(name));
    extensions.extend(asked.map(|name| name.replace('-', "_")));
    let lists = ["composer.json", "composer.lock"].into_iter().filter(|file| app.has(file)).collect();
    let assets = super::node::assets(app, findings);
    let steps = framework.build.iter().map(|step| step.run.clone()).collect();
    let (is_laravel, extensions) = (framework.name == "laravel", extensions.into_iter().collect());
    let render = Box::new(move |end: &End| {
        recipe::written(&PhpFile { end, version, extensions, lists, steps, assets, is_laravel })
    });
    let (values, environment) = (BTreeMap::new(), BTreeMap::new());
    Recipe { context: app.path.to_owned(), values, start: None, port: None, environment, render }
}

/// Composer's `~8.2` lets the last number that is written grow: below 9.
fn composer_range(text: &str) -> String {
    let word = |word: &str| match word.strip_prefix('~') {
        Some(version) if version.matches('.').count() == 1 => format!("^{version}"),
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
