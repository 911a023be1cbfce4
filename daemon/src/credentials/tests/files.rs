//! P1: the file and its lock; what others write; what cannot be written.
#![expect(clippy::disallowed_methods, reason = "tests do what others do to files")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use bitrouter_gateway::ports::AccountRefused;
use serde_json::json;

use super::{issuer::Answer, store::Store, *};

#[tokio::test]
async fn p01_two_lockers_exclude_each_other_and_a_removed_lock_file_is_made_anew() {
    let rig = Rig::new().await;
    let (one, other) = (Store::new(rig.dir()), Store::new(rig.dir()));
    let locked = one.try_lock().unwrap().expect("free");
    assert!(other.try_lock().unwrap().is_none());
    drop(locked);
    let locked = other.try_lock().unwrap().expect("free again");
    assert!(one.try_lock().unwrap().is_none());
    let lock_file = rig.dir().join("account-credentials.json.lock");
    assert_eq!(std::fs::metadata(&lock_file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(rig.dir()).unwrap().mode() & 0o777, 0o700);
    drop(locked);
    std::fs::remove_file(&lock_file).unwrap();
    assert!(one.try_lock().unwrap().is_some());
}

#[tokio::test]
async fn p01_a_write_is_whole_and_private_and_leaves_nothing_beside_it() {
    let rig = Rig::new().await;
    let store = Store::new(rig.dir());
    let locked = store.try_lock().unwrap().unwrap();
    let ready = locked.prepare(100).unwrap();
    let temporary = rig.names().into_iter().find(|name| name.starts_with('.')).unwrap();
    let meta = std::fs::metadata(rig.dir().join(temporary)).unwrap();
    assert!(meta.len() > 100 && meta.mode() & 0o777 == 0o600, "room is there before it is needed");
    let stamp = locked.commit(ready, &"{\"a\": 1}\n".to_owned().into()).unwrap();
    assert_eq!(stamp, store.stamp());
    assert_eq!(std::fs::read_to_string(rig.path()).unwrap(), "{\"a\": 1}\n");
    assert_eq!(rig.names(), ["account-credentials.json", "account-credentials.json.lock"]);
    drop(locked.prepare(10).unwrap());
    assert_eq!(rig.names(), ["account-credentials.json", "account-credentials.json.lock"]);
}

#[tokio::test]
async fn p01_what_a_killed_write_left_is_removed_unless_somebody_writes_and_nothing_else_is() {
    let rig = Rig::signed_in(3600).await;
    let store = Store::new(rig.dir());
    for name in
        [".account-credentials.json.77", ".account-credentials.json.note", ".other.1", "account-credentials.json.tmp"]
    {
        std::fs::copy(rig.path(), rig.dir().join(name)).unwrap();
    }
    let locked = store.try_lock().unwrap();
    Store::new(rig.dir()).clear_leftovers();
    assert!(rig.names().contains(&".account-credentials.json.77".to_owned()), "it may be somebody's who writes now");
    drop(locked);
    store.clear_leftovers();
    let left = rig.names();
    assert!(!left.contains(&".account-credentials.json.77".to_owned()));
    assert_eq!(left.len(), 5, "{left:?}");
}

/// What is called how, how a file is spoilt, and what is said then.
type Spoil<'a> = (&'a str, Box<dyn Fn() + 'a>, &'a str);

