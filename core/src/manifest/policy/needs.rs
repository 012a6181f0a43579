//! What manifests need of one another: `needs`, shared networks, routes to instances. Every name must be that of a manifest,
//! and nothing goes in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::cross_manifest::DraftService;
use crate::manifest::reader::nearest;
use crate::manifest::yaml::diagnostic::{Problem, Spot};
use crate::model::{Code, Service};
use crate::text;

/// `needs` must name manifests, and not go in a circle; everybody on one is broken, for nothing says where to break it.
pub(crate) fn check_cycles(drafts: &mut [DraftService<'_>]) {
    let is_hidden = drafts.iter().any(|draft| draft.name.is_none() && draft.problems.iter().any(Problem::is_error));
    let known: BTreeSet<String> = drafts.iter().filter_map(|draft| draft.name.clone()).collect();
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for draft in drafts.iter_mut() {
        let Some(name) = draft.name.clone() else { continue };
        let mut problems = Vec::new();
        for (needed, spot) in &draft.claims.needs {
            edges.entry(name.clone()).or_default().push(needed.clone());
            if known.contains(needed) || is_hidden {
                continue;
            }
            let hint = match nearest(needed, &names) {
                Some(near) => text!("did you mean `{near}`?", near),
                None => text!("`needs` names other manifests, by their `name:`"),
            };
            let message = text!("unknown service `{name}`", name = needed);
            problems.push(Problem::error(Code::A0111, *spot, message).hint(hint));
        }
        draft.problems.extend(problems);
    }
    for (user, other) in joined(drafts) {
        edges.entry(user).or_default().push(other);
    }
    for draft in drafts.iter_mut() {
        let Some(circle) = draft.name.as_ref().and_then(|name| way_back(&edges, name)) else { continue };
        let next = circle.get(1).cloned().unwrap_or_default();
        let spot =
            draft.claims.needs.iter().find(|(needed, _)| *needed == next).map_or(Spot::at(1, 1), |(_, spot)| *spot);
        let message = text!("`needs` goes in a circle: {circle}", circle);
        draft.problems.push(Problem::error(Code::A0172, spot, message));
    }
}

/// Routes to instances must name manifests of instances.
pub(crate) fn check_instances(drafts: &mut [DraftService<'_>]) {
    let is_hidden = drafts.iter().any(|draft| draft.name.is_none() && draft.problems.iter().any(Problem::is_error));
    // What a broken manifest is cannot be told.
    let is_other = |draft: &DraftService<'_>| draft.service.as_ref().is_some_and(|service| service.instance.is_none());
    let all: BTreeMap<String, bool> =
        drafts.iter().filter_map(|draft| Some((draft.name.clone()?, is_other(draft)))).collect();
    let instances: Vec<&str> = all.iter().filter(|(_, is_other)| !**is_other).map(|(name, _)| name.as_str()).collect();
    for draft in drafts.iter_mut() {
        for (name, spot) in &draft.claims.instances {
            let message = match all.get(name) {
                Some(false) => continue,
                Some(true) => text!("{name} is no instance", name),
                None if is_hidden => continue,
                None => text!("there is no instance `{name}`", name),
            };
            let hint = match nearest(name, &instances) {
                Some(near) => text!("did you mean `{near}`?", near),
                None => text!("write `kind: Instance` with this name, or an address as in `http://192.168.1.20:5000`"),
            };
            draft.problems.push(Problem::error(Code::A0111, *spot, message).hint(hint));
        }
    }
}

/// Services that come after another one since a container shares the network of one of its.
fn joined(drafts: &[DraftService<'_>]) -> Vec<(String, String)> {
    let services: Vec<&Service> = drafts.iter().filter_map(|draft| draft.service.as_ref()).collect();
    let of = |user: &Service, name: &str| {
        let mut others = services.iter().filter(|other| other.host == user.host && other.name != user.name);
        others.find(|other| other.key_of(name).is_some()).map(|other| (user.name.clone(), other.name.clone()))
    };
    let of = &of;
    let users = services.iter().flat_map(|user| {
        let names = user.containers.values().filter_map(|container| container.network_of_other());
        names.filter_map(move |name| of(user, name))
    });
    users.collect()
}

/// The shortest way from a name back to itself, with it at both ends.
fn way_back(edges: &BTreeMap<String, Vec<String>>, start: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut ends: Vec<&str> = vec![start];
    while !ends.is_empty() {
        let mut next = Vec::new();
        for end in ends {
            for needed in edges.get(end).into_iter().flatten() {
                if needed == start {
                    let mut way = vec![start.to_owned()];
                    let back = std::iter::successors(Some(end), |at| came_from.get(at).copied());
                    let mut back: Vec<String> = back.take_while(|at| *at != start).map(str::to_owned).collect();
                    back.reverse();
                    way.extend(back);
                    way.push(start.to_owned());
                    return Some(way);
                }
                if needed != start && !came_from.contains_key(needed.as_str()) {
                    came_from.insert(needed, end);
                    next.push(needed.as_str());
                }
            }
        }
        ends = next;
    }
    None
}
