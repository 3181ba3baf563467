//! Plays the table in which browsers, programs and strangers ask what they may not: HTTP by hand, because no
//! library sends what is wrong.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::stage::Stage;
use crate::support::PATIENCE;
use crate::text::bytes;
use crate::wire::header;

/// The password of the user `anna`, an operator.
const PASSWORD: &str = "correct horse battery";

/// Who may ask the portal what.
pub struct Entrants {
    /// Lines for proxy.toml.
    pub configuration: String,
    tokens: [(&'static str, String); 2],
}

/// What stands in for words in braces.
pub struct Words(Vec<(&'static str, String)>);

impl Entrants {
    /// A user, and a token of each role.
    pub fn new() -> Self {
        let password = printed(&["hash-password"], &format!("{PASSWORD}\n"));
        let mut configuration = format!(
            "\n[[portal.users]]\nname = \"anna\"\n{}role = \"operator\"\n",
            line(&password, "password_hash")
        );
        let tokens = ["operator", "viewer"].map(|role| {
            let said = printed(&["hash-token"], "");
            let hash = line(&said, "hash");
            write!(configuration, "\n[[portal.tokens]]\nname = \"a-{role}\"\n{hash}role = \"{role}\"\n")
                .unwrap();
            (role, said.lines().find(|line| line.starts_with("opx_")).expect("a token").to_owned())
        });
        Self { configuration, tokens }
    }

    /// Logs anna in, and finds the token that her forms need.
    pub fn words(&self, host: SocketAddr, charger: &str) -> Words {
        let form = format!("name=anna&password={}", PASSWORD.replace(' ', "+"));
        let login = format!(
            "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let answer = ask(host, login.as_bytes());
        let cookie = header(&answer, "Set-Cookie").expect("a session").split(';').next().unwrap().to_owned();
        let page = format!(
            "GET /chargers/{charger}/leader?backoffice=follow HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\
             Connection: close\r\n\r\n"
        );
        let page = ask(host, page.as_bytes());
        let form = page.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("no form in {page}")).1;
        let csrf = form.split('"').next().unwrap().to_owned();
        let mut words = vec![("{cookie}", cookie), ("{csrf}", csrf)];
        words.extend(self.tokens.iter().map(|(role, token)| {
            (if *role == "operator" { "{operator}" } else { "{viewer}" }, token.clone())
        }));
        Words(words)
    }
}

impl Words {
    /// What stands for a word in braces.
    pub fn meaning(&self, wanted: &str) -> &str {
        &self.0.iter().find(|(word, _)| *word == wanted).expect("a known word").1
    }
}

/// Asks what one case says and compares what comes back.
///
/// # Panics
/// When it is something else.
pub fn play(stage: &Stage, words: &Words, lines: &[&str]) {
    let (door, asked) = lines[0].split_once(": ").unwrap_or_else(|| panic!("what is {:?}?", lines[0]));
    let address = match door {
        "portal" => stage.portal,
        "admin" => stage.proxy.admin,
        "chargers" => stage.proxy.chargers,
        other => panic!("what is {other:?}?"),
    };
    let said: Vec<&str> = lines[1..].iter().filter_map(|line| line.strip_prefix("> ")).collect();
    let body = lines.iter().find_map(|line| line.strip_prefix("body: ")).unwrap_or_default();
    let mut request = if asked == "raw" { String::new() } else { head(asked, body) };
    for line in said {
        request += line;
        request += "\r\n";
    }
    request += "\r\n";
    request += body;
    request = request.replace('⏎', "\r\n").replace("{host}", &address.to_string());
    for (word, meaning) in &words.0 {
        request = request.replace(word, meaning);
    }
    let mut request = bytes(&request);
    // The length of what a body stands for.
    if let Some(at) = find(&request, b"{length}") {
        let length = request.len() - find(&request, b"\r\n\r\n").expect("a head") - 4;
        request.splice(at..at + "{length}".len(), length.to_string().into_bytes());
    }
    let answer = ask(address, &request);
    let answers = answer.split("HTTP/1.").skip(1);
    // A body may speak of HTTP/1.1, too.
    let statuses: Vec<&str> = answers
        .filter_map(|answer| answer.get(2..5))
        .filter(|status| status.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    let expected: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("< ")).collect();
    let statuses = if statuses.is_empty() { vec!["nothing"] } else { statuses };
    let shown: String = answer.chars().take(600).collect();
    assert_eq!(statuses, expected, "{shown}");
    for text in lines.iter().filter_map(|line| line.strip_prefix("has: ")) {
        assert!(answer.contains(text), "no {text:?} in {shown}");
    }
    assert!(!answer.contains("panicked"), "{shown}");
}

/// `GET /target as operator`: the head of a usual request.
fn head(asked: &str, body: &str) -> String {
    let (asked, who) = asked.rsplit_once(" as ").unwrap_or((asked, "nobody"));
    let mut head = format!("{asked} HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\n");
    head += match who {
        "anna" => "Cookie: {cookie}\r\nOrigin: http://{host}\r\n",
        "operator" => "Authorization: Bearer {operator}\r\n",
        "viewer" => "Authorization: Bearer {viewer}\r\n",
        _ => "",
    };
    if !body.is_empty() {
        head += "Content-Length: {length}\r\n";
    }
    head
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Everything that comes back until the other side has said all.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // Whoever is answered before it has said everything finds the connection closed.
    let _ = socket.write_all(request);
    let mut answer = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend(&buffer[..count]),
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
    String::from_utf8_lossy(&answer).into_owned()
}

/// What the program prints.
fn printed(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ocpp-proxy"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// The line for proxy.toml that sets this key.
fn line(text: &str, key: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(key));
    format!("{}\n", line.unwrap_or_else(|| panic!("no {key} in {text}")))
}
