//! The whole way on a real Docker engine, behind a gate that counts; NPM and OVH simulated.

mod apply;
mod drift;
mod endpoints;
mod contract;
mod files;
mod harm;
mod images;
mod logs;
mod npm;
mod reach;
mod settings;
mod stacks;
mod two_hosts;
mod update;
