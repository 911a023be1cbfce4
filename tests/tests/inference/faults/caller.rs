//! Rows: the caller fails: too much, too early, gone.

use bitrouter_tests::{End, Gate, MODEL, Provider, Reply, logs};
use serde_json::json;

use super::row::{Says, Scene, Sees};

const SMALL: &str = "[server]\nmax_body = \"16 KiB\"\n";

#[test]
fn p13_a_body_whose_length_is_too_large() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), SMALL);
    let answer = scene.daemon.http().chat(MODEL, &"x".repeat(64 << 10)).send();
    Sees::Refusal(413, "body_too_large").check(&answer);
    scene.said(Says(413, Some("body_too_large")), false);
    assert_eq!(provider.count(), 0);
    scene.goes_on();
}

#[test]
fn p13_a_chunked_body_that_grows_too_large() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), SMALL);
    let answer = scene.daemon.http().chat(MODEL, &"x".repeat(64 << 10)).chunked(4096).send();
    Sees::Refusal(413, "body_too_large").check(&answer);
    scene.said(Says(413, Some("body_too_large")), false);
    assert_eq!(provider.count(), 0);
    scene.goes_on();
}

#[test]
fn p13_a_body_that_is_no_json() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), "");
    let answer = scene.daemon.http().post("/v1/chat/completions").json("{\"model\":\"openai:m\"").send();
    Sees::Refusal(400, "invalid_request").check(&answer);
    scene.said(Says(400, Some("invalid_request")), false);
    scene.goes_on();
}

#[test]
fn p13_a_model_that_nobody_serves() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), "");
    Sees::Refusal(404, "model_not_found").check(&scene.daemon.http().chat("nobody-serves-this", "x").send());
    let line = scene.said(Says(404, Some("model_not_found")), false);
    assert!(logs::member(&line, "provider").is_null(), "{line}");
    scene.goes_on();
}

#[test]
fn p13_a_provider_without_a_key() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), "");
    let answer = scene.daemon.http().chat("anthropic:m", "x").send();
    Sees::Refusal(402, "provider_key_missing").check(&answer);
    let line = scene.said(Says(402, Some("provider_key_missing")), false);
    assert!(logs::member(&line, "provider").is_null(), "{line}");
    scene.goes_on();
}

#[test]
fn p10_a_caller_that_leaves_a_stream() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), "");
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}});
    provider.next(Reply::stream().event(usage.to_string()).token("before").stall());
    let mut open = scene.daemon.http().chat_stream(MODEL, "x").open();
    open.until_contains("\"before\"");
    drop(open);
    provider.exchange(0).wait_left();
    let line = scene.said(Says(200, None), true);
    assert_eq!(logs::member(&line, "stream"), true, "{line}");
    assert_eq!(*logs::member(&line, "input_tokens"), 11, "{line}");
    assert_eq!(*logs::member(&line, "output_tokens"), 5, "{line}");
    assert!(logs::member(&line, "first_byte_ms").is_u64(), "{line}");
    scene.goes_on();
}

#[test]
fn p10_a_caller_that_leaves_before_the_head() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), "");
    provider.next(Reply::json(200, "{}").after(&Gate::new()));
    let stream = scene.daemon.http().chat(MODEL, "x").fire();
    let exchange = provider.exchange(0);
    drop(stream);
    exchange.wait_left();
    let line = scene.said(Says(499, None), true);
    for absent in ["input_tokens", "output_tokens", "first_byte_ms"] {
        assert!(logs::member(&line, absent).is_null(), "{absent}: {line}");
    }
    assert_eq!(logs::member(&line, "provider"), "openai", "{line}");
    scene.goes_on();
}

#[test]
fn p10_a_caller_that_leaves_in_the_middle_of_its_request() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), "");
    let bytes = scene.daemon.http().chat(MODEL, "never finished").bytes();
    // A connection that has been used: the daemon knows by now whose it is.
    let (answer, mut stream) = scene.daemon.http().get("/health").open().finish_keeping();
    answer.ok();
    std::io::Write::write_all(&mut stream, &bytes[..bytes.len() - 5]).expect("send");
    drop(stream);
    scene.said(Says(499, None), true);
    assert_eq!(provider.count(), 0);
    scene.goes_on();
}

#[test]
fn p13_a_head_that_cannot_be_parsed() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), "");
    let answer = scene.daemon.http().raw("GET /health HTTP/1.1\r\nnonsense\r\n\r\n");
    assert_eq!((answer.status, answer.text().as_str(), answer.end), (400, "", End::Complete));
    scene.goes_on();
}
