//! The code grant in a browser: what the page shows, where the browser goes, and what a code is good for.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bitrouter_proto::account::Role;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{Browser, Fixture, Page, encoded};

const PASSWORD: &str = "correct horse";
const URI: &str = "https://agent.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// What the owner asks for at the control socket, below the first namespace.
async fn ask(fixture: &Fixture, method: &str, below: &str, body: &Value) -> Value {
    let path = format!("/v1/namespaces/{}{below}", fixture.node.first_namespace());
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let response = Arc::clone(&fixture.node).answer_owner(request.body(body).unwrap()).await;
    let status = response.status();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(status, StatusCode::OK, "{text:?}");
    serde_json::from_slice(&text).unwrap()
}

struct Cast {
    fixture: Fixture,
    ada: Browser,
    client: String,
    secret: String,
}

/// Ada, member of the first namespace, signed in; a confidential client of that namespace.
async fn cast() -> Cast {
    let fixture = Fixture::new().await;
    fixture.person("ada", PASSWORD).await;
    let home = fixture.node.first_namespace().to_string();
    fixture.node.set_member(&home, "ada", Role::Admin).await.unwrap();
    let mut ada = fixture.browser(Some(7));
    assert_eq!(ada.sign_in("ada", PASSWORD).await.status, StatusCode::SEE_OTHER);
    let new = json!({
        "client_name": "my-agent", "client_type": "confidential", "redirect_uris": [URI],
        "allowed_scopes": ["inference:invoke", "policy:read", "keys:write"],
        "allowed_grant_types": ["authorization_code", "refresh_token"],
    });
    let made = ask(&fixture, "POST", "/oauth/clients", &new).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Cast { client: text("client_id"), secret: text("client_secret"), fixture, ada }
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()))
}

impl Cast {
    /// The address that the client sends a browser to, with these parameters in the place of its usual ones.
    fn address(&self, changed: &[(&str, Option<&str>)]) -> String {
        let challenge = challenge(VERIFIER);
        let usual = [
            ("response_type", "code"),
            ("client_id", &self.client),
            ("redirect_uri", URI),
            ("scope", "inference:invoke policy:read usage:read"),
            ("state", "st&te"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let of = |name: &str| changed.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        let kept = usual.into_iter().filter_map(|(name, value)| Some((name, of(name).unwrap_or(Some(value))?)));
        let added = changed.iter().filter(|(name, _)| !usual.iter().any(|(other, _)| other == name));
        let all = kept.chain(added.filter_map(|(name, value)| Some((*name, (*value)?))));
        let pairs: Vec<_> = all.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("/oauth/authorize?{}", pairs.join("&"))
    }

    /// The page behind ada's approval of all that is ticked.
    async fn approve(&mut self, changed: &[(&str, Option<&str>)]) -> Page {
        let page = self.ada.get(&self.address(changed)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let fields = filled_in(&page);
        let mut fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.push(("decision", "approve"));
        self.ada.post("/oauth/authorize", &fields).await
    }

    /// A code that was just approved.
    async fn code(&mut self) -> String {
        let onward = self.approve(&[]).await;
        parameter(&address(&onward), "code").unwrap()
    }

    async fn token(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let page = self.fixture.browser(Some(9)).post("/oauth/token", fields).await;
        (page.status.as_u16(), serde_json::from_str(&page.text).unwrap())
    }

    /// Comes for the tokens of `code` as the client does, with these parameters changed.
    async fn redeem(&self, code: &str, changed: &[(&str, Option<&str>)]) -> (u16, Value) {
        let usual = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client.as_str()),
            ("client_secret", self.secret.as_str()),
            ("code", code),
            ("redirect_uri", URI),
            ("code_verifier", VERIFIER),
        ];
        let of = |name: &str| changed.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        let all: Vec<_> =
            usual.into_iter().filter_map(|(name, value)| Some((name, of(name).unwrap_or(Some(value))?))).collect();
        self.token(&all).await
    }

    fn opens(&self, tokens: &Value) -> bool {
        self.fixture.node.judge(tokens["access_token"].as_str().unwrap().as_bytes()).is_ok()
    }
}

fn refusal((status, document): (u16, Value)) -> (u16, String) {
    (status, document["error"].as_str().unwrap_or_default().to_owned())
}

/// The fields that the page sends when nothing on it is changed.
fn filled_in(page: &Page) -> Vec<(&'static str, String)> {
    let namespace = page.text.split("<option value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let unescaped = |text: String| text.replace("&#38;", "&").replace("&amp;", "&");
    let mut fields =
        vec![("csrf", page.hidden("csrf")), ("request", unescaped(page.hidden("request"))), ("namespace", namespace)];
    for tick in page.text.split("name=\"scope\" value=\"").skip(1) {
        let (scope, rest) = tick.split_once('"').unwrap();
        if rest.starts_with(" checked") {
            fields.push(("scope", scope.to_owned()));
        }
    }
    fields
}

/// Where a page goes on to by itself.
fn address(page: &Page) -> String {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.header(header::LOCATION).is_empty());
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("form-action 'self'") && !policy.contains("agent.example"), "{policy}");
    let start = "<meta http-equiv=\"refresh\" content=\"0;url=";
    let from = page.text.find(start).unwrap_or_else(|| panic!("it goes nowhere: {}", page.text)) + start.len();
    let written = page.text[from..].split('"').next().unwrap();
    let address = written.replace("&#38;", "&").replace("&amp;", "&");
    assert!(page.text.contains(&format!("href=\"{written}\"")), "{}", page.text);
    address
}

