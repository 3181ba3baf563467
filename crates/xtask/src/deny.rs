//! What dependencies bring with them: licences, where they come from, known vulnerabilities.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::shell::{Step, cargo, root, run, target};
use crate::tools::tool;

/// The advisory database that cargo-deny asks.
const DATABASE: &str = "https://github.com/RustSec/advisory-db";
/// Older than this, an answer of "nothing known" would mean nothing. cargo-deny itself looks only at when the
/// database was fetched, which says nothing of a mirror that stands still.
const OLDEST_DATABASE: Duration = Duration::from_secs(14 * 86_400);

/// What is checked.
#[derive(Args)]
pub(crate) struct Deny {
    /// Leave the advisories out: where their database cannot be reached.
    #[arg(long, conflicts_with = "database")]
    without_advisories: bool,
    /// A clone of the advisory database to take instead of fetching it.
    #[arg(long, value_name = "FOLDER")]
    database: Option<PathBuf>,
}

impl Deny {
    /// All but what needs the database of advisories.
    pub(crate) fn without_advisories() -> Self {
        Self { without_advisories: true, database: None }
    }
}

/// Checks what was asked for.
///
/// # Errors
/// Something is not allowed, or the advisories should be checked and cannot be.
pub(crate) fn check(asked: &Deny) -> Result<()> {
    run(&mut cargo(&["fetch", "--locked", "--quiet"]))?;
    let step = Step::begin("licences, sources and versions of dependencies");
    step.run(deny(&["--offline"])?.args(["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))?;
    if asked.without_advisories {
        eprintln!("\n!! ADVISORIES WERE NOT CHECKED (--without-advisories); `cargo xtask deny` does it.");
        return Ok(());
    }
    let step = Step::begin("advisories");
    let database = database(asked.database.as_deref()).context(
        "the advisories were NOT checked: their database is not to be had. `--database FOLDER` takes a \
         clone of it, `--without-advisories` leaves them out",
    )?;
    let mut command = deny(&[])?;
    command.args(["check", "advisories"]);
    // cargo-deny clones for itself; so it is told to clone from there.
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_VALUE_0", DATABASE);
    command.env("GIT_CONFIG_KEY_0", format!("url.file://{}.insteadOf", database.display()));
    // Or an older clone of its own would answer.
    let _ = fs::remove_dir_all(root().join("target/advisories"));
    step.run(&mut command)
}

fn deny(options: &[&str]) -> Result<Command> {
    let mut command = Command::new(tool("cargo-deny")?);
    command.args(["--locked", "--log-level", "error"]).args(options).current_dir(root());
    Ok(command)
}

/// A clone of the database that is recent enough to mean something.
fn database(given: Option<&Path>) -> Result<PathBuf> {
    let folder = target().join("advisory-database");
    let _ = fs::remove_dir_all(&folder);
    let source = match given {
        Some(path) => {
            let path = path.canonicalize().with_context(|| format!("no {}", path.display()))?;
            format!("file://{}", path.display())
        }
        None => DATABASE.to_owned(),
    };
    run(Command::new("git")
        .args(["-c", "safe.directory=*", "clone", "--quiet", "--depth=1"])
        .arg(source)
        .arg(&folder)
        .env("GIT_TERMINAL_PROMPT", "0"))?;
    let said = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(&folder)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start git")?;
    let seconds = String::from_utf8_lossy(&said.stdout).trim().parse().context("git log says no time")?;
    let changed = UNIX_EPOCH + Duration::from_secs(seconds);
    let days = SystemTime::now().duration_since(changed).unwrap_or_default().as_secs() / 86_400;
    ensure!(
        days <= OLDEST_DATABASE.as_secs() / 86_400,
        "this copy of the database last changed {days} days ago, and knows nothing of what came after"
    );
    eprintln!("   the database last changed {days} days ago");
    Ok(folder)
}
