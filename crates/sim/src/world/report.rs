//! What a run leaves behind: counts when all went well, the transcript when not.

use std::collections::VecDeque;
use std::fmt;

use engine::Tick;

use super::WorldOptions;

/// What a run saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events handed to the session.
    pub events: u64,
    /// Calls of the charger that were answered.
    pub charger_answers: u64,
    /// Of these, starts that got a number.
    pub starts: u64,
    /// Commands that reached the charger.
    pub commands: u64,
    /// Copies and originals of the charger's calls that reached a backoffice.
    pub copies: u64,
    /// Commands of backoffices that were answered.
    pub command_answers: u64,
    /// Deliveries that left for a backoffice.
    pub deliveries: u64,
    /// Times that more of a lane was read than was in memory.
    pub recalls: u64,
    /// Sessions made.
    pub sessions: u64,
    /// Calls of the charger that the proxy answered in its leader's place.
    pub stand_ins: u64,
    /// How often another backoffice led from then on.
    pub leads_passed: u64,
    /// Commands that were refused because their sender may not send them.
    pub refusals: u64,
    /// Transactions stopped because their leader refused the card late.
    pub late_stops: u64,
}

impl Summary {
    /// Adds another run's counts.
    pub fn add(&mut self, other: Summary) {
        self.events += other.events;
        self.charger_answers += other.charger_answers;
        self.starts += other.starts;
        self.commands += other.commands;
        self.copies += other.copies;
        self.command_answers += other.command_answers;
        self.deliveries += other.deliveries;
        self.recalls += other.recalls;
        self.sessions += other.sessions;
        self.stand_ins += other.stand_ins;
        self.leads_passed += other.leads_passed;
        self.refusals += other.refusals;
        self.late_stops += other.late_stops;
    }
}

/// A broken promise, and how it came about.
#[derive(Debug)]
pub struct Failure {
    /// The seed of the world.
    pub seed: u64,
    /// What was broken; all that was noticed in that step.
    pub broken: Vec<String>,
    /// What the seed decided.
    pub options: Box<WorldOptions>,
    /// What happened last.
    pub transcript: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} broke a promise:", self.seed)?;
        for broken in &self.broken {
            writeln!(f, "  * {broken}")?;
        }
        writeln!(f, "options: {:#?}", self.options)?;
        writeln!(f, "the last {} lines of what happened:", self.transcript.len())?;
        for line in &self.transcript {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "replay: cargo xtask swarm --seeds 1 --from {} --lines 400", self.seed)
    }
}

/// The last lines of what happened.
#[derive(Debug)]
pub(super) struct Transcript {
    lines: VecDeque<String>,
    most: usize,
}

impl Transcript {
    pub(super) fn new(most: usize) -> Self {
        Self { lines: VecDeque::new(), most }
    }

    pub(super) fn push(&mut self, at: Tick, line: fmt::Arguments<'_>) {
        let line = format!("{:>12.6} {line}", at.0 as f64 / 1e6);
        // Where time stands still, what led there is of interest.
        if self.lines.back() == Some(&line) {
            return;
        }
        if self.lines.len() >= self.most {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines).into()
    }
}
