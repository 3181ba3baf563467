//! With what the proxy proves to a backoffice that it speaks for a charger: what `proxy.toml` says, the charger's
//! own header, or a key that the backoffice itself has set (semantics §7.3, §7.4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dashmap::DashMap;
use engine::{BackofficeId, ChargerId, TraceId};
use hyper::header::HeaderValue;
use store::{Kept, KeyForm, LinkKey, LinkKeys, Seal, Store};

use crate::clock::unix_ms;
use crate::fleet::folded;
use crate::limits::LINK_KEYS;
use crate::routing::BackofficeSettings;

/// What one dial may prove itself with, the most promising first. Never empty.
#[derive(Debug)]
pub(crate) struct Proofs {
    all: Vec<Proof>,
    /// The first was never taken so far: a backoffice may still be at taking it in.
    first_is_new: bool,
}

/// One `Authorization` header, or none.
#[derive(Debug)]
pub(crate) struct Proof {
    /// The key that the backoffice has set, in which form; `None`: it comes from `proxy.toml` or the charger.
    key: Option<(TraceId, KeyForm)>,
    pub(crate) header: Option<HeaderValue>,
}

/// What came of a dial's proofs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tried {
    /// The key that was taken, in which form.
    taken: Option<(TraceId, KeyForm)>,
    /// Keys that were refused, in all their forms.
    refused: Vec<TraceId>,
}

impl Proofs {
    /// With one header, or none.
    pub(crate) fn only(header: Option<HeaderValue>) -> Self {
        Self { all: vec![Proof { key: None, header }], first_is_new: false }
    }

    /// In the order in which they are tried.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Proof> {
        let again = self.all.first().filter(|_| self.first_is_new && self.all.len() > 1);
        self.all.iter().chain(again)
    }
}

impl Tried {
    pub(crate) fn refused(&mut self, proof: &Proof) {
        if let Some((trace, _)) = proof.key
            && !self.refused.contains(&trace)
        {
            self.refused.push(trace);
        }
    }

    pub(crate) fn taken(&mut self, proof: &Proof) {
        self.taken = proof.key;
        self.refused.retain(|trace| self.taken.is_none_or(|(taken, _)| *trace != taken));
    }
}

/// Keys that backoffices have set for their links. Only the leaders of chargers and followers that may change
/// settings make it grow, by [`LINK_KEYS`] each.
#[derive(Debug, Default)]
pub(crate) struct KeysOfLinks(DashMap<(String, BackofficeId), LinkKeys>);

impl KeysOfLinks {
    pub(crate) fn new(all: Vec<LinkKeys>) -> Self {
        Self(all.into_iter().map(|keys| (place(&keys.charger, &keys.backoffice), keys)).collect())
    }

    /// What a dial proves itself with.
    pub(crate) fn proofs(
        &self,
        seal: &Seal,
        settings: &BackofficeSettings,
        charger: &ChargerId,
        backoffice: &BackofficeId,
        charger_sent: Option<&HeaderValue>,
    ) -> Proofs {
        if settings.forward_authorization {
            return Proofs::only(charger_sent.cloned());
        }
        let user = settings.basic_auth.as_ref().map_or("{charger}", |auth| &auth.user);
        let user = user.replace("{charger}", charger.as_str());
        let of_file = settings.basic_auth.as_ref().map(|auth| {
            let password = auth.password.reveal().replace("{charger}", charger.as_str());
            basic(&user, password.as_bytes())
        });
        let mut proofs = Proofs::only(of_file);
        let Some(set) = self.0.get(&place(charger, backoffice)) else { return proofs };
        let of = |key: &LinkKey| {
            let text = seal.unlock(charger, backoffice, &key.key).unwrap_or_default();
            let passwords = store::passwords(&text).into_iter();
            let wanted = passwords.filter(|(form, _)| key.form.is_none_or(|taken| taken == *form));
            let proof = |(form, password): (KeyForm, Vec<u8>)| Proof {
                key: Some((key.trace, form)),
                header: Some(basic(&user, &password)),
            };
            // With another secret beside the store it cannot be read any more.
            wanted.filter(|_| !text.is_empty()).map(proof).collect::<Vec<_>>()
        };
        let first: Vec<Proof> = set.keys.iter().filter(|key| key.is_first).flat_map(of).collect();
        let last = set.keys.iter().filter(|key| !key.is_first).flat_map(of);
        proofs.first_is_new = set.keys.first().is_some_and(|key| key.is_first && key.form.is_none());
        proofs.all.splice(..0, first);
        proofs.all.extend(last);
        proofs
    }

