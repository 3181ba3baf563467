//! The log as a file: every call that the page's filter shows, newest first, as JSON lines or as a table.
//! Read and sent a few rows at a time.

pub(crate) mod csv;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::ChargerId;
use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use store::{CallsQuery, LoggedCall, NewsItem, StoreError};

use crate::access::guard::Visitor;
use crate::limits;
use crate::pages::logs::choice::Choice;
use crate::reader::Reader;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::tail::Place;
use crate::words::{self, Decided, Said};

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(
            "/chargers/{charger}/logs.ndjson",
            get(async |state, visitor, path, query| file(state, visitor, path, query, Format::Ndjson).await),
        )
        .route(
            "/chargers/{charger}/logs.csv",
            get(async |state, visitor, path, query| file(state, visitor, path, query, Format::Csv).await),
        )
}

async fn file(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(charger): Path<String>,
    Query(choice): Query<Choice>,
    format: Format,
) -> Result<Response, Refusal> {
    let charger = ChargerId::from(charger.as_str());
    let query = CallsQuery { before: None, ..choice.query(&charger, Timestamp::now()) };
    let place = state.exports().take(&visitor.name).ok_or_else(busy)?;
    let may_go_on = goes_on(&state, &visitor);
    Ok(send(state.reader(visitor.role), &charger, query, format, may_go_on, place))
}

/// Whether a file may go on being sent.
pub(crate) type GoesOn = Box<dyn Fn() -> bool + Send>;

/// While the proxy runs, and whoever asked is still in.
fn goes_on(state: &AppState, visitor: &Visitor) -> GoesOn {
    let (stopping, is_allowed) = (state.stopping(), state.may_go_on(Some(visitor.session)));
    Box::new(move || !*stopping.borrow() && is_allowed())
}

/// As many files as can are being sent.
pub(crate) fn busy() -> Refusal {
    let remedy = "As many exports as may be are under way, of all or of you. Try again in a minute.";
    let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Too many exports at once", remedy);
    Refusal { retry_after: Some(60), ..refusal }
}

/// What the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A JSON object per line, the same as `ocpp-proxy logs --json` prints.
    Ndjson,
    /// A table for spreadsheets.
    Csv,
}

/// The columns of the table.
const COLUMNS: [&str; 20] = [
    "received (UTC)",
    "charger",
    "from",
    "message",
    "connector",
    "idTag",
    "transaction",
    "result",
    "meaning",
    "decided by",
    "why",
    "milliseconds",
    "leader",
    "answers",
    "backoffices that differ",
    "differences",
    "payload",
    "answer",
    "redacted",
    "trace",
];

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Format::Ndjson => "application/x-ndjson; charset=utf-8",
            Format::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        }
    }

    fn heading(self) -> String {
        match self {
            Format::Ndjson => String::new(),
            // The mark tells spreadsheets that this is UTF-8.
            Format::Csv => format!("\u{feff}{}", csv::line(COLUMNS)),
        }
    }

    fn write(self, calls: Vec<LoggedCall>) -> String {
        let mut text = String::new();
        for call in calls {
            match self {
                Format::Ndjson => {
                    let item = NewsItem::Call(Box::new(call));
                    text.push_str(&serde_json::to_string(&item).expect("a logged call is always JSON"));
                    text.push('\n');
                }
                Format::Csv => text.push_str(&row(&call)),
            }
        }
        text
    }
}

/// Why a file ends before its end.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("the proxy is being stopped, or whoever asked is not in any more")]
    Ended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sends everything that the query finds.
pub(crate) fn send(
    reader: Reader,
    charger: &ChargerId,
    query: CallsQuery,
    format: Format,
    goes_on: GoesOn,
    place: Place,
) -> Response {
    let name = file_name(charger, format);
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    let body = Body::from_stream(pages(reader, query, format, goes_on, place));
    (headers, body).into_response()
}

struct Progress {
    reader: Reader,
    /// `None` at the end.
    query: Option<CallsQuery>,
    heading: String,
    goes_on: GoesOn,
    _place: Place,
}

