//! Which addresses of a subnet are for whom. Pure.
//!
//! In a subnet: `.1` gateway, `.2` NPM, `.3`–`.126` ours, the upper half for whatever Docker hands out by itself. Where a
//! manifest promises `.2` to a container, NPM is at `.127`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::Range;

use ipnet::Ipv4Net;

use crate::model::Service;

/// The gateway of a subnet.
pub fn gateway(subnet: Ipv4Net) -> Ipv4Addr {
    nth(subnet, 1)
}

/// NPM's address in a subnet: the second, unless a container of this service is promised that one; then the last of the lower
/// half, which no other container is given.
pub fn npm_address(subnet: Ipv4Net, service: &Service) -> Ipv4Addr {
    let reserved: BTreeSet<Ipv4Addr> =
        service.all_containers().filter_map(|container| container.ipv4_address).collect();
    let half = ip_range(subnet).map_or_else(|| subnet.broadcast(), |range| range.network());
    let behind = (u32::from(subnet.network()) + 3..u32::from(half)).rev().map(Ipv4Addr::from);
    let mut all = std::iter::once(nth(subnet, 2)).chain(behind);
    all.find(|address| !reserved.contains(address)).unwrap_or(nth(subnet, 2))
}

/// What Docker may hand out by itself: the upper half.
pub fn ip_range(subnet: Ipv4Net) -> Option<Ipv4Net> {
    let prefix = subnet.prefix_len().checked_add(1).filter(|prefix| *prefix <= 30)?;
    subnet.subnets(prefix).ok()?.nth(1)
}

/// The first free one of our addresses.
pub fn free_address(subnet: Ipv4Net, is_taken: impl Fn(&Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
    ours(subnet).map(Ipv4Addr::from).find(|address| !is_taken(address))
}

/// Behind the gateway and NPM, and before what Docker hands out.
pub(crate) fn ours(subnet: Ipv4Net) -> Range<u32> {
    let last = ip_range(subnet).map_or_else(|| subnet.broadcast(), |range| range.network());
    (u32::from(subnet.network()) + 3)..u32::from(last).saturating_sub(1)
}

pub(crate) fn nth(subnet: Ipv4Net, n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()).saturating_add(n))
}
