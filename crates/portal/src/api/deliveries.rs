//! `/chargers/{charger}/deliveries`: what a backoffice must still be told, and what becomes of it.

use axum::Json;
use axum::extract::State;
use engine::{BackofficeId, ChargerId};
use serde::{Deserialize, Serialize};
use store::{DeliveryOrder, ListedDelivery, OrderWhat, Ordered};
use utoipa::{IntoParams, ToSchema};

use super::chargers::spelled;
use super::client::{Client, OperatorClient};
use super::problem::Problem;
use super::read::{Body, Check, LARGEST, NamedCharger, Query, TEXT_CHARACTERS, check_text};
use crate::privacy;
use crate::reader::{aside, hides_cards};
use crate::state::AppState;

/// So many messages can be named at once.
const MOST_NUMBERS: usize = 100;

/// A message that a backoffice must still be told.
#[derive(Debug, Serialize, ToSchema)]
struct Delivery {
    /// Its place: messages go in the order of their numbers.
    number: u64,
    /// The call of the charger, for `/calls/{trace}`.
    trace: String,
    /// OCPP's name of the message.
    action: String,
    /// The payload as JSON text; what is secret is taken out.
    payload: String,
    /// The call that began the transaction it belongs to.
    transaction: Option<String>,
    /// When the charger sent it; UTC, milliseconds since 1970.
    queued_unix_ms: i64,
    /// How often it was sent in vain.
    attempts: u32,
    /// Why it is not tried again by itself, as a stable name; null while it is.
    parked: Option<String>,
}

/// What waits for one backoffice.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveriesList {
    /// The first 200 messages, in order.
    items: Vec<Delivery>,
}

/// For whom.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesParameters {
    /// The backoffice.
    #[param(max_length = 500, example = "acme")]
    backoffice: String,
}

/// Messages to try again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// The backoffice that they are for.
    #[schema(max_length = 500, example = "acme")]
    backoffice: String,
    /// Which, by their numbers; all that are parked or were tried in vain if left out.
    #[schema(min_items = 1, max_items = 100)]
    numbers: Option<Vec<Number>>,
}

/// Messages to forget.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Forget {
    /// The backoffice that they are for.
    #[schema(max_length = 500, example = "acme")]
    backoffice: String,
    /// Which, by their numbers.
    #[schema(min_items = 1, max_items = 100)]
    numbers: Vec<Number>,
}

/// The number of a message in its lane.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "serde_json::Number")]
#[schema(value_type = u64, minimum = 0, maximum = 9007199254740991_i64)]
struct Number(u64);

impl TryFrom<serde_json::Number> for Number {
    type Error = String;

    /// To JSON, 7.0 is the same number as 7.
    fn try_from(number: serde_json::Number) -> Result<Self, String> {
        let whole = number.as_u64().or_else(|| {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            format!("{number:.0}").parse().ok()
        });
        let whole = whole.filter(|whole| *whole <= LARGEST.unsigned_abs());
        whole.map(Self).ok_or_else(|| format!("{number} is no number from 0 to {LARGEST}"))
    }
}

/// How an order fared.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcome {
    /// How many messages it concerned, as far as that is known yet.
    affected: u64,
    /// It is stored, and will be carried out in a moment.
    pending: bool,
}

impl Check for DeliveriesParameters {
    fn check(&self) -> Result<(), String> {
        check_text("backoffice", Some(&self.backoffice), TEXT_CHARACTERS)
    }
}

impl Check for Retry {
    fn check(&self) -> Result<(), String> {
        check_text("backoffice", Some(&self.backoffice), TEXT_CHARACTERS)?;
        self.numbers.as_deref().map_or(Ok(()), check_numbers)
    }
}

impl Check for Forget {
    fn check(&self) -> Result<(), String> {
        check_text("backoffice", Some(&self.backoffice), TEXT_CHARACTERS)?;
        check_numbers(&self.numbers)
    }
}

fn check_numbers(numbers: &[Number]) -> Result<(), String> {
    if !(1..=MOST_NUMBERS).contains(&numbers.len()) {
        return Err(format!("numbers must name from 1 to {MOST_NUMBERS} messages."));
    }
    Ok(())
}

