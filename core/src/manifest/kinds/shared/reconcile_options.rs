//! What a person decides about a manifest as a whole: `reconcile`, and for services with containers `data` and `moved_from`.

use crate::manifest::compose::container;
use crate::manifest::limits::NAME_CHARS_MAX;
use crate::manifest::reader::{Reader, nearest, nothing_else};
use crate::manifest::resolve;
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::shown;
use crate::model::service::{Data, Ignored, Reconcile};
use crate::model::{Code, Kind, Millis, Text, site};
use crate::text;

/// Fields of Amarre's own.
const OURS: [&str; 3] = ["mark", "online", "enabled"];

/// More would be a service that is hardly kept at all.
const IGNORED_MAX: usize = 50;

/// `reconcile: {mode: enforce, protect: true, ignore: [proxy-host.advanced], stopped_grace: 15m}`; the last for what has
/// containers.
pub(crate) fn reconcile(reader: &mut Reader<'_>, has_containers: bool) -> Reconcile {
    let Some(node) = reader.node("reconcile") else { return Reconcile::default() };
    let Some(mut inner) = Reader::open(reader.scope, node, "`reconcile`", "reconcile.") else {
        return Reconcile::default();
    };
    let modes = [("enforce", site::Mode::Enforce), ("report", site::Mode::Report)];
    let mode = inner.choice("mode", &modes);
    let protect = inner.flag("protect");
    let texts = inner.texts("ignore");
    if texts.len() > IGNORED_MAX {
        let message = text!("{n} fields are ignored, at most {most}", n = texts.len(), most = IGNORED_MAX);
        let hint = text!("`mode: report` touches nothing of the service");
        inner.scope.error_hint(Code::A0106, inner.key_spot("ignore"), message, hint);
    }
    let ignore = texts.iter().filter_map(|text| ignored(inner.scope, text)).collect();
    let default = Reconcile::default().stopped_grace;
    let grace = if has_containers { container::duration(&mut inner, "stopped_grace") } else { None };
    inner.finish(&nothing_else);
    Reconcile { mode, protect, ignore, stopped_grace: grace.map_or(default, Millis) }
}

/// `proxy-host.advanced`, `container.labels.com.example.*`: a kind, a field, and of a map a key or the beginning of some.
fn ignored(scope: &Scope<'_>, text: &PlacedText) -> Option<Ignored> {
    let refuse = |hint: Text| scope.not_allowed(text, text!("an item of {list}", list = "`reconcile.ignore`"), hint);
    let (kind, field) = text.text.split_once('.').unwrap_or((&text.text, ""));
    let Some(known) = Kind::ALL.into_iter().find(|known| known.word() == kind) else {
        let words = Kind::ALL.map(Kind::word);
        let hint = match nearest(kind, &words) {
            Some(near) => text!("it begins with a kind; did you mean `{near}`?", near),
            None => text!("it begins with a kind: {words}", words = words.join(", ")),
        };
        refuse(hint);
        return None;
    };
    let name = field.split('.').next().unwrap_or_default();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let stars = field.matches('*').count();
    if !is_name || stars > 1 || stars == 1 && !field.ends_with(".*") {
        let hint = text!(
            "a kind and a field, as plans show them: {example}",
            example = "`proxy-host.advanced`, `container.labels.com.example.*`",
        );
        refuse(hint);
        return None;
    }
    if OURS.contains(&name) {
        refuse(text!("by that it is known what is ours, and what works"));
        return None;
    }
    if known != Kind::Container && field.contains('.') {
        // Others write such a map as a whole.
        let hint = text!("a whole field, as in `{kind}.{name}`; keys are told apart of containers only", kind, name);
        refuse(hint);
        return None;
    }
    Some(Ignored { kind: known, field: field.to_owned() })
}

/// `data: new` or `data: shared`, `moved_from: old` and `reuse: true`.
pub(crate) fn data(reader: &mut Reader<'_>) -> Data {
    let said = reader.choice("data", &[("new", (true, false)), ("shared", (false, true))]);
    let (is_new, is_shared) = said.unwrap_or_default();
    let reuse = reader.flag("reuse").unwrap_or_default();
    let Some(text) = reader.text("moved_from") else { return Data { is_new, of: None, is_shared, reuse } };
    let scope = reader.scope;
    scope.claims.borrow_mut().moved_from = Some(text.spot);
    if let Some(why) = resolve::why_not_a_label(&text.text, NAME_CHARS_MAX) {
        scope.not_allowed(&text, "`moved_from`", why);
    } else if text.text == scope.name {
        scope.not_allowed(&text, "`moved_from`", text!("{name} is its name now", name = shown(&scope.name)));
    } else if is_new {
        let message = text!("`data: new` and `moved_from` contradict each other");
        scope.error_hint(Code::A0106, text.spot, message, text!("leave out the one that is not meant"));
    }
    Data { is_new, of: Some(text.text), is_shared, reuse }
}
