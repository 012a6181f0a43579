//! What every page has: who looks, in which language, and what stands above and below.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use serde::{Deserialize, Serialize};

use super::Web;
use super::assets::Assets;
use super::words::{Language, Words};
use crate::accounts::{Role, Session};
use crate::engine::commands::Refused;
use crate::engine::{Picture, report};
use crate::server::auth::cookie;
use amarre_core::model::{Hint, ProviderId};

/// The cookie with the language that somebody chose.
pub const LANGUAGE_COOKIE: &str = "amarre_language";
/// The cookie with light or dark.
pub const THEME_COOKIE: &str = "amarre_theme";
/// The cookie with which keys were switched off.
pub const KEYS_COOKIE: &str = "amarre_keys";

/// `Test mode: OVH is simulated. …`, of a demo that it is one.
fn test_mode(picture: &Picture, words: Words) -> String {
    let demo = picture.context.iter().flat_map(|context| &context.stage.demo);
    let demo: Vec<String> = demo.map(ProviderId::title).collect();
    if !demo.is_empty() {
        let is_all = picture.context.iter().all(|context| context.providers.len() == demo.len());
        return if is_all { words.of("demo-band") } else { words.with("demo-band-part", "names", &demo.join(", ")) };
    }
    let names: Vec<String> = picture.simulated().map(ProviderId::title).collect();
    let key = match names.len() {
        0 => return String::new(),
        1 => "test-band",
        _ => "test-band-several",
    };
    words.with(key, "names", &names.join(", "))
}

/// Who asks, and how.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The session, when one is open.
    pub session: Option<Session>,
    /// In whose language.
    pub words: Words,
    /// Light or dark, where that was chosen.
    theme: Option<&'static str>,
    /// Whether keys do something.
    keys_on: bool,
    /// An open page reads itself again: what is said once waits for somebody who looks.
    rereads: bool,
}

impl Visitor {
    /// From a request's headers.
    pub async fn of(headers: &HeaderMap, web: &Web) -> Self {
        let cookie = |name: &str| cookie(headers, name);
        let session = match cookie(web.access.listening.session_cookie()) {
            Some(token) => {
                let session = web.accounts.session(&token, web.handle.now()).await;
                if session.is_some() {
                    web.access.note_known(&token);
                }
                session
            }
            None => None,
        };
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let words = Words(Language::of(cookie(LANGUAGE_COOKIE).as_deref(), accepted));
        let theme =
            cookie(THEME_COOKIE).and_then(|chosen| ["light", "dark"].into_iter().find(|known| *known == chosen));
        let keys_on = cookie(KEYS_COOKIE).as_deref() != Some("off");
        Self { session, words, theme, keys_on, rereads: headers.contains_key("x-amarre-live") }
    }

    /// Whether somebody is signed in who may do this.
    pub fn may(&self, role: Role) -> bool {
        self.session.as_ref().is_some_and(|session| session.user.role >= role)
    }
}

/// What a page says once, above its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flash {
    /// A whole sentence.
    pub text: String,
    /// Whether it says that something was not done.
    pub is_bad: bool,
    /// Its code; empty: none.
    pub code: String,
    /// The ways past it.
    pub hints: Vec<Hint>,
}

impl Flash {
    /// A sentence.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Why a command did not do what was asked.
    pub fn refused(refused: Refused) -> Self {
        let Refused { code, message, hints, .. } = refused;
        let hints = hints.into_iter().filter(|hint| !hint.text.is_empty()).collect();
        Self { text: message, is_bad: true, code, hints }
    }

    /// Kept for the page that follows.
    pub async fn keep(&self, web: &Web, session: &Session) {
        let kept = serde_json::to_string(self).unwrap_or_else(|_| self.text.clone());
        web.accounts.say_once(session, &kept).await;
    }

    /// What was kept, also by a version that kept the sentence only.
    fn read(kept: &str) -> Self {
        serde_json::from_str(kept).unwrap_or_else(|_| Self::text(kept))
    }
}

/// What stands around the content of a page.
pub struct Frame {
    /// In which language.
    pub words: Words,
    /// The title of the page, without the program's name.
    pub title: String,
    /// Whether whoever looks may see what is here: beyond this machine somebody who is signed in.
    pub is_shown: bool,
    /// Which entry of the navigation it belongs to.
    pub section: &'static str,
    /// Who is signed in.
    pub user: Option<String>,
    /// What forms carry; empty where nobody is signed in.
    pub csrf: String,
    /// What is said once.
    pub flash: Option<Flash>,
    /// Whether what forms write is committed, with a message.
    pub is_git: bool,
    /// What is simulated, said on every page; empty: nothing.
    pub test_mode: String,
    /// Where the source is: `main @ 3f2a9c1`.
    pub revision: String,
    /// Whether all that should be seen is seen.
    pub is_well: bool,
    /// How long ago everything was looked at, and the instant, for a page that stays open.
    pub checked: String,
    /// That instant; `None`: nothing was looked at yet.
    pub checked_at: Option<i64>,
    /// When the page was made.
    pub now: i64,
    /// When the next look is due.
    pub next: String,
    /// The path and query of this page, for the way back.
    pub here: String,
    /// Whether something moves: without scripts the page is read again by itself.
    pub moves: bool,
    /// Whoever is signed in sees who else may be.
    pub is_admin: bool,
    /// Light or dark, where that was chosen.
    pub theme: Option<&'static str>,
    /// Whether keys do something.
    pub keys_on: bool,
    /// Style and script.
    pub css: &'static str,
    /// The script.
    pub js: &'static str,
    /// What browsers show beside the title.
    pub icon: &'static str,
}

impl Frame {
    /// For a page of a section. Takes what is to be said once.
    pub async fn new(web: &Web, visitor: &Visitor, section: &'static str, title: String, here: String) -> Self {
        let (picture, next) = web.handle.picture();
        let (words, now) = (visitor.words, web.handle.now());
        let (flash, csrf, user) = match &visitor.session {
            Some(session) => (
                if visitor.rereads {
                    None
                } else {
                    web.accounts.said_once(session).await.map(|kept| Flash::read(&kept))
                },
                session.csrf.clone(),
                Some(session.user.name.clone()),
            ),
            None => (None, String::new(), None),
        };
        let has_looked = picture.context.is_some();
        let checked = match has_looked {
            true => words.with("checked", "time", &super::view_model::span(now - picture.at)),
            false => words.of("not-checked"),
        };
        let assets = Assets::get();
        Self {
            words,
            title,
            is_shown: visitor.session.is_some() || web.access.listening.is_local(),
            section,
            user,
            csrf,
            flash,
            is_git: web.handle.is_git(),
            test_mode: test_mode(&picture, words),
            revision: report::revision(&picture),
            is_well: has_looked && picture.is_whole(),
            checked,
            checked_at: has_looked.then_some(picture.at.0),
            now: now.0,
            next: if next.0 > 0 { super::view_model::clock(next) } else { String::new() },
            here,
            moves: !picture.busy.is_empty() || !has_looked,
            is_admin: visitor.may(Role::Admin),
            theme: visitor.theme,
            keys_on: visitor.keys_on,
            css: assets.css_path(),
            js: assets.js_path(),
            icon: assets.icon_path(),
        }
    }

    /// What stands under a key.
    pub fn t(&self, key: &str) -> String {
        self.words.of(key)
    }

    /// Of the program.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// `here` as part of a URL.
    pub fn back(&self) -> String {
        super::view_model::encoded(&self.here)
    }
}
