//! Makes drawn manifests fit together: names and ports once, references to what is there, and of two keys that
//! contradict each other one. What it may not do is to leave out what only looks difficult.
#![expect(clippy::wildcard_enum_match_arm, reason = "JSON has the forms that it has")]

use serde_json::{Map, Value as Json, json};

use crate::dice::Dice;
use crate::generate::Ground;

/// Below the domain; fewer than there may be routes, so that names move from service to service.
const DOMAINS: [&str; 12] =
    ["one", "two", "three", "four", "five", "six", "seven", "@", "*.any", "www.one", "ten.example.org.", "nine"];

/// What is handed out, each thing once.
pub struct Stock {
    domains: Vec<String>,
    subnets: Vec<String>,
    pub(crate) port: u16,
    pub(crate) names: usize,
    records: usize,
    stream_ports: Vec<u16>,
    lists: Vec<String>,
    networks: Vec<String>,
    certificates: Vec<String>,
    /// Those so far.
    services: Vec<String>,
}

/// Answers the files beside the manifests.
pub fn make(documents: &mut Vec<Json>, ground: &Ground, dice: &mut Dice) -> Vec<(String, String)> {
    let of_kind = |kind: &str| -> Vec<String> {
        let found = documents.iter().filter(|document| document["kind"] == kind);
        found.filter_map(|document| document["name"].as_str().map(str::to_owned)).collect()
    };
    let mut stock = Stock {
        domains: dice.shuffled(DOMAINS.iter().map(|domain| (*domain).to_owned()).collect()),
        subnets: dice.shuffled((10..20).map(|at| format!("172.20.{at}")).collect()),
        port: 8100,
        names: 0,
        records: 0,
        stream_ports: ground.stream_ports.clone(),
        lists: of_kind("AccessList"),
        networks: of_kind("Network"),
        certificates: ground.certificates.clone(),
        services: Vec::new(),
    };
    let mut beside = vec![("services/app.ini".to_owned(), format!("level={}\n", dice.below(2)))];
    let mut targets: Vec<(String, String)> = Vec::new();
    for document in documents.iter_mut() {
        let Some(entries) = document.as_object_mut() else { continue };
        kept(entries);
        match entries.get("kind").and_then(Json::as_str).unwrap_or("Service") {
            "Service" => service(entries, ground, dice, &mut stock, &mut beside, &mut targets),
            "Route" => front(entries, &["http://192.168.1.20:5000".to_owned()], dice, &mut stock),
            "Redirect" | "DeadHost" => answered(entries, dice, &mut stock),
            "Stream" => stream(entries, &targets, dice, &mut stock),
            "AccessList" => access_list(entries),
            "Record" => {
                let name = format!("_r{}", dice.below(3));
                record(entries, dice, name);
                entries.remove("host");
            }
            "Network" => {
                if entries.contains_key("subnet") {
                    entries.insert("subnet".to_owned(), json!(format!("{}.0/24", stock.subnets.pop().unwrap())));
                }
                host(entries);
            }
            _ => (),
        }
    }
    // Without a port that NPM publishes there is no stream.
    documents.retain(|document| document["port"] != json!(null) || document["kind"] != "Stream");
    beside
}

fn stream(entries: &mut Map<String, Json>, targets: &[(String, String)], dice: &mut Dice, stock: &mut Stock) {
    host(entries);
    let port = stock.stream_ports.pop();
    entries.insert("port".to_owned(), json!(port));
    let to = if targets.is_empty() || dice.chance(50) {
        "192.168.1.20:22".to_owned()
    } else {
        let (service, container) = dice.pick(targets);
        format!("{service}/{container}:22")
    };
    entries.insert("to".to_owned(), json!(to));
    if entries.get("tcp") == Some(&json!(false)) {
        entries.insert("udp".to_owned(), json!(true));
    }
}

/// All on one server: NPM, containers and access lists must be together.
fn host(entries: &mut Map<String, Json>) {
    if entries.contains_key("host") {
        entries.insert("host".to_owned(), json!("default"));
    }
}

