//! Whose turn it is to be fetched.
//!
//! | of those whose time has come | |
//! |---|---|
//! | the one at the server with the fewest fetches at work, then the one that was not asked for the longest time | comes first |
//! | those at a server that answers | may have all slots for which no other waits |
//! | those at a server that has not answered, or not often enough since it did not | have one slot together |
//! | at all servers that did not answer last | leave one slot to others, and are asked ever more rarely |
//! | one that takes longer than a slice while others wait | goes on beside the slots, and its server has one of them meanwhile |
//! | of more than [`SLOW_MAX`] that go on so | the oldest of the server with the most of them ends |
//!
//! A slice is the shorter the more servers there are that wait or are being asked: who waits behind all others waits about [`SLICE`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{ASKS_MAX, AppRepositories, COUNTED, INTERVAL, KnownApp};
use amarre_core::model::{GitUrl, Millis, Timestamp};
use amarre_core::turns::{self, QueuedJob, Room};

/// Fetches at once: each is a process.
const FETCHES_MAX: usize = 4;
/// Fetches from servers that did not answer last: each lasts until its time is over.
const SILENT_MAX: usize = FETCHES_MAX - 1;
/// For how long the last of those that wait has to, where each of those before it takes its whole slice.
const SLICE: Millis = Millis::seconds(10);
/// A fetch has a slot for so long at least, however many wait.
const SLICE_MIN: Millis = Millis(500);
/// Fetches that go on beside the slots.
const SLOW_MAX: usize = 24;
/// None is ended for the sake of others before it had so long.
const ENDED_AFTER: Millis = Millis::seconds(5);
/// A repository whose server does not answer is asked for at most so much more rarely.
const RARER_MAX: i64 = 16;

/// Servers that were asked, each with how many good answers it owes: whoever answers once in a while is not trusted with all slots.
#[derive(Debug, Default)]
pub struct ServerTrust(BTreeMap<String, u8>);

/// Good answers after one that did not come.
const OWED: u8 = 3;

impl ServerTrust {
    /// A server answered, or did not.
    pub fn note(&mut self, server: String, is_silent: bool) {
        let owed = self.0.entry(server).or_default();
        *owed = if is_silent { OWED } else { owed.saturating_sub(1) };
    }

    /// Whether a server answers; `None`: it was not asked.
    pub fn answers(&self, server: &str) -> Option<bool> {
        self.0.get(server).map(|owed| *owed == 0)
    }

    /// Whether it did not answer when it was asked last.
    fn is_silent(&self, server: &str) -> bool {
        self.0.get(server) == Some(&OWED)
    }
}

/// How a fetch that runs stands to those that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FetchPace {
    /// It has a slot.
    #[default]
    Brief,
    /// It takes long, and has given its slot back.
    Slow,
    /// It was told to end for the sake of others.
    Ended,
}

/// How long a fetch may have its slot by the number of servers that wait or are being asked.
fn slice(servers: usize) -> Millis {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    Millis(SLICE.0.saturating_mul(count(FETCHES_MAX)) / count(servers.max(FETCHES_MAX))).max(SLICE_MIN)
}

/// The servers of these.
fn servers_of<'a>(apps: impl Iterator<Item = &'a KnownApp>) -> BTreeSet<String> {
    apps.map(KnownApp::server).collect()
}

/// The slice while these wait; `None`: there are none.
fn slice_beside(known: &BTreeMap<String, KnownApp>, waits: impl Fn(&KnownApp) -> bool) -> Option<Millis> {
    known.values().any(&waits).then(|| {
        let all = known.values().filter(|one| waits(one) || one.state.is_fetching);
        slice(servers_of(all).len())
    })
}

/// Takes the slots of those that have had their slice.
fn end_slices(known: &mut BTreeMap<String, KnownApp>, slice: Millis, now: Timestamp) {
    let is_over = |one: &KnownApp| one.runs_at(FetchPace::Brief) && one.has_run(now) >= slice;
    for name in oldest_first(known, is_over) {
        let slow = oldest_first(known, |one| one.runs_at(FetchPace::Slow));
        if slow.len() >= SLOW_MAX && !end_one(known, &slow, now) {
            return;
        }
        if let Some(one) = known.get_mut(&name) {
            one.pace = FetchPace::Slow;
        }
    }
}

