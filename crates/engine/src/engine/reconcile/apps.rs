//! Apps: their repositories are followed, what Amarre makes for them, and what they are built from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::effective_manifests::DesiredManifests;
use super::engine::Engine;
use super::manifest_loader::SharedManifests;
use crate::engine::report::pass_view::PassView;
use crate::ledger::StoredManifest;
use crate::providers::{BuildContext, ContextPieces, OpenContexts, WatchBuilds};
use crate::secret::Secret;
use crate::source::{AppRepositories, AppState, FilesToSend, TokenFinder};
use amarre_core::apps::SecretForm;
use amarre_core::manifest::Diagnostic;
use amarre_core::model::{SecretName, Service};

/// The files of apps, for lanes.
#[derive(Debug, Clone)]
pub struct AppContexts(pub AppRepositories);

impl OpenContexts for AppContexts {
    fn open(&self, context: BuildContext) -> ContextPieces {
        let BuildContext { source, commit, folder, dockerfile, below, beside } = context;
        self.0.open(&source, FilesToSend { commit, folder, dockerfile, below, beside })
    }

    fn base_digests(&self, service: &str) -> BTreeMap<String, String> {
        self.0.bases().digests(service)
    }
}

impl PassView {
    /// The providers that build images.
    pub fn builders(&self) -> impl Iterator<Item = &dyn WatchBuilds> {
        let providers = self.context.iter().flat_map(|context| context.providers.values());
        providers.filter_map(|provider| provider.capabilities().builds)
    }
}

impl Engine {
    /// Follows the repositories that manifests name; those of a source that cannot be read are followed as before.
    pub(crate) fn follow_apps(&self, loaded: &SharedManifests) {
        let secrets = self.secrets.clone();
        self.source.apps().find_tokens_by(TokenFinder(Arc::new(move |name| secrets(name).ok())));
        self.source.apps().recall(&loaded.apps);
        self.source.apps().fetch_due(self.clock.now(), &self.wake);
    }

    /// An app whose repository was not fetched yet stays as it was; a new one waits.
    pub(crate) async fn wait_for_repositories(
        &mut self,
        desired: &mut DesiredManifests,
        stored: &BTreeMap<String, StoredManifest>,
    ) {
        let waits = |service: &&Service| service.app.as_ref().is_some_and(|app| app.build.is_none());
        let waiting: Vec<Service> = desired.services.values().filter(waits).cloned().collect();
        for service in &waiting {
            let Some(app) = &service.app else { continue };
            let name = service.name.clone();
            Arc::make_mut(&mut desired.services).remove(&name);
            Arc::make_mut(&mut desired.texts).remove(&name);
            let state = self.source.apps().state(&app.source);
            let why = match state.and_then(|state| state.error) {
                Some(error) => {
                    let hint = error.hints.first().map(|hint| format!(": {}", hint.text)).unwrap_or_default();
                    format!("{}, {}{hint}", error.message, error.code)
                }
                None => format!("{} is being fetched", app.source.url),
            };
            desired.broken.insert(name.clone(), why);
            self.use_last_good(desired, &name, stored.get(&name)).await;
        }
        let services = desired.services.values().chain(&waiting);
        let failed = services.filter_map(|service| Some((service, service.app.as_ref()?)));
        let told: Vec<Diagnostic> = failed
            .filter_map(|(service, app)| {
                let AppState { error, .. } = self.source.apps().state(&app.source)?;
                let error = error?;
                let hint = error.hints.first().map(|hint| hint.text.clone()).unwrap_or_default();
                Some(Diagnostic::of_service(error.code, service, error.message, hint))
            })
            .collect();
        desired.diagnostics.extend(told);
    }

    /// The secrets that Amarre makes for apps: each once.
    pub(crate) async fn add_app_secrets(&self, desired: &mut DesiredManifests, makes: bool) {
        let named: Vec<(String, SecretName)> = desired
            .services
            .values()
            .flat_map(|service| service.own_secrets().map(|name| (service.name.clone(), name.clone())))
            .collect();
        for (service, name) in named {
            let Some((app, variable, form)) = made_secret(&name) else { continue };
            match self.source.apps().secret(app, variable, form, makes).await {
                Ok(secret) => {
                    let secret = secret.unwrap_or_else(|| Secret::new("made by the first pass that acts"));
                    desired.marks.insert(name.clone(), self.key.mark(secret.expose()));
                    desired.secrets.insert(name, secret);
                }
                Err(why) => {
                    let message = format!("a secret of {service} could not be made: {why}");
                    tracing::warn!("{message}");
                    desired.freeze(&service, message);
                }
            }
        }
    }
}

/// The parts of the name of a secret that Amarre makes for an app.
fn made_secret(name: &SecretName) -> Option<(&str, &str, SecretForm)> {
    let mut words = name.0.split(' ');
    let is_app = words.next() == Some("app");
    let (app, variable, form) = (words.next()?, words.next()?, words.next()?);
    is_app.then_some(())?;
    Some((app, variable, SecretForm::parse(form)?))
}
