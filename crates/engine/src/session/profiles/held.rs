//! What the proxy holds where limits are put together: everybody's profiles, and what is known of its own ones at
//! the charger (semantics §6.4, `composite`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schedule::{Invalid, Profile};
use crate::{BackofficeId, Fact, ProfilePurpose, Supply, Tick, TraceId, limits, payload};

/// One backoffice's profile.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::session) struct Held {
    pub(super) kept: Kept,
    pub(super) profile: Profile,
}

/// What of it survives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) owner: BackofficeId,
    pub(super) connector_id: i64,
    /// Of a TxProfile: it ends with it (semantics K-25).
    pub(super) transaction: Option<TraceId>,
    /// It came with a remote start whose transaction has not begun.
    pub(super) awaits: Option<Awaits>,
    /// As it was sent.
    json: String,
}

/// A transaction that is to begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Awaits {
    pub(super) id_tag: String,
    /// UTC, milliseconds since 1970.
    pub(super) since_unix_ms: i64,
    /// UTC, milliseconds since 1970.
    pub(super) until_unix_ms: i64,
}

impl Held {
    pub(in crate::session) const FACT: &'static str = "profile/";

    pub(super) fn read(owner: &BackofficeId, connector_id: i64, json: &str) -> Result<Self, Invalid> {
        let kept = Kept {
            owner: owner.clone(),
            connector_id,
            transaction: None,
            awaits: None,
            json: json.to_owned(),
        };
        Self::of(kept)
    }

    fn of(kept: Kept) -> Result<Self, Invalid> {
        let mut profile = Profile::read(&kept.json)?;
        // Its owner's number for it; the transaction itself is in `kept`.
        profile.transaction_id = None;
        Ok(Self { kept, profile })
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.kept.json.len() > limits::HELD_PROFILE_BYTES
    }

    /// Whether it takes the other's place (semantics K-20, K-22).
    pub(super) fn replaces(&self, other: &Held) -> bool {
        let place = |held: &Held| {
            let Kept { connector_id, transaction, awaits, .. } = &held.kept;
            (*connector_id, *transaction, awaits.is_some(), held.profile.purpose, held.profile.stack_level)
        };
        self.kept.owner == other.kept.owner
            && (self.profile.id == other.profile.id || place(self) == place(other))
    }

    /// Whether a ClearChargingProfile names it (OCPP 1.6 §5.6).
    pub(super) fn is_named_by(&self, request: &str) -> bool {
        if let Some(id) = payload::integer(request, "id") {
            return id == self.profile.id;
        }
        let purpose = payload::text(request, "chargingProfilePurpose");
        payload::integer(request, "connectorId").is_none_or(|connector| connector == self.kept.connector_id)
            && purpose.is_none_or(|purpose| purpose == self.profile.purpose.label())
            && payload::integer(request, "stackLevel").is_none_or(|level| level == self.profile.stack_level)
    }

    pub(super) fn fact(&self, is_kept: bool) -> Fact {
        let body = is_kept.then(|| serde_json::to_string(&self.kept).expect("plain data is always JSON"));
        Fact { key: format!("{}{}/{}", Self::FACT, self.kept.owner, self.profile.id), body }
    }
}

/// A place on the charger for one of the proxy's own profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::session) struct Slot {
    pub(super) connector_id: i64,
    pub(super) purpose: ProfilePurpose,
}

impl Slot {
    pub(in crate::session) const FACT: &'static str = "composite/";

    const PURPOSES: i64 = ProfilePurpose::ALL.len() as i64;

    /// Whether there is a number for it.
    pub(super) fn exists(self) -> bool {
        self.connector_id >= 0 && limits::COMPOSITE_IDS.contains(&self.number())
    }

    /// `chargingProfileId` of what is there.
    pub(super) fn number(self) -> i64 {
        let at = ProfilePurpose::ALL.iter().position(|purpose| *purpose == self.purpose).unwrap_or(0);
        self.connector_id
            .saturating_mul(Self::PURPOSES)
            .saturating_add(limits::COMPOSITE_IDS.start() + at as i64)
    }

    fn of_number(number: i64) -> Option<Self> {
        let offset =
            Some(number).filter(|n| limits::COMPOSITE_IDS.contains(n))? - limits::COMPOSITE_IDS.start();
        let purpose = ProfilePurpose::ALL[(offset % Self::PURPOSES) as usize];
        Some(Self { connector_id: offset / Self::PURPOSES, purpose })
    }

    pub(super) fn fact(self, is_kept: bool) -> Fact {
        Fact { key: format!("{}{}", Self::FACT, self.number()), body: is_kept.then(|| "{}".to_owned()) }
    }
}

/// What is known of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// The charger has a profile there, as far as is known.
    pub(super) is_there: bool,
    /// What it has, or has not, may be another than what it should have.
    pub(super) is_stale: bool,
    /// Counts what made it stale, so that an answer to something older does not hide something newer.
    pub(super) changes: u64,
    /// When what is there has to be written anew; UTC, seconds since 1970.
    pub(super) renew_unix_s: Option<i64>,
    /// Not sent again before then.
    pub(super) retry_at: Option<Tick>,
    /// The transaction that it is for.
    pub(super) transaction: Option<TraceId>,
}

impl Standing {
    pub(super) fn is_stale_now(&mut self) {
        self.is_stale = true;
        self.changes += 1;
        self.retry_at = None;
    }
}

/// On what the proxy's own profiles rest, besides everybody's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// When the charger arrived, and was accepted.
    pub(super) arrived: Tick,
    pub(super) accepted: Option<Tick>,
    /// By what amperes become watts; none where limits are not put together.
    pub(super) supply: Option<Supply>,
}

/// All of it, for one charger.
#[derive(Debug, Default)]
pub(in crate::session) struct Composites {
    pub(super) held: Vec<Held>,
    pub(super) slots: BTreeMap<Slot, Standing>,
    /// How things stood when the charger's profiles were looked at last.
    pub(super) seen: Option<Seen>,
    /// What is left over from other modes is not cleared again before then.
    pub(super) leftovers_at: Option<Tick>,
}

impl Composites {
    pub(in crate::session) fn remember_held(&mut self, body: &str) {
        self.held.extend(serde_json::from_str(body).ok().and_then(|kept| Held::of(kept).ok()));
    }

    pub(in crate::session) fn remember_slot(&mut self, number: &str) {
        if let Some(slot) = number.parse().ok().and_then(Slot::of_number) {
            // What was about to be changed when that session ended is not known.
            self.slots.insert(slot, Standing { is_there: true, is_stale: true, ..Standing::default() });
        }
    }

    /// The profiles with this one among them.
    pub(super) fn with(&self, new: &Held) -> Vec<Held> {
        let others = self.held.iter().filter(|other| !new.replaces(other)).cloned();
        others.chain([new.clone()]).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_has_a_number_of_its_own() {
        let slots: Vec<Slot> = (0..=332)
            .flat_map(|connector_id| ProfilePurpose::ALL.map(|purpose| Slot { connector_id, purpose }))
            .collect();
        assert_eq!(slots.len(), 999);
        for slot in &slots {
            assert!(slot.exists());
            assert_eq!(Slot::of_number(slot.number()), Some(*slot));
        }
        for connector_id in [-1, 333, i64::MAX] {
            assert!(!Slot { connector_id, purpose: ProfilePurpose::Tx }.exists(), "{connector_id}");
        }
        assert_eq!(Slot::of_number(1_500_000_000), None);
    }
}
