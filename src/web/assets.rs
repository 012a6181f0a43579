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

    /// The icon.
    pub fn icon_path(&self) -> &str {
        &self.icon
    }

    /// The script.
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
