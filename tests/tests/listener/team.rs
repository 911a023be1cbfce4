//! P6: `[node] listen` serves a team at the `public_url`: everybody needs a credential, nobody's user is asked for, and what
//! proxies say is believed only of those that are trusted.

use std::net::SocketAddr;

use bitrouter_tests::{
    Client, Daemon, InferenceFixture, MODEL, World,
    http::Call,
    sign_in::{Owner, Session, flat_error, form, revoke, sign_in},
};

const INVOKE: &[&str] = &["inference:invoke"];
const TEAM: &str = "[node]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://node.example\"\n";
const HOST: &str = "node.example";

/// Where the team's listener is.
fn team_address(daemon: &Daemon) -> SocketAddr {
    let status = daemon.status();
    let all = status["listen"].as_array().expect("addresses").iter().filter_map(|at| at.as_str()?.parse().ok());
    let mut others = all.filter(|at: &SocketAddr| at.port() != daemon.port());
    others.next().unwrap_or_else(|| panic!("no second listener in {status:#}"))
}

fn team(daemon: &Daemon) -> Client {
    daemon.http().at(team_address(daemon))
}

/// A call with `key` in each of the four places where SDKs put one.
fn places(http: Client, host: &str, key: &str) -> Vec<(&'static str, Call)> {
    let body = format!(r#"{{"model":"{MODEL}","messages":[]}}"#);
    let path = "/v1/chat/completions";
    let post = |path: &str| http.post(path).host(host).json(&body);
    vec![
        ("authorization", post(path).bearer(key)),
        ("x-api-key", post(path).header("x-api-key", key)),
        ("x-goog-api-key", post(path).header("x-goog-api-key", key)),
        ("?key=", post(&format!("{path}?key={key}"))),
    ]
}

#[test]
fn p06_a_teams_listener_asks_everybody_for_a_credential() {
    let fixture = InferenceFixture::with(TEAM);
    let Session { access_token, refresh_token, .. } = sign_in(&fixture.world, &fixture.daemon, INVOKE);
    let team = team(&fixture.daemon);
    let own_name = team.addr().to_string();
    let users = [Some(fixture.world.user()), fixture.world.user().foreign()];
    for (user, host) in users.into_iter().flatten().flat_map(|user| [(user, HOST), (user, own_name.as_str())]) {
        let http = team.as_user(user);
        let error = http.chat(MODEL, "x").host(host).send().refused(401, "api_key_required");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("`bitrouter cloud keys mint ")), "{error}");
        let before = fixture.provider.count();
        for string in ["sk-any", "bitrouter-local", &refresh_token] {
            for (place, call) in places(http, host, string) {
                assert_eq!(call.send().status, 401, "{place} {string}");
            }
        }
        for string in ["brk_0123456789", "bra_0123456789"] {
            for (place, call) in places(http, host, string) {
                assert_eq!(call.send().status, 401, "{place} {string}");
            }
        }
        assert_eq!(fixture.provider.count(), before);
        for (place, call) in places(http, host, &access_token) {
            let before = fixture.provider.count();
            call.send().ok();
            let request = &fixture.provider.exchange(before).request;
            assert_eq!(request.key(), Some(fixture.key.as_str()), "{place}");
            assert!(!String::from_utf8_lossy(&request.head).contains(&access_token), "{place}");
        }
        let two = http.chat(MODEL, "x").host(host).bearer(&access_token).header("x-api-key", "brk_other");
        two.send().refused(400, "invalid_request");
        http.get("/v1/models").host(host).send().refused(401, "api_key_required");
        http.get("/v1/models").host(host).bearer(&access_token).send().ok();
        http.get("/metrics").host(host).send().refused(401, "api_key_required");
        http.get("/metrics").host(host).bearer(&access_token).send().refused(403, "peer_not_allowed");
        http.get("/nowhere").host(host).send().refused(401, "api_key_required");
        assert_eq!(flat_error(&http.get("/v1/namespaces").host(host).send(), 401), "unauthorized");
        for open in ["/", "/health", "/ping", "/login", "/oauth/device", "/.well-known/oauth-authorization-server"] {
            let status = http.get(open).host(host).send().status;
            assert!(matches!(status, 200 | 303), "{open}: {status}");
        }
    }
    // What ends here ends there.
    revoke(fixture.http(), &refresh_token);
    team.chat(MODEL, "x").host(HOST).bearer(&access_token).send().refused(401, "invalid_api_key");
    fixture.http().chat(MODEL, "x").send().ok();
}

