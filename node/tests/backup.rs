//! A copy of the database, and its way back: what somebody was thrown out of stays closed.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and writes what is no copy"
)]

mod support;

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use bitrouter_node::{
    BackupError, OpenError, RestoreError, Restored,
    people::{Password, PeopleError, namespaces},
    restore,
};
use bitrouter_proto::account::{Role, ScopeSet};
use http::{Method, StatusCode};
use support::TestNode;

const WEEK: Duration = Duration::from_hours(7 * 24);

fn password(text: &str) -> Password {
    Password::new(text.into()).unwrap()
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

async fn restored(test: TestNode, from: &Path) -> (TestNode, Restored) {
    let (test, done) = test.reopened_after(async |dir: &Path, clock| restore(dir, from, clock).await).await;
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
    let (_place, copy) = copy_of(&test).await;

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
    let aside = done.aside.unwrap();
    assert!(aside.file_name().unwrap().to_str().unwrap().starts_with("node.db.aside-20"), "{}", aside.display());
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
        let (_place, copy) = copy_of(&test).await;
        let (test, done) = test
            .reopened_after(async |dir: &Path, clock| {
                let log = dir.join("revoked.log");
                match lost {
                    "removed" => std::fs::remove_file(log).unwrap(),
                    _ => std::fs::OpenOptions::new().write(true).open(log).unwrap().set_len(0).unwrap(),
                }
                restore(dir, &copy, clock).await.unwrap()
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
        let (test, done) =
            test.reopened_after(async |dir: &Path, clock| restore(dir, &copy, clock).await.unwrap()).await;
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
    let (_place, copy) = copy_of(&test).await;
    let (test, done) = test
        .reopened_after(async |dir: &Path, clock| {
            for file in std::fs::read_dir(dir).unwrap() {
                let file = file.unwrap();
                if file.file_name() != "node.key" && file.file_type().unwrap().is_file() {
                    std::fs::remove_file(file.path()).unwrap();
                }
            }
            restore(dir, &copy, clock).await.unwrap()
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
    let (_place, copy) = copy_of(&test).await;
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
