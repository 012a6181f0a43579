//! The reads of apps and deployments.

use super::{
    ReadArg, ReadCost, ReadForm, ReadRow, ReadRun, ReadSchema, ReadShape, arg, command, of_struct, read, reported,
    required, short, typed, usually,
};
use crate::accounts::Role;
use crate::engine::commands::{CommandAnswer, apps, builds};
use crate::engine::report::app_documents::{
    AppDocument, AppsDocument, BuildLogDocument, DeploymentDocument, DeploymentsDocument, StatsDocument,
};
use crate::engine::report::as_json;
use crate::engine::report::frameworks::FrameworksDocument;

pub(super) const ROWS: &[&ReadRow] = &[
    &APPS,
    &APP,
    &BUILD_LOG,
    &DEPLOYMENTS_OF_APP,
    &DEPLOYMENTS,
    &DEPLOYMENT_STATS,
    &DEPLOYMENT,
    &DEPLOYMENT_LOG,
    &APP_KEY,
    &FRAMEWORKS,
];

/// Deployments in one answer, where none is said.
const LIMIT: usize = 100;

const NAME: ReadArg = required(typed(arg("name", ReadShape::Text, "Its name"), "", "APP", "Name of the app"));
const ID: ReadArg = required(typed(
    arg("id", ReadShape::Text, "Its number"),
    "",
    "ID",
    "Number of the deployment, from `amarre app deployments`",
));
const OF_APP: ReadArg = typed(arg("app", ReadShape::Text, "Of this app"), "", "APP", "Only of this app");
const MOST: ReadArg = usually(
    short(
        typed(
            arg(
                "limit",
                ReadShape::Number(0, u16::MAX as u64),
                "The highest number of rows, the newest first; 100 if not set",
            ),
            "limit",
            "N",
            "Maximum number of deployments, the newest",
        ),
        'n',
    ),
    "20",
);
const ALL: ReadArg = arg("all", ReadShape::Flag, "In the text, also what steps have printed that are done");
const NO_APP: &[(u16, &str)] = &[(404, "A1002: there is no such app, or no such build")];
const NO_DEPLOYMENT: &[(u16, &str)] = &[(404, "A1002: there is no such deployment, or its log is not kept")];

static APPS: ReadRow = ReadRow {
    command: command("app", "list", "Show all apps"),
    ..read(
        "apps",
        "/api/v1/apps",
        "All apps",
        of_struct::<AppsDocument>(),
        ReadRun::OfPass(|call, pass| apps::list(pass, call.style)),
    )
};

static APP: ReadRow = ReadRow {
    args: &[NAME],
    refuses: NO_APP,
    command: command("app", "show", "Show one app: its commit, its progress, and what was detected in its repository"),
    ..read(
        "app",
        "/api/v1/apps/{name}",
        "One app: its commit, how far it is, and what was found out",
        of_struct::<AppDocument>(),
        ReadRun::OfPass(|call, pass| apps::show(pass, call.args.text("name"), call.style)),
    )
};

/// What the newest build of an app did. Its command takes a deployment in place of the app.
pub static BUILD_LOG: ReadRow = ReadRow {
    args: &[NAME, ALL],
    role: Some(Role::Viewer),
    refuses: NO_APP,
    ..read(
        "build_log",
        "/api/v1/apps/{name}/build-log",
        "What the newest build of an app or service did, step by step",
        of_struct::<BuildLogDocument>(),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let (name, all) = (call.args.text("name"), shows_all(call));
                reported(builds::log(call.handle, &call.handle.last_pass().0, name, call.style, all).await)
            })
        }),
    )
};

static DEPLOYMENTS_OF_APP: ReadRow = ReadRow {
    args: &[NAME],
    refuses: NO_APP,
    ..read(
        "deployments_of_app",
        "/api/v1/apps/{name}/deployments",
        "What was deployed of an app, the newest first",
        of_struct::<DeploymentsDocument>(),
        ReadRun::OfPass(|call, pass| apps::deployments(pass, call.args.given("name"), LIMIT, call.style)),
    )
};

