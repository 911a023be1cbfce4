//! The short verbs' part of the control API: at a server whose tokens another address issues, at one of the account's kind, and
//! at the own node.

use bitrouter_proto::wire::{
    Asked, AskedAccount, AskedNode, CreateKeyRequest, CreateKeyResponse, DeviceLogin, EndKeyRequest, EndKeyResponse,
    ListModelsRequest, ListModelsResponse, ListOwnKeysRequest, ListOwnKeysResponse, LoginCode, LoginRequest,
    LoginResponse, ShowBalanceRequest, ShowBalanceResponse, ShowIdentityRequest, ShowIdentityResponse,
    ShowUsageRequest, ShowUsageResponse, TopUpRequest, TopUpResponse, TryModelRequest, TryModelResponse, asked::Whom,
    login_request::How, login_response::Event,
};
use bitrouter_tests::{
    Daemon, Provider, Reply, World,
    control::{Control, Refused},
    provider::Absent,
    sign_in::Owner,
    tokenroute::Tokenroute,
    wait,
};
use serde_json::{Value, json};

use crate::far::{FILE, Far, file, session};

fn signed_out() -> (World, Daemon) {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    (world, daemon)
}

/// The account that is signed in, where it is at `url`.
fn at(url: &str) -> Asked {
    with_key("", url)
}

/// Whoever is signed in.
fn signed_in() -> Asked {
    at("")
}

fn with_key(key: &str, url: &str) -> Asked {
    let account = AskedAccount { api_key: key.to_owned(), api_url: url.to_owned() };
    Asked { whom: Some(Whom::Account(account)) }
}

fn own() -> Asked {
    Asked { whom: Some(Whom::Node(AskedNode { namespace: String::new() })) }
}

/// Signs in at `url`, where `approve` approves a code; what was told.
#[track_caller]
fn sign_in_with(control: &mut Control, url: &str, mut approve: impl FnMut(&LoginCode)) -> Vec<Event> {
    let device = DeviceLogin { api_url: url.to_owned(), ..DeviceLogin::default() };
    let mut answers = control.open("AuthService/Login", &LoginRequest { how: Some(How::Device(device)) });
    let mut events = Vec::new();
    while let Some(message) = answers.message::<LoginResponse>() {
        if let Some(Event::Code(code)) = &message.event {
            approve(code);
        }
        events.extend(message.event);
    }
    assert!(matches!(events.last(), Some(Event::Done(_))), "{events:?}");
    events
}

