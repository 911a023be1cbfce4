//! Exit codes: a network that is not there is 2, a 4xx is 1, a 5xx is 3; a bad argument is 1.

use bitrouter_tests::{Provider, Reply, World, issuer::Issuer, provider::Absent};
use serde_json::json;

use crate::named::{at, tokenroute};

const FILE: &str = "data/bitrouter/account-credentials.json";

/// A server without `/api/v1`, whose models answer as `status` says.
fn server(world: &World, status: u16) -> Provider {
    let server = Provider::start_as(world.user(), 0);
    server.always(move |request| match request.target.as_str() {
        "/v1/models" if status == 200 => Reply::json(200, r#"{"object":"list","data":[{"id":"a/b","owned_by":"a"}]}"#),
        "/v1/models" | "/v1/chat/completions" => {
            let error = json!({"error": {"message": "it says no", "type": "x", "code": status}});
            Reply::json(status, error.to_string())
        }
        _ => Reply::json(404, r#"{"error":{"message":"not found","type":"not_found","code":404}}"#),
    });
    server
}

#[test]
fn what_a_server_says_decides_the_code() {
    let world = World::new();
    let daemon = world.demo();
    let canary = world.canary("key");
    for (status, code) in [(401, 1), (402, 1), (429, 1), (500, 3), (503, 3)] {
        let server = server(&world, status);
        let url = format!("http://{}", server.addr());
        for words in [&["models", "--json"][..], &["test", "--json"], &["test", "-m", "a/b", "--json"]] {
            let told = at(&world, &url, words).env("TOKENROUTE_API_KEY", &canary).run().with_code(code);
            let error = told.error();
            assert!(
                error["message"].as_str().is_some_and(|text| text.contains("it says no")),
                "{status} {words:?}: {error}"
            );
            assert_eq!(told.stdout, "");
        }
    }
    let absent = Absent::somewhere();
    let silent = absent.base_url().trim_end_matches("/v1").to_owned();
    for words in [&["models"][..], &["test"], &["test", "-m", "a/b"]] {
        let told = at(&world, &silent, words).env("TOKENROUTE_API_KEY", &canary).run().with_code(2);
        assert!(told.stderr.starts_with("error: "), "{}", told.stderr);
    }
    assert_eq!(world.leaks(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn the_verbs_of_an_account_end_likewise() {
    let world = World::new();
    let issuer = Issuer::start(world.user(), 3_600);
    let mut credential = issuer.credential(&issuer.session(), 3_600);
    world.write(FILE, credential.to_string());
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    for (status, code) in [(400, 1), (403, 1), (429, 1), (500, 3), (503, 3)] {
        let error = json!({"error": "x", "error_description": "it says no"});
        issuer.rest("/v1/billing/balance", Reply::json(status, error.to_string()));
        let told = at(&world, &issuer.url(), &["balance", "--json"]).run().with_code(code);
        let error = told.error();
        assert!(error["message"].as_str().is_some_and(|text| text.contains("it says no")), "{status}: {error}");
        assert_eq!((told.stdout.as_str(), &error["status"]), ("", &json!(status)), "{error}");
    }
    issuer.rest("/v1/account", Reply::json(200, json!({"id": "usr_far"}).to_string()));
    // A server that fails fails; one that keeps the balance to itself has said who that is all the same.
    at(&world, &issuer.url(), &["whoami", "--json"]).run().expect_code(3);
    let error = json!({"error": "forbidden", "error_description": "missing required scope: billing:read"});
    issuer.rest("/v1/billing/balance", Reply::json(403, error.to_string()));
    let me = at(&world, &issuer.url(), &["whoami", "--json"]).run().with_code(0).json();
    assert!(me["balance_usd"].is_null() && me["balance_error"].is_string(), "{me}");
    daemon.stop();
    let absent = Absent::somewhere();
    let silent = absent.base_url().trim_end_matches("/v1").to_owned();
    credential["authorization_server"] = json!(silent);
    world.write(FILE, credential.to_string());
    let daemon = world.demo();
    for words in [&["balance"][..], &["keys", "list"], &["usage"], &["topup", "-a", "5"]] {
        let told = at(&world, &silent, words).run().with_code(2);
        assert!(told.stderr.starts_with("error: ") && told.stdout.is_empty(), "{words:?}: {}", told.stderr);
    }
    at(&world, &silent, &["whoami"]).run().expect_code(0);
    daemon.stop();
}

#[test]
fn the_list_of_another_server_is_a_bare_array() {
    let world = World::new();
    let daemon = world.demo();
    let server = server(&world, 200);
    let url = format!("http://{}", server.addr());
    let run = |words: &[&str]| at(&world, &url, words).env("TOKENROUTE_API_KEY", "sk-tr-x").run();
    assert_eq!(run(&["models", "--json"]).with_code(0).json(), json!([{"id": "a/b", "owned_by": "a"}]));
    assert_eq!(server.last().request.header("authorization"), Some("Bearer sk-tr-x"));
    assert_eq!(run(&["models"]).with_code(0).stdout, "a/b\t—\t—\t—\t\n");
    assert_eq!(run(&["models", "--provider", "a", "--json"]).with_code(0).json()[0]["id"], "a/b");
    assert_eq!(run(&["models", "--provider", "groq", "--json"]).with_code(1).error()["code"], "not_found");
    daemon.stop();
}

#[test]
fn arguments_that_mean_nothing_are_the_callers_mistake() {
    let world = World::new();
    let program = tokenroute(&world);
    for (words, part) in [
        (&[][..], "needs a command"),
        (&["serve"], "no command `serve`"),
        (&["usage", "--days", "0"], "`--days`"),
        (&["usage", "--days", "366"], "`--days`"),
        (&["usage", "-d", "x"], "`--days`"),
        (&["topup"], "--amount"),
        (&["topup", "--amount", "0.001"], "parts of a cent"),
        (&["topup", "-a", "5", "--open", "--no-open"], "exclude"),
        (&["keys", "revoke", "brk_0.canary"], "looks like a key"),
        (&["keys", "revoke", "sk-tr-canary"], "looks like a key"),
        (&["topup", "--amount", "-5"], "more than 0"),
        (&["keys", "create"], "--name"),
        (&["keys", "create", "--name", " "], "`--name` is empty"),
        (&["keys", "revoke"], "<ID>"),
        (&["env", "--key", "two words"], "plain text"),
        (&["env", "--key", "a", "--key-stdin"], "exclude"),
        (&["env", "--format", "ini"], "`--format`"),
        (&["balance", "--namespace", "x"], "--local"),
    ] {
        let told = world.program(&program, words).run().with_code(1);
        assert!(told.stderr.starts_with("error: ") && told.stderr.contains(part), "{words:?}: {}", told.stderr);
        assert!(told.stderr.contains("\nhint: tokenroute "), "{words:?}: {}", told.stderr);
        assert!(!told.stderr.contains("canary") && !told.stderr.contains('\''), "{words:?}: {}", told.stderr);
        let error = world.program(&program, words.iter().copied().chain(["--json"])).run().with_code(1).error();
        assert_eq!(error["code"], "bad_argument", "{words:?}: {error}");
    }
    assert!(!world.daemon_json().exists());
}
