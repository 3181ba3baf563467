//! Who comes in: keys in all their forms, unknown chargers, guessing, and what a stranger cannot disturb.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{EntranceTerms, Routing, Secret, SecurityProfile, UnknownChargers};

use store::WhyNot;

use crate::backoffice::{Backoffice, Manner};
use crate::charger::{Charger, UPGRADE};
use crate::world::{World, routing};

pub(crate) const KEY: &str = "00ff3ac3280a0102030405060708090a0b0c0d0e";

/// The same rules on these terms.
pub(crate) fn on_terms(mut routing: Routing, terms: EntranceTerms) -> Routing {
    for rule in &mut routing.rules {
        rule.entrance = Arc::new(terms.clone());
    }
    routing
}

pub(crate) fn keyed() -> EntranceTerms {
    let keys = [("CP1", KEY), ("CP2", "correct horse battery staple")];
    EntranceTerms {
        profile: SecurityProfile::Basic,
        keys: keys.map(|(charger, key)| (charger.into(), Secret::new(key.to_owned()))).into(),
        ..EntranceTerms::default()
    }
}

pub(crate) fn basic(user: &str, password: &[u8]) -> String {
    let both = [user.as_bytes(), b":", password].concat();
    format!("Authorization: Basic {}\r\n", STANDARD.encode(both))
}

pub(crate) async fn dial(world: &World, from: &str, name: &str, authorization: impl AsRef<str>) -> Charger {
    let headers = format!("{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n{}", authorization.as_ref());
    Charger::request(world.address, from, &format!("GET /ocpp/{name} HTTP/1.1"), &headers).await
}

async fn knocking(world: &World) -> Vec<(String, u64, bool)> {
    let all = world.gateway.view().entrance().knocking;
    all.into_iter().map(|one| (one.charger.to_string(), one.times, one.sent_credentials)).collect()
}

#[tokio::test]
async fn a_key_lets_its_charger_in_whatever_form_it_is_sent_in() {
    let backoffice = Backoffice::new().await;
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), keyed())).await;
    let bytes = [0, 0xff, 0x3a, 0xc3, 0x28, 0x0a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
    let capitals = KEY.to_ascii_uppercase();
    let cases: &[(&str, &str, &[u8])] = &[
        ("CP1", "CP1", KEY.as_bytes()),
        ("CP1", "CP1", &bytes),
        ("CP1", "cp1", capitals.as_bytes()),
        ("cp1", "CP1", KEY.as_bytes()),
        ("CP2", "CP2", b"correct horse battery staple"),
    ];
    for (name, user, password) in cases {
        let dialed = dial(&world, "127.0.0.1", name, basic(user, password));
        let (mut charger, (asked, link)) = tokio::join!(dialed, backoffice.link(Manner::Agree));
        assert_eq!(charger.status, 101, "{name} {user} {password:?}");
        assert_eq!(asked.authorization, None, "the charger's own credentials go nowhere");
        charger.assert_served().await;
        drop((charger, link));
    }
    assert_eq!(cases.len(), 5);
    assert_eq!(knocking(&world).await, []);
}

#[tokio::test]
async fn nobody_comes_in_without_the_key_and_no_backoffice_hears_of_it() {
    let backoffice = Backoffice::new().await;
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), keyed())).await;
    let right = basic("CP1", KEY.as_bytes());
    let cases: &[(&str, String)] = &[
        ("CP1", String::new()),
        ("CP1", basic("CP1", b"wrong")),
        ("CP1", basic("CP1", b"")),
        ("CP1", basic("CP2", KEY.as_bytes())),
        ("CP2", basic("CP2", KEY.as_bytes())),
        ("CP2", basic("CP1", KEY.as_bytes())),
        ("CP9", basic("CP9", KEY.as_bytes())),
        ("CP9", String::new()),
        ("CP1", format!("{right}{right}")),
        ("CP1", right.replace("Basic", "Bearer")),
        ("CP1", "Authorization: Basic ???\r\n".to_owned()),
    ];
    let dials = cases.iter().map(|(name, authorization)| dial(&world, "127.0.0.1", name, authorization));
    for (charger, (name, _)) in futures_util::future::join_all(dials).await.iter().zip(cases) {
        assert_eq!(charger.status, 401, "{name}");
        assert_eq!(charger.header("WWW-Authenticate"), Some("Basic realm=\"ocpp\""));
    }
    assert_eq!(cases.len(), 11);
    assert_eq!(world.metric("ocpp_proxy_charger_connects_total{result=\"unauthorized\"}").await, 11.0);
    assert_eq!(knocking(&world).await, [("CP9".to_owned(), 2, true)]);
    // Whoever is named afterwards does not knock any more.
    let mut named = keyed();
    named.keys.insert("CP9".into(), Secret::new(KEY.to_owned()));
    world.gateway.apply(on_terms(routing(&[("volt", &backoffice.url())]), named));
    assert_eq!((knocking(&world).await, world.gateway.view().knocking()), (vec![], 0));
    backoffice.assert_untouched();
}

