//! Which images a manifest may use: `policy.images`, part by part, so that `*` in a name never means another registry.

use crate::model::Code;
use crate::model::suggestion::matches;
use crate::text;

use super::{AllowedBy, Closed};
use crate::manifest::policy;
use crate::manifest::yaml::diagnostic::shown;
use crate::manifest::yaml::reader::{PlacedText, Scope};

/// What is built here is called below this.
const BUILT_BELOW: &str = "amarre/";
/// The key of the policy.
const WORD: &str = "images";
/// What is meant where no registry is named, and no owner.
const USUAL_REGISTRY: &str = "docker.io";
const USUAL_OWNER: &str = "library";

/// A reference to an image, or a pattern for some.
#[derive(Debug, PartialEq, Eq)]
struct ReferenceParts<'a> {
    registry: &'a str,
    repository: String,
    /// Tag or digest.
    version: Option<&'a str>,
}

/// Images match one of `policy.images`, as written or with the registry that is meant.
pub(crate) fn judge(scope: &Scope<'_>, text: &PlacedText) {
    let image = text.text.as_str();
    if scope.built.borrow().as_deref() == Some(image) {
        return;
    }
    let is_id = is_id(image);
    let parts = ReferenceParts::of(image);
    if let Some(built) = parts.built_here() {
        if is_called_after(built, &scope.name) {
            let by = AllowedBy::rule(text!("it is built for this manifest"));
            return policy::allowed(scope, text.spot, WORD, image, by);
        }
        let message = text!("{image} is an image that is built for another manifest", image = shown(image));
        let hint = text!("build it here, by `build` or kind `App`, or bring it to a registry and name it there");
        // No word opens it.
        scope.error_hint(Code::A0291, text.spot, message, hint);
        return;
    }
    if !is_id && !parts.is_good() {
        let hint = text!("as in `nginx:1.27`, `ghcr.io/owner/name:tag` or `name@sha256:…`");
        scope.not_allowed(text, "`image`", hint);
        return;
    }
    // The engine takes an id as that of an image that is there, whatever its name.
    let is_named = |pattern: &&String| match is_id {
        true => pattern.starts_with("sha256:") && matches(pattern, image),
        false => is_allowed(pattern, image),
    };
    if let Some(pattern) = scope.site.policy.images.iter().find(is_named) {
        return policy::allowed(scope, text.spot, WORD, image, AllowedBy::Policy(format!("images: {pattern}")));
    }
    let message = text!("policy forbids the image {image}", image = shown(image));
    let (code, hint) = match is_id {
        true => (Code::A0269, text!("it is the id of an image and not a name: write `name:tag` or `name@sha256:…`")),
        false => (Code::A0206, text!("ask the operator to add it to `policy.{word}`", word = WORD)),
    };
    policy::report_closed(scope, &Closed { code, spot: text.spot, word: WORD, item: image, message, hint });
}

/// A pattern that begins with `*` says itself that the registry is any.
fn is_allowed(pattern: &str, image: &str) -> bool {
    let parts = ReferenceParts::of(image);
    let whole = || format!("{}/{}", parts.registry, parts.repository);
    if pattern.starts_with('*') {
        return matches(pattern, image) || matches(pattern, &whole());
    }
    ReferenceParts::of_pattern(pattern).allows(&parts)
}

/// Whether the engine looks for an image with this id, or one that begins so. Such an image may be another manifest's.
fn is_id(image: &str) -> bool {
    let is_algorithm = |text: &str| matches!(text, "sha256" | "sha384" | "sha512");
    image.split_once(':').is_some_and(|(algorithm, _)| is_algorithm(algorithm))
        || !image.is_empty() && image.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether policy lets a manifest use an image, for what says nothing otherwise.
pub(crate) fn is_open(scope: &Scope<'_>, image: &str) -> bool {
    let parts = ReferenceParts::of(image);
    parts.is_good()
        && !is_id(image)
        && parts.built_here().is_none()
        && scope.site.policy.images.iter().any(|pattern| is_allowed(pattern, image))
}

/// `shop`, or `shop/worker`, where a service has several.
fn is_called_after(built: &str, name: &str) -> bool {
    let own = built.strip_prefix(name).filter(|_| !name.is_empty());
    own.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl<'a> ReferenceParts<'a> {
    /// As Docker reads a reference.
    fn of(image: &'a str) -> Self {
        let first = image.split_once('/').map(|(first, _)| first);
        match first.filter(|first| first.contains(['.', ':']) || *first == "localhost") {
            Some(registry) => Self::in_registry(registry, &image[registry.len() + 1..]),
            None => Self::in_registry(USUAL_REGISTRY, image),
        }
    }

    /// A pattern may name a registry alone: `registry.lan:*`.
    fn of_pattern(pattern: &'a str) -> Self {
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
    fn built_here(&self) -> Option<&str> {
        const HUB: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
        let is_hub = HUB.iter().any(|name| self.registry.eq_ignore_ascii_case(name));
        let name = self.repository.strip_prefix("library/").unwrap_or(&self.repository);
        name.strip_prefix(BUILT_BELOW).filter(|_| is_hub)
    }

    fn allows(&self, image: &ReferenceParts<'_>) -> bool {
        let is_version = |pattern: &str| matches(pattern, image.version.unwrap_or("latest"));
        matches(self.registry, image.registry)
            && matches(&self.repository, &image.repository)
            && self.version.is_none_or(is_version)
    }

    /// The grammar of references (distribution's `reference` package): no `..`, no empty part, no capitals in a name.
    fn is_good(&self) -> bool {
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
    fn a_pattern_means_no_other_registry() {
        for (pattern, image, is_allowed) in [
            ("docker.io/library/*", "postgres:16", true),
            ("docker.io/library/*", "docker.io/library/postgres", true),
            ("docker.io/library/*", "me/postgres", false),
            ("docker.io/*", "me/postgres:1", true),
            ("postgres:*", "postgres:16", true),
            ("postgres:*", "postgres", true),
            ("postgres:*", "postgres:5000/evil/img", false),
            ("postgres:16*", "postgres:15", false),
            ("nginx*", "nginx", true),
            ("nginx*", "nginx.evil.example/x", false),
            ("nginx*", "nginx/x", false),
            ("ghcr.io/me/*", "ghcr.io/me/app:1", true),
            ("ghcr.io/me/*", "ghcr.io/me/a/b@sha256:00", true),
            ("ghcr.io/me/*", "ghcr.io/you/app", false),
            ("ghcr.io/*", "ghcr.io.evil.example/x", false),
            ("registry.lan:*", "registry.lan:5000/app", true),
            ("registry.lan:*", "registry.lan.evil.example:5000/app", false),
            ("*", "ghcr.io/app", true),
            ("*/app", "ghcr.io/app", true),
            ("*/app:1", "ghcr.io/app:1", true),
            ("*nginx*", "ghcr.io/me/my-nginx:1", true),
            ("*/library/*", "postgres", true),
            ("localhost/*", "localhost/app:1", true),
        ] {
            assert_eq!(super::is_allowed(pattern, image), is_allowed, "{pattern} {image}");
        }
    }

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
