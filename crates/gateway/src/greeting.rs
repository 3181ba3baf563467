//! Before a session: the leader is dialed and the version agreed while the charger's handshake still
//! waits. Where nobody may answer in the leader's place the charger is refused rather than accepted and
//! then closed; elsewhere it is let in without the leader (semantics F-63, X-2, X-3, T-69).

use std::sync::Arc;
use std::time::Duration;

use engine::{BackofficeId, ChargerId, Departure, DialFailure, Memory, Note, OnLeaderLost, Plan, Reason};
use futures_channel::mpsc::UnboundedReceiver;
use futures_util::StreamExt;
use hyper::header::HeaderValue;
use tokio::select;
use tokio::time::{Instant, sleep_until};

use crate::dial::{Destination, Dialing, Link};
use crate::fleet::{Arrival, Control, Knock, Membership, Verdict};
use crate::limits::{
    ARRIVAL_TIMEOUT, CLOSE_TIMEOUT, LEADER_DIAL_TIMEOUT, LEADER_PAUSE, REFUSED_LEADER_PAUSE, WAITING_KNOCKS,
};
use crate::notes;
use crate::subprotocol::Version;
use crate::task::see_off;

/// All that a session needs to begin.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(crate) charger: ChargerId,
    pub(crate) plan: Arc<Plan>,
    /// The leader's link, or why there is none.
    pub(crate) leader: Result<Link, DialFailure>,
    pub(crate) version: Version,
    pub(crate) arrival: Box<Arrival>,
    /// The charger's `Authorization` header with which the leader was dialed, if that is forwarded to it.
    pub(crate) dialed_with: Option<HeaderValue>,
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
    /// It is there, or not needed; the charger's handshake is about to finish.
    Ready(Ready),
    /// It could not be had; until then nobody tries again.
    Failed { verdict: Verdict, until: Instant, refused: Option<RefusedHeader> },
}

/// The charger's own `Authorization` header that the leader has refused; it says nothing of any other.
struct RefusedHeader(Option<HeaderValue>);

