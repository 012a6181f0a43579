//! What Docker holds: networks, NPM's attachments, volumes, images, containers. Tables only.

use crate::model::{Field, Fields, Kind, KindSchema, Rule, Value};

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
pub const VOLUME: KindSchema = KindSchema {
    kind: Kind::Volume,
    claims: None,
    fields: &[
        Field::new("driver", Rule::Fixed).samples(&[r#"{"text":"local"}"#, r#"{"text":"local"}"#]),
        Field::new("options", Rule::Fixed).samples(&[
            r#"{"map":{"type":{"text":"tmpfs"},"device":{"text":"tmpfs"}}}"#,
            r#"{"map":{"type":{"text":"tmpfs"},"device":{"text":"tmpfs"},"o":{"text":"size=1m"}}}"#,
        ]),
        Field::new("labels", Rule::Fixed)
            .samples(&[r#"{"map":{"a.b":{"text":"c"}}}"#, r#"{"map":{"a.b":{"text":"d"}}}"#]),
    ],
};

/// An image by its reference; pulled when it is missing, or when the registry has another one; never owned.
pub const IMAGE: KindSchema = KindSchema {
    kind: Kind::Image,
    claims: None,
    fields: &[
        Field::new("id", Rule::Observed),
        Field::new("volumes", Rule::Observed),
        // The registry's name for it: a digest of the manifest.
        Field::new("digest", Rule::Update).samples(&[r#"{"text":"sha256:1"}"#, r#"{"text":"sha256:2"}"#]),
        // What the registry has under this name now, or why that is not known; asked so often.
        Field::new("remote", Rule::Observed),
        Field::new("unasked", Rule::Observed),
        Field::new("ask_every_ms", Rule::Observed),
        // `linux/arm64`; an engine of API 1.49 may have several under one name, and shows none here.
        Field::new("platform", Rule::Update).samples(&[r#"{"text":"linux/amd64"}"#, r#"{"text":"linux/arm64"}"#]),
    ],
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
        // `8080:80/tcp`: of `ports`, those whose address is not said. What was made by an older Amarre listens on IPv4 only.
        Field::new("on_ipv6", Rule::AtMost),
        Field::new("mounts", Rule::Generation).samples(&[
            r#"{"list":[{"text":"volume:amarre-test_a:/a:rw"}]}"#,
            r#"{"list":[{"text":"volume:amarre-test_a:/a:ro"},{"text":"volume:amarre-test_b:/b:rw"}]}"#,
            r#"{"list":[{"text":"bind:/tmp:/t:ro,propagation=private"},{"text":"volume:amarre-test_a:/a:rw,nocopy=true"}]}"#,
            r#"{"list":[{"text":"tmpfs::/t:rw"},{"text":"tmpfs::/u:ro,mode=0700,size=65536"}]}"#,
            r#"{"list":[{"text":"bind:/tmp:/t:rw,create=true"}]}"#,
            r#"{"list":[{"text":"volume:amarre-test_a:/a:rw,subpath=x"}]}"#,
        ]),
        // By target: digest or secret, mode, owner. What it refers to travels beside the plan.
        Field::new("files", Rule::Generation).samples(&[
            r#"{"map":{"/etc/a":{"map":{"content":{"text":"e839fa40726d98d1"},"mode":{"text":"0440"},"owner":{"text":"0:0"}}}}}"#,
            r#"{"map":{"/etc/a":{"map":{"content":{"text":"79bf4b8c1af322b4"},"owner":{"text":"1000:1000"}}}}}"#,
        ]),
        // Ports that NPM elsewhere reaches on the host, and the network that it shares with routed containers.
        Field::new("publish", Rule::Generation).samples(&[
            r#"{"list":[{"text":"127.0.0.1:80/tcp"}]}"#,
            r#"{"list":[{"text":"127.0.0.1:80/tcp"},{"text":"127.0.0.1:81/tcp"}]}"#,
        ]),
        Field::new("edge", Rule::Generation)
            .samples(&[r#"{"text":"zz-amarre-contract"}"#, r#"{"text":"zz-amarre-contract"}"#]),
        // Networks beside its own, which others share.
        Field::new("also_on", Rule::Generation)
            .samples(&[r#"{"list":[{"text":"zz-amarre-contract"}]}"#, r#"{"list":[{"text":"zz-amarre-contract"}]}"#]),
        // Named volumes for what the image declares and the manifest does not map: known once the image is there.
        Field::new("image_mounts", Rule::Volatile),
        Field::new("healthcheck", Rule::Generation).samples(&[
            r#"{"map":{"test":{"list":[{"text":"CMD"},{"text":"true"}]},"interval_ms":{"int":1000}}}"#,
            r#"{"map":{"test":{"list":[{"text":"CMD-SHELL"},{"text":"true"}]},"interval_ms":{"int":2000},"retries":{"int":5}}}"#,
            r#"{"map":{"test":{"list":[{"text":"CMD"},{"text":"true"}]},"start_period_ms":{"int":9000},"start_interval_ms":{"int":1000}}}"#,
        ]),
        Field::new("user", Rule::Generation).samples(&[r#"{"text":"1000"}"#, r#"{"text":"1000:1000"}"#]),
        Field::new("labels", Rule::Generation)
            .samples(&[r#"{"map":{"a.b":{"text":"c"}}}"#, r#"{"map":{"a.b":{"text":"d"}}}"#]),
        Field::new("network", Rule::Generation)
            .samples(&[r#"{"text":"zz-amarre-contract"}"#, r#"{"text":"zz-amarre-contract"}"#]),
        // Written by connecting it anew; absent while it is on no network.
        Field::new("aliases", Rule::Update)
            .samples(&[r#"{"list":[{"text":"web"}]}"#, r#"{"list":[{"text":"web"},{"text":"www"}]}"#]),
        Field::new("logging", Rule::Generation).samples(&[
            r#"{"map":{"driver":{"text":"json-file"},"options":{"map":{"max-size":{"text":"10m"}}}}}"#,
            r#"{"map":{"driver":{"text":"json-file"},"options":{"map":{"max-size":{"text":"20m"}}}}}"#,
        ]),
        Field::new("annotations", Rule::Generation).samples(&[r#"{"map":{"org.example.a":{"text":"1"}}}"#, r#"{"map":{"org.example.a":{"text":"2"}}}"#]),
        Field::new("blkio_config", Rule::Generation).samples(&[r#"{"map":{"weight":{"int":200}}}"#, r#"{"map":{"weight":{"int":300}}}"#]),
        Field::new("cap_add", Rule::Generation).samples(&[r#"{"list":[{"text":"NET_ADMIN"}]}"#, r#"{"list":[{"text":"NET_ADMIN"},{"text":"SYS_TIME"}]}"#]),
        Field::new("cap_drop", Rule::Generation).samples(&[r#"{"list":[{"text":"ALL"}]}"#, r#"{"list":[{"text":"CHOWN"},{"text":"NET_RAW"}]}"#]),
        Field::new("cgroup", Rule::Generation).samples(&[r#"{"text":"private"}"#, r#"{"text":"host"}"#]),
        Field::new("cgroup_parent", Rule::Generation).samples(&[r#"{"text":"/amarre-a"}"#, r#"{"text":"/amarre-b"}"#]),
        Field::new("cpu_period", Rule::Generation).samples(&[r#"{"int":50000}"#, r#"{"int":100000}"#]),
        Field::new("cpu_quota", Rule::Generation).samples(&[r#"{"int":25000}"#, r#"{"int":50000}"#]),
        Field::new("cpu_rt_period", Rule::Generation).samples(&[r#"{"int":1000000}"#, r#"{"int":900000}"#]),
        Field::new("cpu_rt_runtime", Rule::Generation).samples(&[r#"{"int":1000}"#, r#"{"int":2000}"#]),
        Field::new("cpu_shares", Rule::Generation).samples(&[r#"{"int":512}"#, r#"{"int":256}"#]),
        Field::new("cpus", Rule::Generation).samples(&[r#"{"int":500000000}"#, r#"{"int":1000000000}"#]),
        Field::new("cpuset", Rule::Generation).samples(&[r#"{"text":"0"}"#, r#"{"text":"0-1"}"#]),
        Field::new("device_cgroup_rules", Rule::Generation).samples(&[r#"{"list":[{"text":"c 1:3 mr"}]}"#, r#"{"list":[{"text":"c 1:3 mr"},{"text":"a 7:* rmw"}]}"#]),
        Field::new("devices", Rule::Generation).samples(&[r#"{"list":[{"map":{"source":{"text":"/dev/null"},"target":{"text":"/dev/a"},"permissions":{"text":"r"}}}]}"#, r#"{"list":[{"map":{"source":{"text":"/dev/null"},"target":{"text":"/dev/a"},"permissions":{"text":"rwm"}}},{"map":{"source":{"text":"/dev/zero"},"target":{"text":"/dev/b"},"permissions":{"text":"rw"}}}]}"#]),
        Field::new("dns", Rule::Generation).samples(&[r#"{"list":[{"text":"192.0.2.53"}]}"#, r#"{"list":[{"text":"192.0.2.54"},{"text":"192.0.2.53"}]}"#]),
        Field::new("dns_opt", Rule::Generation).samples(&[r#"{"list":[{"text":"ndots:2"}]}"#, r#"{"list":[{"text":"ndots:3"},{"text":"timeout:1"}]}"#]),
        Field::new("dns_search", Rule::Generation).samples(&[r#"{"list":[{"text":"example.org"}]}"#, r#"{"list":[{"text":"example.net"},{"text":"example.org"}]}"#]),
        Field::new("domainname", Rule::Generation).samples(&[r#"{"text":"example.org"}"#, r#"{"text":"example.net"}"#]),
        Field::new("expose", Rule::Generation).samples(&[r#"{"map":{"3000/tcp":{"bool":true}}}"#, r#"{"map":{"3000/tcp":{"bool":true},"53/udp":{"bool":true}}}"#]),
        Field::new("extra_hosts", Rule::Generation).samples(&[r#"{"list":[{"text":"nas:192.0.2.20"}]}"#, r#"{"list":[{"text":"nas:192.0.2.21"},{"text":"gateway:host-gateway"},{"text":"six:2001:db8::1"}]}"#]),
        Field::new("gpus", Rule::Generation).samples(&[r#"{"list":[{"map":{"count":{"int":-1},"capabilities":{"list":[{"list":[{"text":"gpu"}]}]}}}]}"#, r#"{"list":[{"map":{"driver":{"text":"nvidia"},"count":{"int":0},"device_ids":{"list":[{"text":"0"}]},"capabilities":{"list":[{"list":[{"text":"gpu"},{"text":"utility"}]}]},"options":{"map":{"a":{"text":"b"}}}}}]}"#]),
        Field::new("group_add", Rule::Generation).samples(&[r#"{"list":[{"text":"1000"}]}"#, r#"{"list":[{"text":"1001"},{"text":"1002"}]}"#]),
        Field::new("hostname", Rule::Generation).samples(&[r#"{"text":"one"}"#, r#"{"text":"two.example.org"}"#]),
        Field::new("init", Rule::Generation).samples(&[r#"{"bool":true}"#, r#"{"bool":false}"#]),
        Field::new("ipc", Rule::Generation).samples(&[r#"{"text":"shareable"}"#, r#"{"text":"none"}"#]),
        Field::new("ipv4_address", Rule::Generation).samples(&[r#"{"text":"10.98.1.10"}"#, r#"{"text":"10.98.1.11"}"#]),
        Field::new("mac_address", Rule::Generation).samples(&[r#"{"text":"02:42:ac:11:65:43"}"#, r#"{"text":"02:42:ac:11:65:44"}"#]),
        Field::new("mem_limit", Rule::Generation).samples(&[r#"{"int":67108864}"#, r#"{"int":134217728}"#]),
        Field::new("mem_reservation", Rule::Generation).samples(&[r#"{"int":33554432}"#, r#"{"int":50331648}"#]),
        Field::new("mem_swappiness", Rule::Generation).samples(&[r#"{"int":0}"#, r#"{"int":50}"#]),
        Field::new("memswap_limit", Rule::Generation).samples(&[r#"{"int":134217728}"#, r#"{"int":-1}"#]),
        Field::new("oom_kill_disable", Rule::Generation).samples(&[r#"{"bool":true}"#, r#"{"bool":true}"#]),
        Field::new("oom_score_adj", Rule::Generation).samples(&[r#"{"int":500}"#, r#"{"int":100}"#]),
        Field::new("pid", Rule::Generation).samples(&[r#"{"text":"host"}"#, r#"{"text":"host"}"#]),
        Field::new("pids_limit", Rule::Generation).samples(&[r#"{"int":100}"#, r#"{"int":200}"#]),
        // Of the image that it was made from; with a variant, `linux/arm/v7`.
        Field::new("platform", Rule::Generation).samples(&[r#"{"text":"linux/amd64"}"#, r#"{"text":"linux/amd64"}"#]),
        Field::new("privileged", Rule::Generation).samples(&[r#"{"bool":true}"#, r#"{"bool":true}"#]),
        Field::new("read_only", Rule::Generation).samples(&[r#"{"bool":true}"#, r#"{"bool":true}"#]),
        Field::new("runtime", Rule::Generation).samples(&[r#"{"text":"io.containerd.runc.v2"}"#, r#"{"text":"runc"}"#]),
        Field::new("security_opt", Rule::Generation).samples(&[r#"{"list":[{"text":"no-new-privileges:true"}]}"#, r#"{"list":[{"text":"no-new-privileges:true"},{"text":"seccomp=unconfined"}]}"#]),
        Field::new("shm_size", Rule::Generation).samples(&[r#"{"int":33554432}"#, r#"{"int":134217728}"#]),
        Field::new("stdin_open", Rule::Generation).samples(&[r#"{"bool":true}"#, r#"{"bool":true}"#]),
        Field::new("stop_grace_period", Rule::Generation).samples(&[r#"{"int":0}"#, r#"{"int":30}"#]),
        Field::new("stop_signal", Rule::Generation).samples(&[r#"{"text":"SIGINT"}"#, r#"{"text":"SIGQUIT"}"#]),
        Field::new("storage_opt", Rule::Generation).samples(&[r#"{"map":{"size":{"text":"1G"}}}"#, r#"{"map":{"size":{"text":"2G"}}}"#]),
        Field::new("sysctls", Rule::Generation).samples(&[r#"{"map":{"net.core.somaxconn":{"text":"512"}}}"#, r#"{"map":{"net.core.somaxconn":{"text":"1024"},"net.ipv4.ip_unprivileged_port_start":{"text":"0"}}}"#]),
        Field::new("tmpfs", Rule::Generation).samples(&[r#"{"map":{"/run":{"text":""}}}"#, r#"{"map":{"/run":{"text":"size=65536k,mode=755"},"/scratch":{"text":""}}}"#]),
        Field::new("tty", Rule::Generation).samples(&[r#"{"bool":true}"#, r#"{"bool":true}"#]),
        Field::new("ulimits", Rule::Generation).samples(&[r#"{"map":{"nofile":{"map":{"soft":{"int":1024},"hard":{"int":2048}}}}}"#, r#"{"map":{"nofile":{"map":{"soft":{"int":512},"hard":{"int":512}}},"core":{"map":{"soft":{"int":0},"hard":{"int":0}}}}}"#]),
        Field::new("userns_mode", Rule::Generation).samples(&[r#"{"text":"host"}"#, r#"{"text":"host"}"#]),
        Field::new("uts", Rule::Generation).samples(&[r#"{"text":"host"}"#, r#"{"text":"host"}"#]),
        Field::new("working_dir", Rule::Generation).samples(&[r#"{"text":"/"}"#, r#"{"text":"/www"}"#]),
        // Another container of the service: a new one of it needs a new one of this.
        Field::new("network_of", Rule::Volatile),
        Field::new("pid_of", Rule::Volatile),
        Field::new("ipc_of", Rule::Volatile),
        // The same by the manifest's word: by key, the id of the instance that it was made for.
        Field::new("follows", Rule::Volatile),
        // Of a job: by key, the generation that each container of its service is to become.
        Field::new("before", Rule::Generation)
            .samples(&[r#"{"map":{"app":{"text":"9fb65dc1a78f"}}}"#, r#"{"map":{"app":{"text":"4d2c9b1f0a6e"},"db":{"text":"9fb65dc1a78f"}}}"#]),
        Field::new("restart", Rule::Update)
            .samples(&[r#"{"text":"unless-stopped"}"#, r#"{"text":"on-failure:3"}"#]),
        Field::new("name", Rule::Update).samples(&[r#"{"text":"amarre-contract"}"#, r#"{"text":"amarre-contract-x"}"#]),
        Field::new("running", Rule::Update).samples(&[r#"{"bool":true}"#, r#"{"bool":true}"#]),
        Field::new("id", Rule::Observed),
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
        Field::new("created_at_ms", Rule::Observed),
        // The services that come before its own: for the day on which the manifest is gone.
        Field::new("needs", Rule::Observed),
        // Where nothing says `restart`: whether it had ended by itself with code 0.
        Field::new("ended", Rule::Observed),
        Field::new("restarts", Rule::Observed),
        // `none`: it has no healthcheck, so that a probe decides.
        Field::new("health", Rule::Observed),
    ],
};

/// What needs a newer API than the oldest that is spoken: a field, what its value says, and the version that knows it.
/// Older engines ignore each of these without a word.
pub const NEWER: [(&str, &str, (usize, usize)); 5] = [
    ("annotations", "", (1, 43)),
    ("healthcheck", "start_interval", (1, 44)),
    ("mac_address", "", (1, 44)),
    ("mounts", "create", (1, 42)),
    ("mounts", "subpath", (1, 45)),
];

/// What of `fields` an engine of that API would ignore, and the version that knows it; as people call it.
pub fn ignored_by(fields: &Fields, api: (usize, usize)) -> Option<(String, (usize, usize))> {
    let newer = NEWER.into_iter().filter(|(_, _, since)| api < *since);
    newer.into_iter().find_map(|(field, part, since)| {
        let value = fields.get(field)?;
        let is_said = match value {
            Value::Map(entries) => part.is_empty() || entries.contains_key(&format!("{part}_ms")),
            Value::List(_) => value.strings().iter().any(|text| text.contains(&format!(",{part}="))),
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::Secret { .. }
            | Value::Output { .. } => true,
        };
        let name = match (field, part) {
            (field, "") => field.to_owned(),
            ("mounts", "create") => "volumes.bind.create_host_path".to_owned(),
            ("mounts", part) => format!("volumes.volume.{part}"),
            (field, part) => format!("{field}.{part}"),
        };
        is_said.then_some((name, since))
    })
}
