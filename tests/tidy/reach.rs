//! How far a kind and a family reach: the files outside their own that name them. Who adds one edits as many.

use amarre_tidy::{PRODUCT, rust_files};

use super::none;

/// What is looked for, where it is at home, and the other files that name it.
const NAMED: [(&[&str], &[&str], &[&str]); 3] = [
    (
        &["DeadHost", "dead_host::"],
        &["core/src/manifest/kinds/dead_host.rs", "core/src/resources/npm/dead_host.rs"],
        &[
            "core/src/manifest/kinds/mod.rs",
            "core/src/model/kinds.rs",
            "core/src/resources/npm/mod.rs",
            "crates/providers/src/providers/npm/sections.rs",
        ],
    ),
    (
        &["dnsmasq"],
        &["src/config/dnsmasq.rs", "crates/providers/src/providers/dnsmasq/"],
        &[
            "core/src/model/families.rs",
            "crates/providers/src/providers/mod.rs",
            "src/config.rs",
            "src/config/build.rs",
            "src/config/file.rs",
            "src/registry.rs",
        ],
    ),
    (
        &["Kind::Server"],
        &[
            "crates/providers/src/providers/ovh_cloud/",
            "crates/providers/src/providers/kamatera/",
            "crates/providers/src/providers/servers.rs",
        ],
        &[
            "core/src/manifest/kinds/instance.rs",
            "core/src/model/kinds.rs",
            "core/src/plan/diff/decide.rs",
            "core/src/plan/diff/provenance.rs",
            "core/src/plan/protection.rs",
            "core/src/plan/safety/cloud_limits.rs",
            "core/src/resources/cloud.rs",
            "crates/engine/src/engine/report/instances.rs",
        ],
    ),
];

#[test]
fn kinds_and_families_are_named_in_few_files() {
    let files: Vec<_> = PRODUCT.into_iter().flat_map(rust_files).collect();
    let mut wrong = Vec::new();
    for (names, homes, known) in NAMED {
        let names_it = |code: &str| names.iter().any(|name| code.contains(name));
        let is_home = |path: &str| homes.iter().any(|home| path.starts_with(home));
        let others = files.iter().filter(|file| names_it(&file.code) && !is_home(&file.path));
        let others: Vec<&str> = others.map(|file| file.path.as_str()).collect();
        if others != known {
            wrong.push(format!("{names:?} is named in {others:?}, expected {known:?}"));
        }
    }
    none(&wrong);
}
