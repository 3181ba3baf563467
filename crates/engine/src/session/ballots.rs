//! What several backoffices say of one card, and what that comes to (semantics §5.2).

use serde::{Deserialize, Serialize};

use crate::{BackofficeId, Missing, Text, Tick, TurnsOn, VerdictRule, limits, payload};

const ACCEPTED: &str = r#"{"status":"Accepted"}"#;

/// Who decides about a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authority {
    /// The leader, as if it were alone.
    Leader,
    /// The proxy's own list: accepted.
    Listed,
    /// This backoffice, which has announced the card: what it ordered counts as its opinion unless it says
    /// otherwise. The flag says how it was announced.
    Announced(BackofficeId, &'static str),
    /// This backoffice.
    Routed(BackofficeId),
    /// Several, by this rule.
    Several(VerdictRule),
    /// It was decided a moment ago.
    Decided(Decision),
}

/// A verdict, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decision {
    /// `idTagInfo`, as the source wrote it.
    pub(super) info: String,
    /// Whose; `None` for the proxy's own list.
    pub(super) source: Option<BackofficeId>,
    /// The policy that made it count.
    pub(super) policy: String,
    /// It is what the source said of the card before: now it was away, or silent.
    #[serde(default)]
    pub(super) is_remembered: bool,
}

impl Decision {
    pub(super) fn accepts(&self) -> bool {
        status(&self.info).as_deref() == Some("Accepted")
    }
}

/// What one backoffice says of the card.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Opinion {
    /// It may still say something.
    Awaited,
    /// `idTagInfo`.
    Verdict(Text),
    /// `idTagInfo` of an earlier answer: it has no opinion now (semantics §5.5).
    Remembered(Text),
    /// CALLERROR, no answer in time, not connected: no opinion, never a refusal (semantics A-11).
    None,
}

/// The opinions on one card, while the charger waits.
#[derive(Debug, Clone)]
pub(super) struct Ballot {
    authority: Authority,
    leader: BackofficeId,
    /// In the order in which they count.
    opinions: Vec<(BackofficeId, Opinion)>,
    /// What they said of the card before.
    remembered: Vec<(BackofficeId, Text)>,
    /// Who spoke first.
    first: Option<BackofficeId>,
    /// Followers that have not spoken by then have no opinion.
    pub(super) until: Tick,
    /// The leader's answer, held back until the verdict is known.
    pub(super) leaders_reply: Option<super::Reply>,
}

/// What the opinions come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Count {
    /// Somebody is still awaited.
    Open,
    /// This is the verdict.
    Decided(Decision),
    /// All had to accept, and one has no opinion: the card is not accepted, nor is it refused.
    Withheld,
    /// Nobody has an opinion.
    Undecided,
}

impl Ballot {
    /// `voters` are those who have a say, in order, whether each can be asked now, and what each said of the
    /// card before.
    pub(super) fn new(
        authority: Authority,
        leader: BackofficeId,
        voters: Vec<(BackofficeId, bool, Option<Text>)>,
        until: Tick,
    ) -> Self {
        let (opinions, remembered) =
            (voters.iter().map(|(id, ..)| (id.clone(), Opinion::Awaited)).collect(), Vec::new());
        let mut ballot =
            Self { authority, leader, opinions, remembered, first: None, until, leaders_reply: None };
        for (id, is_asked, remembered) in voters {
            ballot.remembered.extend(remembered.map(|info| (id.clone(), info)));
            if !is_asked {
                ballot.hear(&id, None);
            }
        }
        ballot
    }

