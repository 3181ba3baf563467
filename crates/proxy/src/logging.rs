//! What the program says about itself: text on a terminal, JSON lines otherwise. Both escape control
//! characters, so that what a charger sends cannot forge a line or colour a terminal.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{self as lines, FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// The environment variable that says what is logged, in the notation of `RUST_LOG`.
const FILTER_VARIABLE: &str = "OCPP_PROXY_LOG";

/// Lines that may wait to be written; more are lost.
const LINES_WAITING: usize = 16_384;

/// The schema tool tells at every start that it has nothing to do.
const DEFAULT_FILTER: &str = "info,refinery_core=warn";

/// Starts logging to standard output, from a thread of its own: whoever reads it may stall, and the
/// chargers must not wait for that. Lines that do not fit are lost. What is left is written when the
/// guard is dropped.
pub(crate) fn start() -> WorkerGuard {
    let wanted = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| DEFAULT_FILTER.to_owned());
    let filter = EnvFilter::builder().parse_lossy(wanted);
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING).finish(io::stdout());
    let subscriber = tracing_subscriber::registry().with(filter).with(filter_fn(is_free_of_secrets));
    let lines = lines::layer().with_writer(writer);
    if io::stdout().is_terminal() {
        subscriber.with(lines.with_target(false).fmt_fields(text_fields())).init();
    } else {
        subscriber.with(lines.event_format(JsonLines).fmt_fields(JsonFields)).init();
    }
    guard
}

/// `name=value`, the message first and without its name; nothing in them that a terminal obeys.
fn text_fields() -> impl for<'writer> FormatFields<'writer> {
    debug_fn(|writer, field, value| {
        let value = format!("{value:?}");
        let value = plain(&value, |character| character.escape_unicode().to_string());
        match field.name() {
            "message" => write!(writer, "{value}"),
            name => write!(writer, "{name}={value}"),
        }
    })
    .delimited(" ")
}

/// A text in which every character that forges is written in this way: what ends a line, what a terminal obeys
/// (also beyond ASCII), and what turns around or hides what stands beside it.
fn plain(text: &str, written: impl Fn(char) -> String) -> Cow<'_, str> {
    let forges = |character: char| character.is_control() || gateway::is_invisible(character);
    if !text.contains(forges) {
        return Cow::Borrowed(text);
    }
    let whole =
        text.chars().map(|character| if forges(character) { written(character) } else { character.into() });
    Cow::Owned(whole.collect())
}

/// The crates that may log at TRACE. What others say there is not ours to vouch for: the WebSocket
/// library writes whole requests, with their `Authorization`, and whole messages. No filter brings
/// that back.
const OWN_CRATES: [&str; 5] = ["ocpp_proxy", "gateway", "store", "engine", "sim"];

fn is_free_of_secrets(metadata: &Metadata<'_>) -> bool {
    let own = metadata.target().split("::").next().is_some_and(|name| OWN_CRATES.contains(&name));
    own || *metadata.level() <= Level::DEBUG
}

/// One JSON object a line: `ts`, `level`, `msg`, then the fields of the event and of its spans.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(written) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(Value::Object(of_span)) = serde_json::from_str(written)
            {
                fields.0.extend(of_span);
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let message = fields.0.remove("message").unwrap_or_default();
        let mut line = String::new();
        write!(
            line,
            "{{\"ts\":{},\"level\":{},\"msg\":{message}",
            Value::from(format!("{:.3}", Timestamp::now())),
            Value::from(metadata.level().as_str().to_ascii_lowercase()),
        )?;
        // Where in the source a library said it, in its own notation (`log.file`, …).
        for (name, value) in fields.0.into_iter().filter(|(name, _)| !name.starts_with("log.")) {
            write!(line, ",{}:{value}", Value::from(name))?;
        }
        // JSON escapes no more than it must. Whatever else is to be escaped stands inside of strings.
        let line = plain(&line, |character| {
            character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        });
        writeln!(writer, "{line}}}")
    }
}

/// Keeps the fields of a span as JSON text for [`JsonLines`].
struct JsonFields;

impl<'writer> FormatFields<'writer> for JsonFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut collected = Fields::default();
        fields.record(&mut collected);
        write!(writer, "{}", Value::Object(collected.0))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a String fails only when the value's own Debug does; what it wrote so far will do.
        let _ = write!(text, "{value:?}");
        self.0.insert(field.name().to_owned(), text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_json_object_whatever_a_charger_sends() {
        let sink = Sink::default();
        let copy = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || copy.clone())
            .event_format(JsonLines)
            .fmt_fields(JsonFields)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("session", charger = "A\"\n{\"level\":\"forged\"}\u{1b}[31m");
            let _inside = span.enter();
            tracing::warn!(backoffice = "acme", retry_in_ms = 5_u64, "the link ended");
        });
        let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 1, "{written}");
        assert!(!written.contains('\u{1b}'));
        let line: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(line["level"], "warn");
        assert_eq!(line["msg"], "the link ended");
        assert_eq!(line["backoffice"], "acme");
        assert_eq!(line["retry_in_ms"], 5);
        assert_eq!(line["charger"], "A\"\n{\"level\":\"forged\"}\u{1b}[31m");
        assert!(written.starts_with("{\"ts\":\"2"), "{written}");
    }

    #[test]
    fn no_filter_shows_what_libraries_trace() {
        let sink = Sink::default();
        let copy = sink.clone();
        let subscriber = tracing_subscriber::registry()
            .with(EnvFilter::builder().parse_lossy("trace,tungstenite=trace,tungstenite::handshake=trace"))
            .with(filter_fn(is_free_of_secrets))
            .with(lines::layer().with_writer(move || copy.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "tungstenite::handshake::client", "Authorization: Basic c4n4ry");
            tracing::trace!(target: "tungstenite::protocol", "c4n4ry");
            tracing::trace!(target: "gateway_of_another", "c4n4ry");
            tracing::debug!(target: "tungstenite::protocol", "shown: a library's debug line");
            tracing::trace!(target: "gateway::notes", "shown: our own trace line");
            tracing::trace!(target: "ocpp_proxy", "shown: another one");
        });
        let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(!written.contains("c4n4ry"), "{written}");
        assert_eq!(written.matches("shown: ").count(), 3, "{written}");
    }
}
