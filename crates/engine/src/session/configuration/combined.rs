//! What the charger is to have where several backoffices want different things of it (semantics K-13).

use crate::session::configuration::keys::Kind;

/// Whether the charger could be sent this at all.
pub(super) fn is_sound(kind: Kind, value: &str) -> bool {
    kind == Kind::Measurands || seconds(value).is_some()
}

/// Whether both mean the same to the charger.
pub(super) fn is_same(kind: Kind, one: &str, other: &str) -> bool {
    match kind {
        Kind::Interval | Kind::SignsOfLife => {
            seconds(one).is_some() && seconds(one) == seconds(other) || one == other
        }
        Kind::Measurands => items(one).eq(items(other)),
    }
}

/// What satisfies all of these wishes, the most important first: the shortest interval, where 0 is off and
/// counts only when all say so; all measurands, but no more than the charger takes. One of the wishes
/// itself, to the letter, where that does.
pub(super) fn combined(kind: Kind, wishes: &[&str], at_most: Option<usize>) -> Option<String> {
    match kind {
        Kind::Interval | Kind::SignsOfLife => {
            let rank = |wish: &&&str| match seconds(wish) {
                Some(0) | None => u64::MAX,
                Some(seconds) => seconds,
            };
            wishes.iter().min_by_key(rank).map(|wish| (*wish).to_owned())
        }
        Kind::Measurands => {
            let (first, others) = wishes.split_first()?;
            let mut all: Vec<&str> = items(first).collect();
            let own = all.len();
            for item in others.iter().flat_map(|wish| items(wish)) {
                if !all.contains(&item) && at_most.is_none_or(|most| all.len() < most) {
                    all.push(item);
                }
            }
            Some(if all.len() == own { (*first).to_owned() } else { all.join(",") })
        }
    }
}

/// Whether what the charger is to have gives this backoffice all that it wants.
pub(super) fn satisfies(kind: Kind, value: &str, wish: &str) -> bool {
    kind != Kind::Measurands || items(wish).all(|wanted| items(value).any(|item| item == wanted))
}

pub(super) fn seconds(value: &str) -> Option<u64> {
    value.trim().parse().ok()
}

fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_come_to_one_value() {
        let cases: [(Kind, &[&str], Option<usize>, &str); 11] = [
            (Kind::Interval, &["60"], None, "60"),
            (Kind::Interval, &["60", "30", "900"], None, "30"),
            (Kind::Interval, &["0", "30"], None, "30"),
            (Kind::Interval, &["60", "0"], None, "60"),
            (Kind::Interval, &["0", "0"], None, "0"),
            (Kind::Interval, &["060", "60"], None, "060"),
            (Kind::Measurands, &["A, B"], None, "A, B"),
            (Kind::Measurands, &["A, B", "B"], None, "A, B"),
            (Kind::Measurands, &["B,A", "C,A,D"], None, "B,A,C,D"),
            (Kind::Measurands, &["B,A", "C,A,D"], Some(3), "B,A,C"),
            (Kind::Measurands, &["", "A"], Some(1), "A"),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter(|(kind, wishes, most, expected)| {
                combined(*kind, wishes, *most).as_deref() != Some(expected)
            })
            .collect();
        assert_eq!((cases.len(), wrong), (11, Vec::new()));
    }

    #[test]
    fn a_value_is_what_it_means() {
        assert!(is_same(Kind::Interval, "060", "60 "));
        assert!(!is_same(Kind::Interval, "60", "61"));
        assert!(is_same(Kind::Measurands, "A, B", "A,B,"));
        assert!(!is_same(Kind::Measurands, "A,B", "B,A"));
        assert!(satisfies(Kind::Measurands, "A,B,C", "C,A"));
        assert!(!satisfies(Kind::Measurands, "A,B", "C,A"));
        assert!(!is_sound(Kind::Interval, "often"));
    }
}
