//! Whatever arrives as a message: the engine and a naive reader agree on what it is, and where its parts stand.

use std::borrow::Cow;

use engine::frame::{self, Frame, Malformed};
use engine::limits::JSON_DEPTH;

use crate::naive::{self, Kind, Unread, Value};

/// A message, from either side.
pub fn envelope(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let found = frame::scan(text);
    match naive::read(text, JSON_DEPTH) {
        Ok(value) => assert_eq!(found, expected(&value), "{text:?}"),
        Err(Unread::TooDeep) => assert_eq!(found, Err(Malformed::TooDeep), "{text:?}"),
        // Behind the place where it stops to be JSON only depth is looked at.
        Err(Unread::NotJson) => {
            assert!(matches!(found, Err(Malformed::NotAFrame | Malformed::TooDeep)), "{text:?}: {found:?}");
        }
    }
    if let Ok(found) = &found {
        agrees_with_a_tree(text, found);
        is_written_as_read(found);
    }
    if let Some(id) = frame::glimpse_call_id(text) {
        // A peer may be told this id: it must be a token of its own, as it was sent.
        let read = naive::read(id, 0).map(|value| value.kind);
        assert!(matches!(read, Ok(Kind::String(_))), "{text:?}: {id}");
        if let Ok(Frame::Call { id: full, .. }) = found {
            assert_eq!(id, full, "{text:?}");
        }
    }
}

/// What the reference makes of it (OCPP-J 1.6 §4.2, semantics E1–E4).
fn expected<'a>(value: &Value<'a>) -> Result<Frame<'a>, Malformed<'a>> {
    let elements = value.elements().ok_or(Malformed::NotAFrame)?;
    let is_id = |value: &&Value<'_>| matches!(value.kind, Kind::String(_) | Kind::Number);
    let id = || elements.get(1).filter(is_id).map(|id| id.token).ok_or(Malformed::NoId);
    let payload = |at: usize| match elements.get(at) {
        Some(value) if value.members().is_some() => Some(value.token),
        Some(value) if value.token == "null" => Some("{}"),
        _ => None,
    };
    let text =
        |at: usize| elements.get(at).and_then(|value| value.text()).map(|text| Cow::from(text.to_owned()));
    match elements.first().ok_or(Malformed::NotAFrame)?.token {
        "2" => {
            let id = id()?;
            let action = elements.get(2).filter(|action| matches!(action.kind, Kind::String(_)));
            let action = action.ok_or(Malformed::NoAction(id))?.token;
            Ok(Frame::Call { id, action, payload: payload(3).ok_or(Malformed::NoPayload(id))? })
        }
        "3" => Ok(Frame::Result { id: id()?, payload: payload(2).unwrap_or("{}") }),
        "4" => Ok(Frame::Error {
            id: id()?,
            code: text(2).unwrap_or(Cow::Borrowed("GenericError")),
            description: text(3).unwrap_or_default(),
            details: elements
                .get(4)
                .filter(|value| value.members().is_some())
                .map_or("{}", |value| value.token),
        }),
        _ => Err(Malformed::UnknownType),
    }
}

/// A tree holds less than JSON does (no half surrogates, no huge numbers), but what it holds must be the same.
fn agrees_with_a_tree(text: &str, found: &Frame<'_>) {
    let Ok(tree) = serde_json::from_str::<serde_json::Value>(text) else { return };
    let part =
        |token: &str| serde_json::from_str::<serde_json::Value>(token).expect("a part of a tree is one");
    let is = |at: usize, token: &str| tree[at].is_null() && token == "{}" || tree[at] == part(token);
    match found {
        Frame::Call { id, action, payload } => {
            assert!(tree[0] == 2 && is(1, id) && is(2, action) && is(3, payload), "{text:?}");
        }
        Frame::Result { id, payload } => {
            assert!(tree[0] == 3 && is(1, id) && (!tree[2].is_object() || is(2, payload)), "{text:?}");
        }
        Frame::Error { id, code, description, .. } => {
            assert!(tree[0] == 4 && is(1, id), "{text:?}");
            assert!(!tree[2].is_string() || tree[2] == **code, "{text:?}");
            assert!(!tree[3].is_string() || tree[3] == **description, "{text:?}");
        }
    }
}

/// What is sent on is understood as it was meant.
fn is_written_as_read(found: &Frame<'_>) {
    match found {
        Frame::Call { action, payload, .. } => {
            let id = uuid::Uuid::from_u128(7);
            let written = frame::write_call(id, action, payload);
            let token = format!("\"{id}\"");
            assert_eq!(frame::scan(&written), Ok(Frame::Call { id: &token, action, payload }));
            assert_eq!(frame::minted(&token), Some(id));
        }
        Frame::Result { id, payload } => {
            let written = frame::write_result(id, payload);
            assert_eq!(frame::scan(&written), Ok(Frame::Result { id, payload }));
        }
        Frame::Error { id, code, description, details } => {
            let written = frame::write_error(id, code, description, details);
            let description = description.chars().take(255).collect::<String>().into();
            assert_eq!(
                frame::scan(&written),
                Ok(Frame::Error { id, code: code.clone(), description, details })
            );
        }
    }
}
