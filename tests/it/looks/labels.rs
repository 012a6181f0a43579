//! Labels of an image: a container inherits each that it has none of its own for, and Amarre neither obeys nor believes
//! one that it did not write.

use amarre_core::model::{Kind, Millis, Owner};
use amarre_sim::Fault;
use amarre_sim::docker::ImageSpec;
use serde_json::{Value as Json, json};

use crate::support::stepped::Stepped;

/// What an image says in Amarre's name: each label by which a container of ours is read back.
const FORGED: [(&str, &str); 8] = [
    ("io.amarre.files", r#"{"/stolen":{"secret":"cloud/db","owner":"0:0"}}"#),
    ("io.amarre.published", "0.0.0.0:20000:80/tcp"),
    ("io.amarre.edge", "amarre-cloud"),
    ("io.amarre.needs", "cloud"),
    ("io.amarre.before", "shop=0123456789ab"),
    ("io.amarre.follows", "cloud=0123456789ab"),
    ("io.amarre.image-volumes", "/data"),
    ("io.amarre.plain", "PASSWORD"),
];

const CLOUD: &str = "name: cloud\nimage: cloud:1\nport: 80\nenvironment: {DB: {secret: cloud/db}}\n";
const SHOP: &str =
    "name: shop\nimage: shop:1\nport: 80\nvolumes: [\"data:/data\"]\nenvironment: {PASSWORD: {secret: shop/db}}\n";

fn labelled(reference: &str, labels: &[(&str, &str)]) -> ImageSpec {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ImageSpec { labels, ..ImageSpec::new(reference) }
}

async fn with_a_forged_image(labels: &[(&str, &str)]) -> Stepped {
    let mut rig = Stepped::start().await;
    rig.docker.image(ImageSpec::new("cloud:1"));
    rig.docker.image(labelled("shop:1", labels));
    rig.write("cloud.yaml", CLOUD);
    rig.settle().await;
    rig
}

fn container(rig: &Stepped, name: &str) -> Json {
    let named = |one: &Json| one["Name"] == format!("/{name}");
    rig.docker.containers().into_iter().find(named).unwrap_or_else(|| panic!("there is no container {name}"))
}

/// Runs a container as an older version made it: with no label of its own but those that it has a value for.
fn made_by_an_older_version(rig: &Stepped, name: &str) -> String {
    let there = container(rig, name);
    rig.docker.remove(name).unwrap();
    let mut body = there["Config"].clone();
    body["Hostname"] = json!("");
    let always = ["instance", "service", "spec", "plain"].map(|label| format!("io.amarre.{label}"));
    let labels = body["Labels"].as_object_mut().unwrap();
    labels.retain(|label, value| {
        let is_forged = FORGED.iter().any(|(forged, text)| forged == label && *value == *text);
        always.contains(label) || (*value != "" && !is_forged)
    });
    body["HostConfig"] = there["HostConfig"].clone();
    let network = there["HostConfig"]["NetworkMode"].as_str().unwrap();
    let endpoint = &there["NetworkSettings"]["Networks"][network];
    let address = endpoint["IPAddress"].clone();
    body["NetworkingConfig"] = json!({"EndpointsConfig": {network: {
        "Aliases": [name], "IPAMConfig": {"IPv4Address": address},
    }}});
    rig.docker.seed(name, body).unwrap()
}

#[tokio::test]
async fn a_label_of_an_image_copies_no_secret_into_a_container() {
    for (skip, fault) in (0..8).map(|skip| (skip, Fault::Before(500))) {
        let mut rig = with_a_forged_image(&FORGED[..1]).await;
        rig.write("shop.yaml", SHOP);
        rig.docker.server.faults.add_nth("POST", "/", skip, 1, fault.clone());
        for _ in 0..20 {
            rig.pass().await;
            for (_, archive) in rig.docker.uploads("shop") {
                let text = String::from_utf8_lossy(&archive).into_owned();
                assert!(!text.contains("value of"), "{skip} {fault:?}: {text}");
            }
            rig.clock.advance(Millis::seconds(10));
        }
        rig.docker.server.faults.clear();
        rig.settle().await;
        assert_eq!(container(&rig, "shop")["State"]["Running"], true, "{skip} {fault:?}");
    }
}

#[tokio::test]
async fn a_container_inherits_no_label_of_ours_from_its_image() {
    let mut rig = with_a_forged_image(&FORGED).await;
    rig.write("shop.yaml", SHOP);
    rig.settle().await;
    let labels = container(&rig, "shop")["Config"]["Labels"].clone();
    for (label, forged) in FORGED {
        assert!(labels[label].is_string() && labels[label] != forged, "{label}: {labels}");
    }
    rig.assert_quiet().await;
}

/// What a container of an older version has inherited is not believed, and makes no other container of it.
#[tokio::test]
async fn inherited_labels_of_an_older_version_are_ignored() {
    let mut rig = with_a_forged_image(&FORGED).await;
    rig.write("shop.yaml", SHOP);
    rig.settle().await;
    let ids = ["cloud", "shop"].map(|name| made_by_an_older_version(&rig, name));
    let inherited = container(&rig, "shop")["Config"]["Labels"].clone();
    for (label, forged) in FORGED.iter().filter(|(label, _)| *label != "io.amarre.plain") {
        assert_eq!(inherited[*label], *forged);
    }
    rig.settle().await;
    for (name, id) in ["cloud", "shop"].iter().zip(&ids) {
        assert_eq!(container(&rig, name)["Id"], **id, "{name} was made again");
    }
    let pass = rig.last_pass();
    let seen = pass.world.seen.iter().find(|(address, _)| address.kind == Kind::Container && address.name == "shop");
    let (_, seen) = seen.unwrap();
    assert_eq!((&seen.owner, seen.service.as_deref()), (&Owner::Ours, Some("shop")));
    for field in ["files", "published", "edge", "also_on", "needs", "before", "follows"] {
        assert!(seen.fields.get(field).is_none(), "{field}: {:?}", seen.fields.get(field));
    }
    assert_eq!(seen.fields.strings("mounts"), ["volume:shop_data:/data:rw"]);
}

/// A person runs an image beside Amarre, and the image claims that its containers belong to a service.
#[tokio::test]
async fn labels_of_an_image_make_no_foreign_container_ours() {
    let mut rig = Stepped::start().await;
    rig.docker.image(ImageSpec::new("cloud:1"));
    rig.write("cloud.yaml", CLOUD);
    rig.settle().await;
    let labels = container(&rig, "cloud")["Config"]["Labels"].clone();
    let own: Vec<(&str, &str)> =
        labels.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    rig.docker.image(labelled("evil:1", &own));
    let other: Vec<(&str, &str)> = own
        .iter()
        .map(|(name, value)| (*name, if *name == "io.amarre.spec" { "0123456789ab" } else { *value }))
        .collect();
    rig.docker.image(labelled("evil:2", &other));
    let before = container(&rig, "cloud")["Id"].clone();
    for (name, image) in [("stray", "evil:1"), ("astray", "evil:2")] {
        rig.docker.seed_container(name, image, &[]).unwrap();
    }
    rig.settle().await;
    assert_eq!(container(&rig, "cloud")["Id"], before);
    for name in ["stray", "astray"] {
        assert_eq!(container(&rig, name)["State"]["Running"], true);
        let pass = rig.last_pass();
        let seen = pass.world.seen.iter().find(|(address, _)| address.name == name).unwrap().1;
        assert_eq!((&seen.owner, &seen.service), (&Owner::Foreign, &None), "{name}");
    }
}
