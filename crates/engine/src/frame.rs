//! The OCPP-J envelope: found in the text, never parsed into a tree (OCPP-J 1.6 §4.2).
//!
//! A payload is a slice of the message it came in. Its bytes pass untouched unless a rule must
//! rewrite a field.

use std::borrow::Cow;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::payload::Fields;
use crate::{json, limits};

/// A well-formed message; every part is a slice of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// `[2, id, action, payload]`
    Call {
        /// The message id as the JSON token it was sent as.
        id: &'a str,
        /// The action as the JSON token it was sent as, with its quotes.
        action: &'a str,
        /// The payload; `{}` where 1.6 allows `null`.
        payload: &'a str,
    },
    /// `[3, id, payload]`
    Result {
        /// The message id as the JSON token it was sent as.
        id: &'a str,
        /// The payload; `{}` where 1.6 allows `null`.
        payload: &'a str,
    },
    /// `[4, id, code, description, details]`
    Error {
        /// The message id as the JSON token it was sent as.
        id: &'a str,
        /// The error code.
        code: Cow<'a, str>,
        /// The description; empty if absent.
        description: Cow<'a, str>,
        /// The details: an object, `{}` if absent or of another type (semantics F-41).
        details: &'a str,
    },
}

/// What is wrong with a message that is no frame (semantics E1–E4, F-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed<'a> {
    /// Not JSON, or not an array, or cut off: nothing can be answered.
    NotAFrame,
    /// Nested deeper than the limit.
    TooDeep,
    /// The first element is no known message type: ignored in 1.6.
    UnknownType,
    /// The id is neither a string nor a number: nothing can be answered.
    NoId,
    /// A CALL whose action is missing or not a string.
    NoAction(&'a str),
    /// A CALL whose payload is missing or not an object.
    NoPayload(&'a str),
}

impl Malformed<'_> {
    /// A stable name, fit for a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Malformed::NotAFrame => "not_a_frame",
            Malformed::TooDeep => "too_deep",
            Malformed::UnknownType => "unknown_message_type",
            Malformed::NoId => "no_message_id",
            Malformed::NoAction(_) => "no_action",
            Malformed::NoPayload(_) => "no_payload",
        }
    }
}

/// Finds the parts of a message.
pub fn scan(text: &str) -> Result<Frame<'_>, Malformed<'_>> {
    scan_for(text, []).map(|(frame, _)| frame)
}

/// Finds the parts of a message, and members of that name in the payload, if it is a CALL.
pub(crate) fn scan_for<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Result<(Frame<'a>, Fields<'a, N>), Malformed<'a>> {
    let mut fields = Fields::NONE;
    let parts = split(text, |at, name, value| {
        // There a CALL has its payload.
        if N > 0 && at == 3 {
            fields.see(&names, name, value);
        }
    });
    let parts = parts.ok_or_else(|| match deeper_than(text, limits::JSON_DEPTH) {
        true => Malformed::TooDeep,
        false => Malformed::NotAFrame,
    })?;
    frame(&parts).map(|frame| (frame, fields))
}

fn frame<'a>(parts: &Parts<'a>) -> Result<Frame<'a>, Malformed<'a>> {
    let kind = parts[0].ok_or(Malformed::NotAFrame)?;
    let id = parts[1].filter(|id| is_message_id(id));
    match kind {
        "2" => {
            let id = id.ok_or(Malformed::NoId)?;
            let action = parts[2].filter(|a| a.starts_with('"')).ok_or(Malformed::NoAction(id))?;
            let payload = parts[3].and_then(object_or_null).ok_or(Malformed::NoPayload(id))?;
            Ok(Frame::Call { id, action, payload })
        }
        "3" => Ok(Frame::Result {
            id: id.ok_or(Malformed::NoId)?,
            payload: parts[2].and_then(object_or_null).unwrap_or("{}"),
        }),
        "4" => Ok(Frame::Error {
            id: id.ok_or(Malformed::NoId)?,
            code: parts[2].and_then(string).unwrap_or(Cow::Borrowed("GenericError")),
            description: parts[3].and_then(string).unwrap_or_default(),
            details: parts[4].filter(|d| d.starts_with('{')).unwrap_or("{}"),
        }),
        _ => Err(Malformed::UnknownType),
    }
}

/// The id of a CALL in a text that is not even JSON, if one can be seen (semantics Q-24).
pub fn glimpse_call_id(text: &str) -> Option<&str> {
    let rest = text.trim_start().strip_prefix('[')?.trim_start().strip_prefix('2')?;
    let rest = rest.trim_start().strip_prefix(',')?.trim_start();
    let end = rest.strip_prefix('"')?.find('"')? + 2;
    let id = &rest[..end];
    serde_json::from_str::<&RawValue>(id).ok().map(|_| id)
}

/// The text of a JSON string token.
pub fn string(token: &str) -> Option<Cow<'_, str>> {
    let inner = token.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    // A lone surrogate is JSON but no text: the caller treats it as no string.
    serde_json::from_str::<String>(token).ok().map(Cow::Owned)
}

/// The id that the proxy minted, if the token can be one.
pub fn minted(token: &str) -> Option<Uuid> {
    Uuid::try_parse(token.strip_prefix('"')?.strip_suffix('"')?).ok()
}

/// `[2,"id",action,payload]`; `action` is a JSON token.
pub fn write_call(id: Uuid, action: &str, payload: &str) -> String {
    let mut text = String::with_capacity(45 + action.len() + payload.len());
    let mut buffer = Uuid::encode_buffer();
    text.push_str("[2,\"");
    text.push_str(id.hyphenated().encode_lower(&mut buffer));
    text.push_str("\",");
    text.push_str(action);
    text.push(',');
    text.push_str(payload);
    text.push(']');
    text
}

/// `[3,id,payload]`; `id` is the originator's token, verbatim (semantics F-12).
pub fn write_result(id: &str, payload: &str) -> String {
    let mut text = String::with_capacity(5 + id.len() + payload.len());
    text.push_str("[3,");
    text.push_str(id);
    text.push(',');
    text.push_str(payload);
    text.push(']');
    text
}

/// `[4,id,code,description,details]`; `id` is the originator's token, verbatim. The description is
/// cut at 255 characters (semantics F-2).
pub fn write_error(id: &str, code: &str, description: &str, details: &str) -> String {
    let description: String = description.chars().take(255).collect();
    let code = serde_json::Value::from(code);
    let description = serde_json::Value::from(description);
    format!("[4,{id},{code},{description},{details}]")
}

fn object_or_null(token: &str) -> Option<&str> {
    match token.as_bytes()[0] {
        b'{' => Some(token),
        b'n' => Some("{}"),
        _ => None,
    }
}

fn is_message_id(token: &str) -> bool {
    matches!(token.as_bytes()[0], b'"' | b'-' | b'0'..=b'9')
}

type Parts<'a> = [Option<&'a str>; 5];

/// The first five elements of a JSON array; `None` when the text is not exactly one array. Sees the members that elements
/// have, each with the place of the element.
fn split<'a>(text: &'a str, mut see_member: impl FnMut(usize, &'a str, &'a str)) -> Option<Parts<'a>> {
    let mut parts = [None; 5];
    let mut count = 0;
    let see = |element| {
        if let Some(part) = parts.get_mut(count) {
            *part = Some(&text[element]);
        }
        count += 1;
    };
    let rest = json::elements(text, see, |at, name, value| see_member(at, &text[name], &text[value]))?;
    rest.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).then_some(parts)
}

/// Whether brackets outside strings nest deeper than `limit`.
fn deeper_than(text: &str, limit: usize) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests;
