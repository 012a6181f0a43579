//! The texts in fields of a container: each has one parser and one formatter, and what was written once is written so again,
//! for ledgers, digests of generations and labels hold these bytes.

use std::path::Path;

use amarre_core::model::{Kind, Value};
use amarre_core::resources::docker::{HealthcheckSpec, MountKind, MountSpec, PortSpec, WantedPort};
use amarre_testkit::field_samples::samples_for;
use proptest::prelude::*;

fn samples(field: &str) -> Vec<Value> {
    samples_for(Kind::Container, field).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// Every word of the plans in `tests/cases/plan` and of the worlds that they begin with.
fn golden_words() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/plan");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
    let words = |text: String| {
        let is_between = |sign: char| sign.is_whitespace() || "\"'[]{}()`".contains(sign);
        let words = text.split(is_between).map(|word| word.trim_end_matches(',').to_owned());
        words.collect::<Vec<String>>()
    };
    texts.flat_map(words).collect()
}

#[test]
fn mounts_are_written_as_they_were_read() {
    let golden = golden_words().into_iter().filter(|word| word.contains(":/") && word.contains(":r"));
    let kinds = ["volume:", "bind:", "tmpfs:"];
    let golden = golden.filter(|word| kinds.iter().any(|kind| word.starts_with(kind)));
    let samples = samples("mounts");
    let samples = samples.iter().flat_map(Value::strings).map(str::to_owned);
    let all: Vec<String> = golden.chain(samples).collect();
    assert!(all.len() > 12, "only {} mounts", all.len());
    for text in all {
        assert_eq!(MountSpec::parse(&text).map(|mount| mount.to_string()), Some(text));
    }
}

#[test]
fn ports_are_written_as_they_were_read() {
    let is_port = |word: &String| {
        let signs = word.bytes().filter(|sign| *sign == b':').count();
        word.starts_with(|sign: char| sign.is_ascii_digit())
            && signs == 2
            && (word.ends_with("/tcp") || word.ends_with("/udp"))
    };
    let golden = golden_words().into_iter().filter(is_port);
    let published = samples("ports");
    let published = published.iter().flat_map(Value::strings).map(str::to_owned);
    let all: Vec<String> = golden.chain(published).collect();
    assert!(all.len() > 20, "only {} ports", all.len());
    for text in all {
        let port = PortSpec::parse(&text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(port.to_string(), text);
        let wanted = port.wanted().to_string();
        assert_eq!(WantedPort::parse(&wanted).map(|wanted| wanted.at(port.published)), Some(port));
    }
    for value in samples("publish") {
        for text in value.strings() {
            assert_eq!(WantedPort::parse(text).map(|port| port.to_string()).as_deref(), Some(text));
        }
    }
}

#[test]
fn healthchecks_are_written_as_they_were_read() {
    for value in samples("healthcheck") {
        assert_eq!(HealthcheckSpec::parse(&value).map(|check| check.value()), Some(value));
    }
}

proptest! {
    #[test]
    fn every_mount_can_be_read_again(
        kind in prop::sample::select(vec![MountKind::Volume, MountKind::Bind, MountKind::Tmpfs]),
        source in "(/?[a-z.:_-]{1,12}){0,3}",
        target in "(/[a-z._ -]{1,9}){1,3}",
        is_read_only: bool,
        options in prop::collection::btree_map("[a-z]{1,9}", "[a-z0-9/._=-]{0,9}", 0..3),
    ) {
        let options = options.iter().map(|(name, value)| (name.as_str(), value.into())).collect();
        let spec = MountSpec { kind, source: &source, target: &target, is_read_only, options };
        let text = spec.to_string();
        prop_assert_eq!(MountSpec::parse(&text), Some(spec));
    }
}
