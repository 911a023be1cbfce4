//! What a process that died leaves: its calls are settled once, its segments are read or cut off, and then gone.

use std::time::Duration;

use super::world::{START, TestDisk, World, ended, progress};
use crate::ledger::Trouble;

#[tokio::test]
async fn p16_a_call_becomes_a_row_and_a_clean_end_leaves_nothing() {
    let mut world = World::new().await;
    let running = world.start().await;
    let mut open = running.admit("a", true).unwrap();
    running.call("b");
    running.apply().await;
    assert_eq!(running.told().await, ["a pending 0", "b succeeded 5"]);
    progress(&mut open, 9);
    running.ledger.shared.mark(false);
    running.apply().await;
    assert!(running.told().await[0].starts_with("a streaming"), "{:?}", running.told().await);
    open.settle(ended(20, 12, 9));
    running.apply().await;
    let seq = *running.ledger.applied().borrow();
    let rows = running.rows().await;
    assert_eq!(rows[0].status, "succeeded");
    assert_eq!((rows[0].cost_micro_usd.unwrap().micros(), rows[0].prompt_tokens), (9, 20));
    assert!(rows.iter().all(|row| row.seq <= seq && row.seq > 0) && rows[0].seq > rows[1].seq);
    running.close().await;
    assert!(world.files().is_empty(), "{:?}", world.files());
    assert_eq!(world.start().await.told().await.len(), 2);
}

#[tokio::test]
async fn p16_what_was_written_and_not_applied_is_applied_by_the_next_start() {
    let mut world = World::new().await;
    let running = world.start().await;
    for id in ["a", "b"] {
        running.call(id);
    }
    running.apply().await;
    for id in ["c", "d"] {
        running.call(id);
    }
    running.die().await;
    let running = world.start().await;
    assert_eq!(running.told().await, ["a succeeded 5", "b succeeded 5", "c succeeded 5", "d succeeded 5"]);
    assert_eq!(world.files().len(), 1, "only its own is left: {:?}", world.files());
    running.close().await;
}

#[tokio::test]
async fn p16_open_calls_are_settled_as_interrupted_within_their_bounds() {
    let mut world = World::new().await;
    let running = world.start().await;
    let mut marked = running.admit("marked", true).unwrap();
    let unmarked = running.admit("unmarked", true).unwrap();
    let whole = running.admit("whole", false).unwrap();
    let mut long = running.admit("long", true).unwrap();
    progress(&mut marked, 40);
    progress(&mut long, 499);
    running.ledger.shared.mark(false);
    // What came after the last mark is not known.
    progress(&mut marked, 60);
    world.clock.advance(Duration::from_millis(1_500));
    running.ledger.shared.mark(true);
    running.die().await;
    drop((marked, unmarked, whole, long));
    world.clock.advance(Duration::from_mins(1));
    let running = world.start().await;
    // Those that were marked again have 60 and their peak of a second.
    assert_eq!(
        running.told().await,
        ["marked interrupted 120", "unmarked interrupted 100", "whole interrupted 200", "long interrupted 500"]
    );
    let rows = running.rows().await;
    assert_eq!(rows.iter().map(|row| row.prompt_tokens).collect::<Vec<_>>(), [20, 30, 30, 20]);
    // One for a token that went in, two for one that came out.
    let costs: Vec<_> = rows.iter().map(|row| row.cost_micro_usd.unwrap().micros()).collect();
    assert_eq!(costs, [20 + 240, 30 + 200, 30 + 400, 20 + 1_000].map(|cost: i64| cost.min(1_020)));
    assert!(rows.iter().all(|row| row.usage_origin.as_deref() == Some("estimated") && row.completed_at.is_some()));
    assert_eq!(rows[0].completed_at.as_deref(), Some(START.after(Duration::from_millis(61_500)).to_string().as_str()));
    running.close().await;
    // Nobody settles them again.
    assert_eq!(world.start().await.told().await[0], "marked interrupted 120");
}

