//! The engine's calls. Nothing clever: versioned paths, time-outs, errors by class.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, ContainerUpdateBody, CreateImageInfo,
    DistributionInspect, EndpointSettings, EventMessage, ExecConfig, ImageSummary, Network, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest, NetworkInspect, Volume, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, EventsOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptions, RemoveVolumeOptions, RenameContainerOptionsBuilder,
    RestartContainerOptions, StopContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bollard::{ClientVersion, Docker};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::DockerConfig;
use super::answer_limit::{self, ANSWER_BYTES_MAX, Meter};
use super::events::event_time;
use super::images::built_images::{self, BuiltImages, without_digits};
use super::images::{self, Declared};
use super::registry::Registries;
use super::transport::{self, ConnectError, Sender, TlsFiles, versioned};
use crate::error_chain::{chain, root};
use crate::providers::http::Counts;
use crate::providers::rows::{ListError, ListForm, Listed, RowReader};
use crate::providers::{Class, ImageFacts, ProviderError, Taken};
use amarre_core::model::{Code, Kind, Text, Timestamp, words};
use amarre_core::text;

/// An engine that says nothing for this long is down for this look.
const CALL_TIMEOUT_S: u64 = 60;
/// The newest API whose shapes were looked at; a newer engine still speaks it.
const API_NEWEST: (usize, usize) = (1, 51);
/// The oldest: Docker Engine 20.10.
const API_OLDEST: (usize, usize) = (1, 41);
/// The engine answers when the container has stopped: the longest `stop_grace_period` that a manifest may ask for, and a minute.
const STOP_CALL_TIMEOUT: Duration = Duration::from_secs(660);
/// Looks at other things do not wait longer for a registry.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(10);
/// Probes print a status code; anything longer is no answer to us.
const EXEC_OUTPUT_BYTES_MAX: usize = 4096;

/// What an engine says when it refuses is a sentence.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// Lists of an engine.
const LIST: ListForm = ListForm { depth: 1, names: &[], required: &[], bytes: ANSWER_BYTES_MAX };

/// What an engine tells piece by piece.
pub type Pieces<T> = BoxStream<'static, Result<T, Error>>;

/// A connected engine.
#[derive(Debug, Clone)]
pub struct EngineApi {
    docker: Docker,
    sender: Sender,
    endpoint: String,
    tls: Option<TlsFiles>,
    counts: Counts,
    registries: Registries,
    /// What images that are built here are called there.
    pub built: BuiltImages,
    /// The API version in use.
    pub version: (usize, usize),
    /// The engine's own version, for people.
    pub engine: String,
    /// What it runs: `linux/amd64`.
    platform: String,
    /// Where it keeps its images, if that is a folder here.
    pub root: Option<PathBuf>,
    /// The engine's own time when this connected, as `since` of events takes it; `None`: it did not say.
    pub connected_at: Option<String>,
}

