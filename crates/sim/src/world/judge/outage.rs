//! The leader's place while it is away: what the proxy may answer, and when (semantics §2.9, §5.5).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::{BackofficeId, Delivery, Keep, OnLeaderLost, Plan, Record, Side, Tick, UnknownCards};
use serde_json::Value;

use super::{Judge, Message, OpenCall};
use crate::world::content::blanked;
use crate::world::store::Kept;

/// The rules by which the proxy answers in the leader's place.
pub(super) const STAND_IN_RULES: [&str; 5] = ["T-65", "T-66", "E16", "E17", "E18"];

/// No call is answered for its leader's silence sooner than this (semantics F-25).
const SHORTEST_DEADLINE: Duration = Duration::from_millis(4_900);
/// A charger that is to be sent away is, at most so long after.
const SOON: Duration = Duration::from_secs(2);

/// What is known of leaders that are away.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// Since when backoffices have no link.
    away_since: BTreeMap<BackofficeId, Tick>,
    /// When the plan changed last, another led last, and the charger came last.
    plan_since: Tick,
    led_since: Tick,
    charger_since: Tick,
    /// What waits in the lanes as the session sees it; and in whose lane something did before this answer.
    lanes: BTreeMap<BackofficeId, BTreeSet<u64>>,
    waited: BTreeSet<BackofficeId>,
    /// Verdicts of leaders on cards, ever; and the cards of which the session must know one.
    verdicts: BTreeMap<String, BTreeSet<String>>,
    known_cards: BTreeSet<String>,
    /// Whether a backoffice accepted the charger when it was asked last.
    accepted: BTreeMap<BackofficeId, bool>,
    has_been_accepted: bool,
    /// The last call whose leader was silent for too long.
    last_silence: Option<(Tick, Message)>,
}

impl Outages {
    pub(super) fn plan_changed(&mut self, now: Tick, plan: &Plan) {
        self.plan_since = now;
        self.away_since.retain(|id, _| plan.names(id));
    }

    pub(super) fn another_leads(&mut self, now: Tick) {
        self.led_since = now;
    }

    pub(super) fn charger_came(&mut self, now: Tick) {
        self.charger_since = now;
    }

    /// What waits now is a reason for the next answer.
    pub(super) fn look_at_lanes(&mut self) {
        let waiting = self.lanes.iter().filter(|(_, lane)| !lane.is_empty());
        self.waited = waiting.map(|(id, _)| id.clone()).collect();
    }

    /// `waits` tells of a message that the charger waits for: what it says is no reason for its own answer.
    pub(super) fn keeps(&mut self, keep: &Keep, waits: impl Fn(&Delivery) -> bool) {
        for record in &keep.records {
            match record {
                Record::Delivery(delivery) => {
                    if delivery.action == "StartTransaction" && delivery.parked.is_none() && !waits(delivery)
                    {
                        // A start that the charger has given up is told before what it says now.
                        self.waited.insert(delivery.backoffice.clone());
                    }
                    let lane = self.lanes.entry(delivery.backoffice.clone()).or_default();
                    match delivery.parked {
                        None => lane.insert(delivery.number),
                        Some(_) => lane.remove(&delivery.number),
                    };
                }
                Record::Delivered { backoffice, number } => {
                    self.lanes.entry(backoffice.clone()).or_default().remove(number);
                }
                Record::Transaction(_) | Record::Fact(_) => {}
            }
        }
    }
}

impl Judge {
    /// A session begins with what is kept.
    pub(in crate::world) fn session_begins(&mut self, now: Tick, kept: &Kept) {
        // A lead that was passed on is passed back only when the plan's leader is there (semantics §2.11).
        if let OnLeaderLost::Failover(failover) = &self.plan.outage.on_leader_lost
            && let Some(led) = kept.leader().filter(|led| failover.to.contains(led))
        {
            self.settings.another_leads(&self.leader, &led, &self.plan);
            self.leader = led;
        }
        self.outage.lanes = kept.lanes().map(|(id, waiting)| (id.clone(), waiting.collect())).collect();
        self.outage.away_since = self.plan.backoffices().map(|id| (id.clone(), now)).collect();
        self.outage.led_since = now;
    }

    /// Not everything that the session knew is kept.
    pub(super) fn forget_outages(&mut self) {
        self.outage.known_cards.clear();
    }

    pub(super) fn watch_links(&mut self, now: Tick) {
        for id in self.plan.backoffices().chain([&self.leader]) {
            if self.peers.get(&Side::Backoffice(id.clone())).is_some_and(|peer| peer.up) {
                self.outage.away_since.remove(id);
            } else {
                self.outage.away_since.entry(id.clone()).or_insert(now);
            }
        }
    }

