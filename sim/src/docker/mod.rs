//! A Docker engine without Docker: the API of Engine 20.10 over TCP, with its words, its order and its traps.
//!
//! Statuses, texts, shapes and events were read off an engine 20.10.24 (API 1.41). A running container is one
//! loopback listener that answers HTTP; [`Docker::locate`] tells where, so that a simulated proxy reaches it.
//! What a person does beside the client (`kill`, `remove`, `crash`, …) sends events but is in no journal.

mod archive;
mod build;
mod create;
mod endpoint;
mod events;
mod exec;
mod http;
mod images;
mod ipam;
mod life;
mod lists;
mod merge;
mod networks;
mod page;
mod query;
mod shapes;
mod show;
mod snapshot;
mod spec;
mod start;
mod state;
mod streams;
mod supervise;
mod system;
mod volumes;

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{Server, serve};
use images::Reference;
pub use snapshot::Snapshot;
pub use spec::{Behaviour, DockerOptions, ImageSpec};
pub use state::Refusal;
use state::{Engine, NginxTest, State};

/// A running simulated engine. Dropping it stops it and all its containers.
#[derive(Debug)]
pub struct Docker {
    /// Address, journal and faults.
    pub server: Server,
    engine: Arc<Engine>,
}

impl Docker {
    /// Starts an engine with the networks of a fresh installation.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(options: DockerOptions) -> std::io::Result<Self> {
        let port = options.port;
        let engine = Engine::new(options);
        engine.lock().seed_networks();
        let server = serve(http::router(engine.clone()), port).await?;
        Ok(Self { server, engine })
    }

    /// Puts an image into the registry, where a pull finds it. The same reference with another id is a newer image.
    pub fn image(&self, spec: ImageSpec) {
        let full = Reference::parse(&spec.reference).full();
        self.engine.lock().registry.insert(full, spec);
    }

    /// As [`Docker::image`], and into the local store too; the same reference with another id is a local re-tag.
    /// Gives the image's id.
    pub fn load_image(&self, spec: ImageSpec) -> String {
        let reference = Reference::parse(&spec.reference);
        let mut state = self.engine.lock();
        state.registry.insert(reference.full(), spec.clone());
        state.store_image(&reference, spec)
    }

    /// Where a container's port really listens, while it runs and listens there. `host` is its address, its name, or
    /// an address of the engine's own machine (loopback, a network's gateway) for published ports.
    pub fn locate(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.engine.lock().locate(host, port)
    }

    /// As [`Docker::locate`], seen from within a container: a proxy reaches only what shares a network with it.
    pub fn locate_from(&self, container: &str, host: &str, port: u16) -> Option<SocketAddr> {
        let mut state = self.engine.lock();
        let from = state.find(container).ok()?;
        state.locate_from(from, host, port)
    }

    /// There is an nginx in a container: `nginx -t` there objects to what `test` says.
    pub fn nginx_in(&self, name: &str, test: impl Fn() -> Option<String> + Send + Sync + 'static) {
        self.engine.lock().nginxes.insert(name.to_owned(), NginxTest(Arc::new(test)));
    }

    /// How often a container's published ports moved to another network, each time cutting its open connections.
    pub fn port_moves(&self, name: &str) -> u64 {
        let state = self.engine.lock();
        state.find(name).map_or(0, |index| state.containers[index].port_moves)
    }

    /// What was copied into a container: target folder and tar archive, in order.
    pub fn uploads(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let state = self.engine.lock();
        state.find(name).map_or(Vec::new(), |index| state.containers[index].uploads.clone())
    }

    /// Somebody makes a network.
    ///
    /// # Errors
    /// What the engine would refuse.
    pub fn seed_network(&self, name: &str, subnet: &str) -> Result<String, Refusal> {
        let body = json!({"Name": name, "CheckDuplicate": true, "IPAM": {"Config": [{"Subnet": subnet}]}});
        let made = self.engine.lock().create_network(&map(body))?;
        Ok(made["Id"].as_str().unwrap_or_default().to_owned())
    }

    /// Somebody makes a volume.
    ///
    /// # Errors
    /// What the engine would refuse.
    pub fn seed_volume(&self, name: &str) -> Result<(), Refusal> {
        self.engine.lock().create_volume(&map(json!({"Name": name}))).map(drop)
    }

    /// Somebody runs a container on networks that are there: with the first (or the default bridge), then the others.
    ///
    /// # Errors
    /// What the engine would refuse.
    pub fn seed_container(&self, name: &str, image: &str, networks: &[&str]) -> Result<String, Refusal> {
        let mode = networks.first().copied().unwrap_or("default");
        let body = json!({
            "Image": image,
            "HostConfig": {"NetworkMode": mode, "RestartPolicy": {"Name": "unless-stopped"}},
        });
        let id = self.seed(name, body)?;
        for network in networks.iter().skip(1) {
            let body = json!({"Container": id});
            self.engine.lock().connect(network, &map(body))?;
        }
        Ok(id)
    }

    /// Somebody runs a container with this body of `/containers/create`; its image is pulled when it is missing.
    ///
    /// # Errors
    /// What the engine would refuse.
    pub fn seed(&self, name: &str, body: Value) -> Result<String, Refusal> {
        let mut state = self.engine.lock();
        let image = body["Image"].as_str().unwrap_or_default();
        if state.find_image(image).is_none() {
            state.pull(&Reference::parse(image), "")?;
        }
        let id = state.create(name, "", &map(body))?;
        state.start(&id)?;
        Ok(id)
    }

    /// `docker kill`: it stays dead, whatever its restart policy.
    ///
    /// # Errors
    /// There is none, or it does not run.
    pub fn kill(&self, name: &str) -> Result<(), Refusal> {
        self.engine.lock().kill(name, "KILL")
    }

    /// `docker stop`.
    ///
    /// # Errors
    /// There is none.
    pub fn stop(&self, name: &str) -> Result<(), Refusal> {
        self.engine.lock().stop(name).map(|_| ())
    }

    /// An event of a sort that this version of the API does not know, as engines get new ones.
    pub fn tell(&self, kind: &str, action: &str) {
        self.engine.lock().emit(kind, action, "somebody", serde_json::json!({}));
    }

    /// `docker start`.
    ///
    /// # Errors
    /// What the engine would refuse.
    pub fn start_container(&self, name: &str) -> Result<(), Refusal> {
        self.engine.lock().start(name).map(|_| ())
    }

    /// What an engine leaves that was killed while it started a container (20.10): every later start is refused.
    ///
    /// # Errors
    /// There is none.
    pub fn hold(&self, name: &str) -> Result<(), Refusal> {
        let mut state = self.engine.lock();
        let index = state.find(name)?;
        state.containers[index].is_held = true;
        Ok(())
    }

    /// `docker rm -f`.
    ///
    /// # Errors
    /// There is none.
    pub fn remove(&self, name: &str) -> Result<(), Refusal> {
        self.engine.lock().remove(name, true, false)
    }

    /// Its process ends by itself with code 1: the restart policy decides what follows.
    ///
    /// # Errors
    /// There is none, or it does not run.
    pub fn crash(&self, name: &str) -> Result<(), Refusal> {
        self.engine.lock().crash(name, 1)
    }

    /// Its process prints lines: `stream` is 1, or 2 for errors.
    ///
    /// # Errors
    /// There is none.
    pub fn print(&self, name: &str, stream: u8, text: &str) -> Result<(), Refusal> {
        let mut state = self.engine.lock();
        let index = state.find(name)?;
        let lines = text.split_inclusive('\n').map(|line| (stream, crate::clock::now(), line.to_owned()));
        state.containers[index].logs.extend(lines);
        state.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// `docker network disconnect`.
    ///
    /// # Errors
    /// What the engine would refuse.
    pub fn disconnect(&self, network: &str, container: &str) -> Result<(), Refusal> {
        let body = serde_json::json!({"Container": container});
        self.engine.lock().disconnect(network, body.as_object().unwrap_or(&serde_json::Map::new()))
    }

    /// `docker network rm`.
    ///
    /// # Errors
    /// What the engine would refuse.
    pub fn remove_network(&self, name: &str) -> Result<(), Refusal> {
        self.engine.lock().delete_network(name)
    }

    /// From now on (its next start, for exits) the container does something else.
    ///
    /// # Errors
    /// There is none.
    pub fn behave(&self, name: &str, behaviour: Behaviour) -> Result<(), Refusal> {
        let mut state = self.engine.lock();
        let index = state.find(name)?;
        state.containers[index].behaviour = behaviour;
        state.watch_health(index);
        Ok(())
    }

    /// Inspects of all containers, oldest first. Does not count as a look.
    pub fn containers(&self) -> Vec<Value> {
        let state = self.engine.lock();
        (0..state.containers.len()).map(|index| state.inspect(index)).collect()
    }

    /// Inspects of all networks.
    pub fn networks(&self) -> Vec<Value> {
        let state = self.engine.lock();
        (0..state.networks.len()).map(|index| state.show_network(index, true)).collect()
    }

    /// Inspects of all volumes, by name.
    pub fn volumes(&self) -> Vec<Value> {
        let state = self.engine.lock();
        state.volumes.keys().filter_map(|name| state.show_volume(name).ok()).collect()
    }

    /// Inspects of all local images.
    pub fn images(&self) -> Vec<Value> {
        self.engine.lock().images.iter().map(images::inspected).collect()
    }

    /// While true the engine is away: every request and every stream is cut. Its containers run on.
    pub fn down(&self, down: bool) {
        let mut state = self.engine.lock();
        state.down = down;
        if down {
            let _ = state.events.send(None);
        }
    }

    /// `systemctl restart docker`: streams end, all containers stop, and those that their policies keep come back.
    pub fn restart_engine(&self) {
        self.engine.lock().restart_engine();
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let mut state: std::sync::MutexGuard<'_, State> = self.engine.lock();
        state.down = true;
        let _ = state.events.send(None);
        for container in &mut state.containers {
            container.listener.0 = None;
        }
    }
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
