//! What goes with age leaves its sums; what lies in the future counts as now.

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
async fn p16_what_lies_in_the_future_counts_as_now() {
    let world = World::new().await;
    let ahead = START + 400 * DAY;
    world.apply_at(&[add(1, ahead), add(2, ahead), end(2, 50)], at(ahead)).await;
    world.apply_at(&[add(3, START - HOUR), end(3, 5)], at(ahead)).await;
    assert_eq!(newest(&mut world.store.read().await.unwrap()).await.unwrap().created_at, at(START - HOUR));
    world.change(async |write| admit_now(write, at(START + MINUTE)).await).await;
    let row = world.row(row_id(2)).await.unwrap();
    assert_eq!(
        (row.created_at, row.completed_at),
        (at(START + MINUTE).to_string(), Some(at(START + MINUTE).to_string()))
    );
    // In the hour of now, by rows and by hours; the one that is open is settled there.
    world.apply_at(&[end(1, 7)], at(START + 2 * MINUTE)).await;
    for (from, to) in [(START, START + HOUR), (START, START + 2 * MINUTE), (START + MINUTE, START + 2 * HOUR)] {
        let sums = world.usage(namespace(0), from, to).await;
        assert_eq!((sums.request_count, sums.charge), (2, 57), "{from} {to}");
    }
    assert_eq!(world.usage(namespace(0), START + 2 * HOUR, ahead + DAY).await, Sums::default());
    assert_eq!(world.number("SELECT COUNT(*) FROM debit_days WHERE day > 20718").await, 0, "{}", START / DAY);
    assert_eq!(world.number("SELECT SUM(amount) FROM debit_days").await, -62);
    let all = TransactionsOf { person: person(0), only: None };
    let rows = transactions(&mut world.store.read().await.unwrap(), all, None, 10, 0).await.unwrap();
    assert!(rows.iter().all(|row| row.created_at <= at(START + 2 * MINUTE).to_string()), "{rows:?}");
    // A record that the journal still holds counts as now, too; a little ahead is waited for.
    world.apply_at(&[add(4, ahead), add(5, START + 4 * MINUTE)], at(START + 3 * MINUTE)).await;
    assert_eq!(world.row(row_id(4)).await.unwrap().created_at, at(START + 3 * MINUTE).to_string());
    assert_eq!(world.row(row_id(5)).await.unwrap().created_at, at(START + 4 * MINUTE).to_string());
}

#[tokio::test]
async fn the_oldest_stored_objects_of_a_namespace_give_way() {
    let world = World::new().await;
    let objects =
        |from: u32, to: u32| (from..to).map(|object| [[0; 12].as_slice(), &object.to_be_bytes()].concat()).collect();
    let mut records = Vec::new();
    for number in 0..11_u64 {
        let from = u32::try_from(number).unwrap() * 1_000;
        records.push(add(number, START));
        let objects = objects(from, from + 1_000);
        records.push(record(Kind::Settled(Settled { objects, ..settled(number, "succeeded", 0) })));
    }
    let elsewhere = Admitted { namespace: namespace(1).ulid().to_bytes().to_vec(), ..admitted(50, START) };
    records.push(record(Kind::Admitted(elsewhere)));
    records.push(record(Kind::Settled(Settled { objects: objects(20_000, 20_001), ..settled(50, "succeeded", 0) })));
    world.apply(&records).await;
    let remembered = stored_objects(&mut world.store.read().await.unwrap()).await.unwrap();
    assert_eq!(remembered.len(), 10_001);
    while world.change(async |write| forget_all_but_newest(write, 300).await).await {}
    assert_eq!(world.number("SELECT COUNT(*) FROM stored_objects").await, 10_001);
    assert_eq!(stored_objects(&mut world.store.read().await.unwrap()).await.unwrap(), remembered);
}
