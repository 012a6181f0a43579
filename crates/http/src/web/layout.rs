//! What every page has: visitor, language, head and foot.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use serde::{Deserialize, Serialize};

use super::Web;
use super::assets::AssetPaths;
use super::demo_band;
use super::hint_actions::{self, HintView};
use super::marks;
use crate::accounts::{Role, Session};
use crate::engine::commands::Refused;
use crate::engine::{PassView, report};
use crate::server::auth::cookie;
use crate::words::{self, Words};
use amarre_core::model::{Code, Hint, ProviderId, Timestamp};

/// The cookie with the chosen language.
pub const LANGUAGE_COOKIE: &str = "amarre_language";
/// The cookie with the colour scheme.
pub const THEME_COOKIE: &str = "amarre_theme";
/// The cookie that disables keys.
pub const KEYS_COOKIE: &str = "amarre_keys";

/// `Test mode: OVH is simulated. …`, or that this is a demo.
fn test_mode(pass: &PassView, words: Words) -> String {
    let demo = pass.context.iter().flat_map(|context| &context.stage.demo);
    let demo: Vec<String> = demo.map(ProviderId::title).collect();
    if !demo.is_empty() {
        let is_all = pass.context.iter().all(|context| context.providers.len() == demo.len());
        return if is_all { words.get("demo-band") } else { words.with("demo-band-part", "names", &demo.join(", ")) };
    }
    let names: Vec<String> = pass.simulated().map(ProviderId::title).collect();
    let key = match names.len() {
        0 => return String::new(),
        1 => "test-band",
        _ => "test-band-several",
    };
    words.with(key, "names", &names.join(", "))
}

/// The visitor's session and choices.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The open session, if any.
    pub session: Option<Session>,
    pub words: Words,
    /// The colour scheme, if chosen.
    theme: Option<&'static str>,
    /// Whether keys are enabled.
    keys_on: bool,
    /// A page that reloads itself: flash messages wait for a visible load.
    rereads: bool,
}

impl RequestContext {
    /// From a request's headers.
    pub async fn new(headers: &HeaderMap, web: &Web) -> Self {
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
        let words = Words(words::choose(cookie(LANGUAGE_COOKIE).as_deref(), accepted));
        let theme =
            cookie(THEME_COOKIE).and_then(|chosen| ["light", "dark"].into_iter().find(|known| *known == chosen));
        let keys_on = cookie(KEYS_COOKIE).as_deref() != Some("off");
        Self { session, words, theme, keys_on, rereads: headers.contains_key("x-amarre-live") }
    }

    /// Whether a signed-in user has this role.
    pub fn may(&self, role: Role) -> bool {
        self.session.as_ref().is_some_and(|session| session.user.role >= role)
    }
}

/// A message shown once, above the content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flash {
    pub text: String,
    /// Whether it reports a failure.
    pub is_bad: bool,
    /// Its code, where there is one.
    pub code: Option<Code>,
    pub hints: Vec<Hint>,
    /// Servers with which something goes on: the message passes with that.
    pub while_going: Vec<String>,
}

impl Flash {
    /// A plain sentence.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Why a command was refused.
    pub fn refused(refused: Refused, words: Words) -> Self {
        let Refused { code, said, hints, .. } = refused;
        let hints = hints.into_iter().filter(|hint| !hint.text.is_empty()).collect();
        Self { text: words.say(&said), is_bad: true, code: Some(code), hints, ..Self::default() }
    }

    /// Stores it for the page that follows.
    pub async fn store(&self, web: &Web, session: &Session) {
        let kept = serde_json::to_string(self).unwrap_or_else(|_| self.text.clone());
        web.accounts.set_flash(session, &kept).await;
    }

    /// A stored message, also of a version that stored only the sentence.
    fn read(kept: &str) -> Self {
        serde_json::from_str(kept).unwrap_or_else(|_| Self::text(kept))
    }
}

/// An entry of the navigation.
pub struct NavEntry {
    /// The section that it leads to.
    pub section: &'static str,
    pub path: &'static str,
    pub label: String,
    /// Its mark in the bar of phones.
    pub mark: &'static str,
}

