//! Whose turn it is to be fetched.
//!
//! | of those whose time has come | |
//! |---|---|
//! | the one that was not asked for the longest time | comes first |
//! | those at a server that answers | may have all slots |
//! | those at a server that did not answer last, or never has | have one slot together |
//! | at all servers that did not answer last | leave one slot to others, and are asked ever more rarely |

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
/// A repository whose server does not answer is asked for at most so much more rarely.
const RARER_MAX: i64 = 16;

impl AppRepositories {
    /// Begins to fetch those whose time has come and whose turn it is. `wake` rings for each that has changed, and when it is the turn of
    /// those that wait.
    pub fn fetch_due(&self, now: Timestamp, wake: &Arc<Notify>) {
        let mut known = self.lock();
        let servers = self.servers();
        let job = |(name, one): (&String, &KnownApp)| one.job(name, servers.get(&one.server()).copied());
        let is_due = |one: &KnownApp| one.next() <= now && !one.state.is_fetching;
        let waiting: Vec<QueuedJob> = known.iter().filter(|(_, one)| is_due(one)).map(job).collect();
        let running: Vec<QueuedJob> = known.iter().filter(|(_, one)| one.state.is_fetching).map(job).collect();
        drop(servers);
        let begun = turns::begin(&waiting.iter().collect::<Vec<_>>(), &running);
        let begun: BTreeSet<&String> = begun.into_iter().map(|number| &waiting[number].name).collect();
        for (name, one) in known.iter_mut() {
            one.state.limited = one.limited(now);
            one.is_waiting = is_due(one) && !begun.contains(name);
            if begun.contains(name) {
                one.state.is_fetching = true;
                one.state.asked = Some(now);
                one.asks.push_back(now);
                one.asks.drain(..one.asks.len().saturating_sub(ASKS_MAX));
                self.begin(name.clone(), (one.repository.clone(), one.source.clone()), wake.clone());
            }
        }
    }

    pub(super) fn servers(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next server is to be asked; `None`: there is none.
    pub fn next(&self) -> Option<Timestamp> {
        let known = self.lock();
        // The end of a fetch wakes those that wait for their turn.
        known.values().filter(|one| !one.state.is_fetching && !one.is_waiting).map(KnownApp::next).min()
    }

    /// Whether a server is being asked that may answer: one that did not is not waited for.
    pub fn is_fetching(&self) -> bool {
        let known = self.lock();
        let servers = self.servers();
        known.values().any(|one| one.state.is_fetching && servers.get(&one.server()) != Some(&false))
    }
}

impl KnownApp {
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

    /// Its turn at a fetch. `answered`: whether its server answered when it was asked last. What was fetched by an earlier process was an
    /// answer, too.
    fn job(&self, name: &str, answered: Option<bool>) -> QueuedJob {
        let mut places = vec![Room::new("fetches", FETCHES_MAX)];
        if !answered.unwrap_or(self.state.commit.is_some()) {
            places.push(Room::new(format!("server {}", self.server()), 1));
        }
        if answered == Some(false) {
            places.push(Room::new("silent", SILENT_MAX));
        }
        let last = self.asks.back().copied();
        QueuedJob { name: name.to_owned(), owner: name.to_owned(), last, places, ..QueuedJob::default() }
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
            (vec![("dead.example.org", true), ("good.example.org", true)], vec!["a1", "a2", "a3", "a4"]),
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
            all.servers().extend(answered.iter().map(|(server, is_there)| ((*server).to_owned(), *is_there)));
            all.fetch_due(Timestamp(1_800_000_000_000), &Arc::default());
            let states = all.states();
            let fetching: Vec<&str> =
                states.iter().filter(|(_, (_, state))| state.asked.is_some()).map(|(name, _)| name.as_str()).collect();
            assert_eq!(fetching, begun, "{answered:?}");
            ended(&all).await;
        }
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
