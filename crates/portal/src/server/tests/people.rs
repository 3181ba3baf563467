//! People: strangers, viewers, operators, and the one who comes first.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::HOST;
use http_body_util::BodyExt;

use super::world::{PASSWORD, World, ours, user};
use crate::access::Role;
use crate::configuration::{ConfigurationError, RefusedConfiguration};
use crate::limits::{CONFIGURATION_ERRORS_SHOWN, FAILURES_PER_ADDRESS};

const PAGES: [&str; 10] = [
    "/",
    "/chargers",
    "/chargers/CP-1",
    "/chargers/CP-1/logs",
    "/chargers/CP-1/proxy",
    "/chargers/CP-1/transactions",
    "/chargers/CP-1/cards",
    "/chargers/CP-1/switch?follower=acme",
    "/chargers/CP-1/deliveries?backoffice=acme",
    "/transactions",
];

#[tokio::test]
async fn a_stranger_sees_no_page_and_changes_nothing() {
    let world = World::new().await;
    let mut seen = 0;
    for page in PAGES {
        let answer = world.get(page, None).await;
        assert_eq!(answer.status, 303, "{page}");
        assert!(answer.location().starts_with("/login?next=%2F"), "{}", answer.location());
        seen += 1;
    }
    for path in ["/logout", "/chargers/CP-1/leader", "/chargers/CP-1/deliveries"] {
        let answer = world.ask(ours(path).body(Body::from("reason=x")).unwrap()).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.text.contains("Log in and try again"));
        seen += 1;
    }
    let forged = world.get("/chargers", Some("ocpp-proxy-8080=AAAA")).await;
    assert_eq!((seen, forged.status.as_u16()), (13, 303));
}

#[tokio::test]
async fn every_answer_carries_what_keeps_a_browser_safe() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let cookie = Some(anna.cookie.as_str());
    let mut seen = 0;
    for page in PAGES.iter().chain(&["/login", "/nowhere", "/first/x", "/assets/app.css", "/assets/none"]) {
        let answer = world.get(page, cookie).await;
        let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        assert!(
            header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"),
            "{page}"
        );
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{page}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
        assert_eq!(header("cache-control") == "no-store", *page != "/assets/app.css", "{page}");
        // Nothing that the policy would stop.
        let text = &answer.text;
        assert!(
            !text.contains("<style") && !text.contains(" style=") && !text.contains(" onclick="),
            "{page}"
        );
        assert!(text.matches("<script").count() == text.matches("<script src=").count(), "{page}");
        seen += 1;
    }
    assert_eq!(seen, 15);
}

#[tokio::test]
async fn only_the_right_password_lets_in_and_a_guesser_is_stopped() {
    let world = World::new().await;
    let right = world.log_in("anna", "open+sesame").await;
    assert_eq!((right.status.as_u16(), right.location()), (303, "/chargers"));
    let cookie = right.set_cookie();
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"));
    for name in ["anna", "nobody"] {
        let wrong = world.log_in(name, "open").await;
        assert_eq!(wrong.status, 401);
        assert!(wrong.text.contains("Name or password is wrong."));
    }
    // One login was right, and does not count.
    for _ in 2..FAILURES_PER_ADDRESS {
        assert_eq!(world.log_in("anna", "guess").await.status, 401);
    }
    let stopped = world.log_in("anna", "open+sesame").await;
    assert_eq!(stopped.status, 429);
    assert!(stopped.headers.contains_key("retry-after") && stopped.text.contains("Wait a minute"));
    let elsewhere = ours("/login").body(Body::from("name=anna&password=open+sesame")).unwrap();
    assert_eq!(world.ask_from("192.0.2.1:50000", elsewhere).await.status, 303);
}

