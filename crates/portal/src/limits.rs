//! Every bound of the portal in one place, each with its reason.

use std::time::Duration;

/// Connections at once. A browser opens up to six; more wait in the kernel's queue.
pub(crate) const CONNECTIONS: usize = 512;
/// Connections the kernel may hold that we have not accepted yet.
pub(crate) const ACCEPT_BACKLOG: u32 = 256;
/// How long to let the system recover when it has no sockets left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A half-sent request, or an idle connection, is closed after this.
pub(crate) const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// A request head larger than this is no browser's.
pub(crate) const REQUEST_HEAD_BYTES: usize = 32 * 1024;
/// Headers in one request; browsers send about twenty, front proxies add a dozen.
pub(crate) const REQUEST_HEADERS: usize = 64;
/// The largest form has a reason of a few hundred characters in it.
pub(crate) const FORM_BYTES: usize = 64 * 1024;
/// A form that is sent more slowly than this is given up.
pub(crate) const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// Sessions at once. When there are more, the one that was idle longest ends.
pub(crate) const SESSIONS: usize = 1_000;
/// A session ends when nobody has used it for this long, …
pub(crate) const SESSION_IDLE: Duration = Duration::from_secs(4 * 3600);
/// … and after this at the latest.
pub(crate) const SESSION_LENGTH: Duration = Duration::from_secs(24 * 3600);
/// How long the link of the first start lets someone in.
pub(crate) const FIRST_LINK: Duration = Duration::from_secs(15 * 60);

/// Failed logins per address in a minute; then 429.
pub(crate) const FAILURES_PER_ADDRESS: u32 = 10;
/// Failed logins per user name in a minute, from wherever: more than per address, so that a stranger
/// does not lock a user out by himself.
pub(crate) const FAILURES_PER_NAME: u32 = 30;
/// Failed logins in a minute of a browser from which the same user has logged in before. It counts for itself alone: the two
/// above do not hold for it, so that guessers keep nobody out who was in before.
pub(crate) const FAILURES_PER_BROWSER: u32 = 10;
/// A browser is known for so long after a login in it.
pub(crate) const BROWSER_KNOWN: Duration = Duration::from_secs(180 * 24 * 3600);
/// What failed logins are counted over.
pub(crate) const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// Addresses, names, and browsers that are known, whose failures are counted; when there are more, the stalest is forgotten.
pub(crate) const FAILURES_COUNTED: usize = 10_000;
/// Of the name that somebody tried to log in with, so many characters are counted under; no user has a longer one.
pub(crate) const NAME_CHARACTERS_COUNTED: usize = 100;
/// Passwords verified at the same time: each takes a core and 19 MiB for some 50 ms.
pub(crate) const VERIFICATIONS: usize = 2;
/// One more for browsers that are known: guessers with many addresses must not take every turn.
pub(crate) const VERIFICATIONS_KNOWN: usize = 1;
/// Logins that may wait for their verification, of strangers and of browsers that are known; more are answered 503.
pub(crate) const VERIFICATIONS_WAITING: usize = 32;
/// A longer password is refused before it is hashed.
pub(crate) const PASSWORD_BYTES: usize = 1_024;

/// Of a larger message viewers are shown the size alone: each who looks has it read for cards' numbers, and a charger
/// may send 1 MiB and a backoffice 4 MiB whenever it likes. Lists of a thousand cards fit.
pub(crate) const MASKED_BYTES: usize = 64 * 1024;
/// Pages at once from which cards' numbers are taken out: on threads of their own, so that no charger waits.
pub(crate) const MASKINGS: usize = 2;

/// Rows on one page of a list.
pub(crate) const ROWS: usize = 100;
/// Characters of a reason that a person gives.
pub(crate) const REASON_CHARACTERS: usize = 300;
/// Switches of the leader shown on the Proxy page.
pub(crate) const SWITCHES_SHOWN: usize = 50;
/// Errors of a `proxy.toml` that is not in force shown on every page; `ocpp-proxy check` says them all.
pub(crate) const CONFIGURATION_ERRORS_SHOWN: usize = 5;
/// Orders about who is let in shown on the page of those who knock.
pub(crate) const ADMISSIONS_SHOWN: usize = 50;

/// Live tails at once. Each looks at the log twice a second.
pub(crate) const TAILS: usize = 64;
/// Live tails of one user, or of one token: a browser keeps six connections to one place, and a person two browsers.
/// Nobody takes all places by himself.
pub(crate) const TAILS_EACH: usize = 12;
/// A live tail that somebody forgot ends after this.
pub(crate) const TAIL_LENGTH: Duration = Duration::from_secs(3600);
/// How often a live tail looks at the log: fast enough to seem at once.
pub(crate) const TAIL_EVERY: Duration = Duration::from_millis(500);
/// Entries that a live tail reads at a time; the next follow at once.
pub(crate) const NEWS_AT_ONCE: usize = 100;
/// Files with the log of a charger that are sent at once.
pub(crate) const EXPORTS: usize = 4;
/// Of them for one user: others get a file, too.
pub(crate) const EXPORTS_EACH: usize = 2;
/// Rows that such a file reads at a time: a row may be as large as the largest message.
pub(crate) const EXPORT_ROWS: usize = 50;
/// Lines on a page about what happened beside the calls.
pub(crate) const OCCURRENCES: usize = 200;
/// How often a page of the log goes on searching when a search has found too little.
pub(crate) const SEARCHES: usize = 8;
/// Messages of one lane shown on its page.
pub(crate) const DELIVERIES_SHOWN: u64 = 200;
/// How long a page waits for an order about deliveries; the proxy looks for orders about once a second.
pub(crate) const ORDER_PATIENCE: Duration = Duration::from_secs(3);
/// Connectors of one charger shown in the list.
pub(crate) const CONNECTORS_SHOWN: usize = 6;
