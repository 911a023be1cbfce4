//! Certificates: what is wrong with one is said in words, and renewed roots need no restart.

use bitrouter_tests::{MODEL, Provider, World, logs, process::Process, sdk};

/// TLS in front of `provider`; `more` goes to the script. Its authority is `ca.pem` in `directory`.
#[track_caller]
fn front(world: &World, provider: &Provider, directory: &str, more: &[&str]) -> (Process, String) {
    let target = provider.addr().to_string();
    let directory = world.directory(directory).to_string_lossy().into_owned();
    let args: Vec<&str> = [target.as_str(), directory.as_str()].into_iter().chain(more.iter().copied()).collect();
    let front = sdk::script(world, "tls_front.py", &args).spawn();
    let port = front.stdout().until("a port", |text| text.ends_with('\n')).trim().to_owned();
    (front, format!("[providers.openai]\nbase_url = \"https://localhost:{port}/v1\"\n"))
}

#[test]
fn r1_11_an_authoritys_own_certificate_is_explained() {
    let (world, provider) = (World::new(), Provider::start());
    let (_front, settings) = front(&world, &provider, "home/tls", &["authority"]);
    world.config(&settings);
    let trusted = world.path("home/tls/ca.pem");
    let daemon = world.serve().env("OPENAI_API_KEY", world.canary("openai")).env("SSL_CERT_FILE", trusted).start();
    let error = daemon.http().chat(MODEL, "x").send().refused(502, "upstream_unavailable");
    let text = error["message"].as_str().expect("a text");
    assert!(text.contains("openssl req -x509") && text.contains("basicConstraints=critical,CA:FALSE"), "{text}");
    assert_eq!(provider.count(), 0);
}

#[test]
fn r1_11_renewed_roots_are_read_at_a_reload_and_at_a_hangup() {
    let (world, provider) = (World::new(), Provider::start());
    let (_front, settings) = front(&world, &provider, "home/tls", &[]);
    let (_other, _) = front(&world, &provider, "home/other", &[]);
    let pem = |directory: &str| std::fs::read(world.path(&format!("home/{directory}/ca.pem"))).expect("an authority");
    let roots = world.write("home/roots.pem", pem("other"));
    world.config(&settings);
    let daemon = world.serve().env("OPENAI_API_KEY", world.canary("openai")).env("SSL_CERT_FILE", &roots).start();
    let refused = || {
        let error = daemon.http().chat(MODEL, "x").send().refused(502, "upstream_unavailable");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("SSL_CERT_FILE")), "{error}");
    };
    refused();
    world.write("home/roots.pem", pem("tls"));
    refused();
    daemon.reload();
    daemon.http().chat(MODEL, "x").send().ok();
    // What is trusted no longer is not spoken to again, not even on a connection that is there.
    world.write("home/roots.pem", pem("other"));
    daemon.hangup();
    logs::wait_for_reload_by(&daemon, "sighup");
    refused();
    // An empty file takes nothing away.
    world.write("home/roots.pem", pem("tls"));
    daemon.reload();
    daemon.http().chat(MODEL, "x").send().ok();
    world.write("home/roots.pem", "");
    daemon.reload();
    daemon.http().chat(MODEL, "x").send().ok();
}
