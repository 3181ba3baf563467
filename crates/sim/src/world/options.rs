//! What kind of world a seed makes, and which promises it is held to.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::backoffice::{BackofficeFaults, BackofficeSettings};
use crate::charger::ChargerSettings;
use crate::frame::{IdStyle, Layout};

mod shared;
mod wild;

pub(super) use shared::ALIAS;
pub use shared::FIRST_SHARED_SEED;
pub use wild::{FIRST_WILD_SEED, Wild};

/// The cards of every world, and whether everybody knows them.
pub const COMMON_CARD: &str = "COMMON";
const CARDS: [&str; 5] = [COMMON_CARD, "ANNA", "BERT", "CARL", "DORA"];

/// Promises that may be switched off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Promises {
    /// A follower receives every transaction message and security event that the charger had
    /// acknowledged, in order and once, however long it was away.
    pub follower_misses_nothing: bool,
    /// So does a follower that led when the transaction began, and did not answer then.
    pub former_leader_misses_nothing: bool,
    /// A follower that has not accepted the charger gets nothing but BootNotification, and gets it
    /// again at its own interval.
    pub follower_boots_alone: bool,
    /// Every command is refused in the style that its sender was given.
    pub one_style_of_no: bool,
    /// What waits when the plan says that something is another's is not sent any more.
    pub waiting_is_judged_anew: bool,
    /// Cards are decided by the plan's policy, and as one wherever the charger hears of them.
    pub cards_are_decided: bool,
    /// The charger's list is what the backoffices' lists come to, and what one of them wants out of service is.
    pub merges_are_kept: bool,
    /// A card in the proxy's own list is accepted at once, whatever was decided about it before.
    pub list_outranks_memory: bool,
    /// A charging profile is replaced and cleared by its owner alone.
    pub profiles_have_owners: bool,
}

/// Everything about a world that its seed decided.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// The charger.
    pub charger: ChargerSettings,
    /// The backoffices; the first leads to begin with.
    pub backoffices: Vec<BackofficeSettings>,
    /// How many of them are in the first plan.
    pub planned: usize,
    /// How long things go wrong before the world goes quiet.
    pub storm: Duration,
    /// One-way time on any link, at most.
    pub latency: Duration,
    /// How long a commit takes, at most.
    pub commit: Duration,
    /// How many of a thousand dials fail.
    pub dial_failures_per_mille: u32,
    /// Whether the leader is dialed before the session begins.
    pub leader_dialed_first: bool,
    /// Mean time between lost connections of the charger.
    pub charger_drops_every: Option<Duration>,
    /// Mean time between lost links to a backoffice.
    pub backoffice_drops_every: Option<Duration>,
    /// Mean time between changes of the plan.
    pub plan_changes_every: Option<Duration>,
    /// Mean time between crashes of the proxy.
    pub crashes_every: Option<Duration>,
    /// Mean time between orderly stops of the proxy.
    pub drains_every: Option<Duration>,
    /// Mean time between failures of the store.
    pub store_failures_every: Option<Duration>,
    /// Mean time between followers that stop reading.
    pub stalls_every: Option<Duration>,
    /// Mean time between backoffices that cannot be reached for long.
    pub outages_every: Option<Duration>,
    /// Mean time between what drivers do.
    pub drivers_every: Duration,
    /// Mean time between nonsense from the charger.
    pub charger_garbage_every: Option<Duration>,
    /// Mean time between security events at the charger.
    pub security_events_every: Option<Duration>,
    /// What else goes wrong, by another draw.
    pub wild: Wild,
    /// Whether plans give roles and grants of all kinds, card policies and owners, by another draw.
    pub shared: bool,
    /// What is promised by now.
    pub promises: Promises,
    /// How many lines of the transcript a failure shows.
    pub shown_lines: usize,
}