fn pages(
    reader: Reader,
    query: CallsQuery,
    format: Format,
    goes_on: GoesOn,
    place: Place,
) -> impl Stream<Item = Result<Bytes, Stopped>> {
    let query = CallsQuery { limit: limits::EXPORT_ROWS, ..query };
    let heading = format.heading();
    let progress = Progress { reader, query: Some(query), heading, goes_on, _place: place };
    stream::try_unfold(progress, move |mut progress| async move {
        let Some(query) = progress.query.take() else { return Ok(None) };
        if !(progress.goes_on)() {
            // Cut off, not ended: nobody takes a part of the log for the whole.
            return Err(Stopped::Ended);
        }
        let page = progress.reader.calls(query.clone()).await?;
        progress.query = page.next.map(|before| CallsQuery { before: Some(before), ..query });
        let text = std::mem::take(&mut progress.heading) + &format.write(page.items);
        Ok(Some((Bytes::from(text), progress)))
    })
}

/// Of the identity only what every file system and header takes.
fn file_name(charger: &ChargerId, format: Format) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let name: String =
        charger.as_str().chars().take(60).map(|one| if is_plain(one) { one } else { '_' }).collect();
    let today = Timestamp::now().strftime("%Y-%m-%d");
    format!("{name}-logs-{today}.{}", format.extension())
}

fn row(call: &LoggedCall) -> String {
    let said = Said::to_originator(call);
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let (decided_by, why) = match Decided::about(call) {
        Decided::Leader(leader) => (leader.to_owned(), String::new()),
        Decided::Follower(follower) => (follower.to_owned(), "it decides about this card".to_owned()),
        Decided::Charger => ("charger".to_owned(), String::new()),
        Decided::Proxy { rule, sentence } => {
            ("proxy".to_owned(), sentence.map_or_else(|| rule.to_owned(), |why| format!("{why} [{rule}]")))
        }
        Decided::Nobody { why } => ("nobody".to_owned(), why.to_owned()),
    };
    let answers: Vec<String> = call
        .answers
        .iter()
        .map(|answer| {
            let leader = if answer.led { " (leader)" } else { "" };
            format!("{}{leader}: {}", answer.backoffice, Said::by_backoffice(&call.action, answer))
        })
        .collect();
    let differing = call.answers.iter().filter(|answer| words::is_alarming(&answer.verdict));
    let differences = call.answers.iter().flat_map(|answer| {
        answer.differences.iter().map(|difference| {
            let value = |value: &Option<String>| value.clone().unwrap_or("nothing".to_owned());
            let (leader, follower) = (value(&difference.leader), value(&difference.follower));
            format!("{}: leader {leader}, {} {follower}", difference.pointer, answer.backoffice)
        })
    });
    csv::line([
        received(call.received_unix_ms),
        call.charger.to_string(),
        call.from.to_string(),
        call.action.clone(),
        number(call.connector_id),
        call.id_tag.clone().unwrap_or_default(),
        number(call.transaction_number),
        said.word,
        said.meaning.unwrap_or_default(),
        decided_by,
        why,
        (call.latency_us / 1_000).to_string(),
        call.leader.to_string(),
        answers.join("; "),
        differing.map(|answer| answer.backoffice.to_string()).collect::<Vec<_>>().join("; "),
        differences.collect::<Vec<_>>().join("; "),
        call.payload.clone(),
        call.answer.clone().unwrap_or_default(),
        if call.redacted { "yes" } else { "" }.to_owned(),
        call.trace.to_string(),
    ])
}

fn received(unix_ms: i64) -> String {
    match Timestamp::from_millisecond(unix_ms) {
        Ok(moment) => moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[test]
    fn a_file_has_a_name_that_every_system_takes() {
        let name = file_name(&ChargerId::from("../a\"b\r\nc;=ä/"), Format::Csv);
        assert!(name.starts_with("___a_b__c____-logs-"), "{name}");
        assert!(name.ends_with(".csv"), "{name}");
        assert!(file_name(&ChargerId::from("a".repeat(500).as_str()), Format::Ndjson).len() < 100);
    }

    #[tokio::test]
    async fn a_file_that_may_not_go_on_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocpp-proxy.db");
        let store = store::Store::open(&path, store::Settings::default()).unwrap();
        for may_go_on in [true, false] {
            let reader = Reader::new(store::Browser::open(&path).unwrap(), crate::access::Role::Operator);
            let place = crate::tail::Places::new(1, 1).take("anna").unwrap();
            let goes_on: GoesOn = Box::new(move || may_go_on);
            let sent = pages(reader, CallsQuery::default(), Format::Csv, goes_on, place);
            let sent: Vec<_> = sent.collect().await;
            assert_eq!(sent.iter().map(Result::is_ok).collect::<Vec<_>>(), [may_go_on]);
        }
        drop(store);
    }
}
