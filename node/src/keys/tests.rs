//! Keys under roles that change, at their limit, with a database that cannot follow, and in any order of events.

#![expect(clippy::disallowed_methods, reason = "tests put old files back")]

use std::{path::PathBuf, time::Duration};

use arc_swap::ArcSwap;
use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_proto::{
    account::{Name, PersonId, Role},
    tasks::Tasks,
};
use bitrouter_test_postgres::{Database, wanted};
use secrecy::{ExposeSecret as _, SecretString};

use super::*;
use crate::{
    Machine, NodeOptions, NodeWarning, Settings,
    clock::ManualClock,
    oauth::live::TokenRefused,
    revocations::Revocation,
    secret::{Token, TokenKind, random_bytes, random_ulid},
    store::{PersonRow, PostgresUrl},
};

struct World {
    _root: tempfile::TempDir,
    dir: PathBuf,
    clock: Arc<ManualClock>,
    database: Option<Database>,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_800_000_000_000)));
        Self { dir: root.path().join("d"), _root: root, clock, database: wanted() }
    }

    async fn open(&self) -> Arc<Node> {
        let options = NodeOptions {
            dir: self.dir.clone(),
            owner_name: "ada".to_owned(),
            database: self.database.as_ref().map(|database| PostgresUrl::parse(database.url().into()).unwrap()),
            settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
            clock: Arc::clone(&self.clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(crate::outbound::NoOutbound),
        };
        Node::open_on(options, Machine::this()).await.unwrap()
    }
}

/// A person who is `role` in the first namespace.
async fn member(node: &Node, name: &str, role: Role) -> PersonId {
    let created_at = node.clock.wall();
    let id = PersonId::new(random_ulid(created_at));
    let mut write = node.store.write().await.unwrap();
    PersonRow { id, name: name.to_owned(), created_at, has_password: false }.insert(&mut write).await.unwrap();
    write.commit().await.unwrap();
    node.roles.give(node.first_namespace(), id, role);
    id
}

fn by_person(node: &Node, person: PersonId) -> Minter {
    let namespace = node.first_namespace();
    let scopes = node.roles.of(person, namespace).map_or(ScopeSet::EMPTY, Role::scopes);
    Minter { person, namespace, scopes, credential: None }
}

fn by_key(node: &Node, token: &SecretString) -> Option<Minter> {
    let principal = present(node, token)?;
    let Principal { person, namespace, scopes, credential } = principal;
    Some(Minter { person, namespace, scopes, credential: Some(credential) })
}

