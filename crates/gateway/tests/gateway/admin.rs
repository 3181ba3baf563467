//! What operators see.

use std::time::Duration;

use gateway::{Gateway, Metrics, StartError, metrics_markdown};
use store::Store;

use crate::charger::connect;
use crate::world::{World, routing, settings};

#[tokio::test]
async fn health_readiness_and_metrics() {
    let world = World::new(routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    assert_eq!(world.page("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(world.page("/readyz").await, (200, "{\"ready\":true,\"reasons\":[]}\n".to_owned()));
    assert_eq!(world.page("/").await.0, 404);
    let (status, text) = world.page("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "ocpp_proxy_build_info{version=\"test\"} 1",
        "ocpp_proxy_charger_connections 0",
        "ocpp_proxy_sessions 0",
        "ocpp_proxy_log_rows_waiting 0",
        "# TYPE ocpp_proxy_store_commit_seconds histogram",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("process_resident_memory_bytes"));
}

#[tokio::test]
async fn every_metric_is_documented_once() {
    let world = World::new(routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    let page = metrics_markdown();
    let (_, text) = world.page("/metrics").await;
    let families: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| name.starts_with("ocpp_proxy_"))
        .collect();
    assert!(families.len() >= 10, "{families:?}");
    for name in families {
        assert_eq!(page.matches(&format!("| `{name}` |")).count(), 1, "{name}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_key_and_a_remedy() {
    let world = World::new(routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    let directory = tempfile::TempDir::new().unwrap();
    let store = Store::open(&directory.path().join("test.db"), store::Settings::default()).unwrap();
    let taken = gateway::Settings { chargers: Some(world.address), ..settings() };
    let refused =
        Gateway::start(taken, routing(&[("volt", "ws://127.0.0.1:9/")]), store, Metrics::new("test"));
    let error: StartError = refused.await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&world.address.to_string()) && text.contains("listen.chargers"), "{text}");
    assert!(text.contains("choose another port"), "{text}");
}

#[tokio::test]
async fn nobody_is_accepted_once_the_drain_began() {
    let World { gateway, address, .. } = World::new(routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    let early = connect(address, "127.0.0.1").await;
    gateway.drain(Duration::from_secs(5)).await;
    drop(early);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
