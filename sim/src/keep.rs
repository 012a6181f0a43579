//! What a simulator knows, kept in a file from one start to the next: test mode has no other memory.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What was kept; `None`: nothing yet.
///
/// # Errors
/// The file cannot be read, or is not what a simulator wrote.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> std::io::Result<Option<T>> {
    let named = |why: &dyn std::fmt::Display| std::io::Error::other(format!("{}: {why}", path.display()));
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|why| named(&why)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(&error)),
    }
}

/// Keeps what `state` gives after each call that changed it, before that call is answered. A file that cannot be written
/// makes the answer a 500: what is not kept did not happen. Who changes nothing writes nothing: another process may have
/// the file.
pub(crate) fn kept<T: Serialize>(
    router: Router,
    path: Option<PathBuf>,
    state: impl Fn() -> T + Send + Sync + 'static,
) -> Router {
    let Some(path) = path else { return router };
    // What is newer is written later.
    let last = Mutex::new(serde_json::to_vec(&state()).unwrap_or_default());
    let keep: Keep = Arc::new(move || {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = serde_json::to_vec(&state())?;
        if *last != now {
            write(&path, &now)?;
            *last = now;
        }
        Ok(())
    });
    router.layer(middleware::from_fn_with_state(keep, keeping))
}

type Keep = Arc<dyn Fn() -> std::io::Result<()> + Send + Sync>;

async fn keeping(State(keep): State<Keep>, request: Request, next: Next) -> Response {
    let reads = request.method() == Method::GET;
    let answer = next.run(request).await;
    if reads || keep().is_ok() { answer } else { StatusCode::INTERNAL_SERVER_ERROR.into_response() }
}

/// Whole, or as it was before. For its owner only: NPM's rows have passwords in them.
fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
