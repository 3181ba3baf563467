//! The shell around the session: hands in events, performs effects, holds back what waits for a
//! commit, and loses what a crash loses.

use std::time::Duration;

use engine::{BackofficeId, Departure, DialFailure, Effect, Event, Note, Side};

use super::World;
use super::judge::Books;
use super::links::{Commit, Happening, Held, Link, MOST_UNSENT};

impl World {
    /// Hands in an event, judges what comes of it, and performs it.
    pub(super) fn hand(&mut self, event: Event) {
        let now = self.moment();
        let Some(session) = self.session.as_mut() else { return };
        self.transcript.push(self.now, format_args!("> {event:?}"));
        session.handle(now, event);
        let effects: Vec<Effect> = std::iter::from_fn(|| session.poll_effect()).collect();
        // Frames are seen in what was said.
        for effect in effects.iter().filter(|effect| !matches!(effect, Effect::Note(Note::Frame { .. }))) {
            self.transcript.push(self.now, format_args!("    < {effect:?}"));
        }
        self.judge.batch(self.now, &effects, &self.charger, &Books(&self.members));
        let begins_or_ends = effects.iter().any(|effect| {
            matches!(effect, Effect::SayToBackoffice(_, text)
                if text.contains("\"StartTransaction\"") || text.contains("\"StopTransaction\""))
        });
        let mut keys = Vec::new();
        for effect in effects {
            match effect {
                Effect::Keep(keep) => {
                    self.keep(keep);
                    if self.crashes_at_keep() {
                        return;
                    }
                }
                Effect::Recall { backoffice, after } => self.recall(backoffice, after),
                Effect::KeepKey(new) => keys.push(new.trace),
                Effect::KeyAccepted { .. } | Effect::KeyRefused { .. } | Effect::Note(_) => {}
                // These wait for nobody.
                Effect::Dial(ref to) => {
                    let side = Side::Backoffice(to.clone());
                    self.perform(&side, effect);
                }
                Effect::Ping(ref side) => {
                    let side = side.clone();
                    self.perform(&side, effect);
                }
                Effect::SayToCharger(_) => self.hold(&Side::Charger, effect),
                Effect::SayToBackoffice(ref to, _) => {
                    let side = Side::Backoffice(to.clone());
                    self.hold(&side, effect);
                }
                Effect::HangUp(ref side, _) => {
                    let side = side.clone();
                    self.hold(&side, effect);
                }
            }
        }
        self.edit_in_transaction(begins_or_ends);
        self.release();
        for trace in keys {
            self.hand(Event::KeyKept { trace, is_kept: true });
        }
        if self.session.as_ref().is_some_and(engine::Session::is_over) {
            self.session_over();
        } else {
            self.read();
        }
    }

    fn hold(&mut self, side: &Side, effect: Effect) {
        let after = self.tickets;
        self.link(side).held.push_back(Held { after, effect });
    }

    /// Performs what no longer waits.
    pub(super) fn release(&mut self) {
        let sides: Vec<Side> = std::iter::once(Side::Charger)
            .chain(self.members.keys().cloned().map(Side::Backoffice))
            .collect();
        for side in sides {
            let barrier = self
                .commits
                .iter()
                .filter(|commit| commit.keep.before.contains(&side))
                .map(|commit| commit.ticket)
                .next();
            loop {
                let held = &mut self.link(&side).held;
                let free = held.front().is_some_and(|held| {
                    matches!(held.effect, Effect::HangUp(..))
                        || barrier.is_none_or(|ticket| held.after < ticket)
                });
                if !free {
                    break;
                }
                let Some(Held { effect, .. }) = held.pop_front() else { break };
                self.perform(&side, effect);
            }
        }
    }

