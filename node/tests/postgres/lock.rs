//! One process a database, and no late commit of a former one.

use bitrouter_node::{
    NodeWarning, OpenError, PostgresUrl, TakeError,
    people::Password,
    store::{Store, StoreError},
};
use bitrouter_test_postgres::{Bouncer, Database, Mode, Server, database};

use super::support::TestNode;

fn url(text: String) -> PostgresUrl {
    PostgresUrl::parse(text.into()).unwrap()
}

/// Ends the session that holds the lock.
fn end_lock(database: &Database) {
    database.ask("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted");
}

fn is_unreachable(node: &TestNode) -> bool {
    node.node.warnings().borrow().iter().any(|warning| matches!(warning, NodeWarning::DatabaseUnreachable { .. }))
}

#[tokio::test]
async fn n42_one_process_a_database_and_the_next_one_is_told_which() {
    let database = database();
    let first = Store::postgres(&url(database.url())).await.unwrap();
    let error = Store::postgres(&url(database.url())).await.unwrap_err();
    let TakeError::Held(Some(holder)) = &error else { panic!("{error}") };
    assert!(holder.shown.contains(&format!("pid {}", std::process::id())), "{holder:?}");
    assert!(error.to_string().contains(&holder.shown));
    first.close().await;
    let second = Store::postgres(&url(database.url())).await.unwrap();
    second.close().await;
}

#[tokio::test]
async fn n42_each_start_raises_the_epoch_and_a_former_writer_commits_nothing() {
    let database = database();
    let node = TestNode::on_postgres(database.url()).await.unwrap();
    let epoch = || database.ask("SELECT writer_epoch FROM node").parse::<i64>().unwrap();
    let before = epoch();
    let node = node.reopened().await;
    assert_eq!(epoch(), before + 1);
    // Somebody else takes it: what this one still sends is refused, and it says that it is over.
    database.ask("UPDATE node SET writer_epoch = writer_epoch + 1");
    let password = Password::new("correct horse battery".to_owned().into()).unwrap();
    let refused = node.node.add_user("eve".parse().unwrap(), password).await.unwrap_err();
    assert!(refused.to_string().contains("no longer this daemon's"), "{refused}");
    assert!(node.node.superseded().await.contains("another daemon"));
    assert_eq!(database.ask("SELECT COUNT(*) FROM persons"), "1");
    node.node.close().await;
}

#[tokio::test]
async fn n42_an_open_transaction_is_ended_before_another_process_has_the_database() {
    let database = database();
    let node = TestNode::on_postgres(database.url()).await.unwrap();
    node.node.close().await;
    let store = Store::postgres(&url(database.url())).await.unwrap();
    let read = store.read().await.unwrap();
    drop(read);
    let write = store.write().await.unwrap();
    drop(write);
    // What was dropped is rolled back, and nobody waits for it.
    store.write().await.unwrap().commit().await.unwrap();
    assert_eq!(open_transactions(&database), "0");
    store.close().await;
    assert!(matches!(store.write().await, Err(StoreError::Busy(_))));
}

fn open_transactions(database: &Database) -> String {
    database.ask(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
}

#[tokio::test]
async fn n42_a_lost_lock_is_taken_again_under_the_same_epoch() {
    let database = database();
    let node = TestNode::on_postgres(database.url()).await.unwrap();
    let epoch = database.ask("SELECT writer_epoch FROM node");
    end_lock(&database);
    // Within moments it is noticed, and over.
    let mut warnings = node.node.warnings();
    warnings.wait_for(|now| now.iter().any(|it| matches!(it, NodeWarning::DatabaseUnreachable { .. }))).await.unwrap();
    warnings.wait_for(|now| !now.iter().any(|it| matches!(it, NodeWarning::DatabaseUnreachable { .. }))).await.unwrap();
    assert!(!is_unreachable(&node));
    node.sign_in(None).await;
    assert_eq!(database.ask("SELECT writer_epoch FROM node"), epoch);
    node.node.close().await;
}

#[tokio::test]
async fn n42_behind_a_pooler_that_shares_sessions_no_lock_is_taken() {
    let server = Server::start();
    for mode in [Mode::Transaction, Mode::Statement] {
        let bouncer = Bouncer::start(&server, mode);
        let Err(error) = TestNode::on_postgres(bouncer.url()).await else { panic!("{mode:?}: it is on") };
        assert!(matches!(error, OpenError::Postgres { source: TakeError::Pooled, .. }), "{mode:?}: {error}");
    }
    let bouncer = Bouncer::start(&server, Mode::Session);
    let node = TestNode::on_postgres(bouncer.url()).await.unwrap();
    node.sign_in(None).await;
    node.node.close().await;
}
