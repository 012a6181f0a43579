//! Address arithmetic of the default IPAM driver: IPv4 subnets, overlaps, the next free address.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// An IPv4 subnet, host bits cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subnet {
    base: u32,
    pub(super) prefix: u8,
}

impl Subnet {
    /// Takes `10.99.3.7/24` for `10.99.3.0/24`, as the engine does.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        Some(Self { base: u32::from(address) & mask(prefix), prefix })
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        let shorter = mask(self.prefix.min(other.prefix));
        self.base & shorter == other.base & shorter
    }

    pub(super) fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix) == self.base
    }

    /// The lowest free address of `range` (or of the subnet). Only the subnet's own first and last address are
    /// kept back, so a range in its middle starts at its first one (measured on 20.10: gateway `.128` of `.128/25`).
    pub(super) fn next_free(self, range: Option<Self>, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
        let within = range.unwrap_or(self);
        (within.base..=within.last())
            .filter(|address| self.prefix > 30 || (*address != self.base && *address != self.last()))
            .map(Ipv4Addr::from)
            .find(|address| !taken.contains(address))
    }

    fn last(self) -> u32 {
        self.base | !mask(self.prefix)
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

/// The engine's built-in pools, in the order in which it hands them out.
pub(super) fn default_pools() -> impl Iterator<Item = Subnet> {
    let wide = (17u8..32).map(|second| Subnet { base: u32::from(Ipv4Addr::new(172, second, 0, 0)), prefix: 16 });
    let narrow =
        (0u8..=240).step_by(16).map(|third| Subnet { base: u32::from(Ipv4Addr::new(192, 168, third, 0)), prefix: 20 });
    wide.chain(narrow)
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}
