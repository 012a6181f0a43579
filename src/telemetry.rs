//! Logs: to stderr, with `AMARRE_LOG`, else `RUST_LOG`, as filter. Names and codes only; never a body, never a secret.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging; a second call does nothing.
pub fn start(json: bool) {
    let filter = EnvFilter::try_from_env("AMARRE_LOG").or_else(|_| EnvFilter::try_from_default_env());
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let filter = filter.and(filter_fn(is_without_bodies));
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(false);
    // Files and journals are read without a terminal.
    let layer = layer.with_ansi(std::io::stderr().is_terminal());
    // A line that cannot be written (a full disk) would be reported on stderr again, and end the task that logs.
    let layer = layer.log_internal_errors(false);
    let registry = tracing_subscriber::registry();
    let _ = if json {
        registry.with(layer.json().with_filter(filter)).try_init()
    } else {
        registry.with(layer.with_filter(filter)).try_init()
    };
}

/// Below `info`, libraries log what they send and read, the Docker client with every variable of a container. Only our
/// own lines go that far, whatever the filter says.
fn is_without_bodies(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || metadata.target().starts_with("amarre")
}
