//! S1 and S2: whoever guesses keys.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use figures::{counted, full_size, row, scaled};
use futures_util::future::join_all;
use gateway::{EntranceTerms, Secret, SecurityProfile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{answer_everybody, mib, resident_bytes};
use crate::backoffice::Backoffice;
use crate::charger::{UPGRADE, connect};
use crate::identities::{basic, dial, on_terms};
use crate::world::{World, routing};

const KEY: &str = "3d0f61c7a2b94e5886f1d2c3b4a59687";

/// Chargers with keys, and a proxy that asks for them.
async fn world(chargers: usize, backoffice: &Backoffice) -> World {
    let key = |name: String| (name.as_str().into(), Secret::new(KEY.to_owned()));
    let mut keys: BTreeMap<_, _> = (0..chargers).map(|number| key(format!("CP{number}"))).collect();
    keys.extend(["CP-GOOD", "CP-NEW"].map(|name| key(name.to_owned())));
    let terms = EntranceTerms { profile: SecurityProfile::Basic, keys, ..EntranceTerms::default() };
    World::new(on_terms(routing(&[("volt", &backoffice.url())]), terms)).await
}

/// An address of this machine.
fn address(number: usize) -> String {
    format!("127.{}.{}.1", 1 + number / 250, 1 + number % 250)
}

/// Dials with this key. The status of the answer, or 0 when the connection was closed without one: under a flood
/// whoever has not asked yet makes room.
async fn ask(gateway: SocketAddr, from: &str, name: &str, key: &str) -> u16 {
    let mut stream = connect(gateway, from).await;
    let authorization = basic(name, key.as_bytes());
    let request = format!(
        "GET /ocpp/{name} HTTP/1.1\r\nHost: gateway\r\n{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n{authorization}\r\n"
    );
    let mut head = [0; 12];
    if stream.write_all(request.as_bytes()).await.is_err() || stream.read_exact(&mut head).await.is_err() {
        return 0;
    }
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

/// How often each status was the answer.
type Answers = BTreeMap<u16, usize>;

/// Guesses from so many addresses at once, so many from each, over so many identities.
async fn guess(world: &World, addresses: usize, each: usize, identities: usize) -> Answers {
    let of_address = async |at: usize| {
        let mut statuses = Vec::new();
        for number in 0..each {
            let name = format!("CP{}", (at + number * 7) % identities);
            let key = format!("guess {at} {number}");
            statuses.push(ask(world.address, &address(at), &name, &key).await);
        }
        statuses
    };
    let mut answers = Answers::new();
    for status in join_all((0..addresses).map(of_address)).await.into_iter().flatten() {
        *answers.entry(status).or_default() += 1;
    }
    answers
}

/// S1: guesses at chargers that have keys, and at names that nobody has
#[tokio::test]
async fn figure_s01_no_guess_is_let_in() {
    let backoffice = Backoffice::new().await;
    // Every other name has no key: nobody knows it.
    let (identities, each) = (50, scaled(100, 4));
    let world = world(identities / 2, &backoffice).await;
    let answers = guess(&world, 100, each, identities).await;
    let guesses: usize = answers.values().sum();
    assert_eq!(guesses, 100 * each);
    assert_eq!(answers.keys().filter(|status| ![0, 401, 429].contains(*status)).count(), 0, "{answers:?}");
    backoffice.assert_untouched();
    row(
        "S1",
        format!("{} guesses over {identities} identities, half of them unknown", counted(guesses)),
        format!(
            "{} let in; {} answered 401, {} answered 429; no backoffice was dialed",
            answers.get(&101).unwrap_or(&0),
            counted(answers[&401]),
            counted(*answers.get(&429).unwrap_or(&0))
        ),
    );
}

/// S1: how long the answers to both take, by the clock, on the way that everybody comes
#[tokio::test]
async fn figure_s01_both_are_answered_after_the_same_time() {
    // Beyond 256 at once nobody waits; each from an address of its own, so that each is looked at.
    const AT_ONCE: usize = 60;
    let backoffice = Backoffice::new().await;
    let world = world(AT_ONCE, &backoffice).await;
    let rounds = scaled(10, 1);
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let timed = async |at: usize, name: String| {
            let from = address(round * 2 * AT_ONCE + at);
            let begun = Instant::now();
            let status = ask(world.address, &from, &name, "a guess at some key").await;
            assert_eq!(status, 401, "{name}");
            begun.elapsed().as_secs_f64()
        };
        // In turns: whatever else the machine does befalls both.
        let pair = async |at: usize| {
            tokio::join!(timed(2 * at, format!("CP{at}")), timed(2 * at + 1, format!("CP{}", AT_ONCE + at)))
        };
        for (of_known, of_unknown) in join_all((0..AT_ONCE).map(pair)).await {
            wrong.push(of_known);
            unknown.push(of_unknown);
        }
    }
    backoffice.assert_untouched();
    let told_apart = told_apart(&wrong, &unknown);
    assert!(told_apart < TOLD_APART, "{told_apart}: {wrong:?} {unknown:?}");
    // What this very run would have shown, had one of them been answered so much later.
    let later = |ms: u32| wrong.iter().map(|time| time + f64::from(ms) / 1e3).collect::<Vec<f64>>();
    let is_seen = |ms: &u32| self::told_apart(&wrong, &later(*ms)) >= TOLD_APART;
    let seen = [1, 2, 5, 10, 20, 50, 100, 200, 500].into_iter().find(is_seen);
    let seen = seen.expect("at least an answer that comes at once in place of after a second");
    row(
        "S1",
        format!(
            "{} wrong keys and {} keys of unknown chargers, in turns, over sockets",
            counted(wrong.len()),
            counted(unknown.len())
        ),
        format!(
            "of a pair of answers the later one is of the same kind in {:.0} % (50 % is chance); a difference of {seen} ms would have \
             shown",
            told_apart * 100.0
        ),
    );
}

/// From here on answers are told apart by how long they take: far beyond chance for sixty of each.
const TOLD_APART: f64 = 0.75;

/// How well one can tell which is which: of all pairs, the part in which the same one took longer. A half is chance, and one
/// certainty, however large the difference or the noise.
fn told_apart(some: &[f64], others: &[f64]) -> f64 {
    let pairs = some.iter().flat_map(|one| others.iter().map(move |other| one.total_cmp(other)));
    let (mut longer, mut all) = (0.0, 0.0);
    for ordering in pairs {
        all += 1.0;
        longer += match ordering {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        };
    }
    let part: f64 = longer / all;
    part.max(1.0 - part)
}

/// S2: guesses from many addresses, and the chargers behind one of them
#[tokio::test]
async fn figure_s02_guessing_is_slowed_down_and_keeps_no_good_charger_out() {
    let backoffice = Backoffice::new().await;
    let (identities, addresses, each) = (scaled(50, 2), scaled(500, 40), scaled(100, 10));
    let world = world(identities, &backoffice).await;
    answer_everybody(backoffice);
    // It was here before; the other comes for the first time while others guess.
    let right = |name: &str| basic(name, KEY.as_bytes());
    let good = dial(&world, &address(0), "CP-GOOD", right("CP-GOOD")).await;
    assert_eq!(good.status, 101);
    drop(good);

    let begun = Instant::now();
    // So many at once as later: what their connections cost is there before, and what they leave behind is not.
    let first = guess(&world, addresses, each / 5, identities).await;
    let before = resident_bytes();
    let guesses = guess(&world, addresses, each - each / 5, identities);
    // And from its own address somebody guesses at the good charger itself.
    let spoofs = async {
        let guesser = async |at: usize| {
            let mut statuses = Vec::new();
            for number in 0..scaled(100, 5) {
                let key = format!("a guess at its key {at} {number}");
                statuses.push(ask(world.address, &address(0), "CP-GOOD", &key).await);
            }
            statuses
        };
        let statuses = join_all((0..20).map(guesser)).await.concat();
        assert!(statuses.iter().all(|status| [0, 401, 429].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&429));
        statuses.len()
    };
    // A task of its own: those who guess must not take the test's time from it, either.
    let gateway = world.address;
    let comes_back = tokio::spawn(async move {
        let mut let_in = 0;
        for _ in 0..20 {
            // Behind the address of one that guesses. Whoever was not answered dials again, as chargers do.
            let mut status = 0;
            while status == 0 {
                status = ask(gateway, &address(0), "CP-GOOD", KEY).await;
            }
            let_in += usize::from(status == 101);
        }
        let_in
    });
    let (mut answers, spoofed, let_in) = tokio::join!(guesses, spoofs, comes_back);
    let let_in = let_in.unwrap();
    for (status, times) in first {
        *answers.entry(status).or_default() += times;
    }
    let growth = resident_bytes().saturating_sub(before);
    let new = dial(&world, &address(addresses), "CP-NEW", right("CP-NEW")).await;

    let (looked_at, refused) = (answers[&401], answers[&429]);
    let closed = *answers.get(&0).unwrap_or(&0);
    assert_eq!(looked_at + refused + closed, addresses * each, "{answers:?}");
    // Sixty a minute for each identity, however many addresses ask, and three from each that is new there.
    let minutes = 1 + begun.elapsed().as_secs() as usize / 60;
    let budget = (identities * 60 + addresses * 3) * minutes;
    assert!(looked_at <= budget, "{looked_at} of {budget}");
    assert_eq!((let_in, new.status), (20, 101));
    assert!(!full_size() || growth < 10 << 20, "{}", mib(growth));
    row(
        "S2",
        format!(
            "{} guesses at {identities} identities from {addresses} addresses at once",
            counted(looked_at + refused + closed)
        ),
        format!(
            "{} looked at, of {} that the budget allows in {minutes} min; {} answered 429, {} closed unanswered; memory grew by {} over the last {} of them; a good \
             charger behind one of the addresses dialed 20 times meanwhile, while somebody there made {} guesses at its own key, \
             and was let in {let_in} times",
            counted(looked_at),
            counted(budget),
            counted(refused),
            counted(closed),
            mib(growth),
            counted(addresses * (each - each / 5)),
            counted(spoofed)
        ),
    );
}
