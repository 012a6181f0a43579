//! Making, renaming, resizing and deleting servers at Kamatera. A create answers with commands and never with the server: its
//! command says the name that the server came to have, and the list shows the server minutes later.

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::api::Trouble;
use super::observe_made::{ById, begun, still_there};
use super::wire::{SizeParts, WireServerDetails};
use super::{KamateraProvider, gone};
use crate::providers::servers::{self, ServerVendor};
use crate::providers::{Class, ProviderError};
use amarre_core::model::{Address, Code, Fields, Text};
use amarre_core::text;

/// What the proxy itself says of an image or a place that does not exist, before it asks anybody to make anything.
const REFUSED_AT_ONCE: [&str; 3] = ["failed to find disk image ID", "Invalid datacenter", "image of datacenter"];

/// Has the vendor make a password. Its answer carries it, and it is thrown away.
const GENERATED: &str = "__generate__";

impl KamateraProvider {
    /// The tag of every server of this instance of Amarre.
    fn tag(&self) -> String {
        format!("amarre-{}", self.instance)
    }

    /// Begins a command on a server that changes its name, size or being, and notes it.
    async fn begin(&self, id: &str, path: &str, body: Json, doing: &Text) -> Result<(), ProviderError> {
        self.memory().acts(id, None);
        self.memory().forget_details(id);
        let (line, came) = self.api.begin(path, body).await;
        self.exchanges.note(self.log_address(id), &line);
        if !matches!(&came, Err(trouble) if trouble.is_unclear()) {
            self.memory().answered(id, came.as_ref().ok().cloned());
        }
        came.map(drop).map_err(|trouble| trouble.into_error(doing, true))
    }

    /// Makes another server with what is on the disks of one. Empty fields are the source's.
    pub(super) async fn clone_of(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let doing = text!("could not make {name}", name);
        if !self.find(name, &Fields::default()).await?.is_empty() {
            let message = text!("{doing}: there is one of this name", doing);
            return Err(servers::refused(message, "take another name"));
        }
        let empty =
            ["datacenter", "image", "cpu", "ram", "disk", "network", "monthlypackage", "script-file", "userdata-file"];
        let mut body = json!({
            "source-id": id, "name": name, "password": GENERATED, "passwordValidate": GENERATED, "ssh-key": "", "dailybackup": "no",
            "managed": "no", "quantity": "1", "billingcycle": "hourly", "poweronaftercreate": "yes", "tag": "",
        });
        if let Some(body) = body.as_object_mut() {
            body.extend(empty.into_iter().map(|field| (field.to_owned(), json!(""))));
        }
        self.begin(id, "/service/cloneServer", body, &doing).await
    }

    /// Takes a snapshot of this name.
    pub(super) async fn snapshot(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let doing = text!("could not take a snapshot of server {id}", id);
        self.begin(id, "/server/snapshot", json!({"id": id, "create": name}), &doing).await
    }

    /// Deletes one that Amarre did not make, if list and details both call it what a person typed.
    pub(super) async fn delete_named(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let doing = text!("could not read server {id} before deleting it", id);
        let listed = self.api.servers().await.map_err(|trouble| trouble.into_error(&doing, false))?;
        let listed = listed.iter().find(|server| server.id == id).map(|server| server.name.as_str());
        let detailed = self.details_now(id, &doing).await?.map(|details| details.name);
        if servers::is_the_named(id, name, listed, detailed.as_deref())? { self.delete(id).await } else { Ok(()) }
    }

    /// Where the lines of a server's log are kept.
    pub(super) fn log_address(&self, id: &str) -> Address {
        self.memory().made_address(id).unwrap_or_else(|| self.address(id))
    }

    /// The details of a server, read now; `None`: there is no such server.
    pub(super) async fn details_now(&self, id: &str, doing: &Text) -> Result<Option<WireServerDetails>, ProviderError> {
        match self.api.details(id, self.pause).await {
            Ok(details) => Ok(Some(details)),
            Err(trouble) if trouble.is_no_server() => Ok(None),
            Err(trouble) => Err(trouble.into_error(doing, false)),
        }
    }
}

#[async_trait]
impl ServerVendor for KamateraProvider {
    async fn find(&self, name: &str, _: &Fields) -> Result<Vec<String>, ProviderError> {
        let listed = self.api.servers().await;
        let listed = listed
            .map_err(|trouble| trouble.into_error(&text!("could not list the servers before making one"), false))?;
        Ok(listed.into_iter().filter(|server| server.name == name).map(|server| server.id).collect())
    }

    async fn is_not_there(&self, name: &str, id: &str) -> Result<(), ProviderError> {
        match self.by_id_now(id).await {
            ById::There => Err(still_there(name, id)),
            // What the vendor does not tell, a person has decided.
            ById::Denied | ById::Unclear => Ok(()),
        }
    }

