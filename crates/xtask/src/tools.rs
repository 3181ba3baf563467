//! Programs that check the repository: pinned in `tools.txt`, kept under the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::shell::{root, run, target, works};

/// The path of such a program, installed first if it is not there yet.
pub(crate) fn tool(name: &str) -> Result<PathBuf> {
    let folder = target().join("tools");
    let list = root().join("crates/xtask/tools.txt");
    let wanted = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let (program, stamp) = (folder.join("bin").join(name), folder.join("installed"));
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && works(&program, &["--version"]) {
        return Ok(program);
    }
    eprintln!("   checking programs into {}", folder.display());
    if make(&folder).is_err() {
        debian::install(&["python3", "python3-venv"])?;
        make(&folder)?;
    }
    run(Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"])
        .args(["--only-binary", ":all:", "--requirement"])
        .arg(&list))?;
    fs::write(&stamp, wanted)?;
    ensure!(works(&program, &["--version"]), "{} does not start", program.display());
    Ok(program)
}

fn make(folder: &Path) -> Result<()> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
}
