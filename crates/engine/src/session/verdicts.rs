//! Whose verdict on a card the charger hears: the same in Authorize, StartTransaction and StopTransaction
//! (semantics §5.2, §5.3, A-5).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::session::ballots::{Authority, Ballot, Count, Decision};
use crate::session::charger::ChargerCall;
use crate::session::intents::in_ms;
use crate::session::outbox::{Asked, Purpose};
use crate::session::{Earliest, Reply, Session};
use crate::{
    BackofficeId, Decider, Fact, Record, Role, Side, Text, TraceId, TransactionRow, UndecidedStart,
    VerdictRule, limits, payload,
};

/// Decisions of a moment ago, so that a start is told what its Authorize was (semantics §5.3).
#[derive(Debug, Default)]
pub(super) struct Decisions {
    all: Vec<Remembered>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    /// In small letters.
    id_tag: String,
    decision: Decision,
    /// UTC, milliseconds since 1970.
    until_unix_ms: i64,
}

impl Decisions {
    pub(super) const FACT: &'static str = "decision/";

    pub(super) fn remember(&mut self, body: &str) {
        if let Ok(remembered) = serde_json::from_str(body) {
            self.all.push(remembered);
        }
    }

    fn of(&self, tag: &str, unix_ms: i64) -> Option<&Decision> {
        let fits = |one: &&Remembered| one.until_unix_ms > unix_ms && one.id_tag.eq_ignore_ascii_case(tag);
        self.all.iter().find(fits).map(|one| &one.decision)
    }

    /// Takes in a decision. Returns what is to be kept and forgotten.
    fn learn(&mut self, tag: &str, decision: Decision, unix_ms: i64, until_unix_ms: i64) -> Vec<Fact> {
        let id_tag = tag.to_lowercase();
        let mut forgotten = Vec::new();
        self.all.retain(|one| {
            let is_over = one.until_unix_ms <= unix_ms;
            if is_over && one.id_tag != id_tag {
                forgotten.push(Fact { key: format!("{}{}", Self::FACT, one.id_tag), body: None });
            }
            !is_over && one.id_tag != id_tag
        });
        if self.all.len() == limits::DECISIONS {
            let oldest = self.all.remove(0);
            forgotten.push(Fact { key: format!("{}{}", Self::FACT, oldest.id_tag), body: None });
        }
        let remembered = Remembered { id_tag, decision, until_unix_ms };
        let body = serde_json::to_string(&remembered).expect("plain data is always JSON");
        forgotten.push(Fact { key: format!("{}{}", Self::FACT, remembered.id_tag), body: Some(body) });
        self.all.push(remembered);
        forgotten
    }
}

impl Session {
    /// Who decides about a card now.
    pub(super) fn authority(&self, tag: &str, connector: Option<i64>) -> Authority {
        let cards = &self.plan.cards;
        if let Some(intent) = self.intents.of(tag, connector, self.now.unix_ms) {
            return match self.leads(&intent.by) {
                true => Authority::Leader,
                false => Authority::Announced(intent.by.clone(), intent.purpose.label()),
            };
        }
        if cards.allow.iter().any(|pattern| pattern.matches(tag)) {
            return Authority::Listed;
        }
        let route = cards.routes.iter().find(|route| route.cards.iter().any(|cards| cards.matches(tag)));
        match (route, cards.rule) {
            (Some(route), _) if self.leads(&route.backoffice) => Authority::Leader,
            (Some(route), _) => Authority::Routed(route.backoffice.clone()),
            (None, VerdictRule::LeaderOnly) => Authority::Leader,
            (None, rule) => Authority::Several(rule),
        }
    }

    /// Opens the ballot on the card of a call, where more than the leader has a say. A call that waits for
    /// the leader alone has none.
    pub(super) fn open_ballot(&self, call: &ChargerCall) -> Option<Box<Ballot>> {
        let tag = payload::text(&call.payload, "idTag")?;
        match (call.name(), call.transaction.and_then(|trace| self.transactions.get(trace))) {
            ("Authorize", _) => match self.authority(&tag, None) {
                Authority::Leader => self.fallback_ballot(&tag),
                authority => Some(Box::new(self.ballot(authority, &tag))),
            },
            ("StartTransaction", Some(row)) => match self.ballot_on_row(row) {
                None => self.fallback_ballot(&tag),
                ballot => ballot.map(Box::new),
            },
            _ => None,
        }
    }

