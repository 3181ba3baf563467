//! `/calls`: the message log, one entry per call, with every backoffice's answer side by side.

use axum::Json;
use axum::extract::State;
use engine::ChargerId;
use serde::{Deserialize, Serialize};
use store::{Caller, CallsQuery, LoggedAnswer, LoggedCall, LoggedDifference, LoggedOccurrence, OutcomeIs};
use utoipa::{IntoParams, ToSchema};

use super::client::Client;
use super::problem::Problem;
use super::read::{
    Check, LARGEST, NamedCall, Query, TEXT_CHARACTERS, check_limit, check_number, check_text, rows,
};
use crate::state::AppState;

/// A call, the answer its originator got, and what every backoffice answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Call {
    /// Its place in the log; places only grow.
    seq: i64,
    /// Its name, for `/calls/{trace}`.
    trace: String,
    /// The charger.
    charger: String,
    /// Who called: `charger`, or a backoffice's name.
    from: String,
    /// OCPP's name of the message.
    action: String,
    /// When it was received; UTC, milliseconds since 1970.
    received_unix_ms: i64,
    /// The payload as JSON text, byte for byte except what is redacted.
    payload: String,
    /// `result`, `error`, or why there is no answer.
    outcome: String,
    /// The payload of the answer that the originator got, as JSON text.
    answer: Option<String>,
    /// The code of the CALLERROR that it got.
    error_code: Option<String>,
    /// The description of that error.
    error_description: Option<String>,
    /// Whose answer it was: `leader`, `follower` (its verdict on a card), `charger`, `proxy` or `nobody`.
    decider: String,
    /// The backoffice, or the rule by which the proxy answered.
    decided_by: Option<String>,
    /// From receipt to answer, in microseconds.
    latency_us: i64,
    /// Who led at that time.
    leader: String,
    /// Remarks with stable names.
    flags: Vec<String>,
    /// Something secret was taken out of the payload or the answer.
    redacted: bool,
    /// The card.
    id_tag: Option<String>,
    /// The transaction, by the number that the caller uses.
    transaction_number: Option<i64>,
    /// The connector.
    connector_id: Option<i64>,
    /// What was decided or reported.
    status: Option<String>,
    /// What the backoffices answered so far, the leader first.
    answers: Vec<Answer>,
}

/// What one backoffice answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Its place in the log.
    seq: i64,
    /// Who answered.
    backoffice: String,
    /// Whether it led when it was asked.
    led: bool,
    /// `result`, `error`, or why there is no answer.
    outcome: String,
    /// The payload is the leader's (the leader's own: what the originator got) and is not repeated.
    same: bool,
    /// The payload as JSON text, unless there is none or it is the same.
    payload: Option<String>,
    /// The code of its CALLERROR.
    error_code: Option<String>,
    /// The description of that error.
    error_description: Option<String>,
    /// From asking it to its answer, in microseconds.
    latency_us: i64,
    /// How it compares with the leader's.
    verdict: String,
    /// Where it differs.
    differences: Vec<Difference>,
    /// Something secret was taken out.
    redacted: bool,
    /// The transaction number it issued.
    transaction_number: Option<i64>,
    /// What it decided.
    status: Option<String>,
}

/// A place where a follower's answer differs from the leader's.
#[derive(Debug, Serialize, ToSchema)]
struct Difference {
    /// JSON pointer (RFC 6901) into the answer's payload.
    pointer: String,
    /// The leader's value there as JSON text; null when it has none.
    leader: Option<String>,
    /// The follower's value there as JSON text; null when it has none.
    follower: Option<String>,
}

/// Something that happened to a charger or one of its links.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Occurrence {
    /// Its place in the log.
    seq: i64,
    /// The charger.
    charger: String,
    /// When; UTC, milliseconds since 1970.
    unix_ms: i64,
    /// A stable name.
    kind: String,
    /// Whom it happened to.
    who: String,
    /// More of it, for a person.
    detail: String,
}

/// A page of calls, those received last first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CallsPage {
    /// The calls.
    items: Vec<Call>,
    /// What to ask for with `before` for the next page; null at the end. A page may be short, and even
    /// empty, before the end: a search looks at a bounded number of entries at a time.
    next: Option<i64>,
}

/// What happened to one charger, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Occurrences {
    /// The occurrences.
    items: Vec<Occurrence>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutcomeName {
    /// Answered with a status that says yes.
    Accepted,
    /// Answered with a status that says no, such as `Invalid`, `Blocked` or `Rejected`.
    Refused,
    /// Answered with a CALLERROR.
    Error,
    /// Not answered.
    Unanswered,
    /// A follower answered differently than the leader.
    Differs,
}

