//! Installs a server again: from which image, confirmed by the name that it has at its vendor, and done like `amarre instance
//! rebuild`.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::asked_instance::{begin, found};
use super::instance::facts;
use super::instance_view::{self, Offer};
use super::{
    FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, signed_in_and_counted,
};
use crate::accounts::Role;
use crate::engine::commands::act::VENDOR_NAME;
use crate::engine::commands::instances::InstanceDeed;
use crate::engine::commands::verbs::INSTANCE_REBUILD;
use crate::engine::commands::{Act, offers};
use crate::engine::report::instances::InstanceRow;

#[derive(Template)]
#[template(path = "instance_rebuild.html")]
struct RebuildPage {
    frame: PageFrame,
    path: String,
    facts: Vec<(String, String, bool)>,
    /// Why it is not installed again, with the code of that.
    refused: Option<(String, String)>,
    may_rebuild: bool,
    /// The image of its manifest, where that made it.
    fixed: Option<String>,
    /// What its region has.
    images: Vec<String>,
    image: String,
    /// Whether another name was typed.
    is_wrong: bool,
}

async fn asks(web: &Web, visitor: &RequestContext, row: &InstanceRow, typed: Option<&str>) -> Response {
    let (words, path) = (visitor.words, instance_view::path(&row.name));
    let title = words.with("inst-rebuild-title", "name", row.shown_name());
    let frame = PageFrame::new(web, visitor, "instances", title, format!("{path}/rebuild")).await;
    let refused = Offer::new(&web.handle.last_pass().0, row, InstanceDeed::Rebuild, words).refused;
    let may_rebuild = visitor.may(Role::Admin);
    let shape = row.manifest.as_ref().and_then(|managed| managed.instance.shape.as_ref());
    let fixed = shape.map(|shape| shape.image.clone());
    let asks_vendor = may_rebuild && refused.is_none() && fixed.is_none();
    let offered = if asks_vendor {
        offers::of_cloud(&web.handle, &row.cloud, &row.project, &row.region).await.offers
    } else {
        None
    };
    let images = offered.into_iter().flat_map(|offers| offers.images).map(|image| image.word).collect();
    let (image, is_wrong) = (typed.unwrap_or_default().to_owned(), typed.is_some());
    page(&RebuildPage { frame, path, facts: facts(row, words), refused, may_rebuild, fixed, images, image, is_wrong })
}

/// `GET /instances/{name}/rebuild`
pub async fn page_of(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let here = format!("{}/rebuild", instance_view::path(&name));
    let visitor = signed_in_and_counted(&web, &headers, &here).await?;
    let row = found(&web, &visitor, &web.handle.last_pass().0, &name).await?;
    Ok(asks(&web, &visitor, &row, None).await)
}

/// `POST /instances/{name}/rebuild`
pub async fn rebuild_now(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let path = instance_view::path(&name);
    let doer = authorize_form(&web, &headers, &fields, Role::Admin, &format!("{path}/rebuild")).await?;
    let row = found(&web, &doer.visitor, &web.handle.last_pass().0, &name).await?;
    let field = |name: &str| fields.get(name).map(|typed| typed.trim()).unwrap_or_default();
    let (typed, image) = (field(VENDOR_NAME), field("image"));
    if typed != row.vendor_name {
        let page = asks(&web, &doer.visitor, &row, Some(image)).await;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let text = doer.visitor.words.with("inst-rebuild-begun", "name", row.shown_name());
    let command = Act::new(&INSTANCE_REBUILD).with("instances", vec![instance_view::asked_name(&row)]);
    let command = if image.is_empty() { command } else { command.with("image", image) };
    let command = command.with(VENDOR_NAME, typed);
    Ok(begin(&web, &doer, (from, INSTANCE_REBUILD.word, &name), command, (&text, &path)).await)
}
