//! Takes secrets out of what goes to the disk, and touches nothing else.
//!
//! Values are replaced in place; every other byte stays as it came. Where it is doubtful whether a
//! value is a secret, it is one. What cannot be understood is not stored but for its shape. The cards'
//! idTags stay: showing what became of them is what the log is for.

mod free_text;
mod names;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use engine::Difference;
use sha2::{Digest, Sha256};

use crate::json::{Kind, Tape};
use crate::rows::LoggedDifference;

pub(crate) use free_text::text;

/// What stands in the place of a secret.
const MARK: &str = "«redacted»";
/// The same as a JSON string.
const MARK_JSON: &str = "\"«redacted»\"";
/// JSON inside a string inside JSON is looked into so many times.
const NESTING: usize = 4;
/// Of what cannot be understood, the shape of so many characters is stored.
const SHAPE_CHARS: usize = 256;
/// A certificate without its PEM lines is at least this long.
const CERTIFICATE_CHARS: usize = 64;

/// A text that may be written to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clean<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Something was taken out.
    pub(crate) redacted: bool,
}

/// A payload without its secrets.
pub(crate) fn payload(text: &str) -> Clean<'_> {
    json(text, 0).unwrap_or_else(|| Clean { text: Cow::Owned(shape(text)), redacted: true })
}

/// A difference without secrets: by the name of the member that differs, as if it stood in its place.
pub(crate) fn difference(difference: &Difference) -> LoggedDifference {
    let steps: Vec<String> =
        difference.pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    // What names it may stand beside it, where it is not seen from here.
    let secret = steps.iter().any(|step| names::is_secret(step) || step.eq_ignore_ascii_case("value"));
    let name = serde_json::Value::from(steps.last().map_or("", String::as_str)).to_string();
    let clean = |value: &String| {
        if secret && has_content(value) {
            return MARK_JSON.to_owned();
        }
        let around = format!("{{{name}:{value}}}");
        match json(&around, 0) {
            Some(clean) => clean.text[name.len() + 2..clean.text.len() - 1].to_owned(),
            None => serde_json::Value::from(shape(value)).to_string(),
        }
    };
    LoggedDifference {
        pointer: difference.pointer.clone(),
        leader: difference.leader.as_ref().map(clean),
        follower: difference.follower.as_ref().map(clean),
    }
}

/// `None` when it is not JSON, or too deep or large to be read.
fn json(text: &str, nesting: usize) -> Option<Clean<'_>> {
    let tape = Tape::read(text)?;
    let objects = Pairs::read(&tape);
    let mut clean = String::new();
    let mut done = 0;
    for at in 0..tape.len() {
        let span = tape.span(at);
        // Inside a value that is gone already.
        if span.start < done {
            continue;
        }
        if let Some(replacement) = replacement(&tape, &objects, at, nesting) {
            clean.push_str(&text[done..span.start]);
            clean.push_str(&replacement);
            done = span.end;
        }
    }
    if done == 0 {
        return Some(Clean { text: Cow::Borrowed(text), redacted: false });
    }
    clean.push_str(&text[done..]);
    Some(Clean { text: Cow::Owned(clean), redacted: true })
}

/// What to put in the place of a value, as JSON; `None` to leave it.
fn replacement(tape: &Tape<'_>, pairs: &Pairs, at: usize, nesting: usize) -> Option<String> {
    let name = tape.name(at);
    let name = name.as_deref().unwrap_or_default();
    let secret = if name.eq_ignore_ascii_case("key") {
        // The name of a configuration key, or several; a key itself only where nothing says so.
        let names_something = tape.kind(at) == Kind::Array
            || pairs.has_value(tape.parent(at))
            || (nesting == 0 && tape.parent(at) == Tape::ROOT);
        !names_something
    } else if name.eq_ignore_ascii_case("value") {
        pairs.names_secret(tape.parent(at))
            || (pairs.names_access_point(tape.parent(at)) && tape.raw(at).contains([',', ';', ':', '@']))
    } else {
        names::is_secret(name)
    };
    if secret && has_content(tape.raw(at)) {
        return Some(MARK_JSON.to_owned());
    }

    let text = tape.text(at)?;
    let clean = string(name, &text, nesting)?;
    Some(serde_json::Value::from(clean).to_string())
}

/// What to put in the place of a string; `None` to leave it.
fn string(name: &str, value: &str, nesting: usize) -> Option<String> {
    if value.contains("PRIVATE KEY") {
        return Some(MARK.to_owned());
    }
    if value.contains("-----BEGIN") || (names::is_certificate(name) && value.len() >= CERTIFICATE_CHARS) {
        return Some(fingerprint(value));
    }
    if names::is_card(name) {
        return None;
    }
    if value.trim_start().starts_with(['{', '[', '"']) {
        if nesting == NESTING {
            return Some(MARK.to_owned());
        }
        if let Some(clean) = json(value, nesting + 1) {
            return clean.redacted.then(|| clean.text.into_owned());
        }
    }
    let clean = if names::is_location(name) { free_text::location(value) } else { text(value) };
    clean.redacted.then(|| clean.text.into_owned())
}

/// A certificate or request: not secret in itself, but long, and it names people.
fn fingerprint(value: &str) -> String {
    let hash: String = Sha256::digest(value.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("«{} bytes, SHA-256 {hash}»", value.len())
}

/// What a text that is not JSON looked like: every letter an x, every digit a 0.
fn shape(text: &str) -> String {
    let masked = text.chars().take(SHAPE_CHARS).map(|character| match character {
        letter if letter.is_alphabetic() => 'x',
        digit if digit.is_numeric() => '0',
        other => other,
    });
    format!("{}… «not readable as JSON, {} bytes»", masked.collect::<String>(), text.len())
}

/// Whether there is anything to hide: not in null, booleans and what is empty.
fn has_content(json: &str) -> bool {
    !matches!(json.trim(), "null" | "true" | "false" | "\"\"" | "{}" | "[]")
}

/// Objects that say in one member what the value in another member is.
struct Pairs(Vec<u8>);

impl Pairs {
    const SECRET: u8 = 1;
    const ACCESS_POINT: u8 = 2;
    const VALUE: u8 = 4;

    fn read(tape: &Tape<'_>) -> Self {
        let mut marks = vec![0; tape.len()];
        for at in 0..tape.len() {
            let Some(name) = tape.name(at) else { continue };
            let object = tape.parent(at);
            if name.eq_ignore_ascii_case("value") || name.eq_ignore_ascii_case("readonly") {
                marks[object] |= Self::VALUE;
            } else if names::is_name(&name)
                && let Some(named) = tape.text(at)
            {
                if names::is_secret(&named) || named.eq_ignore_ascii_case("key") {
                    marks[object] |= Self::SECRET;
                }
                if names::is_access_point(&named) {
                    marks[object] |= Self::ACCESS_POINT;
                }
            }
        }
        Self(marks)
    }

    fn names_secret(&self, object: usize) -> bool {
        self.0[object] & Self::SECRET != 0
    }

    fn names_access_point(&self, object: usize) -> bool {
        self.0[object] & Self::ACCESS_POINT != 0
    }

    fn has_value(&self, object: usize) -> bool {
        self.0[object] & Self::VALUE != 0
    }
}