impl EngineApi {
    /// Connects and agrees on a version. Paths carry it, for the client library does not add it by itself.
    ///
    /// # Errors
    /// The engine does not answer, refuses us, or is too old.
    pub async fn connect(config: &DockerConfig, counts: Counts) -> Result<Self, ProviderError> {
        let (endpoint, tls) = (config.endpoint.as_str(), config.tls.as_ref());
        let sender = transport::sender(endpoint, tls, None).map_err(|trouble| no_answer(endpoint, trouble))?;
        let plain = client(&sender).map_err(|trouble| no_answer(endpoint, trouble))?;
        let answer = plain.version().await.map_err(|error| {
            let trouble = ConnectError::find(&error);
            no_answer(endpoint, trouble.unwrap_or_else(|| ConnectError::plain(root(&error))))
        })?;
        let said = answer.api_version.unwrap_or_default();
        let version = said.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let version = version.unwrap_or(API_OLDEST).min(API_NEWEST);
        if version < API_OLDEST {
            let message = format!("the engine at {endpoint} speaks API {said}, at least 1.41 (Docker 20.10) is needed");
            return Err(ProviderError::new(Class::Rejected, Code::A0503, message).hint(text!("upgrade Docker")));
        }
        let docker = versioned(plain, version);
        let registries = config.registries.clone();
        let info = docker.info().await.unwrap_or_default();
        // Of another machine's disk no call tells what is left: `/system/df` says what is used.
        let root = info.docker_root_dir.filter(|_| endpoint.starts_with("unix://")).map(PathBuf::from);
        let root = root.filter(|folder| folder.is_dir());
        let connected_at = info.system_time.as_deref().and_then(event_time);
        let platform = format!("{}/{}", answer.os.unwrap_or_default(), answer.arch.unwrap_or_default());
        let engine = words::said(&answer.version.unwrap_or_default());
        let (endpoint, tls) = (config.endpoint.clone(), config.tls.clone());
        let platform = words::said(&platform);
        let built = BuiltImages::new(config.key.clone());
        Ok(Self {
            built,
            docker,
            sender,
            endpoint,
            tls,
            counts,
            registries,
            version,
            engine,
            platform,
            root,
            connected_at,
        })
    }

    /// Whether the engine answers.
    pub async fn answers(&self) -> bool {
        self.docker.ping().await.is_ok()
    }

    /// A client for one stream, and what counts its pieces.
    fn streaming(&self) -> Result<(Docker, Arc<Meter>), Error> {
        let meter = Meter::stream();
        let sender = transport::sender(&self.endpoint, self.tls.as_ref(), Some(meter.clone()));
        let client = sender
            .and_then(|sender| client(&sender))
            .map_err(|error| Error::IOError { err: std::io::Error::other(error) })?;
        Ok((versioned(client, self.version), meter))
    }

    /// What sends one request whose answer is a stream, and what counts its pieces.
    pub fn stream_sender(&self) -> Result<(Sender, Arc<Meter>), ProviderError> {
        let meter = Meter::stream();
        let sender = transport::sender(&self.endpoint, self.tls.as_ref(), Some(meter.clone()));
        Ok((sender.map_err(|trouble| no_answer(&self.endpoint, trouble))?, meter))
    }

    /// A call about an image that did not work.
    pub fn call_failed(&self, image: &str, error: &Error) -> ProviderError {
        self.failed("POST", text!("building {image}", image), error)
    }

    /// Whether the engine has an image under a name.
    pub async fn has_image(&self, reference: &str) -> Result<bool, ProviderError> {
        let answer = self.docker.inspect_image(reference).await;
        Ok(self
            .found("GET", text!("inspecting {kind} {name}", kind = Kind::Image, name = reference), answer)?
            .is_some())
    }

