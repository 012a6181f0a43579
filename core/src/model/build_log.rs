//! What a build of an image does: its steps, when each ran, and what it printed. Bounded: the first lines go when there are more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::{Millis, Timestamp};
use super::words;

/// Of one build.
pub const BYTES_MAX: usize = 1 << 20;
/// Of one build; a Dockerfile with more is made to harm.
const STEPS_MAX: usize = 1_000;
/// A line that has not ended yet is one by then.
const LINE_BYTES_MAX: usize = 64 << 10;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildLog {
    /// Its steps, as they began.
    pub steps: Vec<LoggedStep>,
    /// The digests of the images that it was made from, where they have one.
    #[serde(default)]
    pub bases: BTreeMap<String, String>,
    /// How it failed; `None`: it did not, or goes on.
    #[serde(default)]
    pub error: Option<String>,
    /// Bytes of all lines.
    #[serde(skip)]
    bytes: usize,
    /// The step of each id that the builder has, and what it has printed of a line.
    #[serde(skip)]
    known: BTreeMap<String, (usize, String)>,
}

/// A step of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedStep {
    /// `[2/5] RUN npm ci`; empty: what belongs to no step.
    pub name: String,
    #[serde(default)]
    pub began: Option<Timestamp>,
    /// When it ended, well or not.
    #[serde(default)]
    pub ended: Option<Timestamp>,
    /// What it makes was there from a build before.
    #[serde(default)]
    pub is_cached: bool,
    #[serde(default)]
    pub failed: bool,
    #[serde(default)]
    pub lines: Vec<String>,
    /// Lines before those, which are gone.
    #[serde(default)]
    pub lost: usize,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// It runs, or ran when nothing more was heard of it.
    Running,
    Done,
    /// What it makes was there.
    Cached,
    Failed,
}

impl StepState {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cached => "cached",
            Self::Failed => "failed",
        }
    }
}

/// What a builder says of a step.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepNews<'a> {
    /// How the builder calls it.
    pub id: &'a str,
    /// Its name for people.
    pub name: &'a str,
    pub began: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// What it makes was there.
    pub is_cached: bool,
    pub failed: bool,
}

impl LoggedStep {
    /// How far it is.
    pub const fn state(&self) -> StepState {
        match (self.failed, self.is_cached, self.ended) {
            (true, _, _) => StepState::Failed,
            (false, true, _) => StepState::Cached,
            (false, false, Some(_)) => StepState::Done,
            (false, false, None) => StepState::Running,
        }
    }

    /// How long it took, or has taken.
    pub fn took(&self, now: Timestamp) -> Option<Millis> {
        let took = self.ended.unwrap_or(now) - self.began?;
        Some(Millis(took.0.max(0)))
    }

    /// Its last lines, and how many there are before them.
    pub fn last(&self, count: usize) -> (usize, &[String]) {
        let earlier = self.lines.len().saturating_sub(count);
        (self.lost + earlier, &self.lines[earlier..])
    }
}

impl BuildLog {
    /// A step has begun, or has come further.
    pub fn step(&mut self, news: StepNews<'_>) {
        let at = match self.known.get(news.id) {
            Some((at, _)) => *at,
            None if self.steps.len() >= STEPS_MAX => return,
            None => {
                self.steps.push(LoggedStep { name: words::line(news.name), ..LoggedStep::default() });
                self.known.insert(news.id.to_owned(), (self.steps.len() - 1, String::new()));
                self.steps.len() - 1
            }
        };
        let step = &mut self.steps[at];
        step.began = step.began.or(news.began);
        // Each part of a step that is told of ends by itself; the last one counts.
        step.ended = news.ended.or(step.ended);
        step.is_cached |= news.is_cached;
        step.failed |= news.failed;
    }

    /// Whether a step is known.
    pub fn has(&self, id: &str) -> bool {
        self.known.contains_key(id)
    }

    /// A step has printed a piece.
    pub fn printed(&mut self, id: &str, piece: &str) {
        let Some((at, rest)) = self.known.get_mut(id) else { return };
        let at = *at;
        rest.push_str(piece);
        let end = rest.rfind('\n').map_or(0, |at| at + 1);
        let whole: String = rest.drain(..end).collect();
        let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        if rest.len() > LINE_BYTES_MAX {
            lines.push(std::mem::take(rest));
        }
        lines.iter().for_each(|line| self.line(at, line));
    }

    /// A line of its own, in the step that was told of last.
    pub fn say(&mut self, line: &str) {
        if self.steps.is_empty() {
            self.steps.push(LoggedStep::default());
        }
        self.line(self.steps.len() - 1, line);
    }

    fn line(&mut self, at: usize, line: &str) {
        let line = words::masked(line.trim_end());
        self.bytes += line.len() + 1;
        self.steps[at].lines.push(line);
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.steps.iter_mut().find(|step| !step.lines.is_empty())
        {
            // Many at once: what is taken off the front moves all others.
            let gone = oldest.lines.len().div_ceil(4);
            self.bytes -= oldest.lines.drain(..gone).map(|line| line.len() + 1).sum::<usize>();
            oldest.lost += gone;
        }
    }

