//! The engine's lists, kept from look to look: while its events are heard, a list is read again once an event or a write of
//! Amarre may have changed it.
//!
//! | event | lists |
//! |---|---|
//! | of a container, other than of a command in it (each healthcheck is one) | containers |
//! | of a container at a network | containers |
//! | of a network | networks |
//! | of a volume, other than of its use | volumes |
//! | of an image | images, containers, which show names of images |

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bollard::models::{ContainerSummary, EventMessage, EventMessageTypeEnum, ImageSummary, Network, Volume};

use super::answer_limit::Meter;
use super::api::EngineApi;
use crate::providers::ProviderError;
use crate::providers::kept_reading::KeptReading;
use crate::providers::rows::Listed;
use amarre_core::model::{Kind, Timestamp};

/// The four lists as they were read last.
#[derive(Debug, Default)]
pub struct Lists {
    containers: KeptReading<Listed<ContainerSummary>>,
    networks: KeptReading<Listed<Network>>,
    volumes: KeptReading<Listed<Volume>>,
    images: KeptReading<Listed<ImageSummary>>,
    /// Of the stream of events, which has it for as long as it is listened to.
    events: Mutex<Weak<Meter>>,
}

/// What one look reads.
pub struct EngineLists {
    /// Running or not.
    pub containers: Arc<Listed<ContainerSummary>>,
    /// Also those that are not Amarre's.
    pub networks: Arc<Listed<Network>>,
    /// Also those that are not Amarre's.
    pub volumes: Arc<Listed<Volume>>,
    /// Those with a name.
    pub images: Arc<Listed<ImageSummary>>,
}

impl EngineLists {
    /// When the engine started: it makes its default bridge anew each time, unless its containers ran on meanwhile.
    pub fn started(&self) -> Option<Timestamp> {
        let bridge = self.networks.each().find(|network| network.name.as_deref() == Some("bridge"))?;
        Timestamp::parse(bridge.created.as_deref()?)
    }
}

impl Lists {
    /// All four. `reuse`: the last ones will do.
    ///
    /// # Errors
    /// The engine does not give one of them.
    pub async fn read(&self, api: &EngineApi, reuse: bool) -> Result<EngineLists, ProviderError> {
        let is_told = || self.are_events_heard();
        let (containers, networks, volumes, images) = tokio::try_join!(
            self.containers.read(reuse, is_told, api.containers()),
            self.networks.read(reuse, is_told, api.networks()),
            self.volumes.read(reuse, is_told, api.volumes()),
            self.images.read(reuse, is_told, api.images()),
        )?;
        Ok(EngineLists { containers, networks, volumes, images })
    }

    /// A stream of events begins: it is heard once its answer arrives.
    pub fn events_begin(&self, stream: &Arc<Meter>) {
        *self.events.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(stream);
    }

    /// The stream has ended: from now on nothing is told.
    pub fn events_end(&self) {
        *self.events.lock().unwrap_or_else(PoisonError::into_inner) = Weak::new();
        self.forget_all();
    }

    fn are_events_heard(&self) -> bool {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.upgrade().is_some_and(|stream| stream.has_begun())
    }

    /// Forgets what an event may have changed.
    pub fn note_event(&self, event: &EventMessage) {
        match event.typ {
            Some(EventMessageTypeEnum::CONTAINER) => {
                if !event.action.as_deref().unwrap_or_default().starts_with("exec_") {
                    self.containers.forget();
                }
            }
            Some(EventMessageTypeEnum::NETWORK) => match event.action.as_deref() {
                Some("connect" | "disconnect") => self.containers.forget(),
                Some(_) | None => self.networks.forget(),
            },
            Some(EventMessageTypeEnum::VOLUME) => match event.action.as_deref() {
                Some("mount" | "unmount") => (),
                Some(_) | None => self.volumes.forget(),
            },
            Some(EventMessageTypeEnum::IMAGE) => self.written(Kind::Image),
            Some(_) | None => self.forget_all(),
        }
    }

    /// Forgets what a write to a resource of this kind may have changed: the engine's events of it may come later.
    pub fn written(&self, kind: Kind) {
        // A container has volumes that its image declares, and shows the name of that image.
        let is_any = |kinds: &[Kind]| kinds.contains(&kind);
        if is_any(&[Kind::Container, Kind::Attachment, Kind::Image]) {
            self.containers.forget();
        }
        if is_any(&[Kind::Container, Kind::Volume]) {
            self.volumes.forget();
        }
        if kind == Kind::Network {
            self.networks.forget();
        }
        if kind == Kind::Image {
            self.images.forget();
        }
    }

    fn forget_all(&self) {
        self.containers.forget();
        self.networks.forget();
        self.volumes.forget();
        self.images.forget();
    }
}
