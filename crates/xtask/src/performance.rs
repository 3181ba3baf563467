//! What the program costs: beside nginx and HAProxy, for the page, and the two costs that CI watches.

use std::path::PathBuf;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::debian;
use crate::shell::{Step, cargo, root, run, target, works};

/// How much is measured.
#[derive(Args)]
pub(crate) struct Performance {
    /// Little of everything, to see that it works; the page goes into the target folder.
    #[arg(long)]
    quick: bool,
    /// Handed to the program `load` in place of measuring everything, for example `compare --passes 5`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds everything optimised, measures, and writes docs/performance.md.
pub(crate) fn measure(asked: &Performance) -> Result<()> {
    ensure!(
        available_parallelism()?.get() >= 2,
        "the system under test wants a core of its own, and this machine has but one"
    );
    others()?;
    tracer()?;
    let program = build(DIST)?;
    // The system under test has the first core, whoever weighs the second.
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "1"]).arg(program).args(["--core", "0"]);
    let quick = target().join("performance/page.md");
    if !asked.arguments.is_empty() {
        command.args(&asked.arguments);
    } else if asked.quick {
        command.args(["page", "--quick"]).arg(&quick);
    } else {
        command.arg("page").arg(root().join("docs/performance.md"));
    }
    places(&mut command, DIST);
    Step::begin("what it costs").run(&mut command)
}

/// The profile that is packaged.
const DIST: &str = "dist";

/// Compares system calls and memory with `benches/costs.txt`.
pub(crate) fn watch_costs() -> Result<()> {
    tracer()?;
    let mut command = Command::new(build("release")?);
    command.arg("costs").arg(root().join("benches/costs.txt"));
    // As on the page: how often its threads wake each other depends on how many cores there are.
    command.args(["--core", "0"]);
    places(&mut command, "release");
    Step::begin("system calls and memory").run(&mut command)
}

fn places(command: &mut Command, profile: &str) {
    command.arg("--proxy").arg(target().join(profile).join("ocpp-proxy"));
    command.arg("--folder").arg(target().join("performance"));
}

/// Builds the program and the one that weighs it; the path of the latter.
fn build(profile: &str) -> Result<PathBuf> {
    run(&mut cargo(&["build", "--locked", "--profile", profile, "-p", "ocpp-proxy", "-p", "load"]))?;
    Ok(target().join(profile).join("load"))
}

fn tracer() -> Result<()> {
    if works("strace", &["-V"]) { Ok(()) } else { debian::install(&["strace"]) }
}

/// Debian's nginx and HAProxy. Installing them on a machine that runs services would start them there.
fn others() -> Result<()> {
    let missing: Vec<&str> = ["nginx", "haproxy"]
        .into_iter()
        .filter(|name| !works(PathBuf::from("/usr/sbin").join(name), &["-v"]))
        .collect();
    if !missing.is_empty() && PathBuf::from("/run/systemd/system").exists() {
        bail!(
            "nginx and HAProxy are what it is compared with: `apt-get install {}` (it starts them; they need not run)",
            missing.join(" ")
        );
    }
    debian::install(&missing)
}