    /// It has ended so; what still ran when it failed has failed.
    pub fn end(&mut self, error: Option<String>) {
        let rests: Vec<(usize, String)> =
            self.known.values_mut().map(|(at, rest)| (*at, std::mem::take(rest))).collect();
        rests.into_iter().filter(|(_, rest)| !rest.is_empty()).for_each(|(at, rest)| self.line(at, &rest));
        if error.is_some() && !self.steps.iter().any(|step| step.failed) {
            let running = self.steps.iter_mut().rev().find(|step| step.state() == StepState::Running);
            running.into_iter().for_each(|step| step.failed = true);
        }
        self.error = error;
    }

    /// The name of the step that runs; empty: none does.
    pub fn running(&self) -> &str {
        let running = self.steps.iter().rev().find(|step| step.state() == StepState::Running);
        running.map(|step| step.name.as_str()).unwrap_or_default()
    }

    /// All of it with each line and name passed through.
    pub fn map(&self, through: impl Fn(&str) -> String) -> Self {
        let step = |step: &LoggedStep| LoggedStep {
            name: through(&step.name),
            lines: step.lines.iter().map(|line| through(line)).collect(),
            ..step.clone()
        };
        let error = self.error.as_deref().map(&through);
        Self { steps: self.steps.iter().map(step).collect(), error, bases: self.bases.clone(), ..Self::default() }
    }

    /// All of it as lines.
    pub fn lines(&self, now: Timestamp) -> Vec<String> {
        let mut out = Vec::new();
        for step in &self.steps {
            if !step.name.is_empty() {
                out.push(head(step, now));
            }
            out.extend((step.lost > 0).then(|| format!("  … {} earlier lines are gone", step.lost)));
            out.extend(step.lines.iter().map(|line| format!("  {line}")));
        }
        out.extend(self.error.as_ref().map(|error| format!("failed: {error}")));
        out
    }

    /// What it printed last, for the sentence about its failure.
    pub fn last_lines(&self, count: usize) -> Vec<&str> {
        let all = self.steps.iter().rev().flat_map(|step| step.lines.iter().rev());
        let mut last: Vec<&str> = all.map(|line| line.trim()).filter(|line| !line.is_empty()).take(count).collect();
        last.reverse();
        last
    }
}

fn head(step: &LoggedStep, now: Timestamp) -> String {
    let took = || step.took(now).map(|took| format!("  ({})", took.in_words())).unwrap_or_default();
    match step.state() {
        StepState::Cached => format!("{}  (as before)", step.name),
        StepState::Running | StepState::Done | StepState::Failed => format!("{}{}", step.name, took()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news<'a>(id: &'a str, began: i64, ended: Option<i64>) -> StepNews<'a> {
        StepNews { id, name: id, began: Some(Timestamp(began)), ended: ended.map(Timestamp), ..StepNews::default() }
    }

    #[test]
    fn steps_have_their_lines_and_their_times() {
        let mut log = BuildLog::default();
        log.step(news("a", 0, None));
        log.printed("a", "one\ntw");
        assert_eq!((log.running(), log.has("b")), ("a", false));
        log.step(news("a", 0, Some(3_000)));
        log.step(StepNews { is_cached: true, ..news("b", 3_000, Some(3_000)) });
        log.step(news("c", 3_000, None));
        log.printed("a", "o\n");
        log.printed("c", "no end");
        log.printed("unknown", "x\n");
        log.end(Some("exit code: 7".to_owned()));
        let states: Vec<&str> = log.steps.iter().map(|step| step.state().word()).collect();
        assert_eq!(states, ["done", "cached", "failed"]);
        let lines = ["a  (3 s)", "  one", "  two", "b  (as before)", "c  (2 s)", "  no end", "failed: exit code: 7"];
        assert_eq!(log.lines(Timestamp(5_000)), lines);
        assert_eq!(log.last_lines(2), ["two", "no end"]);
        let kept: BuildLog = serde_json::from_str(&serde_json::to_string(&log).unwrap()).unwrap();
        assert_eq!(kept.lines(Timestamp(5_000)), lines);
        assert_eq!(log.map(|line| line.replace("two", "***")).steps[0].lines, ["one", "***"]);
    }

    #[test]
    fn a_log_keeps_its_end() {
        let mut log = BuildLog::default();
        log.step(news("a", 0, None));
        for number in 0..40_000 {
            log.printed("a", &format!("line {number} of a build that prints very much indeed\n"));
        }
        let step = &log.steps[0];
        assert!(step.lost > 0 && step.lines.last().unwrap().contains("39999"));
        assert!(step.lines.iter().map(String::len).sum::<usize>() <= BYTES_MAX);
        assert_eq!(step.last(50).0, 39_950);
        log.printed("a", &"x".repeat(LINE_BYTES_MAX + 1));
        assert!(log.steps[0].lines.last().unwrap().len() > LINE_BYTES_MAX);
    }
}
