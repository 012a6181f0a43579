//! Another writer at the same NPM: what nginx serves is asked for, and not believed of a row.

use amarre_core::model::Millis;
use amarre_sim::npm;
use serde_json::json;

use super::settled;

const SHOP: &str = "shop.example.org";
const THEIRS: &str = "theirs.example.org";

/// NPM deletes a host's file, tests and writes it: a reload for another host in between leaves it out, and its row stays as it is.
#[tokio::test]
async fn a_host_that_anothers_change_left_out_of_nginx_is_written_again() {
    let mut rig = settled(&["shop", "wiki"]).await;
    let host = json!({"domain_names": [THEIRS], "forward_host": "10.0.0.9", "forward_port": 80});
    let id = rig.npm.seed_proxy_host(&host);
    rig.npm.leave_out(SHOP);
    assert!(!rig.npm.serves(SHOP));
    rig.pass_until_settled().await;
    assert!(rig.npm.serves(SHOP), "the change of another made us ask nginx");
    let puts = rig.writes().iter().filter(|line| line.starts_with("PUT /api/nginx/proxy-hosts/")).count();
    assert_eq!(puts, 1, "the other host is as it should be: {:?}", rig.writes());
    // A row of ours that a person changes, and one that goes away.
    let rows = rig.npm.rows(npm::Kind::ProxyHost);
    let wiki = rows.iter().find(|row| row["domain_names"][0] == "wiki.example.org").unwrap()["id"].as_u64().unwrap();
    for change in [0, 1] {
        rig.clock.advance(Millis::minutes(10));
        rig.settle().await;
        match change {
            0 => rig.npm.edit_proxy_host(wiki, &json!({"caching_enabled": true})),
            _ => rig.npm.remove_proxy_host(id),
        }
        rig.npm.leave_out(SHOP);
        rig.settle().await;
        assert!(rig.npm.serves(SHOP), "{change}");
    }
}

/// Nginx is asked where another writes, and our own changes are not another's.
#[tokio::test]
async fn nginx_is_not_asked_for_our_own_changes() {
    let mut rig = settled(&["shop"]).await;
    rig.clock.advance(Millis::minutes(10));
    rig.npm.leave_out(SHOP);
    rig.write("wiki.yaml", "{kind: Redirect, name: wiki, domain: wiki, dns: none, to: \"https://example.net\"}\n");
    rig.pass_until_settled().await;
    assert!(rig.npm.serves(SHOP), "our own change reloads nginx");
    rig.npm.leave_out(SHOP);
    rig.pass_until_settled().await;
    assert!(!rig.npm.serves(SHOP), "no visit without a reason");
}
