//! P11: whoever sets the clock frees no budget; whoever turns the node off frees none either.

use std::path::Path;

use bitrouter_tests::{Serve, shared_files, wait};
use serde_json::json;

use crate::bound::{Bound, COUNTED};

/// A daemon whose wall clock is what the file says; `None` where the library is not there.
fn faked(serve: Serve, setting: &Path) -> Option<Serve> {
    let libraries = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|machine| format!("/usr/lib/{machine}/faketime/libfaketimeMT.so.1"));
    let Some(library) = libraries.iter().find(|path| Path::new(path).exists()) else {
        shared_files::lacks("libfaketime");
        return None;
    };
    let serve = serve.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", setting);
    Some(serve.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1"))
}

#[expect(clippy::disallowed_methods, reason = "it is what the faked clock reads")]
fn set(setting: &Path, offset: &str) {
    // In one piece: it is read at every look at the clock.
    let draft = setting.with_extension("draft");
    std::fs::write(&draft, format!("{offset}\n")).expect("written");
    std::fs::rename(draft, setting).expect("set");
}

#[test]
fn p11_a_clock_that_is_set_frees_no_budget_and_no_rate() {
    let mut bound = Bound::new();
    let setting = bound.world.write("home/clock", "+0\n");
    bound.daemon.kill();
    let Some(serve) = faked(bound.serve(), &setting) else { return };
    bound.daemon = serve.start();
    bound.daemon.until_node_is_on();
    let policy = bound.budget(COUNTED + 1_000);
    let key = bound.mint("rated");
    let rate = bound.policy("rate_limit", &json!({"window_secs": 3_600, "max_requests": 1}));
    bound.bind(&rate, "api_key", &key.id);
    bound.chat("acme:m", &json!({"max_tokens": 20})).bearer(&key.token).send().ok();
    assert_eq!(bound.released(), COUNTED);
    let refused = |bound: &Bound| {
        let error = bound.chat("acme:m", &json!({"max_tokens": 20})).send().refused(402, "budget_exceeded");
        assert_eq!(error["policy_id"], policy, "{error}");
        bound.chat("acme:free", &json!({})).bearer(&key.token).send().refused(429, "rate_limited");
    };
    refused(&bound);
    for offset in ["+36500d", "-36500d", "+2d", "+0"] {
        set(&setting, offset);
        // A key's own life goes by the wall clock, and has no end.
        refused(&bound);
    }
    // A row of the future counts as admitted now, after a start with the clock set back.
    bound.daemon.kill();
    set(&setting, "-2d");
    let Some(serve) = faked(bound.serve(), &setting) else { return };
    bound.daemon = serve.start();
    bound.daemon.until_node_is_on();
    refused(&bound);
    bound.daemon.warned("clock_stepped");
}

#[test]
fn p12_a_node_that_is_off_serves_nobody_whom_a_policy_binds() {
    let mut bound = Bound::new();
    let mark = bound.world.path("data/bitrouter/node.bound");
    assert!(!mark.exists());
    // What binds a key binds nobody without one.
    let key = bound.mint("bound");
    bound.budget_of("api_key", &key.id, 10);
    assert!(!mark.exists());
    let policy = bound.budget(1_000_000);
    assert!(mark.exists());
    bound.api("POST", &format!("/policies/{policy}/disable"), None);
    wait::holds("no mark", || !mark.exists());
    bound.api("POST", &format!("/policies/{policy}/enable"), None);
    assert!(mark.exists());
    bound.chat("acme:m", &json!({})).send().ok();
    bound.daemon.kill();
    bound.world.write("data/bitrouter/node.db", vec![b'x'; 4096]);
    std::fs::remove_file(bound.world.path("data/bitrouter/node.db-wal")).ok();
    bound.daemon = bound.serve().start();
    let before = bound.provider.count();
    for model in ["acme:m", "acme:free", "demo/echo"] {
        let error = bound.chat(model, &json!({})).send().refused(503, "unavailable");
        assert!(error.to_string().contains("node.db"), "{error}");
    }
    let messages = json!({"model": "acme:m", "max_tokens": 5, "messages": []});
    assert_eq!(bound.post("/v1/messages/count_tokens", &messages).send().status, 503);
    assert_eq!(bound.provider.count(), before);
    assert!(bound.daemon.warning("unmetered").is_none());
    // Switched off by its owner, it binds nobody.
    bound.daemon.kill();
    bound.world.config("[node]\nenabled = false\n");
    bound.daemon = bound.serve().start();
    bound.chat("acme:m", &json!({})).send().ok();
}
