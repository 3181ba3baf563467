//! A file system that is really full.

use std::path::Path;
use std::process::Command;

use store::{Limits, Settings, Store, StoreError};

use crate::world::*;

/// A file system of 2 MiB in memory, unmounted when this is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` for whom the system does not let mount anything: that takes an administrator.
    fn mount() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2M", "tmpfs"])
            .arg(place.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then(|| Self(place))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.path().display());
    }
}

/// Where nothing may be mounted this shows nothing; `trouble.rs` has the same with a file that may not grow.
#[tokio::test]
async fn what_was_acknowledged_survives_a_full_disk_and_it_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("ocpp-proxy.db");
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 600_000]).unwrap();
    let limits = Limits { reserve_bytes: 400_000, ..Limits::default() };
    let store = Store::open_with(&path, Settings::default(), limits.clone()).unwrap();

    // Log and records come together; the log stops first.
    let payload = format!("{{\"a\":\"{}\"}}", "x".repeat(5_000));
    let (mut acknowledged, mut after_the_log) = (0, 0);
    let error = loop {
        note_call(&store, call(acknowledged, "DataTransfer", &payload, "{}"));
        let _paused_sooner_or_later = store.flush().await;
        after_the_log += u64::from(store.figures().log_paused);
        let body = "x".repeat(5_000);
        match store.keep(&charger(), vec![fact(&acknowledged.to_string(), Some(&body))]).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full | StoreError::Disk(_)), "{error}");
    assert!(
        acknowledged > 0 && after_the_log > 1,
        "{acknowledged} kept, {after_the_log} of them without a log"
    );
    assert!(store.is_writable().is_err());
    assert_eq!(store.remembered(&charger()).await.unwrap().facts.len() as u64, acknowledged);

    // Still full: it does not pretend.
    let error = store.keep(&charger(), vec![fact("more", Some(&"x".repeat(100_000)))]).await.unwrap_err();
    assert!(matches!(error, StoreError::Full | StoreError::Disk(_)), "{error}");

    std::fs::remove_file(&ballast).unwrap();
    until(|| store.is_writable().is_ok()).await;
    store.remembered(&charger()).await.unwrap();
    store.keep(&charger(), vec![fact("again", Some("1"))]).await.unwrap();
    drop(store);

    let store = Store::open_with(&path, Settings::default(), limits).unwrap();
    assert_eq!(store.remembered(&charger()).await.unwrap().facts.len() as u64, acknowledged + 1);
    store.close().await;
}
