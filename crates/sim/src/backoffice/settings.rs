//! What kind of backoffice it is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::CommandRange;
use crate::frame::{IdStyle, Layout};

/// The make-up of a simulated backoffice; the default is a well-behaved one that knows no card.
#[derive(Debug, Clone)]
pub struct BackofficeSettings {
    /// Its name, for its own ids.
    pub name: String,
    /// The number of its first transaction.
    pub first_transaction: i64,
    /// `idTagInfo.status` by card.
    pub cards: BTreeMap<String, String>,
    /// `idTagInfo.status` of a card it does not know.
    pub unknown_card: String,
    /// Whether a refused start gets the number 0, as several backoffices do.
    pub zero_when_refused: bool,
    /// How many BootNotifications it answers `Pending` before it accepts.
    pub pending_boots: u32,
    /// `interval` of its BootNotification answers, in seconds.
    pub interval_s: u64,
    /// How long it thinks before it answers, at most.
    pub answer_delay: Duration,
    /// How it numbers its calls.
    pub ids: IdStyle,
    /// How it writes JSON.
    pub layout: Layout,
    /// What it does wrong.
    pub faults: BackofficeFaults,
    /// How long it waits for an answer to a command.
    pub answer_timeout: Duration,
    /// It considers the other side to have given up on a call after this long, so that another one
    /// is no offence against the single flight of OCPP-J 1.6 §4.1.1.
    pub patience: Duration,
    /// About how often it sends a command of its own accord, if at all.
    pub commands_every: Option<Duration>,
    /// How many commands it sends at once when it does, without waiting for answers.
    pub commands_at_once: u32,
    /// Which commands it thinks of.
    pub command_range: CommandRange,
}

impl Default for BackofficeSettings {
    fn default() -> Self {
        Self {
            name: "backoffice".to_owned(),
            first_transaction: 1,
            cards: BTreeMap::new(),
            unknown_card: "Invalid".to_owned(),
            zero_when_refused: false,
            pending_boots: 0,
            interval_s: 300,
            answer_delay: Duration::from_millis(50),
            ids: IdStyle::Counter,
            layout: Layout::Compact,
            faults: BackofficeFaults::default(),
            answer_timeout: Duration::from_secs(30),
            patience: Duration::from_millis(8_500),
            commands_every: None,
            commands_at_once: 1,
            command_range: CommandRange::Few,
        }
    }
}

/// How many of a thousand answers go wrong, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct BackofficeFaults {
    /// It does not answer.
    pub silent: u32,
    /// It answers with CALLERROR.
    pub call_error: u32,
    /// It sends something that is not OCPP-J instead.
    pub garbage: u32,
    /// It answers twice.
    pub duplicate: u32,
    /// It answers with an id that nobody used.
    pub wrong_id: u32,
    /// It answers after everyone has given up.
    pub late: u32,
    /// It answers minutes later.
    pub minutes_late: u32,
    /// It answers with CALLERROR, by any of the codes of OCPP-J 1.6 §4.2.3, and has done nothing.
    pub refused: u32,
    /// It answers with fields that are missing or of another type.
    pub wrong_types: u32,
    /// It also answers what it was never asked.
    pub stray: u32,
    /// It issues a transaction number that is not positive, too large, or in use.
    pub odd_number: u32,
}

impl BackofficeFaults {
    /// Whether it has any of those that came to it later in life, and are drawn apart.
    pub(super) fn are_wild(self) -> bool {
        self.minutes_late + self.refused + self.wrong_types + self.stray + self.odd_number > 0
    }
}
