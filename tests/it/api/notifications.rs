//! Notifications: by real HTTP and real SMTP, once, also over restarts, and again when a problem is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use sqlx::{Connection, Row};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::token;
use crate::cli::rig::{Rig, end};
use crate::support::eventually;

const GOOD: &str = "name: web\nimage: web:1\nport: 80\n";
const BROKEN: &str = "name: web\nimage: web:1\nprot: 80\n";
const SECRET: &str = "a secret of sixteen";

/// To which path, with which headers, and what.
type Taken = (String, BTreeMap<String, String>, String);

/// Accepts messages, and answers with the given status.
#[derive(Clone, Default)]
pub struct Taker {
    taken: Arc<Mutex<Vec<Taken>>>,
    pub refuses: Arc<Mutex<Option<u16>>>,
}

impl Taker {
    pub async fn start(&self) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().fallback(Self::take).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        format!("http://{address}")
    }

    async fn take(State(taker): State<Taker>, request: Request) -> StatusCode {
        let path = request.uri().path().to_owned();
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        if let Some(status) = *taker.refuses.lock().unwrap() {
            return StatusCode::from_u16(status).unwrap();
        }
        taker.taken.lock().unwrap().push((path, headers, String::from_utf8(body.to_vec()).unwrap()));
        StatusCode::OK
    }

    fn messages_of(&self, path: &str) -> Vec<(BTreeMap<String, String>, String)> {
        let taken = self.taken.lock().unwrap();
        taken.iter().filter(|(to, _, _)| to == path).map(|(_, headers, body)| (headers.clone(), body.clone())).collect()
    }

    pub fn bodies(&self, path: &str) -> Vec<String> {
        self.messages_of(path).into_iter().map(|(_, body)| body).collect()
    }
}

/// A server for e-mail that takes every letter.
async fn post_office(letters: Arc<Mutex<Vec<String>>>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            write.write_all(b"220 here\r\n").await.unwrap();
            let (mut letter, mut is_letter) = (String::new(), false);
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match (is_letter, line.to_uppercase()) {
                    (true, _) if line == "." => {
                        is_letter = false;
                        letters.lock().unwrap().push(std::mem::take(&mut letter));
                        "250 taken\r\n"
                    }
                    (true, _) => {
                        letter.push_str(&format!("{line}\n"));
                        continue;
                    }
                    (_, verb) if verb.starts_with("DATA") => {
                        is_letter = true;
                        "354 go on\r\n"
                    }
                    (_, verb) if verb.starts_with("QUIT") => "221 bye\r\n",
                    _ => "250 fine\r\n",
                };
                write.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    port
}

fn configure(rig: &Rig, channels: &Json) {
    let mut config = rig.config();
    config["notifications"] = channels.clone();
    config["reconcile"] = json!({"interval": "2s"});
    rig.file("amarre.yaml", &format!("{config:#}"));
}

/// A message that was taken is kept as sent a moment later.
async fn are_kept_as_sent(rig: &Rig, channels: i64) {
    let url = format!("sqlite://{}", rig.path().join("amarre.db").display());
    let mut ledger = sqlx::SqliteConnection::connect(&url).await.unwrap();
    eventually(60, "it is kept what was sent", async || {
        let sent = sqlx::query("SELECT count(DISTINCT channel) FROM told").fetch_one(&mut ledger).await.unwrap();
        sent.get::<i64, _>(0) == channels
    })
    .await;
}

