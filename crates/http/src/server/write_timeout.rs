//! A connection whose peer has to read. An answer that is not read would hold its memory for ever: the time in which
//! nothing can be written is counted, and what is written wins some of it back.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A reader this fast is never cut off. No line in use is slower: 4 kbit/s.
pub const BYTES_PER_SECOND: u32 = 512;

/// A stream that ends when writing to it has waited too long.
pub struct Paced<S> {
    stream: S,
    /// `None`: without limit.
    timeout: Option<WriteTimeout>,
    /// Since when nothing can be written, and the timer for the limit.
    waits: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// For how long writing may wait.
#[derive(Debug, Clone, Copy)]
struct WriteTimeout {
    most: Duration,
    left: Duration,
}

impl WriteTimeout {
    fn new(most: Duration) -> Self {
        Self { most, left: most }
    }

    fn wrote(&mut self, bytes: usize, waited: Duration) {
        let won = Duration::from_secs(1).saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX)) / BYTES_PER_SECOND;
        self.left = self.left.saturating_sub(waited).saturating_add(won).min(self.most);
    }
}

impl<S> Paced<S> {
    /// With this limit.
    pub fn new(stream: S, timeout: Option<Duration>) -> Self {
        Self { stream, timeout: timeout.map(WriteTimeout::new), waits: None }
    }

    /// The result of a write, or an error after the limit.
    fn within(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(timeout) = &mut self.timeout else { return written };
        let Poll::Ready(written) = written else {
            let (_, over) = self.waits.get_or_insert_with(|| {
                let now = Instant::now();
                (now, Box::pin(tokio::time::sleep_until(now + timeout.left)))
            });
            ready!(over.as_mut().poll(context));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer is not read")));
        };
        let waited = self.waits.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
        timeout.wrote(*written.as_ref().unwrap_or(&0), waited);
        Poll::Ready(written)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.within(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a reader of this many bytes every ten seconds is cut off; `None`: not within a day.
    fn lasts_s(bytes: usize) -> Option<u32> {
        let (mut timeout, pause) = (WriteTimeout::new(Duration::from_secs(30)), Duration::from_secs(10));
        for step in 1..8_640 {
            if timeout.left <= pause {
                return Some(step * 10);
            }
            timeout.wrote(bytes, pause);
        }
        None
    }

    #[test]
    fn a_reader_of_single_bytes_is_cut_off_and_a_steady_reader_is_not() {
        assert_eq!(lasts_s(0), Some(30));
        assert_eq!(lasts_s(1), Some(40));
        assert_eq!(lasts_s(10 * 256), Some(50), "half as fast as is needed");
        assert_eq!(lasts_s(10 * 512), None);
        assert_eq!(lasts_s(usize::MAX), None);
    }
}
