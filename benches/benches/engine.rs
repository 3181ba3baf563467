//! What the engine costs for one message, beside what a lesser design would pay for the same bytes.
//!
//! Wall times vary with the machine; read the ratios within one run.

#[path = "engine/rig.rs"]
mod rig;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::{frame, payload};
use rig::{METER_VALUES, Rig};

fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("call");
    group.throughput(Throughput::Elements(1));
    for followers in [0, 1, 3] {
        let mut rig = Rig::new(followers);
        group.bench_function(format!("Heartbeat, {followers} followers"), |b| {
            b.iter(|| rig.call("Heartbeat", "{}"))
        });
        let mut rig = Rig::new(followers);
        group.bench_function(format!("MeterValues, {followers} followers"), |b| {
            b.iter(|| rig.meter());
        });
    }
    group.finish();
}

/// The envelope: found in its bytes, against parsed into a tree.
fn envelope(c: &mut Criterion) {
    let text = format!(r#"[2,"5f0c4b7e-54b3-4f7a-9d5d-3e2a1a6b7c8d","MeterValues",{METER_VALUES}]"#);
    let mut group = c.benchmark_group("envelope");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("scanned", |b| b.iter(|| frame::scan(black_box(&text)).is_ok()));
    group.bench_function("parsed into a tree", |b| {
        b.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&text)).is_ok());
    });
    group.finish();
}

/// One number in a payload: spliced, against parsed and written anew.
fn rewriting(c: &mut Criterion) {
    let mut group = c.benchmark_group("transaction number");
    group.bench_function("spliced", |b| {
        b.iter(|| {
            let token = payload::field(black_box(METER_VALUES), "transactionId").expect("it is there");
            payload::replaced(METER_VALUES, token, "900")
        });
    });
    group.bench_function("parsed and written anew", |b| {
        b.iter(|| {
            let mut tree: serde_json::Value = serde_json::from_str(black_box(METER_VALUES)).expect("JSON");
            tree["transactionId"] = 900.into();
            tree.to_string()
        });
    });
    group.finish();
}

criterion_group!(benches, calls, envelope, rewriting);
criterion_main!(benches);
