//! `PUT /containers/{id}/archive`: files copied into a container, kept for tests to look at.

use std::path::Path;

use serde_json::json;

use super::state::{Answer, State, refuse};

impl State {
    pub(super) fn upload(&mut self, term: &str, path: &str, archive: &[u8]) -> Answer<()> {
        let index = self.find(term)?;
        let container = &mut self.containers[index];
        if path.is_empty() {
            // The engine's own missing space.
            return refuse(400, "bad parameter: pathcannot be empty");
        }
        let in_volume = container.mounts.iter().any(|mount| {
            let target = mount.shown["Destination"].as_str().unwrap_or("/");
            mount.shown["RW"] == json!(true) && Path::new(path).starts_with(target)
        });
        if container.host.get("ReadonlyRootfs") == Some(&json!(true)) && !in_volume {
            return refuse(500, "container rootfs is marked read-only");
        }
        container.uploads.push((path.to_owned(), archive.to_vec()));
        Ok(())
    }
}
