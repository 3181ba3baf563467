//! The stage on which a conversation is played: one session, a clock, and what was kept of it.

mod expectations;
mod memory;
mod plans;
mod tables;
pub(crate) mod words;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use engine::{
    BackofficeId, ChargerId, Departure, DialFailure, Effect, Event, Keep, Moment, Plan, Record, Session,
    Side, Tick, TraceId, Urgency,
};
use memory::Kept;
use tables::Row;
use words::show;

pub(crate) struct Stage {
    session: Option<Session>,
    plan: Arc<Plan>,
    now: Moment,
    seed: u64,
    memory: Kept,
    /// What was kept before the latest line that made something happen.
    kept_before: Kept,
    /// What the latest line led to that is to be kept now.
    kept_now: Vec<Record>,
    pending: VecDeque<Effect>,
    ids: HashMap<String, String>,
    history: Vec<String>,
    /// The actions of the table's rows.
    rows: Vec<String>,
    started: u32,
    /// The key that was last to be made durable.
    key: Option<TraceId>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let plan = Arc::new(plans::plan("volt acme:control").expect("a plan"));
        let now = Moment { tick: Tick(1_000_000), unix_ms: 1_795_349_000_000 };
        Self {
            session: None,
            plan,
            now,
            seed: 1,
            memory: Kept::default(),
            kept_before: Kept::default(),
            kept_now: Vec::new(),
            pending: VecDeque::new(),
            ids: HashMap::new(),
            history: Vec::new(),
            rows: Vec::new(),
            started: 0,
            key: None,
        }
    }

    pub(crate) fn failure(&self, title: &str, number: usize, line: &str, why: &str) -> String {
        let recent: Vec<&str> = self.history.iter().rev().take(12).rev().map(String::as_str).collect();
        format!("«{title}», line {}: {line}\n  {why}\n  before:\n    {}", number + 2, recent.join("\n    "))
    }

    pub(crate) fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some((peer, frame)) = line.split_once("< ").filter(|(peer, _)| !peer.contains(' ')) {
            return self.expect_frame(peer, frame.trim());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "times" => return self.times(rest),
            "dial" | "ping" | "hangup" | "keep" | "accepted" => return self.expect_act(line),
            "refused" if rest.starts_with("key of ") => return self.expect_act(line),
            "key" if rest.starts_with("of ") => return self.expect_act(line),

            "kept" | "note" => return self.expect_soft(word, rest),
            "over" => return self.session().is_over().then_some(()).ok_or("the session is not over".into()),
            "killed" => return self.killed(rest),
            "store" if rest == "fails before it was kept" => self.undo(),
            _ => {}
        }
        self.nothing_unexpected()?;
        self.pending.clear();
        self.kept_before = self.memory.clone();
        self.kept_now.clear();
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
                self.plan = Arc::new(plans::plan(rest)?);
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
            ("moved", id) => self.happen(Event::BackofficeMoved(id.into())),
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
            ("restart", _) => self.restart(),
            ("operator", rest) => {
                let words: Vec<&str> = rest.split(' ').collect();
                let [order, id, number] = words[..] else {
                    return Err("operator retries NAME NUMBER".into());
                };
                let number = number.parse().map_err(|_| "no number")?;
                match order {
                    "retries" => self.memory.unpark(&id.into(), number),
                    "drops" => self.memory.keep(&Record::Delivered { backoffice: id.into(), number }),
                    _ => return Err("operator retries, or drops".into()),
                }
                self.happen(Event::LaneChanged(id.into()));
            }
            ("key", outcome) => {
                let trace = self.key.take().ok_or("no key was to be kept")?;
                self.happen(Event::KeyKept { trace, is_kept: outcome == "kept" });
            }
            ("drain", _) => self.happen(Event::DrainBegan),
            ("store", _) => self.happen(Event::StoreFailed),
            _ => return Err("no such line".into()),
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.session = None;
        self.seed += 1;
        self.session();
    }

    /// The program is killed in the middle of what the latest event led to.
    fn killed(&mut self, rest: &str) -> Result<(), String> {
        match rest {
            "before it was kept" => self.undo(),
            "before it was said" => self.pending.clear(),
            "before what has time was kept" => {
                self.undo();
                std::mem::take(&mut self.kept_now).iter().for_each(|record| self.memory.keep(record));
            }
            _ => return Err("killed before it was kept, or said, or before what has time was kept".into()),
        }
        self.restart();
        Ok(())
    }

    /// Nothing of what the latest line led to has happened outside the session.
    fn undo(&mut self) {
        self.memory = self.kept_before.clone();
        self.pending.clear();
    }

    fn times(&mut self, rest: &str) -> Result<(), String> {
        let (times, line) = rest.split_once(' ').ok_or("times N LINE")?;
        let times: usize = times.parse().map_err(|_| "times N LINE")?;
        (1..=times).try_for_each(|number| self.line(&line.replace('$', &number.to_string())))
    }

    fn session(&mut self) -> &mut Session {
        let (plan, memory, seed) = (&self.plan, &self.memory, self.seed);
        self.session
            .get_or_insert_with(|| Session::new(ChargerId::from("CP1"), plan.clone(), memory.first(), seed))
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        self.session().handle(now, event);
        let mut recalls = Vec::new();
        while let Some(effect) = self.session().poll_effect() {
            self.history.push(format!("  → {}", show(&effect)));
            match effect {
                Effect::Keep(Keep { records, before, urgency }) => {
                    if urgency == Urgency::Now {
                        self.kept_now.extend(records.iter().cloned());
                    }
                    for record in records {
                        self.memory.keep(&record);
                        let keep = Keep { records: vec![record], before: before.clone(), urgency };
                        self.pending.push_back(Effect::Keep(keep));
                    }
                }
                Effect::Recall { backoffice, after } => recalls.push((backoffice, after)),
                effect => {
                    if let Effect::KeepKey(new) = &effect {
                        self.key = Some(new.trace);
                    }
                    self.pending.push_back(effect);
                }
            }
        }
        for (backoffice, after) in recalls {
            let (deliveries, waiting) = self.memory.recall(&backoffice, after);
            let transactions = self.memory.transactions_of(&deliveries);
            self.happen(Event::Recalled { backoffice, deliveries, transactions, waiting });
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
}
