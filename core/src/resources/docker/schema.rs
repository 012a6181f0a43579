//! The tables of fields: each field of each kind, and how it is compared.

use super::settings::SETTINGS;
use crate::model::{Field, Kind, KindSchema, Rule};

/// Every kind of a Docker engine.
pub const KINDS: &[KindSchema] = &[NETWORK, ATTACHMENT, VOLUME, IMAGE, CONTAINER];

/// A bridge network with a subnet of ours.
pub const NETWORK: KindSchema = KindSchema {
    kind: Kind::Network,
    claims: None,
    fields: &[
        Field::new("subnet", Rule::Fixed),
        Field::new("internal", Rule::Fixed),
        // A foreign network may have several.
        Field::new("subnets", Rule::Observed),
        Field::new("gateway", Rule::Observed),
        Field::new("ip_range", Rule::Observed),
        // Names of every container that is configured on it, running or stopped.
        Field::new("members", Rule::Observed),
    ],
};

/// NPM's container on one of our networks.
pub const ATTACHMENT: KindSchema =
    KindSchema { kind: Kind::Attachment, claims: None, fields: &[Field::new("address", Rule::Observed)] };

/// A named volume.
pub const VOLUME: KindSchema = KindSchema {
    kind: Kind::Volume,
    claims: None,
    fields: &[Field::new("driver", Rule::Fixed), Field::new("options", Rule::Fixed), Field::new("labels", Rule::Fixed)],
};

/// An image by its reference; pulled when it is missing, or when the registry has another one; never owned.
pub const IMAGE: KindSchema = KindSchema {
    kind: Kind::Image,
    claims: None,
    fields: &[
        Field::new("id", Rule::Observed),
        Field::new("volumes", Rule::Observed),
        // The registry's name for it: a digest of the manifest.
        Field::new("digest", Rule::Update),
        // What the registry has under this name now, or why that is not known; asked so often.
        Field::new("remote", Rule::Observed),
        Field::new("unasked", Rule::Observed),
        Field::new("ask_every_ms", Rule::Observed),
        // What it is built from, where it is not pulled: told to whoever builds it.
        Field::new("build", Rule::Observed),
        // `linux/arm64`; an engine of API 1.49 may have several under one name, and shows none here.
        Field::new("platform", Rule::Update),
    ],
};

/// One generation of a container.
pub const CONTAINER: KindSchema = KindSchema { kind: Kind::Container, claims: Some("name"), fields: &CONTAINER_FIELDS };

const CONTAINER_FIELDS: [Field; MADE_WITH.len() + SETTINGS.len() + STATE.len()] = container_fields();

/// What it is made with beside its settings.
const MADE_WITH: &[Field] = &[
    Field::new("image", Rule::Generation),
    Field::new("image_id", Rule::Volatile),
    Field::new("command", Rule::Generation),
    Field::new("entrypoint", Rule::Generation),
    Field::new("environment", Rule::Generation),
    Field::new("ports", Rule::Generation),
    // `8080:80/tcp`: of `ports`, those whose address is not said. What was made by an older Amarre listens on IPv4 only.
    Field::new("on_ipv6", Rule::AtMost),
    Field::new("mounts", Rule::Generation),
    // By target: digest or secret, mode, owner. What it refers to travels beside the plan.
    Field::new("files", Rule::Generation),
    // Ports that NPM elsewhere reaches on the host, and the network that it shares with routed containers.
    Field::new("publish", Rule::Generation),
    Field::new("edge", Rule::Generation),
    // Networks beside its own, which others share.
    Field::new("also_on", Rule::Generation),
    // Named volumes for what the image declares and the manifest does not map: known once the image is there.
    Field::new("image_mounts", Rule::Volatile),
    Field::new("healthcheck", Rule::Generation),
    Field::new("user", Rule::Generation),
    Field::new("labels", Rule::Generation),
    Field::new("network", Rule::Generation),
    // Written by connecting it anew; absent while it is on no network.
    Field::new("aliases", Rule::Update),
    Field::new("logging", Rule::Generation),
];

/// How it depends on others, what can change while it is there, and what is only observed.
const STATE: &[Field] = &[
    // Another container of the service: a new one of it needs a new one of this.
    Field::new("network_of", Rule::Volatile),
    Field::new("pid_of", Rule::Volatile),
    Field::new("ipc_of", Rule::Volatile),
    // Whether these are the namespaces of the process that runs there now: one that started again has new ones.
    Field::new("joined", Rule::Update),
    // The same by the manifest's word: by key, the id of the instance that it was made for.
    Field::new("follows", Rule::Volatile),
    // Of a job: by key, the generation that each container of its service is to become.
    Field::new("before", Rule::Generation),
    Field::new("restart", Rule::Update),
    Field::new("name", Rule::Update),
    Field::new("running", Rule::Update),
    Field::new("id", Rule::Observed),
    // Chosen at creation from the free ones; the proxy host follows it.
    Field::new("address", Rule::Observed),
    Field::new("network_mode", Rule::Observed),
    Field::new("edge_address", Rule::Observed),
    Field::new("networks", Rule::Observed),
    // `192.168.1.10:20000:80/tcp`: chosen at creation, as the address is.
    Field::new("published", Rule::Observed),
    Field::new("started_at_ms", Rule::Observed),
    // The engine's own text of it, which no clock of ours corrects.
    Field::new("started", Rule::Observed),
    Field::new("finished_at_ms", Rule::Observed),
    Field::new("exit_code", Rule::Observed),
    Field::new("created_at_ms", Rule::Observed),
    // Sources of `mounts` that are created where they are missing.
    Field::new("created_folders", Rule::Observed),
    // The services that come before its own: for the day on which the manifest is gone.
    Field::new("needs", Rule::Observed),
    // Where nothing says `restart`: whether it had ended by itself with code 0.
    Field::new("ended", Rule::Observed),
    Field::new("restarts", Rule::Observed),
    // `none`: it has no healthcheck, so that a probe decides.
    Field::new("health", Rule::Observed),
];

const fn container_fields() -> [Field; MADE_WITH.len() + SETTINGS.len() + STATE.len()] {
    let mut fields = [MADE_WITH[0]; MADE_WITH.len() + SETTINGS.len() + STATE.len()];
    let mut at = 0;
    while at < fields.len() {
        fields[at] = if at < MADE_WITH.len() {
            MADE_WITH[at]
        } else if at < MADE_WITH.len() + SETTINGS.len() {
            SETTINGS[at - MADE_WITH.len()].field()
        } else {
            STATE[at - MADE_WITH.len() - SETTINGS.len()]
        };
        at += 1;
    }
    fields
}
