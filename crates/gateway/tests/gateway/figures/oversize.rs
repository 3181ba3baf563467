//! S7: messages that are announced larger than any may be, that never end, or that never cease.

use figures::{counted, full_size, row, scaled};
use tokio::io::AsyncWriteExt;

use super::{Good, answer_everybody, mib, resident_bytes};
use crate::backoffice::Backoffice;
use crate::charger::Charger;
use crate::world::{World, routing, settings};

/// A masked frame's head that announces so many bytes.
fn announcing(bytes: u64) -> Vec<u8> {
    [&[0x81, 0xff][..], &bytes.to_be_bytes(), &[0; 4]].concat()
}

async fn dial_many(world: &World, kind: &str, many: usize) -> Vec<Charger> {
    let mut chargers = Vec::new();
    for number in 0..many {
        let charger = Charger::dial(world.address, &format!("CP-{kind}-{number}")).await;
        assert_eq!(charger.status, 101);
        chargers.push(charger);
    }
    chargers
}

/// S7: chargers that send too much in every way, and memory meanwhile
#[tokio::test]
async fn figure_s07_what_is_too_much_costs_no_memory() {
    let backoffice = Backoffice::new().await;
    let settings = gateway::Settings { handshake_burst: 10_000, ..settings() };
    let world = World::with(settings, routing(&[("volt", &backoffice.url())])).await;
    answer_everybody(backoffice);
    let mut good = Good::new(world.address, scaled(50, 5)).await;
    good.round().await;
    let (announced, fragmenting, pinging) = (scaled(240, 8), scaled(10, 2), scaled(10, 2));
    let (fragments, pings) = (scaled(100_000, 1_000), scaled(100_000, 1_000));

    // What a charger and its link cost is no matter here, nor what the test's own ends of them do.
    let mut giants = dial_many(&world, "GIANT", announced).await;
    let mut promising = dial_many(&world, "PROMISING", announced).await;
    let mut endless = dial_many(&world, "ENDLESS", fragmenting).await;
    let mut floods = dial_many(&world, "PINGING", pinging).await;
    let (before, mut most) = (resident_bytes(), 0);

    // Far more than may be: refused before it is sent.
    for giant in &mut giants {
        giant.stream.write_all(&announcing(64 << 20)).await.unwrap();
    }
    good.round().await;
    for giant in &mut giants {
        assert_eq!(giant.closed().await.closed().0, 1009);
    }
    most = most.max(resident_bytes());

    // As much as may be, of which nothing comes.
    for one in &mut promising {
        one.stream.write_all(&announcing(1 << 20)).await.unwrap();
    }
    good.round().await;
    most = most.max(resident_bytes());

    // A message in pieces of nothing and of one byte, without end.
    for one in &mut endless {
        one.stream.write_all(&[0x01, 0x80, 0, 0, 0, 0]).await.unwrap();
        let pair = [0, 0x80, 0, 0, 0, 0, 0, 0x81, 0, 0, 0, 0, b'x'];
        one.stream.write_all(&pair.repeat(fragments / 2)).await.unwrap();
    }
    good.round().await;
    most = most.max(resident_bytes());
    // One more piece than a message may have bytes.
    let longest = &mut endless[0];
    let rest = (1 << 20) - fragments / 2 + 1;
    let piece = [0, 0x81, 0, 0, 0, 0, b'x'];
    let (mut reader, mut writer) = longest.stream.split();
    let many = piece.repeat(rest);
    let sent = async {
        // It is closed before the last one is taken.
        let _ = writer.write_all(&many).await;
    };
    let mut closed = [0; 4];
    let ((), _) = tokio::join!(sent, tokio::io::AsyncReadExt::read_exact(&mut reader, &mut closed));
    assert_eq!((closed[0], u16::from_be_bytes([closed[2], closed[3]])), (0x88, 1009));
    most = most.max(resident_bytes());

    // Pings without end; whoever sends them is answered, and nobody else waits.
    let mut flooding = Vec::new();
    for mut flood in floods.drain(..) {
        flooding.push(tokio::spawn(async move {
            flood.stream.set_nodelay(true).unwrap();
            let (mut reader, mut writer) = flood.stream.split();
            let all = [0x89, 0x80, 0, 0, 0, 0].repeat(pings);
            let mut scrap = vec![0; 64 << 10];
            let mut answered = 0;
            let asked = async { writer.write_all(&all).await.unwrap() };
            let heard = async {
                while answered < pings * 2 {
                    answered += tokio::io::AsyncReadExt::read(&mut reader, &mut scrap).await.unwrap();
                }
            };
            tokio::join!(asked, heard);
        }));
    }
    good.round().await;
    for flood in flooding {
        flood.await.unwrap();
    }
    good.round().await;
    most = most.max(resident_bytes());

    let growth = most.saturating_sub(before);
    assert_eq!(good.answers, 6 * scaled(50, 5), "every good charger got every answer");
    let too_big = "ocpp_proxy_protocol_violations_total{kind=\"too_big\",peer=\"charger\"}";
    assert_eq!(world.metric(too_big).await, (announced + 1) as f64);
    // Beside other tests in one program nobody can tell whose memory it is.
    assert!(!full_size() || growth < 64 << 20, "{}", mib(growth));
    row(
        "S7",
        format!(
            "{} sockets announce 64 MiB, {} announce 1 MiB and send nothing, {} send {} fragments of a message that \
             never ends, one sends more than 1 MiB in fragments of a byte, {} send {} pings at once",
            counted(giants.len()),
            counted(promising.len()),
            counted(endless.len()),
            counted(fragments),
            counted(pinging),
            counted(pings)
        ),
        format!(
            "{} refused with 1009; memory grew by {}, the attackers' own included; {} calls of good chargers, all \
             answered meanwhile",
            counted(announced + 1),
            mib(growth),
            counted(good.answers)
        ),
    );
}
