//! Renders messages, for people and for machines. Pure.

use serde_json::{Value as Json, json};

use super::alerts::{AlertState, News};
use super::channel::Topic;
use amarre_core::model::{Timestamp, words};

/// Further services are only counted.
const NEWS_SHOWN: usize = 20;
/// Discord takes 2,000 characters, ntfy 4,096 bytes; a longer text is cut.
const TEXT_CHARS_MAX: usize = 1_900;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub title: String,
    pub text: String,
    /// For machines, `amarre.notification/v1`.
    pub document: Json,
    /// Whether a person has to act.
    pub is_urgent: bool,
    /// The URL of the page.
    pub link: Option<String>,
}

/// Renders news. `site`: the URL of the pages, if people can reach them.
pub fn message(instance: &str, news: &[News], site: Option<&str>, now: Timestamp) -> Message {
    let count = |state: AlertState| news.iter().filter(|one| one.state == state).count();
    let title = match news {
        [one] => format!("amarre {instance}: {}", headline(one)),
        _ => {
            let parts = [
                (count(AlertState::Wrong), "to look at"),
                (count(AlertState::Over), "recovered"),
                (count(AlertState::Done), "changed"),
                (count(AlertState::Report), "reported"),
            ];
            let parts =
                parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
            format!("amarre {instance}: {}", parts.collect::<Vec<_>>().join(", "))
        }
    };
    let page = |one: &News| match (site, one.service.as_str()) {
        (Some(site), _) if one.topic == Topic::Savings => Some(format!("{site}/instances")),
        (Some(site), pool) if one.topic == Topic::Reservations => Some(format!("{site}/pools/{pool}")),
        (Some(site), "") => Some(format!("{site}/")),
        (Some(site), service) => Some(format!("{site}/services/{service}")),
        (None, _) => None,
    };
    let mut text = String::new();
    for one in news.iter().take(NEWS_SHOWN) {
        text.push_str(&paragraph(one, page(one).as_deref()));
    }
    if news.len() > NEWS_SHOWN {
        text.push_str(&format!("and {} more: amarre status\n", news.len() - NEWS_SHOWN));
    }
    let document = json!({
        "schema": "amarre.notification/v1", "instance": instance, "at": now.rfc3339(), "title": title,
        "news": news.iter().map(|one| json!({
            "topic": one.topic.word(), "state": one.state.word(),
            "service": Some(&one.service).filter(|service| !service.is_empty()),
            "text": one.text, "code": Some(&one.code).filter(|code| !code.is_empty()), "hints": one.hints,
            "since": one.since.map(Timestamp::rfc3339), "deployment": one.deployment, "page": page(one),
        })).collect::<Vec<_>>(),
    });
    let link = if let [one] = news { page(one) } else { site.map(|site| format!("{site}/")) };
    Message { title, text: cut(&text), document, is_urgent: count(AlertState::Wrong) > 0, link }
}

/// The message that tests a channel.
pub fn trial(instance: &str, by: &str, site: Option<&str>, now: Timestamp) -> Message {
    let title = format!("amarre {instance}: a test");
    let text = format!("{by} tries whether this arrives. Nothing is wrong.\n");
    let document = json!({
        "schema": "amarre.notification/v1", "instance": instance, "at": now.rfc3339(), "title": title, "news": [],
        "test": true,
    });
    Message { title, text, document, is_urgent: false, link: site.map(|site| format!("{site}/")) }
}

fn headline(one: &News) -> String {
    let who = if one.service.is_empty() { one.topic.word() } else { &one.service };
    match one.state {
        AlertState::Wrong if one.service.is_empty() => words::clean(first_line(&one.text)),
        AlertState::Wrong => format!("{who} needs somebody"),
        AlertState::Over => format!("{who} is well again"),
        AlertState::Done => format!("{who} was changed"),
        AlertState::Report => words::clean(first_line(&one.text)),
    }
}

fn paragraph(one: &News, page: Option<&str>) -> String {
    let who = if one.service.is_empty() { String::new() } else { format!("{}: ", one.service) };
    let code = if one.code.is_empty() { String::new() } else { format!(", {}", one.code) };
    // What others say begins no line of its own.
    let said = words::lines(&one.text).replace('\n', "\n  ");
    let mut text = match one.state {
        AlertState::Wrong => format!("! {who}{said}{code}\n"),
        AlertState::Over => format!("ok {who}recovered (it was: {}{code})\n", first_line(&said)),
        AlertState::Done => format!("~ {who}{said}\n"),
        AlertState::Report => format!("{who}{said}\n"),
    };
    if matches!(one.state, AlertState::Wrong | AlertState::Report) {
        one.hints.iter().for_each(|hint| text.push_str(&format!("  hint: {}\n", words::clean(hint))));
        page.iter().for_each(|page| text.push_str(&format!("  {page}\n")));
    }
    text
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= TEXT_CHARS_MAX {
        return text.to_owned();
    }
    let text: String = text.chars().take(TEXT_CHARS_MAX).collect();
    format!("{}\n… the rest: amarre status\n", text.rsplit_once('\n').map_or(text.as_str(), |(whole, _)| whole))
}

#[cfg(test)]
mod tests {
    use amarre_core::model::Code;

    use super::*;

    fn news(service: &str, state: AlertState, text: &str) -> News {
        let (service, text, code) = (service.to_owned(), text.to_owned(), Code::A0512.to_string());
        let hints = vec![format!("amarre logs {service} --last-failed")];
        News { topic: Topic::Attention, state, service, text, code, hints, since: None, deployment: None }
    }

    #[test]
    fn one_service_is_named_and_several_are_counted() {
        let now = Timestamp(1_795_000_000_000);
        let one = [news("photos", AlertState::Wrong, "v1.120 not healthy, v1.119 serves")];
        let written = message("home", &one, Some("https://amarre.example.org"), now);
        assert_eq!(written.title, "amarre home: photos needs somebody");
        assert_eq!(
            written.text,
            "! photos: v1.120 not healthy, v1.119 serves, A0512\n  hint: amarre logs photos --last-failed\n  \
             https://amarre.example.org/services/photos\n"
        );
        assert!(written.is_urgent);
        let several = [one[0].clone(), news("wiki", AlertState::Over, "record not ours")];
        let written = message("home", &several, None, now);
        assert_eq!(written.title, "amarre home: 1 to look at, 1 recovered");
        assert!(written.text.ends_with("ok wiki: recovered (it was: record not ours, A0512)\n"), "{}", written.text);
    }

    #[test]
    fn what_others_say_is_clean_and_begins_no_line() {
        let one = [news("", AlertState::Wrong, "\u{202e}away\u{1b}[2J\nok web: recovered\u{2028}")];
        let written = message("home", &one, None, Timestamp(0));
        assert_eq!(written.title, "amarre home: away");
        assert!(written.text.starts_with("! away\n  ok web: recovered, A0512\n  hint: "), "{}", written.text);
    }

    #[test]
    fn a_long_message_is_cut_at_a_line() {
        let many: Vec<News> = (0..60).map(|at| news(&format!("s{at}"), AlertState::Wrong, &"x".repeat(100))).collect();
        let written = message("home", &many, None, Timestamp(0));
        assert!(written.text.chars().count() <= TEXT_CHARS_MAX + 30);
        assert!(written.text.ends_with("\n… the rest: amarre status\n"), "{}", written.text);
        assert_eq!(written.document["news"].as_array().map(Vec::len), Some(60));
    }
}
