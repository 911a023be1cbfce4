//! The account's provider with a key of the environment: `BITROUTER_API_KEY`, and the server of `BITROUTER_API_URL`.

use bitrouter_tests::{Provider, Reply, World, openai, wait};
use serde_json::{Value, json};

const KEY: &str = "BITROUTER_API_KEY";
const URL: &str = "BITROUTER_API_URL";

/// An account's server, whose list prices one model.
fn server() -> Provider {
    let provider = Provider::start();
    provider.always(|request| match request.target.as_str() {
        "/v1/models" => {
            let pricing = json!({"input_tokens": {"no_cache": 1.5}, "output_tokens": {"text": 6}});
            let priced = json!({"id": "maker/priced", "max_input_tokens": 1000, "pricing": pricing});
            Reply::json(200, json!({"data": [priced, {"id": "plain"}]}).to_string())
        }
        _ => openai::answer(request),
    });
    provider
}

fn url(provider: &Provider) -> String {
    provider.base_url().trim_end_matches("/v1").to_owned()
}

/// The requests for a model that came.
fn calls(provider: &Provider) -> usize {
    (0..provider.count()).filter(|number| provider.exchange(*number).request.target != "/v1/models").count()
}

#[test]
fn a_key_of_the_environment_serves_the_account_without_a_session() {
    let (world, server) = (World::new(), server());
    let key = format!("brk_{}", world.canary("account"));
    world.watch(&key);
    let daemon = world.serve().env(KEY, &key).env(URL, url(&server)).start();
    daemon.http().chat("bitrouter:any/model", "hi").header("x-bitrouter-hop", "other").send().ok();
    let exchange = server.last();
    let request = &exchange.request;
    assert_eq!((request.target.as_str(), request.model().as_str()), ("/v1/chat/completions", "any/model"));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {key}").as_str()));
    let hops = request.header("x-bitrouter-hop").expect("the hops");
    assert!(hops.starts_with("other, "), "{hops}");

    let ours = wait::until("the account's models", || {
        let list = daemon.http().get("/v1/models").send().ok().json();
        let all = list["data"].as_array().expect("data").clone();
        let ours: Vec<Value> = all.into_iter().filter(|model| model["owned_by"] == "bitrouter").collect();
        (!ours.is_empty()).then_some(ours)
    });
    assert_eq!((&ours[0]["id"], &ours[0]["max_input_tokens"]), (&json!("bitrouter/maker/priced"), &json!(1000)));
    assert_eq!(ours[0]["pricing"]["output_tokens"]["text"], 6.0);
    assert!(ours.len() == 2 && ours[1].get("pricing").is_none(), "{ours:?}");

    let status = daemon.provider("bitrouter");
    assert_eq!((&status["active"], &status["key_source"]), (&json!(true), &json!("environment")));
    assert_eq!(status["variable"], KEY);
    let detail = status["detail"].as_str().expect("text");
    assert!(detail.contains(&url(&server)) && detail.contains("2 models listed"), "{detail}");
    assert_eq!(daemon.status()["session"]["state"], "api_key");
    assert_eq!(daemon.status()["session"]["issuer"], url(&server));
}

#[test]
fn an_accounts_401_for_a_key_is_passed_on_once() {
    let (world, server) = (World::new(), server());
    let key = format!("brk_{}", world.canary("account"));
    let daemon = world.serve().env(KEY, &key).env(URL, url(&server)).start();
    let echoed = json!({"error": {"message": format!("{key} is no key"), "code": "theirs"}}).to_string();
    server.always(move |_| Reply::json(401, &echoed));
    let answer = daemon.http().chat("bitrouter:m", "hi").send();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["error"], json!({"message": "[redacted] is no key", "code": "theirs"}));
    assert_eq!(calls(&server), 1);
}

