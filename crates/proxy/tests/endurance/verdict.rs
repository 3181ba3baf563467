//! The judge: compares what chargers had acknowledged with what each backoffice booked.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use sim::SESSION_BAND_WH;

use super::journal::{Account, Booking};
use super::ledger::{Ledger, content};

/// So much of what went wrong is printed.
const SHOWN: usize = 20;

/// The close code of a session that ends with its leader (semantics X-3).
const GOING_AWAY: u64 = 1001;

/// Chargers are sent away one after the other, so that the last may go when the leader is back
/// (semantics T-69).
const SENT_AWAY_S: f64 = 15.0;

/// An answer, its way and its commit take less, even on a busy machine.
const IN_FLIGHT_S: f64 = 3.0;

/// When what was killed, in seconds since 1970.
#[derive(Debug, Default)]
pub struct Kills {
    /// The proxy.
    pub proxy: Vec<f64>,
    /// The backoffice that is judged.
    pub backoffice: Vec<f64>,
    /// From when to when the leader was down.
    pub leader_outages: Vec<(f64, f64)>,
}

/// What is known of one backoffice's part in a run.
pub struct Verdict {
    backoffice: &'static str,
    acknowledged: usize,
    booked: usize,
    /// Acknowledged and not booked.
    pub lost: Vec<String>,
    /// Booked after something that was said later.
    pub out_of_order: Vec<String>,
    /// Booked under a number that this backoffice did not give that transaction.
    pub wrong_number: Vec<String>,
    /// Booked, but never said.
    pub invented: Vec<String>,
    /// Booked again, and why that could not be avoided.
    pub explained: Vec<(Because, String)>,
    /// Booked again for no reason that semantics T-61 allows.
    pub unexplained: Vec<String>,
}

/// Why nobody could know whether a message was booked (semantics T-61).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    /// It was in flight when the backoffice was killed.
    BackofficeKilled,
    /// It was in flight when the proxy was killed.
    ProxyKilled,
    /// It was in flight when the proxy ended the session because its leader was down.
    SessionEnded,
}

impl Verdict {
    /// Judges one backoffice.
    pub fn of(
        backoffice: &'static str,
        ledgers: &BTreeMap<&str, &Ledger>,
        accounts: &BTreeMap<String, Account>,
        kills: &Kills,
    ) -> Self {
        let mut verdict = Self {
            backoffice,
            acknowledged: 0,
            booked: 0,
            lost: Vec::new(),
            out_of_order: Vec::new(),
            wrong_number: Vec::new(),
            invented: Vec::new(),
            explained: Vec::new(),
            unexplained: Vec::new(),
        };
        let nothing = Account::default();
        for (charger, ledger) in ledgers {
            let account = accounts.get(*charger).unwrap_or(&nothing);
            verdict.look_for_losses(charger, ledger, account);
            verdict.look_at_order(charger, ledger, account);
            verdict.look_at_numbers(charger, account);
            verdict.look_at_repetitions(charger, account, kills);
        }
        verdict
    }

    fn look_for_losses(&mut self, charger: &str, ledger: &Ledger, account: &Account) {
        let booked: HashMap<&str, ()> =
            account.bookings.iter().map(|one| (one.content.as_str(), ())).collect();
        for entry in ledger.entries.iter().filter(|entry| entry.acknowledged.is_some()) {
            self.acknowledged += 1;
            if booked.contains_key(entry.content.as_str()) {
                self.booked += 1;
            } else {
                self.lost.push(format!("{charger}: {}", entry.content));
            }
        }
    }

    /// A message comes before another if it was acknowledged before the other was first said.
    fn look_at_order(&mut self, charger: &str, ledger: &Ledger, account: &Account) {
        let mut latest: Option<(u64, &str)> = None;
        for booking in &account.bookings {
            let Some(entry) = ledger.find(&booking.content) else {
                self.invented.push(format!("{charger}: {}", booking.content));
                continue;
            };
            if let (Some((said, what)), Some(acknowledged)) = (latest, entry.acknowledged)
                && acknowledged < said
            {
                self.out_of_order.push(format!("{charger}: {} after {what}", booking.content));
            }
            if latest.is_none_or(|(said, _)| said < entry.said) {
                latest = Some((entry.said, &booking.content));
            }
        }
    }

