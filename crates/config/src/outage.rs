//! Checks what a rule of `[[chargers]]` says of the time while its leader is away (semantics §2.9).

use std::ops::RangeInclusive;
use std::time::Duration;

use engine::{Failover, LateReject, OnLeaderLost, Outage, UnknownCards};
use jiff::SignedDuration;

use super::check::Remarks;
use super::explain::{quoted, suggestion};
use super::schema::{self, LateRejectName, OnLeaderLostName, UnknownCardsName};
use super::source::Node;

/// A leader that is away for longer is not bridged, it is gone.
const GRACE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3_600);
/// Longest wait before another one leads, or the leader does again.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// A leader that comes and goes must not lead and not lead within seconds.
const BACK_AFTER: RangeInclusive<Duration> = Duration::from_secs(10)..=LONGEST;

/// What the rule says, or `None` when it cannot be used.
pub(crate) fn outage(
    file: &schema::File,
    rule: &schema::ChargerRule,
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<Outage> {
    let grace =
        remarks.note(node.place("leader_grace"), duration("leader_grace", &rule.leader_grace, &GRACE, "60s"));
    let after = failover_after(rule, node, grace, remarks);
    let back_after = match rule.fail_back_after.as_str() {
        "never" => Some(None),
        text => remarks
            .note(node.place("fail_back_after"), duration("fail_back_after", text, &BACK_AFTER, "5m"))
            .map(Some),
    };
    let to = failover_to(file, rule, node, remarks);
    warn_of_no_effect(rule, node, grace, remarks);
    let on_leader_lost = match rule.on_leader_lost {
        OnLeaderLostName::Absorb => Some(OnLeaderLost::Absorb),
        OnLeaderLostName::Mirror => Some(OnLeaderLost::Mirror),
        OnLeaderLostName::Failover => to.zip(after).zip(back_after).map(|((to, after), back_after)| {
            let to = to.iter().map(|name| name.as_str().into()).collect();
            OnLeaderLost::Failover(Failover { to, after, back_after })
        }),
    };
    Some(Outage {
        on_leader_lost: on_leader_lost?,
        grace: grace?,
        unknown_cards: unknown_cards(rule.unknown_cards),
        late_reject: late_reject(rule.late_reject),
        absorb_leader_errors: rule.absorb_leader_errors,
    })
}

fn failover_after(
    rule: &schema::ChargerRule,
    node: &Node,
    grace: Option<Duration>,
    remarks: &mut Remarks<'_>,
) -> Option<Duration> {
    let at = node.place("failover_after");
    let written = duration("failover_after", &rule.failover_after, &(Duration::ZERO..=LONGEST), "2m");
    let after = remarks.note(at, written)?;
    let least = grace.unwrap_or_default();
    if node.get("failover_after").is_none() {
        return Some(after.max(least));
    }
    if after < least && rule.on_leader_lost == OnLeaderLostName::Failover {
        let (after, grace) = (quoted(&rule.failover_after), quoted(&rule.leader_grace));
        remarks.error(
            at,
            format!(
                "failover_after is {after}, shorter than leader_grace, {grace}; make it at least as long"
            ),
        );
        return None;
    }
    Some(after)
}

/// The names, each of a follower of this rule and each once.
fn failover_to<'a>(
    file: &schema::File,
    rule: &'a schema::ChargerRule,
    node: &Node,
    remarks: &mut Remarks<'_>,
) -> Option<&'a [String]> {
    let list = node.get("failover_to");
    if rule.failover_to.is_empty() && rule.on_leader_lost == OnLeaderLostName::Failover {
        let follower = rule.followers.first().map_or("acme", |follower| follower.backoffice.as_str());
        let (at, what) = match list {
            Some(list) => (list.span.start, "failover_to is empty"),
            None => {
                (node.place("on_leader_lost"), "on_leader_lost is \"failover\", but failover_to is missing")
            }
        };
        let remedy =
            format!("name the followers that may lead, for example failover_to = [{}]", quoted(follower));
        remarks.error(at, format!("{what}; {remedy}"));
        return None;
    }
    let mut valid = true;
    for (index, name) in rule.failover_to.iter().enumerate() {
        let at = list.and_then(|list| list.item(index)).map_or(node.span.start, |item| item.span.start);
        let follows = rule.followers.iter().any(|follower| follower.backoffice == *name);
        let what = quoted(name);
        let wrong = if rule.failover_to[..index].contains(name) {
            format!("failover_to names {what} twice; name each follower once, the first choice first")
        } else if *name == rule.leader {
            format!("failover_to names {what}, which leads here; name followers, which lead in its place")
        } else if follows {
            continue;
        } else if file.backoffices.contains_key(name) {
            format!("failover_to names {what}, which does not follow here; add it to followers")
        } else {
            let followers = rule.followers.iter().map(|follower| follower.backoffice.as_str());
            format!("failover_to names the unknown backoffice {what}{}", suggestion(name, followers))
        };
        remarks.error(at, wrong);
        valid = false;
    }
    valid.then_some(rule.failover_to.as_slice())
}

