//! Marks that get a signature of the key that signs now: after an upgrade, or a new key. Visible, and few at a time.

use crate::model::{Change, Kind, Note, Plan, Refusal, Seen, Verb};
use crate::plan::diff::reason;
use crate::plan::input::Input;
use crate::text;

/// The most in one look: each is a write at a vendor that counts them, and what else is planned goes on beside them.
const SIGNATURES_MAX: usize = 50;

/// Leaves for later looks what is more than one look may sign. Where nothing is written, in `mode: report`, the missing
/// signature is no drift: the record is as its manifest says. One note counts such marks.
pub fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    let mut signed = 0;
    let mut left = 0;
    let mut reported = 0;
    plan.changes.retain(|change| {
        let is_reported = change.refusal().is_some_and(Refusal::is_report);
        if !(change.is_now() || is_reported) || !is_signature(input, change) {
            return true;
        }
        if is_reported {
            reported += 1;
            return false;
        }
        let is_more = signed == SIGNATURES_MAX;
        *(if is_more { &mut left } else { &mut signed }) += 1;
        !is_more
    });
    let more = text!(
        left;
        "1 more mark is signed after these, {most} in one look",
        "{left} more marks are signed after these, {most} in one look",
        most = SIGNATURES_MAX
    );
    let kept = text!(
        reported;
        "1 mark is not signed by the instance's key; `mode: report` writes no signature",
        "{reported} marks are not signed by the instance's key; `mode: report` writes no signature"
    );
    for (_, text) in [(left, more), (reported, kept)].into_iter().filter(|(count, _)| *count > 0) {
        plan.notes.push(Note { service: String::new(), address: None, text, code: None });
    }
    plan.notes.sort();
}

/// Whether nothing but the signature of a mark changes. A mark that names another service differs in more.
fn is_signature(input: &Input<'_>, change: &Change) -> bool {
    let Verb::Update(fields) = &change.verb else { return false };
    let seen = input.world.seen.get(&change.address);
    let is_unsigned = |seen: &Seen| {
        let is_of_another = seen.service.as_ref().is_some_and(|named| *named != change.service);
        reason::signature(seen).is_some() && !is_of_another
    };
    change.address.kind == Kind::Record && fields.names().all(|name| &**name == "mark") && seen.is_some_and(is_unsigned)
}
