//! "Since when", as people write it on a command line.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A point in time, or a distance back from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long ago.
    Ago(SignedDuration),
    /// At that moment.
    Moment(Timestamp),
    /// At midnight of that day, where this computer is.
    Day(Date),
}

impl Since {
    /// Milliseconds since 1970.
    pub(crate) fn unix_ms(self, now: Timestamp, zone: TimeZone) -> i64 {
        match self {
            Since::Ago(distance) => {
                now.as_millisecond().saturating_sub(i64::try_from(distance.as_millis()).unwrap_or(i64::MAX))
            }
            Since::Moment(moment) => moment.as_millisecond(),
            Since::Day(date) => {
                date.to_zoned(zone).map_or(i64::MIN, |midnight| midnight.timestamp().as_millisecond())
            }
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(distance) = distance(text) {
            return Ok(Since::Ago(distance));
        }
        // A date alone also parses as a moment in some notations; people mean their own midnight.
        if text.len() == "2026-11-22".len()
            && let Ok(date) = text.parse()
        {
            return Ok(Since::Day(date));
        }
        text.parse().map(Since::Moment).map_err(|_| {
            "write 10m, 2h or 1d, a date such as 2026-11-22, or a moment such as 2026-11-22T13:00:00Z"
                .to_owned()
        })
    }
}

fn distance(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok().filter(|number| *number >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    number.checked_mul(seconds).map(SignedDuration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_time_in_several_ways() {
        let now: Timestamp = "2026-11-22T13:00:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let written = [
            ("30s", "2026-11-22T12:59:30Z"),
            ("10m", "2026-11-22T12:50:00Z"),
            ("2h", "2026-11-22T11:00:00Z"),
            ("1d", "2026-11-21T13:00:00Z"),
            ("1w", "2026-11-15T13:00:00Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22T10:00:00+02:00", "2026-11-22T08:00:00Z"),
        ];
        for (text, moment) in written {
            let since: Since = text.parse().unwrap();
            let expected: Timestamp = moment.parse().unwrap();
            assert_eq!(since.unix_ms(now, zone.clone()), expected.as_millisecond(), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "m", "-5m", "5y", "yesterday", "2026-13-01", "99999999999999999999d"] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}
