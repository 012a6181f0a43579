//! What concerns a zone as a whole: refresh, text, history, and what others do to it.

use amarre_sim::Fault;
use serde_json::{Value, json};

use crate::support::{RECORDS, ZONE, get, ids, post, refresh, refused, send, start};

#[tokio::test]
async fn duplicates_are_taken() {
    let ovh = start().await;
    let one = post(&ovh, "A", "www", "192.0.2.1").await.body["id"].as_u64();
    let two = post(&ovh, "A", "www", "192.0.2.1").await.body["id"].as_u64();
    assert!(one.is_some() && one != two);
    assert_eq!(refresh(&ovh).await.status, 204);
}

#[tokio::test]
async fn only_refresh_moves_the_serial() {
    let ovh = start().await;
    let soa = format!("{ZONE}/soa");
    let before = get(&ovh, &soa).await.body;
    post(&ovh, "A", "www", "192.0.2.1").await;
    send(&ovh, "PUT", &soa, json!({ "ttl": 120, "serial": 7 })).await;
    let after = get(&ovh, &soa).await.body;
    assert_eq!((&after["serial"], &after["ttl"]), (&before["serial"], &json!(120)));
    let answer = refresh(&ovh).await;
    assert_eq!((answer.status, answer.body), (204, Value::Null));
    let serial = get(&ovh, &soa).await.body["serial"].as_u64();
    assert_eq!(serial, before["serial"].as_u64().map(|serial| serial + 1));
    assert_eq!(ovh.refreshes("example.com"), 1);
}

#[tokio::test]
async fn a_cname_with_company_stops_the_refresh() {
    let ovh = start().await;
    ovh.seed_record("example.com", "www", "A", "192.0.2.1", 0);
    let id = post(&ovh, "CNAME", "WWW", "example.net.").await.body["id"].as_u64().unwrap();
    refused(&refresh(&ovh).await, 409, "CNAME and other data");
    let status = get(&ovh, &format!("{ZONE}/status")).await.body;
    assert_eq!(status["isDeployed"], false);
    assert_eq!(ovh.published("example.com").len(), 3);
    send(&ovh, "DELETE", &format!("{RECORDS}/{id}"), Value::Null).await;
    assert_eq!(refresh(&ovh).await.status, 204);
    let status = get(&ovh, &format!("{ZONE}/status")).await.body;
    assert_eq!(status, json!({ "isDeployed": true, "errors": [], "warnings": [] }));
    assert_eq!(ovh.refreshes("example.com"), 1);
}

#[tokio::test]
async fn export_is_a_zone_file_and_import_renews_every_id() {
    let ovh = start().await;
    ovh.seed_record("example.com", "www", "A", "192.0.2.1", 300);
    ovh.seed_record("example.com", "", "MX", "10 mail.example.net.", 0);
    ovh.seed_record("example.com", "spf", "SPF", "v=spf1 -all", 0);
    ovh.seed_record("example.com", "x._domainkey", "DKIM", "v=DKIM1; p=AA", 0);
    let export = format!("{ZONE}/export");
    let text = get(&ovh, &export).await.body;
    let serial = ovh.serial("example.com");
    let wanted = format!(
        "$TTL 3600\n@\tIN SOA dns106.ovh.net. tech.ovh.net. ({serial} 86400 3600 3600000 60)\n\
         {0}IN MX     10 mail.example.net.\n{0}IN NS     dns106.ovh.net.\n{0}IN NS     ns106.ovh.net.\n\
         spf                      IN TXT    \"v=spf1 -all\"\n\
         www                      300 IN A      192.0.2.1\n\
         x._domainkey             IN TXT    \"v=DKIM1; p=AA\"\n",
        " ".repeat(25)
    );
    assert_eq!(text, wanted);

    let before = ids(&json!(ovh.records("example.com")));
    let import = format!("{ZONE}/import");
    let task = send(&ovh, "POST", &import, json!({ "zoneFile": text })).await.body;
    assert_eq!((&task["function"], &task["status"]), (&json!("ZoneImport"), &json!("todo")));
    let path = format!("{ZONE}/task/{}", task["id"]);
    assert_eq!(get(&ovh, &path).await.body["status"], "doing");
    assert_eq!(get(&ovh, &path).await.body["status"], "done");
    assert_eq!(get(&ovh, &format!("{ZONE}/task?status=done")).await.body, json!([task["id"]]));
    let after = ids(&json!(ovh.records("example.com")));
    assert_eq!(before.len(), after.len());
    assert!(after.iter().all(|id| !before.contains(id)));
    let next = post(&ovh, "A", "next", "192.0.2.5").await.body["id"].as_u64().unwrap();
    assert!(!after.contains(&next));

    ovh.export_shows_drafts(false);
    assert!(!get(&ovh, &export).await.body.as_str().unwrap().contains("next"));
    ovh.supports_export(false);
    refused(&get(&ovh, &export).await, 404, "Got an invalid (or empty) URL");
}

