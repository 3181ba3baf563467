//! From the storm to the end: the world goes quiet, and everything must come into order.

use std::time::Duration;

use engine::{BackofficeId, Role, Side, VerdictRule};

use super::judge::Books;
use super::{COMMON_CARD, World};

/// How long the world is left alone before everything must be in order again. Longer than the
/// longest wait between dials.
const CALM: Duration = Duration::from_secs(1_200);
/// In this time a lane that can move grows shorter. Longer than the longest wait between attempts.
const LANE_PATIENCE: Duration = Duration::from_secs(1_000);
/// How long the charger has to be back after it was switched off and on.
const REBOOT: Duration = Duration::from_secs(180);
/// How long the session at the end goes.
const LAST_SESSION: Duration = Duration::from_secs(200);
/// How often the card for that is shown at most.
const LAST_CARDS: u32 = 3;
/// How often, a second apart, everything is looked at for a moment of rest.
const REST_CHECKS: u32 = 40;

impl World {
    pub(super) fn run_phases(&mut self) -> Result<(), Vec<String>> {
        self.run_until(self.now + self.options.storm)?;
        self.calm_down();
        self.run_until(self.now + CALM)?;
        self.drain_lanes()?;
        self.come_to_rest()?;
        // A boot is told to everyone, so that nobody has an excuse for what follows.
        let now = self.moment();
        self.charger.power_cycle(now);
        self.has_power_cycled = true;
        self.flush_peers();
        self.run_until(self.now + REBOOT)?;
        self.drain_lanes()?;
        self.come_to_rest()?;
        // A leader that is slow may not be asked in time, and the card be refused; the next time the verdict
        // is known.
        let before = self.charger.sessions().len();
        for _ in 0..LAST_CARDS {
            let now = self.moment();
            self.transcript.push(self.now, format_args!("the last session begins"));
            self.charger.present_card(now, 1, COMMON_CARD);
            self.flush_peers();
            self.run_until(self.now + LAST_SESSION)?;
            if self.charger.sessions().len() > before {
                break;
            }
        }
        let now = self.moment();
        self.charger.unplug(now, 1);
        self.flush_peers();
        self.run_until(self.now + Duration::from_secs(90))?;
        self.come_to_rest()?;
        self.check_last_session(before)
    }

    /// Waits as long as the lanes and the charger's own queue grow shorter: a backoffice may think for
    /// long about each of many messages.
    fn drain_lanes(&mut self) -> Result<(), Vec<String>> {
        let mut fewest = usize::MAX;
        loop {
            let lanes: usize = self.undelivered().map(|(_, waiting)| waiting).sum();
            let waiting = lanes + self.charger.backlog();
            if waiting == 0 || waiting >= fewest {
                return Ok(());
            }
            fewest = waiting;
            self.run_until(self.now + LANE_PATIENCE)?;
        }
    }

    /// The lanes of the plan's backoffices that could be empty, and are not.
    fn undelivered(&self) -> impl Iterator<Item = (&BackofficeId, usize)> {
        let willing = self.plan.backoffices().filter(|id| self.members[*id].backoffice.is_willing());
        willing.map(|id| (id, self.kept.waiting(id))).filter(|(_, waiting)| *waiting > 0)
    }

    /// Waits for a moment in which nothing is under way: a heartbeat may just have been sent.
    fn come_to_rest(&mut self) -> Result<(), Vec<String>> {
        if self.rests_soon()?.is_ok() {
            return Ok(());
        }
        // Samples may come faster than somebody who thinks for long about each can take them.
        self.transcript.push(self.now, format_args!("whatever still charges stops"));
        self.unplug_all();
        self.drain_lanes()?;
        self.rests_soon()?
    }

    fn rests_soon(&mut self) -> Result<Result<(), Vec<String>>, Vec<String>> {
        let mut rest = self.check_rest();
        for _ in 0..REST_CHECKS {
            if rest.is_ok() {
                break;
            }
            self.run_until(self.now + Duration::from_secs(1))?;
            rest = self.check_rest();
        }
        Ok(rest)
    }

    /// Everything is answered, everyone is connected.
    fn check_rest(&mut self) -> Result<(), Vec<String>> {
        let mut broken = Vec::new();
        if !self.charger_link.peer_open || !self.charger.is_accepted() {
            broken.push("at rest the charger is not served".to_owned());
        }
        if !self.charger.is_settled() {
            broken.push("at rest the charger still has something to deliver".to_owned());
        }
        if !self.judge.leads_at_rest(self.has_power_cycled) {
            broken.push(format!(
                "at rest {} still leads instead of {}",
                self.judge.leader(),
                self.plan.leader
            ));
        }
        for backoffice in self.plan.backoffices() {
            if !self.judge.is_up(&Side::Backoffice(backoffice.clone())) {
                broken.push(format!("at rest the link to {backoffice} is not up"));
            }
            let waiting = self.members[backoffice].backoffice.commands_unanswered();
            if waiting > 0 {
                broken.push(format!("at rest {backoffice} waits for {waiting} answers"));
            }
        }
        broken.extend(self.judge.unanswered().into_iter().map(|what| format!("at rest unanswered: {what}")));
        if self.options.promises.follower_misses_nothing {
            let lanes = self.undelivered();
            broken.extend(lanes.map(|(id, waiting)| format!("at rest {waiting} deliveries wait for {id}")));
            broken.extend(self.judge.missed(&Books(&self.members), &self.kept));
        }
        broken.extend(self.judge.check_holdings(&self.charger, self.moment().unix_ms));
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }

    /// A card is never decided where its decider has no say, or where all must accept it and one takes longer
    /// than there is.
    fn may_stay_undecided(&self) -> bool {
        let thinks = |id: &BackofficeId| {
            let mut all = self.options.backoffices.iter();
            all.find(|settings| settings.name == id.as_str())
                .map_or(Duration::ZERO, |settings| settings.answer_delay)
        };
        let slowest = self.plan.backoffices().map(thinks).max().unwrap_or_default();
        let cards = &self.plan.cards;
        let is_slow = slowest + self.options.latency * 2 >= cards.wait;
        let is_never_asked = |id: &BackofficeId| self.plan.role(id) == Some(Role::Observer);
        cards.deciders.iter().any(is_never_asked)
            || is_slow && matches!(cards.rule, VerdictRule::AllAccept(_))
    }

    /// In quiet times every backoffice books the whole session under a number of its own.
    fn check_last_session(&mut self, before: usize) -> Result<(), Vec<String>> {
        let Some(last) = self.charger.sessions().get(before..).and_then(<[_]>::last) else {
            if self.may_stay_undecided() {
                return Ok(());
            }
            return Err(vec!["the last session never began".to_owned()]);
        };
        let mut broken = Vec::new();
        for id in self.plan.backoffices() {
            let booked =
                self.members[id].backoffice.books().iter().rfind(|booked| booked.serial == last.serial);
            match booked {
                None => broken.push(format!("{id} never heard of the last session, number {}", last.serial)),
                Some(booked) if !booked.stopped => {
                    broken.push(format!("{id} was not told the end of {booked:?}"))
                }
                Some(_) => {}
            }
        }
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }
}
