//! Instances at OVH Public Cloud: the provider and the loop against the simulated one, over real HTTP.

mod seen;
mod power;
mod actions;
mod stories;
mod support;
