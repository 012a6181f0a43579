//! What Docker holds: networks, NPM's attachments, volumes, images, containers. Tables only.

use crate::model::{Field, Kind, KindSchema, Rule};

/// Every kind of a Docker engine.
pub const KINDS: &[KindSchema] = &[NETWORK, ATTACHMENT, VOLUME, IMAGE, CONTAINER];

/// A bridge network with a subnet of ours.
pub const NETWORK: KindSchema = KindSchema {
    kind: Kind::Network,
    claims: None,
    fields: &[
        Field::new("subnet", Rule::Fixed).samples(&[r#"{"text":"10.98.1.0/24"}"#, r#"{"text":"10.98.2.0/24"}"#]),
        Field::new("internal", Rule::Fixed).samples(&[r#"{"bool":false}"#, r#"{"bool":true}"#]),
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
pub const VOLUME: KindSchema = KindSchema { kind: Kind::Volume, claims: None, fields: &[] };

/// An image by its reference; pulled when it is missing, never owned.
pub const IMAGE: KindSchema = KindSchema {
    kind: Kind::Image,
    claims: None,
    fields: &[Field::new("id", Rule::Observed), Field::new("volumes", Rule::Observed)],
};

/// One generation of a container.
pub const CONTAINER: KindSchema = KindSchema {
    kind: Kind::Container,
    claims: Some("name"),
    fields: &[
        Field::new("image", Rule::Generation).samples(&[r#"{"text":"amarre-test:1"}"#, r#"{"text":"amarre-test:2"}"#]),
        Field::new("image_id", Rule::Volatile),
        Field::new("command", Rule::Generation).samples(&[
            r#"{"list":[{"text":"serve"},{"text":"80"}]}"#,
            r#"{"list":[{"text":"serve"},{"text":"80"},{"text":"x"}]}"#,
        ]),
        Field::new("entrypoint", Rule::Generation).samples(&[
            r#"{"list":[{"text":"/bin/entry"}]}"#,
            r#"{"list":[{"text":"/bin/entry"},{"text":"-v"}]}"#,
        ]),
        Field::new("environment", Rule::Generation).samples(&[
            r#"{"map":{"A":{"text":"1"}}}"#,
            r#"{"map":{"A":{"text":"2"},"B":{"text":"x=y"}}}"#,
        ]),
        Field::new("ports", Rule::Generation).samples(&[
            r#"{"list":[{"text":"127.0.0.1:28080:80/tcp"}]}"#,
            r#"{"list":[{"text":"127.0.0.1:28080:80/tcp"},{"text":"127.0.0.1:28081:81/udp"}]}"#,
        ]),
        Field::new("mounts", Rule::Generation).samples(&[
            r#"{"list":[{"text":"volume:amarre-test_a:/a:rw"}]}"#,
            r#"{"list":[{"text":"volume:amarre-test_a:/a:ro"},{"text":"volume:amarre-test_b:/b:rw"}]}"#,
        ]),
        // Ports that NPM elsewhere reaches on the host, and the network that it shares with routed containers.
        Field::new("publish", Rule::Generation).samples(&[
            r#"{"list":[{"text":"127.0.0.1:80/tcp"}]}"#,
            r#"{"list":[{"text":"127.0.0.1:80/tcp"},{"text":"127.0.0.1:81/tcp"}]}"#,
        ]),
        Field::new("edge", Rule::Generation)
            .samples(&[r#"{"text":"zz-amarre-contract"}"#, r#"{"text":"zz-amarre-contract"}"#]),
        // Named volumes for what the image declares and the manifest does not map: known once the image is there.
        Field::new("image_mounts", Rule::Volatile),
        Field::new("healthcheck", Rule::Generation).samples(&[
            r#"{"map":{"test":{"list":[{"text":"CMD"},{"text":"true"}]},"interval_ms":{"int":1000}}}"#,
            r#"{"map":{"test":{"list":[{"text":"CMD-SHELL"},{"text":"true"}]},"interval_ms":{"int":2000},"retries":{"int":5}}}"#,
        ]),
        Field::new("user", Rule::Generation).samples(&[r#"{"text":"1000"}"#, r#"{"text":"1000:1000"}"#]),
        Field::new("labels", Rule::Generation)
            .samples(&[r#"{"map":{"a.b":{"text":"c"}}}"#, r#"{"map":{"a.b":{"text":"d"}}}"#]),
        Field::new("network", Rule::Generation)
            .samples(&[r#"{"text":"zz-amarre-contract"}"#, r#"{"text":"zz-amarre-contract"}"#]),
        Field::new("aliases", Rule::Generation)
            .samples(&[r#"{"list":[{"text":"web"}]}"#, r#"{"list":[{"text":"web"},{"text":"www"}]}"#]),
        Field::new("logging", Rule::Generation).samples(&[
            r#"{"map":{"driver":{"text":"json-file"},"options":{"map":{"max-size":{"text":"10m"}}}}}"#,
            r#"{"map":{"driver":{"text":"json-file"},"options":{"map":{"max-size":{"text":"20m"}}}}}"#,
        ]),
        Field::new("restart", Rule::Update)
            .samples(&[r#"{"text":"unless-stopped"}"#, r#"{"text":"on-failure:3"}"#]),
        Field::new("name", Rule::Update).samples(&[r#"{"text":"amarre-contract"}"#, r#"{"text":"amarre-contract-x"}"#]),
        Field::new("running", Rule::Update).samples(&[r#"{"bool":true}"#, r#"{"bool":true}"#]),
        // Chosen at creation from the free ones; the proxy host follows it.
        Field::new("address", Rule::Observed),
        Field::new("network_mode", Rule::Observed),
        Field::new("edge_address", Rule::Observed),
        Field::new("networks", Rule::Observed),
        // `192.168.1.10:20000:80/tcp`: chosen at creation, as the address is.
        Field::new("published", Rule::Observed),
        Field::new("started_at_ms", Rule::Observed),
        Field::new("finished_at_ms", Rule::Observed),
        Field::new("exit_code", Rule::Observed),
        Field::new("restarts", Rule::Observed),
        // `none`: it has no healthcheck, so that a probe decides.
        Field::new("health", Rule::Observed),
    ],
};
