//! Says what is wrong with a `proxy.toml`, where, and what would do.

use std::fmt;

/// One remark about the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Errors make the file invalid, warnings do not.
    pub severity: Severity,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What was found and what would do; free of secrets.
    pub message: String,
}

/// Whether the file can be used in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but somebody should know.
    Warning,
}

impl Finding {
    /// An error at a byte of the text.
    pub(crate) fn error(text: &str, at: usize, message: impl Into<String>) -> Self {
        Self::at(Severity::Error, text, at, message.into())
    }

    /// A warning at a byte of the text.
    pub(crate) fn warning(text: &str, at: usize, message: impl Into<String>) -> Self {
        Self::at(Severity::Warning, text, at, message.into())
    }

    /// Whether it is about what stands there.
    pub(crate) fn stands_at(&self, text: &str, at: usize) -> bool {
        let place = Self::warning(text, at, "");
        (self.line, self.column) == (place.line, place.column)
    }

    fn at(severity: Severity, text: &str, at: usize, message: String) -> Self {
        let before = text.get(..at.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Self { severity, line, column, message }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(f, "{}:{}: {warning}{}", self.line, self.column, self.message)
    }
}

/// What is to be said about a file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file as the user named it.
    pub file: String,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{finding}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// `; did you mean "leader"?` when a known name is near, else `; known are: …`, else nothing.
pub fn suggestion<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(nearest) = nearest(found, &known) {
        return format!("; did you mean {nearest:?}?");
    }
    match known.as_slice() {
        [] => String::new(),
        [only] => format!("; the only one known is {only:?}"),
        _ if known.len() <= 12 => {
            let names: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
            format!("; known are {}", names.join(", "))
        }
        _ => String::new(),
    }
}

/// The known name that was most probably meant.
pub(crate) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let found = found.to_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&found, &name.to_lowercase()), *name))
        .filter(|(distance, name)| *distance * 3 <= name.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Text from the file, fit for a message: quoted, escaped, not longer than 60 characters.
pub(crate) fn quoted(found: &str) -> String {
    if found.chars().count() <= 60 {
        return format!("{found:?}");
    }
    let start: String = found.chars().take(57).collect();
    format!("{:?}", start + "…")
}