/// Every section in the order of the navigation: its key, address, word and mark.
const SECTIONS: [(&str, &str, &str, &str); 7] = [
    ("services", "/", "nav-services", "grid"),
    ("instances", "/instances", "nav-instances", "server"),
    ("pools", "/pools", "nav-pools", "cal"),
    ("activity", "/runs", "nav-activity", "pulse"),
    ("network", "/network", "nav-network", "net"),
    ("certificates", "/certificates", "nav-certificates", "shield"),
    ("settings", "/settings/providers", "nav-settings", "lock"),
];
/// The entries of the bar of phones, beside the one that leads to all pages.
const BAR_ENTRIES: usize = 4;

/// The frame around the content of a page.
pub struct PageFrame {
    pub words: Words,
    /// The title of the page, without the program's name.
    pub title: String,
    /// Whether the visitor may see the content: beyond this machine, signed-in users.
    pub is_shown: bool,
    /// The current entry of the navigation.
    pub section: &'static str,
    /// Whether a cloud is configured.
    pub has_clouds: bool,
    /// The navigation: what is configured, and what the visitor may see.
    pub entries: Vec<NavEntry>,
    /// Whether the visitor sees nothing else than pools.
    pub sees_pools_only: bool,
    /// The signed-in user.
    pub user: Option<String>,
    /// The CSRF token; empty without a session.
    pub csrf: String,
    /// The flash message.
    pub flash: Option<Flash>,
    pub flash_hints: Vec<HintView>,
    /// Whether writes are commits with a message.
    pub is_git: bool,
    /// The simulated providers, shown on every page; empty: none.
    pub test_mode: String,
    /// What the band of that is called: test mode, or demo.
    pub test_label: String,
    /// What a terminal needs in place of `amarre`; empty: nothing else.
    pub program: String,
    /// The buttons of the demo: address, mark and words.
    pub demo_buttons: Vec<(&'static str, &'static str, String)>,
    /// The revision: `main @ 3f2a9c1`.
    pub revision: String,
    /// Whether everything could be observed.
    pub is_well: bool,
    /// How long ago the last pass ended, and the instant, for a page that stays open.
    pub checked: String,
    /// That instant; `None`: no pass has ended yet.
    pub checked_at: Option<i64>,
    /// When the page was made.
    pub now: i64,
    /// When the next pass is due.
    pub next: String,
    /// The path and query of this page, for the way back.
    pub here: String,
    /// Whether something changes: without scripts the page reloads itself.
    pub moves: bool,
    /// Nothing has ever been applied with this ledger: a person says when.
    pub is_plan_only: bool,
    /// A signed-in user sees the other users.
    pub is_admin: bool,
    /// The colour scheme, if chosen.
    pub theme: Option<&'static str>,
    /// Whether keys are enabled.
    pub keys_on: bool,
    /// Style and script.
    pub css: &'static str,
    pub js: &'static str,
    pub icon: &'static str,
}

/// The navigation: what is configured, and what the visitor may see.
fn entries(visitor: &RequestContext, has_clouds: bool, has_pools: bool) -> Vec<NavEntry> {
    let is_member = visitor.session.as_ref().is_some_and(|session| session.user.role == Role::Member);
    let has = |section: &str| match section {
        "pools" => is_member || has_pools,
        _ if is_member => false,
        "instances" => has_clouds,
        "settings" => visitor.session.is_some(),
        _ => true,
    };
    let sections = SECTIONS.iter().filter(|(section, ..)| has(section));
    sections
        .map(|&(section, path, key, mark)| NavEntry { section, path, label: visitor.words.get(key), mark })
        .collect()
}

/// The buttons of the demo.
fn demo_buttons(web: &Web, visitor: &RequestContext) -> Vec<(&'static str, &'static str, String)> {
    let all = demo_band::BUTTONS.iter().filter(|_| demo_band::is_shown(web, visitor));
    all.map(|(deed, mark, key)| (*deed, *mark, visitor.words.get(key))).collect()
}

/// When the next run is due; empty: it is not known.
fn next_clock(next: Timestamp, zone: &str) -> String {
    if next.0 > 0 { super::view_model::clock_in(next, zone) } else { String::new() }
}

