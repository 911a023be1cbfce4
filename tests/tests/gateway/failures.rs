//! No journey of the caller ends in a hang or a silent truncation, whatever the provider does in mid-answer.

use bitrouter_tests::{End, MODEL, Provider, Reply, Stage, World, provider::Absent};
use serde_json::Value;

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
    let stage = Stage::new();
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
        stage.provider.next(reply);
        let answer = stage.stream().finish();
        // The half character is passed on as it came; everything else must be text.
        interrupted(name, &answer, "upstream_interrupted");
    }
    assert_eq!(stage.http().chat(MODEL, "x").send().ok().status, 200, "the next call works");
}

#[test]
fn p13_an_answer_that_breaks_before_its_first_byte_is_502() {
    let stage = Stage::new();
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
            let before = stage.provider.count();
            stage.provider.next(reply.clone());
            let call = if stream { stage.http().chat_stream(MODEL, "x") } else { stage.http().chat(MODEL, "x") };
            let answer = call.send();
            assert_eq!((answer.status, answer.end), (502, End::Complete), "{name}: {}", answer.text());
            let code = answer.error()["code"].as_str().unwrap_or_default().to_owned();
            assert!(code.starts_with("upstream_"), "{name}: {code}");
            assert_eq!(stage.provider.count(), before + 1, "{name}: it was sent again, and may be charged twice");
        }
    }
}

#[test]
fn an_answer_that_breaks_after_its_first_byte_is_never_a_whole_one() {
    let stage = Stage::new();
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
        stage.provider.next(reply);
        let answer = stage.http().chat(MODEL, "x").send();
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
    let stage = Stage::new();
    for _ in 0..10 {
        stage.http().chat(MODEL, "x").send().ok();
        stage.stream().finish().ok();
    }
    assert!(stage.provider.connections() <= 3, "{} connections for 20 calls one by one", stage.provider.connections());
}
