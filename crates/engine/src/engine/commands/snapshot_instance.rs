//! What a snapshot of a server is called. Pure.

use super::act::ActArgs;
use super::instances::{NotAsked, refusal};
use crate::engine::report::instances::InstanceRow;
use amarre_core::model::{Code, Timestamp};
use amarre_core::text;

/// The argument of the name of a snapshot.
pub const SNAPSHOT_NAME: &str = "name";
/// No vendor is known to take longer ones.
const SNAPSHOT_NAME_CHARS_MAX: usize = 64;
/// At the end of a name it says that a shelved server comes back from it.
pub(super) const SHELF_NAME: &str = "-shelved";

fn is_of_snapshot_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || " -_.".contains(letter)
}

/// Whether a snapshot may be called so.
pub(super) fn is_name(name: &str) -> Result<(), NotAsked> {
    let is_name = !name.trim().is_empty() && name.chars().all(is_of_snapshot_name);
    if is_name && name.len() <= SNAPSHOT_NAME_CHARS_MAX && !name.ends_with(SHELF_NAME) {
        return Ok(());
    }
    let hint = format!(
        "1 to {SNAPSHOT_NAME_CHARS_MAX} of A-Z, a-z, 0-9, space, `-`, `_` and `.`, without `{SHELF_NAME}` at the end; or leave out --name"
    );
    Err(refusal(Code::A0461, text!("`{name}` is no name of a snapshot", name), hint))
}

/// What a snapshot is called: as asked, else after the server and the minute.
pub(super) fn name(row: &InstanceRow, args: &ActArgs, now: Timestamp) -> String {
    let minute: String = now.rfc3339().chars().take("2026-12-07T05:00".len()).filter(|letter| *letter != ':').collect();
    let of = row.vendor_name.chars().filter(|letter| is_of_snapshot_name(*letter));
    let of: String = of.take(SNAPSHOT_NAME_CHARS_MAX - minute.len() - 1).collect();
    args.given(SNAPSHOT_NAME).map_or_else(|| format!("{of}-{minute}"), str::to_owned)
}
