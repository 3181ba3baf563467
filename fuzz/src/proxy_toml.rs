//! What somebody writes into `proxy.toml`: it becomes rules that hold together, or is told what is wrong and where.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use config::{Config, Files, Report, Severity, Surroundings, read};
use engine::ChargerId;
use tempfile::TempDir;

/// The text of a `proxy.toml`.
pub fn proxy_toml(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // What devices and the kernel hold differs from one look to the next.
    if ["/dev", "/proc", "/sys"].iter().any(|path| text.contains(path)) {
        return;
    }
    let outcome = outcome(text);
    let findings = match &outcome {
        Ok(config) => {
            holds_together(config);
            assert!(config.warnings.iter().all(|finding| finding.severity == Severity::Warning), "{text:?}");
            &config.warnings
        }
        Err(report) => {
            assert!(report.findings.iter().all(|finding| finding.severity == Severity::Error), "{text:?}");
            assert!(!report.findings.is_empty(), "it is refused, and nobody is told why: {text:?}");
            &report.findings
        }
    };
    for finding in findings {
        // Behind the last character at most.
        let line = text.split('\n').nth(finding.line.wrapping_sub(1));
        let is_there = line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&finding.column));
        assert!(is_there, "{finding} stands nowhere in {text:?}");
        assert!(!finding.message.trim().is_empty(), "{text:?}");
        // What somebody writes into the text himself is none.
        assert!(
            !finding.message.contains(SECRET) || text.contains(SECRET),
            "{finding} tells a secret: {text:?}"
        );
        assert!(!finding.message.contains('\n'), "{finding} is more than a line: {text:?}");
    }
    let order = findings.iter().map(|finding| (finding.line, finding.column));
    assert!(order.is_sorted(), "{text:?}");
    means_the_same_written_anew(text, &outcome);
}

const SECRET: &str = "c4n4ry-of-a-file";

fn outcome(text: &str) -> Result<Config, Report> {
    let variable = |name: &str| match name {
        "SET" => Some("acme".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let around = Surroundings { variable: &variable, folder: folder() };
    read("proxy.toml", text, &around, &mut Files::default())
}

/// A folder with the files that a configuration may name.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = TempDir::new().expect("there is room for a folder");
        let write = |name: &str, content: &str| fs::write(folder.path().join(name), content);
        let names = vec!["acme.example".to_owned()];
        let own = rcgen::generate_simple_self_signed(names).expect("a name that a certificate can bear");
        let files = [
            write("secret", SECRET),
            write("good.pem", &own.cert.pem()),
            write("good.key", &own.signing_key.serialize_pem()),
            write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ];
        assert!(files.iter().all(Result::is_ok), "there is room for a few files");
        folder
    });
    folder.path()
}

/// What the gateway relies on, see `gateway::Routing`.
fn holds_together(config: &Config) {
    let routing = &config.routing;
    for rule in &routing.rules {
        let plan = &rule.plan;
        assert!(plan.backoffices().all(|id| routing.backoffices.contains_key(id)), "{plan:?}");
        assert!(plan.names(&plan.leader), "{plan:?}");
        assert!(plan.followers.iter().all(|follower| follower.backoffice != plan.leader), "{plan:?}");
        if let Some(identity) = rule.pattern.identity() {
            assert!(routing.plan(identity, None).is_some(), "{identity}");
        }
    }
    let _ = routing.plan(&ChargerId::from("CP1"), None);
    assert!(config.fixed.path.starts_with('/') && config.fixed.path.ends_with('/'));
}

/// What a configuration comes to, for a person. Matchers are left out: they show how they are used, too.
fn shown(config: &Config) -> Vec<String> {
    let backoffices = config.routing.backoffices.iter().map(|backoffice| format!("{backoffice:?}"));
    let rules = config.routing.rules.iter().map(|rule| {
        let pattern = (rule.pattern.text(), rule.pattern.identity());
        format!("{pattern:?} {:?} {:?} {:?}", rule.plan, rule.leader_source, rule.entrance)
    });
    backoffices.chain(rules).collect()
}

/// The same tables and values in another notation are the same configuration, with the same remarks.
fn means_the_same_written_anew(text: &str, before: &Result<Config, Report>) {
    let Ok(tables) = toml::from_str::<toml::Table>(text) else { return };
    let Ok(anew) = toml::to_string(&tables) else { return };
    let after = outcome(&anew);
    match (before, &after) {
        (Ok(before), Ok(after)) => {
            assert_eq!(before.fixed, after.fixed, "{text:?}");
            assert_eq!(shown(before), shown(after), "{text:?}");
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(report)) => panic!("it is valid as {text:?} and not as {anew:?}: {report}"),
        (Err(report), Ok(_)) => panic!("it is valid as {anew:?} and not as {text:?}: {report}"),
    }
}
