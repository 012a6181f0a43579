//! Reservations as a person asks for them: one, one for each of several people, or the same again each day or week.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp as Instant};

use super::act::ActArgs;
use super::pools::{PUBLIC_KEY, USERS, owner};
use super::{CommandEnd, refused};
use crate::engine::report::pools::PoolRow;
use crate::providers::ssh::sign_in_text;
use crate::secret::Secret;
use amarre_core::model::pool::is_user_name;
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Code, Millis, Timestamp, words};

/// The letters of a made password, each one of 32.
const PASSWORD_LETTERS: usize = 20;
/// Letters and digits that are not taken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Longer ones are no public keys.
const KEY_CHARS_MAX: usize = 8192;
/// How often the same may be booked again: a year of weeks.
const TIMES_MAX: usize = 60;

/// A reservation as it was asked for.
pub struct ReservationDraft {
    reservation: Reservation,
    password: Option<Secret>,
    key: String,
    /// The password, where it was made here and is to be shown once.
    pub made: Option<Secret>,
}

impl ReservationDraft {
    /// Everything that a request asks for.
    ///
    /// # Errors
    /// Why it cannot be asked for.
    pub fn all(row: &PoolRow, args: &ActArgs, now: Timestamp) -> Result<Vec<Self>, CommandEnd> {
        let by = owner(args.text("by")).to_owned();
        if !(row.pool.who.is_empty() || row.pool.who.contains(&by.to_lowercase())) {
            let message = format!("{by} may not reserve machines of {}", row.name);
            return Err(refused(Code::A0766, &message, "`access.who` of its manifest says who may").into());
        }
        let starts = starts(args, now)?;
        let users = args.texts(USERS);
        if users.is_empty() {
            let user = args.given("user").map_or_else(|| usual_user(&by), str::to_owned);
            let first = Self::one(row, args, user, by, now)?;
            // One password for all of them, shown with the first.
            let again = |(index, from): (usize, &Timestamp)| Self {
                reservation: Reservation { from: *from, ..first.reservation.clone() },
                password: first.password.clone(),
                key: first.key.clone(),
                made: first.made.clone().filter(|_| index == 0),
            };
            return Ok(starts.iter().enumerate().map(again).collect());
        }
        if args.given("user").is_some() || starts.len() > 1 {
            let hint = "`--users` names the accounts, each with one reservation: leave out `--user` and `--every`";
            return Err(refused(Code::A0765, "that does not go together", hint).into());
        }
        let of = |line: &String| {
            let whose = if line.contains('@') { line.clone() } else { by.clone() };
            Self::one(row, args, usual_user(line), whose, now)
        };
        users.iter().map(of).collect()
    }

    fn one(row: &PoolRow, args: &ActArgs, user: String, by: String, now: Timestamp) -> Result<Self, CommandEnd> {
        if !is_user_name(&user) {
            let message = format!("an account cannot be called `{}`", words::cut(&words::line(&user), 40));
            let rule = "lower-case letters, digits and `-`, a letter first, at most 31, and no name that systems use";
            // It follows from who asks, unless it is said.
            let is_usual = args.given("user").is_none() && args.texts(USERS).is_empty();
            let hint = if is_usual { format!("name one with `--user NAME`: {rule}") } else { rule.to_owned() };
            return Err(refused(Code::A0765, &message, &hint).into());
        }
        let key = match args.given(PUBLIC_KEY) {
            None => String::new(),
            Some(text) => {
                let hint = "give the line of a .pub file: `ssh-ed25519 AAAA…`; never a private key";
                public_key(text).map_err(|why| refused(Code::A0765, why, hint))?
            }
        };
        let given = args.given("password").map(Secret::new);
        let made = (given.is_none() && key.is_empty()).then(made_password);
        let from = args.time("from_ms").map(Timestamp).filter(|from| *from > now).unwrap_or(now);
        let reservation = Reservation {
            id: 0,
            user,
            by,
            count: args.count("count").unwrap_or(1),
            partly: args.flag("partial"),
            asked: now,
            from,
            length: args.time("for_ms").map_or(row.pool.usual, Millis),
            state: ReservationState::Open,
        };
        Ok(Self { reservation, password: given.or_else(|| made.clone()), key, made })
    }

