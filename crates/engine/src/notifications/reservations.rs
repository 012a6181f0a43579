//! The messages about reservations: one began, ends in 15 and in 5 minutes, is over. Pure.
//!
//! By e-mail they go to whoever reserved, where that is an address; else to the channel.

use std::collections::BTreeMap;

use super::alerts::{AlertState, News};
use super::channel::{Carrier, Channel, Topic};
use crate::engine::PassView;
use crate::engine::commands::pools::ssh_line;
use crate::engine::report;
use crate::ledger::notifications::SentAlert;
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Language, Millis, Timestamp};

/// How rows about reservations begin in the ledger.
pub const ROWS: &str = "reservation/";

/// What was said last of a reservation that has machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Began,
    /// At most 15 minutes are left.
    Soon,
    /// At most 5.
    VerySoon,
}

impl Moment {
    const ALL: [(Self, &'static str, Millis); 2] =
        [(Self::VerySoon, "5", Millis::minutes(5)), (Self::Soon, "15", Millis::minutes(15))];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(moment, ..)| *moment == self).map_or("began", |(_, word, _)| word)
    }

    fn parse(word: &str) -> Self {
        Self::ALL.iter().find(|(_, known, _)| *known == word).map_or(Self::Began, |(moment, ..)| *moment)
    }

    /// Where a reservation is. One that is hardly longer than a warning gets none.
    fn reached(since: Timestamp, until: Timestamp, now: Timestamp) -> Self {
        let is_near = |left: Millis| until - now <= left && until - since > left;
        Self::ALL.iter().find(|(.., left)| is_near(*left)).map_or(Self::Began, |(moment, ..)| *moment)
    }
}

/// What is due about one reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationNews {
    /// The channel, to whoever reserved.
    pub channel: Channel,
    /// The message; `None`: it was extended, so only what was said last changes.
    pub news: Option<News>,
    /// The key of its row.
    pub key: String,
    /// The row from then on; `None`: it is over.
    pub row: Option<SentAlert>,
}

/// What is due to a channel that was sent `told`.
pub fn due(pass: &PassView, channel: &Channel, told: &[SentAlert], now: Timestamp) -> Vec<ReservationNews> {
    // Before the first pass nothing is known, so nothing is over.
    if pass.context.is_none() || !channel.on.contains(&Topic::Reservations) {
        Vec::new()
    } else {
        compared(pass, channel, told, now)
    }
}

fn compared(pass: &PassView, channel: &Channel, told: &[SentAlert], now: Timestamp) -> Vec<ReservationNews> {
    let known: BTreeMap<&str, &SentAlert> = told.iter().map(|row| (row.trouble.as_str(), row)).collect();
    let mut due = Vec::new();
    let mut live = BTreeMap::new();
    for (pool, facts) in pass.facts.pools.iter().filter(|(pool, _)| channel.wants(Topic::Reservations, pool)) {
        for one in &facts.reservations {
            let ReservationState::Held { since, until, .. } = one.state else { continue };
            let key = format!("{ROWS}{pool}/{}", one.label());
            let moment = Moment::reached(since, until, now);
            let said = known.get(key.as_str()).map(|row| Moment::parse(&row.code));
            let moment = if said.is_none() { Moment::Began } else { moment };
            live.insert(key.clone(), ());
            if said == Some(moment) {
                continue;
            }
            let is_news = said.is_none_or(|said| moment > said);
            // Of one that is over nothing is known but what was said.
            let row = SentAlert { trouble: key.clone(), code: moment.word().to_owned(), text: one.by.clone(), at: now };
            let news = is_news.then(|| news(pool, text(pass, pool, one, moment, now)));
            due.push(ReservationNews { channel: to(channel, &one.by), news, key, row: Some(row) });
        }
    }
    for row in told.iter().filter(|row| !live.contains_key(&row.trouble)) {
        let Some((pool, label)) = row.trouble.strip_prefix(ROWS).and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let news = news(pool, format!("{label} of {pool} is over: its accounts and all that they own are removed"));
        due.push(ReservationNews {
            channel: to(channel, &row.text),
            news: Some(news),
            key: row.trouble.clone(),
            row: None,
        });
    }
    due
}

fn news(pool: &str, text: String) -> News {
    let (topic, state, code, hints) = (Topic::Reservations, AlertState::Report, String::new(), Vec::new());
    News { topic, state, service: pool.to_owned(), text, code, hints, since: None, deployment: None }
}

