//! What happens by chance in a wilder world only.

use std::sync::Arc;
use std::time::Duration;

use engine::{
    BackofficeId, Departure, Failover, Follower, LateReject, OnLeaderLost, Outage, Plan, Role, Side,
    UnknownCards,
};

use super::World;
use super::links::{Happening, Whim};
use super::options::pick;

const WILD_WHIMS: [Whim; 6] =
    [Whim::Break, Whim::Sleep, Whim::CrashAtKeep, Whim::StoreAway, Whim::PlanEdit, Whim::EditInTransaction];

impl World {
    pub(super) fn plan_wild_whims(&mut self) {
        for whim in WILD_WHIMS {
            self.plan_wild_whim(whim);
        }
    }

    pub(super) fn plan_wild_whim(&mut self, whim: Whim) {
        let wild = &self.options.wild;
        let every = match whim {
            Whim::Break => wild.breaks_every,
            Whim::Sleep => wild.sleeps_every,
            Whim::CrashAtKeep => wild.keep_crashes_every,
            Whim::StoreAway => wild.store_outages_every,
            Whim::PlanEdit => wild.plan_edits_every,
            Whim::EditInTransaction => wild.edits_in_transactions_every,
            _ => None,
        };
        if let Some(every) = every {
            let wait = self.wild_random.u64(1_000..=2 * every.as_micros() as u64);
            self.schedule(Duration::from_micros(wait), Happening::Whim(whim));
        }
    }

    pub(super) fn indulge_wildly(&mut self, whim: Whim) {
        match whim {
            Whim::Break => {
                let at = self.wild_random.usize(..=self.members.len());
                let side = self.members.keys().nth(at).cloned().map_or(Side::Charger, Side::Backoffice);
                self.break_link(&side);
            }
            Whim::Sleep => {
                let who = self.anyone_wild();
                let until = self.now + Duration::from_secs(self.wild_random.u64(30..600));
                self.transcript.push(self.now, format_args!("{who} answers nothing before {until:?}"));
                self.member(&who).backoffice.sleep_until(until);
            }
            Whim::CrashAtKeep => self.keeps_until_crash = self.wild_random.u32(1..=12),
            Whim::StoreAway => {
                let lasts = Duration::from_secs(self.wild_random.u64(1..90));
                self.transcript.push(self.now, format_args!("the store fails for {lasts:?}"));
                self.store_away_until = self.now + lasts;
            }
            Whim::PlanEdit => self.edit_plan(),
            Whim::EditInTransaction => self.edit_in_transaction = true,
            _ => {}
        }
    }

    /// How long a text may take to a peer, or from it.
    pub(super) fn latency_of(&self, peer: &Side) -> Duration {
        let wild = &self.options.wild;
        let own = match peer {
            Side::Charger => wild.charger_latency,
            Side::Backoffice(who) => {
                let at = self.members.keys().position(|id| id == who);
                at.and_then(|at| wild.backoffice_latency.get(at)).copied()
            }
        };
        own.unwrap_or(self.options.latency)
    }

    /// What is on its way may be lost, one direction may go on for a while, and either end finds out
    /// at some time; the proxy's perhaps only because nothing more is heard.
    fn break_link(&mut self, side: &Side) {
        let link = match side {
            Side::Charger => &self.charger_link,
            Side::Backoffice(who) => &self.members[who].link,
        };
        if !link.peer_open || !link.proxy_open || link.dead_to_peer.is_some() {
            return;
        }
        let epoch = link.epoch;
        let mut moment = |most_s: u64| {
            let wait_us =
                if self.wild_random.bool() { 0 } else { self.wild_random.u64(..most_s * 1_000_000) };
            self.now + Duration::from_micros(wait_us)
        };
        let (to_proxy, to_peer) = (moment(20), moment(20));
        let dead = to_proxy.max(to_peer);
        let peer_notices = dead.max(moment(180)) + Duration::from_secs(1);
        let proxy_notices = moment(60);
        let is_found_out = self.wild_random.bool();
        self.transcript.push(
            self.now,
            format_args!("the link to {side} dies: to the proxy {to_proxy:?}, to the peer {to_peer:?}"),
        );
        let link = match side {
            Side::Charger => &mut self.charger_link,
            Side::Backoffice(who) => &mut self.member(who).link,
        };
        link.dead_to_proxy = Some(to_proxy);
        link.dead_to_peer = Some(to_peer);
        self.schedule_at(peer_notices, Happening::PeerNotices { side: side.clone(), epoch });
        if is_found_out {
            let departure = Departure::Lost;
            let notices = match side {
                Side::Charger => Happening::ChargerGone { epoch, departure },
                Side::Backoffice(who) => Happening::BackofficeGone { who: who.clone(), epoch, departure },
            };
            self.schedule_at(proxy_notices, notices);
        }
    }

