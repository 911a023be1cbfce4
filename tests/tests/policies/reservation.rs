//! P11: what a call may cost is taken before it is made, and its output is capped where it would cost more.

use bitrouter_tests::{Answer, Gate, Reply};
use serde_json::{Value, json};

use crate::bound::{Bound, COUNTED, INPUT, LONG_OUTPUT, OUTPUT, chat_body, cost};

/// A call in one dialect.
struct Dialect {
    name: &'static str,
    path: &'static str,
    /// Without a cap.
    body: Value,
    /// The member that is put in, and where.
    cap: &'static str,
}

fn dialects(model: &str) -> [Dialect; 5] {
    let hello = json!([{"role": "user", "content": "hello \u{2028} \"☂\""}]);
    let google: &'static str = format!("/v1beta/models/acme:{model}:generateContent").leak();
    let named = format!("acme:{model}");
    [
        Dialect {
            name: "chat",
            path: "/v1/chat/completions",
            body: json!({"model": named, "messages": hello, "temperature": 0.5}),
            cap: "/max_tokens",
        },
        Dialect {
            name: "completions",
            path: "/v1/completions",
            body: json!({"model": named, "prompt": "hello"}),
            cap: "/max_tokens",
        },
        Dialect {
            name: "messages",
            path: "/v1/messages",
            body: json!({"model": named, "messages": hello}),
            cap: "/max_tokens",
        },
        Dialect {
            name: "responses",
            path: "/v1/responses",
            body: json!({"model": named, "input": hello}),
            cap: "/max_output_tokens",
        },
        Dialect {
            name: "google",
            path: google,
            body: json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}),
            cap: "/generationConfig/maxOutputTokens",
        },
    ]
}

/// The cap that was put into a body, as the answer says; the provider got it, and every other byte as the caller sent it.
#[track_caller]
fn capped(bound: &Bound, dialect: &Dialect, model: &str, answer: &Answer) -> i64 {
    let cap = answer.header("x-bitrouter-capped").unwrap_or_else(|| panic!("{} is not capped", dialect.name));
    let cap: i64 = cap.parse().expect("a number");
    let got = bound.provider.last().request.clone();
    assert_eq!(got.json().pointer(dialect.cap), Some(&json!(cap)), "{}: {}", dialect.name, got.json());
    let sent = dialect.body.to_string().replace(&format!("acme:{model}"), model);
    let body = String::from_utf8(got.body).expect("text");
    let member = dialect.cap.rsplit('/').next().expect("a name");
    let put_in = match dialect.cap.matches('/').count() {
        1 => format!("\"{member}\":{cap}"),
        _ => format!("\"generationConfig\":{{\"{member}\":{cap}}}"),
    };
    let without = [format!(",{put_in}"), format!("{put_in},")].map(|put_in| body.replacen(&put_in, "", 1));
    assert!(without.contains(&sent), "{}: {body} is not {sent} with a cap", dialect.name);
    cap
}

#[test]
fn p11_a_call_without_a_cap_gets_half_of_what_is_left_and_every_other_byte_is_the_callers() {
    let bound = Bound::new();
    let limit = 600_000;
    bound.budget(limit);
    let mut spent = 0;
    for dialect in dialects("long") {
        let answer = bound.post(dialect.path, &dialect.body).send().ok();
        let cap = capped(&bound, &dialect, "long", &answer);
        // The body, 16 for each message, and little more; of the rest half.
        let body = i64::try_from(dialect.body.to_string().len()).expect("a length");
        let left = limit - spent;
        let (most, least) = (((left - cost(body, 0)) / 2) / OUTPUT, ((left - cost(body + 40, 0)) / 2) / OUTPUT);
        assert!((least..=most).contains(&cap), "{}: {least} ≤ {cap} ≤ {most}", dialect.name);
        spent += COUNTED;
        assert_eq!(bound.released(), spent, "{}", dialect.name);
    }
    // Where half is more than the model ever writes, nothing is put in.
    for dialect in dialects("m") {
        let answer = bound.post(dialect.path, &dialect.body).send().ok();
        assert_eq!(answer.header("x-bitrouter-capped"), None, "{}", dialect.name);
        let whole = dialect.body.to_string().replace("acme:m", "m");
        let got = bound.provider.last().request.body.clone();
        assert_eq!(String::from_utf8_lossy(&got), whole, "{}", dialect.name);
    }
}

