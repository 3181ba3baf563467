//! Fuzzing: builds the targets of `fuzz/`, lets each invent inputs for as long as one likes, and keeps what is worth it.
//! CI tries what was kept without any of this, as an ordinary test.

pub(crate) mod record;
mod round;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::shell::{Step, cargo, root, run, target, works};
use record::Record;
use round::Round;

/// The targets; each has a program in `fuzz/fuzz_targets` and a folder in `fuzz/corpus`.
const TARGETS: [&str; 5] = ["basic_auth", "envelope", "search_query", "splice", "toml"];
/// The version of cargo-fuzz, which builds them.
const CARGO_FUZZ: &str = "0.13.2";
/// The longest input that is kept or invented, in bytes: what is wrong shows in less.
const LONGEST_INPUT: usize = 4096;

/// What to run.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// For how many minutes each target invents inputs.
    #[arg(long, default_value_t = 3)]
    minutes: u64,
    /// Only this target. May be given several times.
    #[arg(long, value_name = "NAME", value_parser = TARGETS)]
    target: Vec<String>,
    /// Try this file once instead, with a target that `--target` names.
    #[arg(long, value_name = "FILE", requires = "target")]
    replay: Option<PathBuf>,
    /// With the targets as they were built the last time.
    #[arg(long)]
    built: bool,
    /// Afterwards put the inputs that reach most into fuzz/corpus, and add the executions to fuzz/executions.json.
    #[arg(long)]
    keep: bool,
}

/// Runs what was asked for.
///
/// # Errors
/// An input broke a target; the line that tries it again is printed.
pub(crate) fn run_targets(asked: &Fuzz) -> Result<()> {
    let is_asked = |name: &&str| asked.target.is_empty() || asked.target.iter().any(|asked| asked == name);
    let targets: Vec<&'static str> = TARGETS.into_iter().filter(is_asked).collect();
    if !asked.built {
        build()?;
    }
    if let Some(file) = &asked.replay {
        ensure!(targets.len() == 1, "a file is tried with one target");
        return replay(targets[0], file);
    }
    let time = Duration::from_secs(60 * asked.minutes);
    let step = Step::begin(format!("{} minutes for each of {}", asked.minutes, targets.join(", ")));
    let rounds = in_parallel(&targets, time)?;
    step.end();
    let total: u64 = rounds.iter().map(|round| round.executions).sum();
    for round in &rounds {
        println!("{:>14} executions of {}", counted(round.executions), round.target);
    }
    println!("{:>14} in all", counted(total));
    let broken: Vec<&Round> = rounds.iter().filter(|round| round.is_broken).collect();
    for round in &broken {
        println!("\n{} is broken:\n{}", round.target, round.why);
        for file in &round.artifacts {
            println!("cargo xtask fuzz --target {} --replay {}", round.target, file.display());
        }
    }
    if asked.keep {
        // What broke a target is kept by hand, with what mends it.
        let whole = || rounds.iter().filter(|round| !round.is_broken);
        whole().try_for_each(|round| keep(round.target))?;
        let mut record = Record::read()?;
        whole().try_for_each(|round| record.add(round.target, round.executions))?;
        record.write()?;
    }
    ensure!(broken.is_empty(), "{} of {} targets are broken", broken.len(), rounds.len());
    Ok(())
}

/// As many targets at a time as there are processors.
fn in_parallel(targets: &[&'static str], time: Duration) -> Result<Vec<Round>> {
    let waiting = Mutex::new(targets.to_vec());
    let next = || waiting.lock().expect("nobody panics with it").pop();
    let workers = thread::available_parallelism().map_or(1, usize::from).min(targets.len());
    let work = || -> Result<Vec<Round>> {
        let mut rounds = Vec::new();
        while let Some(target) = next() {
            rounds.push(Round::run(target, time)?);
        }
        Ok(rounds)
    };
    let rounds: Result<Vec<Vec<Round>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    let mut rounds = rounds?.concat();
    rounds.sort_by_key(|round| round.target);
    Ok(rounds)
}

/// Without a sanitizer: they look for what `unsafe` does wrong, which is forbidden here.
fn build() -> Result<()> {
    let step = Step::begin("building the targets");
    let mut command = Command::new(cargo_fuzz()?);
    command.args(["build", "--sanitizer", "none", "--features", "libfuzzer", "--codegen-units", "16"]);
    command.arg("--target-dir").arg(built()).current_dir(root());
    step.run(&mut command)
}

/// The program that builds fuzz targets, installed first if it is not there yet.
fn cargo_fuzz() -> Result<PathBuf> {
    let folder = target().join("tools/cargo-fuzz");
    let program = folder.join("bin/cargo-fuzz");
    if !works(&program, &["--version"]) {
        eprintln!("   cargo-fuzz {CARGO_FUZZ} into {}", folder.display());
        run(cargo(&["install", "--quiet", "--locked", "cargo-fuzz", "--version", CARGO_FUZZ, "--root"])
            .arg(&folder))?;
    }
    Ok(program)
}

/// Where the targets are built, and what they invent and break is left.
fn built() -> PathBuf {
    target().join("fuzz")
}

fn program(name: &str) -> Result<Command> {
    let folders = fs::read_dir(built()).with_context(|| format!("no {}", built().display()))?;
    let programs = folders.flatten().map(|folder| folder.path().join("release").join(name));
    let found = programs.filter(|path| path.is_file()).max_by_key(|path| path.components().count());
    let Some(found) = found else { bail!("{name} was not built") };
    let mut command = Command::new(found);
    command.current_dir(root());
    Ok(command)
}

/// The inputs that stand in the repository.
fn kept(name: &str) -> PathBuf {
    root().join("fuzz/corpus").join(name)
}

/// The inputs that were invented here.
fn invented(name: &str) -> PathBuf {
    built().join("invented").join(name)
}

fn replay(name: &str, file: &Path) -> Result<()> {
    let file = file.canonicalize().with_context(|| format!("no {}", file.display()))?;
    run(program(name)?.arg(file))
}

/// Puts into the repository what reaches most with the fewest inputs, of the kept ones and the invented.
fn keep(name: &str) -> Result<()> {
    let step = Step::begin(format!("choosing what to keep of {name}"));
    let chosen = built().join("chosen").join(name);
    let _ = fs::remove_dir_all(&chosen);
    fs::create_dir_all(&chosen)?;
    let mut command = program(name)?;
    command
        .args(["-set_cover_merge=1", "-max_len=512", "-verbosity=0"])
        .arg(&chosen)
        .arg(kept(name))
        .arg(invented(name));
    run(&mut command)?;
    let mut files: Vec<(u64, PathBuf)> = Vec::new();
    for file in fs::read_dir(&chosen)? {
        let file = file?;
        files.push((file.metadata()?.len(), file.path()));
    }
    ensure!(!files.is_empty(), "nothing of {name} was worth keeping");
    files.sort();
    fs::remove_dir_all(kept(name))?;
    fs::create_dir_all(kept(name))?;
    let mut bytes = 0;
    for (length, file) in files {
        bytes += length;
        if bytes > MOST_KEPT_BYTES {
            break;
        }
        let to = kept(name).join(file.file_name().unwrap_or_default());
        fs::copy(&file, &to)?;
    }
    step.end();
    Ok(())
}

/// What a repository may carry of one target.
const MOST_KEPT_BYTES: u64 = 150_000;

/// With a mark between thousands.
fn counted(number: u64) -> String {
    figures::counted(usize::try_from(number).unwrap_or(usize::MAX))
}
