//! What the chargers say: valid OCPP 1.6, each message with the name of its charger and a number that counts up, so
//! that whoever gets it knows from its content alone whose it is and which one.

use std::io::Write;

/// Length of a MeterValues message with its envelope, about: a message id or a transaction number may have a digit
/// less or more.
pub const METER_VALUES_BYTES: usize = 600;

/// What a charger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boot,
    Available,
    Charging,
    Start,
    Meter,
    Stop,
    /// The only one without content: the leader counts it.
    Heartbeat,
}

impl Kind {
    pub(crate) fn action(self) -> &'static str {
        match self {
            Kind::Boot => "BootNotification",
            Kind::Available | Kind::Charging => "StatusNotification",
            Kind::Start => "StartTransaction",
            Kind::Meter => "MeterValues",
            Kind::Stop => "StopTransaction",
            Kind::Heartbeat => "Heartbeat",
        }
    }

    /// Whether it must reach a backoffice in its place among all that is said about transactions.
    pub(crate) fn is_about_transactions(self) -> bool {
        matches!(self, Kind::Start | Kind::Meter | Kind::Stop)
    }

    /// What a call is, by its action and content.
    pub(crate) fn of(action: &str, payload: &str) -> Option<Self> {
        Some(match action {
            "BootNotification" => Kind::Boot,
            "StatusNotification" if payload.contains(r#""status":"Charging""#) => Kind::Charging,
            "StatusNotification" => Kind::Available,
            "StartTransaction" => Kind::Start,
            "MeterValues" => Kind::Meter,
            "StopTransaction" => Kind::Stop,
            "Heartbeat" => Kind::Heartbeat,
            _ => return None,
        })
    }
}

/// The name of a charger: which system it is connected to, and which of its chargers it is.
pub(crate) fn name(route: usize, charger: usize) -> String {
    format!("L{route:02}-{charger:05}")
}

/// Which of its system's chargers bears this name.
pub(crate) fn number(name: &str) -> Option<usize> {
    name.split_once('-')?.1.parse().ok()
}

/// Writes the payload of a message.
pub(crate) fn payload(out: &mut Vec<u8>, kind: Kind, charger: &str, sequence: u64, transaction: i64) {
    let written = match kind {
        Kind::Boot => write!(
            out,
            r#"{{"chargePointVendor":"Load","chargePointModel":"Generator","chargePointSerialNumber":"{charger}/{sequence:08}"}}"#
        ),
        Kind::Available => status(out, "Available", charger, sequence),
        Kind::Charging => status(out, "Charging", charger, sequence),
        Kind::Start => write!(
            out,
            r#"{{"connectorId":1,"idTag":"{charger}","timestamp":"2026-11-22T12:00:00Z","meterStart":{sequence}}}"#
        ),
        Kind::Meter => write!(
            out,
            concat!(
                r#"{{"connectorId":1,"transactionId":{},"meterValue":[{{"timestamp":"2026-11-22T12:05:00Z","sampledValue":["#,
                r#"{{"value":"{:010}","context":"Sample.Periodic","format":"Raw","measurand":"Energy.Active.Import.Register","location":"Outlet","unit":"Wh"}},"#,
                r#"{{"value":"16.02","context":"Sample.Periodic","measurand":"Current.Import","phase":"L1","location":"Outlet","unit":"A"}},"#,
                r#"{{"value":"229.8","format":"Raw","context":"Sample.Periodic","measurand":"Voltage","phase":"L1","location":"Outlet","unit":"V"}},"#,
                r#"{{"value":"{}/{:08}","format":"SignedData","context":"Sample.Periodic"}}]}}]}}"#
            ),
            transaction, sequence, charger, sequence
        ),
        Kind::Stop => write!(
            out,
            r#"{{"transactionId":{transaction},"meterStop":{sequence},"timestamp":"2026-11-22T13:00:00Z","transactionData":[{{"timestamp":"2026-11-22T13:00:00Z","sampledValue":[{{"value":"{charger}/{sequence:08}","format":"SignedData"}}]}}]}}"#
        ),
        Kind::Heartbeat => write!(out, "{{}}"),
    };
    written.expect("memory can be written to");
}

fn status(out: &mut Vec<u8>, status: &str, charger: &str, sequence: u64) -> std::io::Result<()> {
    write!(
        out,
        r#"{{"connectorId":1,"errorCode":"NoError","status":"{status}","timestamp":"2026-11-22T12:00:00Z","info":"{charger}/{sequence:08}"}}"#
    )
}

/// Which charger said this and which message it is, as far as it can be told.
pub(crate) fn origin(kind: Kind, payload: &str) -> Option<(&str, u64)> {
    if kind == Kind::Start {
        let name = payload.split_once(r#""idTag":""#)?.1.split('"').next()?;
        return Some((name, number_after(payload, r#""meterStart":"#)?.try_into().ok()?));
    }
    let slash = payload.rfind('/')?;
    let name = payload[..slash].rsplit('"').next()?;
    Some((name, payload.get(slash + 1..slash + 9)?.parse().ok()?))
}

/// The transaction number in a payload.
pub(crate) fn transaction(payload: &str) -> Option<i64> {
    number_after(payload, r#""transactionId":"#)
}

fn number_after(text: &str, before: &str) -> Option<i64> {
    let rest = text.split_once(before)?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The parts of a frame of OCPP-J: its type, its id, and what stands behind the id without the last bracket.
pub(crate) fn envelope(text: &str) -> Option<(u8, &str, &str)> {
    let rest = text.strip_prefix('[')?.strip_suffix(']')?;
    let (kind, rest) = rest.split_once(",\"")?;
    let (id, rest) = rest.split_once('"')?;
    Some((kind.parse().ok()?, id, rest.strip_prefix(',')?))
}

/// Action and payload of a call.
pub(crate) fn call(rest: &str) -> Option<(&str, &str)> {
    let (action, payload) = rest.strip_prefix('"')?.split_once('"')?;
    Some((action, payload.strip_prefix(',')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Kind; 7] =
        [Kind::Boot, Kind::Available, Kind::Charging, Kind::Start, Kind::Meter, Kind::Stop, Kind::Heartbeat];

    fn text(kind: Kind) -> String {
        let mut out = Vec::new();
        payload(&mut out, kind, &name(3, 17), 123, 4567);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_message_says_whose_it_is_and_which() {
        let mut with_content = 0;
        for kind in ALL {
            let text = text(kind);
            let frame = format!(r#"[2,"00000001","{}",{text}]"#, kind.action());
            let (2, "00000001", rest) = envelope(&frame).unwrap() else { panic!("{frame}") };
            let (action, payload) = call(rest).unwrap();
            assert_eq!((action, payload), (kind.action(), text.as_str()));
            assert_eq!(Kind::of(action, payload), Some(kind));
            if kind != Kind::Heartbeat {
                assert_eq!(origin(kind, payload), Some(("L03-00017", 123)), "{payload}");
                with_content += 1;
            }
            let numbered = matches!(kind, Kind::Meter | Kind::Stop);
            assert_eq!(transaction(payload), numbered.then_some(4567));
        }
        assert_eq!(with_content, 6);
        assert_eq!(number("L03-00017"), Some(17));
    }

    #[test]
    fn meter_values_have_the_length_that_is_promised() {
        let frame = format!(r#"[2,"00000001","MeterValues",{}]"#, text(Kind::Meter));
        assert!(frame.len().abs_diff(METER_VALUES_BYTES) <= 8, "{}", frame.len());
    }
}