    /// Since when a backoffice has no link.
    pub(super) fn away_since(&self, id: &BackofficeId) -> Option<Tick> {
        self.outage.away_since.get(id).copied()
    }

    /// A backoffice answered something of the charger's.
    pub(super) fn verdict_heard(
        &mut self,
        now: Tick,
        by: &BackofficeId,
        (action, request): &Message,
        led: bool,
        in_time: bool,
        answer: Result<&str, &str>,
    ) {
        let payload = answer.map_or(Value::Null, parsed);
        if action == "BootNotification" {
            let accepts = payload["status"] == "Accepted";
            self.outage.accepted.insert(by.clone(), accepts);
            self.settings.heartbeat_named(by);
            self.outage.has_been_accepted |= accepts;
        }
        let request = parsed(&request.replace('#', "0"));
        let tag = request["idTag"].as_str().map(str::to_lowercase);
        let status = payload["idTagInfo"]["status"].as_str();
        let leads = *by == self.leader;
        if let (Some(tag), Some(status)) = (tag, status)
            && (led || leads || self.may_be_anothers(&tag))
        {
            self.outage.verdicts.entry(tag.clone()).or_default().insert(status.to_owned());
            let is_remembered = leads && led && self.is_the_leaders(now, &tag);
            if in_time && is_remembered && status != "ConcurrentTx" {
                self.outage.known_cards.insert(tag);
            }
        }
    }

    /// The proxy answered the charger by a rule of its own.
    pub(super) fn check_stand_in(&mut self, now: Tick, rule: &str, call: &OpenCall, payload: Option<&str>) {
        if !STAND_IN_RULES.contains(&rule) {
            return;
        }
        self.summary.stand_ins += 1;
        let leader = self.leader.clone();
        let has_reason = match rule {
            "T-65" => !self.is_there(&leader),
            "T-66" => self.outage.waited.contains(&leader) || self.is_told_something(&leader),
            "E18" => self.plan.outage.absorb_leader_errors,
            _ => self.waited_in_vain(now, call) && !self.has_gone(&leader),
        };
        if !has_reason {
            let is_there = if self.has_gone(&leader) { "is away, not slow" } else { "is there" };
            self.accuse(format!("{rule}: the proxy answered {} though {leader} {is_there}", call.action));
        }
        let answer = payload.map(parsed);
        if !self.may_stand_in(call, answer.as_ref()) {
            self.accuse(format!(
                "T-65: in place of {leader} the proxy answered {} {} with {payload:?} by {rule}",
                call.action, call.payload
            ));
        }
    }

    /// The same said twice is asked once, and answered at the same time.
    fn waited_in_vain(&mut self, now: Tick, call: &OpenCall) -> bool {
        let message = (call.action.clone(), call.payload.clone());
        let is_same = self.outage.last_silence.as_ref() == Some(&(now, message.clone()));
        let waited = now.since(call.since) >= SHORTEST_DEADLINE;
        self.outage.last_silence = Some((now, message));
        waited || is_same
    }

    /// Whether the proxy may answer this in anybody's place (semantics T-65).
    fn may_stand_in(&self, call: &OpenCall, answer: Option<&Value>) -> bool {
        match (call.action.as_str(), answer) {
            ("Authorize", answer) => self.is_verdict(call, answer),
            ("Heartbeat", Some(answer)) => answer["currentTime"].is_string(),
            ("BootNotification", Some(answer)) => self.is_boot_answer(answer),
            ("StartTransaction", Some(answer)) => {
                answer["transactionId"].is_i64() && self.is_verdict_of_start(call, answer)
            }
            (
                "StopTransaction"
                | "MeterValues"
                | "SecurityEventNotification"
                | "StatusNotification"
                | "DiagnosticsStatusNotification"
                | "FirmwareStatusNotification",
                answer,
            ) => answer.is_some_and(|answer| answer.as_object().is_some_and(serde_json::Map::is_empty)),
            ("Heartbeat" | "BootNotification" | "StartTransaction", None) => false,
            // Nobody else's decision is made up.
            (_, answer) => answer.is_none(),
        }
    }

    /// Whether a backoffice has a link and has accepted the charger (semantics B-15).
    fn is_there(&self, id: &BackofficeId) -> bool {
        let Some(peer) = self.peers.get(&Side::Backoffice(id.clone())) else { return false };
        let is_booting = peer.outstanding.as_ref().is_some_and(|call| call.action == "BootNotification");
        peer.up && !is_booting && self.outage.accepted.get(id) == Some(&true)
    }