    /// Takes a key in; it counts at once, and is durable when the store says so.
    pub(crate) fn set(
        &self,
        store: &Store,
        charger: &ChargerId,
        backoffice: &BackofficeId,
        key: (TraceId, &str),
        is_first: bool,
    ) -> Kept {
        let (trace, key) = (key.0, store.seal().lock(charger, backoffice, key.1));
        let none = || LinkKeys { charger: charger.clone(), backoffice: backoffice.clone(), keys: Vec::new() };
        let mut keys = self.0.entry(place(charger, backoffice)).or_insert_with(none);
        keys.keys.insert(0, LinkKey { trace, key, form: None, is_first, unix_ms: unix_ms() });
        keys.keys.truncate(LINK_KEYS);
        // Under the lock, so that what is written last is what counts.
        store.keep_link_keys(keys.clone())
    }

    /// A key that could not be kept does not count.
    pub(crate) fn withdraw(
        &self,
        store: &Store,
        charger: &ChargerId,
        backoffice: &BackofficeId,
        trace: TraceId,
    ) {
        self.change(store, charger, backoffice, |keys| keys.retain(|key| key.trace != trace));
    }

    /// A key that was on trial is the one that the backoffice expects.
    pub(crate) fn accepted(
        &self,
        store: &Store,
        charger: &ChargerId,
        backoffice: &BackofficeId,
        trace: TraceId,
    ) {
        self.change(store, charger, backoffice, |keys| {
            keys.iter_mut().filter(|key| key.trace == trace).for_each(|key| key.is_first = true);
        });
    }

    /// Learns from a dial that was let in: what is older than the key that was taken is of no use any more, and
    /// what was refused before is tried last from now on.
    pub(crate) fn tried(&self, store: &Store, charger: &ChargerId, backoffice: &BackofficeId, tried: &Tried) {
        self.change(store, charger, backoffice, |keys| {
            for key in keys.iter_mut().filter(|key| tried.refused.contains(&key.trace)) {
                key.is_first = false;
            }
            let Some((taken, form)) = tried.taken else { return };
            let Some(at) = keys.iter().position(|key| key.trace == taken) else { return };
            keys.truncate(at + 1);
            (keys[at].is_first, keys[at].form) = (true, Some(form));
        });
    }

    /// An operator had them forgotten; the store knows.
    pub(crate) fn forget(&self, store: &Store, charger: &ChargerId, backoffice: &BackofficeId) {
        // Written again: a key may have been kept between the order and now.
        self.change(store, charger, backoffice, Vec::clear);
    }

    fn change(
        &self,
        store: &Store,
        charger: &ChargerId,
        backoffice: &BackofficeId,
        change: impl FnOnce(&mut Vec<LinkKey>),
    ) {
        let place = place(charger, backoffice);
        let Some(mut keys) = self.0.get_mut(&place) else { return };
        let former = keys.keys.clone();
        change(&mut keys.keys);
        if keys.keys != former {
            // Not waited for: whatever is lost of it is found out again by dialing.
            drop(store.keep_link_keys(keys.clone()));
        }
        let is_empty = keys.keys.is_empty();
        drop(keys);
        if is_empty {
            self.0.remove_if(&place, |_, keys| keys.keys.is_empty());
        }
    }
}

fn place(charger: &ChargerId, backoffice: &BackofficeId) -> (String, BackofficeId) {
    (folded(charger), backoffice.clone())
}

