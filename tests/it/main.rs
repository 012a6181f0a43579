//! The one integration binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

mod answers;
mod api;
mod apps;
mod canary;
mod cli;
mod hosts_config;
mod configuration;
mod deploy;
mod looks;
mod mutants;
mod named_commands;
mod upgrade;
mod traps;
mod hostile;
mod supply;
mod web;
mod floods;
mod watched;
mod escapes;
mod compose_keys;
mod corpus;
mod docker_provider;
mod normal;
mod npm_provider;
mod ovh_provider;
mod clouds;
mod pool_containers;
mod pools;
mod real;
mod git;
mod schema;
mod served;
mod openapi;
mod doctor;
mod chaos;
