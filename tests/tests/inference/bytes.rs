//! Byte for byte: what the caller sent arrives unchanged but for the model, what the provider sent comes back unchanged.

use bitrouter_tests::{InferenceFixture, MODEL, Reply};

/// Sends `body` and returns what the provider got.
#[track_caller]
fn arrives(fixture: &InferenceFixture, body: &str) -> String {
    let before = fixture.provider.count();
    fixture.provider.next(Reply::json(200, "{}"));
    let answer = fixture.http().post("/v1/chat/completions").json(body).send();
    assert_eq!(answer.status, 200, "{body}\n{}", answer.text());
    let exchange = fixture.provider.exchange(before);
    String::from_utf8(exchange.request.body.clone()).expect("UTF-8")
}

#[test]
fn odd_bodies_arrive_unchanged_but_for_the_model() {
    let fixture = InferenceFixture::new();
    // `@` stands for the model's value as it is written.
    let bodies = [
        r#"{"model":@,"messages":[]}"#,
        r#"{"messages":[],"model":@}"#,
        r#"  { "zeta" : 1e5 , "model" : @ , "alpha" : -0.0 , "messages" : [ ] }  "#,
        "{\n\t\"messages\": [],\r\n\t\"model\": @\n}\n",
        r#"{"big":123456789012345678901234567890,"small":1E-400,"exp":1.0e+05,"model":@,"messages":[]}"#,
        r#"{"messages":[{"role":"user","content":"\u00e9\/\ud83d\ude00\n \"model\":\"inner\"","model":"inner"}],"model":@}"#,
        r#"{"metadata":{"model":"deep","a":[{"model":1},[{"model":null}]]},"model":@,"messages":[]}"#,
        r#"{"dup":1,"dup":2,"":"empty","model":@,"messages":[],"mod":"el","models":["x"],"Model":"y"}"#,
        r#"{"unknown_field":{"nested":[true,false,null]},"stream_options":null,"model":@,"messages":[],"n":1}"#,
        r#"{"text":"äöü 😀 \" \\ \b\f","model":@,"messages":[{"content":"}{]["}]}"#,
    ];
    for body in bodies {
        assert_eq!(arrives(&fixture, &body.replace('@', "\"openai:odd\"")), body.replace('@', "\"odd\""));
    }
}

#[test]
fn the_model_is_the_top_level_member_whatever_its_spelling() {
    let fixture = InferenceFixture::new();
    let spellings = [
        (r#"{"model":"openai\u003aodd","messages":[]}"#, "odd"),
        (r#"{"mod\u0065l":"openai:odd","messages":[]}"#, "odd"),
        (r#"{"\u006dodel":"open\u0061i:odd","messages":[]}"#, "odd"),
        (r#"{"model":"openai:a/b:c","messages":[]}"#, "a/b:c"),
        (r#"{"model":"openai:quote\"d","messages":[]}"#, "quote\"d"),
        (r#"{"model":"openai:ümläut","messages":[]}"#, "ümläut"),
    ];
    for (body, model) in spellings {
        let got: serde_json::Value = serde_json::from_str(&arrives(&fixture, body)).expect(body);
        assert_eq!(got["model"], model, "{body}");
        assert_eq!(got["messages"], serde_json::json!([]), "{body}");
    }
}

#[test]
fn five_megabytes_arrive_and_come_back_unchanged() {
    let fixture = InferenceFixture::new();
    let text = "0123456789 \\u00e9 ä \\\" ".repeat(250_000);
    assert!(text.len() > 5_000_000);
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}],"model":"openai:odd","x":1e5}}"#);
    let reply = format!(r#"{{ "odd" : 1e5, "text":"{text}" }}"#);
    fixture.provider.next(Reply::json(200, &reply));
    let answer = fixture.http().post("/v1/chat/completions").json(&body).send().ok();
    assert!(answer.body == reply.as_bytes(), "the reply changed on its way");
    let expected = body.replace("openai:odd", "odd");
    assert!(fixture.provider.exchange(0).request.body == expected.as_bytes(), "the request changed on its way");
}

#[test]
fn a_chunked_request_arrives_with_the_same_bytes() {
    let fixture = InferenceFixture::new();
    let body = r#"{ "x" : 1e5, "model":"openai:odd","messages":[] }"#;
    fixture.http().post("/v1/chat/completions").json(body).chunked(7).send().ok();
    assert_eq!(fixture.provider.exchange(0).request.body, body.replace("openai:odd", "odd").as_bytes());
}

#[test]
fn embeddings_pass_both_ways_byte_for_byte() {
    let fixture = InferenceFixture::new();
    let body = r#"{"input":["a",[1,2]],"model":"openai:embed","encoding_format":"base64","dimensions":2e0}"#;
    let reply = r#"{"data":[{"embedding":"AACAPw==","index":0}] ,"object":"list"}"#;
    fixture.provider.next(Reply::json(200, reply));
    let answer = fixture.http().post("/v1/embeddings").json(body).send().ok();
    assert_eq!(answer.text(), reply);
    let exchange = fixture.provider.exchange(0);
    assert_eq!(exchange.request.target, "/v1/embeddings");
    assert_eq!(exchange.request.body, body.replace("openai:embed", "embed").as_bytes());
}

#[test]
fn answers_come_back_unchanged_wherever_they_are_cut() {
    let fixture = InferenceFixture::new();
    let stream = || Reply::stream().token("ä€😀").event("{\"odd\": 1e5 }").piece(": comment\n\n").token("b").done();
    let json = r#"{"choices":[{"message":{"content":"ä€😀 \ud83d\ude00"}}], "x" : 1e5}"#;
    let mut whole = Vec::new();
    for cut in [usize::MAX, 1, 2, 3, 7, 64] {
        fixture.provider.next(stream().cut_every(cut));
        let answer = fixture.stream().finish().ok();
        if whole.is_empty() {
            whole.clone_from(&answer.body);
        }
        assert_eq!(answer.body, whole, "cut every {cut}");
        assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"), "cut every {cut}");

        fixture.provider.next(Reply::json(200, json).cut_every(cut));
        assert_eq!(fixture.http().chat(MODEL, "x").send().ok().text(), json, "cut every {cut}");
    }
}

#[test]
fn every_framing_of_the_provider_gives_the_caller_a_whole_answer() {
    let fixture = InferenceFixture::new();
    let stream_head = [("content-type", "text/event-stream")];
    let frames = "data: {\"choices\":[]}\n\ndata: [DONE]\n\n";
    let replies = [
        Reply::until_close(200, &stream_head).piece(frames).close(),
        Reply::with(200, &stream_head, frames),
        Reply::stream().piece(frames).end(),
        Reply::raw(format!("HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{frames}")).close(),
    ];
    for reply in replies {
        fixture.provider.next(reply.clone());
        let answer = fixture.stream().finish().ok();
        assert_eq!(answer.text(), frames, "{reply:?}");
    }
}

#[test]
fn each_event_is_passed_on_as_soon_as_it_came() {
    let fixture = InferenceFixture::new();
    let gates = [bitrouter_tests::Gate::new(), bitrouter_tests::Gate::new()];
    let reply = Reply::stream().token("one").gate(&gates[0]).token("two").gate(&gates[1]).done();
    fixture.provider.next(reply);
    let mut open = fixture.stream();
    // Each wait would fail if the event were held back until the next one.
    open.until_contains("\"one\"");
    gates[0].open();
    open.until_contains("\"two\"");
    gates[1].open();
    assert!(open.finish().ok().text().ends_with("data: [DONE]\n\n"));
}
