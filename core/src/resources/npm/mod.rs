//! What a Nginx Proxy Manager holds, as types and as tables. Pure.
//!
//! Domains are a set: NPM sorts them, so which of them is the main one stands in the address, not in
//! the fields. `online` and `mark` are only ever wanted `true`: they say that nginx serves the host
//! and that the host carries our mark, and wanting them is how a host is served or marked again.

use std::collections::BTreeMap;

use crate::model::schema::unknown_fields;
use crate::model::{Field, Fields, Kind, KindSchema, Rule, Typed, Value};

mod dead_host;
pub mod normalize;
pub mod own_block;

pub use dead_host::DeadHost;

/// Every kind, in the order of safety on the way up.
pub const KINDS: &[KindSchema] = &[
    NpmCertificate::SCHEMA,
    NpmAccessList::SCHEMA,
    ProxyHost::SCHEMA,
    Redirection::SCHEMA,
    DeadHost::SCHEMA,
    NpmStream::SCHEMA,
];

const TRUE: &str = r#"{"bool":true}"#;
const FALSE: &str = r#"{"bool":false}"#;
const NONE: &str = r#""none""#;

/// What all hosts that are known by names have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebHost {
    /// Lower case, sorted.
    pub domains: Vec<String>,
    /// Its nice name.
    pub certificate: Option<String>,
    /// Plain HTTP answers with a redirection; needs a certificate.
    pub force_https: bool,
    /// Needs a certificate.
    pub http2: bool,
    /// Browsers are told to come by HTTPS only; needs `force_https`.
    pub hsts: bool,
    /// So are those of names below; needs `hsts`.
    pub hsts_subdomains: bool,
    /// Lines of nginx's configuration.
    pub advanced: String,
    pub life: ServedState,
}

/// What everything has that nginx serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedState {
    /// Not switched off.
    pub enabled: bool,
    /// nginx serves it, or it is switched off.
    pub online: bool,
    /// It carries our whole mark.
    pub mark: bool,
}

const SITE_DOMAINS: Field = Field::new("domains", Rule::Set);
const CERTIFICATE: Field = Field::new("certificate", Rule::Update).default(NONE);
const FORCE_HTTPS: Field = Field::new("force_https", Rule::Update).default(FALSE);
const HTTP2: Field = Field::new("http2", Rule::Update).default(FALSE);
const HSTS: Field = Field::new("hsts", Rule::Update).default(FALSE);
const HSTS_SUBDOMAINS: Field = Field::new("hsts_subdomains", Rule::Update).default(FALSE);
const BLOCK_EXPLOITS: Field = Field::new("block_exploits", Rule::Update);
const ADVANCED: Field = Field::new("advanced", Rule::Update).default(r#"{"text":""}"#);
const ENABLED: Field = Field::new("enabled", Rule::Update).default(TRUE);
const ONLINE: Field = Field::new("online", Rule::Update).default(TRUE);
const MARK: Field = Field::new("mark", Rule::Update).default(TRUE);

impl WebHost {
    fn fields(&self) -> Fields {
        self.life
            .fields()
            .with("domains", Value::texts(self.domains.iter()))
            .with("certificate", name_value(self.certificate.as_deref()))
            .with("force_https", Value::Bool(self.force_https))
            .with("http2", Value::Bool(self.http2))
            .with("hsts", Value::Bool(self.hsts))
            .with("hsts_subdomains", Value::Bool(self.hsts_subdomains))
            .with("advanced", Value::text(&self.advanced))
    }

    fn read(read: &FieldReader<'_>) -> Result<Self, String> {
        Ok(Self {
            domains: read.texts("domains")?,
            certificate: read.name("certificate")?,
            force_https: read.flag("force_https", false)?,
            http2: read.flag("http2", false)?,
            hsts: read.flag("hsts", false)?,
            hsts_subdomains: read.flag("hsts_subdomains", false)?,
            advanced: read.text_or("advanced", "")?,
            life: ServedState::read(read)?,
        })
    }
}

impl ServedState {
    fn fields(self) -> Fields {
        Fields::default()
            .with("enabled", Value::Bool(self.enabled))
            .with("online", Value::Bool(self.online))
            .with("mark", Value::Bool(self.mark))
    }

    fn read(read: &FieldReader<'_>) -> Result<Self, String> {
        Ok(Self {
            enabled: read.flag("enabled", true)?,
            online: read.flag("online", true)?,
            mark: read.flag("mark", true)?,
        })
    }
}

/// A proxy host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyHost {
    /// What every host with names has.
    pub site: WebHost,
    /// NPM's filter of common attacks.
    pub block_exploits: bool,
    /// `http` or `https`.
    pub forward_scheme: String,
    /// Name or address; an IPv6 address in brackets.
    pub forward_host: String,
    /// Port there.
    pub forward_port: u16,
    /// Upgrades pass.
    pub websockets: bool,
    /// NPM keeps images, styles and scripts.
    pub caching: bool,
    /// Its full name in NPM.
    pub access_list: Option<String>,
    /// Paths that lead elsewhere.
    pub locations: Vec<HostLocation>,
}

