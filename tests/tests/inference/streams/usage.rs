//! What is counted: the same for a stream as for the whole reply that says the same, each token in one class, later counts in
//! the place of earlier ones; and nothing for calls that no provider charges for.

use bitrouter_tests::{
    Reply,
    dialects::{Event, Newline, Turn, Usage},
};
use serde_json::{Value, json};

use super::surface::{RESPONSE, Scene, Surface};

/// The classes that each dialect can tell.
fn classes(surface: Surface, usage: Usage) -> [u64; 6] {
    let Usage { input, cache_read, cache_write, cache_write_1h, output, reasoning } = usage;
    match surface {
        Surface::Messages => [input, cache_read, cache_write, cache_write_1h, output, reasoning],
        // Google tells nothing of what is written to a cache, OpenAI not for how long.
        Surface::GoogleEvents | Surface::GoogleArray => {
            [input + cache_write + cache_write_1h, cache_read, 0, 0, output, reasoning]
        }
        _ => [input, cache_read, cache_write + cache_write_1h, 0, output, reasoning],
    }
}

fn usages() -> Vec<Usage> {
    let usage = |input, cache_read, cache_write, cache_write_1h, output, reasoning| Usage {
        input,
        cache_read,
        cache_write,
        cache_write_1h,
        output,
        reasoning,
    };
    vec![
        usage(11, 0, 0, 0, 7, 0),
        usage(11, 5, 0, 0, 7, 3),
        usage(1, 1000, 200, 30, 4, 0),
        usage(0, 50, 0, 0, 0, 9),
        usage(8, 0, 0, 4, 0, 0),
        usage(1 << 40, 1 << 33, 7, 0, 1 << 34, 5),
    ]
}

#[test]
fn a_stream_counts_what_its_whole_twin_counts() {
    let scene = Scene::new("");
    for surface in Surface::ALL {
        for usage in usages() {
            let turn = Turn { usage, ..Turn::sample() };
            let frames = surface.frames(&turn, Newline::Lf).concat();
            for (stream, reply) in [
                (true, surface.head().piece(frames).end()),
                (false, Reply::json(200, surface.whole(&turn).to_string())),
                // Longer than one read, so that it is followed on its way.
                (false, Reply::json(200, pretty(&surface.whole(&turn))).cut_every(50_000)),
            ] {
                let before = scene.tokens();
                let answer = scene.call(surface, stream, reply).send().ok();
                let line = scene.line(&answer);
                let told = [Some(usage.all_input()), Some(usage.all_output())];
                assert_eq!(line.tokens(), told, "{surface:?}, stream: {stream}, {usage:?}");
                assert_eq!(line.member("stream"), stream);
                let now = scene.tokens();
                let counted: Vec<u64> = now.iter().zip(before).map(|(now, before)| now - before).collect();
                assert_eq!(counted, classes(surface, usage), "{surface:?}, stream: {stream}, {usage:?}");
            }
        }
    }
}

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("JSON");
    text.replace('\n', &format!("\n{}", " ".repeat(2000)))
}

