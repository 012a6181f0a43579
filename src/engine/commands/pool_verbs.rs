//! The rows of the table of verbs about pools.

use super::act::{ActArgs, ArgRow, ArgShape, Confirm, Deed, PoolVerb, Question, Subject, VerbRow};
use super::verbs::{BY, DRY_RUN, TIMEOUT, admin, arg, operator, required, typed};
use super::{pool_ends, pool_machines, pools};
use crate::accounts::Role;

const POOL: ArgRow = required(typed(arg("pool", ArgShape::Text), "", "POOL", "Which pool"));
const RESERVATIONS: ArgRow = typed(arg("reservations", ArgShape::Texts), "", "RESERVATION", "Which, as `r41`");
const MACHINES: ArgRow = required(typed(arg("machines", ArgShape::Texts), "", "MACHINE", "Which machines"));
const OTHERS: ArgRow = typed(arg("others", ArgShape::Flag), "others", "", "Also what other people reserved");
const ALL: ArgRow = typed(arg("all", ArgShape::Flag), "all", "", "Everything that you reserved in this pool");

/// What is one's own is for everybody, what others have for operators.
fn operator_of_others(args: &ActArgs, _: bool) -> Role {
    if args.flag("others") { Role::Operator } else { Role::Member }
}

const fn pool_verb(word: &'static str, path: &'static str, summary: &'static str) -> VerbRow {
    VerbRow {
        word,
        subject: Subject::Pool(PoolVerb { word: path, summary }),
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
        typed(arg("count", ArgShape::Count), "count", "N", "How many machines; 1 if not set"),
        typed(arg("for_ms", ArgShape::Span), "for", "TIME", "For how long: 2h, 90m; else as its manifest says"),
        typed(
            arg("from_ms", ArgShape::Until),
            "from",
            "TIME",
            "From when, if not from now: 18:00, \"2026-11-30 18:00\"",
        ),
        typed(
            arg("user", ArgShape::TextOrNull),
            "user",
            "NAME",
            "The account on the machines; else what stands before the `@` of your address",
        ),
        typed(
            arg(pools::PUBLIC_KEY, ArgShape::TextOrNull),
            "key",
            "KEY",
            "A public key, or a file with one; without it a password is made and shown once",
        ),
        typed(
            arg(pools::USERS, ArgShape::Texts),
            "users",
            "USERS",
            "One machine for each of several people: names or addresses, or a file with a line each",
        ),
        typed(arg("every", ArgShape::TextOrNull), "every", "day|week", "The same again each day or week; with --times"),
        typed(arg("times", ArgShape::Count), "times", "N", "How often in all, at most 60"),
        arg("password", ArgShape::TextOrNull),
        typed(arg("partial", ArgShape::Flag), "partial", "", "Fewer machines will do"),
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
        typed(arg("by_ms", ArgShape::Span), "by", "TIME", "How much longer: 1h; else as a new one lasts"),
        OTHERS,
        BY,
    ],
    role: operator_of_others,
    run: |handle, asked| Box::pin(pools::answer_of(pools::extend(handle, asked))),
    ..pool_verb("pool_extend", "extend", "Lets a reservation last longer, if its machines are not promised to others")
};

/// Ends reservations.
pub static POOL_RELEASE: VerbRow = VerbRow {
    args: &[POOL, RESERVATIONS, ALL, OTHERS, TIMEOUT, BY],
    role: operator_of_others,
    run: |handle, asked| Box::pin(pools::answer_of(pools::release(handle, asked))),
    ..pool_verb("pool_release", "release", "Gives machines back, or leaves the queue")
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
        unasked: "host keys would be trusted that nobody has compared, and nobody can be asked here",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(pools::answer_of(pools::trust(handle, asked))),
    ..pool_verb("pool_trust", "trust", "Pins the host keys that machines show")
};

