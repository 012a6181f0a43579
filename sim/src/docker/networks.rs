//! Networks and who is on them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::endpoint::{add_own_aliases, asked_address, endpoint_of, mac_of};
use super::ipam::{Subnet, default_pools};
use super::state::{Answer, Container, Endpoint, Network, State, Status, refuse, text};

const PREDEFINED: [&str; 4] = ["bridge", "host", "none", "default"];

/// What a network is asked to have of IPv4.
#[derive(Default)]
struct Pool {
    subnet: Option<Subnet>,
    /// Where addresses are given out of it.
    range: Option<Subnet>,
    gateway: Option<Ipv4Addr>,
}

impl Pool {
    /// Of several the last one counts.
    fn parse(asked: &[Value]) -> Answer<Self> {
        let mut found = Self::default();
        for pool in asked.iter().filter_map(Value::as_object) {
            let written = text(pool, "Subnet");
            if written.contains(':') {
                continue;
            }
            let Some(subnet) = Subnet::parse(written) else {
                return refuse(500, format!("Invalid subnet {written} : invalid CIDR address: {written}"));
            };
            found.subnet = Some(subnet);
            let asked_range = text(pool, "IPRange");
            if !asked_range.is_empty() {
                let Some(range) = Subnet::parse(asked_range) else {
                    return refuse(500, format!("invalid CIDR address: {asked_range}"));
                };
                found.range = Some(range);
            }
            let asked_gateway: Option<Ipv4Addr> = text(pool, "Gateway").parse().ok();
            if asked_gateway.is_some_and(|address| !subnet.contains(address)) {
                let gateway = text(pool, "Gateway");
                return refuse(
                    500,
                    format!("failed to allocate gateway ({gateway}): Requested address is out of range"),
                );
            }
            found.gateway = asked_gateway;
        }
        Ok(found)
    }
}

impl State {
    /// What a fresh engine has: `none`, `host`, and `bridge` on the first default pool.
    pub(super) fn seed_networks(&mut self) {
        for (name, driver) in [("none", "null"), ("host", "host"), ("bridge", "bridge")] {
            let mut body = json!({"Name": name, "Driver": driver, "Options": {}});
            if name == "bridge" {
                body["Options"] = json!({
                    "com.docker.network.bridge.default_bridge": "true",
                    "com.docker.network.bridge.enable_icc": "true",
                    "com.docker.network.bridge.enable_ip_masquerade": "true",
                    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
                    "com.docker.network.bridge.name": "docker0",
                    "com.docker.network.driver.mtu": "1500",
                });
            }
            let body = body.as_object().cloned().unwrap_or_default();
            // Cannot be refused: nothing else is there yet.
            let _ = self.add_network(&body);
        }
        // An engine that has been up for a while.
        self.bridge_made_at(crate::clock::now() - SignedDuration::from_hours(1));
        if self.options.default_pool_taken {
            for stack in ["media", "paperless", "wiki"] {
                let body = json!({"Name": format!("{stack}_default"), "Labels": {"com.docker.compose.project": stack}});
                let _ = self.create_network(&body.as_object().cloned().unwrap_or_default());
            }
        }
    }

    /// An engine makes its default bridge anew each time it starts.
    pub(super) fn bridge_made_at(&mut self, at: Timestamp) {
        for network in self.networks.iter_mut().filter(|network| network.name == "bridge") {
            network.shown.insert("Created".to_owned(), json!(at.to_string()));
        }
    }

    /// `POST /networks/create`.
    pub(super) fn create_network(&mut self, body: &Map<String, Value>) -> Answer<Value> {
        let name = text(body, "Name");
        if PREDEFINED.contains(&name) {
            return refuse(403, format!("operation is not permitted on predefined {name} network "));
        }
        let mut warning = String::new();
        if let Some(same) = self.networks.iter().find(|network| network.name == name) {
            if body.get("CheckDuplicate") == Some(&json!(true)) {
                return refuse(409, format!("network with name {name} already exists"));
            }
            warning = format!("Network with name {name} (id : {}) already exists", same.id);
        }
        if name.trim().is_empty() {
            return refuse(500, format!("invalid name: {name}"));
        }
        let driver = text(body, "Driver");
        match driver {
            "" | "bridge" | "macvlan" | "ipvlan" | "overlay" => (),
            "host" | "null" => {
                return refuse(403, format!("only one instance of \"{driver}\" network is allowed"));
            }
            _ => return refuse(404, format!("plugin \"{driver}\" not found")),
        }
        let index = self.add_network(body)?;
        self.emit_network(index, "create", None);
        Ok(json!({"Id": self.networks[index].id, "Warning": warning}))
    }

