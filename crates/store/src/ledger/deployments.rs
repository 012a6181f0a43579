//! What was deployed of each app: commits with their images, and how far each came. Bounded; the oldest go first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::resources::{Ledger, StoreError};
use super::sql::{Row, SqliteRow};
use amarre_core::model::{Code, Commit, Millis, Timestamp};

/// Deployments that are kept of one app.
pub const DEPLOYMENTS_KEPT: usize = 100;
/// Deployments that are kept of all apps: those of apps that are gone go with time.
const ALL_KEPT: i64 = 20_000;

/// How far a deployment is, and an app with its newest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// It waits: for its repository, for a person, for another build.
    #[default]
    Pending,
    /// Its image is being built.
    Provisioning,
    /// A new container takes over.
    Deploying,
    Running,
    /// It could not be built, or does not run.
    Failed,
    /// Another one has taken its place, or a person has stopped it.
    Stopped,
    /// Its app was deleted.
    Deleted,
}

impl DeploymentState {
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Provisioning, Self::Deploying, Self::Running, Self::Failed, Self::Stopped, Self::Deleted];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Provisioning => "provisioning",
            Self::Deploying => "deploying",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
        }
    }

    /// Whether it is on its way.
    pub const fn is_moving(self) -> bool {
        matches!(self, Self::Pending | Self::Provisioning | Self::Deploying)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its number; 0: the ledger has not seen it yet.
    #[serde(skip)]
    pub id: u64,
    #[serde(skip)]
    pub app: String,
    /// How far it is.
    pub state: DeploymentState,
    pub commit: Commit,
    /// The framework; empty: not known.
    pub framework: String,
    /// Its image; empty: not known yet.
    pub image: String,
    /// Why it is where it is, where that is not plain.
    pub why: String,
    /// The code of that.
    pub code: Option<Code>,
    /// A person went back to it.
    pub is_rollback: bool,
    /// Commits since the deployment before, which came too fast to be deployed by themselves.
    pub skipped: usize,
    /// When it was first known.
    pub began: Timestamp,
    /// When its build began.
    pub build_began: Option<Timestamp>,
    /// When its build ended, well or not.
    pub build_ended: Option<Timestamp>,
    /// When it first ran.
    pub ran: Option<Timestamp>,
    /// When it failed, was stopped or deleted.
    pub ended: Option<Timestamp>,
}

impl Deployment {
    /// How long its build took, or has taken.
    pub fn build_time(&self, now: Timestamp) -> Option<Millis> {
        Some(self.build_ended.unwrap_or(now) - self.build_began?)
    }

    /// How long it took until it ran or failed; `None`: it has done neither.
    pub fn took(&self) -> Option<Millis> {
        let failed = self.ended.filter(|_| self.state == DeploymentState::Failed);
        Some(self.ran.or(failed)? - self.began)
    }
}

/// Deployments by app, the oldest first.
pub type Deployments = BTreeMap<String, Vec<Deployment>>;

fn deployment(row: &SqliteRow) -> Option<Deployment> {
    let document: Deployment = serde_json::from_str(row.get("document")).ok()?;
    let id = u64::try_from(row.get::<i64, _>("id")).ok()?;
    Some(Deployment { id, app: row.get("app"), ..document })
}

fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

impl Ledger {
    /// All that is kept.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn deployments(&self) -> Result<Deployments, StoreError> {
        let rows = self.rows("SELECT id, app, document FROM deployments ORDER BY id", &[]).await?;
        let mut all = Deployments::new();
        for one in rows.iter().filter_map(deployment) {
            all.entry(one.app.clone()).or_default().push(one);
        }
        Ok(all)
    }

    /// Stores where deployments of one app stand; all or none. Answers them with their numbers.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn store_deployments(&self, app: &str, all: Vec<Deployment>) -> Result<Vec<Deployment>, StoreError> {
        let mut stored = Vec::new();
        let mut transaction = self.begin().await?;
        for mut one in all {
            let document = serde_json::to_string(&one).unwrap_or_default();
            if one.id == 0 {
                let query = "INSERT INTO deployments (app, document) VALUES (?, ?)";
                let id = transaction.insert(query, &[&app, &document]).await?;
                one.id = u64::try_from(id).unwrap_or_default();
            } else {
                let query = "UPDATE deployments SET document = ? WHERE id = ?";
                transaction.run(query, &[&document, &number(one.id)]).await?;
            }
            stored.push(one);
        }
        let query = "DELETE FROM deployments WHERE app = ?1 AND id <= \
                     (SELECT id FROM deployments WHERE app = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        transaction.run(query, &[&app, &i64::try_from(DEPLOYMENTS_KEPT).unwrap_or(i64::MAX)]).await?;
        let query = "DELETE FROM deployments WHERE id <= (SELECT max(id) FROM deployments) - ?";
        transaction.run(query, &[&ALL_KEPT]).await?;
        transaction.commit().await?;
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_deployments_of_each_app_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let commit = Commit { id: "a".repeat(40), subject: "s".into(), author: "a".into(), at: Timestamp(0) };
        let deployment = |app: &str| Deployment {
            id: 0,
            app: app.to_owned(),
            state: DeploymentState::Running,
            commit: commit.clone(),
            framework: "static".to_owned(),
            image: "amarre/a:1".to_owned(),
            why: String::new(),
            code: Some(Code::A0773),
            is_rollback: false,
            skipped: 0,
            began: Timestamp(1_000),
            build_began: Some(Timestamp(2_000)),
            build_ended: Some(Timestamp(5_000)),
            ran: None,
            ended: None,
        };
        let other = ledger.store_deployments("other", vec![deployment("other")]).await.unwrap();
        for _ in 0..DEPLOYMENTS_KEPT + 3 {
            ledger.store_deployments("busy", vec![deployment("busy")]).await.unwrap();
        }
        let mut last = ledger.deployments().await.unwrap()["busy"].last().cloned().unwrap();
        assert_eq!((last.build_time(Timestamp(0)), last.took()), (Some(Millis(3_000)), None));
        (last.state, last.ended) = (DeploymentState::Failed, Some(Timestamp(9_000)));
        assert_eq!(ledger.store_deployments("busy", vec![last.clone()]).await.unwrap(), [last.clone()]);
        let all = ledger.deployments().await.unwrap();
        assert_eq!((all["other"].as_slice(), all["busy"].len()), (other.as_slice(), 100));
        assert_eq!(all["busy"].last(), Some(&last));
        assert_eq!(last.took(), Some(Millis(8_000)));
    }
}
