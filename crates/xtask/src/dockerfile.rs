//! Looks at the Dockerfile as far as that goes without a container engine: hadolint, and whether it speaks of
//! the same program, folders and user as the rest of the repository.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell::{Step, root};
use crate::tools::tool;

/// An error if something is wrong with it.
pub(crate) fn lint() -> Result<()> {
    let step = Step::begin("the Dockerfile");
    let read =
        |name: &str| fs::read_to_string(root().join(name)).with_context(|| format!("cannot read {name}"));
    let (dockerfile, unit, manifest) =
        (read("Dockerfile")?, read("packaging/ocpp-proxy.service")?, read("Cargo.toml")?);
    let instruction = |name: &str| {
        let found = dockerfile.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.with_context(|| format!("the Dockerfile has no {name}"))
    };

    let built_with = dockerfile.lines().find_map(|line| line.strip_prefix("FROM rust:")?.split('-').next());
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let wanted = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let (built_with, wanted) = (built_with.and_then(minor), wanted.and_then(minor));
    ensure!(
        wanted.is_some() && built_with >= wanted,
        "it builds with Rust 1.{built_with:?}, 1.{wanted:?} is needed"
    );

    // With what the Debian package has.
    ensure!(dockerfile.contains("--features openssl"), "it builds without the feature openssl");

    // The same command line as the unit's, and the same folder for the database.
    let quoted = format!("{}, {}", instruction("ENTRYPOINT")?, instruction("CMD")?);
    let started: Vec<&str> = quoted.split('"').skip(1).step_by(2).collect();
    let line = format!("ExecStart={}", started.join(" "));
    ensure!(unit.lines().any(|own| own == line), "the unit has no {line}");
    let volume = instruction("VOLUME")?;
    ensure!(
        volume == "/var/lib/ocpp-proxy" && unit.contains("\nStateDirectory=ocpp-proxy\n"),
        "VOLUME {volume}"
    );
    let user = instruction("USER")?;
    let is_number = |part: &str| part.parse::<u32>().is_ok_and(|number| number > 0);
    ensure!(
        user.split(':').all(is_number),
        "USER {user}: whoever demands a user that is not root wants a number"
    );

    // What the build reads is let through .dockerignore.
    let ignored = read(".dockerignore")?;
    for name in ["Cargo.toml", "Cargo.lock", "crates", "benches", "fuzz"] {
        ensure!(ignored.lines().any(|line| line == format!("!{name}")), ".dockerignore keeps {name} out");
    }
    step.run(Command::new(tool("hadolint")?).arg("--no-color").arg("Dockerfile").current_dir(root()))
}
