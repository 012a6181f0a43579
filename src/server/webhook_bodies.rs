//! Bodies of webhooks that are being read, before it is known who sent them. There is room for some; when there is none,
//! the one that has been coming longest goes, of the address that has the most. So what is sent at once is read at once,
//! however many others send a byte now and then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::sync::oneshot;

/// A push of some thousand commits. What is larger is found by asking from time to time.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bodies that are read at once: 64 MiB at most. One of a forge is there within milliseconds.
const READINGS_MAX: usize = 16;
/// So long one may come.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// Clones share the room.
#[derive(Debug, Clone, Default)]
pub struct Readings(Arc<Mutex<Open>>);

/// By when they began.
#[derive(Debug, Default)]
struct Open {
    next: u64,
    readings: BTreeMap<u64, Reading>,
}

#[derive(Debug)]
struct Reading {
    address: String,
    /// Dropped to end it.
    _goes_on: oneshot::Sender<()>,
}

/// A place, which comes back when it is dropped.
struct Place<'a> {
    of: &'a Readings,
    number: u64,
    ended: oneshot::Receiver<()>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).readings.remove(&self.number);
    }
}

impl Readings {
    /// The whole body, from this address; `None`: it is too large, or comes too slowly.
    pub async fn whole(&self, body: Body, address: &str) -> Option<Bytes> {
        let mut place = self.place(address);
        let reading = axum::body::to_bytes(body, BODY_BYTES_MAX);
        tokio::select! {
            biased;
            body = reading => body.ok(),
            _ = &mut place.ended => None,
            () = tokio::time::sleep(READ_TIMEOUT) => None,
        }
    }

    fn place(&self, address: &str) -> Place<'_> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.readings.len() >= READINGS_MAX {
            open.make_room();
        }
        let (goes_on, ended) = oneshot::channel();
        let number = open.next;
        open.next += 1;
        open.readings.insert(number, Reading { address: address.to_owned(), _goes_on: goes_on });
        Place { of: self, number, ended }
    }
}

impl Open {
    fn make_room(&mut self) {
        let count = |address: &str| self.readings.values().filter(|one| one.address == address).count();
        let most = self.readings.values().map(|one| count(&one.address)).max();
        let longest = self.readings.iter().find(|(_, one)| Some(count(&one.address)) == most);
        if let Some(number) = longest.map(|(number, _)| *number) {
            self.readings.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_slowly_makes_room_and_one_address_for_itself() {
        let readings = Readings::default();
        let forge = readings.place("192.0.2.1");
        let mut slow: Vec<Place<'_>> = (0..READINGS_MAX).map(|_| readings.place("198.51.100.1")).collect();
        let over = |place: &mut Place<'_>| place.ended.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        assert_eq!(slow.iter_mut().map(over).filter(|over| *over).count(), 1);
        assert!(over(&mut slow[0]), "the one that has been coming longest");
        drop(slow);
        assert_eq!(readings.0.lock().unwrap().readings.len(), 1);
        drop(forge);
        assert!(readings.0.lock().unwrap().readings.is_empty());
    }
}