    /// Whether a backoffice has no link, and not only since this moment.
    fn has_gone(&self, id: &BackofficeId) -> bool {
        !self.is_up(&Side::Backoffice(id.clone())) && self.away_since(id).is_some()
    }

    /// Whether a backoffice has not answered what it was told last.
    fn is_told_something(&self, id: &BackofficeId) -> bool {
        self.peers.get(&Side::Backoffice(id.clone())).is_some_and(|peer| peer.outstanding.is_some())
    }

    /// Accepted only if somebody has accepted the charger before (semantics T-65).
    fn is_boot_answer(&self, answer: &Value) -> bool {
        let may_be = match answer["status"].as_str() {
            Some("Pending") => true,
            Some("Accepted") => self.outage.has_been_accepted,
            _ => false,
        };
        may_be && answer["currentTime"].is_string() && answer["interval"].as_i64().is_some_and(|s| s > 0)
    }

    /// A verdict that a leader has given; without one the plan says what becomes of the card
    /// (semantics §5.5).
    fn is_verdict(&self, call: &OpenCall, answer: Option<&Value>) -> bool {
        let tag = tag_of(call);
        let status = answer.map(|answer| answer["idTagInfo"]["status"].as_str().unwrap_or_default());
        let given = self.outage.verdicts.get(&tag);
        let is_remembered = status.is_some_and(|status| given.is_some_and(|given| given.contains(status)));
        let is_policy = match self.plan.outage.unknown_cards {
            UnknownCards::ChargerDecides => status.is_none(),
            UnknownCards::Refuse => status == Some("Invalid"),
            UnknownCards::Accept => status == Some("Accepted"),
        };
        is_remembered || is_policy && !self.outage.known_cards.contains(&tag)
    }

    /// The charger has started already: what nobody knows is accepted, and settled later.
    fn is_verdict_of_start(&self, call: &OpenCall, answer: &Value) -> bool {
        let tag = tag_of(call);
        let status = answer["idTagInfo"]["status"].as_str().unwrap_or_default();
        // A follower that was asked the same and leads now counts, too (semantics T-62).
        let message = (call.action.clone(), blanked(&call.payload));
        let mut answers = self.answers.get(&message).into_iter().flatten();
        let gave = |payload: &str| parsed(&payload.replace('#', "0"))["idTagInfo"]["status"] == status;
        let was_given = answers.any(|answer| answer.payload.as_deref().is_some_and(gave));
        let is_remembered = self.outage.verdicts.get(&tag).is_some_and(|given| given.contains(status));
        was_given
            || is_remembered
            || status == "Accepted" && !self.outage.known_cards.contains(&tag)
            || status == "Accepted" && self.may_accept_undecided(&tag)
            || self.may_refuse_undecided(&tag, status)
            || status == "Invalid" && self.is_of_another_era(call)
    }

    /// Where nobody answers in the leader's place, the charger waits no longer than the grace, which is
    /// stretched so that not all leave at once (semantics T-69).
    pub(super) fn check_mirror(&mut self, now: Tick) {
        let outage = &self.plan.outage;
        if outage.on_leader_lost != OnLeaderLost::Mirror || !self.is_up(&Side::Charger) {
            return;
        }
        let Some(away) = self.away_since(&self.leader) else { return };
        let Outages { plan_since, led_since, charger_since, .. } = self.outage;
        let since = away.max(plan_since).max(led_since).max(charger_since);
        if now.since(since) > outage.grace * 2 + SOON {
            self.accuse(format!("T-65: {} is away since {away:?}, and the charger is here", self.leader));
        }
    }

    /// The charger is sent away because its leader is lost.
    pub(super) fn check_sent_away(&mut self, now: Tick) {
        let Some(charger) = self.peers.get(&Side::Charger) else { return };
        let waits = charger.open.iter().any(|call| now.since(call.since) >= SHORTEST_DEADLINE);
        let away = self.away_since(&self.leader).map(|since| now.since(since));
        let outage = &self.plan.outage;
        let is_mirrored = outage.on_leader_lost == OnLeaderLost::Mirror;
        // One that has not accepted the charger may be as good as away for longer (semantics B-15).
        let refuses = self.outage.accepted.get(&self.leader) != Some(&true);
        let is_over =
            !self.is_there(&self.leader) && (refuses || away.is_none_or(|away| away >= outage.grace));
        if !is_mirrored || !(waits || is_over) {
            self.accuse(format!(
                "T-65: the charger was sent away under {:?} while {} is away for {away:?}",
                outage.on_leader_lost, self.leader
            ));
        }
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

pub(super) fn tag_of(call: &OpenCall) -> String {
    parsed(&call.payload)["idTag"].as_str().unwrap_or_default().to_lowercase()
}