/// A path that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostLocation {
    /// As nginx reads it.
    pub path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// An address, for nginx resolves it when it loads; an IPv6 address in brackets.
    pub host: String,
    /// Port there.
    pub port: u16,
    /// Stands there in place of the path; empty = the path stays.
    pub to_path: String,
    /// Lines of nginx's configuration.
    pub advanced: String,
}

impl HostLocation {
    /// As a value of a field.
    pub fn value(&self) -> Value {
        let mut entries = BTreeMap::from([
            ("path".to_owned(), Value::text(&self.path)),
            ("scheme".to_owned(), Value::text(&self.scheme)),
            ("host".to_owned(), Value::text(&self.host)),
            ("port".to_owned(), Value::Int(i64::from(self.port))),
        ]);
        let texts = [("to_path", &self.to_path), ("advanced", &self.advanced)];
        entries.extend(
            texts
                .into_iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(name, text)| (name.to_owned(), Value::text(text))),
        );
        Value::Map(entries)
    }

    fn read(value: &Value) -> Option<Self> {
        let entries = value.entries()?;
        let text = |name: &str| entries.get(name).and_then(Value::as_text).map(str::to_owned);
        let port = entries.get("port").and_then(Value::as_int)?;
        Some(Self {
            path: text("path")?,
            scheme: text("scheme")?,
            host: text("host")?,
            port: u16::try_from(port).ok()?,
            to_path: text("to_path").unwrap_or_default(),
            advanced: text("advanced").unwrap_or_default(),
        })
    }
}

impl Typed for ProxyHost {
    const SCHEMA: KindSchema = KindSchema {
        kind: Kind::ProxyHost,
        fields: &[
            SITE_DOMAINS,
            Field::new("forward_scheme", Rule::Update),
            Field::new("forward_host", Rule::Update),
            Field::new("forward_port", Rule::Update),
            CERTIFICATE,
            FORCE_HTTPS,
            HTTP2,
            HSTS,
            HSTS_SUBDOMAINS,
            Field::new("websockets", Rule::Update).default(TRUE),
            BLOCK_EXPLOITS.default(TRUE),
            Field::new("caching", Rule::Update).default(FALSE),
            Field::new("access_list", Rule::Update).default(NONE),
            Field::new("locations", Rule::Set).default(r#"{"list":[]}"#),
            ADVANCED,
            ENABLED,
            ONLINE,
            MARK,
        ],
        claims: Some("domains"),
    };

    fn fields(&self) -> Fields {
        self.site
            .fields()
            .with("block_exploits", Value::Bool(self.block_exploits))
            .with("forward_scheme", Value::text(&self.forward_scheme))
            .with("forward_host", Value::text(&self.forward_host))
            .with("forward_port", Value::Int(i64::from(self.forward_port)))
            .with("websockets", Value::Bool(self.websockets))
            .with("caching", Value::Bool(self.caching))
            .with("access_list", name_value(self.access_list.as_deref()))
            .with("locations", Value::List(self.locations.iter().map(HostLocation::value).collect()))
    }

    fn from_fields(fields: &Fields) -> Result<Self, String> {
        let read = FieldReader::new(&Self::SCHEMA, fields)?;
        Ok(Self {
            site: WebHost::read(&read)?,
            block_exploits: read.flag("block_exploits", true)?,
            forward_scheme: read.text("forward_scheme")?,
            forward_host: read.text("forward_host")?,
            forward_port: read.number("forward_port")?,
            websockets: read.flag("websockets", true)?,
            caching: read.flag("caching", false)?,
            access_list: read.name("access_list")?,
            locations: read.locations("locations")?,
        })
    }
}

/// A redirection host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirection {
    /// What every host with names has.
    pub site: WebHost,
    /// NPM's filter of common attacks.
    pub block_exploits: bool,
    /// `auto`, `http` or `https`.
    pub scheme: String,
    /// A name, maybe with a path.
    pub to: String,
    /// 300 to 308.
    pub code: u16,
    /// The path goes along.
    pub keep_path: bool,
}

