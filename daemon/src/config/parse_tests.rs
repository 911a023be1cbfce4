//! What a settings file may say, and how it is told that it may not.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{Account, Node, Secret};

const KNOWN: &[&str] = &["anthropic", "google", "groq", "openai", "openrouter"];

fn parse(text: &str) -> Result<Config, ConfigError> {
    let place = ConfigLocation { path: Path::new("/c/config.toml"), home: Some(Path::new("/home/u")), own: None };
    let known = KnownProviders { ids: KNOWN, models: &["qwen2.5:7b"] };
    Config::parse(text, &place, &known)
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn nothing_is_the_default() {
    for text in ["", "\n", "# only a comment\n", "\u{feff}", "[server]\n[log]\n[aliases]\n"] {
        assert_eq!(parse(text).unwrap(), Config::default(), "{text:?}");
    }
    let config = Config::default();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:4356");
    assert_eq!((config.server.max_body, config.server.keyless), (64 << 20, Keyless::SameUser));
    assert_eq!(config.timeouts.first_byte, Duration::from_mins(10));
    assert_eq!(config.timeouts.total, Duration::from_mins(30));
    assert!(config.node.enabled && config.node.public_url.is_none() && config.node.oauth.complete_uri);
    assert_eq!(config.node.oauth.session_ttl, Duration::from_hours(365 * 24));
}

#[test]
fn every_key_is_read() {
    let config = parse(
        r#"
env_files = ["keys.env", "./sub/keys.env", "/abs/keys.env", "~/keys.env"]
[server]
listen = "[::1]:0"
keyless = "never"
allow_hosts = ["Box.example:8080"]
allow_origins = ["https://App.example"]
max_body = "1 GiB"
[log]
level = "trace"
format = "json"
[timeouts]
connect = "250ms"
first_byte = "1m 30s"
between_chunks = "45s"
total = "2h"
[providers.openai]
base_url = "https://eu.api.openai.com/v1/"
env = ["MY_KEY", "_OTHER2"]
enabled = false
[providers.groq]
enabled = true
[routing]
prefer = ["groq", "openai"]
[aliases]
fast = "groq:llama-3.3-70b"
"quoted.name" = "openai/gpt"
[account]
oauth_as = "http://127.0.0.1:4401/"
client_id = "brc_1"
scope = "keys:read  usage:read"
[node]
enabled = false
database_url = "postgres://ada@db.example/node"
listen = "10.0.0.5:8443"
public_url = "https://Node.example/"
trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
credit = "required"
keep_requests = "1d"
[node.oauth]
access_token_ttl = "2s"
refresh_token_ttl = "3s"
session_ttl = "4s"
refresh_grace = "0s"
complete_uri = false
device_code_ttl = "5s"
device_interval = "1s"
[node.byok]
rotate_every = "7d"
allow_private = true
[node.stripe]
secret_key = "sk_test_1"
webhook_secret = "env:HOOK"
api_base = "http://127.0.0.1:4402/"
"#,
    )
    .unwrap();
    let files: Vec<_> = config.env_files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(files, ["/c/keys.env", "/c/sub/keys.env", "/abs/keys.env", "/home/u/keys.env"]);
    assert_eq!(config.server.listen.to_string(), "[::1]:0");
    assert_eq!(config.server.keyless, Keyless::Never);
    assert_eq!(config.server.allow_hosts, ["box.example:8080"]);
    assert_eq!(config.server.allow_origins, ["https://app.example"]);
    assert_eq!(config.server.max_body, 1 << 30);
    assert_eq!((config.log.level, config.log.format), (Level::Trace, LogFormat::Json));
    assert_eq!(config.timeouts.connect, Duration::from_millis(250));
    assert_eq!(config.timeouts.first_byte, Duration::from_secs(90));
    assert_eq!(config.timeouts.between_chunks, Duration::from_secs(45));
    assert_eq!(config.timeouts.total, Duration::from_hours(2));
    let openai = &config.providers["openai"];
    assert_eq!(openai.base_url.as_deref(), Some("https://eu.api.openai.com/v1"));
    assert_eq!(openai.env.as_deref().unwrap(), ["MY_KEY", "_OTHER2"]);
    assert_eq!((openai.enabled, config.providers["groq"].enabled), (Some(false), Some(true)));
    assert_eq!(config.routing.prefer, ["groq", "openai"]);
    assert_eq!(config.aliases["fast"], "groq:llama-3.3-70b");
    assert_eq!(config.aliases["quoted.name"], "openai/gpt");
    let account = Account {
        oauth_as: Some("http://127.0.0.1:4401".to_owned()),
        client_id: Some("brc_1".to_owned()),
        scope: Some("keys:read usage:read".to_owned()),
    };
    assert_eq!(config.account, account);
    let node = Node {
        enabled: false,
        database_url: Some(Secret::parse("postgres://ada@db.example/node").unwrap()),
        listen: Some("10.0.0.5:8443".parse().unwrap()),
        public_url: Some("https://node.example".parse().unwrap()),
        trusted_proxies: vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        oauth: bitrouter_node::OauthSettings {
            access_token_ttl: Duration::from_secs(2),
            refresh_token_ttl: Duration::from_secs(3),
            session_ttl: Duration::from_secs(4),
            refresh_grace: Duration::ZERO,
            complete_uri: false,
            device_code_ttl: Duration::from_secs(5),
            device_interval: Duration::from_secs(1),
        },
        credit: bitrouter_node::CreditRule::Required,
        keep_requests: Duration::from_hours(24),
        byok: crate::config::Byok { rotate_every: Duration::from_hours(7 * 24), allow_private: true },
        stripe: Some(crate::config::Stripe {
            secret_key: Secret::parse("sk_test_1").unwrap(),
            webhook_secret: Secret::parse("env:HOOK").unwrap(),
            api_base: "http://127.0.0.1:4402".to_owned(),
        }),
    };
    assert_eq!(config.node, node);
}

#[test]
fn what_later_versions_know_is_unknown() {
    for key in ["passkeys", "statistics"] {
        let text = refusal(&format!("[node]\n{key} = \"x\"\n"));
        assert!(text.starts_with(&format!("/c/config.toml:2: unknown key `node.{key}`;")), "{text}");
    }
}

#[test]
fn the_account_has_a_section_of_its_own_and_none_among_the_providers() {
    for (text, expected) in [
        ("[account]\noauth = \"x\"\n", "/c/config.toml:2: unknown key `account.oauth`; did you mean `oauth_as`?"),
        ("[account]\noauth_as = \"http://canary.example\"\n", "/c/config.toml:2: `account.oauth_as` must be https"),
        ("[account]\noauth_as = \"https://a:canary@b\"\n", "/c/config.toml:2: `account.oauth_as` must not carry"),
        ("[account]\nclient_id = 1\n", "/c/config.toml:2: `account.client_id` must be a string, not an integer"),
        ("[account]\nscope = \"\\u0001canary\"\n", "/c/config.toml:2: `account.scope` must be scopes"),
        (
            "[providers.bitrouter]\nbase_url = \"https://x/v1\"\n",
            "/c/config.toml:1: `providers.bitrouter` is the account's provider",
        ),
        ("[providers.bitrouter]\n", "`[account]` says which server"),
    ] {
        let error = refusal(text);
        assert!(error.contains(expected) && !error.contains("canary"), "{text}: {error}");
    }
    let empty = parse("[account]\noauth_as = \"\"\nclient_id = \"\"\nscope = \"\"\n").unwrap();
    assert_eq!(empty.account, Account::default());
}

#[test]
fn refusals_name_line_key_and_cure() {
    for (text, expected) in [
        ("[server]\nlisen = \"127.0.0.1:1\"\n", "/c/config.toml:2: unknown key `server.lisen`; did you mean `listen`?"),
        ("\n\n[sever]\n", "/c/config.toml:3: unknown key `sever`; did you mean `server`?"),
        ("listen = \"127.0.0.1:1\"\n", "/c/config.toml:1: unknown key `listen`; did you mean `listen` in `[server]`?"),
        (
            "[server]\nenv_files = []\n",
            "/c/config.toml:2: unknown key `server.env_files`; did you mean `env_files` above the first `[…]`?",
        ),
        ("[node]\nenable = true\n", "/c/config.toml:2: unknown key `node.enable`; did you mean `enabled`?"),
        (
            "[node.oauth]\nrefresh_token_tll = \"1h\"\n",
            "/c/config.toml:2: unknown key `node.oauth.refresh_token_tll`; did you mean `refresh_token_ttl`?",
        ),
        (
            "[node.oauth]\nbase_url = \"\"\n",
            "/c/config.toml:2: unknown key `node.oauth.base_url`; did you mean `base_url` in `[providers.<id>]`?",
        ),
        (
            "[node]\naccess_token_ttl = \"1h\"\n",
            "/c/config.toml:2: unknown key `node.access_token_ttl`; did you mean `access_token_ttl` in `[node.oauth]`?",
        ),
        (
            "[node]\npublic_url = \"http://node.example\"\n",
            "/c/config.toml:2: `node.public_url` must be https: over http passwords and tokens would cross the network \
             in clear (http goes only to 127.0.0.1, [::1] and localhost); for example `public_url = \
             \"https://node.example\"`",
        ),
        (
            "[node]\ntrusted_proxies = [\"127.0.0.1\",\n\"0.0.0.0/0\"]\n",
            "/c/config.toml:3: `node.trusted_proxies` must not trust every address; for example `trusted_proxies = \
             [\"127.0.0.1\", \"10.0.0.0/8\"]`",
        ),
        (
            "[node]\noauth = 1\n",
            "/c/config.toml:2: `node.oauth` must be a table, not an integer; for example `[node.oauth]`",
        ),
        (
            "[node.oauth]\ndevice_interval = \"31s\"\n",
            "/c/config.toml:2: `node.oauth.device_interval` must not be longer than 30s; for example `device_interval = \
             \"5s\"`",
        ),
        (
            "[node.oauth]\ndevice_code_ttl = \"999ms\"\n",
            "/c/config.toml:2: `node.oauth.device_code_ttl` must be 1s or longer; for example `device_code_ttl = \"10m\"`",
        ),
        (
            "[node.oauth]\nsession_ttl = \"0s\"\n",
            "/c/config.toml:2: `node.oauth.session_ttl` must be longer than 0s; for example `session_ttl = \"365d\"`",
        ),
        (
            "[telemetry]\nclient_id = \"x\"\n",
            "/c/config.toml:1: unknown key `telemetry`; known here: `env_files`, `server`, `log`, `timeouts`, `providers`, \
             `routing`, `aliases`, `account`, `node`",
        ),
        (
            "[log]\nlevel = 3\n",
            "/c/config.toml:2: `log.level` must be a string, not an integer; for example `level = \"info\"`",
        ),
        (
            "[log]\nlevel = \"loud\"\n",
            "/c/config.toml:2: `log.level` must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"; for \
             example `level = \"info\"`",
        ),
        ("server = 3\n", "/c/config.toml:1: `server` must be a table, not an integer; for example `[server]`"),
        (
            "[timeouts]\nconnect = 10\n",
            "/c/config.toml:2: `timeouts.connect` must be a string, not an integer; for example `connect = \"10s\"`",
        ),
        (
            "[timeouts]\ntotal = \"10\"\n",
            "/c/config.toml:2: `timeouts.total` must be a duration of whole numbers with the units d, h, m, s or ms; for \
             example `total = \"30m\"`",
        ),
        (
            "[server]\nmax_body = \"much\"\n",
            "/c/config.toml:2: `server.max_body` must be a size: a whole number with the unit B, KiB, MiB, GiB, kB, MB \
             or GB; for example `max_body = \"64 MiB\"`",
        ),
        (
            "[server]\nlisten = \"box.lan:4356\"\n",
            "/c/config.toml:2: `server.listen` must hold an IP address or `localhost`: any other name could become an address \
             that others can reach; for example `listen = \"127.0.0.1:4356\"`",
        ),
        (
            "[node]\nlisten = \"10.0.0.5\"\npublic_url = \"https://node.example\"\n",
            "/c/config.toml:2: `node.listen` must be a host and a port; for example `listen = \"10.0.0.5:8443\"`",
        ),
        (
            "[node]\nlisten = \"10.0.0.5:8443\"\npublic_url = \"\"\n",
            "/c/config.toml:2: `node.listen` needs `node.public_url`: the address at which its team reaches it; for \
             example `listen = \"10.0.0.5:8443\"`",
        ),
        (
            "[server]\nallow_hosts = [\n  \"ok.example\",\n  7,\n]\n",
            "/c/config.toml:4: `server.allow_hosts` must hold strings, not an integer; for example `allow_hosts = \
             [\"box.example\"]`",
        ),
        (
            "[routing]\nprefer = [\"opnai\"]\n",
            "/c/config.toml:2: `routing.prefer` names a provider that no manifest describes (`opnai`); did you mean \
             `openai`? a provider of your own gets its manifest in `/c/registry`; for example `prefer = [\"anthropic\", \
             \"openai\"]`",
        ),
        (
            "[providers.antropic]\nenabled = true\n",
            "/c/config.toml:1: `providers.antropic` names a provider that no manifest describes (`antropic`); did you \
             mean `anthropic`? a provider of your own gets its manifest in `/c/registry`",
        ),
        (
            "[providers.mine]\nbase_url = \"https://x\"\n",
            "/c/config.toml:1: `providers.mine` names a provider that no manifest describes (`mine`); a provider of \
             your own gets its manifest in `/c/registry`",
        ),
        (
            "[providers.openai]\nenabled = \"yes\"\n",
            "/c/config.toml:2: `providers.openai.enabled` must be true or false, not a string; for example `enabled = \
             true`",
        ),
        (
            "[aliases]\nfast = \"fast\"\n",
            "/c/config.toml:2: `aliases.fast` must not stand for itself; for example `fast = \"groq:llama-3.3-70b\"`",
        ),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"\n", "/c/config.toml:3: not TOML: duplicate key"),
    ] {
        assert_eq!(refusal(text), expected);
    }
}

