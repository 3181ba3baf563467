//! Where the tests take place: a leader that refuses a card, a follower that accepts it, a proxy with a
//! user and tokens, and a charger that has charged.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::chromium::{Chromium, Tab};
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::{Proxy, rules};
use crate::support::{PATIENCE, charger::RawCharger, session};

/// The card that the leader refuses and the follower accepts.
pub const REFUSED_CARD: &str = "04E9A1C2D3B4F5";
/// The password of the user `anna`, an operator.
const PASSWORD: &str = "correct horse battery";

/// A running proxy with a portal.
pub struct Scene {
    pub proxy: Proxy,
    pub leader: Backoffice,
    pub follower: Backoffice,
    /// Where the portal is.
    pub portal: SocketAddr,
    /// A token of an operator.
    pub operator: String,
    /// A token of a viewer.
    pub viewer: String,
}

/// The cookie of somebody who is logged in.
pub struct Session(String);

/// What the API answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub head: String,
    pub body: Value,
}

impl Scene {
    /// Starts everything but a charger; for chargers whose names begin with `CP`.
    pub fn start() -> Self {
        Self::start_for("CP*")
    }

    /// The same, for chargers that match.
    pub fn start_for(chargers: &str) -> Self {
        let behaviour = json!({"first_transaction": 501, "rejected": [REFUSED_CARD], "quiet": true});
        let leader = Backoffice::start(Library::Python, behaviour);
        let follower = Backoffice::start(Library::Python, json!({"first_transaction": 7001, "quiet": true}));
        let mut text = rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]);
        text = text.replace("match = \"CP*\"", &format!("match = \"{chargers}\""));
        // Chargers that nobody has named yet; the first rule that matches holds.
        let closed = "[[chargers]]\nmatch = \"NEW-*\"\nsecurity_profile = 1\nleader = \"volt\"\n\n\
                      [[chargers]]\nmatch = \"OLD-*\"\nleader = \"volt\"\n\n";
        text = closed.to_owned() + &text;
        let password = printed(&["hash-password"], &format!("{PASSWORD}\n"));
        text += &format!(
            "\n[[portal.users]]\nname = \"anna\"\n{}role = \"operator\"\n",
            line(&password, "password_hash")
        );
        text += &format!(
            "\n[[portal.users]]\nname = \"viktor\"\n{}role = \"viewer\"\n",
            line(&password, "password_hash")
        );
        let mut tokens = Vec::new();
        for role in ["operator", "viewer"] {
            let said = printed(&["hash-token"], "");
            let hash = line(&said, "hash");
            text += &format!("\n[[portal.tokens]]\nname = \"test-{role}\"\n{hash}role = \"{role}\"\n");
            let token = said.lines().find(|line| line.starts_with("opx_")).expect("a token");
            tokens.push(token.to_owned());
        }
        let proxy = Proxy::start(&text);
        let portal = proxy.log.wait("the line that says where the portal is", |line| {
            line.get("portal")?.as_str()?.parse().ok()
        });
        let viewer = tokens.pop().unwrap();
        let operator = tokens.pop().unwrap();
        Self { proxy, leader, follower, portal, operator, viewer }
    }

    /// A charger that charges once, is refused a card, and stays connected; its rows are in the log.
    pub fn charge(&self, charger: &str) -> RawCharger {
        let mut raw = RawCharger::connect(self.proxy.chargers, charger);
        session::whole(&mut raw, session::GOOD_CARD);
        let refused = raw.call("Authorize", &json!({"idTag": REFUSED_CARD}));
        assert_eq!(refused, json!({"idTagInfo": {"status": "Invalid"}}));
        let refused = session::start(&mut raw, REFUSED_CARD);
        assert_eq!(refused["idTagInfo"]["status"], "Invalid");
        let stop = json!({
            "transactionId": refused["transactionId"], "idTag": REFUSED_CARD, "meterStop": 1000,
            "timestamp": "2026-11-22T14:02:00Z", "reason": "DeAuthorized",
        });
        raw.call("StopTransaction", &stop);
        let is_complete = |row: &Value| {
            row["id_tag"] == REFUSED_CARD
                && row["answers"].as_array().is_some_and(|answers| answers.len() == 2)
        };
        for action in ["StartTransaction", "StopTransaction"] {
            self.proxy.wait_logged(&[charger, "--action", action], is_complete);
        }
        raw
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.portal)
    }

    /// A tab in which `anna` has logged in through the form, on the page of the chargers.
    pub fn logged_in(&self, browser: &Chromium) -> Tab {
        let tab = browser.tab();
        tab.open(&self.url("/"));
        assert!(tab.address().starts_with("/login"), "{}", tab.address());
        tab.click("document.querySelector('input[name=name]')");
        tab.type_text("anna");
        tab.press("Tab");
        tab.type_text(PASSWORD);
        tab.evaluate("window.isOld = true");
        tab.press("Enter");
        tab.wait("window.isOld !== true && document.readyState === 'complete'");
        assert_eq!(tab.address(), "/chargers", "{}", tab.text());
        tab
    }

    /// What this user sees of a page, and of its headers: asked without a browser.
    pub fn page(&self, session: &Session, path: &str) -> String {
        let mut socket = self.open_page(session, path);
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The socket on which a page comes.
    pub fn open_page(&self, session: &Session, path: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.portal).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {}\r\n\r\n",
            self.portal, session.0
        )
        .unwrap();
        socket
    }

    /// A session of a user, without a browser.
    pub fn session(&self, user: &str) -> Session {
        let form = format!("name={user}&password={}&next=%2F", PASSWORD.replace(' ', "+"));
        let mut socket = TcpStream::connect(self.portal).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            socket,
            "POST /login HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {1}\r\n\r\n{form}",
            self.portal,
            form.len()
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.unwrap_or_else(|| panic!("{user} is not let in: {answer}"));
        Session(cookie.split(';').next().unwrap().to_owned())
    }

    /// Asks the API as an operator.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Some(&self.operator), None)
    }

    /// Asks the API: a method, a path below `/api/v1`, a token, a JSON body.
    pub fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let mut socket = self.request(method, path, token, "", body);
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).expect("the API speaks UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let header = |name: &str| {
            let mut headers = head.lines().filter_map(|line| line.split_once(':'));
            headers
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            content_type: header("content-type").unwrap_or_default(),
            head: head.to_owned(),
            body: serde_json::from_str(body)
                .unwrap_or_else(|error| panic!("{method} {path}: {error}: {answer}")),
        }
    }

    /// Sends a request to the API; the socket on which its answer comes.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &str,
        body: Option<&Value>,
    ) -> TcpStream {
        let mut socket = TcpStream::connect(self.portal).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let body = body.map(Value::to_string).unwrap_or_default();
        let labels = match body.len() {
            0 => String::new(),
            length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
        };
        write!(
            socket,
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{token}{headers}{labels}\r\n{body}",
            self.portal
        )
        .unwrap();
        socket
    }
}

/// What a command of the program prints.
fn printed(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ocpp-proxy"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The line of what was printed that sets this key, with its end.
fn line(printed: &str, key: &str) -> String {
    let line = printed.lines().find(|line| line.starts_with(&format!("{key} = ")));
    format!("{}\n", line.unwrap_or_else(|| panic!("no {key} in {printed}")))
}
