//! Writes the reference pages that the program itself prints, so that they cannot drift from it.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, root};

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
    Ok(())
}
