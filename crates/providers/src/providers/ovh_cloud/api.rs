//! The calls of OVH Public Cloud, over the client of the OVH API.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::wire::{
    WireCatalogue, WireConsole, WireFlavor, WireImage, WireInstance, WireKey, WireOperation, WireProject, WireSnapshot,
    WireSummary,
};
use crate::providers::http::HttpAnswer;
use crate::providers::ovh::api::{ApiCall, OvhApi, OvhError, WireCredential};
use crate::providers::{Class, ProviderError};
use amarre_core::model::{Code, Text};
use amarre_core::text;

/// What OVH says of a project that does not exist or that the login may not see.
pub const NO_SUCH_SERVICE: &str = "This service does not exist";

/// The Public Cloud projects of one login.
#[derive(Debug)]
pub struct CloudApi {
    pub api: OvhApi,
}

impl CloudApi {
    /// The ids of the projects that the login sees.
    pub async fn projects(&self) -> Result<Vec<String>, OvhError> {
        self.api.json(&ApiCall::new(Method::GET, &["cloud", "project"])).await
    }

    pub async fn project(&self, id: &str) -> Result<WireProject, OvhError> {
        self.api.json(&in_project(Method::GET, id, &[])).await
    }

    /// All instances of a project, in all regions: OVH sends them in one answer.
    pub async fn instances(&self, project: &str) -> Result<Vec<WireInstance>, OvhError> {
        self.get(project, &["instance"]).await
    }

    pub async fn instance(&self, project: &str, id: &str) -> Result<WireInstance, OvhError> {
        self.get(project, &["instance", id]).await
    }

    /// One instance as its region knows it: also whether something is under way there.
    pub async fn summary(&self, project: &str, region: &str, id: &str) -> Result<WireSummary, OvhError> {
        self.get(project, &["region", region, "instance", id]).await
    }

    /// What the API token may do; `None` for a service account.
    pub async fn credential(&self) -> Result<Option<WireCredential>, OvhError> {
        self.api.credential().await
    }

    /// The prices of a subsidiary: public, for all projects.
    pub async fn catalogue(&self, subsidiary: &str) -> Result<WireCatalogue, OvhError> {
        let call = ApiCall::new(Method::GET, &["order", "catalog", "public", "cloud"]);
        self.api.json(&call.query("ovhSubsidiary", subsidiary)).await
    }

    /// The regions of a project.
    pub async fn regions(&self, project: &str) -> Result<Vec<String>, OvhError> {
        self.get(project, &["region"]).await
    }

    /// The sizes that a region offers.
    pub async fn flavors(&self, project: &str, region: &str) -> Result<Vec<WireFlavor>, OvhError> {
        self.api.json(&in_project(Method::GET, project, &["flavor"]).query("region", region)).await
    }

    /// The images that a region has.
    pub async fn images(&self, project: &str, region: &str) -> Result<Vec<WireImage>, OvhError> {
        self.api.json(&in_project(Method::GET, project, &["image"]).query("region", region)).await
    }

    /// The snapshots that a project has in a region.
    pub async fn snapshots(&self, project: &str, region: &str) -> Result<Vec<WireSnapshot>, OvhError> {
        self.api.json(&in_project(Method::GET, project, &["snapshot"]).query("region", region)).await
    }

    /// The public keys that a region has.
    pub async fn keys(&self, project: &str, region: &str) -> Result<Vec<WireKey>, OvhError> {
        self.api.json(&in_project(Method::GET, project, &["sshkey"]).query("region", region)).await
    }

    /// What is under way in a project, and what was of late.
    pub async fn operations(&self, project: &str) -> Result<Vec<WireOperation>, OvhError> {
        self.get(project, &["operation"]).await
    }

    /// An address that shows the screen of an instance for a while.
    pub async fn console(&self, project: &str, id: &str) -> Result<WireConsole, OvhError> {
        self.api.json(&in_project(Method::POST, project, &["instance", id, "vnc"])).await
    }

    /// A call, and its line of a log.
    pub async fn noted(&self, call: &ApiCall) -> (String, Result<HttpAnswer, OvhError>) {
        let came = self.api.call(call).await;
        (OvhApi::exchange_line(call, &came), came)
    }

    /// Performs an action: `start`, `stop`, `reboot`, `reboot-hard`, `shelve`, `unshelve`. The answer has no content. Also answers
    /// the call as a line of a log.
    pub async fn act(&self, project: &str, id: &str, word: &str) -> (String, Result<(), OvhError>) {
        let (verb, body) = match word {
            "reboot" => ("reboot", Some(json!({"type": "soft"}))),
            "reboot-hard" => ("reboot", Some(json!({"type": "hard"}))),
            word => (word, None),
        };
        let call = in_project(Method::POST, project, &["instance", id, verb]);
        let call = match body {
            Some(body) => call.body(&body),
            None => call,
        };
        let (line, came) = self.noted(&call).await;
        (line, came.map(drop))
    }

    async fn get<T: DeserializeOwned>(&self, project: &str, rest: &[&str]) -> Result<T, OvhError> {
        self.api.json(&in_project(Method::GET, project, rest)).await
    }
}

