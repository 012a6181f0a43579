//! The table of verbs: what a person may ask for. Command line, HTTP, OpenAPI document, roles, audit log and the buttons of a
//! service's pages are made from it.

use super::act::{
    ActArgs, ArgRow, ArgShape, Confirm, Deed, InstanceVerb, Question, ServiceVerb, Subject, TypedArg, VENDOR_NAME,
    VerbRow,
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

const SERVICE: ArgRow = required(typed(arg("service", ArgShape::Text), "", "SERVICE", "Which service"));
const THING: ArgRow = required(typed(
    arg("thing", ArgShape::Text),
    "",
    "THING",
    "What: `proxy-host/git.example.org`, `record/git.example.org/A`",
));
pub(super) const DRY_RUN: ArgRow =
    typed(arg("dry_run", ArgShape::Flag), "dry-run", "", "Show what would be done, and do nothing");
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
    subject: Subject::Service(ServiceVerb { summary: "Puts a service right", label: "act-reconcile", page: None }),
    deed: Deed::Request,
    args: &[typed(arg("service", ArgShape::TextOrNull), "", "SERVICE", "Only this service"), TIMEOUT],
    role: operator,
    confirm: Confirm::None,
    about: Some("Look now and put right one service, or all"),
    run: |handle, asked| {
        let service = asked.args.given("service").map(str::to_owned);
        Box::pin(apply::reconcile(handle, service, asked.args.timeout_ms(), asked.style, asked.steps))
    },
};

/// Suspends a service.
pub static SUSPEND: VerbRow = VerbRow {
    word: "suspend",
    subject: Subject::Service(ServiceVerb { summary: "Leaves a service alone", label: "act-suspend", page: None }),
    deed: Deed::Fact,
    args: &[
        SERVICE,
        usually(
            typed(arg("why", ArgShape::Text), "why", "TEXT", "Why, for whoever reads the status"),
            "no reason given",
        ),
        typed(
            arg("until_ms", ArgShape::Until),
            "until",
            "TIME",
            "When it ends by itself: 2h, 3d, 18:00, 2026-11-30, \"2026-11-30 18:00\"",
        ),
        BY,
    ],
    role: operator,
    confirm: Confirm::None,
    about: Some("Leave a service alone until it is resumed"),
    run: |handle, asked| {
        let args = asked.args;
        let why = (args.text("by").to_owned(), args.text("why").to_owned());
        Box::pin(service_actions::suspend(handle, args.text("service"), why, args.time("until_ms").map(Timestamp)))
    },
};

/// Resumes a service.
pub static RESUME: VerbRow = VerbRow {
    word: "resume",
    subject: Subject::Service(ServiceVerb { summary: "Takes a service up again", label: "act-resume", page: None }),
    deed: Deed::Fact,
    args: &[SERVICE],
    role: operator,
    confirm: Confirm::None,
    about: Some("Take a suspended service up again"),
    run: |handle, asked| Box::pin(service_actions::resume(handle, asked.args.text("service"))),
};

/// Stops changing a service and waiting for it, and leaves it as it stands.
pub static CANCEL: VerbRow = VerbRow {
    word: "cancel",
    subject: Subject::Service(ServiceVerb {
        summary: "Stops waiting for a service and changing it, and leaves it as it stands",
        label: "act-cancel",
        page: None,
    }),
    deed: Deed::Fact,
    args: &[SERVICE, BY],
    role: operator,
    confirm: Confirm::None,
    about: Some("Stop what is being done or waited for with a service, and leave it as it stands"),
    run: |handle, asked| {
        let (service, by) = (asked.args.text("service"), asked.args.text("by"));
        Box::pin(service_actions::cancel(handle, service, by, asked.style))
    },
};

/// Forgets the failures of a service, and tries again now.
pub static RETRY: VerbRow = VerbRow {
    word: "retry",
    subject: Subject::Service(ServiceVerb {
        summary: "Forgets that anything of a service failed, and tries again now",
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
            "Create again what may have been created already: you looked at the vendor, and there is none",
        ),
        TIMEOUT,
    ],
    // A second one costs money.
    role: |args, _| if args.flag("create_again") { Role::Editor } else { Role::Operator },
    confirm: Confirm::None,
    about: Some("Forget that anything of a service failed, and try again now"),
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
            "Only this container, and what restarts with it",
        ),
        DRY_RUN,
        TIMEOUT,
        BY,
    ],
    role: operator_beyond_a_forecast,
    confirm: Confirm::Yes(Question {
        command: "restart",
        ask: "Restart {}?",
        unasked: "{} would be away while it restarts, and nobody can be asked here",
        exit: 0,
    }),
    about: Some("Restart the containers of a service, one after another"),
    run: |handle, asked| Box::pin(restart::restart(handle, asked)),
};

