//! What holds after every single write, whatever goes wrong: looked at by the simulators' witness, before the answer
//! to the write leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use amarre_core::model::Change;
use amarre_core::model::plan::Downtime;
use amarre_sim::docker::Docker;
use amarre_sim::npm::{self, Npm};
use amarre_sim::ovh::Ovh;
use amarre_sim::{Call, Server};
use serde_json::Value as Json;

use super::script::{Script, is_write};
use crate::support::stepped::ZONE;

/// Where the networks of stories come from.
const POOLS: [&str; 2] = ["10.77.", "172.20."];

/// Let's Encrypt's, of one set in a week.
const DUPLICATES_MAX: usize = 5;

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
    /// Domains that led to such a service when the plan said so, whoever's they become meanwhile.
    away: BTreeSet<String>,
    /// The hosts of the last observation: first domain, service.
    hosts: Vec<(String, String)>,
    /// Public domains, and those of which a plan states that they will be.
    open: BTreeSet<String>,
    said: BTreeSet<String>,
    /// Opened before its pass was over, which reports it afterwards: by domain, after which call.
    unsaid: BTreeMap<String, String>,
    has_records: bool,
    certificates: BTreeMap<u64, Certificate>,
    /// How often a set of names was ordered.
    orders: BTreeMap<BTreeSet<String>, usize>,
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
    /// Each name has a record of ours; else some are looked after by people.
    pub has_records: bool,
}

/// What is looked at after a write.
struct View {
    /// Addresses of containers, running or not.
    there: BTreeMap<String, bool>,
    /// Our hosts that are switched on: first domain, service, address.
    hosts: Vec<(String, String, String)>,
    volumes: BTreeSet<String>,
    /// Domains of our hosts without an access list.
    open: BTreeSet<String>,
    /// Let's Encrypt's, by NPM's number.
    certificates: BTreeMap<u64, Certificate>,
}

#[derive(PartialEq)]
struct Certificate {
    names: BTreeSet<String>,
    /// No visitor uses the names then.
    by_dns: bool,
}

/// The vendors, as long as the story goes on.
struct Vendors {
    docker: Weak<Docker>,
    npm: Weak<Npm>,
    ovh: Weak<Ovh>,
}

impl Watch {
    /// Watches these vendors from now on.
    pub fn begin(
        self: &Arc<Self>,
        docker: &Arc<Docker>,
        npm: &Arc<Npm>,
        ovh: &Arc<Ovh>,
        script: &Arc<Script>,
        aims: Aims,
    ) {
        let view = View::new(docker, npm);
        let served = view.served().intersection(&aims.kept).cloned().collect();
        *self.lock() = Inner {
            served,
            hosts: view.owners(),
            volumes: view.volumes,
            may_purge: aims.may_purge,
            has_records: aims.has_records,
            open: view.open,
            certificates: view.certificates,
            ..Inner::default()
        };
        let vendors = Vendors { docker: Arc::downgrade(docker), npm: Arc::downgrade(npm), ovh: Arc::downgrade(ovh) };
        let (watch, script) = (self.clone(), script.clone());
        let witness = Arc::new(move |call: &Call| {
            if is_write(&call.method, &call.path) {
                watch.observe(&vendors, call);
            }
            script.heard(call);
        });
        for server in [&docker.server, &npm.server, &ovh.server] {
            server.journal.tell(Some(witness.clone()));
        }
    }

    /// Ends it. What was wrong, in words.
    pub fn end(&self, servers: [&Server; 3]) -> Vec<String> {
        for server in servers {
            server.journal.tell(None);
        }
        let Inner { mut wrong, unsaid, .. } = std::mem::take(&mut *self.lock());
        let unsaid = unsaid.into_iter();
        wrong.extend(unsaid.map(|(domain, call)| format!("after {call}: {domain} is open, and no plan said so")));
        wrong
    }

    /// Our volumes that there were.
    pub fn volumes(&self) -> BTreeSet<String> {
        self.lock().volumes.clone()
    }

    /// A plan says which services will be away for a while, and what will be open to everybody.
    pub fn announce(&self, changes: &[Change]) {
        let mut inner = self.lock();
        for change in changes {
            if change.impact.downtime == Downtime::Some {
                inner.announced.insert(change.service.clone());
            }
            for line in change.impact.exposes.iter().map(ToString::to_string) {
                let itself = line.ends_with("open to everybody").then(|| change.address.name.clone());
                let names = line.split([' ', ',']).map(str::to_owned);
                inner.said.extend(names.chain(itself));
            }
        }
        let Inner { announced, hosts, away, .. } = &mut *inner;
        let led = hosts.iter().filter(|(_, service)| announced.contains(service));
        away.extend(led.map(|(domain, _)| domain.clone()));
        let Inner { said, unsaid, .. } = &mut *inner;
        unsaid.retain(|domain, _| !said.contains(domain));
    }

