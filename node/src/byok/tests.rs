//! What keys are sealed against comes and goes by the clock; what is stored stays where it was put.

#![expect(clippy::disallowed_methods, reason = "tests put old files back")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bitrouter_proto::{
    account::{PersonId, seal::sealed},
    tasks::Tasks,
};
use secrecy::ExposeSecret as _;

use super::*;
use crate::{
    Machine, Node, NodeOptions, NodeWarning, Settings,
    clock::{Clock as _, ManualClock, Moment},
    revocations::Revocation,
    secret::random_ulid,
    store::{ByokRow, KekRow, Misplaced, PersonRow},
};

const DAY: Duration = Duration::from_hours(24);

struct World {
    _root: tempfile::TempDir,
    dir: PathBuf,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_800_000_000_000)));
        Self { dir: root.path().join("d"), _root: root, clock }
    }

    async fn open(&self) -> Arc<Node> {
        let mut settings = Settings::default();
        settings.byok.providers = ["anthropic", "openai"].map(str::to_owned).into();
        let options = NodeOptions {
            dir: self.dir.clone(),
            owner_name: "ada".to_owned(),
            database: None,
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            clock: Arc::clone(&self.clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(crate::outbound::NoOutbound),
        };
        Node::open_on(options, Machine::this()).await.unwrap()
    }
}

async fn store(node: &Node, person: PersonId, provider: &str, key: &str) {
    let new = sealed(&node.byok.ring.current(), provider, &key.into(), None).unwrap();
    let sent = Submission {
        person,
        credential: "socket".to_owned(),
        may_move: true,
        provider: provider.to_owned(),
        ciphertext: new.ciphertext_b64,
        kek_id: new.kek_id,
        api_base: None,
    };
    let mut write = node.store.write().await.unwrap();
    let accepted = node.submit_key(&mut write, sent).await.unwrap();
    node.commit_key_of_owner(write, accepted).await.unwrap();
}

fn opened(node: &Node, person: PersonId, provider: &str) -> Option<String> {
    let key = node.byok.owners_key(person, provider)?;
    Some(key.open().map_or_else(|error| error.to_string(), |key| key.expose_secret().to_owned()))
}

async fn keks(node: &Node) -> usize {
    KekRow::all(&mut node.store.read().await.unwrap()).await.unwrap().len()
}

#[tokio::test]
async fn what_keys_are_sealed_against_is_replaced_after_ninety_days_and_goes_with_the_last_of_them() {
    let world = World::new();
    let node = world.open().await;
    let (owner, first) = (node.owner(), node.byok.ring.current().kek_id);
    store(&node, owner, "openai", "sk-first").await;
    world.clock.advance((90 * DAY).saturating_sub(Duration::from_secs(1)));
    node.look_after_stored_keys().await.unwrap();
    assert_eq!(node.byok.ring.current().kek_id, first);
    world.clock.advance(Duration::from_secs(1));
    node.look_after_stored_keys().await.unwrap();
    let second = node.byok.ring.current().kek_id;
    assert_ne!(second, first);
    // What it has sealed it opens, after a start too; nothing new is taken.
    assert_eq!(opened(&node, owner, "openai").as_deref(), Some("sk-first"));
    node.close().await;
    let node = world.open().await;
    assert_eq!((node.byok.ring.current().kek_id, keks(&node).await), (second.clone(), 2));
    assert_eq!(opened(&node, owner, "openai").as_deref(), Some("sk-first"));
    assert!(node.byok.ring.current_of(&first).is_none() && node.byok.ring.find(&first).is_some());
    let rotated = node.rotate_kek().await.unwrap();
    assert_eq!((rotated.previous_kek_id, rotated.sealed_earlier), (second.clone(), 1));
    // Nothing was sealed against the one in between.
    assert!(node.byok.ring.find(&second).is_none() && keks(&node).await == 2);
    store(&node, owner, "openai", "sk-second").await;
    assert!(node.byok.ring.find(&first).is_none() && keks(&node).await == 1, "the last key that named it is gone");
    assert_eq!(opened(&node, owner, "openai").as_deref(), Some("sk-second"));
    node.close().await;
}

