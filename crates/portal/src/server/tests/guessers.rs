//! Guessers at the login: they are stopped, and stop nobody who was in before.

use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};

use super::world::{Answer, World, ours, user};
use crate::access::Role;
use crate::limits::{BROWSER_KNOWN, FAILURES_PER_ADDRESS, FAILURES_PER_BROWSER, FAILURES_PER_NAME};

/// The cookie by which the browser is known the next time, as the browser sends it.
fn known(answer: &Answer) -> String {
    let cookies = answer.headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let mut known = cookies.filter(|cookie| cookie.contains("-known="));
    let cookie = known.next().expect("a login hands one out");
    assert!(known.next().is_none());
    for part in
        ["; HttpOnly", "; SameSite=Strict", "; Path=/", &format!("; Max-Age={}", BROWSER_KNOWN.as_secs())]
    {
        assert!(cookie.contains(part), "{cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

async fn log_in(world: &World, name: &str, password: &str, cookie: &str, from: &str) -> u16 {
    let form = format!("name={name}&password={password}");
    let request = ours("/login").header(COOKIE, cookie).body(Body::from(form)).unwrap();
    world.ask_from(from, request).await.status.as_u16()
}

#[tokio::test]
async fn who_was_in_before_gets_in_however_many_guess_in_his_name() {
    let world = World::new().await;
    let cookie = known(&world.log_in("anna", "open+sesame").await);
    // By name from several addresses, then from the very address that anna has, as behind a front proxy that does
    // not say for whom.
    for round in 0..FAILURES_PER_NAME {
        let from = format!("192.0.2.{}:50000", round / FAILURES_PER_ADDRESS);
        assert_eq!(log_in(&world, "anna", "guess", "", &from).await, 401, "{round}");
    }
    for _ in 0..FAILURES_PER_ADDRESS {
        log_in(&world, "nobody", "guess", "", "127.0.0.1:50000").await;
    }
    for from in ["192.0.2.1:50000", "198.51.100.1:50000", "127.0.0.1:50000"] {
        assert_eq!(log_in(&world, "anna", "open+sesame", "", from).await, 429, "{from}");
        assert_eq!(log_in(&world, "anna", "open+sesame", &cookie, from).await, 303, "{from}");
    }
    // It is no way in, counts its own failures, and is anna's alone.
    for round in 0..FAILURES_PER_BROWSER {
        assert_eq!(log_in(&world, "anna", "guess", &cookie, "127.0.0.1:50000").await, 401, "{round}");
    }
    assert_eq!(log_in(&world, "anna", "open+sesame", &cookie, "127.0.0.1:50000").await, 429);
    assert_eq!(log_in(&world, "viktor", "open+sesame", &cookie, "127.0.0.1:50000").await, 429);
    assert_eq!(world.get("/chargers", Some(&cookie)).await.status, 303);
}

#[tokio::test]
async fn a_browser_is_known_until_the_password_is_another() {
    let world = World::new().await;
    let cookie = known(&world.log_in("anna", "open+sesame").await);
    for _ in 0..FAILURES_PER_ADDRESS {
        log_in(&world, "anna", "guess", "", "127.0.0.1:50000").await;
    }
    assert_eq!(log_in(&world, "anna", "open+sesame", &cookie, "127.0.0.1:50000").await, 303);
    world.state.access().apply(vec![user("anna", Role::Operator)], Vec::new());
    assert_eq!(log_in(&world, "anna", "open+sesame", &cookie, "127.0.0.1:50000").await, 429);
}
