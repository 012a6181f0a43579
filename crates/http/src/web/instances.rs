//! The servers of all clouds in one list; several at once are started, stopped and rebooted after one page that asks.
//! Without a cloud the page says which variables lead to one.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use askama::Template;
use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::actions::act;
use super::instance_view::{self, DEEDS, DayLine, LastWords, Offer, PowerChip};
use super::{
    Actor, Flash, FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, redirect,
};
use super::{actions, view_model};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::Act;
use crate::engine::commands::act::VerbRow;
use crate::engine::commands::instance_answers::read_prices;
use crate::engine::commands::instances::{InstanceDeed, why_not};
use crate::engine::pass_result::Saved;
use crate::engine::report::instances::{self, InstanceRow, InstanceState, InstancesQuery, SORTS};
use crate::engine::report::savings::{self, SavedNote};
use crate::server;
use crate::words::Words;
use amarre_core::model::{Hint, Millis, Text, Timestamp};

/// The rows of a page.
const PAGE_ROWS: usize = 50;
/// An action that is longer ago says nothing about a server that is on its way.
const ASKED_WITHIN: Millis = Millis::minutes(60);
/// More actions than that are not asked for in an hour.
const ASKED_READ: u32 = 500;
/// The prefix of the fields that name what is selected.
const PICKED: &str = "i:";

#[derive(Template)]
#[template(path = "instances.html")]
struct InstancesPage {
    frame: PageFrame,
    about: String,
    tiles: Vec<CountTile>,
    gaps: Vec<ListGap>,
    /// What of the query is no filter.
    mistake: Option<String>,
    of: InstancesQuery,
    choices: Vec<Choice>,
    chips: Vec<FilterChip>,
    heads: Vec<SortHead>,
    rows: Vec<InstanceLine>,
    pager: Pager,
    may_act: bool,
    may_edit: bool,
}

/// A number and what it counts.
struct CountTile {
    tone: &'static str,
    label: String,
    value: String,
    of: String,
    /// Names, each with its path, or one text without a path.
    details: Vec<(String, String)>,
}

/// A part of a cloud that is not seen.
struct ListGap {
    place: String,
    message: String,
    hint: String,
    code: String,
}

/// A filter with its values.
struct Choice {
    name: &'static str,
    label: String,
    /// Value, text, whether it is chosen.
    values: Vec<(String, String, bool)>,
    /// Whether it is for narrow pages, which have no head.
    is_narrow: bool,
}

struct FilterChip {
    href: String,
    label: String,
    count: usize,
    is_chosen: bool,
}

/// A column that the list can be sorted by.
struct SortHead {
    href: String,
    label: String,
    /// As `aria-sort` has it; empty: it is not sorted by this.
    sorted: &'static str,
    class: &'static str,
}

struct InstanceLine {
    name: String,
    shown: String,
    path: String,
    tags: Vec<String>,
    place: String,
    chip: PowerChip,
    is_dim: bool,
    size: String,
    day: Option<DayLine>,
    address: String,
    button: Offer,
}

/// Which part of a list is shown, and the ways to the parts before and after it.
#[derive(Default)]
pub struct Pager {
    /// In words; empty: there is only one page.
    pub text: String,
    /// To the page before.
    pub before: Option<String>,
    /// To the page after.
    pub after: Option<String>,
}

/// Which page of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PageOf {
    page: String,
}

#[derive(Template)]
#[template(path = "instances_nokey.html")]
struct NoKeyPage {
    frame: PageFrame,
    steps: [&'static str; 3],
}

/// `GET /instances`
pub async fn list(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(of): Query<InstancesQuery>,
    Query(of_page): Query<PageOf>,
) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    // No page waits for a vendor.
    server::spawn_detached(read_prices(web.handle.clone()));
    let (pass, words) = (web.handle.last_pass().0, visitor.words);
    if pass.context.as_ref().is_some_and(|context| context.site.clouds.is_empty()) {
        let frame = PageFrame::new(&web, &visitor, "instances", words.get("inst-title"), "/instances".to_owned()).await;
        return page(&NoKeyPage { frame, steps: ["inst-key-get", "inst-key-put", "inst-key-run"] });
    }
    // What is no filter is said, and everything is shown.
    let mistake = of.mistake().map(|why| words.say(&why));
    let of = if mistake.is_some() { InstancesQuery { q: of.q, ..InstancesQuery::default() } } else { of };
    let (all, found) = (pass.instances(), of.select(&pass));
    let (at, pager) = paged(&of, of_page.page.parse().unwrap_or(1), found.len(), words);
    let (now, asked) = (web.handle.now(), asked(&web).await);
    let show = |row: &InstanceRow| InstanceLine::new(&pass, row, (&asked, now), words);
    let frame =
        PageFrame::new(&web, &visitor, "instances", words.get("inst-title"), href(&of, at / PAGE_ROWS + 1)).await;
    page(&InstancesPage {
        about: about(&pass, words),
        tiles: tiles(all, words),
        mistake,
        gaps: gaps(&pass, all),
        choices: choices(&of, all, words),
        chips: chips(&of, all, words),
        heads: heads(&of, words),
        rows: found.iter().skip(at).take(PAGE_ROWS).map(show).collect(),
        pager,
        may_act: visitor.may(Role::Operator),
        may_edit: visitor.may(Role::Editor),
        of,
        frame,
    })
}

