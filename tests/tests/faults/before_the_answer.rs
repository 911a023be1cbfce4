//! Faults before the first byte of an answer: 502 or 504 as JSON, never a retry that may be charged twice.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use bitrouter_tests::{MODEL, Provider, Reply, Stage, World, logs, logs::member, sdk, wait};

use super::{both, call, line_of, row, stage, still_serves};

#[test]
fn p13_refused_502_upstream_unavailable() {
    let stage = stage("");
    let Stage { daemon, provider, key, world } = stage;
    drop(provider);
    let provider = Provider::start();
    let stage = Stage { daemon, provider, key, world };
    both(&stage, || (), 502, "upstream_unavailable");
    assert_eq!(stage.provider.count(), 0);
}

#[test]
fn p13_reset_before_the_head_502_upstream_interrupted() {
    let stage = stage("");
    both(&stage, || stage.provider.next(Reply::nothing().reset()), 502, "upstream_interrupted");
    assert_eq!(stage.provider.count(), 2, "a call was sent twice");
    still_serves(&stage);
}

#[test]
fn p13_closed_before_the_head_502_upstream_interrupted() {
    let stage = stage("");
    both(&stage, || stage.provider.next(Reply::nothing().close()), 502, "upstream_interrupted");
    assert_eq!(stage.provider.count(), 2, "a call was sent twice");
    still_serves(&stage);
}

#[test]
fn p13_half_a_head_502_upstream_interrupted() {
    let stage = stage("");
    both(
        &stage,
        || stage.provider.next(Reply::raw("HTTP/1.1 200 OK\r\ncontent-ty").reset()),
        502,
        "upstream_interrupted",
    );
    still_serves(&stage);
}

#[test]
fn p13_a_garbage_head_502_upstream_interrupted() {
    let stage = stage("");
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 banana\r\n\r\n",
        &[0xff; 2048],
    ] {
        both(&stage, || stage.provider.next(Reply::raw(garbage).close()), 502, "upstream_interrupted");
    }
    still_serves(&stage);
}

#[test]
fn p13_a_head_without_an_end_502() {
    let stage = stage("");
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(4 << 20));
    both(&stage, || stage.provider.next(Reply::raw(long.as_bytes()).close()), 502, "upstream_interrupted");
    still_serves(&stage);
}

#[test]
fn p13_reset_after_the_head_and_before_the_body_502_upstream_interrupted() {
    let stage = stage("");
    both(&stage, || stage.provider.next(Reply::stream().reset()), 502, "upstream_interrupted");
    still_serves(&stage);
}

#[test]
fn p13_a_stall_before_the_head_504_upstream_timeout() {
    let stage = stage("[timeouts]\nfirst_byte = \"250ms\"\n");
    both(&stage, || stage.provider.next(Reply::nothing().stall()), 504, "upstream_timeout");
    stage.provider.exchange(1).wait_left();
    still_serves(&stage);
}

#[test]
fn p13_a_stall_after_the_head_504_upstream_timeout() {
    let stage = stage("[timeouts]\nfirst_byte = \"250ms\"\n");
    both(&stage, || stage.provider.next(Reply::stream().stall()), 504, "upstream_timeout");
    still_serves(&stage);
}

/// A stage whose provider is at this address and expected to speak TLS.
fn over_tls(addr: SocketAddr) -> Stage {
    let (world, provider) = (World::new(), Provider::start());
    let key = world.canary("openai");
    world.config(&format!("[timeouts]\nconnect = \"500ms\"\n[providers.openai]\nbase_url = \"https://{addr}/v1\"\n"));
    let daemon = world.serve().args(["--log-format", "json"]).env("OPENAI_API_KEY", &key).start();
    Stage { daemon, provider, key, world }
}

#[test]
fn p13_plain_text_where_tls_was_expected_502_upstream_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let stage = over_tls(listener.local_addr().expect("an address"));
    let heard = std::thread::spawn(move || {
        let mut heard = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut hello = [0; 4096];
            let length = stream.read(&mut hello).expect("a greeting");
            heard.extend_from_slice(&hello[..length]);
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").ok();
        }
        heard
    });
    both(&stage, || (), 502, "upstream_unavailable");
    let heard = heard.join().expect("what the server heard");
    assert!(bitrouter_tests::canary::find(&[stage.key], "what was said without TLS", &heard).is_empty());
}

