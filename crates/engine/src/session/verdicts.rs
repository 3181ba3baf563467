//! Whose verdict on a card the charger hears: the same in Authorize, StartTransaction and StopTransaction
//! (semantics §5.2, §5.3, A-5).

use jiff::Timestamp;

use crate::session::ballots::{Authority, Ballot, Count, Decision, is_verdict};
use crate::session::charger::ChargerCall;
use crate::session::intents::in_ms;
use crate::session::outbox::{Asked, Purpose};
use crate::session::{Earliest, Reply, Session};
use crate::{BackofficeId, Decider, Role, Side, Text, VerdictRule, limits, payload};

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
        if !matches!(call.name(), "Authorize" | "StartTransaction") {
            return None;
        }
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

    pub(super) fn ballot(&self, authority: Authority, tag: &str) -> Ballot {
        let fallback = &self.plan.cards.fallback;
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
        // What is remembered comes before what others say; but what was announced just now before both.
        let is_announced = matches!(authority, Authority::Announced(..));
        let remembered = |id| self.remembered_opinion(id, tag).filter(|_| !is_announced).map(Text::from);
        let voters = voters.into_iter().map(|id| (id.clone(), self.has_a_say(id), remembered(id))).collect();
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
        if self.charger.current.as_ref().is_none_or(|call| call.ballot.is_none()) {
            return false;
        }
        let (is_leader_there, now) = (self.has_leader(), self.now.tick);
        let before = self.leaders_answer_as_follower();
        let Some(call) = self.charger.current.as_mut() else { return false };
        let is_start = call.name() == "StartTransaction";
        let Some(ballot) = call.ballot.as_mut() else { return false };
        if !is_leader_there {
            ballot.hear(&self.leader, None);
        }
        if ballot.until <= now {
            ballot.close(false);
        }
        ballot.leaders_reply = ballot.leaders_reply.take().or(before);
        let count = ballot.count();
        // The number of a transaction is the leader's, or the proxy's in its place.
        let awaits_number = is_start && ballot.leaders_reply.is_none();
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

    /// Who leads by now has perhaps answered the start that waits, while it followed (semantics T-62).
    fn leaders_answer_as_follower(&self) -> Option<Reply> {
        let call = self.charger.current.as_ref().filter(|call| self.is_told_as_follower(call))?;
        self.answer_on_row(call.transaction?, &self.leader).map(Reply::Result)
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
                call.flags.extend(decision.is_remembered.then_some("cache_on_outage"));
                let (reply, decider) = match (&decision.source, ballot.leaders_reply) {
                    (Some(source), Some(reply)) if *source == self.leader && !decision.is_remembered => {
                        (reply, Decider::Leader(source.clone()))
                    }
                    _ => {
                        let info = self.info_for_charger(&decision);
                        (Reply::result(format!(r#"{{"idTagInfo":{info}}}"#)), self.decider(&decision))
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
            Count::Open | Count::Undecided => match (self.unknown_card_reply(), ballot.leaders_reply) {
                (_, Some(reply @ Reply::Error { .. })) => {
                    let leader = self.leader.clone();
                    self.answer_charger(call, reply, Decider::Leader(leader));
                }
                (Some(reply), _) => {
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

    /// Whose answer the charger gets. Nobody says now what is remembered (semantics A-14).
    pub(super) fn decider(&self, decision: &Decision) -> Decider {
        match &decision.source {
            Some(_) if decision.is_remembered => Decider::Proxy("A-14"),
            Some(source) if self.leads(source) => Decider::Leader(source.clone()),
            Some(source) => Decider::Follower(source.clone()),
            None => Decider::Proxy("local_allow"),
        }
    }

    /// Remembers a decision for the start that follows.
    fn decide(&mut self, call: &ChargerCall, decision: Decision) {
        // What stands in the proxy's own list is found there again; what is no verdict of OCPP passes once, from the
        // leader, and is not put in its mouth again.
        let is_to_hold = decision.source.is_some() && is_verdict(&decision.info);
        let Some(tag) = payload::text(&call.payload, "idTag").filter(|_| is_to_hold) else { return };
        let until = self.now.unix_ms + in_ms(self.connection_timeout() + limits::DECISION_HOLDS);
        let facts = self.decisions.learn(&tag, decision, self.now.unix_ms, until);
        self.promise_facts(facts, [Side::Charger]);
    }

    /// The whole of what the source wrote, since its parts belong together. What overrules the leader holds
    /// for a day in the charger's cache, unless its source says otherwise (semantics A-13, A-23).
    pub(super) fn info_for_charger(&self, decision: &Decision) -> String {
        let is_leaders = decision.source.as_ref().is_some_and(|source| self.leads(source));
        let ends = payload::field(&decision.info, "expiryDate").is_some_and(|date| date != "null");
        if is_leaders || !decision.accepts() || ends {
            return decision.info.clone();
        }
        let tomorrow = self.now.unix_ms / 1_000 + limits::OVERRULED_FOR.as_secs() as i64;
        let Ok(expiry) = Timestamp::from_second(tomorrow) else { return decision.info.clone() };
        payload::with(&decision.info, "expiryDate", &format!("\"{expiry}\""))
    }
}
