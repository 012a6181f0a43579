//! Folders of hosts that containers mount: where they lead once links are followed, and what is kept from manifests.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::address::Address;

/// What says which time it is at a host, and nothing else: to read it needs no word of the policy.
pub const TIME_ZONE: [&str; 2] = ["/etc/localtime", "/etc/timezone"];

/// Where a path of a host leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Lead {
    /// The real path: links are followed as far as there is anything, the rest is as it was asked for.
    pub path: String,
    /// The links on the way, in order: where each is, and what it says.
    pub links: Vec<(String, String)>,
    /// Nothing is there.
    pub is_missing: bool,
    /// It is a folder with nothing in it.
    pub is_empty: bool,
    /// Why the way could not be followed to its end.
    pub lost: Option<Lost>,
}

/// Why a way could not be followed to its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lost {
    /// There are more links than an engine follows.
    TooManyLinks,
    /// Amarre may not look there, or got no answer in time: `permission denied`.
    NotSeen(String),
}

/// What NPM's or Amarre's own container has, or a stream of NPM: no manifest gets it as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reserved {
    /// The container, or the stream.
    pub by: Address,
    /// Whether Amarre itself runs in it; else it is NPM's.
    pub is_own: bool,
    /// The service that makes it, where it is one of ours.
    pub service: Option<String>,
    /// Its named volumes.
    pub volumes: BTreeSet<String>,
    /// Its folders and files of the host, those of its volumes among them.
    pub paths: BTreeSet<String>,
    /// The ports of the host that it publishes or listens at: `port 80/tcp`.
    pub ports: BTreeSet<String>,
    /// It is another container of the same Compose project.
    pub is_beside: bool,
}

/// A path without `//`, `.` and a slash at its end; `..` goes back.
pub fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => (),
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether `path` is `folder` or lies below it. Both are normal.
pub fn is_within(path: &str, folder: &str) -> bool {
    path == folder || is_strictly_below(path, folder)
}

/// Whether `path` lies below `folder`. Both are normal.
pub fn is_strictly_below(path: &str, folder: &str) -> bool {
    path != folder && (folder == "/" || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}

/// A path as a part of a volume's name: `/var/lib/mysql` is `var-lib-mysql`. What would not be told apart by that has
/// a digest.
pub fn as_word(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let name = path.trim_matches('/').replace('/', "-");
    if !name.is_empty() && path.trim_matches('/').chars().all(|c| plain(c) || c == '/') {
        return name;
    }
    let digest = hex::encode(&Sha256::digest(path)[..4]);
    let name: String = name.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    format!("{}-{digest}", name.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form() {
        for (path, expected) in [
            ("/", "/"),
            ("/srv//app/", "/srv/app"),
            ("/srv/./app/../x", "/srv/x"),
            ("/../etc", "/etc"),
            ("/Srv", "/Srv"),
        ] {
            assert_eq!(normal(path), expected);
        }
    }

    #[test]
    fn below_is_by_whole_names() {
        for (path, folder, expected) in [
            ("/srv/app", "/srv", true),
            ("/srv/app", "/", true),
            ("/srvapp", "/srv", false),
            ("/srv", "/srv", false),
            ("/", "/", false),
            ("/srv", "/srv/app", false),
        ] {
            assert_eq!(is_strictly_below(path, folder), expected, "{path} below {folder}");
        }
        assert!(is_within("/srv", "/srv") && is_within("/", "/"));
    }
}
