//! Browsers from which somebody has logged in before. Each counts its own failures alone, so that a guesser who uses
//! up what a name or an address may try keeps nobody out who was in before.
//!
//! The browser keeps a cookie with a number of its own, signed with the password's hash: nothing has to be remembered
//! here, it holds through restarts, and it is of no use any more once the password is another. It lets nobody in.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::access::token;

const PURPOSE: &str = "ocpp-proxy: a browser in which this user has logged in";
/// Characters of a number: [`token::random`] makes them.
const NUMBER_CHARACTERS: usize = 43;

/// A browser that has proved to be one of a certain user's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Familiar(String);

impl Familiar {
    /// A new one, for somebody who has just logged in, and the cookie's value.
    pub(crate) fn cookie(name: &str, password_hash: &str) -> String {
        let number = token::random();
        let signed =
            URL_SAFE_NO_PAD.encode(hmac::sign(&key(password_hash), signed(&number, name).as_bytes()));
        format!("{number}.{signed}")
    }

    /// Whether a cookie is what [`Familiar::cookie`] made for this user with the password of now.
    pub(crate) fn read(cookie: &str, name: &str, password_hash: &str) -> Option<Self> {
        let (number, said) = cookie.split_once('.')?;
        let said = URL_SAFE_NO_PAD.decode(said).ok().filter(|_| number.len() == NUMBER_CHARACTERS)?;
        hmac::verify(&key(password_hash), signed(number, name).as_bytes(), &said).ok()?;
        Some(Self(number.to_owned()))
    }
}

/// The hash is 256 bits behind a random salt: what is signed with it tells nothing about it.
fn key(password_hash: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, password_hash.as_bytes())
}

/// The number is of a fixed length, so that no two pairs read alike.
fn signed(number: &str, name: &str) -> String {
    format!("{PURPOSE}\n{number}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_for_one_user_and_one_password() {
        let (cookie, other) = (Familiar::cookie("anna", "$hash$1"), Familiar::cookie("anna", "$hash$1"));
        let read = Familiar::read(&cookie, "anna", "$hash$1").unwrap();
        assert_eq!(cookie.split('.').next().unwrap().len(), NUMBER_CHARACTERS);
        assert_ne!(Some(read), Familiar::read(&other, "anna", "$hash$1"));
        let (number, signed) = cookie.split_once('.').unwrap();
        let moved = format!("{}.{signed}", &number[..NUMBER_CHARACTERS - 1]);
        let mut tried = 0;
        for (cookie, name, hash) in [
            (cookie.as_str(), "bert", "$hash$1"),
            (cookie.as_str(), "anna", "$hash$2"),
            (&cookie[..cookie.len() - 1], "anna", "$hash$1"),
            (number, "anna", "$hash$1"),
            (&format!("{number}."), "anna", "$hash$1"),
            (&moved, &number[NUMBER_CHARACTERS - 1..], "$hash$1"),
            (&format!(".{signed}"), "anna", "$hash$1"),
            ("", "anna", "$hash$1"),
        ] {
            assert_eq!(Familiar::read(cookie, name, hash), None, "{cookie} {name} {hash}");
            tried += 1;
        }
        assert_eq!(tried, 8);
    }
}
