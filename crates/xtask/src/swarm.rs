//! The swarm for nights: as many seeds as one likes, with progress, optimised.

use anyhow::Result;
use clap::Args;

use crate::shell::{cargo, run};

/// What to run.
#[derive(Args)]
pub(crate) struct Swarm {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed; below 1000000 they stand for milder worlds, from 2000000 on for shared ones.
    #[arg(long, default_value_t = 1_000_000)]
    from: u64,
    /// How many lines of its story the first failure shows.
    #[arg(long, default_value_t = 160)]
    lines: u64,
}

impl Swarm {
    /// Runs them; an error if any fails. Each failure is printed with the line that replays it.
    pub(crate) fn run(&self) -> Result<()> {
        let mut command = cargo(&["test", "--locked", "--release", "-p", "sim", "--test", "swarm", "--"]);
        command
            .args(["--exact", "no_seed_breaks_a_promise", "--nocapture"])
            .env("SWARM_SEEDS", self.seeds.to_string())
            .env("SWARM_FROM", self.from.to_string())
            .env("SWARM_LINES", self.lines.to_string())
            .env("SWARM_PROGRESS", "1");
        run(&mut command)
    }
}
