//! Registries: whose image it is, with which credentials it is asked for, and what its refusals mean.

use std::collections::BTreeMap;

use bollard::auth::DockerCredentials;

use crate::providers::{Class, ProviderError};
use crate::secret::Secret;
use amarre_core::model::{Code, Text, words};
use amarre_core::text;

/// Where images without a registry in their name are.
pub const DOCKER_HUB: &str = "docker.io";

/// Credentials by registry, as `ghcr.io` or `registry.lan:5000`.
#[derive(Debug, Clone, Default)]
pub struct Registries(pub BTreeMap<String, RegistryLogin>);

#[derive(Debug, Clone)]
pub struct RegistryLogin {
    pub username: String,
    /// Its password or token.
    pub password: Secret,
}

impl Registries {
    /// For the engine's header, where there is an account for the image's registry.
    pub fn credentials(&self, reference: &str) -> Option<DockerCredentials> {
        let registry = registry_of(reference);
        let login = self.0.get(registry)?;
        Some(DockerCredentials {
            username: Some(login.username.clone()),
            password: Some(login.password.expose().to_owned()),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        })
    }

    /// What an engine's answer about `reference` means.
    pub fn failure(&self, reference: &str, doing: &str, status: Option<u16>, said: &str) -> ProviderError {
        let registry = registry_of(reference);
        let said = said.trim();
        let message = |what: Text| {
            let doing = match doing {
                "pulling" => text!("pulling {image}", image = reference),
                "asking for" => text!("asking for {image}", image = reference),
                doing => Text::from(format!("{doing} {reference}")),
            };
            text!("{doing}: {what}: {said}", doing, what, said = Text::from(words::said(said)))
        };
        let small = said.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| small.contains(word));
        let login = self.0.get(registry);
        if status == Some(429) || has(&["toomanyrequests", "too many requests", "rate limit"]) {
            return ProviderError::new(Class::RetryLater, Code::A0524, message(text!("the registry limits requests")))
                .hint(higher_limit(registry, login.is_some()));
        }
        // An image that is hidden and one that is not there are told apart by no registry.
        if has(&[
            "manifest unknown",
            "not found",
            "no such image",
            "name unknown",
            "does not exist",
            "no matching manifest",
        ]) && (login.is_some() || !has(&["unauthorized", "authentication required", "no basic auth"]))
        {
            let hint = match login {
                Some(login) => text!(
                    "is the name right, and may the account `{account}` of registries.{registry} read it?",
                    account = &login.username,
                    registry
                ),
                None => {
                    text!("is the name right? where it is private, name an account: registries.{registry}", registry)
                }
            };
            return ProviderError::new(Class::Rejected, Code::A0504, message(text!("not there"))).hint(hint);
        }
        if matches!(status, Some(401 | 403))
            || has(&["unauthorized", "authentication required", "no basic auth", "denied", "incorrect username"])
        {
            let (what, hint) = match login {
                Some(login) => (
                    text!("{registry} refuses the account `{account}`", registry, account = &login.username),
                    text!("correct registries.{registry}.username and .password in amarre.yaml", registry),
                ),
                None => (
                    text!("{registry} wants an account", registry),
                    text!(
                        "name one in amarre.yaml: {what}",
                        what = format!("registries.{registry}: {{username: …, password: {{file: …}}}}")
                    ),
                ),
            };
            return ProviderError::new(Class::Rejected, Code::A0523, message(what)).hint(hint);
        }
        let hint = text!("does this host's engine reach the registry? the daemon tries again later");
        ProviderError::new(Class::RetryLater, Code::A0504, message(text!("did not work"))).hint(hint)
    }
}

/// What helps where a registry limits requests.
fn higher_limit(registry: &str, has_account: bool) -> Text {
    if has_account {
        return text!("the daemon tries again later; a mirror in the engine's daemon.json spares the registry");
    }
    text!("the daemon tries again later; an account has a higher limit: registries.{registry}", registry)
}

/// The registry in an image's name.
pub fn registry_of(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => registry_key(first),
        Some(_) | None => DOCKER_HUB,
    }
}

/// Docker Hub has several names.
pub fn registry_key(name: &str) -> &str {
    let name = name.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    match name {
        "index.docker.io" | "index.docker.io/v1" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB,
        other => other,
    }
}

/// Docker decodes the header as base64 for URLs; the client library writes the other alphabet, and the engine takes what it
/// cannot read as no credentials at all.
pub fn for_urls(header: &str) -> String {
    header.replace('+', "-").replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_registry() {
        let cases = [
            ("postgres:16", "docker.io"),
            ("gitea/gitea:1.22", "docker.io"),
            ("docker.io/gitea/gitea", "docker.io"),
            ("index.docker.io/gitea/gitea", "docker.io"),
            ("ghcr.io/a/b:1", "ghcr.io"),
            ("localhost/a:1", "localhost"),
            ("registry.lan:5000/a/b@sha256:00", "registry.lan:5000"),
        ];
        for (reference, registry) in cases {
            assert_eq!(registry_of(reference), registry, "{reference}");
        }
    }

    /// Words of engines 20.10 and 28, and of registries, as they were seen or stand in their source.
    #[test]
    fn refusals_say_what_to_mend() {
        let login = RegistryLogin { username: "ops".to_owned(), password: Secret::new("canary") };
        let known = Registries([("ghcr.io".to_owned(), login)].into());
        let cases = [
            (Some(500), "toomanyrequests: You have reached your pull rate limit.", Code::A0524, Class::RetryLater),
            (Some(429), "Too Many Requests", Code::A0524, Class::RetryLater),
            (Some(404), "manifest for a:9 not found: manifest unknown: manifest unknown", Code::A0504, Class::Rejected),
            (
                Some(404),
                "pull access denied for a, repository does not exist or may require 'docker login': denied",
                Code::A0504,
                Class::Rejected,
            ),
            (
                Some(500),
                "Get \"https://ghcr.io/v2/\": unauthorized: authentication required",
                Code::A0523,
                Class::Rejected,
            ),
            (Some(500), "Head \"https://r/v2/a/manifests/1\": no basic auth credentials", Code::A0523, Class::Rejected),
            (Some(500), "Get \"https://r/v2/\": dial tcp: lookup r: no such host", Code::A0504, Class::RetryLater),
            (None, "unexpected EOF", Code::A0504, Class::RetryLater),
        ];
        for (status, said, code, class) in cases {
            for reference in ["ghcr.io/a:1", "quay.io/a:1"] {
                let error = known.failure(reference, "pulling", status, said);
                assert_eq!((error.code, error.class), (code, class), "{said}");
                let shown = format!("{error:?} {known:?}");
                assert!(!shown.contains("canary"), "{shown}");
                assert!(!error.hint.is_empty());
            }
        }
        assert!(
            known
                .failure("ghcr.io/a:1", "pulling", Some(401), "x")
                .hint
                .to_string()
                .contains("registries.ghcr.io.username")
        );
        assert!(
            known
                .failure("quay.io/a:1", "pulling", Some(401), "x")
                .hint
                .to_string()
                .contains("name one in amarre.yaml")
        );
    }
}
