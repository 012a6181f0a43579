//! Which keys hold secrets, by their names.

use std::collections::BTreeSet;

/// Whether a key of this name holds a secret.
pub(crate) fn looks_secret(key: &str) -> bool {
    const PARTS: [&str; 13] = [
        "pass",
        "secret",
        "token",
        "credential",
        "pwd",
        "private",
        "salt",
        "dsn",
        "apikey",
        "auth",
        "hmac",
        "jwt",
        "cookie",
    ];
    /// Keys of manifests whose values are no secrets though they sound so.
    const OURS: [&str; 1] = ["pass_auth"];
    let key = key.to_lowercase();
    let known: BTreeSet<&str> = OURS.into_iter().collect();
    !known.contains(key.as_str())
        && (key == "users" || key.ends_with("key") || PARTS.iter().any(|part| key.contains(part)))
}

/// Whether it may stand in a name.
pub(crate) fn is_in_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_-.".contains(letter)
}

/// Whether it may stand in the name of a secret.
pub(crate) fn is_in_secret_name(letter: char) -> bool {
    is_in_name(letter) || letter == '/'
}
