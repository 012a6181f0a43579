//! What the program is made of: licences, bans and sources as deny.toml has them, asked of `cargo metadata`. What needs the
//! Internet (known holes, yanked versions) is asked by `.github/workflows/ci.yml` with cargo-deny itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

/// What deny.toml says, as far as it is checked here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rules {
    licenses: BTreeSet<String>,
    banned: BTreeSet<String>,
    /// `wildcards`, `unknown-registry`, `unknown-git` that are denied.
    denied: BTreeSet<String>,
}

impl Rules {
    /// Reads the few forms that the file uses: sections, lists of texts, tables with `crate`, words.
    fn read(text: &str) -> Self {
        let (mut rules, mut section, mut key) = (Self::default(), "", "");
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                (section, key) = (name, "");
                continue;
            }
            if let Some((name, value)) = line.split_once(" = ").filter(|(name, _)| !name.contains(['{', '"'])) {
                key = name;
                if value == "\"deny\"" {
                    rules.denied.insert(name.to_owned());
                }
            }
            let texts = || line.split('"').skip(1).step_by(2).map(str::to_owned);
            match (section, key) {
                ("licenses", "allow") => rules.licenses.extend(texts()),
                ("bans", "deny") => {
                    rules.banned.extend(line.contains("crate = ").then(texts).into_iter().flatten().next());
                }
                _ => (),
            }
        }
        rules
    }

    /// What of a `cargo metadata` breaks them.
    fn broken_by(&self, metadata: &Json) -> Vec<String> {
        let members: BTreeSet<&str> = list(&metadata["workspace_members"]).iter().filter_map(Json::as_str).collect();
        let mut wrong = Vec::new();
        for package in list(&metadata["packages"]) {
            let text = |key: &str| package[key].as_str().unwrap_or_default();
            let name = format!("{} {}", text("name"), text("version"));
            if self.banned.contains(text("name")) {
                wrong.push(format!("{name} is banned"));
            }
            match package["source"].as_str() {
                None => (),
                Some(from) if from.starts_with("registry+") && from.ends_with("/rust-lang/crates.io-index") => (),
                Some(from) => wrong.push(format!("{name} comes from {from}")),
            }
            let is_ours = members.contains(text("id"));
            if !is_ours && !self.allows(text("license")) {
                wrong.push(format!("{name} has the licence `{}`", text("license")));
            }
            let is_open = |need: &&Json| need["req"] == "*" && need["path"].is_null();
            for need in list(&package["dependencies"]).iter().filter(is_open).filter(|_| is_ours) {
                wrong.push(format!("{name} takes any version of {}", need["name"]));
            }
        }
        wrong
    }

    /// Whether an SPDX expression can be met with what is allowed.
    fn allows(&self, expression: &str) -> bool {
        let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        self.either(&mut rest) == Some(true) && rest.is_empty()
    }

    /// `None`: that is no expression.
    fn either(&self, rest: &mut &[&str]) -> Option<bool> {
        let mut met = self.both(rest)?;
        while take(rest, "OR") {
            met |= self.both(rest)?;
        }
        Some(met)
    }

    fn both(&self, rest: &mut &[&str]) -> Option<bool> {
        let mut met = self.one(rest)?;
        while take(rest, "AND") {
            met &= self.one(rest)?;
        }
        Some(met)
    }

    fn one(&self, rest: &mut &[&str]) -> Option<bool> {
        if take(rest, "(") {
            let met = self.either(rest)?;
            return take(rest, ")").then_some(met);
        }
        let (name, after) = rest.split_first()?;
        *rest = after;
        if take(rest, "WITH") {
            let (exception, after) = rest.split_first()?;
            *rest = after;
            return Some(self.licenses.contains(&format!("{name} WITH {exception}")));
        }
        Some(self.licenses.contains(*name))
    }
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    let Some((first, after)) = rest.split_first() else { return false };
    let is_it = *first == word;
    if is_it {
        *rest = after;
    }
    is_it
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn deny() -> Rules {
    Rules::read(&std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap())
}

