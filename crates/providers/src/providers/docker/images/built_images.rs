//! What images that are built here are called at the engine. An engine has one name space for the images of all, so whoever knows a
//! name could run another's image, or read it in a build: names end in what nobody can guess.
//!
//! | | |
//! |---|---|
//! | in plans, answers, logs and the ledger | `amarre/shop:9fb65dc1a78f` |
//! | at the engine | `amarre/shop:9fb65dc1a78f-` and 32 digits of an HMAC over that |
//!
//! What comes from the engine goes through here before it is anything else; no text of it has the digits afterwards.

use bollard::models::{ContainerInspectResponse, ContainerSummary, ImageSummary};

use crate::providers::rows::Listed;
use crate::secret::MarkKey;

/// What all names begin with.
const BELOW: &str = "amarre/";
/// Of the digest of what went in.
const DIGEST_DIGITS: usize = 12;
/// Of what nobody can guess.
const SECRET_DIGITS: usize = 32;

/// The names of what is built, at one engine.
#[derive(Debug, Clone)]
pub struct BuiltImages {
    key: MarkKey,
}

impl BuiltImages {
    /// Of an instance.
    pub fn new(key: MarkKey) -> Self {
        Self { key }
    }

    /// The name at the engine; every other image has its own name there.
    pub fn at_engine(&self, name: &str) -> String {
        let digest = name.strip_prefix(BELOW).and_then(|rest| rest.rsplit_once(':')).map(|(_, digest)| digest);
        if digest.is_some_and(|digest| is_hex(digest, DIGEST_DIGITS)) {
            format!("{name}-{}", self.key.unguessable(&["image", name]))
        } else {
            name.to_owned()
        }
    }

    /// The name of an image of the engine; `None`: another instance has built it, and nothing here is to know its name.
    pub fn known(&self, at_engine: &str) -> Option<String> {
        let name = without_digits(at_engine);
        (name == at_engine || self.at_engine(&name) == at_engine).then_some(name)
    }

    /// The images of an engine, each by the names that are to be known here.
    pub fn known_images(&self, mut listed: Listed<ImageSummary>) -> Listed<ImageSummary> {
        for one in listed.rows.iter_mut().chain(&mut listed.slim) {
            one.repo_tags = one.repo_tags.iter().filter_map(|tag| self.known(tag)).collect();
            one.repo_digests = one.repo_digests.iter().filter_map(|digest| self.known(digest)).collect();
        }
        listed
    }

    /// The name in what is sent of the Dockerfile that Amarre wrote for an image.
    pub fn dockerfile(&self, name: &str) -> String {
        format!(".amarre-{}.Dockerfile", self.key.unguessable(&["dockerfile", name]))
    }

    /// The name space of the cache mounts of a service.
    pub fn cache(&self, instance: &str, service: &str) -> String {
        self.key.unguessable(&["cache", instance, service])
    }
}

/// Containers, with the names of their images as they are shown.
pub fn shown_containers(mut listed: Listed<ContainerSummary>) -> Listed<ContainerSummary> {
    for one in listed.rows.iter_mut().chain(&mut listed.slim) {
        one.image = one.image.take().map(|image| without_digits(&image));
    }
    listed
}

/// The same of one that was inspected.
pub fn shown_container(found: &mut Option<ContainerInspectResponse>) {
    if let Some(config) = found.as_mut().and_then(|found| found.config.as_mut()) {
        config.image = config.image.take().map(|image| without_digits(&image));
    }
}

/// Any text, with the names of images as they are shown.
pub fn without_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BELOW) {
        let end = rest[at..].find(|sign: char| !is_of_name(sign)).map_or(rest.len(), |length| at + length);
        let (name, after) = (&rest[at..end], &rest[end..]);
        out.push_str(&rest[..at]);
        out.push_str(shown_name(name));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn is_of_name(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || "/:._-".contains(sign)
}

/// A name, and perhaps a full stop or a colon behind it, without the digits.
fn shown_name(name: &str) -> &str {
    let Some((start, _)) = name.rsplit_once('-') else { return name };
    let digest = start.rsplit_once(':').map(|(_, digest)| digest);
    let is_built = digest.is_some_and(|digest| is_hex(digest, DIGEST_DIGITS));
    let secret = &name[start.len() + 1..];
    let is_secret = secret.len() >= SECRET_DIGITS
        && secret.get(..SECRET_DIGITS).is_some_and(|secret| is_hex(secret, SECRET_DIGITS));
    if is_built && is_secret { start } else { name }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_to_the_engine_and_comes_back_and_others_are_nobodys() {
        let (ours, theirs) = (BuiltImages::new(MarkKey::new([1; 32])), BuiltImages::new(MarkKey::new([2; 32])));
        for name in ["amarre/shop:9fb65dc1a78f", "amarre/shop/worker:9fb65dc1a78f"] {
            let there = ours.at_engine(name);
            assert_eq!(there.len(), name.len() + 33);
            assert_eq!(ours.known(&there).as_deref(), Some(name));
            assert_eq!(theirs.known(&there), None);
            let said = format!("naming to docker.io/{there} done; no such image: {there}.");
            assert_eq!(without_digits(&said), format!("naming to docker.io/{name} done; no such image: {name}"));
            assert!(!without_digits(&said).contains(&there[name.len() + 1..]));
        }
        for other in ["nginx:1.27", "amarre/shop:latest", "ghcr.io/amarre/shop:9fb65dc1a78", "sha256:9fb65dc1a78f"] {
            assert_eq!(ours.at_engine(other), other);
            assert_eq!(ours.known(other).as_deref(), Some(other));
        }
        // The name of one app and what went into another give nothing of either.
        assert_ne!(ours.dockerfile("amarre/shop:9fb65dc1a78f"), ours.dockerfile("amarre/shop:9fb65dc1a780"));
        assert_ne!(ours.cache("a", "bc"), ours.cache("ab", "c"));
    }
}
