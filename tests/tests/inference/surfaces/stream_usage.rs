//! What a chat stream used is asked for in the name of a caller who did not ask, and what is said then is withheld: the
//! caller sees, byte for byte, the stream that it would have seen.

use bitrouter_tests::{Reply, dialects::Vendor};

use super::{
    cast::Cast,
    listed::{LIST, Line},
};

fn chat() -> &'static Line {
    &LIST[0]
}

/// What reaches the provider when `body` is sent.
#[track_caller]
fn arrives(cast: &Cast, body: &str) -> String {
    let (exchange, _) = cast.arrives(chat(), cast.http().post(chat().path).json(body));
    String::from_utf8(exchange.request.body.clone()).expect("UTF-8")
}

/// Bodies of streams, and what arrives of them; `@` is the model.
const ASKED: [(&str, &str); 13] = [
    (
        r#"{"model":@,"stream":true,"messages":[]}"#,
        r#"{"model":@,"stream":true,"messages":[],"stream_options":{"include_usage":true}}"#,
    ),
    (
        " { \"stream\" : true , \"model\" : @ , \"x\" : { } } \n",
        " { \"stream\" : true , \"model\" : @ , \"x\" : { } ,\"stream_options\":{\"include_usage\":true}} \n",
    ),
    (
        r#"{"stream_options":null,"model":@,"stream":true}"#,
        r#"{"stream_options":{"include_usage":true},"model":@,"stream":true}"#,
    ),
    (
        r#"{"model":@,"stream":true,"stream_options" : { } , "x":1e5}"#,
        r#"{"model":@,"stream":true,"stream_options" : {"include_usage":true} , "x":1e5}"#,
    ),
    (
        r#"{"model":@,"stream_options":{"include_obfuscation":false},"stream":true}"#,
        r#"{"model":@,"stream_options":{"include_usage":true,"include_obfuscation":false},"stream":true}"#,
    ),
    (
        r#"{"model":@,"stream":true,"stream_options":{"include_usage":false}}"#,
        r#"{"model":@,"stream":true,"stream_options":{"include_usage":true}}"#,
    ),
    (
        r#"{"model":@,"stream":true,"stream_options":{"x":[1], "include_usage" : null ,"y":"}"}}"#,
        r#"{"model":@,"stream":true,"stream_options":{"x":[1], "include_usage" : true ,"y":"}"}}"#,
    ),
    (
        r#"{"model":@,"stream":true,"str\u0065am_options":{"include_\u0075sage":false}}"#,
        r#"{"model":@,"stream":true,"str\u0065am_options":{"include_\u0075sage":true}}"#,
    ),
    (
        r#"{"metadata":{"stream_options":{"include_usage":true}},"model":@,"stream":true}"#,
        r#"{"metadata":{"stream_options":{"include_usage":true}},"model":@,"stream":true,"stream_options":{"include_usage":true}}"#,
    ),
    (
        r#"{"stream":false,"model":@,"stream":true}"#,
        r#"{"stream":false,"model":@,"stream":true,"stream_options":{"include_usage":true}}"#,
    ),
    (r#"{"str\u0065am":true,"model":@}"#, r#"{"str\u0065am":true,"model":@,"stream_options":{"include_usage":true}}"#),
    (
        r#"{"stream":true,"model":@,"last":"}"}"#,
        r#"{"stream":true,"model":@,"last":"}","stream_options":{"include_usage":true}}"#,
    ),
    (
        r#"{"stream_options":{"x":{"include_usage":false}},"model":@,"stream":true}"#,
        r#"{"stream_options":{"include_usage":true,"x":{"include_usage":false}},"model":@,"stream":true}"#,
    ),
];

/// Bodies of which nothing is changed but the model: no stream, asked for already, or wrong in a way that the provider
/// shall judge.
const UNTOUCHED: [&str; 11] = [
    r#"{"model":@,"messages":[]}"#,
    r#"{"model":@,"stream":false}"#,
    r#"{"model":@,"stream":null,"stream_options":null}"#,
    r#"{"model":@,"stream":"true"}"#,
    r#"{"model":@,"stream":1}"#,
    r#"{"model":@,"messages":[{"stream":true}]}"#,
    r#"{"model":@,"stream":false,"stream_options":{"include_usage":false}}"#,
    r#"{"model":@,"stream":true,"stream_options":{"include_usage":true}}"#,
    r#"{"model":@,"stream":true,"stream_options":{ "include_usage" : true , "x":1}}"#,
    r#"{"model":@,"stream":true,"stream_options":{"include_usage":"yes"}}"#,
    r#"{"model":@,"stream":true,"stream_options":[]}"#,
];

#[test]
fn the_wish_is_spliced_in_where_a_stream_does_not_have_it() {
    let cast = Cast::new();
    let said = |text: &str, model: &str| text.replace('@', model);
    for (body, expected) in ASKED {
        assert_eq!(arrives(&cast, &said(body, "\"openai:odd\"")), said(expected, "\"odd\""));
    }
    for body in UNTOUCHED {
        assert_eq!(arrives(&cast, &said(body, "\"openai:odd\"")), said(body, "\"odd\""));
    }
    // In a body that is not copied, and in one that is read elsewhere.
    for pad in [70_000, 1_200_000] {
        let body =
            |name: &str, more: &str| format!(r#"{{"pad":"{}","stream":true,"model":"{name}"{more}}}"#, "x".repeat(pad));
        let expected = body("odd", r#","stream_options":{"include_usage":true}"#);
        assert!(arrives(&cast, &body("openai:odd", "")) == expected, "{pad}");
        let before = |name: &str, wish: &str| {
            format!(r#"{{"stream_options":{wish},"pad":"{}","stream":true,"model":"{name}"}}"#, "x".repeat(pad))
        };
        assert!(arrives(&cast, &before("openai:odd", "null")) == before("odd", r#"{"include_usage":true}"#), "{pad}");
    }
}

/// The older call for texts speaks the same dialect.
#[test]
fn a_streamed_completion_is_asked_like_a_chat() {
    let cast = Cast::new();
    let line = LIST.iter().find(|line| line.path == "/v1/completions").expect("a line");
    let frame = |data: &str| format!("data: {data}\n\n");
    let (text, done) = (frame(r#"{"choices":[{"text":"x","finish_reason":"stop"}],"usage":null}"#), frame("[DONE]"));
    let told = [text.as_str(), &frame(r#"{"choices":[],"usage":{"prompt_tokens":3}}"#), &done].concat();
    cast.provider(Vendor::OpenAi).next(Reply::stream().piece(&told).end());
    let call = cast.http().post(line.path).json(r#"{"model":"openai:m","stream":true,"prompt":"x"}"#);
    let (exchange, answer) = cast.arrives(line, call);
    let expected = r#"{"model":"m","stream":true,"prompt":"x","stream_options":{"include_usage":true}}"#;
    assert_eq!(exchange.request.body, expected.as_bytes());
    assert_eq!(answer.text(), text + &done);
}

#[test]
fn no_other_dialect_is_asked_for_usage() {
    let cast = Cast::new();
    for path in ["/v1/responses", "/v1/messages", "/v1/embeddings"] {
        let line = LIST.iter().find(|line| line.path == path).expect("a line");
        let vendor = line.vendor.id();
        let body =
            |model: &str| format!(r#"{{"model":"{model}","stream":true,"stream_options":{{"include_usage":false}}}}"#);
        let (exchange, _) = cast.arrives(line, cast.http().post(path).json(body(&format!("{vendor}:m"))));
        assert_eq!(exchange.request.body, body("m").as_bytes(), "{path}");
    }
}

const WISH_AT_ALL: &str = r#"{"model":"openai:m","stream":true,"messages":[]}"#;
const ASKS: &str = r#"{"model":"openai:m","stream":true,"messages":[],"stream_options":{"include_usage":true}}"#;

/// A stream with everything that could be taken for what is withheld, and `usage` before its end.
fn stream(newline: &str, usage: &str) -> String {
    let frames = [
        r#"data: {"id":"1","choices":[],"prompt_filter_results":[{"x":1}]}"#,
        r#"data: {"id":"1","choices":[],"usage":null}"#,
        ": keep-alive",
        r#"data: {"choices":[{"index":0,"delta":{"content":"\"usage\":{}, ä😀"}}],"usage":null}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":"{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"}}]}"#,
        "event: message",
        r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"{\"choices\":[],\"usage\":{}}"}}]}}],"x":1e5}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
    ];
    let usage = (!usage.is_empty()).then_some(usage);
    let frames = frames.into_iter().chain(usage).chain(["data: [DONE]"]);
    frames.map(|frame| [frame, newline, newline].concat()).collect()
}

/// What only who asked for usage gets, in the spellings of several providers.
const SAID: [&str; 5] = [
    r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
    r#"data:{"usage" : { "prompt_tokens" : 3 } , "choices" : [ ] }"#,
    r#"data: {"id":"1","object":"chat.completion.chunk","ch\u006fices":[],"usage":{"prompt_tokens":3,"x":{"choices":[1]}},"model":"m"}"#,
    "event: message\nid: 5\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}",
    "data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":3}}",
];

#[test]
fn what_was_not_asked_for_is_withheld_and_nothing_else() {
    let cast = Cast::new();
    let provider = cast.provider(Vendor::OpenAi);
    let answers = |reply: Reply, body: &str| {
        provider.next(reply);
        cast.http().post(chat().path).json(body).send().ok().text()
    };
    for newline in ["\n", "\r\n"] {
        let quiet = stream(newline, "");
        for said in SAID {
            let told = stream(newline, &said.replace('\n', newline));
            for cut in [usize::MAX, 64] {
                let reply = || Reply::stream().piece(&told).end().cut_every(cut);
                assert_eq!(answers(reply(), WISH_AT_ALL), quiet, "{said} cut every {cut}");
                assert_eq!(answers(reply(), ASKS), told, "{said} cut every {cut}");
            }
        }
    }
}

/// The two halves of a line end, too, may come apart: with what is withheld go both of them.
#[test]
fn what_is_withheld_goes_whole_wherever_it_is_cut() {
    let cast = Cast::new();
    for newline in ["\n", "\r\n", "\r"] {
        let frame = |data: &str| format!("data: {data}{newline}{newline}");
        let (before, after) = (frame(r#"{"choices":[{"delta":{"content":"x"}}]}"#), frame("[DONE]"));
        let told = [before.as_str(), &frame(r#"{"choices":[],"usage":{"prompt_tokens":3}}"#), &after].concat();
        cast.provider(Vendor::OpenAi).next(Reply::stream().piece(&told).end().cut_every(1));
        let answer = cast.http().post(chat().path).json(WISH_AT_ALL).send().ok();
        assert_eq!(answer.text(), before + &after, "{newline:?}");
    }
}

#[test]
fn a_stream_without_what_was_asked_for_passes_as_it_is() {
    let cast = Cast::new();
    let provider = cast.provider(Vendor::OpenAi);
    for newline in ["\n", "\r\n"] {
        let quiet = stream(newline, "");
        for body in [WISH_AT_ALL, ASKS] {
            for cut in [usize::MAX, 50] {
                provider.next(Reply::stream().piece(&quiet).end().cut_every(cut));
                assert_eq!(cast.http().post(chat().path).json(body).send().ok().text(), quiet);
            }
        }
    }
}

#[test]
fn a_length_that_counted_what_is_withheld_is_not_passed_on() {
    let cast = Cast::new();
    let provider = cast.provider(Vendor::OpenAi);
    let (told, quiet) = (stream("\n", SAID[0]), stream("\n", ""));
    let head = [("content-type", "text/event-stream")];
    for reply in [Reply::with(200, &head, &told), Reply::until_close(200, &head).piece(&told).close()] {
        provider.next(reply);
        let answer = cast.http().post(chat().path).json(WISH_AT_ALL).send().ok();
        assert_eq!(answer.text(), quiet);
    }
    // A whole reply to a request for a stream keeps its length and its bytes.
    let whole = r#"{ "choices":[] , "usage":{"prompt_tokens":3} }"#;
    provider.next(Reply::json(200, whole));
    assert_eq!(cast.http().post(chat().path).json(WISH_AT_ALL).send().ok().text(), whole);
}

#[test]
fn a_refusal_of_the_wish_reaches_the_caller_as_it_is() {
    let cast = Cast::new();
    let refusal = r#"{"error":{"message":"stream_options: Extra inputs are not permitted","type":"x","code":null}}"#;
    cast.provider(Vendor::OpenAi).next(Reply::json(400, refusal));
    let answer = cast.http().post(chat().path).json(WISH_AT_ALL).send();
    assert_eq!((answer.status, answer.text().as_str()), (400, refusal));
}

#[test]
fn a_provider_that_refuses_to_say_is_not_asked() {
    let world = bitrouter_tests::World::new();
    let provider = bitrouter_tests::Provider::start();
    let manifest = |id: &str, more: &str| {
        let text = format!("id = \"{id}\"\nendpoint = \"{}\"\n{more}", provider.base_url());
        world.write(&format!("config/bitrouter/registry/{id}.toml"), text);
    };
    manifest("silent", "stream_usage = false\n");
    manifest("open", "stream_usage = true\n");
    let serve = ["SILENT", "OPEN"].iter().fold(world.serve(), |serve, id| {
        serve.env(format!("BITROUTER_{id}_API_KEY"), world.canary(&id.to_lowercase()))
    });
    let daemon = serve.start();
    let told = stream("\n", SAID[0]);
    let ask = |body: &str| {
        provider.next(Reply::stream().piece(&told).end());
        let answer = daemon.http().post(chat().path).json(body).send().ok();
        (String::from_utf8(provider.last().request.body.clone()).expect("UTF-8"), answer.text())
    };
    for options in ["", r#","stream_options":null"#, r#","stream_options":{"include_usage":false}"#] {
        let body = |name: &str| format!(r#"{{"model":"{name}","stream":true{options}}}"#);
        // What it says unasked is the caller's to see.
        assert_eq!(ask(&body("silent:m")), (body("m"), told.clone()));
        let (sent, seen) = ask(&body("open:m"));
        assert!(sent.contains(r#""include_usage":true"#), "{sent}");
        assert_eq!(seen, stream("\n", ""));
    }
}

/// A provider's own error is the last event, though the second half of its line end comes alone behind it.
#[test]
fn an_error_whose_line_end_comes_apart_is_told_once() {
    let cast = Cast::new();
    let gate = bitrouter_tests::Gate::new();
    let error = "data: {\"error\":{\"message\":\"overloaded\",\"code\":null}}\r\n\r";
    let head = [("content-type", "text/event-stream")];
    let reply = Reply::until_close(200, &head).piece(error).gate(&gate).piece("\n").close();
    cast.provider(Vendor::OpenAi).next(reply);
    let mut open = cast.http().post(chat().path).json(WISH_AT_ALL).open();
    let (begin, _) = open.until_contains("overloaded");
    gate.open();
    let answer = open.finish();
    assert_eq!(begin + &answer.text(), format!("{error}\n"));
}
