//! Amarre.
