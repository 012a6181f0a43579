//! What a vendor said, kept for as long as something tells when it changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The last reading of one list or of several that are read together.
#[derive(Debug)]
pub struct KeptReading<T>(Mutex<LastReading<T>>);

#[derive(Debug)]
struct LastReading<T> {
    reading: Option<Arc<T>>,
    /// How often it may have changed. A reading that was on its way meanwhile is not kept.
    changes: u64,
}

impl<T> Default for KeptReading<T> {
    fn default() -> Self {
        Self(Mutex::new(LastReading { reading: None, changes: 0 }))
    }
}

impl<T> KeptReading<T> {
    /// The last reading, where `reuse` allows it; else a fresh one, which is kept. `is_told`: whether each change is told
    /// of; what was read while it is not is not kept.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn read<E>(
        &self,
        reuse: bool,
        is_told: impl Fn() -> bool,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let was_told = is_told();
        let before = {
            let mut last = self.last();
            if !reuse || !was_told {
                last.reading = None;
            }
            if let Some(reading) = &last.reading {
                return Ok(Arc::clone(reading));
            }
            last.changes
        };
        let fresh = Arc::new(read.await?);
        let mut last = self.last();
        let is_kept = was_told && is_told() && last.changes == before;
        last.reading = is_kept.then(|| Arc::clone(&fresh));
        Ok(fresh)
    }

    /// It may have changed.
    pub fn forget(&self) {
        let mut last = self.last();
        last.reading = None;
        last.changes += 1;
    }

    fn last(&self) -> MutexGuard<'_, LastReading<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(kept: &KeptReading<u32>, reuse: bool, is_told: bool, fresh: u32) -> u32 {
        *kept.read(reuse, || is_told, async { Ok::<_, ()>(fresh) }).await.expect("a reading")
    }

    #[tokio::test]
    async fn a_reading_is_kept_while_each_change_is_told() {
        let kept = KeptReading::default();
        assert_eq!(read(&kept, true, true, 1).await, 1);
        assert_eq!(read(&kept, true, true, 2).await, 1, "kept");
        assert_eq!(read(&kept, false, true, 3).await, 3, "a person asks");
        assert_eq!(read(&kept, true, true, 4).await, 3);
        let failed = kept.read(false, || true, async { Err(()) }).await;
        assert_eq!((failed, read(&kept, true, true, 4).await), (Err(()), 4), "the vendor is away");
        kept.forget();
        assert_eq!(read(&kept, true, true, 5).await, 5, "it changed");
        assert_eq!(read(&kept, true, false, 6).await, 6, "nothing tells of changes");
        assert_eq!(read(&kept, true, true, 7).await, 7, "what was read then is not kept");
        let meanwhile = async {
            kept.forget();
            Ok::<_, ()>(8)
        };
        assert_eq!(kept.read(false, || true, meanwhile).await.as_deref(), Ok(&8));
        assert_eq!(read(&kept, true, true, 9).await, 9, "it changed while it was read");
    }
}
