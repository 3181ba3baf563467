//! OCPP-J frames as raw text: what stands where, with every token exactly as it was written.

use serde_json::value::RawValue;

/// One OCPP-J 1.6 frame (OCPP-J 1.6 §4.2). Identifiers and payloads are JSON tokens, untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// `[2, id, action, payload]`.
    Call {
        /// The message id, quotes included.
        id: &'a str,
        /// The action, without quotes.
        action: &'a str,
        /// The payload.
        payload: &'a str,
    },
    /// `[3, id, payload]`.
    Result {
        /// The message id, quotes included.
        id: &'a str,
        /// The payload.
        payload: &'a str,
    },
    /// `[4, id, code, description, details]`.
    Error {
        /// The message id, quotes included.
        id: &'a str,
        /// The error code, without quotes.
        code: &'a str,
    },
}

impl<'a> Frame<'a> {
    /// Reads a frame; `None` for anything that is not one.
    pub fn read(text: &'a str) -> Option<Self> {
        let parts: Vec<&'a RawValue> = serde_json::from_str(text).ok()?;
        let token = |at: usize| parts.get(at).map(|part| part.get());
        let bare = |at: usize| token(at).map(|text| text.trim_matches('"'));
        match token(0)? {
            "2" => Some(Frame::Call { id: token(1)?, action: bare(2)?, payload: token(3)? }),
            "3" => Some(Frame::Result { id: token(1)?, payload: token(2)? }),
            "4" => Some(Frame::Error { id: token(1)?, code: bare(2)? }),
            _ => None,
        }
    }
}

/// Writes a CALL; `id` is a JSON token.
pub fn call(id: &str, action: &str, payload: &str) -> String {
    format!("[2,{id},\"{action}\",{payload}]")
}

/// Writes a CALLRESULT; `id` is a JSON token.
pub fn result(id: &str, payload: &str) -> String {
    format!("[3,{id},{payload}]")
}

/// Writes a CALLERROR; `id` is a JSON token.
pub fn error(id: &str, code: &str, description: &str) -> String {
    format!("[4,{id},\"{code}\",\"{description}\",{{}}]")
}

/// How a party writes its JSON. A proxy must not care, and must not change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// No white space.
    #[default]
    Compact,
    /// A blank after each colon and comma.
    Spaced,
    /// Line breaks and indentation.
    Pretty,
}

impl Layout {
    /// Lays out `fields` as an object, in the order given. The values are JSON texts.
    pub fn object(self, fields: &[(&str, String)]) -> String {
        let (open, colon, comma, close) = match self {
            Layout::Compact => ("{", ":", ",", "}"),
            Layout::Spaced => ("{ ", ": ", ", ", " }"),
            Layout::Pretty => ("{\n  ", ": ", ",\n  ", "\n}"),
        };
        if fields.is_empty() {
            return "{}".to_owned();
        }
        let members: Vec<String> =
            fields.iter().map(|(name, value)| format!("\"{name}\"{colon}{value}")).collect();
        format!("{open}{}{close}", members.join(comma))
    }
}

/// How a party numbers its own calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdStyle {
    /// Random, in the form of a UUID.
    #[default]
    Uuid,
    /// `"1"`, `"2"`, … and on, for as long as the party runs.
    Counter,
    /// `"1"`, `"2"`, … beginning anew on every connection, as several stacks do.
    CounterPerConnection,
    /// A bare JSON number, which OCPP-J does not allow and some send.
    Number,
}

/// Makes message ids as JSON tokens.
#[derive(Debug)]
pub(crate) struct Ids {
    style: IdStyle,
    last: u64,
}

impl Ids {
    pub(crate) fn new(style: IdStyle) -> Self {
        Self { style, last: 0 }
    }

    pub(crate) fn connected(&mut self) {
        if self.style == IdStyle::CounterPerConnection {
            self.last = 0;
        }
    }

    pub(crate) fn next(&mut self, random: &mut fastrand::Rng) -> String {
        self.last += 1;
        match self.style {
            IdStyle::Uuid => {
                let (a, b) = (random.u64(..), random.u64(..));
                format!(
                    "\"{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}\"",
                    a >> 32,
                    (a >> 16) & 0xffff,
                    a & 0xfff,
                    b >> 52,
                    b & 0xffff_ffff_ffff
                )
            }
            IdStyle::Counter | IdStyle::CounterPerConnection => format!("\"{}\"", self.last),
            IdStyle::Number => self.last.to_string(),
        }
    }
}

/// A JSON string token.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
