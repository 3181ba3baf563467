//! Many seeds, each a world of its own: is there a conversation that breaks a promise?
//!
//! `SWARM_SEEDS` says how many seeds (256), `SWARM_FROM` which is the first (0), `SWARM_LINES` how much
//! of the transcript a failure shows (160).

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sim::{Summary, World, WorldOptions};

const DEFAULT_SEEDS: u64 = 256;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number, but is {text:?}")),
        Err(_) => default,
    }
}

#[test]
fn no_seed_breaks_a_promise() {
    let (from, seeds) = (setting("SWARM_FROM", 0), setting("SWARM_SEEDS", DEFAULT_SEEDS));
    let lines = usize::try_from(setting("SWARM_LINES", 160)).expect("a number of lines fits in memory");
    let next = AtomicU64::new(from);
    let outcomes = Mutex::new((Vec::new(), Summary::default(), 0_u64));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    let options = WorldOptions { shown_lines: lines, ..WorldOptions::draw(seed) };
                    let outcome = World::with_options(seed, options).run();
                    let mut outcomes = outcomes.lock().unwrap();
                    outcomes.2 += 1;
                    match outcome {
                        Ok(summary) => outcomes.1.add(summary),
                        Err(failure) => outcomes.0.push(failure),
                    }
                }
            });
        }
    });
    let (mut failures, summary, ran) = outcomes.into_inner().unwrap();
    failures.sort_by_key(|failure| failure.seed);
    if let Some(first) = failures.first() {
        let lines: Vec<String> = failures
            .iter()
            .map(|failure| format!("seed {}: {}", failure.seed, failure.broken.join("; ")))
            .collect();
        panic!("{first}\n{} of {ran} seeds failed:\n{}", failures.len(), lines.join("\n"));
    }
    assert_eq!(ran, seeds);
    println!("{ran} seeds: {summary:?}");
    // A swarm in which nothing happens proves nothing.
    if seeds >= DEFAULT_SEEDS {
        assert!(summary.charger_answers > 100 * seeds, "{summary:?}");
        assert!(summary.starts > 4 * seeds, "{summary:?}");
        assert!(summary.commands > seeds, "{summary:?}");
        assert!(summary.deliveries > 10 * seeds, "{summary:?}");
        assert!(summary.recalls > seeds / 10, "{summary:?}");
        assert!(summary.copies > summary.charger_answers, "{summary:?}");
    }
}
