//! What the pages show is run as it stands there.

use bitrouter_tests::{Provider, World, shared_files};
use serde_json::Value;

#[test]
fn the_screen_for_coding_agents_leads_to_a_working_key() {
    let page = std::fs::read_to_string(shared_files::repository().join("docs/agents.md")).expect("the page");
    let (_, behind) = page.split_once("```sh\n").expect("commands");
    let (commands, _) = behind.split_once("```").expect("their end");
    let world = World::new();
    let provider = Provider::start_as(world.user(), 0);
    let port = world.user().port();
    world.config(&format!("[server]\nlisten = \"127.0.0.1:{port}\"\n{}", provider.as_openai()));
    let bin = world.directory("bin");
    std::os::unix::fs::symlink(shared_files::binary(), bin.join("bitrouter")).expect("a link");
    let script = format!("set -e\n{commands}printf '\\n%s\\n' \"$OPENAI_BASE_URL\"\n");
    let run = world.program("/bin/sh".as_ref(), ["-c", &script]);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
    let run = run.env("PATH", path).env("OPENAI_API_KEY", "sk-scripted").run().with_code(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.last(), Some(&format!("http://127.0.0.1:{port}/v1").as_str()), "{}", run.stdout);
    let tested = lines.iter().rev().find(|line| line.starts_with('{')).expect("the last document");
    let tested: Value = serde_json::from_str(tested).expect("JSON");
    assert_eq!((&tested["ok"], &tested["provider"]), (&true.into(), &"openai".into()), "{tested}");
    let called = provider.last().request.clone();
    assert_eq!(called.key(), Some("sk-scripted"), "the provider is called with its own key");
    world.cli(["stop"]).expect_code(0);
}
