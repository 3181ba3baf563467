//! With what the proxy proves to a backoffice that it speaks for a charger: what `proxy.toml` says, the charger's
//! own header, or a key that the backoffice itself has set (semantics §7.3, §7.4).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dashmap::DashMap;
use engine::{BackofficeId, ChargerId, TraceId};
use hyper::header::HeaderValue;
use store::{Kept, KeyForm, LinkKey, LinkKeys, Seal, Store};

use crate::clock::unix_ms;
use crate::fleet::folded;
use crate::limits::{LINK_KEYS, PROOFS_OF_A_DIAL};
use crate::routing::BackofficeSettings;

/// What a link may prove itself with, the most promising first. Never empty. One dial shows two of them at most: time is
/// short, and a backoffice counts what it refuses; the next dial goes on where this one ended.
#[derive(Debug, Clone)]
pub(crate) struct Proofs {
    all: Vec<Proof>,
    round: Arc<Mutex<Round>>,
}

/// One `Authorization` header, or none.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    /// The key that the backoffice has set, in which form; `None`: it comes from `proxy.toml` or the charger.
    key: Option<(TraceId, KeyForm)>,
    pub(crate) header: Option<HeaderValue>,
}

/// What was refused since something was taken, or since the keys were others.
#[derive(Debug, Default)]
struct Round {
    refusals: usize,
    /// Keys that were refused.
    keys: Vec<TraceId>,
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
        Self { all: vec![Proof { key: None, header }], round: Arc::default() }
    }

    #[cfg(test)]
    pub(crate) fn of(headers: &[HeaderValue]) -> Self {
        let all = headers.iter().map(|header| Proof { key: None, header: Some(header.clone()) });
        Self { all: all.collect(), round: Arc::default() }
    }

    /// Those that the next dial shows.
    pub(crate) fn next(&self) -> impl Iterator<Item = &Proof> {
        let count = self.all.len();
        let from = self.round().refusals % count;
        self.all.iter().cycle().skip(from).take(count.min(PROOFS_OF_A_DIAL))
    }

    /// Learns at once, since the dial may be given up at any moment.
    pub(crate) fn refused(&self, proof: &Proof) {
        let mut round = self.round();
        round.refusals += 1;
        if let Some((trace, _)) = proof.key
            && !round.keys.contains(&trace)
        {
            round.keys.push(trace);
        }
    }

    /// Whether there is one that was not refused yet.
    pub(crate) fn are_left(&self) -> bool {
        self.round().refusals < self.all.len()
    }

    pub(crate) fn taken(&self, proof: &Proof) -> Tried {
        let Round { keys: mut refused, .. } = std::mem::take(&mut *self.round());
        refused.retain(|trace| proof.key.is_none_or(|(taken, _)| *trace != taken));
        Tried { taken: proof.key, refused }
    }

    fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys that backoffices have set for their links. Only the leaders of chargers and followers that may change
/// settings make it grow, by [`LINK_KEYS`] each.
#[derive(Debug, Default)]
pub(crate) struct KeysOfLinks(DashMap<(String, BackofficeId), OfLink>);

/// The keys of one link, and how far its dials are with them.
#[derive(Debug)]
struct OfLink {
    keys: LinkKeys,
    round: Arc<Mutex<Round>>,
}

impl KeysOfLinks {
    pub(crate) fn new(all: Vec<LinkKeys>) -> Self {
        Self(
            all.into_iter()
                .map(|keys| {
                    let round = Arc::default();
                    (place(&keys.charger, &keys.backoffice), OfLink { keys, round })
                })
                .collect(),
        )
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
        let OfLink { keys: LinkKeys { keys, .. }, round } = set.value();
        // Whoever has the name now, but not the address, is not shown what another has set.
        let peer = peer(&settings.url);
        // What a backoffice takes once it takes again.
        let usual = keys.iter().find_map(|key| key.form);
        let of = |key: &LinkKey| {
            let text = seal.unlock(charger, backoffice, &peer, &key.key).unwrap_or_default();
            let mut passwords = store::passwords(&text);
            passwords.retain(|(form, _)| key.form.is_none_or(|taken| taken == *form));
            passwords.sort_by_key(|(form, _)| usual.is_some_and(|usual| usual != *form));
            let proof = |(form, password): (KeyForm, Vec<u8>)| Proof {
                key: Some((key.trace, form)),
                header: Some(basic(&user, &password)),
            };
            // With another secret beside the store it cannot be read any more.
            passwords.into_iter().filter(|_| !text.is_empty()).map(proof).collect::<Vec<_>>()
        };
        let first: Vec<Proof> = keys.iter().filter(|key| key.is_first).flat_map(of).collect();
        let last = keys.iter().filter(|key| !key.is_first).flat_map(of);
        proofs.all.splice(..0, first);
        proofs.all.extend(last);
        proofs.round = round.clone();
        proofs
    }

