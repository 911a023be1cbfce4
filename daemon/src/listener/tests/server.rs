//! The server on real sockets: what it refuses, what it bounds, and how it ends.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bitrouter_proto::clock;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use super::rig::{
    GOOD_KEY, PATIENCE, SlowKeys, code, header, read_all, read_reply, start, start_with, status, until, usual,
};
use crate::listener::{Keyless, Limits, ListenerSettings};

#[tokio::test]
async fn every_reply_carries_an_id() {
    let rig = usual();
    let reply = rig.exchange(rig.request("GET /health", "Connection: close\r\n\r\n")).await;
    assert_eq!(status(&reply), "200");
    assert!(header(&reply, "x-bitrouter-request-id").unwrap().starts_with("req_"));
    let sent = "X-BitRouter-Request-Id: mine_1\r\nConnection: close\r\n\r\n";
    let reply = rig.exchange(rig.request("GET /health", sent)).await;
    assert_eq!(header(&reply, "x-bitrouter-request-id"), Some("mine_1"));
    let reply = rig.exchange(rig.request("GET /id", sent)).await;
    assert!(reply.ends_with("\r\n\r\nmine_1"), "the router sees the id: {reply}");
    let reply = rig.exchange(rig.request("GET /nowhere", sent)).await;
    assert_eq!((status(&reply), header(&reply, "x-bitrouter-request-id")), ("404", Some("mine_1")));
    let reply = rig.exchange(format!("GET / HTTP/1.1\r\nHost: evil\r\n{sent}")).await;
    assert_eq!((status(&reply), header(&reply, "x-bitrouter-request-id")), ("403", Some("mine_1")));
    assert_eq!(header(&reply, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(&reply, "cache-control"), Some("no-store"));
}

#[tokio::test]
async fn refusals_come_in_the_contracts_order_and_are_counted() {
    let rig = usual();
    let foreign = "Origin: https://evil.example\r\n";
    let key = "x-api-key: brk_x\r\n";
    let form = "Content-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let all_wrong = format!("POST /echo HTTP/1.1\r\nHost: evil.example\r\n{foreign}{key}{form}");
    assert_eq!(code(&rig.exchange(all_wrong).await), "host_not_allowed");
    let reply = rig.exchange(rig.request("POST /echo", &format!("{foreign}{key}{form}"))).await;
    assert_eq!(code(&reply), "origin_not_allowed");
    assert_eq!(header(&reply, "access-control-allow-origin"), None);
    assert_eq!(code(&rig.exchange(rig.request("POST /echo", &format!("{key}{form}"))).await), "invalid_api_key");
    let reply = rig.exchange(rig.request("POST /echo?key=bra_y", &format!("{key}{form}"))).await;
    assert_eq!((status(&reply), code(&reply).as_str()), ("400", "invalid_request"));
    assert_eq!(rig.reasons(), ["host_not_allowed", "origin_not_allowed", "invalid_api_key", "invalid_request"]);
}

#[tokio::test]
async fn hosts_that_http_10_leaves_out_are_refused() {
    let rig = usual();
    assert_eq!(code(&rig.exchange("GET /health HTTP/1.0\r\n\r\n").await), "host_not_allowed");
}

#[tokio::test]
async fn keyless_never_refuses_all_but_health_and_metrics() {
    let rig = usual();
    let close = "Connection: close\r\n\r\n";
    rig.settings.store(Arc::new(ListenerSettings { keyless: Keyless::Never, ..ListenerSettings::default() }));
    let reply = rig.exchange(rig.request("GET /wait", close)).await;
    assert_eq!((status(&reply), code(&reply).as_str()), ("401", "api_key_required"));
    assert!(header(&reply, "www-authenticate").is_some() && reply.contains("keyless"), "{reply}");
    assert_eq!(status(&rig.exchange(rig.request("GET /health", close)).await), "200");
    let reply = rig.exchange(rig.request("GET /metrics", close)).await;
    assert!(reply.ends_with("metrics here\n# EOF\n"), "{reply}");
    let reply = rig.exchange(rig.request("HEAD /metrics", close)).await;
    assert!(status(&reply) == "200" && reply.ends_with("\r\n\r\n"), "{reply}");
}

#[tokio::test]
async fn who_calls_may_take_a_while_to_find_out() {
    let rig = start_with(Limits::default(), ListenerSettings::default(), Arc::new(SlowKeys));
    let post = |key: &str| {
        let head = format!("x-api-key: {key}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody");
        rig.request("POST /echo", &head)
    };
    let reply = rig.exchange(post(GOOD_KEY)).await;
    assert!(status(&reply) == "200" && reply.ends_with("\r\n\r\nbody"), "{reply}");
    let reply = rig.exchange(post("brk_bad")).await;
    assert_eq!((status(&reply), code(&reply).as_str()), ("401", "invalid_api_key"));
    assert_eq!(status(&rig.exchange(post("any")).await), "200");
    let get = |path: &str| rig.request(path, &format!("x-api-key: {GOOD_KEY}\r\nConnection: close\r\n\r\n"));
    let reply = rig.exchange(get("GET /metrics")).await;
    assert!(reply.ends_with("metrics here\n# EOF\n"), "{reply}");
    assert_eq!(status(&rig.exchange(get("DELETE /metrics")).await), "405");
    assert_eq!(code(&rig.exchange(get("GET /panic")).await), "internal");
    assert_eq!(rig.reasons(), ["invalid_api_key", "method_not_allowed"]);
}

#[tokio::test]
async fn another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let rig = usual();
    for (path, expected) in [("/metrics", "401"), ("/v1/models", "401"), ("/health", "200")] {
        let (host, port) = (rig.addr.ip(), rig.addr.port());
        let script = format!(
            "exec 3<>/dev/tcp/{host}/{port}; \
             printf 'GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
        );
        let output = tokio::task::spawn_blocking(move || {
            let mut command = Command::new("/bin/bash");
            command.args(["-c", &script]).uid(4242).current_dir("/").stdin(Stdio::null()).output()
        });
        let reply = String::from_utf8(output.await.unwrap().unwrap().stdout).unwrap();
        assert_eq!(status(&reply), expected, "{path}: {reply}");
        if expected == "401" {
            assert_eq!(code(&reply), "api_key_required");
            assert!(reply.contains("uid 4242"), "{reply}");
        }
    }
    assert_eq!(rig.reasons(), ["api_key_required", "api_key_required"]);
}

