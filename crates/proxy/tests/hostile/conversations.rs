//! Plays the tables in which chargers and backoffices misbehave: `C>` is what the charger says, `C<` what it must
//! hear; `L` is its leader, `F` its follower. Whatever nobody expects is found at the end of the case, when
//! everybody who is still there is asked for a sign of life.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::stage::Backoffices;
use crate::text::{bytes, fits};
use crate::wire::{Heard, TEXT, Wire};

/// The charger, its leader and its follower in one case.
struct Parties<'a> {
    backoffices: &'a Backoffices,
    charger: &'a str,
    /// In this order; who has left is none.
    wires: [Option<Wire>; 3],
    /// The id of the last CALL that each heard, with its quotes.
    ids: [String; 3],
}

const LETTERS: [&str; 3] = ["C", "L", "F"];
/// An answer that no program would write again as it stands here.
const ODD: &str = r#"{"status":"Accepted", "x":[0.10,1e999,"\ud800"]}"#;
const STARTED: &str = r#"{ "transactionId":5, "idTagInfo":{"status":"Accepted"}, "x":0.10}"#;
const BOOTED: &str =
    r#"{"status":"Accepted", "currentTime":"2026-11-22T13:00:00Z", "interval":86400, "x":0.10}"#;
const SIGN_OF_LIFE: &str = r#""DataTransfer",{"vendorId":"sign-of-life"}"#;

/// Plays one case with a charger of its own.
///
/// # Panics
/// When anything is not as the table says.
pub fn play(chargers: SocketAddr, backoffices: &Backoffices, charger: &str, lines: &[&str]) {
    let wire = crate::support::eventually("room for one more charger", || {
        match Wire::dial(chargers, &format!("/ocpp/{charger}"), "") {
            Ok(wire) => Some(wire),
            Err(503) => None,
            Err(status) => panic!("refused with {status}"),
        }
    });
    let [leader, follower] = ["lead", "follow"].map(|name| {
        let mut link = backoffices.link(name, charger);
        // A link that is not known to be open yet is told nothing that does not keep.
        link.wait_read();
        Some(link)
    });
    let mut parties =
        Parties { backoffices, charger, wires: [Some(wire), leader, follower], ids: Default::default() };
    for line in lines {
        parties.step(line);
    }
    parties.check_signs_of_life();
    for wire in parties.wires.into_iter().flatten() {
        wire.leave();
    }
}

