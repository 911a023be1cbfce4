//! Rows: the provider cannot be reached, or the answer needs more than a script.

use bitrouter_tests::{Provider, Reply, provider::Absent, sdk};

use super::row::{Asks, Says, Scene, Sees, answering};

/// Both calls see `sees`, and the first leaves `says` in the log.
#[track_caller]
fn unreachable(scene: &Scene, sees: Sees, says: Says) {
    for asks in [Asks::Whole, Asks::Stream] {
        let answer = scene.ask(asks);
        sees.check(&answer);
        assert!(answer.error()["provider"] == "openai", "{}", answer.text());
    }
    scene.said(says, false);
    scene.goes_on();
}

const UNAVAILABLE: (Sees, Says) = (Sees::Refusal(502, "upstream_unavailable"), Says(502, Some("upstream_unavailable")));

#[test]
fn p13_a_provider_that_refuses_the_connection() {
    let absent = Absent::somewhere();
    unreachable(&Scene::at(&absent.base_url(), ""), UNAVAILABLE.0, UNAVAILABLE.1);
}

#[test]
fn p13_plain_text_behind_https() {
    let addr = answering(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    unreachable(&Scene::at(&format!("https://{addr}/v1"), ""), UNAVAILABLE.0, UNAVAILABLE.1);
}

#[test]
fn p13_a_certificate_that_nobody_vouches_for() {
    let world = bitrouter_tests::World::new();
    let provider = Provider::start();
    let target = provider.addr().to_string();
    let home = world.path("home").to_string_lossy().into_owned();
    let front = sdk::script(&world, "tls_front.py", &[&target, &home]).spawn();
    let port = front.stdout().until("a port", |text| text.ends_with('\n')).trim().to_owned();
    let scene = Scene::within(world, &format!("https://localhost:{port}/v1"), "", |serve| serve);
    unreachable(&scene, UNAVAILABLE.0, UNAVAILABLE.1);
    assert_eq!(provider.count(), 0, "the key went to somebody who could not prove who he is");
}

#[test]
fn p13_a_name_that_does_not_resolve() {
    // Longer than a label may be: the resolver refuses it without asking anybody, and the proxy is not for it.
    let name = format!("{}.invalid", "x".repeat(64));
    let scene =
        Scene::build(&format!("https://{name}/v1"), "", |serve| serve.env("NO_PROXY", "*").env("no_proxy", "*"));
    unreachable(&scene, UNAVAILABLE.0, UNAVAILABLE.1);
    assert_eq!(scene.world.network_trap().take(), Vec::<String>::new());
}

#[test]
fn p13_a_proxy_that_refuses_the_tunnel() {
    let scene = Scene::at("https://nonexistent.invalid/v1", "");
    unreachable(&scene, UNAVAILABLE.0, UNAVAILABLE.1);
    let hits = scene.world.network_trap().take();
    assert!(!hits.is_empty(), "the proxy was not asked");
    for hit in hits {
        assert!(hit.starts_with("CONNECT nonexistent.invalid:443 "), "{hit}");
    }
}

#[test]
fn p03_a_provider_that_repeats_the_key() {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), "");
    let body = format!(r#"{{"error":{{"message":"bad key {}"}}}}"#, scene.key);
    provider.next(Reply::json(401, body));
    let answer = scene.ask(Asks::Whole);
    assert_eq!((answer.status, answer.text().as_str()), (401, r#"{"error":{"message":"bad key [redacted]"}}"#));
    scene.said(Says(401, Some("upstream_error")), false);
    scene.goes_on();
}

#[test]
fn p13_both_forms_of_retry_after_are_kept() {
    for after in ["7", "Wed, 21 Oct 2037 07:28:00 GMT"] {
        for kind in ["application/json", "text/html"] {
            let provider = Provider::start();
            let scene = Scene::at(&provider.base_url(), "");
            provider.next(Reply::with(429, &[("content-type", kind), ("retry-after", after)], "slow down"));
            let answer = scene.ask(Asks::Whole);
            answer.refused(429, "upstream_error");
            assert_eq!(answer.header("retry-after"), Some(after));
            scene.said(Says(429, Some("upstream_error")), false);
        }
    }
}
