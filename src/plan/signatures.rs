//! Marks that get a signature of the key that signs now: after an upgrade, or a new key. Visible, and few at a time.

use super::Input;
use crate::model::{Change, Kind, Note, Plan, Seen, Verb};

/// So many in one look: each is a write at a vendor that counts them, and what else is planned goes on beside them.
const SIGNATURES_MAX: usize = 50;

/// What is to be said of a record's mark that is not signed as it would be now.
pub fn of(seen: &Seen) -> Option<&str> {
    seen.fields.text("signature")
}

/// Leaves for later looks what is more than one look may sign.
pub fn leave(input: &Input<'_>, plan: &mut Plan) {
    let mut signed = 0;
    let mut left = 0;
    plan.changes.retain(|change| {
        if !change.is_now() || !is_signature(input, change) {
            return true;
        }
        let is_more = signed == SIGNATURES_MAX;
        *(if is_more { &mut left } else { &mut signed }) += 1;
        !is_more
    });
    if left > 0 {
        let text = format!("{left} more marks are signed after these, {SIGNATURES_MAX} in one look");
        plan.notes.push(Note { service: String::new(), address: None, text });
        plan.notes.sort();
    }
}

/// Whether nothing but the signature of a mark changes.
fn is_signature(input: &Input<'_>, change: &Change) -> bool {
    let Verb::Update(fields) = &change.verb else { return false };
    let has_one = || input.world.seen.get(&change.address).and_then(of).is_some();
    change.address.kind == Kind::Record && fields.names().all(|name| &**name == "mark") && has_one()
}
