//! `/chargers/{charger}/proxy`: the servers of a charger, who leads it, and the one thing to change there.

use axum::Json;
use axum::extract::State;
use engine::BackofficeId;
use gateway::{LeaderSource, LiveBackoffice, LiveLink};
use serde::{Deserialize, Serialize};
use store::{LeadChange, ListedLane};
use utoipa::{IntoParams, ToSchema};

use super::chargers::spelled;
use super::client::{Client, OperatorClient};
use super::problem::Problem;
use super::read::{Body, Check, NamedCharger, Query, TEXT_CHARACTERS, check_text};
use crate::access::Role;
use crate::limits::{REASON_CHARACTERS, SWITCHES_SHOWN};
use crate::state::AppState;
use crate::words::plan as words;

/// The servers of a charger and who leads it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Proxy {
    /// The charger.
    charger: String,
    /// Its session; null when it is not connected.
    session: Option<Session>,
    /// Its plan; null when no rule of proxy.toml matches it any more.
    plan: Option<Plan>,
    /// What waits or is parked, by backoffice; those for whom nothing does are left out.
    deliveries: Vec<Deliveries>,
    /// When and by whom the leader was changed, the newest first.
    history: Vec<LeaderChange>,
}

/// The session of a charger that is connected, or was a moment ago.
#[derive(Debug, Serialize, ToSchema)]
struct Session {
    /// Since when; UTC, milliseconds since 1970. Null when it has left and may still come back unnoticed.
    connected_since_unix_ms: Option<i64>,
    /// The address it came from.
    from: String,
    /// Who leads now; differs from the plan's leader in a failover.
    leader: String,
    /// Since when the leader is not there to answer; UTC, milliseconds since 1970.
    leader_away_since_unix_ms: Option<i64>,
    /// The backoffices, the leader first.
    backoffices: Vec<Backoffice>,
}

/// One backoffice of a session.
#[derive(Debug, Serialize, ToSchema)]
struct Backoffice {
    /// Its name in proxy.toml.
    backoffice: String,
    /// Whether its answers go to the charger.
    leads: bool,
    /// What it is there for: `control`, `energy`, `roaming`, `maintenance` or `observer`; null for the plan's leader.
    role: Option<String>,
    /// How its connection is.
    link: Link,
    /// What it answered to the charger's boot.
    boot: Option<String>,
    /// Messages that it must still be told; parked ones are left out.
    waiting: u64,
    /// When it last answered something in time; UTC, milliseconds since 1970.
    last_answer_unix_ms: Option<i64>,
    /// How long that answer took, in microseconds.
    last_latency_us: Option<u64>,
}

