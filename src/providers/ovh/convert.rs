//! The vendor's rows ⇄ the product's record sets. Pure; invents no defaults.

use amarre_core::resources::dns::spelling::{quoted, spell, unquoted, words};

/// Where our marks stand, before the name that they are about.
const REGISTRY: &str = "_amarre";
/// Stands for the `*` of a wildcard, which would make the mark's own name a wildcard.
const REGISTRY_WILDCARD: &str = "_wildcard";

/// One row of a zone, its name made whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The vendor's id; not kept anywhere, for a change in text form renews them all.
    pub id: u64,
    /// Lower case, no final dot: `cloud.example.org`.
    pub name: String,
    /// As the vendor calls it; `SPF` and its like are TXT.
    pub field_type: String,
    /// As the vendor writes it.
    pub target: String,
    /// Seconds; 0 = the zone's own.
    pub ttl: u32,
}

/// The type that DNS knows.
pub fn dns_type(field_type: &str) -> &str {
    match field_type {
        "SPF" | "DKIM" | "DMARC" => "TXT",
        other => other,
    }
}

/// A target as the vendor writes it, in the product's spelling. What does not parse is shown as it is.
pub fn value_of(field_type: &str, target: &str, zone: &str) -> String {
    let record_type = dns_type(field_type);
    if record_type == "TXT" {
        return unquoted(target);
    }
    spell(record_type, target, Some(zone)).unwrap_or_else(|_| words(target))
}

/// A value as the vendor takes it.
pub fn target_of(field_type: &str, value: &str) -> String {
    match field_type {
        // These two are refused when quoted.
        "DKIM" | "DMARC" => value.to_owned(),
        "TXT" | "SPF" => quoted(value),
        _ => value.to_owned(),
    }
}

/// One registry value: who made the record of one type at the name below which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryValue {
    /// Which Amarre.
    pub instance: String,
    /// For which manifest.
    pub service: String,
    /// Of which record.
    pub record_type: String,
    /// That it may say so: see `proof.rs`.
    pub signature: Option<String>,
}

impl RegistryValue {
    /// From a TXT's text; `None` when it is somebody else's text.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("heritage=amarre,")?;
        let part = |key: &str| {
            let value = rest.split(',').find_map(|part| part.strip_prefix(key)?.strip_prefix('='))?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let signature = part("sig");
        Some(Self { instance: part("instance")?, service: part("service")?, record_type: part("type")?, signature })
    }

    /// The TXT's text.
    pub fn text(&self) -> String {
        let Self { instance, service, record_type, signature } = self;
        let signed = signature.as_ref().map(|signature| format!(",sig={signature}")).unwrap_or_default();
        format!("heritage=amarre,instance={instance},service={service},type={record_type}{signed}")
    }

    /// What a signature is of, for the record of this name.
    pub fn parts<'a>(&'a self, name: &'a str) -> [&'a str; 4] {
        [name, &self.record_type, &self.service, &self.instance]
    }
}

/// Where the registry keeps the marks of `name`.
pub fn registry_name(name: &str) -> String {
    match name.strip_prefix("*.") {
        Some(rest) => format!("{REGISTRY}.{REGISTRY_WILDCARD}.{rest}"),
        None => format!("{REGISTRY}.{name}"),
    }
}

/// The name that the marks at `registry_name` are about; `None` when it is no registry name.
pub fn registered_name(registry_name: &str) -> Option<String> {
    let rest = registry_name.strip_prefix(REGISTRY)?.strip_prefix('.')?;
    match rest.strip_prefix(REGISTRY_WILDCARD).and_then(|rest| rest.strip_prefix('.')) {
        Some(below) => Some(format!("*.{below}")),
        None => Some(rest.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendor_takes_some_text_bare() {
        assert_eq!(unquoted(&target_of("TXT", "a \"quoted\" \\ word")), "a \"quoted\" \\ word");
        assert_eq!(target_of("DKIM", "v=DKIM1; p=x"), "v=DKIM1; p=x");
    }

    #[test]
    fn marks_stand_beside_every_name() {
        for (name, registry) in [
            ("cloud.example.org", "_amarre.cloud.example.org"),
            ("example.org", "_amarre.example.org"),
            ("*.example.org", "_amarre._wildcard.example.org"),
            ("*.lab.example.org", "_amarre._wildcard.lab.example.org"),
        ] {
            assert_eq!(registry_name(name), registry);
            assert_eq!(registered_name(registry).as_deref(), Some(name));
        }
        assert_eq!(registered_name("_amarrex.example.org"), None);
    }

    #[test]
    fn registry_values_are_told_from_other_text() {
        let (instance, service, record_type) = ("amarre".to_owned(), "cloud".to_owned(), "A".to_owned());
        let value = RegistryValue { instance, service, record_type, signature: None };
        assert_eq!(value.text(), "heritage=amarre,instance=amarre,service=cloud,type=A");
        assert_eq!(RegistryValue::parse(&value.text()), Some(value.clone()));
        let signed = RegistryValue { signature: Some("00ff".to_owned()), ..value };
        assert_eq!(signed.text(), "heritage=amarre,instance=amarre,service=cloud,type=A,sig=00ff");
        assert_eq!(RegistryValue::parse(&signed.text()), Some(signed));
        for text in
            ["heritage=external-dns,owner=x", "heritage=amarre", "v=spf1", "heritage=amarre,instance=,service=a,type=A"]
        {
            assert_eq!(RegistryValue::parse(text), None);
        }
    }
}
