//! Which providers were simulated when the ledger was last used: what was written to a simulated one never existed.

use std::collections::BTreeSet;

use super::resources::{Ledger, StoreError};
use super::sql::AssertSqlSafe;
use amarre_core::model::address::of_provider;
use amarre_core::model::{Address, ProviderId};

const META: &str = "simulated";

impl Ledger {
    /// Records which providers are simulated from now on. A provider that becomes real is forgotten with everything
    /// that was written to its simulator. A real provider stays: the answer names the first one that cannot be
    /// simulated, and how many real resources are ours there; then nothing is changed.
    ///
    /// # Errors
    /// The ledger cannot be read or written.
    pub async fn simulate(&self, now: &BTreeSet<ProviderId>) -> Result<Option<(ProviderId, usize)>, StoreError> {
        let noted = self.meta(META).await?.unwrap_or_default();
        let before: BTreeSet<ProviderId> =
            noted.split_whitespace().map(|name| ProviderId::from(name.to_owned())).collect();
        if before == *now {
            return Ok(None);
        }
        let facts = self.facts().await?;
        let ours = |id: &ProviderId| of_provider(&facts.applied, id).count();
        let real = now.difference(&before).map(|id| (id.clone(), ours(id))).find(|(_, count)| *count > 0);
        if real.is_some() {
            return Ok(real);
        }
        for id in before.difference(now) {
            let gone: Vec<Address> = of_provider(&facts.applied, id).map(|(address, _)| address.clone()).collect();
            self.forget(&gone).await?;
            self.forget_traces(id).await?;
            // Consent to a test is no consent to this.
            self.unset_meta("consent").await?;
        }
        let names: Vec<&str> = now.iter().map(ProviderId::as_str).collect();
        self.set_meta(META, &names.join(" ")).await?;
        Ok(None)
    }

    /// Records beside ownership. Events stay: they happened, and have their time.
    async fn forget_traces(&self, id: &ProviderId) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for table in ["orders", "intents", "failed", "flaps", "repointed"] {
            // The names are ours, not foreign text.
            let query = format!("DELETE FROM {table} WHERE substr(address, 1, length(?1) + 1) = ?1 || '/'");
            transaction.run(AssertSqlSafe(query), &[&id.as_str()]).await?;
        }
        transaction.run("DELETE FROM unpublished WHERE provider = ?", &[&id.as_str()]).await?;
        transaction.commit().await
    }
}
