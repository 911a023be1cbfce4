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
    Node, NodeOptions, OpenError, Settings,
    clock::SystemClock,
    people::{Password, PeopleError, namespaces},
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
        settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
        clock: Arc::new(SystemClock),
        tasks: Tasks::new(),
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
    assert!(matches!(refused, PeopleError::Store(StoreError::Full(_))), "{refused}");
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
