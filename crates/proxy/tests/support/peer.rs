//! Chargers and backoffices that others wrote, as child programs: see `tests/peers/peer.py`.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Lines, set_up};

/// Whose library a peer is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// The PyPI package `ocpp`.
    Python,
    /// The npm package `ocpp-rpc`.
    Node,
}

/// A child program that takes cues and tells events. Ends with the value.
pub struct Peer {
    child: Child,
    input: Mutex<ChildStdin>,
    cues: AtomicU64,
    /// What it told.
    pub events: Arc<Lines>,
}

/// A frame as a peer saw it, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// 2, 3 or 4.
    pub kind: u64,
    /// The message id.
    pub id: String,
    /// The action of a CALL, empty otherwise.
    pub action: String,
    /// The payload of a CALL or CALLRESULT.
    pub payload: Value,
    /// The frame as it stood on the wire.
    pub text: String,
}

impl Frame {
    /// `None` for what is not an OCPP-J frame.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<Value> = serde_json::from_str(text).ok()?;
        let kind = parts.first()?.as_u64()?;
        let action = if kind == 2 { parts.get(2)?.as_str()? } else { "" };
        let payload = parts.get(if kind == 2 { 3 } else { 2 })?.clone();
        Some(Self {
            kind,
            id: parts.get(1)?.as_str()?.into(),
            action: action.into(),
            payload,
            text: text.into(),
        })
    }
}

impl Peer {
    fn start(library: Library, script: &str, behaviour: &Value) -> Self {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
        let mut command = match library {
            Library::Python => {
                let mut command = Command::new(set_up("OCPP_PROXY_TEST_PYTHON"));
                command.arg("-B").arg(peers.join(script).with_extension("py"));
                command
            }
            Library::Node => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", set_up("OCPP_PROXY_TEST_NODE_MODULES"));
                command.arg(peers.join(script).with_extension("js"));
                command
            }
        };
        let mut child = command
            .arg(behaviour.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start a {library:?} {script}: {error}; run `cargo xtask test`")
            });
        let events = Arc::new(Lines::default());
        for output in [
            Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(child.stderr.take().unwrap()),
        ] {
            let events = Arc::clone(&events);
            std::thread::spawn(move || events.read(output));
        }
        let input = Mutex::new(child.stdin.take().unwrap());
        Self { child, input, cues: AtomicU64::new(1), events }
    }

    /// Gives a cue and waits for its outcome.
    pub fn cue(&self, cue: Value) -> Value {
        let number = self.begin(cue);
        self.outcome(number)
    }

    /// Gives a cue, to be waited for later.
    pub fn begin(&self, mut cue: Value) -> u64 {
        let number = self.cues.fetch_add(1, Ordering::Relaxed);
        cue["cue"] = number.into();
        writeln!(self.input.lock().unwrap(), "{cue}").expect("the peer still reads");
        number
    }

    /// Waits for the outcome of a cue: what its `done` event says.
    pub fn outcome(&self, number: u64) -> Value {
        self.events.wait(&format!("the outcome of cue {number}"), |event| {
            (event["event"] == "done" && event["cue"] == number).then(|| event.clone())
        })
    }

    /// Sends a CALL and waits for its answer: the payload.
    ///
    /// # Panics
    /// When the answer was an error.
    pub fn call(&self, action: &str, payload: Value) -> Value {
        let outcome = self.cue(json!({"do": "call", "action": action, "payload": payload}));
        assert!(outcome.get("error").is_none(), "{action} was answered by an error: {outcome}");
        outcome["payload"].clone()
    }

    /// Waits for the first event of this name that `fits`.
    pub fn wait(&self, name: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        self.events.wait(&format!("the event {name}"), |event| {
            (event["event"] == name && fits(event)).then(|| event.clone())
        })
    }

    /// Waits for the CALL that `fits`.
    pub fn wait_call(&self, action: &str, mut fits: impl FnMut(&Frame) -> bool) -> Frame {
        self.events.wait(&format!("a {action}"), |event| {
            frame_of(event, "received")
                .filter(|frame| frame.kind == 2 && frame.action == action && fits(frame))
        })
    }

    /// Waits until this many CALLs of an action were received; all of them, in order.
    pub fn wait_calls(&self, action: &str, count: usize) -> Vec<Frame> {
        let mut calls = Vec::new();
        self.events.wait(&format!("{count} {action}"), |event| {
            calls.extend(
                frame_of(event, "received").filter(|frame| frame.kind == 2 && frame.action == action),
            );
            (calls.len() >= count).then_some(())
        });
        calls
    }

    /// Every CALL received so far, in order.
    pub fn calls(&self) -> Vec<Frame> {
        let received = self.events.all();
        received
            .iter()
            .filter_map(|event| frame_of(event, "received"))
            .filter(|frame| frame.kind == 2)
            .collect()
    }

    /// Waits until the answer to a CALL was sent.
    pub fn wait_answered(&self, call: &Frame) -> Frame {
        self.events.wait(&format!("the answer to {}", call.action), |event| {
            frame_of(event, "sent").filter(|frame| frame.kind != 2 && frame.id == call.id)
        })
    }

    /// Kills the program, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The frame that an event of this name tells of.
fn frame_of(event: &Value, name: &str) -> Option<Frame> {
    if event["event"] != name {
        return None;
    }
    Frame::parse(event["frame"].as_str()?)
}

/// A charger that others wrote.
pub fn charger(library: Library) -> Peer {
    let peer = Peer::start(library, "charger", &json!({}));
    peer.wait("ready", |_| true);
    peer
}

/// A backoffice that others wrote, and where it listens.
pub struct Backoffice {
    /// The program.
    pub peer: Peer,
    /// Its port on 127.0.0.1.
    pub port: u16,
    scheme: &'static str,
}

impl Backoffice {
    /// Starts one on a port that the kernel chooses, or on `behaviour.port`.
    pub fn start(library: Library, behaviour: Value) -> Self {
        let scheme = if behaviour.get("tls").is_some() { "wss" } else { "ws" };
        let peer = Peer::start(library, "backoffice", &behaviour);
        let port = peer.wait("listening", |_| true)["port"].as_u64().unwrap();
        Self { peer, port: port.try_into().unwrap(), scheme }
    }

    /// For proxy.toml.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/ocpp/{{charger}}", self.scheme, self.port)
    }

    /// Waits until a charger's link is open.
    pub fn wait_linked(&self, charger: &str) -> Value {
        self.peer.wait("connected", |event| event["charger"] == charger)
    }

    /// How often a charger's link was opened so far.
    pub fn times_linked(&self, charger: &str) -> usize {
        let events = self.peer.events.all();
        events.iter().filter(|event| event["event"] == "connected" && event["charger"] == charger).count()
    }
}

impl std::ops::Deref for Backoffice {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}
