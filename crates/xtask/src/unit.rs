//! Judges the hardening of the systemd unit, without a systemd that runs.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::shell::{Step, root, works};

/// `systemd-analyze security` gives 0 to a unit that may nothing and 10 to one that may all.
const WORST_EXPOSURE: f64 = 2.0;

/// How exposed the unit is; an error if it is more than that.
pub(crate) fn judge() -> Result<f64> {
    let step = Step::begin("the unit's exposure");
    if !works("systemd-analyze", &["--version"]) {
        debian::install(&["systemd"])?;
    }
    let unit = root().join("packaging/ocpp-proxy.service");
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(&unit)
        .output()
        .context("cannot start systemd-analyze")?;
    let said = String::from_utf8_lossy(&judged.stdout);
    // The last line: "→ Overall exposure level for ocpp-proxy.service: 1.1 OK".
    let level = said
        .lines()
        .find_map(|line| line.split_once("ocpp-proxy.service: ")?.1.split(' ').next()?.parse::<f64>().ok())
        .with_context(|| format!("systemd-analyze named no level:\n{said}"))?;
    ensure!(level <= WORST_EXPOSURE, "the unit's exposure is {level}, more than {WORST_EXPOSURE}:\n{said}");
    eprintln!("   {level}, at most {WORST_EXPOSURE} is wanted");
    step.end();
    Ok(level)
}
