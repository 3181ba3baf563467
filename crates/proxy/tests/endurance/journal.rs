//! What a backoffice has booked, read back from the journal that it wrote: see `tests/peers/journal.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::ledger::content;

/// One link of a charger, as the backoffice saw it.
#[derive(Debug)]
pub struct Link {
    /// Which start of the proxy had dialed.
    pub proxy_life: u64,
    /// In which start of the backoffice.
    pub own_life: u64,
    /// When it was closed, in seconds since 1970, unless the backoffice was killed before.
    pub closed: Option<f64>,
    /// With which code, if the proxy said one.
    pub code: Option<u64>,
    /// Which booking was the last on it.
    pub last_booking: Option<usize>,
}

/// One message that was booked.
#[derive(Debug)]
pub struct Booking {
    /// Its name.
    pub action: String,
    /// As booked.
    pub payload: Value,
    /// As in the charger's ledger.
    pub content: String,
    /// The number that was given to a transaction.
    pub number: Option<i64>,
    /// On which of the charger's links.
    pub link: usize,
    /// When, in seconds since 1970.
    pub at: f64,
}

/// One charger's part of a journal.
#[derive(Debug, Default)]
pub struct Account {
    /// In the order in which they were opened.
    pub links: Vec<Link>,
    /// In the order in which they were booked.
    pub bookings: Vec<Booking>,
}

/// Reads a journal, charger by charger.
pub fn read(path: &Path) -> BTreeMap<String, Account> {
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    // By the backoffice's number of the link.
    let mut links: BTreeMap<u64, (String, usize)> = BTreeMap::new();
    let mut life = 0;
    for line in fs::read_to_string(path).unwrap().lines() {
        let line: Value = serde_json::from_str(line).expect("a line of a journal");
        let link = || &links[&line["link"].as_u64().unwrap()];
        match line["entry"].as_str().unwrap() {
            "life" => life += 1,
            "link" => {
                let charger = line["charger"].as_str().unwrap();
                let account = accounts.entry(charger.to_owned()).or_default();
                let proxy_life = line["path"].as_str().unwrap().split('/').nth(2).unwrap().parse().unwrap();
                links.insert(line["link"].as_u64().unwrap(), (charger.to_owned(), account.links.len()));
                account.links.push(Link {
                    proxy_life,
                    own_life: life,
                    closed: None,
                    code: None,
                    last_booking: None,
                });
            }
            "closed" => {
                let (charger, link) = link();
                let link = &mut accounts.get_mut(charger).unwrap().links[*link];
                (link.closed, link.code) = (line["at"].as_f64(), line["code"].as_u64());
            }
            "booked" => {
                let (charger, link) = link();
                let account = accounts.get_mut(charger).unwrap();
                account.links[*link].last_booking = Some(account.bookings.len());
                let action = line["action"].as_str().unwrap();
                account.bookings.push(Booking {
                    action: action.to_owned(),
                    payload: line["payload"].clone(),
                    content: content(action, &line["payload"]),
                    number: line["number"].as_i64(),
                    link: *link,
                    at: line["at"].as_f64().unwrap(),
                });
            }
            other => panic!("an entry of an unknown kind: {other}"),
        }
    }
    accounts
}
