//! How projects, servers, keys, operations and quotas look in answers.

use serde_json::{Value, json};

use super::catalogue::{self, Flavor, IMAGES, uuid};
use super::fleet::CloudImage;
use super::state::{Instance, Operation, Project, State};
use crate::ovh_api::base64;

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
pub(super) fn listed(project: &Project, instance: &Instance) -> Value {
    let mut item = common(project, instance);
    item["flavorId"] = json!(flavor_id(instance));
    item["imageId"] = json!(image_id(instance));
    item["sshKeyId"] = json!(instance.key.as_deref().map(key_id));
    item
}

/// A server by itself: with its flavour, image and key, and without their ids.
pub(super) fn detailed(state: &State, project: &Project, instance: &Instance) -> Value {
    let mut item = common(project, instance);
    let (region, flavor) = (instance.region.as_str(), Flavor::named(&instance.flavor));
    // Memory in GiB, whatever the catalogue says (ovhcloud-cli's test of 2025: 7 for b2-7).
    item["flavor"] =
        json!(flavor.map(|flavor| flavor.json(region, flavor.ram_gib, state.stock(region, &instance.flavor))));
    item["image"] = match &instance.image {
        CloudImage::Listed(name) if !state.withdrawn_images.contains(name) => json!(catalogue::image(region, name)),
        CloudImage::Listed(_) | CloudImage::Withdrawn(_) | CloudImage::Volume => Value::Null,
    };
    let key = instance.key.as_ref().filter(|key| project.keys.contains(key));
    item["sshKey"] = json!(key.map(|key| key_detail(project, key)));
    item["licensePlanCode"] = json!(flavor.and_then(Flavor::licence));
    item["rescuePassword"] = Value::Null;
    item
}

fn common(project: &Project, instance: &Instance) -> Value {
    let flavor = Flavor::named(&instance.flavor);
    let since = format!("{}-01T00:00:00Z", instance.created.get(..7).unwrap_or("2026-09"));
    let open = project.operations.iter().filter(|operation| {
        operation.resource.as_deref() == Some(&instance.id)
            && matches!(operation.status.as_str(), "created" | "in-progress")
    });
    json!({
        "id": instance.id,
        "name": instance.name,
        "ipAddresses": addresses(instance),
        "status": instance.status,
        "created": instance.created,
        "region": instance.region,
        "monthlyBilling": instance.is_monthly.then(|| json!({ "since": since, "status": "ok" })),
        "planCode": flavor.map(|flavor| flavor.plan(instance.is_monthly)),
        "operationIds": open.map(|operation| &operation.id).collect::<Vec<_>>(),
        "currentMonthOutgoingTraffic": null,
        "availabilityZone": null,
    })
}

fn addresses(instance: &Instance) -> Vec<Value> {
    let network = uuid(&format!("network/{}", instance.region));
    let (v4, v6) = (&instance.address, six(&instance.address));
    let mut all = vec![
        json!({ "ip": v4, "type": "public", "version": 4, "networkId": network, "gatewayIp": v4 }),
        json!({ "ip": v6, "type": "public", "version": 6, "networkId": network, "gatewayIp": "2001:db8::ff" }),
    ];
    if let Some(ip) = &instance.private_address {
        let network = uuid(&format!("private/{}", instance.region));
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
        CloudImage::Volume => None,
    }
}

pub(super) fn flavors(state: &State, region: &str) -> Vec<Value> {
    let shown = |flavor: &Flavor| {
        let ram = if state.ram_in_mb { flavor.ram_gib * 1000 } else { flavor.ram_gib };
        flavor.json(region, ram, state.stock(region, flavor.name))
    };
    catalogue::FLAVORS.iter().map(shown).collect()
}

pub(super) fn images(state: &State, region: &str) -> Vec<Value> {
    let names = IMAGES.iter().map(|image| image.0);
    let listed = names.filter(|&name| !state.withdrawn_images.iter().any(|gone| gone == name));
    listed.filter_map(|name| catalogue::image(region, name)).collect()
}

/// The name's base64 in hexadecimal digits: from a fixture of libcloud, `6447567a6447746c65513d3d` for `testkey`.
pub(super) fn key_id(name: &str) -> String {
    hex::encode(base64(name.as_bytes()))
}

pub(super) fn key(project: &Project, name: &str) -> Value {
    json!({
        "id": key_id(name),
        "name": name,
        "publicKey": format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{} {name}", base64(name.as_bytes())),
        "regions": project.regions,
    })
}

/// A key by itself has a fingerprint.
pub(super) fn key_detail(project: &Project, name: &str) -> Value {
    let digits = catalogue::digits(name);
    let pairs: Vec<&str> = (0..16).map(|index| &digits[index * 2..index * 2 + 2]).collect();
    let mut key = key(project, name);
    key["fingerPrint"] = json!(pairs.join(":"));
    key
}

pub(super) fn operation(operation: &Operation) -> Value {
    let is_ended = matches!(operation.status.as_str(), "completed" | "in-error");
    json!({
        "id": operation.id,
        "action": operation.action,
        "status": operation.status,
        "progress": if operation.status == "completed" { 100 } else { 0 },
        "regions": [operation.region],
        "resourceId": operation.resource,
        "createdAt": operation.created,
        "startedAt": (operation.status != "created").then_some(&operation.created),
        "completedAt": is_ended.then_some(&operation.created),
        "subOperations": null,
    })
}

pub(super) fn quota(project: &Project, region: &str) -> Value {
    let here = || project.instances.values().filter(|instance| instance.region == region);
    let flavors = || here().filter_map(|instance| Flavor::named(&instance.flavor));
    json!({
        "region": region,
        "instance": {
            "maxInstances": 200,
            "usedInstances": here().count(),
            "maxCores": 2000,
            "usedCores": flavors().map(|flavor| flavor.vcpus).sum::<u32>(),
            "maxRam": 8_000_000,
            "usedRAM": flavors().map(|flavor| flavor.ram_gib * 1000).sum::<u32>(),
        },
        "keypair": { "maxCount": 100 },
        "volume": null,
        "network": null,
        "loadbalancer": null,
        "keymanager": null,
        "share": null,
    })
}
