//! Rows: the provider takes the request and its reply fails.

use std::time::Duration;

use bitrouter_tests::{Gate, Reply, provider::Step};

use super::row::{Asks, Says, Sees, breaks_off, replies};

/// The limit of `[timeouts]` that a row runs into: long enough that nothing else does, on a busy machine too.
const SHORT: Duration = Duration::from_secs(2);

const FIRST: &str = "[timeouts]\nfirst_byte = \"2s\"\n";
const BETWEEN: &str = "[timeouts]\nbetween_chunks = \"2s\"\n";
const TOTAL: &str = "[timeouts]\nbetween_chunks = \"30s\"\ntotal = \"2s\"\n";
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const ERROR: &str = r#"{ "error" : {"message":"slow down \u00e9","code":1e2} }"#;

/// A JSON answer that promises more than it sends.
fn half_json() -> Reply {
    Reply::raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{\"id\":\"x")
}

fn before() -> Reply {
    Reply::stream().token("before")
}

/// A stream that is never silent for long and never ends.
fn drip() -> Reply {
    (0..100).fold(before(), |reply, _| reply.token("drip").then(Step::Pause(SHORT / 8)))
}

fn limited(after: &str) -> Reply {
    Reply::with(429, &[JSON[0], ("retry-after", after)], ERROR)
}

