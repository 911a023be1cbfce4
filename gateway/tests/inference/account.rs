//! Calls of the account's provider: which credential they go with, where to, and what is said where there is none.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bitrouter_gateway::{
    Snapshot,
    account::{Account, AccountState},
    http::{Caller, Principal},
    ports::{AccountCredential, AccountRefused, AccountSource, AccountToken, BoxFuture, KeySource},
    registry::{Catalog, Manifest, Model, ProviderId, ProviderOverride, shipped},
};
use bitrouter_proto::account::{CredentialId, Scope, ScopeSet};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{KEY, STREAM, Wire, World, chunk, json as reply, status};

const CHAT: &str = r#"{"model":"bitrouter:some/model","messages":[{"role":"user","content":"hi"}]}"#;

/// The account's credential as a test says.
#[derive(Debug, Default)]
pub(crate) struct ScriptedAccount {
    credential: Mutex<Option<Result<AccountCredential, AccountRefused>>>,
    renewals: Mutex<VecDeque<Option<AccountToken>>>,
    /// How often each was asked for.
    asked: Mutex<(usize, usize)>,
}

impl ScriptedAccount {
    fn is(&self, credential: Result<AccountCredential, AccountRefused>) {
        *self.credential.lock().unwrap() = Some(credential);
    }

    fn renews_to(&self, token: Option<AccountToken>) {
        self.renewals.lock().unwrap().push_back(token);
    }

    fn asked(&self) -> (usize, usize) {
        *self.asked.lock().unwrap()
    }
}

impl AccountSource for ScriptedAccount {
    fn credential(&self) -> BoxFuture<'_, Result<AccountCredential, AccountRefused>> {
        self.asked.lock().unwrap().0 += 1;
        let answer = self.credential.lock().unwrap().clone();
        Box::pin(async {
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }

    fn renewed<'a>(&'a self, _: &'a AccountToken) -> BoxFuture<'a, Option<AccountToken>> {
        self.asked.lock().unwrap().1 += 1;
        let answer = self.renewals.lock().unwrap().pop_front().flatten();
        Box::pin(async { answer })
    }
}

fn token(text: &str, issuer: &str) -> AccountToken {
    AccountToken { token: SecretString::from(text), issuer: issuer.into() }
}

fn principal(scopes: impl IntoIterator<Item = Scope>) -> Principal {
    Principal {
        credential: CredentialId::Grant("tok_00000000000000000000000001".parse().unwrap()),
        namespace: "ns_00000000000000000000000002".parse().unwrap(),
        person: "usr_00000000000000000000000003".parse().unwrap(),
        scopes: scopes.into_iter().collect::<ScopeSet>(),
    }
}

impl World {
    fn server(&self) -> String {
        format!("http://{}/acct", self.provider_address())
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = Snapshot::clone(&self.gateway.snapshot());
        change(&mut snapshot);
        self.gateway.swap(snapshot);
    }

    /// The account is at the provider's address, with a token.
    fn sign_in(&self, models: Vec<Model>) {
        let server = self.server();
        self.change(|snapshot| {
            snapshot.catalog = Arc::new(snapshot.catalog.with_account(&server, models).unwrap());
            snapshot.account = Account { state: AccountState::SignedIn, sign_in: None };
        });
        self.account.is(Ok(AccountCredential::Token(token("bra_first-canary", &server))));
    }

    /// The account is this very node's.
    fn sign_in_to_own_node(&self, principal: Principal) {
        self.change(|snapshot| snapshot.account.state = AccountState::OwnNode);
        self.account.is(Ok(AccountCredential::OwnNode(principal)));
    }

