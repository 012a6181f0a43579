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

#[path = "../it/plan_cases"]
#[allow(dead_code, reason = "tests/it uses more of it")]
mod plan_cases {
    #![expect(clippy::wildcard_enum_match_arm, reason = "a world for tests minds only what it is asked about")]

    pub mod dangers;
    pub mod oracle;
    pub mod setting;
    pub mod sim;
    pub mod walk;
}

#[path = "../it/generated.rs"]
mod generated;
