//! Values of what Docker holds. The contract suite puts its own names, addresses and ports in the place of these.

use amarre_core::model::Kind;

use super::{ALWAYS, KindTables, SampleRow};

/// Of a network.
const NETWORK: &[SampleRow] = &[
    ("subnet", &[r#"{"text":"10.98.1.0/24"}"#, r#"{"text":"10.98.2.0/24"}"#]),
    ("internal", &[r#"{"bool":false}"#, r#"{"bool":true}"#]),
];

/// Of a named volume.
const VOLUME: &[SampleRow] = &[
    ("driver", &[r#"{"text":"local"}"#, r#"{"text":"local"}"#]),
    (
        "options",
        &[
            r#"{"map":{"type":{"text":"tmpfs"},"device":{"text":"tmpfs"}}}"#,
            r#"{"map":{"type":{"text":"tmpfs"},"device":{"text":"tmpfs"},"o":{"text":"size=1m"}}}"#,
        ],
    ),
    ("labels", &[r#"{"map":{"a.b":{"text":"c"}}}"#, r#"{"map":{"a.b":{"text":"d"}}}"#]),
];

/// Of an image.
const IMAGE: &[SampleRow] = &[
    ("digest", &[r#"{"text":"sha256:1"}"#, r#"{"text":"sha256:2"}"#]),
    ("platform", &[r#"{"text":"linux/amd64"}"#, r#"{"text":"linux/arm64"}"#]),
];

/// Of a container.
const CONTAINER: &[SampleRow] = &[
    ("image", &[r#"{"text":"amarre-test:1"}"#, r#"{"text":"amarre-test:2"}"#]),
    (
        "command",
        &[r#"{"list":[{"text":"serve"},{"text":"80"}]}"#, r#"{"list":[{"text":"serve"},{"text":"80"},{"text":"x"}]}"#],
    ),
    ("entrypoint", &[r#"{"list":[{"text":"/bin/entry"}]}"#, r#"{"list":[{"text":"/bin/entry"},{"text":"-v"}]}"#]),
    ("environment", &[r#"{"map":{"A":{"text":"1"}}}"#, r#"{"map":{"A":{"text":"2"},"B":{"text":"x=y"}}}"#]),
    (
        "ports",
        &[
            r#"{"list":[{"text":"127.0.0.1:28080:80/tcp"}]}"#,
            r#"{"list":[{"text":"127.0.0.1:28080:80/tcp"},{"text":"127.0.0.1:28081:81/udp"}]}"#,
        ],
    ),
    (
        "mounts",
        &[
            r#"{"list":[{"text":"volume:amarre-test_a:/a:rw"}]}"#,
            r#"{"list":[{"text":"volume:amarre-test_a:/a:ro"},{"text":"volume:amarre-test_b:/b:rw"}]}"#,
            r#"{"list":[{"text":"bind:/tmp:/t:ro,propagation=private"},{"text":"volume:amarre-test_a:/a:rw,nocopy=true"}]}"#,
            r#"{"list":[{"text":"tmpfs::/t:rw"},{"text":"tmpfs::/u:ro,mode=0700,size=65536"}]}"#,
            r#"{"list":[{"text":"bind:/tmp:/t:rw,create=true"}]}"#,
            r#"{"list":[{"text":"volume:amarre-test_a:/a:rw,subpath=x"}]}"#,
        ],
    ),
    (
        "files",
        &[
            r#"{"map":{"/etc/a":{"map":{"content":{"text":"e839fa40726d98d1"},"mode":{"text":"0440"},"owner":{"text":"0:0"}}}}}"#,
            r#"{"map":{"/etc/a":{"map":{"content":{"text":"79bf4b8c1af322b4"},"owner":{"text":"1000:1000"}}}}}"#,
        ],
    ),
    (
        "publish",
        &[
            r#"{"list":[{"text":"127.0.0.1:80/tcp"}]}"#,
            r#"{"list":[{"text":"127.0.0.1:80/tcp"},{"text":"127.0.0.1:81/tcp"}]}"#,
        ],
    ),
    ("edge", &[r#"{"text":"zz-amarre-contract"}"#, r#"{"text":"zz-amarre-contract"}"#]),
    ("also_on", &[r#"{"list":[{"text":"zz-amarre-contract"}]}"#, r#"{"list":[{"text":"zz-amarre-contract"}]}"#]),
    (
        "healthcheck",
        &[
            r#"{"map":{"test":{"list":[{"text":"CMD"},{"text":"true"}]},"interval_ms":{"int":1000}}}"#,
            r#"{"map":{"test":{"list":[{"text":"CMD-SHELL"},{"text":"true"}]},"interval_ms":{"int":2000},"retries":{"int":5}}}"#,
            r#"{"map":{"test":{"list":[{"text":"CMD"},{"text":"true"}]},"start_period_ms":{"int":9000},"start_interval_ms":{"int":1000}}}"#,
        ],
    ),
    ("user", &[r#"{"text":"1000"}"#, r#"{"text":"1000:1000"}"#]),
    ("labels", &[r#"{"map":{"a.b":{"text":"c"}}}"#, r#"{"map":{"a.b":{"text":"d"}}}"#]),
    ("network", &[r#"{"text":"zz-amarre-contract"}"#, r#"{"text":"zz-amarre-contract"}"#]),
    ("aliases", &[r#"{"list":[{"text":"web"}]}"#, r#"{"list":[{"text":"web"},{"text":"www"}]}"#]),
    (
        "logging",
        &[
            r#"{"map":{"driver":{"text":"json-file"},"options":{"map":{"max-size":{"text":"10m"}}}}}"#,
            r#"{"map":{"driver":{"text":"json-file"},"options":{"map":{"max-size":{"text":"20m"}}}}}"#,
        ],
    ),
    ("annotations", &[r#"{"map":{"org.example.a":{"text":"1"}}}"#, r#"{"map":{"org.example.a":{"text":"2"}}}"#]),
    ("blkio_config", &[r#"{"map":{"weight":{"int":200}}}"#, r#"{"map":{"weight":{"int":300}}}"#]),
    ("cap_add", &[r#"{"list":[{"text":"NET_ADMIN"}]}"#, r#"{"list":[{"text":"NET_ADMIN"},{"text":"SYS_TIME"}]}"#]),
    ("cap_drop", &[r#"{"list":[{"text":"ALL"}]}"#, r#"{"list":[{"text":"CHOWN"},{"text":"NET_RAW"}]}"#]),
    ("cgroup", &[r#"{"text":"private"}"#, r#"{"text":"host"}"#]),
    ("cgroup_parent", &[r#"{"text":"/amarre-a"}"#, r#"{"text":"/amarre-b"}"#]),
    ("cpu_period", &[r#"{"int":50000}"#, r#"{"int":100000}"#]),
    ("cpu_quota", &[r#"{"int":25000}"#, r#"{"int":50000}"#]),
    ("cpu_rt_period", &[r#"{"int":1000000}"#, r#"{"int":900000}"#]),
    ("cpu_rt_runtime", &[r#"{"int":1000}"#, r#"{"int":2000}"#]),
    ("cpu_shares", &[r#"{"int":512}"#, r#"{"int":256}"#]),
    ("cpus", &[r#"{"int":500000000}"#, r#"{"int":1000000000}"#]),
    ("cpuset", &[r#"{"text":"0"}"#, r#"{"text":"0-1"}"#]),
    (
        "device_cgroup_rules",
        &[r#"{"list":[{"text":"c 1:3 mr"}]}"#, r#"{"list":[{"text":"c 1:3 mr"},{"text":"a 7:* rmw"}]}"#],
    ),
    (
        "devices",
        &[
            r#"{"list":[{"map":{"source":{"text":"/dev/null"},"target":{"text":"/dev/a"},"permissions":{"text":"r"}}}]}"#,
            r#"{"list":[{"map":{"source":{"text":"/dev/null"},"target":{"text":"/dev/a"},"permissions":{"text":"rwm"}}},{"map":{"source":{"text":"/dev/zero"},"target":{"text":"/dev/b"},"permissions":{"text":"rw"}}}]}"#,
        ],
    ),
    ("dns", &[r#"{"list":[{"text":"192.0.2.53"}]}"#, r#"{"list":[{"text":"192.0.2.54"},{"text":"192.0.2.53"}]}"#]),
    ("dns_opt", &[r#"{"list":[{"text":"ndots:2"}]}"#, r#"{"list":[{"text":"ndots:3"},{"text":"timeout:1"}]}"#]),
    (
        "dns_search",
        &[r#"{"list":[{"text":"example.org"}]}"#, r#"{"list":[{"text":"example.net"},{"text":"example.org"}]}"#],
    ),
    ("domainname", &[r#"{"text":"example.org"}"#, r#"{"text":"example.net"}"#]),
    (
        "expose",
        &[r#"{"map":{"3000/tcp":{"bool":true}}}"#, r#"{"map":{"3000/tcp":{"bool":true},"53/udp":{"bool":true}}}"#],
    ),
    (
        "extra_hosts",
        &[
            r#"{"list":[{"text":"nas:192.0.2.20"}]}"#,
            r#"{"list":[{"text":"nas:192.0.2.21"},{"text":"gateway:host-gateway"},{"text":"six:2001:db8::1"}]}"#,
        ],
    ),
    (
        "gpus",
        &[
            r#"{"list":[{"map":{"count":{"int":-1},"capabilities":{"list":[{"list":[{"text":"gpu"}]}]}}}]}"#,
            r#"{"list":[{"map":{"driver":{"text":"nvidia"},"count":{"int":0},"device_ids":{"list":[{"text":"0"}]},"capabilities":{"list":[{"list":[{"text":"gpu"},{"text":"utility"}]}]},"options":{"map":{"a":{"text":"b"}}}}}]}"#,
        ],
    ),
    ("group_add", &[r#"{"list":[{"text":"1000"}]}"#, r#"{"list":[{"text":"1001"},{"text":"1002"}]}"#]),
    ("hostname", &[r#"{"text":"one"}"#, r#"{"text":"two.example.org"}"#]),
    ("init", &[r#"{"bool":true}"#, r#"{"bool":false}"#]),
    ("ipc", &[r#"{"text":"shareable"}"#, r#"{"text":"none"}"#]),
    ("ipv4_address", &[r#"{"text":"10.98.1.10"}"#, r#"{"text":"10.98.1.11"}"#]),
    ("mac_address", &[r#"{"text":"02:42:ac:11:65:43"}"#, r#"{"text":"02:42:ac:11:65:44"}"#]),
    ("mem_limit", &[r#"{"int":67108864}"#, r#"{"int":134217728}"#]),
    ("mem_reservation", &[r#"{"int":33554432}"#, r#"{"int":50331648}"#]),
    ("mem_swappiness", &[r#"{"int":0}"#, r#"{"int":50}"#]),
    ("memswap_limit", &[r#"{"int":134217728}"#, r#"{"int":-1}"#]),
    ("oom_kill_disable", ALWAYS),
    ("oom_score_adj", &[r#"{"int":500}"#, r#"{"int":100}"#]),
    ("pid", &[r#"{"text":"host"}"#, r#"{"text":"host"}"#]),
    ("pids_limit", &[r#"{"int":100}"#, r#"{"int":200}"#]),
    ("platform", &[r#"{"text":"linux/amd64"}"#, r#"{"text":"linux/amd64"}"#]),
    ("privileged", ALWAYS),
    ("read_only", ALWAYS),
    ("runtime", &[r#"{"text":"io.containerd.runc.v2"}"#, r#"{"text":"runc"}"#]),
    (
        "security_opt",
        &[
            r#"{"list":[{"text":"no-new-privileges:true"}]}"#,
            r#"{"list":[{"text":"no-new-privileges:true"},{"text":"seccomp=unconfined"}]}"#,
        ],
    ),
    ("shm_size", &[r#"{"int":33554432}"#, r#"{"int":134217728}"#]),
    ("stdin_open", ALWAYS),
    ("stop_grace_period", &[r#"{"int":0}"#, r#"{"int":30}"#]),
    ("stop_signal", &[r#"{"text":"SIGINT"}"#, r#"{"text":"SIGQUIT"}"#]),
    ("storage_opt", &[r#"{"map":{"size":{"text":"1G"}}}"#, r#"{"map":{"size":{"text":"2G"}}}"#]),
    (
        "sysctls",
        &[
            r#"{"map":{"net.core.somaxconn":{"text":"512"}}}"#,
            r#"{"map":{"net.core.somaxconn":{"text":"1024"},"net.ipv4.ip_unprivileged_port_start":{"text":"0"}}}"#,
        ],
    ),
    (
        "tmpfs",
        &[
            r#"{"map":{"/run":{"text":""}}}"#,
            r#"{"map":{"/run":{"text":"size=65536k,mode=755"},"/scratch":{"text":""}}}"#,
        ],
    ),
    ("tty", ALWAYS),
    (
        "ulimits",
        &[
            r#"{"map":{"nofile":{"map":{"soft":{"int":1024},"hard":{"int":2048}}}}}"#,
            r#"{"map":{"nofile":{"map":{"soft":{"int":512},"hard":{"int":512}}},"core":{"map":{"soft":{"int":0},"hard":{"int":0}}}}}"#,
        ],
    ),
    ("userns_mode", &[r#"{"text":"host"}"#, r#"{"text":"host"}"#]),
    ("uts", &[r#"{"text":"host"}"#, r#"{"text":"host"}"#]),
    ("working_dir", &[r#"{"text":"/"}"#, r#"{"text":"/www"}"#]),
    (
        "before",
        &[
            r#"{"map":{"app":{"text":"9fb65dc1a78f"}}}"#,
            r#"{"map":{"app":{"text":"4d2c9b1f0a6e"},"db":{"text":"9fb65dc1a78f"}}}"#,
        ],
    ),
    ("restart", &[r#"{"text":"unless-stopped"}"#, r#"{"text":"on-failure:3"}"#]),
    ("name", &[r#"{"text":"amarre-contract"}"#, r#"{"text":"amarre-contract-x"}"#]),
    ("running", ALWAYS),
    ("joined", ALWAYS),
];

/// The kinds of this file.
pub const KINDS: &[KindTables] =
    &[(Kind::Network, &[NETWORK]), (Kind::Volume, &[VOLUME]), (Kind::Image, &[IMAGE]), (Kind::Container, &[CONTAINER])];
