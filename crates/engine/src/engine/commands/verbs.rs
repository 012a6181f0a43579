//! The table of verbs: what a person may ask for. Command line, HTTP, OpenAPI document, roles, audit log and the buttons of a
//! service's pages are made from it.

use super::act::{
    ActArgs, ArgRow, ArgShape, Confirm, Deed, GroupVerb, Question, ServiceVerb, Subject, TypedArg, VENDOR_NAME, VerbRow,
};
use super::adopt::OwnershipQuery;
pub use super::app_verbs::{APP_DEPLOY, APP_NEW, APP_START, APP_STOP};
use super::apply::Agreed;
use super::clone_instance::NEW_NAME;
use super::instances::InstanceDeed;
pub use super::pool_verbs::{
    POOL_DISABLE, POOL_ENABLE, POOL_EXTEND, POOL_FORGET, POOL_LEAVE, POOL_REGISTER, POOL_RELEASE, POOL_REPROVISION,
    POOL_RESERVE, POOL_TRUST, POOL_UNREGISTER,
};
use super::snapshot_instance::SNAPSHOT_NAME;
use super::{
    adopt, adopt_unsigned, apply, clone_instance, console_instance, delete_instance, destroy, instances, npm_rescue,
    rebuild_instance, resize_instance, restart, service_actions,
};
use crate::accounts::Role;
use amarre_core::model::Timestamp;

/// Every verb, in the order of the list of commands.
pub static VERBS: [&VerbRow; 40] = [
    &APPLY,
    &RECONCILE,
    &SUSPEND,
    &RESUME,
    &CANCEL,
    &RETRY,
    &RESTART,
    &ROLLBACK,
    &ADOPT,
    &ADOPT_UNSIGNED,
    &RELEASE,
    &DESTROY,
    &RESCUE,
    &INSTANCE_START,
    &INSTANCE_STOP,
    &INSTANCE_REBOOT,
    &INSTANCE_SHELVE,
    &INSTANCE_UNSHELVE,
    &INSTANCE_FOLLOW,
    &INSTANCE_DELETE,
    &INSTANCE_RESIZE,
    &INSTANCE_CLONE,
    &INSTANCE_REBUILD,
    &INSTANCE_SNAPSHOT,
    &INSTANCE_CONSOLE,
    &POOL_RESERVE,
    &POOL_EXTEND,
    &POOL_RELEASE,
    &POOL_TRUST,
    &POOL_ENABLE,
    &POOL_DISABLE,
    &POOL_FORGET,
    &POOL_LEAVE,
    &POOL_REGISTER,
    &POOL_UNREGISTER,
    &POOL_REPROVISION,
    &APP_NEW,
    &APP_DEPLOY,
    &APP_STOP,
    &APP_START,
];

/// An argument of requests alone.
pub(super) const fn arg(name: &'static str, shape: ArgShape) -> ArgRow {
    ArgRow { name, shape, is_required: false, typed: None }
}

/// An argument that the command line takes, too: by its place where it has no flag.
pub(super) const fn typed(arg: ArgRow, flag: &'static str, value: &'static str, help: &'static str) -> ArgRow {
    ArgRow { typed: Some(TypedArg { flag, value, default: None, help }), ..arg }
}

pub(super) const fn required(arg: ArgRow) -> ArgRow {
    ArgRow { is_required: true, ..arg }
}

const fn usually(arg: ArgRow, default: &'static str) -> ArgRow {
    match arg.typed {
        Some(typed) => ArgRow { typed: Some(TypedArg { default: Some(default), ..typed }), ..arg },
        None => arg,
    }
}

const SERVICE: ArgRow = required(typed(arg("service", ArgShape::Text), "", "SERVICE", "Name of the service"));
const THING: ArgRow = required(typed(
    arg("thing", ArgShape::Text),
    "",
    "RESOURCE",
    "Resource: `proxy-host/git.example.org`, `record/git.example.org/A`",
));
pub(super) const DRY_RUN: ArgRow =
    typed(arg("dry_run", ArgShape::Flag), "dry-run", "", "Show what would be done, without doing it");
pub(super) const TIMEOUT: ArgRow =
    usually(typed(arg("timeout_ms", ArgShape::Timeout), "timeout", "TIME", "Stop waiting after this long"), "15m");
pub(super) const BY: ArgRow = arg("by", ArgShape::By);