/// With what is on this machine already: all of it was built.
fn metadata() -> Json {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &target]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_package_has_an_allowed_licence_and_source_and_none_is_banned() {
    let (rules, metadata) = (deny(), metadata());
    assert!(list(&metadata["packages"]).len() > 100, "that is not the whole program");
    let wrong = rules.broken_by(&metadata);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A check that finds nothing finds something where there is something.
#[test]
fn a_package_that_breaks_a_rule_is_found() {
    let rules = deny();
    for word in ["MIT", "Apache-2.0 WITH LLVM-exception"] {
        assert!(rules.licenses.contains(word), "{rules:?}");
    }
    assert!(rules.banned.contains("openssl-sys") && rules.banned.contains("rusqlite"), "{rules:?}");
    let denied = ["unknown-git", "unknown-registry", "wildcards", "yanked"].map(str::to_owned);
    assert_eq!(rules.denied, BTreeSet::from(denied));

    let mut clean = metadata();
    let ours = clean["workspace_members"][0].clone();
    let source = list(&clean["packages"]).iter().find_map(|package| package["source"].as_str()).unwrap().to_owned();
    let package = |name: &str, license: Json, source: &str| json!({"id": format!("x#{name}"), "name": name, "version": "1.0.0", "license": license, "source": source, "dependencies": []});
    let baits = [
        (package("curl", json!("MIT"), &source), "curl 1.0.0 is banned"),
        (package("a", json!("GPL-3.0-only"), &source), "a 1.0.0 has the licence `GPL-3.0-only`"),
        (package("b", Json::Null, &source), "b 1.0.0 has the licence ``"),
        (package("c", json!("MIT"), "git+https://example.org/c#1"), "c 1.0.0 comes from git+https://example.org/c#1"),
        (
            package("d", json!("MIT"), "registry+https://example.org/index"),
            "d 1.0.0 comes from registry+https://example.org/index",
        ),
    ];
    for (bait, told) in baits {
        clean["packages"] = json!([bait]);
        assert_eq!(rules.broken_by(&clean), [told]);
    }
    let open = json!({"id": ours, "name": "amarre", "version": "1.0.0", "source": null, "dependencies": [{"name": "x", "req": "*", "path": null}]});
    clean["packages"] = json!([open]);
    assert_eq!(rules.broken_by(&clean), ["amarre 1.0.0 takes any version of \"x\""]);
}

#[test]
fn a_licence_is_allowed_when_what_it_offers_is() {
    let rules = deny();
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "(MIT OR GPL-3.0) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(rules.allows(good), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "MIT WITH LLVM-exception", "(MIT", "MIT)", "MIT OR", "OR MIT"] {
        assert!(!rules.allows(bad), "{bad}");
    }
}

/// The workflows do what CI does here, and name no step that is not pinned.
#[test]
fn the_workflows_call_what_ci_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["ci", "release"] {
        let text = std::fs::read_to_string(root.join(format!(".github/workflows/{name}.yml"))).unwrap();
        assert!(text.contains("bash .ci/run"), "{name} does not call .ci/run");
        assert!(text.contains("\npermissions:\n  contents: read\n"), "{name} may more than it needs");
        for line in text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")) {
            let version = line.split_once('@').map(|(_, version)| version).unwrap_or_default();
            let version = version.split_whitespace().next().unwrap_or_default();
            let is_pinned = version.matches('.').count() == 2 || version.len() == 40;
            assert!(is_pinned, "{name}: {line} is not pinned to a version");
        }
    }
    let ci = std::fs::read_to_string(root.join(".github/workflows/ci.yml")).unwrap();
    for word in ["cargo deny", "trivy", "gitleaks"] {
        assert!(ci.contains(word), "ci does without {word}");
    }
}

/// Form, expressions and keys, by actionlint; a workflow that is wrong is found.
#[test]
fn the_workflows_are_in_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lint = |files: &[&Path]| -> Json {
        let mut node = Command::new("node");
        node.arg(root.join("tests/it/supply/lint.mjs")).args(files).env("NODE_PARTS", root.join("target/node"));
        let output = node.output().expect("node is there: scripts/test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let [ci, release] = ["ci", "release"].map(|name| root.join(format!(".github/workflows/{name}.yml")));
    assert_eq!(lint(&[&ci, &release]), json!([]));
    let folder = tempfile::tempdir().unwrap();
    let bait = folder.path().join("bait.yml");
    std::fs::write(
        &bait,
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ github.nope }}\n",
    )
    .unwrap();
    let found = lint(&[&bait]);
    assert!(found.to_string().contains("nope") && list(&found).len() == 1, "{found}");
}
