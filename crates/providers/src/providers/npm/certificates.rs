//! Asks for certificates by Let's Encrypt, and sees to it that no host stays off line for it.
//!
//! While NPM asks, it takes every host that has one of the names literally out of nginx. When it has the certificate it
//! writes their files back, but does not reload: they answer 404 until the next write at any host, and the row says that
//! they are on line. So each order ends with a write at each of them, and it is not done before.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::api::{CertificateRow, HostRow};
use super::errors::NpmError;
use super::sections::Section;
use super::{NpmProvider, action_text, conflict, convert, expected, unfit};
use crate::providers::{Class, Outcome, ProviderError};
use amarre_core::model::world::NOT_ISSUED;
use amarre_core::model::{Change, Code, Fields, Typed};
use amarre_core::text;

/// From this version on the address of the account that signs in goes to Let's Encrypt, and the two words are refused.
const ACCOUNT_MAIL: (u32, u32) = (2, 13);

/// What certbot waits after it has written its record, before Let's Encrypt asks for it: OVH's servers took 10 to 210 s, and
/// certbot's own plugin waits as long for OVH (its issues #9065, #9244).
const PROPAGATION_S: u64 = 120;

/// What helps where a record is to show that the names are ours.
const BY_RECORD: &str = "NPM writes a record below `_acme-challenge` with `certificates.dns_credentials`: does that key still work, and may it \
                         write TXT in this zone? certbot's log is in NPM's /data/logs";

impl NpmProvider {
    /// Orders one, or finishes what an earlier try of ours has left.
    pub(super) async fn create_certificate(&self, change: &Change, fields: &Fields) -> Result<Outcome, ProviderError> {
        let names: Vec<&str> = fields.strings("domains");
        if names.is_empty() {
            return Err(unfit(change, "it has no names"));
        }
        if let Some(row) = self.issued(change, &names).await? {
            return self.load(change, &names).await.map(|()| made(row.id));
        }
        let by_record = fields.text("challenge") == Some("dns");
        let mut body = json!({"provider": "letsencrypt", "domain_names": names, "meta": {"dns_challenge": by_record}});
        if by_record {
            let Some(credentials) = &self.dns_credentials else {
                return Err(unfit(change, "`certificates.dns_credentials` is not set"));
            };
            body["meta"]["dns_provider"] = json!("ovh");
            body["meta"]["dns_provider_credentials"] = json!(credentials.expose());
            body["meta"]["propagation_seconds"] = json!(PROPAGATION_S);
        }
        let health = self.api.health().await.map_err(|trouble| self.read_failed(change, trouble.not_sent()))?;
        if (health.version.major, health.version.minor) < ACCOUNT_MAIL {
            body["meta"]["letsencrypt_agree"] = Json::Bool(true);
            body["meta"]["letsencrypt_email"] = json!(self.api.identity());
        }
        match self.api.create(Section::Certificates, &body).await {
            Ok(id) => self.load(change, &names).await.map(|()| made(id)),
            Err(trouble) if trouble.leaves_doubt() => {
                self.load(change, &names).await?;
                // What became of the order is as little known when NPM cannot be asked.
                match (self.issued(change, &names).await.map_err(open)?, trouble) {
                    (Some(row), _) => Ok(made(row.id)),
                    // It has ended, certbot said nothing, and NPM has taken its row away again (certnew-nocertbot-7).
                    (None, NpmError::Broken(status, words)) => Err(self.not_placed(change, status, &words)),
                    (None, trouble) => Err(self.write_failed(change, trouble)),
                }
            }
            // After a failure NPM reloads by itself.
            Err(trouble) => {
                let error = self.write_failed(change, trouble);
                Err(if by_record && error.code == NOT_ISSUED { error.hint(BY_RECORD) } else { error })
            }
        }
    }

    /// Has NPM renew one now. No host goes off line for it (measured: 42 of 42 polls answered).
    pub(super) async fn renew_certificate(&self, change: &Change) -> Result<Outcome, ProviderError> {
        let (id, _) = expected(change)?;
        let rows: Vec<CertificateRow> = self.listed(Section::Certificates, change).await?;
        let Some(row) = rows.iter().find(|row| row.id.to_string() == id) else {
            return Err(conflict(change, "it is gone"));
        };
        let renewed = self.api.renew(row.id).await;
        renewed.map(|()| made(row.id)).map_err(|trouble| self.write_failed(change, trouble))
    }