static DEPLOYMENTS: ReadRow = ReadRow {
    args: &[OF_APP, MOST],
    refuses: &[(404, "A1002: there is no such app")],
    command: command("app", "deployments", "List the deployments, the newest first"),
    ..read(
        "deployments",
        "/api/v1/deployments",
        "What was deployed of apps, the newest first",
        of_struct::<DeploymentsDocument>(),
        ReadRun::OfPass(|call, pass| {
            let limit = call.args.number("limit").unwrap_or(LIMIT);
            apps::deployments(pass, call.args.given("app"), limit, call.style)
        }),
    )
};

static DEPLOYMENT_STATS: ReadRow = ReadRow {
    args: &[OF_APP],
    refuses: &[(404, "A1002: there is no such app")],
    command: command("app", "stats", "Show the number of running and failed deployments, and the build time"),
    ..read(
        "deployment_stats",
        "/api/v1/deployments/stats",
        "What deployments come to: how many run and failed, how long a build takes",
        of_struct::<StatsDocument>(),
        ReadRun::OfPass(|call, pass| apps::stats(pass, call.args.given("app"))),
    )
};

static DEPLOYMENT: ReadRow = ReadRow {
    args: &[ID],
    refuses: NO_DEPLOYMENT,
    command: command("app", "deployment", "Show one deployment: its commit, its stages, and their times"),
    ..read(
        "deployment",
        "/api/v1/deployments/{id}",
        "One deployment: its commit, how far it came, and when",
        of_struct::<DeploymentDocument>(),
        ReadRun::OfPass(|call, pass| apps::deployment(pass, call.args.text("id"), call.style)),
    )
};

/// What the build of a deployment did.
pub static DEPLOYMENT_LOG: ReadRow = ReadRow {
    args: &[ID, ALL],
    role: Some(Role::Viewer),
    refuses: NO_DEPLOYMENT,
    ..read(
        "deployment_log",
        "/api/v1/deployments/{id}/log",
        "What its build did, step by step",
        of_struct::<BuildLogDocument>(),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let (id, all) = (call.args.text("id"), shows_all(call));
                reported(builds::deployment_log(call.handle, &call.handle.last_pass().0, id, call.style, all).await)
            })
        }),
    )
};

/// Makes the key where there is none.
static APP_KEY: ReadRow = ReadRow {
    args: &[
        required(typed(arg("app", ReadShape::Text, "The app: a key is one app's"), "", "APP", "Name of the app")),
        typed(
            arg("url", ReadShape::Text, "Its repository; by default the one of its manifest"),
            "",
            "URL",
            "Its repository, as `git clone` takes it: `git@github.com:acme/shop`; by default the one of its manifest",
        ),
    ],
    is_private: true,
    refuses: &[(404, "A1002: there is no such app"), (409, "A0771: no key could be made")],
    command: command("app", "key", "Print the deploy key that lets Amarre read a private repository over ssh"),
    ..read(
        "app_key",
        "/api/v1/app-key",
        "The line that lets Amarre read a repository",
        ReadSchema::Named(&["PublicKey"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                reported(apps::deploy_key(call.handle, call.args.text("app"), call.args.text("url")).await)
            })
        }),
    )
};

/// A document has the output of every step.
fn shows_all(call: &super::ReadCall<'_>) -> bool {
    call.form == ReadForm::Document || call.args.flag("all")
}

static FRAMEWORKS: ReadRow = ReadRow {
    cost: ReadCost::Nothing,
    command: command("app", "frameworks", "List the frameworks that Amarre detects, and how"),
    ..read(
        "frameworks",
        "/api/v1/frameworks",
        "The frameworks that Amarre detects in a repository, and how",
        of_struct::<FrameworksDocument>(),
        ReadRun::Waits(|_| {
            Box::pin(async {
                let all = FrameworksDocument::all();
                reported(CommandAnswer { document: as_json(&all), text: all.text(), exit: 0 })
            })
        }),
    )
};
