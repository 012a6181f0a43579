//! Limits that several parts of a manifest have.

/// A name becomes part of network, volume and container names; Docker and DNS allow 63 in all.
pub(super) const NAME_CHARS_MAX: usize = 40;

/// Containers that a pool lends at a time.
pub(super) const CONTAINERS_MAX: usize = 50;

/// A manifest is a page of text; a megabyte holds a thousand of them.
pub const FILE_BYTES_MAX: usize = 1 << 20;