/// How a connection is.
#[derive(Debug, Serialize, ToSchema)]
struct Link {
    /// `up`, `dialing` or `down`.
    state: LinkState,
    /// Since when it is up; UTC, milliseconds since 1970.
    since_unix_ms: Option<i64>,
    /// When it is dialed again; UTC, milliseconds since 1970.
    retry_at_unix_ms: Option<i64>,
    /// Why it is down, for a person.
    reason: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LinkState {
    Up,
    Dialing,
    Down,
}

/// Who is to lead and who follows.
#[derive(Debug, Serialize, ToSchema)]
struct Plan {
    /// Who leads by the plan in force.
    leader: String,
    /// Who follows, with the role of each.
    followers: Vec<Follower>,
    /// Who decides about cards.
    cards: Cards,
    /// Whose is what the charger has one of.
    sharing: Sharing,
    /// Who leads by proxy.toml.
    file_leader: String,
    /// Who may say who leads: `portal` (an operator, beside the file) or `file` (proxy.toml alone).
    leader_source: String,
    /// The `match` of the rule of proxy.toml.
    rule: String,
    /// The operator's choice, if there is one.
    chosen: Option<Choice>,
}

/// A backoffice that is informed.
#[derive(Debug, Serialize, ToSchema)]
struct Follower {
    /// Its name.
    backoffice: String,
    /// What it is there for: `control`, `energy`, `roaming`, `maintenance` or `observer`.
    role: String,
    /// The commands that it may send at all, by OCPP's names.
    commands: Vec<String>,
    /// Configuration keys that it may change at the charger; `*` and `?` as in proxy.toml.
    keys: Vec<String>,
    /// Purposes of charging profiles that are its own (with `by_purpose`), by OCPP's names.
    purposes: Vec<String>,
    /// The lowest and the highest stack level that are its own (with `by_band`).
    stack_levels: Option<(i64, i64)>,
    /// Vendors whose DataTransfer it may send; null for all.
    vendors: Option<Vec<String>>,
    /// Whose sessions it may stop: `none`, `own` or `all`.
    sessions: String,
    /// Commands that it may send within a minute.
    commands_per_minute: u32,
    /// What it may do, for a person: each the end of "It may …".
    may: Vec<String>,
}

/// Who decides about cards.
#[derive(Debug, Serialize, ToSchema)]
struct Cards {
    /// Whose verdict holds: `leader_only`, `any_accept`, `all_accept`, `ordered` or `first_answer`.
    policy: String,
    /// Who has a say where more than the leader has, the first choice first.
    deciders: Vec<String>,
    /// Cards that the proxy itself accepts, as in proxy.toml.
    accept: Vec<String>,
    /// Cards about which one backoffice decides.
    routes: Vec<Route>,
    /// Who is believed while who is to decide is away.
    fallback: Vec<String>,
    /// The same for a person, a sentence each.
    sentences: Vec<String>,
}

/// Cards about which one backoffice decides.
#[derive(Debug, Serialize, ToSchema)]
struct Route {
    /// Which cards, as in proxy.toml.
    cards: Vec<String>,
    /// Who decides.
    backoffice: String,
}

/// Whose is what the charger has one of.
#[derive(Debug, Serialize, ToSchema)]
struct Sharing {
    /// Charging profiles: `leader`, `by_purpose`, `by_band` or `composite`.
    profiles: String,
    /// Who writes the local list: `leader`, `merge` or a backoffice.
    local_list: String,
    /// ChangeAvailability of several: `last` or `merge`.
    availability: String,
    /// The same for a person, a sentence each.
    sentences: Vec<String>,
}

impl From<&engine::Follower> for Follower {
    fn from(follower: &engine::Follower) -> Self {
        let grant = &follower.grant;
        Self {
            backoffice: follower.backoffice.to_string(),
            role: follower.role.label().to_owned(),
            commands: grant.commands.iter().map(|name| (*name).to_owned()).collect(),
            keys: grant.keys.iter().map(|key| key.text().to_owned()).collect(),
            purposes: grant.purposes.iter().map(|purpose| purpose.label().to_owned()).collect(),
            stack_levels: grant.levels.as_ref().map(|levels| (*levels.start(), *levels.end())),
            vendors: grant.vendors.clone(),
            sessions: match grant.sessions {
                engine::Scope::None => "none",
                engine::Scope::Own => "own",
                engine::Scope::All => "all",
            }
            .to_owned(),
            commands_per_minute: grant.commands_per_minute,
            may: Vec::new(),
        }
    }
}

impl Cards {
    fn of(plan: &engine::Plan) -> Self {
        let texts = |cards: &[engine::CardPattern]| cards.iter().map(|card| card.text().to_owned()).collect();
        let routes = plan.cards.routes.iter();
        Self {
            policy: plan.cards.rule.label().to_owned(),
            deciders: plan.deciders().into_iter().map(BackofficeId::to_string).collect(),
            accept: texts(&plan.cards.allow),
            routes: routes
                .map(|route| Route { cards: texts(&route.cards), backoffice: route.backoffice.to_string() })
                .collect(),
            fallback: plan.cards.fallback.iter().map(BackofficeId::to_string).collect(),
            sentences: words::cards(plan, &plan.leader),
        }
    }
}

impl Sharing {
    fn of(plan: &engine::Plan) -> Self {
        let whose = words::sharing(plan, &plan.leader).into_iter();
        Self {
            profiles: plan.sharing.profiles.label().to_owned(),
            local_list: match &plan.sharing.local_list {
                engine::LocalList::Leader => "leader".to_owned(),
                engine::LocalList::Merge => "merge".to_owned(),
                engine::LocalList::Of(owner) => owner.to_string(),
            },
            availability: match plan.sharing.availability {
                engine::Availability::Last => "last",
                engine::Availability::Merge(_) => "merge",
            }
            .to_owned(),
            sentences: whose.map(|(what, whose)| format!("{what}: {whose}.")).collect(),
        }
    }
}

/// An operator's choice of leader.
#[derive(Debug, Serialize, ToSchema)]
struct Choice {
    /// Who is to lead.
    leader: String,
    /// Who chose.
    by: String,
    /// Why.
    reason: String,
    /// When; UTC, milliseconds since 1970.
    unix_ms: i64,
    /// Whether it is in force. It is not when proxy.toml forbids it or does not name that backoffice.
    in_force: bool,
}

/// What waits for one backoffice.
#[derive(Debug, Serialize, ToSchema)]
struct Deliveries {
    /// For whom.
    backoffice: String,
    /// How many wait.
    waiting: u64,
    /// Since when the oldest of them does; UTC, milliseconds since 1970.
    oldest_unix_ms: Option<i64>,
    /// How many are parked: a person must look at them.
    parked: u64,
}

/// One change of the leader by an operator.
#[derive(Debug, Serialize, ToSchema)]
struct LeaderChange {
    /// When; UTC, milliseconds since 1970.
    unix_ms: i64,
    /// Who leads from then on; null: whom proxy.toml names.
    leader: Option<String>,
    /// Who changed it.
    by: String,
    /// Why.
    reason: String,
}

/// Another leader.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLeader {
    /// A backoffice of the charger's rule in proxy.toml.
    #[schema(max_length = 500, example = "acme")]
    leader: String,
    /// Why, for those who come after.
    #[schema(min_length = 1, max_length = 300, pattern = "\\S", example = "acme takes over billing")]
    reason: String,
}

