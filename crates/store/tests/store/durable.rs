//! What a restart may not lose (semantics §2.11): a real session keeps it in a real store, the program is
//! killed, and it is there. One test for each row of that table that OCPP 1.6 has in force.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use engine::{
    ChargerTransactionId, Effect, Event, Follower, Grant, Keep, Memory, Moment, PeerState, Plan,
    ProfilePurpose, Profiles, Role, Session, Sharing, Side, Tick, TransactionState,
};
use store::{Settings, Store};

use crate::world::*;

/// Names the store to the child that is killed.
const VICTIM: &str = "STORE_TEST_DURABLE";
/// What it says when it is to be killed.
const ON_THE_DISK: &str = "all of it is on the disk";

/// A session whose charger is connected, led by volt and followed by acme, over a real store.
struct Life {
    session: Session,
    store: Store,
    now: Moment,
    calls: u32,
    /// What volt and acme answer to what comes next; an error code, or a payload.
    answers: (&'static str, &'static str),
    told_charger: Vec<String>,
}

impl Life {
    async fn begin(store: Store) -> Self {
        // One purpose is acme's, so that it may set profiles at all.
        let mut grant = Grant::of(Role::Control);
        grant.purposes.insert(ProfilePurpose::TxDefault);
        let follower = Follower { backoffice: acme(), role: Role::Control, grant: Arc::new(grant) };
        let sharing = Sharing { profiles: Profiles::ByPurpose, ..Sharing::default() };
        let plan = Arc::new(Plan { sharing, ..Plan::new("volt".into(), vec![follower]) });
        let memory = store.remembered(&charger()).await.unwrap();
        let session = Session::new(charger(), plan, memory, 1);
        let now = Moment { tick: Tick(1), unix_ms: now() };
        let answers = ("{}", "{}");
        let mut life = Self { session, store, now, calls: 0, answers, told_charger: Vec::new() };
        life.happen(Event::BackofficeUp("volt".into())).await;
        life.happen(Event::ChargerArrived).await;
        life.happen(Event::BackofficeUp(acme())).await;
        let accepted = r#"{"status":"Accepted","currentTime":"2026-11-22T12:00:00Z","interval":300}"#;
        life.call("BootNotification", BOOT, accepted, accepted).await;
        // A charger that has just booted is given a moment before it is sent a command.
        life.now.tick = Tick(life.now.tick.0 + 1_000_000);
        life.happen(Event::DeadlinePassed).await;
        life
    }

    /// Everything that follows is done at once: kept, and answered by whom it is said to.
    async fn happen(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            self.now = Moment { tick: Tick(self.now.tick.0 + 1_000), unix_ms: self.now.unix_ms + 1 };
            self.session.handle(self.now, event);
            while let Some(effect) = self.session.poll_effect() {
                match effect {
                    Effect::Keep(Keep { records, .. }) => {
                        self.store.keep(&charger(), records).await.unwrap();
                    }
                    Effect::SayToCharger(text) => self.told_charger.push(text),
                    Effect::SayToBackoffice(backoffice, text) if text.starts_with("[2,") => {
                        let id = text.split('"').nth(1).unwrap();
                        let answer = if backoffice == acme() { self.answers.1 } else { self.answers.0 };
                        let frame = match answer {
                            "silence" => continue,
                            payload if payload.starts_with('{') => format!("[3,\"{id}\",{payload}]"),
                            code => format!("[4,\"{id}\",\"{code}\",\"\",{{}}]"),
                        };
                        events.push(Event::BackofficeSaid(backoffice, frame.into()));
                    }
                    _ => {}
                }
            }
        }
    }

    /// A call of the charger, and what volt and acme answer to it.
    async fn call(&mut self, action: &str, payload: &str, volt: &'static str, acme: &'static str) {
        self.answers = (volt, acme);
        self.calls += 1;
        let frame = format!("[2,\"{}\",\"{action}\",{payload}]", self.calls);
        self.happen(Event::ChargerSaid(frame.into())).await;
    }

    /// A command of acme that the charger accepts; says what the charger was sent.
    async fn command(&mut self, action: &str, payload: &str, answer: &str) -> String {
        let frame = format!("[2,\"c\",\"{action}\",{payload}]");
        self.happen(Event::BackofficeSaid(acme(), frame.into())).await;
        let sent = self.told_charger.pop().unwrap();
        assert!(sent.contains(action), "{sent}");
        let id = sent.split('"').nth(1).unwrap().to_owned();
        self.happen(Event::ChargerSaid(format!("[3,\"{id}\",{answer}]").into())).await;
        sent
    }
}

const BOOT: &str = r#"{ "chargePointVendor":"V", "chargePointModel":"M" }"#;
const START: &str =
    r#"{ "connectorId":1, "idTag":"CARD", "meterStart":10, "timestamp":"2026-11-22T12:04:00Z" }"#;
