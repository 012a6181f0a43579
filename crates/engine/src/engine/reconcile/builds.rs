//! Builds of images: what each did is kept with its run, and the images that it is made from are those of the first one until a person
//! moves on. Whether a registry has newer ones is asked now and then, beside the loop: nothing waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::engine::Engine;
use crate::engine::report::builds::used_bases;
use crate::engine::report::pass_view::PassView;
use crate::ledger::KeptBuild;
use amarre_core::model::base_images::{BaseAnswer, FixedBase};
use amarre_core::model::{Timestamp, words};

/// What this process has kept of builds.
#[derive(Debug, Default)]
pub struct KeptBuilds {
    /// What earlier processes have kept was read.
    is_loaded: bool,
    /// Images, and when each build began.
    kept: BTreeSet<(String, Timestamp)>,
    /// Whether an image is built, or about to be, by a Dockerfile that is not Amarre's.
    pub(super) of_dockerfiles: Arc<AtomicBool>,
}

impl Engine {
    /// Reads what the ledger has of the images that services are built from, once.
    pub(crate) async fn load_bases(&mut self) {
        if self.builds.is_loaded {
            return;
        }
        match self.ledger.base_states().await {
            Ok(states) => {
                self.source.apps().bases().load(states);
                self.builds.is_loaded = true;
            }
            Err(error) => self.ledger_failed(&error),
        }
    }

    /// Keeps the builds that have ended since the last pass.
    pub(crate) async fn keep_builds(&mut self) {
        let pass = self.pass.clone();
        let mut ended = Vec::new();
        let known: BTreeSet<_> = pass.builders().flat_map(|builds| builds.ended_builds()).collect();
        self.builds.kept.retain(|key| known.contains(key));
        for builds in pass.builders() {
            for key in builds.ended_builds() {
                if !self.builds.kept.contains(&key) {
                    ended.extend(builds.build(&key.0).filter(|build| build.began == key.1));
                }
            }
        }
        let now = self.clock.now();
        for build in ended {
            let key = (build.image.clone(), build.began);
            let log = build.log.map(|text| pass.scrubber.scrub(text));
            let fixed = match &log.error {
                None => self.source.apps().bases().fix(&build.service, &log.bases),
                Some(_) => BTreeMap::new(),
            };
            let run = self.run.map_or(pass.run, |run| run.id);
            let (began, ended) = (build.began.min(now), build.ended.unwrap_or(now).min(now));
            let kept = KeptBuild { service: build.service, image: build.image, run, began, ended, log };
            match self.ledger.store_build(&kept, &fixed).await {
                Ok(()) => _ = self.builds.kept.insert(key),
                Err(error) => return self.ledger_failed(&error),
            }
        }
    }

    /// From now on a service is built from these. Why not, in words for people.
    pub(crate) async fn move_bases(&mut self, service: &str, moved: &BTreeMap<String, FixedBase>) -> Option<String> {
        if let Err(error) = self.ledger.fix_bases(service, moved).await {
            return Some(error.to_string());
        }
        self.source.apps().bases().move_on(service, moved);
        None
    }

    /// Begins to ask registries for the images of which it is time, and forgets those of services that are gone.
    pub(crate) async fn follow_bases(&self, pass: &PassView) {
        if !pass.acts || pass.ledger_error.is_some() {
            return;
        }
        let bases = self.source.apps().bases().clone();
        let is_gone = |service: &str| {
            let is_known = pass.services.contains_key(service) || pass.broken.contains_key(service);
            let is_left = || pass.statuses().get(service).is_some_and(|row| !row.deleted);
            pass.is_whole() && !pass.facts.prune_blocked && !is_known && !is_left()
        };
        let gone = bases.forget(is_gone);
        if let Err(error) = self.ledger.forget_bases(&gone).await {
            tracing::warn!("{error}");
        }
        let used = pass.services.values().flat_map(|service| used_bases(pass, service)).collect();
        let due = bases.due(&used, self.clock.now());
        if due.is_empty() {
            return;
        }
        let (context, ledger, clock, wake) =
            (self.context.clone(), self.ledger.clone(), self.clock.clone(), self.wake.clone());
        let ask = async move {
            for (engine, image) in due {
                let Some(images) = context.providers.get(&engine).and_then(|one| one.capabilities().images) else {
                    continue;
                };
                let digest = images.digest(&image).await.map_err(|error| words::line(&error.message.to_string()));
                if let Err(why) = &digest {
                    tracing::debug!("whether there is a newer {image} is not known: {why}");
                }
                let answer = BaseAnswer { at: clock.now(), digest };
                bases.answered(&engine, &image, answer.clone());
                if let Err(error) = ledger.store_base_answer(&engine, &image, &answer).await {
                    tracing::warn!("{error}");
                }
            }
            bases.asked();
            wake.notify_one();
        };
        self.source.apps().run_beside(ask);
    }
}