/// What servers were last asked for.
pub async fn asked(web: &Web) -> LastWords {
    let since = Timestamp(web.handle.now().0 - ASKED_WITHIN.0);
    let past = web.handle.ledger().past_actions("", since, ASKED_READ).await.unwrap_or_default();
    past.into_iter().rev().map(|action| (action.address, action.word)).collect()
}

/// `2 clouds: paris (OVH), tlv (Kamatera)`.
fn about(pass: &PassView, words: Words) -> String {
    let Some(context) = &pass.context else { return words.get("overview-first-look") };
    let clouds: Vec<String> = context
        .site
        .clouds
        .iter()
        .map(|(name, cloud)| {
            let title = cloud.provider.title();
            let kind = title.strip_suffix(name.as_str()).unwrap_or(&title).trim();
            format!("{name} ({kind})")
        })
        .collect();
    let key = if clouds.len() == 1 { "inst-one-cloud" } else { "inst-several-clouds" };
    words.with_all(key, &[("n", &clouds.len().to_string()), ("names", &clouds.join(", "))])
}

fn tiles(all: &[InstanceRow], words: Words) -> Vec<CountTile> {
    let count = |test: &dyn Fn(&InstanceRow) -> bool| all.iter().filter(|row| test(row)).count();
    let in_state = |state: InstanceState| count(&|row| row.state == state);
    let of = words.with("inst-of", "n", &all.len().to_string());
    let plain = |text: String| if text.is_empty() { Vec::new() } else { vec![(text, String::new())] };
    let others = [
        ("inst-changing", in_state(InstanceState::Changing)),
        ("inst-in-error", in_state(InstanceState::Error)),
        ("inst-not-seen", in_state(InstanceState::Unknown)),
    ];
    let others: Vec<String> = others.iter().filter(|(_, n)| *n > 0).map(|(key, n)| words.count(key, n)).collect();
    let needs: Vec<&InstanceRow> = all.iter().filter(|row| row.needs_attention()).collect();
    let name = |row: &&InstanceRow| (row.shown_name().to_owned(), instance_view::path(&row.name));
    let scheduled = count(&|row| instance_view::timetable(row).is_some());
    let monthly = count(&|row| row.is_monthly);
    let tile = |label: &str, value: usize, details| CountTile {
        tone: "",
        label: words.get(label),
        value: value.to_string(),
        of: of.clone(),
        details,
    };
    vec![
        tile("inst-tile-on", in_state(InstanceState::On), plain(others.join(", "))),
        CountTile {
            tone: if needs.is_empty() { "" } else { " bad" },
            of: String::new(),
            ..tile(
                "overview-needs-you",
                needs.len(),
                if needs.is_empty() {
                    plain(words.get("inst-needs-nothing"))
                } else {
                    needs.iter().take(3).map(name).collect()
                },
            )
        },
        tile(
            "inst-tile-managed",
            count(&|row| row.manifest.is_some()),
            plain(words.count("inst-scheduled", &scheduled)),
        ),
        match scheduled {
            0 => tile("inst-tile-monthly", monthly, plain(words.get("inst-monthly-about"))),
            _ => saved_tile(all, words),
        },
    ]
}

/// What timetables saved; where they saved nothing because off is billed, what would.
fn saved_tile(all: &[InstanceRow], words: Words) -> CountTile {
    let sums = savings::sums(all);
    let of = |part: fn(&Saved) -> i64| {
        let amounts = sums.iter().map(|sum| instance_view::saved_amount(part(sum), &sum.currency, words));
        Some(amounts.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty()).unwrap_or_else(|| "0".to_owned())
    };
    let billed: Vec<&InstanceRow> =
        all.iter().filter(|row| row.saved.is_some() && row.saved_note() == SavedNote::BilledOff).collect();
    let details = match billed.as_slice() {
        [] => vec![(words.with("inst-saved-week", "amount", &of(|sum| sum.week)), String::new())],
        [one, ..] => {
            let text = words.count("inst-saved-billed-some", &billed.len());
            vec![(text, instance_view::path(&one.name))]
        }
    };
    CountTile { tone: "", label: words.get("inst-tile-saved"), value: of(|sum| sum.month), of: String::new(), details }
}