impl WorldOptions {
    /// The options that a seed stands for.
    pub fn draw(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x6f63_7070);
        let mut backoffices =
            (0..random.usize(1..=4)).map(|at| backoffice(&mut random, at)).collect::<Vec<_>>();
        let wild = Wild::draw(seed, &mut backoffices);
        let planned = random.usize(1..=backoffices.len());
        let mut sometimes = |of_ten: u32, mean_s: u64| {
            (random.u32(..10) < of_ten).then(|| Duration::from_secs(random.u64(mean_s / 3..=mean_s * 2)))
        };
        let charger_drops_every = sometimes(5, 240);
        let backoffice_drops_every = sometimes(5, 180);
        let plan_changes_every = sometimes(5, 200);
        let crashes_every = sometimes(3, 400);
        let drains_every = sometimes(1, 600);
        let store_failures_every = sometimes(1, 600);
        let stalls_every = sometimes(3, 300);
        let charger_garbage_every = sometimes(2, 120);
        let security_events_every = sometimes(5, 60);
        let outages_every = sometimes(4, 400);
        let mut charger = charger(&mut random);
        let shared = shared::draw(seed, &mut charger, &mut backoffices);
        Self {
            charger,
            backoffices,
            planned,
            storm: Duration::from_secs(random.u64(300..1_200)),
            latency: Duration::from_millis(random.u64(1..=300)),
            commit: Duration::from_millis(random.u64(0..=30)),
            dial_failures_per_mille: if random.bool() { 0 } else { random.u32(..400) },
            // As the gateway does; that the session can do so itself the milder worlds show.
            leader_dialed_first: random.bool() || wild::is_wild(seed),
            charger_drops_every,
            backoffice_drops_every,
            plan_changes_every,
            crashes_every,
            drains_every,
            store_failures_every,
            stalls_every,
            outages_every,
            drivers_every: Duration::from_secs(random.u64(5..60)),
            charger_garbage_every,
            security_events_every,
            wild,
            shared,
            promises: Promises {
                follower_misses_nothing: true,
                former_leader_misses_nothing: true,
                follower_boots_alone: false,
                one_style_of_no: true,
                list_outranks_memory: true,
                merges_are_kept: true,
                cards_are_decided: true,
                waiting_is_judged_anew: true,
                profiles_have_owners: true,
            },
            shown_lines: 160,
        }
    }
}

fn charger(random: &mut fastrand::Rng) -> ChargerSettings {
    ChargerSettings {
        connectors: random.i64(1..=3),
        ids: pick(random, &[IdStyle::Uuid, IdStyle::Counter, IdStyle::CounterPerConnection, IdStyle::Number]),
        layout: pick(random, &[Layout::Compact, Layout::Spaced, Layout::Pretty]),
        pipelining: pick(random, &[1, 1, 2, 3]),
        stop_on_invalid_id: random.bool(),
        authorizes: random.bool(),
        answer_delay: Duration::from_millis(pick(random, &[10, 500, 5_000])),
        answers_commands: random.u32(..8) > 0,
        repeats_per_mille: pick(random, &[0, 0, 0, 100]),
        repeated_answers_per_mille: pick(random, &[0, 0, 0, 100]),
        boots_on_reconnect: random.bool(),
        forgets_unanswered_start: random.u32(..4) == 0,
        transaction_attempts: random.u32(1..=5),
        transaction_retry: Duration::from_secs(random.u64(2..30)),
        meter_interval: Duration::from_secs(random.u64(10..90)),
        stray_transaction: (random.u32(..6) == 0).then_some(77_777_777),
        ..ChargerSettings::default()
    }
}

fn backoffice(random: &mut fastrand::Rng, at: usize) -> BackofficeSettings {
    let mut cards: BTreeMap<String, String> = CARDS
        .iter()
        .map(|card| {
            ((*card).to_owned(), pick(random, &["Accepted", "Accepted", "Invalid", "Blocked"]).to_owned())
        })
        .collect();
    cards.insert(COMMON_CARD.to_owned(), "Accepted".to_owned());
    let mut fault = |most: u32| if random.u32(..5) == 0 { random.u32(1..most) } else { 0 };
    let faults = BackofficeFaults {
        silent: fault(120),
        call_error: fault(120),
        garbage: fault(60),
        duplicate: fault(200),
        wrong_id: fault(60),
        late: fault(60),
        ..BackofficeFaults::default()
    };
    BackofficeSettings {
        name: format!("b{at}"),
        // Two that both count from 1 agree until one of them misses a start.
        first_transaction: pick(random, &[1, 1, 1, 1000, 2_147_483_600]),
        cards,
        unknown_card: "Invalid".to_owned(),
        zero_when_refused: random.u32(..3) == 0,
        pending_boots: pick(random, &[0, 0, 0, 0, 1, 2]),
        interval_s: pick(random, &[30, 120, 300]),
        answer_delay: Duration::from_millis(pick(random, &[5, 200, 2_000, 7_000])),
        ids: pick(random, &[IdStyle::Uuid, IdStyle::Counter, IdStyle::CounterPerConnection, IdStyle::Number]),
        layout: pick(random, &[Layout::Compact, Layout::Spaced, Layout::Pretty]),
        faults,
        commands_every: random.bool().then(|| Duration::from_secs(random.u64(2..90))),
        commands_at_once: pick(random, &[1, 1, 1, 2, 100]),
        ..BackofficeSettings::default()
    }
}

/// One of these.
pub(super) fn pick<T: Copy>(random: &mut fastrand::Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}
