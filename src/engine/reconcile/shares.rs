//! What the good manifests take of the limits of all (`limits` of amarre.yaml): it stays theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::{Context, Engine, PassResult};
use crate::ledger::{Ledger, StoreError};
use amarre_core::manifest::{self, SourceFile};
use amarre_core::model::site::Share;
use amarre_core::model::{Assets, Code, Site};

/// What the good manifests of a ledger take of the limits of all.
///
/// # Errors
/// The ledger cannot be read.
pub async fn shares(ledger: &Ledger, site: &Site) -> Result<BTreeMap<String, Share>, StoreError> {
    let mut shares = BTreeMap::new();
    for (name, kept) in &*ledger.manifests().await? {
        let assets = if kept.assets.is_empty() { Assets::new() } else { ledger.assets(name).await? };
        let file = SourceFile { path: kept.file.clone(), text: kept.text.clone() };
        let loaded = manifest::load_again(&file, &assets, site);
        shares.extend(loaded.services.iter().map(|service| (name.clone(), manifest::share(service))));
    }
    Ok(shares)
}

impl Engine {
    /// What each good manifest takes of the limits of all stays its own; a manifest that was refused for them is judged
    /// again where that changes.
    pub(crate) fn note_shares(&mut self, picture: &PassResult) {
        let before = &self.context.site.shares;
        let mut shares: BTreeMap<String, Share> =
            picture.services.values().map(|service| (service.name.clone(), manifest::share(service))).collect();
        // What is about to go, or waits for that, is still there.
        let left = picture.facts.gone.keys().chain(&picture.facts.frozen);
        for (name, share) in left.filter_map(|name| Some((name, before.get(name)?))) {
            shares.entry(name.clone()).or_insert_with(|| share.clone());
        }
        if shares == *before {
            return;
        }
        let Context { site, schemas, providers, stage } = &*self.context;
        let (mut site, schemas) = (site.clone(), schemas.clone());
        site.shares = shares;
        self.context = Arc::new(Context { site, schemas, providers: providers.clone(), stage: stage.clone() });
        if picture.diagnostics.iter().any(|found| [Code::A0162, Code::A0163, Code::A0164].contains(&found.code)) {
            self.loading.forget();
        }
    }
}
