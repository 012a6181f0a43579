//! Why no two of a container can run side by side, by what its manifest says.

use super::service::{Container, ContainerNetwork, Mount, MountSource};
use super::text::Text;
use crate::text;

impl Container {
    /// Why a second one cannot run beside it, if so.
    pub fn exclusive(&self, name: &str, volume_prefix: &str) -> Option<Text> {
        if let Some(mount) = self.written() {
            return match &mount.source {
                MountSource::Volume(volume) => {
                    Some(text!("{name} writes to volume {volume}", name, volume = format!("{volume_prefix}_{volume}")))
                }
                MountSource::Bind(path) => Some(text!("{name} writes to {path}", name, path)),
                MountSource::Tmpfs | MountSource::Copied(_) => None,
            };
        }
        self.fixed(name)
    }

    /// Why a second one cannot run beside it, whatever they share of data.
    pub fn fixed(&self, name: &str) -> Option<Text> {
        if let Some(port) = self.ports.first() {
            return Some(text!("{name} publishes port {port}", name, port = port.published.to_string()));
        }
        match &self.network_mode {
            ContainerNetwork::Host => return Some(text!("{name} is on the host's network", name)),
            ContainerNetwork::Of(other) | ContainerNetwork::Other(other) => {
                return Some(text!("{name} shares the network of {other}", name, other));
            }
            ContainerNetwork::Own | ContainerNetwork::None => (),
        }
        if let Some((namespace, sibling)) = self.shares.first_key_value() {
            return Some(text!("{name} shares `{namespace}` with {sibling}", name, namespace, sibling));
        }
        if let Some(address) = self.ipv4_address {
            return Some(text!("{name} has the address {address}", name, address = address.to_string()));
        }
        let fixed = ["devices", "mac_address"].into_iter().find(|key| self.settings.contains_key(*key))?;
        Some(text!("{name} has `{fixed}` of its own", name, fixed))
    }

    pub(super) fn written(&self) -> Option<&Mount> {
        let outlives = |mount: &&Mount| !mount.read_only && mount.source != MountSource::Tmpfs;
        self.mounts.iter().find(outlives)
    }
}
