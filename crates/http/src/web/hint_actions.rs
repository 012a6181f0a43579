//! Hints as buttons: a command that a hint names is found in the table of verbs, and becomes the form or the link that does
//! the same on the pages. What an account may not do says which role it needs. Pure.
//!
//! | a command | becomes |
//! |---|---|
//! | a verb of a service that acts at once | a form |
//! | a verb that asks first | a link to the page that asks |
//! | what shows something | a link to the page that shows it |
//! | none, and the hint names the manifest of the service | a link to the page that edits it |
//! | anything else, and several commands in one | the command alone |

use super::RequestContext;
use super::view_model::encoded;
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::Act;
use crate::engine::commands::act::{ArgShape, VerbRow};
use crate::engine::commands::verbs::{ADOPT, APPLY, RELEASE, RESCUE, VERBS};
use crate::engine::report::status::ServiceStatus;
use crate::words::Words;
use amarre_core::model::{Hint, Kind};

/// The page that asks before what the guard holds is deleted.
pub const DELETES_PAGE: &str = "/apply/deletes";

/// A hint with its command, and the button that does the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintView {
    pub text: String,
    /// The command; empty: none.
    pub command: String,
    /// The button; `None`: the pages have none for it.
    pub action: Option<HintAction>,
}

/// A button or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintAction {
    pub label: String,
    /// The name of its mark; empty: none.
    pub icon: &'static str,
    pub path: String,
    /// The fields of its form.
    pub fields: Vec<(String, String)>,
    /// Whether it is a form, which acts at once.
    pub is_form: bool,
    /// The role that it needs and the visitor lacks.
    pub needs: Option<String>,
}

impl HintAction {
    /// The class of a link to a page that asks before it deletes.
    pub fn danger(&self) -> &'static str {
        if self.icon == "trash" { " danger" } else { "" }
    }
}

/// Hints with their buttons: links first, what acts last.
pub fn views(hints: &[Hint], pass: &PassView, visitor: &RequestContext) -> Vec<HintView> {
    let view = |hint: &Hint| {
        let command = hint.command.clone().unwrap_or_default();
        let text = visitor.words.say(&hint.text);
        HintView { text, action: action(&command, pass, visitor), command }
    };
    let mut views: Vec<HintView> = hints.iter().filter(|hint| !hint.text.is_empty()).map(view).collect();
    views.sort_by_key(|view| view.action.as_ref().is_some_and(|action| action.is_form));
    let mut seen: Vec<(String, bool)> = Vec::new();
    for view in &mut views {
        let Some(action) = &view.action else { continue };
        let key = (action.path.clone(), action.is_form);
        if seen.contains(&key) {
            view.action = None;
        } else {
            seen.push(key);
        }
    }
    views
}

/// Those of a service. What is to be done in its manifest is done on the page that edits it.
pub fn of_service(row: &ServiceStatus, pass: &PassView, visitor: &RequestContext) -> Vec<HintView> {
    let mut views = views(&row.hints, pass, visitor);
    let file = pass.services.get(&row.name).map(|service| service.origin.file.as_str()).unwrap_or_default();
    let is_edited = |hint: &Hint| hint.command.is_none() && hint.text.is_about_file(file);
    if !pass.broken.contains_key(&row.name) && !row.hints.iter().any(is_edited) {
        return views;
    }
    let is_lacking = visitor.session.is_some() && !visitor.may(Role::Editor);
    let action = HintAction {
        label: visitor.words.get("act-edit"),
        icon: "",
        path: format!("/services/{}/edit", encoded(&row.name)),
        fields: Vec::new(),
        is_form: false,
        needs: is_lacking.then(|| needs_role(visitor, Role::Editor)),
    };
    // Links stand before what acts.
    let place = views.iter().position(|view| view.action.as_ref().is_some_and(|action| action.is_form));
    let view = HintView { text: String::new(), command: String::new(), action: Some(action) };
    views.insert(place.unwrap_or(views.len()), view);
    views
}

