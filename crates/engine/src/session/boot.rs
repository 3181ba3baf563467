//! Boot: what the charger said of itself, who accepted it, and when commands may begin
//! (semantics §4.1, §4.4, B-10 to B-18).

use std::collections::VecDeque;
use std::time::Duration;

use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use crate::session::charger::ChargerCall;
use crate::session::outbox::{Asked, Purpose};
use crate::session::{Reply, Session};
use crate::{BackofficeId, Fact, Record, Side, Text, Tick, limits, payload};

/// `status` of a BootNotification.conf (OCPP 1.6 §6.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    Accepted,
    Pending,
    Rejected,
}

impl Verdict {
    /// The word on the wire.
    pub(super) fn label(self) -> &'static str {
        match self {
            Verdict::Accepted => "Accepted",
            Verdict::Pending => "Pending",
            Verdict::Rejected => "Rejected",
        }
    }

    fn read(answer: &str) -> Option<Self> {
        match &*payload::text(answer, "status")? {
            "Accepted" => Some(Verdict::Accepted),
            "Pending" => Some(Verdict::Pending),
            "Rejected" => Some(Verdict::Rejected),
            _ => None,
        }
    }
}

/// What survives: reconnecting does not imply BootNotification (semantics B-3).
#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered {
    /// The charger's last BootNotification, as it sent it.
    request: Option<String>,
    /// What each backoffice answered to it.
    verdicts: LiteMap<BackofficeId, Verdict>,
    /// The leader's interval, in seconds.
    interval_s: Option<i64>,
    /// The charger was told that it is accepted, by whomever.
    #[serde(default)]
    is_believed: bool,
}

/// The boot state of this session.
#[derive(Debug, Default)]
pub(super) struct Boot {
    remembered: Remembered,
    /// The leader's verdict as the charger was told it on this connection, and when.
    told: Option<(Verdict, Tick)>,
    /// When followers last heard of a boot.
    told_followers: Option<Tick>,
    recent: VecDeque<Tick>,
}

/// Whether commands may go to the charger (semantics B-17, E14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// They may.
    Open,
    /// Not before then.
    Until(Tick),
    /// Not until something happens.
    Closed,
}

impl Boot {
    pub(super) const FACT: &'static str = "boot";

    pub(super) fn remember(&mut self, body: &str) {
        self.remembered = serde_json::from_str(body).unwrap_or_default();
    }

    pub(super) fn charger_arrived(&mut self) {
        self.told = None;
    }

    pub(super) fn verdict_of(&self, id: &BackofficeId) -> Option<Verdict> {
        self.remembered.verdicts.get(id).copied()
    }

    pub(super) fn request(&self) -> Option<&str> {
        self.remembered.request.as_deref()
    }

    /// Whether the charger believes that it is accepted.
    pub(super) fn is_believed(&self) -> bool {
        self.remembered.is_believed
    }

    /// When the charger was told on this connection that it is accepted, if that was the last it was told.
    pub(super) fn accepted_at(&self) -> Option<Tick> {
        self.told.filter(|(verdict, _)| *verdict == Verdict::Accepted).map(|(_, when)| when)
    }

    /// The interval the leader gave the charger.
    pub(super) fn heartbeat_interval(&self) -> Duration {
        self.remembered
            .interval_s
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map_or(limits::HEARTBEAT_DEFAULT, Duration::from_secs)
    }

    /// Whether followers hear of this boot: of a loop they hear once a minute (semantics B-18).
    pub(super) fn tells_followers(&mut self, now: Tick) -> bool {
        let loops = self.recent.len() >= limits::BOOT_LOOP_COUNT;
        let tells =
            !loops || self.told_followers.is_none_or(|when| now.since(when) >= limits::BOOT_LOOP_COPIES);
        if tells {
            self.told_followers = Some(now);
        }
        tells
    }

    fn fact(&self) -> Record {
        let body = serde_json::to_string(&self.remembered).expect("plain data is always JSON");
        Record::Fact(Fact { key: Self::FACT.to_owned(), body: Some(body) })
    }
}

impl Session {
    pub(super) fn boot_received(&mut self, call: &mut ChargerCall) {
        let now = self.now.tick;
        let recent = &mut self.boot.recent;
        recent.retain(|when| now.since(*when) < limits::BOOT_LOOP_WINDOW);
        if recent.len() == limits::BOOT_LOOP_COUNT * 2 {
            recent.pop_front();
        }
        recent.push_back(now);
        if recent.len() == limits::BOOT_LOOP_COUNT {
            call.flags.push("boot_loop");
            self.alert("boot_loop", "the charger sends BootNotification again and again");
        }
        // A real boot asks everyone anew.
        self.boot.remembered.request = Some(call.payload.to_string());
        self.boot.remembered.verdicts.clear();
        self.boot.told = None;
        self.configuration.charger_booted();
        // Who has not accepted the charger yet still hears of nothing else first.
        for link in self.links.iter_mut().filter(|link| link.boot == Some(Verdict::Accepted)) {
            link.boot = None;
        }
    }

