//! The client `tokenroute` of PyPI, as its makers publish it: it signs in to the node and uses it.
//!
//! It sleeps 5 s before each poll, whatever it is told.

use std::time::Duration;

use bitrouter_tests::{Daemon, Output, Provider, Reply, World, command::Run, sdk, sign_in::Owner};
use serde_json::{Value, json};

/// All that `/api/v1/auth/discovery` has it ask for.
const SCOPES: [&str; 12] = [
    "inference:invoke",
    "usage:read",
    "keys:read",
    "keys:write",
    "billing:read",
    "billing:write",
    "policy:read",
    "policy:write",
    "byok:read",
    "byok:write",
    "namespace:read",
    "account:read",
];

/// The client, with its own home.
struct Cli<'w> {
    world: &'w World,
    url: String,
}

impl<'w> Cli<'w> {
    fn new(world: &'w World, daemon: &Daemon) -> Self {
        Self { world, url: format!("http://{}", daemon.addr()) }
    }

    fn run(&self, args: &[&str]) -> Run {
        let run = sdk::module(self.world, "tokenroute_cli", args);
        run.env("TOKENROUTE_API_URL", &self.url).env("BROWSER", "true").within(Duration::from_mins(1))
    }

    /// What it prints for programs.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        self.output(args, 0).json()
    }

    #[track_caller]
    fn output(&self, args: &[&str], code: i32) -> Output {
        let args: Vec<&str> = ["--json"].into_iter().chain(args.iter().copied()).collect();
        self.run(&args).run().with_code(code)
    }

    /// Signs in: whoever sits at the browser ticks `scopes`.
    #[track_caller]
    fn sign_in(&self, owner: &Owner, scopes: &[&str]) {
        let login = self.run(&["login"]).spawn();
        let text = login.stdout().until("a code", |text| text.contains("Waiting for authorization"));
        let behind = text.split_once("And enter code: ").map_or("", |(_, behind)| behind);
        assert!(text.contains(&format!("Visit: {}/oauth/device", self.url)), "{text}");
        owner.approve(behind.split_whitespace().next().unwrap_or_default(), scopes, None);
        let text = login.stdout().until("the end", |text| text.contains("logged in"));
        assert!(text.contains("OK logged in"), "{text}");
    }
}

