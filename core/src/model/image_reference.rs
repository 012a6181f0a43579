//! References to images, taken apart as Docker reads them.

use crate::model::suggestion::matches;

/// What is built here is called below this.
const BUILT_BELOW: &str = "amarre/";
/// What is meant where no registry is named, and no owner.
const USUAL_REGISTRY: &str = "docker.io";
const USUAL_OWNER: &str = "library";

/// A reference to an image, or a pattern for some.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReferenceParts<'a> {
    pub(crate) registry: &'a str,
    pub(crate) repository: String,
    /// Tag or digest.
    pub(crate) version: Option<&'a str>,
}

impl<'a> ReferenceParts<'a> {
    /// As Docker reads a reference.
    pub(crate) fn of(image: &'a str) -> Self {
        let first = image.split_once('/').map(|(first, _)| first);
        match first.filter(|first| first.contains(['.', ':']) || *first == "localhost") {
            Some(registry) => Self::in_registry(registry, &image[registry.len() + 1..]),
            None => Self::in_registry(USUAL_REGISTRY, image),
        }
    }

    /// A pattern may name a registry alone: `registry.lan:*`.
    pub(crate) fn of_pattern(pattern: &'a str) -> Self {
        let is_registry = |text: &str| text.split_once(':').is_some_and(|(host, _)| host.contains('.'));
        match pattern.split_once('/') {
            None if is_registry(pattern) => Self { registry: pattern, repository: "*".to_owned(), version: None },
            Some(_) | None => Self::of(pattern),
        }
    }

    fn in_registry(registry: &'a str, rest: &'a str) -> Self {
        let (name, digest) = rest.split_once('@').map_or((rest, None), |(name, digest)| (name, Some(digest)));
        let last = name.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match name[last..].find(':') {
            Some(at) => (&name[..last + at], Some(&name[last + at + 1..])),
            None => (name, None),
        };
        let is_official = registry == USUAL_REGISTRY && !name.contains('/') && name != "*";
        let repository = if is_official { format!("{USUAL_OWNER}/{name}") } else { name.to_owned() };
        Self { registry, repository, version: digest.or(tag) }
    }

    /// What follows `amarre/` in the name of an image that is built here, in each form in which engines read it.
    pub(crate) fn built_here(&self) -> Option<&str> {
        const HUB: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
        let is_hub = HUB.iter().any(|name| self.registry.eq_ignore_ascii_case(name));
        let name = self.repository.strip_prefix("library/").unwrap_or(&self.repository);
        name.strip_prefix(BUILT_BELOW).filter(|_| is_hub)
    }

    pub(crate) fn allows(&self, image: &ReferenceParts<'_>) -> bool {
        let is_version = |pattern: &str| matches(pattern, image.version.unwrap_or("latest"));
        matches(self.registry, image.registry)
            && matches(&self.repository, &image.repository)
            && self.version.is_none_or(is_version)
    }

    /// The grammar of references (distribution's `reference` package): no `..`, no empty part, no capitals in a name.
    pub(crate) fn is_good(&self) -> bool {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_part = |part: &str| {
            let bytes = part.as_bytes();
            let ends_well = bytes.first().is_some_and(|b| is_letter(*b)) && bytes.last().is_some_and(|b| is_letter(*b));
            let is_one = bytes.iter().all(|byte| is_letter(*byte) || b"._-".contains(byte));
            ends_well && is_one && !part.contains("..")
        };
        let is_host = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        let is_version =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:+".contains(&b));
        is_host(self.registry) && self.repository.split('/').all(is_part) && self.version.is_none_or(is_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_dockers_grammar() {
        for image in ["nginx", "nginx:1.27-alpine", "ghcr.io/me/a_b/c__d:v1", "localhost:5000/x@sha256:00ff", "a--b/c"]
        {
            assert!(ReferenceParts::of(image).is_good(), "{image}");
        }
        for image in ["ghcr.io/me/../you/x", "ghcr.io//x", "Nginx", "nginx:", "a/.x", "a/x.", "a b", "x@", "a/x/", "é"]
        {
            assert!(!ReferenceParts::of(image).is_good(), "{image}");
        }
    }
}
