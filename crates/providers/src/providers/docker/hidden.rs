//! Containers as the lists of an engine show them, and what of them is too large to be read: that hides the container, and
//! nothing else.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{ContainerSummary, ImageSummary};

use super::answers::{self, AnswerReader};
use super::files::LABEL_FILES;
use super::{DockerProvider, ProviderError, files, labels};
use crate::providers::ObserveQuery;
use crate::providers::rows::Listed;
use amarre_core::model::{Address, Code, Gap, GapScope, Kind, Seen, Timestamp, Value};
use amarre_core::text;

impl DockerProvider {
    /// The containers: foreign ones as they are listed, ours as they are inspected. One whose line in the list is too large
    /// to be read is a gap, unless the ledger knows it and no manifest wants it: then it is there, as it was made, and can
    /// go.
    pub(super) async fn see_containers(
        &self,
        ask: &ObserveQuery,
        reader: &AnswerReader,
        containers: &Listed<ContainerSummary>,
        images: &Listed<ImageSummary>,
        seen: &mut BTreeMap<Address, Seen>,
        gaps: &mut Vec<Gap>,
    ) -> Result<(), ProviderError> {
        let labelled = labels::ImageLabels::new(images);
        let ours = |summary: &&ContainerSummary| labelled.is_ours(summary, &self.config.instance, ask);
        for summary in containers.rows.iter().filter(|summary| !ours(summary)) {
            let (address, foreign) = reader.foreign_container(summary);
            seen.insert(address, foreign);
        }
        let own: Vec<&ContainerSummary> = containers.rows.iter().filter(ours).collect();
        let (inspects, unread) = self.inspects.of(self.api().await?, &own).await?;
        let is_unread = |summary: &&&ContainerSummary| summary.id.as_ref().is_some_and(|id| unread.contains(id));
        for summary in own.iter().filter(is_unread).copied().chain(&containers.slim) {
            self.see_hidden(ask, reader, summary, seen, gaps);
        }
        for known in inspects {
            let Some((address, container)) = known.read(reader) else { continue };
            let inspect = labelled.without_inherited(address, &known.inspect, ask);
            let read = match &inspect {
                Cow::Borrowed(_) => Some((address.clone(), Seen { at: reader.now, ..container.clone() })),
                Cow::Owned(inspect) => reader.container(inspect),
            };
            let Some((address, mut container)) = read else { continue };
            let labels = inspect.config.as_ref().and_then(|config| config.labels.as_ref());
            let label = labels.and_then(|labels| labels.get(LABEL_FILES));
            if let Some(label) = label.filter(|label| !label.is_empty()) {
                let applied = ask.applied.get(&address).map(|row| &row.fields);
                let files = files::seen(label, applied.or_else(|| ask.wanted.get(&address)));
                container.fields.set("files", files);
            }
            seen.insert(address, container);
        }
        self.see_namespaces(seen).await
    }

    /// Tells of each container that shares namespaces whether they are those of the other one as it runs now. It has them by the
    /// other's process: one that started later has new ones, and what is reached through it does not reach this one.
    async fn see_namespaces(&self, seen: &mut BTreeMap<Address, Seen>) -> Result<(), ProviderError> {
        const OWNERS: [&str; 3] = ["network_of", "pid_of", "ipc_of"];
        let ids = seen.values().flat_map(|one| OWNERS.iter().filter_map(|field| one.fields.text(field)));
        let owners: BTreeSet<String> = ids.map(str::to_owned).collect();
        let runs = |one: &&Seen| owners.contains(&one.vendor_id) && one.fields.flag("running") == Some(true);
        let mut started = BTreeMap::new();
        for one in seen.values().filter(runs) {
            let at = match one.fields.get("started_at_ms").and_then(Value::as_int) {
                Some(at) => Some(at),
                // The list tells of containers of others that they run, and not since when.
                None => self
                    .api()
                    .await?
                    .container(&one.vendor_id)
                    .await?
                    .and_then(|there| answers::started(&there))
                    .map(|at| at.0),
            };
            started.extend(at.map(|at| (one.vendor_id.clone(), at)));
        }
        let is_later = |id: &str, than: i64| started.get(id).is_some_and(|started| *started > than);
        let ours = |one: &&mut Seen| one.owner.is_ours() && one.fields.get("running").is_some();
        for one in seen.values_mut().filter(ours) {
            let own = one.fields.get("started_at_ms").and_then(Value::as_int).unwrap_or_default();
            let mut ids = OWNERS.iter().filter_map(|field| one.fields.text(field));
            let is_left = one.fields.flag("running") == Some(true) && ids.any(|id| is_later(id, own));
            one.fields.set("joined", Value::Bool(!is_left));
        }
        Ok(())
    }

    /// A container of which a part is too large to be read.
    fn see_hidden(
        &self,
        ask: &ObserveQuery,
        reader: &AnswerReader,
        summary: &ContainerSummary,
        seen: &mut BTreeMap<Address, Seen>,
        gaps: &mut Vec<Gap>,
    ) {
        let id = summary.id.as_deref().unwrap_or_default();
        let mut known = ask.applied.iter().filter(|(address, _)| address.kind == Kind::Container);
        match known.find(|(_, row)| row.vendor_id == id && !id.is_empty()) {
            Some((address, row)) if !ask.wanted.contains_key(address) => {
                let marks = answers::marks(&row.service, &self.config.instance);
                seen.insert(address.clone(), reader.seen(row.fields.clone(), &marks, id));
            }
            Some((address, _)) => gaps.push(hidden(address, ask.now)),
            None => {
                // Its name, ports and mounts are known: they are taken.
                let (address, foreign) = reader.foreign_container(summary);
                gaps.push(hidden(&address, ask.now));
                seen.insert(address, foreign);
            }
        }
    }
}

/// Something whose line in a list is too large to be read.
pub(super) fn hidden(address: &Address, now: Timestamp) -> Gap {
    let message = text!("it is not seen: its line in Docker's list is too large to be read");
    let hint = text!("shorten its labels, or those of its image; all else goes on");
    let (provider, code) = (address.provider.clone(), Code::A0542);
    Gap { provider, scope: GapScope::Resource(address.clone()), code, message, hint, since: now }
}
