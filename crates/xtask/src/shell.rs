//! Running other programs, and saying so.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("this crate lies two folders below the top").to_owned()
}

/// Where cargo puts what it builds; what the tests need is set up there too.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |given| root().join(given))
}

/// A cargo command at the top of the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Whether a program starts and succeeds with these arguments.
pub(crate) fn works(program: impl AsRef<Path>, arguments: &[&str]) -> bool {
    Command::new(program.as_ref())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A piece of work that says when it begins and how long it took.
pub(crate) struct Step {
    name: String,
    began: Instant,
}

impl Step {
    /// Says what begins.
    pub(crate) fn begin(name: impl Into<String>) -> Self {
        let name = name.into();
        eprintln!("\n== {name}");
        Self { name, began: Instant::now() }
    }

    /// Runs a command whose output the person sees; an error when it fails.
    pub(crate) fn run(self, command: &mut Command) -> Result<()> {
        run(command)?;
        self.end();
        Ok(())
    }

    /// Says that it is over.
    pub(crate) fn end(self) {
        eprintln!("== {}: {:.1} s", self.name, self.began.elapsed().as_secs_f64());
    }
}

/// Runs a command whose output the person sees; an error when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        bail!("`{} {}` failed: {status}", command.get_program().display(), arguments.join(" "));
    }
    Ok(())
}
