//! `/`: does anything need me, and is all as it was?

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::attention::{self, AttentionRow};
use super::service_rows::{self, Group, Grouping, PageChoice, ServiceOrder, Tile};
use super::view_model;
use super::{FormFields, PageFrame, RequestContext, Web, page};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::report;
use crate::engine::report::leftovers::Leftover;
use crate::engine::report::service_list;
use crate::engine::report::service_list::Only;
use crate::engine::report::status::ServiceStatus;
use crate::words::Words;
use amarre_core::model::suggestion;

/// The rows of a page.
const PAGE_ROWS: usize = 50;
/// What needs a person, as far as it is listed before the services.
const NEEDS_SHOWN: usize = 12;
/// With more rows than this they are lower.
const DENSE_FROM: usize = 20;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: PageFrame,
    source: SourceLine,
    may_act: bool,
    may_edit: bool,
    may_purge: bool,
    has_looked: bool,
    is_empty: bool,
    tiles: Vec<Tile>,
    needs: Vec<AttentionRow>,
    needs_count: usize,
    query: String,
    /// For names that are nearly as the query.
    near: Option<String>,
    only: &'static str,
    chips: Vec<Chip>,
    groupings: Vec<(&'static str, String, bool)>,
    orders: Vec<(&'static str, String, bool)>,
    heads: Vec<ServiceHead>,
    unmanaged: usize,
    is_dense: bool,
    groups: Vec<Group>,
    pager: ServicePager,
    quiet: Vec<QuietKind>,
    deleted: Vec<Deleted>,
}

/// Where the manifests come from.
struct SourceLine {
    name: String,
    revision: String,
    subject: String,
    author: String,
}

/// A deleted service, and its leftovers.
struct Deleted {
    name: String,
    /// What is left and what becomes of it.
    kept: String,
    /// What purges it, in words.
    purge: String,
}

/// Manifests of a kind that has no health: they are named below the list.
struct QuietKind {
    label: String,
    /// Name and address.
    names: Vec<(String, String)>,
}

struct Chip {
    word: String,
    href: String,
    count: usize,
    is_chosen: bool,
}

/// A head that sorts.
struct ServiceHead {
    label: String,
    href: String,
    class: &'static str,
    is_chosen: bool,
}

#[derive(Default)]
struct ServicePager {
    text: String,
    before: Option<String>,
    after: Option<String>,
}

/// What was asked for.
struct AskedServices {
    query: String,
    only: Option<Only>,
    grouping: Grouping,
    order: ServiceOrder,
    page: usize,
}

impl AskedServices {
    fn new(fields: &FormFields) -> Self {
        let text = |name: &str| fields.get(name).map(|text| text.trim()).unwrap_or_default();
        let only = Only::WORDS.iter().find(|(known, _)| *known == text("only")).map(|(_, only)| *only);
        Self {
            query: text("q").to_owned(),
            only,
            grouping: Grouping::parse(text("group")),
            order: ServiceOrder::parse(text("sort")),
            page: text("page").parse::<usize>().unwrap_or(1).max(1),
        }
    }

    fn only_word(&self) -> &'static str {
        self.only.map_or("", Only::word)
    }

    /// The address of the list with another filter, order or page.
    fn href(&self, only: &str, order: ServiceOrder, page: usize) -> String {
        let mut fields: Vec<(&str, String)> = Vec::new();
        let mut add = |name, value: &str| {
            if !value.is_empty() {
                fields.push((name, view_model::encoded(value)));
            }
        };
        add("q", &self.query);
        add("only", only);
        add("group", if self.grouping == Grouping::default() { "" } else { self.grouping.word() });
        add("sort", if order == ServiceOrder::default() { "" } else { order.word() });
        add("page", &if page > 1 { page.to_string() } else { String::new() });
        let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        if fields.is_empty() { "/".to_owned() } else { format!("/?{}", fields.join("&")) }
    }

    fn here(&self) -> String {
        self.href(self.only_word(), self.order, self.page)
    }
}

