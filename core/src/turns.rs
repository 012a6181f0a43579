//! Who begins next where there is room for a few at a time, so that nobody's jobs starve those of others. Pure.
//!
//! | of two jobs that wait | begins first |
//! |---|---|
//! | of two classes | that of the lower class: a change before a look |
//! | of two owners, one of whom has fewer at work | that of the owner with fewer |
//! | of two ranks | that of the lower rank: an end before a begin |
//! | else | that which was not asked for the longest time; then by name |
//!
//! A job waits where one of its places is full, and holds up none behind it. Whatever is limited is a place: all that runs at once, a
//! server that does not answer, an owner, a machine.

use std::collections::BTreeMap;

use crate::model::Timestamp;

/// A job that waits for its turn, or has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueuedJob {
    /// Its name: the last thing that decides.
    pub name: String,
    /// Whose it is: a pool, an app, a manifest.
    pub owner: String,
    /// The lower one comes first, whoever has it.
    pub class: u8,
    /// The lower one comes first among those of its class, once owners have equally many.
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
}

impl Room {
    /// A place.
    pub fn new(name: impl Into<String>, room: usize) -> Self {
        Self { name: name.into(), room }
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
            (job.class, at_work, job.rank, job.last, &job.name)
        };
        let jobs = waiting.iter().copied().enumerate();
        let Some((number, job)) = jobs.filter(fits).min_by_key(order) else { return begins };
        taken.take(job);
        begins.push(number);
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
