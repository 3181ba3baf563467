//! What happens by chance, and how it stops.

use std::sync::Arc;
use std::time::Duration;

use engine::{BackofficeId, Departure, Event, Follower, Plan, Role, Side};

use super::World;
use super::links::{Happening, Whim};
use super::options::{COMMON_CARD, pick};

impl World {
    pub(super) fn plan_whims(&mut self) {
        for whim in [
            Whim::Driver,
            Whim::ChargerDrops,
            Whim::ChargerTalksNonsense,
            Whim::BackofficeDrops,
            Whim::PlanChanges,
            Whim::Crash,
            Whim::Drain,
            Whim::StoreFails,
            Whim::Stall,
            Whim::Outage,
            Whim::SecurityEvent,
        ] {
            self.plan_whim(whim);
        }
        self.plan_wild_whims();
    }

    fn plan_whim(&mut self, whim: Whim) {
        let options = &self.options;
        let every = match whim {
            Whim::Driver => Some(options.drivers_every),
            Whim::ChargerDrops => options.charger_drops_every,
            Whim::ChargerTalksNonsense => options.charger_garbage_every,
            Whim::BackofficeDrops => options.backoffice_drops_every,
            Whim::PlanChanges => options.plan_changes_every,
            Whim::Crash => options.crashes_every,
            Whim::Drain => options.drains_every,
            Whim::StoreFails => options.store_failures_every,
            Whim::Stall => options.stalls_every,
            Whim::Outage => options.outages_every,
            Whim::SecurityEvent => options.security_events_every,
            _ => return self.plan_wild_whim(whim),
        };
        if let Some(every) = every {
            let wait = Duration::from_micros(self.random.u64(1_000..=2 * every.as_micros() as u64));
            self.schedule(wait, Happening::Whim(whim));
        }
    }

    pub(super) fn indulge(&mut self, whim: Whim) {
        if self.calm {
            return;
        }
        self.plan_whim(whim);
        match whim {
            Whim::Driver => self.drive(),
            Whim::ChargerDrops => {
                let departure =
                    pick(&mut self.random, &[None, Some(None), Some(Some(1000)), Some(Some(1006))]);
                self.charger_closes(departure.map_or(Departure::Lost, Departure::Closed));
            }
            Whim::ChargerTalksNonsense => {
                let nonsense = [
                    "",
                    "{}",
                    "[2]",
                    "[2,\"x\",\"Authorize\"]",
                    "[7,\"x\",{}]",
                    "\u{fffd}",
                    "[3,\"none\",{}]",
                ];
                let text = pick(&mut self.random, &nonsense).to_owned();
                // Only what is no call: a call must be answered, and the charger would not know it.
                if self.charger_link.peer_open && text != "[2,\"x\",\"Authorize\"]" {
                    let epoch = self.charger_link.epoch;
                    let at = self.arrival(&Side::Charger, self.charger_link.to_proxy);
                    self.charger_link.to_proxy = at;
                    self.schedule_at(at, Happening::TextFromCharger { epoch, text });
                }
            }
            Whim::BackofficeDrops => {
                let who = self.anyone();
                self.backoffice_closes(&who);
            }
            Whim::PlanChanges => {
                let mut names: Vec<BackofficeId> = self.members.keys().cloned().collect();
                self.random.shuffle(&mut names);
                names.truncate(self.random.usize(1..=names.len()));
                let mut plan = plan_of(&mut self.random, names);
                self.draw_outage(&mut plan);
                self.draw_sharing(&mut plan);
                self.change_plan(Arc::new(plan));
            }
            Whim::Crash => self.crash("the proxy crashes"),
            Whim::Drain => {
                if self.session.is_some() {
                    self.hand(Event::DrainBegan);
                    self.schedule(Duration::from_secs(30), Happening::ProxyStops);
                }
            }
            Whim::SecurityEvent => {
                let now = self.moment();
                self.charger.notice_security_event(now);
            }
            Whim::StoreFails => self.store_fails_next = true,
            Whim::Outage => {
                let who = self.anyone();
                let lasts = Duration::from_secs(self.random.u64(60..900));
                self.transcript.push(self.now, format_args!("{who} is away for {lasts:?}"));
                self.backoffice_closes(&who);
                self.member(&who).away_until = self.now + lasts;
            }
            Whim::Stall => {
                let who = self.anyone();
                if self.plan.leader != who && self.member(&who).link.proxy_open {
                    self.transcript.push(self.now, format_args!("{who} stops reading"));
                    self.member(&who).link.stalled = true;
                    let lasts = Duration::from_secs(self.random.u64(1..300));
                    self.schedule(lasts, Happening::StallEnds { who });
                }
            }
            _ => self.indulge_wildly(whim),
        }
    }

