//! Containers on the network of a container that their service does not have: a VPN gateway with a manifest of its own, or
//! one that nobody here made.
//!
//! | the other is | it is found by | when it is made anew |
//! |---|---|---|
//! | another service's | its name in Docker, on the same host | those that share its network are, after it; its service comes first, as with `needs` |
//! | nobody's | the same | the next look finds another id: they are made anew |

use std::collections::BTreeSet;

use crate::model::service::Container;
use crate::model::{Address, Code, Hint, Kind, Need, Refusal};
use crate::plan::expansion::Expansion;
use crate::plan::indexes::shared_networks;
use crate::text;

/// The container of that name: the one that serves, and the one in force, which may yet be made.
pub fn shared(expansion: &Expansion<'_>, name: &str) -> (Address, Address) {
    let (input, docker) = (expansion.input, &expansion.host.docker);
    let Some((other, key)) = shared_networks::of_service(input, expansion.service, name) else {
        let foreign = Address::new(docker.clone(), Kind::Container, name);
        return (foreign.clone(), foreign);
    };
    if let Some(target) = expansion.reached.get(other.name.as_str()).and_then(|reached| reached.targets.get(key)) {
        return (target.address.clone(), target.coming.clone());
    }
    let base = Address::new(docker.clone(), Kind::Container, &other.address_name(key));
    let there: BTreeSet<(bool, &Address)> =
        input.world.generations(&base).map(|(address, seen)| (seen.ready.is_ready(), address)).collect();
    let serves = there.last().map_or(&base, |(_, address)| *address).clone();
    (serves.clone(), serves)
}

/// What a container waits for, if it is on the network of another's.
pub fn need(expansion: &Expansion<'_>, container: &Container) -> Option<Need> {
    Some(Need::present(shared(expansion, container.network_of_other()?).0))
}

/// Why the container cannot be made: nobody makes the one whose network it is to share.
pub fn missing(expansion: &Expansion<'_>, container: &Container) -> Option<Refusal> {
    let name = container.network_of_other()?;
    let world = expansion.input.world;
    if shared_networks::of_service(expansion.input, expansion.service, name).is_some() {
        return None;
    }
    let (address, _) = shared(expansion, name);
    let message = match world.seen.get(&address) {
        Some(seen) if seen.fields.flag("running") == Some(false) => {
            text!("container {name}, whose network it is to share, does not run", name)
        }
        None if world.gap(&address).is_none() => {
            text!("container {name}, whose network it is to share, is not there", name)
        }
        Some(_) | None => return None,
    };
    let origin = &container.origin;
    Some(Refusal {
        code: Code::A0528,
        message,
        found: vec![origin.said_in()],
        hints: vec![Hint::command(text!("to see which there are"), "docker ps --all")],
    })
}
