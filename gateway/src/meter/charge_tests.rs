//! The charge, case by case, and what holds in all of them.

use proptest::prelude::*;

use super::*;
use crate::meter::{Bound, ModelPrice};

fn metered(input: u64, output: Option<u64>, estimated_input: u64) -> Metered {
    Metered {
        bound: Bound { input, output, cost: Some(MicroUsd::new(77)), is_open: false },
        estimated_input,
        ..Metered::default()
    }
}

fn input(uncached: u64, cache_read: u64) -> InputTokens {
    InputTokens { uncached, cache_read, ..InputTokens::default() }
}

fn output(visible: u64, reasoning: u64) -> OutputTokens {
    OutputTokens { visible, reasoning, ..OutputTokens::default() }
}

fn told(input: Option<InputTokens>, output: Option<OutputTokens>) -> TokenUsage {
    TokenUsage { input, output }
}

#[test]
fn p16_each_class_is_the_providers_at_the_end_and_the_greater_one_before() {
    use Reached::{End, Middle};
    use UsageOrigin::{Estimated, Provider};
    let call = metered(1000, Some(500), 300);
    let own = OwnCount { visible: 40, reasoning: 20 };
    let all = told(Some(input(10, 400)), Some(output(5, 60)));
    for (reached, said, expected, origin) in [
        // The reply reached its end: the provider's numbers, however small they are.
        (End, all, (input(10, 400), output(5, 60)), Provider),
        (End, told(Some(input(7, 0)), Some(output(0, 0))), (input(7, 0), output(0, 0)), Provider),
        // It reported nothing, or a part.
        (End, TokenUsage::default(), (input(300, 0), output(40, 20)), Estimated),
        (End, told(Some(input(7, 0)), None), (input(7, 0), output(40, 20)), Estimated),
        (End, told(None, Some(output(9, 0))), (input(300, 0), output(9, 0)), Estimated),
        // It did not: the greater of each class.
        (Middle, TokenUsage::default(), (input(300, 0), output(40, 20)), Estimated),
        (Middle, all, (input(300, 400), output(40, 60)), Estimated),
        (Middle, told(Some(input(800, 0)), Some(output(50, 30))), (input(800, 0), output(50, 30)), Provider),
        // Ours stays within the bound, beside what the provider told.
        (Middle, told(Some(input(10, 900)), Some(output(0, 480))), (input(100, 900), output(20, 480)), Estimated),
        // The provider's may leave it.
        (Middle, told(Some(input(10, 1500)), Some(output(1, 0))), (input(10, 1500), output(40, 20)), Estimated),
    ] {
        let found = charge(&call, reached, said, || own);
        assert_eq!(found.usage, told(Some(expected.0), Some(expected.1)), "{reached:?} {said:?}");
        let is_more = said.input.map_or(0, InputTokens::total) + said.output.map_or(0, OutputTokens::total) > 1500;
        let flags = Flags { above_bound: is_more, ..Flags::default() };
        assert_eq!((found.origin, found.cost, found.flags), (origin, None, flags), "{reached:?} {said:?}");
    }
}

#[test]
fn p16_what_was_refused_or_never_sent_costs_nothing() {
    let found = charge(&metered(1000, None, 300), Reached::Nothing, told(Some(input(5, 5)), None), || {
        panic!("nothing is counted")
    });
    assert_eq!((found.cost, found.usage, found.flags), (Some(MicroUsd::ZERO), TokenUsage::default(), Flags::default()));
}