    fn observe(&self, vendors: &Vendors, call: &Call) {
        let (Some(docker), Some(npm)) = (vendors.docker.upgrade(), vendors.npm.upgrade()) else { return };
        let Some(ovh) = vendors.ovh.upgrade() else { return };
        let view = View::new(&docker, &npm);
        let mut inner = self.lock();
        let mut wrong = Vec::new();
        // Addresses that manifests state themselves are not checked.
        let ours = |address: &str| POOLS.iter().any(|pool| address.starts_with(pool));
        for (domain, service, address) in view.hosts.iter().filter(|(.., address)| ours(address)) {
            let is_said = inner.announced.contains(service) || inner.away.contains(domain);
            if !view.there.contains_key(address) && !is_said {
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
        let unsaid = view.open.iter().filter(|domain| !inner.open.contains(*domain) && !inner.said.contains(*domain));
        let unsaid: Vec<_> = unsaid.map(|domain| (domain.clone(), format!("{} {}", call.method, call.path))).collect();
        inner.unsaid.extend(unsaid);
        inner.hosts = view.owners();
        inner.open.extend(view.open);
        wrong.extend(inner.ordered(view.certificates, &ovh));
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

impl Inner {
    /// What is wrong with certificates that were not there before: DNS leads to us first, and no set is ordered while one
    /// of it is there, nor more often than Let's Encrypt allows.
    fn ordered(&mut self, certificates: BTreeMap<u64, Certificate>, ovh: &Ovh) -> Vec<String> {
        let mut wrong = Vec::new();
        let is_in = |rows: &[Json], name: &str| {
            let sub = name.strip_suffix(ZONE).unwrap_or(name).trim_end_matches('.');
            let leads = |row: &Json| ["A", "AAAA", "CNAME"].iter().any(|kind| row["fieldType"] == *kind);
            rows.iter().any(|row| row["subDomain"] == sub && leads(row))
        };
        let (published, written) = (ovh.published(ZONE), ovh.records(ZONE));
        let is_early = |name: &String| {
            let has_record = self.has_records || is_in(&written, name);
            has_record && !is_in(&published, name)
        };
        for (_, new) in certificates.iter().filter(|(id, _)| !self.certificates.contains_key(id)) {
            let early = new.names.iter().filter(|name| !new.by_dns && is_early(name));
            wrong.extend(early.map(|name| format!("a certificate of {name} before its record")));
            if self.certificates.values().any(|known| known == new) {
                wrong.push(format!("a second certificate of {:?}", new.names));
            }
            let orders = self.orders.entry(new.names.clone()).or_default();
            *orders += 1;
            if *orders > DUPLICATES_MAX {
                wrong.push(format!("certificates of {:?} over budget", new.names));
            }
        }
        self.certificates = certificates;
        wrong
    }
}

impl View {
    fn new(docker: &Docker, npm: &Npm) -> Self {
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
        let names = |row: &Json| -> Vec<String> {
            let names = row["domain_names"].as_array().into_iter().flatten();
            names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let orders = npm.rows(npm::Kind::Certificate).into_iter().filter(|row| row["provider"] == "letsencrypt");
        let certificates = orders.filter_map(|row| {
            let by_dns = row["meta"]["dns_challenge"] == true;
            Some((row["id"].as_u64()?, Certificate { names: names(&row).into_iter().collect(), by_dns }))
        });
        let ours = |row: &Json| row["meta"]["amarre_instance"] == "home" && is_on(&row["enabled"]);
        let anybody = |row: &Json| ours(row) && row["access_list_id"].as_u64().unwrap_or_default() == 0;
        let open = npm.rows(npm::Kind::ProxyHost).iter().filter(|row| anybody(row)).flat_map(names).collect();
        let hosts = npm.rows(npm::Kind::ProxyHost).into_iter().filter(ours).map(|row| {
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            (text(&row["domain_names"][0]), text(&row["meta"]["amarre_service"]), text(&row["forward_host"]))
        });
        let volumes = docker.volumes();
        let ours = volumes.iter().filter(|volume| volume["Labels"]["io.amarre.instance"] == "home");
        let volumes = ours.filter_map(|volume| volume["Name"].as_str()).map(str::to_owned).collect();
        Self { there, hosts: hosts.collect(), volumes, open, certificates: certificates.collect() }
    }

    fn owners(&self) -> Vec<(String, String)> {
        self.hosts.iter().map(|(domain, service, _)| (domain.clone(), service.clone())).collect()
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