/// Lists what a backoffice must still be told.
#[utoipa::path(get, path = "/chargers/{charger}/deliveries", tag = "Deliveries", operation_id = "list_deliveries",
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1"), DeliveriesParameters),
    responses((status = 200, description = "The messages.", body = DeliveriesList), (status = 404, response = super::NotFound)))]
pub(super) async fn list(
    client: Client,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
    Query(asked): Query<DeliveriesParameters>,
) -> Result<Json<DeliveriesList>, Problem> {
    let charger = spelled(&state, charger).await?;
    let found = state.lanes().list(&charger, &asked.backoffice.as_str().into()).await?;
    let mut items: Vec<Delivery> = found.into_iter().map(Delivery::from).collect();
    if hides_cards(client.role) {
        let mask = |one: &mut Delivery| one.payload = privacy::message(&one.action, &one.payload);
        items = aside(items, move |items| items.iter_mut().for_each(mask)).await;
    }
    Ok(Json(DeliveriesList { items }))
}

/// Has messages tried again, from the first attempt.
#[utoipa::path(post, path = "/chargers/{charger}/deliveries/retry", tag = "Deliveries", operation_id = "retry_deliveries", request_body = Retry,
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1")),
    responses(
        (status = 200, description = "The order is stored.", body = Outcome),
        (status = 403, response = super::Forbidden),
        (status = 404, response = super::NotFound),
        (status = 408, response = super::TooSlow),
        (status = 413, response = super::TooLarge),
        (status = 415, response = super::NotJson),
    ))]
pub(super) async fn retry(
    client: OperatorClient,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
    Body(order): Body<Retry>,
) -> Result<Json<Outcome>, Problem> {
    give(&state, &client, OrderWhat::Retry, charger, &order.backoffice, order.numbers).await
}

/// Has messages dropped: the backoffice will never be told.
///
/// A session of which the start is dropped cannot be booked any more: drop all its messages, or none.
#[utoipa::path(post, path = "/chargers/{charger}/deliveries/drop", tag = "Deliveries", operation_id = "drop_deliveries", request_body = Forget,
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1")),
    responses(
        (status = 200, description = "The order is stored.", body = Outcome),
        (status = 403, response = super::Forbidden),
        (status = 404, response = super::NotFound),
        (status = 408, response = super::TooSlow),
        (status = 413, response = super::TooLarge),
        (status = 415, response = super::NotJson),
    ))]
pub(super) async fn forget(
    client: OperatorClient,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
    Body(order): Body<Forget>,
) -> Result<Json<Outcome>, Problem> {
    give(&state, &client, OrderWhat::Drop, charger, &order.backoffice, Some(order.numbers)).await
}

async fn give(
    state: &AppState,
    client: &OperatorClient,
    what: OrderWhat,
    charger: ChargerId,
    backoffice: &str,
    numbers: Option<Vec<Number>>,
) -> Result<Json<Outcome>, Problem> {
    let charger = spelled(state, charger).await?;
    let backoffice = BackofficeId::from(backoffice);
    // Where nothing waits there is nothing to order.
    let lanes = state.unmasked().lanes(&charger).await?;
    if !lanes.iter().any(|lane| lane.backoffice == backoffice) {
        return Ok(Json(Outcome { affected: 0, pending: false }));
    }
    let numbers: Option<Vec<u64>> =
        numbers.map(|numbers| numbers.into_iter().map(|number| number.0).collect());
    tracing::info!(%charger, %backoffice, ?what, ?numbers, by = client.by, "an API client orders about deliveries");
    let outcome = state.lanes().order(DeliveryOrder { what, charger, backoffice, numbers }).await?;
    Ok(Json(match outcome {
        Ordered::Done(affected) => Outcome { affected, pending: false },
        Ordered::Pending => Outcome { affected: 0, pending: true },
    }))
}

impl From<ListedDelivery> for Delivery {
    fn from(listed: ListedDelivery) -> Self {
        let delivery = listed.delivery;
        Self {
            number: delivery.number,
            trace: delivery.trace.to_string(),
            action: delivery.action,
            payload: delivery.payload,
            transaction: delivery.transaction.map(|trace| trace.to_string()),
            queued_unix_ms: delivery.queued_unix_ms,
            attempts: delivery.attempts,
            parked: delivery.parked,
        }
    }
}