fn text(pass: &PassView, pool: &str, one: &Reservation, moment: Moment, now: Timestamp) -> String {
    let (label, user) = (one.label(), &one.user);
    let Some(until) = one.until() else { return String::new() };
    let at = report::exact_time(until, Language::En);
    match moment {
        Moment::Began => {
            let known = pass.services.get(pool).and_then(|service| service.pool.as_ref());
            let way = |name: &String| {
                let machine = known.and_then(|pool| pool.machines.get(name));
                machine.map_or_else(|| name.clone(), |machine| format!("{name}: {}", ssh_line(user, machine)))
            };
            let machines: Vec<String> = one.machines().map(way).collect();
            format!("{label} of {pool} began for {user}, until {at}\n{}", machines.join("\n"))
        }
        Moment::Soon | Moment::VerySoon => {
            let left = ((until - now).0 + 59_999) / 60_000;
            format!(
                "{label} of {pool} ends in {left} min, at {at}: what {user} has there is removed then\nlonger: amarre pool extend {pool} {label}"
            )
        }
    }
}

/// The channel, to one person where it is e-mail and that person has an address.
fn to(channel: &Channel, by: &str) -> Channel {
    let mut channel = channel.clone();
    if let Carrier::Smtp(smtp) = &mut channel.carrier
        && by.contains('@')
    {
        smtp.to = vec![by.to_owned()];
    }
    channel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::channel::{Smtp, SmtpTls};
    use amarre_core::model::pool::PoolFacts;

    const NOW: Timestamp = Timestamp(1_795_176_000_000);

    fn channel() -> Channel {
        let text = |text: &str| text.to_owned();
        let smtp = Smtp {
            host: text("mail.example.org"),
            port: 25,
            tls: SmtpTls::None,
            username: None,
            password: None,
            from: text("amarre@example.org"),
            to: vec![text("ops@example.org")],
        };
        let (on, carrier) = ([Topic::Reservations].into(), Carrier::Smtp(Box::new(smtp)));
        Channel { name: text("mail"), carrier, on, services: Vec::new(), after: Millis(0) }
    }

    fn recipient(due: &ReservationNews) -> &str {
        let Carrier::Smtp(smtp) = &due.channel.carrier else { return "" };
        &smtp.to[0]
    }

    /// A pool with a reservation of an hour that ends in so long.
    fn pass(left: Millis, by: &str) -> PassView {
        let until = NOW + left;
        let machines = ["m1".to_owned()].into();
        let state = ReservationState::Held { machines, since: until + Millis::minutes(-60), until };
        let (user, by, length) = ("alice".to_owned(), by.to_owned(), Millis::minutes(60));
        let one = Reservation { id: 7, user, by, count: 1, partly: false, asked: NOW, from: NOW, length, state };
        let mut pass = PassView::default();
        let facts = PoolFacts { reservations: vec![one], ..PoolFacts::default() };
        pass.facts.pools.insert("lab".to_owned(), facts);
        pass
    }

    #[test]
    fn each_moment_of_a_reservation_is_said_once_to_who_reserved() {
        let mut told: Vec<SentAlert> = Vec::new();
        let mut said = Vec::new();
        for left in [60, 30, 15, 14, 5, 4, 20, 15, 3] {
            for due in compared(&pass(Millis::minutes(left), "alice@example.org"), &channel(), &told, NOW) {
                assert_eq!(recipient(&due), "alice@example.org");
                said.extend(due.news.map(|news| format!("{left}: {}", news.text.lines().next().unwrap_or_default())));
                told = due.row.into_iter().collect();
            }
        }
        let words: Vec<&str> = said.iter().map(|line| line.split(", ").next().unwrap_or_default()).collect();
        let expected = ["60: r7 of lab began for alice", "15: r7 of lab ends in 15 min", "5: r7 of lab ends in 5 min"];
        // It was extended at 20, so it is said again.
        let again = ["15: r7 of lab ends in 15 min", "3: r7 of lab ends in 3 min"];
        assert_eq!(words, [expected.as_slice(), again.as_slice()].concat());

        let over = compared(&PassView::default(), &channel(), &told, NOW);
        assert_eq!(
            over.iter().map(|due| (recipient(due), due.row.is_none())).collect::<Vec<_>>(),
            [("alice@example.org", true)]
        );
        let of_a_token = compared(&pass(Millis::minutes(60), "token ci"), &channel(), &[], NOW);
        assert_eq!(of_a_token.iter().map(recipient).collect::<Vec<_>>(), ["ops@example.org"]);
    }
}