#[test]
fn p11_a_cap_that_fits_stays_and_one_that_does_not_becomes_what_is_affordable() {
    let bound = Bound::new();
    let policy = bound.budget(40_000);
    for dialect in dialects("m") {
        for asked in [100, 990] {
            bound.limit(&policy, bound.released() + 40_000);
            let mut body = dialect.body.clone();
            let cap_at = dialect.cap.trim_start_matches('/').split('/');
            let mut place = &mut body;
            for name in cap_at {
                place = &mut place[name];
            }
            *place = json!(asked);
            let answer = bound.post(dialect.path, &body).send().ok();
            let got = bound.provider.last().request.clone();
            if asked == 100 {
                assert_eq!(answer.header("x-bitrouter-capped"), None, "{}", dialect.name);
                let sent = body.to_string().replace("acme:m", "m");
                assert_eq!(String::from_utf8_lossy(&got.body), sent, "{}", dialect.name);
                continue;
            }
            let told: i64 = answer.header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
            assert!((720..800).contains(&told), "{}: {told}", dialect.name);
            assert_eq!(got.json().pointer(dialect.cap), Some(&json!(told)), "{}", dialect.name);
            let sent = body.to_string().replace("acme:m", "m").replace("990", &told.to_string());
            assert_eq!(String::from_utf8_lossy(&got.body), sent, "{}", dialect.name);
        }
    }
}

#[test]
fn p11_too_little_for_a_reply_worth_having_is_refused_and_says_what_there_is() {
    let bound = Bound::new();
    let policy = bound.budget(1);
    let tokens = |tokens: i64| cost(500, 0) + cost(0, tokens);
    // Within a few tokens of the least that is sent of a stream, and of a whole reply.
    for (limit, stream, is_sent) in
        [(tokens(64), true, true), (tokens(64), false, false), (tokens(256), false, true), (cost(30, 63), true, false)]
    {
        bound.limit(&policy, bound.released() + limit);
        let answer = bound.chat("acme:m", &json!({"max_tokens": 1_000, "stream": stream})).send();
        if is_sent {
            let cap: i64 = answer.ok().header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
            assert!(cap >= if stream { 64 } else { 256 }, "{cap}");
            continue;
        }
        let error = answer.refused(402, "budget_exceeded");
        assert_eq!((&error["policy_id"], &error["reserved_micro_usd"]), (&json!(policy), &json!(0)), "{error}");
        assert!(error["max_affordable_tokens"].as_i64().is_some_and(|most| most < 256), "{error}");
        assert!(error["resets_at"].is_string(), "{error}");
        // Known where this call would pass once what was spent has left.
        if limit < tokens(64) {
            let seconds: u64 = answer.header("retry-after").expect("seconds").parse().expect("a number");
            assert!((86_000..=86_400).contains(&seconds), "{seconds}");
        }
    }
    // A caller that asks for less than that gets it where it fits.
    bound.limit(&policy, bound.released() + tokens(20));
    bound.chat("acme:m", &json!({"max_tokens": 20})).send().ok();
    let before = bound.provider.count();
    bound.limit(&policy, bound.released() + 10);
    let error = bound.chat("acme:m", &json!({})).send().refused(402, "budget_exceeded");
    assert_eq!(error["max_affordable_tokens"], 0, "{error}");
    assert_eq!(bound.provider.count(), before, "nothing was sent");
}