    /// Takes a key in; it counts at once, and is durable when the store says so.
    pub(crate) fn set(
        &self,
        store: &Store,
        charger: &ChargerId,
        (backoffice, url): (&BackofficeId, &str),
        key: (TraceId, &str),
        is_first: bool,
    ) -> Kept {
        let (trace, key) = (key.0, store.seal().lock(charger, backoffice, &peer(url), key.1));
        let none = || {
            let keys =
                LinkKeys { charger: charger.clone(), backoffice: backoffice.clone(), keys: Vec::new() };
            OfLink { keys, round: Arc::default() }
        };
        let mut of_link = self.0.entry(place(charger, backoffice)).or_insert_with(none);
        of_link.round = Arc::default();
        let LinkKeys { keys, .. } = &mut of_link.keys;
        keys.insert(0, LinkKey { trace, key, form: None, is_first, unix_ms: unix_ms() });
        if keys.len() > LINK_KEYS {
            // The one that was taken last may be in force, however many came after it in vain.
            let in_force = keys.iter().position(|key| key.form.is_some());
            let oldest = (1..keys.len()).rev().find(|at| Some(*at) != in_force);
            oldest.map(|at| keys.remove(at));
        }
        // Under the lock, so that what is written last is what counts.
        store.keep_link_keys(of_link.keys.clone())
    }

    /// A key that could not be kept, or that the charger has not taken, does not count.
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
        let Some(mut of_link) = self.0.get_mut(&place) else { return };
        let OfLink { keys, round } = of_link.value_mut();
        let former = keys.keys.clone();
        change(&mut keys.keys);
        if keys.keys != former {
            *round = Arc::default();
            // Not waited for: whatever is lost of it is found out again by dialing.
            drop(store.keep_link_keys(keys.clone()));
        }
        let is_empty = keys.keys.is_empty();
        drop(of_link);
        if is_empty {
            self.0.remove_if(&place, |_, of_link| of_link.keys.keys.is_empty());
        }
    }
}

fn place(charger: &ChargerId, backoffice: &BackofficeId) -> (String, BackofficeId) {
    (folded(charger), backoffice.clone())
}