const VOLTS: &str = r#"{"transactionId":5,"idTagInfo":{"status":"Accepted"}}"#;
const ACMES: &str = r#"{"transactionId":9,"idTagInfo":{"status":"Accepted"}}"#;

/// What is remembered of a life that ended by `kill -9` right after everything in it was durable. The
/// test of this name runs itself again as the program that is killed.
async fn after_the_kill(test: &str, live: impl AsyncFnOnce(&mut Life)) -> Memory {
    if let Some(path) = std::env::var_os(VICTIM) {
        let mut life = Life::begin(Store::open(path.as_ref(), Settings::default()).unwrap()).await;
        live(&mut life).await;
        println!("{ON_THE_DISK}");
        loop {
            std::thread::park();
        }
    }
    let world = World::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([&format!("durable::{test}"), "--exact", "--nocapture"])
        .env(VICTIM, world.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    let lived = said.map_while(Result::ok).any(|line| line.contains(ON_THE_DISK));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lived, "the life of {test} came to its end before the kill");
    world.open().remembered(&charger()).await.unwrap()
}

fn body<'a>(memory: &'a Memory, key: &str) -> &'a str {
    let fact = memory.facts.iter().find(|fact| fact.key == key);
    fact.and_then(|fact| fact.body.as_deref()).unwrap_or_else(|| panic!("{key} in {:?}", memory.facts))
}

#[tokio::test]
async fn transactions_with_raw_messages_and_everyones_numbers() {
    let memory = after_the_kill("transactions_with_raw_messages_and_everyones_numbers", async |life| {
        life.call("StartTransaction", START, VOLTS, ACMES).await;
        let stop = r#"{"transactionId":5, "meterStop":99,"timestamp":"2026-11-22T13:00:00Z"}"#;
        life.call("StopTransaction", stop, "{}", "silence").await;
    })
    .await;
    assert_eq!(memory.transactions.len(), 1);
    let row = &memory.transactions[0];
    assert_eq!(row.state, TransactionState::Closed);
    assert_eq!(row.charger_number, Some(ChargerTransactionId(5)));
    assert_eq!(row.raw_start, START);
    assert!(row.start_answer.is_some());
    assert!(row.raw_stop.as_ref().is_some_and(|stop| stop.contains("\"meterStop\":99")));
    let numbers: Vec<_> =
        row.peers.iter().map(|(id, peer)| (id.as_str(), peer.state, peer.number.map(|n| n.0))).collect();
    assert_eq!(numbers, [("acme", PeerState::Mapped, Some(9)), ("volt", PeerState::Mapped, Some(5))]);
}

#[tokio::test]
async fn a_start_that_was_not_answered_yet() {
    let memory = after_the_kill("a_start_that_was_not_answered_yet", async |life| {
        life.call("StartTransaction", START, "silence", "silence").await;
    })
    .await;
    assert_eq!(memory.transactions.len(), 1);
    assert_eq!(memory.transactions[0].state, TransactionState::Starting);
    assert_eq!(memory.transactions[0].raw_start, START);
}

#[tokio::test]
async fn lanes_in_order_with_their_attempts() {
    let memory = after_the_kill("lanes_in_order_with_their_attempts", async |life| {
        life.call("StartTransaction", START, VOLTS, "InternalError").await;
        let values = r#"{"connectorId":1,"transactionId":5,"meterValue":[]}"#;
        life.call("MeterValues", values, "{}", "silence").await;
        let stop = r#"{"transactionId":5,"meterStop":99,"timestamp":"2026-11-22T13:00:00Z"}"#;
        life.call("StopTransaction", stop, "{}", "silence").await;
    })
    .await;
    let lane = memory.lanes.iter().find(|lane| lane.backoffice == acme()).unwrap();
    assert_eq!((lane.waiting, lane.last_number), (3, 3));
    let waiting: Vec<_> = lane
        .first
        .iter()
        .map(|delivery| (delivery.number, delivery.action.as_str(), delivery.attempts))
        .collect();
    assert_eq!(waiting, [(1, "StartTransaction", 1), (2, "MeterValues", 0), (3, "StopTransaction", 0)]);
    assert_eq!(lane.first[0].payload, START);
    let its = Some(memory.transactions[0].trace);
    assert!(lane.first.iter().all(|delivery| delivery.transaction == its));
}

#[tokio::test]
async fn the_leaders_own_lane() {
    let memory = after_the_kill("the_leaders_own_lane", async |life| {
        let records = (1..=3).map(|number| {
            let event = delivery(number, "SecurityEventNotification", None);
            waits(engine::Delivery { backoffice: "volt".into(), attempts: number as u32, ..event })
        });
        life.store.keep(&charger(), records.collect()).await.unwrap();
    })
    .await;
    let lane = memory.lanes.iter().find(|lane| lane.backoffice.as_str() == "volt").unwrap();
    let attempts: Vec<u32> = lane.first.iter().map(|delivery| delivery.attempts).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test]
