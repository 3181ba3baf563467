//! A portal over a real gateway and a real store, asked without sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::{Extension, Router};
use engine::{BackofficeId, Fact, Follower, Plan, Record};
use gateway::{
    BackofficeSettings, EntranceTerms, Gateway, LeaderSource, Metrics, Pattern, Routing, Rule,
    SecurityProfile,
};
use http_body_util::BodyExt;
use store::{Browser, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::access::{Role, User};
use crate::server::{bind, router};
use crate::state::AppState;
use crate::{PortalSettings, hash_password};

pub(super) const PASSWORD: &str = "open sesame";
pub(super) const ORIGIN_OF_OURS: &str = "http://portal.test:8080";

pub(super) struct World {
    router: Router,
    pub(super) state: AppState,
    pub(super) store: Store,
    gateway: Gateway,
    _folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }

    /// The whole header that sets the cookie.
    pub(super) fn set_cookie(&self) -> &str {
        self.headers[SET_COOKIE].to_str().unwrap()
    }

    /// The cookie as a browser sends it back.
    pub(super) fn cookie(&self) -> String {
        self.set_cookie().split(';').next().unwrap().to_owned()
    }
}

/// Someone who is logged in.
pub(super) struct Someone {
    pub(super) cookie: String,
    pub(super) csrf: String,
}

pub(super) fn user(name: &str, role: Role) -> User {
    User { name: name.to_owned(), password_hash: hash_password(PASSWORD), role }
}

impl World {
    /// With an operator, anna, and a viewer, viktor.
    pub(super) async fn new() -> Self {
        Self::with(vec![user("anna", Role::Operator), user("viktor", Role::Viewer)]).await
    }

    /// The charger CP-1 may be led by volt and acme, FILE-1 by whom the file names. KEY-1 must come with a key over
    /// TLS, CERT-1 with a certificate.
    pub(super) async fn with(users: Vec<User>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&path, store::Settings::default()).unwrap();
        for charger in ["CP-1", "FILE-1", "<script>alert(1)</script>"] {
            let request =
                r#"{"chargePointVendor":"<img src=x onerror=alert(1)>","chargePointModel":"\"'>&"}"#;
            let body = serde_json::json!({ "request": request }).to_string();
            let boot = Record::Fact(Fact { key: "boot".to_owned(), body: Some(body) });
            store.keep(&charger.into(), vec![boot]).await.unwrap();
        }
        let plan = Plan::new("volt".into(), vec![Follower::new("acme".into(), engine::Role::Control)]);
        let rule = |pattern, leader_source| Rule {
            pattern: Pattern::new(pattern).unwrap(),
            plan: Arc::new(plan.clone()),
            leader_source,
            entrance: Arc::default(),
        };
        let on = |profile| {
            Arc::new(EntranceTerms {
                profile,
                basic_user: "x-{charger}".to_owned(),
                ..EntranceTerms::default()
            })
        };
        let backoffice = |name: &str| {
            let url = format!("ws://{name}.invalid/{{charger}}");
            (BackofficeId::from(name), Arc::new(BackofficeSettings::new(url)))
        };
        let routing = Routing {
            backoffices: ["volt", "acme"].map(backoffice).into(),
            rules: vec![
                rule("FILE-*", LeaderSource::File),
                Rule { entrance: on(SecurityProfile::TlsWithBasic), ..rule("KEY-*", LeaderSource::Portal) },
                Rule {
                    entrance: on(SecurityProfile::ClientCertificate),
                    ..rule("CERT-*", LeaderSource::Portal)
                },
                rule("*", LeaderSource::Portal),
            ],
        };
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let settings = gateway::Settings::new(Some(any), None);
        let gateway = Gateway::start(settings, routing, store.clone(), Metrics::new("test")).await.unwrap();
        let browser = Browser::open(&path).unwrap();
        let settings = PortalSettings { users, ..PortalSettings::new(any, path) };
        let state = AppState::new(&bind(any).unwrap(), settings, gateway.view(), browser);
        World { router: router(state.clone()), state, store, gateway, _folder: folder }
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Answer {
        self.ask_from("127.0.0.1:50000", request).await
    }

    pub(super) async fn ask_from(&self, from: &str, request: Request<Body>) -> Answer {
        let from: SocketAddr = from.parse().unwrap();
        let router = self.router.clone().layer(Extension(ConnectInfo(from)));
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(super) async fn get(&self, path: &str, cookie: Option<&str>) -> Answer {
        let request = Request::get(path).header(HOST, "portal.test:8080");
        let request = cookie.into_iter().fold(request, |request, cookie| request.header(COOKIE, cookie));
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    /// The body of an answer that goes on.
    pub(super) async fn stream(&self, path: &str, cookie: &str) -> Body {
        let request = Request::get(path).header(HOST, "portal.test:8080").header(COOKIE, cookie);
        let from: SocketAddr = "127.0.0.1:50000".parse().unwrap();
        let router = self.router.clone().layer(Extension(ConnectInfo(from)));
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.into_body()
    }

    pub(super) async fn log_in(&self, name: &str, password: &str) -> Answer {
        let form = format!("name={name}&password={password}&next=%2Fchargers");
        self.ask(ours("/login").body(Body::from(form)).unwrap()).await
    }

    /// Someone who has logged in, with the token of their forms.
    pub(super) async fn someone(&self, name: &str) -> Someone {
        let cookie = self.log_in(name, "open+sesame").await.cookie();
        let page = self.get("/chargers", Some(&cookie)).await.text;
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Someone { cookie, csrf }
    }

    /// A charger that nobody has admitted dials, and is refused.
    pub(super) async fn knock(&self, charger: &str) {
        let gateway = self.gateway.charger_address().expect("it listens without TLS");
        let mut socket = TcpStream::connect(gateway).await.unwrap();
        let request = format!(
            "GET /ocpp/{charger} HTTP/1.1\r\nHost: {gateway}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        socket.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 404", "{charger}");
    }

    /// Sends a form of ours.
    pub(super) async fn post(&self, someone: &Someone, path: &str, form: &str) -> Answer {
        let form = format!("{form}&csrf={}", someone.csrf);
        let request = ours(path).header(COOKIE, &someone.cookie);
        self.ask(request.body(Body::from(form)).unwrap()).await
    }

    /// How many chargers are led by the word of a person.
    pub(super) async fn switches(&self) -> usize {
        self.state.unmasked().leader_overrides().await.unwrap().len()
    }
}

/// A form as a browser sends it from a page of ours.
pub(super) fn ours(path: &str) -> Builder {
    Request::post(path)
        .header(HOST, "portal.test:8080")
        .header(ORIGIN, ORIGIN_OF_OURS)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
}
