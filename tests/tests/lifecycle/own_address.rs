//! A provider that is ourselves: one call would come round again and again, until descriptors run out.

use bitrouter_tests::World;

#[test]
fn r1_02_a_base_url_that_names_our_own_listener_is_refused_at_start_and_at_reload() {
    let world = World::new();
    let port = world.user().port();
    let listen = format!("127.0.0.1:{port}");
    for host in ["127.0.0.1", "localhost", "[::1]", "box.localhost", "LOCALHOST."] {
        world.config(&format!("[providers.openai]\nbase_url = \"http://{host}:{port}/v1\"\n"));
        let output = world.cli(["serve", "--listen", &listen]).with_code(1);
        // Some spellings are refused because they are no address of this machine, or none at all.
        let refused = ["leads back to bitrouter itself", "must be https", "whose host is spelled as usual"]
            .iter()
            .any(|reason| output.stderr.contains(reason));
        assert!(
            refused && output.stderr.contains("config.toml:2") && output.stderr.contains("base_url"),
            "{}",
            output.stderr
        );
    }
    // The configured address counts as well.
    let own =
        format!("[server]\nlisten = \"{listen}\"\n[providers.openai]\nbase_url = \"http://localhost:{port}/v1\"\n");
    world.config(&own);
    let output = world.cli(["serve"]).with_code(1);
    assert!(output.stderr.contains("config.toml:4") && output.stderr.contains("itself"), "{}", output.stderr);
}

#[test]
fn r1_02_a_port_that_was_free_is_known_when_the_settings_are_read_again() {
    let world = World::new();
    let daemon = world.serve().start();
    let port = daemon.port();
    world.config(&format!("[providers.openai]\nbase_url = \"http://localhost:{port}/v1\"\n"));
    let output = world.command(["reload"]).env("OPENAI_API_KEY", "sk-round").run().with_code(1);
    assert!(output.stderr.contains("config.toml:2") && output.stderr.contains("itself"), "{}", output.stderr);
    world.config("");
    // A manifest of one's own is no other way in.
    let manifest = format!(
        "id = \"own\"\nname = \"x\"\nkind = \"local\"\nendpoint = \"http://127.0.0.1:{port}/v1\"\nprotocol = \
         \"chat_completions\"\n"
    );
    let path = world.write("config/bitrouter/registry/own.toml", manifest);
    let output = world.cli(["reload"]).with_code(1);
    assert!(output.stderr.contains("own.toml") && output.stderr.contains("itself"), "{}", output.stderr);
    std::fs::remove_file(path).expect("remove");
    daemon.reload();
}

#[test]
fn r5_07_an_alias_to_an_unknown_provider_is_refused_with_the_nearest_name_and_logged_once() {
    let world = World::new();
    let daemon = world.serve().args(["--log-format", "json"]).start();
    world.config("[aliases]\nfast = \"opnai:gpt-4o\"\n");
    let output = world.cli(["reload"]).with_code(1);
    for part in ["config.toml:2", "aliases.fast", "opnai", "did you mean `openai`"] {
        assert!(output.stderr.contains(part), "`{part}` is not in {}", output.stderr);
    }
    world.config("");
    daemon.reload();
    let text = daemon.stderr().until("the good reload", |text| text.contains("\"message\":\"reload\""));
    assert_eq!(text.matches("did you mean `openai`").count(), 2, "refused once, and cleared once:\n{text}");
}
