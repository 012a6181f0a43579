//! What vendors say, before it goes into a pass: names, reasons and versions in which nothing is obeyed by a
//! terminal. Values of fields stay as they are, for they are compared; `plan::render` cleans them where it shows them.

use super::Observation;
use amarre_core::model::{Address, Readiness, Seen, words};

impl Observation {
    /// With clean words. What is ours has clean names already, so only foreign things are renamed.
    #[must_use]
    pub fn clean(mut self) -> Self {
        for gap in &mut self.gaps {
            gap.message.map_words(&words::line);
            gap.hint.map_words(&words::line);
        }
        self.version = self.version.map(|version| words::said(&version));
        for seen in self.seen.values_mut().chain(self.inventory.values_mut()) {
            tidy(seen);
        }
        if self.seen.keys().chain(self.inventory.keys()).all(is_clean) {
            return self;
        }
        self.inventory = self.inventory.into_iter().map(|(address, seen)| (renamed(address), seen)).collect();
        self.seen = self.seen.into_iter().map(|(address, seen)| (renamed(address), seen)).collect();
        self.own = self.own.into_iter().map(renamed).collect();
        self
    }
}

fn tidy(seen: &mut Seen) {
    match &mut seen.ready {
        Readiness::Ready => (),
        Readiness::NotYet { why, .. } | Readiness::Failed { why } => why.map_words(&words::line),
    }
    if let Some(service) = seen.service.as_mut().filter(|service| !words::is_clean(service)) {
        *service = words::said(service);
    }
    if !words::is_clean(&seen.vendor_id) {
        seen.vendor_id = words::said(&seen.vendor_id);
    }
}

fn is_clean(address: &Address) -> bool {
    words::is_clean(&address.name) && address.generation.as_deref().is_none_or(words::is_clean)
}

fn renamed(address: Address) -> Address {
    let Address { provider, kind, name, generation } = address;
    Address { provider, kind, name: words::clean(&name), generation: generation.map(|text| words::clean(&text)) }
}
