//! `kind: Instance`: a server at a cloud. With `id`, the power of one that is there; without, one that Amarre makes.

use std::rc::Rc;

use serde_json::Value as Json;

use super::route::LeadsTo;
use super::{ManifestKindRow, route, server};
use crate::manifest::compose::unsupported;
use crate::manifest::policy::{instances, nginx};
use crate::manifest::reader::{Reader, nearest, nothing_else};
use crate::manifest::resolve;
use crate::manifest::resolve::NameScope;
use crate::manifest::schema_keys::{either, head, link, list, number, object, text, words};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::model::instance::{Instance, ServerCheck};
use crate::model::power::{Power, PowerRule};
use crate::model::service::{Dns, ManifestKind, Service};
use crate::model::site::CloudSite;
use crate::model::timetable::{HolidaysText, Timetable, TimetableError, TimetableKey, TimetableText};
use crate::model::{Address, Code, Kind, Text};
use crate::text;

/// The row of the kind.
pub(super) const ROW: ManifestKindRow = ManifestKindRow { kind: ManifestKind::INSTANCE, parse, schema };

/// Longer is no vendor's id.
const ID_CHARS_MAX: usize = 100;
const PORT_MAX: i64 = 65_535;

fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    let cloud = reader.required("cloud", text!("a name below `clouds:` of amarre.yaml"));
    let is_made = !reader.has("id") && server::has_keys(&reader);
    let id_hint = text!(
        "{first}; {more}",
        first = text!("the vendor's id of a server that is there: `amarre instance list --wide` shows them"),
        more = text!("or region, type, image and ssh_keys of one that Amarre makes"),
    );
    let id = if is_made { None } else { reader.required("id", id_hint) };
    let (rule, spot) = rule(&mut reader);
    let domains = names(&mut reader);
    let check = check(&mut reader);
    let site = cloud.as_ref().and_then(|cloud| scope.site.clouds.get(&cloud.text));
    let shape = if is_made { server::shape(&mut reader, site.map(|site| &site.provider)) } else { None };
    if !is_made {
        server::refuse_keys(&mut reader);
    }
    reader.finish(&unsupported::small_kind_key);
    let cloud = cloud?;
    let site = site_of(scope, &cloud)?;
    let is_id = |text: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !text.is_empty() && text.len() <= ID_CHARS_MAX && text.bytes().all(is_plain)
    };
    if let Some(id) = id.as_ref().filter(|id| !is_id(&id.text)) {
        scope.not_allowed(id, "`id`", text!("as in `id: 8f1c7a52-0b3e-4a57-9d3e-2f6f0c9d1a44`, and not the name"));
        return None;
    }
    let address = if is_made {
        made_at(site, &service.name)
    } else {
        let id = id?;
        instances::judge(scope, &cloud.text, &id);
        Address::new(site.provider.clone(), Kind::Instance, &id.text)
    };
    if is_made && shape.is_none() {
        return None;
    }
    let shelves = site.provider.cloud_traits().shelves;
    if let Some(hint) = rule.as_ref().and_then(shelving).filter(|_| !shelves) {
        let message = text!("{cloud} shelves no instance", cloud = site.provider.title());
        scope.error_hint(Code::A0106, spot, message, hint);
        return None;
    }
    service.instance =
        Some(Instance { address, shape, cloud: cloud.text, rule: rule?, domains, check, origin: scope.origin(spot) });
    service.dns = Dns::None;
    Some(service)
}

/// The server of a name that Amarre makes at a cloud.
pub(super) fn made_at(cloud: &CloudSite, name: &str) -> Address {
    Address::new(cloud.provider.clone(), Kind::Server, name)
}

