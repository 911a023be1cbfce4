//! What a shell is told when a key is pressed.

use bitrouter_tests::{Reply, World, shared_files};
use serde_json::json;

use crate::far::Far;

#[test]
fn ids_and_names_of_the_account_are_told_with_what_they_are() {
    let far = Far::new();
    let row = |id: &str, name: &str| json!({"id": id, "display_name": name, "key_prefix": "brk_", "scopes": [], "created_at": "2026-05-01T00:00:00Z"});
    far.answers("/keys", &json!({"data": [row("17", "ci"), row("23", "it's")]}));
    let told = far.world.cli(["__complete", "cloud", "keys", "revoke", ""]).with_code(0);
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("17\tci\n23\tit's\n", ""));
    assert_eq!(far.world.cli(["__complete", "cloud", "keys", "revoke", "2"]).with_code(0).stdout, "23\tit's\n");
    let script = format!(
        "source <({binary} completions bash); COMP_WORDS=({binary} cloud keys revoke 1); COMP_CWORD=4; \
         _bitrouter_asked {binary}; printf '%s\\n' \"${{COMPREPLY[@]}}\"; COMP_WORDS=({binary} cloud keys re); COMP_CWORD=3; \
         _bitrouter_asked {binary} re keys; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        binary = shared_files::binary().display()
    );
    let told = far.world.program("/bin/bash".as_ref(), ["-c", &script]).run().with_code(0);
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("17\nrevoke\n", ""));
    far.daemon.stop();
}

#[test]
fn where_nothing_is_known_nothing_is_said_and_nothing_is_started() {
    let world = World::new();
    for words in [
        &["cloud", "keys", "revoke", ""][..],
        &["cloud", "keys", "revoke", "--local", ""],
        &["node", "namespace", "delete", ""],
        &["cloud", "no", "such", ""],
        &["cloud", "policy", "create", "--spec", ""],
        &[],
    ] {
        let told = world.command(["__complete"].iter().chain(words)).run().with_code(0);
        assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", ""), "{words:?}");
    }
    assert!(!world.daemon_json().exists());
    let far = Far::new();
    far.issuer.rest("/v1/namespaces/ns_far/keys", Reply::nothing().stall());
    let told = far.world.cli(["__complete", "cloud", "keys", "revoke", ""]).with_code(0);
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", ""));
    far.daemon.stop();
}

#[test]
fn namespaces_and_people_of_the_own_node_are_told_by_name() {
    let world = World::new();
    let daemon = world.demo();
    world.cli(["node", "namespace", "create", "staging area"]).expect_code(0);
    for words in [
        &["node", "namespace", "delete", "sta"][..],
        &["node", "member", "list", "sta"],
        &["cloud", "usage", "--local", "--namespace", "sta"],
    ] {
        let told = world.command(["__complete"].iter().chain(words)).run().with_code(0);
        assert!(told.stdout.starts_with("staging area"), "{words:?}: {}", told.stdout);
    }
    daemon.stop();
}

bitrouter_test_postgres::once_more_on_postgres!(namespaces_and_people_of_the_own_node_are_told_by_name,);
