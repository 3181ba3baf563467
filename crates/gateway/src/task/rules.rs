//! Other rules while the session is running.

use std::sync::Arc;

use engine::{Departure, Event, Reason};
use tokio::time::Instant;

use super::Talk;
use super::lead::Source;
use crate::limits::CLOSE_TIMEOUT;
use crate::links::State;
use crate::notes;

impl Talk {
    pub(super) fn rules_changed(&mut self, source: Source) {
        if self.is_revoked() {
            self.dismiss_charger(Reason::Unproved);
        }
        let served = self.shared.served.load_full();
        let is_known = self.shared.entrance.is_known(&served, &self.charger);
        let plan = served.plan(&self.charger, &self.shared.overrides).filter(|_| is_known);
        let Some(plan) = plan.map(|found| found.plan) else {
            // Without a plan there is no grace: nobody may come back.
            self.dismiss_charger(Reason::NotServed);
            self.stopping = true;
            return;
        };
        if *plan != *self.plan {
            if plan.leader != self.plan.leader {
                self.lead.is_to_change(source);
            }
            self.plan = plan.clone();
            self.tell(Event::PlanChanged(plan));
        }
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            let Some(destination) = served.destination(&slot.backoffice) else { continue };
            if Arc::ptr_eq(destination, &slot.destination) {
                continue;
            }
            slot.destination = destination.clone();
            match &mut slot.state {
                State::Dialing(_) => slot.state = State::Wanted,
                State::Up(_) => self.move_link(at, "it is reached otherwise by proxy.toml"),
                State::Idle => {
                    let backoffice = slot.backoffice.clone();
                    self.tell(Event::BackofficeMoved(backoffice));
                }
                State::Wanted => {}
            }
        }
    }

    /// The backoffice is reached otherwise from now on; the engine dials it again.
    pub(super) fn move_link(&mut self, at: usize, why: &str) {
        let side = self.slots[at].side.clone();
        let Some(seat) = self.slots[at].vacate() else { return };
        // The departure alone would look as if the backoffice had closed the link.
        let detail = format!("{why}: its link is closed and dialed anew");
        tracing::info!(charger = %self.charger, backoffice = %self.slots[at].backoffice, "{detail}");
        notes::log(&self.shared, &self.charger, "link_moved", &side, detail);
        let mut socket = seat.socket;
        socket.close(1012, "configuration changed");
        self.held.forget(&side);
        self.departures.add(side, socket, Instant::now() + CLOSE_TIMEOUT);
        if !seat.muted {
            let backoffice = self.slots[at].backoffice.clone();
            self.tell(Event::BackofficeDown(backoffice, Departure::Closed(Some(1012))));
        }
    }
}
