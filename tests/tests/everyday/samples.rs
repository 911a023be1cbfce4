//! The samples of tokenroute's reference, run as they are written, at the own node.

use bitrouter_tests::{Daemon, Reply, World, issuer::Issuer, terminal::Terminal, wait};
use serde_json::{Value, json};

use crate::named::{at, members, shown, tokenroute};

/// A node whose owner is signed in at it, with its address as a server.
fn node() -> (World, Daemon, String) {
    let world = World::new();
    let daemon = world.demo();
    let server = format!("http://{}", daemon.addr());
    at(&world, &server, &["login", "--local"]).run().expect_code(0);
    (world, daemon, server)
}

#[test]
fn whoami_and_balance_have_the_members_of_the_reference() {
    let (world, daemon, server) = node();
    let me = at(&world, &server, &["whoami", "--json"]).run().with_code(0).json();
    assert_eq!(members(&me), ["balance_usd", "display_name", "email", "id", "logto_sub", "status"], "{me}");
    assert!(me["id"].as_str().is_some_and(|id| id.starts_with("usr_")), "{me}");
    assert_eq!(me["balance_usd"], "0.00", "{me}");
    let balance = at(&world, &server, &["balance", "--json"]).run().with_code(0).json();
    assert_eq!(balance, json!({"balance_usd": "0.00", "currency": "USD"}));
    let owner = world.cli(["node", "user", "list", "--json"]).with_code(0).json()["data"][0].clone();
    world.cli(["node", "credit", "grant", owner["id"].as_str().expect("an id"), "5"]).expect_code(0);
    let text = at(&world, &server, &["balance"]).run().with_code(0);
    assert_eq!((text.stdout.as_str(), text.stderr.as_str()), ("balance: $5.00\n", ""));
    // Before the verb and by the variable too.
    for run in
        [at(&world, &server, &["--json", "balance"]), at(&world, &server, &["balance"]).env("TOKENROUTE_JSON", "1")]
    {
        assert_eq!(run.run().with_code(0).json()["balance_usd"], "5.00");
    }
    daemon.stop();
}

