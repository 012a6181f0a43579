//! Generated from the tables, on every version that was recorded: every field of every kind, set and changed through all its samples,
//! with what is seen equal to what is wanted after each, and everybody else's rows as they were.

use std::collections::BTreeSet;

use amarre_core::model::{Fields, Kind, KindSchema, Rule, Value};
use amarre_core::resources::npm::KINDS;
use amarre_sim::npm::{self, Level, NpmOptions, NpmVersion};
use amarre_testkit::field_samples::samples_for;
use serde_json::{Value as Json, json};

use super::rig::{Rig, address, dead_host, host, list, redirection, stream, with_real_marks};

/// A rig with the certificates and lists that the samples name, and hosts of other people.
async fn furnished(version: NpmVersion) -> Rig {
    let rig = Rig::with(NpmOptions { version, ..NpmOptions::default() }).await;
    rig.npm.set_level(npm::Kind::DeadHost, Level::Manage);
    rig.npm.seed_certificate("wild one", &["*.one.example.org"]);
    rig.npm.seed_certificate("wild two", &["*.two.example.org"]);
    for name in ["amarre/family", "office"] {
        rig.npm.seed_access_list(&json!({"name": name, "items": [{"username": "u", "password": "p"}]}));
    }
    rig.npm.seed_proxy_host(&json!({
        "domain_names": ["theirs.example.org"], "forward_host": "10.0.0.9", "forward_port": 80,
        "meta": {"managed_by": "somebody"},
    }));
    rig.npm.seed_redirection_host(&json!({
        "domain_names": ["theirs.example.net"], "forward_domain_name": "theirs.example.org",
    }));
    rig.npm.seed_stream(&json!({"incoming_port": 9, "forwarding_host": "10.0.0.9", "forwarding_port": 9}));
    rig
}

fn all_rows(rig: &Rig) -> Vec<Vec<Json>> {
    let kinds = [npm::Kind::ProxyHost, npm::Kind::RedirectionHost, npm::Kind::DeadHost, npm::Kind::Stream];
    kinds.into_iter().chain([npm::Kind::AccessList, npm::Kind::Certificate]).map(|kind| rig.rows(kind)).collect()
}

fn base(kind: Kind) -> (&'static str, Fields) {
    let written = [
        (Kind::ProxyHost, "one.example.org", strict(host("one.example.org"))),
        (Kind::Redirection, "one.example.org", strict(redirection("one.example.org"))),
        (Kind::DeadHost, "one.example.org", strict(dead_host("one.example.org"))),
        (Kind::Stream, "2222", stream(2222)),
        (Kind::AccessList, "amarre/team", list(&["anna"])),
    ];
    let (_, name, fields) = written.into_iter().find(|(of, ..)| *of == kind).unwrap();
    (name, fields)
}

/// With everything that TLS flags stand on.
fn strict(fields: Fields) -> Fields {
    let flags = ["force_https", "http2", "hsts", "hsts_subdomains"];
    let fields = fields.with("certificate", Value::text("wild two"));
    flags.into_iter().fold(fields, |fields, flag| fields.with(flag, Value::Bool(true)))
}

async fn every_field(kind: Kind) {
    let schema = KINDS.iter().find(|schema| schema.kind == kind).unwrap();
    for version in NpmVersion::ALL {
        every_field_of(schema, version).await;
    }
}

async fn every_field_of(schema: &KindSchema, version: NpmVersion) {
    let mut rig = furnished(version).await;
    let before = all_rows(&rig);
    let (name, base) = base(schema.kind);
    let address = address(schema.kind, name);
    let mut secrets = BTreeSet::new();
    for field in schema.fields.iter().filter(|field| field.rule != Rule::Observed) {
        // From the first sample to the last and back to the default, on a host that is there already …
        let mut samples = samples_for(schema.kind, field.name).to_vec();
        if version == NpmVersion::V2_12 && schema.kind == Kind::Redirection {
            // See `a_redirection_without_a_scheme_needs_a_version_that_keeps_it`.
            samples.retain(|sample| !sample.contains("\"auto\""));
        }
        for sample in samples.iter().chain(samples.first()).chain(field.default.iter()) {
            let value = with_real_marks(serde_json::from_str(sample).unwrap(), &mut secrets);
            rig.bring(&address, &base.clone().with(field.name, value)).await;
        }
        // … and each as the first thing that is ever written.
        for sample in samples {
            rig.delete(&address).await.unwrap();
            assert_eq!(rig.see(&address).await, None);
            let value = with_real_marks(serde_json::from_str(sample).unwrap(), &mut secrets);
            rig.bring(&address, &base.clone().with(field.name, value)).await;
        }
    }
    rig.delete(&address).await.unwrap();
    assert_eq!(all_rows(&rig), before, "what is not ours was touched, or something of ours is left");
}

#[tokio::test]
async fn every_field_of_a_proxy_host() {
    every_field(Kind::ProxyHost).await;
}

#[tokio::test]
async fn every_field_of_a_redirection() {
    every_field(Kind::Redirection).await;
}

#[tokio::test]
async fn every_field_of_a_404_host() {
    every_field(Kind::DeadHost).await;
}

#[tokio::test]
async fn every_field_of_a_stream() {
    every_field(Kind::Stream).await;
}

#[tokio::test]
async fn every_field_of_an_access_list() {
    every_field(Kind::AccessList).await;
}

#[test]
fn every_kind_that_is_written_is_covered() {
    let observed_only = |schema: &&KindSchema| schema.fields.iter().all(|field| field.rule == Rule::Observed);
    let written: Vec<Kind> = KINDS.iter().filter(|schema| !observed_only(schema)).map(|schema| schema.kind).collect();
    assert_eq!(written, [Kind::AccessList, Kind::ProxyHost, Kind::Redirection, Kind::DeadHost, Kind::Stream]);
}
