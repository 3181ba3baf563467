//! Verdicts on cards: whose the charger hears, and that they are the same wherever it hears them
//! (semantics §5.2, §5.3, A-5).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::{
    BackofficeId, CallNote, CardPolicy, Decider, Missing, Plan, Role, Tick, UndecidedStart, UnknownCards,
    VerdictRule,
};
use serde_json::Value;

use super::{Answer, Judge, OpenCall};
use crate::world::content::{blanked, number};

/// So long a decision surely holds for the start that follows (semantics §5.3).
const DECISION_HOLDS: Duration = Duration::from_secs(170);
/// So long a remote start may announce its card (semantics A-30), a longer ConnectionTimeOut included.
const ANNOUNCED_FOR: Duration = Duration::from_secs(300);

/// What the charger heard about a card.
#[derive(Debug, Clone)]
struct Decision {
    status: String,
    /// `None` if it was remembered for want of somebody who says so now (semantics A-14).
    by: Option<BackofficeId>,
    at: Tick,
}

/// Who announced a card.
#[derive(Debug)]
struct Announced {
    by: BTreeSet<BackofficeId>,
    /// `None` for a reservation, which holds on.
    until: Option<Tick>,
}

/// What is known of cards and who decides about them.
#[derive(Debug, Default)]
pub(super) struct Cards {
    /// By card: the last verdict on an Authorize.
    decided: BTreeMap<String, Decision>,
    era_since: Tick,
    announced: BTreeMap<String, Announced>,
    /// By start: who may stop it as its own, and what the charger was told of its card under this plan and leader.
    owners: BTreeMap<String, BTreeSet<BackofficeId>>,
    told: BTreeMap<String, String>,
}

impl Cards {
    /// Others may decide from now on; what was decided before still holds for a while.
    pub(super) fn begin_era(&mut self, now: Tick) {
        self.era_since = now;
        self.told.clear();
    }

    /// What was decided about the card of this Authorize the charger never hears.
    pub(super) fn never_told(&mut self, request: &str) {
        self.decided.remove(&tag_in(&parsed(&request.replace('#', "0"))));
    }
}

/// What decides about a card by the plan.
#[derive(Debug, PartialEq, Eq)]
enum Authority {
    Listed,
    Routed(BackofficeId),
    Rule(VerdictRule),
}

fn authority(plan: &Plan, tag: &str) -> Authority {
    let cards = &plan.cards;
    let names = |patterns: &[engine::CardPattern]| patterns.iter().any(|pattern| pattern.matches(tag));
    if names(&cards.allow) {
        return Authority::Listed;
    }
    match cards.routes.iter().find(|route| names(&route.cards)) {
        Some(route) => Authority::Routed(route.backoffice.clone()),
        None => Authority::Rule(cards.rule),
    }
}

impl Judge {
    /// A card is named in a command that the charger is sent: who sends it decides about it from now on.
    pub(super) fn announced(
        &mut self,
        now: Tick,
        action: &str,
        payload: &str,
        askers: &[(BackofficeId, String)],
    ) {
        let until = match action {
            "RemoteStartTransaction" => Some(now + ANNOUNCED_FOR),
            "ReserveNow" => None,
            _ => return,
        };
        let tag = tag_in(&parsed(payload));
        let entry = self.cards.announced.entry(tag).or_insert(Announced { by: BTreeSet::new(), until });
        entry.by.extend(askers.iter().map(|(by, _)| by.clone()));
        entry.until = entry.until.zip(until).map(|(one, other)| one.max(other));
    }

    fn is_announced(&self, now: Tick, tag: &str) -> bool {
        self.cards.announced.get(tag).is_some_and(|entry| entry.until.is_none_or(|until| until > now))
    }

    /// Whether the leader alone decides about a card by the plan.
    fn is_planned_as_leaders(&self, tag: &str) -> bool {
        match authority(&self.plan, tag) {
            Authority::Listed => false,
            Authority::Routed(by) => by == self.leader,
            Authority::Rule(rule) => rule == VerdictRule::LeaderOnly,
        }
    }

    /// Whether the leader alone surely decides about a card.
    pub(super) fn is_the_leaders(&self, now: Tick, tag: &str) -> bool {
        self.is_planned_as_leaders(tag) && !self.is_announced(now, tag)
    }

    /// Whether it was ever announced by somebody, or others than the leader decide by the plan: its verdict may
    /// be put in another's answer.
    pub(super) fn may_be_anothers(&self, tag: &str) -> bool {
        self.plan.cards != CardPolicy::default() || self.cards.announced.contains_key(tag)
    }

