//! What stands between the observed world and the manifests, as data. Pure: no clock, no logging, no I/O.
//!
//! | wanted | seen | whose | verdict |
//! |---|---|---|---|
//! | yes | no  | –       | create, when its needs hold and nobody else holds its name |
//! | yes | yes | ours    | update what differs; hold what cannot change in place |
//! | yes | yes | not ours| equal: used, not owned · different: held as a conflict |
//! | no  | yes | ours    | delete, users first; volumes only with `--purge` |
//! | no  | yes | not ours| nothing |
//! | –   | gap | –       | nothing at all: unknown is not missing |

pub mod look_time;
pub mod input;
pub mod left_alone;
pub mod protection;
pub mod compare;
pub mod addressing;
pub mod targets;
pub mod exclusive;
pub mod settling;
pub mod indexes;
pub mod expansion;
pub mod desired;
pub mod rollout;
pub mod diff;
pub mod safety;
pub mod expand;
pub mod forecast;
pub mod kept;
pub mod render;

use crate::model::{Plan, Wants};
use input::Input;

/// One pass: expand, decide, hold back.
pub fn pass(input: &Input<'_>) -> (Wants, Plan) {
    let wants = wants(input);
    let plan = plan(input, &wants);
    (wants, plan)
}

/// Everything that the manifests want, and what else is kept for a while.
pub fn wants(input: &Input<'_>) -> Wants {
    let mut wants = expand::expand(input);
    wants.unused = safety::unused_certificates::kept_until(input, &wants);
    wants
}

/// How the world gets there, from the wants of this input.
pub fn plan(input: &Input<'_>, wants: &Wants) -> Plan {
    let mut plan = diff::decide::decide(input, wants);
    diff::reason::name_rollbacks(input, &mut plan);
    safety::flapping::hold_back(input, &mut plan);
    safety::cloud_limits::hold_back(input, &mut plan);
    safety::defer::hold_back(input, wants, &mut plan);
    safety::lent::hold_back(input, &mut plan);
    safety::protect::hold_back(input, wants, &mut plan);
    safety::rights::hold_back(input, &mut plan);
    safety::builds::hold_back(input, &mut plan);
    safety::order_limits::limit_orders(input, &mut plan);
    safety::signatures::hold_back(input, &mut plan);
    safety::mass_deletes::hold_back(input, &mut plan);
    plan
}
