//! Inspections of our containers, kept from look to look until something says that one of them is out of date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, EventMessage, EventMessageTypeEnum, HealthStatusEnum,
};
use futures_util::StreamExt;

use super::answer_limit::TOO_LARGE;
use super::answers;
use super::answers::{AnswerReader, LABEL_SERVICE};
use super::api::EngineApi;
use super::attachment_parts;
use crate::providers::ProviderError;
use amarre_core::model::{Address, Change, Kind, Seen};

/// Inspections in flight at once: enough to hide latency, few enough to be a good guest.
pub const IN_FLIGHT: usize = 8;

/// What is known of each container, by its id.
#[derive(Debug, Default, Clone)]
pub struct Inspects(Arc<Mutex<CachedInspect>>);

#[derive(Debug, Default)]
struct CachedInspect {
    inspected: BTreeMap<String, Inspected>,
    /// What was changed while containers were being inspected: those answers are not kept.
    changed: Vec<Changed>,
}

/// What became of one inspection, by the container's id; nothing where that is gone.
type Answered = Result<Option<(String, Inspected)>, (String, ProviderError)>;

/// An inspection and the line of the list that it belongs to.
#[derive(Debug, Clone)]
struct Inspected {
    line: String,
    container: Arc<InspectedContainer>,
}

/// A container as the engine describes it, and as the product spells that.
#[derive(Debug)]
pub struct InspectedContainer {
    /// The engine's answer.
    pub inspect: ContainerInspectResponse,
    read: OnceLock<Option<(Address, Seen)>>,
}

impl InspectedContainer {
    /// What the answer says, as of when it was first read; `None`: its labels do not say which container it is.
    pub fn read(&self, reader: &AnswerReader) -> Option<&(Address, Seen)> {
        self.read.get_or_init(|| reader.container(&self.inspect)).as_ref()
    }
}

#[derive(Debug)]
enum Changed {
    All,
    Id(String),
    /// All of a service's: what is written to one may show in those that it is reached by, or that it replaces.
    Service(String),
    /// By its name on the engine.
    Name(String),
}

impl Changed {
    fn is(&self, id: &str, inspected: &Inspected) -> bool {
        match self {
            Self::All => true,
            Self::Id(changed) => id == changed,
            Self::Service(service) => {
                let config = inspected.container.inspect.config.as_ref();
                let labels = config.and_then(|config| config.labels.as_ref());
                labels.and_then(|labels| labels.get(LABEL_SERVICE)) == Some(service)
            }
            Self::Name(name) => {
                let named = inspected.container.inspect.name.as_deref().unwrap_or_default();
                named.trim_start_matches('/') == name
            }
        }
    }
}

impl Inspects {
    /// Inspections of these; one whose line in the list did not change, and of which no event told, is not asked again.
    /// Also the ids of those of which more is told than is taken.
    pub async fn of(
        &self,
        api: &EngineApi,
        own: &[&ContainerSummary],
    ) -> Result<(Vec<Arc<InspectedContainer>>, BTreeSet<String>), ProviderError> {
        let asks: Vec<(String, String, Option<Inspected>)> = {
            let mut known = self.known();
            known.changed.clear();
            let ask = |summary: &&ContainerSummary| {
                let (id, line) = (summary.id.clone().unwrap_or_default(), line(summary));
                let inspected = known.inspected.get(&id).filter(|inspected| inspected.line == line).cloned();
                (id, line, inspected)
            };
            own.iter().map(ask).collect()
        };
        let looks = asks.into_iter().map(|(id, line, known)| {
            let api = api.clone();
            async move {
                if let Some(inspected) = known {
                    return Ok(Some((id, inspected)));
                }
                let inspected = |inspect| {
                    let inspect = without_unread(inspect);
                    let container = Arc::new(InspectedContainer { inspect, read: OnceLock::new() });
                    (id.clone(), Inspected { line, container })
                };
                match api.container(&id).await {
                    Ok(inspect) => Ok(inspect.map(inspected)),
                    Err(error) => Err((id, error)),
                }
            }
        });
        let looks: Vec<Answered> = futures_util::stream::iter(looks).buffer_unordered(IN_FLIGHT).collect().await;
        let (mut fresh, mut unread) = (BTreeMap::new(), BTreeSet::new());
        for look in looks {
            match look {
                Ok(look) => fresh.extend(look),
                Err((id, error)) if error.code == TOO_LARGE => _ = unread.insert(id),
                Err((_, error)) => return Err(error),
            }
        }
        let inspects = fresh.values().map(|inspected| inspected.container.clone()).collect();
        let mut known = self.known();
        let CachedInspect { inspected, changed } = &mut *known;
        // What still moves (starting, unhealthy) has more to tell than its line in the list.
        fresh.retain(|id, inspected| {
            is_settled(&inspected.container.inspect) && !changed.iter().any(|changed| changed.is(id, inspected))
        });
        *inspected = fresh;
        Ok((inspects, unread))
    }

