//! Sums are exact, rounded up once, and follow the rules for prices that are not stated.

use proptest::prelude::*;

use super::*;
use crate::{
    protocol::usage::{InputTokens, OutputTokens},
    registry::{InputPrices, OutputPrices, Price, Tier},
};

fn price(text: &str) -> ModelPrice {
    ModelPrice::of(&toml::from_str(text).unwrap()).unwrap()
}

fn usage(input: InputTokens, output: OutputTokens) -> TokenUsage {
    TokenUsage { input: Some(input), output: Some(output) }
}

fn input(uncached: u64) -> InputTokens {
    InputTokens { uncached, ..InputTokens::default() }
}

fn micros(price: &ModelPrice, input: InputTokens, output: OutputTokens) -> i64 {
    price.cost(&usage(input, output)).amount.micros()
}

#[test]
fn p10_a_row_is_summed_first_and_rounded_up_once() {
    let price = price("input_tokens = { no_cache = 0.1, cache_read = 0.01 }\noutput_tokens = { text = 0.4 }");
    // 0.1 + 0.01 + 0.4 micro-USD are one, and not three.
    let one = InputTokens { uncached: 1, cache_read: 1, ..InputTokens::default() };
    let visible = OutputTokens { visible: 1, ..OutputTokens::default() };
    assert_eq!(micros(&price, one, visible), 1);
    assert_eq!(micros(&price, input(10), OutputTokens::default()), 1);
    assert_eq!(micros(&price, input(11), OutputTokens::default()), 2);
    assert_eq!(price.cost(&TokenUsage::default()).amount, MicroUsd::ZERO);
}

#[test]
fn p10_only_what_is_stated_is_a_price_of_media_in_a_reply() {
    let stated = |output: &str| {
        let price = price(&format!("input_tokens = {{ no_cache = 1 }}\noutput_tokens = {{ {output} }}"));
        [Kind::Audio, Kind::Image, Kind::Video, Kind::File].map(|kind| price.prices_output_of(kind))
    };
    assert_eq!(stated("text = 1"), [false; 4]);
    assert_eq!(stated("text = 1, audio = 0"), [true, false, false, false]);
    assert_eq!(stated("text = 1, image = 2"), [false, true, false, false]);
}

#[test]
fn p10_prices_that_are_not_stated_follow_from_those_that_are() {
    let least = price("input_tokens = { no_cache = 3.0 }\noutput_tokens = { text = 15.0 }");
    let million = 1_000_000;
    let of = |class: fn(&mut InputTokens) -> &mut u64| {
        let mut tokens = InputTokens::default();
        *class(&mut tokens) = million;
        let cost = least.cost(&usage(tokens, OutputTokens::default()));
        (cost.amount.micros(), cost.substituted)
    };
    assert_eq!(of(|t| &mut t.uncached), (3_000_000, false));
    assert_eq!(of(|t| &mut t.cache_read), (3_000_000, false));
    assert_eq!(of(|t| &mut t.cache_write), (3_000_000, false));
    assert_eq!(of(|t| &mut t.image), (3_000_000, false));
    assert_eq!(of(|t| &mut t.video), (3_000_000, false));
    assert_eq!(of(|t| &mut t.cache_write_1h), (6_000_000, false));
    // The dearest of its side, and said so.
    assert_eq!(of(|t| &mut t.audio), (6_000_000, true));
    let out = |class: fn(&mut OutputTokens) -> &mut u64| {
        let mut tokens = OutputTokens::default();
        *class(&mut tokens) = million;
        let cost = least.cost(&usage(InputTokens::default(), tokens));
        (cost.amount.micros(), cost.substituted)
    };
    assert_eq!(out(|t| &mut t.reasoning), (15_000_000, false));
    assert_eq!(out(|t| &mut t.audio), (15_000_000, true));
    assert_eq!(out(|t| &mut t.image), (15_000_000, true));
    let all = price(
        "input_tokens = { no_cache = 1, cache_read = 2, cache_write = 3, cache_write_1h = 4, audio = 5, image = 6, video = 7 }
         output_tokens = { text = 8, reasoning = 9, audio = 10, image = 11 }",
    );
    let tokens =
        InputTokens { uncached: 1, cache_read: 1, cache_write: 1, cache_write_1h: 1, audio: 1, image: 1, video: 1 };
    let written = OutputTokens { visible: 1, reasoning: 1, audio: 1, image: 1 };
    assert_eq!(all.cost(&usage(tokens, written)), Cost { amount: MicroUsd::new(66), substituted: false });
    // Output that nobody prices is no gift.
    let half = price("input_tokens = { no_cache = 3.0 }");
    assert!(!half.prices_output() && !half.is_free());
    let visible = OutputTokens { visible: million, ..OutputTokens::default() };
    assert_eq!(half.cost(&usage(input(0), visible)), Cost { amount: MicroUsd::new(6_000_000), substituted: true });
    assert_eq!(ModelPrice::of(&Pricing::default()), None);
}

