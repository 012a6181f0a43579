//! How many servers manifests may have at a cloud, of which sizes, and what they may cost. Pure.
//!
//! | a create, or a change of size | verdict |
//! |---|---|
//! | its vendor does not offer it | held |
//! | of a size that `limits.types` does not name | held |
//! | `limits.instances` has no room for all that its manifest asks for | the creates of this manifest are held |
//! | with it, the budget is exceeded, or its price is not known | held |
//!
//! What is there, or may be, keeps its place. Then the manifest that asks for least is judged first, by cost where there is a budget, else
//! by number; what is held takes no room, so that a manifest that asks for too much holds up itself and no other.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::savings::{MONTH_HOURS, ServerPrices};
use crate::model::site::{CloudBudget, CloudSite};
use crate::model::{Address, Arg, Change, Code, Gate, Hint, Kind, Note, Plan, Refusal, Text, Verb};
use crate::plan::input::Input;
use crate::text;

/// From this share of a budget on, in percent, the plan says how much of it is used.
const WARNED_PERCENT: i64 = 80;

/// Holds what a cloud's limits and budget do not leave room for, and says the monthly sum.
pub fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    for (name, cloud) in &input.site.clouds {
        let is_its = |address: &Address| address.kind == Kind::Server && address.provider == cloud.provider;
        let is_asked = |change: &Change| is_its(&change.address) && size(change).is_some();
        if plan.changes.iter().any(is_asked) {
            // It is no question of what it costs.
            for change in plan.changes.iter_mut().filter(|change| is_asked(change) && change.refusal().is_none()) {
                if let Some(refusal) = input.world.unoffered.get(&change.address) {
                    change.gate = Gate::Held(refusal.clone());
                }
            }
            let servers = Servers::of(input, cloud);
            servers.hold_back(name, plan);
        }
    }
}

/// The size that a change leads to.
fn size(change: &Change) -> Option<&str> {
    match &change.verb {
        Verb::Create(fields) | Verb::Update(fields) => fields.text("type"),
        Verb::Delete => None,
    }
}

/// What a server costs a month, in 10⁻⁸ of its currency.
pub fn month(prices: &ServerPrices) -> i64 {
    if prices.is_monthly { prices.on } else { prices.on.saturating_mul(MONTH_HOURS) }
}

/// An amount as people write it: `46.57`.
pub fn amount(of: i64) -> String {
    let cents = (of + 500_000) / 1_000_000;
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The same as an argument of a sentence.
pub fn money(of: i64) -> Arg {
    Arg::Money((of + 500_000) / 1_000_000)
}

/// What each server costs a month, in 10⁻⁸ of a currency, where that is known.
type Costs = BTreeMap<Address, Option<(i64, String)>>;

/// The servers of Amarre's at one cloud: those that are there, and those that are wanted.
struct Servers<'a> {
    input: &'a Input<'a>,
    cloud: &'a CloudSite,
    /// With what each costs a month, and in which currency, where that is known.
    there: BTreeMap<&'a Address, Option<(i64, &'a str)>>,
    /// Those that the ledger knows and that are not seen: they may be there.
    hidden: BTreeSet<&'a Address>,
}

/// What one manifest asks for at a cloud.
struct ServerAsk {
    service: String,
    changes: Vec<usize>,
    /// How many servers more than those that may be there.
    creates: usize,
    /// What they and the changes of size cost a month, where that is known.
    month: i64,
}

impl<'a> Servers<'a> {
    fn of(input: &'a Input<'a>, cloud: &'a CloudSite) -> Self {
        let seen = input.world.of_kind(&cloud.provider, Kind::Server).filter(|(_, seen)| seen.owner.is_ours());
        let there: BTreeMap<&Address, Option<(i64, &str)>> =
            seen.map(|(address, _)| (address, priced(input, address))).collect();
        let known = input.facts.applied.keys().chain(input.facts.open_intents.keys());
        let is_its = |address: &&Address| address.kind == Kind::Server && address.provider == cloud.provider;
        let hidden = known.filter(is_its).filter(|address| !there.contains_key(*address)).collect();
        Self { input, cloud, there, hidden }
    }

