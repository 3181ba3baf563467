//! `/chargers`: which there are, and how each is.

use axum::Json;
use axum::extract::State;
use engine::ChargerId;
use serde::Serialize;
use store::{ChargerSummary, ChargersQuery};
use utoipa::ToSchema;

use super::client::Client;
use super::problem::Problem;
use super::read::{ChargersParameters, NamedCharger, Query, rows};
use crate::access::Role;
use crate::state::AppState;

/// A charger, as the list of the portal shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Charger {
    /// Its identity, as it was spelled first.
    charger: String,
    /// Whether it is connected.
    online: bool,
    /// The backoffice that leads it by its plan; null when no rule of proxy.toml matches it any more.
    leader: Option<String>,
    /// `chargePointVendor` of its last BootNotification.
    vendor: Option<String>,
    /// `chargePointModel` of that.
    model: Option<String>,
    /// `firmwareVersion` of that.
    firmware: Option<String>,
    /// When it last came, left or had a call; UTC, milliseconds since 1970.
    last_seen_unix_ms: Option<i64>,
    /// What it last told of its connectors; 0 is the charger itself.
    connectors: Vec<Connector>,
    /// Its transactions that are not closed, the oldest first.
    running: Vec<RunningTransaction>,
    /// Deliveries that wait, of all backoffices.
    waiting: u64,
    /// Deliveries that are parked: a person must look at them.
    parked: u64,
    /// Since when the oldest delivery waits; UTC, milliseconds since 1970.
    oldest_waiting_unix_ms: Option<i64>,
    /// Calls of the last 24 hours that a follower answered differently than the leader.
    diverging_24h: u64,
}

/// What a charger told of one connector.
#[derive(Debug, Serialize, ToSchema)]
struct Connector {
    /// Its number.
    id: i64,
    /// `status`.
    status: String,
    /// `errorCode`.
    error_code: Option<String>,
    /// `timestamp`, as the charger wrote it.
    since: Option<String>,
}

/// A transaction that is not closed.
#[derive(Debug, Serialize, ToSchema)]
struct RunningTransaction {
    /// The call that began it.
    trace: String,
    /// The connector.
    connector_id: i64,
    /// The card.
    id_tag: String,
    /// The number that the charger uses.
    charger_number: Option<i64>,
    /// The charger's timestamp, untouched.
    started_at: String,
    /// When the StartTransaction was received; UTC, milliseconds since 1970.
    received_unix_ms: i64,
}

/// A page of chargers, by identity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChargersPage {
    /// The chargers.
    items: Vec<Charger>,
    /// What to ask for with `after` for the next page; null at the end. A page may be short, and even
    /// empty, before the end.
    next: Option<String>,
}

/// Lists the chargers.
///
/// All that ever connected, in alphabetical order, with what is known of each.
#[utoipa::path(get, path = "/chargers", tag = "Chargers", operation_id = "list_chargers", params(ChargersParameters),
    responses((status = 200, description = "A page of chargers.", body = ChargersPage)))]
pub(super) async fn list(
    client: Client,
    State(state): State<AppState>,
    Query(asked): Query<ChargersParameters>,
) -> Result<Json<ChargersPage>, Problem> {
    let query = ChargersQuery {
        search: asked.q.unwrap_or_default(),
        after: asked.after.map(|after| ChargerId::from(after.as_str())),
        limit: rows(asked.limit),
    };
    let page = state.reader(client.role).chargers(query).await?;
    let items = page.items.into_iter().map(|summary| shown(&state, summary)).collect();
    Ok(Json(ChargersPage { items, next: page.next.map(|next| next.to_string()) }))
}

/// One charger.
#[utoipa::path(get, path = "/chargers/{charger}", tag = "Chargers", operation_id = "get_charger",
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1")),
    responses((status = 200, description = "The charger.", body = Charger), (status = 404, response = super::NotFound)))]
pub(super) async fn one(
    client: Client,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
) -> Result<Json<Charger>, Problem> {
    let summary = state.reader(client.role).charger(&charger).await?.ok_or_else(Problem::no_charger)?;
    Ok(Json(shown(&state, summary)))
}

/// The charger as it was spelled first, if it is known: it has connected, or a rule is for it.
pub(super) async fn spelled(state: &AppState, charger: ChargerId) -> Result<ChargerId, Problem> {
    let known = state.reader(Role::Viewer).charger(&charger).await?;
    match known {
        Some(summary) => Ok(summary.charger),
        None => Err(Problem::no_charger()),
    }
}

fn shown(state: &AppState, summary: ChargerSummary) -> Charger {
    let connectors = summary.connectors.into_iter().map(|connector| Connector {
        id: connector.id,
        status: connector.status,
        error_code: connector.error_code,
        since: connector.since,
    });
    let running = summary.running.into_iter().map(|transaction| RunningTransaction {
        trace: transaction.trace.to_string(),
        connector_id: transaction.connector_id,
        id_tag: transaction.id_tag,
        charger_number: transaction.charger_number,
        started_at: transaction.started_at,
        received_unix_ms: transaction.received_unix_ms,
    });
    Charger {
        online: state.view().is_online(&summary.charger),
        leader: state.view().plan(&summary.charger).map(|found| found.plan.leader.to_string()),
        charger: summary.charger.to_string(),
        vendor: summary.vendor,
        model: summary.model,
        firmware: summary.firmware,
        last_seen_unix_ms: summary.last_seen_unix_ms,
        connectors: connectors.collect(),
        running: running.collect(),
        waiting: summary.waiting,
        parked: summary.parked,
        oldest_waiting_unix_ms: summary.oldest_waiting_unix_ms,
        diverging_24h: summary.diverging_24h,
    }
}
