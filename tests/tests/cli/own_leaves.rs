//! Every leaf as its guide writes it, at the own node: as its owner (`--local`), and signed in (`auth login --local`).

use bitrouter_tests::{Daemon, World, command::Output, logs};
use serde_json::{Value, json};

use crate::far::minted;

/// A world with a daemon whose node is asked, in one of the two ways.
struct Own {
    world: World,
    daemon: Daemon,
    way: &'static [&'static str],
}

/// As the owner of the node.
const LOCAL: &[&str] = &["--local"];
/// As whoever is signed in.
const SIGNED_IN: &[&str] = &[];

impl Own {
    fn new(way: &'static [&'static str]) -> Self {
        let world = World::new();
        world.write("spec.json", r#"{"window": "day", "limit_micro_usd": 5000000}"#);
        world.write("guardrail.json", r#"{"model_deny": ["*opus*"]}"#);
        world.write("budget.json", r#"{"window": "month", "limit_micro_usd": 9000000}"#);
        world.write("rate.json", r#"{"window_secs": 60, "max_requests": 10}"#);
        let daemon = world.demo();
        if way.is_empty() {
            world.cli(["auth", "login", "--local"]).expect_code(0);
        }
        Self { world, daemon, way }
    }

    #[track_caller]
    fn cloud(&self, words: &str) -> Output {
        self.cloud_words(&words.split(' ').collect::<Vec<_>>())
    }

    #[track_caller]
    fn cloud_words(&self, words: &[&str]) -> Output {
        let words = ["cloud"].iter().chain(words).chain(self.way).copied();
        self.world.command(words).in_directory(self.world.root()).run()
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        let told = self.cloud(&format!("{words} --json")).with_code(0);
        assert_eq!(told.stderr, "", "{words}");
        told.json()
    }

    /// A key, minted as `words` say.
    #[track_caller]
    fn mint(&self, words: &[&str]) -> Value {
        let words = [&["cloud", "keys", "mint", "--json"][..], words, self.way].concat();
        let (told, _) = minted(&self.world, &words);
        let told: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}"));
        self.world.watch(text(&told, "token"));
        told
    }

    fn usage_by(&self, token: &str) -> u16 {
        let call = self.daemon.http().get("/v1/namespaces/me/usage");
        call.header("authorization", &format!("Bearer {token}")).send().status
    }
}

#[track_caller]
fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}"))
}

#[test]
fn keys_are_minted_listed_and_revoked() {
    for way in [LOCAL, SIGNED_IN] {
        let own = Own::new(way);
        let minted = own.mint(&["--name", "ci", "--scope", "policy:read usage:read"]);
        let (id, token) = (text(&minted, "id"), text(&minted, "token"));
        assert!(id.starts_with("key_") && token.starts_with("brk_"), "{minted}");
        assert_eq!((&minted["display_name"], &minted["scopes"]), (&json!("ci"), &json!(["usage:read", "policy:read"])));
        assert_eq!(own.usage_by(token), 200);
        let listed = own.cloud("keys list").with_code(0).stdout;
        assert!(listed.starts_with(&format!("{id}\tci\t")) && listed.contains("\tactive\t"), "{listed}");
        assert_eq!(own.json("keys list")["data"][0]["id"], *id);
        let plain = own.mint(&["--name", "plain", "--expires-in", "30d"]);
        assert_eq!(plain["scopes"], json!(["inference:invoke"]));
        assert!(plain["expires_at"].is_string(), "{plain}");
        assert_eq!(own.cloud(&format!("keys revoke {id}")).with_code(0).stdout, "revoked: true\n");
        assert_eq!(own.usage_by(token), 401);
        let listed = own.cloud("keys list").with_code(0).stdout;
        assert!(listed.lines().any(|line| line.starts_with(id) && line.contains("\trevoked\t")), "{listed}");
        let absent = own.cloud("keys revoke key_00000000000000000000000000").with_code(1).stderr;
        assert!(absent.contains("hint: bitrouter cloud keys list"), "{absent}");
        own.daemon.stop();
    }
}

