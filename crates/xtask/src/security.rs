//! Attacks the program at the sizes that the promises of SECURITY.md name, and writes what came out into
//! docs/security-figures.md: a row for each figure, with the revision that it was counted on.

#[path = "security/page.rs"]
mod page;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use figures::Row;

use crate::fuzz::record::Record;
use crate::shell::{Step, cargo, root, target};
use crate::{deny, peers, unit};
use page::{Counted, Page};

/// The promises that are shown by more than tests.
const MALFORMED: &str = "S8";
const LEAST_PRIVILEGE: &str = "S16";

/// Packages that are built with what the Debian package has.
const WITH_OPENSSL: [&str; 2] = ["gateway", "ocpp-proxy"];

/// What is counted.
#[derive(Args)]
pub(crate) struct Security {
    /// Only this promise, for example S2; the page's other rows stay as they are. May be given several times.
    #[arg(long, value_name = "PROMISE")]
    only: Vec<String>,
    /// With the binaries that `cargo xtask test` makes, instead of optimised ones: slower attacks, no build.
    #[arg(long)]
    unoptimised: bool,
}

/// Runs the attacks one after another, and writes the page.
///
/// # Errors
/// A promise was broken, or nothing was counted; the page stays as it was.
pub(crate) fn run(asked: &Security) -> Result<()> {
    let path = root().join("docs/security-figures.md");
    let collection = target().join("security-figures.jsonl");
    let _ = fs::remove_file(&collection);
    let peers = peers::set_up()?;
    let names = match asked.only.as_slice() {
        [] => vec!["figure_".to_owned()],
        only => only.iter().map(|promise| test_prefix(promise)).collect::<Result<Vec<_>>>()?,
    };
    let packages = packages_with(&names)?;
    if !packages.is_empty() {
        let mut command = cargo(&["test", "--locked", "--no-fail-fast"]);
        if !asked.unoptimised {
            command.arg("--release");
        }
        for package in &packages {
            command.args(["--package", package]);
            if WITH_OPENSSL.contains(&package.as_str()) {
                command.args(["--features", &format!("{package}/openssl")]);
            }
        }
        command.arg("--").args(&names).args(["--nocapture", "--test-threads=1"]);
        command.envs(peers.variables()).env(figures::COLLECTION, &collection);
        Step::begin("attacks").run(&mut command)?;
    }

    let mut rows = collected(&fs::read_to_string(&collection).unwrap_or_default())?;
    if asked.only.is_empty() || asked.only.iter().any(|promise| promise == LEAST_PRIVILEGE) {
        rows.push(exposure()?);
    }
    ensure!(!rows.is_empty(), "nothing was counted: no test's name begins as asked");
    let revision = revision()?;
    let mut counted: Vec<Counted> =
        rows.into_iter().map(|row| Counted { row, revision: revision.clone() }).collect();
    if (asked.only.is_empty() || asked.only.iter().any(|promise| promise == MALFORMED))
        && let Some((row, revision)) = Record::read()?.row()
    {
        counted.push(Counted { row, revision });
    }
    let mut page = Page::read(&fs::read_to_string(&path).unwrap_or_default());
    if asked.only.is_empty() {
        page = Page::default();
    }
    page.replace(counted);
    fs::write(&path, page.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// `S2` is shown by the tests named `figure_s02_…`.
fn test_prefix(promise: &str) -> Result<String> {
    match promise.strip_prefix('S').and_then(|number| number.parse::<u8>().ok()) {
        Some(number @ 1..=18) => Ok(format!("figure_s{number:02}_")),
        _ => bail!("{promise:?} is no promise of SECURITY.md: they are S1 to S18"),
    }
}

/// The packages with a test whose name begins so: the others need not be built.
fn packages_with(names: &[String]) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = children(&root().join("crates"))?;
    folders.push(root().join("fuzz"));
    while let Some(folder) = folders.pop() {
        let mut waiting = vec![folder.join("src"), folder.join("tests")];
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(children(&path)?);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            if names.iter().any(|name| text.contains(&format!("fn {name}"))) {
                let folder = folder.file_name().unwrap_or_default().to_string_lossy();
                found.insert(if folder == "proxy" { "ocpp-proxy".to_owned() } else { folder.into_owned() });
            }
        }
    }
    Ok(found)
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn collected(lines: &str) -> Result<Vec<Row>> {
    lines.lines().map(|line| serde_json::from_str(line).context("a row that is none")).collect()
}

/// What the unit leaves open, and whether the dependencies are as they are said to be.
fn exposure() -> Result<Row> {
    let level = unit::judge()?;
    deny::check(&deny::Deny::without_advisories())?;
    Ok(Row {
        promise: LEAST_PRIVILEGE.to_owned(),
        attempted:
            "`systemd-analyze security --offline=true` of the unit; licences, sources and versions of all \
                    dependencies"
                .to_owned(),
        outcome: format!("exposure {level} of 10; every dependency as deny.toml says"),
    })
}

/// The commit that is measured; marked where the tree has changed since.
pub(crate) fn revision() -> Result<String> {
    let git = |arguments: &[&str]| -> Result<String> {
        let said =
            Command::new("git").args(arguments).current_dir(root()).output().context("cannot start git")?;
        ensure!(said.status.success(), "git names no revision");
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short", "HEAD"])?;
    // A page of figures that was counted a moment ago is no change of what is counted.
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no", "--", ":(exclude)docs/*-figures.md"])?;
    Ok(if changed.is_empty() { revision } else { format!("{revision}-dirty") })
}