fn stored(world: &World) -> Value {
    let text = std::fs::read_to_string(world.path("home/.paradigx/auth.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

#[test]
fn the_published_client_signs_in_and_uses_the_node() {
    let (world, stripe) = (World::new(), Provider::start());
    let (key, hook) = (format!("sk_test_{}", world.canary("stripe")), world.canary("hook"));
    world.env_file(&format!("STRIPE_KEY={key}\n"));
    let file = world.write("config/bitrouter/hook", format!("{hook}\n"));
    world.config(&format!(
        "[node.stripe]\nsecret_key = \"env:STRIPE_KEY\"\nwebhook_secret = \"file:{}\"\napi_base = \"http://{}\"\n",
        file.display(),
        stripe.addr()
    ));
    let daemon = world.demo();
    let (cli, owner) = (Cli::new(&world, &daemon), Owner::sign_in(&world, &daemon));
    assert!(cli.output(&["whoami"], 1).stdout.contains("not logged in"));
    cli.sign_in(&owner, &SCOPES);

    let me = cli.json(&["whoami"]);
    assert!(me["id"].as_str().is_some_and(|id| id.starts_with("usr_")), "{me}");
    assert_eq!((&me["email"], &me["balance_usd"], &me["status"]), (&Value::Null, &json!("0.00"), &json!("active")));
    assert_eq!(cli.json(&["balance"]), json!({"balance_usd": "0.00", "currency": "USD"}));

    let made = cli.json(&["keys", "create", "--name", "fieryeye"]);
    let raw = made["raw"].as_str().expect("a key").to_owned();
    assert_eq!(made["name"], "fieryeye");
    let listed = cli.json(&["keys", "list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["status"]), (&made["id"], &json!("active")));
    // For people it is a table.
    let table = cli.run(&["keys", "list"]).env("COLUMNS", "200").run().with_code(0).stdout;
    assert!(table.contains("fieryeye") && table.contains("Balance USD"), "{table}");

    let env = cli.run(&["env"]).run().with_code(0).stdout;
    assert_eq!(env, format!("OPENAI_API_KEY={raw}\nOPENAI_BASE_URL={}/v1\n", cli.url));
    let tried = cli.json(&["test", "--model", "demo/echo"]);
    assert_eq!(tried, json!({"ok": true, "model": "demo/echo", "reply": "Reply with the single word 'OK'."}));
    let models = cli.json(&["models"]);
    let echo = models.as_array().expect("a list").iter().find(|model| model["id"] == "demo/echo").expect("demo/echo");
    assert_eq!(echo["owned_by"], "demo");
    for member in ["complexity_tier", "input_usd_per_1k", "output_usd_per_1k"] {
        assert!(echo.get(member).is_some_and(|value| !value.is_null()), "{member}: {echo}");
    }
    let table = cli.run(&["models"]).env("COLUMNS", "200").run().with_code(0).stdout;
    assert!(table.contains("demo/echo") && table.contains("$/1k in"), "{table}");
    // A call that fails does not count.
    assert!(cli.output(&["test", "--model", "nobody/nothing"], 1).stdout.contains("chat failed (404)"));
    bitrouter_tests::wait::until("the call is counted", || {
        let used = cli.json(&["usage", "--days", "7"]);
        (used["total_requests"] == 1).then_some(used)
    });
    let used = cli.json(&["usage"]);
    assert_eq!((&used["range_days"], &used["total_requests"]), (&json!(30), &json!(1)));
    assert!(used["total_tokens_in"].as_i64() > Some(0) && used["total_cost_usd"].is_string(), "{used}");

    let session = json!({"id": "cs_test_1", "url": "https://pay.example/cs_test_1", "livemode": false});
    stripe.next(Reply::json(200, session.to_string()));
    let bought = cli.json(&["topup", "--amount", "5", "--no-open"]);
    assert_eq!(
        (&bought["checkout_url"], &bought["session_id"], &bought["amount_usd"]),
        (&json!("https://pay.example/cs_test_1"), &json!("cs_test_1"), &json!("5.00"))
    );
    assert!(bought["expires_at"].is_i64(), "{bought}");
    let uneven = cli.output(&["topup", "--amount", "5.005"], 1);
    assert!(uneven.stdout.contains("amount_usd"), "{}", uneven.stdout);

    let id = made["id"].as_str().expect("an id");
    assert_eq!(cli.json(&["keys", "revoke", id]), json!({"id": id, "status": "revoked"}));
    assert_eq!(cli.json(&["keys", "list"])[0]["status"], "revoked");
    assert!(cli.output(&["test", "--model", "demo/echo"], 1).stdout.contains("chat failed (401)"));
    assert!(cli.output(&["keys", "revoke", "key_00000000000000000000000001"], 1).stdout.contains("no such key"));
}

#[test]
fn the_published_client_refreshes_and_learns_that_its_session_has_ended() {
    let world = World::new();
    let daemon = world.demo();
    let (cli, owner) = (Cli::new(&world, &daemon), Owner::sign_in(&world, &daemon));
    cli.sign_in(&owner, &["account:read", "keys:read"]);
    // What was not ticked is not there.
    assert_eq!(cli.json(&["whoami"])["balance_usd"], Value::Null);
    assert!(cli.output(&["balance"], 1).stdout.contains("missing required scope: billing:read"));

    // Its access token is near its end, as it believes.
    let mut file = stored(&world);
    let issuer = cli.url.clone();
    let before = file["tokens"][&issuer].clone();
    assert_eq!(before["resource"].as_str(), Some(issuer.as_str()));
    file["tokens"][&issuer]["expires_at"] = json!(1);
    world.write("home/.paradigx/auth.json", file.to_string());
    cli.json(&["whoami"]);
    let after = stored(&world)["tokens"][&issuer].clone();
    assert_ne!(after["access_token"], before["access_token"]);
    assert_ne!(after["refresh_token"], before["refresh_token"]);
    // The file with the new tokens was lost: the old ones still come to the same successor.
    world.write("home/.paradigx/auth.json", file.to_string());
    cli.json(&["whoami"]);
    assert_eq!(stored(&world)["tokens"][&issuer]["refresh_token"], after["refresh_token"]);

    revoke_as_tokenroute(&daemon, after["refresh_token"].as_str().expect("a token"));
    assert!(cli.output(&["whoami"], 1).stdout.contains("token"));
}

/// Ends the session of `token` (RFC 7009), as its own client may.
fn revoke_as_tokenroute(daemon: &Daemon, token: &str) {
    let fields = [("token", token), ("client_id", "tokenroute-cli")];
    bitrouter_tests::sign_in::form(daemon.http().post("/oauth/revoke"), &fields).send().ok();
}

#[test]
fn the_published_client_says_that_a_node_which_is_off_signs_nobody_in() {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    let cli = Cli::new(&world, &daemon);
    let refused = cli.output(&["login"], 3);
    assert!(refused.stdout.contains("CLI login is not enabled"), "{}", refused.stdout);
    let answer = daemon.http().get("/api/v1/auth/discovery").send();
    let error = answer.json();
    assert_eq!((answer.status, &error["error"]["type"]), (503, &json!("service_unavailable")));
    assert_eq!(error["error"]["code"], 503);
    let answer = daemon.http().get("/api/v1/me").bearer("bra_nonsense").send();
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (401, &json!("authentication_error")));
}

#[test]
fn what_the_listener_refuses_below_api_v1_is_written_as_the_rest_is() {
    let world = World::new();
    let daemon = world.demo();
    for (host, key, status, kind) in [
        (Some("evil.example"), None, 403, "permission_error"),
        (None, None, 401, "authentication_error"),
        (None, Some("brk_nonsense"), 401, "authentication_error"),
    ] {
        for path in ["/api/v1/me", "/api/v1", "/api/v1/nothing"] {
            let call = daemon.http().get(path);
            let call = host.into_iter().fold(call, bitrouter_tests::http::Call::host);
            let call = key.into_iter().fold(call, bitrouter_tests::http::Call::bearer);
            let answer = call.send();
            let error = answer.json();
            assert_eq!((answer.status, error["error"]["type"].as_str()), (status, Some(kind)), "{path}: {error}");
            assert_eq!(error["error"]["code"], status, "{path}");
            assert_eq!(error["error"].as_object().map(serde_json::Map::len), Some(3), "{path}");
        }
    }
}
