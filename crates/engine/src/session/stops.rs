//! Two backoffices that stop one transaction at the same time: the first stops it, the second hears that it is
//! stopped (semantics K-72).

use crate::session::command_queue::Command;
use crate::session::turns::Turn;
use crate::session::{Reply, Session};
use crate::{BackofficeId, BackofficeTransactionId, Tick, TraceId, limits};

/// Transactions that were remotely stopped lately, and by whom.
#[derive(Debug, Default)]
pub(super) struct Stops {
    accepted: Vec<(TraceId, BackofficeId, Tick)>,
}

impl Stops {
    fn is_by_another(&self, trace: TraceId, id: &BackofficeId, now: Tick) -> bool {
        self.accepted.iter().any(|(stopped, by, when)| {
            *stopped == trace && by != id && now.since(*when) < limits::STOPS_COALESCE
        })
    }
}

impl Session {
    /// The charger stops a transaction.
    pub(super) fn stop_accepted(&mut self, command: &Command, trace: TraceId) {
        let Some(requester) = command.requesters.first() else { return };
        let now = self.now.tick;
        self.stops.accepted.retain(|(_, _, when)| now.since(*when) < limits::STOPS_COALESCE);
        self.stops.accepted.push((trace, requester.id.clone(), now));
    }

    /// A RemoteStopTransaction whose turn it is.
    pub(super) fn stop_turn(&mut self, command: &mut Command) -> Turn {
        let by_another =
            command.requesters.first().zip(command.transaction).is_some_and(|(requester, trace)| {
                self.stops.is_by_another(trace, &requester.id, self.now.tick)
            });
        if !by_another {
            return Turn::Send;
        }
        command.flags.push("coalesced");
        Turn::Here(Reply::result(r#"{"status":"Accepted"}"#), "K-72")
    }

    /// The transaction that this number of the backoffice's stood for until another stopped it just now.
    pub(super) fn stopped_by_another(&self, id: &BackofficeId, number: i64) -> Option<TraceId> {
        let is_its = |trace: &TraceId| {
            let peer = self.transactions.get(*trace).and_then(|row| row.peers.get(id));
            peer.is_some_and(|peer| peer.number == Some(BackofficeTransactionId(number)))
        };
        let recent = self.stops.accepted.iter().map(|(trace, _, _)| *trace);
        recent.filter(|trace| self.stops.is_by_another(*trace, id, self.now.tick)).find(is_its)
    }
}
