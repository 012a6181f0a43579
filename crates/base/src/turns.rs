//! Turns of jobs that wait in tasks: each takes a seat, which is given to those that wait as [`amarre_core::turns`] says.
//!
//! A job that takes longer than [`SLICE`] goes on, and gives back its brief places. Where more than [`OVERTIME_MAX`] do, the oldest of
//! the owner that has the most of them has to end: slow ones keep no others waiting, and end no one else's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amarre_core::turns::{self, OwnerTurns, QueuedJob};
use tokio::sync::{Notify, oneshot};

/// For how long a job may have all of its places.
const SLICE: Duration = Duration::from_secs(20);
/// Jobs that go on after that.
const OVERTIME_MAX: usize = 24;

/// The jobs that wait, and those that run.
#[derive(Debug, Default)]
pub struct Seats {
    jobs: Mutex<SeatJobs>,
}

#[derive(Debug, Default)]
struct SeatJobs {
    numbers: u64,
    waiting: BTreeMap<u64, (QueuedJob, oneshot::Sender<()>)>,
    running: BTreeMap<u64, QueuedJob>,
    /// Of those that run, the ones that take long, each with what ends it. The first is the oldest.
    overtime: BTreeMap<u64, Arc<Notify>>,
    owners: OwnerTurns,
}

/// The seat of a job. Dropped, it is the next one's; so is the place in the queue of a job that waits no more.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    number: u64,
    is_over: Arc<Notify>,
}

impl Seat {
    /// Does a job's work; `None`: it takes long, and had to end for the sake of others.
    pub async fn work<T>(&self, job: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(job);
        tokio::select! {
            done = &mut job => return Some(done),
            () = tokio::time::sleep(SLICE) => self.end_slice(),
        }
        tokio::select! {
            done = &mut job => Some(done),
            () = self.is_over.notified() => None,
        }
    }

    /// It has had its time: what it keeps others from is given on.
    fn end_slice(&self) {
        self.seats.end_slice(self.number, self.is_over.clone());
    }
}

/// A job that waits for its seat.
#[derive(Debug)]
pub struct QueuedSeat {
    seat: Seat,
    called: oneshot::Receiver<()>,
}

impl QueuedSeat {
    /// Waits until it is its turn.
    pub async fn turn(self) -> Seat {
        // Whoever calls has made it run; the other end is dropped by no one else.
        let _ = self.called.await;
        self.seat
    }
}

impl Seats {
    /// Waits for a seat.
    pub async fn take(self: &Arc<Self>, job: QueuedJob) -> Seat {
        let queued = self.queue(job);
        self.hand_out();
        queued.turn().await
    }

    /// Puts a job among those that wait, without calling any: of several that come together, none is called for having come first.
    pub fn queue(self: &Arc<Self>, job: QueuedJob) -> QueuedSeat {
        let (call, called) = oneshot::channel();
        let number = self.lock().queue(job, call);
        let seat = Seat { seats: self.clone(), number, is_over: Arc::default() };
        QueuedSeat { seat, called }
    }

    fn end_slice(&self, number: u64, is_over: Arc<Notify>) {
        let mut jobs = self.lock();
        let Some(job) = jobs.running.get_mut(&number) else { return };
        job.places.retain(|place| !place.is_brief);
        let owner = job.owner.clone();
        jobs.owners.add(&owner);
        jobs.overtime.insert(number, is_over);
        if jobs.overtime.len() > OVERTIME_MAX {
            jobs.end_one();
        }
        drop(jobs);
        self.hand_out();
    }

    fn lock(&self) -> MutexGuard<'_, SeatJobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls those whose turn it is.
    pub fn hand_out(&self) {
        let mut guard = self.lock();
        let jobs = &mut *guard;
        jobs.waiting.values_mut().for_each(|(job, _)| job.turns = jobs.owners.count(&job.owner));
        let numbers: Vec<u64> = jobs.waiting.keys().copied().collect();
        let waiting: Vec<&QueuedJob> = jobs.waiting.values().map(|(job, _)| job).collect();
        for begun in turns::begin(&waiting, jobs.running.values()) {
            if let Some((job, call)) = jobs.waiting.remove(&numbers[begun]) {
                jobs.owners.begin(&job.owner);
                jobs.running.insert(numbers[begun], job);
                // Who waits no more drops its seat, which frees this one.
                let _ = call.send(());
            }
        }
    }
}

