//! What is said of an NPM's set-up: version, who signs in, what that account may, and whether Let's Encrypt takes its e-mail.

use super::api::{Level, Me};
use super::errors::CallKind;
use super::sections::Section;
use super::{NpmProvider, version_text};
use crate::providers::{Finding, ProviderError};

const TOPIC: &str = "NPM";
/// What the account needs whatever manifests ask for.
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
    pub(super) async fn examined(&self) -> Vec<Finding> {
        let (version, me) = match self.whoami().await {
            Ok(read) => read,
            Err(error) => return vec![Finding::failed(TOPIC, error)],
        };
        let identity = self.api.identity();
        let name = self.name();
        let rights = if me.roles.iter().any(|role| role == "admin") { "admin" } else { "user" };
        let text = format!("{name}: {version}, signed in as {identity} with {rights} rights");
        let mut findings = vec![match lacking(&me).as_slice() {
            [] => Finding::good(TOPIC, text),
            lacking => {
                let what: Vec<String> = lacking.iter().map(|(level, what)| format!("{what} to {level}")).collect();
                let names: Vec<&str> = lacking.iter().map(|(_, what)| *what).collect();
                Finding::wrong(TOPIC, "A0604", text)
                    .note(format!("not allowed to this account: {}", names.join(", ")))
                    .hint(format!("in NPM, Users, {identity}, Edit Permissions, set {}", what.join(", ")))
            }
        }];
        if me.permissions.get("visibility").is_some_and(|visibility| visibility == "user") && rights == "user" {
            findings.push(
                Finding::know(TOPIC, "A0604", format!("{name}: {identity} sees only what it made itself"))
                    .note("a host of somebody else that is in the way shows only when NPM refuses ours")
                    .hint(format!("in NPM, Users, {identity}, Edit Permissions, set Item Visibility to All Items")),
            );
        }
        if is_nobodys(identity) {
            findings.push(
                Finding::know(TOPIC, "A0252", format!("{name}: Let's Encrypt refuses the e-mail address {identity}"))
                    .note("NPM asks for certificates in the name of the account that signs in")
                    .hint(format!(
                        "in NPM, Users, {identity}, set an address that receives mail, then `npm.{name}.identity`"
                    )),
            );
        }
        findings
    }

    async fn whoami(&self) -> Result<(String, Me), ProviderError> {
        let version = self.check_version().await?;
        let me = self.api.me().await.map_err(|trouble| self.failed("", trouble, CallKind::Read))?;
        Ok((version_text(version), me))
    }
}

fn lacking(me: &Me) -> Vec<(&'static str, &'static str)> {
    let lacking = NEEDED.iter().filter(|(section, level)| !me.may(*section, *level));
    let word = |level: &Level| match level {
        Level::View => "View Only",
        Level::Manage => "Manage",
    };
    lacking.map(|(section, level)| (word(level), section.title())).collect()
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