    /// The charger is told of a card.
    pub(super) fn check_verdict(
        &mut self,
        now: Tick,
        call: &OpenCall,
        payload: Option<&str>,
        note: &CallNote,
    ) {
        if !self.promises.cards_are_decided {
            return;
        }
        let request = parsed(&call.payload);
        let tag = tag_in(&request);
        let answer = payload.map_or(Value::Null, parsed);
        let status = answer["idTagInfo"]["status"].as_str().map(str::to_owned);
        match call.action.as_str() {
            "Authorize" => {
                let broken = self.breach_of_policy(now, call, &tag, status.as_deref(), note);
                self.report(broken, call, payload, note);
                let by = source(&note.decider).cloned();
                let is_decided = by.is_some() || note.flags.contains(&"cache_on_outage");
                if let Some(status) = status.filter(|_| is_decided) {
                    self.cards.decided.insert(tag, Decision { status, by, at: now });
                }
            }
            "StartTransaction" => {
                let before =
                    self.cards.decided.get(&tag).filter(|decision| now.since(decision.at) < DECISION_HOLDS);
                let broken = match before.cloned() {
                    _ if note.decider == Decider::Proxy("T-20") => None,
                    // The leader, and who announces a card, say so anew at the start.
                    _ if self.is_planned_as_leaders(&tag) || self.is_announced(now, &tag) => None,
                    Some(before) if before.at < self.cards.era_since => None,
                    Some(before) => self.breach_of_memory(call, &before, status.as_deref()),
                    None => self.breach_of_policy(now, call, &tag, status.as_deref(), note),
                };
                self.report(broken, call, payload, note);
                self.remember_start(call, &tag, status, note);
            }
            "StopTransaction" => {
                let broken = self.breach_at_stop(now, call, &tag, status.as_deref());
                self.report(broken, call, payload, note);
            }
            _ => {}
        }
    }

    fn report(&mut self, broken: Option<String>, call: &OpenCall, payload: Option<&str>, note: &CallNote) {
        if let Some(broken) = broken {
            self.accuse(format!(
                "{broken}: {} {} was answered {payload:?} by {:?} {:?}",
                call.action, call.payload, note.decider, note.flags
            ));
        }
    }

    /// Those who have a say and have said something of this while there was time, in the order in which they did.
    /// Who was asked later may not have been there when the charger said it (semantics A-10).
    fn opinions(&self, call: &OpenCall) -> Vec<(&BackofficeId, String)> {
        let asked_at_once = self.verdicts_heard(call).filter(|(answer, _)| answer.asked_at == call.since);
        asked_at_once.map(|(answer, said)| (&answer.by, said)).collect()
    }

    /// Whether this may be what was said first: by who was asked at once, or before that by one that was asked later,
    /// since it was still at something else.
    fn may_be_first(&self, call: &OpenCall, deciders: &[&BackofficeId], status: Option<&str>) -> bool {
        for (answer, said) in self.verdicts_heard(call).filter(|(answer, _)| deciders.contains(&&answer.by)) {
            if Some(&*said) == status {
                return true;
            }
            if answer.asked_at == call.since {
                return false;
            }
        }
        true
    }

