//! What is masked, what is not, and how much work it is.

use std::fmt::Write;

use super::*;

#[test]
fn of_a_number_so_much_is_left_that_cards_can_be_told_apart() {
    for (number, shown) in [
        ("04A2B3C4D5E69F", "04…9F"),
        ("04A2B3C4D5", "04…D5"),
        ("04A2B3C4D5E69F00112233", "04…33"),
        ("04A2B3C4D", "…"),
        ("04A2", "…"),
        ("ÄÖÜäöüßÄÖÜ", "ÄÖ…ÖÜ"),
        ("", ""),
    ] {
        assert_eq!(card(number), shown, "{number}");
    }
}

#[test]
fn in_payloads_every_field_of_a_card_is_masked_and_nothing_else_changes() {
    const CARD: &str = "04A2B3C4D5E69F";
    let mut tried = 0;
    for (action, text, masked) in [
        ("Authorize", r#"{"idTag":"04A2B3C4D5E69F"}"#, r#"{"idTag":"04…9F"}"#),
        (
            "Authorize",
            r#"{ "IDTAG" :  "04A2B3C4D5E69F", "x": 0.10 }"#,
            r#"{ "IDTAG" :  "04…9F", "x": 0.10 }"#,
        ),
        (
            "Authorize",
            r#"{"idTagInfo":{"parentIdTag":"04A2B3C4D5E69F"}}"#,
            r#"{"idTagInfo":{"parentIdTag":"04…9F"}}"#,
        ),
        (
            "Authorize",
            r#"{"idToken":{"idToken":"04A2B3C4D5E69F","type":"ISO14443"}}"#,
            r#"{"idToken":{"idToken":"04…9F","type":"ISO14443"}}"#,
        ),
        ("Authorize", r#"{"idTag":"a\"b\\"}"#, r#"{"idTag":"…"}"#),
        ("Authorize", r#"{"idTag":null,"idTagInfo":{}}"#, r#"{"idTag":null,"idTagInfo":{}}"#),
        ("Authorize", r#"{"\u0069dTag":"04A2B3C4D5E69F"}"#, r#"{"\u0069dTag":"04…9F"}"#),
        ("Authorize", r#"{"idTag":"\u00304A2B3C4D5E69F"}"#, r#"{"idTag":"04…9F"}"#),
        ("Authorize", r#"{"idTag":1234567890123,"x":1234567890}"#, r#"{"idTag":"12…23","x":1234567890}"#),
        (
            "Authorize",
            r#"{"idTag":["04A2B3C4D5E69F",{"x":1},"GOODCARD77"]}"#,
            r#"{"idTag":["04…9F",{"x":1},"GO…77"]}"#,
        ),
        (
            "SendLocalList",
            r#"{"l":[{"idTag":"04A2B3C4D5E69F"},{"idTag":"04A2B3C4D5E6AA"}]}"#,
            r#"{"l":[{"idTag":"04…9F"},{"idTag":"04…AA"}]}"#,
        ),
        ("Custom", r#"{"d":"{\"idTag\":\"04A2B3C4D5E69F\"}"}"#, r#"{"d":"{\"idTag\":\"04…9F\"}"}"#),
        ("Custom", r#"{"d":"bad: {\"idTag\":\"GOODCARD77\""}"#, r#"{"d":"bad: {\"idTag\":\"GO…77\""}"#),
        // A quote that is never closed hides nothing of what follows.
        (
            "Custom",
            r#"{"d":"idTag\\\\\":\\\\\"","idTag":"04A2B3C4D5E69F"}"#,
            r#"{"d":"idTag\\\\\":\\\\\"","idTag":"04…9F"}"#,
        ),
        (
            "ChangeConfiguration",
            r#"{"key":"FreeVendIdTag","value":"GOODCARD77"}"#,
            r#"{"key":"FreeVendIdTag","value":"GO…77"}"#,
        ),
        ("ChangeConfiguration", r#"{"value":"04A2B3C4D5E69F","key":"X"}"#, r#"{"value":"04…9F","key":"X"}"#),
        (
            "StatusNotification",
            r#"{"info":"RFID 04A2B3C4D5E69F denied","vendorErrorCode":"x"}"#,
            r#"{"info":"RFID 04…9F denied","vendorErrorCode":"x"}"#,
        ),
        (
            "MeterValues",
            r#"{"sampledValue":[{"value":"12345678","unit":"Wh"}],"meterSerialNumber":"12345678"}"#,
            r#"{"sampledValue":[{"value":"12345678","unit":"Wh"}],"meterSerialNumber":"12345678"}"#,
        ),
        // The same number elsewhere in the payload, in whatever writing.
        (
            "Custom",
            r#"{"idTag":"GoodCard77","x":"of\ngoodcard77 \u0047OODCARD77"}"#,
            r#"{"idTag":"Go…77","x":"of\ngo…77 GO…77"}"#,
        ),
        ("Custom", r#"{"idTag":"Card 1/2","x":"no card 1/2 here"}"#, r#"{"idTag":"…","x":"no … here"}"#),
        ("DataTransfer", r#"{"data":"04A2B3C4D5E69F","vendorId":"x"}"#, r#"{"data":"…","vendorId":"x"}"#),
        ("DataTransfer", r#"{"Data":{"a":"GOODCARD77"},"vendorId":"x"}"#, r#"{"Data":"…","vendorId":"x"}"#),
        ("DataTransfer", "not JSON 04A2B3C4D5E69F", "…"),
        ("Authorize", r#"{"idTag":"04A2B3C4D5E69F"#, r#"{"idTag":"04…9F"#),
        ("Authorize", "", ""),
    ] {
        assert_eq!(message(action, text), masked, "{text}");
        tried += 1;
    }
    assert_eq!(tried, 25);
    let deep = (0..6)
        .fold(format!(r#"{{"idTag":"{CARD}"}}"#), |text, _| format!(r#"{{"d":{}}}"#, Value::from(text)));
    assert!(!message("Custom", &deep).contains(CARD), "{deep}");
}

#[test]
fn what_is_known_to_be_a_card_is_masked_in_what_people_wrote() {
    let mut numbers = Numbers::default();
    numbers.add("Card 1/2");
    numbers.add("GOODCARD77");
    let known = numbers.known();
    for (text, masked) in [
        ("the card goodcard77, unknown", "the card go…77, unknown"),
        ("no card 1/2 here", "no … here"),
        ("04A2B3C4D5E69F is not known at 13:02:04", "04…9F is not known at 13:02:04"),
        ("idTag=OTHERCARD88, idTag is unknown", "idTag=OT…88, idTag is unknown"),
        ("decade", "decade"),
        ("RFID04A2B3C4D5E69F denied, uid%3A04A2B3C4D5E69F", "RF…9F denied, uid%3A…9F"),
        ("of 550e8400-e29b-41d4-a716-446655440000", "of 550e8400-e29b-41d4-a716-446655440000"),
    ] {
        assert_eq!(known.free_text(text).unwrap_or_else(|| text.to_owned()), masked, "{text}");
    }
}

/// One megabyte that took minutes where each word, or each card, was paid for with the whole rest of the text.
#[test]
fn of_a_large_message_viewers_are_shown_the_size_alone() {
    let words = format!(r#"{{"info":"{}"}}"#, "a,".repeat(512 * 1024));
    let cards = format!(r#"{{"l":[{}{{}}]}}"#, r#"{"idTag":"a b1"},"#.repeat(64 * 1024));
    let quotes = format!(r#"{{"info":"{}"}}"#, r#"idTag\":\""#.repeat(100_000));
    let mut tried = 0;
    for hostile in [words, cards, quotes] {
        assert!(hostile.len() > 1_000_000);
        for action in ["Authorize", "DataTransfer"] {
            let mut numbers = Numbers::default();
            let masked = without_cards(&hostile, action == "DataTransfer", &mut numbers);
            let kib = hostile.len().div_ceil(1024);
            assert_eq!(masked, format!("\"… ({kib} KiB: only operators are shown so much)\""));
            assert!(numbers.is_empty(), "nothing of it was read");
            tried += 1;
        }
        let mut free = hostile;
        hide_in_text(&mut free, &Numbers::default().known());
        assert!(free.len() < 100, "{free}");
    }
    assert_eq!(tried, 6);
}

/// Every text of a payload is handed out once at each depth, and all of them together are no longer than the payload.
#[test]
fn the_work_grows_with_the_length_alone() {
    let mut tried = 0;
    for of_one in [
        r#"{"idTag":"a b1"},"#,
        r#"{"x":"a,a,a,\"idTag\":\"b"},"#,
        r#""\"",{},[],"#,
        r#"{"key":"k","value":1},"#,
    ] {
        let count = limits::MASKED_BYTES / of_one.len() - 2;
        let payload = format!("[{}0]", of_one.repeat(count));
        let (mut texts, mut bytes) = (0, 0);
        let unchanged = fields::changed(&payload, &mut |_, text| {
            texts += 1;
            bytes += text.len();
            None
        });
        assert_eq!(unchanged, None);
        assert!(texts <= 2 * count && bytes <= payload.len(), "{of_one}: {texts} texts, {bytes} bytes");
        tried += 1;
    }
    assert_eq!(tried, 4);
    // Thousands of odd numbers are searched for together.
    let mut list = String::from("[");
    for number in 0..2_000 {
        write!(list, r#"{{"idTag":"04:A2:{number}"}},"#).unwrap();
    }
    list.push_str(r#"{"info":"of 04:a2:1999 and 04:A2:1999."}]"#);
    let masked = message("SendLocalList", &list);
    assert!(masked.ends_with(r#"{"info":"of 04…99 and 04…99."}]"#), "{}", &masked[masked.len() - 60..]);
}

#[test]
fn more_numbers_than_are_searched_for_hide_what_they_might_stand_in() {
    let mut numbers = Numbers::default();
    for number in 0..limits::MASKED_BYTES / 8 {
        numbers.add(&format!("card {number:06}"));
    }
    assert_eq!(numbers.known().masked("of card 008191").as_deref(), Some("…"));
}

#[test]
fn an_address_that_asks_for_a_card_is_known() {
    for (parameters, asks) in [
        (None, false),
        (Some(""), false),
        (Some("id_tag="), false),
        (Some("id_tag=+&charger=CP1"), false),
        (Some("charger=id_tag&q=04A2"), false),
        (Some("id_tag=04A2"), true),
        (Some("charger=CP1&id%5Ftag=04A2"), true),
        (Some("id_tag=&id_tag=04A2"), true),
        (Some("id_tag=%FF"), true),
    ] {
        assert_eq!(asks_for_card(parameters), asks, "{parameters:?}");
    }
}
