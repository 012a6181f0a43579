//! Writes access lists. Each method is one change; the caller holds the lock.
//!
//! NPM never tells a password, keeps the one it has when it is sent an empty one, takes two lists of
//! one name, and opens every host that uses a list which is deleted: it is never deleted before them.

use std::collections::BTreeMap;

use super::api::{HostRow, ListRow};
use super::errors::NpmError;
use super::observe::is_ours_by_name;
use super::sections::Section;
use super::{NpmProvider, action_text, conflict, convert, expected, foreign, unfit};
use crate::providers::{Class, Outcome, ProviderError};
use crate::secret::{Secret, Secrets};
use amarre_core::model::{Change, Code, Fields, Kind, Mark, Typed, Value};
use amarre_core::resources::npm::NpmAccessList;
use amarre_core::resources::npm::normalize;
use amarre_core::text;

const SECTION: Section = Section::AccessLists;

impl NpmProvider {
    /// Makes an access list, or finishes one that an earlier try of ours has left.
    pub(super) async fn create_list(
        &self,
        change: &Change,
        fields: &Fields,
        secrets: &Secrets,
    ) -> Result<Outcome, ProviderError> {
        let mut wanted = fields.clone();
        normalize::normalize(Kind::AccessList, &mut wanted).map_err(|objection| unfit(change, &objection.message))?;
        let list = NpmAccessList::from_fields(&wanted).map_err(|why| unfit(change, &why))?;
        let passwords = self.passwords(change, list.users.iter(), secrets)?;
        let body = convert::list_body(&change.address.name, &list, &passwords);
        if let Some(row) = self.list_of_name(change).await? {
            let outcome = self.api.put(SECTION, row.id, &body).await;
            return outcome.map(|()| made(row.id)).map_err(|trouble| self.write_failed(change, trouble));
        }
        match self.api.create(SECTION, &body).await {
            Ok(id) => Ok(made(id)),
            // The row may be there, without its users and networks: it is written once more.
            Err(trouble) if trouble.leaves_doubt() => match self.list_of_name(change).await {
                Ok(Some(row)) => match self.api.put(SECTION, row.id, &body).await {
                    Ok(()) => Ok(made(row.id)),
                    Err(trouble) => Err(self.write_failed(change, trouble)),
                },
                Ok(None) | Err(_) => Err(self.write_failed(change, trouble)),
            },
            Err(trouble) => Err(self.write_failed(change, trouble)),
        }
    }

    /// Writes the whole list, with real passwords only for users who are new or have another one.
    pub(super) async fn update_list(
        &self,
        change: &Change,
        changed: &Fields,
        secrets: &Secrets,
    ) -> Result<Outcome, ProviderError> {
        let mut changed = changed.clone();
        normalize::normalize(Kind::AccessList, &mut changed).map_err(|objection| unfit(change, &objection.message))?;
        let (id, digest) = expected(change)?;
        let row = match self.api.get::<ListRow>(SECTION, id).await {
            Ok(row) => row,
            Err(NpmError::Absent) => return Err(conflict(change, "it is gone")),
            Err(trouble) => return Err(self.read_failed(change, trouble)),
        };
        let observed = self.list_fields(&row);
        let mut wanted = observed.clone();
        wanted.extend(changed);
        if observed.digest() != digest && observed != wanted {
            return Err(conflict(change, "it has changed since it was looked at"));
        }
        if observed == wanted {
            return Ok(made(row.id));
        }
        let list = NpmAccessList::from_fields(&wanted).map_err(|why| unfit(change, &why))?;
        let held = observed.get("users").and_then(Value::entries);
        let sent = list.users.iter().filter(|(user, secret)| !is_kept(held, user, secret));
        let passwords = self.passwords(change, sent, secrets)?;
        let body = convert::list_body(&change.address.name, &list, &passwords);
        let outcome = self.api.put(SECTION, row.id, &body).await;
        outcome.map(|()| made(row.id)).map_err(|trouble| self.write_failed(change, trouble))
    }

