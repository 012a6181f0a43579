//! Which services a status lists, and how their table looks. Pure: a picture in, text and documents out.
//!
//! | `--only` | lists |
//! |---|---|
//! | `attention` | what needs a person |
//! | `drift` | what differs from what was last applied, field by field |
//! | `no-tls` | services with a route that answers in plain HTTP |
//! | `unmanaged` | what the providers showed and nobody's manifest of ours wants |
//! | `suspended` | what is left alone |
//! | `expiring` | services with a certificate that ends within 30 days |

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::status;
use super::status::{Health, ServiceStatus, Sync};
use crate::engine::{Picture, report};
use amarre_core::model::service::Tls;
use amarre_core::model::{Address, Change, Kind, Millis, Seen, Timestamp, Value};
use amarre_core::plan::desired::certificate;
use amarre_core::plan::render::{Look, Sign, Tone, lines};

/// Rows of the table fit so many columns; `-o wide` is as wide as it needs to be.
const COLUMNS_MAX: usize = 80;
/// NPM renews with 30 days left; with less than that something is wrong.
const EXPIRING: Millis = Millis::minutes(30 * 24 * 60);
/// What is shown of a revision.
const REVISION_LETTERS: usize = 7;

/// What is asked of a list of services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listing {
    /// Quiet services, too.
    pub all: bool,
    /// More columns, and no line is cut.
    pub wide: bool,
    /// Only some.
    pub only: Option<Only>,
}

/// One sort of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// They need a person.
    Attention,
    /// They differ from what was last applied.
    Drift,
    /// A route answers in plain HTTP.
    NoTls,
    /// Not of Amarre.
    Unmanaged,
    /// Left alone.
    Suspended,
    /// A certificate ends soon.
    Expiring,
}

impl Only {
    /// Every word, as it is typed.
    pub const WORDS: [(&'static str, Only); 6] = [
        ("attention", Only::Attention),
        ("drift", Only::Drift),
        ("no-tls", Only::NoTls),
        ("unmanaged", Only::Unmanaged),
        ("suspended", Only::Suspended),
        ("expiring", Only::Expiring),
    ];

    /// As it is typed.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, only)| *only == self).map_or("", |(word, _)| word)
    }

    /// Whether a service is of this sort.
    pub fn takes(self, picture: &Picture, row: &ServiceStatus) -> bool {
        match self {
            Only::Attention => row.attention,
            Only::Drift => drifted(picture).iter().any(|change| change.service == row.name),
            Only::NoTls => has_plain_route(picture, &row.name),
            Only::Unmanaged => false,
            Only::Suspended => picture.facts.suspended.contains_key(&row.name),
            Only::Expiring => expiring(picture, row).is_some(),
        }
    }

    /// What is said when there is none.
    fn none(self) -> &'static str {
        match self {
            Only::Attention => "Nothing needs you.",
            Only::Drift => "Nothing differs from what Amarre last applied.",
            Only::NoTls => "Every route has TLS.",
            Only::Unmanaged => "Nothing is here that is not managed.",
            Only::Suspended => "Nothing is suspended.",
            Only::Expiring => "No certificate ends within 30 days.",
        }
    }
}

/// The rows that are asked for, the ones that need somebody first; and how many more are quiet.
pub fn rows<'a>(
    picture: &Picture,
    services: impl Iterator<Item = &'a ServiceStatus>,
    only: Option<Only>,
) -> Vec<&'a ServiceStatus> {
    let mut rows: Vec<&ServiceStatus> =
        services.filter(|row| only.is_none_or(|only| only.takes(picture, row))).collect();
    rows.sort_by_key(|row| (!row.attention, row.health, row.sync, row.name.clone()));
    rows
}

/// Whether a text is part of a service's name, of a domain or of an image, whatever the case.
pub fn is_about(picture: &Picture, row: &ServiceStatus, text: &str) -> bool {
    let text = text.trim().to_lowercase();
    let images = picture.services.get(&row.name).into_iter().flat_map(|service| service.containers.values());
    row.name.contains(&text)
        || row.domains.iter().any(|domain| domain.contains(&text))
        || images.into_iter().any(|container| container.image.contains(&text))
}

