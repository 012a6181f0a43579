//! Containers, from the first copy of a file to the last stop.
//!
//! One is made, given what it needs, and only then started; what an attempt before this one left is taken up where
//! it stopped.

use std::collections::BTreeMap;

use bollard::models::{ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum};

use super::answers;
use super::answers::{LABEL_ALSO_ON, LABEL_INSTANCE, LABEL_PUBLISHED, LABEL_SERVICE, LABEL_SPEC};
use super::api::EngineApi;
use super::files::LABEL_FILES;
use super::{Class, DockerProvider, ProviderError, files, labels_of, requests, settings, vendor_id};
use crate::providers::Taken;
use crate::secret::Secrets;
use amarre_core::model::{Change, Code, Fields, Payloads, Text, Value};
use amarre_core::resources::docker::PortSpec;
use amarre_core::text;

/// Creates a container. Where a folder of the host is missing that may be created, the engine is asked again, to create it:
/// what is there is never mounted in the older way, so that a disk that is missing at a later start is still noticed.
async fn create(
    api: &EngineApi,
    name: &str,
    fields: &Fields,
    mut request: ContainerCreateBody,
) -> Result<(String, Vec<String>), ProviderError> {
    let folders = fields.strings("created_folders");
    let made = api.create_container(name, fields.text("platform"), request.clone()).await;
    let is_missing = |error: &ProviderError| error.code == Code::A0509 && !folders.is_empty();
    match (made, &mut request.host_config) {
        (Err(error), Some(host)) if is_missing(&error) => requests::create_folders(host, &folders),
        (made, _) => return made,
    }
    api.create_container(name, fields.text("platform"), request).await
}

impl DockerProvider {
    pub(super) async fn create_container(
        &self,
        api: &EngineApi,
        change: &Change,
        fields: &Fields,
        secrets: &Secrets,
        payloads: &Payloads,
    ) -> Result<String, ProviderError> {
        let name = fields.text("name").unwrap_or(&change.address.name);
        if let Some(there) = api.container(name).await? {
            let labels = labels_of(&there);
            let id = there.id.clone().unwrap_or_default();
            let is_ours = labels.get(LABEL_INSTANCE) == Some(&self.config.instance);
            let same = is_ours
                && labels.get(LABEL_SERVICE) == Some(&change.service)
                && labels.get(LABEL_SPEC) == change.address.generation.as_ref();
            if !same {
                let message = if is_ours {
                    text!("another container is called {name}", name)
                } else {
                    text!("another container is called {name}, and {whose}", name, whose = super::whose(&labels))
                };
                return Err(ProviderError::new(Class::Conflict, Code::A0405, message));
            }
            if fields.get("before").is_some() && has_run(&there) {
                // A job runs once.
                return Ok(id);
            }
            copy_again(api, &there, fields, secrets, payloads).await?;
            on_others(api, &id, fields).await?;
            self.start(api, &id, name, fields, true).await?;
            return Ok(id);
        }
        let request =
            requests::container_body(&change.address, fields, &change.service, &self.config.instance, secrets)
                .map_err(|why| ProviderError::new(Class::Rejected, Code::A0207, why))?;
        let archive = files::archive(fields, secrets, payloads).map_err(not_copied)?;
        let (id, warnings) = create(api, name, fields, request).await?;
        if let Some(archive) = archive {
            api.copy_in(&id, name, archive).await?;
        }
        if !warnings.is_empty() {
            self.check_kept(api, &id, name, fields, &warnings).await?;
        }
        on_others(api, &id, fields).await?;
        self.start(api, &id, name, fields, true).await?;
        Ok(id)
    }

    /// An engine drops what its kernel cannot do, and only warns: the next look would find a difference, and every
    /// one after that. So what was dropped is refused, before anything runs.
    async fn check_kept(
        &self,
        api: &EngineApi,
        id: &str,
        name: &str,
        fields: &Fields,
        warnings: &[String],
    ) -> Result<(), ProviderError> {
        let Some(made) = api.container(id).await? else { return Ok(()) };
        let lost = settings::lost(fields, &made);
        if lost.is_empty() {
            return Ok(());
        }
        api.remove(id, name).await?;
        let message = format!("container {name} would be without {}: {}", lost.join(", "), warnings.join(" "));
        Err(ProviderError::new(Class::Rejected, Code::A0510, message)
            .hint(text!("leave it out, or let the host's kernel do it")))
    }

