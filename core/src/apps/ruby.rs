//! Ruby on Rails.

use std::collections::BTreeMap;

use askama::Template;

use super::DetectedPart;
use super::framework::Framework;
use super::node::AssetStage;
use super::recipe::{self, AppFindings, End, Recipe};
use super::repository::RepositoryFolder;
use super::versions::{first_line, settle, tool_version};
use crate::text;

/// Bundler takes no other release than a Gemfile says, so one that is said is taken to its last number.
const KNOWN: [&str; 3] = ["3.2.8", "3.3.8", "3.4.7"];
pub(super) const USUAL: &str = "3.4.7";

#[derive(Template)]
#[template(path = "ruby.txt")]
struct RubyFile<'a> {
    end: &'a End,
    version: String,
    build_packages: Vec<&'static str>,
    run_packages: Vec<&'static str>,
    has_lock: bool,
    steps: Vec<String>,
    assets: Option<AssetStage>,
}

/// Names of gems, each with the file that names it. `None`: no Ruby here.
pub(super) fn dependencies(app: &RepositoryFolder<'_>) -> Option<BTreeMap<String, String>> {
    let gems = app.text("Gemfile")?.lines().filter_map(|line| {
        let rest = line.trim().strip_prefix("gem ")?.trim_start_matches(['(', ' ']);
        let quote = rest.chars().next().filter(|char| matches!(char, '"' | '\''))?;
        rest[1..].split(quote).next()
    });
    Some(gems.map(|name| (name.to_owned(), "Gemfile".to_owned())).collect())
}

/// What Ruby makes of an app.
pub(super) fn recipe<'a>(
    app: &RepositoryFolder<'a>,
    framework: &'a Framework,
    findings: &mut AppFindings,
) -> Recipe<'a> {
    let gems = dependencies(app).unwrap_or_default();
    let of_gemfile = app.text("Gemfile").and_then(|text| {
        let said = text.lines().find_map(|line| line.trim().strip_prefix("ruby "))?.trim().trim_matches(['"', '\'']);
        said.starts_with(|char: char| char.is_ascii_digit() || "~><=".contains(char)).then(|| said.to_owned())
    });
    let said = [
        (".ruby-version", first_line(app, ".ruby-version").map(|text| text.trim_start_matches("ruby-").to_owned())),
        ("Gemfile", of_gemfile),
        (".tool-versions", tool_version(app, "ruby")),
    ];
    let version = settle("Ruby", said, &KNOWN, USUAL, findings);
    let has_lock = app.has("Gemfile.lock");
    let because = if has_lock {
        text!("there is {file}", file = "Gemfile.lock")
    } else {
        text!("{file}, and no lock file", file = "Gemfile")
    };
    findings.found(DetectedPart::Manager, "bundler", because);
    let is_linux =
        app.text("Gemfile.lock").is_none_or(|lock| lock.contains("x86_64-linux") || lock.contains("\n  ruby\n"));
    if !is_linux {
        let text = text!(
            "Gemfile.lock names no platform of Linux: run `bundle lock --add-platform x86_64-linux` and commit it"
        );
        findings.ask(text, Vec::new());
    }
    let (mut build_packages, mut run_packages) =
        (vec!["build-essential", "git", "libyaml-dev", "pkg-config"], vec!["libjemalloc2"]);
    if gems.contains_key("pg") {
        build_packages.push("libpq-dev");
        run_packages.push("libpq5");
    }
    if gems.contains_key("mysql2") || gems.contains_key("trilogy") {
        build_packages.push("default-libmysqlclient-dev");
        run_packages.push("libmariadb3");
    }
    if gems.contains_key("image_processing") || gems.contains_key("ruby-vips") {
        run_packages.push("libvips42");
    }
    build_packages.sort_unstable();
    run_packages.sort_unstable();
    let has_assets = ["sprockets-rails", "propshaft", "jsbundling-rails", "cssbundling-rails", "importmap-rails"];
    let has_assets = has_assets.into_iter().any(|gem| gems.contains_key(gem));
    let steps = framework.build.iter().filter(|_| has_assets).map(|step| step.run.clone()).collect();
    let assets = if gems.contains_key("jsbundling-rails") { super::node::assets(app, findings) } else { None };
    let render = Box::new(move |end: &End| {
        recipe::written(&RubyFile { end, version, build_packages, run_packages, has_lock, steps, assets })
    });
    let (values, environment) = (BTreeMap::new(), BTreeMap::new());
    Recipe { context: app.path.to_owned(), values, start: None, port: None, environment, render }
}
