//! The host of a manifest.

use crate::manifest::reader::{Reader, nearest};
use crate::manifest::scope::PlacedText;
use crate::manifest::yaml::diagnostic::shown;
use crate::model::Code;
use crate::text;

/// `host`, which must be one of the configuration's.
pub(crate) fn host(reader: &mut Reader<'_>) {
    let text = if reader.has("host") {
        let Some(text) = reader.text("host") else { return };
        text
    } else {
        reader.entry("host");
        PlacedText { text: "default".to_owned(), spot: reader.spot }
    };
    let hosts = &reader.scope.site.hosts;
    if !hosts.contains_key(&text.text) {
        let names: Vec<&str> = hosts.keys().map(String::as_str).collect();
        let unknown = || text!("unknown host `{name}`", name = shown(&text.text));
        let (message, hint) = match (reader.has("host"), nearest(&text.text, &names), names.first()) {
            (false, _, Some(first)) => {
                let hint = text!("write `host: {first}`, or call that host `default` in amarre.yaml", first = *first);
                (text!("key `host` is missing: no host in amarre.yaml is called `default`"), hint)
            }
            (_, Some(near), _) => (unknown(), text!("did you mean `{near}`?", near)),
            (_, None, None) => (unknown(), text!("amarre.yaml names none")),
            (true, None, Some(_)) => (unknown(), text!("amarre.yaml names {names}", names = names.join(", "))),
        };
        reader.scope.error_hint(Code::A0111, text.spot, message, hint);
    }
}
