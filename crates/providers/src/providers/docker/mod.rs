//! A Docker engine: networks, NPM's attachments, volumes, images, containers.
//!
//! Observing takes one list of each kind and an inspection of each container of ours that changed since the last
//! look. Containers are removed without their volumes, and never before their restart policy is `no`.

pub mod api;
mod build;
mod build_trace;
mod actions;
mod containers;
mod hidden;
mod events;
mod files;
pub mod images;
mod inspects;
mod labels;
mod lists;
mod logs;
pub mod registry;
mod settings;
pub mod transport;
pub mod host;
mod requests;
pub mod answers;
mod answer_limit;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bollard::models::{ContainerInspectResponse, ContainerSummary, ImageSummary};
use ipnet::Ipv4Net;
use tokio::sync::{OnceCell, mpsc};

use self::api::EngineApi;
use self::build::Builds;
use self::host::ReservedKind;
use self::images::{Declared, Pulls, Remotes};
use self::inspects::Inspects;
use self::lists::{EngineLists, Lists};
use self::registry::Registries;
use self::transport::TlsFiles;
use super::http::{Counts, Http};
use super::{
    Capabilities, Class, LogQuery, Observation, ObserveQuery, Outcome, ProbePorts, Provider, ProviderError, ReadLogs,
    ReportProgress, Supplies, TEST_LIMIT, TestNginx,
};
use crate::secret::{MarkKey, Scrubber, Secrets};
use amarre_core::model::folders::Reserved;
use amarre_core::model::{
    Address, Change, Code, Expect, Fields, GapScope, Kind, KindSchema, Owner, Payloads, ProviderId, Seen, Text, Value,
    Verb, platform,
};
use amarre_core::resources::{Objection, docker};
use amarre_core::text;
use answer_limit::TOO_LARGE;
use answers::{AnswerReader, LABEL_INSTANCE, LABEL_PROJECT, ordered};
use hidden::hidden;

/// A probe that takes longer is a no.
const PROBE_TIMEOUT_S: u64 = 3;
/// curl's code where no connection was made.
const CURL_REFUSED: i64 = 7;
/// Its codes where one was made and the answer was none that it understands, or none: something listens.
const CURL_ODD_ANSWER: [i64; 4] = [1, 8, 52, 56];

/// Measured on two cores: with eight, networks come late and 200 services take a tenth longer; with two, cores stand idle.
const IN_FLIGHT_MAX: usize = 4;

/// How an engine is reached and what is ours on it.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    /// Its name in addresses.
    pub id: ProviderId,
    /// `unix:///…`, `tcp://…` or `ssh://…`.
    pub endpoint: String,
    /// With which files `tcp://` is encrypted; `None` = it is not.
    pub tls: Option<TlsFiles>,
    pub instance: String,
    /// For marks of what is read back.
    pub key: MarkKey,
    /// Accounts at registries.
    pub registries: Registries,
    /// NPM's container on this engine, if it runs in one.
    pub npm_container: Option<String>,
    /// Ports of the host at which NPM answers: without `npm_container`, the container that publishes one is NPM's.
    pub npm_ports: BTreeSet<u16>,
    /// The id of the container that Amarre itself runs in, or how it begins; wherever it is, it is left alone.
    pub own: Option<String>,
    /// Whether Amarre sees the same files as the engine's host; `None`: it finds out.
    pub sees_files: Option<bool>,
}

impl DockerConfig {
    /// An engine without anything special.
    pub fn new(id: ProviderId, endpoint: &str, instance: &str, key: MarkKey) -> Self {
        let (endpoint, instance) = (endpoint.to_owned(), instance.to_owned());
        let registries = Registries::default();
        Self {
            id,
            endpoint,
            tls: None,
            instance,
            key,
            registries,
            npm_container: None,
            npm_ports: BTreeSet::new(),
            own: containers::own(),
            sees_files: None,
        }
    }
}

pub struct DockerProvider {
    config: DockerConfig,
    api: OnceCell<EngineApi>,
    counts: Counts,
    prober: Http,
    inspects: Inspects,
    lists: Lists,
    /// What images say of themselves, by id: an id never means something else.
    declared: Mutex<BTreeMap<String, Declared>>,
    remotes: Remotes,
    pulls: Pulls,
    builds: Builds,
}

