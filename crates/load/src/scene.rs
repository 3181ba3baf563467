//! All chargers and backoffices of a run on one event loop, in one thread: whoever weighs must be light. While a
//! burst lasts the loop never sleeps longer than it can be sure to wake in time.

mod burst;
mod comings;
mod peers;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::backoffice::Answerer;
use crate::certificates::Certificates;
use crate::charger::Charger;
use crate::frame;
use crate::ledger::Tally;
use crate::wire::Wire;

pub use burst::Burst;

/// Tokens from here on are connections, those below listeners.
const CONNECTIONS: usize = 1 << 20;
/// How long a charger that was refused waits; the systems under test name seconds, which would only lengthen the run.
const REFUSED_WAIT: Duration = Duration::from_millis(200);
/// How long anything that must come to its end may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One system under test with its chargers and backoffices.
#[derive(Debug)]
struct Route {
    address: Option<SocketAddr>,
    over_tls: bool,
    listeners: Vec<SocketAddr>,
    answerers: Vec<Answerer>,
    /// Whether the backoffice at this position reads.
    deaf: Vec<bool>,
    chargers: Vec<Charger>,
    /// Chargers that are to connect, and from when on they may.
    to_connect: Vec<(Instant, usize)>,
    handshakes: usize,
    refused: u64,
    tally: Tally,
    latency: hdrhistogram::Histogram<u64>,
    /// Whether each call is followed by the next at once.
    endless: bool,
}

/// A connection and whose it is.
#[derive(Debug)]
struct Link {
    wire: Wire,
    partial: Vec<u8>,
    open: bool,
    /// Not read for the time being.
    deaf: bool,
    route: usize,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Charger(usize),
    Backoffice { position: usize, charger: Option<usize> },
}

/// The event loop and all that is on it.
pub struct Scene {
    poll: Poll,
    events: Events,
    listeners: Vec<(TcpListener, usize, usize)>,
    links: Slab<Link>,
    routes: Vec<Route>,
    certificates: Rc<Certificates>,
    began: Instant,
    scratch: Vec<u8>,
    text: Vec<u8>,
    out: Vec<u8>,
    expected: Vec<u8>,
}

/// Which system: what [`Scene::add`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteId(usize);