#[test]
fn every_problem_is_found_and_the_first_line_leads() {
    let error = parse("[log]\nlevel = 1\n[server]\nkeyless = 2\nbad = 3\n").unwrap_err();
    assert_eq!(error.problems().iter().map(|problem| problem.line).collect::<Vec<_>>(), [2, 4, 5]);
    let text = error.to_string();
    assert!(
        text.starts_with("/c/config.toml:2: `log.level`") && text.ends_with("(and 2 more, next in line 4)"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn what_may_be_a_secret_is_never_quoted() {
    for text in [
        "[providers.openai]\napi_key = \"canary\"\n",
        "[providers.openai]\nenv = [\"canary-1\"]\n",
        "[providers.openai]\nenv = [\"canary1\"]\n",
        "[providers.openai]\nbase_url = \"https://u:canary@host/v1\"\n",
        "[providers.openai]\nbase_url = \"canary\"\n",
        "[providers.openai]\nenabled = \"canary\"\n",
        "[log]\nlevel = \"canary\"\n",
        "[server]\nlisten = \"canary\"\n",
        "[server]\nallow_hosts = [\"can ary\", \"canary/\"]\n",
        "x = \"canary\ny = 1\n",
        "canary canary\n",
        "x = canary\n",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    assert!(refusal("[providers.openai]\napi_key = \"x\"\n").contains("set `BITROUTER_OPENAI_API_KEY`"));
}

#[test]
fn a_home_is_needed_only_where_it_is_named() {
    let place = ConfigLocation { path: Path::new("/c/config.toml"), home: None, own: None };
    let error = Config::parse("env_files = [\"~/x\"]", &place, &KnownProviders { ids: KNOWN, models: &[] })
        .unwrap_err()
        .to_string();
    assert!(error.contains("`HOME` is not set"), "{error}");
    assert_eq!(
        Config::parse("env_files = [\"~x\"]", &place, &KnownProviders { ids: KNOWN, models: &[] }).unwrap().env_files,
        [Path::new("/c/~x")]
    );
}

proptest! {
    #[test]
    fn parsing_never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn documents_of_right_shape_never_panic(
        section in "server|log|timeouts|providers|providers\\.openai|routing|aliases|account|node|node\\.oauth|[a-z]{1,6}",
        key in "listen|keyless|public_url|trusted_proxies|refresh_grace|device_interval|oauth_as|client_id|scope|max_body|level|connect|env|base_url|enabled|prefer|\"[^\"\\\\\\n]{0,8}\"|[a-z_]{1,8}",
        value in "\"[ -!#-\\[\\]-~]{0,12}\"|-?[0-9]{1,30}|true|\\[[0-9a-z\", ]{0,10}\\]|\\{a=1\\}|1979-05-27",
    ) {
        if let Err(error) = parse(&format!("[{section}]\n{key} = {value}\n")) {
            prop_assert!(error.problems().iter().all(|problem| (1..=2).contains(&problem.line)));
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }
}

#[test]
fn r5_07_an_alias_to_a_provider_that_nobody_knows_is_refused_with_the_nearest_name() {
    let text = refusal("[aliases]\nfast = \"opnai:gpt-4o\"\n");
    assert!(
        text.starts_with(
            "/c/config.toml:2: `aliases.fast` names a provider that no manifest describes (`opnai`); did you mean \
             `openai`?"
        ),
        "{text}"
    );
    for good in ["openai:anything", "qwen2.5:7b", "other:name", "gpt-4o", "meta/llama", "openai/x:free"] {
        let text = format!("[aliases]\nfast = \"{good}\"\n\"other:name\" = \"groq:m\"\n");
        assert_eq!(parse(&text).map(|config| config.aliases["fast"].clone()).unwrap(), good);
    }
}

#[test]
fn r1_02_a_base_url_that_is_our_own_listener_is_refused_with_its_line() {
    for (listen, url) in [
        ("127.0.0.1:4356", "http://127.0.0.1:4356/v1"),
        ("127.0.0.1:4356", "http://[::1]:4356/v1"),
        ("[::1]:81", "http://localhost:81/v1"),
        ("127.0.0.1:80", "http://localhost/v1"),
    ] {
        let text = refusal(&format!("[providers.openai]\nbase_url = \"{url}\"\n[server]\nlisten = \"{listen}\"\n"));
        let expected =
            "/c/config.toml:2: `providers.openai.base_url` leads back to bitrouter itself, which listens at ";
        assert!(text.starts_with(expected), "{text}");
    }
    parse("[providers.openai]\nbase_url = \"http://localhost:4357/v1\"\n").unwrap();
    parse("[providers.openai]\nbase_url = \"http://localhost:4356/v1\"\n[server]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    // What is bound counts, whatever the file says.
    let own = ["127.0.0.1:5000".parse().unwrap()];
    let place = ConfigLocation { path: Path::new("/c/config.toml"), home: None, own: Some(&own) };
    let known = KnownProviders { ids: KNOWN, models: &[] };
    let read = |port: u16| {
        Config::parse(&format!("[providers.openai]\nbase_url = \"http://localhost:{port}/v1\"\n"), &place, &known)
    };
    assert!(read(5000).is_err() && read(4356).is_ok());
}

#[test]
fn who_sells_credit_asks_it_of_others_unless_the_settings_say_otherwise() {
    use bitrouter_node::CreditRule;
    const STRIPE: &str = "[node.stripe]\nsecret_key = \"env:A\"\nwebhook_secret = \"file:/b\"\n";
    for (text, rule) in [
        (String::new(), CreditRule::Off),
        (STRIPE.to_owned(), CreditRule::RequiredOfOthers),
        (format!("[node]\ncredit = \"required\"\n{STRIPE}"), CreditRule::Required),
        (format!("[node]\ncredit = \"off\"\n{STRIPE}"), CreditRule::Off),
    ] {
        let node = parse(&text).unwrap().node;
        assert_eq!(node.credit, rule, "{text}");
        assert!(node.stripe.is_none_or(|stripe| stripe.api_base == "https://api.stripe.com"));
    }
    for (line, part) in [
        ("", "`node.stripe.secret_key` is missing"),
        ("secret_key = \"env:A\"", "`node.stripe.webhook_secret` is missing"),
        ("secret_key = \"canary 1\"\nwebhook_secret = \"w\"", "`node.stripe.secret_key` must be a secret"),
        ("secret_key = \"k\"\nwebhook_secret = \"w\"\napi_base = \"http://far.example\"", "must be https"),
        ("secret = \"canary\"", "unknown key `node.stripe.secret`"),
    ] {
        let error = parse(&format!("[node.stripe]\n{line}\n")).unwrap_err();
        let said: Vec<_> = error.problems().iter().map(|problem| problem.message.as_str()).collect();
        assert!(said.iter().any(|message| message.contains(part)), "{said:?}");
        assert!(said.iter().all(|message| !message.contains("canary")), "{said:?}");
    }
}
