//! Proves that the engine reads no clock, opens no socket and knows no runtime: none of the crates
//! that would is beneath it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

use crate::shell::{Step, cargo};

/// Crates whose presence beneath the engine would break its promise.
const IMPURE: [&str; 9] =
    ["tokio", "rusqlite", "hyper", "tungstenite", "rustls", "mio", "socket2", "getrandom", "tracing"];

/// An error that names the crates that do not belong beneath the engine.
pub(crate) fn prove() -> Result<()> {
    let step = Step::begin("purity of the engine");
    // The same list, taken of the program, must hold the first seven; otherwise the question itself
    // is broken and an empty answer would prove nothing.
    let program = beneath("ocpp-proxy")?;
    for name in &IMPURE[..7] {
        ensure!(
            program.contains(*name),
            "`cargo tree -p ocpp-proxy` no longer names {name}: the check is blind"
        );
    }
    let engine = beneath("engine")?;
    ensure!(engine.contains("serde"), "`cargo tree -p engine` no longer names serde: the check is blind");
    let found: Vec<_> = IMPURE.iter().filter(|name| engine.contains(**name)).collect();
    if !found.is_empty() {
        bail!(
            "the engine must stay pure, but depends on {found:?}; see `cargo tree -p engine -e normal -i NAME`"
        );
    }
    eprintln!("   {} crates beneath the engine, none of {}", engine.len(), IMPURE.join(", "));
    step.end();
    Ok(())
}

/// The names of all crates that a package is built with, dependencies of builds and tests left out.
fn beneath(package: &str) -> Result<BTreeSet<String>> {
    let output = cargo(&["tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "-f", "{p}"])
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("cargo tree printed something else than UTF-8")?;
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}