#[test]
fn p16_more_than_four_times_the_bound_is_charged_at_the_bound() {
    let call = metered(100, Some(50), 30);
    let at_bound = told(Some(input(100, 0)), Some(output(50, 0)));
    for (count, flagged, believed) in
        [(150, false, true), (151, true, true), (600, true, true), (601, true, false), (u64::MAX, true, false)]
    {
        for reached in [Reached::Middle, Reached::End] {
            let said = told(Some(input(0, count)), Some(output(0, 0)));
            let found = charge(&call, reached, said, OwnCount::default);
            assert_eq!(found.flags.above_bound, flagged, "{count}");
            assert_eq!(found.usage == at_bound, !believed, "{count}");
        }
    }
    // Never more than what was told costs.
    let price = ModelPrice::read(r#"{"input_tokens":{"no_cache":1000000},"output_tokens":{"text":90000000}}"#);
    let priced = Metered { price: price.map(std::sync::Arc::new), ..call.clone() };
    let said = told(Some(input(700, 0)), Some(output(1, 0)));
    let found = charge(&priced, Reached::End, said, OwnCount::default);
    assert_eq!((found.usage, found.cost, found.origin), (said, Some(MicroUsd::new(790)), UsageOrigin::Provider));
    let said = told(Some(input(700_000, 0)), Some(output(1, 0)));
    let found = charge(&priced, Reached::End, said, OwnCount::default);
    assert_eq!((found.usage, found.cost), (at_bound, Some(MicroUsd::new(100 + 50 * 90))));
    // What its provider may bring in by itself is not bounded.
    let open = Metered { bound: Bound { is_open: true, ..call.bound }, ..call };
    let found = charge(&open, Reached::End, said, OwnCount::default);
    assert_eq!((found.usage, found.flags), (said, Flags::default()));
    // Nothing bounds it.
    let found = charge(&metered(100, None, 30), Reached::End, told(Some(input(9999, 0)), None), OwnCount::default);
    assert!(!found.flags.above_bound);
}

fn any_input() -> impl Strategy<Value = InputTokens> {
    prop::array::uniform7(0u64..400).prop_map(
        |[uncached, audio, image, video, cache_read, cache_write, cache_write_1h]| InputTokens {
            uncached,
            audio,
            image,
            video,
            cache_read,
            cache_write,
            cache_write_1h,
        },
    )
}

fn any_output() -> impl Strategy<Value = OutputTokens> {
    prop::array::uniform4(0u64..400).prop_map(|[visible, reasoning, audio, image]| OutputTokens {
        visible,
        reasoning,
        audio,
        image,
    })
}

proptest! {
    #[test]
    fn p16_never_below_the_provider_and_ours_never_above_the_bound(
        said in (prop::option::of(any_input()), prop::option::of(any_output())),
        (bound_in, bound_out) in (1u64..4000, prop::option::of(0u64..4000)),
        estimate in 0u64..9000,
        own in (0u64..9000, 0u64..9000),
        at_end: bool,
    ) {
        let call = metered(bound_in, bound_out, estimate);
        let said = told(said.0, said.1);
        let reached = if at_end { Reached::End } else { Reached::Middle };
        let found = charge(&call, reached, said, || OwnCount { visible: own.0, reasoning: own.1 });
        if found.flags.above_bound {
            return Ok(());
        }
        let (input, output) = (found.usage.input.unwrap(), found.usage.output.unwrap());
        let (said_in, said_out) = (said.input.unwrap_or_default(), said.output.unwrap_or_default());
        prop_assert!(input.total() <= said_in.total().max(bound_in));
        prop_assert!(bound_out.is_none_or(|bound| output.total() <= said_out.total().max(bound)));
        prop_assert!(input.uncached >= said_in.uncached && output.visible >= said_out.visible);
        prop_assert!(output.reasoning >= said_out.reasoning);
        // What we do not count ourselves is the provider's.
        let beside = |input: InputTokens| (input.audio, input.image, input.video, input.cache_read, input.cache_write, input.cache_write_1h);
        prop_assert_eq!(beside(input), beside(said_in));
        prop_assert_eq!((output.audio, output.image), (said_out.audio, said_out.image));
        if at_end && let (Some(_), Some(_)) = (said.input, said.output) {
            prop_assert_eq!(found.usage, said);
            prop_assert_eq!(found.origin, UsageOrigin::Provider);
        }
    }
}