/// The button of a command of the command line.
fn action(command: &str, pass: &PassView, visitor: &RequestContext) -> Option<HintAction> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let (&program, rest) = words.split_first()?;
    let (&word, args) = rest.split_first()?;
    if program != "amarre" || args.contains(&"&&") || args.iter().any(|arg| arg.ends_with(',')) {
        return None;
    }
    shown(word, args, pass, visitor.words).or_else(|| asked(word, args, visitor))
}

/// What shows something: a link to its page.
fn shown(word: &str, args: &[&str], pass: &PassView, words: Words) -> Option<HintAction> {
    let name = args.iter().find(|arg| !arg.starts_with('-')).copied();
    let link = |key: &str, icon: &'static str, path: String| {
        Some(HintAction { label: words.get(key), icon, path, fields: Vec::new(), is_form: false, needs: None })
    };
    match (word, name) {
        ("logs", Some(name)) => {
            let service = service_of_container(pass, name)?;
            link("act-see-logs", "term", format!("/services/{}/logs", encoded(&service)))
        }
        ("trace", Some(domain)) => {
            let of = |row: &&ServiceStatus| row.domains.iter().any(|known| known == domain);
            let service = pass.statuses().values().find(of)?;
            link("act-trace", "net", format!("/services/{}/trace?domain={}", encoded(&service.name), encoded(domain)))
        }
        ("history", Some(name)) => link("tab-history", "clock", format!("/services/{}/history", encoded(name))),
        ("status", _) if args == ["--only", "unmanaged"] => link("filter-unmanaged", "grid", "/unmanaged".to_owned()),
        ("status", None) => link("overview-title", "grid", "/".to_owned()),
        ("status", Some(name)) if pass.statuses().contains_key(name) => {
            link("act-show", "grid", format!("/services/{}", encoded(name)))
        }
        ("doctor", None) => link("settings-providers", "net", "/settings/providers".to_owned()),
        ("help", Some(code)) => link("act-explain-code", "info", format!("/errors/{}", encoded(code))),
        ("destroy", Some(name)) if args.contains(&"--purge") => {
            link("act-purge", "trash", format!("/services/{}/purge", encoded(name)))
        }
        ("destroy", Some(name)) => link("act-delete", "trash", format!("/services/{}/delete", encoded(name))),
        ("instance", Some("list")) => link("nav-instances", "server", "/instances".to_owned()),
        ("instance", Some("show")) => link("act-show", "server", format!("/instances/{}", encoded(args.get(1)?))),
        ("pool", Some("show")) => link("act-show", "cal", format!("/pools/{}", encoded(args.get(1)?))),
        _ => None,
    }
}

/// The service of a container; a name that is both is the service's.
fn service_of_container(pass: &PassView, name: &str) -> Option<String> {
    let all = pass.statuses();
    if all.contains_key(name) {
        return Some(name.to_owned());
    }
    let has = |row: &&ServiceStatus| {
        row.resources.iter().any(|one| one.address.kind == Kind::Container && one.address.name == name)
    };
    all.values().find(has).map(|row| row.name.clone())
}

/// A verb of the table, as the form or the page that asks.
fn asked(word: &str, args: &[&str], visitor: &RequestContext) -> Option<HintAction> {
    if word == APPLY.word || word == "reconcile" && args.is_empty() {
        return apply(args, visitor);
    }
    if let ("instance", Some((verb, [name, ..]))) = (word, args.split_first()) {
        let row = VERBS.into_iter().find(|row| row.of_instance() == Some(*verb))?;
        let label = visitor.words.get(&format!("act-instance-{verb}"));
        return form(row, label, "play", format!("/instances/{}/{verb}", encoded(name)), Vec::new(), visitor)
            .filter(|_| ["start", "stop", "unshelve"].contains(verb));
    }
    let resource =
        [(&ADOPT, "adopt", "act-adopt"), (&RELEASE, "release", "act-release"), (&RESCUE, "npm", "act-rescue")];
    if let Some((row, _, label)) = resource.into_iter().find(|(_, known, _)| *known == word) {
        let (field, value) = if word == "npm" { ("npm", args.get(1)?) } else { ("thing", args.first()?) };
        let path = format!("/verbs/{}?{field}={}", row.word, encoded(value));
        return link_to(row, visitor.words.get(label), "", path, visitor);
    }
    let row = VERBS.into_iter().find(|row| row.word == word && row.of_service().is_some())?;
    let verb = row.of_service()?;
    let (name, flags) = args.split_first().filter(|(name, _)| !name.starts_with('-'))?;
    let path = format!("/services/{}/{}", encoded(name), row.word);
    let icon = icon_of(row.word);
    if verb.page.is_some() {
        return link_to(row, visitor.words.get(verb.label), icon, path, visitor);
    }
    let fields = flags.iter().map(|flag| flag_field(row, flag)).collect::<Option<Vec<_>>>()?;
    form(row, visitor.words.get(verb.label), icon, path, fields, visitor)
}