impl DockerProvider {
    /// Nothing is connected before the first look.
    ///
    /// # Errors
    /// The machine's TLS set-up is unusable.
    pub fn new(config: DockerConfig) -> Result<Self, String> {
        let prober = Http::new(None)?;
        Ok(Self {
            config,
            api: OnceCell::new(),
            counts: Counts::default(),
            prober,
            inspects: Inspects::default(),
            lists: Lists::default(),
            declared: Mutex::default(),
            remotes: Remotes::default(),
            pulls: Pulls::default(),
            builds: Builds::default(),
        })
    }

    async fn api(&self) -> Result<&EngineApi, ProviderError> {
        self.api.get_or_try_init(|| EngineApi::connect(&self.config, self.counts.clone())).await
    }

    async fn look(&self, ask: &ObserveQuery) -> Result<Observation, ProviderError> {
        let api = self.api().await?;
        let lists = self.lists.read(api, ask.reuse).await?;
        let started = lists.started();
        let EngineLists { containers, networks, volumes, images } = lists;
        let reader = AnswerReader {
            provider: self.config.id.clone(),
            instance: self.config.instance.clone(),
            key: self.config.key.clone(),
            now: ask.now,
        };
        let (mut seen, mut gaps) = (BTreeMap::new(), Vec::new());
        let hidden = |kind: Kind, name: &str| hidden(&Address::new(self.config.id.clone(), kind, name), ask.now);
        gaps.extend(networks.slim.iter().map(|one| hidden(Kind::Network, one.name.as_deref().unwrap_or_default())));
        gaps.extend(volumes.slim.iter().map(|one| hidden(Kind::Volume, &one.name)));
        self.see_containers(ask, &reader, &containers, &images, &mut seen, &mut gaps).await?;
        let containers: Vec<&ContainerSummary> = containers.each().collect();
        let images: Vec<&ImageSummary> = images.each().collect();
        let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for summary in &containers {
            for network in answers::summary_networks(summary).into_keys() {
                members.entry(network).or_default().insert(answers::summary_name(summary));
            }
        }
        for network in &networks.rows {
            let none = BTreeSet::new();
            let members = network.name.as_ref().and_then(|name| members.get(name)).unwrap_or(&none);
            let (address, network) = reader.network(network, members);
            seen.insert(address, network);
        }
        self.attachments(ask, &reader, &containers, &mut seen);
        for volume in &volumes.rows {
            let labels = ordered(Some(&volume.labels));
            let address = Address::new(self.config.id.clone(), Kind::Volume, &volume.name);
            seen.insert(address, reader.seen(answers::volume_fields(volume), &labels, &volume.name));
        }
        let declared = self.declared(api, ask, &images).await?;
        let remotes = self.remotes.ask(api, ask, &images).await;
        self.builds.look(ask.now);
        seen.extend(
            images.iter().flat_map(|image| images::seen(ask, &reader, image, declared.get(&image.id), &remotes)),
        );
        let free = api.root.as_deref().and_then(images::free_bytes);
        let routes = if self.config.endpoint.starts_with("unix://") { host_routes().await } else { Vec::new() };
        let is_own = |seen: &Seen| self.config.own.as_deref().is_some_and(|own| seen.vendor_id.starts_with(own));
        let is_own = |(address, seen): &(&Address, &Seen)| address.kind == Kind::Container && is_own(seen);
        let own: BTreeSet<Address> = seen.iter().filter(is_own).map(|(address, _)| address.clone()).collect();
        let mut reserved = self.reserved(&containers, &seen, &own);
        host::bind_stopped(api, &containers, &seen, &mut reserved).await?;
        let version = Some(api.engine.clone());
        let sees_files = own.is_empty() && self.config.sees_files.unwrap_or_else(|| host::sees_files(api, &containers));
        let is_here = sees_files && self.config.endpoint.starts_with("unix://");
        let addresses = if is_here { host::addresses().await } else { None };
        Ok(Observation {
            seen,
            gaps,
            routes,
            addresses,
            free,
            version,
            started,
            own,
            reserved,
            sees_files,
            ..Observation::default()
        })
    }

