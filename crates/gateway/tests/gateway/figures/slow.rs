//! S6: peers that take their time, in every way that there is.

use std::time::Duration;

use figures::{counted, row, scaled};
use futures_util::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, advance};

use super::{Good, HeldClock, answer_everybody, p99};
use crate::backoffice::Backoffice;
use crate::charger::{Charger, UPGRADE};
use crate::sessions::call;
use crate::world::{World, routing};
use crate::wss::{authority, shown, with_tls};

/// How a peer takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Connects and says nothing.
    Silent,
    /// A byte of its request now and then.
    Request,
    /// A byte of its TLS handshake now and then.
    TlsHandshake,
    /// A byte of a message now and then.
    Message,
    /// Asks for much and reads nothing.
    Deaf,
}

const KINDS: [Kind; 5] = [Kind::Silent, Kind::Request, Kind::TlsHandshake, Kind::Message, Kind::Deaf];

/// How often a slow peer brings a byte.
const EVERY_S: u64 = 9;

/// A slow peer with what it still has to say.
struct Slow {
    kind: Kind,
    stream: TcpStream,
    unsaid: Vec<u8>,
    gone_after: Option<Duration>,
}

impl Slow {
    async fn new(kind: Kind, world: &World, number: usize) -> Slow {
        let name = format!("CP-SLOW-{number}");
        let (stream, unsaid) = match kind {
            Kind::Silent => (TcpStream::connect(world.address).await.unwrap(), Vec::new()),
            Kind::Request => {
                let request = format!("GET /ocpp/{name} HTTP/1.1\r\nHost: gateway\r\n{UPGRADE}\r\n");
                (TcpStream::connect(world.address).await.unwrap(), request.into_bytes())
            }
            Kind::TlsHandshake => {
                let address = world.gateway.tls_address().unwrap();
                // A record of 512 bytes: the beginning of a ClientHello.
                (TcpStream::connect(address).await.unwrap(), vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])
            }
            Kind::Message => {
                let charger = Charger::dial(world.address, &name).await;
                assert_eq!(charger.status, 101);
                (charger.stream, b"\x81\xfe\x01\x00\0\0\0\0[2,\"1\",\"Heartbeat\"".to_vec())
            }
            Kind::Deaf => (deaf(world, &name).await, Vec::new()),
        };
        Slow { kind, stream, unsaid, gone_after: None }
    }

    /// Brings its next byte, if the time for it has come.
    fn go_on(&mut self, second: u64) {
        if second.is_multiple_of(EVERY_S) && !self.unsaid.is_empty() {
            let byte = self.unsaid.remove(0);
            // Fails once it was closed, which is found out by reading.
            let _ = self.stream.try_write(&[byte]);
        }
    }

    /// Looks whether it has been closed by now.
    fn look(&mut self, begun: Instant) {
        let gone = match self.kind {
            Kind::Deaf => self.stream.try_write(&[0x89]).is_err_and(|error| is_closed(&error)),
            _ => match self.stream.try_read(&mut [0; 512]) {
                Ok(read) => read == 0,
                Err(error) => is_closed(&error),
            },
        };
        if gone && self.gone_after.is_none() {
            self.gone_after = Some(begun.elapsed());
        }
    }

    /// Waits until it has been closed, however long that takes.
    async fn gone(&mut self, begun: Instant) -> Duration {
        let mut scrap = [0; 4096];
        while self.gone_after.is_none() {
            if matches!(self.stream.read(&mut scrap).await, Ok(0) | Err(_)) {
                self.gone_after = Some(begun.elapsed());
            }
        }
        self.gone_after.unwrap()
    }
}

fn is_closed(error: &std::io::Error) -> bool {
    error.kind() != std::io::ErrorKind::WouldBlock
}

/// A charger that takes hardly any byte from the kernel on its side.
async fn deaf(world: &World, name: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2 << 10).unwrap();
    let mut stream = socket.connect(world.address).await.unwrap();
    let head = format!(
        "GET /ocpp/{name} HTTP/1.1\r\nHost: gateway\r\n{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    let charger = Charger::answered(stream).await;
    assert_eq!(charger.status, 101);
    charger.stream
}

/// As many pings as answers to them fill every buffer on the way.
async fn shout(stream: &mut TcpStream) {
    let ping: Vec<u8> = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[0; 125]].concat();
    let pings = ping.repeat(2048);
    let _ = tokio::io::AsyncWriteExt::write_all(stream, &pings).await;
}

/// With a listener for TLS, too, and a backoffice that answers everybody.
async fn world() -> World {
    let backoffice = Backoffice::new().await;
    let certificates = shown(&authority("Charger authority"), "proxy.example", None);
    let mut settings = with_tls(certificates);
    // All that come to be served may come within one moment.
    settings.handshake_burst = 10_000;
    let world = World::with(settings, routing(&[("volt", &backoffice.url())])).await;
    answer_everybody(backoffice);
    world
}