type NamedServices<'a> = BTreeMap<&'a String, &'a ServiceStatus>;

/// `GET /`
pub async fn show(State(web): State<Web>, headers: HeaderMap, Query(fields): Query<FormFields>) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let words = visitor.words;
    let (pass, _) = web.handle.last_pass();
    let now = web.handle.now();
    let asked = AskedServices::new(&fields);
    let (gone, all): (NamedServices<'_>, NamedServices<'_>) = pass.statuses().iter().partition(|(_, row)| row.deleted);
    let (quiet, all): (NamedServices<'_>, NamedServices<'_>) =
        all.into_iter().partition(|(_, row)| service_rows::is_beside(&pass, row));
    let needs: Vec<AttentionRow> = attention::rows(&pass, now, &visitor);
    let (found, needs_count) = (found(&pass, &all, &asked), needs.len());
    let near = (found.is_empty() && !asked.query.is_empty()).then(|| nearest(&pass, &asked.query)).flatten();
    let shown: Vec<&ServiceStatus> = found.iter().copied().skip((asked.page - 1) * PAGE_ROWS).take(PAGE_ROWS).collect();
    let frame = PageFrame::new(&web, &visitor, "services", words.get("overview-title"), asked.here()).await;
    let may_act = visitor.may(Role::Operator) || visitor.session.is_none();
    page(&Overview {
        source: source_line(&pass, web.handle.source_name()),
        may_act,
        may_edit: visitor.may(Role::Editor) || visitor.session.is_none(),
        may_purge: visitor.may(Role::Admin),
        has_looked: pass.context.is_some(),
        is_empty: all.is_empty() && quiet.is_empty(),
        tiles: service_rows::tiles(&pass, &all, &needs_names(&needs), words),
        needs_count,
        needs: needs.into_iter().take(NEEDS_SHOWN).collect(),
        near,
        only: asked.only_word(),
        chips: chips(&pass, all.len(), needs_count, &asked, words),
        groupings: Grouping::choices(asked.grouping, words),
        orders: ServiceOrder::choices(asked.order, words),
        heads: heads(&asked, words),
        unmanaged: service_list::unmanaged_count(&pass),
        is_dense: found.len() > DENSE_FROM,
        groups: service_rows::groups(&pass, &shown, &found, asked.grouping, now, words),
        pager: pager(&asked, found.len(), words),
        quiet: quiet_kinds(&pass, &quiet, words),
        deleted: gone.values().map(|row| deleted(row, words)).collect(),
        query: asked.query,
        frame,
    })
}

/// The services that are asked for, in their order.
fn found<'a>(pass: &'a PassView, all: &NamedServices<'a>, asked: &AskedServices) -> Vec<&'a ServiceStatus> {
    let rows = match asked.only {
        Some(only) => service_list::matching(pass, only),
        None => service_list::rows(pass, all.values().copied(), None),
    };
    let mut rows: Vec<&ServiceStatus> =
        rows.into_iter().filter(|row| service_list::is_about(pass, row, &asked.query)).collect();
    asked.order.sort(pass, &mut rows);
    rows
}

/// The service whose name is nearest to a text.
fn nearest(pass: &PassView, text: &str) -> Option<String> {
    let known: Vec<&str> = pass.statuses().keys().map(String::as_str).collect();
    suggestion::nearest(text, &known).map(str::to_owned)
}

fn source_line(pass: &PassView, name: String) -> SourceLine {
    let commit = pass.source.commit.as_ref();
    SourceLine {
        name,
        revision: report::revision(pass),
        subject: commit.map(|commit| commit.subject.clone()).unwrap_or_default(),
        author: commit.map(|commit| commit.author.clone()).unwrap_or_default(),
    }
}

fn needs_names(needs: &[AttentionRow]) -> Vec<String> {
    needs.iter().map(|need| need.name.clone()).collect()
}