/// The header of HTTP Basic authentication (RFC 7617).
pub(crate) fn basic(user: &str, password: &[u8]) -> HeaderValue {
    let encoded = STANDARD.encode([user.as_bytes(), b":", password].concat());
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).expect("base64 is plain ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{BasicAuth, Secret};

    const HEX: &str = "00ff3ac3280a0102030405060708090a";

    struct World {
        _folder: tempfile::TempDir,
        store: Store,
        keys: KeysOfLinks,
        settings: BackofficeSettings,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let settings = store::Settings::default();
            let store = Store::open(&folder.path().join("x.db"), settings).unwrap();
            let password = Secret::new("of the file".to_owned());
            let basic_auth = Some(BasicAuth { user: "x-{charger}".to_owned(), password });
            let settings = BackofficeSettings { basic_auth, ..BackofficeSettings::new("ws://h/".to_owned()) };
            Self { _folder: folder, store, keys: KeysOfLinks::default(), settings }
        }

        fn of(&self, charger: &str) -> Proofs {
            let sent = HeaderValue::from_static("Basic of the charger");
            let seal = self.store.seal();
            self.keys.proofs(&seal, &self.settings, &charger.into(), &"volt".into(), Some(&sent))
        }

        fn passwords(&self) -> Vec<Vec<u8>> {
            let proofs = self.of("CP1");
            let headers = proofs.in_order().map(|proof| proof.header.clone().unwrap());
            let password = |header: HeaderValue| {
                let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
                STANDARD.decode(encoded).unwrap().strip_prefix(b"x-CP1:").unwrap().to_vec()
            };
            headers.map(password).collect()
        }

        fn texts(&self) -> Vec<String> {
            self.passwords().into_iter().map(|password| String::from_utf8(password).unwrap()).collect()
        }

        fn set(&self, number: u128, key: &str, is_first: bool) -> TraceId {
            let trace = TraceId(ulid::Ulid(number));
            let set = self.keys.set(&self.store, &"CP1".into(), &"volt".into(), (trace, key), is_first);
            drop(set);
            trace
        }

        /// A backoffice that takes this password and no other.
        fn dialed(&self, takes: &[u8]) {
            let proofs = self.of("CP1");
            let mut tried = Tried::default();
            for (proof, password) in proofs.in_order().zip(self.passwords()) {
                if password == takes {
                    tried.taken(proof);
                    return self.keys.tried(&self.store, &"CP1".into(), &"volt".into(), &tried);
                }
                tried.refused(proof);
            }
        }
    }

    #[test]
    fn a_key_is_tried_in_both_forms_and_what_was_taken_stays() {
        let world = World::new();
        assert_eq!(world.texts(), ["of the file"]);
        world.set(1, HEX, true);
        let bytes = store::passwords(HEX)[0].1.clone();
        let file = b"of the file".to_vec();
        let hex = HEX.as_bytes().to_vec();
        assert_eq!(
            world.passwords(),
            [bytes.clone(), hex.clone(), file.clone(), bytes],
            "the new one once more"
        );
        world.dialed(&hex);
        assert_eq!(world.passwords(), [hex, file]);
        assert_eq!(world.of("CP2").in_order().count(), 1, "another charger's link is another");
    }

    #[test]
    fn the_old_one_is_kept_until_the_new_one_was_taken() {
        let world = World::new();
        world.set(1, "the first of all", true);
        world.dialed(b"the first of all");
        world.set(2, "the second of them", true);
        // The answer to it was lost: the backoffice goes on with the former.
        world.dialed(b"the first of all");
        assert_eq!(world.texts(), ["the first of all", "of the file", "the second of them"]);
        world.dialed(b"of the file");
        assert_eq!(world.texts(), ["of the file", "the second of them", "the first of all"]);
        world.dialed(b"the second of them");
        assert_eq!(world.texts(), ["the second of them", "of the file"]);
    }

    #[test]
    fn what_is_on_trial_is_tried_last_until_it_is_accepted_or_taken() {
        let world = World::new();
        let first = world.set(1, "the first of all", false);
        assert_eq!(world.texts(), ["of the file", "the first of all"]);
        world.keys.accepted(&world.store, &"cp1".into(), &"volt".into(), first);
        assert_eq!(world.texts(), ["the first of all", "of the file", "the first of all"]);
        world.keys.withdraw(&world.store, &"CP1".into(), &"volt".into(), first);
        assert_eq!(world.texts(), ["of the file"]);
        for number in 2..20 {
            world.set(number, &format!("number {number} of many"), true);
        }
        assert_eq!(world.texts().len(), LINK_KEYS + 2);
        world.keys.forget(&world.store, &"CP1".into(), &"volt".into());
        assert_eq!(world.texts(), ["of the file"]);
        assert!(world.keys.0.is_empty());
    }

    #[test]
    fn where_the_chargers_own_header_is_forwarded_nothing_else_is_shown() {
        let mut world = World::new();
        world.set(1, "the first of all", true);
        world.settings.forward_authorization = true;
        let proofs = world.of("CP1");
        let headers: Vec<_> = proofs.in_order().map(|proof| proof.header.clone().unwrap()).collect();
        assert_eq!(headers, ["Basic of the charger"]);
    }
}
