//! Remarks below the fields of a form, from the results of a check.

use super::manifest::ServiceForm;
use super::plain_secrets::PlainSecret;
use super::{RequestContext, Web, marks};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::edit_manifest::ManifestRemark;
use crate::engine::commands::image_lookup::{ImageAnswer, ImageFacts};
use crate::words::Words;
use amarre_core::manifest::{Diagnostic, Severity};
use amarre_core::model::{Address, Kind};

/// With fewer certificates left, their number is shown.
const FEW_LEFT: usize = 5;

/// One line below a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldRemark {
    /// `ok`, `warn` or `bad`; empty: a plain hint.
    pub tone: &'static str,
    /// The text; empty: none.
    pub text: String,
    /// Whether the field has to be corrected before anything is written.
    pub is_wrong: bool,
}

impl FieldRemark {
    fn new(tone: &'static str, text: String) -> Self {
        Self { tone, text, is_wrong: false }
    }

    /// A field that has to be corrected.
    pub fn failed(text: String) -> Self {
        Self { tone: "bad", text, is_wrong: true }
    }

    /// A plain hint.
    pub fn hint(text: String) -> Self {
        Self::new("", text)
    }

    pub fn svg(&self) -> &'static str {
        marks::tone(self.tone)
    }
}

/// The remarks of all fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldRemarks {
    /// Whether the address is free.
    pub name: FieldRemark,
    /// Whether the image exists for this engine.
    pub image: FieldRemark,
    /// The ports that the image declares.
    pub port: FieldRemark,
    /// Whether the name is free.
    pub address: FieldRemark,
    /// How many certificates are left.
    pub tls: FieldRemark,
    /// What is wrong with the chosen access list.
    pub access_list: FieldRemark,
    /// What is wrong with a variable.
    pub environment: FieldRemark,
    /// What is wrong with a volume.
    pub volumes: FieldRemark,
}

/// The typed values that can be checked beside the manifest.
pub struct TypedForm<'a> {
    /// The service's name.
    pub name: &'a str,
    /// The image; empty: not checked.
    pub image: &'a str,
    /// The port; `None`: the manifest states it.
    pub port: Option<&'a str>,
    /// Whether a certificate is wanted.
    pub has_tls: bool,
}

impl FieldRemarks {
    /// Checks a form; `after`: the forecast with its manifest.
    pub async fn check(web: &Web, visitor: &RequestContext, typed: TypedForm<'_>, after: &PassView) -> Self {
        let words = visitor.words;
        let mut marks = Self { address: address(after, typed.name, words), ..Self::default() };
        if is_free(after, typed.name) {
            marks.name = FieldRemark::new("ok", words.get("new-free"));
        }
        if typed.has_tls {
            marks.tls = tls(after, typed.name, words);
        }
        if typed.port == Some("") {
            marks.port = FieldRemark::new("warn", words.get("port-none"));
        }
        // This asks the image's registry, whichever it is: not for accounts that may only read.
        let is_reference =
            visitor.may(Role::Editor) && !typed.image.is_empty() && !typed.image.contains(char::is_whitespace);
        if is_reference {
            let host = after.services.get(typed.name).map_or("default", |service| service.host.as_str());
            let known = web.images.look_up(after, host, typed.image, web.handle.now()).await;
            if let (ImageAnswer::Facts(facts), Some(typed)) = (&known, typed.port) {
                marks.port = port(facts, typed, words).unwrap_or(marks.port);
            }
            marks.image = image(known, words);
        }
        marks
    }

    /// Adds each warning about a file to its field, unless something worse is said there.
    pub fn mark_warnings(&mut self, form: &ServiceForm, file: &str, all: &[Diagnostic], words: Words) {
        let mine = all.iter().rev().filter(|found| found.severity == Severity::Warning && found.file == file);
        for found in mine {
            let Some(mark) = form.field_at(found.line).and_then(|field| self.of_field(field)) else { continue };
            if matches!(mark.tone, "" | "ok") {
                let parts = std::iter::once(&found.message).chain(&found.hint).map(|text| words.say(text));
                let known = std::iter::once(mark.text.clone()).filter(|text| !text.is_empty());
                *mark = FieldRemark::new("warn", parts.chain(known).collect::<Vec<_>>().join(" · "));
            }
        }
    }

    /// Says which variables are kept as secrets, and under which names.
    pub fn mark_kept_secrets(&mut self, secrets: &[PlainSecret], words: Words) {
        if secrets.is_empty() {
            return;
        }
        let list = |of: fn(&PlainSecret) -> &str| secrets.iter().map(of).collect::<Vec<_>>().join(", ");
        let (variables, names) = (list(|one| &one.variable), list(|one| &one.name));
        let text = words.with_all("new-secrets-kept", &[("variables", &variables), ("names", &names)]);
        self.environment = FieldRemark::new("ok", text);
    }

