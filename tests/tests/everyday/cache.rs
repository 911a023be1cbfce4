//! The last key: where it is kept, for whom, and what it opens.

use std::os::unix::fs::PermissionsExt as _;

use bitrouter_tests::{World, shared_files};
use serde_json::Value;

use crate::named::{shown, tokenroute};

const FILE: &str = "state/bitrouter/last-key";
const CREATE: [&str; 6] = ["keys", "create", "--name", "ci", "--local", "--json"];

fn mode(world: &World, below: &str) -> u32 {
    world.path(below).metadata().expect("the file").permissions().mode() & 0o7777
}

#[test]
fn the_last_key_is_kept_for_its_owner_alone_with_what_it_opens() {
    let world = World::new();
    let daemon = world.demo();
    let binary = shared_files::binary();
    let (stdout, _) = shown(&world, binary, &[&CREATE[..], &["--no-cache"]].concat(), &[]);
    assert!(!world.path(FILE).exists());
    let unkept: Value = serde_json::from_str(&stdout).expect("a document");
    let (stdout, stderr) = shown(&world, binary, &CREATE, &[]);
    let key: Value = serde_json::from_str(&stdout).expect("a document");
    assert_eq!(stderr, "");
    let text = std::fs::read_to_string(world.path(FILE)).expect("the file");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines, [key["raw"].as_str().expect("a key"), &daemon.base_url()]);
    assert_eq!((mode(&world, FILE), mode(&world, "state/bitrouter")), (0o600, 0o700));
    let left: Vec<_> = std::fs::read_dir(world.path("state/bitrouter")).expect("the directory").flatten().collect();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".last-key")), "{left:?}");
    let (env, _) = shown(&world, binary, &["env", "--format", "export"], &[]);
    assert_eq!(env, format!("export OPENAI_API_KEY={}\nexport OPENAI_BASE_URL={}\n", lines[0], lines[1]));
    // Another key's end leaves it.
    let revoke = |id: &Value| world.cli(["keys", "revoke", id.as_str().expect("an id"), "--local"]).expect_code(0);
    revoke(&unkept["id"]);
    assert!(world.path(FILE).exists());
    revoke(&key["id"]);
    assert!(!world.path(FILE).exists());
    daemon.stop();
}

#[test]
fn the_other_name_keeps_its_own_and_reads_what_tokenroute_wrote() {
    let world = World::new();
    world.write("home/.tokenroute/last_key.txt", "sk-tr-cached123");
    let program = tokenroute(&world);
    let (env, stderr) = shown(&world, &program, &["env"], &[]);
    assert_eq!(env, "OPENAI_API_KEY=sk-tr-cached123\nOPENAI_BASE_URL=https://api.tokenroute.io/v1\n");
    assert_eq!(stderr, "");
    let (env, _) = shown(&world, &program, &["env"], &[("TOKENROUTE_API_URL", "https://qa.example/")]);
    assert_eq!(env, "OPENAI_API_KEY=sk-tr-cached123\nOPENAI_BASE_URL=https://qa.example/v1\n");
    // One with its address is taken to no other.
    world.write("home/.tokenroute/last_key.txt", "sk-tr-cached123\nhttps://qa.example/v1\n");
    let (env, _) = shown(&world, &program, &["--json", "env"], &[]);
    let env: Value = serde_json::from_str(&env).expect("a document");
    assert_eq!(env["OPENAI_BASE_URL"], "https://qa.example/v1");
    let other = world.program(&program, ["env", "--json"]).env("TOKENROUTE_API_URL", "https://other.example").run();
    let error = other.with_code(1).error();
    assert_eq!(error["code"], "no_key", "{error}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("https://other.example") && message.contains("https://qa.example/v1"), "{message}");
    // A key of a flag or of the variable comes first.
    let (env, _) =
        shown(&world, &program, &["env", "--key", "sk-tr-flag"], &[("TOKENROUTE_API_KEY", "sk-tr-variable")]);
    assert_eq!(env, "OPENAI_API_KEY=sk-tr-flag\nOPENAI_BASE_URL=https://api.tokenroute.io/v1\n");
    let (env, _) = shown(&world, &program, &["env"], &[("TOKENROUTE_API_KEY", "sk-tr-variable")]);
    assert_eq!(env, "OPENAI_API_KEY=sk-tr-variable\nOPENAI_BASE_URL=https://api.tokenroute.io/v1\n");
    let stdin = world.program(&program, ["env", "--key-stdin"]).stdin("sk-tr-stdin\nrest\n").run().with_code(0);
    assert!(stdin.stdout.starts_with("OPENAI_API_KEY=sk-tr-stdin\n"), "{}", stdin.stdout);
    assert!(!world.daemon_json().exists(), "nothing of this needs a daemon");
}

#[test]
fn a_file_that_is_not_its_owners_alone_is_refused() {
    let world = World::new();
    let program = tokenroute(&world);
    let below = "home/.tokenroute/last_key.txt";
    let canary = world.canary("last");
    world.holds_secrets(below);
    for (content, mode, part) in [
        (canary.as_str(), 0o644, "chmod 600 "),
        (canary.as_str(), 0o640, "chmod 600 "),
        ("two words", 0o600, "rm "),
        ("", 0o600, "rm "),
        ("sk-tr-x\nnowhere\n", 0o600, "rm "),
    ] {
        let path = world.write_mode(below, content, mode);
        let refused = world.program(&program, ["env"]).run().with_code(1);
        assert!(
            refused.stderr.contains(&path.display().to_string()) && refused.stderr.contains(part),
            "{}",
            refused.stderr
        );
        assert_eq!(refused.stdout, "");
    }
    std::fs::remove_file(world.path(below)).expect("removed");
    std::os::unix::fs::symlink("/etc/hostname", world.path(below)).expect("a link");
    let refused = world.program(&program, ["env"]).run().with_code(1);
    assert!(refused.stderr.contains("is a symlink"), "{}", refused.stderr);
    assert_eq!(world.leaks(), Vec::<String>::new());
}

#[test]
fn no_key_is_made_that_could_not_be_kept() {
    let world = World::new();
    let daemon = world.demo();
    let program = tokenroute(&world);
    world.write("home/.tokenroute", "in the way");
    let refused = world.program(&program, CREATE).run().with_code(1).error();
    assert!(refused["message"].as_str().is_some_and(|text| text.contains(".tokenroute")), "{refused}");
    assert_eq!(world.cli(["keys", "list", "--local", "--json"]).with_code(0).json(), serde_json::json!([]));
    let (made, _) = shown(&world, &program, &[&CREATE[..], &["--no-cache"]].concat(), &[]);
    assert!(made.contains("\"raw\""));
    std::fs::remove_file(world.path("home/.tokenroute")).expect("removed");
    std::os::unix::fs::symlink(world.directory("elsewhere"), world.path("home/.tokenroute")).expect("a link");
    let refused = world.program(&program, CREATE).run().with_code(1).error();
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains(".tokenroute") && message.contains("symlink") && !message.contains("XDG"), "{message}");
    daemon.stop();
}