#[tokio::test]
async fn an_allowed_page_gets_its_preflight_and_its_header() {
    let rig = usual();
    let page = "https://app.example";
    rig.settings
        .store(Arc::new(ListenerSettings { allow_origins: vec![page.to_owned()], ..ListenerSettings::default() }));
    let asks = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,authorization\r\n\
                Sec-Fetch-Site: cross-site\r\nConnection: close\r\n\r\n";
    let reply = rig.exchange(rig.request("OPTIONS /echo", &format!("Origin: {page}\r\n{asks}"))).await;
    assert_eq!(status(&reply), "204");
    assert_eq!(header(&reply, "access-control-allow-origin"), Some(page));
    assert_eq!(header(&reply, "access-control-allow-headers"), Some("content-type,authorization"));
    assert!(reply.to_ascii_lowercase().contains("vary: origin\r\n"), "{reply}");
    let post = "Sec-Fetch-Site: cross-site\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
                Connection: close\r\n\r\n{}";
    let reply = rig.exchange(rig.request("POST /echo", &format!("Origin: {page}\r\n{post}"))).await;
    assert_eq!((status(&reply), header(&reply, "access-control-allow-origin")), ("200", Some(page)));
    let reply = rig.exchange(rig.request("OPTIONS /echo", &format!("Origin: https://evil.example\r\n{asks}"))).await;
    assert_eq!((status(&reply), header(&reply, "access-control-allow-origin")), ("403", None));
    let reply = rig.exchange(rig.request("OPTIONS /echo", "Connection: close\r\n\r\n")).await;
    assert_eq!((status(&reply), header(&reply, "access-control-allow-origin")), ("405", None));
}

#[tokio::test]
async fn malformed_and_oversized_heads_are_answered_with_an_empty_body() {
    let rig = usual();
    for (sent, expected) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (rig.request("GET /health", "no colon here\r\n\r\n"), "400"),
        (rig.request("GET /health", &format!("x: {}\r\n\r\n", "a".repeat(200 * 1024))), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(200 * 1024)), "431"),
        (rig.request("GET /health", &("a: b\r\n".repeat(150) + "\r\n")), "431"),
    ] {
        let reply = rig.exchange(&sent).await;
        assert_eq!(status(&reply), expected, "{:?}", &sent[..40.min(sent.len())]);
        assert!(reply.ends_with("\r\n\r\n"), "{reply}");
    }
    assert_eq!(status(&rig.exchange(rig.request("GET /health", "Connection: close\r\n\r\n")).await), "200");
}

