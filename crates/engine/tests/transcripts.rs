//! Conversations as text: each file of `transcripts/` goes through this one door.
//!
//! A file holds conversations, each begun by `== title`. A line is an event or an expectation:
//!
//! | line | meaning |
//! |---|---|
//! | `plan volt acme:control eye:observer` | who leads, who follows; first line, or a change later |
//! | `plan volt acme:control mirror grace=60s` | and what holds while the leader is away; the words stand in [`stage::plans`] |
//! | `connected` | leader up, charger arrives, every follower dialed and up |
//! | `booted` | `connected`, then a boot that everyone accepts with 300 s, then 1 s passes |
//! | `starts 1 CARD volt=5 acme=9` | on connector 1, meter 0, at 12:04:01Z (:02Z the next time), accepted with these numbers; `error` and `silent` stand for what they say |
//! | `up acme`, `down acme`, `refused acme 401` | a link opens, ends, cannot be opened |
//! | `moved acme` | `proxy.toml` says that it is reached otherwise |
//! | `charger arrives`, `charger leaves` | the charger's socket |
//! | `charger> FRAME`, `volt> FRAME` | a peer says something |
//! | `charger< FRAME`, `volt< FRAME` | the proxy must say exactly this, next |
//! | `dial acme`, `ping volt`, `hangup charger 1013` | the proxy must do this, next |
//! | `keep key of volt for its link`, `keep key of volt for the charger` | this key must be made durable before anything comes of it |
//! | `key kept`, `key lost` | it is, or cannot be |
//! | `accepted key of volt` | the charger has taken it; `accepted key of volt too late` when volt was told otherwise |
//! | `refused key of volt`, `key of volt not sent` | the charger has said no to it, or was never sent it |
//! | `kept transaction`, `kept FACT` | this must be durable before what follows |
//! | `note WORDS…` | this must be noted; see [`stage::words`] |
//! | `wait 25s`, `wait 200ms` | time passes, deadlines are met |
//! | `wait 90s with pongs` | the same, while everyone answers pings at once; those need not be written |
//! | `wait 90s with pongs of volt acme` | the same, but only these answer |
//! | `times 9 LINE` | this line, so often; `$` in it counts from 1 |
//! | `held back volt` | the session takes no more from this peer for now: its socket is not read |
//! | `pong volt` | a ping is answered |
//! | `restart` | the program is killed; a new session starts from what was kept |
//! | `killed before it was kept` | the same at the worst moment: nothing that the latest event led to is durable or said |
//! | `killed before it was said` | all of it is durable, and nothing more of it is said than stands above |
//! | `killed before what has time was kept` | of what it led to only that is durable which was to be kept now |
//! | `operator retries acme 3`, `operator drops acme 3` | a delivery, by its number in the lane |
//! | `drain`, `store fails` | the program stops; the disk is full |
//! | `store fails before it was kept` | the disk is full for what the latest event led to, and nothing of that is said |
//! | `over` | the session must have ended |
//!
//! Three kinds of line make a table, each row a small conversation of its own:
//!
//! | row | meaning |
//! |---|---|
//! | `acme may ACTION PAYLOAD` | it reaches the charger like that, and the charger's answer reaches acme |
//! | `acme may ACTION PAYLOAD as PAYLOAD` | the same, but the charger is sent the second payload |
//! | `acme may not ACTION PAYLOAD but gets ANSWER` | a payload, or an error code; the charger hears nothing |
//! | `charger tells ACTION PAYLOAD to volt acme` | exactly those hear of it; the first one's answer is the charger's |
//! | `charger tells ACTION PAYLOAD to volt acme, followers PAYLOAD` | the same, but followers are told the second payload |
//! | `rows 26` | so many different actions have been in such rows |
//!
//! In frames `#name` stands for a message id that the proxy minted, quotes included; `<now>` for the
//! proxy's clock. Everything that is said, dialed, pinged or hung up must stand in the transcript;
//! what is kept or noted may.

mod stage;

use std::path::Path;

use stage::Stage;

