//! What is said of an account's set-up: whether its key is taken, and how many servers it shows.

use async_trait::async_trait;
use tokio::time::timeout;

use super::KamateraProvider;
use crate::providers::{EXAM_LIMIT, Exam, ExamineSetup, Finding};
use amarre_core::text;

/// The title of its family.
const TOPIC: &str = "Kamatera";

#[async_trait]
impl ExamineSetup for KamateraProvider {
    async fn examine(&self, _: &Exam) -> Vec<Finding> {
        let finding = match timeout(EXAM_LIMIT, self.api.servers()).await {
            Ok(Ok(servers)) => Finding::good(TOPIC, format!("{}: {} servers are seen", self.url, servers.len()))
                .note("a key of Kamatera may do everything in the account: there is none that only reads"),
            Ok(Err(trouble)) => Finding::failed(TOPIC, trouble.into_error(&text!("could not list the servers"), false)),
            Err(_) => Finding::late(TOPIC, &self.url),
        };
        vec![finding]
    }
}
