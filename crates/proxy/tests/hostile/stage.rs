//! Where it takes place: one proxy, the backoffices of everybody, and an innocent charger with a leader and a
//! follower of its own, which must not notice anything.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::charger::RawCharger;
use crate::support::peer::Frame;
use crate::support::proxy::{Proxy, rules};
use crate::support::session::{GOOD_CARD, meter_values};
use crate::wire::{Heard, Wire};

/// The charger that does nothing wrong.
pub const INNOCENT: &str = "CP-INNOCENT";
/// Its transaction, in the words of its leader (and its own), and of its follower.
const TRANSACTIONS: [(&str, i64); 2] = [("lead", 41), ("follow", 77)];

/// The backoffices of all chargers, on one port; `/NAME/CHARGER` says who is meant.
pub struct Backoffices {
    address: SocketAddr,
    links: Arc<Links>,
}

#[derive(Default)]
struct Links {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Links that wait for a test to speak for the backoffice.
    open: HashMap<(String, String), Wire>,
    /// What the backoffices of the innocent charger were told, by their names.
    told: HashMap<String, Vec<Frame>>,
}

impl Backoffices {
    /// Listens.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let links = Arc::new(Links::default());
        let accepting = Arc::clone(&links);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let links = Arc::clone(&accepting);
                thread::spawn(move || {
                    let Ok((head, wire)) = Wire::accept(stream) else { return };
                    let path = head.split(' ').nth(1).expect("a path");
                    let (name, charger) = path[1..].split_once('/').expect("/NAME/CHARGER");
                    if charger == INNOCENT {
                        links.serve(name, wire);
                    } else {
                        let mut state = links.state.lock().unwrap();
                        state.open.insert((name.to_owned(), charger.to_owned()), wire);
                        links.changed.notify_all();
                    }
                });
            }
        });
        Self { address, links }
    }

    /// The URL for proxy.toml.
    pub fn url(&self, name: &str) -> String {
        format!("ws://{}/{name}/{{charger}}", self.address)
    }

    /// The link that the proxy has opened to this backoffice for this charger.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn link(&self, name: &str, charger: &str) -> Wire {
        let wanted = (name.to_owned(), charger.to_owned());
        let state = self.links.state.lock().unwrap();
        let is_missing = |state: &mut State| !state.open.contains_key(&wanted);
        let (mut state, waited) = self.links.changed.wait_timeout_while(state, PATIENCE, is_missing).unwrap();
        assert!(!waited.timed_out(), "no link to {name} for {charger}");
        state.open.remove(&wanted).expect("it was just there")
    }

    /// Waits until a backoffice was told so much of the innocent charger; all of it.
    fn told(&self, name: &str, count: usize) -> Vec<Frame> {
        let state = self.links.state.lock().unwrap();
        let is_missing = |state: &mut State| state.told.get(name).is_none_or(|told| told.len() < count);
        let (state, waited) = self.links.changed.wait_timeout_while(state, PATIENCE, is_missing).unwrap();
        assert!(!waited.timed_out(), "{name} was not told of the innocent charger: {:?}", state.told[name]);
        state.told[name].clone()
    }
}

impl Links {
    /// A backoffice as it should be.
    fn serve(&self, name: &str, mut wire: Wire) {
        wire.be_patient();
        while let Heard::Text(text) = wire.hear() {
            let frame = Frame::parse(&text).expect("the proxy sends frames");
            let number = TRANSACTIONS.iter().find(|(known, _)| *known == name).expect("one of the two").1;
            let answer = match &*frame.action {
                "BootNotification" => {
                    json!({"status": "Accepted", "currentTime": "2026-11-22T13:00:00Z", "interval": 86400})
                }
                "StartTransaction" => {
                    json!({"transactionId": number, "idTagInfo": {"status": "Accepted"}})
                }
                _ => json!({}),
            };
            wire.say_text(&json!([3, frame.id, answer]).to_string());
            self.state.lock().unwrap().told.entry(name.to_owned()).or_default().push(frame);
            self.changed.notify_all();
        }
    }
}

/// The proxy and whoever is on stage all the time.
pub struct Stage {
    pub proxy: Proxy,
    pub backoffices: Backoffices,
    /// Where the portal is.
    pub portal: SocketAddr,
    innocent: RawCharger,
    readings: u32,
}

impl Stage {
    /// Starts everything; the innocent charger has begun to charge. `more` goes into proxy.toml.
    pub fn start(more: &str) -> Self {
        let backoffices = Backoffices::start();
        let mut text = rules(
            ("lead", backoffices.url("lead"), ""),
            &[(("follow", backoffices.url("follow"), ""), "control")],
        );
        text += more;
        let proxy = Proxy::start(&text);
        let portal = proxy.log.wait("the line that says where the portal is", |line| {
            line.get("portal")?.as_str()?.parse().ok()
        });
        let mut innocent = RawCharger::connect(proxy.chargers, INNOCENT);
        innocent.call("BootNotification", &json!({"chargePointVendor": "Acme", "chargePointModel": "One"}));
        let start = json!({"connectorId": 1, "idTag": GOOD_CARD, "meterStart": 0, "timestamp": "2026-11-22T13:01:00Z"});
        assert_eq!(innocent.call("StartTransaction", &start)["transactionId"], 41);
        Self { proxy, backoffices, portal, innocent, readings: 0 }
    }

    /// The innocent charger goes on charging: its leader answers, its follower hears of it, and neither
    /// has heard anything else.
    pub fn check_the_innocent(&mut self) {
        self.readings += 1;
        assert_eq!(self.innocent.call("MeterValues", &meter_values(41, self.readings)), json!({}));
        for (name, _) in TRANSACTIONS {
            self.backoffices.told(name, 2 + self.readings as usize);
        }
    }

    /// The innocent charger has finished. Everything that it said has reached both of its backoffices, once,
    /// in order, and byte for byte but for the number of its transaction.
    pub fn finish(mut self) {
        let stop = json!({
            "transactionId": 41, "idTag": GOOD_CARD, "meterStop": self.readings,
            "timestamp": "2026-11-22T14:00:00Z", "reason": "Local",
        });
        self.innocent.call("StopTransaction", &stop);
        for (name, number) in TRANSACTIONS {
            let told = self.backoffices.told(name, 3 + self.readings as usize);
            let actions: Vec<&str> = told.iter().map(|frame| &*frame.action).collect();
            let mut expected = vec!["BootNotification", "StartTransaction"];
            expected.extend(vec!["MeterValues"; self.readings as usize]);
            expected.push("StopTransaction");
            assert_eq!(actions, expected, "{name}");
            for (reading, frame) in (1..=self.readings).zip(&told[2..]) {
                let said = payload_of(&meter_values(41, reading), number);
                assert!(frame.text.ends_with(&format!(",\"MeterValues\",{said}]")), "{name}: {}", frame.text);
            }
        }
    }
}

/// A payload as the innocent charger writes it, with the number of its transaction in another's words.
fn payload_of(payload: &Value, number: i64) -> String {
    payload.to_string().replace("\"transactionId\":41", &format!("\"transactionId\":{number}"))
}