    /// Adds each problem to its field, if the form knows the field.
    pub fn mark_problems(&mut self, form: &ServiceForm, all: &[ManifestRemark], words: Words) {
        for one in all.iter().rev() {
            let field = one.at.and_then(|(line, _)| form.field_at(line));
            let Some(mark) = field.and_then(|field| self.of_field(field)) else { continue };
            *mark = FieldRemark::failed(one.text.clone());
        }
        let port = form.port.trim();
        if !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port > 0) {
            self.port = FieldRemark::failed(words.with("app-no-port", "port", port));
        }
    }

    /// The remark of a field of the form.
    fn of_field(&mut self, field: &str) -> Option<&mut FieldRemark> {
        Some(match field {
            "name" => &mut self.name,
            "image" => &mut self.image,
            "port" => &mut self.port,
            "address" => &mut self.address,
            "tls" => &mut self.tls,
            "access_list" => &mut self.access_list,
            "environment" => &mut self.environment,
            "volumes" => &mut self.volumes,
            _ => return None,
        })
    }
}

/// Says of a variable without a value how it is written in the form, not in a manifest.
pub fn say_bare_variables(form: &ServiceForm, settle: &mut [ManifestRemark], words: Words) {
    for remark in settle {
        let Some((at, variable)) = remark.at.and_then(|at| Some((at, form.bare_variable_at(at.0)?))) else { continue };
        let text = words.with("new-variable-bare", "line", variable);
        *remark = ManifestRemark { at: Some(at), ..ManifestRemark::new(text, remark.code, &[]) };
    }
}

/// Whether the manifest of this name is good, and no foreign resource has its name on the host.
fn is_free(after: &PassView, name: &str) -> bool {
    let is_on_host = |kind: Kind| matches!(kind, Kind::Network | Kind::Volume | Kind::Container);
    let mut refused = after.changes_of(name).filter(|change| is_on_host(change.address.kind));
    after.services.contains_key(name)
        && !refused.any(|change| change.refusal().is_some_and(|refusal| !refusal.is_left()))
}

fn image(known: ImageAnswer, words: Words) -> FieldRemark {
    match known {
        ImageAnswer::Facts(facts) if !facts.fits() => {
            let values = [("platforms", facts.platforms.join(", ")), ("platform", facts.platform)];
            let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
            FieldRemark::new("bad", words.with_all("image-elsewhere", &values))
        }
        ImageAnswer::Facts(ImageFacts { bytes_here: Some(bytes), .. }) => {
            FieldRemark::new("ok", words.with("image-here", "size", &crate::engine::report::size(bytes)))
        }
        ImageAnswer::Facts(facts) => FieldRemark::new("ok", words.with("image-exists", "platform", &facts.platform)),
        ImageAnswer::Refused(why) => FieldRemark::new("bad", why),
        ImageAnswer::Unasked(why) => FieldRemark::new("warn", words.with("check-unasked", "why", &why)),
    }
}

/// What the image says of the port; `None`: nothing.
fn port(facts: &ImageFacts, typed: &str, words: Words) -> Option<FieldRemark> {
    if facts.ports.is_empty() {
        return None;
    }
    let list = facts.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let text = words.with("port-exposes", "ports", &list);
    match typed.parse::<u16>() {
        Ok(port) if facts.ports.contains(&port) => Some(FieldRemark::new("ok", text)),
        Ok(_) => Some(FieldRemark::new("warn", text)),
        Err(_) if typed.is_empty() => Some(FieldRemark::new("warn", words.with("port-none-exposed", "ports", &list))),
        Err(_) => None,
    }
}

/// Whether records and hosts of these names are foreign.
fn address(after: &PassView, name: &str, words: Words) -> FieldRemark {
    let is_name = |address: &&Address| address.kind.is_entry();
    let changes = after.changes_of(name).filter(|change| is_name(&&change.address));
    let mut refusals = changes.filter_map(|change| change.refusal()).filter(|refusal| !refusal.is_left());
    if let Some(refusal) = refusals.next() {
        return FieldRemark::failed(words.say(&refusal.message));
    }
    let wanted: Vec<&Address> = after.wanted_by(name).iter().filter(is_name).collect();
    if wanted.is_empty() {
        return FieldRemark::default();
    }
    let mut hidden: Vec<String> = wanted
        .iter()
        .filter(|address| after.world.gap(address).is_some())
        .map(|address| address.provider.title())
        .collect();
    hidden.dedup();
    if !hidden.is_empty() {
        return FieldRemark::new("warn", words.with("check-hidden", "names", &hidden.join(", ")));
    }
    let domains = after.services.get(name).into_iter().flat_map(|service| &service.routes);
    let domains: Vec<&str> = domains.flat_map(|route| &route.domains).map(String::as_str).collect();
    let mut asked: Vec<String> = wanted.iter().map(|address| address.provider.title()).collect();
    asked.sort();
    asked.dedup();
    FieldRemark::new(
        "ok",
        words.with_all("address-free", &[("name", &domains.join(", ")), ("names", &asked.join(", "))]),
    )
}

fn tls(after: &PassView, name: &str, words: Words) -> FieldRemark {
    let wanted = after.wanted_by(name).iter().find(|address| address.kind == Kind::Certificate);
    let Some(certificate) = wanted.filter(|address| !after.world.seen.contains_key(address)) else {
        return FieldRemark::default();
    };
    if let Some(refusal) = after.change_of(certificate).and_then(|change| change.refusal()) {
        return FieldRemark::failed(words.say(&refusal.message));
    }
    match crate::engine::report::certificates::orders_left(after, certificate) {
        None => FieldRemark::default(),
        Some(left) => FieldRemark::new(if left < FEW_LEFT { "warn" } else { "ok" }, words.count("tls-left", &left)),
    }
}
