//! The reads of pools.

use super::{
    ReadArg, ReadRow, ReadRun, ReadSchema, ReadShape, arg, command, of_struct, read, reported, required, typed,
};
use crate::accounts::Role;
use crate::engine::commands::pools;
use crate::engine::report::pool_documents::{PoolDocument, PoolsDocument, ReservationsDocument};

pub(super) const ROWS: &[&ReadRow] = &[&POOLS, &POOL, &POOL_HISTORY, &POOL_KEY];

const POOL_NAME: ReadArg = required(typed(arg("name", ReadShape::Text, "Its name"), "", "POOL", "Name of the pool"));
const REFUSES: &[(u16, &str)] = &[(404, "A1002: there is no such pool")];

static POOLS: ReadRow = ReadRow {
    role: Some(Role::Member),
    command: command("pool", "list", "List the pools"),
    ..read(
        "pools",
        "/api/v1/pools",
        "All pools",
        of_struct::<PoolsDocument>(),
        ReadRun::OfPass(|call, pass| pools::list(pass, call.style)),
    )
};

static POOL: ReadRow = ReadRow {
    args: &[POOL_NAME],
    role: Some(Role::Member),
    refuses: REFUSES,
    command: command("pool", "show", "Show one pool with its machines and reservations"),
    ..read(
        "pool",
        "/api/v1/pools/{name}",
        "One pool with its machines and reservations",
        of_struct::<PoolDocument>(),
        ReadRun::OfPass(|call, pass| pools::show(pass, call.args.text("name"), call.style)),
    )
};

static POOL_HISTORY: ReadRow = ReadRow {
    args: &[POOL_NAME],
    role: Some(Role::Viewer),
    refuses: REFUSES,
    command: command("pool", "history", "Show past reservations: who had which machines, and when"),
    ..read(
        "pool_history",
        "/api/v1/pools/{name}/history",
        "Who had which machines of a pool",
        of_struct::<ReservationsDocument>(),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let (pass, name) = (call.handle.last_pass().0, call.args.text("name"));
                reported(pools::history(call.handle.ledger(), &pass, name, call.style).await)
            })
        }),
    )
};

static POOL_KEY: ReadRow = ReadRow {
    is_private: true,
    refuses: &[(409, "A0765: there are no pools, or the key cannot be read")],
    command: command("pool", "key", "Print Amarre's public key, for authorized_keys on the machines"),
    ..read(
        "pool_key",
        "/api/v1/pool-key",
        "The line that lets Amarre into machines",
        ReadSchema::Named(&["PublicKey"]),
        ReadRun::Waits(|call| Box::pin(async { reported(pools::key(&call.handle.last_pass().0).await) })),
    )
};
