//! Faults of what the user wrote: the old state stays, the reason is said, and the next good one cures it.

use std::os::unix::fs::PermissionsExt as _;

use bitrouter_tests::{MODEL, Provider, World, wait};

fn chmod(world: &World, path: &str, mode: u32) {
    let file = std::fs::File::open(world.path(path)).expect("open");
    file.set_permissions(std::fs::Permissions::from_mode(mode)).expect("chmod");
}

fn scene() -> (World, Provider) {
    let (world, provider) = (World::new(), Provider::start());
    world.config(&provider.as_openai());
    world.env_file("OPENAI_API_KEY=old\n");
    (world, provider)
}

#[track_caller]
fn key(daemon: &bitrouter_tests::Daemon, provider: &Provider) -> String {
    let before = provider.count();
    daemon.http().chat(MODEL, "x").send().ok();
    provider.exchange(before).request.key().expect("a key").to_owned()
}

#[test]
fn p15_unreadable_settings_are_refused_and_the_old_ones_stay() {
    let (world, provider) = scene();
    let daemon = world.serve().start();
    chmod(&world, "config/bitrouter/config.toml", 0o000);
    let output = world.cli(["reload"]);
    if world.user().is_exclusive() {
        output.expect_code(1);
        assert!(output.stderr.contains("config.toml"), "{}", output.stderr);
        let error = daemon.status()["reloads"]["last_error"].clone();
        assert!(error.as_str().is_some_and(|text| text.contains("config.toml")), "{error}");
    }
    assert_eq!(key(&daemon, &provider), "old");
    chmod(&world, "config/bitrouter/config.toml", 0o600);
    world.cli(["reload"]).expect_code(0);
    assert!(daemon.status()["reloads"]["last_error"].is_null());
}

#[test]
fn p15_removed_settings_are_as_good_as_none() {
    let (world, provider) = scene();
    let daemon = world.serve().start();
    assert_eq!(key(&daemon, &provider), "old");
    std::fs::remove_file(world.path("config/bitrouter/config.toml")).expect("remove");
    world.cli(["reload"]).expect_code(0);
    assert!(daemon.status()["config"].is_null(), "{}", daemon.status()["config"]);
}

#[test]
fn p15_a_removed_env_file_withdraws_its_keys_by_itself() {
    let (world, provider) = scene();
    let daemon = world.serve().start();
    assert_eq!(key(&daemon, &provider), "old");
    std::fs::remove_file(world.path("config/bitrouter/env")).expect("remove");
    wait::holds("the loss", || daemon.http().chat(MODEL, "x").send().status == 402);
    assert!(daemon.provider("openai")["key_source"].is_null());
    world.env_file("OPENAI_API_KEY=back\n");
    wait::holds("the key", || daemon.provider("openai")["key_source"] == "env_file");
    assert_eq!(key(&daemon, &provider), "back");
}

#[test]
fn p15_a_removed_env_file_that_was_asked_for_is_refused_and_its_keys_stay() {
    let (world, provider) = scene();
    let more = world.write("more.env", "OPENAI_API_KEY=more\n");
    let daemon = world.serve().arg("--env-file").arg(&more).start();
    assert_eq!(key(&daemon, &provider), "more");
    std::fs::remove_file(&more).expect("remove");
    wait::holds("the warning", || daemon.warning("reload_refused").is_some());
    let output = world.cli(["reload"]).with_code(1);
    assert!(output.stderr.contains("more.env"), "{}", output.stderr);
    assert_eq!(key(&daemon, &provider), "more");
    world.write("more.env", "OPENAI_API_KEY=again\n");
    wait::holds("the cure", || daemon.warning("reload_refused").is_none());
    assert_eq!(key(&daemon, &provider), "again");
}

#[test]
fn p03_an_env_file_that_becomes_readable_for_all_is_refused_with_the_cure() {
    let (world, provider) = scene();
    let daemon = world.serve().start();
    chmod(&world, "config/bitrouter/env", 0o644);
    let output = world.cli(["reload"]).with_code(1);
    let path = world.path("config/bitrouter/env");
    assert!(output.stderr.contains(&format!("chmod 600 {}", path.display())), "{}", output.stderr);
    assert_eq!(key(&daemon, &provider), "old");
    // What it says to run cures it.
    chmod(&world, "config/bitrouter/env", 0o600);
    world.cli(["reload"]).expect_code(0);
    assert!(daemon.warning("reload_refused").is_none());
}

#[test]
fn p15_a_broken_manifest_is_refused_with_its_file_and_the_old_one_serves() {
    let (world, provider) = scene();
    let good = format!(
        "id = \"mine\"\nname = \"Mine\"\nkind = \"gateway\"\nendpoint = \"{}\"\nprotocol = \"chat_completions\"\n[auth]\nenv = [\"MINE_KEY\"]\n",
        provider.base_url()
    );
    world.write("config/bitrouter/registry/mine.toml", &good);
    world.env_file("MINE_KEY=mine\n");
    let daemon = world.serve().start();
    let serves = || daemon.http().chat("mine:m", "x").send().status;
    assert_eq!(serves(), 200);
    for (bad, word) in [("id = ", "mine.toml"), ("id = \"mine\"\nunknown = 1\n", "unknown"), ("", "mine.toml")] {
        world.write("config/bitrouter/registry/mine.toml", bad);
        let output = world.cli(["reload"]).with_code(1);
        assert!(output.stderr.contains(word) && output.stderr.contains("mine.toml"), "{}", output.stderr);
        assert_eq!(serves(), 200, "the old manifest is gone after `{bad}`");
    }
    world.write("config/bitrouter/registry/mine.toml", &good);
    world.cli(["reload"]).expect_code(0);
    assert_eq!(serves(), 200);
}
