//! What an operator sees of the entrance and does there: who knocks, who is admitted, and with which key.

use std::collections::BTreeMap;

use engine::ChargerId;
use store::{Admission, AdmissionOrder, AdmissionWhat, Knocking, Login};

use super::View;
use crate::entrance::SecurityProfile;
use crate::fleet::folded;
use crate::identity::acceptable;

/// Who is at the entrance.
#[derive(Debug, Clone)]
pub struct EntranceView {
    /// Chargers that knock and are not admitted, the last first.
    pub knocking: Vec<Knocking>,
    /// Chargers that are expected and failed to prove who they are, the last first.
    pub turned_away: Vec<Knocking>,
    /// Chargers that operators have admitted, in alphabetical order; each with how it proved last who it is.
    pub admitted: Vec<(Admission, Option<Login>)>,
}

/// A charger that an operator has admitted, or that has proved who it is.
#[derive(Debug, Clone)]
pub struct KnownCharger {
    /// Which.
    pub charger: ChargerId,
    /// The operator's word; `None` for one that `proxy.toml` lets in.
    pub admission: Option<Admission>,
    /// How it proved last who it is; `None` when it has not come yet, or was asked for nothing.
    pub login: Option<Login>,
}

/// On what terms the rule of a charger lets it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsView {
    /// The `match` of the rule.
    pub rule: String,
    /// The least that it must do to prove who it is.
    pub profile: SecurityProfile,
    /// The user name that goes with its key.
    pub user: String,
}

/// Why somebody cannot be admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// It is no identity of a charger.
    #[error("{0:?} is no charger's identity: {1}")]
    NoIdentity(String, &'static str),
    /// No rule matches.
    #[error("no rule in proxy.toml matches the charger {0}: nobody would serve it")]
    NoRule(ChargerId),
    /// The rule asks for a key.
    #[error("the rule of {0} asks for a key (security_profile in proxy.toml): admit it with one")]
    NeedsKey(ChargerId),
    /// It cannot be kept.
    #[error("it cannot be stored: {0}")]
    Store(String),
}

/// The identity of a charger as an operator writes it.
///
/// # Errors
/// When no charger can have it.
pub fn new_charger(written: &str) -> Result<ChargerId, AdmitError> {
    let name = written.trim();
    match acceptable(name) {
        Ok(()) => Ok(ChargerId::from(name)),
        Err(why) => Err(AdmitError::NoIdentity(written.chars().take(100).collect(), why)),
    }
}

impl View {
    /// Who is at the entrance.
    pub fn entrance(&self) -> EntranceView {
        let entrance = &self.shared.entrance;
        let admitted = entrance.roster.admissions().into_iter().map(|admission| {
            let login = entrance.roster.login(&admission.charger);
            (admission, login)
        });
        let served = self.shared.served.load();
        let (knocking, turned_away) = (entrance.knocking(&served), entrance.turned_away(&served));
        EntranceView { knocking, turned_away, admitted: admitted.collect() }
    }

    /// Why a charger that is expected was turned away, if that happened since it last proved who it is.
    pub fn turned_away(&self, charger: &ChargerId) -> Option<Knocking> {
        self.shared.entrance.why_turned_away(&self.shared.served.load(), charger)
    }

    /// How a charger that is not let in knocks, if it does.
    pub fn knocks(&self, charger: &ChargerId) -> Option<Knocking> {
        let name = folded(charger);
        let all = self.shared.entrance.knocking(&self.shared.served.load());
        all.into_iter().find(|one| folded(&one.charger) == name)
    }

    /// How many chargers knock.
    pub fn knocking(&self) -> usize {
        self.shared.entrance.knocking(&self.shared.served.load()).len()
    }

    /// Whoever is admitted or has proved who it is, in alphabetical order.
    pub fn known_chargers(&self) -> Vec<KnownCharger> {
        let roster = &self.shared.entrance.roster;
        let mut known: BTreeMap<String, KnownCharger> = BTreeMap::new();
        for login in roster.logins() {
            let charger = login.charger.clone();
            known.insert(folded(&charger), KnownCharger { charger, admission: None, login: Some(login) });
        }
        for admission in roster.admissions() {
            let charger = admission.charger.clone();
            let one = known.entry(folded(&charger));
            one.or_insert(KnownCharger { charger, admission: None, login: None }).admission = Some(admission);
        }
        known.into_values().collect()
    }

    /// On what terms a charger would be let in; `None` when no rule matches it.
    pub fn terms(&self, charger: &ChargerId) -> Option<TermsView> {
        let served = self.shared.served.load();
        let terms = served.terms(charger)?;
        Some(TermsView {
            rule: served.rule_text(charger)?.to_owned(),
            profile: terms.profile,
            user: terms.user_of(charger),
        })
    }

    /// Lets a charger in from now on: with this key or, without one, unproved. Durable before this resolves.
    ///
    /// # Errors
    /// When no rule serves it, its rule asks for a key and there is none, or it cannot be kept.
    pub async fn admit(&self, charger: &ChargerId, key: Option<&str>, by: &str) -> Result<(), AdmitError> {
        let profile = {
            let served = self.shared.served.load();
            served.terms(charger).ok_or_else(|| AdmitError::NoRule(charger.clone()))?.profile
        };
        let asks = matches!(profile, SecurityProfile::Basic | SecurityProfile::TlsWithBasic);
        if asks && key.is_none() {
            return Err(AdmitError::NeedsKey(charger.clone()));
        }
        let key = key.map(|key| self.shared.entrance.seal(charger, key));
        self.order(charger, AdmissionWhat::Admit(key), by).await
    }

    /// Lets a charger in no more, unless `proxy.toml` does. If it is connected it is sent away.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn remove(&self, charger: &ChargerId, by: &str) -> Result<(), AdmitError> {
        self.order(charger, AdmissionWhat::Remove, by).await
    }

    /// Lets a charger come without TLS once more although it came with TLS before.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn allow_plain(&self, charger: &ChargerId, by: &str) -> Result<(), AdmitError> {
        self.order(charger, AdmissionWhat::AllowPlain, by).await
    }

    /// Takes a charger off those that knock.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn forget_knocks(&self, charger: &ChargerId, by: &str) -> Result<(), AdmitError> {
        self.order(charger, AdmissionWhat::Forget, by).await
    }

    async fn order(&self, charger: &ChargerId, what: AdmissionWhat, by: &str) -> Result<(), AdmitError> {
        let order = AdmissionOrder { charger: charger.clone(), what, by: by.to_owned() };
        let kept = self.shared.store.admit(order.clone()).await;
        kept.map_err(|error| AdmitError::Store(error.to_string()))?;
        self.shared.admission_ordered(&order);
        Ok(())
    }
}
