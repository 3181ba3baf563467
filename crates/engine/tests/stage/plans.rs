//! Plans in the words of a transcript.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use engine::actions::{OCPP16, known};
use engine::{
    Aliases, Availability, BackofficeId, CardPattern, CardRoute, Failover, Follower, Grant, KeyChange,
    KeyPattern, LateReject, LocalList, MergeReply, Missing, OnLeaderLost, Outage, Plan, ProfilePurpose,
    Profiles, RefuseWith, Role, Scope, Supply, TurnsOn, UndecidedStart, UnknownCards, VerdictRule,
};

/// How long a leader is away before another leads, where the transcript does not say.
const FAILOVER_AFTER: Duration = Duration::from_secs(60);

/// `volt acme:control eye:observer`, and then:
///
/// - what a follower may do: `acme.allow=Reset,read`, `acme.deny=ReserveNow`, `acme.keys=Light*`,
///   `acme.purposes=TxProfile`, `acme.levels=3-5`, `acme.vendors=com.example`, `acme.sessions=own`,
///   `acme.rate=3`, `acme.refuse=callerror`; `acme.alias=CARD>DE-1` for anyone;
/// - who decides about cards: `policy=any_accept`, `all_accept`, `all_accept/ignore`, `ordered`,
///   `ordered/silence`, `first_answer`, `deciders=acme,volt`, `fallback=acme`, `route=DE-*>acme`,
///   `accepts=CARD`, `start=accept`, `start=refuse`, `foreign-stop=no`, `wait=4s`;
/// - whose is what: `profiles=by_purpose`, `by_band/0-2`, `composite`, `composite/230x1`, `list=acme`, `list=merge`,
///   `availability=merge`, `availability=merge/rejected`, `clears=all`, `reset=careful`, `status=memory`;
/// - keys that backoffices set: `keys=passthrough`, `keys.forwarded=acme`;
/// - while the leader is away: `absorb`, `mirror`, `failover=acme,eye`, `after=60s`, `back=300s`,
///   `grace=60s`, `cards=refuse`, `cards=accept`, `late=ignore`, `errors=absorb`.
pub(super) fn plan(text: &str) -> Result<Plan, String> {
    let mut words = text.split_whitespace();
    let leader = BackofficeId::from(words.next().ok_or("plan LEADER NAME:ROLE…")?);
    let mut plan = Plan::new(leader, Vec::new());
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if (name, value) == ("keys", "passthrough") {
            plan.keys.change = KeyChange::Passthrough;
        } else if name == "keys.forwarded" {
            plan.keys.forwarded.insert(value.into());
        } else if let Some((follower, role)) = name.split_once(':') {
            let role = Role::ALL.into_iter().find(|known| known.label() == role);
            plan.followers.push(Follower::new(follower.into(), role.ok_or(format!("no role: {word}"))?));
        } else if let Some((who, what)) = name.split_once('.') {
            granted(&mut plan, who, what, value)?;
        } else if !cards(&mut plan, name, value)? && !sharing(&mut plan, name, value)? {
            outage(&mut plan.outage, word)?;
        }
    }
    Ok(plan)
}

fn granted(plan: &mut Plan, who: &str, what: &str, value: &str) -> Result<(), String> {
    let who = BackofficeId::from(who);
    if what == "alias" {
        let (card, alias) = value.split_once('>').ok_or("CARD>ALIAS")?;
        let pairs = vec![(card.to_owned(), alias.to_owned())];
        plan.aliases.insert(who, Arc::new(Aliases::new(pairs)));
        return Ok(());
    }
    let follower = plan.followers.iter_mut().find(|follower| follower.backoffice == who);
    let grant: &mut Grant = Arc::make_mut(&mut follower.ok_or(format!("{who} does not follow"))?.grant);
    let list = || value.split(',');
    match what {
        "allow" => grant.commands.extend(list().flat_map(commands)),
        "deny" => list().flat_map(commands).for_each(|name| {
            grant.commands.remove(name);
        }),
        "keys" => grant.keys = list().map(KeyPattern::new).collect(),
        "purposes" => grant.purposes = list().filter_map(ProfilePurpose::read).collect(),
        "levels" => grant.levels = Some(range(value)?),
        "vendors" => grant.vendors = Some(list().map(str::to_owned).collect()),
        "sessions" => {
            grant.sessions = match value {
                "own" => Scope::Own,
                "all" => Scope::All,
                _ => Scope::None,
            }
        }
        "rate" => grant.commands_per_minute = value.parse().map_err(|_| "a number")?,
        "refuse" => grant.refuse_with = RefuseWith::CallError,
        _ => return Err(format!("no grant has this: {what}")),
    }
    Ok(())
}

