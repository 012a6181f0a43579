//! SSH keys of a project: what they look like, how one is made and deleted.
//!
//! The id is the base64 of the name in hexadecimal digits, from a fixture of libcloud: `6447567a6447746c65513d3d` for `testkey`.
//! A server keeps the name of its key for life, whatever becomes of the key. Texts of refusals are guessed, and so is that a
//! name is unique in the project.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue;
use super::state::{Project, State};
use super::verbs::CloudVerb;
use crate::ovh_api::{Call, Reply, bad_request, base64, conflict, no_such_object, no_such_service};

/// The schema's `keypair.maxCount`; the value is what projects are seen to have.
pub(super) const KEYS_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub name: String,
    pub public_key: String,
    pub regions: Vec<String>,
}

impl Key {
    /// One that the account began with.
    pub fn given(name: &str, regions: &[String]) -> Self {
        let public_key = format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{} {name}", base64(name.as_bytes()));
        Self { name: name.to_owned(), public_key, regions: regions.to_vec() }
    }

    pub fn id(&self) -> String {
        key_id(&self.name)
    }

    pub fn json(&self) -> Value {
        json!({ "id": self.id(), "name": self.name, "publicKey": self.public_key, "regions": self.regions })
    }

    /// A key by itself has a fingerprint.
    pub fn detail(&self) -> Value {
        let digits = catalogue::digits(&self.public_key);
        let pairs: Vec<&str> = (0..16).map(|index| &digits[index * 2..index * 2 + 2]).collect();
        let mut key = self.json();
        key["fingerPrint"] = json!(pairs.join(":"));
        key
    }
}

pub(super) fn key_id(name: &str) -> String {
    hex::encode(base64(name.as_bytes()))
}

pub(super) fn list(project: &Project, region: Option<&str>) -> Value {
    let is_there = |key: &&Key| region.is_none_or(|region| key.regions.iter().any(|name| name == region));
    project.keys.iter().filter(is_there).map(Key::json).collect()
}

/// `POST …/sshkey {name, publicKey, region?}`: in one region, or in all.
pub(super) fn post(state: &mut State, project: &str, call: &Call) -> Result<Reply, Reply> {
    let text = |name: &str| call.body[name].as_str().filter(|text| !text.is_empty());
    let (Some(name), Some(public_key)) = (text("name"), text("publicKey")) else {
        return Err(bad_request("Missing parameter(s): name, publicKey"));
    };
    create(state, project, (name, public_key), text("region")).map(|key| Reply::ok(key.detail()))
}

pub(super) fn create(
    state: &mut State,
    project: &str,
    (name, public_key): (&str, &str),
    region: Option<&str>,
) -> Result<Key, Reply> {
    let owner = state.projects.get_mut(project).ok_or_else(no_such_service)?;
    if let Some(region) = region.filter(|region| !owner.has_region(region)) {
        return Err(bad_request(&format!("Region {region} is not available")));
    }
    let kinds = ["ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    if !kinds.iter().any(|kind| public_key.starts_with(kind)) {
        return Err(bad_request("Keypair data is invalid: failed to generate fingerprint"));
    }
    if owner.keys.iter().any(|key| key.name == name) {
        return Err(conflict(&format!("Key pair '{name}' already exists.")));
    }
    if owner.keys.len() >= KEYS_MAX {
        return Err(Reply::error(403, "Client::Forbidden", "Quota exceeded, too many key pairs."));
    }
    let regions = region.map_or_else(|| owner.regions.clone(), |region| vec![region.to_owned()]);
    let key = Key { name: name.to_owned(), public_key: public_key.to_owned(), regions };
    owner.keys.push(key.clone());
    state.effects.push((key.id(), CloudVerb::CreateKey));
    Ok(key)
}

/// `DELETE …/sshkey/{id}`: servers that have it keep it.
pub(super) fn delete(state: &mut State, project: &str, id: &str) -> Result<Reply, Reply> {
    let owner = state.projects.get_mut(project).ok_or_else(no_such_service)?;
    let before = owner.keys.len();
    owner.keys.retain(|key| key.id() != id);
    if owner.keys.len() == before {
        return Err(no_such_object(id));
    }
    state.effects.push((id.to_owned(), CloudVerb::DeleteKey));
    Ok(Reply::void())
}
