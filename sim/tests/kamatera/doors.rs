//! Who is let in, and how either door words a refusal.

use serde_json::{Value, json};

use crate::support::{call, call_as, get, post, refused, start};

#[tokio::test]
async fn a_wrong_key_is_refused_at_both_doors() {
    let cloud = start().await;
    for headers in [
        vec![],
        vec![("AuthClientId", "client-id")],
        vec![("AuthClientId", "client-id"), ("AuthSecret", "wrong")],
        vec![("AuthClientId", "wrong"), ("AuthSecret", "secret")],
    ] {
        let proxy = call_as(&cloud, "GET", "/service/servers", Value::Null, &headers).await;
        assert_eq!(proxy.status, 401);
        // A JSON text inside a JSON string.
        assert_eq!(proxy.body, json!({ "message": r#"{"errors":[{"code":1,"info":"you are not logged in"}]}"# }));
        let console = call_as(&cloud, "GET", "/console/service/servers", Value::Null, &headers).await;
        assert_eq!(console.status, 401);
        assert_eq!(console.body, json!({ "errors": [{ "code": 1, "info": "you are not logged in" }] }));
    }
    cloud.withdraw_key(true);
    refused(&get(&cloud, "/service/servers").await, 401, "you are not logged in");
    cloud.withdraw_key(false);
    assert!(get(&cloud, "/service/servers").await.is_list());
}

#[tokio::test]
async fn a_token_of_the_console_lives_for_an_hour() {
    let cloud = start().await;
    let key = |secret: &str| json!({ "clientId": "client-id", "secret": secret });
    refused(&post(&cloud, "/console/service/authenticate", key("wrong")).await, 401, "you are not logged in");
    let given = post(&cloud, "/console/service/authenticate", key("secret")).await;
    let token = format!("Bearer {}", given.body["authentication"].as_str().unwrap());
    let headers = [("Authorization", token.as_str())];
    let list = || call_as(&cloud, "GET", "/console/service/servers", Value::Null, &headers);
    assert!(list().await.is_list());
    cloud.advance(3600);
    assert_eq!(list().await.status, 401);
    assert_eq!(cloud.writes(), [], "asking for a token changes nothing");
}

#[tokio::test]
async fn the_status_can_be_asked_for_inside_of_the_answer() {
    let cloud = start().await;
    let headers = [("AuthClientId", "client-id"), ("AuthSecret", "secret"), ("X-CLOUDCLI-STATUSINJSON", "true")];
    let body = json!({ "name": "nosuch" });
    let answer = call_as(&cloud, "POST", "/service/server/info", body, &headers).await;
    assert_eq!(answer.status, 200);
    let inner = json!({ "response": { "message": "No servers found (name='nosuch')" }, "status": 500 });
    assert_eq!(answer.body, inner);
}

#[tokio::test]
async fn the_price_list_needs_no_login() {
    let cloud = start().await;
    for path in ["/info/calculator.js.php", "/console/info/calculator.js.php"] {
        let script = call_as(&cloud, "GET", path, Value::Null, &[]).await;
        let text = script.body.as_str().unwrap();
        let text = text.strip_prefix("var prd_prices = '").and_then(|text| text.strip_suffix("';\n")).unwrap();
        let prices: Value = serde_json::from_str(text).unwrap();
        assert_eq!((&prices["cpu"]["2B"], &prices["ramMB"]["A"]["1024"]), (&json!(10.0), &json!(-2.0)));
        assert_eq!((&prices["diskGB"]["20"], &prices["wanPoweredOff"]), (&json!(6.0), &json!(5)));
        assert_eq!((&prices["cpu"]["72A"], &prices["ramMB"]["B"]["4096"]), (&Value::Null, &json!(23.0)));
    }
}

#[tokio::test]
async fn what_there_is_not_is_not_found() {
    let cloud = start().await;
    assert_eq!(get(&cloud, "/service/nothing").await.status, 404);
    assert_eq!(get(&cloud, "/console/service/nothing").await.status, 404);
    // Some calls have /service in front of them and some do not.
    assert_eq!(post(&cloud, "/service/server/configure", json!({})).await.status, 404);
    assert_eq!(call(&cloud, "DELETE", "/service/servers", Value::Null).await.status, 404);
}
