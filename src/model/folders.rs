//! Folders of hosts that containers mount: where they lead once links are followed, and what is kept from manifests.

use std::collections::BTreeSet;

use super::address::Address;

/// Where a path of a host leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lead {
    /// The real path: links are followed as far as there is anything, the rest is as it was asked for.
    pub path: String,
    /// The links on the way, in order: where each is, and what it says.
    pub links: Vec<(String, String)>,
    /// Why the way could not be followed to its end.
    pub lost: Option<Lost>,
}

/// Why a way could not be followed to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// There are more links than an engine follows.
    TooManyLinks,
    /// Amarre may not look there, or got no answer in time: `permission denied`.
    NotSeen(String),
}

/// What NPM's or Amarre's own container mounts: no manifest may mount it as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// The container.
    pub by: Address,
    /// Whether Amarre itself runs in it; else it is NPM's.
    pub is_own: bool,
    /// The service that makes it, where it is one of ours.
    pub service: Option<String>,
    /// Its named volumes.
    pub volumes: BTreeSet<String>,
    /// Its folders and files of the host, those of its volumes among them.
    pub paths: BTreeSet<String>,
    /// The ports of the host that it publishes: `port 80/tcp`.
    pub ports: BTreeSet<String>,
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