/// Rolls the containers of a service back to a version that was healthy, and suspends the service.
pub static ROLLBACK: VerbRow = VerbRow {
    word: "rollback",
    subject: Subject::Service(ServiceVerb {
        summary: "Puts the containers of a service back as they were when all was well, and leaves them so",
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
            "To this revision of `amarre history SERVICE`, or this deployment or commit of an app [default: the last one with which all was well]",
        ),
        DRY_RUN,
        TIMEOUT,
        BY,
    ],
    role: operator_beyond_a_forecast,
    confirm: Confirm::Typed(Question {
        command: "rollback",
        ask: "Roll {} back?",
        unasked: "{} would be rolled back, and nobody can be asked here",
        exit: 0,
    }),
    about: Some("Put a service's containers back as they were when all was well"),
    run: |handle, asked| {
        let args = asked.args;
        let target = (args.text("service"), args.given("to"));
        match args.flag("dry_run") {
            true => Box::pin(service_actions::would_roll_back(handle, target.0, target.1, asked.style)),
            false => {
                let (by, timeout_ms) = (args.text("by"), args.timeout_ms());
                Box::pin(service_actions::roll_back(handle, target, by, timeout_ms, asked.style, asked.steps))
            }
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
        unasked: "{} would be taken over, and nobody can be asked here",
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
    about: Some("Give something of ours out of hand; it stays as it is"),
    run: |handle, asked| Box::pin(adopt::release(handle, ownership(asked.args), asked.style, asked.steps)),
};

/// What is asked before services are destroyed.
pub const DESTROY_QUESTION: Question = Question {
    command: "destroy",
    ask: "Destroy {}?",
    unasked: "{} would be destroyed, and nobody can be asked here",
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
        unasked: "a host would be switched off, and nobody can be asked here",
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
    "Which: the name of its manifest, `CLOUD:ID`, or a vendor's name that only one has",
));
/// For a verb about one.
const INSTANCE: ArgRow = ArgRow { shape: ArgShape::Single, ..INSTANCES };
/// How long what is asked holds in place of the rule of a managed one.
const HOLDS_UNTIL: ArgRow = typed(
    arg("until_ms", ArgShape::Until),
    "until",
    "TIME",
    "Of a managed one: until when this holds in place of its timetable or power: 3h, 18:00, \"2026-11-30 18:00\" [default: the next tick]",
);
const SKIP_NEXT: ArgRow = typed(
    arg("skip_next", ArgShape::Flag),
    "skip-next",
    "",
    "Of one with a timetable: leave out the next tick, so that this holds until the one after it",
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
        subject: Subject::Instances(InstanceVerb { word: path, summary }),
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
    ..instance_verb("instance_stop", "stop", "Stops a server; some vendors bill it all the same")
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
    ..instance_verb("instance_shelve", "shelve", "Makes a server a snapshot, of which only the storage is billed")
};

/// Brings servers back from there.
pub static INSTANCE_UNSHELVE: VerbRow = VerbRow {
    role: operator_of_managed,
    run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Unshelve)),
    ..instance_verb("instance_unshelve", "unshelve", "Brings a shelved server back")
};

/// Lets the rules of managed servers hold again.
pub static INSTANCE_FOLLOW: VerbRow = VerbRow {
    deed: Deed::Fact,
    args: &[INSTANCES, BY],
    run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Follow)),
    ..instance_verb("instance_follow", "follow-schedule", "Lets the manifest of a server hold again")
};

/// What a verb is confirmed by.
const TYPED_NAME: ArgRow = typed(
    arg(VENDOR_NAME, ArgShape::TextOrNull),
    "name",
    "NAME",
    "What it is called at its vendor, as an answer to the question",
);

/// Deletes a server that no manifest manages.
pub static INSTANCE_DELETE: VerbRow = VerbRow {
    args: &[INSTANCES, TYPED_NAME, DRY_RUN, TIMEOUT, BY],
    role: admin,
    confirm: Confirm::Named(Question {
        command: "instance delete",
        ask: "Delete {} for good?",
        unasked: "{} would be deleted, and nobody can be asked here",
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
            "Which size, as manifests spell it: `b3-16`, `cpu=4B,memory=4GiB`",
        )),
        DRY_RUN,
        TIMEOUT,
        BY,
    ],
    role: editor_of_made,
    confirm: Confirm::Yes(Question {
        command: "instance resize",
        ask: "Resize {}?",
        unasked: "{} would be away for some minutes, and nobody can be asked here",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(resize_instance::resize(handle, asked)),
    ..instance_verb(
        "instance_resize",
        "resize",
        "Gives a server another size, or writes it into the manifest that made it",
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
            "What the other one is called: at its vendor, or by its manifest where a manifest made the first",
        )),
        DRY_RUN,
        TIMEOUT,
        BY,
    ],
    role: editor_of_made,
    confirm: Confirm::Yes(Question {
        command: "instance clone",
        ask: "Clone {}?",
        unasked: "another server would be made of {} and billed, and nobody can be asked here",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(clone_instance::clone(handle, asked)),
    ..instance_verb(
        "instance_clone",
        "clone",
        "Makes another server like one, or writes a second manifest of one that a manifest made",
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
            "From which image, by name or id; of one that a manifest made, its image",
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
        unasked: "{} would lose what is on its disk, and nobody can be asked here",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(rebuild_instance::rebuild(handle, asked)),
    ..instance_verb("instance_rebuild", "rebuild", "Installs a server again; what is on its disk is lost")
};

/// Takes snapshots of servers.
pub static INSTANCE_SNAPSHOT: VerbRow = VerbRow {
    args: &[
        INSTANCES,
        typed(
            arg(SNAPSHOT_NAME, ArgShape::TextOrNull),
            "name",
            "TEXT",
            "What the snapshot is called [default: after the server and the minute]",
        ),
        TIMEOUT,
        BY,
    ],
    role: operator_of_managed,
    run: |handle, asked| Box::pin(instances::act(handle, asked, InstanceDeed::Snapshot)),
    ..instance_verb("instance_snapshot", "snapshot", "Keeps what is on a server's disk as an image, which is billed")
};

/// Shows the screen of a server.
pub static INSTANCE_CONSOLE: VerbRow = VerbRow {
    args: &[INSTANCE, BY],
    role: operator_of_managed,
    run: |handle, asked| Box::pin(console_instance::console(handle, asked)),
    ..instance_verb("instance_console", "console", "Prints an address that shows the screen of a server for a while")
};

impl VerbRow {
    /// Whether its answer opens something by itself: nothing keeps it.
    pub fn answers_a_credential(&self) -> bool {
        [INSTANCE_CONSOLE.word, POOL_RESERVE.word].contains(&self.word)
    }
}
