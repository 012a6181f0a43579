//! Plan → text.