    /// The reservation, and how its user signs in.
    ///
    /// # Errors
    /// The password is not one.
    pub fn wanted(&self) -> Result<(Reservation, Secret), CommandEnd> {
        let hash = self.password.as_ref().map(crypt).transpose();
        let hash = hash.map_err(|why| refused(Code::A0765, &why, "choose another password, or sign in with a key"))?;
        Ok((self.reservation.clone(), Secret::new(sign_in_text(&hash.unwrap_or_default(), &self.key))))
    }

    /// Whether it is what became of this.
    pub fn is_of(&self, one: &Reservation) -> bool {
        let of = |one: &Reservation| (one.by.clone(), one.user.clone(), one.asked, one.from);
        of(one) == of(&self.reservation)
    }
}

/// When each of the reservations begins: once, or as often as `every` and `times` say, at the same time of the day.
fn starts(args: &ActArgs, now: Timestamp) -> Result<Vec<Timestamp>, CommandEnd> {
    let first = args.time("from_ms").map(Timestamp).filter(|from| *from > now);
    let wrong = |message: &str, hint: &str| Err(refused(Code::A0765, message, hint).into());
    let times = args.count("times");
    let step = match (args.given("every"), times) {
        (None, None) => return Ok(vec![first.unwrap_or(now)]),
        (None, Some(_)) => return wrong("`--times` without `--every`", "add `--every week`, or `--every day`"),
        (Some("day"), _) => Span::new().days(1),
        (Some("week"), _) => Span::new().weeks(1),
        (Some(_), _) => return wrong("`--every` is `day` or `week`", "as in `--every week --times 10`"),
    };
    let (Some(first), Some(times)) = (first, times.filter(|times| (1..=TIMES_MAX).contains(times))) else {
        return wrong(
            "`--every` needs a beginning and a number",
            "as in `--from \"2026-11-30 18:00\" --every week --times 10`, at most 60",
        );
    };
    let at = Instant::from_millisecond(first.0).map(|at| at.to_zoned(TimeZone::system()));
    let nth = |index: usize| {
        let shift = step.checked_mul(i64::try_from(index).ok()?).ok()?;
        let at = at.as_ref().ok()?.checked_add(shift).ok()?;
        Some(Timestamp(at.timestamp().as_millisecond()))
    };
    Ok((0..times).filter_map(nth).collect())
}

/// The account of who names none: what stands before the `@` of an address.
fn usual_user(by: &str) -> String {
    let local = by.split('@').next().unwrap_or_default().to_lowercase();
    local.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(31).collect()
}

/// The kind and the key of the one public key in a text, without whose it is.
fn public_key(text: &str) -> Result<String, &'static str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (first, second) = (lines.next(), lines.next());
    match (first.and_then(public_key_line), second) {
        (Some(_), Some(_)) => Err("these are several public keys, and a reservation has one"),
        (Some(key), None) => Ok(key),
        (None, _) => Err("this is no public key"),
    }
}