/// The mark of a verb.
pub fn icon_of(word: &str) -> &'static str {
    match word {
        "rollback" => "undo",
        "suspend" | "cancel" => "off",
        "resume" => "play",
        _ => "redo",
    }
}

/// `--create-again` as the field of its form.
fn flag_field(row: &VerbRow, flag: &str) -> Option<(String, String)> {
    let typed = flag.strip_prefix("--")?;
    let is_it = |arg: &&crate::engine::commands::act::ArgRow| {
        arg.shape == ArgShape::Flag && arg.typed.is_some_and(|known| known.flag == typed)
    };
    row.args.iter().find(is_it).map(|arg| (arg.name.to_owned(), "yes".to_owned()))
}

fn apply(args: &[&str], visitor: &RequestContext) -> Option<HintAction> {
    let number = args.iter().find_map(|arg| arg.strip_prefix("--confirm-deletes="));
    let fields: Vec<(String, String)> =
        number.map(|number| ("confirm_deletes".to_owned(), number.to_owned())).into_iter().collect();
    if args.len() != fields.len() {
        return None;
    }
    if let Some(number) = number {
        let label = visitor.words.with("act-confirm-deletes", "count", number);
        let (path, needs) = (DELETES_PAGE.to_owned(), lacks(&APPLY, &fields, visitor));
        return Some(HintAction { label, icon: "trash", path, fields: Vec::new(), is_form: false, needs });
    }
    let label = visitor.words.get("act-reconcile-now");
    form(&APPLY, label, "redo", "/apply".to_owned(), fields, visitor)
}

/// The role that a verb needs with these fields, if the visitor lacks it. Without a session the sign-in comes first.
fn lacks(row: &'static VerbRow, fields: &[(String, String)], visitor: &RequestContext) -> Option<String> {
    let with = |act: Act, (name, value): &(String, String)| match row.args.iter().find(|arg| arg.name == name) {
        Some(arg) if arg.shape == ArgShape::Count => act.with(name, value.parse::<u64>().ok()),
        Some(arg) if arg.shape == ArgShape::Flag => act.with(name, true),
        Some(_) | None => act.with(name, value.as_str()),
    };
    let role: Role = (row.role)(&fields.iter().fold(Act::new(row), with).args, true);
    (visitor.session.is_some() && !visitor.may(role)).then(|| needs_role(visitor, role))
}

fn needs_role(visitor: &RequestContext, role: Role) -> String {
    visitor.words.with("needs-role", "role", &visitor.words.role(role.word()))
}

fn form(
    row: &'static VerbRow,
    label: String,
    icon: &'static str,
    path: String,
    fields: Vec<(String, String)>,
    visitor: &RequestContext,
) -> Option<HintAction> {
    let needs = lacks(row, &fields, visitor);
    Some(HintAction { label, icon, path, fields, is_form: true, needs })
}

fn link_to(
    row: &'static VerbRow,
    label: String,
    icon: &'static str,
    path: String,
    visitor: &RequestContext,
) -> Option<HintAction> {
    Some(HintAction { label, icon, path, fields: Vec::new(), is_form: false, needs: lacks(row, &[], visitor) })
}
