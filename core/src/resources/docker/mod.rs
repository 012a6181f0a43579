//! What Docker holds: networks, NPM's attachments, volumes, images, containers. Each text of a container's fields that has
//! parts of its own has a type here, with the one parser and the one formatter of it.

mod schema;
mod settings;
mod mount;
mod port;
mod healthcheck;
mod api_version;

pub use api_version::{NEWER, ignored_by};
pub use healthcheck::HealthcheckSpec;
pub use mount::{MountKind, MountSpec, MountedData, mounts};
pub use port::{ContainerPort, PortSpec, WantedPort};
pub use schema::{ATTACHMENT, CONTAINER, IMAGE, KINDS, NETWORK, VOLUME};
pub use settings::{ContainerSetting, MEMORY_BYTES_MIN, PIDS_MAX, SETTINGS, SettingShape, WordKind, setting};