#[test]
fn p06_keys_open_both_listeners_and_the_operators_opens_metrics() {
    let fixture = InferenceFixture::with(TEAM);
    let minted = |args: &[&str]| fixture.world.cli(args).with_code(0).json();
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().expect("a text").to_owned();
    let key = text(&minted(&["cloud", "keys", "mint", "--name", "ci", "--local", "--json"]), "token");
    let operators = minted(&["node", "keys", "mint", "--name", "grafana", "--json"]);
    let (operator, operator_id) = (text(&operators, "token"), text(&operators, "id"));
    let team = team(&fixture.daemon);
    let here = fixture.daemon.addr().to_string();
    let users = [Some(fixture.world.user()), fixture.world.user().foreign()];
    for user in users.into_iter().flatten() {
        for (http, host) in [(fixture.http().as_user(user), here.as_str()), (team.as_user(user), HOST)] {
            for (place, call) in places(http, host, &key) {
                let answer = call.send();
                assert_eq!(answer.status, 200, "{place} {host}: {}", answer.text());
            }
            http.get("/v1/models").host(host).bearer(&key).send().ok();
            // The operator's reads what calls came to, and nothing else.
            for (place, call) in places(http, host, &operator) {
                assert_eq!(call.send().status, 403, "{place} {host}");
            }
            http.get("/v1/models").host(host).bearer(&operator).send().refused(403, "missing_scope");
            http.get("/metrics").host(host).bearer(&operator).send().ok();
            http.get("/metrics").host(host).header("x-api-key", &operator).send().ok();
            http.get("/v1/node/usage").host(host).bearer(&operator).send().ok();
            let is_own = user == fixture.world.user() && host != HOST;
            let answer = http.get("/metrics").host(host).bearer(&key).send();
            assert_eq!(answer.status, if is_own { 200 } else { 403 }, "{}", answer.text());
        }
    }
    fixture.world.cli(["node", "keys", "revoke", &operator_id, "--yes"]).expect_code(0);
    team.get("/metrics").host(HOST).bearer(&operator).send().refused(401, "invalid_api_key");
    fixture.http().get("/metrics").send().ok();
}

#[test]
fn p06_a_teams_listener_is_called_by_the_public_name() {
    let fixture = InferenceFixture::with(TEAM);
    let team = team(&fixture.daemon);
    let (port, local) = (team.addr().port(), fixture.daemon.port());
    for host in [HOST, "NODE.example:443", &format!("localhost:{port}"), &format!("[::1]:{port}")] {
        team.get("/health").host(host).send().ok();
    }
    for host in ["evil.example", "node.example:8443", "node.example.", "localhost", &format!("localhost:{local}")] {
        let error = team.get("/health").host(host).send().refused(403, "host_not_allowed");
        assert!(
            error["message"].as_str().is_some_and(|text| text.contains("https://node.example,")),
            "{host}: {error}"
        );
    }
    let metadata = team.get("/.well-known/oauth-authorization-server").host(HOST).send().ok().json();
    assert_eq!(metadata["issuer"], "https://node.example");
    let own = |origin: &str| team.get("/health").host(HOST).header("origin", origin).send();
    own("https://node.example").ok();
    own("http://127.0.0.1").refused(403, "origin_not_allowed");
    // The one-time link of this machine's owner opens nothing from there.
    let owner = Owner::sign_in(&fixture.world, &fixture.daemon);
    for host in [HOST, &format!("127.0.0.1:{port}")] {
        let answer = team.get("/v1/namespaces").host(host).header("cookie", owner.cookie()).send();
        assert_eq!(flat_error(&answer, 401), "unauthorized", "{host}");
    }
}

#[test]
fn p06_a_browser_signs_in_at_the_public_entrance_whichever_listener_it_came_by() {
    let world = World::new();
    world.config(TEAM);
    let daemon = world.demo();
    let add = world.command(["node", "user", "add", "ada", "--password-stdin"]).stdin("correct horse battery\n");
    add.run().expect_code(0);
    let team = team(&daemon);
    let page = team.get("/login").host(HOST).send().ok();
    let cookie = |answer: &bitrouter_tests::Answer| {
        answer.header("set-cookie").and_then(|set| set.split(';').next()).expect("a cookie").to_owned()
    };
    let form_cookie = cookie(&page);
    let text = page.text();
    let csrf = text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let post = team.post("/login").host(HOST).header("cookie", &form_cookie).header("origin", "https://node.example");
    let fields = [("csrf", csrf), ("username", "ada"), ("password", "correct horse battery")];
    let signed_in = form(post, &fields).send();
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    let session = cookie(&signed_in);
    assert!(session.starts_with("__Host-bitrouter_session="), "{session}");
    for http in [team, daemon.http()] {
        http.get("/console").host(HOST).header("cookie", &session).send().ok();
        let elsewhere = format!("127.0.0.1:{}", http.addr().port());
        let answer = http.get("/v1/namespaces").host(&elsewhere).header("cookie", &session).send();
        assert_eq!(flat_error(&answer, 401), "unauthorized");
    }
}

