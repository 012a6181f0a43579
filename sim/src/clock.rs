//! What time it is for the simulators. A test may stop the clock of its thread, on which its simulators answer as well, so that
//! every time in every answer is the same in each run.

use std::cell::Cell;

use jiff::Timestamp;

thread_local! {
    static STOPPED_AT: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// The machine's time, or where the clock of this thread was stopped.
pub(crate) fn now() -> Timestamp {
    STOPPED_AT.get().unwrap_or_else(Timestamp::now)
}

/// Stops the clock of the simulators of this thread, in milliseconds since 1970.
pub fn stop_at(at_ms: i64) {
    STOPPED_AT.set(Timestamp::from_millisecond(at_ms).ok());
}