    fn add_network(&mut self, body: &Map<String, Value>) -> Answer<usize> {
        let driver = match text(body, "Driver") {
            "" => "bridge",
            driver => driver,
        };
        let name = text(body, "Name");
        let ipam = body.get("IPAM").and_then(Value::as_object).cloned().unwrap_or_default();
        let asked = ipam.get("Config").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut shown = asked.clone();
        let Pool { mut subnet, range, mut gateway } = Pool::parse(&asked)?;
        let subnet_given = subnet.is_some();
        let bridged = !matches!(driver, "host" | "null");
        match subnet {
            Some(subnet) if self.is_taken(subnet) => {
                return refuse(403, "Pool overlaps with other one on this address space");
            }
            None if bridged => subnet = Some(self.take_default_pool()?),
            Some(_) | None => (),
        }
        if let (Some(subnet), None) = (subnet, gateway) {
            gateway = subnet.next_free(range, &BTreeSet::new());
        }
        if let (true, false, Some(subnet)) = (bridged, subnet_given, subnet) {
            // The default bridge shows no gateway until it is asked for one (20.10).
            shown = if name == "bridge" {
                vec![json!({"Subnet": subnet.to_string()})]
            } else {
                vec![json!({"Subnet": subnet.to_string(), "Gateway": gateway.map(|address| address.to_string())})]
            };
        }
        let flag = |key: &str| body.get(key).and_then(Value::as_bool).unwrap_or(false);
        let object = |key: &str| body.get(key).filter(|value| value.is_object()).cloned().unwrap_or_else(|| json!({}));
        let id = self.new_id("network");
        let created = crate::clock::now();
        let ipam_driver = match text(&ipam, "Driver") {
            "" => "default",
            other => other,
        };
        // A network made without `IPAM.Options` shows null for the three own ones and for all that came by the API.
        let ipam_options = ipam.get("Options").cloned().unwrap_or(Value::Null);
        let shown = json!({
            "Name": name, "Id": id, "Created": created.to_string(), "Scope": "local", "Driver": driver,
            "EnableIPv6": flag("EnableIPv6"),
            "IPAM": {"Driver": ipam_driver, "Options": ipam_options, "Config": shown},
            "Internal": flag("Internal"), "Attachable": flag("Attachable"), "Ingress": flag("Ingress"),
            "ConfigFrom": {"Network": ""}, "ConfigOnly": flag("ConfigOnly"),
            "Options": object("Options"), "Labels": object("Labels"),
        });
        self.networks.push(Network {
            id,
            name: name.to_owned(),
            driver: driver.to_owned(),
            shown: shown.as_object().cloned().unwrap_or_default(),
            subnet,
            range,
            gateway,
            subnet_given,
        });
        Ok(self.networks.len() - 1)
    }

    fn is_taken(&self, wanted: Subnet) -> bool {
        let mut subnets = self.networks.iter().filter_map(|network| network.subnet);
        subnets.any(|subnet| subnet.overlaps(wanted))
    }

    /// The next free one of the default pools.
    fn take_default_pool(&mut self) -> Answer<Subnet> {
        let pools: Vec<Subnet> = default_pools().collect();
        let turn = self.next_pool % pools.len().max(1);
        let (before, after) = pools.split_at(turn);
        let found = after.iter().chain(before).find(|pool| !self.is_taken(**pool));
        let Some(free) = found.copied() else {
            return refuse(
                404,
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
            );
        };
        // The next one goes on from here, even when an earlier one is free again (20.10).
        self.next_pool = pools.iter().position(|pool| *pool == free).map_or(0, |at| at + 1);
        Ok(free)
    }

