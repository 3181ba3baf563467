//! Who said what and who got it: the books of one charger, by which every message that is lost, doubled, reordered,
//! stray or altered is found by its content.

use std::collections::BTreeSet;

use crate::said::{self, Kind};

/// What went wrong, and how much went right. All counts are of messages, except where they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that chargers have sent.
    pub calls: u64,
    /// Of those, with an answer.
    pub answered: u64,
    /// Calls that arrived where they should, over all backoffices.
    pub delivered: u64,
    /// Heartbeats that a follower got; the proxy sends them in the charger's name.
    pub synthetic: u64,
    /// Did not arrive at a backoffice that should have got them, or got no answer.
    pub lost: u64,
    /// Boots among the lost.
    pub lost_boots: u64,
    /// Arrived twice.
    pub doubled: u64,
    /// Arrived after a later one of the same kind: among those about transactions, or among those about states.
    pub reordered: u64,
    /// Arrived after a later one of the other kind. No fault: what is said about states is told at once, what is said about
    /// transactions waits in a follower's lane until the one before is answered.
    pub overtaken: u64,
    /// Arrived where another charger's messages belong, or answer nothing that was asked.
    pub stray: u64,
    /// Are not what was said, byte for byte.
    pub altered: u64,
    /// Bear a transaction number that this backoffice has not given to this charger's transaction.
    pub unknown_transactions: u64,
    /// Answers with an error, or with the content of another answer.
    pub wrong_answers: u64,
    /// Connections that ended while they should not have.
    pub dropped_connections: u64,
}

impl Tally {
    /// What must be zero, with its name.
    pub fn faults(&self) -> [(&'static str, u64); 9] {
        [
            ("lost", self.lost),
            ("lost boots", self.lost_boots),
            ("doubled", self.doubled),
            ("reordered", self.reordered),
            ("stray", self.stray),
            ("altered", self.altered),
            ("unknown transactions", self.unknown_transactions),
            ("wrong answers", self.wrong_answers),
            ("dropped connections", self.dropped_connections),
        ]
    }

    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.faults().iter().all(|(_, count)| *count == 0)
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Tally) {
        self.calls += other.calls;
        self.answered += other.answered;
        self.delivered += other.delivered;
        self.synthetic += other.synthetic;
        self.lost += other.lost;
        self.lost_boots += other.lost_boots;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.overtaken += other.overtaken;
        self.stray += other.stray;
        self.altered += other.altered;
        self.unknown_transactions += other.unknown_transactions;
        self.wrong_answers += other.wrong_answers;
        self.dropped_connections += other.dropped_connections;
    }
}

/// What one backoffice has got of one charger.
#[derive(Debug)]
pub(crate) struct Book {
    /// The number of the next message, if nothing is lost.
    next: u64,
    /// Numbers that were passed over.
    missing: BTreeSet<u64>,
    /// The latest number about states, and about transactions.
    latest: [u64; 2],
    boots: BTreeSet<u64>,
    heartbeats: u64,
    /// The number that this backoffice gave to the latest transaction.
    pub(crate) transaction: i64,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            next: 1,
            missing: BTreeSet::new(),
            latest: [0; 2],
            boots: BTreeSet::new(),
            heartbeats: 0,
            transaction: 0,
        }
    }
}

impl Book {
    /// Books a call that arrived; `scratch` is written to. The number of the message, when it is this charger's.
    pub(crate) fn enter(
        &mut self,
        charger: &str,
        kind: Kind,
        payload: &str,
        scratch: &mut Vec<u8>,
        tally: &mut Tally,
    ) -> Option<u64> {
        if kind == Kind::Heartbeat {
            self.heartbeats += 1;
            return None;
        }
        let sequence = if self.is(charger, kind, payload, self.next, scratch) {
            self.next
        } else {
            self.examine(charger, kind, payload, scratch, tally)?
        };
        if kind == Kind::Boot {
            self.boots.insert(sequence);
        }
        let latest = &mut self.latest[usize::from(kind.is_about_transactions())];
        match sequence.cmp(&self.next) {
            std::cmp::Ordering::Equal => self.next += 1,
            std::cmp::Ordering::Greater => {
                self.missing.extend(self.next..sequence);
                self.next = sequence + 1;
            }
            std::cmp::Ordering::Less if self.missing.remove(&sequence) => {
                let is_late = sequence < *latest;
                *(if is_late { &mut tally.reordered } else { &mut tally.overtaken }) += 1;
            }
            std::cmp::Ordering::Less => {
                tally.doubled += 1;
                return Some(sequence);
            }
        }
        *latest = sequence.max(*latest);
        tally.delivered += 1;
        Some(sequence)
    }

