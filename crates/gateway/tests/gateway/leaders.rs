//! Leaders that an operator chooses, and what is seen of a running gateway.

use std::sync::Arc;
use std::time::Duration;

use engine::{Note, Role};
use futures_util::{SinkExt, StreamExt};
use gateway::{Gateway, LeaderSource, LiveLink, Metrics, Routing, SetLeaderError};
use serde_json::Value;
use store::{Browser, LeaderOrder, Store};
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_tungstenite::tungstenite::Message;

use crate::backoffice::{Backoffice, Manner};
use crate::charger::Charger;
use crate::world::{World, routing, settings};

/// Answers everything that is said to it, each in its own way; what it is told can be read.
struct Desk {
    url: String,
    told: UnboundedReceiver<Value>,
}

impl Desk {
    /// Its clock shows this year, and its transaction has this number.
    async fn new(year: u32, number: i64) -> Desk {
        let backoffice = Backoffice::new().await;
        let url = backoffice.url();
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (_, link) = backoffice.link(Manner::Agree).await;
                let (mut link, tell) = (link.unwrap(), tell.clone());
                tokio::spawn(async move {
                    while let Some(Ok(message)) = link.next().await {
                        let Message::Text(text) = message else { continue };
                        let call: Value = serde_json::from_str(&text).unwrap();
                        let answer = match call[2].as_str().unwrap() {
                            "Heartbeat" => format!(r#"{{"currentTime":"{year}-01-01T00:00:00Z"}}"#),
                            "StartTransaction" => {
                                format!(r#"{{"transactionId":{number},"idTagInfo":{{"status":"Accepted"}}}}"#)
                            }
                            _ => "{}".to_owned(),
                        };
                        // A link that has gone hears nothing.
                        let _ = link.send(Message::text(format!("[3,{},{answer}]", call[1]))).await;
                        let _ = tell.send(call);
                    }
                });
            }
        });
        Desk { url, told }
    }

    /// The payload of the next call of this action.
    async fn told(&mut self, action: &str) -> Value {
        loop {
            let mut call = self.told.recv().await.unwrap();
            if call[2] == action {
                return call[3].take();
            }
        }
    }
}

struct Pair {
    volt: Desk,
    acme: Desk,
}

impl Pair {
    async fn new() -> Pair {
        Pair { volt: Desk::new(2026, 7).await, acme: Desk::new(2027, 70).await }
    }

    /// Led by volt, followed by acme.
    fn rules(&self) -> Routing {
        routing(&[("volt", &self.volt.url), ("acme", &self.acme.url)])
    }
}

/// Who leads, by the clock that the charger is shown.
async fn leader(charger: &mut Charger) -> &'static str {
    charger.send(0x81, b"[2,\"h\",\"Heartbeat\",{}]").await;
    let answer = charger.frame().await;
    let text = std::str::from_utf8(&answer.payload).unwrap();
    match text.split('"').rfind(|part| part.ends_with("-01-01T00:00:00Z")) {
        Some("2026-01-01T00:00:00Z") => "volt",
        Some("2027-01-01T00:00:00Z") => "acme",
        _ => panic!("{text}"),
    }
}

async fn link_up(tail: &mut Receiver<(engine::ChargerId, Arc<Note>)>, backoffice: &str) {
    while !matches!(&*tail.recv().await.unwrap().1, Note::LinkUp(id) if id.as_str() == backoffice) {}
}

async fn led_by(tail: &mut Receiver<(engine::ChargerId, Arc<Note>)>, backoffice: &str) {
    loop {
        if let Note::LeaderChanged { to, .. } = &*tail.recv().await.unwrap().1 {
            assert_eq!(to.as_str(), backoffice);
            return;
        }
    }
}

