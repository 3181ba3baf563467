//! Moments and durations, as people read them. Pages are written in UTC; `app.js` puts them into the
//! reader's own time.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use maud::{Markup, html};

/// UTC, milliseconds since 1970.
pub(crate) fn now_unix_ms() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)
}

/// Date and time of day.
pub(crate) fn moment(unix_ms: i64) -> Markup {
    let Ok(at) = Timestamp::from_millisecond(unix_ms) else {
        return html! { span { "at an impossible time" } };
    };
    html! { time datetime=(at.to_string()) data-show="moment" { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// How long ago, with the moment itself on the pointer.
pub(crate) fn ago(unix_ms: i64, now_unix_ms: i64) -> Markup {
    let Ok(at) = Timestamp::from_millisecond(unix_ms) else {
        return html! { span { "at an impossible time" } };
    };
    html! {
        time datetime=(at.to_string()) title=(at.strftime("%Y-%m-%d %H:%M:%S UTC")) data-show="ago" {
            (duration(now_unix_ms - unix_ms)) " ago"
        }
    }
}

/// Until a moment to come.
pub(crate) fn until(unix_ms: i64, now_unix_ms: i64) -> Markup {
    if unix_ms <= now_unix_ms {
        return html! { "any moment" };
    }
    html! { "in " (duration(unix_ms - now_unix_ms)) }
}

/// A timestamp as a peer wrote it: shown as a moment if it is one, untouched otherwise.
pub(crate) fn when(written: &str) -> Markup {
    match written.parse::<Timestamp>() {
        Ok(at) => moment(at.as_millisecond()),
        Err(_) => html! { span title="as the charger wrote it" { (written) } },
    }
}

/// The largest unit that says it well.
pub(crate) fn duration(ms: i64) -> String {
    let s = ms.max(0) / 1_000;
    match s {
        ..60 => format!("{s} s"),
        60..3_600 => format!("{} min", s / 60),
        3_600..36_000 if s % 3_600 >= 60 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        3_600..172_800 => format!("{} h", s / 3_600),
        _ => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_unit_that_fits() {
        for (ms, said) in [
            (-5, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_600_000, "1 h"),
            (3_900_000, "1 h 5 min"),
            (40_000_000, "11 h"),
            (172_800_000, "2 days"),
        ] {
            assert_eq!(duration(ms), said);
        }
        assert!(moment(i64::MAX).into_string().contains("impossible"));
        assert!(when("222222017-10-27T19:10:11Z").into_string().contains("222222017-10-27T19:10:11Z"));
        assert!(when("2026-03-01T10:00:00Z").into_string().contains("2026-03-01 10:00:00 UTC"));
    }
}
