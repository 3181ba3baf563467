//! How much the program's own log says of each charger, and of all: whoever comes and goes a thousand times a
//! second, or breaks a rule with each message, must not fill the disk that the log is kept on. The message
//! log has bounds of its own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use engine::ChargerId;
use tokio::time::Instant;

use crate::fleet::folded;
use crate::limits::{
    LINES_AT_ONCE, LINES_OF_A_CHARGER_AT_ONCE, LINES_OF_A_CHARGER_PER_SECOND, LINES_OF_CHARGERS_REMEMBERED,
    LINES_PER_SECOND,
};
use crate::rate::{Bucket, Level};

/// Who may still write lines.
#[derive(Debug)]
pub(crate) struct Journal {
    of_all: Bucket,
    of_each: Mutex<Each>,
}

/// Every charger of whom a line was to be written lately, by the identity in small letters.
#[derive(Debug, Default)]
struct Each {
    lines: HashMap<String, Lines>,
    /// The oldest first. It gives way when there are too many: there is still the bound on the lines of all.
    in_order: VecDeque<String>,
}

#[derive(Debug)]
struct Lines {
    level: Level,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It is written; so many of the charger's were left out before it.
    Written {
        left_out_before: u64,
    },
    LeftOut,
}

impl Default for Journal {
    fn default() -> Self {
        Self { of_all: Bucket::new(LINES_PER_SECOND, LINES_AT_ONCE), of_each: Mutex::default() }
    }
}

impl Journal {
    /// What becomes of a line about this charger.
    pub(crate) fn line(&self, charger: &ChargerId, now: Instant) -> Line {
        // Nothing that runs under the lock leaves it half changed.
        let mut each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        let Each { lines, in_order } = &mut *each;
        let key = folded(charger);
        if !lines.contains_key(&key) {
            if lines.len() >= LINES_OF_CHARGERS_REMEMBERED
                && let Some(oldest) = in_order.pop_front()
            {
                lines.remove(&oldest);
            }
            in_order.push_back(key.clone());
        }
        let full = || Lines { level: Level::new(LINES_OF_A_CHARGER_AT_ONCE, now), left_out: 0 };
        let lines = lines.entry(key).or_insert_with(full);
        let own = lines.level.take(LINES_OF_A_CHARGER_PER_SECOND, LINES_OF_A_CHARGER_AT_ONCE, now);
        if own && self.of_all.take(now) {
            return Line::Written { left_out_before: std::mem::take(&mut lines.left_out) };
        }
        lines.left_out = lines.left_out.saturating_add(1);
        Line::LeftOut
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WRITTEN: Line = Line::Written { left_out_before: 0 };

    #[test]
    fn who_writes_too_much_is_cut_short_and_says_later_by_how_much() {
        let (journal, now) = (Journal::default(), Instant::now());
        let (noisy, quiet) = (ChargerId::from("CP1"), ChargerId::from("CP2"));
        for _ in 0..LINES_OF_A_CHARGER_AT_ONCE {
            assert_eq!(journal.line(&noisy, now), WRITTEN);
        }
        for _ in 0..1000 {
            assert_eq!(journal.line(&ChargerId::from("cp1"), now), Line::LeftOut);
        }
        assert_eq!(journal.line(&quiet, now), WRITTEN);
        let later = now + Duration::from_secs(1);
        assert_eq!(journal.line(&noisy, later), Line::Written { left_out_before: 1000 });
        assert_eq!(journal.line(&noisy, later), Line::LeftOut);
    }

    #[test]
    fn many_names_write_no_more_and_cost_no_more() {
        let (journal, now) = (Journal::default(), Instant::now());
        let written = (0..LINES_OF_CHARGERS_REMEMBERED * 2)
            .filter(|number| {
                let charger = ChargerId::from(format!("CP{number}").as_str());
                journal.line(&charger, now) == WRITTEN
            })
            .count();
        assert_eq!(written, LINES_AT_ONCE as usize);
        let each = journal.of_each.lock().unwrap();
        assert_eq!(
            (each.lines.len(), each.in_order.len()),
            (LINES_OF_CHARGERS_REMEMBERED, LINES_OF_CHARGERS_REMEMBERED)
        );
    }
}