#[test]
fn policies_are_made_bound_and_shown() {
    for way in [LOCAL, SIGNED_IN] {
        let own = Own::new(way);
        let key = own.mint(&["--name", "ci"]);
        let key = text(&key, "id");
        let made = own.cloud("policy create --name nightly-cap --kind budget --spec spec.json").with_code(0).stdout;
        assert!(made.starts_with("id:   pol_") && made.contains("\nkind: budget\nspec:\n{\n"), "{made}");
        let rows = own.json("policy list");
        let id = text(&rows["data"][0], "id");
        assert_eq!(own.cloud(&format!("policy get {id}")).with_code(0).stdout, made);
        for kind in ["budget", "rate-limit", "guardrail", "preset"] {
            let count = usize::from(kind == "budget");
            assert_eq!(own.cloud(&format!("policy list --kind {kind}")).with_code(0).stdout.lines().count(), count);
        }
        let bound = own.cloud(&format!("policy bind {id} --principal-type api_key --principal-id {key}")).with_code(0);
        let binding = bound.stdout.trim().strip_prefix("binding id: ").expect("a binding").to_owned();
        assert!(binding.starts_with("bnd_") && bound.stderr.is_empty(), "{bound:?}");
        let bindings = own.cloud(&format!("policy bindings {id}")).with_code(0).stdout;
        assert_eq!(bindings, format!("{binding}\t{id}\tapi_key\t{key}\n"));
        let effective =
            own.cloud(&format!("policy effective --principal-type api_key --principal-id {key}")).with_code(0);
        assert!(
            effective.stdout.starts_with("budgets:     1\nrate limits: 0\nguardrail:   —\n\n{"),
            "{}",
            effective.stdout
        );
        let direct = own.cloud(&format!("policy for-principal api_key {key}")).with_code(0).stdout;
        assert_eq!(direct, format!("{id}\tnightly-cap\tbudget\tenabled\n"));
        assert_eq!(own.cloud(&format!("policy disable {id}")).with_code(0).stdout, "disabled: true\n");
        assert!(own.cloud("policy list").with_code(0).stdout.contains("\tdisabled\n"));
        assert_eq!(own.cloud(&format!("policy enable {id}")).with_code(0).stdout, "disabled: false\n");
        let renamed = own.cloud(&format!("policy update {id} --name renamed")).with_code(0).stdout;
        assert!(renamed.contains("\nname: renamed\n"), "{renamed}");
        own.cloud(&format!("policy update {id} --spec budget.json")).expect_code(0);
        assert_eq!(own.json(&format!("policy get {id}"))["spec"]["window"], "month");
        assert_eq!(own.cloud(&format!("policy unbind {id} {binding}")).with_code(0).stdout, "unbound: true\n");
        assert_eq!(own.cloud(&format!("policy delete {id}")).with_code(0).stdout, "deleted: true\n");
        assert_eq!(own.cloud("policy list").with_code(0).stdout, "");
        let absent = own.cloud(&format!("policy get {id}")).with_code(1).stderr;
        assert!(absent.contains("hint: bitrouter cloud policy list"), "{absent}");
        own.daemon.stop();
    }
}

#[test]
fn budgets_and_presets_are_the_same_rows() {
    for way in [LOCAL, SIGNED_IN] {
        let own = Own::new(way);
        let made = own.json("budget create --name nightly-cap --window day --limit-micro-usd 5000000");
        let budget = text(&made, "id");
        let shown = own.cloud(&format!("budget get {budget}")).with_code(0).stdout;
        assert_eq!(shown, format!("id:     {budget}\nname:   nightly-cap\nwindow: day\nlimit:  $5.00\n"));
        let counted = own.cloud(&format!("budget update {budget} --funding credit")).with_code(0).stdout;
        assert!(counted.ends_with("\ncounts: credit\n"), "{counted}");
        let changed = own.json(&format!("budget update {budget} --window total --funding any"));
        assert_eq!((&changed["window"], &changed["limit_micro_usd"]), (&json!("total"), &json!(5_000_000)));
        let made = own.json("preset create --name engineering --guardrail guardrail.json --budget budget.json");
        let preset = text(&made, "id");
        let changed = own.json(&format!("preset update {preset} --rate-limit rate.json --clear-budget"));
        assert_eq!(
            (&changed["rate_limit"]["max_requests"], changed["budget"].is_null()),
            (&json!(10), true),
            "{changed}"
        );
        let listed = own.cloud("preset list").with_code(0).stdout;
        assert_eq!(listed, format!("{preset}\tengineering\tguardrail rate_limit\tenabled\n"));
        own.cloud(&format!("preset get {preset}")).expect_code(0);
        assert_eq!(own.cloud("policy list").with_code(0).stdout.lines().count(), 2);
        assert_eq!(
            own.cloud("budget list").with_code(0).stdout,
            format!("{budget}\tnightly-cap\ttotal\t$5.00\tenabled\n")
        );
        // A row of another kind is none.
        own.cloud(&format!("budget get {preset}")).expect_code(1);
        assert_eq!(own.cloud(&format!("preset delete {preset}")).with_code(0).stdout, "deleted: true\n");
        assert_eq!(own.cloud(&format!("budget delete {budget}")).with_code(0).stdout, "deleted: true\n");
        own.daemon.stop();
    }
}

