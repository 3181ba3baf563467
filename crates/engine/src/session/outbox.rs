//! What one backoffice still has to be told: in order, one at a time, bounded (semantics §3.7, §3.9).
//!
//! The order is the charger's. Only what the table marks as `Latest` is coalesced, only what it
//! marks as `Volatile` is dropped for being old.

use std::collections::VecDeque;

use uuid::Uuid;

use crate::actions::{self, Action, Keeping};
use crate::{Text, Tick, TraceId, limits, payload};

/// One message to a backoffice.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    pub(super) trace: TraceId,
    pub(super) action: Option<&'static Action>,
    pub(super) action_token: Text,
    /// As the charger sent it; numbers are rewritten when it is sent, when they are known.
    pub(super) payload: Text,
    /// The transaction it belongs to.
    pub(super) transaction: Option<TraceId>,
    pub(super) queued: Tick,
    /// Not to be sent before this (semantics F-51).
    pub(super) held_until: Option<Tick>,
    pub(super) purpose: Purpose,
}

/// Why a backoffice is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The charger waits for its answer.
    ChargerWaits,
    /// So that it knows.
    Inform,
    /// The proxy speaks for the charger; the answer is the proxy's alone (semantics F-24).
    Synthetic,
}

/// A CALL that a backoffice was sent.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) message_id: Uuid,
    pub(super) copy: Copy,
    pub(super) sent: Tick,
    pub(super) answer_by: Tick,
    /// It led when it was asked: only then can its answer reach the charger (semantics F-55).
    pub(super) led: bool,
}

impl Copy {
    pub(super) fn name(&self) -> &'static str {
        actions::label(self.action)
    }

    pub(super) fn keeping(&self) -> Keeping {
        if self.purpose == Purpose::ChargerWaits {
            return Keeping::Volatile;
        }
        let keeping =
            self.action.and_then(|a| a.from_charger.as_ref()).map_or(Keeping::Volatile, |a| a.keeping);
        // A meter value that was asked for is no transaction message (semantics T-30).
        if self.name() == "MeterValues" && is_triggered(&self.payload) { Keeping::Volatile } else { keeping }
    }

    fn replaces(&self, older: &Copy) -> bool {
        self.purpose == Purpose::Inform
            && older.purpose == Purpose::Inform
            && self.keeping() == Keeping::Latest
            && self.name() == older.name()
            && payload::field(&self.payload, "connectorId") == payload::field(&older.payload, "connectorId")
    }

    fn bytes(&self) -> usize {
        self.payload.len() + self.action_token.len()
    }
}

/// The queue of one backoffice.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    copies: VecDeque<Copy>,
    bytes: usize,
}

impl Outbox {
    /// Adds a copy at the end. Returns what had to give way, if the bound was reached.
    pub(super) fn push(&mut self, copy: Copy, link_is_up: bool) -> Option<Copy> {
        if !link_is_up {
            // While its backoffice is away only the newest state is of use, and the order to other
            // messages is already lost.
            self.remove(|older| copy.replaces(older));
        }
        self.bytes += copy.bytes();
        self.copies.push_back(copy);
        if self.copies.len() <= limits::OUTBOX_MESSAGES && self.bytes <= limits::OUTBOX_BYTES {
            return None;
        }
        // Samples are many and the next one says more; a start or stop is worth money.
        let oldest = |wanted: fn(&Copy) -> bool| self.copies.iter().position(wanted);
        let victim = oldest(|c| c.keeping() == Keeping::Volatile && c.purpose != Purpose::ChargerWaits)
            .or_else(|| oldest(|c| c.name() == "MeterValues"))
            .or_else(|| oldest(|c| c.purpose != Purpose::ChargerWaits))
            .unwrap_or(0);
        self.take(victim)
    }

    /// Puts a copy back that was sent in vain.
    pub(super) fn push_front(&mut self, copy: Copy) {
        self.bytes += copy.bytes();
        self.copies.push_front(copy);
    }

    pub(super) fn front(&self) -> Option<&Copy> {
        self.copies.front()
    }

    pub(super) fn pop(&mut self) -> Option<Copy> {
        self.take(0)
    }

    /// The first copy that `wanted` names, out of turn.
    pub(super) fn take_first(&mut self, wanted: impl Fn(&Copy) -> bool) -> Option<Copy> {
        self.copies.iter().position(wanted).and_then(|at| self.take(at))
    }

    pub(super) fn remove(&mut self, unwanted: impl Fn(&Copy) -> bool) {
        self.copies.retain(|copy| !unwanted(copy));
        self.bytes = self.copies.iter().map(Copy::bytes).sum();
    }

    /// Lets go what was held back (semantics F-51).
    pub(super) fn release(&mut self) {
        for copy in &mut self.copies {
            copy.held_until = None;
        }
    }

    pub(super) fn holds(&self, wanted: impl Fn(&Copy) -> bool) -> bool {
        self.copies.iter().any(wanted)
    }

    fn take(&mut self, at: usize) -> Option<Copy> {
        let copy = self.copies.remove(at)?;
        self.bytes -= copy.bytes();
        Some(copy)
    }
}

/// Whether any sample of a MeterValues was triggered by a backoffice.
pub(super) fn is_triggered(request: &str) -> bool {
    has_context(request, |context| context == "Trigger")
}

/// Whether any sample of a MeterValues is clock-aligned.
pub(super) fn is_clock_aligned(request: &str) -> bool {
    has_context(request, |context| context == "Sample.Clock")
}

fn has_context(request: &str, wanted: impl Fn(&str) -> bool) -> bool {
    if !request.contains("Trigger") && !request.contains("Sample.Clock") {
        return false;
    }
    let values = payload::field(request, "meterValue").map(payload::elements).unwrap_or_default();
    values.into_iter().filter_map(|value| payload::field(value, "sampledValue")).any(|samples| {
        payload::elements(samples)
            .into_iter()
            .any(|sample| payload::text(sample, "context").is_some_and(|context| wanted(&context)))
    })
}