fn service(
    entries: &mut Map<String, Json>,
    ground: &Ground,
    dice: &mut Dice,
    stock: &mut Stock,
    beside: &mut Vec<(String, String)>,
    targets: &mut Vec<(String, String)>,
) {
    host(entries);
    let name = entries["name"].as_str().unwrap().to_owned();
    needs(entries, stock);
    let mut network = Network::Own;
    match entries.get("network").cloned() {
        Some(Json::String(word)) if word == "NETWORK" => match stock.networks.first() {
            Some(shared) => {
                entries.insert("network".to_owned(), json!(shared));
                network = Network::Shared(shared.clone());
            }
            None => drop(entries.remove("network")),
        },
        Some(Json::Object(said)) => match stock.subnets.pop() {
            Some(subnet) => {
                let mut own = json!({"subnet": format!("{subnet}.0/24")});
                if said.contains_key("internal") {
                    // One that is cut off publishes no port.
                    own["internal"] = json!(false);
                }
                entries.insert("network".to_owned(), own);
                network = Network::Subnet(subnet);
            }
            None => drop(entries.remove("network")),
        },
        _ => (),
    }
    let keys = containers(entries, ground, dice, stock, beside, &network);
    side_by_side(entries);
    data(entries);
    targets.extend(keys.iter().filter(|(_, is_reached)| *is_reached).map(|(key, _)| (name.clone(), key.clone())));
    let reached: Vec<String> =
        keys.iter().filter(|(_, is_reached)| *is_reached).map(|(key, _)| format!("{key}:80")).collect();
    routes_of_service(entries, &reached, dice, stock);
}

/// Two generations start side by side only where none of a container is there but once.
fn side_by_side(entries: &mut Map<String, Json>) {
    const ONCE: [&str; 6] = ["ports", "devices", "mac_address", "network_mode", "pid", "ipc"];
    let is_once = |container: &Map<String, Json>| {
        let places = container.get("networks").and_then(Json::as_object).into_iter().flat_map(Map::values);
        let mut places = places.filter_map(Json::as_object);
        ONCE.iter().any(|key| container.contains_key(*key))
            || places.any(|place| place.contains_key("ipv4_address") || place.contains_key("mac_address"))
    };
    let several = entries.get("containers").and_then(Json::as_object).into_iter().flat_map(Map::values);
    if is_once(entries) || several.filter_map(Json::as_object).any(is_once) {
        let update = entries.get_mut("update").and_then(Json::as_object_mut);
        if let Some(update) = update.filter(|update| update.get("strategy") == Some(&json!("start-first"))) {
            update.remove("strategy");
        }
    }
}

/// Two sources have other volumes of the same service: it may start on nothing.
fn data(entries: &mut Map<String, Json>) {
    let has_data = Json::Object(entries.clone()).to_string().contains("\"volumes\"") || entries.contains_key("compose");
    if has_data || !entries.contains_key("moved_from") {
        entries.remove("moved_from");
        entries.insert("data".to_owned(), json!("new"));
    } else {
        entries.remove("data");
    }
}

/// Everything is to come to an end: nothing is only reported, or protected.
fn kept(entries: &mut Map<String, Json>) {
    if let Some(kept) = entries.get_mut("reconcile").and_then(Json::as_object_mut) {
        kept.get_mut("protect").into_iter().for_each(|protect| *protect = json!(false));
    }
}

/// One that comes before it in the source, so that there is no circle.
fn needs(entries: &mut Map<String, Json>, stock: &mut Stock) {
    if entries.remove("needs").is_some()
        && let Some(first) = stock.services.first()
    {
        entries.insert("needs".to_owned(), json!([first]));
    }
    stock.services.push(entries["name"].as_str().unwrap().to_owned());
}

enum Network {
    Own,
    Shared(String),
    Subnet(String),
}

