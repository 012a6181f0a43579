//! Builds of images: the files that one is built from, and what is known of it while it runs and afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use amarre_core::model::Timestamp;
use amarre_core::model::build_log::BuildLog;

/// The files that an image is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildContext {
    /// Which repository, as its app names it.
    pub source: String,
    /// Which commit.
    pub commit: String,
    /// Which folder of it; empty = all of it.
    pub folder: String,
    /// The Dockerfile in it, which is sent whatever is left out.
    pub dockerfile: Option<String>,
    /// The folder in what is sent that holds the files; empty: they are at the top.
    pub below: String,
    /// One file at the top that is sent in the place of whatever is called so: its name, and its content.
    pub beside: Option<(String, Arc<[u8]>)>,
}

/// The pieces of a tar; an error ends it.
pub type ContextPieces = mpsc::Receiver<std::io::Result<axum::body::Bytes>>;

/// Hands out the files of apps.
pub trait OpenContexts: std::fmt::Debug + Send + Sync {
    /// Begins to send them. Ends where nobody takes them any more.
    fn open(&self, context: BuildContext) -> ContextPieces;

    /// The digests of the images that a service was built from before, by the names that Dockerfiles have for them.
    fn base_digests(&self, _service: &str) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// Where there are no apps.
#[derive(Debug, Clone, Copy)]
pub struct NoContexts;

impl OpenContexts for NoContexts {
    fn open(&self, _: BuildContext) -> ContextPieces {
        let (pieces, taken) = mpsc::channel(1);
        let _ = pieces.try_send(Err(std::io::Error::other("there are no apps here")));
        taken
    }
}

/// A build of an image, while it runs and afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedBuild {
    /// The service that it is for.
    pub service: String,
    pub image: String,
    pub began: Timestamp,
    /// When it ended, well or not.
    pub ended: Option<Timestamp>,
    pub log: BuildLog,
}

/// Builds of images, while they run and for a while afterwards.
pub trait WatchBuilds: Send + Sync {
    /// The latest build of an image, with what it has printed so far. `None`: nothing is known of it.
    fn build(&self, image: &str) -> Option<WatchedBuild>;

    /// The builds that have ended: images, and when each build began.
    fn ended_builds(&self) -> Vec<(String, Timestamp)>;

    /// Ends a build that runs. Whether there was one.
    fn cancel_build(&self, image: &str) -> bool;
}
