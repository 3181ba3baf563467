//! The demo, as somebody who has just cloned the repository sees it.

use std::process::Command;

/// What the story must tell; each line proves that its part really happened.
const TOLD: [&str; 6] = [
    "volt calls it 501, acme calls it 7001; the charger was told 501.",
    "volt (leader)    Invalid   ◀── this is what the charger was told",
    "DIFFERS from the leader at /idTagInfo/status: \"Accepted\" against \"Invalid\"",
    "acme leads from now on; volt follows. Nobody was disconnected, ANNA goes on charging.",
    "acme stops the session by its own number, 7002 (RemoteStopTransaction); the charger is told 502:",
    "acme calls it 7003, volt calls it 503; the charger was told 7003.",
];

#[test]
fn the_demo_tells_its_story_to_the_end() {
    let run =
        Command::new(env!("CARGO_BIN_EXE_ocpp-proxy")).arg("demo").output().expect("the program starts");
    let story = String::from_utf8(run.stdout).expect("the story is text");
    assert!(run.status.success(), "{story}\n{}", String::from_utf8_lossy(&run.stderr));
    let missing: Vec<&str> = TOLD.into_iter().filter(|line| !story.contains(line)).collect();
    assert!(missing.is_empty(), "not told: {missing:#?}\nbut:\n{story}");
    assert!(!story.contains("To look at"), "of what is gone by now:\n{story}");
}
