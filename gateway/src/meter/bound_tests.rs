//! The bound and the estimate of calls, by the rules for plain bodies and for those that were looked at.

use serde_json::{Value, json};

use super::*;
use crate::{protocol::Dialect, registry::Pricing};

const PRICES: &str = "input_tokens = { no_cache = 1, cache_write = 2, cache_write_1h = 3, audio = 10, image = 5 }\noutput_tokens = { text = 4 }";

fn price(text: &str) -> Arc<ModelPrice> {
    Arc::new(ModelPrice::of(&toml::from_str::<Pricing>(text).unwrap()).unwrap())
}

fn model(text: &str) -> Model {
    toml::from_str(&format!("id = \"m\"\n{text}")).unwrap()
}

fn limits() -> Model {
    model(
        "max_input_tokens = 100000\nmax_output_tokens = 1000\nmax_image_tokens = 500\nmax_audio_tokens = 300\ncapabilities = [\"reasoning\"]",
    )
}

/// A call of a model with [`limits`] and [`PRICES`], changed by `change`.
fn metered(body: &Value, dialect: Dialect, change: impl FnOnce(&mut Asked<'_>)) -> Metered {
    metered_of(body, dialect, &limits(), &price(PRICES), change)
}

fn metered_of(
    body: &Value,
    dialect: Dialect,
    model: &Model,
    price: &Arc<ModelPrice>,
    change: impl FnOnce(&mut Asked<'_>),
) -> Metered {
    let text = body.to_string();
    let parts = dialect.rules().parts(&text);
    let mut asked = Asked {
        body: text.len() as u64,
        parts: Some(&parts),
        named: NamedTokens::default(),
        output: Some(OutputAsked { cap: Some(10), choices: 1 }),
        is_open: false,
        may_write_cache: false,
        model: Some(model),
        price: Some(price),
        thinking: None,
        counted: None,
        tools: ToolsBound::default(),
    };
    change(&mut asked);
    asked.metered()
}

fn plain(body: u64, output: Option<OutputAsked>, model: Option<&Model>, price: Option<&Arc<ModelPrice>>) -> Metered {
    let named = NamedTokens::default();
    let (is_open, may_write_cache, tools) = (false, false, ToolsBound::default());
    Asked {
        body,
        parts: None,
        named,
        output,
        is_open,
        may_write_cache,
        model,
        price,
        thinking: None,
        counted: None,
        tools,
    }
    .metered()
}

const fn asked(cap: Option<u64>, choices: u64) -> OutputAsked {
    OutputAsked { cap, choices }
}

#[test]
fn a_plain_body_is_bounded_by_its_length_and_the_cap() {
    let (model, price) = (limits(), price(PRICES));
    let call = plain(900, Some(asked(Some(50), 1)), Some(&model), Some(&price));
    let cost = Some(MicroUsd::new(900 + 200));
    assert_eq!(call.bound, Bound { input: 900, output: Some(50), cost, is_open: false });
    assert_eq!((call.estimated_input, call.pace), (300, Pace { thinks_unseen: true, max_output_tps: 150 }));
    assert_eq!(call.price, Some(Arc::clone(&price)));
    // Without a cap the model's maximum; of several replies, each.
    assert_eq!(plain(9, Some(asked(None, 3)), Some(&model), Some(&price)).bound.output, Some(3_000));
    // A verb without output has none.
    assert_eq!(
        plain(9, None, Some(&model), Some(&price)).bound,
        Bound { input: 9, output: Some(0), cost: Some(MicroUsd::new(9)), is_open: false }
    );
    // Nothing bounds what nobody caps.
    let unknown = plain(9, Some(asked(None, 1)), None, Some(&price));
    assert_eq!(
        (unknown.bound, unknown.pace.thinks_unseen),
        (Bound { input: 9, output: None, cost: None, is_open: false }, false)
    );
    let unpriced = plain(9, Some(asked(Some(5), 1)), Some(&model), None);
    assert_eq!(
        (unpriced.bound, unpriced.price),
        (Bound { input: 9, output: Some(5), cost: None, is_open: false }, None)
    );
    // What costs nothing reserves nothing, whatever bounds it.
    let free = Arc::new(ModelPrice::free());
    assert_eq!(
        plain(9, Some(asked(None, 1)), None, Some(&free)).bound,
        Bound { input: 9, output: None, cost: Some(MicroUsd::ZERO), is_open: false }
    );
    assert_eq!(plain(9, Some(asked(Some(1 << 31), u64::MAX)), Some(&model), Some(&price)).bound.output, None);
    let pace = model_with_pace();
    assert_eq!(plain(9, None, Some(&pace), None).pace, Pace { thinks_unseen: false, max_output_tps: 40 });
}

fn model_with_pace() -> Model {
    model("max_output_tps = 40")
}

#[test]
fn p16_media_count_as_their_stated_maximum_and_not_as_their_bytes() {
    let body = |data: &str| json!({"messages": [{"content": [{"image_url": {"url": data}}]}], "tools": [{}]});
    let data = format!("data:image/png;base64,{}", "A".repeat(9_000));
    let (inline, linked) = (body(&data), body("https://example.com/x"));
    let rest = inline.to_string().len() as u64 - 9_000;
    let call = metered(&inline, Dialect::ChatCompletions, |_| {});
    let text = rest + 16 + 1_024;
    assert_eq!(call.bound.input, text + 500);
    assert_eq!(call.estimated_input, rest / 3 + 500);
    // The picture at the price of pictures, the rest at that of text.
    assert_eq!(call.bound.cost, Some(MicroUsd::new(i64::try_from(text).unwrap() + 500 * 5 + 10 * 4)));
    let call = metered(&linked, Dialect::ChatCompletions, |_| {});
    let length = linked.to_string().len() as u64;
    assert_eq!((call.bound.input, call.estimated_input), (length + 16 + 1_024 + 500, length / 3 + 500));
    // Without a stated maximum the window, beside its bytes.
    let small = model("max_input_tokens = 7000");
    let call = metered_of(&inline, Dialect::ChatCompletions, &small, &price(PRICES), |_| {});
    assert_eq!(call.bound.input, rest + 9_000 + 16 + 1_024 + 7_000);
    assert_eq!(call.estimated_input, rest / 3);
    let nothing = model("");
    let call = metered_of(&inline, Dialect::ChatCompletions, &nothing, &price(PRICES), |_| {});
    assert_eq!(call.bound.cost, None);
}

#[test]
fn p16_what_a_body_only_names_counts_as_what_it_was_or_as_the_window() {
    let body = json!({"input": "x", "previous_response_id": "resp_1"});
    let length = body.to_string().len() as u64;
    let known = NamedTokens { remembered: 1_234, more: false };
    let call = metered(&body, Dialect::Responses, |asked| asked.named = known);
    assert_eq!((call.bound.input, call.estimated_input), (length + 16 + 1_234, length / 3 + 1_234));
    let call = metered(&body, Dialect::Responses, |asked| asked.named = NamedTokens { more: true, ..known });
    assert_eq!((call.bound.input, call.estimated_input), (length + 16 + 1_234 + 100_000, length / 3 + 1_234));
}

#[test]
fn p16_each_token_is_reckoned_at_the_dearest_class_that_it_can_become() {
    let cost = |body: Value, writes: bool| {
        let call = metered(&body, Dialect::Messages, |asked| {
            (asked.may_write_cache, asked.output) = (writes, None);
        });
        (u64::try_from(call.bound.cost.unwrap().micros()).unwrap(), call.bound.input)
    };
    let (plain, input) = cost(json!({"messages": [{}]}), false);
    assert_eq!(plain, input);
    let (written, input) = cost(json!({"messages": [{"cache_control": {"type": "ephemeral"}}]}), true);
    assert_eq!(written, 2 * input);
    let (hour, input) = cost(json!({"messages": [{"cache_control": {"type": "ephemeral", "ttl": "1h"}}]}), true);
    assert_eq!(hour, 3 * input);
    // A tier only where the bound passes it.
    let tiered =
        price(&format!("{PRICES}\n[[context_tiers]]\nabove_input_tokens = 100\ninput_tokens = {{ no_cache = 7 }}"));
    let model = limits();
    for (body, each) in [(100, 1), (101, 7)] {
        let call = self::plain(body, None, Some(&model), Some(&tiered));
        assert_eq!(call.bound.cost, Some(MicroUsd::new(i64::try_from(body * each).unwrap())));
    }
}

#[test]
fn p16_sound_without_a_price_makes_the_call_unpriced_unless_it_is_free() {
    let body = json!({"messages": [{"content": [{"input_audio": {"data": "AAAA"}}]}]});
    let silent = price("input_tokens = { no_cache = 1 }\noutput_tokens = { text = 1 }");
    let call = metered_of(&body, Dialect::ChatCompletions, &limits(), &silent, |_| {});
    assert_eq!((call.price, call.bound.cost), (None, None));
    assert!(metered(&body, Dialect::ChatCompletions, |_| {}).bound.cost.is_some());
    let free = Arc::new(ModelPrice::free());
    let call = metered_of(&body, Dialect::ChatCompletions, &limits(), &free, |_| {});
    assert_eq!((call.price, call.bound.cost), (Some(Arc::clone(&free)), Some(MicroUsd::ZERO)));
    // So does a reply that nobody prices.
    let half = price("input_tokens = { no_cache = 1 }");
    assert_eq!(plain(9, Some(asked(Some(1), 1)), None, Some(&half)).price, None);
    assert_eq!(plain(9, None, None, Some(&half)).price, Some(half.clone()));
}

#[test]
fn the_output_is_bounded_for_each_text_that_is_continued() {
    let body = json!({"prompt": ["a", "b", "c"]});
    let call = metered(&body, Dialect::ChatCompletions, |asked| asked.output = Some(self::asked(Some(10), 2)));
    assert_eq!(call.bound.output, Some(60));
}