    /// Starts a container. One that cannot be started for a port that it was given, and not asked for, goes again:
    /// its successor has another. So does one that never ran, and never will since its engine was killed meanwhile.
    async fn start(
        &self,
        api: &EngineApi,
        id: &str,
        name: &str,
        fields: &Fields,
        is_new: bool,
    ) -> Result<(), ProviderError> {
        let Err(error) = api.start(id, name).await else { return Ok(()) };
        if error.message.to_string().ends_with(&format!("task {id}: already exists")) {
            return Err(self.held(api, id, name, error).await?);
        }
        let Some(port) = taken_port(&error, fields) else { return Err(error) };
        if is_new {
            api.remove(id, name).await?;
        }
        Err(ProviderError { class: Class::Taken(Taken::Port(port)), code: Code::A0540, ..error })
    }

    /// An engine that is killed while it starts a container leaves a task below it (measured on 20.10), for which every
    /// later start is refused. What has never run holds nothing of anybody's, and is made anew.
    async fn held(
        &self,
        api: &EngineApi,
        id: &str,
        name: &str,
        error: ProviderError,
    ) -> Result<ProviderError, ProviderError> {
        if api.container(id).await?.is_some_and(|there| has_run(&there)) {
            let hint =
                text!("the engine was killed while it started it; `docker rm {name}`, and it is made anew", name);
            return Ok(error.hint(hint));
        }
        api.remove(id, name).await?;
        let message = text!("{error}; it never ran and is made anew", error = error.message.clone());
        Ok(ProviderError { message, ..error })
    }

    pub(super) async fn update_container(
        &self,
        api: &EngineApi,
        change: &Change,
        fields: &Fields,
        secrets: &Secrets,
        payloads: &Payloads,
    ) -> Result<String, ProviderError> {
        let id = vendor_id(change);
        let Some(there) = api.container(&id).await? else {
            let message = text!("container {name} is gone", name = &change.address.name);
            return Err(ProviderError::new(Class::Conflict, Code::A0511, message));
        };
        if fields.flag("running") == Some(false) {
            self.halt(api, &id, &change.address.name).await?;
        }
        if let Some(policy) = fields.text("restart") {
            api.set_restart(&id, policy).await?;
        }
        if let Some(names) = fields.get("aliases") {
            connect_anew(api, &there, &id, names, fields).await?;
        }
        if let Some(name) = fields.text("name") {
            self.spare_own(Some(id.clone()), name)?;
            api.rename(&id, name).await?;
        }
        let runs = there.state.as_ref().and_then(|state| state.running).unwrap_or_default();
        if fields.flag("joined") == Some(true) && runs && fields.flag("running").is_none() {
            self.spare_own(Some(id.clone()), &change.address.name)?;
            api.restart(&id, &change.address.name).await?;
        }
        if fields.flag("running") == Some(true) {
            let labels = labels_of(&there);
            if never_ran(&there) && fields.get("files").is_none() && is_said(&labels, LABEL_FILES) {
                // What belongs in it is not known, and it must not run without it. What never ran holds nothing.
                self.spare_own(Some(id.clone()), &change.address.name)?;
                api.remove(&id, &change.address.name).await?;
                let name = &change.address.name;
                let message = text!("container {name} never ran and its files are not known", name);
                return Err(
                    ProviderError::new(Class::Conflict, Code::A0511, message).hint(text!("it is created again"))
                );
            }
            copy_again(api, &there, fields, secrets, payloads).await?;
            let published = labels.get(LABEL_PUBLISHED).map(|list| list.split(',').collect::<Vec<_>>());
            let fields = Fields::default().with("published", Value::texts(published.unwrap_or_default()));
            self.start(api, &id, &change.address.name, &fields, false).await?;
        }
        Ok(id)
    }