    /// While the leader is away others may be believed in its place (semantics §5.5).
    fn fallback_ballot(&self, tag: &str) -> Option<Box<Ballot>> {
        let may_ask = self.absence.has_begun() && !self.plan.cards.fallback.is_empty();
        (may_ask && self.remembered_verdict(tag).is_none())
            .then(|| Box::new(self.ballot(Authority::Leader, tag)))
    }

    fn ballot(&self, authority: Authority, tag: &str) -> Ballot {
        // What is remembered comes before what others say.
        let fallback = match self.remembered_verdict(tag) {
            Some(_) => &[][..],
            None => &self.plan.cards.fallback,
        };
        let mut voters: Vec<&BackofficeId> = match &authority {
            Authority::Several(_) => self.plan.deciders(),
            Authority::Announced(by, _) => vec![by],
            Authority::Routed(decider) => std::iter::once(decider).chain(fallback).collect(),
            Authority::Leader => std::iter::once(&self.leader).chain(fallback).collect(),
            Authority::Listed | Authority::Decided(_) => Vec::new(),
        };
        // Another leads in the place of the plan's leader.
        if matches!(authority, Authority::Several(_)) && !voters.contains(&&self.leader) {
            voters.iter_mut().filter(|id| **id == &self.plan.leader).for_each(|id| *id = &self.leader);
        }
        let voters: Vec<_> = voters.into_iter().map(|id| (id.clone(), self.has_a_say(id))).collect();
        Ballot::new(authority, self.leader.clone(), voters, self.now.tick + self.plan.cards.wait)
    }

    /// Whether a backoffice is there to give its opinion (semantics A-10).
    fn has_a_say(&self, id: &BackofficeId) -> bool {
        let is_entitled = self.leads(id) || self.plan.role(id).is_some_and(|role| role != Role::Observer);
        is_entitled && self.at(id).is_some_and(|at| self.is_told(at))
    }

    /// A backoffice answered, or will not, what the charger waits for.
    pub(super) fn opinion_heard(&mut self, id: &BackofficeId, asked: &Asked, reply: Option<&Reply>) {
        let Some(call) = self.charger.current.as_mut() else { return };
        let is_its = asked.copy.trace == call.asks
            || asked.copy.transaction.is_some()
                && asked.copy.transaction == call.transaction
                && asked.copy.name() == call.name();
        let Some(ballot) = call.ballot.as_mut().filter(|_| is_its) else { return };
        let info = match reply {
            Some(Reply::Result(answer)) => payload::field(answer, "idTagInfo").map(Text::from),
            Some(Reply::Error { .. }) | None => None,
        };
        ballot.hear(id, info);
        let waits = asked.led && *id == self.leader && asked.copy.purpose == Purpose::ChargerWaits;
        if let Some(reply) = reply.filter(|_| waits) {
            ballot.leaders_reply = Some(reply.clone());
        }
    }

    /// Whether the answer to the call in progress waits for others than the leader.
    pub(super) fn is_ballot_open(&self) -> bool {
        let ballot = self.charger.current.as_ref().and_then(|call| call.ballot.as_ref());
        ballot.is_some_and(|ballot| ballot.count() == Count::Open)
    }

    pub(super) fn ballot_deadlines(&self, earliest: &mut Earliest) {
        let ballot = self.charger.current.as_ref().and_then(|call| call.ballot.as_ref());
        if let Some(ballot) = ballot.filter(|ballot| ballot.until > self.now.tick) {
            earliest.at(ballot.until);
        }
    }

