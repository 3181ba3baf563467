//! Many seeds, each a world of its own: is there a conversation that breaks a promise?
//!
//! `SWARM_SEEDS` says how many seeds (512, half of them milder worlds), `SWARM_FROM` which is the first,
//! `SWARM_LINES` how much of the transcript a failure shows (160); with `SWARM_PROGRESS` it says from time
//! to time how far it is, and each failure at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sim::{FIRST_SHARED_SEED, FIRST_WILD_SEED, Failure, Summary, World, WorldOptions};

const DEFAULT_SEEDS: u64 = 512;
/// How often the progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, but is {text:?}")))
}

/// The seeds to run: those asked for, or as many milder worlds as wild ones, half of each kind shared.
fn seeds() -> Vec<u64> {
    let seeds = setting("SWARM_SEEDS").unwrap_or(DEFAULT_SEEDS);
    match setting("SWARM_FROM") {
        Some(from) => (from..from + seeds).collect(),
        None => {
            let (mild, wild) = (seeds / 4, seeds / 2 - seeds / 4);
            let shared = (FIRST_SHARED_SEED..).take((seeds - mild - wild) as usize);
            (0..mild).chain((FIRST_WILD_SEED..).take(wild as usize)).chain(shared).collect()
        }
    }
}

/// What came of the seeds so far.
struct Tally {
    began: Instant,
    told: Instant,
    progress: bool,
    ran: usize,
    summary: Summary,
    failures: Vec<Failure>,
}

impl Tally {
    fn count(&mut self, of: usize, outcome: Result<Summary, Box<Failure>>) {
        self.ran += 1;
        match outcome {
            Ok(summary) => self.summary.add(summary),
            Err(failure) => {
                if self.progress {
                    let Failure { seed, broken, .. } = &*failure;
                    eprintln!("seed {seed}: {}", broken.join("; "));
                    eprintln!("    replay: cargo xtask swarm --seeds 1 --from {seed} --lines 400");
                }
                self.failures.push(*failure);
            }
        }
        if self.progress && self.told.elapsed() > PROGRESS_EVERY {
            self.told = Instant::now();
            let a_second = self.ran as f64 / self.began.elapsed().as_secs_f64();
            eprintln!("{} of {of} seeds, {a_second:.0}/s, {} failed", self.ran, self.failures.len());
        }
    }
}

#[test]
fn no_seed_breaks_a_promise() {
    let seeds = seeds();
    let lines = setting("SWARM_LINES").unwrap_or(160) as usize;
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally {
        began: Instant::now(),
        told: Instant::now(),
        progress: setting("SWARM_PROGRESS").is_some(),
        ran: 0,
        summary: Summary::default(),
        failures: Vec::new(),
    });
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let options = WorldOptions { shown_lines: lines, ..WorldOptions::draw(*seed) };
                    let outcome = World::with_options(*seed, options).run();
                    tally.lock().unwrap().count(seeds.len(), outcome);
                }
            });
        }
    });
    let Tally { ran, summary, mut failures, .. } = tally.into_inner().unwrap();
    failures.sort_by_key(|failure| failure.seed);
    if let Some(first) = failures.first() {
        let lines: Vec<String> = failures
            .iter()
            .map(|failure| format!("seed {}: {}", failure.seed, failure.broken.join("; ")))
            .collect();
        panic!("{first}\n{} of {ran} seeds failed:\n{}", failures.len(), lines.join("\n"));
    }
    assert_eq!(ran, seeds.len());
    println!("{ran} seeds: {summary:?}");
    // A swarm in which nothing happens proves nothing.
    let seeds = ran as u64;
    if seeds >= DEFAULT_SEEDS {
        assert!(summary.charger_answers > 100 * seeds, "{summary:?}");
        assert!(summary.starts > 4 * seeds, "{summary:?}");
        assert!(summary.commands > seeds, "{summary:?}");
        assert!(summary.deliveries > 10 * seeds, "{summary:?}");
        assert!(summary.recalls > seeds / 10, "{summary:?}");
        assert!(summary.copies > summary.charger_answers, "{summary:?}");
        assert!(summary.stand_ins > 4 * seeds, "{summary:?}");
        assert!(summary.leads_passed > seeds / 10, "{summary:?}");
        assert!(summary.late_stops > 0, "{summary:?}");
        assert!(summary.refusals > seeds, "{summary:?}");
    }
}

/// Seeds that broke a promise once: one a line, with what it was.
const REGRESSIONS: &str = include_str!("regressions.txt");

#[test]
fn what_was_mended_stays_whole() {
    let mut ran = 0;
    for line in REGRESSIONS.lines() {
        let (seed, what) = line.split_once(' ').expect("a seed, and what it was");
        let seed = seed.parse().expect("a seed is a number");
        if let Err(failure) = World::new(seed).run() {
            panic!("{failure}\nonce it was this: {what}");
        }
        ran += 1;
    }
    assert_eq!(ran, 49);
}
