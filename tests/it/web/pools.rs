//! The pages of pools: what is one's own, what is not, and a password that is shown once. The machines themselves are in `pools`.

use serde_json::json;

use super::browser::Browser;
use super::{PASSWORD, add};
use crate::cli::rig::{Rig, end};

#[tokio::test]
async fn people_reserve_and_release_what_is_theirs() {
    let rig = Rig::start().await;
    let config = json!({
        "pools": {}, "policy": {"targets": {"lab": ["127.0.0.1:*"]}},
        "server": {"listen": format!("127.0.0.1:{}", rig.port), "requests_per_minute": 100_000},
    });
    rig.file("amarre.yaml", &format!("{config:#}"));
    // Its host key is not trusted, so it stays out of reach, and who reserves it waits.
    rig.file("services/lab.yaml", "kind: Pool\nname: lab\nmachines: [{name: m1, address: 127.0.0.1, port: 9}]\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut people = Vec::new();
    for name in ["anna", "bob"] {
        assert_eq!(add(&rig, &format!("{name}@example.org"), "viewer").await.code, 0);
    }
    assert_eq!(add(&rig, "ops@example.org", "operator").await.code, 0);
    for name in ["anna", "bob", "ops"] {
        let mut browser = Browser::with_address(rig.port);
        assert_eq!(browser.signs_in(&format!("{name}@example.org"), PASSWORD).await.status, 303);
        people.push(browser);
    }
    let [mut anna, mut bob, mut ops] = <[Browser; 3]>::try_from(people).unwrap_or_else(|_| unreachable!());
    assert!(Browser::with_address(rig.port).get("/pools/lab").await.location().starts_with("/login"));
    anna.get("/pools").await.shows("/pools/lab");
    let page = anna.get("/pools/lab").await;
    page.shows("its host key is not trusted yet");
    assert!(!page.body.contains("/disable"), "a viewer takes no machine out of service");

    // Without a key a password is made, and shown on the answer alone.
    let page = anna.send("/pools/lab", "/pools/lab/reserve", &[("user", "anna"), ("count", "1")]).await;
    assert_eq!(page.status, 200);
    page.shows("It is shown this once");
    let page = anna.get("/pools/lab").await;
    page.shows("r1");
    assert!(!page.body.contains("It is shown this once"));
    let wrong = [("user", "root"), ("count", "1")];
    assert_eq!(anna.send("/pools/lab", "/pools/lab/reserve", &wrong).await.status, 303);
    anna.get("/pools/lab").await.shows("an account cannot be called <code>root</code>");

    // What is another's stays.
    let release = [("reservations", "r1")];
    assert_eq!(bob.send("/pools/lab", "/pools/lab/release", &release).await.status, 303);
    bob.get("/pools/lab").await.shows("is another person&#39;s");
    assert_eq!(bob.send("/pools/lab", "/pools/lab/release", &[release[0], ("others", "yes")]).await.status, 403);
    anna.get("/pools/lab").await.shows("r1");
    assert_eq!(bob.send("/pools/lab", "/pools/lab/trust", &[("machines", "m1")]).await.status, 403);
    assert_eq!(bob.send("/pools/lab", "/pools/lab/frob", &[]).await.status, 404);
    let none = bob.get("/pools/nothing").await;
    assert_eq!(none.status, 404);
    none.shows(r#"<a class="btn" href="/pools">Pools</a>"#);
    ops.headers.push(("Accept-Language".to_owned(), "fr".to_owned()));
    ops.get("/pools/lab").await.shows("Toutes les autres réservations");
    assert_eq!(ops.send("/pools/lab", "/pools/lab/release", &[release[0], ("others", "yes")]).await.status, 303);
    let page = anna.get("/pools/lab").await;
    page.shows("You have none.");

    // An admin puts a machine into the manifest; its password is kept apart, and shown nowhere.
    assert!(!ops.get("/pools/lab").await.body.contains("/register"), "an operator registers no machine");
    assert_eq!(add(&rig, "root@example.org", "admin").await.code, 0);
    let mut admin = Browser::with_address(rig.port);
    assert_eq!(admin.signs_in("root@example.org", PASSWORD).await.status, 303);
    let machine = [("name", "m2"), ("address", "127.0.0.1"), ("port", "7"), ("user", "root"), ("password", "hunter2")];
    assert_eq!(bob.send("/pools/lab", "/pools/lab/register", &machine).await.status, 403);
    assert_eq!(admin.send("/pools/lab", "/pools/lab/register", &machine).await.status, 303);
    let page = admin.get("/pools/lab").await;
    page.shows("127.0.0.1:7");
    assert!(!page.body.contains("hunter2"));
    let manifest = || std::fs::read_to_string(rig.path().join("services/lab.yaml")).unwrap();
    assert!(
        manifest().contains("{name: m2, address: 127.0.0.1, port: 7, password: {secret: lab/m2}}"),
        "{}",
        manifest()
    );
    assert_eq!(admin.send("/pools/lab", "/pools/lab/unregister", &[("machines", "m2")]).await.status, 303);
    assert!(!manifest().contains("m2"), "{}", manifest());
    end(daemon).await;
}
