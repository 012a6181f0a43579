//! Values of what DNS holds.

use amarre_core::model::Kind;

use super::{ALWAYS, KindTables, SampleRow};

/// Of a record set.
const RECORD: &[SampleRow] = &[
    ("values", &[r#"{"list":[{"text":"192.0.2.1"}]}"#, r#"{"list":[{"text":"192.0.2.2"},{"text":"192.0.2.3"}]}"#]),
    ("ttl", &[r#"{"int":60}"#, r#"{"int":7200}"#]),
    ("mark", ALWAYS),
];

/// The kinds of this file.
pub const KINDS: &[KindTables] = &[(Kind::Record, &[RECORD])];
