//! Logs: to stderr, with `AMARRE_LOG`, else `RUST_LOG`, as filter. Names and codes only; never a body, never a secret.

use tracing_subscriber::EnvFilter;

/// Starts logging; a second call does nothing.
pub fn start(json: bool) {
    let filter = EnvFilter::try_from_env("AMARRE_LOG").or_else(|_| EnvFilter::try_from_default_env());
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A line that cannot be written (a full disk) would be reported on stderr again, and end the task that logs.
    let builder = builder.log_internal_errors(false);
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
