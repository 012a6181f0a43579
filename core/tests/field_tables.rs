//! The tables of fields: each is sound, and each field that is compared has what the contract suites try it with.

use amarre_core::model::{KindSchema, Rule, Value};
use amarre_core::resources::{dns, docker, npm};
use amarre_testkit::field_samples::{sampled_fields, samples_for};

fn schemas() -> impl Iterator<Item = &'static KindSchema> {
    [docker::KINDS, npm::KINDS, dns::KINDS].into_iter().flatten()
}

#[test]
fn every_field_that_is_compared_has_two_samples() {
    let mut wrong = Vec::new();
    for schema in schemas() {
        let compared =
            schema.fields.iter().filter(|field| !matches!(field.rule, Rule::Observed | Rule::Volatile | Rule::AtMost));
        let few = compared.filter(|field| samples_for(schema.kind, field.name).len() < 2);
        wrong.extend(few.map(|field| format!("{}.{} has no two samples", schema.kind, field.name)));
        let unknown = sampled_fields(schema.kind).into_iter().filter(|name| schema.field(name).is_none());
        wrong.extend(unknown.map(|name| format!("{}.{name} has samples and is no field", schema.kind)));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_sample_and_every_default_is_a_value() {
    let mut wrong = Vec::new();
    for schema in schemas() {
        for field in schema.fields {
            let texts = samples_for(schema.kind, field.name).iter().chain(field.default.iter());
            let bad = texts.filter(|text| serde_json::from_str::<Value>(text).is_err());
            wrong.extend(bad.map(|text| format!("{}.{}: not a value: {text}", schema.kind, field.name)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_claim_is_a_field() {
    let claims = schemas().filter_map(|schema| Some((schema, schema.claims?)));
    let wrong: Vec<String> = claims
        .filter(|(schema, claim)| schema.field(claim).is_none())
        .map(|(schema, claim)| format!("{} claims by `{claim}`, which is no field", schema.kind))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}
