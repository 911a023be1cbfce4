//! `bitrouter auth login`, end to end: against the node of a second daemon, and against a server that misbehaves.

use std::time::Duration;

use bitrouter_tests::{Daemon, Reply, World, issuer::Issuer, process::Process, sign_in::Owner, wait};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::far::{FILE, call, file, session, wait_state};

/// A daemon without a session, whose node is off.
fn signed_out() -> (World, Daemon) {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    (world, daemon)
}

/// `bitrouter auth login ARGS… --json` that runs, and the event that tells the code.
#[track_caller]
fn begin(world: &World, args: &[&str]) -> (Process, Value) {
    let words = ["auth", "login", "--json"].iter().chain(args).copied();
    let mut process = world.command(words).spawn();
    let code = wait::until("the code", || {
        assert!(process.status().is_none(), "it ended: {}", process.stderr().text());
        let text = process.stdout().text();
        let line = text.lines().next().filter(|_| text.contains('\n'))?;
        Some(serde_json::from_str::<Value>(line).expect("a line of JSON"))
    });
    (process, code)
}

/// The last line that it printed.
#[track_caller]
fn done(mut process: Process) -> Value {
    let status = process.wait(wait::PATIENCE * 2);
    assert!(status.success(), "{}", process.stderr().text());
    process.stdout().ends_within(wait::PATIENCE);
    let text = process.stdout().text();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert!(kinds.starts_with(&["code"]) && kinds.ends_with(&["done"]), "{kinds:?}");
    assert!(kinds[1..kinds.len() - 1].iter().all(|kind| *kind == "waiting"), "{kinds:?}");
    events.last().expect("an event").clone()
}

#[test]
fn p02_a_sign_in_at_the_node_of_another_daemon_is_live_at_once() {
    let (far, far_daemon) = {
        let world = World::new();
        let daemon = world.demo();
        (world, daemon)
    };
    let (world, daemon) = signed_out();
    call(&daemon).send().refused(402, "provider_key_missing");
    let issuer = format!("http://127.0.0.1:{}", far_daemon.port());
    let (process, code) = begin(&world, &["--oauth-as", &issuer]);
    assert_eq!(code["event"], "code");
    let user_code = code["user_code"].as_str().expect("a code");
    assert_eq!(code["verification_uri"], format!("{issuer}/oauth/device").as_str());
    assert_eq!(code["verification_uri_complete"], format!("{issuer}/oauth/device?user_code={user_code}").as_str());
    assert!(code["expires_in"].as_u64().is_some_and(|seconds| (590..=600).contains(&seconds)), "{code}");
    let scopes = ["inference:invoke", "namespace:read"];
    Owner::sign_in(&far, &far_daemon).approve(user_code, &scopes, None);
    let done = done(process);
    let file = file(&world);
    assert_eq!(
        done,
        json!({
            "event": "done", "signed_in": true, "namespace_id": file["namespace_id"],
            "scope": "inference:invoke namespace:read", "credentials_path": world.path(FILE).display().to_string(),
        })
    );
    assert!(
        file["node_id"].is_string() && file["issuer_uid"].is_number(),
        "{:?}",
        file.as_object().map(|o| o.keys().collect::<Vec<_>>())
    );
    // No restart, no reload.
    let answer = daemon.http().chat("bitrouter:demo/echo", "hello").send().ok();
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hello");
    assert_eq!(daemon.status()["reloads"]["count"], 0);
    let provider = daemon.provider("bitrouter");
    assert_eq!((&provider["active"], &provider["key_source"]), (&json!(true), &json!("account")));
    assert_eq!(session(&daemon)["state"], "active");
    let listed = world.cli(["cloud", "namespace", "list"]).with_code(0).stdout;
    assert!(listed.contains("(active)") && listed.contains("default"), "{listed}");
    world.holds_secrets(FILE);
    for token in ["access_token", "refresh_token"] {
        world.watch(file[token].as_str().expect("a token"));
    }
    // Signing out revokes there and deletes here.
    world.cli(["auth", "logout"]).expect_code(0);
    assert!(!world.path(FILE).exists());
    let access = file["access_token"].as_str().expect("a token");
    let dead = far_daemon.http().get("/v1/namespaces").bearer(access).send();
    assert_eq!(dead.status, 401, "{}", dead.text());
    call(&daemon).send().refused(402, "provider_key_missing");
    assert_eq!(world.leaks(), Vec::<String>::new());
    daemon.stop();
    far_daemon.stop();
}

