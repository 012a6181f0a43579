//! What a cloud rents out, typed alike for every vendor: a server, and how much of it is on.

use crate::model::world::Applied;
use crate::model::{Field, Kind, KindSchema, Millis, Rule, Timestamp};

/// Words of the field `power`.
pub mod power {
    pub const ON: &str = "on";
    /// It is shut down, and the vendor keeps its place.
    pub const OFF: &str = "off";
    /// It is a snapshot without a place: the vendor bills storage only.
    pub const SHELVED: &str = "shelved";
}

/// In the ledger's row of a server: since when its vendor carries out its deletion, in milliseconds since 1970.
pub const DELETING: &str = "deleting";
/// A deletion that the vendor has accepted shows within this time, or has come to nothing.
pub const DELETED_WITHIN: Millis = Millis::minutes(10);

/// Since when the vendor carries out the deletion of a server, by the ledger's row. `None`: there is none.
pub fn deleting_since(row: &Applied) -> Option<Timestamp> {
    row.fields.get(DELETING)?.as_int().map(Timestamp)
}

/// Until when that deletion is waited for.
pub fn deleted_by(row: &Applied) -> Option<Timestamp> {
    deleting_since(row).map(|since| since + DELETED_WITHIN)
}

/// A server that was there before its manifest. Only its power is ever changed; of one that is on its way from one power to
/// another, the field is absent.
pub const INSTANCE: KindSchema = KindSchema {
    kind: Kind::Instance,
    fields: &[
        // The vendor's name of it, which need not be unique.
        Field::new("name", Rule::Observed),
        // A word of `power`.
        Field::new("power", Rule::Update),
        // The vendor's own word: `SHUTOFF`.
        Field::new("status", Rule::Observed),
        // The vendor's name of its size: `b3-8`.
        Field::new("type", Rule::Observed),
        // Whether it has disks in its host, which no snapshot keeps; absent where that is not known.
        Field::new("local_disks", Rule::Observed),
        // The project by its id, and as people call it.
        Field::new("project", Rule::Observed),
        Field::new("project_name", Rule::Observed),
        Field::new("region", Rule::Observed),
        // Its public addresses.
        Field::new("addresses", Rule::Observed),
        // The first of them of IPv4, and of IPv6: what records and routes lead to.
        Field::new("address", Rule::Observed),
        Field::new("address_v6", Rule::Observed),
        // `false`: it runs, and does not answer what its manifest says of `ready`. Found by Amarre, not by the vendor.
        Field::new("answers", Rule::Observed),
        // When it was made, in RFC 3339.
        Field::new("created", Rule::Observed),
        // `hour` or `month`.
        Field::new("billing", Rule::Observed),
        // What the vendor takes for that, in 10⁻⁸ of its currency, without tax; absent where it is not known.
        Field::new("price", Rule::Observed),
        // What it takes while the server is off and keeps its place; absent where it is not known.
        Field::new("price_off", Rule::Observed),
        Field::new("currency", Rule::Observed),
    ],
    claims: None,
};

/// A server that Amarre makes. What cannot be read back (at Kamatera its image, at both its key) is observed as it was applied.
pub const SERVER: KindSchema = KindSchema {
    kind: Kind::Server,
    fields: &[
        // The vendor's name of it, by which it is found again: `build-1-3fa9`.
        Field::new("name", Rule::Update),
        // A size is changed while the server is down.
        Field::new("type", Rule::Update),
        Field::new("power", Rule::Update),
        // What a server keeps for life: another one would have to be made.
        Field::new("project", Rule::Fixed),
        Field::new("region", Rule::Fixed),
        Field::new("image", Rule::Fixed),
        Field::new("ssh_key", Rule::Fixed),
        // A digest of what its first boot was handed; that itself goes with a create.
        Field::new("user_data", Rule::Fixed),
        Field::new("user_data_text", Rule::Observed),
        Field::new("status", Rule::Observed),
        Field::new("local_disks", Rule::Observed),
        Field::new("project_name", Rule::Observed),
        Field::new("addresses", Rule::Observed),
        Field::new("address", Rule::Observed),
        Field::new("address_v6", Rule::Observed),
        Field::new("answers", Rule::Observed),
        Field::new("created", Rule::Observed),
        Field::new("billing", Rule::Observed),
        Field::new("price", Rule::Observed),
        Field::new("price_off", Rule::Observed),
        Field::new("currency", Rule::Observed),
    ],
    claims: None,
};
