//! Pages that are served as they are.

use std::collections::BTreeMap;

use askama::Template;

use super::recipe::{self, AppFindings, End, Recipe};
use super::repository::RepositoryFolder;
use super::{DetectedPart, Wish};
use crate::text;

#[derive(Template)]
#[template(path = "static.txt")]
struct SiteFile<'a> {
    end: &'a End,
    root: String,
    is_one_page: bool,
}

/// The folder of the pages, and the file that says so. `None`: there are none.
pub(super) fn root(app: &RepositoryFolder<'_>) -> Option<(String, &'static str)> {
    let staticfile = app.text("Staticfile").and_then(|text| said(text, "root"));
    if let Some(root) = staticfile {
        return Some((root, "Staticfile"));
    }
    const PLACES: [&str; 4] = ["index.html", "public/index.html", "dist/index.html", "site/index.html"];
    let place = app.first(&PLACES)?;
    Some((
        place.strip_suffix("index.html")?.trim_end_matches('/').to_owned(),
        PLACES.into_iter().find(|one| *one == place)?,
    ))
}

/// `root: public`
fn said(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix(':'))?;
    let value = line.trim().trim_matches(['"', '\'']).trim_matches('/').trim_start_matches("./");
    (!value.is_empty() && !value.contains("..")).then(|| value.to_owned())
}

/// What is made of pages.
pub(super) fn recipe<'a>(app: &RepositoryFolder<'a>, _: &Wish<'_>, findings: &mut AppFindings) -> Recipe<'a> {
    let (root, file) = root(app).unwrap_or_default();
    let shown = if root.is_empty() { "." } else { root.as_str() };
    let why = if file.is_empty() {
        text!("no index.html was found: the folder is served as it is")
    } else {
        text!("the folder of {file}: it is served as it is", file)
    };
    findings.found(DetectedPart::Build, shown, why);
    let is_one_page =
        app.text("Staticfile").and_then(|text| said(text, "index_fallback")).is_some_and(|text| text == "true");
    let start = (nginx(), text!("nginx serves it"));
    let render = Box::new(move |end: &End| recipe::written(&SiteFile { end, root, is_one_page }));
    let (values, environment) = (BTreeMap::new(), BTreeMap::new());
    Recipe { context: app.path.to_owned(), values, start: Some(start), port: None, environment, render }
}

/// nginx in the foreground.
pub(super) fn nginx() -> Vec<String> {
    ["nginx", "-g", "daemon off;"].map(str::to_owned).to_vec()
}
