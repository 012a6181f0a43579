//! What Prometheus reads. Names in the field's habit; service names are labels, domains are not.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::engine::{Picture, status};
use crate::store::journal::Run;

/// The content type that Prometheus asks for.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(String, String)>;

/// The text of one scrape.
pub fn render(picture: &Picture, last_run: Option<&Run>) -> String {
    let mut registry = Registry::default();
    let build = gauge(&mut registry, "amarre_build_info", "Which program");
    build.get_or_create(&labels(&[("version", env!("CARGO_PKG_VERSION"))])).set(1);
    services(&mut registry, picture);
    providers(&mut registry, picture);
    single(&mut registry, "amarre_last_reconcile_timestamp_seconds", "When it looked last", picture.at.0 / 1000);
    let looks = Counter::<u64>::default();
    looks.inc_by(picture.looks.count);
    registry.register("amarre_reconciles", "How often it has looked", looks);
    let took = Counter::<f64, AtomicU64>::default();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a process's life fit")]
    took.inc_by(picture.looks.took.0 as f64 / 1000.0);
    registry.register("amarre_reconcile_seconds", "How long that took in all", took);
    if let Some(run) = last_run {
        let help = "Changes made by the last run that had work";
        single(&mut registry, "amarre_last_run_writes", help, run.writes);
    }
    let count =
        picture.diagnostics.iter().filter(|diagnostic| diagnostic.severity == crate::manifest::Severity::Error).count();
    single(&mut registry, "amarre_manifest_errors", "Errors in manifests", number(count));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

fn services(registry: &mut Registry, picture: &Picture) {
    let info = gauge(registry, "amarre_service_info", "How each service is");
    let attention = gauge(registry, "amarre_service_attention", "Whether a service needs a person");
    for (name, row) in picture.statuses() {
        let all =
            [("service", name.as_str()), ("host", &row.host), ("sync", row.sync.word()), ("health", row.health.word())];
        info.get_or_create(&labels(&all)).set(1);
        attention.get_or_create(&labels(&[("service", name)])).set(i64::from(row.attention));
    }
    let drift = gauge(registry, "amarre_drift_resources", "Resources that differ from what was last applied");
    for change in picture.plan.changes.iter().filter(|change| status::is_drift(change)) {
        drift.get_or_create(&labels(&[("kind", change.address.kind.word())])).inc();
    }
    single(registry, "amarre_backoff_services", "Services that wait after a failure", number(picture.errors.len()));
}

fn providers(registry: &mut Registry, picture: &Picture) {
    let Some(context) = &picture.context else { return };
    let up = gauge(registry, "amarre_provider_up", "Whether a provider could be observed");
    let requests = Family::<Labels, Counter>::default();
    registry.register("amarre_provider_requests", "Requests by method and status; 0 = no answer", requests.clone());
    for (id, provider) in context.providers.iter() {
        let is_up = !picture.plan.gaps.iter().any(|gap| gap.provider == *id);
        up.get_or_create(&labels(&[("provider", id.as_str())])).set(i64::from(is_up));
        for ((method, code), count) in provider.counts().read() {
            let all = [("provider", id.as_str()), ("method", method.as_str()), ("code", &code.to_string())];
            requests.get_or_create(&labels(&all)).inc_by(count);
        }
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Gauge> {
    let family = Family::<Labels, Gauge>::default();
    registry.register(name, help, family.clone());
    family
}

/// One value without labels.
fn single(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
