//! What people ask of builds: what one does, step by step, and that it begins from newer images.

use std::collections::BTreeMap;

use serde_json::json;

use super::apps::{no_app, no_deployment};

use super::{CommandAnswer, CommandEnd, ledger_refused, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::app_documents::BuildLogDocument;
use crate::engine::report::as_json;
use crate::engine::report::builds::{self, FoundBuild, short};
use crate::engine::report::pass_view::PassView;
use crate::engine::report::{apps, deployments};
use crate::ledger::Deployment;
use amarre_core::model::app::Build;
use amarre_core::model::base_images::FixedBase;
use amarre_core::model::service::Service;
use amarre_core::model::{Code, Text};
use amarre_core::plan::render::Style;
use amarre_core::text;

/// What the newest builds of a service did, while they run and afterwards: of an app that of its newest deployment.
pub async fn log(handle: &Handle, pass: &PassView, name: &str, style: Style, all: bool) -> CommandAnswer {
    let images: Vec<&str> = pass.services.get(name).into_iter().flat_map(Service::builds).map(image).collect();
    let Some(row) = apps::find(pass, name) else {
        if images.is_empty() {
            return no_app(pass, name);
        }
        let mut found = Vec::new();
        for image in images {
            found.extend(of_image(handle, pass, name, image).await);
        }
        return if found.is_empty() { no_log(name) } else { answer(handle, &found, style, all) };
    };
    let image = row.build.as_ref().map(image).unwrap_or_default();
    let newest = row.deployment.as_ref().filter(|newest| newest.image == image);
    let found = match newest {
        Some(newest) => of_deployment(handle, pass, newest).await,
        None => of_image(handle, pass, name, image).await,
    };
    found.map_or_else(|| no_log(name), |found| answer(handle, &[found], style, all))
}

fn image(build: &Build) -> &str {
    &build.image
}

fn no_log(name: &str) -> CommandAnswer {
    let message = format!("nothing is known of a build of {name}");
    refused(Code::A1002, &message, "the image was there already, or its log is too old; the next build has one")
}

/// What the build of a deployment did.
pub async fn deployment_log(handle: &Handle, pass: &PassView, id: &str, style: Style, all: bool) -> CommandAnswer {
    let Some(one) = deployments::find(pass, id) else { return no_deployment(id) };
    match of_deployment(handle, pass, one).await {
        Some(found) => answer(handle, &[found], style, all),
        None => {
            let message = format!("the log of deployment {id} is not kept");
            let hint = "nothing was built for it, or its log is too old: those of the last 20 builds are kept";
            refused(Code::A1002, &message, hint)
        }
    }
}

fn answer(handle: &Handle, found: &[FoundBuild], style: Style, all: bool) -> CommandAnswer {
    let now = handle.now();
    let texts: Vec<String> = found.iter().map(|build| builds::text(build, now, style, all)).collect();
    CommandAnswer { document: as_json(&BuildLogDocument::new(found, now)), text: texts.join("\n"), exit: 0 }
}

/// The build of a deployment; `None`: nothing was built for it, or that is not kept.
pub async fn of_deployment(handle: &Handle, pass: &PassView, one: &Deployment) -> Option<FoundBuild> {
    one.build_began?;
    let found = of_image(handle, pass, &one.app, &one.image).await?;
    Some(FoundBuild { deployment: Some(one.id), ..found })
}

/// The newest build of an image: the one that runs, else as it is kept.
pub async fn of_image(handle: &Handle, pass: &PassView, service: &str, image: &str) -> Option<FoundBuild> {
    let live = pass.builders().find_map(|builds| builds.build(image));
    if let Some(build) = live.filter(|build| build.service == service) {
        let log = build.log.map(|text| pass.scrubber.scrub(text));
        let (service, image) = (build.service, build.image);
        return Some(FoundBuild { service, image, deployment: None, began: build.began, ended: build.ended, log });
    }
    let kept = handle.ledger().build(service, image).await.ok()??;
    let (began, ended) = (kept.began, Some(kept.ended));
    Some(FoundBuild { service: kept.service, image: kept.image, deployment: None, began, ended, log: kept.log })
}

/// Ends the builds of a service, where any run: nothing waits for what they make.
pub fn cancel(pass: &PassView, name: &str) {
    for build in pass.services.get(name).into_iter().flat_map(Service::builds) {
        pass.builders().for_each(|builds| _ = builds.cancel_build(&build.image));
    }
}

/// From now on a service is built from what registries have under the names of its images. Answers what has changed, a sentence
/// each.
pub async fn move_on(handle: &Handle, pass: &PassView, name: &str) -> Result<Vec<Text>, CommandEnd> {
    let Some(service) = pass.services.get(name).filter(|service| service.builds().next().is_some()) else {
        return Err(no_app(pass, name).into());
    };
    let context = pass.context.as_ref().ok_or(CommandEnd::Stopping)?;
    let engine = context.site.hosts.get(&service.host).map(|host| host.docker.clone());
    let provider = engine.and_then(|engine| context.providers.get(&engine));
    let Some(images) = provider.and_then(|provider| provider.capabilities().images) else {
        return Err(CommandEnd::Stopping);
    };
    let rows = builds::bases(pass, service);
    let (mut moved, mut said) = (BTreeMap::new(), Vec::new());
    for row in rows.iter().filter(|row| !row.image.contains('@')) {
        let digest = match (images.digest(&row.image).await, &row.digest) {
            (Ok(digest), _) => digest,
            (Err(error), Some(_)) => {
                return Err(refused(error.code, &error.message.to_string(), &error.hint.to_string()).into());
            }
            (Err(error), None) => {
                // What came from no registry is what it is.
                let (image, why) = (row.image.clone(), error.message);
                said.push(text!("{image} stays: {why}", image, why));
                continue;
            }
        };
        if row.digest.as_ref() != Some(&digest) {
            let (image, to) = (row.image.clone(), short(&digest).to_owned());
            said.push(text!("{image} is {digest} from now on", image, digest = to));
            moved.insert(row.image.clone(), FixedBase { digest, is_moved: true });
        }
    }
    if moved.is_empty() {
        said.push(text!("no image that {service} is built from has a newer one", service = name));
        return Ok(said);
    }
    let command = LoopCommand::MoveBases { service: name.to_owned(), moved };
    match handle.request(command).await.ok_or(CommandEnd::Stopping)?.error {
        Some(error) => Err(ledger_refused(handle.ledger(), &error, "nothing was deployed").into()),
        None => Ok(said),
    }
}

/// What has changed, in front of what came of it.
pub fn with_moved(said: &[Text], mut answer: CommandAnswer, style: Style) -> CommandAnswer {
    let lines: String = said.iter().map(|text| format!("{}\n", crate::words::say(text, style.language))).collect();
    answer.text = format!("{lines}{}", answer.text);
    answer.document["bases"] = json!(said.iter().map(ToString::to_string).collect::<Vec<_>>());
    answer
}
