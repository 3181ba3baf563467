//! `ocpp-proxy logs` on a store that is being written.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use engine::{AnswerNote, CallNote, Decider, Difference, Outcome, Side, TraceId, Verdict};
use store::{LogEntry, Settings, Store};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ocpp-proxy");

fn trace(number: u8) -> TraceId {
    TraceId::try_from(format!("01ARZ3NDEKTSV4RRFFQ69G5F{number:02}")).unwrap()
}

async fn note_authorize(store: &Store, number: u8, card: &str) {
    let accepted = r#"{"idTagInfo":{"status":"Accepted"}}"#;
    let invalid = r#"{"idTagInfo":{"status":"Invalid"}}"#;
    let call = CallNote {
        trace: trace(number),
        from: Side::Charger,
        action: "Authorize".into(),
        received_unix_ms: 1_795_352_583_000 + i64::from(number) * 1_000,
        payload: format!(r#"{{"idTag":"{card}"}}"#).into(),
        outcome: Outcome::Result(accepted.into()),
        decider: Decider::Leader("volt".into()),
        latency_us: 34_000,
        leader: "volt".into(),
        flags: Vec::new(),
    };
    let answer = |backoffice: &str, verdict, payload: &'static str, differences| AnswerNote {
        trace: trace(number),
        backoffice: backoffice.into(),
        led: verdict == Verdict::Leader,
        action: "Authorize",
        outcome: Outcome::Result(payload.into()),
        latency_us: 34_000,
        verdict,
        differences,
    };
    let difference = Difference {
        pointer: "/idTagInfo/status".to_owned(),
        leader: Some("\"Accepted\"".to_owned()),
        follower: Some("\"Invalid\"".to_owned()),
    };
    let charger = "CP1".into();
    store.note(&charger, LogEntry::Answer(Box::new(answer("volt", Verdict::Leader, accepted, vec![]))));
    store.note(&charger, LogEntry::Call(Box::new(call)));
    let follower = answer("acme", Verdict::Conflict, invalid, vec![difference]);
    store.note(&charger, LogEntry::Answer(Box::new(follower)));
    store.flush().await.unwrap();
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("logs").args(arguments).current_dir(folder).env("TZ", "UTC");
    command
}

