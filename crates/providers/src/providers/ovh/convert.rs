//! The vendor's rows ⇄ the product's record sets. Pure; invents no defaults.

use amarre_core::resources::dns::spelling::{quoted, spell, unquoted, words};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendor_takes_some_text_bare() {
        assert_eq!(unquoted(&target_of("TXT", "a \"quoted\" \\ word")), "a \"quoted\" \\ word");
        assert_eq!(target_of("DKIM", "v=DKIM1; p=x"), "v=DKIM1; p=x");
    }
}
