//! No journey of the caller ends in a hang or a silent truncation, whatever the provider does in mid-answer.

use std::time::Duration;

use bitrouter_tests::{
    End, InferenceFixture, MODEL, Provider, Reply, World, logs,
    provider::{Absent, Step},
};
use serde_json::Value;

/// Lets what was sent arrive, so that a failure behind it is one in mid-answer.
fn pause() -> Step {
    Step::Pause(Duration::from_millis(50))
}

/// Checks that a stream that broke kept what came first, said so, and ended in an orderly way.
#[track_caller]
fn interrupted(name: &str, answer: &bitrouter_tests::Answer, code: &str) {
    let text = answer.text();
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{name}: {text}");
    assert!(text.contains("\"before\""), "{name}: what was received is missing: {text}");
    assert!(!text.contains("[DONE]"), "{name}: {text}");
    let last = text.trim_end().rsplit('\n').next().unwrap_or_default().to_owned();
    let data: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap_or_default())
        .unwrap_or_else(|e| panic!("{name}: the last line is no error event ({e}): {text}"));
    assert_eq!(data["error"]["code"], code, "{name}: {text}");
    for member in ["message", "type", "param"] {
        assert!(data["error"].get(member).is_some(), "{name}: no `{member}` in {text}");
    }
    assert!(text.ends_with("\n\n"), "{name}: the event does not end: {text:?}");
}

#[test]
fn p13_a_stream_that_breaks_ends_in_an_error_event() {
    let fixture = InferenceFixture::new();
    let before = || Reply::stream().token("before");
    let head = [("content-type", "text/event-stream")];
    let table = [
        ("reset", before().reset()),
        ("closed", before().close()),
        ("half a chunk, then closed", before().half_chunk("data: {\"choices\":[]}\n\n").close()),
        ("half a chunk, then reset", before().half_chunk("data: {\"choices\":[]}\n\n").reset()),
        ("half an event, then closed", before().piece("data: {\"choi").close()),
        ("half a character, then closed", before().piece(b"data: \"\xf0\x9f").close()),
        ("garbage for a chunk", before().send("this is no chunk\r\n\r\n").close()),
        ("a length that is not reached", {
            let length = ("content-length", "4096");
            Reply::raw(format!("HTTP/1.1 200 OK\r\n{}: {}\r\n{}: {}\r\n\r\n", head[0].0, head[0].1, length.0, length.1))
                .send("data: {\"a\":\"before\"}\n\n")
                .close()
        }),
    ];
    for (name, reply) in table {
        fixture.provider.next(reply);
        let answer = fixture.stream().finish();
        // The half character is passed on as it came; everything else must be text.
        interrupted(name, &answer, "upstream_interrupted");
    }
    assert_eq!(fixture.http().chat(MODEL, "x").send().ok().status, 200, "the next call works");
}

#[test]
fn p13_an_answer_that_breaks_before_its_first_byte_is_502() {
    let fixture = InferenceFixture::new();
    let table = [
        ("reset at once", Reply::nothing().reset()),
        ("closed at once", Reply::nothing().close()),
        ("half a head, then closed", Reply::raw("HTTP/1.1 200 OK\r\ncontent-ty").close()),
        ("half a head, then reset", Reply::raw("HTTP/1.1 200 OK\r\ncontent-ty").reset()),
        ("garbage", Reply::raw("SSH-2.0-OpenSSH_9.2p1\r\n\r\n").close()),
        ("garbage without an end", Reply::raw(vec![0xff; 4096]).close()),
    ];
    for (name, reply) in table {
        for stream in [false, true] {
            let before = fixture.provider.count();
            fixture.provider.next(reply.clone());
            let call = if stream { fixture.http().chat_stream(MODEL, "x") } else { fixture.http().chat(MODEL, "x") };
            let answer = call.send();
            assert_eq!((answer.status, answer.end), (502, End::Complete), "{name}: {}", answer.text());
            let code = answer.error()["code"].as_str().unwrap_or_default().to_owned();
            assert!(code.starts_with("upstream_"), "{name}: {code}");
            assert_eq!(fixture.provider.count(), before + 1, "{name}: it was sent again, and may be charged twice");
        }
    }
}