/// The service's containers, made right; their keys, and whether NPM can reach each.
fn containers(
    entries: &mut Map<String, Json>,
    ground: &Ground,
    dice: &mut Dice,
    stock: &mut Stock,
    beside: &mut Vec<(String, String)>,
    network: &Network,
) -> Vec<(String, bool)> {
    let name = entries["name"].as_str().unwrap().to_owned();
    if entries.contains_key("compose") {
        let profiles = entries.get("profiles").map(Json::to_string).unwrap_or_default();
        let file = format!("compose.{name}.yaml");
        entries.insert("compose".to_owned(), json!(format!("./{file}")));
        let variable = dice.below(2);
        let text = format!(
            "services:\n  app: {{image: 'app:1', environment: {{A: '{variable}'}}}}\n  db: {{image: 'db:1', volumes: ['data:/db']}}\n  \
             extra: {{image: 'web:1', profiles: [debug]}}\n  other: {{image: 'web:1', profiles: [more]}}\nvolumes: {{data: }}\n"
        );
        beside.push((format!("services/{file}"), text));
        let extra = profiles.contains("debug").then(|| ("extra".to_owned(), true));
        return [("app".to_owned(), true), ("db".to_owned(), true)].into_iter().chain(extra).collect();
    }
    if let Some(map) = entries.get_mut("containers").and_then(Json::as_object_mut) {
        let keys: Vec<String> = map.keys().cloned().collect();
        for (at, key) in keys.iter().enumerate() {
            let container = map.get_mut(key).and_then(Json::as_object_mut).unwrap();
            crate::coherent_container::make(container, ground, dice, &keys[..at], stock);
            place(container, network, at);
        }
        crate::coherent_container::ends(map);
        return map.iter().map(|(key, container)| (key.clone(), is_reached(container.as_object().unwrap()))).collect();
    }
    // At the top it is what the service has at OVH.
    let records = entries.remove("dns").filter(|dns| *dns == "none" || *dns == "auto" || dns[0].is_object());
    crate::coherent_container::make(entries, ground, dice, &[], stock);
    place(entries, network, 0);
    entries.extend(records.map(|records| ("dns".to_owned(), records)));
    vec![(name, is_reached(entries))]
}

fn is_reached(container: &Map<String, Json>) -> bool {
    !container.contains_key("network_mode")
}

/// Which network a container is on, and at which address.
fn place(container: &mut Map<String, Json>, network: &Network, at: usize) {
    let Some(networks) = container.get("networks").cloned() else { return };
    let called = match network {
        Network::Shared(name) => name.as_str(),
        Network::Own | Network::Subnet(_) => "default",
    };
    let place = match networks {
        Json::Object(map) => map.values().next().cloned().unwrap_or(Json::Null),
        _ => {
            container.insert("networks".to_owned(), json!([called]));
            return;
        }
    };
    let mut place = place;
    if let Some(entries) = place.as_object_mut() {
        match network {
            Network::Subnet(subnet) => {
                if entries.contains_key("ipv4_address") {
                    entries.insert("ipv4_address".to_owned(), json!(format!("{subnet}.{}", 100 + at)));
                }
            }
            Network::Own | Network::Shared(_) => drop(entries.remove("ipv4_address")),
        }
        if container.contains_key("mac_address") {
            entries.remove("mac_address");
        }
    }
    container.insert("networks".to_owned(), json!({called: place}));
}

/// `port`, `to` and `routes` of a service.
fn routes_of_service(entries: &mut Map<String, Json>, reached: &[String], dice: &mut Dice, stock: &mut Stock) {
    let short = entries.contains_key("port") && !reached.is_empty() && !entries.contains_key("compose");
    // The short form and the long one are two ways to say the same.
    if short {
        entries.remove("routes");
        let is_many = entries.contains_key("containers") || entries.contains_key("compose");
        let to = dice.pick(reached).rsplit_once(':').unwrap().0.to_owned();
        if is_many {
            entries.insert("to".to_owned(), json!(to));
        } else {
            entries.remove("to");
        }
    } else {
        for key in ["port", "to", "ssl"] {
            entries.remove(key);
        }
    }
    if reached.is_empty() && entries.contains_key("routes") {
        entries.remove("routes");
    }
    front(entries, reached, dice, stock);
    if !short && !entries.contains_key("routes") {
        entries.remove("access_list");
    }
}

/// What a service with routes and a `Route` have in common.
fn front(entries: &mut Map<String, Json>, to: &[String], dice: &mut Dice, stock: &mut Stock) {
    host(entries);
    let urls = ["http://192.168.1.20:5000", "https://192.168.1.21"].map(str::to_owned);
    let is_route = entries.get("kind").is_some_and(|kind| kind == "Route");
    if let Some(routes) = entries.get_mut("routes").and_then(Json::as_array_mut) {
        for route in routes.iter_mut().filter_map(Json::as_object_mut) {
            let target = if is_route { dice.pick(&urls).clone() } else { dice.pick(to).clone() };
            route.insert("to".to_owned(), json!(target));
            domains(route, stock);
            tls(route, stock);
            list(route, stock);
            let mut paths = Vec::new();
            if let Some(locations) = route.get_mut("locations").and_then(Json::as_array_mut) {
                locations.retain_mut(|location| {
                    {
                        let target = if is_route { dice.pick(&urls) } else { dice.pick(to) };
                        location["to"] = json!(target);
                    }
                    let path = location["path"].clone();
                    let is_new = !paths.contains(&path);
                    paths.push(path);
                    is_new
                });
            }
        }
        routes.retain(|route| route.get("domain").is_some());
        if routes.is_empty() {
            entries.remove("routes");
        }
    }
    list(entries, stock);
    records(entries, dice, stock);
}

