//! What somebody did in a window: whose calls count, from when on, also where rows are gone.

use bitrouter_proto::account::{GrantId, KeyId, policy::Funding};

use super::{super::history::Slice, *};
use crate::{
    oauth::ClientId,
    policy::PrincipalId,
    store::{ApiKeyRow, GrantRow},
};

fn key(number: u64) -> KeyId {
    KeyId::new(Ulid::from_parts(3, u128::from(number)))
}

fn session(number: u64) -> GrantId {
    GrantId::new(Ulid::from_parts(4, u128::from(number)))
}

impl World {
    /// A namespace of person 0, a session of theirs with keys 1 ‹ 2 ‹ 3, and key 9 of person 1 that nobody else has to do with.
    async fn with_keys() -> Self {
        let world = Self::new().await;
        world
            .change(async |write| {
                for number in 0..2 {
                    let name = format!("person {number}");
                    execute!(
                        write,
                        "INSERT INTO persons (id, name, folded_name, display_name, created_at) VALUES ($1, $2, $2, $2, 0)",
                        person(number).to_string(),
                        &name,
                    )?;
                    execute!(
                        write,
                        "INSERT INTO namespaces (id, owner_id, name, created_at) VALUES ($1, $2, 'home', 0)",
                        namespace(number).to_string(),
                        person(number).to_string(),
                    )?;
                }
                execute!(
                    write,
                    "INSERT INTO grants (id, client_id, person_id, namespace_id, scopes, generation, created_at,
                                         last_used_at, idle_expires_at, expires_at)
                     VALUES ($1, 'bitrouter-cli', $2, $3, '', 1, 0, 0, 0, 0)",
                    session(1).to_string(),
                    person(0).to_string(),
                    namespace(0).to_string(),
                )?;
                for (number, parent) in [(1, None), (2, Some(1)), (3, Some(2)), (9, None)] {
                    let is_ours = number != 9;
                    execute!(
                        write,
                        "INSERT INTO api_keys (id, hash, namespace_id, person_id, name, scopes, parent_key_id,
                                               grant_id, client_id, depth, created_at)
                         VALUES ($1, $1, $2, $3, '', '', $4, $5, $6, 0, 0)",
                        key(number).to_string(),
                        namespace(0).to_string(),
                        person(u64::from(!is_ours)).to_string(),
                        parent.map(|parent| key(parent).to_string()),
                        is_ours.then(|| session(1).to_string()),
                        is_ours.then_some("bitrouter-cli"),
                    )?;
                }
                Ok(())
            })
            .await;
        world
    }

    /// A settled call in namespace 0: it cost ten times what left the credit.
    async fn call(&self, number: u64, credential: &str, created_at: i64, charge: i64) {
        let opening = Admitted { credential: credential.to_owned(), ..admitted(number, created_at) };
        let end = Settled { cost: Some(charge * 10), ..settled(number, "succeeded", charge) };
        self.apply(&[record(Kind::Admitted(opening)), record(Kind::Settled(end))]).await;
    }

    /// What was spent from `from` on, and when the first of it was admitted; as rows tell, or as sums of hours do.
    async fn spent(&self, spender: PrincipalId, funding: Funding, from: i64, slice: i64) -> (i64, Option<i64>) {
        let mut read = self.store.read().await.unwrap();
        let now = at(START + 9 * HOUR);
        let slices = history(&mut read, namespace(0), spender, at(from), now, slice).await.unwrap();
        let amount = |slice: &Slice| match funding {
            Funding::Any => slice.cost.micros(),
            Funding::Credit => slice.charge.micros(),
        };
        let oldest = slices.iter().find(|slice| amount(slice) > 0).map(|slice| slice.oldest.millis());
        (slices.iter().map(amount).sum(), oldest)
    }
}

/// As exactly as rows are.
const FINE: i64 = 1;
/// As sums of hours are.
const COARSE: i64 = HOUR;

#[tokio::test]
async fn each_spender_has_spent_what_its_credentials_have() {
    let world = World::with_keys().await;
    let spenders = [key(1).to_string(), key(2).to_string(), key(3).to_string(), key(9).to_string()];
    for (number, credential) in (0_u32..).zip(&spenders) {
        world.call(number.into(), credential, START + i64::from(number), 10_i64.pow(number)).await;
    }
    world.call(4, &session(1).to_string(), START + 4, 10_000).await;
    world.call(5, "keyless", START + 5, 100_000).await;
    for (spender, sum, oldest) in [
        (PrincipalId::ApiKey(key(1)), 111, 0),
        (PrincipalId::ApiKey(key(2)), 110, 1),
        (PrincipalId::ApiKey(key(3)), 100, 2),
        (PrincipalId::ApiKey(key(9)), 1_000, 3),
        (PrincipalId::OauthToken(session(1)), 10_111, 0),
        (PrincipalId::OauthClient(ClientId::BuiltIn("bitrouter-cli")), 10_111, 0),
        (PrincipalId::User(person(0)), 110_111, 0),
        (PrincipalId::User(person(1)), 1_000, 3),
        (PrincipalId::Namespace(namespace(0)), 111_111, 0),
    ] {
        for from in [START, START - 30 * DAY, 0] {
            let expected = (sum, Some(START + oldest));
            assert_eq!(world.spent(spender, Funding::Credit, from, FINE).await, expected, "{spender} {from}");
            assert_eq!(world.spent(spender, Funding::Any, from, FINE).await, (sum * 10, expected.1), "{spender}");
            let by_hours = world.spent(spender, Funding::Any, from, COARSE).await;
            assert_eq!(by_hours, (sum * 10, Some(START)), "{spender} {from}");
        }
        for slice in [FINE, COARSE] {
            assert_eq!(world.spent(spender, Funding::Any, START + 6, slice).await, (0, None), "{spender}");
        }
    }
    for nobody in [
        PrincipalId::ApiKey(key(4)),
        PrincipalId::OauthToken(session(2)),
        PrincipalId::OauthClient(ClientId::BuiltIn("tokenroute-cli")),
    ] {
        assert_eq!(world.spent(nobody, Funding::Any, 0, COARSE).await, (0, None), "{nobody}");
    }
}