    /// What a backoffice says to a boot holds for that backoffice.
    pub(super) fn boot_answered(&mut self, at: usize, asked: &Asked, reply: &Reply) {
        let Reply::Result(answer) = reply else { return self.boot_unsettled(at) };
        let Some(verdict) = Verdict::read(answer) else { return self.boot_unsettled(at) };
        let interval = payload::integer(answer, "interval").filter(|seconds| *seconds > 0);
        let heartbeat = interval.map_or(limits::HEARTBEAT_DEFAULT, |seconds| {
            let (low, high) = limits::HEARTBEAT_SECONDS.into_inner();
            Duration::from_secs(seconds.clamp(low, high).unsigned_abs())
        });
        self.links[at].boot = Some(verdict);
        if verdict == Verdict::Accepted {
            self.set_heartbeat(at, heartbeat);
        }
        let id = self.links[at].id.clone();
        if verdict == Verdict::Accepted {
            self.heartbeat_is_named(&id);
        }
        if asked.led {
            self.boot.remembered.interval_s = interval;
            self.check_clock(&id, reply);
        }
        self.boot.remembered.verdicts.insert(id.clone(), verdict);
        if verdict != Verdict::Accepted && !asked.led {
            self.alert("not_accepted", format!("{id} answered the charger's boot with {verdict:?}"));
        }
        let fact = self.boot.fact();
        self.promise(fact, []);
        if !self.is_heard_by_charger(asked) {
            self.boot_settled(at, verdict, interval, asked.copy.purpose);
        }
    }

    fn is_heard_by_charger(&self, asked: &Asked) -> bool {
        asked.copy.purpose == Purpose::ChargerWaits
            && self.charger.current.as_ref().is_some_and(|call| call.asks == asked.copy.trace)
    }

    fn charger_is_told(&mut self, verdict: Verdict) {
        self.boot.told = Some((verdict, self.now.tick));
        let is_believed = verdict == Verdict::Accepted;
        if is_believed {
            self.review_local_lists();
        }
        if std::mem::replace(&mut self.boot.remembered.is_believed, is_believed) != is_believed {
            let fact = self.boot.fact();
            self.promise(fact, [Side::Charger]);
        }
    }

    /// The answer to a boot in the leader's place: what the charger was told before. One that was never
    /// accepted is told to wait (semantics T-65).
    pub(super) fn boot_in_leaders_place(&mut self) -> Reply {
        let time = self.now.to_ocpp();
        let (verdict, interval) = if self.boot.is_believed() {
            (Verdict::Accepted, self.boot.heartbeat_interval().as_secs())
        } else {
            (Verdict::Pending, limits::BOOT_PENDING_SECONDS.into())
        };
        self.charger_is_told(verdict);
        // The leader hears of this boot when it is back, even if the program ends before.
        let fact = self.boot.fact();
        self.promise(fact, [Side::Charger]);
        let body = format!(r#"{{"status":"{verdict:?}","currentTime":"{time}","interval":{interval}}}"#);
        Reply::result(body)
    }

    pub(super) fn set_heartbeat(&mut self, at: usize, interval: Duration) {
        let link = &mut self.links[at];
        link.heartbeat = interval;
        link.heartbeat_from(self.now.tick);
    }

    /// The leader's answer, its interval kept within bounds (semantics B-10).
    pub(super) fn boot_reply(&mut self, answer: Text) -> Reply {
        if let Some(verdict) = Verdict::read(&answer) {
            self.charger_is_told(verdict);
        }
        let token = payload::field(&answer, "interval");
        match token.and_then(|t| t.parse::<i64>().ok()) {
            Some(seconds) if seconds != 0 && !limits::HEARTBEAT_SECONDS.contains(&seconds) => {
                let (low, high) = limits::HEARTBEAT_SECONDS.into_inner();
                let bounded = seconds.clamp(low, high).to_string();
                Reply::result(payload::replaced(&answer, token.unwrap_or_default(), &bounded))
            }
            _ => Reply::Result(answer),
        }
    }

    /// Whether this backoffice's commands may go to the charger now.
    pub(super) fn gate(&self, leads: bool, starts_or_stops: bool) -> Gate {
        match self.boot.told {
            Some((Verdict::Accepted, when)) => Gate::Until(when + limits::AFTER_BOOT),
            // While Pending the charger answers, but starts and stops nothing (OCPP 1.6 §4.2).
            Some((Verdict::Pending, when)) if leads && !starts_or_stops => {
                Gate::Until(when + limits::AFTER_BOOT)
            }
            Some((Verdict::Pending | Verdict::Rejected, _)) => Gate::Closed,
            None if self.is_booting() => Gate::Closed,
            // Accepted on an earlier connection: it may still boot at once, or never.
            None if self.boot.verdict_of(&self.leader) == Some(Verdict::Accepted) => {
                if self.charger.has_called {
                    Gate::Open
                } else {
                    Gate::Until(self.charger.arrived() + limits::BOOT_EXPECTED)
                }
            }
            None => Gate::Until(self.charger.arrived() + limits::BOOT_HOLD),
        }
    }

    pub(super) fn is_booting(&self) -> bool {
        self.charger.current.as_ref().is_some_and(|call| call.name() == "BootNotification")
    }

    /// Whether a follower's own boot verdict forbids its commands (semantics B-12).
    pub(super) fn is_refused_by(&self, id: &BackofficeId) -> bool {
        !self.leads(id)
            && self
                .at(id)
                .is_some_and(|at| matches!(self.links[at].boot, Some(Verdict::Pending | Verdict::Rejected)))
    }

    /// The charger's clock follows the leader's (semantics B-33).
    pub(super) fn check_clock(&mut self, id: &BackofficeId, reply: &Reply) {
        let Reply::Result(answer) = reply else { return };
        if !self.leads(id) {
            return;
        }
        let Some(time) = payload::text(answer, "currentTime") else { return };
        let Some(time) = crate::time::instant(&time) else {
            return self.alert("bad_current_time", format!("{id} sent a currentTime that is no timestamp"));
        };
        let apart = (time.as_millisecond() - self.now.unix_ms).unsigned_abs();
        if apart > limits::CLOCK_ALERT.as_millis() as u64 {
            self.alert("clock_skew", format!("the clock of {id} differs by {} s", apart / 1000));
        }
    }
}
