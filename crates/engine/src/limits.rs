//! A bound on everything a peer can make grow, and on every wait. One place, each with its reason.

use std::time::Duration;

/// Nesting of a message: JSON readers of peers give up at about 128 (semantics F-6).
pub const JSON_DEPTH: usize = 64;

/// Calls of one peer that may wait while an earlier one is worked on (semantics F-22). Beyond it
/// the socket is not read.
pub const WAITING_CALLS: usize = 64;

/// Bytes of such calls (semantics F-22).
pub const WAITING_BYTES: usize = 4 << 20;

/// Messages that may wait for one backoffice and are of use only soon. A charger produces about one
/// a minute.
pub const OUTBOX_MESSAGES: usize = 100;

/// Bytes of such messages.
pub const OUTBOX_BYTES: usize = 256 << 10;

/// Deliveries of one lane that are in memory; the others are in the store alone.
pub const LANE_WINDOW: usize = 16;

/// Deliveries of one lane in the store; beyond it samples give way (semantics §2.8).
pub const LANE_MESSAGES: u64 = 50_000;

/// Bytes of such deliveries.
pub const LANE_BYTES: u64 = 50 << 20;

/// Age of such deliveries, in days.
pub const LANE_DAYS: u64 = 30;

/// Answers remembered to recognise a repeated call by its message id (semantics F-16).
pub const REMEMBERED_ANSWERS: usize = 8;

/// How long such an answer is replayed (semantics F-16).
pub const REMEMBERED_ANSWER_AGE: Duration = Duration::from_secs(600);

/// Calls whose answers may still be compared or come late, per link.
pub const LATE_ANSWERS: usize = 8;

/// Calls whose answers are being compared, per session.
pub const COMPARISONS: usize = 32;

/// Closed transactions remembered in memory: late and repeated messages refer to them.
pub const CLOSED_TRANSACTIONS: usize = 64;

/// So many of them, the newest, for as long as the session lasts; …
pub const CLOSED_TRANSACTIONS_FOR_LONG: usize = 16;

/// … and the rest for as long as a charger goes on saying again what has no answer. They are most of what a busy
/// charger's session holds.
pub const CLOSED_TRANSACTION_AGE: Duration = Duration::from_secs(15 * 60);

/// The charger's transaction numbers remembered longer than their transactions, so that none is used
/// again while a late stop could still mean the first: a month of a busy charger (semantics T-10).
pub const NUMBERS_REMEMBERED: usize = 1024;

/// Rows of transactions that were never stopped; the oldest are closed as lost beyond it.
pub const OPEN_TRANSACTIONS: usize = 256;

/// Commands a minute that one follower may send to one charger (semantics K-3).
pub const FOLLOWER_COMMANDS_PER_MINUTE: u32 = 30;

/// Malformed messages a minute from a backoffice before its link is closed (semantics X-25).
pub const GARBAGE_PER_MINUTE: usize = 10;

/// Charging profiles, reservations and requests remembered with their owner, per family.
pub const OWNED_IDS: usize = 256;

/// Periods of one charging profile: five-minute steps of three and a half days. Chargers take a few dozen at most
/// (`ChargingScheduleMaxPeriods`).
pub const SCHEDULE_PERIODS: usize = 1024;

/// Charging profiles of one backoffice that the proxy holds for one charger (semantics §6.4, `composite`): more
/// than chargers take themselves (`MaxChargingProfilesInstalled`).
pub const HELD_PROFILES: usize = 32;

/// Bytes of one of them: its periods, and what a vendor adds.
pub const HELD_PROFILE_BYTES: usize = 128 << 10;

/// The proxy's own profiles on a charger, at the end of [`OWN_IDS`], which is used from its start: three for each
/// connector.
pub const COMPOSITE_IDS: std::ops::RangeInclusive<i64> = 1_999_999_001..=1_999_999_999;

/// How long until the charger is sent one again that it refused or did not answer.
pub const COMPOSITE_RETRY: Duration = Duration::from_secs(300);

/// Periods written to a charger that has not said how many it takes (`ChargingScheduleMaxPeriods`): an hour each.
pub const WRITTEN_PERIODS: usize = 24;

/// Cards in one backoffice's local list, where each has one: more than chargers hold.
pub const LIST_CARDS: usize = 4096;

