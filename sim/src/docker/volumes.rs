//! Named and anonymous volumes.

use serde_json::{Map, Value, json};

use super::state::{Answer, State, Volume, refuse, text};

impl State {
    /// `POST /volumes/create`: an existing name answers the existing volume, and tells of a create all the same.
    pub(super) fn create_volume(&mut self, body: &Map<String, Value>) -> Answer<Value> {
        let mut name = text(body, "Name").to_owned();
        if name.is_empty() {
            name = self.new_id("volume");
        }
        check_name(&name)?;
        let driver = match text(body, "Driver") {
            "" => "local",
            driver => driver,
        };
        if driver != "local" {
            return refuse(
                404,
                format!("create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"),
            );
        }
        let or_null = |key: &str| match body.get(key) {
            Some(Value::Object(map)) if !map.is_empty() => json!(map),
            Some(Value::Object(_)) if key == "Labels" => json!({}),
            _ => Value::Null,
        };
        self.volumes.entry(name.clone()).or_insert_with(|| Volume {
            created: crate::clock::now(),
            driver: driver.to_owned(),
            labels: or_null("Labels"),
            options: or_null("DriverOpts"),
        });
        self.emit("volume", "create", &name, json!({"driver": driver}));
        self.show_volume(&name)
    }

    pub(super) fn show_volume(&self, name: &str) -> Answer<Value> {
        let Some(volume) = self.volumes.get(name) else {
            return refuse(404, format!("get {name}: no such volume"));
        };
        // The local driver reads the time from the directory: no fraction of a second.
        let created = volume.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Ok(json!({
            "CreatedAt": created, "Driver": volume.driver, "Labels": volume.labels,
            "Mountpoint": format!("/var/lib/docker/volumes/{name}/_data"),
            "Name": name, "Options": volume.options, "Scope": "local",
        }))
    }

    pub(super) fn delete_volume(&mut self, name: &str, force: bool) -> Answer<()> {
        let Some(volume) = self.volumes.get(name) else {
            if force {
                return Ok(());
            }
            return refuse(404, format!("get {name}: no such volume"));
        };
        let driver = volume.driver.clone();
        let users = self.volume_users(name);
        if !users.is_empty() {
            let users = users.join(", ");
            return refuse(409, format!("remove {name}: volume is in use - [{users}]"));
        }
        self.volumes.remove(name);
        self.emit("volume", "destroy", name, json!({"driver": driver}));
        Ok(())
    }

    pub(super) fn volume_users(&self, name: &str) -> Vec<String> {
        let uses = |mounts: &[super::state::Mount]| mounts.iter().any(|mount| mount.volume.as_deref() == Some(name));
        let users = self.containers.iter().filter(|c| uses(&c.mounts));
        users.map(|container| container.id.clone()).collect()
    }
}

pub(super) fn check_name(name: &str) -> Answer<()> {
    if is_name(name) {
        return Ok(());
    }
    if name.len() == 1 {
        return refuse(
            400,
            format!("create {name}: volume name is too short, names should be at least two alphanumeric characters"),
        );
    }
    refuse(
        400,
        format!(
            "create {name}: \"{name}\" includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
        ),
    )
}

/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, the engine's rule for names of containers and volumes.
pub(super) fn is_name(name: &str) -> bool {
    let follows = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    name.len() > 1 && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && name.bytes().all(follows)
}
