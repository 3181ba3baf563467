//! The story itself: a card both know, a card they disagree about, a change of leader in the middle
//! of a session, and a remote stop.

use std::time::Duration;

use anyhow::{Context, bail};
use engine::{AnswerNote, Decider, Outcome, Verdict};
use serde_json::Value;
use sim::{ChargerNews, ChargerSettings, Command};

use super::charger::ChargerAtWork;
use super::facts::{Conversation, Facts};
use super::place::{ANNA, BERT, CHARGER, Place};
use super::teller::{Teller, Tone};

/// How many backoffices there are.
const BOTH: usize = 2;
/// What the sessions that go on afterwards are told from.
const TOLD_ACTIONS: [&str; 3] = ["Authorize", "StartTransaction", "StopTransaction"];
/// How long the story waits for the charger.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells the story; if somebody attends, it goes on until they have had enough.
pub(super) async fn tell(place: &Place, teller: &Teller, attended: bool) -> anyhow::Result<()> {
    let mut story = Story::begin(place, teller)?;
    story.introduce().await;
    story.charger_arrives().await?;
    story.known_card().await?;
    story.disputed_card().await?;
    story.leader_changes().await?;
    story.disputed_card_again().await?;
    story.end().await;
    if attended { story.go_on().await } else { Ok(()) }
}

struct Story<'a> {
    place: &'a Place,
    teller: &'a Teller,
    facts: Facts,
    charger: ChargerAtWork,
}

impl<'a> Story<'a> {
    fn begin(place: &'a Place, teller: &'a Teller) -> anyhow::Result<Self> {
        let facts = Facts::new(CHARGER.into(), place.gateway.subscribe());
        let charger_url = format!("ws://{}/ocpp/{CHARGER}", place.charger_address());
        let settings = ChargerSettings {
            vendor: "Demo".to_owned(),
            meter_interval: Duration::from_secs(1),
            connectors: 1,
            ..ChargerSettings::default()
        };
        let url = charger_url.parse().context("the charger's URL")?;
        let charger = ChargerAtWork::power_up(settings, url, place.clock);
        Ok(Self { place, teller, facts, charger })
    }

    async fn introduce(&self) {
        let say = |text: &str| self.teller.say(text);
        say(&self.teller.paint(Tone::Heading, "ocpp-proxy demo"));
        say("The proxy below is the real one, on real sockets. The charger and its two backoffices (the");
        say("companies' computers that decide who may charge, and send the bills) are simulated in here.");
        say("");
        say("                                   ┌──▶  volt   the leader: its answers reach the charger");
        say("   charger DEMO-1 ───▶ ocpp-proxy ─┤");
        say(
            "                                   └──▶  acme   a follower: is told everything, decides nothing",
        );
        say("");
        say("   Two cards: ANNA's is known to both. BERT's is known to acme only; volt calls it Invalid.");
        self.teller.pause(Duration::from_secs(4)).await;
    }

    async fn charger_arrives(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("1. The charger comes online").await;
        self.facts.links_up(BOTH).await?;
        let boot = self.facts.conversation("BootNotification", "", BOTH).await?;
        self.teller
            .say("   It introduces itself (BootNotification). Both are asked; the leader's answer counts:");
        self.show(&boot, "/status");
        let accepted =
            |news: &ChargerNews| matches!(news, ChargerNews::BootAnswered(status) if status == "Accepted");
        self.at_charger(accepted, "is accepted").await?;
        Ok(())
    }

    async fn known_card(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("2. ANNA charges: a card both know").await;
        self.charger.present_card(1, ANNA);
        let asked = self.facts.conversation("Authorize", ANNA, BOTH).await?;
        self.teller.say("   May ANNA charge? (Authorize)");
        self.show(&asked, "/idTagInfo/status");
        self.teller.pause(Duration::from_millis(1_200)).await;
        let start = self.facts.conversation("StartTransaction", ANNA, BOTH).await?;
        self.show_numbers(&start)?;
        self.teller.pause(Duration::from_millis(1_200)).await;
        self.facts.conversation("MeterValues", "", BOTH).await?;
        self.teller.say("   A meter reading went to both, to each under its own number.");
        self.charger.present_card(1, ANNA);
        let stop = self.facts.conversation("StopTransaction", ANNA, BOTH).await?;
        self.teller.say("   ANNA is done (StopTransaction); each books the end of its own transaction:");
        self.show(&stop, "/idTagInfo/status");
        Ok(())
    }

