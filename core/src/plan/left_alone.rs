//! What Amarre leaves alone: suspended services, broken manifests, resources that were given out of hand.

use super::input::Input;
use crate::model::{Address, Kind, Seen};

/// Suspended, or broken without a last good manifest: nothing of it is touched.
pub fn is_left_alone(input: &Input<'_>, service: &str) -> bool {
    let suspended = input.facts.suspended.get(service).is_some_and(|suspension| !suspension.destroy);
    suspended || input.facts.frozen.contains(service)
}

/// Whether something carries our mark that was given out of hand.
pub fn is_released(input: &Input<'_>, address: &Address, seen: &Seen) -> bool {
    // Rows of a record come and go; what it is called stays.
    let is_it = |vendor_id: &String| address.kind == Kind::Record || *vendor_id == seen.vendor_id;
    seen.owner.is_ours() && input.facts.released.get(address).is_some_and(is_it)
}