/// Conversations in each file; a new one is counted here, so that none is lost silently.
const CONVERSATIONS: &[(&str, usize)] = &[
    ("card-policies.txt", 39),
    ("intents.txt", 16),
    ("outages.txt", 39),
    ("local-list.txt", 13),
    ("availability.txt", 10),
    ("arbitration.txt", 17),
    ("basics.txt", 2),
    ("configuration-keys.txt", 34),
    ("deliveries.txt", 27),
    ("presence.txt", 8),
    ("composite.txt", 24),
    ("profiles.txt", 18),
    ("answers.txt", 13),
    ("boot-and-heartbeat.txt", 21),
    ("charger-messages.txt", 10),
    ("command-queue.txt", 25),
    ("commands-about-transactions.txt", 11),
    ("commands-by-role.txt", 14),
    ("divergence.txt", 13),
    ("endings.txt", 10),
    ("errors.txt", 26),
    ("failure-matrix.txt", 20),
    ("jobs.txt", 18),
    ("keys.txt", 21),
    ("leader.txt", 28),
    ("liveness.txt", 14),
    ("message-ids.txt", 15),
    ("meter-values.txt", 11),
    ("owned-numbers.txt", 21),
    ("single-flight.txt", 12),
    ("special-numbers.txt", 10),
    ("starts.txt", 27),
    ("stops.txt", 12),
];

#[test]
fn every_conversation_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, CONVERSATIONS.len(), "files in {}", folder.display());
    let mut failures = Vec::new();
    for (file, expected) in CONVERSATIONS.iter().copied() {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let conversations: Vec<&str> = text.split("\n== ").skip(1).collect();
        assert_eq!(conversations.len(), expected, "conversations in {file}");
        for conversation in conversations {
            if let Err(failure) = play(conversation) {
                failures.push(format!("{file}: {failure}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} conversations failed:\n\n{}", failures.len(), failures.join("\n\n"));
}

fn play(conversation: &str) -> Result<(), String> {
    let (title, lines) = conversation.split_once('\n').unwrap_or((conversation, ""));
    let mut stage = Stage::new();
    for (number, line) in lines.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let heard = stage.line(line).map_err(|why| stage.failure(title, number, line, &why));
        heard?;
    }
    stage.nothing_unexpected().map_err(|why| stage.failure(title, lines.lines().count(), "(end)", &why))
}

/// A conversation that is not so must fail, or the others prove nothing.
#[test]
fn what_is_not_so_is_noticed() {
    let heartbeat = r#"charger> [2,"1","Heartbeat",{}]"#;
    let asked = format!("booted\n{heartbeat}\nvolt< [2,#v,\"Heartbeat\",{{}}]");
    let wrong = [
        ("something is left out", format!("booted\n{heartbeat}")),
        ("left out in the middle", format!("booted\n{heartbeat}\nwait 1s")),
        ("another payload", format!("booted\n{heartbeat}\nvolt< [2,#v,\"Heartbeat\",{{\"a\":1}}]")),
        ("to another peer", format!("booted\n{heartbeat}\nacme< [2,#v,\"Heartbeat\",{{}}]")),
        ("said too often", format!("{asked}\nvolt< [2,#w,\"Heartbeat\",{{}}]")),
        ("a note that is not made", format!("{asked}\nnote alert leader_lost")),
        ("nothing kept", format!("{asked}\nkept transaction starting")),
        ("an act that is not done", format!("{asked}\nhangup charger 1013")),
        ("not over", format!("{asked}\nover")),
        ("not held back", format!("{asked}\nheld back charger")),
        ("refused, not sent", "booted\nacme may Reset {}".to_owned()),
        (
            "sent, not refused",
            r#"booted
acme may not Reset {"type":"Soft"} but gets {"status":"Rejected"}"#
                .to_owned(),
        ),
        ("refused with another code", "booted\nacme may not Reset {} but gets SecurityError".to_owned()),
        (
            "told to fewer",
            r#"booted
charger tells Authorize {"idTag":"A"} to volt"#
                .to_owned(),
        ),
        ("told to more", "booted\ncharger tells Heartbeat {} to volt acme".to_owned()),
        ("other rows", "booted\ncharger tells Heartbeat {} to volt\nrows 2".to_owned()),
        ("no such line", "booted\nvolt dances".to_owned()),
    ];
    assert_eq!(wrong.len(), 17);
    for (title, lines) in wrong {
        assert!(play(&format!("{title}\n{lines}")).is_err(), "{title}");
    }
    play(&format!("as it is\n{asked}")).unwrap();
}
