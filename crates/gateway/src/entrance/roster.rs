//! Chargers that operators have admitted, and how each proved last who it is.

use dashmap::DashMap;
use engine::ChargerId;
use store::{Admission, AdmissionOrder, AdmissionWhat, Login, SealedKey};

use crate::clock::unix_ms;
use crate::fleet::folded;

/// Both by the identity in small letters. Only operators make it grow, and chargers that proved who they are.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    admissions: DashMap<String, Admission>,
    logins: DashMap<String, Login>,
}

impl Roster {
    pub(super) fn new(admissions: Vec<Admission>, logins: Vec<Login>) -> Self {
        let keyed = admissions.into_iter().map(|one| (folded(&one.charger), one));
        Self {
            admissions: keyed.collect(),
            logins: logins.into_iter().map(|one| (folded(&one.charger), one)).collect(),
        }
    }

    pub(super) fn is_admitted(&self, charger: &ChargerId) -> bool {
        self.admissions.contains_key(&folded(charger))
    }

    /// The key that an operator gave it.
    pub(super) fn key(&self, charger: &ChargerId) -> Option<SealedKey> {
        self.admissions.get(&folded(charger))?.key.clone()
    }

    /// Whether it came with TLS before, and is not accepted without (semantics S-2).
    pub(super) fn is_pinned(&self, charger: &ChargerId) -> bool {
        self.logins.get(&folded(charger)).is_some_and(|login| login.over_tls)
    }

    /// True when this is something else than what was known.
    pub(super) fn logged_in(&self, login: &Login) -> bool {
        let former = self.logins.insert(folded(&login.charger), login.clone());
        former.is_none_or(|former| (former.form, former.over_tls) != (login.form, login.over_tls))
    }

    pub(super) fn log_out(&self, charger: &ChargerId) {
        self.logins.remove(&folded(charger));
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
                self.log_out(charger);
            }
            AdmissionWhat::AllowPlain => {
                if let Some(mut login) = self.logins.get_mut(&folded(charger)) {
                    login.over_tls = false;
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
        self.logins.iter().map(|one| one.clone()).collect()
    }

    /// How a charger proved last who it is.
    pub(crate) fn login(&self, charger: &ChargerId) -> Option<Login> {
        self.logins.get(&folded(charger)).map(|login| login.clone())
    }
}
