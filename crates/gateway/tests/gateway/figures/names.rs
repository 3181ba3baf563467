//! S5: URLs that are to be read as one charger here and as another there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use figures::{counted, row};
use gateway::Pattern;
use percent_encoding::percent_decode_str;

use crate::backoffice::{Backoffice, Manner};
use crate::charger::{Charger, UPGRADE};
use crate::world::{World, routing, settings};

/// What may come of a trick.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It is refused.
    Refused,
    /// It is this charger, or it is refused.
    At(String),
}

/// A path, and what may come of it.
type Trick = (String, Fate);

const NAMES: [&str; 3] = ["CP1", "SITE1-01", "depot.7"];

fn escaped(text: &str, capitals: bool) -> String {
    text.bytes().map(|byte| if capitals { format!("%{byte:02X}") } else { format!("%{byte:02x}") }).collect()
}

fn at(name: impl Into<String>) -> Fate {
    Fate::At(name.into())
}

/// What must not stand anywhere in an identity, at its beginning, within it and at its end.
fn forbidden(tricks: &mut Vec<Trick>) {
    let forbidden = [
        "/",
        "\\",
        ":",
        "\0",
        "\x01",
        "\x1b",
        "\x7f",
        "\u{85}",
        "\u{ad}",
        "\u{34f}",
        "\u{200b}",
        "\u{200e}",
        "\u{202e}",
        "\u{2028}",
        "\u{2066}",
        "\u{feff}",
        "\u{fe0f}",
        "\u{3164}",
        "\u{a0}",
        "\u{3000}",
        "\u{e0001}",
        "..",
    ];
    for what in forbidden {
        for (name, capitals) in NAMES.iter().zip([true, false, true]) {
            let what = escaped(what, capitals);
            let middle = name.len() / 2;
            tricks.push((format!("{what}{name}"), Fate::Refused));
            tricks.push((format!("{}{what}{}", &name[..middle], &name[middle..]), Fate::Refused));
            tricks.push((format!("{name}{what}"), Fate::Refused));
        }
    }
    // White space is cut off at the ends, and refused within.
    for what in ["%20", "%09", "%0A", "%0d%0a", "%0C"] {
        tricks.push((format!("{what}CP1"), at("CP1")));
        tricks.push((format!("CP1{what}"), at("CP1")));
    }
    for what in ["%09", "%0A", "%0d%0a", "%0C", "%0B"] {
        tricks.push((format!("CP{what}1"), Fate::Refused));
    }
}

/// Letters that look like those of a name that somebody else has.
fn confusable(tricks: &mut Vec<Trick>) {
    let alike = [
        ('C', "\u{421}\u{3f9}\u{ff23}\u{216d}\u{1d402}\u{13df}"),
        ('P', "\u{420}\u{3a1}\u{ff30}\u{1d40f}\u{2119}\u{13e2}"),
        ('1', "\u{ff11}\u{1d7cf}\u{2460}\u{b9}"),
        ('S', "\u{405}\u{ff33}\u{1d412}\u{13da}\u{54f}"),
        ('I', "\u{406}\u{399}\u{ff29}\u{2160}\u{1d408}\u{4c0}"),
        ('T', "\u{422}\u{3a4}\u{ff34}\u{1d413}\u{13a2}"),
        ('E', "\u{415}\u{395}\u{ff25}\u{1d404}\u{13ac}"),
        ('d', "\u{ff44}\u{217e}\u{1d41d}\u{501}"),
        ('e', "\u{435}\u{ff45}\u{1d41e}\u{212f}"),
        ('p', "\u{440}\u{3c1}\u{ff50}\u{1d429}"),
        ('o', "\u{43e}\u{3bf}\u{ff4f}\u{1d428}\u{585}"),
        ('t', "\u{ff54}\u{1d42d}"),
        ('-', "\u{2010}\u{2011}\u{2012}\u{2013}\u{2212}\u{ff0d}"),
        ('0', "\u{ff10}\u{1d7ce}"),
        ('7', "\u{ff17}\u{1d7d5}"),
    ];
    for name in NAMES {
        for (place, letter) in name.char_indices() {
            let others =
                alike.iter().filter(|(plain, _)| *plain == letter).flat_map(|(_, others)| others.chars());
            for other in others {
                let mut trick = name.to_owned();
                trick.replace_range(place..=place, &other.to_string());
                tricks.push((escaped(&trick, true), Fate::Refused));
            }
        }
    }
    // One letter, written in two ways.
    for (composed, apart) in [("L\u{e4}den", "La\u{308}den"), ("\u{c9}t\u{e9}", "E\u{301}te\u{301}")] {
        tricks.push((escaped(composed, true), at(composed)));
        tricks.push((escaped(apart, false), Fate::Refused));
    }
}

/// What is no UTF-8, no escape, or too much.
fn malformed(tricks: &mut Vec<Trick>) {
    let broken = [
        "%",
        "%1",
        "%zz",
        "%%",
        "%u0043",
        "%FF",
        "%C0%AF",
        "%c0%80",
        "%E0%80%AF",
        "%ED%A0%80",
        "%F0%80%80%AF",
        "%F8%88%80%80%AF",
        "%80",
        "%C3",
        "%F4%90%80%80",
    ];
    for what in broken {
        tricks.push((format!("CP1{what}"), Fate::Refused));
        tricks.push((format!("{what}CP1"), Fate::Refused));
        tricks.push((format!("CP{what}1"), Fate::Refused));
    }
    for length in [49, 64, 100, 255, 300, 1_000] {
        tricks.push(("x".repeat(length), Fate::Refused));
        tricks.push(("%41".repeat(length), Fate::Refused));
    }
    tricks.push(("%41".repeat(48), at("A".repeat(48))));
}