/// The cloud of a name; `None`: it said that there is none.
pub(super) fn site_of<'a>(scope: &Scope<'a>, cloud: &PlacedText) -> Option<&'a CloudSite> {
    let clouds = &scope.site.clouds;
    let site = clouds.get(&cloud.text);
    if site.is_none() {
        let names: Vec<&str> = clouds.keys().map(String::as_str).collect();
        let hint = match (nearest(&cloud.text, &names), names.as_slice()) {
            (Some(near), _) => text!("did you mean `{near}`?", near),
            (None, []) => text!("there is none: write `clouds:` in amarre.yaml, or run `amarre init --cloud ovh`"),
            (None, names) => {
                text!("below {key} of amarre.yaml are {names}", key = "`clouds:`", names = names.join(", "))
            }
        };
        let message = text!("there is no cloud `{name}`", name = shown(&cloud.text));
        scope.error_hint(Code::A0106, cloud.spot, message, hint);
    }
    site
}

/// The names of its records, whole: `domain` and `aliases`, or its own name with `dns: auto`.
fn names(reader: &mut Reader<'_>) -> Vec<String> {
    let scope = reader.scope;
    let spot = reader.key_spot("dns");
    let dns = reader.choice("dns", &[("auto", true), ("none", false)]);
    if reader.has("domain") || reader.has("aliases") {
        if dns == Some(false) {
            let hint = text!("leave out one of them");
            scope.error_hint(Code::A0106, spot, text!("`dns: none` stands beside `domain`"), hint);
        }
        return route::domains(reader, LeadsTo::Server);
    }
    if dns != Some(true) || scope.name.is_empty() {
        return Vec::new();
    }
    let name = PlacedText { text: scope.name.clone(), spot };
    let domain = resolve::full_name(scope, &name, NameScope::Hosts);
    domain.iter().for_each(|domain| route::claim(scope, domain, LeadsTo::Server, spot));
    domain.into_iter().collect()
}

/// `ready: {tcp: 22}`, `{http: 8080}` or `{http: {port: 8080, path: /healthz}}`.
fn check(reader: &mut Reader<'_>) -> Option<ServerCheck> {
    let scope = reader.scope;
    let node = reader.node("ready")?;
    let mut inner = Reader::open(scope, node, "`ready`", "ready.")?;
    let both = inner.has("tcp") && inner.has("http");
    if both || !inner.has("tcp") && !inner.has("http") {
        let hint = text!(
            "write {first}, or {second}",
            first = "`{tcp: 22}`",
            second = "`{http: {port: 8080, path: /healthz}}`",
        );
        scope.error_hint(Code::A0106, node.spot, text!("`ready` takes one of `tcp` and `http`"), hint);
        return None;
    }
    let port = |reader: &mut Reader<'_>, key| u16::try_from(reader.number(key, 1, PORT_MAX)?).ok();
    let found = if inner.has("tcp") {
        port(&mut inner, "tcp").map(ServerCheck::Tcp)
    } else if let Some(node) = inner.entry("http").map(|entry| &entry.value).filter(|node| node.scalar().is_none()) {
        let mut page = Reader::open(scope, node, "`ready.http`", "ready.http.")?;
        if !page.has("port") {
            page.missing("port", text!("as in {example}", example = "`port: 8080`"));
        }
        let (port, path) = (port(&mut page, "port"), page.text("path"));
        page.finish(&nothing_else);
        let is_page = |path: &str| path.starts_with('/') && nginx::is_path(path);
        let wrong = path.as_ref().filter(|path| !is_page(&path.text));
        if let Some(wrong) = wrong {
            scope.not_allowed(wrong, "`ready.http.path`", text!("a path as in {example}", example = "`/healthz`"));
            return None;
        }
        Some(ServerCheck::Http { port: port?, path: path.map_or_else(|| "/".to_owned(), |path| path.text) })
    } else {
        port(&mut inner, "http").map(|port| ServerCheck::Http { port, path: "/".to_owned() })
    };
    inner.finish(&nothing_else);
    found
}

/// What to write in place of a rule that shelves.
fn shelving(rule: &PowerRule) -> Option<Text> {
    match rule {
        PowerRule::Level(Power::Shelved) => Some(text!("write {what}", what = "`power: off`")),
        PowerRule::Schedule(table) if table.off_as().power() == Power::Shelved => {
            Some(text!("write {what}", what = "`off_as: stop`"))
        }
        PowerRule::Level(_) | PowerRule::Schedule(_) | PowerRule::Unmanaged => None,
    }
}

