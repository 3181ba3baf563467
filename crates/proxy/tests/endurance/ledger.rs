//! What a charger said that must not be lost, in which order, and what of it was acknowledged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

/// What every backoffice must book once it was acknowledged.
pub const MUST_ARRIVE: [&str; 4] =
    ["StartTransaction", "MeterValues", "StopTransaction", "SecurityEventNotification"];

/// Orders what happens at all chargers of a run.
#[derive(Debug, Default)]
pub struct Sequence(AtomicU64);

impl Sequence {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// One message, however often it was said.
#[derive(Debug)]
pub struct Entry {
    /// Its name and payload, without the transaction's number.
    pub content: String,
    /// When it was first said.
    pub said: u64,
    /// When it was acknowledged.
    pub acknowledged: Option<u64>,
}

/// All messages of one charger that must not be lost.
#[derive(Debug, Default)]
pub struct Ledger {
    /// In the order in which they were first said.
    pub entries: Vec<Entry>,
    by_content: HashMap<String, usize>,
    unanswered: HashMap<String, usize>,
}

impl Ledger {
    /// The charger says this.
    pub fn says(&mut self, sequence: &Sequence, text: &str) {
        let frame: Vec<Value> = serde_json::from_str(text).expect("a charger speaks JSON");
        let [kind, id, action, payload] = &frame[..] else { return };
        let action = action.as_str().unwrap_or_default();
        if kind != 2 || !MUST_ARRIVE.contains(&action) {
            return;
        }
        let content = content(action, payload);
        let entries = &mut self.entries;
        let at = *self.by_content.entry(content.clone()).or_insert_with(|| {
            entries.push(Entry { content, said: sequence.next(), acknowledged: None });
            entries.len() - 1
        });
        self.unanswered.insert(id.as_str().unwrap_or_default().to_owned(), at);
    }

    /// The charger hears this; whether it newly acknowledges something.
    pub fn hears(&mut self, sequence: &Sequence, text: &str) -> bool {
        let Ok(frame) = serde_json::from_str::<Vec<Value>>(text) else { return false };
        let Some(at) = frame.get(1).and_then(Value::as_str).and_then(|id| self.unanswered.remove(id)) else {
            return false;
        };
        let entry = &mut self.entries[at];
        if frame[0] != 3 || entry.acknowledged.is_some() {
            return false;
        }
        entry.acknowledged = Some(sequence.next());
        true
    }

    /// The charger has lost its connection: nothing is answered any more.
    pub fn hangs_up(&mut self) {
        self.unanswered.clear();
    }

    /// The message of this content.
    pub fn find(&self, content: &str) -> Option<&Entry> {
        self.by_content.get(content).map(|at| &self.entries[*at])
    }
}

/// What tells one message from another, whatever number its transaction has with whom.
pub fn content(action: &str, payload: &Value) -> String {
    let mut payload = payload.clone();
    if let Some(fields) = payload.as_object_mut() {
        fields.remove("transactionId");
    }
    format!("{action} {payload}")
}
