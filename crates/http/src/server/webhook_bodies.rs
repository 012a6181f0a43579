//! Bodies of webhooks that are being read before their sender is known. When there is no room, the oldest body of the
//! address with the most goes. So a body that comes at once is read at once, however many others trickle in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::sync::oneshot;

/// A push of some thousand commits. A larger one is found by the regular fetch.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bodies read at a time: 64 MiB at most. A forge sends its body within milliseconds.
const READINGS_MAX: usize = 16;
/// How long one may take.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// Clones share the slots.
#[derive(Debug, Clone, Default)]
pub struct BodyReadings(Arc<Mutex<OpenBodies>>);

/// By order of their begin.
#[derive(Debug, Default)]
struct OpenBodies {
    next: u64,
    readings: BTreeMap<u64, BodyReading>,
}

#[derive(Debug)]
struct BodyReading {
    address: String,
    /// Dropped to end the reading.
    _goes_on: oneshot::Sender<()>,
}

/// A slot, released on drop.
struct BodySlot<'a> {
    of: &'a BodyReadings,
    number: u64,
    ended: oneshot::Receiver<()>,
}

impl Drop for BodySlot<'_> {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).readings.remove(&self.number);
    }
}

impl BodyReadings {
    /// The whole body from this address; `None`: it is too large, or comes too slowly.
    pub async fn read(&self, body: Body, address: &str) -> Option<Bytes> {
        let mut place = self.take_slot(address);
        let reading = axum::body::to_bytes(body, BODY_BYTES_MAX);
        tokio::select! {
            biased;
            body = reading => body.ok(),
            _ = &mut place.ended => None,
            () = tokio::time::sleep(READ_TIMEOUT) => None,
        }
    }

    fn take_slot(&self, address: &str) -> BodySlot<'_> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.readings.len() >= READINGS_MAX {
            open.make_room();
        }
        let (goes_on, ended) = oneshot::channel();
        let number = open.next;
        open.next += 1;
        open.readings.insert(number, BodyReading { address: address.to_owned(), _goes_on: goes_on });
        BodySlot { of: self, number, ended }
    }
}

impl OpenBodies {
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
    fn slow_senders_make_room_and_an_address_first_for_itself() {
        let readings = BodyReadings::default();
        let forge = readings.take_slot("192.0.2.1");
        let mut slow: Vec<BodySlot<'_>> = (0..READINGS_MAX).map(|_| readings.take_slot("198.51.100.1")).collect();
        let over = |place: &mut BodySlot<'_>| place.ended.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        assert_eq!(slow.iter_mut().map(over).filter(|over| *over).count(), 1);
        assert!(over(&mut slow[0]), "the one that has been coming longest");
        drop(slow);
        assert_eq!(readings.0.lock().unwrap().readings.len(), 1);
        drop(forge);
        assert!(readings.0.lock().unwrap().readings.is_empty());
    }
}
