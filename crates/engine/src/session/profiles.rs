//! Charging profiles of several backoffices on one charger: whose may be there, in which place, and who clears
//! which (semantics §6.4).

mod composite;
mod held;
mod installing;
mod wanted;

use std::ops::RangeInclusive;

use crate::actions::Action;
use crate::session::Session;
use crate::session::command_queue::{Command, Consequence};
use crate::session::owned::{Family, Owned, ProfileKey};
use crate::session::permissions::{Refused, Refuses};
use crate::session::translations::{Admission, REJECTED, Sending, local, with_number};
use crate::session::turns::Turn;
use crate::{BackofficeId, ProfilePurpose, Profiles, Text, TraceId, payload};

pub(super) use held::{Composites, Held, Slot};
pub(super) use installing::Installation;

/// No profile of that number or kind is its own (OCPP 1.6 §7.23).
const UNKNOWN: &str = r#"{"status":"Unknown"}"#;

impl Session {
    /// Whether the plan lets this backoffice set the profile in a SetChargingProfile or RemoteStartTransaction.
    /// Clearing touches only what is one's own anyway.
    pub(super) fn permit_profile(
        &mut self,
        id: &BackofficeId,
        action: &Action,
        request: &str,
        no: &Refuses<'_>,
    ) -> Result<(), Refused> {
        let member = match action.name {
            "SetChargingProfile" => "csChargingProfiles",
            "RemoteStartTransaction" => "chargingProfile",
            _ => return Ok(()),
        };
        let Some(profile) = payload::field(request, member) else { return Ok(()) };
        match &self.plan.sharing.profiles {
            Profiles::Leader if self.leads(id) => Ok(()),
            Profiles::Leader => Err(no.by("profiles leader", "charging profiles are the leader's")),
            Profiles::ByPurpose => {
                let purpose = payload::text(profile, "chargingProfilePurpose");
                match self.owner_of_purpose(purpose.and_then(|word| ProfilePurpose::read(&word))) {
                    owner if owner == id => Ok(()),
                    _ => Err(
                        no.by("profiles by_purpose", "profiles of this purpose belong to another backoffice")
                    ),
                }
            }
            Profiles::ByBand(_) => {
                let level = payload::integer(profile, "stackLevel");
                match level.and_then(|level| self.level_on_charger(id, level)) {
                    Some(level) => self.permit_level(id, level, no),
                    None => {
                        Err(no.by("profiles by_band", "this stack level is beyond those that are its own"))
                    }
                }
            }
            Profiles::Composite(_) => Ok(()),
        }
    }

    /// Some chargers have no more than one level (semantics §6.4).
    fn permit_level(&mut self, id: &BackofficeId, level: i64, no: &Refuses<'_>) -> Result<(), Refused> {
        let highest = self.configuration.real("ChargeProfileMaxStackLevel");
        match highest.and_then(|highest| highest.trim().parse::<i64>().ok()) {
            Some(highest) if level > highest => {
                let detail = format!(
                    "a profile of {id} belongs to stack level {level}, and the charger has none above {highest}: \
                     these stack_levels do not fit it"
                );
                self.alert("stack_levels", detail);
                Err(no.by("profiles by_band", "the charger has no stack level as high as this backoffice's"))
            }
            _ => Ok(()),
        }
    }

    /// The follower whose grant names the purpose, else whoever leads.
    fn owner_of_purpose(&self, purpose: Option<ProfilePurpose>) -> &BackofficeId {
        let mut followers = self.plan.followers.iter().filter(|follower| !self.leads(&follower.backoffice));
        let owner = followers.find(|f| purpose.is_some_and(|purpose| f.grant.purposes.contains(&purpose)));
        owner.map_or(&self.leader, |follower| &follower.backoffice)
    }

    /// The charger's stack levels that are this backoffice's own, where levels have owners.
    fn band(&self, id: &BackofficeId) -> Option<&RangeInclusive<i64>> {
        let Profiles::ByBand(leaders) = &self.plan.sharing.profiles else { return None };
        if self.leads(id) {
            return Some(leaders);
        }
        self.plan.follower(id)?.grant.levels.as_ref()
    }

    /// Where the backoffice's level lies in the charger's stack; `None` beyond its band.
    fn level_on_charger(&self, id: &BackofficeId, level: i64) -> Option<i64> {
        let band = self.band(id)?;
        let on_charger = band.start().checked_add(level)?;
        (level >= 0 && band.contains(&on_charger)).then_some(on_charger)
    }

