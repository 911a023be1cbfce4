//! Name servers that answer half of a question or none. The world has a network and a resolv.conf of its own.

use std::time::Duration;

use bitrouter_tests::{World, sdk, shared_files};
use serde_json::Value;

/// Asks once behind a name server that does `what`, with `resolv_conf`: status, milliseconds and text of the answer.
#[track_caller]
fn ask(what: &str, resolv_conf: &str) -> (u64, Duration, String) {
    let world = World::new();
    world.config("[timeouts]\nconnect = \"3s\"\n[providers.openai]\nbase_url = \"https://half.example:9/v1\"\n");
    let file = world.write("home/resolv.conf", resolv_conf).to_string_lossy().into_owned();
    let binary = shared_files::binary().to_string_lossy().into_owned();
    let output = sdk::script(&world, "name_server.py", &[what, &file, &binary])
        .without("HTTPS_PROXY")
        .without("https_proxy")
        .env("OPENAI_API_KEY", "sk-x")
        .run()
        .with_code(0);
    let seen: Value = output.json();
    let text = seen["text"].as_str().expect("a text").to_owned();
    (seen["status"].as_u64().expect("a status"), Duration::from_millis(seen["ms"].as_u64().expect("a time")), text)
}

/// The address was found: what fails is the connection to it.
#[track_caller]
fn goes_on(what: &str, resolv_conf: &str) {
    let (status, took, text) = ask(what, resolv_conf);
    assert!(status == 502 && text.contains("cannot connect to `half.example:9`"), "{status} {text}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn r1_12_a_server_that_never_answers_about_ipv6_costs_little() {
    goes_on("a-only", "nameserver 127.0.0.1\n");
}

#[test]
fn r1_12_an_empty_resolv_conf_means_this_machine() {
    goes_on("a-only", "# nothing\n");
}

#[test]
fn r1_12_a_server_that_never_answers_is_named_as_such() {
    let (status, took, text) = ask("silent", "nameserver 127.0.0.1\n");
    assert!(
        status == 504 && text.contains("no DNS server answered") && text.contains("half.example"),
        "{status} {text}"
    );
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn r1_12_a_name_that_does_not_exist_is_one() {
    let (status, _, text) = ask("no-name", "nameserver 127.0.0.1\n");
    assert!(status == 502 && text.contains("DNS knows no such name"), "{status} {text}");
}
