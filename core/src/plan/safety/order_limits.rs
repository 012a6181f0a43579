//! Holds orders of certificates: beyond the limits of Let's Encrypt, soon after failures, and where no host would have the
//! certificate. Pure.

use std::collections::BTreeMap;

use crate::model::plan::Wait;
use crate::model::world::Port80;
use crate::model::{Address, Change, Code, Gate, Hint, Kind, Plan, Refusal, Text, Verb};
use crate::plan::desired::certificate_orders;
use crate::plan::desired::certificate_orders::{Orders, last_of};
use crate::plan::input::Input;
use crate::text;

/// Lets no more be asked for than Let's Encrypt would give, and nothing that could not be used.
pub fn limit_orders(input: &Input<'_>, plan: &mut Plan) {
    // Most plans ask for none.
    if !plan.changes.iter().any(Change::is_order) {
        return;
    }
    let idle = without_use(plan);
    let is_new = |change: &&mut Change| change.is_order() && matches!(change.verb, Verb::Create(_));
    for change in plan.changes.iter_mut().filter(is_new).filter(|change| change.refusal().is_none()) {
        if let Some(refusal) = account(input, change).or_else(|| idle.get(&change.address).cloned()) {
            change.gate = Gate::Held(refusal);
        }
    }
    let is_asked = |change: &Change| change.is_now() && change.is_order();
    let mut orders = Orders::known(input);
    for change in plan.changes.iter_mut().filter(|change| is_asked(change)) {
        let door = port_80(input, change);
        if let Some(refusal) = port_80_is_not_npm(change, door) {
            change.gate = Gate::Held(refusal);
            continue;
        }
        let behind = door.and_then(|_| orders.hourly(&change.address)).map(|at| (at, Wait::Order));
        match last_of([orders.wait(&change.address), behind]) {
            Some((at, what)) => {
                change.gate = Gate::Until { at, what };
                plan.next_look = Some(plan.next_look.map_or(at, |known| known.min(at)));
            }
            None => orders.spend(&change.address),
        }
    }
}

/// Why Let's Encrypt would not take the account with which an NPM asks.
fn account(input: &Input<'_>, change: &Change) -> Option<Refusal> {
    let name = change.address.provider.short_name();
    // A simulated authority takes everybody.
    let is_real = |_: &&String| !input.site.simulated.contains(&change.address.provider);
    let identity = input.world.mail_refused.get(&change.address.provider).filter(is_real)?;
    let why = text!("Let's Encrypt refuses the e-mail address {identity} of NPM {name}'s account", identity, name);
    let key = format!("`npm.{name}.identity`");
    let way = text!("in NPM, Users, {identity}, set an address that receives mail, then {key}", identity, key);
    Some(not_asked_for(&change.address.name, Code::A0252, why, vec![Hint::text(way)]))
}

/// Certificates of which every host is refused: whatever they were asked for, nothing would have them.
fn without_use(plan: &Plan) -> BTreeMap<Address, Refusal> {
    let mut refused: BTreeMap<Address, Option<Refusal>> = BTreeMap::new();
    for host in &plan.changes {
        let (Verb::Create(fields) | Verb::Update(fields)) = &host.verb else { continue };
        let Some(name) = fields.text("certificate") else { continue };
        let certificate = Address::new(host.address.provider.clone(), Kind::Certificate, name);
        let why = || text!("{kind} {name} is refused", kind = host.address.kind, name = &host.address.name);
        let refusal = host.refusal().map(|refusal| not_asked_for(name, refusal.code, why(), Vec::new()));
        refused.entry(certificate).and_modify(|known| *known = known.take().and(refusal.clone())).or_insert(refusal);
    }
    refused.into_iter().filter_map(|(certificate, refusal)| Some((certificate, refusal?))).collect()
}

/// Who answers on port 80 by the names of a certificate, where that is not NPM.
fn port_80<'a>(input: &Input<'a>, change: &Change) -> Option<&'a Port80> {
    let is_by_http = matches!(&change.verb, Verb::Create(fields) if fields.text("challenge") == Some("http"));
    let doors = certificate_orders::names(&change.address).into_iter().filter_map(|name| input.world.port80.get(name));
    doors.filter(|door| is_by_http && **door != Port80::Npm).max()
}

/// Whom Let's Encrypt would not find by a name, or who would answer in NPM's place.
fn port_80_is_not_npm(change: &Change, door: Option<&Port80>) -> Option<Refusal> {
    let (code, why, first) = match door? {
        Port80::Npm | Port80::Silent(_) => return None,
        Port80::Other(what) => (
            Code::A0806,
            text!("on port 80, {what}, not NPM", what),
            text!("port 80 of this address must lead to NPM: Let's Encrypt asks there"),
        ),
        Port80::Elsewhere(what) => (
            Code::A0809,
            Text::from(what),
            text!("each name of a certificate must lead to this host: Let's Encrypt looks it up and asks there"),
        ),
    };
    let way = text!("if it does, seen from the Internet, set `certificates.port80: assume`; or use `challenge: dns`");
    Some(not_asked_for(&change.address.name, code, why, vec![Hint::text(first), Hint::text(way)]))
}

/// Why no certificate of this name is asked for.
fn not_asked_for(name: &str, code: Code, why: Text, hints: Vec<Hint>) -> Refusal {
    let message = text!("certificate {name} is not asked for: {why}", name, why);
    Refusal { code, message, found: Vec::new(), hints }
}