    fn perform(&mut self, side: &Side, effect: Effect) {
        match effect {
            Effect::SayToCharger(text) => {
                if !self.charger_link.proxy_open {
                    return;
                }
                self.judge.delivered(side, &text, &self.kept);
                let at = self.arrival(&Side::Charger, self.charger_link.to_peer);
                self.charger_link.to_peer = at;
                let epoch = self.charger_link.epoch;
                self.schedule_at(at, Happening::TextToCharger { epoch, text });
            }
            Effect::SayToBackoffice(who, text) => self.say_to_backoffice(&who, text),
            Effect::Dial(who) => self.dial(&who),
            Effect::Ping(Side::Charger) => {
                let epoch = self.charger_link.epoch;
                self.schedule(self.options.latency * 2, Happening::ChargerPongs { epoch });
            }
            Effect::Ping(Side::Backoffice(who)) => {
                let epoch = self.member(&who).link.epoch;
                self.schedule(self.options.latency * 2, Happening::BackofficePongs { who, epoch });
            }
            Effect::HangUp(Side::Charger, _) => {
                self.charger_link.close_proxy_end();
                let at = self.arrival(&Side::Charger, self.charger_link.to_peer);
                let epoch = self.charger_link.epoch;
                self.schedule_at(at, Happening::ChargerHearsClose { epoch });
            }
            Effect::HangUp(Side::Backoffice(who), _) => self.hang_up(who),
            Effect::Keep(_)
            | Effect::KeepKey(_)
            | Effect::KeyAccepted { .. }
            | Effect::KeyRefused { .. }
            | Effect::Recall { .. }
            | Effect::Note(_) => {}
        }
    }

    fn say_to_backoffice(&mut self, who: &BackofficeId, text: String) {
        let side = Side::Backoffice(who.clone());
        if !self.member(who).link.proxy_open {
            return;
        }
        self.judge.delivered(&side, &text, &self.kept);
        let link = &mut self.member(who).link;
        if link.stalled {
            link.unsent.push_back(text);
            if link.unsent.len() > MOST_UNSENT {
                let epoch = link.epoch;
                let departure = Departure::TooSlow;
                self.schedule(
                    Duration::ZERO,
                    Happening::BackofficeGone { who: who.clone(), epoch, departure },
                );
                self.schedule(Duration::ZERO, Happening::BackofficeHearsClose { who: who.clone(), epoch });
            }
            return;
        }
        let at = self.arrival(&side, self.members[who].link.to_peer);
        let link = &mut self.member(who).link;
        link.to_peer = at;
        let epoch = link.epoch;
        self.schedule_at(at, Happening::TextToBackoffice { who: who.clone(), epoch, text });
    }

    fn dial(&mut self, who: &BackofficeId) {
        let link = &mut self.member(who).link;
        // The peer may not have noticed yet that the older connection ended; it does now.
        link.close();
        link.dialing = true;
        let epoch = link.epoch;
        self.member(who).backoffice.disconnected();
        let departure = self.dial_fails(who).then(|| {
            Departure::Undialable(match self.random.u32(..5) {
                0 => DialFailure::TimedOut,
                1 => DialFailure::Tls("the certificate has expired".to_owned()),
                2 => DialFailure::Refused { status: 503, retry_after_s: Some(20) },
                3 => DialFailure::Refused { status: 429, retry_after_s: None },
                _ => DialFailure::Unreachable("connection refused".to_owned()),
            })
        });
        let takes = Duration::from_millis(self.random.u64(1..=if departure.is_some() { 6_000 } else { 900 }));
        self.schedule(takes, Happening::DialEnds { who: who.clone(), epoch, departure });
    }

    pub(super) fn dial_fails(&mut self, who: &BackofficeId) -> bool {
        let is_away = self.members[who].away_until > self.now;
        let is_unlucky = self.random.u32(..1000) < self.options.dial_failures_per_mille;
        !self.calm && (is_away || is_unlucky)
    }

    fn hang_up(&mut self, who: BackofficeId) {
        let behind = self.members[&who].link.to_peer;
        let at = self.arrival(&Side::Backoffice(who.clone()), behind);
        let link = &mut self.member(&who).link;
        link.close_proxy_end();
        let epoch = link.epoch;
        self.schedule_at(at, Happening::BackofficeHearsClose { who, epoch });
    }

