//! P16: each row counts once, however often and in whatever order the journal says it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn p16_a_row_is_admitted_once_and_settled_once() {
    let world = World::new().await;
    let first = world.apply(&[add(1, START)]).await;
    assert_eq!(first.debited, []);
    let row = world.row(row_id(1)).await.unwrap();
    assert_eq!((row.status.as_str(), row.completed_at.is_none(), row.final_charge_micro_usd), ("pending", true, None));
    world.apply(&[mark(1), mark(1)]).await;
    let streaming = world.row(row_id(1)).await.unwrap();
    assert_eq!((streaming.status.as_str(), streaming.first_byte_ms), ("streaming", Some(9)));
    assert!(streaming.seq > row.seq);
    world.apply(&[mark(1), add(1, START)]).await;
    assert_eq!(world.row(row_id(1)).await.unwrap(), streaming, "a second mark changes nothing");
    let applied = world.apply(&[end(1, 40), end(1, 99), mark(1)]).await;
    assert_eq!(applied.debited, [(person(0), MicroUsd::new(40))]);
    let row = world.row(row_id(1)).await.unwrap();
    assert_eq!((row.status.as_str(), row.final_charge_micro_usd), ("succeeded", Some(MicroUsd::new(40))));
    assert_eq!(world.apply(&[end(1, 99), add(1, START), end(1, 7)]).await.debited, []);
    assert_eq!(world.row(row_id(1)).await.unwrap(), row);
    let sums = world.usage(namespace(0), START, START + HOUR).await;
    assert_eq!(sums, Sums { request_count: 1, prompt_tokens: 10, completion_tokens: 6, cost: 40, charge: 40 });
    assert_eq!(world.balance(person(0)).await, -40);
}

#[tokio::test]
async fn p16_what_nobody_admitted_is_not_settled() {
    let world = World::new().await;
    assert_eq!(world.apply(&[end(1, 40), mark(1)]).await.debited, []);
    assert_eq!(world.number("SELECT COUNT(*) FROM requests").await, 0);
    // The settlement came before its admission: it was of nothing.
    world.apply(&[end(2, 40), mark(2), add(2, START)]).await;
    assert_eq!(world.row(row_id(2)).await.unwrap().status, "pending");
    world.apply(&[end(2, 5)]).await;
    assert_eq!(world.balance(person(0)).await, -5);
}

#[tokio::test]
async fn p16_admission_and_settlement_of_one_batch_are_one_change() {
    let world = World::new().await;
    let before = newest(&mut world.store.read().await.unwrap()).await.unwrap().seq;
    let applied = world.apply(&[add(1, START), mark(1), end(1, 3), add(2, START)]).await;
    let rows = requests_after(&mut world.store.read().await.unwrap(), namespace(0), before, 100).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [row_id(1), row_id(2)]);
    assert!(rows.iter().all(|row| row.seq > before && row.seq <= applied.seq));
    assert_eq!(rows[0].first_byte_ms, Some(12));
    let newest = newest(&mut world.store.read().await.unwrap()).await.unwrap();
    assert_eq!(newest, Newest { seq: applied.seq, id: Some(row_id(2)), created_at: at(START) });
}

#[tokio::test]
async fn p16_what_makes_no_sense_is_left_out() {
    let world = World::new().await;
    let strange = [
        Record { kind: None },
        record(Kind::Admitted(Admitted { id: vec![1], ..admitted(1, START) })),
        record(Kind::Admitted(Admitted { namespace: Vec::new(), ..admitted(2, START) })),
        add(3, START),
        record(Kind::Settled(settled(3, "pending", 1))),
        record(Kind::Settled(settled(3, "paid", 1))),
        record(Kind::Settled(Settled { id: Vec::new(), ..settled(3, "failed", 1) })),
    ];
    world.apply(&strange).await;
    assert_eq!(world.rows(namespace(0)).await.len(), 1);
    assert_eq!(world.row(row_id(3)).await.unwrap().status, "pending");
}