    pub(super) async fn remove_container(&self, api: &EngineApi, change: &Change) -> Result<(), ProviderError> {
        let (id, name) = (vendor_id(change), &change.address.name);
        self.halt(api, &id, name).await?;
        api.remove(&id, name).await
    }

    /// Refuses what would end or cut off the container that Amarre itself runs in.
    pub(super) fn spare_own(&self, id: Option<String>, name: &str) -> Result<(), ProviderError> {
        let is_own = self.config.own.as_deref().zip(id.as_deref()).is_some_and(|(own, id)| id.starts_with(own));
        if !is_own {
            return Ok(());
        }
        let message = text!("container {name} is the one that Amarre runs in", name);
        Err(ProviderError::new(Class::Rejected, Code::A0508, message).hint(text!("do it by hand, from outside Amarre")))
    }

    /// Stops a container for good: an engine restart does not bring it back.
    async fn halt(&self, api: &EngineApi, id: &str, name: &str) -> Result<(), ProviderError> {
        self.spare_own(Some(id.to_owned()), name)?;
        if api.set_restart(id, "no").await.is_err() {
            // One that exits over and over may be between two lives just now: Docker takes no update for it then.
            api.stop(id, name).await?;
            api.set_restart(id, "no").await?;
        }
        api.stop(id, name).await
    }
}

/// Gives a container other names: an engine adds none to an endpoint that is there. It comes back to the same address,
/// so what is open stays open. What an interruption left on no network is connected.
async fn connect_anew(
    api: &EngineApi,
    there: &ContainerInspectResponse,
    id: &str,
    names: &Value,
    fields: &Fields,
) -> Result<(), ProviderError> {
    let labels = labels_of(there);
    let network = there.host_config.as_ref().and_then(|host| host.network_mode.clone()).unwrap_or_default();
    let endpoints = there.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let endpoint = endpoints.and_then(|endpoints| endpoints.get(&network));
    let text = |field: &str| fields.text(field).map(str::to_owned);
    let address = endpoint.and_then(answers::endpoint_address).or_else(|| text("address"));
    let names: Vec<String> = names.strings().into_iter().map(str::to_owned).collect();
    let mut wanted = requests::endpoint(address.as_deref(), names.clone(), false);
    let mac = endpoint.and_then(|endpoint| endpoint.mac_address.clone()).filter(|mac| !mac.is_empty());
    // Neighbours know it by this one; older engines make the same one from the address.
    wanted.mac_address = mac.or_else(|| text("mac_address")).filter(|_| api.version >= (1, 44));
    if endpoint.is_some() {
        api.disconnect_network(&network, id).await?;
    }
    // Its own network comes last: what is on it has all the others.
    for other in answers::listed_in(&labels, LABEL_ALSO_ON) {
        let endpoint = endpoints.and_then(|endpoints| endpoints.get(other));
        if endpoint.is_some() {
            api.disconnect_network(other, id).await?;
        }
        api.connect_network(other, id, requests::endpoint(None, names.clone(), false)).await?;
    }
    api.reconnect_network(&network, id, wanted).await
}

/// Whether it was started, however that went.
fn has_run(there: &ContainerInspectResponse) -> bool {
    let status = there.state.as_ref().and_then(|state| state.status);
    status.is_some_and(|status| status != ContainerStateStatusEnum::CREATED)
}

/// Whether it is known that it was made and never started.
fn never_ran(there: &ContainerInspectResponse) -> bool {
    there.state.as_ref().and_then(|state| state.status) == Some(ContainerStateStatusEnum::CREATED)
}

/// What was made but never started may have been interrupted before its files were there. What they are, the change says.
async fn copy_again(
    api: &EngineApi,
    there: &ContainerInspectResponse,
    fields: &Fields,
    secrets: &Secrets,
    payloads: &Payloads,
) -> Result<(), ProviderError> {
    if !never_ran(there) {
        return Ok(());
    }
    let Some(archive) = files::archive(fields, secrets, payloads).map_err(not_copied)? else { return Ok(()) };
    let name = there.name.as_deref().unwrap_or_default().trim_start_matches('/');
    api.copy_in(there.id.as_deref().unwrap_or(name), name, archive).await
}