/// Nothing of it is worth a line.
pub fn is_quiet(row: &ServiceStatus) -> bool {
    row.sync == Sync::Synced && row.health == Health::Healthy && row.what_now.is_empty()
}

/// The table with its heading.
pub fn table(picture: &Picture, rows: &[&ServiceStatus], now: Timestamp, listing: Listing, look: Look) -> String {
    let width = |texts: &mut dyn Iterator<Item = usize>, least: usize| texts.max().unwrap_or_default().max(least) + 2;
    let names = width(&mut rows.iter().map(|row| row.name.len()), 11);
    let hosts = width(&mut rows.iter().map(|row| row.host.len()), 4);
    let domains = width(&mut rows.iter().map(|row| domain(row).len()), 6);
    let mut out = if listing.wide {
        let (service, host, domain) = ("SERVICE", "HOST", "DOMAIN");
        format!("{service:names$}{host:hosts$}{domain:domains$}{:10}", "REVISION")
    } else {
        format!("{:names$}", "SERVICE")
    };
    out.push_str(&format!("{:11}{:13}{:8}{}\n", "SYNC", "HEALTH", "SINCE", "WHAT NOW"));
    for row in rows {
        let mut line = format!("{:names$}", row.name);
        if listing.wide {
            let revision = revision(picture, &row.name);
            line.push_str(&format!("{:hosts$}{:domains$}{revision:10}", row.host, domain(row)));
        }
        let since = report::since(picture, &row.name, now);
        let (sync, health) = if row.deleted { ("Deleted", "") } else { (row.sync.word(), row.health.word()) };
        line.push_str(&format!("{sync:11}{health:13}{since:8}"));
        let room = if listing.wide { usize::MAX } else { COLUMNS_MAX.saturating_sub(line.chars().count()) };
        line.push_str(&what_now(picture, row, (listing.only, room, now), look));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The last column, cut where it has no room; the code at its end stays.
fn what_now(
    picture: &Picture,
    row: &ServiceStatus,
    (only, room, now): (Option<Only>, usize, Timestamp),
    look: Look,
) -> String {
    let ends = only.filter(|only| *only == Only::Expiring).and_then(|_| expiring(picture, row));
    let text = ends.unwrap_or_else(|| row.what_now_at(now));
    // How far a wait is stays, like the code, where the rest is cut.
    let progress = row.progress(now).map(|progress| format!(", {progress}")).unwrap_or_default();
    let code = row.code.as_ref().map(|code| format!(", {code}")).unwrap_or(progress);
    let text = text.replace(['\n', '\r', '\t'], " ");
    if text.chars().count() + code.len() <= room {
        return format!("{text}{code}");
    }
    let dots = if look.ascii { "..." } else { "…" };
    let left = room.saturating_sub(code.len() + dots.chars().count());
    let text: String = text.chars().take(left).collect();
    format!("{}{dots}{code}", text.trim_end())
}

fn domain(row: &ServiceStatus) -> &str {
    row.domains.first().map_or("", String::as_str)
}

/// The revision that is in force for a service; nothing for one whose last good text comes from the ledger.
fn revision(picture: &Picture, name: &str) -> String {
    let is_current = picture.services.contains_key(name) && !picture.broken.contains_key(name);
    let id = if is_current && picture.source_error.is_none() { picture.source.revision.as_str() } else { "" };
    id.chars().take(REVISION_LETTERS).collect()
}

fn has_plain_route(picture: &Picture, name: &str) -> bool {
    let Some(manifest) = picture.services.get(name) else { return false };
    manifest.routes.iter().any(|route| route.tls == Tls::None)
        || manifest.redirects.iter().any(|redirect| redirect.tls == Tls::None)
}

/// `certificate x ends in 12 d`, for the first that ends soon.
fn expiring(picture: &Picture, row: &ServiceStatus) -> Option<String> {
    let own = row.resources.iter().map(|resource| resource.address.clone());
    let used = row.resources.iter().filter_map(|resource| {
        let name = picture.wants.map.get(&resource.address)?.fields.text("certificate")?.to_owned();
        Some(Address::new(resource.address.provider.clone(), Kind::Certificate, &name))
    });
    let mut ends: Vec<(Timestamp, String)> = own
        .chain(used)
        .filter(|address| address.kind == Kind::Certificate)
        .filter_map(|address| Some((certificate::ends(&picture.world.seen.get(&address)?.fields)?, address.name)))
        .filter(|(at, _)| *at <= picture.at + EXPIRING)
        .collect();
    ends.sort();
    let (at, name) = ends.into_iter().next()?;
    let left = at - picture.at;
    Some(if left.0 <= 0 {
        format!("certificate {name} has ended")
    } else {
        format!("certificate {name} ends in {left}")
    })
}

/// What is said below the table, or in its place.
pub fn closing(rows: &[&ServiceStatus], only: Only) -> String {
    match (rows.len(), only) {
        (0, only) => only.none().to_owned(),
        (1, Only::NoTls) => "1 service answers in plain HTTP: give its routes `tls:`".to_owned(),
        (n, Only::NoTls) => format!("{n} services answer in plain HTTP: give their routes `tls:`"),
        (1, Only::Suspended) => format!("1 is left alone: amarre resume {}", rows[0].name),
        (n, Only::Suspended) => format!("{n} are left alone: amarre resume {}", rows[0].name),
        (n, Only::Expiring) => format!("{n} with a certificate that ends within 30 days"),
        (_, Only::Attention | Only::Drift | Only::Unmanaged) => String::new(),
    }
}

/// Every change that puts back what somebody else did, by service and address.
pub fn drifted(picture: &Picture) -> Vec<&Change> {
    let mut drifted: Vec<&Change> = picture.plan.changes.iter().filter(|change| status::is_drift(change)).collect();
    drifted.sort_by_key(|change| (change.service.clone(), change.address.clone()));
    drifted
}

/// What differs from what was last applied: what was applied stands left, what is there now stands right.
pub fn drift_text(picture: &Picture, look: Look) -> String {
    let drifted = drifted(picture);
    let mut names: Vec<&str> = drifted.iter().map(|change| change.service.as_str()).collect();
    names.dedup();
    if names.is_empty() {
        return format!("{}\n", Only::Drift.none());
    }
    let verb = if names.len() == 1 { "1 service differs" } else { &format!("{} services differ", names.len()) };
    let mut out = format!("{verb} from what Amarre last applied.\n");
    for name in &names {
        let what = match picture.facts.suspended.get(*name) {
            Some(suspension) => format!("suspended by {}: shown, not put back", suspension.by),
            None if !picture.acts => "not put back before amarre apply".to_owned(),
            None => "being put back".to_owned(),
        };
        out.push_str(&format!("\n{}   {what}\n", look.paint(Tone::Bold, name)));
        for change in drifted.iter().filter(|change| change.service == *name) {
            let sign = if change.diff.is_empty() { Sign::Create } else { Sign::Update };
            let shown = lines::name(&change.address, crate::engine::reconcile::pass::written(change));
            let text =
                format!("  {} {:14}{shown:<19} {}", look.sign(sign), change.address.kind.label(), change.because.text);
            out.push_str(text.trim_end());
            out.push('\n');
            for diff in &change.diff {
                let now = lines::value(&diff.field, diff.from.as_ref());
                let applied = lines::value(&diff.field, diff.to.as_ref());
                let secret = [&diff.from, &diff.to].into_iter().flatten().any(Value::is_sensitive);
                let text = if secret {
                    "(sensitive, changed)".to_owned()
                } else {
                    format!("{} {} {now}", look.paint(Tone::Dim, &applied), look.arrow())
                };
                out.push_str(&format!("      {:15} {text}\n", diff.field));
            }
        }
    }
    out.push_str(&format!("\n{} put back now   amarre reconcile {}\n", look.paint(Tone::Dim, "hint:"), names[0]));
    out
}

/// What the providers showed and is nobody's of ours. Of DNS only what stands at names that are wanted is seen.
fn unmanaged(picture: &Picture) -> Vec<(&Address, &Seen)> {
    let shown = |kind: Kind| matches!(kind, Kind::Container | Kind::ProxyHost | Kind::Redirection | Kind::Record);
    let seen = picture.world.seen.iter().filter(|(_, seen)| !seen.owner.is_ours());
    seen.filter(|(address, seen)| shown(address.kind) || is_left_over(picture, address, seen)).collect()
}

/// A certificate that NPM renews for ever, and that nothing uses: it may be one that was ordered with a ledger since lost.
fn is_left_over(picture: &Picture, address: &Address, seen: &Seen) -> bool {
    let is_renewed = address.kind == Kind::Certificate && certificate::is_renewed(&seen.fields);
    let names_it = |other: &Seen| other.fields.text("certificate") == Some(address.name.as_str());
    let is_used =
        || picture.world.seen.iter().any(|(user, other)| user.provider == address.provider && names_it(other));
    is_renewed && !picture.wants.map.contains_key(address) && !is_used()
}

/// How many things are here that no manifest names.
pub fn unmanaged_count(picture: &Picture) -> usize {
    unmanaged(picture).len()
}

/// What is here beside the services, as text.
pub fn unmanaged_text(picture: &Picture) -> String {
    let found = unmanaged(picture);
    if found.is_empty() {
        return format!("{}\n", Only::Unmanaged.none());
    }
    let mut out = match found.len() {
        1 => "1 thing is here that no manifest names. Amarre leaves it alone.\n\n".to_owned(),
        n => format!("{n} things are here that no manifest names. Amarre leaves them alone.\n\n"),
    };
    out.push_str("KIND           NAME\n");
    for (address, seen) in found {
        let whose = match &seen.owner {
            amarre_core::model::Owner::Other(instance) => format!("of instance {instance}"),
            amarre_core::model::Owner::Unverified => "with a mark of ours that no key of ours signed".to_owned(),
            amarre_core::model::Owner::Ours
            | amarre_core::model::Owner::MarkLost
            | amarre_core::model::Owner::Foreign => String::new(),
        };
        let what = match address.kind {
            Kind::Record => format!("  {}", lines::value_of_record(address, &seen.fields)),
            Kind::Certificate => format!("  {}, used by nothing", certificate::in_words(&seen.fields, picture.at)),
            Kind::Network | Kind::Attachment | Kind::Container | Kind::Volume | Kind::Image | Kind::Zone => {
                String::new()
            }
            Kind::AccessList | Kind::ProxyHost | Kind::Redirection | Kind::Stream => String::new(),
        };
        let name = lines::name(address, Some(&seen.fields));
        let line = format!("{:15}{name}{what}  {whose}", address.kind.label());
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// What is here beside the services, `amarre.unmanaged/v1`.
pub fn unmanaged_json(picture: &Picture) -> Json {
    let item = |(address, seen): (&Address, &Seen)| {
        let instance = match &seen.owner {
            amarre_core::model::Owner::Other(instance) => Some(instance.clone()),
            amarre_core::model::Owner::Ours
            | amarre_core::model::Owner::MarkLost
            | amarre_core::model::Owner::Unverified
            | amarre_core::model::Owner::Foreign => None,
        };
        let mut item = json!({
            "address": address.to_string(), "kind": address.kind.word(),
            "name": lines::name(address, Some(&seen.fields)), "instance": instance,
        });
        if address.kind == Kind::Record {
            item["type"] = json!(address.name.rsplit('/').next());
        }
        item
    };
    let items: Vec<Json> = unmanaged(picture).into_iter().map(item).collect();
    json!({"schema": "amarre.unmanaged/v1", "at": picture.at.rfc3339(), "items": items})
}

/// The document that answers a listing: `whole` is that of everything.
pub fn document(picture: &Picture, mut whole: Json, only: Option<Only>) -> Json {
    match only {
        None => whole,
        Some(Only::Drift) => report::drift_json(picture),
        Some(Only::Unmanaged) => unmanaged_json(picture),
        Some(only @ (Only::Attention | Only::NoTls | Only::Suspended | Only::Expiring)) => {
            let services = picture.statuses();
            if let Some(rows) = whole["services"].as_array_mut() {
                let takes = |name: &str| services.get(name).is_some_and(|row| only.takes(picture, row));
                rows.retain(|row| row["name"].as_str().is_some_and(takes));
            }
            whole
        }
    }
}
