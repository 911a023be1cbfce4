//! `bitrouter console`.

use std::os::unix::fs::PermissionsExt as _;

use bitrouter_tests::{World, shared_files, terminal::Terminal, wait, wait::PATIENCE};

#[test]
fn the_link_is_told_on_both_outputs_where_nobody_watches() {
    let world = World::new();
    let daemon = world.demo();
    let told = world.cli(["console", "--json"]).with_code(0);
    let (url, seconds) = (told.json()["url"].clone(), told.json()["expires_in"].clone());
    let url = url.as_str().expect("a link").to_owned();
    assert!(url.starts_with(&format!("http://127.0.0.1:{}/console?", daemon.port())), "{url}");
    assert_eq!((seconds, told.stderr.as_str()), (60.into(), ""));
    let piped = world.cli(["console"]).with_code(0);
    assert!(piped.stderr.contains(piped.stdout.trim()) && piped.stdout.starts_with("http://"), "{}", piped.text());
    assert_ne!(piped.stdout.trim(), url, "each link is another one");
}

#[test]
fn a_browser_is_opened_only_where_it_can_be_seen() {
    let world = World::new();
    let _daemon = world.demo();
    let browser = world.write("browser", "#!/bin/sh\nprintf '%s' \"$1\" > \"$0.new\" && mv \"$0.new\" \"$0.told\"\n");
    let file = std::fs::File::open(&browser).expect("open");
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let told = world.path("browser.told");
    let named = browser.to_string_lossy().into_owned();
    let seen = [("BROWSER", named.as_str()), ("DISPLAY", ":9")];
    let ssh = [seen[0], seen[1], ("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")];
    for (words, environment) in [
        (&["console", "--no-open"][..], &seen[..]),
        (&["console", "--json"], &seen),
        (&["console"], &seen[..1]),
        (&["console"], &ssh),
    ] {
        let mut window = Terminal::open(&world, shared_files::binary(), words, environment);
        assert_eq!(window.wait(PATIENCE).code(), Some(0), "{words:?}");
        assert!(window.until_quiet().contains("/console?"), "{words:?}");
        assert!(!told.exists(), "{words:?} {environment:?}");
    }
    let mut window = Terminal::open(&world, shared_files::binary(), &["console"], &seen);
    assert_eq!(window.wait(PATIENCE).code(), Some(0));
    wait::holds("the browser to be started", || told.exists());
    let url = std::fs::read_to_string(&told).expect("what it was told");
    let shown = window.until_quiet();
    assert!(shown.contains(&url) && shown.contains("opening the console in your browser"), "{shown}");
}

#[test]
fn without_a_node_there_is_no_link() {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let _daemon = world.demo();
    assert_eq!(world.cli(["console", "--json"]).with_code(3).error()["code"], "node_off");
    assert!(world.cli(["console"]).with_code(3).stderr.contains("hint: bitrouter status"));
}
