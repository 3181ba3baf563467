//! Before a session: the leader is dialed and the version agreed while the charger's handshake still
//! waits, so that a charger is refused rather than accepted and then closed (semantics F-63, X-3).

use std::sync::Arc;
use std::time::Duration;

use engine::{BackofficeId, ChargerId, Departure, DialFailure, Memory, Note, Plan, Reason};
use tokio::select;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use crate::dial::{Destination, Dialing, Link};
use crate::fleet::{Arrival, Control, Knock, Membership, Verdict};
use crate::limits::{
    ARRIVAL_TIMEOUT, CLOSE_TIMEOUT, LEADER_DIAL_TIMEOUT, LEADER_PAUSE, REFUSED_LEADER_PAUSE, WAITING_KNOCKS,
};
use crate::notes;
use crate::task::see_off;

/// All that a session needs to begin.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(crate) charger: ChargerId,
    pub(crate) plan: Arc<Plan>,
    pub(crate) link: Link,
    pub(crate) arrival: Box<Arrival>,
    pub(crate) remembered: Memory,
    /// Lanes that an operator changed since that was read.
    pub(crate) lanes_changed: Vec<BackofficeId>,
}

/// How far the leader is.
enum Stage {
    /// Nobody has knocked.
    Idle,
    /// It is being dialed.
    Dialing { plan: Arc<Plan>, destination: Arc<Destination>, dial: Dialing },
    /// It is there; the charger's handshake is about to finish.
    Ready { plan: Arc<Plan>, destination: Arc<Destination>, link: Link, until: Instant },
    /// It could not be had; until then nobody tries again.
    Failed { verdict: Verdict, until: Instant },
}

/// What comes next.
enum Next {
    Told(Option<Control>),
    Dialed(Result<Link, DialFailure>),
    TimeIsUp,
}

/// Answers knocks until a charger has arrived. `None` when none will.
pub(crate) async fn greet(place: &Membership, controls: &mut UnboundedReceiver<Control>) -> Option<Greeted> {
    let mut greeting = Greeting {
        place,
        charger: place.as_sent.clone(),
        stage: Stage::Idle,
        knocks: Vec::new(),
        remembered: Memory::default(),
        lanes_changed: Vec::new(),
    };
    let arrival = greeting.wait(controls).await;
    match (std::mem::replace(&mut greeting.stage, Stage::Idle), arrival) {
        (Stage::Ready { plan, link, .. }, Some(arrival)) => {
            let Greeting { charger, remembered, lanes_changed, .. } = greeting;
            Some(Greeted { charger, plan, link, arrival, remembered, lanes_changed })
        }
        (Stage::Ready { link, .. }, None) => {
            let mut socket = *link.socket;
            socket.close(Reason::ChargerLeft.close_code(), Reason::ChargerLeft.text());
            see_off(socket, CLOSE_TIMEOUT).await;
            None
        }
        _ => None,
    }
}

struct Greeting<'a> {
    place: &'a Membership,
    /// The identity as backoffices and the store get it, once that is settled.
    charger: ChargerId,
    stage: Stage,
    knocks: Vec<Knock>,
    remembered: Memory,
    lanes_changed: Vec<BackofficeId>,
}

