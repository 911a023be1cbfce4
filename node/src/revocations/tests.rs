//! A right that was taken away stays away: with a database that cannot follow, and after one that was put back.

#![expect(clippy::disallowed_methods, reason = "tests put old files back")]

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use bitrouter_proto::tasks::Tasks;

use super::*;
use crate::{
    Machine, NodeOptions, NodeWarning, Settings,
    clock::ManualClock,
    secret::random_ulid,
    store::{NamespaceRow, PersonRow},
};

mod members;

struct World {
    _root: tempfile::TempDir,
    dir: PathBuf,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_800_000_000_000)));
        Self { dir: root.path().join("d"), _root: root, clock }
    }

    async fn open(&self) -> Arc<Node> {
        let options = NodeOptions {
            dir: self.dir.clone(),
            owner_name: "ada".to_owned(),
            database: None,
            settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
            clock: Arc::clone(&self.clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(crate::outbound::NoOutbound),
        };
        Node::open_on(options, Machine::this()).await.unwrap()
    }
}

async fn person(node: &Node, name: &str) -> (PersonId, NamespaceId) {
    let created_at = node.clock.wall();
    let (id, namespace) = (PersonId::new(random_ulid(created_at)), NamespaceId::new(random_ulid(created_at)));
    let mut write = node.store.write().await.unwrap();
    PersonRow { id, name: name.to_owned(), created_at, has_password: false }.insert(&mut write).await.unwrap();
    let row = NamespaceRow { id: namespace, owner: id, name: "default".to_owned(), created_at };
    row.insert(&mut write).await.unwrap();
    write.commit().await.unwrap();
    (id, namespace)
}

async fn is_there(node: &Node, id: PersonId) -> bool {
    PersonRow::all(&mut node.store.read().await.unwrap()).await.unwrap().iter().any(|row| row.id == id)
}

async fn namespaces(node: &Node, id: PersonId) -> usize {
    NamespaceRow::of_owner(&mut node.store.read().await.unwrap(), id).await.unwrap().len()
}

#[tokio::test]
async fn a_revocation_is_in_the_log_and_in_the_database() {
    let world = World::new();
    let node = world.open().await;
    let (eve, _) = person(&node, "eve").await;
    let write = node.store.write().await.unwrap();
    assert_eq!(node.revoke(write, Revocation::Person(eve)).await.unwrap(), Revoked::Whole);
    assert!(!is_there(&node, eve).await && namespaces(&node, eve).await == 0);
    assert!(node.store.pending().is_empty());
    let log = std::fs::read_to_string(world.dir.join("revoked.log")).unwrap();
    assert_eq!(log, format!("1 1800000000000 person {eve}\n"));
    node.close().await;
}

#[tokio::test]
async fn a_database_that_was_put_back_is_brought_up_to_the_log() {
    let world = World::new();
    let node = world.open().await;
    let ((eve, _), (bob, home)) = (person(&node, "eve").await, person(&node, "bob").await);
    node.close().await;
    let old = std::fs::read(world.dir.join("node.db")).unwrap();
    let node = world.open().await;
    for what in [Revocation::Person(eve), Revocation::Namespace(home)] {
        let write = node.store.write().await.unwrap();
        assert_eq!(node.revoke(write, what).await.unwrap(), Revoked::Whole);
    }
    node.close().await;
    std::fs::write(world.dir.join("node.db"), old).unwrap();
    // The way on that is named where a database is too old.
    std::fs::remove_file(world.dir.join("generation")).unwrap();
    let node = world.open().await;
    assert!(!is_there(&node, eve).await, "who was removed is back");
    assert_eq!((is_there(&node, bob).await, namespaces(&node, bob).await), (true, 0));
    node.close().await;
    // Once is enough, and twice does no harm.
    let node = world.open().await;
    assert!(!is_there(&node, eve).await && node.warnings().borrow().is_empty());
    node.close().await;
}

#[tokio::test]
async fn what_the_database_could_not_take_comes_with_the_next_transaction() {
    let world = World::new();
    let node = world.open().await;
    let (eve, _) = person(&node, "eve").await;
    let made_at = node.clock.wall();
    // As on a full disk: the line is written, the transaction is not.
    let line = node.revoked_log.append(made_at, Revocation::Person(eve)).unwrap();
    node.store.pending().add(line);
    assert!(is_there(&node, eve).await && node.person_has_ended(eve));
    let dropped = node.store.write().await.unwrap();
    drop(dropped);
    assert!(!node.store.pending().is_empty(), "nothing was committed");
    node.store.write().await.unwrap().commit().await.unwrap();
    assert!(!is_there(&node, eve).await && node.store.pending().is_empty());
    node.close().await;
    // The same where the process ends before.
    let node = world.open().await;
    let (bob, _) = person(&node, "bob").await;
    node.revoked_log.append(made_at, Revocation::Person(bob)).unwrap();
    node.close().await;
    let node = world.open().await;
    assert!(!is_there(&node, bob).await);
    node.close().await;
}

#[tokio::test]
async fn a_former_password_does_not_come_back_with_an_older_database() {
    let world = World::new();
    let node = world.open().await;
    let password = |text: &str| crate::people::Password::new(text.to_owned().into()).unwrap();
    let eve = node.add_user("eve".parse().unwrap(), password("former horse")).await.unwrap().id;
    node.close().await;
    let old = std::fs::read(world.dir.join("node.db")).unwrap();
    let node = world.open().await;
    let _ = node.set_password("eve", password("present horse")).await.unwrap();
    let has_password = async |node: &Node| {
        PersonRow::by_id(&mut node.store.read().await.unwrap(), eve).await.unwrap().unwrap().has_password
    };
    assert!(has_password(&node).await);
    node.close().await;
    let node = world.open().await;
    assert!(has_password(&node).await, "a start took the present one");
    node.close().await;
    std::fs::write(world.dir.join("node.db"), old).unwrap();
    std::fs::remove_file(world.dir.join("generation")).unwrap();
    let node = world.open().await;
    assert!(!has_password(&node).await, "the former one is back");
    node.close().await;
}

#[tokio::test]
async fn a_log_that_was_emptied_is_as_good_as_none() {
    let world = World::new();
    let node = world.open().await;
    let (eve, _) = person(&node, "eve").await;
    let write = node.store.write().await.unwrap();
    assert_eq!(node.revoke(write, Revocation::Person(eve)).await.unwrap(), Revoked::Whole);
    node.close().await;
    std::fs::write(world.dir.join("revoked.log"), "").unwrap();
    world.open().await.close().await;
    let log = std::fs::read_to_string(world.dir.join("revoked.log")).unwrap();
    assert_eq!(log, "2 1800000000000 everything -\n");
    world.open().await.close().await;
    assert_eq!(std::fs::read_to_string(world.dir.join("revoked.log")).unwrap(), log);
}

#[tokio::test]
async fn without_the_log_nobody_stays_signed_in() {
    let world = World::new();
    world.open().await.close().await;
    std::fs::remove_file(world.dir.join("revoked.log")).unwrap();
    let node = world.open().await;
    assert!(node.warnings().borrow().is_empty(), "nobody was signed in");
    let log = std::fs::read_to_string(world.dir.join("revoked.log")).unwrap();
    assert_eq!(log, "1 1800000000000 everything -\n");
    node.close().await;
    assert!(matches!(
        NodeWarning::SessionsEnded { missing: world.dir.join("revoked.log") }.to_string(),
        said if said.contains("revoked.log") && said.contains("sign in again")
    ));
}
