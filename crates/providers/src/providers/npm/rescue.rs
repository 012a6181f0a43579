//! Who keeps nginx from its configuration, by nginx's own words, and how it is switched off.
//!
//! nginx names the file of a host, or the file of a certificate. `POST …/disable` takes the host's file away before nginx is
//! asked again, and so it works where every other write answers 500 (measured on 2.15.1).

use serde_json::{Map, json};

use super::api::HostRow;
use super::errors::{CallKind, NpmError};
use super::sections::Section;
use super::{NpmProvider, convert};
use crate::providers::{Blame, BlamedHost, ProviderError};
use amarre_core::model::words;

impl NpmProvider {
    /// Finds the hosts that nginx's words mean.
    pub(super) async fn blame_hosts(&self, said: &str) -> Result<Blame, ProviderError> {
        let mut blame = Blame { words: convert::emergency(said), hosts: Vec::new() };
        let failed = |trouble| self.failed("", trouble, CallKind::Read);
        for section in self.visible_sections().await.map_err(failed)? {
            let rows = self.api.list::<HostRow>(section).await.map_err(failed)?.all();
            let meant = rows.iter().filter(|row| is_meant(section, row, said));
            blame.hosts.extend(meant.map(|row| self.blamed_host(section, row)));
        }
        Ok(blame)
    }

    fn blamed_host(&self, section: Section, row: &HostRow) -> BlamedHost {
        let names = if section.is_by_port() {
            row.incoming_port.to_string()
        } else {
            words::said(&row.domain_names.join(", "))
        };
        let is_ours = convert::instance_of(row) == Some(self.instance.as_str());
        BlamedHost { kind: section.kind(), id: row.id, names, is_ours }
    }

    /// Switches a host off, whatever else nginx still refuses.
    pub(super) async fn switch_off_host(&self, host: &BlamedHost) -> Result<(), ProviderError> {
        let _alone = self.begin_write().await;
        let doing = format!("could not switch off {}", host.label());
        let Some(section) = Section::of_kind(host.kind) else { return Ok(()) };
        let write = |outcome| match outcome {
            // The row and its file are as they should be; nginx has more to object to.
            Ok(()) | Err(NpmError::Broken(..)) => Ok(()),
            Err(trouble) => Err(self.failed(&doing, trouble, CallKind::Write)),
        };
        let row: HostRow = match self.api.get(section, &host.id.to_string()).await {
            Ok(row) => row,
            Err(NpmError::Absent) => return Ok(()),
            Err(trouble) => return Err(self.failed(&doing, trouble, CallKind::Read)),
        };
        if !row.enabled {
            // A PUT has switched it off and left its file; NPM would not switch it off again.
            let on = json!(Map::from_iter([("enabled".to_owned(), json!(true))]));
            write(self.api.put(section, row.id, &on).await)?;
        }
        write(self.api.switch(section, row.id, false).await)
    }
}

/// Whether nginx names the file of a host, or of the certificate that it uses.
fn is_meant(section: Section, row: &HostRow, said: &str) -> bool {
    let file = format!("/{}/{}.conf", section.folder(), row.id);
    // Let's Encrypt's in `/etc/letsencrypt/live/npm-7/`, others in `/data/custom_ssl/npm-7/`.
    let certificate = format!("/npm-{}/", row.certificate_id);
    said.contains(&file) || row.enabled && row.certificate_id != 0 && said.contains(&certificate)
}