    /// Everything of a transaction stands under the number that the backoffice gave it last.
    fn look_at_numbers(&mut self, charger: &str, account: &Account) {
        let mut numbers: HashMap<i64, i64> = HashMap::new();
        for booking in &account.bookings {
            let Some(session) = session(booking) else { continue };
            if let Some(number) = booking.number {
                numbers.insert(session, number);
            } else if numbers.get(&session).copied() != booking.payload["transactionId"].as_i64() {
                let known = numbers.get(&session);
                self.wrong_number.push(format!("{charger}: {} (number {known:?})", booking.payload));
            }
        }
    }

    fn look_at_repetitions(&mut self, charger: &str, account: &Account, kills: &Kills) {
        let mut last: HashMap<&str, usize> = HashMap::new();
        for (at, booking) in account.bookings.iter().enumerate() {
            let Some(before) = last.insert(&booking.content, at) else { continue };
            let what = format!("{charger}: {}", booking.content);
            match explanation(account, before, kills) {
                Some(because) => self.explained.push((because, what)),
                None => {
                    let first = &account.bookings[before];
                    let (times, links) = ((first.at, booking.at), &account.links[first.link..=booking.link]);
                    self.unexplained.push(format!("{what}, at {times:?}, on {links:?}, {kills:?}"));
                }
            }
        }
    }

    /// Whether the promise was kept.
    pub fn is_good(&self) -> bool {
        let wrongs = [&self.lost, &self.out_of_order, &self.wrong_number, &self.invented, &self.unexplained];
        self.acknowledged > 0 && wrongs.iter().all(|wrong| wrong.is_empty())
    }
}

/// Why what was booked at `before` may be booked again: it was the last thing on its link, and that
/// link did not end by its own.
fn explanation(account: &Account, before: usize, kills: &Kills) -> Option<Because> {
    let at = account.bookings[before].link;
    let link = &account.links[at];
    let next = account.links.get(at + 1)?;
    if link.last_booking != Some(before) {
        None
    } else if next.own_life != link.own_life {
        was_in_flight(&kills.backoffice, account.bookings[before].at).then_some(Because::BackofficeKilled)
    } else if next.proxy_life != link.proxy_life {
        was_in_flight(&kills.proxy, account.bookings[before].at).then_some(Because::ProxyKilled)
    } else {
        let closed = link.closed.filter(|_| link.code == Some(GOING_AWAY))?;
        let is_outage = |(from, until): &(f64, f64)| *from <= closed && closed <= *until + SENT_AWAY_S;
        kills.leader_outages.iter().any(is_outage).then_some(Because::SessionEnded)
    }
}

/// Whether a kill came so soon that the proxy may not have stored yet that this was booked; or came
/// before, while the message waited in the backoffice's socket.
fn was_in_flight(kills: &[f64], booked: f64) -> bool {
    kills.iter().any(|killed| (killed - booked).abs() <= IN_FLIGHT_S)
}

/// Which of a charger's sessions a message belongs to: its meter readings tell.
fn session(booking: &Booking) -> Option<i64> {
    let payload = &booking.payload;
    let reading = match booking.action.as_str() {
        "StartTransaction" => payload["meterStart"].as_i64()?,
        "StopTransaction" => payload["meterStop"].as_i64()?,
        "MeterValues" => payload["meterValue"][0]["sampledValue"][0]["value"].as_str()?.parse().ok()?,
        _ => return None,
    };
    Some(reading / SESSION_BAND_WH)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} acknowledged, {} booked, {} lost, {} out of order, {} under a wrong number, {} invented; \
             booked twice: {} explained, {} not",
            self.backoffice,
            self.acknowledged,
            self.booked,
            self.lost.len(),
            self.out_of_order.len(),
            self.wrong_number.len(),
            self.invented.len(),
            self.explained.len(),
            self.unexplained.len()
        )?;
        for (because, what) in &self.explained {
            let because = match because {
                Because::BackofficeKilled => "in flight when the backoffice was killed",
                Because::ProxyKilled => "in flight when the proxy was killed",
                Because::SessionEnded => "in flight when the session ended with its leader",
            };
            writeln!(f, "   twice, {because} (T-61): {what}")?;
        }
        for (name, wrongs) in [
            ("LOST", &self.lost),
            ("OUT OF ORDER", &self.out_of_order),
            ("WRONG NUMBER", &self.wrong_number),
            ("INVENTED", &self.invented),
            ("TWICE FOR NO REASON", &self.unexplained),
        ] {
            for wrong in wrongs.iter().take(SHOWN) {
                writeln!(f, "   {name}: {wrong}")?;
            }
        }
        Ok(())
    }
}

