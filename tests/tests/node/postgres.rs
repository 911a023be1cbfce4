//! The node on PostgreSQL: whose database it is, and what goes on while the server is away.

use std::time::Duration;

use bitrouter_proto::clock::monotonic_now;
use bitrouter_test_postgres::{Bouncer, Mode, Server, database};
use bitrouter_tests::{Daemon, World, wait};

/// A world whose node is on the database at `url`.
fn world_on(url: &str) -> World {
    let world = World::new();
    world.config(&format!("[node]\ndatabase_url = \"{url}\"\n"));
    world
}

fn calls(daemon: &Daemon) -> u16 {
    daemon.http().chat("demo/echo", "x").send().status
}

fn listed(world: &World) -> i32 {
    world.command(["node", "namespace", "list", "--json"]).run().code
}

#[test]
fn a_node_on_postgres_says_so_and_is_there_after_a_restart() {
    let database = database();
    let world = world_on(&database.url());
    let daemon = world.demo();
    daemon.until_node_is_on();
    assert_eq!(daemon.status()["node"]["database"], "postgres");
    world.cli(["node", "namespace", "create", "lab"]).expect_code(0);
    assert_eq!(calls(&daemon), 200);
    daemon.stop();
    assert!(!world.path("data/bitrouter/node.db").exists());
    assert!(world.path("data/bitrouter/node.key").exists());
    let daemon = world.demo();
    daemon.until_node_is_on();
    let names = world.cli(["node", "namespace", "list", "--json"]).with_code(0).stdout;
    assert!(names.contains("\"lab\""), "{names}");
    wait::holds("the row of the call", || database.ask("SELECT COUNT(*) FROM requests") == "1");
    daemon.stop();
}

#[test]
fn another_daemon_has_its_node_off_until_the_first_one_ends() {
    let database = database();
    let (first_world, second_world) = (world_on(&database.url()), world_on(&database.url()));
    let first = first_world.demo();
    first.until_node_is_on();
    let second = second_world.demo();
    wait::holds("the node to be elsewhere", || second.status()["node"]["state"] == "elsewhere");
    let why = second.warned("node_off")["message"].to_string();
    assert!(why.contains(&format!("pid {}", first.pid())), "{why}");
    first.stop();
    // It has another key: that is what is wrong then.
    wait::holds("the lock to be free", || second.warned("node_off")["message"].to_string().contains("node.key"));
    second.stop();
}

#[test]
fn behind_a_transaction_pooler_or_without_a_server_the_node_is_off_and_comes_on_by_itself() {
    let server = Server::start();
    let bouncer = Bouncer::start(&server, Mode::Transaction);
    let world = world_on(&bouncer.url());
    let daemon = world.demo();
    wait::holds("the pooler to be seen", || {
        let why = daemon.warned("node_off")["message"].to_string();
        why.contains("pooler") && why.contains("pool_mode = session")
    });
    daemon.stop();
    server.stop();
    let world = world_on(&server.url());
    let daemon = world.demo();
    wait::holds("the server to be missed", || {
        daemon.warned("node_off")["message"].to_string().contains("cannot be reached")
    });
    server.start_again();
    daemon.until_node_is_on();
    daemon.stop();
}

#[test]
fn while_the_server_is_away_calls_go_on_for_five_seconds_and_nothing_is_lost() {
    let server = Server::start();
    let world = world_on(&server.url());
    let daemon = world.demo();
    daemon.until_node_is_on();
    assert_eq!(calls(&daemon), 200);
    wait::holds("the first row", || server.ask("SELECT COUNT(*) FROM requests WHERE completed_at IS NOT NULL") == "1");
    // It may be noticed before whoever kills it has seen it go.
    let killed = monotonic_now();
    server.kill();
    let away = monotonic_now();
    let mut answered = 1;
    wait::until("calls to be refused", || match calls(&daemon) {
        200 => {
            answered += 1;
            None
        }
        503 => Some(()),
        status => panic!("{status}"),
    });
    let (least, most) = (killed.elapsed(), away.elapsed());
    assert!(least >= Duration::from_secs(5) && most < Duration::from_secs(12), "{least:?}, {most:?}");
    let refused = daemon.http().chat("demo/echo", "x").send().refused(503, "unavailable");
    assert!(refused.to_string().contains("cannot be reached"), "{refused}");
    // At once, whatever a machine with much to do takes for a command: no waiting for the server is in it.
    let quickest = (0..5).map(|_| {
        let asked = monotonic_now();
        assert_eq!(listed(&world), 3);
        asked.elapsed()
    });
    assert!(quickest.min() < Some(Duration::from_secs(2)));
    daemon.warned("database_unreachable");
    server.start_again();
    wait::holds("calls to go on", || calls(&daemon) == 200);
    answered += 1;
    assert_eq!(listed(&world), 0);
    wait::holds("the warning to go", || daemon.warning("database_unreachable").is_none());
    let rows = || server.ask("SELECT COUNT(*), COUNT(completed_at) FROM requests");
    wait::holds("every row, once", || rows() == format!("{answered}|{answered}"));
    assert_eq!(server.ask("SELECT SUM(request_count) FROM usage_hours"), answered.to_string());
    daemon.stop();
}
