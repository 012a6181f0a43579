//! What manifests used before policy closed it, detected once for each ledger that is older than the closing.
//!
//! A ledger that has manifests when a version that knows of this first opens it is older: what its good manifests use
//! beyond policy is recorded, and stays a warning until 0.3. A new ledger has nothing of that kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::{Context, Engine, PassResult};
use crate::ledger::{Ledger, StoreError};
use amarre_core::manifest::{self, Diagnostic, SourceFile};
use amarre_core::model::address::service_of_network;
use amarre_core::model::site::{Existing, OLD_PLACE, Right, Share};
use amarre_core::model::{Assets, Site};

/// The key in the ledger.
const META: &str = "existing";

/// The form in the ledger.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    host_paths: bool,
    rights: Vec<(String, String, String)>,
}

/// The recorded uses; detects and records them first if there is no record.
///
/// # Errors
/// The ledger cannot be read.
pub async fn load_or_record(ledger: &Ledger, site: &Site) -> Result<Existing, StoreError> {
    if let Some(known) = read_recorded(ledger).await? {
        return Ok(known);
    }
    let found = detect(ledger, site).await?;
    let rights = found.rights.iter();
    let rights = rights.map(|right| (right.service.clone(), right.word.clone(), right.item.clone())).collect();
    let written = Written { host_paths: found.host_paths, rights };
    let text = serde_json::to_string(&written).unwrap_or_default();
    // Detected again at the next start if the disk is full.
    if let Err(error) = ledger.set_meta(META, &text).await {
        tracing::warn!("what was used before policy closed it could not be written down: {error}");
    }
    Ok(found)
}

/// The recorded uses; `None` if no version that detects them has written this ledger yet.
///
/// # Errors
/// The ledger cannot be read.
pub async fn read_recorded(ledger: &Ledger) -> Result<Option<Existing>, StoreError> {
    let Some(text) = ledger.meta(META).await? else { return Ok(None) };
    let written: Written = serde_json::from_str(&text).unwrap_or_default();
    let rights = written.rights.into_iter().map(|(service, word, item)| Right { service, word, item }).collect();
    Ok(Some(Existing { rights, host_paths: written.host_paths, everything: false, shares: BTreeMap::new() }))
}

/// Logs what policy closes from 0.3 on, each once.
pub(crate) fn log_closing(before: &[Diagnostic], now: &[Diagnostic]) {
    for fresh in now.iter().filter(|found| found.is_closing && !before.contains(found)) {
        let Diagnostic { code, file, line, message, hint, .. } = fresh;
        tracing::warn!(code, "{file}:{line}: {message}; {}", hint.as_deref().unwrap_or_default());
    }
}

/// What the good manifests of a ledger take of the limits of all.
///
/// # Errors
/// The ledger cannot be read.
pub async fn shares(ledger: &Ledger, site: &Site) -> Result<BTreeMap<String, Share>, StoreError> {
    let mut shares = BTreeMap::new();
    for (name, kept) in ledger.manifests().await? {
        let assets = if kept.assets.is_empty() { Assets::new() } else { ledger.assets(&name).await? };
        let loaded = manifest::load_again(&SourceFile { path: kept.file, text: kept.text }, &assets, site);
        shares.extend(loaded.services.iter().map(|service| (name.clone(), manifest::share(service))));
    }
    Ok(shares)
}

/// What the good manifests of a ledger use.
///
/// # Errors
/// The ledger cannot be read.
pub async fn detect(ledger: &Ledger, site: &Site) -> Result<Existing, StoreError> {
    let kept = ledger.manifests().await?;
    let mut rights: BTreeSet<Right> = BTreeSet::new();
    let mut networks: BTreeSet<String> = BTreeSet::new();
    for (name, kept) in &kept {
        let assets = ledger.assets(name).await?;
        let file = SourceFile { path: kept.file.clone(), text: kept.text.clone() };
        let used = manifest::in_use(&file, &assets, site);
        rights.extend(used.rights);
        networks.extend(used.network);
        rights.extend(used.secrets.into_iter().map(|secret| Right {
            service: name.clone(),
            word: OLD_PLACE.to_owned(),
            item: secret.0,
        }));
    }
    // Networks of the ledger's own `Network` manifests are defined, though each manifest was read by itself.
    rights.retain(|right| {
        right.word != "networks" || !networks.contains(service_of_network(&right.item).unwrap_or(&right.item))
    });
    Ok(Existing { rights, host_paths: !kept.is_empty(), everything: false, shares: BTreeMap::new() })
}

impl Engine {
    /// What each good manifest takes of the limits of all stays its own; a manifest that was refused for them is judged
    /// again where that changes.
    pub(crate) fn note_shares(&mut self, picture: &PassResult) {
        let before = &self.context.site.existing.shares;
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
        site.existing.shares = shares;
        self.context = Arc::new(Context { site, schemas, providers: providers.clone(), stage: stage.clone() });
        if picture.diagnostics.iter().any(|found| ["A0162", "A0163", "A0164"].contains(&found.code)) {
            self.loading.forget();
        }
    }
}
