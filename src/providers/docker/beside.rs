//! What stands beside an engine on its host: whether its files are seen from here, and what the containers of NPM and
//! of Amarre itself mount of them.

use std::collections::BTreeSet;
use std::path::Path;

use bollard::models::ContainerSummary;

use super::api::Api;
use crate::model::Address;
use crate::model::folders::Reserved;

/// What Docker puts into every container; an image of a whole machine may have kept it.
const MARK_OF_DOCKER: &str = "/.dockerenv";
/// What Podman puts into every container.
const MARK_OF_PODMAN: &str = "/run/.containerenv";

/// Whether this process sees the files of the engine's host as the engine does. In doubt it does not: a path is then
/// another path there.
pub(super) fn sees_files(api: &Api, containers: &[ContainerSummary]) -> bool {
    // The engine's own folder is known where its socket is a file here and the folder is here, too.
    let Some(root) = api.root.as_deref() else { return false };
    let has_folder_here =
        |summary: &ContainerSummary| summary.id.as_ref().is_some_and(|id| root.join("containers").join(id).is_dir());
    let may_be_in_one = is_in_a_container() || Path::new(MARK_OF_DOCKER).exists();
    !may_be_in_one || containers.iter().any(has_folder_here)
}

/// Whether this process runs in a container: its paths are not those of the host.
pub fn is_in_a_container() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Path::new(MARK_OF_PODMAN).exists() || super::containers::own().is_some() || mounts.lines().any(is_root_of_layers)
}

/// A line of `/proc/self/mountinfo` that says that `/` is made of layers, as that of containers is.
fn is_root_of_layers(line: &str) -> bool {
    let is_root = line.split(' ').nth(4) == Some("/");
    let kind = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').next());
    is_root && kind.is_some_and(|kind| kind.contains("overlay"))
}

/// What a container mounts.
pub(super) fn reserved(by: Address, service: Option<String>, summary: &ContainerSummary) -> Reserved {
    let (mut volumes, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for mount in summary.mounts.iter().flatten() {
        if mount.typ.as_deref() == Some("volume") {
            volumes.extend(mount.name.clone());
        }
        paths.extend(mount.source.clone().filter(|source| source.starts_with('/')));
    }
    Reserved { by, service, volumes, paths }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_of_layers_is_a_containers() {
        let line = "741 726 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a:/b";
        assert!(is_root_of_layers(line));
        for other in [
            "27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
            "99 27 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
            "",
        ] {
            assert!(!is_root_of_layers(other), "{other}");
        }
    }
}
