//! Style and script: part of the program, under names that change with their content.

use std::sync::OnceLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

const CSS: &str = include_str!("assets/app.css");
const JS: &str = include_str!("assets/app.js");
const ICON: &str = include_str!("assets/icon.svg");

/// The paths of all assets.
pub struct AssetPaths {
    css: String,
    js: String,
    icon: String,
}

impl AssetPaths {
    /// Those of this program.
    pub fn get() -> &'static Self {
        static ASSETS: OnceLock<AssetPaths> = OnceLock::new();
        let digest = |text: &str| hex::encode(&Sha256::digest(text.as_bytes())[..6]);
        ASSETS.get_or_init(|| Self {
            css: format!("/assets/app.{}.css", digest(CSS)),
            js: format!("/assets/app.{}.js", digest(JS)),
            icon: format!("/assets/icon.{}.svg", digest(ICON)),
        })
    }

    /// The style sheet.
    pub fn css_path(&self) -> &str {
        &self.css
    }

    pub fn icon_path(&self) -> &str {
        &self.icon
    }

    pub fn js_path(&self) -> &str {
        &self.js
    }
}

/// `GET /assets/{name}`.
pub async fn asset(Path(name): Path<String>) -> Response {
    let (assets, path) = (AssetPaths::get(), format!("/assets/{name}"));
    let found = match path {
        path if path == assets.css => Some(("text/css; charset=utf-8", CSS)),
        path if path == assets.js => Some(("text/javascript; charset=utf-8", JS)),
        path if path == assets.icon => Some(("image/svg+xml", ICON)),
        _ => None,
    };
    let Some((kind, text)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let kept = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (kept, text).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The texts between quotes, and what stands in the attributes of templates.
    fn named() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
        let mut named = BTreeSet::new();
        for below in ["", "service", "templates", "assets"].map(|below| folder.join(below)) {
            for file in std::fs::read_dir(below).unwrap().map(|file| file.unwrap().path()) {
                if file.extension().is_some_and(|end| end == "rs" || end == "html" || end == "js") {
                    let text = std::fs::read_to_string(file).unwrap();
                    let words = text.split(|char: char| !char.is_alphanumeric() && char != '-' && char != '_');
                    named.extend(words.map(str::to_owned));
                }
            }
        }
        named
    }

    #[test]
    fn the_style_sheet_has_no_rule_that_no_page_uses() {
        let named = named();
        let selectors = CSS.split('}').filter_map(|rule| rule.rsplit_once('{')).map(|(selector, _)| selector);
        let classes = selectors.flat_map(|selector| selector.split('.').skip(1).map(str::to_owned).collect::<Vec<_>>());
        let names = classes
            .map(|rest| rest.split(|char: char| !char.is_alphanumeric() && char != '-').next().unwrap().to_owned());
        let is_name = |name: &String| name.starts_with(|char: char| char.is_ascii_alphabetic());
        let unused: BTreeSet<String> = names.filter(is_name).filter(|name| !named.contains(name)).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }
}
