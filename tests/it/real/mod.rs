//! The whole way on a real Docker engine, behind a gate that counts; NPM and OVH simulated.

mod apply;
mod drift;
mod endpoints;
mod contract;
mod harm;
mod images;
mod npm;
mod update;
