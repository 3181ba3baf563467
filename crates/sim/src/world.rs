//! A charger, its backoffices and one `engine::Session` between them, in virtual time. Links are
//! slow and break, plans change, the proxy crashes: all by one seed, judged after every step.

mod chance;
mod commits;
mod content;
mod happenings;
mod judge;
mod links;
mod options;
mod phases;
mod report;
mod sharing;
mod shell;
mod store;
mod wilderness;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use engine::{BackofficeId, Departure, Event, Moment, Plan, Record, Session, Side, Tick};

use crate::backoffice::Backoffice;
use crate::charger::Charger;
use judge::Judge;
use links::{Commit, Happening, Link, Member};
pub use options::{COMMON_CARD, FIRST_SHARED_SEED, FIRST_WILD_SEED, Promises, Wild, WorldOptions};
use report::Transcript;
pub use report::{Failure, Summary};
use store::Kept;

/// When the world begins, in milliseconds since 1970: a Sunday in November 2026.
const BEGINNING_UNIX_MS: i64 = 1_795_352_400_000;
/// Events at one and the same moment; more means that time stands still.
const MOST_STEPS_AT_ONCE: u32 = 20_000;

/// The simulated world.
pub struct World {
    seed: u64,
    options: WorldOptions,
    random: fastrand::Rng,
    now: Tick,
    happenings: BTreeMap<(Tick, u64), Happening>,
    sequence: u64,
    charger: Charger,
    charger_link: Link,
    charger_wants_link: bool,
    members: BTreeMap<BackofficeId, Member>,
    plan: Arc<Plan>,
    session: Option<Session>,
    proxy_away_until: Tick,
    kept: Kept,
    commits: VecDeque<Commit>,
    /// What is kept with whatever is kept next.
    unhurried: Vec<Record>,
    tickets: u64,
    recalls: u64,
    /// The newest reading of each lane that is under way.
    reading: BTreeMap<BackofficeId, u64>,
    last_commit: Tick,
    store_fails_next: bool,
    /// Chance of its own, so that a wilder world does not change what happens in the others.
    wild_random: fastrand::Rng,
    /// The same for worlds that are shared.
    shared_random: fastrand::Rng,
    store_away_until: Tick,
    /// The proxy crashes at the one after so many orders to keep something; 0: it does not.
    keeps_until_crash: u32,
    /// The plan is edited as soon as a transaction begins or ends.
    edit_in_transaction: bool,
    calm: bool,
    /// At the end the charger was switched off and on.
    has_power_cycled: bool,
    judge: Judge,
    transcript: Transcript,
}

impl World {
    /// The world that a seed stands for.
    pub fn new(seed: u64) -> Self {
        Self::with_options(seed, WorldOptions::draw(seed))
    }