#[tokio::test]
async fn n31_a_torn_tail_is_cut_off_wherever_it_ends() {
    let mut world = World::new().await;
    let running = world.start().await;
    running.call("a");
    running.call("b");
    running.die().await;
    let segment = world.segment();
    let whole = std::fs::read(&segment).unwrap();
    let database = std::fs::read(world.dir.join("node.db")).unwrap();
    // The last record is b's settlement, and the one before admits it.
    let mut before = None;
    for cut in (whole.len() - 120..whole.len()).step_by(7) {
        #[expect(clippy::disallowed_methods, reason = "it plays the crash")]
        {
            std::fs::write(&segment, &whole[..cut]).unwrap();
            std::fs::write(world.dir.join("node.db"), &database).unwrap();
        }
        let running = world.start().await;
        let told = running.told().await;
        let is_kept = |row: &String| row == "a succeeded 5" || row.starts_with("b interrupted");
        assert!(told[0].starts_with("a ") && told.iter().all(is_kept), "{cut}: {told:?}");
        assert_eq!(running.trouble(), None);
        running.call("c");
        running.apply().await;
        assert_eq!(running.told().await.last().unwrap(), "c succeeded 5");
        running.close().await;
        let kept = world.files();
        assert!(kept.iter().all(|name| name.contains(".torn-")), "{kept:?}");
        before = Some(kept.len());
    }
    assert!(before.is_some_and(|kept| kept > 5), "copies are kept");
}

#[tokio::test]
async fn n31_damage_stops_calls_until_it_is_cut_off() {
    let mut world = World::new().await;
    let running = world.start().await;
    for id in ["a", "b", "c"] {
        running.call(id);
    }
    running.die().await;
    let segment = world.segment();
    let mut bytes = std::fs::read(&segment).unwrap();
    // Within the record that admits b.
    let at = bytes.windows(3).position(|text| text == b"\x01b2").unwrap();
    bytes[at] ^= 0x20;
    #[expect(clippy::disallowed_methods, reason = "it plays the damage")]
    std::fs::write(&segment, &bytes).unwrap();
    let running = world.start().await;
    let Some(Trouble::Damaged { path, .. }) = running.trouble() else { panic!("{:?}", running.trouble()) };
    assert_eq!(path, segment);
    let refused = running.admit("d", false).unwrap_err();
    assert_eq!(refused.status(), 503);
    assert!(refused.message().contains("bitrouter node journal repair"), "{}", refused.message());
    assert_eq!(running.told().await, ["a succeeded 5"]);
    let kept = running.ledger.repair().await.unwrap();
    assert_eq!(std::fs::read(&kept[0]).unwrap(), bytes, "a whole copy");
    assert_eq!(running.trouble(), None);
    running.call("d");
    running.apply().await;
    assert_eq!(running.told().await, ["a succeeded 5", "d succeeded 5"]);
    assert_eq!(running.ledger.repair().await.unwrap(), Vec::<std::path::PathBuf>::new());
    running.close().await;
    assert_eq!(world.files().len(), 1, "the copy: {:?}", world.files());
}

#[tokio::test]
async fn p16_a_record_of_a_newer_release_stops_calls_and_says_so() {
    let mut world = World::new().await;
    let running = world.start().await;
    let open = running.admit("a", true).unwrap();
    // A kind that this release does not know.
    running.ledger.shared.journal.note(&[(15 << 3) | 2, 1, 0]);
    running.call("b");
    running.die().await;
    drop(open);
    let running = world.start().await;
    let Some(trouble @ Trouble::Newer { .. }) = running.trouble() else { panic!("{:?}", running.trouble()) };
    assert!(trouble.to_string().contains("newer release"), "{trouble}");
    assert!(running.admit("c", false).is_err());
    assert_eq!(running.told().await, ["a pending 0"], "it may have been settled behind that record");
    running.ledger.repair().await.unwrap();
    assert_eq!(running.told().await, ["a interrupted 100"]);
    running.call("c");
    running.close().await;
}

#[tokio::test]
async fn p16_a_file_that_is_no_segment_is_moved_aside_by_the_repair() {
    let mut world = World::new().await;
    world.start().await.close().await;
    #[expect(clippy::disallowed_methods, reason = "it plays the damage")]
    for (name, bytes) in [("0000000001-000001.segment", vec![7; 300]), ("0000000001-000002.segment", Vec::new())] {
        std::fs::write(world.dir.join("journal").join(name), bytes).unwrap();
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
        std::fs::set_permissions(world.dir.join("journal").join(name), mode).unwrap();
    }
    let running = world.start().await;
    assert!(matches!(running.trouble(), Some(Trouble::Damaged { offset: 0, .. })));
    assert_eq!(running.ledger.repair().await.unwrap().len(), 1);
    assert_eq!(running.trouble(), None);
    running.close().await;
    assert_eq!(world.files(), ["0000000001-000001.segment.broken-1"]);
}