#[test]
fn the_judge_sees_what_is_wrong() {
    use serde_json::{Value, json};

    use super::journal::Link;
    use super::ledger::Sequence;

    let sequence = Sequence::default();
    let mut ledger = Ledger::default();
    let meter = |reading: i64| -> (&str, Value) {
        let sampled = json!([{"value": reading.to_string()}]);
        ("MeterValues", json!({"transactionId": 7, "meterValue": [{"sampledValue": sampled}]}))
    };
    let said = [
        ("StartTransaction", json!({"meterStart": SESSION_BAND_WH})),
        meter(SESSION_BAND_WH + 1),
        meter(SESSION_BAND_WH + 2),
        ("StopTransaction", json!({"transactionId": 7, "meterStop": SESSION_BAND_WH + 3})),
    ];
    for (action, payload) in &said {
        ledger.says(&sequence, &json!([2, "id", action, payload]).to_string());
        assert!(ledger.hears(&sequence, r#"[3,"id",{}]"#));
    }
    // Which message was booked on which link.
    let judge_at = |booked: &[(usize, usize)], proxy_lives: &[u64], killed: f64| {
        let mut account = Account::default();
        for proxy_life in proxy_lives {
            account.links.push(Link {
                proxy_life: *proxy_life,
                own_life: 1,
                closed: None,
                code: None,
                last_booking: None,
            });
        }
        for (message, link) in booked {
            let (action, payload) = &said[*message];
            let number = (*action == "StartTransaction").then_some(7);
            account.links[*link].last_booking = Some(account.bookings.len());
            let content = content(action, payload);
            let (action, payload) = ((*action).to_owned(), payload.clone());
            account.bookings.push(Booking { action, payload, content, number, link: *link, at: 100.0 });
        }
        let accounts = BTreeMap::from([("CP1".to_owned(), account)]);
        Verdict::of(
            "volt",
            &BTreeMap::from([("CP1", &ledger)]),
            &accounts,
            &Kills { proxy: vec![killed], ..Default::default() },
        )
    };
    let judge = |booked: &[(usize, usize)], proxy_lives: &[u64]| judge_at(booked, proxy_lives, 101.0);
    let whole = [(0, 0), (1, 0), (2, 0), (3, 0)];
    assert!(judge(&whole, &[1]).is_good());
    assert_eq!(judge(&[(0, 0), (1, 0), (3, 0)], &[1]).lost.len(), 1);
    assert_eq!(judge(&[(0, 0), (2, 0), (1, 0), (3, 0)], &[1]).out_of_order.len(), 1);
    assert_eq!(judge(&[(1, 0), (0, 0), (2, 0), (3, 0)], &[1]).wrong_number.len(), 1);
    let twice = [(0, 0), (1, 0), (1, 1), (2, 1), (3, 1)];
    assert_eq!(judge(&twice, &[1, 2]).explained.len(), 1);
    assert!(judge(&twice, &[1, 2]).is_good());
    assert_eq!(judge(&twice, &[1, 1]).unexplained.len(), 1);
    assert_eq!(judge_at(&twice, &[1, 2], 110.0).unexplained.len(), 1, "it was booked long before");
    let late = [(0, 0), (1, 0), (2, 0), (1, 1), (3, 1)];
    assert_eq!(judge(&late, &[1, 2]).unexplained.len(), 1);
    let shown = judge(&[], &[]).to_string();
    assert!(shown.starts_with("volt: 4 acknowledged, 0 booked, 4 lost"), "{shown}");
}
