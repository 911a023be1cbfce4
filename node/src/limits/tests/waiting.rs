//! The queue before a counter; futures are polled by hand, and the clocks go when they are told to.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    super::{
        Why,
        waiting::{BODIES, PLACES},
    },
    *,
};

/// A call that comes, and perhaps waits.
pub(super) type Taking<'a> = Pin<Box<dyn Future<Output = Result<Hold, Box<Refused>>> + 'a>>;

/// Limits, and a clock that goes together with that of waits.
pub(super) struct World {
    pub(super) limits: Limits,
    now: std::sync::atomic::AtomicI64,
}

impl World {
    pub(super) fn new() -> Self {
        Self { limits: Limits::default(), now: std::sync::atomic::AtomicI64::new(0) }
    }

    pub(super) fn now(&self) -> Moment {
        at(self.now.load(std::sync::atomic::Ordering::SeqCst))
    }

    pub(super) async fn pass(&self, millis: u64) {
        self.now.fetch_add(i64::try_from(millis).unwrap(), std::sync::atomic::Ordering::SeqCst);
        tokio::time::advance(Duration::from_millis(millis)).await;
    }

    /// A call that comes now: let in, refused, or a future that waits.
    pub(super) fn comes(&self, of: &Arc<Applicable>, call: Call) -> Result<Result<Hold, Box<Refused>>, Taking<'_>> {
        let of = Arc::clone(of);
        let mut taking: Taking<'_> = Box::pin(async move { self.limits.take(&of, &call, || self.now()).await });
        match polled(&mut taking) {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => Err(taking),
        }
    }

    fn waits(&self, of: &Arc<Applicable>, call: Call) -> Taking<'_> {
        match self.comes(of, call) {
            Ok(outcome) => panic!("does not wait: {outcome:?}"),
            Err(taking) => taking,
        }
    }
}

