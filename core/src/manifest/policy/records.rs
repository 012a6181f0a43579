//! Which DNS records a manifest may have. Those that it writes by hand, and those of names that lead to a server of a cloud, are judged alike:
//! by what results. What follows from a route is free: it leads to the host's own address.
//!
//! | asked for | code | word in `policy.records` |
//! | --- | --- | --- |
//! | a name with a part that begins with `_amarre` | A0280 | none: there stand Amarre's own marks |
//! | a TXT value that begins with `heritage=` | A0281 | none: so do marks |
//! | a type | A0208 | the type |
//! | MX, TXT at one of `domains` | A0208 | a list of types in amarre.yaml |
//! | a part that begins with `_`, as in `_acme-challenge`, `_dmarc`, `_3e2c0f` | A0282 | the part; `_*` is any but those of mail and certificates |
//! | SRV below a name of a domain, as in `_xmpp._tcp.chat` | | none |
//! | CAA | A0283 | `CAA` |
//! | all but CAA, MX and TXT at a domain itself; anything at another domain itself | A0284 | `apex` |
//! | a wildcard | A0284 | `wildcard` |

use super::{Closed, host_names};
use crate::manifest::policy;
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::model::site::{SPECIAL_LABELS, is_below};
use crate::model::{Code, Site, Text};
use crate::text;

/// The key of the policy.
const WORD: &str = "records";
/// How the names of our marks begin.
const OURS: &str = "_amarre";
/// How marks begin, ours and those of other programs.
const HERITAGE: &str = "heritage=";

fn ask_for(item: &str) -> Text {
    text!("ask the operator to add {item} to `policy.{word}`", item, word = WORD)
}

/// Record types are among `policy.records`. CAA is looked at with its name.
pub(crate) fn of_type(scope: &Scope<'_>, record_type: &str, spot: Spot) {
    if record_type == "CAA" || scope.site.policy.records.contains(record_type) {
        return;
    }
    let message = text!("policy forbids records of type {record_type}", record_type);
    scope.error_hint(Code::A0208, spot, message, ask_for(record_type));
}

/// Whether a name may lead to another address than that of a host: its records are judged as those that a manifest writes by hand.
/// `host_names` judges the name itself.
pub(crate) fn of_address(scope: &Scope<'_>, name: &str, spot: Spot) {
    ["A", "AAAA"].into_iter().for_each(|record_type| of_type(scope, record_type, spot));
    of_record(scope, "A", name, spot);
}

/// Whether a record of this type may stand at this name; what may not is reported, each reason once.
pub(crate) fn of_name(scope: &Scope<'_>, record_type: &str, name: &str, spot: Spot) {
    of_record(scope, record_type, name, spot);
    host_names::judge(scope, name, spot);
}

fn of_record(scope: &Scope<'_>, record_type: &str, name: &str, spot: Spot) {
    if name.split('.').any(|label| label.starts_with(OURS)) {
        let message = text!("the name {name} is Amarre's own", name = shown(name));
        let hint = text!("at `_amarre…` stand the marks that say whose a record is: take another");
        scope.error_hint(Code::A0280, spot, message, hint);
        return;
    }
    let forbid = |code: Code, message: Text, word: &str| {
        let hint = ask_for(&format!("`{word}`"));
        let item = format!("{record_type} {name}");
        policy::report_closed(scope, &Closed { code, spot, word: WORD, item: &item, message, hint });
    };
    let may = |word: &str| scope.site.policy.records.contains(word);
    if record_type == "CAA" && !may("CAA") {
        let message = text!("policy forbids CAA at {name}: it says who may issue certificates", name = shown(name));
        forbid(Code::A0283, message, "CAA");
    }
    for label in with_meaning(scope, record_type, name).into_iter().filter(|label| !is_named(scope, label)) {
        let message = text!("policy forbids {what}: {why}", what = shown(name), why = meaning(label));
        forbid(Code::A0282, message, label);
    }
    if name.starts_with("*.") && !may("wildcard") {
        let message = text!("policy forbids a record at {name}: it answers for every other name", name = shown(name));
        forbid(Code::A0284, message, "wildcard");
    }
    apex(scope, record_type, name, spot, forbid);
}