/// Scheme, host and port of a URL: who is there.
fn peer(url: &str) -> String {
    let url = url.to_ascii_lowercase();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", &url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let usual = if scheme == "wss" { ":443" } else { ":80" };
    format!("{scheme}://{}", authority.strip_suffix(usual).unwrap_or(authority))
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
            let headers = proofs.all.iter().map(|proof| proof.header.clone().unwrap());
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
            let set = self.keys.set(
                &self.store,
                &"CP1".into(),
                (&"volt".into(), &self.settings.url),
                (trace, key),
                is_first,
            );
            drop(set);
            trace
        }

        /// Dials a backoffice that takes this password and no other, until it is linked; what it was shown by each dial.
        fn dialed(&self, takes: &[u8]) -> Vec<usize> {
            let mut dials = Vec::new();
            for _ in 0..2 * LINK_KEYS {
                let (proofs, right) = (self.of("CP1"), basic("x-CP1", takes));
                let mut shown = 0;
                for proof in proofs.next() {
                    shown += 1;
                    if proof.header.as_ref() == Some(&right) {
                        dials.push(shown);
                        let tried = proofs.taken(proof);
                        self.keys.tried(&self.store, &"CP1".into(), &"volt".into(), &tried);
                        return dials;
                    }
                    proofs.refused(proof);
                }
                dials.push(shown);
            }
            panic!("never linked: {:?}", self.texts());
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
        assert_eq!(world.passwords(), [bytes, hex.clone(), file.clone()]);
        assert_eq!(world.dialed(&hex), [2]);
        assert_eq!(world.passwords(), [hex, file]);
        world.set(2, &HEX.replace("00ff", "11ff"), true);
        assert_eq!(world.passwords()[0], b"11ff3ac3280a0102030405060708090a", "as it took the former");
        assert_eq!(world.of("CP2").next().count(), 1, "another charger's link is another");
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
        assert_eq!(world.texts(), ["the first of all", "of the file"]);
        world.keys.withdraw(&world.store, &"CP1".into(), &"volt".into(), first);
        assert_eq!(world.texts(), ["of the file"]);
        for number in 2..20 {
            world.set(number, &format!("number {number} of many"), true);
        }
        assert_eq!(world.texts().len(), LINK_KEYS + 1);
        world.keys.forget(&world.store, &"CP1".into(), &"volt".into());
        assert_eq!(world.texts(), ["of the file"]);
        assert!(world.keys.0.is_empty());
    }

    #[test]
    fn the_key_in_force_is_not_displaced_by_those_that_were_never_taken() {
        for is_first in [true, false] {
            let world = World::new();
            world.set(1, "the one in force", true);
            world.dialed(b"the one in force");
            for number in 2..20 {
                world.set(number, &format!("number {number} of many"), is_first);
            }
            assert_eq!(world.texts().len(), LINK_KEYS + 1);
            assert!(world.texts().contains(&"number 19 of many".to_owned()));
            world.dialed(b"the one in force");
            assert_eq!(world.texts()[0], "the one in force");
            // Once a later one was taken the former is of no use.
            world.dialed(b"number 19 of many");
            assert_eq!(world.texts(), ["number 19 of many", "of the file"]);
        }
    }

    #[test]
    fn a_dial_shows_two_and_the_next_goes_on_there() {
        let world = World::new();
        world.set(1, "the first of all", true);
        world.dialed(b"the first of all");
        world.set(2, HEX, true);
        world.set(3, &HEX.replace("00ff", "11ff"), true);
        assert_eq!(world.passwords().len(), 6);
        assert_eq!(world.dialed(b"of the file"), [2, 2, 2]);
        assert_eq!(world.dialed(b"of the file"), [1], "what it refused is not shown first again");
        // A dial that ends in the middle has told already what was refused.
        let proofs = world.of("CP1");
        proofs.refused(proofs.next().next().unwrap());
        assert!(proofs.are_left());
        let next = |proofs: &Proofs| proofs.next().next().unwrap().header.clone();
        assert_eq!(next(&world.of("CP1")), proofs.all[1].header);
        (1..proofs.all.len()).for_each(|at| proofs.refused(&proofs.all[at]));
        assert!(!proofs.are_left());
        assert_eq!(next(&world.of("CP1")), proofs.all[0].header, "and again from the first");
        world.set(4, "the last of them", true);
        assert_eq!(world.of("CP1").next().count(), 2);
        assert_eq!(next(&world.of("CP1")), Some(basic("x-CP1", b"the last of them")));
    }

    #[test]
    fn who_is_at_another_address_is_not_shown_the_formers_key() {
        let mut world = World::new();
        world.set(1, "of the former", true);
        world.dialed(b"of the former");
        for same in ["WS://H:80/elsewhere/{charger}", "ws://h?x=1"] {
            world.settings.url = same.to_owned();
            assert_eq!(world.texts(), ["of the former", "of the file"], "{same}");
        }
        for other in ["ws://other/", "ws://h:81/", "wss://h/", "ws://h.example/"] {
            world.settings.url = other.to_owned();
            assert_eq!(world.texts(), ["of the file"], "{other}");
        }
        world.set(2, "of the other", true);
        assert_eq!(world.texts(), ["of the other", "of the file"]);
        world.settings.url = "ws://h/".to_owned();
        assert_eq!(world.texts(), ["of the former", "of the file"]);
    }

    #[test]
    fn where_the_chargers_own_header_is_forwarded_nothing_else_is_shown() {
        let mut world = World::new();
        world.set(1, "the first of all", true);
        world.settings.forward_authorization = true;
        let proofs = world.of("CP1");
        let headers: Vec<_> = proofs.next().map(|proof| proof.header.clone().unwrap()).collect();
        assert_eq!(headers, ["Basic of the charger"]);
    }
}
