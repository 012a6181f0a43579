//! How projects, servers and quotas look in answers.

use serde_json::{Value, json};

use super::catalogue::{self, Flavor, IMAGES, uuid};
use super::create::{private_network, public_network};
use super::fleet::CloudImage;
use super::keys::{KEYS_MAX, Key, key_id};
use super::operations::Operation;
use super::state::{Instance, Project, State};

/// What the vendor calls an URN: made up from the id.
pub(super) fn project(project: &Project) -> Value {
    json!({
        "project_id": project.id,
        "projectName": null,
        "description": project.description,
        "planCode": "project.2018",
        "status": project.status,
        "creationDate": "2025-02-03T10:15:00Z",
        "access": "full",
        "manualQuota": false,
        "unleash": false,
        "orderId": null,
        "expiration": null,
        "iam": { "id": uuid(&project.id), "urn": format!("urn:v1:eu:resource:publicCloudProject:{}", project.id) },
    })
}

/// One item of the list.
pub(super) fn listed(state: &State, project: &Project, instance: &Instance) -> Value {
    let mut item = common(state, project, instance);
    item["flavorId"] = json!(flavor_id(instance));
    item["imageId"] = json!(image_id(instance));
    item["sshKeyId"] = json!(instance.key.as_deref().map(key_id));
    if state.hides_plans {
        item["planCode"] = Value::Null;
    }
    item
}

/// A server by itself: with its flavour, image and key, and without their ids.
pub(super) fn detailed(state: &State, project: &Project, instance: &Instance) -> Value {
    let mut item = common(state, project, instance);
    let (region, flavor) = (instance.region.as_str(), Flavor::named(&instance.flavor));
    // Memory in GiB, whatever the catalogue says (ovhcloud-cli's test of 2025: 7 for b2-7).
    let stock = |flavor: &Flavor| state.stock(project, region, flavor);
    item["flavor"] = json!(flavor.map(|flavor| flavor.json(region, flavor.ram_gib, stock(flavor))));
    item["image"] = match &instance.image {
        CloudImage::Listed(name) if !state.withdrawn_images.contains(name) => json!(catalogue::image(region, name)),
        CloudImage::Snapshot(id) => {
            let snapshot = project.snapshots.iter().find(|snapshot| snapshot.id == *id);
            json!(snapshot.map(|snapshot| snapshot.json(state.now())))
        }
        CloudImage::Listed(_) | CloudImage::Withdrawn(_) | CloudImage::Volume => Value::Null,
    };
    let key = project.keys.iter().find(|key| instance.key.as_ref() == Some(&key.name));
    item["sshKey"] = json!(key.map(Key::detail));
    item["licensePlanCode"] = json!(flavor.and_then(Flavor::licence));
    item["rescuePassword"] = Value::Null;
    item
}

fn common(state: &State, project: &Project, instance: &Instance) -> Value {
    let flavor = Flavor::named(&instance.flavor);
    let is_about = |it: &&Operation| it.is_open() && it.resource.as_deref() == Some(&instance.id);
    let open = project.operations.iter().filter(is_about);
    json!({
        "id": instance.id,
        "name": instance.name,
        "ipAddresses": addresses(instance),
        "status": instance.status,
        "created": instance.created,
        "region": instance.region,
        "monthlyBilling": instance.is_monthly.then(|| monthly(state, instance)),
        "planCode": flavor.map(|flavor| flavor.plan(instance.is_monthly)),
        "operationIds": open.map(|operation| &operation.id).collect::<Vec<_>>(),
        "currentMonthOutgoingTraffic": null,
        "availabilityZone": null,
    })
}

/// `activationPending` is the schema's other word. For how long it is shown is guessed.
fn monthly(state: &State, instance: &Instance) -> Value {
    match &instance.monthly {
        Some((since, at)) if *at > state.now() => json!({ "since": since, "status": "activationPending" }),
        Some((since, _)) => json!({ "since": since, "status": "ok" }),
        None => {
            let month = instance.created.get(..7).unwrap_or("2026-09");
            json!({ "since": format!("{month}-01T00:00:00Z"), "status": "ok" })
        }
    }
}

/// None before the server is there.
fn addresses(instance: &Instance) -> Vec<Value> {
    let mut all = Vec::new();
    if !instance.address.is_empty() {
        let network = public_network(&instance.region);
        let (v4, v6) = (&instance.address, six(&instance.address));
        all = vec![
            json!({ "ip": v4, "type": "public", "version": 4, "networkId": network, "gatewayIp": v4 }),
            json!({ "ip": v6, "type": "public", "version": 6, "networkId": network, "gatewayIp": "2001:db8::ff" }),
        ];
    }
    if let Some(ip) = &instance.private_address {
        let network = private_network(&instance.region);
        all.push(json!({ "ip": ip, "type": "private", "version": 4, "networkId": network, "gatewayIp": null }));
    }
    all
}

fn six(four: &str) -> String {
    format!("2001:db8::{}", four.replace('.', ":"))
}

/// One item of the regional list, or a server by itself there.
pub(super) fn summary(instance: &Instance) -> Value {
    let addresses: Vec<Value> = addresses(instance)
        .into_iter()
        .map(|address| json!({ "ip": address["ip"], "version": address["version"] }))
        .collect();
    json!({
        "id": instance.id,
        "name": instance.name,
        "addresses": addresses,
        "attachedVolumes": [],
        "flavorId": flavor_id(instance),
        "flavorName": instance.flavor,
        "imageId": image_id(instance),
        "region": instance.region,
        "sshKey": instance.key,
        "status": instance.status,
        "taskState": instance.work.as_ref().map_or("", |work| &work.task),
        "availabilityZone": null,
    })
}

fn flavor_id(instance: &Instance) -> Option<String> {
    Flavor::named(&instance.flavor).map(|flavor| flavor.id(&instance.region))
}

fn image_id(instance: &Instance) -> Option<String> {
    match &instance.image {
        CloudImage::Listed(name) | CloudImage::Withdrawn(name) => Some(catalogue::image_id(&instance.region, name)),
        CloudImage::Snapshot(id) => Some(id.clone()),
        CloudImage::Volume => None,
    }
}

pub(super) fn flavors(state: &State, project: &Project, region: &str) -> Vec<Value> {
    let shown = |flavor: &Flavor| {
        let ram = if state.ram_in_mb { flavor.ram_gib * 1000 } else { flavor.ram_gib };
        flavor.json(region, ram, state.stock(project, region, flavor))
    };
    let is_offered = |flavor: &&Flavor| !state.withdrawn_flavors.iter().any(|gone| gone == flavor.name);
    catalogue::FLAVORS.iter().filter(is_offered).map(shown).collect()
}

pub(super) fn images(state: &State, region: &str) -> Vec<Value> {
    let names = IMAGES.iter().map(|image| image.0);
    let listed = names.filter(|&name| !state.withdrawn_images.iter().any(|gone| gone == name));
    listed.filter_map(|name| catalogue::image(region, name)).collect()
}

pub(super) fn quota(project: &Project, region: &str) -> Value {
    let (quota, used) = (project.quota(region), project.used(region));
    json!({
        "region": region,
        "instance": {
            "maxInstances": quota.instances,
            "usedInstances": used.instances,
            "maxCores": quota.cores,
            "usedCores": used.cores,
            "maxRam": quota.ram_mb,
            "usedRAM": used.ram_mb,
        },
        "keypair": { "maxCount": KEYS_MAX },
        "volume": null,
        "network": null,
        "loadbalancer": null,
        "keymanager": null,
        "share": null,
    })
}
