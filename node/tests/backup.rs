//! A copy of the database, and its way back: what somebody was thrown out of stays closed.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and writes what is no copy"
)]

mod support;

use std::{io::Write as _, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use bitrouter_node::{
    BackupError, OpenError, PostgresUrl, RestoreError, Restored, TakeError,
    clock::ManualClock,
    people::{Password, PeopleError, namespaces},
    restore, restore_in_place,
};
use bitrouter_proto::account::{Role, ScopeSet};
use bitrouter_test_postgres::{Database, database};
use http::{Method, StatusCode};
use support::TestNode;

const WEEK: Duration = Duration::from_hours(7 * 24);

fn password(text: &str) -> Password {
    Password::new(text.into()).unwrap()
}

/// A copy of a node's database, of either kind.
enum Kept {
    File { _place: tempfile::TempDir, path: std::path::PathBuf },
    Dump { database: Arc<Database>, copy: Vec<u8> },
}

impl Kept {
    /// Nothing of it was noticed while the node was on.
    async fn of(test: &TestNode) -> Self {
        match test.database() {
            Some(database) => {
                let copy = database.dump();
                Self::Dump { database, copy }
            }
            None => {
                let (place, path) = copy_of(test).await;
                Self::File { _place: place, path }
            }
        }
    }

    /// As its operator restores it.
    async fn restore(&self, dir: &Path, clock: Arc<ManualClock>) -> Result<Restored, RestoreError> {
        match self {
            Self::File { path, .. } => restore(dir, path, clock).await,
            Self::Dump { database, copy } => {
                database.put_back(copy);
                restore_in_place(dir, &url(database), clock).await
            }
        }
    }
}

fn url(database: &Database) -> PostgresUrl {
    PostgresUrl::parse(database.url().into()).unwrap()
}

/// A copy of the node's database, in a directory of its own.
async fn copy_of(test: &TestNode) -> (tempfile::TempDir, std::path::PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("copy.db");
    let made = test.node.back_up(&path).await.unwrap();
    assert_eq!((made.path.as_path(), made.bytes), (path.as_path(), path.metadata().unwrap().len()));
    assert_eq!(made.key, test.dir().join("node.key"));
    (place, path)
}

/// A key of the first namespace: its id, and itself.
async fn key(test: &TestNode, name: &str) -> (String, String) {
    let body = format!("{{\"display_name\":\"{name}\",\"scopes\":[\"inference:invoke\"]}}");
    let minted = test.ask_as_owner(&Method::POST, "/keys", &body).await.ok();
    (minted["id"].as_str().unwrap().to_owned(), minted["token"].as_str().unwrap().to_owned())
}

async fn restored(test: TestNode, from: &Kept) -> (TestNode, Restored) {
    let (test, done) = test.reopened_after(async |dir: &Path, clock| from.restore(dir, clock).await).await;
    (test, done.unwrap())
}

#[tokio::test]
async fn a_restored_week_old_copy_lets_nobody_back_in_whom_somebody_threw_out() {
    let test = TestNode::new().await;
    let owner = test.node.owner();
    let (thrown_out, stays) = (test.sign_in(None).await, test.sign_in(None).await);
    let eve = test.node.add_user("eve".parse().unwrap(), password("correct horse battery")).await.unwrap();
    let ada = test.node.add_user("bob".parse().unwrap(), password("the former password")).await.unwrap();
    let doomed = namespaces::create(&test.node, owner, "doomed").await.unwrap();
    let in_doomed = test.sign_in_as(owner, doomed.id).await;
    let (leaked, used) = (key(&test, "leaked").await, key(&test, "used").await);
    let shared = namespaces::create(&test.node, owner, "shared").await.unwrap();
    test.node.set_member("shared", "bob", Role::Admin).await.unwrap();
    let as_member = test.sign_in_as(ada.id, shared.id).await;
    let copy = Kept::of(&test).await;

    assert_eq!(test.revoke(&thrown_out.refresh).await.status, StatusCode::OK);
    test.ask_as_owner(&Method::DELETE, &format!("/keys/{}", leaked.0), "").await.ok();
    test.node.remove_member("shared", "bob").await.unwrap();
    test.node.remove_user("eve").await.unwrap();
    test.node.set_password("bob", password("the newer password")).await.unwrap();
    namespaces::delete(&test.node, owner, "doomed").await.unwrap();
    let since = namespaces::create(&test.node, owner, "since").await.unwrap();
    test.advance(WEEK);
    let (test, done) = restored(test, &copy).await;

    assert_eq!((done.revocations, done.nothing_is_trusted), (6, false));
    match done.aside {
        Some(aside) => assert!(aside.file_name().unwrap().to_str().unwrap().starts_with("node.db.aside-20")),
        None => assert!(test.database().is_some(), "a file is kept"),
    }
    for ended in [&thrown_out, &in_doomed, &as_member] {
        assert!(!test.opens(&ended.access));
        assert_eq!(test.refresh(&ended.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    }
    assert!(!test.opens(&leaked.1) && test.opens(&used.1), "a key that was revoked stays so, and no other does");
    assert!(test.opens(&test.refresh(&stays.refresh).await.pair().access), "who was not thrown out comes in");
    assert!(matches!(test.node.set_password("eve", password("another password")).await, Err(PeopleError::Nobody(_))));
    let people = test.node.list_users().await.unwrap();
    assert!(people.iter().all(|person| person.id != eve.id));
    // The former password is no password any more, and the newer one was not in the copy.
    assert!(people.iter().any(|person| person.id == ada.id && !person.has_password));
    let names: Vec<_> = namespaces::list(&test.node, owner).await.unwrap().into_iter().map(|row| row.id).collect();
    assert!(!names.contains(&doomed.id) && !names.contains(&since.id), "{names:?}");
}

#[tokio::test]
async fn without_the_log_of_revocations_nothing_is_trusted() {
    for lost in ["removed", "emptied"] {
        let test = TestNode::new().await;
        let first = test.sign_in(None).await;
        test.revoke(&first.refresh).await;
        let kept = test.sign_in(None).await;
        let minted = key(&test, "minted").await;
        let copy = Kept::of(&test).await;
        let (test, done) = test
            .reopened_after(async |dir: &Path, clock| {
                let log = dir.join("revoked.log");
                match lost {
                    "removed" => std::fs::remove_file(log).unwrap(),
                    _ => std::fs::OpenOptions::new().write(true).open(log).unwrap().set_len(0).unwrap(),
                }
                copy.restore(dir, clock).await.unwrap()
            })
            .await;
        assert!(done.nothing_is_trusted && !done.was_lost_before, "{lost}");
        assert!(!test.opens(&kept.access));
        assert_eq!(test.refresh(&kept.refresh).await.refusal(), (400, "invalid_grant".to_owned()), "{lost}");
        assert!(test.opens(&test.sign_in(None).await.access), "signing in anew works");
        assert!(!test.opens(&minted.1), "a key waits for somebody to say that it holds");
        assert_eq!(test.node.confirm_keys(Some(minted.0.parse().unwrap())).await.unwrap(), 1);
        assert!(test.opens(&minted.1));
        // The log is whole again, and says that everything was lost once since the copy was made.
        let (test, done) = restored(test, &copy).await;
        assert!(done.nothing_is_trusted && done.was_lost_before, "{lost}");
        // It is as if it had never been away from now on.
        let test = test.reopened().await;
        assert!(test.opens(&test.sign_in(None).await.access));
    }
}

#[tokio::test]
async fn a_copy_comes_to_a_new_disk_with_the_key_alone() {
    let test = TestNode::new().await;
    let kept = test.sign_in(None).await;
    let id = test.node.id().to_owned();
    let copy = Kept::of(&test).await;
    let (test, done) = test
        .reopened_after(async |dir: &Path, clock| {
            for file in std::fs::read_dir(dir).unwrap() {
                let file = file.unwrap();
                if file.file_name() != "node.key" && file.file_type().unwrap().is_file() {
                    std::fs::remove_file(file.path()).unwrap();
                }
            }
            copy.restore(dir, clock).await.unwrap()
        })
        .await;
    assert_eq!((done.aside, done.nothing_is_trusted), (None, true));
    assert_eq!(test.node.id(), id);
    assert!(!test.opens(&kept.access), "nobody knows what was revoked since");
}

#[tokio::test]
async fn what_is_no_copy_of_this_node_changes_nothing() {
    let test = TestNode::new().await;
    let pair = test.sign_in(None).await;
    let place = tempfile::tempdir().unwrap();
    let other = TestNode::new().await;
    let (_other_place, of_another) = copy_of(&other).await;
    let (_own_place, copy) = copy_of(&test).await;
    let held = restore(test.dir(), &copy, test.clock.clone()).await;
    assert!(matches!(held, Err(RestoreError::Open(OpenError::Elsewhere { .. }))), "{held:?}");
    let garbage = place.path().join("garbage.db");
    std::fs::write(&garbage, vec![7; 8192]).unwrap();
    let damaged = place.path().join("damaged.db");
    let mut bytes = std::fs::read(&copy).unwrap();
    let end = bytes.len();
    bytes[end / 2..].fill(0x55);
    std::fs::write(&damaged, bytes).unwrap();
    let short = place.path().join("short.db");
    std::fs::write(&short, b"x").unwrap();
    let (test, ()) = test
        .reopened_after(async |dir: &Path, clock| {
            for (from, expected) in [
                (garbage.as_path(), "is no copy of a node's database"),
                (&damaged, "is no copy of a node's database"),
                (&short, "is no copy of a node's database"),
                (place.path(), "is no copy of a node's database"),
                (&place.path().join("absent.db"), "cannot be read"),
                (&of_another, "is not the key that"),
                (&dir.join("node.db"), "is the node's database itself"),
            ] {
                let why = restore(dir, from, clock.clone()).await.unwrap_err().to_string();
                assert!(why.contains(expected), "{}: {why}", from.display());
            }
            let left = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
            let odd: Vec<_> = left.filter(|name| name.contains("aside") || name.contains("restoring")).collect();
            assert_eq!(odd, [] as [&str; 0]);
        })
        .await;
    assert!(test.opens(&pair.access));
}

#[tokio::test]
async fn a_copy_that_was_put_back_by_hand_is_refused_and_one_that_was_restored_is_not() {
    let test = TestNode::new().await.reopened().await;
    let copy = Kept::of(&test).await;
    let test = test.reopened().await;
    let (test, done) = restored(test, &copy).await;
    assert!(!done.nothing_is_trusted);
    // The same again: what is kept aside is not written over.
    let (test, again) = restored(test, &copy).await;
    assert_ne!(done.aside, again.aside);
    assert!(done.aside.unwrap().exists() && again.aside.unwrap().exists());
    let pair = test.sign_in(Some(&ScopeSet::DEFAULT.to_string())).await;
    assert!(test.opens(&pair.access));
}

#[tokio::test]
async fn what_a_killed_daemon_wrote_last_is_in_the_database_that_is_kept() {
    let test = TestNode::new().await;
    let (_place, copy) = copy_of(&test).await;
    let (id, _) = key(&test, "last").await;
    let ulid = id.strip_prefix("key_").unwrap().as_bytes();
    let holds =
        |path: &Path| std::fs::read(path).unwrap().windows(ulid.len()).any(|part| part.eq_ignore_ascii_case(ulid));
    // As it stands where the daemon is killed now.
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("killed");
    bitrouter_proto::files::private_dir(&dir).unwrap();
    for name in ["node.db", "node.db-wal", "node.key", "generation", "revoked.log"] {
        std::fs::copy(test.dir().join(name), dir.join(name)).unwrap();
    }
    assert!(!holds(&dir.join("node.db")) && holds(&dir.join("node.db-wal")), "it stands in the log alone");
    let aside = restore(&dir, &copy, test.clock.clone()).await.unwrap().aside.unwrap();
    assert!(holds(&aside) && !Path::new(&format!("{}-wal", aside.display())).exists());
    // Killed between the two names: the database before is aside, and what stands beside its place is no part of the copy.
    std::fs::remove_file(dir.join("node.db")).unwrap();
    let mut stale = bitrouter_proto::files::create_private(&dir.join("node.db-wal")).unwrap();
    stale.write_all(b"of another database").unwrap();
    assert_eq!(restore(&dir, &copy, test.clock.clone()).await.unwrap().aside, None);
    assert!(dir.join("node.db").exists() && !dir.join("node.db-wal").exists());
}

#[tokio::test]
async fn a_backup_is_written_over_nothing() {
    let test = TestNode::new().await;
    let (place, copy) = copy_of(&test).await;
    let before = std::fs::read(&copy).unwrap();
    assert!(matches!(test.node.back_up(&copy).await, Err(BackupError::Exists(_))));
    assert_eq!(std::fs::read(&copy).unwrap(), before);
    assert!(matches!(test.node.back_up(Path::new("copy.db")).await, Err(BackupError::Relative(_))));
    let nowhere = place.path().join("no/such/copy.db");
    assert!(matches!(test.node.back_up(&nowhere).await, Err(BackupError::Place(_))));
    let names: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["copy.db"], "nothing half-made is left");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn copies_that_are_made_at_once_do_not_disturb_each_other() {
    let test = TestNode::new().await;
    let place = tempfile::tempdir().unwrap();
    let one = place.path().join("one.db");
    let copying = || test.node.back_up(&one);
    let made = tokio::join!(copying(), copying(), copying(), copying());
    let (whole, refused): (Vec<_>, Vec<_>) = <[_; 4]>::from(made).into_iter().partition(Result::is_ok);
    assert_eq!(whole.len(), 1, "{refused:?}");
    for error in refused {
        assert!(matches!(error, Err(BackupError::Exists(_))), "{error:?}");
    }
    let names: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["one.db"], "nothing half-made is left");
    let (_test, done) = restored(test, &Kept::File { _place: place, path: one }).await;
    assert!(!done.nothing_is_trusted);
}

#[tokio::test]
async fn a_database_of_postgres_that_was_put_back_is_restored_as_it_stands() {
    let database = database();
    let url = url(&database);
    let test = TestNode::on_postgres(database.url()).await.unwrap();
    let (thrown_out, stays) = (test.sign_in(None).await, test.sign_in(None).await);
    let copy = database.dump();
    let test = test.reopened().await;
    test.revoke(&thrown_out.refresh).await;
    let (dir, clock) = (test.dir().clone(), test.clock.clone());
    // Neither here nor on another machine, as long as somebody has it.
    let held = restore_in_place(&dir, &url, clock.clone()).await;
    assert!(matches!(held, Err(RestoreError::Open(OpenError::Elsewhere { .. }))), "{held:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(dir.join("node.key"), elsewhere.path().join("node.key")).unwrap();
    let held = restore_in_place(elsewhere.path(), &url, clock.clone()).await;
    assert!(
        matches!(held, Err(RestoreError::Open(OpenError::Postgres { source: TakeError::Held(Some(_)), .. }))),
        "{held:?}"
    );
    let numbers = || -> Vec<i64> {
        let asked = database.ask("SELECT generation, writer_epoch, (SELECT seq FROM ledger) FROM node");
        asked.split('|').map(|number| number.parse().unwrap()).collect()
    };
    let (test, ()) = test
        .reopened_with(async |reopen| {
            database.put_back(&copy);
            let behind = reopen().await.err().unwrap();
            assert!(matches!(behind, OpenError::BehindInPlace { found: 1, expected: 2, .. }), "{behind}");
            assert_eq!(behind.command().as_deref(), Some("bitrouter node restore --in-place"));
            let before = numbers();
            let done = restore_in_place(&dir, &url, clock.clone()).await.unwrap();
            let shown = url.shown().into();
            assert_eq!(
                done,
                Restored {
                    database: shown,
                    aside: None,
                    revocations: 1,
                    nothing_is_trusted: false,
                    was_lost_before: false
                }
            );
            assert_eq!(numbers(), [2, before[1] + (1 << 32), before[2] + (1 << 32)]);
            assert_eq!(std::fs::read_to_string(dir.join("generation")).unwrap(), "2\n");
        })
        .await;
    assert!(!test.opens(&thrown_out.access) && test.opens(&stays.access));
    test.node.close().await;
}

#[tokio::test]
async fn what_is_no_database_of_this_node_is_not_restored_in_place() {
    let database = database();
    let url = url(&database);
    let test = TestNode::new().await;
    let (_test, why) = test
        .reopened_after(async |dir: &Path, clock: Arc<ManualClock>| {
            let refused = async || restore_in_place(dir, &url, clock.clone()).await.unwrap_err().to_string();
            let empty = refused().await;
            database.ask("CREATE TABLE invoices (id BIGINT)");
            let foreign = refused().await;
            database.ask("DROP TABLE invoices");
            let other = TestNode::on_postgres(database.url()).await.unwrap();
            other.node.close().await;
            [empty, foreign, refused().await]
        })
        .await;
    for (why, expected) in why.iter().zip(["`pg_restore` comes first", "is no copy", "is not the key that"]) {
        assert!(why.contains(expected), "{why}");
    }
    assert_eq!(database.ask("SELECT generation, revoked_seq FROM node"), "1|0");
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_restored_week_old_copy_lets_nobody_back_in_whom_somebody_threw_out,
    without_the_log_of_revocations_nothing_is_trusted,
    a_copy_comes_to_a_new_disk_with_the_key_alone,
);
