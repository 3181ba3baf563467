//! The simulated charger on a real socket to the proxy.

use std::time::Duration;

use engine::{Moment, Tick};
use sim::{Charger, ChargerNews, ChargerSettings};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::Uri;

use super::wire::{Clock, Order, Party, converse};

/// How long the charger waits before it dials again.
const REDIAL_AFTER: Duration = Duration::from_secs(1);

/// The charger, seen from the story.
#[derive(Debug)]
pub(super) struct ChargerAtWork {
    orders: mpsc::UnboundedSender<Order<Charger>>,
    news: mpsc::UnboundedReceiver<ChargerNews>,
}

impl ChargerAtWork {
    /// Powers the charger up; it dials until it is let in.
    pub(super) fn power_up(settings: ChargerSettings, url: Uri, clock: Clock) -> Self {
        let (orders, mut taken) = mpsc::unbounded_channel();
        let (told, news) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut charger = Charger::new(settings, 1);
            loop {
                let request = ClientRequestBuilder::new(url.clone()).with_sub_protocol("ocpp1.6");
                if let Ok((socket, _)) = tokio_tungstenite::connect_async(request).await {
                    charger.connected(clock.now());
                    // However the connection ended, a charger dials again.
                    let _ = converse(&mut charger, socket, clock, &mut taken, &told).await;
                    charger.disconnected();
                }
                tokio::time::sleep(REDIAL_AFTER).await;
            }
        });
        Self { orders, news }
    }

    /// A driver holds a card to the reader.
    pub(super) fn present_card(&self, connector: i64, id_tag: &str) {
        let id_tag = id_tag.to_owned();
        self.order(Box::new(move |charger, now| charger.present_card(now, connector, &id_tag)));
    }

    /// What happened at the charger next.
    pub(super) async fn news(&mut self) -> Option<ChargerNews> {
        self.news.recv().await
    }

    fn order(&self, order: Order<Charger>) {
        // The task that takes orders ends with the program only.
        let _ = self.orders.send(order);
    }
}

impl Party for Charger {
    type News = ChargerNews;

    fn heard(&mut self, now: Moment, text: &str) {
        self.heard(now, text);
    }

    fn woke(&mut self, now: Moment) {
        self.woke(now);
    }

    fn poll_frame(&mut self) -> Option<String> {
        self.poll_frame()
    }

    fn poll_deadline(&self) -> Option<Tick> {
        self.poll_deadline()
    }

    fn poll_news(&mut self) -> Option<ChargerNews> {
        self.poll_news()
    }
}
