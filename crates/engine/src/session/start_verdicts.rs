//! What a start and a stop are told of their card: what its Authorize was told (semantics A-5, A-14, T-41).

use crate::session::ballots::{Authority, Ballot, Count};
use crate::session::charger::ChargerCall;
use crate::session::{Reply, Session};
use crate::{BackofficeId, Decider, Side, Text, TraceId, TransactionRow, UndecidedStart, Urgency, payload};

impl Session {
    /// The leader has answered a start, and the verdict on its card is known.
    pub(super) fn answer_start(&mut self, mut call: ChargerCall) {
        let Some(ballot) = call.ballot.take() else { return };
        let leader = self.leader.clone();
        let reply = ballot.leaders_reply.clone().expect("a start waits for the leader's answer");
        let decider = match ballot.count() {
            Count::Decided(decision) => {
                call.flags.push(ballot.policy());
                call.flags.extend(decision.is_remembered.then_some("cache_on_outage"));
                self.decider(&decision)
            }
            Count::Withheld => {
                call.flags.push(ballot.policy());
                Decider::Proxy("A-14")
            }
            Count::Open | Count::Undecided => Decider::Leader(leader.clone()),
        };
        let (Some(trace), Reply::Result(answer)) = (call.transaction, &reply) else {
            return self.answer_charger(call, reply, Decider::Leader(leader));
        };
        let answer = self.final_start_answer(trace, answer, Some(&ballot));
        self.start_is_answered(trace, &answer);
        let before = [Side::Charger, Side::Backoffice(leader)];
        self.promise_transaction_in_time(Urgency::AfterDeliveries, trace, before);
        self.answer_charger(call, Reply::Result(answer), decider);
    }

    /// The answer to a start with the charger's number and the verdict that holds, which the row remembers.
    pub(super) fn final_start_answer(
        &mut self,
        trace: TraceId,
        answer: &Text,
        ballot: Option<&Ballot>,
    ) -> Text {
        let answer = self.with_chargers_number(trace, answer);
        let leaders = payload::field(&answer, "idTagInfo").map(str::to_owned);
        let Some(info) = self.verdict_on_start(trace, ballot) else { return answer };
        match leaders {
            Some(leaders) if leaders == info => answer,
            _ => payload::with(&answer, "idTagInfo", &info).into(),
        }
    }

    /// What a start is told of its card, where that is not what the leader says; the row remembers whose
    /// verdict it is.
    pub(super) fn verdict_on_start(&mut self, trace: TraceId, ballot: Option<&Ballot>) -> Option<String> {
        let row = self.transactions.get(trace)?;
        let ballot = match ballot {
            Some(ballot) => ballot.clone(),
            None => self.ballot_on_row(row)?,
        };
        // What is decided already is not decided anew by what those said before who say nothing now.
        let count = match ballot.count() {
            decided @ Count::Decided(_) => decided,
            _ => {
                let mut closed = ballot;
                closed.close(true);
                closed.count()
            }
        };
        let info = match count {
            Count::Decided(decision) => {
                let info = self.info_for_charger(&decision);
                let source = decision.source.clone().filter(|source| !self.leads(source));
                if let Some(row) = self.transactions.get_mut(trace) {
                    row.authoriser = source;
                }
                info
            }
            Count::Withheld => r#"{"status":"Invalid"}"#.to_owned(),
            Count::Open | Count::Undecided => match self.plan.cards.undecided_start {
                UndecidedStart::Leader => return None,
                UndecidedStart::Accept => r#"{"status":"Accepted"}"#.to_owned(),
                UndecidedStart::Refuse => r#"{"status":"Invalid"}"#.to_owned(),
            },
        };
        Some(info)
    }

    /// What is known about the card of a start, where more than the leader has a say.
    pub(super) fn ballot_on_row(&self, row: &TransactionRow) -> Option<Ballot> {
        let how = row.remote_start_by.as_ref().map_or("reservation", |_| "remote_start");
        let authority = match (&row.authoriser, self.authority(&row.id_tag, Some(row.connector_id))) {
            (Some(by), _) if !self.leads(by) => Authority::Announced(by.clone(), how),
            (Some(_), _) | (None, Authority::Leader) => return None,
            (None, authority) => authority,
        };
        // What was decided a moment ago holds for the start (semantics §5.3); what stands in the proxy's own
        // list is found there again.
        let authority = match self.decisions.of(&row.id_tag, self.now.unix_ms) {
            Some(decision) if authority != Authority::Listed => Authority::Decided(decision.clone()),
            _ => authority,
        };
        // And what they said to the same start before.
        let mut ballot = self.ballot(authority, &row.id_tag);
        hear_row(&mut ballot, row);
        Some(ballot)
    }

    /// The leader's answer to a stop, without a verdict on the card that is not the leader's to give
    /// (semantics T-41).
    pub(super) fn stop_reply(&self, trace: Option<TraceId>, request: &str, answer: &Text) -> Text {
        let Some(info) = payload::field(answer, "idTagInfo") else { return answer.clone() };
        let row = trace.and_then(|trace| self.transactions.get(trace));
        let stopped_by = payload::text(request, "idTag");
        let tag = stopped_by.as_deref().or(row.map(|row| row.id_tag.as_str()));
        let is_leaders = tag.is_none_or(|tag| self.authority(tag, None) == Authority::Leader)
            && row.is_none_or(|row| row.authoriser.is_none());
        let told = row.and_then(|row| row.start_answer.as_deref()).and_then(payload::id_tag_status);
        let agrees = payload::text(info, "status") == told
            && row.zip(tag).is_some_and(|(row, tag)| row.id_tag.eq_ignore_ascii_case(tag));
        if is_leaders || agrees {
            answer.clone()
        } else {
            payload::without(answer, answer, "idTagInfo").into()
        }
    }

    /// Whether the leader alone decides about the card of a transaction (semantics T-67).
    pub(super) fn is_leaders_to_judge(&self, row: &TransactionRow) -> bool {
        let is_its = |by: &Option<BackofficeId>| by.as_ref().is_none_or(|by| self.leads(by));
        is_its(&row.authoriser)
            && is_its(&row.remote_start_by)
            && self.authority(&row.id_tag, Some(row.connector_id)) == Authority::Leader
    }
}

/// What backoffices answered to the start.
fn hear_row(ballot: &mut Ballot, row: &TransactionRow) {
    for (id, status) in row.peers.iter().filter_map(|(id, peer)| Some((id, peer.status.as_ref()?))) {
        let status = serde_json::Value::from(status.as_str());
        ballot.hear(id, Some(Text::from(format!(r#"{{"status":{status}}}"#))));
    }
}
