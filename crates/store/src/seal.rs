//! What keeps chargers' keys from being read out of the store: of a key only HMACs are kept (security white
//! paper A00, semantics S-12), made with a secret of this installation that lies in a file of its own. Whoever
//! has a copy of the database alone can neither read a key nor try keys out.

mod locked;
mod lost;

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::rand;
use engine::ChargerId;

pub use self::locked::{LockedKey, passwords};
pub use self::lost::LostSeal;
use crate::OpenError;

/// Bytes of the secret and of an HMAC.
const BYTES: usize = 32;
/// Bytes of a key that is made here: the most that OCPP allows (security white paper A00, `AuthorizationKey`).
const KEY_BYTES: usize = 20;

/// In which form a charger sends its key. OCPP means the bytes; in the field all of these occur (semantics
/// S-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// As it is written.
    Text,
    /// The bytes that the hexadecimal text stands for.
    Bytes,
    /// Their hexadecimal text in small letters, or that of a key that is not hexadecimal itself.
    HexLower,
    /// The same in capitals.
    HexUpper,
}

impl KeyForm {
    const ALL: [KeyForm; 4] = [KeyForm::Text, KeyForm::Bytes, KeyForm::HexLower, KeyForm::HexUpper];

    /// The word for it in the store and the log.
    pub fn label(self) -> &'static str {
        match self {
            KeyForm::Text => "text",
            KeyForm::Bytes => "bytes",
            KeyForm::HexLower => "hex_lower",
            KeyForm::HexUpper => "hex_upper",
        }
    }

    pub(crate) fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.label() == label)
    }

    fn byte(self) -> u8 {
        self as u8
    }
}

/// What is kept of a key: enough to know it again, in any of its forms.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedKey(Vec<(KeyForm, [u8; BYTES])>);

impl SealedKey {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let parts = self.0.iter().flat_map(|(form, mac)| std::iter::once(form.byte()).chain(*mac));
        parts.collect()
    }

    /// What [`SealedKey::to_bytes`] made; what cannot be understood matches nothing.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let parts = bytes.chunks_exact(1 + BYTES).filter_map(|part| {
            let form = KeyForm::ALL.into_iter().find(|form| form.byte() == part[0])?;
            Some((form, part[1..].try_into().ok()?))
        });
        Self(parts.collect())
    }
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Makes and compares what is kept of keys.
pub struct Seal(hmac::Key);

impl Seal {
    /// Reads the secret beside the store; makes one when there is none yet.
    ///
    /// # Errors
    /// When the file can be neither read nor made, or is not one of ours.
    pub fn open(store: &Path) -> Result<Self, OpenError> {
        let path = Self::path(store);
        let failed = |error: io::Error| OpenError::Seal { path: path.clone(), cause: error.to_string() };
        let secret = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut secret = [0; BYTES];
                rand::fill(&mut secret).map_err(|_| failed(io::Error::other("no random numbers")))?;
                match write(&path, &secret) {
                    // Another program was faster.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&path),
                    written => written.map(|()| secret.to_vec()),
                }
            }
            found => found,
        };
        let secret = secret.map_err(failed)?;
        if secret.len() != BYTES {
            return Err(failed(io::Error::other("it does not hold 32 bytes; put the right one back")));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    /// Where the secret of a store is.
    pub fn path(store: &Path) -> PathBuf {
        let mut name = store.as_os_str().to_owned();
        name.push(".secret");
        PathBuf::from(name)
    }

    /// What is kept of a charger's key.
    pub fn close(&self, charger: &ChargerId, key: &str) -> SealedKey {
        let forms = forms(key).into_iter();
        SealedKey(forms.map(|(form, bytes)| (form, self.mac(charger, &bytes))).collect())
    }

    /// The form in which the offered bytes are one of these keys, if they are. Takes as long whatever was
    /// offered and whether there is any key (semantics S-11).
    pub fn matches(
        &self,
        charger: &ChargerId,
        offered: &[u8],
        keys: &[&SealedKey],
    ) -> Option<(usize, KeyForm)> {
        let mac = self.mac(charger, offered);
        let mut found = None;
        for (at, key) in keys.iter().enumerate() {
            for (form, known) in &key.0 {
                // Every one is compared, also after one was found.
                let same = verify_slices_are_equal(&mac, known).is_ok();
                found = if same && found.is_none() { Some((at, *form)) } else { found };
            }
        }
        found
    }

    /// Of an identity's key: the same key of another charger looks different.
    fn mac(&self, charger: &ChargerId, bytes: &[u8]) -> [u8; BYTES] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(charger.as_str().to_ascii_lowercase().as_bytes());
        // No identity holds it.
        context.update(&[0]);
        context.update(bytes);
        context.sign().as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(***)")
    }
}

