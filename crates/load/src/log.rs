//! A message log of any length, written by the store itself: what a row costs, and how long the portal's questions
//! take, at each length that is asked for.

mod fleet;
mod questions;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use store::{Browser, Limits, Settings, Store};
use tokio::runtime::{Builder, Runtime};

use self::fleet::Fleet;
use crate::under_test::Cpu;

pub use self::questions::Asked;

/// Rows over which the rate is taken, before each length.
const COUNTED_ROWS: u64 = 500_000;
/// Rows that wait for the writer at most: it never starves, and nothing is dropped.
const AHEAD: u64 = 20_000;
/// What stays free on the disk whatever was asked for, in bytes.
const LEFT_ALONE: u64 = 4_000_000_000;

/// What was found at one length.
#[derive(Debug, Clone)]
pub struct LogMark {
    /// Rows in the log: calls, answers and occurrences.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Rows written in a second, while the writer always had some.
    pub per_second: f64,
    /// What the writer's thread used for a row, in microseconds on a CPU.
    pub cpu_us: f64,
    /// How long commits took in the mean, until the disk had them, in milliseconds.
    pub commit_ms: f64,
    /// The portal's questions.
    pub asked: Vec<Asked>,
}

/// Writes a log and stops at each length to ask; tells of each as soon as it is known. Lengths that the disk has no
/// room for are left out.
///
/// # Errors
/// When the store cannot be written or read.
pub fn grow(
    folder: &Path,
    lengths: &[u64],
    chargers: usize,
    times: usize,
    mut tell: impl FnMut(&LogMark),
) -> Result<Vec<LogMark>> {
    let path = folder.join("growth.db");
    remove(&path);
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let settings = Settings {
        keep_log_for: Duration::from_secs(365 * 86_400),
        keep_log_bytes: u64::MAX,
        ..Settings::default()
    };
    let limits = Limits { reserve_bytes: LEFT_ALONE, ..Limits::default() };
    let store = Store::open_with(&path, settings, limits)?;
    let last = lengths.iter().max().copied().unwrap_or(0);
    let mut fleet = Fleet::new(chargers, last);
    let mut marks = Vec::new();
    for length in lengths {
        write_until(&runtime, &store, &mut fleet, length.saturating_sub(COUNTED_ROWS))?;
        let before = (fleet.rows, Instant::now(), Cpu::of(std::process::id())?, store.figures().commits);
        write_until(&runtime, &store, &mut fleet, *length)?;
        let (rows, took) = ((fleet.rows - before.0) as f64, before.1.elapsed());
        let cpu = Cpu::of(std::process::id())?.by_thread(&before.2);
        let writer = cpu.iter().find(|(name, _)| name == "store-writer").context("the store has a writer")?.1;
        let figures = store.figures();
        if figures.log_paused || figures.dropped() > 0 {
            eprintln!("the disk has no room for {length} rows");
            break;
        }
        let commits = (figures.commits.count - before.3.count).max(1) as f64;
        let mark = LogMark {
            rows: fleet.rows,
            bytes: figures.size_bytes,
            per_second: rows / took.as_secs_f64(),
            cpu_us: writer as f64 / 1e3 / rows,
            commit_ms: (figures.commits.sum_seconds - before.3.sum_seconds) * 1e3 / commits,
            asked: questions::ask_all(&runtime, &Browser::open(&path)?, &fleet, times)?,
        };
        tell(&mark);
        marks.push(mark);
    }
    runtime.block_on(store.close());
    remove(&path);
    ensure!(!marks.is_empty(), "the disk has no room for any of these lengths");
    Ok(marks)
}

/// Until so many rows are in the log, or the disk is full.
fn write_until(runtime: &Runtime, store: &Store, fleet: &mut Fleet, rows: u64) -> Result<()> {
    let mut looked = 0;
    while fleet.rows < rows {
        fleet.call(store);
        if fleet.rows - looked < 1_000 {
            continue;
        }
        looked = fleet.rows;
        while store.figures().rows_waiting > AHEAD {
            thread::sleep(Duration::from_millis(1));
        }
        if store.figures().log_paused {
            break;
        }
    }
    // Refused when the disk is full, which is told by the figures.
    let _ = runtime.block_on(store.flush());
    Ok(())
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm", ".lock", ".key"] {
        let _ = std::fs::remove_file(PathBuf::from(format!("{}{suffix}", path.display())));
    }
}
