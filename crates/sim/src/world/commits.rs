//! The store as the session's shell knows it: what is to be kept is on its way to the disk for a while, in the order
//! given; what has time goes with the next; what was told before it was kept needs no keeping.

use std::time::Duration;

use engine::{BackofficeId, Effect, Event, Keep, Record, Tick, Urgency};

use super::World;
use super::links::{Commit, Happening};

impl World {
    /// What it names is on its way to the disk, in the order given.
    pub(super) fn keep(&mut self, mut keep: Keep) {
        self.spare(&mut keep);
        if keep.records.is_empty() {
            return;
        }
        if keep.urgency == Urgency::WithinSeconds {
            self.unhurried.append(&mut keep.records);
            return;
        }
        let mut records = std::mem::take(&mut self.unhurried);
        records.append(&mut keep.records);
        keep.records = records;
        self.tickets += 1;
        self.commits.push_back(Commit { ticket: self.tickets, keep });
        let takes = Duration::from_micros(self.random.u64(..=self.options.commit.as_micros() as u64));
        self.last_commit = (self.now + takes).max(Tick(self.last_commit.0 + 1));
        self.schedule_at(self.last_commit, Happening::Committed { ticket: self.tickets });
    }

    /// What was told before it was kept needs no keeping, unless that was urgent.
    fn spare(&mut self, keep: &mut Keep) {
        keep.records.retain(|record| {
            for commit in self.commits.iter_mut().filter(|commit| commit.keep.urgency != Urgency::Now) {
                let Some(at) = commit.keep.records.iter().position(|other| record.is_delivered_of(other))
                else {
                    continue;
                };
                commit.keep.records.remove(at);
                let delivers = commit.keep.records.iter().any(|record| matches!(record, Record::Delivery(_)));
                if !delivers && commit.keep.urgency == Urgency::Soon {
                    commit.keep.before.clear();
                }
                return false;
            }
            true
        });
    }

    /// Reading sees what was to be kept before, and maybe more, but nothing that has time; its result comes a little later still.
    pub(super) fn recall(&mut self, who: BackofficeId, after: u64) {
        self.recalls += 1;
        self.reading.insert(who.clone(), self.recalls);
        let takes = Duration::from_micros(self.random.u64(..=self.options.commit.as_micros() as u64));
        let at = (self.now + takes).max(Tick(self.last_commit.0 + 1));
        self.schedule_at(at, Happening::LaneRead { who, recall: self.recalls, after });
    }

    pub(super) fn lane_read(&mut self, who: BackofficeId, recall: u64, after: u64) {
        let recalled = Box::new(self.kept.recall(&who, after));
        let takes = Duration::from_micros(self.random.u64(..=self.options.commit.as_micros() as u64));
        self.schedule(takes, Happening::LaneRecalled { who, recall, recalled });
    }

    pub(super) fn lane_recalled(&mut self, who: &BackofficeId, recall: u64, recalled: Event) {
        // Only the newest reading of a lane counts.
        if self.reading.get(who) == Some(&recall) {
            self.reading.remove(who);
            self.hand(recalled);
        }
    }

    pub(super) fn committed(&mut self, ticket: u64) {
        if self.commits.front().is_none_or(|front| front.ticket != ticket) {
            return;
        }
        let Some(Commit { keep, .. }) = self.commits.pop_front() else { return };
        let is_away = self.now < self.store_away_until;
        if (std::mem::take(&mut self.store_fails_next) || is_away) && !self.calm {
            self.transcript.push(self.now, format_args!("the store fails"));
            // What was not committed is never said, nor is what waited behind it.
            self.fail(ticket, &keep);
            // What was ordered before the session hears of it rests on what was lost: it fails, too.
            let behind = std::mem::take(&mut self.commits);
            self.unhurried.clear();
            for Commit { ticket, keep } in &behind {
                self.fail(*ticket, keep);
            }
            self.judge.records_lost(&self.kept);
            self.release();
            for _ in 0..=behind.len() {
                self.hand(Event::StoreFailed);
            }
            return;
        }
        self.kept.commit(keep.records);
        self.check_parked();
        self.release();
    }

    fn fail(&mut self, ticket: u64, keep: &Keep) {
        for side in &keep.before {
            let held = &mut self.link(side).held;
            held.retain(|held| held.after < ticket || matches!(held.effect, Effect::HangUp(..)));
        }
    }
}
