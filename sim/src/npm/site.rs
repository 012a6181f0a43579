//! What NPM writes into the file of one host, as the proxy understands it. Fixed when it is written.

use std::net::IpAddr;

use serde_json::Value;

use super::blocks::{self, Block};
use super::kinds::Kind;
use super::state::{Row, State};

/// One file of nginx.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub kind: Kind,
    pub id: u64,
    /// Lower case.
    pub names: Vec<String>,
    pub action: Action,
    pub certificate: Option<Certificate>,
    pub ssl_forced: bool,
    pub trust_forwarded_proto: bool,
    pub access: Option<Access>,
    pub advanced_config: String,
    /// Those of the lines, which know no access list.
    pub blocks: Vec<Block>,
    /// NPM has written its own `location /`, with the access list, the proxy, the redirection or the 404.
    pub has_own_root: bool,
}

/// What a site does with a request.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Forward(Forward),
    Redirect {
        code: u16,
        /// Nothing: that of the request.
        scheme: Option<String>,
        name: String,
        keep_path: bool,
    },
    Dead,
    Stream {
        host: String,
        port: u16,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Forward {
    pub upstream: Upstream,
    pub locations: Vec<Location>,
    pub websockets: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Upstream {
    pub scheme: String,
    pub host: String,
    pub port: u16,
}

#[derive(Debug, Clone)]
pub(super) struct Location {
    pub path: String,
    /// `= /path`: this path and no other.
    pub exact: bool,
    pub upstream: Upstream,
    /// Stands in place of the path; empty = the path stays.
    pub to_path: String,
}

#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub id: u64,
    pub folder: String,
}

/// Who may pass. After the last rule everyone is denied, as NPM writes it.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub satisfy_any: bool,
    pub pass_auth: bool,
    pub users: Vec<(String, String)>,
    pub rules: Vec<(Directive, Range)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    Allow,
    Deny,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Range {
    All,
    Net { address: IpAddr, bits: u8 },
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(Self::All);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        Some(Self::Net { address, bits: bits.unwrap_or(most) })
    }

    pub(super) fn contains(self, client: IpAddr) -> bool {
        match self {
            Self::All => true,
            Self::Net { address, bits } => match (address, client) {
                (IpAddr::V4(net), IpAddr::V4(client)) => {
                    let shift = 32_u32.saturating_sub(u32::from(bits));
                    let (net, client) = (net.to_bits(), client.to_bits());
                    shift == 32 || net >> shift == client >> shift
                }
                (IpAddr::V6(net), IpAddr::V6(client)) => {
                    let shift = 128_u32.saturating_sub(u32::from(bits));
                    let (net, client) = (net.to_bits(), client.to_bits());
                    shift == 128 || net >> shift == client >> shift
                }
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
            },
        }
    }
}

/// The file of a host; nothing for one that is disabled. A certificate or access list that is gone
/// is left out without a word: NPM fails open (ph-put-after-cert-delete, ph-put-nonexistent-accesslist).
pub(super) fn render(state: &State, kind: Kind, id: u64) -> Option<Site> {
    let row = state.row(kind, id)?;
    let certificate = state.row(Kind::Certificate, row.number("certificate_id"));
    render_row(state, kind, row, certificate)
}

/// The file of a 404 host from a row that it had before, whose certificate NPM has not looked up.
pub(super) fn render_of_before(state: &State, before: &Row) -> Option<Site> {
    render_row(state, Kind::DeadHost, before, None)
}

fn render_row(state: &State, kind: Kind, row: &Row, certificate: Option<&Row>) -> Option<Site> {
    if !row.flag("enabled") {
        return None;
    }
    let mut names = row.texts("domain_names");
    for name in &mut names {
        *name = name.to_lowercase();
    }
    let access = state.row(Kind::AccessList, row.number("access_list_id"));
    Some(Site {
        kind,
        id: row.id(),
        names,
        action: action(state, kind, row)?,
        certificate: certificate.map(|certificate| Certificate {
            id: certificate.id(),
            folder: match certificate.text("provider") {
                "letsencrypt" => format!("/etc/letsencrypt/live/npm-{}", certificate.id()),
                _ => format!("/data/custom_ssl/npm-{}", certificate.id()),
            },
        }),
        ssl_forced: row.flag("ssl_forced"),
        trust_forwarded_proto: row.flag("trust_forwarded_proto"),
        access: access.map(read_access),
        advanced_config: row.text("advanced_config").to_owned(),
        blocks: blocks::blocks(row.text("advanced_config")),
        has_own_root: !blocks::leaves_own_out(row.text("advanced_config")),
    })
}

fn action(state: &State, kind: Kind, row: &Row) -> Option<Action> {
    match kind {
        Kind::ProxyHost => {
            let locations = row.list("locations").iter().map(location);
            Some(Action::Forward(Forward {
                upstream: upstream(&Value::Object(row.fields.clone())),
                locations: locations.collect(),
                websockets: row.flag("allow_websocket_upgrade"),
            }))
        }
        Kind::RedirectionHost => Some(Action::Redirect {
            code: port(row.fields.get("forward_http_code")),
            scheme: match row.text("forward_scheme") {
                "auto" => state.version.word_of_auto().map(str::to_owned),
                scheme => Some(scheme.to_owned()),
            },
            name: row.text("forward_domain_name").to_owned(),
            keep_path: row.flag("preserve_path"),
        }),
        Kind::DeadHost => Some(Action::Dead),
        Kind::Stream => Some(Action::Stream {
            host: row.text("forwarding_host").to_owned(),
            port: port(row.fields.get("forwarding_port")),
        }),
        Kind::AccessList | Kind::Certificate => None,
    }
}

/// A path below the host's own; `address/path` in the host is what NPM's pages write for `forward_path`.
fn location(fields: &Value) -> Location {
    let written = text(fields, "path");
    let path = written.strip_prefix("= ").or_else(|| written.strip_prefix("^~ ")).unwrap_or(&written);
    let mut upstream = upstream(fields);
    let mut to_path = text(fields, "forward_path");
    if let Some((host, below)) = upstream.host.clone().split_once('/') {
        host.clone_into(&mut upstream.host);
        to_path = format!("/{below}");
    }
    Location { path: path.to_owned(), exact: written.starts_with("= "), upstream, to_path }
}

fn upstream(fields: &Value) -> Upstream {
    Upstream {
        scheme: text(fields, "forward_scheme"),
        host: text(fields, "forward_host"),
        port: port(fields.get("forward_port")),
    }
}

fn read_access(row: &Row) -> Access {
    let users = row.list("items").iter();
    let rules = row.list("clients").iter();
    Access {
        satisfy_any: row.flag("satisfy_any"),
        pass_auth: row.flag("pass_auth"),
        users: users.map(|item| (text(item, "username"), text(item, "password"))).collect(),
        rules: rules
            .filter_map(|client| {
                let directive = match client.get("directive")?.as_str()? {
                    "allow" => Directive::Allow,
                    _ => Directive::Deny,
                };
                Some((directive, Range::parse(client.get("address")?.as_str()?)?))
            })
            .collect(),
    }
}

fn text(fields: &Value, name: &str) -> String {
    let text = fields.get(name).and_then(Value::as_str);
    text.unwrap_or("").to_owned()
}

fn port(value: Option<&Value>) -> u16 {
    let number = value.and_then(Value::as_u64).unwrap_or(0);
    u16::try_from(number).unwrap_or(0)
}
