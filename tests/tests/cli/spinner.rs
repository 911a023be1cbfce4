//! A long wait shows itself on a terminal, and leaves nothing behind.

use bitrouter_tests::{Gate, Reply, shared_files, terminal::Terminal, wait};

use crate::far::Far;

const WORDS: &[&str] = &["cloud", "keys", "list"];
const KEYS: &str = r#"{"data":[{"id":"17","display_name":"ci","key_prefix":"brk_17","scopes":[],"created_at":"2026-05-01T00:00:00Z"}]}"#;
const PATH: &str = "/v1/namespaces/ns_far/keys";

#[test]
fn a_long_wait_is_shown_and_cleared_before_anything_is_said() {
    let far = Far::new();
    let gate = Gate::new();
    far.issuer.rest(PATH, Reply::json(200, KEYS).after(&gate));
    let mut window = Terminal::open(&far.world, shared_files::binary(), WORDS, &[("TERM", "xterm")]);
    window.until_contains("waiting");
    gate.open();
    window.wait(wait::PATIENCE);
    let text = window.until_quiet();
    let last = text.rsplit_once("\r\u{1b}[2K").expect("a line that was cleared").1;
    assert!(last.contains("17") && !last.contains("waiting"), "{text:?}");
    far.daemon.stop();
}

#[test]
fn an_interrupt_ends_the_wait_without_debris() {
    let far = Far::new();
    far.issuer.rest(PATH, Reply::nothing().stall());
    let mut window = Terminal::open(&far.world, shared_files::binary(), WORDS, &[("TERM", "xterm")]);
    window.until_contains("waiting");
    window.enter("\u{3}");
    let status = window.wait(wait::PATIENCE);
    assert_eq!(status.code(), Some(130));
    let text = window.until_quiet();
    let last = text.rsplit_once("\r\u{1b}[2K").expect("a line that was cleared").1;
    assert!(!last.contains("waiting"), "{text:?}");
    far.daemon.stop();
}

#[test]
fn programs_and_plain_terminals_see_no_line_that_turns() {
    let far = Far::new();
    for (words, terminal) in [(&[WORDS, &["--json"]].concat()[..], "xterm"), (WORDS, "dumb")] {
        let gate = Gate::new();
        far.issuer.rest(PATH, Reply::json(200, KEYS).after(&gate));
        let mut window = Terminal::open(&far.world, shared_files::binary(), words, &[("TERM", terminal)]);
        // Longer than the wait that is shown elsewhere.
        assert!(!gate.is_open_within(std::time::Duration::from_millis(700)));
        gate.open();
        window.wait(wait::PATIENCE);
        let text = window.until_quiet();
        assert!(text.contains("17") && !text.contains("waiting") && !text.contains("\u{1b}[2K"), "{words:?}: {text:?}");
    }
    far.daemon.stop();
}
