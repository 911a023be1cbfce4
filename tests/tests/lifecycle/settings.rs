//! Settings: what is wrong is named with its line, its key and the nearest right one, at start and at reload.

use bitrouter_tests::{InferenceFixture, World};

/// Bad settings and the words that must be said about them.
const BAD: &[(&str, &[&str])] = &[
    ("[server]\nlisen = \"127.0.0.1:0\"\n", &["lisen", "listen", "2"]),
    ("[servr]\n", &["servr", "server"]),
    ("[timeouts]\nfirst_byt = \"1s\"\n", &["first_byt", "first_byte"]),
    ("[timeouts]\nfirst_byte = \"soon\"\n", &["first_byte", "600s"]),
    ("[timeouts]\nconnect = 5\n", &["connect"]),
    ("[server]\nmax_body = \"64 parsecs\"\n", &["max_body"]),
    ("[server]\nkeyless = \"sometimes\"\n", &["keyless", "same-user", "never"]),
    ("[log]\nlevel = \"loud\"\n", &["level"]),
    ("[log]\nformat = \"xml\"\n", &["format", "json"]),
    ("[providers.openia]\nbase_url = \"https://x.example/v1\"\n", &["openia", "openai"]),
    ("[providers.openai]\nbase_ulr = \"https://x.example/v1\"\n", &["base_ulr", "base_url"]),
    ("[providers.openai]\nbase_url = \"http://x.example/v1\"\n", &["base_url", "https"]),
    ("[providers.openai]\nbase_url = \"nonsense\"\n", &["base_url"]),
    ("[routing]\nprefer = [\"antropic\"]\n", &["antropic", "anthropic"]),
    ("env_files = \"one\"\n", &["env_files"]),
    ("[server\n", &["1"]),
    ("[server]\nkeyless = \"never\"\nkeyless = \"never\"\n", &["3", "duplicate"]),
];

#[test]
fn bad_settings_are_refused_at_start_with_key_and_remedy() {
    for (text, words) in BAD {
        let world = World::new();
        world.config(text);
        let output = world.cli(["serve", "--listen", "127.0.0.1:0"]).with_code(1);
        assert!(output.stderr.contains("config.toml"), "{text}\n{}", output.stderr);
        for word in *words {
            assert!(output.stderr.contains(word), "`{word}` is missing for\n{text}\n{}", output.stderr);
        }
    }
}

#[test]
fn p15_bad_settings_at_reload_change_nothing() {
    let fixture = InferenceFixture::new();
    let good = fixture.provider.as_openai();
    for (text, words) in BAD {
        fixture.world.config(text);
        let output = fixture.world.cli(["reload"]).with_code(1);
        for word in *words {
            assert!(output.stderr.contains(word), "`{word}` is missing for\n{text}\n{}", output.stderr);
        }
        fixture.http().chat(bitrouter_tests::MODEL, "x").send().ok();
        assert_eq!(fixture.daemon.status()["reloads"]["count"], 0, "{text}");
    }
    let last = fixture.daemon.status()["reloads"]["last_error"].clone();
    assert!(last.as_str().is_some_and(|text| text.contains("config.toml")), "{last}");
    fixture.world.config(&good);
    fixture.daemon.reload();
    let reloads = fixture.daemon.status()["reloads"].clone();
    assert_eq!((&reloads["count"], &reloads["last_error"]), (&1.into(), &serde_json::Value::Null), "{reloads}");
}

#[test]
fn a_change_that_needs_a_restart_is_refused_by_its_key() {
    let fixture = InferenceFixture::new();
    let changed = format!("[server]\nlisten = \"127.0.0.1:1\"\n{}", fixture.provider.as_openai());
    // The flag decides where this daemon listens; the file alone changed nothing that counts.
    let world = World::new();
    world.config("[server]\nlisten = \"127.0.0.1:0\"\n");
    let daemon = world.serve().listen_as_configured().arg("--demo").start();
    world.config("[server]\nlisten = \"127.0.0.1:1\"\n");
    let output = world.cli(["reload"]).with_code(1);
    assert!(output.stderr.contains("server.listen") && output.stderr.contains("restart"), "{}", output.stderr);
    assert_eq!(daemon.status()["reloads"]["count"], 0);
    drop(changed);
}

#[test]
fn settings_are_reloaded_whole() {
    let fixture = InferenceFixture::new();
    fixture.http().chat("fast", "x").send().refused(404, "model_not_found");
    fixture.http().get("/health").host("box.local").send().refused(403, "host_not_allowed");
    let more = format!(
        "[server]\nmax_body = \"1 KiB\"\nallow_hosts = [\"box.local\"]\n[aliases]\nfast = \"openai:quick\"\n{}",
        fixture.provider.as_openai()
    );
    fixture.world.config(&more);
    fixture.daemon.reload();
    fixture.http().chat("fast", "x").send().ok();
    assert_eq!(fixture.provider.exchange(0).request.model(), "quick");
    fixture.http().get("/health").host("box.local").send().ok();
    fixture.http().chat("fast", &"x".repeat(2000)).send().refused(413, "body_too_large");
}