/// S6: slow peers of five kinds beside good chargers
#[tokio::test(start_paused = true)]
async fn figure_s06_slow_peers_are_gone_in_time_and_cost_nobody_else_anything() {
    let _clock = HeldClock::hold();
    let (each, good) = (scaled(400, 8), scaled(200, 20));
    let world = world().await;

    let mut good = Good::new(world.address, good).await;
    let begun = Instant::now();
    let mut slow = Vec::new();
    for kind in KINDS {
        for number in 0..each {
            slow.push(Slow::new(kind, &world, number + each * kind as usize).await);
        }
    }
    let total = slow.len();
    for one in slow.iter_mut().filter(|one| one.kind == Kind::Deaf) {
        shout(&mut one.stream).await;
    }
    // What they shouted is behind them: it is their silence that is measured.
    good.round().await;
    for second in 0..31 {
        slow.iter_mut().for_each(|one| one.go_on(second));
        if second % 2 == 0 {
            good.round().await;
        }
        advance(Duration::from_secs(1)).await;
        slow.iter_mut().for_each(|one| one.look(begun));
    }
    // Time stands still from here on: whoever is not closed by now never will be.
    let mut last = [Duration::ZERO; KINDS.len()];
    for one in &mut slow {
        let gone_after = one.gone(begun).await;
        last[one.kind as usize] = last[one.kind as usize].max(gone_after);
    }
    good.round().await;
    assert_eq!(good.answers, 18 * good.chargers.len(), "every good charger got every answer");
    let connected = world.metric("ocpp_proxy_charger_connections").await;
    assert_eq!((slow.len(), connected), (total, good.chargers.len() as f64));
    let unfinished = "ocpp_proxy_protocol_violations_total{kind=\"unfinished_message\",peer=\"charger\"}";
    assert_eq!(world.metric(unfinished).await, each as f64);
    let kinds: Vec<_> =
        KINDS.iter().zip(last).map(|(kind, last)| format!("{kind:?} {} s", last.as_secs())).collect();
    row(
        "S6",
        format!(
            "{} slow sockets of {} kinds for 31 s of the proxy's clock, beside {} good chargers",
            counted(total),
            KINDS.len(),
            counted(good.chargers.len())
        ),
        format!(
            "all gone; the last of each kind after: {}; {} calls of good chargers, all answered",
            kinds.join(", "),
            counted(good.answers)
        ),
    );
}

/// How often a good charger calls.
const EVERY: Duration = Duration::from_secs(1);

/// A good charger that calls at its own moments; how long each answer took.
async fn calling(mut charger: Charger, first: Duration, times: u32) -> (Charger, Vec<Duration>) {
    let mut due = tokio::time::interval_at(Instant::now() + first, EVERY);
    let mut waited = Vec::new();
    for time in 0..times {
        due.tick().await;
        let begun = Instant::now();
        call(&mut charger, &time.to_string(), "Heartbeat", "{}").await;
        waited.push(begun.elapsed());
    }
    (charger, waited)
}

/// Every good charger calls for so many seconds, each at another moment of the second.
async fn all_calling(good: Vec<Charger>, seconds: u32) -> (Vec<Charger>, Vec<Duration>) {
    let apart = EVERY / u32::try_from(good.len()).expect("not that many");
    let calls = good.into_iter().zip(0..).map(|(charger, at)| calling(charger, apart * at, seconds));
    let (good, waited): (_, Vec<Vec<Duration>>) = join_all(calls).await.into_iter().unzip();
    (good, waited.concat())
}

/// Comes, takes its time until it is closed, and tells how long that took.
async fn endured(kind: Kind, world: &World, number: usize, patience: Duration) -> Option<Duration> {
    let mut one = Slow::new(kind, world, number).await;
    let begun = Instant::now();
    let gone = async {
        if kind == Kind::Deaf {
            shout(&mut one.stream).await;
        }
        for second in 0.. {
            tokio::time::sleep_until(begun + Duration::from_secs(second)).await;
            one.go_on(second);
            one.look(begun);
            if let Some(gone_after) = one.gone_after {
                return gone_after;
            }
        }
        unreachable!("there is always another second")
    };
    tokio::time::timeout(patience, gone).await.ok()
}

/// S6: by the clock on the wall, for what is felt beside slow peers is not felt when time is held
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figure_s06_good_chargers_are_answered_as_soon_beside_slow_ones() {
    let (each, good, seconds) = (scaled(400, 8), scaled(200, 20), scaled(40, 1));
    // They are not all awaited in CI, which has no half a minute for them.
    let patience = Duration::from_secs(scaled(32, 1));
    let world = world().await;
    let mut chargers = Vec::new();
    for number in 0..good {
        chargers.push(Charger::dial(world.address, &format!("CP-GOOD-{number}")).await);
    }
    let (chargers, quiet) = all_calling(chargers, seconds).await;
    // They come one after the other, all within a quarter of the time.
    let total = each * KINDS.len();
    let apart = Duration::from_secs(u64::from(seconds)) / 4 / u32::try_from(total).expect("not that many");
    let begun = Instant::now();
    let slow = (0..total).zip(0..).map(async |(number, turn)| {
        tokio::time::sleep_until(begun + apart * turn).await;
        endured(KINDS[number % KINDS.len()], &world, number, patience).await
    });
    let (gone, (_, beside)) = tokio::join!(join_all(slow), all_calling(chargers, seconds));
    let last = gone.iter().flatten().max().copied().unwrap_or_default();
    let gone = gone.iter().flatten().count();
    assert_eq!(beside.len(), good * seconds as usize, "every good charger got every answer");
    assert!(gone == total || !figures::full_size(), "{} of {total} slow ones are still there", total - gone);
    let [quiet, beside] = [quiet, beside].map(|waited| p99(waited).as_secs_f64() * 1e3);
    row(
        "S6",
        format!(
            "{} slow sockets of {} kinds within {seconds} s, beside {good} good chargers that call every second, \
             on the same two threads as they",
            counted(total),
            KINDS.len(),
        ),
        format!(
            "{} gone, the last after {:.0} s; p99 of the good ones' answers {beside:.1} ms, {:.1} times that \
             without the slow ones",
            counted(gone),
            last.as_secs_f64(),
            beside / quiet
        ),
    );
}