#[test]
fn sessions_are_listed_and_ended() {
    let own = Own::new(SIGNED_IN);
    let rows = own.json("sessions list");
    let id = text(&rows["data"][0], "id");
    let key = own.mint(&["--name", "ci", "--scope", "usage:read"]);
    let listed = own.cloud("sessions list").with_code(0).stdout;
    assert!(listed.starts_with(&format!("{id}\tbitrouter-cli\tusr_")), "{listed}");
    let ended = own.world.cli(["cloud", "sessions", "revoke", id, "--keep-keys", "--local"]).with_code(0).stdout;
    assert!(ended.starts_with("revoked:"), "{ended}");
    assert_eq!(own.usage_by(text(&key, "token")), 200);
    own.cloud("sessions list").expect_code(1);
    own.world.cli(["auth", "login", "--local"]).expect_code(0);
    let rows = own.json("sessions list");
    let other = own.mint(&["--name", "ci", "--scope", "usage:read"]);
    let ended = own.world.cli(["cloud", "sessions", "revoke", text(&rows["data"][0], "id"), "--local"]);
    assert!(ended.with_code(0).stdout.starts_with("revoked:"));
    assert_eq!(own.usage_by(text(&other, "token")), 401);
    own.daemon.stop();
}

#[test]
fn oauth_clients_are_registered_changed_and_deleted() {
    for way in [LOCAL, SIGNED_IN] {
        let own = Own::new(way);
        if way.is_empty() {
            // Not in what a session is given that asks for nothing.
            let missing = own.cloud("oauth-client list").with_code(1).stderr;
            assert!(missing.contains("auth login") && missing.contains("clients:read"), "{missing}");
            let scopes = "inference:invoke policy:read usage:read clients:read clients:write";
            own.world.cli(["auth", "login", "--local", "--scope", scopes]).expect_code(0);
        }
        let register = "cloud oauth-client register --name my-agent --type confidential --grant authorization_code \
                        --grant refresh_token --scope inference:invoke --scope policy:read --json \
                        --redirect-uri https://my-agent.example.com/cb";
        let words: Vec<&str> = register.split(' ').chain(own.way.iter().copied()).collect();
        let (told, remark) = minted(&own.world, &words);
        assert_eq!(remark, "");
        let made: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}"));
        let id = text(&made, "client_id");
        assert!(id.starts_with("brc_") && text(&made, "client_secret").len() == 43, "{id}");
        own.world.watch(text(&made, "client_secret"));
        let listed = own.cloud("oauth-client list").with_code(0).stdout;
        let row = "my-agent\tconfidential\tauthorization_code refresh_token\tinference:invoke policy:read\n";
        assert_eq!(listed, format!("{id}\t{row}"));
        let shown = own.cloud(&format!("oauth-client update {id} --name renamed --grant device_code")).with_code(0);
        assert!(shown.stdout.contains("\nname:          renamed\n"), "{}", shown.stdout);
        assert!(shown.stdout.ends_with("\ngrants:        urn:ietf:params:oauth:grant-type:device_code\n"));
        let wider = own.cloud(&format!("oauth-client update {id} --scope byok:write")).with_code(1).stderr;
        assert!(wider.contains("scope exceeds"), "{wider}");
        let taken = own.cloud("oauth-client register --name Renamed --type public --grant device_code").with_code(1);
        assert!(taken.stderr.contains("hint: bitrouter cloud oauth-client list"), "{}", taken.stderr);
        // The session may not write policies.
        if !way.is_empty() {
            let policy = own.json("policy create --name p --kind budget --spec spec.json");
            let bind = format!("policy bind {} --principal-type oauth_client --principal-id", text(&policy, "id"));
            own.cloud(&format!("{bind} {id}")).expect_code(0);
            let absent = own.cloud(&format!("{bind} brc_00000000000000000000000000")).with_code(1).stderr;
            assert!(absent.contains("hint: bitrouter cloud oauth-client list"), "{absent}");
        }
        assert_eq!(own.cloud(&format!("oauth-client delete {id}")).with_code(0).stdout, "deleted: true\n");
        assert_eq!(own.cloud("oauth-client list").with_code(0).stdout, "");
        let absent = own.cloud(&format!("oauth-client delete {id}")).with_code(1).stderr;
        assert!(absent.contains("hint: bitrouter cloud oauth-client list"), "{absent}");
        // Who did it stands in the log, with what was changed.
        for (message, changed) in [
            ("an OAuth client was registered", None),
            ("an OAuth client was changed", Some("client_name allowed_grant_types")),
            ("an OAuth client was deleted", None),
        ] {
            let line = logs::wait_for(&own.daemon, message, 1)[0].clone();
            assert_eq!(logs::member(&line, "client"), id, "{line}");
            assert!(logs::member(&line, "person").as_str().is_some_and(|who| who.starts_with("usr_")), "{line}");
            assert_eq!(logs::member(&line, "changed").as_str(), changed, "{line}");
        }
        own.daemon.stop();
    }
}