pub(super) const fn operator(_: &ActArgs, _: bool) -> Role {
    Role::Operator
}

fn operator_beyond_a_forecast(args: &ActArgs, _: bool) -> Role {
    if args.flag("dry_run") { Role::Viewer } else { Role::Operator }
}

pub(super) const fn editor(_: &ActArgs, _: bool) -> Role {
    Role::Editor
}

pub(super) const fn admin(_: &ActArgs, _: bool) -> Role {
    Role::Admin
}

/// Converges everything.
pub static APPLY: VerbRow = VerbRow {
    word: "apply",
    subject: Subject::None,
    deed: Deed::Request,
    args: &[
        TIMEOUT,
        // How many services may be deleted.
        arg("confirm_deletes", ArgShape::Count),
        // The digest of the plan to carry out; with any other plan nothing is done.
        arg("plan", ArgShape::TextOrNull),
        // The commit to accept although it does not descend from the accepted one.
        arg("accept_rewrite", ArgShape::TextOrNull),
    ],
    // The first consent, and accepting a history that was rewritten past a signature, are for an admin.
    role: |args, has_consent| match (
        has_consent && args.given("accept_rewrite").is_none(),
        args.count("confirm_deletes"),
    ) {
        (false, _) => Role::Admin,
        (true, Some(_)) => Role::Editor,
        (true, None) => Role::Operator,
    },
    confirm: Confirm::Count,
    about: None,
    run: |handle, asked| {
        let confirm_deletes = asked.args.count("confirm_deletes");
        let given = |name: &str| asked.args.given(name).map(str::to_owned);
        let agreed = Agreed { confirm_deletes, plan: given("plan"), accept_rewrite: given("accept_rewrite") };
        Box::pin(apply::apply(handle, agreed, asked.args.timeout_ms(), asked.style, asked.steps))
    },
};

/// Converges one service, or all, as the daemon would.
pub static RECONCILE: VerbRow = VerbRow {
    word: "reconcile",
    subject: Subject::Service(ServiceVerb { summary: "Reconciles a service", label: "act-reconcile", page: None }),
    deed: Deed::Request,
    args: &[typed(arg("service", ArgShape::TextOrNull), "", "SERVICE", "Only this service"), TIMEOUT],
    role: operator,
    confirm: Confirm::None,
    about: Some("Reconcile one service, or all, now"),
    run: |handle, asked| {
        let service = asked.args.given("service").map(str::to_owned);
        Box::pin(apply::reconcile(handle, service, asked.args.timeout_ms(), asked.style, asked.steps))
    },
};

/// Suspends a service.
pub static SUSPEND: VerbRow = VerbRow {
    word: "suspend",
    subject: Subject::Service(ServiceVerb { summary: "Suspends a service", label: "act-suspend", page: None }),
    deed: Deed::Fact,
    args: &[
        SERVICE,
        usually(typed(arg("why", ArgShape::Text), "why", "TEXT", "Reason, shown in the status"), "no reason given"),
        typed(
            arg("until_ms", ArgShape::Until),
            "until",
            "TIME",
            "When to resume automatically: 2h, 3d, 18:00, 2026-11-30, \"2026-11-30 18:00\"",
        ),
        BY,
    ],
    role: operator,
    confirm: Confirm::None,
    about: Some("Suspend a service until it is resumed"),
    run: |handle, asked| {
        let args = asked.args;
        let why = (args.text("by").to_owned(), args.text("why").to_owned());
        Box::pin(service_actions::suspend(handle, args.text("service"), why, args.time("until_ms").map(Timestamp)))
    },
};

/// Resumes a service.
pub static RESUME: VerbRow = VerbRow {
    word: "resume",
    subject: Subject::Service(ServiceVerb { summary: "Resumes a service", label: "act-resume", page: None }),
    deed: Deed::Fact,
    args: &[SERVICE],
    role: operator,
    confirm: Confirm::None,
    about: Some("Resume a suspended service"),
    run: |handle, asked| Box::pin(service_actions::resume(handle, asked.args.text("service"))),
};

