//! Pictures of the pages for README.md and docs/portal.md: `cargo xtask screenshots` writes them to
//! docs/images. Without it they are taken all the same, and thrown away.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::looks::knock;
use crate::scene::{REFUSED_CARD, Scene};
use crate::support::charger::RawCharger;
use crate::support::session;

/// Name, path, width, height, colour scheme.
const PICTURES: [(&str, &str, u32, u32, &str); 9] = [
    ("chargers", "/chargers", 1280, 720, "light"),
    ("logs", "/chargers/SITE1-GARAGE/logs?routine=hide", 1280, 860, "light"),
    ("logs-dark", "/chargers/SITE1-GARAGE/logs?q=StartTransaction", 1280, 720, "dark"),
    ("proxy", "/chargers/SITE1-GARAGE/proxy", 1280, 720, "light"),
    ("why", "/chargers/SITE1-GARAGE/cards?id_tag=04E9A1C2D3B4F5", 1280, 860, "light"),
    ("before-you-switch", "/chargers/SITE1-GARAGE/switch?follower=acme", 1280, 1100, "light"),
    ("knocking", "/knocking", 1280, 860, "light"),
    ("knocking-telephone", "/knocking", 390, 844, "light"),
    ("telephone", "/chargers/SITE1-GARAGE/cards?id_tag=04E9A1C2D3B4F5", 390, 844, "dark"),
];

#[test]
fn every_picture_is_of_its_size_and_shows_something() {
    let scene = Scene::start_for("*");
    let _chargers = site(&scene);
    knock(&scene);
    let browser = Chromium::start();
    let tab = scene.logged_in(&browser);
    tab.command("Emulation.setScrollbarsHidden", json!({"hidden": true}));
    let folder = std::env::var_os("OCPP_PROXY_TEST_PICTURES").map(PathBuf::from);
    for (name, path, width, height, scheme) in PICTURES {
        tab.dress(width, height, scheme);
        tab.open(&scene.url(path));
        tab.evaluate("document.fonts.ready.then(() => true)");
        let picture = decoded(&tab.picture());
        assert_eq!(size(&picture), (width, height), "{name}");
        assert!((4_000..400_000).contains(&picture.len()), "{name} has {} bytes", picture.len());
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join(name).with_extension("png"), picture).unwrap();
        }
    }
    assert_eq!(tab.complaints(), [""; 0]);
}

/// A site with chargers in every state that a person asks about.
fn site(scene: &Scene) -> Vec<RawCharger> {
    let mut garage = scene.charge("SITE1-GARAGE");
    // Cards that only the leader knows, among many that both do.
    let refused = json!({"do": "set", "behaviour": {"rejected": ["04C0FFEE112233", "04D15C0B2A9981"]}});
    assert!(scene.follower.cue(refused).get("error").is_none());
    for visit in 0..240 {
        let card = match visit % 60 {
            7 => "04C0FFEE112233".to_owned(),
            19 | 41 => "04D15C0B2A9981".to_owned(),
            other => format!("04A2B3C4D5E6{other:02X}"),
        };
        garage.call("Authorize", &json!({"idTag": card}));
    }
    garage.call("Authorize", &json!({"idTag": REFUSED_CARD}));
    let mut chargers = vec![garage];
    for (name, vendor, model, status) in [
        ("SITE1-EAST", "Alfen", "Eve Double", "Available"),
        ("SITE1-WEST", "Alfen", "Eve Single", "Charging"),
        ("SITE2-DEPOT-1", "ABB", "Terra 184", "Charging"),
        ("SITE2-DEPOT-2", "ABB", "Terra 184", "Faulted"),
        ("SITE2-DEPOT-3", "Kempower", "S-Series", "Available"),
    ] {
        let mut charger = RawCharger::connect(scene.proxy.chargers, name);
        let boot =
            json!({"chargePointVendor": vendor, "chargePointModel": model, "firmwareVersion": "6.4.1"});
        charger.call("BootNotification", &boot);
        let error = if status == "Faulted" { "GroundFailure" } else { "NoError" };
        let state = json!({"connectorId": 1, "errorCode": error, "status": status, "timestamp": "2026-11-22T13:00:00Z"});
        charger.call("StatusNotification", &state);
        if status == "Charging" {
            charger.call("Authorize", &json!({"idTag": session::GOOD_CARD}));
            session::start(&mut charger, session::GOOD_CARD);
        }
        let last = |row: &Value| {
            row["action"] == if status == "Charging" { "StartTransaction" } else { "StatusNotification" }
        };
        scene.proxy.wait_logged(&[name], last);
        if name != "SITE1-EAST" {
            chargers.push(charger);
        }
    }
    assert_eq!(REFUSED_CARD, "04E9A1C2D3B4F5", "the card in the addresses above");
    scene.proxy.wait_logged(&["SITE1-GARAGE", "--search", "04A2B3C4D5E63B"], |_| true);
    chargers
}

/// Width and height of a PNG (its specification, §11.2.2).
fn size(picture: &[u8]) -> (u32, u32) {
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// From base64 (RFC 4648 §4).
fn decoded(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').collect();
    let mut bytes = Vec::with_capacity(letters.len() * 3 / 4);
    for group in letters.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, letter| bits << 6 | u32::from(value(*letter)));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
