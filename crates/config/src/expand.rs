//! Replaces `${VAR}`, `${VAR:-default}` and `${file:/path}` in values. Keys are left as they are.

use std::path::Path;

use super::Surroundings;
use super::explain::{Finding, quoted};
use super::files::Files;
use super::source::{Node, Value};

/// Expands every text of the tree; what cannot be expanded is reported and becomes [`Value::Unread`].
pub(crate) fn expand(
    root: &mut Node,
    text: &str,
    around: &Surroundings<'_>,
    files: &mut Files,
    findings: &mut Vec<Finding>,
) -> Concealed {
    let mut expansion = Expansion { text, around, files, findings, concealed: Concealed::default() };
    expansion.expand(root);
    expansion.concealed
}

/// What was filled in, to keep it out of messages: any of it may be a secret.
#[derive(Default)]
pub(crate) struct Concealed(Vec<(String, String)>);

/// Texts shorter than this are no secrets, and occur everywhere.
const SHORTEST_CONCEALED: usize = 4;

impl Concealed {
    fn add(&mut self, value: &str, expression: &str) {
        if value.chars().count() >= SHORTEST_CONCEALED {
            let shown = quoted(value);
            self.0.push((shown.trim_matches(['"', '…']).to_owned(), expression.to_owned()));
        }
    }

    /// The message with every value as the expression it was written as.
    pub(crate) fn conceal(&self, message: &str) -> String {
        self.0
            .iter()
            .fold(message.to_owned(), |message, (value, expression)| message.replace(value, expression))
    }
}

struct Expansion<'a> {
    text: &'a str,
    around: &'a Surroundings<'a>,
    files: &'a mut Files,
    findings: &'a mut Vec<Finding>,
    concealed: Concealed,
}

impl Expansion<'_> {
    fn expand(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Table(entries) => entries.iter_mut().for_each(|entry| self.expand(&mut entry.node)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.expand(item)),
            Value::Text(value) if value.contains("${") => match self.expand_text(value) {
                Ok(expanded) => *value = expanded,
                Err((expression, message)) => {
                    let written = self.text.get(node.span.clone()).unwrap_or_default();
                    let at = node.span.start + written.find(expression.as_str()).unwrap_or(0);
                    self.findings.push(Finding::error(self.text, at, message));
                    node.value = Value::Unread;
                }
            },
            _ => {}
        }
    }

    /// The expanded text, or the expression that failed and why. The message never holds a value.
    fn expand_text(&mut self, text: &str) -> Result<String, (String, String)> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            // `$${` is how a literal `${` is written.
            if rest[..start].ends_with('$') {
                expanded.push_str(&rest[..start - 1]);
                expanded.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            expanded.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                let message = "\"${\" without \"}\"; a literal one is written \"$${\"";
                return Err(("${".to_owned(), message.to_owned()));
            };
            let expression = &rest[start..=start + length];
            let inside = &expression[2..expression.len() - 1];
            let value = resolve(inside, self.around, self.files)
                .map_err(|message| (expression.to_owned(), message))?;
            self.concealed.add(&value, expression);
            expanded.push_str(&value);
            rest = &rest[start + length + 1..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

fn resolve(inside: &str, around: &Surroundings<'_>, files: &mut Files) -> Result<String, String> {
    if let Some(path) = inside.strip_prefix("file:") {
        return secret_file(&around.folder.join(path), files);
    }
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_variable_name(name) {
        return Err(format!(
            "{} names no variable; write ${{NAME}}, ${{NAME:-default}} or ${{file:/path}}",
            quoted(&format!("${{{inside}}}"))
        ));
    }
    match ((around.variable)(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            Err(format!("the environment variable {name} is not set; set it, or write ${{{name}:-default}}"))
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn secret_file(path: &Path, files: &mut Files) -> Result<String, String> {
    let bytes =
        files.read(path).map_err(|error| format!("{} cannot be read: {}", path.display(), remedy(&error)))?;
    let mut text =
        String::from_utf8(bytes).map_err(|_| format!("{} does not hold UTF-8 text", path.display()))?;
    // Editors and `echo` end a file with a newline that is no part of the secret.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Why a file cannot be read, in the same words on every system.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        std::io::ErrorKind::FileTooLarge => "it is larger than 1 MiB".to_owned(),
        _ => error.to_string(),
    }
}

/// The same, with what would do.
pub(crate) fn remedy(error: &std::io::Error) -> String {
    let what = match error.kind() {
        std::io::ErrorKind::NotFound => {
            "; create it or correct its path, which starts in the folder of this file"
        }
        std::io::ErrorKind::PermissionDenied => "; let the user that runs ocpp-proxy read it",
        _ => "",
    };
    reason(error) + what
}
