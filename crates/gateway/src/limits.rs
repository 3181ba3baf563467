//! Every bound of the gateway in one place, each with its reason. What a peer can make us hold,
//! wait for or do is limited here.

use std::time::Duration;

use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Connections the kernel may hold that we have not accepted yet.
pub(crate) const ACCEPT_BACKLOG: u32 = 1024;
/// How long to let the system recover when it has no sockets left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest identity; `identifierString` of OCPP 2.x is at most 48 characters.
pub(crate) const IDENTITY_CHARACTERS: usize = 48;
/// A request head larger than this is no charger's. The smallest that hyper allows.
pub(crate) const REQUEST_HEAD_BYTES: usize = 8 * 1024;
/// Headers in one request; chargers send about eight, front proxies add a dozen.
pub(crate) const REQUEST_HEADERS: usize = 48;
/// A half-sent request is closed after this; without it a socket can be held open for ever.
pub(crate) const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection to the TLS listener may take for its TLS handshake: as long as for a request.
pub(crate) const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest header of a front (PROXY protocol): 52 bytes over IPv6, and what it adds about its own TLS.
pub(crate) const PROXY_HEADER_BYTES: usize = 2 << 10;
/// Threads that do nothing but chargers' TLS handshakes: at most half of what the machine has, so that
/// sessions always get the other half, however many dial. Addresses (of IPv6: the first 48 bits) take turns.
pub(crate) fn tls_handshake_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |all| (all.get() / 2).max(1))
}
/// How often it is looked which certificates are about to expire; their warnings count in days.
pub(crate) const EXPIRY_CHECKED_EVERY: Duration = Duration::from_secs(3600);
/// Connections between accept and the finished handshake. Each holds a task and a request head. When all places
/// are taken, the oldest that has not asked yet makes room, of those from where most such come.
pub(crate) const HALF_OPEN_HANDSHAKES: usize = 1024;
/// Handshakes answered per second, so that a returning fleet does not starve the chargers that are
/// already there. When 10,000 come at once, those who are told to come again do so over the 55 s of
/// [`RETRY_AFTER_S`], 164 a second: this lets each of them in then.
pub(crate) const HANDSHAKES_PER_SECOND: u32 = 250;
/// Handshakes that may come at once before the rate applies: as many as may be half open.
pub(crate) const HANDSHAKE_BURST: u32 = HALF_OPEN_HANDSHAKES as u32;
/// Shortest and longest `Retry-After`, in seconds; spread so that refused chargers do not return
/// together.
pub(crate) const RETRY_AFTER_S: std::ops::RangeInclusive<u32> = 5..=60;

/// How long a charger's handshake may wait for the leader (semantics F-63): well below the 10 s or more
/// after which chargers give a handshake up.
pub(crate) const LEADER_DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long any other dial may take: name, connect, TLS and WebSocket handshake together.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// A dial that fails after this keeps a charger's handshake waiting for nothing, …
pub(crate) const SLOW_FAILURE: Duration = Duration::from_secs(1);
/// … so that others that may begin without the leader do so at once, for so long.
pub(crate) const SLOW_FAILURE_REMEMBERED: Duration = Duration::from_secs(30);
/// Longest answer of an HTTP proxy that is asked for a tunnel; a usual one has a hundred bytes.
pub(crate) const TUNNEL_HEAD_BYTES: usize = 8 << 10;
/// How long an agreed leader link waits for the charger to finish its own handshake.
pub(crate) const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a leader that could not be reached is not dialed again for the same charger; chargers
/// that come back in a loop must not become a loop of dials.
pub(crate) const LEADER_PAUSE: Duration = Duration::from_secs(1);
/// The same for a leader that refused the charger: trying faster locks accounts (semantics §1.10).
pub(crate) const REFUSED_LEADER_PAUSE: Duration = Duration::from_secs(30);
/// How long the older of two sockets has to show that it lives when the newer one comes from
/// another address.
pub(crate) const CHALLENGE_TIMEOUT: Duration = Duration::from_secs(5);
/// Handshakes of one charger that may wait at the same time; more are a storm, not a charger.
pub(crate) const WAITING_KNOCKS: usize = 4;

