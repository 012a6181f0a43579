//! What holds a change back, and what no plan may contain.

pub mod builds;
pub mod order_limits;
pub mod cloud_limits;
pub mod lint;
pub mod protect;
pub mod rights;
pub mod flapping;
pub mod lent;
pub mod defer;
pub mod signatures;
pub mod mass_deletes;
pub mod unused_certificates;
