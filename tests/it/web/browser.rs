//! Requests pages as a browser does: with cookies, from the same site, and following redirects.

use std::collections::BTreeMap;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::trust::Trust;

/// One answer.
#[derive(Debug, Clone)]
pub struct Page {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Page {
    pub fn location(&self) -> &str {
        self.headers.get("location").map(String::as_str).unwrap_or_default()
    }

    #[track_caller]
    pub fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "{}: no `{text}` in\n{}", self.status, self.body);
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A visitor.
#[derive(Debug, Clone)]
pub struct Browser {
    port: u16,
    /// With HTTPS, what it trusts.
    trust: Option<Trust>,
    pub cookies: BTreeMap<String, String>,
    /// Sent with each request.
    pub headers: Vec<(String, String)>,
}

impl Browser {
    pub fn with_address(port: u16) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![header("Accept", "text/html"), header("Sec-Fetch-Site", "same-origin")];
        Self { port, trust: None, cookies: BTreeMap::new(), headers }
    }

    /// Speaks HTTPS from now on.
    pub fn trusting(mut self, trust: &Trust) -> Self {
        self.trust = Some(trust.clone());
        self
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.ask("GET", path, None).await
    }

    /// Sends JSON, or nothing, as a program does.
    pub async fn json(&mut self, method: &str, path: &str, body: Option<&str>) -> Page {
        self.ask(method, path, body.map(|body| ("application/json", body))).await
    }

    /// Asks with this token from now on.
    pub fn with_token(mut self, token: &str) -> Self {
        self.headers = vec![("Authorization".to_owned(), format!("Bearer {token}"))];
        self
    }

    /// Sends a form as it is.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.ask("POST", path, Some(("application/x-www-form-urlencoded", &fields.join("&")))).await
    }

    /// Sends a form with what the page `from` carries.
    pub async fn send(&mut self, from: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.get(from).await;
        let csrf = hidden(&page.body, "csrf").unwrap_or_default();
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(fields);
        self.post(path, &all).await
    }

    pub async fn signs_in(&mut self, email: &str, password: &str) -> Page {
        self.post("/login", &[("email", email), ("password", password)]).await
    }

    pub async fn ask(&mut self, method: &str, path: &str, body: Option<(&str, &str)>) -> Page {
        let mut stream: Box<dyn Stream> = match &self.trust {
            Some(trust) => Box::new(trust.connect(self.port).await.unwrap()),
            None => Box::new(TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()),
        };
        let mut head = format!("{method} {path} HTTP/1.0\r\n");
        if !self.headers.iter().any(|(name, _)| name == "Host") {
            head.push_str(&format!("Host: 127.0.0.1:{}\r\n", self.port));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        head.push_str(&format!("Cookie: {}\r\n", cookies.join("; ")));
        let (content, body) = body.unwrap_or_default();
        if !content.is_empty() {
            head.push_str(&format!("Content-Type: {content}\r\nContent-Length: {}\r\n", body.len()));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut headers = BTreeMap::new();
        for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
            if name == "set-cookie" {
                let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            headers.insert(name.to_owned(), value.to_owned());
        }
        Page { status: head.split(' ').nth(1).unwrap().parse().unwrap(), headers, body: body.to_owned() }
    }
}

/// The value of a hidden field.
pub fn hidden(html: &str, name: &str) -> Option<String> {
    let at = html.find(&format!("name=\"{name}\" value=\""))?;
    let rest = &html[at..];
    Some(rest.split("value=\"").nth(1)?.split('"').next()?.to_owned())
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