    fn drive(&mut self) {
        let now = self.moment();
        let connector = self.random.i64(1..=self.options.charger.connectors);
        if self.random.u32(..4) == 0 {
            self.charger.unplug(now, connector);
        } else {
            let card = pick(&mut self.random, &[COMMON_CARD, "ANNA", "BERT", "CARL", "DORA", "EVE"]);
            self.charger.present_card(now, connector, card);
        }
    }

    /// The charger's end closes; the proxy hears of it, sooner or later.
    pub(super) fn charger_closes(&mut self, departure: Departure) {
        if !self.charger_link.peer_open {
            return;
        }
        self.transcript.push(self.now, format_args!("the charger's connection ends: {departure:?}"));
        self.charger_link.peer_open = false;
        let epoch = self.charger_link.epoch;
        let noticed = if matches!(departure, Departure::Lost) { self.random.u64(0..60_000) } else { 1 };
        let at = self.arrival(&Side::Charger, self.charger_link.to_proxy);
        let at = at.max(self.now + Duration::from_millis(noticed));
        self.schedule_at(at, Happening::ChargerGone { epoch, departure });
        self.charger_lost_link();
    }

    pub(super) fn charger_lost_link(&mut self) {
        self.charger.disconnected();
        let wait = Duration::from_millis(self.random.u64(500..40_000));
        self.schedule(wait, Happening::ChargerDials);
    }

    pub(super) fn backoffice_closes(&mut self, who: &BackofficeId) {
        if !self.member(who).link.peer_open {
            return;
        }
        self.transcript.push(self.now, format_args!("{who} closes its link"));
        let departure = pick(&mut self.random, &[None, Some(None), Some(Some(1001))]);
        let departure = departure.map_or(Departure::Lost, Departure::Closed);
        let at = self.arrival(&Side::Backoffice(who.clone()), self.members[who].link.to_proxy);
        let member = self.member(who);
        member.link.peer_open = false;
        member.backoffice.disconnected();
        let epoch = member.link.epoch;
        self.schedule_at(at, Happening::BackofficeGone { who: who.clone(), epoch, departure });
    }

    pub(super) fn change_plan(&mut self, plan: Arc<Plan>) {
        self.transcript.push(self.now, format_args!("the plan is now {plan:?}"));
        self.plan = plan.clone();
        if self.options.shared {
            self.tell_aliases();
        }
        self.judge.plan_changed(self.now, plan.clone());
        self.hand(Event::PlanChanged(plan));
    }

    pub(super) fn stall_ended(&mut self, who: &BackofficeId) {
        let unsent = std::mem::take(&mut self.member(who).link.unsent);
        self.member(who).link.stalled = false;
        if !unsent.is_empty() {
            self.judge.catches_up(self.now, who);
        }
        for text in unsent {
            let at = self.arrival(&Side::Backoffice(who.clone()), self.members[who].link.to_peer);
            let link = &mut self.member(who).link;
            link.to_peer = at;
            let epoch = link.epoch;
            self.schedule_at(at, Happening::TextToBackoffice { who: who.clone(), epoch, text });
        }
    }

    /// From now on nothing goes wrong; what runs is brought to its end.
    pub(super) fn calm_down(&mut self) {
        self.transcript.push(self.now, format_args!("the world goes quiet"));
        self.calm = true;
        self.store_fails_next = false;
        self.keeps_until_crash = 0;
        self.edit_in_transaction = false;
        let names: Vec<BackofficeId> = self.members.keys().cloned().collect();
        for who in names {
            self.member(&who).backoffice.calm_down();
            self.stall_ended(&who);
        }
        self.charger.calm_down();
        self.unplug_all();
    }

    /// Every session of the charger ends.
    pub(super) fn unplug_all(&mut self) {
        let now = self.moment();
        for connector in 1..=self.options.charger.connectors {
            self.charger.unplug(now, connector);
        }
        self.flush_peers();
    }

    pub(super) fn anyone(&mut self) -> BackofficeId {
        let at = self.random.usize(..self.members.len());
        self.members.keys().nth(at).cloned().expect("a world has at least one backoffice")
    }
}

/// A plan in which the first leads and the others follow in some role.
pub(super) fn plan_of(random: &mut fastrand::Rng, names: Vec<BackofficeId>) -> Plan {
    let mut names = names.into_iter();
    let leader = names.next().expect("a plan names at least one backoffice");
    let followers = names
        .map(|backoffice| Follower::new(backoffice, pick(random, &[Role::Control, Role::Observer])))
        .collect();
    Plan::new(leader, followers)
}
