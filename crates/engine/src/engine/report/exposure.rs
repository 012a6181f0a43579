//! Who can reach a service through the proxy: by its manifest, and by what the proxy does now. Pure.
//!
//! | the manifest names | the proxy has | is |
//! |---|---|---|
//! | no list | no list | open to everyone, as wanted |
//! | a list | that list | closed |
//! | a list | none | **exposed**: a person has to know |
//! | a list | lines for which NPM leaves the list out | the same |
//! | whatever | another list | different, and not exposed |
//! | whatever | no host yet, or it cannot be seen | not known |
//!
//! Hosts whose manifest is gone go on until they are deleted: what was applied last stands in its place.

use super::status::ServiceStatus;
use crate::engine::report::pass_view::PassView;
use amarre_core::model::service::Route;
use amarre_core::model::{Address, Kind, Text};
use amarre_core::plan::diff::exposure::leaves_list_out;
use amarre_core::text;

/// Who can reach a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// The list that its manifest names; `None`: everyone is let in.
    pub wanted: Option<String>,
    /// What the proxy does.
    pub observed: Observed,
}

/// What the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// As the manifest says.
    AsWanted,
    /// It lets everyone in, although the manifest names a list.
    Open,
    /// It asks for a list that the manifest does not name.
    OtherList,
    /// Its host is not there.
    Absent,
    /// It cannot be seen.
    Unknown,
}

impl Exposure {
    /// Whether everyone is let in, as far as is known.
    pub fn is_open(&self) -> bool {
        match self.observed {
            Observed::Open => true,
            Observed::AsWanted => self.wanted.is_none(),
            Observed::OtherList | Observed::Absent | Observed::Unknown => false,
        }
    }

    /// Whether the proxy lets everyone in against the manifest.
    pub fn is_lost(&self) -> bool {
        self.observed == Observed::Open
    }
}

/// Who can reach a service: of the first route that lets everyone in against its manifest, else of the first route.
pub fn of_service(pass: &PassView, row: &ServiceStatus) -> Option<Exposure> {
    let all: Vec<Exposure> = match pass.services.get(&row.name) {
        Some(service) => service.routes.iter().map(|route| of_route(pass, row, route)).collect(),
        None => left_hosts(pass, row).map(|host| of_left_host(pass, host)).collect(),
    };
    all.iter().find(|one| one.is_lost()).or(all.first()).cloned()
}

/// Who can reach each service that has a route, but for those that are deleted.
pub fn of_all(pass: &PassView) -> Vec<(&ServiceStatus, Exposure)> {
    let there = pass.statuses().values().filter(|row| !row.deleted);
    there.filter_map(|row| Some((row, of_service(pass, row)?))).collect()
}

/// Who can reach the route of a proxied name.
pub fn of_host(pass: &PassView, row: &ServiceStatus, host: &str) -> Option<Exposure> {
    let main = main_name(host);
    let Some(service) = pass.services.get(&row.name) else {
        let mut hosts = left_hosts(pass, row);
        return hosts.find(|host| main_name(&host.name) == main).map(|host| of_left_host(pass, host));
    };
    let route = service.routes.iter().find(|route| route.domains.first().is_some_and(|first| first == main))?;
    Some(of_route(pass, row, route))
}

/// The first name of a host.
fn main_name(host: &str) -> &str {
    host.split(['/', ',']).next().unwrap_or_default()
}

fn of_route(pass: &PassView, row: &ServiceStatus, route: &Route) -> Exposure {
    let main = route.domains.first().map(String::as_str).unwrap_or_default();
    let mut hosts = proxy_hosts(row);
    let host = hosts.find(|address| main_name(&address.name) == main);
    let observed = host.map_or(Observed::Absent, |host| {
        let named = pass.wants.map.get(host).and_then(|want| want.fields.text("access_list"));
        observed(pass, host, named)
    });
    Exposure { wanted: route.access_list.clone(), observed }
}

/// Hosts of a service whose manifest is gone.
fn left_hosts<'a>(pass: &'a PassView, row: &'a ServiceStatus) -> impl Iterator<Item = &'a Address> {
    proxy_hosts(row).filter(|host| pass.facts.applied.contains_key(*host))
}

fn of_left_host(pass: &PassView, host: &Address) -> Exposure {
    let applied = pass.facts.applied.get(host).and_then(|applied| applied.fields.text("access_list"));
    Exposure { wanted: applied.map(str::to_owned), observed: observed(pass, host, applied) }
}

fn proxy_hosts(row: &ServiceStatus) -> impl Iterator<Item = &Address> {
    row.resources.iter().map(|resource| &resource.address).filter(|address| address.kind == Kind::ProxyHost)
}

/// What the proxy does for a host that is to have this list.
fn observed(pass: &PassView, host: &Address, named: Option<&str>) -> Observed {
    if pass.world.gap(host).is_some() {
        return Observed::Unknown;
    }
    let seen = pass.world.seen.get(host);
    if named.is_some() && seen.is_some_and(|seen| leaves_list_out(&seen.fields)) {
        return Observed::Open;
    }
    match seen.map(|seen| seen.fields.text("access_list")) {
        Some(list) if list == named => Observed::AsWanted,
        Some(None) => Observed::Open,
        Some(Some(_)) => Observed::OtherList,
        None => Observed::Absent,
    }
}

/// Marks a service that lost its access list, as long as that is not put back by itself.
pub fn mark_lost(pass: &PassView, status: &mut ServiceStatus) {
    let lost = of_service(pass, status).filter(Exposure::is_lost).and_then(|exposure| exposure.wanted);
    let Some(list) = lost else { return };
    let acts = pass.acts && pass.consented && !pass.facts.suspended.contains_key(&status.name);
    let is_of_host = |address: &Address| address.kind == Kind::ProxyHost;
    let mut changes = pass.changes_of(&status.name).filter(|change| is_of_host(&change.address));
    if acts && changes.any(|change| change.refusal().is_none()) {
        return;
    }
    status.attention = true;
    let what = std::mem::take(&mut status.what_now);
    status.what_now = exposed_text(&list, what);
}

fn exposed_text(list: &str, what: Text) -> Text {
    if what.is_empty() {
        text!("open to everyone: the proxy has lost access list {list}", list)
    } else {
        text!("open to everyone: the proxy has lost access list {list}; {what}", list, what)
    }
}
