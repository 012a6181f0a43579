//! What a machine of a pool holds: the machine itself, and accounts for the time of a reservation.

use crate::model::{Field, Kind, KindSchema, Rule};

/// A machine as it says of itself.
pub const MACHINE: KindSchema = KindSchema {
    kind: Kind::Machine,
    fields: &[
        // `Debian GNU/Linux 12 (bookworm)`.
        Field::new("system", Rule::Observed),
        // KiB that are free where homes are.
        Field::new("free", Rule::Observed),
        // By how many seconds its clock is ahead of Amarre's.
        Field::new("clock", Rule::Observed),
        // Whether it ends an account by itself on the day after its time.
        Field::new("expires", Rule::Observed),
        // The accounts that are not Amarre's.
        Field::new("users", Rule::Observed),
        // Those of them that have a mark which Amarre did not write.
        Field::new("unproven", Rule::Observed),
        // Another machine of its pool with the same host keys: one is a copy.
        Field::new("twin", Rule::Observed),
        // When it was last looked at, in milliseconds since 1970.
        Field::new("looked_ms", Rule::Observed),
    ],
    claims: None,
};

/// An account, as its mark on the machine says.
pub const ACCOUNT: KindSchema = KindSchema {
    kind: Kind::Account,
    fields: &[
        // Its number on the machine.
        Field::new("uid", Rule::Fixed),
        // `r41`.
        Field::new("reservation", Rule::Fixed),
        // When it ends, in milliseconds since 1970.
        Field::new("until_ms", Rule::Update),
        // How it signs in: a public key, a password's crypt hash, or both.
        Field::new("sign_in", Rule::Update),
        // Its shell; where the machine lacks it, it has another one.
        Field::new("shell", Rule::Observed),
        // Whether it may do everything, by `sudo`.
        Field::new("sudo", Rule::Observed),
    ],
    claims: None,
};