#[tokio::test]
async fn who_is_expected_and_fails_is_listed_with_what_was_wrong_until_it_comes_in_from_there() {
    let backoffice = Backoffice::new().await;
    let rules = on_terms(routing(&[("volt", &backoffice.url())]), keyed());
    let world = World::new(rules.clone()).await;
    backoffice.agree_with_all();
    let failed = |world: &World| {
        let all = world.gateway.view().entrance().turned_away;
        all.into_iter().map(|one| (one.charger.to_string(), one.why, one.times)).collect::<Vec<_>>()
    };
    let cases = [
        (String::new(), WhyNot::NoPassword),
        (basic("CP2", KEY.as_bytes()), WhyNot::OtherUser),
        (basic("CP1", b"wrong"), WhyNot::WrongKey),
    ];
    for (number, (authorization, why)) in (1..).zip(cases) {
        assert_eq!(dial(&world, "127.0.0.5", "CP1", authorization).await.status, 401);
        assert_eq!(failed(&world), [("CP1".to_owned(), why, number)]);
    }
    assert_eq!(knocking(&world).await, [], "it is no stranger");
    let guesses = (0..12).map(|_| dial(&world, "127.0.0.5", "CP1", basic("CP1", b"wrong")));
    assert!(futures_util::future::join_all(guesses).await.iter().any(|guess| guess.status == 429));
    let one = world.gateway.view().turned_away(&"cp1".into()).unwrap();
    assert_eq!((one.why, one.locked_out, one.address.as_str()), (WhyNot::WrongKey, true, "127.0.0.5"));

    let right = basic("CP1", KEY.as_bytes());
    assert_eq!(dial(&world, "127.0.0.6", "CP1", &right).await.status, 101);
    assert_eq!(failed(&world).len(), 1, "what others try elsewhere is worth knowing");
    let world = world.restarted(rules).await;
    assert_eq!(failed(&world), [("CP1".to_owned(), WhyNot::WrongKey, 15)]);
    assert_eq!(dial(&world, "127.0.0.5", "CP1", &right).await.status, 101);
    assert_eq!(failed(&world), []);
}

#[tokio::test]
async fn wrong_and_unknown_get_the_same_answer_after_the_same_time() {
    let backoffice = Backoffice::new().await;
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), keyed())).await;
    let timed = async |name: String| {
        let begun = Instant::now();
        let charger = dial(&world, "127.0.0.1", &name, basic(&name, b"a guess")).await;
        assert_eq!(charger.status, 401);
        (begun.elapsed(), charger.head().to_owned())
    };
    for _ in 0..3 {
        let (wrong, unknown) = tokio::join!(timed("CP1".to_owned()), timed("CP77".to_owned()));
        // The answer is held back for as long; what the machine adds is not ours.
        assert!(wrong.0 >= Duration::from_secs(1) && unknown.0 >= Duration::from_secs(1));
        let without_date = |head: &str| {
            head.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(without_date(&wrong.1), without_date(&unknown.1));
    }
    backoffice.assert_untouched();
}

#[tokio::test]
async fn who_guesses_is_locked_out_and_a_good_charger_at_the_same_address_is_not() {
    let backoffice = Backoffice::new().await;
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), keyed())).await;
    backoffice.agree_with_all();
    let begun = Instant::now();
    let guesses = (0..30).map(|number| dial(&world, "127.0.0.9", "CP1", basic("CP1", &[number])));
    let answers = futures_util::future::join_all(guesses).await;
    let (looked_at, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 401);
    // Ten, and one more every five seconds.
    let most = 10 + begun.elapsed().as_secs() as usize / 5;
    assert!((10..=most).contains(&looked_at.len()), "{}", looked_at.len());
    for answer in &refused {
        assert_eq!(answer.status, 429);
        let wait: u32 = answer.header("Retry-After").unwrap().parse().unwrap();
        assert!((1..=6).contains(&wait), "{wait}");
    }
    // Without credentials there is nothing to guess with: some chargers ask like this first.
    assert_eq!(dial(&world, "127.0.0.9", "CP1", "").await.status, 401);
    for (from, name, password) in
        [("127.0.0.9", "CP2", "correct horse battery staple"), ("127.0.0.8", "CP1", KEY)]
    {
        let dialed = dial(&world, from, name, basic(name, password.as_bytes())).await;
        assert_eq!(dialed.status, 101, "{from} {name}");
    }
}