    /// Answers the call in progress when the verdict on its card is known.
    pub(super) fn settle_ballot(&mut self) -> bool {
        let (is_leader_there, now) = (self.has_leader(), self.now.tick);
        let leader = self.leader.clone();
        let Some(call) = self.charger.current.as_mut() else { return false };
        let Some(ballot) = call.ballot.as_mut() else { return false };
        if !is_leader_there {
            ballot.hear(&leader, None);
        }
        if ballot.until <= now {
            ballot.close(false);
        }
        let count = ballot.count();
        // The number of a transaction is the leader's, or the proxy's in its place.
        let awaits_number = call.action.is_some_and(|action| action.name == "StartTransaction")
            && ballot.leaders_reply.is_none();
        if count == Count::Open || awaits_number {
            return false;
        }
        let Some(call) = self.charger.current.take() else { return false };
        match call.name() {
            "Authorize" => self.answer_authorize(call, count),
            _ => self.answer_start(call),
        }
        true
    }

    /// The leader is too slow for the charger: what the others say must do.
    pub(super) fn answer_late_authorize(&mut self, mut call: ChargerCall) {
        let count = call.ballot.as_mut().map_or(Count::Undecided, |ballot| {
            ballot.close(true);
            ballot.count()
        });
        self.answer_authorize(call, count);
    }

