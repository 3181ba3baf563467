//! Remembers. What a session must not forget, and who said what.
//!
//! Two promises that must not be confused. [`Store::keep`] makes a record durable and says when it
//! is: the charger's answer waits for it. [`Store::note`] adds to the message log: it never makes
//! anyone wait, and what does not fit is dropped and counted.
//!
//! Everything is in one SQLite file. One thread writes it and commits in groups ([`Store`]); reads
//! have connections of their own, and [`LogReader`] may sit in another program.
//! [`Browser`] reads what pages show. What is secret is
//! taken out before it reaches the disk (`redaction`).

mod browse;
mod counters;
mod database;
mod deliveries;
mod entrance;
mod error;
mod figures;
mod json;
mod keys;
mod lead;
mod log;
mod memory;
mod oblivion;
mod queue;
mod redaction;
mod room;
mod roster;
mod rows;
mod seal;
mod settings;
mod store;
mod upkeep;
mod watchers;
mod writer;

pub use browse::{
    Browser, Caller, CallsQuery, CardDifference, ChargerSummary, ChargersQuery, Comparison, ComparisonQuery,
    Connector, FieldDifference, Latency, ListedTransaction, OutcomeIs, Page, RunningTransaction,
    TransactionsQuery,
};
pub use deliveries::list::{Deliveries, ListedDelivery, ListedLane, Which};
pub use deliveries::orders::{Asked, DeliveryOrder, LaneChange, OrderWhat, Ordered};
pub use entrance::{Admission, AdmissionChange, AdmissionOrder, AdmissionWhat, Knocking, Login, WhyNot};
pub use error::{OpenError, StoreError};
pub use figures::{CommitTimes, DeliveriesEvicted, Figures, LaneFigures, RowsDropped};
pub use keys::{ChargerKey, ChargerKeys, KeyStage, LinkKey, LinkKeys};
pub use lead::{LeadChange, LeaderOrder, LeaderOverride};
pub use log::{
    Filter, LogReader, LoggedAnswer, LoggedCall, LoggedDifference, LoggedOccurrence, News, NewsItem,
};
pub use oblivion::{FORGOTTEN, ForgetError, Forgotten, forget_card};
pub use rows::LogEntry;
pub use seal::{KeyForm, LockedKey, LostSeal, Seal, SealedKey, new_key, passwords};
pub use settings::{Limits, Settings};
pub use store::{Kept, Recalled, Store};
