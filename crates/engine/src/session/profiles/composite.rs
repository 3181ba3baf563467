//! Limits that are put together: everybody's profiles are held here, and the charger has the lowest of them
//! (semantics §6.4, `composite`). What backoffices ask for; how the charger gets it stands in `installing.rs`.

use super::UNKNOWN;
use super::held::{Awaits, Held, Slot};
use crate::session::Session;
use crate::session::command_queue::{Command, Consequence};
use crate::session::intents::in_ms;
use crate::session::owned::Family;
use crate::session::translations::{ACCEPTED, Admission, REJECTED, Sending, local};
use crate::{
    BackofficeId, Fact, ProfilePurpose, Profiles, Side, Supply, Text, TraceId, TransactionRow,
    TransactionState,
};
use crate::{limits, payload};

/// What time makes of a profile that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Ends,
    /// The transaction that it awaited has begun, on this connector.
    Begins(TraceId, i64),
}

impl Session {
    pub(super) fn is_composite(&self) -> bool {
        self.supply().is_some()
    }

    /// How the charger is fed, where limits are put together.
    pub(super) fn supply(&self) -> Option<Supply> {
        match self.plan.sharing.profiles {
            Profiles::Composite(supply) => Some(supply),
            _ => None,
        }
    }

    /// A profile is held as soon as the charger has accepted what it makes of all limits.
    pub(super) fn set_composite(&mut self, id: &BackofficeId, request: &Text, profile: &str) -> Admission {
        let connector_id = payload::integer(request, "connectorId").unwrap_or(0);
        let mut held = match self.read_held(id, connector_id, profile) {
            Ok(held) => held,
            Err(rejected) => return rejected,
        };
        let purpose = held.profile.purpose;
        if (purpose == ProfilePurpose::ChargePointMax && connector_id != 0)
            || (purpose == ProfilePurpose::Tx && connector_id == 0)
        {
            return self
                .unfit(id, &format!("a {} has no place on connector {connector_id}", purpose.label()));
        }
        if purpose == ProfilePurpose::Tx {
            held.kept.transaction =
                match payload::field(profile, "transactionId").filter(|token| *token != "null") {
                    Some(_) => match self.transaction_meant(id, profile) {
                        Ok(trace) => Some(trace),
                        Err(rejected) => return rejected,
                    },
                    None => match self.running_on(connector_id) {
                        Some(row) => Some(row.trace),
                        None => return local(REJECTED, "T-47"),
                    },
                };
        }
        let slot = Slot { connector_id, purpose };
        Admission::Send(Sending {
            // What stands in it is worked out when it is sent.
            steps: [request.clone()].into(),
            transaction: held.kept.transaction,
            consequences: vec![Consequence::Holds(Box::new(held)), Consequence::installs(slot)],
            flags: vec!["composite"],
        })
    }

    /// A remote start is sent without its profile, which is held for the transaction that is to begin
    /// (semantics K-26).
    pub(super) fn start_composite(&mut self, id: &BackofficeId, request: &Text, profile: &str) -> Admission {
        let connector_id = payload::integer(request, "connectorId").unwrap_or(0);
        let mut held = match self.read_held(id, connector_id, profile) {
            Ok(held) => held,
            Err(rejected) => return rejected,
        };
        if held.profile.purpose != ProfilePurpose::Tx {
            return self.unfit(id, "a remote start brings a TxProfile or none");
        }
        held.kept.awaits = Some(Awaits {
            id_tag: payload::text(request, "idTag").unwrap_or_default().into_owned(),
            since_unix_ms: self.now.unix_ms,
            until_unix_ms: self.now.unix_ms + in_ms(self.connection_timeout() + limits::INTENT_HOLDS),
        });
        Admission::Send(Sending {
            steps: [payload::without(request, request, "chargingProfile").into()].into(),
            consequences: vec![Consequence::Holds(Box::new(held))],
            flags: vec!["composite"],
            ..Sending::default()
        })
    }

    fn read_held(&mut self, id: &BackofficeId, connector_id: i64, profile: &str) -> Result<Held, Admission> {
        let held = match Held::read(id, connector_id, profile) {
            Ok(held) => held,
            Err(why) => return Err(self.unfit(id, &why.to_string())),
        };
        let slot = Slot { connector_id, purpose: held.profile.purpose };
        let others =
            self.composites.held.iter().filter(|other| other.kept.owner == *id && !held.replaces(other));
        if others.count() >= limits::HELD_PROFILES {
            return Err(self.unfit(id, "this backoffice has too many already"));
        }
        if held.is_too_long() || !slot.exists() {
            return Err(self.unfit(id, "it is too long, or its connector too high"));
        }
        Ok(held)
    }

    fn unfit(&mut self, id: &BackofficeId, why: &str) -> Admission {
        self.alert(
            "unfit_profile",
            format!("a charging profile of {id} cannot be put together with others: {why}"),
        );
        local(REJECTED, "profiles composite")
    }