#[tokio::test]
async fn a_window_is_exact_to_the_row() {
    let world = World::with_keys().await;
    let spender = PrincipalId::ApiKey(key(1));
    for number in 0..48_u32 {
        let credential = key(u64::from(number % 2 + 1)).to_string();
        world.call(number.into(), &credential, START + i64::from(number) * 10 * MINUTE, 1).await;
    }
    for from in [0, 1, 10 * MINUTE + 1, 55 * MINUTE, 60 * MINUTE, 7 * HOUR + 50 * MINUTE, 8 * HOUR] {
        let expected: i64 = (0..48).map(|number| i64::from(number * 10 * MINUTE >= from)).sum();
        let first = (0..48).map(|number| number * 10 * MINUTE).find(|at| *at >= from);
        for slice in [FINE, COARSE] {
            let found = world.spent(spender, Funding::Credit, START + from, slice).await;
            // An hour that is whole in the window begins with itself, and here with a call.
            assert_eq!(found, (expected, first.map(|at| START + at)), "{from} {slice}");
        }
    }
}

#[tokio::test]
async fn what_is_open_or_free_is_not_spent() {
    let world = World::with_keys().await;
    world.apply(&[record(Kind::Admitted(Admitted { credential: key(1).to_string(), ..admitted(1, START) }))]).await;
    world.call(2, &key(1).to_string(), START + 1, 0).await;
    let spender = PrincipalId::ApiKey(key(1));
    assert_eq!(world.spent(spender, Funding::Any, 0, FINE).await, (0, None));
    world.call(3, &key(1).to_string(), START + 2, 5).await;
    assert_eq!(world.spent(spender, Funding::Credit, 0, FINE).await, (5, Some(START + 2)));
    let (_, oldest) = world.spent(PrincipalId::Namespace(namespace(0)), Funding::Credit, START, FINE).await;
    assert_eq!(oldest, Some(START + 2));
}

#[tokio::test]
async fn what_was_pruned_counts_by_its_hour() {
    let world = World::with_keys().await;
    world.call(1, &key(2).to_string(), START + 7 * MINUTE, 3).await;
    world.call(2, &key(1).to_string(), START + 2 * HOUR, 4).await;
    while world.change(async |write| prune(write, at(START + HOUR), 10).await).await {}
    for spender in
        [PrincipalId::ApiKey(key(1)), PrincipalId::OauthToken(session(1)), PrincipalId::Namespace(namespace(0))]
    {
        for slice in [FINE, COARSE] {
            assert_eq!(world.spent(spender, Funding::Credit, 0, slice).await, (7, Some(START)), "{spender} {slice}");
            let later = world.spent(spender, Funding::Credit, START + MINUTE, slice).await;
            assert_eq!(later, (4, Some(START + 2 * HOUR)), "{spender} {slice}");
        }
    }
}

#[tokio::test]
async fn what_is_long_gone_still_tells_whose_calls_they_were() {
    let world = World::with_keys().await;
    world.call(1, &key(2).to_string(), START, 3).await;
    world.call(2, &session(1).to_string(), START, 4).await;
    world
        .change(async |write| {
            execute!(write, "UPDATE api_keys SET revoked_at = 1")?;
            // From below, a link a round.
            for _ in 0..4 {
                ApiKeyRow::sweep(write, at(START)).await?;
                GrantRow::sweep(write, at(START)).await?;
            }
            Ok(())
        })
        .await;
    assert_eq!(world.number("SELECT COUNT(*) FROM api_keys").await, 2, "the key that has spent, and the one above it");
    for (spender, sum) in [
        (PrincipalId::ApiKey(key(1)), 3),
        (PrincipalId::OauthToken(session(1)), 7),
        (PrincipalId::OauthClient(ClientId::BuiltIn("bitrouter-cli")), 7),
        (PrincipalId::User(person(0)), 7),
    ] {
        assert_eq!(world.spent(spender, Funding::Credit, 0, COARSE).await.0, sum, "{spender}");
    }
}

bitrouter_test_postgres::once_more_on_postgres!(
    each_spender_has_spent_what_its_credentials_have,
    a_window_is_exact_to_the_row,
    what_is_open_or_free_is_not_spent,
    what_was_pruned_counts_by_its_hour,
    what_is_long_gone_still_tells_whose_calls_they_were,
);