/// Stops changing a service and waiting for it, and leaves it as it stands.
pub static CANCEL: VerbRow = VerbRow {
    word: "cancel",
    subject: Subject::Service(ServiceVerb {
        summary: "Cancels the changes and waits of a service, and suspends it as it is",
        label: "act-cancel",
        page: None,
    }),
    deed: Deed::Fact,
    args: &[SERVICE, BY],
    role: operator,
    confirm: Confirm::None,
    about: Some("Cancel the changes and waits of a service, and suspend it as it is"),
    run: |handle, asked| {
        let (service, by) = (asked.args.text("service"), asked.args.text("by"));
        Box::pin(service_actions::cancel(handle, service, by, asked.style))
    },
};

/// Forgets the failures of a service, and tries again now.
pub static RETRY: VerbRow = VerbRow {
    word: "retry",
    subject: Subject::Service(ServiceVerb {
        summary: "Clears the failures of a service and retries now",
        label: "act-try-again",
        page: None,
    }),
    deed: Deed::Request,
    args: &[
        SERVICE,
        typed(
            arg("create_again", ArgShape::Flag),
            "create-again",
            "",
            "Create resources that may exist already: only after you checked at the vendor that there are none",
        ),
        TIMEOUT,
    ],
    // A second one costs money.
    role: |args, _| if args.flag("create_again") { Role::Editor } else { Role::Operator },
    confirm: Confirm::None,
    about: Some("Clear failures and retry now"),
    run: |handle, asked| Box::pin(service_actions::retry(handle, asked)),
};

/// Restarts the containers of a service, or one of them.
pub static RESTART: VerbRow = VerbRow {
    word: "restart",
    subject: Subject::Service(ServiceVerb {
        summary: "Restarts the containers of a service, one after another",
        label: "act-restart",
        page: Some(["restart-title", "restart-now"]),
    }),
    deed: Deed::Action,
    args: &[
        SERVICE,
        typed(
            arg("container", ArgShape::TextOrNull),
            "",
            "CONTAINER",
            "Only this container, and those that restart with it",
        ),
        DRY_RUN,
        TIMEOUT,
        BY,
    ],
    role: operator_beyond_a_forecast,
    confirm: Confirm::Yes(Question {
        command: "restart",
        ask: "Restart {}?",
        unasked: "{} would be away while it restarts, and there is no terminal to ask at",
        exit: 0,
    }),
    about: Some("Restart the containers of a service, one after another"),
    run: |handle, asked| Box::pin(restart::restart(handle, asked)),
};

/// Rolls the containers of a service back to a version that was healthy, and suspends the service.
pub static ROLLBACK: VerbRow = VerbRow {
    word: "rollback",
    subject: Subject::Service(ServiceVerb {
        summary: "Rolls the containers of a service back to the last healthy version, and suspends the service",
        label: "act-roll-back",
        page: Some(["rollback-title", "rollback-now"]),
    }),
    deed: Deed::Fact,
    args: &[
        SERVICE,
        typed(
            arg("to", ArgShape::TextOrNull),
            "to",
            "REVISION",
            "Revision from `amarre history SERVICE`, or a deployment or commit of an app [default: the last healthy one]",
        ),
        DRY_RUN,
        TIMEOUT,
        BY,
    ],
    role: operator_beyond_a_forecast,
    confirm: Confirm::Typed(Question {
        command: "rollback",
        ask: "Roll {} back?",
        unasked: "{} would be rolled back, and there is no terminal to ask at",
        exit: 0,
    }),
    about: Some("Roll a service back to its last healthy version"),
    run: |handle, asked| {
        let args = asked.args;
        let target = (args.text("service"), args.given("to"));
        if args.flag("dry_run") {
            Box::pin(service_actions::would_roll_back(handle, target.0, target.1, asked.style))
        } else {
            let (by, timeout_ms) = (args.text("by"), args.timeout_ms());
            Box::pin(service_actions::roll_back(handle, target, by, timeout_ms, asked.style, asked.steps))
        }
    },
};

fn ownership<'a>(args: &'a ActArgs) -> OwnershipQuery<'a> {
    let (thing, by) = (args.text("thing"), args.text("by"));
    OwnershipQuery { thing, dry_run: args.flag("dry_run"), by, timeout_ms: args.timeout_ms() }
}

