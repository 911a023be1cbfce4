//! Pushes by terminal session: who replaces whom, what outlives what.

use bitrouter_tests::{Daemon, World, openai, parked_provider::ParkedProvider, terminal::Terminal};

use super::{cast, shell};

struct Scene {
    world: World,
    _parking: ParkedProvider,
    daemon: Daemon,
    keys: [String; 3],
}

fn scene() -> Scene {
    let (world, provider) = cast();
    let keys = ["one", "two", "own"].map(|name| world.canary(name));
    let daemon = world.serve().env("OPENAI_API_KEY", &keys[2]).start();
    Scene { world, _parking: provider, daemon, keys }
}

impl Scene {
    /// A terminal whose shell can read the keys but exports none of them under its provider's name.
    fn terminal(&self) -> Terminal {
        shell(&self.world, "/bin/sh", &["-i"], &[("ONE", &self.keys[0]), ("TWO", &self.keys[1])])
    }

    #[track_caller]
    fn uses(&self, number: usize) {
        let answer = self.daemon.http().chat("openai:m", "x").send().ok();
        let found = self
            .keys
            .iter()
            .position(|key| Some(openai::fingerprint(key).as_str()) == answer.header(openai::KEY_HEADER));
        assert_eq!(found, Some(number), "the key of another source was used");
    }
}

#[test]
fn p15_between_sessions_the_newest_value_wins_and_each_withdraws_only_its_own() {
    let scene = scene();
    let (first, second) = (scene.terminal(), scene.terminal());
    scene.uses(2);
    first.run("OPENAI_API_KEY=$ONE \"$BITROUTER\" reload");
    scene.uses(0);
    second.run("OPENAI_API_KEY=$TWO \"$BITROUTER\" reload");
    scene.uses(1);
    let detail = scene.daemon.provider("openai")["detail"].to_string();
    assert!(detail.contains("newer push") && detail.contains("own environment"), "{detail}");
    // Newest is who pushed last, also with the value from before.
    first.run("OPENAI_API_KEY=$ONE \"$BITROUTER\" reload");
    scene.uses(0);
    // Unset in the first: what the second pushed stands again; then nothing but our own environment.
    first.run("\"$BITROUTER\" reload");
    scene.uses(1);
    second.run("\"$BITROUTER\" reload");
    scene.uses(2);
}

#[test]
fn p15_a_sessions_keys_outlive_it() {
    let scene = scene();
    let mut window = scene.terminal();
    window.run("OPENAI_API_KEY=$ONE \"$BITROUTER\" reload");
    scene.uses(0);
    let leader = window.pid();
    window.close();
    bitrouter_tests::wait::holds("the end of the session", || {
        window.wait(std::time::Duration::from_secs(20));
        !bitrouter_tests::procfs::is_running(leader)
    });
    scene.uses(0);
    // A reload elsewhere does not take them along.
    scene.world.cli(["reload"]).expect_code(0);
    scene.uses(0);
}

#[test]
fn p15_a_forgotten_name_is_hidden_everywhere_until_it_is_pushed_again() {
    let scene = scene();
    scene.world.env_file(&format!("OPENAI_API_KEY={}\n", scene.keys[1]));
    let window = scene.terminal();
    window.run("OPENAI_API_KEY=$ONE \"$BITROUTER\" reload");
    scene.uses(0);
    let gone = scene.world.cli(["reload", "--forget", "OPENAI_API_KEY", "--json"]).with_code(0).json();
    let change = &gone["changed"][0];
    assert_eq!((&change["name"], &change["change"]), (&"OPENAI_API_KEY".into(), &"withdrawn".into()), "{gone}");
    assert!(change["now_from"].is_null(), "{gone}");
    let refused = || scene.daemon.http().chat("openai:m", "x").send().refused(402, "provider_key_missing");
    refused();
    let openai = scene.daemon.provider("openai");
    assert!(openai["key_source"].is_null() && openai["active"] == false, "{openai}");
    assert!(openai["detail"].as_str().is_some_and(|text| text.contains("--forget")), "{openai}");
    // Neither a reload nor an edited file nor SIGHUP brings it back.
    scene.world.cli(["reload"]).expect_code(0);
    scene.daemon.hangup();
    refused();
    window.run("OPENAI_API_KEY=$ONE \"$BITROUTER\" reload");
    scene.uses(0);
}

#[test]
fn p15_what_changed_is_said_name_by_name() {
    let scene = scene();
    let reload = |value: Option<&str>| {
        let run = scene.world.command(["reload", "--json"]);
        let run = match value {
            Some(value) => run.env("OPENAI_API_KEY", value),
            None => run,
        };
        run.run().with_code(0).json()["changed"].clone()
    };
    let line = |change: &str, from: &str| serde_json::json!([{"name": "OPENAI_API_KEY", "provider": "openai", "change": change, "now_from": from}]);
    assert_eq!(reload(Some(&scene.keys[0])), line("changed", "pushed"));
    assert_eq!(reload(Some(&scene.keys[0])), serde_json::json!([]));
    assert_eq!(reload(Some(&scene.keys[1])), line("changed", "pushed"));
    let back = reload(None);
    assert_eq!((&back[0]["name"], &back[0]["now_from"]), (&"OPENAI_API_KEY".into(), &"environment".into()), "{back}");
    scene.uses(2);
}
