//! The effective manifests: the source's, and the last good text of each that is broken or out of reach.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::engine::Engine;
use super::manifest_loader::SharedManifests;
use super::rollback::EffectiveRollbacks;
use crate::ledger::StoredManifest;
use crate::ledger::runs::Event;
use crate::secret::Secrets;
use crate::source::{Snapshot, SourceNote};
use amarre_core::manifest::{ContestedName, Diagnostic, NameClaims, SourceFile, names_of_containers};
use amarre_core::model::service::Reconcile;
use amarre_core::model::{Assets, Document, History, Mark, Payloads, SecretName, Service, Site, Text};

/// The effective manifests, with the last good text of each broken file.
pub(crate) struct DesiredManifests {
    pub(crate) services: Arc<BTreeMap<String, Service>>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) broken: BTreeMap<String, String>,
    pub(crate) frozen: BTreeSet<String>,
    pub(crate) prune_blocked: bool,
    pub(crate) marks: BTreeMap<SecretName, Mark>,
    pub(crate) secrets: Secrets,
    /// The public halves of the host keys of machines that Amarre makes, by the name of the private one.
    pub(crate) host_keys: BTreeMap<SecretName, String>,
    pub(crate) history: History,
    /// How deleted manifests stated that they are kept.
    pub(crate) gone: BTreeMap<String, Reconcile>,
    /// What deleted manifests asked for, where their last text can be read.
    pub(crate) gone_services: BTreeMap<String, Service>,
    pub(crate) texts: Arc<BTreeMap<String, Document>>,
    /// The revision of the source, as shown.
    pub(crate) revision: String,
    pub(crate) going_back: EffectiveRollbacks,
}

/// What is said of a file that is left out.
pub fn noted(note: &SourceNote) -> Diagnostic {
    Diagnostic::left_out(note.code, note.is_unread, &note.file, note.message.as_str(), note.hint.as_str())
}

impl Engine {
    /// Whether the source has changed since the last pass.
    pub(crate) async fn source_moved(&self) -> bool {
        // A repository wakes the loop itself after a fetch.
        let read = match self.source.folder() {
            Some(_) => self.source.read().await.snapshot,
            None => None,
        };
        read.is_some_and(|snapshot| snapshot.revision != self.pass.source.revision)
    }

    /// Records and logs what happened to the source.
    pub(crate) async fn record_source_events(&mut self) {
        for text in self.source.take_events() {
            tracing::warn!("{text}");
            let event = Event {
                at: self.clock.now(),
                run: self.pass.run,
                service: String::new(),
                address: None,
                kind: "source".to_owned(),
                text: Text::foreign(text),
                reason: None,
            };
            if let Err(error) = self.ledger.record(&event).await {
                self.ledger_failed(&error);
            }
        }
    }

