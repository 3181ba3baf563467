//! Gives the running program configurations that are wrong. It must say where and why, and go on with the one it has.

use std::fs;

use serde_json::Value;

use crate::stage::Stage;
use crate::text::bytes;

/// What the unit tests of the configuration hold against, finding by finding.
const FINDINGS: &str = include_str!("../../../config/src/tests/findings.txt");
/// What no text file shows well.
const BYTES: &str = include_str!("configuration.txt");
/// The mark of a finding that does not keep the program from taking the file.
const WARNING: &str = ": warning: ";

/// A wrong configuration.
pub struct Wrong {
    pub title: String,
    text: Vec<u8>,
    /// `LINE:COLUMN`, and what is said of that place.
    findings: Vec<(String, String)>,
}

/// All that are refused; files that only earn a warning are left out.
pub fn all() -> Vec<Wrong> {
    let findings = FINDINGS.split("=== ").skip(1).map(|case| {
        let (title, rest) = case.split_once('\n').unwrap();
        let (text, said) = rest.split_once("---\n").unwrap();
        Wrong {
            title: title.to_owned(),
            text: text.into(),
            findings: said.lines().filter_map(finding).collect(),
        }
    });
    let others = BYTES.split("\n== ").skip(1).map(|case| {
        let (title, rest) = case.split_once('\n').unwrap();
        let (text, said) = rest.split_once("---\n").unwrap();
        Wrong {
            title: title.to_owned(),
            text: bytes(text),
            findings: said.lines().filter_map(finding).collect(),
        }
    });
    findings.chain(others).filter(|wrong| !wrong.findings.is_empty()).collect()
}

fn finding(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("proxy.toml:").filter(|_| !line.contains(WARNING))?;
    let (place, message) = rest.split_once(": ")?;
    Some((place.to_owned(), message.to_owned()))
}

/// The files and variables that the cases name.
pub fn set_the_scene(stage: &Stage) {
    let folder = stage.proxy.config();
    let at = |name: &str| folder.with_file_name(name);
    fs::write(at("secret"), "from a file\n").unwrap();
    fs::write(at("binary"), [0xff, 0xfe]).unwrap();
    fs::write(at("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let own = || rcgen::generate_simple_self_signed(["acme.example".to_owned()]).unwrap();
    let good = own();
    fs::write(at("good.pem"), good.cert.pem()).unwrap();
    fs::write(at("good.key"), good.signing_key.serialize_pem()).unwrap();
    fs::write(at("other.key"), own().signing_key.serialize_pem()).unwrap();
    fs::create_dir(at("folder")).unwrap();
}

/// Puts it in the place of the good one.
///
/// # Panics
/// When the program says anything else of it, or takes it.
pub fn play(stage: &Stage, wrong: &Wrong) {
    let before = stage.proxy.log.all().len();
    // At once: whoever looks meanwhile must not find half of it, which might be right.
    let fresh = stage.proxy.config().with_file_name("fresh.toml");
    fs::write(&fresh, &wrong.text).unwrap();
    fs::rename(&fresh, stage.proxy.config()).unwrap();
    stage.proxy.signal("HUP");
    let mut lines = 0;
    let mut said: Vec<(String, String)> = Vec::new();
    let was_taken = stage.proxy.log.wait("the end of the findings", |line| {
        lines += 1;
        if lines <= before {
            return None;
        }
        if let Some(at) = line["at"].as_str() {
            let place = at.rsplitn(3, ':').take(2).collect::<Vec<_>>();
            said.push((format!("{}:{}", place[1], place[0]), text(&line["msg"])));
        }
        let message = line["msg"].as_str().unwrap_or_default();
        let was_taken = message.ends_with("is in force");
        (was_taken || message.ends_with("stays in force")).then_some(was_taken)
    });
    assert!(!was_taken, "it was taken");
    let folder = stage.proxy.config().parent().unwrap().display().to_string() + "/";
    for (_, message) in &mut said {
        *message = message.replace(&folder, "");
    }
    assert_eq!(said, wrong.findings);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