#[tokio::test]
async fn each_channel_gets_a_problem_once_and_again_when_it_is_over() {
    let (rig, taker, letters) = (Rig::start().await, Taker::default(), Arc::new(Mutex::new(Vec::new())));
    let (url, port) = (taker.start().await, post_office(letters.clone()).await);
    rig.file("services/web.yaml", GOOD);
    configure(
        &rig,
        &json!({
            "slack": {"slack": format!("{url}/slack"), "after": "0s"},
            "discord": {"discord": format!("{url}/discord"), "after": "0s"},
            "phone": {"ntfy": {"url": format!("{url}/ntfy"), "token": "tk_phone"}, "after": "0s"},
            "hook": {"webhook": {"url": format!("{url}/hook"), "secret": SECRET}, "after": "0s"},
            "mail": {"after": "0s", "smtp": {"host": "127.0.0.1", "port": port, "tls": "none",
                "from": "Amarre <amarre@amarre.demo>", "to": ["ops@example.org"]}},
            "others": {"slack": format!("{url}/others"), "after": "0s", "services": ["shop*"]},
            "changes": {"slack": format!("{url}/changes"), "after": "0s", "on": ["applied", "drift"]},
        }),
    );
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "web runs", async || rig.json("/api/v1/services/web").await["sync"] == "Synced").await;
    rig.file("services/web.yaml", BROKEN);
    let ways = ["/slack", "/discord", "/ntfy", "/hook"];
    eventually(60, "everybody is told", async || {
        ways.iter().all(|way| taker.messages_of(way).len() == 1) && letters.lock().unwrap().len() == 1
    })
    .await;
    for way in ways {
        let body = &taker.bodies(way)[0];
        assert!(body.contains("web") && body.contains("unknown key") && body.contains("A0103"), "{way}: {body}");
    }
    let (headers, _) = &taker.messages_of("/ntfy")[0];
    assert_eq!((headers["authorization"].as_str(), headers["priority"].as_str()), ("Bearer tk_phone", "high"));
    assert_eq!(headers["title"], "amarre home: web needs somebody");
    let letter = letters.lock().unwrap()[0].clone();
    for part in ["From: Amarre <amarre@amarre.demo>", "To: ops@example.org", "Subject: amarre home: web needs somebody"]
    {
        assert!(letter.contains(part), "{letter}");
    }
    // Whoever has the secret sees that it comes from here, and when.
    let (headers, body) = &taker.messages_of("/hook")[0];
    let signed = format!("{}.{}.{body}", headers["webhook-id"], headers["webhook-timestamp"]);
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(signed);
    assert_eq!(headers["webhook-signature"], format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    let document: Json = serde_json::from_str(body).unwrap();
    assert_eq!(document["schema"], "amarre.notification/v1");
    assert_eq!((&document["news"][0]["state"], &document["news"][0]["service"]), (&json!("wrong"), &json!("web")));

    // A new process: nothing is sent again, and the end of the problem is.
    are_kept_as_sent(&rig, 5).await;
    assert_eq!(end(daemon).await, 0);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "some looks are over", async || rig.json("/api/v1/services/web").await["error"]["code"] == "A0103")
        .await;
    assert_eq!(rig.run(&["reconcile"]).await.code, 3);
    assert_eq!(taker.messages_of("/slack").len(), 1);
    rig.file("services/web.yaml", &GOOD.replace("80", "81"));
    eventually(60, "everybody is told that it is over", async || {
        ways.iter().all(|way| taker.messages_of(way).len() == 2) && letters.lock().unwrap().len() == 2
    })
    .await;
    for way in ways {
        assert!(taker.bodies(way)[1].contains("recovered"), "{way}: {:?}", taker.bodies(way));
    }
    assert_eq!(taker.messages_of("/others").len(), 0, "it is about none of theirs");
    eventually(60, "what was changed is told", async || {
        taker.bodies("/changes").iter().any(|body| body.contains("updated proxy host"))
    })
    .await;
    let listed: Json = serde_json::from_str(&rig.run(&["notifications", "list", "-o", "json"]).await.out).unwrap();
    assert_eq!(listed["channels"].as_array().unwrap().len(), 7);
    assert!(!listed.to_string().contains(&url), "an address may be a secret: {listed}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn an_undelivered_notification_is_sent_again_and_a_test_reports_delivery() {
    let (rig, taker) = (Rig::start().await, Taker::default());
    let url = taker.start().await;
    rig.file("services/web.yaml", BROKEN);
    configure(
        &rig,
        &json!({
            "ops": {"slack": format!("{url}/ops"), "after": "0s"},
            "away": {"discord": "http://127.0.0.1:9/hidden-part"},
        }),
    );
    *taker.refuses.lock().unwrap() = Some(500);
    // Without a daemon, then with one.
    let refused = rig.run(&["notifications", "test", "ops"]).await;
    assert!(refused.code == 1 && refused.err.contains("A1016") && refused.err.contains("500"), "{refused:?}");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let away = rig.run(&["notifications", "test", "away"]).await;
    assert!(away.code == 1 && away.err.contains("A1016"), "{away:?}");
    assert!(!away.err.contains("hidden-part") && !rig.log().contains("hidden-part"), "{away:?}");
    let unknown = rig.run(&["notifications", "test", "nobody"]).await;
    assert!(unknown.code == 1 && unknown.err.contains("A1002"), "{unknown:?}");
    eventually(60, "it was tried", async || {
        let listed = rig.run(&["notifications", "list"]).await.out;
        listed.contains("! not taken") && listed.contains("500")
    })
    .await;
    *taker.refuses.lock().unwrap() = None;
    eventually(60, "it is told", async || taker.messages_of("/ops").len() == 1).await;
    assert!(taker.bodies("/ops")[0].contains("A0103"));
    let mut admin = token(&rig, "admin", &["--role", "admin"]).await;
    let tested = admin.json("POST", "/api/v1/notifications/ops/test", None).await;
    assert_eq!(tested.status, 204, "{tested:?}");
    assert!(taker.bodies("/ops")[1].contains("token admin tries"), "{:?}", taker.bodies("/ops"));
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn invalid_notification_settings_are_refused() {
    let rig = Rig::start().await;
    let smtp = |more: Json| {
        let mut smtp = json!({"host": "127.0.0.1", "from": "a@example.org", "to": "b@example.org"});
        smtp.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"smtp": smtp})
    };
    for (channel, says) in [
        (json!({}), "names no way"),
        (json!({"slack": "https://a.example.org", "discord": "https://b.example.org"}), "several ways"),
        (json!({"slack": "no address"}), "it begins with https://"),
        (json!({"slack": "https://a.example.org", "on": ["birthdays"]}), "birthdays"),
        (json!({"slack": "https://a.example.org", "after": "soon"}), "not a duration"),
        (json!({"ntfy": {"url": "https://me:secret@ntfy.example.org/x"}}), "has a password in it"),
        (smtp(json!({"tls": "maybe"})), "starttls, implicit or none"),
        (smtp(json!({"tls": "none", "username": "a", "password": "p"})), "in the open"),
        (smtp(json!({"username": "a"})), "write both"),
        (smtp(json!({"to": "nobody"})), "no e-mail address"),
    ] {
        configure(&rig, &json!({"ops": channel}));
        let refused = rig.run(&["notifications", "list"]).await;
        let said = refused.err.contains("A0201") && refused.err.contains(says);
        assert!(refused.code == 1 && said, "{channel}: {refused:?}");
    }
}
