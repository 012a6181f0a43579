//! The rows of the table of verbs about apps.

use super::act::{ArgRow, ArgShape, Confirm, Deed, GroupVerb, Subject, VerbRow};
use super::verbs::{BY, DRY_RUN, TIMEOUT, arg, editor, required, typed};
use super::{apps, pools};
use crate::accounts::Role;

const APP: ArgRow = required(typed(arg("app", ArgShape::Text), "", "APP", "Name of the app"));

const fn app_verb(word: &'static str, path: &'static str, summary: &'static str) -> VerbRow {
    VerbRow {
        word,
        subject: Subject::App(GroupVerb { word: path, summary }),
        deed: Deed::Request,
        args: &[APP, TIMEOUT, BY],
        role: editor,
        confirm: Confirm::None,
        about: None,
        run: |handle, asked| Box::pin(pools::answer_of(apps::set_stopped(handle, asked, true))),
    }
}

/// Puts an app on line from its URL.
pub static APP_NEW: VerbRow = VerbRow {
    args: &[
        required(typed(arg("app", ArgShape::Text), "", "NAME", "Name of the app")),
        required(typed(arg("url", ArgShape::Text), "", "URL", "Its repository, as `git clone` takes it")),
        typed(arg("ref", ArgShape::TextOrNull), "ref", "REF", "A branch or a tag; `main` by default"),
        typed(arg("path", ArgShape::TextOrNull), "path", "FOLDER", "Folder of the app, in a repository with several"),
        typed(arg("framework", ArgShape::TextOrNull), "framework", "NAME", "Framework, instead of detection"),
        typed(
            arg("domain", ArgShape::TextOrNull),
            "domain",
            "NAME",
            "A name below the domain, or a full one; the app's name by default",
        ),
        typed(arg("port", ArgShape::Count), "port", "PORT", "Port on which it listens, instead of detection"),
        typed(
            arg("token", ArgShape::TextOrNull),
            "token",
            "SECRET",
            "Name of the secret with a token, for a private repository",
        ),
        DRY_RUN,
        BY,
    ],
    run: |handle, asked| Box::pin(pools::answer_of(apps::create(handle, asked))),
    ..app_verb("app_new", "new", "Detects an app in a repository and writes its manifest")
};

/// Deploys the newest commit of an app, or another branch, tag or commit.
pub static APP_DEPLOY: VerbRow = VerbRow {
    args: &[
        APP,
        typed(
            arg("ref", ArgShape::TextOrNull),
            "ref",
            "REF",
            "Deploy this branch or tag, or this commit of the followed one, from now on; Amarre writes it into the manifest",
        ),
        typed(
            arg("pull", ArgShape::Flag),
            "pull",
            "",
            "Build on the images that registries have now, in place of those of the first build",
        ),
        TIMEOUT,
        BY,
    ],
    // Another ref changes the manifest.
    role: |args, _| if args.given("ref").is_some() { Role::Editor } else { Role::Operator },
    run: |handle, asked| Box::pin(pools::answer_of(apps::deploy(handle, asked))),
    ..app_verb("app_deploy", "deploy", "Deploys the newest commit of an app now, and retries a failed one")
};

/// Stops the containers of an app.
pub static APP_STOP: VerbRow =
    app_verb("app_stop", "stop", "Stops the containers of an app: its manifest says `state: stopped`");

/// Starts them again.
pub static APP_START: VerbRow = VerbRow {
    run: |handle, asked| Box::pin(pools::answer_of(apps::set_stopped(handle, asked, false))),
    ..app_verb("app_start", "start", "Starts the containers of an app that was stopped")
};