impl Typed for Redirection {
    const SCHEMA: KindSchema = KindSchema {
        kind: Kind::Redirection,
        fields: &[
            SITE_DOMAINS,
            Field::new("scheme", Rule::Update),
            Field::new("to", Rule::Update),
            Field::new("code", Rule::Update),
            Field::new("keep_path", Rule::Update).default(FALSE),
            CERTIFICATE,
            FORCE_HTTPS,
            HTTP2,
            HSTS,
            HSTS_SUBDOMAINS,
            BLOCK_EXPLOITS.default(FALSE),
            ADVANCED,
            ENABLED,
            ONLINE,
            MARK,
        ],
        claims: Some("domains"),
    };

    fn fields(&self) -> Fields {
        self.site
            .fields()
            .with("block_exploits", Value::Bool(self.block_exploits))
            .with("scheme", Value::text(&self.scheme))
            .with("to", Value::text(&self.to))
            .with("code", Value::Int(i64::from(self.code)))
            .with("keep_path", Value::Bool(self.keep_path))
    }

    fn from_fields(fields: &Fields) -> Result<Self, String> {
        let read = FieldReader::new(&Self::SCHEMA, fields)?;
        Ok(Self {
            site: WebHost::read(&read)?,
            block_exploits: read.flag("block_exploits", false)?,
            scheme: read.text("scheme")?,
            to: read.text("to")?,
            code: read.number("code")?,
            keep_path: read.flag("keep_path", false)?,
        })
    }
}

/// A port that NPM forwards; the port is in the address too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpmStream {
    /// Where NPM listens.
    pub port: u16,
    /// An address, for nginx resolves it when it loads; an IPv6 address in brackets.
    pub forward_host: String,
    /// Port there.
    pub forward_port: u16,
    /// Of TCP.
    pub tcp: bool,
    /// Of UDP.
    pub udp: bool,
    pub life: ServedState,
}

impl Typed for NpmStream {
    const SCHEMA: KindSchema = KindSchema {
        kind: Kind::Stream,
        fields: &[
            Field::new("port", Rule::Update),
            Field::new("forward_host", Rule::Update),
            Field::new("forward_port", Rule::Update),
            Field::new("tcp", Rule::Update).default(TRUE),
            Field::new("udp", Rule::Update).default(FALSE),
            ENABLED,
            ONLINE,
            MARK,
        ],
        claims: Some("port"),
    };

    fn fields(&self) -> Fields {
        self.life
            .fields()
            .with("port", Value::Int(i64::from(self.port)))
            .with("forward_host", Value::text(&self.forward_host))
            .with("forward_port", Value::Int(i64::from(self.forward_port)))
            .with("tcp", Value::Bool(self.tcp))
            .with("udp", Value::Bool(self.udp))
    }

    fn from_fields(fields: &Fields) -> Result<Self, String> {
        let read = FieldReader::new(&Self::SCHEMA, fields)?;
        Ok(Self {
            port: read.number("port")?,
            forward_host: read.text("forward_host")?,
            forward_port: read.number("forward_port")?,
            tcp: read.flag("tcp", true)?,
            udp: read.flag("udp", false)?,
            life: ServedState::read(&read)?,
        })
    }
}

/// An access list; its name is in the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpmAccessList {
    /// Names, each with its password: [`Value::Secret`].
    pub users: BTreeMap<String, Value>,
    /// Networks that may come in.
    pub allow: Vec<String>,
    /// Networks that may not.
    pub deny: Vec<String>,
    /// One of users and networks is enough.
    pub satisfy_any: bool,
    /// The user's name goes on to the container.
    pub pass_auth: bool,
}