    /// The effective manifests: the source's, and the last good text of each that is broken or out of reach.
    pub(crate) async fn desired(&mut self, source: Option<&Snapshot>, loaded: SharedManifests) -> DesiredManifests {
        let stored = self.ledger.manifests().await;
        let is_unread = stored.is_err();
        let stored = stored.unwrap_or_default();
        let SharedManifests { services, diagnostics, broken, texts, apps: _ } = loaded;
        let mut history = source.map(|snapshot| snapshot.history.clone()).unwrap_or_default();
        let gone = stored.iter().filter(|(name, _)| !services.contains_key(*name));
        history.gone = gone.map(|(name, kept)| (name.clone(), kept.file.clone())).collect();
        let mut desired = DesiredManifests {
            history,
            gone: BTreeMap::new(),
            gone_services: BTreeMap::new(),
            services,
            diagnostics,
            broken: BTreeMap::new(),
            frozen: BTreeSet::new(),
            prune_blocked: broken.iter().any(|broken| broken.service.is_none()),
            marks: BTreeMap::new(),
            secrets: Secrets::new(),
            host_keys: BTreeMap::new(),
            texts,
            revision: source.map(|source| source.revision.clone()).unwrap_or_default(),
            going_back: EffectiveRollbacks::default(),
        };
        // An unreadable file may state that its services are kept.
        desired.prune_blocked |= is_unread;
        for note in source.iter().flat_map(|snapshot| &snapshot.notes) {
            desired.diagnostics.push(noted(note));
            desired.prune_blocked |= note.is_unread;
        }
        for broken in &broken {
            let Some(name) = &broken.service else { continue };
            desired.broken.insert(name.clone(), format!("{} is broken", broken.file));
            self.use_last_good(&mut desired, name, stored.get(name)).await;
        }
        self.wait_for_repositories(&mut desired, &stored).await;
        let notes = source.map(|snapshot| snapshot.notes.as_slice()).unwrap_or_default();
        let lost = |file: &String| {
            let is_broken = || broken.iter().any(|b| b.service.is_none() && b.file == *file);
            source.is_none() || is_broken() || notes.iter().any(|note| note.hides(file))
        };
        // What was deleted, and has left data, comes back with its manifest only.
        let facts = self.ledger.facts().await.unwrap_or_default();
        let lasting = stored.iter().filter(|(name, kept)| lost(&kept.file) && !facts.retired.contains_key(*name));
        for (name, text) in lasting {
            if !desired.services.contains_key(name) {
                self.use_last_good(&mut desired, name, Some(text)).await;
            }
        }
        for (name, kept) in stored.iter().filter(|(name, _)| !desired.services.contains_key(*name)) {
            let last = self.last_good(name, Some(kept)).await;
            let unreadable =
                || Reconcile { protect: kept.text.contains("protect").then_some(true), ..Reconcile::default() };
            let said = last.as_ref().map(|service| service.reconcile.clone());
            desired.gone.insert(name.clone(), said.unwrap_or_else(unreadable));
            desired.gone_services.extend(last.map(|service| (name.clone(), service)));
        }
        self.freeze_reused_names(&mut desired, &stored).await;
        self.rewind_all(&mut desired, source).await;
        self.resolve_secrets(&mut desired, source);
        desired
    }

    /// A name in the last good text of a broken manifest stays with that manifest: a newcomer that takes the name
    /// waits, whichever file the error is reported in.
    async fn freeze_reused_names(&mut self, desired: &mut DesiredManifests, stored: &BTreeMap<String, StoredManifest>) {
        let is_broken = |service: &&Service| desired.broken.contains_key(&service.name);
        let holders: Vec<Service> = desired.services.values().filter(is_broken).cloned().collect();
        if holders.is_empty() {
            return;
        }
        let site = self.context.site.clone();
        let held = HeldNames::new(&holders, &site);
        let others = desired.services.values().filter(|service| !is_broken(service));
        let takers: Vec<(String, Vec<ContestedName>)> =
            others.map(|service| (service.name.clone(), held.taken_by(service))).collect();
        for (taker, taken) in takers.into_iter().filter(|(_, taken)| !taken.is_empty()) {
            let before = self.last_good(&taker, stored.get(&taker)).await;
            let taken_before = before.as_ref().map(|service| held.taken_by(service)).unwrap_or_default();
            // What two had before, policy gave to both.
            let mut fresh = taken.into_iter().filter(|name| name.is_one || !taken_before.contains(name));
            let Some(ContestedName { name, holder, .. }) = fresh.next() else { continue };
            desired.broken.insert(taker.clone(), format!("{name} belongs to {holder}, whose own manifest is broken"));
            Arc::make_mut(&mut desired.services).remove(&taker);
            Arc::make_mut(&mut desired.texts).remove(&taker);
            // If its own last text wants the same name, nothing of it is changed.
            match before.filter(|_| !taken_before.iter().any(|taken| taken.name == name)) {
                Some(service) => {
                    Arc::make_mut(&mut desired.services).insert(taker, service);
                }
                None => {
                    desired.frozen.insert(taker);
                }
            }
        }
    }