fn public_key_line(line: &str) -> Option<String> {
    const KINDS: [&str; 5] = ["ssh-rsa", "ssh-ed25519", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    let mut words = line.split_whitespace();
    let (kind, key) = (words.next()?, words.next()?);
    let is_kind = KINDS.iter().any(|known| kind.starts_with(known))
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-@.".contains(&byte));
    let is_key =
        key.starts_with("AAAA") && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    (is_kind && is_key && line.len() <= KEY_CHARS_MAX).then(|| format!("{kind} {key}"))
}

fn made_password() -> Secret {
    let letters = (0..PASSWORD_LETTERS).map(|_| char::from(ALPHABET[usize::from(rand::random::<u8>() % 32)]));
    Secret::new(letters.collect::<String>())
}

/// A password as `chpasswd -e` takes it on every system: SHA-512 crypt.
///
/// # Errors
/// It is too short, too long, or has line breaks.
pub fn crypt(password: &Secret) -> Result<String, String> {
    const LENGTHS: std::ops::RangeInclusive<usize> = 8..=200;
    let text = password.expose();
    if !LENGTHS.contains(&text.len()) || text.chars().any(char::is_control) {
        return Err("a password has 8 to 200 characters, and no line breaks".to_owned());
    }
    let salt: [u8; 12] = rand::random();
    let hash = sha_crypt::ShaCrypt::SHA512;
    sha_crypt::PasswordHasher::hash_password_with_salt(&hash, text.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::commands::act::Act;
    use crate::engine::commands::verbs::POOL_RESERVE;
    use amarre_core::model::Origin;
    use amarre_core::model::pool::{Between, Pool};
    use amarre_core::model::reservations::PoolRules;
    use serde_json::{Value as Json, json};

    const NOW: Timestamp = Timestamp(1_795_176_000_000);

    /// The accounts, whose they are, and in how many hours they begin; or the refusal.
    fn drafts(arguments: Json) -> Result<Vec<(String, String, i64)>, String> {
        let rules = PoolRules { longest: Millis::minutes(480), per_person: 5, queue: 50 };
        let pool = Pool {
            machines: std::collections::BTreeMap::new(),
            servers: std::collections::BTreeMap::new(),
            rules,
            usual: Millis::minutes(60),
            who: std::collections::BTreeSet::new(),
            shell: "/bin/sh".to_owned(),
            sudo: false,
            between: Between::Nothing,
            origin: Origin::default(),
        };
        let row = PoolRow { name: "lab".to_owned(), pool, machines: Vec::new(), reservations: Vec::new() };
        let mut given = arguments.as_object().cloned().unwrap_or_default();
        given.insert("pool".to_owned(), json!("lab"));
        given.entry("by").or_insert(json!("Tea <tea@example.org>"));
        let act = Act::parse(&POOL_RESERVE, given)?;
        let all = ReservationDraft::all(&row, &act.args, NOW)
            .map_err(|early| early.answer().map_or(String::new(), |answer| answer.text))?;
        assert!(all.iter().all(|draft| draft.wanted().is_ok()));
        assert!(all[0].made.is_some(), "a password is made where no key is given");
        let of = |draft: ReservationDraft| {
            let Reservation { user, by, from, .. } = draft.reservation;
            (user, by, (from - NOW).0 / 3_600_000)
        };
        Ok(all.into_iter().map(of).collect())
    }

    #[test]
    fn a_file_of_public_keys_has_one() {
        const ONE: &str = "ssh-ed25519 AAAAC3Nz";
        const OTHER: &str = "ssh-rsa AAAAB3Nz";
        assert_eq!(public_key(&format!("# mine\n\n{ONE} tea@laptop\r\n")), Ok(ONE.to_owned()));
        assert!(public_key(&format!("{ONE} tea\n{OTHER} tea\n")).unwrap_err().contains("several"));
        assert!(public_key(&format!("{ONE}\nsome more")).unwrap_err().contains("several"));
        assert!(public_key("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").unwrap_err().contains("no public key"));
    }

    #[test]
    fn one_several_and_the_same_again_are_asked_for() {
        let of = |user: &str, by: &str, hours: i64| (user.to_owned(), by.to_owned(), hours);
        assert_eq!(drafts(json!({})), Ok(vec![of("tea", "tea@example.org", 0)]));
        let users = drafts(json!({"users": ["alice@example.org", "bob"]}));
        assert_eq!(users, Ok(vec![of("alice", "alice@example.org", 0), of("bob", "tea@example.org", 0)]));
        let from_ms = NOW.0 + 3_600_000;
        let days = drafts(json!({"from_ms": from_ms, "every": "day", "times": 3})).unwrap();
        assert_eq!(days.iter().map(|(.., hours)| *hours).collect::<Vec<_>>(), [1, 25, 49]);
        for (arguments, why) in [
            (json!({"every": "week", "times": 3}), "needs a beginning"),
            (json!({"every": "week", "times": 61, "from_ms": from_ms}), "needs a beginning and a number"),
            (json!({"every": "month", "times": 3, "from_ms": from_ms}), "`day` or `week`"),
            (json!({"times": 3}), "without `--every`"),
            (json!({"users": ["a", "b"], "user": "c"}), "does not go together"),
            (json!({"users": ["alice", "root"]}), "cannot be called `root`"),
            (json!({"user": "a;rm -rf /"}), "cannot be called"),
            (json!({"by": "root"}), "`--user NAME`"),
        ] {
            let refused = drafts(arguments.clone()).unwrap_err();
            assert!(refused.contains(why), "{arguments}: {refused}");
        }
    }
}
