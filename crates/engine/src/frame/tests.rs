use super::*;

#[test]
fn a_call_is_found_in_its_own_bytes() {
    let text = r#" [ 2 , "19223201" , "Heartbeat" , { "a" : 0.10 } ] "#;
    assert_eq!(
        scan(text),
        Ok(Frame::Call { id: "\"19223201\"", action: "\"Heartbeat\"", payload: r#"{ "a" : 0.10 }"# })
    );
}

#[test]
fn what_is_no_frame_is_named() {
    let cases: &[(&str, Malformed<'_>)] = &[
        ("", Malformed::NotAFrame),
        ("nonsense", Malformed::NotAFrame),
        ("{}", Malformed::NotAFrame),
        ("[]", Malformed::NotAFrame),
        (r#"[2,"1","Heartbeat",{}"#, Malformed::NotAFrame),
        (r#"[2,"1","Heartbeat",{}]]"#, Malformed::NotAFrame),
        (r#"[2,"1","Heartbeat",{"a":,}]"#, Malformed::NotAFrame),
        (r#"[7,"1","Heartbeat",{}]"#, Malformed::UnknownType),
        (r#"["2","1","Heartbeat",{}]"#, Malformed::UnknownType),
        (r#"[5,"1","X","",{}]"#, Malformed::UnknownType),
        (r#"[2,null,"Heartbeat",{}]"#, Malformed::NoId),
        (r#"[4,null,"GenericError","",{}]"#, Malformed::NoId),
        (r#"[2,["1"],"Heartbeat",{}]"#, Malformed::NoId),
        (r#"[2,"1"]"#, Malformed::NoAction("\"1\"")),
        (r#"[2,"1",5,{}]"#, Malformed::NoAction("\"1\"")),
        (r#"[2,"1","Heartbeat"]"#, Malformed::NoPayload("\"1\"")),
        (r#"[2,"1","Heartbeat",[]]"#, Malformed::NoPayload("\"1\"")),
    ];
    assert_eq!(cases.len(), 17);
    for (text, expected) in cases {
        assert_eq!(scan(text), Err(*expected), "{text}");
    }
}

#[test]
fn quirks_of_real_peers_are_accepted() {
    let call = scan(r#"[2,17,"Heartbeat",null]"#);
    assert_eq!(call, Ok(Frame::Call { id: "17", action: "\"Heartbeat\"", payload: "{}" }));
    let result = scan(r#"[3,"1",null]"#);
    assert_eq!(result, Ok(Frame::Result { id: "\"1\"", payload: "{}" }));
    let error = scan(r#"[4,"1","InternalError"]"#);
    let expected =
        Frame::Error { id: "\"1\"", code: "InternalError".into(), description: "".into(), details: "{}" };
    assert_eq!(error, Ok(expected));
    let error = scan(r#"[4,"1","InternalError","x",[1]]"#);
    assert!(matches!(error, Ok(Frame::Error { details: "{}", .. })));
}

#[test]
fn depth_is_bounded_without_recursion() {
    let deep = format!(r#"[2,"1","A",{}{}]"#, r#"{"a":"#.repeat(200_000), "}".repeat(200_000));
    assert_eq!(scan(&deep), Err(Malformed::TooDeep));
    let brackets_in_a_string = format!(r#"[2,"1","A",{{"a":"{}\"[["}}]"#, "[".repeat(500));
    assert!(scan(&brackets_in_a_string).is_ok());
}

#[test]
fn an_id_is_glimpsed_in_broken_json() {
    assert_eq!(glimpse_call_id(r#"[2,"ab","StopTransaction",{"transactionId":,}]"#), Some("\"ab\""));
    assert_eq!(glimpse_call_id(r#"[3,"ab",{"x":,}]"#), None);
    assert_eq!(glimpse_call_id("[2,\"a"), None);
    assert_eq!(glimpse_call_id("[2,\"a\\\",\"x"), None);
}

#[test]
fn frames_are_written_as_they_are_read() {
    let id = Uuid::from_u128(7);
    let text = write_call(id, "\"Reset\"", r#"{"type":"Soft"}"#);
    let Ok(Frame::Call { id: token, action, payload }) = scan(&text) else { panic!("{text}") };
    assert_eq!(minted(token), Some(id));
    assert_eq!((action, payload), ("\"Reset\"", r#"{"type":"Soft"}"#));
    assert_eq!(write_result("17", "{}"), "[3,17,{}]");
    assert_eq!(
        write_error("\"a\"", "GenericError", "a \"quoted\" word", "{}"),
        r#"[4,"a","GenericError","a \"quoted\" word",{}]"#
    );
}
