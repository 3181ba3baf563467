//! What a charger says in its `Authorization` header, byte for byte (RFC 7617, semantics S-11).

use gateway::Credentials;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};

/// The values of the headers of that name, a line each.
pub fn basic_auth(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        // The server refuses the others before anybody looks at them.
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(AUTHORIZATION, value);
    }
    let read = Credentials::read(&headers).expect("a header is there");
    assert_eq!(format!("{read:?}"), "Credentials(***)");
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, is_alone) = (values.next().map(HeaderValue::as_bytes), values.next().is_none());
    let expected = first.filter(|_| is_alone).and_then(expected).unwrap_or_default();
    assert_eq!((read.user(), read.password()), (&*expected.0, &*expected.1));
    // A name that nobody has is no identity: nobody is let in by mistake.
    assert!(is_alone || read.user().is_empty() && read.password().is_empty());
    is_read_as_written(input);
}

/// User and password of any bytes arrive as they are.
fn is_read_as_written(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == b':');
    let (Some(user), Some(password)) = (parts.next(), parts.next()) else { return };
    for padded in [true, false] {
        let value = format!("Basic {}", encoded(&[user, b":", password].concat(), padded));
        let value = HeaderValue::from_str(&value).expect("letters, digits and signs");
        let read =
            Credentials::read(&HeaderMap::from_iter([(AUTHORIZATION, value)])).expect("a header is there");
        assert_eq!((read.user(), read.password()), (user, password));
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encoded(bytes: &[u8], padded: bool) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=three.len()].copy_from_slice(three);
        let group = u32::from_be_bytes(group);
        for at in 0..4 {
            let sextet = (group >> (18 - 6 * at)) & 63;
            match at <= three.len() {
                true => text.push(char::from(ALPHABET[sextet as usize])),
                false if padded => text.push('='),
                false => {}
            }
        }
    }
    text
}

/// What the reference makes of a header, bit by bit (RFC 4648 §4).
fn expected(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let rest = rest.trim_ascii();
    let unpadded = rest.iter().position(|byte| *byte == b'=').map_or(rest, |end| &rest[..end]);
    let padding = &rest[unpadded.len()..];
    let wanted = (4 - unpadded.len() % 4) % 4;
    // One letter alone is less than a byte; padding is left out, or there as it should be.
    if wanted == 3 || padding.iter().any(|byte| *byte != b'=') || padding.len() > wanted {
        return None;
    }
    let mut bits: Vec<bool> = Vec::new();
    for letter in unpadded {
        let sextet = ALPHABET.iter().position(|known| known == letter)?;
        bits.extend((0..6).rev().map(|at| sextet >> at & 1 == 1));
    }
    let whole = bits.len() / 8 * 8;
    if bits[whole..].iter().any(|bit| *bit) {
        return None;
    }
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    let bytes: Vec<u8> = bits[..whole].chunks(8).map(byte).collect();
    let mut parts = bytes.splitn(2, |byte| *byte == b':');
    Some((parts.next()?.to_vec(), parts.next()?.to_vec()))
}
