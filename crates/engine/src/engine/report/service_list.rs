//! Which services a status lists, and their table. Pure: a pass result in, text and documents out.
//!
//! | `--only` | lists |
//! |---|---|
//! | `attention` | services that need a person |
//! | `drift` | fields that differ from what was last applied |
//! | `open` | services that everyone can reach |
//! | `no-tls` | services with a route that answers in plain HTTP |
//! | `unmanaged` | observed resources that no manifest of ours wants |
//! | `suspended` | suspended services |
//! | `expiring` | services with a certificate that ends within 30 days |

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::status::{Health, ServiceStatus, Sync};
use super::{exposure, leftovers, status};
use crate::engine::report;
use crate::engine::report::pass_view::PassView;
use crate::words::{Words, say};
use amarre_core::model::service::Tls;
use amarre_core::model::{Address, Change, Code, Kind, Language, Millis, Seen, Text, Timestamp, Value};
use amarre_core::plan::desired::certificate;
use amarre_core::plan::render::{Sign, Style, Tone, lines};
use amarre_core::text;

/// The width of the table; `-o wide` is as wide as it needs to be.
const COLUMNS_MAX: usize = 80;
/// NPM renews with 30 days left; with less than that the renewal fails.
const EXPIRING: Millis = Millis::minutes(30 * 24 * 60);
/// The shown length of a revision.
const REVISION_LETTERS: usize = 7;

/// The options of a list of services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListQuery {
    /// Quiet services, too.
    pub all: bool,
    /// More columns, and no line is cut.
    pub wide: bool,
    /// Only services that match this filter.
    pub only: Option<Only>,
}

/// A filter of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// They need a person.
    Attention,
    /// They differ from what was last applied.
    Drift,
    /// Everyone can reach them.
    Open,
    /// A route answers in plain HTTP.
    NoTls,
    /// Unmanaged resources.
    Unmanaged,
    /// Suspended services.
    Suspended,
    /// A certificate ends soon.
    Expiring,
}

impl Only {
    /// Every word, as it is typed.
    pub const WORDS: [(&'static str, Only); 7] = [
        ("attention", Only::Attention),
        ("drift", Only::Drift),
        ("open", Only::Open),
        ("no-tls", Only::NoTls),
        ("unmanaged", Only::Unmanaged),
        ("suspended", Only::Suspended),
        ("expiring", Only::Expiring),
    ];

    /// The typed word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, only)| *only == self).map_or("", |(word, _)| word)
    }

    /// Whether a service matches.
    pub fn matches(self, pass: &PassView, row: &ServiceStatus) -> bool {
        match self {
            Only::Attention => row.attention,
            Only::Drift => drifted(pass).iter().any(|change| change.service == row.name),
            Only::Open => exposure::of_service(pass, row).is_some_and(|found| found.is_open()),
            Only::NoTls => has_plain_route(pass, &row.name),
            Only::Unmanaged => false,
            Only::Suspended => pass.facts.suspended.contains_key(&row.name),
            Only::Expiring => expiring(pass, row).is_some(),
        }
    }

    /// The text when no service matches.
    fn empty_text(self) -> Text {
        match self {
            Only::Attention => text!("Nothing needs you."),
            Only::Drift => text!("Nothing differs from what Amarre last applied."),
            Only::Open => text!("No service is open to everyone."),
            Only::NoTls => text!("Every route has TLS."),
            Only::Unmanaged => text!("Nothing is here that is not managed."),
            Only::Suspended => text!("Nothing is suspended."),
            Only::Expiring => text!("No certificate ends within 30 days."),
        }
    }
}

/// The services that a filter lists, those that need a person first. What is counted anywhere is the length of this.
pub fn matching(pass: &PassView, only: Only) -> Vec<&ServiceStatus> {
    rows(pass, pass.statuses().values().filter(|row| !row.deleted), Some(only))
}

/// The matching rows, those that need a person first; and how many more are quiet.
pub fn rows<'a>(
    pass: &PassView,
    services: impl Iterator<Item = &'a ServiceStatus>,
    only: Option<Only>,
) -> Vec<&'a ServiceStatus> {
    let mut rows: Vec<&ServiceStatus> =
        services.filter(|row| only.is_none_or(|only| only.matches(pass, row))).collect();
    rows.sort_by_key(|row| (!row.attention, row.health, row.sync, row.name.clone()));
    rows
}

