//! The pure modules under seeds.
#![expect(clippy::unwrap_used, reason = "tests")]

extern crate amarre_heart as amarre;

#[path = "../it/support"]
#[allow(dead_code, reason = "tests/it uses more of it")]
mod support {
    pub mod coherent;
    pub mod coherent_container;
    pub mod dice;
    pub mod generate;
    pub mod samples;
}

#[path = "../it"]
mod it {
    pub mod plan_cases;
}
use it::plan_cases;

#[path = "../it/generated.rs"]
mod generated;
mod crowds;
mod ends;
mod life;
mod moments;
mod seeds;
mod shares;
mod walks;