/// Bytes that such a list may say of one card.
pub const LIST_CARD_BYTES: usize = 256;

/// A transaction that one backoffice has stopped is stopped for another that wants so within this
/// (semantics K-72).
pub const STOPS_COALESCE: Duration = Duration::from_secs(10);

/// How long the charger is taken to install firmware after it last said so: some never say that they are done
/// (semantics K-55).
pub const INSTALLATION: Duration = Duration::from_secs(3600);

/// Answers of GetConfiguration kept for followers (semantics F-35).
pub const CONFIGURATION_ANSWERS: usize = 8;

/// Sources of meter values, counted per backoffice, of which a backoffice is told less than the charger says.
pub const THINNED_SERIES: usize = 128;

/// How much sooner than its interval a sample may come and still be told (semantics T-36).
pub const SAMPLE_JITTER: Duration = Duration::from_secs(2);

/// Length of a setting's value that is remembered; OCPP allows 500 characters (OCPP 1.6 §7.29).
pub const SETTING_BYTES: usize = 2000;

/// How long such an answer is good (semantics F-35).
pub const CONFIGURATION_AGE: Duration = Duration::from_secs(60);

/// Largest safe transaction number: some chargers and backoffices have 32 bits (semantics T-7).
pub const LARGEST_TRANSACTION_NUMBER: i64 = i32::MAX as i64;

/// The band of transaction numbers that the proxy allocates itself, from the top downwards
/// (semantics T-10).
pub const OWN_TRANSACTION_NUMBERS: std::ops::RangeInclusive<i64> = 2_000_000_000..=2_147_483_000;

/// The band of other numbers that the proxy allocates itself: reservations, profiles, requests
/// (semantics M-1).
pub const OWN_IDS: std::ops::RangeInclusive<i64> = 1_500_000_000..=1_999_999_999;

/// A transaction message is answered within this, below the usual 30 s of chargers
/// (semantics §1.5).
pub const ANSWER_TRANSACTION: Duration = Duration::from_secs(25);

/// An Authorize is answered within this: a driver waits at the reader.
pub const ANSWER_AUTHORIZE: Duration = Duration::from_secs(10);

/// A Heartbeat is answered within this; the proxy knows the time, too.
pub const ANSWER_HEARTBEAT: Duration = Duration::from_secs(5);

/// Everything else is answered within this.
pub const ANSWER_OTHER: Duration = Duration::from_secs(20);

/// A charger that gives up sooner than the rules expect is answered sooner, but never sooner than
/// this (semantics F-25).
pub const IMPATIENT_LEAST: Duration = Duration::from_secs(5);

/// A charger whose socket ends this long after its call may have given up; sooner it has other
/// reasons.
pub const IMPATIENT_CLOSE: Duration = Duration::from_secs(10);

/// The leader answers a call within this, just below the longest that a charger waits.
pub const LEADER_ANSWER: Duration = Duration::from_secs(24);

/// A loss of the leader shorter than this is bridged in every mode (semantics §1.5).
pub const LEADER_GRACE: Duration = Duration::from_secs(60);

/// A call that only the leader can answer waits for it until so long after it was lost: most losses
/// are restarts.
pub const LEADER_BLINK: Duration = Duration::from_secs(5);

/// Calls in a row that the leader left unanswered before its link is closed and opened anew
/// (semantics X-4).
pub const LEADER_TIMEOUTS: u32 = 5;

/// First wait before the leader is dialed again; doubles like a follower's.
pub const LEADER_REDIAL_FIRST: Duration = Duration::from_secs(1);

/// A charger that the proxy itself tells to wait boots again after this, in seconds (semantics T-65).
pub const BOOT_PENDING_SECONDS: u32 = 60;

/// Cards whose verdict is remembered, per charger; the oldest is forgotten.
pub const CARDS: usize = 256;

/// How long a remembered verdict is good (semantics §5.5).
pub const CARD_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A remembered verdict that was heard again is written again when it is older than this.
pub const CARD_REFRESH: Duration = Duration::from_secs(24 * 3600);

/// Deliveries of before go this far apart (5 a second), so that a backoffice that returns is not flooded
/// (semantics §2.8, pace).
pub const DELIVERY_PACE: Duration = Duration::from_millis(200);

