//! A vendor that repeats in its errors what it was sent: in front of a simulator, one request a connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What is answered with an error: method (`*` for any), a part of the path, the status.
pub type Rule = (&'static str, &'static str, u16);

pub struct Echo {
    pub address: SocketAddr,
    rules: Arc<Mutex<Vec<Rule>>>,
    repeated: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Echo {
    pub async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let rules: Arc<Mutex<Vec<Rule>>> = Arc::default();
        let repeated: Arc<Mutex<String>> = Arc::default();
        let shared = (rules.clone(), repeated.clone());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (rules, repeated) = (shared.0.lock().unwrap().clone(), shared.1.clone());
                connections.spawn(async move { relay(client, upstream, &rules, &repeated).await });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, rules, repeated, task }
    }

    /// From now on, these.
    pub fn repeats(&self, rules: &[Rule]) {
        *self.rules.lock().unwrap() = rules.to_vec();
    }

    /// Everything that was repeated.
    pub fn repeated(&self) -> String {
        self.repeated.lock().unwrap().clone()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(mut client: TcpStream, upstream: SocketAddr, rules: &[Rule], repeated: &Mutex<String>) -> Option<()> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let rule = rules.iter().find(|(verb, part, _)| (*verb == "*" || *verb == method) && path.contains(part));
    if let Some((_, _, status)) = rule {
        while !is_whole(&head, &read[end..]) && client.read_buf(&mut read).await.ok()? != 0 {}
        let said = String::from_utf8_lossy(&read).into_owned();
        // The forms of Docker, OVH, NPM and OAuth2, all in one.
        let body = json!({
            "message": format!("what you sent was {said}"),
            "error": {"code": status, "message": format!("what you sent was {said}")},
            "error_description": said,
        });
        let body =
            if path.contains("oauth2") { json!({"error": "invalid_client", "error_description": said}) } else { body };
        repeated.lock().unwrap().push_str(&said);
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        client.write_all(answer.as_bytes()).await.ok()?;
        return client.shutdown().await.ok();
    }
    let mut server = TcpStream::connect(upstream).await.ok()?;
    let is_upgrade = head.to_lowercase().contains("upgrade");
    let close = if is_upgrade { "\r\n" } else { "Connection: close\r\n\r\n" };
    server.write_all(format!("{}{close}", &head[..head.len() - 2]).as_bytes()).await.ok()?;
    server.write_all(&read[end..]).await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok().map(|_| ())
}

fn is_whole(head: &str, body: &[u8]) -> bool {
    let head = head.to_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}
