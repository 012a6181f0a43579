//! Where the proxy finds what a host forwards to.

use std::net::{IpAddr, SocketAddr};

/// Resolves the names that hosts forward to, as the resolver beside a real NPM would.
///
/// Asked while the simulator's state is locked: must answer at once and not call back.
pub trait Upstreams: Send + Sync {
    /// Where to connect for `host:port`, or nothing when the name is not known.
    fn locate(&self, host: &str, port: u16) -> Option<SocketAddr>;
}

/// Connects to literal addresses as they are; knows no names.
#[derive(Debug, Clone, Copy, Default)]
pub struct DirectUpstreams;

impl Upstreams for DirectUpstreams {
    fn locate(&self, host: &str, port: u16) -> Option<SocketAddr> {
        Some(SocketAddr::new(literal(host)?, port))
    }
}

/// An address written out, IPv6 with brackets as nginx wants it.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// Whether an address is of a range for examples (RFC 5737, RFC 3849): simulated clouds give these to their servers.
pub(super) fn is_for_examples(host: &str) -> bool {
    match literal(host) {
        Some(IpAddr::V4(address)) => address.is_documentation(),
        Some(IpAddr::V6(address)) => address.segments().starts_with(&[0x2001, 0xdb8]),
        None => false,
    }
}
