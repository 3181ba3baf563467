//! With what the proxy proves to backoffices who it speaks for: the charger's own header, and keys that
//! backoffices set (semantics §7.3, §7.4).

use std::sync::Arc;
use std::time::Duration;

use engine::{KeyChange, KeyRules};
use futures_util::{SinkExt, StreamExt};
use gateway::{BackofficeSettings, EntranceTerms, Routing, SecurityProfile};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::backoffice::{Asked, Backoffice, Manner};
use crate::charger::Charger;
use crate::identities::{KEY, basic, dial, keyed, on_terms};
use crate::world::{World, mirrored, routing, routing_with};

type Socket = WebSocketStream<TcpStream>;

const NEW: &str = "11ff3ac3280a0102030405060708090a0b0c0d0e";

fn bytes(hexadecimal: &str) -> Vec<u8> {
    store::passwords(hexadecimal)[0].1.clone()
}

/// The value of the header that proves CP1.
fn proof(password: &[u8]) -> Option<String> {
    let line = basic("CP1", password);
    Some(line.trim().strip_prefix("Authorization: ").unwrap().to_owned())
}

fn with_keys(mut routing: Routing, change: KeyChange) -> Routing {
    for rule in &mut routing.rules {
        let shown = routing.backoffices.iter().filter(|(_, settings)| settings.forward_authorization);
        let forwarded = shown.map(|(id, _)| id.clone()).collect();
        Arc::make_mut(&mut rule.plan).keys = KeyRules { change, forwarded };
    }
    routing
}

async fn next_link(backoffice: &Backoffice) -> (Asked, Socket) {
    let (asked, link) = backoffice.link(Manner::Agree).await;
    (asked, link.unwrap())
}

async fn refuse(backoffice: &Backoffice) -> Option<String> {
    backoffice.link(Manner::Refuse(401)).await.0.authorization
}