pub(super) fn polled(taking: &mut Taking<'_>) -> Poll<Result<Hold, Box<Refused>>> {
    taking.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn let_in(taking: &mut Taking<'_>) -> Hold {
    match polled(taking) {
        Poll::Ready(Ok(hold)) => hold,
        other => panic!("not let in: {other:?}"),
    }
}

fn still_waits(taking: &mut Taking<'_>) -> bool {
    polled(taking).is_pending()
}

#[tokio::test(start_paused = true)]
async fn they_are_let_in_in_order_of_arrival() {
    let world = World::new();
    let of = budgets(&world.limits, &[(1, 1_000)]);
    let first = open(&world.limits, &of, 950, world.now());
    let mut large = world.waits(&of, Call::asks(900));
    let mut small = world.waits(&of, Call::asks(100));
    first.settle(&world.limits, &cost(0), world.now());
    let large = let_in(&mut large);
    assert_eq!(large.taken().reserved, usd(900));
    let small = let_in(&mut small);
    assert_eq!(world.limits.waiting(), 0);
    large.undo(&world.limits, world.now());
    small.undo(&world.limits, world.now());
    assert_eq!(world.limits.show(&day(1), world.now()).unwrap().reserved, usd(0));
}

#[tokio::test(start_paused = true)]
async fn one_that_still_does_not_fit_holds_up_those_behind_it_and_nobody_else() {
    let world = World::new();
    let (one, two) = (budgets(&world.limits, &[(1, 1_100)]), budgets(&world.limits, &[(2, 1_000)]));
    let both = budgets(&world.limits, &[(1, 1_100), (2, 1_000)]);
    let (first, second) = (open(&world.limits, &one, 500, world.now()), open(&world.limits, &one, 550, world.now()));
    let mut large = world.waits(&both, Call::asks(1_800));
    let mut behind = world.waits(&one, Call::asks(100));
    // Who does not need the counter that lacks is not behind.
    let other = world.comes(&two, Call::asks(100)).map_err(|_| "waits").unwrap().unwrap();
    // 450 more are too little for the large one, and enough for whoever is behind.
    first.settle(&world.limits, &cost(50), world.now());
    assert!(still_waits(&mut large) && still_waits(&mut behind));
    second.settle(&world.limits, &cost(0), world.now());
    // Half of what it asked for is enough.
    assert_eq!(let_in(&mut large).taken().cap, Some(900));
    assert_eq!(let_in(&mut behind).taken().cap, None);
    other.undo(&world.limits, world.now());
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_and_fits_passes_those_that_wait() {
    let world = World::new();
    let (one, two) = (budgets(&world.limits, &[(1, 10_000)]), budgets(&world.limits, &[(2, 10_000)]));
    let _hold = open(&world.limits, &one, 9_000, world.now());
    let _other = open(&world.limits, &two, 9_000, world.now());
    let mut waits = world.waits(&one, Call::asks(9_000));
    let comes = |of: &Arc<Applicable>, call| world.comes(of, call).map_err(|_| "waits").unwrap().unwrap();
    let whole = comes(&one, Call::asks(400));
    assert_eq!((whole.taken().cap, whole.taken().reserved), (None, usd(400)));
    // Half of what it asked for is as good.
    let half = comes(&one, Call::asks(1_200));
    assert_eq!((half.taken().cap, half.taken().reserved), (Some(600), usd(600)));
    assert!(still_waits(&mut waits));
    for hold in [whole, half] {
        hold.undo(&world.limits, world.now());
    }
    // One that lacks only what nobody else waits for has a place there, whoever waits elsewhere.
    let both = budgets(&world.limits, &[(1, 10_000), (2, 10_000)]);
    let _full: Vec<_> = (1..PLACES).map(|_| world.waits(&one, Call::asks(9_000))).collect();
    let _less = open(&world.limits, &two, 500, world.now());
    let _lacks_two = world.waits(&both, Call { input: Some(700), ..Call::asks(300) });
    let fits = comes(&both, Call::asks(500));
    fits.undo(&world.limits, world.now());
}

#[tokio::test(start_paused = true)]
async fn after_ten_seconds_it_takes_what_there_is() {
    for (left, cap) in [(64, Some(64)), (63, None)] {
        let world = World::new();
        let of = budgets(&world.limits, &[(1, 1_000)]);
        let _hold = open(&world.limits, &of, 1_000 - left, world.now());
        let mut taking = world.waits(&of, Call::asks(900));
        world.pass(9_999).await;
        assert!(still_waits(&mut taking));
        world.pass(1).await;
        match (polled(&mut taking), cap) {
            (Poll::Ready(Ok(hold)), Some(_)) => assert_eq!(hold.taken().cap, cap),
            (Poll::Ready(Err(why)), None) => {
                assert_eq!((why.why, why.max_affordable), (Why::BudgetExceeded, Some(63)));
                assert_eq!((why.reserved, why.retry_after), (usd(1_000 - left), None));
            }
            (other, _) => panic!("{other:?}"),
        }
        assert_eq!(world.limits.waiting(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_answered_at_once_when_nothing_is_open_any_more() {
    let world = World::new();
    let of = budgets(&world.limits, &[(1, 1_000)]);
    let hold = open(&world.limits, &of, 950, world.now());
    let (mut one, mut two) = (world.waits(&of, Call::asks(900)), world.waits(&of, Call::asks(900)));
    hold.settle(&world.limits, &cost(930), world.now());
    assert_eq!(let_in(&mut one).taken().cap, Some(70));
    // The first is open now.
    assert!(matches!(polled(&mut two), Poll::Ready(Err(_))) || still_waits(&mut two));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_gives_up_its_place_and_what_it_was_given() {
    let world = World::new();
    let of = budgets(&world.limits, &[(1, 1_000)]);
    let (first, hold) = (open(&world.limits, &of, 300, world.now()), open(&world.limits, &of, 650, world.now()));
    let (leaves, mut next) = (world.waits(&of, Call::asks(1_000)), world.waits(&of, Call::asks(200)));
    first.undo(&world.limits, world.now());
    // It would fit, but is behind.
    assert!(still_waits(&mut next));
    drop(leaves);
    let_in(&mut next).undo(&world.limits, world.now());
    let (granted, mut next) = (world.waits(&of, Call::asks(1_000)), world.waits(&of, Call::asks(900)));
    hold.settle(&world.limits, &cost(0), world.now());
    // The first was let in, and does not know it.
    assert!(still_waits(&mut next));
    assert_eq!(world.limits.show(&day(1), world.now()).unwrap().reserved, usd(1_000));
    drop(granted);
    let_in(&mut next).undo(&world.limits, world.now());
    assert_eq!((world.limits.waiting(), world.limits.show(&day(1), world.now()).unwrap().reserved), (0, usd(0)));
}

#[tokio::test(start_paused = true)]
async fn what_leaves_a_window_lets_in_as_well() {
    let world = World::new();
    let of = budgets(&world.limits, &[(1, 1_000)]);
    let day_ago = at(2_000 - 86_400_000);
    world.limits.put_budget(day(1), [spent(day_ago, 500)], [], world.now());
    let _hold = open(&world.limits, &of, 450, world.now());
    let mut taking = world.waits(&of, Call::asks(500));
    world.pass(1_999).await;
    assert!(still_waits(&mut taking));
    world.pass(1).await;
    assert_eq!(let_in(&mut taking).taken().cap, None);
}

#[tokio::test(start_paused = true)]
async fn credit_that_is_granted_lets_in_as_well() {
    let world = World::new();
    world.limits.granted(person(1), usd(1_000), world.now());
    let of = Arc::new(Applicable::default().paid_by(Some(person(1))));
    let _hold = open(&world.limits, &of, 950, world.now());
    let mut taking = world.waits(&of, Call::asks(500));
    world.limits.granted(person(1), usd(5_000), world.now());
    assert_eq!(let_in(&mut taking).taken().reserved, usd(500));
}

#[tokio::test(start_paused = true)]
async fn sixty_four_wait_for_a_counter_and_the_next_is_refused_at_once() {
    let world = World::new();
    let of = budgets(&world.limits, &[(1, 1_000)]);
    let other = budgets(&world.limits, &[(2, 1_000)]);
    let hold = open(&world.limits, &of, 930, world.now());
    let _other = open(&world.limits, &other, 930, world.now());
    let mut waiting: Vec<_> = (0..PLACES).map(|_| world.waits(&of, Call::asks(500))).collect();
    let why = world.comes(&of, Call::asks(500)).map_err(|_| "waits").unwrap().unwrap_err();
    assert_eq!((why.why, why.max_affordable, why.reserved), (Why::BudgetExceeded, Some(70), usd(930)));
    let fits = world.comes(&of, Call::asks(70)).map_err(|_| "waits").unwrap().unwrap();
    assert_eq!(fits.taken().cap, None);
    fits.undo(&world.limits, world.now());
    let elsewhere = world.waits(&other, Call::asks(500));
    waiting.pop();
    waiting.push(world.waits(&of, Call::asks(500)));
    drop(elsewhere);
    drop(waiting);
    hold.undo(&world.limits, world.now());
    assert_eq!(world.limits.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_wait_are_bounded_together() {
    let world = World::new();
    let (one, two) = (budgets(&world.limits, &[(1, 1_000)]), budgets(&world.limits, &[(2, 1_000)]));
    let _holds = (open(&world.limits, &one, 930, world.now()), open(&world.limits, &two, 930, world.now()));
    let call = |body| Call { body, ..Call::asks(500) };
    let _first = world.waits(&one, call(BODIES - 10));
    assert!(world.comes(&two, call(11)).map_err(|_| "waits").unwrap().is_err());
    let second = world.waits(&two, call(10));
    drop(second);
    let _third = world.waits(&two, call(9));
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_is_judged_by_rates_when_it_is_let_in() {
    let world = World::new();
    let key = rate_of(1, 60);
    world.limits.put_rate(key, [], world.now());
    let mut of = Applicable::clone(&budgets(&world.limits, &[(1, 1_000)]));
    of.add_rate(key, Some(1), None, policy(5));
    let of = Arc::new(of);
    let money_only = budgets(&world.limits, &[(1, 1_000)]);
    let hold = open(&world.limits, &money_only, 950, world.now());
    let (mut one, mut two) = (world.waits(&of, Call::asks(400)), world.waits(&of, Call::asks(400)));
    hold.undo(&world.limits, world.now());
    let _one = let_in(&mut one);
    match polled(&mut two) {
        Poll::Ready(Err(why)) => assert_eq!((why.why, why.policy), (Why::RateLimited, Some(policy(5)))),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_counter_that_is_forgotten_looks_anew() {
    let world = World::new();
    let of = budgets(&world.limits, &[(1, 1_000)]);
    let _hold = open(&world.limits, &of, 950, world.now());
    let mut taking = world.waits(&of, Call::asks(400));
    world.limits.retain(|_| false, |_| true, world.now());
    assert!(matches!(polled(&mut taking), Poll::Ready(Err(why)) if why.why == Why::Stale));
}

#[tokio::test(start_paused = true)]
async fn free_calls_never_wait() {
    let world = World::new();
    let of = budgets(&world.limits, &[(1, 1_000)]);
    let _hold = open(&world.limits, &of, 950, world.now());
    let _taking = world.waits(&of, Call::asks(400));
    let hold = world.comes(&of, Call { is_free: true, ..Call::new() }).map_err(|_| "waits").unwrap().unwrap();
    assert_eq!(hold.taken().reserved, usd(0));
}