async fn the_boot_and_everyones_verdict_on_it() {
    let memory = after_the_kill("the_boot_and_everyones_verdict_on_it", async |life| {
        let pending = r#"{"status":"Pending","currentTime":"2026-11-22T12:00:00Z","interval":60}"#;
        let accepted = r#"{"status":"Accepted","currentTime":"2026-11-22T12:00:00Z","interval":77}"#;
        life.call("BootNotification", BOOT, accepted, pending).await;
    })
    .await;
    let boot: serde_json::Value = serde_json::from_str(body(&memory, "boot")).unwrap();
    assert_eq!(boot["request"], BOOT);
    assert_eq!(boot["interval_s"], 77);
    assert_eq!(boot["verdicts"].as_object().unwrap().len(), 2, "{boot}");
    assert!(boot["verdicts"]["volt"].to_string().contains("ccepted"), "{boot}");
    assert!(boot["verdicts"]["acme"].to_string().contains("ending"), "{boot}");
}

#[tokio::test]
async fn the_last_status_of_every_connector_with_its_timestamp() {
    let test = "the_last_status_of_every_connector_with_its_timestamp";
    const STATES: [&str; 3] = [
        r#"{"connectorId":0,"errorCode":"NoError","status":"Available","timestamp":"2026-11-22T12:00:01Z"}"#,
        r#"{"connectorId":1,"errorCode":"NoError","status":"Preparing","timestamp":"2026-11-22T12:00:02Z"}"#,
        r#"{"connectorId":1,"errorCode":"NoError","status":"Charging","timestamp":"2026-11-22T12:00:03Z"}"#,
    ];
    let memory = after_the_kill(test, async |life| {
        for state in STATES {
            life.call("StatusNotification", state, "{}", "{}").await;
        }
    })
    .await;
    assert_eq!(body(&memory, "state/0"), STATES[0]);
    assert_eq!(body(&memory, "state/1"), STATES[2]);
}

#[tokio::test]
async fn whose_a_reservation_and_a_profile_are() {
    let memory = after_the_kill("whose_a_reservation_and_a_profile_are", async |life| {
        let accepted = r#"{"status":"Accepted"}"#;
        let reserve = r#"{"connectorId":1,"expiryDate":"2099-01-01T00:00:00Z","idTag":"CARD","reservationId":7}"#;
        life.command("ReserveNow", reserve, accepted).await;
        let profile = r#"{"connectorId":1,"csChargingProfiles":{"chargingProfileId":8,"stackLevel":1,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":6}]}}}"#;
        life.command("SetChargingProfile", profile, accepted).await;
    })
    .await;
    let owned: Vec<serde_json::Value> = memory
        .facts
        .iter()
        .filter(|fact| fact.key.starts_with("owned/"))
        .map(|fact| serde_json::from_str(fact.body.as_deref().unwrap()).unwrap())
        .collect();
    assert_eq!(owned.len(), 2, "{:?}", memory.facts);
    let mut theirs: Vec<_> = owned.iter().map(|one| (&one["owner"], one["at_owner"].as_i64())).collect();
    theirs.sort_by_key(|(_, number)| *number);
    assert_eq!(theirs, [(&"acme".into(), Some(7)), (&"acme".into(), Some(8))]);
}

#[tokio::test]
async fn who_has_the_diagnostics_and_the_firmware_job() {
    let memory = after_the_kill("who_has_the_diagnostics_and_the_firmware_job", async |life| {
        life.command("GetDiagnostics", r#"{"location":"ftp://example.com/"}"#, r#"{"fileName":"a.log"}"#)
            .await;
        let update = r#"{"location":"ftp://example.com/","retrieveDate":"2026-11-22T12:00:00Z"}"#;
        life.command("UpdateFirmware", update, "{}").await;
        life.call("DiagnosticsStatusNotification", r#"{"status":"Uploading"}"#, "{}", "{}").await;
    })
    .await;
    for job in ["job/diagnostics", "job/firmware"] {
        assert!(body(&memory, job).contains("acme"), "{job}: {}", body(&memory, job));
    }
}

#[tokio::test]
async fn a_command_in_flight_is_forgotten() {
    let memory = after_the_kill("a_command_in_flight_is_forgotten", async |life| {
        let frame = r#"[2,"c","UnlockConnector",{"connectorId":1}]"#;
        life.happen(Event::BackofficeSaid(acme(), frame.into())).await;
        assert!(life.told_charger.last().unwrap().contains("UnlockConnector"));
        assert!(life.session.may_read(&Side::Charger));
    })
    .await;
    assert!(memory.facts.iter().all(|fact| !fact.key.contains("command")), "{:?}", memory.facts);
    assert_eq!((memory.transactions.len(), memory.lanes.iter().map(|lane| lane.waiting).sum()), (0, 0_u64));
}
