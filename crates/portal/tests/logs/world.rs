//! A portal with a log, and the smallest browser.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use engine::{AnswerNote, CallNote, ChargerId, Decider, Outcome, Side, TraceId, Verdict};
use gateway::{Gateway, Metrics, Routing, Settings};
use portal::{Portal, PortalSettings};
use store::{Browser, LogEntry, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Calls were received from this time on, a millisecond apart: not so long ago that they would expire.
static RECEIVED: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap() - 60_000
});

pub(crate) struct World {
    _directory: tempfile::TempDir,
    store: Store,
    address: SocketAddr,
    cookie: String,
    noted: Cell<u64>,
    pub(crate) portal: Portal,
    _gateway: Gateway,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// An answer that goes on.
pub(crate) struct Tail {
    pub(crate) stream: TcpStream,
    heard: String,
}

impl World {
    /// With one person logged in.
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocpp-proxy.db");
        let store = Store::open(&path, store::Settings::default()).unwrap();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = Settings::new(Some(anywhere), None);
        let gateway =
            Gateway::start(settings, Routing::default(), store.clone(), Metrics::new("test")).await.unwrap();
        let browser = Browser::open(&path).unwrap();
        let settings = PortalSettings::new(anywhere, path);
        let portal = Portal::start(settings, gateway.view(), browser).await.unwrap();
        let link = portal.first_link().unwrap();
        let address = portal.address();
        let entered = get(address, link.split_once(&address.to_string()).unwrap().1, "").await;
        let cookie = entered.head.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap().to_owned();
        let noted = Cell::new(0);
        Self { _directory: directory, store, address, cookie, noted, portal, _gateway: gateway }
    }

    pub(crate) fn note(&self, entry: LogEntry) {
        self.noted.set(self.noted.get() + 1);
        self.store.note(&charger(), entry);
    }

    pub(crate) fn occurrence(&self, number: u64, kind: &'static str, detail: &str) {
        let unix_ms = *RECEIVED + number as i64;
        self.note(LogEntry::Occurrence {
            unix_ms,
            kind,
            who: "charger".to_owned(),
            detail: detail.to_owned(),
        });
    }

    /// Waits until all that was noted can be read.
    pub(crate) async fn written(&self) {
        while self.store.figures().written() < self.noted.get() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(self.address, path, &format!("Cookie: {}\r\n", self.cookie)).await
    }

    pub(crate) async fn get_as_stranger(&self, path: &str) -> Answer {
        get(self.address, path, "").await
    }

    pub(crate) async fn listen(&self, path: &str, last_event_id: Option<&str>) -> Tail {
        let last = last_event_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let stream = ask(self.address, path, &format!("Cookie: {}\r\n{last}", self.cookie)).await;
        Tail { stream, heard: String::new() }
    }
}

impl Tail {
    /// Reads on until the text comes; what was heard since the last time.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        while !self.heard.contains(text) {
            assert_ne!(self.read().await, 0, "the tail ended before {text:?}: {}", self.heard);
        }
        std::mem::take(&mut self.heard)
    }

    pub(crate) async fn rest(mut self) -> String {
        while self.read().await > 0 {}
        self.heard
    }

    async fn read(&mut self) -> usize {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer).await.unwrap();
        self.heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
        count
    }
}

async fn ask(address: SocketAddr, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let mut bytes = Vec::new();
    ask(address, path, headers).await.read_to_end(&mut bytes).await.unwrap();
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { joined(&bytes[split + 4..]) } else { bytes[split + 4..].to_vec() };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: String::from_utf8(body).unwrap() }
}

/// Without the lengths between the chunks (RFC 9112 §7.1).
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 4 + length..];
    }
}

fn charger() -> ChargerId {
    ChargerId::from("SITE1-CP1")
}

pub(crate) fn trace(number: u64) -> TraceId {
    TraceId(ulid::Ulid(u128::from(number)))
}

/// A call that volt decided.
pub(crate) fn call(number: u64, action: &str, payload: &str, answer: &str) -> CallNote {
    CallNote {
        trace: trace(number),
        from: Side::Charger,
        action: action.into(),
        received_unix_ms: *RECEIVED + number as i64,
        payload: payload.into(),
        outcome: Outcome::Result(answer.into()),
        decider: Decider::Leader("volt".into()),
        latency_us: 1_500,
        leader: "volt".into(),
        flags: Vec::new(),
    }
}

pub(crate) fn answer(number: u64, backoffice: &str, verdict: Verdict, answer: &str) -> AnswerNote {
    AnswerNote {
        trace: trace(number),
        backoffice: backoffice.into(),
        led: verdict == Verdict::Leader,
        action: "StartTransaction",
        outcome: Outcome::Result(answer.into()),
        latency_us: 900,
        verdict,
        differences: Vec::new(),
    }
}