#[test]
fn a_bare_name_reaches_the_account_only_where_it_is_preferred() {
    let (world, server) = (World::new(), server());
    let daemon = world.serve().env(KEY, "brk_1.x").env(URL, url(&server)).start();
    wait::holds("the account's models", || {
        daemon.http().get("/v1/models/bitrouter/plain").send().status == 200
            && daemon.provider("bitrouter")["detail"].as_str().is_some_and(|detail| detail.contains("2 models listed"))
    });
    daemon.http().chat("plain", "hi").send().refused(404, "model_not_found");
    daemon.http().chat("bitrouter/unlisted", "hi").send().refused(404, "model_not_found");
    assert_eq!(calls(&server), 0);
    world.config("[routing]\nprefer = [\"bitrouter\"]\n[aliases]\nmine = \"bitrouter:anything\"\n");
    world.cli(["reload"]).expect_code(0);
    for model in ["plain", "bitrouter/maker/priced", "mine"] {
        daemon.http().chat(model, "hi").send().ok();
    }
    assert_eq!(calls(&server), 3);
}

#[test]
fn a_pushed_key_goes_to_the_pushed_server_or_nowhere() {
    let (world, server, other) = (World::new(), server(), server());
    let daemon = world.serve().env(URL, url(&other)).start();
    daemon.http().chat("bitrouter:m", "hi").send().refused(402, "provider_key_missing");
    let push = |server: &str| {
        world.command(["reload", "--json"]).env(KEY, "brk_1.x").env(URL, server).run().with_code(0).json()
    };
    let names = |list: &Value| -> Vec<String> {
        list.as_array().expect("a list").iter().map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    };
    let pushed = push(&url(&server));
    assert_eq!(names(&pushed["changed"]), [KEY, URL]);
    daemon.http().chat("bitrouter:m", "hi").send().ok();
    assert_eq!((calls(&server), calls(&other)), (1, 0));
    assert_eq!(daemon.provider("bitrouter")["key_source"], "pushed");

    // No server at all: the key is not sent to the weaker source's.
    let pushed = push("http://canary.example");
    assert_eq!(names(&pushed["ignored"]), [URL]);
    assert!(!pushed.to_string().contains("canary"), "{pushed}");
    daemon.http().chat("bitrouter:m", "hi").send().refused(402, "provider_key_missing");
    assert_eq!((calls(&server), calls(&other)), (1, 0));
    // A token of ours under another name is still no key.
    let pushed = world.command(["reload", "--json"]).env("OPENAI_API_KEY", "brk_1.x").run().with_code(0).json();
    assert_eq!(names(&pushed["ignored"]), ["OPENAI_API_KEY"]);
}

#[test]
fn the_account_has_no_section_among_the_providers() {
    let world = World::new();
    let daemon = world.serve().start();
    for text in ["[providers.bitrouter]\nenabled = false\n", "[account]\noauth_as = \"http://canary.example\"\n"] {
        world.config(text);
        let output = world.cli(["reload"]).with_code(1);
        assert!(output.stderr.contains("account") && !output.stderr.contains("canary"), "{}", output.stderr);
    }
    world.config("[account]\noauth_as = \"https://as.example\"\n");
    world.cli(["reload"]).expect_code(0);
    assert_eq!(daemon.provider("bitrouter")["active"], false);
}

#[test]
fn signing_in_and_out_is_no_reload_and_leaves_a_refused_one_as_it_was() {
    let world = World::new();
    let daemon = world.demo();
    world.config("[sever]\n");
    world.cli(["reload"]).expect_code(1);
    let reloads = daemon.status()["reloads"].clone();
    assert!(reloads["last_error"].is_string() && daemon.warning("reload_refused").is_some(), "{reloads}");
    let call = || daemon.http().chat("bitrouter:demo/echo", "hi").send();
    call().refused(402, "provider_key_missing");
    world.cli(["auth", "login", "--local"]).expect_code(0);
    assert_eq!(call().ok().content(), "hi");
    let provider = daemon.provider("bitrouter");
    assert_eq!((&provider["active"], &provider["key_source"]), (&json!(true), &json!("account")));
    world.cli(["auth", "logout"]).expect_code(0);
    call().refused(402, "provider_key_missing");
    assert_eq!(daemon.status()["reloads"], reloads);
    assert!(daemon.warning("reload_refused").is_some());
}
