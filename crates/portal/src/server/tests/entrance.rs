//! Who is let in, by a person's word: keys shown once, forms sent twice, and who may not.

use super::world::{Answer, Someone, World};

/// The key on the page that shows one.
fn key(page: &Answer) -> Option<String> {
    let keys = page.text.split("data-copy=\"").skip(1).filter_map(|rest| rest.split('"').next());
    keys.filter(|key| key.len() == 40).map(str::to_owned).next()
}

/// The number of the present admission, as the page with the question has it.
async fn before(world: &World, someone: &Someone, charger: &str) -> String {
    let page = world.get(&format!("/knocking/admit?charger={charger}"), Some(&someone.cookie)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    page.text.split("name=\"before\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

fn admitted(world: &World) -> Vec<(String, bool, String)> {
    let admitted = world.state.view().entrance().admitted.into_iter();
    admitted.map(|(one, _)| (one.charger.to_string(), one.key.is_some(), one.by)).collect()
}

#[tokio::test]
async fn a_key_is_shown_once_and_a_form_sent_twice_does_not_replace_it() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let question = world.get("/knocking/admit?charger=KEY-1", Some(&anna.cookie)).await.text;
    assert!(question.contains("its key, over TLS") && question.contains("KEY-*"), "{question}");
    assert!(!question.contains("without a key"), "the rule asks for one: {question}");
    let form = format!("charger=KEY-1&key=new&before={}", before(&world, &anna, "KEY-1").await);
    let shown = world.post(&anna, "/knocking/admit", &form).await;
    assert_eq!((shown.status.as_u16(), &shown.headers["cache-control"]), (200, &"no-store".parse().unwrap()));
    let first = key(&shown).expect("a key");
    assert!(shown.text.contains("x-KEY-1") && shown.text.contains("shown this once"), "{}", shown.text);
    assert_eq!(admitted(&world), [("KEY-1".to_owned(), true, "anna".to_owned())]);

    let again = world.post(&anna, "/knocking/admit", &form).await;
    assert_eq!((again.status.as_u16(), key(&again)), (409, None));
    assert!(again.text.contains("Nothing was changed"), "{}", again.text);
    for page in ["/knocking", "/knocking/admit?charger=KEY-1"] {
        assert!(!world.get(page, Some(&anna.cookie)).await.text.contains(&first), "{page}");
    }
    // Two clicks at once: one key.
    let form = format!("charger=KEY-1&key=new&before={}", before(&world, &anna, "KEY-1").await);
    let post = || world.post(&anna, "/knocking/admit", &form);
    let (one, other) = tokio::join!(post(), post());
    let keys: Vec<String> = [&one, &other].into_iter().filter_map(key).collect();
    assert!(keys.len() == 1 && keys[0] != first, "{keys:?}");

    let history = world.get("/knocking", Some(&anna.cookie)).await.text;
    assert_eq!(history.matches("admitted with a new key").count(), 2);
    let removed = world.post(&anna, "/knocking/remove", "charger=key-1").await;
    assert_eq!(removed.location(), "/knocking?done=removed");
    assert_eq!(admitted(&world), []);
}

#[tokio::test]
async fn whether_a_key_is_given_out_is_for_the_rule_to_say() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let mut tried = 0;
    for (form, status, with_key) in [
        ("charger=KEY-1&key=none", 409, None),
        ("charger=CERT-1&key=none", 200, Some(false)),
        ("charger=CERT-2&key=new", 200, Some(false)),
        ("charger=CP-1&key=none", 200, Some(false)),
        ("charger=CP-2&key=new", 200, Some(true)),
        ("charger=CP-3&key=mine", 422, None),
        ("charger=CP-3", 422, None),
        ("charger=CP%2F3&key=new", 422, None),
        ("charger=&key=new", 422, None),
    ] {
        let answer = world.post(&anna, "/knocking/admit", form).await;
        assert_eq!(answer.status, status, "{form}: {}", answer.text);
        assert_eq!(key(&answer).is_some(), with_key == Some(true), "{form}");
        let name = form.split(['=', '&']).nth(1).unwrap();
        let kept = admitted(&world).into_iter().find(|(charger, ..)| charger == name);
        assert_eq!(kept.map(|(_, has_key, _)| has_key), with_key, "{form}");
        tried += 1;
    }
    assert_eq!(tried, 9);
}

#[tokio::test]
async fn viewers_see_who_is_let_in_and_change_nothing() {
    let world = World::new().await;
    let (anna, viktor) = (world.someone("anna").await, world.someone("viktor").await);
    world.post(&anna, "/knocking/admit", "charger=CP-1&key=none").await;
    let seen = world.get("/knocking", Some(&viktor.cookie)).await;
    assert_eq!(seen.status, 200);
    assert!(seen.text.contains("CP-1") && !seen.text.contains("/knocking/"), "no buttons: {}", seen.text);
    let question = world.get("/knocking/admit?charger=CP-2", Some(&viktor.cookie)).await;
    assert_eq!(question.status, 403);
    let orders = ["admit", "forget", "remove", "allow-plain"];
    for order in orders {
        let path = format!("/knocking/{order}");
        let refused = world.post(&viktor, &path, "charger=CP-1&key=none").await;
        assert_eq!(refused.status, 403, "{order}");
        let stranger = Someone { cookie: String::new(), csrf: viktor.csrf.clone() };
        let stranger = world.post(&stranger, &path, "charger=CP-1").await;
        assert_eq!(stranger.status, 401, "{order}");
    }
    assert_eq!((orders.len(), admitted(&world).len()), (4, 1));
}

#[tokio::test]
async fn the_page_of_a_charger_that_knocks_says_so_and_leads_to_those_who_do() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let pages = ["", "/logs", "/proxy", "/transactions", "/cards"];
    for (charger, said) in
        [("CP-99", "No charger CP-99 has ever connected"), ("NEW-7", "No charger NEW-7 has")]
    {
        let page = world.get(&format!("/chargers/{charger}"), Some(&anna.cookie)).await;
        assert!(page.status == 404 && page.text.contains(said), "{}", page.text);
    }
    world.knock("CP-99").await;
    for page in pages {
        let page = world.get(&format!("/chargers/cp-99{page}"), Some(&anna.cookie)).await;
        assert_eq!(page.status, 404);
        for said in [
            "CP-99 asked to be let in and is not",
            "It asked once, last from 127.0.0.1, and was refused. Nobody has admitted it.",
            "href=\"/knocking?q=CP%2D99\"",
        ] {
            assert!(page.text.contains(said), "{said} is not in {}", page.text);
        }
        assert!(!page.text.contains("spelling"), "{}", page.text);
    }
    assert_eq!(pages.len(), 5);
    let found = world.get("/knocking?q=CP%2D99", Some(&anna.cookie)).await.text;
    assert!(found.contains("Admit CP-99") && found.contains("or because no rule there matches"), "{found}");
    world.post(&anna, "/knocking/admit", "charger=CP-99&key=none").await;
    let page = world.get("/chargers/CP-99", Some(&anna.cookie)).await.text;
    assert!(page.contains("No charger CP-99 has ever connected"), "it does not knock any more: {page}");
}