/// Guesses at CP1 that are answered from several addresses until nobody is looked at any more, and one from its own.
async fn guess_at_cp1(world: &World) {
    let of = |host: u8, number: u8| {
        let from = format!("127.0.0.{host}");
        async move {
            dial(world, &from, "CP1", basic("CP1", format!("a guess of {host}: {number}").as_bytes())).await
        }
    };
    let all = (1..=9).flat_map(|host| (0..20).map(move |number| of(host, number)));
    let answers = futures_util::future::join_all(all).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(count(401) + count(429), 180);
    assert!(count(429) >= 50, "{}", count(429));
}

#[tokio::test]
async fn a_good_charger_is_let_in_whatever_is_guessed_also_after_a_restart() {
    let backoffice = Backoffice::new().await;
    let rules = on_terms(routing(&[("volt", &backoffice.url())]), keyed());
    let world = World::new(rules.clone()).await;
    backoffice.agree_with_all();
    let right =
        async |world: &World, from: &str| dial(world, from, "CP1", basic("CP1", KEY.as_bytes())).await.status;
    assert_eq!(right(&world, "127.0.0.1").await, 101);
    guess_at_cp1(&world).await;
    for _ in 0..5 {
        assert_eq!(right(&world, "127.0.0.1").await, 101, "also where somebody guesses at it");
    }
    let world = world.restarted(rules).await;
    guess_at_cp1(&world).await;
    assert_eq!(right(&world, "127.0.0.1").await, 101, "it is remembered from where it came");
    assert_eq!(right(&world, "127.0.0.99").await, 101, "also from where nobody guesses");
    guess_at_cp1(&world).await;
    assert_eq!(right(&world, "127.0.0.99").await, 101);
}

#[tokio::test]
async fn an_unknown_charger_is_refused_listed_and_admitted_at_once() {
    let backoffice = Backoffice::new().await;
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), EntranceTerms::default())).await;
    let view = world.gateway.view();
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 404);
    assert_eq!(Charger::dial_from(world.address, "127.0.0.7", "cp1").await.status, 404);
    assert_eq!(Charger::dial(world.address, "XX1").await.status, 404, "which no rule matches");
    let mut knocks = view.entrance().knocking;
    knocks.sort_by(|one, other| one.charger.cmp(&other.charger));
    let listed = knocks.iter().map(|one| (one.charger.as_str(), one.times, one.sent_credentials, one.why));
    let expected = [("CP1", 2, false, WhyNot::Unknown), ("XX1", 1, false, WhyNot::NoRule)];
    assert_eq!(listed.collect::<Vec<_>>(), expected);
    assert_eq!(knocks[0].address, "127.0.0.7");
    backoffice.assert_untouched();

    view.admit(&"CP1".into(), None, "anna").await.unwrap();
    assert_eq!(knocking(&world).await, [("XX1".to_owned(), 1, false)]);
    let mut charger = Charger::dial(world.address, "CP1").await;
    assert_eq!(charger.status, 101);
    charger.assert_served().await;

    // With a key it is asked for that from then on.
    view.admit(&"CP1".into(), Some(KEY), "anna").await.unwrap();
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 401);
    assert_eq!(dial(&world, "127.0.0.1", "CP1", basic("CP1", KEY.as_bytes())).await.status, 101);

    // And who is removed is sent away.
    view.remove(&"CP1".into(), "anna").await.unwrap();
    assert_eq!(dial(&world, "127.0.0.1", "CP1", basic("CP1", KEY.as_bytes())).await.status, 404);
    assert_eq!(charger.closed().await.closed().0, 1008);
}