    /// What a client of its own answers piece by piece, none of them larger than the meter allows.
    fn stream<T, S>(&self, ask: impl FnOnce(&Docker) -> S) -> Pieces<T>
    where
        S: Stream<Item = Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        self.metered_stream(ask).0
    }

    /// The same with what counts it, where it can begin.
    fn metered_stream<T, S>(&self, ask: impl FnOnce(&Docker) -> S) -> (Pieces<T>, Option<Arc<Meter>>)
    where
        S: Stream<Item = Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        match self.streaming() {
            Ok((docker, meter)) => {
                let own = meter.clone();
                (ask(&docker).map(move |piece| counted(piece, &own)).boxed(), Some(meter))
            }
            Err(error) => (futures_util::stream::once(async { Err(error) }).boxed(), None),
        }
    }

    /// Every container, running or not.
    pub async fn containers(&self) -> Result<Listed<ContainerSummary>, ProviderError> {
        let form = ListForm { names: &["Id", "Names"], ..LIST };
        let listed = self.list("listing containers", "/containers/json?all=true", form).await?;
        Ok(built_images::shown_containers(listed))
    }

    /// One container; `None` when it is gone.
    pub async fn container(&self, id: &str) -> Result<Option<ContainerInspectResponse>, ProviderError> {
        let answer = self.docker.inspect_container(id, None).await;
        let mut found =
            self.found("GET", text!("inspecting {kind} {name}", kind = Kind::Container, name = id), answer)?;
        built_images::shown_container(&mut found);
        Ok(found)
    }

    pub async fn networks(&self) -> Result<Listed<Network>, ProviderError> {
        self.list("listing networks", "/networks", ListForm { names: &["Id", "Name"], ..LIST }).await
    }

    /// One network; `None` when it is gone.
    pub async fn network(&self, id: &str) -> Result<Option<NetworkInspect>, ProviderError> {
        let answer = self.docker.inspect_network(id, None).await;
        self.found("GET", text!("inspecting {kind} {name}", kind = Kind::Network, name = id), answer)
    }

    pub async fn volumes(&self) -> Result<Listed<Volume>, ProviderError> {
        let form = ListForm { depth: 2, names: &["Name"], required: &["Labels", "Options"], ..LIST };
        self.list("listing volumes", "/volumes", form).await
    }

    /// Every image with a name.
    pub async fn images(&self) -> Result<Listed<ImageSummary>, ProviderError> {
        let form = ListForm { names: &["Id", "RepoDigests", "RepoTags"], required: &["Labels"], ..LIST };
        Ok(self.built.known_images(self.list("listing images", "/images/json", form).await?))
    }

    /// A list, row by row: its answer may be larger than others, and is not held as a whole.
    async fn list<T: DeserializeOwned>(
        &self,
        doing: &str,
        path: &str,
        form: ListForm,
    ) -> Result<Listed<T>, ProviderError> {
        let read = tokio::time::timeout(Duration::from_secs(CALL_TIMEOUT_S), self.rows(path, form)).await;
        let rows = self.done("GET", doing, read.unwrap_or(Err(Error::RequestTimeoutError)))?;
        let listed = rows.listed();
        listed.map_err(|why| match why {
            ListError::TooLarge => answer_limit::too_large(doing),
            ListError::Garbled => {
                let message = format!("{doing} got no answer: what came is not all of a list");
                ProviderError::new(Class::OutcomeUnknown, Code::A0502, message)
            }
        })
    }

    async fn rows(&self, path: &str, form: ListForm) -> Result<RowReader, Error> {
        let broken = |error: axum::BoxError| Error::IOError { err: std::io::Error::other(error) };
        let (major, minor) = self.version;
        let request = Request::get(format!("{}/v{major}.{minor}{path}", transport::NAME));
        let request = request.body(bollard::body_full(Bytes::new())).map_err(|error| broken(error.into()))?;
        let response = self.sender.send(request).await?;
        let (status_code, meter) = (response.status().as_u16(), response.extensions().get::<Arc<Meter>>().cloned());
        let is_list = response.status().is_success();
        if let Some(meter) = meter.as_ref().filter(|_| is_list) {
            meter.list_begins();
        }
        let mut body = Body::new(response.into_body()).into_data_stream();
        let (mut rows, mut said) = (RowReader::new(form), Vec::new());
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| broken(error.into()))?;
            if let Some(meter) = &meter {
                meter.taken();
            }
            if is_list && !rows.take(&piece) || said.len() > REFUSAL_BYTES_MAX {
                break;
            }
            if !is_list {
                said.extend_from_slice(&piece);
            }
        }
        if is_list {
            return Ok(rows);
        }
        let refusal: Option<Json> = serde_json::from_slice(&said).ok();
        let message = refusal.and_then(|refusal| Some(refusal["message"].as_str()?.to_owned()));
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(&said).into_owned());
        Err(Error::DockerResponseServerError { status_code, message })
    }

    /// What an image says of itself; `None` when it is gone.
    pub async fn declared(&self, id: &str) -> Result<Option<Declared>, ProviderError> {
        let answer = self.docker.inspect_image(id).await;
        let image = self.found("GET", text!("inspecting {kind} {name}", kind = Kind::Image, name = id), answer)?;
        Ok(image.map(|image| Declared::of(&image, self.version)))
    }

    /// Makes a network; answers its id.
    pub async fn create_network(&self, request: NetworkCreateRequest) -> Result<String, ProviderError> {
        let doing = text!("creating {kind} {name}", kind = Kind::Network, name = &request.name);
        Ok(self.done("POST", doing, self.docker.create_network(request).await)?.id)
    }

    /// Removes a network; one that is gone is fine.
    pub async fn remove_network(&self, id: &str) -> Result<(), ProviderError> {
        let answer = self.docker.remove_network(id).await;
        self.found("DELETE", text!("removing {kind} {name}", kind = Kind::Network, name = id), answer).map(|_| ())
    }

    /// Attaches a container.
    pub async fn connect_network(
        &self,
        network: &str,
        container: &str,
        endpoint: EndpointSettings,
    ) -> Result<(), ProviderError> {
        let answer = self.attach(network, container, endpoint).await;
        self.done("POST", text!("attaching {container} to {network}", container, network), answer)
    }

    /// Attaches a container again, with its address. Where the engine chose the network's subnet, nothing can ask for an
    /// address: there it gets another one.
    pub async fn reconnect_network(
        &self,
        network: &str,
        container: &str,
        endpoint: EndpointSettings,
    ) -> Result<(), ProviderError> {
        let mut answer = self.attach(network, container, endpoint.clone()).await;
        if let Err(Error::DockerResponseServerError { message, .. }) = &answer
            && endpoint.ipam_config.is_some()
            && message.contains("user configured subnets")
        {
            answer = self.attach(network, container, EndpointSettings { ipam_config: None, ..endpoint }).await;
        }
        self.done("POST", text!("attaching {container} to {network}", container, network), answer)
    }

    async fn attach(&self, network: &str, container: &str, endpoint: EndpointSettings) -> Result<(), Error> {
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint) };
        self.docker.connect_network(network, request).await
    }

    /// Detaches a container. Forced, for it may be stopped; one that is not attached is fine.
    pub async fn disconnect_network(&self, network: &str, container: &str) -> Result<(), ProviderError> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let answer = self.docker.disconnect_network(network, request).await;
        if let Err(Error::DockerResponseServerError { message, .. }) = &answer
            && message.contains("is not connected")
        {
            return Ok(());
        }
        self.found("POST", text!("detaching {container} from {network}", container, network), answer).map(|_| ())
    }

    /// Makes a volume. Making one that is there answers it as it is.
    pub async fn create_volume(&self, request: VolumeCreateRequest) -> Result<(), ProviderError> {
        self.done("POST", text!("creating a volume"), self.docker.create_volume(request).await).map(|_| ())
    }

    /// Removes a volume; one that is gone is fine.
    pub async fn remove_volume(&self, name: &str) -> Result<(), ProviderError> {
        let answer = self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await;
        self.found("DELETE", text!("removing {kind} {name}", kind = Kind::Volume, name), answer).map(|_| ())
    }

    /// Pulls an image, for the engine's own platform unless one is named.
    pub async fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        mut see: impl FnMut(&CreateImageInfo),
    ) -> Result<(), ProviderError> {
        let options = CreateImageOptionsBuilder::new().from_image(reference);
        let options = platform.into_iter().fold(options, CreateImageOptionsBuilder::platform).build();
        let credentials = self.registries.credentials(reference);
        let mut steps = self.stream(|docker| docker.create_image(Some(options), None, credentials));
        loop {
            match steps.try_next().await {
                Ok(None) => break,
                Ok(Some(step)) => see(&step),
                Err(error) => return Err(self.registry_failed("POST", "pulling", reference, &error)),
            }
        }
        self.counts.add("POST", 200);
        Ok(())
    }

    /// The digest that a registry knows what is here under a reference by. `None`: it came from none.
    pub async fn digest_of(&self, reference: &str) -> Result<Option<String>, ProviderError> {
        let answer = self.docker.inspect_image(reference).await;
        let image =
            self.found("GET", text!("inspecting {kind} {name}", kind = Kind::Image, name = reference), answer)?;
        Ok(image.and_then(|image| images::digest_of(reference, &image.repo_digests.unwrap_or_default())))
    }

    /// What is here under a reference, else what the registry says of it.
    pub async fn image(&self, reference: &str) -> Result<ImageFacts, ProviderError> {
        let answer = self.docker.inspect_image(reference).await;
        let platform = |os: Option<String>, architecture: Option<String>| Some(format!("{}/{}", os?, architecture?));
        let engine = self.platform.clone();
        if let Some(image) =
            self.found("GET", text!("inspecting {kind} {name}", kind = Kind::Image, name = reference), answer)?
        {
            let exposed = image.config.as_ref().and_then(|config| config.exposed_ports.as_ref());
            let ports = exposed.into_iter().flatten().filter_map(|port| port.strip_suffix("/tcp")?.parse().ok());
            return Ok(ImageFacts {
                bytes_here: image.size.and_then(|size| u64::try_from(size).ok()),
                platforms: platform(image.os, image.architecture).into_iter().collect(),
                platform: engine,
                ports: ports.collect(),
            });
        }
        let remote = self.remote(reference).await?;
        let platforms = remote.platforms.into_iter().filter_map(|one| platform(one.os, one.architecture));
        // Attestations stand beside images, for no platform.
        let platforms = platforms.filter(|name| !name.contains("unknown")).collect();
        Ok(ImageFacts { platforms, platform: engine, ..ImageFacts::default() })
    }

    /// The digest that the registry has under a reference now, asked through the engine.
    pub async fn remote_digest(&self, reference: &str) -> Result<String, ProviderError> {
        let found = self.remote(reference).await?;
        let digest = found.descriptor.digest.filter(|digest| images::is_digest(digest));
        digest.ok_or_else(|| self.registries.failure(reference, "asking for", None, "no digest"))
    }

    async fn remote(&self, reference: &str) -> Result<DistributionInspect, ProviderError> {
        let credentials = self.registries.credentials(reference);
        let answer = self.docker.inspect_registry_image(reference, credentials);
        let answer = tokio::time::timeout(REGISTRY_TIMEOUT, answer).await.map_err(|_| {
            self.counts.add("GET", 0);
            let why = format!("no answer within {} s", REGISTRY_TIMEOUT.as_secs());
            self.registries.failure(reference, "asking for", None, &why)
        })?;
        let found = answer.map_err(|error| self.registry_failed("GET", "asking for", reference, &error))?;
        self.counts.add("GET", 200);
        Ok(found)
    }

    /// Removes a name of an image, and the image with its last one. What is gone is fine, and so is what something uses
    /// after all: it stays.
    pub async fn remove_image(&self, name: &str) -> Result<(), ProviderError> {
        let at_engine = self.built.at_engine(name);
        let answer = self.docker.remove_image(&at_engine, None::<RemoveImageOptions>, None).await;
        if let Err(Error::DockerResponseServerError { status_code: 409, .. }) = &answer {
            self.counts.add("DELETE", 409);
            return Ok(());
        }
        self.found("DELETE", text!("removing {kind} {name}", kind = Kind::Image, name), answer).map(|_| ())
    }

    fn registry_failed(&self, method: &str, doing: &str, reference: &str, error: &Error) -> ProviderError {
        if let Error::DockerResponseServerError { status_code, message } = error {
            self.counts.add(method, *status_code);
            return self.registries.failure(reference, doing, Some(*status_code), message);
        }
        // What went wrong half-way comes as a line of the progress.
        if let Error::DockerStreamError { error } = error {
            self.counts.add(method, 200);
            return self.registries.failure(reference, doing, None, error);
        }
        self.failed(method, format!("{doing} {reference}"), error)
    }

    /// Makes a container; answers its id and what the engine says about it.
    pub async fn create_container(
        &self,
        name: &str,
        platform: Option<&str>,
        mut body: ContainerCreateBody,
    ) -> Result<(String, Vec<String>), ProviderError> {
        body.image = body.image.map(|image| self.built.at_engine(&image));
        let options = CreateContainerOptionsBuilder::new().name(name);
        let options = platform.into_iter().fold(options, CreateContainerOptionsBuilder::platform).build();
        let answer = self.docker.create_container(Some(options), body).await;
        // An engine checks only what it is asked for, before it makes anything.
        let is_nonsense = matches!(&answer, Err(Error::DockerResponseServerError { status_code: 400, message })
            if !message.contains("API version"));
        let made = self.done("POST", text!("creating {kind} {name}", kind = Kind::Container, name), answer);
        let made =
            made.map_err(|error| if is_nonsense && error.code == Code::A0510 { error.for_good() } else { error })?;
        Ok((made.id, made.warnings.iter().map(|warning| words::said(warning)).collect()))
    }

    /// Copies the files of an archive into a container that need not run, from its root on.
    pub async fn copy_in(&self, id: &str, name: &str, archive: Vec<u8>) -> Result<(), ProviderError> {
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let answer = self.docker.upload_to_container(id, Some(options), bollard::body_full(archive.into())).await;
        self.done("PUT", text!("copying files into container {name}", name), answer)
    }

    /// Starts a container; one that runs is fine.
    pub async fn start(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let answer = self.docker.start_container(id, None).await;
        self.done("POST", text!("starting container {name}", name), unchanged_is_fine(answer))
    }

    /// Stops a container within the time that it was made with; one that stands still or is gone is fine.
    pub async fn stop(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let options = StopContainerOptionsBuilder::new().build();
        let docker = self.docker.clone().with_timeout(STOP_CALL_TIMEOUT);
        let answer = docker.stop_container(id, Some(options)).await;
        self.found("POST", text!("stopping container {name}", name), unchanged_is_fine(answer)).map(|_| ())
    }

    /// Stops a container within the time that it was made with, and starts it again; `false`: it is gone.
    pub async fn restart(&self, id: &str, name: &str) -> Result<bool, ProviderError> {
        let docker = self.docker.clone().with_timeout(STOP_CALL_TIMEOUT);
        let answer = docker.restart_container(id, None::<RestartContainerOptions>).await;
        Ok(self.found("POST", text!("restarting container {name}", name), answer)?.is_some())
    }

    /// Removes a stopped container and none of its volumes; one that is gone is fine.
    pub async fn remove(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let options = RemoveContainerOptionsBuilder::new().v(false).force(false).build();
        let answer = self.docker.remove_container(id, Some(options)).await;
        self.found("DELETE", text!("removing {kind} {name}", kind = Kind::Container, name), answer).map(|_| ())
    }

    /// Gives a container another name.
    pub async fn rename(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        let answer = self.docker.rename_container(id, options).await;
        self.done("POST", text!("renaming a container to {name}", name), answer)
    }

    /// Changes the restart policy; a container that is gone is fine.
    pub async fn set_restart(&self, id: &str, policy: &str) -> Result<(), ProviderError> {
        let body = ContainerUpdateBody {
            restart_policy: Some(super::answers::restart_policy(policy)),
            ..ContainerUpdateBody::default()
        };
        let answer = self.docker.update_container(id, body).await;
        self.found("POST", text!("setting the restart policy of {id}", id), answer).map(|_| ())
    }

    /// Runs a command in a container; answers what it printed. For probes, which change nothing.
    pub async fn exec(&self, container: &str, command: Vec<String>) -> Result<String, ProviderError> {
        let config = ExecConfig { cmd: Some(command), attach_stdout: Some(true), ..ExecConfig::default() };
        self.executed(container, config).await.map(|(_, text)| text)
    }

    /// The same with what it said of errors, and its exit code.
    pub async fn run(&self, container: &str, command: Vec<String>) -> Result<(i64, String), ProviderError> {
        let both = ExecConfig { attach_stdout: Some(true), attach_stderr: Some(true), ..ExecConfig::default() };
        let (id, text) = self.executed(container, ExecConfig { cmd: Some(command), ..both }).await?;
        let ended = self.done("EXEC", format!("running a test in {container}"), self.docker.inspect_exec(&id).await)?;
        Ok((ended.exit_code.unwrap_or(-1), text))
    }

    /// The id of what ran, and what it printed.
    async fn executed(&self, container: &str, config: ExecConfig) -> Result<(String, String), ProviderError> {
        let doing = format!("running a probe in {container}");
        let exec = self.done("EXEC", doing.as_str(), self.docker.create_exec(container, config).await)?;
        let started = self.done("EXEC", doing.as_str(), self.docker.start_exec(&exec.id, None).await)?;
        let mut text = String::new();
        if let bollard::exec::StartExecResults::Attached { mut output, .. } = started {
            while let Some(Ok(part)) = output.next().await {
                text.push_str(&part.to_string());
                if text.len() > EXEC_OUTPUT_BYTES_MAX {
                    break;
                }
            }
        }
        Ok((exec.id, text))
    }

    /// The last lines that a container printed, as they come: stream and bytes.
    pub fn logs(&self, id: &str, lines: usize) -> Pieces<LogOutput> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string()).build();
        self.stream(|docker| docker.logs(id, Some(options)))
    }

    /// The same and what comes after, until the container ends. `since`: seconds since 1970.
    pub fn follow(&self, id: &str, lines: usize, since: i32) -> Pieces<LogOutput> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string());
        self.stream(|docker| docker.logs(id, Some(options.follow(true).since(since).build())))
    }

    /// How reading a log ended.
    pub fn log_read<T>(&self, name: &str, answer: Result<T, Error>) -> Result<Option<T>, ProviderError> {
        self.found("GET", format!("reading the log of container {name}"), answer)
    }

    /// What changed there since this time of the engine, then what changes, as it happens; and what counts the answer. Ends
    /// when the connection does.
    /// Only what an observation reads: an event of a sort that the client library does not know would end the stream.
    #[expect(clippy::disallowed_types, reason = "the client library takes a map without order")]
    pub fn events(&self, since: Option<&str>) -> (Pieces<EventMessage>, Option<Arc<Meter>>) {
        let filters = std::collections::HashMap::from([("type", vec!["container", "network", "volume", "image"])]);
        let options = EventsOptionsBuilder::new().filters(&filters);
        let options = match since {
            Some(since) => options.since(since),
            None => options,
        };
        self.metered_stream(|docker| docker.events(Some(options.build())))
    }

    /// What was done with a container within a span of time, as far as the engine remembers. An engine whose clock is
    /// behind waits for what is yet to come.
    #[expect(clippy::disallowed_types, reason = "the client library takes a map without order")]
    pub fn past_events(&self, container: &str, from: Timestamp, to: Timestamp) -> Pieces<EventMessage> {
        let filters = std::collections::HashMap::from([("type", vec!["container"]), ("container", vec![container])]);
        let options = EventsOptionsBuilder::new().filters(&filters);
        let since = from.0.div_euclid(1000).to_string();
        // Not rounded to whole seconds, for the rest of one would be waited for; what happened within this millisecond
        // counts.
        let until = format!("{}.{:03}", (to.0 + 1).div_euclid(1000), (to.0 + 1).rem_euclid(1000));
        self.stream(|docker| docker.events(Some(options.since(&since).until(&until).build())))
    }

    fn done<T>(&self, method: &str, doing: impl Into<Text>, answer: Result<T, Error>) -> Result<T, ProviderError> {
        match answer {
            Ok(value) => {
                self.counts.add(method, 200);
                Ok(value)
            }
            Err(error) => Err(self.failed(method, doing, &error)),
        }
    }

    /// As [`EngineApi::done`], but what is not there is `None`.
    fn found<T>(
        &self,
        method: &str,
        doing: impl Into<Text>,
        answer: Result<T, Error>,
    ) -> Result<Option<T>, ProviderError> {
        if let Err(Error::DockerResponseServerError { status_code: 404, .. }) = &answer {
            self.counts.add(method, 404);
            return Ok(None);
        }
        self.done(method, doing, answer).map(Some)
    }

    fn failed(&self, method: &str, doing: impl Into<Text>, error: &Error) -> ProviderError {
        let doing = doing.into();
        let Error::DockerResponseServerError { status_code, message } = error else {
            self.counts.add(method, 0);
            let trouble = ConnectError::find(error).unwrap_or_else(|| ConnectError::plain(chain(error)));
            let why = Text::from(without_digits(&trouble.message));
            let message = text!("{doing} got no answer: {why}", doing, why);
            let code = trouble.code.unwrap_or(Code::A0502);
            return ProviderError::new(Class::OutcomeUnknown, code, message).hint(trouble.hint);
        };
        self.counts.add(method, *status_code);
        let text = text!("{doing} was refused: {said}", doing, said = Text::from(engine_words(message)));
        if message.contains("Pool overlaps") {
            return ProviderError::new(Class::Taken(Taken::Subnet), Code::A0505, text);
        }
        if message.contains("bind source path does not exist") {
            let path = words::said(message.rsplit(": ").next().unwrap_or_default());
            return ProviderError::new(Class::Rejected, Code::A0509, text)
                .hint(text!("make it on the host: install -d -o 1000 {path}", path));
        }
        if message.contains("could not select device driver") {
            return ProviderError::new(Class::Rejected, Code::A0510, text)
                .hint(text!("install the driver's container toolkit on the host, or leave `gpus` out"));
        }
        let class = match status_code {
            // A container has come meanwhile, or a busy engine has not let go yet of one that is gone.
            403 if message.contains("has active endpoints") => Class::Conflict,
            404 | 409 => Class::Conflict,
            400 | 403 => Class::Rejected,
            _ => Class::RetryLater,
        };
        ProviderError::new(class, Code::A0510, text)
    }
}

