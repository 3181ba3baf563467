//! Is the repository what it says? Generated pages are current, examples load, the command line keeps
//! its promises about exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "../../xtask/src/limits.rs"]
mod limits;
#[path = "../../xtask/src/matrix.rs"]
mod matrix;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn program(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ocpp-proxy"))
        .args(arguments)
        .current_dir(folder)
        .env("ACME_PASSWORD", "for the test")
        .env("SITE1_01_KEY", "3d0f61c7a2b94e5886f1d2c3b4a59687")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn generated_pages_are_current() {
    for page in ["configuration", "metrics"] {
        let made = program(&["docs", page], &root());
        assert!(made.status.success());
        let path = root().join(format!("docs/{page}.md"));
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text(&made.stdout), "docs/{page}.md is not current; run `cargo xtask docs`");
    }
}

/// A reader finds every bound on one page, each with its reason.
#[test]
fn every_limit_stands_on_the_page_of_limits() {
    let made = limits::page(&root()).unwrap_or_else(|findings| panic!("{findings}"));
    let written = fs::read_to_string(root().join("docs/limits.md")).unwrap_or_default();
    assert!(written == made, "docs/limits.md is not current; run `cargo xtask docs`");
    let rows = made.lines().filter(|line| line.starts_with("| `")).count();
    assert!(rows >= 250, "{rows} limits");
}

/// A bound without a reason, or one that cannot be read, is no page.
#[test]
fn a_limit_without_a_reason_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config", "engine", "gateway", "store", "portal", "proxy"] {
        fs::create_dir_all(folder.path().join("crates").join(name).join("src")).unwrap();
    }
    let write = |file: &str, text: &str| fs::write(folder.path().join("crates").join(file), text).unwrap();
    write(
        "gateway/src/limits.rs",
        "/// Why.\npub(crate) const A: usize = 4 << 10;\n\npub(crate) const B: u32 = 7;\n",
    );
    write(
        "engine/src/limits.rs",
        "/// Long\n/// ago.\npub const C: std::ops::RangeInclusive<u32> =\n    5..=60;\n",
    );
    write("portal/src/limits.rs", "");
    write("store/src/settings.rs", "/// All.\npub rows: usize,\nSelf {\n    rows: 1_000,\n}\n");
    write("store/src/lead.rs", "/// Enough.\nconst D: Duration = Duration::from_secs(120);\n");
    assert_eq!(limits::page(folder.path()).unwrap_err(), "crates/gateway/src/limits.rs: B has no reason\n");
    write("gateway/src/limits.rs", "/// Why.\npub(crate) const A_BYTES: usize = 4 << 10;\n");
    let page = limits::page(folder.path()).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let expected = [
        "| `A_BYTES` | 4 KiB | Why. |",
        "| `C` | 5 to 60 | Long ago. |",
        "| `rows` | 1,000 | All. |",
        "| `D` | 2 min | Enough. |",
    ];
    assert_eq!(rows, expected);
}

/// Each row of semantics §9 has a test that says what every party sees, and the page says what they say.
#[test]
fn the_failure_matrix_is_whole_and_current() {
    let made = matrix::page(&root()).unwrap_or_else(|findings| panic!("{findings}"));
    let written = fs::read_to_string(root().join("docs/failure-matrix.md")).unwrap_or_default();
    assert!(written == made, "docs/failure-matrix.md is not current; run `cargo xtask docs`");
}