impl PageFrame {
    /// For a page of a section. Takes the flash message.
    pub async fn new(web: &Web, visitor: &RequestContext, section: &'static str, title: String, here: String) -> Self {
        let (pass, next) = web.handle.last_pass();
        let (words, now) = (visitor.words, web.handle.now());
        let (flash, csrf, user) = match &visitor.session {
            Some(session) => (
                if visitor.rereads {
                    None
                } else {
                    web.accounts.take_flash(session).await.map(|kept| Flash::read(&kept))
                },
                session.csrf.clone(),
                Some(session.user.name.clone()),
            ),
            None => (None, String::new(), None),
        };
        let has_looked = pass.context.is_some();
        let checked = if has_looked {
            words.with("checked", "time", &super::view_model::span(now - pass.at))
        } else {
            words.get("not-checked")
        };
        let assets = AssetPaths::get();
        let site = pass.context.as_ref().map(|context| &context.site);
        let has_clouds = site.is_some_and(|site| !site.clouds.is_empty());
        let has_pools = site.is_some_and(|site| site.lends_machines);
        let is_demo = pass.context.as_ref().is_some_and(|context| !context.stage.demo.is_empty());
        let is_shown = visitor.session.is_some() || web.access.admits_anonymous();
        let is_member = visitor.session.as_ref().is_some_and(|session| session.user.role == Role::Member);
        let entries = if is_shown { entries(visitor, has_clouds, has_pools) } else { Vec::new() };
        Self {
            words,
            title,
            is_shown,
            section,
            sees_pools_only: is_member,
            entries,
            has_clouds,
            user,
            csrf,
            flash_hints: flash.iter().flat_map(|flash| hint_actions::views(&flash.hints, &pass, visitor)).collect(),
            flash,
            is_git: web.handle.is_git(),
            test_mode: test_mode(&pass, words),
            program: pass.context.as_ref().map(|context| context.stage.program.clone()).unwrap_or_default(),
            demo_buttons: demo_buttons(web, visitor),
            test_label: words.get(if is_demo { "demo-label" } else { "test-label" }),
            revision: report::revision(&pass),
            is_well: has_looked && pass.is_whole(),
            checked,
            checked_at: has_looked.then_some(pass.at.0),
            now: now.0,
            next: next_clock(next, ""),
            here,
            moves: !pass.busy.is_empty() || !has_looked,
            is_plan_only: has_looked && !pass.consented,
            is_admin: visitor.may(Role::Admin),
            theme: visitor.theme,
            keys_on: visitor.keys_on,
            css: assets.css_path(),
            js: assets.js_path(),
            icon: assets.icon_path(),
        }
    }

    /// With its own time in the zone of the page, so that no page has two.
    #[must_use]
    pub fn with_clock_in(self, web: &Web, zone: &str) -> Self {
        Self { next: next_clock(web.handle.last_pass().1, zone), ..self }
    }

    /// A mark in the colour of its text.
    pub fn icon(&self, name: &str) -> String {
        marks::icon(name)
    }

    /// The mark of a tone.
    pub fn tone(&self, name: &str) -> &'static str {
        marks::tone(name)
    }

    /// The entries of the bar of phones.
    pub fn bar(&self) -> impl Iterator<Item = &NavEntry> {
        self.entries.iter().take(BAR_ENTRIES)
    }

    /// Whether a hint names a command.
    pub fn has_commands(&self, hints: &[HintView]) -> bool {
        hints.iter().any(|view| !view.command.is_empty())
    }

    /// A command as it can be pasted into a terminal: the demo is reached with its own configuration.
    pub fn command(&self, command: &str) -> String {
        match command.strip_prefix("amarre ") {
            Some(rest) if !self.program.is_empty() => format!("{} {rest}", self.program),
            Some(_) | None => command.to_owned(),
        }
    }

    /// The text of a key.
    pub fn t(&self, key: &str) -> String {
        self.words.get(key)
    }

    /// A sentence as HTML, with its code.
    pub fn coded(&self, text: impl AsRef<str>) -> String {
        super::view_model::with_code(text.as_ref())
    }

    /// The program's version.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// `here` as part of a URL.
    pub fn back(&self) -> String {
        super::view_model::encoded(&self.here)
    }
}