#[tokio::test]
async fn p01_a_bad_file_is_left_as_it_is_and_a_good_one_is_taken_up_again() {
    let rig = Rig::signed_in(3600).await;
    let good = rig.file().to_string();
    let mode = |mode| std::fs::set_permissions(rig.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    let cases: [Spoil<'_>; 7] = [
        ("cut", Box::new(|| rig.write_text(&good[..good.len() / 2])), "not what a sign-in writes"),
        ("another kind", Box::new(|| rig.write_text(&good.replace("\"oauth\"", "\"passkey\""))), "does not know"),
        (
            "a server that is none",
            Box::new(|| rig.write_text(&good.replace("http://", "http://me:hunter2@"))),
            "names no server",
        ),
        ("a token for no header", Box::new(|| rig.write_text(&good.replace("bra_", "b\\u0007"))), "`access_token`"),
        ("exposed", Box::new(|| mode(0o644)), "chmod 600"),
        ("empty", Box::new(|| rig.write_text("")), "not what a sign-in writes"),
        (
            "a link",
            Box::new(|| {
                std::fs::rename(rig.path(), rig.root.path().join("elsewhere")).unwrap();
                symlink(rig.root.path().join("elsewhere"), rig.path()).unwrap();
            }),
            "is a symlink",
        ),
    ];
    for (name, spoil, reason) in cases {
        spoil();
        let bytes = std::fs::read(rig.path()).unwrap();
        let session = rig.keeper.look().await;
        assert!(session.problem.as_ref().is_some_and(|problem| problem.contains(reason)), "{name}: {session:?}");
        assert_eq!(session.state, SessionState::None);
        let warning = rig.warned("credential_unusable").unwrap();
        assert!(
            warning.message.contains(reason)
                && !warning.message.contains("bra_")
                && !warning.message.contains("hunter2"),
            "{name}: {}",
            warning.message
        );
        assert!(matches!(rig.token().await, Err(AccountRefused::SignedOut)), "{name}");
        rig.attempt(Why::Due).await;
        assert_eq!(std::fs::read(rig.path()).unwrap(), bytes, "{name}");
        std::fs::remove_file(rig.path()).unwrap();
        rig.write_text(&good);
        assert_eq!(rig.keeper.look().await.state, SessionState::Active, "{name}");
        assert!(rig.warned("credential_unusable").is_none());
    }
    assert!(rig.issuer.shown().is_empty());
}

#[tokio::test]
async fn what_others_write_is_told_as_what_it_is() {
    let rig = Rig::new().await;
    let mut told = rig.events.watch();
    let mut kinds = move || {
        let mut kinds = Vec::new();
        while let Ok(event) = told.try_recv() {
            kinds.push(event.kind);
        }
        kinds
    };
    rig.keeper.look().await;
    let first = rig.content(3600);
    rig.write(&first);
    rig.keeper.look().await;
    assert_eq!(kinds(), ["login"]);
    // Renewed by another: no sign-in.
    rig.write(&rig.content(3600));
    rig.keeper.look().await;
    // The same tokens again: nothing at all.
    rig.write(&rig.file());
    let watched = rig.keeper.watch();
    rig.keeper.look().await;
    assert_eq!(kinds(), Vec::<&str>::new());
    drop(watched);
    rig.write(&json!({"kind": "api_key", "api_key": "brk_a.b", "base_url": rig.issuer.url()}));
    assert_eq!(rig.token().await.unwrap(), "brk_a.b");
    assert_eq!(kinds(), ["login"]);
    std::fs::remove_file(rig.path()).unwrap();
    assert_eq!(rig.keeper.look().await.state, SessionState::None);
}

#[tokio::test]
async fn b17_where_nothing_can_be_stored_nothing_is_exchanged() {
    let rig = Rig::signed_in(30).await;
    // The lock is there, so that the directory alone is what refuses.
    drop(Store::new(rig.dir()).try_lock().unwrap());
    let mode = |mode| std::fs::set_permissions(rig.dir(), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Later));
    let warning = rig.warned("credential_unwritable").unwrap();
    assert!(warning.message.contains("chmod 700"), "{}", warning.message);
    assert!(rig.issuer.shown().is_empty());
    assert_eq!(rig.token().await.unwrap(), rig.file()["access_token"], "it serves still");
    mode(0o700);
    assert!(matches!(rig.attempt(Why::Due).await, Outcome::Settled));
    assert_eq!(rig.issuer.shown().len(), 1);
    assert!(rig.warned("credential_unwritable").is_none());
}

#[tokio::test]
async fn p02_what_was_exchanged_is_written_as_soon_as_that_can_be_done() {
    let rig = Rig::signed_in(30).await;
    let gate = Arc::new(Notify::new());
    rig.issuer.next(Answer::Late(Arc::clone(&gate)));
    let before = rig.file();
    let attempt = rig.keeper.0.attempt(Why::Due);
    while rig.issuer.shown().is_empty() {
        tokio::task::yield_now().await;
    }
    // What is in the place of the file cannot be replaced by one.
    std::fs::rename(rig.path(), rig.root.path().join("kept")).unwrap();
    std::fs::create_dir(rig.path()).unwrap();
    gate.notify_one();
    while rig.warned("credential_unwritable").is_none() {
        tokio::task::yield_now().await;
    }
    assert!(rig.keeper.0.is_attempting());
    assert!(Store::new(rig.dir()).try_lock().unwrap().is_none(), "nobody spends the old token meanwhile");
    std::fs::remove_dir(rig.path()).unwrap();
    std::fs::rename(rig.root.path().join("kept"), rig.path()).unwrap();
    assert!(matches!(Inner::wait_for(attempt, PATIENCE).await, Some(Outcome::Settled)));
    assert_ne!(rig.file()["refresh_token"], before["refresh_token"]);
    assert!(rig.warned("credential_unwritable").is_none());
    assert_eq!(rig.issuer.shown().len(), 1);
}

#[tokio::test]
async fn the_driver_adopts_what_is_written_renews_in_time_and_ends() {
    let rig = Rig::new().await;
    let (changed, words) = mpsc::channel(1);
    let driver = Arc::clone(&rig.keeper.0);
    let tasks = rig.keeper.0.tasks.clone();
    let path = rig.path();
    tasks.spawn("driver", async move { driver.drive(path, changed, words).await });
    let mut session = rig.keeper.watch();
    rig.issuer.set_lifetime(3600);
    rig.write(&rig.content(3600));
    let signed_in = session.wait_for(|session| session.state == SessionState::Active);
    tokio::time::timeout(PATIENCE, signed_in).await.expect("adopted").unwrap();
    let old = rig.file();
    rig.clocks.pass(secs(3_550));
    rig.keeper.0.wake.notify_one();
    let renewed = async {
        loop {
            session.changed().await.unwrap();
            if rig.file()["access_token"] != old["access_token"] {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("renewed");
    std::fs::remove_file(rig.path()).unwrap();
    let gone = session.wait_for(|session| session.state == SessionState::None);
    tokio::time::timeout(PATIENCE, gone).await.expect("signed out").unwrap();
    rig.keeper.close().await;
    tokio::time::timeout(PATIENCE, tasks.wait()).await.expect("the driver ends");
}
