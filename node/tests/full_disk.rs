//! A full disk: what takes a right away works all the same, everything else is refused, and it recovers by itself.
//!
//! A small file system of its own is needed, which only root can mount; elsewhere there is nothing to test it on.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it could not try"
)]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use bitrouter_node::{
    Node, NodeOptions, NodeWarning, OpenError, Settings,
    clock::SystemClock,
    people::{
        Password, PeopleError,
        namespaces::{self, NamespaceError},
    },
    store::StoreError,
};
use bitrouter_proto::tasks::Tasks;

/// A small file system.
struct Small {
    root: tempfile::TempDir,
}

impl Small {
    fn mount() -> Option<Self> {
        let root = tempfile::tempdir().unwrap();
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"]).arg(root.path()).output();
        let is_mounted = done.is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("nothing can be mounted here");
        }
        is_mounted.then_some(Self { root })
    }

    fn filler(&self) -> PathBuf {
        self.root.path().join("filler")
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.root.path()).status();
    }
}

fn options(dir: &Path) -> NodeOptions {
    NodeOptions {
        dir: dir.join("d"),
        owner_name: "ada".to_owned(),
        database: None,
        settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
        clock: Arc::new(SystemClock),
        tasks: Tasks::new(),
        outbound: Arc::new(bitrouter_node::outbound::NoOutbound),
    }
}

fn password() -> Password {
    Password::new("correct horse".into()).unwrap()
}

async fn is_there(node: &Node, name: &str) -> bool {
    node.list_users().await.unwrap().iter().any(|person| person.name == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn n33_rights_are_taken_away_on_a_full_disk_and_the_database_follows() {
    let Some(small) = Small::mount() else { return };
    let node = Node::open(options(small.root.path())).await.unwrap();
    for name in ["eve", "bob"] {
        node.add_user(name.parse().unwrap(), password()).await.unwrap();
    }
    let extra = namespaces::create(&node, node.owner(), "extra").await.unwrap();
    small.fill();
    // What is left in the write-ahead log is used up.
    let mut refused = None;
    for round in 0..1_000 {
        if let Err(error) = node.add_user(format!("x{round}").parse().unwrap(), password()).await {
            refused = Some(error);
            break;
        }
        small.fill();
    }
    let refused = refused.expect("the disk is never full");
    assert!(matches!(refused, PeopleError::Store(StoreError::Full { .. })), "{refused}");
    node.remove_user("eve").await.unwrap();
    namespaces::delete(&node, node.owner(), &extra.id.to_string()).await.unwrap();
    assert!(!is_there(&node, "eve").await, "somebody who was removed is listed");
    let listed = namespaces::list(&node, node.owner()).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["default"]);
    small.make_room();
    let deadline = tokio::time::timeout(Duration::from_secs(30), async {
        while node.revocations_pending() > 0 {
            tokio::task::yield_now().await;
        }
    });
    deadline.await.expect("the database never followed");
    assert!(!is_there(&node, "eve").await && is_there(&node, "bob").await);
    node.add_user("eve".parse().unwrap(), password()).await.unwrap();
    node.close().await;
}

fn is_said(node: &Node) -> bool {
    node.warnings().borrow().iter().any(|warning| matches!(warning, NodeWarning::DiskFull { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn n33_a_thousand_writes_without_room_leave_a_database_that_can_be_written() {
    let Some(small) = Small::mount() else { return };
    let node = Node::open(options(small.root.path())).await.unwrap();
    let database = small.root.path().join("d/node.db").display().to_string();
    for number in 0..20 {
        namespaces::create(&node, node.owner(), &format!("kept{number}")).await.unwrap();
    }
    let (mut refused, mut made) = (0, 0);
    for round in 0..1_000 {
        small.fill();
        match namespaces::create(&node, node.owner(), &format!("x{round}")).await {
            Ok(_) => made += 1,
            Err(error @ NamespaceError::Store(StoreError::Full { .. })) => {
                assert!(error.to_string().contains(&database), "{error}");
                refused += 1;
            }
            // What fits into what is left of the write-ahead log may be as many as there may be.
            Err(NamespaceError::Limit) => {
                namespaces::delete(&node, node.owner(), &format!("x{}", round - 1)).await.map(drop).unwrap();
            }
            Err(error) => panic!("round {round}: {error}"),
        }
        if round % 50 == 49 {
            namespaces::delete(&node, node.owner(), &format!("kept{}", round / 50)).await.unwrap();
            let log = std::fs::read_to_string(small.root.path().join("d/revoked.log")).unwrap();
            assert!(log.ends_with('\n') && log.lines().count() > round / 50, "what was said to be done is in no log");
        }
    }
    assert!(refused > 500, "{refused} refused, {made} made");
    tokio::time::timeout(Duration::from_secs(30), node.warnings().wait_for(|_| is_said(&node))).await.unwrap().unwrap();
    small.make_room();
    tokio::time::timeout(Duration::from_secs(30), node.warnings().wait_for(Vec::is_empty)).await.unwrap().unwrap();
    namespaces::create(&node, node.owner(), "after").await.unwrap();
    let listed = namespaces::list(&node, node.owner()).await.unwrap();
    assert!(listed.iter().all(|one| !one.name.starts_with("kept")) && listed.len() <= 2 + made, "{listed:?}");
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn n33_what_was_set_aside_outlives_a_start() {
    use std::os::unix::fs::MetadataExt as _;
    let Some(small) = Small::mount() else { return };
    let dir = small.root.path();
    let set_aside = || std::fs::metadata(dir.join("d/revoked.log")).unwrap().blocks() * 512;
    Node::open(options(dir)).await.unwrap().close().await;
    assert!(set_aside() >= 1 << 20, "{}", set_aside());
    small.fill();
    Node::open(options(dir)).await.unwrap_err();
    assert!(set_aside() >= 1 << 20, "{}", set_aside());
}

#[tokio::test(flavor = "multi_thread")]
async fn n33_a_full_disk_at_start_turns_the_node_off_and_room_turns_it_on() {
    let Some(small) = Small::mount() else { return };
    small.fill();
    let error = Node::open(options(small.root.path())).await.unwrap_err();
    assert!(matches!(error, OpenError::Full(_)) && error.may_pass(), "{error}");
    small.make_room();
    Node::open(options(small.root.path())).await.unwrap().close().await;
    small.fill();
    let error = Node::open(options(small.root.path())).await.unwrap_err();
    assert!(matches!(error, OpenError::Full(_)), "{error}");
    small.make_room();
    let node = Node::open(options(small.root.path())).await.unwrap();
    assert!(node.warnings().borrow().is_empty());
    node.close().await;
}
