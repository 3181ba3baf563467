//! Secrets in text that is not JSON: URLs, headers, `name=value`, XML.

use std::borrow::Cow;
use std::ops::Range;

use super::{Clean, MARK, names};

/// In a text with more URLs than this, looking at each would take too long: all of it is hidden.
const URLS: usize = 100;

/// A text without its secrets.
pub(crate) fn text(text: &str) -> Clean<'_> {
    // Nearly every string is a plain word.
    if !text.contains([':', '=', '>', ' ']) {
        return Clean { text: Cow::Borrowed(text), redacted: false };
    }
    let mut found = Vec::new();
    find_user_information(text, &mut found);
    find_pairs(text, &mut found);
    find_schemes(text, &mut found);
    splice(text, found)
}

/// A URL without user information, query and fragment, in a place where a URL is expected.
pub(super) fn location(url: &str) -> Clean<'_> {
    let mut found = Vec::new();
    let start = url.find("://").map_or_else(|| if url.starts_with("//") { 2 } else { 0 }, |at| at + 3);
    let mut rest = start;
    if let Some(end) = user_information(&url[start..]) {
        found.push(start..start + end);
        rest = start + end;
    }
    if let Some(query) = url[rest..].find(['?', '#'])
        && rest + query + 1 < url.len()
    {
        found.push(rest + query + 1..url.len());
    }
    find_pairs(url, &mut found);
    splice(url, found)
}

/// Replaces the places found, which may overlap.
fn splice(text: &str, mut found: Vec<Range<usize>>) -> Clean<'_> {
    found.retain(|place| !place.is_empty() && &text[place.clone()] != MARK);
    if found.is_empty() {
        return Clean { text: Cow::Borrowed(text), redacted: false };
    }
    found.sort_by_key(|place| place.start);
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for place in found {
        if place.start >= done {
            clean.push_str(&text[done..place.start]);
            clean.push_str(MARK);
        }
        done = done.max(place.end);
    }
    clean.push_str(&text[done..]);
    Clean { text: Cow::Owned(clean), redacted: true }
}

/// `scheme://user:password@`, wherever it stands.
fn find_user_information(text: &str, found: &mut Vec<Range<usize>>) {
    if text.matches("://").nth(URLS).is_some() {
        found.push(0..text.len());
        return;
    }
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + 3;
        let scheme =
            text[..start - 3].rfind(|character: char| !character.is_ascii_alphanumeric() && character != '+');
        // A password may hold anything; only where the text goes on behind the URL, a space ends it.
        let end = match scheme {
            None => text.len(),
            Some(_) => {
                start + text[start..].find([' ', '\t', '\n', '"', '<', '>']).unwrap_or(text.len() - start)
            }
        };
        if let Some(length) = user_information(&text[start..end]) {
            found.push(start..start + length);
            from = start + length;
        } else {
            from = start;
        }
    }
}

/// How long the user information is at the start of what follows `scheme://`; the `@` is not part of
/// it. Passwords with unescaped `@`, `/` and `?` occur, so when in doubt it is long.
fn user_information(rest: &str) -> Option<usize> {
    let last = rest.rfind('@')?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if authority.contains('@') {
        return Some(last);
    }
    // Without a colon it is a host, and the @ is in its path or query. With one it may be a host and
    // its port, or a user and the beginning of a password.
    authority.contains(':').then_some(last)
}

/// `name=value`, `name: value`, `"name":"value"`, `<name>value<`.
fn find_pairs(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find(['=', ':', '>']) {
        let separator = from + at;
        from = separator + 1;
        let before = text[..separator].trim_end_matches([' ', '\t', '"', '\'', '\\']);
        let name_start = before
            .char_indices()
            .rev()
            .find(|(_, character)| !(character.is_alphanumeric() || matches!(character, '_' | '-' | '.')))
            .map_or(0, |(at, character)| at + character.len_utf8());
        let name = &before[name_start..];
        // Names are short; this also bounds the work on hostile texts.
        if name.is_empty() || name.len() > 128 {
            continue;
        }
        let secret = match text.as_bytes()[separator] {
            b'=' => names::is_secret_parameter(name),
            b'>' => before.len() == separator && names::is_secret(name),
            // "Unknown key: HeartbeatInterval" tells a name, and "https:" begins a URL.
            _ => names::is_secret(name) && !name.eq_ignore_ascii_case("key"),
        };
        if !secret {
            continue;
        }
        let rest = &text[from..];
        let value = rest.trim_start_matches([' ', '\t', '\\']);
        let start = from + rest.len() - value.len();
        let place = match value.chars().next() {
            None => continue,
            Some(quote @ ('"' | '\'')) => {
                let end = value[1..].find([quote, '\n']).map_or(value.len(), |end| end + 1);
                start + 1..start + end
            }
            Some(_) if text.as_bytes()[separator] == b'>' => {
                start..start + value.find('<').unwrap_or(value.len())
            }
            // A value without quotes may hold anything but the end of its line.
            Some(_) => start..start + value.find(['\n', '\r']).unwrap_or(value.len()),
        };
        from = from.max(place.end);
        found.push(place);
    }
}

/// `Basic dXNlcjpwYXNz` and `Bearer …`, as in an Authorization header.
fn find_schemes(text: &str, found: &mut Vec<Range<usize>>) {
    let mut previous = "";
    let mut at = 0;
    for word in text.split(' ') {
        let bearer = previous.eq_ignore_ascii_case("bearer");
        let basic = previous.eq_ignore_ascii_case("basic")
            // Not an English word.
            && word.chars().skip(1).any(|character| character.is_uppercase() || !character.is_alphabetic());
        if (bearer || basic) && word.len() >= 8 {
            found.push(at..at + word.len());
        }
        at += word.len() + 1;
        if !word.is_empty() {
            previous = word.trim_start_matches(['"', '\'']);
        }
    }
}
