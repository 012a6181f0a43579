//! What is said of a login's set-up: the projects that it sees, what it may do in each, and the vendor's clock.

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::OvhCloudProvider;
use super::api::{ACTIONS, failed};
use crate::providers::ovh::api::WireCredential;
use crate::providers::ovh::examine::{clock, matches};
use crate::providers::{EXAM_LIMIT, Exam, ExamineSetup, Finding};
use amarre_core::model::{Code, Kind};
use amarre_core::text;

/// The title of its family.
const TOPIC: &str = "OVH Public Cloud";

#[async_trait]
impl ExamineSetup for OvhCloudProvider {
    async fn examine(&self, exam: &Exam) -> Vec<Finding> {
        let projects = match timeout(EXAM_LIMIT, self.api.projects()).await {
            Ok(Ok(projects)) => projects,
            Ok(Err(trouble)) => {
                return vec![Finding::failed(TOPIC, failed(trouble, &text!("could not list the projects"), false))];
            }
            Err(_) => return vec![Finding::late(TOPIC, &self.endpoint)],
        };
        let account = async { tokio::join!(self.api.credential(), self.api.api.time()) };
        let Ok((credential, time)) = timeout(EXAM_LIMIT, account).await else {
            return vec![Finding::late(TOPIC, &self.endpoint)];
        };
        let mut findings: Vec<Finding> = clock(TOPIC, &self.endpoint, &time, exam.now).into_iter().collect();
        if projects.is_empty() {
            let text = format!("{}: the login sees no Public Cloud project", self.endpoint);
            findings.push(
                Finding::wrong(TOPIC, Code::A0732, text)
                    .hint("give it a right on the project, see docs/providers/ovh-cloud.md"),
            );
        }
        let credential = match credential {
            Ok(credential) => credential,
            Err(trouble) => {
                findings
                    .push(Finding::failed(TOPIC, failed(trouble, &text!("could not read the token's rights"), false)));
                None
            }
        };
        // A right that only one kind needs is asked for where that kind is used.
        let makes = exam.kinds.contains(&(self.id.clone(), Kind::Server));
        let examined = projects.iter().map(|project| self.examine_project(project, credential.as_ref(), makes));
        findings.extend(join_all(examined).await);
        findings
    }
}

impl OvhCloudProvider {
    /// One line a project: its name, its state, what the login lacks there.
    async fn examine_project(&self, id: &str, credential: Option<&WireCredential>, makes: bool) -> Finding {
        let read = async { tokio::join!(self.api.project(id), self.api.instances(id)) };
        let Ok((project, instances)) = timeout(EXAM_LIMIT, read).await else {
            return Finding::late(TOPIC, &format!("project {id}"));
        };
        let project = match project {
            Ok(project) => project,
            Err(trouble) => {
                return Finding::failed(TOPIC, failed(trouble, &text!("could not read project {id}", id), false));
            }
        };
        let name = project.description.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_owned());
        if !self.chosen.is_empty() && !self.chosen.contains(id) && !self.chosen.contains(&name) {
            return Finding::good(TOPIC, format!("project {name}: left out by `projects`"));
        }
        if project.status != "ok" {
            return Finding::failed(TOPIC, super::suspended(&name, &project.status));
        }
        let count = match instances {
            Ok(instances) => instances.len(),
            Err(trouble) => {
                let doing = text!("could not list the instances of project {name}", name);
                return Finding::failed(TOPIC, failed(trouble, &doing, false));
            }
        };
        let lacking = credential.map(|credential| lacking(credential, id, makes)).unwrap_or_default();
        let text = format!("project {name}: {count} instances are seen");
        match (credential, lacking.is_empty()) {
            (None, _) => Finding::good(TOPIC, text).note(format!(
                "a service account's rights show with the first use; Amarre needs {}",
                ACTIONS
                    .iter()
                    .map(|(_, right)| *right)
                    .filter(|right| !right.is_empty())
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
            (Some(_), true) => Finding::good(TOPIC, format!("{text}, and may be started and stopped")),
            (Some(_), false) => {
                let text = format!("{text}, and the token may not do all that is asked of them");
                Finding::know(TOPIC, Code::A0731, text).note(format!("it lacks {}", lacking.join(", ")))
            }
        }
    }
}

/// What a token may not do in a project: actions, and where manifests make servers what that takes.
fn lacking(credential: &WireCredential, project: &str, makes: bool) -> Vec<String> {
    const ACTING: [(&str, &str); 5] = [
        ("POST", "/instance/*/start"),
        ("POST", "/instance/*/stop"),
        ("POST", "/instance/*/reboot"),
        ("POST", "/instance/*/shelve"),
        ("POST", "/instance/*/unshelve"),
    ];
    const MAKING: [(&str, &str); 5] = [
        ("POST", "/instance"),
        ("POST", "/sshkey"),
        ("POST", "/instance/*/resize"),
        ("PUT", "/instance/*"),
        ("DELETE", "/instance/*"),
    ];
    let may = |method: &str, path: &str| {
        let path = format!("/cloud/project/{project}{}", path.replace('*', "1"));
        credential.rules.iter().any(|rule| rule.method == method && matches(&rule.path, &path))
    };
    let needed = ACTING.iter().chain(MAKING.iter().filter(|_| makes));
    let missing = needed.filter(|(method, path)| !may(method, path));
    missing.map(|(method, path)| format!("{method} /cloud/project/{project}{path}")).collect()
}
