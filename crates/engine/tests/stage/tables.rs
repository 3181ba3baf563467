//! Lines that are small conversations of their own: the rows of a table, and starts.

use engine::{Effect, Event};

use super::Stage;
use super::words::show;

/// One row of a table.
pub(super) struct Row<'a> {
    from: &'a str,
    action: &'a str,
    payload: &'a str,
    expected: Expected<'a>,
}

enum Expected<'a> {
    Sent(&'a str),
    Refused(&'a str),
    /// These, and what the followers among them are told.
    Told(&'a str, &'a str),
}

impl<'a> Row<'a> {
    /// `None` when the line is no row.
    pub(super) fn read(line: &'a str) -> Option<Result<Self, String>> {
        let (from, rest) = line.split_once(' ')?;
        let (verb, rest) = match rest.strip_prefix("may not ") {
            Some(rest) => ("may not", rest),
            None => rest.split_once(' ').filter(|(verb, _)| matches!(*verb, "may" | "tells"))?,
        };
        Some(Self::parts(from, verb, rest).ok_or_else(|| "no row of a table is like that".to_owned()))
    }

    fn parts(from: &'a str, verb: &str, rest: &'a str) -> Option<Self> {
        let (action, rest) = rest.split_once(' ')?;
        let (payload, expected) = match verb {
            "may" => {
                let (payload, sent) = rest.split_once(" as ").unwrap_or((rest, rest));
                (payload, Expected::Sent(sent))
            }
            "may not" => {
                let (payload, answer) = rest.split_once(" but gets ")?;
                (payload, Expected::Refused(answer))
            }
            _ => {
                let (payload, everyone) = rest.split_once(" to ")?;
                let (everyone, to_followers) =
                    everyone.split_once(", followers ").unwrap_or((everyone, payload));
                (payload, Expected::Told(everyone, to_followers))
            }
        };
        Some(Self { from, action, payload, expected })
    }
}

impl Stage {
    pub(super) fn starts(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split(' ');
        let (connector, tag) = words.next().zip(words.next()).ok_or("starts CONNECTOR TAG NAME=NUMBER…")?;
        self.started += 1;
        let number = self.started;
        let start = format!(
            r#"[2,"start {number}","StartTransaction",{{"connectorId":{connector},"idTag":"{tag}","meterStart":0,"timestamp":"2026-11-22T12:04:{number:02}Z"}}]"#
        );
        self.happen(Event::ChargerSaid(start.into()));
        for word in words {
            let (id, answer) = word.split_once('=').ok_or("NAME=NUMBER")?;
            let asked = self.pending.iter().rev().find_map(|effect| match effect {
                Effect::SayToBackoffice(to, text) if to.as_str() == id => Some(text[3..41].to_owned()),
                _ => None,
            });
            let asked = asked.ok_or_else(|| format!("{id} was not told of the start"))?;
            let answer = match answer {
                "silent" => continue,
                "error" => format!(r#"[4,{asked},"NotSupported","",{{}}]"#),
                number => {
                    format!(r#"[3,{asked},{{"transactionId":{number},"idTagInfo":{{"status":"Accepted"}}}}]"#)
                }
            };
            self.happen(Event::BackofficeSaid(id.into(), answer.into()));
        }
        self.pending.clear();
        Ok(())
    }

    pub(super) fn row(&mut self, row: Row<'_>) -> Result<(), String> {
        self.rows.push(row.action.to_owned());
        let (id, call) = (format!("\"row {}\"", self.rows.len()), (row.action, row.payload));
        let event = |text: String| match row.from {
            "charger" => Event::ChargerSaid(text.into()),
            backoffice => Event::BackofficeSaid(backoffice.into(), text.into()),
        };
        self.happen(event(format!(r#"[2,{id},"{}",{}]"#, call.0, call.1)));
        match row.expected {
            Expected::Sent(payload) => {
                self.expect_frame("charger", &format!(r#"[2,#row,"{}",{payload}]"#, row.action))?;
                let sent = self.ids.remove("row").ok_or("no message id")?;
                self.happen(Event::ChargerSaid(format!(r#"[3,{sent},{{"status":"Accepted"}}]"#).into()));
                self.expect_frame(row.from, &format!(r#"[3,{id},{{"status":"Accepted"}}]"#))
            }
            Expected::Refused(answer) if answer.starts_with('{') => {
                self.expect_frame(row.from, &format!("[3,{id},{answer}]"))
            }
            Expected::Refused(code) => match self.next_hard() {
                Some(Effect::SayToBackoffice(to, text))
                    if to.as_str() == row.from && text.starts_with(&format!(r#"[4,{id},"{code}","#)) =>
                {
                    Ok(())
                }
                other => Err(format!("instead: {:?}", other.as_ref().map(show))),
            },
            Expected::Told(everyone, to_followers) => {
                let mut asked = Vec::new();
                for backoffice in everyone.split(' ') {
                    let payload = if asked.is_empty() { call.1 } else { to_followers };
                    self.expect_frame(backoffice, &format!(r#"[2,#row,"{}",{payload}]"#, call.0))?;
                    asked.push((backoffice, self.ids.remove("row").ok_or("no message id")?));
                }
                self.nothing_unexpected()?;
                for (at, (backoffice, token)) in asked.into_iter().enumerate() {
                    self.happen(Event::BackofficeSaid(backoffice.into(), format!("[3,{token},{{}}]").into()));
                    if at == 0 {
                        self.expect_frame("charger", &format!("[3,{id},{{}}]"))?;
                    }
                }
                Ok(())
            }
        }
    }
}
