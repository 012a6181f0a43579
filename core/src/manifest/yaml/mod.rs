//! From text to trees with places, and from what is wrong in them to lines for people. Knows no key of any manifest.

pub(super) mod tree;
pub(super) mod document;
pub(super) mod diagnostic;
pub(super) mod place;