#[tokio::test]
async fn n46_a_row_in_anothers_place_opens_nothing_and_is_no_absence() {
    let world = World::new();
    let node = world.open().await;
    let owner = node.owner();
    let eve = PersonId::new(random_ulid(world.clock.wall()));
    let mut write = node.store.write().await.unwrap();
    let row = PersonRow { id: eve, name: "eve".to_owned(), created_at: world.clock.wall(), has_password: false };
    row.insert(&mut write).await.unwrap();
    write.commit().await.unwrap();
    store(&node, owner, "openai", "sk-owner").await;
    store(&node, owner, "anthropic", "sk-other").await;
    node.close().await;
    for change in [Misplaced::Person(eve), Misplaced::Sealed("anthropic"), Misplaced::Address, Misplaced::Kek] {
        let before = std::fs::read(world.dir.join("node.db")).unwrap();
        let node = world.open().await;
        node.rotate_kek().await.unwrap();
        let mut write = node.store.write().await.unwrap();
        ByokRow::misplace(&mut write, "openai", change).await.unwrap();
        write.commit().await.unwrap();
        node.close().await;
        let node = world.open().await;
        let whose = if let Misplaced::Person(other) = change { other } else { owner };
        let key = node.byok.owners_key(whose, "openai").expect("it is there");
        assert!(key.open().is_err(), "{change:?}");
        node.close().await;
        std::fs::write(world.dir.join("node.db"), before).unwrap();
        std::fs::remove_file(world.dir.join("generation")).unwrap();
    }
}

#[tokio::test]
async fn a_deleted_or_replaced_key_stays_away_in_a_database_that_was_put_back() {
    let world = World::new();
    let node = world.open().await;
    let owner = node.owner();
    store(&node, owner, "openai", "sk-deleted").await;
    store(&node, owner, "anthropic", "sk-replaced").await;
    node.close().await;
    let old = std::fs::read(world.dir.join("node.db")).unwrap();
    let node = world.open().await;
    assert!(node.delete_key_of_owner(owner, "openai", "socket".to_owned()).await.unwrap());
    store(&node, owner, "anthropic", "sk-new").await;
    assert_eq!((opened(&node, owner, "openai"), opened(&node, owner, "anthropic").as_deref()), (None, Some("sk-new")));
    node.close().await;
    let log = std::fs::read_to_string(world.dir.join("revoked.log")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains(" stored_key ")).count(), 2, "{log}");
    std::fs::write(world.dir.join("node.db"), old).unwrap();
    std::fs::remove_file(world.dir.join("generation")).unwrap();
    let node = world.open().await;
    assert_eq!((opened(&node, owner, "openai"), opened(&node, owner, "anthropic")), (None, None));
    node.close().await;
}

#[tokio::test]
async fn a_person_who_is_removed_leaves_no_key_and_a_change_is_told_for_a_day() {
    let world = World::new();
    let node = world.open().await;
    let eve = PersonId::new(random_ulid(world.clock.wall()));
    let mut write = node.store.write().await.unwrap();
    let row = PersonRow { id: eve, name: "eve".to_owned(), created_at: world.clock.wall(), has_password: false };
    row.insert(&mut write).await.unwrap();
    write.commit().await.unwrap();
    store(&node, eve, "openai", "sk-eve").await;
    let tells = |node: &Node| node.warnings().borrow().iter().any(|one| matches!(one, NodeWarning::ByokChanged { .. }));
    assert!(tells(&node));
    let write = node.store.write().await.unwrap();
    let _ = node.revoke(write, Revocation::Person(eve)).await.unwrap();
    assert!(opened(&node, eve, "openai").is_none() && node.byok.is_empty());
    node.close().await;
    let node = world.open().await;
    assert!(opened(&node, eve, "openai").is_none() && tells(&node));
    world.clock.advance(DAY + Duration::from_secs(1));
    node.look_after_stored_keys().await.unwrap();
    assert!(!tells(&node));
    node.close().await;
}

#[tokio::test]
async fn uses_and_failures_are_written_now_and_then() {
    use bitrouter_gateway::ports::KeyFailure;
    let world = World::new();
    let node = world.open().await;
    let owner = node.owner();
    store(&node, owner, "openai", "sk-x").await;
    let key = node.byok.owners_key(owner, "openai").unwrap();
    key.used();
    key.failed(KeyFailure::Rejected);
    let shown = |node: &Node| {
        let row = node.byok.of(owner).remove(0);
        (row.last_used_at, row.last_failure_at, row.last_failure_kind)
    };
    let now = Some(world.clock.wall().to_string());
    assert_eq!(shown(&node), (now.clone(), now.clone(), Some("rejected".to_owned())));
    node.close().await;
    let node = world.open().await;
    assert_eq!(shown(&node), (now.clone(), now, Some("rejected".to_owned())));
    node.close().await;
}
