//! Keys pushed by `bitrouter reload`: what the caller's environment holds of the names the daemon asked for.

use bitrouter_tests::{MODEL, Provider, World};

fn cast() -> (World, Provider) {
    let (world, provider) = (World::new(), Provider::start());
    world.config(&provider.as_openai());
    (world, provider)
}

#[test]
fn reload_pushes_what_the_shell_holds_and_says_what_changed() {
    let (world, provider) = cast();
    let daemon = world.serve().start();
    let key = world.canary("pushed");
    daemon.http().chat(MODEL, "x").send().refused(402, "provider_key_missing");
    let output = world.command(["reload", "--json"]).env("OPENAI_API_KEY", &key).run().with_code(0);
    let changed = output.json()["changed"].clone();
    let change = &changed[0];
    assert_eq!((&change["name"], &change["provider"]), (&"OPENAI_API_KEY".into(), &"openai".into()), "{changed}");
    assert_eq!((&change["change"], &change["now_from"]), (&"added".into(), &"pushed".into()), "{changed}");
    daemon.http().chat(MODEL, "x").send().ok();
    assert_eq!(provider.exchange(0).request.key(), Some(key.as_str()));
    assert_eq!(daemon.provider("openai")["key_source"], "pushed");

    let again = world.command(["reload", "--json"]).env("OPENAI_API_KEY", &key).run().with_code(0);
    assert_eq!(again.json()["changed"], serde_json::json!([]), "nothing changed");
    // The same shell unset it.
    let output = world.cli(["reload", "--json"]).with_code(0);
    assert_eq!(output.json()["changed"][0]["change"], "withdrawn", "{}", output.stdout);
    daemon.http().chat(MODEL, "x").send().refused(402, "provider_key_missing");
}

#[test]
fn a_pushed_key_beats_files_and_environment_and_can_be_forgotten() {
    let (world, provider) = cast();
    world.env_file("OPENAI_API_KEY=file\n");
    let daemon = world.serve().env("OPENAI_API_KEY", "environment").start();
    world.command(["reload"]).env("OPENAI_API_KEY", "pushed").run().expect_code(0);
    daemon.http().chat(MODEL, "x").send().ok();
    assert_eq!(provider.exchange(0).request.key(), Some("pushed"));
    world.command(["reload", "--forget", "OPENAI_API_KEY"]).run().expect_code(0);
    daemon.http().chat(MODEL, "x").send().refused(402, "provider_key_missing");
    world.command(["reload"]).env("OPENAI_API_KEY", "again").run().expect_code(0);
    daemon.http().chat(MODEL, "x").send().ok();
    assert_eq!(provider.exchange(1).request.key(), Some("again"));
}

#[test]
fn a_restart_loses_pushed_keys_and_says_so() {
    let (world, _provider) = cast();
    world.cli(["start", "--listen", "127.0.0.1:0"]).expect_code(0);
    let key = world.canary("pushed");
    world.command(["reload"]).env("OPENAI_API_KEY", &key).run().expect_code(0);
    let before = world.detached();
    assert_eq!(before.provider("openai")["key_source"], "pushed");
    let output = world.cli(["restart"]).with_code(0);
    assert!(output.stderr.contains("bitrouter reload"), "{}", output.text());
    drop(before);
    world.detached().http().chat(MODEL, "x").send().refused(402, "provider_key_missing");
}

#[test]
fn reload_without_a_daemon_is_code_2() {
    let world = World::new();
    let output = world.cli(["reload"]).with_code(2);
    assert!(output.stderr.contains("bitrouter start"), "{}", output.stderr);
    let error = world.cli(["reload", "--json"]).with_code(2).error();
    assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
}
