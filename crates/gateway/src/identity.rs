//! Which charger a request speaks for: the last segment of its path, decoded once, in one canonical
//! form for routing, the log and the URLs we dial (OCPP-J 1.6 §3.1.1, semantics F-60, F-61).

use engine::ChargerId;
use percent_encoding::percent_decode_str;
use unicode_normalization::is_nfkc;
use unicode_security::skeleton;

use crate::limits::IDENTITY_CHARACTERS;

/// Why a path names no charger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPath {
    /// It does not begin with the configured path, or names nothing after it.
    #[error("no charger identity in the path")]
    NotFound,
    /// What stands there is not an identity.
    #[error("the charger identity is not acceptable: {0}")]
    BadIdentity(&'static str),
}

/// The identity in `path` (without query), which must begin with `prefix` such as `/ocpp/`.
pub(crate) fn identity(path: &str, prefix: &str) -> Result<ChargerId, BadPath> {
    let rest = path.strip_prefix(prefix).ok_or(BadPath::NotFound)?;
    let segments = || rest.split('/').filter(|segment| !segment.is_empty());
    if segments().any(is_dots) {
        return Err(BadPath::BadIdentity("dot segments"));
    }
    let segment = segments().next_back().ok_or(BadPath::NotFound)?;
    if has_broken_escape(segment) {
        return Err(BadPath::BadIdentity("broken percent-encoding"));
    }
    let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| BadPath::BadIdentity("not UTF-8"))?;
    let name = decoded.trim_matches(|c: char| c.is_ascii_whitespace());
    if name.is_empty() {
        return Err(BadPath::NotFound);
    }
    acceptable(name).map_err(BadPath::BadIdentity)?;
    Ok(ChargerId::from(name))
}

/// Whether a name can be a charger's identity.
pub(crate) fn acceptable(name: &str) -> Result<(), &'static str> {
    unacceptable(name).map_or(Ok(()), Err)
}

fn unacceptable(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("nothing");
    }
    if name.chars().count() > IDENTITY_CHARACTERS {
        return Some("longer than 48 characters");
    }
    if name.contains(['/', '\\']) {
        return Some("a slash");
    }
    if name.contains(':') {
        return Some("a colon");
    }
    if is_dots(name) || name.contains("..") {
        return Some("dot segments");
    }
    // Besides C0 and C1: format characters that make two identities look alike.
    if name.chars().any(|c| c.is_control() || is_invisible(c) || (c.is_whitespace() && c != ' ')) {
        return Some("control characters");
    }
    looks_like_another(name).then_some("letters that look like others")
}

/// Whether a name is written in a way that people, or other programs, take for another name: composed otherwise
/// than usual, in letters for compatibility alone (`１`), or of letters that look like ASCII (`СР1` in Cyrillic).
fn looks_like_another(name: &str) -> bool {
    !name.is_ascii() && (!is_nfkc(name) || skeleton(name).all(|c| c.is_ascii()))
}

/// `.` and `..`, also when they are encoded.
fn is_dots(segment: &str) -> bool {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    plain == "." || plain == ".."
}

/// Direction marks, zero-width characters, fillers, variation selectors, line separators, tags and the byte order
/// mark: what makes a text look like another one, or turns around what stands beside it.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn has_broken_escape(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| {
        *byte == b'%'
            && !(bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit)
                && bytes.get(at + 2).is_some_and(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_their_identities() {
        let long = "x".repeat(48);
        let long_path = format!("/ocpp/{long}");
        let accepted: &[(&str, &str)] = &[
            ("/ocpp/CP1", "CP1"),
            ("/ocpp/CP1/", "CP1"),
            ("/ocpp/CP1///", "CP1"),
            ("/ocpp//CP1", "CP1"),
            ("/ocpp/tenant/CP1", "CP1"),
            ("/ocpp/ocpp/CP1", "CP1"),
            ("/ocpp/CP%201", "CP 1"),
            ("/ocpp/%20CP1%20", "CP1"),
            ("/ocpp/CP1%09", "CP1"),
            ("/ocpp/CP%2B1", "CP+1"),
            ("/ocpp/CP+1", "CP+1"),
            ("/ocpp/CP%2525", "CP%25"),
            ("/ocpp/CP.1", "CP.1"),
            ("/ocpp/CP-1_2*3=4|5@6", "CP-1_2*3=4|5@6"),
            ("/ocpp/L%C3%A4den", "Läden"),
            ("/ocpp/%E5%85%85%E9%9B%BB1", "充電1"),
            ("/ocpp/%D0%97%D0%B0%D1%80%D1%8F%D0%B41", "Заряд1"),
            ("/ocpp/ws://proxy.example/ocpp/CP7", "CP7"),
            (&long_path, &long),
        ];
        for (path, name) in accepted {
            assert_eq!(identity(path, "/ocpp/"), Ok(ChargerId::from(*name)), "{path}");
        }
        assert_eq!(accepted.len(), 19);
    }

    #[test]
    fn paths_without_an_identity() {
        let too_long = format!("/ocpp/{}", "x".repeat(49));
        let far_too_long = format!("/ocpp/{}", "%41".repeat(300));
        let refused: &[(&str, bool)] = &[
            // not found
            ("/", true),
            ("/ocpp", true),
            ("/ocpp/", true),
            ("/ocpp///", true),
            ("/ocpp/%20", true),
            ("/metrics", true),
            ("/healthz", true),
            ("/OCPP/CP1", true),
            ("/other/CP1", true),
            ("", true),
            // not acceptable
            ("/ocpp/CP%2F1", false),
            ("/ocpp/CP%2f1", false),
            ("/ocpp/..%2Fadmin", false),
            ("/ocpp/CP%5C1", false),
            ("/ocpp/CP%001", false),
            ("/ocpp/CP%0A1", false),
            ("/ocpp/CP%7F1", false),
            ("/ocpp/CP%C2%851", false),
            ("/ocpp/..", false),
            ("/ocpp/.", false),
            ("/ocpp/%2e%2E", false),
            ("/ocpp/../CP1", false),
            ("/ocpp/%2e%2e/CP1", false),
            ("/ocpp/CP1/..", false),
            ("/ocpp/a..b", false),
            ("/ocpp/CP:1", false),
            ("/ocpp/CP%3A1", false),
            ("/ocpp/CP%FF", false),
            ("/ocpp/CP%C0%AF", false),
            ("/ocpp/CP%ED%A0%80", false),
            ("/ocpp/CP%", false),
            ("/ocpp/CP%1", false),
            ("/ocpp/CP%zz", false),
            ("/ocpp/CP%E2%80%8B1", false),
            ("/ocpp/CP%E2%80%AE1", false),
            // CP1 with Cyrillic letters, with a full-width digit; Läden composed in another way
            ("/ocpp/%D0%A1%D0%A01", false),
            ("/ocpp/CP%EF%BC%91", false),
            ("/ocpp/La%CC%88den", false),
            ("/ocpp/CP%C2%A01", false),
            ("/ocpp/CP1%EF%B8%8F", false),
            (&too_long, false),
            (&far_too_long, false),
        ];
        for (path, not_found) in refused {
            let error = identity(path, "/ocpp/").unwrap_err();
            assert_eq!(error == BadPath::NotFound, *not_found, "{path}: {error}");
        }
        assert_eq!(refused.len(), 42);
    }
}
