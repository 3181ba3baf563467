//! Writes the pages that the program itself prints, and the one that the tests show, so that they cannot
//! drift from either.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};

use crate::shell::{cargo, root};
use crate::{limits, matrix};

/// The pages, by the name the program knows them.
const PAGES: [&str; 2] = ["configuration", "metrics"];

/// Writes every generated page.
pub(crate) fn write() -> Result<()> {
    for page in PAGES {
        let output = cargo(&["run", "--quiet", "--locked", "--package", "ocpp-proxy", "--", "docs", page])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start cargo")?;
        if !output.status.success() || output.stdout.is_empty() {
            bail!("`ocpp-proxy docs {page}` printed no page: {}", output.status);
        }
        let path = root().join("docs").join(page).with_extension("md");
        fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    let path = root().join("docs/failure-matrix.md");
    let page = matrix::page(&root()).map_err(|findings| anyhow!("no {}:\n{findings}", path.display()))?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    let path = root().join("docs/limits.md");
    let page = limits::page(&root()).map_err(|findings| anyhow!("no {}:\n{findings}", path.display()))?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}
