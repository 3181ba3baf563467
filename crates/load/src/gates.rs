//! The two costs that CI watches because they are the same on every machine: system calls for a message, memory of
//! an idle charger. What they may be at most is kept in the repository.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::system::System;
use crate::weighings::Bench;

/// Messages a second while system calls are counted.
const PER_SECOND: f64 = 200.0;
/// Messages whose system calls are counted.
const MESSAGES: u64 = 2_000;
/// Idle chargers are so many, and then twice as many.
const IDLE_CHARGERS: usize = 1_000;
/// What a charger with a leader and a follower costs.
const SYSTEM: System = System::Proxy { followers: 1, log: false };

/// A cost that is watched.
struct Gate {
    name: &'static str,
    weigh: fn(&Bench<'_>) -> Result<f64>,
}

const GATES: [Gate; 3] = [
    Gate { name: "system calls for a message", weigh: calls },
    Gate { name: "KiB for an idle charger", weigh: |bench| bench.idle_kib(SYSTEM, false, IDLE_CHARGERS) },
    Gate {
        name: "KiB for an idle charger, TLS on every hop",
        weigh: |bench| bench.idle_kib(SYSTEM, true, IDLE_CHARGERS),
    },
];

fn calls(bench: &Bench<'_>) -> Result<f64> {
    let calls = bench.system_calls(SYSTEM, PER_SECOND, MESSAGES)?;
    for (name, count) in calls.by_name.iter().take(8) {
        eprintln!("   {count:7.2} {name}");
    }
    ensure!(calls.tally.is_clean(), "not every message arrived as it was said: {:?}", calls.tally);
    Ok(calls.per_message)
}

/// Weighs, and compares with the file of what is allowed: lines of `FIGURE NAME`.
pub fn watch(bench: &Bench<'_>, kept: &Path) -> Result<()> {
    let text = fs::read_to_string(kept).with_context(|| format!("cannot read {}", kept.display()))?;
    let mut findings = Vec::new();
    for gate in &GATES {
        let allowed = allowed(&text, gate.name)
            .with_context(|| format!("{} does not say what is allowed: {}", kept.display(), gate.name))?;
        let weighed = (gate.weigh)(bench)?;
        eprintln!("   {}: {weighed:.1}, at most {allowed}", gate.name);
        if weighed > allowed {
            findings.push(format!("{}: {weighed:.1}, but at most {allowed} are allowed", gate.name));
        }
    }
    if !findings.is_empty() {
        bail!("{}\nif that is meant, change {}", findings.join("\n"), kept.display());
    }
    Ok(())
}

fn allowed(text: &str, name: &str) -> Option<f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).find(|(_, known)| *known == name)?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gate_stands_in_the_kept_file() {
        let text = include_str!("../../../benches/costs.txt");
        let found = GATES.iter().filter(|gate| allowed(text, gate.name).is_some()).count();
        assert_eq!(found, 3);
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 3);
    }
}