impl Parties<'_> {
    fn step(&mut self, line: &str) {
        if line == "booted" {
            return self.boot(r#"[2,"boot","BootNotification",{}]"#);
        }
        let mut line = (*line).to_owned();
        for (letter, id) in LETTERS.iter().zip(&self.ids) {
            line = line.replace(&format!("${letter}"), id);
        }
        let (who, rest) = line.split_at(1);
        let who = LETTERS.iter().position(|letter| *letter == who);
        match (who, rest.split_at_checked(2)) {
            (Some(who), Some(("> ", what))) => self.say(who, what),
            (Some(who), Some(("< ", what))) => self.expect(who, what),
            (Some(who), _) if rest == " is read" => self.wire(who).wait_read(),
            _ => match line.split_once(": ") {
                Some(("passes", call)) => self.pass(call, true),
                Some(("passes to the leader", call)) => self.pass(call, false),
                Some(("boots", call)) => self.boot(call),
                Some(("reaches the charger", call)) => self.reach(call),
                _ => panic!("what is {line:?}?"),
            },
        }
    }

    fn wire(&mut self, who: usize) -> &mut Wire {
        self.wires[who].as_mut().unwrap_or_else(|| panic!("{} has left", LETTERS[who]))
    }

    fn say(&mut self, who: usize, what: &str) {
        if let Some(raw) = what.strip_prefix("raw ") {
            return self.wire(who).write(&bytes(raw));
        }
        let Some(frame) = what.strip_prefix("frame ") else {
            return self.wire(who).say(TEXT, &bytes(what));
        };
        let (words, content) = frame.split_once(" : ").unwrap_or((frame, ""));
        let mut shape = TEXT;
        for word in words.split(' ') {
            match word.split_once('=') {
                Some(("opcode", number)) => shape.opcode = number.parse().unwrap(),
                Some(("rsv", bits)) => shape.rsv = bits.parse().unwrap(),
                None if word == "unfinished" => shape.fin = false,
                None if word == "wrong-mask" => shape.wrong_mask = true,
                _ => panic!("what is {word:?}?"),
            }
        }
        self.wire(who).say(shape, &bytes(content));
    }

    fn expect(&mut self, who: usize, what: &str) {
        let heard = catch_unwind(AssertUnwindSafe(|| self.wire(who).hear()))
            .unwrap_or_else(|_| panic!("{} was to hear {what:?}, but hears nothing", LETTERS[who]));
        let is_right = match &heard {
            Heard::Text(text) => {
                if let Some(id) = text.strip_prefix("[2,").and_then(|rest| rest.split(',').next()) {
                    id.clone_into(&mut self.ids[who]);
                }
                fits(&String::from_utf8(bytes(what)).unwrap(), text)
            }
            Heard::Closed(Some(code)) => what == format!("close {code}"),
            Heard::Closed(None) => what == "close",
            Heard::Gone => what == "gone",
        };
        assert!(is_right, "{} was to hear {what:?}, but heard {heard:?}", LETTERS[who]);
        if !matches!(heard, Heard::Text(_)) {
            self.wires[who] = None;
        }
    }

    /// The charger's call reaches the leader byte for byte, its answer the charger, and the follower the same.
    fn pass(&mut self, call: &str, to_all: bool) {
        let call = String::from_utf8(bytes(call)).expect("calls that pass are text");
        let (id, rest) = call.strip_prefix("[2,").unwrap().split_once(',').unwrap();
        self.wire(0).say_text(&call);
        let answer = if rest.starts_with("\"StartTransaction\"") { STARTED } else { ODD };
        self.tell(rest, answer, to_all);
        self.expect(0, &format!("[3,{id},{answer}]"));
    }

    /// The same with a boot, whose answer must say more.
    fn boot(&mut self, call: &str) {
        let call = String::from_utf8(bytes(call)).expect("calls that pass are text");
        let (id, rest) = call.strip_prefix("[2,").unwrap().split_once(',').unwrap();
        self.wire(0).say_text(&call);
        self.tell(rest, BOOTED, true);
        self.expect(0, &format!("[3,{id},{BOOTED}]"));
    }

    fn tell(&mut self, rest: &str, answer: &str, to_all: bool) {
        for who in 1..=(1 + usize::from(to_all)) {
            self.expect(who, &format!("[2,*,{rest}"));
            let id = self.ids[who].clone();
            self.wire(who).say_text(&format!("[3,{id},{answer}]"));
        }
    }

    /// The leader's command reaches the charger byte for byte, and its answer the leader.
    fn reach(&mut self, call: &str) {
        let call = String::from_utf8(bytes(call)).expect("calls that pass are text");
        let (id, rest) = call.strip_prefix("[2,").unwrap().split_once(',').unwrap();
        self.wire(1).say_text(&call);
        self.expect(0, &format!("[2,*,{rest}"));
        let asked = self.ids[0].clone();
        self.wire(0).say_text(&format!("[3,{asked},{ODD}]"));
        self.expect(1, &format!("[3,{id},{ODD}]"));
    }

    /// Whoever was not sent away is still served, and nothing was said to it that was not expected.
    fn check_signs_of_life(&mut self) {
        if self.wires[0].is_none() {
            return;
        }
        // A leader that was sent away is dialed anew.
        if self.wires[1].is_none() {
            let mut link = self.backoffices.link("lead", self.charger);
            link.wait_read();
            self.wires[1] = Some(link);
        }
        let call = format!("[2,\"sign-of-life\",{SIGN_OF_LIFE}]");
        self.wire(0).say_text(&call);
        for who in [1, 2] {
            if self.wires[who].is_some() {
                self.expect(who, &format!("[2,*,{SIGN_OF_LIFE}]"));
                let id = self.ids[who].clone();
                self.wire(who).say_text(&format!("[3,{id},{{\"status\":\"Accepted\"}}]"));
            }
        }
        self.expect(0, r#"[3,"sign-of-life",{"status":"Accepted"}]"#);
    }
}