/// Adopts an existing resource that a manifest wants.
pub static ADOPT: VerbRow = VerbRow {
    word: "adopt",
    subject: Subject::Other,
    deed: Deed::Fact,
    args: &[THING, DRY_RUN, TIMEOUT, BY],
    role: admin,
    confirm: Confirm::Yes(Question {
        command: "adopt",
        ask: "Take {} over?",
        unasked: "{} would be taken over, and there is no terminal to ask at",
        exit: 0,
    }),
    about: None,
    run: |handle, asked| Box::pin(adopt::adopt(handle, ownership(asked.args), asked.style)),
};

/// Adopts every record whose mark names this instance but carries no signature of our keys; with another number than the
/// confirmed one nothing is done.
pub static ADOPT_UNSIGNED: VerbRow = VerbRow {
    word: "adopt_unsigned",
    subject: Subject::None,
    deed: Deed::Fact,
    args: &[arg("confirm", ArgShape::Count), DRY_RUN, TIMEOUT, BY],
    role: admin,
    confirm: Confirm::Count,
    about: None,
    run: |handle, asked| {
        let args = asked.args;
        let how = (args.flag("dry_run"), args.count("confirm"));
        Box::pin(adopt_unsigned::adopt(handle, how, args.text("by"), args.timeout_ms(), asked.style, asked.steps))
    },
};

/// Releases a resource: it stays as it is.
pub static RELEASE: VerbRow = VerbRow {
    word: "release",
    subject: Subject::Other,
    deed: Deed::Fact,
    args: &[THING, DRY_RUN, TIMEOUT, BY],
    role: admin,
    // Nothing is changed or deleted that could not be adopted again.
    confirm: Confirm::Yes(Question { command: "release", ask: "Release {}?", unasked: "", exit: 0 }),
    about: Some("Stop managing a resource without deleting it"),
    run: |handle, asked| Box::pin(adopt::release(handle, ownership(asked.args), asked.style, asked.steps)),
};

/// What is asked before services are destroyed.
pub const DESTROY_QUESTION: Question = Question {
    command: "destroy",
    ask: "Destroy {}?",
    unasked: "{} would be destroyed, and there is no terminal to ask at",
    exit: 0,
};

/// Removes services and leaves them suspended.
pub static DESTROY: VerbRow = VerbRow {
    word: "destroy",
    subject: Subject::Other,
    deed: Deed::Fact,
    args: &[
        required(arg("services", ArgShape::Texts)),
        arg("all", ArgShape::Flag),
        arg("purge", ArgShape::Flag),
        TIMEOUT,
        BY,
    ],
    role: |args, _| if args.flag("purge") { Role::Admin } else { Role::Editor },
    confirm: Confirm::Typed(DESTROY_QUESTION),
    about: None,
    run: |handle, asked| Box::pin(destroy::destroy(handle, asked)),
};

/// Disables the hosts that keep an NPM's nginx from its configuration.
pub static RESCUE: VerbRow = VerbRow {
    word: "rescue",
    subject: Subject::Other,
    deed: Deed::Request,
    args: &[arg("npm", ArgShape::TextOrNull), DRY_RUN, BY],
    role: admin,
    confirm: Confirm::Yes(Question {
        command: "npm rescue",
        ask: "Switch it off?",
        unasked: "a host would be switched off, and there is no terminal to ask at",
        exit: 2,
    }),
    about: None,
    run: |handle, asked| {
        let args = asked.args;
        let (npm, dry_run, by) = (args.given("npm"), args.flag("dry_run"), args.text("by"));
        Box::pin(npm_rescue::rescue(handle, npm, dry_run, by, asked.style))
    },
};

const INSTANCES: ArgRow = required(typed(
    arg("instances", ArgShape::Texts),
    "",
    "INSTANCE",
    "Server: the name of its manifest, `CLOUD:ID`, or a unique vendor's name",
));
/// For a verb about one.
const INSTANCE: ArgRow = ArgRow { shape: ArgShape::Single, ..INSTANCES };
/// How long what is asked holds in place of the rule of a managed one.
const HOLDS_UNTIL: ArgRow = typed(
    arg("until_ms", ArgShape::Until),
    "until",
    "TIME",
    "For a managed server: how long this overrides its timetable or power: 3h, 18:00, \"2026-11-30 18:00\" [default: the next tick]",
);
const SKIP_NEXT: ArgRow = typed(
    arg("skip_next", ArgShape::Flag),
    "skip-next",
    "",
    "With a timetable: skip the next tick, so that the override lasts until the one after it",
);
const HARD: ArgRow =
    typed(arg("hard", ArgShape::Flag), "hard", "", "Cut the power instead of asking the system to reboot");

