//! Who begins next where there is room for a few at a time, so that nobody's jobs starve those of others. Pure.
//!
//! | of two jobs that wait | begins first |
//! |---|---|
//! | of two owners, one of whom has fewer at work | that of the owner with fewer |
//! | of two owners, one of whom has had fewer turns | that of the owner with fewer; a job that took long counts twice |
//! | of two classes | that of the lower class: an end before a begin, a change before a look |
//! | of two ranks | that of the lower rank: what is under way before what is not |
//! | else | that which was not asked for the longest time; then by name |
//!
//! So the owner's turn comes first: what somebody's jobs are for decides among those of one owner, and of owners that have had as much.
//!
//! A job waits where one of its places is full, and holds up none behind it. Whatever is limited is a place: all that runs at once, a
//! server that does not answer, an owner, a machine.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model::Timestamp;

/// A job that waits for its turn, or has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueuedJob {
    /// Its name: the last thing that decides.
    pub name: String,
    /// Whose it is: a pool, an app, a manifest.
    pub owner: String,
    /// How many turns its owner has had, where they are counted: [`OwnerTurns::count`].
    pub turns: u64,
    /// The lower one comes first among those of one owner, and of owners that have had equally much.
    pub class: u8,
    /// The lower one comes first among those of its class.
    pub rank: u8,
    /// When it had its last turn; `None`: it had none yet.
    pub last: Option<Timestamp>,
    /// Where it takes room.
    pub places: Vec<Room>,
}

/// Room for so many at a time. Jobs that name one place name the same room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// What it is called: two of one name are one.
    pub name: String,
    /// For how many there is room.
    pub room: usize,
    /// A job that takes longer than the others gives it back while it goes on.
    pub is_brief: bool,
}

impl Room {
    pub fn new(name: impl Into<String>, room: usize) -> Self {
        Self { name: name.into(), room, is_brief: false }
    }

    /// A place that a job gives back when it takes long.
    pub fn brief(name: impl Into<String>, room: usize) -> Self {
        Self { is_brief: true, ..Self::new(name, room) }
    }
}

/// Which of those that wait begin now, beside those that run; the first one first, by their numbers in `waiting`.
pub fn begin<'a>(waiting: &[&'a QueuedJob], running: impl IntoIterator<Item = &'a QueuedJob>) -> Vec<usize> {
    let mut taken = TakenRoom::default();
    running.into_iter().for_each(|job| taken.take(job));
    let mut begins = Vec::new();
    loop {
        let fits = |(number, job): &(usize, &'a QueuedJob)| !begins.contains(number) && taken.has_room(job);
        let order = |(_, job): &(usize, &'a QueuedJob)| {
            let at_work = taken.owners.get(job.owner.as_str()).copied().unwrap_or_default();
            (at_work, job.turns, job.class, job.rank, job.last, &job.name)
        };
        let jobs = waiting.iter().copied().enumerate();
        let Some((number, job)) = jobs.filter(fits).min_by_key(order) else { return begins };
        taken.take(job);
        begins.push(number);
    }
}

/// Which of those that take long has to end for the sake of others: the oldest of the owner that has the most of them. So the only one
/// of an owner goes on while another has two. `owners`: whose they are, from the oldest job on.
pub fn gives_way(owners: &[&str]) -> Option<usize> {
    let count = |owner: &str| owners.iter().filter(|one| **one == owner).count();
    (0..owners.len()).max_by_key(|number| (count(owners[*number]), Reverse(*number)))
}

/// How many turns each owner has had, on one scale: who comes anew, or again after a while, begins about where the others are, and neither
/// waits for what they had before nor makes up for it.
#[derive(Debug, Default)]
pub struct OwnerTurns {
    /// The most that an owner had when it got another turn.
    reached: u64,
    /// Those that have had about as many, or more.
    owners: BTreeMap<String, u64>,
}

/// Turns that an owner may make up for: one that had a job which took long comes after one that had none.
const CREDIT: u64 = 1;

impl OwnerTurns {
    /// How many an owner has had.
    pub fn count(&self, owner: &str) -> u64 {
        self.owners.get(owner).copied().unwrap_or_default().max(self.floor())
    }

    /// A job of an owner begins.
    pub fn begin(&mut self, owner: &str) {
        self.reached = self.reached.max(self.count(owner));
        self.add(owner);
        let floor = self.floor();
        self.owners.retain(|_, count| *count > floor);
    }

    fn floor(&self) -> u64 {
        self.reached.saturating_sub(CREDIT)
    }

    /// A job of an owner took longer than a turn.
    pub fn add(&mut self, owner: &str) {
        let count = self.count(owner) + 1;
        self.owners.insert(owner.to_owned(), count);
    }
}

/// What those that run take.
#[derive(Default)]
struct TakenRoom<'a> {
    owners: BTreeMap<&'a str, usize>,
    places: BTreeMap<&'a str, usize>,
}

impl<'a> TakenRoom<'a> {
    fn take(&mut self, job: &'a QueuedJob) {
        *self.owners.entry(&job.owner).or_default() += 1;
        for place in &job.places {
            *self.places.entry(&place.name).or_default() += 1;
        }
    }

    fn has_room(&self, job: &QueuedJob) -> bool {
        let taken = |place: &Room| self.places.get(place.name.as_str()).copied().unwrap_or_default();
        job.places.iter().all(|place| taken(place) < place.room)
    }
}