/// A caller that did not ask for its usage is not shown it, and it is counted all the same.
#[test]
fn a_chat_that_did_not_ask_is_counted_and_not_told() {
    let scene = Scene::new("");
    for surface in [Surface::Chat, Surface::Completions] {
        for options in [None, Some(Value::Null), Some(json!({"include_usage": false})), Some(json!({}))] {
            for newline in [Newline::Lf, Newline::CrLf] {
                let mut body = surface.body(true);
                match &options {
                    None => drop(body.as_object_mut().map(|body| body.remove("stream_options"))),
                    Some(options) => body["stream_options"] = options.clone(),
                }
                let frames = surface.frames(&Turn::sample(), newline);
                let before = scene.tokens();
                let answer =
                    scene.post(surface.path(true), &body, surface.head().piece(frames.concat()).end()).send().ok();
                let mut shown = frames.clone();
                shown.remove(frames.len() - 2);
                assert_eq!(answer.text(), shown.concat());
                assert_eq!(scene.line(&answer).tokens(), [Some(16), Some(10)]);
                let counted: Vec<u64> = scene.tokens().iter().zip(before).map(|(now, before)| now - before).collect();
                assert_eq!(counted, [11, 5, 0, 0, 7, 3]);
                // Nor is any byte of it where the pieces are the smallest.
                let bytes = frames.concat().as_bytes().chunks(1).fold(surface.head(), Reply::piece).end();
                let answer = scene.post(surface.path(true), &body, bytes).send().ok();
                assert_eq!(answer.text(), shown.concat());
                // It is not shown either where the stream breaks behind it.
                let cut = frames[..frames.len() - 1].concat();
                let answer = scene.post(surface.path(true), &body, surface.head().piece(cut).close()).send().ok();
                let text = answer.text();
                let rest = text.strip_prefix(&shown[..shown.len() - 1].concat()).expect("what came before");
                assert!(rest.starts_with("data: {\"error\":") && !rest.contains("prompt_tokens"), "{rest}");
                assert_eq!(scene.line(&answer).tokens(), [Some(16), Some(10)]);
            }
        }
    }
}

