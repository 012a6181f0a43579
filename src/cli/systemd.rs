//! Notifies systemd (`Type=notify`): datagrams to the socket that `NOTIFY_SOCKET` names. Without one, does nothing.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::engine::reconcile::daemon::Handle;

/// Sends messages to systemd, if it listens.
#[derive(Debug, Clone)]
pub struct Notifier {
    socket: Option<Arc<UnixDatagram>>,
    /// The watchdog's interval.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// From the environment.
    pub fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|path| connect(path.as_bytes()).ok());
        let text = |name: &str| std::env::var_os(name)?.into_string().ok();
        // The variable may be inherited from another service.
        let is_ours = text("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let span = text("WATCHDOG_USEC").filter(|_| is_ours).and_then(|text| text.parse().ok());
        Self { socket: socket.map(Arc::new), watchdog: span.map(Duration::from_micros) }
    }

    /// Sends one message; a missing listener is no error.
    pub fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(message.as_bytes());
        }
    }

    /// The configuration is being read again. systemd wants its time, by the machine's monotonic clock.
    pub fn reloading(&self) {
        let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
    }

    /// Feeds the watchdog as long as the loop runs passes: systemd restarts a loop that hangs.
    pub async fn watchdog(self, mut handle: Handle) {
        let Some(span) = self.watchdog.filter(|_| self.socket.is_some()) else { return };
        while handle.changed().await {
            self.send("WATCHDOG=1");
            // A quarter: of the rest, the loop may use most.
            tokio::time::sleep(span / 4).await;
        }
    }
}

/// A path, or with a leading `@` a name without a file.
fn connect(path: &[u8]) -> std::io::Result<UnixDatagram> {
    let address = match path.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}
