//! The simulated charger on a socket of its own, with drivers who come and go whether or not it is
//! connected.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::{Moment, Tick};
use futures_util::{SinkExt, StreamExt};
use sim::{Charger, ChargerSettings};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::ledger::{Ledger, Sequence};

/// How long a handshake may take: longer than the proxy waits for a leader.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// What all chargers of a run share.
pub struct Street {
    /// Where the proxy listens at present.
    pub proxy: Mutex<SocketAddr>,
    /// How many messages were acknowledged that must not be lost.
    pub acknowledged: AtomicUsize,
    /// No more cars come, and those that are there leave.
    pub closing: AtomicBool,
    /// About how long a driver stays.
    pub pace: Duration,
    sequence: Sequence,
    start: Instant,
    start_unix: Duration,
}

impl Street {
    /// A street at whose end this proxy listens.
    pub fn new(proxy: SocketAddr, pace: Duration) -> Self {
        Self {
            proxy: Mutex::new(proxy),
            acknowledged: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            pace,
            sequence: Sequence::default(),
            start: Instant::now(),
            start_unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap(),
        }
    }

    fn now(&self) -> Moment {
        let elapsed = self.start.elapsed();
        Moment {
            tick: Tick(elapsed.as_micros() as u64),
            unix_ms: i64::try_from((self.start_unix + elapsed).as_millis()).unwrap(),
        }
    }

    async fn reaches(&self, tick: Option<Tick>) {
        match tick {
            Some(tick) => tokio::time::sleep_until((self.start + Duration::from_micros(tick.0)).into()).await,
            None => std::future::pending().await,
        }
    }
}

/// A charger, seen from the test.
pub struct Parked {
    /// Its identity.
    pub name: String,
    /// What it said.
    pub ledger: Arc<Mutex<Ledger>>,
    settled: Arc<AtomicBool>,
}

impl Parked {
    /// Powers a charger up.
    pub fn power_up(number: u32, street: &Arc<Street>, random: fastrand::Rng) -> Self {
        let name = format!("CP{number}");
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let settled = Arc::new(AtomicBool::new(false));
        let settings = ChargerSettings {
            // Several makes say who they are each time they connect.
            boots_on_reconnect: number.is_multiple_of(5),
            // It does not give up: what it drops itself nobody can have lost.
            transaction_attempts: u32::MAX,
            transaction_retry: Duration::from_secs(1),
            meter_interval: street.pace / 2,
            ..Default::default()
        };
        let parked = Parked { name: name.clone(), ledger: ledger.clone(), settled: settled.clone() };
        let charger = Charger::new(settings, number.into());
        let act_at = street.now().tick;
        let street = street.clone();
        tokio::spawn(AtWork { name, charger, street, random, ledger, settled, act_at }.live());
        parked
    }

    /// Whether all its drivers have left and everything is acknowledged.
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }
}

struct AtWork {
    name: String,
    charger: Charger,
    street: Arc<Street>,
    random: fastrand::Rng,
    ledger: Arc<Mutex<Ledger>>,
    settled: Arc<AtomicBool>,
    act_at: Tick,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl AtWork {
    async fn live(mut self) {
        loop {
            let url = format!("ws://{}/ocpp/{}", self.street.proxy.lock().unwrap(), self.name);
            let request = ClientRequestBuilder::new(url.parse().unwrap()).with_sub_protocol("ocpp1.6");
            let dial = tokio::time::timeout(HANDSHAKE, tokio_tungstenite::connect_async(request));
            if let Ok(Ok((socket, _))) = dial.await {
                self.charger.connected(self.street.now());
                self.converse(socket).await;
                self.charger.disconnected();
                self.ledger.lock().unwrap().hangs_up();
            }
            let again = self.street.now().tick + Duration::from_millis(self.random.u64(200..1200));
            while self.street.now().tick < again {
                self.wait(Some(again)).await;
            }
        }
    }

    /// Until the socket ends, however it does.
    async fn converse(&mut self, mut socket: Socket) {
        loop {
            while let Some(text) = self.charger.poll_frame() {
                self.ledger.lock().unwrap().says(&self.street.sequence, &text);
                if socket.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
            let told = tokio::select! {
                told = socket.next() => told,
                () = self.wait(None) => continue,
            };
            match told {
                Some(Ok(Message::Text(text))) => {
                    if self.ledger.lock().unwrap().hears(&self.street.sequence, &text) {
                        self.street.acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    self.charger.heard(self.street.now(), &text);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Until the charger or a driver does something, or until the moment named.
    async fn wait(&mut self, until: Option<Tick>) {
        let deadline = [self.charger.poll_deadline(), Some(self.act_at), until];
        self.street.reaches(deadline.into_iter().flatten().min()).await;
        let now = self.street.now();
        self.charger.woke(now);
        if self.act_at <= now.tick {
            self.act(now);
        }
        // Nobody listens.
        while self.charger.poll_news().is_some() {}
    }

    /// A driver comes or goes.
    fn act(&mut self, now: Moment) {
        let running = |charger: &Charger, connector: i64| {
            let on =
                charger.sessions().iter().find(|session| session.running && session.connector == connector);
            on.map(|session| session.id_tag.clone())
        };
        if self.street.closing.load(Ordering::Relaxed) {
            let busy: Vec<_> = (1..=2)
                .filter_map(|connector| Some((connector, running(&self.charger, connector)?)))
                .collect();
            for (connector, card) in &busy {
                self.charger.present_card(now, *connector, card);
            }
            self.settled.store(busy.is_empty() && self.charger.is_settled(), Ordering::Relaxed);
            self.act_at = now.tick + Duration::from_millis(200);
            return;
        }
        let connector = self.random.i64(1..=2);
        match running(&self.charger, connector) {
            Some(card) => self.charger.present_card(now, connector, &card),
            None => {
                let card = format!("{}-CARD{}", self.name, self.random.u32(1..=3));
                self.charger.present_card(now, connector, &card);
            }
        }
        if self.random.u32(..8) == 0 && self.charger.is_accepted() {
            self.charger.notice_security_event(now);
        }
        self.act_at = now.tick + self.street.pace.mul_f64(0.5 + self.random.f64());
    }
}