#[tokio::test]
async fn an_operator_makes_a_follower_leader_and_goes_back() {
    let pair = Pair::new().await;
    let world = World::new(pair.rules()).await;
    let view = world.gateway.view();
    let mut tail = view.subscribe();
    let mut charger = Charger::dial(world.address, "CP1").await;
    link_up(&mut tail, "acme").await;
    assert_eq!(leader(&mut charger).await, "volt");

    // Capitals do not matter.
    view.set_leader(&"cp1".into(), Some("acme".into()), "nora", "volt is slow").await.unwrap();
    led_by(&mut tail, "acme").await;
    assert_eq!(leader(&mut charger).await, "acme");
    let plan = view.plan(&"CP1".into()).unwrap();
    assert!(plan.is_overridden());
    assert_eq!((plan.plan.leader.as_str(), plan.file_leader.as_str()), ("acme", "volt"));
    assert_eq!(plan.plan.role(&"volt".into()), Some(Role::Control));
    assert_eq!((plan.rule.as_str(), plan.leader_source), ("CP*", LeaderSource::Portal));
    let chosen = plan.overridden.unwrap();
    assert_eq!((chosen.by.as_str(), chosen.reason.as_str()), ("nora", "volt is slow"));
    let other = view.plan(&"CP2".into()).unwrap();
    assert_eq!((other.plan.leader.as_str(), other.overridden), ("volt", None), "nobody else is concerned");

    view.set_leader(&"CP1".into(), None, "nora", "well again").await.unwrap();
    led_by(&mut tail, "volt").await;
    assert_eq!(leader(&mut charger).await, "volt");
    assert_eq!(view.plan(&"CP1".into()).unwrap().overridden, None);
    let switches = "ocpp_proxy_leader_switches_total{source=\"operator\"}";
    assert_eq!(world.metric(switches).await, 2.0);
    let browser = Browser::open(&world.database()).unwrap();
    let history = browser.lead_history(&"CP1".into(), 10).await.unwrap();
    let history: Vec<_> = history
        .iter()
        .map(|c| (c.leader.as_ref().map(|l| l.as_str()), c.by.as_str(), c.reason.as_str()))
        .collect();
    assert_eq!(history, [(None, "nora", "well again"), (Some("acme"), "nora", "volt is slow")]);
}

#[tokio::test]
async fn the_history_tells_of_the_files_changes_too() {
    let pair = Pair::new().await;
    let world = World::new(pair.rules()).await;
    let mut tail = world.gateway.subscribe();
    let _charger = Charger::dial(world.address, "CP1").await;
    link_up(&mut tail, "acme").await;
    world.gateway.apply(routing(&[("acme", &pair.acme.url), ("volt", &pair.volt.url)]));
    led_by(&mut tail, "acme").await;
    // Each order to the store is carried out after those before it.
    world.store.tidy().await.unwrap();
    let browser = Browser::open(&world.database()).unwrap();
    let [change] = &browser.lead_history(&"CP1".into(), 10).await.unwrap()[..] else { panic!() };
    assert_eq!(change.leader, Some("acme".into()));
    assert_eq!(
        (change.by.as_str(), change.reason.as_str()),
        ("proxy.toml", "the file names acme instead of volt")
    );
    assert_eq!(browser.leader_overrides().await.unwrap(), [], "it is no choice");
}

#[tokio::test]
async fn whom_the_file_names_needs_no_choice() {
    let pair = Pair::new().await;
    let world = World::new(pair.rules()).await;
    let (view, charger) = (world.gateway.view(), "CP1".into());
    view.set_leader(&charger, Some("volt".into()), "nora", "").await.unwrap();
    view.set_leader(&charger, None, "nora", "").await.unwrap();
    let browser = Browser::open(&world.database()).unwrap();
    assert_eq!(browser.lead_history(&charger, 10).await.unwrap(), [], "nothing changed");
    view.set_leader(&charger, Some("acme".into()), "nora", "").await.unwrap();
    view.set_leader(&charger, Some("volt".into()), "nora", "").await.unwrap();
    assert_eq!(view.plan(&charger).unwrap().overridden, None);
    assert_eq!(browser.leader_overrides().await.unwrap(), []);
}

