//! Chargers that operators have admitted, and how each proved last who it is.

use std::net::IpAddr;

use dashmap::DashMap;
use engine::ChargerId;
use store::{Admission, AdmissionOrder, AdmissionWhat, Login, SealedKey};

use crate::clock::unix_ms;
use crate::fleet::folded;

/// Both by the identity in small letters. Only operators make it grow, and chargers that proved who they are.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    admissions: DashMap<String, Admission>,
    logins: DashMap<String, Known>,
}

/// How a charger proved last who it is.
#[derive(Debug, Clone)]
struct Known {
    login: Login,
    /// The store was told.
    is_written: bool,
}

impl Roster {
    pub(super) fn new(admissions: Vec<Admission>, logins: Vec<Login>) -> Self {
        let keyed = admissions.into_iter().map(|one| (folded(&one.charger), one));
        Self {
            admissions: keyed.collect(),
            logins: logins
                .into_iter()
                .map(|login| (folded(&login.charger), Known { login, is_written: true }))
                .collect(),
        }
    }

    pub(super) fn is_admitted(&self, charger: &ChargerId) -> bool {
        self.admissions.contains_key(&folded(charger))
    }

    /// The key that an operator gave it.
    pub(super) fn key(&self, charger: &ChargerId) -> Option<SealedKey> {
        self.admissions.get(&folded(charger))?.key.clone()
    }

    /// When that was.
    pub(super) fn given_unix_ms(&self, charger: &ChargerId) -> Option<i64> {
        let admission = self.admissions.get(&folded(charger))?;
        admission.key.as_ref().map(|_| admission.unix_ms)
    }

    /// Whether it came with TLS before, and is not accepted without (semantics S-2).
    pub(super) fn is_pinned(&self, charger: &ChargerId) -> bool {
        self.logins.get(&folded(charger)).is_some_and(|known| known.login.over_tls)
    }

    /// Whether it last proved who it is from this network.
    pub(super) fn is_at_home(&self, charger: &ChargerId, network: IpAddr) -> bool {
        self.logins.get(&folded(charger)).is_some_and(|known| known.login.network == Some(network))
    }

    /// True when the store has yet to be told; [`Roster::written`] says that it was.
    pub(super) fn logged_in(&self, login: &Login) -> bool {
        let mut known = self
            .logins
            .entry(folded(&login.charger))
            .or_insert_with(|| Known { login: login.clone(), is_written: false });
        let Known { login: former, is_written } = known.value_mut();
        *is_written &=
            (former.form, former.over_tls, former.network) == (login.form, login.over_tls, login.network);
        *former = login.clone();
        !*is_written
    }

    pub(super) fn written(&self, charger: &ChargerId) {
        if let Some(mut known) = self.logins.get_mut(&folded(charger)) {
            known.is_written = true;
        }
    }

    /// As if it had not come since.
    pub(super) fn restore(&self, charger: &ChargerId, former: Option<Login>) {
        match former {
            Some(login) => {
                self.logins.insert(folded(charger), Known { login, is_written: false });
            }
            None => {
                self.logins.remove(&folded(charger));
            }
        }
    }

    pub(super) fn ordered(&self, order: &AdmissionOrder) {
        let AdmissionOrder { charger, what, by } = order;
        match what {
            AdmissionWhat::Admit(key) => {
                let (charger, key, by) = (charger.clone(), key.clone(), by.clone());
                let admission = Admission { charger: charger.clone(), key, by, unix_ms: unix_ms() };
                self.admissions.insert(folded(&charger), admission);
            }
            AdmissionWhat::Remove => {
                self.admissions.remove(&folded(charger));
                self.restore(charger, None);
            }
            AdmissionWhat::AllowPlain => {
                if let Some(mut known) = self.logins.get_mut(&folded(charger)) {
                    known.login.over_tls = false;
                }
            }
            AdmissionWhat::Forget | AdmissionWhat::ForgetKeys(_) => {}
        }
    }

    /// Every charger that an operator has admitted, in alphabetical order.
    pub(crate) fn admissions(&self) -> Vec<Admission> {
        let mut all: Vec<Admission> = self.admissions.iter().map(|one| one.clone()).collect();
        all.sort_by_key(|one| folded(&one.charger));
        all
    }

    /// How everybody proved last who it is, in no order.
    pub(crate) fn logins(&self) -> Vec<Login> {
        self.logins.iter().map(|known| known.login.clone()).collect()
    }

    /// How a charger proved last who it is.
    pub(crate) fn login(&self, charger: &ChargerId) -> Option<Login> {
        self.logins.get(&folded(charger)).map(|known| known.login.clone())
    }
}
