//! Certificates of our own that are about to expire: said in the log 30, 14 and 7 days before (semantics
//! S-18), and shown as a metric.

use std::collections::BTreeMap;
use std::sync::Weak;

use tokio::time::{MissedTickBehavior, interval};

use super::OwnCertificate;
use crate::clock::unix_ms;
use crate::limits::EXPIRY_CHECKED_EVERY;
use crate::shared::Shared;

/// Days before the end at which something is said.
const WARNED_DAYS: [i64; 3] = [30, 14, 7];
const DAY_S: i64 = 86_400;

/// What was last said of each certificate, by its name: when it expires, and how near that was.
#[derive(Debug, Default)]
struct Said(BTreeMap<String, (i64, usize)>);

/// Looks now, whenever certificates were replaced, and every hour, until the gateway is gone.
pub(crate) async fn watch(shared: Weak<Shared>) {
    let mut said = Said::default();
    let mut every = interval(EXPIRY_CHECKED_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let own = shared.own_certificates();
        let names: Vec<_> = own.iter().map(|own| (own.name(), own.expires_unix_s())).collect();
        shared.metrics.certificates_expire(&names);
        said.look(&own, unix_ms() / 1000);
        let replaced = shared.certificates_replaced.clone();
        drop(shared);
        tokio::select! {
            _ = every.tick() => {}
            () = replaced.notified() => {}
        }
    }
}

impl Said {
    /// Warns of what has come nearer to its end; gives what was said.
    fn look(&mut self, own: &[OwnCertificate], now: i64) -> Vec<String> {
        let mut warnings = Vec::new();
        for certificate in own {
            let (name, expires) = (certificate.name(), certificate.expires_unix_s());
            let stage = stage(expires, now);
            let former = self.0.insert(name.to_owned(), (expires, stage));
            let known = former.filter(|(former, _)| *former == expires).map_or(0, |(_, stage)| stage);
            if stage > known {
                let warning = words(name, expires - now);
                tracing::warn!(certificate = name, "{warning}");
                warnings.push(warning);
            }
        }
        self.0.retain(|name, _| own.iter().any(|own| own.name() == name));
        warnings
    }
}

/// How near the end is: 0 for far, one more at each of the days, the highest when it is past.
fn stage(expires: i64, now: i64) -> usize {
    let left = expires - now;
    let passed = WARNED_DAYS.iter().filter(|days| left <= **days * DAY_S).count();
    passed + usize::from(left <= 0)
}

fn words(name: &str, left: i64) -> String {
    if left <= 0 {
        return format!(
            "the certificate {name} has expired; who verifies it refuses the connection: replace it"
        );
    }
    match left / DAY_S {
        0 => format!("the certificate {name} expires within a day; replace it"),
        1 => format!("the certificate {name} expires in a day; replace it"),
        days => format!("the certificate {name} expires in {days} days; replace it"),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn expiring(name: &str, year: i32) -> OwnCertificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["proxy.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let chain = params.self_signed(&key).unwrap().pem();
        OwnCertificate::read(name.to_owned(), chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    #[test]
    fn each_step_is_said_once() {
        let mut said = Said::default();
        let own = [expiring("a.pem", 2030)];
        let end = own[0].expires_unix_s();
        let mut heard = Vec::new();
        for hours in (-100 * 24..=48).step_by(6) {
            heard.extend(said.look(&own, end + hours * 3600));
        }
        let expected = [
            "the certificate a.pem expires in 30 days; replace it",
            "the certificate a.pem expires in 14 days; replace it",
            "the certificate a.pem expires in 7 days; replace it",
            "the certificate a.pem has expired; who verifies it refuses the connection: replace it",
        ];
        assert_eq!(heard, expected);
        assert!(said.look(&[expiring("a.pem", 2031)], end).is_empty(), "it was replaced");
        assert_eq!(said.look(&own, end - 3600).len(), 1, "and taken back");
        assert_eq!(words("b", DAY_S + 5), "the certificate b expires in a day; replace it");
        assert_eq!(words("b", DAY_S - 5), "the certificate b expires within a day; replace it");
    }
}
