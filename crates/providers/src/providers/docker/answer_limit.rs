//! How much of what an engine answers is taken: the engine may be another machine, or what answers no engine at all.
//!
//! Counted where bytes arrive, before the client library gathers them. Lists are taken row by row: what of them is kept has
//! the limit of an answer, and rows that are too large for that are gaps ([`crate::providers::rows`]).
//!
//! | connection | counts since | at most |
//! |---|---|---|
//! | for answers | the last request | [`ANSWER_BYTES_MAX`], [`ANSWER_OBJECTS_MAX`] |
//! | for a stream (log, events, progress), for a list | the last piece that was taken out of it | [`PIECE_BYTES_MAX`] |

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::transport::{ConnectError, Duplex};
use crate::providers::{Class, ProviderError};
use amarre_core::model::Code;

/// The inspection of a container is some 10 kB, and the list of 2,000 containers 5 MB: ten times that is no honest
/// answer.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Each object of JSON becomes one of some hundred bytes here, whatever it says. That list has 60,000.
pub const ANSWER_OBJECTS_MAX: usize = 500_000;
/// One line of a log is 16 KiB on the wire, one event some kilobytes; what was read ahead counts as well.
pub const PIECE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The code of what is too large.
pub const TOO_LARGE: Code = Code::A0541;

/// What arrived on a connection since something was done with it.
#[derive(Debug)]
pub struct Meter {
    is_stream: bool,
    /// The answer is a list, of which each piece is taken at once and whose rows are counted by who takes them.
    is_list: AtomicBool,
    bytes: AtomicUsize,
    objects: AtomicUsize,
    has_begun: AtomicBool,
    is_over: AtomicBool,
}

impl Meter {
    /// For answers that are gathered as a whole.
    pub fn answer() -> Arc<Self> {
        Self::new(false)
    }

    /// For what is taken piece by piece; who takes a piece says so with [`Meter::taken`].
    pub fn stream() -> Arc<Self> {
        Self::new(true)
    }

    fn new(is_stream: bool) -> Arc<Self> {
        let (bytes, objects) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let [is_list, has_begun, is_over] = [(); 3].map(|()| AtomicBool::default());
        Arc::new(Self { is_stream, is_list, bytes, objects, has_begun, is_over })
    }

    /// The answer that begins is a list.
    pub fn list_begins(&self) {
        self.is_list.store(true, Ordering::Relaxed);
    }

    /// A request leaves: its answer begins.
    fn asked(&self) {
        self.is_list.store(false, Ordering::Relaxed);
        self.taken();
    }

    /// What arrived is done with.
    pub fn taken(&self) {
        self.bytes.store(0, Ordering::Relaxed);
        self.objects.store(0, Ordering::Relaxed);
    }

    /// Why no more is taken; `None` while it is.
    pub fn trouble(&self) -> Option<ConnectError> {
        let (what, limit, objects) = if self.is_stream {
            ("one piece of its answer", PIECE_BYTES_MAX, String::new())
        } else {
            ("its answer", ANSWER_BYTES_MAX, format!(" or {ANSWER_OBJECTS_MAX} objects"))
        };
        let size = format!("{} MiB{objects}", limit / 1024 / 1024);
        let trouble = || ConnectError {
            code: Some(TOO_LARGE),
            message: format!("{what} is larger than {size}, and was not read to its end"),
            hint: "is that a Docker engine, and how many containers and images does it hold?".to_owned(),
        };
        self.is_over.load(Ordering::Relaxed).then(trouble)
    }

    /// Whether anything arrived: the head of the answer is the first.
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    fn count(&self, arrived: &[u8]) -> io::Result<()> {
        self.has_begun.store(true, Ordering::Relaxed);
        let bytes = self.bytes.fetch_add(arrived.len(), Ordering::Relaxed).saturating_add(arrived.len());
        let is_over = if self.is_stream || self.is_list.load(Ordering::Relaxed) {
            bytes > PIECE_BYTES_MAX
        } else {
            let more = arrived.iter().filter(|byte| **byte == b'{').count();
            let objects = self.objects.fetch_add(more, Ordering::Relaxed).saturating_add(more);
            bytes > ANSWER_BYTES_MAX || objects > ANSWER_OBJECTS_MAX
        };
        if is_over {
            self.is_over.store(true, Ordering::Relaxed);
        }
        self.trouble().map_or(Ok(()), |trouble| Err(io::Error::other(trouble)))
    }
}

/// A list of which, without its large fields, more would be kept than of any answer.
pub fn too_large(doing: &str) -> ProviderError {
    let size = ANSWER_BYTES_MAX / 1024 / 1024;
    let message =
        format!("{doing} got no answer: its answer is larger than {size} MiB or {ANSWER_OBJECTS_MAX} objects");
    let hint = "is that a Docker engine, and how many containers and images does it hold?";
    ProviderError::new(Class::OutcomeUnknown, TOO_LARGE, message).hint(hint)
}

/// A connection that is counted.
pub struct Metered {
    io: Box<dyn Duplex>,
    meter: Arc<Meter>,
}

impl Metered {
    pub fn new(io: Box<dyn Duplex>, meter: Arc<Meter>) -> Self {
        Self { io, meter }
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(trouble) = self.meter.trouble() {
            return Poll::Ready(Err(io::Error::other(trouble)));
        }
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        Poll::Ready(self.meter.count(&buf.filled()[before..]))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.meter.asked();
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_from_its_request_and_a_stream_from_its_last_piece() {
        let answer = Meter::answer();
        let half = vec![b' '; ANSWER_BYTES_MAX / 2];
        assert!(answer.count(&half).is_ok());
        answer.taken();
        assert!(answer.count(&half).is_ok(), "the next answer");
        assert!(answer.count(&half).is_ok() && answer.count(b" ").is_err());

        let small = Meter::answer();
        assert!(small.count(&vec![b'{'; ANSWER_OBJECTS_MAX]).is_ok(), "and not one more");
        let error = small.count(b"{").expect_err("too many objects");
        assert_eq!(ConnectError::find(&error).and_then(|trouble| trouble.code), Some(Code::A0541));

        let list = Meter::answer();
        list.list_begins();
        assert!(list.count(&vec![b'{'; ANSWER_OBJECTS_MAX + 1]).is_ok());
        list.asked();
        assert!(list.count(&vec![b'{'; ANSWER_OBJECTS_MAX + 1]).is_err(), "the next answer is none");

        let stream = Meter::stream();
        for _ in 0..3 {
            assert!(stream.count(&vec![b'{'; PIECE_BYTES_MAX]).is_ok());
            stream.taken();
        }
        assert!(stream.count(&vec![b'x'; PIECE_BYTES_MAX + 1]).is_err());
        assert!(stream.trouble().is_some());
    }
}
