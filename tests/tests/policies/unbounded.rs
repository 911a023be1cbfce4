//! P11: what a budget or credit cannot bound is refused, whatever the model costs, and what it can bound is charged within that.

use bitrouter_tests::{Answer, Reply};
use serde_json::{Value, json};

use crate::bound::{AUDIO, Bound, LONG_OUTPUT, cost};

/// A body for one of the paths, with members of its own.
fn body(path: &str, model: &str, members: &Value) -> Value {
    let hello = json!([{"role": "user", "content": "hello"}]);
    let mut body = match path {
        "/v1/responses" => json!({"model": model, "input": "hello"}),
        "/v1/completions" => json!({"model": model, "prompt": "hello"}),
        "/v1/messages" => json!({"model": model, "messages": hello, "max_tokens": 50}),
        _ => json!({"model": model, "messages": hello}),
    };
    body.as_object_mut().expect("an object").extend(members.as_object().cloned().expect("an object"));
    body
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, member: &str) {
    let error = answer.json();
    assert_eq!((answer.status, &error["error"]["code"]), (status, &json!(code)), "{error}");
    assert!(error.to_string().contains(member), "{error} does not name {member}");
}

#[test]
fn p11_what_costs_nothing_bounds_no_other_model_and_no_tool() {
    let (chat, responses) = ("/v1/chat/completions", "/v1/responses");
    let calls = [
        (chat, json!({"models": ["acme:m"]}), "models"),
        (chat, json!({"fallbacks": [{"model": "m"}]}), "fallbacks"),
        (chat, json!({"service_tier": "priority"}), "service_tier"),
        (chat, json!({"plugins": [{"id": "web"}]}), "plugins"),
        (chat, json!({"web_search_options": {}}), "web_search_options"),
        (responses, json!({"tools": [{"type": "web_search"}]}), "tools[0]"),
        ("/v1/messages", json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}), "tools[0]"),
        (responses, json!({"background": true}), "background"),
    ];
    for settings in ["", "[node]\ncredit = \"required\"\n"] {
        let bound = Bound::with(settings);
        if settings.is_empty() {
            bound.budget(100);
        }
        for (path, members, member) in &calls {
            refused(&bound.post(path, &body(path, "acme:free", members)).send(), 402, "price_unknown", member);
        }
        assert_eq!(bound.provider.count(), 0, "nothing was sent");
        // Without them it is free, as a server of one's own is with them, but for a reply that nobody waits for.
        bound.post(chat, &body(chat, "acme:free", &json!({}))).send().ok();
        for (path, members, member) in &calls {
            let answer = bound.post(path, &body(path, "near:little", members)).send();
            if *member == "background" {
                refused(&answer, 402, "price_unknown", member);
            } else {
                answer.ok();
            }
        }
    }
    let bound = Bound::new();
    let policy = bound.policy("guardrail", &json!({"max_request_tokens": 5_000}));
    bound.bind(&policy, "namespace", &bound.namespace);
    for model in ["acme:m", "acme:free", "near:little"] {
        let answer = bound.post(responses, &body(responses, model, &json!({"background": true}))).send();
        refused(&answer, 400, "invalid_request", "background");
    }
    assert_eq!(bound.provider.count(), 0);
}

#[test]
fn p11_a_completion_is_charged_within_the_bound_of_its_texts() {
    let bound = Bound::new();
    bound.budget(1_000_000);
    let (one, three) = (json!("hello"), json!(["hello", "you", "there"]));
    let mut spent = 0;
    let calls = [
        (&one, 100, 100, false),
        (&one, 300, 300, true),
        (&one, 20_000, 100, true),
        (&three, 300, 300, false),
        (&three, 500, 500, true),
        (&three, 20_000, 300, true),
    ];
    for (before, (prompt, output, charged, is_above)) in calls.into_iter().enumerate() {
        let usage = json!({"prompt_tokens": 20, "completion_tokens": output});
        bound.provider.next(Reply::json(200, json!({"choices": [], "usage": usage}).to_string()));
        let members = json!({"prompt": prompt, "max_tokens": 100});
        bound.post("/v1/completions", &body("/v1/completions", "acme:m", &members)).send().ok();
        let now = bound.released();
        let most = if charged == output { cost(20, charged) } else { cost(150, charged) };
        assert!((cost(20, charged)..=most).contains(&(now - spent)), "{prompt} {output}: {}", now - spent);
        spent = now;
        let row = bound.settled(before + 1)[0].clone();
        assert_eq!(row["flags"].to_string().contains("above_bound"), is_above, "{row}");
    }
}

#[test]
fn p11_a_reply_of_sound_or_pictures_needs_a_price_of_its_own() {
    let bound = Bound::new();
    let policy = bound.budget(100 * AUDIO);
    let chat = "/v1/chat/completions";
    let spoken = json!({"modalities": ["text", "audio"], "audio": {"voice": "x", "format": "wav"}, "max_tokens": 100});
    for model in ["acme:m", "acme:free"] {
        refused(&bound.post(chat, &body(chat, model, &spoken)).send(), 402, "price_unknown", "audio");
        let drawn = json!({"modalities": ["image"], "max_tokens": 10});
        refused(&bound.post(chat, &body(chat, model, &drawn)).send(), 402, "price_unknown", "modalities");
    }
    for config in [json!({"responseModalities": ["AUDIO"]}), json!({"response_modalities": ["TEXT", "IMAGE"]})] {
        let member = if config["responseModalities"].is_null() { "response_modalities" } else { "responseModalities" };
        let path = "/v1beta/models/acme:m:generateContent";
        let body = json!({"contents": [{"parts": [{"text": "hello"}]}], "generationConfig": config});
        let answer = bound.post(path, &body).send();
        assert_eq!(answer.status, 402);
        assert!(answer.text().contains(member), "{}", answer.text());
    }
    // Each token may be sound where that has a price.
    refused(&bound.post(chat, &body(chat, "acme:sings", &spoken)).send(), 402, "budget_exceeded", "");
    assert_eq!(bound.provider.count(), 0);
    bound.limit(&policy, 100 * AUDIO + cost(500, 0));
    bound.post(chat, &body(chat, "acme:sings", &spoken)).send().ok();
}

#[test]
fn p11_a_cap_in_another_dialects_words_is_capped_too() {
    let bound = Bound::new();
    let (own, other) = (LONG_OUTPUT, 2_000);
    for (path, members, others) in [
        ("/v1/chat/completions", json!({"max_tokens": own, "max_output_tokens": other}), &["max_output_tokens"][..]),
        ("/v1/chat/completions", json!({"max_output_tokens": other}), &["max_output_tokens"]),
        ("/v1/completions", json!({"max_completion_tokens": other}), &["max_completion_tokens"]),
        ("/v1/messages", json!({"max_tokens": own, "max_completion_tokens": other}), &["max_completion_tokens"]),
        (
            "/v1/responses",
            json!({"max_tokens": other, "max_completion_tokens": other}),
            &["max_tokens", "max_completion_tokens"],
        ),
    ] {
        let policy = bound.budget(600_000);
        let answer = bound.post(path, &body(path, "acme:long", &members)).send().ok();
        let cap: i64 = answer.header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
        assert!(cap < own, "{path}: {cap}");
        let got = bound.provider.last().request.json();
        let own = if path == "/v1/responses" { "max_output_tokens" } else { "max_tokens" };
        for member in others.iter().chain([&own]) {
            assert_eq!(got[*member], json!(cap), "{path}: {got}");
        }
        bound.limit(&policy, 1_000_000_000);
    }
}