    /// What NPM's container and the one that Amarre runs in have, and those of their Compose projects: NPM's data base is
    /// one of them.
    fn reserved(
        &self,
        containers: &[&ContainerSummary],
        seen: &BTreeMap<Address, Seen>,
        own: &BTreeSet<Address>,
    ) -> Vec<Reserved> {
        let all = seen.iter().filter(|(address, _)| address.kind == Kind::Container);
        let by_id: BTreeMap<&str, (&Address, &Seen)> =
            all.map(|(address, seen)| (seen.vendor_id.as_str(), (address, seen))).collect();
        let seen_as = |summary: &ContainerSummary| by_id.get(summary.id.as_deref()?).copied();
        let main = |summary: &ContainerSummary| {
            let (by, seen) = seen_as(summary)?;
            let is_npm = match &self.config.npm_container {
                Some(name) => *name == answers::summary_name(summary),
                None => !seen.owner.is_ours() && host::publishes(summary, &self.config.npm_ports),
            };
            let npm = is_npm.then_some(ReservedKind::Npm);
            if own.contains(by) { Some(ReservedKind::Own) } else { npm }
        };
        let project = |summary: &ContainerSummary| summary.labels.as_ref()?.get(LABEL_PROJECT).cloned();
        let projects: BTreeSet<String> =
            containers.iter().copied().filter(|one| main(one).is_some()).filter_map(project).collect();
        let of = |summary: &ContainerSummary| {
            let (by, seen) = seen_as(summary)?;
            let service = seen.service.clone().filter(|_| seen.owner.is_ours());
            let is_beside = || project(summary).is_some_and(|project| projects.contains(&project));
            let kind = main(summary).or_else(|| is_beside().then_some(ReservedKind::Beside))?;
            Some(host::reserved(by.clone(), kind, service, summary))
        };
        containers.iter().copied().filter_map(of).collect()
    }

    /// What the images that are wanted say of themselves; each image is asked once.
    async fn declared(
        &self,
        api: &EngineApi,
        ask: &ObserveQuery,
        images: &[&ImageSummary],
    ) -> Result<BTreeMap<String, Declared>, ProviderError> {
        let known = self.declared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let wanted: BTreeSet<&str> =
            ask.wanted.keys().filter(|address| address.kind == Kind::Image).map(|image| image.name.as_str()).collect();
        let mut declared = BTreeMap::new();
        for image in images {
            let is_wanted =
                image.repo_tags.iter().chain(&image.repo_digests).any(|name| wanted.contains(name.as_str()));
            if let Some(said) = known.get(&image.id) {
                declared.insert(image.id.clone(), said.clone());
            } else if is_wanted {
                match api.declared(&image.id).await {
                    Ok(said) => declared.extend(said.map(|said| (image.id.clone(), said))),
                    // It harms nothing but what is made of it.
                    Err(error) if error.code == TOO_LARGE => (),
                    Err(error) => return Err(error),
                }
            }
        }
        *self.declared.lock().unwrap_or_else(PoisonError::into_inner) = declared.clone();
        Ok(declared)
    }

    /// NPM on networks: ours where the network is, or where the ledger says so.
    fn attachments(
        &self,
        ask: &ObserveQuery,
        reader: &AnswerReader,
        containers: &[&ContainerSummary],
        seen: &mut BTreeMap<Address, Seen>,
    ) {
        let Some(npm) = &self.config.npm_container else { return };
        let Some(summary) = containers.iter().find(|summary| answers::summary_name(summary) == *npm) else { return };
        for (network, endpoint) in answers::summary_networks(summary) {
            let network_address = Address::new(self.config.id.clone(), Kind::Network, &network);
            let address = Address::new(self.config.id.clone(), Kind::Attachment, &format!("{network}/{npm}"));
            let owner = seen.get(&network_address);
            let is_ours = owner.is_some_and(|network| network.owner.is_ours()) || ask.applied.contains_key(&address);
            let mut fields = Fields::default();
            if let Some(endpoint) = endpoint {
                fields.set("address", Value::text(endpoint));
            }
            let service = owner.and_then(|network| network.service.clone());
            let mut attachment = reader.seen(fields, &BTreeMap::new(), &address.name);
            attachment.owner = match owner.map(|network| &network.owner) {
                _ if is_ours => Owner::Ours,
                Some(Owner::Other(instance)) => Owner::Other(instance.clone()),
                Some(Owner::Ours | Owner::MarkLost | Owner::Unverified | Owner::Foreign) | None => Owner::Foreign,
            };
            attachment.service = service;
            seen.insert(address, attachment);
        }
    }

