//! `amarre`: parse, run a command, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Without it the HTTP client has no TLS to speak.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(Box::pin(amarre::cli::run())),
        Err(_) => ExitCode::FAILURE,
    }
}
