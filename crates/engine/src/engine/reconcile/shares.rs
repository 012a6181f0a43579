//! What stays with manifests that are good: their part of the limits of all (`limits` of amarre.yaml), and the servers that Amarre made
//! for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine::Engine;
use crate::engine::pass_result::Context;
use crate::engine::report::pass_view::PassView;
use crate::ledger::{Ledger, StoreError};
use amarre_core::manifest::{self, Diagnostic, SourceFile};
use amarre_core::model::kinds::Removal;
use amarre_core::model::service::Reconcile;
use amarre_core::model::site::Share;
use amarre_core::model::world::Applied;
use amarre_core::model::{Address, Assets, Code, Facts, Kind, Site};

/// Adds to a site what the good manifests of a ledger have already.
///
/// # Errors
/// The ledger cannot be read.
pub async fn fill(ledger: &Ledger, site: &mut Site) -> Result<(), StoreError> {
    let mut shares = BTreeMap::new();
    site.made_servers = made_servers(&*ledger.facts().await?, &BTreeMap::new());
    for (name, kept) in &*ledger.manifests().await? {
        let assets = if kept.assets.is_empty() { Assets::new() } else { ledger.assets(name).await? };
        let file = SourceFile { path: kept.file.clone(), text: kept.text.clone() };
        let loaded = manifest::load_again(&file, &assets, site);
        shares.extend(loaded.services.iter().map(|service| (name.clone(), manifest::share(service, site))));
    }
    site.shares = shares;
    Ok(())
}

/// The servers that Amarre made, by their vendor's id. Whoever removed the manifest of one leaves it to others.
fn made_servers(facts: &Facts, gone: &BTreeMap<String, Reconcile>) -> BTreeMap<Address, String> {
    let is_made = |(address, row): &(&Address, &Applied)| {
        address.kind.is_instance()
            && address.kind.traits().removal == Removal::Purge
            && !row.vendor_id.is_empty()
            && !gone.contains_key(&row.service)
    };
    let made = facts.applied.iter().filter(is_made);
    let by_id = |(address, row): (&Address, &Applied)| {
        (Address::new(address.provider.clone(), Kind::Instance, &row.vendor_id), row.service.clone())
    };
    made.map(by_id).collect()
}

impl Engine {
    /// Before manifests are read: which servers the ledger knows as made.
    pub(crate) async fn note_made_servers(&mut self) {
        // A ledger that cannot be read is reported elsewhere, and nothing is written meanwhile.
        let Ok(facts) = self.ledger.facts().await else { return };
        let made = made_servers(&facts, &self.pass.facts.gone);
        if made == self.context.site.made_servers {
            return;
        }
        self.change_site(|site| site.made_servers = made);
        self.loading.forget();
    }

    fn change_site(&mut self, change: impl FnOnce(&mut Site)) {
        let Context { site, schemas, providers, stage } = &*self.context;
        let (mut site, schemas) = (site.clone(), schemas.clone());
        change(&mut site);
        self.context = Arc::new(Context { site, schemas, providers: providers.clone(), stage: stage.clone() });
    }

    /// What each good manifest takes of the limits of all stays its own; a manifest that was refused for them is judged
    /// again where that changes.
    pub(crate) fn note_shares(&mut self, pass: &PassView) {
        let is_left_alike =
            pass.facts.gone.keys().eq(self.pass.facts.gone.keys()) && pass.facts.frozen == self.pass.facts.frozen;
        // Taking 10,000 services apart takes longer than the rest of a quiet pass.
        if Arc::ptr_eq(&pass.services, &self.pass.services) && is_left_alike {
            return;
        }
        let before = &self.context.site.shares;
        let mut shares: BTreeMap<String, Share> = pass
            .services
            .values()
            .map(|service| (service.name.clone(), manifest::share(service, &self.context.site)))
            .collect();
        // What is about to go, or waits for that, is still there.
        let left = pass.facts.gone.keys().chain(&pass.facts.frozen);
        for (name, share) in left.filter_map(|name| Some((name, before.get(name)?))) {
            shares.entry(name.clone()).or_insert_with(|| share.clone());
        }
        if shares == *before {
            return;
        }
        self.change_site(|site| site.shares = shares);
        let is_judged_by_it = |found: &Diagnostic| [Code::A0162, Code::A0163, Code::A0164].contains(&found.code);
        if pass.diagnostics.iter().any(is_judged_by_it) {
            self.loading.forget();
        }
    }
}