/// So many may go at once before the pace holds.
pub const DELIVERY_BURST: u32 = 10;

/// What waited less than this is live, and is never paced.
pub const DELIVERY_FRESH: Duration = Duration::from_secs(5);

/// How long a charger's answer waits for the opinions of followers about a card (semantics §1.5,
/// `policy_follower_wait`): a driver waits at the reader.
pub const FOLLOWER_OPINION: Duration = Duration::from_secs(4);

/// How long a charger waits for the cable after a card was accepted, where its setting is not known
/// (`ConnectionTimeOut`, OCPP 1.6 §9.1.7).
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// However long a charger is set to wait for the cable, nothing is announced for longer.
pub const CONNECTION_TIMEOUT_LONGEST: Duration = Duration::from_secs(3600);

/// How much longer a decision about a card holds for the start that follows (semantics §5.3).
pub const DECISION_HOLDS: Duration = Duration::from_secs(120);

/// Decisions about cards remembered for that, per charger.
pub const DECISIONS: usize = 64;

/// How much longer than a charger waits for the cable a remote start is expected to show (semantics A-30).
pub const INTENT_HOLDS: Duration = Duration::from_secs(60);

/// Cards announced to one charger.
pub const INTENTS: usize = 64;

/// Bytes that a follower's verdict may have to reach the charger: all that OCPP knows of it, and what vendors add.
pub const VERDICT_BYTES: usize = 1024;
/// How long an acceptance that overrules the leader holds in the charger's cache (semantics A-23).
pub const OVERRULED_FOR: Duration = Duration::from_secs(24 * 3600);

/// A follower answers a copy within this.
pub const FOLLOWER_ANSWER: Duration = Duration::from_secs(30);

/// How often a delivery is sent in vain before it is parked: more patient than a charger, which has
/// no disk (semantics T-58).
pub const DELIVERY_ATTEMPTS: u32 = 10;

/// The wait after an attempt, times the attempts so far (OCPP 1.6 §3.7.1).
pub const DELIVERY_INTERVAL: Duration = Duration::from_secs(30);

/// The longest such wait.
pub const DELIVERY_LONGEST: Duration = Duration::from_secs(15 * 60);

/// A backoffice that is at most so many deliveries behind …
pub const CATCHING_UP: u64 = 4;

/// … and has not been asked for longer than this is about to be where the charger is: the answer to meter values waits for
/// it, once. Half of what a delivery that is on its way may stay unkept.
pub const PROMPT: Duration = Duration::from_millis(25);

/// Messages remembered of each backoffice to recognise what the charger says again because their answer was lost.
pub const TOLD_REMEMBERED: usize = 32;

/// A volatile copy is of no use to a follower after this.
pub const VOLATILE_AGE: Duration = Duration::from_secs(30);

/// A backoffice that has set another key for its link gets this long to take in that it was accepted, before it is
/// dialed with it.
pub const KEY_TAKEN_IN: Duration = Duration::from_secs(1);

/// Then its link is closed as soon as nothing is in flight on it, and after this in any case.
pub const KEY_RECONNECTS: Duration = Duration::from_secs(15);

/// A command is sent to the charger within this, or not at all (semantics F-33).
pub const COMMAND_DISPATCH: Duration = Duration::from_secs(10);

/// A command is answered within this, below the usual 30 s of backoffices (semantics F-33).
pub const COMMAND_REPLY: Duration = Duration::from_secs(28);

/// The charger answers a command within this.
pub const CHARGER_ANSWER: Duration = Duration::from_secs(30);

/// Some commands make a charger collect much first.
pub const CHARGER_LONG_ANSWER: Duration = Duration::from_secs(60);

/// A command waits at most this long for the charger's own open call (semantics F-23).
pub const COMMAND_YIELDS: Duration = Duration::from_secs(3);

/// A follower's command moves up to the leader's priority after this (semantics F-31).
pub const COMMAND_AGES: Duration = Duration::from_secs(5);

/// Commands wait this long after the charger was told that it is accepted (semantics B-17).
pub const AFTER_BOOT: Duration = Duration::from_secs(1);

/// Commands wait at most this long for the charger's boot (semantics B-17).
pub const BOOT_HOLD: Duration = Duration::from_secs(30);