    fn hold_back(self, name: &str, plan: &mut Plan) {
        let mut costs: Costs = self
            .there
            .iter()
            .map(|(address, cost)| ((*address).clone(), cost.map(|(month, currency)| (month, currency.to_owned()))))
            .collect();
        let is_its =
            |change: &Change| change.address.kind == Kind::Server && change.address.provider == self.cloud.provider;
        let asked = plan.changes.iter().filter(|change| is_its(change) && size(change).is_some());
        let asked: Vec<Address> = asked.map(|change| change.address.clone()).collect();
        let quotes = asked.iter().map(|address| (address.clone(), quoted(self.input, address)));
        let with_all: Costs = costs.clone().into_iter().chain(quotes).collect();
        for change in plan.changes.iter_mut().filter(|change| is_its(change) && change.refusal().is_none()) {
            if let Some(refusal) = self.of_other_type(name, change) {
                change.gate = Gate::Held(refusal);
            }
        }
        let all: BTreeSet<&Address> = self.there.keys().chain(&self.hidden).copied().chain(&asked).collect();
        let (count, limit) = (all.len(), self.cloud.limits.instances);
        let mut taken = self.there.len() + self.hidden.len();
        for ask in self.asks(plan, &costs) {
            let is_beyond = taken + ask.creates > limit;
            for number in ask.changes {
                let change = &mut plan.changes[number];
                let is_create = matches!(change.verb, Verb::Create(_));
                if is_create && is_beyond {
                    change.gate = Gate::Held(self.too_many(name, count, &with_all));
                    continue;
                }
                let before = costs.insert(change.address.clone(), quoted(self.input, &change.address));
                if let Some(refusal) = self.too_dear(name, &costs) {
                    put_back(&mut costs, &change.address, before);
                    change.gate = Gate::Held(refusal);
                } else if is_create && !self.hidden.contains(&change.address) {
                    taken += 1;
                }
            }
        }
        plan.notes.push(self.note(name, &costs));
    }

    /// What each manifest asks for, the smallest first.
    fn asks(&self, plan: &Plan, costs: &Costs) -> Vec<ServerAsk> {
        let mut asks: BTreeMap<&str, ServerAsk> = BTreeMap::new();
        for (number, change) in plan.changes.iter().enumerate() {
            let is_its = change.address.kind == Kind::Server && change.address.provider == self.cloud.provider;
            if !is_its || size(change).is_none() || change.refusal().is_some() {
                continue;
            }
            let ask = asks.entry(&change.service).or_insert_with(|| ServerAsk {
                service: change.service.clone(),
                changes: Vec::new(),
                creates: 0,
                month: 0,
            });
            let is_create = matches!(change.verb, Verb::Create(_));
            ask.creates += usize::from(is_create && !self.hidden.contains(&change.address));
            let before = costs.get(&change.address).and_then(|cost| cost.as_ref()).map_or(0, |(month, _)| *month);
            let after = quoted(self.input, &change.address).map_or(i64::MAX, |(month, _)| month);
            ask.month = ask.month.saturating_add(after.saturating_sub(before));
            ask.changes.push(number);
        }
        let mut asks: Vec<ServerAsk> = asks.into_values().collect();
        for ask in &mut asks {
            ask.changes.sort_by(|one, other| plan.changes[*one].address.cmp(&plan.changes[*other].address));
        }
        asks.sort_by(|one, other| {
            let sizes = |ask: &ServerAsk| {
                let creates = i64::try_from(ask.creates).unwrap_or(i64::MAX);
                if self.cloud.budget.is_some() { (ask.month, creates) } else { (creates, ask.month) }
            };
            (sizes(one), &one.service).cmp(&(sizes(other), &other.service))
        });
        asks
    }

    /// Why a create is held for the number of servers. `n`: how many there would be with all that are asked for.
    fn too_many(&self, name: &str, n: usize, with_all: &Costs) -> Refusal {
        let limit = self.cloud.limits.instances;
        Refusal {
            code: Code::A0750,
            message: text!(
                n;
                "a server would be Amarre's at {name}, and {key} allows {limit}",
                "{n} servers would be Amarre's at {name}, and {key} allows {limit}",
                name,
                key = format!("clouds.{name}.limits.instances"),
                limit
            ),
            found: costs_found(with_all),
            hints: vec![Hint::text(text!(
                "an admin raises it in amarre.yaml: {what}",
                what = format!("`limits: {{instances: {n}}}`")
            ))],
        }
    }

    /// Why a change is held for its size.
    fn of_other_type(&self, name: &str, change: &Change) -> Option<Refusal> {
        let (types, size) = (&self.cloud.limits.types, size(change)?);
        if types.is_empty() || types.contains(size) {
            return None;
        }
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        Some(Refusal {
            code: Code::A0751,
            message: text!("{key} allows no {size}", key = format!("clouds.{name}.limits.types"), size),
            found: Vec::new(),
            hints: vec![Hint::text(text!("it allows {types}; an admin adds to it in amarre.yaml", types))],
        })
    }

