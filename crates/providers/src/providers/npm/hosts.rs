//! Writes proxy hosts, redirection hosts and streams. Each method is one change; the caller holds the lock.
//!
//! NPM stores a row first and asks nginx then. So a POST that answers 500 may have left a row, a
//! PUT that answers 200 may have left a host that is not served, and an answer that got lost says
//! nothing. What holds instead: our mark is in the row from its first moment, and the row says
//! `nginx_online` only after nginx took it, since each of our PUTs takes that word away first.
//!
//! From 2.13.0 on NPM writes a 404 host at a PUT from the row of before. Such a host is switched off first and on again
//! after it, which writes what the row says. A crash between leaves a host that is off, and the next look sees that.

use serde_json::{Map, Value as Json};

use super::api::{CertificateRow, HostRow, ListRow};
use super::convert::{self, Ids, Marker};
use super::errors::{CallKind, NpmError};
use super::sections::Section;
use super::{NpmProvider, conflict, could_not, expected, foreign, unfit};
use crate::providers::{Class, Outcome, ProviderError};
use amarre_core::model::{Change, Code, Fields, Text, Value, Verb};
use amarre_core::resources::npm::normalize;
use amarre_core::text;

impl NpmProvider {
    /// Makes a host, or finishes one that an earlier try of ours has left.
    pub(super) async fn create_host(
        &self,
        section: Section,
        change: &Change,
        fields: &Fields,
    ) -> Result<Outcome, ProviderError> {
        let mut wanted = fields.clone();
        normalize::normalize(section.kind(), &mut wanted).map_err(|objection| unfit(change, &objection.message))?;
        let rows = self.hosts(section, change).await?;
        if let Some(row) = rows.iter().find(|row| self.is_named(row, change)) {
            return self.bring(section, change, row, &wanted).await;
        }
        if let Some((row, domain)) = in_the_way(section, &rows, &wanted) {
            return Err(self.taken(section, change, row, &domain));
        }
        let ids = self.resolve(change, None, &wanted).await?;
        let wire = convert::host_wire(section, &wanted, ids).map_err(|why| unfit(change, &why))?;
        let mut body = convert::new_host(wire);
        body.insert("meta".to_owned(), self.marked_meta(change, None, &wanted));
        let is_enabled = wanted.flag("enabled") != Some(false);
        // The others can only be made switched on.
        let is_made_off = !is_enabled && section.hosts().is_some_and(|form| form.may_begin_off);
        if is_made_off {
            body.insert("enabled".to_owned(), Json::Bool(false));
        }
        match self.api.create(section, &Json::Object(body)).await {
            Ok(id) => {
                if !is_enabled && !is_made_off {
                    self.switch(section, change, id, false).await?;
                }
                self.settle(section, change, id).await
            }
            Err(trouble) if trouble.leaves_doubt() => self.adopt(section, change, &wanted, trouble).await,
            Err(trouble) => Err(self.write_failed(change, trouble)),
        }
    }

    /// Writes the fields that differ.
    pub(super) async fn update_host(
        &self,
        section: Section,
        change: &Change,
        changed: &Fields,
    ) -> Result<Outcome, ProviderError> {
        let mut changed = changed.clone();
        normalize::normalize(section.kind(), &mut changed).map_err(|objection| unfit(change, &objection.message))?;
        let (id, digest) = expected(change)?;
        let Some(row) = self.host(section, change, id).await? else {
            return Err(conflict(change, "it is gone"));
        };
        self.refuse_others(change, &row)?;
        if changed.flag("mark") == Some(false) {
            return self.release_host(section, change, &row).await;
        }
        let observed = self.as_seen(section, &row, digest);
        let mut wanted = observed.clone();
        wanted.extend(changed);
        if observed.digest() != digest && observed != wanted {
            return Err(conflict(change, "it has changed since it was looked at"));
        }
        self.bring(section, change, &row, &wanted).await
    }

    /// Takes our mark off a host; all else stays as it is.
    async fn release_host(&self, section: Section, change: &Change, row: &HostRow) -> Result<Outcome, ProviderError> {
        if convert::instance_of(row).is_some() {
            if self.is_late(section) {
                return Err(self.keeps_mark(change));
            }
            let body = Map::from_iter([("meta".to_owned(), convert::unmarked_meta(row))]);
            self.put(section, change, row.id, body).await?;
        }
        self.settle(section, change, row.id).await
    }