/// Beyond starting and stopping, what no manifest manages is an admin's: such a one has to be named by its id.
fn operator_of_managed(args: &ActArgs, _: bool) -> Role {
    let is_unmanaged = |name: &String| name.contains(':');
    if args.texts("instances").iter().any(is_unmanaged) { Role::Admin } else { Role::Operator }
}

/// Of what a manifest made, what writes the manifest is an editor's.
fn editor_of_made(args: &ActArgs, has_consent: bool) -> Role {
    operator_of_managed(args, has_consent).max(Role::Editor)
}

const fn instance_verb(word: &'static str, path: &'static str, summary: &'static str) -> VerbRow {
    VerbRow {
        word,
        subject: Subject::Instances(GroupVerb { word: path, summary }),
        deed: Deed::Action,
        args: &[INSTANCES, HOLDS_UNTIL, SKIP_NEXT, TIMEOUT, BY],
        role: operator,
        confirm: Confirm::None,
        about: None,
        run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Start)),
    }
}

/// Starts servers.
pub static INSTANCE_START: VerbRow = instance_verb("instance_start", "start", "Starts a server");

/// Stops servers.
pub static INSTANCE_STOP: VerbRow = VerbRow {
    run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Stop)),
    ..instance_verb("instance_stop", "stop", "Stops a server; some vendors still bill it")
};

/// Reboots servers.
pub static INSTANCE_REBOOT: VerbRow = VerbRow {
    args: &[INSTANCES, HARD, TIMEOUT, BY],
    run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Reboot)),
    ..instance_verb("instance_reboot", "reboot", "Reboots a server")
};

/// Makes servers snapshots without a place.
pub static INSTANCE_SHELVE: VerbRow = VerbRow {
    role: operator_of_managed,
    run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Shelve)),
    ..instance_verb("instance_shelve", "shelve", "Shelves a server as a snapshot; the vendor bills only its storage")
};

/// Brings servers back from there.
pub static INSTANCE_UNSHELVE: VerbRow = VerbRow {
    role: operator_of_managed,
    run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Unshelve)),
    ..instance_verb("instance_unshelve", "unshelve", "Unshelves a server")
};

/// Lets the rules of managed servers hold again.
pub static INSTANCE_FOLLOW: VerbRow = VerbRow {
    deed: Deed::Fact,
    args: &[INSTANCES, BY],
    run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Follow)),
    ..instance_verb("instance_follow", "follow-schedule", "Ends the override of a server's timetable or power")
};

/// What a verb is confirmed by.
const TYPED_NAME: ArgRow = typed(
    arg(VENDOR_NAME, ArgShape::TextOrNull),
    "name",
    "NAME",
    "Its name at the vendor, instead of typing it at the prompt",
);

