//! A disk that is full, fails to sync, or knows no setting aside.

use std::sync::atomic::Ordering;

use super::world::{TestDisk, World, ended, progress};
use crate::{
    clock::Clock as _,
    ledger::{Trouble, applier::Stopped},
};

#[tokio::test]
async fn n32_after_a_failed_sync_the_journal_goes_on_in_a_new_file_with_all_that_was_not_applied() {
    let mut world = World::new().await;
    let running = world.start().await;
    let open = running.admit("open", true).unwrap();
    running.call("a");
    running.apply().await;
    running.call("b");
    let before = world.segment();
    running.disk.failing_syncs.store(1, Ordering::SeqCst);
    assert!(!running.round(), "the new file could be synced");
    assert_eq!(running.trouble(), None);
    running.call("c");
    let files = world.files();
    assert_eq!(files.len(), 2, "the old one is removed once nobody reads it: {files:?}");
    running.apply().await;
    assert!(!before.exists());
    assert_eq!(running.told().await, ["open pending 0", "a succeeded 5", "b succeeded 5", "c succeeded 5"]);
    // What is left holds what a crash needs.
    running.die().await;
    drop(open);
    let running = world.start().await;
    assert_eq!(running.told().await[0], "open interrupted 100");
    running.close().await;
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn n32_while_no_file_can_be_synced_calls_are_refused_and_running_ones_settle_later() {
    let mut world = World::new().await;
    let running = world.start().await;
    let mut open = running.admit("open", false).unwrap();
    running.disk.failing_syncs.store(4, Ordering::SeqCst);
    assert!(running.round());
    let refused = running.admit("a", false).unwrap_err();
    assert_eq!(refused.status(), 503);
    let path = world.dir.join("journal");
    assert!(refused.message().contains(path.to_str().unwrap()), "{}", refused.message());
    assert!(matches!(running.trouble(), Some(Trouble::Unwritable { .. })));
    open.settle(ended(1, 2, 3));
    assert!(running.round(), "it fails again");
    while running.round() {}
    assert_eq!(running.trouble(), None);
    running.call("b");
    running.apply().await;
    assert_eq!(running.told().await, ["open succeeded 2", "b succeeded 5"]);
    running.close().await;
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn n33_on_a_full_disk_running_calls_settle_and_no_further_one_is_admitted() {
    let mut world = World::new().await;
    let running = world.start().await;
    running.disk.is_full.store(true, Ordering::SeqCst);
    let mut open = Vec::new();
    let refused = loop {
        match running.admit("x", true) {
            Ok(permit) => open.push(permit),
            Err(refused) => break refused,
        }
    };
    assert!(open.len() > 10 && refused.status() == 503, "{} were admitted", open.len());
    assert!(refused.message().contains("journal"), "{}", refused.message());
    assert!(matches!(running.trouble(), Some(Trouble::NoRoom { .. })));
    // Marks give way.
    for permit in &mut open {
        progress(permit, 10);
    }
    running.ledger.shared.mark(false);
    let count = open.len();
    for mut permit in open {
        permit.settle(ended(1, 2, 3));
    }
    running.apply().await;
    assert_eq!(running.told().await, vec!["x succeeded 2"; count]);
    running.disk.is_full.store(false, Ordering::SeqCst);
    assert!(!running.round());
    assert_eq!(running.trouble(), None, "it recovers by itself");
    running.call("y");
    running.close().await;
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn n33_a_start_on_a_full_disk_goes_on_when_there_is_room() {
    let mut world = World::new().await;
    let disk = TestDisk::default();
    disk.is_full.store(true, Ordering::SeqCst);
    let running = world.start_on(disk).await;
    assert!(running.admit("a", false).is_err());
    assert!(running.round());
    running.disk.is_full.store(false, Ordering::SeqCst);
    assert!(!running.round());
    running.call("b");
    running.close().await;
}

#[tokio::test]
async fn n31_where_no_room_is_set_aside_a_short_write_leaves_nothing_behind() {
    let mut world = World::new().await;
    let disk = TestDisk::default();
    disk.is_simple.store(true, Ordering::SeqCst);
    let running = world.start_on(disk).await;
    running.call("a");
    let mut open = running.admit("b", false).unwrap();
    for short in [1, 20] {
        running.disk.short.store(short, Ordering::SeqCst);
        assert!(running.admit("c", false).is_err());
    }
    running.disk.short.store(9, Ordering::SeqCst);
    open.settle(ended(1, 2, 3));
    running.call("d");
    assert!(!running.round(), "the settlement is written late");
    running.apply().await;
    assert_eq!(running.told().await, ["a succeeded 5", "b succeeded 2", "d succeeded 5"]);
    running.close().await;
}

#[tokio::test]
async fn n31_a_write_that_comes_short_in_spite_of_its_room_ends_the_segment() {
    let mut world = World::new().await;
    let running = world.start().await;
    running.call("a");
    let mut open = running.admit("b", false).unwrap();
    running.disk.short.store(30, Ordering::SeqCst);
    open.settle(ended(1, 2, 3));
    assert!(running.admit("c", false).is_err(), "until there is another one");
    assert!(!running.round());
    running.call("d");
    running.apply().await;
    assert_eq!(running.told().await, ["a succeeded 5", "b succeeded 2", "d succeeded 5"]);
    running.die().await;
    let running = world.start().await;
    assert_eq!((running.trouble(), running.told().await.len()), (None, 3));
    running.close().await;
}

#[tokio::test]
async fn p16_a_transaction_that_fails_is_repeated_and_counts_once() {
    let mut world = World::new().await;
    let running = world.start().await;
    running.call("a");
    running.store.close().await;
    assert!(matches!(running.ledger.apply(false).await, Err(Stopped::Store(_))));
    running.die().await;
    let running = world.start().await;
    running.call("b");
    running.apply().await;
    // As if the commit had not been heard of: all of it again.
    let own = running.ledger.shared.journal.own_segments();
    let mut reader = own[0].reader();
    let batch = crate::ledger::batch::Batch::read(&mut reader).unwrap();
    let (to, records) = (batch.to, batch.behind(0));
    let mut write = running.store.write().await.unwrap();
    crate::store::ledger::apply(&mut write, &records, own[0].name(), to, world.clock.wall()).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(running.told().await, ["a succeeded 5", "b succeeded 5"]);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn p16_the_tasks_apply_what_many_workers_write_at_once() {
    let mut world = World::new().await;
    let running = std::sync::Arc::new(world.start().await);
    running.ledger.shared.journal.set_long(20_000);
    running.run();
    let (done, mut is_done) = (tokio_util::sync::CancellationToken::new(), 0_u32);
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let running = std::sync::Arc::clone(&running);
            tokio::task::spawn_blocking(move || {
                for number in 0..100 {
                    // Two failures at once stop it for a while.
                    let mut permit = loop {
                        if let Ok(permit) = running.admit(&format!("{worker}-{number}"), false) {
                            break permit;
                        }
                        std::thread::yield_now();
                    };
                    permit.settle(ended(10, 5, 7));
                    // Syncs fail now and then.
                    if number % 40 == 17 {
                        running.disk.failing_syncs.store(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let (applying, stop) = (std::sync::Arc::clone(&running), done.clone());
    // Whatever is read while others write is in order.
    let reader = tokio::task::spawn_blocking(move || {
        let handle = tokio::runtime::Handle::current();
        while !stop.is_cancelled() {
            handle.block_on(applying.ledger.apply(false)).unwrap();
            assert_eq!(applying.ledger.troubles().borrow().reading, None);
            is_done += 1;
        }
        is_done
    });
    for worker in workers {
        worker.await.unwrap();
    }
    done.cancel();
    assert!(reader.await.unwrap() > 0);
    let running = std::sync::Arc::into_inner(running).unwrap();
    let mut applied = running.ledger.applied();
    while running.told().await.iter().filter(|row| row.ends_with("succeeded 5")).count() < 400 {
        applied.changed().await.unwrap();
    }
    assert_eq!(running.told().await.len(), 400);
    running.close().await;
    assert!(world.files().is_empty(), "{:?}", world.files());
}
