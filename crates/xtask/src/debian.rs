//! Installs Debian packages whose programs are missing.

use std::process::Command;

use anyhow::{Result, bail};

use crate::shell::{run, works};

/// Packages that are missing to build the program with its feature `openssl`.
pub(crate) fn missing_for_openssl() -> &'static [&'static str] {
    if works("pkg-config", &["--exists", "openssl >= 3"]) { &[] } else { &["libssl-dev", "pkg-config"] }
}

/// Installs these packages; nothing when there are none.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("   Debian packages to install: {}", packages.join(" "));
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    apt_as_root(&["update"])?;
    apt_as_root(&install)
}

/// Runs apt-get as root, through sudo when need be.
pub(crate) fn apt_as_root(arguments: &[&str]) -> Result<()> {
    if !is_root() && !works("sudo", &["-n", "true"]) {
        bail!("not root, and sudo asks for a password: run `apt-get {}` yourself", arguments.join(" "));
    }
    let mut command = Command::new(if is_root() { "env" } else { "sudo" });
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]);
    run(command.args(arguments))
}

/// Whether packages can be installed without sudo.
pub(crate) fn is_root() -> bool {
    works("test", &["-w", "/var/lib/dpkg"])
}
