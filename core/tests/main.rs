//! The pure core: cases as data, properties of random worlds, stories by seeds, walks over generated manifests.
#![expect(clippy::unwrap_used, reason = "tests")]

mod apps;
mod manifest_cases;
mod timetable_cases;
mod timetable_judge;
mod timetable_props;
mod turns;
mod plan_cases;
mod plan_props;
mod generated;
mod field_tables;
mod docker_texts;
mod crowds;
mod ends;
mod hidden;
mod kept;
mod life;
mod moments;
mod reservations;
mod seeds;
mod shares;
mod uses;
mod walks;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
