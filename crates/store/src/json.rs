//! A flat view of a JSON text that knows where every value stands, so that one value can be replaced
//! without touching a byte of the rest.
//!
//! The input may be hostile: nesting and the number of values are bounded, repeated member names are
//! all kept, numbers stay text.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

/// Deeper nesting is not read (semantics F-6).
const DEPTH: usize = 64;
/// More values are not read.
const VALUES: usize = 1 << 18;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    /// A number, a boolean or null.
    Plain,
}

#[derive(Debug)]
struct Value {
    kind: Kind,
    /// Byte offsets; texts are far shorter than 4 GiB, see [`Tape::read`].
    start: u32,
    end: u32,
    /// Offsets of the member's name with its quotes; empty for elements of arrays and the root.
    name_start: u32,
    name_end: u32,
    parent: u32,
}

/// Every value of a text in order of appearance; a container stands before what it contains.
#[derive(Debug)]
pub(crate) struct Tape<'a> {
    text: &'a str,
    values: Vec<Value>,
}

impl<'a> Tape<'a> {
    /// Where the outermost value stands.
    pub(crate) const ROOT: usize = 0;

    /// Reads a text; `None` when it is not JSON, too deep or too large.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        u32::try_from(text.len()).ok()?;
        // From here on the text is known to be well formed.
        serde_json::from_str::<&RawValue>(text).ok()?;
        let bytes = text.as_bytes();
        let mut values: Vec<Value> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut name: Option<Range<usize>> = None;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => at += 1,
                b'}' | b']' => {
                    at += 1;
                    values[open.pop()?].end = at as u32;
                }
                _ => {
                    let start = at;
                    let kind = match byte {
                        b'{' => Kind::Object,
                        b'[' => Kind::Array,
                        b'"' => Kind::String,
                        _ => Kind::Plain,
                    };
                    at = match kind {
                        Kind::Object | Kind::Array => start + 1,
                        Kind::String => end_of_string(bytes, start)?,
                        Kind::Plain => end_of_plain(bytes, start),
                    };
                    let parent = open.last().copied();
                    let in_object = parent.is_some_and(|parent| values[parent].kind == Kind::Object);
                    if in_object && name.is_none() {
                        name = Some(start..at);
                        continue;
                    }
                    let named = name.take().unwrap_or(0..0);
                    if values.len() == VALUES {
                        return None;
                    }
                    values.push(Value {
                        kind,
                        start: start as u32,
                        end: at as u32,
                        name_start: named.start as u32,
                        name_end: named.end as u32,
                        parent: parent.unwrap_or(Self::ROOT) as u32,
                    });
                    if matches!(kind, Kind::Object | Kind::Array) {
                        open.push(values.len() - 1);
                        if open.len() > DEPTH {
                            return None;
                        }
                    }
                }
            }
        }
        (!values.is_empty()).then_some(Self { text, values })
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn kind(&self, at: usize) -> Kind {
        self.values[at].kind
    }

    /// Where the value stands in the text.
    pub(crate) fn span(&self, at: usize) -> Range<usize> {
        self.values[at].start as usize..self.values[at].end as usize
    }

    /// The value as it stands in the text.
    pub(crate) fn raw(&self, at: usize) -> &'a str {
        &self.text[self.span(at)]
    }

    /// What contains the value; the root contains itself.
    pub(crate) fn parent(&self, at: usize) -> usize {
        self.values[at].parent as usize
    }

    /// The member's name, or `None` for an element of an array and the root.
    pub(crate) fn name(&self, at: usize) -> Option<Cow<'a, str>> {
        let value = &self.values[at];
        let name = &self.text[value.name_start as usize..value.name_end as usize];
        (!name.is_empty()).then(|| unescape(name))
    }

    /// The text of a string, or `None` if the value is something else.
    pub(crate) fn text(&self, at: usize) -> Option<Cow<'a, str>> {
        (self.kind(at) == Kind::String).then(|| unescape(self.raw(at)))
    }

    /// The member of this name; of several, the last, as in the engine.
    pub(crate) fn member(&self, object: usize, name: &str) -> Option<usize> {
        let end = self.values[object].end;
        let inside = (object + 1..self.len()).take_while(|at| self.values[*at].start < end);
        inside
            .filter(|at| self.parent(*at) == object && self.kind(object) == Kind::Object)
            .filter(|at| self.name(*at).is_some_and(|found| found == name))
            .last()
    }
}

/// Takes the quotes and escapes off a string. A lone surrogate, which no text can hold, becomes the
/// replacement character.
fn unescape(quoted: &str) -> Cow<'_, str> {
    let inner = &quoted[1..quoted.len() - 1];
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    if let Ok(text) = serde_json::from_str::<String>(quoted) {
        return Cow::Owned(text);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        // An escape is `\x` or `\uXXXX`, and a pair of the latter is one character.
        let lengths: &[usize] = if rest[at + 1..].starts_with('u') { &[12, 6] } else { &[2] };
        let decoded = lengths.iter().find_map(|length| {
            let escape = rest.get(at..at + length)?;
            let character = serde_json::from_str::<String>(&format!("\"{escape}\"")).ok()?;
            Some((character, *length))
        });
        let (character, length) =
            decoded.unwrap_or_else(|| ("\u{fffd}".to_owned(), lengths[lengths.len() - 1]));
        text.push_str(&character);
        rest = rest.get(at + length..).unwrap_or_default();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn end_of_plain(bytes: &[u8], start: usize) -> usize {
    let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'}' | b']');
    bytes[start..].iter().position(ends).map_or(bytes.len(), |length| start + length)
}
