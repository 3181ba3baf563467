//! `ocpp-proxy forget-card` on a store that a proxy holds, and on one that none does.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use store::{LogEntry, Settings, Store};

const CARD: &str = "04A2B3C4D5E69F";

fn forget(folder: &Path, card: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-proxy"));
    command.args(["forget-card", card]).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// How many files hold the number.
fn holding(folder: &Path) -> usize {
    let holds = |bytes: Vec<u8>| bytes.windows(CARD.len()).any(|part| part == CARD.as_bytes());
    fs::read_dir(folder)
        .unwrap()
        .filter(|file| holds(fs::read(file.as_ref().unwrap().path()).unwrap()))
        .count()
}

#[tokio::test]
async fn a_card_is_forgotten_when_the_proxy_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("proxy.toml"), "[store]\npath = \"log.db\"\n").unwrap();
    let store = Store::open(&folder.join("log.db"), Settings::default()).unwrap();
    let entry = LogEntry::Occurrence {
        unix_ms: 1_795_352_583_000,
        kind: "alert",
        who: "acme".to_owned(),
        detail: format!("the card {CARD} is unknown"),
    };
    store.note(&"CP1".into(), entry);
    store.flush().await.unwrap();

    let held = forget(folder, CARD);
    assert_eq!(held.status.code(), Some(1), "{}", said(&held));
    assert!(said(&held).contains("stop the proxy first"), "{}", said(&held));
    store.close().await;
    assert!(holding(folder) > 0);

    let short = forget(folder, "04A");
    assert_eq!(short.status.code(), Some(1), "{}", said(&short));
    assert!(said(&short).contains("too short"), "{}", said(&short));
    let done = forget(folder, &CARD.to_lowercase());
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("taken out of 1 line of the log"), "{}", said(&done));
    assert_eq!(holding(folder), 0);
    let again = forget(folder, CARD);
    assert!(
        again.status.success() && said(&again).contains("Nothing is kept of this card"),
        "{}",
        said(&again)
    );
}