/// Counts that come with every event replace one another; they are never added up.
#[test]
fn cumulative_counts_replace_earlier_ones() {
    let scene = Scene::new("");
    let rising = |surface: Surface| -> Vec<String> {
        let event = |data: Value| Event::data(&data).frame(Newline::Lf);
        match surface {
            Surface::Chat | Surface::Completions => (1..=9)
                .map(|number| {
                    let choice = json!({"index": 0, "delta": {"content": "x"}, "text": "x", "finish_reason": null});
                    let usage = json!({"prompt_tokens": 16, "completion_tokens": number, "total_tokens": 16 + number});
                    event(json!({"choices": [choice], "usage": usage}))
                })
                .chain([event(json!({"choices": [{"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}]}))])
                .chain([Event::done().frame(Newline::Lf)])
                .collect(),
            Surface::Messages => {
                let typed = |data: Value| Event::typed(&data).frame(Newline::Lf);
                let usage = json!({"input_tokens": 11, "cache_read_input_tokens": 5, "output_tokens": 1});
                let start = typed(json!({"type": "message_start", "message": {"id": "m", "usage": usage}}));
                // The first ones tell the output alone; the last one corrects the input.
                let deltas = (2..=9).map(|number| {
                    let mut usage = json!({"output_tokens": number});
                    if number == 9 {
                        usage["input_tokens"] = json!(10);
                        usage["cache_read_input_tokens"] = json!(6);
                    }
                    typed(json!({"type": "message_delta", "delta": {}, "usage": usage}))
                });
                [start].into_iter().chain(deltas).chain([typed(json!({"type": "message_stop"}))]).collect()
            }
            Surface::Responses => {
                let typed = |kind: &str, number: u64, usage: Value| {
                    let response = json!({"id": RESPONSE, "object": "response", "usage": usage});
                    Event::typed(&json!({"type": kind, "sequence_number": number, "response": response}))
                        .frame(Newline::Lf)
                };
                let early = json!({"input_tokens": 1, "output_tokens": 1});
                let last = json!({"input_tokens": 16, "output_tokens": 9});
                vec![typed("response.created", 0, early), typed("response.completed", 1, last)]
            }
            Surface::GoogleEvents | Surface::GoogleArray => {
                let chunks: Vec<Value> = (1..=9)
                    .map(|number| {
                        let usage = json!({"promptTokenCount": 16, "candidatesTokenCount": number, "totalTokenCount": 16 + number});
                        let mut chunk = json!({"candidates": [{"content": {}, "index": 0}], "usageMetadata": usage});
                        if number == 9 {
                            chunk["candidates"][0]["finishReason"] = json!("STOP");
                        }
                        chunk
                    })
                    .collect();
                match surface {
                    Surface::GoogleArray => bitrouter_tests::dialects::google::array(&chunks),
                    _ => chunks.into_iter().map(event).collect(),
                }
            }
        }
    };
    for surface in Surface::ALL {
        let before = scene.tokens();
        let text = rising(surface).concat();
        let answer = scene.call(surface, true, surface.head().piece(&text).end()).send().ok();
        assert_eq!(answer.text(), text);
        assert_eq!(scene.line(&answer).tokens(), [Some(16), Some(9)], "{surface:?}");
        let counted: u64 = scene.tokens().iter().sum::<u64>() - before.iter().sum::<u64>();
        assert_eq!(counted, 25, "{surface:?}");
    }
}

/// What no provider charges for is not counted, whatever its reply says; nor is what was counted when it was made.
#[test]
fn counting_and_fetching_count_nothing() {
    let scene = Scene::new("");
    let kept =
        scene.call(Surface::Responses, false, Reply::json(200, Surface::Responses.whole(&Turn::sample()).to_string()));
    kept.send().ok();
    let before = scene.tokens();
    assert_eq!(before, [11, 5, 0, 0, 7, 3]);
    let said = json!({
        "id": RESPONSE, "object": "response", "input_tokens": 5, "totalTokens": 5,
        "usage": {"input_tokens": 7, "output_tokens": 8, "prompt_tokens": 7, "completion_tokens": 8},
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 8, "totalTokenCount": 15},
    })
    .to_string();
    let contents = json!({"contents": [{"parts": [{"text": "x"}]}]});
    let posts = [
        ("/v1/messages/count_tokens", json!({"model": "anthropic:m", "messages": []})),
        ("/v1/responses/input_tokens", json!({"model": "openai:m", "input": "x"})),
        ("/v1beta/models/google:m:countTokens", contents),
        (&format!("/v1/responses/{RESPONSE}/cancel"), json!({})),
    ];
    for (path, body) in posts {
        let answer = scene.post(path, &body, Reply::json(200, &said)).send().ok();
        assert_eq!((answer.text(), scene.line(&answer).tokens()), (said.clone(), [None, None]), "{path}");
    }
    let events = Surface::Responses.frames(&Turn::sample(), Newline::Lf).concat();
    let http = scene.daemon.http();
    for (method, below, reply) in [
        ("GET", "", Reply::json(200, &said)),
        ("GET", "?stream=true", Surface::Responses.head().piece(&events).end()),
        ("GET", "/input_items", Reply::json(200, &said)),
        ("DELETE", "", Reply::json(200, &said)),
    ] {
        let call = http.request(method, &format!("/v1/responses/{RESPONSE}{below}"));
        let answer = scene.played(call, reply).send().ok();
        assert_eq!(scene.line(&answer).tokens(), [None, None], "{method} {below}");
    }
    assert_eq!(scene.tokens(), before);
}

/// What a provider refused, and what says nothing of its usage, is not counted.
#[test]
fn a_refusal_and_an_odd_usage_count_nothing() {
    let scene = Scene::new("");
    for surface in Surface::ALL {
        for usage in [json!(null), json!(7), json!("x"), json!([1]), json!({}), json!({"x": 1})] {
            let mut whole = surface.whole(&Turn::sample());
            for name in ["usage", "usageMetadata"] {
                if !whole[name].is_null() {
                    whole[name] = usage.clone();
                }
            }
            let answer = scene.call(surface, false, Reply::json(200, whole.to_string())).send().ok();
            assert_eq!(scene.line(&answer).tokens(), [None, None], "{surface:?}: {usage}");
        }
        let whole = surface.whole(&Turn::sample()).to_string();
        let answer = scene.call(surface, false, Reply::json(429, whole)).send();
        assert_eq!((answer.status, scene.line(&answer).tokens()), (429, [None, None]), "{surface:?}");
    }
    assert_eq!(scene.tokens(), [0; 6]);
}
