//! The pure modules alone: what plans depend on, and nothing else. That this compiles shows that they need no runtime,
//! no client and no ledger; and it compiles fast enough to be optimised, so that a hundred thousand seeds take minutes.
#![allow(dead_code, reason = "what only the engine and the providers use is used by nobody here")]

#[path = "../../src/model/mod.rs"]
pub mod model;
#[path = "../../src/manifest/mod.rs"]
pub mod manifest;
#[path = "../../src/plan/mod.rs"]
pub mod plan;

/// Of the providers, the tables and the spelling.
#[path = "../../src/providers"]
pub mod providers {
    mod objection;
    pub use objection::Objection;

    #[path = "docker"]
    pub mod docker {
        pub mod kinds;
    }
    #[path = "npm"]
    pub mod npm {
        pub mod kinds;
        pub mod normal;
    }
    #[path = "ovh"]
    pub mod ovh {
        mod convert;
        pub mod kinds;
    }
}