/// A page that could say anything would be worth nothing.
#[test]
fn the_failure_matrix_claims_nothing_that_no_test_shows() {
    let folder = tempfile::tempdir().unwrap();
    let tests = |name: &str| folder.path().join("crates").join(name).join("tests");
    for name in ["engine", "store", "gateway", "proxy", "sim"] {
        fs::create_dir_all(tests(name)).unwrap();
    }
    fs::create_dir(tests("engine").join("transcripts")).unwrap();
    let conversation = "Rows.\n\n== X-1: the leader is lost\n# charger: is closed with 1013, after 6 s.\n\
        # followers: get `Rejected`.\n# operator: `ocpp-proxy logs`.\nwait 60s\nhangup charger 1001\n";
    fs::write(tests("engine").join("transcripts/rows.txt"), conversation).unwrap();
    let function = "/// X-36: there is no such row\n#[test]\nfn none() {\n}\n";
    fs::write(tests("gateway").join("none.rs"), function).unwrap();
    let findings = matrix::page(folder.path()).unwrap_err();
    let expected = [
        "does not say what this party sees: leader",
        "tells of 1013 (charger), its test does not",
        "tells of 6 (charger), its test does not",
        "tells of Rejected (followers), its test does not",
        "X-1 has no test that says what each party sees",
        "X-35 has no test that says what each party sees",
        "X-36 is no row of semantics §9",
        "no test bears the name of scenario 25 of semantics §10",
    ];
    for finding in expected {
        assert!(findings.contains(finding), "{finding}\nis not in\n{findings}");
    }
    // Each row that is not for later, the one that does not exist, seven scenarios, four false claims.
    assert_eq!(findings.lines().count(), 33 + 1 + 7 + 4, "{findings}");
}

#[test]
fn the_example_is_valid_and_without_warnings() {
    let checked = program(&["check"], &root());
    assert_eq!(text(&checked.stdout), "proxy.toml: valid; 2 rules for chargers, 2 backoffices\n");
    assert_eq!(text(&checked.stderr), "");
    assert_eq!(checked.status.code(), Some(0));
    // Where the secrets were forgotten, what stands in their place is no secret.
    let mut forgotten = Command::new(env!("CARGO_BIN_EXE_ocpp-proxy"));
    let checked = forgotten.arg("check").current_dir(root()).env_clear().output().unwrap();
    let warnings = text(&checked.stdout);
    assert!(warnings.contains("the password for \"acme\" is what examples have"), "{warnings}");
    assert!(warnings.contains("the key of \"SITE1-01\" is what examples have"), "{warnings}");
    assert_eq!((warnings.lines().count(), checked.status.code()), (3, Some(0)), "{warnings}");
}

#[test]
fn one_of_a_kind_is_counted_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[backoffices.volt]\nurl = \"wss://volt.example/{charger}\"\n[[chargers]]\nmatch = \"*\"\nleader = \"volt\"\n";
    fs::write(folder.path().join("one.toml"), config).unwrap();
    let checked = program(&["check", "--config", "one.toml"], folder.path());
    assert_eq!(text(&checked.stdout), "one.toml: valid; 1 rule for chargers, 1 backoffice\n");
}

#[test]
fn the_file_is_called_by_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("site.toml"), "[listn]\n").unwrap();
    let checked = program(&["check", "--config", "./site.toml"], folder.path());
    let expected = "./site.toml:1:2: unknown key \"listn\" in site.toml; did you mean \"listen\"?\n";
    assert_eq!(text(&checked.stderr), expected);
}

/// The pages that people read in the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    assert!(pages.len() >= 2, "the generated pages at least");
    pages.extend(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)),
    );
    pages
}

