//! Other people's clients: the official SDKs, and gRPC's own Python client on the control socket.

mod cells;
mod tokenroute;

use bitrouter_tests::{InferenceFixture, Provider, World, sdk};

#[test]
fn openai_sdk_against_demo() {
    let world = World::new();
    let daemon = world.demo();
    sdk::run(&world, "openai_demo.py", &[&daemon.base_url()]);
}

#[test]
fn p07_authlib_signs_a_device_in_refreshes_and_revokes() {
    let world = World::new();
    let daemon = world.demo();
    let link = world.cli(["console", "--no-open", "--json"]).with_code(0).json();
    let issuer = format!("http://{}", daemon.addr());
    sdk::run(&world, "authlib_device.py", &[&issuer, link["url"].as_str().expect("a URL")]);
}

#[test]
fn openai_sdk_against_a_provider() {
    let fixture = InferenceFixture::new();
    sdk::run(&fixture.world, "openai_provider.py", &[&fixture.daemon.base_url()]);
    // The key that the SDK insists on never went further.
    for number in 0..fixture.provider.count() {
        let exchange = fixture.provider.exchange(number);
        assert_eq!(exchange.request.key(), Some(fixture.key.as_str()));
        assert!(!String::from_utf8_lossy(&exchange.request.head).contains("sdk-dummy-key"));
    }
    assert!(fixture.provider.count() >= 4);
}

#[test]
fn openai_sdk_maps_every_error() {
    let fixture = InferenceFixture::new();
    fixture.provider.always(errors);
    sdk::run(&fixture.world, "openai_errors.py", &[&fixture.daemon.base_url()]);
}

/// A provider whose model names say what it does.
fn errors(request: &bitrouter_tests::provider::Request) -> bitrouter_tests::Reply {
    use bitrouter_tests::Reply;
    let error = |code: &str| format!(r#"{{"error":{{"message":"scripted","type":"t","code":"{code}","param":null}}}}"#);
    match request.model().as_str() {
        "limited" => {
            let headers = [("content-type", "application/json"), ("retry-after", "7")];
            Reply::with(429, &headers, error("rate_limit_exceeded"))
        }
        "broken" => Reply::body(500, "text/html", "<h1>oops</h1>"),
        "bad" => Reply::json(400, error("bad_thing")),
        "cut" => Reply::stream().token("before").reset(),
        other => Reply::json(404, error(other)),
    }
}

#[test]
fn grpc_reflection_lists_the_services_and_status_answers() {
    let world = World::new();
    let daemon = world.demo();
    let socket = daemon.socket().to_string_lossy().into_owned();
    let pid = daemon.pid().to_string();
    sdk::run(&world, "control.py", &[&socket, &pid, env!("CARGO_PKG_VERSION")]);
}

#[test]
fn a_provider_can_be_reached_over_tls() {
    let world = World::new();
    let provider = Provider::start();
    let key = world.canary("openai");
    let tls =
        sdk::script(&world, "tls_front.py", &[&provider.addr().to_string(), &world.path("home").to_string_lossy()]);
    let tls = tls.spawn();
    let text = tls.stdout().until("a port", |text| text.ends_with('\n'));
    let port = text.trim();
    world.config(&format!("[providers.openai]\nbase_url = \"https://localhost:{port}/v1\"\n"));
    let trusted = world.serve().env("OPENAI_API_KEY", &key).env("SSL_CERT_FILE", world.path("home/ca.pem")).start();
    trusted.http().chat(bitrouter_tests::MODEL, "x").send().ok();
    assert_eq!(provider.exchange(0).request.key(), Some(key.as_str()));
    drop(trusted);
    // The system's own roots do not know this authority.
    let untrusted = world.serve().env("OPENAI_API_KEY", &key).start();
    untrusted.http().chat(bitrouter_tests::MODEL, "x").send().refused(502, "upstream_unavailable");
    assert_eq!(provider.count(), 1);
}