/// The parts of a name that mean something to programs: all that begin with `_`. A host below a domain may say with SRV where
/// its own services are (RFC 2782).
fn with_meaning<'a>(scope: &Scope<'_>, record_type: &str, name: &'a str) -> Vec<&'a str> {
    const TRANSPORTS: [&str; 4] = ["_sctp", "_tcp", "_tls", "_udp"];
    let marked = |part: &'a str| part.split('.').filter(|label| label.starts_with('_'));
    let parts: Vec<&str> = name.splitn(3, '.').collect();
    match (record_type, parts.as_slice()) {
        ("SRV", [service, transport, host])
            if service.starts_with('_') && !SPECIAL_LABELS.contains(service) && TRANSPORTS.contains(transport) =>
        {
            // At a domain itself, the service is the whole domain's.
            let of_domain = scope.site.domains.iter().any(|domain| domain == host).then_some(*service);
            of_domain.into_iter().chain(marked(host)).collect()
        }
        _ => marked(name).collect(),
    }
}

/// Whether `policy.records` has a label, or a pattern that it matches.
fn is_named(scope: &Scope<'_>, label: &str) -> bool {
    let is_special = SPECIAL_LABELS.contains(&label);
    let is_it =
        |item: &String| if is_special { item == label } else { item.starts_with('_') && policy::matches(item, label) };
    scope.site.policy.records.iter().any(is_it)
}

/// A domain itself: MX and TXT steer its mail and prove who owns it, so the default list does not allow them;
/// an address takes its visitors.
fn apex(scope: &Scope<'_>, record_type: &str, name: &str, spot: Spot, forbid: impl Fn(Code, Text, &str)) {
    let Site { policy, domains, .. } = scope.site;
    let is_one = domains.iter().any(|domain| domain == name);
    // Where other zones of the account begin is not known here; a name of two parts is one for certain.
    let is_other = !domains.iter().any(|domain| is_below(name, domain)) && name.matches('.').count() <= 1;
    let has_own_rule = matches!(record_type, "CAA" | "MX" | "TXT");
    if (is_other || (is_one && !has_own_rule)) && !policy.records.contains("apex") {
        let name = shown(name);
        let message = text!("policy forbids a record of type {record_type} at {name} itself", record_type, name);
        forbid(Code::A0284, message, "apex");
        return;
    }
    let is_named = policy.are_records_named || !policy.records.contains(record_type);
    if is_one && matches!(record_type, "MX" | "TXT") && !is_named {
        let hint = text!("ask the operator to write a `policy.records` that has {record_type}", record_type);
        let name = shown(name);
        let message = text!("policy forbids records of type {record_type} at {name} itself", record_type, name);
        scope.error_hint(Code::A0208, spot, message, hint);
    }
}

fn meaning(label: &str) -> Text {
    match label {
        "_acme-challenge" => text!("with it, certificates for the name are issued"),
        "_dmarc" => text!("it says what becomes of mail that others send by the name"),
        "_domainkey" => text!("it holds the keys that mail is signed with"),
        "_mta-sts" => text!("it says how mail to the name is encrypted"),
        _ => text!("names with `_` prove who owns a domain, and steer its mail and its programs"),
    }
}

/// Whether a TXT value is no mark; one that is, is reported.
pub(crate) fn of_text(scope: &Scope<'_>, text: &PlacedText) -> bool {
    let is_mark = begins_with_heritage(&text.text);
    if is_mark {
        let message = text!("a TXT value that begins with `heritage=` is a mark, not a text");
        let hint = text!("Amarre and programs like it tell by such values whose a record is; they write their own");
        scope.error_hint(Code::A0281, text.spot, message, hint);
    }
    !is_mark
}

/// However it is quoted, split into strings, escaped or spaced.
fn begins_with_heritage(text: &str) -> bool {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if plain.len() >= HERITAGE.len() {
            break;
        }
        match letter {
            '"' => (),
            '\\' => {
                let digits: String = rest.as_str().chars().take(3).filter(char::is_ascii_digit).collect();
                match digits.parse::<u8>().ok().filter(|_| digits.len() == 3) {
                    Some(byte) => {
                        plain.push(char::from(byte));
                        rest.nth(2);
                    }
                    None => plain.extend(rest.next()),
                }
            }
            letter if letter.is_whitespace() => (),
            letter => plain.extend(letter.to_lowercase()),
        }
    }
    plain.to_ascii_lowercase().starts_with(HERITAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_in_each_spelling() {
        for text in [
            "heritage=amarre,instance=home,service=web,type=MX",
            "  Heritage=external-dns",
            "\"heritage=amarre\"",
            "\"heri\" \"tage=amarre\"",
            "heri\" \"tage=amarre",
            "\\104eritage=x",
            "\\heritage=x",
            "HERITAGE =x",
        ] {
            assert!(begins_with_heritage(text), "{text}");
        }
        for text in ["v=spf1 -all", "heritag", "the heritage=x", "", "héritage=x", "heritage: x"] {
            assert!(!begins_with_heritage(text), "{text}");
        }
    }
}