impl Greeting<'_> {
    async fn wait(&mut self, controls: &mut UnboundedReceiver<Control>) -> Option<Box<Arrival>> {
        loop {
            let next = select! {
                biased;
                control = controls.recv() => Next::Told(control),
                next = self.stage.next() => next,
            };
            match next {
                Next::Told(Some(Control::Knock(knock))) => self.knocked(knock).await,
                Next::Told(Some(Control::Arrived(arrival))) => {
                    // Without the leader there was no welcome: it comes too late, and is dropped.
                    if matches!(self.stage, Stage::Ready { .. }) {
                        return Some(arrival);
                    }
                    if matches!(self.stage, Stage::Idle) {
                        return None;
                    }
                }
                Next::Told(Some(Control::LaneChanged(backoffice))) => {
                    if !self.lanes_changed.contains(&backoffice) {
                        self.lanes_changed.push(backoffice);
                    }
                }
                Next::Told(Some(Control::RoutingChanged)) => {
                    if !self.rules_changed() {
                        return None;
                    }
                }
                Next::Told(Some(Control::Drain | Control::Stop) | None) => {
                    self.answer_all(Verdict::Stopping);
                    return None;
                }
                Next::Dialed(outcome) => self.dialed(outcome),
                Next::TimeIsUp => return None,
            }
        }
    }

    async fn knocked(&mut self, knock: Knock) {
        match &mut self.stage {
            Stage::Idle => self.begin(knock).await,
            Stage::Dialing { .. } => {
                if self.knocks.len() >= WAITING_KNOCKS {
                    self.knocks.remove(0).answer(Verdict::LeaderDown);
                }
                self.knocks.push(knock);
            }
            Stage::Ready { link, until, .. } => {
                *until = Instant::now() + ARRIVAL_TIMEOUT;
                knock.welcome(link.version);
            }
            Stage::Failed { verdict, .. } => knock.answer(*verdict),
        }
    }

    /// The first knock: what was kept of the charger is read, and its leader dialed.
    async fn begin(&mut self, knock: Knock) {
        let shared = &self.place.shared;
        if shared.is_draining() {
            self.stage = Stage::failed(Verdict::Stopping, Duration::ZERO);
            knock.answer(Verdict::Stopping);
            return;
        }
        match recall(self.place).await {
            Ok((charger, remembered)) => (self.charger, self.remembered) = (charger, remembered),
            Err(why) => {
                let note = Note::Alert { kind: "store_failed", detail: why };
                notes::take(shared, &self.charger, note);
                self.stage = Stage::failed(Verdict::StoreFailed, LEADER_PAUSE);
                knock.answer(Verdict::StoreFailed);
                return;
            }
        }
        self.knocks.push(knock);
        self.dial();
    }

    fn dial(&mut self) {
        let (shared, charger) = (&self.place.shared, &self.charger);
        let served = shared.served.load();
        let found = served.plan(charger).and_then(|plan| {
            let destination = served.destination(&plan.leader)?.clone();
            Some((plan, destination))
        });
        match (found, self.knocks.first()) {
            (Some((plan, destination)), Some(knock)) => {
                let dial = destination.dial(charger, &knock.versions, LEADER_DIAL_TIMEOUT);
                self.stage = Stage::Dialing { plan, destination, dial };
            }
            _ => {
                self.answer_all(Verdict::NotServed);
                self.stage = Stage::failed(Verdict::NotServed, Duration::ZERO);
            }
        }
    }

    fn dialed(&mut self, outcome: Result<Link, DialFailure>) {
        let Stage::Dialing { plan, destination, .. } = &self.stage else { return };
        let (plan, destination) = (plan.clone(), destination.clone());
        match outcome {
            Ok(link) => {
                for knock in self.knocks.drain(..) {
                    knock.welcome(link.version);
                }
                let until = Instant::now() + ARRIVAL_TIMEOUT;
                self.stage = Stage::Ready { plan, destination, link, until };
            }
            Err(failure) => {
                let verdict = verdict(&failure);
                self.stage = Stage::failed(verdict, pause(&failure));
                self.note_failure(&plan.leader, failure);
                self.answer_all(verdict);
            }
        }
    }

    fn note_failure(&self, leader: &BackofficeId, failure: DialFailure) {
        let note = Note::LinkDown {
            backoffice: leader.clone(),
            departure: Departure::Undialable(failure),
            retry_in_ms: None,
        };
        notes::take(&self.place.shared, &self.charger, note);
    }

    /// False when it is better to begin anew with the next knock.
    fn rules_changed(&mut self) -> bool {
        let (shared, charger) = (&self.place.shared, &self.charger);
        let served = shared.served.load();
        let leads = |plan: &Plan, destination: &Arc<Destination>| {
            let now = served.destination(&plan.leader);
            now.is_some_and(|now| Arc::ptr_eq(now, destination))
        };
        match (&mut self.stage, served.plan(charger)) {
            (
                Stage::Dialing { plan, destination, .. } | Stage::Ready { plan, destination, .. },
                Some(other),
            ) if plan.leader == other.leader && leads(&other, destination) => {
                *plan = other;
                true
            }
            (Stage::Dialing { .. }, _) => {
                self.dial();
                true
            }
            _ => false,
        }
    }

    fn answer_all(&mut self, verdict: Verdict) {
        for knock in self.knocks.drain(..) {
            knock.answer(verdict);
        }
    }
}

impl Stage {
    fn failed(verdict: Verdict, pause: Duration) -> Self {
        Stage::Failed { verdict, until: Instant::now() + pause }
    }

    /// Safe to be dropped and called again.
    async fn next(&mut self) -> Next {
        match self {
            Stage::Idle => {
                // A task is started for somebody who is about to knock.
                sleep_until(Instant::now() + ARRIVAL_TIMEOUT).await;
                Next::TimeIsUp
            }
            Stage::Dialing { dial, .. } => Next::Dialed(dial.await),
            Stage::Ready { until, .. } | Stage::Failed { until, .. } => {
                sleep_until(*until).await;
                Next::TimeIsUp
            }
        }
    }
}

/// How the charger's identity is written, and what was kept of it. The spelling in `proxy.toml` counts
/// before the one first remembered, and that before the one that was sent (semantics F-61). A store that cannot keep anything would end the session at its first
/// transaction: better not to begin.
async fn recall(place: &Membership) -> Result<(ChargerId, Memory), String> {
    let Membership { shared, as_sent } = place;
    shared.store.is_writable().map_err(|why| format!("the store cannot keep anything: {why}"))?;
    let unreadable = |error| format!("what was kept of this charger cannot be read: {error}");
    let remembered = shared.store.remembered(as_sent).await.map_err(unreadable)?;
    let configured = shared.served.load().spelling(as_sent);
    let charger = match configured {
        Some(charger) => charger,
        None => {
            let known = shared.store.spelling(as_sent).await.map_err(unreadable)?;
            known.unwrap_or_else(|| as_sent.clone())
        }
    };
    Ok((charger, remembered))
}

/// What a failed dial of the leader means for the charger.
fn verdict(failure: &DialFailure) -> Verdict {
    match failure {
        DialFailure::Incompatible => Verdict::NoCommonVersion,
        _ => Verdict::LeaderDown,
    }
}

fn pause(failure: &DialFailure) -> Duration {
    match failure {
        DialFailure::Refused { retry_after_s: Some(seconds), .. } => {
            Duration::from_secs(u64::from(*seconds)).clamp(LEADER_PAUSE, REFUSED_LEADER_PAUSE)
        }
        DialFailure::Refused { status: 401 | 403 | 404, .. } => REFUSED_LEADER_PAUSE,
        _ => LEADER_PAUSE,
    }
}

impl Knock {
    /// Whoever knocked may have gone.
    pub(crate) fn answer(self, verdict: Verdict) {
        let _ = self.reply.send(verdict);
    }

    /// Lets it in if it can speak the version of the session.
    pub(crate) fn welcome(self, version: crate::subprotocol::Version) {
        let known = self.versions.contains(&version);
        self.answer(if known { Verdict::Welcome(version) } else { Verdict::NoCommonVersion });
    }
}
