//! An upgrade re-creates nothing that an older Amarre made: the same file gives the same generation.
//!
//! `tests/cases/corpus/generations.out` holds what e969b30 made of each project that it took. It is never rewritten.

use std::collections::{BTreeMap, BTreeSet};

use amarre_core::model::{Facts, Kind, Timestamp, World};
use amarre_core::plan::expand::expand;

use crate::corpus;
use amarre_testkit::scene::Scene;

/// As `compose: .` was not known then.
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Its healthcheck has no test: that one was re-created in every pass, and would be again.
const ANEW: [&str; 1] = ["docker/container/immich-immich-server"];

/// Generations by container, of all projects that are taken.
fn generations() -> BTreeMap<String, String> {
    let site = corpus::generous();
    let mut found = BTreeMap::new();
    for (name, text) in corpus::projects() {
        let copied = tempfile::tempdir().unwrap();
        let services = corpus::unpack(copied.path(), &name, &text);
        let Some(file) = FILES.into_iter().find(|file| services.join(&name).join(file).exists()) else { continue };
        std::fs::write(services.join(&name).join("service.yaml"), format!("name: {name}\ncompose: ./{file}\n"))
            .unwrap();
        let loaded = corpus::read(&services, &site);
        if !loaded.broken.is_empty() {
            continue;
        }
        let scene = Scene::loaded(loaded, &site, &BTreeMap::new());
        let now = Timestamp(1_795_000_000_000);
        let wants = scene.with_input(&World::default(), &Facts::default(), now, expand);
        let containers = wants.map.keys().filter(|address| address.kind == Kind::Container);
        found.extend(containers.filter_map(|address| Some((address.base().to_string(), address.generation.clone()?))));
    }
    found
}

#[test]
fn no_upgrade_recreates_a_container() {
    let golden = include_str!("../cases/corpus/generations.out");
    let made = golden.lines().skip(1).filter_map(|line| line.split_once(' '));
    let now = generations();
    let anew: BTreeSet<&str> =
        made.clone().filter(|(name, was)| now.get(*name).is_none_or(|is| is != was)).map(|(name, _)| name).collect();
    assert!(made.count() >= 300);
    assert_eq!(anew, BTreeSet::from(ANEW));
}