#[test]
fn p13_a_server_that_is_silent_before_tls_504_upstream_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let stage = over_tls(listener.local_addr().expect("an address"));
    both(&stage, || (), 504, "upstream_timeout");
}

#[test]
fn p13_a_certificate_nobody_vouches_for_502_upstream_unavailable() {
    let (world, provider) = (World::new(), Provider::start());
    let key = world.canary("openai");
    let pems = world.directory("home/pems").to_string_lossy().into_owned();
    let front = sdk::script(&world, "tls_front.py", &[&provider.addr().to_string(), &pems]).spawn();
    let port = front.stdout().until("a port", |text| text.ends_with('\n')).trim().to_owned();
    world.config(&format!("[providers.openai]\nbase_url = \"https://127.0.0.1:{port}/v1\"\n"));
    let serve = world.serve().args(["--log-format", "json"]).env("OPENAI_API_KEY", &key);
    let stage = Stage { daemon: serve.start(), provider, key, world };
    let (answer, _) = row(&stage, false, 502, "upstream_unavailable");
    assert!(answer.text().contains("TLS") || answer.text().contains("certificate"), "{}", answer.text());
    assert_eq!(stage.provider.count(), 0, "the key was sent to somebody nobody vouches for");
    // With the authority in SSL_CERT_FILE the same server is trusted.
    let Stage { daemon, provider, key, world } = stage;
    daemon.stop();
    let trusted = world.path("home/pems/ca.pem");
    let serve = world.serve().args(["--log-format", "json"]).env("OPENAI_API_KEY", &key).env("SSL_CERT_FILE", trusted);
    let stage = Stage { daemon: serve.start(), provider, key, world };
    still_serves(&stage);
}

#[test]
fn p13_a_name_without_an_address_502_upstream_unavailable() {
    let world = World::new();
    let key = world.canary("openai");
    // A label of 64 characters can be no name: no resolver needs to be asked.
    let host = format!("{}.invalid", "x".repeat(64));
    world.config(&format!("[timeouts]\nconnect = \"3s\"\n[providers.openai]\nbase_url = \"https://{host}/v1\"\n"));
    let mut serve = world.serve().args(["--log-format", "json"]).env("OPENAI_API_KEY", &key);
    for name in ["HTTPS_PROXY", "https_proxy"] {
        serve = serve.without(name);
    }
    let mut process = serve.spawn();
    wait::holds("an end or an answer", || process.status().is_some() || world.daemon_file().is_some());
    if process.status().is_some() {
        // Refused when it was read is as good: the file and the line are named.
        assert!(process.stderr().text().contains("config.toml:4"), "{}", process.stderr().text());
        return;
    }
    let daemon = world.detached();
    let answer = daemon.http().chat(MODEL, "x").send();
    answer.refused(502, "upstream_unavailable");
    let text = process.stderr().until("the log line", |text| !logs::with_message(text, "request").is_empty());
    let line = logs::with_message(&text, "request").remove(0);
    assert_eq!(
        (member(&line, "status"), member(&line, "error_code")),
        (&502.into(), &"upstream_unavailable".into()),
        "{line}"
    );
}

#[test]
fn p13_a_proxy_that_refuses_502_upstream_unavailable() {
    let world = World::new();
    let key = world.canary("openai");
    world.config("[providers.openai]\nbase_url = \"https://api.openai.example/v1\"\n");
    let daemon = world.serve().args(["--log-format", "json"]).env("OPENAI_API_KEY", &key).start();
    let stage = Stage { daemon, provider: Provider::start(), key, world };
    let (answer, _) = row(&stage, false, 502, "upstream_unavailable");
    assert!(answer.text().contains("proxy"), "{}", answer.text());
    let hits = stage.world.trap().take();
    assert!(hits.iter().all(|hit| hit.starts_with("CONNECT api.openai.example:443")), "{hits:?}");
}

#[test]
fn p13_a_redirect_502_upstream_error_and_not_followed() {
    let stage = stage("");
    let elsewhere = Provider::start();
    both(&stage, || stage.provider.next(Reply::redirect(&elsewhere.base_url())), 502, "upstream_error");
    assert_eq!(elsewhere.connections(), 0);
    still_serves(&stage);
}

