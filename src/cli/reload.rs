//! SIGHUP: reads the configuration again, fetches the source, and runs a pass.
//!
//! A configuration that cannot be used changes nothing: the previous one stays, and log and status report why. Settings
//! that need a restart are named; all others become effective.

use super::CommandFailure;
use super::build_engine;
use super::simulated::SimulatedWorld;
use super::systemd::Notifier;
use crate::config::Config;
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::{ConfigProblem, EngineSettings};
use amarre_core::model::Code;

/// Waits for SIGHUP, again and again.
pub async fn reload_on_hangup(handle: Handle, started: Config, world: SimulatedWorld, notifier: Notifier) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        notifier.reloading();
        let command = match read_again(&started, &world).await {
            Ok((settings, trouble)) => {
                match &trouble {
                    Some(trouble) => tracing::warn!(code = %trouble.code, "{}", trouble.message),
                    None => tracing::info!("{} was read again and is in force", started.path.display()),
                }
                LoopCommand::Reconfigure { settings: Some(Box::new(settings)), trouble }
            }
            Err(failure) => {
                let code = failure.code.unwrap_or(Code::A0201);
                tracing::error!(%code, "{}; the configuration before stays in force", failure.message);
                let trouble = ConfigProblem { code, message: failure.message };
                LoopCommand::Reconfigure { settings: None, trouble: Some(trouble) }
            }
        };
        handle.fetch().await;
        let is_gone = handle.request(command).await.is_none();
        notifier.send("READY=1");
        if is_gone {
            return;
        }
    }
}

/// The settings of the file as it is now, and those that have to wait for a restart.
async fn read_again(
    started: &Config,
    world: &SimulatedWorld,
) -> Result<(EngineSettings, Option<ConfigProblem>), CommandFailure> {
    let fresh = Config::load(Some(&started.path))?;
    if fresh.site.instance != started.site.instance {
        let message = format!(
            "`instance` cannot change from {} to {} while Amarre runs: it is the mark on everything",
            started.site.instance, fresh.site.instance
        );
        return Err(CommandFailure::new(Code::A0222, message, "put it back, or restart the daemon"));
    }
    if fresh.site.simulated != started.site.simulated {
        let message = "what is simulated cannot change while Amarre runs";
        return Err(CommandFailure::new(Code::A0222, message, "put it back, or restart the daemon"));
    }
    let waits = [
        (fresh.site.domains != started.site.domains && world.has_zones(), "domains"),
        (fresh.state != started.state, "state"),
        (fresh.server != started.server, "server"),
        (fresh.notifications != started.notifications, "notifications"),
        (fresh.heartbeat != started.heartbeat, "reconcile.heartbeat"),
        (build_engine::source(&fresh).to_string() != build_engine::source(started).to_string(), "source"),
    ];
    let names: Vec<String> = waits.iter().filter(|(waits, _)| *waits).map(|(_, name)| format!("`{name}`")).collect();
    let trouble = (!names.is_empty()).then(|| ConfigProblem {
        code: Code::A0222,
        message: format!("{} changes with a restart only; all else of the configuration is in force", names.join(", ")),
    });
    // The key stands beside the ledger, which does not move.
    let mut kept = Config { state: started.state.clone(), ..fresh }.with_startup_settings(started);
    if world.has_zones() {
        kept.site.domains.clone_from(&started.site.domains);
    }
    let known = build_engine::with_known(kept).await;
    let kept = known.map_err(|error| CommandFailure::new(Code::A0903, error.to_string(), "send SIGHUP again"))?;
    Ok((build_engine::settings(&world.fill(kept))?, trouble))
}