/// A session that begins when the charger's handshake has finished, if it has by then.
struct Ready {
    plan: Arc<Plan>,
    destination: Arc<Destination>,
    leader: Result<Link, DialFailure>,
    version: Version,
    until: Instant,
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
        dialed_with: None,
        remembered: Memory::default(),
        lanes_changed: Vec::new(),
    };
    let arrival = greeting.wait(controls).await;
    match (std::mem::replace(&mut greeting.stage, Stage::Idle), arrival) {
        (Stage::Ready(Ready { plan, leader, version, .. }), Some(arrival)) => {
            let Greeting { charger, dialed_with, remembered, lanes_changed, .. } = greeting;
            Some(Greeted { charger, plan, leader, version, arrival, dialed_with, remembered, lanes_changed })
        }
        (Stage::Ready(Ready { leader: Ok(link), .. }), None) => {
            let mut socket = *link.socket;
            socket.close(Reason::ChargerLeft.close_code(), Reason::ChargerLeft.text());
            see_off(socket, CLOSE_TIMEOUT).await;
            None
        }
        (Stage::Ready(Ready { plan, leader: Err(failure), .. }), None) => {
            // No session will tell of it.
            greeting.note_failure(&plan.leader, failure);
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
    dialed_with: Option<HeaderValue>,
    remembered: Memory,
    lanes_changed: Vec<BackofficeId>,
}

impl Greeting<'_> {
    async fn wait(&mut self, controls: &mut UnboundedReceiver<Control>) -> Option<Box<Arrival>> {
        loop {
            let next = select! {
                biased;
                control = controls.next() => Next::Told(control),
                next = self.stage.next() => next,
            };
            match next {
                Next::Told(Some(Control::Knock(knock))) => self.knocked(knock).await,
                Next::Told(Some(Control::Arrived(arrival))) => {
                    // Without a welcome it comes too late, and is dropped.
                    if matches!(self.stage, Stage::Ready(_)) {
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
                Next::Told(Some(Control::RoutingChanged | Control::LeaderChosen)) => {
                    if !self.rules_changed() {
                        return None;
                    }
                }
                // Nothing is to be seen yet; whoever asks hears that by the sender's end.
                Next::Told(Some(Control::Describe(_))) => {}
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
            // The leader was shown somebody else's proof.
            Stage::Ready(ready) if !is_shown(&ready.destination, &self.dialed_with, &knock) => {
                knock.answer(Verdict::LeaderDown);
            }
            Stage::Ready(ready) => {
                ready.until = Instant::now() + ARRIVAL_TIMEOUT;
                knock.welcome(ready.version);
            }
            Stage::Failed { refused: Some(RefusedHeader(sent)), .. } if *sent != knock.sent => {
                self.begin(knock).await;
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
        let found = served.plan(charger, &shared.overrides).and_then(|found| {
            let plan = found.plan;
            let destination = served.destination(&plan.leader)?.clone();
            Some((plan, destination))
        });
        match (found, self.knocks.first()) {
            (Some((plan, destination)), Some(knock)) => {
                // Whoever need not wait for the leader is not made to wait for what will time out.
                let known = destination.slow_failure(Instant::now()).filter(|_| may_begin_without(&plan));
                let dial: Dialing = match known {
                    Some(failure) => Box::pin(std::future::ready(Err(failure))),
                    None => {
                        let sent = knock.sent.as_ref();
                        self.dialed_with = sent.cloned();
                        let proofs = shared.proofs(charger, &plan.leader, &destination, sent);
                        destination.dial(charger, &knock.versions, proofs, LEADER_DIAL_TIMEOUT)
                    }
                };
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
        let version = match &outcome {
            Ok(link) => Ok(link.version),
            Err(failure) if destination.refuses_header(failure) => Err(failure.clone()),
            Err(failure) => self.version_without(&plan, failure).ok_or_else(|| failure.clone()),
        };
        match version {
            Ok(version) => {
                for knock in self.knocks.drain(..) {
                    if is_shown(&destination, &self.dialed_with, &knock) {
                        knock.welcome(version);
                    } else {
                        knock.answer(Verdict::LeaderDown);
                    }
                }
                let until = Instant::now() + ARRIVAL_TIMEOUT;
                self.stage = Stage::Ready(Ready { plan, destination, leader: outcome, version, until });
            }
            Err(failure) if destination.refuses_header(&failure) => {
                let refused = Some(RefusedHeader(self.dialed_with.take()));
                let until = Instant::now() + pause(&failure);
                self.note_failure(&plan.leader, failure);
                let sent = refused.as_ref().and_then(|RefusedHeader(sent)| sent.clone());
                let (same, others) = self.knocks.drain(..).partition(|knock| knock.sent == sent);
                self.knocks = same;
                self.answer_all(Verdict::Unproved);
                self.knocks = others;
                self.stage = Stage::Failed { verdict: Verdict::Unproved, until, refused };
                if !self.knocks.is_empty() {
                    self.dial();
                }
            }
            Err(failure) => {
                let verdict = verdict(&failure);
                self.stage = Stage::failed(verdict, pause(&failure));
                self.note_failure(&plan.leader, failure);
                self.answer_all(verdict);
            }
        }
    }

    /// The version of a session that begins without its leader, if it may: what the charger wants most.
    fn version_without(&self, plan: &Plan, failure: &DialFailure) -> Option<Version> {
        if !may_begin_without(plan) || *failure == DialFailure::Incompatible {
            return None;
        }
        self.knocks.first().and_then(|knock| knock.versions.first().copied())
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
        let plan = served.plan(charger, &shared.overrides).map(|found| found.plan);
        match (&mut self.stage, plan) {
            (
                Stage::Dialing { plan, destination, .. } | Stage::Ready(Ready { plan, destination, .. }),
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
        Stage::Failed { verdict, until: Instant::now() + pause, refused: None }
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
            Stage::Ready(Ready { until, .. }) | Stage::Failed { until, .. } => {
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
    let Membership { shared, as_sent, .. } = place;
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

/// Whether somebody answers while the leader is away.
fn may_begin_without(plan: &Plan) -> bool {
    plan.outage.on_leader_lost != OnLeaderLost::Mirror
}

/// Whether the leader was dialed with what this knock proves itself with, if that is shown to it.
fn is_shown(destination: &Destination, dialed_with: &Option<HeaderValue>, knock: &Knock) -> bool {
    !destination.settings.forward_authorization || *dialed_with == knock.sent
}

/// What a failed dial of the leader means for the charger, if it is not let in without.
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
    pub(crate) fn welcome(self, version: Version) {
        let known = self.versions.contains(&version);
        self.answer(if known { Verdict::Welcome(version) } else { Verdict::NoCommonVersion });
    }
}