fn gaps(pass: &PassView, all: &[InstanceRow]) -> Vec<ListGap> {
    let document = instances::document(pass, all, 0..0);
    let gaps = document["gaps"].as_array().cloned().unwrap_or_default();
    let text = |gap: &serde_json::Value, key: &str| gap[key].as_str().unwrap_or_default().to_owned();
    let gap = |gap: &serde_json::Value| ListGap {
        place: format!("{} {}", text(gap, "cloud"), text(gap, "place")).trim().to_owned(),
        message: text(gap, "message"),
        hint: text(gap, "hint"),
        code: text(gap, "code"),
    };
    gaps.iter().map(gap).collect()
}

/// The path of a page of a list.
fn href(of: &InstancesQuery, page: usize) -> String {
    let mut pairs: Vec<String> =
        of.pairs().into_iter().map(|(key, value)| format!("{key}={}", view_model::encoded(value))).collect();
    if page > 1 {
        pairs.push(format!("page={page}"));
    }
    if pairs.is_empty() { "/instances".to_owned() } else { format!("/instances?{}", pairs.join("&")) }
}

/// The first row of a page, and the links to the pages beside it.
fn paged(of: &InstancesQuery, asked: usize, rows: usize, words: Words) -> (usize, Pager) {
    let pages = rows.div_ceil(PAGE_ROWS).max(1);
    let page = asked.clamp(1, pages);
    let from = (page - 1) * PAGE_ROWS;
    if pages == 1 {
        return (0, Pager::default());
    }
    let (first, last) = ((from + 1).to_string(), (from + PAGE_ROWS).min(rows).to_string());
    let text = words.with_all("inst-page", &[("from", &first), ("to", &last), ("of", &rows.to_string())]);
    let before = (page > 1).then(|| href(of, page - 1));
    let after = (page < pages).then(|| href(of, page + 1));
    (from, Pager { text, before, after })
}

fn choices(of: &InstancesQuery, all: &[InstanceRow], words: Words) -> Vec<Choice> {
    let choice = |name: &'static str, [label, any]: [&str; 2], chosen: &str, values: Vec<(String, String)>| {
        let any = (!any.is_empty()).then(|| (String::new(), words.get(any)));
        let values = any.into_iter().chain(values).map(|(value, text)| (value.clone(), text, value == chosen));
        Choice { name, label: words.get(label), values: values.collect(), is_narrow: false }
    };
    let of_rows = |field: &dyn Fn(&InstanceRow) -> &String| {
        let values: BTreeSet<&String> = all.iter().map(field).filter(|value| !value.is_empty()).collect();
        values.into_iter().map(|value| (value.clone(), value.clone())).collect::<Vec<_>>()
    };
    let states = [
        ("on", "power-on"),
        ("off", "power-off"),
        ("shelved", "power-shelved"),
        ("changing", "power-changing"),
        ("error", "power-error"),
        ("unknown", "power-unknown"),
        ("not-made", "power-not-made"),
        ("missing", "power-missing"),
    ];
    let managed = [("yes", "inst-managed"), ("no", "inst-tag-unmanaged")];
    let named =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(value, key)| ((*value).to_owned(), words.get(key))).collect();
    let sorts = [("name", "inst-name"), ("state", "inst-power"), ("type", "inst-type"), ("region", "inst-region")];
    let (clouds, sorted) = (of_rows(&|row| &row.cloud), choice("sort", ["inst-sort", ""], &of.sort, named(&sorts)));
    let mut all_of_them = vec![
        choice("project", ["inst-project", "inst-any"], &of.project, of_rows(&|row| &row.project)),
        choice("region", ["inst-region", "inst-any-of-them"], &of.region, of_rows(&|row| &row.region)),
        choice("state", ["inst-power", "inst-any-of-them"], &of.state, named(&states)),
        choice("managed", ["inst-managed", "inst-any-of-them"], &of.managed, named(&managed)),
        Choice { is_narrow: true, ..sorted },
    ];
    if clouds.len() > 1 {
        all_of_them.insert(0, choice("cloud", ["inst-cloud", "inst-any"], &of.cloud, clouds));
    }
    all_of_them
}

