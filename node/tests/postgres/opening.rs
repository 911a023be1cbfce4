//! What stands in the database, and whether it becomes a node.

use bitrouter_node::{OpenError, PostgresUrl, TakeError};
use bitrouter_test_postgres::{Server, database};

use super::support::TestNode;

async fn refused(url: String) -> OpenError {
    match TestNode::on_postgres(url).await {
        Ok(_) => panic!("it is on"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let database = database();
    database.ask("CREATE TABLE invoices (id BIGINT)");
    let error = refused(database.url()).await;
    assert!(matches!(error, OpenError::ForeignSchema(_)), "{error}");
    assert_eq!(database.ask("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public'"), "1");
    // A schema of its own in the same database.
    database.ask("CREATE SCHEMA router");
    let node = TestNode::on_postgres(format!("{}&options[search_path]=router", database.url())).await.unwrap();
    node.sign_in(None).await;
    assert_eq!(database.ask("SELECT COUNT(*) FROM router.node"), "1");
    node.node.close().await;
}

#[tokio::test]
async fn a_newer_or_another_nodes_database_is_left_alone() {
    let database = database();
    let node = TestNode::on_postgres(database.url()).await.unwrap();
    node.node.close().await;
    // Another directory has another key, or none.
    let error = refused(database.url()).await;
    assert!(matches!(error, OpenError::KeyMissing { .. }), "{error}");
    database.ask("INSERT INTO migrations (number, applied_at) VALUES (99, 0)");
    let error = refused(database.url()).await;
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn texts_are_in_the_order_of_their_bytes_whatever_the_language() {
    let database = database();
    let node = TestNode::on_postgres(database.url()).await.unwrap();
    let other = "SELECT COUNT(*) FROM information_schema.columns
                 WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'";
    assert_eq!(database.ask(other), "0");
    node.node.close().await;
}

#[tokio::test]
async fn an_emptied_database_does_not_become_a_new_node() {
    let server = Server::start();
    let node = TestNode::on_postgres(server.url()).await.unwrap();
    let (node, error) = node
        .reopened_with(async |reopen| {
            server.ask("ALTER SCHEMA public RENAME TO kept");
            server.ask("CREATE SCHEMA public");
            let error = reopen().await.err().expect("it is empty");
            server.ask("DROP SCHEMA public");
            server.ask("ALTER SCHEMA kept RENAME TO public");
            error
        })
        .await;
    assert!(matches!(error, OpenError::DatabaseEmpty { .. }), "{error}");
    node.node.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_away_within_moments() {
    let root = tempfile::tempdir().unwrap();
    let url = format!("postgres://ada:geheim@localhost/node?host={}", root.path().display());
    let error = refused(url.clone()).await;
    assert!(matches!(error, OpenError::Postgres { source: TakeError::Unreachable(_), .. }), "{error}");
    let shown = PostgresUrl::parse(url.into()).unwrap().shown().to_owned();
    assert!(error.to_string().contains(&shown) && !error.to_string().contains("geheim"), "{error}");
}