fn is_said(labels: &BTreeMap<String, String>, label: &str) -> bool {
    labels.get(label).is_some_and(|text| !text.is_empty())
}

fn not_copied(why: String) -> ProviderError {
    let hint = text!("`amarre validate` says whether the source still has it");
    ProviderError::new(
        Class::Rejected,
        Code::A0161,
        text!("files could not be copied in: {why}", why = Text::from(why)),
    )
    .hint(hint)
}

/// A container on its other networks, before it starts: Docker takes one network at creation.
async fn on_others(api: &EngineApi, id: &str, fields: &Fields) -> Result<(), ProviderError> {
    let also_on = fields.strings("also_on");
    if also_on.is_empty() && fields.text("edge").is_none() {
        return Ok(());
    }
    let there = api.container(id).await?;
    let networks = there.and_then(|there| there.network_settings).and_then(|settings| settings.networks);
    let is_on = |network: &str| networks.as_ref().is_some_and(|networks| networks.contains_key(network));
    let is_newer = api.version >= (1, 48);
    for network in also_on.into_iter().filter(|network| !is_on(network)) {
        let names = fields.strings("aliases").into_iter().map(str::to_owned).collect();
        api.connect_network(network, id, requests::endpoint(None, names, is_newer)).await?;
    }
    let Some(edge) = fields.text("edge").filter(|edge| !is_on(edge)) else { return Ok(()) };
    // Services do not see one another by name there.
    api.connect_network(edge, id, requests::endpoint(fields.text("edge_address"), Vec::new(), is_newer)).await
}

/// The port that was given to a container and that somebody else listens on, when that is the trouble.
fn taken_port(error: &ProviderError, fields: &Fields) -> Option<u16> {
    let said = error.message.to_string();
    let is_taken = ["port is already allocated", "address already in use"].iter().any(|why| said.contains(why));
    let published = fields.strings("published");
    let mut ports = published.into_iter().filter_map(PortSpec::parse).map(|port| port.published);
    let named = ports.find(|port| said.contains(&format!(":{port} ")) || said.contains(&format!(":{port}:")));
    named.filter(|_| is_taken)
}

/// The id of the container that this process runs in, or how it begins: what is mounted at `/etc/hostname` lies in the
/// engine's folder of that container; else the host name is the short id, unless somebody chose one.
pub(super) fn own() -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    mounts.lines().find_map(mounted_from).or_else(|| Some(name.trim().to_owned()).filter(|name| is_id(name, 12)))
}

/// A line of `/proc/self/mountinfo`: …, device, what of it, where, ….
fn mounted_from(line: &str) -> Option<String> {
    let mut columns = line.split(' ').skip(3);
    let (of, at) = (columns.next()?, columns.next()?);
    let (folder, _) = of.split_once("/hostname").filter(|(_, rest)| rest.is_empty() && at == "/etc/hostname")?;
    let id = folder.rsplit('/').next()?;
    is_id(id, 64).then(|| id.to_owned())
}

fn is_id(text: &str, letters: usize) -> bool {
    text.len() == letters && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_container_is_told_by_what_is_mounted() {
        let id = "3f".repeat(32);
        let own = format!("741 726 8:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/sda1 rw");
        assert_eq!(mounted_from(&own), Some(id.clone()));
        for other in [
            // On the host, the engine's mounts for others are seen as well.
            format!("99 1 0:5 / /var/lib/docker/containers/{id}/mounts/shm rw - tmpfs shm rw"),
            format!("741 726 8:1 /var/lib/docker/containers/{id}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw"),
            "741 726 8:1 /etc/hostname /etc/hostname rw - ext4 /dev/sda1 rw".to_owned(),
            String::new(),
        ] {
            assert_eq!(mounted_from(&other), None, "{other}");
        }
    }
}
