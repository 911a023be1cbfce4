//! What stands in the directory, and whether it becomes a node. What is refused is not changed by a byte.

#![expect(clippy::disallowed_methods, reason = "tests set up what others left behind")]

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use arc_swap::ArcSwap;
use bitrouter_proto::tasks::Tasks;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::*;
use crate::{Settings, clock::ManualClock};

/// A directory and the clock of its nodes.
struct World {
    _root: tempfile::TempDir,
    dir: PathBuf,
    clock: Arc<ManualClock>,
}

const START: Moment = Moment::from_millis(1_800_000_000_000);

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { dir: root.path().join("d"), _root: root, clock: Arc::new(ManualClock::new(START)) }
    }

    fn options(&self) -> NodeOptions {
        NodeOptions {
            dir: self.dir.clone(),
            owner_name: "ada".to_owned(),
            database: None,
            settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
            clock: Arc::clone(&self.clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(crate::outbound::NoOutbound),
        }
    }

    async fn open(&self) -> Result<Arc<Node>, OpenError> {
        self.open_on(Machine { id: "a".repeat(32), ..Machine::this() }).await
    }

    async fn open_on(&self, machine: Machine) -> Result<Arc<Node>, OpenError> {
        Node::open_on(self.options(), machine).await
    }

    /// A node that was there before; answers its id.
    async fn with_history() -> (Self, String) {
        let world = Self::new();
        let node = world.open().await.unwrap();
        node.close().await;
        (world, node.row.node_id.clone())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// What a refusal must leave alone.
    fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let names = ["node.db", "node.key", "revoked.log", "generation"];
        names.iter().filter_map(|name| Some(((*name).to_owned(), std::fs::read(self.path(name)).ok()?))).collect()
    }

    /// Opening is refused, and leaves everything as it was; what the refusal says.
    async fn refused(&self) -> OpenError {
        let before = self.contents();
        let error = self.open().await.expect_err("the node came on");
        assert_eq!(self.contents(), before, "{error}");
        let text = error.to_string();
        assert!(text.contains(&self.dir.display().to_string()), "no file is named: {text}");
        error
    }

    async fn sql(&self, text: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.path("node.db")).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(text).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn the_first_start_makes_a_node_and_the_next_one_finds_it() {
    let world = World::new();
    let node = world.open().await.unwrap();
    assert_eq!(node.row.generation, 1);
    for name in ["node.db", "node.db-wal", "node.db-shm", "node.key", "node.lock", "revoked.log", "generation"] {
        assert_eq!(mode(&world.path(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&world.dir), 0o700);
    assert!(node.warnings().borrow().is_empty());
    node.close().await;
    assert!(!world.path("node.db-wal").exists(), "the log was not written back");
    let again = world.open().await.unwrap();
    assert_eq!((&again.row.node_id, again.row.owner), (&node.row.node_id, node.row.owner));
    assert_eq!((again.row.generation, again.first_namespace()), (2, node.first_namespace()));
    assert_eq!(std::fs::read_to_string(world.path("generation")).unwrap(), "2\n");
    assert!(again.warnings().borrow().is_empty());
    again.close().await;
}

#[tokio::test]
async fn a_first_start_that_ends_anywhere_is_gone_on_with() {
    // What stands there after each step, up to the row that makes a node of it.
    for steps in 0..5 {
        let world = World::new();
        let dir = files::private_dir(&world.dir).unwrap();
        let key = NodeKey::create(&dir, "node.key", &world.path("node.key")).unwrap();
        if steps > 0 {
            files::open_lock(&dir, "node.db", &world.path("node.db")).unwrap();
        }
        if steps > 1 {
            let store = Store::sqlite(&world.path("node.db")).await.unwrap();
            store.use_write_ahead_log().await.unwrap();
            if steps > 2 {
                migrate(&store, START).await.unwrap();
            }
            store.close().await;
        }
        if steps > 3 {
            files::open_lock(&dir, "revoked.log", &world.path("revoked.log")).unwrap();
        }
        let node = world.open().await.unwrap_or_else(|error| panic!("after {steps}: {error}"));
        assert_eq!(node.row.canary, canary(&key, &node.row.node_id), "another key was made");
        assert!(node.warnings().borrow().is_empty());
        node.close().await;
    }
    // After the row, before the file.
    let (world, id) = World::with_history().await;
    std::fs::remove_file(world.path("generation")).unwrap();
    let node = world.open().await.unwrap();
    assert_eq!((node.row.generation, &node.row.node_id), (2, &id));
    assert!(node.warnings().borrow().is_empty());
    node.close().await;
}

#[tokio::test]
async fn n47_a_key_that_is_missing_or_anothers_is_named_and_never_replaced() {
    let (world, _) = World::with_history().await;
    let key = world.path("node.key");
    let right = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let error = world.refused().await;
    assert!(matches!(error, OpenError::KeyMissing { .. }) && error.to_string().contains("node.key"), "{error}");
    let other = World::new();
    other.open().await.unwrap().close().await;
    std::fs::copy(other.path("node.key"), &key).unwrap();
    assert!(matches!(world.refused().await, OpenError::KeyMismatch { .. }));
    std::fs::write(&key, "no key\n").unwrap();
    assert!(matches!(world.refused().await, OpenError::Key(_)));
    std::fs::write(&key, right).unwrap();
    world.open().await.unwrap().close().await;
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_left_alone() {
    // Some rows, so that there are pages to damage.
    let (world, _) = World::with_history().await;
    let database = world.path("node.db");
    let whole = std::fs::read(&database).unwrap();
    let page = 4096;
    assert!(whole.len() > 8 * page);
    let mut flipped_in_a_page = whole.clone();
    for at in (page..whole.len()).step_by(page) {
        // The header of a b-tree page: its kind and where its cells begin.
        flipped_in_a_page[at..at + 8].iter_mut().for_each(|byte| *byte ^= 0x55);
    }
    let mut flipped_in_the_header = whole.clone();
    flipped_in_the_header[..100].iter_mut().for_each(|byte| *byte ^= 0x55);
    let cases: [(&str, Vec<u8>); 6] = [
        ("garbage", b"#!/bin/sh\necho no database here\n".repeat(400)),
        ("short garbage", b"x".to_vec()),
        ("half of it", whole[..whole.len() / 2].to_vec()),
        ("a page and a bit", whole[..page + 100].to_vec()),
        ("flipped pages", flipped_in_a_page),
        ("flipped header", flipped_in_the_header),
    ];
    for (name, bytes) in cases {
        std::fs::write(&database, bytes).unwrap();
        let error = world.refused().await;
        assert!(matches!(error, OpenError::Damaged { .. }), "{name}: {error:?}");
    }
    for gone in [true, false] {
        std::fs::write(&database, "").unwrap();
        chmod(&database, 0o600);
        if gone {
            std::fs::remove_file(&database).unwrap();
        }
        assert!(matches!(world.refused().await, OpenError::DatabaseMissing { .. }));
    }
    std::fs::write(&database, whole).unwrap();
    chmod(&database, 0o600);
    world.open().await.unwrap().close().await;
}

#[tokio::test]
async fn another_programs_database_and_a_newer_releases_are_left_alone() {
    let world = World::new();
    files::private_dir(&world.dir).unwrap();
    world.sql("CREATE TABLE bookmarks (url TEXT)").await;
    chmod(&world.path("node.db"), 0o600);
    assert!(matches!(world.refused().await, OpenError::Foreign(_)));
    let (world, _) = World::with_history().await;
    world.sql("INSERT INTO migrations (number, applied_at) VALUES (999, 0)").await;
    let error = world.refused().await;
    assert!(matches!(error, OpenError::Newer { found: 999, .. }), "{error}");
}

#[tokio::test]
async fn a_database_older_than_its_generation_file_is_refused_with_the_cure() {
    let (world, _) = World::with_history().await;
    let old = std::fs::read(world.path("node.db")).unwrap();
    world.open().await.unwrap().close().await;
    std::fs::write(world.path("node.db"), old).unwrap();
    let error = world.refused().await;
    let OpenError::Behind { found: 1, expected: 2, .. } = error else { panic!("{error}") };
    // The cure that it names: nobody stays signed in.
    std::fs::remove_file(world.path("generation")).unwrap();
    world.open().await.unwrap().close().await;
    std::fs::write(world.path("generation"), "x\n").unwrap();
    assert!(matches!(world.refused().await, OpenError::NoGeneration(_)));
}

#[tokio::test]
async fn one_process_has_the_database_and_the_other_is_told_which() {
    let world = World::new();
    let node = world.open().await.unwrap();
    let error = world.open().await.unwrap_err();
    let OpenError::Elsewhere { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(*holder, Some(std::process::id()));
    assert!(error.may_pass());
    node.close().await;
    world.open().await.unwrap().close().await;
}

#[tokio::test]
async fn n39_a_network_file_system_is_refused_before_anything_is_made() {
    let world = World::new();
    let nfs = Machine { filesystem: |_| Ok(Filesystem { magic: 0x6969, mount_type: None }), ..Machine::this() };
    let error = world.open_on(nfs).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, OpenError::Network { .. }) && text.contains("NFS") && text.contains("XDG_DATA_HOME"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(&world.dir).unwrap().count(), 0);
}

#[tokio::test]
async fn files_that_are_not_ours_alone_are_refused() {
    let (world, _) = World::with_history().await;
    for name in ["node.db", "node.key", "revoked.log", "generation", "node.lock"] {
        let path = world.path(name);
        chmod(&path, 0o640);
        let error = world.refused().await;
        assert!(matches!(error, OpenError::Exposed { .. }), "{name}: {error}");
        assert_eq!(error.command(), Some(format!("chmod 600 {}", path.display())));
        chmod(&path, 0o600);
        let aside = world.path("aside");
        std::fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink(&aside, &path).unwrap();
        let error = world.refused().await;
        assert!(matches!(error, OpenError::NoFile(_)), "{name}: {error}");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let error = world.open().await.unwrap_err();
        assert!(matches!(error, OpenError::NoFile(_)), "{name}: {error}");
        std::fs::remove_dir(&path).unwrap();
        std::fs::hard_link(&aside, &path).unwrap();
        let error = world.refused().await;
        assert!(matches!(error, OpenError::NoFile(_)), "{name}: {error}");
        std::fs::remove_file(&aside).unwrap();
    }
    chmod(&world.dir, 0o770);
    let error = world.refused().await;
    assert_eq!(error.command(), Some(format!("chmod 700 {}", world.dir.display())));
    chmod(&world.dir, 0o700);
    world.open().await.unwrap().close().await;
}

#[tokio::test]
async fn another_machine_is_said_once_and_then_accepted() {
    let (world, _) = World::with_history().await;
    let there = || Machine { id: "b".repeat(32), ..Machine::this() };
    let node = world.open_on(there()).await.unwrap();
    assert!(matches!(node.warnings().borrow()[..], [NodeWarning::DatabaseMoved { .. }]));
    node.close().await;
    for machine in [there(), Machine { id: String::new(), ..Machine::this() }, there()] {
        let node = world.open_on(machine).await.unwrap();
        assert!(node.warnings().borrow().is_empty());
        node.close().await;
    }
}

#[tokio::test]
async fn a_clock_that_was_set_while_the_node_was_off_is_said() {
    let day = Duration::from_hours(24);
    for (now, said) in [
        (START.before(Duration::from_mins(6)), true),
        (START.before(Duration::from_mins(4)), false),
        (START.after(29 * day), false),
        (START.after(31 * day), true),
    ] {
        let (world, _) = World::with_history().await;
        world.clock.set_wall(now);
        let node = world.open().await.unwrap();
        let is_said = matches!(node.warnings().borrow()[..], [NodeWarning::ClockStepped { .. }]);
        assert_eq!(is_said, said, "{now}");
        node.close().await;
    }
}