    /// Whether this is, byte for byte, that message of that charger with the number given here.
    fn is(&self, charger: &str, kind: Kind, payload: &str, sequence: u64, scratch: &mut Vec<u8>) -> bool {
        scratch.clear();
        said::payload(scratch, kind, charger, sequence, self.transaction);
        scratch == payload.as_bytes()
    }

    /// Looks closer at what is not the next message.
    fn examine(
        &mut self,
        charger: &str,
        kind: Kind,
        payload: &str,
        scratch: &mut Vec<u8>,
        tally: &mut Tally,
    ) -> Option<u64> {
        let Some((name, sequence)) = said::origin(kind, payload) else {
            tally.altered += 1;
            return None;
        };
        if name != charger {
            tally.stray += 1;
            return None;
        }
        if !self.is(charger, kind, payload, sequence, scratch) {
            let number = said::transaction(payload).unwrap_or(self.transaction);
            scratch.clear();
            said::payload(scratch, kind, charger, sequence, number);
            // A repetition may be of an earlier transaction; that it comes twice is counted anyway.
            if scratch.as_slice() != payload.as_bytes() {
                tally.altered += 1;
            } else if sequence >= self.next || self.missing.contains(&sequence) {
                tally.unknown_transactions += 1;
            }
        }
        Some(sequence)
    }

    /// Whether everything up to this number has arrived, and so many Heartbeats.
    pub(crate) fn is_complete(&self, sequence: u64, heartbeats: u64) -> bool {
        self.next > sequence && self.missing.is_empty() && self.heartbeats >= heartbeats
    }

    /// Books as lost what has not arrived, once it is no longer waited for; `boots` are the numbers of the boots.
    pub(crate) fn close(&mut self, sequence: u64, heartbeats: u64, boots: &[u64], tally: &mut Tally) {
        self.missing.extend(self.next..=sequence);
        self.next = self.next.max(sequence + 1);
        tally.lost += self.missing.len() as u64;
        tally.lost_boots += boots.iter().filter(|boot| !self.boots.contains(boot)).count() as u64;
        self.boots.extend(boots);
        self.missing.clear();
        tally.lost += heartbeats.saturating_sub(self.heartbeats);
        self.heartbeats = self.heartbeats.max(heartbeats);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHARGER: &str = "L01-00001";

    fn message(kind: Kind, sequence: u64, transaction: i64) -> String {
        let mut out = Vec::new();
        said::payload(&mut out, kind, CHARGER, sequence, transaction);
        String::from_utf8(out).unwrap()
    }

    fn tally(messages: &[(Kind, String)], said: u64) -> Tally {
        let (mut book, mut tally) = (Book { transaction: 7, ..Book::default() }, Tally::default());
        for (kind, payload) in messages {
            book.enter(CHARGER, *kind, payload, &mut Vec::new(), &mut tally);
        }
        book.close(said, 0, &[1], &mut tally);
        tally
    }

    /// One to five, of which the first is a boot.
    fn all() -> Vec<(Kind, String)> {
        let kinds = [Kind::Boot, Kind::Available, Kind::Start, Kind::Meter, Kind::Stop];
        kinds.iter().zip(1..).map(|(kind, n)| (*kind, message(*kind, n, 7))).collect()
    }

    #[test]
    fn what_arrives_as_it_was_said_is_clean() {
        let tally = tally(&all(), 5);
        assert!(tally.is_clean(), "{tally:?}");
        assert_eq!(tally.delivered, 5);
    }

    #[test]
    fn each_fault_is_found_by_content() {
        type Spoil = fn(&mut Vec<(Kind, String)>);
        type Count = fn(&Tally) -> u64;
        let cases: [(Spoil, Count, &str); 10] = [
            (|m| drop(m.remove(3)), |t| t.lost, "lost"),
            (|m| drop(m.remove(4)), |t| t.lost, "lost at the end"),
            (|m| drop(m.remove(0)), |t| t.lost_boots, "lost boot"),
            (|m| m.push(m[3].clone()), |t| t.doubled, "doubled"),
            (|m| m.swap(2, 3), |t| t.reordered, "reordered"),
            (|m| m.swap(1, 2), |t| t.overtaken, "overtaken"),
            (|m| m[3].1 = message(Kind::Meter, 4, 8), |t| t.unknown_transactions, "unknown transaction"),
            (|m| m[3].1 = m[3].1.replace("16.02", "16.020"), |t| t.altered, "altered"),
            (|m| m[1].1 = m[1].1.replace("NoError", "noError"), |t| t.altered, "altered status"),
            (|m| m.insert(2, (Kind::Meter, m[3].1.replace(CHARGER, "L01-00002"))), |t| t.stray, "stray"),
        ];
        for (spoil, count, name) in &cases {
            let mut messages = all();
            spoil(&mut messages);
            let tally = tally(&messages, 5);
            assert_eq!(count(&tally), 1, "{name}: {tally:?}");
        }
        assert_eq!(cases.len(), 10);
    }
}
