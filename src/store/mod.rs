//! The ledger on disk: SQLite, all SQL, and the lock that makes one process its writer.

pub mod accounts;
mod cached;
pub mod journal;
pub mod failures;
pub mod keep;
pub mod ledger;
pub mod flaps;
pub mod guesses;
pub mod inspect;
pub mod lock;
pub mod orders;
mod refused;
pub mod owning;
pub mod retired;
pub mod rollbacks;
pub mod tokens;
mod simulated;
pub mod told;
pub mod updates;

pub use failures::LastFailure;
pub use keep::Kept;
pub use ledger::{Intent, Ledger, StoreError, Unpublished};
pub use lock::Lock;
pub use rollbacks::{GoodManifest, Rollback};
