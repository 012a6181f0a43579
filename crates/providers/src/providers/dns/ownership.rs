//! Whose a record is: a registry TXT beside it names instance and service, and is signed by the instance's key.
//!
//! A TXT value can be written by anybody with a name in the zone, so what it says counts only with a signature, or with a
//! row of the ledger.

use crate::secret::{MarkKey, Signer};

/// Where our marks stand, before the name that they are about.
const REGISTRY: &str = "_amarre";
/// Stands for the `*` of a wildcard, which would make the mark's own name a wildcard.
const REGISTRY_WILDCARD: &str = "_wildcard";

/// One registry value: who made the record of one type at the name below which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryValue {
    /// Which Amarre.
    pub instance: String,
    pub service: String,
    pub record_type: String,
    /// That it may say so, proved by the instance's key.
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

/// What stands behind a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The key that signs now.
    Signed,
    /// A key that signed before.
    SignedBefore,
    /// Nothing: it is from before marks were signed, or anybody's.
    Unsigned,
    /// A signature that no key of ours made, or that is about something else.
    Unknown,
}

impl Proof {
    /// Whether it proves anything.
    pub fn holds(self) -> bool {
        matches!(self, Proof::Signed | Proof::SignedBefore)
    }

    /// What people are told of a mark that is not as it would be written now.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Proof::Signed => None,
            Proof::SignedBefore => Some("signed by an older key"),
            Proof::Unsigned => Some("unsigned"),
            Proof::Unknown => Some("signed by an unknown key"),
        }
    }
}

impl RegistryValue {
    /// The same, signed for the record of this name.
    pub fn signed(self, name: &str, key: &MarkKey) -> Self {
        let signature = key.sign(&self.parts(name));
        Self { signature: Some(signature), ..self }
    }

    /// What stands behind it, where it is found for this name.
    pub fn proof(&self, name: &str, key: &MarkKey) -> Proof {
        match self.signature.as_ref().map(|signature| key.signer(&self.parts(name), signature)) {
            Some(Signer::Now) => Proof::Signed,
            Some(Signer::Before) => Proof::SignedBefore,
            Some(Signer::Unknown) => Proof::Unknown,
            None => Proof::Unsigned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::resources::dns::spelling::quoted;

    #[test]
    fn a_signature_is_of_one_record_and_one_service() {
        let (instance, service, record_type) = ("amarre".to_owned(), "cloud".to_owned(), "A".to_owned());
        let value = RegistryValue { instance, service, record_type, signature: None };
        let key = MarkKey::new([7; 32]);
        let name = "cloud.example.org";
        assert_eq!(value.proof(name, &key), Proof::Unsigned);
        let signed = value.signed(name, &key);
        assert_eq!(RegistryValue::parse(&signed.text()), Some(signed.clone()));
        assert!(quoted(&signed.text()).len() < 255, "one string");
        let proofs = [name, "mail.example.org"].map(|name| signed.proof(name, &key));
        assert_eq!(proofs, [Proof::Signed, Proof::Unknown], "it is about one name");
        let rotated = key.rotated([8; 32]).unwrap();
        assert_eq!(signed.proof(name, &rotated), Proof::SignedBefore);
        let forged = RegistryValue { service: "forge".to_owned(), ..signed };
        assert_eq!(forged.proof(name, &key), Proof::Unknown);
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