fn output(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = command(folder, arguments).output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// What is said on standard error, and the exit code.
fn said(folder: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let Output { status, stderr, .. } = command(folder, arguments).output().unwrap();
    (String::from_utf8(stderr).unwrap(), status.code())
}

#[tokio::test]
async fn what_is_not_found_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("proxy.toml");
    fs::write(&config, "[store]\npath = \"log.db\"\n").unwrap();
    let settings =
        Settings { keep_log_for: std::time::Duration::from_secs(86_400 * 36_500), ..Settings::default() };
    let store = Store::open(&folder.path().join("log.db"), settings).unwrap();
    note_authorize(&store, 1, "CARD-ONE").await;

    let (text, code) = said(folder.path(), &["CPP1"]);
    assert_eq!((text.as_str(), code), ("nothing is known of \"CPP1\"; did you mean \"CP1\"?\n", Some(1)));
    let why = Command::new(PROGRAM).args(["why", "CPP1"]).current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8(why.stderr).unwrap();
    assert!(text.contains("nothing is known of \"CPP1\"; did you mean \"CP1\"?"), "{text}");
    assert_eq!(why.status.code(), Some(1));
    let empty = folder.path().join("empty.db");
    Store::open(&empty, Settings::default()).unwrap().close().await;
    let (text, code) = said(folder.path(), &["CP1", "--store", "empty.db"]);
    assert!(text.contains("once it has sent something"), "{text}");
    assert_eq!(code, Some(1));
    let unknown = [
        ("Authorise", "; did you mean \"Authorize\"?"),
        ("statusnotif", "; did you mean \"StatusNotification\"?"),
        ("link_dow", "; did you mean \"link_down\"?"),
        ("zebra", "; messages are called as in OCPP 1.6, such as StatusNotification"),
    ];
    assert_eq!(unknown.len(), 4);
    for (action, hint) in unknown {
        let (text, code) = said(folder.path(), &["CP1", "--action", action]);
        assert_eq!((text, code), (format!("\"CP1\" has no {action:?}{hint}\n"), Some(1)));
    }
    let (text, code) = said(folder.path(), &["CP1", "--since", "2030-01-01"]);
    assert_eq!(
        (text.as_str(), code),
        ("nothing of \"CP1\" matches; there is more without the filters\n", Some(0))
    );

    let mut child = command(folder.path(), &["CP2", "--follow"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    drop(Following(child));
    assert_eq!(line, "nothing is known of \"CP2\" yet, waiting for it; did you mean \"CP1\"?\n");
    store.close().await;
}

#[tokio::test]
async fn a_broken_configuration_does_not_hide_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("proxy.toml");
    let store = Store::open(&folder.path().join("log.db"), Settings::default()).unwrap();
    let card = |output: String| assert!(output.contains("card CARD-ONE"), "{output}");
    note_authorize(&store, 1, "CARD-ONE").await;

    fs::write(&config, "[store]\npath = \"log.db\"\n[backoffices.volt\nurl = wss://\n").unwrap();
    card(output(folder.path(), &["CP1"]));
    fs::write(&config, "[backoffices.volt\n[store]\n").unwrap();
    let (text, code) = said(folder.path(), &["CP1"]);
    assert!(text.ends_with("; repair this, or name the database with --store\n"), "{text}");
    assert!(text.starts_with("proxy.toml:1:"), "{text}");
    assert_eq!(code, Some(2));
    card(output(folder.path(), &["CP1", "--store", "log.db"]));
    fs::remove_file(&config).unwrap();
    card(output(folder.path(), &["CP1", "--store", "log.db"]));
    store.close().await;
}

/// Ends with the test.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_log_is_read_while_the_proxy_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("proxy.toml"), "[store]\npath = \"log.db\"\n").unwrap();
    let settings =
        Settings { keep_log_for: std::time::Duration::from_secs(86_400 * 36_500), ..Settings::default() };
    let store = Store::open(&folder.path().join("log.db"), settings).unwrap();
    note_authorize(&store, 1, "CARD-ONE").await;
    note_authorize(&store, 2, "CARD-TWO").await;

    let paragraph = "\
2026-11-22 13:03:05.000  charger: Authorize – may this card charge?, card CARD-TWO
    volt (leader): Accepted (card accepted)  (34 ms)
  ≠ acme: Invalid (card refused: not known) – DIFFERS from the leader  (34 ms)
      ≠ idTagInfo.status: leader \"Accepted\", acme \"Invalid\"

";
    let all = output(folder.path(), &["CP1"]);
    assert!(all.ends_with(paragraph), "{all}");
    assert!(all.contains("CARD-ONE"), "{all}");
    assert_eq!(output(folder.path(), &["CP1", "--search", "CARD-TWO"]), paragraph);
    assert_eq!(
        output(folder.path(), &["CP1", "--action", "Authorize", "--since", "2026-11-22T13:03:05Z"]),
        paragraph
    );
    assert_eq!(output(folder.path(), &["CP1", "--action", "Heartbeat"]), "");
    assert_eq!(output(folder.path(), &["cp1", "--search", "CARD-TWO"]), paragraph);

    let json = output(folder.path(), &["CP1", "--json"]);
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["kind"], "call");
    assert_eq!(lines[1]["id_tag"], "CARD-TWO");
    assert_eq!(lines[1]["answers"][1]["verdict"], "conflict");

    let mut child = command(folder.path(), &["CP1", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _following = Following(child);
    let mut shown_until = |text: &str| {
        let mut seen = 0;
        loop {
            let line = lines.next().unwrap().unwrap();
            seen += usize::from(line.contains("Authorize –"));
            if line.contains(text) {
                return seen;
            }
        }
    };
    assert_eq!(shown_until("CARD-TWO"), 2);
    note_authorize(&store, 3, "CARD-THREE").await;
    assert_eq!(shown_until("CARD-THREE"), 1);

    let down = LogEntry::Occurrence {
        unix_ms: 1_795_352_584_500,
        kind: "link_down",
        who: "acme".to_owned(),
        detail: "TLS: certificate unknown; dialed again in 12 s".to_owned(),
    };
    store.note(&"CP1".into(), down);
    store.flush().await.unwrap();
    let line = "2026-11-22 13:03:04.500  acme: not connected: TLS: certificate unknown; dialed again in 12 s";
    assert_eq!(shown_until(line), 0);
    let all = output(folder.path(), &["CP1"]);
    let between = all.split(line).map(|part| part.matches("Authorize –").count()).collect::<Vec<_>>();
    assert_eq!(between, [1, 2], "it stands where it happened: {all}");
    assert_eq!(output(folder.path(), &["CP1", "--action", "link_down"]), format!("{line}\n\n"));
    let json = output(folder.path(), &["CP1", "--search", "certificate", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["kind"], &json["occurrence"]["who"]), (&"occurrence".into(), &"acme".into()));
    store.close().await;
}