    /// The flag of the row that it decides.
    pub(super) fn policy(&self) -> &'static str {
        match &self.authority {
            Authority::Leader => VerdictRule::LeaderOnly.label(),
            Authority::Listed => "local_allow",
            Authority::Announced(_, how) => how,
            Authority::Routed(_) => "tag_routed",
            Authority::Several(rule) => rule.label(),
            Authority::Decided(_) => "decided_before",
        }
    }

    /// One has said something; `None` is no opinion. What is no verdict of OCPP is none of a follower's, since
    /// the charger would hear it; the leader's passes as it is.
    pub(super) fn hear(&mut self, from: &BackofficeId, info: Option<Text>) {
        let info = info.filter(|info| *from == self.leader || is_verdict(info));
        let before = self.before(from);
        let Some((_, opinion)) = self.opinions.iter_mut().find(|(id, _)| id == from) else { return };
        if *opinion != Opinion::Awaited {
            return;
        }
        if info.is_some() && self.first.is_none() {
            self.first = Some(from.clone());
        }
        *opinion = info.map_or(before, Opinion::Verdict);
    }

    /// The opinion of one that says nothing now.
    fn before(&self, id: &BackofficeId) -> Opinion {
        let remembered = self.remembered.iter().find(|(other, _)| other == id);
        remembered.map_or(Opinion::None, |(_, info)| Opinion::Remembered(info.clone()))
    }

    /// Who has not spoken by now has no opinion: followers, or everybody.
    pub(super) fn close(&mut self, everybody: bool) {
        let silent = self
            .opinions
            .iter()
            .filter(|(id, opinion)| *opinion == Opinion::Awaited && (everybody || *id != self.leader));
        let silent: Vec<BackofficeId> = silent.map(|(id, _)| id.clone()).collect();
        silent.iter().for_each(|id| self.hear(id, None));
    }

    /// What the opinions come to so far.
    pub(super) fn count(&self) -> Count {
        match &self.authority {
            Authority::Decided(decision) => Count::Decided(decision.clone()),
            Authority::Listed => Count::Decided(Decision {
                info: ACCEPTED.to_owned(),
                source: None,
                policy: self.policy().to_owned(),
                is_remembered: false,
            }),
            Authority::Announced(by, _) => match self.in_order(TurnsOn::Silence) {
                Count::Undecided => self.decided(by, &Text::from_static(ACCEPTED)),
                count => count,
            },
            // Those behind the first are believed only while it has no opinion (semantics §5.5).
            Authority::Leader | Authority::Routed(_) | Authority::Several(VerdictRule::LeaderOnly) => {
                self.in_order(TurnsOn::Silence)
            }
            Authority::Several(VerdictRule::AnyAccept) => self.any_accept(),
            Authority::Several(VerdictRule::AllAccept(missing)) => self.all_accept(*missing),
            Authority::Several(VerdictRule::Ordered(turns_on)) => self.in_order(*turns_on),
            Authority::Several(VerdictRule::FirstAnswer) => self.first_answer(),
        }
    }

    fn any_accept(&self) -> Count {
        let accepting = |live_alone| {
            self.verdicts().find(|(id, info)| accepts(info) && !(live_alone && self.is_remembered(id)))
        };
        match accepting(true) {
            Some((id, info)) => self.decided(id, info),
            None if self.is_open() => Count::Open,
            // What is remembered counts when nobody who is there accepts.
            None => accepting(false).map_or_else(|| self.gravest(), |(id, info)| self.decided(id, info)),
        }
    }

    fn all_accept(&self, missing: Missing) -> Count {
        if self.verdicts().any(|(id, info)| !accepts(info) && !self.is_remembered(id)) {
            return self.gravest();
        }
        if self.is_open() {
            return Count::Open;
        }
        if self.verdicts().any(|(_, info)| !accepts(info)) {
            return self.gravest();
        }
        let is_missing = self.opinions.iter().any(|(_, opinion)| *opinion == Opinion::None);
        match self.leaders().or_else(|| self.verdicts().next()) {
            _ if is_missing && missing == Missing::Refuse => Count::Withheld,
            Some((id, info)) => self.decided(id, info),
            None => Count::Undecided,
        }
    }

    fn in_order(&self, turns_on: TurnsOn) -> Count {
        for (id, opinion) in &self.opinions {
            match opinion {
                Opinion::Awaited => return Count::Open,
                Opinion::Verdict(info) | Opinion::Remembered(info)
                    if accepts(info) || turns_on == TurnsOn::Silence =>
                {
                    return self.decided(id, info);
                }
                Opinion::Verdict(_) | Opinion::Remembered(_) | Opinion::None => {}
            }
        }
        self.gravest()
    }

    fn first_answer(&self) -> Count {
        let first = self.first.as_ref().and_then(|first| self.verdicts().find(|(id, _)| *id == first));
        match first {
            Some((id, info)) => self.decided(id, info),
            None if self.is_open() => Count::Open,
            None => self.verdicts().next().map_or(Count::Undecided, |(id, info)| self.decided(id, info)),
        }
    }

    fn is_remembered(&self, id: &BackofficeId) -> bool {
        self.opinions.iter().any(|(other, opinion)| other == id && matches!(opinion, Opinion::Remembered(_)))
    }

    /// Of several refusals the leader's, else the gravest (semantics A-12).
    fn gravest(&self) -> Count {
        let rank = |info: &Text| match status(info).as_deref() {
            Some("Blocked") => 3,
            Some("Expired") => 2,
            Some("Invalid") => 1,
            _ => 0,
        };
        let refusals = || self.verdicts().filter(|(_, info)| !accepts(info));
        let leaders = self.leaders().filter(|(_, info)| !accepts(info));
        // The first of equals.
        let gravest = leaders.or_else(|| {
            refusals().reduce(|best, other| if rank(other.1) > rank(best.1) { other } else { best })
        });
        gravest.map_or(Count::Undecided, |(id, info)| self.decided(id, info))
    }

    fn decided(&self, id: &BackofficeId, info: &Text) -> Count {
        Count::Decided(Decision {
            info: info.to_string(),
            source: Some(id.clone()),
            policy: self.policy().to_owned(),
            is_remembered: self.is_remembered(id),
        })
    }

    fn leaders(&self) -> Option<(&BackofficeId, &Text)> {
        self.verdicts().find(|(id, _)| **id == self.leader)
    }

    fn verdicts(&self) -> impl Iterator<Item = (&BackofficeId, &Text)> {
        self.opinions.iter().filter_map(|(id, opinion)| match opinion {
            Opinion::Verdict(info) | Opinion::Remembered(info) => Some((id, info)),
            Opinion::Awaited | Opinion::None => None,
        })
    }

    fn is_open(&self) -> bool {
        self.opinions.iter().any(|(_, opinion)| *opinion == Opinion::Awaited)
    }
}