impl Scene {
    /// An empty scene.
    pub fn new(certificates: Rc<Certificates>) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            listeners: Vec::new(),
            links: Slab::new(),
            routes: Vec::new(),
            certificates,
            began: Instant::now(),
            scratch: vec![0; 64 << 10],
            text: Vec::new(),
            out: Vec::new(),
            expected: Vec::new(),
        })
    }

    /// Adds so many backoffices, the leader first, and listens for them; with TLS or all without.
    pub fn add(&mut self, backoffices: usize, over_tls: bool) -> Result<RouteId> {
        let route = self.routes.len();
        let mut addresses = Vec::new();
        for position in 0..backoffices {
            let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            addresses.push(listener.local_addr()?);
            let token = Token(self.listeners.len());
            self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
            self.listeners.push((listener, route, position));
        }
        self.routes.push(Route {
            address: None,
            over_tls,
            listeners: addresses,
            answerers: (0..backoffices).map(Answerer::new).collect(),
            deaf: vec![false; backoffices],
            chargers: Vec::new(),
            to_connect: Vec::new(),
            handshakes: 0,
            refused: 0,
            tally: Tally::default(),
            latency: hdrhistogram::Histogram::new_with_bounds(1_000, 600_000_000_000, 3)?,
            endless: false,
        });
        Ok(RouteId(route))
    }

    /// Where the backoffices of a system listen, the leader first.
    pub fn backoffices(&self, route: RouteId) -> &[SocketAddr] {
        &self.routes[route.0].listeners
    }

    /// What went wrong so far, and right.
    pub fn tally(&self, route: RouteId) -> &Tally {
        &self.routes[route.0].tally
    }

    /// How many chargers a system has.
    pub fn chargers(&self, route: RouteId) -> usize {
        self.routes[route.0].chargers.len()
    }

    /// How often the system has refused a charger's handshake so far.
    pub fn refused(&self, route: RouteId) -> u64 {
        self.routes[route.0].refused
    }

    /// Has a backoffice stop reading, or read again.
    pub fn set_deaf(&mut self, route: RouteId, position: usize, deaf: bool) {
        self.routes[route.0].deaf[position] = deaf;
        let concerned = |link: &Link| {
            link.route == route.0 && matches!(link.end, End::Backoffice { position: p, .. } if p == position)
        };
        let links: Vec<usize> =
            self.links.iter().filter(|(_, link)| concerned(link)).map(|(at, _)| at).collect();
        for at in links {
            self.links[at].deaf = deaf;
            if !deaf {
                self.links[at].wire.has_news();
                self.read(at);
            }
        }
    }

    /// Lets time pass in which nobody says anything of their own accord.
    pub fn rest(&mut self, how_long: Duration) -> Result<()> {
        let until = Instant::now() + how_long;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.turn(Some(left))?;
        }
    }

    /// Ends a system's part: its connections are cut.
    pub fn remove(&mut self, route: RouteId) {
        self.links.retain(|_, link| link.route != route.0);
        self.routes[route.0].chargers.clear();
    }

    /// Waits until nothing is left to be said, answered or delivered.
    fn settle(&mut self, route: RouteId, what: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.is_settled(route) {
            if Instant::now() > until {
                bail!("waited in vain for {what}: {:?}", self.state(route));
            }
            self.turn(Some(Duration::from_millis(1)))?;
        }
        Ok(())
    }

    fn is_settled(&self, route: RouteId) -> bool {
        let of_route = &self.routes[route.0];
        of_route.to_connect.is_empty()
            && (0..of_route.chargers.len()).all(|charger| self.has_arrived(route, charger))
    }

    /// Whether everything that a charger had to say is answered, and where it belongs.
    fn has_arrived(&self, route: RouteId, charger: usize) -> bool {
        let of_route = &self.routes[route.0];
        let charger = &of_route.chargers[charger];
        charger.in_flight.is_none()
            && charger.due.is_empty()
            && charger.books.iter().zip(&of_route.deaf).enumerate().all(|(position, (book, deaf))| {
                let heartbeats = if position == 0 { charger.heartbeats } else { 0 };
                *deaf || book.is_complete(charger.sequence, heartbeats)
            })
    }

    /// For whoever has to find out why nothing goes on.
    fn state(&self, route: RouteId) -> String {
        let of_route = &self.routes[route.0];
        let waiting = of_route.chargers.iter().filter(|charger| charger.in_flight.is_some()).count();
        format!(
            "{} of {} chargers not connected, {waiting} without an answer, {} refused, {:?}",
            of_route.to_connect.len() + of_route.handshakes,
            of_route.chargers.len(),
            of_route.refused,
            of_route.tally
        )
    }

    /// Nanoseconds since the scene began.
    fn clock(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn insert(&mut self, wire: Wire, route: usize, end: End) -> Result<usize> {
        let link = Link { wire, partial: Vec::new(), open: false, deaf: false, route, end };
        let at = self.links.insert(link);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let stream = self.links[at].wire.stream();
        self.poll.registry().register(stream, Token(CONNECTIONS + at), interest)?;
        Ok(at)
    }

    /// One look at all sockets; waits at most so long for something to happen.
    fn turn(&mut self, wait: Option<Duration>) -> Result<()> {
        self.dial()?;
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Token(token) = event.token();
            let Some(at) = token.checked_sub(CONNECTIONS) else {
                self.accept(token)?;
                continue;
            };
            if event.is_writable()
                && let Some(link) = self.links.get_mut(at)
                && link.wire.flush().is_err()
            {
                self.ended(at);
            }
            if (event.is_readable() || event.is_read_closed() || event.is_error())
                && let Some(link) = self.links.get_mut(at)
            {
                link.wire.has_news();
                self.read(at);
            }
        }
        self.events = events;
        Ok(())
    }

    fn accept(&mut self, token: usize) -> Result<()> {
        loop {
            let (listener, route, position) = &self.listeners[token];
            let (route, position) = (*route, *position);
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("a backoffice cannot accept a connection"),
            };
            stream.set_nodelay(true)?;
            let tls = self.routes[route].over_tls.then(|| self.certificates.accepting()).transpose()?;
            self.insert(Wire::new(stream, tls), route, End::Backoffice { position, charger: None })?;
        }
    }

    /// Sends what was put into `text` as one message.
    fn send(&mut self, at: usize, opcode: u8) {
        let Some(link) = self.links.get_mut(at) else { return };
        self.out.clear();
        frame::write(&mut self.out, opcode, &self.text, matches!(link.end, End::Charger(_)));
        if link.wire.write(&self.out).is_err() {
            self.ended(at);
        }
    }

    /// A connection has ended.
    fn ended(&mut self, at: usize) {
        let link = self.links.remove(at);
        let of_route = &mut self.routes[link.route];
        match link.end {
            End::Charger(charger) if link.open => {
                of_route.tally.dropped_connections += 1;
                of_route.chargers[charger].link = None;
            }
            End::Charger(charger) => {
                of_route.handshakes -= 1;
                of_route.refused += 1;
                of_route.chargers[charger].link = None;
                of_route.to_connect.push((Instant::now() + REFUSED_WAIT, charger));
            }
            // A link to a backoffice may end when its charger has gone.
            End::Backoffice { .. } => {}
        }
    }
}
