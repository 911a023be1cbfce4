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

#[test]
fn people_get_a_page_where_there_is_no_node_and_nobody_a_path() {
    let world = World::new();
    world.write("data/bitrouter/node.db", "no database at all, whatever else it may be");
    let daemon = world.demo();
    for path in ["/console", "/login", "/logout", "/oauth/device?user_code=BCDF-GHJK", "/console/nowhere"] {
        let page = daemon.http().get(path).header("Accept", "text/html,*/*;q=0.8").send();
        assert_eq!(page.status, 503, "{path}");
        let text = page.text();
        assert!(text.contains("<code>bitrouter status</code> on that machine says why"), "{path}: {text}");
        assert!(!text.contains("node.db"), "{path}: {text}");
        daemon.http().get(path).send().json();
    }
    assert_eq!(daemon.http().get("/console/style.css").send().status, 200);
    let stranger = daemon.http().get("/login").header("X-Forwarded-For", "203.0.113.9").send();
    assert!(stranger.status == 503 && !stranger.text().contains("node.db"), "{}", stranger.text());
}