#[test]
fn an_answer_that_breaks_after_its_first_byte_is_never_a_whole_one() {
    let fixture = InferenceFixture::new();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
    let table = [
        ("length, closed", Reply::raw(head).send("{\"id\":\"x").close()),
        ("length, reset", Reply::raw(head).send("{\"id\":\"x").reset()),
        ("chunked, closed", Reply::stream_with(200, &[("content-type", "application/json")]).piece("{\"id\"").close()),
        (
            "chunked, half",
            Reply::stream_with(200, &[("content-type", "application/json")]).half_chunk("{\"id\"").reset(),
        ),
    ];
    for (name, reply) in table {
        fixture.provider.next(reply);
        let answer = fixture.http().chat(MODEL, "x").send();
        if answer.status == 502 {
            answer.error();
        } else {
            let cut = matches!(answer.end, End::Truncated | End::Reset | End::Nothing);
            assert!(cut, "{name}: {} {:?} {}", answer.status, answer.end, answer.text());
        }
    }
}

#[test]
fn p13_a_provider_that_is_not_there_is_502() {
    let world = World::new();
    let (absent, key) = (Absent::somewhere(), world.canary("openai"));
    world.config(&format!("[providers.openai]\nbase_url = \"{}\"\n", absent.base_url()));
    let daemon = world.serve().env("OPENAI_API_KEY", &key).start();
    let error = daemon.http().chat(MODEL, "x").send().refused(502, "upstream_unavailable");
    assert!(!error.to_string().contains(&key), "{error}");
}

#[test]
fn a_kept_connection_that_the_provider_closed_costs_the_caller_nothing() {
    let world = World::new();
    let provider = Provider::start();
    let key = world.canary("openai");
    world.config(&provider.as_openai());
    let daemon = world.serve().env("OPENAI_API_KEY", &key).start();
    for round in 0..20 {
        // The answer is whole, and then the connection closes without having said so.
        provider.next(Reply::json(200, "{}").close());
        let answer = daemon.http().chat(MODEL, "x").send();
        assert_eq!((answer.status, answer.end), (200, End::Complete), "round {round}: {}", answer.text());
        // From here on the end of the connection lies in the daemon's own receive queue.
        provider.exchange(round).wait_finished();
    }
    assert_eq!(provider.count(), 20);
}

#[test]
fn connections_to_a_provider_are_kept() {
    let fixture = InferenceFixture::new();
    for _ in 0..10 {
        fixture.http().chat(MODEL, "x").send().ok();
        fixture.stream().finish().ok();
    }
    assert!(
        fixture.provider.connections() <= 3,
        "{} connections for 20 calls one by one",
        fixture.provider.connections()
    );
}

/// What a caller that speaks HTTP/1.0 is told when a reply ends: all bytes, and whether the end was a reset.
fn read_to_end(mut stream: std::net::TcpStream) -> (String, bool) {
    let mut bytes = Vec::new();
    let reset = std::io::Read::read_to_end(&mut stream, &mut bytes).is_err();
    (String::from_utf8_lossy(&bytes).into_owned(), reset)
}

#[test]
fn p13_a_provider_that_speaks_http_1_0_is_cut_like_any_other() {
    let fixture = InferenceFixture::new();
    let head = "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n";
    for (name, reply) in [
        ("closed", Reply::raw(head).send("{\"a\":\"xxxxx").then(pause()).close()),
        ("reset", Reply::raw(head).send("{\"a\":\"xxxxx").then(pause()).reset()),
    ] {
        fixture.provider.next(reply);
        let answer = fixture.http().chat(MODEL, "x").send();
        assert!(matches!(answer.end, End::Truncated | End::Reset), "{name}: {:?} {}", answer.end, answer.text());
    }
    let refusal = "HTTP/1.0 429 Slow\r\ncontent-type: application/json\r\nretry-after: 3\r\n\r\n{\"error\":1}";
    for (status, reply) in [(200, format!("{head}{{\"whole\":1}}")), (429, refusal.to_owned())] {
        fixture.provider.next(Reply::raw(reply).close());
        let mut stream = fixture.http().chat(MODEL, "x").fire();
        let mut line = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut line).expect("a status line");
        assert_eq!(String::from_utf8_lossy(&line), format!("HTTP/1.1 {status}"));
    }
}

