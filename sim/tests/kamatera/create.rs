//! Creating and cloning: names that are not what was asked for, answers that do not name the server, and what is refused when.

use amarre_sim::Fault;
use amarre_sim::kamatera::{CommandIds, CreationFailure, Kamatera, KamateraBilling, KamateraVerb, NameSuffix};
use serde_json::{Value, json};

use crate::support::{column, command, get, info, post, queued, refused, start, wish, wish_with};

/// Creates a server and waits for it. Answers its real name.
async fn made(cloud: &Kamatera, wish: Value) -> String {
    command(&post(cloud, "/service/server", wish).await);
    cloud.finish();
    cloud.created().pop().unwrap().1
}

/// The log of a creation that fails.
async fn failed(cloud: &Kamatera, wish: Value) -> String {
    let id = command(&post(cloud, "/service/server", wish).await);
    cloud.finish();
    let command = queued(cloud, &id).await;
    assert_eq!(command["status"], "error", "{command}");
    command["log"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_server_is_there_when_its_command_is_complete_and_listed_later() {
    let cloud = start().await;
    let wish = wish_with("am-web-k3x9", json!({ "tag": "amarre-prod shop", "disk": "size=20 size=30" }));
    let id = command(&post(&cloud, "/service/server", wish).await);
    cloud.advance(154);
    assert_eq!((cloud.id_of("am-web-k3x9").as_str(), cloud.created()), ("", vec![]));
    cloud.advance(1);
    assert_eq!(queued(&cloud, &id).await["status"], "complete");
    let server = cloud.id_of("am-web-k3x9");
    assert_eq!(cloud.created(), [(server.clone(), "am-web-k3x9".to_owned())]);
    let listed =
        async || column(&get(&cloud, "/service/servers").await.body, "name").contains(&"am-web-k3x9".to_owned());
    assert!(!listed().await, "the list is behind");
    cloud.advance(15);
    assert!(listed().await);
    // The address comes last.
    assert_eq!(info(&cloud, &server).await["networks"], json!([{ "network": "wan-eu", "ips": [] }]));
    cloud.advance(10);
    assert_eq!(info(&cloud, &server).await["networks"][0]["ips"], json!(["203.0.113.12"]));
    let seen = cloud.instance(&server).unwrap();
    assert_eq!((seen.tags.join(" "), seen.disks_gb), ("amarre-prod shop".to_owned(), vec![20, 30]));
    assert_eq!(cloud.effects(), [(server, KamateraVerb::Create)]);
}

#[tokio::test]
async fn a_name_that_is_taken_gets_a_suffix() {
    let cloud = start().await;
    assert_eq!(made(&cloud, wish("am-web-k3x9")).await, "am-web-k3x9");
    for (suffix, name) in [
        (NameSuffix::Parentheses, "am-web-k3x9(1)"),
        (NameSuffix::SpaceAndParentheses, "am-web-k3x9 (1)"),
        (NameSuffix::Dash, "am-web-k3x9-1"),
        (NameSuffix::Dash, "am-web-k3x9-2"),
    ] {
        cloud.suffix(suffix);
        let answer = post(&cloud, "/service/server", wish("am-web-k3x9")).await;
        cloud.finish();
        let command = queued(&cloud, &command(&answer)).await;
        assert_eq!(command["server"], "am-web-k3x9", "the wanted one");
        assert!(command["log"].as_str().unwrap().starts_with(&format!("Name: {name}\n")), "{command}");
        assert_eq!(cloud.created().pop().unwrap().1, name);
    }
}

#[tokio::test]
async fn a_creation_that_is_sent_twice_makes_two_servers() {
    let cloud = start().await;
    cloud.server.faults.add("POST", "/service/server", 1, Fault::After(504));
    assert_eq!(post(&cloud, "/service/server", wish("am-web-k3x9")).await.status, 504);
    // Neither the list nor the proxy knows of it, the console's queue does.
    assert!(!column(&get(&cloud, "/service/servers").await.body, "name").contains(&"am-web-k3x9".to_owned()));
    let queue = get(&cloud, "/console/service/queue").await.body;
    assert_eq!((&queue[0]["server"], &queue[0]["description"]), (&json!("am-web-k3x9"), &json!("Create Server")));
    command(&post(&cloud, "/service/server", wish("am-web-k3x9")).await);
    cloud.finish();
    let names: Vec<String> = cloud.created().into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["am-web-k3x9", "am-web-k3x9(1)"]);
}

#[tokio::test]
async fn quantity_is_ignored() {
    let cloud = start().await;
    made(&cloud, wish_with("am-web-k3x9", json!({ "quantity": 5 }))).await;
    assert_eq!((cloud.created().len(), cloud.instances().len()), (1, 9));
}

#[tokio::test]
async fn answers_have_several_forms_and_none_has_the_id_of_the_server() {
    let cloud = start().await;
    let create = async |flags: Value| post(&cloud, "/service/server", wish_with("am-web-k3x9", flags)).await.body;
    for (form, answer) in [
        (CommandIds::Strings, json!(["210910168"])),
        (CommandIds::Numbers, json!([210_910_169])),
        (CommandIds::Bare, json!(210_910_170)),
        (CommandIds::Named, json!({ "cmdId": 210_910_171 })),
    ] {
        cloud.command_ids(form);
        assert_eq!(create(json!({})).await, answer);
    }
    let generated =
        create(json!({ "password": "__generate__", "passwordValidate": "__generate__", "ssh-key": "" })).await;
    assert_eq!(generated["commandIds"], json!([210_910_172]));
    let password = generated["password"].as_str().unwrap();
    let again = json!({ "password": password, "passwordValidate": password, "ssh-key": "" });
    assert_eq!(create(again).await, json!({ "cmdId": 210_910_173 }), "{password} keeps to the rules");
}

#[tokio::test]
async fn what_the_proxy_checks_is_refused_at_once() {
    let cloud = start().await;
    for (flags, status, text) in [
        (json!({ "name": "web" }), 400, "name"),
        (json!({ "name": "web.example" }), 400, "name"),
        (json!({ "ssh-key": "" }), 400, "password"),
        (json!({ "password": "Abcdefgh12", "passwordValidate": "Abcdefgh13" }), 400, "match"),
        (json!({ "password": "Short1", "passwordValidate": "Short1" }), 400, "password"),
        (json!({ "password": "nocapitals12", "passwordValidate": "nocapitals12" }), 400, "password"),
        (json!({ "password": "Abcdefgh-12", "passwordValidate": "Abcdefgh-12" }), 400, "password"),
        (json!({ "datacenter": "XX" }), 500, "datacenter"),
        (json!({ "image": "ubuntu" }), 500, "failed to find disk image ID from name ubuntu"),
        (json!({ "image": "IL:6000C29" }), 500, "image of datacenter IL"),
        (json!({ "cpu": "B" }), 400, "cpu"),
        (json!({ "ram": "2GB" }), 400, "ram"),
        (json!({ "disk": "20" }), 400, "disk"),
        (json!({ "disk": "size=5 size=5 size=5 size=5 size=5" }), 400, "disk"),
        (json!({ "network": "wan" }), 400, "network"),
        (json!({ "managed": "true" }), 400, "managed"),
        (json!({ "billingcycle": "Hourly" }), 400, "billingcycle"),
        (json!({ "billingcycle": "monthly" }), 500, "monthlypackage"),
    ] {
        let answer = post(&cloud, "/service/server", wish_with("am-web-k3x9", flags.clone())).await;
        refused(&answer, status, text);
    }
    assert_eq!((cloud.effects(), cloud.commands()), (vec![], vec![]));
}

#[tokio::test]
async fn what_the_vendor_checks_is_refused_in_the_log() {
    let cloud = start().await;
    for (flags, text) in [
        (json!({ "cpu": "3B" }), "invalid number of CPU cores 3B"),
        (json!({ "cpu": "2X" }), "invalid CPU type X"),
        (json!({ "ram": "512" }), "invalid RAM size 512 for CPU type B"),
        (json!({ "disk": "size=21" }), "invalid disk size 21"),
        (json!({ "network": "name=lan-12345-other,ip=auto" }), "network lan-12345-other does not exist"),
        (json!({ "image": "windows_server_2022_standard_64-bit" }), "disk of at least 30 GB"),
    ] {
        let log = failed(&cloud, wish_with("am-web-k3x9", flags)).await;
        assert!(log.ends_with(text), "{log}");
    }
    for (why, text) in [
        (CreationFailure::NoCapacity, "not enough resources in datacenter EU"),
        (CreationFailure::AccountLimit, "limit of active servers"),
    ] {
        cloud.creations_fail(Some(why));
        let log = failed(&cloud, wish("am-web-k3x9")).await;
        assert!(log.contains(text), "{log}");
    }
    assert_eq!((cloud.created(), cloud.instances().len()), (vec![], 8));
    // What failed holds no name.
    cloud.creations_fail(None);
    assert_eq!(made(&cloud, wish("am-web-k3x9")).await, "am-web-k3x9");
}

#[tokio::test]
async fn an_image_is_found_by_its_id_in_any_case_or_by_its_words() {
    let cloud = start().await;
    let images = get(&cloud, "/service/server?images=1&datacenter=EU").await.body;
    let image = images.as_array().unwrap().iter().find(|image| image["code"] == "24.04 64bit").unwrap();
    let (id, name) = (image["id"].as_str().unwrap(), image["name"].as_str().unwrap());
    let bare = id.strip_prefix("EU:").unwrap();
    for wanted in [id, bare, &bare.to_lowercase(), name, "ubuntu_server_24.04_64-bit"] {
        made(&cloud, wish_with("am-web-k3x9", json!({ "image": wanted }))).await;
        let server = cloud.created().pop().unwrap().0;
        assert_eq!(cloud.instance(&server).unwrap().image, "Ubuntu Server 24.04 LTS 64-bit", "{wanted}");
    }
    cloud.withdraw_image("Ubuntu Server 24.04 LTS 64-bit");
    refused(&post(&cloud, "/service/server", wish("am-web-k3x9")).await, 500, "failed to find disk image ID");
}

#[tokio::test]
async fn a_server_can_be_made_in_other_ways() {
    let cloud = start().await;
    let flags = json!({
        "poweronaftercreate": "no", "dailybackup": "yes", "managed": "yes", "billingcycle": "monthly",
        "monthlypackage": "t5000", "network": "name=wan,ip=auto name=lan-12345-backend,ip=10.0.0.9",
    });
    made(&cloud, wish_with("am-web-k3x9", flags)).await;
    let server = cloud.created().pop().unwrap().0;
    let seen = cloud.instance(&server).unwrap();
    assert_eq!((seen.is_on, seen.has_backup, seen.is_managed), (false, true, true));
    assert_eq!(seen.billing, KamateraBilling::Monthly);
    assert_eq!(info(&cloud, &server).await["networks"][0]["ips"], json!([]), "it was never on");
    command(&post(&cloud, "/service/server/poweron", json!({ "id": server })).await);
    cloud.finish();
    let networks = info(&cloud, &server).await["networks"].clone();
    assert_eq!(networks[1], json!({ "network": "lan-12345-backend", "ips": ["10.0.0.9"] }));
    assert_ne!(networks[0]["ips"], json!([]));
}

#[tokio::test]
async fn a_clone_is_like_its_source_without_its_tags() {
    let cloud = start().await;
    let source = cloud.id_of("shop-db");
    let key = "ssh-ed25519 AAAA ops";
    cloud.withdraw_image("Ubuntu Server 24.04 LTS 64-bit");
    let ask = json!({ "source-id": source, "name": "shop-db-copy", "ssh-key": key });
    command(&post(&cloud, "/service/cloneServer", ask).await);
    cloud.finish();
    let (id, name) = cloud.created().pop().unwrap();
    let seen = cloud.instance(&id).unwrap();
    assert_eq!((name.as_str(), seen.cpu.as_str(), seen.ram_mib), ("shop-db-copy", "4D", 8192));
    assert_eq!((seen.disks_gb, seen.networks.join(" ")), (vec![50, 100], "wan-eu lan-12345-backend".to_owned()));
    assert_eq!(seen.tags, [""; 0], "it carries no mark");
    let ask = json!({ "source-name": "old-mail", "name": "shop-db", "ssh-key": key, "tag": "shop", "cpu": "2A" });
    command(&post(&cloud, "/service/cloneServer", ask).await);
    cloud.finish();
    let (id, name) = cloud.created().pop().unwrap();
    let seen = cloud.instance(&id).unwrap();
    assert_eq!((name.as_str(), seen.cpu.as_str(), seen.tags.join(" ")), ("shop-db(1)", "2A", "shop".to_owned()));
    assert!(seen.is_on, "power is not the source's");
    assert_eq!(cloud.effects().iter().filter(|(_, verb)| *verb == KamateraVerb::Clone).count(), 2);
    refused(&post(&cloud, "/service/cloneServer", json!({ "name": "copy" })).await, 400, "'name' or 'id'");
}
