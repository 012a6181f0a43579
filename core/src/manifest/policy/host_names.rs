//! Host names that are more than a service's own. A route or a record there needs `policy.names`.
//!
//! | name | code |
//! |---|---|
//! | one that Amarre's configuration works with: its own pages, NPM, engines, git, registries, notifications | A0275 |
//! | one whose CNAME leads to a proof of who owns the domain | A0276 |
//! | one that programs of visitors look for by themselves, directly below a domain: `autodiscover`, `wpad`, … | A0276 |
//!
//! `policy.authors: operators` opens those of A0276. The first stay closed: a service there would get what Amarre sends to
//! NPM, an engine or a registry.

use super::Closed;
use crate::manifest::policy;
use crate::manifest::scope::{AllowedBy, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::model::site::is_below;
use crate::model::{Code, Text};
use crate::text;

/// The key of the policy.
const WORD: &str = "names";
/// Mail programs, browsers and servers of mail ask for these in each domain, and do what they say: RFC 6186's forerunners
/// `autoconfig` and `autodiscover`, `mta-sts` (RFC 8461), `openpgpkey`, `wpad` and `isatap` (RFC 5214).
const LOOKED_FOR: [&str; 6] = ["autoconfig", "autodiscover", "isatap", "mta-sts", "openpgpkey", "wpad"];

/// Judges the name of a route or a record, made whole.
pub(crate) fn judge(scope: &Scope<'_>, name: &str, spot: Spot) {
    let Some((code, why)) = why_closed(scope, name) else { return };
    if !is_named(scope, name, spot) {
        report(scope, code, name, why, spot);
    }
}

fn is_named(scope: &Scope<'_>, name: &str, spot: Spot) -> bool {
    let pattern = policy::entry(&scope.name, &scope.site.policy.names, name);
    pattern
        .inspect(|pattern| policy::allowed(scope, spot, WORD, name, AllowedBy::Policy(format!("names: {pattern}"))))
        .is_some()
}

fn report(scope: &Scope<'_>, code: Code, name: &str, why: Text, spot: Spot) {
    if code == Code::A0276 && scope.site.policy.is_opened(WORD) {
        return policy::allowed(scope, spot, WORD, name, AllowedBy::authors());
    }
    let message = text!("policy forbids the name {name}: {why}", name = shown(name), why);
    let entry = format!("`policy.names: {{{}: [{name}]}}`", shown(&scope.name));
    let hint = text!("take another, or ask the operator for {entry}", entry);
    policy::report_closed(scope, &Closed { code, spot, word: WORD, item: name, message, hint });
}

/// Judges where a CNAME leads: some lead to a proof that the domain is somebody's.
pub(crate) fn judge_alias(scope: &Scope<'_>, name: &str, target: &str, spot: Spot) {
    /// Where clouds and authorities look for the proof that they were asked to be given (each vendor's documentation of
    /// domain verification by CNAME).
    const PROOFS: [&str; 11] = [
        "acm-validations.aws",
        "comodoca.com",
        "custom-hostname.dcv.cloudflare.com",
        "dcv.cloudflare.com",
        "dcv.digicert.com",
        "domainverify.apple.com",
        "dv.googlehosted.com",
        "sectigo.com",
        "verify.bing.com",
        "zmverify.zoho.com",
        "zmverify.zoho.eu",
    ];
    let target = target.trim_end_matches('.');
    if !PROOFS.iter().any(|end| is_below(target, end)) || is_named(scope, name, spot) {
        return;
    }
    let why = text!("at {target} it proves who owns the domain", target = shown(target));
    report(scope, Code::A0276, name, why, spot);
}

fn why_closed(scope: &Scope<'_>, name: &str) -> Option<(Code, Text)> {
    if let Some(key) = scope.site.own_names.get(name) {
        return Some((Code::A0275, text!("`{key}` in amarre.yaml leads there", key)));
    }
    let is_at_top = |label: &str, domain: &String| name.strip_suffix(domain.as_str()) == Some(&format!("{label}."));
    let mut domains = scope.site.domains.iter().filter(|domain| is_below(name, domain));
    let is_looked_for = domains.any(|domain| LOOKED_FOR.iter().any(|label| is_at_top(label, domain)));
    is_looked_for.then(|| (Code::A0276, text!("programs ask for it in every domain, and do what it says")))
}