    /// NPM would write the mark back.
    fn keeps_mark(&self, change: &Change) -> ProviderError {
        let (doing, npm) = (could_not(change), self.name());
        let message = text!("{doing}: NPM {npm} writes the mark of a 404 host back", doing, npm);
        ProviderError::new(Class::Rejected, Code::A0624, message)
            .hint(text!("in NPM, delete the host and make it again by hand; then nothing of it is Amarre's"))
    }

    /// The fields of a row as the look reported them: where NPM keeps no new mark, the ledger has spoken for it, and what a
    /// visit found not served is not on line, whatever the row says.
    fn as_seen(&self, section: Section, row: &HostRow, digest: &str) -> Fields {
        let fields = convert::host_fields(section, row, &self.instance);
        let marked = fields.clone().with("mark", Value::Bool(true));
        let readings = if self.is_late(section) { vec![&fields, &marked] } else { vec![&fields] };
        let left_out = readings.into_iter().cloned().map(|fields| {
            let left_out = fields.clone().with("online", Value::Bool(false));
            [fields, left_out]
        });
        left_out.flatten().find(|seen| seen.digest() == digest).unwrap_or(fields)
    }

    /// Deletes a host that is as it was seen.
    pub(super) async fn delete_host(&self, section: Section, change: &Change) -> Result<Outcome, ProviderError> {
        let (id, digest) = expected(change)?;
        let Some(row) = self.host(section, change, id).await? else { return Ok(Outcome::default()) };
        self.refuse_others(change, &row)?;
        if self.as_seen(section, &row, digest).digest() != digest {
            return Err(conflict(change, "it has changed since it was looked at"));
        }
        match self.api.delete(section, row.id).await {
            Ok(()) => Ok(Outcome::default()),
            Err(trouble) => Err(self.write_failed(change, trouble)),
        }
    }

    /// Makes a row what is wanted: only what differs is written, and nothing when nothing does.
    async fn bring(
        &self,
        section: Section,
        change: &Change,
        row: &HostRow,
        wanted: &Fields,
    ) -> Result<Outcome, ProviderError> {
        let ids = self.resolve(change, Some((section, row)), wanted).await?;
        let wire = convert::host_wire(section, wanted, ids).map_err(|why| unfit(change, &why))?;
        let mut body = convert::changed_host(section, row, &wire);
        let is_enabled = wanted.flag("enabled") != Some(false);
        // On line and off together is stale: switching on must not look done before nginx was asked.
        let is_stale = is_enabled && row.enabled != convert::is_served(row);
        let is_late = self.is_late(section);
        // A mark that NPM writes back is the ledger's to know.
        let is_marked = is_late || self.is_marked_for(row, change);
        // A visit found that nginx does not have it.
        let is_left_out = matches!(&change.verb, Verb::Update(fields) if fields.flag("online") == Some(true));
        if !body.is_empty() || !is_marked || is_stale || is_left_out {
            body.insert("meta".to_owned(), self.marked_meta(change, Some(row), wanted));
            if is_late && row.enabled && is_enabled {
                return self.rewrite(section, change, row.id, body).await;
            }
            self.put(section, change, row.id, body).await?;
        }
        if row.enabled != is_enabled {
            self.switch(section, change, row.id, is_enabled).await?;
        }
        self.settle(section, change, row.id).await
    }

    /// Writes a host that NPM writes from the row of before: off, then what differs, then on.
    async fn rewrite(
        &self,
        section: Section,
        change: &Change,
        id: u64,
        body: Map<String, Json>,
    ) -> Result<Outcome, ProviderError> {
        self.switch(section, change, id, false).await?;
        let written = self.put(section, change, id, body).await;
        let on = self.switch(section, change, id, true).await;
        written.and(on)?;
        self.settle(section, change, id).await
    }

    /// After a POST whose outcome is not known: the row with our mark, if there is one, is written once more.
    async fn adopt(
        &self,
        section: Section,
        change: &Change,
        wanted: &Fields,
        trouble: NpmError,
    ) -> Result<Outcome, ProviderError> {
        let found = match self.api.list::<HostRow>(section).await {
            Ok(rows) => rows.all().into_iter().find(|row| self.is_named(row, change)),
            Err(_) => None,
        };
        match found {
            Some(row) => self.bring(section, change, &row, wanted).await,
            None => Err(self.write_failed(change, trouble)),
        }
    }

