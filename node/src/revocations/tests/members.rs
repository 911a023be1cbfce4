//! Members who were removed, or may do less: so it stays, with a database that cannot follow, and after one that was put back.

use bitrouter_proto::account::Role;

use super::*;
use crate::store::MemberRow;

async fn roles(node: &Node) -> Vec<(String, Role)> {
    let members = node.list_members("default").await.unwrap();
    let others = members.into_iter().filter(|member| member.role != Role::Owner);
    others.map(|member| (member.name, member.role)).collect()
}

#[tokio::test]
async fn an_old_database_gives_no_member_back_what_was_taken() {
    let world = World::new();
    let node = world.open().await;
    for name in ["eve", "bob", "kim"] {
        person(&node, name).await;
        node.set_member("default", name, Role::Admin).await.unwrap();
    }
    node.close().await;
    let old = std::fs::read(world.dir.join("node.db")).unwrap();
    let node = world.open().await;
    node.remove_member("default", "eve").await.unwrap();
    node.set_member("default", "bob", Role::Viewer).await.unwrap();
    // What was given behind that is lost with the database, and not what was taken.
    node.set_member("default", "bob", Role::Member).await.unwrap();
    let log = std::fs::read_to_string(world.dir.join("revoked.log")).unwrap();
    let kinds: Vec<_> = log.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(kinds, ["membership", "role"], "{log}");
    node.close().await;
    std::fs::write(world.dir.join("node.db"), old).unwrap();
    std::fs::remove_file(world.dir.join("generation")).unwrap();
    for _ in 0..2 {
        let node = world.open().await;
        let mut left = roles(&node).await;
        left.sort();
        assert_eq!(left, [("bob".to_owned(), Role::Viewer), ("kim".to_owned(), Role::Admin)]);
        node.close().await;
    }
}

#[tokio::test]
async fn whoever_is_let_in_again_while_the_database_lags_behind_is_in() {
    let world = World::new();
    let node = world.open().await;
    let (eve, _) = person(&node, "eve").await;
    let home = node.first_namespace();
    node.set_member("default", "eve", Role::Admin).await.unwrap();
    // As on a full disk: the line is written and memory knows, the transaction is not committed.
    let what = Revocation::Membership(home, eve);
    let line = node.revoked_log.append(node.clock.wall(), what).unwrap();
    what.end_in(&node);
    node.store.pending().add(line);
    let row = MemberRow::find(&mut node.store.read().await.unwrap(), home, eve).await.unwrap();
    assert!(row.is_some() && roles(&node).await.is_empty() && node.roles.of(eve, home).is_none());
    assert!(node.remove_member("default", "eve").await.is_err(), "she is out already");
    node.set_member("default", "eve", Role::Viewer).await.unwrap();
    assert!(node.store.pending().is_empty());
    assert_eq!(roles(&node).await, [("eve".to_owned(), Role::Viewer)]);
    node.close().await;
    let node = world.open().await;
    assert_eq!(roles(&node).await, [("eve".to_owned(), Role::Viewer)], "the older line is not done again");
    node.close().await;
}