/// A provider's own error: the status stays, and the log has it.
#[track_caller]
fn kept(stage: &Stage, reply: &Reply, status: u16) -> bitrouter_tests::Answer {
    let mut last = None;
    for streamed in [false, true] {
        stage.provider.next(reply.clone());
        let answer = call(stage, streamed).send();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(!answer.text().contains(&stage.key));
        let line = line_of(stage, &answer);
        assert_eq!(member(&line, "status"), status, "{line}");
        assert!(!line.to_string().contains(&stage.key), "the log quotes the key");
        last = Some(answer);
    }
    last.expect("two answers")
}

#[test]
fn p13_429_with_seconds_is_kept() {
    let stage = stage("");
    let body = r#"{"error":{"message":"slow down","type":"tokens","code":"rate_limit_exceeded","param":null}}"#;
    let headers = [("content-type", "application/json"), ("retry-after", "17"), ("retry-after-ms", "16500")];
    let answer = kept(&stage, &Reply::with(429, &headers, body), 429);
    assert_eq!((answer.text().as_str(), answer.header("retry-after")), (body, Some("17")));
    assert_eq!(answer.header("retry-after-ms"), Some("16500"));
    still_serves(&stage);
}

#[test]
fn p13_429_with_a_date_is_kept() {
    let stage = stage("");
    let date = "Fri, 31 Dec 2038 23:59:59 GMT";
    let headers = [("content-type", "text/plain"), ("retry-after", date)];
    let answer = kept(&stage, &Reply::with(429, &headers, "slow down"), 429);
    answer.refused(429, "upstream_error");
    assert_eq!(answer.header("retry-after"), Some(date));
}

#[test]
fn p13_500_in_html_is_wrapped() {
    let stage = stage("");
    let page = format!("<html><body>{}</body></html>", "oops ".repeat(200));
    let answer = kept(&stage, &Reply::body(500, "text/html", &page), 500);
    let error = answer.refused(500, "upstream_error");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("oops") && message.chars().count() <= 200, "{message}");
}

#[test]
fn p03_a_key_in_an_error_is_redacted() {
    let stage = stage("");
    let body =
        format!(r#"{{"error":{{"message":"Incorrect API key provided: {}.","code":"invalid_api_key"}}}}"#, stage.key);
    let answer = kept(&stage, &Reply::json(401, &body), 401);
    assert_eq!(answer.text(), body.replace(&stage.key, "[redacted]"));
    let headers = [("content-type", "text/plain"), ("x-your-key", stage.key.as_str())];
    let answer = kept(&stage, &Reply::with(403, &headers, format!("bad: {}", stage.key)), 403);
    assert!(answer.text().contains("[redacted]") && answer.header("x-your-key").is_none(), "{:?}", answer.headers);
}

#[test]
fn p14_no_key_402_and_nobody_is_called() {
    let world = World::new();
    let provider = Provider::start();
    world.config(&provider.as_openai());
    let daemon = world.serve().args(["--log-format", "json"]).start();
    let answer = daemon.http().chat(MODEL, "x").send();
    let error = answer.refused(402, "provider_key_missing");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("OPENAI_API_KEY")), "{error}");
    assert_eq!(provider.connections(), 0);
}

#[test]
fn p13_too_large_413_before_anybody_is_called() {
    let stage = stage("[server]\nmax_body = \"1 KiB\"\n");
    let body = format!(r#"{{"model":"openai:m","messages":[],"x":"{}"}}"#, "x".repeat(4096));
    stage.http().post("/v1/chat/completions").json(&body).send().refused(413, "body_too_large");
    stage.http().post("/v1/chat/completions").json(&body).chunked(100).send().refused(413, "body_too_large");
    assert_eq!(stage.provider.connections(), 0);
    still_serves(&stage);
}

#[test]
fn p13_a_provider_that_hangs_up_while_it_is_being_told_502() {
    let stage = stage("");
    // The provider answers and closes without having read the body.
    let body = format!(r#"{{"model":"openai:m","messages":[],"x":"{}"}}"#, "x".repeat(8 << 20));
    stage.provider.next(Reply::nothing().reset());
    let answer = stage.http().within(Duration::from_secs(20)).post("/v1/chat/completions").json(&body).send();
    assert_eq!(answer.status, 502, "{}", answer.text());
    answer.error();
    still_serves(&stage);
}
