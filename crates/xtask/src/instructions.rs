//! How many instructions the engine takes for a message, counted one by one, against the counts that the repository keeps.
//! Wall time varies with the machine; this does not.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::debian;
use crate::shell::{Step, cargo, root, target, works};

/// The counts are of this kind of processor.
const COUNTED_ON: &str = "x86_64";
/// How often a message is said: what the second run takes more than the first is what the messages of the difference
/// take, and the start of the program is in neither.
const TIMES: [u64; 2] = [500, 2_500];
/// What is counted: the function, with all that it calls.
const COUNTED: &str = "*rig::engine_works*";
/// So many hundredths more than the kept count are too many.
const GROWTH: u64 = 5;

/// What to do with the counts.
#[derive(Args)]
pub(crate) struct Instructions {
    /// Keeps the counts as they are now.
    #[arg(long)]
    write: bool,
}

/// Counts; an error when a count has grown by more than is allowed, or is not kept.
pub(crate) fn count(asked: &Instructions) -> Result<()> {
    if ARCH != COUNTED_ON {
        eprintln!("the counts are of {COUNTED_ON}; on {ARCH} there is nothing to compare with");
        return Ok(());
    }
    if !works("valgrind", &["--version"]) {
        debian::install(&["valgrind"])?;
    }
    let step = Step::begin("instructions for a message");
    let program = build()?;
    let mut counts = Vec::new();
    for message in messages(&program)? {
        let [few, many] =
            [collected(&program, &message, TIMES[0])?, collected(&program, &message, TIMES[1])?];
        counts.push((message, (many - few) / (TIMES[1] - TIMES[0])));
    }
    ensure!(!counts.is_empty(), "the program names nothing that is to be counted");
    let path = root().join("benches/instructions.txt");
    let outcome = if asked.write { keep(&path, &counts) } else { compare(&path, &counts) };
    step.end();
    outcome
}

/// Builds the program that says the messages; its path.
fn build() -> Result<PathBuf> {
    let mut command = cargo(&["bench", "--locked", "--quiet", "-p", "engine", "--bench", "instructions"]);
    command.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    // What a machine sets for its other builds must not change the counts.
    command.env("CARGO_PROFILE_BENCH_LTO", "false");
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the program that is counted cannot be built");
    let text = String::from_utf8(output.stdout).context("cargo printed something else than UTF-8")?;
    let built = text.lines().filter(|line| line.contains(r#""name":"instructions""#));
    let path = built.filter_map(|line| line.split_once(r#""executable":""#)?.1.split('"').next()).next_back();
    path.map(PathBuf::from).context("cargo does not say where the program is")
}

fn messages(program: &Path) -> Result<Vec<String>> {
    let output = Command::new(program).output().context("the program that is counted does not start")?;
    let text = String::from_utf8(output.stdout).context("it printed something else than UTF-8")?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// All instructions of a run.
fn collected(program: &Path, message: &str, times: u64) -> Result<u64> {
    let file = target().join(format!("instructions.{message}.callgrind"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", file.display())])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(program)
        .args([message, &times.to_string()])
        // What the environment holds is copied at the start; nothing else reads it.
        .env_clear()
        .output()
        .context("cannot start valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed for {message}:\n{text}");
    let line =
        text.lines().find_map(|line| line.split_once("Collected :")).context("valgrind says no sum")?;
    Ok(line.1.trim().parse()?)
}

fn keep(path: &Path, counts: &[(String, u64)]) -> Result<()> {
    let mut text = "# Instructions of the engine for a message, with a leader and a follower, from its receipt to the last \
                    answer.\n# What the bench takes to write them is not in it. Counted by `cargo xtask instructions` on x86_64; CI fails when one grows by more than 5 %.\n\
                    # StartTransaction is with its StopTransaction. `cargo xtask instructions --write` keeps new counts.\n"
        .to_owned();
    for (message, count) in counts {
        eprintln!("   {message}: {count}");
        text += &format!("{message} {count}\n");
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn compare(path: &Path, counts: &[(String, u64)]) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut kept: Vec<(&str, u64)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (message, count) = line.split_once(' ').context("a line is a message and its count")?;
            Ok((message, count.parse()?))
        })
        .collect::<Result<_>>()?;
    let mut findings = Vec::new();
    for (message, count) in counts {
        let Some(at) = kept.iter().position(|(known, _)| known == message) else {
            findings.push(format!("{message} takes {count} instructions, and no count of it is kept"));
            continue;
        };
        let (_, before) = kept.remove(at);
        let change = (*count as f64 / before as f64 - 1.0) * 100.0;
        eprintln!("   {message}: {count} instructions, {before} kept ({change:+.1} %)");
        if *count * 100 > before * (100 + GROWTH) {
            findings.push(format!(
                "{message} takes {count} instructions, {change:.1} % more than the {before} that are kept"
            ));
        }
    }
    findings.extend(kept.iter().map(|(message, _)| format!("{message} is kept, but not counted any more")));
    if !findings.is_empty() {
        bail!(
            "{}\nif that is meant, keep the new counts with `cargo xtask instructions --write`",
            findings.join("\n")
        );
    }
    Ok(())
}
