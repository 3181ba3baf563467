//! What the end-to-end tests stand on: the program as a child, peers that others wrote, a charger of
//! our own for what those cannot do, and waiting for a fact with a deadline.

pub mod charger;
pub mod peer;
pub mod proxy;
pub mod session;

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a test waits for a fact before it fails. Generous: two cores may run eight programs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// JSON lines that a program wrote, as they come.
#[derive(Default)]
pub struct Lines {
    lines: Mutex<Vec<Value>>,
    more: Condvar,
}

impl Lines {
    /// Reads a program's output until it ends. A line that is not JSON is kept as a string.
    pub fn read(&self, output: impl std::io::Read) {
        use std::io::BufRead;
        for line in std::io::BufReader::new(output).lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            self.lines.lock().unwrap().push(line);
            self.more.notify_all();
        }
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for the first line of which `find` makes something.
    ///
    /// # Panics
    /// When none came in time; says `what` was waited for and what came instead.
    pub fn wait<T>(&self, what: &str, find: impl FnMut(&Value) -> Option<T>) -> T {
        self.wait_within(PATIENCE, what, find)
    }

    /// The same, for what takes longer.
    pub fn wait_within<T>(
        &self,
        patience: Duration,
        what: &str,
        mut find: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + patience;
        let mut seen = 0;
        let mut lines = self.lines.lock().unwrap();
        loop {
            while seen < lines.len() {
                if let Some(found) = find(&lines[seen]) {
                    return found;
                }
                seen += 1;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                let last: Vec<_> = lines.iter().rev().take(40).rev().map(shortened).collect();
                drop(lines);
                panic!("waited in vain for {what}; what came (last {}):\n{}", last.len(), last.join("\n"));
            };
            lines = self.more.wait_timeout(lines, left).unwrap().0;
        }
    }
}

/// Asks again and again until there is an answer. For facts that nobody announces: a metric, a file.
///
/// # Panics
/// When there was none in time.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A line short enough to read in a failure.
pub fn shortened(line: &Value) -> String {
    let mut text = line.to_string();
    if let Some((cut, _)) = text.char_indices().nth(500) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// A setting that `cargo xtask test` gives.
///
/// # Panics
/// When it is missing: a test without its peer proves nothing and must not pass.
pub fn set_up(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `cargo xtask test`, which sets up what this test needs")
    })
}
