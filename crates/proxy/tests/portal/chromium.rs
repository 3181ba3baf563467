//! Debian's Chromium, driven over its DevTools protocol: the browser, and one page of it.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client::client_with_config};

use crate::support::{PATIENCE, set_up};

/// A running browser without a window. Ends with the value.
pub struct Chromium {
    child: Child,
    wire: Rc<RefCell<Wire>>,
    _profile: TempDir,
}

/// One tab, with what it complained about.
pub struct Tab {
    wire: Rc<RefCell<Wire>>,
    session: String,
}

/// The connection to the browser: one for all tabs.
struct Wire {
    socket: WebSocket<TcpStream>,
    last_id: u64,
    events: Vec<Value>,
}

impl Chromium {
    /// Starts the browser and waits until it can be driven.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(set_up("OCPP_PROXY_TEST_CHROMIUM"))
            .args([
                "--headless=new",
                "--remote-debugging-port=0",
                // The tests may run as root, where the sandbox does not start; they open pages of their own alone.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-extensions",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--no-default-browser-check",
                "--password-store=basic",
                "--force-color-profile=srgb",
                "--font-render-hinting=none",
                "--lang=en-US",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Chromium starts; `cargo xtask test` installs it");
        let mut told = Vec::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.by_ref().find_map(|line| {
            let url = line.strip_prefix("DevTools listening on ").map(str::to_owned);
            told.push(line);
            url
        });
        let url = url.unwrap_or_else(|| panic!("Chromium cannot be driven:\n{}", told.join("\n")));
        // A full pipe would stop the browser.
        std::thread::spawn(move || lines.for_each(drop));
        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).expect("an address");
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) = client_with_config(&url, stream, Some(config)).expect("Chromium's DevTools");
        let wire = Rc::new(RefCell::new(Wire { socket, last_id: 0, events: Vec::new() }));
        Self { child, wire, _profile: profile }
    }

    /// A new tab, with cookies of its own.
    pub fn tab(&self) -> Tab {
        let mut wire = self.wire.borrow_mut();
        let context = wire.command(None, "Target.createBrowserContext", json!({}));
        let parameters = json!({"url": "about:blank", "browserContextId": context["browserContextId"]});
        let target = wire.command(None, "Target.createTarget", parameters);
        let parameters = json!({"targetId": target["targetId"], "flatten": true});
        let session = wire.command(None, "Target.attachToTarget", parameters);
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        drop(wire);
        let tab = Tab { wire: self.wire.clone(), session };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.command(&format!("{domain}.enable"), json!({}));
        }
        tab.command("Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
        let parameters = json!({
            "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"],
            "browserContextId": context["browserContextId"],
        });
        self.wire.borrow_mut().command(None, "Browser.grantPermissions", parameters);
        tab
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tab {
    /// Sends a command of the DevTools protocol; what it returns.
    pub fn command(&self, method: &str, parameters: Value) -> Value {
        self.wire.borrow_mut().command(Some(&self.session), method, parameters)
    }

    /// The events of this tab so far, those of this name.
    pub fn events(&self, method: &str) -> Vec<Value> {
        let wire = self.wire.borrow();
        let events = wire.events.iter().filter(|event| event["sessionId"] == self.session.as_str());
        events.filter(|event| event["method"] == method).map(|event| event["params"].clone()).collect()
    }

    /// Runs JavaScript in the page as its debugger would, whatever the page's own policy; its value. A
    /// promise is waited for.
    ///
    /// # Panics
    /// When it throws.
    pub fn evaluate(&self, script: &str) -> Value {
        let parameters = json!({
            "expression": script, "returnByValue": true, "awaitPromise": true, "userGesture": true,
        });
        let outcome = self.command("Runtime.evaluate", parameters);
        assert!(outcome.get("exceptionDetails").is_none(), "{script}: {outcome:#}");
        outcome["result"]["value"].clone()
    }

    /// Waits until the script yields something that is true, and yields that. A page that is being left
    /// has no answers for a moment.
    ///
    /// # Panics
    /// When it did not in time.
    pub fn wait(&self, script: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let parameters = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
            let outcome = self.wire.borrow_mut().attempt(Some(&self.session), "Runtime.evaluate", parameters);
            let value = outcome.as_ref().ok().map(|outcome| &outcome["result"]["value"]);
            if let Some(value) = value
                && !matches!(value, Value::Null | Value::Bool(false))
                && *value != json!("")
                && *value != json!(0)
            {
                return value.clone();
            }
            assert!(Instant::now() < deadline, "waited in vain for {script}; the page is:\n{}", self.text());
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
    }

    /// Opens an address and waits until the page is there.
    pub fn open(&self, url: &str) {
        let outcome = self.command("Page.navigate", json!({"url": url}));
        assert!(outcome.get("errorText").is_none(), "{url}: {outcome}");
        assert!(outcome.get("loaderId").is_some(), "{url}: nothing was loaded");
        self.loaded();
    }

    /// Waits until the page is there whose loading a click or a key has begun.
    pub fn loaded(&self) {
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// What a person reads on the page.
    pub fn text(&self) -> String {
        let outcome = self.wire.borrow_mut().attempt(
            Some(&self.session),
            "Runtime.evaluate",
            json!({"expression": "document.body?.innerText ?? ''", "returnByValue": true}),
        );
        outcome.map_or_else(
            |error| error,
            |outcome| outcome["result"]["value"].as_str().unwrap_or("").to_owned(),
        )
    }

    /// The path and query of the address.
    pub fn address(&self) -> String {
        self.evaluate("location.pathname + location.search").as_str().unwrap().to_owned()
    }

    /// Clicks what the script yields, with the mouse, in the middle of it, once it has come to rest there: a
    /// long page is laid out as it is scrolled.
    pub fn click(&self, element: &str) {
        let place = self.wait(&format!(
            "(async () => {{ const it = {element}; if (!it) return null; let last = ''; \
             for (let frame = 0; frame < 100; frame += 1) {{ \
               it.scrollIntoView({{block: 'center', behavior: 'instant'}}); \
               await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))); \
               const at = it.getBoundingClientRect(), now = [at.x, at.y, at.width, at.height].join(); \
               if (at.width && now === last) return [at.x + at.width / 2, at.y + at.height / 2]; \
               last = now; }} \
             return null; }})()"
        ));
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let parameters = json!({
                "type": kind, "x": place[0], "y": place[1],
                "button": if kind == "mouseMoved" { "none" } else { "left" }, "clickCount": 1,
            });
            self.command("Input.dispatchMouseEvent", parameters);
        }
    }

    /// Clicks the link or button that bears exactly these words, and waits for the page behind it.
    pub fn follow(&self, words: &str) {
        self.evaluate("window.isOld = true");
        self.click(&named(words));
        self.wait("window.isOld !== true && document.readyState === 'complete'");
    }

    /// Types into whatever has the focus.
    pub fn type_text(&self, text: &str) {
        self.command("Input.insertText", json!({"text": text}));
    }

    /// Presses a key and lets it go: `Tab`, `Enter`, `Escape`, or a character.
    pub fn press(&self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab".to_owned(), 9, None),
            "Enter" => ("Enter".to_owned(), 13, Some("\r")),
            "Escape" => ("Escape".to_owned(), 27, None),
            "/" => ("Slash".to_owned(), 191, Some("/")),
            letter => (
                format!("Key{}", letter.to_uppercase()),
                u32::from(letter.to_uppercase().as_bytes()[0]),
                Some(letter),
            ),
        };
        let mut parameters =
            json!({"type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": number});
        if let Some(text) = text {
            parameters["text"] = text.into();
        }
        self.command("Input.dispatchKeyEvent", parameters.clone());
        parameters["type"] = "keyUp".into();
        self.command("Input.dispatchKeyEvent", parameters);
    }

    /// A window of this width, as on a telephone if it is narrow, in this colour scheme.
    pub fn dress(&self, width: u32, height: u32, scheme: &str) {
        let parameters = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.command("Emulation.setDeviceMetricsOverride", parameters);
        let features = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.command("Emulation.setEmulatedMedia", features);
    }

    /// Everything the page complained about since the tab was opened: errors on the console, exceptions,
    /// violations of its policy, and dialogs that somebody's script has opened.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for entry in self.events("Log.entryAdded") {
            if matches!(entry["entry"]["level"].as_str(), Some("error" | "warning")) {
                complaints.push(format!("{}: {}", entry["entry"]["source"], entry["entry"]["text"]));
            }
        }
        for call in self.events("Runtime.consoleAPICalled") {
            if matches!(call["type"].as_str(), Some("error" | "warning" | "assert")) {
                complaints.push(format!("console: {}", call["args"]));
            }
        }
        complaints
            .extend(self.events("Runtime.exceptionThrown").iter().map(|thrown| format!("thrown: {thrown}")));
        let dialogs = self.events("Page.javascriptDialogOpening");
        complaints.extend(dialogs.iter().map(|dialog| format!("dialog: {}", dialog["message"])));
        complaints
    }

    /// What the clipboard holds.
    pub fn clipboard(&self) -> String {
        self.evaluate("navigator.clipboard.readText()").as_str().unwrap_or_default().to_owned()
    }

    /// The visible part of the page as a picture, PNG in base64.
    pub fn picture(&self) -> String {
        let parameters = json!({"format": "png", "optimizeForSpeed": false});
        self.command("Page.captureScreenshot", parameters)["data"].as_str().expect("a picture").to_owned()
    }
}

