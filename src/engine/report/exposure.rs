//! Who can reach a service through the proxy: by its manifest, and by what the proxy does now. Pure.
//!
//! | the manifest names | the proxy has | is |
//! |---|---|---|
//! | no list | no list | open to everyone, as wanted |
//! | a list | that list | closed |
//! | a list | none | **exposed**: a person has to know |
//! | whatever | another list | different, and not exposed |
//! | whatever | no host yet, or it cannot be seen | not known |

use super::status::ServiceStatus;
use crate::engine::PassResult;
use amarre_core::model::service::Route;
use amarre_core::model::{Kind, Text};
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
pub fn of_service(picture: &PassResult, row: &ServiceStatus) -> Option<Exposure> {
    let routes = &picture.services.get(&row.name)?.routes;
    let all = || routes.iter().map(|route| of_route(picture, row, route));
    all().find(Exposure::is_lost).or_else(|| all().next())
}

/// Who can reach the route of a proxied name.
pub fn of_host(picture: &PassResult, row: &ServiceStatus, host: &str) -> Option<Exposure> {
    let main = host.split(['/', ',']).next()?;
    let routes = &picture.services.get(&row.name)?.routes;
    let route = routes.iter().find(|route| route.domains.first().is_some_and(|first| first == main))?;
    Some(of_route(picture, row, route))
}

fn of_route(picture: &PassResult, row: &ServiceStatus, route: &Route) -> Exposure {
    let wanted = route.access_list.clone();
    let main = route.domains.first().map(String::as_str).unwrap_or_default();
    let is_its = |name: &str| name.split(['/', ',']).next() == Some(main);
    let mut hosts = row.resources.iter().map(|resource| &resource.address);
    let host = hosts.find(|address| address.kind == Kind::ProxyHost && is_its(&address.name));
    let observed = match host {
        Some(host) if picture.world.gap(host).is_some() => Observed::Unknown,
        Some(host) => {
            let named = picture.wants.map.get(host).and_then(|want| want.fields.text("access_list"));
            match picture.world.seen.get(host).map(|seen| seen.fields.text("access_list")) {
                Some(list) if list == named => Observed::AsWanted,
                Some(None) => Observed::Open,
                Some(Some(_)) => Observed::OtherList,
                None => Observed::Absent,
            }
        }
        None => Observed::Absent,
    };
    Exposure { wanted, observed }
}

/// Marks a service that lost its access list, as long as that is not put back by itself.
pub fn mark_lost(picture: &PassResult, status: &mut ServiceStatus) {
    let lost = of_service(picture, status).filter(Exposure::is_lost).and_then(|exposure| exposure.wanted);
    let Some(list) = lost else { return };
    let acts = picture.acts && picture.consented && !picture.facts.suspended.contains_key(&status.name);
    let is_of_host = |address: &amarre_core::model::Address| address.kind == Kind::ProxyHost;
    let mut changes = picture.changes_of(&status.name).filter(|change| is_of_host(&change.address));
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