/// Why the choice is taken back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NoLeader {
    /// Why, for those who come after.
    #[param(max_length = 300, nullable = false)]
    reason: Option<String>,
}

impl Check for NewLeader {
    fn check(&self) -> Result<(), String> {
        check_text("leader", Some(&self.leader), TEXT_CHARACTERS)?;
        if self.reason.trim().is_empty() {
            return Err("reason must say why.".to_owned());
        }
        check_text("reason", Some(&self.reason), REASON_CHARACTERS)
    }
}

impl Check for NoLeader {
    fn check(&self) -> Result<(), String> {
        check_text("reason", self.reason.as_ref(), REASON_CHARACTERS)
    }
}

/// The servers of a charger.
///
/// Who leads and who follows, how the connection to each is, what each must still be told, and who changed
/// the leader when and why.
#[utoipa::path(get, path = "/chargers/{charger}/proxy", tag = "Proxy", operation_id = "get_proxy",
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1")),
    responses((status = 200, description = "The servers.", body = Proxy), (status = 404, response = super::NotFound)))]
pub(super) async fn show(
    client: Client,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
) -> Result<Json<Proxy>, Problem> {
    Ok(Json(read(&state, client.role, NamedCharger(charger)).await?))
}

/// Makes another backoffice the leader.
///
/// Its answers go to the charger as soon as nothing is in flight; nobody is disconnected, and running
/// transactions go on under the numbers that everyone knows. The choice is kept in the store with its time,
/// reason and the token's name, and holds until it is taken back; proxy.toml stays as it is.
#[utoipa::path(put, path = "/chargers/{charger}/leader", tag = "Proxy", operation_id = "set_leader", request_body = NewLeader,
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1")),
    responses(
        (status = 200, description = "It is stored, and the session follows.", body = Proxy),
        (status = 403, response = super::Forbidden),
        (status = 404, response = super::NotFound),
        (status = 408, response = super::TooSlow),
        (status = 409, response = super::Conflict),
        (status = 413, response = super::TooLarge),
        (status = 415, response = super::NotJson),
    ))]
pub(super) async fn lead(
    client: OperatorClient,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
    Body(new): Body<NewLeader>,
) -> Result<Json<Proxy>, Problem> {
    let charger = spelled(&state, charger).await?;
    let leader = BackofficeId::from(new.leader.as_str());
    state.view().set_leader(&charger, Some(leader), &client.by, new.reason.trim()).await?;
    Ok(Json(read(&state, Role::Operator, NamedCharger(charger)).await?))
}