#[test]
fn p11_replies_prompts_and_thinking_are_counted() {
    let bound = Bound::new();
    let policy = bound.budget(1);
    let refused = |path: &str, body: &Value| {
        let before = bound.provider.count();
        let answer = bound.post(path, body).send();
        assert_eq!(answer.status, 402, "{path} {body}: {}", answer.text());
        assert_eq!(bound.provider.count(), before);
        answer
    };
    // Four replies of a hundred, and a body of a few hundred bytes.
    let four = cost(0, 400);
    bound.limit(&policy, four + cost(60, 0));
    let chat = chat_body("acme:m", &json!({"max_tokens": 100}));
    bound.post("/v1/chat/completions", &chat).send().ok();
    let with = |body: &Value, name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    let completion = json!({"model": "acme:m", "prompt": "hello", "max_tokens": 100});
    let google = json!({"contents": [], "generationConfig": {"maxOutputTokens": 100, "candidateCount": 4}});
    let replies = [
        ("/v1/chat/completions", with(&chat, "n", json!(4))),
        ("/v1/completions", with(&completion, "best_of", json!(4))),
        ("/v1/completions", with(&completion, "n", json!(4))),
        ("/v1/completions", with(&completion, "prompt", json!(["a", "b", "c", "d"]))),
        ("/v1/completions", with(&completion, "prompt", json!([[1], [2], [3], [4]]))),
        ("/v1/completions", with(&with(&completion, "n", json!(2)), "prompt", json!(["a", "b"]))),
        ("/v1beta/models/acme:m:generateContent", google),
    ];
    for (path, body) in &replies {
        // One is left to pay for less than all of them, and for more than a quarter.
        let spent = bound.released();
        bound.limit(&policy, spent + cost(10, 0) + four / 2);
        refused(path, body);
        bound.limit(&policy, spent + cost(300, 0) + four);
        let answer = bound.post(path, body).send().ok();
        assert_eq!(answer.header("x-bitrouter-capped"), None, "{path} {body}");
    }
    // One prompt of many tokens is one.
    bound.limit(&policy, bound.released() + cost(300, 0) + four / 4);
    let answer = bound.post("/v1/completions", &with(&completion, "prompt", json!([1, 2, 3, 4]))).send().ok();
    assert_eq!(answer.header("x-bitrouter-capped"), None);
    // What leaves every range fits nowhere.
    bound.limit(&policy, i64::MAX);
    for count in [json!(1_u64 << 62), json!(u64::MAX), json!(0), json!(-1), json!(1.5), json!("2")] {
        let answer = bound.post("/v1/chat/completions", &with(&chat, "n", count.clone())).send();
        assert!([400, 402].contains(&answer.status), "{count}: {} {}", answer.status, answer.text());
        assert_eq!(answer.status, 400, "{count}: {}", answer.text());
    }
    // Never a cap at or below the tokens to think.
    bound.limit(&policy, bound.released() + cost(100, 2_990));
    let thinks = json!({"model": "acme:thinks", "max_tokens": 8_000,
        "thinking": {"type": "enabled", "budget_tokens": 3_000}, "messages": [{"role": "user", "content": "x"}]});
    refused("/v1/messages", &thinks);
    bound.limit(&policy, bound.released() + cost(500, 5_000));
    let answer = bound.post("/v1/messages", &thinks).send().ok();
    let cap: i64 = answer.header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
    assert!(cap > 3_000 && cap < 5_500, "{cap}");
}

#[test]
fn p11_what_a_guardrail_or_a_rate_splices_in_is_above_the_tokens_to_think_or_it_is_402() {
    let bound = Bound::new();
    let thinks =
        |budget: i64| json!({"contents": [], "generationConfig": {"thinkingConfig": {"thinkingBudget": budget}}});
    let call = |budget| bound.post("/v1beta/models/acme:m:generateContent", &thinks(budget)).send();
    let limits = [
        ("guardrail", json!({"max_request_tokens": 300})),
        ("rate_limit", json!({"window_secs": 3_600, "max_tokens": 600})),
    ];
    for (kind, spec) in limits {
        let policy = bound.policy(kind, &spec);
        bound.bind(&policy, "namespace", &bound.namespace);
        let before = bound.provider.count();
        let answer = call(300);
        assert_eq!(answer.status, 402, "{kind}: {}", answer.text());
        let told = answer.text();
        assert!(told.contains("BUDGET_EXCEEDED") && told.contains(&policy) && told.contains("thinking"), "{told}");
        assert_eq!(bound.provider.count(), before, "nothing was sent");
        assert_eq!(call(299).ok().header("x-bitrouter-capped"), Some("300"), "{kind}");
        bound.api("DELETE", &format!("/policies/{policy}"), None);
    }
}