    /// Whether the place in the charger's stack is the other's by the plan, too, and not just left over from
    /// what the plan said before.
    fn still_owns(&self, owner: &BackofficeId, key: &ProfileKey) -> bool {
        match &self.plan.sharing.profiles {
            Profiles::Leader => self.leads(owner),
            Profiles::ByPurpose => self.owner_of_purpose(ProfilePurpose::read(&key.purpose)) == owner,
            Profiles::ByBand(_) => self.band(owner).is_some_and(|band| band.contains(&key.stack_level)),
            Profiles::Composite(_) => false,
        }
    }

    /// Takes a profile into custody, and puts the charger's number and stack level into its text.
    fn placed(
        &self,
        id: &BackofficeId,
        request: &Text,
        member: &str,
        connector_id: i64,
        transaction: Option<TraceId>,
    ) -> Option<(Text, Owned)> {
        let profile = payload::field(request, member)?;
        let number = payload::integer(profile, "chargingProfileId")?;
        let level = payload::integer(profile, "stackLevel").unwrap_or(0);
        let stack_level = self.level_on_charger(id, level).unwrap_or(level);
        let owned = Owned {
            family: Family::Profile,
            on_charger: self.owned.choose(Family::Profile, id, number, self.leads(id)),
            owner: id.clone(),
            at_owner: number,
            profile: Some(ProfileKey {
                connector_id,
                purpose: payload::text(profile, "chargingProfilePurpose").unwrap_or_default().into_owned(),
                stack_level,
            }),
            own_level: (stack_level != level).then_some(level),
            transaction,
            until_unix_ms: None,
        };
        let numbered = with_number(request, profile, "chargingProfileId", owned.on_charger);
        let profile = payload::field(&numbered, member)?;
        Some((with_number(&numbered, profile, "stackLevel", stack_level), owned))
    }