    async fn disputed_card(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("3. BERT comes: a card they disagree about").await;
        self.charger.present_card(1, BERT);
        let asked = self.facts.conversation("Authorize", BERT, BOTH).await?;
        self.teller.say("   May BERT charge? (Authorize)");
        self.show(&asked, "/idTagInfo/status");
        let refused = |news: &ChargerNews| matches!(news, ChargerNews::CardAnswered { id_tag, status } if id_tag == BERT && status == "Invalid");
        self.at_charger(refused, "refuses BERT's card").await?;
        self.teller
            .say("   The leader decides: BERT is refused. That acme would have let him charge is on record.");
        Ok(())
    }

    async fn leader_changes(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("4. ANNA charges again, and meanwhile the leader changes").await;
        self.charger.present_card(1, ANNA);
        let start = self.facts.conversation("StartTransaction", ANNA, BOTH).await?;
        self.show_numbers(&start)?;
        let told = answered_number(&start.call.outcome).context("the start was answered without a number")?;
        let acme = start.answers.iter().find(|answer| answer.backoffice.as_str() == "acme");
        let number =
            acme.and_then(|answer| answered_number(&answer.outcome)).context("acme issued no number")?;
        self.teller.pause(Duration::from_millis(1_500)).await;
        self.place.lead("acme", "volt")?;
        self.facts.leader_changed().await?;
        let changed = self.teller.paint(Tone::Leader, "acme leads from now on; volt follows.");
        self.teller.say(format!("   {changed} Nobody was disconnected, ANNA goes on charging."));
        self.teller.pause(Duration::from_millis(1_800)).await;
        self.place.acme.command(CHARGER, Command::RemoteStop(number))?;
        let command = self.facts.command("acme", "RemoteStopTransaction").await?;
        let heard = |news: &ChargerNews| matches!(news, ChargerNews::CommandArrived { action, .. } if action == "RemoteStopTransaction");
        let ChargerNews::CommandArrived { payload, .. } = self.at_charger(heard, "is told to stop").await?
        else {
            bail!("the charger heard something else than the command");
        };
        let spoken = field(&payload, "/transactionId");
        if spoken != told.to_string() {
            bail!("the charger was told to stop {spoken}, but its transaction is {told}");
        }
        self.teller.say(format!(
            "   acme stops the session by its own number, {number} (RemoteStopTransaction); the charger is told {spoken}:"
        ));
        self.teller.say(format!("      the charger answers {}", field_of(&command.outcome, "/status")));
        self.facts.conversation("StopTransaction", "Remote", BOTH).await?;
        Ok(())
    }

    async fn disputed_card_again(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("5. BERT tries again, with the other leader").await;
        self.charger.present_card(1, BERT);
        let asked = self.facts.conversation("Authorize", BERT, BOTH).await?;
        self.teller.say("   May BERT charge? (Authorize)");
        self.show(&asked, "/idTagInfo/status");
        let start = self.facts.conversation("StartTransaction", BERT, BOTH).await?;
        self.show_numbers(&start)?;
        self.teller.pause(Duration::from_millis(1_500)).await;
        self.charger.present_card(1, BERT);
        self.facts.conversation("StopTransaction", BERT, BOTH).await?;
        self.teller.say("   The same card, the same charger: only the leader is another one.");
        Ok(())
    }

    /// What to look at while the demo goes on; without a terminal it ends here, and all of that is gone.
    async fn end(&self) {
        if !self.teller.is_attended() {
            self.teller.say("\nOn a terminal the demo goes on, and its log can be looked at.");
            return;
        }
        self.teller.chapter("To look at while the demo runs").await;
        let chargers = self.place.charger_address();
        if let Some(link) = self.place.portal_link() {
            self.teller.say("   the portal: Chargers > View > Why rejected? This link lets you in, once:");
            self.teller.say(format!("      {link}"));
        }
        self.teller
            .say(format!("   a charger of your own     ws://{chargers}/ocpp/MY-CHARGER  (any name will do)"));
        if let Some(admin) = self.place.gateway.admin_address() {
            self.teller.say(format!("   numbers for monitoring    http://{admin}/metrics"));
            self.teller
                .say(format!("   is it alive, is it ready  http://{admin}/healthz  http://{admin}/readyz"));
        }
        let configuration = self.place.configuration();
        let configuration = configuration.display();
        self.teller.say("   who said what about BERT's card:");
        let program = std::env::current_exe().unwrap_or_else(|_| "ocpp-proxy".into());
        let program = program.display();
        self.teller.say(format!("      {program} logs {CHARGER} --search {BERT} --config {configuration}"));
        self.teller.say("   why was it rejected, and what is to be done?");
        self.teller.say(format!("      {program} why {CHARGER} --id-tag {BERT} --config {configuration}"));
    }

