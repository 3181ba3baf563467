//! How often the targets ran, in all the runs that were to be remembered (`fuzz/executions.json`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use figures::Row;
use serde_json::{Value, json};

use super::{TARGETS, counted};
use crate::security::revision;
use crate::shell::root;

/// What is remembered of each target.
#[derive(Debug, Default)]
pub(crate) struct Record(BTreeMap<String, Ran>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    executions: u64,
    /// The commit that ran last.
    revision: String,
}

impl Record {
    /// Reads what is remembered; nothing if there is no file yet.
    pub(crate) fn read() -> Result<Self> {
        let Ok(text) = fs::read_to_string(path()) else { return Ok(Self::default()) };
        let file: BTreeMap<String, Value> = serde_json::from_str(&text).context("fuzz/executions.json")?;
        let ran = file.into_iter().map(|(target, ran)| {
            let executions = ran["executions"].as_u64().context("executions are a number")?;
            let revision = ran["revision"].as_str().context("a revision is a text")?.to_owned();
            Ok((target, Ran { executions, revision }))
        });
        Ok(Self(ran.collect::<Result<_>>()?))
    }

    /// Adds a run that broke nothing.
    pub(super) fn add(&mut self, target: &str, executions: u64) -> Result<()> {
        let ran = self.0.entry(target.to_owned()).or_default();
        ran.executions += executions;
        ran.revision = revision()?;
        Ok(())
    }

    pub(super) fn write(&self) -> Result<()> {
        let file: BTreeMap<&String, Value> = self
            .0
            .iter()
            .map(|(target, ran)| (target, json!({ "executions": ran.executions, "revision": ran.revision })))
            .collect();
        let text = serde_json::to_string_pretty(&file)? + "\n";
        fs::write(path(), text).with_context(|| format!("cannot write {}", path().display()))
    }

    /// The row of the page of figures, and the revisions that ran; `None` when nothing was ever remembered.
    pub(crate) fn row(&self) -> Option<(Row, String)> {
        if self.0.is_empty() {
            return None;
        }
        let missing: Vec<&str> = TARGETS.into_iter().filter(|name| !self.0.contains_key(*name)).collect();
        let missing = match missing.is_empty() {
            true => String::new(),
            false => format!("; not yet: {}", missing.join(", ")),
        };
        let parts: Vec<String> =
            self.0.iter().map(|(target, ran)| format!("{} of `{target}`", counted(ran.executions))).collect();
        let total: u64 = self.0.values().map(|ran| ran.executions).sum();
        let row = Row {
            promise: "S8".to_owned(),
            attempted: format!("inputs that `cargo xtask fuzz` invented: {}{missing}", parts.join(", ")),
            outcome: format!("{} executions, each held against a reference: 0 broken", counted(total)),
        };
        let revisions: BTreeSet<&str> = self.0.values().map(|ran| ran.revision.as_str()).collect();
        Some((row, revisions.into_iter().collect::<Vec<_>>().join(", ")))
    }
}

fn path() -> PathBuf {
    root().join("fuzz/executions.json")
}
