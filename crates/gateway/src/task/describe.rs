//! How the session stands, put so that a person can be shown it.

use engine::Tick;
use engine::session::{Ended, LinkStatus, Stage};

use super::Talk;
use crate::notes::described;
use crate::view::{LiveBackoffice, LiveCharger, LiveLink};

impl Talk {
    /// How the session stands.
    pub(super) fn describe(&self) -> LiveCharger {
        let status = self.session.status();
        let backoffices = status.links.into_iter().map(|link| {
            let leads = link.backoffice == status.leader;
            self.describe_link(link, leads)
        });
        LiveCharger {
            connected_since_unix_ms: self.seat.as_ref().map(|present| present.since_unix_ms),
            from: self.from,
            backoffices: backoffices.collect(),
            leader: status.leader,
            leader_away_since_unix_ms: status.leader_away_since.map(|tick| self.unix_ms(tick)),
        }
    }

    fn describe_link(&self, link: LinkStatus, leads: bool) -> LiveBackoffice {
        let reason = link.ended.map(|ended| match ended {
            Ended::Left(departure) => described(&departure),
            Ended::HungUp(reason) => {
                format!("closed by the proxy with {}: {}", reason.close_code(), reason.text())
            }
        });
        LiveBackoffice {
            leads,
            role: self.plan.role(&link.backoffice),
            link: match link.stage {
                Stage::Up { since } => LiveLink::Up { since_unix_ms: self.unix_ms(since) },
                Stage::Dialing => LiveLink::Dialing,
                Stage::Down { retry_at } => {
                    let retry_at_unix_ms = retry_at.map(|tick| self.unix_ms(tick));
                    LiveLink::Down { retry_at_unix_ms, reason }
                }
            },
            boot: link.boot,
            waiting: link.waiting,
            last_answer_unix_ms: link.last_answer.map(|tick| self.unix_ms(tick)),
            last_latency_us: link.last_latency.and_then(|latency| u64::try_from(latency.as_micros()).ok()),
            id: link.backoffice,
        }
    }

    /// The wall time of a tick, as the clocks stand now.
    fn unix_ms(&self, tick: Tick) -> i64 {
        let now = self.shared.clock.now();
        let away =
            |earlier: Tick, later: Tick| i64::try_from(later.since(earlier).as_millis()).unwrap_or(i64::MAX);
        now.unix_ms.saturating_sub(away(tick, now.tick)).saturating_add(away(now.tick, tick))
    }
}