#[tokio::test]
async fn a_transaction_goes_on_under_another_leader() {
    let mut pair = Pair::new().await;
    let world = World::new(pair.rules()).await;
    let view = world.gateway.view();
    let mut tail = view.subscribe();
    let mut charger = Charger::dial(world.address, "CP1").await;
    link_up(&mut tail, "acme").await;
    let start = br#"[2,"1","StartTransaction",{"connectorId":1,"idTag":"CARD","meterStart":5,"timestamp":"2026-11-22T13:00:00Z"}]"#;
    charger.send(0x81, start).await;
    let answer: Value = serde_json::from_slice(&charger.frame().await.payload).unwrap();
    let number = answer[2]["transactionId"].as_i64().unwrap();
    assert_eq!((pair.volt.told("StartTransaction").await)["idTag"], "CARD");
    assert_eq!((pair.acme.told("StartTransaction").await)["idTag"], "CARD");

    view.set_leader(&"CP1".into(), Some("acme".into()), "nora", "").await.unwrap();
    led_by(&mut tail, "acme").await;
    let stop = format!(
        r#"[2,"2","StopTransaction",{{"transactionId":{number},"meterStop":9,"timestamp":"2026-11-22T14:00:00Z"}}]"#
    );
    charger.send(0x81, stop.as_bytes()).await;
    assert_eq!(charger.frame().await.payload, b"[3,\"2\",{}]");
    // Each hears of the end under its own number, the former leader too.
    assert_eq!(pair.acme.told("StopTransaction").await["transactionId"], 70);
    assert_eq!(pair.volt.told("StopTransaction").await["transactionId"], 7);
}

#[tokio::test]
async fn a_choice_holds_after_a_restart() {
    let pair = Pair::new().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let open = || Store::open(&path, store::Settings::default()).unwrap();
    let store = open();
    let gateway =
        Gateway::start(settings(), pair.rules(), store.clone(), Metrics::new("test")).await.unwrap();
    let charger = "CP1".into();
    gateway.view().set_leader(&charger, Some("acme".into()), "nora", "").await.unwrap();
    gateway.drain(Duration::from_secs(60)).await;
    store.close().await;

    let gateway = Gateway::start(settings(), pair.rules(), open(), Metrics::new("test")).await.unwrap();
    assert_eq!(gateway.view().plan(&charger).unwrap().plan.leader.as_str(), "acme");
    let mut connected = Charger::dial(gateway.charger_address().unwrap(), "CP1").await;
    assert_eq!(leader(&mut connected).await, "acme");
}

#[tokio::test]
async fn a_choice_holds_over_other_rules_as_long_as_they_name_it() {
    let pair = Pair::new().await;
    let world = World::new(pair.rules()).await;
    let view = world.gateway.view();
    let mut tail = view.subscribe();
    let mut charger = Charger::dial(world.address, "CP1").await;
    link_up(&mut tail, "acme").await;
    view.set_leader(&"CP1".into(), Some("acme".into()), "nora", "").await.unwrap();
    led_by(&mut tail, "acme").await;
    world.gateway.apply(pair.rules());
    assert_eq!(leader(&mut charger).await, "acme");

    // The rules leave it out: it has no effect and is shown as such.
    world.gateway.apply(routing(&[("volt", &pair.volt.url)]));
    led_by(&mut tail, "volt").await;
    assert_eq!(leader(&mut charger).await, "volt");
    let plan = view.plan(&"CP1".into()).unwrap();
    assert!(!plan.is_overridden());
    assert_eq!(plan.overridden.unwrap().leader.as_str(), "acme");
    let error = view.set_leader(&"CP1".into(), Some("acme".into()), "nora", "").await.unwrap_err();
    assert!(matches!(error, SetLeaderError::NotInPlan { .. }), "{error}");

    // They name it again.
    world.gateway.apply(pair.rules());
    led_by(&mut tail, "acme").await;
    assert_eq!(leader(&mut charger).await, "acme");
}

#[tokio::test]
async fn what_the_file_keeps_to_itself_nobody_chooses() {
    let pair = Pair::new().await;
    let mut rules = pair.rules();
    rules.rules[0].leader_source = LeaderSource::File;
    let world = World::new(rules).await;
    let view = world.gateway.view();
    let error = view.set_leader(&"CP1".into(), Some("acme".into()), "nora", "").await.unwrap_err();
    assert_eq!(error, SetLeaderError::FileDecides { rule: "CP*".to_owned() });
    assert!(error.to_string().contains("leader_source = \"portal\""), "{error}");
    let error = view.set_leader(&"XX".into(), Some("acme".into()), "nora", "").await.unwrap_err();
    assert_eq!(error, SetLeaderError::UnknownCharger("XX".into()));

    // A choice of before, or of another program, has no effect either.
    world.store.set_leader(&"CP2".into(), Some("acme".into()), "nora", "").await.unwrap();
    let World { gateway, store, .. } = world;
    gateway.drain(Duration::from_secs(60)).await;
    let mut rules = pair.rules();
    rules.rules[0].leader_source = LeaderSource::File;
    let gateway = Gateway::start(settings(), rules, store, Metrics::new("test")).await.unwrap();
    let plan = gateway.view().plan(&"CP2".into()).unwrap();
    assert_eq!(plan.plan.leader.as_str(), "volt");
    assert!(plan.overridden.is_some() && !plan.is_overridden());
    let mut charger = Charger::dial(gateway.charger_address().unwrap(), "CP2").await;
    assert_eq!(leader(&mut charger).await, "volt");
}