    /// The sender's own profiles end at once; what the charger has to be told follows (semantics K-24).
    pub(super) fn clear_composite(&mut self, id: &BackofficeId, request: &Text) -> Admission {
        let number = payload::integer(request, "id");
        let clears_all = self.leads(id) && self.plan.sharing.leader_clears_all && number.is_none();
        let is_cleared = |held: &Held| (clears_all || held.kept.owner == *id) && held.is_named_by(request);
        if self.composites.held.iter().any(is_cleared) {
            let kept = self.composites.held.iter().filter(|held| !is_cleared(held)).cloned().collect();
            self.change_held(kept, None);
            return local(ACCEPTED, "composite");
        }
        match number {
            // It may be from before the proxy was there, and then it is the leader's (semantics M-3).
            Some(number)
                if self.leads(id)
                    && self.owned.owner(Family::Profile, number).is_none()
                    && !limits::COMPOSITE_IDS.contains(&number) =>
            {
                Sending::one(request.clone(), None)
            }
            _ => local(UNKNOWN, "K-24"),
        }
    }

    /// The charger has done what a command asked for, and with it what a profile brings about.
    pub(in crate::session) fn hold(&mut self, command: &Command, held: Held) {
        // Its sender was told that it came to nothing (semantics F-33).
        if !command.is_replied {
            // Its own slot the charger has just been told about; what awaits its transaction has none yet.
            let told = held
                .kept
                .awaits
                .is_none()
                .then_some(Slot { connector_id: held.kept.connector_id, purpose: held.profile.purpose });
            self.change_held(self.composites.with(&held), told);
        }
    }

    /// From now on these are held. All slots that this changes are stale, but for one that the charger has
    /// already been told about.
    pub(super) fn change_held(&mut self, after: Vec<Held>, told: Option<Slot>) {
        let before = std::mem::replace(&mut self.composites.held, after);
        let after = &self.composites.held;
        let new: Vec<&Held> = after.iter().filter(|held| !before.contains(held)).collect();
        let ended: Vec<&Held> = before.iter().filter(|held| !after.contains(held)).collect();
        let owners = new.iter().chain(&ended).map(|held| Side::Backoffice(held.kept.owner.clone()));
        let owners: Vec<Side> = owners.collect();
        let mut facts: Vec<Fact> = new.iter().map(|held| held.fact(true)).collect();
        let gone = ended.iter().map(|held| held.fact(false));
        let gone: Vec<Fact> = gone.filter(|fact| facts.iter().all(|other| other.key != fact.key)).collect();
        facts.extend(gone);

        let mut slots: Vec<Slot> = self.composites.slots.keys().copied().collect();
        slots.extend(self.slots_of(&self.composites.held));
        slots.sort_unstable();
        slots.dedup();
        slots.retain(|slot| {
            Some(*slot) != told && self.wanted(&before, *slot) != self.wanted(&self.composites.held, *slot)
        });
        for slot in slots {
            self.composites.slots.entry(slot).or_default().is_stale_now();
        }
        self.promise_facts(facts, owners);
    }

    /// Lets go of what has ended, and gives what came with a remote start to the transaction that has begun.
    pub(super) fn sort_out_held(&mut self) {
        if self.composites.held.is_empty() {
            return;
        }
        if !self.is_composite() {
            self.change_held(Vec::new(), None);
            let detail =
                "limits are no longer put together here: everybody's charging profiles have to be set anew";
            return self.alert("profiles_forgotten", detail);
        }
        let fates: Vec<Fate> = self.composites.held.iter().map(|held| self.fate(held)).collect();
        if fates.iter().all(|fate| *fate == Fate::Stays) {
            return;
        }
        let held = self.composites.held.iter().cloned().zip(fates);
        let after = held.filter_map(|(mut held, fate)| match fate {
            Fate::Stays => Some(held),
            Fate::Ends => None,
            Fate::Begins(trace, connector_id) => {
                held.kept.awaits = None;
                held.kept.connector_id = connector_id;
                held.kept.transaction = Some(trace);
                Some(held)
            }
        });
        self.change_held(after.collect(), None);
    }

    fn fate(&self, held: &Held) -> Fate {
        let kept = &held.kept;
        let is_running = |trace: TraceId| {
            self.transactions.get(trace).is_some_and(|row| row.state != TransactionState::Closed)
        };
        let is_gone = !(self.plan.names(&kept.owner) || self.leads(&kept.owner));
        if is_gone || kept.transaction.is_some_and(|trace| !is_running(trace)) {
            return Fate::Ends;
        }
        let Some(awaits) = &kept.awaits else { return Fate::Stays };
        let begun = self.running().find(|row| {
            row.received_unix_ms >= awaits.since_unix_ms
                && row.id_tag.eq_ignore_ascii_case(&awaits.id_tag)
                && (kept.connector_id == 0 || kept.connector_id == row.connector_id)
        });
        match begun {
            Some(row) => Fate::Begins(row.trace, row.connector_id),
            None if awaits.until_unix_ms > self.now.unix_ms => Fate::Stays,
            None => Fate::Ends,
        }
    }

    /// Transactions that the charger has a number for and has not stopped.
    pub(super) fn running(&self) -> impl Iterator<Item = &TransactionRow> {
        self.transactions.running().filter(|row| {
            row.state == TransactionState::Open && row.charger_number.is_some() && !row.superseded
        })
    }

    pub(super) fn running_on(&self, connector_id: i64) -> Option<&TransactionRow> {
        self.running().find(|row| row.connector_id == connector_id)
    }
}
