//! Installs a server again from an image: what is on its disk is lost, its id, its size and its address stay. One at a time, by the
//! name that it has at its vendor. Of one that a manifest made the image is the manifest's.

use serde_json::json;

use super::CommandAnswer;
use super::act::{ActArgs, VerbCall};
use super::delete_instance::{act_by_name, place};
use super::instances::{InstanceDeed, NotAsked, refusal};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::instances::InstanceRow;
use amarre_core::model::Code;
use amarre_core::text;

/// No vendor takes longer words.
const IMAGE_CHARS_MAX: usize = 200;

/// Carries it out, or shows what it would do.
pub async fn rebuild(handle: &Handle, asked: VerbCall<'_>) -> Option<CommandAnswer> {
    act_by_name(handle, asked, InstanceDeed::Rebuild, |row, args| {
        let image = image(row, args)?;
        Ok(forecast(row, &image))
    })
    .await
}

/// The image that a server is installed from.
pub(super) fn image(row: &InstanceRow, args: &ActArgs) -> Result<String, NotAsked> {
    let asked = args.given("image").map(str::trim).filter(|image| !image.is_empty());
    let (name, shown) = (row.name.as_str(), row.shown_name());
    let made = row
        .manifest
        .as_ref()
        .and_then(|managed| Some((&managed.instance.origin.file, managed.instance.shape.as_ref()?)));
    match (made, asked) {
        (Some((_, shape)), None) => Ok(shape.image.clone()),
        (Some((_, shape)), Some(asked)) if shape.image == asked => Ok(shape.image.clone()),
        (Some((file, shape)), Some(asked)) => {
            let message = text!(
                "{shown} is installed from {image}, as {file} says",
                shown,
                image = shape.image.as_str(),
                file = file.as_str()
            );
            let hint = format!(
                "amarre instance rebuild {name} installs that again; `image: {asked}` in {file} means another server, whose plan says what is lost"
            );
            Err(refusal(Code::A0739, message, hint))
        }
        (None, Some(asked)) if asked.len() > IMAGE_CHARS_MAX || asked.contains(char::is_control) => {
            let message = text!("{shown}: that is no image", shown);
            Err(refusal(Code::A0754, message, "write its name as its vendor calls it, as in `Debian 13`, or its id"))
        }
        (None, Some(asked)) => Ok(asked.to_owned()),
        (None, None) => {
            let message = text!("from which image {shown} is installed has to be said", shown);
            Err(refusal(Code::A0754, message, format!("as in: amarre instance rebuild {name} \'Debian 13\'")))
        }
    }
}

fn forecast(row: &InstanceRow, image: &str) -> CommandAnswer {
    let InstanceRow { name, vendor_name, cloud, project, region, size, id, .. } = row;
    let text = format!(
        "~ {vendor_name}   {}\n  id {id}\n  type {size}\n  image {image}\nWhat is on its disk is lost. Its id, its size and its addresses stay; it is away for some minutes.\n",
        place(row)
    );
    let document = json!({
        "schema": "amarre.instance_rebuild/v1", "instance": name, "vendor_name": vendor_name, "cloud": cloud,
        "project": project, "region": region, "type": size, "id": id, "image": image,
    });
    CommandAnswer { document, text, exit: 0 }
}
