//! What passes, passes byte for byte: a seeded generator writes messages as no sensible peer would, a real session
//! passes them on, and what comes out is compared with what went in (semantics §1.7, §3.6).
//!
//! Of a frame the message id is the proxy's own where it asks, and the originator's, as it was sent, where it
//! answers. Action and payload are not touched; where a number is put in the place of another, nothing beside it is.

mod identity;

use engine::{Role, Scope};
use identity::scene::{Scene, Told};
use identity::written::{Writer, filled};

const LEADER: &str = "volt";
const CONTROL: &str = "acme";
const OBSERVER: &str = "eye";
const ALL: [&str; 3] = [LEADER, CONTROL, OBSERVER];

/// Messages of chargers that carry no number of anybody.
const CALLS: [&str; 6] =
    ["Authorize", "DataTransfer", "MeterValues", "SecurityEventNotification", "StatusNotification", "X.Own"];
/// Commands of the leader that are passed as they are.
const OF_LEADER: [&str; 5] =
    ["ClearCache", "DataTransfer", "GetCompositeSchedule", "Reset", "UnlockConnector"];
/// Commands of a follower that are.
const OF_FOLLOWER: [&str; 3] = ["ChangeAvailability", "GetCompositeSchedule", "TriggerMessage"];

#[test]
fn figure_s08_byte_identity() {
    let wanted = figures::scaled(1_000_000, 10_000);
    let mut scene = Scene::booted(LEADER, &[(CONTROL, Role::Control), (OBSERVER, Role::Observer)], |grant| {
        grant.sessions = Scope::All;
        grant.commands.extend(OF_FOLLOWER);
        grant.commands.insert("RemoteStopTransaction");
    });
    let mut writer = Writer::new(0x0c99);
    let mut rounds = [0_usize; 4];
    while scene.heard < wanted {
        let round = writer.below(10);
        match round {
            0..=4 => call(&mut scene, &mut writer),
            5 | 6 => command(&mut scene, &mut writer, LEADER, &OF_LEADER),
            7 => command(&mut scene, &mut writer, CONTROL, &OF_FOLLOWER),
            8 => transaction(&mut scene, &mut writer),
            _ => reservation(&mut scene, &mut writer),
        }
        rounds[[0, 0, 0, 0, 0, 1, 1, 1, 2, 3][round]] += 1;
    }
    assert!(rounds.iter().all(|count| *count > 10), "{rounds:?}");
    assert!(scene.rewritten > 100 && scene.passed > scene.rewritten);
    let counted = figures::counted;
    figures::row(
        "S8",
        format!(
            "{} messages of a charger, its leader and two followers, written by a seeded generator: odd white space, \
             numbers, escapes, half surrogates, members that stand twice",
            counted(scene.heard)
        ),
        format!(
            "{} frames went out: {} byte for byte, {} with a number in the place of another and nothing else changed; \
             0 differ",
            counted(scene.passed + scene.rewritten),
            counted(scene.passed),
            counted(scene.rewritten)
        ),
    );
}

/// A call of the charger that everybody hears, and the leader's answer.
fn call(scene: &mut Scene, writer: &mut Writer) {
    let name = writer.one_of(&CALLS);
    // The same again is a repetition, which nobody is told twice.
    let new = writer.number().to_string();
    let members: &[(&str, &str)] = match name {
        "Authorize" => &[("idTag", "\"CARD\"")],
        "DataTransfer" => &[("vendorId", "\"com.example\"")],
        "StatusNotification" => {
            &[("connectorId", "1"), ("errorCode", "\"NoError\""), ("status", "\"Available\"")]
        }
        _ => &[("sample", &new)],
    };
    let (action, payload) = (writer.name(name), writer.object(members, true));
    let id = writer.id();
    scene.charger_says(&writer.frame(&["2", &id, &action, &payload]));
    // What OCPP does not know the leader alone may know.
    let heard: &[&str] = if name == "X.Own" { &[LEADER] } else { &ALL };
    for backoffice in heard {
        scene.told(backoffice, Told::Passed(&format!("{action},{payload}")));
    }
    // What is delivered until it is accepted is not refused here.
    let may_fail = !["MeterValues", "SecurityEventNotification"].contains(&name);
    for backoffice in heard {
        answer(scene, writer, backoffice, may_fail, &[], Told::Passed(&id));
    }
    scene.nothing_more();
}

