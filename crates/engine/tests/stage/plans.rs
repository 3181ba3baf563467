//! Plans in the words of a transcript.

use std::time::Duration;

use engine::{BackofficeId, Failover, Follower, LateReject, OnLeaderLost, Outage, Plan, Role, UnknownCards};

/// How long a leader is away before another leads, where the transcript does not say.
const FAILOVER_AFTER: Duration = Duration::from_secs(60);

/// `volt acme:control eye:observer`, and what holds while the leader is away: `absorb`, `mirror`,
/// `failover=acme,eye`, `after=60s`, `back=300s`, `grace=60s`, `cards=refuse`, `cards=accept`,
/// `late=ignore`, `errors=absorb`.
pub(super) fn plan(text: &str) -> Result<Plan, String> {
    let mut words = text.split_whitespace();
    let leader = BackofficeId::from(words.next().ok_or("plan LEADER NAME:ROLE…")?);
    let mut plan = Plan::new(leader, Vec::new());
    for word in words {
        match word.split_once(':') {
            Some((name, role)) => {
                let role = if role == "control" { Role::Control } else { Role::Observer };
                plan.followers.push(Follower { backoffice: name.into(), role });
            }
            None => outage(&mut plan.outage, word)?,
        }
    }
    Ok(plan)
}

fn outage(outage: &mut Outage, word: &str) -> Result<(), String> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    match (name, value, &mut outage.on_leader_lost) {
        ("absorb", "", mode) => *mode = OnLeaderLost::Absorb,
        ("mirror", "", mode) => *mode = OnLeaderLost::Mirror,
        ("failover", names, mode) => {
            let to = names.split(',').map(BackofficeId::from).collect();
            *mode = OnLeaderLost::Failover(Failover { to, after: FAILOVER_AFTER, back_after: None });
        }
        ("after", time, OnLeaderLost::Failover(failover)) => failover.after = seconds(time)?,
        ("back", time, OnLeaderLost::Failover(failover)) => failover.back_after = Some(seconds(time)?),
        ("grace", time, _) => outage.grace = seconds(time)?,
        ("cards", "refuse", _) => outage.unknown_cards = UnknownCards::Refuse,
        ("cards", "accept", _) => outage.unknown_cards = UnknownCards::Accept,
        ("late", "ignore", _) => outage.late_reject = LateReject::Ignore,
        ("errors", "absorb", _) => outage.absorb_leader_errors = true,
        _ => return Err(format!("no plan has this: {word}")),
    }
    Ok(())
}

fn seconds(time: &str) -> Result<Duration, String> {
    let seconds = time.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
    seconds.map(Duration::from_secs).ok_or_else(|| format!("60s, not {time}"))
}
