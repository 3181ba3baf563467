//! The live tail of the page: every new row as the HTML that the page has for it, so that a row looks the
//! same however it came.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use engine::ChargerId;
use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use maud::Markup;
use store::NewsItem;

use super::choice::Choice;
use super::row;
use crate::access::guard::Visitor;
use crate::reader::Reader;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::tail::{self, Heard};

/// A browser that was cut off waits so long before it comes back.
const RETRY: Duration = Duration::from_secs(3);

pub(crate) async fn follow(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(charger): Path<String>,
    Query(choice): Query<Choice>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let charger = ChargerId::from(charger.as_str());
    let place = state.tails().take(&visitor.name).ok_or_else(|| {
        let remedy =
            "As many live pages as may be are open, of all or of you. Load the page anew to see what is new.";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "No live tail is free", remedy)
    })?;
    // Where the browser was cut off, else where the page ended.
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or(&choice.after);
    let cursor = match seen.parse() {
        Ok(cursor) => cursor,
        Err(_) => state.unmasked().cursor().await?,
    };
    let query = choice.query(&charger, Timestamp::now());
    let reader = state.reader(visitor.role);
    let is_allowed = state.may_go_on(Some(visitor.session));
    let heard = tail::listen(reader.clone(), query, cursor, state.stopping(), place, is_allowed);
    let events = events(heard, reader, choice);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

fn events(
    heard: impl Stream<Item = Heard>,
    reader: Reader,
    choice: Choice,
) -> impl Stream<Item = Result<Event, Infallible>> {
    // Said at once, so that the browser knows it has been let in.
    let greeting = stream::iter([Ok(Event::default().retry(RETRY).comment("welcome"))]);
    let rows = heard.filter_map(move |heard| {
        let (reader, choice) = (reader.clone(), choice.clone());
        async move {
            let item = match heard {
                Heard::Over(why) => return Some(Event::default().event("over").data(why.sentence())),
                Heard::News(item) => *item,
            };
            let seq = item.seq();
            let row = row(item, &reader, &choice).await?;
            Some(Event::default().event("row").id(seq.to_string()).data(row.into_string()))
        }
    });
    greeting.chain(rows.map(Ok))
}

async fn row(item: NewsItem, reader: &Reader, choice: &Choice) -> Option<Markup> {
    match item {
        NewsItem::Call(call) => Some(row::call(&call)),
        // The row as it is with the late answer; it takes the place of the one without.
        NewsItem::LateAnswer { trace, .. } => Some(row::call(&reader.call(trace).await.ok().flatten()?)),
        NewsItem::Occurrence { occurrence } => {
            choice.shows(&occurrence).then(|| row::occurrence(&occurrence))
        }
    }
}