/// Ends one of those that take long. Whether there was any that has had its time.
fn end_one(known: &mut BTreeMap<String, KnownApp>, slow: &[String], now: Timestamp) -> bool {
    let old: Vec<&String> =
        slow.iter().filter(|name| known.get(*name).is_some_and(|one| one.has_run(now) >= ENDED_AFTER)).collect();
    let servers: Vec<String> = old.iter().filter_map(|name| known.get(*name)).map(KnownApp::server).collect();
    let ends = turns::gives_way(&servers.iter().map(String::as_str).collect::<Vec<_>>());
    let Some(one) = ends.and_then(|at| known.get_mut(old[at])) else { return false };
    one.pace = FetchPace::Ended;
    one.is_over.notify_one();
    true
}

/// The names of those of which this holds, the one first that was begun first.
fn oldest_first(known: &BTreeMap<String, KnownApp>, is_one: impl Fn(&KnownApp) -> bool) -> Vec<String> {
    let mut found: Vec<_> =
        known.iter().filter(|(_, one)| is_one(one)).map(|(name, one)| (one.asks.back(), name)).collect();
    found.sort();
    found.into_iter().map(|(_, name)| name.clone()).collect()
}

impl AppRepositories {
    /// Begins to fetch those whose time has come and whose turn it is. `wake` rings for each that has changed, and when it is the turn of
    /// those that wait.
    pub fn fetch_due(&self, now: Timestamp, wake: &Arc<Notify>) {
        let mut known = self.lock();
        let is_due = |one: &KnownApp| one.next() <= now && !one.state.is_fetching;
        if let Some(slice) = slice_beside(&known, is_due) {
            end_slices(&mut known, slice, now);
        }
        let slow = servers_of(known.values().filter(|one| one.state.is_fetching && one.pace != FetchPace::Brief));
        let servers = self.servers();
        let waits = |(name, one): (&String, &KnownApp)| {
            let server = one.server();
            one.job(name, if slow.contains(&server) { Some(false) } else { servers.answers(&server) })
        };
        let runs = |(name, one): (&String, &KnownApp)| one.running_job(name, servers.answers(&one.server()));
        let waiting: Vec<QueuedJob> = known.iter().filter(|(_, one)| is_due(one)).map(waits).collect();
        let running: Vec<QueuedJob> = known.iter().filter(|(_, one)| one.state.is_fetching).map(runs).collect();
        drop(servers);
        let begun = turns::begin(&waiting.iter().collect::<Vec<_>>(), &running);
        let begun: BTreeSet<&String> = begun.into_iter().map(|number| &waiting[number].name).collect();
        for (name, one) in known.iter_mut() {
            one.state.limited = one.limited(now);
            one.is_waiting = is_due(one) && !begun.contains(name);
            if begun.contains(name) {
                one.state.is_fetching = true;
                (one.pace, one.is_over) = (FetchPace::Brief, Arc::default());
                one.state.asked = Some(now);
                one.asks.push_back(now);
                one.asks.drain(..one.asks.len().saturating_sub(ASKS_MAX));
                self.begin(name.clone(), one, wake.clone());
            }
        }
    }

    pub(super) fn servers(&self) -> MutexGuard<'_, ServerTrust> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next server is to be asked; `None`: there is none.
    pub fn next(&self) -> Option<Timestamp> {
        let known = self.lock();
        // The end of a fetch wakes those that wait for their turn, and so does that of a slice.
        let due = known.values().filter(|one| !one.state.is_fetching && !one.is_waiting).map(KnownApp::next);
        due.chain(next_end_of_slice(&known)).min()
    }

    /// Whether a server is being asked that may answer: one that did not is not waited for.
    pub fn is_fetching(&self) -> bool {
        let known = self.lock();
        let servers = self.servers();
        known.values().any(|one| one.state.is_fetching && !servers.is_silent(&one.server()))
    }
}

