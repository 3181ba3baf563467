//! One charger, from connect to disconnect.

use std::sync::Arc;

use crate::{ChargerId, Effect, Event, Moment, Plan, Record, Tick};

/// The state of one charger and its links. A value inside one task: no lock, no clock.
#[derive(Debug)]
pub struct Session {
    _private: (),
}

impl Session {
    /// A session that has not begun. `remembered` is what was kept of earlier sessions of this
    /// charger, in any order; `seed` is unpredictable outside tests. The leader's link may be
    /// reported up before the first [`Event::ChargerArrived`].
    pub fn new(_charger: ChargerId, _plan: Arc<Plan>, _remembered: Vec<Record>, _seed: u64) -> Self {
        Self { _private: () }
    }

    /// Takes in what happened. Perform all effects before the next event.
    pub fn handle(&mut self, _now: Moment, _event: Event) {}

    /// The next thing to do, or `None` when the batch is complete.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        None
    }

    /// When to hand in [`Event::DeadlinePassed`], if nothing else happens before.
    pub fn poll_deadline(&self) -> Option<Tick> {
        None
    }

    /// Whether the session can take more from this peer. While it says no, the shell does not read
    /// that socket, so that TCP holds the peer back (semantics F-22).
    pub fn may_read(&self, _from: &crate::Side) -> bool {
        true
    }

    /// Whether the session has ended for good: the charger is gone, its grace over, every link
    /// hung up. The shell then drops it.
    pub fn is_over(&self) -> bool {
        false
    }
}
