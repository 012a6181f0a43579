//! The buttons of the demo's band: what a person or a program does beside Amarre is done to the simulators, and the open
//! page shows how it is healed. Only `amarre demo` gives the pages something to do it with.

use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use futures_util::future::BoxFuture;

use super::{Flash, FormFields, From, PageOutcome, RequestContext, Web, authorize_form, problem, redirect, view_model};
use crate::accounts::Role;
use crate::engine::PassView;
use amarre_core::model::Kind;

/// The service that a button is about where the page shows none.
const USUAL: &str = "whoami";

/// What the demo can do to its simulated vendors.
pub trait DemoDeeds: Send + Sync {
    /// Removes a container, as a person does with `docker rm -f`.
    fn remove_container<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), String>>;
    /// Edits the proxy host of a domain in NPM, as a person does: its list goes, else its port is another one.
    fn edit_proxy_host(&self, domain: &str) -> Result<(), String>;
    /// Writes an image that does not start into a manifest.
    fn break_deploy(&self, file: &str, image: &str) -> Result<(), String>;
}

/// A button: its address, its mark and the key of its words.
pub const BUTTONS: [(&str, &str, &str); 3] = [
    ("remove-container", "trash", "demo-remove-container"),
    ("edit-proxy-host", "warn", "demo-edit-proxy-host"),
    ("break-deploy", "bad", "demo-break-deploy"),
];

/// Whether a visitor sees the buttons.
pub fn is_shown(web: &Web, visitor: &RequestContext) -> bool {
    web.demo.is_some() && (visitor.may(Role::Operator) || visitor.session.is_none())
}

/// What a button is done to.
struct BandTarget {
    service: String,
    thing: String,
}

/// `POST /demo/{deed}`
pub async fn act(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(deed): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let here = fields.get("back").cloned().unwrap_or_default();
    let doer = authorize_form(&web, &headers, &fields, Role::Operator, "/").await?;
    let Some(demo) = web.demo.clone().filter(|_| BUTTONS.iter().any(|(known, ..)| *known == deed)) else {
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    };
    let (pass, _) = web.handle.last_pass();
    let shown = service_of_page(&here);
    let order = shown.iter().map(String::as_str).chain([USUAL]).chain(pass.services.keys().map(String::as_str));
    let words = doer.visitor.words;
    let (target, done) = match deed.as_str() {
        "remove-container" => match order.into_iter().find_map(|name| container(&pass, name)) {
            Some(target) => {
                let done = demo.remove_container(&target.thing).await;
                (Some(target), done)
            }
            None => (None, Ok(())),
        },
        "edit-proxy-host" => match order.into_iter().find_map(|name| proxy_host(&pass, name)) {
            Some(target) => {
                let done = demo.edit_proxy_host(&target.thing);
                (Some(target), done)
            }
            None => (None, Ok(())),
        },
        _ => match order.into_iter().find_map(|name| deployed(&pass, name)) {
            Some((target, file, image)) => {
                let done = demo.break_deploy(&file, &image);
                (Some(target), done)
            }
            None => (None, Ok(())),
        },
    };
    let flash = match (&target, &done) {
        (None, _) => Flash { text: words.get("demo-nothing"), is_bad: true, ..Flash::default() },
        (Some(_), Err(why)) => Flash { text: why.clone(), is_bad: true, ..Flash::default() },
        (Some(target), Ok(())) => Flash::text(words.with(&format!("demo-done-{deed}"), "name", &target.thing)),
    };
    let result = done.as_ref().err().cloned().unwrap_or_else(|| "ok".to_owned());
    let service = target.as_ref().map(|target| target.service.clone()).unwrap_or_default();
    doer.audit(&web, from, &format!("demo-{deed}"), &service, &result).await;
    flash.store(&web, &doer.session).await;
    // A container is missed at once; what changed in NPM is seen by a pass.
    if done.is_ok() && target.is_some() {
        let _ = web.handle.pass().await;
    }
    let is_overview = here == "/" || here.starts_with("/?");
    Ok(redirect(&match target {
        Some(_) | None if is_overview => here,
        Some(target) => format!("/services/{}", view_model::encoded(&target.service)),
        None => "/".to_owned(),
    }))
}

/// The service that a page is about.
fn service_of_page(here: &str) -> Option<String> {
    let name = here.strip_prefix("/services/")?.split(['/', '?']).next()?;
    (!name.is_empty() && !name.contains('%')).then(|| name.to_owned())
}

/// A container of a service that is there.
fn container(pass: &PassView, service: &str) -> Option<BandTarget> {
    let row = pass.statuses().get(service)?;
    let is_there = |address: &amarre_core::model::Address| pass.world.seen.contains_key(address);
    let mut found = row.resources.iter().map(|one| &one.address).filter(|address| address.kind == Kind::Container);
    let address = found.find(|address| is_there(address))?;
    Some(BandTarget { service: service.to_owned(), thing: address.name.clone() })
}

/// The first domain of a service.
fn proxy_host(pass: &PassView, service: &str) -> Option<BandTarget> {
    let domain = pass.services.get(service)?.routes.first()?.domains.first()?;
    Some(BandTarget { service: service.to_owned(), thing: domain.clone() })
}

/// A service of which the old container can serve beside a new one, with its file and its image.
fn deployed(pass: &PassView, service: &str) -> Option<(BandTarget, String, String)> {
    let manifest = pass.services.get(service)?;
    let (_, container) = manifest.containers.iter().next().filter(|_| manifest.containers.len() == 1)?;
    let is_alone = container.mounts.is_empty() && container.ports.is_empty() && !container.image.is_empty();
    let target = BandTarget { service: service.to_owned(), thing: service.to_owned() };
    is_alone.then(|| (target, manifest.origin.file.clone(), container.image.clone()))
}
