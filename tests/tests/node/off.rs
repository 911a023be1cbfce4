//! What the verbs say where the node is off.

use bitrouter_tests::World;

#[test]
fn a_node_that_is_switched_off_says_so() {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let _daemon = world.demo();
    for words in [["node", "namespace", "list"].as_slice(), &["node", "namespace", "create", "x"]] {
        let output = world.command(words.iter().copied().chain(["--json"])).run().with_code(3);
        let error = output.error();
        assert_eq!(error["code"], "node_off", "{words:?}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("enabled = false")), "{error}");
    }
    let status = world.cli(["status"]).with_code(0).stdout;
    assert!(status.contains("  node       off: `[node] enabled = false`"), "{status}");
}

#[test]
fn a_node_that_is_on_says_where_its_console_is() {
    let world = World::new();
    let daemon = world.demo();
    world.cli(["node", "namespace", "list"]).expect_code(0);
    let status = world.cli(["status"]).with_code(0).stdout;
    let row = format!("  node       on, console at http://127.0.0.1:{}/console", daemon.port());
    assert!(status.lines().any(|line| line == row), "{status}");
}