/// When the next of those that have a slot gives it to one that waits.
fn next_end_of_slice(known: &BTreeMap<String, KnownApp>) -> Option<Timestamp> {
    let slice = slice_beside(known, |one| one.is_waiting)?;
    let begun = |pace: FetchPace| known.values().filter(move |one| one.runs_at(pace)).filter_map(KnownApp::begun);
    let ends = begun(FetchPace::Brief).min()? + slice;
    // Where no more go on beside the slots, one of them has to have had its time.
    let room = begun(FetchPace::Slow).min().filter(|_| begun(FetchPace::Slow).count() >= SLOW_MAX);
    Some(room.map_or(ends, |oldest| ends.max(oldest + ENDED_AFTER)))
}

impl KnownApp {
    /// When its server was asked last.
    fn begun(&self) -> Option<Timestamp> {
        self.asks.back().copied()
    }

    fn runs_at(&self, pace: FetchPace) -> bool {
        self.state.is_fetching && self.pace == pace
    }

    fn has_run(&self, now: Timestamp) -> Millis {
        self.begun().map_or(Millis(0), |begun| now - begun)
    }

    /// When its server is to be asked.
    fn next(&self) -> Timestamp {
        let usual = self.state.asked.map_or(Timestamp(0), |asked| asked + self.pause());
        usual.max(self.room().unwrap_or_default())
    }

    /// Between two questions. It grows while the server does not answer.
    fn pause(&self) -> Millis {
        let rarer = 1_i64 << self.silences.saturating_sub(1).min(10);
        Millis(INTERVAL.0 * rarer.min(RARER_MAX))
    }

    fn server(&self) -> String {
        server_of(&self.source.url)
    }

    /// Its turn at a fetch. `answered`: whether its server answers. What was fetched by an earlier process was an
    /// answer, too.
    fn job(&self, name: &str, answered: Option<bool>) -> QueuedJob {
        let mut places = vec![Room::brief("fetches", FETCHES_MAX)];
        if !answered.unwrap_or(self.state.commit.is_some()) {
            places.push(Room::new(format!("server {}", self.server()), 1));
        }
        if answered == Some(false) {
            places.push(Room::brief("silent", SILENT_MAX));
        }
        QueuedJob { name: name.to_owned(), owner: self.server(), last: self.begun(), places, ..QueuedJob::default() }
    }

    /// The same while it runs.
    fn running_job(&self, name: &str, answered: Option<bool>) -> QueuedJob {
        let mut job = self.job(name, answered);
        if self.pace != FetchPace::Brief {
            job.places.retain(|place| !place.is_brief);
        }
        job
    }

    /// When it may be asked, after it was asked as often as may be.
    fn room(&self) -> Option<Timestamp> {
        self.asks.front().filter(|_| self.asks.len() >= ASKS_MAX).map(|oldest| *oldest + COUNTED)
    }

    /// When it is asked, where it was to be asked by now.
    pub(super) fn limited(&self, now: Timestamp) -> Option<Timestamp> {
        let is_wanted = self.state.asked.is_none_or(|asked| now - asked >= self.pause());
        self.room().filter(|room| is_wanted && now < *room)
    }
}