#[test]
fn every_link_on_a_page_leads_somewhere() {
    let (mut seen, mut dead) = (0, Vec::new());
    for page in pages() {
        let content = fs::read_to_string(&page).unwrap();
        for link in content.split("](").skip(1) {
            let target = link.split([')', '#', ' ', '\n']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            seen += 1;
            if !page.parent().unwrap().join(target).exists() {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
    assert!(seen >= 20, "{seen} links seen");
}

/// Each promise is there once, says how it stands, and names tests and commands that there are.
#[test]
fn the_promises_of_security_name_what_shows_them() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| S")).collect();
    let (mut tests, mut wrong) = (0, Vec::new());
    for (row, number) in rows.iter().zip(1..) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!((cells.len(), cells[1]), (6, format!("S{number}").as_str()), "{row}");
        let (state, shown) = (cells[3], cells[4]);
        for link in shown.split("[`").skip(1) {
            let (name, rest) = link.split_once("`](").unwrap();
            let file = fs::read_to_string(root().join(rest.split(')').next().unwrap())).unwrap_or_default();
            tests += 1;
            if !file.contains(&format!("fn {name}(")) {
                wrong.push(format!("S{number}: there is no {name} there"));
            }
        }
        for command in shown.split("`cargo xtask ").skip(1) {
            let command = command.split('`').next().unwrap();
            let run = fs::read_to_string(root().join(".ci/run")).unwrap();
            if !run.lines().any(|line| line == format!("cargo xtask {command}")) {
                wrong.push(format!("S{number}: CI does not run `cargo xtask {command}`"));
            }
        }
        let is_known = ["Kept", "Partly: ", "Not yet"].iter().any(|known| state.starts_with(known));
        if !is_known || state.starts_with("Not yet") != shown.is_empty() {
            wrong.push(format!("S{number} is {state:?} and shown by {shown:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(rows.len(), 18);
    assert!(tests >= 30, "{tests} tests are named");
}

/// Whoever copies a configuration from a page gets a valid one.
#[test]
fn every_configuration_on_a_page_is_valid() {
    let own = rcgen::generate_simple_self_signed(["proxy.example".to_owned()]).unwrap();
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let files = [
        ("ecdsa.pem", &certificate),
        ("ecdsa.key", &key),
        ("rsa.pem", &certificate),
        ("rsa.key", &key),
        ("charger-roots.pem", &certificate),
        ("volt.pem", &certificate),
        ("volt.key", &key),
    ];
    for page in pages() {
        let Ok(content) = fs::read_to_string(&page) else { continue };
        for (number, block) in content.split("```toml\n").skip(1).enumerate() {
            let block = block.split("```").next().unwrap();
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("proxy.toml"), block).unwrap();
            for (name, content) in &files {
                fs::write(folder.path().join(name), content).unwrap();
            }
            let checked = program(&["check"], folder.path());
            let said = text(&checked.stdout) + &text(&checked.stderr);
            assert_eq!(checked.status.code(), Some(0), "{}, block {}:\n{said}", page.display(), number + 1);
        }
    }
}

#[test]
fn an_invalid_configuration_ends_with_2_and_its_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("proxy.toml"), "[listen]\ncharger = \"0.0.0.0:9000\"\n").unwrap();
    let expected = "proxy.toml:2:1: unknown key \"charger\" in [listen]; did you mean \"chargers\"?\n";
    for arguments in [&["check"][..], &["run"], &[], &["--config", "proxy.toml"]] {
        let ended = program(arguments, folder.path());
        assert_eq!(text(&ended.stderr), expected, "{arguments:?}");
        assert_eq!(text(&ended.stdout), "", "{arguments:?}");
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_missing_configuration_and_a_wrong_command_line_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["check"][..], &["run"], &["logs", "CP1"], &["zebra"], &["run", "--zebra"], &["logs"]]
    {
        let ended = program(arguments, folder.path());
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {}", text(&ended.stderr));
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_log_that_is_not_there_ends_with_1_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    // The password is not set: whoever reads the log need not know it.
    let config = "[store]\npath = \"none.db\"\n[backoffices.volt]\nurl = \"wss://volt.example/${UNKNOWN}\"\n";
    fs::write(folder.path().join("proxy.toml"), config).unwrap();
    let ended = program(&["logs", "CP1"], folder.path());
    assert_eq!(ended.status.code(), Some(1), "{}", text(&ended.stderr));
    assert!(text(&ended.stderr).contains("start the proxy once"), "{}", text(&ended.stderr));
}

#[test]
fn every_command_explains_itself() {
    let commands =
        ["run", "check", "demo", "logs", "deliveries", "leader", "hash-password", "hash-token", "docs"];
    let overview = text(&program(&["--help"], &root()).stdout);
    for command in commands {
        assert!(overview.contains(&format!("\n  {command} ")), "{overview}");
        let help = program(&[command, "--help"], &root());
        assert!(help.status.success());
        assert!(help.stdout.len() > 100, "{command}: {}", text(&help.stdout));
    }
}
