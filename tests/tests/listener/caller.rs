//! P6: who is calling is asked of the kernel. The daemon's own user needs no key, everybody else does.

use bitrouter_tests::{InferenceFixture, MODEL, User, World, http::Call, shared_files};

/// `call` with `key` in each of the four places where SDKs put one.
fn with_key(fixture: &InferenceFixture, key: &str) -> Vec<(&'static str, Call)> {
    let body = r#"{"model":"openai:m","messages":[]}"#;
    let post = |path: &str| fixture.http().post(path).json(body);
    let path = "/v1/chat/completions";
    vec![
        ("authorization", post(path).bearer(key)),
        ("x-api-key", post(path).header("x-api-key", key)),
        ("x-goog-api-key", post(path).header("x-goog-api-key", key)),
        ("?key=", post(&format!("{path}?key={key}"))),
    ]
}

#[test]
fn p06_the_same_user_needs_no_key_and_what_it_sends_goes_nowhere() {
    let fixture = InferenceFixture::new();
    fixture.http().chat(MODEL, "x").send().ok();
    for string in ["sk-anything", "dummy", "bitrouter-local", "x"] {
        for (place, call) in with_key(&fixture, string) {
            let before = fixture.provider.count();
            call.send().ok();
            let request = &fixture.provider.exchange(before).request;
            assert_eq!(request.key(), Some(fixture.key.as_str()), "{place}");
            if string.len() > 1 {
                assert!(!String::from_utf8_lossy(&request.head).contains(string), "{place} {string}");
            }
        }
    }
    for path in ["/v1/models", "/health"] {
        fixture.http().get(path).send().ok();
    }
}

#[test]
fn p06_a_key_of_ours_that_is_not_valid_is_never_treated_as_none() {
    let fixture = InferenceFixture::new();
    for key in ["brk_0123456789abcdef", "bra_0123456789abcdef"] {
        for (place, call) in with_key(&fixture, key) {
            let answer = call.send();
            assert_eq!(answer.status, 401, "{place}: {}", answer.text());
            answer.refused(401, "invalid_api_key");
        }
    }
    let two = fixture.http().chat(MODEL, "x").bearer("brk_one").header("x-api-key", "brk_two").send();
    assert_eq!(two.status, 400, "{}", two.text());
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn p06_another_user_is_refused_whatever_it_presents() {
    let fixture = InferenceFixture::new();
    let Some(foreign) = fixture.world.user().foreign() else { return };
    for user in [foreign, User::root()] {
        let http = fixture.http().as_user(user);
        http.chat(MODEL, "x").send().refused(401, "api_key_required");
        http.chat(MODEL, "x").bearer("sk-anything").send().refused(401, "api_key_required");
        http.get("/v1/models").send().refused(401, "api_key_required");
        http.get("/metrics").send().refused(401, "api_key_required");
        http.get("/nowhere").send().refused(401, "api_key_required");
        http.chat(MODEL, "x").bearer("brk_0123").send().refused(401, "invalid_api_key");
        http.get("/health").send().ok();
    }
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn p06_another_user_is_refused_on_ipv6_too() {
    let fixture = InferenceFixture::new();
    let Some(foreign) = fixture.world.user().foreign() else { return };
    let addr = format!("[::1]:{}", fixture.daemon.port()).parse().expect("an address");
    let http = fixture.http().at(addr);
    if http.try_connect().is_err() {
        return shared_files::lacks("IPv6");
    }
    http.chat(MODEL, "x").send().ok();
    http.as_user(foreign).chat(MODEL, "x").send().refused(401, "api_key_required");
}

#[test]
fn p06_the_answer_holds_for_the_whole_connection_and_for_each_one_alone() {
    let fixture = InferenceFixture::new();
    let Some(foreign) = fixture.world.user().foreign() else { return };
    // Many connections of both users at once: no answer may be mixed up.
    let other = fixture.http().as_user(foreign);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(fixture.http().get("/v1/models").send().status, 200);
                    assert_eq!(other.get("/v1/models").send().status, 401);
                }
            });
        }
    });
}

#[test]
fn p06_keyless_never_needs_a_key_from_everybody() {
    let fixture = InferenceFixture::with("[server]\nkeyless = \"never\"\n");
    for call in [fixture.http().chat(MODEL, "x"), fixture.http().chat(MODEL, "x").bearer("anything")] {
        call.send().refused(401, "api_key_required");
    }
    fixture.http().get("/health").send().ok();
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn p06_a_refusal_says_what_to_do() {
    let world = World::new();
    let daemon = world.demo();
    let Some(foreign) = world.user().foreign() else { return };
    let answer = daemon.http().as_user(foreign).chat("demo/echo", "x").send();
    let error = answer.refused(401, "api_key_required");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("uid {}", foreign.uid())), "{message}");
    assert!(message.contains("`bitrouter cloud keys mint ") && message.contains("`bitrouter auth login`"), "{message}");
    assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")));
    let error = daemon.http().as_user(foreign).get("/metrics").send().refused(401, "api_key_required");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("`bitrouter node keys mint ")), "{error}");
}

#[test]
fn p06_a_daemon_that_nobody_could_be_told_from_does_not_start() {
    let world = World::new();
    let Some(unnamed) = world.user().unnamed() else { return };
    // The world belongs to somebody else: it is not looked at before this is said.
    let mut command = world.bare_command(shared_files::binary());
    command.current_dir("/").args(["serve", "--demo", "--listen", "127.0.0.1:0"]);
    unnamed.apply(&mut command);
    let output = command.output().expect("run it");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot name") && text.contains("another user"), "{text}");
}