/// The filters of the list.
fn chips(pass: &PassView, all: usize, needs: usize, asked: &AskedServices, words: Words) -> Vec<Chip> {
    let of = |only: Only| service_list::matching(pass, only).len();
    let chips = [
        ("filter-all", "", all),
        ("filter-attention", "attention", needs),
        ("filter-drifted", "drift", of(Only::Drift)),
        ("filter-open", "open", of(Only::Open)),
        ("filter-no-tls", "no-tls", of(Only::NoTls)),
        ("filter-suspended", "suspended", of(Only::Suspended)),
    ];
    let chosen = asked.only_word();
    let shown = chips.into_iter().filter(|(_, only, count)| *count > 0 || only.is_empty() || *only == chosen);
    let chip = |(key, only, count)| Chip {
        word: words.get(key),
        href: asked.href(only, asked.order, 1),
        count,
        is_chosen: chosen == only,
    };
    shown.map(chip).collect()
}

fn heads(asked: &AskedServices, words: Words) -> Vec<ServiceHead> {
    let head = |key: &str, order: Option<ServiceOrder>, class| ServiceHead {
        label: words.get(key),
        href: order.map(|order| asked.href(asked.only_word(), order, 1)).unwrap_or_default(),
        class,
        is_chosen: order == Some(asked.order),
    };
    vec![
        head("col-service", Some(ServiceOrder::Name), ""),
        head("col-address", None, "drop"),
        head("col-certificate", Some(ServiceOrder::Certificate), ""),
        head("col-what-now", Some(ServiceOrder::Attention), ""),
        head("col-since", Some(ServiceOrder::Since), "drop lowprio"),
    ]
}

fn pager(asked: &AskedServices, count: usize, words: Words) -> ServicePager {
    if count <= PAGE_ROWS {
        return ServicePager::default();
    }
    let (from, to) = ((asked.page - 1) * PAGE_ROWS + 1, (asked.page * PAGE_ROWS).min(count));
    let values = [("from", from.to_string()), ("to", to.to_string()), ("count", count.to_string())];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let to_page = |page: usize| asked.href(asked.only_word(), asked.order, page);
    ServicePager {
        text: words.with_all("overview-page", &values),
        before: (asked.page > 1).then(|| to_page(asked.page - 1)),
        after: (to < count).then(|| to_page(asked.page + 1)),
    }
}

/// What has no health, by kind.
fn quiet_kinds(pass: &PassView, quiet: &NamedServices<'_>, words: Words) -> Vec<QuietKind> {
    let mut kinds: BTreeMap<&'static str, Vec<(String, String)>> = BTreeMap::new();
    for (name, row) in quiet {
        kinds.entry(service_list::kind_word(pass, row)).or_default().push(((*name).clone(), path_of(pass, row)));
    }
    let kind = |(word, names): (&str, Vec<_>)| QuietKind { label: words.get(&format!("beside-{word}")), names };
    kinds.into_iter().map(kind).collect()
}

/// Where a manifest that is no service is shown.
fn path_of(pass: &PassView, row: &ServiceStatus) -> String {
    let name = view_model::encoded(&row.name);
    match service_list::kind_word(pass, row) {
        "Instance" => format!("/instances/{name}"),
        "Pool" => format!("/pools/{name}"),
        _ => format!("/services/{name}"),
    }
}

fn deleted(row: &ServiceStatus, words: Words) -> Deleted {
    let kept = super::service::left_behind(row, words).into_iter().map(|[kind, name]| format!("{kind} {name}"));
    let kept = kept.collect::<Vec<_>>().join(", ");
    let (says, purge) = match row.leftover() {
        Some(Leftover::Server) => ("deleted-goes-on", "act-purge-server"),
        Some(Leftover::Certificate) => ("deleted-keeps-certificate", "act-purge-certificate"),
        Some(Leftover::Data) | None => ("deleted-keeps", "act-purge"),
    };
    Deleted { name: row.name.clone(), kept: words.with(says, "what", &kept), purge: words.get(purge) }
}
