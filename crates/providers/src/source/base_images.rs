//! The images that services are built from: the digest that each had at the first build, so that every later one has the same, and what
//! its registry has under the same name by now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amarre_core::model::app::bases_asset;
use amarre_core::model::base_images::{BaseAnswer, BaseStates, FixedBase};
use amarre_core::model::{Asset, Assets, Millis, ProviderId, Timestamp};

/// How often a registry is asked for one image.
const INTERVAL: Millis = Millis::minutes(6 * 60);
/// How long it is left alone after it did not answer.
const PAUSE: Millis = Millis::minutes(60);
/// Images that are asked for at once, one after another; the others come with a later pass.
const AT_ONCE: usize = 10;

/// What is known of all. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct BaseImages(Arc<Mutex<KnownBases>>);

#[derive(Debug, Default)]
struct KnownBases {
    states: BaseStates,
    is_asking: bool,
}

impl BaseImages {
    fn lock(&self) -> MutexGuard<'_, KnownBases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an earlier process knew.
    pub fn load(&self, states: BaseStates) {
        self.lock().states = states;
    }

    /// All that is known.
    pub fn states(&self) -> BaseStates {
        self.lock().states.clone()
    }

    /// The digests that a service is built from.
    pub fn digests(&self, service: &str) -> BTreeMap<String, String> {
        let known = self.lock();
        let all = known.states.fixed.get(service).into_iter().flatten();
        all.map(|(image, fixed)| (image.clone(), fixed.digest.clone())).collect()
    }

    /// Fixes those of a build that are not fixed yet; answers them.
    pub fn fix(&self, service: &str, built_from: &BTreeMap<String, String>) -> BTreeMap<String, FixedBase> {
        let mut known = self.lock();
        let fixed = known.states.fixed.get(service);
        // What names a digest is fixed by its name.
        let is_new = |image: &String| !image.contains('@') && fixed.is_none_or(|fixed| !fixed.contains_key(image));
        let new: BTreeMap<String, FixedBase> = built_from
            .iter()
            .filter(|(image, _)| is_new(image))
            .map(|(image, digest)| (image.clone(), FixedBase { digest: digest.clone(), is_moved: false }))
            .collect();
        if !new.is_empty() {
            known.states.fixed.entry(service.to_owned()).or_default().extend(new.clone());
        }
        new
    }

    /// A person moves on to other digests.
    pub fn move_on(&self, service: &str, moved: &BTreeMap<String, FixedBase>) {
        self.lock().states.fixed.entry(service.to_owned()).or_default().extend(moved.clone());
    }

    /// Forgets services that are gone; answers them.
    pub fn forget(&self, is_gone: impl Fn(&str) -> bool) -> Vec<String> {
        let mut known = self.lock();
        let gone: Vec<String> = known.states.fixed.keys().filter(|service| is_gone(service)).cloned().collect();
        gone.iter().for_each(|service| _ = known.states.fixed.remove(service));
        gone
    }

    /// Those of which the registries are to be asked now. Until [`BaseImages::asked`] there are no others.
    pub fn due(&self, used: &BTreeSet<(ProviderId, String)>, now: Timestamp) -> Vec<(ProviderId, String)> {
        let mut known = self.lock();
        if known.is_asking {
            return Vec::new();
        }
        known.states.answers.retain(|key, _| used.contains(key));
        let is_due = |key: &&(ProviderId, String)| {
            let wait = |answer: &BaseAnswer| if answer.digest.is_ok() { INTERVAL } else { PAUSE };
            known.states.answers.get(*key).is_none_or(|answer| now - answer.at >= wait(answer))
        };
        let due: Vec<(ProviderId, String)> = used.iter().filter(is_due).take(AT_ONCE).cloned().collect();
        known.is_asking = !due.is_empty();
        due
    }

    /// What a registry said.
    pub fn answered(&self, engine: &ProviderId, image: &str, answer: BaseAnswer) {
        self.lock().states.answers.insert((engine.clone(), image.to_owned()), answer);
    }

    /// All that were due have been asked for.
    pub fn asked(&self) {
        self.lock().is_asking = false;
    }

