//! Decides. One charger, its leader and its followers, as a pure state machine.
//!
//! A [`Session`] is handed what happened ([`Event`]) and says what to do ([`Effect`]). It reads no
//! clock, opens no socket and draws no randomness of its own: the same events at the same moments
//! give the same effects, so that every incident replays as a test.
//!
//! Where to start reading: [`session`] branches to one file per concern; `docs/path-of-a-message.md`
//! follows one message through them.

pub mod actions;
pub mod divergence;
mod effect;
mod event;
mod fingerprint;
pub mod frame;
mod ids;
mod json;
mod key;
pub mod limits;
mod note;
pub mod payload;
mod plan;
mod record;
pub mod schedule;
pub mod session;
mod time;

pub use bytestring::ByteString as Text;
pub use effect::{Effect, Keep, Reason, Urgency};
pub use event::{Departure, DialFailure, Event, Violation};
pub use ids::{BackofficeId, BackofficeTransactionId, ChargerId, ChargerTransactionId, Side, TraceId};
pub use key::{KeyReach, NewKey};
pub use note::{AnswerNote, CallNote, Decider, Difference, Direction, FrameKind, Note, Outcome, Verdict};
pub use plan::{
    Aliases, Availability, CardPattern, CardPolicy, CardRoute, Failover, Follower, Grant, InvalidPattern,
    KeyChange, KeyPattern, KeyRules, LateReject, LocalList, MergeReply, Missing, OnLeaderLost, Outage, Plan,
    ProfilePurpose, Profiles, RefuseWith, Role, Scope, Sharing, Supply, TurnsOn, UndecidedStart,
    UnknownCards, VerdictRule,
};
pub use record::{
    Delivery, Fact, Lane, Memory, PeerState, PeerTransaction, Record, TransactionRow, TransactionState,
};
pub use session::Session;
pub use time::{Moment, Tick};
