//! The reads of servers at clouds.

use super::{
    CURSOR, PAGE, ReadArg, ReadCall, ReadForm, ReadRow, ReadRun, ReadSchema, ReadShape, arg, command, page, read,
    reported, required, short, typed, usually,
};
use crate::engine::commands::CommandAnswer;
use crate::engine::commands::instance_answers::{self as answers, LOG_LINES};
use crate::engine::report::instances::{self, InstanceState, InstancesQuery};
use crate::engine::report::pass_view::PassView;

pub(super) const ROWS: &[&ReadRow] = &[&INSTANCES, &INSTANCE, &SCHEDULE, &INSTANCE_LOGS, &MANIFESTS];

const NAME: ReadArg = required(typed(
    arg("name", ReadShape::Text, "The name of its manifest, `CLOUD:ID`, or a vendor's name that only one has"),
    "",
    "INSTANCE",
    "Name of its manifest, `CLOUD:ID`, or a unique vendor's name",
));
const NO_INSTANCE: (u16, &str) = (404, "A1002: there is no such instance");
const Q: ReadArg = typed(
    arg("q", ReadShape::Text, "Part of a name, an id, an address or a size"),
    "",
    "TEXT",
    "Part of a name, an address or a size",
);
const CLOUD: ReadArg =
    typed(arg("cloud", ReadShape::Text, "Only of this cloud"), "cloud", "CLOUD", "Only of this cloud");
const PROJECT: ReadArg =
    typed(arg("project", ReadShape::Text, "Only of this project"), "project", "PROJECT", "Only of this project");
const REGION: ReadArg =
    typed(arg("region", ReadShape::Text, "Only in this region"), "region", "REGION", "Only in this region");
const STATE: ReadArg = typed(
    arg("state", ReadShape::Word(states), "Only in this state"),
    "state",
    "STATE",
    "Only in this state: on, off, shelved, changing, error, unknown, missing",
);
const MANAGED: ReadArg = typed(
    arg("managed", ReadShape::Word(yes_or_no), "Only those with a manifest, or without"),
    "managed",
    "yes|no",
    "Only those with a manifest (yes), or without (no)",
);
const SORT: ReadArg = typed(
    arg("sort", ReadShape::Word(sorts), "By what; with `-`, the other way round"),
    "sort",
    "KEY",
    "Sort by name, cloud, project, region, state, type or created; `-` reverses the order",
);
const WIDE: ReadArg = short(
    typed(arg("wide", ReadShape::Flag, "In the text, addresses and ids as well"), "wide", "", "Show addresses and ids"),
    'w',
);

fn states() -> Vec<String> {
    InstanceState::ALL.map(|state| state.word().to_owned()).to_vec()
}

fn yes_or_no() -> Vec<String> {
    vec!["yes".to_owned(), "no".to_owned()]
}

fn sorts() -> Vec<String> {
    instances::SORTS.into_iter().flat_map(|sort| [sort.to_owned(), format!("-{sort}")]).collect()
}

fn query(call: &ReadCall<'_>) -> InstancesQuery {
    let text = |name: &str| call.args.text(name).to_owned();
    InstancesQuery {
        q: text("q"),
        cloud: text("cloud"),
        project: text("project"),
        region: text("region"),
        state: text("state"),
        managed: text("managed"),
        sort: text("sort"),
    }
}

static INSTANCES: ReadRow = ReadRow {
    args: &[Q, CLOUD, PROJECT, REGION, STATE, MANAGED, SORT, WIDE, PAGE, CURSOR],
    refuses: &[(404, "A1002: there is no such cloud, where a text is asked for")],
    beside: Some(|handle| Box::pin(answers::read_prices(handle))),
    command: command("instance", "list", "List the servers of all clouds"),
    ..read(
        "instances",
        "/api/v1/instances",
        "The servers of all clouds, those that are asked for",
        ReadSchema::Named(&["Instances"]),
        ReadRun::OfPass(list),
    )
};

fn list(call: &ReadCall<'_>, pass: &PassView) -> CommandAnswer {
    let of = query(call);
    if call.form == ReadForm::Text {
        return answers::list(pass, &of, call.args.flag("wide"), call.style);
    }
    let rows = of.select(pass);
    let document = instances::document(pass, &rows, page(call, rows.len()));
    CommandAnswer { document, text: String::new(), exit: 0 }
}

/// One server.
pub static INSTANCE: ReadRow = ReadRow {
    args: &[NAME],
    refuses: &[NO_INSTANCE],
    beside: Some(|handle| Box::pin(answers::read_prices(handle))),
    command: command("instance", "show", "Show all details of one server"),
    ..read(
        "instance",
        "/api/v1/instances/{name}",
        "One server with what happened to it last",
        ReadSchema::Named(&["InstanceWithEvents"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let (pass, name) = (call.handle.last_pass().0, call.args.text("name"));
                reported(answers::show(call.handle.ledger(), &pass, name, call.style).await)
            })
        }),
    )
};

static SCHEDULE: ReadRow = ReadRow {
    args: &[NAME],
    refuses: &[NO_INSTANCE, (409, "A0461: it has no timetable")],
    command: command("instance", "schedule", "Print the next ten ticks of its timetable"),
    ..read(
        "instance_schedule",
        "/api/v1/instances/{name}/schedule",
        "The next ticks of a server's timetable",
        ReadSchema::Named(&["InstanceSchedule"]),
        ReadRun::OfPass(|call, pass| answers::schedule(pass, call.handle.now(), call.args.text("name"), call.style)),
    )
};

static INSTANCE_LOGS: ReadRow = ReadRow {
    args: &[
        NAME,
        usually(
            short(
                typed(
                    arg(
                        "lines",
                        ReadShape::Number(1, u32::MAX as u64),
                        "The last so many, 50 if not said, at most 500",
                    ),
                    "lines",
                    "LINES",
                    "Number of lines",
                ),
                'n',
            ),
            "50",
        ),
    ],
    refuses: &[NO_INSTANCE],
    command: command(
        "instance",
        "logs",
        "Show the requests to its vendor, with the vendor's id of each, and the changes of its status",
    ),
    ..read(
        "instance_logs",
        "/api/v1/instances/{name}/logs",
        "Requests, answers and changes of status of a server",
        ReadSchema::Named(&["InstanceLog"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let (pass, name) = (call.handle.last_pass().0, call.args.text("name"));
                let lines = call.args.number("lines").unwrap_or(LOG_LINES);
                reported(answers::logs(call.handle.ledger(), &pass, name, lines, call.style).await)
            })
        }),
    )
};

static MANIFESTS: ReadRow = ReadRow {
    args: &[Q, CLOUD, PROJECT, REGION, STATE, MANAGED, SORT],
    refuses: &[(409, "A0108: there are more than one file may hold")],
    command: command("instance", "manifests", "Print manifests for servers without one; applying them changes nothing"),
    ..read(
        "instance_manifests",
        "/api/v1/instance-manifests",
        "Manifests of servers that have none, with which nothing changes",
        ReadSchema::Named(&["InstanceManifests"]),
        ReadRun::OfPass(|call, pass| answers::manifests(pass, &query(call))),
    )
};