/// Deletes a server that no manifest manages.
pub static INSTANCE_DELETE: VerbRow = VerbRow {
    args: &[INSTANCES, TYPED_NAME, DRY_RUN, TIMEOUT, BY],
    role: admin,
    confirm: Confirm::Named(Question {
        command: "instance delete",
        ask: "Delete {} for good?",
        unasked: "{} would be deleted, and there is no terminal to ask at",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(delete_instance::delete(handle, asked)),
    ..instance_verb("instance_delete", "delete", "Deletes a server that no manifest manages, with its disks")
};

/// Gives a server another size.
pub static INSTANCE_RESIZE: VerbRow = VerbRow {
    args: &[
        INSTANCE,
        required(typed(
            arg("type", ArgShape::Text),
            "",
            "TYPE",
            "Size, as in a manifest: `b3-16`, `cpu=4B,memory=4GiB`",
        )),
        DRY_RUN,
        TIMEOUT,
        BY,
    ],
    role: editor_of_made,
    confirm: Confirm::Yes(Question {
        command: "instance resize",
        ask: "Resize {}?",
        unasked: "{} would be away for some minutes, and there is no terminal to ask at",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(resize_instance::resize(handle, asked)),
    ..instance_verb(
        "instance_resize",
        "resize",
        "Resizes a server, or changes the size in the manifest that created it",
    )
};

/// Makes another server like one.
pub static INSTANCE_CLONE: VerbRow = VerbRow {
    args: &[
        INSTANCE,
        required(typed(
            arg(NEW_NAME, ArgShape::Text),
            "",
            "NEW-NAME",
            "Name of the clone: at its vendor, or in its manifest if a manifest created the first",
        )),
        DRY_RUN,
        TIMEOUT,
        BY,
    ],
    role: editor_of_made,
    confirm: Confirm::Yes(Question {
        command: "instance clone",
        ask: "Clone {}?",
        unasked: "another server would be made of {} and billed, and there is no terminal to ask at",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(clone_instance::clone(handle, asked)),
    ..instance_verb(
        "instance_clone",
        "clone",
        "Clones a server, or writes a second manifest for one that a manifest created",
    )
};

/// Installs a server again.
pub static INSTANCE_REBUILD: VerbRow = VerbRow {
    args: &[
        INSTANCE,
        typed(
            arg("image", ArgShape::TextOrNull),
            "",
            "IMAGE",
            "Image, by name or id; for a server that a manifest created, the image of the manifest",
        ),
        TYPED_NAME,
        DRY_RUN,
        TIMEOUT,
        BY,
    ],
    role: admin,
    confirm: Confirm::Named(Question {
        command: "instance rebuild",
        ask: "Install {} again, without what is on its disk?",
        unasked: "{} would lose what is on its disk, and there is no terminal to ask at",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(rebuild_instance::rebuild(handle, asked)),
    ..instance_verb("instance_rebuild", "rebuild", "Reinstalls a server; the data on its disk is lost")
};

/// Takes snapshots of servers.
pub static INSTANCE_SNAPSHOT: VerbRow = VerbRow {
    args: &[
        INSTANCES,
        typed(
            arg(SNAPSHOT_NAME, ArgShape::TextOrNull),
            "name",
            "TEXT",
            "Name of the snapshot [default: the server and the minute]",
        ),
        TIMEOUT,
        BY,
    ],
    role: operator_of_managed,
    run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Snapshot)),
    ..instance_verb("instance_snapshot", "snapshot", "Takes a snapshot of a server's disk, which the vendor bills")
};

/// Shows the screen of a server.
pub static INSTANCE_CONSOLE: VerbRow = VerbRow {
    args: &[INSTANCE, BY],
    role: operator_of_managed,
    run: |handle, asked| Box::pin(console_instance::console(handle, asked)),
    ..instance_verb("instance_console", "console", "Prints a temporary address of a server's console")
};

impl VerbRow {
    /// Whether its answer opens something by itself: nothing keeps it.
    pub fn answers_a_credential(&self) -> bool {
        [INSTANCE_CONSOLE.word, POOL_RESERVE.word].contains(&self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::uses::UseKind;
    use std::collections::BTreeSet;

    /// What a verb reaches is named by its first argument, so that an account for some services can be asked for it.
    #[test]
    fn every_verb_names_what_it_reaches() {
        for row in VERBS {
            let first = row.args.first();
            let shape = first.map(|arg| arg.shape);
            match row.subject.uses() {
                Some(UseKind::Service) => {
                    let is_name = matches!(shape, Some(ArgShape::Text | ArgShape::TextOrNull));
                    // Verbs that make something name it, too.
                    assert!(is_name, "{}: its first argument is no name of a manifest", row.word);
                }
                Some(UseKind::CloudServer) => {
                    assert!(matches!(shape, Some(ArgShape::Texts | ArgShape::Single)), "{}", row.word);
                }
                Some(other) => panic!("{}: how does an account for some services use {other:?}?", row.word),
                None => assert!(matches!(row.subject, Subject::Other | Subject::None), "{}", row.word),
            }
        }
    }

    #[test]
    fn an_account_for_some_services_asks_for_verbs_of_these_alone() {
        let own = BTreeSet::from(["shop".to_owned()]);
        for row in VERBS {
            let of = |name: &str| {
                let about = row.args.first().map_or("service", |arg| arg.name);
                let body = serde_json::json!({about: name});
                let act = super::super::Act::parse(row, body.as_object().cloned().unwrap_or_default());
                act.is_ok_and(|act| act.is_within(&own))
            };
            let is_service = row.subject.uses() == Some(UseKind::Service);
            assert!(!of("vault"), "{}", row.word);
            assert!(!of("shop") || is_service, "{}", row.word);
            assert!(!super::super::Act::new(row).is_within(&own), "{} about everything", row.word);
        }
    }
}