fn present(node: &Node, token: &SecretString) -> Option<Principal> {
    match node.judge(token.expose_secret().as_bytes()) {
        Ok(Caller::Credential(principal)) => Some(principal),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

async fn minted(node: &Node, minter: &Minter, scopes: ScopeSet) -> Result<(KeyId, SecretString), KeyError> {
    let name: Name = "k".parse().unwrap();
    let mut write = node.store.write().await.unwrap();
    let Minted { row, token } = mint(node, &mut write, minter, Wanted { name, scopes, expires_at: None }).await?;
    node.commit_key(write, &row).await?;
    Ok((row.id, token.text().clone()))
}

fn set(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

#[tokio::test]
async fn n24_a_key_can_do_what_its_persons_role_allows_now() {
    let world = World::new();
    let node = world.open().await;
    let eve = member(&node, "eve", Role::Admin).await;
    let wanted = set("inference:invoke policy:write usage:read keys:write");
    let (id, token) = minted(&node, &by_person(&node, eve), wanted).await.unwrap();
    let (_, below) = minted(&node, &by_key(&node, &token).unwrap(), set("policy:write usage:read")).await.unwrap();
    for (role, expected) in [
        (Role::Admin, "inference:invoke policy:write usage:read keys:write"),
        (Role::Member, "inference:invoke usage:read keys:write"),
        (Role::Viewer, "usage:read"),
        (Role::Admin, "inference:invoke policy:write usage:read keys:write"),
    ] {
        node.roles.give(node.first_namespace(), eve, role);
        assert_eq!(present(&node, &token).unwrap().scopes, set(expected), "{role:?}");
        assert_eq!(present(&node, &below).unwrap().scopes, set(expected).intersection(set("policy:write usage:read")));
    }
    // What a viewer's key may not is not minted with it, though it was issued.
    node.roles.give(node.first_namespace(), eve, Role::Viewer);
    let narrow = by_key(&node, &token).unwrap();
    assert!(matches!(minted(&node, &narrow, set("policy:write")).await, Err(KeyError::Exceeds(_))));
    // Nor where the role changed between the judgement and the turn to write.
    node.roles.give(node.first_namespace(), eve, Role::Admin);
    let wide = by_person(&node, eve);
    node.roles.give(node.first_namespace(), eve, Role::Viewer);
    assert!(matches!(minted(&node, &wide, set("policy:write")).await, Err(KeyError::Exceeds(_))));
    node.roles.take(node.first_namespace(), eve);
    assert!(present(&node, &token).is_none() && present(&node, &below).is_none());
    assert!(matches!(minted(&node, &wide, set("usage:read")).await, Err(KeyError::MinterEnded)));
    assert_eq!(node.keys(node.first_namespace()).await.unwrap().len(), 2);
    assert_eq!(shown(id).len(), 12);
    node.close().await;
}

#[tokio::test]
async fn keys_of_others_are_revoked_by_an_admin_or_the_owner_alone() {
    let world = World::new();
    let node = world.open().await;
    let (owner, first) = (node.owner(), node.first_namespace());
    let (eve, bob) = (member(&node, "eve", Role::Member).await, member(&node, "bob", Role::Admin).await);
    let (of_eve, _) = minted(&node, &by_person(&node, eve), set("usage:read")).await.unwrap();
    let (of_owner, token) = minted(&node, &by_person(&node, owner), set("usage:read")).await.unwrap();
    let refused = node.revoke_key(first, of_owner, eve, Some(Role::Member)).await;
    assert!(matches!(refused, Err(KeyError::Others)), "{refused:?}");
    assert!(present(&node, &token).is_some());
    node.revoke_key(first, of_owner, bob, Some(Role::Admin)).await.unwrap();
    assert!(present(&node, &token).is_none());
    node.revoke_key(first, of_eve, eve, Some(Role::Member)).await.unwrap();
    assert!(!node.keys.holds(of_eve));
    node.close().await;
}

#[tokio::test]
async fn a_namespace_has_ten_thousand_live_keys_at_most_and_they_cost_little() {
    let world = World::new();
    let node = world.open().await;
    let owner = by_person(&node, node.owner());
    let now = node.clock.wall();
    let mut write = node.store.write().await.unwrap();
    let row = |expires_at| ApiKeyRow {
        id: KeyId::new(random_ulid(now)),
        hash: crate::secret::TokenHash::of(&random_bytes::<16>()),
        namespace: Some(owner.namespace),
        person: owner.person,
        name: "k".to_owned(),
        scopes: set("usage:read"),
        parent: None,
        grant: None,
        client_id: None,
        depth: 0,
        created_at: now,
        expires_at,
        last_used_at: None,
        suspended_at: None,
        revoked_at: None,
    };
    for at in 0..MOST - 1 {
        row((at % 2 == 0).then(|| now.after(Duration::from_hours(1)))).insert(&mut write).await.unwrap();
    }
    write.commit().await.unwrap();
    node.close().await;
    let node = world.open().await;
    let (last, token) = minted(&node, &owner, set("usage:read")).await.unwrap();
    let refused = minted(&node, &owner, set("usage:read")).await;
    assert!(matches!(refused, Err(KeyError::TooMany)), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("10000"));
    // Another's namespace is counted apart, and so are the operator's keys.
    node.mint_operator_key("p", None).await.unwrap();
    assert!(node.keys.bytes() < 4 << 20, "{} bytes", node.keys.bytes());
    assert_eq!(node.keys(owner.namespace).await.unwrap().len(), MOST);
    // One less, one more; and what has expired makes room.
    node.revoke_key(owner.namespace, last, owner.person, Some(Role::Owner)).await.unwrap();
    assert!(present(&node, &token).is_none());
    minted(&node, &owner, set("usage:read")).await.unwrap();
    assert!(matches!(minted(&node, &owner, set("usage:read")).await, Err(KeyError::TooMany)));
    world.clock.advance(Duration::from_hours(2));
    minted(&node, &owner, set("usage:read")).await.unwrap();
    node.keys.sweep();
    assert!(node.keys.count_in(Some(owner.namespace)) <= MOST / 2 + 1);
    node.close().await;
}

#[tokio::test]
async fn without_the_log_every_key_waits_for_somebody_to_confirm_it() {
    let world = World::new();
    let node = world.open().await;
    let owner = by_person(&node, node.owner());
    let (id, token) = minted(&node, &owner, set("usage:read keys:write")).await.unwrap();
    let (_, other) = minted(&node, &owner, set("usage:read")).await.unwrap();
    let operators = node.mint_operator_key("p", None).await.unwrap();
    node.close().await;
    std::fs::remove_file(world.dir.join("revoked.log")).unwrap();
    let node = world.open().await;
    let suspended = |node: &Node| {
        let said = node.warnings().borrow().iter().find_map(|warning| match warning {
            NodeWarning::KeysSuspended { count } => Some((*count, warning.command()?.to_owned())),
            _ => None,
        });
        said.map_or(0, |(count, command)| {
            assert_eq!(command, "bitrouter node keys confirm");
            count
        })
    };
    assert_eq!(suspended(&node), 3);
    let listed = node.keys(owner.namespace).await.unwrap();
    assert!(listed.len() == 2 && listed.iter().all(|key| key.suspended_at.is_some()), "{listed:?}");
    let refused = node.judge(token.expose_secret().as_bytes()).unwrap_err();
    assert_eq!(refused, TokenRefused::Suspended(id));
    assert!(refused.to_string().contains(&id.to_string()) && !refused.to_string().contains(token.expose_secret()));
    assert_eq!(node.judge(operators.token.as_bytes()), Err(TokenRefused::Suspended(operators.id)));
    // Whoever guesses only the id is told nothing of that.
    let forged = Token::of_seed(TokenKind::Key, id.ulid(), &[7; 32]);
    assert_eq!(node.judge(forged.text().expose_secret().as_bytes()), Err(TokenRefused::Key));
    assert_eq!(node.confirm_keys(Some(id)).await.unwrap(), 1);
    assert!(present(&node, &token).is_some() && present(&node, &other).is_none());
    assert_eq!(node.keys(owner.namespace).await.unwrap().iter().filter(|key| key.suspended_at.is_some()).count(), 1);
    node.close().await;
    let node = world.open().await;
    assert!(present(&node, &token).is_some() && present(&node, &other).is_none());
    // It is said at each start until somebody has decided, be it by revoking.
    assert_eq!(suspended(&node), 2);
    node.revoke_operator_key(operators.id).await.unwrap();
    assert_eq!(suspended(&node), 1);
    assert_eq!(node.confirm_keys(None).await.unwrap(), 1);
    assert_eq!(suspended(&node), 0);
    assert!(present(&node, &other).is_some());
    node.close().await;
}

#[tokio::test]
async fn a_revoked_key_stays_so_in_a_database_that_cannot_follow_or_was_put_back() {
    let world = World::new();
    let node = world.open().await;
    let owner = by_person(&node, node.owner());
    let (id, token) = minted(&node, &owner, set("usage:read keys:write")).await.unwrap();
    let (_, below) = minted(&node, &by_key(&node, &token).unwrap(), set("usage:read")).await.unwrap();
    let (_, kept) = minted(&node, &owner, set("usage:read")).await.unwrap();
    node.close().await;
    let old = std::fs::read(world.dir.join("node.db")).unwrap();
    let node = world.open().await;
    node.revoke_key(owner.namespace, id, owner.person, Some(Role::Owner)).await.unwrap();
    node.close().await;
    std::fs::write(world.dir.join("node.db"), old).unwrap();
    std::fs::remove_file(world.dir.join("generation")).unwrap();
    let node = world.open().await;
    node.confirm_keys(None).await.unwrap();
    assert!(present(&node, &token).is_none() && present(&node, &below).is_none(), "what was revoked is back");
    assert!(present(&node, &kept).is_some());
    // As on a full disk: the line is written, the transaction is not.
    let (id, token) = minted(&node, &owner, set("usage:read")).await.unwrap();
    let line = node.revoked_log.append(node.clock.wall(), Revocation::Key(id)).unwrap();
    node.store.pending().add(line);
    node.keys.end_key(id);
    assert!(present(&node, &token).is_none());
    let listed = node.keys(owner.namespace).await.unwrap();
    assert!(listed.iter().find(|key| key.id == id).unwrap().revoked_at.is_some(), "it is listed as if it held");
    node.close().await;
}

#[tokio::test]
async fn a_secret_that_was_replaced_does_not_come_back_with_an_older_database() {
    let world = World::new();
    let node = world.open().await;
    let owner = by_person(&node, node.owner());
    let (id, former) = minted(&node, &owner, set("usage:read")).await.unwrap();
    node.close().await;
    let old = std::fs::read(world.dir.join("node.db")).unwrap();
    let node = world.open().await;
    let wanted = Wanted { name: "k".parse().unwrap(), scopes: set("usage:read"), expires_at: None };
    let write = node.store.write().await.unwrap();
    let again = again(&node, write, &owner, &wanted, id).await.unwrap();
    assert!(present(&node, &former).is_none() && present(&node, again.token.text()).is_some());
    node.close().await;
    let node = world.open().await;
    assert!(present(&node, &former).is_none() && present(&node, again.token.text()).is_some());
    node.close().await;
    std::fs::write(world.dir.join("node.db"), old).unwrap();
    std::fs::remove_file(world.dir.join("generation")).unwrap();
    let node = world.open().await;
    assert!(present(&node, &former).is_none(), "the former one is back");
    node.close().await;
}

#[tokio::test]
async fn nobody_mints_with_what_has_ended_meanwhile() {
    let world = World::new();
    let node = world.open().await;
    let owner = by_person(&node, node.owner());
    let (id, token) = minted(&node, &owner, set("usage:read keys:write")).await.unwrap();
    let minter = by_key(&node, &token).unwrap();
    node.revoke_key(owner.namespace, id, owner.person, Some(Role::Owner)).await.unwrap();
    assert!(matches!(minted(&node, &minter, set("usage:read")).await, Err(KeyError::MinterEnded)));
    // A session that never was is as good as one that has ended.
    let credential = Some(CredentialId::Grant(GrantId::new(random_ulid(node.clock.wall()))));
    let minter = Minter { credential, ..owner };
    assert!(matches!(minted(&node, &minter, set("usage:read")).await, Err(KeyError::MinterEnded)));
    node.close().await;
}

#[tokio::test]
async fn a_key_of_the_future_ends_when_it_was_to_and_no_later() {
    let world = World::new();
    let node = world.open().await;
    let owner = by_person(&node, node.owner());
    let start = node.clock.wall();
    world.clock.set_wall(start.after(Duration::from_hours(24 * 365)));
    let end = Some(node.clock.wall().after(Duration::from_hours(1)));
    let mut write = node.store.write().await.unwrap();
    let wanted = Wanted { name: "k".parse().unwrap(), scopes: set("usage:read"), expires_at: end };
    let Minted { row, token } = mint(&node, &mut write, &owner, wanted).await.unwrap();
    node.commit_key(write, &row).await.unwrap();
    node.close().await;
    world.clock.set_wall(start);
    let node = world.open().await;
    assert!(present(&node, token.text()).is_some());
    world.clock.advance(Duration::from_mins(61));
    assert!(present(&node, token.text()).is_none(), "it lives for as long as the clock was wrong");
    node.close().await;
}

/// What may happen to credentials, in any order.
#[derive(Clone, Debug)]
enum Event {
    Mint { by: usize, scopes: u32 },
    Revoke { which: usize },
    Role { role: usize },
    Pass { hours: u64 },
    Start,
}

fn event() -> impl proptest::strategy::Strategy<Value = Event> {
    use proptest::prelude::*;
    prop_oneof![
        6 => (any::<usize>(), any::<u32>()).prop_map(|(by, scopes)| Event::Mint { by, scopes }),
        2 => any::<usize>().prop_map(|which| Event::Revoke { which }),
        2 => (0..4_usize).prop_map(|role| Event::Role { role }),
        1 => (1..40_u64).prop_map(|hours| Event::Pass { hours }),
        1 => Just(Event::Start),
    ]
}

/// A key as the test remembers it.
struct Known {
    id: KeyId,
    token: SecretString,
    parent: Option<usize>,
    /// The most that it may ever do.
    most: ScopeSet,
    is_revoked: bool,
}

fn is_open(known: &[Known], at: usize) -> bool {
    !known[at].is_revoked && known[at].parent.is_none_or(|parent| is_open(known, parent))
}

async fn play(events: Vec<Event>) {
    let world = World::new();
    let mut node = world.open().await;
    let eve = member(&node, "eve", Role::Admin).await;
    let mut role = Some(Role::Admin);
    let mut known: Vec<Known> = Vec::new();
    for event in events {
        match event {
            Event::Mint { by, scopes } => {
                let asked: ScopeSet =
                    Scope::ALL.iter().copied().filter(|scope| scopes >> *scope as u8 & 1 == 1).collect();
                // Half of them ask for no more than there is: else few would be minted.
                let parent = (!known.is_empty()).then(|| by % (known.len() + 1)).filter(|at| *at < known.len());
                let minter = match parent {
                    Some(at) => by_key(&node, &known[at].token),
                    None => Some(by_person(&node, eve)),
                };
                let Some(minter) = minter else { continue };
                let asked =
                    if scopes & 1 << 31 == 0 { asked } else { asked.intersection(minter.scopes).without(NEVER) };
                if let Ok((id, token)) = minted(&node, &minter, asked).await {
                    assert!(minter.scopes.is_superset(asked) && !asked.contains(Scope::ByokWrite), "{asked}");
                    known.push(Known { id, token, parent, most: minter.scopes, is_revoked: false });
                }
            }
            Event::Revoke { which } if !known.is_empty() => {
                let at = which % known.len();
                let done = node.revoke_key(node.first_namespace(), known[at].id, eve, Some(Role::Owner)).await;
                done.unwrap();
                known[at].is_revoked = true;
            }
            Event::Revoke { .. } => {}
            Event::Role { role: at } => {
                role = [None, Some(Role::Viewer), Some(Role::Member), Some(Role::Admin)][at];
                match role {
                    Some(role) => node.roles.give(node.first_namespace(), eve, role),
                    None => node.roles.take(node.first_namespace(), eve),
                }
            }
            Event::Pass { hours } => world.clock.advance(Duration::from_hours(hours)),
            Event::Start => {
                node.close().await;
                node = world.open().await;
                if let Some(role) = role {
                    node.roles.give(node.first_namespace(), eve, role);
                }
            }
        }
        let allowed = role.map_or(ScopeSet::EMPTY, Role::scopes);
        for at in 0..known.len() {
            let found = present(&node, &known[at].token);
            assert_eq!(found.is_some(), is_open(&known, at) && role.is_some(), "{at}");
            let Some(principal) = found else { continue };
            let mut above = Some(at);
            while let Some(at) = above {
                assert!(known[at].most.is_superset(principal.scopes), "wider than above");
                above = known[at].parent;
            }
            assert!(allowed.is_superset(principal.scopes), "wider than the role");
            assert_eq!(node.chain_of(principal.credential).unwrap().keys[0], known[at].id);
        }
    }
    node.close().await;
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 12, ..Default::default() })]
    #[test]
    fn p08_no_sequence_of_events_widens_a_key(events in proptest::collection::vec(event(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(events));
    }
}

bitrouter_test_postgres::once_more_on_postgres!(
    n24_a_key_can_do_what_its_persons_role_allows_now,
    keys_of_others_are_revoked_by_an_admin_or_the_owner_alone,
    without_the_log_every_key_waits_for_somebody_to_confirm_it,
    nobody_mints_with_what_has_ended_meanwhile,
    a_key_of_the_future_ends_when_it_was_to_and_no_later,
);