/// Whether a service is what a person searches: every word has to be about it.
///
/// | a word | is about |
/// |---|---|
/// | `access:none`, `access:family` | who can reach it: everyone, the list of that name |
/// | `image:nextcloud` | the images of its containers |
/// | `host:nas` | the host that it is on |
/// | `kind:app` | the kind of its manifest |
/// | `172.20.4.3`, `172.20.4` | an address of its containers or of its records, from the begin |
/// | anything else | its name, its domains, its images |
pub fn is_about(pass: &PassView, row: &ServiceStatus, text: &str) -> bool {
    text.to_lowercase().split_whitespace().all(|word| is_about_word(pass, row, word))
}

fn is_about_word(pass: &PassView, row: &ServiceStatus, word: &str) -> bool {
    let service = pass.services.get(&row.name);
    let has_image = |text: &str| {
        let containers = service.into_iter().flat_map(|service| service.containers.values());
        containers.into_iter().any(|container| container.image.contains(text))
    };
    match word.split_once(':') {
        Some(("access", "none")) => exposure::of_service(pass, row).is_some_and(|found| found.is_open()),
        Some(("access", list)) => {
            let mut lists =
                service.into_iter().flat_map(|service| &service.routes).filter_map(|route| route.access_list.as_ref());
            lists.any(|known| known.to_lowercase().contains(list))
        }
        Some(("image", image)) => has_image(image),
        Some(("host", host)) => row.host.to_lowercase().contains(host),
        Some(("kind", kind)) => service.is_some_and(|service| service.kind.word().to_lowercase() == kind),
        Some(_) | None => {
            row.name.contains(word)
                || row.domains.iter().any(|domain| domain.contains(word))
                || has_image(word)
                || has_address(pass, row, word)
        }
    }
}

/// Whether an address of it begins with a text.
fn has_address(pass: &PassView, row: &ServiceStatus, text: &str) -> bool {
    let is_address = text.chars().all(|char| char.is_ascii_hexdigit() || char == '.' || char == ':');
    let begins = |known: &str| known.split('/').next().is_some_and(|address| address.starts_with(text));
    let fields = row.resources.iter().filter_map(|resource| Some(&pass.world.seen.get(&resource.address)?.fields));
    is_address
        && text.contains(['.', ':'])
        && fields.into_iter().any(|fields| {
            fields.text("address").is_some_and(begins) || fields.strings("values").into_iter().any(begins)
        })
}

/// The kind of its manifest; one that cannot be read counts as a service.
pub fn kind_word(pass: &PassView, row: &ServiceStatus) -> &'static str {
    pass.services.get(&row.name).map_or("Service", |service| service.kind.word())
}

/// Whether it is counted among the services.
pub fn is_listed(pass: &PassView, row: &ServiceStatus) -> bool {
    pass.services.get(&row.name).is_none_or(|service| service.kind.is_listed())
}

/// It needs no line.
pub fn is_quiet(row: &ServiceStatus) -> bool {
    row.sync == Sync::Synced && row.health == Health::Healthy && row.what_now.is_empty()
}

