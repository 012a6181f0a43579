//! What each kind of object is called, which fields it takes and what NPM fills in.
//!
//! The limits and the words of the objections are those of the recorded 400 answers.

use serde_json::{Map, Value, json};

use super::schema::{Field, Pattern, Rule, Schema};

/// The kinds of objects that NPM keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Forwards one or more names to an upstream.
    ProxyHost,
    /// Answers with a redirection.
    RedirectionHost,
    /// Answers 404.
    DeadHost,
    /// Forwards a port.
    Stream,
    /// Users and addresses that may pass.
    AccessList,
    /// A certificate with its key.
    Certificate,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::ProxyHost, Self::RedirectionHost, Self::DeadHost, Self::Stream, Self::AccessList, Self::Certificate];

    pub(super) const HOSTS: [Self; 4] = [Self::ProxyHost, Self::RedirectionHost, Self::DeadHost, Self::Stream];

    /// The segment after `/nginx/`.
    pub(super) fn route(self) -> &'static str {
        match self {
            Self::ProxyHost => "proxy-hosts",
            Self::RedirectionHost => "redirection-hosts",
            Self::DeadHost => "dead-hosts",
            Self::Stream => "streams",
            Self::AccessList => "access-lists",
            Self::Certificate => "certificates",
        }
    }

    pub(super) fn of_route(route: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.route() == route)
    }

    /// The folder of the configuration files and the word in the audit log, with `_` or `-`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::ProxyHost => "proxy_host",
            Self::RedirectionHost => "redirection_host",
            Self::DeadHost => "dead_host",
            Self::Stream => "stream",
            Self::AccessList => "access_list",
            Self::Certificate => "certificate",
        }
    }

    /// The key in a user's permissions, also the name of the relation in `expand`.
    pub(super) fn permission(self) -> &'static str {
        match self {
            Self::ProxyHost => "proxy_hosts",
            Self::RedirectionHost => "redirection_hosts",
            Self::DeadHost => "dead_hosts",
            Self::Stream => "streams",
            Self::AccessList => "access_lists",
            Self::Certificate => "certificates",
        }
    }

    /// What `expand` accepts; anything else is a 500 (ph-list-bad-expand, al-list-expand).
    pub(super) fn expansions(self) -> &'static [&'static str] {
        match self {
            Self::ProxyHost => &["owner", "certificate", "access_list"],
            Self::RedirectionHost | Self::DeadHost | Self::Stream => &["owner", "certificate"],
            Self::AccessList => &["owner", "items", "clients"],
            Self::Certificate => &["owner", "proxy_hosts", "redirection_hosts", "dead_hosts", "streams"],
        }
    }

    /// What an answer to a write carries of the related rows (rh-create, ph-create-minimal, al-create).
    pub(super) fn written_expansions(self) -> &'static [&'static str] {
        match self {
            Self::ProxyHost => &["owner", "certificate", "access_list.[clients,items]"],
            Self::RedirectionHost | Self::DeadHost | Self::Stream => &["owner", "certificate"],
            Self::AccessList => &["owner", "items", "clients", "proxy_hosts"],
            Self::Certificate => &[],
        }
    }

    /// Whether the owner is shown with `is_deleted`: NPM is not of one mind (rh-create, ph-create-minimal).
    pub(super) fn shows_deleted_owner(self) -> bool {
        match self {
            Self::RedirectionHost | Self::DeadHost | Self::AccessList => true,
            Self::ProxyHost | Self::Stream | Self::Certificate => false,
        }
    }

    /// What the list of this kind is ordered by, as text (ph-list, perm-allview-list, perm-allview-certs).
    pub(super) fn order(self) -> &'static str {
        match self {
            Self::ProxyHost | Self::RedirectionHost | Self::DeadHost => "domain_names",
            Self::Stream => "incoming_port",
            Self::AccessList => "name",
            Self::Certificate => "nice_name",
        }
    }

    pub(super) fn schema(self) -> &'static Schema {
        match self {
            Self::ProxyHost => &PROXY_HOST,
            Self::RedirectionHost => &REDIRECTION_HOST,
            Self::DeadHost => &DEAD_HOST,
            Self::Stream => &STREAM,
            Self::AccessList => &ACCESS_LIST,
            Self::Certificate => &CERTIFICATE,
        }
    }

    /// The row as the database fills it in before the payload is merged.
    pub(super) fn defaults(self) -> Map<String, Value> {
        let defaults = match self {
            Self::ProxyHost => json!({
                "domain_names": [], "forward_host": "", "forward_port": 0, "access_list_id": 0,
                "certificate_id": 0, "ssl_forced": false, "caching_enabled": false,
                "block_exploits": false, "advanced_config": "", "meta": {},
                "allow_websocket_upgrade": false, "http2_support": false, "forward_scheme": "http",
                "enabled": true, "locations": null, "hsts_enabled": false,
                "hsts_subdomains": false, "trust_forwarded_proto": false,
            }),
            Self::RedirectionHost => json!({
                "domain_names": [], "forward_domain_name": "", "preserve_path": false,
                "certificate_id": 0, "ssl_forced": false, "block_exploits": false,
                "advanced_config": "", "meta": {}, "http2_support": false, "enabled": true,
                "hsts_enabled": false, "hsts_subdomains": false, "forward_scheme": "auto",
                "forward_http_code": 301,
            }),
            Self::DeadHost => json!({
                "domain_names": [], "certificate_id": 0, "ssl_forced": false, "advanced_config": "",
                "meta": {}, "http2_support": false, "enabled": true, "hsts_enabled": false,
                "hsts_subdomains": false,
            }),
            Self::Stream => json!({
                "incoming_port": 0, "forwarding_host": "", "forwarding_port": 0,
                "tcp_forwarding": false, "udp_forwarding": false, "meta": {}, "enabled": true,
                "certificate_id": 0,
            }),
            // The database's own default for `pass_auth` is true (perm-allview-acls).
            Self::AccessList => json!({
                "name": "", "meta": {}, "satisfy_any": false, "pass_auth": true,
                "items": [], "clients": [],
            }),
            Self::Certificate => json!({
                "provider": "other", "nice_name": "", "domain_names": [], "expires_on": "",
                "meta": {},
            }),
        };
        defaults.as_object().cloned().unwrap_or_default()
    }
}