/// `power` or `schedule`, and where it is; the power is not managed where there is neither.
fn rule(reader: &mut Reader<'_>) -> (Option<PowerRule>, Spot) {
    let choices = [
        ("on", PowerWord::Level(Power::On)),
        ("off", PowerWord::Level(Power::Off)),
        ("shelved", PowerWord::Level(Power::Shelved)),
        ("unmanaged", PowerWord::Unmanaged),
    ];
    let (has_power, power_spot) = (reader.has("power"), reader.key_spot("power"));
    let power = reader.choice("power", &choices);
    let spot = reader.key_spot("schedule");
    let Some(node) = reader.node("schedule") else {
        let spot = if has_power { power_spot } else { reader.spot };
        return match power {
            Some(PowerWord::Level(power)) => (Some(PowerRule::Level(power)), spot),
            Some(PowerWord::Unmanaged) => (Some(PowerRule::Unmanaged), spot),
            // It was reported, or nothing is said of power.
            None => ((!has_power).then_some(PowerRule::Unmanaged), spot),
        };
    };
    if has_power {
        let line = power_spot.line.to_string();
        let message = text!("`power` in line {line} and `schedule` contradict each other", line);
        reader.scope.error_hint(Code::A0106, spot, message, text!("keep the one that is meant"));
        return (None, spot);
    }
    let inner = Reader::open(reader.scope, node, "`schedule`", "schedule.");
    (inner.and_then(timetable).map(PowerRule::Schedule), spot)
}

#[derive(Debug, Clone, Copy)]
enum PowerWord {
    Level(Power),
    Unmanaged,
}

fn timetable(mut reader: Reader<'_>) -> Option<Timetable> {
    let scope = reader.scope;
    let timezone = reader.required("timezone", text!("as in {example}", example = "`timezone: Europe/Paris`"));
    let on = expressions(&mut reader, "on");
    let off = expressions(&mut reader, "off");
    for key in ["on", "off"] {
        if !reader.has(key) {
            let hint = text!("five fields of cron: minute, hour, day, month, weekday, as in `0 8 * * mon-fri`");
            reader.missing(key, hint);
        }
    }
    let off_as = reader.text("off_as");
    let holidays = reader.text("holidays");
    let file = holidays.as_ref().map(|text| holidays_file(scope, text));
    reader.finish(&nothing_else);
    let timezone = timezone?;
    let text = |texts: &[PlacedText]| texts.iter().map(|one| one.text.clone()).collect::<Vec<_>>();
    let (on_texts, off_texts) = (text(&on), text(&off));
    if on.is_empty() || off.is_empty() {
        return None;
    }
    let content = match &file {
        Some(HolidaysSource::Unread) => return None,
        Some(HolidaysSource::File(_, content)) => Some(HolidaysText::File(content)),
        Some(HolidaysSource::Country) => holidays.as_ref().map(|text| HolidaysText::Country(&text.text)),
        None => None,
    };
    let written = TimetableText {
        timezone: &timezone.text,
        on: &on_texts,
        off: &off_texts,
        off_as: off_as.as_ref().map(|text| text.text.as_str()),
        holidays: content,
    };
    let parsed = Timetable::parse(&written);
    let places = TimetablePlaces { timezone: timezone.spot, on: &on, off: &off, off_as, holidays, file };
    parsed.map_err(|error| places.report(scope, &error)).ok()
}

/// One expression, or a list of them.
fn expressions(reader: &mut Reader<'_>, key: &'static str) -> Vec<PlacedText> {
    let Some(node) = reader.node(key) else { return Vec::new() };
    let (scope, label) = (reader.scope, reader.label(key));
    match node.scalar() {
        Some(_) => scope.text(node, &label).into_iter().collect(),
        None => scope.texts(node, &label).unwrap_or_default(),
    }
}

