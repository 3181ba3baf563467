//! Figures that tests count. A test named `figure_s02_…` attacks the program as promise S2 of SECURITY.md says:
//! small in CI, and at the size that the promise names under `cargo xtask security`, which writes what was
//! counted into docs/security-figures.md.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Names the file that collects the rows. While it is set, tests run at their full size.
pub const COLLECTION: &str = "OCPP_PROXY_FIGURES";

/// What one test counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The promise, `S1` to `S18`.
    pub promise: String,
    /// What was done, with how many of what: "10,000 guesses over 50 identities".
    pub attempted: String,
    /// What came out, counted: "0 let in".
    pub outcome: String,
}

/// Whether tests run at their full size.
pub fn full_size() -> bool {
    collection().is_some()
}

/// The size that a promise names, or the one that CI has time for.
pub fn scaled<T>(full: T, small: T) -> T {
    if full_size() { full } else { small }
}

/// Says what a test has counted. Both texts are made of what was counted, never of what should have been.
///
/// # Panics
/// When the collection cannot be written: a figure that gets lost must not look like one never asked for.
pub fn row(promise: &str, attempted: impl Into<String>, outcome: impl Into<String>) {
    let row = Row { promise: promise.to_owned(), attempted: attempted.into(), outcome: outcome.into() };
    println!("{}: {}: {}", row.promise, row.attempted, row.outcome);
    let Some(path) = collection() else { return };
    let mut line = serde_json::to_vec(&row).expect("a row of texts is JSON");
    line.push(b'\n');
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(&line))
        .unwrap_or_else(|error| panic!("cannot add a figure to {}: {error}", path.display()));
}

/// A number as people read it: `50,000`.
pub fn counted(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn collection() -> Option<PathBuf> {
    env::var_os(COLLECTION).filter(|path| !path.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let shown: Vec<_> = [0, 12, 999, 1000, 50_000, 1_234_567].map(counted).into();
        assert_eq!(shown, ["0", "12", "999", "1,000", "50,000", "1,234,567"]);
    }
}
