//! Builds of images on pages: their steps with what they print, the images that they begin from, and what was found out of a repository.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;

use super::{Head, find_row};
use crate::accounts::Role;
use crate::engine::commands::builds::of_image;
use crate::engine::report::builds::{
    BaseRow, FoundBuild, LINES_SHOWN, bases, cached_text, short, shown_name, took_text,
};
use crate::web::view_model::{self, StateMark};
use crate::web::{PageFrame, PageOutcome, Web, page, signed_in};
use crate::words::Words;
use amarre_core::model::Timestamp;
use amarre_core::model::app::Build;
use amarre_core::model::build_log::{LoggedStep, StepState};

/// A step of a build.
pub struct StepView {
    pub state: StateMark,
    pub name: String,
    pub took: String,
    /// It runs, or failed: what it printed is there at once.
    pub is_open: bool,
    /// Lines before those that are shown.
    pub earlier: String,
    pub log: String,
}

pub struct BuildView {
    pub steps: Vec<StepView>,
    pub image: String,
    pub when: String,
    pub took: String,
    pub error: String,
    pub is_live: bool,
}

impl BuildView {
    pub fn new(build: &FoundBuild, now: Timestamp, words: Words) -> Self {
        let until = build.ended.unwrap_or(now);
        Self {
            steps: build.log.steps.iter().map(|step| step_view(build, step, until, words)).collect(),
            image: build.image.clone(),
            when: view_model::moment(build.began, now),
            took: view_model::span(until - build.began),
            error: build.log.error.clone().unwrap_or_default(),
            is_live: build.ended.is_none(),
        }
    }
}

fn step_view(build: &FoundBuild, step: &LoggedStep, until: Timestamp, words: Words) -> StepView {
    let state = step.state();
    let tone = match state {
        StepState::Done | StepState::Cached => "ok",
        StepState::Failed => "bad",
        StepState::Running if build.ended.is_none() => "go",
        StepState::Running => "off",
    };
    let took = match state {
        StepState::Cached => words.say(&cached_text()),
        StepState::Done | StepState::Failed | StepState::Running => {
            step.took(until).map(|took| took_text(took, words.0)).unwrap_or_default()
        }
    };
    let (earlier, lines) = step.last(LINES_SHOWN);
    StepView {
        state: StateMark { tone, word: words.get(&format!("step-{}", state.word())), title: String::new() },
        name: shown_name(step),
        took,
        is_open: build.is_open(step) || step.name.is_empty(),
        earlier: if earlier > 0 { words.count("dep-earlier", &earlier) } else { String::new() },
        log: lines.join("\n"),
    }
}

/// What was found out of the repository of an app.
#[derive(Default)]
pub struct FoundView {
    /// What, the value, and why.
    pub rows: Vec<[String; 3]>,
    pub notes: Vec<String>,
    pub dockerfile: String,
}

impl FoundView {
    pub fn new(build: Option<&Build>, words: Words) -> Self {
        let Some(build) = build else { return Self::default() };
        let row = |(what, value, because): &(&'static str, String, _)| {
            [words.get(&format!("found-{}", what.replace(' ', "-"))), value.clone(), words.say(because)]
        };
        let dockerfile = build.dockerfile.files.get("");
        Self {
            rows: build.reasons.iter().map(row).collect(),
            notes: build.notes.iter().map(|note| words.say(note)).collect(),
            dockerfile: dockerfile.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default(),
        }
    }
}

/// An image that a service is built from.
pub struct BaseView {
    pub image: String,
    /// `sha256:9fb65dc1a78f`
    pub digest: String,
    /// That there is a newer one, or why that is not known; empty: neither.
    pub news: String,
    pub is_newer: bool,
    pub asked: String,
}

/// Those that a registry knows.
pub fn base_views(rows: &[BaseRow], now: Timestamp, words: Words) -> Vec<BaseView> {
    let view = |row: &BaseRow| BaseView {
        image: row.image.clone(),
        digest: row.digest.as_deref().map(|digest| short(digest).to_owned()).unwrap_or_default(),
        news: match (&row.newer, &row.error) {
            (Some(newer), _) => words.with("base-newer", "digest", short(newer)),
            (None, Some(why)) => words.with("base-unknown", "why", why),
            (None, None) => String::new(),
        },
        is_newer: row.newer.is_some(),
        asked: row.asked.map(|asked| view_model::moment(asked, now)).unwrap_or_default(),
    };
    rows.iter().map(view).collect()
}

#[derive(Template)]
#[template(path = "builds.html")]
struct BuildsPage {
    frame: PageFrame,
    head: Head,
    builds: Vec<BuildView>,
    bases: Vec<BaseView>,
    has_newer: bool,
    may_build: bool,
}

/// `GET /services/{name}/builds`: of a service whose images are built from the source.
pub async fn list(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let here = format!("/services/{}/builds", view_model::encoded(&name));
    let visitor = signed_in(&web, &headers, &here).await?;
    let (pass, _) = web.handle.last_pass();
    let row = find_row(&web, &visitor, &pass, &name).await?;
    let (words, now) = (visitor.words, web.handle.now());
    let service = pass.services.get(&name);
    let mut builds = Vec::new();
    for build in service.iter().flat_map(|service| service.builds()) {
        let found = of_image(&web.handle, &pass, &name, &build.image).await;
        builds.extend(found.map(|found| BuildView::new(&found, now, words)));
    }
    let bases = service.map(|service| base_views(&bases(&pass, service), now, words)).unwrap_or_default();
    let mut frame = PageFrame::new(&web, &visitor, "services", name.clone(), here).await;
    frame.moves |= builds.iter().any(|build| build.is_live);
    Ok(page(&BuildsPage {
        head: Head::new(&pass, row, &visitor, "builds"),
        has_newer: bases.iter().any(|base| base.is_newer),
        may_build: visitor.may(Role::Operator) && !row.deleted,
        builds,
        bases,
        frame,
    }))
}
