//! What earlier versions say in other words: codes of failures, fields that they do not know. Names in comments are
//! those of recordings in `tests/npm/exchanges/versions`.

use serde_json::{Map, Value, json};

use super::NpmVersion;
use super::api::{Call, Failure, Payload};
use super::kinds::Kind;

/// A body as the version reads it.
pub(super) fn age(version: NpmVersion, call: &mut Call) {
    let Payload::Json(Value::Object(fields)) = &mut call.body else { return };
    if version < NpmVersion::V2_15
        && let Some(value) = fields.remove("trust_forwarded_proto")
    {
        // An unknown field like any other (ph-create-trust-forwarded-proto).
        fields.insert("unknown to this version".to_owned(), value);
    }
    if version == NpmVersion::V2_12_0
        && call.path.starts_with("/nginx/redirection-hosts")
        && fields.get("forward_scheme").is_some_and(|scheme| scheme == "auto")
    {
        // As any other word that is none of `http` and `https`.
        fields.insert("forward_scheme".to_owned(), json!("unknown to this version"));
    }
    let meta = fields.get_mut("meta").and_then(Value::as_object_mut);
    if version <= NpmVersion::V2_12
        && let Some(meta) = meta.filter(|_| call.path.starts_with("/nginx/certificates"))
    {
        // Taken, and of no consequence here (cert-create-legacy-style).
        meta.remove("letsencrypt_email");
        meta.remove("letsencrypt_agree");
    }
}

/// A row as the version has it.
pub(super) fn row(version: NpmVersion, kind: Kind, fields: &mut Map<String, Value>) {
    if version < NpmVersion::V2_15 && kind == Kind::ProxyHost {
        fields.remove("trust_forwarded_proto");
    }
}

/// The permissions of an account: 2.12 shows their whole row (user-create, users-me-permissions).
pub(super) fn permissions(
    version: NpmVersion,
    user: u64,
    now: &str,
    mut permissions: Map<String, Value>,
) -> Map<String, Value> {
    if version <= NpmVersion::V2_12 {
        let row = json!({"id": user, "user_id": user, "created_on": now, "modified_on": now});
        permissions.extend(row.as_object().cloned().unwrap_or_default());
    }
    permissions
}

/// What `expand` accepts: 2.12 does not know which streams have a certificate (list-certificates-expand-users).
pub(super) fn expansions(version: NpmVersion, kind: Kind) -> Vec<&'static str> {
    let known = kind.expansions().iter().copied();
    known.filter(|name| version > NpmVersion::V2_12 || kind != Kind::Certificate || *name != "streams").collect()
}

/// A failure in the version's words.
pub(super) fn word(version: NpmVersion, mut failure: Failure, path: &str) -> Failure {
    if version < NpmVersion::V2_15 && failure.status == 500 {
        // garbage, ph-certnew
        failure.has_code = false;
    }
    if version <= NpmVersion::V2_12 && failure.status == 500 && failure.debug.is_none() {
        // list-certificates-expand-users
        failure.debug = path.starts_with("/nginx/certificates").then(|| json!({}));
    }
    if version > NpmVersion::V2_12 {
        return failure;
    }
    let known = ["/nginx/", "/users", "/settings", "/audit-log", "/reports", "/tokens"];
    match (failure.status, failure.message.as_str()) {
        // noauth, perm-put
        (404, message) if message.starts_with("Not Found - /") => {
            let is_route = known.iter().any(|start| path.starts_with(start));
            if is_route { Failure::new(403, "Permission Denied") } else { failure }
        }
        // ph-404
        (404, message) => {
            failure.message = format!("Item {message}");
            failure
        }
        // token-bad, expired
        (400, "Invalid email or password" | "Token has expired") => Failure::new(401, failure.message),
        _ => failure,
    }
}