impl SeatJobs {
    fn queue(&mut self, job: QueuedJob, call: oneshot::Sender<()>) -> u64 {
        self.numbers += 1;
        self.waiting.insert(self.numbers, (job, call));
        self.numbers
    }

    /// Ends one of those that take long, for the sake of the others.
    fn end_one(&mut self) {
        let numbers: Vec<u64> = self.overtime.keys().copied().collect();
        let owner = |number: &u64| self.running.get(number).map_or("", |job| job.owner.as_str());
        let ends = turns::gives_way(&numbers.iter().map(owner).collect::<Vec<_>>());
        if let Some(ended) = ends.and_then(|at| self.overtime.remove(&numbers[at])) {
            ended.notify_one();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut jobs = self.seats.lock();
        jobs.waiting.remove(&self.number);
        jobs.running.remove(&self.number);
        jobs.overtime.remove(&self.number);
        drop(jobs);
        self.seats.hand_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::turns::Room;
    use futures_util::FutureExt as _;

    fn job(name: &str) -> QueuedJob {
        QueuedJob {
            name: name.to_owned(),
            owner: name.to_owned(),
            places: vec![Room::new("all", 1)],
            ..QueuedJob::default()
        }
    }

    /// `pool`: its room, which it keeps.
    fn slow(name: &str, pool: &str) -> QueuedJob {
        let places = vec![Room::brief("connections", 2), Room::new(format!("pool {pool}"), 40)];
        QueuedJob { name: name.to_owned(), owner: pool.to_owned(), places, ..QueuedJob::default() }
    }

    fn is_over(seat: &Seat) -> bool {
        seat.is_over.notified().now_or_never().is_some()
    }

    #[tokio::test]
    async fn jobs_that_take_long_keep_none_waiting() {
        let seats = Arc::new(Seats::default());
        let hostile = [seats.take(slow("a1", "a")).await, seats.take(slow("b1", "b")).await];
        let mut good = Box::pin(seats.take(slow("z1", "z")));
        assert!(good.as_mut().now_or_never().is_none());
        hostile[1].end_slice();
        let _good = good.await;
        assert!(!hostile.iter().any(is_over), "they go on");
    }

    #[tokio::test]
    async fn of_too_many_that_take_long_the_oldest_ends() {
        let seats = Arc::new(Seats::default());
        let mut held = Vec::new();
        for number in 0..=OVERTIME_MAX {
            assert!(!held.iter().any(is_over));
            held.push(seats.take(slow(&format!("a{number}"), "a")).await);
            held[number].end_slice();
        }
        assert!(is_over(&held[0]) && !held[1..].iter().any(is_over));
    }

    #[tokio::test]
    async fn the_only_slow_job_of_an_owner_ends_for_no_one_who_has_two() {
        let seats = Arc::new(Seats::default());
        let mut held = vec![seats.take(slow("z1", "zgood")).await];
        held[0].end_slice();
        for number in 0..OVERTIME_MAX {
            held.push(seats.take(slow(&format!("m{number}"), &format!("pool-{}", number % 6))).await);
            held[number + 1].end_slice();
        }
        assert!(is_over(&held[1]) && !is_over(&held[0]) && !held[2..].iter().any(is_over));
    }

    /// Pools with as many ends as they like, of machines that say nothing.
    #[tokio::test]
    async fn a_begin_is_at_most_one_slice_behind_the_ends_of_other_pools() {
        let seats = Arc::new(Seats::default());
        let job = |pool: &str, number: usize, class: u8| QueuedJob { class, ..slow(&format!("{pool}-{number}"), pool) };
        let mut waiting: Vec<_> =
            (0..12).map(|number| Box::pin(seats.take(job(["a", "b"][number % 2], number, 0)))).collect();
        let begun: Vec<Seat> = waiting.iter_mut().filter_map(|seat| seat.as_mut().now_or_never()).collect();
        let mut good = Box::pin(seats.take(job("zgood", 0, 1)));
        assert!(begun.len() == 2 && good.as_mut().now_or_never().is_none());
        begun[0].end_slice();
        assert!(good.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_seat_goes_on_to_who_waits_and_from_who_waits_no_more() {
        let seats = Arc::new(Seats::default());
        let first = seats.take(job("c")).await;
        let mut second = Box::pin(seats.take(job("a")));
        let mut third = Box::pin(seats.take(job("b")));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(first);
        // It was called, and goes away before it looks.
        drop(second);
        let third = third.await;
        assert!(seats.lock().waiting.is_empty() && seats.lock().running.len() == 1);
        drop(third);
        assert!(seats.lock().running.is_empty());
    }
}