fn parameter(address: &str, name: &str) -> Option<String> {
    let query = address.split_once('?')?.1;
    let form = crate::http::body::Form::parse(query.as_bytes()).unwrap();
    form.one(name).map(str::to_owned)
}

#[tokio::test]
async fn rfc6749_4_1_a_person_approves_and_the_client_gets_tokens() {
    let mut cast = cast().await;
    // Who is not signed in signs in first and comes back.
    let path = cast.address(&[]);
    let mut other = cast.fixture.browser(Some(8));
    let sent = other.get(&path).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert!(sent.header(header::LOCATION).starts_with("/login?next=/oauth/authorize%3F"), "{:?}", sent.headers);
    let page = cast.ada.get(&path).await;
    for part in [
        "my-agent",
        &cast.client,
        "owner",
        "<dd>default of owner</dd>",
        "id=\"host\">agent.example<",
        "policy:read\" checked",
    ] {
        assert!(page.text.contains(part), "no {part} in {}", page.text);
    }
    // It is allowed no more than it was registered for.
    assert!(!page.text.contains("usage:read") && !page.text.contains("keys:write"), "{}", page.text);
    assert_eq!(page.text.matches("<option").count(), 1, "of ada's own namespace it gets nothing");
    let onward = cast.approve(&[]).await;
    let address = address(&onward);
    assert!(address.starts_with(&format!("{URI}?code=")), "{address}");
    assert_eq!(parameter(&address, "state").as_deref(), Some("st&te"));
    assert_eq!(parameter(&address, "iss").as_deref(), Some("http://127.0.0.1:4356"));
    let code = parameter(&address, "code").unwrap();
    let (status, tokens) = cast.redeem(&code, &[]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(tokens["scope"], "inference:invoke policy:read");
    assert_eq!(tokens["namespace_id"], cast.fixture.node.first_namespace().to_string());
    assert!(cast.opens(&tokens));
    // It renews itself, with its secret only.
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", &*cast.client)];
    assert_eq!(refusal(cast.token(&fields).await), (401, "invalid_client".to_owned()));
    let with = [&fields[..], &[("client_secret", &*cast.secret)]].concat();
    assert_eq!(cast.token(&with).await.0, 200);
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_is_good_once_for_its_client_within_a_minute() {
    let mut cast = cast().await;
    let code = cast.code().await;
    let other = json!({
        "client_name": "another", "client_type": "public", "redirect_uris": [URI],
        "allowed_grant_types": ["authorization_code"],
    });
    let other = ask(&cast.fixture, "POST", "/oauth/clients", &other).await;
    let other = other["client_id"].as_str().unwrap();
    let wrong = challenge("another");
    let invalid_grant = || (400, "invalid_grant".to_owned());
    for (changed, expected, words) in [
        (&[("client_id", Some(other)), ("client_secret", None)][..], invalid_grant(), "another client"),
        (&[("code_verifier", None)], (400, "invalid_request".to_owned()), "code_verifier"),
        (&[("code_verifier", Some(wrong.as_str()))], invalid_grant(), "code_verifier"),
        (&[("code_verifier", Some("short"))], (400, "invalid_request".to_owned()), "code_verifier"),
        (&[("redirect_uri", Some("https://agent.example/cb/"))], invalid_grant(), "redirect_uri"),
        (&[("redirect_uri", None)], (400, "invalid_request".to_owned()), "redirect_uri"),
        (&[("client_secret", None)], (401, "invalid_client".to_owned()), "secret"),
        (&[("client_secret", Some("x"))], (401, "invalid_client".to_owned()), "secret"),
        (&[("code", Some("x"))], invalid_grant(), "no such code"),
    ] {
        let refused = cast.redeem(&code, changed).await;
        let said = refused.1["error_description"].as_str().unwrap().to_owned();
        assert_eq!(refusal(refused), expected, "{changed:?}");
        assert!(said.contains(words), "{said}");
    }
    // None of it has spent the code.
    let (status, tokens) = cast.redeem(&code, &[]).await;
    assert!(status == 200 && cast.opens(&tokens), "{tokens}");
    // Used again, what came of it ends; who is another client ends nothing.
    let foreign = [("client_id", Some(other)), ("client_secret", None)];
    assert_eq!(refusal(cast.redeem(&code, &foreign).await), invalid_grant());
    assert!(cast.opens(&tokens));
    assert_eq!(refusal(cast.redeem(&code, &[]).await), invalid_grant());
    assert!(!cast.opens(&tokens));
    assert!(cast.fixture.revoked().contains(" grant tok_"));
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("client_id", &*cast.client),
        ("client_secret", &*cast.secret),
    ];
    assert_eq!(refusal(cast.token(&fields).await), invalid_grant());
    // A minute is enough for a browser.
    let late = cast.code().await;
    cast.fixture.clock.advance(Duration::from_mins(1));
    let (status, refused) = cast.redeem(&late, &[]).await;
    assert!(status == 400 && refused["error_description"].as_str().unwrap().contains("expired"), "{refused}");
    let just = cast.code().await;
    cast.fixture.clock.advance(Duration::from_millis(59_999));
    assert_eq!(cast.redeem(&just, &[]).await.0, 200);
}

#[tokio::test]
async fn n15_nobody_is_sent_where_the_client_has_not_registered() {
    let mut cast = cast().await;
    for changed in [
        &[("client_id", None)][..],
        &[("client_id", Some("brc_00000000000000000000000001"))],
        &[("client_id", Some("bitrouter-cli"))],
        &[("redirect_uri", Some("https://agent.example/cb/"))],
        &[("redirect_uri", Some("https://agent.example/cb?x"))],
        &[("redirect_uri", Some("https://AGENT.example/cb"))],
        &[("redirect_uri", Some("https://evil.example/cb"))],
    ] {
        let page = cast.ada.get(&cast.address(changed)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{changed:?}");
        assert!(!page.text.contains("http-equiv=\"refresh\"") && page.header(header::LOCATION).is_empty());
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example", cast.address(&[]));
    assert_eq!(cast.ada.get(&twice).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn rfc6749_4_1_2_1_what_is_asked_wrongly_goes_back_to_the_client() {
    let mut cast = cast().await;
    for (changed, error) in [
        (&[("response_type", None)][..], "invalid_request"),
        (&[("response_type", Some("token"))], "unsupported_response_type"),
        (&[("response_mode", Some("fragment"))], "invalid_request"),
        (&[("code_challenge", None)], "invalid_request"),
        (&[("code_challenge", Some("short"))], "invalid_request"),
        (&[("code_challenge_method", None)], "invalid_request"),
        (&[("code_challenge_method", Some("plain"))], "invalid_request"),
        (&[("scope", Some("root"))], "invalid_scope"),
        (&[("scope", Some("namespace:write"))], "invalid_scope"),
        (&[("scope", Some("usage:read"))], "invalid_scope"),
        (&[("resource", Some("https://other.example"))], "invalid_target"),
    ] {
        let address = address(&cast.ada.get(&cast.address(changed)).await);
        assert!(address.starts_with(&format!("{URI}?error=")), "{address}");
        assert_eq!(parameter(&address, "error").as_deref(), Some(error), "{changed:?}");
        assert_eq!(parameter(&address, "state").as_deref(), Some("st&te"));
        assert_eq!(parameter(&address, "iss").as_deref(), Some("http://127.0.0.1:4356"));
        assert_eq!(parameter(&address, "code"), None);
        // Before somebody has signed in, nobody is sent there.
        let stranger = cast.fixture.browser(Some(8)).get(&cast.address(changed)).await;
        assert_eq!(stranger.status, StatusCode::SEE_OTHER);
    }
    let twice = format!("{}&scope=inference%3Ainvoke", cast.address(&[]));
    assert_eq!(parameter(&address(&cast.ada.get(&twice).await), "error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn n06_nothing_but_the_posted_form_of_our_own_page_decides() {
    let mut cast = cast().await;
    let page = cast.ada.get(&cast.address(&[])).await;
    let fields = filled_in(&page);
    let with = |more: &[(&'static str, &str)], but: &str| {
        let kept = fields.iter().filter(|(name, _)| *name != but).map(|(name, value)| (*name, value.clone()));
        kept.chain(more.iter().map(|(name, value)| (*name, (*value).to_owned()))).collect::<Vec<_>>()
    };
    let post = async |browser: &mut Browser, fields: Vec<(&'static str, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post("/oauth/authorize", &fields).await
    };
    let approve = [("decision", "approve")];
    let stale = post(&mut cast.ada, with(&[approve[0], ("csrf", "x")], "csrf")).await;
    assert_eq!(stale.status, StatusCode::FORBIDDEN);
    let mut foreign = cast.ada.clone();
    foreign.origin = Some("https://evil.example".to_owned());
    assert_eq!(post(&mut foreign, with(&approve, "")).await.status, StatusCode::FORBIDDEN);
    for (fields, words) in [
        (with(&approve, "scope"), "Tick at least one permission"),
        (with(&approve, "namespace"), "Choose the namespace"),
    ] {
        let again = post(&mut cast.ada, fields).await;
        assert!(again.status == StatusCode::BAD_REQUEST && again.text.contains(words), "{}", again.text);
    }
    let undecided = post(&mut cast.ada, with(&[], "")).await;
    assert_eq!(undecided.status, StatusCode::BAD_REQUEST);
    // What the page does not offer cannot be ticked.
    let more = post(&mut cast.ada, with(&[approve[0], ("scope", "billing:write"), ("scope", "keys:write")], "")).await;
    let code = parameter(&address(&more), "code").unwrap();
    assert_eq!(cast.redeem(&code, &[]).await.1["scope"], "inference:invoke policy:read");
    let denied = address(&post(&mut cast.ada, with(&[("decision", "deny")], "")).await);
    assert_eq!(parameter(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&denied, "state").as_deref(), Some("st&te"));
}

#[tokio::test]
async fn who_changed_what_a_program_is_called_or_where_it_leads_is_named() {
    use crate::oauth::clients::{Change, Registrar};
    use bitrouter_proto::account::ScopeSet;

    let mut cast = cast().await;
    let node = Arc::clone(&cast.fixture.node);
    let (id, namespace) = (cast.client.parse().unwrap(), node.first_namespace());
    let people = node.list_users().await.unwrap();
    let ada = people.iter().find(|person| person.name == "ada").unwrap().id;
    let (uri, both) = (Some(vec![URI.to_owned()]), Some(vec![URI.to_owned(), "https://other.example/cb".to_owned()]));
    let renamed = || Change { name: Some("her-agent".to_owned()), ..Change::default() };
    for (person, change, changer) in [
        (
            ada,
            Change { scopes: Some(ScopeSet::parse("inference:invoke policy:read").unwrap()), ..Change::default() },
            None,
        ),
        (ada, Change { redirect_uris: uri.clone(), ..Change::default() }, None),
        (ada, Change { redirect_uris: both, ..Change::default() }, Some("ada")),
        (node.owner(), Change { redirect_uris: uri, ..Change::default() }, None),
        (ada, renamed(), Some("ada")),
        (node.owner(), renamed(), Some("ada")),
    ] {
        let registrar = Registrar { person, namespace, scopes: ScopeSet::GRANTABLE };
        let words = format!("{change:?}");
        node.change_client(&registrar, id, change).await.unwrap();
        let page = cast.ada.get(&cast.address(&[])).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let said = changer.map(|name| format!("id=\"changer\">{name}<"));
        assert_eq!(page.text.contains("id=\"changer\""), said.is_some(), "{words}");
        assert!(said.is_none_or(|said| page.text.contains(&said)), "{words}: {}", page.text);
    }
    // Who is gone from the namespace is named so.
    node.set_member(&namespace.to_string(), "ada", Role::Viewer).await.unwrap();
    cast.fixture.person("bob", PASSWORD).await;
    node.set_member(&namespace.to_string(), "bob", Role::Member).await.unwrap();
    node.remove_member(&namespace.to_string(), "ada").await.unwrap();
    let mut bob = cast.fixture.browser(Some(9));
    bob.sign_in("bob", PASSWORD).await;
    let page = bob.get(&cast.address(&[])).await;
    assert!(page.text.contains("id=\"changer\">ada, who is nothing in the namespace any more<"), "{}", page.text);
}

#[tokio::test]
async fn p07_a_client_asks_the_people_of_its_own_namespace_only() {
    let mut cast = cast().await;
    cast.fixture.person("eve", PASSWORD).await;
    let mut eve = cast.fixture.browser(Some(8));
    eve.sign_in("eve", PASSWORD).await;
    let page = eve.get(&cast.address(&[])).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains("only the people of the namespace") && !page.text.contains("value=\"approve\""));
    assert!(!page.text.contains("default") && !page.text.contains("owner"), "{}", page.text);
    // A form of her own making: her own namespace, and the client's.
    let own = crate::people::namespaces::list(&cast.fixture.node, eve_id(&cast).await).await.unwrap()[0].id.to_string();
    let home = cast.fixture.node.first_namespace().to_string();
    for namespace in [&own, &home] {
        let csrf = page.hidden("csrf");
        let request = cast.address(&[]).split_once('?').unwrap().1.to_owned();
        let fields = [
            ("csrf", csrf.as_str()),
            ("request", &request),
            ("namespace", namespace),
            ("scope", "inference:invoke"),
            ("decision", "approve"),
        ];
        let refused = eve.post("/oauth/authorize", &fields).await;
        assert!(refused.status.is_client_error() && !refused.text.contains("code="), "{}", refused.text);
    }
    // Ada is of both, and gives it nothing of her own.
    let code = cast.code().await;
    assert_eq!(cast.redeem(&code, &[]).await.1["namespace_id"], home);
}

async fn eve_id(cast: &Cast) -> bitrouter_proto::account::PersonId {
    cast.fixture.node.list_users().await.unwrap().into_iter().find(|person| person.name == "eve").unwrap().id
}

#[tokio::test]
async fn p08_what_was_taken_away_meanwhile_is_not_given() {
    let mut cast = cast().await;
    let home = cast.fixture.node.first_namespace().to_string();
    // A narrower client, a lesser role: less comes.
    let code = cast.code().await;
    let path = format!("/oauth/clients/{}", cast.client);
    ask(&cast.fixture, "PUT", &path, &json!({"allowed_scopes": ["policy:read"]})).await;
    let tokens = cast.redeem(&code, &[]).await.1;
    assert_eq!(tokens["scope"], "policy:read");
    // A member who is removed and comes back has approved nothing.
    let code = cast.code().await;
    cast.fixture.node.remove_member(&home, "ada").await.unwrap();
    assert!(!cast.opens(&tokens));
    cast.fixture.node.set_member(&home, "ada", Role::Admin).await.unwrap();
    let (status, refused) = cast.redeem(&code, &[]).await;
    assert!(status == 400 && refused["error_description"].as_str().unwrap().contains("taken back"), "{refused}");
    // The client may not come so any more.
    let code = cast.code().await;
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    ask(&cast.fixture, "PUT", &path, &json!({"allowed_grant_types": [device]})).await;
    assert_eq!(refusal(cast.redeem(&code, &[]).await), (400, "unauthorized_client".to_owned()));
    // It is gone.
    ask(&cast.fixture, "DELETE", &path, &Value::Null).await;
    assert_eq!(refusal(cast.redeem(&code, &[]).await), (401, "invalid_client".to_owned()));
    assert_eq!(cast.ada.get(&cast.address(&[])).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_client_with_one_redirect_uri_need_not_name_it() {
    let mut cast = cast().await;
    let onward = cast.approve(&[("redirect_uri", None)]).await;
    let code = parameter(&address(&onward), "code").unwrap();
    assert_eq!(cast.redeem(&code, &[("redirect_uri", None)]).await.0, 200);
    // It goes on behind what the address asks already.
    let path = format!("/oauth/clients/{}", cast.client);
    let uris = json!({"redirect_uris": ["http://127.0.0.1:7777/cb?x=1", URI]});
    ask(&cast.fixture, "PUT", &path, &uris).await;
    let page = cast.ada.get(&cast.address(&[("redirect_uri", None)])).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "it has two");
    let onward = cast.approve(&[("redirect_uri", Some("http://127.0.0.1:7777/cb?x=1"))]).await;
    assert!(address(&onward).starts_with("http://127.0.0.1:7777/cb?x=1&code="), "{}", onward.text);
}

bitrouter_test_postgres::once_more_on_postgres!(
    rfc6749_4_1_a_person_approves_and_the_client_gets_tokens,
    rfc6749_4_1_2_a_code_is_good_once_for_its_client_within_a_minute,
    p07_a_client_asks_the_people_of_its_own_namespace_only,
    p08_what_was_taken_away_meanwhile_is_not_given,
);
