//! Conversations as text: each file of `transcripts/` goes through this one door.
//!
//! A file holds conversations, each begun by `== title`. A line is an event or an expectation:
//!
//! | line | meaning |
//! |---|---|
//! | `plan volt acme:control eye:observer` | who leads, who follows; first line, or a change later |
//! | `connected` | leader up, charger arrives, every follower dialed and up |
//! | `booted` | `connected`, then a boot that everyone accepts with 300 s, then 1 s passes |
//! | `starts 1 CARD volt=5 acme=9` | on connector 1, meter 0, at 12:04:01Z (:02Z the next time), accepted with these numbers; `error` and `silent` stand for what they say |
//! | `up acme`, `down acme`, `refused acme 401` | a link opens, ends, cannot be opened |
//! | `charger arrives`, `charger leaves` | the charger's socket |
//! | `charger> FRAME`, `volt> FRAME` | a peer says something |
//! | `charger< FRAME`, `volt< FRAME` | the proxy must say exactly this, next |
//! | `dial acme`, `ping volt`, `hangup charger 1013` | the proxy must do this, next |
//! | `kept transaction`, `kept FACT` | this must be durable before what follows |
//! | `note WORDS…` | this must be noted; see [`words`] |
//! | `wait 25s`, `wait 200ms` | time passes, deadlines are met |
//! | `wait 90s with pongs` | the same, while everyone answers pings at once; those need not be written |
//! | `wait 90s with pongs of volt acme` | the same, but only these answer |
//! | `times 9 LINE` | this line, so often; `$` in it counts from 1 |
//! | `held back volt` | the session takes no more from this peer for now: its socket is not read |
//! | `pong volt` | a ping is answered |
//! | `restart` | the program is killed; a new session starts from what was kept |
//! | `drain`, `store fails` | the program stops; the disk is full |
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
//! | `rows 26` | so many different actions have been in such rows |
//!
//! In frames `#name` stands for a message id that the proxy minted, quotes included; `<now>` for the
//! proxy's clock. Everything that is said, dialed, pinged or hung up must stand in the transcript;
//! what is kept or noted may.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{
    BackofficeId, ChargerId, Decider, Departure, DialFailure, Effect, Event, Follower, Moment, Note, Plan,
    Record, Role, Session, Side, Tick, TransactionRow,
};

/// Conversations in each file; a new one is counted here, so that none is lost silently.
const CONVERSATIONS: [(&str, usize); 20] = [
    ("basics.txt", 2),
    ("answers.txt", 13),
    ("boot-and-heartbeat.txt", 18),
    ("charger-messages.txt", 9),
    ("command-queue.txt", 23),
    ("commands-about-transactions.txt", 11),
    ("commands-by-role.txt", 11),
    ("divergence.txt", 13),
    ("endings.txt", 6),
    ("errors.txt", 23),
    ("jobs.txt", 12),
    ("leader.txt", 17),
    ("liveness.txt", 11),
    ("message-ids.txt", 13),
    ("meter-values.txt", 10),
    ("owned-numbers.txt", 15),
    ("single-flight.txt", 12),
    ("special-numbers.txt", 10),
    ("starts.txt", 21),
    ("stops.txt", 11),
];