#[tokio::test]
async fn behind_tls_the_cookie_never_travels_in_the_clear() {
    let world = World::new().await;
    let request = ours("/login").header("x-forwarded-proto", "https");
    let answer = world.ask(request.body(Body::from("name=anna&password=open+sesame")).unwrap()).await;
    assert!(answer.set_cookie().starts_with("__Host-ocpp-proxy="), "{}", answer.set_cookie());
    assert!(answer.set_cookie().ends_with("; Secure"));
    assert_eq!(world.get("/chargers", Some(&answer.cookie())).await.status, 303);
    let request =
        Request::get("/chargers").header("x-forwarded-proto", "https").header("cookie", answer.cookie());
    assert_eq!(world.ask(request.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn a_viewer_sees_everything_and_changes_nothing() {
    let world = World::new().await;
    let viktor = world.someone("viktor").await;
    let proxy = world.get("/chargers/CP-1/proxy", Some(&viktor.cookie)).await;
    assert_eq!(proxy.status, 200);
    assert!(!proxy.text.contains("Make leader") && proxy.text.contains("as a viewer"));
    assert_eq!(world.get("/chargers/CP-1/leader?to=acme", Some(&viktor.cookie)).await.status, 403);
    for (path, form) in [
        ("/chargers/CP-1/leader", "backoffice=acme&reason=x"),
        ("/chargers/CP-1/deliveries", "backoffice=acme&what=retry"),
    ] {
        let refused = world.post(&viktor, path, form).await;
        assert_eq!(refused.status, 403);
        assert!(refused.text.contains("Only operators may do this"));
    }
    assert_eq!(world.switches().await, 0);
    assert_eq!(world.post(&viktor, "/logout", "").await.status, 303);
    assert_eq!(world.get("/chargers", Some(&viktor.cookie)).await.status, 303);
}

#[tokio::test]
async fn an_operator_makes_another_leader_and_goes_back() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let asked = world.get("/chargers/CP-1/leader?to=acme", Some(&anna.cookie)).await.text;
    assert!(asked.contains("Make acme leader") && asked.contains("Running transactions"), "{asked}");
    let done = world.post(&anna, "/chargers/CP-1/leader", "backoffice=acme&reason=the+contract+moves").await;
    assert_eq!((done.status.as_u16(), done.location()), (303, "/chargers/CP-1/proxy"));
    let page = world.get("/chargers/CP-1/proxy", Some(&anna.cookie)).await.text;
    for said in
        ["was set by <strong>anna</strong>", "the contract moves", "says <strong>volt</strong>", "Go back"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_eq!(world.switches().await, 1);
    let back = world.post(&anna, "/chargers/CP-1/leader", "backoffice=&reason=a+mistake").await;
    assert_eq!((back.status.as_u16(), world.switches().await), (303, 0));
    for (path, form, status, said) in [
        ("/chargers/CP-1/leader", "backoffice=acme&reason=+", 422, "say why"),
        ("/chargers/CP-1/leader", "backoffice=evil&reason=x", 409, "does not name"),
        ("/chargers/FILE-1/leader", "backoffice=acme&reason=x", 409, "leader_source"),
        ("/chargers/NONE/leader", "backoffice=acme&reason=x", 404, "has ever connected"),
        ("/chargers/CP-1/deliveries", "backoffice=acme&what=burn", 422, "no such order"),
        ("/chargers/CP-1/deliveries", "backoffice=acme&what=drop", 422, "no such order"),
    ] {
        let refused = world.post(&anna, path, form).await;
        assert_eq!(refused.status, status, "{path} {form}");
        assert!(refused.text.contains(said), "{said}: {}", refused.text);
    }
    assert_eq!(world.switches().await, 0);
}

#[tokio::test]
async fn who_comes_first_gets_in_once_from_this_machine() {
    let world = World::with(Vec::new()).await;
    let path = world.state.access().first_path().unwrap();
    let request = || Request::get(&path).header(HOST, "127.0.0.1:8080");
    let far = world.ask_from("192.0.2.1:50000", request().body(Body::empty()).unwrap()).await;
    let forwarded = request().header("x-forwarded-for", "192.0.2.1").body(Body::empty()).unwrap();
    assert_eq!((far.status.as_u16(), world.ask(forwarded).await.status.as_u16()), (403, 403));
    let first = world.get(&path, None).await;
    assert_eq!((first.status.as_u16(), first.location()), (303, "/chargers"));
    let cookie = first.cookie();
    assert!(world.get("/chargers/CP-1/proxy", Some(&cookie)).await.text.contains("Make leader"));
    let again = world.get(&path, None).await;
    assert_eq!(again.status, 410);
    assert!(again.text.contains("restart the program"));
    assert!(world.get("/login", None).await.text.contains("There are no users yet"));
    // With the first user, whoever came by the link must log in.
    world.state.access().apply(vec![user("anna", Role::Operator)], Vec::new());
    assert_eq!(world.get("/chargers", Some(&cookie)).await.status, 303);
}

#[tokio::test]
async fn a_new_role_holds_at_once_and_a_new_password_ends_sessions() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let mut users = world.state.access().accounts().users.clone();
    users[0].role = Role::Viewer;
    world.state.access().apply(users.clone(), Vec::new());
    let refused = world.post(&anna, "/chargers/CP-1/leader", "backoffice=acme&reason=x").await;
    assert_eq!((refused.status.as_u16(), world.switches().await), (403, 0));
    users[0] = user("anna", Role::Operator);
    assert_ne!(users[0].password_hash, PASSWORD);
    world.state.access().apply(users, Vec::new());
    assert_eq!(world.get("/chargers", Some(&anna.cookie)).await.status, 303);
}

#[tokio::test]
async fn what_chargers_send_is_text_and_nothing_else() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let hostile = "/chargers/%3Cscript%3Ealert%281%29%3C%2Fscript%3E";
    let below = [
        "",
        "/logs",
        "/proxy",
        "/transactions",
        "/cards",
        "/leader?to=acme",
        "/deliveries?backoffice=%3Cb%3E",
    ];
    let mut pages: Vec<String> = below.iter().map(|below| format!("{hostile}{below}")).collect();
    pages.extend(["/chargers".to_owned(), "/chargers?q=%3Cscript%3E".to_owned(), "/transactions".to_owned()]);
    let mut seen = 0;
    for page in &pages {
        let answer = world.get(page, Some(&anna.cookie)).await;
        assert!(answer.status.is_success(), "{page}: {}", answer.status);
        assert!(
            !answer.text.contains("<script>") && !answer.text.contains("<img"),
            "{page}: {}",
            answer.text
        );
        assert!(!answer.text.contains("<b>"), "{page}");
        seen += 1;
    }
    assert_eq!(seen, 10);
}

#[tokio::test]
async fn a_live_tail_ends_with_the_session_that_began_it() {
    let world = World::new().await;
    let (anna, other) = (world.someone("anna").await, world.someone("anna").await);
    let path = "/chargers/CP-1/tail?after=0";
    let (mut tail, mut of_other) =
        (world.stream(path, &anna.cookie).await, world.stream(path, &other.cookie).await);
    for tail in [&mut tail, &mut of_other] {
        let greeting = tail.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(String::from_utf8_lossy(&greeting).contains("welcome"));
    }
    assert_eq!(world.post(&anna, "/logout", "").await.status, 303);
    let rest = tail.collect().await.unwrap().to_bytes();
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("event: over") && rest.contains("You were logged out"), "{rest}");
    // The same user elsewhere goes on, until the portal stops.
    world.state.stop();
    let rest = of_other.collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&rest).contains("The proxy was stopped"));
}

