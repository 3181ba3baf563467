//! Whether whoever asks to come in is the charger that it says it is, and one that is expected (security white
//! paper A00, semantics §7.2). Nothing of a session is touched before that is settled.

mod budgets;
mod changed;
mod credentials;
mod knocks;
mod roster;
mod terms;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use engine::ChargerId;
use hyper::HeaderMap;
use store::{AdmissionWhat, KeyForm, Knocking, Login, Seal, SealedKey, Store, StoreError, WhyNot};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until};

use self::budgets::{Budgets, network};
use self::changed::{ChangedKeys, Used};
use self::knocks::{Knocks, TurnedAway};
use self::roster::Roster;
use crate::limits::{
    KEY_NOBODY_GUESSES_BYTES, KEYS_AGE_EVERY, LOGINS_WRITTEN_AT_ONCE, LOGINS_WRITTEN_PER_SECOND, TARPIT,
    TARPITS,
};
use crate::peer::Peer;
use crate::rate::Bucket;
use crate::served::Served;
use crate::shared::Shared;

pub(crate) use self::budgets::site;
pub use self::credentials::Credentials;
pub use self::terms::{EntranceTerms, SecurityProfile, UnknownChargers};

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotLetIn {
    /// No rule matches.
    NoRule,
    /// Nobody has admitted it.
    Unknown,
    /// It did not prove who it is; what was wrong the peer is not told.
    Unproved(WhyNot),
    /// Its certificate is another charger's.
    WrongCertificate,
    /// Its certificate is taken back.
    Revoked,
    /// The rule wants TLS.
    WithoutTls,
    /// Too many failures; for so long nothing more is looked at.
    LockedOut(Duration),
    /// What must be durable first cannot be.
    StoreFailed,
}

impl NotLetIn {
    /// What an operator is told; `None` when it is not the charger's fault.
    fn why(self, is_known: bool) -> Option<WhyNot> {
        Some(match self {
            NotLetIn::NoRule => WhyNot::NoRule,
            // An operator should see it all the same: that it dials the wrong port is easily mended.
            NotLetIn::WithoutTls if is_known => WhyNot::WithoutTls,
            NotLetIn::Unknown | NotLetIn::WithoutTls => WhyNot::Unknown,
            NotLetIn::Unproved(why) => why,
            NotLetIn::WrongCertificate => WhyNot::WrongCertificate,
            NotLetIn::Revoked => WhyNot::Revoked,
            NotLetIn::LockedOut(_) => WhyNot::TooManyFailures,
            NotLetIn::StoreFailed => return None,
        })
    }
}

/// A look at somebody that came to no good.
struct Failure {
    not: NotLetIn,
    /// The answer waits, so that guessing takes time and the time says nothing.
    is_held_back: bool,
}

impl From<NotLetIn> for Failure {
    fn from(not: NotLetIn) -> Self {
        Self { not, is_held_back: false }
    }
}