/// Forgets a person.
pub static POOL_FORGET: VerbRow = VerbRow {
    args: &[POOL, required(typed(arg("person", ArgShape::Text), "", "PERSON", "As `history` names who reserved")), BY],
    role: admin,
    run: |handle, asked| Box::pin(pools::answer_of(pools::forget(handle, asked))),
    ..pool_verb("pool_forget", "forget", "Takes a person's name out of the history of a pool")
};

/// Gives machines out again.
pub static POOL_ENABLE: VerbRow = pool_verb("pool_enable", "enable", "Puts machines into service again");

/// Gives machines out no more.
pub static POOL_DISABLE: VerbRow = VerbRow {
    run: |handle, asked| Box::pin(pools::answer_of(pools::set_enabled(handle, asked, false))),
    ..pool_verb("pool_disable", "disable", "Takes machines out of service; who has one keeps it until the end")
};

/// Leaves the queue.
pub static POOL_LEAVE: VerbRow = VerbRow {
    args: &[POOL, RESERVATIONS, OTHERS, BY],
    role: operator_of_others,
    run: |handle, asked| Box::pin(pools::answer_of(pool_ends::leave(handle, asked))),
    ..pool_verb("pool_leave", "leave", "Leaves the queue; what has its machines is released")
};

/// Puts machines into a pool: its manifest is written.
pub static POOL_REGISTER: VerbRow = VerbRow {
    args: &[
        POOL,
        typed(arg("name", ArgShape::TextOrNull), "", "NAME", "What the machine is called in the pool"),
        typed(arg("address", ArgShape::TextOrNull), "", "ADDRESS", "Its IP address, or a name"),
        typed(arg("port", ArgShape::Count), "port", "PORT", "Where its sshd listens; 22 if not set"),
        typed(arg("user", ArgShape::TextOrNull), "user", "NAME", "As whom Amarre signs in; root if not set"),
        typed(
            arg(pool_machines::PASSWORD, ArgShape::TextOrNull),
            "password-file",
            "FILE",
            "A file with that user's password, `-` for the standard input; without it, Amarre's key signs in",
        ),
        typed(
            arg("host_key", ArgShape::TextOrNull),
            "host-key",
            "KEY",
            "The host key that it has, as `ssh-ed25519 AAAA…`; without it, `amarre pool trust` comes next",
        ),
        typed(
            arg(pool_machines::LIST, ArgShape::TextOrNull),
            "file",
            "FILE",
            "Several machines, a line each: name host port user password; `-` for the standard input",
        ),
        BY,
    ],
    role: admin,
    run: |handle, asked| Box::pin(pools::answer_of(pool_machines::register(handle, asked))),
    ..pool_verb(
        "pool_register",
        "register",
        "Puts machines into a pool: its manifest is written, a password becomes a secret",
    )
};

/// Takes machines out of a pool: its manifest is written.
pub static POOL_UNREGISTER: VerbRow = VerbRow {
    args: &[
        POOL,
        MACHINES,
        typed(arg("drain", ArgShape::Flag), "drain", "", "Wait until nobody has them; they are given out no more"),
        TIMEOUT,
        BY,
    ],
    role: admin,
    run: |handle, asked| Box::pin(pools::answer_of(pool_machines::unregister(handle, asked))),
    ..pool_verb("pool_unregister", "unregister", "Takes machines out of a pool: its manifest is written")
};

/// Ends what is on machines, and looks at them again.
pub static POOL_REPROVISION: VerbRow = VerbRow {
    args: &[POOL, MACHINES, DRY_RUN, TIMEOUT, BY],
    confirm: Confirm::Yes(Question {
        command: "pool reprovision",
        ask: "End it, and clean them?",
        unasked: "reservations would end before their time, and nobody can be asked here",
        exit: 0,
    }),
    run: |handle, asked| Box::pin(pools::answer_of(pool_ends::reprovision(handle, asked))),
    ..pool_verb("pool_reprovision", "reprovision", "Ends what is on machines, cleans them, and looks at them again")
};