/// The table with its heading.
pub fn table(pass: &PassView, rows: &[&ServiceStatus], now: Timestamp, listing: ListQuery, style: Style) -> String {
    let words = Words(style.language);
    let width = |texts: &mut dyn Iterator<Item = usize>, least: usize| texts.max().unwrap_or_default().max(least) + 2;
    let heads = [text!("SERVICE"), text!("HOST"), text!("DOMAIN"), text!("REVISION")].map(|head| words.say(&head));
    let [service_head, host_head, domain_head, revision_head] = &heads;
    let names = width(&mut rows.iter().map(|row| row.name.len()), 11);
    let hosts = width(&mut rows.iter().map(|row| row.host.len()), host_head.chars().count());
    let domains = width(&mut rows.iter().map(|row| domain(row).len()), domain_head.chars().count());
    let mut out = format!("{service_head:names$}");
    if listing.wide {
        out.push_str(&format!("{host_head:hosts$}{domain_head:domains$}{revision_head:10}"));
    }
    let heads = [text!("SYNC"), text!("HEALTH"), text!("SINCE"), text!("WHAT NOW")].map(|head| words.say(&head));
    let [sync_head, health_head, since_head, now_head] = &heads;
    let (syncs, healths) = leftovers::state_widths(words, [sync_head, health_head]);
    out.push_str(&format!("{sync_head:syncs$}{health_head:healths$}{since_head:8}{now_head}\n"));
    for row in rows {
        let mut line = format!("{:names$}", row.name);
        if listing.wide {
            let revision = revision(pass, &row.name);
            line.push_str(&format!("{:hosts$}{:domains$}{revision:10}", row.host, domain(row)));
        }
        let since = report::since_text(pass, &row.name, now, style.language);
        let (sync, health) = row.state_words(words);
        line.push_str(&format!("{sync:syncs$}{health:healths$}{since:8}"));
        let room = if listing.wide { usize::MAX } else { COLUMNS_MAX.saturating_sub(line.chars().count()) };
        line.push_str(&status_line(pass, row, listing.only, room, now, style));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The last column, cut where it has no room; the code at its end stays.
fn status_line(
    pass: &PassView,
    row: &ServiceStatus,
    only: Option<Only>,
    room: usize,
    now: Timestamp,
    style: Style,
) -> String {
    let ends = only.filter(|only| *only == Only::Expiring).and_then(|_| expiring(pass, row));
    let text = say(&ends.unwrap_or_else(|| row.status_line_at(now)), style.language);
    // The progress of a wait stays, like the code, where the rest is cut.
    let progress =
        row.progress(now).map(|progress| format!(", {}", say(&progress, style.language))).unwrap_or_default();
    let code = row.code.as_ref().map(|code| format!(", {code}")).unwrap_or(progress);
    let text = text.replace(['\n', '\r', '\t'], " ");
    if text.chars().count() + code.chars().count() <= room {
        return format!("{text}{code}");
    }
    let dots = if style.ascii { "..." } else { "…" };
    let left = room.saturating_sub(code.chars().count() + dots.chars().count());
    let text: String = text.chars().take(left).collect();
    format!("{}{dots}{code}", text.trim_end())
}

fn domain(row: &ServiceStatus) -> &str {
    row.domains.first().map_or("", String::as_str)
}

/// The effective revision of a service; nothing for one whose last good text comes from the ledger.
fn revision(pass: &PassView, name: &str) -> String {
    let is_current = pass.services.contains_key(name) && !pass.broken.contains_key(name);
    let id = if is_current && pass.source_error.is_none() { pass.source.revision.as_str() } else { "" };
    id.chars().take(REVISION_LETTERS).collect()
}

fn has_plain_route(pass: &PassView, name: &str) -> bool {
    let is_destroyed = pass.facts.suspended.get(name).is_some_and(|suspension| suspension.destroy);
    let Some(manifest) = pass.services.get(name).filter(|_| !is_destroyed) else { return false };
    manifest.routes.iter().any(|route| route.tls == Tls::None)
        || manifest.answered.iter().any(|host| host.tls == Tls::None)
}

/// `certificate x ends in 12 d`, for the first that ends soon.
fn expiring(pass: &PassView, row: &ServiceStatus) -> Option<Text> {
    let own = row.resources.iter().map(|resource| resource.address.clone());
    let used = row.resources.iter().filter_map(|resource| {
        let name = pass.wants.map.get(&resource.address)?.fields.text("certificate")?.to_owned();
        Some(Address::new(resource.address.provider.clone(), Kind::Certificate, &name))
    });
    let mut ends: Vec<(Timestamp, String)> = own
        .chain(used)
        .filter(|address| address.kind == Kind::Certificate)
        .filter_map(|address| Some((certificate::ends(&pass.world.seen.get(&address)?.fields)?, address.name)))
        .filter(|(at, _)| *at <= pass.at + EXPIRING)
        .collect();
    ends.sort();
    let (at, name) = ends.into_iter().next()?;
    let left = at - pass.at;
    Some(if left.0 <= 0 {
        text!("certificate {name} has ended", name)
    } else {
        text!("certificate {name} ends in {left}", name, left)
    })
}

/// The text below the table, or in its place.
pub fn closing(rows: &[&ServiceStatus], only: Only) -> Text {
    let n = rows.len();
    let Some(first) = rows.first() else { return only.empty_text() };
    match only {
        Only::Open => text!(
            n;
            "1 service is open to everyone: give its routes an `access_list` where that is not meant",
            "{n} services are open to everyone: give their routes an `access_list` where that is not meant"
        ),
        Only::NoTls => text!(
            n;
            "1 service answers in plain HTTP: give its routes `tls:`",
            "{n} services answer in plain HTTP: give their routes `tls:`"
        ),
        Only::Suspended => {
            text!(n; "1 is left alone: amarre resume {name}", "{n} are left alone: amarre resume {name}", name = &first.name)
        }
        Only::Expiring => text!("{n} with a certificate that ends within 30 days", n),
        Only::Attention | Only::Drift | Only::Unmanaged => Text::default(),
    }
}

/// Every change that corrects drift, by service and address.
pub fn drifted(pass: &PassView) -> Vec<&Change> {
    let mut drifted: Vec<&Change> = pass.plan.changes.iter().filter(|change| status::is_drift(change)).collect();
    drifted.sort_by_key(|change| (change.service.clone(), change.address.clone()));
    drifted
}

/// Fields that differ from what was last applied: the applied value on the left, the observed one on the right.
pub fn drift_text(pass: &PassView, style: Style) -> String {
    let drifted = drifted(pass);
    let mut names: Vec<&str> = drifted.iter().map(|change| change.service.as_str()).collect();
    names.dedup();
    if names.is_empty() {
        return format!("{}\n", say(&Only::Drift.empty_text(), style.language));
    }
    let n = names.len();
    let differ = text!(
        n;
        "1 service differs from what Amarre last applied.",
        "{n} services differ from what Amarre last applied."
    );
    let words = Words(style.language);
    let mut out = format!("{}\n", words.say(&differ));
    let is_reported = |change: &&&Change| change.refusal().is_some_and(|refusal| refusal.code == Code::A0417);
    for name in &names {
        let of_it = drifted.iter().filter(|change| change.service == *name);
        let what = match pass.facts.suspended.get(*name) {
            Some(suspension) => text!("suspended by {by}: shown, not put back", by = &suspension.by),
            None if of_it.clone().all(|change| is_reported(&change)) => text!("only reported: shown, not put back"),
            None if !pass.acts => text!("not put back before amarre apply"),
            None => text!("being put back"),
        };
        out.push_str(&format!("\n{}   {}\n", style.paint(Tone::Bold, name), words.say(&what)));
        for change in drifted.iter().filter(|change| change.service == *name) {
            let sign = if change.diff.is_empty() { Sign::Create } else { Sign::Update };
            let shown = lines::name(&change.address, crate::engine::pass_result::written_fields(change));
            let why = say(&change.because.text, style.language);
            let (kind, width) = (words.kind(&change.address.kind.label()), words.kind_width());
            let text = format!("  {} {kind:width$}{shown:<19} {why}", style.sign(sign));
            out.push_str(text.trim_end());
            out.push('\n');
            for diff in &change.diff {
                let now = lines::value(&diff.field, diff.from.as_ref());
                let applied = lines::value(&diff.field, diff.to.as_ref());
                let secret = [&diff.from, &diff.to].into_iter().flatten().any(Value::is_sensitive);
                let text = if secret {
                    words.say(&text!("(sensitive, changed)"))
                } else {
                    format!("{} {} {now}", style.paint(Tone::Dim, &applied), style.arrow())
                };
                out.push_str(&format!("      {:15} {text}\n", diff.field));
            }
        }
    }
    let healed = drifted.iter().find(|change| !is_reported(change));
    if let Some(healed) = healed {
        let hint = style.paint(Tone::Dim, &words.say(&text!("hint:")));
        let way = words.say(&text!("put back now"));
        out.push_str(&format!("\n{hint} {way}   amarre reconcile {}\n", healed.service));
    }
    out
}

/// Observed resources that are not ours. Of DNS only records at wanted names are observed.
fn unmanaged(pass: &PassView) -> Vec<(&Address, &Seen)> {
    let shown = |kind: Kind| matches!(kind, Kind::Container | Kind::Record) || kind.has_host_names();
    let seen = pass.world.seen.iter().filter(|(_, seen)| !seen.owner.is_ours());
    seen.filter(|(address, seen)| shown(address.kind) || is_left_over(pass, address, seen)).collect()
}

/// An unused certificate that NPM renews for ever: it may have been ordered with a ledger that was lost.
fn is_left_over(pass: &PassView, address: &Address, seen: &Seen) -> bool {
    let is_renewed = address.kind == Kind::Certificate && certificate::is_renewed(&seen.fields);
    let names_it = |other: &Seen| other.fields.text("certificate") == Some(address.name.as_str());
    let is_used = || pass.world.seen.iter().any(|(user, other)| user.provider == address.provider && names_it(other));
    is_renewed && !pass.wants.map.contains_key(address) && !is_used()
}

/// The number of resources that no manifest names.
pub fn unmanaged_count(pass: &PassView) -> usize {
    unmanaged(pass).len()
}

/// A record's value, or how long a certificate that nothing uses is valid.
fn what_is_seen(pass: &PassView, address: &Address, seen: &Seen) -> Option<Text> {
    if address.kind == Kind::Record {
        return Some(lines::value_of_record(address, &seen.fields).into());
    }
    let is_certificate = address.kind == Kind::Certificate;
    is_certificate.then(|| text!("{what}, used by nothing", what = certificate::in_words(&seen.fields, pass.at)))
}

/// The resources that no manifest names, as text.
pub fn unmanaged_text(pass: &PassView, language: Language) -> String {
    let (found, words) = (unmanaged(pass), Words(language));
    let n = found.len();
    if n == 0 {
        return format!("{}\n", words.say(&Only::Unmanaged.empty_text()));
    }
    let head = text!(
        n;
        "1 thing is here that no manifest names. Amarre leaves it alone.",
        "{n} things are here that no manifest names. Amarre leaves them alone."
    );
    let [kind, name] = [text!("KIND"), text!("NAME")].map(|head| words.say(&head));
    let width = words.kind_width() + 1;
    let mut out = format!("{}\n\n{kind:width$}{name}\n", words.say(&head));
    for (address, seen) in found {
        let whose = match &seen.owner {
            amarre_core::model::Owner::Other(instance) => text!("of instance {instance}", instance),
            amarre_core::model::Owner::Unverified => text!("with a mark of ours that no key of ours signed"),
            amarre_core::model::Owner::Ours
            | amarre_core::model::Owner::MarkLost
            | amarre_core::model::Owner::Foreign => Text::default(),
        };
        let what = what_is_seen(pass, address, seen);
        let what = what.map(|what| format!("  {}", words.say(&what))).unwrap_or_default();
        let (kind, name) = (words.kind(&address.kind.label()), lines::name(address, Some(&seen.fields)));
        let line = format!("{kind:width$}{name}{what}  {}", words.say(&whose));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The resources that no manifest names, `amarre.unmanaged/v1`.
pub fn unmanaged_json(pass: &PassView) -> Json {
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
        if let Some(value) = what_is_seen(pass, address, seen) {
            item["value"] = json!(value.to_string());
        }
        item
    };
    let items: Vec<Json> = unmanaged(pass).into_iter().map(item).collect();
    json!({"schema": "amarre.unmanaged/v1", "at": pass.at.rfc3339(), "items": items})
}

/// The document of a list: `whole` is the document of everything.
pub fn document(pass: &PassView, mut whole: Json, only: Option<Only>) -> Json {
    match only {
        None => whole,
        Some(Only::Drift) => report::drift_json(pass),
        Some(Only::Unmanaged) => unmanaged_json(pass),
        Some(only @ (Only::Attention | Only::Open | Only::NoTls | Only::Suspended | Only::Expiring)) => {
            let listed = matching(pass, only);
            if let Some(rows) = whole["services"].as_array_mut() {
                rows.retain(|row| listed.iter().any(|known| row["name"] == known.name.as_str()));
            }
            whole
        }
    }
}