#[test]
fn a_bad_manifest_is_refused_and_named() {
    let head =
        "name = \"x\"\nkind = \"gateway\"\nendpoint = \"http://127.0.0.1:9/v1\"\nprotocol = \"chat_completions\"\n";
    let cases = [
        ("no id", head.to_owned()),
        ("bad id", format!("id = \"Bad_Id\"\n{head}")),
        ("unknown key", format!("id = \"own\"\nendpiont = 1\n{head}")),
        ("http elsewhere", format!("id = \"own\"\n{}", head.replace("127.0.0.1:9", "x.example"))),
        (
            "http elsewhere for one protocol",
            format!("id = \"own\"\n{head}[endpoints.messages]\nurl = \"http://x.example/v1\"\n"),
        ),
        ("the account's variable", format!("id = \"own\"\n{head}[auth]\nenv = [\"BITROUTER_API_KEY\"]\n")),
    ];
    for (name, text) in cases {
        let world = World::new();
        world.write("config/bitrouter/registry/own.toml", text);
        let output = world.cli(["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(output.code, 1, "{name}: {}", output.text());
        assert!(output.stderr.contains("own.toml"), "{name}: {}", output.stderr);
    }
}

#[test]
fn absent_settings_are_fine_and_another_file_can_be_named() {
    let world = World::new();
    world.demo().stop();
    let path = world.write("other.toml", "[aliases]\nme = \"demo:echo\"\n");
    let daemon = world.serve().arg("--demo").arg("--config").arg(&path).start();
    assert_eq!(daemon.http().chat("me", "hi").send().ok().content(), "hi");
    assert_eq!(daemon.status()["config"], path.to_string_lossy().as_ref());
    drop(daemon);
    let missing = world.path("missing.toml").to_string_lossy().into_owned();
    let output = world.cli(["serve", "--config", &missing]).with_code(1);
    assert!(output.stderr.contains("missing.toml"), "{}", output.stderr);
}

#[test]
fn p03_a_bad_manifest_names_file_line_and_key_and_never_the_value() {
    let head = "id = \"own\"\nkind = \"gateway\"\nprotocol = \"chat_completions\"\nendpoint = \"https://h/v1\"\n";
    let wrong = |to: &str| head.replace("\"https://h/v1\"", to);
    let cases = [
        ("endpoint", wrong("\"https://u:CANARY@h/v1\"")),
        ("endpoint", wrong("\"CANARY\"")),
        ("endpoint", wrong("[\"CANARY\"]")),
        ("auth.env", format!("{head}[auth]\nenv = [\"CANARY\"]\n")),
        ("auth.env", format!("{head}[auth]\nenv = \"CANARY\"\n")),
        ("auth.header", format!("{head}[auth]\nheader = \"a bCANARY\"\n")),
        ("auth.scheme", format!("{head}[auth]\nscheme = \"CANARY\\n\"\n")),
        ("auth.extra_headers", format!("{head}[auth]\nextra_headers = {{ Authorization = \"CANARY\\n\" }}\n")),
        ("auth.extra_headers", format!("{head}[auth]\nextra_headers = \"CANARY\"\n")),
        ("payment.modes", format!("{head}[payment]\nmodes = \"CANARY\"\n")),
        ("models.max_input_tokens", format!("{head}[[models]]\nid = \"m\"\nmax_input_tokens = \"CANARY\"\n")),
        ("endpoints.messages.url", format!("{head}[endpoints.messages]\nurl = \"https://u:CANARY@h\"\n")),
    ];
    let fixture = InferenceFixture::new();
    let canary = fixture.world.canary("manifest");
    // What could be an id is a name and may be repeated; this cannot.
    let pasted = canary.to_uppercase();
    let prefer = format!("[routing]\nprefer = [\"{pasted}\"]\n{}", fixture.provider.as_openai());
    for (key, text) in cases {
        let file = fixture.world.write("config/bitrouter/registry/own.toml", text.replace("CANARY", &canary));
        let refused = fixture.world.cli(["reload"]).with_code(1);
        assert!(refused.stderr.contains("own.toml:") && refused.stderr.contains(key), "{key}: {}", refused.stderr);
        for output in
            [refused, fixture.world.cli(["serve", "--listen", "127.0.0.1:0"]), fixture.world.cli(["status", "--json"])]
        {
            assert!(!output.text().contains(&canary), "{key}: {}", output.text());
        }
        std::fs::remove_file(file).expect("remove the manifest");
    }
    fixture.world.config(&prefer);
    let refused = fixture.world.cli(["reload"]).with_code(1);
    assert!(refused.stderr.contains("routing.prefer") && !refused.text().contains(&pasted), "{}", refused.text());
    let log = fixture.daemon.stderr().text();
    assert!(!log.contains(&canary) && !log.contains(&pasted), "{log}");
}
