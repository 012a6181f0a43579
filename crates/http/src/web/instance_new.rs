//! The form of a new server: where, how large, from what, with what the vendor offers and takes. It writes a manifest, which is
//! checked and planned first; the loop makes the server.

use askama::Template;
use axum::extract::{ConnectInfo, Form as Body, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::edit::{self, CheckedManifest};
use super::instance_view;
use super::view_model::PlanRow;
use super::{
    Flash, FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, redirect,
    signed_in_and_counted,
};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::edit_manifest::{self, ManifestRemark};
use crate::engine::commands::offers::{self, OffersOfCloud};
use crate::engine::report::instances;
use crate::templates::scalar;
use crate::words::Words;
use amarre_core::model::offers::{Offered, OfferedSize, OfferedSizes, ServerOffers};
use amarre_core::model::{Code, ProviderId};

const HERE: &str = "/instances/new";
const MIB_OF_GIB: u32 = 1024;

/// What a form says of a server.
#[derive(Default)]
struct ServerForm {
    cloud: String,
    project: String,
    region: String,
    name: String,
    size: String,
    cpu: String,
    memory: String,
    disk: String,
    image: String,
    key: String,
    power: String,
}

impl ServerForm {
    fn new(fields: &FormFields) -> Self {
        let field = |name: &str| fields.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
        Self {
            cloud: field("cloud"),
            project: field("project"),
            region: field("region"),
            name: field("name"),
            size: field("size"),
            cpu: field("cpu"),
            memory: field("memory"),
            disk: field("disk"),
            image: field("image"),
            key: field("key"),
            power: field("power"),
        }
    }

    /// With what is the only choice.
    fn with_the_only_ones(mut self, pass: &PassView) -> Self {
        let Some(site) = pass.context.as_ref().map(|context| &context.site) else { return self };
        let mut clouds = site.clouds.keys();
        if let (true, Some(only), None) = (self.cloud.is_empty(), clouds.next(), clouds.next()) {
            self.cloud = only.clone();
        }
        self
    }

    /// The manifest that says it.
    fn manifest(&self) -> String {
        let size = if self.cpu.is_empty() {
            scalar(&self.size)
        } else {
            format!("{{cpu: {}, memory: {}, disk: {}}}", scalar(&self.cpu), scalar(&self.memory), scalar(&self.disk))
        };
        let project =
            if self.project.is_empty() { String::new() } else { format!("project: {}\n", scalar(&self.project)) };
        let power = if self.power == "on" { "power: \"on\"\n" } else { "" };
        format!(
            "kind: Instance\nname: {}\ncloud: {}\n{project}region: {}\ntype: {size}\nimage: {}\nssh_keys: [{}]\n{power}",
            scalar(&self.name),
            scalar(&self.cloud),
            scalar(&self.region),
            scalar(&self.image),
            scalar(&self.key)
        )
    }

    /// Whether all of it is filled in.
    fn is_whole(&self) -> bool {
        let has_size = !self.size.is_empty() || !self.cpu.is_empty();
        let texts = [&self.cloud, &self.region, &self.name, &self.image, &self.key];
        has_size && texts.iter().all(|text| !text.is_empty())
    }
}

/// A value of a choice, its text, and whether it is chosen.
type FormChoice = (String, String, bool);

#[derive(Template)]
#[template(path = "instance_new.html")]
struct NewInstancePage {
    frame: PageFrame,
    form: ServerForm,
    clouds: Vec<FormChoice>,
    projects: Vec<FormChoice>,
    regions: Vec<FormChoice>,
    /// What the region offers; `None`: no region is chosen.
    offered: Option<OfferedChoices>,
    /// What has to be done in the configuration first, and why the vendor could not be asked.
    notices: Vec<Flash>,
    keys: Vec<FormChoice>,
    may_edit: bool,
    settle: Vec<ManifestRemark>,
    settle_places: bool,
    settle_title: String,
    unwritable: Option<Flash>,
    /// What it costs, once that is known.
    cost: Option<String>,
    plan: Vec<PlanRow>,
    summary: String,
    file: String,
    place: String,
    text: String,
}

/// The choices of a region.
pub struct OfferedChoices {
    /// Sizes with names.
    pub sizes: Vec<FormChoice>,
    /// Processors, memory, disk, where a size is put together.
    pub parts: Option<[Vec<FormChoice>; 3]>,
    images: Vec<FormChoice>,
}

impl OfferedChoices {
    fn new(offers: ServerOffers, form: &ServerForm, words: Words) -> Self {
        let images = choices(offers.images.clone(), &form.image);
        let chosen = [&form.size, &form.cpu, &form.memory, &form.disk].map(String::clone);
        Self { images, ..Self::sizes_of(offers, &chosen, words) }
    }

    /// The sizes alone; of what is chosen: a name, processors, memory, a disk.
    pub fn sizes_of(offers: ServerOffers, [size, cpu, memory, disk]: &[String; 4], words: Words) -> Self {
        let (sizes, parts) = match offers.sizes {
            OfferedSizes::Named(sizes) => {
                let label = |size: &OfferedSize| match (&size.prices, size.is_left) {
                    (_, false) => format!("{} · {}", size.name, words.get("inst-new-none-left")),
                    (Some(prices), true) => match instances::cost(prices, None) {
                        Some(cost) => format!("{} · {}", size.name, instance_view::cost(&cost, words)),
                        None => size.name.clone(),
                    },
                    (None, true) => size.name.clone(),
                };
                let choice = |one: OfferedSize| (one.name.clone(), label(&one), one.name == *size);
                (sizes.into_iter().map(choice).collect(), None)
            }
            OfferedSizes::Parts { cpus, memories, disks } => {
                let texts = |texts: Vec<String>, chosen: &str| -> Vec<FormChoice> {
                    texts.into_iter().map(|text| (text.clone(), text.clone(), text == chosen)).collect()
                };
                let memories = memories.into_iter().map(|mib| match mib % MIB_OF_GIB {
                    0 => format!("{}GiB", mib / MIB_OF_GIB),
                    _ => format!("{mib}MiB"),
                });
                let disks = disks.into_iter().map(|gb| format!("{gb}GB"));
                let parts = [texts(cpus, cpu), texts(memories.collect(), memory), texts(disks.collect(), disk)];
                (Vec::new(), Some(parts))
            }
        };
        Self { sizes, parts, images: Vec::new() }
    }
}

fn choices(offered: Vec<Offered>, chosen: &str) -> Vec<FormChoice> {
    offered.into_iter().map(|Offered { word, label }| (word.clone(), label, word == chosen)).collect()
}

/// What an admin has to write into the configuration before a manifest may make a server there.
fn notices(pass: &PassView, form: &ServerForm, words: Words) -> Vec<Flash> {
    let Some(site) = pass.context.as_ref().map(|context| &context.site) else { return Vec::new() };
    let bad = |text: String, code: Code| Flash { is_bad: true, code: Some(code), ..Flash::text(text) };
    let is_closed = site.clouds.get(&form.cloud).is_some_and(|cloud| cloud.limits.instances == 0);
    let closed = is_closed.then(|| bad(words.with("inst-new-closed", "cloud", &form.cloud), Code::A0750));
    let keyless = site.ssh_keys.is_empty().then(|| bad(words.get("inst-new-no-key"), Code::A0106));
    closed.into_iter().chain(keyless).collect()
}

/// What the planned server costs: what was asked of the vendor for the plan.
fn cost(after: &PassView, form: &ServerForm, words: Words) -> Option<String> {
    let provider = &after.context.as_ref()?.site.clouds.get(&form.cloud)?.provider;
    let is_it = |name: &str, of: &ProviderId| of == provider && name == form.name;
    let mut quotes = after.world.quotes.iter();
    let (_, prices) = quotes.find(|(address, _)| is_it(&address.name, &address.provider))?;
    Some(instance_view::cost(&instances::cost(prices, None)?, words))
}

async fn form_page(web: &Web, visitor: &RequestContext, form: ServerForm, checked: CheckedManifest) -> Response {
    let (pass, words) = (web.handle.last_pass().0, visitor.words);
    let form = form.with_the_only_ones(&pass);
    let OffersOfCloud { places, offers, refused } =
        offers::of_cloud(&web.handle, &form.cloud, &form.project, &form.region).await;
    let site = pass.context.as_ref().map(|context| &context.site);
    let names = |names: Vec<&String>, chosen: &str| -> Vec<FormChoice> {
        names.into_iter().map(|name| (name.clone(), name.clone(), name == chosen)).collect()
    };
    let mut notices = if form.cloud.is_empty() { Vec::new() } else { notices(&pass, &form, words) };
    notices.extend(refused.map(|refused| Flash::refused(refused, words)));
    let file = web.handle.path_of(&form.name);
    let frame = PageFrame::new(web, visitor, "instances", words.get("inst-new-title"), HERE.to_owned()).await;
    page(&NewInstancePage {
        clouds: names(site.map(|site| site.clouds.keys().collect()).unwrap_or_default(), &form.cloud),
        projects: choices(places.projects, &form.project),
        regions: choices(places.regions, &form.region),
        offered: offers.map(|offers| OfferedChoices::new(offers, &form, words)),
        keys: names(site.map(|site| site.ssh_keys.keys().collect()).unwrap_or_default(), &form.key),
        notices,
        may_edit: visitor.may(Role::Editor),
        settle_title: edit::title(&checked.settle, visitor),
        settle: checked.settle,
        settle_places: false,
        unwritable: edit::unwritable_notice(web, visitor, &file).await,
        cost: checked.after.as_ref().and_then(|after| cost(after, &form, words)),
        plan: checked.plan,
        summary: checked.summary,
        place: edit::place(web, visitor),
        text: form.manifest(),
        file,
        form,
        frame,
    })
}

/// `GET /instances/new`
pub async fn new(State(web): State<Web>, headers: HeaderMap, Query(fields): Query<FormFields>) -> PageOutcome {
    let visitor = signed_in_and_counted(&web, &headers, HERE).await?;
    let pass = web.handle.last_pass().0;
    if pass.context.as_ref().is_some_and(|context| context.site.clouds.is_empty()) {
        return Ok(redirect("/instances"));
    }
    let form = ServerForm { power: "on".to_owned(), ..ServerForm::new(&fields) };
    Ok(form_page(&web, &visitor, form, CheckedManifest::default()).await)
}

/// `POST /instances/new`: checks, or writes.
pub async fn make(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Body(fields): Body<FormFields>,
) -> PageOutcome {
    let form = ServerForm::new(&fields);
    let is_commit = fields.get("do").is_some_and(|what| what == "commit");
    if !is_commit {
        let visitor = signed_in_and_counted(&web, &headers, HERE).await?;
        let checked = if form.is_whole() { check(&web, &visitor, &form).await? } else { CheckedManifest::default() };
        return Ok(form_page(&web, &visitor, form, checked).await);
    }
    let doer = authorize_form(&web, &headers, &fields, Role::Editor, HERE).await?;
    let mut checked = check(&web, &doer.visitor, &form).await?;
    if checked.settle.is_empty() {
        let change = (web.handle.path_of(&form.name), None, Some(form.manifest()));
        let message = format!("add {}", form.name);
        match edit::write_change(&web, &doer, change, message, (from, "add", &form.name)).await {
            Ok(()) => return Ok(redirect(&instance_view::path(&form.name))),
            Err(why) => checked.settle.push(why),
        }
    }
    let page = form_page(&web, &doer.visitor, form, checked).await;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn check(web: &Web, visitor: &RequestContext, form: &ServerForm) -> Result<CheckedManifest, Response> {
    if edit_manifest::is_taken(&web.handle, &form.name) {
        let taken = ManifestRemark::new(visitor.words.get("new-taken"), Code::A0120, &[]);
        return Ok(CheckedManifest { settle: vec![taken], ..CheckedManifest::default() });
    }
    let (file, text) = (web.handle.path_of(&form.name), form.manifest());
    edit::check(web, visitor, (&file, &text), &form.name, Vec::new()).await.ok_or_else(edit::stopping)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> ServerForm {
        ServerForm::new(&fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_form_is_written_as_a_manifest_has_it() {
        let named = [
            ("cloud", "paris"),
            ("project", "ci"),
            ("region", "GRA11"),
            ("name", "worker"),
            ("size", "b3-8"),
            ("image", "Debian 13"),
            ("key", "ops"),
            ("power", "on"),
        ];
        let text = "kind: Instance\nname: worker\ncloud: paris\nproject: ci\nregion: GRA11\ntype: b3-8\nimage: \"Debian 13\"\n\
                    ssh_keys: [ops]\npower: \"on\"\n";
        assert_eq!(form(&named).manifest(), text);
        let parts = [("name", "a"), ("cpu", "2B"), ("memory", "2GiB"), ("disk", "20GB")];
        let text = form(&parts).manifest();
        assert!(text.contains("type: {cpu: \"2B\", memory: \"2GiB\", disk: \"20GB\"}\n"), "{text}");
    }

    #[test]
    fn nothing_that_is_typed_becomes_another_key() {
        let text = form(&[("name", "a\npower: off"), ("image", "x # y"), ("key", "a], id: b")]).manifest();
        assert!(text.contains("name: \"a\\npower: off\"\n"), "{text}");
        assert!(text.contains("image: \"x # y\"\n") && text.contains("ssh_keys: [\"a], id: b\"]\n"), "{text}");
    }
}
