//! What is said of an NPM's set-up: version, who signs in, what that account may, and whether Let's Encrypt takes its e-mail.

use std::collections::BTreeSet;

use super::NpmProvider;
use super::api::{Level, Me, NpmVersion};
use super::errors::CallKind;
use super::sections::Section;
use crate::providers::{Exam, Finding, ProviderError};
use amarre_core::model::{Code, Kind};

const TOPIC: &str = "NPM";
/// What the account needs whatever manifests ask for. What they ask for it must write.
const NEEDED: [(Section, Level); 4] = [
    (Section::ProxyHosts, Level::Manage),
    (Section::Redirections, Level::Manage),
    (Section::AccessLists, Level::Manage),
    (Section::Certificates, Level::View),
];
/// Names that belong to nobody (RFC 2606, RFC 6761, RFC 6762): Let's Encrypt answers "contact email has forbidden domain".
const NOBODYS: [&str; 10] = [
    "example.com",
    "example.net",
    "example.org",
    "example",
    "invalid",
    "local",
    "localhost",
    "test",
    "internal",
    "lan",
];

impl NpmProvider {
    /// One finding about the account, and one for each thing to know about it.
    pub(super) async fn examined(&self, exam: &Exam) -> Vec<Finding> {
        let (version, me) = match self.whoami().await {
            Ok(read) => read,
            Err(error) => return vec![Finding::failed(TOPIC, error)],
        };
        let here = exam.kinds.iter().filter(|(provider, _)| *provider == self.id);
        let used: BTreeSet<Kind> = here.map(|(_, kind)| *kind).collect();
        let identity = self.api.identity();
        let name = self.name();
        let rights = if me.is_admin() { "admin" } else { "user" };
        let text = format!("{name}: {}, signed in as {identity} with {rights} rights", version);
        let mut findings = vec![match lacking(&me, &used).as_slice() {
            [] => Finding::good(TOPIC, text),
            lacking => {
                let what: Vec<String> = lacking
                    .iter()
                    .map(|(section, level)| format!("{} to {}", section.title(), level.title()))
                    .collect();
                let names: Vec<&str> = lacking.iter().map(|(section, _)| section.title()).collect();
                Finding::wrong(TOPIC, Code::A0604, text)
                    .note(format!("not allowed to this account: {}", names.join(", ")))
                    .hint(format!("in NPM, Users, {identity}, Edit Permissions, set {}", what.join(", ")))
            }
        }];
        if used.contains(&Kind::Certificate) && !version.tells_streams() && !me.may(Section::Streams, Level::View) {
            findings.push(
                Finding::know(TOPIC, Code::A0604, format!("{name}: {identity} does not see streams"))
                    .note("before 2.13 only streams say which certificate they have: none is deleted meanwhile")
                    .hint(format!("in NPM, Users, {identity}, Edit Permissions, set streams to View Only")),
            );
        }
        if me.permissions.get("visibility").is_some_and(|visibility| visibility == "user") && rights == "user" {
            findings.push(
                Finding::know(TOPIC, Code::A0604, format!("{name}: {identity} sees only what it made itself"))
                    .note("a host of somebody else that is in the way shows only when NPM refuses ours")
                    .hint(format!("in NPM, Users, {identity}, Edit Permissions, set Item Visibility to All Items")),
            );
        }
        if let Some(others) = self.latest_others() {
            findings.push(
                Finding::know(TOPIC, Code::A0623, format!("{name}: somebody else writes there too: {others}"))
                    .note("after each of their changes, Amarre asks nginx whether our hosts are served")
                    .hint("one program for each NPM, or one after the other: nginx is reloaded for each change"),
            );
        }
        if is_nobodys(identity) {
            findings.push(
                Finding::know(
                    TOPIC,
                    Code::A0252,
                    format!("{name}: Let's Encrypt refuses the e-mail address {identity}"),
                )
                .note("NPM asks for certificates in the name of the account that signs in")
                .hint(format!(
                    "in NPM, Users, {identity}, set an address that receives mail, then `npm.{name}.identity`"
                )),
            );
        }
        findings
    }

    async fn whoami(&self) -> Result<(NpmVersion, Me), ProviderError> {
        let version = self.check_version().await?;
        let me = self.api.me().await.map_err(|trouble| self.failed("", trouble, CallKind::Read))?;
        Ok((version, me))
    }
}

/// Sections that the account cannot read or write as it has to, each with the level that it needs.
fn lacking(me: &Me, used: &BTreeSet<Kind>) -> Vec<(Section, Level)> {
    let needed = |section: Section| {
        let always = NEEDED.iter().find(|(known, _)| *known == section).map(|(_, level)| *level);
        let level = if used.contains(&section.kind()) { Some(Level::Manage) } else { always };
        level.map(|level| (section, level))
    };
    Section::all().filter_map(needed).filter(|(section, level)| !me.may(*section, *level)).collect()
}

/// Whether nobody can receive mail there.
pub(super) fn is_nobodys(identity: &str) -> bool {
    let Some((_, domain)) = identity.rsplit_once('@') else { return true };
    let domain = domain.trim_end_matches('.').to_lowercase();
    !domain.contains('.') || NOBODYS.iter().any(|name| amarre_core::model::site::is_below(&domain, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_nobody_are_known() {
        for bad in ["admin@example.com", "a@mail.example.org", "root@localhost", "a@nas.local", "a@nas", "amarre"] {
            assert!(is_nobodys(bad), "{bad}");
        }
        for good in ["anna@gmail.com", "a@myexample.org", "a@example.fr", "ops@localhost.example.de"] {
            assert!(!is_nobodys(good), "{good}");
        }
    }
}
