//! P11: what has no price or no bound is refused under a budget, what is free passes, and a bound that is too wide is made closer.

use bitrouter_tests::{Answer, Reply};
use serde_json::{Value, json};

use crate::bound::{Bound, COUNTED, chat_body, cost};

#[test]
fn p11_what_is_free_fits_and_what_has_no_price_does_not() {
    let bound = Bound::new();
    let policy = bound.budget(1);
    for members in [json!({}), json!({"max_tokens": -1}), json!({"max_tokens": 999_999, "n": 5})] {
        let answer = bound.chat("acme:free", &members).send().ok();
        assert_eq!(answer.header("x-bitrouter-capped"), None);
    }
    // However little is left: no provider is asked to count what has no price.
    let before = bound.provider.count();
    let search = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    let messages = json!([{"role": "user", "content": "x"}]);
    let body = json!({"model": "acme:m", "max_tokens": 5, "messages": messages, "tools": search});
    let error = bound.post("/v1/messages", &body).send().json();
    assert_eq!(error["error"]["code"], "price_unknown", "{error}");
    assert_eq!(bound.provider.count(), before, "nothing was asked");
    bound.limit(&policy, 1_000_000_000);
    let unknown = |answer: Answer, member: &str| {
        let error = answer.refused(402, "price_unknown");
        assert!(error.to_string().contains(member), "{error}");
    };
    unknown(bound.chat("acme:unpriced", &json!({"max_tokens": 5})).send(), "price");
    unknown(bound.chat("acme:m:batch", &json!({"max_tokens": 5})).send(), "price");
    unknown(bound.chat("acme:m:nitro", &json!({"max_tokens": 5})).send(), "price");
    for (member, value) in [
        ("models", json!(["other"])),
        ("fallbacks", json!([{"model": "other"}])),
        ("service_tier", json!("priority")),
        ("service_tier", json!("scale")),
        ("speed", json!("fast")),
        ("route", json!("fallback")),
        ("provider", json!({"order": ["x"]})),
        ("plugins", json!([{"id": "web"}])),
        ("web_search_options", json!({})),
        ("search_parameters", json!({"mode": "on"})),
    ] {
        unknown(bound.chat("acme:m", &json!({"max_tokens": 5, member: value})).send(), member);
    }
    let responses = |members: Value| {
        let mut body = json!({"model": "acme:m", "input": "hello", "max_output_tokens": 5});
        body.as_object_mut().expect("an object").extend(members.as_object().cloned().expect("an object"));
        bound.post("/v1/responses", &body)
    };
    unknown(responses(json!({"background": true})).send(), "background");
    unknown(responses(json!({"tools": [{"type": "web_search"}]})).send(), "tools[0]");
    let codex = responses(json!({"tools": [{"type": "web_search"}]})).header("user-agent", "codex_cli_rs/0.50");
    unknown(codex.send(), "web_search=\\\"disabled\\\"");
    unknown(
        responses(json!({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]})).send(),
        "tools",
    );
    let messages = |members: Value| {
        let mut body = json!({"model": "acme:m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().expect("an object").extend(members.as_object().cloned().expect("an object"));
        bound.post("/v1/messages", &body)
    };
    for members in [
        json!({"mcp_servers": [{"type": "url", "url": "https://x.invalid", "name": "x"}]}),
        json!({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]}),
        json!({"fallbacks": [{"model": "other"}]}),
        json!({"speed": "fast"}),
    ] {
        let answer = messages(members.clone()).send();
        let error = answer.json();
        assert_eq!((answer.status, &error["error"]["code"]), (402, &json!("price_unknown")), "{members}: {error}");
    }
    assert_eq!(bound.provider.count(), before, "nothing was sent");
    for members in [
        json!({"service_tier": "auto"}),
        json!({"service_tier": "flex"}),
        json!({"service_tier": null}),
        json!({"models": []}),
        json!({"speed": "standard"}),
        json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}),
    ] {
        let members = chat_body("acme:m", &members);
        bound.post("/v1/chat/completions", &members).send().ok();
    }
    responses(json!({"background": false, "tools": [{"type": "local_shell"}, {"type": "custom", "name": "x"}]}))
        .send()
        .ok();
    messages(json!({"tools": [{"type": "bash_20250124", "name": "bash"}]})).send().ok();
}

