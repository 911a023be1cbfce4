//! REST over the real listener, with the session of a browser.

use bitrouter_tests::{Answer, Daemon, World};
use serde_json::{Value, json};

/// A browser in which the owner is signed in by a link.
pub(crate) struct Browser<'a> {
    daemon: &'a Daemon,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(world: &World, daemon: &'a Daemon) -> Self {
        let link = world.cli(["console", "--json"]).with_code(0).json()["url"].as_str().expect("a link").to_owned();
        let path = link.strip_prefix(&format!("http://{}", daemon.addr())).expect("a link to the daemon").to_owned();
        let followed = daemon.http().get(&path).send();
        assert_eq!(followed.status, 303, "{}", followed.text());
        let cookie =
            followed.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie").to_owned();
        let page = daemon.http().get("/console").header("Cookie", &cookie).send();
        let text = page.text();
        let (_, rest) = text.split_once("name=\"csrf-token\" content=\"").expect("a token in the page");
        let csrf = rest.split('"').next().unwrap_or_default().to_owned();
        Self { daemon, cookie, csrf }
    }

    fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let origin = format!("http://{}", self.daemon.addr());
        let call = self.daemon.http().request(method, path);
        let call = call.header("Cookie", &self.cookie).header("X-CSRF-Token", &self.csrf).header("Origin", &origin);
        match body {
            Some(body) => call.json(body.to_string()).send(),
            None => call.send(),
        }
    }
}

fn code(answer: &Answer) -> (u16, String) {
    let code = answer.json()["error"].as_str().expect("a flat error").to_owned();
    assert!(answer.json()["error_description"].is_string(), "{}", answer.text());
    (answer.status, code)
}

#[test]
fn a_browser_that_is_signed_in_manages_what_is_its_persons() {
    let world = World::new();
    let daemon = world.demo();
    let browser = Browser::new(&world, &daemon);
    let made = browser.send("POST", "/v1/namespaces", Some(json!({"name": "blue"}))).ok().json();
    let listed = browser.send("GET", "/v1/namespaces", None).ok().json();
    assert_eq!(listed["data"][1], made);
    let told = world.cli(["node", "namespace", "list", "--json"]).with_code(0).json();
    assert_eq!(told, listed, "the verb and REST show one definition");
    let path = format!("/v1/namespaces/{}", made["id"].as_str().expect("an id").to_ascii_uppercase());
    assert_eq!(browser.send("GET", &format!("{path}/sessions"), None).ok().json(), json!({"data": []}));
    assert_eq!(browser.send("DELETE", &path, None).ok().json(), json!({"deleted": true}));
    assert_eq!(code(&browser.send("DELETE", &path, None)), (404, "not_found".to_owned()));
    let account = browser.send("PATCH", "/v1/account", Some(json!({"display_name": "Ada"}))).ok().json();
    assert_eq!(account["display_name"], "Ada");
    assert_eq!(code(&browser.send("DELETE", "/v1/account", None)), (409, "conflict".to_owned()));
}

#[test]
fn p07_without_a_credential_nothing_is_told() {
    let world = World::new();
    let daemon = world.demo();
    let browser = Browser::new(&world, &daemon);
    for (method, path) in [
        ("GET", "/v1/namespaces"),
        ("GET", "/v1/account"),
        ("DELETE", "/v1/account"),
        ("PUT", "/v1/account"),
        ("GET", "/v1/namespaces/me/sessions"),
        ("GET", "/v1/billing/balance"),
        ("GET", "/v1/byok/keys"),
        ("GET", "/v1/node/usage"),
        ("GET", "/v1/requests/req_1"),
    ] {
        let answer = daemon.http().request(method, path).send();
        assert_eq!(code(&answer), (401, "unauthorized".to_owned()), "{method} {path}");
        assert!(answer.header("www-authenticate").is_some(), "{method} {path}");
        // A cookie alone is what any page's form sends.
        let alone = daemon.http().request(method, path).header("Cookie", &browser.cookie).send();
        assert_eq!(code(&alone), (403, "forbidden".to_owned()), "{method} {path}");
    }
    for token in ["bra_nonsense", "brk_nonsense"] {
        let answer = daemon.http().get("/v1/namespaces").bearer(token).send();
        assert_eq!(answer.status, 401, "{token}: {}", answer.text());
        assert!(answer.json()["error"].is_string(), "{}", answer.text());
    }
}

#[test]
fn p07_a_browsers_session_never_opens_inference() {
    let world = World::new();
    let daemon = world.serve().args(["--demo"]).start();
    world.config("[server]\nkeyless = \"never\"\n");
    daemon.reload();
    let browser = Browser::new(&world, &daemon);
    let body = json!({"model": "demo/echo", "messages": [{"role": "user", "content": "x"}]});
    let answer = browser.send("POST", "/v1/chat/completions", Some(body));
    assert!(answer.status == 401 || answer.status == 403, "{}", answer.text());
}

#[test]
fn bodies_and_queries_are_read_strictly_over_the_wire() {
    let world = World::new();
    let daemon = world.demo();
    let browser = Browser::new(&world, &daemon);
    let twice = browser.send("POST", "/v1/namespaces?limit=1", Some(json!({"name": "x"})));
    assert_eq!((code(&twice).0, twice.json()["field"].as_str()), (400, Some("limit")));
    let extra = browser.send("POST", "/v1/namespaces", Some(json!({"name": "x", "more": 1})));
    assert_eq!((code(&extra).0, extra.json()["field"].as_str()), (400, Some("more")));
    let large = browser.send("POST", "/v1/namespaces", Some(json!({"name": "x".repeat(1 << 20)})));
    assert_eq!(code(&large), (413, "bad_request".to_owned()));
    let method = browser.send("PUT", "/v1/namespaces", None);
    assert_eq!((code(&method).0, method.header("allow")), (405, Some("GET, POST, HEAD")));
    assert_eq!(code(&browser.send("GET", "/v1/namespaces/", None)), (404, "not_found".to_owned()));
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_browser_that_is_signed_in_manages_what_is_its_persons,
    p07_without_a_credential_nothing_is_told,
);
