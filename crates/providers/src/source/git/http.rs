//! git over HTTP: two requests, of which the second sends what was written until the first read.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::session::{GitSession, SessionError};
use crate::providers::http::{Body, Http, HttpFailure};

/// A request is some ids; a larger one is not ours.
const QUESTION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One request and its answer.
pub(super) struct Exchange {
    session: Arc<GitSession>,
    http: Http,
    url: String,
    /// `git-upload-pack` or `git-receive-pack`.
    program: &'static str,
    lists: bool,
    question: Vec<u8>,
    answer: Option<Body>,
    piece: Vec<u8>,
    at: usize,
}

impl Exchange {
    /// Nothing leaves before the first read.
    pub(super) fn new(
        session: Arc<GitSession>,
        url: &str,
        program: &'static str,
        lists: bool,
    ) -> Result<Self, git2::Error> {
        let http = Http::new(None).map_err(|why| git2::Error::from_str(&why))?;
        Ok(Self {
            session,
            http,
            url: url.to_owned(),
            program,
            lists,
            question: Vec::new(),
            answer: None,
            piece: Vec::new(),
            at: 0,
        })
    }

    fn send_request(&mut self) -> io::Result<Body> {
        let (method, path, kind) = if self.lists {
            (reqwest::Method::GET, format!("info/refs?service={}", self.program), "advertisement")
        } else {
            (reqwest::Method::POST, self.program.to_owned(), "result")
        };
        let mut request = self.http.request(method, &format!("{}/{path}", self.url)).timeout(self.session.time_left());
        // Some servers use it to tell git from browsers.
        request = request.header("User-Agent", concat!("git/2.0 (amarre ", env!("CARGO_PKG_VERSION"), ")"));
        if !self.lists {
            request = request.header("Content-Type", format!("application/x-{}-request", self.program));
            request = request.body(std::mem::take(&mut self.question));
        }
        if let Some(token) = &self.session.access.token {
            request = request.basic_auth(&self.session.access.username, Some(token.expose()));
        }
        let answer = self.session.wait(self.http.open(request))?;
        let answer = answer.map_err(|failure| self.no_answer(&failure))?;
        let wanted = format!("application/x-{}-{kind}", self.program);
        let is_git = answer.header("Content-Type").is_some_and(|kind| kind.eq_ignore_ascii_case(&wanted));
        match answer.status() {
            200 if is_git => Ok(answer),
            200 => Err(self.session.fail(SessionError::NoAnswer("what answers there is no git repository".to_owned()))),
            // Servers answer 404 to hide a private repository.
            status @ (401 | 403 | 404) => {
                let with = if self.session.access.token.is_some() { "with this token" } else { "without a token" };
                Err(self.session.fail(SessionError::Denied(format!("it answers {status} {with}"))))
            }
            status @ 300..=399 => {
                let to = answer.header("Location").map(place).unwrap_or_default();
                Err(self
                    .session
                    .fail(SessionError::NoAnswer(format!("it answers {status}, the repository is elsewhere{to}"))))
            }
            status => Err(self.session.fail(SessionError::NoAnswer(format!("it answers {status}")))),
        }
    }

    fn no_answer(&self, failure: &HttpFailure) -> io::Error {
        self.session.fail(SessionError::NoAnswer(failure_text(failure)))
    }
}

/// The error, without the layers of the client in which it happened.
fn failure_text(failure: &HttpFailure) -> String {
    let text = failure.message();
    let text = text.strip_prefix("error sending request: ").unwrap_or(text);
    text.strip_prefix("client error (Connect): ").unwrap_or(text).to_owned()
}

/// `: https://host/path`, without secrets or control characters.
fn place(location: &str) -> String {
    let location = location.split(['?', '#']).next().unwrap_or_default();
    let location = location.split("/info/refs").next().unwrap_or_default();
    let is_plain = location.len() <= 200 && location.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
    if is_plain && !location.is_empty() { format!(": {location}") } else { String::new() }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.is_none() {
            self.answer = Some(self.send_request()?);
        }
        let Some(answer) = self.answer.as_mut() else { return Ok(0) };
        while self.at == self.piece.len() {
            let piece = self.session.wait(answer.piece())?;
            match piece {
                Ok(Some(piece)) => (self.piece, self.at) = (piece, 0),
                Ok(None) => return Ok(0),
                Err(failure) => return Err(self.session.fail(SessionError::NoAnswer(failure_text(&failure)))),
            }
            self.session.count(self.piece.len())?;
        }
        let size = buffer.len().min(self.piece.len() - self.at);
        buffer[..size].copy_from_slice(&self.piece[self.at..self.at + size]);
        self.at += size;
        Ok(size)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.question.len() + bytes.len() > QUESTION_BYTES_MAX {
            return Err(self.session.fail(SessionError::TooMuch("it wants to be asked too much".to_owned())));
        }
        self.question.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
