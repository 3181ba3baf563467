//! What the charger ought to have where limits are put together: which profiles of the proxy's own, and what they
//! allow (semantics §6.4, `composite`).

use super::held::{Held, Slot};
use crate::schedule::{Composite, Course, HORIZON_S, Heading, Installed, Place, Running, Unit, Written};
use crate::session::Session;
use crate::time::instant;
use crate::{BackofficeId, ProfilePurpose, TransactionRow, limits};

impl Session {
    /// The slots that profiles call for.
    pub(super) fn slots_of(&self, held: &[Held]) -> Vec<Slot> {
        let own = held.iter().filter(|held| held.profile.purpose != ProfilePurpose::Tx);
        let own =
            own.map(|held| Slot { connector_id: held.kept.connector_id, purpose: held.profile.purpose });
        let running =
            self.running().map(|row| Slot { connector_id: row.connector_id, purpose: ProfilePurpose::Tx });
        own.chain(running).filter(|slot| slot.exists()).collect()
    }

    /// The lowest of all limits there, as it is written now; `None` where nothing is to be there.
    ///
    /// The slot of a connector's TxDefaultProfile is used only when somebody set one for that very connector: some
    /// chargers know only those of connector 0. A transaction has a profile of its own when somebody set one for
    /// it, or a default that counts from its start.
    pub(super) fn wanted(&self, held: &[Held], slot: Slot) -> Option<Written> {
        let supply = self.supply()?;
        let Slot { connector_id, purpose } = slot;
        let is_default = |held: &Held| held.profile.purpose == ProfilePurpose::TxDefault;
        let row = self.running_on(connector_id).filter(|_| purpose == ProfilePurpose::Tx);
        let calls_for_it = held.iter().any(|held| match purpose {
            ProfilePurpose::ChargePointMax => held.profile.purpose == purpose,
            ProfilePurpose::TxDefault => is_default(held) && held.kept.connector_id == connector_id,
            ProfilePurpose::Tx => row.is_some_and(|row| {
                let is_here = held.kept.connector_id == connector_id;
                held.kept.transaction == Some(row.trace)
                    || (is_default(held)
                        && (is_here || held.kept.connector_id == 0)
                        && held.profile.is_relative())
            }),
        });
        if !calls_for_it {
            return None;
        }
        let from_unix_s = self.now.unix_ms.div_euclid(1000);
        let place = match purpose {
            ProfilePurpose::ChargePointMax => Place::ChargePoint,
            ProfilePurpose::TxDefault | ProfilePurpose::Tx => Place::Connector(connector_id),
        };
        let running = row.map(|row| Running { start_unix_s: started_unix_s(row), transaction_id: None });
        let mut owners: Vec<&BackofficeId> = held.iter().map(|held| &held.kept.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        let courses: Vec<Course> = owners
            .into_iter()
            .map(|owner| {
                let own = held.iter().filter(|held| {
                    let is_of_another = held.profile.purpose == ProfilePurpose::Tx
                        && held.kept.transaction != row.map(|row| row.trace);
                    held.kept.owner == *owner && !is_of_another && held.kept.awaits.is_none()
                });
                let installed: Vec<Installed> = own
                    .map(|held| Installed {
                        connector_id: held.kept.connector_id,
                        profile: held.profile.clone(),
                    })
                    .collect();
                Course::of(&installed, place, running, from_unix_s, from_unix_s + HORIZON_S)
            })
            .collect();
        let written = Composite::of(&courses, self.unit(), supply).write(self.heading(slot));
        written.json.is_some().then_some(written)
    }

    /// Watts only where the charger has said that it knows nothing else.
    fn unit(&self) -> Unit {
        match self.configuration.real("ChargingScheduleAllowedChargingRateUnit") {
            Some(units) if units.contains("Power") && !units.contains("Current") => Unit::Watts,
            _ => Unit::Amperes,
        }
    }

    fn heading(&self, slot: Slot) -> Heading {
        let most = self.configuration.real("ChargingScheduleMaxPeriods");
        let row = self.running_on(slot.connector_id).filter(|_| slot.purpose == ProfilePurpose::Tx);
        Heading {
            transaction_id: row.and_then(|row| row.charger_number).map(|number| number.0),
            most_periods: most
                .and_then(|most| most.trim().parse().ok())
                .filter(|most| *most > 0)
                .unwrap_or(limits::WRITTEN_PERIODS),
            ..Heading::new(slot.number(), 0, slot.purpose)
        }
    }
}

/// When a transaction started, as the charger says, if its clock can be believed.
fn started_unix_s(row: &TransactionRow) -> i64 {
    let received = row.received_unix_ms.div_euclid(1000);
    let week_s = 7 * 86_400;
    let told = instant(&row.started_at).map(jiff::Timestamp::as_second);
    told.filter(|told| (received - week_s..=received).contains(told)).unwrap_or(received)
}