    fn answer_authorize(&mut self, mut call: ChargerCall, count: Count) {
        self.leader_is_only_told(&call);
        let Some(ballot) = call.ballot.take() else { return };
        match count {
            Count::Decided(decision) => {
                call.flags.push(ballot.policy());
                let (reply, decider) = match (&decision.source, ballot.leaders_reply) {
                    (Some(source), Some(reply)) if *source == self.leader => {
                        (reply, Decider::Leader(source.clone()))
                    }
                    (source, _) => {
                        let info = self.info_for_charger(&decision);
                        (Reply::result(format!(r#"{{"idTagInfo":{info}}}"#)), self.decider(source.as_ref()))
                    }
                };
                self.decide(&call, decision);
                self.answer_charger(call, reply, decider);
            }
            Count::Withheld => {
                call.flags.push(ballot.policy());
                let why = "not every backoffice that has to accept the card has answered";
                self.answer_charger(call, Reply::error("GenericError", why), Decider::Proxy("A-14"));
            }
            Count::Open | Count::Undecided => match (self.card_reply(&call.payload), ballot.leaders_reply) {
                (_, Some(reply @ Reply::Error { .. })) => {
                    let leader = self.leader.clone();
                    self.answer_charger(call, reply, Decider::Leader(leader));
                }
                (Some(reply), _) => {
                    call.flags.push("cache_on_outage");
                    self.answer_charger(call, reply, Decider::Proxy("A-14"));
                }
                (None, _) => {
                    let reply = Reply::error("GenericError", "no backoffice decided about this card");
                    self.answer_charger(call, reply, Decider::Proxy("A-14"));
                }
            },
        }
    }

    /// What the leader was to be asked so that the charger hears it, it hears like the others.
    fn leader_is_only_told(&mut self, call: &ChargerCall) {
        if let Some(at) = self.at(&self.leader) {
            self.links[at].outbox.no_longer_waited_for(call.asks);
        }
    }

    /// The leader has answered a start, and the verdict on its card is known.
    fn answer_start(&mut self, mut call: ChargerCall) {
        let Some(ballot) = call.ballot.take() else { return };
        let leader = self.leader.clone();
        let reply = ballot.leaders_reply.clone().expect("a start waits for the leader's answer");
        let decider = match ballot.count() {
            Count::Decided(decision) => {
                call.flags.push(ballot.policy());
                self.decider(decision.source.as_ref())
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
        self.promise_transaction(trace, [Side::Charger, Side::Backoffice(leader)]);
        self.answer_charger(call, Reply::Result(answer), decider);
    }

    fn decider(&self, source: Option<&BackofficeId>) -> Decider {
        match source {
            Some(source) if self.leads(source) => Decider::Leader(source.clone()),
            Some(source) => Decider::Follower(source.clone()),
            None => Decider::Proxy("local_allow"),
        }
    }

    /// Remembers a decision: for the start that follows, and for the time when who made it is away.
    fn decide(&mut self, call: &ChargerCall, decision: Decision) {
        let Some(tag) = payload::text(&call.payload, "idTag").map(std::borrow::Cow::into_owned) else {
            return;
        };
        let unix_ms = self.now.unix_ms;
        // What stands in the proxy's own list is found there again.
        if decision.source.is_none() {
            return;
        }
        self.remember_verdict(&tag, &decision.info);
        let until = unix_ms + in_ms(self.connection_timeout() + limits::DECISION_HOLDS);
        let facts = self.decisions.learn(&tag, decision, unix_ms, until);
        self.promise_facts(facts, [Side::Charger]);
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
            Some(_) => {
                let token = payload::field(&answer, "idTagInfo").unwrap_or_default();
                payload::replaced(&answer, token, &info).into()
            }
            None => answer,
        }
    }

    /// What a start is told of its card, where that is not what the leader says; the row remembers whose
    /// verdict it is.
    pub(super) fn verdict_on_start(&mut self, trace: TraceId, ballot: Option<&Ballot>) -> Option<String> {
        let row = self.transactions.get(trace)?;
        let tag = row.id_tag.clone();
        let ballot = match ballot {
            Some(ballot) => ballot.clone(),
            None => self.ballot_on_row(row)?,
        };
        let mut closed = ballot;
        closed.close(true);
        let info = match closed.count() {
            Count::Decided(decision) => {
                let info = self.info_for_charger(&decision);
                let source = decision.source.clone().filter(|source| !self.leads(source));
                if let Some(row) = self.transactions.get_mut(trace) {
                    row.authoriser = source;
                }
                if decision.source.is_some() {
                    self.remember_verdict(&tag, &decision.info);
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
    fn ballot_on_row(&self, row: &TransactionRow) -> Option<Ballot> {
        let how = row.remote_start_by.as_ref().map_or("reservation", |_| "remote_start");
        let authority = match (&row.authoriser, self.authority(&row.id_tag, Some(row.connector_id))) {
            (Some(by), _) if !self.leads(by) => Authority::Announced(by.clone(), how),
            (Some(_), _) | (None, Authority::Leader) => return None,
            (None, authority) => authority,
        };
        // What was decided a moment ago holds for the start (semantics §5.3).
        let authority =
            self.decisions.of(&row.id_tag, self.now.unix_ms).cloned().map_or(authority, Authority::Decided);
        // And what they said to the same start before.
        let mut ballot = self.ballot(authority, &row.id_tag);
        hear_row(&mut ballot, row);
        Some(ballot)
    }

    /// The whole of what the source wrote, since its parts belong together. What overrules the leader holds
    /// for a day in the charger's cache, unless its source says otherwise (semantics A-13, A-23).
    fn info_for_charger(&self, decision: &Decision) -> String {
        let is_leaders = decision.source.as_ref().is_some_and(|source| self.leads(source));
        if is_leaders || !decision.accepts() || payload::field(&decision.info, "expiryDate").is_some() {
            return decision.info.clone();
        }
        let tomorrow = self.now.unix_ms / 1_000 + limits::OVERRULED_FOR.as_secs() as i64;
        let Ok(expiry) = Timestamp::from_second(tomorrow) else { return decision.info.clone() };
        let inner = decision.info.trim_end().trim_end_matches('}').trim_end();
        format!(r#"{inner},"expiryDate":"{expiry}"}}"#)
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

    fn remember_verdict(&mut self, tag: &str, info: &str) {
        for fact in self.cards.learn(tag, info, self.now.unix_ms) {
            self.promise(Record::Fact(fact), []);
        }
    }
}

/// What backoffices answered to the start.
fn hear_row(ballot: &mut Ballot, row: &TransactionRow) {
    for (id, status) in row.peers.iter().filter_map(|(id, peer)| Some((id, peer.status.as_ref()?))) {
        let status = serde_json::Value::from(status.as_str());
        ballot.hear(id, Some(Text::from(format!(r#"{{"status":{status}}}"#))));
    }
}
