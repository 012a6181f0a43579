//! SIGHUP: the configuration is read again, the source is asked, and everything is looked at.
//!
//! A configuration that cannot be used changes nothing: the one before stays, and log and status say why. What
//! cannot change while running is named; all else is in force.

use super::Failure;
use super::build_engine;
use super::simulated::World;
use super::systemd::Notifier;
use crate::config::Config;
use crate::engine::reconcile::daemon::{Command, Handle};
use crate::engine::{ConfigTrouble, Settings};

/// Waits for SIGHUP, again and again.
pub async fn when_told(handle: Handle, (started, world): (Config, World), notifier: Notifier) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        notifier.reloading();
        let command = match read_again(&started, &world).await {
            Ok((settings, trouble)) => {
                match &trouble {
                    Some(trouble) => tracing::warn!(code = trouble.code, "{}", trouble.message),
                    None => tracing::info!("{} was read again and is in force", started.path.display()),
                }
                Command::Reconfigure { settings: Some(Box::new(settings)), trouble }
            }
            Err(failure) => {
                tracing::error!(code = failure.code, "{}; the configuration before stays in force", failure.message);
                let trouble = ConfigTrouble { code: failure.code, message: failure.message };
                Command::Reconfigure { settings: None, trouble: Some(trouble) }
            }
        };
        handle.fetch().await;
        let is_gone = handle.ask(command).await.is_none();
        notifier.send("READY=1");
        if is_gone {
            return;
        }
    }
}

/// The settings of the file as it is now, and what of it has to wait for a restart.
async fn read_again(started: &Config, world: &World) -> Result<(Settings, Option<ConfigTrouble>), Failure> {
    let fresh = Config::load(Some(&started.path))?;
    if fresh.site.instance != started.site.instance {
        let message = format!(
            "`instance` cannot change from {} to {} while Amarre runs: it is the mark on everything",
            started.site.instance, fresh.site.instance
        );
        return Err(Failure::new("A0222", message, "put it back, or restart the daemon"));
    }
    if fresh.site.simulated != started.site.simulated {
        let message = "what is simulated cannot change while Amarre runs";
        return Err(Failure::new("A0222", message, "put it back, or restart the daemon"));
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
    let trouble = (!names.is_empty()).then(|| ConfigTrouble {
        code: "A0222".to_owned(),
        message: format!("{} changes with a restart only; all else of the configuration is in force", names.join(", ")),
    });
    // The key stands beside the ledger, which stays where it was.
    let mut kept = Config { state: started.state.clone(), ..fresh }.beside(started);
    if world.has_zones() {
        kept.site.domains.clone_from(&started.site.domains);
    }
    let known = build_engine::with_known(kept).await;
    let kept = known.map_err(|error| Failure::new("A0903", error.to_string(), "send SIGHUP again"))?;
    Ok((build_engine::settings(&world.fill(kept))?, trouble))
}
