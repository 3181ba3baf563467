//! A server that nobody may ask: its address stands wherever a URL can stand, and the program must never go there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::conversations;
use crate::program::Logging;
use crate::requests::Entrants;
use crate::stage::Backoffices;
use crate::support::{PATIENCE, eventually};

const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// Counts who connects.
fn counting(answer: impl Fn(usize) -> String + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let hit = counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(answer(hit).as_bytes());
        }
    });
    (address, hits)
}

#[test]
fn figure_s13_no_url_of_a_message_is_fetched() {
    let (canary, hits) = counting(|_| "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned());
    let backoffices = Backoffices::start();
    // Backoffices, and an HTTP proxy before one, that send whoever asks elsewhere.
    let mut redirecting = Vec::new();
    for status in REDIRECTS {
        for scheme in ["ws", "http"] {
            let location = format!("{scheme}://{canary}/redirected");
            redirecting.push(counting(move |_| {
                format!(
                    "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nRefresh: 0;url={location}\r\n\
                     Alt-Svc: h2=\"{location}\"\r\nContent-Length: 0\r\n\r\n"
                )
            }));
        }
    }
    let entrants = Entrants::new();
    let mut rules = format!(
        "[backoffices]\nlead.url = \"{}\"\nfollow.url = \"{}\"\n",
        backoffices.url("lead"),
        backoffices.url("follow")
    );
    let mut followers = "{ backoffice = \"follow\", role = \"maintenance\" }".to_owned();
    for (number, (address, _)) in redirecting.iter().enumerate() {
        rules += &format!("direct{number}.url = \"ws://{address}/{{charger}}\"\n");
        rules += &format!("tunnel{number}.url = \"ws://tunnelled.invalid/{{charger}}\"\n");
        rules += &format!("tunnel{number}.proxy = \"http://{address}\"\n");
        followers +=
            &format!(", {{ backoffice = \"direct{number}\" }}, {{ backoffice = \"tunnel{number}\" }}");
    }
    rules += &format!(
        "[[chargers]]\nmatch = \"CP*\"\nunknown_chargers = \"admit\"\nleader = \"lead\"\nfollowers = [{followers}]\n"
    );
    let mut program = Logging::start(&(rules + &entrants.configuration), false);
    let (chargers, portal) = (program.address("chargers"), program.address("portal"));

    let mut places = 0;
    for scheme in ["http", "ftp", "ws"] {
        let url = format!("{scheme}://{canary}/said");
        let lines = conversation(&url);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        conversations::play(chargers, &backoffices, &format!("CP-{scheme}"), &lines);
        places += lines.iter().map(|line| line.matches(&*url).count()).sum::<usize>();
        let encoded = url.replace(':', "%3A").replace('/', "%2F");
        for (address, request) in [
            (chargers, format!("GET /ocpp/{encoded} HTTP/1.1\r\nHost: {canary}\r\nReferer: {url}\r\n\r\n")),
            (chargers, format!("GET {url} HTTP/1.1\r\nHost: {canary}\r\nOrigin: {url}\r\n\r\n")),
            (
                portal,
                format!("GET /login?next={encoded} HTTP/1.1\r\nHost: {canary}\r\nReferer: {url}\r\n\r\n"),
            ),
            (portal, format!("GET {url} HTTP/1.1\r\nHost: {canary}\r\nX-Forwarded-Host: {canary}\r\n\r\n")),
            (portal, format!("CONNECT {canary} HTTP/1.1\r\nHost: {canary}\r\n\r\n")),
        ] {
            places += request.matches(&*canary).count() + request.matches(&*encoded).count();
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            assert_ne!(stream.read(&mut [0; 512]).unwrap(), 0, "{request}");
        }
    }
    // Each redirect was met, as a backoffice and as an HTTP proxy.
    for (address, asked) in &redirecting {
        eventually(&format!("dials to {address}"), || (asked.load(Ordering::SeqCst) >= 2).then_some(()));
    }
    program.end();
    let met: usize = redirecting.iter().map(|(_, asked)| asked.load(Ordering::SeqCst)).sum();
    let hits = hits.load(Ordering::SeqCst);
    assert_eq!(hits, 0, "somebody went where a message said");
    assert!(places > 60, "{places}");
    figures::row(
        "S13",
        format!(
            "a canary's address in {places} places of messages and requests, and in {met} redirects met while dialing"
        ),
        format!("{hits} connections to it"),
    );
}

/// Everything in which OCPP 1.6 carries a URL, and some in which it does not.
fn conversation(url: &str) -> Vec<String> {
    let command = |by: &str, id: &str, action: &str, request: &str| {
        [
            format!(r#"{by}> [2,"{id}","{action}",{request}]"#),
            format!(r#"C< [2,*,"{action}",*]"#),
            format!(r#"C> [3,$C,{{"status":"Accepted","fileName":"{url}"}}]"#),
            format!(r#"{by}< [3,"{id}",*]"#),
        ]
    };
    let mut lines = vec![
        format!(
            r#"boots: [2,"1","BootNotification",{{"chargePointVendor":"{url}","chargePointModel":"{url}","firmwareVersion":"{url}"}}]"#
        ),
        format!(r#"passes: [2,"2","Authorize",{{"idTag":"{url}"}}]"#),
        format!(
            r#"passes: [2,"3","StatusNotification",{{"connectorId":1,"status":"Available","errorCode":"NoError","info":"{url}"}}]"#
        ),
        format!(
            r#"passes: [2,"4","DataTransfer",{{"vendorId":"{url}","messageId":"{url}","data":"{url}"}}]"#
        ),
        format!(r#"passes to the leader: [2,"5","{url}",{{"url":"{url}"}}]"#),
        format!(r#"L> [2,"6","ChangeConfiguration",{{"key":"CentralSystemURL","value":"{url}"}}]"#),
        r#"L< [3,"6",{"status":"Rejected"}]"#.to_owned(),
    ];
    let signed = format!(
        r#"{{"requestId":1,"firmware":{{"location":"{url}","retrieveDateTime":"2026-11-23T00:00:00Z","signingCertificate":"-","signature":"-"}}}}"#
    );
    lines.extend(command(
        "L",
        "7",
        "ChangeConfiguration",
        &format!(r#"{{"key":"LightShow","value":"{url}"}}"#),
    ));
    lines.extend(command("F", "8", "GetDiagnostics", &format!(r#"{{"location":"{url}"}}"#)));
    lines.extend(command("L", "9", "DataTransfer", &format!(r#"{{"vendorId":"a","data":"{url}"}}"#)));
    lines.extend(command("L", "10", "SignedUpdateFirmware", &signed));
    lines
}
