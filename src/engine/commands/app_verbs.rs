//! The rows of the table of verbs about apps.

use super::act::{AppVerb, ArgRow, ArgShape, Confirm, Deed, Subject, VerbRow};
use super::verbs::{BY, DRY_RUN, TIMEOUT, arg, editor, required, typed};
use super::{apps, pools};
use crate::accounts::Role;

const APP: ArgRow = required(typed(arg("app", ArgShape::Text), "", "APP", "Which app"));

const fn app_verb(word: &'static str, path: &'static str, summary: &'static str) -> VerbRow {
    VerbRow {
        word,
        subject: Subject::App(AppVerb { word: path, summary }),
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
        required(typed(arg("app", ArgShape::Text), "", "NAME", "What it is to be called")),
        required(typed(arg("url", ArgShape::Text), "", "URL", "Its repository, as `git clone` takes it")),
        typed(arg("ref", ArgShape::TextOrNull), "ref", "REF", "A branch, a tag or a commit; `main` if not set"),
        typed(
            arg("path", ArgShape::TextOrNull),
            "path",
            "FOLDER",
            "The folder of the app, of a repository with several",
        ),
        typed(arg("framework", ArgShape::TextOrNull), "framework", "NAME", "Which framework, in place of finding out"),
        typed(
            arg("domain", ArgShape::TextOrNull),
            "domain",
            "NAME",
            "A name below the domain, or a whole one; its own name if not set",
        ),
        typed(arg("port", ArgShape::Count), "port", "PORT", "Where it listens, in place of finding out"),
        typed(
            arg("token", ArgShape::TextOrNull),
            "token",
            "SECRET",
            "The name of the secret with a token, of a private repository",
        ),
        DRY_RUN,
        BY,
    ],
    run: |handle, asked| Box::pin(pools::answer_of(apps::create(handle, asked))),
    ..app_verb("app_new", "new", "Writes the manifest of an app, after a look at its repository")
};

/// Deploys the newest commit of an app, or another branch, tag or commit.
pub static APP_DEPLOY: VerbRow = VerbRow {
    args: &[
        APP,
        typed(
            arg("ref", ArgShape::TextOrNull),
            "ref",
            "REF",
            "From now on this branch, tag or commit: it is written into the manifest",
        ),
        TIMEOUT,
        BY,
    ],
    // Another ref changes the manifest.
    role: |args, _| if args.given("ref").is_some() { Role::Editor } else { Role::Operator },
    run: |handle, asked| Box::pin(pools::answer_of(apps::deploy(handle, asked))),
    ..app_verb("app_deploy", "deploy", "Deploys the newest commit of an app now, and tries again what failed")
};

/// Stops the containers of an app.
pub static APP_STOP: VerbRow =
    app_verb("app_stop", "stop", "Stops the containers of an app: its manifest says `state: stopped`");

/// Starts them again.
pub static APP_START: VerbRow = VerbRow {
    run: |handle, asked| Box::pin(pools::answer_of(apps::set_stopped(handle, asked, false))),
    ..app_verb("app_start", "start", "Starts the containers of an app that was stopped")
};