#[tokio::test]
async fn an_order_from_another_program_is_followed() {
    let pair = Pair::new().await;
    let world = World::new(pair.rules()).await;
    let mut tail = world.gateway.subscribe();
    let mut charger = Charger::dial(world.address, "CP1").await;
    link_up(&mut tail, "acme").await;
    assert_eq!(leader(&mut charger).await, "volt");
    let order = |leader: Option<&str>| LeaderOrder {
        charger: "CP1".into(),
        leader: leader.map(Into::into),
        by: "nora (command line)".to_owned(),
        reason: "trial".to_owned(),
    };
    order(Some("acme")).give(&world.database()).unwrap();
    led_by(&mut tail, "acme").await;
    assert_eq!(leader(&mut charger).await, "acme");
    let chosen = world.gateway.view().plan(&"CP1".into()).unwrap().overridden.unwrap();
    assert_eq!(chosen.by, "nora (command line)");
    order(None).give(&world.database()).unwrap();
    led_by(&mut tail, "volt").await;
    assert_eq!(leader(&mut charger).await, "volt");
}

#[tokio::test]
async fn what_runs_can_be_looked_at() {
    let pair = Pair::new().await;
    let gone = Backoffice::new().await;
    let gone_url = gone.url();
    drop(gone);
    let rules = routing(&[("volt", &pair.volt.url), ("acme", &pair.acme.url), ("gone", &gone_url)]);
    let world = World::new(rules).await;
    let view = world.gateway.view();
    let id = "CP1".into();
    assert_eq!((view.online(), view.is_online(&id), view.charger(&id).await), (0, false, None));
    let mut tail = view.subscribe();
    let mut charger = Charger::dial(world.address, "CP1").await;
    let (mut is_up, mut is_down) = (false, false);
    while !(is_up && is_down) {
        match &*tail.recv().await.unwrap().1 {
            Note::LinkUp(id) => is_up |= id.as_str() == "acme",
            Note::LinkDown { backoffice, .. } => is_down |= backoffice.as_str() == "gone",
            _ => {}
        }
    }
    assert_eq!(leader(&mut charger).await, "volt");
    assert_eq!((view.online(), view.is_online(&"cp1".into())), (1, true));
    let live = view.charger(&"cp1".into()).await.unwrap();
    assert!(live.connected_since_unix_ms.is_some() && live.from.is_loopback());
    assert_eq!((live.leader.as_str(), live.leader_away_since_unix_ms), ("volt", None));
    let [volt, acme, gone] = live.backoffices.as_slice() else { panic!("{live:?}") };
    assert_eq!((volt.id.as_str(), volt.leads, volt.role), ("volt", true, None));
    assert!(matches!(volt.link, LiveLink::Up { since_unix_ms } if since_unix_ms > 0), "{volt:?}");
    assert!(volt.last_answer_unix_ms.is_some() && volt.last_latency_us.is_some(), "{volt:?}");
    assert_eq!((acme.id.as_str(), acme.leads, acme.role), ("acme", false, Some(Role::Control)));
    assert!(matches!(acme.link, LiveLink::Up { .. }), "{acme:?}");
    assert_eq!((acme.waiting, acme.boot), (0, None));
    let is_told = match &gone.link {
        LiveLink::Down { retry_at_unix_ms, reason } => {
            retry_at_unix_ms.is_some() && reason.as_ref().is_some_and(|why| why.starts_with("unreachable"))
        }
        LiveLink::Dialing => true,
        LiveLink::Up { .. } => false,
    };
    assert!(is_told, "{gone:?}");

    drop(charger);
    while !matches!(&*tail.recv().await.unwrap().1, Note::ChargerLeft { .. }) {}
    // The note comes before the figure; an answer comes after it.
    let live = view.charger(&id).await.unwrap();
    assert_eq!(live.connected_since_unix_ms, None);
    assert_eq!((view.online(), view.is_online(&id)), (0, false));
}