/// A script that yields the visible link or button that bears exactly these words.
pub fn named(words: &str) -> String {
    format!(
        "[...document.querySelectorAll('a, button, summary')].find(it => it.innerText.trim() === {} && \
         it.checkVisibility())",
        json!(words)
    )
}

impl Wire {
    fn command(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        let shown = parameters.to_string();
        self.attempt(session, method, parameters).unwrap_or_else(|error| panic!("{method} {shown}: {error}"))
    }

    fn attempt(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value, String> {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": parameters});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        self.socket.send(Message::text(command.to_string())).expect("Chromium still listens");
        loop {
            let message = self.socket.read().unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            let Message::Text(text) = message else { continue };
            let answer: Value = serde_json::from_str(&text).expect("DevTools speak JSON");
            if answer["id"] == self.last_id {
                return match answer.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(answer["result"].clone()),
                };
            }
            if answer.get("method").is_some() {
                // A dialog would keep everything else waiting.
                if answer["method"] == "Page.javascriptDialogOpening" {
                    let dismissal = json!({"id": 0, "method": "Page.handleJavaScriptDialog",
                        "params": {"accept": false}, "sessionId": answer["sessionId"]});
                    self.socket.send(Message::text(dismissal.to_string())).expect("Chromium still listens");
                }
                self.events.push(answer);
            }
        }
    }
}