    async fn make(&self, address: &Address, fields: &Fields) -> Result<String, ProviderError> {
        let text = |name: &str| fields.text(name).unwrap_or_default();
        let (name, size) = (text("name"), text("type"));
        let doing = text!("could not make {name}", name);
        let Some(parts) = SizeParts::parse(size) else {
            let message = text!("{doing}: `{size}` is no size at Kamatera", doing, size);
            return Err(servers::refused(message, "write `type: {cpu: 2B, memory: 2GiB, disk: 20GB}`"));
        };
        // Every client sends all of them; a password is made by the vendor and thrown away.
        let body = json!({
            "name": name, "password": "", "passwordValidate": "", "ssh-key": text("ssh_key"), "datacenter": text("region"),
            "image": text("image"), "cpu": parts.cpu, "ram": parts.ram_mib, "disk": format!("size={}", parts.disk_gb),
            "network": "name=wan,ip=auto", "dailybackup": "no", "managed": "no", "quantity": "1",
            "billingcycle": "hourly", "monthlypackage": "", "poweronaftercreate": "yes", "script-file": "",
            "userdata-file": text("user_data_text"), "tag": self.tag(),
        });
        // A ledger that was lost does not know of a create under way, and the list shows none.
        let queue = self.api.queue().await;
        let queue = queue.map_err(|trouble| {
            trouble.into_error(&text!("{doing}: the console's queue", doing = doing.clone()), false)
        })?;
        let command = begun(&queue, name).map(super::wire::WireCommand::id);
        if let Some(command) = command.filter(|command| !self.memory().is_past(command)) {
            self.memory().is_being_made(address, vec![command]);
            return Ok(String::new());
        }
        self.memory().makes(address);
        let (line, came) = self.api.begin("/service/server", body).await;
        self.exchanges.note(address.clone(), &line);
        match came {
            Ok(commands) => {
                self.memory().is_being_made(address, commands);
                Ok(String::new())
            }
            Err(trouble) => {
                self.memory().is_not_being_made(address);
                Err(not_made(trouble, &doing))
            }
        }
    }

    async fn name_of(&self, id: &str) -> Result<Option<String>, ProviderError> {
        let doing = text!("could not read server {id}", id);
        let Some(details) = self.details_now(id, &doing).await? else { return Ok(None) };
        let tags = self.api.tags(id).await.map_err(|trouble| trouble.into_error(&doing, false))?;
        if !tags.contains(&self.tag()) {
            let message = text!("server {id} has no tag {tag}: it is not known to be Amarre's", id, tag = self.tag());
            return Err(ProviderError::new(Class::Conflict, Code::A0754, message)
                .hint(text!("give it the tag back, or delete it in Kamatera's console")));
        }
        Ok(Some(details.name))
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let doing = text!("could not rename server {id}", id);
        self.begin(id, "/service/server/rename", json!({"id": id, "new-name": name}), &doing).await
    }

    /// Processors and memory, one a call; the next look finds what is left. Disks grow only, and leave a snapshot behind: they
    /// are not changed.
    async fn resize(&self, id: &str, size: &str) -> Result<String, ProviderError> {
        let doing = text!("could not resize server {id}", id);
        let now = self.details_now(id, &doing).await?.ok_or_else(|| gone(id))?.size();
        let (Some(now), Some(wanted)) = (SizeParts::parse(&now), SizeParts::parse(size)) else {
            let message = text!("{doing}: it has disks or a size that Amarre does not know", doing);
            let hint = "change its size in Kamatera's console, and write the same in its manifest";
            return Err(servers::refused(message, hint));
        };
        if now.disk_gb != wanted.disk_gb {
            let message =
                text!("{doing}: its disk has {size} GB, and Amarre changes no disk", doing, size = now.disk_gb.clone());
            let hint =
                text!("write `disk: {size}GB`, or enlarge the disk in Kamatera's console", size = now.disk_gb.clone());
            return Err(servers::refused(message, hint));
        }
        let Some(next) = self.next_size(id, &now, &wanted, &doing).await? else {
            // What is remembered is older: the answer to the command that did it was lost.
            self.memory().forget_details(id);
            return Ok(wanted.size());
        };
        let body = if next.cpu == now.cpu {
            json!({"id": id, "ram": next.ram_mib})
        } else {
            json!({"id": id, "cpu": next.cpu})
        };
        let begun = self.begin(id, "/server/configure", body, &doing).await;
        // Its details lag behind its command.
        self.memory().awaits_size(id, &next.size());
        begun.map(|()| next.size())
    }

    async fn reach(&self, id: &str, power: &str) -> Result<(), ProviderError> {
        self.reach_power(id, power).await
    }

    async fn delete(&self, id: &str) -> Result<(), ProviderError> {
        let doing = text!("could not delete server {id}", id);
        let begun = self.begin(id, "/service/server/terminate", json!({"id": id, "force": true}), &doing).await;
        self.memory().ends_server(id);
        begun
    }
}

/// Why a server was not made: what the proxy found out by itself was never passed on.
fn not_made(trouble: Trouble, doing: &Text) -> ProviderError {
    let is_refused = matches!(&trouble, Trouble::Refused { status, words }
        if *status == 400 || REFUSED_AT_ONCE.iter().any(|text| words.contains(text)));
    if !is_refused {
        return trouble.into_error(doing, true);
    }
    ProviderError::new(
        Class::Rejected,
        Code::A0754,
        text!("{doing}: {why}", doing = doing.clone(), why = trouble.words()),
    )
    .hint(text!("correct the manifest: region, image or type are not what Kamatera offers"))
}
