//! What a running container serves: one loopback listener each, and who may reach it under which address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};

use axum::http::StatusCode;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::spec::Behaviour;
use super::state::{Answer, Container, Engine, Listener, Refusal, State, Status};

/// Starts the listener of a container that is about to run.
pub(super) fn listen(state: &State, id: &str) -> Answer<Listener> {
    let broken =
        |error: std::io::Error| Refusal { status: 500, message: format!("the simulator cannot listen: {error}") };
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(broken)?;
    listener.set_nonblocking(true).map_err(broken)?;
    let address = listener.local_addr().map_err(broken)?;
    let _entered = state.handle.enter();
    let listener = TcpListener::from_std(listener).map_err(broken)?;
    let cut = Arc::new(Notify::new());
    let serving = serve(listener, state.engine.clone(), id.to_owned(), cut.clone());
    let task = state.handle.spawn(serving);
    Ok(Listener { address, task: task.abort_handle(), cut })
}

/// Connections belong to this task, so that aborting it cuts them all, as a dying container does.
async fn serve(listener: TcpListener, engine: Weak<Engine>, id: String, cut: Arc<Notify>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => return,
            },
            () = cut.notified() => {
                connections.abort_all();
                continue;
            }
        };
        let (engine, id) = (engine.clone(), id.clone());
        connections.spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let response = respond(&engine, &id, &request);
                async move { Ok::<_, std::convert::Infallible>(response) }
            });
            // An error ends this connection only.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

fn respond(engine: &Weak<Engine>, id: &str, request: &Request<Incoming>) -> Response<String> {
    let mut response = Response::new(String::new());
    let Some(engine) = engine.upgrade() else {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    };
    let state = engine.lock();
    let Some(container) = state.containers.iter().find(|container| container.id == id) else {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    };
    if container.behaviour == Behaviour::Unhealthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let header = |name: &str| {
        let value = request.headers().get(name);
        value.map_or("-", |value| value.to_str().unwrap_or("?"))
    };
    let config = |key: &str| container.config.get(key).and_then(Value::as_str).unwrap_or("-");
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *response.body_mut() = format!(
        "container: {}\nimage: {}\nhostname: {}\npath: {path}\nhost: {}\nx-forwarded-for: {}\nx-forwarded-proto: {}\n",
        container.name,
        config("Image"),
        config("Hostname"),
        header("host"),
        header("x-forwarded-for"),
        header("x-forwarded-proto"),
    );
    let plain = axum::http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert("content-type", plain);
    response
}

impl State {
    /// The listener behind `host:port` as seen from the machine itself.
    pub(super) fn locate(&mut self, host: &str, port: u16) -> Option<SocketAddr> {
        let found = if self.is_own_address(host) {
            self.behind_published(host, port)
        } else {
            self.containers
                .iter()
                .position(|container| named(container, host) || holds(container, host.parse().ok()).is_some())
                .map(|index| (index, port))
        };
        let (index, port) = found?;
        self.knock(index, port)
    }

    /// As [`State::locate`], from within a container: only over a network that both are on.
    pub(super) fn locate_from(&mut self, from: usize, host: &str, port: u16) -> Option<SocketAddr> {
        let own = &self.containers[from];
        if own.network_mode() == "host" {
            return self.locate(host, port);
        }
        if matches!(host, "localhost" | "127.0.0.1" | "::1") || named(own, host) {
            return self.knock(from, port);
        }
        let address: Option<Ipv4Addr> = host.parse().ok();
        let mine: Vec<String> = live(own).map(|(_, on)| on.network_id.clone()).collect();
        let gateways = live(own).filter_map(|(_, on)| on.gateway);
        if gateways.into_iter().any(|gateway| Some(gateway) == address) {
            let (index, port) = self.behind_published(host, port)?;
            return self.knock(index, port);
        }
        let index = self.containers.iter().position(|container| {
            live(container).any(|(network, on)| {
                let by_name = network != "bridge" && named(container, host);
                mine.contains(&on.network_id) && (by_name || (on.address.is_some() && on.address == address))
            })
        })?;
        self.knock(index, port)
    }

    /// One try to reach a container's port.
    fn knock(&mut self, index: usize, port: u16) -> Option<SocketAddr> {
        let container = &mut self.containers[index];
        if container.status != Status::Running {
            return None;
        }
        container.looks = container.looks.saturating_add(1);
        if let Behaviour::SlowStart(after) = container.behaviour
            && container.looks < after
        {
            return None;
        }
        let listens = container.ports.is_empty() || container.ports.contains(&port);
        container.listener.0.as_ref().filter(|_| listens).map(|listener| listener.address)
    }

    fn is_own_address(&self, host: &str) -> bool {
        let gateway: Option<Ipv4Addr> = host.parse().ok();
        matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0" | "::1" | "::")
            || (gateway.is_some() && self.networks.iter().any(|network| network.gateway == gateway))
    }

    /// A published port, else one of a container with the host's own network.
    fn behind_published(&self, host: &str, port: u16) -> Option<(usize, u16)> {
        let any = matches!(host, "0.0.0.0" | "::" | "localhost");
        for (index, container) in self.containers.iter().enumerate() {
            let hit = container.published.iter().find(|published| {
                let here = any || published.host_ip == "0.0.0.0" || published.host_ip == host;
                published.protocol == "tcp" && published.host_port == port && here
            });
            if let Some(published) = hit {
                return Some((index, published.port));
            }
        }
        let shares = |container: &Container| {
            container.status == Status::Running
                && container.network_mode() == "host"
                && (container.ports.is_empty() || container.ports.contains(&port))
        };
        self.containers.iter().position(shares).map(|index| (index, port))
    }
}

fn live(container: &Container) -> impl Iterator<Item = (&str, &super::state::Endpoint)> {
    let on = container.networks.iter().filter(|(_, on)| !on.endpoint_id.is_empty());
    on.map(|(name, endpoint)| (name.as_str(), endpoint))
}

fn holds(container: &Container, address: Option<Ipv4Addr>) -> Option<&super::state::Endpoint> {
    live(container).map(|(_, on)| on).find(|on| on.address.is_some() && on.address == address)
}

/// By its name, its short id or an alias.
fn named(container: &Container, name: &str) -> bool {
    let aliases = live(container).filter_map(|(_, on)| on.aliases.as_ref()).flatten();
    let mut aliases = aliases.into_iter();
    live(container).next().is_some() && (container.name == name || aliases.any(|alias| alias == name))
}