/// Lets the backoffice lead that proxy.toml names.
#[utoipa::path(delete, path = "/chargers/{charger}/leader", tag = "Proxy", operation_id = "reset_leader",
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1"), NoLeader),
    responses(
        (status = 200, description = "The operator's choice is gone, if there was one.", body = Proxy),
        (status = 403, response = super::Forbidden),
        (status = 404, response = super::NotFound),
        (status = 409, response = super::Conflict),
    ))]
pub(super) async fn lead_by_file(
    client: OperatorClient,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
    Query(why): Query<NoLeader>,
) -> Result<Json<Proxy>, Problem> {
    let charger = spelled(&state, charger).await?;
    let reason = why.reason.unwrap_or_default();
    state.view().set_leader(&charger, None, &client.by, reason.trim()).await?;
    Ok(Json(read(&state, Role::Operator, NamedCharger(charger)).await?))
}

async fn read(state: &AppState, role: Role, NamedCharger(charger): NamedCharger) -> Result<Proxy, Problem> {
    let charger = spelled(state, charger).await?;
    let session = state.view().charger(&charger).await.map(|live| Session {
        connected_since_unix_ms: live.connected_since_unix_ms,
        from: live.from.to_string(),
        leader: live.leader.to_string(),
        leader_away_since_unix_ms: live.leader_away_since_unix_ms,
        backoffices: live.backoffices.into_iter().map(Backoffice::from).collect(),
    });
    let plan = state.plan(&charger, role).map(|found| {
        let in_force = found.is_overridden();
        Plan {
            leader: found.plan.leader.to_string(),
            followers: found
                .plan
                .followers
                .iter()
                .map(|follower| Follower {
                    may: words::may(&found.plan, &follower.backoffice),
                    ..Follower::from(follower)
                })
                .collect(),
            cards: Cards::of(&found.plan),
            sharing: Sharing::of(&found.plan),
            file_leader: found.file_leader.to_string(),
            leader_source: match found.leader_source {
                LeaderSource::Portal => "portal".to_owned(),
                LeaderSource::File => "file".to_owned(),
            },
            rule: found.rule,
            chosen: found.overridden.map(|chosen| Choice {
                leader: chosen.leader.to_string(),
                by: chosen.by,
                reason: chosen.reason,
                unix_ms: chosen.unix_ms,
                in_force,
            }),
        }
    });
    let deliveries = state.unmasked().lanes(&charger).await?.into_iter().map(Deliveries::from).collect();
    let history = state.unmasked().lead_history(&charger, SWITCHES_SHOWN).await?;
    let history = history.into_iter().map(LeaderChange::from).collect();
    Ok(Proxy { charger: charger.to_string(), session, plan, deliveries, history })
}

impl From<LiveBackoffice> for Backoffice {
    fn from(live: LiveBackoffice) -> Self {
        Self {
            backoffice: live.id.to_string(),
            leads: live.leads,
            role: live.role.map(|role| role.label().to_owned()),
            link: live.link.into(),
            boot: live.boot.map(str::to_owned),
            waiting: live.waiting,
            last_answer_unix_ms: live.last_answer_unix_ms,
            last_latency_us: live.last_latency_us,
        }
    }
}

impl From<LiveLink> for Link {
    fn from(link: LiveLink) -> Self {
        let of = |state| Self { state, since_unix_ms: None, retry_at_unix_ms: None, reason: None };
        match link {
            LiveLink::Up { since_unix_ms } => {
                Self { since_unix_ms: Some(since_unix_ms), ..of(LinkState::Up) }
            }
            LiveLink::Dialing => of(LinkState::Dialing),
            LiveLink::Down { retry_at_unix_ms, reason } => {
                Self { retry_at_unix_ms, reason, ..of(LinkState::Down) }
            }
        }
    }
}

impl From<ListedLane> for Deliveries {
    fn from(lane: ListedLane) -> Self {
        Self {
            backoffice: lane.backoffice.to_string(),
            waiting: lane.waiting,
            oldest_unix_ms: lane.oldest_unix_ms,
            parked: lane.parked,
        }
    }
}

impl From<LeadChange> for LeaderChange {
    fn from(change: LeadChange) -> Self {
        Self {
            unix_ms: change.unix_ms,
            leader: change.leader.map(|leader| leader.to_string()),
            by: change.by,
            reason: change.reason,
        }
    }
}