    /// What those who have a say have said of this while there was time, in the order in which they did.
    fn verdicts_heard(&self, call: &OpenCall) -> impl Iterator<Item = (&Answer, String)> {
        let message = (call.action.clone(), blanked(&call.payload));
        let answers = self.answers.get(&message).into_iter().flatten();
        let (since, wait) = (call.since, self.plan.cards.wait);
        let in_time = move |answer: &Answer| {
            answer.asked_at >= since && answer.in_time && answer.at.since(since) < wait
        };
        let has_a_say = |by: &BackofficeId| {
            *by == self.leader || self.plan.role(by).is_some_and(|role| role != Role::Observer)
        };
        let opinion = |answer: &'_ Answer| {
            let payload = parsed(&answer.payload.as_deref()?.replace('#', "0"));
            payload["idTagInfo"]["status"].as_str().map(str::to_owned)
        };
        let heard = answers.filter(move |answer| in_time(answer) && has_a_say(&answer.by));
        heard.filter_map(move |answer| Some((answer, opinion(answer)?)))
    }

    /// What is wrong with a verdict by the plan's policy.
    fn breach_of_policy(
        &self,
        now: Tick,
        call: &OpenCall,
        tag: &str,
        status: Option<&str>,
        note: &CallNote,
    ) -> Option<String> {
        // The same said again has the answer of the first time (semantics T-20).
        let is_told_again = note.decider == Decider::Proxy("T-20");
        // Without a number the leader's error passes: the charger says it again.
        let is_error = call.action == "StartTransaction" && status.is_none();
        if is_told_again || is_error || self.is_announced(now, tag) || call.since <= self.cards.era_since {
            return None;
        }
        let accepted = status == Some("Accepted");
        let opinions = self.opinions(call);
        let of =
            |who: &BackofficeId| opinions.iter().find(|(by, _)| *by == who).map(|(_, said)| said.as_str());
        let mut deciders = self.plan.deciders();
        if !deciders.contains(&&self.leader) {
            deciders.iter_mut().filter(|id| ***id == self.plan.leader).for_each(|id| *id = &self.leader);
        }
        let heard: Vec<_> = opinions.iter().filter(|(by, _)| deciders.contains(by)).collect();
        let is_wrong = match authority(&self.plan, tag) {
            Authority::Listed => {
                let is_remembered = note.flags.contains(&"decided_before");
                !accepted && (self.promises.list_outranks_memory || !is_remembered)
            }
            Authority::Routed(by) => of(&by).is_some_and(|said| Some(said) != status),
            Authority::Rule(VerdictRule::LeaderOnly) => false,
            Authority::Rule(VerdictRule::AnyAccept) => {
                !accepted && heard.iter().any(|(_, said)| said == "Accepted")
            }
            Authority::Rule(VerdictRule::AllAccept(_)) => {
                accepted && heard.iter().any(|(_, said)| said != "Accepted")
            }
            Authority::Rule(VerdictRule::Ordered(_)) => {
                !accepted && deciders.first().is_some_and(|first| of(first) == Some("Accepted"))
            }
            Authority::Rule(VerdictRule::FirstAnswer) => !self.may_be_first(call, &deciders, status),
        };
        let rule = || format!("{:?} of {deciders:?}, {opinions:?}", authority(&self.plan, tag));
        if is_wrong {
            return Some(format!("§5.2: by {}", rule()));
        }
        let is_refusal = status.is_some_and(|status| status != "Accepted");
        let is_made_up =
            is_refusal && matches!(note.decider, Decider::Proxy(_)) && !self.was_ever_said(tag, status);
        let may_refuse = match call.action.as_str() {
            "Authorize" => self.plan.outage.unknown_cards == UnknownCards::Refuse,
            _ => self.may_refuse_undecided(tag, status.unwrap_or_default()),
        };
        (is_made_up && !may_refuse).then(|| format!("A-14: nobody decided by {}", rule()))
    }

    /// Whether a card may be accepted at its start though the leader once said otherwise: by the plan itself, or
    /// because somebody has announced it.
    pub(super) fn may_accept_undecided(&self, tag: &str) -> bool {
        let is_planned_so = self.plan.cards.undecided_start == UndecidedStart::Accept;
        authority(&self.plan, tag) == Authority::Listed
            || is_planned_so
            || self.cards.announced.contains_key(tag)
    }

    /// Whether the plan refuses a card at its start about which nobody said anything.
    pub(super) fn may_refuse_undecided(&self, tag: &str, status: &str) -> bool {
        let missing = matches!(self.plan.cards.rule, VerdictRule::AllAccept(Missing::Refuse));
        let refuses = missing && !self.is_planned_as_leaders(tag)
            || self.plan.cards.undecided_start == UndecidedStart::Refuse;
        refuses && status == "Invalid"
    }

    /// Whether it was said while others decided: what was asked of them then still counts.
    pub(super) fn is_of_another_era(&self, call: &OpenCall) -> bool {
        call.since <= self.cards.era_since
    }

    /// Whether any backoffice has ever said this of a card.
    fn was_ever_said(&self, tag: &str, status: Option<&str>) -> bool {
        self.who_said(tag, status).next().is_some()
    }

    /// Who has ever said this of a card.
    fn who_said(&self, tag: &str, status: Option<&str>) -> impl Iterator<Item = &BackofficeId> {
        let is_it = move |message: &super::Message| tag_in(&parsed(&message.1.replace('#', "0"))) == tag;
        let of_it = self.answers.iter().filter(move |(message, _)| is_it(message));
        let says = move |answer: &&Answer| {
            let payload = answer.payload.as_deref().map(|payload| parsed(&payload.replace('#', "0")));
            payload.is_some_and(|payload| payload["idTagInfo"]["status"].as_str() == status)
        };
        of_it.flat_map(|(_, answers)| answers).filter(says).map(|answer| &answer.by)
    }

    /// a start is told what its Authorize was, unless who decided has changed its mind.
    fn breach_of_memory(&self, call: &OpenCall, before: &Decision, status: Option<&str>) -> Option<String> {
        let message = (call.action.clone(), blanked(&call.payload));
        let mut answers = self.answers.get(&message).into_iter().flatten();
        let changed_its_mind = answers.any(|answer| {
            let payload = answer.payload.as_deref().map(|payload| parsed(&payload.replace('#', "0")));
            before.by.as_ref() == Some(&answer.by)
                && payload.is_some_and(|payload| payload["idTagInfo"]["status"].as_str() == status)
        });
        // An answer without a verdict has none that could differ.
        let is_same = status.is_none_or(|status| status == before.status);
        (!is_same && !changed_its_mind).then(|| format!("A-5: its Authorize was decided {before:?}"))
    }

    fn remember_start(&mut self, call: &OpenCall, tag: &str, status: Option<String>, note: &CallNote) {
        let start = blanked(&call.payload);
        if let Some(status) = status {
            self.cards.told.insert(start.clone(), status);
        }
        let announced = self.cards.announced.get(tag).into_iter().flat_map(|entry| entry.by.iter().cloned());
        // What was remembered stays the verdict of whoever had said it.
        let decided: Vec<BackofficeId> = match self.cards.decided.get(tag) {
            Some(Decision { by: Some(by), .. }) => vec![by.clone()],
            Some(remembered) => self.who_said(tag, Some(&remembered.status)).cloned().collect(),
            None => Vec::new(),
        };
        let routed = match authority(&self.plan, tag) {
            Authority::Routed(by) => Some(by),
            Authority::Listed | Authority::Rule(_) => None,
        };
        // What was booked in the leader's place may rest on what others said.
        let message = (call.action.clone(), start.clone());
        let spoke =
            self.answers.get(&message).into_iter().flatten().filter(|answer| answer.payload.is_some());
        let spoke: Vec<BackofficeId> = match note.decider {
            Decider::Proxy(_) => spoke.map(|answer| answer.by.clone()).collect(),
            _ => Vec::new(),
        };
        let owners: Vec<BackofficeId> = announced
            .chain(decided)
            .chain(routed)
            .chain(source(&note.decider).cloned())
            .chain(spoke)
            .collect();
        self.cards.owners.entry(start).or_default().extend(owners);
    }

    /// what the charger hears at the end is what it heard at the beginning.
    fn breach_at_stop(&self, now: Tick, call: &OpenCall, tag: &str, status: Option<&str>) -> Option<String> {
        let told = self.told.get(&number(&call.payload, "transactionId")?)?;
        let before = self.cards.told.get(told)?;
        let may_be_the_leaders = self.is_planned_as_leaders(tag) || self.is_announced(now, tag);
        let differs = status.is_some_and(|status| status != before);
        (differs && !may_be_the_leaders).then(|| format!("A-5: its start was told {before}"))
    }

    /// Whether a backoffice may call the transaction behind a number of the charger's its own (semantics A-20).
    pub(super) fn owns_session(&self, by: &BackofficeId, told: i64) -> bool {
        let Some(start) = self.told.get(&told) else { return true };
        self.cards.owners.get(start).is_none_or(|owners| owners.contains(by))
    }

    /// I-2: a follower's verdict is one that it gave, on this or on the Authorize before it; or it has announced
    /// the card.
    pub(super) fn check_follower_decided(
        &mut self,
        now: Tick,
        by: &BackofficeId,
        call: &OpenCall,
        payload: Option<&str>,
    ) {
        let tag = tag_in(&parsed(&call.payload));
        let status =
            payload.map(parsed).and_then(|answer| Some(answer["idTagInfo"]["status"].as_str()?.to_owned()));
        let gave = self.answers.iter().any(|(message, answers)| {
            tag_in(&parsed(&message.1.replace('#', "0"))) == tag
                && answers.iter().any(|answer| {
                    let given = answer.payload.as_deref().map(|given| parsed(&given.replace('#', "0")));
                    answer.by == *by
                        && given
                            .is_some_and(|given| given["idTagInfo"]["status"].as_str() == status.as_deref())
                })
        });
        let announced = self.cards.announced.get(&tag).is_some_and(|entry| entry.by.contains(by));
        let is_card = matches!(call.action.as_str(), "Authorize" | "StartTransaction");
        let is_the_leaders = self.is_the_leaders(now, &tag)
            && self.plan.cards.fallback.is_empty()
            && !self.is_of_another_era(call);
        // Where the leader says nothing of the card, nothing is put in its place.
        let leaves_it = status.is_none() && call.action == "StartTransaction";
        if !is_card || !(gave || announced || leaves_it) || is_the_leaders {
            self.accuse(format!(
                "I-2: the charger's {} {} was answered {payload:?} in the name of {by}",
                call.action, call.payload
            ));
        }
    }
}

/// Whose verdict it was; `None` for one of the proxy's own.
fn source(decider: &Decider) -> Option<&BackofficeId> {
    match decider {
        Decider::Leader(by) | Decider::Follower(by) => Some(by),
        Decider::Charger | Decider::Proxy(_) | Decider::Nobody => None,
    }
}

fn tag_in(request: &Value) -> String {
    request["idTag"].as_str().unwrap_or_default().to_lowercase()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}
