//! What stands beside an engine on its host: whether its files are seen from here, and what the containers of NPM and
//! of Amarre itself mount of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::LazyLock;

use bollard::models::{ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum};

use super::api::EngineApi;
use crate::providers::ProviderError;
use amarre_core::model::folders::Reserved;
use amarre_core::model::{Address, Seen};

/// What Docker puts into every container; an image of a whole machine may have kept it.
const MARK_OF_DOCKER: &str = "/.dockerenv";
/// What Podman puts into every container.
const MARK_OF_PODMAN: &str = "/run/.containerenv";
/// In which folders engines keep the layers of containers: Docker's own, containerd's snapshots, Podman's storage.
const LAYERS_OF_ENGINES: [&str; 3] = ["/overlay2/", "/io.containerd.", "/storage/overlay/"];
/// The machine's own processes; the kernel gives this number to no other namespace.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Whether this process sees the files of the engine's host as the engine does. In doubt it does not: a path is then
/// another path there.
pub(super) fn sees_files(api: &EngineApi, containers: &[&ContainerSummary]) -> bool {
    // The engine's own folder is known where its socket is a file here and the folder is here, too.
    let Some(root) = api.root.as_deref() else { return false };
    let has_folder_here =
        |summary: &ContainerSummary| summary.id.as_ref().is_some_and(|id| root.join("containers").join(id).is_dir());
    let may_be_in_one = is_in_a_container() || Path::new(MARK_OF_DOCKER).exists();
    !may_be_in_one || containers.iter().copied().any(has_folder_here)
}

/// Whether this process runs in a container: its paths are not those of the host. Asked once: a process stays where it is,
/// and the kernel's table of mounts is long where many containers run.
pub fn is_in_a_container() -> bool {
    static ANSWER: LazyLock<bool> = LazyLock::new(|| {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let is_machines_own = namespace.as_os_str() == FIRST_PID_NAMESPACE;
        let is_containers_root = |line: &str| is_containers_root(line, is_machines_own);
        Path::new(MARK_OF_PODMAN).exists()
            || super::containers::own().is_some()
            || mounts.lines().any(is_containers_root)
    });
    *ANSWER
}

/// Whether a line of `/proc/self/mountinfo` says that `/` is made of layers, as that of containers is. A machine whose own
/// root is made of layers (`overlayroot`, a live system) is told by both: its layers are no engine's, and its processes
/// are in no namespace of their own (`is_machines_own`).
fn is_containers_root(line: &str, is_machines_own: bool) -> bool {
    let is_root = line.split(' ').nth(4) == Some("/");
    let Some((_, rest)) = line.split_once(" - ") else { return false };
    let is_of_layers = rest.split(' ').next().is_some_and(|kind| kind.contains("overlay"));
    // An engine with many layers names them from its own folder on, and that folder is not said.
    let is_said_in_full = rest.contains("lowerdir=/") || rest.contains("lowerdir+=/");
    let is_an_engines = !is_said_in_full || LAYERS_OF_ENGINES.iter().any(|folder| rest.contains(folder));
    is_root && is_of_layers && (is_an_engines || !is_machines_own)
}

/// The addresses of this machine; `None` where the kernel does not say.
pub(super) async fn addresses() -> Option<BTreeSet<IpAddr>> {
    let table = tokio::fs::read_to_string("/proc/net/fib_trie").await.ok()?;
    // A kernel without IPv6 has no such file.
    let interfaces = tokio::fs::read_to_string("/proc/net/if_inet6").await.unwrap_or_default();
    let v6 = interfaces.lines().filter_map(|line| u128::from_str_radix(line.split(' ').next()?, 16).ok());
    let all: BTreeSet<IpAddr> =
        own_of(&table).map(IpAddr::V4).chain(v6.map(|bits| Ipv6Addr::from(bits).into())).collect();
    (!all.is_empty()).then_some(all)
}

/// The machine's own addresses in `/proc/net/fib_trie`: `|-- 192.168.1.10`, and below it `/32 host LOCAL`.
fn own_of(table: &str) -> impl Iterator<Item = Ipv4Addr> {
    table.lines().zip(table.lines().skip(1)).filter_map(|(leaf, kind)| {
        let address = leaf.trim_start().strip_prefix("|-- ")?;
        kind.trim_start().starts_with("/32 host LOCAL").then(|| address.trim().parse().ok())?
    })
}

/// At which ports NPM listens where it has the host's network: visitors, its pages, and the backend behind them (its
/// image's nginx.conf); its streams come on top.
const NPM_LISTENS: [u16; 4] = [80, 81, 443, 3000];