#[test]
fn p10_all_input_tokens_choose_the_tier() {
    let tiered = price(
        "input_tokens = { no_cache = 1.0, cache_read = 0.5 }
         output_tokens = { text = 2.0 }
         [[context_tiers]]
         above_input_tokens = 100
         input_tokens = { no_cache = 10.0 }
         [[context_tiers]]
         above_input_tokens = 1_000
         input_tokens = { no_cache = 100.0 }
         output_tokens = { text = 200.0 }",
    );
    let visible = OutputTokens { visible: 10, ..OutputTokens::default() };
    assert_eq!(micros(&tiered, input(100), visible), 120);
    assert_eq!(micros(&tiered, input(101), visible), 1_030);
    // What a tier does not state costs what it does below.
    let cached = InputTokens { uncached: 1, cache_read: 100, ..InputTokens::default() };
    assert_eq!(micros(&tiered, cached, visible), 80);
    assert_eq!(micros(&tiered, input(1_000), visible), 10_020);
    assert_eq!(micros(&tiered, input(1_001), visible), 102_100);
}

#[test]
fn a_version_is_that_of_its_document_and_free_is_free() {
    let price = price("input_tokens = { no_cache = 1.5 }\noutput_tokens = { text = 2.0 }");
    assert_eq!(price.document(), r#"{"input_tokens":{"no_cache":1500000},"output_tokens":{"text":2000000}}"#);
    assert_eq!(price.version().len(), 20);
    assert!(price.version().starts_with("prc_") && price.version()[4..].bytes().all(|b| b.is_ascii_hexdigit()));
    let free = ModelPrice::free();
    assert!(free.is_free() && !price.is_free() && free.version() != price.version());
    assert_eq!(ModelPrice::read(free.document()), Some(free.clone()));
    let audio = InputTokens { audio: 5, ..InputTokens::default() };
    assert_eq!(free.cost(&usage(audio, OutputTokens::default())), Cost { amount: MicroUsd::ZERO, substituted: false });
    for odd in [
        "",
        "{}",
        "null",
        r#"{"input_tokens":{},"output_tokens":{}}"#,
        r#"{"input_tokens":{"no_cache":-1},"output_tokens":{}}"#,
        r#"{"input_tokens":{"no_cache":1000000000001},"output_tokens":{}}"#,
        r#"{"input_tokens":{"no_cache":1.5},"output_tokens":{}}"#,
        r#"{"input_tokens":{"no_cache":1},"output_tokens":{},"more":1}"#,
    ] {
        assert_eq!(ModelPrice::read(odd), None, "{odd}");
    }
}

fn a_price() -> impl Strategy<Value = Option<Price>> {
    prop::option::of((0..=Price::MOST).prop_map(|micro| Price::new(micro).unwrap()))
}

prop_compose! {
    fn input_prices()(
        no_cache in a_price(), cache_read in a_price(), cache_write in a_price(), cache_write_1h in a_price(),
        audio in a_price(), image in a_price(), video in a_price(),
    ) -> InputPrices {
        InputPrices { no_cache, cache_read, cache_write, cache_write_1h, audio, image, video }
    }
}

prop_compose! {
    fn output_prices()(
        text in a_price(), reasoning in a_price(), audio in a_price(), image in a_price(),
    ) -> OutputPrices {
        OutputPrices { text, reasoning, audio, image }
    }
}

prop_compose! {
    fn pricing()(
        input_tokens in input_prices(),
        output_tokens in output_prices(),
        plain in (0..=Price::MOST).prop_map(Price::new),
        above in prop::collection::btree_map(any::<u64>(), (input_prices(), output_prices()), 0..3),
    ) -> Pricing {
        let tier = |(above_input_tokens, (input_tokens, output_tokens))| {
            Tier { above_input_tokens, input_tokens, output_tokens }
        };
        Pricing {
            input_tokens: InputPrices { no_cache: plain, ..input_tokens },
            output_tokens,
            context_tiers: above.into_iter().map(tier).collect(),
            changes: Vec::new(),
        }
    }
}

fn tokens() -> impl Strategy<Value = (InputTokens, OutputTokens)> {
    (any::<[u64; 7]>(), any::<[u64; 4]>()).prop_map(|(i, o)| {
        (
            InputTokens {
                uncached: i[0],
                audio: i[1],
                image: i[2],
                video: i[3],
                cache_read: i[4],
                cache_write: i[5],
                cache_write_1h: i[6],
            },
            OutputTokens { visible: o[0], reasoning: o[1], audio: o[2], image: o[3] },
        )
    })
}

proptest! {
    #[test]
    fn p10_sums_never_overflow_or_go_negative(pricing in pricing(), (input, output) in tokens()) {
        let price = ModelPrice::of(&pricing).unwrap();
        prop_assert!(price.cost(&usage(input, output)).amount >= MicroUsd::ZERO);
    }

    #[test]
    fn p10_a_sum_is_the_least_whole_amount_that_covers_it(
        plain in 0..=Price::MOST, text in 0..=Price::MOST, read in 0..10_000_000_u64, wrote in 0..10_000_000_u64,
    ) {
        let pricing = Pricing {
            input_tokens: InputPrices { no_cache: Price::new(plain), ..InputPrices::default() },
            output_tokens: OutputPrices { text: Price::new(text), ..OutputPrices::default() },
            ..Pricing::default()
        };
        let visible = OutputTokens { visible: wrote, ..OutputTokens::default() };
        let cost = i128::from(micros(&ModelPrice::of(&pricing).unwrap(), input(read), visible));
        let exact = i128::from(plain) * i128::from(read) + i128::from(text) * i128::from(wrote);
        prop_assert!(cost * MILLION >= exact && (cost - 1) * MILLION < exact);
    }

    #[test]
    fn p10_more_tokens_never_cost_less(pricing in pricing(), (i, o) in tokens(), class in 0..11_usize, more: u32) {
        // Within one tier.
        let pricing = Pricing { context_tiers: Vec::new(), ..pricing };
        let price = ModelPrice::of(&pricing).unwrap();
        let (mut more_in, mut more_out) = (i, o);
        let counts = [
            &mut more_in.uncached, &mut more_in.audio, &mut more_in.image, &mut more_in.video, &mut more_in.cache_read,
            &mut more_in.cache_write, &mut more_in.cache_write_1h,
            &mut more_out.visible, &mut more_out.reasoning, &mut more_out.audio, &mut more_out.image,
        ];
        for (at, count) in counts.into_iter().enumerate() {
            if at == class {
                *count = count.saturating_add(u64::from(more));
            }
        }
        prop_assert!(micros(&price, more_in, more_out) >= micros(&price, i, o));
    }

    #[test]
    fn p10_a_document_reads_back(pricing in pricing()) {
        let price = ModelPrice::of(&pricing).unwrap();
        prop_assert_eq!(ModelPrice::read(price.document()), Some(price.clone()));
        let parsed: serde_json::Value = serde_json::from_str(price.document()).unwrap();
        prop_assert!(!parsed.to_string().contains('.'));
    }
}
