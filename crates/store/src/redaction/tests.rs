//! What is hidden and what stays, case by case.

use proptest::prelude::*;

use super::*;

/// Occurs in every secret of the tables; must not occur in what comes out.
const CANARY: &str = "c4n4ry";

/// Payloads with a secret, and what is stored of them.
const HIDDEN: [(&str, &str); 67] = [
    // ChangeConfiguration
    (r#"{"key":"AuthorizationKey","value":"c4n4ry"}"#, r#"{"key":"AuthorizationKey","value":"«redacted»"}"#),
    (
        r#"{"key":"BasicAuthPassword","value":"c4n4ry"}"#,
        r#"{"key":"BasicAuthPassword","value":"«redacted»"}"#,
    ),
    (r#"{"key":"authorizationkey","value":"c4n4ry"}"#, r#"{"key":"authorizationkey","value":"«redacted»"}"#),
    (r#"{"value":"c4n4ry","key":"AuthorizationKey"}"#, r#"{"value":"«redacted»","key":"AuthorizationKey"}"#),
    (
        r#"{ "key" : "AuthorizationKey" , "value" : "c4n4ry" }"#,
        r#"{ "key" : "AuthorizationKey" , "value" : "«redacted»" }"#,
    ),
    (r#"{"key":"WifiPSK","value":"c4n4ry"}"#, r#"{"key":"WifiPSK","value":"«redacted»"}"#),
    (r#"{"key":"WIFI_KEY","value":"c4n4ry"}"#, r#"{"key":"WIFI_KEY","value":"«redacted»"}"#),
    (r#"{"key":"wpa_passphrase","value":"c4n4ry"}"#, r#"{"key":"wpa_passphrase","value":"«redacted»"}"#),
    (r#"{"key":"APNPassword","value":"c4n4ry"}"#, r#"{"key":"APNPassword","value":"«redacted»"}"#),
    (r#"{"key":"apn_user","value":"c4n4ry"}"#, r#"{"key":"apn_user","value":"«redacted»"}"#),
    (r#"{"key":"APN","value":"internet.example,user,c4n4ry"}"#, r#"{"key":"APN","value":"«redacted»"}"#),
    (r#"{"key":"SimPin","value":"c4n4ry"}"#, r#"{"key":"SimPin","value":"«redacted»"}"#),
    (r#"{"key":"SIMPIN","value":"c4n4ry"}"#, r#"{"key":"SIMPIN","value":"«redacted»"}"#),
    (r#"{"key":"sim.pin","value":"c4n4ry"}"#, r#"{"key":"sim.pin","value":"«redacted»"}"#),
    (r#"{"key":"PUK","value":"c4n4ry"}"#, r#"{"key":"PUK","value":"«redacted»"}"#),
    (r#"{"key":"ApiToken","value":"c4n4ry"}"#, r#"{"key":"ApiToken","value":"«redacted»"}"#),
    (r#"{"key":"clientSecret","value":"c4n4ry"}"#, r#"{"key":"clientSecret","value":"«redacted»"}"#),
    (r#"{"key":"adminPwd","value":"c4n4ry"}"#, r#"{"key":"adminPwd","value":"«redacted»"}"#),
    (
        r#"{"key":"\u0041uthorizationKey","value":"c4n4ry"}"#,
        r#"{"key":"\u0041uthorizationKey","value":"«redacted»"}"#,
    ),
    (
        r#"{"key":"X","key":"AuthorizationKey","value":"c4n4ry"}"#,
        r#"{"key":"X","key":"AuthorizationKey","value":"«redacted»"}"#,
    ),
    (
        r#"{"key":"AuthorizationKey","value":"c4n4ry","value":"c4n4ry2"}"#,
        r#"{"key":"AuthorizationKey","value":"«redacted»","value":"«redacted»"}"#,
    ),
    (r#"{"Key":"AuthorizationKey","Value":"c4n4ry"}"#, r#"{"Key":"AuthorizationKey","Value":"«redacted»"}"#),
    (
        r#"{"key":"AuthorizationKey","value":["c4n4ry",{"a":"c4n4ry"}]}"#,
        r#"{"key":"AuthorizationKey","value":"«redacted»"}"#,
    ),
    (
        r#"{"key":"CentralSystemURL","value":"wss://u:c4n4ry@h/ocpp"}"#,
        r#"{"key":"CentralSystemURL","value":"wss://«redacted»@h/ocpp"}"#,
    ),
    (
        r#"{"key":"ProxyHeader","value":"Authorization: Basic c4n4ryQ="}"#,
        r#"{"key":"ProxyHeader","value":"Authorization: «redacted»"}"#,
    ),
    (r#"{"key":"Header","value":"Basic c4n4ryQ="}"#, r#"{"key":"Header","value":"Basic «redacted»"}"#),
    (r#"{"key":"Header","value":"bearer c4n4ryabc"}"#, r#"{"key":"Header","value":"bearer «redacted»"}"#),
    // GetConfiguration
    (
        r#"{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"60"},{"key":"AuthorizationKey","readonly":false,"value":"c4n4ry"}],"unknownKey":["FooKey"]}"#,
        r#"{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"60"},{"key":"AuthorizationKey","readonly":false,"value":"«redacted»"}],"unknownKey":["FooKey"]}"#,
    ),
    (
        r#"{"configurationKey":[{"value":"c4n4ry","readonly":true,"key":"wifiPassword"}]}"#,
        r#"{"configurationKey":[{"value":"«redacted»","readonly":true,"key":"wifiPassword"}]}"#,
    ),
    // URLs
    (r#"{"location":"ftp://user:c4n4ry@host/dir"}"#, r#"{"location":"ftp://«redacted»@host/dir"}"#),
    (r#"{"location":"ftp:\/\/user:c4n4ry@host\/dir"}"#, r#"{"location":"ftp://«redacted»@host/dir"}"#),
    (r#"{"location":"ftp://user:p@ss/c4n4ry@host/dir"}"#, r#"{"location":"ftp://«redacted»@host/dir"}"#),
    (r#"{"location":"ftp://user:pa/c4n4ry@host/dir"}"#, r#"{"location":"ftp://«redacted»@host/dir"}"#),
    (r#"{"location":"ftp://user:pa?c4n4ry@host/dir"}"#, r#"{"location":"ftp://«redacted»@host/dir"}"#),
    (r#"{"location":"ftp://user:12/c4n4ry@host/dir"}"#, r#"{"location":"ftp://«redacted»@host/dir"}"#),
    (r#"{"location":"ftp://user:/c4n4ry#@host/dir"}"#, r#"{"location":"ftp://«redacted»@host/dir"}"#),
    (r#"{"location":"ftp://c4n4ry@host"}"#, r#"{"location":"ftp://«redacted»@host"}"#),
    (r#"{"location":"user:c4n4ry@host/dir"}"#, r#"{"location":"«redacted»@host/dir"}"#),
    (r#"{"location":"//user:c4n4ry@host/dir"}"#, r#"{"location":"//«redacted»@host/dir"}"#),
    (r#"{"location":"ftp://user:c4n 4ry c4n4ry@host/dir"}"#, r#"{"location":"ftp://«redacted»@host/dir"}"#),
    (
        r#"{"location":"https://host/fw.bin?token=c4n4ry&x=1"}"#,
        r#"{"location":"https://host/fw.bin?«redacted»"}"#,
    ),
    (
        r#"{"location":"https://host:8443/fw.bin?c4n4ry"}"#,
        r#"{"location":"https://host:8443/fw.bin?«redacted»"}"#,
    ),
    (r#"{"location":"https://host/fw.bin#c4n4ry"}"#, r#"{"location":"https://host/fw.bin#«redacted»"}"#),
    (
        r#"{"location":"https://u:c4n4ry@host/fw.bin?sig=c4n4ry"}"#,
        r#"{"location":"https://«redacted»@host/fw.bin?«redacted»"}"#,
    ),
    (
        r#"{"log":{"remoteLocation":"sftp://u:c4n4ry@host/l","oldestTimestamp":"2024-01-01T00:00:00Z"},"logType":"SecurityLog","requestId":1}"#,
        r#"{"log":{"remoteLocation":"sftp://«redacted»@host/l","oldestTimestamp":"2024-01-01T00:00:00Z"},"logType":"SecurityLog","requestId":1}"#,
    ),
    (
        r#"{"requestId":1,"firmware":{"location":"https://u:c4n4ry@h/f","retrieveDateTime":"2024-01-01T00:00:00Z","signature":"abc"}}"#,
        r#"{"requestId":1,"firmware":{"location":"https://«redacted»@h/f","retrieveDateTime":"2024-01-01T00:00:00Z","signature":"abc"}}"#,
    ),
    (
        r#"{"info":"upload to ftp://u:c4n4ry@h/x failed"}"#,
        r#"{"info":"upload to ftp://«redacted»@h/x failed"}"#,
    ),
    (
        r#"{"info":"see https://h/x?X-Amz-Signature=c4n4ry"}"#,
        r#"{"info":"see https://h/x?X-Amz-Signature=«redacted»"}"#,
    ),
    (r#"{"a":"http://h/ then ftp://u:c4n4ry@h"}"#, r#"{"a":"http://h/ then ftp://«redacted»@h"}"#),
    // DataTransfer
    (
        r#"{"vendorId":"v","data":"{\"password\":\"c4n4ry\",\"x\": 1}"}"#,
        r#"{"vendorId":"v","data":"{\"password\":\"«redacted»\",\"x\": 1}"}"#,
    ),
    (
        r#"{"vendorId":"v","data":"{\"key\":\"wifiPassword\",\"value\":\"c4n4ry\"}"}"#,
        r#"{"vendorId":"v","data":"{\"key\":\"wifiPassword\",\"value\":\"«redacted»\"}"}"#,
    ),
    (
        r#"{"vendorId":"v","data":"{\"key\":\"c4n4ry\"}"}"#,
        r#"{"vendorId":"v","data":"{\"key\":\"«redacted»\"}"}"#,
    ),
    (
        r#"{"vendorId":"v","data":"{\"a\":\"{\\\"pin\\\":\\\"c4n4ry\\\"}\"}"}"#,
        r#"{"vendorId":"v","data":"{\"a\":\"{\\\"pin\\\":\\\"«redacted»\\\"}\"}"}"#,
    ),
    (
        r#"{"vendorId":"v","data":"ssid=home;password=c4n4ry"}"#,
        r#"{"vendorId":"v","data":"ssid=home;password=«redacted»"}"#,
    ),
    (
        r#"{"vendorId":"v","data":"<c><password>c4n4ry</password></c>"}"#,
        r#"{"vendorId":"v","data":"<c><password>«redacted»</password></c>"}"#,
    ),
    (
        r#"{"vendorId":"v","data":"{\"password\":\"c4n4ry"}"#,
        r#"{"vendorId":"v","data":"{\"password\":\"«redacted»"}"#,
    ),
    (
        r#"{"vendorId":"v","data":"password: c4n4ry and c4n4ry"}"#,
        r#"{"vendorId":"v","data":"password: «redacted»"}"#,
    ),
    (
        r#"{"vendorId":"v","data":{"wifi":{"passphrase":"c4n4ry","ssid":"home"}}}"#,
        r#"{"vendorId":"v","data":{"wifi":{"passphrase":"«redacted»","ssid":"home"}}}"#,
    ),
    (
        r#"{"data":{"name":"adminPassword","value":"c4n4ry"}}"#,
        r#"{"data":{"name":"adminPassword","value":"«redacted»"}}"#,
    ),
    (r#"{"data":{"tokens":["c4n4ry","c4n4ry"]}}"#, r#"{"data":{"tokens":"«redacted»"}}"#),
    (r#"{"p\u0061ssword":"c4n4ry"}"#, r#"{"p\u0061ssword":"«redacted»"}"#),
    (r#"{"\ud800password":"c4n4ry"}"#, r#"{"\ud800password":"«redacted»"}"#),
    (r#"{"Authorization":"c4n4ry"}"#, r#"{"Authorization":"«redacted»"}"#),
    (r#"{"x-api-key":"c4n4ry"}"#, r#"{"x-api-key":"«redacted»"}"#),
    (r#"{"userPin":"c4n4ry","idTag":"AB12"}"#, r#"{"userPin":"«redacted»","idTag":"AB12"}"#),
    (r#"[{"secret":"c4n4ry"},{"a":2}]"#, r#"[{"secret":"«redacted»"},{"a":2}]"#),
    // Keys
    (r#"{"x":"-----BEGIN EC PRIVATE KEY-----\nc4n4ry\n"}"#, r#"{"x":"«redacted»"}"#),
];

/// Payloads that are stored as they came, to the byte.
const KEPT: [&str; 36] = [
    r#"{"idTag":"04A2B3C4D5E6"}"#,
    r#"{"idTag":"TOKEN:secret=1"}"#,
    r#"{"connectorId":1,"idTag":"AB","meterStart":0,"timestamp":"2024-01-01T10:00:00Z"}"#,
    r#"{"transactionId":-1,"idTag":"AB","meterStop":1e400,"timestamp":"222222017-10-27T19:10:11Z"}"#,
    r#"{"idTagInfo":{"status":"Accepted","parentIdTag":"P:1","expiryDate":"2030-01-01T00:00:00Z"}}"#,
    r#"{"idToken":"AB","type":"KeyCode"}"#,
    r#"{"currentTime":"2024-01-01T10:00:00.000Z","interval":300,"status":"Accepted"}"#,
    r#"{"chargePointVendor":"V","chargePointModel":"M","iccid":"89","imsi":"26","firmwareVersion":"1.2 b=3"}"#,
    r#"{"connectorId":1,"errorCode":"NoError","info":"Ready: ok","status":"Available","vendorId":"x"}"#,
    r#"{"connectorId":1,"meterValue":[{"timestamp":"t","sampledValue":[{"value":"12.0","location":"Outlet","unit":"Wh"}]}]}"#,
    r#"{"key":"HeartbeatInterval","value":"300"}"#,
    r#"{"key":"WebSocketPingInterval","value":"30"}"#,
    r#"{"key":"GetConfigurationMaxKeys","value":"50"}"#,
    r#"{"key":"AuthorizationCacheEnabled","value":"true"}"#,
    r#"{"key":"AuthorizeRemoteTxRequests","value":"true"}"#,
    r#"{"key":"LocalAuthListMaxLength","value":"100"}"#,
    r#"{"key":"SecurityProfile","value":"2"}"#,
    r#"{"key":"GroupInfo","value":"a"}"#,
    r#"{"key":"BackupInterval","value":"5"}"#,
    r#"{"key":"BypassGridMode","value":"on"}"#,
    r#"{"key":"APN","value":"internet.example"}"#,
    r#"{"key":"AuthorizationKey","value":""}"#,
    r#"{"key":["AuthorizationKey","HeartbeatInterval"]}"#,
    r#"{"configurationKey":[{"key":"AuthorizationKey","readonly":false}],"unknownKey":["Foo"]}"#,
    r#"{"password":null,"passwordSet":true,"secret":""}"#,
    r#"{"location":"ftp://host/dir","retries":3}"#,
    r#"{"location":"https://host:8443/fw.bin","retrieveDate":"2024-01-01T00:00:00Z"}"#,
    r#"{"info":"mail a@b.example, see https://host/path"}"#,
    r#"{"info":"https://host/path?mail=a@b.example"}"#,
    r#"{"vendorId":"v","data":"{\"idTag\":\"AB\",\"soc\": 80}"}"#,
    r#"{"vendorId":"v","messageId":"m","data":"Basic charging profile"}"#,
    r#"{"data":"{not json, but harmless"}"#,
    r#"{"listVersion":1,"localAuthorizationList":[{"idTag":"A"},{"idTag":"B"}],"updateType":"Full"}"#,
    r#"{"hashAlgorithm":"SHA256","issuerKeyHash":"abc","issuerNameHash":"d","serialNumber":"1"}"#,
    "{ \"a\" :\t[1.0E5 , -0, 123456789012345678901234567890],\r\n\"b\":\"\\u00e9\\/\\ud83d\\ude00\"}",
    "{}",
];

#[test]
fn secrets_are_hidden_in_place() {
    let mut seen = 0;
    for (before, after) in HIDDEN {
        assert!(before.contains(CANARY), "{before}");
        let clean = payload(before);
        assert_eq!(clean.text, after, "of {before}");
        assert!(clean.redacted);
        assert!(!clean.text.contains(CANARY));
        // What is clean stays as it is.
        assert_eq!(payload(after).text, after);
        seen += 1;
    }
    assert_eq!(seen, 67);
}

#[test]
fn everything_else_stays_to_the_byte() {
    let mut seen = 0;
    for before in KEPT {
        assert_eq!(payload(before), Clean { text: before.into(), redacted: false });
        seen += 1;
    }
    assert_eq!(seen, 36);
}

#[test]
fn certificates_become_their_length_and_hash() {
    let long = "c4n4ry".repeat(20);
    let cases = [
        format!(r#"{{"csr":"{long}"}}"#),
        format!(r#"{{"certificateChain":"{long}"}}"#),
        format!(r#"{{"certificateType":"ManufacturerRootCertificate","certificate":"{long}"}}"#),
        format!(r#"{{"firmware":{{"signingCertificate":"{long}"}}}}"#),
        r#"{"x":"-----BEGIN CERTIFICATE-----\nc4n4ry\n-----END CERTIFICATE-----"}"#.to_owned(),
    ];
    for before in &cases {
        let clean = payload(before);
        assert!(clean.redacted && !clean.text.contains(CANARY), "{}", clean.text);
        assert!(clean.text.contains("bytes, SHA-256 "), "{}", clean.text);
    }
    assert_eq!(cases.len(), 5);
    let clean = payload(r#"{"csr":"-----BEGIN CERTIFICATE REQUEST-----"}"#);
    let hash = "929bb0afef8f9deac51a28c35148240db6e214d8212966bb4b35f9a78effd671";
    assert_eq!(clean.text, format!(r#"{{"csr":"«35 bytes, SHA-256 {hash}»"}}"#));
}

#[test]
fn what_cannot_be_read_leaves_only_its_shape() {
    let deep = format!("{}\"c4n4ry\"{}", "[".repeat(10_000), "]".repeat(10_000));
    let wide = format!("[{}\"c4n4ry\"]", "0,".repeat(1 << 18));
    let unfinished = r#"{"key":"AuthorizationKey","value":"c4n4ry"#.to_owned();
    let cases = [deep, wide, unfinished, "c4n4ry".to_owned(), String::new()];
    for before in &cases {
        let clean = payload(before);
        assert!(clean.redacted && !clean.text.contains(CANARY));
        assert!(clean.text.ends_with(&format!("«not readable as JSON, {} bytes»", before.len())));
        assert!(clean.text.len() < 2_000);
    }
    assert_eq!(cases.len(), 5);
}

#[test]
fn error_descriptions_and_details_lose_their_secrets() {
    let cases = [
        ("cannot reach wss://u:c4n4ry@h/x", "cannot reach wss://«redacted»@h/x"),
        ("password=c4n4ry", "password=«redacted»"),
        ("bad header 'Authorization: Basic c4n4ryQ='", "bad header 'Authorization: «redacted»"),
        (r#"Invalid value {"pin": "c4n4ry", "a": 1}"#, r#"Invalid value {"pin": "«redacted»", "a": 1}"#),
        ("Unknown key: HeartbeatInterval", "Unknown key: HeartbeatInterval"),
        ("NotImplemented", "NotImplemented"),
        ("", ""),
    ];
    for (before, after) in cases {
        assert_eq!(text(before).text, after);
    }
    assert_eq!(cases.len(), 7);
}

#[test]
fn differences_lose_their_secrets() {
    let difference = |pointer: &str, leader: &str| {
        let leader = Some(leader.to_owned());
        super::difference(&Difference { pointer: pointer.to_owned(), leader, follower: None })
    };
    let cases = [
        ("/idTagInfo/status", "\"Invalid\"", "\"Invalid\""),
        ("/interval", "300", "300"),
        ("", "{\"password\":\"c4n4ry\"}", "{\"password\":\"«redacted»\"}"),
        ("/data/password", "\"c4n4ry\"", "\"«redacted»\""),
        ("/data/tokens/0", "\"c4n4ry\"", "\"«redacted»\""),
        ("/configurationKey/3/value", "\"c4n4ry\"", "\"«redacted»\""),
        ("/data", "\"{\\\"pin\\\":\\\"c4n4ry\\\"}\"", "\"{\\\"pin\\\":\\\"«redacted»\\\"}\""),
        ("/location", "\"ftp://u:c4n4ry@h\"", "\"ftp://«redacted»@h\""),
    ];
    for (pointer, before, after) in cases {
        assert_eq!(difference(pointer, before).leader.as_deref(), Some(after), "at {pointer}");
    }
    assert_eq!(cases.len(), 8);
    assert!(!difference("/a", "c4n4ry").leader.unwrap().contains(CANARY));
}

#[test]
fn hostile_texts_take_no_long_time() {
    // Each of these is quadratic work for a careless search; all together are done at once.
    let many = 200_000;
    let texts = ["://", "a:", "pass=", "\"", "\\", "@:/", "<a>", "Basic ", "://@", "value:'"]
        .map(|piece| piece.repeat(many));
    for one in &texts {
        let _clean = text(one);
        let quoted = serde_json::Value::from(one.as_str()).to_string();
        let _clean = payload(&format!("{{\"location\":{quoted},\"a\":{quoted}}}"));
    }
    let members = format!("{{\"key\":\"aKey\"{}}}", ",\"value\":1".repeat(many));
    assert!(payload(&members).redacted);
    assert_eq!(texts.len(), 10);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        ".{0,20}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,8}", inner, 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_fall(any in ".{0,200}") {
        let _clean = payload(&any);
        let _clean = text(&any);
        let _clean = free_text::location(&any);
    }

    #[test]
    fn near_json_does_not_make_it_fall(any in r#"[{}\[\]":,\\u0-9a@/=<> p]{0,80}"#) {
        let _clean = payload(&any);
        let _clean = text(&any);
    }

    #[test]
    fn json_stays_json(any in any_json()) {
        let before = any.to_string();
        let clean = payload(&before);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&clean.text).is_ok());
        prop_assert!(clean.redacted || clean.text == before.as_str());
    }

    #[test]
    fn no_authorization_key_survives(rest in "[ -~]{0,40}", around in any_json()) {
        let secret = format!("c4n4ry{rest}");
        let value = serde_json::Value::from(secret.as_str());
        let before = format!(r#"{{"a":{around},"key":"AuthorizationKey","value":{value}}}"#);
        prop_assert!(!payload(&before).text.contains(CANARY));
    }

    #[test]
    fn no_password_in_a_location_survives(password in "[!-~]{0,20}c4n4ry[!-~]{0,20}") {
        let url = format!("ftp://user:{password}@host.example/dir");
        let before = serde_json::json!({ "location": url }).to_string();
        let clean = payload(&before);
        prop_assert!(!clean.text.contains(CANARY), "{}", clean.text);
    }
}