/// What a container mounts and publishes; `kind` says what it is.
pub(super) fn reserved(
    by: Address,
    kind: ReservedKind,
    service: Option<String>,
    summary: &ContainerSummary,
) -> Reserved {
    let (mut volumes, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for mount in summary.mounts.iter().flatten() {
        if mount.typ.as_deref() == Some("volume") {
            volumes.extend(mount.name.clone());
        }
        paths.extend(mount.source.clone().filter(|source| source.starts_with('/')));
    }
    let ports = summary.ports.iter().flatten().filter_map(|port| {
        let protocol = port.typ.map(|typ| typ.to_string()).unwrap_or_default();
        Some(format!("port {}/{protocol}", port.public_port?))
    });
    let mut ports: BTreeSet<String> = ports.collect();
    let mode = summary.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
    if kind == ReservedKind::Npm && mode == Some("host") {
        ports.extend(NPM_LISTENS.map(|port| format!("port {port}/tcp")));
    }
    let (is_own, is_beside) = (kind == ReservedKind::Own, kind == ReservedKind::Beside);
    Reserved { by, is_own, service, volumes, paths, ports, is_beside }
}

/// Whether a container publishes one of these ports of the host.
pub(super) fn publishes(summary: &ContainerSummary, ports: &BTreeSet<u16>) -> bool {
    summary.ports.iter().flatten().filter_map(|port| port.public_port).any(|port| ports.contains(&port))
}

/// Whose container is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReservedKind {
    Own,
    Npm,
    /// Another one of their Compose projects.
    Beside,
}

/// Completes what is reserved by the ports that stopped containers of NPM or Amarre publish when they run: the list says
/// none of them.
pub(super) async fn bind_stopped(
    api: &EngineApi,
    containers: &[&ContainerSummary],
    seen: &BTreeMap<Address, Seen>,
    reserved: &mut [Reserved],
) -> Result<(), ProviderError> {
    let is_stopped = |summary: &&ContainerSummary| summary.state != Some(ContainerSummaryStateEnum::RUNNING);
    let stopped: BTreeSet<&str> =
        containers.iter().copied().filter(is_stopped).filter_map(|one| one.id.as_deref()).collect();
    for one in reserved.iter_mut().filter(|one| one.ports.is_empty() && !one.is_beside) {
        let id = seen.get(&one.by).map(|seen| seen.vendor_id.as_str()).filter(|id| stopped.contains(id));
        let Some(id) = id else { continue };
        one.ports = api.container(id).await?.map(|inspect| bound(&inspect)).unwrap_or_default();
    }
    Ok(())
}

/// The ports that a container publishes when it runs.
fn bound(inspect: &ContainerInspectResponse) -> BTreeSet<String> {
    let bindings = inspect.host_config.as_ref().and_then(|config| config.port_bindings.as_ref());
    let published = bindings.into_iter().flatten().flat_map(|(target, bindings)| {
        let protocol = target.rsplit('/').next().unwrap_or("tcp");
        let numbers = bindings.iter().flatten().filter_map(|binding| binding.host_port.as_deref()?.parse::<u16>().ok());
        numbers.filter(|number| *number > 0).map(move |number| format!("port {number}/{protocol}"))
    });
    published.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_addresses_are_read_from_the_kernels_table() {
        let table = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
                     +-- 192.168.1.0/24 2 0 1\n        |-- 192.168.1.10\n           /32 host LOCAL\n        \
                     |-- 192.168.1.255\n           /32 link BROADCAST\n";
        assert_eq!(own_of(table).collect::<Vec<_>>(), [Ipv4Addr::new(192, 168, 1, 10)]);
    }

    #[test]
    fn a_root_of_layers_is_a_containers() {
        for layers in [
            "lowerdir=/a:/b",
            "lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B,upperdir=/var/lib/docker/overlay2/x/diff",
        ] {
            let line = format!("741 726 0:50 / / rw,relatime master:1 - overlay overlay rw,{layers}");
            assert!(is_containers_root(&line, false), "{line}");
        }
        for other in [
            "27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
            "99 27 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
            "",
        ] {
            assert!(!is_containers_root(other, false), "{other}");
        }
    }

    /// As Ubuntu's `overlayroot` and a live system mount it.
    #[test]
    fn a_machine_whose_root_is_made_of_layers_is_no_container() {
        for root in [
            "overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/root-rw/overlay-workdir",
            "overlay rw,lowerdir=/run/live/rootfs/filesystem.squashfs/,upperdir=/run/live/overlay/rw",
        ] {
            let line = format!("25 1 0:23 / / rw,relatime shared:1 - overlay {root}");
            assert!(!is_containers_root(&line, true), "{line}");
        }
        // A container that was given the machine's namespaces is still one.
        for layers in [
            "lowerdir=/srv/docker/overlay2/l/A,upperdir=/srv/docker/overlay2/x/diff",
            "lowerdir=/run/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs",
            "lowerdir=/var/lib/containers/storage/overlay/l/A",
            "lowerdir=l/A:l/B,upperdir=x/diff",
            "",
        ] {
            let line = format!("741 726 0:50 / / rw,relatime - overlay overlay rw,{layers}");
            assert!(is_containers_root(&line, true), "{line}");
        }
    }
}
