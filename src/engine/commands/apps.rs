//! What people ask of apps.

use serde_json::json;

use super::{CommandAnswer, refused};
use crate::engine::PassResult;
use crate::engine::report::apps;
use crate::providers::WatchBuilds;
use amarre_core::model::Code;
use amarre_core::plan::render::Style;

/// All apps.
pub fn list(picture: &PassResult, style: Style) -> CommandAnswer {
    let rows = apps::rows(picture);
    CommandAnswer { document: apps::document(&rows), text: apps::table(&rows, style), exit: 0 }
}

/// One app.
pub fn show(picture: &PassResult, name: &str, style: Style) -> CommandAnswer {
    match apps::find(picture, name) {
        Some(row) => CommandAnswer { document: apps::app_document(&row), text: apps::app_text(&row, style), exit: 0 },
        None => no_app(picture, name),
    }
}

/// What the newest build of an app has printed.
pub fn build_log(picture: &PassResult, name: &str) -> CommandAnswer {
    let Some(row) = apps::find(picture, name) else { return no_app(picture, name) };
    let image = row.build.as_ref().map(|build| build.image.as_str()).unwrap_or_default();
    let lines = builders(picture).find_map(|builds| builds.build_log(image));
    let Some(lines) = lines else {
        let message = format!("nothing is known of a build of {name}");
        return refused(Code::A1002, &message, "a log is kept while Amarre runs; the next build has one");
    };
    let text = lines.iter().map(|line| format!("{line}\n")).collect();
    let document = json!({"schema": "amarre.build-log/v1", "name": name, "image": image, "lines": lines});
    CommandAnswer { document, text, exit: 0 }
}

/// Ends the build of an app, where one runs: nothing waits for what it makes.
pub fn cancel_build(picture: &PassResult, name: &str) {
    let Some(build) = picture.services.get(name).and_then(|service| service.build()) else { return };
    builders(picture).for_each(|builds| _ = builds.cancel_build(&build.image));
}

/// The providers that build images.
fn builders(picture: &PassResult) -> impl Iterator<Item = &dyn WatchBuilds> {
    let providers = picture.context.iter().flat_map(|context| context.providers.values());
    providers.filter_map(|provider| provider.capabilities().builds)
}

fn no_app(picture: &PassResult, name: &str) -> CommandAnswer {
    let names: Vec<&str> = picture.apps.keys().map(String::as_str).collect();
    let hint = match names.as_slice() {
        [] => "docs/apps.md says how to write one".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    refused(Code::A1002, &format!("there is no app {name}"), &hint)
}
