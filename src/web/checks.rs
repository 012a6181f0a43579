//! What is said below each field of the form, from what a check found.

use super::manifest::Form;
use super::words::Words;
use super::{Visitor, Web, view_model};
use crate::accounts::Role;
use crate::engine::Picture;
use crate::engine::commands::edit_manifest::Settle;
use crate::engine::commands::image_lookup::{ImageFacts, Known};
use amarre_core::model::{Address, Kind};

/// Below so many, it is said that few certificates are left.
const FEW_LEFT: usize = 5;

/// One line below a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// `ok`, `warn` or `bad`; empty: a plain hint.
    pub tone: &'static str,
    /// In words; empty: nothing is said.
    pub text: String,
    /// Whether what stands in the field has to be settled before anything is written.
    pub is_wrong: bool,
}

impl Mark {
    fn new(tone: &'static str, text: String) -> Self {
        Self { tone, text, is_wrong: false }
    }

    /// What has to be settled.
    pub fn wrong(text: String) -> Self {
        Self { tone: "bad", text, is_wrong: true }
    }

    /// What the field is for.
    pub fn hint(text: String) -> Self {
        Self::new("", text)
    }

    /// Its picture.
    pub fn svg(&self) -> &'static str {
        view_model::mark(self.tone)
    }
}

/// Below each field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Whether it is free.
    pub name: Mark,
    /// Whether there is such an image, for this engine.
    pub image: Mark,
    /// What the image says of its ports.
    pub port: Mark,
    /// Whether the name is free.
    pub address: Mark,
    /// How many certificates are left.
    pub tls: Mark,
    /// What is wrong with the list that was chosen.
    pub access_list: Mark,
    /// What is wrong with a variable.
    pub environment: Mark,
    /// What is wrong with a volume.
    pub volumes: Mark,
}

/// What was filled in, as far as it can be checked beside its manifest.
pub struct Typed<'a> {
    /// The service's name.
    pub name: &'a str,
    /// The image; empty: none is asked about.
    pub image: &'a str,
    /// The port; `None`: the manifest says it by itself.
    pub port: Option<&'a str>,
    /// Whether a certificate is asked for.
    pub has_tls: bool,
}

impl Marks {
    /// Of a form that was checked; `after`: with its manifest.
    pub async fn of(web: &Web, visitor: &Visitor, typed: Typed<'_>, after: &Picture) -> Self {
        let words = visitor.words;
        let mut marks = Self { address: address(after, typed.name, words), ..Self::default() };
        if is_free(after, typed.name) {
            marks.name = Mark::new("ok", words.of("new-free"));
        }
        if typed.has_tls {
            marks.tls = tls(after, typed.name, words);
        }
        // Its registry is asked, whichever that is: not by those who may only look.
        let is_reference =
            visitor.may(Role::Editor) && !typed.image.is_empty() && !typed.image.contains(char::is_whitespace);
        if is_reference {
            let host = after.services.get(typed.name).map_or("default", |service| service.host.as_str());
            let known = web.images.ask(after, host, typed.image, web.handle.now()).await;
            if let (Known::Facts(facts), Some(typed)) = (&known, typed.port) {
                marks.port = port(facts, typed, words);
            }
            marks.image = image(known, words);
        }
        marks
    }

    /// Says at each field what has to be settled there, where the form knows the field that it comes from.
    pub fn settle(&mut self, form: &Form, all: &[Settle]) {
        for one in all.iter().rev() {
            let Some(field) = one.at.and_then(|(line, _)| form.field_at(line)) else { continue };
            let mark = match field {
                "name" => &mut self.name,
                "image" => &mut self.image,
                "port" => &mut self.port,
                "address" => &mut self.address,
                "tls" => &mut self.tls,
                "access_list" => &mut self.access_list,
                "environment" => &mut self.environment,
                "volumes" => &mut self.volumes,
                _ => continue,
            };
            *mark = Mark::wrong(one.text.clone());
        }
    }
}