#[test]
fn p13_a_caller_that_speaks_http_1_0_sees_a_cut_reply_as_a_reset() {
    let fixture = InferenceFixture::new();
    let json = [("content-type", "application/json")];
    let bytes = fixture.http().chat(MODEL, "x").bytes();
    let bytes = String::from_utf8(bytes).expect("text").replacen("HTTP/1.1", "HTTP/1.0", 1);
    for (cut, reply) in [
        (true, Reply::stream_with(200, &json).piece("{\"a\":\"xxxxx").then(pause()).close()),
        (false, Reply::stream_with(200, &json).piece("{\"whole\":1}").end()),
    ] {
        fixture.provider.next(reply);
        let mut stream = fixture.http().connect();
        std::io::Write::write_all(&mut stream, bytes.as_bytes()).expect("send");
        let (text, reset) = read_to_end(stream);
        assert_eq!(reset, cut, "{text}");
    }
}

#[test]
fn p13_a_length_beside_chunks_cuts_nothing() {
    let fixture = InferenceFixture::new();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n";
    fixture.provider.next(Reply::raw(format!("{head}7\r\n{{\"a\":1}}\r\n0\r\n\r\n")));
    let answer = fixture.http().chat(MODEL, "x").send().ok();
    assert_eq!((answer.text().as_str(), answer.header("content-length")), ("{\"a\":1}", None));
}

#[test]
fn p13_after_done_nothing_can_break() {
    let fixture = InferenceFixture::build("[timeouts]\nbetween_chunks = \"300ms\"\n", |serve| {
        serve.args(["--log-format", "json"])
    });
    let done = || Reply::stream().token("all of it").event("[DONE]");
    for (name, reply) in [
        ("closed", done().then(pause()).close()),
        ("reset", done().then(pause()).reset()),
        ("half a chunk", done().half_chunk("data: {}\n\n").reset()),
        ("half an event", done().piece("data: {\"par").then(pause()).close()),
        ("half an event and the last chunk", done().piece(": by").end()),
        ("stalled", done().stall()),
    ] {
        fixture.provider.next(reply);
        let answer = fixture.stream().finish().ok();
        let events = answer.events();
        assert!(answer.text().contains("all of it"), "{name}");
        assert_eq!(events.iter().position(|event| event == "[DONE]"), Some(1), "{name}: {events:?}");
        assert!(!answer.text().contains("\"error\""), "{name}: {}", answer.text());
    }
    let lines = logs::wait_for(&fixture.daemon, "request", 6);
    assert!(lines.iter().all(|line| logs::member(line, "error_code").is_null()), "{lines:?}");
    // A text that says so is no end.
    fixture.provider.next(Reply::stream().token("before").token("data: [DONE]").then(pause()).close());
    let text = fixture.stream().finish().ok().text();
    assert!(text.contains("upstream_interrupted"), "{text}");
}

#[test]
fn p13_a_stream_that_ends_inside_an_event_is_broken_however_orderly() {
    let fixture = InferenceFixture::new();
    for half in ["data: {\"par", "data: {\"par\n", "dat", "data: [DO", "event: x\n", "data: {\"a\":\ndata: 1"] {
        fixture.provider.next(Reply::stream().token("before").piece(half).end());
        let answer = fixture.stream().finish();
        interrupted(half, &answer, "upstream_interrupted");
        assert_eq!(answer.events().len(), 2, "{half:?} was passed on: {}", answer.text());
    }
    for whole in
        ["data: [DONE]", "data: [DONE]\n", "data: {\"a\":1}", "data: {\"a\":1}\r\n", ": bye", "data: text\n", ""]
    {
        fixture.provider.next(Reply::stream().piece("data: {}\n\n").piece(whole).end());
        assert_eq!(fixture.stream().finish().ok().text(), format!("data: {{}}\n\n{whole}"));
    }
}

#[test]
fn p13_a_stream_that_does_not_say_so_breaks_like_one_that_does() {
    let fixture = InferenceFixture::new();
    for headers in [&[][..], &[("content-type", "text/plain")]] {
        for cut in [Reply::close, Reply::reset] {
            let reply = Reply::stream_with(200, headers).token("before").piece("data: {\"par").then(pause());
            fixture.provider.next(cut(reply));
            interrupted("no event stream by name", &fixture.stream().finish(), "upstream_interrupted");
        }
        fixture.provider.next(Reply::stream_with(200, headers).token("x").done());
        assert!(fixture.stream().finish().ok().text().ends_with("data: [DONE]\n\n"));
    }
    // Any other text is no reply to a call that is paid for.
    fixture.provider.next(Reply::stream_with(200, &[]).piece("plain").then(pause()).close());
    fixture.stream().finish().refused(502, "upstream_error");
}