    /// Why a change is held for what the servers cost with it.
    fn too_dear(&self, name: &str, costs: &Costs) -> Option<Refusal> {
        let key = |key: &str| format!("clouds.{name}.{key}");
        let budget = self.cloud.budget.as_ref()?;
        match sum(costs, budget) {
            Some(sum) if sum <= budget.month => None,
            Some(sum) => Some(Refusal {
                code: Code::A0752,
                message: text!(
                    "with it, the servers of Amarre at {name} would cost {sum} {currency} a month, and the budget is {budget}",
                    name,
                    sum = money(sum),
                    currency = &budget.currency,
                    budget = money(budget.month)
                ),
                found: Vec::new(),
                hints: vec![Hint::text(text!(
                    "take a smaller one, or have an admin raise {key}",
                    key = key("budget.month")
                ))],
            }),
            None => Some(Refusal {
                code: Code::A0752,
                message: text!(
                    "what the servers of Amarre at {name} cost is not known in {currency}, so {key} cannot be kept",
                    name,
                    currency = &budget.currency,
                    key = key("budget.month")
                ),
                found: Vec::new(),
                hints: vec![Hint::text(text!(
                    "prices are read by themselves; they stay unknown where the vendor does not tell them, or takes another currency"
                ))],
            }),
        }
    }

    /// What the servers cost with all that is not held.
    fn note(&self, name: &str, costs: &Costs) -> Note {
        let servers = costs.len();
        let of_amarre = text!(servers; "{name}: 1 server of Amarre", "{name}: {servers} servers of Amarre", name);
        let mut text = match total(costs) {
            Some((month, currency)) => {
                let sum = text!("{sum} {currency}", sum = money(month), currency);
                text!("{servers}, {sum} a month without tax and traffic", servers = of_amarre, sum)
            }
            None => of_amarre,
        };
        let unknown = costs.values().filter(|cost| cost.is_none()).count();
        if unknown > 0 {
            text = text!("{servers}; of {unknown} the price is not known", servers = text, unknown);
        }
        if let Some(budget) = &self.cloud.budget {
            let used =
                (sum(costs, budget).unwrap_or_default().saturating_mul(100) + budget.month / 2) / budget.month.max(1);
            let budget = text!("{sum} {currency}", sum = money(budget.month), currency = &budget.currency);
            text = if used >= WARNED_PERCENT {
                text!(
                    "{servers}; {used} % of the budget of {budget}; it is nearly used up",
                    servers = text,
                    used,
                    budget
                )
            } else {
                text!("{servers}; {used} % of the budget of {budget}", servers = text, used, budget)
            };
        }
        Note { service: String::new(), address: None, text, code: None }
    }
}

/// What they cost together, where that is known of one.
fn total(costs: &Costs) -> Option<(i64, &str)> {
    let (_, currency) = costs.values().flatten().next()?;
    Some((costs.values().flatten().map(|(month, _)| *month).sum(), currency.as_str()))
}

fn costs_found(costs: &Costs) -> Vec<(Text, Text)> {
    let found = total(costs).map(|(month, currency)| format!("{} {currency}", amount(month)));
    found.map(|sum| (text!("a month"), sum.into())).into_iter().collect()
}

fn put_back(costs: &mut Costs, address: &Address, before: Option<Option<(i64, String)>>) {
    match before {
        Some(before) => drop(costs.insert(address.clone(), before)),
        None => drop(costs.remove(address)),
    }
}

/// What a server that is there costs, else what its vendor would take.
fn priced<'a>(input: &'a Input<'_>, address: &Address) -> Option<(i64, &'a str)> {
    let seen = input.world.seen.get(address)?;
    let currency = seen.fields.text("currency");
    match (ServerPrices::of(&seen.fields), currency) {
        (Some(prices), Some(currency)) => Some((month(&prices), currency)),
        _ => input.world.quotes.get(address).map(|prices| (month(prices), prices.currency.as_str())),
    }
}

fn quoted(input: &Input<'_>, address: &Address) -> Option<(i64, String)> {
    input.world.quotes.get(address).map(|prices| (month(prices), prices.currency.clone()))
}

/// What all cost in the currency of a budget; `None`: of one that is not known.
fn sum(costs: &Costs, budget: &CloudBudget) -> Option<i64> {
    let in_currency = |cost: &Option<(i64, String)>| {
        cost.as_ref().filter(|(_, currency)| *currency == budget.currency).map(|(month, _)| *month)
    };
    costs.values().map(in_currency).sum()
}
