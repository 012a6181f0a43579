//! The one integration binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

mod cli;
mod configuration;
mod looks;
mod tidy;
mod manifest_cases;
mod docker_provider;
mod npm_provider;
mod ovh_provider;
mod plan_cases;
mod real;
mod git;
mod plan_props;
mod served;
mod doctor;