/// A command by its name, or all of a class.
fn commands(word: &str) -> Vec<&'static str> {
    if let Some(action) = known(word) {
        return vec![action.name];
    }
    let is_of = |row: &&engine::actions::Action| {
        row.from_backoffice.as_ref().is_some_and(|rules| rules.class.label() == Some(word))
    };
    OCPP16.iter().filter(is_of).map(|row| row.name).collect()
}

fn cards(plan: &mut Plan, name: &str, value: &str) -> Result<bool, String> {
    let names = || value.split(',').map(BackofficeId::from).collect();
    let patterns = |text: &str| {
        text.split(',')
            .map(|card| CardPattern::new(card).map_err(|why| why.to_string()))
            .collect::<Result<Vec<_>, _>>()
    };
    let cards = &mut plan.cards;
    match (name, value) {
        ("policy", "any_accept") => cards.rule = VerdictRule::AnyAccept,
        ("policy", "all_accept") => cards.rule = VerdictRule::AllAccept(Missing::Refuse),
        ("policy", "all_accept/ignore") => cards.rule = VerdictRule::AllAccept(Missing::Ignore),
        ("policy", "ordered") => cards.rule = VerdictRule::Ordered(TurnsOn::Refusal),
        ("policy", "ordered/silence") => cards.rule = VerdictRule::Ordered(TurnsOn::Silence),
        ("policy", "first_answer") => cards.rule = VerdictRule::FirstAnswer,
        ("deciders", _) => cards.deciders = names(),
        ("fallback", _) => cards.fallback = names(),
        ("route", _) => {
            let (of, backoffice) = value.split_once('>').ok_or("route=CARDS>NAME")?;
            cards.routes.push(CardRoute { cards: patterns(of)?, backoffice: backoffice.into() });
        }
        ("accepts", _) => cards.allow = patterns(value)?,
        ("start", "accept") => cards.undecided_start = UndecidedStart::Accept,
        ("start", "refuse") => cards.undecided_start = UndecidedStart::Refuse,
        ("foreign-stop", "no") => cards.leader_may_stop_foreign = false,
        ("wait", time) => cards.wait = seconds(time)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn sharing(plan: &mut Plan, name: &str, value: &str) -> Result<bool, String> {
    let sharing = &mut plan.sharing;
    match (name, value.split_once('/').unwrap_or((value, ""))) {
        ("profiles", ("by_purpose", _)) => sharing.profiles = Profiles::ByPurpose,
        ("profiles", ("by_band", levels)) => sharing.profiles = Profiles::ByBand(range(levels)?),
        ("profiles", ("composite", "")) => sharing.profiles = Profiles::Composite(Supply::default()),
        ("profiles", ("composite", supply)) => {
            let number = |text: &str| text.parse().map_err(|_| "230x3");
            let (volts, phases) = supply.split_once('x').ok_or("230x3")?;
            let phases = u8::try_from(number(phases)?).map_err(|_| "230x3")?;
            sharing.profiles = Profiles::Composite(Supply { volts: number(volts)?, phases });
        }
        ("list", ("merge", _)) => sharing.local_list = LocalList::Merge,
        ("list", (owner, _)) => sharing.local_list = LocalList::Of(owner.into()),
        ("availability", ("merge", reply)) => {
            let reply = if reply == "rejected" { MergeReply::Rejected } else { MergeReply::Accepted };
            sharing.availability = Availability::Merge(reply);
        }
        ("clears", ("all", _)) => sharing.leader_clears_all = true,
        ("reset", ("careful", _)) => sharing.reset_in_foreign_session = false,
        ("status", ("memory", _)) => sharing.status_from_memory = true,
        _ => return Ok(false),
    }
    Ok(true)
}

fn range(text: &str) -> Result<RangeInclusive<i64>, String> {
    let ends = text.split_once('-').and_then(|(low, high)| Some(low.parse().ok()?..=high.parse().ok()?));
    ends.ok_or(format!("3-5, not {text}"))
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
