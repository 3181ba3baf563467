//! How chargers come: connected so many at a time, refused and tried again, all cut off and back at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::net::TcpStream;

use super::{End, RouteId, Scene};
use crate::charger::Charger;
use crate::said::{self, Kind};
use crate::upgrade;
use crate::wire::Wire;

/// Handshakes of one system that are made at a time.
const HANDSHAKES_AT_A_TIME: usize = 64;

impl Scene {
    /// Connects more chargers to the system at this address, and has them boot; everybody has heard of it when this
    /// returns. How long that took.
    pub fn connect(&mut self, route: RouteId, address: SocketAddr, chargers: usize) -> Result<Duration> {
        let began = Instant::now();
        let of_route = &mut self.routes[route.0];
        of_route.address = Some(address);
        let backoffices = of_route.listeners.len();
        for number in of_route.chargers.len()..of_route.chargers.len() + chargers {
            let mut charger = Charger::new(said::name(route.0, number), number, backoffices);
            charger.open_with([Kind::Boot, Kind::Available]);
            charger.due.extend([0, 0]);
            of_route.chargers.push(charger);
            of_route.to_connect.push((began, number));
        }
        self.settle(route, &format!("{chargers} chargers to connect"))?;
        Ok(began.elapsed())
    }

    /// Has every charger begin a transaction, so that there is something to be told about.
    pub fn begin_transactions(&mut self, route: RouteId) -> Result<()> {
        for charger in 0..self.chargers(route) {
            let now = self.clock();
            let one = &mut self.routes[route.0].chargers[charger];
            one.open_with([Kind::Start]);
            one.due.push_back(now);
            self.speak(route.0, charger);
        }
        self.settle(route, "the first transactions")
    }

    /// Cuts all connections of the chargers at once and connects them again; they boot anew. How long it took until the
    /// last of them had its boot answered and every backoffice had heard of it.
    pub fn reconnect_all(&mut self, route: RouteId) -> Result<Duration> {
        let of_route = &mut self.routes[route.0];
        let began = Instant::now();
        for (number, charger) in of_route.chargers.iter_mut().enumerate() {
            if let Some(link) = charger.link.take() {
                drop(self.links.remove(link));
            }
            charger.open_with([Kind::Boot]);
            charger.due.push_back(0);
            of_route.to_connect.push((began, number));
        }
        self.settle(route, "the chargers to come back")?;
        Ok(began.elapsed())
    }

    /// Dials for those who are to connect.
    pub(super) fn dial(&mut self) -> Result<()> {
        for route in 0..self.routes.len() {
            let of_route = &mut self.routes[route];
            if of_route.to_connect.is_empty() {
                continue;
            }
            let now = Instant::now();
            let room = HANDSHAKES_AT_A_TIME.saturating_sub(of_route.handshakes);
            let mut ready = Vec::new();
            of_route.to_connect.retain(|(from, charger)| {
                let chosen = ready.len() < room && *from <= now;
                if chosen {
                    ready.push(*charger);
                }
                !chosen
            });
            of_route.handshakes += ready.len();
            for charger in ready {
                self.dial_one(route, charger)?;
            }
        }
        Ok(())
    }

    fn dial_one(&mut self, route: usize, charger: usize) -> Result<()> {
        let of_route = &mut self.routes[route];
        let address = of_route.address.context("a system has an address before chargers connect")?;
        let stream = TcpStream::connect(address).context("cannot connect to the system under test")?;
        let tls = of_route.over_tls.then(|| self.certificates.dialing()).transpose()?;
        let mut wire = Wire::new(stream, tls);
        let request = upgrade::request(&address.to_string(), &of_route.chargers[charger].name);
        wire.queue(request.as_bytes())?;
        let at = self.insert(wire, route, End::Charger(charger))?;
        self.routes[route].chargers[charger].link = Some(at);
        Ok(())
    }
}
