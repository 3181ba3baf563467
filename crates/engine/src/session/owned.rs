//! Numbers that a backoffice chose for something that lives on the charger: reservations, charging
//! profiles, requests. Each is unique on the charger, and each backoffice sees its own
//! (semantics §3.6).

use serde::{Deserialize, Serialize};

use crate::{BackofficeId, Fact, TraceId, limits};

/// What a number names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Family {
    /// `reservationId` of ReserveNow.
    Reservation,
    /// `chargingProfileId`.
    Profile,
    /// `requestId` of GetLog and SignedUpdateFirmware.
    Request,
}

impl Family {
    fn label(self) -> &'static str {
        match self {
            Family::Reservation => "reservation",
            Family::Profile => "profile",
            Family::Request => "request",
        }
    }
}

/// One number with its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owned {
    pub(super) family: Family,
    /// What the charger calls it.
    pub(super) on_charger: i64,
    pub(super) owner: BackofficeId,
    /// What its owner calls it.
    pub(super) at_owner: i64,
    /// For profiles: connector, purpose and stack level, by which profiles can be cleared.
    pub(super) profile: Option<ProfileKey>,
    /// For profiles: the stack level that its owner gave it, where that is another (semantics §6.4).
    #[serde(default)]
    pub(super) own_level: Option<i64>,
    /// For profiles of one transaction: it ends with it (semantics K-25).
    pub(super) transaction: Option<TraceId>,
    /// When it is forgotten; UTC, milliseconds since 1970.
    pub(super) until_unix_ms: Option<i64>,
}

/// What a charging profile can be found by besides its number (OCPP 1.6 §5.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProfileKey {
    pub(super) connector_id: i64,
    pub(super) purpose: String,
    pub(super) stack_level: i64,
}

/// All such numbers of one charger.
#[derive(Debug, Default)]
pub(super) struct OwnedIds {
    all: Vec<Owned>,
}

impl OwnedIds {
    pub(super) const FACT: &'static str = "owned/";

    pub(super) fn remember(&mut self, owned: Owned) {
        self.all.push(owned);
    }

    /// What the backoffice's number is called on the charger, if it is known.
    pub(super) fn on_charger(&self, family: Family, owner: &BackofficeId, at_owner: i64) -> Option<i64> {
        self.all
            .iter()
            .find(|o| o.family == family && o.owner == *owner && o.at_owner == at_owner)
            .map(|o| o.on_charger)
    }

    /// Whose the charger's number is.
    pub(super) fn owner(&self, family: Family, on_charger: i64) -> Option<&Owned> {
        self.all.iter().find(|o| o.family == family && o.on_charger == on_charger)
    }

    /// A number for the charger: the one this owner's number already has, else the leader's own
    /// where it is free, else one from the proxy's band (semantics M-1, M-2).
    pub(super) fn choose(&self, family: Family, owner: &BackofficeId, at_owner: i64, leads: bool) -> i64 {
        if let Some(known) = self.on_charger(family, owner, at_owner) {
            return known;
        }
        let is_free = |number: i64| self.owner(family, number).is_none();
        let fits = (1..=limits::LARGEST_TRANSACTION_NUMBER).contains(&at_owner)
            && !limits::OWN_IDS.contains(&at_owner);
        if leads && fits && is_free(at_owner) {
            return at_owner;
        }
        let highest = self.all.iter().filter(|o| o.family == family).map(|o| o.on_charger);
        let next =
            highest.filter(|n| limits::OWN_IDS.contains(n)).max().map_or(*limits::OWN_IDS.start(), |n| n + 1);
        if limits::OWN_IDS.contains(&next) {
            return next;
        }
        limits::OWN_IDS.clone().find(|number| is_free(*number)).unwrap_or(at_owner)
    }

    /// Takes a number into custody, replacing what stood under it. Returns what to keep.
    pub(super) fn take(&mut self, owned: Owned) -> Vec<Fact> {
        let mut facts = vec![Self::fact(&owned, true)];
        self.all.retain(|o| !(o.family == owned.family && o.on_charger == owned.on_charger));
        let of_family = self.all.iter().filter(|o| o.family == owned.family).count();
        if of_family >= limits::OWNED_IDS
            && let Some(oldest) = self.all.iter().position(|o| o.family == owned.family)
        {
            facts.push(Self::fact(&self.all.remove(oldest), false));
        }
        self.all.push(owned);
        facts
    }

    /// Gives up those that `ended` names. Returns what to forget.
    pub(super) fn release(&mut self, mut ended: impl FnMut(&Owned) -> bool) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.all.retain(|owned| {
            let keep = !ended(owned);
            if !keep {
                facts.push(Self::fact(owned, false));
            }
            keep
        });
        facts
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Owned> {
        self.all.iter()
    }

    fn fact(owned: &Owned, kept: bool) -> Fact {
        let body = kept.then(|| serde_json::to_string(owned).expect("plain data is always JSON"));
        Fact { key: format!("{}{}/{}", Self::FACT, owned.family.label(), owned.on_charger), body }
    }
}