#[tokio::test]
async fn who_is_logged_in_keeps_the_way_back_when_something_is_refused() {
    let world = World::new().await;
    let viktor = world.someone("viktor").await;
    let mut seen = 0;
    for page in [
        "/chargers/CP-1/leader?to=acme",
        "/knocking/admit?charger=CP-2",
        "/nowhere",
        "/chargers/NONE/proxy",
        "/chargers/CP-1/logs?id_tag=04A2B3C4D5E69F",
    ] {
        let refused = world.get(page, Some(&viktor.cookie)).await;
        assert!([403, 404].contains(&refused.status.as_u16()), "{page}: {}", refused.status);
        let text = &refused.text;
        assert!(
            text.contains("viktor") && text.contains("/knocking") && text.contains("Log out"),
            "{page}: {text}"
        );
        assert!(!text.contains("Log in"), "{page}: {text}");
        seen += 1;
    }
    let refused = world.post(&viktor, "/chargers/CP-1/leader", "backoffice=acme&reason=x").await;
    assert!(refused.status == 403 && refused.text.contains("Log out"), "{}", refused.text);
    let stranger = world.get("/nowhere", None).await;
    assert!(stranger.text.contains("Log in") && !stranger.text.contains("Log out"), "{}", stranger.text);
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn an_edit_that_is_not_in_force_is_shown_on_every_page_until_one_is() {
    let world = World::new().await;
    let (anna, viktor) = (world.someone("anna").await, world.someone("viktor").await);
    let error =
        |line| ConfigurationError { line, column: 9, message: "unknown key <b>\"chargr\"</b>".to_owned() };
    let refused = RefusedConfiguration {
        file: "proxy.toml".to_owned(),
        unix_ms: 1_795_352_583_000,
        errors: (1..=CONFIGURATION_ERRORS_SHOWN + 2).map(error).collect(),
    };
    world.state.set_refused_configuration(Some(refused));
    let mut seen = 0;
    for page in
        ["/chargers", "/chargers/CP-1", "/chargers/CP-1/proxy", "/transactions", "/knocking", "/nowhere"]
    {
        let shown = world.get(page, Some(&anna.cookie)).await.text;
        assert!(shown.contains("was changed and is not valid") && shown.contains("proxy.toml:5:9"), "{page}");
        assert!(
            shown.contains("2 more") && !shown.contains("proxy.toml:6:9") && !shown.contains("<b>"),
            "{page}"
        );
        let shown = world.get(page, Some(&viktor.cookie)).await.text;
        assert!(
            shown.contains("was changed and is not valid") && !shown.contains("proxy.toml:1:9"),
            "{page}"
        );
        seen += 1;
    }
    assert!(!world.get("/login", None).await.text.contains("not valid"));
    world.state.set_refused_configuration(None);
    assert!(!world.get("/chargers", Some(&anna.cookie)).await.text.contains("not valid"));
    assert_eq!(seen, 6);
}
