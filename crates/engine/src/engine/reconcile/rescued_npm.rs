//! An NPM whose nginx refuses its configuration: which host is the cause.

use crate::engine::pass_result::Context;
use crate::providers::{Blame, ProviderError, ProxyRescue, TestNginx};
use amarre_core::model::{Code, ProviderId};

/// An NPM, and its container on an engine.
pub(crate) struct RescuedNpm<'a> {
    pub(crate) name: String,
    pub(crate) npm: &'a dyn ProxyRescue,
    engine: &'a dyn TestNginx,
    pub(crate) container: &'a str,
}

impl<'a> RescuedNpm<'a> {
    /// `None` where its container is not known.
    pub(crate) fn new(context: &'a Context, npm: &ProviderId) -> Option<Self> {
        let (engine, container) = context.site.hosts.values().find_map(|host| {
            let site = host.npm.as_ref().filter(|site| site.provider == *npm)?;
            Some((&host.docker, site.container.as_deref()?))
        })?;
        let parts = |id| Some(context.providers.get(id)?.capabilities());
        let (rescue, test) = (parts(npm)?.proxy_rescue?, parts(engine)?.nginx_test?);
        Some(Self { name: npm.short_name().to_owned(), npm: rescue, engine: test, container })
    }

    /// The error of nginx, if it refuses its configuration.
    pub(crate) async fn complaint(&self) -> Result<Option<Blame>, ProviderError> {
        match self.engine.test_nginx(self.container).await? {
            Some(said) => self.npm.find_refused_hosts(&said).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The cause of a failed write of NPM, if nginx names it: one bad file keeps NPM from every change.
pub(crate) async fn find_npm(context: &Context, npm: &ProviderId, error: ProviderError) -> ProviderError {
    if !matches!(error.code, Code::A0603 | Code::A0608 | Code::A0803) {
        return error;
    }
    let Some(patient) = RescuedNpm::new(context, npm) else { return error };
    let Ok(Some(blame)) = patient.complaint().await else { return error };
    let because = blame.hosts.first().map(|host| {
        let whose = if host.is_ours { "ours" } else { "not ours" };
        format!(" because of {} {}, which is {whose}", host.kind.label(), host.id)
    });
    let message = format!("nginx refuses its configuration{}: {}", because.unwrap_or_default(), blame.words);
    let hint = format!("`amarre npm rescue {} --dry-run` shows what would be switched off", patient.name);
    ProviderError::new(error.class, Code::A0609, message).hint(hint).after(error.retry_after)
}