/// Longest message from a charger (semantics F-95).
pub(crate) const CHARGER_MESSAGE_BYTES: usize = 1 << 20;
/// Longest message from a backoffice: local lists and certificates are large (semantics F-95).
pub(crate) const BACKOFFICE_MESSAGE_BYTES: usize = 4 << 20;
/// So many messages beyond the bound, …
pub(crate) const OFFENCES: usize = 3;
/// … all within this time, …
pub(crate) const OFFENCES_WITHIN: Duration = Duration::from_secs(600);
/// … keep a charger out for so long (semantics F-95).
pub(crate) const QUARANTINE: Duration = Duration::from_secs(300);
/// Chargers whose offences are remembered; the oldest make room.
pub(crate) const OFFENDERS: usize = 1024;
/// What may wait for a charger besides one message of any size; chargers read slowly over 2G.
pub(crate) const CHARGER_QUEUE_BYTES: usize = 1 << 20;
/// What may wait for a backoffice besides one message of any size: what must reach it is kept as
/// deliveries, so little needs to wait here.
pub(crate) const BACKOFFICE_QUEUE_BYTES: usize = 256 << 10;
/// Control frames that may wait; each is tiny, but a stalled socket must not collect them.
pub(crate) const QUEUED_PINGS: usize = 8;
/// A peer for which so many messages are held back is not read until they have gone: answers to a flood
/// of commands must not take the room of what the charger waits for.
pub(crate) const HELD_WHILE_READ: usize = 64;
/// Messages held back for one destination until a record is durable.
pub(crate) const HELD_ORDERS: usize = 1024;
/// The kernel swallows megabytes for a peer that stopped reading, unless told not to.
pub(crate) const SOCKET_SEND_BUFFER: u32 = 64 << 10;
/// The same in the other direction; a few messages.
pub(crate) const SOCKET_RECEIVE_BUFFER: u32 = 64 << 10;
/// What is read of a socket at once, into a buffer that all sockets of a thread share: some ten messages.
pub(crate) const READ_AT_ONCE_BYTES: usize = 16 << 10;
/// What a socket has of its own, for the message that it is about to give: most answers fit. Longer ones get more
/// while they last.
const READ_BUFFER_BYTES: usize = 512;
/// Unsent bytes without progress for this long: the peer has stopped reading.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(20);
/// A message that a peer has begun has come in whole by then. Chargers' messages have a few hundred bytes,
/// and the largest a few ten thousand, which 2G takes in ten seconds; without it, a socket that brings one
/// byte now and then would be held for ever.
pub(crate) const MESSAGE_COMPLETION: Duration = Duration::from_secs(30);
/// How long the peer has to answer our close frame when it let us wait for that long already.
pub(crate) const UNFINISHED_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the peer has to answer our close frame (semantics §1.10).
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for a socket that a newer one has replaced (semantics F-70).
pub(crate) const REPLACED_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Sockets of one session that may be closing at once; the oldest is dropped beyond that.
pub(crate) const DEPARTING_SOCKETS: usize = 16;
/// Messages read from one peer before the others get their turn.
pub(crate) const READS_PER_TURN: u8 = 8;
/// Bytes read from one peer before the others get their turn; a message may be much longer.
pub(crate) const READ_BYTES_PER_TURN: usize = 64 << 10;
/// The same for a socket that is being closed: what it still sends is of no use.
pub(crate) const DEPARTING_READ_BYTES: usize = 16 << 10;
/// Longest `Retry-After` of a backoffice that is believed, in seconds: one hour.
pub(crate) const RETRY_AFTER_BELIEVED_S: u32 = 3600;
/// Longest error text kept of a failed dial; certificates can put much into it.
pub(crate) const DIAL_ERROR_CHARACTERS: usize = 300;
/// Notes a slow listener of the live tail may be behind before it loses the oldest.
pub(crate) const TAIL_NOTES: usize = 1024;
/// Concurrent connections of the admin listener: scrapers, probes and a person.
pub(crate) const ADMIN_CONNECTIONS: usize = 64;
/// A scrape that is not taken within this is cut.
pub(crate) const ADMIN_CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long sockets get to take the close frame when the drain's deadline has passed.
pub(crate) const FORCED_CLOSE: Duration = Duration::from_secs(1);

