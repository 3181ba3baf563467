//! Secrets of every kind, wherever a peer, an operator or a file can put one, and every way out of the program: none comes
//! out by any of them.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::conversations;
use crate::program::{Logging, SECRET};
use crate::requests::Entrants;
use crate::stage::Backoffices;
use crate::support::{PATIENCE, eventually};
use crate::wire::Wire;

/// What every secret begins with; in base64 at each of the three places where it can stand in a group.
const MARKS: [&str; 5] = ["CANARY", "Q0FOQVJZ", "NBTkFSW", "DQU5BUl", "43414e415259"];
/// The card that the messages are found by; no secret.
const CARD: &str = "04A2B3C4D5E6F7";

/// What the charger, its leader and its follower say, with a secret in each line.
const CONVERSATION: &str = r#"
boots: [2,"1","BootNotification",{"chargePointVendor":"Acme","chargePointModel":"One"}]
passes: [2,"2","Authorize",{"idTag":"04A2B3C4D5E6F7"}]
passes: [2,"3","DataTransfer",{"vendorId":"a","data":"wifi ssid=x password=CANARY-01"}]
passes: [2,"4","DataTransfer",{"vendorId":"a","data":"{\"password\":\"CANARY-02\"}"}]
passes: [2,"5","DataTransfer",{"vendorId":"a","data":"Authorization: Basic Q0FOQVJZLTAzOnNlY3JldA=="}]
passes to the leader: [2,"6","VendorLogin",{"apiToken":"CANARY-04"}]
C> [2,"7","DataTransfer",{"password":"CANARY-05",}]
C> [2,"8","DataTransfer"
C> {"AuthorizationKey":"CANARY-06"}
C> password=CANARY-07
C> [3,"CANARY-08",{"token":"CANARY-08"}]
C> [7,"9",{"secret":"CANARY-09"}]
C> [2,"10",{"secret":"CANARY-10"}]
C< [4,"10","FormationViolation",*]
L> password=CANARY-11
F> {"token":"CANARY-12"
L> [3,"CANARY-13",{"token":"CANARY-13"}]
L> [2,"11","GetConfiguration",{}]
C< [2,*,"GetConfiguration",{}]
C> [3,$C,{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"CANARY-14"},{"key":"WiFiPassword","readonly":false,"value":"CANARY-15"},{"key":"Cellular.APN.Password","readonly":false,"value":"CANARY-16"},{"key":"SimPin","readonly":false,"value":"CANARY-17"}]}]
L< [3,"11",*]
L> [2,"12","ChangeConfiguration",{"key":"WifiPsk","value":"CANARY-18"}]
C< [2,*,"ChangeConfiguration",*]
C> [4,$C,"InternalError","token=CANARY-19",{"secret":"CANARY-20"}]
L< [4,"12",*]
L> [2,"13","ChangeConfiguration",{"key":"apnPassword","value":"CANARY-21"}]
L< [3,"13",{"status":"Rejected"}]
F> [2,"14","ChangeConfiguration",{"key":"BasicAuthPassword","value":"CANARY-22"}]
F< [*
L> [2,"15","DataTransfer",{"vendorId":"a","data":"{\"wifi\":{\"psk\":\"CANARY-23\"}}"}]
C< [2,*,"DataTransfer",*]
C> [3,$C,{"status":"Accepted","data":"password: CANARY-24"}]
L< [3,"15",*]
L> [2,"16","InstallCertificate",{"certificateType":"ManufacturerRootCertificate","certificate":"-----BEGIN PRIVATE KEY-----\nCANARY-25\n-----END PRIVATE KEY-----"}]
C< [2,*,"InstallCertificate",*]
C> [3,$C,{"status":"Accepted"}]
L< [3,"16",*]
L> [2,"17","GetDiagnostics",{"location":"ftp://user:CANARY-26@files.example/up"}]
C< [2,*,"GetDiagnostics",*]
C> [3,$C,{"fileName":"log.zip?token=CANARY-27"}]
L< [3,"17",*]
L> [2,"18","SignedUpdateFirmware",{"requestId":1,"firmware":{"location":"https://files.example/fw?sig=CANARY-28","retrieveDateTime":"2026-11-23T00:00:00Z","signingCertificate":"-","signature":"-"}}]
C< [2,*,"SignedUpdateFirmware",*]
C> [3,$C,{"status":"Accepted"}]
L< [3,"18",*]
C> [2,"19","DataTransfer",{"vendorId":"b"}]
L< [2,*,"DataTransfer",{"vendorId":"b"}]
F< [2,*,"DataTransfer",{"vendorId":"b"}]
L> [4,$L,"InternalError","bad token=CANARY-29",{"cookie":"CANARY-30"}]
F> [4,$F,"InternalError","Authorization: Bearer CANARY-31",{"secret":"CANARY-32"}]
C< [4,"19",*]
"#;

#[test]
fn figure_s12_no_secret_comes_out() {
    let backoffices = Backoffices::start();
    let echoing = TcpListener::bind("127.0.0.1:0").unwrap();
    let echo_address = echoing.local_addr().unwrap();
    thread::spawn(move || echo(&echoing));
    let entrants = Entrants::new();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("password"), "CANARY-of-a-file\n").unwrap();
    let own = rcgen::generate_simple_self_signed(["acme.example".to_owned()]).unwrap();
    let key = own.signing_key.serialize_pem();
    fs::write(folder.path().join("own.pem"), own.cert.pem()).unwrap();
    fs::write(folder.path().join("own.key"), &key).unwrap();
    let rules = format!(
        "[listen.tls]\nchargers = \"127.0.0.1:0\"\ncertificates = [{{ chain = \"own.pem\", key = \"own.key\" }}]\n\
         [backoffices]\n\
         lead = {{ url = \"{}\", basic_auth = {{ user = \"u\", password = \"CANARY-inline\" }} }}\n\
         follow = {{ url = \"{}\", basic_auth = {{ user = \"u\", password = \"${{SECRET}}\" }} }}\n\
         echo = {{ url = \"ws://{echo_address}/{{charger}}\", basic_auth = {{ user = \"u\", password = \"${{file:password}}\" }} }}\n\
         [[chargers]]\nmatch = \"CP*\"\nunknown_chargers = \"admit\"\nleader = \"lead\"\n\
         followers = [{{ backoffice = \"follow\", role = \"control\" }}, {{ backoffice = \"echo\" }}]\n\
         [chargers.keys]\n\"CP-KEY\" = \"CANARY-of-charger\"\n",
        backoffices.url("lead"),
        backoffices.url("follow"),
    );
    let program = Logging::start_in(folder, &(rules + &entrants.configuration), false);
    let (chargers, portal, admin) =
        (program.address("chargers"), program.address("portal"), program.address("admin"));

    // At the doors: right, wrong and superfluous secrets.
    let basic = |text: &str| format!("Authorization: Basic {text}\r\n");
    for (path, header) in [
        ("/ocpp/CP-2?token=CANARY-33", basic("Q1AtMjpDQU5BUlktMzQ=")),
        (
            "/ocpp/CP-3",
            "Authorization: Bearer CANARY-35\r\nCookie: session=CANARY-36\r\nX-Api-Key: CANARY-37\r\n"
                .to_owned(),
        ),
        ("/ocpp/CP-KEY", basic("Q1AtS0VZOkNBTkFSWS1vZi1jaGFyZ2Vy")),
        ("/ocpp/CP-KEY", basic("Q1AtS0VZOkNBTkFSWS1ndWVzc2Vk")),
        ("/ocpp/NOBODY?key=CANARY-38", basic("Tk9CT0RZOkNBTkFSWS0zOQ==")),
    ] {
        if let Ok(wire) = Wire::dial(chargers, path, &header) {
            wire.leave();
        }
    }
    let lines: Vec<&str> = CONVERSATION.lines().filter(|line| !line.is_empty()).collect();
    conversations::play(chargers, &backoffices, "CP-1", &lines);
    let words = entrants.words(portal, "CP-1");
    ask(
        portal,
        "POST /login",
        "Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://x\r\nContent-Length: 28\r\n",
        "name=anna&password=CANARY-40",
    );
    ask(portal, "GET /api/v1/chargers", "Authorization: Bearer opx_CANARY-41\r\nCookie: a=CANARY-42\r\n", "");

    // Every way out.
    let cookie = format!("Cookie: {}\r\n", words.meaning("{cookie}"));
    let token = format!("Authorization: Bearer {}\r\n", words.meaning("{operator}"));
    eventually("the log of the charger", || {
        let page = ask(portal, "GET /chargers/CP-1/logs.ndjson", &cookie, "");
        (page.contains("CANARY-of") || page.matches("«redacted»").count() > 15).then_some(())
    });
    let mut ways: Vec<(String, Vec<u8>)> = Vec::new();
    for path in [
        "/chargers",
        "/chargers/CP-1",
        "/chargers/CP-1/logs",
        "/chargers/CP-1/proxy",
        "/chargers/CP-1/cards",
        "/chargers/CP-1/transactions",
        "/chargers/CP-1/deliveries?backoffice=follow",
        "/chargers/CP-1/switch",
        "/chargers/CP-1/switch.csv",
        "/chargers/CP-1/logs.ndjson",
        "/chargers/CP-1/logs.csv",
        "/chargers/CP-KEY/logs",
        "/transactions",
    ] {
        ways.push((path.to_owned(), ask(portal, &format!("GET {path}"), &cookie, "").into_bytes()));
    }
    for path in [
        "chargers",
        "chargers/CP-1",
        "calls?charger=CP-1",
        "occurrences?charger=CP-1",
        "chargers/CP-1/proxy",
        "chargers/CP-1/why",
        "comparison?charger=CP-1&follower=follow",
        "transactions?charger=CP-1",
    ] {
        ways.push((path.to_owned(), ask(portal, &format!("GET /api/v1/{path}"), &token, "").into_bytes()));
    }
    ways.push(("/metrics".to_owned(), ask(admin, "GET /metrics", "", "").into_bytes()));
    for arguments in [
        &["logs", "CP-1"][..],
        &["logs", "CP-1", "--json"],
        &["why", "CP-1", "--id-tag", CARD],
        &["deliveries"],
        &["chargers"],
        &["leader", "CP-1"],
        &["check"],
    ] {
        ways.push((arguments.join(" "), program.printed(arguments).into_bytes()));
    }
    // A configuration that is wrong where its secrets stand.
    let folder = program.folder.path().to_owned();
    let good = fs::read_to_string(folder.join("proxy.toml")).unwrap();
    for wrong in [
        good.replace("ws://", "ws://user:CANARY-43@"),
        good.replace("\"CANARY-inline\"", "CANARY-inline"),
        good.replace("password = \"CANARY-inline\"", "pasword = \"CANARY-inline\""),
        good.replace("\"CANARY-of-charger\"", "\"CANARY-short\""),
    ] {
        fs::write(folder.join("wrong.toml"), wrong).unwrap();
        let said = program.printed(&["check", "--config", "wrong.toml"]);
        assert!(said.contains("wrong.toml:"), "{said}");
        ways.push(("check of a wrong file".to_owned(), said.into_bytes()));
    }
    let mut program = program;
    program.end();
    ways.push(("the program's log".to_owned(), program.text().into_bytes()));
    for file in ["ocpp-proxy.db", "ocpp-proxy.db-wal"] {
        ways.push((file.to_owned(), fs::read(folder.join(file)).unwrap_or_default()));
    }

    let mut secrets: Vec<Vec<u8>> = MARKS.iter().map(|mark| mark.as_bytes().to_vec()).collect();
    secrets.push(key.lines().nth(1).unwrap().into());
    secrets.push(fs::read(folder.join("ocpp-proxy.db.secret")).unwrap());
    secrets.push(words.meaning("{cookie}").split_once('=').unwrap().1.into());
    secrets.push(words.meaning("{csrf}").into());
    secrets.push(words.meaning("{operator}").into());
    secrets.push(b"correct horse".to_vec());
    let mut hits = Vec::new();
    for (way, bytes) in &ways {
        for secret in &secrets {
            // Its own page gives a browser the token of its forms.
            if *secret == words.meaning("{csrf}").as_bytes() && way.starts_with('/') {
                continue;
            }
            if let Some(at) = bytes.windows(secret.len()).position(|window| window == secret) {
                let around = &bytes[at.saturating_sub(80)..(at + 40).min(bytes.len())];
                hits.push(format!("{way}: {}", String::from_utf8_lossy(around)));
            }
        }
    }
    assert!(hits.is_empty(), "{} hits:\n{}", hits.len(), hits.join("\n"));
    let all = good.matches("CANARY").count()
        + CONVERSATION.matches("CANARY").count()
        + SECRET.matches("CANARY").count();
    assert!(ways.iter().all(|(way, bytes)| !bytes.is_empty() || way.ends_with("wal") || way == "deliveries"));
    assert!(all >= 25, "{all}");
    figures::row(
        "S12",
        format!(
            "{all} secrets in messages and configuration, besides those at the doors, looked for in {} ways out",
            ways.len()
        ),
        format!("{} hits", hits.len()),
    );
}

/// A backoffice that refuses with everything that it was told.
fn echo(listener: &TcpListener) {
    for mut stream in listener.incoming().map_while(Result::ok) {
        let mut asked = [0; 2048];
        let count = stream.read(&mut asked).unwrap_or_default();
        let said = String::from_utf8_lossy(&asked[..count]).replace(['\r', '\n'], " ");
        let _ = write!(
            stream,
            "HTTP/1.1 403 {said} CANARY-44\r\nX-Why: {said}\r\nContent-Length: {}\r\n\r\n{said}",
            said.len()
        );
    }
}

/// What is answered.
fn ask(address: SocketAddr, request: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    // Without the head, in which a login is given its cookie.
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned()
}
