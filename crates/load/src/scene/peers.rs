//! What chargers and backoffices do with what they read.

use std::str;

use super::{End, Scene};
use crate::frame::{self, CLOSE, PING, PONG, TEXT};
use crate::ledger::Book;
use crate::said::{self, Kind};
use crate::upgrade;

impl Scene {
    /// Reads a connection until nothing is left.
    pub(super) fn read(&mut self, at: usize) {
        let mut scratch = std::mem::take(&mut self.scratch);
        while let Some(link) = self.links.get_mut(at).filter(|link| !link.deaf) {
            match link.wire.read(&mut scratch) {
                Ok(None) => break,
                Ok(Some(0)) | Err(_) => self.ended(at),
                Ok(Some(read)) if link.partial.is_empty() => {
                    let used = self.take(at, &mut scratch[..read]);
                    if let Some(link) = self.links.get_mut(at) {
                        link.partial.extend_from_slice(&scratch[used..read]);
                    }
                }
                Ok(Some(read)) => {
                    let mut whole = std::mem::take(&mut link.partial);
                    whole.extend_from_slice(&scratch[..read]);
                    let used = self.take(at, &mut whole);
                    if let Some(link) = self.links.get_mut(at) {
                        whole.drain(..used);
                        // Idle connections hold no memory.
                        link.partial = if whole.is_empty() { Vec::new() } else { whole };
                    }
                }
            }
        }
        self.scratch = scratch;
    }

    /// Takes in what was read: how many bytes of it are done with.
    fn take(&mut self, at: usize, bytes: &mut [u8]) -> usize {
        let mut used = 0;
        while let Some(link) = self.links.get(at) {
            let rest = &mut bytes[used..];
            if link.open {
                match frame::parse(rest) {
                    Ok(None) => return used,
                    Ok(Some(found)) => {
                        self.frame(at, found.opcode, &rest[found.payload.clone()]);
                        used += found.payload.end;
                    }
                    Err(frame::Broken) => self.ended(at),
                }
            } else {
                let Some(length) = upgrade::head_length(rest) else { return used };
                self.upgraded(at, str::from_utf8(&rest[..length]).unwrap_or_default());
                used += length;
            }
        }
        bytes.len()
    }

    /// The head of a request or of an answer is there.
    fn upgraded(&mut self, at: usize, head: &str) {
        let link = &mut self.links[at];
        let route = link.route;
        match link.end {
            End::Charger(charger) => {
                if upgrade::status(head) != Some(101) {
                    return self.ended(at);
                }
                link.open = true;
                self.routes[route].handshakes -= 1;
                self.speak(route, charger);
            }
            End::Backoffice { position, .. } => {
                let answer = upgrade::agree(head).and_then(|(answer, name)| {
                    let number = said::number(name)?;
                    (self.routes[route].chargers.get(number)?.name == name).then_some((answer, number))
                });
                let Some((answer, charger)) = answer else {
                    self.routes[route].tally.stray += 1;
                    return self.ended(at);
                };
                link.open = true;
                link.deaf = self.routes[route].deaf[position];
                link.end = End::Backoffice { position, charger: Some(charger) };
                if link.wire.write(answer.as_bytes()).is_err() {
                    self.ended(at);
                }
            }
        }
    }

    fn frame(&mut self, at: usize, opcode: u8, payload: &[u8]) {
        match opcode {
            TEXT => {
                let (route, end) = (self.links[at].route, self.links[at].end);
                let Some(said) = str::from_utf8(payload).ok().and_then(said::envelope) else {
                    self.routes[route].tally.altered += 1;
                    return;
                };
                match end {
                    End::Charger(charger) => self.charger_heard(route, charger, said),
                    End::Backoffice { position, charger: Some(charger) } => {
                        self.backoffice_heard(at, route, position, charger, said);
                    }
                    End::Backoffice { charger: None, .. } => {}
                }
            }
            PING => {
                self.text.clear();
                self.text.extend_from_slice(payload);
                self.send(at, PONG);
            }
            CLOSE => {
                self.text.clear();
                self.text.extend_from_slice(payload);
                self.send(at, CLOSE);
                if self.links.contains(at) {
                    self.ended(at);
                }
            }
            _ => {}
        }
    }

    fn charger_heard(&mut self, route: usize, number: usize, (kind, id, rest): (u8, &str, &str)) {
        let now = self.clock();
        let of_route = &mut self.routes[route];
        let charger = &mut of_route.chargers[number];
        let answered = charger.in_flight.take_if(|call| id.parse() == Ok(call.id) && matches!(kind, 3 | 4));
        let Some(call) = answered else {
            // Nobody commands these chargers.
            of_route.tally.stray += 1;
            return;
        };
        let given = charger.books[0].transaction;
        if kind == 4 || !charger.hear(call, rest, given) {
            of_route.tally.wrong_answers += 1;
        }
        of_route.tally.answered += 1;
        // Whoever was not connected yet was not waiting for the system's answer alone.
        if call.due > 0 {
            of_route.latency.saturating_record(now.saturating_sub(call.due));
        }
        if of_route.endless {
            charger.due.push_back(now);
        }
        self.speak(route, number);
    }

    /// Has a charger say what is due, unless it waits for an answer.
    pub(super) fn speak(&mut self, route: usize, number: usize) {
        let charger = &mut self.routes[route].chargers[number];
        let Some(at) = charger.link.filter(|at| self.links.get(*at).is_some_and(|link| link.open)) else {
            return;
        };
        if charger.in_flight.is_some() {
            return;
        }
        let Some(due) = charger.due.pop_front() else { return };
        self.text.clear();
        charger.speak(due, &mut self.text);
        self.routes[route].tally.calls += 1;
        self.send(at, TEXT);
    }

    fn backoffice_heard(
        &mut self,
        at: usize,
        route: usize,
        position: usize,
        number: usize,
        (kind, id, rest): (u8, &str, &str),
    ) {
        let clock = self.clock();
        let of_route = &mut self.routes[route];
        let call = said::call(rest).filter(|_| kind == 2);
        let known = call.and_then(|(action, payload)| Some((Kind::of(action, payload)?, payload)));
        let Some((kind, payload)) = known else {
            of_route.tally.stray += 1;
            return;
        };
        let charger = &mut of_route.chargers[number];
        let book: &mut Book = &mut charger.books[position];
        if kind == Kind::Heartbeat && position > 0 {
            of_route.tally.synthetic += 1;
        }
        let sequence = book.enter(&charger.name, kind, payload, &mut self.expected, &mut of_route.tally);
        self.text.clear();
        of_route.answerers[position].answer(&mut self.text, id, kind, sequence, clock, &mut book.transaction);
        self.send(at, TEXT);
    }
}