#[test]
fn what_a_person_reads_stands_on_stderr_as_the_guide_shows_it() {
    let (world, daemon) = signed_out();
    let issuer = Issuer::start(world.user(), 3_600);
    issuer.approve();
    let output = world.cli(["auth", "login", "--oauth-as", &issuer.url()]).with_code(0);
    assert_eq!(output.stdout, "");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let url = format!("{}/oauth/device?user_code=BCDF-GHJK", issuer.url());
    let at = lines.iter().position(|line| *line == "Open this URL in your browser:").expect("the request");
    assert_eq!(lines[at + 1].trim(), url);
    assert!(lines.contains(&"Waiting for authorization (the code expires in 600s)…"), "{lines:?}");
    assert!(output.stderr.contains(FILE.rsplit('/').next().expect("a name")), "{lines:?}");
    assert!(output.stderr.contains("ns_far") && output.stderr.contains("usr_far"), "{lines:?}");
    daemon.stop();
}

#[test]
fn a_flaky_network_keeps_polling() {
    let (world, daemon) = signed_out();
    let issuer = Issuer::start(world.user(), 3_600);
    let (process, _) = begin(&world, &["--oauth-as", &issuer.url()]);
    for reply in [
        Reply::json(502, "{}"),
        Reply::body(200, "text/html", "<!doctype html><title>Wait</title>"),
        Reply::nothing().reset(),
        Reply::json(429, r#"{"error":"too_many"}"#),
    ] {
        issuer.next_poll(reply);
    }
    issuer.wait_polls(3);
    issuer.approve();
    done(process);
    daemon.stop();
}

#[test]
fn rfc8628_3_5_denied_and_expired_are_exit_3_and_store_nothing() {
    let (world, daemon) = signed_out();
    for (decide, word) in [(Issuer::deny as fn(&Issuer), "denied"), (Issuer::expire_codes, "expired")] {
        let issuer = Issuer::start(world.user(), 3_600);
        decide(&issuer);
        let output = world.cli(["auth", "login", "--json", "--oauth-as", &issuer.url()]).with_code(3);
        let error = output.error();
        assert_eq!(error["code"], "server_failed", "{error}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(word)), "{error}");
        assert!(!world.path(FILE).exists());
    }
    let issuer = Issuer::start(world.user(), 3_600);
    issuer.codes(3, 1);
    let output = world.cli(["auth", "login", "--oauth-as", &issuer.url()]).with_code(3);
    assert!(output.stderr.contains("expired"), "{}", output.stderr);
    daemon.stop();
}

#[test]
fn ctrl_c_is_130_and_ends_the_polling() {
    let (world, daemon) = signed_out();
    let issuer = Issuer::start(world.user(), 3_600);
    let (mut process, _) = begin(&world, &["--oauth-as", &issuer.url()]);
    issuer.wait_polls(1);
    process.signal(Signal::INT);
    let status = process.wait(wait::PATIENCE);
    assert_eq!(bitrouter_tests::process::shell_code(status), 130);
    // One that was on its way may still arrive.
    wait::pass(Duration::from_secs(2));
    let polls = issuer.polls();
    wait::stays("no more polls", Duration::from_secs(4), || issuer.polls() == polls);
    issuer.approve();
    wait::stays("nobody signed in", Duration::from_secs(2), || !world.path(FILE).exists());
    daemon.stop();
}

#[test]
fn what_is_no_authorization_server_is_refused_before_anything_is_sent() {
    let (world, daemon) = signed_out();
    for url in ["http://far.example", "ftp://localhost", "not a url", "https://"] {
        let error = world.cli(["auth", "login", "--json", "--oauth-as", url]).with_code(1).error();
        assert!(error["message"].as_str().is_some_and(|text| text.contains(url)), "{url}: {error}");
        assert_eq!(error["code"], "invalid_argument", "{url}: {error}");
    }
    let issuer = Issuer::start(world.user(), 3_600);
    issuer.metadata("issuer", json!("https://elsewhere.example"));
    let output = world.cli(["auth", "login", "--oauth-as", &issuer.url()]);
    assert_ne!(output.code, 0);
    assert!(
        output.stderr.contains("https://elsewhere.example") && output.stderr.contains(&issuer.url()),
        "{}",
        output.stderr
    );
    assert_eq!(issuer.polls(), 0);
    issuer.metadata("issuer", Value::Null);
    issuer.metadata("token_endpoint", json!("http://far.example/token"));
    let output = world.cli(["auth", "login", "--oauth-as", &issuer.url()]);
    assert_ne!(output.code, 0, "{}", output.stderr);
    // Loopback spellings with one port are one issuer.
    issuer.metadata("token_endpoint", json!(format!("{}/oauth/token", issuer.url())));
    issuer.metadata("issuer", json!(format!("http://localhost:{}", issuer.port())));
    issuer.approve();
    world.cli(["auth", "login", "--oauth-as", &issuer.url()]).expect_code(0);
    daemon.stop();
}

#[test]
fn signing_in_again_replaces_the_session_and_revokes_the_old_one_at_its_own_server() {
    let (world, daemon) = signed_out();
    let [first, second] = [(); 2].map(|()| Issuer::start(world.user(), 3_600));
    for issuer in [&first, &second] {
        issuer.approve();
        world.cli(["auth", "login", "--oauth-as", &issuer.url()]).expect_code(0);
    }
    wait::holds("the old one to be revoked", || !first.revoked().is_empty());
    assert!(second.revoked().is_empty());
    assert!(first.revoked().iter().all(|token| token.contains("_far0.")), "{:?}", first.revoked());
    call(&daemon).send().ok();
    assert_eq!(second.provider().last().request.key().map(|key| second.opens(key)), Some(true));
    // A server that cannot be reached keeps nobody from signing out.
    drop(second);
    let out = world.cli(["auth", "logout"]).with_code(0);
    assert!(out.stderr.contains("may live on"), "{}", out.stderr);
    assert!(!world.path(FILE).exists());
    daemon.stop();
}

#[test]
fn flag_beats_variable_beats_file_and_empty_is_absent() {
    let world = World::new();
    let [flag, variable, file_setting] = [(); 3].map(|()| Issuer::start(world.user(), 3_600));
    for issuer in [&flag, &variable, &file_setting] {
        issuer.approve();
    }
    world.config(&format!(
        "[node]\nenabled = false\n[account]\noauth_as = \"{}/\"\nclient_id = \"of-the-file\"\nscope = \"usage:read\"\n",
        file_setting.url()
    ));
    let daemon = world.demo();
    let asked = |issuer: &Issuer| {
        let count = issuer.provider().count();
        let requests = (0..count).map(|number| issuer.provider().exchange(number));
        let mut starts = requests.filter(|exchange| exchange.request.target == "/oauth/device_authorization");
        starts.next_back().map(|exchange| String::from_utf8_lossy(&exchange.request.body).into_owned())
    };
    world.command(["auth", "login"]).env("BITROUTER_OAUTH_AS", "").run().expect_code(0);
    let body = asked(&file_setting).expect("the setting's server");
    assert!(body.contains("client_id=of-the-file") && body.contains("scope=usage%3Aread"), "{body}");
    let with = |words: &[&str]| {
        let run = world.command(words).env("BITROUTER_OAUTH_AS", format!("{}/", variable.url()));
        run.env("BITROUTER_OAUTH_CLIENT_ID", "of-the-variable").env("BITROUTER_OAUTH_SCOPE", "keys:read").run()
    };
    with(&["auth", "login"]).expect_code(0);
    let body = asked(&variable).expect("the variable's server");
    assert!(body.contains("client_id=of-the-variable") && body.contains("scope=keys%3Aread"), "{body}");
    let flags = ["auth", "login", "--oauth-as", &flag.url(), "--client-id", "of-the-flag", "--scope", "byok:read"];
    with(&flags).expect_code(0);
    let body = asked(&flag).expect("the flag's server");
    assert!(body.contains("client_id=of-the-flag") && body.contains("scope=byok%3Aread"), "{body}");
    assert_eq!(file(&world)["authorization_server"], flag.url().as_str());
    daemon.stop();
}

#[test]
fn what_the_daemons_own_shell_says_is_no_other_shells() {
    let world = World::new();
    let [setting, other] = [(); 2].map(|()| Issuer::start(world.user(), 3_600));
    setting.approve();
    world.config(&format!("[node]\nenabled = false\n[account]\noauth_as = \"{}\"\n", setting.url()));
    let serve = world.serve().arg("--demo").env("BITROUTER_OAUTH_AS", other.url());
    let daemon = serve.env("BITROUTER_OAUTH_SCOPE", "keys:read").env("BITROUTER_OAUTH_CLIENT_ID", "other").start();
    world.cli(["auth", "login"]).expect_code(0);
    assert_eq!(file(&world)["authorization_server"], setting.url().as_str());
    assert_eq!((file(&world)["client_id"].as_str(), other.provider().connections()), (Some("bitrouter-cli"), 0));
    for words in [["--namespace", "x", "--oauth-as", &setting.url()].as_slice(), &["--namespace", "x"]] {
        let refused = world.command(["auth", "login"].iter().chain(words).copied()).run().with_code(1);
        assert!(refused.stderr.contains("--local"), "{}", refused.stderr);
    }
    daemon.stop();
}

#[test]
fn an_older_server_is_asked_for_what_it_knows() {
    let (world, daemon) = signed_out();
    let issuer = Issuer::start(world.user(), 3_600);
    issuer.approve();
    issuer.next_poll(Reply::json(400, r#"{"error":"invalid_scope","error_description":"unknown resource"}"#));
    world.cli(["auth", "login", "--oauth-as", &issuer.url()]).expect_code(0);
    issuer.metadata("scopes_supported", Value::Null);
    world.cli(["auth", "login", "--oauth-as", &issuer.url()]).expect_code(0);
    let starts: Vec<String> = (0..issuer.provider().count())
        .map(|number| issuer.provider().exchange(number))
        .filter(|exchange| exchange.request.target == "/oauth/device_authorization")
        .map(|exchange| String::from_utf8_lossy(&exchange.request.body).into_owned())
        .collect();
    assert_eq!(starts.len(), 3, "{starts:?}");
    let asks_for = |scope: &str| starts.iter().map(|body| body.contains(scope)).collect::<Vec<_>>();
    assert_eq!(asks_for("account%3Aread"), [true, false, false], "{starts:?}");
    assert_eq!(asks_for("inference%3Ainvoke"), [true; 3], "{starts:?}");
    daemon.stop();
}

#[test]
fn a_key_is_stored_from_standard_input_and_never_shown() {
    let (world, daemon) = signed_out();
    let issuer = Issuer::start(world.user(), 3_600);
    let key = "brk_01jxyz.Zx81LongAndSecretAsAKeyShouldBe0000000000000";
    for bad in ["", "sk-other", "brk_a.b.c", "brk_nodot", "brk_a.b c", "brk_01jxyzjxyzjxyzjxyzjxyzjxyz.Zx81Cut"] {
        let refused = world
            .command(["auth", "login", "--api-key-stdin", "--oauth-as", &issuer.url()])
            .stdin(format!("{bad}\n"))
            .run();
        assert_eq!(refused.code, 1, "{bad}: {}", refused.stderr);
        assert!(!world.path(FILE).exists());
    }
    let run = world.command(["auth", "login", "--api-key-stdin", "--json"]).env("BITROUTER_API_URL", issuer.url());
    let told = run.stdin(format!("{key}\n")).run().with_code(0);
    assert!(!told.text().contains(key));
    world.holds_secrets(FILE);
    world.watch(key);
    assert_eq!(file(&world), json!({"kind": "api_key", "api_key": key, "base_url": issuer.url()}));
    wait_state(&daemon, "api_key");
    call(&daemon).send().ok();
    assert_eq!(issuer.provider().last().request.key(), Some(key));
    let who = world.cli(["auth", "whoami", "--json"]).with_code(0).json();
    assert_eq!(who["authentication"], "api_key", "{who}");
    let who = world.cli(["cloud", "whoami", "--json"]).with_code(0).json();
    assert_eq!(who["base_url"], issuer.url().as_str());
    daemon.stop();
    assert_eq!(world.leaks(), Vec::<String>::new());
}
