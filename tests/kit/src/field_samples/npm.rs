//! Values of what a Nginx Proxy Manager holds.

use amarre_core::model::Kind;

use super::{ALWAYS, KindTables, SampleRow};

const FLAG: &[&str] = &[r#"{"bool":true}"#, r#"{"bool":false}"#];
const NONE: &str = r#""none""#;
/// The contract suite makes certificates of these names first.
const CERTIFICATES: &[&str] = &[NONE, r#"{"text":"wild one"}"#, r#"{"text":"wild two"}"#];
/// The contract suite makes access lists of these names first.
const ACCESS_LISTS: &[&str] = &[NONE, r#"{"text":"amarre/family"}"#, r#"{"text":"office"}"#];
const DOMAINS: &[&str] = &[
    r#"{"list":[{"text":"one.example.org"}]}"#,
    r#"{"list":[{"text":"one.example.org"},{"text":"www.one.example.org"}]}"#,
    r#"{"list":[{"text":"*.one.example.org"},{"text":"one.example.org"}]}"#,
];

const LOCATIONS: &[&str] = &[
    r#"{"list":[]}"#,
    r#"{"list":[{"map":{"host":{"text":"172.20.8.4"},"path":{"text":"/api"},"port":{"int":8080},"scheme":{"text":"http"}}}]}"#,
    r#"{"list":[{"map":{"advanced":{"text":"proxy_read_timeout 1h;"},"host":{"text":"[fd00::4]"},"path":{"text":"= /a"},"port":{"int":443},"scheme":{"text":"https"},"to_path":{"text":"/b/"}}},{"map":{"host":{"text":"172.20.8.3"},"path":{"text":"^~ /c"},"port":{"int":80},"scheme":{"text":"http"}}}]}"#,
];

/// Of everything that nginx serves.
const SERVED: &[SampleRow] = &[("enabled", FLAG), ("online", ALWAYS), ("mark", ALWAYS)];

/// Of all hosts that are known by names.
const WEB_HOST: &[SampleRow] = &[
    ("domains", DOMAINS),
    ("certificate", CERTIFICATES),
    ("force_https", FLAG),
    ("http2", FLAG),
    ("hsts", FLAG),
    ("hsts_subdomains", FLAG),
    (
        "advanced",
        &[r#"{"text":"client_max_body_size 10G;"}"#, r#"{"text":"proxy_buffering off;\nproxy_read_timeout 1h;"}"#],
    ),
];

/// Of a proxy host alone.
const PROXY_HOST: &[SampleRow] = &[
    ("block_exploits", FLAG),
    ("forward_scheme", &[r#"{"text":"http"}"#, r#"{"text":"https"}"#]),
    ("forward_host", &[r#"{"text":"172.20.8.3"}"#, r#"{"text":"nas.example.org"}"#, r#"{"text":"[fd00::3]"}"#]),
    ("forward_port", &[r#"{"int":80}"#, r#"{"int":65535}"#]),
    ("websockets", FLAG),
    ("caching", FLAG),
    ("access_list", ACCESS_LISTS),
    ("locations", LOCATIONS),
];

/// Of a redirection alone.
const REDIRECTION: &[SampleRow] = &[
    ("block_exploits", FLAG),
    ("scheme", &[r#"{"text":"auto"}"#, r#"{"text":"http"}"#, r#"{"text":"https"}"#]),
    ("to", &[r#"{"text":"new.example.org"}"#, r#"{"text":"new.example.org/there"}"#]),
    ("code", &[r#"{"int":301}"#, r#"{"int":308}"#]),
    ("keep_path", FLAG),
];

/// Of a stream alone.
const STREAM: &[SampleRow] = &[
    ("port", &[r#"{"int":2222}"#, r#"{"int":2223}"#]),
    ("forward_host", &[r#"{"text":"172.20.8.3"}"#, r#"{"text":"[fd00::3]"}"#]),
    ("forward_port", &[r#"{"int":22}"#, r#"{"int":65535}"#]),
    ("tcp", FLAG),
    ("udp", FLAG),
];

/// Of an access list.
const ACCESS_LIST: &[SampleRow] = &[
    (
        "users",
        &[
            r#"{"map":{"anna":{"secret":{"name":"anna","mark":"a1"}}}}"#,
            r#"{"map":{"anna":{"secret":{"name":"anna","mark":"a1"}},"ben":{"secret":{"name":"ben","mark":"b1"}}}}"#,
            r#"{"map":{"ben":{"secret":{"name":"ben/two","mark":"b2"}}}}"#,
        ],
    ),
    ("allow", &[r#"{"list":[{"text":"192.168.0.0/16"}]}"#, r#"{"list":[{"text":"10.0.0.0/8"},{"text":"fd00::/8"}]}"#]),
    ("deny", &[r#"{"list":[]}"#, r#"{"list":[{"text":"198.51.100.7"}]}"#]),
    ("satisfy_any", FLAG),
    ("pass_auth", FLAG),
];

/// The kinds of this file.
pub const KINDS: &[KindTables] = &[
    (Kind::AccessList, &[ACCESS_LIST]),
    (Kind::ProxyHost, &[SERVED, WEB_HOST, PROXY_HOST]),
    (Kind::Redirection, &[SERVED, WEB_HOST, REDIRECTION]),
    (Kind::DeadHost, &[SERVED, WEB_HOST]),
    (Kind::Stream, &[SERVED, STREAM]),
];
