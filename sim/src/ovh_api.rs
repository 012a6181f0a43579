//! What all of OVHcloud's API v1 has in common: how a request is signed or carries a token, who may make it, and how an
//! answer or a refusal is worded.

mod access;
mod answers;
mod auth;
mod base64;
mod door;
mod oauth;

pub(crate) use access::{Access, Keys, rules};
pub(crate) use answers::{Reply, bad_request, conflict, no_such_object, no_such_service, no_such_url};
pub(crate) use auth::credential;
pub(crate) use base64::base64;
pub(crate) use door::{Call, Incoming};