#[test]
fn p06_a_proxy_in_front_is_believed_only_where_it_is_trusted() {
    let world = World::new();
    world.config(TEAM);
    let daemon = world.demo();
    let ask = |daemon: &Daemon, from: &str| {
        let call = team(daemon).post("/oauth/device_authorization").host(HOST).header("x-forwarded-for", from);
        form(call, &[("client_id", "bitrouter-cli")]).send().status
    };
    // Twenty codes may be open for an address: here all are the proxy's.
    let statuses: Vec<u16> = (0..24).map(|n| ask(&daemon, &format!("203.0.113.{n}"))).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(daemon.warned("untrusted_proxy")["message"].as_str().is_some_and(|text| text.contains("trusted_proxies")));
    daemon.stop();
    world.config(&format!("{TEAM}trusted_proxies = [\"127.0.0.1\"]\n"));
    let daemon = world.demo();
    for n in 0..24 {
        assert_eq!(ask(&daemon, &format!("203.0.113.{n}")), 200, "{n}");
    }
    assert_eq!(daemon.warning("untrusted_proxy"), None);
    // Also what never left this machine has no user there.
    let call = team(&daemon).chat("demo/echo", "x").header("x-forwarded-for", "127.0.0.1");
    call.send().refused(401, "api_key_required");
}

#[test]
fn strangers_that_hold_a_teams_listener_hold_nothing_else() {
    let world = World::new();
    world.config(TEAM);
    let daemon = world.demo();
    let team = team(&daemon);
    let idle: Vec<_> = (0..200).map(|_| team.connect()).collect();
    for _ in 0..5 {
        daemon.http().chat("demo/echo", "x").send().ok();
    }
    drop(idle);
    team.get("/health").host(HOST).send().ok();
    daemon.stop();
    assert!(team.try_connect().is_err(), "both listeners end with the daemon");
}

#[test]
fn the_settings_of_a_teams_listener_are_checked() {
    let world = World::new();
    let refused = |settings: &str| {
        world.config(settings);
        world.serve().arg("--demo").refused()
    };
    let text = refused("[node]\nlisten = \"127.0.0.1:0\"\n");
    assert!(text.contains("config.toml:2: `node.listen` needs `node.public_url`"), "{text}");
    let text = refused("[node]\nlisten = \"box.lan:1\"\npublic_url = \"https://node.example\"\n");
    assert!(text.contains("`node.listen` must hold an IP address"), "{text}");
    let text = refused(&TEAM.replace("127.0.0.1:0", "203.0.113.9:8443"));
    assert!(text.contains("`[node] listen`: 203.0.113.9 is no address of this machine"), "{text}");
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("an address");
    let text = refused(&TEAM.replace("127.0.0.1:0", &taken.to_string()));
    assert!(text.contains(&format!("`[node] listen`: port {} is held by ", taken.port())), "{text}");
    // Without a node nobody's credential is good.
    world.config(&format!("{TEAM}enabled = false\n"));
    let daemon = world.demo();
    let ports = daemon.status()["listen"].as_array().expect("addresses").clone();
    assert!(
        ports.iter().all(|at| at.as_str().is_some_and(|at| at.ends_with(&format!(":{}", daemon.port())))),
        "{ports:?}"
    );
    daemon.stop();
    world.config(TEAM);
    let daemon = world.demo();
    let port = daemon.port();
    world.config(&TEAM.replace("127.0.0.1:0", "127.0.0.1:1"));
    let text = world.cli(["reload"]).with_code(1).text();
    assert!(text.contains("`node.listen` changed, which needs a restart"), "{text}");
    daemon.http().get("/health").send().ok();
    daemon.stop();
    let same = format!("127.0.0.1:{port}");
    world.config(&TEAM.replace("127.0.0.1:0", &same));
    let text = world.serve().listen_as_configured().args(["--demo", "--listen", &same]).refused();
    assert!(text.contains("`[node] listen`") && text.contains("give it another port"), "{text}");
}