    async fn change(&self, change: &Change, supplies: Supplies<'_>) -> Result<Outcome, ProviderError> {
        let api = self.api().await?;
        let kind = change.address.kind;
        let id = if kind == Kind::Network {
            self.change_network(api, change).await?
        } else if kind == Kind::Attachment {
            self.change_attachment(api, change).await?
        } else if kind == Kind::Volume {
            self.change_volume(api, change).await?
        } else if kind == Kind::Image {
            self.change_image(api, change, supplies).await?
        } else if kind == Kind::Container {
            self.change_container(api, change, supplies.secrets, supplies.payloads).await?
        } else {
            return Err(cannot(change));
        };
        Ok(Outcome { vendor_id: id, ..Outcome::default() })
    }

    async fn change_network(&self, api: &EngineApi, change: &Change) -> Result<String, ProviderError> {
        match &change.verb {
            Verb::Create(fields) => self.create_network(api, &change.address.name, fields, &change.service).await,
            Verb::Update(_) => Err(cannot(change)),
            Verb::Delete => api.remove_network(&vendor_id(change)).await.map(|()| String::new()),
        }
    }

    async fn change_attachment(&self, api: &EngineApi, change: &Change) -> Result<String, ProviderError> {
        let name = change.address.name.as_str();
        match &change.verb {
            Verb::Create(fields) => attach(api, name, fields).await,
            Verb::Update(_) => Err(cannot(change)),
            Verb::Delete => {
                let (network, container) = attachment_parts(name)?;
                self.spare_own(api.container(container).await?.and_then(|there| there.id), container)?;
                api.disconnect_network(network, container).await.map(|()| String::new())
            }
        }
    }

    async fn change_volume(&self, api: &EngineApi, change: &Change) -> Result<String, ProviderError> {
        let name = change.address.name.as_str();
        match &change.verb {
            Verb::Create(fields) => {
                let marks = answers::marks(&change.service, &self.config.instance);
                api.create_volume(requests::volume_request(name, fields, marks)).await?;
                Ok(name.to_owned())
            }
            Verb::Update(_) => Err(cannot(change)),
            Verb::Delete => api.remove_volume(name).await.map(|()| String::new()),
        }
    }

    async fn change_image(
        &self,
        api: &EngineApi,
        change: &Change,
        supplies: Supplies<'_>,
    ) -> Result<String, ProviderError> {
        let name = change.address.name.as_str();
        match &change.verb {
            Verb::Create(fields) if fields.get("build").is_some() => {
                Box::pin(self.build(api, change, fields, supplies)).await
            }
            Verb::Create(fields) | Verb::Update(fields) => self.pull(api, name, fields.text("platform")).await,
            Verb::Delete => api.remove_image(name).await.map(|()| String::new()),
        }
    }

    async fn change_container(
        &self,
        api: &EngineApi,
        change: &Change,
        secrets: &Secrets,
        payloads: &Payloads,
    ) -> Result<String, ProviderError> {
        match &change.verb {
            Verb::Create(fields) => Box::pin(self.create_container(api, change, fields, secrets, payloads)).await,
            Verb::Update(fields) => self.update_container(api, change, fields, secrets, payloads).await,
            Verb::Delete => self.remove_container(api, change).await.map(|()| String::new()),
        }
    }