    /// Brings the hosts of a certificate's names back on line: nobody knows how the call for it ended.
    pub(super) async fn load_certificate(&self, change: &Change) -> Result<Outcome, ProviderError> {
        let names: Vec<&str> = change.address.name.split(", ").collect();
        self.load(change, &names).await.map(|()| Outcome::default())
    }

    /// Deletes one that nothing has: NPM deletes one in use as well, and nginx then refuses its whole configuration.
    pub(super) async fn delete_certificate(&self, change: &Change) -> Result<Outcome, ProviderError> {
        let (id, digest) = expected(change)?;
        let health = self.api.health().await.map_err(|trouble| self.read_failed(change, trouble))?;
        let users = self.api.certificate_users(health.version).await;
        let all = users.map_err(|trouble| self.read_failed(change, trouble))?;
        let Some(found) = all.into_iter().find(|one| one.row.id.to_string() == id) else {
            return Ok(Outcome::default());
        };
        if found.row.provider != "letsencrypt" {
            return Err(unfit(change, "somebody uploaded it"));
        }
        if let Some(user) = found.any() {
            return Err(conflict(change, &format!("{user} has it")));
        }
        if convert::certificate(&found.row).fields().digest() != digest {
            return Err(conflict(change, "it has changed since it was looked at"));
        }
        let deleted = self.api.delete(Section::Certificates, found.row.id).await;
        deleted.map(|()| Outcome::default()).map_err(|trouble| self.write_failed(change, trouble))
    }

    /// NPM failed by itself, before anybody was asked for a certificate.
    fn not_placed(&self, change: &Change, status: u16, words: &str) -> ProviderError {
        let (what, name) = (action_text(change), self.name());
        let words = words.to_lowercase();
        let message = format!("could not {what}: NPM {name} ordered nothing, it failed itself ({status}, {words})");
        ProviderError::new(Class::Rejected, Code::A0803, message)
            .hint(text!("its container's log says why; one bad host or certificate makes nginx refuse every change"))
    }

    /// The oldest one of ours for exactly these names.
    async fn issued(&self, change: &Change, names: &[&str]) -> Result<Option<CertificateRow>, ProviderError> {
        let wanted: BTreeSet<&str> = names.iter().copied().collect();
        let rows: Vec<CertificateRow> = self.listed(Section::Certificates, change).await?;
        let is_it = |row: &CertificateRow| {
            let names: BTreeSet<&str> = row.domain_names.iter().flatten().map(String::as_str).collect();
            row.is_issued() && row.nice_name == change.address.name && names == wanted
        };
        Ok(rows.into_iter().filter(is_it).min_by_key(|row| row.id))
    }

    /// Writes each of our hosts that has one of the names, as it is. Until that is done, the order has no known end. Each
    /// write reloads nginx: none is made before all hosts are read.
    async fn load(&self, change: &Change, names: &[&str]) -> Result<(), ProviderError> {
        // Where this account sees nothing, there is nothing of ours: what manifests or the ledger name must be seen.
        let sections = self.visible_sections().await.map_err(|trouble| open(self.read_failed(change, trouble)))?;
        let mut off: Vec<(Section, HostRow)> = Vec::new();
        for section in sections.into_iter().filter(|section| !section.is_by_port()) {
            let rows: Vec<HostRow> = self.listed(section, change).await.map_err(open)?;
            let is_off = |row: &HostRow| {
                let mark = convert::instance_of(row);
                // Where NPM keeps no new mark, one without any may be ours: its name is.
                let ours = mark == Some(&self.instance) || mark.is_none() && self.is_late(section);
                ours && row.enabled && row.domain_names.iter().any(|name| names.contains(&name.as_str()))
            };
            off.extend(rows.into_iter().filter(is_off).map(|row| (section, row)));
        }
        for (section, row) in off {
            let written = self.write_again(section, &row).await;
            written.map_err(|trouble| open(self.write_failed(change, trouble)))?;
        }
        Ok(())
    }
}

/// The end of the order stays unknown.
fn open(error: ProviderError) -> ProviderError {
    ProviderError { class: Class::OutcomeUnknown, ..error }
}

fn made(id: u64) -> Outcome {
    Outcome { vendor_id: id.to_string(), ..Outcome::default() }
}