    /// Whether an event may have changed what we look at; if so, what it is about is inspected again.
    pub fn note_event(&self, event: &EventMessage) -> bool {
        if !matters(event) {
            return false;
        }
        let actor = event.actor.as_ref();
        let attribute = |name: &str| actor.and_then(|actor| actor.attributes.as_ref()?.get(name).cloned());
        let changed = match event.typ {
            Some(EventMessageTypeEnum::CONTAINER) => actor.and_then(|actor| actor.id.clone()),
            Some(EventMessageTypeEnum::NETWORK) => attribute("container"),
            // Neither shows in a container that is there.
            Some(EventMessageTypeEnum::VOLUME | EventMessageTypeEnum::IMAGE) => return true,
            Some(_) | None => {
                self.forget(Changed::All);
                return true;
            }
        };
        if let Some(id) = changed {
            self.forget(Changed::Id(id));
        }
        true
    }

    /// Something was written, or may have been: not all that changes of a container shows in the list.
    pub fn written(&self, change: &Change) {
        let address = &change.address;
        if address.kind == Kind::Container {
            self.forget(Changed::Service(change.service.clone()));
        } else if address.kind == Kind::Attachment
            && let Ok((_, container)) = attachment_parts(&address.name)
        {
            self.forget(Changed::Name(container.to_owned()));
        }
    }

    /// Something was done to one container, or may have been.
    pub fn acted_on(&self, id: &str) {
        self.forget(Changed::Id(id.to_owned()));
    }

    /// Nobody knows what was changed.
    pub fn forget_all(&self) {
        self.forget(Changed::All);
    }

    fn forget(&self, changed: Changed) {
        let mut known = self.known();
        known.inspected.retain(|id, inspected| !changed.is(id, inspected));
        known.changed.push(changed);
    }

    fn known(&self) -> MutexGuard<'_, CachedInspect> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every healthcheck is an `exec_*`; a signal alone (`kill`) changes nothing, and one that ends a container is followed
/// by `die`.
fn matters(event: &EventMessage) -> bool {
    let action = event.action.as_deref().unwrap_or_default();
    let word = action.split(':').next().unwrap_or_default();
    matches!(
        word,
        "create"
            | "start"
            | "die"
            | "stop"
            | "destroy"
            | "rename"
            | "update"
            | "health_status"
            | "connect"
            | "disconnect"
            | "remove"
            | "delete"
            | "tag"
            | "untag"
            | "oom"
    )
}

/// What the list says of a container; uptime texts change all the time and are left out.
fn line(summary: &ContainerSummary) -> String {
    let status = summary.status.as_deref().unwrap_or_default();
    let health = status.rsplit_once('(').map_or("", |(_, health)| health);
    format!("{:?}|{health}|{}|{:?}", summary.state, answers::summary_name(summary), answers::summary_networks(summary))
}

/// The answer without its larger parts that nothing asks for: an inspection is kept for as long as its container. Of the
/// last five results of a healthcheck, which may have 4 KiB each, the last is shown.
fn without_unread(mut inspect: ContainerInspectResponse) -> ContainerInspectResponse {
    if let Some(host) = &mut inspect.host_config {
        (host.masked_paths, host.readonly_paths) = (None, None);
    }
    if let Some(log) = inspect.state.as_mut().and_then(|state| state.health.as_mut()?.log.as_mut()) {
        *log = log.pop().into_iter().collect();
    }
    if let Some(settings) = &mut inspect.network_settings {
        (settings.ports, settings.sandbox_id, settings.sandbox_key) = (None, None, None);
    }
    ContainerInspectResponse {
        path: None,
        args: None,
        resolv_conf_path: None,
        hostname_path: None,
        hosts_path: None,
        log_path: None,
        graph_driver: None,
        ..inspect
    }
}

fn is_settled(inspect: &ContainerInspectResponse) -> bool {
    let state = inspect.state.as_ref();
    let health = state.and_then(|state| state.health.as_ref()).and_then(|health| health.status);
    let calm = matches!(health, None | Some(HealthStatusEnum::HEALTHY | HealthStatusEnum::NONE));
    calm && state.is_some_and(|state| state.running.unwrap_or_default())
}