const fn field(name: &'static str, rule: Rule) -> Field {
    Field { name, rule }
}

const PORT: Rule = Rule::Integer { min: 1, max: 65535 };
const TEXT: Rule = Rule::Text { min: 0, max: None };
const SOME_TEXT: Rule = Rule::Text { min: 1, max: None };
const HOST_NAME: Rule = Rule::Text { min: 1, max: Some(255) };
const ID: Rule = Rule::Integer { min: 0, max: i64::MAX };

static PROXY_HOST: Schema = Schema {
    required: &["domain_names", "forward_scheme", "forward_host", "forward_port"],
    fields: &[
        field("domain_names", Rule::Domains { min: 1 }),
        field("forward_scheme", Rule::OneOf(&["http", "https"])),
        field("forward_host", HOST_NAME),
        field("forward_port", PORT),
        field("certificate_id", Rule::CertificateId),
        field("ssl_forced", Rule::Flag),
        field("hsts_enabled", Rule::Flag),
        field("hsts_subdomains", Rule::Flag),
        field("trust_forwarded_proto", Rule::Flag),
        field("http2_support", Rule::Flag),
        field("block_exploits", Rule::Flag),
        field("caching_enabled", Rule::Flag),
        field("allow_websocket_upgrade", Rule::Flag),
        field("access_list_id", ID),
        field("advanced_config", TEXT),
        field("enabled", Rule::Flag),
        field("meta", Rule::Object(None)),
        field("locations", Rule::List(&LOCATION)),
    ],
};

static LOCATION: Schema = Schema {
    required: &["forward_scheme", "forward_host", "forward_port", "path"],
    fields: &[
        field("id", Rule::IdOrNull),
        field("path", SOME_TEXT),
        field("forward_scheme", Rule::OneOf(&["http", "https"])),
        field("forward_host", HOST_NAME),
        field("forward_port", PORT),
        field("forward_path", TEXT),
        field("advanced_config", TEXT),
    ],
};

