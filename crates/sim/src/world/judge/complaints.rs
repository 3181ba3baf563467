//! What the backoffices themselves found wrong, and what of it no proxy could have helped.

use std::time::Duration;

use engine::{BackofficeId, Tick};

use super::Judge;
use crate::backoffice::{Backoffice, Complaint};

impl Judge {
    /// What the backoffices themselves found wrong.
    pub(in crate::world) fn check_complaints(
        &mut self,
        now: Tick,
        id: &BackofficeId,
        backoffice: &Backoffice,
    ) {
        let seen = self.complaints_seen.entry(id.clone()).or_default();
        let new = &backoffice.complaints()[*seen..];
        *seen = backoffice.complaints().len();
        let new: Vec<Complaint> = new.to_vec();
        for complaint in new {
            if !self.excused(now, id, &complaint) {
                self.accuse(format!("{id} complains: {complaint:?}"));
            }
        }
    }

    fn excused(&self, now: Tick, id: &BackofficeId, complaint: &Complaint) -> bool {
        let leads = self.leader == *id
            || self
                .recent_leaders
                .iter()
                .any(|(was, until)| was == id && now.since(*until) < Duration::from_secs(60));
        let has_led = self.leader == *id || self.recent_leaders.iter().any(|(was, _)| was == id);
        match complaint {
            // A number the charger made up, or knew before: only who led then sees it, maybe later
            // (T-33, T-50).
            Complaint::UnknownTransaction { number, .. } => has_led && !self.told.contains_key(number),
            // A guess by the rule of T-50 may be wrong; it is a guess only without a told number.
            Complaint::WrongTransaction { .. } => self
                .said
                .values()
                .any(|said| said.spoken_number.is_some_and(|spoken| !self.told.contains_key(&spoken))),
            // After a crash the charger may hold a reservation that was not yet kept (M-3).
            Complaint::UnknownReservation(_) => leads && self.crashed,
            Complaint::BeforeAccepted(_) => leads || !self.promises.follower_boots_alone,
            // Calls that were given up one after the other arrive together when it reads again.
            Complaint::TwoOutstanding { .. } => {
                self.caught_up.get(id).is_some_and(|at| now.since(*at) < Duration::from_secs(30))
            }
            Complaint::RepeatedMessageId(_)
            | Complaint::StrayAnswer(_)
            | Complaint::NotOcpp(_)
            | Complaint::BadMessageId(_) => false,
        }
    }
}
