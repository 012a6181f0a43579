//! Room for services in the pools: networks beside a service's own, and those with a subnet that a manifest chose, take at
//! most half of `network.pools` over all manifests. `policy.subnets` opens the other half.

use ipnet::Ipv4Net;

use crate::model::service::{ManifestKind, NetworkMode, Service};
use crate::model::site::Right;
use crate::model::{Code, Site, Text};
use crate::text;

use super::Closed;
use super::cross_manifest::DraftService;
use crate::manifest::policy;
use crate::manifest::yaml::diagnostic::{Problem, Spot};

/// What the manifests before have taken, in addresses.
pub(crate) struct PoolShare {
    taken: u64,
    max: u64,
}

impl PoolShare {
    pub fn of(site: &Site) -> Self {
        Self { taken: 0, max: site.pools.iter().map(|pool| size(pool.prefix_len())).sum::<u64>() / 2 }
    }

    /// What a manifest asks for in the pools beyond what is left of the half. What fits is taken.
    pub fn excess(&mut self, draft: &DraftService<'_>, service: &Service, site: &Site) -> Vec<(Right, Problem)> {
        let mut found = Vec::new();
        let mut taken = self.taken;
        for (what, addresses, spot) in asked(draft, service, site) {
            taken += addresses;
            if taken <= self.max {
                continue;
            }
            let item = what.to_string();
            let why =
                text!("with the networks of other manifests it leaves services less than half of `network.pools`");
            let message = text!("policy forbids {what}: {why}", what, why);
            let first = text!("remove networks that nothing needs");
            let second = text!("ask the operator for a larger pool, or to add it to `policy.subnets`");
            let hint = text!("{first}, or {second}", first, second);
            let closed = Closed { code: Code::A0285, spot, word: "subnets", item: &item, message, hint };
            let right = Right { service: service.name.clone(), word: closed.word.to_owned(), item: item.clone() };
            found.push((right, policy::problem(&closed)));
            taken -= addresses;
        }
        if found.is_empty() {
            self.taken = taken;
        }
        found
    }
}

/// The networks that count, each with its addresses and the place that asks for it.
fn asked(draft: &DraftService<'_>, service: &Service, site: &Site) -> Vec<(Text, u64, Spot)> {
    let lies_in = |nets: &[Ipv4Net], subnet: &Ipv4Net| nets.iter().any(|net| net.contains(subnet));
    let is_listed = |subnet: &Ipv4Net| lies_in(&site.policy.subnets, subnet);
    let chosen = draft.claims.subnets.iter().filter(|(subnet, _)| lies_in(&site.pools, subnet) && !is_listed(subnet));
    let chosen = chosen.map(|(subnet, spot)| {
        (text!("the subnet {subnet}", subnet = subnet.to_string()), size(subnet.prefix_len()), *spot)
    });
    let spot = draft.claims.name.unwrap_or(Spot::at(draft.line, 1));
    let is_shared =
        service.kind == ManifestKind::NETWORK && matches!(service.network, NetworkMode::Defined { subnet: None, .. });
    let beside = service.networks.iter().filter(|(_, network)| network.subnet.is_none()).map(|(name, _)| name);
    let given = is_shared.then_some(&service.name).into_iter().chain(beside);
    let given = given.filter(|_| !site.pools.iter().all(is_listed));
    chosen.chain(given.map(|name| (text!("the network {name}", name), size(site.prefix), spot))).collect()
}

fn size(prefix: u8) -> u64 {
    1 << 32_u8.saturating_sub(prefix)
}
