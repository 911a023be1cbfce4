//! N30: pages that stay while rows arrive; what credentials see of others' debits.

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn n30_a_page_goes_on_where_the_last_one_ended_while_rows_arrive() {
    let world = World::new().await;
    let batch: Vec<Record> = (0..50).map(|number| add(number, START)).collect();
    world.apply(&batch).await;
    let mut seen = Vec::new();
    let (mut cursor, mut next) = (None, 50);
    loop {
        let page = requests_page(&mut world.store.read().await.unwrap(), namespace(0), cursor, 7, 0).await.unwrap();
        let Some(last) = page.last() else { break };
        cursor = Some(last.id);
        seen.extend(page.into_iter().map(|row| row.id));
        world.apply(&[add(next, START), end(next - 50, 1)]).await;
        next += 1;
    }
    let expected: Vec<_> = (0..50).rev().map(row_id).collect();
    assert_eq!(seen, expected);
    let offset = requests_page(&mut world.store.read().await.unwrap(), namespace(0), None, 2, 10).await.unwrap();
    assert_eq!(offset.iter().map(|row| row.id).collect::<Vec<_>>(), [row_id(next - 11), row_id(next - 12)]);
}

#[tokio::test]
async fn a_row_is_found_by_its_id_and_by_the_newest_call_of_a_name() {
    let world = World::new().await;
    let named = |number| record(Kind::Admitted(Admitted { request_id: "mine".to_owned(), ..admitted(number, START) }));
    let elsewhere = Admitted { namespace: namespace(1).ulid().to_bytes().to_vec(), ..admitted(9, START) };
    world.apply(&[named(1), named(2), add(3, START), record(Kind::Admitted(elsewhere))]).await;
    let mut read = world.store.read().await.unwrap();
    for (which, expected) in [
        (row_id(1).to_string(), Some(row_id(1))),
        (row_id(1).to_string().to_uppercase(), Some(row_id(1))),
        ("mine".to_owned(), Some(row_id(2))),
        ("call-3".to_owned(), Some(row_id(3))),
        ("call-9".to_owned(), None),
        (row_id(9).to_string(), None),
        (row_id(77).to_string(), None),
        (String::new(), None),
    ] {
        assert_eq!(request_id_of(&mut read, namespace(0), &which).await.unwrap(), expected, "{which}");
    }
}

/// A call of person 0 in a namespace, charged.
fn charged(number: u64, of: u64, charge: i64) -> [Record; 2] {
    let namespace = namespace(of).ulid().to_bytes().to_vec();
    [record(Kind::Admitted(Admitted { namespace, ..admitted(number, START) })), end(number, charge)]
}

#[tokio::test]
async fn debits_of_other_namespaces_are_one_sum_a_day_on_every_page() {
    let world = World::new().await;
    let mut number = 0;
    for day in 0..4 {
        let now = at(START + day * DAY);
        world.change(async |write| add_grant(write, person(0), MicroUsd::new(1_000), now).await).await.unwrap();
        for of in [0, 1, 2, 0, 1] {
            number += 1;
            world.apply_at(&charged(number, of, i64::try_from(number).unwrap()), now).await;
        }
    }
    let all = TransactionsOf { person: person(0), only: None };
    let whole = transactions(&mut world.store.read().await.unwrap(), all, None, 1_000, 0).await.unwrap();
    assert_eq!(whole.len(), 24);
    assert!(whole.iter().all(|row| (row.kind == "grant") == row.request_id.is_none()));
    assert!(whole.is_sorted_by(|newer, older| newer.id > older.id && newer.created_at >= older.created_at));
    let own = TransactionsOf { only: Some(namespace(0)), ..all };
    let mut read = world.store.read().await.unwrap();
    let seen = transactions(&mut read, own, None, 1_000, 0).await.unwrap();
    // Each day: a grant, two of its own debits, one sum.
    assert_eq!(seen.len(), 16);
    let sum = |rows: &[bitrouter_proto::account::ledger::Transaction]| -> i64 {
        rows.iter().map(|row| row.amount_micro_usd.micros()).sum()
    };
    assert_eq!(sum(&seen), sum(&whole));
    assert_eq!(sum(&seen), world.balance(person(0)).await);
    for row in &seen {
        assert!(row.namespace_id.is_none_or(|id| id == namespace(0)), "{row:?}");
        assert_eq!(row.request_id.is_some(), row.namespace_id.is_some(), "{row:?}");
    }
    let ids: BTreeSet<_> = seen.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), seen.len());
    assert!(seen.is_sorted_by(|newer, older| newer.id > older.id));
    for size in 1..18 {
        let (mut paged, mut cursor) = (Vec::new(), None);
        loop {
            let page = transactions(&mut read, own, cursor, size, 0).await.unwrap();
            let Some(last) = page.last() else { break };
            cursor = Some(last.id);
            paged.extend(page);
        }
        assert_eq!(paged, seen, "pages of {size}");
        for offset in 0..18 {
            let page = transactions(&mut read, own, None, size, offset).await.unwrap();
            let (from, size) = (usize::try_from(offset).unwrap(), usize::try_from(size).unwrap());
            let expected: Vec<_> = seen.iter().skip(from).take(size).cloned().collect();
            assert_eq!(page, expected, "{size} from {offset}");
        }
    }
}