async fn change_key(link: &mut Socket, key: &str) {
    let call = format!(r#"[2,"k","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{key}"}}]"#);
    link.send(Message::text(call)).await.unwrap();
}

/// The next text message; `None` when the link is closed.
async fn heard(link: &mut Socket) -> Option<String> {
    loop {
        match link.next().await?.ok()? {
            Message::Text(text) => return Some(text.to_string()),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

/// The next text message that the charger hears.
async fn told(charger: &mut Charger) -> String {
    loop {
        let frame = charger.frame().await;
        match frame.opcode {
            1 => return String::from_utf8(frame.payload).unwrap(),
            8 => panic!("closed: {:?}", frame.closed()),
            _ => {}
        }
    }
}

/// Until then the charger is sent no commands.
async fn boot(charger: &mut Charger, link: &mut Socket) {
    let request = r#"[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#;
    charger.send(0x81, request.as_bytes()).await;
    let call = heard(link).await.unwrap();
    let id = call.split('"').nth(1).unwrap();
    let answer =
        format!(r#"[3,"{id}",{{"status":"Accepted","currentTime":"2026-11-22T12:00:00Z","interval":300}}]"#);
    link.send(Message::text(answer)).await.unwrap();
    assert!(told(charger).await.starts_with(r#"[3,"b","#));
}

/// Waits for a fact that nothing announces.
async fn until(is_so: impl AsyncFn() -> bool) {
    while !is_so().await {
        tokio::task::yield_now().await;
    }
}

async fn connect(world: &World, password: &[u8]) -> Charger {
    dial(world, "127.0.0.1", "CP1", basic("CP1", password)).await
}

#[tokio::test]
async fn the_chargers_own_header_reaches_the_one_backoffice_that_it_is_for() {
    let [volt, acme] = [Backoffice::new().await, Backoffice::new().await];
    let shown = BackofficeSettings { forward_authorization: true, ..BackofficeSettings::new(volt.url()) };
    let routing = routing_with(&[("volt", shown), ("acme", BackofficeSettings::new(acme.url()))]);
    let world = World::new(with_keys(routing, KeyChange::Terminate)).await;
    let (charger, (asked, mut link), (asked_acme, mut link_acme)) =
        tokio::join!(connect(&world, b"c4n4ry-of-the-charger"), next_link(&volt), next_link(&acme));
    assert_eq!(charger.status, 101);
    assert_eq!(asked.authorization, proof(b"c4n4ry-of-the-charger"));
    assert_eq!(asked_acme.authorization, None);

    // A link that is opened again gets what the charger sent last.
    link.close(None).await.unwrap();
    let (asked, mut link) = next_link(&volt).await;
    assert_eq!(asked.authorization, proof(b"c4n4ry-of-the-charger"));

    // It comes with another: what was opened with the former is not its any more.
    let mut newer = connect(&world, b"c4n4ry-number-two").await;
    assert_eq!(newer.status, 101);
    let (closed, (asked, mut link)) = tokio::join!(heard(&mut link), next_link(&volt));
    assert_eq!((closed, asked.authorization), (None, proof(b"c4n4ry-number-two")));
    newer.assert_served().await;
    // And whoever comes with none is not taken for it, though the rule asks for nothing.
    let mut stranger = Charger::dial(world.address, "CP1").await;
    let (closed, (asked, _link)) = tokio::join!(heard(&mut link), next_link(&volt));
    assert_eq!((closed, asked.authorization), (None, None));
    stranger.assert_served().await;
    drop(charger);

    // The other one's link was never touched, and nothing of it was kept.
    link_acme.send(Message::Ping(vec![1].into())).await.unwrap();
    while !matches!(link_acme.next().await, Some(Ok(Message::Pong(_)))) {}
    world.store.flush().await.unwrap();
    let canaries: Vec<String> = [&b"c4n4ry-of-the-charger"[..], b"c4n4ry-number-two"]
        .into_iter()
        .flat_map(|key| [String::from_utf8(key.to_vec()).unwrap(), proof(key).unwrap()[6..].to_owned()])
        .collect();
    assert_eq!(canaries.len(), 4);
    let mut files = 0;
    for file in std::fs::read_dir(world.database().parent().unwrap()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        for canary in &canaries {
            assert!(!content.windows(canary.len()).any(|part| part == canary.as_bytes()), "{canary}");
        }
        files += 1;
    }
    assert!(files >= 2, "{files}");
}

#[tokio::test]
async fn a_leaders_key_is_its_links_alone_and_the_former_serves_until_it_was_taken() {
    let volt = Backoffice::new().await;
    let routing = on_terms(routing(&[("volt", &volt.url())]), keyed());
    let world = World::new(with_keys(routing, KeyChange::Terminate)).await;
    let (mut charger, (asked, mut link)) = tokio::join!(connect(&world, KEY.as_bytes()), next_link(&volt));
    assert_eq!((charger.status, asked.authorization), (101, None));

    let new = "correct:horse/battery";
    change_key(&mut link, new).await;
    assert_eq!(heard(&mut link).await.unwrap(), r#"[3,"k",{"status":"Accepted"}]"#);
    assert_eq!(heard(&mut link).await, None, "the link is opened anew");
    // A backoffice that takes it only at the second attempt.
    assert_eq!(refuse(&volt).await, proof(new.as_bytes()));
    let (asked, mut link) = next_link(&volt).await;
    assert_eq!(asked.authorization, None, "what held before");
    link.close(None).await.unwrap();
    assert_eq!(refuse(&volt).await, None);
    let (asked, mut link) = next_link(&volt).await;
    assert_eq!(asked.authorization, proof(new.as_bytes()));
    link.close(None).await.unwrap();
    let (asked, _link) = next_link(&volt).await;
    assert_eq!(asked.authorization, proof(new.as_bytes()), "what was taken comes first from then on");

    // The charger had no part in that, and keeps its key.
    charger.assert_served().await;
    assert_eq!(connect(&world, new.as_bytes()).await.status, 401);
    assert_eq!(connect(&world, KEY.as_bytes()).await.status, 101);
}

#[tokio::test]
async fn a_key_that_the_charger_refuses_is_not_the_links_and_opens_no_more_places() {
    let volt = Backoffice::new().await;
    let routing = on_terms(routing(&[("volt", &volt.url())]), keyed());
    let world = World::new(with_keys(routing, KeyChange::Passthrough)).await;
    let (mut charger, (_, mut link)) = tokio::join!(connect(&world, KEY.as_bytes()), next_link(&volt));
    boot(&mut charger, &mut link).await;
    // More than are kept.
    for number in 10..30 {
        change_key(&mut link, &format!("{number}{}", &NEW[2..])).await;
        let call = told(&mut charger).await;
        let id = call.split('"').nth(1).unwrap();
        charger.send(0x81, format!(r#"[3,"{id}",{{"status":"Rejected"}}]"#).as_bytes()).await;
        assert_eq!(heard(&mut link).await.unwrap(), r#"[3,"k",{"status":"Rejected"}]"#);
    }
    world.store.flush().await.unwrap();
    assert_eq!(world.store.link_keys().await.unwrap(), []);
    let kept = world.store.charger_keys().await.unwrap().remove(0).keys;
    assert_eq!(kept.len(), 16);
    assert!(kept.iter().all(|key| key.stage == store::KeyStage::Refused), "{kept:?}");
    link.close(None).await.unwrap();
    assert_eq!(next_link(&volt).await.0.authorization, None);
}

#[tokio::test]
async fn both_keys_open_until_the_charger_has_used_the_new_one() {
    let volt = Backoffice::new().await;
    let routing = on_terms(routing(&[("volt", &volt.url())]), keyed());
    let world = World::new(with_keys(routing, KeyChange::Passthrough)).await;
    let (mut charger, (_, mut link)) = tokio::join!(connect(&world, KEY.as_bytes()), next_link(&volt));
    assert_eq!(charger.status, 101);
    boot(&mut charger, &mut link).await;

    change_key(&mut link, NEW).await;
    let call = told(&mut charger).await;
    assert!(call.contains(NEW), "{call}");
    // From before it was sent on.
    assert_eq!(connect(&world, &bytes(NEW)).await.status, 101);
    assert_eq!(charger.closed().await.closed().0, 1008);
    // Which it has used by now: the former does not count any more.
    assert_eq!(connect(&world, KEY.as_bytes()).await.status, 401);
    let kept = || async { world.store.charger_keys().await.unwrap() };
    until(async || kept().await.first().is_some_and(|of| of.keys[0].stage == store::KeyStage::Used)).await;
    assert_eq!(kept().await[0].replaced.len(), 1);

    // An operator takes it back.
    let seal = store::AdmissionOrder {
        charger: "CP1".into(),
        what: store::AdmissionWhat::ForgetKeys(None),
        by: "anna".to_owned(),
    };
    let path = world.database();
    tokio::task::spawn_blocking(move || seal.give(&path).unwrap()).await.unwrap();
    until(async || connect(&world, KEY.as_bytes()).await.status == 101).await;
    assert_eq!(connect(&world, &bytes(NEW)).await.status, 401);
}

#[tokio::test]
async fn an_accepted_key_is_the_links_too_and_the_charger_stays() {
    let volt = Backoffice::new().await;
    let routing = on_terms(routing(&[("volt", &volt.url())]), keyed());
    let world = World::new(with_keys(routing, KeyChange::Passthrough)).await;
    let (mut charger, (_, mut link)) = tokio::join!(connect(&world, KEY.as_bytes()), next_link(&volt));
    boot(&mut charger, &mut link).await;
    change_key(&mut link, NEW).await;
    let call = told(&mut charger).await;
    let id = call.split('"').nth(1).unwrap();
    charger.send(0x81, format!(r#"[3,"{id}",{{"status":"Accepted"}}]"#).as_bytes()).await;
    assert_eq!(heard(&mut link).await.unwrap(), r#"[3,"k",{"status":"Accepted"}]"#);
    assert_eq!(heard(&mut link).await, None);
    let (asked, _link) = next_link(&volt).await;
    assert_eq!(asked.authorization, proof(&bytes(NEW)));
    charger.assert_served().await;
    // It did not need to come again with the new one; when it is back with the former it is let in.
    assert_eq!(connect(&world, KEY.as_bytes()).await.status, 101);
    assert_eq!(connect(&world, &bytes(NEW)).await.status, 101);
    assert_eq!(connect(&world, KEY.as_bytes()).await.status, 401);
}

#[tokio::test]
async fn what_the_leader_refuses_of_the_chargers_own_header_is_no_outage() {
    for is_mirrored in [false, true] {
        let volt = Backoffice::new().await;
        let shown = BackofficeSettings { forward_authorization: true, ..BackofficeSettings::new(volt.url()) };
        let rules = with_keys(routing_with(&[("volt", shown)]), KeyChange::Terminate);
        let world = World::new(if is_mirrored { mirrored(rules) } else { rules }).await;
        for status in [401, 403, 404] {
            let wrong = format!("wrong {status}");
            let refusing = volt.link(Manner::Refuse(status));
            let (stranger, (asked, _)) = tokio::join!(connect(&world, wrong.as_bytes()), refusing);
            assert_eq!(stranger.status, 401, "{status}");
            assert_eq!(asked.authorization, proof(wrong.as_bytes()));
            // It is not asked again about the same.
            assert_eq!(connect(&world, wrong.as_bytes()).await.status, 401);
        }
        // Whoever has the right one is dialed for at once.
        let (mut charger, (asked, _link)) = tokio::join!(connect(&world, KEY.as_bytes()), next_link(&volt));
        assert_eq!((charger.status, asked.authorization), (101, proof(KEY.as_bytes())));
        charger.assert_served().await;
    }
}

#[tokio::test]
async fn who_came_in_while_nobody_could_judge_goes_when_the_leader_refuses_its_header() {
    let volt = Backoffice::new().await;
    let shown = BackofficeSettings { forward_authorization: true, ..BackofficeSettings::new(volt.url()) };
    let world = World::new(with_keys(routing_with(&[("volt", shown)]), KeyChange::Terminate)).await;
    let (mut stranger, _) = tokio::join!(connect(&world, b"wrong"), volt.link(Manner::Refuse(503)));
    assert_eq!(stranger.status, 101, "the leader is away, and nobody else can judge");
    let (asked, _) = volt.link(Manner::Refuse(401)).await;
    assert_eq!(asked.authorization, proof(b"wrong"));
    assert_eq!(stranger.closed().await.closed().0, 1008);
    let failed = world.gateway.view().turned_away(&"CP1".into()).unwrap();
    assert_eq!(failed.why, store::WhyNot::RefusedByBackoffice);
    let (again, _) = tokio::join!(connect(&world, b"wrong"), volt.link(Manner::Refuse(401)));
    assert_eq!(again.status, 401);

    // Of a header that it has taken it cannot be known: that is an outage.
    let (mut charger, (_, mut link)) = tokio::join!(connect(&world, KEY.as_bytes()), next_link(&volt));
    link.close(None).await.unwrap();
    drop(link);
    volt.link(Manner::Refuse(401)).await;
    charger.assert_served().await;
}

#[tokio::test]
async fn a_charger_that_uses_its_leaders_key_is_known_and_asked_for_it_without_its_line() {
    for profile in [SecurityProfile::None, SecurityProfile::Basic] {
        let volt = Backoffice::new().await;
        let terms = EntranceTerms { profile, ..keyed() };
        let with_line =
            with_keys(on_terms(routing(&[("volt", &volt.url())]), terms.clone()), KeyChange::Passthrough);
        let world = World::new(with_line).await;
        let (mut charger, (_, mut link)) = tokio::join!(connect(&world, KEY.as_bytes()), next_link(&volt));
        boot(&mut charger, &mut link).await;
        change_key(&mut link, NEW).await;
        told(&mut charger).await;
        assert_eq!(connect(&world, &bytes(NEW)).await.status, 101);
        assert_eq!(charger.closed().await.closed().0, 1008);
        let tidy = EntranceTerms { keys: Default::default(), ..terms };
        world
            .gateway
            .apply(with_keys(on_terms(routing(&[("volt", &volt.url())]), tidy), KeyChange::Passthrough));
        assert_eq!(connect(&world, &bytes(NEW)).await.status, 101, "{profile:?}");
        assert_eq!(connect(&world, KEY.as_bytes()).await.status, 401, "{profile:?}");
        assert_eq!(Charger::dial(world.address, "CP1").await.status, 401, "{profile:?}");
    }
}

#[tokio::test]
async fn keys_that_were_not_accepted_age_while_the_program_runs() {
    let backoffice = Backoffice::new().await;
    let rules = on_terms(routing(&[("volt", &backoffice.url())]), keyed());
    let world = World::new(rules.clone()).await;
    let key = store::ChargerKey {
        trace: engine::TraceId(ulid::Ulid(1)),
        key: world.store.seal().close(&"CP1".into(), "0123456789abcdef"),
        stage: store::KeyStage::Offered,
        unix_ms: 0,
        hours: 0,
    };
    let keys = store::ChargerKeys { keys: vec![key], ..store::ChargerKeys::none("CP1".into()) };
    world.store.keep_charger_keys(keys).await.unwrap();
    let world = world.restarted(rules).await;
    // The gateway begins to wait.
    tokio::task::yield_now().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3_601)).await;
    tokio::time::resume();
    while world.store.charger_keys().await.unwrap()[0].keys[0].hours == 0 {}
    assert_eq!(world.store.charger_keys().await.unwrap()[0].keys[0].hours, 1);
}