#[test]
fn p11_where_the_bytes_alone_are_too_dear_the_provider_counts_once() {
    let bound = Bound::new();
    let long = "word ".repeat(12_000);
    let user = json!([{"role": "user", "content": long}]);
    let calls = [
        ("/v1/messages", json!({"model": "acme:m", "max_tokens": 100, "messages": user}), "/v1/messages/count_tokens"),
        (
            "/v1/responses",
            json!({"model": "acme:m", "max_output_tokens": 100, "input": long}),
            "/v1/responses/input_tokens",
        ),
        (
            "/v1beta/models/acme:m:generateContent",
            json!({"contents": [{"parts": [{"text": long}]}], "generationConfig": {"maxOutputTokens": 100}}),
            "/v1beta/models/m:countTokens",
        ),
    ];
    // Enough for 12,000 tokens that are counted, and not for 60,000 bytes.
    let policy = bound.budget(cost(12_000 * 105 / 100 + 1_000, 100));
    let count = |tokens: u64| Reply::json(200, json!({"input_tokens": tokens, "totalTokens": tokens}).to_string());
    for (path, body, counts_at) in &calls {
        bound.limit(&policy, bound.released() + cost(12_000 * 105 / 100 + 1_000, 100));
        let before = bound.provider.count();
        bound.provider.next(count(12_000));
        let answer = bound.post(path, body).send().ok();
        assert_eq!(answer.header("x-bitrouter-capped"), None, "{path}");
        assert_eq!(bound.provider.count(), before + 2, "{path}");
        let asked = &bound.provider.exchange(before).request;
        assert_eq!(asked.target, *counts_at);
        // More than that does not fit, and is asked once all the same; an answer that is none helps nobody.
        for reply in [count(12_001), Reply::json(500, "{}"), Reply::json(200, "[]")] {
            bound.limit(&policy, bound.released() + cost(12_000 * 105 / 100 + 1_000, 100) - COUNTED / 2);
            let before = bound.provider.count();
            bound.provider.next(reply);
            assert_eq!(bound.post(path, body).send().status, 402, "{path}");
            assert_eq!(bound.provider.count(), before + 1, "{path}");
        }
    }
    // Chat completions have no such verb.
    let before = bound.provider.count();
    bound.post("/v1/chat/completions", &json!({"model": "acme:m", "max_tokens": 100, "messages": user})).send();
    assert_eq!(bound.provider.count(), before);
}

#[test]
fn p11_a_provider_that_bills_more_than_the_bound_is_believed_up_to_four_times_that() {
    let bound = Bound::new();
    bound.budget(1_000_000);
    let mut spent = 0;
    for (output, is_believed) in [(200, true), (300, true), (5_000, false)] {
        bound.provider.next(Reply::json(
            200,
            json!({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": output}}).to_string(),
        ));
        bound.chat("acme:m", &json!({"max_tokens": 100})).send().ok();
        let now = bound.released();
        let (low, high) =
            if is_believed { (cost(20, output), cost(20, output)) } else { (cost(20, 100), cost(120, 100)) };
        assert!((low..=high).contains(&(now - spent)), "{output}: {}", now - spent);
        spent = now;
    }
    for row in bound.settled(3) {
        assert!(row["flags"].to_string().contains("above_bound"), "{row}");
    }
}

#[test]
fn p11_what_no_provider_takes_money_for_passes_a_budget_that_is_spent() {
    let bound = Bound::new();
    bound.budget(1);
    let hello = json!([{"role": "user", "content": "hello"}]);
    for (path, body) in [
        ("/v1/messages/count_tokens", json!({"model": "acme:m", "messages": hello})),
        ("/v1/responses/input_tokens", json!({"model": "acme:m", "input": "hello"})),
        ("/v1beta/models/acme:m:countTokens", json!({"contents": []})),
        ("/v1beta/models/acme:unpriced:countTokens", json!({"contents": []})),
    ] {
        let answer = bound.post(path, &body).send().ok();
        assert_eq!(answer.header("x-bitrouter-capped"), None, "{path}");
    }
    assert_eq!(bound.provider.count(), 4);
}

#[test]
fn p11_the_demo_is_capped_like_any_other() {
    let bound = Bound::new();
    let policy = bound.budget(1);
    let long = "word ".repeat(600);
    let messages = json!([{"role": "user", "content": long}]);
    let call = |stream: bool| {
        bound
            .post("/v1/chat/completions", &json!({"model": "demo/echo", "messages": messages, "stream": stream}))
            .send()
    };
    for stream in [false, true] {
        call(stream).refused(402, "budget_exceeded");
    }
    let free = Bound::new();
    let body = json!({"model": "demo/echo", "messages": messages, "max_tokens": 1_000});
    free.post("/v1/chat/completions", &body).send().ok();
    let row = free.settled(1)[0].clone();
    let whole = row["cost_micro_usd"].as_i64().expect("a cost");
    assert!(whole > 0, "{row}");
    for stream in [false, true] {
        let before = bound.released();
        // Its input is bounded by its bytes: find what lets some of it pass.
        let mut limit = whole;
        let answer = loop {
            bound.limit(&policy, before + limit);
            let answer = call(stream);
            if answer.status == 200 {
                break answer;
            }
            answer.refused(402, "budget_exceeded");
            limit += (whole / 8).max(1);
        };
        let cap: usize = answer.header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
        assert!(answer.text().contains("\"finish_reason\":\"length\""), "{stream}: {}", answer.text());
        let said = if stream { answer.streamed_text() } else { answer.content() };
        assert!(said.split_whitespace().count() <= cap && cap < 600, "{cap}: {said}");
        let now = bound.released();
        assert!(now > before && now <= before + limit, "{stream}: {now}");
    }
}
