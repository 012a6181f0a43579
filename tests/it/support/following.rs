//! A command that goes on until it is ended, and its lines as they come.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// An engine that every test uses at once may be silent for a minute.
const LINE_TIMEOUT: Duration = Duration::from_secs(150);

/// Ended on drop, where the command says `kill_on_drop`.
pub struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    pub async fn next(&mut self) -> String {
        let line = tokio::time::timeout(LINE_TIMEOUT, self.lines.next_line()).await;
        line.expect("a line comes").unwrap().expect("it goes on")
    }

    /// As Ctrl-C; its exit code.
    pub async fn end(mut self) -> Option<i32> {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().await.unwrap().code()
    }
}
