//! What the writer looks after between the writes: orders that operators left in the file, and how much
//! waits for whom.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::Writer;
use crate::StoreError;
use crate::counters::{Attempt, LaneCount};
use crate::deliveries::bounds::Evicted;
use crate::deliveries::orders;
use crate::{entrance, lead};

/// Orders from outside are looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What waits for backoffices is counted no more often than this.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// What the writer looks after while it has nothing better to do.
pub(super) struct Round {
    pub(super) due: Instant,
    /// When the orders were last looked at, in SQLite's own counting.
    data_version: Option<i64>,
    /// The last order about who leads that was told.
    heard: i64,
    /// The last order about who is let in that was told.
    heard_at_the_entrance: i64,
    counted: Option<Instant>,
    /// Deliveries came or went since they were counted.
    pub(super) has_news: bool,
}

impl Round {
    pub(super) fn new(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            due: Instant::now(),
            data_version: None,
            heard: lead::last(connection)?,
            heard_at_the_entrance: entrance::last(connection)?,
            counted: None,
            has_news: false,
        })
    }
}

impl Writer {
    /// Does what is done about once a second: carries out what operators ordered through the file, and
    /// counts what waits.
    pub(super) fn look_round(&mut self) {
        let now = Instant::now();
        if now < self.round.due {
            return;
        }
        self.round.due = now + LOOK_EVERY;
        if let Err(error) = self.carry_out_orders() {
            self.counters.failed(Attempt::Upkeep);
            tracing::warn!(%error, "an operator's order cannot be carried out; it is tried again");
        }
        if self.round.counted.is_none_or(|counted| counted + COUNT_EVERY <= now) {
            self.count_lanes();
        }
    }

    fn carry_out_orders(&mut self) -> Result<(), StoreError> {
        // Changes when another program has written.
        let version: i64 = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.round.data_version == Some(version) {
            return Ok(());
        }
        let mut evicted = Evicted::default();
        let changes = orders::carry_out_all(&self.connection, &mut evicted)?;
        let heard = lead::last(&self.connection)?;
        let orders = lead::from_outside(&self.connection, self.round.heard)?;
        let heard_at_the_entrance = entrance::last(&self.connection)?;
        let admissions = entrance::from_outside(&self.connection, self.round.heard_at_the_entrance)?;
        self.round.data_version = Some(version);
        self.round.heard = heard;
        self.round.heard_at_the_entrance = heard_at_the_entrance;
        self.round.has_news |= !changes.is_empty();
        self.counters.evicted(evicted);
        self.watchers.tell(&changes);
        self.leader_watchers.tell(&orders);
        self.admission_watchers.tell(&admissions);
        Ok(())
    }

    pub(super) fn count_lanes(&mut self) {
        if !std::mem::take(&mut self.round.has_news) {
            return;
        }
        self.round.counted = Some(Instant::now());
        match LaneCount::all(&self.connection) {
            Ok(lanes) => self.counters.counted(lanes),
            Err(error) => {
                self.counters.failed(Attempt::Read);
                tracing::warn!(%error, "what waits for backoffices cannot be counted");
            }
        }
    }
}
