//! Keys that must be sent again, so that they are encrypted rather than hashed (semantics S-12).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use engine::{BackofficeId, ChargerId};

use super::{KeyForm, Seal, unhex};

/// Makes the encryption's key of the installation's secret. What identities are sealed with holds a zero byte.
const PURPOSE: &[u8] = b"keys of links";

/// A key of which nothing can be seen without the secret of this installation.
#[derive(Clone, PartialEq, Eq)]
pub struct LockedKey(Vec<u8>);

impl LockedKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Seal {
    /// Encrypts a key for one link of one charger, with whoever is at this address now; for another it cannot be opened.
    pub fn lock(&self, charger: &ChargerId, backoffice: &BackofficeId, peer: &str, key: &str) -> LockedKey {
        let mut bytes = key.as_bytes().to_vec();
        let nonce = self
            .cipher()
            .seal_in_place_append_tag(Aad::from(context(charger, backoffice, peer)), &mut bytes)
            .expect("a key is short, and the system gives random numbers");
        LockedKey([nonce.as_ref().as_slice(), &bytes].concat())
    }

    /// The key as it was written; `None` when the secret is another by now, or the key is of another link or peer.
    pub fn unlock(
        &self,
        charger: &ChargerId,
        backoffice: &BackofficeId,
        peer: &str,
        key: &LockedKey,
    ) -> Option<String> {
        let (nonce, rest) = key.0.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = rest.to_vec();
        let context = Aad::from(context(charger, backoffice, peer));
        let opened = self.cipher().open_in_place(nonce, context, &mut bytes).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }

    fn cipher(&self) -> RandomizedNonceKey {
        let key = hmac::sign(&self.0, PURPOSE);
        RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).expect("HMAC-SHA256 has the 32 bytes of the key")
    }
}

/// What a locked key is bound to. No name holds a zero byte.
fn context(charger: &ChargerId, backoffice: &BackofficeId, peer: &str) -> Vec<u8> {
    let charger = charger.as_str().to_ascii_lowercase();
    [&charger, backoffice.as_str(), peer].join("\0").into_bytes()
}

/// The passwords as which a key may be sent to a backoffice, each with its form: the bytes that hexadecimal text
/// stands for, as OCPP has it, and the text itself, as some want it (semantics S-11).
pub fn passwords(key: &str) -> Vec<(KeyForm, Vec<u8>)> {
    let bytes = unhex(key).map(|bytes| (KeyForm::Bytes, bytes));
    bytes.into_iter().chain([(KeyForm::Text, key.as_bytes().to_vec())]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::seal;
    use super::*;

    #[test]
    fn a_locked_key_opens_for_its_own_link_alone_and_shows_nothing() {
        let (_folder, seal) = seal();
        let (charger, volt) = (ChargerId::from("CP1"), BackofficeId::from("volt"));
        let key = "c4n4ryc4n4ryc4n4ry";
        let locked = seal.lock(&charger, &volt, "wss://h", key);
        assert_eq!(seal.unlock(&"cp1".into(), &volt, "wss://h", &locked).as_deref(), Some(key));
        assert_eq!(seal.unlock(&"CP2".into(), &volt, "wss://h", &locked), None);
        assert_eq!(seal.unlock(&charger, &"acme".into(), "wss://h", &locked), None);
        assert_eq!(seal.unlock(&charger, &volt, "wss://other", &locked), None);
        assert_eq!(format!("{locked:?}"), "***");
        assert!(!locked.0.windows(key.len()).any(|part| part == key.as_bytes()));
        assert!(seal.lock(&charger, &volt, "wss://h", key) != locked, "every time another way");
        let (_other_folder, other) = super::super::tests::seal();
        assert_eq!(other.unlock(&charger, &volt, "wss://h", &locked), None);
        for cut in 0..locked.0.len() {
            assert_eq!(seal.unlock(&charger, &volt, "wss://h", &LockedKey(locked.0[..cut].to_vec())), None);
        }
    }

    #[test]
    fn a_key_is_sent_as_its_bytes_first_and_as_its_text_else() {
        let forms = |key: &str| passwords(key).into_iter().map(|(form, _)| form).collect::<Vec<_>>();
        assert_eq!(forms("00ff3ac3280a0102030405060708090a"), [KeyForm::Bytes, KeyForm::Text]);
        assert_eq!(forms("correct horse battery"), [KeyForm::Text]);
        assert_eq!(passwords("00ff")[0].1, [0, 255]);
    }
}
