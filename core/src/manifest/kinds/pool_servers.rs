//! Machines of a pool that Amarre makes at a cloud: servers that its own key opens.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::instance::{made_at, site_of};
use super::pool::{add, port, user};
use super::server;
use crate::manifest::reader::{Reader, nothing_else};
use crate::manifest::schema_keys::{number, object, text};
use crate::manifest::scope::PlacedText;
use crate::manifest::yaml::diagnostic::shown;
use crate::model::instance::Instance;
use crate::model::pool::Machine;
use crate::model::power::{Power, PowerRule};
use crate::model::{Code, Text};
use crate::text;

/// More are several pools; the limits of the cloud hold beside this.
const SERVERS_MAX: i64 = 50;

/// Reads `instance`: a machine for each server, and the servers.
pub(super) fn servers(
    reader: &mut Reader<'_>,
    pool: &str,
    machines: &mut BTreeMap<String, Machine>,
) -> BTreeMap<String, Instance> {
    let mut servers = BTreeMap::new();
    let Some(node) = reader.node("instance") else { return servers };
    let scope = reader.scope;
    let spot = reader.key_spot("instance");
    let Some(mut inner) = Reader::open(scope, node, "`instance`", "instance.") else { return servers };
    let refused: Vec<_> = node.entries().iter().filter_map(|entry| Some((entry, why_not(&entry.key)?))).collect();
    let is_refused = !refused.is_empty();
    for (entry, why) in refused {
        let message = text!("`{key}` does not belong in `instance` of a pool", key = shown(&entry.key));
        scope.error_hint(Code::A0106, entry.key_spot, message, why);
    }
    if is_refused {
        return servers;
    }
    let cloud = inner.required("cloud", text!("a name below `clouds:` of amarre.yaml"));
    let count = inner.number("count", 1, SERVERS_MAX);
    if !inner.has("count") {
        inner.missing("count", text!("how many servers, as in `count: 5`"));
    }
    let port = port(&mut inner);
    let user = inner.text("user");
    let user = user.map_or_else(|| Some("root".to_owned()), |text| self::user(scope, &text));
    let known = cloud.as_ref().and_then(|cloud| scope.site.clouds.get(&cloud.text));
    let shape = server::shape_with_own_key(&mut inner, known.map(|site| &site.provider));
    inner.finish(&nothing_else);
    let Some(site) = cloud.as_ref().and_then(|cloud| site_of(scope, cloud)) else { return servers };
    let (Some(cloud), Some(count), Some(port), Some(user), Some(shape)) = (cloud, count, port, user, shape) else {
        return servers;
    };
    for index in 1..=count {
        let name = format!("{pool}-{index}");
        let address = made_at(site, &name);
        let origin = scope.origin(spot);
        let machine = Machine {
            address: String::new(),
            port,
            user: user.clone(),
            password: None,
            host_key: None,
            is_container: false,
            server: Some(address.clone()),
            origin: origin.clone(),
        };
        let server = Instance {
            address,
            shape: Some(shape.clone()),
            cloud: cloud.text.clone(),
            rule: PowerRule::Level(Power::On),
            domains: Vec::new(),
            check: None,
            origin,
        };
        add(scope, machines, PlacedText { text: name.clone(), spot }, machine);
        servers.insert(name, server);
    }
    servers
}

/// Keys of an instance that servers of a pool do not take.
fn why_not(key: &str) -> Option<Text> {
    Some(match key {
        "id" => text!("machines that are there already stand in `machines`"),
        "ssh_keys" => text!("Amarre puts its own key on them; let `user_data` add others"),
        "power" | "schedule" => text!("machines of a pool are kept on"),
        "dns" | "domain" | "aliases" => text!("write a Record, or an Instance in place of the pool"),
        "ready" => text!("a machine is given out when its sshd lets Amarre in"),
        _ => return None,
    })
}

pub(super) fn schema() -> Json {
    let mut keys = vec![
        ("cloud", text(), "A name below `clouds:` of amarre.yaml"),
        ("count", number(), "How many"),
        ("port", number(), "Where their sshd listens; 22 if not set"),
        ("user", text(), "Who makes accounts there: root if not set, else one that may `sudo` without a password"),
    ];
    keys.extend(server::schema_keys().into_iter().filter(|(key, ..)| why_not(key).is_none()));
    object(&["cloud", "count", "region", "type", "image"], keys)
}