/// The server of a repository, by host and port.
pub(super) fn server_of(url: &GitUrl) -> String {
    match url {
        GitUrl::Ssh { host, port, .. } => format!("{}:{}", host.to_ascii_lowercase(), port.unwrap_or(22)),
        GitUrl::Http(text) => {
            let (scheme, rest) = text.split_once("://").unwrap_or_default();
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
            let usual = if scheme.eq_ignore_ascii_case("http") { ":80" } else { ":443" };
            host.strip_suffix(usual).map_or_else(|| host.clone(), str::to_owned)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;
    use crate::source::apps::AppFolder;
    use amarre_core::model::app::AppSource;

    /// Waits until no fetch goes on, also from servers that are not waited for.
    async fn ended(all: &AppRepositories) {
        loop {
            let ended = all.ended.notified();
            if !all.lock().values().any(|one| one.state.is_fetching) {
                return;
            }
            ended.await;
        }
    }

    /// A folder of clones whose fetches all fail at once, and a repository in it.
    async fn asked_by(ask: impl Fn(&AppRepositories, Timestamp)) -> (AppRepositories, AppSource, Vec<Timestamp>) {
        let folder = tempfile::tempdir().unwrap();
        let place = AppFolder { folder: folder.path().to_owned(), program: PathBuf::from("/bin/false") };
        let all = AppRepositories::new(place);
        let source = AppSource::new("shop", GitUrl::parse("https://git.example.org/a/b.git").unwrap());
        all.recall(&BTreeMap::from([("shop".to_owned(), source.clone())]));
        let mut asked = BTreeSet::new();
        // A quarter of an hour, second by second.
        for now in (0..900).map(|second| Timestamp(1_800_000_000_000 + second * 1_000)) {
            ask(&all, now);
            all.fetch_due(now, &Arc::default());
            ended(&all).await;
            asked.extend(all.state(&source).unwrap().asked);
        }
        (all, source, asked.into_iter().collect())
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_asked_ever_more_rarely() {
        let (_, _, asked) = asked_by(|_, _| ()).await;
        let seconds: Vec<i64> = asked.iter().map(|at| (*at - asked[0]).0 / 1_000).collect();
        assert_eq!(seconds, [0, 60, 180, 420]);
    }

    /// Which of these begin beside one another, by what each server did when it was asked last.
    #[tokio::test]
    async fn a_server_that_does_not_answer_holds_one_slot_and_one_that_answers_all() {
        for (answered, begun) in [
            (vec![], vec!["a1", "z1"]),
            (vec![("dead.example.org", false)], vec!["a1", "z1"]),
            (vec![("dead.example.org", false), ("good.example.org", true)], vec!["a1", "z1", "z2", "z3"]),
            (vec![("dead.example.org", true), ("good.example.org", true)], vec!["a1", "a2", "z1", "z2"]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let place = AppFolder { folder: folder.path().to_owned(), program: PathBuf::from("/bin/false") };
            let all = AppRepositories::new(place);
            let source = |name: &str| {
                let server = if name.starts_with('a') { "dead" } else { "good" };
                let url = GitUrl::parse(&format!("https://{server}.example.org/x/{name}.git")).unwrap();
                AppSource::new(name, url)
            };
            let names = (1..=8).map(|n| format!("a{n}")).chain((1..=3).map(|n| format!("z{n}")));
            let sources: BTreeMap<String, AppSource> = names.map(|name| (name.clone(), source(&name))).collect();
            all.recall(&sources);
            answered.iter().for_each(|(server, is_there)| all.servers().note((*server).to_owned(), !is_there));
            all.fetch_due(Timestamp(1_800_000_000_000), &Arc::default());
            let states = all.states();
            let fetching: Vec<&str> =
                states.iter().filter(|(_, (_, state))| state.asked.is_some()).map(|(name, _)| name.as_str()).collect();
            assert_eq!(fetching, begun, "{answered:?}");
            ended(&all).await;
        }
    }

    /// Servers that have answered well, and then say nothing more, beside one that waits for its turn behind all of them.
    #[tokio::test]
    async fn a_repository_is_a_short_while_behind_servers_that_no_longer_answer() {
        for (others, most) in [(1, 0), (4, 10), (24, 12), (100, 20)] {
            let folder = tempfile::tempdir().unwrap();
            let program = folder.path().join("hangs");
            std::fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
            let all = AppRepositories::new(AppFolder { folder: folder.path().to_owned(), program });
            let source = |name: String| {
                let url = GitUrl::parse(&format!("https://{name}.example.org/x/y.git")).unwrap();
                (name.clone(), AppSource::new(&name, url))
            };
            let names = (0..others).map(|number| format!("a{number:03}")).chain(["zgood".to_owned()]);
            let sources: BTreeMap<String, AppSource> = names.map(source).collect();
            all.recall(&sources);
            sources.values().for_each(|source| all.servers().note(server_of(&source.url), false));
            let is_asked = || all.state(&sources["zgood"]).unwrap().asked.is_some();
            let (start, mut now, mut looks) = (Timestamp(1_800_000_000_000), Timestamp(1_800_000_000_000), 0);
            loop {
                all.fetch_due(now, &Arc::default());
                let running =
                    all.lock().values().filter(|one| one.state.is_fetching && one.pace != FetchPace::Ended).count();
                assert!(running <= FETCHES_MAX + SLOW_MAX, "{running}");
                if is_asked() {
                    break;
                }
                looks += 1;
                let next = all.next().unwrap();
                assert!(next > now && looks < 1_000, "the loop looks again when a slice ends");
                now = next;
            }
            assert!(now - start <= Millis::seconds(most), "{} ms beside {others}", (now - start).0);
        }
    }

    /// A server with many repositories gives way to one with a single one, which goes on.
    #[tokio::test]
    async fn the_only_fetch_of_a_server_ends_for_no_server_that_has_several() {
        let folder = tempfile::tempdir().unwrap();
        let place = AppFolder { folder: folder.path().to_owned(), program: PathBuf::from("/bin/false") };
        let all = AppRepositories::new(place);
        let source = |number: usize| {
            let server = if number == 0 { "good".to_owned() } else { format!("s{}", number % 6) };
            let url = GitUrl::parse(&format!("https://{server}.example.org/x/{number}.git")).unwrap();
            (format!("a{number:02}"), AppSource::new(&format!("a{number:02}"), url))
        };
        let sources: BTreeMap<String, AppSource> = (0..SLOW_MAX + 2).map(source).collect();
        all.recall(&sources);
        let (start, mut known) = (Timestamp(1_800_000_000_000), all.lock());
        for (number, one) in known.values_mut().enumerate().take(SLOW_MAX + 1) {
            (one.state.is_fetching, one.pace) =
                (true, if number < SLOW_MAX { FetchPace::Slow } else { FetchPace::Brief });
            one.asks.push_back(start + Millis(i64::try_from(number).unwrap()));
        }
        let paces = |known: &BTreeMap<String, KnownApp>, pace| known.values().filter(|one| one.runs_at(pace)).count();
        // None has had its time yet.
        end_slices(&mut known, SLICE_MIN, start + Millis::seconds(4));
        assert_eq!((paces(&known, FetchPace::Slow), paces(&known, FetchPace::Ended)), (SLOW_MAX, 0));
        end_slices(&mut known, SLICE_MIN, start + Millis::seconds(6));
        assert_eq!((paces(&known, FetchPace::Slow), paces(&known, FetchPace::Ended)), (SLOW_MAX, 1));
        let ended: Vec<&KnownApp> = known.values().filter(|one| one.pace == FetchPace::Ended).collect();
        assert_eq!(ended[0].server(), "s1.example.org");
    }

    #[test]
    fn a_slice_is_shorter_where_many_wait() {
        let slices: Vec<i64> = [0, 1, 4, 8, 40, 1_000].into_iter().map(|servers| slice(servers).0).collect();
        assert_eq!(slices, [10_000, 10_000, 10_000, 5_000, 1_000, 500]);
    }

    #[test]
    fn a_server_that_answers_now_and_then_is_not_trusted() {
        let mut servers = ServerTrust::default();
        for is_silent in [false, true, false, false] {
            servers.note("git".to_owned(), is_silent);
        }
        assert_eq!((servers.answers("git"), servers.is_silent("git")), (Some(false), false));
        servers.note("git".to_owned(), false);
        assert_eq!((servers.answers("git"), servers.answers("other")), (Some(true), None));
    }

    #[tokio::test]
    async fn who_asks_all_the_time_asks_a_server_thirty_times_in_ten_minutes() {
        let (all, source, asked) = asked_by(|all, _| all.ask_again()).await;
        assert_eq!(asked.len(), 2 * ASKS_MAX);
        for (one, next) in asked.iter().zip(&asked[ASKS_MAX..]) {
            assert!(*next - *one >= COUNTED, "{one:?} {next:?}");
        }
        // It is said when it is asked next; a push says the same.
        let until = asked[ASKS_MAX] + COUNTED;
        let now = *asked.last().unwrap() + Millis::seconds(60);
        all.fetch_due(now, &Arc::default());
        assert_eq!(all.state(&source).unwrap().limited, Some(until));
        let told = all.pushed("refs/heads/main", &["https://git.example.org/a/b.git"], now);
        assert_eq!(told, Some(until));
        assert_eq!(all.pushed("refs/heads/other", &["https://git.example.org/a/b.git"], now), None);
    }
}
