//! The pages of servers at a simulated cloud: who may what, one result each, a week that becomes a manifest, and how they look.

use serde_json::{Value as Json, json};
use tokio::process::Child;

use super::browser::{Browser, hidden};
use super::chromium::script;
use super::{PASSWORD, add};
use crate::api::token as token_of;
use crate::cli::rig::{Rig, end};
use crate::support::eventually;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops";

/// A daemon with nothing but a cloud, and a user of each role.
async fn with_cloud() -> (Rig, Child) {
    with_actions("power").await
}

/// The same, where people may ask this of servers without a manifest.
async fn with_actions(actions: &str) -> (Rig, Child) {
    let rig = Rig::start().await;
    let config = json!({
        "clouds": {"paris": {"simulated": true, "actions": actions, "limits": {"instances": 5}}},
        "policy": {"instances": ["*"]},
        "ssh_keys": {"ops": KEY},
        "server": {"listen": format!("127.0.0.1:{}", rig.port), "requests_per_minute": 100_000},
    });
    rig.file("amarre.yaml", &format!("{config:#}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    for role in super::ROLES {
        assert_eq!(add(&rig, &format!("{role}@example.org"), role).await.code, 0);
    }
    (rig, daemon)
}

async fn signed_in(rig: &Rig, role: &str) -> Browser {
    let mut browser = Browser::with_address(rig.port);
    assert_eq!(browser.signs_in(&format!("{role}@example.org"), PASSWORD).await.status, 303);
    browser
}

async fn instance(rig: &Rig, name: &str) -> Json {
    rig.json(&format!("/api/v1/instances/{name}")).await
}

/// The name of an unmanaged one in paths: `paris%3A8f1c…`.
async fn path_of(rig: &Rig, name: &str) -> String {
    let row = instance(rig, name).await;
    format!("/instances/paris%3A{}", row["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_viewer_looks_and_an_operator_switches() {
    let (rig, daemon) = with_cloud().await;
    let (mut viewer, mut operator) = (signed_in(&rig, "viewer").await, signed_in(&rig, "operator").await);
    let path = path_of(&rig, "build-1").await;
    let page = viewer.get("/instances").await;
    page.shows("build-1");
    page.shows("of 12");
    // Its vendor says ERROR: the first page counts it, too.
    let overview = viewer.get("/").await;
    overview.shows("Needs you <span class=\"tag bad\">1</span>");
    overview.shows(">build-9</a>");
    for text in ["formaction", "data-pick", "class=\"bulk\""] {
        assert!(!page.body.contains(text), "{text}");
    }
    let page = viewer.get(&path).await;
    page.shows("build-1");
    assert!(!page.body.contains("/stop") && !page.body.contains("value=\"check\""), "{}", page.body);
    for form in [format!("{path}/stop"), "/instances".to_owned(), format!("{path}/schedule")] {
        assert_eq!(viewer.send(&path, &form, &[("do", "stop"), ("i:build-1", "on")]).await.status, 403, "{form}");
        assert_eq!(operator.post(&form, &[("csrf", "0")]).await.status, 403, "{form} without what a page carries");
        let stranger = Browser::with_address(rig.port).post(&form, &[]).await;
        assert!(stranger.location().starts_with("/login"), "{form}");
    }
    assert_eq!(operator.send(&path, &format!("{path}/schedule"), &[("do", "check")]).await.status, 403);
    // Beyond starting and stopping, what no manifest manages is an admin's, and only where the configuration opens it.
    assert_eq!(operator.send(&path, &format!("{path}/shelve"), &[]).await.status, 403);
    let mut admin = signed_in(&rig, "admin").await;
    admin.headers.push(("Accept-Language".to_owned(), "fr".to_owned()));
    assert_eq!(admin.send(&path, &format!("{path}/shelve"), &[]).await.status, 303);
    admin.get(&path).await.shows("ne le permet pas");
    assert_eq!(operator.send(&path, &format!("{path}/frob"), &[]).await.status, 404);
    let none = operator.get("/instances/nothing").await;
    assert_eq!(none.status, 404);
    none.shows(r#"<a class="btn" href="/instances">Instances</a>"#);

    let answer = operator.send(&path, &format!("{path}/stop"), &[("here", "/instances?q=build")]).await;
    assert_eq!((answer.status, answer.location()), (303, "/instances?q=build"));
    operator.get("/instances").await.shows("build-1: stop");
    eventually(60, "it is off", async || instance(&rig, "build-1").await["state"] == "off").await;
    let page = operator.get(&path).await;
    page.shows("operator");
    page.shows(&format!("{path}/start"));
    let answer = operator.send(&path, &format!("{path}/start"), &[("here", "//evil.example.net")]).await;
    assert_eq!(answer.location(), "/instances");
    admin.get("/settings/audit").await.shows("instance_stop");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn what_a_shelve_would_destroy_is_offered_and_done_by_no_page_call_or_command() {
    let (rig, daemon) = with_actions("all").await;
    let mut admin = signed_in(&rig, "admin").await;
    let (path, other) = (path_of(&rig, "gpu-train").await, path_of(&rig, "db-1").await);
    admin.get(&other).await.shows("Shelve at night");
    let page = admin.get(&path).await;
    page.shows("which has disks in its host");
    page.shows("A0743");
    for text in ["Shelve at night", "value=\"shelve\"", "Shelving keeps the disk"] {
        assert!(!page.body.contains(text), "{text}");
    }
    // The button's form, several at once, the painted week.
    assert_eq!(admin.send(&path, &format!("{path}/shelve"), &[]).await.status, 303);
    admin.get(&path).await.shows("a shelve would destroy what is on them");
    let id = instance(&rig, "gpu-train").await["id"].as_str().unwrap().to_owned();
    let (named, db) = (format!("paris:{id}"), instance(&rig, "db-2").await["id"].as_str().unwrap().to_owned());
    let ticked = format!("i:{named}");
    let bulk = [("do", "shelve"), (ticked.as_str(), "on"), ("sure", "yes")];
    admin.send("/instances", "/instances", &bulk).await;
    for what in ["check", "commit"] {
        let week = [("do", what), ("zone", "Europe/Paris"), ("off_as", "shelve"), ("h8", "on"), ("before", "")];
        let page = admin.send(&path, &format!("{path}/schedule"), &week).await;
        page.shows("A0743");
    }
    // The API, of one and of several; the command, too.
    let mut token = token_of(&rig, "boss", &["--role", "admin"]).await;
    let one = token.json("POST", &format!("/api/v1/instances/{named}/shelve"), Some("{}")).await;
    assert!(one.body.contains("A0743"), "{}", one.body);
    let both = json!({"instance_shelve": {"instances": [named, format!("paris:{db}")], "timeout_ms": 0}});
    let both = token.json("POST", "/api/v1/act", Some(&both.to_string())).await;
    assert!(both.body.contains("A0743"), "{}", both.body);
    let command = rig.run(&["instance", "shelve", &named]).await;
    assert!(command.code != 0 && command.out.contains("error[A0743]"), "{command:?}");
    assert_eq!(instance(&rig, "gpu-train").await["state"], "on");
    let log = rig.run(&["instance", "logs", &named]).await;
    assert!(!log.out.contains("/shelve"), "{}", log.out);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn an_admin_deletes_one_without_a_manifest_by_typing_its_name() {
    let (rig, daemon) = with_actions("all").await;
    let (mut operator, mut admin) = (signed_in(&rig, "operator").await, signed_in(&rig, "admin").await);
    let path = path_of(&rig, "build-1").await;
    let form = format!("{path}/delete");
    assert!(!operator.get(&path).await.body.contains(&form));
    admin.get(&path).await.shows(&form);
    let page = admin.get(&form).await;
    page.shows("Type its name at its vendor");
    assert!(!operator.get(&form).await.body.contains("vendor_name"));
    assert_eq!(operator.send(&path, &form, &[("vendor_name", "build-1")]).await.status, 403);
    assert_eq!(admin.send(&form, &form, &[("vendor_name", "build-2")]).await.status, 422);
    assert_eq!(instance(&rig, "build-1").await["state"], "on");
    let answer = admin.send(&form, &form, &[("vendor_name", "build-1")]).await;
    assert_eq!((answer.status, answer.location()), (303, "/instances"));
    admin.get("/instances").await.shows("build-1 is being deleted");
    eventually(60, "it is gone", async || !operator.get("/instances").await.body.contains(&path)).await;
    admin.get("/settings/audit").await.shows("instance_delete");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_query_that_cannot_be_meant_is_refused_in_words() {
    let (rig, daemon) = with_actions("all").await;
    let mut admin = signed_in(&rig, "admin").await;
    let mut program = token_of(&rig, "ci", &["--role", "admin"]).await;
    for wrong in ["limit=0", "limit=1000000000", "limit=-1"] {
        let answer = program.json("GET", &format!("/api/v1/instances?{wrong}"), None).await;
        assert!(answer.status == 400 && !answer.body.contains("deserialize"), "{wrong}: {}", answer.body);
    }
    admin.get("/instances?sort=foo").await.shows("`foo` is none of name");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn an_admin_resizes_one_installs_it_again_keeps_it_and_sees_its_screen() {
    let (rig, daemon) = with_actions("all").await;
    let (mut operator, mut admin) = (signed_in(&rig, "operator").await, signed_in(&rig, "admin").await);
    let path = path_of(&rig, "db-1").await;
    let forms = ["resize", "rebuild", "snapshot", "console"].map(|word| format!("{path}/{word}"));
    let (seen, offered) = (operator.get(&path).await, admin.get(&path).await);
    for form in &forms {
        offered.shows(&format!("{form}\""));
        assert!(!seen.body.contains(&format!("{form}\"")), "{form}");
        assert_eq!(
            operator.send(&path, form, &[("type", "b3-16"), ("vendor_name", "db-1")]).await.status,
            403,
            "{form}"
        );
    }
    let [resize, rebuild, snapshot, console] = &forms;
    let page = admin.get(resize).await;
    page.shows("It is away for some minutes");
    page.shows("b3-16 · 0.1016 EUR an hour");
    let page = admin.send(resize, resize, &[("type", "d2-2")]).await;
    page.shows("d2-2 cannot be");
    assert_eq!(page.status, 422);
    let page = admin.send(resize, resize, &[("type", "b3-16")]).await;
    page.shows("type b3-8 → b3-16");
    page.shows("Resize to b3-16");
    assert_eq!(instance(&rig, "db-1").await["type"], "b3-8");
    let answer = admin.send(resize, resize, &[("type", "b3-16"), ("sure", "b3-16")]).await;
    assert_eq!((answer.status, answer.location()), (303, path.as_str()));
    // A list has it, which is read once a minute.
    eventually(180, "it has its size", async || {
        let row = instance(&rig, "db-1").await;
        row["type"] == "b3-16" && row["state"] == "on"
    })
    .await;

    admin.get(rebuild).await.shows("<option value=\"Debian 12\">");
    let named = |name| [("image", "Debian 12"), ("vendor_name", name)];
    assert_eq!(admin.send(rebuild, rebuild, &named("db-2")).await.status, 422);
    assert_eq!(admin.send(rebuild, rebuild, &named("db-1")).await.status, 303);
    admin.get(&path).await.shows("db-1 is being installed again");
    eventually(60, "it is there again", async || instance(&rig, "db-1").await["state"] == "on").await;
    assert_eq!(admin.send(&path, snapshot, &[]).await.status, 303);
    admin.get(&path).await.shows("db-1: snapshot");
    eventually(60, "it is kept", async || instance(&rig, "db-1").await["state"] == "on").await;

    let page = admin.send(&path, console, &[]).await;
    page.shows("https://console.invalid/vnc_auto.html?token=");
    let token = page.body.split("token=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let audit = admin.get("/settings/audit").await;
    for verb in ["instance_resize", "instance_rebuild", "instance_snapshot", "instance_console"] {
        audit.shows(verb);
    }
    assert!(!audit.body.contains(&token) && !rig.log().contains(&token));
    // Nothing on the way keeps it, either.
    let mut program = token_of(&rig, "ci", &["--role", "admin"]).await;
    let answer = program.json("POST", &format!("/api/v1{path}/console"), Some("{}")).await;
    answer.shows(&token);
    assert_eq!(answer.headers["cache-control"], "no-store");

    // A clone is shown with its price first; a name that will not do is kept, with the reason.
    let clone = format!("{path}/clone");
    let page = admin.send(&clone, &clone, &[("new_name", "db 1b")]).await;
    assert_eq!(page.status, 422);
    page.shows("is no name of a server");
    page.shows("value=\"db 1b\"");
    let page = admin.send(&clone, &clone, &[("new_name", "db-1b")]).await;
    page.shows("cost a month");
    page.shows("name=\"sure\" value=\"db-1b\"");
    let mut french = admin.clone();
    french.headers.push(("Accept-Language".to_owned(), "fr".to_owned()));
    french.send(&clone, &clone, &[("new_name", "db-1b")]).await.shows("coût par mois");
    let page = french.send(resize, resize, &[("type", "b3-8")]).await;
    page.shows("qui ne peut pas être réduit");
    assert_eq!(admin.send(&clone, &clone, &[("new_name", "db-1b"), ("sure", "db-1b")]).await.status, 303);
    admin.get(&path).await.shows("db-1b is being made like db-1");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn an_editor_makes_one_from_the_form_with_its_price_before_the_button() {
    let rig = Rig::start().await;
    let config = json!({
        "clouds": {
            "paris": {"simulated": true, "limits": {"instances": 1}, "budget": {"month": "60 EUR"}},
            "tlv": {"simulated": true, "kamatera": {}},
        },
        "ssh_keys": {"ops": KEY},
        "server": {"listen": format!("127.0.0.1:{}", rig.port), "requests_per_minute": 100_000},
    });
    rig.file("amarre.yaml", &format!("{config:#}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    for role in super::ROLES {
        assert_eq!(add(&rig, &format!("{role}@example.org"), role).await.code, 0);
    }
    let (mut viewer, mut editor) = (signed_in(&rig, "viewer").await, signed_in(&rig, "editor").await);
    assert!(!viewer.get("/instances").await.body.contains("/instances/new"));
    editor.get("/instances").await.shows("/instances/new");
    let stranger = Browser::with_address(rig.port).get("/instances/new").await;
    assert!(stranger.location().starts_with("/login"));
    // Step by step, each from what the vendor says.
    let page = editor.get("/instances/new?cloud=paris").await;
    page.shows("<option value=\"ci\">");
    assert!(!page.body.contains("name=\"region\""), "no project is chosen");
    editor.get("/instances/new?cloud=paris&project=ci").await.shows("<option value=\"GRA11\">");
    let form = "/instances/new?cloud=paris&project=ci&region=GRA11";
    let page = editor.get(form).await;
    page.shows("b3-8 · 0.0508 EUR an hour · 37.08 EUR a month");
    page.shows("<option value=\"Debian 13\">");
    editor.get("/instances/new?cloud=paris&project=ci&region=MARS").await.shows("there is no region <code>MARS</code>");

    let mut fields = vec![
        ("cloud", "paris"),
        ("project", "ci"),
        ("region", "GRA11"),
        ("name", "worker"),
        ("size", "b3-8"),
        ("image", "Debian 13"),
        ("key", "ops"),
        ("power", "on"),
        ("do", "check"),
    ];
    let page = editor.send(form, "/instances/new", &fields).await;
    assert_eq!(page.status, 200);
    page.shows("<b>0.0508 EUR an hour · 37.08 EUR a month</b>");
    page.shows("kind: Instance");
    page.shows("value=\"commit\"");
    fields[4].1 = "b3-16";
    let page = editor.send(form, "/instances/new", &fields).await;
    page.shows("A0752");
    page.shows("the budget is 60.00");
    fields[8].1 = "commit";
    assert_eq!(
        editor.send(form, "/instances/new", &fields).await.status,
        422,
        "what is over the budget is not written"
    );
    fields[4].1 = "b3-8";
    assert_eq!(viewer.send("/instances", "/instances/new", &fields).await.status, 403);
    let answer = editor.send(form, "/instances/new", &fields).await;
    assert_eq!((answer.status, answer.location()), (303, "/instances/worker"));
    eventually(60, "it is made", async || instance(&rig, "worker").await["state"] == "on").await;
    editor.get("/instances/worker").await.shows("worker");
    assert!(rig.run(&["plan"]).await.out.contains("nothing to do, 1 manifest in sync"));
    fields[8].1 = "check";
    editor.send(form, "/instances/new", &fields).await.shows("A0120");

    // Where sizes have no names they are put together; what is closed says who opens it.
    let page = editor.get("/instances/new?cloud=tlv&region=EU").await;
    for text in ["<option value=\"2B\">", "<option value=\"2GiB\">", "<option value=\"20GB\">", "A0750"] {
        page.shows(text);
    }
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn several_are_switched_after_one_question_with_one_result_each() {
    let (rig, daemon) = with_cloud().await;
    let mut operator = signed_in(&rig, "operator").await;
    let mut picked = Vec::new();
    for name in ["build-1", "cache-1", "build-2", "build-9"] {
        picked.push(format!("i:paris:{}", instance(&rig, name).await["id"].as_str().unwrap()));
    }
    let picked: Vec<(&str, &str)> = picked.iter().map(|name| (name.as_str(), "on")).collect();
    let page = operator.send("/instances", "/instances", &[&picked[..], &[("do", "reboot")]].concat()).await;
    assert_eq!(page.status, 200);
    page.shows("Reboot: 3 of the selected instances");
    page.shows("build-2 does not run, so it cannot reboot");
    assert_eq!(instance(&rig, "build-1").await["state"], "on", "a question does nothing");
    let answer =
        operator.send("/instances", "/instances", &[&picked[..2], &[("do", "stop"), ("sure", "yes")]].concat()).await;
    assert_eq!((answer.status, answer.location()), (303, "/instances"));
    let page = operator.get("/instances").await;
    page.shows("2 results");
    for name in ["build-1", "cache-1"] {
        page.shows(&format!("{name}: stop"));
        eventually(60, "it is off", async || instance(&rig, name).await["state"] == "off").await;
    }
    operator.send("/instances", "/instances", &[("do", "stop")]).await;
    operator.get("/instances").await.shows("No instance was selected.");
    assert_eq!(end(daemon).await, 0);
}

/// Monday to Friday from 8 to 20.
fn work_week() -> Vec<(String, String)> {
    let hours = (0..5).flat_map(|day| (8..20).map(move |hour| day * 24 + hour));
    hours.map(|hour| (format!("h{hour}"), "on".to_owned())).collect()
}

#[tokio::test]
async fn a_painted_week_becomes_a_manifest_and_keeps_what_else_is_in_it() {
    let (rig, daemon) = with_cloud().await;
    // Where there is no folder yet, it is made.
    std::fs::remove_dir(rig.path().join("services")).unwrap();
    let mut editor = signed_in(&rig, "editor").await;
    let path = path_of(&rig, "build-1").await;
    let form = format!("{path}/schedule");
    let week = work_week();
    let of = |zone: &'static str, off_as: &'static str, what: &'static str, before: &str| {
        let mut fields = week.clone();
        let more = [("zone", zone), ("off_as", off_as), ("do", what), ("before", before)];
        fields.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
        fields
    };
    let send = async |browser: &mut Browser, form: &str, fields: Vec<(String, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.send("/instances", form, &fields).await
    };
    let page = send(&mut editor, &form, vec![("zone".to_owned(), "UTC".to_owned())]).await;
    page.shows("nothing would ever be switched");
    let page = send(&mut editor, &form, of("Nowhere/Else", "stop", "check", "")).await;
    page.shows("Nowhere/Else");
    assert!(!page.body.contains("value=\"commit\""), "{}", page.body);
    let page = send(&mut editor, &form, of("Europe/Paris", "stop", "check", "")).await;
    assert_eq!(page.status, 200);
    page.shows("services/build-1.yaml");
    page.shows("0 8 * * mon-fri");
    page.shows("Until then nothing is started or stopped");
    assert!(!rig.path().join("services/build-1.yaml").exists(), "a check writes nothing");
    let page = send(&mut editor, &form, of("Europe/Paris", "stop", "commit", "")).await;
    assert_eq!((page.status, page.location()), (303, "/instances/build-1"), "{}", page.body);
    let file = rig.path().join("services/build-1.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("schedule:\n  timezone: Europe/Paris\n  on: \"0 8 * * mon-fri\"\n"), "{text}");
    assert!(!text.contains("power:"), "{text}");
    editor.get("/instances/build-1").await.shows("0 20 * * mon-fri");
    editor.get("/instances").await.shows("class=\"dayline\"");
    eventually(90, "it says what that saves, once prices are read", async || {
        let billed =
            "0 EUR this month · 0 EUR in the last 7 days. It is billed while it is off. “Shelve at night” saves.";
        editor.clone().get("/instances/build-1").await.body.contains(billed)
    })
    .await;
    let page = editor.get("/instances").await;
    page.shows("Saved this month");
    page.shows("1 is billed while it is off");
    let mut french = editor.clone();
    french.headers.push(("Accept-Language".to_owned(), "fr".to_owned()));
    french.get("/instances").await.shows("Économisé ce mois-ci");
    french.get("/instances/build-1").await.shows("0 EUR ce mois-ci · 0 EUR ces 7 derniers jours");

    // A comment of a person stays, and so does a file that became another one meanwhile.
    std::fs::write(&file, format!("# ours\n{text}reconcile: {{mode: enforce}}\n")).unwrap();
    // A folder that was not there at the start is not watched.
    assert_eq!(editor.send("/", "/apply", &[]).await.status, 303);
    eventually(60, "it is read", async || {
        let page =
            send(&mut editor.clone(), "/instances/build-1/schedule", of("Europe/Paris", "shelve", "check", "")).await;
        page.body.contains("# ours")
    })
    .await;
    let form = "/instances/build-1/schedule";
    let stale = send(&mut editor, form, of("Europe/Paris", "shelve", "commit", "0000")).await;
    assert_eq!(stale.status, 422);
    stale.shows("A0312");
    let page = send(&mut editor, form, of("Europe/Paris", "shelve", "check", "")).await;
    let before = hidden(&page.body, "before").unwrap();
    let page = send(&mut editor, form, of("Europe/Paris", "shelve", "commit", &before)).await;
    assert_eq!(page.status, 303, "{}", page.body);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# ours\n") && text.ends_with("  off_as: shelve\nreconcile: {mode: enforce}\n"), "{text}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn what_a_person_asks_of_a_managed_one_holds_in_place_of_its_week() {
    let (rig, daemon) = with_cloud().await;
    let id = instance(&rig, "build-1").await["id"].as_str().unwrap().to_owned();
    let rule = "{timezone: UTC, on: 0 0 * * mon, off: 59 23 * * sun}";
    rig.file(
        "services/build-1.yaml",
        &format!("kind: Instance\nname: build-1\ncloud: paris\nid: {id}\nschedule: {rule}\n"),
    );
    let mut editor = signed_in(&rig, "editor").await;
    eventually(60, "it is managed", async || {
        editor.clone().get("/instances/build-1").await.body.contains("59 23 * * sun")
    })
    .await;
    // The loop carries it out.
    let answer = editor.send("/instances", "/instances/build-1/stop", &[("until", "3h")]).await;
    assert_eq!((answer.status, answer.location()), (303, "/instances/build-1"));
    let page = editor.get("/instances/build-1").await;
    page.shows("build-1: stop");
    assert!(!page.body.contains("flash failed"), "{}", page.body);
    page.shows("/instances/build-1/follow-schedule");
    eventually(60, "it is off, by whom is told", async || {
        let body = editor.clone().get("/instances/build-1").await.body;
        instance(&rig, "build-1").await["state"] == "off" && body.contains("stopped by editor")
    })
    .await;
    assert_eq!(editor.send("/instances", "/instances/build-1/follow-schedule", &[]).await.status, 303);
    let page = editor.get("/instances/build-1").await;
    assert!(!page.body.contains("/follow-schedule"), "{}", page.body);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_look_well_in_a_browser() {
    let (rig, daemon) = with_actions("all").await;
    let mut node = script(&rig, "instances.mjs");
    node.env("EMAIL", "admin@example.org").env("PASSWORD", PASSWORD);
    node.env("PICTURES", std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pictures/instances"));
    let output = node.output().await.expect("node is there: scripts/test");
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), rig.log());
    let text = std::fs::read_to_string(rig.path().join("services/build-1.yaml")).unwrap();
    assert!(text.contains("  on: \"0 8 * * mon-fri\"\n  off: \"0 20 * * mon-fri\"\n"), "{text}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn without_a_cloud_the_page_says_how_to_come_to_one() {
    let (rig, daemon) = super::started().await;
    assert_eq!(add(&rig, "alice@example.org", "admin").await.code, 0);
    let mut alice = Browser::with_address(rig.port);
    let page = alice.get("/instances").await;
    page.shows("OVH_CONSUMER_KEY");
    assert!(!page.body.contains("simulated: true"), "that is for admins");
    alice.signs_in("alice@example.org", PASSWORD).await;
    alice.get("/instances").await.shows("clouds: {paris: {simulated: true}}");
    alice.get("/settings/providers").await.shows("href=\"/instances\"");
    let page = alice.get("/").await;
    assert!(!page.body.contains(">Instances</a>"), "no entry without a cloud");
    assert_eq!(end(daemon).await, 0);
}