    async fn ask(&self, path: &str, body: &str) -> (u16, Value) {
        let mut caller = self.caller().await;
        caller.post(path, body).await;
        caller.reply().await
    }
}

#[tokio::test]
async fn signed_out_it_is_402_with_what_to_run_in_every_dialect() {
    let world = World::new().await;
    for (path, body) in [
        ("/v1/chat/completions", CHAT),
        ("/v1/responses", r#"{"model":"bitrouter/x","input":"hi"}"#),
        ("/v1/messages", r#"{"model":"bitrouter:x","max_tokens":1,"messages":[]}"#),
        ("/v1beta/models/bitrouter:x:generateContent", r#"{"contents":[]}"#),
    ] {
        let (status, document) = world.ask(path, body).await;
        let text = document.to_string();
        assert_eq!(status, 402, "{path}: {text}");
        assert!(text.contains("bitrouter auth login") && text.contains("BITROUTER_API_KEY"), "{path}: {text}");
    }
    let (_, document) = world.ask("/v1/chat/completions", CHAT).await;
    let error = &document["error"];
    assert_eq!((&error["code"], &error["provider"]), (&json!("provider_key_missing"), &json!("bitrouter")));
    assert_eq!(error["variables"], json!(["BITROUTER_API_KEY"]));
    assert_eq!(world.account.asked(), (0, 0));
}

#[tokio::test]
async fn a_call_goes_to_the_accounts_server_with_its_token_and_says_through_whom_it_went() {
    let world = World::new().await;
    world.sign_in(vec![Model { id: "some/model".to_owned(), ..Model::default() }]);
    for (path, body, arrives, sent) in [
        ("/v1/chat/completions", CHAT, "/acct/v1/chat/completions", "some/model"),
        ("/v1/responses", r#"{"model":"bitrouter/some/model","input":"hi"}"#, "/acct/v1/responses", "some/model"),
        ("/v1/messages", r#"{"model":"bitrouter:m","max_tokens":1,"messages":[]}"#, "/acct/v1/messages", "\"m\""),
        (
            "/v1beta/models/bitrouter:m:generateContent",
            r#"{"contents":[]}"#,
            "/acct/v1beta/models/m:generatecontent",
            "",
        ),
    ] {
        let mut caller = world.caller().await;
        caller.post(path, body).await;
        let mut provider = world.accept().await;
        let (head, arrived) = provider.message().await;
        assert!(head.starts_with(&format!("post {arrives}")), "{head}");
        assert!(head.contains("authorization: bearer bra_first-canary\r\n"), "{head}");
        assert!(head.contains("x-bitrouter-hop: ") && !head.contains("from-the-caller"), "{head}");
        assert!(String::from_utf8(arrived).unwrap().contains(sent), "{path}");
        provider.send(reply("200 OK", "{}").replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(caller.reply().await.0, 200, "{path}");
    }
    let records = world.records(4).await;
    assert!(records.iter().all(|record| record.provider.as_ref().unwrap().as_str() == "bitrouter"));
    assert_eq!(world.account.asked(), (4, 0));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_same_request_sent_once_more() {
    let world = World::new().await;
    world.sign_in(vec![]);
    world.account.renews_to(Some(token("bra_second-canary", &world.server())));
    let mut caller = world.caller().await;
    caller.chat(&CHAT.replace("\"hi\"", "\"h\\u0069\"").replacen('{', "{\"stream\":true,", 1)).await;
    let mut provider = world.accept().await;
    let (head, first) = provider.message().await;
    assert!(head.contains("bearer bra_first-canary"), "{head}");
    let refusal = reply("401 Unauthorized", r#"{"error":{"message":"expired","code":"invalid_api_key"}}"#);
    provider.send(refusal.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
    let mut provider = world.accept().await;
    let (head, second) = provider.message().await;
    assert!(head.contains("bearer bra_second-canary") && !head.contains("first-canary"), "{head}");
    assert_eq!(first, second);
    provider.send(STREAM).await;
    provider.send(chunk("data: {\"choices\":[]}\n\n") + &chunk("data: [DONE]\n\n") + "0\r\n\r\n").await;
    let head = caller.until("\r\n\r\n").await;
    assert_eq!(status(&head), 200);
    caller.until("[DONE]").await;
    assert_eq!(world.account.asked(), (1, 1));
}

#[tokio::test]
async fn a_second_refusal_is_the_servers_answer_and_shows_no_token() {
    let world = World::new().await;
    world.sign_in(vec![]);
    // What is refused again; nothing better is there; another server's is never sent here.
    for (renewed, sent) in [
        (Some(token("bra_second-canary", &world.server())), 2),
        (None, 1),
        (Some(token("bra_second-canary", "https://elsewhere.example")), 1),
    ] {
        world.account.renews_to(renewed);
        let mut caller = world.caller().await;
        caller.chat(CHAT).await;
        for _ in 0..sent {
            let mut provider = world.accept().await;
            let (head, _) = provider.message().await;
            let shown = head.split("bearer ").nth(1).unwrap().lines().next().unwrap().to_owned();
            let body = format!(r#"{{"error":{{"message":"{shown} is over","code":"theirs"}}}}"#);
            provider.send(reply("401 Unauthorized", &body).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
        }
        let (status, document) = caller.reply().await;
        assert_eq!((status, &document["error"]["code"]), (401, &json!("theirs")));
        assert!(!document.to_string().contains("canary"), "{document}");
    }
}

#[tokio::test]
async fn p04_a_token_never_leaves_for_another_server_than_its_issuer() {
    let world = World::new().await;
    world.sign_in(vec![]);
    let elsewhere = format!("http://{}/other", world.provider_address());
    world.account.is(Ok(AccountCredential::Token(token("bra_canary", &elsewhere))));
    let (status, document) = world.ask("/v1/chat/completions", CHAT).await;
    assert_eq!((status, &document["error"]["code"]), (503, &json!("unavailable")), "{document}");
    // The snapshot that came meanwhile is taken: the token's own server gets it.
    let server = world.server();
    world.account.is(Ok(AccountCredential::Token(token("bra_canary", &(server + "/")))));
    let mut caller = world.caller().await;
    caller.chat(CHAT).await;
    let (head, _) = world.accept().await.message().await;
    assert!(head.starts_with("post /acct/v1/") && head.contains("bearer bra_canary"), "{head}");
}

#[tokio::test]
async fn each_refusal_has_its_code_and_says_what_helps() {
    let world = World::new().await;
    world.sign_in(vec![]);
    for (refused, code, said) in [
        (AccountRefused::SignedOut, (402, "provider_key_missing"), "bitrouter auth login"),
        (AccountRefused::Ended("it was revoked".to_owned()), (401, "session_ended"), "bitrouter auth login"),
        (AccountRefused::OutOfReach("no route".to_owned()), (502, "upstream_unavailable"), "no route"),
        (AccountRefused::Unavailable("the node is off".to_owned()), (503, "unavailable"), "the node is off"),
    ] {
        world.account.is(Err(refused));
        let (status, document) = world.ask("/v1/chat/completions", CHAT).await;
        let error = &document["error"];
        assert_eq!((status, error["code"].as_str().unwrap()), code);
        assert!(error["message"].as_str().unwrap().contains(said), "{document}");
    }
    // What a snapshot already knows is said without asking, with the command that fits.
    world.change(|snapshot| {
        let sign_in = Some("bitrouter auth login --local".to_owned());
        snapshot.account = Account { state: AccountState::Ended("it was revoked".to_owned()), sign_in };
    });
    let (status, document) = world.ask("/v1/messages", r#"{"model":"bitrouter:m","max_tokens":1,"messages":[]}"#).await;
    assert_eq!((status, &document["error"]["code"]), (401, &json!("session_ended")));
    assert!(
        document["error"]["message"].as_str().unwrap().ends_with("run `bitrouter auth login --local`"),
        "{document}"
    );
}

#[tokio::test]
async fn nobody_waits_for_a_credential_longer_than_the_daemon_lives() {
    let world = World::new().await;
    world.sign_in(vec![]);
    *world.account.credential.lock().unwrap() = None;
    let mut caller = world.caller().await;
    caller.chat(CHAT).await;
    while world.account.asked().0 == 0 {
        tokio::task::yield_now().await;
    }
    world.gateway.interrupt();
    let (status, document) = caller.reply().await;
    assert_eq!((status, &document["error"]["code"]), (503, &json!("unavailable")));
}

struct KeyOfTheAccount(SecretString);

impl KeySource for KeyOfTheAccount {
    fn key(&self, _: Caller, provider: &ProviderId) -> Option<&SecretString> {
        (provider.as_str() == "bitrouter").then_some(&self.0)
    }
}

#[tokio::test]
async fn a_key_of_the_environment_beats_the_session_and_its_401_is_passed_on() {
    let world = World::new().await;
    world.sign_in(vec![]);
    world.change(|snapshot| snapshot.keys = Arc::new(KeyOfTheAccount(SecretString::from("brk_canary"))));
    let mut caller = world.caller().await;
    caller.chat(CHAT).await;
    let mut provider = world.accept().await;
    let (head, _) = provider.message().await;
    assert!(head.contains("authorization: bearer brk_canary\r\n"), "{head}");
    provider.send(reply("401 Unauthorized", r#"{"error":{"message":"no brk_canary"}}"#)).await;
    let (status, document) = caller.reply().await;
    assert_eq!((status, &document["error"]["message"]), (401, &json!("no [redacted]")));
    assert_eq!(world.account.asked(), (0, 0));
}

#[tokio::test]
async fn it_serves_only_who_names_it_or_prefers_it() {
    let world = World::new().await;
    let models = ["same", "only-there"].map(|id| Model { id: id.to_owned(), ..Model::default() });
    world.sign_in(models.to_vec());
    let (status, document) = world.ask("/v1/chat/completions", r#"{"model":"only-there"}"#).await;
    assert_eq!(status, 404, "{document}");
    let mut caller = world.caller().await;
    caller.chat(r#"{"model":"same"}"#).await;
    let (head, _) = world.accept().await.message().await;
    assert!(head.starts_with("post /base/v1/") && head.contains(KEY), "{head}");
    world.change(|snapshot| snapshot.prefer = vec![ProviderId::parse("bitrouter").unwrap()]);
    for model in ["same", "only-there"] {
        let mut caller = world.caller().await;
        caller.chat(&json!({ "model": model }).to_string()).await;
        let (head, _) = world.accept().await.message().await;
        assert!(head.starts_with("post /acct/v1/") && head.contains("bra_first-canary"), "{head}");
    }
}

#[tokio::test]
async fn the_own_node_serves_it_here_and_the_real_provider_is_recorded() {
    let world = World::new().await;
    world.change(|snapshot| drop(snapshot.aliases.insert("mine".to_owned(), "bitrouter:acme/big".to_owned())));
    world.sign_in_to_own_node(principal([Scope::InferenceInvoke]));
    for (count, model) in ["bitrouter:acme/big", "bitrouter/acme:big", "mine"].into_iter().enumerate() {
        let mut caller = world.caller().await;
        caller.chat(&json!({ "model": model }).to_string()).await;
        let mut provider = world.accept().await;
        let (head, body) = provider.message().await;
        assert!(head.starts_with("post /base/v1/") && head.contains(KEY), "{head}");
        assert_eq!(body, br#"{"model":"big-2026"}"#, "{model}");
        provider.send(reply("200 OK", "{}").replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(caller.reply().await.0, 200);
        let record = world.records(count + 1).await.pop().unwrap();
        assert_eq!((record.provider.unwrap().as_str(), record.model.as_ref()), ("acme", "big"));
    }
    let (status, document) = world
        .ask("/v1/chat/completions", r#"{"model":"bitrouter:demo/echo","messages":[{"role":"user","content":"hi"}]}"#)
        .await;
    assert_eq!((status, &document["choices"][0]["message"]["content"]), (200, &json!("hi")), "{document}");
    for (model, expected) in [
        ("bitrouter:bitrouter:acme/big", (508, "loop_detected")),
        ("bitrouter/bitrouter/acme/big", (508, "loop_detected")),
        ("bitrouter:mine", (508, "loop_detected")),
        ("bitrouter:nobody-has-this", (404, "model_not_found")),
        ("bitrouter:openai/gpt-4o", (402, "provider_key_missing")),
    ] {
        let (status, document) = world.ask("/v1/chat/completions", &json!({ "model": model }).to_string()).await;
        assert_eq!((status, document["error"]["code"].as_str().unwrap()), expected, "{model}: {document}");
    }
}

#[tokio::test]
async fn the_own_nodes_credential_needs_the_scope_where_it_stands_for_the_caller() {
    let world = World::new().await;
    world.sign_in_to_own_node(principal([Scope::UsageRead]));
    let (status, document) = world.ask("/v1/chat/completions", r#"{"model":"bitrouter:demo/echo"}"#).await;
    assert_eq!((status, &document["error"]["code"]), (403, &json!("missing_scope")), "{document}");
    assert_eq!(document["error"]["message"], "missing required scope: inference:invoke");
}

/// A catalog in which one provider stores responses, and the world's provider is it.
fn storing(world: &World) -> Catalog {
    let text =
        "id = \"store\"\nkind = \"first_party\"\nendpoint = \"https://store.invalid/v1\"\nprotocol = \"responses\"";
    let base_url = Some(format!("http://{}/store/v1", world.provider_address()));
    let over = ProviderOverride { base_url, ..ProviderOverride::default() };
    let overrides = BTreeMap::from([(ProviderId::parse("store").unwrap(), over)]);
    let user = vec![Manifest::parse(text, Path::new("store.toml")).unwrap()];
    Catalog::build(shipped().unwrap(), user, overrides, false).unwrap()
}

struct KeyOfTheStore(SecretString);

impl KeySource for KeyOfTheStore {
    fn key(&self, _: Caller, provider: &ProviderId) -> Option<&SecretString> {
        (provider.as_str() == "store").then_some(&self.0)
    }
}

#[tokio::test]
async fn what_a_keyless_caller_had_made_by_the_own_node_is_found_again_by_it_and_by_its_namespace_alone() {
    let world = World::new().await;
    let catalog = Arc::new(storing(&world));
    world.change(|snapshot| {
        snapshot.catalog = catalog;
        snapshot.keys = Arc::new(KeyOfTheStore(SecretString::from("sk-store")));
    });
    let holder = principal([Scope::InferenceInvoke]);
    world.sign_in_to_own_node(holder);
    let close = |body: &str| reply("200 OK", body).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let made = r#"{"id":"resp_mine","object":"response","status":"completed","output":[]}"#;
    let mut caller = world.caller().await;
    caller.post("/v1/responses", r#"{"model":"bitrouter:store:m","input":"hi"}"#).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(close(made)).await;
    assert_eq!(caller.reply().await.0, 200);
    world.records(1).await;

    // The same caller by its id, and going on from it through the account.
    let mut caller = world.caller().await;
    let get = async { caller.get("/v1/responses/resp_mine").await.0 };
    let serve = async {
        let mut provider = world.accept().await;
        let (head, _) = provider.message().await;
        assert!(head.starts_with("get /store/v1/responses/resp_mine "), "{head}");
        provider.send(close(made)).await;
    };
    assert_eq!(tokio::join!(get, serve).0, 200);
    let mut caller = world.caller().await;
    caller
        .post("/v1/responses", r#"{"model":"bitrouter:store:m","input":"more","previous_response_id":"resp_mine"}"#)
        .await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(close("{}")).await;
    assert_eq!(caller.reply().await.0, 200);
    // A keyless call that does not go through the account is made in another namespace.
    let (status, _) = world.ask("/v1/responses", r#"{"model":"store:m","previous_response_id":"resp_mine"}"#).await;
    assert_eq!(status, 404);
    // Neither is it another namespace's.
    let stranger = Principal { namespace: "ns_00000000000000000000000009".parse().unwrap(), ..holder };
    let (status, _) = world.answer(Caller::Credential(stranger), "GET", "/v1/responses/resp_mine").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn the_accounts_list_is_asked_for_with_its_token_and_gives_limits_and_prices() {
    let world = World::new().await;
    world.sign_in(vec![]);
    world.account.renews_to(Some(token("bra_second-canary", &world.server())));
    let list = json!({"data": [
        {"id": "some/model", "max_input_tokens": 9, "max_output_tokens": 5,
         "pricing": {"input_tokens": {"no_cache": 1.5}, "output_tokens": {"text": 2}}},
        {"id": "plain"}, {"id": "bad\nname"},
    ]});
    let serving = async {
        let mut provider = world.accept().await;
        let (head, _) = provider.message().await;
        assert!(head.starts_with("get /acct/v1/models ") && head.contains("bearer bra_first-canary"), "{head}");
        provider.send(reply("401 Unauthorized", "{}").replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
        let mut provider = world.accept().await;
        assert!(provider.message().await.0.contains("bearer bra_second-canary"));
        provider.send(reply("200 OK", &list.to_string())).await;
        provider
    };
    let (listed, _provider) = tokio::join!(world.gateway.account_models(), serving);
    let listed = listed.unwrap();
    assert_eq!((listed.server.as_str(), listed.models.len()), (world.server().as_str(), 2));

    world.sign_in(listed.models);
    let looked = tokio::time::timeout(Duration::from_secs(10), world.gateway.account_models_asked());
    let (_, list) = world.caller().await.get("/v1/models").await;
    looked.await.expect("whoever keeps the list young is told");
    let ours: Vec<&Value> =
        list["data"].as_array().unwrap().iter().filter(|model| model["owned_by"] == "bitrouter").collect();
    assert_eq!(ours.len(), 2);
    assert_eq!((&ours[0]["id"], &ours[0]["max_input_tokens"]), (&json!("bitrouter/some/model"), &json!(9)));
    assert_eq!(ours[0]["pricing"]["input_tokens"]["no_cache"], 1.5);
    assert!(ours[1].get("pricing").is_none());
    let (status, one) = world.caller().await.get("/v1/models/bitrouter/some/model").await;
    assert_eq!((status, &one["max_output_tokens"]), (200, &json!(5)));
}

#[tokio::test]
async fn a_list_that_is_none_has_a_reason_and_a_long_one_an_end() {
    let world = World::new().await;
    world.sign_in(vec![]);
    for (answer, reason) in [
        (reply("503 Unavailable", "{}"), "it answered 503"),
        (reply("200 OK", "<html>"), "no JSON"),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 9 << 20) + &"x".repeat(9 << 20), "longer than 8 MiB"),
    ] {
        let serving = async {
            let mut provider: Wire = world.accept().await;
            provider.message().await;
            // Who has read enough hangs up.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut provider.0, answer.as_bytes()).await;
        };
        let (asked, ()) = tokio::join!(world.gateway.account_models(), serving);
        let said = asked.unwrap_err();
        assert!(said.contains(reason), "{said}");
    }
    world.account.is(Err(AccountRefused::OutOfReach("no route".to_owned())));
    assert!(world.gateway.account_models().await.unwrap_err().contains("no route"));
    world.account.is(Ok(AccountCredential::Token(token("bra_canary", "https://elsewhere.example"))));
    assert!(world.gateway.account_models().await.unwrap_err().contains("changed"));
}

#[tokio::test]
async fn the_own_nodes_list_is_what_is_reached_here() {
    let world = World::new().await;
    world.sign_in_to_own_node(principal([Scope::InferenceInvoke]));
    let (_, list) = world.caller().await.get("/v1/models").await;
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    for id in ["acme/big", "acme/same", "demo/echo"] {
        assert!(ids.contains(&id) && ids.contains(&format!("bitrouter/{id}").as_str()), "{id}: {ids:?}");
    }
    assert!(!ids.iter().any(|id| id.starts_with("bitrouter/bitrouter")), "{ids:?}");
    let (status, model) = world.caller().await.get("/v1/models/bitrouter/demo/echo").await;
    assert_eq!((status, &model["id"], &model["owned_by"]), (200, &json!("bitrouter/demo/echo"), &json!("bitrouter")));
    assert!(model["pricing"].is_object(), "{model}");
    assert_eq!(world.caller().await.get("/v1/models/bitrouter:bitrouter:demo/echo").await.0, 508);
    assert_eq!(world.account.asked(), (0, 0));
}
