//! Which failures are final. Pure.

use crate::engine::pass_result::ServiceError;
use crate::providers::Class;
use amarre_core::model::Code;
use amarre_core::plan::safety::builds;

/// What a build fails with for good: a step failed, it took too long, a person ended it.
pub const BUILT_IN_VAIN: [Code; 3] = [Code::A0773, Code::A0774, Code::A0778];

/// Whether a failure of this change means that it would fail again.
pub fn is_refused(error: &ServiceError) -> bool {
    error.error.class == Class::Rejected
}

/// Whether it would fail in the same way: a build in vain, a server that its vendor refused to make, a container that an engine
/// refuses for what is asked of it. It waits for another commit, or a person.
pub fn would_fail_again(error: &ServiceError) -> bool {
    let is_in_vain = builds::is_build(&error.change) && BUILT_IN_VAIN.contains(&error.error.code);
    is_refused(error) && (is_in_vain || is_refused_create(error) || error.error.is_final)
}

fn is_refused_create(error: &ServiceError) -> bool {
    error.change.begins_to_cost() && error.error.code == Code::A0754
}
