//! Which images a manifest may use: `policy.images`, part by part, so that `*` in a name never means another registry.

use super::Closed;
use crate::manifest::policy;
use crate::manifest::scope::{AllowedBy, PlacedText, Scope};
use crate::manifest::yaml::diagnostic::shown;
use crate::model::Code;
use crate::model::image_reference::ReferenceParts;
use crate::model::suggestion::matches;
use crate::text;

/// The key of the policy.
const WORD: &str = "images";

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
    let is_named = |pattern: &&String| {
        if is_id { pattern.starts_with("sha256:") && matches(pattern, image) } else { is_allowed(pattern, image) }
    };
    if let Some(pattern) = scope.site.policy.images.iter().find(is_named) {
        return policy::allowed(scope, text.spot, WORD, image, AllowedBy::Policy(format!("images: {pattern}")));
    }
    let message = text!("policy forbids the image {image}", image = shown(image));
    let (code, hint) = if is_id {
        (Code::A0269, text!("it is the id of an image and not a name: write `name:tag` or `name@sha256:…`"))
    } else {
        (Code::A0206, text!("ask the operator to add it to `policy.{word}`", word = WORD))
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

#[cfg(test)]
mod tests {
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
}
