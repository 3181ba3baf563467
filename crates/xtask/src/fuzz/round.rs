//! One target, for as long as it may: its progress, how often it ran, and what broke it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{LONGEST_INPUT, built, counted, invented, kept, program};
use crate::shell::root;

/// How often progress is told.
const TELLING: Duration = Duration::from_secs(20);
/// Lines that are remembered for the person who reads why a target is broken.
const REMEMBERED: usize = 40;

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) target: &'static str,
    /// How many inputs were tried.
    pub(super) executions: u64,
    pub(super) is_broken: bool,
    /// What it said last, if it is broken.
    pub(super) why: String,
    /// The inputs that broke it.
    pub(super) artifacts: Vec<PathBuf>,
}

impl Round {
    /// Lets the target run.
    pub(super) fn run(target: &'static str, time: Duration) -> Result<Self> {
        fs::create_dir_all(invented(target))?;
        let broken_here = built().join("broken").join(target);
        fs::create_dir_all(&broken_here)?;
        let mut command = program(target)?;
        command.arg(invented(target)).arg(kept(target));
        command.arg(format!("-max_total_time={}", time.as_secs())).arg(format!("-max_len={LONGEST_INPUT}"));
        command.args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]);
        command.arg(format!("-artifact_prefix={}/", broken_here.display()));
        let words = root().join("fuzz/words").join(target);
        command.arg(format!("-dict={}", words.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {target}"))?;
        let said = child.stderr.take().expect("it was asked for");
        let mut round =
            Self { target, executions: 0, is_broken: false, why: String::new(), artifacts: Vec::new() };
        let (mut latest, mut told) = (Vec::new(), Instant::now());
        for line in BufReader::new(said).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            round.heard(&line);
            if told.elapsed() >= TELLING {
                told = Instant::now();
                eprintln!("   {target}: {} executions", counted(round.executions));
            }
            // What only tells progress explains nothing.
            if !line.starts_with('#') {
                latest.push(line);
                latest.drain(..latest.len().saturating_sub(REMEMBERED));
            }
        }
        round.is_broken = !child.wait()?.success();
        if round.is_broken {
            round.why = latest.join("\n");
        }
        Ok(round)
    }

    fn heard(&mut self, line: &str) {
        // `#1234 NEW cov: …` while it runs, `stat::number_of_executed_units: 1234` at the end.
        let progress = line.strip_prefix('#').and_then(|rest| rest.split_whitespace().next());
        let number = line.strip_prefix("stat::number_of_executed_units:").map(str::trim).or(progress);
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            self.executions = self.executions.max(number);
        }
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.artifacts.push(PathBuf::from(path.trim()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_says_is_counted() {
        let mut round = Round {
            target: "envelope",
            executions: 0,
            is_broken: false,
            why: String::new(),
            artifacts: vec![],
        };
        round.heard("#2097152\tpulse  cov: 1094 ft: 6262 corp: 833/37Kb lim: 4096 exec/s: 104857 rss: 63Mb");
        assert_eq!(round.executions, 2_097_152);
        round.heard("artifact_prefix='x/'; Test unit written to /x/crash-1");
        round.heard("stat::number_of_executed_units: 3000000");
        round.heard("stat::average_exec_per_sec:     100000");
        assert_eq!((round.executions, round.artifacts), (3_000_000, vec![PathBuf::from("/x/crash-1")]));
    }
}