impl Typed for NpmAccessList {
    const SCHEMA: KindSchema = KindSchema {
        kind: Kind::AccessList,
        fields: &[
            Field::new("users", Rule::Set).default(r#"{"map":{}}"#),
            Field::new("allow", Rule::Set).default(r#"{"list":[]}"#),
            Field::new("deny", Rule::Set).default(r#"{"list":[]}"#),
            Field::new("satisfy_any", Rule::Update).default(FALSE),
            Field::new("pass_auth", Rule::Update).default(FALSE),
        ],
        claims: None,
    };

    fn fields(&self) -> Fields {
        Fields::default()
            .with("users", Value::Map(self.users.clone()))
            .with("allow", Value::texts(self.allow.iter()))
            .with("deny", Value::texts(self.deny.iter()))
            .with("satisfy_any", Value::Bool(self.satisfy_any))
            .with("pass_auth", Value::Bool(self.pass_auth))
    }

    fn from_fields(fields: &Fields) -> Result<Self, String> {
        let read = FieldReader::new(&Self::SCHEMA, fields)?;
        Ok(Self {
            users: read.secrets("users")?,
            allow: read.texts("allow")?,
            deny: read.texts("deny")?,
            satisfy_any: read.flag("satisfy_any", false)?,
            pass_auth: read.flag("pass_auth", false)?,
        })
    }
}

/// A certificate; its nice name is in the address. Never changed: `loaded` is written when only hosts are brought back on
/// line, `renewed` when NPM is to renew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpmCertificate {
    /// The names it says it is for; NPM records only the first of an uploaded one.
    pub domains: Vec<String>,
    /// As NPM writes it: the server's local time without a zone.
    pub expires_on: String,
    /// `letsencrypt` or `other`.
    pub provider: String,
    /// `http` or `dns`, how one is asked for; nobody tells it of one that is there.
    pub challenge: Option<String>,
}

impl Typed for NpmCertificate {
    const SCHEMA: KindSchema = KindSchema {
        kind: Kind::Certificate,
        fields: &[
            Field::new("domains", Rule::Observed),
            Field::new("expires_on", Rule::Observed),
            Field::new("provider", Rule::Observed),
            Field::new("challenge", Rule::Observed),
        ],
        claims: None,
    };

    fn fields(&self) -> Fields {
        let mut fields = Fields::default()
            .with("domains", Value::texts(self.domains.iter()))
            .with("expires_on", Value::text(&self.expires_on))
            .with("provider", Value::text(&self.provider));
        fields.extend(self.challenge.iter().map(|challenge| ("challenge".into(), Value::text(challenge))));
        fields
    }

    fn from_fields(fields: &Fields) -> Result<Self, String> {
        let read = FieldReader::new(&Self::SCHEMA, fields)?;
        Ok(Self {
            domains: read.texts("domains")?,
            expires_on: read.text("expires_on")?,
            provider: read.text("provider")?,
            challenge: fields.text("challenge").map(str::to_owned),
        })
    }
}

fn name_value(name: Option<&str>) -> Value {
    name.map_or(Value::None, Value::text)
}

/// Reads typed values out of fields; each sentence names the field.
struct FieldReader<'a> {
    kind: Kind,
    fields: &'a Fields,
}

impl<'a> FieldReader<'a> {
    fn new(schema: &KindSchema, fields: &'a Fields) -> Result<Self, String> {
        match unknown_fields(schema, fields).first() {
            Some(name) => Err(format!("{} has no field `{name}`", schema.kind.label())),
            None => Ok(Self { kind: schema.kind, fields }),
        }
    }

    fn wrong(&self, name: &str, should: &str) -> String {
        match self.fields.get(name) {
            Some(_) => format!("`{name}` of a {} is not {should}", self.kind.label()),
            None => format!("a {} needs `{name}`", self.kind.label()),
        }
    }

    fn text(&self, name: &str) -> Result<String, String> {
        self.fields.text(name).map(str::to_owned).ok_or_else(|| self.wrong(name, "a text"))
    }

    fn text_or(&self, name: &str, absent: &str) -> Result<String, String> {
        if self.fields.get(name).is_none() { Ok(absent.to_owned()) } else { self.text(name) }
    }

    fn locations(&self, name: &str) -> Result<Vec<HostLocation>, String> {
        let Some(value) = self.fields.get(name) else { return Ok(Vec::new()) };
        let locations: Option<Vec<HostLocation>> =
            if let Value::List(items) = value { items.iter().map(HostLocation::read).collect() } else { None };
        locations.ok_or_else(|| self.wrong(name, "a list of locations"))
    }

    fn number(&self, name: &str) -> Result<u16, String> {
        let number = self.fields.get(name).and_then(Value::as_int).and_then(|number| u16::try_from(number).ok());
        number.ok_or_else(|| self.wrong(name, "a number from 0 to 65535"))
    }

    fn flag(&self, name: &str, absent: bool) -> Result<bool, String> {
        match self.fields.get(name) {
            None => Ok(absent),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(name, "true or false")),
        }
    }

    fn name(&self, name: &str) -> Result<Option<String>, String> {
        match self.fields.get(name) {
            None | Some(Value::None) => Ok(None),
            Some(value) => match value.as_text() {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(self.wrong(name, "a name")),
            },
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        match self.fields.get(name) {
            Some(Value::List(items)) => {
                let texts: Option<Vec<String>> = items.iter().map(|item| item.as_text().map(str::to_owned)).collect();
                texts.ok_or_else(|| self.wrong(name, "a list of texts"))
            }
            Some(_) | None => Err(self.wrong(name, "a list")),
        }
    }

    fn secrets(&self, name: &str) -> Result<BTreeMap<String, Value>, String> {
        let entries = self.fields.get(name).and_then(Value::entries);
        let entries = entries.ok_or_else(|| self.wrong(name, "a map"))?;
        match entries.values().all(|value| matches!(value, Value::Secret { .. })) {
            true => Ok(entries.clone()),
            false => Err(self.wrong(name, "a map of secrets")),
        }
    }
}