/// Which calls.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallsParameters {
    /// Of this charger; of all if left out.
    #[param(max_length = 500, nullable = false, required = false)]
    pub(super) charger: Option<String>,
    /// Terms separated by spaces, all of which must occur: in the action, the card, the status, a payload,
    /// an answer, a backoffice's name, or as anyone's transaction number.
    #[param(max_length = 500, nullable = false, required = false)]
    q: Option<String>,
    /// OCPP's name of the message, for example StartTransaction.
    #[param(max_length = 500, nullable = false, required = false)]
    action: Option<String>,
    /// Who called: `charger`, `backoffices` for any of them, or `backoffice:NAME`.
    #[param(
        max_length = 500,
        nullable = false,
        required = false,
        pattern = "^(charger|backoffices|backoffice:.+)$"
    )]
    from: Option<String>,
    /// How the call ended.
    #[param(inline, nullable = false, required = false)]
    outcome: Option<OutcomeName>,
    /// Of this card.
    #[param(max_length = 500, nullable = false, required = false)]
    id_tag: Option<String>,
    /// Of this transaction, by the number that the charger or any backoffice uses.
    #[param(minimum = -9007199254740991_i64, maximum = 9007199254740991_i64, nullable = false, required = false)]
    transaction: Option<i64>,
    /// Received then or later; UTC, milliseconds since 1970.
    #[param(minimum = 0, maximum = 9007199254740991_i64, nullable = false, required = false)]
    since_unix_ms: Option<i64>,
    /// Received then or earlier; UTC, milliseconds since 1970.
    #[param(minimum = 0, maximum = 9007199254740991_i64, nullable = false, required = false)]
    until_unix_ms: Option<i64>,
    /// Whether Heartbeat and MeterValues are left out.
    #[param(nullable = false, required = false)]
    hide_routine: Option<bool>,
    /// Only those after this one: `next` of the page before.
    #[param(minimum = 0, maximum = 9007199254740991_i64, nullable = false, required = false)]
    before: Option<i64>,
    /// So many at most; 100 if left out.
    #[param(minimum = 1, maximum = 1000, nullable = false, required = false)]
    limit: Option<u32>,
}

impl Check for CallsParameters {
    fn check(&self) -> Result<(), String> {
        check_text("charger", self.charger.as_ref(), TEXT_CHARACTERS)?;
        check_text("q", self.q.as_ref(), TEXT_CHARACTERS)?;
        check_text("action", self.action.as_ref(), TEXT_CHARACTERS)?;
        check_text("from", self.from.as_ref(), TEXT_CHARACTERS)?;
        check_text("id_tag", self.id_tag.as_ref(), TEXT_CHARACTERS)?;
        if let Some(from) = &self.from {
            caller(from)?;
        }
        check_number("since_unix_ms", self.since_unix_ms)?;
        check_number("until_unix_ms", self.until_unix_ms)?;
        check_number("before", self.before)?;
        if self.transaction.is_some_and(|number| !(-LARGEST..=LARGEST).contains(&number)) {
            return Err(format!("transaction must be from -{LARGEST} to {LARGEST}."));
        }
        check_limit(self.limit)
    }
}

impl CallsParameters {
    /// The question for the store.
    pub(crate) fn query(self) -> CallsQuery {
        CallsQuery {
            hides_cards: false,
            charger: self.charger.map(|charger| ChargerId::from(charger.as_str())),
            text: self.q.unwrap_or_default(),
            id_tag: self.id_tag,
            transaction: self.transaction,
            action: self.action,
            hide_routine: self.hide_routine.unwrap_or_default(),
            caller: self.from.and_then(|from| caller(&from).ok()),
            outcome: self.outcome.map(|outcome| match outcome {
                OutcomeName::Accepted => OutcomeIs::Accepted,
                OutcomeName::Refused => OutcomeIs::Refused,
                OutcomeName::Error => OutcomeIs::Error,
                OutcomeName::Unanswered => OutcomeIs::Unanswered,
                OutcomeName::Differs => OutcomeIs::Differs,
            }),
            since_unix_ms: self.since_unix_ms,
            until_unix_ms: self.until_unix_ms,
            before: self.before,
            limit: rows(self.limit),
        }
    }
}

fn caller(from: &str) -> Result<Caller, String> {
    match from {
        "charger" => Ok(Caller::Charger),
        "backoffices" => Ok(Caller::AnyBackoffice),
        _ => match from.strip_prefix("backoffice:").filter(|name| !name.is_empty()) {
            Some(name) => Ok(Caller::Backoffice(name.into())),
            None => Err("from must be charger, backoffices or backoffice:NAME.".to_owned()),
        },
    }
}

/// Lists calls.
///
/// Those received last come first. Each bears every backoffice's answer, the leader's first, and where a
/// follower's differs.
#[utoipa::path(get, path = "/calls", tag = "Logs", operation_id = "list_calls", params(CallsParameters),
    responses((status = 200, description = "A page of calls.", body = CallsPage)))]
