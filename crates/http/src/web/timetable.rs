//! The week of a server, painted hour by hour, and what it leads to: `schedule` in the manifest that manages it, or a new
//! manifest that manages its power and nothing else. What is written is shown first.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;

use super::asked_instance::found;
use super::edit::{self, CheckedManifest};
use super::instance_view;
use super::view_model::{self, PlanRow};
use super::{
    Actor, Flash, FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, redirect,
};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::edit_manifest::{self, ManifestRemark, tag};
use crate::engine::commands::manifest_text::{document_of, with_keys};
use crate::engine::report::instance_text;
use crate::engine::report::instances::InstanceRow;
use crate::words::{self, Words};
use amarre_core::model::power::PowerRule;
use amarre_core::model::timetable::{Cron, Holidays, HolidaysText, OffAs, Timetable, TimetableText, Week, from_week};
use amarre_core::model::{Code, Timestamp};

/// The ticks that are listed.
const TICKS_SHOWN: usize = 10;
/// Where a machine's own zone has no name.
const ZONE: &str = "Europe/Paris";
const HOURS: usize = 24;

/// The form of a week.
pub struct WeekForm {
    /// Each day with its hours.
    pub days: Vec<WeekDay>,
    /// Value, and whether it is chosen.
    pub zones: Vec<(String, bool)>,
    /// Value, text, whether it is chosen.
    pub off_as: Vec<(&'static str, String, bool)>,
    /// Value, text, whether it is chosen.
    pub holidays: Vec<(String, String, bool)>,
    /// The expressions that switch it on and off.
    pub crons: Option<[String; 2]>,
    /// The next ticks.
    pub ticks: Vec<String>,
    /// `60 h of 168 h`, and the same with a place for the number.
    pub hours: [String; 2],
    /// Whether there is a timetable that no week shows.
    pub is_unpainted: bool,
    /// The file that it is saved to.
    pub file: String,
    /// The time zone of the timetable.
    pub zone: String,
}

/// A day of the week.
pub struct WeekDay {
    /// `Mon`.
    pub name: &'static str,
    pub hours: Vec<HourCell>,
}

/// An hour that can be painted.
pub struct HourCell {
    /// Its number in the week.
    pub number: usize,
    /// Whether the server is on.
    pub is_on: bool,
    /// Whether it is now.
    pub is_now: bool,
    /// `Mon 08:00`.
    pub label: String,
}

impl WeekForm {
    /// Of a server as it is.
    pub fn new(pass: &PassView, row: &InstanceRow, now: Timestamp, words: Words) -> Self {
        let table = instance_view::timetable(row);
        let week = table.and_then(Timetable::week);
        let zone = table.map_or_else(own_zone, |table| table.timezone().to_owned());
        let written = written_holidays(pass, row);
        let holidays = match (table.map(Timetable::holidays), &written) {
            (Some(Holidays::France), _) => "FR",
            (Some(Holidays::Dates(_)), Some(file)) => file,
            _ => "",
        };
        let mut choices = vec![("", words.get("inst-holidays-none")), ("FR", words.get("inst-holidays-fr"))];
        choices.extend(written.as_deref().filter(|file| *file != "FR").map(|file| (file, file.to_owned())));
        let off_as = table.map_or(OffAs::Stop, Timetable::off_as);
        let painted = week.unwrap_or_default();
        let count = painted.iter().flatten().filter(|is_on| **is_on).count().to_string();
        let hours = [count.as_str(), "{}"].map(|n| words.with("inst-hours", "n", n));
        Self {
            days: days(&painted, now, &zone, words),
            zones: zones(&zone),
            off_as: [("stop", "inst-off-stop", OffAs::Stop), ("shelve", "inst-off-shelve", OffAs::Shelve)]
                .into_iter()
                .filter(|(.., known)| *known == OffAs::Stop || may_shelve(row))
                .map(|(value, key, known)| (value, words.get(key), known == off_as))
                .collect(),
            holidays: choices.into_iter().map(|(value, text)| (value.to_owned(), text, value == holidays)).collect(),
            crons: table.map(|table| [table.on(), table.off()].map(in_line)),
            ticks: table.map(|table| ticks(table, now, words)).unwrap_or_default(),
            hours,
            is_unpainted: table.is_some() && week.is_none(),
            file: target(pass, row).0,
            zone,
        }
    }
}

fn may_shelve(row: &InstanceRow) -> bool {
    row.address.provider.cloud_traits().shelves && row.not_shelved.is_none()
}

fn in_line(crons: &[Cron]) -> String {
    crons.iter().map(Cron::as_str).collect::<Vec<_>>().join(" | ")
}

fn ticks(table: &Timetable, now: Timestamp, words: Words) -> Vec<String> {
    let next = table.ticks(now).take(TICKS_SHOWN);
    next.map(|tick| instance_view::tick_text(tick, &view_model::when(tick.at, now, table.timezone(), words), words))
        .collect()
}

fn own_zone() -> String {
    let own = TimeZone::system().iana_name().map(str::to_owned);
    own.filter(|name| name.contains('/') && !name.starts_with("Etc/")).unwrap_or_else(|| ZONE.to_owned())
}

/// The time zones of places; the chosen one, whatever it is.
fn zones(chosen: &str) -> Vec<(String, bool)> {
    let is_of_a_place = |name: &String| {
        name.contains('/') && !["Etc/", "posix/", "right/", "SystemV/"].iter().any(|begin| name.starts_with(begin))
    };
    let mut names: BTreeSet<String> =
        jiff::tz::db().available().map(|name| name.to_string()).filter(is_of_a_place).collect();
    names.insert("UTC".to_owned());
    names.insert(chosen.to_owned());
    names.into_iter().map(|name| (name.clone(), name == chosen)).collect()
}

fn days(week: &Week, now: Timestamp, zone: &str, words: Words) -> Vec<WeekDay> {
    let local = words::local(now, zone);
    let today = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
    let this_hour = today * HOURS + usize::from(local.hour().unsigned_abs());
    let names = view_model::weekdays(words.0);
    let day = |(day, (hours, name)): (usize, (&[bool; HOURS], &'static str))| WeekDay {
        name,
        hours: (0..HOURS)
            .map(|hour| HourCell {
                number: day * HOURS + hour,
                is_on: hours[hour],
                is_now: day * HOURS + hour == this_hour,
                label: format!("{name} {hour:02}:00"),
            })
            .collect(),
    };
    week.iter().zip(names).enumerate().map(day).collect()
}

/// The file of a server's manifest with its text, or of the one that would be written; and the manifest's name.
fn target(pass: &PassView, row: &InstanceRow) -> (String, Option<String>, String) {
    if let Some(managed) = &row.manifest
        && let Some((file, text)) = edit_manifest::file_of(pass, &managed.service)
    {
        return (file, Some(text), managed.service.clone());
    }
    let mut taken: BTreeSet<String> = pass.services.keys().chain(pass.broken.keys()).cloned().collect();
    let path = |name: &str| format!("{}/{name}.yaml", pass.source.label);
    loop {
        let name = instance_text::manifest_name(row, &taken);
        if !pass.source.files.iter().any(|(file, _)| *file == path(&name)) {
            return (path(&name), None, name);
        }
        taken.insert(name);
    }
}

/// What stands at `holidays` in the manifest.
fn written_holidays(pass: &PassView, row: &InstanceRow) -> Option<String> {
    let (_, text, name) = target(pass, row);
    let text = text?;
    let (_, document) = document_of(&text, &name)?;
    let at = document.find("holidays:")? + "holidays:".len();
    let said = document[at..].split(['\n', ',', '}']).next()?.split(" #").next()?.trim().trim_matches(['"', '\'']);
    (!said.is_empty()).then(|| said.to_owned())
}

/// What a form says of a week.
struct Painted {
    week: Week,
    zone: String,
    off_as: String,
    holidays: String,
}

impl Painted {
    fn new(fields: &FormFields) -> Self {
        let mut week = Week::default();
        for (number, hour) in week.iter_mut().flatten().enumerate() {
            *hour = fields.contains_key(&format!("h{number}"));
        }
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        Self { week, zone: field("zone"), off_as: field("off_as"), holidays: field("holidays") }
    }

    /// `schedule` as a manifest has it; `None`: nothing ever switches.
    fn yaml(&self) -> Option<String> {
        let (on, off) = from_week(&self.week)?;
        let list = |crons: &[String]| match crons {
            [one] => format!("\"{one}\""),
            several => format!("[{}]", several.iter().map(|cron| format!("\"{cron}\"")).collect::<Vec<_>>().join(", ")),
        };
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut yaml = format!(
            "schedule:\n  timezone: {}\n  on: {}\n  off: {}\n",
            plain(&self.zone).unwrap_or_else(|| quoted(&self.zone)),
            list(&on),
            list(&off)
        );
        if self.off_as == OffAs::Shelve.as_str() {
            yaml.push_str("  off_as: shelve\n");
        }
        if !self.holidays.is_empty() {
            yaml.push_str(&format!(
                "  holidays: {}\n",
                plain(&self.holidays).unwrap_or_else(|| quoted(&self.holidays))
            ));
        }
        Some(yaml)
    }

    /// The next ticks, if it can be read.
    fn ticks(&self, now: Timestamp, words: Words) -> Vec<String> {
        let Some((on, off)) = from_week(&self.week) else { return Vec::new() };
        let holidays = Some(HolidaysText::Country("FR")).filter(|_| self.holidays == "FR");
        let text = TimetableText { timezone: &self.zone, on: &on, off: &off, off_as: Some(&self.off_as), holidays };
        Timetable::parse(&text).map(|table| ticks(&table, now, words)).unwrap_or_default()
    }
}

/// A text that needs no quotes.
fn plain(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_+-.".contains(c);
    (text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.') && text.chars().all(is_plain))
        .then(|| text.to_owned())
}

/// A file with another rule of power in one manifest; all else stays. `None`: the manifest is not written line by line.
fn with_rule(text: &str, name: &str, rule: &str) -> Option<String> {
    with_keys(text, name, &["power", "schedule"], rule)
}

#[derive(Template)]
#[template(path = "instance_schedule.html")]
struct SchedulePage {
    frame: PageFrame,
    path: String,
    shown: String,
    file: String,
    place: String,
    text: String,
    ticks: Vec<String>,
    first: String,
    settle: Vec<ManifestRemark>,
    settle_places: bool,
    settle_title: String,
    unwritable: Option<Flash>,
    plan: Vec<PlanRow>,
    summary: String,
    fields: FormFields,
    before: String,
}

/// What a form would write.
struct Draft {
    file: String,
    there: Option<String>,
    name: String,
    text: String,
    problem: Option<ManifestRemark>,
}

impl Draft {
    fn new(pass: &PassView, row: &InstanceRow, painted: &Painted, removes: bool, words: Words) -> Self {
        let (file, there, name) = target(pass, row);
        let base = there.clone().unwrap_or_else(|| instance_text::manifest(row, &name));
        let rule = if removes { Some("power: unmanaged\n".to_owned()) } else { painted.yaml() };
        let remark = |key: &str| {
            Some(ManifestRemark::new(words.with("inst-file", "file", &file) + &words.get(key), Code::A0193, &[]))
        };
        let (text, problem) = match rule {
            None => (base, Some(ManifestRemark::new(words.get("inst-never-switched"), Code::A0193, &[]))),
            Some(rule) => match with_rule(&base, &name, &rule) {
                Some(text) => (text, None),
                None => (base, remark("inst-by-hand")),
            },
        };
        Self { file, there, name, text, problem }
    }
}

/// `POST /instances/{name}/schedule`: shows what would be written, or writes it.
pub async fn save(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = instance_view::path(&name);
    let doer = authorize_form(&web, &headers, &fields, Role::Editor, &back).await?;
    let (pass, words) = (web.handle.last_pass().0, doer.visitor.words);
    let row = found(&web, &doer.visitor, &pass, &name).await?;
    let removes = fields.get("rule").is_some_and(|rule| rule == "unmanaged");
    let painted = Painted::new(&fields);
    let mut draft = Draft::new(&pass, &row, &painted, removes, words);
    let not_shelved = row.not_shelved.as_ref().filter(|_| !removes && painted.off_as == OffAs::Shelve.as_str());
    let not_shelved = not_shelved.map(|why| ManifestRemark::new(why.message.clone(), why.code, &why.hints));
    draft.problem = draft.problem.or(not_shelved);
    let mut checked = match &draft.problem {
        Some(_) => CheckedManifest::default(),
        None => match edit::check(&web, &doer.visitor, (&draft.file, &draft.text), &draft.name, Vec::new()).await {
            Some(checked) => checked,
            None => return Ok(edit::stopping()),
        },
    };
    if checked.settle.is_empty() && draft.problem.is_none() {
        draft.problem = not_as_painted(&checked, &draft, &painted, removes, words);
    }
    let is_commit = fields.get("do").is_some_and(|what| what == "commit");
    let seen = fields.get("before").map(String::as_str).unwrap_or_default();
    if is_commit && seen != draft.there.as_deref().map(tag).unwrap_or_default() {
        draft.problem = Some(ManifestRemark::file_changed(&draft.file));
    }
    checked.settle.extend(draft.problem.take());
    if is_commit && checked.settle.is_empty() {
        match write(&web, &doer, &draft, from).await {
            Ok(()) => return Ok(redirect(&instance_view::path(&draft.name))),
            Err(problem) => checked.settle.push(problem),
        }
    }
    let status = if is_commit { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let ticks = if removes { Vec::new() } else { painted.ticks(web.handle.now(), words) };
    Ok((status, schedule_page(&web, &doer.visitor, &row, draft, checked, fields, ticks).await).into_response())
}

/// What is read back is what was painted, or nothing is written.
fn not_as_painted(
    checked: &CheckedManifest,
    draft: &Draft,
    painted: &Painted,
    removes: bool,
    words: Words,
) -> Option<ManifestRemark> {
    let after = checked.after.as_ref()?;
    let rule = after.services.get(&draft.name).and_then(|service| Some(&service.instance.as_ref()?.rule));
    let is_meant = match rule {
        Some(PowerRule::Schedule(table)) => {
            !removes && table.week() == Some(painted.week) && table.timezone() == painted.zone
        }
        Some(PowerRule::Unmanaged) => removes,
        Some(PowerRule::Level(_)) | None => false,
    };
    let text = words.with("inst-file", "file", &draft.file) + &words.get("inst-by-hand");
    (!is_meant).then(|| ManifestRemark::new(text, Code::A0193, &[]))
}

async fn write(web: &Web, doer: &Actor, draft: &Draft, from: std::net::SocketAddr) -> Result<(), ManifestRemark> {
    let message = match draft.there {
        Some(_) => format!("change the schedule of {}", draft.name),
        None => format!("add {}", draft.name),
    };
    let change = (draft.file.clone(), draft.there.clone(), Some(draft.text.clone()));
    edit::write_change(web, doer, change, message, (from, "schedule", &draft.name)).await
}

async fn schedule_page(
    web: &Web,
    visitor: &RequestContext,
    row: &InstanceRow,
    draft: Draft,
    checked: CheckedManifest,
    fields: FormFields,
    ticks: Vec<String>,
) -> Response {
    let words = visitor.words;
    let title = words.with("inst-schedule-of", "name", row.shown_name());
    let path = instance_view::path(&row.name);
    let frame = PageFrame::new(web, visitor, "instances", title, path.clone()).await;
    let fields = fields.into_iter().filter(|(name, _)| !["csrf", "do", "before", "here"].contains(&name.as_str()));
    page(&SchedulePage {
        shown: row.shown_name().to_owned(),
        place: edit::place(web, visitor),
        first: ticks.first().map(|first| words.with("inst-acts-first", "what", first)).unwrap_or_default(),
        ticks,
        settle_title: edit::title(&checked.settle, visitor),
        settle: checked.settle,
        settle_places: false,
        unwritable: edit::unwritable_notice(web, visitor, &draft.file).await,
        plan: checked.plan,
        summary: checked.summary,
        fields: fields.collect(),
        before: draft.there.as_deref().map(tag).unwrap_or_default(),
        file: draft.file,
        text: draft.text,
        path,
        frame,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_painted_week_is_written_as_a_manifest_has_it() {
        let mut painted = Painted {
            week: Week::default(),
            zone: "Europe/Paris".to_owned(),
            off_as: "shelve".to_owned(),
            holidays: "FR".to_owned(),
        };
        assert_eq!(painted.yaml(), None, "nothing would be switched");
        for day in painted.week.iter_mut().take(5) {
            day[8..20].fill(true);
        }
        let yaml = "schedule:\n  timezone: Europe/Paris\n  on: \"0 8 * * mon-fri\"\n  off: \"0 20 * * mon-fri\"\n  \
                    off_as: shelve\n  holidays: FR\n";
        assert_eq!(painted.yaml().as_deref(), Some(yaml));
        painted.zone = "a: b".to_owned();
        assert!(painted.yaml().is_some_and(|yaml| yaml.contains("timezone: \"a: b\"")), "{:?}", painted.yaml());
    }
}