    async fn create_network(
        &self,
        api: &EngineApi,
        name: &str,
        fields: &Fields,
        service: &str,
    ) -> Result<String, ProviderError> {
        // Names of networks are not unique to the engine: it would happily make a second one.
        if let Some(there) = api.network(name).await? {
            let labels = ordered(there.labels.as_ref());
            if labels.get(LABEL_INSTANCE) == Some(&self.config.instance) {
                return Ok(there.id.unwrap_or_default());
            }
            let whose = whose(&labels);
            return Err(ProviderError::new(
                Class::Conflict,
                Code::A0405,
                text!("{kind} {name} exists and {whose}", kind = Kind::Network, name, whose),
            ));
        }
        api.create_network(requests::network_request(name, fields, service, &self.config.instance)).await
    }

    /// Pulls; answers the id when the engine did not have it before.
    async fn pull(&self, api: &EngineApi, reference: &str, platform: Option<&str>) -> Result<String, ProviderError> {
        let before = ids_of_images(api).await?;
        self.pulls.begin(reference);
        api.pull(reference, platform, |step| self.pulls.step(reference, step)).await?;
        if let Some(asked) = platform {
            check_platform(api, reference, asked).await?;
        }
        brought(api, reference, &before).await
    }

    async fn ask_from_npm(&self, npm: &str, url: &str) -> Result<(), String> {
        let api = self.api().await.map_err(|error| error.message.to_string())?;
        let command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time"];
        let mut command: Vec<String> = command.into_iter().map(str::to_owned).collect();
        command.extend([PROBE_TIMEOUT_S.to_string(), url.to_owned()]);
        // Whatever the container calls curl may not keep to its time; the loop waits for no longer.
        let limit = std::time::Duration::from_secs(PROBE_TIMEOUT_S + 1);
        let said = tokio::time::timeout(limit, api.exec(npm, command)).await;
        let said = said.map_err(|_| format!("{url} does not answer"))?.map_err(|error| error.message.to_string())?;
        judge_status(said.trim().parse().unwrap_or(0), url)
    }

    /// By the code with which curl ends.
    async fn connects_from_npm(&self, npm: &str, url: &str) -> Option<bool> {
        let seconds = PROBE_TIMEOUT_S.to_string();
        let command = ["curl", "-s", "-o", "/dev/null", "--max-time", &seconds, url];
        let command = command.into_iter().map(str::to_owned).collect();
        let api = self.api().await.ok()?;
        let limit = std::time::Duration::from_secs(PROBE_TIMEOUT_S + 1);
        let (code, _) = tokio::time::timeout(limit, api.run(npm, command)).await.ok()?.ok()?;
        match code {
            CURL_REFUSED => Some(false),
            0 => Some(true),
            _ if CURL_ODD_ANSWER.contains(&code) => Some(true),
            _ => None,
        }
    }

    async fn ask_from_here(&self, url: &str) -> Result<(), String> {
        let request = self.prober.request(reqwest::Method::GET, url);
        let request = request.timeout(std::time::Duration::from_secs(PROBE_TIMEOUT_S));
        match self.prober.send(request).await {
            Ok(answer) => judge_status(answer.status, url),
            Err(failure) => Err(format!("{url}: {}", failure.message())),
        }
    }
}

#[async_trait]
impl Provider for DockerProvider {
    fn id(&self) -> &ProviderId {
        &self.config.id
    }

    fn kinds(&self) -> &'static [KindSchema] {
        docker::KINDS
    }

    /// Spelling is the manifest's; what an engine of that age would ignore is objected to, once it has been met.
    fn normalize(&self, address: &Address, fields: &mut Fields) -> Result<(), Objection> {
        let Some(api) = self.api.get().filter(|_| address.kind == Kind::Container) else { return Ok(()) };
        match docker::ignored_by(fields, api.version) {
            None => Ok(()),
            Some((field, since)) => {
                let message = format!(
                    "`{field}` needs Docker API {}.{}, and this engine ({}) has {}.{}",
                    since.0, since.1, api.engine, api.version.0, api.version.1
                );
                Err(Objection { field, message })
            }
        }
    }

    async fn observe(&self, ask: &ObserveQuery) -> Observation {
        match self.look(ask).await {
            Ok(observation) => observation,
            Err(error) => Observation {
                gaps: vec![error.into_gap(&self.config.id, GapScope::Whole, ask.now)],
                ..Observation::default()
            },
        }
    }

    async fn apply(&self, change: &Change, supplies: Supplies<'_>) -> Result<Outcome, ProviderError> {
        let outcome = self.change(change, supplies).await;
        let accounts = self.config.registries.0.values().map(|login| &login.password);
        let sent = Scrubber::of_words(supplies.secrets.values().chain(accounts));
        let outcome = outcome.map_err(|error| error.without(&sent));
        self.inspects.written(change);
        self.lists.written(change.address.kind);
        outcome
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            logs: Some(self),
            probe: Some(self),
            images: Some(self),
            attribution: Some(self),
            nginx_test: Some(self),
            progress: Some(self),
            builds: Some(self),
            events: Some(self),
            actions: Some(self),
            requests: Some(&self.counts),
            max_in_flight: IN_FLIGHT_MAX,
            ..Capabilities::NONE
        }
    }
}