#[tokio::test]
async fn import_reads_what_people_write() {
    let ovh = start().await;
    let text = "; a comment\n$TTL 600\n@ IN SOA ns.example.net. me.example.net. ( 1 2 ; serial\n 3 4\n 5 )\n\
        \tIN NS ns.example.net.\nwww.example.com. 60 IN A 192.0.2.1\n  IN 120 AAAA 2001:db8::1\n\
        $ORIGIN sub.example.com.\n@ A 192.0.2.2\nx TXT \"a;b\" \"c d\" ; more\n";
    let import = format!("{ZONE}/import");
    assert_eq!(send(&ovh, "POST", &import, json!({ "zoneFile": text })).await.status, 200);
    let rows: Vec<String> = ovh
        .published("example.com")
        .iter()
        .map(|row| {
            format!("{} {} {} {}", row["subDomain"], row["ttl"], row["fieldType"], row["target"])
                .replace("\\\"", "'")
                .replace('"', "")
        })
        .collect();
    assert_eq!(
        rows,
        [
            " 0 NS ns.example.net.",
            "www 60 A 192.0.2.1",
            "www 120 AAAA 2001:db8::1",
            "sub 0 A 192.0.2.2",
            "x.sub 0 TXT 'a;b' 'c d'",
        ]
    );
    assert_eq!(get(&ovh, &format!("{ZONE}/soa")).await.body["ttl"], 600);
    let before = ovh.records("example.com");
    for bad in ["a A\n", "a.example.net. A 192.0.2.1\n", "a TXT \"x\n", "a (\n", "$X 1\n", "a CNAME b\na A 192.0.2.1\n"]
    {
        let answer = send(&ovh, "POST", &import, json!({ "zoneFile": bad })).await;
        assert!([400, 409].contains(&answer.status), "{bad}: {answer:?}");
    }
    assert_eq!(ovh.records("example.com"), before);
}

#[tokio::test]
async fn reset_and_restore() {
    let ovh = start().await;
    ovh.seed_record("example.com", "www", "A", "192.0.2.1", 0);
    refresh(&ovh).await;
    let dates = get(&ovh, &format!("{ZONE}/history")).await.body;
    let date = dates[0].as_str().unwrap();
    assert_eq!(send(&ovh, "POST", &format!("{ZONE}/reset"), json!({ "minimized": true })).await.status, 200);
    assert_eq!(ovh.published("example.com").len(), 2);
    let path = format!("{ZONE}/history/{}", date.replace(':', "%3A").replace('+', "%2B"));
    assert_eq!(get(&ovh, &path).await.body["creationDate"], date);
    let answer = send(&ovh, "POST", &format!("{path}/restore"), Value::Null).await;
    assert_eq!(answer.body["function"], "ZoneRestore");
    assert_eq!(ovh.published("example.com").len(), 3);
}

#[tokio::test]
async fn bad_habits_can_be_had() {
    let ovh = start().await;
    ovh.post_answers_id_zero(true);
    assert_eq!(post(&ovh, "A", "", "192.0.2.1").await.body["id"], 0);
    let id = ids(&json!(ovh.records("example.com")))[2];
    assert_ne!(id, 0);
    ovh.apex_is_null(true);
    let answer = get(&ovh, &format!("{RECORDS}/{id}")).await;
    assert_eq!(answer.body["subDomain"], Value::Null);
}

#[tokio::test]
async fn a_person_changes_things_without_a_call() {
    let ovh = start().await;
    let id = ovh.seed_record("example.com", "www", "A", "192.0.2.1", 0);
    let serial = ovh.serial("example.com");
    assert!(ovh.edit_record("example.com", id, "192.0.2.2"));
    assert_eq!(ovh.serial("example.com"), serial + 1);
    assert!(!ovh.edit_record("example.com", id, "nonsense"));
    assert!(!ovh.edit_record("example.com", 0, "192.0.2.2"));
    assert!(ovh.remove_record("example.com", id));
    assert!(!ovh.remove_record("example.com", id));
    assert_eq!(ovh.seed_record("example.net", "www", "A", "192.0.2.1", 0), 0);
    assert_eq!(ovh.seed_record("example.com", "www", "A", "nonsense", 0), 0);
    assert_eq!(ovh.published("example.com"), ovh.records("example.com"));
    assert!(ovh.server.journal.calls().is_empty());
}

#[tokio::test]
async fn faults_hit_after_the_effect_too() {
    let ovh = start().await;
    let path = "/1.0/domain/zone/example.com/refresh";
    ovh.server.faults.add("POST", path, 1, Fault::After(500));
    assert_eq!(refresh(&ovh).await.status, 500);
    assert_eq!(ovh.refreshes("example.com"), 1);
    assert_eq!(refresh(&ovh).await.status, 204);
}
