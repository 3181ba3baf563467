//! What stands in the log, as it is read.

use engine::{BackofficeId, ChargerId, Side, TraceId};
use serde::{Serialize, Serializer};

pub use crate::rows::LoggedDifference;

/// A call, the answer its originator got, and what every backoffice answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedCall {
    /// Its place in the log, see [`LogReader::cursor`](crate::LogReader::cursor).
    pub seq: i64,
    /// Links everything that came of the call.
    pub trace: TraceId,
    /// The charger.
    pub charger: ChargerId,
    /// Who called: `"charger"` or a backoffice.
    #[serde(serialize_with = "as_text")]
    pub from: Side,
    /// The action.
    pub action: String,
    /// When it was received; UTC, milliseconds since 1970.
    pub received_unix_ms: i64,
    /// The payload, byte for byte except what is redacted.
    pub payload: String,
    /// `"result"`, `"error"`, or why there is no answer.
    pub outcome: String,
    /// The payload of the answer that the originator got.
    pub answer: Option<String>,
    /// The code of the error that it got.
    pub error_code: Option<String>,
    /// The description of that error.
    pub error_description: Option<String>,
    /// Whose answer it was: `"leader"`, `"charger"`, `"proxy"` or `"nobody"`.
    pub decider: String,
    /// The backoffice, or the rule by which the proxy answered.
    pub decided_by: Option<String>,
    /// From receipt to answer, in microseconds.
    pub latency_us: i64,
    /// Who led at that time.
    pub leader: BackofficeId,
    /// Remarks with stable names.
    pub flags: Vec<String>,
    /// Something secret was taken out of the payload or the answer.
    pub redacted: bool,
    /// The card.
    pub id_tag: Option<String>,
    /// The transaction, by the number that the caller uses.
    pub transaction_number: Option<i64>,
    /// The connector.
    pub connector_id: Option<i64>,
    /// What was decided or reported.
    pub status: Option<String>,
    /// What the backoffices answered so far, the leader first.
    pub answers: Vec<LoggedAnswer>,
}

/// What one backoffice answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedAnswer {
    /// Its place in the log.
    pub seq: i64,
    /// Who answered.
    pub backoffice: BackofficeId,
    /// Whether it led when it was asked.
    pub led: bool,
    /// `"result"`, `"error"`, or why there is no answer.
    pub outcome: String,
    /// The payload is equal to the leader's (the leader's own: to what the originator got) and is not
    /// repeated.
    pub same: bool,
    /// The payload, unless there is none or it is the same.
    pub payload: Option<String>,
    /// The code of its error.
    pub error_code: Option<String>,
    /// The description of its error.
    pub error_description: Option<String>,
    /// From asking it to its answer, in microseconds.
    pub latency_us: i64,
    /// How it compares with the leader's (semantics §3.8).
    pub verdict: String,
    /// Where it differs.
    pub differences: Vec<LoggedDifference>,
    /// Something secret was taken out.
    pub redacted: bool,
    /// The transaction number it issued.
    pub transaction_number: Option<i64>,
    /// What it decided.
    pub status: Option<String>,
}

/// Something that happened to a charger or one of its links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedOccurrence {
    /// Its place in the log.
    pub seq: i64,
    /// The charger.
    pub charger: ChargerId,
    /// When; UTC, milliseconds since 1970.
    pub unix_ms: i64,
    /// A stable name.
    pub kind: String,
    /// Whom it happened to.
    pub who: String,
    /// More of it, for a person.
    pub detail: String,
}

/// What came since a place in the log, see [`LogReader::news`](crate::LogReader::news).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct News {
    /// In the order of writing.
    pub items: Vec<NewsItem>,
    /// Where to go on.
    pub cursor: i64,
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NewsItem {
    /// A call, with the answers that are known by now.
    Call(Box<LoggedCall>),
    /// An answer to a call that was news before.
    LateAnswer {
        /// Which call.
        trace: TraceId,
        /// Its action.
        action: String,
        /// When the call was received; UTC, milliseconds since 1970.
        received_unix_ms: i64,
        /// The answer.
        answer: Box<LoggedAnswer>,
    },
    /// Something happened to the charger or one of its links.
    Occurrence {
        /// What.
        occurrence: Box<LoggedOccurrence>,
    },
}

impl NewsItem {
    /// Its place in the log.
    pub fn seq(&self) -> i64 {
        match self {
            NewsItem::Call(call) => call.seq,
            NewsItem::LateAnswer { answer, .. } => answer.seq,
            NewsItem::Occurrence { occurrence } => occurrence.seq,
        }
    }
}

fn as_text<S: Serializer>(side: &Side, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(side)
}
