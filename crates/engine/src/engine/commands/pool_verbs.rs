//! The rows of the table of verbs about pools.

use super::act::{ActArgs, ArgRow, ArgShape, Confirm, Deed, GroupVerb, Question, Subject, VerbRow};
use super::verbs::{BY, DRY_RUN, TIMEOUT, admin, arg, operator, required, typed};
use super::{pool_ends, pool_machines, pools};
use crate::accounts::Role;

const POOL: ArgRow = required(typed(arg("pool", ArgShape::Text), "", "POOL", "Name of the pool"));
const RESERVATIONS: ArgRow =
    typed(arg("reservations", ArgShape::Texts), "", "RESERVATION", "Reservation, such as `r41`");
const MACHINES: ArgRow = required(typed(arg("machines", ArgShape::Texts), "", "MACHINE", "Names of the machines"));
const OTHERS: ArgRow = typed(arg("others", ArgShape::Flag), "others", "", "Include reservations of other people");
const ALL: ArgRow = typed(arg("all", ArgShape::Flag), "all", "", "All of your reservations in this pool");

/// What is one's own is for everybody, what others have for operators.
fn operator_of_others(args: &ActArgs, _: bool) -> Role {
    if args.flag("others") { Role::Operator } else { Role::Member }
}

const fn pool_verb(word: &'static str, path: &'static str, summary: &'static str) -> VerbRow {
    VerbRow {
        word,
        subject: Subject::Pool(GroupVerb { word: path, summary }),
        deed: Deed::Fact,
        args: &[POOL, MACHINES, BY],
        role: operator,
        confirm: Confirm::None,
        about: None,
        run: |handle, asked| Box::pin(pools::answer_of(pools::set_enabled(handle, asked, true))),
    }
}

/// Reserves machines of a pool.
pub static POOL_RESERVE: VerbRow = VerbRow {
    args: &[
        POOL,
        typed(arg("count", ArgShape::Count), "count", "N", "Number of machines; 1 by default"),
        typed(arg("for_ms", ArgShape::Span), "for", "TIME", "Duration: 2h, 90m; by default as the manifest says"),
        typed(arg("from_ms", ArgShape::Until), "from", "TIME", "Start, now by default: 18:00, \"2026-11-30 18:00\""),
        typed(
            arg("user", ArgShape::TextOrNull),
            "user",
            "NAME",
            "Account on the machines; by default the part of your address before the `@`",
        ),
        typed(
            arg(pools::PUBLIC_KEY, ArgShape::TextOrNull),
            "key",
            "KEY",
            "Public key, or a file with one; without it Amarre generates a password and shows it once",
        ),
        typed(
            arg(pools::USERS, ArgShape::Texts),
            "users",
            "USERS",
            "One machine for each of several people: names or addresses, or a file with one per line",
        ),
        typed(arg("every", ArgShape::TextOrNull), "every", "day|week", "Repeat each day or week; with --times"),
        typed(arg("times", ArgShape::Count), "times", "N", "Number of repetitions in total, at most 60"),
        arg("password", ArgShape::TextOrNull),
        typed(arg("partial", ArgShape::Flag), "partial", "", "Accept fewer machines"),
        TIMEOUT,
        BY,
    ],
    role: |args, _| if args.texts(pools::USERS).is_empty() { Role::Member } else { Role::Operator },
    run: |handle, asked| Box::pin(pools::answer_of(pools::reserve(handle, asked))),
    ..pool_verb("pool_reserve", "reserve", "Reserves machines of a pool for a time")
};

/// Lets reservations last longer.
pub static POOL_EXTEND: VerbRow = VerbRow {
    args: &[
        POOL,
        RESERVATIONS,
        typed(arg("by_ms", ArgShape::Span), "by", "TIME", "Additional time: 1h; by default the duration of a new one"),
        OTHERS,
        BY,
    ],
    role: operator_of_others,
    run: |handle, asked| Box::pin(pools::answer_of(pools::extend(handle, asked))),
    ..pool_verb("pool_extend", "extend", "Extends a reservation, if no one else has booked its machines")
};

/// Ends reservations.
pub static POOL_RELEASE: VerbRow = VerbRow {
    args: &[POOL, RESERVATIONS, ALL, OTHERS, TIMEOUT, BY],
    role: operator_of_others,
    run: |handle, asked| Box::pin(pools::answer_of(pools::release(handle, asked))),
    ..pool_verb("pool_release", "release", "Releases machines, or leaves the queue")
};

