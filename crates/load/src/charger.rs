//! One charger as it goes about its day: it boots, charges, tells its meter values, stops, and begins anew. One call
//! at a time, as OCPP wants it (OCPP-J 1.6 §4.1.1); what its schedule wants said meanwhile waits its turn, and
//! that wait counts.

use std::collections::VecDeque;

use crate::ledger::Book;
use crate::said::{self, Kind};

/// Messages from one start to the next: 54 MeterValues, two Heartbeats, two StatusNotifications, one StartTransaction,
/// one StopTransaction.
const ROUND: u8 = 60;
/// Where in a round the Heartbeats are.
const HEARTBEATS: [u8; 2] = [20, 40];

/// A charger, and what every backoffice has got of it.
#[derive(Debug)]
pub(crate) struct Charger {
    pub(crate) name: String,
    /// Its connection, by its place among all.
    pub(crate) link: Option<usize>,
    pub(crate) books: Vec<Book>,
    /// When each call that is due was to be sent, in nanoseconds on the scene's clock.
    pub(crate) due: VecDeque<u64>,
    pub(crate) in_flight: Option<InFlight>,
    /// The number of its latest message with content.
    pub(crate) sequence: u64,
    pub(crate) heartbeats: u64,
    /// The numbers of its boots that are not booked as lost or arrived.
    pub(crate) boots: Vec<u64>,
    /// What its StartTransaction was answered.
    pub(crate) transaction: i64,
    calls: u64,
    opening: VecDeque<Kind>,
    step: u8,
}

/// A call without an answer so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InFlight {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) sequence: u64,
    /// When it was to be sent.
    pub(crate) due: u64,
}

impl Charger {
    /// `number` spreads the chargers over the round, so that at any moment the fleet says everything.
    pub(crate) fn new(name: String, number: usize, backoffices: usize) -> Self {
        Self {
            name,
            link: None,
            books: std::iter::repeat_with(Book::default).take(backoffices).collect(),
            due: VecDeque::new(),
            in_flight: None,
            sequence: 0,
            heartbeats: 0,
            boots: Vec::new(),
            transaction: 0,
            calls: 0,
            opening: VecDeque::new(),
            step: 2 + (number * 7 % usize::from(ROUND - 3)) as u8,
        }
    }

    /// Says these first.
    pub(crate) fn open_with(&mut self, opening: impl IntoIterator<Item = Kind>) {
        self.opening.extend(opening);
    }

    /// Writes its next call, whose moment was `due`.
    pub(crate) fn speak(&mut self, due: u64, out: &mut Vec<u8>) {
        let kind = self.next();
        self.calls += 1;
        if kind == Kind::Heartbeat {
            self.heartbeats += 1;
        } else {
            self.sequence += 1;
        }
        if kind == Kind::Boot {
            self.boots.push(self.sequence);
        }
        out.extend_from_slice(format!(r#"[2,"{:08}","{}","#, self.calls, kind.action()).as_bytes());
        said::payload(out, kind, &self.name, self.sequence, self.transaction);
        out.push(b']');
        self.in_flight = Some(InFlight { id: self.calls, kind, sequence: self.sequence, due });
    }

    fn next(&mut self) -> Kind {
        if let Some(kind) = self.opening.pop_front() {
            return kind;
        }
        let step = self.step;
        self.step = (step + 1) % ROUND;
        match step {
            0 => Kind::Start,
            1 => Kind::Charging,
            58 => Kind::Stop,
            59 => Kind::Available,
            step if HEARTBEATS.contains(&step) => Kind::Heartbeat,
            _ => Kind::Meter,
        }
    }

    /// Takes in an answer: whether it is the right one for the call in flight. `given` is the number that the
    /// leader gave to the latest transaction.
    pub(crate) fn hear(&mut self, call: InFlight, payload: &str, given: i64) -> bool {
        match call.kind {
            Kind::Heartbeat => payload.starts_with(r#"{"currentTime":"#),
            Kind::Start => {
                self.transaction = said::transaction(payload).unwrap_or_default();
                self.transaction == given && payload.contains(r#""status":"Accepted""#)
            }
            _ => seen(payload) == Some(call.sequence),
        }
    }
}

/// The number that an answer of a backoffice repeats.
fn seen(payload: &str) -> Option<u64> {
    payload.split_once(r#""seen":"#)?.1.strip_suffix('}')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_mostly_meter_values() {
        let mut charger = Charger::new(said::name(1, 0), 0, 1);
        charger.open_with([Kind::Start]);
        let mut kinds = Vec::new();
        for _ in 0..=ROUND {
            charger.speak(0, &mut Vec::new());
            kinds.push(charger.in_flight.unwrap().kind);
        }
        let count = |kind| kinds[1..].iter().filter(|said| **said == kind).count();
        assert_eq!(kinds[0], Kind::Start);
        let counts = [Kind::Meter, Kind::Heartbeat, Kind::Charging, Kind::Available, Kind::Start, Kind::Stop];
        assert_eq!(counts.map(count), [54, 2, 1, 1, 1, 1]);
    }

    #[test]
    fn the_answer_to_another_call_is_wrong() {
        let mut charger = Charger::new(said::name(1, 0), 0, 1);
        let call = |kind| InFlight { id: 1, kind, sequence: 5, due: 0 };
        assert!(charger.hear(call(Kind::Meter), r#"{"seen":5}"#, 0));
        assert!(!charger.hear(call(Kind::Meter), r#"{"seen":6}"#, 0));
        assert!(!charger.hear(call(Kind::Meter), "{}", 0));
        let start = r#"{"idTagInfo":{"status":"Accepted"},"transactionId":12}"#;
        assert!(charger.hear(call(Kind::Start), start, 12));
        assert!(!charger.hear(call(Kind::Start), start, 13));
    }
}
