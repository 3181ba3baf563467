//! Large messages: passed byte for byte up to the limit, refused with the right close code beyond it.

use serde_json::json;

use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

#[test]
fn a_large_message_passes_byte_for_byte() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    // Odd but legal JSON: a proxy that reads and writes it anew would change it.
    let payload = format!(
        r#"{{ "vendorId" : "acme","messageId":"\u00e4", "data":"{}\/" }}"#,
        "0123456789".repeat(30_000)
    );
    charger.say_text(format!(r#"[2,"large","DataTransfer",{payload}]"#));
    let answer = charger.hear().unwrap();
    assert_eq!((answer.id.as_str(), answer.payload), ("large", json!({"status": "Accepted"})));
    let heard = leader.wait_call("DataTransfer", |_| true);
    assert!(heard.text.contains(&payload), "the payload was rewritten: {:.120}…", heard.text);
}

#[test]
fn a_message_over_one_mebibyte_ends_the_socket() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    let data = "x".repeat((1 << 20) + 1);
    charger.say_text(json!([2, "huge", "DataTransfer", {"vendorId": "acme", "data": data}]).to_string());
    assert_eq!(charger.wait_closed(), Some(1009));
    let mut other = RawCharger::connect(proxy.chargers, "CP2");
    session::arrive(&mut other, session::GOOD_CARD);
    assert!(leader.calls().iter().all(|call| call.action != "DataTransfer"));
}
