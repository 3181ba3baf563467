//! Whatever was once worth keeping is tried again, without a fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

/// The inputs of a target, in the order of their names.
fn kept(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder of inputs")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files
}

#[test]
fn figure_s08_kept_inputs_of_every_target_pass() {
    let (mut bytes, mut count, mut broken) = (0, 0, Vec::new());
    for (target, tried) in fuzz::TARGETS {
        let files = kept(target);
        assert!(files.len() >= 50, "{target} has only {} inputs", files.len());
        for file in files {
            let input = fs::read(&file).expect("an input");
            (bytes, count) = (bytes + input.len(), count + 1);
            if std::panic::catch_unwind(|| tried(&input)).is_err() {
                broken.push(format!("cargo xtask fuzz --target {target} --replay {}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(bytes < 1_000_000, "{bytes} bytes are more than a repository should carry");
    let what = format!("{} kept inputs of {} fuzz targets", figures::counted(count), fuzz::TARGETS.len());
    figures::row("S8", what, "0 broken");
}