#[tokio::test]
async fn n31_a_segment_is_applied_up_to_where_it_was_never_back() {
    let world = World::new().await;
    for offset in [10, 40, 20] {
        world.change(async |write| apply(write, &[], "a", offset, at(START)).await).await;
    }
    world.change(async |write| apply(write, &[], "b", u64::MAX, at(START)).await).await;
    let known = positions(&mut world.store.read().await.unwrap()).await.unwrap();
    assert_eq!(known, [("a".to_owned(), 40), ("b".to_owned(), u64::try_from(i64::MAX).unwrap())]);
    world.change(async |write| forget_segment(write, "a").await).await;
    assert_eq!(positions(&mut world.store.read().await.unwrap()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn p16_a_transaction_that_is_not_committed_never_was() {
    let world = World::new().await;
    {
        let mut write = world.store.write().await.unwrap();
        apply(&mut write, &[add(1, START), end(1, 40)], "segment", 9, at(START)).await.unwrap();
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM requests").await, 0);
    assert_eq!(world.balance(person(0)).await, 0);
    assert_eq!(positions(&mut world.store.read().await.unwrap()).await.unwrap(), []);
    assert_eq!(world.apply(&[add(1, START), end(1, 40)]).await.debited, [(person(0), MicroUsd::new(40))]);
}

#[tokio::test]
async fn p16_open_rows_are_as_they_were_admitted() {
    let world = World::new().await;
    let mut unpriced = admitted(2, START + 5);
    (unpriced.price, unpriced.bound_output, unpriced.reserved) = (String::new(), None, None);
    let records = [add(1, START), record(Kind::Admitted(unpriced.clone())), add(3, START), end(3, 1)];
    world.apply(&records).await;
    let open = open_rows(&mut world.store.read().await.unwrap()).await.unwrap();
    assert_eq!(open, [admitted(1, START), unpriced]);
    let credit = credit_of(&mut world.store.read().await.unwrap(), person(0)).await.unwrap();
    assert_eq!(credit, Credit { balance: MicroUsd::new(-1), pending: MicroUsd::new(900) });
}

#[tokio::test]
async fn n28_sums_stay_at_the_end_of_what_can_be_counted() {
    let world = World::new().await;
    for number in 0..5 {
        let end = Settled {
            usage: Some(Tokens { uncached: u64::MAX, cache_read: u64::MAX, visible: u64::MAX, ..Tokens::default() }),
            cost: Some(i64::MAX),
            charge: i64::MAX,
            ..settled(number, "succeeded", 0)
        };
        world.apply(&[add(number, START + 10 * MINUTE), record(Kind::Settled(end))]).await;
    }
    let most = Sums {
        request_count: 5,
        prompt_tokens: i64::MAX,
        completion_tokens: i64::MAX,
        cost: i64::MAX,
        charge: i64::MAX,
    };
    // By the hour, and by rows.
    assert_eq!(world.usage(namespace(0), START, START + HOUR).await, most);
    assert_eq!(world.usage(namespace(0), START, START + 20 * MINUTE).await, most);
    assert_eq!(world.balance(person(0)).await, i64::MIN);
}

/// One call of the property.
#[derive(Clone, Debug)]
struct Call {
    namespace: u64,
    payer: u64,
    minute: i64,
    charge: i64,
    tokens: u64,
    model: u8,
}

/// What the rows should say.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Streaming,
    Settled(u8),
}

fn call() -> impl Strategy<Value = Call> {
    (0..3_u64, 0..2_u64, 0..400_i64, 0..1_000_i64, 0..10_000_u64, 0..2_u8).prop_map(
        |(namespace, payer, minute, charge, tokens, model)| Call { namespace, payer, minute, charge, tokens, model },
    )
}

impl Call {
    fn admitted(&self, number: u64) -> Admitted {
        Admitted {
            namespace: namespace(self.namespace).ulid().to_bytes().to_vec(),
            payer: person(self.payer).ulid().to_bytes().to_vec(),
            model_id: format!("model-{}", self.model),
            ..admitted(number, START + self.minute * MINUTE)
        }
    }

    /// The settlement of this variant: a second one would say something else.
    fn settled(&self, number: u64, variant: u8) -> Settled {
        let status = ["succeeded", "failed", "cancelled"][usize::from(variant)];
        Settled {
            usage: Some(Tokens { uncached: self.tokens, visible: u64::from(variant), ..Tokens::default() }),
            ..settled(number, status, self.charge + i64::from(variant))
        }
    }

    fn sums(&self, state: &State) -> Sums {
        match state {
            State::Pending | State::Streaming => Sums { request_count: 1, ..Sums::default() },
            State::Settled(variant) => {
                let charge = self.charge + i64::from(*variant);
                let prompt_tokens = i64::try_from(self.tokens).unwrap();
                Sums { request_count: 1, prompt_tokens, completion_tokens: (*variant).into(), cost: charge, charge }
            }
        }
    }
}

/// Of a call: 0 admission, 1 mark, then a settlement of each variant.
type Event = (usize, u8);

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn p16_n29_batches_repeated_and_out_of_order_come_to_what_each_row_says(
        calls in prop::collection::vec(call(), 1..12),
        batches in prop::collection::vec(prop::collection::vec((0..12_usize, 0..5_u8), 0..30), 1..8),
        again in prop::collection::vec(0..8_usize, 0..4),
        windows in prop::collection::vec((0..420_i64, 1..420_i64), 4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&calls, &batches, &again, &windows));
    }
}

async fn check(calls: &[Call], batches: &[Vec<Event>], again: &[usize], windows: &[(i64, i64)]) {
    let world = World::new().await;
    let mut states: States = BTreeMap::new();
    let mut followed: Followed = BTreeMap::new();
    let order = (0..batches.len()).chain(again.iter().map(|again| again % batches.len()));
    let mut debited: BTreeMap<PersonId, i64> = BTreeMap::new();
    for batch in order.map(|place| &batches[place]) {
        let events = batch.iter().map(|(call, what)| (call % calls.len(), *what));
        let mut records = Vec::new();
        for (place, what) in events {
            let (call, number) = (&calls[place], place as u64);
            let state = states.get(&place).cloned();
            match what {
                0 => {
                    records.push(record(Kind::Admitted(call.admitted(number))));
                    states.entry(place).or_insert(State::Pending);
                }
                1 => {
                    records.push(mark(number));
                    if state == Some(State::Pending) {
                        states.insert(place, State::Streaming);
                    }
                }
                variant => {
                    records.push(record(Kind::Settled(call.settled(number, variant - 2))));
                    if matches!(state, Some(State::Pending | State::Streaming)) {
                        states.insert(place, State::Settled(variant - 2));
                    }
                }
            }
        }
        for (person, amount) in world.apply(&records).await.debited {
            *debited.entry(person).or_default() += amount.micros();
        }
        for number in 0..3 {
            follow(&world, namespace(number), followed.entry(number).or_default()).await;
        }
    }
    check_rows(&world, calls, &states, &followed).await;
    check_windows(&world, calls, &states, windows).await;
    check_credit(&world, calls, &states, &debited).await;
}

type States = BTreeMap<usize, State>;
/// How far each namespace was followed, and what was seen.
type Followed = BTreeMap<u64, (i64, BTreeMap<RequestRowId, RequestRow>)>;

async fn check_rows(world: &World, calls: &[Call], states: &States, followed: &Followed) {
    for (place, call) in calls.iter().enumerate() {
        let row = world.row(row_id(place as u64)).await;
        let expected = states.get(&place).map(|state| match state {
            State::Pending => "pending",
            State::Streaming => "streaming",
            State::Settled(variant) => ["succeeded", "failed", "cancelled"][usize::from(*variant)],
        });
        assert_eq!(row.as_ref().map(|row| row.status.as_str()), expected, "call {place}");
        if let (Some(row), Some(State::Settled(_))) = (&row, states.get(&place)) {
            assert_eq!(row.final_charge_micro_usd, Some(MicroUsd::new(call.sums(&states[&place]).charge)));
        }
    }
    // What was followed is what is there.
    for number in 0..3 {
        let rows = world.rows(namespace(number)).await;
        let seen: Vec<RequestRow> = followed[&number].1.values().rev().cloned().collect();
        assert_eq!(rows, seen);
        let distinct: BTreeSet<i64> = rows.iter().map(|row| row.seq).collect();
        assert_eq!(distinct.len(), rows.len());
    }
}

async fn check_windows(world: &World, calls: &[Call], states: &States, windows: &[(i64, i64)]) {
    let all = [(0, 400), (0, 500)];
    for (from, length) in windows.iter().chain(&all) {
        let (from, to) = (START + from * MINUTE, START + (from + length) * MINUTE);
        for number in 0..3 {
            let mut expected = Sums::default();
            for (place, state) in states {
                let call = &calls[*place];
                let created_at = START + call.minute * MINUTE;
                if call.namespace == number && (from..to).contains(&created_at) {
                    expected.add(call.sums(state));
                }
            }
            assert_eq!(world.usage(namespace(number), from, to).await, expected, "{number} {from} {to}");
        }
    }
}

async fn check_credit(world: &World, calls: &[Call], states: &States, debited: &BTreeMap<PersonId, i64>) {
    for payer in 0..2 {
        let charges = states.iter().filter(|(place, _)| calls[**place].payer == payer);
        let expected: i64 = charges.map(|(place, state)| calls[*place].sums(state).charge).sum();
        assert_eq!(world.balance(person(payer)).await, -expected);
        assert_eq!(debited.get(&person(payer)).copied().unwrap_or(0), expected);
        let of = TransactionsOf { person: person(payer), only: None };
        let rows = transactions(&mut world.store.read().await.unwrap(), of, None, 1_000, 0).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.amount_micro_usd.micros()).sum::<i64>(), -expected);
        let of_calls: BTreeSet<_> = rows.iter().map(|row| row.request_id.unwrap()).collect();
        assert_eq!(of_calls.len(), rows.len(), "one debit a call");
    }
    let days = world.number("SELECT SUM(amount) FROM debit_days").await;
    assert_eq!(days, world.number("SELECT SUM(amount) FROM transactions").await);
}

/// Reads what has changed, three rows at a time.
async fn follow(world: &World, namespace: NamespaceId, known: &mut (i64, BTreeMap<RequestRowId, RequestRow>)) {
    let (seq, rows) = known;
    loop {
        let page = requests_after(&mut world.store.read().await.unwrap(), namespace, *seq, 3).await.unwrap();
        if page.is_empty() {
            return;
        }
        for row in page {
            assert!(row.seq > *seq, "n30: {} behind {seq}", row.seq);
            *seq = row.seq;
            rows.insert(row.id, row);
        }
    }
}

bitrouter_test_postgres::once_more_on_postgres!(
    p16_a_row_is_admitted_once_and_settled_once,
    p16_what_nobody_admitted_is_not_settled,
    p16_admission_and_settlement_of_one_batch_are_one_change,
    p16_what_makes_no_sense_is_left_out,
    n31_a_segment_is_applied_up_to_where_it_was_never_back,
    p16_a_transaction_that_is_not_committed_never_was,
    p16_open_rows_are_as_they_were_admitted,
    n28_sums_stay_at_the_end_of_what_can_be_counted,
);