    /// Reads the row again and sees to it that nginx serves it: once more if it does not, then says why.
    async fn settle(&self, section: Section, change: &Change, id: u64) -> Result<Outcome, ProviderError> {
        let mut row = self.written(section, change, id).await?;
        if row.enabled && !convert::is_served(&row) {
            self.write_again(section, &row).await.map_err(|trouble| self.write_failed(change, trouble))?;
            row = self.written(section, change, id).await?;
        }
        if !row.enabled || convert::is_served(&row) {
            return Ok(Outcome { vendor_id: id.to_string(), ..Outcome::default() });
        }
        let (kind, name) = (change.address.kind, &change.address.name);
        Err(match convert::nginx_words(section, &row) {
            Some(words) => {
                let message = text!("nginx refuses {kind} {name}: {words}", kind, name, words = Text::from(words));
                ProviderError::new(Class::Rejected, Code::A0607, message)
                    .hint(text!("the row is in NPM, and nginx serves the other hosts; correct what it names"))
            }
            None => {
                let npm = self.name();
                let message = text!("NPM {npm} has {kind} {name}, and nginx does not serve it yet", npm, kind, name);
                let hint = match convert::nginx_last_words(&row) {
                    Some(words) => text!(
                        "another host or a certificate keeps nginx from taking it; nginx said: {words}",
                        words = Text::from(words)
                    ),
                    None => text!("another host or a certificate keeps nginx from taking it"),
                };
                ProviderError::new(Class::RetryLater, Code::A0608, message).hint(hint)
            }
        })
    }

    /// The ids of the certificate and the access list. A host is never written without the ones it names.
    async fn resolve(
        &self,
        change: &Change,
        held: Option<(Section, &HostRow)>,
        wanted: &Fields,
    ) -> Result<Ids, ProviderError> {
        let observed = held.map(|(section, row)| convert::host_fields(section, row, &self.instance));
        let is_held = |field: &str| observed.as_ref().is_some_and(|observed| observed.get(field) == wanted.get(field));
        let row = held.map(|(_, row)| row);
        let certificate = match wanted.text("certificate") {
            None => 0,
            Some(_) if is_held("certificate") => row.map_or(0, |row| row.certificate_id),
            Some(name) => {
                let rows: Vec<CertificateRow> = self.listed(Section::Certificates, change).await?;
                if rows.iter().any(|row| row.nice_name == name && !row.has_files()) {
                    return Err(
                        self.names_unusable(change, &format!("the files of certificate `{name}` were never uploaded"))
                    );
                }
                let found = rows.iter().filter(|row| row.nice_name == name).map(|row| row.id);
                self.only_one(change, "certificate", name, found.collect())?
            }
        };
        let access_list = match wanted.text("access_list") {
            None => 0,
            Some(_) if is_held("access_list") => row.map_or(0, |row| row.access_list_id),
            Some(name) => {
                let rows: Vec<ListRow> = self.listed(Section::AccessLists, change).await?;
                let found = rows.iter().filter(|row| row.name == name).map(|row| row.id);
                self.only_one(change, "access list", name, found.collect())?
            }
        };
        Ok(Ids { certificate, access_list })
    }

    /// Has NPM write the file of a host that is on once more, and reload nginx.
    pub(super) async fn write_again(&self, section: Section, row: &HostRow) -> Result<(), NpmError> {
        if self.is_late(section) {
            self.api.switch(section, row.id, false).await?;
            return self.api.switch(section, row.id, true).await;
        }
        let body = Map::from_iter([("meta".to_owned(), Json::Object(convert::kept_meta(row)))]);
        self.api.put(section, row.id, &Json::Object(body)).await
    }

    fn only_one(&self, change: &Change, what: &str, name: &str, found: Vec<u64>) -> Result<u64, ProviderError> {
        let why = match found.as_slice() {
            [id] => return Ok(*id),
            [] => format!("NPM {} has no {what} `{name}`", self.name()),
            [..] => format!("NPM {} has {} {what}s called `{name}`", self.name(), found.len()),
        };
        Err(self.names_unusable(change, &why))
    }

    /// What the host names cannot be used.
    fn names_unusable(&self, change: &Change, why: &str) -> ProviderError {
        let (doing, why) = (could_not(change), Text::from(why));
        let message = text!("{doing}: {why}, and the host is not written without it", doing, why);
        let hint = if self.account().is_some_and(|me| me.sees_its_own_only()) {
            "this account sees only what it has made: in NPM, Users, Permissions, set Item Visibility to All Items"
        } else {
            "NPM would take the host and leave it open or without TLS; make the one it names, or rename one of two"
        };
        ProviderError::new(Class::Conflict, Code::A0611, message).hint(hint)
    }