/// A command, and the charger's answer.
fn command(scene: &mut Scene, writer: &mut Writer, from: &str, names: &[&'static str]) {
    let name = writer.one_of(names);
    let members: &[(&str, &str)] = match name {
        "ChangeAvailability" => &[("connectorId", "1"), ("type", "\"Operative\"")],
        "DataTransfer" => &[("vendorId", "\"com.example\"")],
        "GetCompositeSchedule" => &[("connectorId", "1"), ("duration", "60")],
        "Reset" => &[("type", "\"Soft\"")],
        "TriggerMessage" => &[("requestedMessage", "\"MeterValues\"")],
        _ => &[],
    };
    // A follower whose members stand twice is refused: readers differ in which they take.
    let (action, payload) = (writer.name(name), writer.object(members, from == LEADER));
    let id = writer.id();
    scene.backoffice_says(from, &writer.frame(&["2", &id, &action, &payload]));
    scene.told("charger", Told::Passed(&format!("{action},{payload}")));
    answer(scene, writer, "charger", true, &[("status", "\"Accepted\"")], Told::Passed(&id));
    scene.nothing_more();
}

/// A transaction, for which everybody has a number of its own.
fn transaction(scene: &mut Scene, writer: &mut Writer) {
    let numbers: Vec<String> = ALL.iter().map(|_| writer.number().to_string()).collect();
    let says = |scene: &mut Scene, writer: &mut Writer, name: &str, members: &[(&str, &str)]| {
        let (action, payload) = (writer.name(name), writer.object(members, true));
        let id = writer.id();
        scene.charger_says(&writer.frame(&["2", &id, &action, &filled(&payload, &numbers[0])]));
        for (backoffice, number) in ALL.iter().zip(&numbers) {
            let expected = format!("{action},{}", filled(&payload, number));
            let is_same = *number == numbers[0] || !payload.contains('@');
            scene
                .told(backoffice, if is_same { Told::Passed(&expected) } else { Told::Rewritten(&expected) });
        }
        id
    };
    let started = [
        ("connectorId", "1"),
        ("idTag", "\"CARD\""),
        ("meterStart", "0"),
        ("timestamp", "\"2026-11-22T16:00:00Z\""),
    ];
    let id = says(scene, writer, "StartTransaction", &started);
    for (backoffice, number) in ALL.iter().zip(&numbers) {
        let members = [("transactionId", number.as_str()), ("idTagInfo", "{ \"status\" :\"Accepted\"}")];
        answer(scene, writer, backoffice, false, &members, Told::Passed(&id));
    }
    for _ in 0..writer.below(4) {
        let new = writer.number().to_string();
        let members = [("connectorId", "1"), ("transactionId", "@"), ("sample", &new)];
        let id = says(scene, writer, "MeterValues", &members);
        ALL.iter().for_each(|backoffice| answer(scene, writer, backoffice, false, &[], Told::Passed(&id)));
    }
    let from = writer.below(2);
    let (action, payload) =
        (writer.name("RemoteStopTransaction"), writer.object(&[("transactionId", "@")], from == 0));
    let id = writer.id();
    scene.backoffice_says(ALL[from], &writer.frame(&["2", &id, &action, &filled(&payload, &numbers[from])]));
    let expected = format!("{action},{}", filled(&payload, &numbers[0]));
    let is_same = numbers[from] == numbers[0];
    scene.told("charger", if is_same { Told::Passed(&expected) } else { Told::Rewritten(&expected) });
    answer(scene, writer, "charger", false, &[("status", "\"Accepted\"")], Told::Passed(&id));
    let stopped = [("meterStop", "7"), ("timestamp", "\"2026-11-22T16:10:00Z\""), ("transactionId", "@")];
    let id = says(scene, writer, "StopTransaction", &stopped);
    ALL.iter().for_each(|backoffice| answer(scene, writer, backoffice, false, &[], Told::Passed(&id)));
    scene.nothing_more();
}

/// A reservation of a follower, which the charger knows by another number.
fn reservation(scene: &mut Scene, writer: &mut Writer) {
    let number = writer.number().to_string();
    let members = [
        ("connectorId", "1"),
        ("expiryDate", "\"2027-01-01T00:00:00Z\""),
        ("idTag", "\"CARD\""),
        ("reservationId", "@"),
    ];
    let mut on_charger = None;
    for (name, members) in [("ReserveNow", &members[..]), ("CancelReservation", &members[3..])] {
        let (action, payload) = (writer.name(name), writer.object(members, false));
        let id = writer.id();
        scene.backoffice_says(CONTROL, &writer.frame(&["2", &id, &action, &filled(&payload, &number)]));
        let told = scene.told("charger", Told::WithNumber(&format!("{action},{payload}")));
        assert_eq!(*on_charger.get_or_insert_with(|| told.clone()), told, "it has one number");
        answer(scene, writer, "charger", false, &[("status", "\"Accepted\"")], Told::Passed(&id));
    }
    scene.nothing_more();
}

/// The answer of whoever was asked, which whoever asked gets under its own id. Followers' answers go nowhere.
fn answer(
    scene: &mut Scene,
    writer: &mut Writer,
    from: &str,
    may_fail: bool,
    members: &[(&str, &str)],
    expected: Told<'_>,
) {
    let Told::Passed(id) = expected else { panic!("an answer is passed") };
    let asked = scene.asked(from);
    let (kind, body) = match may_fail && writer.below(8) == 0 {
        true => {
            let description = writer.plain_text();
            ("4", format!("\"InternalError\",{description},{}", writer.object(&[], true)))
        }
        false => ("3", writer.object(members, true)),
    };
    let parts: Vec<&str> = [kind, asked.as_str(), body.as_str()].to_vec();
    scene.answers(from, &writer.frame(&parts), &format!("[{kind},{id},{body}]"));
}
