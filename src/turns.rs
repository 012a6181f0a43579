//! Turns of jobs that wait in tasks: each takes a seat, which is given to those that wait as [`amarre_core::turns`] says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amarre_core::turns::{self, QueuedJob};
use tokio::sync::oneshot;

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
}

/// The seat of a job. Dropped, it is the next one's; so is the place in the queue of a job that waits no more.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    number: u64,
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
        QueuedSeat { seat: Seat { seats: self.clone(), number: self.lock().queue(job, call) }, called }
    }

    fn lock(&self) -> MutexGuard<'_, SeatJobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls those whose turn it is.
    pub fn hand_out(&self) {
        let mut jobs = self.lock();
        let numbers: Vec<u64> = jobs.waiting.keys().copied().collect();
        let waiting: Vec<&QueuedJob> = jobs.waiting.values().map(|(job, _)| job).collect();
        for begun in turns::begin(&waiting, jobs.running.values()) {
            if let Some((job, call)) = jobs.waiting.remove(&numbers[begun]) {
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
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut jobs = self.seats.lock();
        jobs.waiting.remove(&self.number);
        jobs.running.remove(&self.number);
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
