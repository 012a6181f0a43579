//! The manifests that `support/generate.rs` makes: every key of the schema occurs, all of them are good, and what is
//! broken in one harms nobody but its own service and never the reader.
#![expect(clippy::wildcard_enum_match_arm, reason = "JSON has the forms that it has")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use amarre_core::manifest::render;
use amarre_core::manifest::{Loaded, Severity, SourceFile, load, schema};
use amarre_core::model::site::Site;
use amarre_core::model::{Asset, Assets};
use serde_json::{Value as Json, json};

use amarre_testkit::dice::Dice;
use amarre_testkit::generate::{Generated, Ground, all_keys, generate};
use amarre_testkit::scene;

/// So many show every key, with some to spare.
const SOURCES: u64 = 4000;

pub fn the_schema() -> &'static Json {
    static SCHEMA: OnceLock<Json> = OnceLock::new();
    SCHEMA.get_or_init(schema)
}

/// A site whose policy allows everything.
pub fn site() -> Site {
    let mut site = scene::site();
    let policy = &mut site.policy;
    policy.devices = vec!["*".to_owned()];
    for list in [&mut policy.volume_drivers, &mut policy.runtimes, &mut policy.log_drivers] {
        *list = vec!["*".to_owned()];
    }
    policy.networks.push("container:*".to_owned());
    policy.targets.insert("*".to_owned(), vec!["*".to_owned()]);
    // Services of the generator have containers of the same keys, also on networks that they share.
    policy.names.insert("*".to_owned(), vec!["*".to_owned()]);
    policy.capabilities = ["ALL".to_owned()].into();
    (policy.privileged, policy.docker_socket, policy.host_network, policy.host_namespaces) = (true, true, true, true);
    site
}

pub fn assets(generated: &Generated) -> Assets {
    let asset = |(path, text): &(String, String)| (path.clone(), Asset::of(text.as_bytes(), false));
    generated.beside.iter().map(asset).collect()
}

fn loaded(generated: &Generated, site: &Site) -> (Loaded, String) {
    let file = |(path, text): (String, String)| SourceFile { path, text };
    let files: Vec<SourceFile> = generated.files().into_iter().map(file).collect();
    let loaded = load(&files, &assets(generated), site);
    let said = render(&loaded.diagnostics, &files, loaded.services.len(), files.len());
    (loaded, said)
}

#[test]
fn generated_manifests_have_every_key_and_are_good() {
    let (schema, site) = (the_schema(), site());
    let (mut seen, mut wrong) = (BTreeSet::new(), BTreeMap::new());
    let mut without_sample = BTreeSet::new();
    for seed in 0..SOURCES {
        let generated = generate(schema, &Ground::default(), seed);
        let (loaded, said) = loaded(&generated, &site);
        for bad in loaded.diagnostics.iter().filter(|known| known.severity == Severity::Error) {
            wrong.entry(bad.message.clone()).or_insert_with(|| format!("seed {seed}: {said}"));
        }
        seen.extend(generated.keys);
        without_sample.extend(generated.without_sample);
    }
    let texts: Vec<&String> = wrong.values().take(12).collect();
    assert!(
        wrong.is_empty(),
        "{} kinds of errors, {:#?}\n{}",
        wrong.len(),
        wrong.keys(),
        texts.iter().map(|t| t.as_str()).collect::<Vec<_>>().join("\n")
    );
    assert!(without_sample.is_empty(), "these need a line in tests/it/support/samples.rs: {without_sample:?}");
    // An Instance is of a server that exists, a Pool of machines, an App of a repository, a build of files, and no world that is
    // generated has one: tests/it/clouds, tests/it/pools.rs, tests/it/apps.
    let elsewhere = ["App.", "Instance.", "Pool.", "build.", "container.build", "job.build"];
    let is_generated = |key: &&String| !elsewhere.iter().any(|kind| key.starts_with(kind));
    let missing: Vec<String> = all_keys(schema).difference(&seen).filter(is_generated).cloned().collect();
    assert!(missing.is_empty(), "these never occur: {missing:?}");
}

#[test]
fn the_same_seed_gives_the_same_manifests() {
    let ground = Ground::default();
    assert_eq!(generate(the_schema(), &ground, 7), generate(the_schema(), &ground, 7));
    assert_ne!(generate(the_schema(), &ground, 7), generate(the_schema(), &ground, 8));
}

#[test]
fn a_mutation_of_a_generated_manifest_never_breaks_the_reader() {
    let (schema, site) = (the_schema(), site());
    let mut refused = 0;
    for seed in 0..SOURCES {
        let mut generated = generate(schema, &Ground::default(), seed);
        let mut dice = Dice::new(seed ^ 0xbad);
        for _ in 0..=dice.below(3) {
            let at = dice.below(generated.documents.len());
            mutate(&mut generated.documents[at], &mut dice);
        }
        let (loaded, _) = loaded(&generated, &site);
        refused += usize::from(!loaded.broken.is_empty());
    }
    assert!(refused as u64 > SOURCES / 4, "only {refused} of {SOURCES} are refused");
}

/// Something at some depth becomes something else.
fn mutate(value: &mut Json, dice: &mut Dice) {
    let odd = [
        Json::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("\u{0}\u{feff}é${"),
        json!("${x:?y}"),
        json!("a:b:c:d:e"),
        json!("../../etc/passwd"),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!({"secret": ["x"]}),
        json!("9".repeat(400)),
        json!(u64::MAX),
        json!("172.20.0.0/33"),
        json!("*.*"),
        json!("service:"),
        json!("@"),
        json!(":"),
        json!("-"),
        json!("::1"),
        json!("/"),
    ];
    match value {
        Json::Object(entries) if !entries.is_empty() && dice.chance(80) => {
            let keys: Vec<String> = entries.keys().cloned().collect();
            let key = dice.pick(&keys).clone();
            match dice.below(10) {
                0 => drop(entries.remove(&key)),
                1 => {
                    let moved = entries.remove(&key).unwrap();
                    entries.insert(format!("{key}s"), moved);
                }
                2 => {
                    let other = dice.pick(&keys).clone();
                    let copied = entries[&other].clone();
                    entries.insert(key, copied);
                }
                _ => mutate(entries.get_mut(&key).unwrap(), dice),
            }
        }
        Json::Array(items) if !items.is_empty() && dice.chance(80) => {
            let at = dice.below(items.len());
            if dice.chance(20) {
                let again = items[at].clone();
                items.push(again);
            } else {
                mutate(&mut items[at], dice);
            }
        }
        other => *other = dice.pick(&odd).clone(),
    }
}
