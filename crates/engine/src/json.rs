//! Walks through JSON and builds nothing: where its values stand, and whether it is JSON at all (RFC 8259). Nothing may
//! nest deeper than [`limits::JSON_DEPTH`].

use std::ops::Range;

use crate::limits;

/// Over the array at the beginning of a text. Sees where each element stands, and before that, with their place in the
/// array, names and values of its members; what follows the array. `None` as soon as it is none.
pub(crate) fn elements(
    text: &str,
    mut see: impl FnMut(Range<usize>),
    mut see_member: impl FnMut(usize, Range<usize>, Range<usize>),
) -> Option<&str> {
    let [b'[', inside @ ..] = space(text.as_bytes()) else { return None };
    let see = |from, to| see(part(text, from, to));
    let see_member =
        |at, name, colon, from, to| see_member(at, part(text, name, colon), part(text, from, to));
    let rest = array(inside, limits::JSON_DEPTH, see, see_member)?;
    Some(&text[text.len() - rest.len()..])
}

/// Over the object at the beginning of a text. Sees where each name and its value stand, until it is found to be no
/// object.
pub(crate) fn members(text: &str, mut see: impl FnMut(Range<usize>, Range<usize>)) {
    if let [b'{', inside @ ..] = space(text.as_bytes()) {
        object(inside, limits::JSON_DEPTH, |name, colon, from, to| {
            see(part(text, name, colon), part(text, from, to));
        });
    }
}

/// What stands between two places; each is what follows there to the end of the text.
fn part(text: &str, from: &[u8], to: &[u8]) -> Range<usize> {
    text.len() - from.len()..text.len() - to.len()
}

// Each takes what follows from where it is to the end of the text, and returns what follows behind it; `None` where it is
// not JSON, or nests deeper than there is room.

fn value(rest: &[u8], room: usize) -> Option<&[u8]> {
    match rest {
        [b'"', inside @ ..] => string(inside),
        [b'{', inside @ ..] => object(inside, room, |_, _, _, _| ()),
        [b'[', inside @ ..] => array(inside, room, |_, _| (), |_, _, _, _, _| ()),
        [b't', b'r', b'u', b'e', rest @ ..]
        | [b'f', b'a', b'l', b's', b'e', rest @ ..]
        | [b'n', b'u', b'l', b'l', rest @ ..] => Some(rest),
        _ => number(rest),
    }
}

/// Behind its opening bracket. Sees the beginning and the end of each element, and what its members are if it has any.
fn array<'a>(
    inside: &'a [u8],
    room: usize,
    mut see: impl FnMut(&'a [u8], &'a [u8]),
    mut see_member: impl FnMut(usize, &'a [u8], &'a [u8], &'a [u8], &'a [u8]),
) -> Option<&'a [u8]> {
    let room = room.checked_sub(1)?;
    let mut count = 0;
    let mut from = space(inside);
    if let [b']', rest @ ..] = from {
        return Some(rest);
    }
    loop {
        let to = match from {
            [b'{', inside @ ..] => {
                object(inside, room, |name, colon, from, to| see_member(count, name, colon, from, to))?
            }
            _ => value(from, room)?,
        };
        see(from, to);
        count += 1;
        match next(to)? {
            (b',', rest) => from = space(rest),
            (b']', rest) => return Some(rest),
            _ => return None,
        }
    }
}

/// Behind its opening bracket. Sees the beginning and the end of each name, and of its value.
fn object<'a>(
    inside: &'a [u8],
    room: usize,
    mut see: impl FnMut(&'a [u8], &'a [u8], &'a [u8], &'a [u8]),
) -> Option<&'a [u8]> {
    let room = room.checked_sub(1)?;
    let mut name = space(inside);
    if let [b'}', rest @ ..] = name {
        return Some(rest);
    }
    loop {
        let [b'"', inside @ ..] = name else { return None };
        let colon = string(inside)?;
        let (b':', rest) = next(colon)? else { return None };
        let from = space(rest);
        let to = value(from, room)?;
        see(name, colon, from, to);
        match next(to)? {
            (b',', rest) => name = space(rest),
            (b'}', rest) => return Some(rest),
            _ => return None,
        }
    }
}

/// The next byte that is no white space, and what follows.
fn next(rest: &[u8]) -> Option<(u8, &[u8])> {
    space(rest).split_first().map(|(first, behind)| (*first, behind))
}

/// Behind its opening quote.
fn string(inside: &[u8]) -> Option<&[u8]> {
    match ordinary(inside) {
        [b'"', rest @ ..] => Some(rest),
        special => string_with_escapes(special),
    }
}