/// Whether every charger can read it (OCPP 1.6 §7.2, §7.27).
pub(super) fn is_verdict(info: &str) -> bool {
    let is_status = status(info).is_some_and(|status| {
        matches!(&*status, "Accepted" | "Blocked" | "Expired" | "Invalid" | "ConcurrentTx")
    });
    is_status && info.len() <= limits::VERDICT_BYTES
}

fn accepts(info: &str) -> bool {
    status(info).as_deref() == Some("Accepted")
}

fn status(info: &str) -> Option<String> {
    payload::text(info, "status").map(|status| status.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What voters a, b and c (a leads) come to: `A` accepts, `I`, `B`, `E` refuse, `-` has no opinion, `?` is
    /// awaited.
    fn counted(rule: VerdictRule, opinions: &str) -> String {
        let names = ["a", "b", "c"].map(BackofficeId::from);
        // What c said before counts where its opinion is `a` or `b`, in small letters.
        let before = |id: &BackofficeId| {
            let status = match opinions.chars().nth(2) {
                Some('a') => "Accepted",
                Some('b') => "Blocked",
                _ => return None,
            };
            (id.as_str() == "c").then(|| Text::from(format!(r#"{{"status":"{status}"}}"#)))
        };
        let voters = names.iter().map(|id| (id.clone(), true, before(id))).collect();
        let mut ballot = Ballot::new(Authority::Several(rule), "a".into(), voters, Tick(0));
        for (id, opinion) in names.iter().zip(opinions.chars()) {
            let status = match opinion {
                'A' => "Accepted",
                'I' => "Invalid",
                'B' => "Blocked",
                'E' => "Expired",
                '-' | 'a' | 'b' => {
                    ballot.hear(id, None);
                    continue;
                }
                _ => continue,
            };
            ballot.hear(id, Some(Text::from(format!(r#"{{"status":"{status}"}}"#))));
        }
        match ballot.count() {
            Count::Open => "open".to_owned(),
            Count::Withheld => "withheld".to_owned(),
            Count::Undecided => "undecided".to_owned(),
            Count::Decided(Decision { info, source, .. }) => {
                format!("{} {}", source.unwrap(), status(&info).unwrap())
            }
        }
    }

    #[test]
    fn opinions_come_to_a_verdict() {
        use VerdictRule::{AllAccept, AnyAccept, FirstAnswer, Ordered};
        let cases = [
            (AnyAccept, "???", "open"),
            (AnyAccept, "I?A", "c Accepted"),
            (AnyAccept, "I?-", "open"),
            (AnyAccept, "IB-", "a Invalid"),
            (AnyAccept, "-IB", "c Blocked"),
            (AnyAccept, "-EI", "b Expired"),
            (AnyAccept, "---", "undecided"),
            (AnyAccept, "A??", "a Accepted"),
            (AnyAccept, "I?a", "open"),
            (AnyAccept, "I-a", "c Accepted"),
            (AnyAccept, "--b", "c Blocked"),
            (AllAccept(Missing::Refuse), "A?b", "open"),
            (AllAccept(Missing::Refuse), "AAb", "c Blocked"),
            (AllAccept(Missing::Refuse), "AAa", "a Accepted"),
            (Ordered(TurnsOn::Refusal), "I-a", "c Accepted"),
            (FirstAnswer, "--b", "c Blocked"),
            (AllAccept(Missing::Refuse), "AA?", "open"),
            (AllAccept(Missing::Refuse), "AAA", "a Accepted"),
            (AllAccept(Missing::Refuse), "A?I", "c Invalid"),
            (AllAccept(Missing::Refuse), "AA-", "withheld"),
            (AllAccept(Missing::Refuse), "---", "withheld"),
            (AllAccept(Missing::Ignore), "-A-", "b Accepted"),
            (AllAccept(Missing::Ignore), "AB-", "b Blocked"),
            (AllAccept(Missing::Ignore), "---", "undecided"),
            (Ordered(TurnsOn::Refusal), "?A-", "open"),
            (Ordered(TurnsOn::Refusal), "IA?", "b Accepted"),
            (Ordered(TurnsOn::Refusal), "I-B", "a Invalid"),
            (Ordered(TurnsOn::Refusal), "--A", "c Accepted"),
            (Ordered(TurnsOn::Silence), "IA?", "a Invalid"),
            (Ordered(TurnsOn::Silence), "-B?", "b Blocked"),
            (Ordered(TurnsOn::Silence), "---", "undecided"),
            (FirstAnswer, "?B?", "b Blocked"),
            (FirstAnswer, "-?A", "c Accepted"),
            (FirstAnswer, "-?-", "open"),
            (FirstAnswer, "---", "undecided"),
        ];
        let wrong: Vec<String> = cases
            .iter()
            .map(|(rule, opinions, expected)| (rule, opinions, expected, counted(*rule, opinions)))
            .filter(|(.., expected, found)| *expected != found)
            .map(|(rule, opinions, expected, found)| format!("{rule:?} {opinions}: {expected}, not {found}"))
            .collect();
        assert_eq!((cases.len(), wrong), (35, Vec::new()));
    }
}