/// Has keys that chargers did not accept age while the program runs, until the gateway is gone.
pub(crate) async fn age_keys(shared: Weak<Shared>) {
    loop {
        sleep(KEYS_AGE_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        shared.entrance.changed.an_hour_passed(&shared.store);
    }
}

/// Everything that decides who comes in.
#[derive(Debug)]
pub(crate) struct Entrance {
    seal: Arc<Seal>,
    pub(crate) roster: Roster,
    /// Keys that leaders have set.
    pub(crate) changed: ChangedKeys,
    knocks: Knocks,
    budgets: Budgets,
    tarpits: Semaphore,
    logins_written: Bucket,
    /// What was sealed before then nobody can know again.
    lost_unix_ms: Option<i64>,
    /// Compared with when there is no key, so that it takes as long.
    decoy: SealedKey,
}

/// What came of a look at credentials.
enum Proof {
    /// Nothing has to be proved.
    NotAsked,
    /// A client certificate bears the identity.
    Certificate,
    /// The key is right.
    Key(Used, KeyForm),
}

impl Entrance {
    /// With what the store remembers.
    pub(crate) async fn new(store: &Store) -> Result<Self, StoreError> {
        let seal = store.seal();
        let decoy = seal.close(&ChargerId::from(""), &store::new_key());
        Ok(Self {
            seal,
            roster: Roster::new(store.admissions().await?, store.logins().await?),
            changed: ChangedKeys::new(store.charger_keys().await?),
            knocks: Knocks::new(store.knocking().await?),
            budgets: Budgets::default(),
            tarpits: Semaphore::new(TARPITS),
            logins_written: Bucket::new(LOGINS_WRITTEN_PER_SECOND, LOGINS_WRITTEN_AT_ONCE),
            lost_unix_ms: store.lost_seal().map(|lost| lost.unix_ms),
            decoy,
        })
    }

    /// Whether this charger may come in. Takes as long for a wrong key as for an unknown identity.
    pub(crate) async fn check(
        &self,
        served: &Served,
        store: &Store,
        charger: &ChargerId,
        peer: &Peer,
        headers: &HeaderMap,
    ) -> Result<(), NotLetIn> {
        let begun = Instant::now();
        let credentials = Credentials::read(headers);
        let looked = self.look(served, store, charger, peer, credentials.as_ref(), begun);
        let Failure { not, is_held_back } = match looked {
            Ok(proof) => return self.let_in(store, charger, peer, &proof).await,
            Err(failure) => failure,
        };
        if let Some(why) = not.why(self.is_known(served, charger)) {
            let locked_out = matches!(not, NotLetIn::LockedOut(_));
            let sent_credentials = credentials.is_some();
            let who = TurnedAway { charger, from: peer.from, sent_credentials, why, locked_out };
            self.knocks.turned_away(store, who, begun);
        }
        if is_held_back {
            self.tarpit(begun).await;
        }
        Err(not)
    }

    fn look(
        &self,
        served: &Served,
        store: &Store,
        charger: &ChargerId,
        peer: &Peer,
        credentials: Option<&Credentials>,
        begun: Instant,
    ) -> Result<Proof, Failure> {
        let Some(terms) = served.terms(charger) else { return Err(NotLetIn::NoRule.into()) };
        // Also where none is asked for: it is never overlooked, whatever else was sent.
        if peer.certificate.as_ref().is_some_and(|certificate| !certificate.names(charger)) {
            return Err(NotLetIn::WrongCertificate.into());
        }
        if peer.certificate.as_ref().is_some_and(|certificate| certificate.is_revoked) {
            return Err(NotLetIn::Revoked.into());
        }
        let is_known = self.is_known(served, charger);
        if terms.profile >= SecurityProfile::TlsWithBasic && !peer.over_tls {
            return Err(NotLetIn::WithoutTls.into());
        }
        let is_home = self.roster.is_at_home(charger, network(peer.from));
        let locked_out = credentials.and_then(|credentials| {
            let wait = self.budgets.locked_out(peer.from, charger, is_home, begun)?;
            Some((wait, is_home && credentials.password.len() >= KEY_NOBODY_GUESSES_BYTES))
        });
        if let Some((wait, false)) = locked_out {
            return Err(NotLetIn::LockedOut(wait).into());
        }
        let not = match self.proof(served, terms, charger, credentials, peer) {
            _ if !is_known && !terms.hides_unknown() => NotLetIn::Unknown,
            _ if !is_known => NotLetIn::Unproved(WhyNot::Unknown),
            Ok(proof) => {
                if let Proof::Key(used, _) = proof {
                    self.used(store, charger, used, &self.given(served, charger));
                }
                return Ok(proof);
            }
            Err(why) => NotLetIn::Unproved(why),
        };
        if credentials.is_none() {
            return Err(not.into());
        }
        self.budgets.failed(peer.from, charger, is_home, begun);
        // Looked at for the sake of the right key alone.
        Err(match locked_out {
            Some((wait, _)) => NotLetIn::LockedOut(wait).into(),
            None => Failure { not, is_held_back: true },
        })
    }

    /// What was sent proves nothing to the backoffice that is shown it. Counts for this address alone: the charger
    /// itself proves nothing here by which it could be told from others.
    pub(crate) fn proves_nothing(
        &self,
        store: &Store,
        charger: &ChargerId,
        from: IpAddr,
        sent_credentials: bool,
        begun: Instant,
    ) {
        self.budgets.failed(from, charger, true, begun);
        let why = WhyNot::RefusedByBackoffice;
        let who = TurnedAway { charger, from, sent_credentials, why, locked_out: false };
        self.knocks.turned_away(store, who, begun);
    }

    /// Holds an answer back. Bounded: a flood of guesses must not fill the room of those who have yet to ask.
    pub(crate) async fn tarpit(&self, begun: Instant) {
        if let Ok(_place) = self.tarpits.try_acquire() {
            sleep_until(begun + TARPIT).await;
        }
    }

    fn proof(
        &self,
        served: &Served,
        terms: &EntranceTerms,
        charger: &ChargerId,
        credentials: Option<&Credentials>,
        peer: &Peer,
    ) -> Result<Proof, WhyNot> {
        if self.roster.is_pinned(charger) && !peer.over_tls {
            return Err(WhyNot::TlsBefore);
        }
        if peer.certificate.is_some() {
            return Ok(Proof::Certificate);
        }
        if terms.profile == SecurityProfile::ClientCertificate {
            return Err(WhyNot::NoCertificate);
        }
        let given = self.given(served, charger);
        // Of a key that it was sent nobody can know whether it has taken it: whoever is asked for none goes on.
        let is_asked =
            !given.is_empty() || self.changed.is_used(charger) || terms.profile >= SecurityProfile::Basic;
        let keys = self.changed.all(charger, &given);
        let Some(credentials) = credentials else {
            return if is_asked { Err(WhyNot::NoPassword) } else { Ok(Proof::NotAsked) };
        };
        // Looked at in any case, so that the time says nothing.
        let compared: Vec<&SealedKey> = match keys.as_slice() {
            [] => vec![&self.decoy],
            keys => keys.iter().map(|(_, key)| key).collect(),
        };
        let matched = self.seal.matches(charger, &credentials.password, &compared);
        let is_its_name = terms.is_user_of(charger, &credentials.user);
        match matched.filter(|_| !keys.is_empty() && is_its_name) {
            Some((at, form)) => Ok(Proof::Key(keys[at].0, form)),
            None if !is_asked => Ok(Proof::NotAsked),
            None if keys.is_empty() => Err(WhyNot::NoKeyHere),
            None if !is_its_name => Err(WhyNot::OtherUser),
            None if self.is_sealed_otherwise(charger) => Err(WhyNot::LostSeal),
            None => Err(WhyNot::WrongKey),
        }
    }

    /// Whether one of its keys was sealed with a secret that is lost.
    fn is_sealed_otherwise(&self, charger: &ChargerId) -> bool {
        self.lost_unix_ms.is_some_and(|lost| {
            self.roster.given_unix_ms(charger).is_some_and(|given| given < lost)
                || self.changed.oldest_unix_ms(charger).is_some_and(|oldest| oldest < lost)
        })
    }

    async fn let_in(
        &self,
        store: &Store,
        charger: &ChargerId,
        peer: &Peer,
        proof: &Proof,
    ) -> Result<(), NotLetIn> {
        let form = match proof {
            // Anybody may say so: whoever proved nothing leaves nothing behind that the charger could fail at.
            Proof::NotAsked => return Ok(()),
            Proof::Certificate => None,
            Proof::Key(_, form) => Some(*form),
        };
        self.budgets.succeeded(peer.from, charger);
        self.knocks.came_in(store, charger, peer.from);
        let over_tls = peer.over_tls || self.roster.is_pinned(charger);
        let login = Login { charger: charger.clone(), form, over_tls, network: Some(network(peer.from)) };
        let former = self.roster.login(charger);
        let is_news = self.roster.logged_in(&login);
        let is_newly_pinned = over_tls && former.as_ref().is_none_or(|former| !former.over_tls);
        // Where only the form or the network is another, it is written the next time.
        let is_urgent = is_newly_pinned || former.is_none();
        if !is_news || !(is_urgent || self.logins_written.take(Instant::now())) {
            return Ok(());
        }
        if former.as_ref().is_none_or(|former| (former.form, former.over_tls) != (form, over_tls)) {
            let form = form.map(KeyForm::label);
            tracing::info!(%charger, form, over_tls, "the charger's way to prove who it is");
        }
        self.roster.written(charger);
        let kept = store.logged_in(login);
        if is_newly_pinned && kept.await.is_err() {
            // Not yet known to be pinned: it is to be tried again.
            self.roster.restore(charger, former);
            return Err(NotLetIn::StoreFailed);
        }
        Ok(())
    }

    /// The keys that it has in `proxy.toml` and by the word of an operator.
    fn given(&self, served: &Served, charger: &ChargerId) -> Vec<SealedKey> {
        served.key(charger).cloned().into_iter().chain(self.roster.key(charger)).collect()
    }

    fn used(&self, store: &Store, charger: &ChargerId, used: Used, given: &[SealedKey]) {
        if self.changed.used(store, charger, used, given) {
            tracing::info!(%charger, "the charger uses the key that its leader has set; earlier ones do not count any more");
        }
    }

    /// Whether the charger is expected at all: by its name, by an operator, or because whoever matches is.
    /// Who has used a key that its leader has set is, also when the line with the former one was taken out of
    /// `proxy.toml`.
    pub(crate) fn is_known(&self, served: &Served, charger: &ChargerId) -> bool {
        served.lets_in(charger).is_some() || self.roster.is_admitted(charger) || self.changed.is_used(charger)
    }

    /// Makes of a key what is kept of it.
    pub(crate) fn seal(&self, charger: &ChargerId, key: &str) -> SealedKey {
        self.seal.close(charger, key)
    }

    /// Takes in what an operator ordered, which is durable already.
    pub(crate) fn ordered(&self, store: &Store, order: &store::AdmissionOrder) {
        self.roster.ordered(order);
        // What a backoffice has set for its link has nothing to do with the charger's own way in.
        if !matches!(order.what, AdmissionWhat::ForgetKeys(Some(_))) {
            self.knocks.forget(&order.charger);
        }
        if matches!(
            order.what,
            AdmissionWhat::Admit(_) | AdmissionWhat::Remove | AdmissionWhat::ForgetKeys(None)
        ) {
            self.changed.forget(store, &order.charger);
        }
        // What it failed at before says nothing of the key that it has from now on.
        self.budgets.forgive(&order.charger);
    }

    /// Chargers that knock and are not known, the last first.
    pub(crate) fn knocking(&self, served: &Served) -> Vec<Knocking> {
        let mut all = self.knocks.all();
        // Whoever has been named in `proxy.toml` since does not knock any more.
        all.retain(|one| !self.is_known(served, &one.charger));
        all
    }

    /// Chargers that are known and were turned away, the last first.
    pub(crate) fn turned_away(&self, served: &Served) -> Vec<Knocking> {
        let mut all = self.knocks.all();
        all.retain(|one| self.is_turned_away(served, one));
        all
    }

    /// Why a charger that is known was turned away, if it was.
    pub(crate) fn why_turned_away(&self, served: &Served, charger: &ChargerId) -> Option<Knocking> {
        self.knocks.of(charger).filter(|one| self.is_turned_away(served, one))
    }

    fn is_turned_away(&self, served: &Served, one: &Knocking) -> bool {
        one.is_of_known() && self.is_known(served, &one.charger)
    }
}
