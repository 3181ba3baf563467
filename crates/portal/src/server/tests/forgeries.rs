//! Forms that another site had a browser send: none of them switches a leader.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN};

use super::world::{ORIGIN_OF_OURS, World};

/// What other sites can make a browser say of them: `Origin`, and `Sec-Fetch-Site`.
const SHAPES: [(&[&str], Option<&str>); 22] = [
    (&["https://evil.example"], None),
    (&["https://evil.example"], Some("cross-site")),
    (&["null"], None),
    (&["null"], Some("cross-site")),
    (&["null"], Some("same-origin")),
    (&["http://portal.test"], None),
    (&["http://portal.test:80801"], None),
    (&["http://portal.test:8081"], Some("same-site")),
    (&["http://portal.test.evil.example:8080"], None),
    (&["http://evilportal.test:8080"], None),
    (&["http://sub.portal.test:8080"], Some("same-site")),
    (&["http://portal.test:8080@evil.example"], None),
    (&["http://portal.test:8080.evil.example"], None),
    (&["http://127.0.0.1:8080"], None),
    (&["file://"], None),
    (&["chrome-extension://portal.test:8080"], None),
    (&["portal.test:8080"], None),
    (&[""], None),
    (&["http://portal.test:8080", "https://evil.example"], None),
    (&["http://portal.test:8080"], Some("cross-site")),
    (&[], Some("cross-site")),
    // Neither header: an old browser, or a program.
    (&[], None),
];

#[tokio::test]
async fn figure_s11_no_form_of_another_site_switches_a_leader() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let mut refused = 0;
    for (origins, site) in SHAPES {
        // The worst case: the other site even knows the token, and the cookie comes along.
        let mut request = Request::post("/chargers/CP-1/leader")
            .header(HOST, "portal.test:8080")
            .header(COOKIE, &anna.cookie)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for origin in origins {
            request = request.header(ORIGIN, *origin);
        }
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        let form = format!("backoffice=acme&reason=forged&csrf={}", anna.csrf);
        let answer = world.ask(request.body(Body::from(form)).unwrap()).await;
        assert_eq!(answer.status, 403, "{origins:?} {site:?}");
        assert!(answer.text.contains("Nothing was changed"), "{}", answer.text);
        refused += 1;
    }
    let switches = world.switches().await;
    assert_eq!((refused, switches), (22, 0));
    let attempted = format!("{refused} shapes of a form that another site sends with an operator's cookie");
    figures::row("S11", attempted, format!("{switches} leaders switched"));
}

#[tokio::test]
async fn no_form_without_the_sessions_token_switches_a_leader() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let world = World::new().await;
    let (anna, viktor) = (world.someone("anna").await, world.someone("viktor").await);
    let (mine, theirs) = (&anna.csrf, &viktor.csrf);
    let wish = "backoffice=acme&reason=forged";
    let shapes = [
        ("/chargers/CP-1/leader".to_owned(), FORM, wish.to_owned(), 403),
        (format!("/chargers/CP-1/leader?csrf={mine}"), FORM, wish.to_owned(), 403),
        ("/chargers/CP-1/leader".to_owned(), FORM, format!("{wish}&csrf="), 403),
        ("/chargers/CP-1/leader".to_owned(), FORM, format!("{wish}&csrf={theirs}"), 403),
        ("/chargers/CP-1/leader".to_owned(), FORM, format!("{wish}&csrf={mine}&csrf={theirs}"), 403),
        ("/chargers/CP-1/leader".to_owned(), FORM, format!("{wish}&csrf={mine}x"), 403),
        ("/chargers/CP-1/leader".to_owned(), "text/plain", format!("{wish}&csrf={mine}"), 415),
        ("/chargers/CP-1/leader".to_owned(), "", format!("{wish}&csrf={mine}"), 415),
        ("/chargers/CP-1/leader".to_owned(), "application/json", format!(r#"{{"csrf":"{mine}"}}"#), 415),
        ("/chargers/CP-1/leader".to_owned(), FORM, format!("{}&csrf={mine}", "a=b&".repeat(20_000)), 413),
    ];
    let count = shapes.len();
    for (path, kind, form, status) in shapes {
        let request = Request::post(&path)
            .header(HOST, "portal.test:8080")
            .header(ORIGIN, ORIGIN_OF_OURS)
            .header(COOKIE, &anna.cookie)
            .header(CONTENT_TYPE, kind);
        let answer = world.ask(request.body(Body::from(form)).unwrap()).await;
        assert_eq!(answer.status, status, "{path} {kind}");
        assert!(answer.text.contains("<h1>"), "{}", answer.text);
    }
    assert_eq!((count, world.switches().await), (10, 0));
}

#[tokio::test]
async fn a_login_cannot_be_forged_either() {
    let world = World::new().await;
    let request = Request::post("/login")
        .header(HOST, "portal.test:8080")
        .header(ORIGIN, "https://evil.example")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = world.ask(request.body(Body::from("name=anna&password=open+sesame")).unwrap()).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn who_comes_by_a_link_of_another_site_is_asked_once_more_and_then_known() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    // SameSite=Strict: the browser holds the cookie back.
    let request = Request::get("/chargers/CP-1?x=%22;y").header("sec-fetch-site", "cross-site");
    let answer = world.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("http-equiv=\"refresh\""), "{}", answer.text);
    assert!(answer.text.contains("/chargers/CP-1?x=%22%3By"), "{}", answer.text);
    assert_eq!(world.get("/chargers/CP-1", Some(&anna.cookie)).await.status, 200);
}
