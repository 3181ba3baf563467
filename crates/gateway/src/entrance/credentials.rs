//! What stands in an `Authorization` header: a user name and a password, as bytes (RFC 7617, semantics S-11).

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// Padding is what clients made by hand forget.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A user name and a password, of which nothing but their lengths is known.
#[derive(Default, PartialEq, Eq)]
pub struct Credentials {
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

impl Credentials {
    /// `None` when no header is there. One that makes no sense, or of which there are several, is a name that
    /// nobody has.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return Some(Self::default());
        }
        Some(Self::parse(value.as_bytes()).unwrap_or_default())
    }

    /// The name, as bytes: it need not be text.
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The password; everything behind the first colon.
    pub fn password(&self) -> &[u8] {
        &self.password
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (scheme, rest) = value.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let decoded = BASE64.decode(rest.trim_ascii()).ok()?;
        // At the first colon: a password may hold some, an identity may not.
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(Self { user: decoded[..colon].to_vec(), password: decoded[colon + 1..].to_vec() })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    type Both = Option<(Vec<u8>, Vec<u8>)>;

    fn read(value: &[u8]) -> Both {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        let read = Credentials::read(&headers).unwrap();
        (read != Credentials::default()).then_some((read.user, read.password))
    }

    #[test]
    fn headers_and_what_they_hold() {
        let encoded = |bytes: &[u8]| format!("Basic {}", BASE64.encode(bytes));
        let some = |user: &[u8], password: &[u8]| Some((user.to_vec(), password.to_vec()));
        let cases: &[(String, Both)] = &[
            (encoded(b"CP1:s3cret"), some(b"CP1", b"s3cret")),
            (encoded(b"CP1:s3:cret:"), some(b"CP1", b"s3:cret:")),
            (encoded(b"CP1:\x00\xff\x3a\xc3"), some(b"CP1", b"\x00\xff\x3a\xc3")),
            (encoded(b"CP1:"), some(b"CP1", b"")),
            (encoded(b":key"), some(b"", b"key")),
            ("basic Q1AxOng=".to_owned(), some(b"CP1", b"x")),
            ("BASIC  Q1AxOng ".to_owned(), some(b"CP1", b"x")),
            (encoded(b"no colon"), None),
            ("Basic".to_owned(), None),
            ("Basic ".to_owned(), None),
            ("Basic Q1AxO*ng".to_owned(), None),
            ("Bearer Q1AxOng=".to_owned(), None),
            ("Digest username=\"CP1\"".to_owned(), None),
        ];
        for (value, expected) in cases {
            assert_eq!(read(value.as_bytes()), *expected, "{value}");
        }
        assert_eq!(cases.len(), 13);
    }

    #[test]
    fn no_header_is_not_the_same_as_two() {
        let mut headers = HeaderMap::new();
        assert!(Credentials::read(&headers).is_none());
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic Q1AxOng="));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic Q1AxOng="));
        assert!(Credentials::read(&headers) == Some(Credentials::default()));
    }
}