    /// `GET /networks/{id}`; the list shows no containers.
    pub(super) fn show_network(&self, index: usize, with_containers: bool) -> Value {
        let network = &self.networks[index];
        let mut containers = Map::new();
        for (container, endpoint) in self.endpoints_on(&network.id).filter(|_| with_containers) {
            let (address, mac) = match endpoint.address {
                Some(address) => (format!("{address}/{}", endpoint.prefix), mac_of(address)),
                None => (String::new(), String::new()),
            };
            containers.insert(
                container.id.clone(),
                json!({
                    "Name": container.name, "EndpointID": endpoint.endpoint_id, "MacAddress": mac,
                    "IPv4Address": address, "IPv6Address": "",
                }),
            );
        }
        let mut shown = network.shown.clone();
        shown.insert("Containers".to_owned(), Value::Object(containers));
        Value::Object(shown)
    }

    /// The live endpoints of a network: stopped containers hold none.
    pub(super) fn endpoints_on(&self, id: &str) -> impl Iterator<Item = (&Container, &Endpoint)> {
        let id = id.to_owned();
        self.containers.iter().flat_map(move |container| {
            let id = id.clone();
            let on = container.networks.values();
            on.filter(move |e| e.network_id == id && !e.endpoint_id.is_empty())
                .map(move |endpoint| (container, endpoint))
        })
    }

    /// `DELETE /networks/{id}`.
    pub(super) fn delete_network(&mut self, term: &str) -> Answer<()> {
        let index = self.find_network(term)?;
        let network = &self.networks[index];
        let (name, id) = (&network.name, &network.id);
        if PREDEFINED.contains(&name.as_str()) {
            return refuse(403, format!("{name} is a pre-defined network and cannot be removed"));
        }
        if self.endpoints_on(id).next().is_some() {
            return refuse(403, format!("error while removing network: network {name} id {id} has active endpoints"));
        }
        self.emit_network(index, "destroy", None);
        self.networks.remove(index);
        Ok(())
    }

    /// `POST /networks/{id}/connect`.
    pub(super) fn connect(&mut self, term: &str, body: &Map<String, Value>) -> Answer<()> {
        // The container is looked up first (20.10).
        let container = self.find(text(body, "Container"))?;
        let network = self.find_network(term)?;
        let name = self.networks[network].name.clone();
        let own = body.get("EndpointConfig").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut endpoint = endpoint_of(&own, self.minor());
        let wanted = &self.containers[container];
        if name == "host" {
            return refuse(400, "container cannot be disconnected from host network or connected to host network");
        }
        let mode = wanted.network_mode();
        let runs = wanted.status == Status::Running;
        if mode == "host" || (runs && mode.starts_with("container:")) {
            return refuse(
                400,
                "container sharing network namespace with another container or host cannot be connected to any other network",
            );
        }
        if mode == "none" {
            return refuse(
                400,
                "container cannot be connected to multiple networks with one of the networks in private (none) mode",
            );
        }
        if name != "bridge" {
            add_own_aliases(&mut endpoint, wanted);
        }
        if !runs {
            self.check_address(network, &endpoint, false)?;
            // What a stopped container was told before stays: only a network that it lacks is new (20.10).
            let known = &mut self.containers[container].networks;
            known.entry(name).or_insert(endpoint);
            return Ok(());
        }
        if wanted.networks.contains_key(&name) {
            let who = &wanted.name;
            return refuse(403, format!("endpoint with name {who} already exists in network {name}"));
        }
        let id = wanted.id.clone();
        let endpoint = self.plug(network, endpoint, &BTreeSet::new())?;
        let before = self.gateway_network(container);
        self.containers[container].networks.insert(name, endpoint);
        self.move_ports(container, before);
        self.emit_network(network, "connect", Some(&id));
        Ok(())
    }