    /// Somebody's row has one of the domains.
    fn taken(&self, section: Section, change: &Change, row: &HostRow, domain: &str) -> ProviderError {
        let what = section.kind().label();
        match convert::instance_of(row) {
            Some(instance) if instance == self.instance => {
                let name = convert::name_of(row).unwrap_or(domain);
                conflict(change, &format!("our own {what} {name} still has {domain}"))
            }
            Some(other) => foreign(change, &format!("{what} #{} has {domain} and is of instance {other}", row.id)),
            None => foreign(change, &format!("{what} #{} has {domain} and is not ours", row.id)),
        }
    }

    /// Another instance's host is never touched, whatever the plan says.
    fn refuse_others(&self, change: &Change, row: &HostRow) -> Result<(), ProviderError> {
        match convert::instance_of(row) {
            Some(other) if other != self.instance => Err(foreign(change, &format!("it is of instance {other}"))),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a row carries our mark for this very address.
    fn is_named(&self, row: &HostRow, change: &Change) -> bool {
        convert::instance_of(row) == Some(&self.instance) && convert::name_of(row) == Some(&change.address.name)
    }

    /// Whether it also names this very manifest.
    fn is_marked_for(&self, row: &HostRow, change: &Change) -> bool {
        self.is_named(row, change) && convert::service_of(row) == Some(&change.service)
    }

    fn marked_meta(&self, change: &Change, row: Option<&HostRow>, wanted: &Fields) -> Json {
        let spec = wanted.digest();
        let name = &change.address.name;
        convert::meta(row, Marker { instance: &self.instance, service: &change.service, spec: &spec, name })
    }

    async fn hosts(&self, section: Section, change: &Change) -> Result<Vec<HostRow>, ProviderError> {
        self.listed(section, change).await
    }

    pub(super) async fn listed<T: serde::de::DeserializeOwned>(
        &self,
        section: Section,
        change: &Change,
    ) -> Result<Vec<T>, ProviderError> {
        let rows = self.api.list(section).await.map_err(|trouble| self.read_failed(change, trouble))?;
        Ok(rows.all())
    }

    /// A row before it is written; `None` = there is none.
    async fn host(&self, section: Section, change: &Change, id: &str) -> Result<Option<HostRow>, ProviderError> {
        match self.api.get(section, id).await {
            Ok(row) => Ok(Some(row)),
            Err(NpmError::Absent) => Ok(None),
            Err(trouble) => Err(self.read_failed(change, trouble)),
        }
    }

    /// A row after it was written: what cannot be read now is an outcome that is not known.
    async fn written(&self, section: Section, change: &Change, id: u64) -> Result<HostRow, ProviderError> {
        self.api.get(section, &id.to_string()).await.map_err(|trouble| {
            let mut error = self.read_failed(change, trouble);
            error.class = Class::OutcomeUnknown;
            error
        })
    }

    async fn put(
        &self,
        section: Section,
        change: &Change,
        id: u64,
        body: Map<String, Json>,
    ) -> Result<(), ProviderError> {
        let outcome = self.api.put(section, id, &Json::Object(body)).await;
        outcome.map_err(|trouble| self.write_failed(change, trouble))
    }

    async fn switch(&self, section: Section, change: &Change, id: u64, on: bool) -> Result<(), ProviderError> {
        self.api.switch(section, id, on).await.map_err(|trouble| self.write_failed(change, trouble))
    }

    pub(super) fn read_failed(&self, change: &Change, trouble: NpmError) -> ProviderError {
        self.failed(could_not(change), trouble, CallKind::Read)
    }

    pub(super) fn write_failed(&self, change: &Change, trouble: NpmError) -> ProviderError {
        match trouble.taken() {
            // It was not in the list a moment ago: a dead host, or a row that our account cannot see.
            Some(words) => foreign(change, &format!("NPM {} says that {words}", self.name())),
            None => self.failed(could_not(change), trouble, CallKind::Write),
        }
    }
}

/// The first row that has one of the wanted domains, or the wanted port, and which.
fn in_the_way<'a>(section: Section, rows: &'a [HostRow], wanted: &Fields) -> Option<(&'a HostRow, String)> {
    let wanted = convert::claimed(section, wanted);
    rows.iter().find_map(|row| {
        let held = convert::claims(section, row);
        held.into_iter().find(|claim| wanted.contains(claim)).map(|claim| (row, claim))
    })
}