    /// Puts what people have moved on to among the files of a source.
    pub(super) fn add_to(&self, assets: &mut Assets) {
        for (service, moved) in &moved(&self.lock().states) {
            let bytes = serde_json::to_vec(moved).unwrap_or_default();
            assets.insert(bases_asset(service), Asset::of(bytes, false));
        }
    }

    /// Differs where what people have moved on to does; empty where that is nothing.
    pub(super) fn revision(&self) -> String {
        let moved = moved(&self.lock().states);
        if moved.is_empty() { String::new() } else { serde_json::to_string(&moved).unwrap_or_default() }
    }
}

fn moved(states: &BaseStates) -> BTreeMap<String, BTreeMap<String, String>> {
    let of = |fixed: &BTreeMap<String, FixedBase>| -> BTreeMap<String, String> {
        let moved = fixed.iter().filter(|(_, fixed)| fixed.is_moved);
        moved.map(|(image, fixed)| (image.clone(), fixed.digest.clone())).collect()
    };
    let all = states.fixed.iter().map(|(service, fixed)| (service.clone(), of(fixed)));
    all.filter(|(_, moved)| !moved.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(image, digest)| ((*image).to_owned(), (*digest).to_owned())).collect()
    }

    #[test]
    fn the_first_build_fixes_a_digest_and_a_person_moves_on() {
        let bases = BaseImages::default();
        let engine = ProviderId::docker("default");
        assert_eq!(bases.fix("shop", &map(&[("node:24", "a"), ("x@sha256:1", "1")])).len(), 1);
        assert_eq!(bases.fix("shop", &map(&[("node:24", "b")])).len(), 0);
        assert_eq!(bases.digests("shop"), map(&[("node:24", "a")]));
        let mut assets = Assets::new();
        bases.add_to(&mut assets);
        assert!(assets.is_empty() && bases.revision().is_empty(), "an image is not called after its first digest");
        let answer = |digest: &str| BaseAnswer { at: Timestamp(0), digest: Ok(digest.to_owned()) };
        bases.answered(&engine, "node:24", answer("a"));
        assert_eq!(bases.states().newer(&engine, "shop", "node:24"), None);
        bases.answered(&engine, "node:24", answer("b"));
        assert_eq!(bases.states().newer(&engine, "shop", "node:24"), Some("b"));
        bases.move_on("shop", &[("node:24".to_owned(), FixedBase { digest: "b".to_owned(), is_moved: true })].into());
        bases.add_to(&mut assets);
        assert_eq!(assets["bases://shop"].content(), Some(&br#"{"node:24":"b"}"#[..]));
        assert_eq!(bases.states().newer(&engine, "shop", "node:24"), None);
        assert_eq!(bases.forget(|service| service == "shop"), ["shop"]);
        assert!(bases.digests("shop").is_empty());
    }

    #[test]
    fn a_registry_is_asked_now_and_then_and_less_where_it_does_not_answer() {
        let bases = BaseImages::default();
        let key = (ProviderId::docker("default"), "node:24".to_owned());
        let used = BTreeSet::from([key.clone()]);
        let due = |minutes: i64| {
            let due = bases.due(&used, Timestamp(minutes * 60_000)).len();
            bases.asked();
            due
        };
        assert_eq!(due(0), 1);
        let answer = |minutes: i64, digest| BaseAnswer { at: Timestamp(minutes * 60_000), digest };
        bases.answered(&key.0, &key.1, answer(0, Err("away".to_owned())));
        assert_eq!((due(59), due(60)), (0, 1));
        bases.answered(&key.0, &key.1, answer(60, Ok("a".to_owned())));
        assert_eq!((due(60 + 359), due(60 + 360)), (0, 1));
        assert_eq!(bases.due(&used, Timestamp(i64::MAX)).len(), 1);
        assert_eq!(bases.due(&used, Timestamp(i64::MAX)).len(), 0, "it is being asked");
        bases.asked();
        bases.due(&BTreeSet::new(), Timestamp(0));
        assert!(bases.states().answers.is_empty(), "what is not used any more is forgotten");
    }
}
