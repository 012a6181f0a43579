//! The vocabulary: what every other module speaks. Pure; imports nothing of ours.

pub mod address;
pub mod action;
pub mod app;
pub mod base_images;
pub(crate) mod image_reference;
pub mod build_log;
pub mod code;
pub mod text;
pub mod kinds;
pub mod failures;
pub mod families;
pub mod folders;
pub mod owner;
pub mod plan;
pub mod platform;
pub mod schema;
pub mod service;
mod side_by_side;
pub mod site;
pub mod source;
pub mod repository_place;
pub mod time;
pub mod value;
pub mod words;
pub mod world;
pub mod reconcile_options;
pub mod pool;
pub mod requests;
pub mod reservations;
pub mod manifest_kind;
pub mod suggestion;
pub mod dependencies;
pub mod flapping;
pub mod instance;
pub mod power;
pub mod offers;
pub mod savings;
pub mod timetable;
pub mod uses;

pub use action::Action;
pub use address::{Address, ProviderId};
pub use code::Code;
pub use kinds::Kind;
pub use owner::Owner;
pub use plan::{
    Change, Downtime, Expect, FieldDiff, Gate, Hint, Impact, Note, Plan, Reason, ReasonCode, Refusal, Verb, Wait,
};
pub use requests::Requests;
pub use schema::{Field, KindSchema, Rule, Typed};
pub use service::Service;
pub use site::Site;
pub use source::{Asset, Assets, Bundle, BundleFile, Commit, Document, GitRef, GitUrl, History, NotRead, Payloads};
pub use text::{Arg, Language, Text};
pub use time::{Millis, Timestamp};
pub use value::{FieldName, FieldPath, Fields, Mark, SecretName, Value};
pub use world::{Facts, Gap, GapScope, Need, Origin, Readiness, Seen, State, Want, Wants, World};
