//! What is said of an account's set-up: whether the login is taken, what it may, the clocks, and the name servers.

use std::collections::BTreeSet;

use jiff::Timestamp as Moment;
use tokio::time::timeout;

use super::OvhAccount;
use super::api::{OvhError, WireCredential};
use crate::providers::dns::propagation::{AnswerTime, Watcher};
use crate::providers::{EXAM_LIMIT, Exam, Finding};
use amarre_core::model::{Code, Millis, Site, Timestamp};
use amarre_core::text;

const OVH: &str = "OVH";
const DNS: &str = "DNS";
/// The vendor's clock counts, so ours may be wrong; but then logs and certificates are, too.
const CLOCK_SECONDS_OFF_MAX: i64 = 30;
/// What is told so long before it happens can be mended in time.
const EXPIRES_SOON: Millis = Millis::minutes(14 * 24 * 60);
/// A server that is near answers in a tenth of this.
const SLOW: Millis = Millis::seconds(1);
/// What is done in a zone, for each zone.
const NEEDED: [(&str, &str); 5] =
    [("GET", "/record"), ("POST", "/record"), ("PUT", "/record/1"), ("DELETE", "/record/1"), ("POST", "/refresh")];

impl OvhAccount {
    /// The account first, then the servers of its zones, each within the limit.
    pub(super) async fn examined(&self, exam: &Exam, watcher: &Watcher) -> Vec<Finding> {
        let zones = match timeout(EXAM_LIMIT, self.api.zones()).await {
            Ok(Ok(zones)) => zones,
            Ok(Err(trouble)) => {
                return vec![Finding::failed(OVH, trouble.into_error(&text!("could not list the zones"), false))];
            }
            Err(_) => return vec![Finding::late(OVH, &self.endpoint)],
        };
        let zone_of = |name: &String| Site::zone_of(zones.iter().map(String::as_str), name);
        let needed: BTreeSet<&str> = exam.names.iter().filter_map(zone_of).collect();
        let homeless: Vec<&str> =
            exam.names.iter().filter(|name| zone_of(name).is_none()).map(String::as_str).collect();
        let (account, servers) = tokio::join!(
            timeout(EXAM_LIMIT, self.account(&needed, exam.now)),
            timeout(EXAM_LIMIT, self.servers(&needed, watcher, exam.now)),
        );
        let mut findings = account.unwrap_or_else(|_| vec![Finding::late(OVH, &self.endpoint)]);
        if !homeless.is_empty() {
            findings.push(
                Finding::wrong(OVH, Code::A0701, format!("no zone of the account holds {}", homeless.join(", ")))
                    .note(format!("there are {}", joined(&zones)))
                    .hint("is `domains` right, is this the right account? else put `dns: none` into those manifests"),
            );
        }
        findings.extend(servers.unwrap_or_else(|_| vec![Finding::late(DNS, "the name servers")]));
        findings
    }

    async fn account(&self, needed: &BTreeSet<&str>, now: Timestamp) -> Vec<Finding> {
        let (credential, time) = tokio::join!(self.api.credential(), self.api.time());
        let mut findings = Vec::new();
        let zones = if needed.is_empty() { "no zone yet".to_owned() } else { joined(needed) };
        match credential {
            Ok(Some(credential)) => findings.extend(self.rights(&credential, needed, &zones, now)),
            Ok(None) => {
                let text = format!("{}: signed in as a service account, {zones}", self.endpoint);
                findings.push(Finding::good(OVH, text).note("which rights it has shows with the first write"));
            }
            Err(trouble) => {
                findings
                    .push(Finding::failed(OVH, trouble.into_error(&text!("could not read the token's rights"), false)));
            }
        }
        findings.extend(clock(OVH, &self.endpoint, &time, now));
        findings
    }