/// How a charger's socket is read and written.
pub(crate) fn charger_socket() -> WebSocketConfig {
    socket(CHARGER_MESSAGE_BYTES)
}

/// How a backoffice's socket is read and written.
pub(crate) fn backoffice_socket() -> WebSocketConfig {
    socket(BACKOFFICE_MESSAGE_BYTES)
}

fn socket(longest_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        // One message of the longest kind, which comes from a backoffice, and some control frames.
        .max_write_buffer_size(BACKOFFICE_MESSAGE_BYTES + (64 << 10))
        .max_message_size(Some(longest_message))
        .max_frame_size(Some(longest_message))
}

/// Refused handshakes that are written to the log per second: enough to see a mistake, too few for
/// strangers to fill a disk with.
pub(crate) const REFUSALS_LOGGED_PER_SECOND: u32 = 1;

/// Of those, how many may come at once.
pub(crate) const REFUSALS_LOGGED_AT_ONCE: u32 = 20;

/// Deliveries per second that one backoffice is sent of all chargers together, so that one that comes back
/// is not flooded by everything it missed (semantics §2.8).
const DELIVERIES_PER_SECOND: u64 = 200;

/// Sessions read on in their lanes for one backoffice this far apart: each reading is for as many deliveries
/// as the engine has in memory of a lane. What a lane begins with is in memory already and does not wait;
/// the engine's own pace for a link holds for that.
pub(crate) const RECALL_EVERY: Duration =
    Duration::from_micros(1_000_000 * engine::limits::LANE_WINDOW as u64 / DELIVERIES_PER_SECOND);

/// How long a delivery that is on its way may stay unkept, at least: most backoffices answer within this, and then
/// the disk has nothing to do. The charger's answer waits as long, once: a follower that is slower is told later ones
/// from its lane. Whatever is lost in it the charger was not confirmed, and says again. At most it is twice as long:
/// what is postponed is kept at moments so far apart, that of all chargers together, so that the program wakes, and
/// the disk writes, once for all of them.
pub(crate) const POSTPONED_FOR: Duration = Duration::from_millis(50);

/// How long the state of a connector may stay unkept, at least, and less than twice as long: nobody waits for that, and
/// the start, the stop or whatever else is kept before takes it along. A crash within it costs the newest state: whoever
/// connects for the first time is told the one before, until the charger says the next.
pub(crate) const UNAWAITED_FOR: Duration = Duration::from_secs(5);

