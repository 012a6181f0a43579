//! Which servers of a cloud a manifest may name by `id`: whoever names one starts and stops it.
//!
//! `policy.instances` lists them, as `CLOUD:PROJECT/ID`. A manifest does not say the project: where a pattern names one, the plan decides
//! as soon as the server is seen (`core/src/plan/desired/instance.rs`).

use super::Closed;
use crate::manifest::policy;
use crate::manifest::scope::{AllowedBy, PlacedText, Scope};
use crate::manifest::yaml::diagnostic::shown;
use crate::model::Code;
use crate::model::instance::is_listed;
use crate::text;

/// The key of the policy.
const WORD: &str = "instances";

/// Whether a manifest may name the server with this id.
pub(crate) fn judge(scope: &Scope<'_>, cloud: &str, id: &PlacedText) {
    let item = format!("{cloud}:{}", id.text);
    let may_be = |pattern: &&String| is_listed(std::slice::from_ref(*pattern), cloud, None, &id.text);
    if let Some(pattern) = scope.site.policy.instances.iter().find(may_be) {
        return policy::allowed(scope, id.spot, WORD, &item, AllowedBy::Policy(format!("{WORD}: {pattern}")));
    }
    let message = text!("policy forbids manifests to name the instance {item}", item = shown(&item));
    let entry = format!("`policy: {{instances: [\"{}\"]}}`", shown(&item));
    let hint =
        text!("ask the operator to write {entry} into amarre.yaml; `{cloud}:*` allows all of the cloud", entry, cloud);
    policy::report_closed(scope, &Closed { code: Code::A0294, spot: id.spot, word: WORD, item: &item, message, hint });
}