#[tokio::test]
async fn a_client_that_is_still_sending_sees_the_reply() {
    let rig = usual();
    let json = "Content-Type: application/json\r\n";
    let long = rig.request("POST /deaf", &format!("{json}Content-Length: 4000000\r\n\r\n")) + &"x".repeat(3_000_000);
    let reply = rig.exchange(long).await;
    assert_eq!((status(&reply), header(&reply, "connection")), ("200", Some("close")), "{reply}");
    let chunk = format!("{:x}\r\n{}\r\n", 1_000_000, "x".repeat(1_000_000));
    let refused = format!("{json}Origin: https://evil.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunked = rig.request("POST /echo", &refused) + &chunk.repeat(4);
    assert_eq!(status(&rig.exchange(chunked).await), "403");
}

#[tokio::test]
async fn large_bodies_pass_unchanged_on_a_kept_connection() {
    let rig = usual();
    let mut stream = rig.connect().await;
    for size in [0, 1, 70_000, 1_500_000] {
        let body = "y".repeat(size) + "END";
        let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        let sent = rig.request("POST /echo", &head) + &body;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let reply = read_reply(&mut stream, "END").await;
        assert_eq!(status(&reply), "200");
        assert_eq!(reply.split_once("\r\n\r\n").unwrap().1, body);
    }
    assert_eq!(rig.server.connections(), 1);
    until("idle", || rig.server.in_flight() == 0).await;
}

#[tokio::test]
async fn a_panic_costs_only_its_request() {
    let rig = usual();
    let mut stream = rig.connect().await;
    stream.write_all(rig.request("GET /panic", "\r\n").as_bytes()).await.unwrap();
    let reply = read_reply(&mut stream, "}}\n").await;
    assert_eq!((status(&reply), code(&reply).as_str()), ("500", "internal"));
    assert!(header(&reply, "x-bitrouter-request-id").is_some());
    stream.write_all(rig.request("GET /health", "\r\n").as_bytes()).await.unwrap();
    assert_eq!(status(&read_reply(&mut stream, "ok").await), "200");
    let cut = rig.exchange(rig.request("GET /panic-in-body", "\r\n")).await;
    assert!(!cut.ends_with("0\r\n\r\n"), "a cut reply must not look whole: {cut}");
    let reply = rig.exchange(rig.request("GET /health", "Connection: close\r\n\r\n")).await;
    assert_eq!(status(&reply), "200");
    until("all ended", || rig.server.in_flight() == 0).await;
}

#[tokio::test]
async fn the_connection_cap_makes_others_wait() {
    let rig = start(Limits { connections: 2, ..Limits::default() }, ListenerSettings::default());
    // The second listener's loop holds the other slot while it waits, where there is one.
    let mut first = rig.connect().await;
    first.write_all(rig.request("GET /health", "\r\n").as_bytes()).await.unwrap();
    read_reply(&mut first, "ok").await;
    let mut rest = Vec::new();
    for _ in 0..3 {
        let mut stream = rig.connect().await;
        stream.write_all(rig.request("GET /health", "Connection: close\r\n\r\n").as_bytes()).await.unwrap();
        rest.push(stream);
    }
    assert!(rig.server.connections() <= 2);
    drop(first);
    for mut stream in rest {
        assert_eq!(status(&read_all(&mut stream).await), "200");
    }
}

#[tokio::test]
async fn slow_heads_idle_connections_and_deaf_clients_are_closed() {
    // Each limit is long enough that what must happen within it does, on a busy machine too.
    let limits = Limits { head: Duration::from_millis(300), idle: Duration::from_millis(800), ..Limits::default() };
    let settings = ListenerSettings { total: Duration::from_secs(1), ..ListenerSettings::default() };
    let rig = start(limits, settings);
    let began = clock::monotonic_now();
    let mut silent = rig.connect().await;
    assert_eq!(read_all(&mut silent).await, "");
    let mut slow = rig.connect().await;
    slow.write_all(b"GET /health HT").await.unwrap();
    assert_eq!(read_all(&mut slow).await, "");
    assert!(clock::monotonic_now() - began >= Duration::from_millis(600));

    let began = clock::monotonic_now();
    let mut kept = rig.connect().await;
    kept.write_all(rig.request("GET /health", "\r\n").as_bytes()).await.unwrap();
    assert!(read_all(&mut kept).await.ends_with("ok"));
    assert!(clock::monotonic_now() - began >= Duration::from_millis(800), "a kept connection outlives the head limit");

    let mut slow_again = rig.connect().await;
    slow_again.write_all(rig.request("GET /health", "\r\n").as_bytes()).await.unwrap();
    read_reply(&mut slow_again, "ok").await;
    slow_again.write_all(b"GET").await.unwrap();
    assert_eq!(read_all(&mut slow_again).await, "");

    let mut half = rig.connect().await;
    let head = "Content-Type: application/json\r\nContent-Length: 100\r\n\r\nhalf";
    half.write_all(rig.request("POST /echo", head).as_bytes()).await.unwrap();
    assert_eq!(read_all(&mut half).await, "");

    let mut deaf = rig.connect().await;
    deaf.write_all(rig.request("GET /endless", "\r\n").as_bytes()).await.unwrap();
    until("the stream runs", || rig.server.in_flight() == 1).await;
    until("the deaf client is dropped", || rig.server.connections() == 0).await;
    assert_eq!(rig.server.in_flight(), 0);
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_request() {
    let rig = usual();
    let mut stream = rig.connect().await;
    stream.write_all(rig.request("GET /wait", "\r\n").as_bytes()).await.unwrap();
    until("it runs", || rig.server.in_flight() == 1).await;
    drop(stream);
    until("it ends", || rig.server.in_flight() == 0 && rig.server.connections() == 0).await;
}

#[tokio::test]
async fn the_router_can_end_a_connection_after_its_reply() {
    let rig = usual();
    let reply = rig.exchange(rig.request("GET /last", "\r\n")).await;
    assert!(reply.ends_with("the last"), "{reply}");
}

#[tokio::test]
async fn draining_closes_the_door_says_goodbye_and_finishes_what_runs() {
    let rig = usual();
    let mut idle = rig.connect().await;
    idle.write_all(rig.request("GET /health", "\r\n").as_bytes()).await.unwrap();
    read_reply(&mut idle, "ok").await;
    let mut running = rig.connect().await;
    running.write_all(rig.request("GET /wait", "\r\n").as_bytes()).await.unwrap();
    until("it runs", || rig.server.in_flight() == 1).await;

    rig.server.drain(Duration::ZERO).await;
    assert!(TcpStream::connect(rig.addr).await.is_err(), "the listener is closed");
    assert_eq!(read_all(&mut idle).await, "", "an idle connection is closed");
    assert!(!rig.server.wait_idle(clock::monotonic_now() + Duration::from_millis(20)).await, "one still runs");
    rig.release.notify_one();
    let reply = read_all(&mut running).await;
    assert!(reply.ends_with("waited"), "{reply}");
    assert_eq!(header(&reply, "connection"), Some("close"));
    assert!(rig.server.wait_idle(clock::monotonic_now() + PATIENCE).await);
    assert_eq!(rig.server.connections(), 0);
}

#[tokio::test]
async fn a_drain_with_grace_answers_kept_connections_once_more() {
    let rig = usual();
    let mut kept = rig.connect().await;
    kept.write_all(rig.request("GET /health", "\r\n").as_bytes()).await.unwrap();
    read_reply(&mut kept, "ok").await;
    let mut forgotten = rig.connect().await;
    forgotten.write_all(rig.request("GET /health", "\r\n").as_bytes()).await.unwrap();
    read_reply(&mut forgotten, "ok").await;

    rig.server.drain(Duration::from_secs(2)).await;
    kept.write_all(rig.request("GET /health", "\r\n").as_bytes()).await.unwrap();
    let reply = read_all(&mut kept).await;
    assert_eq!((status(&reply), header(&reply, "connection")), ("200", Some("close")));
    assert_eq!(rig.server.connections(), 1, "the other one is still within its grace");
    assert!(rig.server.wait_idle(clock::monotonic_now() + PATIENCE).await);
    assert_eq!(read_all(&mut forgotten).await, "");
}

#[tokio::test]
async fn what_does_not_end_is_aborted() {
    let rig = usual();
    let mut running = rig.connect().await;
    running.write_all(rig.request("GET /wait", "\r\n").as_bytes()).await.unwrap();
    until("it runs", || rig.server.in_flight() == 1).await;
    timeout(PATIENCE, rig.server.abort_all()).await.unwrap();
    assert_eq!((rig.server.connections(), rig.server.in_flight()), (0, 0));
    assert_eq!(read_all(&mut running).await, "");
}