/// What `holidays` names.
enum HolidaysSource {
    Country,
    /// A file that was opened: its number and content.
    File(u16, Rc<str>),
    /// A file that could not be read; it was reported.
    Unread,
}

fn holidays_file(scope: &Scope<'_>, text: &PlacedText) -> HolidaysSource {
    if !text.text.contains(['.', '/']) {
        return HolidaysSource::Country;
    }
    let opened = scope.source_path(text).and_then(|path| scope.open(&path, None, text.spot));
    opened.map_or(HolidaysSource::Unread, |(number, content)| HolidaysSource::File(number, content))
}

/// Where the parts of a timetable are in the source.
struct TimetablePlaces<'a> {
    timezone: Spot,
    on: &'a [PlacedText],
    off: &'a [PlacedText],
    off_as: Option<PlacedText>,
    holidays: Option<PlacedText>,
    file: Option<HolidaysSource>,
}

impl TimetablePlaces<'_> {
    fn of(&self, key: TimetableKey) -> Option<Spot> {
        match key {
            TimetableKey::Timezone => Some(self.timezone),
            TimetableKey::On(index) => self.on.get(index).map(|text| text.spot),
            TimetableKey::Off(index) => self.off.get(index).map(|text| text.spot),
            TimetableKey::OffAs => self.off_as.as_ref().map(|text| text.spot),
            TimetableKey::Holidays(line) => match (&self.file, line) {
                (Some(HolidaysSource::File(number, _)), Some(line)) => Some(Spot::within(*number, line, 1)),
                (Some(_) | None, _) => self.holidays.as_ref().map(|text| text.spot),
            },
        }
    }

    fn report(&self, scope: &Scope<'_>, error: &TimetableError) {
        let other = error.other.and_then(|key| self.of(key));
        let message = match other {
            Some(other) => {
                let (why, line) = (error.message.clone(), other.line.to_string());
                text!("{why}: see line {line}, too", why, line)
            }
            None => error.message.clone(),
        };
        let spot = self.of(error.key).unwrap_or(self.timezone);
        scope.error_hint(Code::A0193, spot, message, error.hint.clone());
    }
}

fn schema() -> Json {
    let expressions = || either(&[text(), list(text())]);
    let schedule = object(
        &["timezone", "on", "off"],
        vec![
            ("timezone", text(), "As in `Europe/Paris`"),
            ("on", expressions(), "When it is started: cron's five fields"),
            ("off", expressions(), "When it is stopped"),
            ("off_as", words(&["stop", "shelve"]), "What stopping means; `stop` if not set"),
            ("holidays", text(), "`FR`, or a file with a date a line: days on which it is not started"),
        ],
    );
    let page = object(&["port"], vec![("port", number(), "Its port"), ("path", text(), "`/` if not set")]);
    let ready = object(
        &[],
        vec![
            ("tcp", number(), "A port that takes connections"),
            ("http", either(&[number(), page]), "A port, or a page, that is served"),
        ],
    );
    let mut keys: Vec<_> = head().into_iter().filter(|(key, ..)| !["host", "reconcile"].contains(key)).collect();
    keys.extend([
        ("cloud", text(), "A name below `clouds:` of amarre.yaml"),
        ("id", text(), "The vendor's id of a server that is there; without it, Amarre makes one"),
        ("power", words(&["on", "off", "shelved", "unmanaged"]), "The power that it is to have"),
        ("schedule", schedule, "A timetable, in place of `power`"),
        ("dns", words(&["auto", "none"]), "A record of its address, at its name or at `domain`; `none` if not set"),
        ("domain", text(), "The name that leads to it; its own name in the first of `domains` if not set"),
        ("aliases", list(text()), "More names"),
        ("ready", ready, "What it answers once it is ready; the vendor's word if not set"),
        // As of a service: one that stops may be started again.
        ("reconcile", link("reconcile"), "How it is kept"),
    ]);
    keys.extend(server::schema_keys());
    object(&["name", "cloud"], keys)
}