/// Whether a manifest of this name is good, and nothing that Amarre does not manage has its name on the host.
fn is_free(after: &Picture, name: &str) -> bool {
    let is_on_host = |kind: Kind| matches!(kind, Kind::Network | Kind::Volume | Kind::Container);
    let mut refused = after.changes_of(name).filter(|change| is_on_host(change.address.kind));
    after.services.contains_key(name)
        && !refused.any(|change| change.refusal().is_some_and(|refusal| !refusal.is_left()))
}

fn image(known: Known, words: Words) -> Mark {
    match known {
        Known::Facts(facts) if !facts.fits() => {
            let values = [("platforms", facts.platforms.join(", ")), ("platform", facts.platform)];
            let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
            Mark::new("bad", words.with_all("image-elsewhere", &values))
        }
        Known::Facts(ImageFacts { bytes_here: Some(bytes), .. }) => {
            Mark::new("ok", words.with("image-here", "size", &crate::engine::report::size(bytes)))
        }
        Known::Facts(facts) => Mark::new("ok", words.with("image-exists", "platform", &facts.platform)),
        Known::Refused(why) => Mark::new("bad", why),
        Known::Unasked(why) => Mark::new("warn", words.with("check-unasked", "why", &why)),
    }
}

fn port(facts: &ImageFacts, typed: &str, words: Words) -> Mark {
    let Some(first) = facts.ports.first() else { return Mark::default() };
    let list = facts.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let text = words.with("port-exposes", "ports", &list);
    match typed.parse::<u16>() {
        Ok(port) if facts.ports.contains(&port) => Mark::new("ok", text),
        Ok(_) => Mark::new("warn", text),
        Err(_) if typed.is_empty() => Mark::new("", words.with("port-suggest", "port", &first.to_string())),
        Err(_) => Mark::default(),
    }
}

/// Whether records and hosts of these names are somebody else's.
fn address(after: &Picture, name: &str, words: Words) -> Mark {
    let is_name =
        |address: &&Address| matches!(address.kind, Kind::Record | Kind::ProxyHost | Kind::Redirection | Kind::Stream);
    let changes = after.changes_of(name).filter(|change| is_name(&&change.address));
    let mut refusals = changes.filter_map(|change| change.refusal()).filter(|refusal| !refusal.is_left());
    if let Some(refusal) = refusals.next() {
        return Mark::wrong(refusal.message.clone());
    }
    let wanted: Vec<&Address> = after.wanted_by(name).iter().filter(is_name).collect();
    if wanted.is_empty() {
        return Mark::default();
    }
    let mut hidden: Vec<String> = wanted
        .iter()
        .filter(|address| after.world.gap(address).is_some())
        .map(|address| address.provider.title())
        .collect();
    hidden.dedup();
    if !hidden.is_empty() {
        return Mark::new("warn", words.with("check-hidden", "names", &hidden.join(", ")));
    }
    let domains = after.services.get(name).into_iter().flat_map(|service| &service.routes);
    let domains: Vec<&str> = domains.flat_map(|route| &route.domains).map(String::as_str).collect();
    let mut asked: Vec<String> = wanted.iter().map(|address| address.provider.title()).collect();
    asked.sort();
    asked.dedup();
    Mark::new("ok", words.with_all("address-free", &[("name", &domains.join(", ")), ("names", &asked.join(", "))]))
}

fn tls(after: &Picture, name: &str, words: Words) -> Mark {
    let wanted = after.wanted_by(name).iter().find(|address| address.kind == Kind::Certificate);
    let Some(certificate) = wanted.filter(|address| !after.world.seen.contains_key(address)) else {
        return Mark::default();
    };
    if let Some(refusal) = after.change_of(certificate).and_then(|change| change.refusal()) {
        return Mark::wrong(refusal.message.clone());
    }
    match crate::engine::report::certificates::left(after, certificate) {
        None => Mark::default(),
        Some(left) => Mark::new(if left < FEW_LEFT { "warn" } else { "ok" }, words.count("tls-left", &left)),
    }
}
