//! What holds after every single write, whatever goes wrong: looked at by the simulators' witness, before the answer
//! to the write leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use amarre_sim::docker::Docker;
use amarre_sim::npm::{self, Npm};
use amarre_sim::{Call, Server};
use serde_json::Value as Json;

use super::script::{Script, is_write};

/// Where the networks of stories come from.
const POOLS: [&str; 2] = ["10.77.", "172.20."];

/// What is watched for, and what was seen.
#[derive(Default)]
pub struct Watch {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Domains that were served when the story began, and are to be at its end.
    served: BTreeSet<String>,
    /// Services of which a plan says that they are away for a while.
    announced: BTreeSet<String>,
    volumes: BTreeSet<String>,
    may_purge: bool,
    wrong: Vec<String>,
}

/// What a story is about.
pub struct Aims {
    /// Domains that manifests name at the end as well.
    pub kept: BTreeSet<String>,
    /// Volumes may go.
    pub may_purge: bool,
}

/// What is looked at after a write.
struct View {
    /// Addresses of containers, running or not.
    there: BTreeMap<String, bool>,
    /// Our hosts that are switched on: first domain, service, address.
    hosts: Vec<(String, String, String)>,
    volumes: BTreeSet<String>,
}

impl Watch {
    /// Watches these vendors from now on.
    pub fn begin(
        self: &Arc<Self>,
        docker: &Arc<Docker>,
        npm: &Arc<Npm>,
        ovh: &Server,
        script: &Arc<Script>,
        aims: Aims,
    ) {
        let view = View::of(docker, npm);
        let served = view.served().intersection(&aims.kept).cloned().collect();
        let may_purge = aims.may_purge;
        *self.lock() = Inner { served, volumes: view.volumes, may_purge, ..Inner::default() };
        let weak = (Arc::downgrade(docker), Arc::downgrade(npm));
        let (watch, script) = (self.clone(), script.clone());
        let witness = Arc::new(move |call: &Call| {
            if is_write(&call.method, &call.path) {
                watch.look(&weak, call);
            }
            script.heard(call);
        });
        for server in [&docker.server, &npm.server, ovh] {
            server.journal.tell(Some(witness.clone()));
        }
    }

    /// Ends it. What was wrong, in words.
    pub fn end(&self, servers: [&Server; 3]) -> Vec<String> {
        for server in servers {
            server.journal.tell(None);
        }
        std::mem::take(&mut self.lock().wrong)
    }

    /// Our volumes that there were.
    pub fn volumes(&self) -> BTreeSet<String> {
        self.lock().volumes.clone()
    }

    /// A plan says that these services will be away for a while.
    pub fn announce(&self, services: impl Iterator<Item = String>) {
        self.lock().announced.extend(services);
    }

    fn look(&self, (docker, npm): &(Weak<Docker>, Weak<Npm>), call: &Call) {
        let (Some(docker), Some(npm)) = (docker.upgrade(), npm.upgrade()) else { return };
        let view = View::of(&docker, &npm);
        let mut inner = self.lock();
        let mut wrong = Vec::new();
        // What manifests give as an address themselves is not ours to look after.
        let ours = |address: &str| POOLS.iter().any(|pool| address.starts_with(pool));
        for (domain, service, address) in view.hosts.iter().filter(|(.., address)| ours(address)) {
            if !view.there.contains_key(address) && !inner.announced.contains(service) {
                wrong.push(format!("{domain} of {service} leads to {address}, where nothing is"));
            }
        }
        let served = view.served();
        for domain in inner.served.iter().filter(|domain| !served.contains(*domain)) {
            let service = view.hosts.iter().find(|(known, ..)| known == domain).map(|(_, service, _)| service);
            if service.is_none_or(|service| !inner.announced.contains(service)) {
                wrong.push(format!("{domain} is not served, and no plan said so"));
            }
        }
        if !inner.may_purge {
            wrong.extend(inner.volumes.difference(&view.volumes).map(|volume| format!("volume {volume} is gone")));
        }
        inner.volumes.extend(view.volumes);
        let wrong = wrong.into_iter().map(|wrong| format!("after {} {}: {wrong}", call.method, call.path));
        inner.wrong.extend(wrong);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    fn of(docker: &Docker, npm: &Npm) -> Self {
        let mut there = BTreeMap::new();
        for container in docker.containers() {
            let runs = container["State"]["Running"] == true;
            for network in container["NetworkSettings"]["Networks"].as_object().into_iter().flatten() {
                for address in [&network.1["IPAddress"], &network.1["IPAMConfig"]["IPv4Address"]] {
                    if let Some(address) = address.as_str().filter(|address| !address.is_empty()) {
                        there.insert(address.to_owned(), runs);
                    }
                }
            }
        }
        let ours = |row: &Json| row["meta"]["amarre_instance"] == "home" && is_on(&row["enabled"]);
        let hosts = npm.rows(npm::Kind::ProxyHost).into_iter().filter(ours).map(|row| {
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            (text(&row["domain_names"][0]), text(&row["meta"]["amarre_service"]), text(&row["forward_host"]))
        });
        let volumes = docker.volumes();
        let ours = volumes.iter().filter(|volume| volume["Labels"]["io.amarre.instance"] == "home");
        let volumes = ours.filter_map(|volume| volume["Name"].as_str()).map(str::to_owned).collect();
        Self { there, hosts: hosts.collect(), volumes }
    }

    /// Domains whose host leads to a container that runs.
    fn served(&self) -> BTreeSet<String> {
        let runs = |address: &String| self.there.get(address) == Some(&true);
        self.hosts.iter().filter(|(.., address)| runs(address)).map(|(domain, ..)| domain.clone()).collect()
    }
}

fn is_on(value: &Json) -> bool {
    *value == true || *value == 1
}
