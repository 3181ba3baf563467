//! A charger and a backoffice without anything between them: what both believe must agree.

use std::time::Duration;

use engine::{Moment, Tick};
use serde_json::json;
use sim::{
    Backoffice, BackofficeNews, BackofficeSettings, Charger, ChargerNews, ChargerSettings, Command,
    Complaint, Number,
};

/// The two ends and the time, with a perfect line between them.
struct Line {
    charger: Charger,
    backoffice: Backoffice,
    now: Tick,
    up: bool,
}

impl Line {
    fn new(charger: ChargerSettings, backoffice: BackofficeSettings) -> Self {
        let mut line = Self {
            charger: Charger::new(charger, 1),
            backoffice: Backoffice::new(backoffice, 2),
            now: Tick(0),
            up: false,
        };
        line.connect();
        line
    }

    fn moment(&self) -> Moment {
        Moment { tick: self.now, unix_ms: 1_795_352_583_000 + (self.now.0 / 1000) as i64 }
    }

    fn connect(&mut self) {
        self.up = true;
        let now = self.moment();
        self.backoffice.connected(now);
        self.charger.connected(now);
    }

    fn cut(&mut self) {
        self.up = false;
        self.charger.disconnected();
        self.backoffice.disconnected();
    }

    fn run(&mut self, wait: Duration) {
        let end = self.now + wait;
        loop {
            let now = self.moment();
            let mut quiet = true;
            while let Some(text) = self.charger.poll_frame() {
                quiet = false;
                self.backoffice.heard(now, &text);
            }
            while let Some(text) = self.backoffice.poll_frame() {
                quiet = false;
                self.charger.heard(now, &text);
            }
            if self.charger.takes_leave() {
                self.cut();
                self.connect();
                quiet = false;
            }
            if !quiet {
                continue;
            }
            let next =
                [self.charger.poll_deadline(), self.backoffice.poll_deadline()].into_iter().flatten().min();
            match next {
                Some(next) if next <= end => {
                    self.now = self.now.max(next);
                    let now = self.moment();
                    self.charger.woke(now);
                    self.backoffice.woke(now);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn charger_news(&mut self) -> Vec<ChargerNews> {
        std::iter::from_fn(|| self.charger.poll_news()).collect()
    }

    fn backoffice_news(&mut self) -> Vec<BackofficeNews> {
        std::iter::from_fn(|| self.backoffice.poll_news()).collect()
    }
}

fn knows_card() -> BackofficeSettings {
    BackofficeSettings {
        first_transaction: 501,
        cards: [("CARD".to_owned(), "Accepted".to_owned())].into(),
        ..BackofficeSettings::default()
    }
}

#[test]
fn a_session_is_booked_from_start_to_stop() {
    let mut line = Line::new(ChargerSettings::default(), knows_card());
    line.run(Duration::from_secs(5));
    assert!(line.charger.is_accepted());
    let now = line.moment();
    line.charger.present_card(now, 1, "CARD");
    line.run(Duration::from_secs(150));
    let now = line.moment();
    line.charger.present_card(now, 1, "CARD");
    line.run(Duration::from_secs(5));
    assert!(line.charger.is_settled());
    assert_eq!(line.charger.sessions()[0].number, Number::Told(501));
    assert_eq!(line.backoffice.books().len(), 1);
    assert!(line.backoffice.books()[0].stopped);
    assert_eq!(line.backoffice.complaints(), []);
    let readings = line
        .backoffice_news()
        .iter()
        .filter(|news| matches!(news, BackofficeNews::Asked { action, .. } if action == "MeterValues"))
        .count();
    assert_eq!(readings, 2);
}

#[test]
fn an_unknown_card_ends_the_session_of_a_charger_that_did_not_ask() {
    let settings = ChargerSettings { authorizes: false, ..ChargerSettings::default() };
    let mut line = Line::new(settings, knows_card());
    line.run(Duration::from_secs(5));
    let now = line.moment();
    line.charger.present_card(now, 1, "NOBODY");
    line.run(Duration::from_secs(5));
    let ended = ChargerNews::SessionEnded { number: Some(501), reason: "DeAuthorized" };
    assert!(line.charger_news().contains(&ended));
    assert!(line.backoffice.books()[0].stopped);
    assert_eq!(line.backoffice.complaints(), []);
}

#[test]
fn a_start_made_offline_is_delivered_later() {
    let mut line = Line::new(ChargerSettings::default(), knows_card());
    line.run(Duration::from_secs(5));
    line.cut();
    let now = line.moment();
    line.charger.present_card(now, 2, "CARD");
    line.run(Duration::from_secs(130));
    line.connect();
    line.run(Duration::from_secs(5));
    assert!(line.charger.is_settled());
    assert_eq!(line.backoffice.books().len(), 1);
    assert_eq!(line.backoffice.complaints(), []);
}

#[test]
fn a_start_that_was_lost_becomes_number_minus_one() {
    let settings =
        ChargerSettings { authorizes: false, forgets_unanswered_start: true, ..ChargerSettings::default() };
    let mut line = Line::new(settings, knows_card());
    line.run(Duration::from_secs(5));
    let now = line.moment();
    line.charger.present_card(now, 1, "CARD");
    // What it says until then is delivered; the start itself is lost with the connection.
    while let Some(text) = line.charger.poll_frame().filter(|text| !text.contains("StartTransaction")) {
        line.backoffice.heard(now, &text);
        line.now = line.backoffice.poll_deadline().expect("it answers");
        let now = line.moment();
        line.backoffice.woke(now);
        let answer = line.backoffice.poll_frame().expect("it has answered");
        line.charger.heard(now, &answer);
    }
    line.cut();
    line.connect();
    line.run(Duration::from_secs(70));
    assert_eq!(line.charger.sessions()[0].number, Number::Lost);
    assert!(matches!(
        line.backoffice.complaints(),
        [Complaint::UnknownTransaction { number: -1, action, .. }] if action == "MeterValues"
    ));
}

#[test]
fn pending_boots_are_repeated_at_the_interval() {
    let settings = BackofficeSettings { pending_boots: 2, ..knows_card() };
    let mut line = Line::new(ChargerSettings::default(), settings);
    line.run(Duration::from_secs(15));
    assert!(!line.charger.is_accepted());
    line.run(Duration::from_secs(10));
    assert!(line.charger.is_accepted());
    let boots =
        line.charger_news().iter().filter(|news| matches!(news, ChargerNews::BootAnswered(_))).count();
    assert_eq!(boots, 3);
}

#[test]
fn commands_are_obeyed() {
    let mut line = Line::new(ChargerSettings::default(), knows_card());
    line.run(Duration::from_secs(5));
    let now = line.moment();
    line.backoffice.command(now, Command::RemoteStart { connector: 1, id_tag: "CARD".to_owned() });
    line.run(Duration::from_secs(10));
    assert_eq!(line.backoffice.books().len(), 1);
    let now = line.moment();
    line.backoffice.command(now, Command::RemoteStop(501));
    line.backoffice.command(now, Command::Other("GetDiagnostics", json!({ "location": "ftp://x/" })));
    line.backoffice.command(now, Command::Other("Reset", json!({ "type": "Hard" })));
    line.run(Duration::from_secs(20));
    assert!(line.charger.is_accepted());
    assert_eq!(line.backoffice.commands_unanswered(), 0);
    assert_eq!(line.backoffice.complaints(), []);
    let answers: Vec<String> = line
        .backoffice_news()
        .into_iter()
        .filter_map(|news| match news {
            BackofficeNews::CommandAnswered { answer, .. } => answer.ok(),
            BackofficeNews::Asked { .. } => None,
        })
        .collect();
    let accepted = r#"{"status":"Accepted"}"#;
    assert_eq!(answers, [accepted, accepted, r#"{"fileName":"diagnostics.zip"}"#, accepted]);
}
