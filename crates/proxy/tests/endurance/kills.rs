//! kill -9 at random moments, of the proxy and of its backoffices: nothing that was acknowledged is
//! lost, out of order, or booked twice without need.

use std::env;
use std::time::{Duration, Instant};

use super::scene::{Scene, Victim};

/// What `cargo xtask endurance` asks for; without it, a small run.
fn asked<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} makes no sense")))
}

#[test]
fn nothing_is_lost_by_kills_at_random_moments() {
    let kills: u32 = asked("ENDURANCE_KILLS").unwrap_or(6);
    let chargers: u32 = asked("ENDURANCE_CHARGERS").unwrap_or(8);
    let seed: u64 = asked("ENDURANCE_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let on_leader_lost: Option<String> = asked("ENDURANCE_ON_LEADER_LOST");
    let mode = on_leader_lost.as_ref().map(|mode| format!(" --on-leader-lost {mode}")).unwrap_or_default();
    eprintln!("replay: cargo xtask endurance --kills {kills} --chargers {chargers} --seed {seed}{mode}");
    let mut random = fastrand::Rng::with_seed(seed);
    let began = Instant::now();
    let mut scene = Scene::set_up(chargers, on_leader_lost.as_deref(), &mut random);
    scene.wait_acknowledged(chargers as usize);

    let mut counts = [0; 4];
    let mut killed = 0;
    let mut down = Vec::new();
    while killed < kills {
        scene.wait_acknowledged(random.usize(1..=chargers as usize * 2));
        // Now and then everybody is back first, so that live traffic is hit, too. After a restart of the
        // proxy that is soon so.
        if down == [Victim::Proxy] && random.u32(..3) == 0 {
            scene.wait_calm();
        }
        // Now and then two are down at once. The proxy is the last: what it had found down too often it
        // then dials at once.
        let is_last = killed + 1 == kills;
        let at_once = if killed + 2 < kills && random.u32(..4) == 0 { 2 } else { 1 };
        down.clear();
        while down.len() < at_once {
            let victim = match random.usize(..6) {
                _ if is_last => Victim::Proxy,
                at @ 0..3 => Victim::Backoffice(at),
                _ => Victim::Proxy,
            };
            if down.contains(&victim) {
                continue;
            }
            std::thread::park_timeout(Duration::from_millis(random.u64(..500)));
            scene.kill(victim);
            killed += 1;
            counts[match victim {
                Victim::Proxy => 3,
                Victim::Backoffice(at) => at,
            }] += 1;
            eprintln!(
                "{:6.1} s  kill {killed} of {kills}: {} ({} acknowledged)",
                began.elapsed().as_secs_f64(),
                scene.name(victim),
                scene.acknowledged()
            );
            down.push(victim);
        }
        random.shuffle(&mut down);
        for victim in &down {
            std::thread::park_timeout(Duration::from_millis(random.u64(..2500)));
            scene.start_again(*victim);
        }
    }
    eprintln!("{:6.1} s  the drivers leave", began.elapsed().as_secs_f64());
    scene.settle();
    let [leader, first, second, proxy] = counts;
    eprintln!(
        "{:6.1} s  everybody was told; killed: leader {leader}, followers {first} and {second}, proxy {proxy}",
        began.elapsed().as_secs_f64()
    );
    let verdicts = scene.judge();
    assert_eq!((verdicts.len(), counts.iter().sum::<u32>()), (3, kills));
    for verdict in &verdicts {
        eprint!("{verdict}");
    }
    assert!(verdicts.iter().all(super::verdict::Verdict::is_good), "the promise is broken; see above");
}