replies! {
    p13_reset_before_the_head {
        asks: Whole,
        provider: Reply::nothing().reset(),
        caller: Sees::Refusal(502, "upstream_interrupted"),
        log: Says(502, Some("upstream_interrupted")),
    }
    p13_reset_before_the_head_of_a_stream {
        asks: Stream,
        provider: Reply::nothing().reset(),
        caller: Sees::Refusal(502, "upstream_interrupted"),
        log: Says(502, Some("upstream_interrupted")),
    }
    p13_closed_in_the_middle_of_the_head {
        asks: Whole,
        provider: Reply::raw("HTTP/1.1 200 OK\r\ncontent-ty").close(),
        caller: Sees::Refusal(502, "upstream_interrupted"),
        log: Says(502, Some("upstream_interrupted")),
    }
    p13_reset_between_head_and_body {
        asks: Whole,
        provider: Reply::stream_with(200, &JSON).reset(),
        caller: Sees::Refusal(502, "upstream_interrupted"),
        log: Says(502, Some("upstream_interrupted")),
    }
    p13_reset_between_head_and_body_of_a_stream {
        asks: Stream,
        provider: Reply::stream().reset(),
        caller: Sees::Refusal(502, "upstream_interrupted"),
        log: Says(502, Some("upstream_interrupted")),
    }
    p13_closed_in_the_middle_of_json {
        asks: Whole,
        provider: half_json().close(),
        caller: Sees::Cut,
        log: Says(200, Some("upstream_interrupted")),
    }
    p13_closed_in_the_middle_of_a_chunk {
        asks: Stream,
        provider: before().half_chunk("data: {\"choices\":[]}\n\n").close(),
        caller: Sees::Event("upstream_interrupted"),
        log: Says(200, Some("upstream_interrupted")),
    }
    p13_a_stall_before_the_head {
        settings: FIRST,
        asks: Whole,
        provider: Reply::json(200, "{}").after(&Gate::new()),
        caller: Sees::Refusal(504, "upstream_timeout"),
        log: Says(504, Some("upstream_timeout")),
    }
    p13_a_stall_after_the_head {
        settings: FIRST,
        asks: Whole,
        provider: Reply::stream_with(200, &JSON).stall(),
        caller: Sees::Refusal(504, "upstream_timeout"),
        log: Says(504, Some("upstream_timeout")),
    }
    p13_a_stall_after_the_head_of_a_stream {
        settings: FIRST,
        asks: Stream,
        provider: Reply::stream().stall(),
        caller: Sees::Refusal(504, "upstream_timeout"),
        log: Says(504, Some("upstream_timeout")),
    }
    p13_a_stall_in_the_middle_of_a_stream {
        settings: BETWEEN,
        asks: Stream,
        provider: before().stall(),
        caller: Sees::Event("upstream_timeout"),
        log: Says(200, Some("upstream_timeout")),
    }
    p13_a_stall_in_the_middle_of_json {
        settings: BETWEEN,
        asks: Whole,
        provider: half_json().stall(),
        caller: Sees::Cut,
        log: Says(200, Some("upstream_timeout")),
    }
    p13_slower_than_the_total {
        settings: TOTAL,
        asks: Stream,
        provider: drip(),
        caller: Sees::Event("upstream_timeout"),
        log: Says(200, Some("upstream_timeout")),
    }
    p13_slower_than_the_total_before_the_head {
        settings: TOTAL,
        asks: Whole,
        provider: Reply::json(200, "{}").after(&Gate::new()),
        caller: Sees::Refusal(504, "upstream_timeout"),
        log: Says(504, Some("upstream_timeout")),
    }
    p13_garbage_for_a_head {
        asks: Whole,
        provider: Reply::raw("SSH-2.0-OpenSSH_9.2p1\r\n\r\n").close(),
        caller: Sees::Refusal(502, "upstream_interrupted"),
        log: Says(502, Some("upstream_interrupted")),
    }
    p13_garbage_without_an_end {
        asks: Stream,
        provider: Reply::raw(vec![0xff; 4096]).close(),
        caller: Sees::Refusal(502, "upstream_interrupted"),
        log: Says(502, Some("upstream_interrupted")),
    }
    p13_garbage_for_a_chunk {
        asks: Stream,
        provider: before().send("this is no chunk\r\n\r\n").close(),
        caller: Sees::Event("upstream_interrupted"),
        log: Says(200, Some("upstream_interrupted")),
    }
    p13_a_redirect_is_not_followed {
        asks: Whole,
        provider: Reply::redirect("https://elsewhere.invalid/v1/chat/completions"),
        caller: Sees::Refusal(502, "upstream_error"),
        log: Says(502, Some("upstream_error")),
    }
    p13_a_switch_of_protocols {
        asks: Whole,
        provider: Reply::raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n").close(),
        caller: Sees::Refusal(502, "upstream_error"),
        log: Says(502, Some("upstream_error")),
    }
    p13_too_many_requests_with_seconds {
        asks: Whole,
        provider: limited("7"),
        caller: Sees::Passed(429, ERROR),
        log: Says(429, Some("upstream_error")),
    }
    p13_too_many_requests_with_a_date {
        asks: Stream,
        provider: limited("Wed, 21 Oct 2037 07:28:00 GMT"),
        caller: Sees::Passed(429, ERROR),
        log: Says(429, Some("upstream_error")),
    }
    p13_an_error_page_is_wrapped {
        asks: Whole,
        provider: Reply::body(500, "text/html", "<html>oops</html>"),
        caller: Sees::Refusal(500, "upstream_error"),
        log: Says(500, Some("upstream_error")),
    }
    p13_an_error_that_breaks_off_is_wrapped {
        asks: Whole,
        provider: Reply::raw("HTTP/1.1 503 Down\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"err").close(),
        caller: Sees::Refusal(503, "upstream_error"),
        log: Says(503, Some("upstream_error")),
    }
}

// A reset takes what was sent and not yet read with it: in these rows it comes when the caller has seen the beginning.

#[test]
fn p13_reset_in_the_middle_of_json() {
    let reply = |gate: &Gate| half_json().gate(gate).reset();
    breaks_off(Asks::Whole, reply, "{\"id\":\"x", Sees::Cut, Says(200, Some("upstream_interrupted")));
}

#[test]
fn p13_reset_in_the_middle_of_a_stream() {
    let reply = |gate: &Gate| before().gate(gate).reset();
    let event = Sees::Event("upstream_interrupted");
    breaks_off(Asks::Stream, reply, "\"before\"", event, Says(200, Some("upstream_interrupted")));
}
