//! What comes in, much too much of it or far too slowly: the daemon lives, and goes on with everything else.

mod connections;
mod daemon;
mod manifests;
mod sums;
mod webhooks;
