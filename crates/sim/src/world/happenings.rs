//! What happens, one thing after the other: texts arrive, links open and close, dials end.

use std::time::Duration;

use engine::{BackofficeId, ChargerId, Departure, DialFailure, Event, OnLeaderLost, Session, Side};

use super::World;
use super::links::Happening;

impl World {
    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ChargerDials => self.charger_dials(),
            Happening::TextFromCharger { epoch, text } => {
                let link = &mut self.charger_link;
                if epoch == link.epoch && link.proxy_open && link.reaches_proxy(self.now) {
                    link.unread.push_back(text);
                    self.read();
                }
            }
            Happening::TextToCharger { epoch, text } => {
                let link = &self.charger_link;
                if epoch == link.epoch && link.peer_open && link.reaches_peer(self.now) {
                    let now = self.moment();
                    self.charger.heard(now, &text);
                }
            }
            Happening::ChargerGone { epoch, departure } => {
                if epoch == self.charger_link.epoch && self.charger_link.proxy_open {
                    self.charger_link.close_proxy_end();
                    if self.judge.is_up(&Side::Charger) {
                        self.judge.link_is(self.now, &Side::Charger, false);
                        self.hand(Event::ChargerLeft(departure));
                    }
                }
            }
            Happening::ChargerHearsClose { epoch } => {
                let link = &mut self.charger_link;
                if epoch == link.epoch && link.peer_open && link.reaches_peer(self.now) {
                    link.peer_open = false;
                    self.charger_lost_link();
                }
            }
            Happening::ChargerPongs { epoch } => {
                let link = &self.charger_link;
                let is_open = epoch == link.epoch && link.proxy_open && link.peer_open;
                if is_open && link.reaches_peer(self.now) && link.reaches_proxy(self.now) {
                    self.hand(Event::Ponged(Side::Charger));
                }
            }
            Happening::DialEnds { who, epoch, departure } => self.dial_ended(&who, epoch, departure),
            Happening::TextFromBackoffice { who, epoch, text } => {
                let now = self.now;
                let link = &mut self.member(&who).link;
                if epoch == link.epoch && link.proxy_open && link.reaches_proxy(now) {
                    link.unread.push_back(text);
                    self.read();
                }
            }
            Happening::TextToBackoffice { who, epoch, text } => {
                let now = self.moment();
                let member = self.member(&who);
                let link = &member.link;
                if epoch == link.epoch && link.peer_open && link.reaches_peer(now.tick) {
                    member.backoffice.heard(now, &text);
                }
            }
            Happening::BackofficeGone { who, epoch, departure } => {
                let link = &mut self.member(&who).link;
                if epoch == link.epoch && link.proxy_open {
                    link.close_proxy_end();
                    let side = Side::Backoffice(who.clone());
                    if self.judge.is_up(&side) {
                        self.judge.link_is(self.now, &side, false);
                        self.hand(Event::BackofficeDown(who, departure));
                    }
                }
            }
            Happening::BackofficeHearsClose { who, epoch } => {
                let now = self.now;
                let member = self.member(&who);
                let is_open = epoch == member.link.epoch && member.link.peer_open;
                if is_open && member.link.reaches_peer(now) {
                    member.link.peer_open = false;
                    member.backoffice.disconnected();
                }
            }
            Happening::BackofficePongs { who, epoch } => {
                let link = &self.members[&who].link;
                let is_open = epoch == link.epoch && link.proxy_open && link.peer_open && !link.stalled;
                if is_open && link.reaches_peer(self.now) && link.reaches_proxy(self.now) {
                    self.hand(Event::Ponged(Side::Backoffice(who)));
                }
            }
            Happening::StallEnds { who } => self.stall_ended(&who),
            Happening::Committed { ticket } => self.committed(ticket),
            Happening::LaneRead { who, recall, after } => self.lane_read(who, recall, after),
            Happening::LaneRecalled { who, recall, recalled } => self.lane_recalled(&who, recall, *recalled),
            Happening::ProxyStops => self.crash("the proxy has stopped"),
            Happening::PeerNotices { side, epoch } => self.peer_notices(&side, epoch),
            Happening::PlanEdited => self.edit_plan(),
            Happening::Whim(whim) => self.indulge(whim),
        }
    }

    /// The charger dials; the gateway makes sure of a session first.
    fn charger_dials(&mut self) {
        if self.charger_link.peer_open || !self.charger_wants_link {
            return;
        }
        if self.now < self.proxy_away_until {
            self.schedule(Duration::from_secs(5), Happening::ChargerDials);
            return;
        }
        if self.session.is_none() {
            let dialed_first = self.options.leader_dialed_first;
            let leader = self.plan.leader.clone();
            let is_there = dialed_first && !self.dial_fails(&leader);
            let is_needed = self.plan.outage.on_leader_lost == OnLeaderLost::Mirror;
            if dialed_first && !is_there && is_needed {
                self.transcript
                    .push(self.now, format_args!("the charger is refused: its leader cannot be dialed"));
                self.schedule(Duration::from_secs(10), Happening::ChargerDials);
                return;
            }
            let memory = self.kept.memory();
            let lanes: Vec<_> = memory.lanes.iter().map(|lane| (&lane.backoffice, lane.waiting)).collect();
            let rows = memory.transactions.len();
            self.transcript
                .push(self.now, format_args!("a session begins with {rows} rows, lanes {lanes:?}"));
            let seed = self.random.u64(..);
            self.session = Some(Session::new(ChargerId::from("SIM-1"), self.plan.clone(), memory, seed));
            self.judge.summary.sessions += 1;
            self.judge.session_begins(self.now, &self.kept);
            if is_there {
                self.backoffice_up(&leader);
            } else if dialed_first {
                let failure = DialFailure::Unreachable("connection refused".to_owned());
                self.hand(Event::BackofficeDown(leader, Departure::Undialable(failure)));
            }
            if self.session.is_none() {
                // It crashed just then.
                self.schedule(Duration::from_secs(5), Happening::ChargerDials);
                return;
            }
        }
        self.charger_link.open();
        self.judge.link_is(self.now, &Side::Charger, true);
        let now = self.moment();
        self.charger.connected(now);
        self.hand(Event::ChargerArrived);
    }

    fn dial_ended(&mut self, who: &BackofficeId, epoch: u64, departure: Option<Departure>) {
        let link = &mut self.member(who).link;
        if epoch != link.epoch || !link.dialing {
            return;
        }
        match departure {
            None => self.backoffice_up(who),
            Some(departure) => {
                link.dialing = false;
                self.judge.link_is(self.now, &Side::Backoffice(who.clone()), false);
                self.hand(Event::BackofficeDown(who.clone(), departure));
            }
        }
    }

    fn backoffice_up(&mut self, who: &BackofficeId) {
        let now = self.moment();
        let member = self.member(who);
        member.link.open();
        member.backoffice.disconnected();
        member.backoffice.connected(now);
        self.judge.link_is(self.now, &Side::Backoffice(who.clone()), true);
        self.hand(Event::BackofficeUp(who.clone()));
    }
}
