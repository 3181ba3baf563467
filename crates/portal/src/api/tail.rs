//! `/tail`: the log as it is written, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use store::NewsItem;
use utoipa::ToSchema;

use super::calls::{Answer, Call, CallsParameters, Occurrence};
use super::client::Client;
use super::problem::Problem;
use super::read::Query;
use crate::state::AppState;
use crate::tail::{Heard, listen};

/// A front proxy closes a connection on which nothing is heard for a minute.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// The header in which a client says what it heard last.
const LAST_EVENT_ID: &str = "last-event-id";

/// The data of one event; `kind` is the event's name too.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum News {
    /// A call, with the answers that are known by now.
    Call {
        /// The call.
        call: Box<Call>,
    },
    /// An answer to a call that was news before.
    LateAnswer {
        /// Which call.
        trace: String,
        /// Its action.
        action: String,
        /// When the call was received; UTC, milliseconds since 1970.
        received_unix_ms: i64,
        /// The answer.
        answer: Box<Answer>,
    },
    /// Something happened to a charger or one of its links.
    Occurrence {
        /// What.
        occurrence: Box<Occurrence>,
    },
    /// There will be no more: after an hour, when the proxy is stopped, or when the log cannot be read.
    Over {
        /// Why, for a person.
        reason: String,
    },
}

impl News {
    fn name(&self) -> &'static str {
        match self {
            News::Call { .. } => "call",
            News::LateAnswer { .. } => "late_answer",
            News::Occurrence { .. } => "occurrence",
            News::Over { .. } => "over",
        }
    }
}

/// Follows the log.
///
/// Every entry that is written from now on and fits, as a server-sent event. Send the `id` of the last event
/// in the header `Last-Event-ID` to go on after it. The stream ends by itself after an hour. `before`,
/// `limit` and the times have no effect here.
#[utoipa::path(get, path = "/tail", tag = "Logs", operation_id = "follow_log",
    params(CallsParameters, ("Last-Event-ID" = Option<String>, Header, description = "What was heard last.",
        pattern = "^[0-9]{1,15}$", nullable = false)),
    responses((status = 200, description = "The log as it is written.", content_type = "text/event-stream", body = News)))]
pub(super) async fn follow(
    client: Client,
    State(state): State<AppState>,
    Query(asked): Query<CallsParameters>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let cursor = match headers.get(LAST_EVENT_ID) {
        Some(id) => cursor(id.to_str().unwrap_or_default())?,
        None => state.unmasked().cursor().await?,
    };
    let place = state
        .tails()
        .take(&client.name)
        .ok_or_else(|| Problem::busy("As many live tails as may be are open."))?;
    let heard = listen(
        state.reader(client.role),
        asked.query(),
        cursor,
        state.stopping(),
        place,
        state.may_go_on(None),
    );
    Ok(Sse::new(events(heard)).keep_alive(KeepAlive::new().interval(COMMENT_EVERY)))
}

fn cursor(id: &str) -> Result<i64, Problem> {
    let is_number = (1..=15).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| id.parse().ok()).flatten();
    number.ok_or_else(|| Problem::malformed("Last-Event-ID must be the id of an event."))
}

fn events(heard: impl Stream<Item = Heard>) -> impl Stream<Item = Result<Event, Infallible>> {
    heard.map(|heard| {
        let (id, news) = match heard {
            Heard::News(item) => (Some(item.seq()), News::from(*item)),
            Heard::Over(why) => (None, News::Over { reason: why.sentence().to_owned() }),
        };
        let data = serde_json::to_string(&news).expect("texts and numbers are always JSON");
        let event = Event::default().event(news.name()).data(data);
        Ok(match id {
            Some(id) => event.id(id.to_string()),
            None => event,
        })
    })
}

impl From<NewsItem> for News {
    fn from(item: NewsItem) -> Self {
        match item {
            NewsItem::Call(call) => News::Call { call: Box::new((*call).into()) },
            NewsItem::LateAnswer { trace, action, received_unix_ms, answer } => News::LateAnswer {
                trace: trace.to_string(),
                action,
                received_unix_ms,
                answer: Box::new((*answer).into()),
            },
            NewsItem::Occurrence { occurrence } => {
                News::Occurrence { occurrence: Box::new((*occurrence).into()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_is_taken_for_one() {
        assert_eq!(cursor("42").ok(), Some(42));
        for wrong in ["", "-1", "+1", "1.0", "x", "9999999999999999", "١"] {
            assert!(cursor(wrong).is_err(), "{wrong:?}");
        }
    }
}