/// What an engine says is wrong, for people: without the endpoint whose ports it could not open, an id of 64 digits.
pub fn engine_words(message: &str) -> String {
    let message = without_digits(message);
    let of_ports = message.split_once("programming external connectivity on endpoint ");
    let why = of_ports.and_then(|(_, of_endpoint)| of_endpoint.split_once("): "));
    words::said(why.map_or(&message, |(_, why)| why))
}

/// Docker answers 304 when a container already is what it should become.
fn unchanged_is_fine(answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(Error::DockerResponseServerError { status_code: 304, .. }) => Ok(()),
        answer => answer,
    }
}

fn client(sender: &Sender) -> Result<Docker, ConnectError> {
    let version = ClientVersion { major_version: API_OLDEST.0, minor_version: API_OLDEST.1 };
    sender.docker(CALL_TIMEOUT_S, &version)
}

/// A piece that came; where the meter ended the stream, it says why.
fn counted<T>(piece: Result<T, Error>, meter: &Meter) -> Result<T, Error> {
    meter.taken();
    match (piece, meter.trouble()) {
        (Err(_), Some(trouble)) => Err(Error::IOError { err: std::io::Error::other(trouble) }),
        (piece, _) => piece,
    }
}

fn no_answer(endpoint: &str, trouble: ConnectError) -> ProviderError {
    let message = text!("Docker does not answer at {endpoint}: {why}", endpoint, why = Text::from(trouble.message));
    let hint = Some(trouble.hint).filter(|hint| !hint.is_empty()).map(Text::from);
    let hint = hint.unwrap_or_else(|| text!("is the engine running, and may this user reach it?"));
    ProviderError::new(Class::RetryLater, trouble.code.unwrap_or(Code::A0502), message).hint(hint)
}