/// How long somebody who looks waits for a session's answer; a session answers between two messages.
pub(crate) const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Wrong credentials from one address for one charger that are looked at within [`FAILURES_WITHIN`]; a
/// charger whose key was mistyped tries about every ten seconds.
pub(crate) const FAILURES_OF_BOTH: u32 = 10;
/// The same from one address for all chargers: a depot behind one address may have many with a wrong key.
pub(crate) const FAILURES_OF_AN_ADDRESS: u32 = 100;
/// The same for one charger from all addresses.
pub(crate) const FAILURES_OF_AN_IDENTITY: u32 = 60;
/// The time in which they are counted.
pub(crate) const FAILURES_WITHIN: Duration = Duration::from_secs(60);
/// Addresses, networks, chargers and pairs of which failures are counted, each; about 3 MB together. The
/// oldest give way.
pub(crate) const FAILURES_REMEMBERED: usize = 8_192;
/// How long whoever failed too often for one charger from one address waits until one more of its keys is looked
/// at: so often that the right key has a chance, and too seldom to guess.
pub(crate) const CHANCE_AFTER: Duration = Duration::from_secs(5);
/// With fewer failures within [`FAILURES_WITHIN`] an address is not one of those that guess at a charger, and a
/// charger none of those that an address guesses at: what others failed at is not held against them.
pub(crate) const FAILURES_OF_THE_INNOCENT: u32 = 3;
/// A key of so many bytes cannot be guessed however often somebody tries: OCPP's least length. Where its charger
/// last proved who it is such a key is always looked at.
pub(crate) const KEY_NOBODY_GUESSES_BYTES: usize = 16;
/// How long a wrong key and an unknown identity wait for their answer: both the same, and too long to try
/// many.
pub(crate) const TARPIT: Duration = Duration::from_secs(1);
/// So many wait at a time; beyond that the answer comes at once. A quarter of [`HALF_OPEN_HANDSHAKES`], so
/// that there is always room for others.
pub(crate) const TARPITS: usize = HALF_OPEN_HANDSHAKES / 4;
/// Keys of one link that are remembered besides what `proxy.toml` says: the one in use, and those of which it is
/// not known yet whether the backoffice takes them. Of these the oldest give way; the one that was taken last does not.
pub(crate) const LINK_KEYS: usize = 4;
/// Passwords that one dial shows: more would be guesses to a backoffice that counts them, and the time of a dial is
/// short. The next dial goes on with those that are left.
pub(crate) const PROOFS_OF_A_DIAL: usize = 2;
/// After how many seconds it does: eight wrong passwords a minute are fewer than what others and this proxy itself
/// lock out.
pub(crate) const NEXT_PROOFS_S: u32 = 15;
/// Keys of one charger, set by its leader, that count besides the one that it has. Those that the charger refused give
/// way; no other does, since it may be what the charger has: beyond that a new one is refused.
pub(crate) const CHARGER_KEYS: usize = 16;
/// How many hours a key that the charger did not accept counts at least: seven days (semantics S-21) in which the
/// program runs. No clock is asked: on a small computer it may be years off until it is set.
pub(crate) const OFFERED_KEY_COUNTS_HOURS: u32 = 7 * 24;
/// How often the age of such keys is written: what is lost when the program ends makes them count longer.
pub(crate) const KEYS_AGE_EVERY: Duration = Duration::from_secs(3600);
/// Unknown chargers that are remembered as knocking; the store keeps as many. Who knocked last stays.
pub(crate) const KNOCKING_REMEMBERED: usize = 1_000;
/// Of one address; the store keeps as many. An operator who moves a depot still sees it whole, and nobody fills the
/// list from one place.
pub(crate) const KNOCKING_FROM_AN_ADDRESS: usize = 50;
/// Their knocks that are written to the store per second: strangers must not keep its disk busy.
pub(crate) const KNOCKS_WRITTEN_PER_SECOND: u32 = 2;
/// Of those, how many may come at once.
pub(crate) const KNOCKS_WRITTEN_AT_ONCE: u32 = 50;
/// Ways in which chargers proved who they are, where they differ from the last, that are written per second: a
/// charger that has a key must not keep the store's disk busy with it. As many as are let in, …
pub(crate) const LOGINS_WRITTEN_PER_SECOND: u32 = HANDSHAKES_PER_SECOND;
/// … and as many at once.
pub(crate) const LOGINS_WRITTEN_AT_ONCE: u32 = HANDSHAKE_BURST;

/// Lines about one charger in the program's own log per second; the message log tells all.
pub(crate) const LINES_OF_A_CHARGER_PER_SECOND: u32 = 1;
/// Of those, how many may come at once: a connection that comes and goes is four lines.
pub(crate) const LINES_OF_A_CHARGER_AT_ONCE: u32 = 120;
/// Chargers whose lines are counted; about 2 MB. Beyond it the bound on all lines is left.
pub(crate) const LINES_OF_CHARGERS_REMEMBERED: usize = 16_384;
/// Lines about all chargers per second: 2 GB a day at the very most.
pub(crate) const LINES_PER_SECOND: u32 = 100;
/// Of those, how many may come at once: five thousand chargers that come back together.
pub(crate) const LINES_AT_ONCE: u32 = 20_000;
