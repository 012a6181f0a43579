//! The whole way on a real Docker engine, behind a gate that counts; NPM and OVH simulated.

mod apply;
mod beside;
mod drift;
mod endpoints;
mod engine_restart;
mod escapes;
mod contract;
mod data;
mod corpus;
mod downtime;
mod files;
mod first;
mod harm;
mod images;
mod killed;
mod links;
mod logs;
mod networks;
mod npm;
mod reach;
mod restart;
mod settings;
mod stacks;
mod two_hosts;
mod update;
mod waits;