#[test]
fn p11_of_two_caps_the_greater_counts_and_both_are_written() {
    let bound = Bound::new();
    let policy = bound.budget(cost(500, 500));
    let body = r#"{"model":"acme:m","messages":[],"max_tokens":10,"max_tokens":900}"#;
    bound.http().post("/v1/chat/completions").json(body).send().refused(400, "invalid_request");
    let body = r#"{"model":"acme:m","messages":[],"max_tokens":10,"max_tok\u0065ns":900}"#;
    bound.http().post("/v1/chat/completions").json(body).send().refused(400, "invalid_request");
    for value in [json!(-1), json!(0), json!(2_147_483_648_u64), json!(1.5), json!("9"), json!(true)] {
        let answer = bound.chat("acme:m", &json!({"max_tokens": value})).send();
        let error = answer.refused(400, "invalid_request");
        assert_eq!(error["param"], "max_tokens", "{value}: {error}");
    }
    let answer = bound.chat("acme:m", &json!({"max_tokens": 10, "max_completion_tokens": 900})).send().ok();
    let cap: i64 = answer.header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
    assert!((450..=600).contains(&cap), "{cap}");
    let got = bound.provider.last().request.json();
    assert_eq!((&got["max_tokens"], &got["max_completion_tokens"]), (&json!(cap), &json!(cap)), "{got}");
    bound.limit(&policy, bound.released() + cost(500, 500));
    let answer = bound.chat("acme:m", &json!({"max_tokens": null, "max_completion_tokens": 100})).send().ok();
    assert_eq!(answer.header("x-bitrouter-capped"), None);
}

#[test]
fn p11_a_call_of_embeddings_has_no_cap_and_reserves_its_input() {
    let bound = Bound::new();
    let policy = bound.budget(100);
    let body = json!({"model": "acme:embeds", "input": "hello"});
    let error = bound.post("/v1/embeddings", &body).send().refused(402, "budget_exceeded");
    assert_eq!(error["max_affordable_tokens"], Value::Null, "{error}");
    bound.limit(&policy, cost(200, 0));
    bound.provider.next(Reply::json(200, r#"{"data":[],"usage":{"prompt_tokens":7,"total_tokens":7}}"#));
    let answer = bound.post("/v1/embeddings", &body).send().ok();
    assert_eq!(answer.header("x-bitrouter-capped"), None);
    assert_eq!(bound.provider.last().request.json(), json!({"model": "embeds", "input": "hello"}));
    assert_eq!(bound.released(), 7 * INPUT);
}

#[test]
fn p11_a_caller_that_leaves_is_charged_and_nothing_stays_reserved() {
    let bound = Bound::new();
    bound.budget(LONG_OUTPUT * OUTPUT);
    let hello = json!([{"role": "user", "content": "hello"}]);
    let chat = json!({"model": "acme:m", "messages": hello, "stream": true, "max_tokens": 900});
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
        "model": "m", "content": [], "stop_reason": null, "usage": {"input_tokens": 500, "output_tokens": 1}}});
    let start = format!("event: message_start\ndata: {start}\n\n");
    let never = Gate::new();
    let cases = [
        ("before the first token", "/v1/chat/completions", &chat, Reply::stream().gate(&never), None, 20),
        (
            "in the middle",
            "/v1/chat/completions",
            &chat,
            Reply::stream().token("one ").token("two ").gate(&never),
            Some("two"),
            2 * OUTPUT,
        ),
        (
            "behind message_start",
            "/v1/messages",
            &chat,
            Reply::stream().piece(start).gate(&never),
            Some("message_start"),
            500 * INPUT,
        ),
    ];
    let mut spent = 0;
    for (number, (what, path, body, reply, until, least)) in cases.into_iter().enumerate() {
        let before = bound.provider.count();
        bound.provider.next(reply);
        if let Some(until) = until {
            let mut open = bound.post(path, body).open();
            open.until_contains(until);
            assert!(bound.spent().1 >= cost(0, 900), "{what}: nothing is reserved while it runs");
            drop(open);
        } else {
            let stream = bound.post(path, body).fire();
            bound.provider.exchange(before);
            drop(stream);
        }
        bound.provider.exchange(before).wait_left();
        let now = bound.released();
        assert!(now - spent >= least && now - spent < cost(600, 100), "{what}: {}", now - spent);
        spent = now;
        assert_eq!(bound.settled(number + 1)[0]["status"], "cancelled", "{what}");
    }
    // What the provider refuses is no spending.
    bound.provider.next(Reply::json(500, r#"{"error":{"message":"no"}}"#));
    assert_eq!(bound.post("/v1/chat/completions", &chat).send().status, 500);
    assert_eq!(bound.released(), spent);
}
