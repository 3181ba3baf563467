//! `ocpp-proxy hash-password` and `hash-token`: what they print is what proxy.toml wants.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ocpp-proxy"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    program.wait_with_output().unwrap()
}

fn said(folder: &Path, arguments: &[&str], input: &str) -> String {
    let Output { status, stdout, stderr } = run(folder, arguments, input);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn what_is_printed_can_be_pasted() {
    let folder = tempfile::tempdir().unwrap();
    let line = said(folder.path(), &["hash-password"], "correct horse\n");
    assert!(line.starts_with("password_hash = \"$argon2id$") && !line.contains("correct"), "{line}");
    let tokens = said(folder.path(), &["hash-token"], "");
    let (shown, section) = tokens.split_once("[[portal.tokens]]").unwrap();
    let token = shown.lines().find(|line| line.starts_with("opx_")).unwrap();
    assert!(!section.contains(token) && !said(folder.path(), &["hash-token"], "").contains(token));
    let file = format!("[[portal.users]]\nname = \"nora\"\n{line}\n[[portal.tokens]]{section}");
    fs::write(folder.path().join("proxy.toml"), file).unwrap();
    let checked = said(folder.path(), &["check"], "");
    assert!(checked.contains("proxy.toml: valid"), "{checked}");
}

#[test]
fn a_password_that_is_soon_guessed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for input in ["", "\n", "seven77\n"] {
        let refused = run(folder.path(), &["hash-password"], input);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("too short"), "{refused:?}");
    }
}
