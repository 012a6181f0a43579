//! The ledger on disk: SQLite, all SQL, and the lock that makes one process its writer.

pub mod journal;
pub mod keep;
pub mod ledger;
pub mod inspect;
pub mod lock;
pub mod updates;

pub use keep::Kept;
pub use ledger::{Intent, Ledger, StoreError, Unpublished};
pub use lock::Lock;