static REDIRECTION_HOST: Schema = Schema {
    required: &["domain_names", "forward_scheme", "forward_http_code", "forward_domain_name"],
    fields: &[
        field("domain_names", Rule::Domains { min: 1 }),
        field("forward_http_code", Rule::Integer { min: 300, max: 308 }),
        field("forward_scheme", Rule::OneOf(&["auto", "http", "https"])),
        field("forward_domain_name", Rule::Like(Pattern::DomainName)),
        field("preserve_path", Rule::Flag),
        field("certificate_id", Rule::CertificateId),
        field("ssl_forced", Rule::Flag),
        field("hsts_enabled", Rule::Flag),
        field("hsts_subdomains", Rule::Flag),
        field("http2_support", Rule::Flag),
        field("block_exploits", Rule::Flag),
        field("advanced_config", TEXT),
        field("meta", Rule::Object(None)),
    ],
};

static DEAD_HOST: Schema = Schema {
    required: &["domain_names"],
    fields: &[
        field("domain_names", Rule::Domains { min: 1 }),
        field("certificate_id", Rule::CertificateId),
        field("ssl_forced", Rule::Flag),
        field("hsts_enabled", Rule::Flag),
        field("hsts_subdomains", Rule::Flag),
        field("http2_support", Rule::Flag),
        field("advanced_config", TEXT),
        field("meta", Rule::Object(None)),
    ],
};

static STREAM: Schema = Schema {
    required: &["incoming_port", "forwarding_host", "forwarding_port"],
    fields: &[
        field("incoming_port", PORT),
        field("forwarding_host", HOST_NAME),
        field("forwarding_port", PORT),
        field("tcp_forwarding", Rule::Flag),
        field("udp_forwarding", Rule::Flag),
        field("certificate_id", Rule::CertificateId),
        field("meta", Rule::Object(None)),
    ],
};

static ACCESS_LIST: Schema = Schema {
    required: &["name"],
    fields: &[
        field("name", SOME_TEXT),
        field("satisfy_any", Rule::Flag),
        field("pass_auth", Rule::Flag),
        field("items", Rule::List(&ACCESS_ITEM)),
        field("clients", Rule::List(&ACCESS_CLIENT)),
    ],
};

static ACCESS_ITEM: Schema = Schema { required: &[], fields: &[field("username", SOME_TEXT), field("password", TEXT)] };

static ACCESS_CLIENT: Schema = Schema {
    required: &[],
    fields: &[field("address", Rule::Address), field("directive", Rule::OneOf(&["allow", "deny"]))],
};

static CERTIFICATE: Schema = Schema {
    required: &["provider"],
    fields: &[
        field("provider", Rule::Like(Pattern::Provider)),
        field("nice_name", TEXT),
        field("domain_names", Rule::Domains { min: 0 }),
        field("meta", Rule::Object(Some(&CERTIFICATE_META))),
    ],
};

static CERTIFICATE_META: Schema = Schema {
    required: &[],
    fields: &[
        field("certificate", SOME_TEXT),
        field("certificate_key", SOME_TEXT),
        field("dns_challenge", Rule::Flag),
        field("dns_provider_credentials", TEXT),
        field("dns_provider", TEXT),
        field("letsencrypt_certificate", Rule::Object(None)),
        field("propagation_seconds", ID),
        field("key_type", Rule::OneOf(&["rsa", "ecdsa"])),
    ],
};

pub(super) static LOGIN: Schema = Schema {
    required: &["identity", "secret"],
    fields: &[field("identity", SOME_TEXT), field("scope", Rule::OneOf(&["user"])), field("secret", SOME_TEXT)],
};

pub(super) static USER: Schema = Schema {
    required: &["name", "nickname", "email"],
    fields: &[
        field("name", SOME_TEXT),
        field("nickname", TEXT),
        field("email", Rule::Text { min: 3, max: None }),
        field("roles", Rule::Texts),
        field("is_disabled", Rule::Flag),
        field("auth", Rule::Object(None)),
    ],
};

pub(super) static SETTING: Schema = Schema {
    required: &[],
    fields: &[
        field("value", Rule::OneOf(&["congratulations", "404", "444", "redirect", "html"])),
        field("meta", Rule::Object(None)),
    ],
};