/// Segments, parameters and whole URLs around a name.
fn surrounded(tricks: &mut Vec<Trick>) {
    for dots in ["..", ".", "%2e", "%2E%2e", ".%2e", "%2e."] {
        for trick in [dots.to_owned(), format!("{dots}/CP1"), format!("CP1/{dots}"), format!("a/{dots}/CP1")]
        {
            tricks.push((trick, Fate::Refused));
        }
    }
    for trick in [
        "CP1/",
        "CP1//",
        "/CP1",
        "tenant/CP1",
        "CP2/CP1",
        "ws://proxy.example/ocpp/CP1",
        "CP%31",
        "%43%50%31",
    ] {
        tricks.push((trick.to_owned(), at("CP1")));
    }
    for trick in ["CP1?", "CP1?CP2", "CP1?x=/ocpp/CP2", "CP1?/../CP2"] {
        tricks.push((trick.to_owned(), at("CP1")));
    }
    let own = [
        ("CP1%3FCP2", "CP1?CP2"),
        ("CP1%23", "CP1#"),
        ("CP1;CP2", "CP1;CP2"),
        ("CP1%3Bx=1", "CP1;x=1"),
        ("CP1%26x", "CP1&x"),
        ("CP1+", "CP1+"),
        ("CP+1", "CP+1"),
        ("CP1%2B", "CP1+"),
        ("CP%201", "CP 1"),
        ("%22CP1%22", "\"CP1\""),
        ("CP1%7CCP2", "CP1|CP2"),
        ("%7Bcharger%7D", "{charger}"),
        ("*", "*"),
        ("CP*", "CP*"),
        ("CP1%0", ""),
    ];
    for (trick, name) in own {
        tricks.push((trick.to_owned(), if name.is_empty() { Fate::Refused } else { at(name) }));
    }
}

/// Escapes of escapes, and capitals.
fn doubled(tricks: &mut Vec<Trick>) {
    for what in
        ["2F", "5C", "3A", "00", "0A", "0D", "2e%252e", "E2%2580%258B", "C0%25AF", "31", "252F", "25252F"]
    {
        for name in NAMES {
            let once = format!("{name}%25{what}");
            let decoded = percent_decode_str(&once).decode_utf8().unwrap().into_owned();
            tricks.push((once, at(decoded)));
        }
    }
    for name in NAMES {
        for mask in 1..24_u32 {
            let letters = name.chars().enumerate();
            let mixed: String = letters
                .map(
                    |(place, c)| {
                        if mask >> place & 1 == 1 { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() }
                    },
                )
                .collect();
            tricks.push((mixed, at(name)));
        }
    }
}

fn tricks() -> Vec<Trick> {
    let mut tricks = Vec::new();
    forbidden(&mut tricks);
    confusable(&mut tricks);
    malformed(&mut tricks);
    surrounded(&mut tricks);
    doubled(&mut tricks);
    tricks
}

/// S5: identities written to be read in two ways, under a rule that lets in everybody
#[tokio::test]
async fn figure_s05_an_identity_is_one_charger_everywhere_or_refused() {
    let backoffice = Backoffice::new().await;
    let mut routing = routing(&[("volt", &backoffice.url())]);
    routing.rules[0].pattern = Pattern::new("*").unwrap();
    let settings = gateway::Settings { handshake_burst: 10_000, ..settings() };
    let world = World::with(settings, routing).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    tokio::spawn(async move {
        let mut links = Vec::new();
        loop {
            let (one, link) = backoffice.link(Manner::Agree).await;
            heard.lock().unwrap().push(one.path);
            links.push(link);
        }
    });
    // The chargers whose names are played with have been here before.
    for name in NAMES {
        assert_eq!(Charger::dial(world.address, name).await.status, 101);
    }
    let mut tail = world.gateway.subscribe();
    let tricks = tricks();
    let (mut refused, mut let_in, mut expected) = (0, 0, BTreeSet::from(NAMES.map(str::to_owned)));
    let mut wrong = Vec::new();
    for (trick, fate) in &tricks {
        let headers = format!("{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n");
        let line = format!("GET /ocpp/{trick} HTTP/1.1");
        let charger = Charger::request(world.address, "127.0.0.1", &line, &headers).await;
        match (charger.status, fate) {
            (400 | 404, _) => refused += 1,
            (101, Fate::At(name)) => {
                let_in += 1;
                expected.insert(name.clone());
                // What the log calls it.
                let logged = loop {
                    let (charger, note) = tail.recv().await.unwrap();
                    if matches!(*note, engine::Note::ChargerArrived) {
                        break charger;
                    }
                };
                if logged.as_str() != name {
                    wrong.push(format!("{trick}: {logged} in the log instead of {name}"));
                }
            }
            (status, fate) => wrong.push(format!("{trick}: {status}, {fate:?}")),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(tricks.len() >= 500, "{}", tricks.len());
    // Whom the backoffice was told of.
    let mut elsewhere = 0;
    let asked = asked.lock().unwrap();
    for path in asked.iter() {
        let name = percent_decode_str(path.strip_prefix("/csms/").unwrap()).decode_utf8().unwrap();
        elsewhere += usize::from(!expected.contains(name.as_ref()));
    }
    assert_eq!((elsewhere, asked.len()), (0, expected.len()));
    row(
        "S5",
        format!(
            "{} URLs made to be read in two ways, under a rule that lets in everybody",
            counted(tricks.len())
        ),
        format!(
            "{} refused, {} let in as the one charger that they name: {elsewhere} reached a backoffice or the log under \
             another name",
            counted(refused),
            counted(let_in)
        ),
    );
}
