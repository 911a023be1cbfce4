//! What the operator does with persons.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use arc_swap::ArcSwap;
use bitrouter_node::{
    Node, NodeOptions, Settings,
    clock::{ManualClock, Moment},
    people::{
        Password, PeopleError,
        namespaces::{self, NamespaceError},
    },
};
use bitrouter_proto::tasks::Tasks;

async fn node(dir: &tempfile::TempDir) -> (Arc<Node>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Moment::from_millis(1_790_000_000_000)));
    let options = NodeOptions {
        dir: dir.path().join("node"),
        owner_name: "owner".to_owned(),
        database: None,
        settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
        clock: Arc::clone(&clock) as _,
        tasks: Tasks::new(),
        outbound: Arc::new(bitrouter_node::outbound::NoOutbound),
    };
    (Node::open(options).await.unwrap(), clock)
}

fn password() -> Password {
    Password::new("correct horse".into()).unwrap()
}

async fn names(node: &Node) -> Vec<(String, bool)> {
    node.list_users().await.unwrap().into_iter().map(|person| (person.name, person.has_password)).collect()
}

#[tokio::test]
async fn names_that_look_the_same_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _) = node(&dir).await;
    node.add_user("a\u{200d}da".parse().unwrap(), password()).await.unwrap();
    for same in ["ada", "Ad\u{ad}a", "ada \u{2060}"] {
        let taken = node.add_user(same.parse().unwrap(), password()).await;
        assert!(matches!(&taken, Err(PeopleError::Taken(name)) if name == "a\u{200d}da"), "{same:?}: {taken:?}");
    }
    assert_eq!(node.remove_user("ADA").await.unwrap().name, "a\u{200d}da");
    let owner = node.owner();
    let made = namespaces::create(&node, owner, "\u{645}\u{6cc}\u{200c}\u{62e}").await.unwrap();
    let same = "\u{645}\u{6cc}\u{62e}";
    let taken = namespaces::create(&node, owner, same).await;
    assert!(matches!(&taken, Err(NamespaceError::Taken(name)) if *name == made.name), "{taken:?}");
    let other = namespaces::create(&node, owner, "other").await.unwrap();
    let taken = namespaces::rename(&node, owner, "other", same).await;
    assert!(matches!(taken, Err(NamespaceError::Taken(_))), "{taken:?}");
    // Its own name is no other's, and case tells namespaces apart.
    namespaces::rename(&node, owner, "other", "oth\u{200b}er").await.unwrap();
    namespaces::create(&node, owner, "Other").await.unwrap();
    assert_eq!(namespaces::find(&node, owner, "other").await.unwrap().id, other.id);
    assert_eq!(namespaces::find(&node, owner, same).await.unwrap().id, made.id);
}

#[tokio::test]
async fn persons_are_added_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (node, clock) = node(&dir).await;
    // The oldest comes first.
    clock.advance(std::time::Duration::from_secs(1));
    let ada = node.add_user("Ada".parse().unwrap(), password()).await.unwrap();
    let taken = node.add_user("aDA".parse().unwrap(), password()).await;
    assert!(matches!(taken, Err(PeopleError::Taken(_))), "{taken:?}");
    assert_eq!(names(&node).await, [("owner".to_owned(), false), ("Ada".to_owned(), true)]);
    node.set_password("owner", password()).await.unwrap();
    assert!(matches!(node.remove_user("owner").await, Err(PeopleError::OwnsTheNode(_))));
    assert!(matches!(node.remove_user("bob").await, Err(PeopleError::Nobody(_))));
    assert_eq!(node.remove_user(&ada.id.to_string()).await.unwrap().name, "Ada");
    assert_eq!(names(&node).await, [("owner".to_owned(), true)]);
    assert!(matches!(node.set_password("ada", password()).await, Err(PeopleError::Nobody(_))));
    let again = node.add_user("ada".parse().unwrap(), password()).await.unwrap();
    assert_ne!(again.id, ada.id, "the name is free, the person is another one");
}

bitrouter_test_postgres::once_more_on_postgres!(persons_are_added_listed_and_removed,);