/// A call of something in a project.
pub fn in_project(method: Method, project: &str, rest: &[&str]) -> ApiCall {
    let mut path = vec!["cloud", "project", project];
    path.extend(rest);
    ApiCall::new(method, &path)
}

/// What a right of a call is called in a policy of IAM.
pub const ACTIONS: [(&str, &str); 6] = [
    ("start", "publicCloudProject:apiovh:instance/start"),
    ("stop", "publicCloudProject:apiovh:instance/stop"),
    ("reboot", "publicCloudProject:apiovh:instance/reboot"),
    ("reboot-hard", "publicCloudProject:apiovh:instance/reboot"),
    ("shelve", "publicCloudProject:apiovh:instance/shelve"),
    ("unshelve", "publicCloudProject:apiovh:instance/unshelve"),
];

/// As the engine takes a failed call; `doing` is what could not be done, `wrote` whether the call may have changed something.
pub fn failed(trouble: OvhError, doing: &Text, wrote: bool) -> ProviderError {
    let unclear = if wrote { Class::OutcomeUnknown } else { Class::RetryLater };
    let message = text!("{doing}: {why}", doing = doing.clone(), why = trouble.words());
    let away = text!(
        "is https://public-cloud.status-ovhcloud.com quiet and this machine on line? the daemon tries again by itself"
    );
    if let Some(action) = trouble.lacks() {
        let hint =
            text!("allow `{action}` on the project in the service account's policy at OVH (IAM, policies)", action);
        return ProviderError::new(Class::Reauthenticate, Code::A0731, message).hint(hint);
    }
    if trouble.is_about_credentials() {
        return ProviderError::new(Class::Reauthenticate, Code::A0730, message).hint(text!(
            "check the keys of the cloud: expired, deleted, or of another endpoint (ovh-eu, ovh-ca, ovh-us)?"
        ));
    }
    match &trouble {
        OvhError::NoKeys => ProviderError::new(Class::Reauthenticate, Code::A0730, message).hint(text!("make keys at OVH, export OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY, and start Amarre again; docs/providers/ovh-cloud.md says how")),
        OvhError::NotSent(_) => ProviderError::new(Class::RetryLater, Code::A0734, message).hint(away),
        OvhError::Refused { status: 429, after, .. } => {
            ProviderError::new(Class::RetryLater, Code::A0734, message).hint(away).after(*after)
        }
        OvhError::Unknown(_) | OvhError::Refused { status: 408 | 500.., .. } => {
            ProviderError::new(unclear, Code::A0734, message).hint(away)
        }
        OvhError::Refused { status: 401 | 403, .. } => ProviderError::new(Class::Reauthenticate, Code::A0731, message)
            .hint(text!("the token needs GET on /cloud/project and /cloud/project/*, and to act POST on /cloud/project/*/instance/*, to delete DELETE; docs/providers/ovh-cloud.md lists those to make instances")),
        OvhError::Refused { status: 404, words, .. } if words.contains(NO_SUCH_SERVICE) => {
            ProviderError::new(Class::Reauthenticate, Code::A0732, message)
                .hint(text!("was the project deleted, or may the login no longer see it?"))
        }
        OvhError::Refused { status: 404, .. } => {
            ProviderError::new(Class::Conflict, Code::A0733, message).hint(text!("it was deleted; the next look shows"))
        }
        OvhError::Refused { status: 409, .. } if is_busy(&trouble) => {
            ProviderError::new(Class::Conflict, Code::A0735, message)
                .hint(text!("something else is under way there; the next look shows"))
        }
        OvhError::Refused { words, .. } if says_any(words, &NO_ROOM) => {
            ProviderError::new(Class::RetryLater, Code::A0735, message)
                .hint(text!("the region has no room for it now; Amarre tries again, less often each time"))
        }
        OvhError::Refused { .. } => {
            ProviderError::new(Class::Rejected, Code::A0735, message).hint(text!("OVH would refuse the same again"))
        }
        OvhError::Nonsense(_) => ProviderError::new(unclear, Code::A0705, message)
            .hint(text!("is the endpoint the OVH API, and no proxy's page in between?")),
    }
}

/// OpenStack's words for a server at which something is under way.
const BUSY: [&str; 4] = ["task_state", "in progress", "another operation", "is locked"];
/// The same for a region that has no room.
const NO_ROOM: [&str; 4] = ["no valid host", "not enough hosts", "out of stock", "no capacity"];

/// Whether a call was refused because something else is under way there. A 409 is a refusal like any other else: what cannot be done
/// at all is answered with it as well.
pub fn is_busy(trouble: &OvhError) -> bool {
    matches!(trouble, OvhError::Refused { status: 409, words, .. } if says_any(words, &BUSY))
}

fn says_any(words: &str, texts: &[&str]) -> bool {
    let words = words.to_lowercase();
    texts.iter().any(|text| words.contains(text))
}

/// Projects by id.
pub type Projects = BTreeMap<String, WireProject>;