fn chips(of: &InstancesQuery, all: &[InstanceRow], words: Words) -> Vec<FilterChip> {
    let base = InstancesQuery { state: String::new(), managed: String::new(), ..of.clone() };
    let chips = [
        ("inst-filter-all", "", "", all.len()),
        ("inst-tile-on", "on", "", all.iter().filter(|row| row.state == InstanceState::On).count()),
        ("inst-managed", "", "yes", all.iter().filter(|row| row.manifest.is_some()).count()),
    ];
    let chip = |(key, state, managed, count): (&str, &str, &str, usize)| FilterChip {
        href: href(&InstancesQuery { state: state.to_owned(), managed: managed.to_owned(), ..base.clone() }, 1),
        label: words.get(key),
        count,
        is_chosen: of.state == state && of.managed == managed,
    };
    chips.map(chip).into()
}

fn heads(of: &InstancesQuery, words: Words) -> Vec<SortHead> {
    let sorted_by = if of.sort.is_empty() { SORTS[0] } else { &of.sort };
    let head = |(key, word, class): (&str, &str, &'static str)| {
        let back = format!("-{word}");
        let (sorted, sort) = match sorted_by {
            by if by == word => ("ascending", back),
            by if by == back => ("descending", word.to_owned()),
            _ => ("", word.to_owned()),
        };
        let sort = if sort == SORTS[0] { String::new() } else { sort };
        SortHead { href: href(&InstancesQuery { sort, ..of.clone() }, 1), label: words.get(key), sorted, class }
    };
    [("inst-name", "name", ""), ("inst-power", "state", ""), ("inst-type", "type", "drop hidetab")].map(head).into()
}

impl InstanceLine {
    fn new(pass: &PassView, row: &InstanceRow, (asked, now): (&LastWords, Timestamp), words: Words) -> Self {
        Self {
            name: row.name.clone(),
            shown: row.shown_name().to_owned(),
            path: instance_view::path(&row.name),
            tags: instance_view::tags(row, words),
            place: instance_view::place(row),
            chip: PowerChip::new(row, asked, now, words),
            is_dim: row.gap.is_some(),
            size: row.size.clone(),
            day: DayLine::new(row, now, words),
            address: row.addresses.first().cloned().unwrap_or_default(),
            button: Offer::new(pass, row, instance_view::switch(row.state), words),
        }
    }
}

#[derive(Template)]
#[template(path = "instances_confirm.html")]
struct SelectionPage {
    frame: PageFrame,
    word: &'static str,
    now: String,
    takes: Vec<SelectedInstance>,
    skipped: Vec<SelectedInstance>,
    has_schedule: bool,
    /// The clouds at which it cuts the power.
    cuts_at: String,
    is_billed: bool,
    back: String,
}

/// A selected server; with the reason where it is skipped.
struct SelectedInstance {
    name: String,
    shown: String,
    place: String,
    chip: PowerChip,
    why: String,
}

/// `POST /instances`: asks about what is selected, and then does it.
pub async fn bulk(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = here(&fields);
    let doer = authorize_form(&web, &headers, &fields, Role::Operator, &back).await?;
    let asked_for = fields.get("do").map(String::as_str).unwrap_or_default();
    let verbs = [InstanceDeed::Start, InstanceDeed::Stop, InstanceDeed::Reboot];
    let verb = DEEDS.into_iter().find(|(row, deed, _)| row.of_instance() == Some(asked_for) && verbs.contains(deed));
    let names: Vec<&str> = fields.keys().filter_map(|field| field.strip_prefix(PICKED)).collect();
    let Some((verb, deed, [label, _])) = verb.filter(|_| !names.is_empty()) else {
        Flash::text(doer.visitor.words.get("inst-none-picked")).store(&web, &doer.session).await;
        return Ok(redirect(&back));
    };
    let pass = web.handle.last_pass().0;
    let picked = names.iter().filter_map(|name| instances::find(&pass, name).ok());
    let (skipped, takes): (Vec<_>, Vec<_>) = picked
        .map(|row| (skipped_because(&pass, &row, deed, doer.visitor.words), row))
        .partition(|(why, _)| why.is_some());
    if fields.contains_key("sure") {
        let names: Vec<String> = takes.into_iter().map(|(_, row)| row.name).collect();
        return Ok(carry_out(&web, &doer, (from, verb), names, &fields, &back).await);
    }
    let words = doer.visitor.words;
    let (asked, now) = (asked(&web).await, web.handle.now());
    let shown = |(why, row): &(Option<String>, InstanceRow)| SelectedInstance {
        name: row.name.clone(),
        shown: row.shown_name().to_owned(),
        place: instance_view::place(row),
        chip: PowerChip::new(row, &asked, now, words),
        why: why.clone().unwrap_or_default(),
    };
    let title = words.with_all("inst-confirm", &[("what", &words.get(label)), ("n", &takes.len().to_string())]);
    let frame = PageFrame::new(&web, &doer.visitor, "instances", title, "/instances".to_owned()).await;
    Ok(page(&SelectionPage {
        frame,
        word: verb.of_instance().unwrap_or_default(),
        now: words.with_all("inst-do-now", &[("what", &words.get(label)), ("n", &takes.len().to_string())]),
        has_schedule: takes.iter().any(|(_, row)| instance_view::timetable(row).is_some()),
        cuts_at: cuts_at(&takes, deed),
        is_billed: deed == InstanceDeed::Stop && takes.iter().any(|(_, row)| super::instance::bills_stopped(row)),
        takes: takes.iter().map(shown).collect(),
        skipped: skipped.iter().map(shown).collect(),
        back,
    }))
}

