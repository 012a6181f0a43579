//! Makes a server's list of refs safe for libgit2's Rust side, which panics on a name that is not UTF-8.
//!
//! Such a branch or tag cannot be followed, as the configuration is UTF-8; the others can. So its bytes beyond ASCII
//! become `?`, which git allows in no name: it is never mistaken for another one, and never requested.
//!
//! A server whose repository is a shallow clone says so in its list, which libgit2 takes for a broken one: such lines are
//! left out.
//!
//! The list consists of packet lines: four hexadecimal digits, the length of the line with them, and then the line;
//! `0000` ends it (gitprotocol-common, gitprotocol-pack).

use std::io::{self, Read, Write};

/// The digits of a length.
const LENGTH_DIGITS: usize = 4;
/// How a line begins by which a server says where its own history ends.
const SHALLOW: &[u8] = b"shallow ";
/// The size of one read.
const PIECE_BYTES: usize = 16 * 1024;

/// A stream that begins with a list.
pub(super) struct RefListing<S> {
    stream: S,
    /// Lists still to come; after the last one, bytes pass unchanged.
    lists: u8,
    /// Read, but not a whole line yet.
    begun: Vec<u8>,
    /// Safe to pass on.
    ready: Vec<u8>,
    given: usize,
}

impl<S: Read> RefListing<S> {
    /// `lists` of them stand at the beginning, each with its end.
    pub(super) fn new(stream: S, lists: u8) -> Self {
        Self { stream, lists, begun: Vec::new(), ready: Vec::new(), given: 0 }
    }

    /// Moves whole lines to the output.
    fn sort(&mut self) {
        let mut at = 0;
        let mut ready = Vec::new();
        while self.lists > 0 {
            let Some(digits) = self.begun.get(at..at + LENGTH_DIGITS) else { break };
            let length = std::str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
            let Some(length) = length else {
                // Not a list; libgit2 reports that better.
                self.lists = 0;
                break;
            };
            if length == 0 {
                self.lists -= 1;
            }
            let end = at + length.max(LENGTH_DIGITS);
            let Some(line) = self.begun.get_mut(at..end) else { break };
            if std::str::from_utf8(line).is_err() {
                line.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
            }
            // libgit2 does not know it; with the commits that it asks for, it is told the same.
            if !line[LENGTH_DIGITS..].starts_with(SHALLOW) {
                ready.extend_from_slice(line);
            }
            at = end;
        }
        let whole = if self.lists == 0 { self.begun.len() } else { at };
        ready.extend(self.begun.drain(..whole).skip(at));
        (self.ready, self.given) = (ready, 0);
    }
}

impl<S: Read> Read for RefListing<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() {
            if self.lists == 0 && self.begun.is_empty() {
                return self.stream.read(buffer);
            }
            let mut piece = vec![0; PIECE_BYTES];
            let size = self.stream.read(&mut piece)?;
            if size == 0 {
                // Cut off within a line.
                self.lists = 0;
            }
            self.begun.extend_from_slice(&piece[..size]);
            self.sort();
        }
        let size = buffer.len().min(self.ready.len() - self.given);
        buffer[..size].copy_from_slice(&self.ready[self.given..self.given + size]);
        self.given += size;
        Ok(size)
    }
}

impl<S: Write> Write for RefListing<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out its bytes in pieces of one size.
    struct RefPieces<'a>(&'a [u8], usize);

    impl Read for RefPieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(size);
            buffer[..size].copy_from_slice(now);
            self.0 = later;
            Ok(size)
        }
    }

    #[track_caller]
    fn becomes(bytes: &[u8], lists: u8, expected: &[u8]) {
        for size in [1, 3, 7, 4096] {
            let mut read = Vec::new();
            RefListing::new(RefPieces(bytes, size), lists).read_to_end(&mut read).unwrap();
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn only_names_that_are_no_text_change_and_only_in_the_list() {
        becomes(b"000cab \xe9t\xe9 0000\xff\xfe", 1, b"000cab ?t? 0000\xff\xfe");
        becomes("0009été0000".as_bytes(), 1, "0009été0000".as_bytes());
        becomes(b"0006# 00000006\xffb0000", 2, b"0006# 00000006?b0000");
        becomes(b"\xff\xfe\xfd\xfc\xfb", 1, b"\xff\xfe\xfd\xfc\xfb");
        becomes(b"0009ab", 1, b"0009ab");
        becomes(b"", 1, b"");
    }
}