/// The rest of a string that is not as plain as most are.
#[cold]
fn string_with_escapes(mut inside: &[u8]) -> Option<&[u8]> {
    loop {
        inside = match inside {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => ordinary(rest),
            [b'\\', b'u', digits @ ..] => {
                let (digits, rest) = digits.split_first_chunk::<4>()?;
                digits.iter().all(u8::is_ascii_hexdigit).then(|| ordinary(rest))?
            }
            _ => return None,
        }
    }
}

/// Behind what means nothing but itself in a string: no quote, no backslash, nothing below the space. Eight bytes at a
/// time.
fn ordinary(mut rest: &[u8]) -> &[u8] {
    let each = u64::from_le_bytes([1; 8]);
    while let Some((eight, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*eight);
        // The high bit of a byte rises when there is less in it than is taken away. Those of bytes above the first
        // such one say nothing.
        let quotes = (word ^ (each * u64::from(b'"'))).wrapping_sub(each);
        let backslashes = (word ^ (each * u64::from(b'\\'))).wrapping_sub(each);
        let special = (quotes | backslashes | word.wrapping_sub(each * 0x20)) & !word & (each * 0x80);
        if special != 0 {
            return &rest[special.trailing_zeros() as usize / 8..];
        }
        rest = behind;
    }
    while let [first, behind @ ..] = rest
        && !matches!(first, b'"' | b'\\' | 0..0x20)
    {
        rest = behind;
    }
    rest
}

fn number(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    let mut rest = match rest {
        [b'0', rest @ ..] => rest,
        rest => digits(rest)?,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = digits(fraction)?;
    }
    if let [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] = rest {
        rest = digits(exponent)?;
    }
    Some(rest)
}

/// One digit, or more.
fn digits(rest: &[u8]) -> Option<&[u8]> {
    let behind = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    (behind > 0).then_some(&rest[behind..])
}

fn space(rest: &[u8]) -> &[u8] {
    match rest {
        // Hardly anybody writes any.
        [b'!'..=0xff, ..] => rest,
        _ => behind_space(rest),
    }
}

#[cold]
fn behind_space(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', behind @ ..] = rest {
        rest = behind;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_in_a_string_is_found_wherever_it_stands() {
        let special = ['"', '\\', '\0', '\n', '\x1f'];
        let others = ['a', ' ', '!', '#', '[', ']', '\x7f', 'é', '😀'];
        let mut seen = 0;
        for before in 0..20 {
            for (special, other) in special.into_iter().flat_map(|one| others.map(|other| (one, other))) {
                let plain = other.to_string().repeat(before);
                for after in ["", "aaaaaaaaa", "\"\\\n\u{1f}"] {
                    let rest = format!("{special}{after}");
                    assert_eq!(ordinary(format!("{plain}{rest}").as_bytes()), rest.as_bytes());
                    seen += 1;
                }
                assert!(ordinary(plain.as_bytes()).is_empty());
            }
        }
        assert_eq!(seen, 20 * 5 * 9 * 3);
    }

    #[test]
    fn only_json_is_walked_over() {
        let deepest = format!("{}{}", "[".repeat(limits::JSON_DEPTH), "]".repeat(limits::JSON_DEPTH));
        let json = [
            "[]",
            " [ ] ",
            "[1,-0,0.5,-1.5e+7,1E3]",
            r#"["\u00e9\"\\\/\b\f\n\r\t","é"]"#,
            r#"[{},{"a":{"b":[]}, "c" : null},true,false]"#,
            &deepest,
        ];
        let none = [
            "",
            "[",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[01]",
            "[1.]",
            "[.5]",
            "[-]",
            "[1e]",
            "[+1]",
            "[tru]",
            "[truee]",
            "[\"\n\"]",
            r#"["\x"]"#,
            r#"["\u12g4"]"#,
            r#"["\u12"#,
            r#"["]"#,
            r#"[{"a"}]"#,
            r#"[{"a":}]"#,
            r#"[{"a":1,}]"#,
            r#"[{a:1}]"#,
            "[}",
            "[] ]",
            &format!("[{deepest}]"),
        ];
        let is_walked =
            |text: &str| elements(text, |_| (), |_, _, _| ()).is_some_and(|rest| rest.trim().is_empty());
        json.iter().for_each(|text| assert!(is_walked(text), "{text}"));
        none.iter().for_each(|text| assert!(!is_walked(text), "{text}"));
        assert_eq!((json.len(), none.len()), (6, 25));
    }
}
