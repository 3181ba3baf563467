//! What a backoffice answers. Its answers repeat the number of what they answer, in a member of their own: OCPP's
//! answers to most messages are empty, and an empty answer could belong to anything.

use std::io::Write;

use jiff::Timestamp;

use crate::said::Kind;

/// Transaction numbers of different backoffices never meet: the n-th counts from n times this.
const NUMBERS_APART: i64 = 100_000_000;

/// A backoffice's counters.
#[derive(Debug)]
pub(crate) struct Answerer {
    transactions: i64,
    now: String,
    now_since: u64,
}

impl Answerer {
    /// The backoffice at this position; the leader's is 0.
    pub(crate) fn new(position: usize) -> Self {
        Self { transactions: position as i64 * NUMBERS_APART, now: String::new(), now_since: 0 }
    }

    /// Writes the answer to a call. `clock` is in nanoseconds; `transaction` takes the number of one that begins.
    pub(crate) fn answer(
        &mut self,
        out: &mut Vec<u8>,
        id: &str,
        kind: Kind,
        sequence: Option<u64>,
        clock: u64,
        transaction: &mut i64,
    ) {
        let sequence = sequence.unwrap_or_default();
        let written = match kind {
            Kind::Heartbeat => write!(out, r#"[3,"{id}",{{"currentTime":"{}"}}]"#, self.now(clock)),
            Kind::Boot => write!(
                out,
                r#"[3,"{id}",{{"status":"Accepted","currentTime":"{}","interval":86400,"seen":{sequence}}}]"#,
                self.now(clock)
            ),
            Kind::Start => {
                self.transactions += 1;
                *transaction = self.transactions;
                write!(
                    out,
                    r#"[3,"{id}",{{"idTagInfo":{{"status":"Accepted"}},"transactionId":{}}}]"#,
                    self.transactions
                )
            }
            Kind::Stop => {
                write!(out, r#"[3,"{id}",{{"idTagInfo":{{"status":"Accepted"}},"seen":{sequence}}}]"#)
            }
            _ => write!(out, r#"[3,"{id}",{{"seen":{sequence}}}]"#),
        };
        written.expect("memory can be written to");
    }

    /// The time of day, read once a second.
    fn now(&mut self, clock: u64) -> &str {
        if self.now.is_empty() || clock - self.now_since > 1_000_000_000 {
            self.now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            self.now_since = clock;
        }
        &self.now
    }
}