/// Pins host keys.
pub static POOL_TRUST: VerbRow = VerbRow {
    args: &[
        POOL,
        MACHINES,
        typed(
            arg(pools::FINGERPRINTS, ArgShape::Texts),
            "fingerprint",
            "SHA256:…",
            "Trust only keys with these fingerprints, as `ssh-keygen -l` prints them on the machines",
        ),
        DRY_RUN,
        BY,
    ],
    role: admin,
    confirm: Confirm::Yes(Question {
        command: "pool trust",
        ask: "Trust them?",
        unasked: "host keys would be trusted without being compared, and there is no terminal to ask at",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(pools::answer_of(pools::trust(handle, asked))),
    ..pool_verb("pool_trust", "trust", "Pins the host keys that machines show")
};

/// Forgets a person.
pub static POOL_FORGET: VerbRow = VerbRow {
    args: &[POOL, required(typed(arg("person", ArgShape::Text), "", "PERSON", "User, as `history` shows it")), BY],
    role: admin,
    run: |handle, asked| Box::pin(pools::answer_of(pools::forget(handle, asked))),
    ..pool_verb("pool_forget", "forget", "Deletes a person's name from the history of a pool")
};

/// Gives machines out again.
pub static POOL_ENABLE: VerbRow = pool_verb("pool_enable", "enable", "Puts machines back into service");

/// Gives machines out no more.
pub static POOL_DISABLE: VerbRow = VerbRow {
    run: |handle, asked| Box::pin(pools::answer_of(pools::set_enabled(handle, asked, false))),
    ..pool_verb("pool_disable", "disable", "Takes machines out of service; their users keep them until the end")
};

/// Leaves the queue.
pub static POOL_LEAVE: VerbRow = VerbRow {
    args: &[POOL, RESERVATIONS, OTHERS, BY],
    role: operator_of_others,
    run: |handle, asked| Box::pin(pools::answer_of(pool_ends::leave(handle, asked))),
    ..pool_verb("pool_leave", "leave", "Leaves the queue; use `release` for a reservation that has its machines")
};

/// Puts machines into a pool: its manifest is written.
pub static POOL_REGISTER: VerbRow = VerbRow {
    args: &[
        POOL,
        typed(arg("name", ArgShape::TextOrNull), "", "NAME", "Name of the machine in the pool"),
        typed(arg("address", ArgShape::TextOrNull), "", "ADDRESS", "Its IP address, or a name"),
        typed(arg("port", ArgShape::Count), "port", "PORT", "Port of its sshd; 22 by default"),
        typed(arg("user", ArgShape::TextOrNull), "user", "NAME", "User as which Amarre signs in; root by default"),
        typed(
            arg(pool_machines::PASSWORD, ArgShape::TextOrNull),
            "password-file",
            "FILE",
            "File with that user's password, `-` for standard input; without it, Amarre uses its key",
        ),
        typed(
            arg("host_key", ArgShape::TextOrNull),
            "host-key",
            "KEY",
            "Host key of the machine, `ssh-ed25519 AAAA…`; without it, run `amarre pool trust` next",
        ),
        typed(
            arg(pool_machines::LIST, ArgShape::TextOrNull),
            "file",
            "FILE",
            "File with several machines, one per line: name host port user password; `-` for standard input",
        ),
        BY,
    ],
    role: admin,
    run: |handle, asked| Box::pin(pools::answer_of(pool_machines::register(handle, asked))),
    ..pool_verb("pool_register", "register", "Adds machines to a pool's manifest; a password becomes a secret")
};

/// Takes machines out of a pool: its manifest is written.
pub static POOL_UNREGISTER: VerbRow = VerbRow {
    args: &[
        POOL,
        MACHINES,
        typed(
            arg("drain", ArgShape::Flag),
            "drain",
            "",
            "Wait until their reservations are over; Amarre gives them out no more",
        ),
        TIMEOUT,
        BY,
    ],
    role: admin,
    run: |handle, asked| Box::pin(pools::answer_of(pool_machines::unregister(handle, asked))),
    ..pool_verb("pool_unregister", "unregister", "Removes machines from a pool's manifest")
};

/// Ends what is on machines, and looks at them again.
pub static POOL_REPROVISION: VerbRow = VerbRow {
    args: &[POOL, MACHINES, DRY_RUN, TIMEOUT, BY],
    confirm: Confirm::Yes(Question {
        command: "pool reprovision",
        ask: "End it, and clean them?",
        unasked: "reservations would end before their time, and there is no terminal to ask at",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(pools::answer_of(pool_ends::reprovision(handle, asked))),
    ..pool_verb(
        "pool_reprovision",
        "reprovision",
        "Ends the reservations of machines, removes the accounts, and checks the machines again",
    )
};