    /// Sessions without end, a line each time something is decided.
    async fn go_on(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("Sessions go on until you press Ctrl-C").await;
        let mut turn = 0_usize;
        loop {
            let card = [ANNA, BERT][turn / 2 % 2];
            self.charger.present_card(1, card);
            turn += 1;
            let rest = tokio::time::sleep(Duration::from_secs(6));
            tokio::pin!(rest);
            loop {
                tokio::select! {
                    () = &mut rest => break,
                    _ = self.charger.news() => {}
                    told = self.facts.any_of(&TOLD_ACTIONS, BOTH) => {
                        let told = told?;
                        let card = field(&told.call.payload, "/idTag");
                        self.teller.say(format!("   {} {card}", told.call.action));
                        self.show(&told, "/idTagInfo/status");
                    }
                }
            }
        }
    }

    /// Waits for something to happen at the charger.
    async fn at_charger(
        &mut self,
        wanted: impl Fn(&ChargerNews) -> bool,
        what: &str,
    ) -> anyhow::Result<ChargerNews> {
        let waiting = async {
            loop {
                match self.charger.news().await {
                    Some(news) if wanted(&news) => return Ok(news),
                    Some(_) => {}
                    None => bail!("the charger is gone"),
                }
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, waiting).await;
        outcome.with_context(|| format!("it did not happen in {PATIENCE:?} that the charger {what}"))?
    }

    /// What everybody answered, and whose answer it was that counted.
    fn show(&self, told: &Conversation, pointer: &str) {
        for answer in &told.answers {
            let reached = told.call.decider == Decider::Leader(answer.backoffice.clone());
            let role = if answer.led { "leader)  " } else { "follower)" };
            let tone = if answer.led { Tone::Leader } else { Tone::Follower };
            let said =
                format!("{:4} ({role}  {:9}", answer.backoffice.as_str(), field_of(&answer.outcome, pointer));
            let remark = if reached {
                "◀── this is what the charger was told".to_owned()
            } else {
                self.compared(answer)
            };
            self.teller.say(format!("      {} {remark}", self.teller.paint(tone, &said)));
        }
    }

    fn compared(&self, answer: &AnswerNote) -> String {
        match answer.verdict {
            Verdict::Leader => String::new(),
            Verdict::Same | Verdict::Noise => self.teller.paint(Tone::Quiet, "agrees"),
            _ => {
                let places: Vec<String> = answer
                    .differences
                    .iter()
                    .map(|d| {
                        let (ours, theirs) = (d.leader.as_deref(), d.follower.as_deref());
                        format!(
                            "{}: {} against {}",
                            d.pointer,
                            theirs.unwrap_or("nothing"),
                            ours.unwrap_or("nothing")
                        )
                    })
                    .collect();
                self.teller.paint(Tone::Warning, &format!("DIFFERS from the leader at {}", places.join(", ")))
            }
        }
    }

    /// Everybody has a number of its own for the same session.
    fn show_numbers(&self, start: &Conversation) -> anyhow::Result<()> {
        let told = answered_number(&start.call.outcome).context("the start was answered without a number")?;
        let numbers: Vec<String> = start
            .answers
            .iter()
            .map(|answer| {
                let number =
                    answered_number(&answer.outcome).map_or("none".to_owned(), |number| number.to_string());
                format!("{} calls it {number}", answer.backoffice)
            })
            .collect();
        self.teller.say(format!(
            "   The session starts (StartTransaction). {}; the charger was told {told}.",
            numbers.join(", ")
        ));
        Ok(())
    }
}

fn answered_number(outcome: &Outcome) -> Option<i64> {
    field_of(outcome, "/transactionId").parse().ok()
}

/// A field of an answer, for people.
fn field_of(outcome: &Outcome, pointer: &str) -> String {
    match outcome {
        Outcome::Result(payload) => field(payload, pointer),
        Outcome::Error { code, .. } => format!("error {code}"),
        Outcome::Unanswered(why) => format!("nothing ({why})"),
    }
}

fn field(payload: &str, pointer: &str) -> String {
    let value: Value = serde_json::from_str(payload).unwrap_or(Value::Null);
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
