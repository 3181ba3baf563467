//! The parameters behind the `?`. One that cannot be read is named, with what it may be according to the document.

use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::read::Check;

/// So much of what was given is repeated.
const REPEATED_CHARACTERS: usize = 100;

/// What stands behind the `?`.
///
/// # Errors
/// Names the parameter, and says what it may be.
pub(crate) fn understood<T: DeserializeOwned + Check + IntoParams>(text: &str) -> Result<T, String> {
    let asked: T = serde_urlencoded::from_str(text).map_err(|error| wrong::<T>(text, &error.to_string()))?;
    asked.check()?;
    Ok(asked)
}

fn wrong<T: DeserializeOwned + IntoParams>(text: &str, said: &str) -> String {
    let named = unreadable::<T>(text, said).and_then(|(name, given)| {
        let given: String = given.chars().take(REPEATED_CHARACTERS).collect();
        allowed::<T>(&name).map(|allowed| format!("{name} must be {allowed}, not {given:?}."))
    });
    named.unwrap_or_else(|| format!("The parameters are not understood: {said}."))
}

/// The parameter with which reading fails, and what it was given; `None` when one is missing or stands there twice, which
/// is said with its name. The reader itself does not tell the name of what it could not read.
fn unreadable<T: DeserializeOwned>(text: &str, said: &str) -> Option<(String, String)> {
    let fails_so = |begin: &str| {
        serde_urlencoded::from_str::<T>(begin).err().is_some_and(|error| error.to_string() == said)
    };
    if fails_so("") {
        return None;
    }
    let mut ends = text.match_indices('&').map(|(at, _)| at).chain([text.len()]);
    // Between two `&` nothing is read.
    let end = ends.find(|end| !text[..*end].ends_with('&') && fails_so(&text[..*end]))?;
    let mut read: Vec<(String, String)> = serde_urlencoded::from_str(&text[..end]).ok()?;
    let (name, given) = read.pop()?;
    read.iter().all(|(other, _)| *other != name).then_some((name, given))
}

/// What a parameter may be, if there is one of this name and more than any text is asked of it.
fn allowed<T: IntoParams>(name: &str) -> Option<String> {
    let parameters = T::into_params(|| None);
    let schema = parameters.into_iter().find(|one| one.name == name)?.schema?;
    let schema = serde_json::to_value(schema).ok()?;
    if let Some(names) = schema["enum"].as_array() {
        let names: Vec<&str> = names.iter().filter_map(|name| name.as_str()).collect();
        return Some(format!("one of {}", names.join(", ")));
    }
    match schema["type"].as_str()? {
        "integer" => Some(format!("a whole number from {} to {}", schema["minimum"], schema["maximum"])),
        "boolean" => Some("true or false".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::calls::CallsParameters;

    #[test]
    fn what_cannot_be_read_is_named_with_what_it_may_be() {
        let cases = [
            ("limit=abc", "limit must be a whole number from 1 to 1000, not \"abc\"."),
            ("q=x&&limit=&before=y", "limit must be a whole number from 1 to 1000, not \"\"."),
            ("limit=5000000000", "limit must be a whole number from 1 to 1000, not \"5000000000\"."),
            ("limit=0", "limit must be from 1 to 1000, not 0."),
            (
                "transaction=1%22",
                "transaction must be a whole number from -9007199254740991 to 9007199254740991, not \"1\\\"\".",
            ),
            ("hide_routine=yes&limit=x", "hide_routine must be true or false, not \"yes\"."),
            (
                "charger=CP1&outcome=good",
                "outcome must be one of accepted, refused, error, unanswered, differs, not \"good\".",
            ),
            ("limit=1&limit=2", "The parameters are not understood: duplicate field `limit`."),
            ("from=CP1", "from must be charger, backoffices or backoffice:NAME."),
        ];
        assert_eq!(cases.len(), 9);
        for (text, expected) in cases {
            assert_eq!(understood::<CallsParameters>(text).unwrap_err(), expected, "{text}");
        }
        let unknown = understood::<CallsParameters>("limt=1").unwrap_err();
        assert!(unknown.starts_with("The parameters are not understood: unknown field `limt`"), "{unknown}");
        let long = understood::<CallsParameters>(&format!("limit={}", "x".repeat(5_000))).unwrap_err();
        assert!(long.len() < 200, "{long}");
    }
}
