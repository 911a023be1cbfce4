//! P6: a proxy or a tunnel makes strangers of everyone, unless it is named and speaks of this machine alone.

use bitrouter_tests::{InferenceFixture, MODEL, World, http::Call, wait};
use serde_json::Value;

/// Every header that only a proxy adds, as one on the way from elsewhere would.
const FROM_ELSEWHERE: [(&str, &str); 11] = [
    ("forwarded", "for=203.0.113.7;proto=https"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-host", "node.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-anything", "x"),
    ("via", "1.1 proxy.example"),
    ("x-real-ip", "203.0.113.7"),
    ("x-client-ip", "203.0.113.7"),
    ("true-client-ip", "203.0.113.7"),
    ("cf-connecting-ip", "203.0.113.7"),
    ("x-original-host", "node.example"),
];

fn warning(world: &World) -> Option<String> {
    let status = world.cli(["status", "--json"]).with_code(0).json();
    let list = status["warnings"].as_array().expect("warnings").clone();
    let found = list.iter().find(|warning| warning["code"] == "untrusted_proxy")?;
    Some(found["message"].as_str().expect("a message").to_owned())
}

fn stranger(call: Call, named: &str) -> Value {
    let error = call.send().refused(401, "api_key_required");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("`{named}`")), "{message}");
    assert!(message.contains("trusted_proxies") && message.contains(" keys mint "), "{message}");
    error
}

#[test]
fn p06_whatever_a_proxy_adds_makes_a_stranger() {
    let fixture = InferenceFixture::new();
    assert_eq!(warning(&fixture.world), None);
    for (name, value) in FROM_ELSEWHERE {
        for value in [value, "127.0.0.1", ""] {
            stranger(fixture.http().chat(MODEL, "x").header(name, value), name);
        }
        stranger(fixture.http().chat(MODEL, "x").header(name, value).bearer("sk-any"), name);
        stranger(fixture.http().get("/v1/models").header(&name.to_ascii_uppercase(), value), name);
        stranger(fixture.http().get("/metrics").header(name, value), name);
        fixture.http().get("/health").header(name, value).send().ok();
    }
    assert_eq!(fixture.provider.count(), 0);
    let message = warning(&fixture.world).expect("a warning");
    assert!(message.contains("`forwarded`") && message.contains("trusted_proxies"), "{message}");
    // Whoever comes straight is still who it is.
    fixture.http().chat(MODEL, "x").send().ok();
}

#[test]
fn p06_a_host_that_is_no_loopback_name_makes_a_stranger() {
    let settings = "[server]\nallow_hosts = [\"box.lan\", \"localhost:9000\"]\n\
                    [node]\npublic_url = \"https://node.example\"\n";
    let fixture = InferenceFixture::with(settings);
    for host in ["box.lan", "node.example", "NODE.example:443"] {
        stranger(fixture.http().chat(MODEL, "x").host(host), host);
        stranger(fixture.http().get("/metrics").host(host), host);
        fixture.http().get("/health").host(host).send().ok();
    }
    for host in ["node.example:4356", "x.node.example", "node.example."] {
        fixture.http().get("/health").host(host).send().refused(403, "host_not_allowed");
    }
    // A tunnel to a loopback port of somebody else's choice ends on this machine.
    fixture.http().chat(MODEL, "x").host("localhost:9000").send().ok();
    fixture.http().chat(MODEL, "x").host(&format!("LOCALHOST:{}", fixture.daemon.port())).send().ok();
    assert!(warning(&fixture.world).expect("a warning").contains("`box.lan`"));
    let own = |host: &str, origin: &str| fixture.http().get("/health").host(host).header("origin", origin).send();
    own("node.example", "https://node.example").ok();
    for origin in ["http://node.example", "https://node.example:8443", "null", "http://127.0.0.1:4356"] {
        own("node.example", origin).refused(403, "origin_not_allowed");
    }
    let ours = format!("127.0.0.1:{}", fixture.daemon.port());
    own(&ours, "https://node.example").refused(403, "origin_not_allowed");
}

#[test]
fn p06_a_trusted_proxy_keeps_its_user_for_what_never_left_the_machine() {
    let trusts = "[node]\ntrusted_proxies = [\"127.0.0.0/8\", \"::1\"]\n";
    let fixture = InferenceFixture::with(trusts);
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-for", "::1, 127.0.0.1"),
        ("x-forwarded-host", "localhost:3000"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "for=\"[::1]:80\";host=localhost;proto=http"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 localhost"),
    ] {
        fixture.http().chat(MODEL, "x").header(name, value).send().ok();
    }
    let before = fixture.provider.count();
    for (name, value) in FROM_ELSEWHERE.into_iter().filter(|(name, _)| *name != "x-forwarded-proto") {
        stranger(fixture.http().chat(MODEL, "x").header(name, value), name);
        // One address elsewhere spoils all others.
        let call = fixture.http().chat(MODEL, "x").header("x-forwarded-proto", "http").header(name, value);
        stranger(call.header("x-real-ip", "127.0.0.1"), name);
    }
    assert_eq!(fixture.provider.count(), before);
    // Nobody untrusted passed anything on.
    assert_eq!(warning(&fixture.world), None);
}

#[test]
fn p06_who_is_trusted_is_read_again_by_a_reload() {
    let fixture = InferenceFixture::new();
    let call = || fixture.http().chat(MODEL, "x").header("x-forwarded-for", "127.0.0.1");
    stranger(call(), "x-forwarded-for");
    assert!(warning(&fixture.world).is_some());
    let provider = fixture.provider.as_openai();
    fixture.world.config(&format!("[node]\ntrusted_proxies = [\"127.0.0.1\"]\n{provider}"));
    fixture.world.cli(["reload"]).expect_code(0);
    wait::holds("the warning to go", || warning(&fixture.world).is_none());
    call().send().ok();
}