    /// Deletes a list that no host uses and that is as it was seen.
    pub(super) async fn delete_list(&self, change: &Change) -> Result<Outcome, ProviderError> {
        let (id, digest) = expected(change)?;
        let row = match self.api.get::<ListRow>(SECTION, id).await {
            Ok(row) => row,
            Err(NpmError::Absent) => return Ok(Outcome::default()),
            Err(trouble) => return Err(self.read_failed(change, trouble)),
        };
        if self.list_fields(&row).digest() != digest {
            return Err(conflict(change, "it has changed since it was looked at"));
        }
        let hosts: Vec<HostRow> = self.listed(Section::ProxyHosts, change).await?;
        let user = hosts.iter().find(|host| host.access_list_id == row.id);
        // The count also has the hosts that our account cannot see.
        if user.is_some() || row.proxy_host_count > 0 {
            let who =
                user.and_then(|host| host.domain_names.first()).map_or("a host of another account", String::as_str);
            let message =
                format!("could not {}: {who} still uses it, and would be open without it", action_text(change));
            return Err(ProviderError::new(Class::Conflict, Code::A0612, message)
                .hint(text!("it goes as soon as no host uses it; take it off that host in NPM")));
        }
        match self.api.delete(SECTION, row.id).await {
            Ok(()) => Ok(Outcome::default()),
            Err(trouble) => Err(self.write_failed(change, trouble)),
        }
    }

    /// Our row of the wanted name.
    async fn list_of_name(&self, change: &Change) -> Result<Option<ListRow>, ProviderError> {
        let name = &change.address.name;
        let rows: Vec<ListRow> = self.listed(SECTION, change).await?;
        let Some(row) = rows.into_iter().find(|row| row.name == *name) else { return Ok(None) };
        let me = self.api.me().await.map_err(|trouble| self.read_failed(change, trouble))?;
        if is_ours_by_name(&row.name, row.owner_user_id, &self.instance, me.id) {
            Ok(Some(row))
        } else {
            Err(foreign(change, &format!("access list #{} has that name and is not ours", row.id)))
        }
    }

    /// A row as the last look reported it: with the secrets that it reported.
    fn list_fields(&self, row: &ListRow) -> Fields {
        convert::access_list(row, self.passwords_of(&row.id.to_string()).as_ref()).fields()
    }

    /// The plain text of some users' passwords.
    fn passwords<'a>(
        &self,
        change: &Change,
        users: impl Iterator<Item = (&'a String, &'a Value)>,
        secrets: &Secrets,
    ) -> Result<BTreeMap<String, String>, ProviderError> {
        let mut passwords = BTreeMap::new();
        for (user, value) in users {
            let Value::Secret { name, mark } = value else { continue };
            let Some(secret) = secrets.get(name) else {
                let message = format!("could not {}: secret `{}` is not set", action_text(change), name.0);
                return Err(ProviderError::new(Class::Rejected, Code::A0207, message));
            };
            self.check_mark(change, user, secret, mark)?;
            passwords.insert(user.clone(), secret.expose().to_owned());
        }
        Ok(passwords)
    }

    /// NPM takes an empty password for "keep the one you have", and a plan holds for the value it was made with.
    fn check_mark(&self, change: &Change, user: &str, secret: &Secret, mark: &Mark) -> Result<(), ProviderError> {
        if secret.expose().is_empty() {
            return Err(unfit(change, &format!("the password of `{user}` is empty")));
        }
        if !mark.0.is_empty() && self.key.mark(secret.expose()) != *mark {
            return Err(conflict(change, &format!("the password of `{user}` has changed since the plan was made")));
        }
        Ok(())
    }
}

/// Whether NPM has this very password already, as far as the ledger knows.
fn is_kept(held: Option<&BTreeMap<String, Value>>, user: &str, wanted: &Value) -> bool {
    let Some(held) = held.and_then(|held| held.get(user)) else { return false };
    held == wanted || mark_of(held).is_some_and(|mark| mark_of(wanted) == Some(mark))
}

/// The mark of a secret that is known.
fn mark_of(value: &Value) -> Option<&Mark> {
    if let Value::Secret { mark, .. } = value { Some(&**mark).filter(|mark| !mark.0.is_empty()) } else { None }
}

fn made(id: u64) -> Outcome {
    Outcome { vendor_id: id.to_string(), ..Outcome::default() }
}