    /// Hands in what was read, as long as the session takes it.
    pub(super) fn read(&mut self) {
        let sides: Vec<Side> = std::iter::once(Side::Charger)
            .chain(self.members.keys().cloned().map(Side::Backoffice))
            .collect();
        for side in sides {
            // What the session has hung up is not read any more, even while that still waits for a commit.
            if !self.judge.is_up(&side) {
                self.link(&side).unread.clear();
                continue;
            }
            let may = self.session.as_ref().is_some_and(|session| session.may_read(&side));
            if !may {
                continue;
            }
            let Some(text) = self.link(&side).unread.pop_front() else { continue };
            self.judge.heard(self.now, &side, &text);
            // Handing it in reads on, until nothing is left or nothing more is taken.
            self.hand(match side {
                Side::Charger => Event::ChargerSaid(text.into()),
                Side::Backoffice(who) => Event::BackofficeSaid(who, text.into()),
            });
        }
    }

    /// Nothing is parked without a reason that its backoffice gave.
    pub(super) fn check_parked(&mut self) {
        for who in self.members.keys() {
            for delivery in self.kept.parked(who) {
                self.judge.parked(who, delivery);
            }
        }
    }

    /// The program is gone: sockets closed, some of what waited for the disk lost.
    pub(super) fn crash(&mut self, how: &str) {
        let survives = self.random.usize(..=self.commits.len());
        self.crash_with(how, survives);
    }

    /// Of what waits for the disk so much is committed, and nothing that waited for it was said.
    fn crash_with(&mut self, how: &str, survives: usize) {
        self.transcript.push(
            self.now,
            format_args!("{how}; {} of {} open commits survive", survives, self.commits.len()),
        );
        for _ in 0..survives {
            if let Some(Commit { keep, .. }) = self.commits.pop_front() {
                self.kept.commit(keep.records);
            }
        }
        self.commits.clear();
        self.unhurried.clear();
        self.reading.clear();
        self.judge.records_lost(&self.kept);
        self.session = None;
        self.judge.session_gone(self.now, true);
        let away = Duration::from_secs(self.random.u64(1..20));
        self.proxy_away_until = self.now + away;
        self.close_all();
    }

    /// A crash was to come at one of the next orders to keep something, and this was the one.
    fn crashes_at_keep(&mut self) -> bool {
        if self.calm || self.keeps_until_crash == 0 {
            return false;
        }
        self.keeps_until_crash -= 1;
        if self.keeps_until_crash > 0 {
            return false;
        }
        let open = self.commits.len();
        let (when, survives) = match self.wild_random.u32(..3) {
            0 => ("before what it keeps is committed", open.saturating_sub(1)),
            1 => ("after it has kept, before it has spoken", open),
            _ => ("among several commits", self.wild_random.usize(..=open)),
        };
        self.crash_with(&format!("the proxy crashes {when}"), survives);
        true
    }

    fn session_over(&mut self) {
        let open: Vec<String> = self.judge.open_links().iter().map(ToString::to_string).collect();
        if !open.is_empty() {
            self.judge.accuse(format!("the session is over but has not hung up {open:?}"));
        }
        self.transcript.push(self.now, format_args!("the session is over"));
        self.kept.commit(std::mem::take(&mut self.unhurried));
        self.reading.clear();
        self.session = None;
        self.judge.session_gone(self.now, false);
    }

    fn close_all(&mut self) {
        let latency = self.options.latency;
        self.charger_link.close_proxy_end();
        let epoch = self.charger_link.epoch;
        self.schedule(latency, Happening::ChargerHearsClose { epoch });
        let names: Vec<BackofficeId> = self.members.keys().cloned().collect();
        for who in names {
            let link = &mut self.member(&who).link;
            link.close_proxy_end();
            let epoch = link.epoch;
            self.schedule(latency, Happening::BackofficeHearsClose { who, epoch });
        }
    }

    pub(super) fn link(&mut self, side: &Side) -> &mut Link {
        match side {
            Side::Charger => &mut self.charger_link,
            Side::Backoffice(who) => &mut self.member(who).link,
        }
    }
}
