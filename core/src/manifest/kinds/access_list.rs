//! `kind: AccessList`: who may come in.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::Value as Json;

use super::ManifestKindRow;
use crate::manifest::compose::{container, unsupported};
use crate::manifest::policy::cross_manifest;
use crate::manifest::reader::Reader;
use crate::manifest::schema_keys::{flag, head, link, list, map, object, text, words};
use crate::manifest::yaml::diagnostic::shown;
use crate::manifest::yaml::tree::NodeData;
use crate::model::service::{AccessList, Dns, ManifestKind, Service};
use crate::model::uses::UseKind;
use crate::model::{Code, SecretName};
use crate::text;

/// The row of the kind.
pub(super) const ROW: ManifestKindRow =
    ManifestKindRow { kind: ManifestKind::new("AccessList").using(&[UseKind::Host, UseKind::Secret]), parse, schema };

/// Who may come in.
fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    let spot = reader.spot;
    cross_manifest::needs_npm(scope, spot, text!("access lists"));
    let users = users(&mut reader);
    let allow = clients(&mut reader, "allow");
    let deny = clients(&mut reader, "deny");
    let satisfy_any = reader.choice("satisfy", &[("any", true), ("all", false)]).unwrap_or(allow.is_empty());
    let pass_auth = reader.flag("pass_auth").unwrap_or(false);
    if !reader.has("users") && !reader.has("allow") && !reader.has("deny") {
        let hint = text!("`users:`, `allow:` or `deny:`");
        scope.error_hint(Code::A0105, spot, text!("an access list that says nothing"), hint);
    }
    reader.finish(&unsupported::small_kind_key);
    let name = service.name.clone();
    let origin = scope.origin(spot);
    service.access_lists = vec![AccessList { name, users, allow, deny, satisfy_any, pass_auth, origin }];
    service.dns = Dns::None;
    Some(service)
}

fn users(reader: &mut Reader<'_>) -> BTreeMap<String, SecretName> {
    let mut users = BTreeMap::new();
    let Some(node) = reader.node("users") else { return users };
    let scope = reader.scope;
    let NodeData::Map(entries) = &node.data else {
        scope.wrong_type(node, "`users`", text!("a map of names"));
        return users;
    };
    for entry in entries {
        let name = &entry.key;
        if name.contains([':', ' ']) || name.chars().any(char::is_control) {
            let message = text!("a user cannot be called `{name}`", name = shown(name));
            scope.error_hint(Code::A0106, entry.key_spot, message, text!("no `:` and no space"));
        }
        if matches!(entry.value.data, NodeData::Map(_)) {
            users.extend(container::secret(scope, &entry.value, text!("a user")).map(|secret| (name.clone(), secret)));
            continue;
        }
        let name = shown(name);
        let hint =
            text!("{example}; if it was committed, change it", example = format!("`{name}: {{secret: {name}}}`"));
        let message = text!("the password of `{name}` does not belong in a manifest", name);
        scope.error_hint(Code::A0104, entry.key_spot, message, hint);
    }
    users
}

/// Networks or addresses, or `all`.
fn clients(reader: &mut Reader<'_>, key: &'static str) -> Vec<String> {
    let label = reader.label(key);
    let mut clients = Vec::new();
    for text in reader.texts(key) {
        let address = text.text.parse::<std::net::IpAddr>().map(|ip| ip.to_string());
        let network = text.text.parse::<IpNet>().map(|net| net.trunc().to_string());
        match (address, network, text.text.as_str()) {
            (Ok(client), _, _) | (Err(_), Ok(client), _) => clients.push(client),
            (Err(_), Err(_), "all") => clients.push("all".to_owned()),
            (Err(_), Err(_), _) => {
                let hint = text!("a network or an address, as in {example}", example = "`192.168.0.0/16`");
                reader.scope.not_allowed(&text, &label, hint);
            }
        }
    }
    clients
}

fn schema() -> Json {
    let mut keys = head();
    keys.extend([
        ("users", map(link("secret")), "Names, each with the secret that holds its password"),
        ("allow", list(text()), "Networks that may come in"),
        ("deny", list(text()), "Networks that may not"),
        ("satisfy", words(&["any", "all"]), "Whether a user or a network is enough"),
        ("pass_auth", flag(), "Whether the service sees the name and password"),
    ]);
    object(&["name"], keys)
}