/// A charger that was accepted before and boots all the same does so within this of connecting.
pub const BOOT_EXPECTED: Duration = Duration::from_secs(5);

/// Commands in a row without an answer after which the charger is taken to answer none
/// (semantics F-36).
pub const UNANSWERED_COMMANDS: u32 = 3;

/// How often such a charger is asked again (semantics F-36).
pub const PROBE_EVERY: Duration = Duration::from_secs(60);

/// What a command caused is held back for its sender until the command is answered, at most this
/// long (semantics F-51).
pub const HOLD_CAUSED: Duration = Duration::from_secs(2);

/// How long a trigger is expected to show (semantics K-60).
pub const TRIGGER_EXPECTED: Duration = Duration::from_secs(30);

/// Links stay open this long while the charger is away (semantics F-72).
pub const CHARGER_GRACE: Duration = Duration::from_secs(15);

/// A charger that says nothing for this long is pinged (semantics F-81).
pub const CHARGER_PING: Duration = Duration::from_secs(60);

/// A charger that has answered pings before and misses one for this long is gone.
pub const CHARGER_PONG: Duration = Duration::from_secs(60);

/// A charger that never answered a ping is gone after this, or three heartbeat intervals
/// (semantics F-81).
pub const CHARGER_SILENCE: Duration = Duration::from_secs(15 * 60);

/// A backoffice that says nothing for this long is pinged; two missed pongs end its link
/// (semantics F-83).
pub const BACKOFFICE_PING: Duration = Duration::from_secs(30);

/// First wait before a follower is dialed again; doubles, with full jitter (semantics §1.5).
pub const REDIAL_FIRST: Duration = Duration::from_secs(10);

/// Longest such wait.
pub const REDIAL_LAST: Duration = Duration::from_secs(300);

/// Shortest wait once it has grown to the longest: at most 20 dials an hour, since some backoffices
/// block a charger that dials too often (semantics F-90).
pub const REDIAL_STEADY: Duration = Duration::from_secs(180);

/// A backoffice that refuses the credentials, the charger or the version is dialed no faster than
/// this (semantics §1.10, F-66).
pub const REDIAL_REFUSED: Duration = Duration::from_secs(15 * 60);

/// Longest `Retry-After` that is honoured.
pub const REDIAL_ASKED: Duration = Duration::from_secs(3600);

/// A link that was up for this long starts its redial waits anew.
pub const REDIAL_FORGET: Duration = Duration::from_secs(60);

/// Heartbeat interval towards a follower that named none.
pub const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(300);

/// Bounds of a heartbeat interval in a BootNotification answer, in seconds (semantics B-10).
pub const HEARTBEAT_SECONDS: std::ops::RangeInclusive<i64> = 10..=86_400;

/// A lease of the diagnostics or firmware job ends after this at the latest (semantics K-52).
pub const LEASE: Duration = Duration::from_secs(24 * 3600);

/// A follower that has not accepted the charger is asked again after this, if it names no interval.
pub const BOOT_AGAIN: Duration = Duration::from_secs(60);

/// But never sooner than this (semantics §4.2).
pub const BOOT_AGAIN_LEAST: Duration = Duration::from_secs(10);

/// Connectors of one charger whose states are remembered.
pub const CONNECTORS: usize = 64;

/// Boots within this window are counted to recognise a boot loop (semantics B-18).
pub const BOOT_LOOP_WINDOW: Duration = Duration::from_secs(600);

/// So many boots in the window are a loop.
pub const BOOT_LOOP_COUNT: usize = 5;

/// Of a boot loop followers hear once in this time (semantics B-18).
pub const BOOT_LOOP_COPIES: Duration = Duration::from_secs(60);

/// A leader's clock further off than this is reported (semantics B-33).
pub const CLOCK_ALERT: Duration = Duration::from_secs(60);

/// No charger's clock says less: 2015-10-08, when OCPP 1.6 was published; milliseconds since 1970.
pub const EARLIEST_UNIX_MS: i64 = 1_444_262_400_000;

/// A BO that stops a transaction whose start is unanswered yet waits this long (semantics T-49).
pub const NUMBER_AWAITED: Duration = Duration::from_secs(5);
