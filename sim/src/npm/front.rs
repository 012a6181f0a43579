//! A real nginx in place of the simulated proxy: given the files that NPM would write, tested and reloaded as NPM does it.
//!
//! Proxy hosts without TLS, access list and locations, which is what has been needed. Any other host has no file there.

use super::site::{Action, Site};

/// What runs the nginx. Asked while the simulator's state is locked, so that writes come one after the other, and may
/// take as long as a real nginx takes.
pub trait Front: Send + Sync {
    /// Writes the file of a host anew, or takes it away.
    fn write(&self, name: &str, text: Option<&str>);

    /// `nginx -t`.
    ///
    /// # Errors
    /// What nginx says when it refuses the files.
    fn test(&self) -> Result<(), String>;

    /// `nginx -s reload`, which returns when the signal is sent: what is served changes some time later.
    fn reload(&self);
}

/// The name of a host's file.
pub(super) fn name(site_id: u64) -> String {
    format!("{site_id}.conf")
}

/// The file of a host. The name of the upstream stands in a variable, so that it is looked up for each request.
pub(super) fn text(site: &Site) -> Option<String> {
    let plain = site.certificate.is_none() && site.access.is_none();
    let Action::Forward(forward) = &site.action else { return None };
    if !plain || !forward.locations.is_empty() {
        return None;
    }
    let names = site.names.join(" ");
    let (scheme, host, port) = (&forward.upstream.scheme, &forward.upstream.host, forward.upstream.port);
    let upgrade = if forward.websockets {
        "  proxy_set_header Upgrade $http_upgrade;\n  proxy_set_header Connection $http_connection;\n"
    } else {
        ""
    };
    let advanced = &site.advanced_config;
    let own = if site.has_own_root { "  location / {\n    include /etc/nginx/proxy.conf;\n  }\n" } else { "" };
    Some(format!(
        "server {{\n  set $forward_scheme {scheme};\n  set $server \"{host}\";\n  set $port {port};\n  \
         listen 80;\n  server_name {names};\n  proxy_http_version 1.1;\n{upgrade}{advanced}\n{own}}}\n"
    ))
}