#[tokio::test]
async fn n28_transactions_keep_their_order_whatever_the_clock_says() {
    let world = World::new().await;
    let moments = [START, START - MINUTE, START, START - HOUR, START - HOUR + 1, START + 1];
    for (given, now) in (1..).zip(moments) {
        world.change(async |write| add_grant(write, person(0), MicroUsd::new(given), at(now)).await).await.unwrap();
    }
    let all = TransactionsOf { person: person(0), only: None };
    let rows = transactions(&mut world.store.read().await.unwrap(), all, None, 10, 0).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.amount_micro_usd.micros()).collect::<Vec<_>>(), [6, 5, 4, 3, 2, 1]);
    let said: Vec<String> = rows.into_iter().rev().map(|row| row.created_at).collect();
    // A minute is waited for, an hour is not.
    let expected = [START, START, START, START - HOUR, START - HOUR + 1, START + 1].map(|at| self::at(at).to_string());
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_grant_that_would_be_more_than_can_be_held_is_none() {
    let world = World::new().await;
    let grant = async |amount| {
        world.change(async |write| add_grant(write, person(0), MicroUsd::new(amount), at(START)).await).await
    };
    assert!(grant(i64::MAX).await.is_some());
    assert!(grant(1).await.is_none());
    assert_eq!(world.balance(person(0)).await, i64::MAX);
    assert_eq!(world.number("SELECT COUNT(*) FROM transactions").await, 1);
    assert_eq!(balances(&mut world.store.read().await.unwrap()).await.unwrap(), [(person(0), MicroUsd::new(i64::MAX))]);
}

#[tokio::test]
async fn what_providers_stored_is_remembered_and_forgotten() {
    let world = World::new().await;
    let store = |number: u64, objects: &[u8]| {
        let objects = objects.iter().map(|object| vec![*object; 16]).collect();
        record(Kind::Settled(Settled { objects, ..settled(number, "succeeded", 1) }))
    };
    world.apply(&[add(1, START), store(1, &[1, 2]), add(2, START), store(2, &[3]), forgotten([2; 16])]).await;
    let keys = async || -> Vec<u8> {
        let found = stored_objects(&mut world.store.read().await.unwrap()).await.unwrap();
        assert!(
            found
                .iter()
                .all(|one| one.tokens == 16 && one.namespace == namespace(0) && one.provider.as_str() == "acme")
        );
        // The response, and not what it left behind.
        assert!(found.iter().all(|one| one.model.is_some() == one.left_by.is_none()), "{found:?}");
        found.into_iter().map(|one| one.key.0[0]).collect()
    };
    assert_eq!(keys().await, [1, 3]);
    // A settlement that counts for nothing stores nothing, and what is forgotten stays so when it is said again.
    world.apply(&[store(1, &[7]), store(9, &[8]), forgotten([3; 16])]).await;
    world.apply(&[add(2, START), store(2, &[3])]).await;
    assert_eq!(keys().await, [1]);
    world.apply(&[forgotten([5; 16]), add(4, START), store(4, &[5])]).await;
    assert_eq!(keys().await, [1, 5]);
}

bitrouter_test_postgres::once_more_on_postgres!(
    n30_a_page_goes_on_where_the_last_one_ended_while_rows_arrive,
    a_row_is_found_by_its_id_and_by_the_newest_call_of_a_name,
    debits_of_other_namespaces_are_one_sum_a_day_on_every_page,
    n28_transactions_keep_their_order_whatever_the_clock_says,
    a_grant_that_would_be_more_than_can_be_held_is_none,
    what_providers_stored_is_remembered_and_forgotten,
);
