//! Where a provider's key comes from: the name decides first, then the source.

use bitrouter_tests::{Daemon, Provider, Serve, World};

/// What the row shows, the daemon's environment, the env file; then the key, its source and its variable.
type Row =
    (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str, &'static str, &'static str);

/// A world in which every provider of the table is the same scripted one.
struct Cast {
    world: World,
    provider: Provider,
}

impl Cast {
    fn new() -> Self {
        let (world, provider) = (World::new(), Provider::start());
        let all: String = ["openai", "google", "groq"].map(|id| provider.as_provider(id)).concat();
        world.config(&all);
        Self { world, provider }
    }

    /// The key that a call to `model` is sent with.
    #[track_caller]
    fn key(&self, daemon: &Daemon, model: &str) -> String {
        let before = self.provider.count();
        daemon.http().chat(model, "x").send().ok();
        self.provider.exchange(before).request.key().expect("a key").to_owned()
    }
}

#[test]
fn the_name_beats_the_source_and_the_file_beats_the_environment() {
    let table: [Row; 7] = [
        ("passthrough", &[("OPENAI_API_KEY", "env")], "", "env", "environment", "OPENAI_API_KEY"),
        (
            "our name beats the passthrough name",
            &[("OPENAI_API_KEY", "env"), ("BITROUTER_OPENAI_API_KEY", "own")],
            "",
            "own",
            "environment",
            "BITROUTER_OPENAI_API_KEY",
        ),
        (
            "our name in the environment beats the passthrough name in a file",
            &[("BITROUTER_OPENAI_API_KEY", "own")],
            "OPENAI_API_KEY=file\n",
            "own",
            "environment",
            "BITROUTER_OPENAI_API_KEY",
        ),
        (
            "the file beats the environment for one name",
            &[("OPENAI_API_KEY", "env")],
            "OPENAI_API_KEY=file\n",
            "file",
            "env_file",
            "OPENAI_API_KEY",
        ),
        (
            "our name in a file beats everything",
            &[("OPENAI_API_KEY", "env"), ("BITROUTER_OPENAI_API_KEY", "own")],
            "BITROUTER_OPENAI_API_KEY=file\n",
            "file",
            "env_file",
            "BITROUTER_OPENAI_API_KEY",
        ),
        (
            "empty means unset",
            &[("OPENAI_API_KEY", "env"), ("BITROUTER_OPENAI_API_KEY", "")],
            "",
            "env",
            "environment",
            "OPENAI_API_KEY",
        ),
        (
            "empty in a file means unset",
            &[("OPENAI_API_KEY", "env")],
            "OPENAI_API_KEY=\n",
            "env",
            "environment",
            "OPENAI_API_KEY",
        ),
    ];
    for (name, environment, file, expected, source, variable) in table {
        let cast = Cast::new();
        cast.world.env_file(file);
        let serve = environment.iter().fold(cast.world.serve(), |serve: Serve, (name, value)| serve.env(name, value));
        let daemon = serve.start();
        assert_eq!(cast.key(&daemon, "openai:m"), expected, "{name}");
        let status = daemon.provider("openai");
        assert_eq!((&status["key_source"], &status["variable"]), (&source.into(), &variable.into()), "{name}");
        assert_eq!(status["active"], true, "{name}");
    }
}

#[test]
fn google_beats_gemini() {
    let cast = Cast::new();
    let daemon = cast.world.serve().env("GEMINI_API_KEY", "gemini").env("GOOGLE_API_KEY", "google").start();
    assert_eq!(daemon.provider("google")["variable"], "GOOGLE_API_KEY");
    drop(daemon);
    let daemon = cast.world.serve().env("GEMINI_API_KEY", "gemini").start();
    assert_eq!(daemon.provider("google")["variable"], "GEMINI_API_KEY");
}

#[test]
fn a_later_env_file_wins() {
    let cast = Cast::new();
    cast.world.env_file("OPENAI_API_KEY=usual\nGROQ_API_KEY=usual\n");
    let one = cast.world.write("one.env", "OPENAI_API_KEY=one\n");
    let two = cast.world.write("two.env", "OPENAI_API_KEY=two\n");
    let daemon = cast.world.serve().arg("--env-file").arg(&one).arg("--env-file").arg(&two).start();
    assert_eq!(cast.key(&daemon, "openai:m"), "two");
    assert_eq!(cast.key(&daemon, "groq:m"), "usual");
    drop(daemon);
    let daemon = cast.world.serve().arg("--env-file").arg(&two).arg("--env-file").arg(&one).start();
    assert_eq!(cast.key(&daemon, "openai:m"), "one");
}

#[test]
fn our_own_keys_are_never_sent_to_a_provider() {
    for value in ["brk_x", "bra_x", "brr_x", "sk-tr-x", "bitrouter-local"] {
        let cast = Cast::new();
        let daemon = cast.world.serve().env("OPENAI_API_KEY", value).start();
        daemon.http().chat("openai:m", "x").send().refused(402, "provider_key_missing");
        let status = daemon.provider("openai");
        assert_eq!((&status["active"], &status["key_source"]), (&false.into(), &serde_json::Value::Null), "{value}");
        let detail = status["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("OPENAI_API_KEY"), "{value}: {detail}");
        drop(daemon);
        // The next source is asked instead.
        cast.world.env_file("OPENAI_API_KEY=from-the-file\n");
        let daemon = cast.world.serve().env("BITROUTER_OPENAI_API_KEY", value).start();
        assert_eq!(cast.key(&daemon, "openai:m"), "from-the-file", "{value}");
    }
}

#[test]
fn a_variable_of_no_known_provider_is_a_warning_with_the_nearest() {
    let world = World::new();
    let daemon = world.serve().env("BITROUTER_OPENIA_API_KEY", "x").start();
    let status = daemon.status();
    let warnings = status["warnings"].as_array().expect("warnings");
    let found = warnings
        .iter()
        .find(|warning| warning["message"].as_str().is_some_and(|text| text.contains("BITROUTER_OPENIA_API_KEY")));
    let found = found.unwrap_or_else(|| panic!("{warnings:?}"));
    assert!(found["message"].as_str().is_some_and(|text| text.contains("BITROUTER_OPENAI_API_KEY")), "{found}");
    for member in ["code", "severity", "since"] {
        assert!(found[member].is_string(), "{found}");
    }
}

#[test]
fn an_id_with_a_dash_has_a_variable_with_an_underscore() {
    let cast = Cast::new();
    let manifest = format!(
        "id = \"my-own\"\nname = \"x\"\nkind = \"gateway\"\nendpoint = \"{}\"\nprotocol = \"chat_completions\"\n",
        cast.provider.base_url()
    );
    cast.world.write("config/bitrouter/registry/my-own.toml", manifest);
    let daemon = cast.world.serve().env("BITROUTER_MY_OWN_API_KEY", "dashed").start();
    assert_eq!(cast.key(&daemon, "my-own:m"), "dashed");
}