    /// A world of one's own.
    pub fn with_options(seed: u64, options: WorldOptions) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let members: BTreeMap<BackofficeId, Member> = options
            .backoffices
            .iter()
            .map(|settings| {
                let backoffice = Backoffice::new(settings.clone(), random.u64(..));
                (
                    BackofficeId::from(settings.name.as_str()),
                    Member { backoffice, away_until: Tick(0), link: Link::default() },
                )
            })
            .collect();
        let planned: Vec<BackofficeId> = members.keys().take(options.planned).cloned().collect();
        let mut wild_random = fastrand::Rng::with_seed(!seed);
        let mut plan = chance::plan_of(&mut random, planned);
        if options.wild.outage_modes {
            plan.outage = wilderness::outage_of(&mut wild_random, &plan);
        }
        let mut shared_random = fastrand::Rng::with_seed(seed.rotate_left(32));
        if options.shared {
            sharing::share(&mut shared_random, &mut plan);
        }
        let plan = Arc::new(plan);
        let mut world = Self {
            seed,
            charger: Charger::new(options.charger.clone(), random.u64(..)),
            charger_link: Link::default(),
            charger_wants_link: true,
            members,
            judge: Judge::new(plan.clone(), options.promises),
            plan,
            random,
            now: Tick(0),
            happenings: BTreeMap::new(),
            sequence: 0,
            session: None,
            proxy_away_until: Tick(0),
            kept: Kept::default(),
            commits: VecDeque::new(),
            unhurried: Vec::new(),
            tickets: 0,
            recalls: 0,
            reading: BTreeMap::new(),
            last_commit: Tick(0),
            store_fails_next: false,
            wild_random,
            shared_random,
            store_away_until: Tick(0),
            keeps_until_crash: 0,
            edit_in_transaction: false,
            calm: false,
            has_power_cycled: false,
            transcript: Transcript::new(options.shown_lines),
            options,
        };
        world.transcript.push(world.now, format_args!("the plan is {:?}", world.plan));
        world.schedule(Duration::from_secs(1), Happening::ChargerDials);
        world.plan_whims();
        if world.options.shared {
            world.tell_aliases();
        }
        world
    }

    /// Lets the storm pass and the world come to rest, and sees whether all is in order then.
    ///
    /// # Errors
    /// The first step in which a promise was broken.
    pub fn run(mut self) -> Result<Summary, Box<Failure>> {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.run_phases()));
        let broken = match outcome {
            Ok(Ok(())) => return Ok(self.judge.summary),
            Ok(Err(broken)) => broken,
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                vec![format!("panic: {}", text.unwrap_or_else(|| "of an unknown kind".to_owned()))]
            }
        };
        Err(Box::new(Failure {
            seed: self.seed,
            broken,
            options: Box::new(self.options),
            transcript: self.transcript.take(),
        }))
    }

    fn run_until(&mut self, end: Tick) -> Result<(), Vec<String>> {
        let mut steps_at_once = 0;
        loop {
            let next = self.next_moment().filter(|next| *next <= end);
            let Some(next) = next else {
                self.now = end;
                return Ok(());
            };
            if next > self.now {
                self.now = next;
                steps_at_once = 0;
            }
            steps_at_once += 1;
            if steps_at_once > MOST_STEPS_AT_ONCE {
                let deadline = self.session.as_ref().and_then(Session::poll_deadline);
                return Err(vec![format!("time stands still; the session's deadline is {deadline:?}")]);
            }
            self.step();
            self.judge.check_waiting(self.now, &self.charger);
            for (id, member) in &self.members {
                self.judge.check_complaints(self.now, id, &member.backoffice);
            }
            let broken = self.judge.take_broken();
            if !broken.is_empty() {
                return Err(broken);
            }
        }
    }

    fn next_moment(&self) -> Option<Tick> {
        let happening = self.happenings.keys().next().map(|(at, _)| *at);
        let session = self.session.as_ref().and_then(Session::poll_deadline);
        let charger = self.charger.poll_deadline();
        let backoffices = self.members.values().filter_map(|member| member.backoffice.poll_deadline()).min();
        [happening, session, charger, backoffices].into_iter().flatten().min()
    }

    fn step(&mut self) {
        let due = self.happenings.first_key_value().is_some_and(|((at, _), _)| *at <= self.now);
        if due && let Some((_, happening)) = self.happenings.pop_first() {
            self.happen(happening);
        } else if self.session.as_ref().and_then(Session::poll_deadline).is_some_and(|at| at <= self.now) {
            self.hand(Event::DeadlinePassed);
        } else {
            let now = self.moment();
            if self.charger.poll_deadline().is_some_and(|at| at <= self.now) {
                self.charger.woke(now);
            }
            for member in self.members.values_mut() {
                if member.backoffice.poll_deadline().is_some_and(|at| at <= now.tick) {
                    member.backoffice.woke(now);
                }
            }
        }
        self.flush_peers();
    }

    /// Whatever the peers have to say goes on its way.
    fn flush_peers(&mut self) {
        while let Some(text) = self.charger.poll_frame() {
            let at = self.arrival(&Side::Charger, self.charger_link.to_proxy);
            self.charger_link.to_proxy = at;
            let epoch = self.charger_link.epoch;
            self.schedule_at(at, Happening::TextFromCharger { epoch, text });
        }
        if self.charger.takes_leave() && self.charger_link.peer_open {
            self.charger_closes(Departure::Closed(Some(1000)));
        }
        let names: Vec<BackofficeId> = self.members.keys().cloned().collect();
        for who in names {
            while let Some(text) = self.member(&who).backoffice.poll_frame() {
                let side = Side::Backoffice(who.clone());
                let at = self.arrival(&side, self.members[&who].link.to_proxy);
                let link = &mut self.member(&who).link;
                link.to_proxy = at;
                let epoch = link.epoch;
                self.schedule_at(at, Happening::TextFromBackoffice { who: who.clone(), epoch, text });
            }
        }
    }

    /// When something sent now arrives behind what is already on its way.
    fn arrival(&mut self, to: &Side, behind: Tick) -> Tick {
        let most = self.latency_of(to).as_micros() as u64;
        let latency = Duration::from_micros(self.random.u64(100..=most + 100));
        (self.now + latency).max(Tick(behind.0 + 1))
    }

    fn member(&mut self, who: &BackofficeId) -> &mut Member {
        self.members.get_mut(who).expect("plans and events name only members of this world")
    }

    fn moment(&self) -> Moment {
        Moment { tick: self.now, unix_ms: BEGINNING_UNIX_MS + (self.now.0 / 1000) as i64 }
    }

    fn schedule(&mut self, after: Duration, happening: Happening) {
        self.schedule_at(self.now + after, happening);
    }

    fn schedule_at(&mut self, at: Tick, happening: Happening) {
        self.sequence += 1;
        self.happenings.insert((at, self.sequence), happening);
    }
}