    /// Gives an endpoint its place on a network. `planned` are addresses promised but not yet written down.
    pub(super) fn plug(
        &mut self,
        network: usize,
        mut endpoint: Endpoint,
        planned: &BTreeSet<(usize, Ipv4Addr)>,
    ) -> Answer<Endpoint> {
        self.check_address(network, &endpoint, true)?;
        let asked = asked_address(&endpoint);
        let on = &self.networks[network];
        endpoint.network_id = on.id.clone();
        if let Some(subnet) = on.subnet {
            let mut taken: BTreeSet<Ipv4Addr> = self.endpoints_on(&on.id).filter_map(|(_, e)| e.address).collect();
            taken.extend(planned.iter().filter(|(at, _)| *at == network).map(|(_, a)| *a));
            taken.extend(on.gateway);
            endpoint.address = match asked {
                Some(address) if taken.contains(&address) => {
                    return refuse(403, "Address already in use");
                }
                Some(address) => Some(address),
                None => subnet.next_free(on.range, &taken),
            };
            if endpoint.address.is_none() {
                return refuse(403, "no available IPv4 addresses on this network's address pools");
            }
            endpoint.prefix = subnet.prefix;
            endpoint.gateway = on.gateway;
        }
        endpoint.endpoint_id = self.new_id("endpoint");
        Ok(endpoint)
    }

    /// The network that gives a container its gateway, and so holds its published ports: the one of the highest
    /// priority, else the one whose name sorts first (moby #21741, #44137).
    fn gateway_network(&self, container: usize) -> Option<String> {
        let gives = |(name, endpoint): &(&String, &Endpoint)| {
            let network = self.networks.iter().find(|network| network.id == endpoint.network_id);
            let internal = network.is_some_and(|network| network.shown["Internal"] == json!(true));
            endpoint.gateway.is_some() && !internal && !name.is_empty()
        };
        let on = self.containers[container].networks.iter().filter(gives);
        on.min_by_key(|(name, endpoint)| (-endpoint.priority.unwrap_or(0), (*name).clone()))
            .map(|(name, _)| name.clone())
    }

    /// Published ports follow the gateway, and what was open over them is cut.
    fn move_ports(&mut self, container: usize, before: Option<String>) {
        let after = self.gateway_network(container);
        let container = &mut self.containers[container];
        if before == after || container.published.is_empty() {
            return;
        }
        container.port_moves += 1;
        if let Some(listener) = &container.listener.0 {
            listener.cut.notify_one();
        }
    }

    fn check_address(&self, network: usize, endpoint: &Endpoint, runs: bool) -> Answer<()> {
        let network = &self.networks[network];
        let Some(address) = asked_address(endpoint) else {
            return Ok(());
        };
        if PREDEFINED.contains(&network.name.as_str()) {
            return refuse(400, "user specified IP address is supported on user defined networks only");
        }
        if !network.subnet_given {
            return refuse(
                400,
                "user specified IP address is supported only when connecting to networks with user configured subnets",
            );
        }
        let inside = |subnet: Subnet| subnet.contains(address);
        if runs && !network.subnet.is_some_and(inside) {
            // Not asked of a stopped container: it learns when it starts.
            return refuse(
                500,
                format!("Invalid address {address}: It does not belong to any of this network's subnets"),
            );
        }
        Ok(())
    }

    /// `POST /networks/{id}/disconnect`. A stopped container forgets by name even a network that is gone.
    pub(super) fn disconnect(&mut self, term: &str, body: &Map<String, Value>) -> Answer<()> {
        let force = body.get("Force") == Some(&json!(true));
        let who = text(body, "Container");
        let found = self.find_network(term);
        let container = match self.find(who) {
            Ok(index) => index,
            Err(refusal) => {
                let known = found.is_ok();
                return if force && known { refuse(404, format!("endpoint {who} not found")) } else { Err(refusal) };
            }
        };
        let wanted = &mut self.containers[container];
        let id = wanted.id.clone();
        let name = match &found {
            Ok(index) => self.networks[*index].name.clone(),
            Err(_) => term.to_owned(),
        };
        if wanted.status != Status::Running || (found.is_err() && force) {
            if wanted.networks.remove(&name).is_none() {
                return refuse(500, format!("container {id} is not connected to the network {name}"));
            }
            if let Ok(index) = found {
                self.emit_network(index, "disconnect", Some(&id));
            }
            return Ok(());
        }
        let index = found?;
        if name == "host" {
            return refuse(400, "container cannot be disconnected from host network or connected to host network");
        }
        if !wanted.networks.contains_key(&name) {
            return refuse(500, format!("container {id} is not connected to network {name}"));
        }
        let before = self.gateway_network(container);
        self.containers[container].networks.remove(&name);
        self.move_ports(container, before);
        self.emit_network(index, "disconnect", Some(&id));
        Ok(())
    }
}