#[test]
fn every_conversation_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, CONVERSATIONS.len(), "files in {}", folder.display());
    let mut failures = Vec::new();
    for (file, expected) in CONVERSATIONS {
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

struct Stage {
    session: Option<Session>,
    plan: Arc<Plan>,
    now: Moment,
    seed: u64,
    kept: Vec<Record>,
    pending: VecDeque<Effect>,
    ids: HashMap<String, String>,
    history: Vec<String>,
    /// The actions of the table's rows.
    rows: Vec<String>,
    started: u32,
}

impl Stage {
    fn new() -> Self {
        let plan = plan("volt acme:control");
        let now = Moment { tick: Tick(1_000_000), unix_ms: 1_795_349_000_000 };
        Self {
            session: None,
            plan,
            now,
            seed: 1,
            kept: Vec::new(),
            pending: VecDeque::new(),
            ids: HashMap::new(),
            history: Vec::new(),
            rows: Vec::new(),
            started: 0,
        }
    }

    fn failure(&self, title: &str, number: usize, line: &str, why: &str) -> String {
        let recent: Vec<&str> = self.history.iter().rev().take(12).rev().map(String::as_str).collect();
        format!("«{title}», line {}: {line}\n  {why}\n  before:\n    {}", number + 2, recent.join("\n    "))
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some((peer, frame)) = line.split_once("< ").filter(|(peer, _)| !peer.contains(' ')) {
            return self.expect_frame(peer, frame.trim());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "times" => return self.times(rest),
            "dial" | "ping" | "hangup" => return self.expect_act(line),
            "kept" | "note" => return self.expect_soft(word, rest),
            "over" => return self.session().is_over().then_some(()).ok_or("the session is not over".into()),
            _ => {}
        }
        self.nothing_unexpected()?;
        self.pending.clear();
        self.history.push(line.to_owned());
        if let Some(row) = Row::read(line) {
            return self.row(row?);
        }
        if let Some((peer, frame)) = line.split_once("> ").filter(|(peer, _)| !peer.contains(' ')) {
            let text = self.fill_in(frame.trim());
            let event = match peer {
                "charger" => Event::ChargerSaid(text.into()),
                backoffice => Event::BackofficeSaid(backoffice.into(), text.into()),
            };
            self.happen(event);
            return Ok(());
        }
        match (word, rest) {
            ("plan", rest) => {
                self.plan = plan(rest);
                if self.session.is_some() {
                    self.happen(Event::PlanChanged(self.plan.clone()));
                }
            }
            ("connected", _) => self.connected(),
            ("booted", _) => self.booted(),
            ("starts", rest) => self.starts(rest)?,
            ("up", id) => self.happen(Event::BackofficeUp(id.into())),
            ("down", id) => self.happen(Event::BackofficeDown(id.into(), Departure::Lost)),
            ("refused", rest) => {
                let (id, status) = rest.split_once(' ').ok_or("refused NAME STATUS")?;
                let status = status.parse().map_err(|_| "no status")?;
                let failure = DialFailure::Refused { status, retry_after_s: None };
                self.happen(Event::BackofficeDown(id.into(), Departure::Undialable(failure)));
            }
            ("charger", "arrives") => self.happen(Event::ChargerArrived),
            ("charger", "leaves") => self.happen(Event::ChargerLeft(Departure::Lost)),
            ("pong", "charger") => self.happen(Event::Ponged(Side::Charger)),
            ("pong", id) => self.happen(Event::Ponged(Side::Backoffice(id.into()))),
            ("wait", time) => self.wait(time)?,
            ("held", rest) => {
                let peer = rest.strip_prefix("back ").ok_or("held back PEER")?;
                let side = match peer {
                    "charger" => Side::Charger,
                    id => Side::Backoffice(id.into()),
                };
                if self.session().may_read(&side) {
                    return Err(format!("{peer} may go on"));
                }
            }
            ("rows", count) => {
                self.rows.sort();
                self.rows.dedup();
                if self.rows.len().to_string() != count {
                    return Err(format!("{} rows: {:?}", self.rows.len(), self.rows));
                }
            }
            ("restart", _) => {
                self.session = None;
                self.seed += 1;
                self.session();
            }
            ("drain", _) => self.happen(Event::DrainBegan),
            ("store", "fails") => self.happen(Event::StoreFailed),
            _ => return Err("no such line".into()),
        }
        Ok(())
    }

    fn times(&mut self, rest: &str) -> Result<(), String> {
        let (times, line) = rest.split_once(' ').ok_or("times N LINE")?;
        let times: usize = times.parse().map_err(|_| "times N LINE")?;
        (1..=times).try_for_each(|number| self.line(&line.replace('$', &number.to_string())))
    }

    fn session(&mut self) -> &mut Session {
        let (plan, kept, seed) = (&self.plan, &self.kept, self.seed);
        self.session
            .get_or_insert_with(|| Session::new(ChargerId::from("CP1"), plan.clone(), kept.clone(), seed))
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        self.session().handle(now, event);
        while let Some(effect) = self.session().poll_effect() {
            if let Effect::Keep(record) = &effect {
                self.keep(record.clone());
            }
            self.history.push(format!("  → {}", show(&effect)));
            self.pending.push_back(effect);
        }
    }

    fn keep(&mut self, record: Record) {
        self.kept.retain(|old| key(old) != key(&record));
        if !matches!(&record, Record::Fact(fact) if fact.body.is_none()) {
            self.kept.push(record);
        }
    }

    fn pass(&mut self, time: Duration, ponging: Option<&str>) {
        let until = self.now.tick + time;
        while let Some(deadline) = self.session().poll_deadline().filter(|deadline| *deadline <= until) {
            let step = deadline.max(self.now.tick).since(self.now.tick);
            self.advance(step);
            self.happen(Event::DeadlinePassed);
            if let Some(who) = ponging {
                self.pong_at_once(who);
            }
        }
        let rest = until.since(self.now.tick);
        self.advance(rest);
    }

    /// Pings of these peers, of everyone if none is named, are answered and taken out.
    fn pong_at_once(&mut self, who: &str) {
        let mut pinged = Vec::new();
        self.pending.retain(|effect| match effect {
            Effect::Ping(side) if who.is_empty() || who.split(' ').any(|name| name == side.to_string()) => {
                pinged.push(side.clone());
                false
            }
            _ => true,
        });
        for side in pinged {
            self.happen(Event::Ponged(side));
        }
    }

    fn advance(&mut self, time: Duration) {
        self.now.tick = self.now.tick + time;
        self.now.unix_ms += i64::try_from(time.as_millis()).expect("no wait is that long");
    }

    fn wait(&mut self, time: &str) -> Result<(), String> {
        let (time, ponging) = match time.split_once(" with pongs") {
            Some((time, who)) => (time, Some(who.strip_prefix(" of ").unwrap_or_default())),
            None => (time, None),
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("no time: {time}"));
        let time = match (time.strip_suffix("ms"), time.strip_suffix('s')) {
            (Some(milliseconds), _) => Duration::from_millis(number(milliseconds)?),
            (None, Some(seconds)) => Duration::from_secs(number(seconds)?),
            _ => return Err("wait 5s, or wait 200ms".into()),
        };
        self.pass(time, ponging);
        Ok(())
    }

    fn connected(&mut self) {
        let plan = self.plan.clone();
        self.happen(Event::BackofficeUp(plan.leader.clone()));
        self.happen(Event::ChargerArrived);
        for follower in &plan.followers {
            self.happen(Event::BackofficeUp(follower.backoffice.clone()));
        }
        self.pending.clear();
    }

    fn booted(&mut self) {
        self.connected();
        let boot = r#"[2,"boot","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#;
        self.happen(Event::ChargerSaid(boot.into()));
        let asked: Vec<(BackofficeId, String)> = self
            .pending
            .iter()
            .filter_map(|effect| match effect {
                Effect::SayToBackoffice(id, text) => Some((id.clone(), text[3..41].to_owned())),
                _ => None,
            })
            .collect();
        assert_eq!(asked.len(), self.plan.backoffices().count(), "everyone hears of the boot");
        let time = self.now.to_ocpp();
        for (id, message_id) in asked {
            let answer =
                format!(r#"[3,{message_id},{{"status":"Accepted","currentTime":"{time}","interval":300}}]"#);
            self.happen(Event::BackofficeSaid(id, answer.into()));
        }
        self.pass(Duration::from_secs(1), None);
        self.pending.clear();
    }

    fn starts(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split(' ');
        let (connector, tag) = words.next().zip(words.next()).ok_or("starts CONNECTOR TAG NAME=NUMBER…")?;
        self.started += 1;
        let number = self.started;
        let start = format!(
            r#"[2,"start {number}","StartTransaction",{{"connectorId":{connector},"idTag":"{tag}","meterStart":0,"timestamp":"2026-11-22T12:04:{number:02}Z"}}]"#
        );
        self.happen(Event::ChargerSaid(start.into()));
        for word in words {
            let (id, answer) = word.split_once('=').ok_or("NAME=NUMBER")?;
            let asked = self.pending.iter().rev().find_map(|effect| match effect {
                Effect::SayToBackoffice(to, text) if to.as_str() == id => Some(text[3..41].to_owned()),
                _ => None,
            });
            let asked = asked.ok_or_else(|| format!("{id} was not told of the start"))?;
            let answer = match answer {
                "silent" => continue,
                "error" => format!(r#"[4,{asked},"InternalError","",{{}}]"#),
                number => {
                    format!(r#"[3,{asked},{{"transactionId":{number},"idTagInfo":{{"status":"Accepted"}}}}]"#)
                }
            };
            self.happen(Event::BackofficeSaid(id.into(), answer.into()));
        }
        self.pending.clear();
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<(), String> {
        self.rows.push(row.action.to_owned());
        let (id, call) = (format!("\"row {}\"", self.rows.len()), (row.action, row.payload));
        let event = |text: String| match row.from {
            "charger" => Event::ChargerSaid(text.into()),
            backoffice => Event::BackofficeSaid(backoffice.into(), text.into()),
        };
        self.happen(event(format!(r#"[2,{id},"{}",{}]"#, call.0, call.1)));
        match row.expected {
            Expected::Sent(payload) => {
                self.expect_frame("charger", &format!(r#"[2,#row,"{}",{payload}]"#, row.action))?;
                let sent = self.ids.remove("row").ok_or("no message id")?;
                self.happen(Event::ChargerSaid(format!(r#"[3,{sent},{{"status":"Accepted"}}]"#).into()));
                self.expect_frame(row.from, &format!(r#"[3,{id},{{"status":"Accepted"}}]"#))
            }
            Expected::Refused(answer) if answer.starts_with('{') => {
                self.expect_frame(row.from, &format!("[3,{id},{answer}]"))
            }
            Expected::Refused(code) => match self.next_hard() {
                Some(Effect::SayToBackoffice(to, text))
                    if to.as_str() == row.from && text.starts_with(&format!(r#"[4,{id},"{code}","#)) =>
                {
                    Ok(())
                }
                other => Err(format!("instead: {:?}", other.as_ref().map(show))),
            },
            Expected::Told(everyone) => {
                let mut asked = Vec::new();
                for backoffice in everyone.split(' ') {
                    self.expect_frame(backoffice, &format!(r#"[2,#row,"{}",{}]"#, call.0, call.1))?;
                    asked.push((backoffice, self.ids.remove("row").ok_or("no message id")?));
                }
                self.nothing_unexpected()?;
                for (at, (backoffice, token)) in asked.into_iter().enumerate() {
                    self.happen(Event::BackofficeSaid(backoffice.into(), format!("[3,{token},{{}}]").into()));
                    if at == 0 {
                        self.expect_frame("charger", &format!("[3,{id},{{}}]"))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The next effect that must stand in the transcript; what may stand there is passed over.
    fn next_hard(&mut self) -> Option<Effect> {
        while let Some(effect) = self.pending.pop_front() {
            if !matches!(effect, Effect::Keep(_) | Effect::Note(_)) {
                return Some(effect);
            }
        }
        None
    }

    fn expect_frame(&mut self, peer: &str, expected: &str) -> Result<(), String> {
        let effect = self.next_hard().ok_or("nothing more was done")?;
        let text = match &effect {
            Effect::SayToCharger(text) if peer == "charger" => text.clone(),
            Effect::SayToBackoffice(id, text) if id.as_str() == peer => text.clone(),
            other => return Err(format!("instead: {}", show(other))),
        };
        let mut expected = expected.replace("<now>", &self.now.to_ocpp());
        if let Some(name) = first_id(&expected).map(str::to_owned)
            && let Some(token) = text.get(3..41)
        {
            self.ids.entry(name).or_insert_with(|| token.to_owned());
        }
        expected = self.fill_in(&expected);
        if text == expected { Ok(()) } else { Err(format!("instead: {text}")) }
    }

    fn expect_act(&mut self, expected: &str) -> Result<(), String> {
        let effect = self.next_hard().ok_or("nothing more was done")?;
        let act = show(&effect);
        if act == expected { Ok(()) } else { Err(format!("instead: {act}")) }
    }

    fn expect_soft(&mut self, kind: &str, expected: &str) -> Result<(), String> {
        let mut passed = Vec::new();
        while let Some(effect) = self.pending.front() {
            let said = match effect {
                Effect::Keep(record) if kind == "kept" => kept_words(record),
                Effect::Note(note) if kind == "note" => words(note),
                Effect::Keep(_) | Effect::Note(_) => String::new(),
                other => return Err(format!("before it: {}; noted so far: {passed:?}", show(other))),
            };
            self.pending.pop_front();
            if said == expected {
                return Ok(());
            }
            passed.push(said);
        }
        passed.retain(|said| !said.is_empty());
        Err(format!("instead: {passed:?}"))
    }

    fn nothing_unexpected(&mut self) -> Result<(), String> {
        match self.next_hard() {
            None => Ok(()),
            Some(effect) => Err(format!("not in the transcript: {}", show(&effect))),
        }
    }

    fn fill_in(&self, frame: &str) -> String {
        let mut text = frame.to_owned();
        // Longer names first, so that #10 is not taken for #1.
        let mut names: Vec<_> = self.ids.iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, token) in names {
            text = text.replace(&format!("#{name}"), token);
        }
        text
    }
}

/// One row of a table.
struct Row<'a> {
    from: &'a str,
    action: &'a str,
    payload: &'a str,
    expected: Expected<'a>,
}

enum Expected<'a> {
    Sent(&'a str),
    Refused(&'a str),
    Told(&'a str),
}

impl<'a> Row<'a> {
    /// `None` when the line is no row.
    fn read(line: &'a str) -> Option<Result<Self, String>> {
        let (from, rest) = line.split_once(' ')?;
        let (verb, rest) = match rest.strip_prefix("may not ") {
            Some(rest) => ("may not", rest),
            None => rest.split_once(' ').filter(|(verb, _)| matches!(*verb, "may" | "tells"))?,
        };
        Some(Self::parts(from, verb, rest).ok_or_else(|| "no row of a table is like that".to_owned()))
    }

    fn parts(from: &'a str, verb: &str, rest: &'a str) -> Option<Self> {
        let (action, rest) = rest.split_once(' ')?;
        let (payload, expected) = match verb {
            "may" => {
                let (payload, sent) = rest.split_once(" as ").unwrap_or((rest, rest));
                (payload, Expected::Sent(sent))
            }
            "may not" => {
                let (payload, answer) = rest.split_once(" but gets ")?;
                (payload, Expected::Refused(answer))
            }
            _ => {
                let (payload, everyone) = rest.split_once(" to ")?;
                (payload, Expected::Told(everyone))
            }
        };
        Some(Self { from, action, payload, expected })
    }
}

fn first_id(frame: &str) -> Option<&str> {
    let rest = frame.split_once('#')?.1;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    (frame.starts_with("[2,#")).then(|| &rest[..end])
}

fn plan(text: &str) -> Arc<Plan> {
    let mut words = text.split_whitespace();
    let leader = BackofficeId::from(words.next().expect("a leader"));
    let followers = words
        .map(|word| {
            let (name, role) = word.split_once(':').expect("NAME:ROLE");
            let role = if role == "control" { Role::Control } else { Role::Observer };
            Follower { backoffice: name.into(), role }
        })
        .collect();
    Arc::new(Plan { leader, followers })
}

fn key(record: &Record) -> String {
    match record {
        Record::Transaction(row) => row.trace.to_string(),
        Record::Fact(fact) => fact.key.clone(),
    }
}

/// `transaction STATE charger=N volt=N …`, or the key of a fact, with `forgotten` where it is.
fn kept_words(record: &Record) -> String {
    match record {
        Record::Transaction(row) => transaction_words(row),
        Record::Fact(fact) if fact.body.is_none() => format!("{} forgotten", fact.key),
        Record::Fact(fact) => fact.key.clone(),
    }
}

fn transaction_words(row: &TransactionRow) -> String {
    let mut text = format!("transaction {}", row.state.label());
    if let Some(number) = row.charger_number {
        text += &format!(" charger={}", number.0);
    }
    for (id, peer) in &row.peers {
        if let Some(number) = peer.number {
            text += &format!(" {id}={}", number.0);
        }
    }
    text
}

/// The words of a note:
/// `call charger Authorize result by leader volt`, `call acme Reset result by proxy role observer`,
/// `answer acme Authorize conflict /idTagInfo/status`, `alert leader_timeout`,
/// `violation acme stray_answer`, `leader acme`, …
fn words(note: &Note) -> String {
    match note {
        Note::Call(call) => {
            let by = match &call.decider {
                Decider::Leader(id) => format!("leader {id}"),
                Decider::Charger => "charger".to_owned(),
                Decider::Proxy(rule) => format!("proxy {rule}"),
                Decider::Nobody => "nobody".to_owned(),
            };
            let flags: String = call.flags.iter().map(|flag| format!(" {flag}")).collect();
            format!("call {} {} {} by {by}{flags}", call.from, call.action, call.outcome.label())
        }
        Note::Answer(answer) => {
            let places: String = answer
                .differences
                .iter()
                .filter(|d| !d.pointer.is_empty())
                .map(|d| format!(" {}", d.pointer))
                .collect();
            format!("answer {} {} {}{places}", answer.backoffice, answer.action, answer.verdict.label())
        }
        Note::Alert { kind, .. } => format!("alert {kind}"),
        Note::ProtocolViolation { peer, kind } => format!("violation {peer} {kind}"),
        Note::LeaderChanged { to, .. } => format!("leader {to}"),
        Note::LinkDown { backoffice, departure, .. } => format!("down {backoffice} {}", departure.label()),
        Note::LinkUp(id) => format!("up {id}"),
        Note::ChargerArrived => "arrived".to_owned(),
        Note::ChargerLeft { reason } => format!("left {reason}"),
        Note::HungUp(side, reason) => format!("hung up {side} {}", reason.label()),
        Note::Frame { .. } => String::new(),
    }
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::SayToCharger(text) => format!("charger< {text}"),
        Effect::SayToBackoffice(id, text) => format!("{id}< {text}"),
        Effect::Ping(side) => format!("ping {side}"),
        Effect::Dial(id) => format!("dial {id}"),
        Effect::HangUp(side, reason) => format!("hangup {side} {}", reason.close_code()),
        Effect::Keep(record) => format!("kept {}", kept_words(record)),
        Effect::Note(note) => format!("note {}", words(note)),
    }
}
