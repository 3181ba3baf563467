//! Goes through a payload once and changes what stands in its fields; every other byte stays as it is. The work grows
//! with the payload's length and with nothing else: whoever sends it may be hostile.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::CUT;

/// JSON inside a string inside JSON is looked into so many times; deeper, it is hidden whole.
const NESTING: usize = 4;
/// Fields whose contents look like cards' numbers and are none.
const NO_CARDS: [&str; 8] =
    ["serialnumber", "iccid", "imsi", "firmwareversion", "timestamp", "transactionid", "hash", "unit"];

/// What a text is, by the name of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Field {
    /// The number of a card.
    Card,
    /// What people or programs wrote.
    #[default]
    Text,
    /// What only looks like a number of a card.
    NoCard,
    /// A meter's reading where it is a number, else text.
    Reading,
}

/// The names of fields that hold a card's number: `idTag`, `parentIdTag`, `idToken`, and what vendors make of
/// them.
pub(super) fn is_of_card(name: &str) -> bool {
    let ends = |end: &str| {
        name.len() >= end.len()
            && name.as_bytes()[name.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
    };
    ["idtag", "idtoken", "rfid", "emaid"].into_iter().any(ends)
}

/// The payload with what `change` makes of the texts of its fields; `None` from it leaves a text as it is. What is no
/// JSON is one text.
pub(super) fn changed(text: &str, change: &mut dyn FnMut(Field, &str) -> Option<String>) -> Option<String> {
    if is_json(text) { walked(text, 0, change) } else { change(Field::Text, text) }
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// What is known at one depth.
#[derive(Default, Clone, Copy)]
struct Level {
    /// Of the field whose value follows.
    field: Field,
    /// The value that follows names a configuration key.
    is_key: bool,
    /// What the configuration key beside it says of a `value`.
    of_value: Option<Field>,
}

impl Level {
    fn named(&mut self, name: Option<&str>) {
        self.is_key = name.is_some_and(|name| name.eq_ignore_ascii_case("key"));
        self.field = match name {
            // A name that cannot be read may be any.
            None => Field::Card,
            Some(name) if is_of_card(name) => Field::Card,
            // A meter's reading, unless it is of a configuration key.
            Some(name) if name.eq_ignore_ascii_case("value") => self.of_value.unwrap_or(Field::Reading),
            Some(name) => {
                let name = name.to_ascii_lowercase();
                if NO_CARDS.iter().any(|end| name.ends_with(end)) { Field::NoCard } else { Field::Text }
            }
        };
    }

    fn key_is(&mut self, key: &str) {
        let lower = key.to_ascii_lowercase();
        let is_card = is_of_card(key) || lower.ends_with("uid") || lower.contains("card");
        self.of_value = Some(if is_card { Field::Card } else { Field::Text });
    }
}

/// `None` when nothing changes.
fn walked(
    text: &str,
    nesting: usize,
    change: &mut dyn FnMut(Field, &str) -> Option<String>,
) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut written, mut done, mut at) = (String::new(), 0, 0);
    let (mut outer, mut level) = (Vec::new(), Level::default());
    while let Some(byte) = bytes.get(at) {
        let start = at;
        let replacement = match byte {
            b'"' => {
                at = end_of_string(bytes, start);
                let value = serde_json::from_str::<String>(&text[start..at]).ok();
                let after = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                if bytes.get(after) == Some(&b':') {
                    level.named(value.as_deref());
                    at = after + 1;
                    continue;
                }
                if level.is_key {
                    level.key_is(value.as_deref().unwrap_or_default());
                }
                match value {
                    // Half of a character, which no String holds.
                    None => Some(CUT.to_owned()),
                    Some(value) => of_string(level.field, &value, nesting, change),
                }
            }
            b'-' | b'0'..=b'9' => {
                let is_of_number = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                at += bytes[at..].iter().take_while(is_of_number).count();
                (level.field == Field::Card).then(|| change(Field::Card, &text[start..at])).flatten()
            }
            b'{' | b'[' => {
                outer.push(level);
                level = Level { field: level.field, ..Level::default() };
                at += 1;
                continue;
            }
            b'}' | b']' => {
                level = outer.pop().unwrap_or_default();
                at += 1;
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        if let Some(replacement) = replacement {
            written.push_str(&text[done..start]);
            written.push_str(&Value::from(replacement).to_string());
            done = at;
        }
    }
    (done > 0).then(|| written + &text[done..])
}

fn of_string(
    field: Field,
    value: &str,
    nesting: usize,
    change: &mut dyn FnMut(Field, &str) -> Option<String>,
) -> Option<String> {
    let is_number = || value.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    let field = match field {
        Field::Reading if is_number() => Field::NoCard,
        Field::Reading => Field::Text,
        field => field,
    };
    if field == Field::Card || !value.contains('"') || !is_json(value) {
        return change(field, value);
    }
    if nesting == NESTING { Some(CUT.to_owned()) } else { walked(value, nesting + 1, change) }
}

/// Behind the quote that ends the string which begins here.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}