#[test]
fn p8_a_key_mints_no_wider_one_and_is_told_to_mint_another() {
    let own = Own::new(LOCAL);
    let narrow = own.mint(&["--name", "narrow", "--scope", "keys:write keys:read usage:read"]);
    let token = text(&narrow, "token");
    let run = |words: &[&str]| {
        let url = format!("http://{}", own.daemon.addr());
        own.world.command(words).env("BITROUTER_API_KEY", token).env("BITROUTER_API_URL", url).run()
    };
    let wider = run(&["cloud", "keys", "mint", "--name", "wider", "--scope", "policy:read"]).with_code(1);
    assert!(wider.stderr.contains("policy:read"), "{}", wider.stderr);
    run(&["cloud", "keys", "mint", "--name", "as wide", "--scope", "usage:read"]).expect_code(0);
    let missing = run(&["cloud", "policy", "list"]).with_code(1);
    assert!(missing.stderr.contains("policy:read") && missing.stderr.contains("mint"), "{}", missing.stderr);
    own.daemon.stop();
}

#[test]
fn a_node_without_a_shop_names_what_gives_credit() {
    let own = Own::new(LOCAL);
    let refused = own.cloud("billing checkout --amount-cents 2000").with_code(1).stderr;
    assert!(refused.contains("node credit grant"), "{refused}");
    own.daemon.stop();
}

#[test]
fn members_are_added_listed_and_removed() {
    let own = Own::new(LOCAL);
    let world = &own.world;
    let add = world.command(["node", "user", "add", "ann", "--password-stdin"]).stdin("correct horse battery\n");
    add.run().expect_code(0);
    let told = world.cli(["node", "member", "add", "default", "ann", "--role", "viewer"]).with_code(0).stdout;
    assert!(told.starts_with("`ann` (usr_") && told.ends_with(") is a viewer now\n"), "{told}");
    world.cli(["node", "member", "add", "default", "ann", "--role", "admin"]).expect_code(0);
    let listed = world.cli(["node", "member", "list", "default"]).with_code(0).stdout;
    assert!(listed.lines().any(|line| line.contains("\tann\tadmin\t")) && listed.contains("\towner\t"), "{listed}");
    let rows = world.cli(["node", "member", "list", "default", "--json"]).with_code(0).json();
    assert!(rows["data"].as_array().is_some_and(|rows| rows.len() == 2), "{rows}");
    let asked = world.cli(["node", "member", "remove", "default", "ann"]).with_code(1).stderr;
    assert!(asked.contains("hint: bitrouter node member remove default ann --yes\n"), "{asked}");
    world.cli(["node", "member", "remove", "default", "ann", "--yes"]).expect_code(0);
    assert_eq!(world.cli(["node", "member", "list", "default"]).with_code(0).stdout.lines().count(), 1);
    own.daemon.stop();
}

#[test]
fn operators_keys_are_minted_listed_and_revoked() {
    let own = Own::new(LOCAL);
    let world = &own.world;
    let (told, _) = minted(world, &["node", "keys", "mint", "--name", "prometheus", "--json"]);
    let told: Value = serde_json::from_str(&told).expect("a key");
    let (id, token) = (text(&told, "id"), text(&told, "token"));
    world.watch(token);
    let metrics = || {
        let call = own.daemon.http().get("/metrics").header("authorization", &format!("Bearer {token}"));
        call.header("x-forwarded-for", "192.0.2.1").send().status
    };
    assert_eq!(metrics(), 200);
    let listed = world.cli(["node", "keys", "list"]).with_code(0).stdout;
    assert!(listed.starts_with(&format!("{id}\tprometheus\t")), "{listed}");
    assert_eq!(world.cli(["node", "keys", "revoke", id]).with_code(0).stdout, "revoked: true\n");
    assert_ne!(metrics(), 200);
    let absent = world.cli(["node", "keys", "revoke", "key_00000000000000000000000000"]).with_code(1).stderr;
    assert!(absent.contains("hint: bitrouter node keys list"), "{absent}");
    own.daemon.stop();
}

bitrouter_test_postgres::once_more_on_postgres!(
    keys_are_minted_listed_and_revoked,
    policies_are_made_bound_and_shown,
    budgets_and_presets_are_the_same_rows,
    sessions_are_listed_and_ended,
    oauth_clients_are_registered_changed_and_deleted,
    p8_a_key_mints_no_wider_one_and_is_told_to_mint_another,
    a_node_without_a_shop_names_what_gives_credit,
    members_are_added_listed_and_removed,
    operators_keys_are_minted_listed_and_revoked,
);