#[tokio::test]
async fn p16_rows_whose_journal_was_taken_away_are_settled_at_their_bound() {
    let mut world = World::new().await;
    world.require_credit();
    let running = world.start().await;
    running.ledger.granted(world.row.owner, bitrouter_proto::account::MicroUsd::new(5_000));
    let open = running.admit("a", true).unwrap();
    running.apply().await;
    running.die().await;
    drop(open);
    std::fs::remove_file(world.segment()).unwrap();
    let running = world.start().await;
    let row = running.rows().await.remove(0);
    assert_eq!((row.status.as_str(), row.prompt_tokens, row.completion_tokens), ("interrupted", 100, 500));
    assert_eq!(row.final_charge_micro_usd.unwrap().micros(), 1_000);
    assert_eq!(running.ledger.balance(world.row.owner).micros(), -1_000);
    running.close().await;
}

#[tokio::test]
async fn p16_a_process_that_still_runs_is_read_as_it_writes_and_settled_once_it_is_gone() {
    let mut world = World::new().await;
    world.require_credit();
    let old = world.start().await;
    old.ledger.granted(world.row.owner, bitrouter_proto::account::MicroUsd::new(50_000));
    old.call("a");
    let (open, left) = (old.admit("b", true).unwrap(), old.admit("c", true).unwrap());
    let mut open = open;
    // Its node is closed, as at the end of a handover; two calls still run.
    let ledger = std::sync::Arc::clone(&old.ledger);
    old.close().await;
    assert!(!ledger.shared.rows.is_empty());
    let running = world.start().await;
    running.ledger.granted(world.row.owner, bitrouter_proto::account::MicroUsd::new(2_000));
    assert_eq!(running.told().await, ["a succeeded 5", "b pending 0", "c pending 0"]);
    running.call("d");
    open.settle(ended(20, 8, 36));
    running.apply().await;
    assert_eq!(running.told().await, ["a succeeded 5", "b succeeded 8", "c pending 0", "d succeeded 5"]);
    // What the other process charged is taken here too; a was before this start.
    assert_eq!(running.ledger.balance(world.row.owner).micros(), 2_000 - 7 - 36 - 7);
    ledger.shared.journal.let_go();
    running.apply().await;
    assert_eq!(running.told().await[2], "c interrupted 100");
    drop(left);
    running.close().await;
    assert!(world.files().is_empty(), "{:?}", world.files());
}

#[tokio::test]
async fn p16_long_journals_go_on_in_further_segments() {
    let mut world = World::new().await;
    let running = world.start_on(TestDisk::default()).await;
    running.ledger.shared.journal.set_long(2_000);
    let open = running.admit("open", true).unwrap();
    for number in 0..30 {
        running.call(&format!("c{number}"));
        running.round();
        if number % 3 == 0 {
            running.apply().await;
        }
    }
    running.apply().await;
    let files = world.files();
    assert_eq!(files.len(), 2, "the one with the open call, and the last: {files:?}");
    assert_eq!(running.told().await.len(), 31);
    running.die().await;
    drop(open);
    let running = world.start().await;
    let told = running.told().await;
    assert_eq!((told.len(), told[0].as_str()), (31, "open interrupted 100"));
    assert!(told[1..].iter().all(|row| row.ends_with("succeeded 5")));
    running.close().await;
    assert!(world.files().is_empty());
}

bitrouter_test_postgres::once_more_on_postgres!(
    p16_a_call_becomes_a_row_and_a_clean_end_leaves_nothing,
    p16_what_was_written_and_not_applied_is_applied_by_the_next_start,
    p16_open_calls_are_settled_as_interrupted_within_their_bounds,
    n31_damage_stops_calls_until_it_is_cut_off,
    p16_a_record_of_a_newer_release_stops_calls_and_says_so,
    p16_a_file_that_is_no_segment_is_moved_aside_by_the_repair,
    p16_rows_whose_journal_was_taken_away_are_settled_at_their_bound,
    p16_a_process_that_still_runs_is_read_as_it_writes_and_settled_once_it_is_gone,
    p16_long_journals_go_on_in_further_segments,
);