    pub(super) fn peer_notices(&mut self, side: &Side, epoch: u64) {
        match side {
            Side::Charger => {
                let link = &mut self.charger_link;
                if epoch == link.epoch && link.peer_open {
                    link.peer_open = false;
                    self.charger_lost_link();
                }
            }
            Side::Backoffice(who) => {
                let member = self.member(who);
                if epoch == member.link.epoch && member.link.peer_open {
                    member.link.peer_open = false;
                    member.backoffice.disconnected();
                }
            }
        }
    }

    /// An edit was to come as soon as a transaction begins or ends, and one does.
    pub(super) fn edit_in_transaction(&mut self, begins_or_ends: bool) {
        if begins_or_ends && std::mem::take(&mut self.edit_in_transaction) && !self.calm {
            let soon = Duration::from_micros(self.wild_random.u64(..3_000_000));
            self.schedule(soon, Happening::PlanEdited);
        }
    }

    /// Somebody changes one thing in the plan.
    pub(super) fn edit_plan(&mut self) {
        if self.calm {
            return;
        }
        let mut plan = (*self.plan).clone();
        let random = &mut self.wild_random;
        let at = (!plan.followers.is_empty()).then(|| random.usize(..plan.followers.len()));
        let strangers: Vec<BackofficeId> =
            self.members.keys().filter(|id| !plan.names(id)).cloned().collect();
        let role = pick(random, &[Role::Control, Role::Observer]);
        match (random.u32(..5), at, strangers.first()) {
            (0 | 1, Some(at), _) => {
                std::mem::swap(&mut plan.leader, &mut plan.followers[at].backoffice);
            }
            (2, Some(at), _) => {
                plan.followers.remove(at);
            }
            (2 | 3, _, Some(stranger)) => {
                plan.followers.push(Follower::new(stranger.clone(), role));
            }
            (_, _, Some(stranger)) if random.bool() => plan.leader = stranger.clone(),
            _ => {}
        }
        self.draw_outage(&mut plan);
        self.edit_sharing(&mut plan);
        self.change_plan(Arc::new(plan));
    }

    /// Who may lead instead is in the plan at least; what else holds in an outage may change at will.
    pub(super) fn draw_outage(&mut self, plan: &mut Plan) {
        if self.options.wild.outage_modes {
            plan.outage = outage_of(&mut self.wild_random, plan);
        }
    }

    fn anyone_wild(&mut self) -> BackofficeId {
        let at = self.wild_random.usize(..self.members.len());
        self.members.keys().nth(at).cloned().expect("a world has at least one backoffice")
    }
}

/// What may hold in a plan while its leader is away.
pub(super) fn outage_of(random: &mut fastrand::Rng, plan: &Plan) -> Outage {
    let mut listed: Vec<BackofficeId> = plan.followers.iter().map(|f| f.backoffice.clone()).collect();
    random.shuffle(&mut listed);
    listed.truncate(random.usize(..=listed.len()));
    let on_leader_lost = match random.u32(..5) {
        0 => OnLeaderLost::Mirror,
        1 | 2 if !listed.is_empty() => OnLeaderLost::Failover(Failover {
            to: listed,
            after: Duration::from_secs(random.u64(..120)),
            back_after: random.bool().then(|| Duration::from_secs(random.u64(..120))),
        }),
        _ => OnLeaderLost::Absorb,
    };
    Outage {
        on_leader_lost,
        grace: Duration::from_secs(random.u64(..=60)),
        unknown_cards: pick(
            random,
            &[UnknownCards::ChargerDecides, UnknownCards::Refuse, UnknownCards::Accept],
        ),
        late_reject: pick(random, &[LateReject::Stop, LateReject::Ignore]),
        absorb_leader_errors: random.bool(),
    }
}
