//! A database as each migration left it is opened by this release, and says what it said. `node/examples/keep_database.rs` made
//! it.

#![expect(clippy::disallowed_methods, reason = "a checkout has other modes than a node's directory")]

use std::{
    fmt::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use bitrouter_node::{
    Machine, Node, NodeOptions, Settings,
    clock::{ManualClock, Moment},
    people::namespaces,
};
use bitrouter_proto::{account::Role, tasks::Tasks};

/// SHA-256 of each migration: a database has run it as it stood, so that it can never say anything else.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001.sql", "8ca6b89696b24e5ed51ff84af601c0695142910581b58c6110cd4c09b58c7ae3"),
    ("0002.sql", "c0b251916c15906da411056b74437535ba064d79365943a1f01800750fb4f78d"),
    ("0003.sql", "a4b001db75f0f6864556b1cb36038c347623847b3f28821075422386c8d3d79b"),
    ("0004.sql", "0fd300e73838876cb6a8be41b75be06b51affd071eae7ebe0490df4661499b3b"),
    ("0005.sql", "80417362fea28bdacc2eaa149c1b429ffb8820b1f6239e18d3f2796c8be5b26d"),
    ("0006.sql", "f9cfe0ef9e09fbbaef7ab858a53559d22f940eb7c3ba6d51a55eeebb75fee56e"),
    ("0007.sql", "5d0800b84f979282ca8979b1d750711b0507852be219bfe9b16f3c954621a0e7"),
];

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/node")
}

#[test]
fn migrations_are_frozen() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations");
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, MIGRATIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, hash) in MIGRATIONS {
        let text = std::fs::read(folder.join(name)).unwrap();
        let found = ring::digest::digest(&ring::digest::SHA256, &text);
        let found = found.as_ref().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        assert_eq!(found, *hash, "{name} was changed; a change is a further migration");
        let database = kept().join(name.trim_end_matches(".sql"));
        assert!(database.join("node.db").exists(), "no database as {name} left it is kept");
    }
}

#[tokio::test]
async fn each_kept_database_is_opened() {
    for (name, _) in MIGRATIONS {
        let from = kept().join(name.trim_end_matches(".sql"));
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("d");
        std::fs::create_dir(&dir).unwrap();
        for file in ["node.db", "node.key", "revoked.log", "generation"] {
            std::fs::copy(from.join(file), dir.join(file)).unwrap();
            std::fs::set_permissions(dir.join(file), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let options = NodeOptions {
            dir,
            owner_name: "somebody else".to_owned(),
            database: None,
            settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
            clock: Arc::new(ManualClock::new(Moment::from_millis(1_790_000_060_000))),
            tasks: Tasks::new(),
            outbound: Arc::new(bitrouter_node::outbound::NoOutbound),
        };
        let node = Node::open_on(options, Machine { id: "a".repeat(32), ..Machine::this() }).await.unwrap();
        assert!(node.warnings().borrow().is_empty(), "{name}: {:?}", node.warnings().borrow());
        let mut people: Vec<_> = node.list_users().await.unwrap().into_iter().map(|one| one.name).collect();
        people.sort();
        assert_eq!(people, ["Ada", "owner"], "{name}");
        let own = namespaces::list(&node, node.owner()).await.unwrap();
        let mut own: Vec<_> = own.into_iter().map(|one| one.name).collect();
        own.sort();
        assert_eq!(own, ["default", "work"], "{name}");
        // What only a later release wrote.
        let has_keys = *name >= "0003.sql";
        let roles: Vec<_> = node.list_members("work").await.unwrap().into_iter().map(|one| one.role).collect();
        assert_eq!(roles.contains(&Role::Member), has_keys, "{name}");
        assert_eq!(node.list_operator_keys().await.unwrap().len(), usize::from(has_keys), "{name}");
        node.close().await;
    }
}