/// The clouds of what is selected at which a stop is no shutdown: `tlv`.
fn cuts_at(takes: &[(Option<String>, InstanceRow)], deed: InstanceDeed) -> String {
    let cut = takes.iter().filter(|(_, row)| row.address.provider.cloud_traits().stop_cuts_power);
    let clouds: BTreeSet<&str> =
        cut.filter(|_| deed == InstanceDeed::Stop).map(|(_, row)| row.cloud.as_str()).collect();
    clouds.into_iter().collect::<Vec<_>>().join(", ")
}

/// Why a selected server is left out: it is refused, or there is nothing to do.
fn skipped_because(pass: &PassView, row: &InstanceRow, deed: InstanceDeed, words: Words) -> Option<String> {
    let is_there = matches!(
        (row.state, deed),
        (InstanceState::On, InstanceDeed::Start) | (InstanceState::Off | InstanceState::Shelved, InstanceDeed::Stop)
    );
    match why_not(pass, row, deed) {
        Some((code, why)) => Some(format!("{} ({code})", words.say(&why))),
        None => is_there.then(|| words.get("inst-is-there")),
    }
}

/// Where a form came from: a page of instances.
pub fn here(fields: &FormFields) -> String {
    let given = fields
        .get("here")
        .filter(|path| *path == "/instances" || path.starts_with("/instances?") || path.starts_with("/instances/"));
    given.cloned().unwrap_or_else(|| "/instances".to_owned())
}

/// Carries a verb out on servers, notes one result each in the audit log and for the page that follows.
pub async fn carry_out(
    web: &Web,
    doer: &Actor,
    (from, verb): (SocketAddr, &'static VerbRow),
    names: Vec<String>,
    fields: &FormFields,
    back: &str,
) -> Response {
    let words = doer.visitor.words;
    let command = Act::new(verb).with("instances", names.clone()).with("timeout_ms", actions::NO_WAIT_MS);
    let command = super::instance::until(command, fields, web).asked_by(&doer.author());
    let Some(answer) = act(web, command).await else {
        return super::text_page(
            web,
            &doer.visitor,
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            words.get("problem-stopping"),
        )
        .await;
    };
    if let Some(refused) = answer.refused() {
        doer.audit(web, from, verb.word, &names.join(" "), &refused.message).await;
        Flash { hints: Vec::new(), ..Flash::refused(refused, words) }.store(web, &doer.session).await;
        return redirect(back);
    }
    let results = answer.document["results"].as_array().cloned().unwrap_or_default();
    let (mut refusals, mut while_going) = (0, Vec::new());
    for result in &results {
        let (name, said) = (result["instance"].as_str().unwrap_or_default(), sentence(result));
        let is_refused = result["result"] == "refused";
        refusals += usize::from(is_refused);
        while_going.extend((result["result"] == "under way").then(|| name.to_owned()));
        let audited = if is_refused { said.to_string() } else { "ok".to_owned() };
        doer.audit(web, from, verb.word, name, &audited).await;
    }
    let mut lines = results.iter().map(|result| Hint::text(sentence(result)));
    let flash = match results.len() {
        1 => Flash::text(lines.next().map(|line| words.say(&line.text)).unwrap_or_default()),
        n => Flash { hints: lines.collect(), ..Flash::text(words.count("inst-results", &n)) },
    };
    // What else it says stays.
    if while_going.len() < results.len() {
        while_going.clear();
    }
    Flash { is_bad: refusals > 0, while_going, ..flash }.store(web, &doer.session).await;
    let _ = web.handle.pass().await;
    redirect(back)
}

/// The sentence of a result.
fn sentence(result: &serde_json::Value) -> Text {
    let english = || Text::from(result["message"].as_str().unwrap_or_default().to_owned());
    serde_json::from_value(result.clone()).unwrap_or_else(|_| english())
}
