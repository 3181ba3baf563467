//! The ways in which a file is changed in practice, each noticed through the watch: the poll is an hour
//! away, so a test that waits for it fails.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use config::Config;

const NEVER: Duration = Duration::from_secs(3600);
const LONG_ENOUGH: Duration = Duration::from_secs(30);

fn text(leader: &str) -> String {
    format!(
        "[backoffices.volt]\nurl = \"wss://volt.example/{{charger}}\"\n\
         [backoffices.acme]\nurl = \"wss://acme.example/{{charger}}\"\n\
         [[chargers]]\nmatch = \"*\"\nleader = \"{leader}\"\n"
    )
}

fn leader(loaded: &Loaded) -> String {
    let config: &Config = loaded.outcome.as_ref().unwrap();
    config.routing.rules[0].plan.leader.to_string()
}

/// Reads the configuration and watches it, past the first look.
fn watching(path: &Path) -> Reload {
    let loaded = config::load(path);
    assert_eq!(leader(&loaded), "volt");
    let mut reload = Reload::with_poll(path, loaded.files, NEVER);
    assert!(reload.watch.is_some());
    // The look at the start would hide a watch that does not work.
    reload.next_poll = Instant::now() + NEVER;
    reload
}

async fn changed(reload: &mut Reload) -> Loaded {
    timeout(LONG_ENOUGH, reload.changed()).await.expect("the change is noticed")
}

#[tokio::test]
async fn a_save_in_place_is_noticed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("proxy.toml");
    fs::write(&path, text("volt")).unwrap();
    let mut reload = watching(&path);
    fs::write(&path, text("acme")).unwrap();
    assert_eq!(leader(&changed(&mut reload).await), "acme");
    fs::write(&path, text("volt")).unwrap();
    assert_eq!(leader(&changed(&mut reload).await), "volt");
}

#[tokio::test]
async fn a_replacement_by_rename_is_noticed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("proxy.toml");
    fs::write(&path, text("volt")).unwrap();
    let mut reload = watching(&path);
    for next in ["acme", "volt", "acme"] {
        let new = folder.path().join(".proxy.toml.swp");
        fs::write(&new, text(next)).unwrap();
        fs::rename(&new, &path).unwrap();
        assert_eq!(leader(&changed(&mut reload).await), next);
    }
}

/// As a Kubernetes ConfigMap is mounted: `proxy.toml` → `..data/proxy.toml`, `..data` → a dated folder.
#[tokio::test]
async fn a_symlink_swap_is_noticed() {
    let folder = TempDir::new().unwrap();
    let version = |name: &str, leader: &str| {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("proxy.toml"), text(leader)).unwrap();
        symlink(name, folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
    };
    version("..2026_1", "volt");
    let path = folder.path().join("proxy.toml");
    symlink("..data/proxy.toml", &path).unwrap();
    let mut reload = watching(&path);
    version("..2026_2", "acme");
    assert_eq!(leader(&changed(&mut reload).await), "acme");
    fs::remove_dir_all(folder.path().join("..2026_1")).unwrap();
    version("..2026_3", "volt");
    assert_eq!(leader(&changed(&mut reload).await), "volt");
}

#[tokio::test]
async fn an_edit_of_the_file_behind_a_symlink_is_noticed() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let real = elsewhere.path().join("real.toml");
    fs::write(&real, text("volt")).unwrap();
    let path = folder.path().join("proxy.toml");
    symlink(&real, &path).unwrap();
    let mut reload = watching(&path);
    fs::write(&real, text("acme")).unwrap();
    assert_eq!(leader(&changed(&mut reload).await), "acme");
}

#[tokio::test]
async fn an_invalid_file_is_reported_once_and_a_valid_one_follows() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("proxy.toml");
    fs::write(&path, text("volt")).unwrap();
    let mut reload = watching(&path);
    fs::write(&path, text("vlt")).unwrap();
    let report = changed(&mut reload).await.outcome.unwrap_err();
    let expected = format!(
        "{}:7:10: leader names the unknown backoffice \"vlt\"; did you mean \"volt\"?",
        path.display()
    );
    assert_eq!(report.to_string(), expected);
    assert!(!reload.files.changed(), "it is not reported again");
    fs::write(&path, text("acme")).unwrap();
    assert_eq!(leader(&changed(&mut reload).await), "acme");
}

/// An editor that writes in place empties the file first.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_not_read_yet() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("proxy.toml");
    fs::write(&path, text("volt")).unwrap();
    let loaded = config::load(&path);
    let mut reload = Reload { watch: None, ..Reload::with_poll(&path, loaded.files, NEVER) };
    fs::write(&path, "").unwrap();
    let mut look = Box::pin(reload.changed());
    // The first look finds it empty; what it says counts only when it says so for a while.
    assert!(timeout(QUIET / 2, look.as_mut()).await.is_err());
    fs::write(&path, text("acme")).unwrap();
    assert_eq!(leader(&timeout(LONG_ENOUGH, look).await.expect("the change is noticed")), "acme");
}

#[tokio::test]
async fn a_secret_that_changes_is_noticed_by_the_poll() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("proxy.toml");
    let secret = folder.path().join("password");
    fs::write(&secret, "one\n").unwrap();
    let auth = "basic_auth = { user = \"u\", password = \"${file:password}\" }\n[backoffices.acme]";
    fs::write(&path, text("volt").replace("[backoffices.acme]", auth)).unwrap();
    let loaded = config::load(&path);
    let mut reload = Reload::with_poll(&path, loaded.files, Duration::from_millis(20));
    fs::write(&secret, "two\n").unwrap();
    let config = changed(&mut reload).await.outcome.unwrap();
    let auth = config.routing.backoffices[&"volt".into()].basic_auth.clone().unwrap();
    assert_eq!(auth.password.reveal(), "two");
}

/// The database may lie in the same folder; each of its writes would wake the program for nothing.
#[tokio::test]
async fn reading_and_the_database_are_not_a_change() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("proxy.toml");
    fs::write(&path, text("volt")).unwrap();
    let database = folder.path().join("ocpp-proxy.db-wal");
    let mut wal = fs::File::create(&database).unwrap();
    let mut watch = Watch::new(&path).unwrap();
    wal.write_all(b"a page").unwrap();
    fs::read(&path).unwrap();
    fs::write(folder.path().join("done"), "").unwrap();
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "done") {
        names.push(watch.events.next().await.unwrap().unwrap().name.unwrap());
    }
    assert_eq!(names, ["done"], "the kernel tells of nothing else");
    drop(wal);
    fs::write(&path, text("acme")).unwrap();
    timeout(LONG_ENOUGH, watch.stirred()).await.expect("the change is noticed");
}
