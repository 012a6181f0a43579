//! Examines whether nginx serves our hosts of an NPM at which others write, too: NPM deletes the file of a host, tests and writes
//! it, and a reload for another host in between leaves ours out. Its row says that it is on line all the same.
//!
//! | the answer by a name of ours | then |
//! |---|---|
//! | as by a name that no host has | the host is not on line: it is written again |
//! | another one, or none | nothing |
//!
//! Asked for a while after another's write, by every pass. Nothing is asked while no other writes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::port80::Port80Client;
use amarre_core::model::site::HostSite;
use amarre_core::model::{Address, Kind, Millis, ProviderId, Readiness, Site, Timestamp, Value, World};
use amarre_core::text;

/// After another's write: NPM may still be at it, and the next one may follow.
const WATCHED_FOR: Millis = Millis::minutes(2);

/// When another last wrote at each NPM.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    last: BTreeMap<ProviderId, Timestamp>,
}

impl LeftOut {
    /// Visits our hosts where another wrote a moment ago, and writes into the world which of them are not served.
    pub async fn examine(
        &mut self,
        (visitor, site): (&Arc<dyn Port80Client>, &Site),
        wrote: BTreeSet<ProviderId>,
        world: &mut World,
        now: Timestamp,
    ) {
        self.last.extend(wrote.into_iter().map(|npm| (npm, now)));
        self.last.retain(|_, at| (now - *at).0.abs() < WATCHED_FOR.0);
        let asked: Vec<ProviderId> = self.last.keys().filter(|npm| !site.simulated.contains(npm)).cloned().collect();
        let mut found = Vec::new();
        for npm in asked {
            let (Some(at), names) = (door(site, &npm), names(world, &npm)) else { continue };
            match visitor.left_out(names.keys().cloned().collect(), SocketAddr::new(at, 80)).await {
                Some(left_out) => found.extend(left_out.iter().filter_map(|name| names.get(name)).cloned()),
                // As behind a router that leads no request back: each pass would wait for it in vain.
                None => drop(self.last.remove(&npm)),
            }
        }
        for address in found {
            let Some(seen) = world.seen.get_mut(&address) else { continue };
            tracing::warn!(resource = %address, "nginx answers by {address} as by an unknown name: it is written again");
            seen.fields.set("online", Value::Bool(false));
            let why = text!("nginx answers as by an unknown name: another's change at NPM left this host out");
            seen.ready = Readiness::NotYet { since: now, why };
        }
    }
}

/// Where visitors of an NPM come in.
fn door(site: &Site, npm: &ProviderId) -> Option<IpAddr> {
    let mut hosts = site.hosts.values().filter(|host| host.npm.as_ref().is_some_and(|behind| behind.provider == *npm));
    hosts.find_map(|host| HostSite::ips(host).next())
}

/// Hosts of ours that are on line by what NPM says, each by a name of it.
fn names(world: &World, npm: &ProviderId) -> BTreeMap<String, Address> {
    let is_one = |address: &Address| {
        // A 404 host answers as an unknown name may.
        address.provider == *npm && matches!(address.kind, Kind::ProxyHost | Kind::Redirection)
    };
    let hosts =
        world.seen.iter().filter(|(address, seen)| is_one(address) && seen.owner.is_ours() && seen.ready.is_ready());
    let named = hosts.filter_map(|(address, seen)| {
        let name = seen.fields.strings("domains").into_iter().find(|name| !name.contains('*'))?;
        Some((name.to_owned(), address.clone()))
    });
    named.collect()
}