/// Whoever writes a key that has no effect expects one.
fn warn_of_no_effect(
    rule: &schema::ChargerRule,
    node: &Node,
    grace: Option<Duration>,
    remarks: &mut Remarks<'_>,
) {
    if rule.on_leader_lost != OnLeaderLostName::Failover {
        for key in ["failover_to", "failover_after", "fail_back_after"] {
            if let Some(written) = node.entry(key) {
                let message = format!(
                    "{key} has no effect without on_leader_lost = \"failover\"; write that, or remove {key}"
                );
                remarks.warning(written.key_span.start, message);
            }
        }
    }
    if rule.on_leader_lost == OnLeaderLostName::Absorb
        && let Some(written) = node.entry("leader_grace")
    {
        let message = "leader_grace has no effect with on_leader_lost = \"absorb\", which bridges a loss of any \
                       length; remove it, or choose \"mirror\" or \"failover\"";
        remarks.warning(written.key_span.start, message);
    }
    let is_never_bridged = rule.on_leader_lost == OnLeaderLostName::Mirror && grace == Some(Duration::ZERO);
    if is_never_bridged && !rule.absorb_leader_errors {
        for key in ["unknown_cards", "late_reject"] {
            if let Some(written) = node.entry(key) {
                let message = format!(
                    "{key} has no effect: with \"mirror\" and a leader_grace of 0s the proxy never answers for the \
                     leader; remove {key}, or allow a longer leader_grace"
                );
                remarks.warning(written.key_span.start, message);
            }
        }
    }
}

/// `"90s"`, `"2m"`, `"1h 30m"`: a time with its unit, within bounds.
pub(crate) fn duration(
    key: &str,
    found: &str,
    bounds: &RangeInclusive<Duration>,
    example: &str,
) -> Result<Duration, String> {
    let wrong =
        || format!("{key} is {}; it must be a number with s, m or h, such as {example:?}", quoted(found));
    let signed: SignedDuration = found.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(signed).map_err(|_| wrong())?;
    if !bounds.contains(&duration) {
        let (least, most) = (written(*bounds.start()), written(*bounds.end()));
        return Err(format!("{key} is {}; it must be from {least} to {most}", quoted(found)));
    }
    Ok(duration)
}

/// A bound, as it would be written in the file.
fn written(bound: Duration) -> String {
    match bound.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        seconds => format!("{seconds}s"),
    }
}

fn unknown_cards(name: UnknownCardsName) -> UnknownCards {
    match name {
        UnknownCardsName::ChargerDecides => UnknownCards::ChargerDecides,
        UnknownCardsName::Refuse => UnknownCards::Refuse,
        UnknownCardsName::Accept => UnknownCards::Accept,
    }
}

fn late_reject(name: LateRejectName) -> LateReject {
    match name {
        LateRejectName::Stop => LateReject::Stop,
        LateRejectName::Ignore => LateReject::Ignore,
    }
}