    /// What had a part in a profile besides its sender's wish, for the log.
    fn profile_flags(&self, id: &BackofficeId, owned: &Owned) -> Vec<&'static str> {
        match &self.plan.sharing.profiles {
            Profiles::ByPurpose if !self.leads(id) => vec!["by_purpose"],
            Profiles::ByBand(_) if owned.own_level.is_some() => vec!["by_band"],
            _ => Vec::new(),
        }
    }

    /// A RemoteStartTransaction that brings a profile (semantics K-26).
    pub(super) fn start_with_profile(
        &mut self,
        id: &BackofficeId,
        request: &Text,
        profile: &str,
    ) -> Admission {
        if self.is_composite() {
            return self.start_composite(id, request, profile);
        }
        // A transaction that does not run yet has no number (OCPP 1.6 §5.11).
        let clean = Text::from(payload::without(request, profile, "transactionId"));
        let connector = payload::integer(&clean, "connectorId").unwrap_or(0);
        match self.placed(id, &clean, "chargingProfile", connector, None) {
            Some((sent, owned)) => Admission::Send(Sending {
                steps: [sent].into(),
                flags: self.profile_flags(id, &owned),
                consequences: vec![Consequence::Owns { owned, is_new: false }],
                ..Sending::default()
            }),
            None => Sending::one(request.clone(), None),
        }
    }

    pub(super) fn set_profile(&mut self, id: &BackofficeId, request: &Text) -> Admission {
        let profile = payload::field(request, "csChargingProfiles").unwrap_or("{}");
        if self.is_composite() {
            return self.set_composite(id, request, profile);
        }
        let connector = payload::integer(request, "connectorId").unwrap_or(0);
        // One for a transaction that does not run the charger would discard (OCPP 1.6 §5.16).
        let transaction = match payload::field(profile, "transactionId") {
            None => None,
            Some(_) => match self.transaction_meant(id, profile) {
                Ok(trace) => Some(trace),
                Err(rejected) => return rejected,
            },
        };
        let Some((sent, owned)) = self.placed(id, request, "csChargingProfiles", connector, transaction)
        else {
            return Sending::one(request.clone(), None);
        };
        // The same place in another backoffice's stack would replace its profile (semantics K-23).
        let displaces = |other: &Owned| {
            other.family == Family::Profile
                && other.owner != *id
                && other.profile == owned.profile
                && other.profile.as_ref().is_some_and(|key| self.still_owns(&other.owner, key))
        };
        if !self.leads(id) && self.owned.iter().any(displaces) {
            return local(REJECTED, "K-23");
        }
        Admission::Send(Sending {
            steps: [sent].into(),
            transaction,
            flags: self.profile_flags(id, &owned),
            consequences: vec![Consequence::Owns { owned, is_new: false }],
        })
    }

    /// What is left of a backoffice that the plan does not name any more the leader clears.
    fn is_to_clear(&self, id: &BackofficeId, owned: &Owned) -> bool {
        owned.owner == *id || self.leads(id) && !self.plan.names(&owned.owner)
    }

    /// Whether no profile is at the charger, or on its way there, that is not this backoffice's to clear.
    fn may_clear_all(&self, id: &BackofficeId) -> bool {
        let mut profiles = self.owned.iter().filter(|owned| owned.family == Family::Profile);
        self.plan.sharing.leader_clears_all || profiles.all(|owned| self.is_to_clear(id, owned))
    }

    /// A leader's clear by criteria that was to be sent as it came names its own profiles instead, if another
    /// backoffice has set one while it waited (semantics K-24).
    fn clearing_turn(&mut self, command: &mut Command) -> Turn {
        let Some(requester) = command.requesters.first() else { return Turn::Send };
        let id = requester.id.clone();
        let is_as_it_came = command.name() == "ClearChargingProfile"
            && payload::field(&command.payload, "id").is_none()
            && command.steps.front() == Some(&command.payload);
        if !is_as_it_came || self.is_composite() || self.may_clear_all(&id) {
            return Turn::Send;
        }
        match self.clear_profiles(&id, &command.payload) {
            Admission::Send(sending) => {
                (command.steps, command.consequences) = (sending.steps, sending.consequences);
                Turn::Send
            }
            Admission::Local(reply, rule) => Turn::Here(reply, rule),
            Admission::Own(_) | Admission::Key(_) => Turn::Send,
        }
    }

    /// Clears the sender's own profiles alone (semantics K-24).
    pub(super) fn clear_profiles(&mut self, id: &BackofficeId, request: &Text) -> Admission {
        if self.is_composite() {
            return self.clear_composite(id, request);
        }
        if let Some(number) = payload::integer(request, "id") {
            return match self.owned.on_charger(Family::Profile, id, number) {
                Some(on_charger) => {
                    let sent = with_number(request, request, "id", on_charger);
                    Sending::one(sent, Some(Consequence::Releases(Family::Profile, on_charger)))
                }
                None if self.leads(id)
                    && self.owned.owner(Family::Profile, number).is_none_or(|o| self.is_to_clear(id, o)) =>
                {
                    Sending::one(request.clone(), Some(Consequence::Releases(Family::Profile, number)))
                }
                None => local(UNKNOWN, "K-24"),
            };
        }
        let is_profile = |owned: &&Owned| owned.family == Family::Profile;
        // Its own levels are others at the charger.
        let is_shifted = matches!(&self.plan.sharing.profiles, Profiles::ByBand(levels) if *levels.start() != 0)
            && payload::field(request, "stackLevel").is_some();
        if self.leads(id) && !is_shifted && self.may_clear_all(id) {
            let cleared =
                self.owned.iter().filter(is_profile).filter(|owned| on_charger_matches(owned, request));
            let consequences =
                cleared.map(|owned| Consequence::Releases(Family::Profile, owned.on_charger)).collect();
            return Admission::Send(Sending {
                steps: [request.clone()].into(),
                consequences,
                ..Sending::default()
            });
        }
        let own: Vec<i64> = self
            .owned
            .iter()
            .filter(is_profile)
            .filter(|owned| self.is_to_clear(id, owned) && matches(owned, request))
            .map(|owned| owned.on_charger)
            .collect();
        if own.is_empty() {
            return local(UNKNOWN, "K-24");
        }
        Admission::Send(Sending {
            steps: own.iter().map(|number| Text::from(format!(r#"{{"id":{number}}}"#))).collect(),
            consequences: own
                .into_iter()
                .map(|number| Consequence::Releases(Family::Profile, number))
                .collect(),
            ..Sending::default()
        })
    }
}

/// Whether a ClearChargingProfile by criteria names this profile, in its owner's words (OCPP 1.6 §5.6).
fn matches(owned: &Owned, request: &str) -> bool {
    let level = owned.own_level.or(owned.profile.as_ref().map(|key| key.stack_level));
    names(owned, level, request)
}

/// Whether it names this profile in the charger's words.
fn on_charger_matches(owned: &Owned, request: &str) -> bool {
    names(owned, owned.profile.as_ref().map(|key| key.stack_level), request)
}

fn names(owned: &Owned, stack_level: Option<i64>, request: &str) -> bool {
    let Some(key) = &owned.profile else { return false };
    payload::integer(request, "connectorId").is_none_or(|connector| connector == key.connector_id)
        && payload::text(request, "chargingProfilePurpose").is_none_or(|purpose| purpose == key.purpose)
        && payload::integer(request, "stackLevel").is_none_or(|level| Some(level) == stack_level)
}
