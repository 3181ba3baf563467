//! A payload for people: indented, everything else as it was logged, what was taken out marked.

use maud::{Markup, html};

/// Deeper than this nothing is indented any further.
const DEEPEST: usize = 12;
/// A mark in the place of a secret is at most this long (a certificate's fingerprint).
const LONGEST_MARK: usize = 120;

/// The payload as a block. Of a long one the first `limit` bytes are shown, if there is a limit.
pub(super) fn block(payload: &str, redacted: bool, limit: Option<usize>) -> Markup {
    let limit = limit.unwrap_or(usize::MAX);
    let cut = payload.len() > limit;
    let shown = if cut { &payload[..payload.floor_char_boundary(limit)] } else { payload };
    let text = indented(shown);
    html! {
        pre.payload tabindex="0" { code {
            @for (part, is_mark) in parts(&text) {
                @if is_mark && redacted { mark.redacted title="taken out before it was written to the disk" { (part) } }
                @else { (part) }
            }
            @if cut { "…" }
        } }
        @if cut { p.muted { "Cut here: " (payload.len()) " bytes in all." } }
    }
}

/// Adds line breaks and spaces between the tokens of a JSON text and changes nothing else. What is not
/// JSON comes out with them as well, and does no harm.
fn indented(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut characters = json.chars().peekable();
    let new_line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
    };
    while let Some(character) = characters.next() {
        if in_string {
            text.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '"' => {
                in_string = true;
                text.push('"');
            }
            '{' | '[' => {
                text.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => text.push(end),
                    None => {
                        depth += 1;
                        new_line(&mut text, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(',');
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            white if white.is_ascii_whitespace() => {}
            other => text.push(other),
        }
    }
    text
}

/// The text in pieces, each with whether it stands in the place of something that was taken out.
fn parts(text: &str) -> Vec<(&str, bool)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('«') {
        let Some(length) = rest[start..].find('»').map(|end| end + '»'.len_utf8()) else { break };
        if length > LONGEST_MARK {
            let next = start + '«'.len_utf8();
            parts.push((&rest[..next], false));
            rest = &rest[next..];
            continue;
        }
        parts.push((&rest[..start], false));
        parts.push((&rest[start..start + length], true));
        rest = &rest[start + length..];
    }
    parts.push((rest, false));
    parts.retain(|(part, _)| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stay_as_they_are() {
        let cases = [
            ("{}", "{}"),
            ("[ ]", "[]"),
            (r#"{"a":1.50,"b":[1,{}]}"#, "{\n  \"a\": 1.50,\n  \"b\": [\n    1,\n    {}\n  ]\n}"),
            (r#"{"a":"x, \"y\": {z}\\"}"#, "{\n  \"a\": \"x, \\\"y\\\": {z}\\\\\"\n}"),
            ("nothing", "nothing"),
            (r#"{"a":"#, "{\n  \"a\": "),
            ("]]]", "\n]\n]\n]"),
        ];
        assert_eq!(cases.len(), 7);
        for (json, expected) in cases {
            assert_eq!(indented(json), expected, "{json}");
        }
        let deep = "[".repeat(100_000);
        assert!(indented(&deep).len() < 100_000 * 30, "the indentation is bounded");
    }

    #[test]
    fn what_was_taken_out_is_marked_and_only_then() {
        let payload = r#"{"key":"AuthorizationKey","value":"«redacted»"}"#;
        let marked = block(payload, true, None).into_string();
        assert!(marked.contains("<mark class=\"redacted\""), "{marked}");
        assert!(marked.contains("«redacted»</mark>"), "{marked}");
        // Whoever sends such a text themselves does not look like it.
        assert!(!block(payload, false, None).into_string().contains("<mark"));
        assert_eq!(parts("a«b»c«d"), [("a", false), ("«b»", true), ("c«d", false)]);
    }

    #[test]
    fn a_long_one_is_cut_between_characters() {
        let text = block(&"ä".repeat(100), false, Some(33)).into_string();
        assert!(text.contains(&format!("{}…", "ä".repeat(16))), "{text}");
        assert!(text.contains("200 bytes in all"), "{text}");
    }
}
