//! Brings together what the leader and the followers answered to the same call.

use std::collections::VecDeque;

use crate::session::Session;
use crate::session::outbox::Asked;
use crate::{AnswerNote, BackofficeId, Note, Outcome, TraceId, Verdict, divergence, limits};

/// Calls whose answers are still coming in.
#[derive(Debug, Default)]
pub(super) struct Comparisons {
    open: VecDeque<Comparison>,
}

#[derive(Debug)]
struct Comparison {
    trace: TraceId,
    leader: Option<Outcome>,
    /// Followers that were faster than the leader.
    early: Vec<AnswerNote>,
}

impl Session {
    /// Logs an answer together with how it compares.
    pub(super) fn compare_answer(
        &mut self,
        id: &BackofficeId,
        asked: &Asked,
        outcome: Outcome,
        is_late: bool,
    ) {
        let latency = self.now.tick.since(asked.sent);
        let mut answer = AnswerNote {
            trace: asked.copy.trace,
            backoffice: id.clone(),
            led: asked.led,
            action: asked.copy.name(),
            outcome,
            latency_us: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
            verdict: Verdict::NotComparable,
            differences: Vec::new(),
        };
        if is_late {
            answer.verdict = Verdict::Late;
            return self.note(Note::Answer(Box::new(answer)));
        }
        let at = self.comparison(asked.copy.trace);
        let comparison = &mut self.comparisons.open[at];
        if asked.led {
            answer.verdict = Verdict::Leader;
            comparison.leader = Some(answer.outcome.clone());
            let early = std::mem::take(&mut comparison.early);
            let leaders = answer.outcome.clone();
            self.note(Note::Answer(Box::new(answer)));
            for follower in early {
                self.note_compared(follower, &leaders);
            }
        } else if let Some(leader) = comparison.leader.clone() {
            self.note_compared(answer, &leader);
        } else {
            comparison.early.push(answer);
        }
    }

    fn comparison(&mut self, trace: TraceId) -> usize {
        if let Some(at) = self.comparisons.open.iter().rposition(|c| c.trace == trace) {
            return at;
        }
        if self.comparisons.open.len() == limits::COMPARISONS
            && let Some(oldest) = self.comparisons.open.pop_front()
        {
            for answer in oldest.early {
                self.note(Note::Answer(Box::new(answer)));
            }
        }
        self.comparisons.open.push_back(Comparison { trace, leader: None, early: Vec::new() });
        self.comparisons.open.len() - 1
    }

    fn note_compared(&mut self, mut answer: AnswerNote, leader: &Outcome) {
        (answer.verdict, answer.differences) = divergence::compare(answer.action, leader, &answer.outcome);
        if answer.verdict == Verdict::Conflict && self.is_artefact(&answer) {
            answer.verdict = Verdict::WeakConflict;
        }
        self.note(Note::Answer(Box::new(answer)));
    }

    /// `ConcurrentTx` says nothing of the card while that backoffice has another transaction of it
    /// open, which may be one whose stop it never heard of (semantics §3.8).
    fn is_artefact(&self, answer: &AnswerNote) -> bool {
        let is_concurrent = answer.differences.iter().any(|difference| {
            difference.leader.as_deref() == Some("\"Accepted\"")
                && difference.follower.as_deref() == Some("\"ConcurrentTx\"")
        });
        let Some(row) = self.transactions.get(answer.trace) else { return false };
        is_concurrent
            && self.transactions.running().any(|other| {
                other.trace != row.trace
                    && other.id_tag.eq_ignore_ascii_case(&row.id_tag)
                    && other.peers.get(&answer.backoffice).is_some_and(|peer| peer.number.is_some())
            })
    }
}
