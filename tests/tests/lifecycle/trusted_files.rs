//! Who may write the files that decide where keys go: settings, manifests, env files.

use std::path::Path;

use bitrouter_tests::{InferenceFixture, MODEL, World};

const MANIFEST: &str = "id = \"own\"\nkind = \"gateway\"\nendpoint = \"https://own.invalid/v1\"\nprotocol = \
                        \"chat_completions\"\n";

fn set_mode(path: &Path, mode: u32) {
    rustix::fs::chmod(path, mode.into()).expect("chmod");
}

#[test]
fn r1_04_settings_and_manifests_that_others_can_write_are_refused_with_the_chmod() {
    for mode in [0o664, 0o622, 0o646, 0o606] {
        for (below, text) in [("config.toml", ""), ("registry/own.toml", MANIFEST)] {
            let world = World::new();
            let path = world.write(&format!("config/bitrouter/{below}"), text);
            set_mode(&path, mode);
            let output = world.cli(["serve", "--listen", "127.0.0.1:0"]).with_code(1);
            let command = format!("chmod go-w {}", path.display());
            assert!(
                output.stderr.contains(&command) && output.stderr.contains(&format!("{mode:04o}")),
                "{}",
                output.stderr
            );
            // The command cures it.
            world.program("/bin/sh".as_ref(), ["-c", &command]).run().expect_code(0);
            world.serve().start().stop();
        }
    }
}

#[test]
fn r1_04_a_reload_refuses_them_too_and_keeps_what_is_in_force() {
    let fixture = InferenceFixture::new();
    let evil = fixture
        .provider
        .as_openai()
        .replace("[providers.openai]", "[aliases]\nfast = \"openai:m\"\n[providers.openai]");
    let path = fixture.world.config(&evil);
    set_mode(&path, 0o666);
    let output = fixture.world.cli(["reload"]).with_code(1);
    assert!(output.stderr.contains("chmod go-w"), "{}", output.stderr);
    assert!(fixture.daemon.warning("reload_refused").is_some());
    fixture.http().chat("fast", "x").send().refused(404, "model_not_found");
    fixture.http().chat(MODEL, "x").send().ok();
    set_mode(&path, 0o644);
    fixture.daemon.reload();
    fixture.http().chat("fast", "x").send().ok();
}

#[test]
fn r1_04_a_file_of_another_user_is_refused_whatever_its_mode() {
    let world = World::new();
    let Some(other) = world.user().foreign() else { return };
    for below in ["config.toml", "registry/own.toml", "env"] {
        let world = World::new();
        let text = if below.ends_with("own.toml") { MANIFEST } else { "" };
        let path = world.write(&format!("config/bitrouter/{below}"), text);
        // One that the daemon can read all the same.
        set_mode(&path, if below == "env" { 0o600 } else { 0o644 });
        other.own_path(&path);
        let output = world.cli(["serve", "--listen", "127.0.0.1:0"]).with_code(1);
        let named = output.stderr.contains(&format!("belongs to uid {}", other.uid()));
        // Where its owner's mode keeps us out, the system refuses first.
        assert!(named || below == "env" && output.stderr.contains("Permission denied"), "{}", output.stderr);
    }
}
