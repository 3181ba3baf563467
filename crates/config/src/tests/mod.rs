//! What is said about configurations, exactly; and what a good one becomes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ::portal::{Role, Token, User};
use engine::{LateReject, OnLeaderLost, Outage, UnknownCards};
use gateway::LeaderSource;
use tempfile::TempDir;

use super::*;

mod arbitration;

const CASES: &str = include_str!("findings.txt");

/// A folder with the files that the cases name.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("secret"), "from a file\n").unwrap();
    fs::write(at("windows"), "from a file\r\n").unwrap();
    fs::write(at("two-lines"), "one\ntwo\n\n").unwrap();
    fs::write(at("binary"), [0xff, 0xfe]).unwrap();
    fs::write(at("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let own = || rcgen::generate_simple_self_signed(["acme.example".to_owned()]).unwrap();
    let good = own();
    fs::write(at("good.pem"), good.cert.pem()).unwrap();
    fs::write(at("good.key"), good.signing_key.serialize_pem()).unwrap();
    fs::write(at("public.key"), good.signing_key.serialize_pem()).unwrap();
    fs::write(at("other.key"), own().signing_key.serialize_pem()).unwrap();
    for (key, mode) in [("good.key", 0o600), ("public.key", 0o644)] {
        fs::set_permissions(at(key), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(at("folder")).unwrap();
    folder
}

fn read_in(folder: &Path, text: &str) -> Result<Config, Report> {
    let variables = BTreeMap::from([("SET", "from the environment"), ("EMPTY", "")]);
    let variable = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    read("proxy.toml", text, &Surroundings { variable: &variable, folder }, &mut Files::default())
}

/// Every finding of an error case; every warning of a warning case.
fn said(folder: &Path, text: &str) -> String {
    let findings = match read_in(folder, text) {
        Ok(config) => config.warnings,
        Err(report) => report.findings,
    };
    let report = Report { file: "proxy.toml".to_owned(), findings }.to_string();
    report.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn everything_wrong_is_said_exactly() {
    let folder = folder();
    let mut seen = 0;
    let mut differing = Vec::new();
    let mut actual = String::new();
    for case in CASES.split("=== ").skip(1) {
        let (title, rest) = case.split_once('\n').unwrap();
        let (text, expected) = rest.split_once("---\n").unwrap();
        let said = said(folder.path(), text);
        seen += 1;
        if said != expected.trim_end() {
            differing.push(title);
        }
        actual.push_str(&format!("=== {title}\n{text}---\n{said}\n\n"));
    }
    assert!(differing.is_empty(), "{} cases differ: {differing:?}\n{actual}", differing.len());
    assert_eq!(seen, 185);
}

#[test]
fn a_usual_file_becomes_a_routing() {
    let folder = folder();
    let text = r#"
        [listen]
        chargers = "0.0.0.0:9000"
        path     = "/ocpp/"
        admin    = "127.0.0.1:9090"
        [store]
        path = "ocpp-proxy.db"
        [log]
        messages = false
        keep_days = 7
        keep_size = "500 MB"
        [backoffices.volt]
        url = "wss://ocpp.volt.example/{charger}"
        [backoffices.acme]
        url = "wss://acme.example/ocpp16/{charger}"
        basic_auth = { user = "{charger}", password = "${SET}" }
        ca_file = "good.pem"
        [[chargers]]
        match     = "SITE1-*"
        leader    = "volt"
        followers = [{ backoffice = "acme", role = "control" }]
        [[chargers]]
        match     = "*"
        leader    = "acme"
    "#;
    let config = read_in(folder.path(), text).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.fixed.chargers, Some("0.0.0.0:9000".parse().unwrap()));
    assert_eq!(config.fixed.admin, Some("127.0.0.1:9090".parse().unwrap()));
    assert_eq!(config.fixed.store, folder.path().join("ocpp-proxy.db"));
    assert!(!config.fixed.log_messages);
    assert_eq!(config.fixed.keep_log_for, Duration::from_secs(7 * 86_400));
    assert_eq!(config.fixed.keep_log_bytes, 500_000_000);
    let plan = |charger: &str| config.routing.rule(&charger.into()).unwrap().plan.clone();
    assert_eq!(plan("SITE1-7").leader.as_str(), "volt");
    assert_eq!(plan("site1-7").leader.as_str(), "volt", "capitals do not matter");
    assert_eq!(plan("SITE1-7").followers[0].backoffice.as_str(), "acme");
    assert_eq!(plan("SITE1-7").followers[0].role, engine::Role::Control);
    assert_eq!(plan("SITE2-7").leader.as_str(), "acme");
    let acme = &config.routing.backoffices[&"acme".into()];
    let auth = acme.basic_auth.as_ref().unwrap();
    assert_eq!((auth.user.as_str(), auth.password.reveal()), ("{charger}", "from the environment"));
    assert!(acme.ca_certificates.as_ref().unwrap().starts_with(b"-----BEGIN CERTIFICATE-----"));
}

#[test]
fn keys_that_backoffices_set_reach_the_charger_only_where_the_rule_says_so() {
    let folder = folder();
    let text = r#"
        [backoffices.volt]
        url = "wss://volt.example/{charger}"
        [backoffices.acme]
        url = "wss://acme.example/{charger}"
        forward_authorization = true
        [[chargers]]
        match = "SITE1-*"
        leader = "volt"
        authorization_key_change = "passthrough"
        [[chargers]]
        match = "*"
        leader = "volt"
        followers = [{ backoffice = "acme", role = "observer" }]
    "#;
    let config = read_in(folder.path(), text).unwrap();
    let keys = |charger: &str| config.routing.rule(&charger.into()).unwrap().plan.keys.clone();
    let nobody = std::collections::BTreeSet::new();
    let passed = engine::KeyRules { change: engine::KeyChange::Passthrough, forwarded: nobody };
    assert_eq!(keys("SITE1-7"), passed);
    let own = engine::KeyRules { change: engine::KeyChange::Terminate, forwarded: ["acme".into()].into() };
    assert_eq!(keys("SITE2-7"), own);
    let shown = |name: &str| config.routing.backoffices[&name.into()].forward_authorization;
    assert!(shown("acme") && !shown("volt"));
}

#[test]
fn a_backoffice_is_reached_as_it_is_written() {
    let folder = folder();
    let text = r#"
        [backoffices.volt]
        url = "wss://10.20.0.7/{charger}"
        server_name = "ocpp.volt.example"
        client_certificate = { chain = "good.pem", key = "good.key" }
        proxy = "http://[::1]:3128"
        [[chargers]]
        match = "*"
        leader = "volt"
    "#;
    let config = read_in(folder.path(), text).unwrap();
    assert_eq!(config.warnings, []);
    let volt = &config.routing.backoffices[&"volt".into()];
    assert_eq!(volt.server_name.as_deref(), Some("ocpp.volt.example"));
    assert_eq!(volt.client_certificate.as_ref().unwrap().name(), "good.pem");
    assert_eq!(volt.proxy, Some(gateway::ForwardProxy { host: "::1".to_owned(), port: 3128 }));
}

#[test]
fn tls_alone_is_a_listener_too() {
    let folder = folder();
    let text = r#"
        [listen]
        chargers = "off"
        [listen.tls]
        certificates = [{ chain = "good.pem", key = "good.key" }]
        client_ca = "good.pem"
        [backoffices]
        volt.url = "wss://volt.example/{charger}"
        [[chargers]]
        match = "*"
        leader = "volt"
    "#;
    let config = read_in(folder.path(), text).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!((config.fixed.chargers, config.fixed.tls), (None, Some("0.0.0.0:9443".parse().unwrap())));
    let certificates = config.certificates.unwrap();
    assert_eq!(certificates.own.iter().map(gateway::OwnCertificate::name).collect::<Vec<_>>(), ["good.pem"]);
    assert!(certificates.client_ca.unwrap().starts_with(b"-----BEGIN CERTIFICATE-----"));
}

#[test]
fn suites_without_forward_secrecy_are_spoken_where_they_were_built_in_and_refused_elsewhere() {
    let folder = folder();
    let text = r#"
        [listen]
        proxy_protocol = ["10.0.0.0/8", "2001:db8::7"]
        [listen.tls]
        certificates = [{ chain = "good.pem", key = "good.key" }]
        legacy_suites = true
        [backoffices]
        volt.url = "wss://volt.example/{charger}"
        [[chargers]]
        match = "*"
        leader = "volt"
    "#;
    let read = read_in(folder.path(), text);
    if cfg!(feature = "openssl") {
        let config = read.unwrap();
        assert!(config.certificates.unwrap().legacy_suites);
        let fronts = ["10.0.0.0/8", "2001:db8::7/128"].map(|network| network.parse().unwrap());
        assert_eq!(config.fixed.proxy_protocol, fronts);
    } else {
        let findings = read.unwrap_err().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].message.contains("--features openssl"), "{findings:?}");
    }
}

/// What a rule with these keys says of the time while its leader is away.
fn outage(keys: &str) -> Outage {
    let text = format!(
        "[backoffices]\nvolt.url = \"wss://volt.example/{{charger}}\"\nacme.url = \"wss://acme.example/{{charger}}\"\n\
         bond.url = \"wss://bond.example/{{charger}}\"\n[[chargers]]\nmatch = \"*\"\nleader = \"volt\"\n\
         followers = [{{ backoffice = \"acme\" }}, {{ backoffice = \"bond\" }}]\n{keys}\n"
    );
    let config = read_in(Path::new(""), &text).unwrap();
    assert_eq!(config.warnings, [], "{keys}");
    config.routing.rule(&"CP1".into()).unwrap().plan.outage.clone()
}

#[test]
fn what_holds_without_the_leader_becomes_part_of_the_plan() {
    assert_eq!(outage(""), Outage::default());
    assert_eq!(outage("on_leader_lost = \"absorb\""), Outage::default());
    let cards = outage("unknown_cards = \"accept\"\nlate_reject = \"ignore\"\nabsorb_leader_errors = true");
    assert_eq!(cards.unknown_cards, UnknownCards::Accept);
    assert_eq!(cards.late_reject, LateReject::Ignore);
    assert!(cards.absorb_leader_errors);
    let refusing = outage("unknown_cards = \"refuse\"").unknown_cards;
    assert_eq!(refusing, UnknownCards::Refuse);
    let mirror = outage("on_leader_lost = \"mirror\"\nleader_grace = \"1m 30s\"");
    assert_eq!(mirror.on_leader_lost, OnLeaderLost::Mirror);
    assert_eq!(mirror.grace, Duration::from_secs(90));
}

#[test]
fn who_leads_instead_becomes_part_of_the_plan() {
    let failover = |keys: &str| {
        let outage = outage(&format!("on_leader_lost = \"failover\"\n{keys}"));
        let OnLeaderLost::Failover(failover) = outage.on_leader_lost else { panic!("{outage:?}") };
        failover
    };
    let usual = failover("failover_to = [\"bond\", \"acme\"]");
    assert_eq!(usual.to, ["bond".into(), "acme".into()], "the order counts");
    assert_eq!(usual.after, Duration::from_secs(120));
    assert_eq!(usual.back_after, Some(Duration::from_secs(300)));
    let patient = failover("failover_to = [\"acme\"]\nleader_grace = \"10m\"\nfail_back_after = \"never\"");
    assert_eq!(patient.after, Duration::from_secs(600), "not before the grace is over");
    assert_eq!(patient.back_after, None);
    let quick = failover("failover_to = [\"acme\"]\nleader_grace = \"5s\"\nfailover_after = \"5s\"");
    assert_eq!(quick.after, Duration::from_secs(5));
}

#[test]
fn who_may_use_the_portal_is_read() {
    let hash = ::portal::hash_password("correct horse");
    let token = ::portal::hash_token("opx_test");
    let text = format!(
        "[portal]\nlisten = \"127.0.0.1:8181\"\n[[portal.users]]\nname = \"nora\"\npassword_hash = \"{hash}\"\n\
         role = \"operator\"\n[[portal.tokens]]\nname = \"helpdesk\"\nhash = \"{token}\"\n"
    );
    let config = read_in(Path::new(""), &text).unwrap();
    assert_eq!(config.fixed.portal, Some("127.0.0.1:8181".parse().unwrap()));
    let nora = User { name: "nora".to_owned(), password_hash: hash.clone(), role: Role::Operator };
    let helpdesk = Token { name: "helpdesk".to_owned(), hash: token, role: Role::Viewer };
    assert_eq!(config.entrants, Entrants { users: vec![nora], tokens: vec![helpdesk] });
    assert!(!format!("{config:?}").contains(&hash), "hashes are not shown");
    assert_eq!(read_in(Path::new(""), "[portal]\nlisten = \"off\"\n").unwrap().fixed.portal, None);
}

#[test]
fn who_may_say_who_leads_becomes_part_of_the_rule() {
    let rules = "[backoffices]\nvolt.url = \"wss://volt.example/{charger}\"\n[[chargers]]\nmatch = \"CP1\"\n\
                 leader = \"volt\"\nleader_source = \"file\"\n[[chargers]]\nmatch = \"*\"\nleader = \"volt\"\n";
    let config = read_in(Path::new(""), rules).unwrap();
    let source = |charger: &str| config.routing.rule(&charger.into()).unwrap().leader_source;
    assert_eq!((source("CP1"), source("CP2")), (LeaderSource::File, LeaderSource::Portal));
}

/// Whoever asks who leads need not know the passwords of the backoffices.
#[test]
fn the_rules_alone_need_no_secrets() {
    let folder = folder();
    let path = folder.path().join("proxy.toml");
    let text = "[listen]\nchargers = \"${MISSING_PORT}\"\n[backoffices.volt]\nurl = \"wss://volt.example/{charger}\"\n\
                basic_auth = { user = \"u\", password = \"${file:no-such-file}\" }\n[backoffices]\nacme.url = \"?\"\n\
                [[chargers]]\nmatch = \"CP*\"\nleader = \"volt\"\nfollowers = [{ backoffice = \"acme\" }]\n";
    fs::write(&path, text).unwrap();
    let plan = rules(&path).unwrap().plan(&"cp7".into(), None).unwrap();
    assert_eq!(plan.plan.backoffices().map(|id| id.as_str()).collect::<Vec<_>>(), ["volt", "acme"]);
    fs::write(&path, text.replace("leader = \"volt\"", "leader = \"vlt\"")).unwrap();
    let report = rules(&path).unwrap_err().to_string();
    assert!(
        report.ends_with(":10:10: leader names the unknown backoffice \"vlt\"; did you mean \"volt\"?"),
        "{report}"
    );
}

#[test]
fn an_empty_file_is_the_defaults() {
    let config = read_in(Path::new("/etc/p"), "").unwrap();
    assert_eq!(config.fixed.chargers, Some("0.0.0.0:9000".parse().unwrap()));
    assert_eq!(config.fixed.path, "/ocpp/");
    assert_eq!(config.fixed.admin, Some("127.0.0.1:9090".parse().unwrap()));
    assert_eq!(config.fixed.portal, Some("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(config.fixed.store, PathBuf::from("/etc/p/ocpp-proxy.db"));
    assert!(config.fixed.log_messages);
    assert_eq!(config.fixed.keep_log_for, Duration::from_secs(30 * 86_400));
    assert_eq!(config.fixed.keep_log_bytes, 10_000_000_000);
    assert!(config.routing.rule(&"CP1".into()).is_none());
}

#[test]
fn what_takes_a_restart_is_named() {
    let read = |text: &str| read_in(Path::new(""), text).unwrap().fixed;
    let sections = |text: &str| read(text).differences_from(&read("")).collect::<Vec<_>>();
    assert!(sections("[listen]\npath = \"/ocpp/\"\n").is_empty());
    assert_eq!(sections("[listen]\nadmin = \"off\"\n[log]\nkeep_days = 2\n"), ["[listen]", "[log]"]);
    assert_eq!(sections("[portal]\nlisten = \"off\"\n"), ["portal.listen"]);
    assert_eq!(sections("[store]\npath = \"other.db\"\n"), ["[store]"]);
}

#[test]
fn admin_can_be_off() {
    let config = read_in(Path::new(""), "[listen]\nadmin = \"off\"\n").unwrap();
    assert_eq!(config.fixed.admin, None);
}

#[test]
fn values_come_from_elsewhere() {
    let folder = folder();
    let expansions = [
        ("plain", "plain"),
        ("${SET}", "from the environment"),
        ("a ${SET} b ${SET}", "a from the environment b from the environment"),
        ("${SET:-default}", "from the environment"),
        ("${MISSING:-default}", "default"),
        ("${MISSING:-}", ""),
        ("${MISSING:-a:-b}", "a:-b"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}", ""),
        ("${file:secret}", "from a file"),
        ("${file:windows}", "from a file"),
        ("${file:two-lines}", "one\ntwo\n"),
        ("$${SET}", "${SET}"),
        ("$${SET} ${SET}", "${SET} from the environment"),
        ("$SET {charger} $", "$SET {charger} $"),
    ];
    assert_eq!(expansions.len(), 15);
    for (written, expected) in expansions {
        let text = format!(
            "[backoffices.volt]\nurl = \"wss://volt.example/{{charger}}\"\n\
             basic_auth = {{ user = \"u\", password = '{written}' }}\n"
        );
        let config = read_in(folder.path(), &text).unwrap();
        let auth = config.routing.backoffices[&"volt".into()].basic_auth.clone().unwrap();
        assert_eq!(auth.password.reveal(), expected, "{written}");
        assert!(!format!("{config:?}").contains("from a file"), "secrets are not shown");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused_with_its_place() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("proxy.toml");
    fs::write(&path, b"[listen]\npath = \"\xff\"\n").unwrap();
    let report = load(&path).outcome.unwrap_err().to_string();
    assert!(report.ends_with("proxy.toml:2:9: this is not UTF-8 text; save the file as UTF-8"), "{report}");
}

#[test]
fn a_file_that_is_missing_is_refused_with_a_way_on() {
    let report = load(Path::new("nowhere.toml")).outcome.unwrap_err().to_string();
    assert!(report.starts_with("nowhere.toml:1:1: cannot be read: there is no such file; "), "{report}");
    assert!(report.contains("ocpp-proxy demo"), "{report}");
}

#[test]
fn the_reference_names_every_key() {
    let page = markdown();
    let keys = [
        "chargers",
        "path",
        "admin",
        "keep_transactions_days",
        "messages",
        "keep_days",
        "keep_size",
        "listen",
        "users",
        "users[].name",
        "users[].password_hash",
        "users[].role",
        "tokens",
        "tokens[].name",
        "tokens[].hash",
        "tokens[].role",
        "url",
        "basic_auth",
        "basic_auth.user",
        "basic_auth.password",
        "ca_file",
        "card_aliases",
        "match",
        "leader",
        "followers",
        "followers[].backoffice",
        "followers[].role",
        "followers[].allow",
        "followers[].deny",
        "followers[].keys",
        "followers[].purposes",
        "followers[].stack_levels",
        "followers[].vendors",
        "followers[].sessions",
        "followers[].commands_per_minute",
        "followers[].refuse_with",
        "leader_source",
        "on_leader_lost",
        "leader_grace",
        "failover_to",
        "failover_after",
        "fail_back_after",
        "unknown_cards",
        "late_reject",
        "absorb_leader_errors",
        "cards.policy",
        "cards.deciders",
        "cards.missing",
        "cards.next_on",
        "cards.wait",
        "cards.accept",
        "cards.routes",
        "cards.routes[].cards",
        "cards.routes[].backoffice",
        "cards.fallback",
        "cards.undecided_start",
        "cards.leader_may_stop_foreign",
        "sharing.profiles",
        "sharing.leader_stack_levels",
        "sharing.volts",
        "sharing.phases",
        "sharing.local_list",
        "sharing.availability",
        "sharing.overruled",
        "sharing.leader_clears_all",
        "sharing.reset_in_foreign_session",
        "sharing.status_from_memory",
    ];
    for key in keys {
        assert!(page.contains(&format!("\n| `{key}` |")), "{key}\n{page}");
    }
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
    let expected = [
        "## `[listen]`",
        "## `[store]`",
        "## `[log]`",
        "## `[portal]`",
        "## `[backoffices.NAME]`",
        "## `[[chargers]]`",
    ];
    assert_eq!(headings, expected);
}

#[test]
fn the_rules_are_read_without_listeners_keys_and_passwords() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("proxy.toml");
    let text = r#"
        [listen.tls]
        chargers = "127.0.0.1:9443"
        certificates = [{ chain = "not-mine.pem", key = "not-mine.key" }]
        client_ca = "not-mine-either.pem"
        [backoffices.volt]
        url = "wss://volt.example/{charger}"
        basic_auth = { user = "{charger}", password = "${file:/nobody/may/read/this}" }
        [[chargers]]
        match = "TLS-*"
        leader = "volt"
        security_profile = 2
        keys = { "TLS-1" = "${NOT_SET_HERE}" }
        [[chargers]]
        match = "CERT-*"
        leader = "volt"
        security_profile = 3
    "#;
    fs::write(&path, text).unwrap();
    let rules = rules(&path).unwrap().rules;
    assert_eq!(rules.len(), 2);
    assert!(rules[0].entrance.keys.contains_key(&"TLS-1".into()));
}
