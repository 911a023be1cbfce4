//! Limits against plain lists of what happened: whatever the order of events, no counter passes its limit and nothing is lost.

use std::{collections::VecDeque, task::Poll};

use proptest::prelude::*;

use super::{
    waiting::{Taking, World, polled},
    *,
};

const DAY: i64 = 86_400_000;
const RATE: i64 = 30_000;

/// What can happen.
#[derive(Clone, Debug)]
enum Step {
    /// A call of one of three kinds comes: it asks for so much, as a stream or not.
    Comes {
        kind: usize,
        asked: Option<u64>,
        input: i64,
        is_stream: bool,
    },
    /// An open one ends, having used so many percent of what it reserved.
    Ends(prop::sample::Index, i64),
    /// An open one was not sent.
    Undone(prop::sample::Index),
    /// One that waits leaves; perhaps it was let in already and does not know it.
    Leaves(prop::sample::Index),
    /// Those that wait hear what became of them.
    Hear,
    Passes(u64),
    Granted(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let asked = prop_oneof![1 => Just(None), 4 => (1..12_000_u64).prop_map(Some)];
    let which = any::<prop::sample::Index>;
    let step = prop_oneof![
        8 => (0..3_usize, asked, 0..300_i64, any::<bool>())
            .prop_map(|(kind, asked, input, is_stream)| Step::Comes { kind, asked, input, is_stream }),
        5 => (which(), 0..=100_i64).prop_map(|(which, used)| Step::Ends(which, used)),
        1 => which().prop_map(Step::Undone),
        1 => which().prop_map(Step::Leaves),
        4 => Just(Step::Hear),
        3 => prop_oneof![4 => 0..3_000_u64, 1 => 0..40_000_u64, 1 => 0..50_000_000_u64].prop_map(Step::Passes),
        1 => (-2_000..5_000_i64).prop_map(Step::Granted),
    ];
    prop::collection::vec(step, 1..150)
}

/// What there is, in plain lists.
#[derive(Default)]
struct Reference {
    /// When, in which budgets, how much.
    spent: Vec<(i64, Vec<u128>, i64)>,
    requests: Vec<i64>,
}

impl Reference {
    fn spent(&self, number: u128, now: i64) -> i64 {
        let counts = |(time, budgets, _): &&(i64, Vec<u128>, i64)| now - time < DAY && budgets.contains(&number);
        self.spent.iter().filter(counts).map(|(_, _, amount)| amount).sum()
    }

    fn admits(&mut self, kind: usize, hold: &Hold) {
        if kind == 1 {
            self.requests.push(hold.admitted_at().millis() - at(0).millis());
        }
    }

    fn requests(&self, now: i64) -> usize {
        self.requests.iter().filter(|time| now - **time < RATE).count()
    }
}

const LIMITS: [(u128, i64); 2] = [(1, 10_000), (2, 17_000)];
const MOST_REQUESTS: usize = 40;

type Queue<'a> = VecDeque<(usize, Taking<'a>)>;

