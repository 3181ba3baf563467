//! Tokens of the API: 256 random bits, of which `proxy.toml` holds only a hash. A slow hash would add
//! nothing: there is nothing to guess.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "sha256:";

/// 256 random bits, as text for a header or a cookie.
pub(crate) fn random() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A new token for the API. Shown once; `proxy.toml` gets its [`hash_token`].
pub fn new_token() -> String {
    format!("opx_{}", random())
}

/// What `proxy.toml` holds of a token.
pub fn hash_token(token: &str) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(Sha256::digest(token)))
}

/// Whether this is what [`hash_token`] makes.
pub fn check_token_hash(hash: &str) -> bool {
    let digest = hash.strip_prefix(PREFIX).and_then(|digest| URL_SAFE_NO_PAD.decode(digest).ok());
    digest.is_some_and(|digest| digest.len() == 32)
}

/// In a time that tells nothing about the hash.
pub(crate) fn is_of(token: &str, hash: &str) -> bool {
    same(&hash_token(token), hash)
}

/// Whether two secrets are the same, in a time that does not depend on where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        let (token, other) = (new_token(), new_token());
        let hash = hash_token(&token);
        assert!(check_token_hash(&hash) && !check_token_hash(&token));
        assert!(is_of(&token, &hash) && !is_of(&other, &hash) && !is_of(&hash, &hash));
    }
}