#[test]
fn a_key_is_created_used_listed_and_revoked() {
    let (world, daemon, server) = node();
    let program = tokenroute(&world);
    let variable = [("TOKENROUTE_API_URL", server.as_str())];
    let (stdout, _) = shown(&world, &program, &["keys", "create", "--name", "fieryeye", "--json"], &variable);
    let key: Value = serde_json::from_str(&stdout).expect("a document");
    let (id, raw) = (key["id"].as_str().expect("an id"), key["raw"].as_str().expect("a key"));
    assert!(raw.starts_with(key["key_prefix"].as_str().expect("a prefix")), "{}", key["key_prefix"]);
    assert_eq!(key["name"], "fieryeye");
    // `/v1` has no balance of a key, `/api/v1` has its person's.
    assert!([json!("0.00"), Value::Null].contains(&key["balance_usd"]), "{}", key["balance_usd"]);
    // `env >> .env`, `tail -2 .env`.
    let (dotenv, stderr) = shown(&world, &program, &["env"], &variable);
    assert_eq!(dotenv, format!("OPENAI_API_KEY={raw}\nOPENAI_BASE_URL={server}/v1\n"));
    assert_eq!(stderr, "");
    let tested = at(&world, &server, &["test"]).run().with_code(0);
    let lines: Vec<&str> = tested.stdout.lines().collect();
    assert!(lines[0].starts_with("OK connected (demo/") && lines[1].starts_with("  reply: "), "{lines:?}");
    let tested = at(&world, &server, &["test", "--model", "demo/echo", "--json"]).run().with_code(0).json();
    assert_eq!(members(&tested), ["latency_ms", "model", "ok", "provider", "reply"], "{tested}");
    assert_eq!((&tested["ok"], &tested["provider"]), (&json!(true), &json!("demo")), "{tested}");
    let models = at(&world, &server, &["models", "--json"]).run().with_code(0).json();
    let ids: Vec<&str> =
        models.as_array().expect("a bare array").iter().filter_map(|model| model["id"].as_str()).collect();
    assert!(ids.contains(&"demo/echo") && ids.contains(&"demo/lorem"), "{ids:?}");
    let usage = wait::until("usage of two calls", || {
        let usage = at(&world, &server, &["usage", "--days", "7", "--json"]).run().with_code(0).json();
        (usage["total_requests"] == 2).then_some(usage)
    });
    let expected = ["range_days", "total_cost_usd", "total_requests", "total_tokens_in", "total_tokens_out"];
    assert_eq!((members(&usage).as_slice(), &usage["range_days"]), (&expected[..], &json!(7)), "{usage}");
    let listed = at(&world, &server, &["keys", "list", "--json"]).run().with_code(0).json();
    let row = listed.as_array().expect("a bare array").iter().find(|row| row["id"] == id).expect("the key").clone();
    assert_eq!(members(&row), ["balance_usd", "created_at", "id", "key_prefix", "name", "status"], "{row}");
    let revoked = at(&world, &server, &["keys", "revoke", id, "--json"]).run().with_code(0).json();
    assert_eq!(revoked, json!({"id": id, "status": "revoked"}));
    assert!(!world.path("home/.tokenroute/last_key.txt").exists(), "what opens nothing is not handed on");
    let mut dead = world.bare_command(&program);
    dead.args(["test", "-k", raw, "--json"]).env("TOKENROUTE_API_URL", &server);
    let dead = dead.output().expect("a run");
    assert_eq!(dead.status.code(), Some(1), "{}", String::from_utf8_lossy(&dead.stderr));
    assert!(!String::from_utf8_lossy(&dead.stderr).contains(raw), "an error shows the key");
    let none = at(&world, &server, &["test", "--json"]).run().with_code(1).error();
    assert_eq!(none["code"], "no_key", "{none}");
    assert!(none["hint"].as_str().is_some_and(|hint| hint.starts_with("tokenroute keys create")), "{none}");
    world.watch(raw);
    world.holds_secrets("data/bitrouter/account-credentials.json");
    assert_eq!(world.leaks(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn topup_answers_a_page_and_pays_nothing() {
    let world = World::new();
    let issuer = Issuer::start(world.user(), 3_600);
    world.write("data/bitrouter/account-credentials.json", issuer.credential(&issuer.session(), 3_600).to_string());
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    let page = json!({"url": "https://checkout.stripe.com/c/pay/x", "id": "cs_1"});
    issuer.rest("/v1/billing/checkout/sessions", Reply::json(200, page.to_string()));
    let told = at(&world, &issuer.url(), &["topup", "--amount", "5", "--json"]).run().with_code(0);
    let document = told.json();
    assert_eq!(members(&document), ["amount_usd", "checkout_url", "expires_at", "session_id"], "{document}");
    assert_eq!(document["checkout_url"], page["url"], "{document}");
    assert_eq!(document["amount_usd"].as_str().and_then(|amount| amount.parse::<f64>().ok()), Some(5.0), "{document}");
    let body = issuer.provider().last().request.json();
    assert_eq!(body["amount_cents"], 500, "{body}");
    let text = at(&world, &issuer.url(), &["topup", "-a", "12.50", "--no-open"]).run().with_code(0);
    assert!(text.stdout.starts_with("checkout url: https://checkout.stripe.com/c/pay/x\n"), "{}", text.stdout);
    assert!(text.stderr.contains("nothing is paid yet"), "{}", text.stderr);
    assert_eq!(issuer.provider().last().request.json()["amount_cents"], 1_250);
    // Only the URL that may be opened is shown for that.
    issuer.rest("/v1/billing/checkout/sessions", Reply::json(200, r#"{"url":"file:///etc/passwd","id":"cs_2"}"#));
    for words in [&["topup", "-a", "5"][..], &["topup", "-a", "5", "--json"]] {
        let strange = at(&world, &issuer.url(), words).run().with_code(3);
        assert_eq!(strange.stdout, "");
        assert!(!strange.stderr.contains("file:") && strange.stderr.contains("https"), "{}", strange.stderr);
    }
    daemon.stop();
}

#[test]
fn the_page_is_opened_only_on_a_terminal_that_was_not_told_otherwise() {
    let world = World::new();
    let issuer = Issuer::start(world.user(), 3_600);
    world.write("data/bitrouter/account-credentials.json", issuer.credential(&issuer.session(), 3_600).to_string());
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    let page = "https://checkout.stripe.com/c/pay/x";
    issuer.rest("/v1/billing/checkout/sessions", Reply::json(200, json!({"url": page, "id": "cs_1"}).to_string()));
    let opened = world.path("opened");
    let script = format!("#!/bin/sh\nprintf %s \"$1\" > {0}.new && mv {0}.new {0}\n", opened.display());
    let browser = world.write_mode("browser", script, 0o755).display().to_string();
    let server = issuer.url();
    let seen = [("BROWSER", browser.as_str()), ("DISPLAY", ":9"), ("TOKENROUTE_API_URL", server.as_str())];
    let program = tokenroute(&world);
    for words in [&["topup", "-a", "5", "--no-open"][..], &["topup", "-a", "5", "--json"]] {
        let mut window = Terminal::open(&world, &program, words, &seen);
        assert_eq!(window.wait(wait::PATIENCE).code(), Some(0), "{words:?}");
        assert!(window.until_quiet().contains(page), "{words:?}");
        assert!(!opened.exists(), "{words:?}");
    }
    let piped = seen
        .iter()
        .fold(world.program(&program, ["topup", "-a", "5", "--open"]), |run, (name, value)| run.env(name, value));
    assert!(piped.run().with_code(0).stdout.contains(page));
    assert!(!opened.exists());
    let mut window = Terminal::open(&world, &program, &["topup", "-a", "5"], &seen);
    assert_eq!(window.wait(wait::PATIENCE).code(), Some(0));
    wait::holds("the browser", || opened.exists());
    assert_eq!(std::fs::read_to_string(opened).expect("an address"), page);
    daemon.stop();
}

#[test]
fn the_own_nodes_verbs_need_no_sign_in() {
    let world = World::new();
    let daemon = world.demo();
    world.cli(["node", "namespace", "create", "staging"]).expect_code(0);
    let me = world.cli(["whoami", "--local", "--json"]).with_code(0).json();
    assert!(me["id"].as_str().is_some_and(|id| id.starts_with("usr_")), "{me}");
    let words = ["keys", "create", "-n", "x", "--local", "--namespace", "staging", "--no-cache", "--json"];
    let (stdout, _) = shown(&world, bitrouter_tests::shared_files::binary(), &words, &[]);
    let key: Value = serde_json::from_str(&stdout).expect("a document");
    let there = world.cli(["keys", "list", "--local", "--namespace", "staging"]).with_code(0).stdout;
    assert!(there.starts_with(key["id"].as_str().expect("an id")) && there.contains("\tx\t"), "{there}");
    let here = world.cli(["keys", "list", "--local", "--json"]).with_code(0).json();
    assert_eq!(here, json!([]));
    assert_eq!(world.cli(["keys", "list", "--local"]).with_code(0).stdout, "");
    let nowhere = world.cli(["balance", "--local", "--namespace", "nowhere", "--json"]).with_code(1).error();
    assert!(nowhere["message"].as_str().is_some_and(|text| text.contains("nowhere")), "{nowhere}");
    let absent =
        world.cli(["keys", "revoke", "key_00000000000000000000000000", "--local", "--json"]).with_code(1).error();
    assert_eq!(absent["hint"], "bitrouter keys list --local", "{absent}");
    daemon.stop();
}