fn domains(route: &mut Map<String, Json>, stock: &mut Stock) {
    match stock.domains.pop() {
        Some(domain) => drop(route.insert("domain".to_owned(), json!(domain))),
        None => drop(route.remove("domain")),
    }
    if let Some(aliases) = route.get_mut("aliases").and_then(Json::as_array_mut) {
        let names: Vec<Json> = aliases.iter().filter_map(|_| stock.domains.pop().map(Json::String)).collect();
        *aliases = names;
        if aliases.is_empty() {
            route.remove("aliases");
        }
    }
}

/// What is about certificates needs one.
fn tls(front: &mut Map<String, Json>, stock: &Stock) {
    if front.get("tls").is_some_and(|tls| tls == "wild") {
        match stock.certificates.first() {
            Some(certificate) => drop(front.insert("tls".to_owned(), json!(certificate))),
            None => drop(front.remove("tls")),
        }
    }
    if front.get("tls").is_none_or(|tls| tls == "none") {
        for key in ["force_https", "http2", "hsts"] {
            front.remove(key);
        }
    } else if front.get("hsts").is_some_and(|hsts| *hsts != json!(false)) {
        front.remove("force_https");
    }
}

fn list(entries: &mut Map<String, Json>, stock: &Stock) {
    if entries.contains_key("access_list") {
        match stock.lists.first() {
            Some(list) => drop(entries.insert("access_list".to_owned(), json!(list))),
            None => drop(entries.remove("access_list")),
        }
    }
}

fn answered(entries: &mut Map<String, Json>, dice: &mut Dice, stock: &mut Stock) {
    host(entries);
    domains(entries, stock);
    if !entries.contains_key("domain") {
        entries.insert("domain".to_owned(), json!("spare"));
    }
    tls(entries, stock);
    records(entries, dice, stock);
}

/// A list of records in place of those that follow from the routes.
fn records(entries: &mut Map<String, Json>, dice: &mut Dice, stock: &mut Stock) {
    let Some(records) = entries.get_mut("dns").and_then(Json::as_array_mut) else { return };
    for entry in records.iter_mut().filter_map(Json::as_object_mut) {
        stock.records += 1;
        record(entry, dice, format!("_x{}", stock.records));
    }
}

/// A record of a type with values that it may have.
fn record(entries: &mut Map<String, Json>, dice: &mut Dice, name: String) {
    let (record_type, values) = dice.pick(&[
        ("A", ["203.0.113.10", "203.0.113.11"]),
        ("AAAA", ["2001:db8::10", "2001:db8::11"]),
        ("CNAME", ["legacy.example.net.", "other.example.net."]),
        ("TXT", ["v=spf1 -all", "a b"]),
        ("CAA", ["0 issue \"letsencrypt.org\"", "0 iodef \"mailto:a@example.org\""]),
        ("SRV", ["0 5 443 host.example.net.", "1 5 443 host.example.net."]),
    ]);
    // OVH takes no `_` in the name of a host.
    let is_host = ["A", "AAAA", "CNAME"].contains(record_type);
    let name = if is_host { name.trim_start_matches('_').to_owned() } else { name };
    entries.insert("type".to_owned(), json!(record_type));
    entries.insert("name".to_owned(), json!(name));
    if entries.contains_key("ttl") {
        entries.insert("ttl".to_owned(), dice.pick(&[json!("10m"), json!("300s")]).clone());
    }
    if entries.remove("values").is_some() && *record_type != "CNAME" {
        entries.remove("value");
        entries.insert("values".to_owned(), json!(values));
    } else {
        entries.insert("value".to_owned(), json!(dice.pick(values)));
    }
}

/// Somebody must be able to come in.
fn access_list(entries: &mut Map<String, Json>) {
    host(entries);
    if !entries.contains_key("users") && !entries.contains_key("allow") {
        entries.insert("users".to_owned(), json!({"anna": {"secret": "anna"}}));
    }
}