    fn rights(
        &self,
        credential: &WireCredential,
        needed: &BTreeSet<&str>,
        zones: &str,
        now: Timestamp,
    ) -> Vec<Finding> {
        let may = |method: &str, path: &str| {
            credential.rules.iter().any(|rule| rule.method == method && matches(&rule.path, path))
        };
        let calls = needed
            .iter()
            .flat_map(|zone| NEEDED.iter().map(move |(method, rest)| (*method, format!("/domain/zone/{zone}{rest}"))));
        let lacking: Vec<String> = calls
            .filter(|(method, path)| !may(method, path))
            .map(|(method, path)| format!("{method} {path}"))
            .collect();
        let mut findings = vec![if lacking.is_empty() {
            Finding::good(OVH, format!("{}: may read and write {zones}", self.endpoint))
        } else {
            let shown: Vec<String> = lacking.iter().map(|call| call.replace("/record/1", "/record/*")).collect();
            let text = format!("{}: the token lacks {} of its rights", self.endpoint, lacking.len());
            let finding = Finding::wrong(OVH, Code::A0702, text).note(shown.join(", "));
            finding.hint("make a token with GET, POST, PUT and DELETE on /domain/zone and /domain/zone/*, see docs/providers/ovh.md")
        }];
        let ends = credential.expiration.as_deref().and_then(|text| text.parse::<Moment>().ok());
        if let Some(ends) = ends.map(|ends| Timestamp(ends.as_millisecond())).filter(|ends| *ends - now < EXPIRES_SOON)
        {
            let days = (ends - now).0 / (24 * 60 * 60 * 1000);
            findings.push(
                Finding::know(OVH, Code::A0254, format!("{}: the token expires in {days} days", self.endpoint))
                    .hint("make a new one with unlimited validity, and put its three keys into the configuration"),
            );
        }
        findings
    }

    /// The servers of each zone and the resolvers: who answers, how fast.
    async fn servers(&self, needed: &BTreeSet<&str>, watcher: &Watcher, now: Timestamp) -> Vec<Finding> {
        let mut findings = Vec::new();
        for zone in needed {
            let Ok(names) = self.api.nameservers(zone).await else {
                let text = format!("OVH does not say which servers {zone} has");
                let hint = format!("allow GET /domain/zone/{zone} to the token (or `dnsZone:apiovh:get`)");
                findings.push(Finding::know(DNS, Code::A0255, text).hint(hint));
                continue;
            };
            let answers = watcher.hear_servers(zone, &names, now).await;
            let answering = answers.iter().filter(|answer| answer.took.is_some()).count();
            let text = format!("{answering} of {} servers of {zone} answer", answers.len());
            findings.push(if answering == 0 {
                Finding::know(DNS, Code::A0255, text)
                    .note("whether a record is visible is asked of the resolvers instead")
                    .hint("does a firewall close port 53 (UDP and TCP) to the outside? `dns.propagation.servers` names others")
            } else {
                Finding::good(DNS, text)
            });
            findings.extend(answers.iter().filter_map(slow));
        }
        for answer in watcher.hear_resolvers(needed.first().copied().unwrap_or("ovh.com")).await {
            match answer.took {
                Some(_) => findings.extend(slow(&answer)),
                None => findings.push(
                    Finding::know(DNS, Code::A0255, format!("resolver {} does not answer", answer.who))
                        .hint("name one that does in `dns.propagation.resolvers`"),
                ),
            }
        }
        findings
    }
}

fn slow(answer: &AnswerTime) -> Option<Finding> {
    let took = answer.took.filter(|took| *took >= SLOW)?;
    let text = format!("{} answers in {}.{} s, slow", answer.who, took.0 / 1000, took.0 % 1000 / 100);
    Some(Finding::know(DNS, Code::A0255, text).hint("another resolver or line may be faster; nothing waits for it"))
}

pub fn clock(topic: &'static str, endpoint: &str, time: &Result<i64, OvhError>, now: Timestamp) -> Option<Finding> {
    let ahead = time.as_ref().ok()? - now.0 / 1000;
    (ahead.abs() > CLOCK_SECONDS_OFF_MAX).then(|| {
        let (seconds, way) = (ahead.abs(), if ahead > 0 { "behind" } else { "ahead of" });
        Finding::know(topic, Code::A0253, format!("{endpoint}: this machine's clock is {seconds} s {way} OVH's"))
            .note("OVH is asked in its own time; certificates, tokens and logs go by this machine's")
            .hint("timedatectl set-ntp true")
    })
}

/// OVH's rules know one wildcard, `*`, for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            let mut tails = text.char_indices().map(|(at, _)| &text[at..]).chain([""]);
            tails.any(|tail| matches(rest, tail))
        }),
    }
}

fn joined<T: AsRef<str>>(names: &BTreeSet<T>) -> String {
    /// More would not fit a line.
    const SHOWN: usize = 4;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, path) in [
            ("/*", "/domain/zone/x/record"),
            ("/domain/zone/*", "/domain/zone/x/record/1"),
            ("/domain/zone/x/record/*", "/domain/zone/x/record/1"),
            ("/domain/zone/*/refresh", "/domain/zone/x/refresh"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        assert!(!matches("/domain/zone/*/record", "/domain/zone/x/refresh"));
        assert!(!matches("/domain/zone/y/*", "/domain/zone/x/record"));
    }
}