/// Whoever came first hears first: of one kind that waits nobody is let in before one that came before.
fn hear(
    waiting: &mut Queue<'_>,
    open: &mut Vec<(usize, Hold)>,
    reference: &mut Reference,
) -> Result<(), TestCaseError> {
    let mut kept = VecDeque::new();
    for (kind, mut taking) in waiting.drain(..) {
        match polled(&mut taking) {
            Poll::Ready(Ok(hold)) => {
                prop_assert!(!kept.iter().any(|(other, _)| *other == kind), "was let in before one that came before");
                reference.admits(kind, &hold);
                open.push((kind, hold));
            }
            Poll::Ready(Err(why)) => prop_assert_ne!(why.why, super::super::Why::Stale),
            Poll::Pending => kept.push_back((kind, taking)),
        }
    }
    waiting.extend(kept);
    Ok(())
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let world = World::new();
    let limits = &world.limits;
    let mut rated = Applicable::clone(&budgets(limits, &LIMITS));
    limits.put_rate(rate_of(1, 30), [], world.now());
    rated.add_rate(rate_of(1, 30), i64::try_from(MOST_REQUESTS).ok(), None, policy(9));
    limits.granted(person(1), usd(8_000), world.now());
    let kinds = [
        (budgets(limits, &LIMITS[..1]), vec![1]),
        (Arc::new(rated), vec![1, 2]),
        (Arc::new(budgets(limits, &LIMITS[1..]).paid_by(Some(person(1)))), vec![2]),
    ];
    let millis = || world.now().millis() - at(0).millis();
    let (mut reference, mut balance) = (Reference::default(), 8_000_i64);
    let mut open: Vec<(usize, Hold)> = Vec::new();
    let mut waiting: Queue<'_> = VecDeque::new();
    for step in steps {
        match step {
            Step::Comes { kind, asked, input, is_stream } => {
                hear(&mut waiting, &mut open, &mut reference)?;
                let call = Call { asked, input: Some(input), is_stream, ..Call::new() };
                let reserved = |counts: &dyn Fn(usize) -> bool| -> i64 {
                    open.iter().filter(|(kind, _)| counts(*kind)).map(|(_, hold)| hold.taken().reserved.micros()).sum()
                };
                let budgets =
                    LIMITS.iter().filter(|(number, _)| kinds[kind].1.contains(number)).map(|(number, limit)| {
                        limit - reference.spent(*number, millis()) - reserved(&|kind| kinds[kind].1.contains(number))
                    });
                let credit = (kind == 2).then(|| balance - reserved(&|kind| kind == 2));
                let room = budgets.chain(credit).min().unwrap();
                let is_rated = kind == 1 && reference.requests(millis()) >= MOST_REQUESTS;
                // What fits whole waits for nobody.
                let fits = !is_rated && asked.is_some_and(|asked| i64::try_from(asked).unwrap() + input <= room);
                match world.comes(&kinds[kind].0, call) {
                    Ok(Ok(hold)) => {
                        prop_assert!(!fits || hold.taken().cap.is_none(), "was cut down, and fits");
                        reference.admits(kind, &hold);
                        open.push((kind, hold));
                    }
                    Ok(Err(why)) => {
                        prop_assert!(!fits, "was refused, and fits");
                        prop_assert_ne!(why.why, super::super::Why::Stale);
                    }
                    Err(taking) => {
                        prop_assert!(!fits, "waits, and fits");
                        waiting.push_back((kind, taking));
                    }
                }
            }
            Step::Ends(which, used) if !open.is_empty() => {
                let (kind, hold) = open.swap_remove(which.index(open.len()));
                let amount = hold.taken().reserved.micros() * used / 100;
                reference.spent.push((hold.admitted_at().millis() - at(0).millis(), kinds[kind].1.clone(), amount));
                let charge = if kind == 2 { amount } else { 0 };
                balance -= charge;
                hold.settle(limits, &Came { cost: usd(amount), charge: usd(charge), output_tokens: 1 }, world.now());
            }
            Step::Undone(which) if !open.is_empty() => {
                let (kind, hold) = open.swap_remove(which.index(open.len()));
                if kind == 1 {
                    let time = hold.admitted_at().millis() - at(0).millis();
                    let place = reference.requests.iter().position(|other| *other == time).unwrap();
                    reference.requests.swap_remove(place);
                }
                hold.undo(limits, world.now());
            }
            Step::Leaves(which) if !waiting.is_empty() => drop(waiting.remove(which.index(waiting.len()))),
            Step::Passes(time) => world.pass(time).await,
            Step::Granted(amount) => {
                balance += amount;
                limits.granted(person(1), usd(amount), world.now());
            }
            Step::Hear | Step::Ends(..) | Step::Undone(_) | Step::Leaves(_) => {}
        }
        if !matches!(step, Step::Leaves(_) | Step::Ends(..)) {
            hear(&mut waiting, &mut open, &mut reference)?;
            for (number, limit) in LIMITS {
                let shown = limits.show(&day(number), world.now()).unwrap();
                let counts = |(kind, _): &&(usize, Hold)| kinds[*kind].1.contains(&number);
                let reserved: i64 = open.iter().filter(counts).map(|(_, hold)| hold.taken().reserved.micros()).sum();
                prop_assert_eq!(
                    (shown.spent.micros(), shown.reserved.micros()),
                    (reference.spent(number, millis()), reserved)
                );
                prop_assert!(shown.spent.micros() + shown.reserved.micros() <= limit);
            }
            prop_assert_eq!(limits.balance(person(1)), usd(balance));
            prop_assert!(reference.requests(millis()) <= MOST_REQUESTS);
            prop_assert_eq!(limits.waiting(), waiting.len());
            prop_assert!(limits.nobody_sleeps(world.now()), "one waits that could come in");
        }
    }
    drop(waiting);
    for (_, hold) in open {
        hold.settle(limits, &Came::default(), world.now());
    }
    prop_assert_eq!((limits.waiting(), limits.reserved(person(1))), (0, usd(0)));
    for (number, _) in LIMITS {
        prop_assert_eq!(limits.show(&day(number), world.now()).unwrap().reserved, usd(0));
    }
    prop_assert!(limits.is_quiet());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn counters_are_those_of_plain_lists(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(steps))?;
    }
}
