//! Each promise that is reached has a test that carries its number, so that nobody removes the last one unnoticed.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

/// The promises of the design that this release keeps.
const REACHED: &[&str] = &["p03", "p05", "p06", "p10", "p11", "p12", "p13", "p14", "p15"];

#[test]
fn every_reached_promise_has_a_test_by_name() {
    let mut source = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut source);
    for promise in REACHED {
        let count = source.matches(&format!("fn {promise}_")).count();
        assert!(count >= 1, "no test is named after {promise}");
    }
}

#[test]
fn no_test_is_switched_off() {
    let mut source = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut source);
    let switch = ["#[", "ignore"].concat();
    assert!(!source.contains(&switch), "a test is ignored; fix it or remove it");
}

fn read(dir: &Path, into: &mut String) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(&path, into);
        // The soak has a target of its own, `make soak`.
        } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("soak.rs") {
            into.push_str(&fs::read_to_string(&path).expect("a file"));
        }
    }
}
