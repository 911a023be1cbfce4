//! P6: the endpoint answers only a `Host` that is its own, whatever the spelling. (The class of CVE-2024-28224.)

use bitrouter_tests::{End, InferenceFixture, World, shared_files};

#[test]
fn p06_only_our_own_host_is_answered() {
    let world = World::new();
    let daemon = world.demo();
    let port = daemon.port();
    let other = if port == 65_535 { 1 } else { port + 1 };
    let table = [
        (format!("127.0.0.1:{port}"), true),
        (format!("localhost:{port}"), true),
        (format!("[::1]:{port}"), true),
        (format!("LOCALHOST:{port}"), true),
        (format!("LocalHost:{port}"), true),
        (format!("localhost.:{port}"), false),
        (format!("127.0.0.1.:{port}"), false),
        (format!("127.0.0.1:{other}"), false),
        (format!("localhost:{other}"), false),
        ("localhost".to_owned(), false),
        ("127.0.0.1".to_owned(), false),
        ("localhost:".to_owned(), false),
        (format!("127.0.0.2:{port}"), false),
        (format!("0.0.0.0:{port}"), false),
        (format!("2130706433:{port}"), false),
        (format!("0x7f.1:{port}"), false),
        (format!("[::ffff:127.0.0.1]:{port}"), false),
        (format!("[::]:{port}"), false),
        (format!("::1:{port}"), false),
        (format!("user@localhost:{port}"), false),
        (format!("user:pass@127.0.0.1:{port}"), false),
        (format!("evil.example:{port}"), false),
        (format!("localhost.evil.example:{port}"), false),
        (format!("evil.example#localhost:{port}"), false),
        (format!("localhost:{port}, localhost:{port}"), false),
        (format!("localhost:{port}/"), false),
        (format!("localhost:0{port}"), false),
        (String::new(), false),
    ];
    for (host, allowed) in table {
        let answer = daemon.http().get("/health").host(&host).send();
        if allowed {
            assert_eq!(answer.status, 200, "`{host}`: {}", answer.text());
        } else if answer.status != 400 || !answer.body.is_empty() {
            // A head that does not even parse is 400 with an empty body.
            assert_eq!(answer.status, 403, "`{host}`: {}", answer.text());
            answer.refused(403, "host_not_allowed");
        }
    }
}

#[test]
fn p06_a_missing_or_second_host_and_a_mismatch_are_refused() {
    let world = World::new();
    let daemon = world.demo();
    let port = daemon.port();
    let table = [
        ("none", "GET /health HTTP/1.1\r\n\r\n".to_owned(), false),
        ("none in 1.0", "GET /health HTTP/1.0\r\n\r\n".to_owned(), false),
        (
            "two equal",
            format!("GET /health HTTP/1.1\r\nhost: localhost:{port}\r\nhost: localhost:{port}\r\n\r\n"),
            false,
        ),
        ("two", format!("GET /health HTTP/1.1\r\nhost: localhost:{port}\r\nhost: evil.example\r\n\r\n"), false),
        ("absolute", format!("GET http://localhost:{port}/health HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n"), true),
        ("mismatch", format!("GET http://localhost:{port}/health HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n"), false),
        (
            "foreign absolute",
            format!("GET http://evil.example/health HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n"),
            false,
        ),
        ("foreign both", "GET http://evil.example/health HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_owned(), false),
        ("connect", format!("CONNECT localhost:{port} HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n"), false),
    ];
    for (name, bytes, allowed) in table {
        let answer = daemon.http().raw(bytes);
        assert_eq!(answer.status == 200, allowed, "{name}: {} {}", answer.status, answer.text());
        assert!(answer.end == End::Complete && answer.status != 0, "{name}: {:?}", answer.end);
    }
}

#[test]
fn p06_another_host_can_be_allowed() {
    let fixture = InferenceFixture::with("[server]\nallow_hosts = [\"tunnel.example:8443\", \"box.local\"]\n");
    for host in ["tunnel.example:8443", "TUNNEL.example:8443", "box.local"] {
        fixture.http().get("/health").host(host).send().ok();
    }
    for host in ["tunnel.example", "tunnel.example:8444", "x.box.local", "box.local."] {
        fixture.http().get("/health").host(host).send().refused(403, "host_not_allowed");
    }
}

#[test]
fn p06_ipv6_loopback_is_served_where_it_is_present() {
    let world = World::new();
    let daemon = world.demo();
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return shared_files::lacks("IPv6");
    }
    let addr = format!("[::1]:{}", daemon.port()).parse().expect("an address");
    daemon.http().at(addr).get("/health").send().ok();
    let listen = daemon.status()["listen"].clone();
    let all: Vec<String> = serde_json::from_value(listen).expect("a list");
    assert_eq!(all, [format!("127.0.0.1:{}", daemon.port()), format!("[::1]:{}", daemon.port())]);
}
