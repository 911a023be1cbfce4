//! `node restore --in-place`: a database of PostgreSQL that `pg_restore` has put back lets nobody in whom somebody threw out since.

use bitrouter_test_postgres::{Database, database};
use bitrouter_tests::{
    Daemon, World, shared_files,
    sign_in::{self, Owner},
    wait,
};
use serde_json::{Value, json};

const SCOPES: [&str; 2] = ["namespace:read", "keys:read"];
const FORMER: &str = "the former password";

/// A world on a database, what let somebody in while `copy` was made and no longer does, and what does.
struct Scene {
    world: World,
    database: Database,
    copy: Vec<u8>,
    thrown_out: Vec<(&'static str, String)>,
    kept: [(&'static str, String); 2],
}

/// A key of the owner's first namespace: its id, and itself.
fn key(world: &World, name: &str) -> (String, String) {
    let mut run = world.bare_command(shared_files::binary());
    run.args(["cloud", "keys", "mint", "--local", "--json", "--scope", "namespace:read", "--name", name]);
    let minted: Value = serde_json::from_slice(&run.output().expect("a run").stdout).expect("a key");
    let text = |member: &str| minted[member].as_str().expect("a text").to_owned();
    (text("id"), text("token"))
}

fn opens(daemon: &Daemon, token: &str) -> bool {
    daemon.http().get("/v1/namespaces").bearer(token).send().status == 200
}

impl Scene {
    fn new() -> Self {
        let database = database();
        let world = World::new();
        world.config(&format!("[node]\ndatabase_url = \"{}\"\n", database.url()));
        let daemon = world.demo();
        daemon.until_node_is_on();
        for name in ["ada", "bob"] {
            let add = world.command(["node", "user", "add", name, "--password-stdin"]);
            add.stdin(format!("{FORMER}\n")).run().expect_code(0);
        }
        world.cli(["node", "namespace", "create", "doomed"]).expect_code(0);
        world.cli(["node", "member", "add", "doomed", "bob", "--role", "viewer"]).expect_code(0);
        world.cli(["node", "member", "add", "default", "ada", "--role", "member"]).expect_code(0);
        let owner = Owner::sign_in(&world, &daemon);
        let (ada, bob) = (Owner::with_password(&daemon, "ada", FORMER), Owner::with_password(&daemon, "bob", FORMER));
        let rows = world.cli(["node", "namespace", "list", "--all", "--json"]).with_code(0).json();
        let mut rows = rows["data"].as_array().expect("rows").iter();
        let home = rows.find(|row| row["name"] == "doomed").and_then(|row| row["owner_name"].as_str()).expect("a name");
        let shared = format!("default of {home} (member)");
        let program = |by: &Owner, namespace: &str| by.program(&SCOPES, Some(namespace)).access_token;
        let (leaked, used) = (key(&world, "leaked"), key(&world, "used"));
        let session = program(&owner, "default");
        let scene = Self {
            thrown_out: vec![
                ("a key", leaked.1),
                ("a session", session.clone()),
                ("a member's session", program(&ada, &shared)),
                ("a removed person's session", program(&bob, "default")),
                ("a session of a deleted namespace", program(&owner, "doomed")),
            ],
            kept: [("a key", used.1), ("a session", program(&owner, "default"))],
            copy: database.dump(),
            database,
            world,
        };
        for (what, token) in scene.thrown_out.iter().chain(&scene.kept) {
            assert!(opens(&daemon, token), "{what}");
        }
        // A database of the same start is no older than the node is.
        daemon.stop();
        let world = &scene.world;
        let daemon = world.demo();
        daemon.until_node_is_on();
        world.cli(["cloud", "keys", "revoke", &leaked.0, "--local"]).expect_code(0);
        sign_in::revoke(daemon.http(), &session);
        world.cli(["node", "member", "remove", "default", "ada", "--yes"]).expect_code(0);
        world.cli(["node", "user", "remove", "bob", "--yes"]).expect_code(0);
        world.cli(["node", "namespace", "delete", "doomed", "--yes"]).expect_code(0);
        let passwd = world.command(["node", "user", "passwd", "ada", "--password-stdin"]);
        passwd.stdin("the newer password\n").run().expect_code(0);
        assert_eq!(scene.let_in(&daemon), [] as [&str; 0]);
        daemon.stop();
        scene.database.put_back(&scene.copy);
        scene
    }

    /// What of it opens something.
    fn let_in(&self, daemon: &Daemon) -> Vec<&'static str> {
        self.thrown_out.iter().filter(|(_, token)| opens(daemon, token)).map(|(what, _)| *what).collect()
    }

    fn restore(&self) -> Value {
        self.world.cli(["node", "restore", "--in-place", "--yes", "--json"]).with_code(0).json()
    }
}

#[test]
fn a_database_that_was_put_back_is_off_until_it_is_restored_and_lets_nobody_back_in() {
    let scene = Scene::new();
    let world = &scene.world;
    let daemon = world.demo();
    let command = "bitrouter node restore --in-place";
    wait::holds("the node to be off", || daemon.warned("node_off")["command"] == command);
    assert_eq!(daemon.status()["node"]["state"], "off");
    assert_eq!(scene.let_in(&daemon), [] as [&str; 0], "a node that is off judges nobody");
    let refused = world.cli(["node", "restore", "--in-place", "--yes"]).with_code(1).stderr;
    assert!(refused.contains("a daemon already runs") && refused.contains("hint: bitrouter stop"), "{refused}");
    daemon.stop();
    let by_file = world.cli(["node", "restore", "copy.dump", "--yes"]).with_code(1).stderr;
    assert!(by_file.contains("`pg_restore`") && by_file.contains("bitrouter node restore --in-place"), "{by_file}");
    let asked = world.cli(["node", "restore", "--in-place"]).with_code(1).stderr;
    assert!(asked.contains("hint: bitrouter node restore --in-place --yes"), "{asked}");

    let done = scene.restore();
    let numbers = (&done["revocations"], &done["aside"], &done["nothing_is_trusted"]);
    assert_eq!(numbers, (&json!(6), &Value::Null, &json!(false)), "{done}");
    let daemon = world.demo();
    daemon.until_node_is_on();
    assert_eq!(scene.let_in(&daemon), [] as [&str; 0]);
    for (what, token) in &scene.kept {
        assert!(opens(&daemon, token), "{what}");
    }
    assert_eq!(Owner::tries(&daemon, "ada", FORMER).status, 401);
    assert_eq!(Owner::tries(&daemon, "bob", FORMER).status, 401);
    let names = world.cli(["node", "namespace", "list", "--all"]).with_code(0).stdout;
    assert!(!names.contains("doomed"), "{names}");
    // What others have is not theirs to restore.
    let elsewhere = World::new();
    elsewhere.config(&format!("[node]\ndatabase_url = \"{}\"\n", scene.database.url()));
    let key = std::fs::read(world.path("data/bitrouter/node.key")).expect("a key");
    elsewhere.write("data/bitrouter/node.key", key);
    let refused = elsewhere.cli(["node", "restore", "--in-place", "--yes", "--json"]).with_code(1).error();
    assert_eq!(refused["code"], "conflict", "{refused}");
    assert!(refused["message"].to_string().contains(&format!("pid {}", daemon.pid())), "{refused}");
    daemon.stop();
}

#[test]
fn without_the_log_of_revocations_every_session_ends_and_keys_wait() {
    let scene = Scene::new();
    let world = &scene.world;
    std::fs::remove_file(world.path("data/bitrouter/revoked.log")).expect("a log");
    assert_eq!(scene.restore()["nothing_is_trusted"], true);
    let daemon = world.demo();
    daemon.until_node_is_on();
    assert_eq!(scene.let_in(&daemon), [] as [&str; 0]);
    let [(_, used), (_, session)] = &scene.kept;
    assert!(!opens(&daemon, used) && !opens(&daemon, session));
    let listed = world.cli(["cloud", "keys", "list", "--local", "--json"]).with_code(0).json();
    let rows = listed["data"].as_array().expect("rows");
    let id = rows.iter().find(|row| row["display_name"] == "used").and_then(|row| row["id"].as_str()).expect("a key");
    world.cli(["node", "keys", "confirm", id]).expect_code(0);
    assert!(opens(&daemon, used) && !opens(&daemon, session));
    assert_eq!(scene.let_in(&daemon), [] as [&str; 0]);
    daemon.stop();
}
