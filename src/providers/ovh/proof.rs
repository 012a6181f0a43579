//! Signatures of marks: who may say that a record is ours. A TXT value can be written by anybody with a name in the zone.

use crate::secret::{MarkKey, Signer};

use super::convert::RegistryValue;

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
}
