//! One server of a charger.

use engine::{BackofficeId, ChargerId, Plan, Role};
use gateway::{LiveBackoffice, LiveLink};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use store::ListedLane;

use super::words;
use crate::layout::{self, Icon, Tone, ago, badge, charger_path, duration, until};
use crate::words::shown;

/// What is known of it.
pub(super) struct Server<'a> {
    pub(super) charger: &'a ChargerId,
    pub(super) id: &'a BackofficeId,
    /// The charger gets its answers now.
    pub(super) leads: bool,
    /// It is to lead: by `proxy.toml`, or by a person's choice.
    pub(super) is_chosen: bool,
    pub(super) role: Option<Role>,
    pub(super) plan: &'a Plan,
    /// `None`: the charger is not connected. `Some(None)`: its session does not know this server yet.
    pub(super) live: Option<Option<&'a LiveBackoffice>>,
    pub(super) lane: Option<&'a ListedLane>,
    pub(super) may_be_made_leader: bool,
}

pub(super) fn card(server: &Server<'_>, now: i64) -> Markup {
    let id = server.id;
    let of = |below: &str, field: &str| {
        let id = utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC);
        charger_path(server.charger, &format!("{below}?{field}={id}"))
    };
    let role = if server.is_chosen && !server.leads {
        "Leader by choice, away"
    } else {
        words::role(server.leads, server.role)
    };
    html! {
        section.card.server.leads[server.leads] aria-label={ "Server " (id) } {
            header {
                h2 { (id) }
                @if server.leads { (layout::leader_badge()) } @else { span.muted { (role) } }
            }
            (words::may(server.plan, id, server.leads))
            dl.facts {
                dt { "Connection" } dd { (connection(server.live, now)) }
                @if let Some(Some(live)) = server.live {
                    dt { "Last answer" } dd { (last_answer(live, now)) }
                    dt { "Boot" } dd { (words::boot(live.boot.unwrap_or_default())) }
                }
                dt { "Waiting" } dd { (waiting(server, now)) }
                @if let Some(lane) = server.lane.filter(|lane| lane.parked > 0) {
                    dt { "Parked" }
                    dd {
                        (badge(Tone::Bad, Icon::Alert, &format!("{} parked", lane.parked)))
                        span.sub { "Not sent by themselves any more: an operator decides." }
                    }
                }
            }
            p.actions {
                @if server.may_be_made_leader { a.button href=(of("leader", "to")) { "Make leader" } }
                @if !server.leads { a href=(of("switch", "follower")) { "Before you switch" } }
                @if server.lane.is_some() { a href=(of("deliveries", "backoffice")) { "What waits" } }
            }
        }
    }
}

/// The state, with its reason and what comes next.
fn connection(live: Option<Option<&LiveBackoffice>>, now: i64) -> Markup {
    let Some(live) = live else {
        return html! {
            (badge(Tone::Plain, Icon::Ring, "not connected"))
            span.sub { "The charger is offline; its servers are connected with it." }
        };
    };
    match live.map(|live| &live.link) {
        Some(LiveLink::Up { since_unix_ms }) => html! {
            (badge(Tone::Good, Icon::Dot, "connected"))
            " " span.muted.small { "for " (duration(now - since_unix_ms)) }
        },
        Some(LiveLink::Dialing) | None => html! { (badge(Tone::Plain, Icon::Clock, "connecting")) },
        Some(LiveLink::Down { retry_at_unix_ms, reason }) => html! {
            (badge(Tone::Bad, Icon::Cross, "not connected"))
            @if let Some(reason) = reason { span.sub { (shown(reason)) } }
            span.sub {
                @match retry_at_unix_ms {
                    Some(at) => { "Next attempt " (until(*at, now)) },
                    None => "Not tried again by itself",
                }
            }
        },
    }
}

fn last_answer(live: &LiveBackoffice, now: i64) -> Markup {
    html! {
        @match live.last_answer_unix_ms {
            Some(at) => {
                (ago(at, now))
                @if let Some(took) = live.last_latency_us { " " span.muted.small { "took " (crate::words::duration(i64::try_from(took).unwrap_or(i64::MAX))) } }
            },
            None => span.muted { "none since the charger connected" },
        }
    }
}

/// How many messages it must still be told, and since when.
fn waiting(server: &Server<'_>, now: i64) -> Markup {
    let live = server.live.flatten().map(|live| live.waiting);
    let count = live.or(server.lane.map(|lane| lane.waiting)).unwrap_or(0);
    let oldest = server.lane.and_then(|lane| lane.oldest_unix_ms);
    html! {
        @match count {
            0 => span.muted { "nothing" },
            _ => {
                (badge(Tone::Warning, Icon::Clock, &if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }))
                @if let Some(oldest) = oldest { " " span.muted.small { "the oldest for " (duration(now - oldest)) } }
            },
        }
    }
}