#[async_trait]
impl ReadLogs for DockerProvider {
    async fn logs(&self, address: &Address, seen: &Seen, ask: &LogQuery) -> Result<Vec<String>, ProviderError> {
        logs::read(self.api().await?, address, seen, ask).await
    }

    async fn follow(
        &self,
        address: &Address,
        seen: &Seen,
        ask: &LogQuery,
        lines: mpsc::Sender<String>,
    ) -> Result<(), ProviderError> {
        logs::follow(self.api().await?, address, seen, ask, lines).await
    }
}

#[async_trait]
impl ProbePorts for DockerProvider {
    async fn probe(&self, _address: &Address, seen: &Seen, port: u16) -> Result<(), String> {
        let Some(address) = seen.fields.text("address") else { return Err("it has no address".to_owned()) };
        let url = format!("http://{address}:{port}/");
        match &self.config.npm_container {
            Some(npm) => self.ask_from_npm(npm, &url).await,
            None => self.ask_from_here(&url).await,
        }
    }

    async fn listens(&self, host: &str, port: u16) -> Option<bool> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match &self.config.npm_container {
            Some(npm) => self.connects_from_npm(npm, &format!("http://{host}:{port}/")).await,
            None => {
                let limit = std::time::Duration::from_secs(PROBE_TIMEOUT_S);
                let tried = tokio::time::timeout(limit, tokio::net::TcpStream::connect(format!("{host}:{port}"))).await;
                match tried.ok()? {
                    Ok(_) => Some(true),
                    Err(error) => (error.kind() == std::io::ErrorKind::ConnectionRefused).then_some(false),
                }
            }
        }
    }
}

#[async_trait]
impl TestNginx for DockerProvider {
    async fn test_nginx(&self, container: &str) -> Result<Option<String>, ProviderError> {
        let api = self.api().await?;
        let command = ["nginx", "-t"].map(str::to_owned).to_vec();
        let late = || {
            let message = format!("nginx in container {container} did not say within {} s", TEST_LIMIT.as_secs());
            ProviderError::new(Class::RetryLater, Code::A0614, message)
        };
        let ended = tokio::time::timeout(TEST_LIMIT, api.run(container, command)).await.map_err(|_| late())?;
        match ended? {
            (0, _) => Ok(None),
            (_, said) if said.contains("[emerg]") => Ok(Some(said)),
            (code, said) => {
                let line = said.lines().next().unwrap_or_default().trim().to_owned();
                let message = format!("nginx in container {container} could not be asked (exit {code}, {line})");
                let hint = "is it the container of NPM? `npm.<name>.container` names it";
                Err(ProviderError::new(Class::Rejected, Code::A0614, message).hint(hint))
            }
        }
    }
}

impl ReportProgress for DockerProvider {
    fn progress_text(&self, address: &Address) -> String {
        let step = self.builds.step(&address.name);
        if address.kind == Kind::Image && step.is_empty() { self.pulls.news(&address.name) } else { step }
    }

    fn ticks(&self, address: &Address) -> u64 {
        let pulled = if address.kind == Kind::Image { self.pulls.progress_lines(&address.name) } else { 0 };
        pulled + self.builds.ticks(&address.name)
    }
}

/// The images that the engine has.
async fn ids_of_images(api: &EngineApi) -> Result<BTreeSet<String>, ProviderError> {
    Ok(api.images().await?.all().into_iter().map(|image| image.id).collect())
}