/// A key that nobody has thought of: 20 random bytes in hexadecimal, as `AuthorizationKey` takes them.
pub fn new_key() -> String {
    let mut bytes = [0; KEY_BYTES];
    rand::fill(&mut bytes).expect("the system gives random numbers");
    hex(&bytes)
}

/// The forms in which a key may come, each once.
fn forms(key: &str) -> Vec<(KeyForm, Vec<u8>)> {
    let bytes = unhex(key).unwrap_or_else(|| key.as_bytes().to_vec());
    let lower = hex(&bytes);
    let upper = lower.to_ascii_uppercase();
    let all = [
        (KeyForm::Text, key.as_bytes().to_vec()),
        (KeyForm::Bytes, bytes),
        (KeyForm::HexLower, lower.into_bytes()),
        (KeyForm::HexUpper, upper.into_bytes()),
    ];
    let mut forms: Vec<(KeyForm, Vec<u8>)> = Vec::new();
    for (form, bytes) in all {
        if !forms.iter().any(|(_, known)| *known == bytes) {
            forms.push((form, bytes));
        }
    }
    forms
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut secret = Vec::new();
    std::fs::File::open(path)?.take(BYTES as u64 + 1).read_to_end(&mut secret)?;
    Ok(secret)
}

/// Only this user may read it. It appears whole or not at all: half a secret would be no secret.
fn write(path: &Path, secret: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(secret)?;
    file.sync_all()?;
    // Unlike a renaming this does not replace what another program has put there meanwhile.
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn seal() -> (tempfile::TempDir, Seal) {
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::open(&folder.path().join("x.db")).unwrap();
        (folder, seal)
    }

    #[test]
    fn a_key_is_known_in_each_of_its_forms_and_in_no_other() {
        let (_folder, seal) = seal();
        let charger = ChargerId::from("CP1");
        let bytes = [0x00, 0xff, 0x3a, 0xc3, 0x28, 0x0a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let hexadecimal = hex(&bytes);
        let cases: &[(&str, &[u8], Option<KeyForm>)] = &[
            (&hexadecimal, hexadecimal.as_bytes(), Some(KeyForm::Text)),
            (&hexadecimal, &bytes, Some(KeyForm::Bytes)),
            (&hexadecimal, b"00FF3AC3280A0102030405060708090A", Some(KeyForm::HexUpper)),
            ("00FF3aC3280A0102030405060708090A", hexadecimal.as_bytes(), Some(KeyForm::HexLower)),
            (&hexadecimal, &bytes[..15], None),
            (&hexadecimal, b"", None),
            ("correct horse battery", b"correct horse battery", Some(KeyForm::Text)),
            ("correct horse battery", b"Correct horse battery", None),
            ("s3cret", b"733363726574", Some(KeyForm::HexLower)),
            ("s\u{e4}\u{df}", "s\u{e4}\u{df}".as_bytes(), Some(KeyForm::Text)),
            ("s\u{e4}\u{df}", b"s\xe4\xdf", None),
            ("abc", b"abc", Some(KeyForm::Text)),
        ];
        for (key, offered, expected) in cases {
            let sealed = seal.close(&charger, key);
            let found = seal.matches(&charger, offered, &[&sealed]).map(|(_, form)| form);
            assert_eq!(found, *expected, "{key} {offered:?}");
            let kept = SealedKey::from_bytes(&sealed.to_bytes());
            assert!(kept == sealed);
        }
        assert_eq!(cases.len(), 12);
    }

    #[test]
    fn a_key_belongs_to_one_charger_however_that_is_spelled() {
        let (_folder, seal) = seal();
        let sealed = seal.close(&"CP1".into(), "s3cret");
        assert!(seal.matches(&"cp1".into(), b"s3cret", &[&sealed]).is_some());
        assert!(seal.matches(&"CP2".into(), b"s3cret", &[&sealed]).is_none());
        assert!(seal.matches(&"CP1".into(), b"s3cret", &[]).is_none());
        let other = seal.close(&"CP1".into(), "other");
        assert_eq!(seal.matches(&"CP1".into(), b"s3cret", &[&other, &sealed]).unwrap().0, 1);
    }

    #[test]
    fn the_secret_is_made_once_and_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("x.db");
        let sealed = Seal::open(&store).unwrap().close(&"CP1".into(), "s3cret");
        let again = Seal::open(&store).unwrap();
        assert!(again.matches(&"CP1".into(), b"s3cret", &[&sealed]).is_some());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(Seal::path(&store)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(Seal::path(&store), b"short").unwrap();
        assert!(matches!(Seal::open(&store), Err(OpenError::Seal { .. })));
    }

    #[test]
    fn new_keys_fit_ocpp_and_differ() {
        let (one, two) = (new_key(), new_key());
        assert_eq!(one.len(), 40);
        assert!(one != two && unhex(&one).is_some());
    }
}