    /// The last good text of a manifest; without one, nothing of the service is changed.
    pub(crate) async fn use_last_good(
        &mut self,
        desired: &mut DesiredManifests,
        name: &str,
        stored: Option<&StoredManifest>,
    ) {
        match self.last_good(name, stored).await {
            Some(service) => {
                Arc::make_mut(&mut desired.services).insert(name.to_owned(), service);
            }
            None => {
                desired.frozen.insert(name.to_owned());
            }
        }
    }

    /// The service in the last good text of a manifest.
    async fn last_good(&mut self, name: &str, stored: Option<&StoredManifest>) -> Option<Service> {
        let kept = stored?;
        let assets = if kept.assets.is_empty() {
            Assets::new()
        } else {
            let assets = self.ledger.assets(name).await;
            assets.inspect_err(|error| self.ledger_failed(error)).unwrap_or_default()
        };
        let file = SourceFile { path: kept.file.clone(), text: kept.text.clone() };
        let loaded = self.loading.load_again(file, assets, &self.context.site).await?;
        loaded.services.get(name).cloned()
    }

    pub(crate) fn resolve_secrets(&self, desired: &mut DesiredManifests, source: Option<&Snapshot>) {
        let mut missing = Vec::new();
        for service in desired.services.values() {
            for (name, origin) in service.secrets() {
                if desired.secrets.contains_key(name) {
                    continue;
                }
                match (self.secrets)(name) {
                    Ok(secret) => {
                        desired.marks.insert(name.clone(), self.key.mark(secret.expose()));
                        desired.secrets.insert(name.clone(), secret);
                    }
                    Err((message, hint)) => {
                        let is_placed = missing.len() < Diagnostic::PLACED_MAX;
                        let mut files = source.iter().filter(|_| is_placed).flat_map(|source| &source.files);
                        let file = files.find(|(path, _)| *path == origin.file);
                        let found = Diagnostic::missing_secret(&service.name, origin, message.clone(), hint);
                        let found = found.where_named(&name.0, file.map(|(_, text)| text.as_str()));
                        missing.push((service.name.clone(), message, found));
                    }
                }
            }
        }
        for (service, message, found) in missing {
            desired.freeze(&service, message);
            desired.diagnostics.push(found);
        }
    }
}

/// The names of manifests that are broken, by their last good texts.
struct HeldNames<'a> {
    site: &'a Site,
    claims: NameClaims<'a>,
    containers: BTreeMap<String, &'a str>,
}

impl<'a> HeldNames<'a> {
    fn new(holders: &'a [Service], site: &'a Site) -> Self {
        let named = |service: &'a Service| {
            names_of_containers(service, site).into_keys().map(|name| (name, service.name.as_str()))
        };
        let containers = holders.iter().flat_map(named).collect();
        Self { site, claims: NameClaims::of(holders.iter()), containers }
    }

    fn taken_by(&self, service: &Service) -> Vec<ContestedName> {
        let mut taken = self.claims.contested(service, self.site);
        let names = names_of_containers(service, self.site).into_iter();
        taken.extend(names.filter_map(|(name, is_one)| {
            let holder = (*self.containers.get(&name)?).to_owned();
            Some(ContestedName { name, holder, is_one })
        }));
        taken
    }
}

impl DesiredManifests {
    /// Nothing of a service is changed, and why.
    pub(crate) fn freeze(&mut self, service: &str, why: String) {
        self.broken.insert(service.to_owned(), why);
        self.frozen.insert(service.to_owned());
    }

    /// The files that are delivered into containers.
    pub(crate) fn payloads(&self) -> Payloads {
        let bundles = self.services.values().flat_map(Service::bundles);
        bundles.map(|bundle| (bundle.digest.clone(), bundle.clone())).collect()
    }
}