/// The id of an image by its name; empty where the engine had it before.
async fn brought(api: &EngineApi, reference: &str, before: &BTreeSet<String>) -> Result<String, ProviderError> {
    let after = api.images().await?.all();
    let is_it = |image: &&ImageSummary| image.repo_tags.iter().chain(&image.repo_digests).any(|name| name == reference);
    let brought = after.iter().find(is_it).filter(|image| !before.contains(&image.id));
    Ok(brought.map(|image| image.id.clone()).unwrap_or_default())
}

fn labels_of(inspect: &ContainerInspectResponse) -> BTreeMap<String, String> {
    ordered(inspect.config.as_ref().and_then(|config| config.labels.as_ref()))
}

fn judge_status(status: u16, url: &str) -> Result<(), String> {
    match status {
        0 => Err(format!("{url} does not answer")),
        500.. => Err(format!("{url} answers {status}")),
        _ => Ok(()),
    }
}

async fn attach(api: &EngineApi, name: &str, fields: &Fields) -> Result<String, ProviderError> {
    let (network, container) = attachment_parts(name)?;
    let there = api.container(container).await?;
    let attached = there.and_then(|there| there.network_settings).and_then(|settings| settings.networks);
    if attached.is_some_and(|networks| networks.contains_key(network)) {
        return Ok(name.to_owned());
    }
    let endpoint = requests::endpoint(fields.text("address"), Vec::new(), api.version >= (1, 48));
    api.connect_network(network, container, endpoint).await?;
    Ok(name.to_owned())
}

/// Whose something with these labels is, that is in the way.
fn whose(labels: &BTreeMap<String, String>) -> Text {
    labels.get(LABEL_INSTANCE).map_or(Owner::Foreign, |instance| Owner::Other(instance.clone())).whose()
}

/// A registry that has an image for one platform only gives that one, whatever was asked for.
async fn check_platform(api: &EngineApi, reference: &str, asked: &str) -> Result<(), ProviderError> {
    let Some(there) = api.declared(reference).await?.and_then(|image| image.platform) else { return Ok(()) };
    if platform::is_for(&there, asked) {
        return Ok(());
    }
    let message = text!("image {reference} is for {there}, and the manifest asks for {asked}", reference, there, asked);
    let hint = text!("leave `platform` out, or name an image that is made for it");
    Err(ProviderError::new(Class::Rejected, Code::A0527, message).hint(hint))
}

fn attachment_parts(name: &str) -> Result<(&str, &str), ProviderError> {
    name.rsplit_once('/')
        .ok_or_else(|| ProviderError::new(Class::Rejected, Code::A0510, format!("not an attachment: {name}")))
}

fn vendor_id(change: &Change) -> String {
    match &change.expects {
        Expect::Unchanged { vendor_id, .. } => vendor_id.clone(),
        Expect::Absent => change.address.name.clone(),
    }
}

fn cannot(change: &Change) -> ProviderError {
    let message = format!("Docker cannot {} {}", change.action(), change.address);
    ProviderError::new(Class::Rejected, Code::A0510, message)
}

/// Subnets that this host routes, Docker's own bridges and the default route left out.
async fn host_routes() -> Vec<Ipv4Net> {
    let Ok(table) = tokio::fs::read_to_string("/proc/net/route").await else { return Vec::new() };
    table.lines().skip(1).filter_map(route_of).collect()
}

/// A line of `/proc/net/route`: interface, then destination, …, mask in hexadecimal, last byte first.
fn route_of(line: &str) -> Option<Ipv4Net> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (interface, destination, mask) = (columns.first()?, columns.get(1)?, columns.get(7)?);
    if interface.starts_with("br-") || interface.starts_with("docker") || interface.starts_with("veth") {
        return None;
    }
    let address =
        |text: &str| u32::from_str_radix(text, 16).ok().map(|bits| std::net::Ipv4Addr::from(bits.swap_bytes()));
    let subnet = Ipv4Net::with_netmask(address(destination)?, address(mask)?).ok()?;
    (subnet.prefix_len() > 0).then_some(subnet)
}
