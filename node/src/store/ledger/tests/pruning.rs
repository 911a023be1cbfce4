//! What goes with age leaves its sums; a call keeps its time.

use super::*;

async fn prune_all(world: &World, before: i64, most: i64) -> usize {
    let mut turns = 0;
    while world.change(async |write| prune(write, at(before), most).await).await {
        turns += 1;
    }
    turns
}

#[tokio::test]
async fn p16_pruning_keeps_every_sum() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for number in 0..60_u64 {
        let i = i64::try_from(number).unwrap();
        let created_at = START + i * 30 * MINUTE;
        let mut call = admitted(number, created_at);
        call.namespace = namespace(number % 2).ulid().to_bytes().to_vec();
        let mut end = settled(number, "succeeded", i);
        end.objects = vec![vec![u8::try_from(number).unwrap(); 16]];
        let mut records = vec![record(Kind::Admitted(call))];
        // One stays open for ever.
        if number != 3 {
            records.push(record(Kind::Settled(end)));
        }
        world.apply_at(&records, at(created_at + MINUTE)).await;
        expected.push((created_at, i));
    }
    let all = TransactionsOf { person: person(0), only: None };
    let sum = async || -> i64 {
        let rows = transactions(&mut world.store.read().await.unwrap(), all, None, 1_000, 0).await.unwrap();
        rows.iter().map(|row| row.amount_micro_usd.micros()).sum()
    };
    let usage = async |of: u64| world.usage(namespace(of), START, START + 40 * HOUR).await;
    let before = (usage(0).await, usage(1).await, sum().await, world.balance(person(0)).await);
    assert_eq!(before.2, before.3);
    // In the middle of an hour: what was admitted in it stays.
    let cut = START + 20 * HOUR;
    assert!(prune_all(&world, cut + 10 * MINUTE, 4).await > 9);
    assert_eq!((usage(0).await, usage(1).await, sum().await, world.balance(person(0)).await), before);
    let rows: usize = world.rows(namespace(0)).await.len() + world.rows(namespace(1)).await.len();
    assert_eq!(rows, 20 + 1, "half of forty hours, and the open one");
    assert_eq!(world.row(row_id(3)).await.unwrap().status, "pending");
    assert_eq!(world.number("SELECT COUNT(*) FROM stored_objects").await, 20);
    // One transaction a namespace and day stands for what is gone, and its days go in order.
    let shown = transactions(&mut world.store.read().await.unwrap(), all, None, 1_000, 0).await.unwrap();
    assert!(shown.is_sorted_by(|newer, older| newer.id > older.id));
    assert!(shown.is_sorted_by(|newer, older| newer.created_at >= older.created_at));
    let folded: Vec<_> = shown.iter().filter(|row| row.request_id.is_none()).collect();
    assert!((2..=4).contains(&folded.len()), "{folded:?}");
    assert!(folded.iter().all(|row| row.kind == "debit" && row.namespace_id.is_some()));
    // A window that ends in what is gone has each hour whole, where it begins; two of them make one.
    for middle in [START + 5 * HOUR, START + 5 * HOUR + MINUTE, START + 30 * HOUR + 20 * MINUTE] {
        for of in [0, 1] {
            let mut both = world.usage(namespace(of), START, middle).await;
            both.add(world.usage(namespace(of), middle, START + 40 * HOUR).await);
            assert_eq!(both, usage(of).await, "{of} {middle}");
        }
    }
    // Nothing is left to do, and it is the same again.
    assert_eq!(prune_all(&world, cut, 4).await, 0);
}

#[tokio::test]
async fn p16_a_call_keeps_its_time_whatever_the_clock_says_later() {
    let world = World::new().await;
    let ahead = START + 400 * DAY;
    world.apply_at(&[add(1, ahead), add(2, ahead), end(2, 50)], at(START)).await;
    world.apply_at(&[add(3, START - HOUR), end(3, 5)], at(START)).await;
    for (number, admitted) in [(1, ahead), (2, ahead), (3, START - HOUR)] {
        assert_eq!(world.row(row_id(number)).await.unwrap().created_at, at(admitted).to_string());
    }
    assert_eq!(last_admitted(&mut world.store.read().await.unwrap()).await.unwrap(), at(ahead));
    let sums = world.usage(namespace(0), START - DAY, ahead + 1).await;
    assert_eq!((sums.request_count, sums.charge), (3, 55));
}

#[tokio::test]
async fn the_oldest_stored_objects_of_a_namespace_give_way() {
    let world = World::new().await;
    let objects =
        |from: u32, to: u32| (from..to).map(|object| [[0; 12].as_slice(), &object.to_be_bytes()].concat()).collect();
    let mut records = Vec::new();
    for number in 0..10_100_u64 {
        let from = u32::try_from(number).unwrap() * 2;
        // A response, and what it left behind.
        records.push(add(number + 100, START));
        let objects = objects(from, from + 2);
        records.push(record(Kind::Settled(Settled { objects, ..settled(number + 100, "succeeded", 0) })));
    }
    let elsewhere = Admitted { namespace: namespace(1).ulid().to_bytes().to_vec(), ..admitted(50, START) };
    records.push(record(Kind::Admitted(elsewhere)));
    records.push(record(Kind::Settled(Settled { objects: objects(40_000, 40_001), ..settled(50, "succeeded", 0) })));
    world.apply(&records).await;
    let remembered = stored_objects(&mut world.store.read().await.unwrap()).await.unwrap();
    assert_eq!(remembered.len(), 20_001);
    assert_eq!(remembered.iter().filter(|object| object.left_by.is_none()).count(), 10_001);
    while world.change(async |write| forget_all_but_newest(write, 300).await).await {}
    assert_eq!(world.number("SELECT COUNT(*) FROM stored_objects").await, 20_001);
    assert_eq!(stored_objects(&mut world.store.read().await.unwrap()).await.unwrap(), remembered);
}

bitrouter_test_postgres::once_more_on_postgres!(
    p16_pruning_keeps_every_sum,
    p16_a_call_keeps_its_time_whatever_the_clock_says_later,
    the_oldest_stored_objects_of_a_namespace_give_way,
);
