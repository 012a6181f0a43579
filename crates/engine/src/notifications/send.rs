//! Sends a message over each transport. Errors never quote the address, which may be a secret.
//!
//! | way | what it takes |
//! |---|---|
//! | Slack | `POST` of `{"text"}` to an incoming webhook |
//! | Discord | `POST` of `{"content"}`, 2,000 letters at most, to a webhook |
//! | ntfy | `POST` of the text to a topic, with `Title`, `Priority`, `Tags`, `Click` |
//! | e-mail | SMTP |
//! | webhook | `POST` of JSON, signed as Standard Webhooks has it: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,BASE64` of HMAC-SHA256 over `id.timestamp.body` |

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::channel::{Carrier, Smtp, SmtpTls};
use super::message::Message;
use crate::providers::http::Http;
use amarre_core::model::{Millis, Timestamp};

/// A mail server that stays silent for this long is away.
const SMTP_TIMEOUT: Duration = Duration::from_secs(30);

/// The message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    pub why: String,
    /// The earliest next try.
    pub retry_after: Option<Millis>,
}

impl From<String> for NotTaken {
    fn from(why: String) -> Self {
        Self { why, retry_after: None }
    }
}

/// Sends one message.
///
/// # Errors
/// The other side refused it; without its address, which may be a secret.
pub async fn send(carrier: &Carrier, message: &Message, now: Timestamp) -> Result<(), NotTaken> {
    match carrier {
        Carrier::Slack { hook } => {
            // Slack reserves these three, as in `<!channel>`.
            let plain = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let body = json!({"text": format!("*{}*\n{}", plain(&message.title), plain(&message.text))});
            post(hook.expose(), body.to_string(), &[("content-type", "application/json")]).await
        }
        Carrier::Discord { hook } => {
            let content =
                format!("**{}**\n{}", unmarked(&message.title, &[]), unmarked(&message.text, &pages(message)));
            let content: String = content.chars().take(2_000).collect();
            // No name in a text mentions a person.
            let body = json!({"content": content, "allowed_mentions": {"parse": []}});
            post(hook.expose(), body.to_string(), &[("content-type", "application/json")]).await
        }
        Carrier::Ntfy { url, token } => {
            let (priority, tag) = if message.is_urgent { ("high", "warning") } else { ("default", "anchor") };
            let bearer = token.as_ref().map(|token| format!("Bearer {}", token.expose()));
            let mut headers = vec![("title", message.title.as_str()), ("priority", priority), ("tags", tag)];
            headers.extend(message.link.as_deref().map(|link| ("click", link)));
            headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
            post(url, message.text.clone(), &headers).await
        }
        Carrier::Webhook { url, secret } => {
            let body = message.document.to_string();
            // A message that is sent again keeps its id.
            let told = Sha256::digest(message.document["news"].to_string().as_bytes());
            let id = format!("msg_{}", &hex::encode(told)[..32]);
            let at = (now.0 / 1_000).to_string();
            let plain = secret.expose();
            let key = plain.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
            let key = key.as_deref().unwrap_or(plain.as_bytes());
            let mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
            let mac = mac.chain_update(format!("{id}.{at}.{body}")).finalize().into_bytes();
            let signature = format!("v1,{}", STANDARD.encode(mac));
            let headers = [
                ("content-type", "application/json"),
                ("webhook-id", id.as_str()),
                ("webhook-timestamp", at.as_str()),
                ("webhook-signature", signature.as_str()),
            ];
            post(url, body, &headers).await
        }
        Carrier::Smtp(smtp) => mail(smtp, message).await.map_err(NotTaken::from),
    }
}

/// The addresses of pages in a message, which stand in lines of their own.
fn pages(message: &Message) -> Vec<&str> {
    let news = message.document["news"].as_array().into_iter().flatten();
    news.filter_map(|one| one["page"].as_str()).collect()
}

/// A text in which Discord finds no Markdown: no link with a name of its own, no emphasis, no mention.
fn unmarked(text: &str, pages: &[&str]) -> String {
    let mut plain = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if pages.contains(&line.trim()) {
            plain.push_str(line);
            continue;
        }
        for letter in line.chars() {
            if "\\*_~`|[]()<>#".contains(letter) {
                plain.push('\\');
            }
            plain.push(letter);
        }
    }
    plain
}

async fn post(url: &str, body: String, headers: &[(&str, &str)]) -> Result<(), NotTaken> {
    let http = Http::new(None)?;
    let mut request = http.request(reqwest::Method::POST, url).body(body);
    for (name, value) in headers {
        // A header is one line of ASCII letters.
        let value: String = value.chars().map(|char| if char.is_ascii_graphic() { char } else { ' ' }).collect();
        request = request.header(*name, value);
    }
    let answer = http.send(request).await.map_err(|failure| failure.message().to_owned())?;
    if answer.is_success() {
        return Ok(());
    }
    Err(NotTaken { why: format!("it answered {}", answer.status), retry_after: answer.retry_after })
}

async fn mail(smtp: &Smtp, message: &Message) -> Result<(), String> {
    let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|error| format!("{text}: {error}"));
    let mut letter = lettre::Message::builder().from(mailbox(&smtp.from)?).subject(message.title.clone());
    for to in &smtp.to {
        letter = letter.to(mailbox(to)?);
    }
    let letter = letter.body(message.text.clone()).map_err(|error| error.to_string())?;
    let tls = || TlsParameters::new(smtp.host.clone()).map_err(|error| error.to_string());
    let tls = match smtp.tls {
        SmtpTls::StartTls => Tls::Required(tls()?),
        SmtpTls::Implicit => Tls::Wrapper(tls()?),
        SmtpTls::None => Tls::None,
    };
    let mut way = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.clone());
    way = way.port(smtp.port).tls(tls).timeout(Some(SMTP_TIMEOUT));
    if let (Some(name), Some(password)) = (&smtp.username, &smtp.password) {
        way = way.credentials(Credentials::new(name.clone(), password.expose().to_owned()));
    }
    way.build().send(letter).await.map(|_| ()).map_err(|error| crate::error_chain::chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discord_finds_no_markdown_but_the_page() {
        let page = "https://amarre.example.org/services/a_b";
        let text = format!("! web: [x](http://evil) **is** <@1>\n  {page}\n");
        assert_eq!(
            unmarked(&text, &[page]),
            format!("! web: \\[x\\]\\(http://evil\\) \\*\\*is\\*\\* \\<@1\\>\n  {page}\n")
        );
    }
}