/// The same at a server that approves by itself.
#[track_caller]
fn sign_in(control: &mut Control, url: &str) -> Vec<Event> {
    sign_in_with(control, url, |_| ())
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The verbs, by what they answer.
struct Verbs(Control);

impl Verbs {
    fn of(daemon: &Daemon) -> Self {
        Self(Control::connect(&daemon.socket()))
    }

    #[track_caller]
    fn identity(&mut self, asked: Asked) -> Result<Value, Box<Refused>> {
        let told = self.0.call::<ShowIdentityResponse>(
            "EverydayService/ShowIdentity",
            &ShowIdentityRequest { asked: Some(asked) },
        )?;
        Ok(document(&told.message.json))
    }

    #[track_caller]
    fn balance(&mut self, asked: Asked) -> Result<Value, Box<Refused>> {
        let told = self
            .0
            .call::<ShowBalanceResponse>("EverydayService/ShowBalance", &ShowBalanceRequest { asked: Some(asked) })?;
        Ok(document(&told.message.json))
    }

    #[track_caller]
    fn create(&mut self, asked: Asked, name: &str) -> (Value, String) {
        let request = CreateKeyRequest { asked: Some(asked), name: name.to_owned(), idempotency_key: String::new() };
        let told = self.0.call::<CreateKeyResponse>("EverydayService/CreateKey", &request).expect("a key").message;
        (document(&told.json), told.base_url)
    }

    #[track_caller]
    fn keys(&mut self, asked: Asked) -> Vec<Value> {
        let request = ListOwnKeysRequest { asked: Some(asked) };
        let told = self.0.call::<ListOwnKeysResponse>("EverydayService/ListOwnKeys", &request).expect("keys");
        document(&told.message.json).as_array().expect("an array").clone()
    }

    #[track_caller]
    fn end(&mut self, asked: Asked, id: &str) -> Result<Value, Box<Refused>> {
        let request = EndKeyRequest { asked: Some(asked), id: id.to_owned() };
        Ok(document(&self.0.call::<EndKeyResponse>("EverydayService/EndKey", &request)?.message.json))
    }

    #[track_caller]
    fn top_up(&mut self, asked: Asked, amount_cents: i64) -> Result<Value, Box<Refused>> {
        let request = TopUpRequest { asked: Some(asked), amount_cents, idempotency_key: String::new() };
        Ok(document(&self.0.call::<TopUpResponse>("EverydayService/TopUp", &request)?.message.json))
    }

    #[track_caller]
    fn usage(&mut self, asked: Asked, days: u32) -> Result<Value, Box<Refused>> {
        let request = ShowUsageRequest { asked: Some(asked), days };
        Ok(document(&self.0.call::<ShowUsageResponse>("EverydayService/ShowUsage", &request)?.message.json))
    }

    #[track_caller]
    fn models(&mut self, base_url: &str, key: &str) -> Result<Value, Box<Refused>> {
        let request = ListModelsRequest { base_url: base_url.to_owned(), api_key: key.to_owned() };
        Ok(document(&self.0.call::<ListModelsResponse>("EverydayService/ListModels", &request)?.message.json))
    }

    #[track_caller]
    fn attempt(&mut self, base_url: &str, key: &str, model: &str) -> Result<Value, Box<Refused>> {
        let (base_url, api_key, model) = (base_url.to_owned(), key.to_owned(), model.to_owned());
        let request = TryModelRequest { base_url, api_key, model };
        Ok(document(&self.0.call::<TryModelResponse>("EverydayService/TryModel", &request)?.message.json))
    }
}

#[test]
fn a_server_that_says_how_to_sign_in_is_signed_in_to_and_used_as_it_says() {
    let (world, daemon) = signed_out();
    let far = Tokenroute::start(world.user(), 3_600);
    far.approve();
    let mut verbs = Verbs::of(&daemon);
    let nobody = verbs.identity(signed_in()).expect_err("nobody is signed in");
    assert_eq!(nobody.reason, "NOT_SIGNED_IN");
    let events = sign_in(&mut verbs.0, &format!("{}/", far.url()));
    let code = events.iter().find_map(|event| if let Event::Code(code) = event { Some(code) } else { None });
    let code = code.expect("a code");
    assert_eq!((code.user_code.as_str(), &code.verification_uri), ("NHWB-FGSR", &format!("{}/device", far.issuer())));
    let stored = file(&world);
    assert_eq!(
        (&stored["api_url"], &stored["authorization_server"], &stored["resource"], &stored["scope"]),
        (&json!(far.url()), &json!(far.issuer()), &json!(far.url()), &json!("openid offline_access"))
    );
    world.holds_secrets(FILE);
    for asked in
        [signed_in(), at(&far.url()), at(&far.url().replace("127.0.0.1", "localhost")), with_key("sk-tr-x", "")]
    {
        let me = verbs.identity(asked).expect("somebody");
        let expected = json!({
            "id": "f4a8", "display_name": "Agent", "email": "agent@example.com", "logto_sub": "logto_xyz",
            "balance_usd": "5.00", "status": "active",
        });
        assert_eq!(me, expected);
    }
    assert_eq!(verbs.balance(signed_in()).expect("a balance"), json!({"balance_usd": "5.00", "currency": "USD"}));
    let (key, base_url) = verbs.create(signed_in(), "fieryeye");
    let raw = key["raw"].as_str().expect("a key").to_owned();
    world.watch(&raw);
    assert_eq!(base_url, format!("{}/v1", far.url()));
    assert_eq!(
        (&key["balance_usd"], &key["created_at"], key.as_object().expect("members").len()),
        (&json!("0.00"), &Value::Null, 7)
    );
    let listed = verbs.keys(signed_in());
    assert_eq!(
        listed,
        [json!({
            "id": "key-0", "name": "fieryeye", "key_prefix": "sk-tr-key", "status": "active", "balance_usd": "0.00",
            "created_at": null,
        })]
    );
    // The key opens what its address serves.
    let models = verbs.models(&base_url, &raw).expect("models");
    assert_eq!(models[0]["id"], "openai/gpt-4o-mini");
    let tried = verbs.attempt(&base_url, &raw, "openai/gpt-4o-mini").expect("a reply");
    assert_eq!((&tried["ok"], &tried["reply"], &tried["provider"]), (&json!(true), &json!("OK"), &json!("openai")));
    assert!(tried["latency_ms"].is_u64(), "{tried}");
    let sent = far.api().last().request.json();
    assert_eq!((&sent["max_tokens"], &sent["messages"][0]["role"]), (&json!(8), &json!("user")));
    let topup = verbs.top_up(signed_in(), 500).expect("a purchase");
    let expected = json!({
        "checkout_url": "https://checkout.stripe.com/c/pay/far", "session_id": "cs_far", "amount_usd": "5.00",
        "expires_at": 1_700_000_000,
    });
    assert_eq!(topup, expected);
    let usage = verbs.usage(signed_in(), 7).expect("usage");
    let expected = json!({
        "range_days": 7, "total_requests": 142, "total_tokens_in": 12450, "total_tokens_out": 3200,
        "total_cost_usd": "0.18",
    });
    assert_eq!(usage, expected);
    assert_eq!(verbs.end(signed_in(), "key-0").expect("an end"), json!({"id": "key-0", "status": "revoked"}));
    assert!(verbs.keys(signed_in()).is_empty());
    let dead = verbs.attempt(&base_url, &raw, "openai/gpt-4o-mini").expect_err("the key is dead");
    assert_eq!((dead.reason.as_str(), dead.facts["status"].as_str()), ("SERVER_REFUSED", "401"));
    assert!(dead.message.contains("[redacted]") && !dead.message.contains("sk-tr-"), "{}", dead.message);
    // Calls of the account's models go there too; that its tokens open none there says nothing of the session.
    let refused = daemon.http().chat("bitrouter:openai/gpt-4o-mini", "hello").send();
    assert_eq!(refused.status, 401, "{}", refused.text());
    let called = wait::until("the call", || {
        let mut exchanges = (0..far.api().count()).map(|number| far.api().exchange(number));
        exchanges.rfind(|exchange| exchange.request.target == "/v1/chat/completions")
    });
    assert_eq!(called.request.key(), stored["access_token"].as_str());
    assert_eq!((far.renewals(), &session(&daemon)["state"]), (0, &json!("active")));
    for secret in far.secrets() {
        world.watch(&secret);
    }
    // Its issuer names no way to revoke.
    let gone = world.cli(["auth", "logout"]).with_code(0);
    assert!(gone.stderr.contains("names no way to revoke a session"), "{}", gone.stderr);
    assert!(!world.path(FILE).exists());
    assert_eq!(world.leaks(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn its_tokens_are_renewed_for_what_they_are_for() {
    let (world, daemon) = signed_out();
    let far = Tokenroute::start(world.user(), 4);
    far.approve();
    let mut verbs = Verbs::of(&daemon);
    sign_in(&mut verbs.0, &far.url());
    wait::until("two renewals", || (far.renewals() >= 2).then_some(()));
    assert_eq!(verbs.identity(signed_in()).expect("somebody")["balance_usd"], "5.00");
    let renewals: Vec<String> =
        far.asked().into_iter().filter(|body| body.contains("grant_type=refresh_token")).collect();
    let resource = format!("resource={}", far.url().replace(':', "%3A").replace('/', "%2F"));
    assert!(renewals.iter().all(|body| body.contains(&resource)), "{renewals:?}");
    daemon.stop();
}

#[test]
fn who_is_signed_in_is_told_without_the_server_and_what_fails_has_its_class() {
    let (world, daemon) = signed_out();
    let far = Tokenroute::start(world.user(), 3_600);
    far.approve();
    let mut verbs = Verbs::of(&daemon);
    sign_in(&mut verbs.0, &far.url());
    for (status, body, reason) in [
        (503, r#"{"error":{"message":"Down for now","type":"service_unavailable","code":503}}"#, "SERVER_FAILED"),
        (402, r#"{"error":{"message":"Down for now","type":"insufficient_quota","code":402}}"#, "SERVER_REFUSED"),
        (429, r#"{"detail":"Down for now"}"#, "SERVER_REFUSED"),
    ] {
        far.instead(Some((status, body)));
        for refused in [
            verbs.identity(signed_in()).expect_err("an answer that is none"),
            verbs.balance(signed_in()).expect_err("no balance"),
        ] {
            assert_eq!((refused.reason.as_str(), refused.message.as_str()), (reason, "Down for now"));
        }
    }
    // Who may not read it is somebody.
    far.instead(Some((403, r#"{"error":{"message":"missing required scope: billing:read"}}"#)));
    let me = verbs.identity(signed_in()).expect("somebody");
    assert_eq!(
        (&me["id"], &me["balance_usd"], &me["balance_error"]),
        (&json!("logto_xyz"), &Value::Null, &json!("missing required scope: billing:read"))
    );
    far.instead(None);
    // Nobody listens any more where the session is for.
    let mut stored = file(&world);
    let gone = Absent::somewhere();
    stored["api_url"] = json!(gone.base_url().trim_end_matches("/v1"));
    stored["resource"] = stored["api_url"].clone();
    world.rename_over(FILE, stored.to_string());
    let me = wait::until("the changed file", || {
        let me = verbs.identity(signed_in()).expect("somebody");
        me["balance_error"].is_string().then_some(me)
    });
    assert_eq!((&me["id"], &me["balance_usd"]), (&json!("logto_xyz"), &Value::Null));
    assert_eq!(verbs.balance(signed_in()).expect_err("no balance").reason, "SERVER_UNREACHABLE");
    daemon.stop();
}

#[test]
fn the_node_of_another_daemon_is_signed_in_to_and_used_and_its_tokens_are_renewed() {
    let far = World::new();
    far.config("[node.oauth]\naccess_token_ttl = \"4s\"\n");
    let far_daemon = far.demo();
    far_daemon.until_node_is_on();
    let url = format!("http://127.0.0.1:{}", far_daemon.port());
    let (world, daemon) = signed_out();
    let mut verbs = Verbs::of(&daemon);
    let owner = Owner::sign_in(&far, &far_daemon);
    let scopes = ["inference:invoke", "keys:read", "keys:write", "billing:read", "usage:read", "account:read"];
    sign_in_with(&mut verbs.0, &url, |code| owner.approve(&code.user_code, &scopes, None));
    let first = file(&world)["access_token"].clone();
    let me = verbs.identity(at(&url)).expect("somebody");
    assert!(me["id"].as_str().is_some_and(|id| id.starts_with("usr_")) && me["balance_usd"] == "0.00", "{me}");
    let (key, base_url) = verbs.create(signed_in(), "ci");
    let raw = key["raw"].as_str().expect("a key").to_owned();
    world.watch(&raw);
    assert_eq!((base_url.as_str(), &key["status"]), (format!("{url}/v1").as_str(), &json!("active")));
    assert_eq!(verbs.attempt(&base_url, &raw, "demo/echo").expect("a reply")["ok"], true);
    let usage = wait::until("the row", || {
        let usage = verbs.usage(signed_in(), 30).expect("usage");
        (usage["total_requests"] == 1).then_some(usage)
    });
    assert_eq!(usage["range_days"], 30);
    wait::until("a renewed token", || (file(&world)["access_token"] != first).then_some(()));
    let listed = verbs.keys(signed_in());
    assert_eq!((listed.len(), &listed[0]["id"], &listed[0]["status"]), (1, &key["id"], &json!("active")));
    assert_eq!(verbs.end(signed_in(), key["id"].as_str().expect("an id")).expect("an end")["status"], "revoked");
    assert!(verbs.keys(signed_in()).is_empty());
    assert_eq!(verbs.attempt(&base_url, &raw, "demo/echo").expect_err("the key is dead").facts["status"], "401");
    far_daemon.stop();
    let me = verbs.identity(signed_in()).expect("somebody");
    assert!(me["balance_usd"].is_null() && me["balance_error"].is_string(), "{me}");
    world.cli(["auth", "logout"]).expect_code(0);
    daemon.stop();
}

#[test]
fn p04_no_token_goes_to_another_server_than_its_own() {
    let (world, daemon) = signed_out();
    let (far, other) = (Tokenroute::start(world.user(), 3_600), Tokenroute::start(world.user(), 3_600));
    far.approve();
    let mut verbs = Verbs::of(&daemon);
    sign_in(&mut verbs.0, &far.url());
    for asked in [at(&other.url()), with_key("sk-tr-mine", &other.url())] {
        for refused in [
            verbs.identity(asked.clone()).expect_err("another server"),
            verbs.balance(asked.clone()).expect_err("another server"),
            verbs.usage(asked.clone(), 7).expect_err("another server"),
        ] {
            assert_eq!(refused.reason, "CONFLICT");
            assert!(
                refused.message.contains(&far.url()) && refused.message.contains(&other.url()),
                "{}",
                refused.message
            );
        }
    }
    let asked = (0..other.api().count()).map(|number| other.api().exchange(number));
    assert!(asked.into_iter().all(|exchange| exchange.request.key().is_none()));
    // Its issuer is itself.
    assert_eq!(verbs.balance(at(&far.issuer())).expect("a balance")["balance_usd"], "5.00");
    let unsafe_there = verbs.balance(at("http://far.example")).expect_err("not safe");
    assert_eq!(unsafe_there.reason, "INVALID_ARGUMENT");
    daemon.stop();
}

#[test]
fn p04_a_server_that_names_another_one_gets_no_token_of_it() {
    let owner = World::new();
    owner.config("");
    let node = owner.demo();
    node.until_node_is_on();
    let url = format!("http://127.0.0.1:{}", node.port());
    let (world, daemon) = signed_out();
    let mallory = Tokenroute::start(world.user(), 3_600);
    mallory.claim(&format!("{url}/oauth"), &url);
    let refused = world.cli(["auth", "login", "--oauth-as", &mallory.url()]).with_code(1);
    assert!(refused.stderr.contains(&url) && refused.stderr.contains(&mallory.url()), "{}", refused.stderr);
    // Where it says that they are for itself, the issuer says no; another user's is not asked at all.
    mallory.claim(&format!("{url}/oauth"), &mallory.url());
    let refused = world.cli(["auth", "login", "--oauth-as", &mallory.url()]).with_code(1);
    let is_said = ["resource", "no credential is sent there"].iter().any(|reason| refused.stderr.contains(reason));
    assert!(is_said, "{}", refused.stderr);
    assert!(!world.path(FILE).exists());
    assert!(mallory.asked().is_empty());
    node.stop();
    daemon.stop();
}

#[test]
fn a_server_of_the_accounts_kind_is_asked_by_its_own_api() {
    let far = Far::stored(3_600, 3_000);
    let daemon = far.start();
    let rest = |path: &str, body: Value| far.issuer.rest(path, Reply::json(200, body.to_string()));
    rest(
        "/v1/account",
        json!({"id": "usr_far", "email": null, "display_name": "Far", "created_at": "2026-01-01T00:00:00Z"}),
    );
    rest(
        "/v1/billing/balance",
        json!({"balance_micro_usd": 1_500_001, "pending_debits_micro_usd": 1, "available_micro_usd": 1_500_000, "currency": "usd"}),
    );
    rest(
        "/v1/namespaces/ns_far/keys",
        json!({"data": [
            {"id": "k1", "display_name": "ci", "key_prefix": "brk_1", "scopes": [], "created_at": "2026-01-01T00:00:00Z"},
            {"id": "k2", "display_name": "old", "key_prefix": "brk_2", "scopes": [], "created_at": "2026-01-01T00:00:00Z", "revoked_at": "2026-01-02T00:00:00Z"},
        ]}),
    );
    let mut verbs = Verbs::of(&daemon);
    let me = verbs.identity(signed_in()).expect("somebody");
    let expected = json!({
        "id": "usr_far", "display_name": "Far", "email": null, "logto_sub": null, "balance_usd": "1.500001", "status": null,
    });
    assert_eq!(me, expected);
    assert_eq!(verbs.balance(signed_in()).expect("a balance"), json!({"balance_usd": "1.500001", "currency": "USD"}));
    let keys = verbs.keys(signed_in());
    assert_eq!((keys.len(), &keys[0]["name"], &keys[0]["balance_usd"]), (1, &json!("ci"), &Value::Null));
    for (number, status) in ["succeeded", "failed", "succeeded", "streaming"].into_iter().enumerate() {
        far.issuer.call(json!({
            "id": format!("r{number}"), "status": status, "prompt_tokens": 5, "completion_tokens": 2, "seq": number,
            "final_charge_micro_usd": 250, "created_at": bitrouter_proto::clock::now_rfc3339(),
        }));
    }
    let expected = json!({
        "range_days": 7, "total_requests": 2, "total_tokens_in": 10, "total_tokens_out": 4, "total_cost_usd": "0.0005",
    });
    assert_eq!(verbs.usage(signed_in(), 7).expect("usage"), expected);
    // A key is no session: it goes to its own server, by the same API.
    rest("/v1/namespaces/me/keys", json!({"data": []}));
    assert!(verbs.keys(with_key("brk_a.b", &far.issuer.url())).is_empty());
    let asked = (0..far.issuer.provider().count()).map(|number| far.issuer.provider().exchange(number));
    let discoveries: Vec<_> = asked.filter(|exchange| exchange.request.target.starts_with("/api/v1")).collect();
    assert!(discoveries.len() == 1 && discoveries[0].request.key().is_none(), "asked once, without a token");
    daemon.stop();
}

#[test]
fn the_own_node_answers_in_process() {
    let world = World::new();
    let daemon = world.demo();
    daemon.until_node_is_on();
    let mut verbs = Verbs::of(&daemon);
    let me = verbs.identity(own()).expect("the owner");
    assert!(me["id"].as_str().is_some_and(|id| id.starts_with("usr_")) && me["balance_usd"] == "0.00", "{me}");
    let (key, base_url) = verbs.create(own(), "ci");
    let raw = key["raw"].as_str().expect("a key").to_owned();
    world.watch(&raw);
    // As full as a session's.
    assert_eq!((&me["logto_sub"], &me["status"]), (&me["id"], &json!("active")));
    let listed = verbs.keys(own());
    assert_eq!((&key["balance_usd"], &listed[0]["balance_usd"]), (&json!("0.00"), &json!("0.00")), "{key}");
    assert!(key["created_at"].is_string() && key["created_at"] == listed[0]["created_at"], "{key}");
    assert_eq!(base_url, format!("http://127.0.0.1:{}/v1", daemon.port()));
    let models = verbs.models("", &raw).expect("models");
    assert!(models.as_array().is_some_and(|models| models.iter().any(|model| model["id"] == "demo/echo")), "{models}");
    for key in [raw.as_str(), "", "bitrouter-local"] {
        let tried = verbs.attempt("", key, "demo/echo").expect("a reply");
        assert_eq!((&tried["model"], &tried["provider"]), (&json!("demo/echo"), &json!("demo")), "{tried}");
        assert!(tried["reply"].as_str().is_some_and(|reply| reply.contains("OK")), "{tried}");
    }
    let unknown = verbs.attempt(&base_url, &raw, "nowhere/none").expect_err("no such model");
    assert_eq!((unknown.reason.as_str(), unknown.facts["status"].as_str()), ("SERVER_REFUSED", "404"));
    let usage = wait::until("the rows", || {
        let usage = verbs.usage(own(), 1).expect("usage");
        (usage["total_requests"] == 3).then_some(usage)
    });
    assert!(usage["total_tokens_in"].as_i64() > Some(0) && usage["range_days"] == 1, "{usage}");
    for days in [0, 366] {
        assert_eq!(verbs.usage(own(), days).expect_err("no such span").reason, "INVALID_ARGUMENT");
    }
    let id = key["id"].as_str().expect("an id").to_owned();
    let ended = verbs.end(own(), &id.to_ascii_uppercase()).expect("an end");
    assert_eq!(ended, json!({"id": id, "status": "revoked"}));
    assert!(verbs.keys(own()).is_empty());
    let dead = verbs.attempt("", &raw, "demo/echo").expect_err("the key is dead");
    assert_eq!(dead.facts["status"], "401");
    let secret = raw.rsplit_once('.').expect("a dot").1;
    assert!(!dead.message.contains(secret), "{}", dead.message);
    assert_eq!(verbs.top_up(own(), 0).expect_err("nothing").reason, "INVALID_ARGUMENT");
    assert_eq!(verbs.top_up(own(), 500).expect_err("no Stripe").reason, "SERVER_REFUSED");
    // What the node gave out goes to no other server, also where it opens nothing any more.
    let far = Tokenroute::start(world.user(), 3_600);
    for refused in [
        verbs.models(&format!("{}/v1", far.url()), &raw).expect_err("another server"),
        verbs.attempt(&format!("{}/v1", far.url()), &raw, "demo/echo").expect_err("another server"),
    ] {
        assert_eq!(refused.reason, "CONFLICT");
        assert!(refused.message.contains(&far.url()), "{}", refused.message);
    }
    assert_eq!(far.api().count(), 0);
    for odd in [r#"{"data":[3]}"#, "[null]", r#"{"data":{}}"#, "7"] {
        let odd_server = Provider::start_as(world.user(), 0);
        odd_server.always(move |_| Reply::json(200, odd));
        let base_url = format!("http://{}/v1", odd_server.addr());
        assert_eq!(verbs.models(&base_url, "").expect_err("no list").reason, "SERVER_FAILED", "{odd}");
        assert_eq!(verbs.attempt(&base_url, "", "m").expect_err("no reply").reason, "SERVER_FAILED", "{odd}");
    }
    let gone = Absent::somewhere();
    assert_eq!(verbs.models(&gone.base_url(), "").expect_err("nobody").reason, "SERVER_UNREACHABLE");
    daemon.stop();
}

#[test]
fn a_key_of_the_own_node_comes_with_its_own_address() {
    let world = World::new();
    let daemon = world.demo();
    world.cli(["auth", "login", "--local"]).expect_code(0);
    let mut verbs = Verbs::of(&daemon);
    let here = format!("http://127.0.0.1:{}", daemon.port());
    for asked in [signed_in(), at(&here), at(&here.replace("127.0.0.1", "localhost"))] {
        assert_eq!(verbs.create(asked, "ci").1, format!("{here}/v1"));
    }
    assert_eq!(verbs.keys(signed_in()).len(), 3);
    assert_eq!(verbs.balance(at("http://127.0.0.1:9")).expect_err("another server").reason, "CONFLICT");
    daemon.stop();
}
