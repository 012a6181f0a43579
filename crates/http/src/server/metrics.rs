//! What Prometheus reads. Names follow its conventions; service names are labels, domains are not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::auth::RequestCounts;
use crate::engine::PassView;
use crate::engine::reconcile::counters::{Labels, Meters, labels};
use crate::engine::report::instances::InstanceState;
use crate::engine::report::pools::{self, MachineState};
use crate::engine::report::{apps, certificates, deployments, status, subnets};
use amarre_core::model::Timestamp;

/// The content type that Prometheus asks for.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of one scrape. `applied`: when a change of each service was last written.
pub fn render(
    pass: &PassView,
    applied: &BTreeMap<String, Timestamp>,
    meters: &Meters,
    asked: &RequestCounts,
) -> String {
    let mut registry = Registry::default();
    let build = gauge(&mut registry, "amarre_build_info", "Which program");
    build.get_or_create(&labels(&[("version", env!("CARGO_PKG_VERSION"))])).set(1);
    services(&mut registry, pass, applied);
    providers(&mut registry, pass);
    instances(&mut registry, pass);
    passes(&mut registry, pass, meters);
    stocks(&mut registry, pass);
    machines(&mut registry, pass);
    apps(&mut registry, pass, meters);
    let help = "Requests that were answered, by route and status";
    registry.register("amarre_http_requests", help, asked.requests.clone());
    let help = "Until the answer began";
    registry.register("amarre_http_request_duration_seconds", help, asked.took.clone());
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

/// Passes: results and durations.
fn passes(registry: &mut Registry, pass: &PassView, meters: &Meters) {
    let at = "amarre_last_reconcile_timestamp_seconds";
    single(registry, at, "When it looked last", pass.at.0 / 1000);
    let success = meters.last_success.load(Ordering::Relaxed);
    if success > 0 {
        let at = "amarre_last_success_timestamp_seconds";
        single(registry, at, "When everything could be seen last", success / 1000);
    }
    registry.register("amarre_reconcile", "Looks and runs, by how they ended", meters.reconciles.clone());
    let help = "How long the parts of a look took";
    registry.register("amarre_reconcile_duration_seconds", help, meters.phases.clone());
    let help = "What people asked of servers at clouds, by how it ended";
    registry.register("amarre_instance_actions", help, meters.actions.clone());
    let help = "Until the vendor had answered";
    registry.register("amarre_instance_action_duration_seconds", help, meters.acting.clone());
    let help = "What timetables saved since the process began, without tax";
    registry.register("amarre_instance_saved", help, meters.saved.clone());
    registry.register("amarre_changes", "Changes that were made, or failed", meters.changes.clone());
    let help = "What somebody else was found to have changed";
    registry.register("amarre_drift_detected", help, meters.drifts.clone());
    registry.register("amarre_guard_stops", "Plans that were held", meters.guards.clone());
    registry.register("amarre_source_fetch", "How often the repository was asked", meters.fetches.clone());
    let help = "How long that took";
    registry.register("amarre_source_fetch_duration_seconds", help, meters.fetching.clone());
    let help = "From a record that is written to one that is answered everywhere";
    registry.register("amarre_dns_propagation_seconds", help, meters.propagations.clone());
    let errors =
        pass.diagnostics.iter().filter(|known| known.severity == amarre_core::manifest::Severity::Error).count();
    single(registry, "amarre_manifest_errors", "Errors in manifests", number(errors));
    single(registry, "amarre_queue_depth", "Services that are being worked on", number(pass.busy.len()));
}

/// Limited resources.
fn stocks(registry: &mut Registry, pass: &PassView) {
    let ends = gauge(registry, "amarre_certificate_expiry_timestamp_seconds", "When a certificate ends");
    for one in certificates::reports(pass) {
        if let Some(at) = one.ends {
            ends.get_or_create(&labels(&[("certificate", &one.name), ("npm", &one.npm)])).set(at.0 / 1000);
        }
    }
    let left =
        gauge(registry, "amarre_acme_budget_remaining", "Certificates that Let's Encrypt would still give this week");
    let most = gauge(registry, "amarre_acme_budget_limit", "Of so many");
    for budget in certificates::budgets(pass) {
        let labels = labels(&[("limit", "domain"), ("domain", &budget.domain)]);
        left.get_or_create(&labels).set(number(budget.left));
        most.get_or_create(&labels).set(number(budget.of));
    }
    let all = gauge(registry, "amarre_subnets", "Subnets of the pools");
    for room in subnets::rooms(pass) {
        let pool = room.pool.to_string();
        for (state, count) in [("leased", room.leased), ("foreign", room.foreign), ("free", room.free)] {
            all.get_or_create(&labels(&[("pool", &pool), ("state", state)])).set(number(count));
        }
    }
}

/// Apps: how far each is, and what became of their deployments.
fn apps(registry: &mut Registry, pass: &PassView, meters: &Meters) {
    let all = gauge(registry, "amarre_app_state", "How far an app is: 1 for its state, 0 for the others");
    for row in apps::rows(pass) {
        for state in deployments::states() {
            let labels = labels(&[("app", &row.name), ("state", state)]);
            all.get_or_create(&labels).set(i64::from(state == row.stage.state.word()));
        }
    }
    registry.register("amarre_deployments", "Deployments of apps that ran or failed", meters.deployments.clone());
    registry.register("amarre_build_duration_seconds", "How long images took to be built", meters.builds.clone());
}

/// Machines of pools, and who waits for some.
fn machines(registry: &mut Registry, pass: &PassView) {
    let machines = gauge(registry, "amarre_pool_machines", "Machines of a pool by state");
    let waiting = gauge(registry, "amarre_pool_reservations_waiting", "Reservations that wait for machines");
    let lent = gauge(registry, "amarre_pool_reservations", "Reservations that have machines");
    for row in pools::rows(pass) {
        for state in MachineState::ALL {
            let labels = labels(&[("pool", &row.name), ("state", state.word())]);
            machines.get_or_create(&labels).set(number(row.count(state)));
        }
        let pool = labels(&[("pool", &row.name)]);
        waiting.get_or_create(&pool).set(number(row.waiting()));
        let have = row.reservations.iter().filter(|one| one.reservation.machines().next().is_some()).count();
        lent.get_or_create(&pool).set(number(have));
    }
}

fn services(registry: &mut Registry, pass: &PassView, applied: &BTreeMap<String, Timestamp>) {
    let info = gauge(registry, "amarre_service_info", "How each service is");
    let attention = gauge(registry, "amarre_service_attention", "Whether a service needs a person");
    for (name, row) in pass.statuses() {
        let all =
            [("service", name.as_str()), ("host", &row.host), ("sync", row.sync.word()), ("health", row.health.word())];
        info.get_or_create(&labels(&all)).set(1);
        attention.get_or_create(&labels(&[("service", name)])).set(i64::from(row.attention));
    }
    let written = "When something of a service was last written";
    let last = gauge(registry, "amarre_service_last_applied_timestamp_seconds", written);
    for (name, at) in applied {
        last.get_or_create(&labels(&[("service", name)])).set(at.0 / 1000);
    }
    let drift = gauge(registry, "amarre_drift_resources", "Resources that differ from what was last applied");
    for change in pass.plan.changes.iter().filter(|change| status::is_drift(change)) {
        drift.get_or_create(&labels(&[("kind", change.address.kind.word())])).inc();
    }
    single(registry, "amarre_backoff_services", "Services that wait after a failure", number(pass.errors.len()));
}

/// Servers at clouds.
fn instances(registry: &mut Registry, pass: &PassView) {
    let rows = pass.instances();
    if rows.is_empty() {
        return;
    }
    let info = gauge(registry, "amarre_instance_info", "How each server at a cloud is");
    let power =
        gauge(registry, "amarre_instance_power", "Whether a server runs; of one that is not seen there is none");
    let attention = gauge(registry, "amarre_instance_attention", "Whether a server needs a person");
    let costs = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    let help = "What the vendor takes for a server, an hour, without tax; known once somebody looked at it";
    registry.register("amarre_instance_cost_per_hour", help, costs.clone());
    for row in rows {
        let managed = if row.manifest.is_some() { "yes" } else { "no" };
        let all = [
            ("instance", row.shown_name()),
            ("id", &row.id),
            ("cloud", &row.cloud),
            ("project", &row.project),
            ("region", &row.region),
            ("type", &row.size),
            ("state", row.state.word()),
            ("managed", managed),
        ];
        info.get_or_create(&labels(&all)).set(1);
        let one = labels(&[("cloud", &row.cloud), ("id", &row.id), ("instance", row.shown_name())]);
        attention.get_or_create(&one).set(i64::from(row.needs_attention()));
        if let Some(cost) = &row.cost {
            let labels = labels(&[
                ("cloud", &row.cloud),
                ("id", &row.id),
                ("instance", row.shown_name()),
                ("currency", &cost.currency),
            ]);
            #[expect(clippy::cast_precision_loss, reason = "an amount of money is far below 2^53")]
            costs.get_or_create(&labels).set(cost.an_hour() as f64 / 1e8);
        }
        if row.state != InstanceState::Unknown {
            power.get_or_create(&one).set(i64::from(row.state == InstanceState::On));
        }
    }
}

fn providers(registry: &mut Registry, pass: &PassView) {
    let Some(context) = &pass.context else { return };
    let up = gauge(registry, "amarre_provider_up", "Whether a provider could be observed");
    let requests = Family::<Labels, Counter>::default();
    registry.register("amarre_provider_requests", "Requests by method and status; 0 = no answer", requests.clone());
    let (mut took, mut waited) = (Several(Vec::new()), Several(Vec::new()));
    for (id, provider) in context.providers.iter() {
        let is_up = !pass.plan.gaps.iter().any(|gap| gap.provider == *id && gap.scope.resource().is_none());
        up.get_or_create(&labels(&[("provider", id.as_str())])).set(i64::from(is_up));
        let Some(counts) = provider.capabilities().requests else { continue };
        let of = || labels(&[("provider", id.as_str())]);
        took.0.push((of(), counts.took.clone()));
        waited.0.push((of(), counts.waited.clone()));
        for ((method, code), count) in counts.read() {
            let all = [("provider", id.as_str()), ("method", method.as_str()), ("code", &code.to_string())];
            requests.get_or_create(&labels(&all)).inc_by(count);
        }
    }
    let help = "Until the whole answer was there; not of Docker";
    registry.register("amarre_provider_request_duration_seconds", help, took);
    let help = "How long a request waited for its turn; not of Docker";
    registry.register("amarre_provider_limiter_wait_seconds", help, waited);
}

/// Histograms of other modules, by labels.
#[derive(Debug)]
struct Several(Vec<(Labels, Histogram)>);

impl EncodeMetric for Several {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.iter().try_for_each(|(labels, histogram)| histogram.encode(encoder.encode_family(labels)?))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
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

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