#[tokio::test]
async fn what_an_operator_orders_from_another_program_takes_effect() {
    let backoffice = Backoffice::new().await;
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), EntranceTerms::default())).await;
    backoffice.agree_with_all();
    let seal = store::Seal::open(&world.database()).unwrap();
    let what = store::AdmissionWhat::Admit(Some(seal.close(&"CP1".into(), KEY)));
    let order = store::AdmissionOrder { charger: "CP1".into(), what, by: "anna".to_owned() };
    let path = world.database();
    tokio::task::spawn_blocking(move || order.give(&path).unwrap()).await.unwrap();
    while world.gateway.view().entrance().admitted.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 401);
    assert_eq!(dial(&world, "127.0.0.1", "CP1", basic("CP1", KEY.as_bytes())).await.status, 101);
}

#[tokio::test]
async fn strangers_do_not_disturb_who_is_connected() {
    let backoffice = Backoffice::new().await;
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), keyed())).await;
    backoffice.agree_with_all();
    let mut charger = dial(&world, "127.0.0.1", "CP1", basic("CP1", KEY.as_bytes())).await;
    assert_eq!(charger.status, 101);
    let rogues = (0..40).map(|number: u8| {
        let from = format!("127.0.1.{}", 1 + number % 20);
        let authorization = if number.is_multiple_of(2) { basic("CP1", &[number]) } else { String::new() };
        let world = &world;
        async move { dial(world, &from, "CP1", &authorization).await.status }
    });
    for status in futures_util::future::join_all(rogues).await {
        assert!(matches!(status, 401 | 429), "{status}");
    }
    // Not even a ping came, by which a second socket would have it prove that it lives.
    charger.send(0x89, b"there?").await;
    let frame = charger.frame().await;
    assert_eq!((frame.opcode, frame.payload.as_slice()), (10, b"there?".as_slice()));
    assert_eq!(world.metric("ocpp_proxy_alerts_total{kind=\"duplicate_refused\"}").await, 0.0);
}

#[tokio::test]
async fn a_rule_that_wants_tls_has_nothing_to_say_to_who_comes_without() {
    let backoffice = Backoffice::new().await;
    let terms = EntranceTerms { profile: SecurityProfile::TlsWithBasic, ..keyed() };
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), terms)).await;
    for (name, authorization) in
        [("CP1", basic("CP1", KEY.as_bytes())), ("CP1", String::new()), ("CP9", String::new())]
    {
        let refused = dial(&world, "127.0.0.1", name, &authorization).await;
        assert_eq!((refused.status, refused.header("WWW-Authenticate")), (403, None), "{name}");
    }
    backoffice.assert_untouched();
}

#[tokio::test]
async fn nothing_is_asked_where_whoever_matches_is_let_in_but_of_who_has_a_key() {
    let backoffice = Backoffice::new().await;
    let terms = EntranceTerms { profile: SecurityProfile::None, unknown: UnknownChargers::Admit, ..keyed() };
    let world = World::new(on_terms(routing(&[("volt", &backoffice.url())]), terms)).await;
    backoffice.agree_with_all();
    assert_eq!(Charger::dial(world.address, "CP5").await.status, 101);
    assert_eq!(dial(&world, "127.0.0.1", "CP6", basic("anybody", b"anything")).await.status, 101);
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 401);
    assert_eq!(knocking(&world).await, []);
}

#[tokio::test]
async fn a_charger_whose_key_was_sealed_with_a_lost_secret_is_told_apart_from_one_with_a_wrong_key() {
    let backoffice = Backoffice::new().await;
    let rules = on_terms(routing(&[("volt", &backoffice.url())]), keyed());
    backoffice.agree_with_all();
    let world = World::new(rules.clone()).await;
    let view = world.gateway.view();
    view.admit(&"CP3".into(), Some(KEY), "anna").await.unwrap();
    let secret = store::Seal::path(&world.database());
    std::fs::remove_file(secret).unwrap();
    drop(view);
    let world = world.restarted(rules).await;
    assert_eq!(dial(&world, "127.0.0.1", "CP1", basic("CP1", KEY.as_bytes())).await.status, 101);
    let whys = async |name: &str| {
        assert_eq!(dial(&world, "127.0.0.1", name, basic(name, b"other")).await.status, 401);
        world.gateway.view().turned_away(&name.into()).unwrap().why
    };
    assert_eq!((whys("CP3").await, whys("CP2").await), (WhyNot::LostSeal, WhyNot::WrongKey));
    world.gateway.view().admit(&"CP3".into(), Some(KEY), "anna").await.unwrap();
    assert_eq!(dial(&world, "127.0.0.1", "CP3", basic("CP3", KEY.as_bytes())).await.status, 101);
}