pub(super) async fn list(
    client: Client,
    State(state): State<AppState>,
    Query(asked): Query<CallsParameters>,
) -> Result<Json<CallsPage>, Problem> {
    let page = state.reader(client.role).calls(asked.query()).await?;
    Ok(Json(CallsPage { items: page.items.into_iter().map(Call::from).collect(), next: page.next }))
}

/// One call.
#[utoipa::path(get, path = "/calls/{trace}", tag = "Logs", operation_id = "get_call",
    params(("trace" = String, Path, description = "The `trace` of the call.")),
    responses((status = 200, description = "The call.", body = Call), (status = 404, response = super::NotFound)))]
pub(super) async fn one(
    client: Client,
    State(state): State<AppState>,
    NamedCall(trace): NamedCall,
) -> Result<Json<Call>, Problem> {
    let found = match trace {
        Some(trace) => state.reader(client.role).call(trace).await?,
        None => None,
    };
    let remedy = "Look it up with GET /api/v1/calls; old calls are deleted after log.keep_days.";
    let call = found.ok_or_else(|| Problem::not_found("There is no such call", remedy))?;
    Ok(Json(call.into()))
}

/// Of which charger, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OccurrencesParameters {
    /// Of this charger.
    #[param(max_length = 500, example = "CP1")]
    charger: String,
    /// Then or later; UTC, milliseconds since 1970.
    #[param(minimum = 0, maximum = 9007199254740991_i64, nullable = false)]
    since_unix_ms: Option<i64>,
    /// Then or earlier; UTC, milliseconds since 1970.
    #[param(minimum = 0, maximum = 9007199254740991_i64, nullable = false)]
    until_unix_ms: Option<i64>,
    /// So many at most; 100 if left out.
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<u32>,
}

impl Check for OccurrencesParameters {
    fn check(&self) -> Result<(), String> {
        check_text("charger", Some(&self.charger), TEXT_CHARACTERS)?;
        check_number("since_unix_ms", self.since_unix_ms)?;
        check_number("until_unix_ms", self.until_unix_ms)?;
        check_limit(self.limit)
    }
}

/// Lists what happened to a charger and its links.
///
/// Connections that came and went, changes of the leader, alerts. The newest come first; for earlier ones
/// ask again with `until_unix_ms`.
#[utoipa::path(get, path = "/occurrences", tag = "Logs", operation_id = "list_occurrences", params(OccurrencesParameters),
    responses((status = 200, description = "What happened.", body = Occurrences)))]
pub(super) async fn occurrences(
    client: Client,
    State(state): State<AppState>,
    Query(asked): Query<OccurrencesParameters>,
) -> Result<Json<Occurrences>, Problem> {
    let charger = ChargerId::from(asked.charger.as_str());
    let (since, until) = (asked.since_unix_ms, asked.until_unix_ms);
    let found = state.reader(client.role).occurrences(&charger, since, until, rows(asked.limit)).await?;
    Ok(Json(Occurrences { items: found.into_iter().map(Occurrence::from).collect() }))
}

impl From<LoggedCall> for Call {
    fn from(call: LoggedCall) -> Self {
        Self {
            seq: call.seq,
            trace: call.trace.to_string(),
            charger: call.charger.to_string(),
            from: call.from.to_string(),
            action: call.action,
            received_unix_ms: call.received_unix_ms,
            payload: call.payload,
            outcome: call.outcome,
            answer: call.answer,
            error_code: call.error_code,
            error_description: call.error_description,
            decider: call.decider,
            decided_by: call.decided_by,
            latency_us: call.latency_us,
            leader: call.leader.to_string(),
            flags: call.flags,
            redacted: call.redacted,
            id_tag: call.id_tag,
            transaction_number: call.transaction_number,
            connector_id: call.connector_id,
            status: call.status,
            answers: call.answers.into_iter().map(Answer::from).collect(),
        }
    }
}

impl From<LoggedAnswer> for Answer {
    fn from(answer: LoggedAnswer) -> Self {
        Self {
            seq: answer.seq,
            backoffice: answer.backoffice.to_string(),
            led: answer.led,
            outcome: answer.outcome,
            same: answer.same,
            payload: answer.payload,
            error_code: answer.error_code,
            error_description: answer.error_description,
            latency_us: answer.latency_us,
            verdict: answer.verdict,
            differences: answer.differences.into_iter().map(Difference::from).collect(),
            redacted: answer.redacted,
            transaction_number: answer.transaction_number,
            status: answer.status,
        }
    }
}

impl From<LoggedDifference> for Difference {
    fn from(difference: LoggedDifference) -> Self {
        Self { pointer: difference.pointer, leader: difference.leader, follower: difference.follower }
    }
}

impl From<LoggedOccurrence> for Occurrence {
    fn from(one: LoggedOccurrence) -> Self {
        Self {
            seq: one.seq,
            charger: one.charger.to_string(),
            unix_ms: one.unix_ms,
            kind: one.kind,
            who: one.who,
            detail: one.detail,
        }
    }
}
